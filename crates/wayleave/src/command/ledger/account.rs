//! Accounts: open, show, list, freeze, limit, block, close.

use std::process::ExitCode;

use ledger::{Account, Ceiling, Command, Floor, Opening, Owner, account::Standing};
use ledger_server::{Query, Said};
use serde_json::{Value, json};
use terms::{AccountId, AssetCode, Minor};

use super::beside;
use super::ids::{Given, Names};
use super::money::{decimal, grouped, parse};
use super::said::{Ending, Report, signed};
use super::session::Session;
use super::words;
use crate::cli::ledger::{AccountCommand, LimitArgs, OpenArgs, PlaceArgs};
use crate::command::{say, say_json};

pub(super) fn command(asked: &AccountCommand) -> anyhow::Result<ExitCode> {
    match asked {
        AccountCommand::Open(args) => open(args),
        AccountCommand::Show(args) => {
            let mut session = Session::open(&args.place)?;
            let account = session.existing(&args.account)?;
            show(&session, &account);
            Ok(ExitCode::SUCCESS)
        }
        AccountCommand::List(place) => list(place),
        AccountCommand::Freeze(args) => {
            let mut session = Session::open(&args.place)?;
            let (account, freeze) = (args.account.id, args.what.into());
            change(&mut session, &args.account, &Command::SetFreeze { account, freeze })
        }
        AccountCommand::Limits(args) => {
            let mut session = Session::open(&args.place)?;
            let account = session.existing(&args.account)?;
            let asset = account.opening().asset;
            let floor = floor(&args.limits, asset)?.unwrap_or(account.floor());
            let ceiling = ceiling(&args.limits, asset)?.unwrap_or(account.ceiling());
            let command = Command::SetLimits { account: args.account.id, floor, ceiling };
            change(&mut session, &args.account, &command)
        }
        AccountCommand::Block(args) => {
            let mut session = Session::open(&args.place)?;
            let asset = session.existing(&args.account)?.opening().asset;
            let amount = parse(&args.amount, asset)?;
            let command = Command::SetBlocked { account: args.account.id, amount };
            change(&mut session, &args.account, &command)
        }
        AccountCommand::Close(args) => {
            let mut session = Session::open(&args.place)?;
            let command = Command::CloseAccount { account: args.account.id };
            change(&mut session, &args.account, &command)
        }
    }
}

fn open(args: &OpenArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let owner = args.owner.clone().unwrap_or_else(|| session.folder.book().to_string());
    let owner = match owner.contains(':') {
        true => Owner::Company(owner.parse()?),
        false => Owner::Institution(owner.parse()?),
    };
    let command = Command::OpenAccount(Opening {
        id: args.account.id,
        asset: args.asset,
        normal: args.normal.into(),
        owner,
        purpose: args.purpose.into(),
        floor: floor(&args.limits, args.asset)?.unwrap_or(Floor::MayNotGoBelowZero),
        ceiling: ceiling(&args.limits, args.asset)?.unwrap_or(Ceiling::Unlimited),
        marks: beside::marks(&args.marks)?,
    });
    Names::keep(&session.folder, &args.account)?;
    change(&mut session, &args.account, &command)
}

fn floor(args: &LimitArgs, asset: AssetCode) -> anyhow::Result<Option<Floor>> {
    if args.no_floor {
        return Ok(Some(Floor::Unlimited));
    }
    let overdraft = args.overdraft.as_ref().map(|text| parse(text, asset)).transpose()?;
    Ok(overdraft.map(|amount| match amount {
        Minor::ZERO => Floor::MayNotGoBelowZero,
        amount => Floor::Overdraft(amount),
    }))
}

fn ceiling(args: &LimitArgs, asset: AssetCode) -> anyhow::Result<Option<Ceiling>> {
    if args.no_ceiling {
        return Ok(Some(Ceiling::Unlimited));
    }
    let ceiling = args.ceiling.as_ref().map(|text| parse(text, asset)).transpose()?;
    Ok(ceiling.map(Ceiling::At))
}

/// Sends a command about one account and says what became of it.
fn change(
    session: &mut Session,
    given: &Given<AccountId>,
    command: &Command,
) -> anyhow::Result<ExitCode> {
    session.names.learn(given);
    let sent = session.send(command, false)?;
    let mut report = Report::of_sent(session, sent);
    if report.ending == Ending::Done {
        // What it is now stands in `account show`.
        report.without_balances();
    }
    let about = json!({ "account": given.id.to_string(), "name": given.name });
    Ok(report.show(session, &format!("account {given}"), about))
}

fn list(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(place)?;
    let title = ["account", "balance", "", "available", "state"];
    let mut rows = vec![title.map(str::to_owned).to_vec()];
    let mut from = 0;
    loop {
        let Said::Accounts(page, whole) = session.ask(&Query::Accounts(from))?.said else {
            anyhow::bail!("the book answers another question");
        };
        from = from.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
        let is_last = page.is_empty() || from >= whole;
        for account in page {
            if session.json {
                say_json(&as_json(&session, &account));
            } else {
                rows.push(row(&session, &account));
            }
        }
        if is_last {
            break;
        }
    }
    if !session.json {
        say(&words::table(&rows, &[1, 3]));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(session: &Session, account: &Account) -> Vec<String> {
    let (opening, of) = (account.opening(), account.balances());
    let available = match of.available {
        ledger::Available::UpTo(amount) => grouped(amount, opening.asset),
        ledger::Available::Unlimited => "no floor".into(),
    };
    vec![
        session.names.shown(opening.id),
        signed(account, of.debits_posted, of.credits_posted, grouped),
        opening.asset.currency().into(),
        available,
        state(account),
    ]
}

fn state(account: &Account) -> String {
    match (account.standing(), account.freeze()) {
        (Standing::Closed(_), _) => "closed".into(),
        (Standing::Open, ledger::Freeze::Nothing) => "open".into(),
        (Standing::Open, frozen) => format!("frozen: {}", words::freeze(frozen)),
    }
}

/// Prints one account in the asked form.
pub(super) fn show(session: &Session, account: &Account) {
    if session.json {
        return say_json(&as_json(session, account));
    }
    let (opening, of) = (account.opening(), account.balances());
    let amount = |minor| format!("{} {}", grouped(minor, opening.asset), opening.asset.currency());
    let balance = signed(account, of.debits_posted, of.credits_posted, |minor, _| amount(minor));
    let available = match of.available {
        ledger::Available::UpTo(available) => amount(available),
        ledger::Available::Unlimited => "no floor".into(),
    };
    let floor = match account.floor() {
        Floor::MayNotGoBelowZero => "0".into(),
        Floor::Overdraft(overdraft) => format!("-{}", amount(overdraft)),
        Floor::Unlimited => "none".into(),
    };
    let ceiling = match account.ceiling() {
        Ceiling::At(ceiling) => amount(ceiling),
        Ceiling::Unlimited => "none".into(),
    };
    let rows = [
        ("account", session.names.shown(opening.id)),
        ("id", opening.id.to_string()),
        ("asset", opening.asset.to_string()),
        ("balance", format!("{balance} ({} normal)", opening.normal.name())),
        ("held", format!("{} out, {} in", amount(of.debits_pending), amount(of.credits_pending))),
        ("blocked", amount(account.blocked())),
        ("available", available),
        ("floor", floor),
        ("ceiling", ceiling),
        ("owner", format!("{}, {}", words::owner(&opening.owner), words::purpose(opening.purpose))),
        ("marks", marks_shown(opening)),
        ("state", state(account)),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    say(&words::table(&rows, &[]));
}

fn tags(opening: &Opening) -> Vec<String> {
    opening.marks.iter().flat_map(|marks| marks.tags.iter().map(ToString::to_string)).collect()
}

fn marks_shown(opening: &Opening) -> String {
    let code = opening.marks.and_then(|marks| marks.code).map(|code| format!("code {code}"));
    let shown: Vec<String> = code.into_iter().chain(tags(opening)).collect();
    if shown.is_empty() { "none".into() } else { shown.join(", ") }
}

/// An account for programs.
pub(super) fn as_json(session: &Session, account: &Account) -> Value {
    let (opening, of) = (account.opening(), account.balances());
    let asset = opening.asset;
    let floor = match account.floor() {
        Floor::MayNotGoBelowZero => Some(decimal(Minor::ZERO, asset)),
        Floor::Overdraft(overdraft) => Some(format!("-{}", decimal(overdraft, asset))),
        Floor::Unlimited => None,
    };
    let ceiling = match account.ceiling() {
        Ceiling::At(ceiling) => Some(decimal(ceiling, asset)),
        Ceiling::Unlimited => None,
    };
    let available = match of.available {
        ledger::Available::UpTo(amount) => Some(decimal(amount, asset)),
        ledger::Available::Unlimited => None,
    };
    let closed_at = match account.standing() {
        Standing::Open => None,
        Standing::Closed(at) => Some(at.to_string()),
    };
    json!({
        "account": opening.id.to_string(),
        "name": session.names.of(opening.id),
        "asset": asset.to_string(),
        "normal": opening.normal.name(),
        "owner": words::owner(&opening.owner),
        "purpose": words::purpose(opening.purpose),
        "code": opening.marks.and_then(|marks| marks.code),
        "tags": tags(opening),
        "opened_at": account.opened_at().to_string(),
        "closed_at": closed_at,
        "frozen": words::freeze(account.freeze()),
        "floor": floor,
        "ceiling": ceiling,
        "blocked": decimal(account.blocked(), asset),
        "balance": signed(account, of.debits_posted, of.credits_posted, decimal),
        "available": available,
        "debits_posted": decimal(of.debits_posted, asset),
        "credits_posted": decimal(of.credits_posted, asset),
        "debits_pending": decimal(of.debits_pending, asset),
        "credits_pending": decimal(of.credits_pending, asset),
    })
}
