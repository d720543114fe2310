//! Settled payments of which it is not yet known that both customers' books did their part.
//!
//! A payment, a refund or a return enters with its settlement fact and leaves with a
//! `PaymentsCompleted` fact that names it. What is here is the whole list of what recovery must
//! ask about, and of what may stand between a participant's settlement account and the mirror of
//! it in the institution's own book. The list is as long as what is under way, not as long as the
//! journal.

use std::collections::BTreeMap;

use journal::Checked;
use ledger::Side as EntrySide;
use minicbor::{Decode, Encode};
use record::{
    COMPLETED_MAX, FactBody, FeeTaker, Heading, OutgoingPayment, PaymentEnded, PaymentReturned,
    PaymentsCompleted, ReturnOrder, SaltSlot, Settled,
};
use terms::{Amount, Instant, InstitutionName, Minor, PaymentId, Position};

use super::SettlementAnswer;
use super::own::Leg;

/// A settled payment on its way through the customers' books.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct InTransit {
    /// Where it settled.
    #[n(0)]
    pub settled: Position,
    /// When it settled: the writer's stamp.
    #[n(1)]
    pub since: Instant,
    /// Whose book is to post the hold.
    #[n(2)]
    pub debtor: InstitutionName,
    /// What left the debtor institution's settlement account: the debit less its own fee.
    #[n(3)]
    pub left: Amount,
    /// Whose book is to credit.
    #[n(4)]
    pub creditor: InstitutionName,
    /// What came to the creditor institution's settlement account.
    #[n(5)]
    pub came: Amount,
    /// Whether it left over a rail: then `creditor` is the debtor's institution again, nothing came
    /// and no book here is to credit.
    #[n(6)]
    pub outside: bool,
}

impl InTransit {
    /// What the institutions' own books follow of it on their settlement accounts.
    fn legs(&self) -> Vec<Leg> {
        let (left, came) = (self.left, self.came);
        vec![
            Leg { participant: self.debtor, side: EntrySide::Debit, amount: left },
            Leg { participant: self.creditor, side: EntrySide::Credit, amount: came },
        ]
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Transit {
    #[n(0)]
    payments: BTreeMap<PaymentId, InTransit>,
}

impl Transit {
    /// The payments, by id.
    pub fn iter(&self) -> impl Iterator<Item = (PaymentId, &InTransit)> {
        self.payments.iter().map(|(payment, one)| (*payment, one))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payments.len()
    }

    /// Whether every settled payment is complete.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payments.is_empty()
    }

    /// Notes a settled payment or refund, and says what its institutions' own books follow. Its
    /// documents were checked before they were recorded: one that does not read cannot be here,
    /// and would have stopped the fold of its postings.
    pub(super) fn settled(&mut self, position: Position, body: &Settled) -> Vec<Leg> {
        let Some(one) = in_transit(position, body) else { return vec![] };
        let legs = one.legs();
        self.payments.insert(body.ended.payment, one);
        legs
    }

    /// Notes a settled return: the debtor is who gives back. It carries no fee. Says what the
    /// institutions' own books follow.
    pub(super) fn returned(
        &mut self,
        settled: Position,
        body: &PaymentReturned,
        order: &ReturnOrder,
    ) -> Vec<Leg> {
        let one = InTransit {
            settled,
            since: body.ended.recorded_at,
            debtor: body.parties.debtor,
            left: order.amount,
            creditor: body.parties.creditor,
            came: order.credited,
            outside: false,
        };
        let legs = one.legs();
        self.payments.insert(body.ended.payment, one);
        legs
    }

    /// Notes a payment that a rail paid out: what is left is to post the payer's hold.
    pub(super) fn went_out(
        &mut self,
        settled: Position,
        ended: &PaymentEnded,
        order: &OutgoingPayment,
    ) {
        let one = InTransit {
            settled,
            since: ended.recorded_at,
            debtor: order.institution,
            left: order.amount,
            creditor: order.institution,
            came: Amount::new(Minor::ZERO, order.amount.asset),
            outside: true,
        };
        self.payments.insert(ended.payment, one);
    }

    pub(super) fn completed(&mut self, body: &PaymentsCompleted) {
        for payment in &body.payments {
            self.payments.remove(payment);
        }
    }

    /// Records that these payments are complete; those that are not under way are left out.
    pub(super) fn complete(
        &self,
        slot: SaltSlot,
        payments: &[PaymentId],
    ) -> Checked<SettlementAnswer> {
        if payments.len() > COMPLETED_MAX {
            let got = payments.len();
            let reason = format!("expected at most {COMPLETED_MAX} payments, got {got}");
            return super::not_accepted(reason);
        }
        let mut open: Vec<PaymentId> = payments.to_vec();
        open.retain(|payment| self.payments.contains_key(payment));
        open.sort_unstable();
        open.dedup();
        let facts = if open.is_empty() {
            vec![]
        } else {
            vec![PaymentsCompleted { payments: open }.to_fact(slot, Heading::default())]
        };
        Checked { facts, outcome: SettlementAnswer::Done }
    }
}

fn in_transit(settled: Position, body: &Settled) -> Option<InTransit> {
    let quote = body.quote.read_unverified().ok()?;
    let fee = quote.fees_of(FeeTaker::DebtorInstitution)?;
    Some(InTransit {
        settled,
        since: body.ended.recorded_at,
        debtor: body.debtor_permit.read_unverified().ok()?.institution,
        left: quote.debit.minus(fee).ok()?,
        creditor: body.creditor_permit.read_unverified().ok()?.institution,
        came: quote.credit,
        outside: false,
    })
}
