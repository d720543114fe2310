//! The checks of one pack.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Policy, PolicyId, PolicySet, RequestEnv};
use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env, WellFormedAsserts,
    always_denies_asserts, implies_asserts, matches_equivalent_asserts, never_errors_asserts,
    never_matches_asserts,
};
use policy::certificate::{ALIVE, INVARIANT, NEVER_ERRORS, NOT_VACUOUS};
use policy::invariants::{About, Invariant, InvariantError, json_of, takes};
use policy::parameters::ParameterValue;
use policy::rule::Chapter;
use policy::vocabulary::definition;
use serde_json::{Value, json};
use thiserror::Error;

use crate::sample::{Expected, Sample};
use crate::solver::{Both, Call, Solvers};
use crate::subject::{Subject, SubjectError};

/// The action of `gate`.
pub(crate) const SETTLE: &str = "settle";
/// A year, in seconds: older things are no better example.
const AGE_MAX: u32 = 366 * 86_400;
const NOTHING: &BTreeSet<String> = &BTreeSet::new();

/// Why there is no verdict.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The pack or an invariant cannot be read.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// An invariant has no form that solvers are asked in.
    #[error(transparent)]
    Invariant(#[from] InvariantError),
    /// A policy cannot be put to a solver: most often it reads what this pack does not declare.
    #[error("`{subject}` for `{action}` cannot be put to a solver: {reason}")]
    Compile {
        /// The rule, the invariant or the chapter.
        subject: String,
        /// The action.
        action: String,
        /// What the compiler says.
        reason: String,
    },
    /// A solver failed, gave up, or differs from the other.
    #[error("{kind} of `{subject}` for `{action}`: {reason}")]
    Solver {
        /// The kind of check.
        kind: &'static str,
        /// Of what.
        subject: String,
        /// The action.
        action: String,
        /// What it says.
        reason: String,
    },
}

/// One check and its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// One of the kinds in [`policy::certificate`].
    pub kind: &'static str,
    /// The invariant, the rule or the chapter.
    pub subject: String,
    /// The action.
    pub action: String,
    /// Whether it holds.
    pub holds: bool,
    /// The solvers' call; none where the compiler saw it alone.
    pub call: Option<Call>,
    /// Of an invariant that does not hold: a payment that shows it.
    pub sample: Option<Sample>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Every check, in the order of the run.
    pub checks: Vec<Check>,
    /// How often the first solver was asked.
    pub asked: u32,
}

impl Proof {
    /// Whether all of it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }
}

/// Asks solvers.
pub struct Prover {
    compiler: CedarSymCompiler<Both>,
    solvers: Solvers,
}

/// What one question is about, for words.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) kind: &'static str,
    pub(crate) subject: &'a str,
    pub(crate) action: &'a str,
}

impl Prover {
    /// With these solvers.
    pub fn new(solvers: Solvers) -> Result<Self, ProveError> {
        let of = Of { kind: "set-up", subject: "the compiler", action: "any" };
        let compiler =
            CedarSymCompiler::new(Both::new(solvers.clone())).map_err(|e| failed(of, &e))?;
        Ok(Self { compiler, solvers })
    }

    /// The solvers that are asked.
    #[must_use]
    pub const fn solvers(&self) -> &Solvers {
        &self.solvers
    }

    /// How often the first solver was asked so far.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.compiler.solver().asked
    }

    /// All checks of a pack.
    pub fn prove(&mut self, subject: &Subject) -> Result<Proof, ProveError> {
        let before = self.asked();
        let mut checks = Vec::new();
        for env in environments(subject) {
            checks.extend(self.environment(subject, &env)?);
        }
        for chapter in [Chapter::Decide, Chapter::Oblige, Chapter::Gate] {
            checks.extend(self.rules(subject, chapter)?);
        }
        Ok(Proof { checks, asked: self.asked() - before })
    }

    /// One invariant, for each of its actions.
    pub fn one(&mut self, subject: &Subject, id: &str) -> Result<Vec<Check>, ProveError> {
        let mut checks = Vec::new();
        for env in environments(subject) {
            let action = action_of(&env);
            for invariant in subject.invariants.iter().filter(|known| known.id == id) {
                if invariant.is_about(&action) {
                    checks.push(self.invariant(subject, &env, invariant)?);
                }
            }
        }
        Ok(checks)
    }

    /// Whether two versions of a rule apply to the same payments, as far as the assumptions hold.
    pub fn same_rule(
        &mut self,
        subject: &Subject,
        chapter: Chapter,
        (a, b): (&Policy, &Policy),
    ) -> Result<bool, ProveError> {
        let (id, pair) = (a.id().to_string(), [a, b]);
        let mut same = true;
        for env in environments(subject) {
            let action = action_of(&env);
            if !takes(a, &action) || (action == SETTLE) != (chapter == Chapter::Gate) {
                continue;
            }
            let of = Of { kind: "sameness", subject: &id, action: &action };
            let compile = |policy| {
                let assumed = under_assumptions(subject, chapter, policy)?;
                CompiledPolicy::compile(&assumed, &env, &subject.schema)
                    .map_err(|e| uncompiled(of, &e))
            };
            let [first, second] = pair;
            let (first, second) = (compile(first)?, compile(second)?);
            same &= self.unsatisfiable(&matches_equivalent_asserts(&first, &second), of)?.0;
        }
        Ok(same)
    }

    /// Only the invariants that are about a chapter, until one does not hold: enough to see that a
    /// changed rule of it is worse.
    pub fn refutes(
        &mut self,
        subject: &Subject,
        chapter: Chapter,
    ) -> Result<Option<Check>, ProveError> {
        for env in environments(subject) {
            let action = action_of(&env);
            for invariant in &subject.invariants {
                let about = match (&invariant.about, chapter) {
                    (About::Decide, Chapter::Decide)
                    | (About::Duty(_), Chapter::Oblige)
                    | (About::Gate, Chapter::Gate) => invariant.is_about(&action),
                    _ => false,
                };
                if about {
                    let check = self.invariant(subject, &env, invariant)?;
                    if !check.holds {
                        return Ok(Some(check));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The invariants for one action, and that the rules allow anything at all: of a pack that
    /// allows nothing everything can be proved.
    fn environment(
        &mut self,
        subject: &Subject,
        env: &RequestEnv,
    ) -> Result<Vec<Check>, ProveError> {
        let action = action_of(env);
        let mut checks = vec![self.not_vacuous(subject, env, &action)?];
        for invariant in &subject.invariants {
            if invariant.is_about(&action) {
                checks.push(self.invariant(subject, env, invariant)?);
            }
        }
        Ok(checks)
    }

    fn not_vacuous(
        &mut self,
        subject: &Subject,
        env: &RequestEnv,
        action: &str,
    ) -> Result<Check, ProveError> {
        let chapter = if action == SETTLE { "gate" } else { "decide" };
        let of = Of { kind: NOT_VACUOUS, subject: chapter, action };
        let left = compiled(subject, env, of, &set(of, left(subject, action))?)?;
        let (denies, call) = self.unsatisfiable(&always_denies_asserts(&left), of)?;
        Ok(check(of, !denies, call))
    }

    fn invariant(
        &mut self,
        subject: &Subject,
        env: &RequestEnv,
        invariant: &Invariant,
    ) -> Result<Check, ProveError> {
        let action = action_of(env);
        let of = Of { kind: INVARIANT, subject: &invariant.id, action: &action };
        let mut allowed = left(subject, &action);
        let mut may = vec![invariant.policy.clone()];
        if let About::Duty(kind) = &invariant.about {
            allowed.push(only_where(&invariant.policy)?);
            may = due(subject, kind, &invariant.duty_says);
        }
        let (left, right) = (set(of, allowed.clone())?, set(of, may)?);
        let a = compiled(subject, env, of, &left)?;
        let b = compiled(subject, env, of, &right)?;
        let (holds, call) = self.unsatisfiable(&implies_asserts(&a, &b), of)?;
        let mut check = check(of, holds, call);
        if !holds {
            let about = (&invariant.findings, &invariant.parameters);
            check.sample = self.sample(subject, env, of, (allowed, &right), about)?;
        }
        Ok(check)
    }

    /// A payment that the left side allows and the right side does not; with the parameters in
    /// force and the corridor's own countries and currency where such a one exists.
    pub(crate) fn sample(
        &mut self,
        subject: &Subject,
        env: &RequestEnv,
        of: Of<'_>,
        (allowed, right): (Vec<Policy>, &PolicySet),
        about: (&BTreeSet<String>, &BTreeSet<String>),
    ) -> Result<Option<Sample>, ProveError> {
        // Terms and models nest as deep as a set has words: a calendar of years has many.
        let deep = || self.sample_of(subject, env, of, (allowed, right), about);
        std::thread::scope(|scope| {
            let spawned =
                std::thread::Builder::new().stack_size(SAMPLE_STACK).spawn_scoped(scope, deep);
            let joined = spawned.map_err(|error| failed(of, &error))?.join();
            joined.unwrap_or_else(|_| Err(failed(of, &"the search for a payment failed")))
        })
    }

    fn sample_of(
        &mut self,
        subject: &Subject,
        env: &RequestEnv,
        of: Of<'_>,
        (allowed, right): (Vec<Policy>, &PolicySet),
        about: (&BTreeSet<String>, &BTreeSet<String>),
    ) -> Result<Option<Sample>, ProveError> {
        let b = compiled(subject, env, of, right)?;
        for wishes in wishes(subject, of.action) {
            let left = set(of, allowed.iter().cloned().chain(wishes))?;
            let a = compiled(subject, env, of, &left)?;
            if let Some(model) = self.model(&implies_asserts(&a, &b), of)? {
                let expected = Expected { allowed: &left, refused: Some(right) };
                return Ok(Some(Sample::of(subject, (of.action, &model), &expected, about)));
            }
        }
        Ok(None)
    }

    /// That no rule of a chapter can fail, and that each applies to some payment.
    fn rules(&mut self, subject: &Subject, chapter: Chapter) -> Result<Vec<Check>, ProveError> {
        let mut checks = Vec::new();
        let mut policies: Vec<&Policy> = subject.pack.policies(chapter).policies().collect();
        policies.sort_by_key(|policy| policy.id().to_string());
        for policy in policies {
            let id = policy.id().to_string();
            let assumed = under_assumptions(subject, chapter, policy)?;
            let mut alive: Option<Check> = None;
            for env in environments(subject) {
                let action = action_of(&env);
                if !takes(policy, &action) || (action == SETTLE) != (chapter == Chapter::Gate) {
                    continue;
                }
                let of = Of { kind: NEVER_ERRORS, subject: &id, action: &action };
                let one = CompiledPolicy::compile(&assumed, &env, &subject.schema)
                    .map_err(|e| uncompiled(of, &e))?;
                let (holds, call) = self.unsatisfiable(&never_errors_asserts(&one), of)?;
                checks.push(check(of, holds, call));
                if alive.as_ref().is_none_or(|check| !check.holds) {
                    let of = Of { kind: ALIVE, ..of };
                    let (dead, call) = self.unsatisfiable(&never_matches_asserts(&one), of)?;
                    alive = Some(check(of, !dead, call));
                }
            }
            checks.extend(alive);
        }
        Ok(checks)
    }

    /// Whether no payment is such, and the call that says so.
    pub(crate) fn unsatisfiable(
        &mut self,
        asserts: &WellFormedAsserts<'_>,
        of: Of<'_>,
    ) -> Result<(bool, Option<Call>), ProveError> {
        self.compiler.solver_mut().begin();
        let verdict = at_once(self.compiler.check_unsat(asserts), of)?;
        Ok((verdict, self.compiler.solver_mut().last.take()))
    }

    fn model(
        &mut self,
        asserts: &WellFormedAsserts<'_>,
        of: Of<'_>,
    ) -> Result<Option<Env>, ProveError> {
        self.compiler.solver_mut().begin();
        at_once(self.compiler.check_sat(asserts), of)
    }
}

/// The stack on which a payment is looked for: 256 MiB of address space, touched as far as needed.
/// A set of 45 days needs more than the 2 MiB of an ordinary thread in a debug build.
const SAMPLE_STACK: usize = 256 << 20;

/// Our solvers answer before they return: nothing here ever waits.
fn at_once<T>(
    future: impl Future<Output = Result<T, cedar_policy_symcc::err::Error>>,
    of: Of<'_>,
) -> Result<T, ProveError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(value)) => Ok(value),
        Poll::Ready(Err(error)) => Err(failed(of, &error)),
        Poll::Pending => Err(failed(of, &"the solver did not answer at once")),
    }
}

/// The environments of the three actions, in one order.
pub(crate) fn environments(subject: &Subject) -> Vec<RequestEnv> {
    let mut all: Vec<RequestEnv> = subject.schema.request_envs().collect();
    all.sort_by_key(action_of);
    all
}

pub(crate) fn action_of(env: &RequestEnv) -> String {
    let id: &str = env.action().id().as_ref();
    id.to_owned()
}

/// The rules that allow, with what is assumed beside them.
pub(crate) fn left(subject: &Subject, action: &str) -> Vec<Policy> {
    if action == SETTLE {
        return subject.pack.policies(Chapter::Gate).policies().cloned().collect();
    }
    let rules = subject.pack.policies(Chapter::Decide).policies().cloned();
    rules.chain(assumptions(subject)).collect()
}

fn assumptions(subject: &Subject) -> impl Iterator<Item = Policy> + '_ {
    subject
        .pack
        .assumptions()
        .forbids()
        .map(|forbid| forbid.new_id(PolicyId::new(format!("assumed: {}", forbid.id()))))
}

/// The permits of `oblige` that make this kind of duty due, and say of it what is to be said.
fn due(subject: &Subject, kind: &str, says: &BTreeMap<String, String>) -> Vec<Policy> {
    let oblige = subject.pack.policies(Chapter::Oblige);
    let meant = |policy: &&Policy| {
        let mut says = says.iter();
        policy.annotation("kind") == Some(kind)
            && says.all(|(name, value)| policy.annotation(name) == Some(value))
    };
    oblige.policies().filter(meant).cloned().collect()
}

/// A permit's conditions as a forbid of everything else.
fn only_where(permit: &Policy) -> Result<Policy, ProveError> {
    let mut json = json_of(permit, permit.id().as_ref())?;
    let conditions = json.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let whens = conditions.iter().filter_map(|condition| condition.get("body"));
    let all = whens.cloned().reduce(|left, right| json!({"&&": {"left": left, "right": right}}));
    let never = json!({"Value": true});
    if let Some(members) = json.as_object_mut() {
        members.insert("effect".to_owned(), json!("forbid"));
        let unless = json!([{"kind": "unless", "body": all.unwrap_or(never)}]);
        members.insert("conditions".to_owned(), unless);
    }
    of_json(&format!("only where: {}", permit.id()), json)
}

/// A rule that is looked at only where all assumptions hold: an error elsewhere is never met.
fn under_assumptions(
    subject: &Subject,
    chapter: Chapter,
    policy: &Policy,
) -> Result<Policy, ProveError> {
    if chapter == Chapter::Gate || subject.pack.assumptions().is_empty() {
        return Ok(policy.clone());
    }
    let id = policy.id().to_string();
    let mut json = json_of(policy, &id)?;
    let mut conditions = Vec::new();
    for forbid in subject.pack.assumptions().forbids() {
        let assumed = json_of(forbid, &id)?;
        let bodies = assumed.get("conditions").and_then(Value::as_array).cloned();
        for body in bodies.unwrap_or_default().iter().filter_map(|one| one.get("body")) {
            conditions.push(json!({"kind": "when", "body": body}));
        }
    }
    if let Some(own) = json.get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.append(own);
        *own = conditions;
    }
    of_json(&id, json)
}

pub(crate) fn of_json(id: &str, json: Value) -> Result<Policy, ProveError> {
    Policy::from_json(Some(PolicyId::new(id)), json).map_err(|e| ProveError::Compile {
        subject: id.to_owned(),
        action: "any".to_owned(),
        reason: e.to_string(),
    })
}

/// What would make a sample easier to read, most first: nothing is lost when it cannot be had.
fn wishes(subject: &Subject, action: &str) -> Vec<Vec<Policy>> {
    if action == SETTLE {
        return vec![Vec::new()];
    }
    let parameters: Vec<String> = subject
        .pack
        .parameters()
        .next()
        .into_iter()
        .flat_map(|(_, values)| values)
        .filter(|(name, _)| !policy::pack::read_by_the_edge(name))
        .map(|(name, value)| format!("resource.{name} == {}", literal(value)))
        .collect();
    let corridor = subject.pack.corridor().to_string().to_uppercase();
    let countries = corridor.split_once('-').map_or_else(Vec::new, |(from, to)| {
        vec![format!("context.payerCountry == {from:?}"), format!("context.payeeCountry == {to:?}")]
    });
    let order = ["context.currency == resource.currency", "context.amount > 0"].map(str::to_owned);
    let order = [order.to_vec(), sensible(subject)].concat();
    let all = |parts: Vec<String>| -> Vec<Policy> {
        let text =
            |part: &String| format!("forbid (principal, action, resource) unless {{ {part} }};");
        let parse = |(index, part)| {
            Policy::parse(Some(PolicyId::new(format!("wish {index}"))), text(part)).ok()
        };
        parts.iter().enumerate().filter_map(parse).collect()
    };
    let most = [parameters.clone(), countries.clone(), order.clone()].concat();
    let usual = [countries, order.clone()].concat();
    let numbers = [parameters, sensible(subject)].concat();
    vec![all(most), all(numbers), all(usual), all(order), Vec::new()]
}

/// No age of centuries, no limit below nothing.
fn sensible(subject: &Subject) -> Vec<String> {
    let request = subject.pack.reads().filter_map(definition);
    let wish = |row: &policy::vocabulary::Definition| match row.unit {
        "seconds" => Some(format!("context.{} <= {AGE_MAX}", row.name)),
        "minor units" if row.name != "amount" => Some(format!("context.{} >= 0", row.name)),
        _ => None,
    };
    request.filter_map(wish).collect()
}

fn literal(value: &ParameterValue) -> String {
    match value {
        ParameterValue::Number(number) => number.to_string(),
        ParameterValue::Text(text) => format!("{text:?}"),
        ParameterValue::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}

pub(crate) fn set(
    of: Of<'_>,
    policies: impl IntoIterator<Item = Policy>,
) -> Result<PolicySet, ProveError> {
    PolicySet::from_policies(policies).map_err(|e| uncompiled(of, &e))
}

pub(crate) fn compiled(
    subject: &Subject,
    env: &RequestEnv,
    of: Of<'_>,
    set: &PolicySet,
) -> Result<CompiledPolicySet, ProveError> {
    CompiledPolicySet::compile(set, env, &subject.schema).map_err(|e| uncompiled(of, &e))
}

pub(crate) fn check(of: Of<'_>, holds: bool, call: Option<Call>) -> Check {
    Check {
        kind: of.kind,
        subject: of.subject.to_owned(),
        action: of.action.to_owned(),
        holds,
        call,
        sample: None,
    }
}

fn uncompiled(of: Of<'_>, error: &impl core::fmt::Display) -> ProveError {
    ProveError::Compile {
        subject: of.subject.to_owned(),
        action: of.action.to_owned(),
        reason: error.to_string(),
    }
}

fn failed(of: Of<'_>, error: &impl core::fmt::Display) -> ProveError {
    ProveError::Solver {
        kind: of.kind,
        subject: of.subject.to_owned(),
        action: of.action.to_owned(),
        reason: error.to_string(),
    }
}

/// Names of nothing in particular: a sample then shows its headline only.
pub(crate) const fn nothing() -> (&'static BTreeSet<String>, &'static BTreeSet<String>) {
    (NOTHING, NOTHING)
}
