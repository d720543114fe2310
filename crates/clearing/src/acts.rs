//! Who may act for the operator: the part of an act that needs no writer's turn.
//!
//! The operator's persons stand in the core's configuration, each with a name, a key and what they
//! may do. Whether a second person must sign, and that it is another one, is the writer's to say.

use record::{Act, ActDecision, Document, Signed};
use seal::PublicKey;

use crate::rule::{Rule, RuleName};
use crate::settlement::acts::Person;

/// What a person may do about acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// Propose.
    Make,
    /// Decide what others proposed.
    Check,
    /// Both, and never of one act.
    Both,
}

/// A person who acts for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name, as it is recorded.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// What this person may do.
    pub may: May,
}

/// A proposal that a person's key signed. Only [`check_act`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAct {
    pub(crate) signed: Signed<Act>,
    pub(crate) act: Act,
    pub(crate) by: Person,
}

impl CheckedAct {
    /// What is proposed.
    #[must_use]
    pub const fn act(&self) -> &Act {
        &self.act
    }
}

/// A decision that a person's key signed. Only [`check_act_decision`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedActDecision {
    pub(crate) signed: Signed<ActDecision>,
    pub(crate) decision: ActDecision,
    pub(crate) by: Person,
}

/// Checks who proposed. What only stops something, any of the persons may do.
pub fn check_act(signed: Signed<Act>, operators: &[Operator]) -> Result<CheckedAct, Rule> {
    let (act, person) = open(&signed, operators)?;
    if person.may == May::Check && !act.what.stops() {
        let detail = format!("`{}` may decide what others propose", person.name);
        return Err(Rule::new(RuleName::ActSignerMayNot, detail));
    }
    let by = Person { name: person.name.clone(), key: signed.key() };
    Ok(CheckedAct { signed, act, by })
}

/// Checks who decided.
pub fn check_act_decision(
    signed: Signed<ActDecision>,
    operators: &[Operator],
) -> Result<CheckedActDecision, Rule> {
    let (decision, person) = open(&signed, operators)?;
    if person.may == May::Make && decision.verdict != record::ActVerdict::Withdrawn {
        let detail = format!("`{}` may propose, not decide", person.name);
        return Err(Rule::new(RuleName::ActSignerMayNot, detail));
    }
    if decision.layout != 1 {
        let detail = "expected a decision of layout 1";
        return Err(Rule::new(RuleName::ActMalformed, detail));
    }
    let by = Person { name: person.name.clone(), key: signed.key() };
    Ok(CheckedActDecision { signed, decision, by })
}

fn open<'a, T: Document>(
    signed: &Signed<T>,
    operators: &'a [Operator],
) -> Result<(T, &'a Operator), Rule> {
    let may_not = |detail: String| Rule::new(RuleName::ActSignerMayNot, detail);
    let known = operators.iter().find(|one| one.key.key_id() == signed.key());
    let person = known.ok_or_else(|| may_not(format!("nobody has key `{}`", signed.key())))?;
    let document = signed.verify(&person.key).map_err(|error| may_not(error.to_string()))?;
    Ok((document, person))
}
