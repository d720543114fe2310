//! Questions: an account's balances, what became of an id, sums.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use ledger_server::{Query, Said};
use serde_json::json;
use terms::{AccountId, Amount, HoldId, TransactionId};
use wire::{Completion, Lookup};

use super::account::as_json;
use super::ids::{Given, Id};
use super::money::{decimal, grouped};
use super::said::{Ending, Report, signed};
use super::session::Session;
use super::words;
use crate::cli::ledger::{FindArgs, PlaceArgs};
use crate::command::{say, say_json};

pub(super) fn balance(given: &Given<AccountId>, place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(place)?;
    let account = session.existing(given)?;
    if session.json {
        say_json(&as_json(&session, &account));
        return Ok(ExitCode::SUCCESS);
    }
    let of = account.balances();
    let asset = account.opening().asset;
    let balance = signed(&account, of.debits_posted, of.credits_posted, grouped);
    let available = match of.available {
        ledger::Available::UpTo(amount) => format!("available {}", grouped(amount, asset)),
        ledger::Available::Unlimited => "no floor".into(),
    };
    say(&format!("{given}  {balance} {}  {available}", asset.currency()));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn totals(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(place)?;
    let told = session.ask(&Query::Totals)?;
    let Said::Totals(totals, accounts) = told.said else {
        bail!("the book answers another question");
    };
    let title = ["asset", "debits = credits", "held debits", "held credits"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    for total in totals {
        let asset = total.asset;
        if session.json {
            say_json(&json!({
                "asset": asset.to_string(),
                "posted": decimal(total.posted, asset),
                "debits_pending": decimal(total.debits_pending, asset),
                "credits_pending": decimal(total.credits_pending, asset),
                "accounts": accounts,
                "facts": told.position.number(),
            }));
        }
        let shown = |minor| Amount::new(minor, asset).for_people();
        rows.push(vec![
            asset.to_string(),
            shown(total.posted),
            shown(total.debits_pending),
            shown(total.credits_pending),
        ]);
    }
    if !session.json {
        say(&words::table(&rows, &[1, 2, 3]));
        say(&format!("{accounts} accounts, {} facts", told.position.number()));
    }
    Ok(ExitCode::SUCCESS)
}

/// What an id may name, by its prefix; a name or bare digits may name any of them.
struct Asked {
    transaction: Option<TransactionId>,
    hold: Option<HoldId>,
    account: Option<AccountId>,
}

impl Asked {
    fn of(text: &str) -> anyhow::Result<Self> {
        let prefixed = [TransactionId::PREFIX, HoldId::PREFIX, AccountId::PREFIX]
            .into_iter()
            .find(|prefix| text.starts_with(prefix));
        fn one<I: Id>(text: &str, prefixed: Option<&str>) -> anyhow::Result<Option<I>> {
            if prefixed.is_some_and(|prefix| prefix != I::PREFIX) {
                return Ok(None);
            }
            let given: Given<I> = text.parse().map_err(|why: String| anyhow!(why))?;
            Ok(Some(given.id))
        }
        Ok(Self {
            transaction: one(text, prefixed)?,
            hold: one(text, prefixed)?,
            account: one(text, prefixed)?,
        })
    }
}

pub(super) fn find(args: &FindArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let asked = Asked::of(&args.id)?;
    let mut best = None;
    if let Some(id) = asked.transaction {
        let report = lookup(&mut session, Lookup::Transaction(id))?;
        best = found(&mut session, &report, "transaction", &id.to_string(), best);
    }
    if let Some(id) = asked.hold {
        let report = lookup(&mut session, Lookup::Hold(id))?;
        best = found(&mut session, &report, "hold", &id.to_string(), best);
    }
    if let Some(id) = asked.account
        && let Some(account) = session.account(id)?
    {
        super::account::show(&session, &account);
        best = best.or(Some(Ending::Done));
    }
    if best.is_none() {
        let words = "nothing is recorded under this id by this client";
        if session.json {
            say_json(&json!({ "id": args.id, "status": "absent", "words": words }));
        } else {
            say(&format!("absent    {}: {words}", args.id));
        }
    }
    Ok(ExitCode::from(best.unwrap_or(Ending::NotDone).code()))
}

fn lookup(session: &mut Session, what: Lookup) -> anyhow::Result<Report> {
    let ticket = session.client.lookup(&[what], session.within)?;
    match session.client.wait(ticket) {
        Completion::Results(results) => {
            let item = results.iter().next().ok_or_else(|| anyhow!("an answer without result"))?;
            Ok(Report::of_item(session, &item).looked_up())
        }
        other => bail!("{other}"),
    }
}

/// Prints what was found; an absent one is left to the others.
fn found(
    session: &mut Session,
    report: &Report,
    kind: &str,
    id: &str,
    best: Option<Ending>,
) -> Option<Ending> {
    if report.status == "absent" {
        return best;
    }
    report.show(session, &format!("{kind} {id}"), json!({ kind: id }));
    Some(best.map_or(report.ending, |best| best.max(report.ending)))
}
