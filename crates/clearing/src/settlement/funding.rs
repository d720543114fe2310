//! Money that comes in from outside, in the settlement book: files of statements, their lines once
//! for ever, suspense, breaks, and the close of a business day.
//!
//! Nothing is funded but by a booked line of an outside account. A file is judged whole
//! ([`FundingWork::JudgeFile`]) and refused whole; then each of its lines counts on its own
//! ([`FundingWork::BookLine`]), as often as it is asked for and once. A crash in between leaves
//! lines that are asked for again: `Funding::unfinished` names their files.
//!
//! INVARIANT (OutsideCovers): per asset, what the book owes is what confirmed lines brought in,
//! less what they took out, and the lines that took out what nobody here sent, which are open
//! breaks. Guard: `liabilities_are_the_confirmed_balance_and_named_items`.

use std::collections::{BTreeMap, BTreeSet};

use journal::Checked;
use ledger::{Change, Command, Entry, Reason, Side as EntrySide, Transaction};
use minicbor::{Decode, Encode};
use record::funding::{
    BREAKS_CHANGED, BUSINESS_DAY_CLOSED, OUTSIDE_ACCOUNT_NAMED, OUTSIDE_LINE_BOOKED,
    OUTSIDE_LINE_RESOLVED, STATEMENT_FILE_TAKEN,
};
use record::{
    Break, BreakId, BreaksChanged, BusinessDayClosed, Fact, FactBody, Heading, LineId, LineOutcome,
    LineSide, OutsideAccount, OutsideLine, Resolution, SaltSlot, StatementFile,
};
use seal::digest::digest_of;
use seal::{Digest, Domain, to_canonical};
use terms::{
    AccountId, AssetCode, BusinessDate, Instant, InstitutionName, Minor, Position, TransactionId,
};

use super::{SettlementAnswer, SettlementBook, read, stop};
use crate::rule::{Rule, RuleName};

pub mod claims;
pub mod day;
mod files;
mod lines;
pub mod reconcile;

pub use claims::{BalanceClaim, FileClaim, LineClaim, ReportClaim};
pub use day::{DayEntry, DayShown};
pub use lines::DebitMatch;
pub use reconcile::{Found, Reconciled, ReconciledLine};

use day::Days;

/// Domain of the ids of lines.
const LINE_ID: Domain = Domain::new("wayleave/outside-line/v1");
/// Domain of the transactions that lines lead to.
const LINE_TRANSACTION: Domain = Domain::new("wayleave/outside-line-transaction/v1");

/// What the settlement book can do about money outside.
#[derive(Clone, Debug)]
pub enum FundingWork {
    /// Say where an asset's money lies. Saying it again changes nothing.
    NameAccount(OutsideAccount),
    /// Take a file, or say why not. Taken again, it is the same file.
    JudgeFile(FileClaim),
    /// Count one booked line of a file that was taken.
    BookLine {
        /// The file.
        file: Digest,
        /// The asset of the statement in which the line stands.
        asset: AssetCode,
        /// The line.
        claim: LineClaim,
    },
    /// A person's word on an open line.
    Resolve {
        /// Which line.
        line: LineId,
        /// What to do.
        wish: ResolutionWish,
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
    /// Compare statements with the book, and open or close breaks.
    Reconcile {
        /// SHA-256 of the file.
        file: Digest,
        /// Its statements.
        reports: Vec<ReportClaim>,
    },
    /// Close a business day: this one, or the one that runs.
    CloseDay(Option<BusinessDate>),
}

/// What a person wants done about an open line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolutionWish {
    /// Credit a participant with what is in suspense.
    Release(InstitutionName),
    /// Give what is in suspense back.
    Return,
    /// Let this participant, or the operator, bear a debit that nobody sent.
    Charge(InstitutionName),
}

/// What the settlement book answers about money outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FundingAnswer {
    /// Done, now or before.
    Done,
    /// The file is taken, now or before: the asset of each of its statements, in order.
    Taken {
        /// One for each statement.
        assets: Vec<AssetCode>,
        /// Now or before.
        news: News,
    },
    /// The line counted, now or before.
    Line {
        /// Its identity.
        line: LineId,
        /// What it led to.
        outcome: LineOutcome,
        /// Now or before.
        news: News,
        /// Where it counted; `None`: at the position of this answer.
        position: Option<Position>,
    },
    /// What a person wished is done.
    Resolved(Resolution),
    /// Each statement compared.
    Reconciled(Vec<Reconciled>),
    /// The day is closed, now or before.
    DayClosed(Box<BusinessDayClosed>, News),
    /// A rule says no; nothing is recorded.
    Refused(Rule),
}

/// Whether something happened now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Now.
    Now,
    /// Before: the first answer again.
    Before,
}

/// How a line stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LineStanding {
    /// Nothing is open.
    #[n(0)]
    Settled,
    /// Its money waits.
    #[n(1)]
    InSuspense,
    /// Its money is to go back; a debit line that says this word confirms it.
    #[n(2)]
    ReturnOrdered(#[n(0)] String),
    /// Money went out that nobody here sent.
    #[n(3)]
    Broken,
}

/// A line as the book knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LineEntry {
    /// The line.
    #[n(0)]
    pub line: OutsideLine,
    /// What it led to at first.
    #[n(1)]
    pub outcome: LineOutcome,
    /// Where it counted.
    #[n(2)]
    pub position: Position,
    /// When.
    #[n(3)]
    pub booked_at: Instant,
    /// The business date that it counted on.
    #[n(4)]
    pub counted_on: BusinessDate,
    /// How it stands now.
    #[n(5)]
    pub standing: LineStanding,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
struct MessageKey {
    #[n(0)]
    servicer: String,
    #[n(1)]
    message_id: String,
}

/// A bank's own name of a line: two amounts under one name are a contradiction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
struct ReferenceKey {
    #[n(0)]
    asset: AssetCode,
    #[n(1)]
    reference: String,
    #[n(2)]
    side: LineSide,
    #[n(3)]
    booked_on: BusinessDate,
}

/// What the settlement book knows of money outside: a fold over facts 14 to 19.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Funding {
    #[n(0)]
    accounts: BTreeMap<AssetCode, OutsideAccount>,
    #[n(1)]
    files: BTreeMap<Digest, StatementFile>,
    #[n(2)]
    messages: BTreeMap<MessageKey, Digest>,
    #[n(3)]
    lines: BTreeMap<LineId, LineEntry>,
    #[n(4)]
    references: BTreeMap<ReferenceKey, LineId>,
    #[n(5)]
    breaks: BTreeMap<BreakId, Break>,
    #[n(6)]
    days: Days,
}

impl Funding {
    /// The outside account of an asset.
    #[must_use]
    pub fn account(&self, asset: AssetCode) -> Option<&OutsideAccount> {
        self.accounts.get(&asset)
    }

    /// All outside accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &OutsideAccount> {
        self.accounts.values()
    }

    /// A file that was taken.
    #[must_use]
    pub fn file(&self, digest: Digest) -> Option<&StatementFile> {
        self.files.get(&digest)
    }

    /// A line that counted.
    #[must_use]
    pub fn line(&self, line: LineId) -> Option<&LineEntry> {
        self.lines.get(&line)
    }

    /// All lines that counted.
    pub fn lines(&self) -> impl Iterator<Item = &LineEntry> {
        self.lines.values()
    }

    /// Files with a line that has not counted: a crash came between, or the line contradicts
    /// another one.
    pub fn unfinished(&self) -> impl Iterator<Item = &StatementFile> {
        let open =
            |file: &&StatementFile| file.lines.iter().any(|line| !self.lines.contains_key(line));
        self.files.values().filter(open)
    }

    /// Lines that name a customer's account, which its institution's book credits.
    pub fn customers_lines(
        &self,
    ) -> impl Iterator<Item = (&LineEntry, InstitutionName, AccountId)> {
        self.lines.values().filter_map(|entry| match &entry.outcome {
            LineOutcome::Credited { participant, customer: Some(customer), .. } => {
                Some((entry, *participant, *customer))
            }
            LineOutcome::Credited { .. }
            | LineOutcome::Suspense(_)
            | LineOutcome::Confirmed { .. }
            | LineOutcome::Unmatched => None,
        })
    }

    /// Money that waits for a person or for a confirmation.
    pub fn suspense(&self) -> impl Iterator<Item = &LineEntry> {
        self.lines.values().filter(|entry| {
            matches!(entry.standing, LineStanding::InSuspense | LineStanding::ReturnOrdered(_))
        })
    }

    /// What does not agree, by asset as asked.
    pub fn breaks(&self, asset: AssetCode) -> impl Iterator<Item = &Break> {
        self.breaks.values().filter(move |one| one.amount.asset == asset)
    }

    /// Whether money of this asset may leave: not while a break is open.
    pub fn may_defund(&self, asset: AssetCode) -> Result<(), Rule> {
        match self.breaks(asset).next() {
            None => Ok(()),
            Some(one) => {
                let detail = format!("`{asset}`: {}", one.kind.for_people());
                Err(Rule::new(RuleName::BreakOpen, detail))
            }
        }
    }

    /// What confirmed lines of an asset brought in and took out, until and on a business date.
    #[must_use]
    pub fn confirmed(&self, asset: AssetCode, until: BusinessDate) -> Confirmed {
        let mut sums = Confirmed::NONE;
        let counted =
            |entry: &&LineEntry| entry.line.amount.asset == asset && entry.counted_on <= until;
        for entry in self.lines.values().filter(counted) {
            let minor = entry.line.amount.minor;
            let sum = match entry.line.side {
                LineSide::Credit => &mut sums.came_in,
                LineSide::Debit => &mut sums.went_out,
            };
            *sum = sum.plus(minor).unwrap_or(Minor::MAX);
            if entry.standing == LineStanding::Broken {
                sums.unmatched = sums.unmatched.plus(minor).unwrap_or(Minor::MAX);
            }
        }
        sums
    }

    /// The days.
    #[must_use]
    pub const fn days(&self) -> &Days {
        &self.days
    }

    pub(super) fn days_mut(&mut self) -> &mut Days {
        &mut self.days
    }
}

/// Sums of confirmed lines of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Credits.
    pub came_in: Minor,
    /// Debits.
    pub went_out: Minor,
    /// Of the debits, those that nobody here sent: open breaks.
    pub unmatched: Minor,
}

impl Confirmed {
    const NONE: Self = Self { came_in: Minor::ZERO, went_out: Minor::ZERO, unmatched: Minor::ZERO };

    /// What the book should owe: `None` when more went out than came in.
    #[must_use]
    pub fn owed(&self) -> Option<Minor> {
        let named = self.came_in.plus(self.unmatched).ok()?;
        named.minus(self.went_out).ok()
    }
}

impl SettlementBook {
    /// What is known of money outside.
    #[must_use]
    pub const fn funding(&self) -> &Funding {
        &self.funding
    }

    /// The business date of what is posted at `stamp`: the day of the stamp, and never one that
    /// was closed.
    #[must_use]
    pub fn business_date(&self, stamp: Instant) -> BusinessDate {
        self.funding.days.running(stamp)
    }

    pub(super) fn funding_work(
        &self,
        at: Instant,
        slot: SaltSlot,
        work: &FundingWork,
    ) -> Checked<SettlementAnswer> {
        let step = match work {
            FundingWork::NameAccount(account) => self.name_account(slot, account),
            FundingWork::JudgeFile(claim) => self.judge_file(at, slot, claim),
            FundingWork::BookLine { file, asset, claim } => {
                self.book_line(at, slot, (*file, *asset), claim)
            }
            FundingWork::Resolve { line, wish, by, reason } => {
                self.resolve(at, slot, (*line, wish), (by, reason))
            }
            FundingWork::Reconcile { file, reports } => self.reconcile(at, slot, *file, reports),
            FundingWork::CloseDay(date) => self.close_day(at, slot, *date),
        };
        let (facts, answer) = step.unwrap_or_else(|rule| (vec![], FundingAnswer::Refused(rule)));
        Checked { facts, outcome: SettlementAnswer::Funding(Box::new(answer)) }
    }

    fn name_account(&self, slot: SaltSlot, account: &OutsideAccount) -> Step {
        let keeps = |id: AccountId| {
            let asset = self.ledger.account(id).map(|known| known.opening().asset);
            if asset == Some(account.asset) {
                return Ok(());
            }
            let detail = format!("`{id}` is no account of `{}`", account.asset);
            Err(Rule::new(RuleName::AccountUnknown, detail))
        };
        keeps(account.control)?;
        keeps(account.suspense)?;
        if self.funding.accounts.get(&account.asset) == Some(account) {
            return Ok((vec![], FundingAnswer::Done));
        }
        Ok((vec![account.to_fact(slot, Heading::default())], FundingAnswer::Done))
    }

    /// Posts what a line leads to: one transaction, whose id is the line's and `part`.
    fn post_line(
        &self,
        at: Instant,
        (line, part): (LineId, &str),
        reason: Reason,
        entries: [Entry; 2],
    ) -> Result<Vec<u8>, Rule> {
        let command = Command::Post(Transaction {
            id: line_transaction(line, part),
            business_date: self.business_date(at),
            reason,
            entries: entries.into(),
            claims: vec![],
            links: vec![],
            detail: None,
        });
        let changes = self.ledger_changes(at, &command)?;
        let known = || Rule::new(RuleName::LedgerRefuses, "the ledger knows this line already");
        changes.first().map(to_canonical::<Change>).ok_or_else(known)
    }

    pub(super) fn apply_funding(&mut self, position: Position, stamp: Instant, fact: &Fact) {
        match fact.kind {
            OUTSIDE_ACCOUNT_NAMED => {
                let account: OutsideAccount = read(fact);
                self.funding.accounts.insert(account.asset, account);
            }
            STATEMENT_FILE_TAKEN => self.apply_file(read(fact)),
            OUTSIDE_LINE_BOOKED => self.apply_line(position, stamp, read(fact)),
            OUTSIDE_LINE_RESOLVED => self.apply_resolved(stamp, &read(fact)),
            BREAKS_CHANGED => {
                let BreaksChanged { opened, closed, .. } = read(fact);
                let opened = opened.into_iter().map(|one| (one.id, one));
                self.funding.breaks.extend(opened);
                self.funding.breaks.retain(|id, _| !closed.contains(id));
            }
            BUSINESS_DAY_CLOSED => self.funding.days.close(position, read(fact)),
            other => stop(&format!("kind {other:?} is unknown to this build")),
        }
    }

    fn apply_file(&mut self, file: StatementFile) {
        let key =
            MessageKey { servicer: file.servicer.clone(), message_id: file.message_id.clone() };
        self.funding.messages.insert(key, file.digest);
        self.funding.files.insert(file.digest, file);
    }
}

/// Facts and the answer, or the rule that says no.
type Step = Result<(Vec<Fact>, FundingAnswer), Rule>;

/// The identity of a line: which account, the bank's name of it, the amount, which way, the day.
///
/// The file in which it stands is no part of it: the same line comes in a notification and in the
/// statement after it.
#[must_use]
pub fn line_id(account: &OutsideAccount, claim: &LineClaim, booked_on: BusinessDate) -> LineId {
    let side = claim.side.as_str();
    let reference = claim.reference.as_deref().unwrap_or_default();
    LineId(digest_of(
        LINE_ID,
        &[
            account.number.as_bytes(),
            account.asset.as_str().as_bytes(),
            reference.as_bytes(),
            &claim.money.minor().units().to_be_bytes(),
            side.as_bytes(),
            &booked_on.days().to_be_bytes(),
        ],
    ))
}

/// The transaction of one part of a line.
#[must_use]
pub fn line_transaction(line: LineId, part: &str) -> TransactionId {
    let digest = digest_of(LINE_TRANSACTION, &[line.0.as_bytes(), part.as_bytes()]);
    TransactionId::from_bytes(digest.half())
}

const fn entry(account: AccountId, side: EntrySide, amount: Minor) -> Entry {
    Entry { account, side, amount, hold: None }
}

/// What stands in one set and is asked for in another, compared without case.
fn named<'a, T>(
    words: &BTreeSet<String>,
    names: impl IntoIterator<Item = (&'a str, T)>,
) -> BTreeSet<T>
where
    T: Ord,
{
    names
        .into_iter()
        .filter(|(name, _)| words.contains(&name.to_ascii_uppercase()))
        .map(|(_, meant)| meant)
        .collect()
}
