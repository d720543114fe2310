//! The payer's side of a payment that leaves over a rail: held and pinned first, posted when the
//! settlement book says that the rail did it, released when it surely did not.

use std::collections::BTreeMap;

use journal::Checked;
use ledger::{
    Command, Entry, Link, NotDone, NotDoneSource, Placement, Side as EntrySide, Term, VoidGround,
};
use minicbor::{Decode, Encode};
use record::{
    Fact, FactBody, OutgoingParties, OutgoingPayment, OutgoingStep, ReleaseReason, SaltSlot, Side,
    Signed,
};
use seal::{Digest, digest};
use terms::{AccountId, Instant, PaymentId, Position};

use super::after::stepped;
use super::{CustomerAnswer, CustomersBook, DebtorEnd, OwnUse, RELEASE, entry, hold_of, post};
use crate::outgoing::CheckedOutgoing;
use crate::rule::{Rule, RuleName, same};
use crate::saga::DebtorSide;
use crate::settlement::stop;

/// The outgoing payments whose money is held here, each with its order and who pays whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Outgoings {
    #[n(0)]
    held: BTreeMap<PaymentId, (Signed<OutgoingPayment>, OutgoingParties)>,
}

impl Outgoings {
    pub(super) fn of(&self, payment: PaymentId) -> Option<&Signed<OutgoingPayment>> {
        self.held.get(&payment).map(|(order, _)| order)
    }
}

impl CustomersBook {
    /// The outgoing payments whose hold is open: what recovery must ask about.
    pub fn open_outgoings(&self) -> impl Iterator<Item = (PaymentId, &Signed<OutgoingPayment>)> {
        self.outgoings.held.iter().map(|(payment, (order, _))| (*payment, order))
    }

    /// Who pays whom, while the money is held: what the rail is told.
    #[must_use]
    pub fn outgoing_parties(&self, payment: PaymentId) -> Option<&OutgoingParties> {
        self.outgoings.held.get(&payment).map(|(_, parties)| parties)
    }

    pub(super) fn hold_outgoing(
        &self,
        at: Instant,
        slot: SaltSlot,
        checked: &CheckedOutgoing,
    ) -> Checked<CustomerAnswer> {
        let seen = self.debtor_seen(checked.order.payment);
        let outcome = match (seen.side, seen.terms) {
            (DebtorSide::Untouched, _) => {
                return stepped(slot, self.outgoing_held(at, checked));
            }
            (DebtorSide::Held, Some(first)) if first != checked.terms_digest => {
                CustomerAnswer::PaymentIdUsed { first, got: checked.terms_digest }
            }
            (DebtorSide::Held, _) => CustomerAnswer::Done,
            (side @ (DebtorSide::Debited | DebtorSide::Released), _) => {
                CustomerAnswer::HoldEnded(side)
            }
        };
        Checked { facts: vec![], outcome }
    }

    /// Everything that the debit needs is asked here: once the rail did it, it is too late to
    /// refuse.
    fn outgoing_held(
        &self,
        at: Instant,
        checked: &CheckedOutgoing,
    ) -> Result<Option<OutgoingStep>, Rule> {
        let order = &checked.order;
        same(RuleName::OwnersDiffer, "institution", self.institution, order.institution)?;
        let account = order.debited_account;
        let unknown = || Rule::new(RuleName::AccountUnknown, account.to_string());
        let profile = self.profiles.get(&account).ok_or_else(unknown)?;
        same(RuleName::OwnersDiffer, "owner", profile.owner, order.owner)?;
        self.not_blocked(account)?;
        let asset = order.amount.asset;
        if self.ledger.account(account).map(|known| known.opening().asset) != Some(asset) {
            let detail = format!("`{account}` is not kept in `{asset}`");
            return Err(Rule::new(RuleName::AccountUnknown, detail));
        }
        self.own_account(asset, OwnUse::DueFrom)?;
        if !order.fee.minor.is_zero() {
            self.own_account(asset, OwnUse::Fee)?;
        }
        let placement = Placement {
            id: hold_of(order.payment),
            account,
            side: EntrySide::Debit,
            amount: debited(order)?.minor,
            term: Term::Pinned,
            business_date: at.date(),
            limits: vec![],
            links: vec![Link::Payment(order.payment)],
        };
        let change = self.one_change(at, &Command::PlaceHold(placement))?.into();
        let order = Box::new(checked.signed.clone());
        Ok(Some(OutgoingStep::Held { order, parties: Box::new(checked.parties.clone()), change }))
    }

    pub(super) fn debit_outgoing(
        &self,
        at: Instant,
        payment: PaymentId,
        settled: Position,
    ) -> Result<Option<OutgoingStep>, Rule> {
        let Some(signed) = self.outgoings.of(payment) else { return Ok(None) };
        let order = read(signed);
        let asset = order.amount.asset;
        let hold = Some(hold_of(payment));
        let due_from: AccountId = self.own_account(asset, OwnUse::DueFrom)?;
        let whole = debited(&order)?.minor;
        let mut entries = vec![
            Entry { hold, ..entry(order.debited_account, EntrySide::Debit, whole) },
            entry(due_from, EntrySide::Credit, order.amount.minor),
        ];
        if !order.fee.minor.is_zero() {
            let taker = self.own_account(asset, OwnUse::Fee)?;
            entries.push(entry(taker, EntrySide::Credit, order.fee.minor));
        }
        let change = self.one_change(at, &post(at, payment, entries, Side::Debtor))?.into();
        Ok(Some(OutgoingStep::Debited { payment, settled, change }))
    }

    pub(super) fn release_outgoing(
        &self,
        at: Instant,
        payment: PaymentId,
        reason: ReleaseReason,
    ) -> Result<Option<OutgoingStep>, Rule> {
        if self.outgoings.of(payment).is_none() {
            return Ok(None);
        }
        let (ReleaseReason::RefusedAt(refused) | ReleaseReason::NeverSettled(refused)) = reason;
        let evidence = [&payment.bytes()[..], &refused.number().to_be_bytes()].concat();
        let document: Digest = digest(RELEASE, &evidence);
        let ground = VoidGround::NotDone(NotDone { source: NotDoneSource::RailRefused, document });
        let command = Command::VoidHold { hold: hold_of(payment), ground };
        let change = self.one_change(at, &command)?.into();
        Ok(Some(OutgoingStep::Released { payment, refused, change }))
    }

    pub(super) fn apply_outgoing(&mut self, stamp: Instant, fact: &Fact) {
        let step = OutgoingStep::from_fact(fact).unwrap_or_else(|error| stop(&error.to_string()));
        match step {
            OutgoingStep::Held { order, parties, change } => {
                self.apply_change(stamp, &change);
                self.outgoings.held.insert(read(&order).payment, (*order, *parties));
            }
            OutgoingStep::Debited { payment, change, .. } => {
                self.apply_change(stamp, &change);
                self.outgoings.held.remove(&payment);
                self.ended.insert(payment, DebtorEnd::Debited);
            }
            OutgoingStep::Released { payment, change, .. } => {
                self.apply_change(stamp, &change);
                self.outgoings.held.remove(&payment);
                self.ended.insert(payment, DebtorEnd::Released);
            }
        }
    }
}

fn debited(order: &OutgoingPayment) -> Result<terms::Amount, Rule> {
    order.debited().ok_or_else(|| Rule::new(RuleName::PermitDiffers, "the amounts overflow"))
}

fn read(signed: &Signed<OutgoingPayment>) -> OutgoingPayment {
    signed.read_unverified().unwrap_or_else(|error| stop(&error.to_string()))
}
