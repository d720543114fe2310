//! Questions in the book's own words, as canonical CBOR in the protocol's query frames.

use bookkeeping::LedgerBook;
use ledger::{Account, Hold, Link, Reason, Side};
use minicbor::{Decode, Encode};
use store::views::AssetLine;
use terms::{AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, Position, TransactionId};

pub mod asked;
pub mod lines;

pub use asked::{Unanswered, answer_from};
pub use lines::{
    AccountTrialLine, AsOf, BalanceLine, DebitsCredits, EntryFilter, HoldEventLine, LinkedLine,
    OpenHoldLine, Step,
};

use crate::contents::FactLine;

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
    /// A page of an account's entries that fit a filter.
    #[n(20)]
    Entries {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// Which entries.
        #[n(1)]
        filter: EntryFilter,
        /// Whether from the newest to the oldest.
        #[n(2)]
        newest_first: bool,
        /// Where another page ended, in its own words.
        #[n(3)]
        after: Option<String>,
        /// At most how many.
        #[n(4)]
        limit: u32,
    },
    /// An account's balance as of some moment, from the read models.
    #[n(21)]
    Balance {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// When.
        #[n(1)]
        as_of: AsOf,
    },
    /// One page of the trial balance of a business day by account.
    #[n(22)]
    TrialOfAccounts {
        /// Which day.
        #[n(0)]
        date: BusinessDate,
        /// Where another page ended.
        #[n(1)]
        after: Option<String>,
        /// At most how many.
        #[n(2)]
        limit: u32,
    },
    /// Open holds by their last moment; those that never expire come last.
    #[n(23)]
    HoldsByExpiry {
        /// Only those whose last moment is this or earlier.
        #[n(0)]
        until: Option<Instant>,
        /// Where another page ended.
        #[n(1)]
        after: Option<String>,
        /// At most how many.
        #[n(2)]
        limit: u32,
    },
    /// An account's open holds, by id.
    #[n(24)]
    OpenHoldsOf {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// Where another page ended.
        #[n(1)]
        after: Option<String>,
        /// At most how many.
        #[n(2)]
        limit: u32,
    },
    /// What happened to an account's holds.
    #[n(25)]
    HoldEvents {
        /// Of which account.
        #[n(0)]
        account: AccountId,
        /// Whether from the newest to the oldest.
        #[n(1)]
        newest_first: bool,
        /// Where another page ended.
        #[n(2)]
        after: Option<String>,
        /// At most how many.
        #[n(3)]
        limit: u32,
    },
    /// The transactions that name a payment, a quote or another transaction.
    #[n(26)]
    Linked(#[n(0)] Link),
    /// How many facts are stamped at this moment or earlier.
    #[n(27)]
    PositionAt(#[n(0)] Instant),
    /// A transaction with its content, or its refusal.
    #[n(28)]
    Transaction {
        /// Whose: ids belong to the client that used them. `None` is who asks.
        #[n(0)]
        client: Option<u32>,
        /// Which.
        #[n(1)]
        id: TransactionId,
    },
    /// A hold with its history.
    #[n(29)]
    HoldWhole(#[n(0)] HoldId),
    /// The fact at a position.
    #[n(30)]
    Fact(#[n(0)] Position),
    /// How the engine and what follows it stand.
    #[n(31)]
    Engine,
    /// The same as OpenMetrics text.
    #[n(32)]
    Metrics,
    /// The fact at a position with the proof that it stands in the published log.
    #[n(40)]
    Receipt(#[n(0)] Position),
    /// Another question, with how fresh its answer must be.
    #[n(33)]
    Fresh {
        /// How fresh.
        #[n(0)]
        fresh: Freshness,
        /// The question: not one that says so again.
        #[n(1)]
        #[cbor(decode_with = "said_once")]
        query: Box<Query>,
    },
}

/// Number of [`Query::Fresh`].
const FRESH: u32 = 33;

/// Looks at a question before it reads it: questions within questions, a million bytes of them,
/// would use up the stack.
fn said_once<'b, C>(
    decoder: &mut minicbor::Decoder<'b>,
    context: &mut C,
) -> Result<Box<Query>, minicbor::decode::Error> {
    let mut ahead = decoder.probe();
    ahead.array()?;
    if ahead.u32()? == FRESH {
        let why = "a question says once how fresh its answer must be";
        return Err(minicbor::decode::Error::message(why));
    }
    Box::decode(decoder, context)
}

/// How fresh an answer must be. Without a word, the book's own answers are of the moment they are
/// asked at, and the read models' of what they have seen so far: their position says how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Freshness {
    /// It has seen every fact before this position.
    #[n(0)]
    AtLeast(#[n(0)] Position),
    /// It has seen everything that was durable, or answered, when it was asked: linearizable.
    #[n(1)]
    Now,
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
    /// An account's balance.
    #[n(21)]
    Balance(#[n(0)] BalanceLine),
    /// A page of a trial balance by account.
    #[n(22)]
    TrialOfAccounts {
        /// Its lines: every account has one.
        #[n(0)]
        lines: Vec<AccountTrialLine>,
        /// To go on.
        #[n(1)]
        next: String,
        /// Whether no further account was seen.
        #[n(2)]
        at_end: bool,
    },
    /// A page of open holds.
    #[n(23)]
    OpenHolds {
        /// The holds.
        #[n(0)]
        lines: Vec<OpenHoldLine>,
        /// To go on.
        #[n(1)]
        next: String,
        /// Whether no further hold was seen.
        #[n(2)]
        at_end: bool,
    },
    /// A page of steps of holds.
    #[n(25)]
    HoldEvents {
        /// The steps.
        #[n(0)]
        lines: Vec<HoldEventLine>,
        /// To go on.
        #[n(1)]
        next: String,
        /// Whether no further step was seen.
        #[n(2)]
        at_end: bool,
    },
    /// Transactions, oldest first.
    #[n(26)]
    Linked {
        /// Which.
        #[n(0)]
        transactions: Vec<LinkedLine>,
        /// Whether these are all that were seen.
        #[n(1)]
        whole: bool,
    },
    /// How many facts there were.
    #[n(27)]
    PositionAt(#[n(0)] Position),
    /// Facts, oldest first: a transaction has one, a hold one for each step. None when nothing is
    /// recorded.
    #[n(28)]
    Facts {
        /// The facts.
        #[n(0)]
        facts: Vec<FactLine>,
        /// Whether these are all.
        #[n(1)]
        whole: bool,
    },
    /// How the engine stands: numbers by name, and what is in trouble.
    #[n(31)]
    Engine {
        /// Each with its name.
        #[n(0)]
        figures: Vec<Figure>,
        /// In words: what keeps the book or a projection from going on.
        #[n(1)]
        troubles: Vec<String>,
    },
    /// OpenMetrics text.
    #[n(32)]
    Metrics(#[n(0)] String),
    /// A receipt's file; `None` while no published checkpoint covers the position.
    #[n(40)]
    Receipt(#[n(0)] Option<minicbor::bytes::ByteVec>),
}

/// A number by its name, as in the metrics.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Figure {
    /// Its name, with its labels.
    #[n(0)]
    pub name: String,
    /// How much.
    #[n(1)]
    pub value: u64,
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
    /// The book for where it lies, and the journal for what it says: of this moment.
    Journal,
    /// What counts and watches.
    Metrics,
    /// The log: the answer is of its newest checkpoint.
    Proofs,
}

impl Query {
    /// Whom it goes to.
    #[must_use]
    pub fn asks(&self) -> Asks {
        match self {
            Self::Account(_)
            | Self::Totals
            | Self::Status
            | Self::AccountWhole(_)
            | Self::Accounts(_)
            | Self::OpenHold(_) => Asks::Book,
            Self::Statement { .. }
            | Self::TrialBalance(_)
            | Self::Entries { .. }
            | Self::Balance { .. }
            | Self::TrialOfAccounts { .. }
            | Self::HoldsByExpiry { .. }
            | Self::OpenHoldsOf { .. }
            | Self::HoldEvents { .. }
            | Self::Linked(_)
            | Self::PositionAt(_) => Asks::Views,
            Self::Transaction { .. } | Self::HoldWhole(_) | Self::Fact(_) => Asks::Journal,
            Self::Engine | Self::Metrics => Asks::Metrics,
            Self::Receipt(_) => Asks::Proofs,
            Self::Fresh { query, .. } => query.asks(),
        }
    }
}

/// Assets of a book, about: totals are one line each.
const ASSETS_ABOUT: u64 = 16;

impl Query {
    /// How many items the book looks at for it, about.
    #[must_use]
    pub fn items(&self) -> u64 {
        match self {
            Self::Accounts(_) => u64::try_from(PAGE_MAX).unwrap_or(u64::MAX),
            Self::Totals => ASSETS_ABOUT,
            Self::Fresh { query, .. } => query.items(),
            Self::Account(_)
            | Self::Status
            | Self::AccountWhole(_)
            | Self::OpenHold(_)
            | Self::Statement { .. }
            | Self::TrialBalance(_)
            | Self::Entries { .. }
            | Self::Balance { .. }
            | Self::TrialOfAccounts { .. }
            | Self::HoldsByExpiry { .. }
            | Self::OpenHoldsOf { .. }
            | Self::HoldEvents { .. }
            | Self::Linked(_)
            | Self::PositionAt(_)
            | Self::Transaction { .. }
            | Self::HoldWhole(_)
            | Self::Fact(_)
            | Self::Engine
            | Self::Metrics
            | Self::Receipt(_) => 1,
        }
    }
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
        Query::Status
        | Query::Statement { .. }
        | Query::TrialBalance(_)
        | Query::Entries { .. }
        | Query::Balance { .. }
        | Query::TrialOfAccounts { .. }
        | Query::HoldsByExpiry { .. }
        | Query::OpenHoldsOf { .. }
        | Query::HoldEvents { .. }
        | Query::Linked(_)
        | Query::PositionAt(_)
        | Query::Transaction { .. }
        | Query::HoldWhole(_)
        | Query::Fact(_)
        | Query::Engine
        | Query::Metrics
        | Query::Receipt(_) => Said::Status { log: None, views: None },
        Query::Fresh { query, .. } => answer(book, query),
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

#[cfg(test)]
mod tests {
    use seal::text::to_hex;
    use seal::{from_canonical, to_canonical};

    use super::*;

    /// A million bytes of questions within questions are refused before the stack ends.
    #[test]
    fn a_question_says_once_how_fresh_its_answer_must_be() {
        let level = [0x82, 0x18, 0x21, 0x82, 0x82, 0x01, 0x80];
        let nest = [level.repeat(149_000), to_canonical(&Query::Metrics)].concat();
        assert!(from_canonical::<Query>(&nest).is_err());
        let once = [&level[..], &to_canonical(&Query::Metrics)].concat();
        assert!(matches!(from_canonical::<Query>(&once), Ok(Query::Fresh { .. })));
        let twice = [&level[..], &once].concat();
        assert!(from_canonical::<Query>(&twice).is_err());
    }

    /// Golden bytes: never edited, since clients of every version send them.
    #[test]
    fn questions_have_these_bytes() {
        let account = AccountId::from_bytes([3; 16]);
        let id = "0303".repeat(8);
        let balance = Query::Balance { account, as_of: AsOf::Position(Position::new(7)) };
        let fresh = Query::Fresh { fresh: Freshness::Now, query: Box::new(balance.clone()) };
        let entries = Query::Entries {
            account,
            filter: EntryFilter { code: Some(5), ..EntryFilter::default() },
            newest_first: true,
            after: None,
            limit: 10,
        };
        for (query, golden) in [
            (balance, format!("82158250{id}82018107")),
            (fresh, format!("8218218282018082158250{id}82018107")),
            (entries, format!("82148550{id}8bf6f6f6f6f6f6f6f6f6f605f5f60a")),
            (Query::Fact(Position::new(9)), "82181e8109".to_owned()),
            (Query::HoldWhole(HoldId::from_bytes([3; 16])), format!("82181d8150{id}")),
            (Query::Metrics, "82182080".to_owned()),
        ] {
            let bytes = to_canonical(&query);
            assert_eq!(to_hex(&bytes), golden, "{query:?}");
            assert_eq!(from_canonical::<Query>(&bytes).unwrap(), query);
        }
    }
}
