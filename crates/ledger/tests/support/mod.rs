//! Short ways to say accounts, holds and transactions in tests.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use ledger::{
    Ceiling, Change, Checked, Claim, Command, Entry, Floor, FullLedger, LimitKey, Opening, Owner,
    Period, Placement, Purpose, Reason, Refusal, Side, Term, Transaction, VelocityLimit,
};
use terms::{AccountId, AssetCode, BusinessDate, HoldId, Instant, Minor, TransactionId};

pub(crate) fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

pub(crate) fn hold(n: u128) -> HoldId {
    HoldId::from_bytes(n.to_be_bytes())
}

pub(crate) fn txn(n: u128) -> TransactionId {
    TransactionId::from_bytes(n.to_be_bytes())
}

pub(crate) fn eur() -> AssetCode {
    "EUR.2@x".parse().unwrap()
}

pub(crate) fn sgd() -> AssetCode {
    "SGD.2@y".parse().unwrap()
}

/// Ledger time of the day that transactions here count for.
pub(crate) fn at(nanos: u64) -> Instant {
    BusinessDate::from_days(20_779).start().plus(std::time::Duration::from_nanos(nanos))
}

pub(crate) fn opening(n: u8, asset: AssetCode, floor: Floor, ceiling: Ceiling) -> Opening {
    Opening {
        id: account(n),
        asset,
        normal: if floor == Floor::Unlimited { Side::Debit } else { Side::Credit },
        owner: Owner::Institution("bank-nl".parse().unwrap()),
        purpose: if floor == Floor::Unlimited { Purpose::Control } else { Purpose::Settlement },
        floor,
        ceiling,
        marks: None,
    }
}

pub(crate) fn limit(key: u8, asset: AssetCode, amount_max: u128, count_max: u32) -> VelocityLimit {
    VelocityLimit {
        key: LimitKey(seal::Digest::from_bytes([key; 32])),
        asset,
        period: Period::BusinessDay,
        amount_max: Minor::new(amount_max),
        count_max,
        besides: None,
    }
}

pub(crate) fn claim(limit: VelocityLimit, amount: u128) -> Claim {
    Claim { limit, amount: Minor::new(amount) }
}

pub(crate) fn placement(n: u128, account_number: u8, amount: u128, term: Term) -> Placement {
    Placement {
        id: hold(n),
        account: account(account_number),
        side: Side::Debit,
        amount: Minor::new(amount),
        term,
        business_date: BusinessDate::from_days(20_779),
        limits: vec![],
        links: vec![],
    }
}

pub(crate) fn debit(n: u8, amount: u128) -> Entry {
    Entry { account: account(n), side: Side::Debit, amount: Minor::new(amount), hold: None }
}

pub(crate) fn credit(n: u8, amount: u128) -> Entry {
    Entry { side: Side::Credit, ..debit(n, amount) }
}

pub(crate) fn held(n: u8, amount: u128, id: u128) -> Entry {
    Entry { hold: Some(hold(id)), ..debit(n, amount) }
}

pub(crate) fn transaction(n: u128, entries: Vec<Entry>) -> Transaction {
    Transaction {
        id: txn(n),
        business_date: BusinessDate::from_days(20_779),
        reason: Reason::Payment,
        entries: entries.into(),
        claims: vec![],
        links: vec![],
        detail: None,
    }
}

pub(crate) fn post(n: u128, entries: Vec<Entry>) -> Command {
    Command::Post(transaction(n, entries))
}

/// Checks and applies; gives back the changes.
pub(crate) fn run(
    ledger: &mut FullLedger,
    nanos: u64,
    command: &Command,
) -> Result<Vec<Change>, Refusal> {
    let checked: Checked = ledger.check(at(nanos), command)?;
    for change in checked.changes() {
        ledger.apply(at(nanos), change);
    }
    // What was promised is what happened.
    for promised in &checked.outcome().balances {
        assert_eq!(ledger.balances(promised.account), Some(*promised));
    }
    Ok(checked.into_parts().0.into_vec())
}

/// Control accounts 1 (EUR) and 2 (SGD); 3 and 4 in EUR, 5 in SGD, none below zero, 4 with a
/// ceiling of 500; 1,000 funded on 3 and on 5.
pub(crate) fn funded() -> FullLedger {
    let mut ledger = FullLedger::new();
    let zero = Floor::MayNotGoBelowZero;
    for opening in [
        opening(1, eur(), Floor::Unlimited, Ceiling::Unlimited),
        opening(2, sgd(), Floor::Unlimited, Ceiling::Unlimited),
        opening(3, eur(), zero, Ceiling::Unlimited),
        opening(4, eur(), zero, Ceiling::At(Minor::new(500))),
        opening(5, sgd(), zero, Ceiling::Unlimited),
    ] {
        run(&mut ledger, 1, &Command::OpenAccount(opening)).unwrap();
    }
    let funding = vec![debit(1, 1000), credit(3, 1000), debit(2, 1000), credit(5, 1000)];
    run(&mut ledger, 2, &post(1_000_000, funding)).unwrap();
    ledger
}
