//! Questions in the book's own words, as canonical CBOR in the protocol's query frames.

use bookkeeping::LedgerBook;
use ledger::{Account, Hold, Reason, Side};
use minicbor::{Decode, Encode};
use store::views::{
    AssetLine, Filter, Order, QueryError, Start, StatementEntry, StatementQuery, Views,
};
use terms::{AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, Position, TransactionId};

use crate::public_log::Prover;

/// Most accounts of one page.
pub const PAGE_MAX: usize = 500;

/// What can be asked. Numbers are never reused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Query {
    /// An account and its balances now.
    #[n(0)]
    Account(#[n(0)] AccountId),
    /// Sums over all accounts, by asset, and how many there are.
    #[n(1)]
    Totals,
    /// How far the book and its projections have come.
    #[n(2)]
    Status,
    /// A page of an account's entries, from the read models.
    #[n(3)]
    Statement {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// Whether from the newest to the oldest.
        #[n(1)]
        newest_first: bool,
        /// Where another page ended, in its own words.
        #[n(2)]
        after: Option<String>,
        /// At most how many.
        #[n(3)]
        limit: u32,
    },
    /// Sums of one business day by asset, from the read models.
    #[n(4)]
    TrialBalance(#[n(0)] BusinessDate),
    /// An account with everything that is known of it now.
    #[n(10)]
    AccountWhole(#[n(0)] AccountId),
    /// Accounts in the order of their opening, from this place on, at most [`PAGE_MAX`].
    #[n(11)]
    Accounts(#[n(0)] u32),
    /// A hold that no fact has ended.
    #[n(12)]
    OpenHold(#[n(0)] HoldId),
    /// The fact at a position with the proof that it stands in the published log.
    #[n(40)]
    Receipt(#[n(0)] Position),
}

/// One entry of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatementLine {
    /// Of the fact that posted it.
    #[n(0)]
    pub position: Position,
    /// When it was posted.
    #[n(1)]
    pub stamp: Instant,
    /// When it takes effect, where that was said.
    #[n(2)]
    pub effective: Option<Instant>,
    /// By which transaction.
    #[n(3)]
    pub transaction: TransactionId,
    /// The day it counts for.
    #[n(4)]
    pub business_date: BusinessDate,
    /// Left or right.
    #[n(5)]
    pub side: Side,
    /// How much.
    #[n(6)]
    pub amount: Minor,
    /// Sum of all debits posted, this one included.
    #[n(7)]
    pub debits_posted: Minor,
    /// Sum of all credits posted, this one included.
    #[n(8)]
    pub credits_posted: Minor,
    /// Why, by the ledger's number.
    #[n(9)]
    pub reason: Reason,
}

/// Sums of one asset over one business day.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TrialLine {
    /// Which asset.
    #[n(0)]
    pub asset: AssetCode,
    /// Debits posted before that day.
    #[n(1)]
    pub debits_before: Minor,
    /// Credits posted before that day.
    #[n(2)]
    pub credits_before: Minor,
    /// Debits of that day.
    #[n(3)]
    pub debits: Minor,
    /// Credits of that day.
    #[n(4)]
    pub credits: Minor,
}

/// An account as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AccountView {
    /// Which.
    #[n(0)]
    pub account: AccountId,
    /// Its asset.
    #[n(1)]
    pub asset: AssetCode,
    /// Sum of all posted debits.
    #[n(2)]
    pub debits_posted: Minor,
    /// Sum of all posted credits.
    #[n(3)]
    pub credits_posted: Minor,
    /// Sum of held debits.
    #[n(4)]
    pub debits_pending: Minor,
    /// Sum of held credits.
    #[n(5)]
    pub credits_pending: Minor,
    /// What may still leave; `None` when there is no floor.
    #[n(6)]
    pub available: Option<Minor>,
}

/// Sums over all accounts of one asset.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AssetTotal {
    /// Which asset.
    #[n(0)]
    pub asset: AssetCode,
    /// Sum of all posted debits, which is that of all posted credits.
    #[n(1)]
    pub posted: Minor,
    /// Sum of held debits.
    #[n(2)]
    pub debits_pending: Minor,
    /// Sum of held credits.
    #[n(3)]
    pub credits_pending: Minor,
}

/// The answer, with the position that it is true at.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and soon bytes")]
pub enum Said {
    /// There is no such account.
    #[n(0)]
    NoAccount(#[n(0)] AccountId),
    /// An account.
    #[n(1)]
    Account(#[n(0)] AccountView),
    /// Totals, and the number of accounts.
    #[n(2)]
    Totals(#[n(0)] Vec<AssetTotal>, #[n(1)] u32),
    /// How far the projections have come; `None` for one that is not kept. The book itself has
    /// come to the position of the answer.
    #[n(3)]
    Status {
        /// Entries that are durable in the log.
        #[n(0)]
        log: Option<Position>,
        /// Facts that the read models have seen.
        #[n(1)]
        views: Option<Position>,
    },
    /// A page of a statement.
    #[n(4)]
    Statement {
        /// Its entries.
        #[n(0)]
        lines: Vec<StatementLine>,
        /// To go on.
        #[n(1)]
        next: String,
        /// Whether nothing further was seen.
        #[n(2)]
        at_end: bool,
    },
    /// Sums of one business day.
    #[n(5)]
    TrialBalance(#[n(0)] Vec<TrialLine>),
    /// The question cannot be answered, for this reason.
    #[n(6)]
    NoAnswer(#[n(0)] String),
    /// An account, whole.
    #[n(10)]
    AccountWhole(#[n(0)] Account),
    /// Accounts, and how many there are in all: the page ends where they do.
    #[n(11)]
    Accounts(#[n(0)] Vec<Account>, #[n(1)] u32),
    /// A hold.
    #[n(12)]
    OpenHold(#[n(0)] Hold),
    /// There is no such hold, or it has ended.
    #[n(13)]
    NoOpenHold(#[n(0)] HoldId),
    /// A receipt's file; `None` while no published checkpoint covers the position.
    #[n(40)]
    Receipt(#[n(0)] Option<minicbor::bytes::ByteVec>),
}

/// An answer and the position it is true at: the number of facts it has seen.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Told {
    /// How many facts it has seen.
    #[n(0)]
    pub position: Position,
    /// The answer.
    #[n(1)]
    pub said: Said,
}

/// Whom a question goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// The book itself: the answer is of this moment.
    Book,
    /// The read models: the answer is of what they have seen.
    Views,
    /// The log: the answer is of its newest checkpoint.
    Proofs,
}

impl Query {
    /// Whom it goes to.
    #[must_use]
    pub const fn asks(&self) -> Asks {
        match self {
            Self::Account(_)
            | Self::Totals
            | Self::Status
            | Self::AccountWhole(_)
            | Self::Accounts(_)
            | Self::OpenHold(_) => Asks::Book,
            Self::Statement { .. } | Self::TrialBalance(_) => Asks::Views,
            Self::Receipt(_) => Asks::Proofs,
        }
    }
}

/// Answers from the read models.
#[must_use]
pub fn answer_from(views: &Views, query: &Query) -> Told {
    let answered = match query {
        Query::Statement { account, newest_first, after, limit } => {
            statement(views, *account, *newest_first, after.as_deref(), *limit)
        }
        Query::TrialBalance(date) => views
            .trial_balance(*date)
            .map(|seen| Told {
                position: seen.next,
                said: Said::TrialBalance(seen.answer.iter().map(trial_line).collect()),
            })
            .map_err(|error| error.to_string()),
        Query::Account(_)
        | Query::Totals
        | Query::Status
        | Query::AccountWhole(_)
        | Query::Accounts(_)
        | Query::OpenHold(_) => Err("this is asked of the book".to_owned()),
        Query::Receipt(_) => Err("this is asked of the log".to_owned()),
    };
    answered.unwrap_or_else(|why| Told { position: Position::ZERO, said: Said::NoAnswer(why) })
}

/// Answers from the log. The position is the size of the checkpoint.
#[must_use]
pub fn answer_with_proof(prover: &Prover, query: &Query) -> Told {
    let size = prover.log.checkpoint().map_or(0, |checkpoint| checkpoint.head().size);
    let said = match query {
        Query::Receipt(position) => prover
            .receipt(*position)
            .map(|receipt| Said::Receipt(receipt.map(|receipt| receipt.to_bytes().into())))
            .unwrap_or_else(Said::NoAnswer),
        _ => Said::NoAnswer("this is not asked of the log".to_owned()),
    };
    Told { position: Position::new(size), said }
}

fn statement(
    views: &Views,
    account: AccountId,
    newest_first: bool,
    after: Option<&str>,
    limit: u32,
) -> Result<Told, String> {
    let start = match after {
        None => Start::AtEnd,
        Some(cursor) => Start::At(cursor.parse().map_err(|error: QueryError| error.to_string())?),
    };
    let query = StatementQuery {
        account,
        filter: Filter::ALL,
        order: if newest_first { Order::NewestFirst } else { Order::OldestFirst },
        start,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let seen = views.statement(&query).map_err(|error| error.to_string())?;
    let line = |entry: &StatementEntry| StatementLine {
        position: entry.position,
        stamp: entry.stamp,
        effective: entry.effective,
        transaction: entry.transaction,
        business_date: entry.business_date,
        side: entry.side,
        amount: entry.amount,
        debits_posted: entry.debits_posted,
        credits_posted: entry.credits_posted,
        reason: entry.reason,
    };
    Ok(Told {
        position: seen.next,
        said: Said::Statement {
            lines: seen.answer.lines.iter().map(line).collect(),
            next: seen.answer.next.to_string(),
            at_end: seen.answer.at_end,
        },
    })
}

fn trial_line(line: &AssetLine) -> TrialLine {
    TrialLine {
        asset: line.asset,
        debits_before: line.sums.opening.debits,
        credits_before: line.sums.opening.credits,
        debits: line.sums.day.debits,
        credits: line.sums.day.credits,
    }
}

/// Answers from the working state; the caller holds it back until that is durable.
#[must_use]
pub fn answer(book: &LedgerBook, query: &Query) -> Said {
    let ledger = book.ledger();
    match query {
        // Filled in by who knows the projections.
        Query::Status | Query::Statement { .. } | Query::TrialBalance(_) | Query::Receipt(_) => {
            Said::Status { log: None, views: None }
        }
        Query::Account(id) => match ledger.balances(*id) {
            None => Said::NoAccount(*id),
            Some(of) => Said::Account(AccountView {
                account: of.account,
                asset: of.asset,
                debits_posted: of.debits_posted,
                credits_posted: of.credits_posted,
                debits_pending: of.debits_pending,
                credits_pending: of.credits_pending,
                available: match of.available {
                    ledger::Available::UpTo(amount) => Some(amount),
                    ledger::Available::Unlimited => None,
                },
            }),
        },
        Query::Totals => {
            let totals = ledger.totals().into_iter().map(|(asset, total)| AssetTotal {
                asset,
                posted: total.debits_posted,
                debits_pending: total.debits_pending,
                credits_pending: total.credits_pending,
            });
            Said::Totals(totals.collect(), ledger.accounts_len())
        }
        Query::AccountWhole(id) => {
            ledger.account(*id).map_or(Said::NoAccount(*id), Said::AccountWhole)
        }
        Query::Accounts(from) => {
            let page = ledger.accounts_opened(*from).take(PAGE_MAX);
            Said::Accounts(page.collect(), ledger.accounts_len())
        }
        Query::OpenHold(id) => match ledger.open_hold(*id) {
            Some(hold) => Said::OpenHold(hold.clone()),
            None => Said::NoOpenHold(*id),
        },
    }
}
