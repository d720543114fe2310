//! `wayleave duty`: an institution's duties, with the keys of one of its edges.

use std::process::ExitCode;

use anyhow::Context;
use api::duties::DecisionDuties;
use api::json::read_json;
use client::Outgoing;
use record::{DutyClosing, Signed};
use seal::sha256;
use server::system;

use super::bank::{Bank, run};
use super::{say, say_json};
use crate::cli::duty::{CloseArgs, DutyCommand, ListArgs};

/// Does what was asked.
pub(crate) fn command(asked: &DutyCommand) -> anyhow::Result<ExitCode> {
    match asked {
        DutyCommand::List(args) => run(list(args)),
        DutyCommand::Close(args) => run(close(args)),
    }
}

async fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let bank = Bank::open(&args.place)?;
    let body = bank.send(bank.book(), Outgoing::get("/v1/decision-duties")).await?;
    let all: DecisionDuties = read_json(&body).map_err(|error| anyhow::anyhow!("{error}"))?;
    let late = |state: &str| state == "overdue";
    for one in all.duties.iter().filter(|one| !args.overdue || late(&one.state)) {
        if args.place.json {
            say_json(&serde_json::to_value(one)?);
            continue;
        }
        say(&format!("{}  {}  {} of {}", one.state, one.due_at, one.kind, one.owner));
        say(&format!("  {}  {} {}  {}", one.payment, one.corridor, one.side, one.visibility));
        say(&format!("  {}", one.duty));
    }
    if !args.place.json {
        let (who, open, overdue, head) = (&all.institution, all.open, all.overdue, all.head);
        say(&format!("{who}: {open} open, {overdue} past their time (its book at {head})"));
    }
    Ok(if all.overdue > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn close(args: &CloseArgs) -> anyhow::Result<ExitCode> {
    let bank = Bank::open(&args.place)?;
    let evidence = std::fs::read(&args.evidence)
        .with_context(|| format!("reading `{}`", args.evidence.display()))?;
    let closing = DutyClosing {
        layout: 1,
        environment: bank.environment()?,
        book: bank.settlement_book()?,
        institution: bank.institution(),
        duty: args.duty,
        evidence: sha256(&evidence),
        closed_at: system::now(),
    };
    let signed = Signed::sign(&closing, bank.permit_key());
    let request = Outgoing::post("/v1/duty-closings", api::wire::CBOR, signed.to_bytes());
    bank.send(bank.book(), request).await?;
    say(&format!("done: {} with {}", args.duty, closing.evidence));
    Ok(ExitCode::SUCCESS)
}
