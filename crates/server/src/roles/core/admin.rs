//! What institutions, supervisors and the operator do to the books besides payments.

use api::messages::{AccountView, NewCustomer};
use clearing::{AfterAnswer, CustomersBook, SettlementAnswer, SettlementWork};
use record::{SandboxStatement, Signed};
use seal::PublicKey;
use terms::{AccountId, Environment, InstitutionName};

use super::books::{Failed, Placed, Running};
use super::customers::CustomersPort;
use super::in_book;
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

pub(crate) fn refused(reason: impl Into<String>) -> NotDone {
    NotDone::NotAccepted(reason.into())
}

/// Submits work whose answer is done or not accepted.
pub async fn submit(clearing: &Clearing, work: SettlementWork) -> Result<(), NotDone> {
    accepted(clearing.books.settlement.ask(work).await?)
}

fn accepted(placed: Placed<SettlementAnswer>) -> Result<(), NotDone> {
    match placed.outcome {
        SettlementAnswer::Done | SettlementAnswer::After(AfterAnswer::Asked(_)) => Ok(()),
        SettlementAnswer::After(AfterAnswer::Refused(rule)) => Err(refused(rule.to_string())),
        SettlementAnswer::NotAccepted(reason) => Err(refused(reason)),
        SettlementAnswer::EndedNow(_)
        | SettlementAnswer::EndedBefore(_)
        | SettlementAnswer::PaymentIdUsed { .. }
        | SettlementAnswer::Outside(_)
        | SettlementAnswer::Acts(_)
        | SettlementAnswer::Funding(_) => Err(refused("the answer is of something else")),
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
    in_book::open_customer(book_of(clearing, institution)?, new).await
}

/// An account, for its institution or its owner.
pub async fn view_account(
    clearing: &Clearing,
    institution: InstitutionName,
    account: AccountId,
) -> Result<AccountView, NotDone> {
    in_book::view_account(book_of(clearing, institution)?, account).await
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

/// Opens a sandbox statement that the operator signed for this environment.
pub(crate) fn open_statement(
    signed: &Signed<SandboxStatement>,
    operator_key: &str,
    environment: Environment,
) -> Result<SandboxStatement, NotDone> {
    let key: PublicKey = operator_key.parse().map_err(|_| refused("operator key"))?;
    let statement = signed.verify(&key).map_err(|error| refused(error.to_string()))?;
    if statement.environment != environment || environment.as_str() == "production" {
        return Err(refused("a sandbox statement is worth nothing in this environment"));
    }
    Ok(statement)
}
