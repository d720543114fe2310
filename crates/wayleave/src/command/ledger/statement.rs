//! What the read models answer: statements, trial balances, how far everything has come.

use std::process::ExitCode;

use anyhow::bail;
use ledger::Side;
use ledger_server::query::{AccountTrialLine, StatementLine, Told, TrialLine};
use ledger_server::{Query, Said};
use serde_json::{Value, json};
use terms::{Amount, Minor, Position};

use super::asks;
use super::money::{decimal, grouped};
use super::said::signed;
use super::session::Session;
use super::words;
use crate::cli::ledger::{PlaceArgs, StatementArgs, TrialArgs};
use crate::command::{say, say_json, tell};

pub(super) fn command(args: &StatementArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let account = session.existing(&args.account)?;
    let asset = account.opening().asset;
    let query = Query::Entries {
        account: args.account.id,
        filter: asks::filter(&args.filter, asset)?,
        newest_first: args.newest,
        after: args.after.clone(),
        limit: args.limit,
    };
    let Told { position, said } = asks::ask(&mut session, &asks::fresh(args.fresh, query))?;
    let Said::Statement { lines, next, at_end } = said else {
        bail!("the book answers another question")
    };
    if session.json {
        for line in &lines {
            say_json(&as_json(&account, line));
        }
        say_json(&json!({ "next": next, "at_end": at_end, "facts": position.number() }));
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
            line.reason.name().to_owned(),
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
        "reason": line.reason.name(),
        "side": line.side.name(),
        "amount": decimal(line.amount, asset),
        "asset": asset.to_string(),
        "balance": signed(account, line.debits_posted, line.credits_posted, decimal),
    })
}

pub(super) fn trial(args: &TrialArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let date = args.date.unwrap_or_else(|| client::system::now().date());
    let query = if args.accounts {
        Query::TrialOfAccounts { date, after: args.after.clone(), limit: args.limit }
    } else {
        Query::TrialBalance(date)
    };
    let told = asks::ask(&mut session, &asks::fresh(args.fresh, query))?;
    let lines = match &told.said {
        Said::TrialBalance(lines) => lines.clone(),
        Said::TrialOfAccounts { lines, next, at_end } => {
            if session.json {
                say_json(&asks::as_json(&mut session, &told, None)?);
            } else {
                show_accounts(&session, lines);
                if !at_end {
                    tell(&format!("more: --after {next}"));
                }
            }
            return Ok(ExitCode::SUCCESS);
        }
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

fn show_accounts(session: &Session, lines: &[AccountTrialLine]) {
    let title = ["account", "debits before", "credits before", "debits", "credits"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    for line in lines {
        let (before, day) = (&line.opening, &line.day);
        let sums = [before.debits, before.credits, day.debits, day.credits];
        let mut row = vec![session.names.shown(line.account)];
        row.extend(sums.map(|minor| Amount::new(minor, line.asset).for_people()));
        rows.push(row);
    }
    say(&words::table(&rows, &[1, 2, 3, 4]));
}

pub(super) fn status(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(place)?;
    let Told { position: book, said } = session.ask(&Query::Status)?;
    let Said::Status { log, views } = said else { bail!("the book answers another question") };
    let Said::Engine { figures, troubles } = session.ask(&Query::Engine)?.said else {
        bail!("the book answers another question")
    };
    let number = |position: Option<Position>| position.map(Position::number);
    let lag = |name: &str| {
        let name = format!("wayleave_ledger_projection_lag{{projection=\"{name}\"}}");
        figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    };
    if session.json {
        let all = figures.iter().map(|one| (one.name.clone(), json!(one.value)));
        say_json(&json!({
            "book": session.folder.book().to_string(),
            "facts": book.number(),
            "epoch": session.client.epoch().number(),
            "log": number(log),
            "views": number(views),
            "lag": { "log": lag("log"), "views": lag("views"), "ids": lag("ids") },
            "troubles": troubles,
            "figures": all.collect::<serde_json::Map<String, Value>>(),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let shown = |position: Option<Position>, name: &str| match (number(position), lag(name)) {
        (Some(number), Some(lag)) if lag > 0 => format!("{number} facts, {lag} behind"),
        (Some(number), _) => format!("{number} facts"),
        (None, _) => "not kept".to_owned(),
    };
    let rows = [
        ("book", shown(Some(book), "")),
        ("log", shown(log, "log")),
        ("read models", shown(views, "views")),
    ];
    say(&words::table(&rows.map(|(name, value)| vec![name.to_owned(), value]), &[]));
    troubles.iter().for_each(|trouble| tell(trouble));
    Ok(ExitCode::SUCCESS)
}
