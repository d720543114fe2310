//! Payments over a rail in the settlement book: taken in the writer's turn, ended in one append
//! with the money.
//!
//! INVARIANT (OutgoingEndsWithItsTransfer): once taken, a payment ends by what its transfer came to
//! and by nothing else. Guard: `first_answer`, which every other ending asks. Without it the
//! payer's hold could be released while the money is on its way.

use std::collections::BTreeMap;

use journal::Checked;
use ledger::{Command, Placement, Side as EntrySide, Term, VelocityLimit};
use minicbor::{Decode, Encode};
use record::{
    Ending, Fact, FactBody, Heading, LimitClaim, OutgoingEnded, OutgoingPayment, OutgoingTaken,
    OutsideEvidence, PaymentEnded, RefusedBy, SaltSlot, Side, Signed,
};
use seal::Digest;
use terms::{Instant, OutsideId, PaymentId, Position};

use super::judge::{decided_by_now, open, velocity};
use super::rails::of_liquidity;
use super::{PackKey, SettlementAnswer, SettlementBook, read, stop};
use crate::outgoing::{CheckedOutgoing, OutgoingSide, one_sided, transfer_of};
use crate::outside::{OutsideAnswer, Transfer, hold_of, hold_until};
use crate::rule::{Rule, RuleName};

/// The payments that were taken and have not ended, each with its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Outgoings {
    #[n(0)]
    open: BTreeMap<PaymentId, Signed<OutgoingPayment>>,
}

impl SettlementBook {
    /// What this book says of an outgoing payment.
    #[must_use]
    pub fn outgoing_side(&self, payment: PaymentId) -> OutgoingSide {
        match self.payment(payment) {
            Some(entry) => OutgoingSide::Ended(entry.ending.clone(), entry.position),
            None if self.outgoings.open.contains_key(&payment) => OutgoingSide::UnderWay,
            None => OutgoingSide::Unknown,
        }
    }

    /// The answer to whoever would end a payment that is on its way over a rail.
    pub(super) fn under_way(&self, payment: PaymentId, got: Digest) -> Option<SettlementAnswer> {
        let first = self.outgoings.open.get(&payment)?.digest();
        Some(if first == got {
            SettlementAnswer::NotAccepted(format!("`{payment}` is on its way over a rail"))
        } else {
            SettlementAnswer::PaymentIdUsed { first, got }
        })
    }

    pub(super) fn take(
        &self,
        stamp: Instant,
        slot: SaltSlot,
        order: &CheckedOutgoing,
    ) -> Checked<SettlementAnswer> {
        let payment = order.order.payment;
        let known = self.outgoings.open.get(&payment).map(Signed::digest);
        if known == Some(order.terms_digest) {
            let outcome = SettlementAnswer::Outside(OutsideAnswer::Before);
            return Checked { facts: vec![], outcome };
        }
        if let Some(first) = self.first_answer(payment, order.terms_digest) {
            return Checked { facts: vec![], outcome: first };
        }
        match self.judge_outgoing(stamp, order) {
            Ok(change) => {
                let (order, hold) = (order.signed.clone(), hold_of(transfer_of(payment)));
                let body = OutgoingTaken { order, hold, change };
                let facts = vec![body.to_fact(slot, Heading::default())];
                Checked { facts, outcome: SettlementAnswer::Outside(OutsideAnswer::Now) }
            }
            Err(Rule { name, detail }) => {
                let (heading, code) = (heading_of(&order.order), name.to_string());
                let by = RefusedBy::Core(code.clone(), detail);
                self.refused(stamp, slot, heading, payment, order.terms_digest, code, by)
            }
        }
    }

    /// What depends on time and on the book: the hold on the institution's prefunded money, or the
    /// first rule that refuses.
    fn judge_outgoing(&self, stamp: Instant, checked: &CheckedOutgoing) -> Result<Vec<u8>, Rule> {
        let order = &checked.order;
        let id = checked.key.key_id();
        let named = self.trust.permit_key(order.institution, order.corridor, Side::Debtor, id);
        if named != Some(checked.key) {
            let detail = "outgoing payment: its key is not named any more";
            return Err(Rule::new(RuleName::SignerNotTrusted, detail));
        }
        one_sided(order, &self.trust)?;
        self.mark_in_service(Side::Debtor, order.mark, order.institution)?;
        let key = PackKey {
            institution: order.institution,
            corridor: order.corridor,
            side: Side::Debtor,
            pack: order.basis.pack,
        };
        if !self.pack_in_force(stamp, &key, order.basis.schema, order.owner) {
            let detail = format!("outgoing payment: pack `{}`", order.basis.pack);
            return Err(Rule::new(RuleName::PackNotInForce, detail));
        }
        let fresh = self
            .snapshots
            .get(&order.institution)
            .is_some_and(|entry| entry.digest == order.basis.snapshot && stamp < entry.valid_until);
        if !fresh {
            let detail = format!("outgoing payment: snapshot `{}`", order.basis.snapshot);
            return Err(Rule::new(RuleName::SnapshotTooOld, detail));
        }
        self.outgoing_not_stopped(stamp, order)?;
        decided_by_now(stamp, Side::Debtor, order.decided_at)?;
        open(stamp, order.valid_until, RuleName::PermitExpired)?;
        let asset = order.amount.asset;
        if let Some(why) = self.defunding_stopped(asset) {
            return Err(Rule::new(RuleName::DefundingStopped, why));
        }
        if self.transfer(transfer_of(order.payment)).is_some() {
            let detail = format!("a withdrawal has the id of payment `{}`", order.payment);
            return Err(Rule::new(RuleName::OutsideIdUsed, detail));
        }
        let account = self.settlement_account(order.institution, asset).ok_or_else(|| {
            let detail = format!("settlement account of `{}` in `{asset}`", order.institution);
            Rule::new(RuleName::AccountUnknown, detail)
        })?;
        self.control_account(asset)?;
        let placement = Placement {
            id: hold_of(transfer_of(order.payment)),
            account,
            side: EntrySide::Debit,
            amount: order.amount.minor,
            term: Term::Expiring { at: hold_until(stamp) },
            business_date: self.business_date(stamp),
            limits: velocity_limits(order)?,
            links: vec![ledger::Link::Payment(order.payment)],
        };
        self.one_change(stamp, &Command::PlaceHold(placement)).map_err(of_liquidity)
    }

    /// The end of the payment that a transfer carries, to be recorded in one append with what
    /// posts or releases its money.
    pub(super) fn payment_ended(
        &self,
        recorded_at: Instant,
        slot: SaltSlot,
        id: OutsideId,
        evidence: &OutsideEvidence,
        ending: Ending,
    ) -> Option<Fact> {
        let payment = PaymentId::from_bytes(id.bytes());
        let order = self.outgoings.open.get(&payment)?.clone();
        let (environment, terms) = (self.environment, order.digest());
        let heading = order.read_unverified().map(|read| heading_of(&read)).unwrap_or_default();
        let ended = PaymentEnded { payment, environment, terms, ending, recorded_at };
        let body = OutgoingEnded { ended, order, evidence: evidence.clone() };
        Some(body.to_fact(slot, heading))
    }

    pub(super) fn apply_taken(&mut self, at: Position, stamp: Instant, fact: &Fact) {
        let body: OutgoingTaken = read(fact);
        self.apply_change(stamp, &body.change);
        let order = body.order.read_unverified().unwrap_or_else(|error| stop(&error.to_string()));
        let account = self.ledger.hold(body.hold).map(|hold| hold.placement().account);
        let account = account.unwrap_or_else(|| stop("a taken payment has no hold"));
        let transfer = Transfer::of_payment(&body.order, &order, account, (at, stamp));
        self.outgoings.open.insert(order.payment, body.order);
        self.drive_transfer(transfer);
    }

    pub(super) fn apply_outgoing_ended(&mut self, at: Position, fact: &Fact) {
        let body: OutgoingEnded = read(fact);
        self.remember(at, &body.ended);
        let order = self.outgoings.open.remove(&body.ended.payment);
        let read = order.and_then(|order| order.read_unverified().ok());
        if let (Ending::Settled, Some(order)) = (&body.ended.ending, read) {
            self.transit.went_out(at, &body.ended, &order);
        }
    }
}

/// How a payment is refused whose transfer came to nothing.
pub(super) fn not_paid(evidence: &OutsideEvidence) -> Ending {
    let name = match evidence {
        OutsideEvidence::Lapsed(_) => RuleName::InstructionExpired,
        OutsideEvidence::Message { .. }
        | OutsideEvidence::Line(_)
        | OutsideEvidence::Act(_)
        | OutsideEvidence::NeverSent(_) => RuleName::RailRefused,
    };
    Ending::Refused(name.to_string())
}

/// What the order's pack claims to be bounded, counted with the hold in this very turn. A claim
/// that this payment cannot be counted into is refused: dropped, it would bound nothing. The fee
/// counts, as it does in a payment between participants: it leaves the payer's account, too.
fn velocity_limits(order: &OutgoingPayment) -> Result<Vec<VelocityLimit>, Rule> {
    let asset = order.amount.asset;
    let one = |claim: &LimitClaim| {
        if claim.amount.asset == asset {
            let besides = Some(order.fee.minor).filter(|fee| !fee.is_zero());
            Ok(VelocityLimit { besides, ..velocity(order.institution, claim) })
        } else {
            Err(Rule::permit(Side::Debtor, "limits", asset, claim.amount.asset))
        }
    };
    order.limits.iter().flatten().map(one).collect()
}

fn heading_of(order: &OutgoingPayment) -> Heading {
    Heading { corridor: Some(order.corridor), debtor_edge: Some(order.mark), creditor_edge: None }
}
