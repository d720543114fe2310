//! What the rules are told, made from plain inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use record::FindingValue;
use screening::Outcome;
use terms::{Amount, Instant, Minor};
use thiserror::Error;

use crate::vocabulary::{AMOUNT, ASSET, CURRENCY, Flag, Number, Text, Texts, definition};

/// How far a signed time may lie ahead of the edge's clock: more is a wrong clock or a forged
/// time, and would make an age negative, hence always fresh.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);

/// The largest number, either side of zero: 2^53 - 1, the largest that every JSON reader keeps
/// whole, so that engines in a browser can replay too. In minor units it is 90 million million
/// euro; and far from it no sum of two findings overflows.
pub const NUMBER_MAX: i64 = 9_007_199_254_740_991;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A payment.
    Pay,
    /// A refund of a settled payment.
    Refund,
}

impl Action {
    /// The word that records and rules use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Refund => "refund",
        }
    }

    /// The action of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Pay, Self::Refund].into_iter().find(|action| action.word() == word)
    }
}

/// Why an input is no finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum FindingsError {
    /// A number beyond [`NUMBER_MAX`].
    #[error("expected finding `{finding}` within 53 bits")]
    OutOfRange {
        /// The finding.
        finding: &'static str,
    },
    /// A signed time ahead of the clock by more than [`CLOCK_SKEW_MAX`].
    #[error("expected the signed time of finding `{finding}` not after the clock")]
    FromTheFuture {
        /// The finding.
        finding: &'static str,
    },
}

/// A set of findings for one decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    action: Action,
    values: BTreeMap<&'static str, FindingValue>,
    /// Where a value comes from, where that is a person's signed word and not the table's source.
    sources: BTreeMap<&'static str, String>,
    /// Rules that a person decided, and the source of that.
    released: Option<(BTreeSet<String>, String)>,
    errors: Vec<FindingsError>,
}

impl Findings {
    /// The rules that a person decided: they refer this payment no more.
    pub fn released(&self) -> impl Iterator<Item = &str> {
        self.released.iter().flat_map(|(rules, _)| rules.iter().map(String::as_str))
    }

    /// Where a value comes from, if a person's signed word made it.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&str> {
        self.sources.get(name).map(String::as_str)
    }

    /// The finding that says which rules a person decided.
    pub(crate) fn recorded_release(&self) -> Option<record::Finding> {
        let (rules, source) = self.released.as_ref()?;
        Some(record::Finding {
            name: RELEASED_RULES.to_owned(),
            value: FindingValue::Texts(rules.iter().cloned().collect()),
            unit: String::new(),
            source: source.clone(),
            visibility: record::Visibility::Restricted,
        })
    }

    /// What is to be done.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// The value of a finding.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&FindingValue> {
        self.values.get(name)
    }

    /// What was wrong with the inputs, for the operator: the findings meant are missing.
    #[must_use]
    pub fn errors(&self) -> &[FindingsError] {
        &self.errors
    }

    /// A builder that starts from these findings.
    #[must_use]
    pub fn change(&self) -> FindingsBuilder {
        FindingsBuilder { findings: self.clone() }
    }

    /// The same without one finding.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut findings = self.clone();
        findings.values.remove(name);
        findings
    }

    /// Findings as a record holds them; `None` when a name or a type is unknown to this layer.
    pub(crate) fn of_record(action: &str, recorded: &[record::Finding]) -> Option<Self> {
        let action = Action::of_word(action)?;
        let mut values = BTreeMap::new();
        let mut sources = BTreeMap::new();
        let mut released = None;
        for finding in recorded {
            if finding.name == RELEASED_RULES {
                let FindingValue::Texts(rules) = &finding.value else { return None };
                by_a_person(&finding.source).then_some(())?;
                released = Some((rules.iter().cloned().collect(), finding.source.clone()));
                continue;
            }
            let row = definition(&finding.name)?;
            if by_a_person(&finding.source) {
                sources.insert(row.name, finding.source.clone());
            }
            (row.kind == kind_of(&finding.value)).then_some(())?;
            if let FindingValue::Number(number) = finding.value {
                in_range(number).then_some(())?;
            }
            values.insert(row.name, finding.value.clone());
        }
        Some(Self { action, values, sources, released, errors: Vec::new() })
    }
}

/// Makes [`Findings`], one typed name at a time.
#[derive(Clone, Debug)]
pub struct FindingsBuilder {
    findings: Findings,
}

impl FindingsBuilder {
    /// Nothing found yet.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            findings: Findings {
                action,
                values: BTreeMap::new(),
                sources: BTreeMap::new(),
                released: None,
                errors: Vec::new(),
            },
        }
    }

    /// Yes or no.
    #[must_use]
    pub fn flag(self, name: Flag, value: bool) -> Self {
        self.put(name.0, FindingValue::Flag(value))
    }

    /// A whole number in the finding's unit.
    #[must_use]
    pub fn number(self, name: Number, value: i64) -> Self {
        if in_range(value) {
            return self.put(name.0, FindingValue::Number(value));
        }
        self.refuse(name.0, FindingsError::OutOfRange { finding: name.0 })
    }

    /// A word.
    #[must_use]
    pub fn text(self, name: Text, value: &str) -> Self {
        self.put(name.0, FindingValue::Text(value.to_owned()))
    }

    /// A set of words.
    #[must_use]
    pub fn texts(self, name: Texts, values: &[&str]) -> Self {
        let sorted: std::collections::BTreeSet<&str> = values.iter().copied().collect();
        let words = sorted.into_iter().map(str::to_owned).collect();
        self.put(name.0, FindingValue::Texts(words))
    }

    /// A count of minor units.
    #[must_use]
    pub fn minor(self, name: Number, value: Minor) -> Self {
        match i64::try_from(value.units()) {
            Ok(units) => self.number(name, units),
            Err(_) => self.refuse(name.0, FindingsError::OutOfRange { finding: name.0 }),
        }
    }

    /// The amount on the deciding side, with its asset and currency.
    #[must_use]
    pub fn amount(self, amount: Amount) -> Self {
        self.minor(AMOUNT, amount.minor)
            .text(CURRENCY, amount.asset.currency())
            .text(ASSET, amount.asset.as_str())
    }

    /// The age of something signed at `signed_at`, in seconds.
    #[must_use]
    pub fn age(self, name: Number, now: Instant, signed_at: Instant) -> Self {
        if signed_at.since(now) > CLOCK_SKEW_MAX {
            return self.refuse(name.0, FindingsError::FromTheFuture { finding: name.0 });
        }
        let seconds = now.since(signed_at).as_secs();
        self.number(name, i64::try_from(seconds).unwrap_or(NUMBER_MAX).min(NUMBER_MAX))
    }

    /// What screening said.
    #[must_use]
    pub fn screening(self, name: Text, outcome: &Outcome) -> Self {
        self.text(name, outcome.word())
    }

    /// What screening comes to with what persons said of its hits: `source` names their signed
    /// words, [`SOURCE_CLEARED`] or [`SOURCE_BLOCKED`] and digests.
    #[must_use]
    pub fn screening_by_person(self, name: Text, word: &str, source: String) -> Self {
        let mut builder = self.text(name, word);
        builder.findings.sources.insert(name.0, source);
        builder
    }

    /// These rules were decided by a person and refer no more; `source` names the signed release.
    /// Rules that deny are not struck out by any release.
    #[must_use]
    pub fn released(mut self, rules: BTreeSet<String>, source: String) -> Self {
        self.findings.released = Some((rules, source));
        self
    }

    /// The findings so far.
    #[must_use]
    pub fn build(self) -> Findings {
        self.findings
    }

    /// A refused input leaves its finding missing, whatever it was before: a rule that reads it
    /// denies, and a replay, which sees only what was recorded, denies for the same cause.
    fn refuse(mut self, name: &'static str, error: FindingsError) -> Self {
        self.findings.values.remove(name);
        self.findings.errors.push(error);
        self
    }

    pub(crate) fn put(mut self, name: &'static str, value: FindingValue) -> Self {
        self.findings.values.insert(name, value);
        self
    }
}

/// The finding that names the rules which a person decided; its source is the signed release.
pub const RELEASED_RULES: &str = "releasedRules";
/// Before the digests of signed releases that cleared every hit of a party.
pub const SOURCE_CLEARED: &str = "cleared:";
/// Before the digest of a signed block.
pub const SOURCE_BLOCKED: &str = "blocked:";
/// Before the digest of the signed release of this order.
pub const SOURCE_RELEASED: &str = "released:";

/// Whether a finding's source says that a person's signed word made it.
#[must_use]
pub fn by_a_person(source: &str) -> bool {
    [SOURCE_CLEARED, SOURCE_BLOCKED, SOURCE_RELEASED].iter().any(|word| source.starts_with(word))
}

pub(crate) const fn in_range(value: i64) -> bool {
    -NUMBER_MAX <= value && value <= NUMBER_MAX
}

pub(crate) const fn kind_of(value: &FindingValue) -> crate::vocabulary::Kind {
    use crate::vocabulary::Kind;
    match value {
        FindingValue::Flag(_) => Kind::Flag,
        FindingValue::Number(_) => Kind::Number,
        FindingValue::Text(_) => Kind::Text,
        FindingValue::Texts(_) => Kind::Texts,
    }
}
