//! Acts of the operator's persons in the settlement book: proposed, decided, in effect.
//!
//! What an act stops is judged against the writer's stamp wherever money would move
//! ([`stops`]): it begins and ends to the nanosecond, whether or not anybody swept. What an act
//! sets (a limit, a mark) is set by a fact of its own at the writer's first turn after its moment
//! ([`ActsWork::Carry`]).
//!
//! INVARIANT (OneKeyOnlyTightens): whatever one person does alone makes the book stricter. Lifting
//! and loosening takes two persons with two keys. Guard: [`SettlementBook::keys_needed`] when an
//! act is proposed, [`SettlementBook::effect`] when it takes effect, and the model test of
//! `tests/acts_model.rs`. Without it one stolen key could end a freeze.

use core::time::Duration;
use std::collections::BTreeMap;

use journal::Checked;
use ledger::{Ceiling, Command, Floor};
use minicbor::{Decode, Encode};
use record::acts::{ACT_DECIDED, ACT_FELL_THROUGH, ACT_PROPOSED, ACT_TOOK_EFFECT};
use record::{
    AccountLimits, Act, ActAccount, ActDecided, ActFellThrough, ActKind, ActProposed,
    ActTookEffect, ActVerdict, Document, Fact, FactBody, FactKind, Heading, SaltSlot, Subject,
};
use seal::{Digest, KeyId, to_canonical};
use terms::{AccountId, ActId, AssetCode, Instant, InstitutionName, Minor, Position};

use super::funding::News;
use super::{SettlementAnswer, SettlementBook, read, rule_of, stop};
use crate::acts::{CheckedAct, CheckedActDecision};
use crate::rule::{Rule, RuleName, same};

pub mod stops;

use stops::{Stopped, Stops};

/// The longest reason, in bytes: a sentence or two.
pub const REASON_MAX: usize = 1_000;
/// How long before its arrival an act may begin: the clock of a desk, no act into the past.
pub const BACKDATED_MAX: Duration = Duration::from_secs(3_600);
/// How far ahead an act may begin or end: ten years.
pub const AHEAD_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);
/// Undecided acts at most. What only stops something is never counted: it must always be possible.
const OPEN_MAX: usize = 256;
/// Things that are stopped at once at most.
const STOPS_MAX: usize = 4_096;
/// Acts that are remembered by id; the oldest that are over are forgotten first. The journal has
/// them all.
const REMEMBERED_MAX: usize = 8_192;

/// What the settlement book can do about acts.
#[derive(Clone, Debug)]
pub enum ActsWork {
    /// Take a proposal.
    Propose(Box<CheckedAct>),
    /// Take another person's word on one, or its maker's.
    Decide(Box<CheckedActDecision>),
    /// Let one act whose moment has come take effect.
    Carry,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActsAnswer {
    /// The act as it stands now; `Before` when nothing was recorded now.
    Stands(Box<ActEntry>, News),
    /// One act took effect, or fell through.
    Carried(ActId),
    /// No act's moment has come.
    NothingDue,
    /// A rule said no; nothing is recorded.
    Refused(Rule),
}

/// A person of the operator, as the configuration names the key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Person {
    /// The name.
    #[n(0)]
    pub name: String,
    /// The key that signed.
    #[n(1)]
    pub key: KeyId,
}

/// Where an act stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ActStanding {
    /// It waits for a second key.
    #[n(0)]
    Open,
    /// It is decided, and in effect from that moment on; what it sets is set then.
    #[n(1)]
    Decided(#[n(0)] Instant),
    /// What it sets is set.
    #[n(2)]
    Done(#[n(0)] Instant),
    /// Another person said no.
    #[n(3)]
    Rejected,
    /// Its maker took it back.
    #[n(4)]
    Withdrawn,
    /// It could not take effect: the rule, and the detail.
    #[n(5)]
    FellThrough(#[n(0)] String, #[n(1)] String),
}

impl ActStanding {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided(_) => "decided",
            Self::Done(_) => "done",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::FellThrough(..) => "fell-through",
        }
    }
}

/// An act as the book's facts say.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ActEntry {
    /// The act.
    #[n(0)]
    pub act: Act,
    /// Its digest: what a decision must name.
    #[n(1)]
    pub digest: Digest,
    /// Who proposed it.
    #[n(2)]
    pub maker: Person,
    /// How many persons' keys it asks for.
    #[n(3)]
    pub keys: u8,
    /// Where it was proposed. A lift ends what was known here.
    #[n(4)]
    pub proposed: Position,
    /// When: the writer's stamp.
    #[n(5)]
    pub proposed_at: Instant,
    /// Who decided it, with the reason.
    #[n(6)]
    pub checker: Option<(Person, String)>,
    /// Where it stands.
    #[n(7)]
    pub standing: ActStanding,
}

/// The part of the settlement book's state that is about acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Acts {
    #[n(0)]
    acts: BTreeMap<ActId, ActEntry>,
    #[n(1)]
    pub(super) stops: Stops,
    #[n(2)]
    marks: BTreeMap<AccountId, Minor>,
}

impl Acts {
    /// All acts that are remembered, by id.
    pub fn iter(&self) -> impl Iterator<Item = &ActEntry> {
        self.acts.values()
    }

    /// One act.
    #[must_use]
    pub fn act(&self, id: ActId) -> Option<&ActEntry> {
        self.acts.get(&id)
    }

    /// What is stopped, now or later.
    #[must_use]
    pub const fn stops(&self) -> &Stops {
        &self.stops
    }

    /// Acts that wait for a second key.
    pub fn open(&self, at: Instant) -> impl Iterator<Item = &ActEntry> {
        self.iter().filter(move |one| one.standing == ActStanding::Open && at < one.act.decide_by)
    }

    /// The low-water mark of a settlement account.
    #[must_use]
    pub fn low_water(&self, account: AccountId) -> Option<Minor> {
        self.marks.get(&account).copied()
    }

    /// Acts that set something and whose moment has come, the earliest first.
    fn due(&self, at: Instant) -> Option<&ActEntry> {
        let due = self.iter().filter_map(|one| match one.standing {
            ActStanding::Decided(from) if from <= at && sets(one.act.what) => Some((from, one)),
            ActStanding::Open
            | ActStanding::Decided(_)
            | ActStanding::Done(_)
            | ActStanding::Rejected
            | ActStanding::Withdrawn
            | ActStanding::FellThrough(..) => None,
        });
        due.min_by_key(|(from, one)| (*from, one.proposed)).map(|(_, one)| one)
    }

    /// Whether the carrier has something to do at `at`.
    #[must_use]
    pub fn has_due(&self, at: Instant) -> bool {
        self.due(at).is_some()
    }
}

/// Whether `kind` is applied here.
pub(super) const fn is_kind(kind: FactKind) -> bool {
    matches!(kind, ACT_PROPOSED | ACT_DECIDED | ACT_TOOK_EFFECT | ACT_FELL_THROUGH)
}

/// Whether an act sets something, which takes a fact of its own.
const fn sets(what: ActKind) -> bool {
    matches!(what, ActKind::SetLowWater(..) | ActKind::SetLimits(..))
}

type Found = Result<(Vec<Fact>, ActsAnswer), Rule>;

impl SettlementBook {
    /// The acts.
    #[must_use]
    pub const fn acts(&self) -> &Acts {
        &self.acts
    }

    pub(super) fn acts_work(
        &self,
        at: Instant,
        slot: SaltSlot,
        work: &ActsWork,
    ) -> Checked<SettlementAnswer> {
        let found = match work {
            ActsWork::Propose(act) => self.propose(at, slot, act),
            ActsWork::Decide(decision) => self.decide(at, slot, decision),
            ActsWork::Carry => Ok(self.carry(at, slot)),
        };
        let (facts, answer) = found.unwrap_or_else(|rule| (vec![], ActsAnswer::Refused(rule)));
        Checked { facts, outcome: SettlementAnswer::Acts(Box::new(answer)) }
    }

    fn propose(&self, at: Instant, slot: SaltSlot, checked: &CheckedAct) -> Found {
        let act = &checked.act;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, act.environment)?;
        same(RuleName::BooksDiffer, "book", self.book, act.book)?;
        if let Some(known) = self.acts.act(act.id) {
            same(RuleName::ActIdUsed, "digest", known.digest, act.digest())?;
            same(RuleName::ActIdUsed, "maker", known.maker.key, checked.by.key)?;
            return Ok((vec![], stands(known.clone(), News::Before)));
        }
        well_formed(act)?;
        self.act_subject(act.what)?;
        let keys = self.keys_needed(act.what);
        dates_fit(at, act, keys)?;
        self.something_to_lift(at, act.what)?;
        self.room_for(at, act.what, keys)?;
        let body = ActProposed { act: checked.signed.clone(), by: checked.by.name.clone(), keys };
        let mut entry = ActEntry {
            act: act.clone(),
            digest: act.digest(),
            maker: checked.by.clone(),
            keys,
            proposed: Position::ZERO,
            proposed_at: at,
            checker: None,
            standing: ActStanding::Open,
        };
        let mut facts = vec![body.to_fact(slot, Heading::default())];
        if keys == 1 {
            facts.extend(self.decided_now(at, slot, &mut entry));
        }
        Ok((facts, stands(entry, News::Now)))
    }

    fn decide(&self, at: Instant, slot: SaltSlot, checked: &CheckedActDecision) -> Found {
        let decision = &checked.decision;
        let found = decision.environment;
        same(RuleName::EnvironmentsDiffer, "environment", self.environment, found)?;
        same(RuleName::BooksDiffer, "book", self.book, decision.book)?;
        let unknown = || Rule::new(RuleName::ActNotOpen, format!("no act `{}`", decision.act));
        let known = self.acts.act(decision.act).ok_or_else(unknown)?;
        same(RuleName::ActDiffers, "digest", known.digest, decision.digest)?;
        reason_fits(&decision.reason)?;
        fitting_person(known, checked)?;
        if known.standing != ActStanding::Open {
            return self.decided_before(known, checked);
        }
        if at >= known.act.decide_by && decision.verdict == ActVerdict::Approved {
            let detail = format!("to be decided by {}, it is {at}", known.act.decide_by);
            return Err(Rule::new(RuleName::ActLapsed, detail));
        }
        let by = checked.by.name.clone();
        let body = ActDecided { decision: checked.signed.clone(), by };
        let mut facts = vec![body.to_fact(slot, Heading::default())];
        let mut entry = known.clone();
        entry.checker = Some((checked.by.clone(), decision.reason.clone()));
        match decision.verdict {
            ActVerdict::Approved => facts.extend(self.decided_now(at, slot, &mut entry)),
            ActVerdict::Rejected => entry.standing = ActStanding::Rejected,
            ActVerdict::Withdrawn => entry.standing = ActStanding::Withdrawn,
        }
        Ok((facts, stands(entry, News::Now)))
    }

    /// The same word by the same person again is the first answer; any other comes too late.
    fn decided_before(&self, known: &ActEntry, checked: &CheckedActDecision) -> Found {
        let same_person = known.checker.as_ref().is_some_and(|(who, _)| *who == checked.by);
        let fits = match known.standing {
            ActStanding::Open => false,
            ActStanding::Decided(_) | ActStanding::Done(_) | ActStanding::FellThrough(..) => {
                checked.decision.verdict == ActVerdict::Approved
            }
            ActStanding::Rejected => checked.decision.verdict == ActVerdict::Rejected,
            ActStanding::Withdrawn => checked.decision.verdict == ActVerdict::Withdrawn,
        };
        if same_person && fits {
            return Ok((vec![], stands(known.clone(), News::Before)));
        }
        let detail = format!("it is {}", known.standing.as_str());
        Err(Rule::new(RuleName::ActNotOpen, detail))
    }

    /// The act is decided at `at`; what it sets is set at once when its moment has come.
    fn decided_now(&self, at: Instant, slot: SaltSlot, entry: &mut ActEntry) -> Option<Fact> {
        let from = entry.act.from.max(at);
        entry.standing = ActStanding::Decided(from);
        if !sets(entry.act.what) || from > at {
            return None;
        }
        let (fact, standing) = self.effect(at, slot, entry);
        entry.standing = standing;
        Some(fact)
    }

    fn carry(&self, at: Instant, slot: SaltSlot) -> (Vec<Fact>, ActsAnswer) {
        match self.acts.due(at) {
            None => (vec![], ActsAnswer::NothingDue),
            Some(entry) => {
                let (fact, _) = self.effect(at, slot, entry);
                (vec![fact], ActsAnswer::Carried(entry.act.id))
            }
        }
    }

    /// What an act sets, now that its moment has come, or why it cannot be.
    pub(super) fn effect(
        &self,
        at: Instant,
        slot: SaltSlot,
        entry: &ActEntry,
    ) -> (Fact, ActStanding) {
        let act = entry.act.id;
        let made = if self.keys_needed(entry.act.what) > entry.keys {
            let detail = "signed by one person, and another act came in between";
            Err(Rule::new(RuleName::ActLoosens, detail))
        } else {
            self.change_of(at, entry.act.what)
        };
        match made {
            Ok(change) => {
                let body = ActTookEffect { act, change };
                (body.to_fact(slot, Heading::default()), ActStanding::Done(at))
            }
            Err(Rule { name, detail }) => {
                let rule = name.to_string();
                let body = ActFellThrough { act, rule: rule.clone(), detail: detail.clone() };
                let standing = ActStanding::FellThrough(rule, detail);
                (body.to_fact(slot, Heading::default()), standing)
            }
        }
    }

    fn change_of(&self, at: Instant, what: ActKind) -> Result<Vec<u8>, Rule> {
        let ActKind::SetLimits(of, asset, limits) = what else { return Ok(vec![]) };
        let account = self.act_settlement_account(of, asset)?;
        let command = Command::SetLimits {
            account,
            floor: floor_of(limits),
            ceiling: limits.ceiling.map_or(Ceiling::Unlimited, Ceiling::At),
        };
        let checked = self.ledger.check(at, &command).map_err(|refusal| rule_of(&refusal))?;
        let (changes, _) = checked.into_parts();
        Ok(changes.first().map_or_else(Vec::new, to_canonical))
    }

    /// The four-eyes table: how many persons' keys an act asks for, as the book stands.
    #[must_use]
    pub fn keys_needed(&self, what: ActKind) -> u8 {
        match what {
            // Whoever sees the fire pulls the alarm.
            ActKind::Suspend(_) | ActKind::Freeze(..) => 1,
            ActKind::Resume(_) | ActKind::Thaw(_) => 2,
            ActKind::SetLowWater(of, asset, mark) => {
                let known = self.settlement_account(of, asset);
                let stands = known.and_then(|account| self.acts.low_water(account));
                if mark >= stands.unwrap_or(Minor::ZERO) { 1 } else { 2 }
            }
            ActKind::SetLimits(of, asset, limits) => {
                if self.tightens(of, asset, limits) {
                    1
                } else {
                    2
                }
            }
        }
    }

    fn tightens(&self, of: InstitutionName, asset: AssetCode, limits: AccountLimits) -> bool {
        let known = self.settlement_account(of, asset);
        let Some(account) = known.and_then(|account| self.ledger.account(account)) else {
            return false;
        };
        let falls_less = match account.floor() {
            Floor::Unlimited => true,
            Floor::Overdraft(stands) => limits.overdraft <= stands,
            Floor::MayNotGoBelowZero => limits.overdraft.is_zero(),
        };
        let rises_less = match (limits.ceiling, account.ceiling()) {
            (_, Ceiling::Unlimited) => true,
            (Some(asked), Ceiling::At(stands)) => asked <= stands,
            (None, Ceiling::At(_)) => false,
        };
        falls_less && rises_less
    }

    /// Refuses an act about what this book does not know: a name that is mistyped stops nothing.
    fn act_subject(&self, what: ActKind) -> Result<(), Rule> {
        let unknown = |detail: String| Err(Rule::new(RuleName::ActSubjectUnknown, detail));
        match what {
            ActKind::Suspend(subject) | ActKind::Resume(subject) => {
                if self.knows(subject) {
                    Ok(())
                } else {
                    unknown(subject.to_string())
                }
            }
            ActKind::Freeze(ActAccount::Customer(of, _), _)
            | ActKind::Thaw(ActAccount::Customer(of, _)) => {
                let subject = Subject::Participant(of);
                if self.knows(subject) { Ok(()) } else { unknown(subject.to_string()) }
            }
            ActKind::Freeze(ActAccount::Settlement(of, asset), _)
            | ActKind::Thaw(ActAccount::Settlement(of, asset))
            | ActKind::SetLowWater(of, asset, _)
            | ActKind::SetLimits(of, asset, _) => self.act_settlement_account(of, asset).map(drop),
        }
    }

    fn act_settlement_account(
        &self,
        of: InstitutionName,
        asset: AssetCode,
    ) -> Result<AccountId, Rule> {
        self.settlement_account(of, asset).ok_or_else(|| {
            let detail = ActAccount::Settlement(of, asset).to_string();
            Rule::new(RuleName::ActSubjectUnknown, detail)
        })
    }

    fn knows(&self, subject: Subject) -> bool {
        match subject {
            Subject::Participant(name) => {
                self.trust.institution(name).is_some()
                    || self.settlement_accounts(name).next().is_some()
            }
            Subject::Corridor(name) => self.trust.knows_corridor(name),
            Subject::Asset(asset) => self.accounts.keys().any(|key| key.asset == asset),
        }
    }

    fn something_to_lift(&self, at: Instant, what: ActKind) -> Result<(), Rule> {
        let target = match what {
            ActKind::Resume(subject) => Stopped::of_subject(subject),
            ActKind::Thaw(account) => Stopped::of_account(account),
            ActKind::Suspend(_)
            | ActKind::Freeze(..)
            | ActKind::SetLowWater(..)
            | ActKind::SetLimits(..) => return Ok(()),
        };
        if self.acts.stops.any_left(at, target) {
            return Ok(());
        }
        Err(Rule::new(RuleName::ActNothingToLift, target.to_string()))
    }

    fn room_for(&self, at: Instant, what: ActKind, keys: u8) -> Result<(), Rule> {
        let full = |what: &str, most: usize| {
            Err(Rule::new(RuleName::ActsTooMany, format!("at most {most} {what}")))
        };
        let waiting = self.acts.iter().filter(|one| match one.standing {
            ActStanding::Open => at < one.act.decide_by,
            ActStanding::Decided(from) => sets(one.act.what) && from > at,
            ActStanding::Done(_)
            | ActStanding::Rejected
            | ActStanding::Withdrawn
            | ActStanding::FellThrough(..) => false,
        });
        if what.stops() && self.acts.stops.count_left(at) >= STOPS_MAX {
            return full("things are stopped at once", STOPS_MAX);
        }
        if !what.stops() && (keys > 1 || sets(what)) && waiting.count() >= OPEN_MAX {
            return full("acts wait at once", OPEN_MAX);
        }
        Ok(())
    }

    pub(super) fn apply_acts(&mut self, position: Position, stamp: Instant, fact: &Fact) {
        match fact.kind {
            ACT_PROPOSED => self.apply_proposed(position, stamp, &read(fact)),
            ACT_DECIDED => self.apply_decided(stamp, &read(fact)),
            ACT_TOOK_EFFECT => {
                let body: ActTookEffect = read(fact);
                if !body.change.is_empty() {
                    self.apply_change(stamp, &body.change);
                }
                self.took_effect(stamp, body.act);
            }
            ACT_FELL_THROUGH => {
                let body: ActFellThrough = read(fact);
                if let Some(entry) = self.acts.acts.get_mut(&body.act) {
                    entry.standing = ActStanding::FellThrough(body.rule, body.detail);
                }
            }
            other => stop(&format!("kind {other:?} is no kind of an act")),
        }
    }

    fn apply_proposed(&mut self, proposed: Position, stamp: Instant, body: &ActProposed) {
        let act = body.act.read_unverified().unwrap_or_else(|error| stop(&error.to_string()));
        let maker = Person { name: body.by.clone(), key: body.act.key() };
        let (id, digest) = (act.id, body.act.digest());
        let entry = ActEntry {
            act,
            digest,
            maker,
            keys: body.keys,
            proposed,
            proposed_at: stamp,
            checker: None,
            standing: ActStanding::Open,
        };
        self.acts.forget(stamp);
        self.acts.acts.insert(id, entry);
        if body.keys == 1 {
            self.acts.enter(stamp, id);
        }
    }

    fn apply_decided(&mut self, stamp: Instant, body: &ActDecided) {
        let decision = body.decision.read_unverified();
        let decision = decision.unwrap_or_else(|error| stop(&error.to_string()));
        let by = Person { name: body.by.clone(), key: body.decision.key() };
        let Some(entry) = self.acts.acts.get_mut(&decision.act) else { return };
        entry.checker = Some((by, decision.reason));
        match decision.verdict {
            ActVerdict::Approved => self.acts.enter(stamp, decision.act),
            ActVerdict::Rejected => entry.standing = ActStanding::Rejected,
            ActVerdict::Withdrawn => entry.standing = ActStanding::Withdrawn,
        }
    }

    fn took_effect(&mut self, stamp: Instant, id: ActId) {
        let Some(entry) = self.acts.acts.get_mut(&id) else { return };
        entry.standing = ActStanding::Done(stamp);
        if let ActKind::SetLowWater(of, asset, mark) = entry.act.what
            && let Some(account) = self.settlement_account(of, asset)
        {
            self.acts.marks.insert(account, mark);
        }
    }
}

impl Acts {
    /// An act is decided: what it stops or lifts, it does from its moment on.
    fn enter(&mut self, stamp: Instant, id: ActId) {
        let Some(entry) = self.acts.get_mut(&id) else { return };
        let from = entry.act.from.max(stamp);
        entry.standing = ActStanding::Decided(from);
        let proposed = entry.proposed;
        let window = (from, entry.act.until);
        match entry.act.what {
            ActKind::Suspend(subject) => {
                self.stops.add(proposed, Stopped::of_subject(subject), None, window, id);
            }
            ActKind::Freeze(account, sides) => {
                self.stops.add(proposed, Stopped::of_account(account), Some(sides), window, id);
            }
            ActKind::Resume(subject) => {
                self.stops.lift((id, proposed), Stopped::of_subject(subject), from);
            }
            ActKind::Thaw(account) => {
                self.stops.lift((id, proposed), Stopped::of_account(account), from);
            }
            ActKind::SetLowWater(..) | ActKind::SetLimits(..) => {}
        }
    }

    /// Keeps the state bounded: what is over at `stamp` can matter to no later turn.
    fn forget(&mut self, stamp: Instant) {
        self.stops.forget(stamp);
        if self.acts.len() < REMEMBERED_MAX {
            return;
        }
        let live: Vec<ActId> = self.stops.iter().map(|one| one.act).collect();
        let over = |one: &&ActEntry| match one.standing {
            ActStanding::Open => stamp >= one.act.decide_by,
            ActStanding::Decided(_) => !sets(one.act.what) && !live.contains(&one.act.id),
            ActStanding::Done(_)
            | ActStanding::Rejected
            | ActStanding::Withdrawn
            | ActStanding::FellThrough(..) => true,
        };
        let oldest = self.acts.values().filter(over).min_by_key(|one| one.proposed);
        if let Some(id) = oldest.map(|one| one.act.id) {
            self.acts.remove(&id);
        }
    }
}

fn stands(entry: ActEntry, news: News) -> ActsAnswer {
    ActsAnswer::Stands(Box::new(entry), news)
}

const fn floor_of(limits: AccountLimits) -> Floor {
    if limits.overdraft.is_zero() {
        Floor::MayNotGoBelowZero
    } else {
        Floor::Overdraft(limits.overdraft)
    }
}

fn well_formed(act: &Act) -> Result<(), Rule> {
    let wrong = |detail: &str| Err(Rule::new(RuleName::ActMalformed, detail));
    if act.layout != 1 {
        return wrong("expected an act of layout 1");
    }
    if act.until.is_some() && !act.what.stops() {
        return wrong("only a suspension or a freeze ends by itself");
    }
    reason_fits(&act.reason)
}

fn reason_fits(reason: &str) -> Result<(), Rule> {
    if reason.trim().is_empty() || reason.len() > REASON_MAX {
        let detail = format!("expected a reason of 1 to {REASON_MAX} bytes");
        return Err(Rule::new(RuleName::ActMalformed, detail));
    }
    Ok(())
}

fn dates_fit(at: Instant, act: &Act, keys: u8) -> Result<(), Rule> {
    let wrong = |detail: String| Err(Rule::new(RuleName::ActDatesWrong, detail));
    let latest = at.plus(AHEAD_MAX);
    if act.from.plus(BACKDATED_MAX) < at {
        return wrong(format!("`from`: {} is past, it is {at}", act.from));
    }
    if act.from > latest || act.until.is_some_and(|until| until > latest) {
        return wrong(format!("later than {latest}"));
    }
    if let Some(until) = act.until
        && (until <= at || until <= act.from)
    {
        return wrong(format!("`until`: {until} is not after {}", at.max(act.from)));
    }
    if keys > 1 && act.decide_by <= at {
        return wrong(format!("`decide_by`: {} is past, it is {at}", act.decide_by));
    }
    Ok(())
}

/// Two persons and two keys: neither the key nor the name of the maker may say yes or no, and
/// only the maker takes back.
fn fitting_person(known: &ActEntry, checked: &CheckedActDecision) -> Result<(), Rule> {
    let (maker, by) = (&known.maker, &checked.by);
    let same_person = maker.key == by.key || maker.name == by.name;
    match checked.decision.verdict {
        ActVerdict::Approved | ActVerdict::Rejected if same_person => {
            let detail = format!("`{}` proposed it and `{}` would decide it", maker.name, by.name);
            Err(Rule::new(RuleName::ActSamePerson, detail))
        }
        ActVerdict::Withdrawn if maker.key != by.key => {
            let detail = format!("only `{}` takes it back", maker.name);
            Err(Rule::new(RuleName::ActSignerMayNot, detail))
        }
        ActVerdict::Approved | ActVerdict::Rejected | ActVerdict::Withdrawn => Ok(()),
    }
}
