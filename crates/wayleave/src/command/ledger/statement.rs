//! What the read models answer: statements, trial balances, how far everything has come.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use ledger::Side;
use ledger_server::query::{StatementLine, Told, TrialLine};
use ledger_server::{Query, Said};
use serde_json::{Value, json};
use terms::{Amount, Minor, Position};

use super::money::{decimal, grouped};
use super::said::signed;
use super::session::Session;
use super::words;
use crate::cli::ledger::{PlaceArgs, StatementArgs, TrialArgs};
use crate::command::{say, say_json, tell};

/// Between two looks whether the read models have caught up.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How far the book has come, and its projections.
struct Come {
    book: Position,
    log: Option<Position>,
    views: Option<Position>,
}

fn come(session: &mut Session) -> anyhow::Result<Come> {
    let Told { position, said } = session.ask(&Query::Status)?;
    match said {
        Said::Status { log, views } => Ok(Come { book: position, log, views }),
        _ => bail!("the book answers another question"),
    }
}

/// Waits until the read models have seen what the book had done when this was asked.
fn caught_up(session: &mut Session) -> anyhow::Result<()> {
    let until = Instant::now() + session.within;
    let Come { book, mut views, .. } = come(session)?;
    loop {
        match views {
            None => bail!("this book keeps no read models"),
            Some(seen) if seen >= book => return Ok(()),
            Some(seen) if Instant::now() >= until => {
                bail!("the read models have seen {seen} of {book} facts: ask again")
            }
            Some(_) => std::thread::sleep(LOOK_EVERY),
        }
        views = come(session)?.views;
    }
}

pub(super) fn command(args: &StatementArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let account = session.existing(&args.account)?;
    caught_up(&mut session)?;
    let query = Query::Statement {
        account: args.account.id,
        newest_first: args.newest,
        after: args.after.clone(),
        limit: args.limit,
    };
    let (lines, next, at_end) = match session.ask(&query)?.said {
        Said::Statement { lines, next, at_end } => (lines, next, at_end),
        Said::NoAnswer(why) => bail!("{why}"),
        _ => bail!("the book answers another question"),
    };
    let asset = account.opening().asset;
    if session.json {
        for line in &lines {
            say_json(&as_json(&account, line));
        }
        say_json(&json!({ "next": next, "at_end": at_end }));
        return Ok(ExitCode::SUCCESS);
    }
    let title = ["position", "date", "reason", "debit", "credit", "balance", "transaction"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    for line in &lines {
        let amount = grouped(line.amount, asset);
        let (debit, credit) = match line.side {
            Side::Debit => (amount, String::new()),
            Side::Credit => (String::new(), amount),
        };
        rows.push(vec![
            line.position.number().to_string(),
            line.business_date.to_string(),
            words::reason(line.reason).to_owned(),
            debit,
            credit,
            signed(&account, line.debits_posted, line.credits_posted, grouped),
            line.transaction.to_string(),
        ]);
    }
    say(&words::table(&rows, &[0, 3, 4, 5]));
    if !at_end {
        tell(&format!("more: --after {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(account: &ledger::Account, line: &StatementLine) -> Value {
    let asset = account.opening().asset;
    json!({
        "position": line.position.number(),
        "stamp": line.stamp.to_string(),
        "effective": line.effective.map(|at| at.to_string()),
        "transaction": line.transaction.to_string(),
        "business_date": line.business_date.to_string(),
        "reason": words::reason(line.reason),
        "side": words::side(line.side),
        "amount": decimal(line.amount, asset),
        "asset": asset.to_string(),
        "balance": signed(account, line.debits_posted, line.credits_posted, decimal),
    })
}

pub(super) fn trial(args: &TrialArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    caught_up(&mut session)?;
    let date = args.date.unwrap_or_else(|| client::system::now().date());
    let lines = match session.ask(&Query::TrialBalance(date))?.said {
        Said::TrialBalance(lines) => lines,
        Said::NoAnswer(why) => bail!("{why}"),
        _ => bail!("the book answers another question"),
    };
    if session.json {
        for line in &lines {
            say_json(&trial_json(&date.to_string(), line));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let title = ["asset", "debits before", "credits before", "debits", "credits"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(|line| {
        let shown = |minor: Minor| Amount::new(minor, line.asset).for_people();
        let sums = [line.debits_before, line.credits_before, line.debits, line.credits];
        let mut row = vec![line.asset.to_string()];
        row.extend(sums.map(shown));
        row
    }));
    say(&words::table(&rows, &[1, 2, 3, 4]));
    Ok(ExitCode::SUCCESS)
}

fn trial_json(date: &str, line: &TrialLine) -> Value {
    let shown = |minor| decimal(minor, line.asset);
    json!({
        "date": date,
        "asset": line.asset.to_string(),
        "debits_before": shown(line.debits_before),
        "credits_before": shown(line.credits_before),
        "debits": shown(line.debits),
        "credits": shown(line.credits),
    })
}

pub(super) fn status(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(place)?;
    let Come { book, log, views } = come(&mut session)?;
    let number = |position: Option<Position>| position.map(Position::number);
    if session.json {
        say_json(&json!({
            "book": session.folder.book().to_string(),
            "facts": book.number(),
            "epoch": session.client.epoch().number(),
            "log": number(log),
            "views": number(views),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let shown = |position: Option<Position>| match number(position) {
        Some(number) => format!("{number} facts"),
        None => "not kept".to_owned(),
    };
    let rows = [("book", shown(Some(book))), ("log", shown(log)), ("read models", shown(views))];
    say(&words::table(&rows.map(|(name, value)| vec![name.to_owned(), value]), &[]));
    Ok(ExitCode::SUCCESS)
}
