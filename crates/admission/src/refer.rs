//! What the referral queue has to do with one decision: what persons said of its hits counts as
//! findings, a release that still fits is used, and what a person has to decide becomes a case.

use core::time::Duration;
use std::collections::BTreeSet;

use minicbor::Encode;
use policy::findings::{SOURCE_BLOCKED, SOURCE_CLEARED, SOURCE_RELEASED, by_a_person};
use policy::pack::{NOT_THE_SAME_DAYS, REFERRAL_HOURS, REFERRAL_ONE_KEY_MAX};
use policy::vocabulary::{self as v, Flag, Text};
use policy::{Decision, Findings};
use record::{
    AlignedWords, DecisionOutcome, DecisionRecord, Document, Finding, FindingValue, HitEvidence,
    ListVersion, OutgoingTerms, PaymentTerms, ReferralCase, ReferralEvidence, ReferralHit,
    ReferralParty, ReferralUse, Side, party_digest,
};
use screening::{Hit, Party, Thresholds, alignment, all_hits};
use seal::{Digest, Domain, digest, digest::digest_of, mac, to_canonical};
use terms::{Amount, CompanyId, DecisionId};

use crate::decide::Asked;
use crate::desk::Desk;
use crate::referrals::{Queue, REMEMBER_SECONDS_MAX, Remembered, Standing, Wanted};

/// Domain of what is ordered, without the payment's id and its quote.
const ORDER: Domain = Domain::new("wayleave/referral-order/v1");
/// Domain of all that referring rules read.
const BASIS: Domain = Domain::new("wayleave/referral-basis/v1");
/// Domain of the draw for a review of quality.
const DRAW: Domain = Domain::new("wayleave/quality-draw/v1");
/// Where a pack says no deadline: three days, over a weekend.
const HOURS: i64 = 72;
/// The longest deadline that a pack may say: a month.
const HOURS_MAX: i64 = 31 * 24;
/// Name of the list under which a record says how far the queue's chain was.
pub const CHAIN_NAME: &str = "referrals";

/// The queue, and which payments the institution looks at besides.
#[derive(Clone, Copy, Debug)]
pub struct Referrals<'a> {
    /// The queue.
    pub queue: &'a Queue,
    /// Companies whose payments are looked at.
    pub watched: &'a BTreeSet<CompanyId>,
    /// How many orders of a thousand are drawn for a review of quality.
    pub review_per_mille: u16,
}

/// What a decision asks of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Referred {
    /// A person has to decide.
    Opens(Box<ReferralCase>, Box<ReferralEvidence>),
    /// A release let it go on: to be used up before the answer.
    Uses(Box<ReferralUse>),
    /// It ended restricted, and no person has anything to decide.
    Noted,
}

/// A party that was screened: the very words.
#[derive(Clone, Debug)]
pub(crate) struct Screened {
    pub(crate) who: ReferralParty,
    pub(crate) identity: String,
    pub(crate) name: String,
    pub(crate) country: String,
}

/// What came of findings, rules and queue together.
pub(crate) struct Judged {
    pub(crate) findings: Findings,
    pub(crate) decision: Decision,
    uses: Option<ReferralUse>,
    case: Option<Draft>,
}

/// A case before its record is known.
struct Draft {
    basis: Digest,
    reasons: Vec<String>,
    read: Vec<Finding>,
    hits: Vec<HitEvidence>,
}

/// What is ordered, as the queue knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered {
    /// Whatever the payment is called and at whatever rate: the next order of the same has the same
    /// digest.
    pub(crate) order: Digest,
    /// The amount on the deciding side.
    pub(crate) amount: Amount,
}

impl Ordered {
    /// Of a payment, on one side.
    pub(crate) fn of(side: Side, terms: &PaymentTerms) -> Self {
        let parties = (terms.debited_account, terms.credited_account, &terms.payee_name);
        let what = (terms.credited, &terms.invoice_hash, &terms.purpose, terms.linked_payment);
        let amount = match side {
            Side::Debtor => terms.debited,
            Side::Creditor => terms.credited,
        };
        let PaymentTerms { environment, book, corridor, .. } = terms;
        let order = order(&(side, environment, book, corridor, terms.action, parties, what));
        Self { order, amount }
    }

    /// Of a payment out.
    pub(crate) fn out(terms: &OutgoingTerms) -> Self {
        let parties = (terms.debited_account, &terms.to, &terms.address);
        let what = (terms.amount, &terms.end_to_end_id, &terms.purpose);
        let order = order(&(terms.environment, terms.book, terms.corridor, parties, what));
        Self { order, amount: terms.debited().unwrap_or(terms.amount) }
    }
}

fn order<T: Encode<()>>(what: &T) -> Digest {
    digest(ORDER, &to_canonical(what))
}

/// What persons and chance have to say in one decision.
pub(crate) struct Persons<'a> {
    /// The queue; nobody is asked where there is none, nor in a replay.
    queue: Option<&'a Queue>,
    /// Whether the institution watches the company.
    watched: bool,
    /// Whether chance drew the order.
    drawn: bool,
    /// How far the queue's chain was.
    chain: Option<ListVersion>,
}

impl<'a> Persons<'a> {
    /// At an edge, with its queue, if it has one.
    pub(crate) fn of(desk: &Desk<'_>, asked: &Asked<'_>, referrals: Option<Referrals<'a>>) -> Self {
        let Some(Referrals { queue, watched, review_per_mille }) = referrals else {
            return Self { queue: None, watched: false, drawn: false, chain: None };
        };
        // By order, not by payment: ordering again does not draw again.
        let draw = mac(desk.secret, DRAW, asked.ordered.order.as_bytes());
        let [a, b, c, d, ..] = *draw.as_bytes();
        let (version, digest) = queue.head();
        let named = || ListVersion { name: CHAIN_NAME.to_owned(), version, digest };
        Self {
            queue: Some(queue),
            watched: watched.contains(&asked.owner),
            drawn: u32::from_be_bytes([a, b, c, d]) % 1_000 < u32::from(review_per_mille),
            chain: (version > 0).then(named),
        }
    }

    /// In a replay: nobody is asked. Whom the institution watched and what it drew is its own word,
    /// which only the record has; so is how far its chain was.
    pub(crate) fn of_record(record: &DecisionRecord) -> Self {
        let said = |flag: Flag| {
            let mut named = record.findings.iter().filter(|one| one.name == flag.name());
            named.any(|one| one.value == FindingValue::Flag(true))
        };
        let chain = record.lists.iter().find(|list| list.name == CHAIN_NAME).cloned();
        Self {
            queue: None,
            watched: said(v::MONITORING_ALERT),
            drawn: said(v::QUALITY_REVIEW),
            chain,
        }
    }

    /// The chain, as a record names it.
    pub(crate) fn chain(&self) -> Option<ListVersion> {
        self.chain.clone()
    }
}

/// The chain that an answer of the queue came from, if the decision of a record used one: no replay
/// has it.
pub(crate) fn answered_by(record: &DecisionRecord) -> Option<&ListVersion> {
    let used = record.findings.iter().any(|finding| by_a_person(&finding.source));
    record.lists.iter().find(|list| used && list.name == CHAIN_NAME)
}

/// Findings that the institution itself makes: whom it watches, and what chance drew.
pub(crate) fn with_looks(persons: Option<&Persons<'_>>, findings: &Findings) -> Findings {
    let change = findings.change();
    change
        .flag(v::MONITORING_ALERT, persons.is_some_and(|one| one.watched))
        .flag(v::QUALITY_REVIEW, persons.is_some_and(|one| one.drawn))
        .build()
}

/// Decides with what persons said. Pure: the same queue, the same answer.
pub(crate) fn judge(
    desk: &Desk<'_>,
    asked: &Asked<'_>,
    persons: Option<&Persons<'_>>,
    (findings, parties): (&Findings, &[Screened]),
) -> Judged {
    let Some(queue) = persons.and_then(|one| one.queue) else {
        let decision = desk.pack.decide(findings, desk.now);
        return Judged { findings: findings.clone(), decision, uses: None, case: None };
    };
    let wanted = wanted(desk, asked);
    let hits = hits_of(desk, parties, findings);
    if let Some(standing) = queue.release_for(&wanted)
        && let Some(judged) =
            with_release(desk, (queue, standing), (&wanted, asked.decision), findings, &hits)
    {
        return judged;
    }
    let seen = look(desk, queue, findings, &hits, None);
    let case = seen.draft(desk);
    Judged { findings: seen.findings, decision: seen.decision, uses: None, case }
}

impl Judged {
    /// What is asked of the queue, now that the record is there.
    pub(crate) fn referred(
        self,
        desk: &Desk<'_>,
        asked: &Asked<'_>,
        persons: &Persons<'_>,
        record: &DecisionRecord,
    ) -> Option<Referred> {
        persons.queue?;
        if let Some(used) = self.uses {
            return Some(Referred::Uses(Box::new(used)));
        }
        if let Some(draft) = self.case {
            let (case, evidence) = draft.case(desk, asked, record);
            return Some(Referred::Opens(Box::new(case), Box::new(evidence)));
        }
        let neutral = record.open_part().outcome == record::OpenOutcome::NotExecuted;
        neutral.then_some(Referred::Noted)
    }
}

impl Draft {
    fn case(
        self,
        desk: &Desk<'_>,
        asked: &Asked<'_>,
        record: &DecisionRecord,
    ) -> (ReferralCase, ReferralEvidence) {
        let day = desk.now.date();
        let number = |name| desk.pack.number(name, day);
        let one_key = number(REFERRAL_ONE_KEY_MAX).and_then(|most| u128::try_from(most).ok());
        // A pack that says nothing asks for two keys, whatever the amount.
        let alone = one_key.is_some_and(|most| asked.ordered.amount.minor.units() <= most);
        let hours = number(REFERRAL_HOURS).unwrap_or(HOURS).clamp(1, HOURS_MAX);
        let wait = u64::try_from(hours).unwrap_or(1).saturating_mul(3_600);
        let days = number(NOT_THE_SAME_DAYS).and_then(|days| u64::try_from(days).ok());
        let remember = days.unwrap_or(0).saturating_mul(86_400).min(REMEMBER_SECONDS_MAX);
        let case = asked.decision;
        let (payment, terms) = asked.about;
        let hits: Vec<ReferralHit> = self.hits.iter().map(|one| one.hit.clone()).collect();
        let evidence = ReferralEvidence { layout: 1, case, findings: self.read, hits: self.hits };
        let case = ReferralCase {
            layout: 1,
            environment: desk.environment,
            institution: desk.institution,
            case,
            mark: asked.mark,
            side: desk.side,
            corridor: desk.corridor,
            payment,
            terms,
            order: asked.ordered.order,
            owner: asked.owner,
            amount: asked.ordered.amount,
            pack: desk.pack.digest(),
            snapshot: desk.lists.snapshot(),
            record: record.digest(),
            reasons: self.reasons,
            hits,
            basis: self.basis,
            evidence: evidence.digest(),
            keys: if alone { 1 } else { 2 },
            remember_seconds: remember,
            opened_at: desk.now,
            decide_by: desk.now.plus(Duration::from_secs(wait)),
        };
        (case, evidence)
    }
}

fn wanted(desk: &Desk<'_>, asked: &Asked<'_>) -> Wanted {
    let (payment, terms) = asked.about;
    let Ordered { order, amount } = asked.ordered;
    Wanted { order, payment, terms, amount, now: desk.now }
}

/// A hit, and the finding that it made.
struct Seen {
    finding: Text,
    evidence: HitEvidence,
}

/// Every hit of every party that is possibly listed. A true match is nobody's to release.
fn hits_of(desk: &Desk<'_>, parties: &[Screened], findings: &Findings) -> Vec<Seen> {
    let mut seen = Vec::new();
    for party in parties {
        let finding = finding_of(party.who);
        let possible = matches!(
            findings.value(finding.name()),
            Some(FindingValue::Text(word)) if word == "Possible"
        );
        if possible {
            let of = Party { name: &party.name, country: &party.country, date: None };
            let hits = all_hits(&of, desk.lists.sanctions(), Thresholds::STANDARD);
            seen.extend(
                hits.into_iter().map(|hit| Seen { finding, evidence: evidence(desk, party, hit) }),
            );
        }
    }
    seen.sort_by(|a, b| a.evidence.hit.cmp(&b.evidence.hit));
    seen
}

const fn finding_of(who: ReferralParty) -> Text {
    match who {
        ReferralParty::Payer => v::PAYER_SCREENING,
        ReferralParty::Payee => v::PAYEE_SCREENING,
    }
}

fn evidence(desk: &Desk<'_>, party: &Screened, hit: Hit) -> HitEvidence {
    let Screened { who, identity, name, country } = party;
    let entry = desk.lists.sanctions().iter().find_map(|list| list.entry(hit.entry_digest));
    let aligned = alignment(name, &hit.name);
    HitEvidence {
        hit: ReferralHit {
            who: *who,
            party: party_digest(desk.secret, identity, name, country),
            entry: hit.entry_digest,
            list: hit.list,
        },
        identity: identity.clone(),
        name: name.clone(),
        country: country.clone(),
        entry: entry.map(to_canonical).unwrap_or_default().into(),
        listed: hit.name,
        rule: hit.rule.word().to_owned(),
        score: hit.score,
        contradicted: hit.contradicted,
        aligned: aligned
            .into_iter()
            .map(|one| AlignedWords { party: one.asked, listed: one.listed, score: one.score })
            .collect(),
    }
}

/// What the rules said, with what is remembered of the hits.
struct Look {
    findings: Findings,
    decision: Decision,
    open: Vec<HitEvidence>,
    basis: Digest,
}

/// Looks at the findings with what is remembered, what `except` remembers left aside.
fn look(
    desk: &Desk<'_>,
    queue: &Queue,
    findings: &Findings,
    hits: &[Seen],
    except: Option<DecisionId>,
) -> Look {
    let mut change = findings.change();
    let mut open = Vec::new();
    for finding in [v::PAYER_SCREENING, v::PAYEE_SCREENING] {
        let mut cleared = BTreeSet::new();
        let (mut blocked, mut left) = (None, Vec::new());
        for Seen { evidence, .. } in hits.iter().filter(|one| one.finding == finding) {
            let pair = (evidence.hit.party, evidence.hit.entry);
            match queue.remembered(pair, desk.now, except) {
                Some(Remembered::Same(digest)) => blocked = Some(digest),
                Some(Remembered::NotTheSame(digest)) => {
                    cleared.insert(digest.to_string());
                }
                None => left.push(evidence.clone()),
            }
        }
        if let Some(digest) = blocked {
            let source = format!("{SOURCE_BLOCKED}{digest}");
            change = change.screening_by_person(finding, "Match", source);
        } else if left.is_empty() && !cleared.is_empty() {
            let all: Vec<String> = cleared.into_iter().collect();
            let source = format!("{SOURCE_CLEARED}{}", all.join(","));
            change = change.screening_by_person(finding, "Clear", source);
        } else {
            open.extend(left);
        }
    }
    open.sort_by(|a, b| a.hit.cmp(&b.hit));
    let findings = change.build();
    let decision = desk.pack.decide(&findings, desk.now);
    let basis = basis(desk, &findings, &decision, &open);
    Look { findings, decision, open, basis }
}

impl Look {
    const fn refers(&self) -> bool {
        matches!(self.decision.outcome, DecisionOutcome::Referral { .. })
    }

    /// What becomes a case: a referral of which a person can decide something.
    fn draft(&self, desk: &Desk<'_>) -> Option<Draft> {
        let reasons = self.decision.determining.clone();
        let some = reasons.iter().any(|id| desk.pack.for_a_person(id).is_some());
        (self.refers() && some).then(|| Draft {
            basis: self.basis,
            read: read_by(desk, &self.findings, &reasons),
            reasons,
            hits: self.open.clone(),
        })
    }
}

/// Lets a payment go on by a release, if the rules refer for just what the release was given on.
fn with_release(
    desk: &Desk<'_>,
    (queue, standing): (&Queue, &Standing),
    (wanted, decision_id): (&Wanted, DecisionId),
    findings: &Findings,
    hits: &[Seen],
) -> Option<Judged> {
    let case = &standing.case;
    let seen = look(desk, queue, findings, hits, Some(case.case));
    let all_for_a_person = |ids: &[String]| {
        ids.iter().all(|id| desk.pack.for_a_person(id).is_some() && case.reasons.contains(id))
    };
    let fits =
        seen.refers() && seen.basis == case.basis && all_for_a_person(&seen.decision.determining);
    let release = standing.release().filter(|_| fits)?;
    let source = format!("{SOURCE_RELEASED}{}", release.first.digest);
    let mut change = seen.findings.change();
    for one in &seen.open {
        change = change.screening_by_person(finding_of(one.hit.who), "Clear", source.clone());
    }
    let mut findings = change.build();
    let mut decision = desk.pack.decide(&findings, desk.now);
    if matches!(decision.outcome, DecisionOutcome::Referral { .. })
        && all_for_a_person(&decision.determining)
    {
        // What is left was read by the same person, in the same values.
        let rules: BTreeSet<String> = decision.determining.iter().cloned().collect();
        findings = findings.change().released(rules, source).build();
        decision = desk.pack.decide(&findings, desk.now);
    }
    let used = ReferralUse {
        case: case.case,
        payment: wanted.payment,
        terms: wanted.terms,
        order: wanted.order,
        basis: seen.basis,
        amount: wanted.amount,
        decision: decision_id,
    };
    (decision.outcome == DecisionOutcome::Permit).then_some(Judged {
        findings,
        decision,
        uses: Some(used),
        case: None,
    })
}

/// The findings that rules read, each once.
fn read_by(desk: &Desk<'_>, findings: &Findings, rules: &[String]) -> Vec<Finding> {
    let names: BTreeSet<&str> = rules.iter().flat_map(|id| desk.pack.rule_reads(id)).collect();
    names.into_iter().filter_map(|name| desk.pack.recorded_one(findings, name)).collect()
}

/// Everything that the deciding rules read, and every hit that nobody cleared. The list's version
/// is left out: an entry that stayed as it was is the same entry.
fn basis(
    desk: &Desk<'_>,
    findings: &Findings,
    decision: &Decision,
    open: &[HitEvidence],
) -> Digest {
    let rules = &decision.determining;
    let read = read_by(desk, findings, rules);
    let read: Vec<(&String, &FindingValue)> =
        read.iter().map(|one| (&one.name, &one.value)).collect();
    let hits: Vec<(ReferralParty, Digest, Digest)> =
        open.iter().map(|one| (one.hit.who, one.hit.party, one.hit.entry)).collect();
    let pieces = [
        to_canonical(&desk.pack.digest()),
        to_canonical(rules),
        to_canonical(&read),
        to_canonical(&hits),
    ];
    digest_of(BASIS, &pieces.each_ref().map(Vec::as_slice))
}
