//! Answers as JSON, for HTTP and for `wayleave ledger … --json`: one form for both.
//!
//! Amounts are decimals of their account's asset; where an answer does not say whose an amount is,
//! as the fact of an expiry, it is in minor units and says so.

mod facts;

use std::collections::BTreeSet;

use ledger::Term;
use serde_json::{Value, json};
use terms::{AccountId, AssetCode, Instant, Minor};

pub use facts::{Placements, fact};

use crate::query::{
    AccountTrialLine, BalanceLine, DebitsCredits, HoldEventLine, OpenHoldLine, Said, StatementLine,
    Step, Told, TrialLine,
};

/// What an account is measured in, as far as it is known.
pub type Asset<'a> = &'a dyn Fn(AccountId) -> Option<AssetCode>;

/// RFC 3339 with nanoseconds: stamps order facts, so none of them is rounded.
#[must_use]
pub fn moment(at: Instant) -> String {
    let second = at.second_of_day();
    let nanos = at.nanos() % 1_000_000_000;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z", at.date())
}

/// `12.50` of `EUR.2@bank`.
#[must_use]
pub fn decimal(amount: Minor, asset: AssetCode) -> String {
    crate::http::decimal(amount, asset.exponent())
}

/// An amount: decimal with its asset, or minor units where that is not known.
fn amount(amount: Minor, asset: Option<AssetCode>) -> Value {
    match asset {
        Some(asset) => json!({ "amount": decimal(amount, asset), "asset": asset.as_str() }),
        None => json!({ "minor": amount.to_string() }),
    }
}

fn plain(minor: Minor, asset: Option<AssetCode>) -> Value {
    asset.map_or_else(|| json!(minor.to_string()), |asset| json!(decimal(minor, asset)))
}

fn sums(of: &DebitsCredits, asset: Option<AssetCode>) -> Value {
    json!({ "debits": plain(of.debits, asset), "credits": plain(of.credits, asset) })
}

/// The accounts whose assets an answer's amounts are of, where it does not say so itself.
#[must_use]
pub fn accounts(said: &Said) -> BTreeSet<AccountId> {
    match said {
        Said::OpenHolds { lines, .. } => lines.iter().map(|line| line.account).collect(),
        Said::Facts { facts, .. } => facts.iter().flat_map(facts::accounts).collect(),
        _ => BTreeSet::new(),
    }
}

/// An answer, with the position that it is true at. `of` is the account that was asked about,
/// where one was.
#[must_use]
pub fn told(told: &Told, of: Option<AccountId>, asset: Asset<'_>) -> Value {
    let mut value = said(&told.said, of, asset);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("position".to_owned(), json!(told.position.number()));
    }
    value
}

fn page<T>(name: &str, lines: &[T], show: impl Fn(&T) -> Value, next: &str, end: bool) -> Value {
    let lines: Vec<Value> = lines.iter().map(show).collect();
    json!({ name: lines, "next": next, "at_end": end })
}

fn said(said: &Said, of: Option<AccountId>, asset: Asset<'_>) -> Value {
    let whose = of.and_then(asset);
    match said {
        Said::Statement { lines, next, at_end } => {
            page("entries", lines, |line| entry(line, whose), next, *at_end)
        }
        Said::TrialBalance(lines) => {
            json!({ "assets": lines.iter().map(trial).collect::<Vec<_>>() })
        }
        Said::TrialOfAccounts { lines, next, at_end } => {
            page("accounts", lines, account_trial, next, *at_end)
        }
        Said::Balance(of) => balance(of),
        Said::OpenHolds { lines, next, at_end } => {
            page("holds", lines, |line| open_hold(line, asset(line.account)), next, *at_end)
        }
        Said::HoldEvents { lines, next, at_end } => {
            page("events", lines, |line| hold_event(line, whose), next, *at_end)
        }
        Said::Linked { transactions, whole } => {
            let line = |one: &crate::query::LinkedLine| {
                let position = one.position.number();
                json!({ "transaction": one.transaction.to_string(), "at": position })
            };
            let lines: Vec<Value> = transactions.iter().map(line).collect();
            json!({ "transactions": lines, "whole": whole })
        }
        Said::PositionAt(facts) => json!({ "facts": facts.number() }),
        facts @ Said::Facts { whole, .. } => {
            json!({ "facts": facts_of(facts, asset), "whole": whole })
        }
        Said::Engine { figures, troubles } => {
            let figures: serde_json::Map<String, Value> =
                figures.iter().map(|one| (one.name.clone(), json!(one.value))).collect();
            json!({ "figures": figures, "troubles": troubles })
        }
        Said::Metrics(text) => json!({ "text": text }),
        Said::NoAnswer(why) => json!({ "no_answer": why }),
        // The book's own answers have forms of their own, which were there before; a receipt is a
        // file.
        Said::NoAccount(_)
        | Said::Receipt(_)
        | Said::Account(_)
        | Said::Totals(..)
        | Said::Status { .. }
        | Said::AccountWhole(_)
        | Said::Accounts(..)
        | Said::OpenHold(_)
        | Said::NoOpenHold(_) => json!({}),
    }
}

fn entry(line: &StatementLine, asset: Option<AssetCode>) -> Value {
    json!({
        "position": line.position.number(),
        "stamp": moment(line.stamp),
        "effective": line.effective.map(moment),
        "transaction": line.transaction.to_string(),
        "business_date": line.business_date.to_string(),
        "reason": line.reason.name(),
        "side": line.side.name(),
        "amount": plain(line.amount, asset),
        "asset": asset.as_ref().map(AssetCode::as_str),
        "debits_posted": plain(line.debits_posted, asset),
        "credits_posted": plain(line.credits_posted, asset),
    })
}

fn trial(line: &TrialLine) -> Value {
    let shown = |minor| decimal(minor, line.asset);
    json!({
        "asset": line.asset.as_str(),
        "debits_before": shown(line.debits_before),
        "credits_before": shown(line.credits_before),
        "debits": shown(line.debits),
        "credits": shown(line.credits),
    })
}

fn account_trial(line: &AccountTrialLine) -> Value {
    let asset = Some(line.asset);
    json!({
        "account": line.account.to_string(),
        "asset": line.asset.as_str(),
        "normal": line.normal.name(),
        "opening": sums(&line.opening, asset),
        "day": sums(&line.day, asset),
        "closing": sums(&line.closing, asset),
    })
}

fn balance(of: &BalanceLine) -> Value {
    let shown = |minor| decimal(minor, of.asset);
    json!({
        "account": of.account.to_string(),
        "asset": of.asset.as_str(),
        "debits_posted": shown(of.posted.debits),
        "credits_posted": shown(of.posted.credits),
        "debits_pending": of.pending.map(|pending| shown(pending.debits)),
        "credits_pending": of.pending.map(|pending| shown(pending.credits)),
    })
}

fn term(term: Term) -> Option<String> {
    match term {
        Term::Expiring { at } => Some(moment(at)),
        Term::Pinned => None,
    }
}

fn open_hold(line: &OpenHoldLine, asset: Option<AssetCode>) -> Value {
    json!({
        "hold": line.hold.to_string(),
        "account": line.account.to_string(),
        "side": line.side.name(),
        "amount": plain(line.amount, asset),
        "asset": asset.as_ref().map(AssetCode::as_str),
        "expires_at": term(line.term),
        "business_date": line.business_date.to_string(),
        "placed_position": line.position.number(),
        "placed_at": moment(line.placed_at),
    })
}

fn hold_event(line: &HoldEventLine, asset: Option<AssetCode>) -> Value {
    let (step, expires_at) = match line.step {
        Step::Placed(until) => ("placed", term(until)),
        Step::Posted => ("posted", None),
        Step::Voided => ("voided", None),
        Step::Expired => ("expired", None),
        Step::Pinned => ("pinned", None),
    };
    json!({
        "position": line.position.number(),
        "stamp": moment(line.stamp),
        "hold": line.hold.to_string(),
        "step": step,
        "expires_at": expires_at,
        "side": line.side.name(),
        "amount": plain(line.amount, asset),
        "asset": asset.as_ref().map(AssetCode::as_str),
        "debits_pending": plain(line.pending.debits, asset),
        "credits_pending": plain(line.pending.credits, asset),
    })
}

/// The facts of an answer, each whole.
#[must_use]
pub fn facts_of(said: &Said, asset: Asset<'_>) -> Vec<Value> {
    let Said::Facts { facts, .. } = said else { return Vec::new() };
    let placed = facts::placements(facts);
    facts.iter().map(|one| fact(one, &placed, asset)).collect()
}
