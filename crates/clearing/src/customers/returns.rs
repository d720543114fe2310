//! The duty to return: money that a customer's account did not take.
//!
//! A settled payment is final, so an account that takes no credit cannot undo it: the money goes
//! to the institution's suspense account in the same fact, and the institution owes a return.
//! The duty is a fold over that fact and ends with the fact that names the payment by which the
//! money went back.

use std::collections::BTreeMap;

use journal::Checked;
use ledger::{Resolved, Side as EntrySide};
use minicbor::{Decode, Encode};
use record::{FactBody, Heading, ReturnDutyClosed, SaltSlot};
use terms::{AccountId, Amount, AssetCode, Instant, PaymentId};

use super::{CustomerAnswer, refused};
use crate::rule::{Rule, RuleName};

/// Money that lies in suspense and has to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReturnOwed {
    /// The payment whose account did not take the money.
    #[n(0)]
    pub payment: PaymentId,
    /// How much lies in suspense.
    #[n(1)]
    pub amount: Amount,
    /// Since when: the writer's stamp of the credit.
    #[n(2)]
    pub since: Instant,
}

/// The duties of a book, open and done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Returns {
    #[n(0)]
    owed: BTreeMap<PaymentId, ReturnOwed>,
    #[n(1)]
    done: BTreeMap<PaymentId, PaymentId>,
}

impl Returns {
    /// The open duties, by payment.
    pub fn owed(&self) -> impl Iterator<Item = &ReturnOwed> {
        self.owed.values()
    }

    /// The open duty of a payment.
    #[must_use]
    pub fn of(&self, payment: PaymentId) -> Option<&ReturnOwed> {
        self.owed.get(&payment)
    }

    /// The payment by which a payment's money went back, once it has.
    #[must_use]
    pub fn returned_by(&self, payment: PaymentId) -> Option<PaymentId> {
        self.done.get(&payment).copied()
    }

    /// Records that a duty is done. The same again changes nothing; another return payment for
    /// the same duty is refused: money would have gone back twice.
    pub(super) fn close(
        &self,
        slot: SaltSlot,
        closed: &ReturnDutyClosed,
    ) -> Checked<CustomerAnswer> {
        let ReturnDutyClosed { payment, return_payment } = *closed;
        match (self.done.get(&payment), self.owed.contains_key(&payment)) {
            (Some(first), _) if *first == return_payment => {
                Checked { facts: vec![], outcome: CustomerAnswer::Done }
            }
            (Some(first), _) => {
                let detail = format!("payment `{payment}` went back by `{first}` before");
                refused(Rule::new(RuleName::PaymentIdUsed, detail))
            }
            (None, false) => {
                let detail = format!("no return of payment `{payment}` is owed");
                refused(Rule::new(RuleName::LedgerRefuses, detail))
            }
            (None, true) => Checked {
                facts: vec![closed.to_fact(slot, Heading::default())],
                outcome: CustomerAnswer::Done,
            },
        }
    }

    pub(super) fn closed(&mut self, body: &ReturnDutyClosed) {
        self.owed.remove(&body.payment);
        self.done.insert(body.payment, body.return_payment);
    }

    /// Notes a credit that went to suspense.
    pub(super) fn credited(
        &mut self,
        payment: PaymentId,
        since: Instant,
        posted: &Resolved,
        suspense: impl Fn(AssetCode) -> Option<AccountId>,
        asset_of: impl Fn(AccountId) -> Option<AssetCode>,
    ) {
        let Resolved::Posted { transaction, .. } = posted else { return };
        for entry in &transaction.entries {
            let Some(asset) = asset_of(entry.account) else { continue };
            if entry.side == EntrySide::Credit && suspense(asset) == Some(entry.account) {
                let amount = Amount::new(entry.amount, asset);
                self.owed.insert(payment, ReturnOwed { payment, amount, since });
            }
        }
    }
}
