//! A book with one participant's money, and what can be asked of it.

use core::time::Duration;

use clearing::outside::{Report, Told, Transfer};
use clearing::testkit::{
    Books, Who, environment, eur, name, now, own_account, settlement_genesis, settlement_name,
};
use clearing::{OutsideAnswer, OutsideWork, SettlementAnswer, SettlementWork};
use record::{OutsideEvidence, OutsideParty, Signed, Withdrawal};
use seal::sha256;
use terms::{AccountId, Amount, Instant, Minor, OutsideId};

/// The settlement account of the participant, and the control account of its asset.
pub(crate) const PARTICIPANT: AccountId = own_account(3);
pub(crate) const CONTROL: AccountId = own_account(1);

pub(crate) fn id(n: u8) -> OutsideId {
    OutsideId::from_bytes([n; 16])
}

pub(crate) fn withdrawal(n: u8, units: u128) -> Withdrawal {
    Withdrawal {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id: id(n),
        participant: name("bank-nl"),
        amount: Amount::new(Minor::new(units), eur()),
        to: OutsideParty {
            name: "Example Bank N.V.".into(),
            account: "NL91ABNA0417164300".into(),
            bic: "ABNANL2A".into(),
        },
        reference: format!("WD-{n}"),
        valid_until: now().plus(Duration::from_secs(60)),
    }
}

pub(crate) fn order(n: u8, units: u128) -> Box<Signed<Withdrawal>> {
    Box::new(Signed::sign(&withdrawal(n, units), &Who::BankNl.key()))
}

pub(crate) fn message(kind: &str, code: &str, reason: &str) -> OutsideEvidence {
    OutsideEvidence::Message {
        digest: sha256(format!("{kind} {code} {reason}").as_bytes()),
        message_id: "RAIL-1".into(),
        kind: kind.into(),
        code: code.into(),
        reason: reason.into(),
    }
}

pub(crate) fn report(code: &str, reason: &str) -> Report {
    let told = Told::of_status(code, reason);
    Report { told, evidence: message("pacs.002", code, reason) }
}

pub(crate) fn returned() -> Report {
    Report { told: Told::Returned, evidence: message("pacs.004", "RTRD", "AC04") }
}

pub(crate) fn outside(books: &mut Books, at: Instant, work: OutsideWork) -> OutsideAnswer {
    match books.settle(at, SettlementWork::Outside(Box::new(work))).0 {
        SettlementAnswer::Outside(answer) => answer,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn transfer(books: &Books, n: u8) -> Transfer {
    books.settlement.state.transfer(id(n)).expect("a transfer").clone()
}

/// What left the participant's account for good, and what stands against it in the mirror.
pub(crate) fn moved(books: &Books) -> u128 {
    let balances = |account| books.settlement.state.ledger().balances(account).expect("an account");
    let (participant, control) = (balances(PARTICIPANT), balances(CONTROL));
    let (out, mirrored) = (participant.debits_posted.units(), control.credits_posted.units());
    assert_eq!(out, mirrored, "both sides of each posting");
    out
}

/// Money is conserved, and the state is the fold of its facts.
pub(crate) fn sound(books: &Books) {
    books.settlement.state.ledger().audit().expect("the audit holds");
    assert_eq!(books.settlement.refold(settlement_genesis()), books.settlement.state);
}
