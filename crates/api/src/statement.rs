//! What was posted on a customer's account.
//!
//! | role | route | body → answer |
//! |---|---|---|
//! | core, bank | `GET /v1/accounts/{id}/statement` | → [`StatementPage`], own institution or owner only |
//!
//! Questions: `at_least` (the state at this position of the customers' book or later; without it
//! the newest, which only who leads can say), `limit` (1 to [`LINES_MAX`]), `order` (`newest`,
//! `oldest`), `cursor` (where another page ended). The position in the answer is that of the book:
//! every fact before it is in the page.

use minicbor::{Decode, Encode};
use terms::{AccountId, AssetCode, BusinessDate, Instant, Minor, Position, TransactionId};

/// Most lines of one page: a screen or two.
pub const LINES_MAX: usize = 200;
/// Lines of a page when nobody says how many.
pub const LINES_USUAL: usize = 50;

/// One page of an account's statement.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatementPage {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The account.
    #[n(1)]
    pub account: AccountId,
    /// Its asset.
    #[n(2)]
    pub asset: AssetCode,
    /// Every fact of the customers' book before this position has been seen.
    #[n(3)]
    pub head: Position,
    /// The lines, in the order asked for.
    #[n(4)]
    pub lines: Vec<StatementLine>,
    /// To go on in the same order; absent at the end.
    #[n(5)]
    pub next: Option<String>,
}

/// One posted entry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StatementLine {
    /// Of the fact that posted it.
    #[n(0)]
    pub position: Position,
    /// When it was posted.
    #[n(1)]
    pub at: Instant,
    /// The day it counts for.
    #[n(2)]
    pub date: BusinessDate,
    /// By which transaction.
    #[n(3)]
    pub transaction: TransactionId,
    /// Why: `payment`, `fee`, `funding`, …; to an owner `by-the-bank` for what its bank moved by
    /// itself, and the transaction then has another name than in the book.
    #[n(4)]
    pub reason: String,
    /// Which way.
    #[n(5)]
    pub way: Way,
    /// How much.
    #[n(6)]
    pub amount: Minor,
    /// The sum of all debits posted, this one included.
    #[n(7)]
    pub debits: Minor,
    /// The sum of all credits posted, this one included.
    #[n(8)]
    pub credits: Minor,
}

/// Which way money moved, as the account's owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Way {
    /// Out: a debit.
    #[n(0)]
    Out,
    /// In: a credit.
    #[n(1)]
    In,
}
