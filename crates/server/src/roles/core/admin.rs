//! What institutions, supervisors and the operator do to the books besides payments.

use api::messages::{AccountView, NewCustomer, Taken};
use clearing::{CustomerAnswer, CustomerWork, CustomersBook, SettlementAnswer, SettlementWork};
use ledger::{Available, Ceiling, Floor, Freeze, Opening, Owner, Purpose, Side};
use seal::PublicKey;
use terms::{AccountId, Amount, InstitutionName, Minor};

use super::books::{Failed, Placed, Running};
use super::customers::CustomersPort;
use super::orders::Clearing;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The document or request is not acceptable; the words say why.
    #[error("{0}")]
    NotAccepted(String),
    /// The world failed.
    #[error(transparent)]
    Failed(#[from] Failed),
}

fn refused(reason: impl Into<String>) -> NotDone {
    NotDone::NotAccepted(reason.into())
}

/// Submits work whose answer is done or not accepted.
pub async fn submit(clearing: &Clearing, work: SettlementWork) -> Result<(), NotDone> {
    accepted(clearing.books.settlement.ask(work).await?)
}

fn accepted(placed: Placed<SettlementAnswer>) -> Result<(), NotDone> {
    match placed.outcome {
        SettlementAnswer::Done => Ok(()),
        SettlementAnswer::NotAccepted(reason) => Err(refused(reason)),
        SettlementAnswer::EndedNow(_)
        | SettlementAnswer::EndedBefore(_)
        | SettlementAnswer::PaymentIdUsed { .. }
        | SettlementAnswer::Funding(_) => Err(refused("the answer is of something else")),
    }
}

async fn submit_customer(book: &Running<CustomersBook>, work: CustomerWork) -> Result<(), NotDone> {
    match book.ask(work).await?.outcome {
        CustomerAnswer::Refused(rule) => Err(refused(rule.to_string())),
        CustomerAnswer::Done
        | CustomerAnswer::HoldEnded(_)
        | CustomerAnswer::PaymentIdUsed { .. } => Ok(()),
    }
}

/// The hosted book of an institution.
pub fn book_of(
    clearing: &Clearing,
    institution: InstitutionName,
) -> Result<&Running<CustomersBook>, NotDone> {
    clearing
        .books
        .customers
        .get(&institution)
        .and_then(CustomersPort::hosted)
        .ok_or_else(|| refused(format!("the book of `{institution}` is not hosted here")))
}

/// Opens a customer's account in the caller's own book.
pub async fn open_customer(
    clearing: &Clearing,
    institution: InstitutionName,
    new: NewCustomer,
) -> Result<(), NotDone> {
    let opening = Opening {
        id: new.profile.account,
        asset: new.asset,
        normal: Side::Credit,
        owner: Owner::Company(new.profile.owner),
        purpose: Purpose::Customer,
        floor: Floor::MayNotGoBelowZero,
        ceiling: Ceiling::Unlimited,
        marks: None,
    };
    let work = CustomerWork::OpenCustomer(opening, new.profile);
    submit_customer(book_of(clearing, institution)?, work).await
}

/// An account, for its institution or its owner.
pub async fn view_account(
    clearing: &Clearing,
    institution: InstitutionName,
    account: AccountId,
) -> Result<AccountView, NotDone> {
    let book = book_of(clearing, institution)?;
    let read = move |state: &CustomersBook| {
        let profile = state.profile(account)?.clone();
        let held = state.ledger().account(account)?;
        let available = match held.available() {
            Available::UpTo(minor) => minor,
            Available::Unlimited => Minor::MAX,
        };
        let open = held.standing() == ledger::account::Standing::Open;
        let takes = |stopped: bool| if open && !stopped { Taken::Yes } else { Taken::No };
        let freeze = held.freeze();
        Some(AccountView {
            layout: 1,
            profile,
            available: Amount::new(available, held.opening().asset),
            debits: takes(matches!(freeze, Freeze::Debits | Freeze::Both)),
            credits: takes(matches!(freeze, Freeze::Credits | Freeze::Both)),
            head: terms::Position::ZERO,
        })
    };
    let placed = book.look(read).await?;
    let mut view = placed.outcome.ok_or_else(|| refused("there is no such account"))?;
    view.head = placed.position;
    Ok(view)
}

/// The accounts of a wallet's key, across the hosted books.
pub async fn account_of_client(
    clearing: &Clearing,
    key: PublicKey,
    account: AccountId,
) -> Result<AccountView, NotDone> {
    for institution in clearing.books.customers.keys() {
        if let Ok(view) = view_account(clearing, *institution, account).await
            && view.profile.client_key == key
        {
            return Ok(view);
        }
    }
    Err(refused("there is no such account of yours"))
}
