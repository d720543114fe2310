//! Transactions and holds: made under an id, printed and stored, then sent.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ledger::{
    Account, Ask, Command, Draft, Entry, Hold, Line, NotDone, Part, Placement, Rest, Side, Term,
    Transaction, VoidGround,
};
use ledger_server::{Query, Said};
use serde_json::json;
use terms::{AccountId, AssetCode, HoldId, Instant, TransactionId};

use super::ids::{Given, day_of, fresh, made_at};
use super::money::{decimal, grouped, parse};
use super::said::{Ending, Report};
use super::session::Session;
use super::{beside, pending};
use crate::cli::ledger::{
    BesideArgs, HoldArgs, HoldCommand, HoldPlaceArgs, HoldPostArgs, HoldVoidArgs, PlaceArgs,
    PostArgs, UnderArgs,
};
use crate::command::{files, say, say_json, tell};

pub(super) fn command(args: &PostArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let lines = match (&args.from, &args.to, &args.amount) {
        (Some(from), Some(to), Some(amount)) => {
            let first = line(&mut session, from, Side::Debit, amount)?;
            // What the ledger finds for the one side is the rest of the other.
            let other = if matches!(first.ask, Ask::Exact(_)) { amount } else { REST };
            vec![first, line(&mut session, to, Side::Credit, other)?]
        }
        _ => lines(&mut session, args)?,
    };
    post(&mut session, &args.under, &args.beside, lines)
}

fn lines(session: &mut Session, args: &PostArgs) -> anyhow::Result<Vec<Line>> {
    let debits = args.debit.iter().map(|text| (Side::Debit, text));
    let credits = args.credit.iter().map(|text| (Side::Credit, text));
    debits
        .chain(credits)
        .map(|(side, text)| {
            let (account, amount) = text
                .split_once('=')
                .with_context(|| format!("expected `ACCOUNT=AMOUNT`, got `{text}`"))?;
            let account: Given<AccountId> = account.parse().map_err(|why: String| anyhow!(why))?;
            line(session, &account, side, amount)
        })
        .collect()
}

/// What is left.
const REST: &str = "rest";

fn line(
    session: &mut Session,
    account: &Given<AccountId>,
    side: Side,
    amount: &str,
) -> anyhow::Result<Line> {
    let asset = session.existing(account)?.opening().asset;
    Ok(Line { account: account.id, side, ask: ask(amount, asset)?, part: None })
}

/// `12.50`, `up-to:12.50`, `all`, `share:3`, `rest`.
pub(super) fn ask(text: &str, asset: AssetCode) -> anyhow::Result<Ask> {
    match text.split_once(':') {
        Some(("up-to", most)) => Ok(Ask::UpTo(parse(most, asset)?)),
        Some(("share", weight)) => {
            let weight = weight.parse();
            let weight = weight.with_context(|| format!("expected `share:3`, got `{text}`"))?;
            Ok(Ask::Share { weight })
        }
        None if text == "all" => Ok(Ask::Everything),
        None if text == REST => Ok(Ask::Remainder),
        _ => Ok(Ask::Exact(parse(text, asset)?)),
    }
}

/// A transaction where every amount is exact and no rest is kept, else a draft.
pub(super) fn posting(draft: Draft) -> Command {
    let entry = |line: &Line| match (line.ask, line.part) {
        (Ask::Exact(_), Some(Part { rest: Rest::Kept, .. })) => None,
        (Ask::Exact(amount), part) => {
            let hold = part.map(|part| part.hold);
            Some(Entry { account: line.account, side: line.side, amount, hold })
        }
        _ => None,
    };
    let Some(entries) = draft.lines.iter().map(entry).collect() else {
        return Command::PostDraft(draft);
    };
    let Draft { id, business_date, reason, claims, links, detail, .. } = draft;
    Command::Post(Transaction { id, business_date, reason, entries, claims, links, detail })
}

/// Sends a transaction, its id printed first.
fn post(
    session: &mut Session,
    under: &UnderArgs,
    more: &BesideArgs,
    lines: Vec<Line>,
) -> anyhow::Result<ExitCode> {
    let given = match &under.id {
        Some(given) => given.clone(),
        None => Given { id: fresh::<TransactionId>()?, name: None },
    };
    let first = lines.first().context("expected a line")?;
    let account = session.account(first.account)?.context("the account is gone")?;
    let amount = match first.ask {
        Ask::Exact(amount) | Ask::UpTo(amount) => Some(amount),
        Ask::Everything | Ask::Share { .. } | Ask::Remainder => None,
    };
    let mut keys = session.folder.personal_keys();
    if under.dry_run {
        keys = keys.without_making();
    }
    let command = posting(Draft {
        id: given.id,
        business_date: under.date.unwrap_or_else(|| day_of(&given.id)),
        reason: under.reason.into(),
        lines,
        claims: beside::claims(&more.bounds, account.opening().asset, amount)?,
        links: beside::links(&more.bounds)?,
        detail: beside::detail(more, given.id, &keys)?,
    });
    let about = json!({ "transaction": given.id.to_string(), "name": given.name });
    let what = format!("transaction {given}");
    send(session, &command, under.dry_run, &what, about)
}

/// Announces, sends, and says what became of it.
fn send(
    session: &mut Session,
    command: &Command,
    dry_run: bool,
    what: &str,
    about: serde_json::Value,
) -> anyhow::Result<ExitCode> {
    // Said before anything is sent: whoever is interrupted now knows what to ask for.
    if let (Some(id), false) = (pending::id_of(command), dry_run) {
        tell(&format!("sending   {id}"));
    }
    let sent = session.send(command, dry_run)?;
    let report = Report::of_sent(session, sent);
    if report.ending == Ending::Unknown {
        tell("it is stored: `wayleave ledger retry` sends the very same again");
    }
    Ok(report.show(session, what, about))
}

/// Sends again what was never answered.
pub(super) fn retry(place: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(place)?;
    let mut worst = Ending::Done;
    let (mut sent, mut others) = (0_u64, 0_u64);
    for (client, command) in pending::all(&session.folder)? {
        if client != session.client_name {
            others = others.saturating_add(1);
            continue;
        }
        let id = pending::id_of(&command).context("a command without id was stored")?;
        let again = session.send(&command, false)?;
        let report = Report::of_sent(&mut session, again);
        worst = worst.max(report.ending);
        report.show(&mut session, &id, json!({ "id": id }));
        sent = sent.saturating_add(1);
    }
    if others > 0 {
        tell(&format!("{others} of other clients: name them with `--client`"));
    }
    if sent == 0 {
        tell("nothing waits for an answer");
    }
    Ok(ExitCode::from(worst.code()))
}

pub(super) fn hold(asked: &HoldCommand) -> anyhow::Result<ExitCode> {
    match asked {
        HoldCommand::Place(args) => place(args),
        HoldCommand::Show(args) => show(args),
        HoldCommand::Pin(args) => {
            let mut session = Session::open(&args.place)?;
            let hold = args.hold.id;
            of_hold(&mut session, &args.hold, &Command::PinHold { hold })
        }
        HoldCommand::Void(args) => void(args),
        HoldCommand::Post(args) => post_hold(args),
    }
}

fn of_hold(
    session: &mut Session,
    given: &Given<HoldId>,
    command: &Command,
) -> anyhow::Result<ExitCode> {
    let about = json!({ "hold": given.id.to_string(), "name": given.name });
    send(session, command, false, &format!("hold {given}"), about)
}

fn place(args: &HoldPlaceArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let asset = session.existing(&args.on)?.opening().asset;
    let given = match &args.id {
        Some(given) => given.clone(),
        None => Given { id: fresh::<HoldId>()?, name: None },
    };
    let from = made_at(&given.id).unwrap_or_else(client::system::now);
    let term = if args.pinned {
        Term::Pinned
    } else {
        Term::Expiring { at: from.plus(duration(&args.lasts)?) }
    };
    let command = Command::PlaceHold(Placement {
        id: given.id,
        account: args.on.id,
        side: args.side.into(),
        amount: parse(&args.amount, asset)?,
        term,
        business_date: args.date.unwrap_or_else(|| day_of(&given.id)),
        limits: beside::bounds(&args.bounds, asset)?,
        links: beside::links(&args.bounds)?,
    });
    let about = json!({ "hold": given.id.to_string(), "name": given.name });
    send(&mut session, &command, args.dry_run, &format!("hold {given}"), about)
}

pub(super) fn duration(text: &str) -> anyhow::Result<Duration> {
    let expected = || anyhow!("expected a time such as `90s`, `15m`, `2h` or `7d`, got `{text}`");
    let last = text.chars().last().ok_or_else(expected)?;
    let seconds = match last {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let number = text.strip_suffix(last).unwrap_or_default();
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = plain.then(|| number.parse().ok()).flatten().ok_or_else(expected)?;
    Ok(Duration::from_secs(number.checked_mul(seconds).ok_or_else(expected)?))
}

/// A hold that no fact has ended.
fn open_hold(session: &mut Session, id: HoldId) -> anyhow::Result<Option<(Hold, Account)>> {
    match session.ask(&Query::OpenHold(id))?.said {
        Said::OpenHold(hold) => {
            let account = session.account(hold.placement().account)?;
            let account = account.context("the hold's account is not there")?;
            Ok(Some((hold, account)))
        }
        Said::NoOpenHold(_) => Ok(None),
        _ => bail!("the book answers another question"),
    }
}

fn show(args: &HoldArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let given = &args.hold;
    let Some((hold, account)) = open_hold(&mut session, given.id)? else {
        bail!("hold `{given}` is not open: `wayleave ledger find` tells whether it ever was");
    };
    let placement = hold.placement();
    let asset = account.opening().asset;
    let until: Option<Instant> = match hold.state() {
        ledger::HoldState::Open(Term::Expiring { at }) => Some(at),
        _ => None,
    };
    let on = session.names.shown(placement.account);
    if session.json {
        say_json(&json!({
            "hold": given.id.to_string(),
            "name": given.name,
            "account": placement.account.to_string(),
            "account_name": session.names.of(placement.account),
            "side": placement.side.name(),
            "amount": decimal(placement.amount, asset),
            "remaining": decimal(hold.remaining(), asset),
            "asset": asset.to_string(),
            "placed_at": hold.placed_at().to_string(),
            "until": until.map(|at| at.to_string()),
        }));
    } else {
        let until = until.map_or("pinned".to_owned(), |at| format!("until {at}"));
        let remaining = grouped(hold.remaining(), asset);
        let side = placement.side.name();
        say(&format!("hold {given}   {remaining} {} on {on} ({side})   {until}", asset.currency()));
    }
    Ok(ExitCode::SUCCESS)
}

fn void(args: &HoldVoidArgs) -> anyhow::Result<ExitCode> {
    let ground = match (args.not_done, &args.document) {
        (Some(source), Some(path)) => {
            let document = seal::digest::sha256(&files::read(path)?);
            VoidGround::NotDone(NotDone { source: source.into(), document })
        }
        _ => VoidGround::Cancelled,
    };
    let mut session = Session::open(&args.place)?;
    of_hold(&mut session, &args.hold, &Command::VoidHold { hold: args.hold.id, ground })
}

fn post_hold(args: &HoldPostArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let open = open_hold(&mut session, args.hold.id)?;
    let (hold, to) = (args.hold.id, args.to.id);
    let (account, side) = match (&args.from, &open) {
        (Some(from), None) => (session.existing(from)?, Side::Debit),
        (None, Some((hold, account))) => (*account, hold.placement().side),
        (Some(from), Some((hold, _))) => (session.existing(from)?, hold.placement().side),
        (None, None) => {
            let shown = &args.hold;
            bail!(
                "hold `{shown}` is not open: to repeat what posted it, name `--from` and `--amount`"
            )
        }
    };
    let asset = account.opening().asset;
    let amount = match (&args.amount, &open) {
        (Some(text), _) => parse(text, asset)?,
        (None, Some((hold, _))) => hold.remaining(),
        (None, None) => bail!("hold `{}` is not open: name `--amount`", args.hold),
    };
    session.existing(&args.to)?;
    let other = if side == Side::Debit { Side::Credit } else { Side::Debit };
    let rest = if args.keep_rest { Rest::Kept } else { Rest::Released };
    let part = Some(Part { hold, rest });
    let ask = Ask::Exact(amount);
    let held = Line { account: account.opening().id, side, ask, part };
    let mut lines = vec![held, Line { account: to, side: other, ask, part: None }];
    // The debit stands first, as in every transfer.
    lines.sort_by_key(|line| line.side);
    post(&mut session, &args.under, &args.beside, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("7d").unwrap(), Duration::from_secs(7 * 86_400));
        for bad in ["", "5", "m", "-1s", "1.5h", "1w", "99999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
