//! The words of `wayleave wallet` and `wayleave privacy`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use terms::PaymentId;

/// A company's wallet: receive credentials, ask to be paid, pay, look.
///
/// Progress goes to standard error, the result to standard output.
///
/// Exit 0: good. Exit 1: refused, declined, or not done. Exit 4: nobody here knows; ask again
/// with `wayleave wallet resume PAYMENT`, and do not pay anew.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Receive a credential from an issuer's offer (OpenID4VCI, pre-authorised code).
    ///
    /// The issuer must stand in `wallet.json`. A newer credential of the same issuer and type
    /// replaces the older one.
    Receive(ReceiveArgs),
    /// Ask to be paid: sign an invoice, answer the bank's question, write a request to pay.
    ///
    /// The bank asks who you are (registration and account); you see what would be shown and to
    /// whom, and agree or not. The file that comes of it goes to the payer.
    Invoice(InvoiceArgs),
    /// Pay a request to pay.
    ///
    /// Shows the exact terms, every fee and what would be shown of you to whom, then asks. When
    /// something is missing it says what and how to mend it, before anything is shown to anybody.
    Pay(PayArgs),
    /// Go on with a payment whose end is not known: sends the stored order again, never another.
    Resume(PaymentArgs),
    /// Cancel a payment that has not settled; one that has is only asked back.
    ///
    /// A payment that is cancelled in time never settles, and its money is released. Settled is
    /// final: then the payee's bank is asked, it answers within ten days, and only its return or
    /// the payee's refund moves money. Exit 0: cancelled. Exit 1: asked back, or refused.
    Cancel(CancelArgs),
    /// Agree that your bank takes money from your account to give a payment back.
    ///
    /// Writes a signed consent for your bank, good for a day. It moves nothing by itself.
    Agree(AgreeArgs),
    /// Ask the core how a payment stands.
    Status(StatusArgs),
    /// Show what was posted on your account, newest first, each line with the balance after it.
    ///
    /// The answer names the position of the bank's book that it was read at. Where there are more
    /// lines it prints the words with which to go on.
    Statement(StatementArgs),
    /// List payments with their files, and requests to pay.
    List(PlaceArgs),
    /// List credentials: type, issuer, claims held, until when.
    Credentials(PlaceArgs),
    /// Fetch the trust lists of `wallet.json`, each checked under its pinned root.
    Refresh(PlaceArgs),
}

/// Which wallet, and in which form to answer.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// The wallet's folder [default: `WAYLEAVE_WALLET`, else ./wallet].
    #[arg(long, value_name = "DIR")]
    pub wallet: Option<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `wallet receive`.
#[derive(Debug, Args)]
pub struct ReceiveArgs {
    /// The offer (`openid-credential-offer://…` or its JSON), or a file that holds it.
    #[arg(value_name = "OFFER|FILE")]
    pub offer: String,
    /// The transaction code, if the issuer sent one by another way.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `wallet invoice`.
#[derive(Debug, Args)]
pub struct InvoiceArgs {
    /// Your own number, such as `INV-014`.
    #[arg(long)]
    pub number: String,
    /// How much, in your account's currency: `12400.00`.
    #[arg(long)]
    pub amount: String,
    /// ISO 20022 external purpose code: `GDDS` for goods, `SUPP` for supplies.
    #[arg(long)]
    pub purpose: String,
    /// Until when it may be paid, in days from now.
    #[arg(long, value_name = "DAYS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=3650))]
    pub days: u64,
    /// Agree without being asked. What is shown still goes to standard error and to the record.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `wallet pay`.
#[derive(Debug, Args)]
pub struct PayArgs {
    /// The request to pay, as the payee sent it.
    #[arg(value_name = "REQUEST_FILE")]
    pub request: PathBuf,
    /// Agree without being asked: needed where there is no terminal.
    #[arg(long)]
    pub yes: bool,
    /// Ask for a decision even when the preflight says that something is missing.
    #[arg(long)]
    pub try_anyway: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// One payment.
#[derive(Debug, Args)]
pub struct PaymentArgs {
    /// The payment's id, as `wayleave wallet list` shows it.
    pub payment: PaymentId,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `wallet status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub payment: PaymentArgs,
    /// The state at this position of the book or later is enough: a core that stands by may answer,
    /// also while none leads. The answer says at which position it was read.
    #[arg(long, value_name = "POSITION")]
    pub at_least: Option<u64>,
}

/// Arguments of `wallet statement`.
#[derive(Debug, Args)]
pub struct StatementArgs {
    /// At most so many lines, 1 to 200.
    #[arg(long, value_name = "LINES", default_value_t = 20)]
    pub limit: u16,
    /// The oldest line first.
    #[arg(long)]
    pub oldest_first: bool,
    /// Go on where another page ended, as it printed.
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    /// The state at this position of the bank's book or later is enough: a core that stands by may
    /// answer, also while none leads.
    #[arg(long, value_name = "POSITION")]
    pub at_least: Option<u64>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `wallet cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The payment's id, as `wayleave wallet list` shows it.
    pub payment: PaymentId,
    /// ISO 20022 cancellation reason: `CUST` you ask, `DUPL` paid twice, `UPAY` undue payment.
    #[arg(long, value_name = "CODE", default_value = "CUST")]
    pub reason: String,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `wallet agree`.
#[derive(Debug, Args)]
pub struct AgreeArgs {
    /// The payment that is to be given back.
    pub payment: PaymentId,
    /// At most how much, in your account's currency: `12400.00`. It is good for one return.
    #[arg(long)]
    pub amount: String,
    /// Where the consent is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Who asked the wallet for which claims, for which registered purpose, of how many held.
///
/// Reads the wallet's own record, `privacy.jsonl`, and checks that its lines hang together. It
/// holds names of claims, never values.
#[derive(Debug, Args)]
pub struct PrivacyArgs {
    /// The payment's id, or `all` (requests to be paid included).
    #[arg(value_name = "PAYMENT|all", value_parser = which)]
    pub which: Which,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// One payment or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Everything in the record.
    All,
    /// What was shown for one payment.
    One(PaymentId),
}

fn which(text: &str) -> Result<Which, String> {
    if text == "all" {
        return Ok(Which::All);
    }
    text.parse().map(Which::One).map_err(|error| format!("expected `all` or a payment: {error}"))
}
