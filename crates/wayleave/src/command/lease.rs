//! `wayleave lease`: what is leased, what a bank holds, a provider's consent, the end of a lease.

use core::time::Duration;
use std::process::ExitCode;

use anyhow::Context;
use api::json::read_json;
use api::lease::{HeldLeases, LeaseRow, Leases, LinkStanding};
use client::Outgoing;
use record::{LeaseConsent, LeaseEnd, LeaseLine, Signed};
use seal::sha256;
use seal::text::to_hex;
use serde_json::json;
use server::keys::KeyStore;
use server::roles::{Common, read_config};
use server::system;
use terms::Minor;

use super::books::{ask, money};
use super::{files, say, say_json, two_persons};
use crate::cli::books::AskedArgs;
use crate::cli::lease::{ConsentArgs, EndArgs, EndCommand, EndSendArgs, LeaseCommand};

/// Does what was asked.
pub(crate) fn command(asked: &LeaseCommand) -> anyhow::Result<ExitCode> {
    match asked {
        LeaseCommand::List(args) => list(args),
        LeaseCommand::Held(args) => held(args),
        LeaseCommand::Consent(args) => consent(args),
        LeaseCommand::End(EndCommand::Sign(args)) => sign(args),
        LeaseCommand::End(EndCommand::Send(args)) => send(args),
    }
}

fn list(args: &AskedArgs) -> anyhow::Result<ExitCode> {
    let body = ask(args, Outgoing::get("/v1/leases"))?;
    let all: Leases = read_json(&body).map_err(|e| anyhow::anyhow!("{e}"))?;
    for row in &all.leases {
        if args.json {
            say_json(&serde_json::to_value(row)?);
        } else {
            say_lease(row);
        }
    }
    if all.leases.is_empty() && !args.json {
        say("nothing is leased");
    }
    let waits = all.leases.iter().any(|row| !row.waits.is_empty());
    Ok(if waits { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn say_lease(row: &LeaseRow) {
    let (debit, credit) =
        (money(&row.debit, &row.debit_asset), money(&row.credit, &row.credit_asset));
    say(&format!(
        "{}  lease {}  {}  until {}",
        row.institution, row.number, row.standing, row.ends_at
    ));
    say(&format!("  held back: {debit} of it, {credit} of {}", row.provider));
    let spent = money(&row.spent, &row.debit_asset);
    say(&format!("  spent: {spent} in {} payments that were reported", row.payments));
    for one in &row.waits {
        say(&format!("  waits  {}: {}", one.payment, one.rule));
    }
}

fn held(args: &AskedArgs) -> anyhow::Result<ExitCode> {
    let body = ask(args, Outgoing::get("/v1/leases/held"))?;
    let all: HeldLeases = read_json(&body).map_err(|e| anyhow::anyhow!("{e}"))?;
    if args.json {
        say_json(&serde_json::to_value(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    say(match all.link {
        LinkStanding::Heard => "the core is heard: it decides",
        LinkStanding::Cut => "the core is not heard: payments are accepted under the lease",
    });
    for line in &all.lines {
        let open = if line.is_open { "open" } else { "closed" };
        let leased = money(&line.debit, &line.debit_asset);
        say(&format!("lease {}  {open}  {leased} until {}", line.number, line.ends_at));
        let spent = money(&line.spent, &line.debit_asset);
        let unreported = money(&line.unreported, &line.debit_asset);
        say(&format!("  spent: {spent}   not settled by the core yet: {unreported}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn consent(args: &ConsentArgs) -> anyhow::Result<ExitCode> {
    let common: Common = read_config(&args.dir)?;
    let line = LeaseLine {
        institution: args.institution,
        provider: common.name.parse().context("`name` in role.json")?,
        debit: args.debit,
        credit: args.credit,
    };
    let days = Duration::from_secs(u64::from(args.days) * 86_400);
    let consent = LeaseConsent {
        layout: 1,
        environment: common.environment.parse().context("`environment` in role.json")?,
        book: args.book,
        line,
        ceiling: Minor::new(args.ceiling),
        ends_at: system::now().plus(days),
    };
    let path = args.dir.join("keys").join("quote.seed");
    anyhow::ensure!(path.is_file(), "expected a provider's key at `{}`", path.display());
    let key = KeyStore::open(&args.dir)?.signing_key("quote")?;
    say(&to_hex(&Signed::sign(&consent, &key).to_bytes()));
    Ok(ExitCode::SUCCESS)
}

fn sign(args: &EndArgs) -> anyhow::Result<ExitCode> {
    let key = two_persons::approver(&args.operator, &args.who)?;
    let (institution, provider) = (args.institution, args.provider);
    let end = LeaseEnd {
        layout: 1,
        environment: args.environment,
        book: args.book,
        line: LeaseLine { institution, provider, debit: args.debit, credit: args.credit },
        number: args.number,
        evidence: sha256(&files::read(&args.evidence)?),
        words: args.words.clone(),
    };
    two_persons::write_first(&args.out, &Signed::sign(&end, &key))?;
    say(&format!("signed by {}; nothing was sent: another person sends it", args.who));
    Ok(ExitCode::SUCCESS)
}

fn send(args: &EndSendArgs) -> anyhow::Result<ExitCode> {
    let key = two_persons::approver(&args.asked.operator, &args.who)?;
    let (end, both) = two_persons::second::<LeaseEnd>(&args.file, &key)?;
    if !args.asked.json {
        say(&format!("end of lease {} of {}", end.number, end.line.institution));
        say(&format!("  evidence {}", end.evidence));
        say(&format!("  {}", end.words));
    }
    let body = api::wire::write_cbor(&both);
    ask(&args.asked, Outgoing::post("/v1/lease-ends", api::wire::CBOR, body))?;
    if args.asked.json {
        let bank = end.line.institution.to_string();
        say_json(&json!({ "ended": end.number, "institution": bank }));
    } else {
        say("ended: what was left of its holds is free");
    }
    Ok(ExitCode::SUCCESS)
}
