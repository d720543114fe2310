//! What institutions, supervisors and the operator do to the books besides payments.

use std::sync::Arc;

use api::messages::{AccountView, NewCustomer};
use clearing::{CustomersBook, SettlementAnswer, SettlementBook, SettlementWork};
use ledger::Purpose;
use record::{SandboxLine, SandboxStatement, Signed};
use seal::PublicKey;
use terms::{AccountId, Environment, InstitutionName};

use super::books::{Failed, Placed, Running};
use super::config::{Config, own_account};
use super::customers::CustomersPort;
use super::in_book::{self, booked_on, funding};
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
        SettlementAnswer::Done => Ok(()),
        SettlementAnswer::NotAccepted(reason) => Err(refused(reason)),
        SettlementAnswer::EndedNow(_)
        | SettlementAnswer::EndedBefore(_)
        | SettlementAnswer::PaymentIdUsed { .. } => Err(refused("the answer is of a payment")),
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

/// Books what a sandbox statement says, each line once, against the control account in the
/// settlement book and against what the settlement book owes in a customers' book.
pub async fn book_statement(
    clearing: &Arc<Clearing>,
    config: &Config,
    signed: &Signed<SandboxStatement>,
) -> Result<usize, NotDone> {
    let statement = open_statement(signed, &config.operator_key, clearing.environment)?;
    for line in &statement.lines {
        book_line(clearing, config, &statement.number, line).await?;
    }
    Ok(statement.lines.len())
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

async fn book_line(
    clearing: &Clearing,
    config: &Config,
    number: &str,
    line: &SandboxLine,
) -> Result<(), NotDone> {
    let reason = format!("sandbox statement {number}, line {}", line.reference);
    let reference = line.reference;
    if line.book == clearing.book {
        let control =
            own_account(config.book, config.operator, line.amount.asset, Purpose::Control).id;
        let look = move |state: &SettlementBook| booked_on(state.ledger(), reference);
        let date = clearing.books.settlement.look(look).await?.outcome;
        let command = Box::new(funding(control, line, date));
        return submit(clearing, SettlementWork::Ledger { command, reason }).await;
    }
    let hosted = config
        .hosted
        .iter()
        .find(|hosted| hosted.book == line.book)
        .ok_or_else(|| refused(format!("there is no book `{}` here", line.book)))?;
    let book = book_of(clearing, hosted.institution)?;
    in_book::book_line(book, (hosted.book, hosted.institution), number, line).await
}
