//! A pack's own test cases: what it is told, and what it must answer.
//!
//! They lie beside the rules (`cases.json`), so that whoever changes a rule shows what changes.
//! Inputs are findings by name, or the raw inputs from which the findings layer makes some of
//! them: an amount with its asset, signed times, an instant of the calendar.

use std::collections::{BTreeMap, BTreeSet};

use record::{DecisionOutcome, FindingValue};
use serde::Deserialize;
use serde_json::{Map, Value};
use terms::{Amount, AssetCode, BusinessDate, Instant, Minor};
use thiserror::Error;

use crate::decide::{Decision, evaluate};
use crate::findings::{Action, Findings, FindingsBuilder, in_range};
use crate::pack::Pack;
use crate::rule::Chapter;
use crate::source::nearest;
use crate::vocabulary::{Kind, Number, TABLE, definition};

/// The file of a pack's cases.
pub const CASES_FILE: &str = "cases.json";
/// More cases than this are refused: each is decided twice.
pub const CASES_MAX: usize = 10_000;

/// Why cases cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CasesError {
    /// The file does not read.
    #[error("expected `cases.json` to read: {0}")]
    File(String),
    /// An input is none.
    #[error("case `{case}`: {why}")]
    Input {
        /// Which case.
        case: String,
        /// What was expected and what was got.
        why: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Permit,
    Denial,
    Referral,
}

impl Expected {
    const fn word(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Denial => "denial",
            Self::Referral => "referral",
        }
    }
}

/// Inputs that the findings layer makes findings of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    /// The amount: makes `amount`, `currency` and `asset`.
    amount: Option<RawAmount>,
    /// Finding → when what it speaks of was signed: makes an age.
    signed_at: BTreeMap<String, String>,
    /// An instant: makes `weekday`, `minuteOfDay`, `localDate`, `localYear` in the pack's offset.
    calendar: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAmount {
    /// Minor units, as a string.
    minor: String,
    /// The asset.
    asset: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// When the cases are decided.
    at: String,
    /// The action of cases that name none.
    action: String,
    /// What every case is told unless it says otherwise.
    base: Map<String, Value>,
    cases: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    case: String,
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    findings: Map<String, Value>,
    #[serde(default)]
    raw: Raw,
    #[serde(default)]
    without: BTreeSet<String>,
    outcome: Expected,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default)]
    duties: Option<BTreeSet<String>>,
    #[serde(default)]
    alarm: Option<bool>,
}

/// One case, ready to be decided.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What the rules are told.
    pub findings: Findings,
    /// When it is decided.
    pub at: Instant,
    entry: Entry,
}

/// Where a case and the pack differ first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseDifference {
    /// Which part: `outcome`, `reasons`, `duties` or `errors`.
    pub part: &'static str,
    /// What the case expects.
    pub expected: String,
    /// What the pack says.
    pub got: String,
}

/// What came of the cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CasesRun {
    /// How many agree.
    pub passed: usize,
    /// Those that do not, by name, each with its first difference.
    pub failed: Vec<(String, CaseDifference)>,
    /// Rules that decided no case and made nothing due in any.
    pub untested: BTreeSet<String>,
}

/// The cases of a file for a pack.
pub fn read(text: &str, pack: &Pack) -> Result<Vec<Case>, CasesError> {
    let file: File = serde_json::from_str(text).map_err(|e| CasesError::File(e.to_string()))?;
    if file.cases.len() > CASES_MAX {
        let got = file.cases.len();
        return Err(CasesError::File(format!("expected at most {CASES_MAX} cases, got {got}")));
    }
    let mut names = BTreeSet::new();
    let one = |entry: &Entry| {
        let fail = |why: String| CasesError::Input { case: entry.case.clone(), why };
        if !names.insert(entry.case.clone()) {
            return Err(fail("expected each name once".to_owned()));
        }
        let at = instant(entry.at.as_ref().unwrap_or(&file.at)).map_err(fail)?;
        let findings = findings(&file, entry, pack, at).map_err(fail)?;
        Ok(Case { name: entry.case.clone(), findings, at, entry: entry.clone() })
    };
    file.cases.iter().map(one).collect()
}

/// Decides every case.
#[must_use]
pub fn run(pack: &Pack, cases: &[Case]) -> CasesRun {
    let mut untested: BTreeSet<String> = pack
        .set
        .rules
        .iter()
        .filter(|(_, (_, rule))| rule.words.is_some())
        .map(|(id, _)| id.clone())
        .collect();
    let mut failed = Vec::new();
    for case in cases {
        let decision = pack.decide(&case.findings, case.at);
        for id in pack.touched(case, &decision) {
            untested.remove(&id);
        }
        failed.extend(difference(case, &decision).map(|found| (case.name.clone(), found)));
    }
    CasesRun { passed: cases.len().saturating_sub(failed.len()), failed, untested }
}

impl Pack {
    /// Rules that decided a case, or made something due in it.
    fn touched(&self, case: &Case, decision: &Decision) -> BTreeSet<String> {
        let due = || {
            let period = self.period(case.at.date())?;
            let request = self.request(&case.findings).ok()?;
            Some(evaluate(&self.set.oblige, &request, &period.entities).determining)
        };
        let limits = |id: &String| {
            let rule = self.set.rules.get(id);
            rule.is_some_and(|(chapter, rule)| {
                *chapter == Chapter::Oblige && (rule.is_limit() && !decision.limits.is_empty())
            })
        };
        let mut touched: BTreeSet<String> = decision.determining.iter().cloned().collect();
        touched.extend(decision.duties.iter().map(|duty| duty.id.clone()));
        touched.extend(due().unwrap_or_default().into_iter().filter(limits));
        touched
    }
}

fn difference(case: &Case, decision: &Decision) -> Option<CaseDifference> {
    let differ = |part, expected: String, got: String| {
        (expected != got).then_some(CaseDifference { part, expected, got })
    };
    let words = |list: Vec<&str>| list.join(", ");
    let got = match decision.outcome {
        DecisionOutcome::Permit => Expected::Permit,
        DecisionOutcome::Denial => Expected::Denial,
        DecisionOutcome::Referral { .. } => Expected::Referral,
    };
    let errors: Vec<String> = decision.errors.iter().map(ToString::to_string).collect();
    let expected = case.entry.outcome;
    let alarm = if case.entry.alarm == Some(true) { &[][..] } else { &errors[..] };
    differ("errors", String::new(), alarm.join("; "))
        .or_else(|| differ("outcome", expected.word().to_owned(), got.word().to_owned()))
        .or_else(|| {
            let got = words(decision.reasons.iter().map(|r| r.code.as_str()).collect());
            differ("reasons", case.entry.reasons.join(", "), got)
        })
        .or_else(|| {
            let expected = case.entry.duties.as_ref()?;
            let got: BTreeSet<&str> = decision.duties.iter().map(|d| d.id.as_str()).collect();
            let expected = words(expected.iter().map(String::as_str).collect());
            differ("duties", expected, words(got.into_iter().collect()))
        })
}

fn findings(file: &File, entry: &Entry, pack: &Pack, at: Instant) -> Result<Findings, String> {
    let word = entry.action.as_ref().unwrap_or(&file.action);
    let action = Action::of_word(word)
        .ok_or_else(|| format!("expected action `pay` or `refund`, got `{word}`"))?;
    let mut builder = FindingsBuilder::new(action);
    for (name, value) in file.base.iter().chain(&entry.findings) {
        builder = builder.of_json(name, value)?;
    }
    if let Some(RawAmount { minor, asset }) = &entry.raw.amount {
        let minor: Minor = minor.parse().map_err(|_| format!("`{minor}` is no amount"))?;
        let asset: AssetCode = asset.parse().map_err(|_| format!("`{asset}` is no asset"))?;
        builder = builder.amount(Amount::new(minor, asset));
    }
    for (name, signed_at) in &entry.raw.signed_at {
        let row = definition(name).filter(|row| row.kind == Kind::Number);
        let row = row.ok_or_else(|| unknown(name))?;
        builder = builder.age(Number(row.name), at, instant(signed_at)?);
    }
    if let Some(calendar) = &entry.raw.calendar {
        let told = instant(calendar)?;
        if pack.local_time(told).is_none() {
            return Err(format!("no parameters are in force at `{calendar}`"));
        }
        builder = pack.calendar(builder, told);
    }
    let findings = builder.build();
    let without = |all: Findings, name: &String| all.without(name);
    Ok(entry.without.iter().fold(findings, without))
}

impl FindingsBuilder {
    /// A finding from JSON, of the type that the vocabulary gives its name.
    ///
    /// # Errors
    /// What was expected and what was got.
    pub fn of_json(self, name: &str, value: &Value) -> Result<Self, String> {
        let row = definition(name).ok_or_else(|| unknown(name))?;
        let texts = || {
            let items = value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned));
            let sorted: BTreeSet<String> = items.collect::<Option<_>>()?;
            Some(FindingValue::Texts(sorted.into_iter().collect()))
        };
        let typed = match row.kind {
            Kind::Flag => value.as_bool().map(FindingValue::Flag),
            Kind::Number => {
                let number = value.as_i64().filter(|number| in_range(*number));
                number.map(FindingValue::Number)
            }
            Kind::Text => value.as_str().map(|text| FindingValue::Text(text.to_owned())),
            Kind::Texts => texts(),
        };
        let wrong = || format!("expected `{name}` to be a {:?}, got {value}", row.kind);
        Ok(self.put(row.name, typed.ok_or_else(wrong)?))
    }
}

fn unknown(name: &str) -> String {
    let near = nearest(name, TABLE.iter().map(|row| row.name));
    match near.first() {
        Some(near) => format!("`{name}` is no finding; did you mean `{near}`?"),
        None => format!("`{name}` is no finding"),
    }
}

/// `2026-11-18T10:00:00Z`: what cases and stages write; seconds, UTC.
fn instant(text: &str) -> Result<Instant, String> {
    let parsed = || {
        let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
        let day: BusinessDate = day.parse().ok()?;
        let parts: Vec<u64> = clock
            .split(':')
            .map(|part| part.parse().ok().filter(|_| part.len() == 2))
            .collect::<Option<_>>()?;
        let [hours, minutes, seconds] = parts.as_slice() else { return None };
        (*hours < 24 && *minutes < 60 && *seconds < 60).then_some(())?;
        let of_day = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
        Some(day.start().plus(core::time::Duration::from_secs(of_day.checked_add(*seconds)?)))
    };
    parsed().ok_or_else(|| format!("expected an instant like `2026-11-18T10:00:00Z`, got `{text}`"))
}

impl Case {
    /// The codes of the reasons that it expects.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        self.entry.reasons.iter().map(String::as_str)
    }
}
