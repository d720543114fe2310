//! What an institution does in its own customers' book, wherever the book runs: in the core that
//! hosts it, or in the institution's own process.

use api::messages::{AccountView, NewCustomer, Taken};
use clearing::{CustomerAnswer, CustomerWork, CustomersBook};
use ledger::{
    Available, Ceiling, Command, Entry, Floor, Freeze, FullLedger, Opening, Owner, Purpose, Reason,
    Side as EntrySide, Transaction,
};
use record::{Blind, CustomerStep, FactBody, KeptDocuments, Parcel, SandboxLine, Side};
use terms::{
    AccountId, Amount, BookName, BusinessDate, InstitutionName, Minor, PaymentId, Position,
    TransactionId,
};

use super::admin::{NotDone, refused};
use super::books::{Failed, Running};
use super::config::own_account;
use super::facts::READ_PATIENCE;
use crate::system;

/// Submits work whose answer is done or not accepted.
pub async fn submit(book: &Running<CustomersBook>, work: CustomerWork) -> Result<(), NotDone> {
    match book.ask(work).await?.outcome {
        CustomerAnswer::Refused(rule) => Err(refused(rule.to_string())),
        CustomerAnswer::Done
        | CustomerAnswer::Held(_)
        | CustomerAnswer::HoldEnded(_)
        | CustomerAnswer::PaymentIdUsed { .. } => Ok(()),
    }
}

/// Opens a customer's account.
pub async fn open_customer(book: &Running<CustomersBook>, new: NewCustomer) -> Result<(), NotDone> {
    let opening = Opening {
        id: new.profile.account,
        asset: new.asset,
        normal: EntrySide::Credit,
        owner: Owner::Company(new.profile.owner),
        purpose: Purpose::Customer,
        floor: Floor::MayNotGoBelowZero,
        ceiling: Ceiling::Unlimited,
        marks: None,
    };
    submit(book, CustomerWork::OpenCustomer(opening, new.profile)).await
}

/// An account as a state holds it. The caller sets the position.
#[must_use]
pub fn account_seen(state: &CustomersBook, account: AccountId) -> Option<AccountView> {
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
}

/// An account as it stands.
pub async fn view_account(
    book: &Running<CustomersBook>,
    account: AccountId,
) -> Result<AccountView, NotDone> {
    let read = move |state: &CustomersBook| account_seen(state, account);
    let placed = book.look(read).await?;
    let mut view = placed.outcome.ok_or_else(|| refused("there is no such account"))?;
    view.head = placed.position;
    Ok(view)
}

/// A parcel of a payment's side, read back from the journal; `None` if none is kept.
pub async fn parcel(
    book: &Running<CustomersBook>,
    payment: PaymentId,
    side: Side,
    kind: String,
) -> Result<Option<Parcel>, Failed> {
    let look = move |s: &CustomersBook| s.parcel(payment, side, &kind);
    let Some(at) = book.look(look).await?.outcome else { return Ok(None) };
    let handle = book.handle.clone();
    let read = tokio::task::spawn_blocking(move || {
        let batch = handle.subscribe(at).recv_timeout(READ_PATIENCE).ok()?;
        Parcel::from_fact(&batch.at(at)?.fact().ok()?).ok()
    });
    let parcel = read.await.ok().flatten();
    parcel.map(Some).ok_or_else(|| Failed::NotDone("the parcel does not read".into()))
}

/// 32 bytes that nobody can guess, for the commitments to one order's documents.
pub fn fresh_blind() -> Result<Blind, Failed> {
    let drawn = system::random::<32>();
    drawn.map(Blind::from_bytes).map_err(|error| Failed::NotDone(error.to_string()))
}

/// The documents of a payment that left this book, read back from the journal.
pub async fn documents(
    book: &Running<CustomersBook>,
    payment: PaymentId,
) -> Result<Vec<KeptDocuments>, Failed> {
    let look = move |s: &CustomersBook| s.documents(payment).collect::<Vec<_>>();
    let places = book.look(look).await?.outcome;
    let handle = book.handle.clone();
    let read = tokio::task::spawn_blocking(move || {
        let kept = |at: Position| {
            let batch = handle.subscribe(at).recv_timeout(READ_PATIENCE).ok()?;
            match CustomerStep::from_fact(&batch.at(at)?.fact().ok()?).ok()? {
                CustomerStep::Held { order, blind, .. } => Some(KeptDocuments::of(&order, blind?)),
                CustomerStep::Documented { order, blind, .. } => {
                    Some(KeptDocuments::of(&order, blind))
                }
                CustomerStep::Debited { .. }
                | CustomerStep::Released { .. }
                | CustomerStep::Credited { .. } => None,
            }
        };
        places.into_iter().map(kept).collect::<Option<Vec<_>>>()
    });
    let read = read.await.ok().flatten();
    read.ok_or_else(|| Failed::NotDone("the documents of the payment do not read".into()))
}

/// Books a line of a sandbox statement once, against what the settlement book owes.
pub async fn book_line(
    book: &Running<CustomersBook>,
    (name, institution): (BookName, InstitutionName),
    number: &str,
    line: &SandboxLine,
) -> Result<(), NotDone> {
    let reason = format!("sandbox statement {number}, line {}", line.reference);
    let (reference, asset) = (line.reference, line.amount.asset);
    let due_from = own_account(name, institution, asset, Purpose::DueFrom).id;
    let look = move |state: &CustomersBook| booked_on(state.ledger(), reference);
    let date = book.look(look).await?.outcome;
    let command = Box::new(funding(due_from, line, date));
    submit(book, CustomerWork::Ledger { command, reason }).await
}

/// The business date that a line was booked on, if it was. A statement that is sent again after
/// midnight, to finish what was interrupted, must find its first lines booked and not in conflict.
pub(super) fn booked_on(ledger: &FullLedger, reference: TransactionId) -> Option<BusinessDate> {
    ledger.transaction(reference).map(|(_, booked)| booked.business_date)
}

pub(super) fn funding(
    against: AccountId,
    line: &SandboxLine,
    booked: Option<BusinessDate>,
) -> Command {
    let entry = |account, side| Entry { account, side, amount: line.amount.minor, hold: None };
    Command::Post(Transaction {
        id: line.reference,
        business_date: booked.unwrap_or_else(|| system::now().date()),
        reason: Reason::Funding,
        entries: [entry(against, EntrySide::Debit), entry(line.account, EntrySide::Credit)].into(),
        claims: vec![],
        links: vec![],
        detail: None,
    })
}
