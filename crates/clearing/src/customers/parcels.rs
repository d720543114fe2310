//! Sealed payloads of a payment, kept in the institution's own book.

use journal::Checked;
use record::{FactBody, Heading, Parcel, SaltSlot};
use seal::sha256;

use super::{CustomerAnswer, CustomersBook, ParcelKey, refused};
use crate::rule::{Rule, RuleName};

impl CustomersBook {
    /// Keeps a parcel once. Another under the same id is refused, not taken for delivered: its
    /// sender would forget it.
    pub(super) fn store(&self, slot: SaltSlot, parcel: &Parcel) -> Checked<CustomerAnswer> {
        let Parcel { payment, side, ref kind, .. } = *parcel;
        let known = self.parcels.get(&ParcelKey { payment, side, kind: kind.clone() });
        match known.map(|entry| entry.content) {
            Some(first) if first != sha256(&parcel.sealed) => {
                let detail = format!("another parcel `{kind}` of payment `{payment}` is kept");
                refused(Rule::new(RuleName::PaymentIdUsed, detail))
            }
            Some(_) => Checked { facts: vec![], outcome: CustomerAnswer::Done },
            None => Checked {
                facts: vec![parcel.to_fact(slot, Heading::default())],
                outcome: CustomerAnswer::Done,
            },
        }
    }
}
