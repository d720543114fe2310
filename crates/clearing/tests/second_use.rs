//! What a second use of an order, a quote, a permit or a payment id comes to, and what no order and
//! no command may do.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

use core::time::Duration;

use clearing::rule::RuleName::{self, *};
use clearing::testkit::{
    Books, Deal, OrderParts, Who, account, asset, company, environment, funding, institution, now,
    own_account, settlement_name, signed_trust_list, trust_list,
};
use clearing::{
    CustomerAnswer, CustomerWork, Finish, Route, Rule, SettlementAnswer, SettlementWork,
    check_parcel,
};
use ledger::{Command, NotDone, NotDoneSource, VoidGround};
use record::{Ending, LimitClaim, LimitPeriod, PaymentTerms, Side, Signed};
use seal::{Digest, sha256};
use terms::{AccountId, Amount, HoldId, Instant, Minor};

type Change = fn(&mut Books);

/// What an attempt came to.
fn attempt(books: &mut Books, parts: &OrderParts, at: Instant, world: Change) -> Result<(), Rule> {
    let order = parts.checked()?;
    world(books);
    let before = books.clone();
    match books.drive(at, Route::of_client(order)) {
        Finish::Ended(Ending::Settled, _) => Ok(()),
        Finish::Ended(Ending::Refused(code), _) => {
            nothing_moved(&before, books);
            let name = RuleName::ALL.iter().find(|name| name.as_str() == code);
            Err(Rule::new(*name.expect("a rule's name"), code))
        }
        other => panic!("{other:?}"),
    }
}

fn nothing_moved(before: &Books, after: &Books) {
    let pairs = [
        (before.settlement.state.ledger(), after.settlement.state.ledger()),
        (before.debtor.state.ledger(), after.debtor.state.ledger()),
        (before.creditor.state.ledger(), after.creditor.state.ledger()),
    ];
    for (before, after) in pairs {
        after.audit().expect("the audit holds");
        assert_eq!(before.totals(), after.totals());
        for account in before.accounts() {
            let id = account.opening().id;
            assert_eq!(before.balances(id), after.balances(id), "account {id}");
        }
    }
}

fn other() -> Digest {
    sha256(b"other")
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const AS_IT_IS: Change = |_| {};

#[test]
fn a_quote_is_used_once() {
    let mut books = Books::ready();
    let first = OrderParts::of(Deal::number(1));
    assert_eq!(attempt(&mut books, &first, now(), AS_IT_IS), Ok(()));
    let mut second = OrderParts::of(Deal::number(2));
    second.quote.quote = first.quote.quote;
    second.relink();
    let got = attempt(&mut books, &second, now(), AS_IT_IS).expect_err("used");
    assert_eq!(got.name, QuoteUsed);
}

#[test]
fn a_permit_used_twice_gives_the_first_answer_and_other_terms_conflict() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal::number(1));
    let route = || Route::of_client(parts.checked().unwrap());
    let first = books.drive(now(), route());
    let after = books.clone();
    // Long after every deadline: the first answer, whatever would be judged now.
    let later = now().plus(seconds(100_000));
    assert_eq!(books.drive(later, route()), first);
    nothing_moved(&after, &books);
    let other_terms = OrderParts::of(Deal { payee: 1, ..Deal::number(1) });
    let order = Route::of_client(other_terms.checked().unwrap());
    let conflict = Finish::PaymentIdUsed { first: parts.terms.terms_digest() };
    assert_eq!(books.drive(now(), order), conflict);
    nothing_moved(&after, &books);
}

/// The first answer is given again also when it was a refusal, and funds came meanwhile.
#[test]
fn a_refused_payment_stays_refused() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal { credit: 9_000_000, ..Deal::number(1) });
    let route = || Route::of_client(parts.checked().unwrap());
    let first = books.drive(now(), route());
    assert!(
        matches!(&first, Finish::Ended(Ending::Refused(code), _) if code == "InsufficientFunds")
    );
    let command = funding(0x77, own_account(1), account(Side::Debtor, 0), 9_000_000);
    let work = CustomerWork::Ledger { command: Box::new(command), reason: "in".into() };
    assert_eq!(books.tell(now(), Side::Debtor, work), CustomerAnswer::Done);
    let before = books.clone();
    for _ in 0..2 {
        assert_eq!(books.drive(now(), route()), first);
        nothing_moved(&before, &books);
    }
}

/// Two orders under one payment id run at once: one holds money, the other must not settle on it.
#[test]
fn a_hold_for_other_terms_is_a_conflict() {
    let mut books = Books::ready();
    let cheap = OrderParts::of(Deal { credit: 1_000, ..Deal::number(1) });
    let dear = OrderParts::of(Deal::number(1));
    let mut first = Route::of_client(cheap.checked().unwrap());
    let heard = books.carry(now(), &first, first.next());
    first.hear(heard);
    let conflict = Finish::PaymentIdUsed { first: cheap.terms.terms_digest() };
    assert_eq!(books.drive(now(), Route::of_client(dear.checked().unwrap())), conflict);
    assert!(matches!(books.drive(now(), first), Finish::Ended(Ending::Settled, _)));
}

/// The settlement book had the id first, on other terms: the hold is given back.
#[test]
fn a_hold_whose_payment_id_ended_on_other_terms_is_released() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal::number(1));
    let mut route = Route::of_client(parts.checked().unwrap());
    let before = books.clone();
    let heard = books.carry(now(), &route, route.next());
    route.hear(heard);
    let work = SettlementWork::RecordCoreRefusal {
        payment: parts.terms.payment,
        terms: other(),
        heading: record::Heading::default(),
        rule: Rule::new(QuoteUsed, ""),
    };
    assert!(matches!(books.settle(now(), work).0, SettlementAnswer::EndedNow(_)));
    assert_eq!(books.drive(now(), route), Finish::PaymentIdUsed { first: other() });
    nothing_moved(&before, &books);
}

#[test]
fn a_limit_counts_over_payments_of_the_day() {
    let mut books = Books::ready();
    let order = |number| {
        let mut parts = OrderParts::of(Deal::number(number));
        let amount = Amount::new(Minor::new(150_000), asset(Side::Debtor));
        let period = LimitPeriod::BusinessDay;
        parts.debtor.limits = vec![LimitClaim { key: "mandate:1".into(), amount, period }];
        parts
    };
    assert_eq!(attempt(&mut books, &order(1), now(), AS_IT_IS), Ok(()));
    assert_eq!(attempt(&mut books, &order(2), now(), AS_IT_IS), Ok(()));
    let third = attempt(&mut books, &order(3), now(), AS_IT_IS).expect_err("passed");
    assert_eq!(third.name, LimitExceeded);
}

#[test]
fn an_account_of_another_asset_is_not_held() {
    let mut books = Books::ready();
    let (id, owner) = (AccountId::from_bytes([0xcc; 16]), company(Side::Debtor, 0));
    let opening = clearing::testkit::opening(
        id,
        asset(Side::Creditor),
        ledger::Owner::Company(owner),
        ledger::Purpose::Customer,
    );
    let profile = record::AccountProfile {
        account: id,
        owner,
        name: "Company 0".into(),
        client_key: Who::Payee.key().public_key(),
    };
    let work = CustomerWork::OpenCustomer(opening, profile);
    assert_eq!(books.tell(now(), Side::Debtor, work), CustomerAnswer::Done);
    let mut parts = OrderParts::of(Deal::number(1));
    parts.terms.debited_account = id;
    parts.relink_permits();
    let got = attempt(&mut books, &parts, now(), AS_IT_IS).expect_err("other asset");
    assert_eq!(got.name, AccountUnknown);
}

#[test]
fn no_ledger_command_ends_the_hold_of_a_payment() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal::number(1));
    let work = CustomerWork::Hold(Box::new(parts.checked().unwrap()));
    let held = books.tell(now(), Side::Debtor, work);
    assert!(matches!(held, CustomerAnswer::Held(_)), "{held:?}");
    let hold = HoldId::from_bytes(parts.terms.payment.bytes());
    let document = NotDone { source: NotDoneSource::TwoPersons, document: other() };
    let void = Command::VoidHold { hold, ground: VoidGround::NotDone(document) };
    let work = CustomerWork::Ledger { command: Box::new(void), reason: "by hand".into() };
    assert!(matches!(books.tell(now(), Side::Debtor, work), CustomerAnswer::Refused(_)));
}

#[test]
fn a_refusal_tells_no_balance() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal { credit: 9_000_000, ..Deal::number(1) });
    let work = CustomerWork::Hold(Box::new(parts.checked().unwrap()));
    let CustomerAnswer::Refused(rule) = books.tell(now(), Side::Debtor, work) else {
        panic!("refused")
    };
    assert_eq!(rule.name, InsufficientFunds);
    assert!(!rule.detail.contains("5000000"), "{rule}");
}

#[test]
fn the_terms_of_the_fixture_read_back() {
    let parts = OrderParts::of(Deal::number(1));
    let read = PaymentTerms::from_terms_string(&parts.order().terms);
    assert_eq!(read.as_ref(), Ok(&parts.terms));
}

/// The account was closed between acceptance and credit: the money is settled, so it goes to
/// suspense, once, and the payment's books are complete.
#[test]
fn what_an_account_does_not_take_goes_to_suspense_once() {
    let mut books = Books::ready();
    let close = Command::CloseAccount { account: account(Side::Creditor, 0) };
    let work = CustomerWork::Ledger { command: Box::new(close), reason: "closed".into() };
    assert_eq!(books.tell(now(), Side::Creditor, work), CustomerAnswer::Done);
    let order = OrderParts::of(Deal::number(1)).checked().unwrap();
    for _ in 0..2 {
        let finish = books.drive(now(), Route::of_client(order.clone()));
        assert!(matches!(finish, Finish::Ended(Ending::Settled, _)), "{finish:?}");
        let suspense = books.creditor.state.ledger().balances(own_account(3)).unwrap();
        assert_eq!(suspense.credits_posted, Minor::new(100_000));
    }
}

/// Client or recovery may die after any step: whoever goes on from the hold finishes it.
#[test]
fn a_route_dropped_after_any_step_is_finished_by_recovery() {
    for steps in 1..6 {
        let mut books = Books::ready();
        let parts = OrderParts::of(Deal::number(1));
        let mut route = Route::of_client(parts.checked().unwrap());
        for _ in 0..steps {
            let heard = books.carry(now(), &route, route.next());
            route.hear(heard);
        }
        drop(route);
        let held: Vec<_> =
            books.debtor.state.open_holds().map(|(_, order)| order.clone()).collect();
        for order in held {
            let finish = books.drive(now(), Route::of_recovery(&order).unwrap());
            let code = if steps == 1 { "OrderInterrupted" } else { "" };
            let settled = matches!(&finish, Finish::Ended(Ending::Settled, _));
            let refused = matches!(&finish, Finish::Ended(Ending::Refused(got), _) if got == code);
            assert!(if steps == 1 { refused } else { settled }, "{steps}: {finish:?}");
        }
        assert_eq!(books.debtor.state.open_holds().count(), 0, "after {steps} steps");
        let first = books.settlement.state.payment(parts.terms.payment).unwrap().clone();
        // The client comes again: the first answer, and nothing more moves.
        let finish = books.drive(now(), Route::of_client(parts.checked().unwrap()));
        assert_eq!(finish, Finish::Ended(first.ending, first.position));
    }
}

/// Accounts belong to names: one jurisdiction's root must not be able to name another's bank or
/// provider with a key of its own.
#[test]
fn no_trust_list_captures_a_name_of_another() {
    let adopt = |alter: fn(&mut record::TrustList)| {
        let mut list = trust_list(Side::Creditor, 2, Who::BankSg);
        alter(&mut list);
        let signed = Signed::sign(&list, &Who::RootSg.key());
        let work = SettlementWork::AdoptTrustList(Box::new(signed));
        Books::ready().settle(now(), work).0
    };
    assert_eq!(adopt(|_| {}), SettlementAnswer::Done);
    let rows: [fn(&mut record::TrustList); 4] = [
        |list| list.institutions[0].institution = clearing::testkit::name("bank-nl"),
        |list| list.institutions[0].institution = clearing::testkit::name("fx-dealer"),
        |list| {
            let mut provider = trust_list(Side::Debtor, 1, Who::BankNl).providers.remove(0);
            provider.provider = clearing::testkit::name("bank-nl");
            list.providers.push(provider);
        },
        |list| {
            let mut provider = trust_list(Side::Debtor, 1, Who::BankNl).providers.remove(0);
            provider.quote_keys = vec![Who::Stranger.key().public_key()];
            list.providers.push(provider);
        },
    ];
    for (number, row) in rows.into_iter().enumerate() {
        let answer = adopt(row);
        assert!(matches!(answer, SettlementAnswer::NotAccepted(_)), "row {number}: {answer:?}");
    }
    // The same provider with the same keys, and a foreign bank named as foreign, may stand.
    let provider = adopt(|list| {
        list.providers = trust_list(Side::Debtor, 1, Who::BankNl).providers;
        list.institutions.extend(trust_list(Side::Debtor, 1, Who::BankNl).institutions);
    });
    assert_eq!(provider, SettlementAnswer::Done);
}

#[test]
fn a_parcel_is_kept_once_and_another_under_its_id_is_refused() {
    let mut books = Books::ready();
    let parcel = |content: u8| {
        let parcel = record::Parcel {
            payment: Deal::number(1).payment(),
            side: Side::Debtor,
            kind: "decision".to_owned(),
            sealed: vec![content; 40].into(),
            duties: None,
        };
        let here = (environment(), settlement_name(), institution(Side::Debtor));
        CustomerWork::Store(Box::new(check_parcel(parcel, here).unwrap()))
    };
    assert_eq!(books.tell(now(), Side::Debtor, parcel(1)), CustomerAnswer::Done);
    assert_eq!(books.tell(now(), Side::Debtor, parcel(1)), CustomerAnswer::Done);
    let other = books.tell(now(), Side::Debtor, parcel(2));
    assert!(matches!(other, CustomerAnswer::Refused(rule) if rule.detail.contains("another")));
}

#[test]
fn two_editions_of_one_version_of_a_list_are_told_apart() {
    let mut books = Books::ready();
    let mut adopt = |key| {
        let list = signed_trust_list(Side::Debtor, 1, key);
        books.settle(now(), SettlementWork::AdoptTrustList(list)).0
    };
    assert_eq!(adopt(Who::BankNl), SettlementAnswer::Done);
    let other = adopt(Who::Stranger);
    assert!(matches!(other, SettlementAnswer::NotAccepted(why) if why.contains("two editions")));
}
