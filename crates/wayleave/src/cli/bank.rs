//! The words of `wayleave bank`.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use terms::{AccountId, CompanyId, PaymentId, TransactionId};

use super::books::{AskedArgs, FreezeArgs};

/// An institution's own acts after a payment, and what is asked of a bank's own book.
///
/// The acts after a payment read `role.json` and the keys in the folder of one of its edges, and
/// sign with its permit key; the edge may be running. `duties` and `freeze` are an operator's.
#[derive(Debug, Subcommand)]
pub enum BankCommand {
    /// Give a settled payment back, whole or in part (ISO 20022 pacs.004).
    ///
    /// Asks the FX provider for a quote the other way round, or for its guarantee of the old rate,
    /// signs a return order and settles it.
    /// Every fee of the payment stays with its taker. Money that had reached the payee's account
    /// goes back only with the payee's signed consent (`wayleave wallet agree`). What has come
    /// back in all never exceeds the payment.
    Return(ReturnArgs),
    /// Answer a request to give a payment back (ISO 20022 camt.029).
    ///
    /// The answer moves no money: after `--accept`, return it or let the payee refund it.
    Answer(AnswerArgs),
    /// Open or close a case about an account: while it is open, what comes in waits (ACWP).
    ///
    /// `post` closes it and credits all that waited; `give-back` closes it and leaves that owed
    /// back: return it then, which needs no consent.
    Case(CaseArgs),
    /// Block an account's money by law: its balance and whatever comes in, or a part once.
    ///
    /// The money goes to the bank's blocked-funds account. It comes out when two approvers sign a
    /// release. Blocking the same again under the same id changes nothing.
    Block(BlockArgs),
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// Say what became of a payment since it settled: asked back, given back, posted or waiting.
    After(AfterArgs),
    /// The returns that a bank owes: money that an account did not take, in suspense since when.
    ///
    /// A settled payment is final. Where the payee's account does not take the money any more, it
    /// lies in the bank's suspense account and the bank owes a return until a payment brings it
    /// back. Asked at a bank's own process, or at the core for the books that it hosts and those
    /// that it can reach.
    ///
    /// Exit 0: none is owed. Exit 1: some are.
    Duties(AskedArgs),
    /// Freeze an account of the bank, or thaw it. The act and its reason are recorded.
    ///
    /// A frozen account refuses new entries. What was settled for it before goes to suspense and
    /// opens a duty to return; payments accepted from then on are refused by the bank's edge.
    Freeze(FreezeArgs),
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
    /// At the payment's own rate, exactly, if the provider still guarantees it.
    #[arg(long)]
    pub original_rate: bool,
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

/// Arguments of `bank case`.
#[derive(Debug, Args)]
pub struct CaseArgs {
    /// What becomes of the case.
    pub change: CaseWord,
    /// The account it is about.
    pub account: AccountId,
    /// The case's id, which `open` makes and prints when it is left out.
    #[arg(long, required_if_eq_any([("change", "post"), ("change", "give-back")]))]
    pub case: Option<TransactionId>,
    #[command(flatten)]
    pub place: BankPlace,
}

/// What becomes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CaseWord {
    /// It is opened.
    Open,
    /// It is closed, and what waited is credited.
    Post,
    /// It is closed, and what waited is owed back.
    GiveBack,
}

/// Arguments of `bank block`.
#[derive(Debug, Args)]
pub struct BlockArgs {
    /// The account.
    pub account: AccountId,
    /// The company whose money it is and remains.
    #[arg(long)]
    pub owner: CompanyId,
    /// The law: `Sanctiewet 1977, article 2`.
    #[arg(long, value_name = "WORDS")]
    pub law: String,
    /// The authority that ordered it or is told of it.
    #[arg(long, value_name = "NAME")]
    pub authority: String,
    /// Only so much, in minor units; without it all there is and all that comes.
    #[arg(long, value_name = "MINOR_UNITS")]
    pub amount: Option<u128>,
    /// The block's id; made and printed when it is left out.
    #[arg(long)]
    pub block: Option<TransactionId>,
    #[command(flatten)]
    pub place: BankPlace,
}

/// Let blocked money go: to its owner, or where the law says.
///
/// Two persons sign the same document, each with a key of the core's `approvers`: one writes it
/// into a file, the other reads it and sends it.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Write a release into a file, signed by the first person. Nothing is sent.
    Sign(ReleaseArgs),
    /// Show a release that another person signed, sign it too and send it. Once: sent again, it
    /// changes nothing.
    Send(SecondArgs),
}

/// Arguments of `bank release sign`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The block's id, as `bank block` printed it.
    pub block: TransactionId,
    /// To this account, not back to the one that the money was taken from or meant for.
    #[arg(long, value_name = "ACCOUNT")]
    pub to: Option<AccountId>,
    /// On what ground: a licence, a court's order.
    #[arg(long, value_name = "WORDS")]
    pub law: String,
    /// The file for the second person. It must be new.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub approver: ApproverArgs,
    #[command(flatten)]
    pub place: BankPlace,
}

/// Arguments of `bank release send`.
#[derive(Debug, Args)]
pub struct SecondArgs {
    /// The file of the first person.
    pub file: PathBuf,
    #[command(flatten)]
    pub approver: ApproverArgs,
    #[command(flatten)]
    pub place: BankPlace,
}

/// Who approves.
#[derive(Debug, Args)]
pub struct ApproverArgs {
    /// The folder with the approver's key.
    #[arg(long, value_name = "DIR")]
    pub approver: PathBuf,
    /// Your name: signs with `keys/approve-NAME.seed` of that folder.
    #[arg(long = "as", value_name = "NAME")]
    pub who: String,
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
