//! A rule's annotations: id, law, words for people, effect.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use record::{LimitPeriod, ReasonEffect, Visibility};

use crate::pack::{PackError, of_anybody};
use crate::walk;

/// Which file of a pack a rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chapter {
    /// May the payment go on.
    Decide,
    /// What must be done because of it.
    Oblige,
    /// Is done what must be done before.
    Gate,
}

impl Chapter {
    /// The file's name.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Decide => "decide.cedar",
            Self::Oblige => "oblige.cedar",
            Self::Gate => "gate.cedar",
        }
    }
}

/// One thing said to people, in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// In English.
    pub english: String,
    /// In Chinese.
    pub chinese: String,
}

/// What a rule says to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The law or agreement.
    pub reference: String,
    /// What is the case.
    pub sentence: Sentence,
    /// How to mend it; a duty has nothing to mend.
    pub mend: Option<Sentence>,
}

/// Why a forbid forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) precedence: u32,
    pub(crate) reason: record::Reason,
}

/// What a permit of `oblige` makes due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A duty, with hours until its deadline; `always` also when the payment is not permitted.
    Duty {
        kind: String,
        parameters: String,
        owner: String,
        hours: u64,
        always: bool,
        visibility: Visibility,
    },
    /// A limit claim; key, asset and maximum are names of findings.
    Limit { key: String, asset: String, max: String, period: LimitPeriod },
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) why: Option<Why>,
    pub(crate) due: Option<Due>,
    /// What it says; the wide permit says nothing.
    pub(crate) words: Option<Words>,
    /// Findings it reads, those that its annotations name included.
    pub(crate) reads: BTreeSet<String>,
    /// Parameters it reads.
    pub(crate) parameters: BTreeSet<String>,
}

impl Rule {
    /// Whether it claims a limit, which the writer checks.
    pub(crate) const fn is_limit(&self) -> bool {
        matches!(self.due, Some(Due::Limit { .. }))
    }
}

/// Reads a chapter: rules renamed to their `@id`, with what their annotations say.
pub(crate) fn chapter(chapter: Chapter, text: &str) -> Result<(PolicySet, Vec<Rule>), PackError> {
    let file = chapter.file();
    let syntax = |reason: String| PackError::Syntax { file, reason };
    let parsed: PolicySet =
        text.parse().map_err(|e: cedar_policy::ParseErrors| syntax(e.to_string()))?;
    if parsed.templates().next().is_some() {
        return Err(syntax("expected policies without slots".to_owned()));
    }
    let mut policies = Vec::new();
    let mut rules = Vec::new();
    for policy in parsed.policies() {
        let id = need(policy, file, "id")?;
        let rule = rule(chapter, policy, &id)?;
        policies.push(policy.new_id(PolicyId::new(id)));
        rules.push(rule);
    }
    let set = PolicySet::from_policies(policies).map_err(|e| syntax(e.to_string()))?;
    shape(chapter, &set)?;
    Ok((set, rules))
}

/// A wide permit and named forbids; `oblige` holds permits only.
fn shape(chapter: Chapter, set: &PolicySet) -> Result<(), PackError> {
    let file = chapter.file();
    let permits: Vec<&Policy> = set.policies().filter(|p| p.effect() == Effect::Permit).collect();
    match chapter {
        Chapter::Oblige => {
            if permits.len() == set.policies().count() {
                Ok(())
            } else {
                Err(PackError::ForbidInOblige)
            }
        }
        Chapter::Decide | Chapter::Gate => match permits.as_slice() {
            [wide] if !wide.has_non_scope_constraint() => Ok(()),
            _ => Err(PackError::NotOneWidePermit { file }),
        },
    }
}

/// What one policy says; its id was read before.
pub(crate) fn rule(chapter: Chapter, policy: &Policy, id: &str) -> Result<Rule, PackError> {
    let file = chapter.file();
    let json = policy.to_json().map_err(|e| PackError::Syntax { file, reason: e.to_string() })?;
    if !of_anybody(policy) {
        return Err(PackError::ScopeNarrow { policy: id.to_owned() });
    }
    let read = walk::reads(&json);
    if read.whole {
        return Err(PackError::ReadsMoreThanItNames { policy: id.to_owned() });
    }
    let mut reads = read.context;
    let why = if policy.effect() == Effect::Forbid { Some(why(policy, file, id)?) } else { None };
    let due = if chapter == Chapter::Oblige { Some(due(policy, file)?) } else { None };
    if let Some(Due::Limit { key, asset, max, .. }) = &due {
        reads.extend([key.clone(), asset.clone(), max.clone()]);
    }
    let words = words(policy, file, id)?;
    Ok(Rule { id: id.to_owned(), why, due, words, reads, parameters: read.resource })
}

/// What the annotations of a forbid or a duty say in both languages.
fn words(policy: &Policy, file: &'static str, id: &str) -> Result<Option<Words>, PackError> {
    let forbid = policy.effect() == Effect::Forbid;
    if !forbid && file != Chapter::Oblige.file() {
        return Ok(None);
    }
    let sentence = |english, chinese| {
        let sentence = Sentence {
            english: need(policy, file, english)?,
            chinese: need(policy, file, chinese)?,
        };
        if sentence.chinese.chars().any(is_chinese) {
            Ok(sentence)
        } else {
            Err(bad(id, chinese, &sentence.chinese))
        }
    };
    Ok(Some(Words {
        reference: need(policy, file, "ref")?,
        sentence: sentence("reason", "reason_zh")?,
        mend: if forbid { Some(sentence("mend", "mend_zh")?) } else { None },
    }))
}

/// A character of the common block of Chinese writing: a sentence left in English has none.
pub(crate) fn is_chinese(letter: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&letter)
}

fn why(policy: &Policy, file: &'static str, id: &str) -> Result<Why, PackError> {
    let effect = match policy.annotation("outcome") {
        None => ReasonEffect::Denies,
        Some("refer") => ReasonEffect::Refers,
        Some(other) => return Err(bad(id, "outcome", other)),
    };
    let precedence = need(policy, file, "precedence")?;
    let precedence = precedence.parse().map_err(|_| bad(id, "precedence", &precedence))?;
    let reason = record::Reason {
        code: id.to_owned(),
        reference: need(policy, file, "ref")?,
        sentence: need(policy, file, "reason")?,
        mend: need(policy, file, "mend")?,
        effect,
        visibility: visibility(policy, file, id)?,
    };
    Ok(Why { precedence, reason })
}

fn due(policy: &Policy, file: &'static str) -> Result<Due, PackError> {
    let id = need(policy, file, "id")?;
    let need = |name| need(policy, file, name);
    need("ref")?;
    let kind = need("kind")?;
    if kind == "limit" {
        let (key, asset) = (need("key")?, need("asset")?);
        let period = match need("period")?.as_str() {
            "day" => LimitPeriod::BusinessDay,
            "month" => LimitPeriod::Month,
            other => return Err(bad(&id, "period", other)),
        };
        return Ok(Due::Limit { key, asset, max: need("max")?, period });
    }
    let hours = need("hours")?;
    let always = match policy.annotation("on") {
        None | Some("permit") => false,
        Some("always") => true,
        Some(other) => return Err(bad(&id, "on", other)),
    };
    Ok(Due::Duty {
        kind,
        parameters: policy.annotation("parameters").unwrap_or_default().to_owned(),
        owner: need("owner")?,
        hours: hours.parse().map_err(|_| bad(&id, "hours", &hours))?,
        always,
        visibility: visibility(policy, file, &id)?,
    })
}

fn visibility(policy: &Policy, file: &'static str, id: &str) -> Result<Visibility, PackError> {
    match need(policy, file, "visibility")?.as_str() {
        "open" => Ok(Visibility::Open),
        "restricted" => Ok(Visibility::Restricted),
        other => Err(bad(id, "visibility", other)),
    }
}

fn need(policy: &Policy, file: &'static str, name: &'static str) -> Result<String, PackError> {
    let missing = || PackError::AnnotationMissing {
        file,
        policy: policy.annotation("id").unwrap_or("?").to_owned(),
        annotation: name,
    };
    let text = policy.annotation(name).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(missing)
}

fn bad(policy: &str, annotation: &'static str, got: &str) -> PackError {
    PackError::AnnotationUnknown { policy: policy.to_owned(), annotation, got: got.to_owned() }
}
