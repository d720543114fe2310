//! A pack's rules for people: what each says in both languages, and what it reads.

use record::{ReasonEffect, Visibility};

use crate::pack::Pack;
use crate::rule::{Chapter, Due, Rule, Words};

/// One rule as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described<'a> {
    /// Its code.
    pub code: &'a str,
    /// Where it stands.
    pub chapter: Chapter,
    /// What it does.
    pub effect: Effect<'a>,
    /// Who may see it, where it says so.
    pub visibility: Option<Visibility>,
    /// What it says; the wide permit says nothing.
    pub words: Option<&'a Words>,
    /// The findings that it reads.
    pub findings: Vec<&'a str>,
    /// The parameters that it reads.
    pub parameters: Vec<&'a str>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect<'a> {
    /// It permits whatever nothing forbids.
    Permits,
    /// It denies.
    Denies,
    /// It makes the payment wait for a person or the next opening.
    Refers,
    /// It makes a duty due.
    Duty {
        /// The duty's kind.
        kind: &'a str,
        /// Who does it.
        owner: &'a str,
        /// Within which time.
        hours: u64,
    },
    /// It claims a limit on a period's total.
    Limit,
}

impl Pack {
    /// All rules, in order of chapters and codes.
    #[must_use]
    pub fn described(&self) -> Vec<Described<'_>> {
        let mut all: Vec<Described<'_>> =
            self.set.rules.values().map(|(chapter, rule)| described(*chapter, rule)).collect();
        all.sort_by_key(|one| (one.chapter, one.code));
        all
    }

    /// What the rule of this code says in both languages; nothing for an unknown code and for the
    /// wide permit.
    #[must_use]
    pub fn words(&self, code: &str) -> Option<&Words> {
        self.set.rules.get(code).and_then(|(_, rule)| rule.words.as_ref())
    }
}

fn described(chapter: Chapter, rule: &Rule) -> Described<'_> {
    let effect = match (&rule.why, &rule.due) {
        (Some(why), _) if why.reason.effect == ReasonEffect::Refers => Effect::Refers,
        (Some(_), _) => Effect::Denies,
        (None, Some(Due::Duty { kind, owner, hours, .. })) => {
            Effect::Duty { kind, owner, hours: *hours }
        }
        (None, Some(Due::Limit { .. })) => Effect::Limit,
        (None, None) => Effect::Permits,
    };
    let visibility = match (&rule.why, &rule.due) {
        (Some(why), _) => Some(why.reason.visibility),
        (None, Some(Due::Duty { visibility, .. })) => Some(*visibility),
        (None, Some(Due::Limit { .. }) | None) => None,
    };
    Described {
        code: &rule.id,
        chapter,
        effect,
        visibility,
        words: rule.words.as_ref(),
        findings: rule.reads.iter().map(String::as_str).collect(),
        parameters: rule.parameters.iter().map(String::as_str).collect(),
    }
}
