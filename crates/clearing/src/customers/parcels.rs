//! Sealed payloads of a payment, kept in the institution's own book.

use journal::Checked;
use minicbor::{Decode, Encode};
use record::{FactBody, Heading, Parcel, SaltSlot, Side};
use seal::{Digest, sha256};
use terms::{PaymentId, Position};

use super::duties::CheckedParcel;
use super::{CustomerAnswer, CustomersBook, refused};
use crate::rule::{Rule, RuleName};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub(super) struct ParcelKey {
    #[n(0)]
    pub(super) payment: PaymentId,
    #[n(1)]
    pub(super) side: Side,
    #[n(2)]
    pub(super) kind: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct ParcelEntry {
    #[n(0)]
    pub(super) at: Position,
    /// Of what is sealed: a parcel is known by id and content.
    #[n(1)]
    pub(super) content: Digest,
}

impl CustomersBook {
    /// Keeps a parcel once. Another under the same id is refused, not taken for delivered: its
    /// sender would forget it.
    pub(super) fn store(&self, slot: SaltSlot, checked: &CheckedParcel) -> Checked<CustomerAnswer> {
        let parcel = &checked.parcel;
        let Parcel { payment, side, ref kind, .. } = *parcel;
        let known = self.parcels.get(&ParcelKey { payment, side, kind: kind.clone() });
        match known.map(|entry| entry.content) {
            Some(first) if first != sha256(&parcel.sealed) => {
                let detail = format!("another parcel `{kind}` of payment `{payment}` is kept");
                refused(Rule::new(RuleName::PaymentIdUsed, detail))
            }
            Some(_) => Checked { facts: vec![], outcome: CustomerAnswer::Done },
            None => {
                let mut facts = vec![parcel.to_fact(slot, Heading::default())];
                let notice = checked.notice.as_ref();
                facts.extend(notice.into_iter().flat_map(|one| Self::noticed(slot, one)));
                Checked { facts, outcome: CustomerAnswer::Done }
            }
        }
    }
}
