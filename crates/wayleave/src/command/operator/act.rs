//! `wayleave operator act`: a person's documents are made and signed here, and sent to the core.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use client::Outgoing;
use record::{
    AccountLimits, Act, ActAccount, ActDecision, ActKind, ActVerdict, Document, Signed, Stop,
    Subject,
};
use seal::text::from_hex;
use seal::{SigningKey, from_canonical};
use serde_json::Value;
use server::keys::KeyStore;
use server::roles::core::acts::words;
use server::roles::core::files::replace;
use terms::{ActId, AssetCode, BookName, BusinessDate, Environment, Instant, Minor};

use super::super::wallet::amount;
use super::{Desk, Heard, folder, rows, say, say_json, tell, text};
use crate::cli::acts::{
    AccountArgs, ActCommand, ActWords, AgainArgs, DecideArgs, ListArgs, ShowArgs, Sides, SignArgs,
    SubjectArgs, SubjectKind,
};
use crate::cli::operator::DeskArgs;

/// Where proposals are kept before they are sent, below the operator's folder.
const ACTS: &str = "acts";
/// An act without a date begins so long before our now: a core whose clock is behind ours by less
/// begins it at once too. The core takes no act that begins more than an hour ago.
const CLOCKS_APART: Duration = Duration::from_secs(300);

pub(super) async fn command(asked: &ActCommand) -> anyhow::Result<ExitCode> {
    match asked {
        ActCommand::Propose(args) => propose(&args.what).await,
        ActCommand::Again(args) => again(args).await,
        ActCommand::Approve(args) => decide(ActVerdict::Approved, args).await,
        ActCommand::Reject(args) => decide(ActVerdict::Rejected, args).await,
        ActCommand::Withdraw(args) => decide(ActVerdict::Withdrawn, args).await,
        ActCommand::List(args) => list(args).await,
        ActCommand::Show(args) => show(args).await,
    }
}

async fn propose(asked: &ActWords) -> anyhow::Result<ExitCode> {
    let (what, sign) = read(asked)?;
    let now = server::system::now();
    let time = |text: &str| moment(text, now);
    let from = sign.from.as_deref().map(time).transpose()?;
    let until = sign.until.as_deref().map(time).transpose()?;
    let decide_by = time(&sign.decide_by)?;
    let key = key_of(&sign.desk, &sign.who)?;
    let desk = Desk::open(&sign.desk)?;
    let (environment, book) = about(&desk).await?;
    let id = ActId::from_bytes(server::system::time_ordered_bytes()?);
    let act = Act {
        layout: 1,
        environment,
        book,
        id,
        what,
        reason: sign.reason.clone(),
        from: from.unwrap_or(now.minus(CLOCKS_APART)),
        until,
        decide_by,
    };
    let signed = Signed::sign(&act, &key).to_bytes();
    let kept = kept(&sign.desk, id)?;
    // Kept before it is sent: whatever becomes of the answer, it can be sent again.
    replace(&kept, &signed).with_context(|| format!("`{}`", kept.display()))?;
    tell(&format!("proposing {id}: {} …", words(what)));
    send(&desk, signed).await
}

async fn again(args: &AgainArgs) -> anyhow::Result<ExitCode> {
    let kept = kept(&args.desk, args.id)?;
    let signed = std::fs::read(&kept).with_context(|| format!("`{}`", kept.display()))?;
    send(&Desk::open(&args.desk)?, signed).await
}

async fn send(desk: &Desk, signed: Vec<u8>) -> anyhow::Result<ExitCode> {
    answered(desk, desk.post("/v1/acts", api::wire::CBOR, signed).await?)
}

/// What the key signs is what the act's own bytes say, whatever the core says of it.
async fn decide(verdict: ActVerdict, args: &DecideArgs) -> anyhow::Result<ExitCode> {
    let key = key_of(&args.desk, &args.who)?;
    let desk = Desk::open(&args.desk)?;
    let told = match desk.send(Outgoing::get(&format!("/v1/acts/{}", args.id))).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    let bytes = from_hex(&text(&told, "document")).context("the act's document")?;
    let act: Act = from_canonical(&bytes).context("the act's document")?;
    if act.id != args.id {
        bail!("the core showed another act: {}", act.id);
    }
    tell(&format!("{}: {}", verdict.as_str(), words(act.what)));
    let until = act.until.map_or_else(|| "lifted".to_owned(), |until| until.to_string());
    tell(&format!("  from {} until {until}, for: {}", act.from, act.reason));
    let decision = ActDecision {
        layout: 1,
        environment: act.environment,
        book: act.book,
        act: act.id,
        digest: act.digest(),
        verdict,
        reason: args.reason.clone(),
    };
    let signed = Signed::sign(&decision, &key).to_bytes();
    let target = format!("/v1/acts/{}/decision", args.id);
    answered(&desk, desk.post(&target, api::wire::CBOR, signed).await?)
}

async fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&args.desk)?;
    let told = match desk.send(Outgoing::get("/v1/acts")).await? {
        Heard::Told(told) => told,
        Heard::Ended(code) => return Ok(code),
    };
    let waits = |one: &&Value| !args.open || text(one, "standing") == "open";
    if desk.json {
        rows(&told, "acts").iter().filter(waits).for_each(say_json);
        return Ok(ExitCode::SUCCESS);
    }
    for one in rows(&told, "stopped") {
        let word = |key| text(one, key);
        let holds = if word("holds") == "true" { "STOPPED" } else { "to come" };
        let (what, from, until) = (word("what"), word("from"), word("until"));
        say(&format!("{holds}  {what}  {}  from {from}  until {until}", word("sides")));
    }
    rows(&told, "acts").iter().filter(waits).for_each(print);
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let desk = Desk::open(&args.desk)?;
    let heard = desk.send(Outgoing::get(&format!("/v1/acts/{}", args.id))).await?;
    answered(&desk, heard)
}

fn answered(desk: &Desk, heard: Heard) -> anyhow::Result<ExitCode> {
    match heard {
        Heard::Told(told) if desk.json => say_json(&told),
        Heard::Told(told) => print(&told),
        Heard::Ended(code) => return Ok(code),
    }
    Ok(ExitCode::SUCCESS)
}

fn print(one: &Value) {
    let word = |key| text(one, key);
    say(&format!("{}  {}  {}", word("standing"), word("act"), word("what")));
    say(&format!("  by {}, for: {}", word("maker"), word("reason")));
    match word("standing").as_str() {
        "open" => say(&format!("  waits for a second key until {}", word("decide_by"))),
        "fell-through" => say(&format!("  {}", word("detail"))),
        _ => say(&format!("  in effect from {}", word("in_effect_from"))),
    }
    if word("checker") != "-" {
        say(&format!("  decided by {}: {}", word("checker"), word("checker_reason")));
    }
}

pub(super) async fn about(desk: &Desk) -> anyhow::Result<(Environment, BookName)> {
    let Heard::Told(told) = desk.send(Outgoing::get("/v1/about")).await? else {
        bail!("the core says nothing about itself");
    };
    Ok((text(&told, "environment").parse()?, text(&told, "book").parse()?))
}

/// A person's key must be there: opening would draw a new one that nobody knows.
fn key_of(desk: &DeskArgs, who: &str) -> anyhow::Result<SigningKey> {
    let dir = folder(desk.operator.as_deref())?;
    let name = format!("act-{who}");
    let path = dir.join("keys").join(format!("{name}.seed"));
    if !path.is_file() {
        bail!("there is no key of `{who}`: expected `{}`", path.display());
    }
    Ok(KeyStore::open(&dir)?.signing_key(&name)?)
}

fn kept(desk: &DeskArgs, id: ActId) -> anyhow::Result<PathBuf> {
    let dir: PathBuf = folder(desk.operator.as_deref())?.join(ACTS);
    std::fs::create_dir_all(&dir).with_context(|| format!("`{}`", dir.display()))?;
    Ok(Path::new(&dir).join(format!("{id}.act")))
}

fn read(asked: &ActWords) -> anyhow::Result<(ActKind, &SignArgs)> {
    Ok(match asked {
        ActWords::Suspend(args) => (ActKind::Suspend(subject(args)?), &args.sign),
        ActWords::Resume(args) => (ActKind::Resume(subject(args)?), &args.sign),
        ActWords::Freeze(args) => {
            let stop = match args.stop {
                Sides::Debits => Stop::Debits,
                Sides::Credits => Stop::Credits,
                Sides::Both => Stop::Both,
            };
            (ActKind::Freeze(account(&args.account)?, stop), &args.sign)
        }
        ActWords::Thaw(args) => (ActKind::Thaw(account(&args.account)?), &args.sign),
        ActWords::LowWater(args) => {
            let mark = minor(&args.amount, args.asset)?;
            (ActKind::SetLowWater(args.institution, args.asset, mark), &args.sign)
        }
        ActWords::Limits(args) => {
            let ceiling =
                args.ceiling.as_deref().map(|text| minor(text, args.asset)).transpose()?;
            let limits = AccountLimits { overdraft: minor(&args.overdraft, args.asset)?, ceiling };
            (ActKind::SetLimits(args.institution, args.asset, limits), &args.sign)
        }
    })
}

/// An amount that may be nothing.
fn minor(text: &str, asset: AssetCode) -> anyhow::Result<Minor> {
    if !text.is_empty() && text.chars().all(|c| c == '0' || c == '.') {
        return Ok(Minor::ZERO);
    }
    Ok(amount(text, asset)?.minor)
}

fn subject(args: &SubjectArgs) -> anyhow::Result<Subject> {
    let name = &args.name;
    Ok(match args.kind {
        SubjectKind::Participant => Subject::Participant(name.parse()?),
        SubjectKind::Corridor => Subject::Corridor(name.parse()?),
        SubjectKind::Asset => Subject::Asset(name.parse()?),
    })
}

fn account(args: &AccountArgs) -> anyhow::Result<ActAccount> {
    match (args.asset, args.account) {
        (Some(asset), None) => Ok(ActAccount::Settlement(args.institution, asset)),
        (None, Some(account)) => Ok(ActAccount::Customer(args.institution, account)),
        _ => bail!("name `--asset` for a settlement account, or `--account` for a customer's"),
    }
}

/// `2026-11-24T08:00:00Z`, or `+90s`, `+15m`, `+2h`, `+3d` from now.
fn moment(text: &str, now: Instant) -> anyhow::Result<Instant> {
    let wrong = || format!("expected a time such as `2026-11-24T08:00:00Z` or `+2h`, got `{text}`");
    if let Some(ahead) = text.strip_prefix('+') {
        let units = [('s', 1_u64), ('m', 60), ('h', 3_600), ('d', 86_400)];
        let found = units.iter().find_map(|(unit, seconds)| {
            let number: u64 = ahead.strip_suffix(*unit)?.parse().ok()?;
            number.checked_mul(*seconds)
        });
        return Ok(now.plus(Duration::from_secs(found.with_context(wrong)?)));
    }
    let (date, rest) = text.split_once('T').with_context(wrong)?;
    let date: BusinessDate = date.parse().with_context(wrong)?;
    let time: Vec<&str> = rest.strip_suffix('Z').with_context(wrong)?.split(':').collect();
    let part = |place: usize, below: u64| -> anyhow::Result<u64> {
        let digits = time.get(place).filter(|part| part.len() == 2).with_context(wrong)?;
        let number: u64 = digits.parse().ok().with_context(wrong)?;
        if number < below { Ok(number) } else { bail!(wrong()) }
    };
    if time.len() != 3 {
        bail!(wrong());
    }
    let seconds = part(0, 24)? * 3_600 + part(1, 60)? * 60 + part(2, 60)?;
    Ok(date.start().plus(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_absolute_or_from_now_and_nothing_else() {
        let now = Instant::from_seconds(1_795_380_600);
        let good = [
            ("+90s", now.plus(Duration::from_secs(90))),
            ("+2h", now.plus(Duration::from_secs(7_200))),
            ("+3d", now.plus(Duration::from_secs(259_200))),
            ("1970-01-02T01:02:03Z", Instant::from_seconds(86_400 + 3_723)),
        ];
        for (text, expected) in good {
            assert_eq!(moment(text, now).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "+",
            "+h",
            "+-1h",
            "2h",
            "2026-11-24",
            "2026-11-24T08:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T08:00:00",
            "2026-13-24T08:00:00Z",
            "2026-11-24T8:00:00Z",
            "+99999999999999999999d",
        ] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }
}
