//! `wayleave mirrors` and `wayleave bank`: an operator's questions to books that are kept apart.

use std::process::ExitCode;

use anyhow::{Context, bail};
use api::bank::{AllDuties, FreezeAct, MirrorRow, Mirrors, NotAsked, Refuses, Verdict};
use api::json::read_json;
use bytes::Bytes;
use client::{CLIENT_LIMITS, Client, Outcome, Outgoing};
use server::keys::{Descriptor, KeyStore, REQUEST_KEY};
use terms::{Amount, AssetCode, Minor};
use wallet::EXIT_UNKNOWN;

use super::{say, say_json};
use crate::cli::books::{AskedArgs, FreezeArgs, MirrorsArgs, RefusesArg};

/// Compares the mirrors.
pub(crate) fn mirrors(args: &MirrorsArgs) -> anyhow::Result<ExitCode> {
    let body = ask(&args.asked, Outgoing::get("/v1/mirrors"))?;
    let mirrors: Mirrors = read_json(&body).map_err(|e| anyhow::anyhow!("{e}"))?;
    for row in &mirrors.rows {
        if args.asked.json {
            say_json(&serde_json::to_value(row)?);
        } else {
            say_row(row);
        }
    }
    say_not_asked(&mirrors.not_asked, args.asked.json)?;
    let broken = mirrors.rows.iter().any(|row| row.verdict != Verdict::Agree);
    Ok(match (broken, mirrors.not_asked.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, false) => ExitCode::from(EXIT_UNKNOWN),
        (false, true) => ExitCode::SUCCESS,
    })
}

fn say_row(row: &MirrorRow) {
    let money = |minor: &str| money(minor, &row.asset);
    let verdict = match &row.verdict {
        Verdict::Agree => "agree".to_owned(),
        Verdict::Break { .. } => "BREAK".to_owned(),
    };
    say(&format!("{verdict:<9}  {:<12} {}", row.participant, row.asset));
    say(&format!(
        "           settlement book at {}: {}   own book at {}: {}",
        row.settlement_position,
        money(&row.settlement),
        row.book_position,
        money(&row.due_from)
    ));
    if row.own != "0" {
        say(&format!("           own money: {}", money(&row.own)));
    }
    if !row.items.is_empty() {
        let (leave, come) = (money(&row.to_leave), money(&row.to_come));
        say(&format!("           in transit: {leave} still to leave, {come} still to come"));
    }
    for item in &row.items {
        let what = if item.missing == "to-debit" { "to be posted" } else { "to be credited" };
        let amount = money(&item.minor);
        say(&format!("           {}  {amount}  {what} since {}", item.payment, item.since));
    }
    if row.open_holds > 0 {
        say(&format!("           {} holds for payments are open", row.open_holds));
    }
    if let Verdict::Break { minor, says, age_seconds } = &row.verdict {
        let amount = money(minor);
        say(&format!(
            "           its own book says {amount} {says} than the settlement book, known for \
             {age_seconds} s"
        ));
    }
}

/// Minor units as people read them, with their sign; the bare number where they are none.
pub(super) fn money(minor: &str, asset: &str) -> String {
    let (sign, units) = minor.strip_prefix('-').map_or(("", minor), |units| ("-", units));
    let amount = units.parse::<Minor>().ok().zip(asset.parse::<AssetCode>().ok());
    amount.map_or_else(
        || format!("{minor} minor units"),
        |(minor, asset)| format!("{sign}{}", Amount::new(minor, asset).for_people()),
    )
}

fn say_not_asked(all: &[NotAsked], json: bool) -> anyhow::Result<()> {
    for other in all {
        if json {
            say_json(&serde_json::to_value(other)?);
        } else {
            say(&format!("not asked  {}: {}", other.participant, other.reason));
        }
    }
    Ok(())
}

/// The returns that a bank owes.
pub(crate) fn duties(args: &AskedArgs) -> anyhow::Result<ExitCode> {
    let body = ask(args, Outgoing::get("/v1/duties"))?;
    let all: AllDuties = read_json(&body).map_err(|e| anyhow::anyhow!("{e}"))?;
    for of in &all.duties {
        if args.json {
            say_json(&serde_json::to_value(of)?);
            continue;
        }
        let (bank, open, head) = (&of.institution, of.open, of.head);
        match open {
            0 => say(&format!("{bank} owes no return (its book at {head})")),
            _ => say(&format!("{bank} owes {open} returns (its book at {head})")),
        }
        for one in &of.owed {
            let amount = money(&one.minor, &one.asset);
            say(&format!("  {}  {amount}  in suspense since {}", one.payment, one.since));
        }
    }
    say_not_asked(&all.not_asked, args.json)?;
    let owed = all.duties.iter().any(|of| of.open > 0);
    Ok(match (owed, all.not_asked.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, false) => ExitCode::from(EXIT_UNKNOWN),
        (false, true) => ExitCode::SUCCESS,
    })
}

/// Freezes an account or thaws it.
pub(crate) fn freeze(args: &FreezeArgs) -> anyhow::Result<ExitCode> {
    let act = FreezeAct {
        layout: 1,
        account: args.account,
        refuses: match args.refuses {
            RefusesArg::Nothing => Refuses::Nothing,
            RefusesArg::Debits => Refuses::Debits,
            RefusesArg::Credits => Refuses::Credits,
            RefusesArg::Both => Refuses::Both,
        },
        reason: args.reason.clone(),
    };
    let body = api::wire::write_cbor(&act);
    let said = ask(&args.asked, Outgoing::post("/v1/freezes", api::wire::CBOR, body))?;
    if args.asked.json {
        say_json(&serde_json::from_slice(&said)?);
    } else {
        say(&format!("recorded: {} refuses {:?}", args.account, args.refuses).to_lowercase());
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn ask(args: &AskedArgs, request: Outgoing<'_>) -> anyhow::Result<Bytes> {
    let known = Descriptor::read(&args.at)
        .with_context(|| format!("`{}` is no role's folder", args.at.display()))?;
    let seed = args.operator.join("keys").join(format!("{REQUEST_KEY}.seed"));
    anyhow::ensure!(seed.is_file(), "expected an operator's key at `{}`", seed.display());
    let key = KeyStore::open(&args.operator)?.signing_key(REQUEST_KEY)?;
    let peer = known.peer()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        Client::new(peer.guard(), CLIENT_LIMITS).send(&peer, request, &key).await
    });
    match outcome {
        Outcome::Answer(answer) => Ok(answer.body),
        Outcome::Refused(problem) => bail!(
            "`{}` refuses: {} {}",
            known.name,
            problem.title,
            problem.detail.unwrap_or_default()
        ),
        Outcome::NotDone(why) => bail!("`{}` was not asked: {why}", known.name),
        Outcome::Unknown(why) => bail!("no answer of `{}`: {why}", known.name),
    }
}
