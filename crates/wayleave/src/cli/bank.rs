//! The words of `wayleave bank`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use terms::PaymentId;

/// An institution's own acts after a payment: answer a request, give a payment back.
///
/// Reads `role.json` and the keys in the folder of one of its edges, and signs with its permit
/// key. The edge may be running.
#[derive(Debug, Subcommand)]
pub enum BankCommand {
    /// Give a settled payment back, whole or in part (ISO 20022 pacs.004).
    ///
    /// Asks the FX provider for a quote the other way round, signs a return order and settles it.
    /// Every fee of the payment stays with its taker. Money that had reached the payee's account
    /// goes back only with the payee's signed consent (`wayleave wallet agree`). What has come
    /// back in all never exceeds the payment.
    Return(ReturnArgs),
    /// Answer a request to give a payment back (ISO 20022 camt.029).
    ///
    /// The answer moves no money: after `--accept`, return it or let the payee refund it.
    Answer(AnswerArgs),
    /// Say what became of a payment since it settled: asked back, given back, posted or waiting.
    After(AfterArgs),
}

/// Arguments of `bank return`.
#[derive(Debug, Args)]
pub struct ReturnArgs {
    /// The payment that is given back.
    pub payment: PaymentId,
    /// How much leaves the bank, in minor units of the asset that the payment credited. The quote
    /// decides the last cents: at most this much is given back.
    #[arg(long, value_name = "MINOR_UNITS")]
    pub amount: u128,
    /// ISO 20022 return reason: `AC04` closed account, `FOCR` following a request, `CUST`.
    #[arg(long, value_name = "CODE")]
    pub reason: String,
    /// The payee's consent; not needed for money that never reached its account.
    #[arg(long, value_name = "FILE")]
    pub consent: Option<PathBuf>,
    #[command(flatten)]
    pub place: BankPlace,
}

/// Arguments of `bank answer`.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// The payment that is asked back.
    pub payment: PaymentId,
    /// Agree: a return or refund follows.
    #[arg(long, conflicts_with = "reject", required_unless_present = "reject")]
    pub accept: bool,
    /// Do not agree, for this ISO 20022 reason: `CUST`, `NOAS`, `LEGL`, `ARDT`.
    #[arg(long, value_name = "CODE")]
    pub reject: Option<String>,
    #[command(flatten)]
    pub place: BankPlace,
}

/// Arguments of `bank after`.
#[derive(Debug, Args)]
pub struct AfterArgs {
    /// The payment.
    pub payment: PaymentId,
    #[command(flatten)]
    pub place: BankPlace,
}

/// Which institution, and in which form to answer.
#[derive(Clone, Debug, Args)]
pub struct BankPlace {
    /// The folder of one of the institution's edges.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}
