//! The seam between the core and the customers' books: one hosted in this process, or one that
//! its institution runs in its own.
//!
//! What the core asks of a customers' book while it carries payments goes through here; what an
//! institution does in its own book does not, and is offered for hosted books only.

use clearing::saga::CreditorSide;
use clearing::{CustomerAnswer, CustomerWork, CustomersBook, DebtorSeen};
use record::SettleOrder;
use seal::PublicKey;
use terms::{AccountId, PaymentId};

use super::books::{Failed, Running};

/// A customers' book, as the core reaches it.
#[derive(Debug)]
pub enum CustomersPort {
    /// In this process.
    Hosted(Box<Running<CustomersBook>>),
}

impl CustomersPort {
    /// The book, where it is in this process.
    #[must_use]
    pub const fn hosted(&self) -> Option<&Running<CustomersBook>> {
        match self {
            Self::Hosted(book) => Some(book),
        }
    }

    /// Takes a step of a payment: durable when this returns, and done once however often it is
    /// asked for.
    pub async fn step(&self, work: CustomerWork) -> Result<CustomerAnswer, Failed> {
        match self {
            Self::Hosted(book) => Ok(book.ask(work).await?.outcome),
        }
    }

    /// What the book says of a payment whose debtor is there.
    pub async fn debtor_seen(&self, payment: PaymentId) -> Result<DebtorSeen, Failed> {
        match self {
            Self::Hosted(book) => Ok(book.look(move |s| s.debtor_seen(payment)).await?.outcome),
        }
    }

    /// What the book says of a payment whose creditor is there.
    pub async fn creditor_side(&self, payment: PaymentId) -> Result<CreditorSide, Failed> {
        match self {
            Self::Hosted(book) => Ok(book.look(move |s| s.creditor_side(payment)).await?.outcome),
        }
    }

    /// The orders of the payments whose hold is open.
    pub async fn open_holds(&self) -> Result<Vec<SettleOrder>, Failed> {
        let held = |state: &CustomersBook| {
            state.open_holds().map(|(_, order)| order.clone()).collect::<Vec<_>>()
        };
        match self {
            Self::Hosted(book) => Ok(book.look(held).await?.outcome),
        }
    }

    /// Those of these payments that the book has not credited.
    pub async fn uncredited(&self, payments: Vec<PaymentId>) -> Result<Vec<PaymentId>, Failed> {
        let open = move |state: &CustomersBook| {
            let untouched =
                |payment: &PaymentId| state.creditor_side(*payment) == CreditorSide::Untouched;
            payments.into_iter().filter(untouched).collect::<Vec<_>>()
        };
        match self {
            Self::Hosted(book) => Ok(book.look(open).await?.outcome),
        }
    }

    /// Whether this key asks for this account.
    pub async fn is_owner(&self, account: AccountId, key: PublicKey) -> Result<bool, Failed> {
        let owned = move |state: &CustomersBook| {
            state.profile(account).is_some_and(|profile| profile.client_key == key)
        };
        match self {
            Self::Hosted(book) => Ok(book.look(owned).await?.outcome),
        }
    }
}
