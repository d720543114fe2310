//! Transfers over rails in the settlement book: money held, pinned, posted or released.
//!
//! What may follow what is guarded here, in the writer's turn, whoever asks: [`crate::outside`]
//! says what to ask for.
//!
//! INVARIANT (NoReleaseWithoutEvidence): a pinned hold is released only by a rejection of the rail,
//! by the word that it was never handed over, or by a person's act. Guard: `release`, and the
//! ledger, which refuses every other ground. Without it money could be paid out twice.

use std::collections::{BTreeMap, BTreeSet};

use journal::Checked;
use ledger::{
    Change, Command, Entry, NotDone, NotDoneSource, Owner, Placement, Purpose, Reason, Resolved,
    Side as EntrySide, Term, Transaction, VoidGround,
};
use minicbor::{Decode, Encode};
use record::rails::{
    OUTSIDE_HEARD, OUTSIDE_HELD, OUTSIDE_POSTED, OUTSIDE_RELEASED, SEND_INTENDED, STUCK_RESOLVED,
};
use record::{
    Ending, Fact, FactBody, Heading, OutsideEvidence, OutsideHeard, OutsideHeld, OutsideNote,
    OutsidePosted, OutsideReleased, SaltSlot, SendIntended, Signed, StuckAct, StuckDecision,
    StuckResolved, Withdrawal,
};
use seal::{PublicKey, to_canonical};
use terms::{AccountId, Amount, AssetCode, HoldId, Instant, Minor, OutsideId, Position, RailName};

use super::outgoing::not_paid;
use super::{SettlementAnswer, SettlementBook, read, rule_of, stop};
use crate::outside::{
    DebitLine, DebitMatch, OutsideAnswer, OutsideWork, Phase, Transfer, hold_of, hold_until,
    match_debit, message_id_of, transaction_of,
};
use crate::rule::{Rule, RuleName, same};

/// The part of the settlement book's state that is about rails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Rails {
    #[n(0)]
    transfers: BTreeMap<OutsideId, Transfer>,
    /// Those that are driven, so that nobody walks through what is past.
    #[n(1)]
    driven: BTreeSet<OutsideId>,
}

/// Most holds that one lapse ends: the ledger's own bound; the rest lapses at its own turn.
const SWEEP: u32 = 256;

type Found = Result<Vec<Fact>, Rule>;

impl SettlementBook {
    /// A transfer over a rail.
    #[must_use]
    pub fn transfer(&self, id: OutsideId) -> Option<&Transfer> {
        self.rails.transfers.get(&id)
    }

    /// All transfers over rails, by id.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.rails.transfers.values()
    }

    /// Transfers that a driver has something to do for.
    pub fn driven_transfers(&self) -> impl Iterator<Item = OutsideId> {
        self.rails.driven.iter().copied()
    }

    /// The named items in transit of an asset: posted here, and their debit line not booked yet.
    ///
    /// Liabilities = confirmed outside balance + items in transit: these count downwards.
    pub fn in_transit(&self, asset: AssetCode) -> impl Iterator<Item = &Transfer> {
        self.transfers().filter(move |one| one.amount.asset == asset && one.in_transit())
    }

    /// What the items in transit of an asset come to.
    #[must_use]
    pub fn sum_in_transit(&self, asset: AssetCode) -> Minor {
        let sum =
            self.in_transit(asset).try_fold(Minor::ZERO, |sum, one| sum.plus(one.amount.minor));
        sum.unwrap_or_else(|error| stop(&error.to_string()))
    }

    /// Why no money of this asset may leave now, if so: its outside account and this book do not
    /// agree.
    #[must_use]
    pub fn defunding_stopped(&self, asset: AssetCode) -> Option<String> {
        self.funding().may_defund(asset).err().map(|rule| rule.detail)
    }

    /// The transfer that a booked debit line says by message id or UETR, over its whole amount,
    /// with what follows for it: the line is its evidence, or the end of its time in transit.
    /// One that was never sent or was rejected is not meant: then the line is a break.
    pub(super) fn transfer_of_line(
        &self,
        at: Instant,
        slot: SaltSlot,
        (amount, reference): (Amount, &str),
        words: &BTreeSet<String>,
    ) -> Result<Option<(OutsideId, Vec<Fact>)>, Rule> {
        let Some(transfer) = self.named_by_line(amount, words) else { return Ok(None) };
        let id = transfer.id;
        let reference = reference.to_owned();
        let facts = match &transfer.phase {
            Phase::Held | Phase::Rejected(_) => return Ok(None),
            Phase::Confirmed(_) => self.note(slot, id, &OutsideNote::LineBooked(reference))?,
            Phase::SendIntended | Phase::Sent(_) | Phase::InDoubt(_) | Phase::Stuck(_) => {
                self.post_outside(at, slot, id, &OutsideEvidence::Line(reference))?
            }
        };
        Ok(Some((id, facts)))
    }

    /// What a debit line that is nobody's says of a transfer that was rejected: the money left
    /// although it was given back here. The line is a break; the transfer keeps the contradiction.
    pub(super) fn contradicted_by_line(
        &self,
        slot: SaltSlot,
        (amount, reference): (Amount, &str),
        words: &BTreeSet<String>,
    ) -> Found {
        let named = self.named_by_line(amount, words);
        let rejected = |one: &&Transfer| matches!(one.phase, Phase::Rejected(_));
        let Some(transfer) = named.filter(rejected) else { return Ok(vec![]) };
        let evidence = OutsideEvidence::Line(reference.to_owned());
        self.note(slot, transfer.id, &OutsideNote::Contradicted(evidence))
    }

    fn named_by_line(&self, amount: Amount, words: &BTreeSet<String>) -> Option<&Transfer> {
        // The names that a rail was given are in small letters, the words of a line in capitals.
        let words: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        let references: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = DebitLine { asset: amount.asset, amount: amount.minor, references: &references };
        match match_debit(self.transfers(), &said) {
            DebitMatch::Of(id) => self.transfer(id),
            DebitMatch::Nobody | DebitMatch::Differs(_) | DebitMatch::Again(_) => None,
        }
    }

    pub(super) fn outside(
        &self,
        stamp: Instant,
        slot: SaltSlot,
        work: &OutsideWork,
    ) -> Checked<SettlementAnswer> {
        let found = match work {
            OutsideWork::Request(order) => self.request(stamp, slot, order),
            OutsideWork::Intend(id, rail) => self.intend(stamp, slot, *id, *rail),
            OutsideWork::Note(id, note) => self.note(slot, *id, note),
            OutsideWork::Post(id, evidence) => self.post_outside(stamp, slot, *id, evidence),
            OutsideWork::Release(id, evidence) => self.release_transfer(stamp, slot, *id, evidence),
            OutsideWork::Resolve(act) => self.resolve_stuck(stamp, slot, act),
        };
        let (facts, answer) = match found {
            Ok(facts) if facts.is_empty() => (facts, OutsideAnswer::Before),
            Ok(facts) => (facts, OutsideAnswer::Now),
            Err(rule) => (vec![], OutsideAnswer::Refused(rule)),
        };
        Checked { facts, outcome: SettlementAnswer::Outside(answer) }
    }

    fn request(&self, stamp: Instant, slot: SaltSlot, signed: &Signed<Withdrawal>) -> Found {
        let claimed = signed.read_unverified();
        let claimed = claimed.map_err(|e| Rule::new(RuleName::SignerNotTrusted, e.to_string()))?;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, claimed.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, claimed.book)?;
        let untrusted = |why: String| Rule::new(RuleName::SignerNotTrusted, why);
        let key = self.withdrawal_key(&claimed, signed).ok_or_else(|| {
            untrusted(format!("no list names the signer for `{}`", claimed.participant))
        })?;
        let order = signed.verify(&key).map_err(|error| untrusted(error.to_string()))?;
        if let Some(known) = self.transfer(order.id) {
            if known.order == signed.digest() {
                return Ok(vec![]);
            }
            let (first, got) = (known.order, signed.digest());
            return Err(Rule::differs(RuleName::OutsideIdUsed, "order", first, got));
        }
        if let Some(why) = self.defunding_stopped(order.amount.asset) {
            return Err(Rule::new(RuleName::DefundingStopped, why));
        }
        self.moves_unsuspended(stamp, order.participant, order.amount.asset)?;
        let account = self.settlement_account(order.participant, order.amount.asset);
        let account = account.ok_or_else(|| {
            let (of, asset) = (order.participant, order.amount.asset);
            Rule::new(
                RuleName::AccountUnknown,
                format!("settlement account of `{of}` in `{asset}`"),
            )
        })?;
        self.control_account(order.amount.asset)?;
        if stamp >= order.valid_until {
            let detail = format!("valid until {}", order.valid_until);
            return Err(Rule::new(RuleName::WithdrawalExpired, detail));
        }
        let placement = Placement {
            id: hold_of(order.id),
            account,
            side: EntrySide::Debit,
            amount: order.amount.minor,
            term: Term::Expiring { at: hold_until(stamp) },
            business_date: self.business_date(stamp),
            limits: vec![],
            links: vec![],
        };
        let change =
            self.one_change(stamp, &Command::PlaceHold(placement)).map_err(of_liquidity)?;
        let body = OutsideHeld { order: signed.clone(), hold: hold_of(order.id), change };
        Ok(vec![body.to_fact(slot, Heading::default())])
    }

    /// A participant's permit key, or a provider's quote key, that the lists in force name.
    fn withdrawal_key(
        &self,
        claimed: &Withdrawal,
        signed: &Signed<Withdrawal>,
    ) -> Option<PublicKey> {
        let keys = self.trust.institution(claimed.participant).map(|entry| &entry.permit_keys);
        let named = keys.and_then(|keys| keys.iter().find(|key| key.key_id() == signed.key()));
        named.copied().or_else(|| {
            let provider = claimed.participant.as_str().parse().ok()?;
            self.trust.quote_key(provider, signed.key())
        })
    }

    fn intend(&self, stamp: Instant, slot: SaltSlot, id: OutsideId, rail: RailName) -> Found {
        let transfer = self.known(id)?;
        if transfer.phase != Phase::Held {
            return Ok(vec![]);
        }
        // Asked again: this is the last moment at which a break can stop it.
        if let Some(why) = self.defunding_stopped(transfer.amount.asset) {
            return Err(Rule::new(RuleName::DefundingStopped, why));
        }
        self.moves_unsuspended(stamp, transfer.participant, transfer.amount.asset)?;
        let change = self.one_change(stamp, &Command::PinHold { hold: transfer.hold })?;
        let body = SendIntended { id, rail, message_id: message_id_of(id), change };
        Ok(vec![body.to_fact(slot, Heading::default())])
    }

    fn note(&self, slot: SaltSlot, id: OutsideId, note: &OutsideNote) -> Found {
        let transfer = self.known(id)?;
        let phase = &transfer.phase;
        let posted = matches!(phase, Phase::Confirmed(_));
        let ended = posted || matches!(phase, Phase::Rejected(_));
        let open = phase.awaits_the_rail() && !matches!(phase, Phase::Stuck(_));
        let fits = match note {
            OutsideNote::Sent(code) => open && *phase != Phase::Sent(code.clone()),
            OutsideNote::InDoubt(_) => open && !matches!(phase, Phase::InDoubt(_)),
            OutsideNote::Stuck(_) => open,
            OutsideNote::Returned(_) => posted && transfer.returned.is_none(),
            OutsideNote::Contradicted(_) => ended && transfer.contradicted.is_none(),
            OutsideNote::LineBooked(_) => posted && transfer.line.is_none(),
        };
        if !fits {
            return Ok(vec![]);
        }
        let body = OutsideHeard { id, note: note.clone() };
        Ok(vec![body.to_fact(slot, Heading::default())])
    }

    fn post_outside(
        &self,
        stamp: Instant,
        slot: SaltSlot,
        id: OutsideId,
        evidence: &OutsideEvidence,
    ) -> Found {
        let transfer = self.known(id)?;
        if !transfer.phase.awaits_the_rail() {
            return past_or(&transfer.phase, matches!(transfer.phase, Phase::Confirmed(_)));
        }
        if !matches!(evidence, OutsideEvidence::Message { .. } | OutsideEvidence::Line(_)) {
            return Err(Rule::new(RuleName::OutsideStepDiffers, "no evidence of the rail"));
        }
        let change = self.posting(stamp, transfer)?;
        let body = OutsidePosted { id, evidence: evidence.clone(), change };
        let mut facts = vec![body.to_fact(slot, Heading::default())];
        facts.extend(self.payment_ended(stamp, slot, id, evidence, Ending::Settled));
        Ok(facts)
    }

    /// Debits the settlement account from the hold, credits the mirror of the outside account.
    fn posting(&self, stamp: Instant, transfer: &Transfer) -> Result<Vec<u8>, Rule> {
        let control = self.control_account(transfer.amount.asset)?;
        let entry =
            |account, side, hold| Entry { account, side, amount: transfer.amount.minor, hold };
        let transaction = Transaction {
            id: transaction_of(transfer.id),
            business_date: self.business_date(stamp),
            reason: Reason::Defunding,
            entries: [
                entry(transfer.account, EntrySide::Debit, Some(transfer.hold)),
                entry(control, EntrySide::Credit, None),
            ]
            .into(),
            claims: vec![],
            links: vec![],
            detail: None,
        };
        self.one_change(stamp, &Command::Post(transaction))
    }

    fn release_transfer(
        &self,
        stamp: Instant,
        slot: SaltSlot,
        id: OutsideId,
        evidence: &OutsideEvidence,
    ) -> Found {
        let transfer = self.known(id)?;
        let differs = || Err(Rule::new(RuleName::OutsideStepDiffers, "no evidence of its end"));
        let source = match (&transfer.phase, evidence) {
            (Phase::Rejected(_), _) => return Ok(vec![]),
            (Phase::Confirmed(_), _) => return past_or(&transfer.phase, false),
            (Phase::Held, OutsideEvidence::Lapsed(_)) => return self.lapse(stamp, slot, transfer),
            (Phase::SendIntended, OutsideEvidence::NeverSent(_)) => NotDoneSource::NeverSent,
            (
                Phase::SendIntended | Phase::Sent(_) | Phase::InDoubt(_) | Phase::Stuck(_),
                OutsideEvidence::Message { .. },
            ) => NotDoneSource::RailRefused,
            (Phase::Held, _)
            | (Phase::SendIntended | Phase::Sent(_) | Phase::InDoubt(_) | Phase::Stuck(_), _) => {
                return differs();
            }
        };
        let change = self.voiding(stamp, transfer, source, evidence)?;
        let body = OutsideReleased { id, evidence: evidence.clone(), change };
        let mut facts = vec![body.to_fact(slot, Heading::default())];
        facts.extend(self.payment_ended(stamp, slot, id, evidence, not_paid(evidence)));
        Ok(facts)
    }

    fn voiding(
        &self,
        stamp: Instant,
        transfer: &Transfer,
        source: NotDoneSource,
        evidence: &OutsideEvidence,
    ) -> Result<Vec<u8>, Rule> {
        let ground = VoidGround::NotDone(NotDone { source, document: evidence.digest() });
        self.one_change(stamp, &Command::VoidHold { hold: transfer.hold, ground })
    }

    /// Ends a transfer that was never intended. A sweep takes every hold whose moment has come, so
    /// each of their transfers ends here; a hold that is still open is not swept.
    fn lapse(&self, stamp: Instant, slot: SaltSlot, transfer: &Transfer) -> Found {
        if stamp < transfer.hold_until {
            let ground = VoidGround::Cancelled;
            let change =
                self.one_change(stamp, &Command::VoidHold { hold: transfer.hold, ground })?;
            return Ok(self.lapsed(stamp, slot, transfer.id, change));
        }
        let checked = self.ledger.check(stamp, &Command::ExpireHolds { at_most: SWEEP });
        let (changes, _) = checked.map_err(|refusal| rule_of(&refusal))?.into_parts();
        let fact = |change: &Change| {
            let Resolved::HoldExpired { hold, .. } = change.resolved() else { return None };
            let of = self.transfers().find(|one| one.hold == *hold)?;
            Some(self.lapsed(stamp, slot, of.id, to_canonical(change)))
        };
        Ok(changes.iter().filter_map(fact).flatten().collect())
    }

    fn lapsed(&self, stamp: Instant, slot: SaltSlot, id: OutsideId, change: Vec<u8>) -> Vec<Fact> {
        let evidence = OutsideEvidence::Lapsed("held and never sent".to_owned());
        let ending = not_paid(&evidence);
        let payment = self.payment_ended(stamp, slot, id, &evidence, ending);
        let body = OutsideReleased { id, evidence, change };
        let mut facts = vec![body.to_fact(slot, Heading::default())];
        facts.extend(payment);
        facts
    }

    fn resolve_stuck(&self, stamp: Instant, slot: SaltSlot, signed: &Signed<StuckAct>) -> Found {
        let act = signed.read_unverified();
        let act = act.map_err(|e| Rule::new(RuleName::SignerNotTrusted, e.to_string()))?;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, act.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, act.book)?;
        let transfer = self.known(act.id)?;
        let evidence = OutsideEvidence::Act(signed.digest());
        match &transfer.phase {
            Phase::Stuck(_) => {}
            Phase::Confirmed(how) | Phase::Rejected(how) if *how == evidence => return Ok(vec![]),
            Phase::Held
            | Phase::SendIntended
            | Phase::Sent(_)
            | Phase::InDoubt(_)
            | Phase::Confirmed(_)
            | Phase::Rejected(_) => return past_or(&transfer.phase, false),
        }
        same(RuleName::OutsideStepDiffers, "stuck_at", transfer.at, act.stuck_at)?;
        let change = match act.decision {
            StuckDecision::Done => self.posting(stamp, transfer)?,
            StuckDecision::NotDone => {
                self.voiding(stamp, transfer, NotDoneSource::OnePerson, &evidence)?
            }
            StuckDecision::AskAgain => vec![],
        };
        let ending = match act.decision {
            StuckDecision::Done => Some(Ending::Settled),
            StuckDecision::NotDone => Some(not_paid(&evidence)),
            StuckDecision::AskAgain => None,
        };
        let payment =
            ending.and_then(|ending| self.payment_ended(stamp, slot, act.id, &evidence, ending));
        let body = StuckResolved { act: signed.clone(), change };
        let mut facts = vec![body.to_fact(slot, Heading::default())];
        facts.extend(payment);
        Ok(facts)
    }

    // INVARIANT (TransferEndsItsHold): only the steps of its transfer pin or end a transfer's hold.
    // Without it a command by hand could free money that is on its way. Guard: a test.
    pub(super) fn is_of_outside_hold(&self, command: &Command) -> bool {
        let is_held = |hold: HoldId| self.transfers().any(|one| one.hold == hold);
        match command {
            Command::PinHold { hold } | Command::VoidHold { hold, .. } => is_held(*hold),
            Command::ExpireHolds { .. } => self.transfers().any(|one| one.phase == Phase::Held),
            Command::Post(transaction) => {
                transaction.entries.iter().filter_map(|entry| entry.hold).any(is_held)
            }
            Command::PostDraft(draft) => {
                draft.lines.iter().filter_map(|line| line.part).any(|part| is_held(part.hold))
            }
            Command::OpenAccount(_)
            | Command::SetLimits { .. }
            | Command::SetFreeze { .. }
            | Command::SetBlocked { .. }
            | Command::CloseAccount { .. }
            | Command::PlaceHold(_) => false,
        }
    }

    fn known(&self, id: OutsideId) -> Result<&Transfer, Rule> {
        self.transfer(id)
            .ok_or_else(|| Rule::new(RuleName::OutsideStepDiffers, format!("no transfer `{id}`")))
    }

    /// The mirror of an asset's outside account.
    pub(super) fn control_account(&self, asset: AssetCode) -> Result<AccountId, Rule> {
        let own = Owner::Institution(self.operator);
        let control = self.ledger.accounts().find(|account| {
            let opening = account.opening();
            let mirrors = opening.purpose == Purpose::Control && opening.owner == own;
            mirrors && opening.asset == asset
        });
        let unknown = || Rule::new(RuleName::AccountUnknown, format!("control of `{asset}`"));
        control.map(|account| account.opening().id).ok_or_else(unknown)
    }

    pub(super) fn one_change(&self, stamp: Instant, command: &Command) -> Result<Vec<u8>, Rule> {
        let changes = self.ledger_changes(stamp, command)?;
        let first = changes.first();
        first
            .map(to_canonical)
            .ok_or_else(|| Rule::new(RuleName::OutsideStepDiffers, "done before"))
    }

    pub(super) fn apply_outside(&mut self, at: Position, stamp: Instant, fact: &Fact) {
        let id = match fact.kind {
            OUTSIDE_HELD => self.apply_held(at, stamp, &read(fact)),
            SEND_INTENDED => {
                let body: SendIntended = read(fact);
                self.apply_change(stamp, &body.change);
                self.moved(body.id, |one| one.intend(at, stamp, body.rail))
            }
            OUTSIDE_HEARD => {
                let body: OutsideHeard = read(fact);
                self.moved(body.id, |one| one.note(at, stamp, body.note))
            }
            OUTSIDE_POSTED => {
                let body: OutsidePosted = read(fact);
                let legs = self.legs_of_transfer(body.id);
                self.apply_carried(stamp, &body.change, legs);
                self.moved(body.id, |one| one.post(at, stamp, body.evidence))
            }
            OUTSIDE_RELEASED => {
                let body: OutsideReleased = read(fact);
                self.apply_change(stamp, &body.change);
                self.moved(body.id, |one| one.release(at, stamp, body.evidence))
            }
            STUCK_RESOLVED => self.apply_stuck_resolved(at, stamp, &read(fact)),
            other => stop(&format!("kind {other:?} is none of the rails")),
        };
        if self.transfer(id).is_some_and(|one| one.phase.is_driven()) {
            self.rails.driven.insert(id);
        } else {
            self.rails.driven.remove(&id);
        }
    }

    fn apply_held(&mut self, at: Position, stamp: Instant, body: &OutsideHeld) -> OutsideId {
        self.apply_change(stamp, &body.change);
        let order = body.order.read_unverified().unwrap_or_else(|error| stop(&error.to_string()));
        let account = self.ledger.hold(body.hold).map(|hold| hold.placement().account);
        let account = account.unwrap_or_else(|| stop("a held transfer has no hold"));
        let transfer = Transfer::held(&body.order, &order, account, (at, stamp));
        let id = transfer.id;
        self.rails.transfers.insert(id, transfer);
        id
    }

    fn apply_stuck_resolved(
        &mut self,
        at: Position,
        stamp: Instant,
        body: &StuckResolved,
    ) -> OutsideId {
        let act = body.act.read_unverified().unwrap_or_else(|error| stop(&error.to_string()));
        if !body.change.is_empty() {
            let legs = self.legs_of_transfer(act.id);
            self.apply_carried(stamp, &body.change, legs);
        }
        let evidence = OutsideEvidence::Act(body.act.digest());
        self.moved(act.id, |one| match act.decision {
            StuckDecision::Done => one.post(at, stamp, evidence),
            StuckDecision::NotDone => one.release(at, stamp, evidence),
            StuckDecision::AskAgain => one.ask_again(at, stamp),
        })
    }

    /// Takes a transfer up whose money is held.
    pub(super) fn drive_transfer(&mut self, transfer: Transfer) {
        self.rails.driven.insert(transfer.id);
        self.rails.transfers.insert(transfer.id, transfer);
    }

    fn moved(&mut self, id: OutsideId, change: impl FnOnce(&mut Transfer)) -> OutsideId {
        match self.rails.transfers.get_mut(&id) {
            Some(transfer) => change(transfer),
            None => stop("a fact speaks of a transfer that is not there"),
        }
        id
    }
}

/// Nothing when it is past already, else a refusal that names where it stands.
fn past_or(phase: &Phase, past: bool) -> Found {
    if past {
        return Ok(vec![]);
    }
    Err(Rule::new(RuleName::OutsideStepDiffers, format!("it is {}", phase.as_str())))
}

/// What a participant lacks is prefunded money.
pub(super) fn of_liquidity(rule: Rule) -> Rule {
    if rule.name == RuleName::InsufficientFunds {
        return Rule { name: RuleName::ParticipantLiquidityInsufficient, ..rule };
    }
    rule
}
