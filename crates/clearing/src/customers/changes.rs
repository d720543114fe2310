//! What a fact changes in a book's ledger, for read models: they fold no book of their own.

use ledger::Change;
use record::acts::ACCOUNT_RESTRICTED;
use record::after::{CASE_CHANGED, CREDIT_DIVERTED, FUNDS_BLOCKED, RETURN_STEP};
use record::duty::{DUTY_CLOSED, DUTY_OPENED};
use record::funding::CUSTOMER_FUNDED;
use record::lease::{LEASE_SPENT, LEASE_STEP};
use record::outgoing::{OUTGOING_STEP, OutgoingStep};
use record::settlement::{
    ACCOUNT_OPENED, CUSTOMER_STEP, LEDGER_CHANGED, PARCEL_STORED, PROVEN_STEP, RETURN_DUTY_CLOSED,
};
use record::{
    AccountRestricted, CaseChanged, CreditDiverted, CustomerFunded, CustomerStep, Fact, FactBody,
    FundsBlocked, LedgerChanged, PROVEN_RETURN_STEP, ProvenReturnStep, ProvenStep, ReturnStep,
};
use seal::from_canonical;

/// The change of the ledger that a fact of a customers' book holds, if it holds one.
///
/// # Errors
/// In words: the fact does not read, or its kind is unknown to this build.
pub fn change_of(fact: &Fact) -> Result<Option<Change>, String> {
    let Some(bytes) = bytes_of(fact)? else { return Ok(None) };
    from_canonical(&bytes).map(Some).map_err(|error| error.to_string())
}

fn bytes_of(fact: &Fact) -> Result<Option<Vec<u8>>, String> {
    Ok(match fact.kind {
        LEDGER_CHANGED => Some(read::<LedgerChanged>(fact)?.change),
        CUSTOMER_STEP => of_step(read(fact)?),
        PROVEN_STEP => of_step(read::<ProvenStep>(fact)?.step),
        RETURN_STEP => of_return(read(fact)?),
        PROVEN_RETURN_STEP => of_return(read::<ProvenReturnStep>(fact)?.step),
        CREDIT_DIVERTED => Some(read::<CreditDiverted>(fact)?.change.into()),
        CASE_CHANGED => read::<CaseChanged>(fact)?.change.map(Into::into),
        FUNDS_BLOCKED => match read(fact)? {
            FundsBlocked::Blocked { change, .. } | FundsBlocked::Released { change, .. } => {
                change.map(Into::into)
            }
        },
        CUSTOMER_FUNDED => Some(read::<CustomerFunded>(fact)?.change.into()),
        ACCOUNT_RESTRICTED => Some(read::<AccountRestricted>(fact)?.change.into()),
        OUTGOING_STEP => match read(fact)? {
            OutgoingStep::Held { change, .. }
            | OutgoingStep::Debited { change, .. }
            | OutgoingStep::Released { change, .. } => Some(change.into()),
        },
        ACCOUNT_OPENED | PARCEL_STORED | RETURN_DUTY_CLOSED | LEASE_STEP | LEASE_SPENT
        | DUTY_OPENED | DUTY_CLOSED => None,
        other => return Err(format!("kind {other:?} is unknown to this build")),
    })
}

fn of_step(step: CustomerStep) -> Option<Vec<u8>> {
    match step {
        CustomerStep::Documented { .. } => None,
        CustomerStep::Held { change, .. }
        | CustomerStep::Debited { change, .. }
        | CustomerStep::Released { change, .. }
        | CustomerStep::Credited { change, .. } => Some(change.into()),
    }
}

fn of_return(step: ReturnStep) -> Option<Vec<u8>> {
    match step {
        ReturnStep::Held { change, .. }
        | ReturnStep::Debited { change, .. }
        | ReturnStep::Released { change, .. } => Some(change.into()),
    }
}

fn read<T: FactBody>(fact: &Fact) -> Result<T, String> {
    T::from_fact(fact).map_err(|error| error.to_string())
}
