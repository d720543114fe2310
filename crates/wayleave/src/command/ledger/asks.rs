//! Questions of the past, of holds, links and facts: asked of a running book.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use ledger::Link;
use ledger_server::contents::FactLine;
use ledger_server::query::{AsOf, EntryFilter, Freshness, Told};
use ledger_server::{Query, Said, shown};
use seal::text::from_hex_array;
use serde_json::{Value, json};
use terms::{AccountId, PaymentId, Position, QuoteId, TransactionId};
use wire::Completion;
use wire::client::Followed;

use super::money::parse;
use super::progress::{Progress, Work};
use super::said::{EXIT_NOT_DONE, signed};
use super::session::{Session, folder_path};
use super::{look, words};
use crate::cli::asks::{
    BalanceArgs, EventsArgs, FactArgs, FilterArgs, FreshArgs, HistoryArgs, HoldsArgs, LinkArg,
    LinksArgs, RebuildArgs, TransactionArgs,
};
use crate::cli::ledger::PlaceArgs;
use crate::command::{say, say_json, tell};

/// Frames of facts under way: a quarter of a megabyte.
const FRAMES_AHEAD: u32 = 4;
/// How long one wait for facts lasts.
const FOLLOW_WAIT: Duration = Duration::from_secs(1);

/// A question with how fresh its answer must be.
pub(super) fn fresh(args: FreshArgs, query: Query) -> Query {
    let fresh = match (args.at_least, args.stale) {
        (_, true) => return query,
        (Some(position), false) => Freshness::AtLeast(Position::new(position)),
        (None, false) => Freshness::Now,
    };
    Query::Fresh { fresh, query: Box::new(query) }
}

/// Asks; a question that has no answer is an error in words.
pub(super) fn ask(session: &mut Session, query: &Query) -> anyhow::Result<Told> {
    let told = session.ask(query)?;
    if let Said::NoAnswer(why) = &told.said {
        bail!("{why}");
    }
    Ok(told)
}

/// An answer as JSON, amounts in their accounts' assets.
pub(super) fn as_json(
    session: &mut Session,
    told: &Told,
    of: Option<AccountId>,
) -> anyhow::Result<Value> {
    let mut assets = std::collections::BTreeMap::new();
    for account in shown::accounts(&told.said).into_iter().chain(of) {
        if let Some(known) = session.account(account)? {
            assets.insert(account, known.opening().asset);
        }
    }
    Ok(shown::told(told, of, &|account| assets.get(&account).copied()))
}

/// The filter that was asked for.
pub(super) fn filter(args: &FilterArgs, asset: terms::AssetCode) -> anyhow::Result<EntryFilter> {
    let amount = |text: &Option<String>| text.as_ref().map(|t| parse(t, asset)).transpose();
    Ok(EntryFilter {
        side: args.side.map(Into::into),
        from: args.from,
        until: args.until,
        effective_from: args.effective_from,
        effective_until: args.effective_until,
        first_date: args.first_date,
        last_date: args.last_date,
        amount_min: amount(&args.min)?,
        amount_max: amount(&args.max)?,
        reason: args.reason.map(Into::into),
        code: args.code,
        counterparty: args.with.as_ref().map(|given| given.id),
    })
}

pub(super) fn balance(args: &BalanceArgs) -> anyhow::Result<ExitCode> {
    let position = args.position.map(|at| AsOf::Position(Position::new(at)));
    let at = args.at.map(AsOf::LedgerTime);
    let as_of = position.or(at).or(args.effective.map(AsOf::EffectiveTime));
    let Some(as_of) = as_of else { return look::balance(&args.account, &args.place) };
    let mut session = Session::open(&args.place)?;
    let account = session.existing(&args.account)?;
    let query = fresh(args.fresh, Query::Balance { account: args.account.id, as_of });
    let told = ask(&mut session, &query)?;
    let Said::Balance(of) = &told.said else { bail!("the book answers another question") };
    let (debits, credits) = (of.posted.debits, of.posted.credits);
    if session.json {
        let mut value = as_json(&mut session, &told, Some(of.account))?;
        let signed = signed(&account, debits, credits, super::money::decimal);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("balance".into(), json!(signed));
        }
        say_json(&value);
    } else {
        let shown = signed(&account, debits, credits, super::money::grouped);
        let currency = of.asset.currency();
        say(&format!("{}  {shown} {currency}  as of {} facts", args.account, told.position));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn transaction(args: &TransactionArgs) -> anyhow::Result<ExitCode> {
    let query = Query::Transaction { client: args.of_client, id: args.id.id };
    facts(&args.place, &query, &format!("transaction {}", args.id))
}

pub(super) fn history(args: &HistoryArgs) -> anyhow::Result<ExitCode> {
    facts(&args.place, &Query::HoldWhole(args.hold.id), &format!("hold {}", args.hold))
}

pub(super) fn fact(args: &FactArgs) -> anyhow::Result<ExitCode> {
    let query = Query::Fact(Position::new(args.position));
    facts(&args.place, &query, &format!("position {}", args.position))
}

fn facts(place: &PlaceArgs, query: &Query, what: &str) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(place)?;
    let told = ask(&mut session, query)?;
    let Said::Facts { facts, .. } = &told.said else { bail!("the book answers another question") };
    if session.json {
        say_json(&as_json(&mut session, &told, None)?);
    } else if facts.is_empty() {
        say(&format!("absent    {what}: nothing is recorded, as of {} facts", told.position));
    } else {
        show_facts(&mut session, facts)?;
    }
    let absent = facts.is_empty();
    Ok(if absent { ExitCode::from(EXIT_NOT_DONE) } else { ExitCode::SUCCESS })
}

/// One line a fact, and the entries of a transaction below it.
fn show_facts(session: &mut Session, facts: &[FactLine]) -> anyhow::Result<()> {
    let said = Said::Facts { facts: facts.to_vec(), whole: true };
    let told = Told { position: Position::ZERO, said };
    let shown = as_json(session, &told, None)?;
    let lines = shown.get("facts").and_then(Value::as_array).cloned().unwrap_or_default();
    for (line, fact) in lines.iter().zip(facts) {
        let text = |name: &str| line.get(name).map(plain).unwrap_or_default();
        let about = ["transaction", "hold", "account", "id", "rule"];
        let about = about.map(text).into_iter().filter(|text| !text.is_empty());
        let about = about.collect::<Vec<_>>().join("  ");
        say(&format!("{:>9}  {}  {:<14} {about}", text("position"), fact.stamp, text("kind")));
        let entries = line.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut rows = Vec::new();
        for entry in &entries {
            let part = |name: &str| entry.get(name).map(plain).unwrap_or_default();
            let moved = entry.get("moved");
            let moved = |name: &str| moved.and_then(|of| of.get(name)).map(plain);
            let account = from_text(&part("account"));
            let account = account.map_or(part("account"), |id| session.names.shown(id));
            let amount = moved("amount").unwrap_or_default();
            rows.push(vec![String::new(), account, part("side"), amount, part("hold")]);
        }
        if !rows.is_empty() {
            say(&words::table(&rows, &[3]));
        }
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn from_text(text: &str) -> Option<AccountId> {
    let digits = text.strip_prefix(AccountId::PREFIX)?;
    from_hex_array(digits).map(AccountId::from_bytes)
}

pub(super) fn holds(args: &HoldsArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let (after, limit) = (args.page.after.clone(), args.page.limit);
    let query = match &args.on {
        Some(on) => {
            session.existing(on)?;
            Query::OpenHoldsOf { account: on.id, after, limit }
        }
        None => Query::HoldsByExpiry { until: args.until, after, limit },
    };
    let told = ask(&mut session, &fresh(args.fresh, query))?;
    let Said::OpenHolds { lines, next, at_end } = &told.said else {
        bail!("the book answers another question")
    };
    if session.json {
        say_json(&as_json(&mut session, &told, None)?);
        return Ok(ExitCode::SUCCESS);
    }
    let title = ["hold", "account", "side", "held", "until"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    for line in lines {
        let asset = session.account(line.account)?.map(|account| account.opening().asset);
        let held = asset.map_or(line.amount.to_string(), |asset| {
            terms::Amount::new(line.amount, asset).for_people()
        });
        let until = match line.term {
            ledger::Term::Expiring { at } => at.to_string(),
            ledger::Term::Pinned => "pinned".to_owned(),
        };
        let side = line.side.name().to_owned();
        rows.push(vec![
            line.hold.to_string(),
            session.names.shown(line.account),
            side,
            held,
            until,
        ]);
    }
    say(&words::table(&rows, &[3]));
    if !at_end {
        tell(&format!("more: --after {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn links(args: &LinksArgs) -> anyhow::Result<ExitCode> {
    let of = |prefix: &str| -> anyhow::Result<[u8; 16]> {
        let digits = args.id.strip_prefix(prefix).unwrap_or(&args.id);
        from_hex_array(digits)
            .ok_or_else(|| anyhow!("expected `{prefix}` and 32 hex digits, got `{}`", args.id))
    };
    let transaction =
        || Ok::<_, anyhow::Error>(TransactionId::from_bytes(of(TransactionId::PREFIX)?));
    let link = match args.kind {
        LinkArg::Payment => Link::Payment(PaymentId::from_bytes(of(PaymentId::PREFIX)?)),
        LinkArg::Quote => Link::Quote(QuoteId::from_bytes(of(QuoteId::PREFIX)?)),
        LinkArg::Returns => Link::Returns(transaction()?),
        LinkArg::Refunds => Link::Refunds(transaction()?),
        LinkArg::Corrects => Link::Corrects(transaction()?),
    };
    let mut session = Session::open(&args.place)?;
    let told = ask(&mut session, &fresh(args.fresh, Query::Linked(link)))?;
    let Said::Linked { transactions, .. } = &told.said else {
        bail!("the book answers another question")
    };
    if session.json {
        say_json(&as_json(&mut session, &told, None)?);
        return Ok(ExitCode::SUCCESS);
    }
    for line in transactions {
        say(&format!("{:>9}  {}", line.position.number(), line.transaction));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn metrics(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(place)?;
    match session.ask(&Query::Metrics)?.said {
        Said::Metrics(text) => {
            say(text.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("the book answers another question"),
    }
}

pub(super) fn events(args: &EventsArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let ticket = session.client.follow(Position::new(args.from), FRAMES_AHEAD)?;
    let head = ask(&mut session, &Query::Status)?.position;
    let (mut next, mut left) = (Position::new(args.from), args.limit.unwrap_or(u64::MAX));
    while left > 0 && (args.follow || next < head) {
        let facts = match session.client.next_facts(ticket, FOLLOW_WAIT) {
            Followed::Facts(facts) => facts,
            Followed::Nothing => continue,
            Followed::Ended(why) => return ended(next, &why),
        };
        let mut lines = Vec::new();
        for fact in facts.iter() {
            let wanted = args.follow || fact.position < head;
            if !wanted || left == 0 {
                break;
            }
            lines.push(FactLine::read(fact.position, fact.stamp, fact.bytes)?);
            left = left.saturating_sub(1);
        }
        next = facts.next();
        if session.json {
            let said = Said::Facts { facts: lines, whole: true };
            let told = Told { position: facts.head(), said };
            let shown = as_json(&mut session, &told, None)?;
            let lines = shown.get("facts").and_then(Value::as_array).cloned();
            lines.unwrap_or_default().iter().for_each(say_json);
        } else {
            show_facts(&mut session, &lines)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ended(next: Position, why: &Completion) -> anyhow::Result<ExitCode> {
    bail!("{why}; go on with --from {next}")
}

/// Builds the read models again from the journal, while the book is not served.
pub(super) fn rebuild(args: &RebuildArgs) -> anyhow::Result<ExitCode> {
    let folder = ledger_server::Folder::open(&folder_path(&args.folder))?;
    let work = Work { name: "rebuild", unit: "facts", json: args.folder.json };
    let mut progress = Progress::begin(args.progress, work);
    let told = |next: Position, head: Position| progress.facts(next, head.number());
    let facts = ledger_server::rebuild::views(&folder, told)?;
    progress.end();
    if args.folder.json {
        let book = folder.book().to_string();
        say_json(&json!({ "rebuilt": "views", "book": book, "facts": facts.number() }));
    } else {
        say(&format!("the read models of book `{}` hold {facts} facts", folder.book()));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_nothing_is_answered_as_of_now() {
        let plain = FreshArgs { at_least: None, stale: false };
        let now = fresh(plain, Query::Totals);
        assert!(matches!(now, Query::Fresh { fresh: Freshness::Now, .. }));
        let stale = FreshArgs { stale: true, ..plain };
        assert_eq!(fresh(stale, Query::Totals), Query::Totals);
    }
}
