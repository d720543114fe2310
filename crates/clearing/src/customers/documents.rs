//! The documents that the settlement book only commits to: kept with the hold, before it is asked.

use journal::Checked;
use record::{CustomerStep, FactBody, Heading, SaltSlot, SettleOrder};
use terms::{Instant, PaymentId, Position};

use super::{CustomerAnswer, CustomersBook, DebtorSeen, stepped};
use crate::order::HoldOrder;
use crate::saga::DebtorSide;

impl CustomersBook {
    /// Where the documents of a payment lie that left this book, or is about to: facts of holds, of
    /// which the settlement fact commits to one.
    pub fn documents(&self, payment: PaymentId) -> impl Iterator<Item = Position> {
        let all = (payment, Position::ZERO)..=(payment, Position::new(u64::MAX));
        self.documents.range(all).map(|(_, at)| *at)
    }

    /// What was answered before to a hold for this payment, if anything was.
    pub(super) fn hold_before(
        &self,
        slot: SaltSlot,
        order: &HoldOrder<'_>,
    ) -> Option<Checked<CustomerAnswer>> {
        let DebtorSeen { side, terms } = self.debtor_seen(order.terms.payment);
        let got = order.terms_digest;
        let outcome = match (side, terms) {
            (DebtorSide::Untouched, _) => return None,
            (DebtorSide::Held, Some(first)) if first != got => {
                CustomerAnswer::PaymentIdUsed { first, got }
            }
            (DebtorSide::Held, _) => return Some(self.held_again(slot, order)),
            (DebtorSide::Debited | DebtorSide::Released, _) => CustomerAnswer::HoldEnded(side),
        };
        Some(Checked { facts: vec![], outcome })
    }

    // INVARIANT (DocumentsFirst): what a settlement fact commits to is durable here before that
    // fact is asked for: each order that is answered `Held` has its documents in a fact of this
    // book, under the blind that the answer names. Guard: `tests/documents.rs`.
    fn held_again(&self, slot: SaltSlot, order: &HoldOrder<'_>) -> Checked<CustomerAnswer> {
        let (payment, blind) = (order.terms.payment, order.offered);
        let held = self.held.get(&payment);
        let kept = held.filter(|held| same_documents(&held.order, order.order));
        if let Some(kept) = kept.and_then(|held| held.blind) {
            return Checked { facts: vec![], outcome: CustomerAnswer::Held(kept) };
        }
        let order = Box::new(order.order.clone());
        let step = CustomerStep::Documented { payment, order, blind };
        let facts = vec![step.to_fact(slot, Heading::default())];
        Checked { facts, outcome: CustomerAnswer::Held(blind) }
    }

    pub(super) fn held(
        &self,
        at: Instant,
        slot: SaltSlot,
        order: &HoldOrder<'_>,
    ) -> Checked<CustomerAnswer> {
        let mut checked = stepped(slot, self.hold(at, order));
        if checked.outcome == CustomerAnswer::Done {
            checked.outcome = CustomerAnswer::Held(order.offered);
        }
        checked
    }
}

/// Whether two orders have the same documents of those that the settlement book only commits to.
fn same_documents(one: &SettleOrder, other: &SettleOrder) -> bool {
    one.terms == other.terms
        && one.identifiers == other.identifiers
        && one.invoice == other.invoice
        && one.acceptance == other.acceptance
}
