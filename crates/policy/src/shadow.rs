//! A pack that does not decide yet, against what was decided: what would change, and for whom.

use std::collections::{BTreeMap, BTreeSet};

use record::{DecisionOutcome, DecisionRecord, FindingValue};

use crate::decide::Decision;
use crate::findings::Findings;
use crate::pack::Pack;

/// How one recorded decision would have gone under another pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The record is of another corridor or side.
    Elsewhere,
    /// The same outcome, reasons and duties.
    Same,
    /// The pack reads findings that were not recorded: nobody knows. It would be denied as it is.
    Untold(BTreeSet<String>),
    /// Something else.
    Differs {
        /// In short: `permit → denial`, `other reasons`, `other duties`.
        change: String,
        /// The codes that decide or are due now and were not before.
        codes: Vec<String>,
    },
}

impl Pack {
    /// How this pack would have decided what a record decided. Without effect.
    #[must_use]
    pub fn otherwise(&self, record: &DecisionRecord) -> Otherwise {
        if record.corridor != self.corridor || record.side != self.side {
            return Otherwise::Elsewhere;
        }
        let Some(findings) = Findings::of_record(&record.action, &record.findings) else {
            return Otherwise::Untold(BTreeSet::new());
        };
        let untold: BTreeSet<String> =
            self.set.reads.iter().filter(|name| findings.value(name).is_none()).cloned().collect();
        // What was missing then too was an alarm then, and is one now.
        if !untold.is_empty() && record.errors.is_empty() {
            return Otherwise::Untold(untold);
        }
        compared(record, &self.decide(&findings, record.decided_at))
    }
}

fn compared(record: &DecisionRecord, decision: &Decision) -> Otherwise {
    let before: BTreeSet<&str> = record.determining.iter().map(String::as_str).collect();
    let came = decision.determining.iter().filter(|id| !before.contains(id.as_str()));
    let codes: Vec<String> = came.cloned().collect();
    let (old, new) = (word(&record.outcome), word(&decision.outcome));
    if old != new {
        return Otherwise::Differs { change: format!("{old} → {new}"), codes };
    }
    if record.determining != decision.determining {
        return Otherwise::Differs { change: "other reasons".to_owned(), codes };
    }
    let ids = |duties: &[record::Duty]| -> BTreeSet<String> {
        duties.iter().map(|duty| duty.id.clone()).collect()
    };
    let (owed, owes) = (ids(&record.duties), ids(&decision.duties));
    if owed != owes || record.limits != decision.limits {
        let codes = owes.difference(&owed).cloned().collect();
        return Otherwise::Differs { change: "other duties or limits".to_owned(), codes };
    }
    Otherwise::Same
}

const fn word(outcome: &DecisionOutcome) -> &'static str {
    match outcome {
        DecisionOutcome::Permit => "permit",
        DecisionOutcome::Denial => "denial",
        DecisionOutcome::Referral { .. } => "referral",
    }
}

/// One kind of change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// How many decisions.
    pub count: u64,
    /// By which codes, each with its count.
    pub codes: BTreeMap<String, u64>,
    /// Sums by currency, in minor units.
    pub amounts: BTreeMap<String, i128>,
    /// A few of the payments.
    pub samples: Vec<String>,
}

/// A run of a pack against records.
#[derive(Clone, Debug)]
pub struct Shadow<'a> {
    pack: &'a Pack,
    samples: usize,
    same: u64,
    elsewhere: u64,
    changes: BTreeMap<String, Change>,
    untold: BTreeSet<String>,
}

impl<'a> Shadow<'a> {
    /// Nothing looked at yet; `samples` payments are kept of each change.
    #[must_use]
    pub fn of(pack: &'a Pack, samples: usize) -> Self {
        let (changes, untold) = (BTreeMap::new(), BTreeSet::new());
        Self { pack, samples, same: 0, elsewhere: 0, changes, untold }
    }

    /// Looks at one record.
    pub fn take(&mut self, record: &DecisionRecord) {
        let (change, codes) = match self.pack.otherwise(record) {
            Otherwise::Elsewhere => {
                self.elsewhere = self.elsewhere.saturating_add(1);
                return;
            }
            Otherwise::Same => {
                self.same = self.same.saturating_add(1);
                return;
            }
            Otherwise::Untold(names) => {
                self.untold.extend(names);
                let was = word(&record.outcome);
                (format!("{was} → unknown: findings were not recorded"), Vec::new())
            }
            Otherwise::Differs { change, codes } => (change, codes),
        };
        let entry = self.changes.entry(change).or_default();
        entry.count = entry.count.saturating_add(1);
        for code in codes {
            let count = entry.codes.entry(code).or_default();
            *count = count.saturating_add(1);
        }
        let (currency, amount) = amount(record);
        let sum = entry.amounts.entry(currency.clone()).or_default();
        *sum = sum.saturating_add(amount);
        if entry.samples.len() < self.samples {
            let (payment, at) = (record.payment, record.decided_at);
            entry.samples.push(format!("{payment} of {at}, {amount} minor units of {currency}"));
        }
    }

    /// How many records were looked at.
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.same.saturating_add(self.elsewhere).saturating_add(self.differing())
    }

    /// How many go as they went.
    #[must_use]
    pub const fn same(&self) -> u64 {
        self.same
    }

    /// How many go otherwise, or nobody knows how.
    #[must_use]
    pub fn differing(&self) -> u64 {
        self.changes.values().fold(0, |sum, change| sum.saturating_add(change.count))
    }

    /// How many are of another corridor or side.
    #[must_use]
    pub const fn elsewhere(&self) -> u64 {
        self.elsewhere
    }

    /// Each kind of change.
    #[must_use]
    pub const fn changes(&self) -> &BTreeMap<String, Change> {
        &self.changes
    }

    /// Findings that the pack reads and the records do not hold.
    #[must_use]
    pub const fn untold(&self) -> &BTreeSet<String> {
        &self.untold
    }
}

fn amount(record: &DecisionRecord) -> (String, i128) {
    let value = |name: &str| record.findings.iter().find(|f| f.name == name).map(|f| &f.value);
    let Some(FindingValue::Number(amount)) = value("amount") else { return ("?".to_owned(), 0) };
    let Some(FindingValue::Text(currency)) = value("currency") else {
        return ("?".to_owned(), i128::from(*amount));
    };
    (currency.clone(), i128::from(*amount))
}
