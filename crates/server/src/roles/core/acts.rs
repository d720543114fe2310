//! Acts of the operator's persons: who may sign, the routes, and what is carried out behind them.
//!
//! The writer decides; here signatures are checked against the configuration, acts whose moment
//! has come are put before the writer, and hosted customers' books are told how accounts stand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::{Caller, Problem, Role, problem, wire};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clearing::customers::Restriction;
use clearing::settlement::acts::stops::Told;
use clearing::settlement::acts::{ActEntry, ActStanding, ActsAnswer, ActsWork};
use clearing::settlement::funding::News;
use clearing::{
    CustomerAnswer, CustomerWork, CustomersBook, May, Operator, Rule, SettlementAnswer,
    SettlementBook, SettlementWork, check_act, check_act_decision,
};
use record::{Act, ActAccount, ActDecision, ActKind, Stop};
use seal::text::to_hex;
use seal::{PublicKey, to_canonical};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use terms::{AccountId, ActId, Amount, InstitutionName};

use super::alerts;
use super::books::Failed;
use super::config::Config;
use super::customers::CustomersPort;
use super::orders::Clearing;
use super::routes::{self, Core};
use crate::system;
use crate::web::{Gate, Refuse};

type Shared = State<Arc<Core>>;
type Answer = Result<Response, Refuse>;

/// Pause between two looks at what is due: how late a limit may be set. What an act stops is
/// judged by the writer itself and waits for nobody.
const PAUSE: Duration = Duration::from_millis(200);
/// Who may read acts and alerts: whoever answers for the system.
const READING: &[Role] = &[Role::Operator, Role::Supervisor];

/// A person who acts for the operator, in `role.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorEntry {
    /// The name, as it is recorded.
    pub name: String,
    /// The public key, hex.
    pub key: String,
    /// What the person may do.
    pub may: MayEntry,
}

/// What a person may do about acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MayEntry {
    /// Propose.
    Maker,
    /// Decide what others proposed.
    Checker,
    /// Both, and never of one act.
    Both,
}

/// The persons of a configuration, read.
pub fn operators(config: &Config) -> Result<Vec<Operator>, String> {
    let read = |entry: &OperatorEntry| {
        let key: PublicKey =
            entry.key.parse().map_err(|_| format!("operators, `{}`: key", entry.name))?;
        let may = match entry.may {
            MayEntry::Maker => May::Make,
            MayEntry::Checker => May::Check,
            MayEntry::Both => May::Both,
        };
        Ok(Operator { name: entry.name.clone(), key, may })
    };
    config.operators.iter().map(read).collect()
}

/// The routes.
pub fn routes(core: &Arc<Core>, gate: &Gate) -> Router {
    let acting = Router::new()
        .route("/v1/acts", post(propose))
        .route("/v1/acts/{id}/decision", post(decide));
    let reading = Router::new()
        .route("/v1/acts", get(list))
        .route("/v1/acts/{id}", get(show))
        .route("/v1/alerts", get(alerts::told))
        .route("/v1/suspense", get(alerts::suspense));
    let open = Router::new().route("/metrics", get(alerts::metrics));
    Router::new()
        .merge(open.with_state(Arc::clone(core)))
        .merge(gate.only(&[Role::Operator], acting.with_state(Arc::clone(core))))
        .merge(gate.only(READING, reading.with_state(Arc::clone(core))))
}

async fn propose(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = routes::signed::<Act>(&body)?;
    let operators = operators(&core.config).map_err(|why| routes::not_accepted(&why))?;
    let act = check_act(signed, &operators).map_err(|rule| refused(&rule))?;
    if let ActKind::Freeze(ActAccount::Customer(of, account), _) = act.act().what {
        known_customer(&core.clearing, of, account).await?;
    }
    tracing::info!(act = %act.act().id, what = act.act().what.as_str(), by = caller.name(), "act");
    submit(&core.clearing, ActsWork::Propose(Box::new(act))).await
}

async fn decide(State(core): Shared, Path(id): Path<String>, body: Bytes) -> Answer {
    let id: ActId = wire::read_text("act", &id)?;
    let signed = routes::signed::<ActDecision>(&body)?;
    let claimed = signed.read_unverified().map(|decision| decision.act);
    if claimed != Ok(id) {
        return Err(routes::not_accepted("the decision is about another act").into());
    }
    let operators = operators(&core.config).map_err(|why| routes::not_accepted(&why))?;
    let decision = check_act_decision(signed, &operators).map_err(|rule| refused(&rule))?;
    submit(&core.clearing, ActsWork::Decide(Box::new(decision))).await
}

/// Only a hosted book can be told. A bank that keeps its own freezes its customers itself.
async fn known_customer(
    clearing: &Clearing,
    of: InstitutionName,
    account: AccountId,
) -> Result<(), Problem> {
    let port = clearing.books.customers.get(&of);
    let Some(book) = port.and_then(CustomersPort::hosted) else {
        let detail = format!("the book of `{of}` is not hosted here: that bank freezes it itself");
        return Err(routes::not_accepted(&detail));
    };
    let known = book.look(move |state: &CustomersBook| state.profile(account).is_some()).await;
    if known.map_err(routes::failed)?.outcome {
        Ok(())
    } else {
        let detail = format!("account `{account}` at `{of}`");
        Err(refused(&Rule::new(clearing::rule::RuleName::ActSubjectUnknown, detail)))
    }
}

async fn submit(clearing: &Clearing, work: ActsWork) -> Answer {
    let work = SettlementWork::Acts(Box::new(work));
    let placed = clearing.books.settlement.ask(work).await.map_err(routes::failed)?;
    let SettlementAnswer::Acts(answer) = placed.outcome else {
        return Err(routes::failed(Failed::Unknown).into());
    };
    match *answer {
        ActsAnswer::Stands(entry, news) => {
            let mut told = entry_words(&entry);
            if let Some(told) = told.as_object_mut() {
                let word = if news == News::Now { "now" } else { "before" };
                told.insert("news".into(), json!(word));
            }
            Ok(Json(told).into_response())
        }
        ActsAnswer::Refused(rule) => Err(refused(&rule).into()),
        ActsAnswer::Carried(_) | ActsAnswer::NothingDue => {
            Err(routes::failed(Failed::Unknown).into())
        }
    }
}

async fn list(State(core): Shared) -> Answer {
    let look = |state: &SettlementBook| {
        let mut all: Vec<&ActEntry> = state.acts().iter().collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.proposed));
        let now = system::now();
        let stops = state.acts().stops().iter().filter(|one| one.is_left(now));
        let stops = stops.map(|one| {
            json!({
                "what": one.what.to_string(),
                "sides": one.sides.map(Stop::as_str),
                "from": one.from.to_string(),
                "until": one.until.map(|until| until.to_string()),
                "holds": one.holds(now),
                "act": one.act.to_string(),
            })
        });
        json!({
            "stopped": stops.collect::<Vec<_>>(),
            "acts": all.into_iter().take(LIST_MAX).map(entry_words).collect::<Vec<_>>(),
        })
    };
    let all = core.clearing.books.settlement.look(look).await.map_err(routes::failed)?.outcome;
    Ok(Json(all).into_response())
}

/// Acts in one answer, the newest first: some 600 bytes each.
const LIST_MAX: usize = 1_000;

async fn show(State(core): Shared, Path(id): Path<String>) -> Answer {
    let id: ActId = wire::read_text("act", &id)?;
    let look = move |state: &SettlementBook| {
        state.acts().act(id).map(|entry| {
            let mut told = entry_words(entry);
            if let Some(told) = told.as_object_mut() {
                // A person signs what these bytes say, not what this answer says of them.
                told.insert("document".into(), json!(to_hex(&to_canonical(&entry.act))));
            }
            told
        })
    };
    let found = core.clearing.books.settlement.look(look).await.map_err(routes::failed)?.outcome;
    let found = found.ok_or_else(|| Problem::of(&problem::NOT_FOUND))?;
    Ok(Json(found).into_response())
}

fn entry_words(entry: &ActEntry) -> Value {
    let act = &entry.act;
    let in_effect = match entry.standing {
        ActStanding::Decided(from) | ActStanding::Done(from) => Some(from.to_string()),
        _ => None,
    };
    let detail = match &entry.standing {
        ActStanding::FellThrough(rule, detail) => Some(format!("{rule}: {detail}")),
        _ => None,
    };
    json!({
        "act": act.id.to_string(),
        "kind": act.what.as_str(),
        "what": words(act.what),
        "reason": act.reason,
        "from": act.from.to_string(),
        "until": act.until.map(|until| until.to_string()),
        "decide_by": act.decide_by.to_string(),
        "digest": entry.digest.to_string(),
        "standing": entry.standing.as_str(),
        "in_effect_from": in_effect,
        "detail": detail,
        "keys": entry.keys,
        "maker": entry.maker.name,
        "maker_key": entry.maker.key.to_string(),
        "proposed": entry.proposed.number(),
        "proposed_at": entry.proposed_at.to_string(),
        "checker": entry.checker.as_ref().map(|(who, _)| who.name.clone()),
        "checker_key": entry.checker.as_ref().map(|(who, _)| who.key.to_string()),
        "checker_reason": entry.checker.as_ref().map(|(_, reason)| reason.clone()),
    })
}

/// An act in words for people.
#[must_use]
pub fn words(what: ActKind) -> String {
    match what {
        ActKind::Suspend(subject) => format!("suspend {subject}"),
        ActKind::Resume(subject) => format!("resume {subject}"),
        ActKind::Freeze(account, stop) => format!("freeze {} of {account}", stop.as_str()),
        ActKind::Thaw(account) => format!("thaw {account}"),
        ActKind::SetLowWater(of, asset, mark) => {
            let mark = Amount::new(mark, asset).for_people();
            format!("set the low-water mark of {of} in {asset} to {mark}")
        }
        ActKind::SetLimits(of, asset, limits) => {
            let amount = |minor| Amount::new(minor, asset).for_people();
            let ceiling = limits.ceiling.map_or_else(|| "none".into(), amount);
            let overdraft = amount(limits.overdraft);
            format!("limit {of} in {asset}: overdraft {overdraft}, ceiling {ceiling}")
        }
    }
}

fn refused(rule: &Rule) -> Problem {
    Problem::of(&ACT_REFUSED)
        .detail(format!("{}: {}", rule.name, rule.detail))
        .mend(rule.name.for_people())
}

/// An act or a decision that a rule refuses; nothing is recorded.
const ACT_REFUSED: api::Kind =
    api::Kind { code: "act-refused", status: 422, title: "read, and refused; nothing is recorded" };

/// How each customer's account shall stand.
type Wanted = Vec<(InstitutionName, AccountId, Told, Option<Stop>)>;

/// Lets acts take effect when their moment has come, and tells hosted books how accounts stand.
/// What is forgotten in a crash is found in the book again.
pub async fn carry(core: Arc<Core>) {
    let clearing = &core.clearing;
    let mut told = BTreeMap::new();
    loop {
        tokio::time::sleep(PAUSE).await;
        core.watch.look(&core);
        let look = |state: &SettlementBook| {
            let now = system::now();
            let acts = state.acts();
            let stand = |of, account| acts.stops().sides(now, ActAccount::Customer(of, account));
            let customers = acts.stops().customers();
            let wanted: Wanted = customers
                .map(|(of, account, newest)| (of, account, newest, stand(of, account)))
                .collect();
            (acts.has_due(now), wanted)
        };
        let Ok(placed) = clearing.books.settlement.look(look).await else { continue };
        let (due, wanted) = placed.outcome;
        if due {
            let work = SettlementWork::Acts(Box::new(ActsWork::Carry));
            if let Err(error) = clearing.books.settlement.ask(work).await {
                tracing::warn!(%error, "an act that is due waits");
            }
        }
        for (of, account, newest, stop) in wanted {
            if told.get(&(of, account)) != Some(&(newest, stop))
                && tell(clearing, of, account, newest, stop).await
            {
                told.insert((of, account), (newest, stop));
            }
        }
    }
}

async fn tell(
    clearing: &Clearing,
    of: InstitutionName,
    account: AccountId,
    newest: Told,
    stop: Option<Stop>,
) -> bool {
    let port = clearing.books.customers.get(&of);
    let Some(book) = port.and_then(CustomersPort::hosted) else { return true };
    let Told { act, proposed } = newest;
    let asked = Restriction { act, ordered_at: proposed, account, stop };
    match book.ask(CustomerWork::Restrict(asked)).await.map(|placed| placed.outcome) {
        Ok(CustomerAnswer::Refused(rule)) => {
            tracing::error!(%of, %account, %rule, "an account does not stand as the acts say");
            true
        }
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%of, %account, %error, "a book could not be told of an act");
            false
        }
    }
}
