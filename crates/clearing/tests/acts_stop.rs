//! The kill switch on every way that money takes besides a first payment: returns, refunds,
//! withdrawals. What is pinned still ends.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

use core::time::Duration;

use clearing::rule::RuleName::{self, *};
use clearing::settlement::acts::{ActsAnswer, ActsWork};
use clearing::testkit::after::{ReturnParts, books, checked_refund, pay, refund, way_back};
use clearing::testkit::{
    Books, Who, account, corridor, environment, eur, name, now, settlement_name, sgd,
};
use clearing::{
    Finish, May, Operator, OutsideAnswer, OutsideWork, Route, SettlementAnswer, SettlementWork,
    check_act,
};
use record::{
    Act, ActAccount, ActKind, Ending, OutsideEvidence, OutsideParty, Side, Signed, Stop, Subject,
    Withdrawal,
};
use seal::{Digest, SigningKey};
use terms::{ActId, Amount, Minor, OutsideId};

fn stop(books: &mut Books, what: ActKind) {
    let key = SigningKey::from_seed(&[0x61; 32]);
    let ada = Operator { name: "ada".into(), key: key.public_key(), may: May::Both };
    let act = Act {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id: ActId::from_bytes([1; 16]),
        what,
        reason: "a drill".into(),
        from: now(),
        until: None,
        decide_by: now().plus(Duration::from_secs(60)),
    };
    let checked = check_act(Signed::sign(&act, &key), &[ada]).expect("a person");
    let work = SettlementWork::Acts(Box::new(ActsWork::Propose(Box::new(checked))));
    match books.settle(now(), work).0 {
        SettlementAnswer::Acts(answer) if matches!(*answer, ActsAnswer::Stands(..)) => {}
        other => panic!("{other:?}"),
    }
}

fn participant(of: &str) -> ActKind {
    ActKind::Suspend(Subject::Participant(name(of)))
}

fn ended(finish: &Finish) -> Result<(), RuleName> {
    match finish {
        Finish::Ended(Ending::Settled, _) => Ok(()),
        Finish::Ended(Ending::Refused(code), _) => {
            Err(*RuleName::ALL.iter().find(|rule| rule.as_str() == code).expect("a rule"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_given_back_through_a_stop() {
    let frozen = |account, stop| ActKind::Freeze(account, stop);
    let customer = |side, of: &str| ActAccount::Customer(name(of), account(side, 0));
    let settlement = |of: &str, asset| ActAccount::Settlement(name(of), asset);
    let table = [
        (participant("bank-nl"), ParticipantSuspended),
        (participant("bank-sg"), ParticipantSuspended),
        (participant("fx-dealer"), ParticipantSuspended),
        (ActKind::Suspend(Subject::Asset(eur())), AssetSuspended),
        (ActKind::Suspend(Subject::Asset(sgd())), AssetSuspended),
        (frozen(settlement("bank-sg", sgd()), Stop::Debits), AccountFrozen),
        (frozen(settlement("bank-nl", eur()), Stop::Credits), AccountFrozen),
        (frozen(customer(Side::Creditor, "bank-sg"), Stop::Debits), AccountFrozen),
        (frozen(customer(Side::Debtor, "bank-nl"), Stop::Credits), AccountFrozen),
    ];
    for (what, expected) in table {
        let mut books = books();
        let original = pay(&mut books, 1, 10_000);
        let parts = ReturnParts::quoted(&original, 2, 2_000);
        let order = parts.checked(&original).expect("a return");
        let back = checked_refund(&refund(&original, 3, 2_000), &original).expect("a refund");
        stop(&mut books, what);
        let returned = ended(&books.drive(now(), Route::of_return(order)));
        assert_eq!(returned, Err(expected), "return: {what:?}");
        let refunded = ended(&books.drive(now(), Route::of_client(back)));
        assert_eq!(refunded, Err(expected), "refund: {what:?}");
        assert!(books.settlement.state.given_back(original.payment()).is_none());
    }
}

#[test]
fn a_return_is_stopped_by_its_originals_corridor_and_a_refund_by_its_own() {
    for (corridor, returned, refunded) in
        [(corridor(), Err(CorridorSuspended), Ok(())), (way_back(), Ok(()), Err(CorridorSuspended))]
    {
        let mut books = books();
        let original = pay(&mut books, 1, 10_000);
        let order = ReturnParts::quoted(&original, 2, 2_000).checked(&original).expect("a return");
        let back = checked_refund(&refund(&original, 3, 2_000), &original).expect("a refund");
        stop(&mut books, ActKind::Suspend(Subject::Corridor(corridor)));
        assert_eq!(ended(&books.drive(now(), Route::of_return(order))), returned, "{corridor}");
        assert_eq!(ended(&books.drive(now(), Route::of_client(back))), refunded, "{corridor}");
    }
}

fn withdrawal() -> Box<Signed<Withdrawal>> {
    let order = Withdrawal {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        id: id(),
        participant: name("bank-nl"),
        amount: Amount::new(Minor::new(1_000), eur()),
        to: OutsideParty {
            name: "Example Bank N.V.".into(),
            account: "NL91ABNA0417164300".into(),
            bic: "ABNANL2A".into(),
        },
        reference: "WD-1".into(),
        valid_until: now().plus(Duration::from_secs(600)),
    };
    Box::new(Signed::sign(&order, &Who::BankNl.key()))
}

fn id() -> OutsideId {
    OutsideId::from_bytes([0x21; 16])
}

fn outside(books: &mut Books, work: OutsideWork) -> Result<(), RuleName> {
    match books.settle(now(), SettlementWork::Outside(Box::new(work))).0 {
        SettlementAnswer::Outside(OutsideAnswer::Now) => Ok(()),
        SettlementAnswer::Outside(OutsideAnswer::Refused(rule)) => Err(rule.name),
        other => panic!("{other:?}"),
    }
}

#[test]
fn money_leaves_through_no_stop_unless_its_hold_was_pinned_before() {
    let table = [
        (participant("bank-nl"), ParticipantSuspended),
        (ActKind::Suspend(Subject::Asset(eur())), AssetSuspended),
        (
            ActKind::Freeze(ActAccount::Settlement(name("bank-nl"), eur()), Stop::Debits),
            AccountFrozen,
        ),
    ];
    let request = || OutsideWork::Request(withdrawal());
    let intend = || OutsideWork::Intend(id(), name("tcb-files"));
    let evidence = || OutsideEvidence::Message {
        digest: Digest::ZERO,
        message_id: "STS-1".into(),
        kind: "pacs.002".into(),
        code: "ACSC".into(),
        reason: String::new(),
    };
    for (what, expected) in table {
        let mut fresh = books();
        stop(&mut fresh, what);
        assert_eq!(outside(&mut fresh, request()), Err(expected), "request: {what:?}");
        let mut held = books();
        assert_eq!(outside(&mut held, request()), Ok(()));
        let mut pinned = held.clone();
        stop(&mut held, what);
        assert_eq!(outside(&mut held, intend()), Err(expected), "intend: {what:?}");
        assert_eq!(outside(&mut pinned, intend()), Ok(()));
        stop(&mut pinned, what);
        let mut rejected = pinned.clone();
        assert_eq!(outside(&mut pinned, OutsideWork::Post(id(), evidence())), Ok(()), "{what:?}");
        let released = outside(&mut rejected, OutsideWork::Release(id(), evidence()));
        assert_eq!(released, Ok(()), "the money is back: {what:?}");
    }
}
