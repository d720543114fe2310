//! What is missing before a payment is tried: all open rules at once, and how to mend each.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, PolicyId, PolicySet};
use record::Visibility;
use terms::Instant;

use crate::findings::Findings;
use crate::pack::Pack;
use crate::rule::{Chapter, Due, Rule};
use crate::vocabulary::definition;

/// In which way an open rule is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It is told enough, and says no.
    Fails,
    /// It is not told these findings.
    Untold(BTreeSet<String>),
}

/// One open rule that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// In which way.
    pub lack: Lack,
    /// Code, law, words and how to mend.
    pub reason: record::Reason,
}

impl Pack {
    /// All open rules that fail or are told too little, in order of precedence. Rules that are
    /// restricted, and whatever reads a restricted finding, are never looked at: the answer
    /// must not depend on them.
    #[must_use]
    pub fn preflight(&self, findings: &Findings, now: Instant) -> Vec<Missing> {
        let mut found: Vec<(u32, Missing)> = Vec::new();
        for (chapter, rule) in self.set.rules.values() {
            let Some(why) = &rule.why else { continue };
            let open = why.reason.visibility == Visibility::Open
                && rule.reads.iter().all(|name| {
                    definition(name).is_some_and(|row| row.visibility == Visibility::Open)
                });
            if *chapter != Chapter::Decide || !open {
                continue;
            }
            let untold = rule.reads.iter().filter(|name| findings.value(name).is_none());
            let untold: BTreeSet<String> = untold.cloned().collect();
            let lack = if untold.is_empty() {
                if self.holds(&rule.id, findings, now) {
                    continue;
                }
                Lack::Fails
            } else {
                Lack::Untold(untold)
            };
            found.push((why.precedence, Missing { lack, reason: why.reason.clone() }));
        }
        found.sort_by(|a, b| (a.0, &a.1.reason.code).cmp(&(b.0, &b.1.reason.code)));
        found.into_iter().map(|(_, missing)| missing).collect()
    }

    /// Whether a duty of this kind is due of such a payment, or may be: a rule that is told too
    /// little, fails, or has no parameters on that day counts as one that makes it due.
    #[must_use]
    pub fn may_owe(&self, kind: &str, findings: &Findings, now: Instant) -> bool {
        let of_kind =
            |rule: &&Rule| matches!(&rule.due, Some(Due::Duty { kind: k, .. }) if k == kind);
        let rules = self.set.rules.values().map(|(_, rule)| rule).filter(of_kind);
        let mut may = rules.map(|rule| {
            let told = rule.reads.iter().all(|name| findings.value(name).is_some());
            !told || self.is_due(&rule.id, findings, now).unwrap_or(true)
        });
        may.any(core::convert::identity)
    }

    /// Whether a rule of `oblige`, asked alone, makes its duty due; `None` if it cannot be said.
    fn is_due(&self, id: &str, findings: &Findings, now: Instant) -> Option<bool> {
        let policy = self.set.oblige.policy(&PolicyId::new(id))?;
        let set = PolicySet::from_policies([policy.clone()]).ok()?;
        let request = self.request(findings).ok()?;
        let period = self.period(now.date())?;
        let answer = Authorizer::new().is_authorized(&request, &set, &period.entities);
        let whole = answer.diagnostics().errors().next().is_none();
        whole.then(|| answer.diagnostics().reason().next().is_some())
    }

    /// Whether a forbid, asked alone, neither forbids nor errs.
    fn holds(&self, id: &str, findings: &Findings, now: Instant) -> bool {
        let alone = || {
            let policy = self.set.decide.policy(&PolicyId::new(id))?;
            let set = PolicySet::from_policies([policy.clone()]).ok()?;
            let request = self.request(findings).ok()?;
            let period = self.period(now.date())?;
            let answer = Authorizer::new().is_authorized(&request, &set, &period.entities);
            let silent = answer.diagnostics().reason().next().is_none();
            Some(silent && answer.diagnostics().errors().next().is_none())
        };
        alone().unwrap_or(false)
    }
}
