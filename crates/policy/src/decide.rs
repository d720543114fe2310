//! Findings and an instant become a decision.

use std::collections::BTreeSet;

use cedar_policy::{
    Authorizer, Context, Entities, PolicySet, Request, Response, RestrictedExpression,
};
use record::{
    DECISION_VERSION, DecisionOutcome, DecisionRecord, Duty, EdgeMark, Finding, FindingValue,
    LimitClaim, LimitPeriod, ListVersion, Reason, ReasonEffect,
};
use seal::Digest;
use terms::{
    Amount, BusinessDate, DecisionId, Environment, Instant, InstitutionName, Minor, PaymentId,
};
use thiserror::Error;

use crate::findings::{Findings, FindingsBuilder};
use crate::pack::{DUTIES_DUE, Pack, Period, UTC_OFFSET};
use crate::rule::{Chapter, Due, Rule, Why};
use crate::vocabulary::{
    FINDINGS_LAYER, LOCAL_DATE, LOCAL_YEAR, MINUTE_OF_DAY, Source, WEEKDAY, definition,
};

/// Something went wrong in the rules. Any of these denies and raises the alarm: Cedar skips a
/// policy that errors, and a skipped forbid does not forbid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum EvaluationError {
    /// A finding that the rules read is not there.
    #[error("expected finding `{finding}`")]
    FindingMissing {
        /// The finding.
        finding: String,
    },
    /// A policy failed.
    #[error("policy `{policy}` failed: {reason}")]
    PolicyFailed {
        /// The policy.
        policy: String,
        /// What the engine says.
        reason: String,
    },
    /// No parameters are in force on the day.
    #[error("expected parameters in force at {at}")]
    NotInForce {
        /// The instant.
        at: Instant,
    },
    /// Something that the pack takes for granted, and that its proofs rest on, is not so.
    #[error("expected what the pack assumes, `{assumption}`: {sentence}")]
    AssumptionBroken {
        /// The assumption.
        assumption: String,
        /// What it says.
        sentence: String,
    },
    /// The request could not be built.
    #[error("expected a request: {reason}")]
    RequestInvalid {
        /// What the engine says.
        reason: String,
    },
    /// Neither permitted nor forbidden.
    #[error("expected a rule that applies to action `{action}`")]
    NoRuleApplies {
        /// The action.
        action: String,
    },
    /// A limit claim whose findings are no asset and amount.
    #[error("expected a limit claim from policy `{policy}`")]
    LimitInvalid {
        /// The policy.
        policy: String,
    },
}

/// A decision, before it is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How it ends.
    pub outcome: DecisionOutcome,
    /// The rules that decided, sorted.
    pub determining: Vec<String>,
    /// Why, in order of precedence.
    pub reasons: Vec<Reason>,
    /// What must be done, by kind and id.
    pub duties: Vec<Duty>,
    /// Limits that the writer must check.
    pub limits: Vec<LimitClaim>,
    /// What went wrong.
    pub errors: Vec<EvaluationError>,
}

impl Decision {
    /// Whether somebody must be woken: the rules themselves failed.
    #[must_use]
    pub const fn alarm(&self) -> bool {
        !self.errors.is_empty()
    }
}

/// What a record says beyond findings and decision.
#[derive(Clone, Debug)]
pub struct DecisionEnvelope {
    /// Where this runs.
    pub environment: Environment,
    /// This decision.
    pub decision: DecisionId,
    /// The payment.
    pub payment: PaymentId,
    /// Who decides.
    pub institution: InstitutionName,
    /// The edge instance and its sequence.
    pub edge: EdgeMark,
    /// Digest of the terms.
    pub terms: Digest,
    /// Digest of the trust snapshot.
    pub snapshot: Digest,
    /// Digests of the party statements sent and received.
    pub statements: BTreeSet<Digest>,
    /// Lists used.
    pub lists: BTreeSet<ListVersion>,
}

/// What one policy set answered.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    pub(crate) determining: BTreeSet<String>,
    pub(crate) errors: Vec<EvaluationError>,
}

impl Pack {
    /// Decides. A pure function: same pack, findings and instant, same answer.
    #[must_use]
    pub fn decide(&self, findings: &Findings, now: Instant) -> Decision {
        self.decide_by(findings, now, Asked::Whole)
    }

    /// Decides by asking each rule by itself: the slower way, which [`Pack::decide`] agrees with.
    #[must_use]
    pub fn decide_one_by_one(&self, findings: &Findings, now: Instant) -> Decision {
        self.decide_by(findings, now, Asked::OneByOne)
    }

    fn decide_by(&self, findings: &Findings, now: Instant, asked: Asked) -> Decision {
        let mut errors = self.input_errors(findings);
        let Some(period) = self.period(now.date()) else {
            errors.push(EvaluationError::NotInForce { at: now });
            return denied(errors);
        };
        if !errors.is_empty() {
            return denied(errors);
        }
        let request = match self.request(findings) {
            Ok(request) => request,
            Err(error) => return denied(vec![error]),
        };
        // A broken assumption denies, and takes no reason and no duty with it: what is due always
        // is due of this payment too.
        let whole = |whole| match asked {
            Asked::Whole => whole,
            Asked::OneByOne => None,
        };
        errors.extend(self.broken(whole(self.set.assumed_whole.as_ref()), &request, period));
        let entities = &period.entities;
        let decide = &self.set.decide;
        let mut main = match self.without_released(findings) {
            Some(left) => evaluate(&left, &request, entities),
            None => by_whole((whole(self.set.decide_whole.as_ref()), decide), &request, entities),
        };
        let due = evaluate(&self.set.oblige, &request, entities);
        let duties = self.duties(&due.determining, main.allowed, now);
        let gate = match self.gate_request(findings, &duties) {
            Ok(request) => {
                by_whole((whole(self.set.gate_whole.as_ref()), &self.set.gate), &request, entities)
            }
            Err(error) => return denied(vec![error]),
        };
        if main.allowed && !gate.allowed {
            (main.allowed, main.determining) = (false, gate.determining);
        }
        errors.extend(main.errors);
        errors.extend(due.errors);
        errors.extend(gate.errors);
        if !main.allowed && main.determining.is_empty() && errors.is_empty() {
            let action = findings.action().word().to_owned();
            errors.push(EvaluationError::NoRuleApplies { action });
        }
        let limits = self.limits(&due.determining, findings, &mut errors);
        errors.sort_unstable();
        let reasons = self.reasons(&main.determining);
        let outcome = outcome(main.allowed, &reasons, &errors, || self.next_opening(now));
        let permitted = outcome == DecisionOutcome::Permit;
        // An alarm may have struck a duty out: without a permit only those owed always remain.
        let duties = if permitted { duties } else { self.duties(&due.determining, false, now) };
        Decision {
            outcome,
            determining: main.determining.into_iter().collect(),
            reasons,
            duties,
            limits: if permitted { limits } else { Vec::new() },
            errors,
        }
    }

    /// The record of a decision: findings that the pack does not read are left out.
    #[must_use]
    pub fn record(
        &self,
        envelope: DecisionEnvelope,
        findings: &Findings,
        decision: &Decision,
        decided_at: Instant,
    ) -> DecisionRecord {
        DecisionRecord {
            version: DECISION_VERSION,
            environment: envelope.environment,
            decision: envelope.decision,
            payment: envelope.payment,
            institution: envelope.institution,
            side: self.side,
            edge: envelope.edge,
            corridor: self.corridor,
            action: findings.action().word().to_owned(),
            terms: envelope.terms,
            pack: self.digest,
            schema: self.set.schema_digest,
            findings_layer: FINDINGS_LAYER,
            snapshot: envelope.snapshot,
            statements: envelope.statements.into_iter().collect(),
            lists: envelope.lists.into_iter().collect(),
            findings: self.recorded(findings),
            outcome: decision.outcome,
            determining: decision.determining.clone(),
            reasons: decision.reasons.clone(),
            duties: decision.duties.clone(),
            limits: decision.limits.clone(),
            errors: decision.errors.iter().map(ToString::to_string).collect(),
            engine: engine(),
            decided_at,
        }
    }

    /// Weekday (Monday 1) and minute of the day in the institution's fixed offset.
    #[must_use]
    pub fn local_time(&self, now: Instant) -> Option<(u8, u16)> {
        local_time(self.period(now.date())?, now)
    }

    /// What the calendar tells the rules: weekday, minute, day and year in the institution's fixed
    /// offset. Nothing where no parameters are in force: rules that read it deny.
    #[must_use]
    pub fn calendar(&self, builder: FindingsBuilder, now: Instant) -> FindingsBuilder {
        let told = || {
            let period = self.period(now.date())?;
            Some((local_time(period, now)?, local_day(period, now)?.to_string()))
        };
        match told() {
            Some(((weekday, minute), day)) => builder
                .number(WEEKDAY, i64::from(weekday))
                .number(MINUTE_OF_DAY, i64::from(minute))
                .text(LOCAL_YEAR, year_of(&day))
                .text(LOCAL_DATE, &day),
            None => builder,
        }
    }

    /// The next full minute at which the calendar says open, within [`MINUTES_AHEAD`]; nothing when
    /// the institution is open now: then something else is waited for.
    fn next_opening(&self, now: Instant) -> Option<Instant> {
        let open = |at: Instant| open_at(self.period(at.date())?, at);
        if open(now)? {
            return None;
        }
        let first = now.seconds().saturating_sub(now.seconds() % 60);
        (1..MINUTES_AHEAD)
            .map(|minute| Instant::from_seconds(first.saturating_add(minute * 60)))
            .find(|at| open(*at) == Some(true))
    }

    fn recorded(&self, findings: &Findings) -> Vec<Finding> {
        let rows = self.set.reads.iter().filter_map(|name| self.recorded_one(findings, name));
        rows.chain(findings.recorded_release()).collect()
    }

    /// A finding as records hold it.
    #[must_use]
    pub fn recorded_one(&self, findings: &Findings, name: &str) -> Option<Finding> {
        let row = definition(name)?;
        let own = || row.source_on(self.side).word();
        Some(Finding {
            name: row.name.to_owned(),
            value: findings.value(row.name)?.clone(),
            unit: row.unit.to_owned(),
            source: findings.source(row.name).unwrap_or_else(own).to_owned(),
            visibility: row.visibility,
        })
    }

    /// `decide` without the referring rules that a person decided; `None` where there are none.
    /// What denies stays, whoever released it.
    fn without_released(&self, findings: &Findings) -> Option<PolicySet> {
        let struck: BTreeSet<&str> = findings.released().filter(|id| self.refers(id)).collect();
        if struck.is_empty() {
            return None;
        }
        let id = |policy: &cedar_policy::Policy| policy.id().to_string();
        let decide = self.set.decide.policies();
        let left = decide.filter(|policy| !struck.contains(id(policy).as_str()));
        PolicySet::from_policies(left.cloned()).ok()
    }

    /// Whether a rule refers a payment: one of `decide`, with that effect.
    fn refers(&self, id: &str) -> bool {
        self.set.rules.get(id).is_some_and(|(chapter, rule)| {
            let why = rule.why.as_ref();
            *chapter == Chapter::Decide
                && why.is_some_and(|why| why.reason.effect == ReasonEffect::Refers)
        })
    }

    /// What a referring rule reads, if a person can decide it: a rule that looks at the clock or
    /// at how old something is waits for a moment or a fresh list, not for a person.
    #[must_use]
    pub fn for_a_person(&self, id: &str) -> Option<&BTreeSet<String>> {
        let reads = &self.rule(id).filter(|_| self.refers(id))?.reads;
        let moves = |name: &String| {
            definition(name)
                .is_none_or(|row| row.source == Source::Calendar || row.unit == "seconds")
        };
        (!reads.iter().any(moves)).then_some(reads)
    }

    /// All that a rule reads; nothing of a rule that is not here.
    pub fn rule_reads(&self, id: &str) -> impl Iterator<Item = &str> {
        self.rule(id).into_iter().flat_map(|rule| rule.reads.iter().map(String::as_str))
    }

    /// A number among the parameters in force on a day.
    #[must_use]
    pub fn number(&self, name: &str, day: BusinessDate) -> Option<i64> {
        self.period(day)?.number(name)
    }

    /// Assumptions that this request breaks: what was proved of the pack says nothing of it.
    fn broken(
        &self,
        whole: Option<&PolicySet>,
        request: &Request,
        period: &Period,
    ) -> Vec<EvaluationError> {
        let assumptions = &self.set.assumptions;
        if assumptions.is_empty() {
            return Vec::new();
        }
        let answer = by_whole((whole, assumptions.check()), request, &period.entities);
        let mut errors = answer.errors;
        if !answer.allowed {
            errors.extend(answer.determining.iter().map(|id| EvaluationError::AssumptionBroken {
                assumption: id.clone(),
                sentence: assumptions.sentence(id).to_owned(),
            }));
        }
        errors
    }

    fn input_errors(&self, findings: &Findings) -> Vec<EvaluationError> {
        let missing = self.set.reads.iter().filter(|name| findings.value(name).is_none());
        missing.map(|name| EvaluationError::FindingMissing { finding: name.clone() }).collect()
    }

    pub(crate) fn request(&self, findings: &Findings) -> Result<Request, EvaluationError> {
        let pairs = pairs(&self.set.request_reads, findings);
        self.request_of(findings.action().word(), pairs)
    }

    pub(crate) fn gate_request(
        &self,
        findings: &Findings,
        duties: &[Duty],
    ) -> Result<Request, EvaluationError> {
        let kinds: BTreeSet<&str> = duties.iter().map(|duty| duty.kind.as_str()).collect();
        let due = RestrictedExpression::new_set(
            kinds.into_iter().map(|kind| RestrictedExpression::new_string(kind.to_owned())),
        );
        let pairs = pairs(&self.set.gate_reads, findings).chain([(DUTIES_DUE.to_owned(), due)]);
        self.request_of("settle", pairs)
    }

    pub(crate) fn request_of(
        &self,
        action: &str,
        pairs: impl IntoIterator<Item = (String, RestrictedExpression)>,
    ) -> Result<Request, EvaluationError> {
        let invalid = |reason: String| EvaluationError::RequestInvalid { reason };
        let context = Context::from_pairs(pairs).map_err(|e| invalid(e.to_string()))?;
        let known = self.set.actions.get(action).cloned();
        let action = known.ok_or_else(|| invalid(format!("action `{action}` is unknown")))?;
        let (principal, resource) = (self.set.principal.clone(), self.resource.clone());
        Request::new(principal, action, resource, context, None).map_err(|e| invalid(e.to_string()))
    }

    fn rule(&self, id: &str) -> Option<&Rule> {
        self.set.rules.get(id).map(|(_, rule)| rule)
    }

    fn reasons(&self, determining: &BTreeSet<String>) -> Vec<Reason> {
        let whys = determining.iter().filter_map(|id| self.rule(id)?.why.as_ref());
        let mut whys: Vec<&Why> = whys.collect();
        whys.sort_by_key(|why| (why.precedence, why.reason.code.as_str()));
        whys.into_iter().map(|why| why.reason.clone()).collect()
    }

    fn duties(&self, due: &BTreeSet<String>, permitted: bool, now: Instant) -> Vec<Duty> {
        let mut duties = Vec::new();
        for rule in due.iter().filter_map(|id| self.rule(id)) {
            if let Some(Due::Duty { kind, parameters, owner, hours, always, visibility }) =
                &rule.due
                && (permitted || *always)
            {
                let wait = core::time::Duration::from_secs(hours.saturating_mul(3600));
                duties.push(Duty {
                    kind: kind.clone(),
                    id: rule.id.clone(),
                    parameters: parameters.clone(),
                    owner: owner.clone(),
                    deadline: now.plus(wait),
                    visibility: *visibility,
                });
            }
        }
        duties.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
        duties
    }

    fn limits(
        &self,
        due: &BTreeSet<String>,
        findings: &Findings,
        errors: &mut Vec<EvaluationError>,
    ) -> Vec<LimitClaim> {
        let mut limits = Vec::new();
        for rule in due.iter().filter_map(|id| self.rule(id)) {
            let Some(Due::Limit { key, asset, max, period }) = &rule.due else { continue };
            match limit(findings, [key, asset, max], *period) {
                Some(claim) => limits.push(claim),
                None => errors.push(EvaluationError::LimitInvalid { policy: rule.id.clone() }),
            }
        }
        limits
    }
}

fn limit(findings: &Findings, names: [&String; 3], period: LimitPeriod) -> Option<LimitClaim> {
    let [key, asset, max] = names.map(|name| findings.value(name));
    let (Some(FindingValue::Text(key)), Some(FindingValue::Text(asset))) = (key, asset) else {
        return None;
    };
    let Some(FindingValue::Number(max)) = max else { return None };
    let most = Minor::new(u128::try_from(*max).ok()?);
    Some(LimitClaim { key: key.clone(), amount: Amount::new(most, asset.parse().ok()?), period })
}

fn denied(mut errors: Vec<EvaluationError>) -> Decision {
    errors.sort_unstable();
    Decision {
        outcome: DecisionOutcome::Denial,
        determining: Vec::new(),
        reasons: Vec::new(),
        duties: Vec::new(),
        limits: Vec::new(),
        errors,
    }
}

fn outcome(
    allowed: bool,
    reasons: &[Reason],
    errors: &[EvaluationError],
    opening: impl FnOnce() -> Option<Instant>,
) -> DecisionOutcome {
    if !errors.is_empty() {
        return DecisionOutcome::Denial;
    }
    if allowed {
        return DecisionOutcome::Permit;
    }
    if reasons.is_empty() || reasons.iter().any(|r| r.effect == ReasonEffect::Denies) {
        return DecisionOutcome::Denial;
    }
    DecisionOutcome::Referral { next_opening: opening() }
}

/// How a chapter with forbids is asked.
#[derive(Clone, Copy)]
enum Asked {
    Whole,
    OneByOne,
}

/// Asks all forbids at once first; only when that says no, or fails, each of them.
fn by_whole(
    (whole, set): (Option<&PolicySet>, &PolicySet),
    request: &Request,
    entities: &Entities,
) -> Answer {
    if let Some(whole) = whole {
        let answer = evaluate(whole, request, entities);
        if answer.allowed && answer.errors.is_empty() {
            return answer;
        }
    }
    evaluate(set, request, entities)
}

pub(crate) fn evaluate(set: &PolicySet, request: &Request, entities: &Entities) -> Answer {
    let response: Response = Authorizer::new().is_authorized(request, set, entities);
    let errors = response.diagnostics().errors().map(|error| match error {
        cedar_policy::AuthorizationError::PolicyEvaluationError(failed) => {
            EvaluationError::PolicyFailed {
                policy: failed.policy_id().to_string(),
                reason: failed.inner().to_string(),
            }
        }
    });
    Answer {
        allowed: response.decision() == cedar_policy::Decision::Allow,
        errors: errors.collect(),
        determining: response.diagnostics().reason().map(ToString::to_string).collect(),
    }
}

fn pairs<'a>(
    names: &'a BTreeSet<String>,
    findings: &'a Findings,
) -> impl Iterator<Item = (String, RestrictedExpression)> + 'a {
    names.iter().filter_map(|name| Some((name.clone(), expression(findings.value(name)?))))
}

fn expression(value: &FindingValue) -> RestrictedExpression {
    match value {
        FindingValue::Flag(flag) => RestrictedExpression::new_bool(*flag),
        FindingValue::Number(number) => RestrictedExpression::new_long(*number),
        FindingValue::Text(text) => RestrictedExpression::new_string(text.clone()),
        FindingValue::Texts(texts) => RestrictedExpression::new_set(
            texts.iter().map(|t| RestrictedExpression::new_string(t.clone())),
        ),
    }
}

/// The instant at which a clock in UTC shows what the institution's shows.
fn local_instant(period: &Period, now: Instant) -> Option<Instant> {
    let offset = period.number(UTC_OFFSET)?.checked_mul(60)?;
    let seconds = i64::try_from(now.seconds()).ok()?.checked_add(offset)?;
    Some(Instant::from_seconds(u64::try_from(seconds).ok()?))
}

fn local_day(period: &Period, now: Instant) -> Option<BusinessDate> {
    Some(local_instant(period, now)?.date())
}

fn local_time(period: &Period, now: Instant) -> Option<(u8, u16)> {
    let local = local_instant(period, now)?;
    Some((local.date().weekday(), u16::try_from(local.second_of_day() / 60).ok()?))
}

/// Whether the calendar's parameters say open; `None` where the pack has no hours.
fn open_at(period: &Period, at: Instant) -> Option<bool> {
    let (opens, closes) = (period.number("opensMinute")?, period.number("closesMinute")?);
    let (weekday, minute) = local_time(period, at)?;
    let day = local_day(period, at)?.to_string();
    let holiday = period.has("holidays", &day) == Some(true);
    let known = period.has("calendarYears", year_of(&day)) != Some(false);
    let hours = (opens..closes).contains(&i64::from(minute));
    Some(i64::from(weekday) <= period.number("lastWeekday")? && hours && !holiday && known)
}

/// The year of a day as text.
fn year_of(day: &str) -> &str {
    day.split('-').next().unwrap_or_default()
}

/// The engine that decides, as records name it.
#[must_use]
pub fn engine() -> String {
    format!("cedar {} / {}", cedar_policy::get_lang_version(), cedar_policy::get_sdk_version())
}

/// Sixteen days: longer than the longest run of holidays that a shipped calendar has, with the
/// weekends about it.
const MINUTES_AHEAD: u64 = 16 * 24 * 60;
