//! The referral queue: which payments wait for a person, what persons said of them, and what of
//! that still counts.
//!
//! Pure: a fold over [`ReferralEntry`]s. [`Queue::next`] checks an event and makes the entry that
//! the edge makes durable; [`Queue::apply`] checks it again and takes it, now as at every start.
//! A release counts once, for one payment of the same order, while nothing that the referring rules
//! read has changed; *not the same* counts for a party and an entry, by their digests, for a time.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use record::{
    Document, ReferralAct, ReferralCase, ReferralEntry, ReferralEvent, ReferralUse,
    ReferralVerdict, Signed, signed_digest,
};
use seal::{Digest, PublicKey};
use terms::{Amount, DecisionId, Environment, Instant, InstitutionName, PaymentId};
use thiserror::Error;

/// Cases that may be open at once: more than a department decides in a day.
pub const OPEN_MAX: usize = 1_000;
/// Of one company: one customer who orders again and again must not fill the queue of all.
pub const OPEN_PER_OWNER_MAX: usize = 50;
/// Cases kept in memory, closed ones included: some 2 KiB each.
pub const CASES_MAX: usize = 100_000;
/// Hits of one case: a name that is like more entries is told no apart by a person either.
pub const HITS_MAX: usize = 64;
/// Sealed evidence of one case: 64 entries with the longest public lists of names.
pub const EVIDENCE_BYTES_MAX: usize = 256 * 1024;
/// Letters of a reason: a sentence at least, a page at most.
pub const REASON_CHARACTERS: core::ops::RangeInclusive<usize> = 10..=2_000;
/// The longest that a release waits for the customer's next order.
pub const RELEASE_SECONDS_MAX: u64 = 7 * 86_400;
/// The longest that *not the same* is remembered, whatever a pack says: half a year, after which
/// a person looks again.
pub const REMEMBER_SECONDS_MAX: u64 = 180 * 86_400;
/// How old a person's word may be when it arrives: a signature is not kept for a better moment.
pub const SAID_SECONDS_MAX: u64 = 600;
/// How far a person's clock may be ahead.
pub const SAID_AHEAD_SECONDS: u64 = 60;
/// How much more the next order's amount may be, in per mille: rates move between two quotes.
pub const AMOUNT_DRIFT_PER_MILLE: u128 = 20;

/// A person who may decide cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewer {
    /// The name, as it is recorded.
    pub name: String,
    /// One of the person's keys.
    pub key: PublicKey,
}

/// Where a case stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for a person.
    Open,
    /// One person signed a release; another has to.
    Proposed(First),
    /// The next order of the same may go on.
    Released(Release),
    /// It stays refused.
    Refused(First),
    /// A true match.
    Blocked(First),
    /// One person signed that a block is over; another has to.
    Lifting(First, First),
    /// A release was taken back before it was used, or a block was lifted.
    Closed(First),
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Proposed(_) => "waits for a second key",
            Self::Released(Release { used: Some(_), .. }) => "used",
            Self::Released(_) => "released",
            Self::Refused(_) => "refused",
            Self::Blocked(_) => "blocked",
            Self::Lifting(..) => "blocked, lifting waits for a second key",
            Self::Closed(_) => "closed",
        }
    }

    /// Whether a person still has to say something of the payment.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open | Self::Proposed(_))
    }
}

/// What a person said, and who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// [`signed_digest`] of the act: what a second person signs.
    pub digest: Digest,
    /// The act.
    pub act: ReferralAct,
    /// Whose key signed.
    pub by: String,
    /// As it was signed.
    pub signed: Signed<ReferralAct>,
}

/// A release that all keys have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// What the first person signed.
    pub first: First,
    /// The second, where two keys were asked for.
    pub second: Option<String>,
    /// The payment that used it.
    pub used: Option<ReferralUse>,
    /// Whether what it remembers was revoked.
    pub revoked: bool,
}

/// One case of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The case.
    pub case: ReferralCase,
    /// Where it stands.
    pub stage: Stage,
}

impl Standing {
    /// The release, where all keys have signed one.
    #[must_use]
    pub const fn release(&self) -> Option<&Release> {
        if let Stage::Released(release) = &self.stage { Some(release) } else { None }
    }
}

/// Why nothing is taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferralRefused {
    /// The queue takes no more.
    #[error("expected at most {most} {what}: decide open cases first")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        most: usize,
    },
    /// The same order waits already, for the same reasons.
    #[error("the same order waits already: case {case}")]
    OpenAlready {
        /// Its case.
        case: DecisionId,
    },
    /// No such case.
    #[error("there is no case {case} here")]
    Unknown {
        /// The case.
        case: DecisionId,
    },
    /// A field is not what it should be.
    #[error("expected `{field}` to be `{expected}`, got `{got}`")]
    Differs {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: String,
        /// What came.
        got: String,
    },
    /// No person of this institution's configuration has this key.
    #[error("key `{key}` is no person's who may decide here")]
    NotAReviewer {
        /// The key.
        key: seal::KeyId,
    },
    /// The signature does not fit.
    #[error("{0}")]
    Document(#[from] record::DocumentError),
    /// Said before: an act counts once, also after it was taken back.
    #[error("this was said before")]
    SaidBefore,
    /// The same person, with whatever key.
    #[error("expected another person than `{name}`")]
    SamePerson {
        /// The person.
        name: String,
    },
    /// This cannot be said where the case stands.
    #[error("expected a case that takes `{verdict}`, got one that is `{stage}`")]
    NotNow {
        /// What was said.
        verdict: &'static str,
        /// Where the case stands.
        stage: &'static str,
    },
    /// A time is too far away, over, or missing.
    #[error("expected `{field}` {expected}, got {got}")]
    Time {
        /// The field.
        field: &'static str,
        /// What is allowed.
        expected: String,
        /// What came.
        got: String,
    },
    /// Too short to be a reason, or too long.
    #[error(
        "expected a reason of {} to {} characters, got {got}",
        REASON_CHARACTERS.start(), REASON_CHARACTERS.end()
    )]
    Reason {
        /// How many came.
        got: usize,
    },
    /// The chain is broken: an entry is missing, doubled or changed.
    #[error("entry {number} does not follow the one before it")]
    Chain {
        /// The entry.
        number: u64,
    },
}

/// What a party and an entry were said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Not the same: the digest of the signed release.
    NotTheSame(Digest),
    /// The same: the digest of the signed block.
    Same(Digest),
}

/// What is asked of the queue by a decision.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// What is ordered.
    pub order: Digest,
    /// The payment.
    pub payment: PaymentId,
    /// The digest of its terms.
    pub terms: Digest,
    /// The amount on this side.
    pub amount: Amount,
    /// When.
    pub now: Instant,
}

/// The queue of one edge instance.
#[derive(Clone, Debug)]
pub struct Queue {
    environment: Environment,
    institution: InstitutionName,
    cases: BTreeMap<DecisionId, Standing>,
    by_order: BTreeMap<Digest, Vec<DecisionId>>,
    remembered: BTreeMap<(Digest, Digest), BTreeSet<DecisionId>>,
    open: usize,
    // INVARIANT (SaidOnce): the digest of every act that was ever taken; an act whose digest is
    // here is refused, so a release that was taken back cannot be handed in again.
    said: BTreeSet<Digest>,
    next: u64,
    head: Digest,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub const fn new(environment: Environment, institution: InstitutionName) -> Self {
        Self {
            environment,
            institution,
            cases: BTreeMap::new(),
            by_order: BTreeMap::new(),
            remembered: BTreeMap::new(),
            open: 0,
            said: BTreeSet::new(),
            next: 0,
            head: Digest::ZERO,
        }
    }

    /// All cases, the oldest first.
    pub fn cases(&self) -> impl Iterator<Item = &Standing> {
        self.cases.values()
    }

    /// A case.
    #[must_use]
    pub fn case(&self, case: DecisionId) -> Option<&Standing> {
        self.cases.get(&case)
    }

    /// How many cases are open.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// How many entries the chain has, and its end.
    #[must_use]
    pub const fn head(&self) -> (u64, Digest) {
        (self.next, self.head)
    }

    /// Checks an event and makes the entry of it: to be made durable, then [`Queue::apply`]ed.
    pub fn next(
        &self,
        event: ReferralEvent,
        at: Instant,
    ) -> Result<ReferralEntry, ReferralRefused> {
        let entry = ReferralEntry { layout: 1, number: self.next, before: self.head, at, event };
        self.change(&entry)?;
        Ok(entry)
    }

    /// Takes an entry. Nothing has changed when it is refused.
    pub fn apply(&mut self, entry: &ReferralEntry) -> Result<(), ReferralRefused> {
        let change = self.change(entry)?;
        if let Some((case, stage)) = change {
            self.put(case, stage);
        }
        if let ReferralEvent::Opened(case, _) = &entry.event {
            self.add((**case).clone());
        }
        if let ReferralEvent::Acted(act, ..) = &entry.event {
            self.said.insert(act.digest());
        }
        self.next = self.next.saturating_add(1);
        self.head = entry.digest();
        Ok(())
    }

    /// The release that may let this payment go on, if nothing that mattered has changed: the
    /// caller compares the case's basis with what it finds now.
    #[must_use]
    pub fn release_for(&self, wanted: &Wanted) -> Option<&Standing> {
        let cases = self.by_order.get(&wanted.order)?;
        cases.iter().rev().filter_map(|case| self.cases.get(case)).find(|standing| {
            let Stage::Released(release) = &standing.stage else { return false };
            usable(&standing.case, release, wanted).is_ok()
        })
    }

    /// What is remembered of a party and an entry at an instant. What `except` remembers is left
    /// aside: whether its own release still fits is judged without it.
    #[must_use]
    pub fn remembered(
        &self,
        (party, entry): (Digest, Digest),
        now: Instant,
        except: Option<DecisionId>,
    ) -> Option<Remembered> {
        let cases = self.remembered.get(&(party, entry))?;
        let known = || cases.iter().filter_map(|case| self.cases.get(case));
        // A block of one case is not undone by another's release.
        let blocked = known().find_map(|standing| match &standing.stage {
            Stage::Blocked(first) | Stage::Lifting(first, _) => {
                Some(Remembered::Same(first.digest))
            }
            Stage::Open
            | Stage::Proposed(_)
            | Stage::Released(_)
            | Stage::Refused(_)
            | Stage::Closed(_) => None,
        });
        let cleared = || {
            known().filter(|standing| Some(standing.case.case) != except).find_map(|standing| {
                let Stage::Released(release) = &standing.stage else { return None };
                let until = release.first.act.remember_until?;
                (now < until && !release.revoked)
                    .then_some(Remembered::NotTheSame(release.first.digest))
            })
        };
        blocked.or_else(cleared)
    }

    /// The same order, waiting for the same reasons.
    fn waits_already(&self, case: &ReferralCase) -> Option<DecisionId> {
        let cases = self.by_order.get(&case.order)?;
        cases.iter().copied().find(|id| {
            self.cases
                .get(id)
                .is_some_and(|known| known.stage.is_open() && known.case.basis == case.basis)
        })
    }

    fn change(
        &self,
        entry: &ReferralEntry,
    ) -> Result<Option<(DecisionId, Stage)>, ReferralRefused> {
        let number = entry.number;
        if (entry.layout, number, entry.before) != (1, self.next, self.head) {
            return Err(ReferralRefused::Chain { number });
        }
        match &entry.event {
            ReferralEvent::Opened(case, sealed) => self.may_open(case, sealed.len()).map(|()| None),
            ReferralEvent::Acted(act, by, key) => self.acted(act, (by, key), entry.at).map(Some),
            ReferralEvent::Used(used) => self.used(used, entry.at).map(Some),
            ReferralEvent::Noted(_) => Ok(None),
        }
    }

    fn may_open(&self, case: &ReferralCase, sealed: usize) -> Result<(), ReferralRefused> {
        self.ours(case.environment, case.institution)?;
        same("layout", 1, case.layout)?;
        let full = |what, most| ReferralRefused::Full { what, most };
        if let Some(case) = self.waits_already(case) {
            return Err(ReferralRefused::OpenAlready { case });
        }
        if self.cases.contains_key(&case.case) {
            return Err(ReferralRefused::SaidBefore);
        }
        let theirs = self.cases.values().filter(|one| one.case.owner == case.owner);
        let theirs = theirs.filter(|one| one.stage.is_open()).count();
        for (what, most, got) in [
            ("open cases", OPEN_MAX, self.open.saturating_add(1)),
            ("open cases of one company", OPEN_PER_OWNER_MAX, theirs.saturating_add(1)),
            ("cases", CASES_MAX, self.cases.len().saturating_add(1)),
            ("hits of a case", HITS_MAX, case.hits.len()),
            ("bytes of evidence", EVIDENCE_BYTES_MAX, sealed),
        ] {
            if got > most {
                return Err(full(what, most));
            }
        }
        Ok(())
    }

    fn acted(
        &self,
        signed: &Signed<ReferralAct>,
        (by, key): (&str, &PublicKey),
        at: Instant,
    ) -> Result<(DecisionId, Stage), ReferralRefused> {
        let act = signed.verify(key)?;
        self.ours(act.environment, act.institution)?;
        same("layout", 1, act.layout)?;
        let standing =
            self.cases.get(&act.case).ok_or(ReferralRefused::Unknown { case: act.case })?;
        if self.said.contains(&signed.digest()) {
            return Err(ReferralRefused::SaidBefore);
        }
        let length = act.reason.chars().count();
        if !REASON_CHARACTERS.contains(&length) {
            return Err(ReferralRefused::Reason { got: length });
        }
        in_time(&act, at)?;
        let (digest, signed) = (signed_digest(signed), signed.clone());
        let first = First { digest, act, by: by.to_owned(), signed };
        let case = first.act.case;
        stage_after(standing, first, at).map(|stage| (case, stage))
    }

    fn used(
        &self,
        used: &ReferralUse,
        at: Instant,
    ) -> Result<(DecisionId, Stage), ReferralRefused> {
        let standing =
            self.cases.get(&used.case).ok_or(ReferralRefused::Unknown { case: used.case })?;
        let Stage::Released(release) = &standing.stage else {
            let stage = standing.stage.word();
            return Err(ReferralRefused::NotNow { verdict: "use", stage });
        };
        same("order", standing.case.order, used.order)?;
        same("basis", standing.case.basis, used.basis)?;
        let wanted = Wanted {
            order: used.order,
            payment: used.payment,
            terms: used.terms,
            amount: used.amount,
            now: at,
        };
        usable(&standing.case, release, &wanted)?;
        let used = Some(release.used.clone().unwrap_or_else(|| used.clone()));
        Ok((standing.case.case, Stage::Released(Release { used, ..release.clone() })))
    }

    fn ours(
        &self,
        environment: Environment,
        institution: InstitutionName,
    ) -> Result<(), ReferralRefused> {
        same("environment", self.environment.as_str(), environment.as_str())?;
        same("institution", self.institution.as_str(), institution.as_str())
    }

    fn add(&mut self, case: ReferralCase) {
        self.open = self.open.saturating_add(1);
        self.by_order.entry(case.order).or_default().push(case.case);
        for hit in &case.hits {
            self.remembered.entry((hit.party, hit.entry)).or_default().insert(case.case);
        }
        self.cases.insert(case.case, Standing { case, stage: Stage::Open });
    }

    fn put(&mut self, case: DecisionId, stage: Stage) {
        let Some(standing) = self.cases.get_mut(&case) else { return };
        let (before, after) = (standing.stage.is_open(), stage.is_open());
        standing.stage = stage;
        if before && !after {
            self.open = self.open.saturating_sub(1);
        }
    }
}

/// The person whose key signed, by the configuration.
pub fn reviewer_of<'a>(
    signed: &Signed<ReferralAct>,
    reviewers: &'a [Reviewer],
) -> Result<&'a Reviewer, ReferralRefused> {
    let key = signed.key();
    let found = reviewers.iter().find(|one| one.key.key_id() == key);
    found.ok_or(ReferralRefused::NotAReviewer { key })
}

/// Where a case stands after what was said.
fn stage_after(standing: &Standing, said: First, at: Instant) -> Result<Stage, ReferralRefused> {
    use ReferralVerdict as V;
    let (case, stage) = (&standing.case, &standing.stage);
    let verdict = said.act.verdict;
    let not_now = || ReferralRefused::NotNow { verdict: verdict.as_str(), stage: stage.word() };
    match (stage, verdict) {
        (Stage::Open, V::Release) => {
            same("case", case.digest(), said.act.about)?;
            release_times(case, &said.act, at)?;
            Ok(if case.keys > 1 { Stage::Proposed(said) } else { released(said, None) })
        }
        // Alone one may only tighten: nobody waits for a second key to refuse or to block.
        (Stage::Open | Stage::Proposed(_), V::Refuse) => {
            same("case", case.digest(), said.act.about)?;
            Ok(Stage::Refused(said))
        }
        (Stage::Open | Stage::Proposed(_), V::Block) => {
            same("case", case.digest(), said.act.about)?;
            Ok(Stage::Blocked(said))
        }
        (Stage::Proposed(first), V::Approve) => {
            answers(first, &said)?;
            other_person(first, &said)?;
            // The times are judged again: a second key does not bring back what is over.
            release_times(case, &first.act, at)?;
            Ok(released(first.clone(), Some(said.by)))
        }
        (Stage::Proposed(first), V::Reject) => {
            answers(first, &said)?;
            other_person(first, &said)?;
            Ok(Stage::Open)
        }
        (Stage::Proposed(first), V::Withdraw) => {
            answers(first, &said)?;
            Ok(Stage::Open)
        }
        (Stage::Released(release), V::Withdraw) if release.used.is_none() => {
            answers(&release.first, &said)?;
            Ok(Stage::Closed(said))
        }
        (Stage::Released(release), V::Revoke) if !release.revoked => {
            answers(&release.first, &said)?;
            Ok(Stage::Released(Release { revoked: true, ..release.clone() }))
        }
        (Stage::Blocked(block), V::Revoke) => {
            answers(block, &said)?;
            Ok(Stage::Lifting(block.clone(), said))
        }
        (Stage::Lifting(_, lift), V::Approve) => {
            answers(lift, &said)?;
            other_person(lift, &said)?;
            Ok(Stage::Closed(said))
        }
        (Stage::Lifting(block, lift), V::Reject | V::Withdraw) => {
            answers(lift, &said)?;
            Ok(Stage::Blocked(block.clone()))
        }
        (
            Stage::Open
            | Stage::Proposed(_)
            | Stage::Released(_)
            | Stage::Refused(_)
            | Stage::Blocked(_)
            | Stage::Lifting(..)
            | Stage::Closed(_),
            _,
        ) => Err(not_now()),
    }
}

const fn released(first: First, second: Option<String>) -> Stage {
    Stage::Released(Release { first, second, used: None, revoked: false })
}

fn answers(first: &First, said: &First) -> Result<(), ReferralRefused> {
    same("act", first.digest, said.act.about)
}

fn other_person(first: &First, said: &First) -> Result<(), ReferralRefused> {
    if first.by == said.by {
        return Err(ReferralRefused::SamePerson { name: first.by.clone() });
    }
    Ok(())
}

/// Whether a release may let this payment go on now.
fn usable(case: &ReferralCase, release: &Release, wanted: &Wanted) -> Result<(), ReferralRefused> {
    let until = release.first.act.until;
    if until.is_none_or(|until| wanted.now >= until) {
        return Err(time("until", "after now".to_owned(), until));
    }
    if let Some(used) = &release.used {
        // Asked twice it says the same; another payment, or other terms, found it used up.
        same("payment", used.payment.to_string(), wanted.payment.to_string())?;
        same("terms", used.terms, wanted.terms)?;
    }
    same("asset", case.amount.asset.as_str(), wanted.amount.asset.as_str())?;
    let most = most_of(case.amount);
    if wanted.amount.minor.units() > most {
        return Err(ReferralRefused::Differs {
            field: "amount",
            expected: format!("at most {most}"),
            got: wanted.amount.minor.units().to_string(),
        });
    }
    Ok(())
}

fn most_of(amount: Amount) -> u128 {
    let units = amount.minor.units();
    units.saturating_add(units.saturating_mul(AMOUNT_DRIFT_PER_MILLE).div_euclid(1_000))
}

fn in_time(act: &ReferralAct, at: Instant) -> Result<(), ReferralRefused> {
    let (oldest, newest) = (
        at.minus(Duration::from_secs(SAID_SECONDS_MAX)),
        at.plus(Duration::from_secs(SAID_AHEAD_SECONDS)),
    );
    if act.said_at < oldest || act.said_at > newest {
        let expected = format!("between {oldest} and {newest}");
        return Err(time("said_at", expected, Some(act.said_at)));
    }
    let needs = act.verdict == ReferralVerdict::Release;
    if !needs && (act.until.is_some() || act.remember_until.is_some()) {
        return Err(time("until", "of a release only".to_owned(), act.until));
    }
    Ok(())
}

/// A release has an end, and so has what it remembers; past its deadline a case is not released.
fn release_times(
    case: &ReferralCase,
    act: &ReferralAct,
    at: Instant,
) -> Result<(), ReferralRefused> {
    if at >= case.decide_by {
        return Err(time("decide_by", format!("after {at}"), Some(case.decide_by)));
    }
    // Counted from when it was said: the person's clock may be a little ahead of ours.
    let longest = act.said_at.plus(Duration::from_secs(RELEASE_SECONDS_MAX));
    if act.until.is_none_or(|until| until <= at || until > longest) {
        return Err(time("until", format!("after {at}, at most {longest}"), act.until));
    }
    let kept = case.remember_seconds.min(REMEMBER_SECONDS_MAX);
    let longest = act.said_at.plus(Duration::from_secs(kept));
    match act.remember_until {
        Some(until) if until <= at || until > longest => {
            let expected = format!("after {at}, at most {longest}");
            Err(time("remember_until", expected, Some(until)))
        }
        _ => Ok(()),
    }
}

fn time(field: &'static str, expected: String, got: Option<Instant>) -> ReferralRefused {
    let got = got.map_or_else(|| "nothing".to_owned(), |got| got.to_string());
    ReferralRefused::Time { field, expected, got }
}

fn same<T: PartialEq + ToString>(
    field: &'static str,
    expected: T,
    got: T,
) -> Result<(), ReferralRefused> {
    if expected == got {
        return Ok(());
    }
    let show = |value: T| value.to_string();
    Err(ReferralRefused::Differs { field, expected: show(expected), got: show(got) })
}
