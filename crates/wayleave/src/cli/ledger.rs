//! The words of `wayleave ledger`: a ledger of its own, without payments.
#![expect(missing_docs, reason = "a flattened field shows the words of its own arguments")]

mod beside;
mod measures;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use terms::{AccountId, AssetCode, BookName, BusinessDate, HoldId, TransactionId};

use super::asks::{
    BalanceArgs, EventsArgs, FactArgs, FilterArgs, FreshArgs, HistoryArgs, HoldsArgs, LinksArgs,
    RebuildArgs, TransactionArgs,
};
use super::ledger_proofs::{
    ArchiveArgs, CheckpointArgs, ClientKeyArgs, ClientNameArgs, ExportCommand, ReceiptArgs,
    RestoreArgs, VerifyArgs,
};
use crate::command::ledger::ids::Given;

pub use beside::{BesideArgs, BoundArgs, ForgetArgs, MarkArgs, PersonalCommand, SealArgs};
pub use measures::{BenchArgs, FsckArgs, ProgressArgs};

/// Keep a ledger on its own, without payments: accounts, transactions, holds.
///
/// An id may be typed as `txn_…`, `hold_…`, `acct_…` with 32 hex digits, as the bare digits, or as
/// a short name, which always stands for the same id. Amounts are decimal, in the account's asset:
/// `12.50` of `EUR.2@bank` is 1250 cents.
///
/// Exit 0: done, now or before under the same id. Exit 1: refused, a rule said no. Exit 4: nobody
/// knows whether it was done; `wayleave ledger retry` sends the very same again. Exit 5: surely
/// not done. A five-minute guide: docs/parts/ledger.md.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Make a folder for a new book, with one client `operator` who may everything.
    Init(InitArgs),
    /// Serve a folder's book until told to stop (SIGINT, SIGTERM, or the end of input).
    ///
    /// Prints one line when it is ready. Stops in order: what was taken is answered first. A kill
    /// loses nothing that was answered.
    ///
    /// `--dir` several times serves several books at one address: each has a writer, clients and
    /// a guard of its own, and a line when it is ready. Commands find theirs by `--dir` as ever;
    /// over HTTP `/books/NAME` stands before each path. A book that cannot be opened is named, the
    /// others are served, and the command ends with exit 1 when it is told to stop.
    Serve(ServeArgs),
    /// Register clients and list them.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Open accounts, look at them, limit, freeze and close them.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Post a transaction: from one account to another, or any balanced lines.
    ///
    /// `--from` is debited and `--to` credited. The id is printed, and stored in the folder,
    /// before anything is sent. A refusal uses up its id: to try later, post anew.
    ///
    /// An AMOUNT is decimal, `12.50`, or lets the ledger find it in its turn: `up-to:12.50` as much
    /// as there is room for up to that, `all` everything down to the floor (or up to the ceiling),
    /// `share:3` a part of the rest by weight, `rest` what is left. `--from a --to b --amount all`
    /// sweeps; `--debit a=100 --credit b=share:1 --credit c=share:2 --credit b=rest` splits.
    /// `--dry-run` says exactly what would happen.
    Post(PostArgs),
    /// Set money aside, and post, void or pin what was set aside.
    #[command(subcommand)]
    Hold(HoldCommand),
    /// An account's balances: now, or as they were.
    ///
    /// Now is asked of the book itself. The past is asked of the read models, which first catch up
    /// with what the book had done when it was asked.
    Balance(BalanceArgs),
    /// A transaction as it is recorded: entries, reason, dates, metadata, links, holds it posted.
    Transaction(TransactionArgs),
    /// Everything that happened to a hold, from its placement on.
    History(HistoryArgs),
    /// Open holds by when they end; those that never expire come last.
    Holds(HoldsArgs),
    /// The transactions that name a payment, a quote or another transaction.
    Links(LinksArgs),
    /// The fact at a position.
    Fact(FactArgs),
    /// Every fact in order, from any position on.
    ///
    /// Resumes anywhere: the position after the last one seen is where to go on, also after the
    /// book was stopped and started.
    Events(EventsArgs),
    /// Counters, times and lags as OpenMetrics text.
    Metrics(PlaceArgs),
    /// Build the read models again from the journal, while the book is not served.
    Rebuild(RebuildArgs),
    /// An account's entries, from the read models, each with the balance after it.
    Statement(StatementArgs),
    /// Sums of one business day by asset: what was before, debits and credits of the day.
    Trial(TrialArgs),
    /// How far the book, its log and its read models have come.
    Status(PlaceArgs),
    /// Whether the wall clock was set while the machine ran, and a person's word that it is right.
    ///
    /// A book is judged by the wall clock, measured by the time that passed since the machine was
    /// booted. When the two part by more than a second, while it is served or between two starts,
    /// the book goes on by the second, no hold expires, and `status` says so. Setting the clock
    /// right ends it. Where it is right now and was wrong before, `--accept` says so, to a running
    /// book too. After a reboot there is nothing to measure by, and the wall clock is believed.
    ///
    /// Exit 0: believed. Exit 1: it was set.
    Clock(ClockArgs),
    /// Measure this machine: a load from this process on a book that another process serves.
    ///
    /// A fresh book is served as `ledger serve` does it, with log, read models and guard, over
    /// loopback without TLS; everything answered is durable. It lies in a new folder below `--at`,
    /// which is removed at the end: choose a folder of the disk that you want to know of. With
    /// `--dir` it is a book that you serve already; one that is not empty is refused.
    ///
    /// `batch`: two connections, each with four requests of 2,000 transactions underway. `single`:
    /// 32 connections, one transaction each and the next when it is answered. `rate` is of durable
    /// answers; `followed` counts until log and read models have seen the last of them. Beside
    /// them stands what one write and flush of 4 KiB takes in that folder: `single` waits for it.
    ///
    /// A quiet machine, and more transactions, give steadier figures; those of
    /// docs/performance.md come from `cargo xtask bench ledger`, with workloads, peers and bounds.
    Bench(BenchArgs),
    /// What became of an id: a transaction of this client, a hold, or an account.
    ///
    /// Exit 0: it is recorded. Exit 1: it was refused. Exit 5: nothing is recorded under it.
    Find(FindArgs),
    /// Sums over all accounts, by asset.
    Totals(PlaceArgs),
    /// Send again what was sent and never answered: the same bytes under the same ids.
    Retry(PlaceArgs),
    /// Personal data: erase, seal, open.
    #[command(subcommand)]
    Personal(PersonalCommand),
    /// Check the book without writing: its journal, folded again from the first fact, and what
    /// lies beside it: log, checkpoint, index of ids, image, read models, salt keys, guard.
    ///
    /// Exit 0: sound. Exit 1: not; file, batch, fact and byte are named. Stop the book first, or
    /// check a copy: beside a writer the last batch may look torn.
    Fsck(FsckArgs),
    /// Print every fact as one JSON object a line, with the hashes that bind it.
    ///
    /// Needs no server. Beside a running book it ends with what has been written so far, of which
    /// the last facts may not be durable yet.
    Export(ExportArgs),
    Checkpoint(CheckpointArgs),
    Receipt(ReceiptArgs),
    Verify(VerifyArgs),
    Archive(ArchiveArgs),
    Restore(RestoreArgs),
    /// Read history from a file: CSV with a head line, or one JSON object a line.
    ///
    /// A transfer has `id`, `business_date` (YYYY-MM-DD), `from`, `to`, `amount` (decimal), and may
    /// have `effective` (when it happened in the world: seconds since 1970 or RFC 3339), `reason`,
    /// `code`, `hold` (that it posts) with `rest` (`released`, `kept`), `links` (`refunds=ID …`),
    /// `note.KEY` (metadata), `personal.KEY` with `key_slot` (sealed).
    ///
    /// A field `kind` says what else a row is: `account` (`id`, `asset`; `normal`, `owner`,
    /// `purpose`, `overdraft`, `ceiling`, `code`, `tags`), `entry` (`id`, `business_date`,
    /// `account`, `side`, `amount`: rows of one id that follow each other are one transaction; in
    /// JSON also `transaction` with a list `entries`), `hold` (`id`, `business_date`, `account`,
    /// `amount`; `side`, `expires`), `pin` and `void` (`hold`), `freeze` (`account`, `freeze`),
    /// `close` (`account`).
    ///
    /// Running it twice changes nothing, and running it again after an interruption does the rest:
    /// what is done is found by id. A row that is wrong is told with its line and column, and the
    /// others go on.
    Import(ImportArgs),
}

/// Which folder.
#[derive(Clone, Debug, Args)]
pub struct FolderArgs {
    /// The book's folder [default: `WAYLEAVE_LEDGER`, else ./ledger].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `ledger clock`.
#[derive(Debug, Args)]
pub struct ClockArgs {
    #[command(flatten)]
    pub folder: FolderArgs,
    /// Say that the wall clock is right: holds expire by it again, overdue ones at once.
    #[arg(long)]
    pub accept: bool,
}

/// Which running book, as whom, and in which form to answer.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    #[command(flatten)]
    pub folder: FolderArgs,
    /// As which client; its key lies in the folder.
    #[arg(long, value_name = "NAME", default_value = "operator")]
    pub client: String,
    /// Longest wait for an answer, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub within: u16,
    /// Ask over TLS: believe a server whose certificate leads to one of these (PEM) [default:
    /// `WAYLEAVE_LEDGER_CA`, else plain TCP, which is taken on the server's own machine only].
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The name in the server's certificate, with `--ca` [default: `localhost`].
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// Where the book listens [default: what its folder says].
    #[arg(long, value_name = "ADDR")]
    pub connect: Option<SocketAddr>,
}

/// Arguments of `ledger init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(flatten)]
    pub folder: FolderArgs,
    /// The book's name.
    #[arg(long, default_value = "ledger")]
    pub book: BookName,
    /// The name of its log, which checkpoints begin with: best a host name of yours and a path,
    /// such as `bank.example/ledger` [default: `ledger.invalid/` and the book's name].
    #[arg(long, value_name = "NAME")]
    pub origin: Option<String>,
}

/// Arguments of `ledger serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// A book's folder; several times for several books [default: `WAYLEAVE_LEDGER`, else
    /// ./ledger].
    #[arg(long, value_name = "DIR")]
    pub dir: Vec<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Where to listen; without `--tls-cert` on this machine only. Port 0 takes a free one, which
    /// commands find by the folder.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where to listen for HTTP and JSON, too, on this machine.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Stop when standard input ends: the book lives no longer than whoever started it.
    #[arg(long)]
    pub until_input_ends: bool,
    /// Serve under TLS 1.3 only: the server's certificate and those that lead to a root (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A file outside the folder that knows how far the book had come, so that an older copy of
    /// the folder is not served [default: beside the folder, its name and `.guard`]. For one book.
    #[arg(long, value_name = "FILE")]
    pub guard: Option<PathBuf>,
    /// A checkpoint that somebody kept: the book whose log it names must extend it.
    #[arg(long, value_name = "FILE")]
    pub known_checkpoint: Vec<PathBuf>,
    /// The least time between two published checkpoints, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub checkpoint_every: u32,
    /// Size of a new segment of the journal, bytes; sealed segments can be archived.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20,
          value_parser = clap::value_parser!(u64).range(4096..=1 << 32))]
    pub segment_bytes: u64,
    /// Facts between two images of the state. A start reads the newest image and folds the facts
    /// after it again, some two million a second: 1 takes an image whenever the one before is
    /// written, which a test may want; the most is a minute of folding. A book of many accounts
    /// takes one per three accounts at most.
    #[arg(long, value_name = "N", default_value_t = ledger_server::IMAGE_EVERY,
          value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub image_every: u64,
}

/// Clients.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Register a client and make its key. A running book learns of it when it starts again.
    Add(ClientAddArgs),
    /// List clients: number, name, what they may, and whether they have an API key.
    List(FolderArgs),
    Key(ClientKeyArgs),
    Revoke(ClientNameArgs),
}

/// Arguments of `ledger client add`.
#[derive(Debug, Args)]
pub struct ClientAddArgs {
    /// Its name: `a-z`, `0-9` and `-`.
    pub name: String,
    /// What it may.
    #[arg(long, value_delimiter = ',', default_value = "read")]
    pub may: Vec<MayArg>,
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// What a client may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MayArg {
    /// Ask.
    Read,
    /// Post transactions and holds.
    Post,
    /// Open accounts, limit and freeze them.
    Manage,
}

/// Accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Open an account.
    Open(OpenArgs),
    /// Everything that is known of an account now.
    Show(AccountArgs),
    /// All accounts in the order of their opening.
    List(PlaceArgs),
    /// Refuse new debits, credits or both; `nothing` thaws.
    Freeze(FreezeArgs),
    /// Say how far the balance may fall and rise. What is not named stays.
    Limits(LimitsArgs),
    /// Block part of the amount: it may not leave. Replaces what was blocked; 0 unblocks.
    Block(BlockArgs),
    /// Close an empty account for ever.
    Close(AccountArgs),
}

/// One account.
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// Its id or name.
    pub account: Given<AccountId>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// How far a balance may fall and rise.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// May fall below nothing by this much; `0` for never [default of `open`: never].
    #[arg(long, value_name = "AMOUNT", conflicts_with = "no_floor")]
    pub overdraft: Option<String>,
    /// May fall as far as it must: for the mirror of an outside account.
    #[arg(long)]
    pub no_floor: bool,
    /// May rise to at most this much [default of `open`: as far as it must].
    #[arg(long, value_name = "AMOUNT", conflicts_with = "no_ceiling")]
    pub ceiling: Option<String>,
    /// May rise as far as it must.
    #[arg(long)]
    pub no_ceiling: bool,
}

/// Arguments of `ledger account open`.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// Its id or name.
    pub account: Given<AccountId>,
    /// Its asset, such as `EUR.2@bank`: currency, digits behind the point, `@`, whose liability.
    #[arg(long)]
    pub asset: AssetCode,
    /// The side on which its balance grows: credit for what the book owes, debit for what it has.
    #[arg(long, default_value = "credit")]
    pub normal: SideArg,
    /// Whose it is: `scheme:value` is a company, anything else an institution [default: the
    /// book's name].
    #[arg(long)]
    pub owner: Option<String>,
    /// What it is for.
    #[arg(long, default_value = "customer")]
    pub purpose: PurposeArg,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub marks: MarkArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger account limits`.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// Its id or name.
    pub account: Given<AccountId>,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger account freeze`.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// Its id or name.
    pub account: Given<AccountId>,
    /// What to refuse.
    #[arg(default_value = "both")]
    pub what: FreezeArg,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger account block`.
#[derive(Debug, Args)]
pub struct BlockArgs {
    /// Its id or name.
    pub account: Given<AccountId>,
    /// How much may not leave.
    pub amount: String,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Left or right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideArg {
    Debit,
    Credit,
}

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PurposeArg {
    Customer,
    Settlement,
    Control,
    Fee,
    Suspense,
    BlockedFunds,
    DueTo,
    DueFrom,
    Transit,
}

/// Which entries to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FreezeArg {
    Nothing,
    Debits,
    Credits,
    Both,
}

/// Why money moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReasonArg {
    Payment,
    Fee,
    Funding,
    Defunding,
    Return,
    Refund,
    Correction,
    Blocking,
}

/// Under which id, for which day, and why.
#[derive(Debug, Args)]
pub struct UnderArgs {
    /// The transaction's id or name [default: a new one, which grows with time].
    #[arg(long)]
    pub id: Option<Given<TransactionId>>,
    /// The business date [default: the day of the id where it grows with time, else today, UTC].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<BusinessDate>,
    /// Why.
    #[arg(long, default_value = "payment")]
    pub reason: ReasonArg,
    /// Only say what would happen: nothing is recorded and no id is used up.
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `ledger post`.
#[derive(Debug, Args)]
pub struct PostArgs {
    /// The account that is debited.
    #[arg(long, requires_all = ["to", "amount"], required_unless_present = "debit")]
    pub from: Option<Given<AccountId>>,
    /// The account that is credited.
    #[arg(long, requires = "from")]
    pub to: Option<Given<AccountId>>,
    /// How much: `12.50`, `up-to:12.50` or `all`.
    #[arg(long, requires = "from")]
    pub amount: Option<String>,
    /// A debit line, `ACCOUNT=AMOUNT`; with `--credit`, for more than two lines.
    #[arg(long, value_name = "ACCOUNT=AMOUNT", conflicts_with = "from", requires = "credit")]
    pub debit: Vec<String>,
    /// A credit line, `ACCOUNT=AMOUNT`.
    #[arg(long, value_name = "ACCOUNT=AMOUNT", conflicts_with = "from", requires = "debit")]
    pub credit: Vec<String>,
    #[command(flatten)]
    pub under: UnderArgs,
    #[command(flatten)]
    pub beside: BesideArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Holds.
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Set money of an account aside.
    Place(HoldPlaceArgs),
    /// A hold that has not ended.
    Show(HoldArgs),
    /// Make a hold one that never expires: it ends by post, or by void with evidence.
    Pin(HoldArgs),
    /// Release a hold whole.
    Void(HoldVoidArgs),
    /// Post a hold, wholly or in part; what is left of it is released, or kept with `--keep-rest`.
    Post(HoldPostArgs),
}

/// One hold.
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// Its id or name.
    pub hold: Given<HoldId>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger hold place`.
#[derive(Debug, Args)]
pub struct HoldPlaceArgs {
    /// On which account.
    #[arg(long)]
    pub on: Given<AccountId>,
    /// How much, decimal.
    #[arg(long)]
    pub amount: String,
    /// Debit sets money aside, credit sets room below a ceiling aside.
    #[arg(long, default_value = "debit")]
    pub side: SideArg,
    /// How long it stands by itself: `90s`, `15m`, `2h`, `7d`.
    #[arg(long, value_name = "TIME", default_value = "15m", conflicts_with = "pinned")]
    pub lasts: String,
    /// It never expires.
    #[arg(long)]
    pub pinned: bool,
    /// The hold's id or name [default: a new one, which grows with time].
    #[arg(long)]
    pub id: Option<Given<HoldId>>,
    /// The business date [default: today, UTC].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<BusinessDate>,
    /// Only say what would happen.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub bounds: BoundArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger hold void`.
#[derive(Debug, Args)]
pub struct HoldVoidArgs {
    /// Its id or name.
    pub hold: Given<HoldId>,
    /// Who says that what a pinned hold waits for was surely not done.
    #[arg(long, value_name = "WHO", requires = "document")]
    pub not_done: Option<NotDoneArg>,
    /// The document that says so; its SHA-256 is recorded.
    #[arg(long, value_name = "FILE", requires = "not_done")]
    pub document: Option<PathBuf>,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Who says that nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NotDoneArg {
    RailRefused,
    NeverSent,
    TwoPersons,
    OnePerson,
}

/// Arguments of `ledger hold post`.
#[derive(Debug, Args)]
pub struct HoldPostArgs {
    /// Its id or name.
    pub hold: Given<HoldId>,
    /// The account on the other side.
    #[arg(long)]
    pub to: Given<AccountId>,
    /// The hold's account [default: asked of the book while the hold is open].
    #[arg(long)]
    pub from: Option<Given<AccountId>>,
    /// How much of it [default: all that is held].
    #[arg(long)]
    pub amount: Option<String>,
    /// What is left stays held under the same term, to be posted in further parts (at most 256).
    #[arg(long, requires = "amount")]
    pub keep_rest: bool,
    #[command(flatten)]
    pub under: UnderArgs,
    #[command(flatten)]
    pub beside: BesideArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger statement`.
#[derive(Debug, Args)]
pub struct StatementArgs {
    /// Its id or name.
    pub account: Given<AccountId>,
    /// At most so many entries.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
    /// From the newest to the oldest.
    #[arg(long)]
    pub newest: bool,
    /// Go on where a page ended: the cursor that it printed.
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub fresh: FreshArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger trial`.
#[derive(Debug, Args)]
pub struct TrialArgs {
    /// The business day [default: today, UTC].
    pub date: Option<BusinessDate>,
    /// One line an account instead of one an asset, a page at a time.
    #[arg(long)]
    pub accounts: bool,
    /// At most so many accounts.
    #[arg(long, default_value_t = 50, requires = "accounts")]
    pub limit: u32,
    /// Go on where a page of accounts ended.
    #[arg(long, value_name = "CURSOR", requires = "accounts")]
    pub after: Option<String>,
    #[command(flatten)]
    pub fresh: FreshArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger find`.
#[derive(Debug, Args)]
pub struct FindArgs {
    /// `txn_…`, `hold_…`, `acct_…`, or a name, which is looked for as each of them.
    pub id: String,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `ledger export`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ExportArgs {
    #[command(subcommand)]
    pub what: Option<ExportCommand>,
    /// Write to this file, never over another, and what binds all of it to FILE.manifest
    /// [default: standard output, without a manifest].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Begin with the fact at this position.
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    /// The book's folder [default: `WAYLEAVE_LEDGER`, else ./ledger].
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Taken for the sake of habit: the export is JSON lines with or without it.
    #[arg(long, hide = true)]
    pub json: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// Arguments of `ledger import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file: CSV, or JSON lines when its first byte is `{`.
    pub file: PathBuf,
    /// Say what would happen, and record nothing. Each request is judged by itself.
    #[arg(long)]
    pub dry_run: bool,
    /// All rows or none: they are recorded in one batch, of at most 4,096.
    #[arg(long)]
    pub all_or_nothing: bool,
    #[command(flatten)]
    pub progress: ProgressArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}
