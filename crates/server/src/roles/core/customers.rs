//! The seam between the core and the customers' books: one hosted in this process, or one that
//! its institution runs in its own.
//!
//! What the core asks of a customers' book while it carries payments goes through here; what an
//! institution does in its own book does not, and is offered for hosted books only.

use api::bank::{DUTIES_MAX, DueFrom, Duties, MirrorSide, ReturnDuty};
use clearing::customers::CreditStanding;
use clearing::saga::CreditorSide;
use clearing::{CustomersBook, DebtorSeen};
use record::{KeptDocuments, ReturnOrder, SettleOrder, Signed};
use seal::PublicKey;
use terms::{AccountId, Amount, AssetCode, PaymentId};
use tokio::sync::RwLock;

use super::books::{Failed, Running};
use super::in_book;
use super::remote::RemoteBook;

/// A customers' book, as the core reaches it.
#[derive(Debug)]
pub struct CustomersPort {
    /// Where it is.
    pub place: Place,
    /// Read by every step; written by who compares the book with the settlement book, so that
    /// nothing moves in between.
    pub steps: RwLock<()>,
}

/// Where a customers' book is.
#[derive(Debug)]
pub enum Place {
    /// In this process.
    Hosted(Box<Running<CustomersBook>>),
    /// In its institution's own.
    Remote(Box<RemoteBook>),
}

impl CustomersPort {
    /// A port to a book of this process.
    #[must_use]
    pub fn of_hosted(book: Running<CustomersBook>) -> Self {
        Self { place: Place::Hosted(Box::new(book)), steps: RwLock::new(()) }
    }

    /// A port to a book elsewhere.
    #[must_use]
    pub fn of_remote(book: RemoteBook) -> Self {
        Self { place: Place::Remote(Box::new(book)), steps: RwLock::new(()) }
    }

    /// The book, where it is in this process.
    #[must_use]
    pub const fn hosted(&self) -> Option<&Running<CustomersBook>> {
        match &self.place {
            Place::Hosted(book) => Some(book),
            Place::Remote(_) => None,
        }
    }

    /// The book, where it is elsewhere.
    #[must_use]
    pub const fn remote(&self) -> Option<&RemoteBook> {
        match &self.place {
            Place::Hosted(_) => None,
            Place::Remote(book) => Some(book),
        }
    }

    /// Whether it is elsewhere and does not answer now.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.remote().is_some_and(|book| !book.is_there())
    }

    /// What the book says of a payment whose debtor is there.
    pub async fn debtor_seen(&self, payment: PaymentId) -> Result<DebtorSeen, Failed> {
        match &self.place {
            Place::Hosted(book) => Ok(book.look(move |s| s.debtor_seen(payment)).await?.outcome),
            Place::Remote(book) => book.debtor_seen(payment).await,
        }
    }

    /// What the book says of a payment whose creditor is there.
    pub async fn creditor_side(&self, payment: PaymentId) -> Result<CreditorSide, Failed> {
        match &self.place {
            Place::Hosted(book) => Ok(book.look(move |s| s.creditor_side(payment)).await?.outcome),
            Place::Remote(book) => book.creditor_side(payment).await,
        }
    }

    /// The documents of a payment that left this book, or is about to: each set that it was sent.
    pub async fn documents(&self, payment: PaymentId) -> Result<Vec<KeptDocuments>, Failed> {
        match &self.place {
            Place::Hosted(book) => in_book::documents(book, payment).await,
            Place::Remote(book) => book.documents(payment).await,
        }
    }

    /// The orders of the payments whose hold is open.
    pub async fn open_holds(&self) -> Result<Vec<SettleOrder>, Failed> {
        let held = |state: &CustomersBook| {
            state.open_holds().map(|(_, order)| order.clone()).collect::<Vec<_>>()
        };
        match &self.place {
            Place::Hosted(book) => Ok(book.look(held).await?.outcome),
            Place::Remote(book) => book.open_holds().await,
        }
    }

    /// The orders of the returns whose hold is open.
    pub async fn open_returns(&self) -> Result<Vec<Signed<ReturnOrder>>, Failed> {
        let held = |state: &CustomersBook| {
            state.open_returns().map(|(_, held)| held.order.clone()).collect::<Vec<_>>()
        };
        match &self.place {
            Place::Hosted(book) => Ok(book.look(held).await?.outcome),
            Place::Remote(book) => book.open_returns().await,
        }
    }

    /// Where the money of a payment to this book lies. A book elsewhere says whether it took it,
    /// and whether it owes it back.
    pub async fn credit_standing(&self, payment: PaymentId) -> Result<CreditStanding, Failed> {
        match &self.place {
            Place::Hosted(book) => {
                Ok(book.look(move |s| s.credit_standing(payment)).await?.outcome)
            }
            Place::Remote(book) => book.credit_standing(payment).await,
        }
    }

    /// What mirrors the settlement book there, and which of these payments are not done.
    pub async fn mirror(&self, payments: Vec<PaymentId>) -> Result<MirrorSide, Failed> {
        match &self.place {
            Place::Hosted(book) => {
                let placed = book.look(move |state| mirror_of(state, &payments)).await?;
                Ok(MirrorSide { head: placed.position, ..placed.outcome })
            }
            Place::Remote(book) => book.mirror(payments).await,
        }
    }

    /// The returns that the institution owes.
    pub async fn duties(&self) -> Result<Duties, Failed> {
        match &self.place {
            Place::Hosted(book) => {
                let placed = book.look(duties_of).await?;
                Ok(Duties { head: placed.position.number(), ..placed.outcome })
            }
            Place::Remote(book) => book.duties().await,
        }
    }

    /// Whether this key asks for this account.
    pub async fn is_owner(&self, account: AccountId, key: PublicKey) -> Result<bool, Failed> {
        let owned = move |state: &CustomersBook| {
            state.profile(account).is_some_and(|profile| profile.client_key == key)
        };
        match &self.place {
            Place::Hosted(book) => Ok(book.look(owned).await?.outcome),
            Place::Remote(book) => book.is_owner(account, key).await,
        }
    }
}

/// The returns that a customers' book owes. The caller sets the position.
#[must_use]
pub fn duties_of(state: &CustomersBook) -> Duties {
    let owed = state.returns().owed();
    Duties {
        institution: state.institution().to_string(),
        head: 0,
        open: u64::try_from(owed.count()).unwrap_or(u64::MAX),
        owed: state
            .returns()
            .owed()
            .take(DUTIES_MAX)
            .map(|one| ReturnDuty {
                payment: one.payment.to_string(),
                minor: one.amount.minor.to_string(),
                asset: one.amount.asset.to_string(),
                since: one.since.to_string(),
            })
            .collect(),
    }
}

/// What a customers' book holds against the settlement book. The caller sets the position.
#[must_use]
pub fn mirror_of(state: &CustomersBook, payments: &[PaymentId]) -> MirrorSide {
    let untouched =
        |payment: &&PaymentId| state.creditor_side(**payment) == CreditorSide::Untouched;
    let returns = state.open_returns().map(|_| ());
    let outgoing = state.open_outgoings().map(|_| ());
    let beside = returns.chain(outgoing);
    MirrorSide {
        layout: 1,
        head: terms::Position::ZERO,
        due_from: due_from(state),
        not_debited: state.not_debited(payments),
        not_credited: payments.iter().filter(untouched).copied().collect(),
        open_holds: u64::try_from(state.open_holds().map(|_| ()).chain(beside).count())
            .unwrap_or(u64::MAX),
    }
}

fn due_from(state: &CustomersBook) -> Vec<DueFrom> {
    let of = |(asset, account): (AssetCode, AccountId)| {
        let balances = state.ledger().balances(account)?;
        Some(DueFrom {
            asset,
            debits: Amount::new(balances.debits_posted, asset),
            credits: Amount::new(balances.credits_posted, asset),
        })
    };
    state.due_from_assets().filter_map(of).collect()
}
