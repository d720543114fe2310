//! What institutions, supervisors and the operator do to the books besides payments.

use std::sync::Arc;

use api::messages::{AccountView, NewCustomer, Taken};
use clearing::{
    AfterAnswer, CustomerAnswer, CustomerWork, CustomersBook, SettlementAnswer, SettlementBook,
    SettlementWork,
};
use ledger::{
    Available, Ceiling, Command, Entry, Floor, Freeze, FullLedger, Opening, Owner, Purpose, Reason,
    Side, Transaction,
};
use record::{SandboxLine, SandboxStatement, Signed};
use seal::PublicKey;
use terms::{AccountId, Amount, BusinessDate, InstitutionName, Minor, TransactionId};

use super::books::{Failed, Placed, Running};
use super::config::{Config, own_account};
use super::orders::Clearing;
use crate::system;

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
        SettlementAnswer::Done | SettlementAnswer::After(AfterAnswer::Asked(_)) => Ok(()),
        SettlementAnswer::After(AfterAnswer::Refused(rule)) => Err(refused(rule.to_string())),
        SettlementAnswer::NotAccepted(reason) => Err(refused(reason)),
        SettlementAnswer::EndedNow(_)
        | SettlementAnswer::EndedBefore(_)
        | SettlementAnswer::PaymentIdUsed { .. } => Err(refused("the answer is of a payment")),
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

/// Books what a sandbox statement says, each line once, against the control account in the
/// settlement book and against what the settlement book owes in a customers' book.
pub async fn book_statement(
    clearing: &Arc<Clearing>,
    config: &Config,
    signed: &Signed<SandboxStatement>,
) -> Result<usize, NotDone> {
    let key: PublicKey = config.operator_key.parse().map_err(|_| refused("operator key"))?;
    let statement = signed.verify(&key).map_err(|error| refused(error.to_string()))?;
    if statement.environment != clearing.environment
        || clearing.environment.as_str() == "production"
    {
        return Err(refused("a sandbox statement is worth nothing in this environment"));
    }
    for line in &statement.lines {
        book_line(clearing, config, &statement.number, line).await?;
    }
    Ok(statement.lines.len())
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
    let asset = line.amount.asset;
    let due_from = own_account(hosted.book, hosted.institution, asset, Purpose::DueFrom).id;
    let book = book_of(clearing, hosted.institution)?;
    let look = move |state: &CustomersBook| booked_on(state.ledger(), reference);
    let date = book.look(look).await?.outcome;
    let command = Box::new(funding(due_from, line, date));
    submit_customer(book, CustomerWork::Ledger { command, reason }).await
}

/// The business date that a line was booked on, if it was. A statement that is sent again after
/// midnight, to finish what was interrupted, must find its first lines booked and not in conflict.
fn booked_on(ledger: &FullLedger, reference: TransactionId) -> Option<BusinessDate> {
    ledger.transaction(reference).map(|(_, booked)| booked.business_date)
}

fn funding(against: AccountId, line: &SandboxLine, booked: Option<BusinessDate>) -> Command {
    let entry = |account, side| Entry { account, side, amount: line.amount.minor, hold: None };
    Command::Post(Transaction {
        id: line.reference,
        business_date: booked.unwrap_or_else(|| system::now().date()),
        reason: Reason::Funding,
        entries: [entry(against, Side::Debit), entry(line.account, Side::Credit)].into(),
        claims: vec![],
        links: vec![],
        detail: None,
    })
}
