//! `wayleave operator correct`: two persons set right what was booked wrongly.

use core::time::Duration;
use std::process::ExitCode;

use record::{Correction, CorrectionMove, Signed};
use seal::to_canonical;
use serde_json::json;
use server::system;
use terms::TransactionId;

use super::super::two_persons;
use super::super::wallet::amount;
use super::act::about;
use super::{Desk, Heard, folder, say, say_json, tell};
use crate::cli::operator::{CorrectArgs, CorrectCommand, SecondArgs};

/// How long a correction that one person signed waits for the second.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3_600);

pub(super) async fn command(asked: &CorrectCommand) -> anyhow::Result<ExitCode> {
    match asked {
        CorrectCommand::Sign(args) => sign(args).await,
        CorrectCommand::Send(args) => send(args).await,
    }
}

async fn sign(args: &CorrectArgs) -> anyhow::Result<ExitCode> {
    let key = two_persons::approver(&folder(args.desk.operator.as_deref())?, &args.who)?;
    let desk = Desk::open(&args.desk)?;
    let (environment, book) = about(&desk).await?;
    let amount = amount(&args.amount, args.asset)?;
    let correction = Correction {
        layout: 1,
        environment,
        book,
        correction: TransactionId::from_bytes(system::time_ordered_bytes()?),
        corrects: args.transaction,
        reason: args.reason.clone(),
        moves: vec![CorrectionMove { debit: args.debit, credit: args.credit, amount }],
        valid_until: system::now().plus(GOOD_FOR),
    };
    two_persons::write_first(&args.out, &Signed::sign(&correction, &key))?;
    if desk.json {
        say_json(&shown(&correction, "signed by one"));
    } else {
        say(&words(&correction));
        say(&format!("signed by {}; for the second person: {}", args.who, args.out.display()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn send(args: &SecondArgs) -> anyhow::Result<ExitCode> {
    let key = two_persons::approver(&folder(args.desk.operator.as_deref())?, &args.who)?;
    let desk = Desk::open(&args.desk)?;
    let (correction, both) = two_persons::second::<Correction>(&args.file, &key)?;
    tell(&words(&correction));
    match desk.post("/v1/corrections", api::wire::CBOR, to_canonical(&both)).await? {
        Heard::Told(_) if desk.json => say_json(&shown(&correction, "corrected")),
        Heard::Told(_) => say(&format!("corrected  transaction {}", correction.correction)),
        Heard::Ended(code) => return Ok(code),
    }
    Ok(ExitCode::SUCCESS)
}

fn words(correction: &Correction) -> String {
    let moves = correction.moves.iter().map(|one| {
        format!("\n  {}  debit {}  credit {}", one.amount.for_people(), one.debit, one.credit)
    });
    let moves: String = moves.collect();
    let (corrects, reason) = (correction.corrects, &correction.reason);
    format!("correction of {corrects}, for: {reason}{moves}")
}

fn shown(correction: &Correction, outcome: &str) -> serde_json::Value {
    json!({
        "outcome": outcome,
        "correction": correction.correction.to_string(),
        "corrects": correction.corrects.to_string(),
        "moves": correction.moves.iter().map(|one| json!({
            "debit": one.debit.to_string(),
            "credit": one.credit.to_string(),
            "amount": one.amount.for_people(),
        })).collect::<Vec<_>>(),
    })
}
