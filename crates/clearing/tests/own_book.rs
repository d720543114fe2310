//! A book whose institution trusts its own permits and the settlement book's signed word, and
//! nothing else that it is told; and the duty to return what an account did not take.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

use core::time::Duration;

use clearing::route::{Shown, shown};
use clearing::rule::RuleName;
use clearing::saga::{CreditorSide, DebtorSide};
use clearing::testkit::{
    Books, Deal, OrderParts, Who, account, blind, environment, institution, name, now, own_account,
    settlement_genesis, settlement_name, start, trust,
};
use clearing::{
    BankWork, CustomerAnswer, CustomerWork, Pins, Route, SettlementAnswer, SettlementWork,
};
use journal::Image;
use ledger::{Command, Freeze};
use record::{
    Blind, Commitment, Durability, Ending, Promise, ReturnDutyClosed, SettleOrder, Side, Signed,
};
use seal::{Digest, sha256};
use terms::{Instant, PaymentId, Position};

const ORIGIN: &str = "wayleave.example/sandbox/settlement";

fn offered() -> Blind {
    blind(Deal::number(1).payment())
}

fn pins(side: Side) -> Pins {
    let own = if side == Side::Debtor { Who::BankNl } else { Who::BankSg };
    Pins {
        environment: environment(),
        institution: institution(side),
        settlement: settlement_name(),
        origin: ORIGIN.into(),
        log_key: Who::Operator.key().public_key(),
        permit_keys: vec![own.key().public_key()],
    }
}

fn promise(payment: PaymentId, terms: Digest, outcome: Ending) -> Promise {
    Promise {
        layout: 1,
        environment: environment(),
        origin: ORIGIN.into(),
        position: Position::new(41),
        commitment: Commitment(Digest::ZERO),
        payment,
        terms,
        outcome,
        durability: Durability::OneDisk,
        settled_at: now(),
        integrate_by: now().plus(Duration::from_secs(60)),
    }
}

fn settled(order: &SettleOrder, payment: PaymentId) -> Promise {
    promise(payment, sha256(order.terms.as_bytes()), Ending::Settled)
}

fn signed(promise: &Promise) -> Signed<Promise> {
    Signed::sign(promise, &Who::Operator.key())
}

fn order(number: u64) -> (SettleOrder, PaymentId) {
    (OrderParts::of(Deal::number(number)).order(), Deal::number(number).payment())
}

fn bank(books: &mut Books, at: Instant, side: Side, work: BankWork) -> CustomerAnswer {
    books.tell(at, side, CustomerWork::Bank(Box::new(work)))
}

fn hold(books: &mut Books, order: &SettleOrder) -> CustomerAnswer {
    let permitted = pins(Side::Debtor).permitted(order.clone(), offered()).expect("its own permit");
    bank(books, now(), Side::Debtor, BankWork::Hold(Box::new(permitted)))
}

fn end(
    books: &mut Books,
    work: fn(Box<clearing::pins::ProvenEnd>) -> BankWork,
    of: &Promise,
) -> CustomerAnswer {
    let proven = pins(Side::Debtor).proven(signed(of)).expect("the log signed it");
    bank(books, now(), Side::Debtor, work(Box::new(proven)))
}

fn credit(books: &mut Books, order: &SettleOrder, payment: PaymentId) -> CustomerAnswer {
    let proven = pins(Side::Creditor)
        .creditable(&signed(&settled(order, payment)), &order.terms, &order.creditor_permit)
        .expect("settled and permitted");
    bank(books, now(), Side::Creditor, BankWork::Credit(Box::new(proven)))
}

type Change = fn(&mut OrderParts);

fn refusal(answer: &CustomerAnswer) -> RuleName {
    match answer {
        CustomerAnswer::Refused(rule) => rule.name,
        CustomerAnswer::Done
        | CustomerAnswer::Held(_)
        | CustomerAnswer::HoldEnded(_)
        | CustomerAnswer::PaymentIdUsed { .. } => panic!("expected a refusal, got {answer:?}"),
    }
}

#[test]
fn a_hold_needs_the_institutions_own_permit_over_exactly_these_terms() {
    let refused = |change: Change| {
        let mut parts = OrderParts::of(Deal::number(1));
        change(&mut parts);
        pins(Side::Debtor).permitted(parts.order(), offered()).map(|_| ()).map_err(|rule| rule.name)
    };
    assert_eq!(refused(|_| ()), Ok(()));
    let cases: [(Change, RuleName); 8] = [
        (|parts| parts.debtor_signer = Who::Stranger, RuleName::SignerNotTrusted),
        (|parts| parts.debtor_signer = Who::BankSg, RuleName::SignerNotTrusted),
        (|parts| parts.debtor.side = Side::Creditor, RuleName::PermitDiffers),
        (|parts| parts.debtor.terms = Digest::ZERO, RuleName::PermitDiffers),
        (|parts| parts.debtor.payment = Deal::number(2).payment(), RuleName::PermitDiffers),
        (|parts| parts.debtor.institution = name("bank-sg"), RuleName::OwnersDiffer),
        (|parts| parts.debtor.environment = name("production"), RuleName::PermitDiffers),
        (|parts| parts.quote.debit = parts.quote.principal, RuleName::QuoteDiffers),
    ];
    for (number, (change, rule)) in cases.into_iter().enumerate() {
        assert_eq!(refused(change), Err(rule), "case {number}");
    }
    // The terms themselves are another payment's: the permit is not for them.
    let (mut mixed, _) = order(1);
    mixed.terms = order(2).0.terms;
    let rule = pins(Side::Debtor).permitted(mixed, offered()).expect_err("another payment's terms");
    assert_eq!(rule.name, RuleName::PermitDiffers);
}

#[test]
fn an_old_permit_holds_nothing_and_what_is_held_stays_held() {
    let mut books = Books::ready();
    let (first, payment) = order(1);
    let late = now().plus(Duration::from_secs(61));
    let permitted =
        || Box::new(pins(Side::Debtor).permitted(first.clone(), offered()).expect("its own"));
    let answer = bank(&mut books, late, Side::Debtor, BankWork::Hold(permitted()));
    assert_eq!(refusal(&answer), RuleName::PermitExpired);
    assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Untouched);

    let (second, payment) = order(2);
    assert_eq!(hold(&mut books, &second), CustomerAnswer::Held(offered()));
    let again = Box::new(pins(Side::Debtor).permitted(second, offered()).expect("its own"));
    assert_eq!(
        bank(&mut books, late, Side::Debtor, BankWork::Hold(again)),
        CustomerAnswer::Held(offered())
    );
    assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Held);
}

#[test]
fn a_hold_ends_only_on_the_logs_word_about_exactly_its_payment() {
    let mut books = Books::ready();
    let (held, payment) = order(1);
    assert_eq!(hold(&mut books, &held), CustomerAnswer::Held(offered()));
    let good = settled(&held, payment);
    let terms = good.terms;
    // Not the log's key; another log; another environment.
    let forged = Signed::sign(&good, &Who::Stranger.key());
    assert!(pins(Side::Debtor).proven(forged).is_err());
    let elsewhere = Promise { origin: "wayleave.example/other".into(), ..good.clone() };
    assert!(pins(Side::Debtor).proven(signed(&elsewhere)).is_err());
    let production = Promise { environment: name("production"), ..good.clone() };
    assert!(pins(Side::Debtor).proven(signed(&production)).is_err());

    let facts = books.debtor.facts.len();
    let refused_here = promise(payment, terms, Ending::Refused("QuoteExpired".into()));
    let other_terms = promise(payment, Digest::ZERO, Ending::Settled);
    let other_payment = promise(order(2).1, terms, Ending::Settled);
    for wrong in [&refused_here, &other_terms, &other_payment] {
        let answer = end(&mut books, BankWork::Debit, wrong);
        assert_eq!(refusal(&answer), RuleName::EndingNotProven, "{wrong:?}");
    }
    assert_eq!(refusal(&end(&mut books, BankWork::Release, &good)), RuleName::EndingNotProven);
    assert_eq!(books.debtor.facts.len(), facts, "nothing was recorded");

    assert_eq!(end(&mut books, BankWork::Debit, &good), CustomerAnswer::Done);
    assert_eq!(end(&mut books, BankWork::Debit, &good), CustomerAnswer::Done, "once more");
    assert_eq!(books.debtor.facts.len(), facts + 1, "and done once");
    assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Debited);
    // The same log says the contrary: not obeyed.
    let answer = end(&mut books, BankWork::Release, &refused_here);
    assert_eq!(refusal(&answer), RuleName::EndingNotProven);
}

#[test]
fn a_refusal_or_an_end_with_other_terms_frees_the_money_once() {
    for outcome in [Ending::Refused("QuoteExpired".into()), Ending::Settled] {
        let mut books = Books::ready();
        let (held, payment) = order(1);
        let before = books.debtor.state.ledger().balances(account(Side::Debtor, 0));
        assert_eq!(hold(&mut books, &held), CustomerAnswer::Held(offered()));
        let terms = match outcome {
            Ending::Settled => sha256(b"other terms under this id"),
            Ending::Refused(_) => sha256(held.terms.as_bytes()),
        };
        let proof = promise(payment, terms, outcome);
        assert_eq!(end(&mut books, BankWork::Release, &proof), CustomerAnswer::Done);
        assert_eq!(end(&mut books, BankWork::Release, &proof), CustomerAnswer::Done);
        assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Released);
        assert_eq!(books.debtor.state.ledger().balances(account(Side::Debtor, 0)), before);
    }
}

#[test]
fn a_credit_needs_the_logs_word_and_the_institutions_own_permit() {
    let (order_1, payment) = order(1);
    let sg = pins(Side::Creditor);
    let good = signed(&settled(&order_1, payment));
    let try_with = |promise: Signed<Promise>, terms: &str, permit| {
        sg.creditable(&promise, terms, permit).map(|_| ()).map_err(|rule| rule.name)
    };
    let permit = &order_1.creditor_permit;
    assert_eq!(try_with(good.clone(), &order_1.terms, permit), Ok(()));
    // The debtor's permit is none of this bank's.
    let other = try_with(good.clone(), &order_1.terms, &order_1.debtor_permit);
    assert_eq!(other, Err(RuleName::SignerNotTrusted));
    // Terms that its permit does not cover, although the log may say what it likes.
    let mut dearer = OrderParts::of(Deal { credit: 999_999, ..Deal::number(1) });
    dearer.relink();
    let dearer = dearer.order();
    let lie = signed(&settled(&dearer, payment));
    assert_eq!(try_with(lie, &dearer.terms, permit), Err(RuleName::PermitDiffers));
    // A promise of another payment, of other terms, of a refusal, of nobody.
    let of_other = signed(&settled(&order(2).0, order(2).1));
    assert_eq!(try_with(of_other, &order_1.terms, permit), Err(RuleName::EndingNotProven));
    let refused = promise(payment, sha256(order_1.terms.as_bytes()), Ending::Refused("X".into()));
    assert_eq!(try_with(signed(&refused), &order_1.terms, permit), Err(RuleName::EndingNotProven));
    let forged = Signed::sign(&settled(&order_1, payment), &Who::Stranger.key());
    assert_eq!(try_with(forged, &order_1.terms, permit), Err(RuleName::EndingNotProven));
}

#[test]
fn a_credit_that_the_account_does_not_take_opens_one_duty_to_return() {
    let mut books = Books::ready();
    let (order, payment) = order(1);
    let frozen =
        Command::SetFreeze { account: account(Side::Creditor, 0), freeze: Freeze::Credits };
    let freeze = CustomerWork::Ledger { command: Box::new(frozen), reason: "a court".into() };
    assert_eq!(books.tell(start(), Side::Creditor, freeze), CustomerAnswer::Done);
    assert_eq!(credit(&mut books, &order, payment), CustomerAnswer::Done);
    assert_eq!(credit(&mut books, &order, payment), CustomerAnswer::Done, "once more");
    assert_eq!(books.creditor.state.creditor_side(payment), CreditorSide::Credited);
    let owed: Vec<_> = books.creditor.state.returns().owed().copied().collect();
    assert_eq!(owed.len(), 1, "{owed:?}");
    let amount = owed.first().expect("one").amount;
    assert_eq!((amount.minor.units(), owed.first().map(|one| one.since)), (100_000, Some(now())));
    let suspense = books.creditor.state.ledger().balances(own_account(3)).expect("suspense");
    assert_eq!(suspense.credits_posted.units(), 100_000);

    let close =
        |return_payment| BankWork::CloseReturn(ReturnDutyClosed { payment, return_payment });
    let (back, other) = (Deal::number(7).payment(), Deal::number(8).payment());
    let stranger = ReturnDutyClosed { payment: back, return_payment: payment };
    let answer = bank(&mut books, now(), Side::Creditor, BankWork::CloseReturn(stranger));
    assert_eq!(refusal(&answer), RuleName::LedgerRefuses);
    assert_eq!(bank(&mut books, now(), Side::Creditor, close(back)), CustomerAnswer::Done);
    assert_eq!(bank(&mut books, now(), Side::Creditor, close(back)), CustomerAnswer::Done);
    let twice = bank(&mut books, now(), Side::Creditor, close(other));
    assert_eq!(refusal(&twice), RuleName::PaymentIdUsed, "money does not go back twice");
    assert_eq!(books.creditor.state.returns().owed().count(), 0);
    assert_eq!(books.creditor.state.returns().returned_by(payment), Some(back));
    let refolded = books.creditor.refolded(Side::Creditor);
    assert_eq!(refolded, books.creditor.state);
    let loaded = clearing::CustomersBook::load(&refolded.save()).expect("loads");
    assert_eq!(loaded, books.creditor.state);
}

/// A hosted book's step of the old kind opens the duty alike.
#[test]
fn a_hosted_books_credit_to_suspense_opens_the_duty_too() {
    let mut books = Books::ready();
    let frozen = Command::SetFreeze { account: account(Side::Creditor, 0), freeze: Freeze::Both };
    let freeze = CustomerWork::Ledger { command: Box::new(frozen), reason: "a court".into() };
    assert_eq!(books.tell(start(), Side::Creditor, freeze), CustomerAnswer::Done);
    let parts = OrderParts::of(Deal::number(1)).checked().expect("valid");
    let _ = books.drive(now(), Route::of_client(parts));
    let payment = Deal::number(1).payment();
    assert!(books.creditor.state.returns().of(payment).is_some());
    let parts = OrderParts::of(Deal { payee: 1, ..Deal::number(2) }).checked().expect("valid");
    let _ = books.drive(now(), Route::of_client(parts));
    assert_eq!(books.creditor.state.returns().owed().count(), 1, "a usual credit owes nothing");
}

#[test]
fn what_is_settled_is_in_transit_until_it_is_said_to_be_complete() {
    let mut books = Books::ready();
    for number in 1..4 {
        let parts = OrderParts::of(Deal::number(number)).checked().expect("valid");
        let _ = books.drive(now(), Route::of_client(parts));
    }
    let dear = OrderParts::of(Deal { credit: 9_000_000, ..Deal::number(4) });
    let _ = books.drive(now(), Route::of_client(dear.checked().expect("valid")));
    let transit = books.settlement.state.transit();
    assert_eq!(transit.len(), 3, "refused payments move nothing");
    let (_, one) = transit.iter().next().expect("one");
    // 100,000 at 0.684, margin 25, operator 35: the bank's own fee of 150 stays in its book.
    assert_eq!((one.left.minor.units(), one.came.minor.units()), (68_460, 100_000));
    assert_eq!([one.debtor, one.creditor], [Side::Debtor, Side::Creditor].map(institution));

    let complete = |numbers: &[u64]| {
        SettlementWork::Complete(numbers.iter().map(|n| Deal::number(*n).payment()).collect())
    };
    let facts = books.settlement.facts.len();
    // Unordered, twice, refused and unknown ones among them: what is open is recorded once.
    let (answer, _) = books.settle(now(), complete(&[3, 1, 1, 4, 9]));
    assert_eq!(answer, SettlementAnswer::Done);
    assert_eq!(books.settlement.facts.len(), facts + 1);
    let (answer, _) = books.settle(now(), complete(&[3, 1]));
    assert_eq!((answer, books.settlement.facts.len()), (SettlementAnswer::Done, facts + 1));
    assert_eq!(books.settlement.state.transit().len(), 1);
    let too_many = SettlementWork::Complete(vec![Deal::number(2).payment(); 1_025]);
    let (answer, _) = books.settle(now(), too_many);
    assert!(matches!(answer, SettlementAnswer::NotAccepted(_)), "{answer:?}");
    assert_eq!(books.settlement.refold(settlement_genesis()), books.settlement.state);
}

/// A bank's own list of open holds is the bank's word: it ends no payment and names nobody else.
#[test]
fn what_a_bank_shows_as_held_is_believed_as_far_as_it_is_proven() {
    let nl = institution(Side::Debtor);
    let here = (environment(), settlement_name());
    let judged = |order: &SettleOrder, entry| shown(order, nl, entry, here, &trust());
    let refused = |change: Change| {
        let mut parts = OrderParts::of(Deal::number(1));
        change(&mut parts);
        match judged(&parts.order(), None) {
            Shown::Route(_) => Ok(()),
            Shown::NotBelieved(rule) => Err(rule.name),
            Shown::Settled(at) => panic!("{at}"),
        }
    };
    assert_eq!(refused(|_| ()), Ok(()));
    let late: Change = |parts| parts.debtor.valid_until = Instant::from_seconds(1);
    assert_eq!(refused(late), Ok(()), "it was held in time");
    let cases: [(Change, RuleName); 6] = [
        (|parts| parts.creditor_signer = Who::Stranger, RuleName::SignerNotTrusted),
        (|parts| parts.creditor_signer = Who::BankNl, RuleName::SignerNotTrusted),
        (|parts| parts.creditor.institution = name("bank-x"), RuleName::SignerNotTrusted),
        (|parts| parts.debtor_signer = Who::Stranger, RuleName::SignerNotTrusted),
        (|parts| parts.creditor.terms = Digest::ZERO, RuleName::PermitDiffers),
        (|parts| parts.debtor.terms = Digest::ZERO, RuleName::PermitDiffers),
    ];
    for (number, (change, rule)) in cases.into_iter().enumerate() {
        assert_eq!(refused(change), Err(rule), "case {number}");
    }
    // Somebody else's payment: its debtor is not this bank.
    let (order_1, payment) = order(1);
    let other = shown(&order_1, institution(Side::Creditor), None, here, &trust());
    assert!(matches!(other, Shown::NotBelieved(_)), "{other:?}");
    // What settled is completed by its fact, whatever creditor the bank forges.
    let mut books = Books::ready();
    let checked = OrderParts::of(Deal::number(1)).checked().expect("sound");
    let _ = books.drive(now(), Route::of_client(checked));
    let entry = books.settlement.state.payment(payment).cloned();
    let mut forged = OrderParts::of(Deal::number(1));
    (forged.creditor.institution, forged.creditor_signer) = (name("bank-x"), Who::Stranger);
    assert!(matches!(judged(&forged.order(), entry.as_ref()), Shown::Settled(_)));
    // Of other terms, nothing but a release in the bank's own book is left.
    let mut dearer = OrderParts::of(Deal { credit: 999_999, ..Deal::number(1) });
    (dearer.creditor.institution, dearer.creditor_signer) = (name("bank-x"), Who::Stranger);
    let Shown::Route(route) = judged(&dearer.order(), entry.as_ref()) else { panic!("a route") };
    assert_eq!(route.institutions(), [nl, nl]);
}
