//! The words of `wayleave lease`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use terms::{AssetCode, BookName, Environment, InstitutionName, ProviderName};

use super::books::AskedArgs;

/// Authority that a bank may use while it is cut off from the core.
///
/// The core leases an amount for a time to a bank that keeps its own book: it holds the bank's
/// settlement money and the provider's back in full, and renews the lease while the link is good.
/// Cut off, the bank accepts its customers' payments for good, inside the lease; what it accepted
/// settles when the link is back. `leases` in the core's `role.json` is the contract;
/// `docs/parts/lease.md` says the rest.
#[derive(Debug, Subcommand)]
pub enum LeaseCommand {
    /// The leases that are not settled, as the core knows them: held back, spent, until when.
    ///
    /// `ended-unreported` is a lease whose time is over and whose bank has not said what it spent:
    /// its money stays held back. `waits` names what keeps a reported payment from settling.
    ///
    /// Exit 0: nothing waits. Exit 1: something does.
    List(AskedArgs),
    /// The leases that a bank holds, and whether it hears the core. Ask the bank, as its operator.
    Held(AskedArgs),
    /// Sign a provider's standing consent that its money is held back for a bank's leases.
    ///
    /// Prints the hex for `consent` in `leases` of the core's `role.json`. Signs with the
    /// provider's quote key.
    Consent(Box<ConsentArgs>),
    #[command(subcommand)]
    End(EndCommand),
}

/// Arguments of `lease consent`.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// The bank that may be leased to.
    pub institution: InstitutionName,
    /// The asset that the bank pays with.
    #[arg(long, value_name = "ASSET")]
    pub debit: AssetCode,
    /// The asset that the provider delivers.
    #[arg(long, value_name = "ASSET")]
    pub credit: AssetCode,
    /// Most that may be held back at one time, in minor units of what is delivered.
    #[arg(long, value_name = "MINOR_UNITS")]
    pub ceiling: u128,
    /// For how many days.
    #[arg(long, default_value_t = 30)]
    pub days: u32,
    /// The settlement book.
    #[arg(long, default_value = "settlement")]
    pub book: BookName,
    /// The provider's folder.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

/// End a lease whose holder is gone, with two persons' keys.
///
/// Only when its time is over, only with evidence, and only saying what became of the money. A
/// payment that the bank reports all the same later is refused by name, and its payer's money is
/// freed.
#[derive(Debug, Subcommand)]
pub enum EndCommand {
    /// Write the end of a lease into a file, signed by the first person. Nothing is sent.
    Sign(Box<EndArgs>),
    /// Show what another person signed, sign it too and send it. Sent again it changes nothing.
    Send(EndSendArgs),
}

/// Arguments of `lease end sign`.
#[derive(Debug, Args)]
pub struct EndArgs {
    /// The bank.
    pub institution: InstitutionName,
    /// The lease's number, as `lease list` shows it.
    pub number: u64,
    /// The provider.
    #[arg(long)]
    pub provider: ProviderName,
    /// The asset of the bank's side.
    #[arg(long, value_name = "ASSET")]
    pub debit: AssetCode,
    /// The asset of the provider's side.
    #[arg(long, value_name = "ASSET")]
    pub credit: AssetCode,
    /// What shows that the bank is gone: its digest is signed. Keep the file.
    #[arg(long, value_name = "FILE")]
    pub evidence: PathBuf,
    /// What became of the money, in words.
    #[arg(long)]
    pub words: String,
    /// The settlement book.
    #[arg(long, default_value = "settlement")]
    pub book: BookName,
    /// Where it applies.
    #[arg(long, default_value = "sandbox")]
    pub environment: Environment,
    /// Your name: signs with `keys/approve-NAME.seed` of the operator's folder.
    #[arg(long = "by", value_name = "NAME")]
    pub who: String,
    /// The operator's folder.
    #[arg(long, value_name = "DIR")]
    pub operator: PathBuf,
    /// The file for the second person. It must be new.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `lease end send`.
#[derive(Debug, Args)]
pub struct EndSendArgs {
    /// What the first person signed.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Your name: signs with `keys/approve-NAME.seed` of the operator's folder.
    #[arg(long = "by", value_name = "NAME")]
    pub who: String,
    #[command(flatten)]
    pub asked: AskedArgs,
}
