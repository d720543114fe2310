//! Questions in the book's own words, as canonical CBOR in the protocol's query frames.

use bookkeeping::LedgerBook;
use ledger::{Account, Hold};
use minicbor::{Decode, Encode};
use terms::{AccountId, AssetCode, HoldId, Minor, Position};

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
    /// An account with everything that is known of it now.
    #[n(10)]
    AccountWhole(#[n(0)] AccountId),
    /// Accounts in the order of their opening, from this place on, at most [`PAGE_MAX`].
    #[n(11)]
    Accounts(#[n(0)] u32),
    /// A hold that no fact has ended.
    #[n(12)]
    OpenHold(#[n(0)] HoldId),
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

/// Answers from the working state; the caller holds it back until that is durable.
#[must_use]
pub fn answer(book: &LedgerBook, query: &Query) -> Said {
    let ledger = book.ledger();
    match query {
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
