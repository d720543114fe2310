//! What may follow an order: each rule in a table or a story of its own, over the three books.
//! After each: what was told equals the fold of the facts, and every ledger's audit holds.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::arithmetic_side_effects,
    reason = "tests stop where something is not as it must be"
)]

use core::time::Duration;
use std::collections::BTreeSet;

use clearing::customers::{AfterCustomerWork, CreditStanding, CustomerFunding, transaction_of};
use clearing::rule::RuleName::{self, *};
use clearing::settlement::{ANSWER_WITHIN, FundingWork};
use clearing::testkit::after::{
    BLOCKED_ROLE, REFUND_FEE, ReturnParts, books, cancellation, checked_refund, client_key,
    original, pay, refund, refund_notice, refund_pack, trust_both_ways,
};
use clearing::testkit::{
    Books, Deal, OrderParts, PAYER_FUNDS, Who, account, asset, company, environment, institution,
    name, now, own_account, settlement_genesis, settlement_name,
};
use clearing::{
    AfterAnswer, AfterWork, CustomerAnswer, CustomerWork, CustomersBook, Finish, Original, Route,
    Rule, SettlementAnswer, SettlementBook, SettlementWork, check_cancellation_answer,
    check_two_persons,
};
use journal::Image as _;
use ledger::{Command, Freeze};
use record::{
    BlockExtent, BlockOrder, BlockRelease, CancellationAnswer, CancellationVerdict, CaseChange,
    CaseNotice, Correction, CorrectionMove, Document, Ending, PackStanding, ReleaseTo, ReturnRate,
    Side, Signed, TwoPersons,
};
use seal::Digest;
use terms::{AccountId, Amount, Instant, Minor, Position, TransactionId};

#[path = "after/blocked.rs"]
mod blocked;

/// What is paid first, in cents.
const PAID: u128 = 100_000;

/// The books are what their facts say, and every total holds.
fn sound(books: &Books) {
    assert_eq!(books.settlement.state, books.settlement.refold(settlement_genesis()));
    for side in [Side::Debtor, Side::Creditor] {
        let book = if side == Side::Debtor { &books.debtor } else { &books.creditor };
        assert_eq!(book.state, book.refolded(side));
        book.state.ledger().audit().expect("the audit holds");
        // What this book says it is owed is what the settlement book says it owes.
        let settlement = if side == Side::Debtor { 3 } else { 4 };
        assert_eq!(owed(books, side), prefunded(books, settlement), "{side} mirrors");
    }
    books.settlement.state.ledger().audit().expect("the audit holds");
}

fn owed(books: &Books, side: Side) -> u128 {
    let book = if side == Side::Debtor { &books.debtor } else { &books.creditor };
    let balances = book.state.ledger().balances(own_account(1)).unwrap();
    balances.debits_posted.units() - balances.credits_posted.units()
}

fn prefunded(books: &Books, role: u8) -> u128 {
    let balances = books.settlement.state.ledger().balances(own_account(role)).unwrap();
    balances.credits_posted.units() - balances.debits_posted.units()
}

fn held_by(books: &Books, side: Side, account: AccountId) -> u128 {
    let book = if side == Side::Debtor { &books.debtor } else { &books.creditor };
    let balances = book.state.ledger().balances(account).unwrap();
    balances.credits_posted.units() - balances.debits_posted.units()
}

fn payer(books: &Books) -> u128 {
    held_by(books, Side::Debtor, account(Side::Debtor, 0))
}

fn payee(books: &Books) -> u128 {
    held_by(books, Side::Creditor, account(Side::Creditor, 0))
}

fn ended(finish: &Finish) -> Result<(), RuleName> {
    match finish {
        Finish::Ended(Ending::Settled, _) => Ok(()),
        Finish::Ended(Ending::Refused(code), _) => {
            Err(*RuleName::ALL.iter().find(|name| name.as_str() == code).expect("a rule"))
        }
        other => panic!("no ending: {other:?}"),
    }
}

fn give_back(books: &mut Books, original: &Original, parts: &ReturnParts) -> Result<(), RuleName> {
    give_back_at(books, original, parts, now())
}

fn give_back_at(
    books: &mut Books,
    original: &Original,
    parts: &ReturnParts,
    at: Instant,
) -> Result<(), RuleName> {
    let order = parts.checked(original).map_err(|rule| rule.name)?;
    let result = ended(&books.drive(at, Route::of_return(order)));
    sound(books);
    result
}

fn pay_back(books: &mut Books, original: &Original, parts: &OrderParts) -> Result<(), RuleName> {
    let order = checked_refund(parts, original).map_err(|rule| rule.name)?;
    let result = ended(&books.drive(now(), Route::of_client(order)));
    sound(books);
    result
}

/// A payment whose account did not take it: its money lies in suspense, owed back.
fn pay_into_suspense(books: &mut Books, number: u64) -> Original {
    freeze(books, Side::Creditor, Freeze::Credits);
    let original = pay(books, number, PAID);
    freeze(books, Side::Creditor, Freeze::Nothing);
    let standing = books.creditor.state.credit_standing(original.payment());
    assert_eq!(standing, CreditStanding::Suspense);
    original
}

fn freeze(books: &mut Books, side: Side, freeze: Freeze) {
    let command = Box::new(Command::SetFreeze { account: account(side, 0), freeze });
    let work = CustomerWork::Ledger { command, reason: "a freeze".to_owned() };
    assert_eq!(books.tell(now(), side, work), CustomerAnswer::Done);
}

#[test]
fn a_return_from_suspense_needs_no_consent_and_goes_back_at_the_guaranteed_rate() {
    let mut books = books();
    let original = pay_into_suspense(&mut books, 1);
    let before = payer(&books);
    let mut parts = ReturnParts::guaranteed(&original, 2, PAID, now().plus(Duration::from_secs(1)));
    parts.consent = None;
    assert_eq!(give_back(&mut books, &original, &parts), Ok(()));
    // The whole principal; margin and fees stay with their takers.
    assert_eq!(payer(&books) - before, PAID * 684 / 1000);
    assert_eq!(held_by(&books, Side::Creditor, own_account(3)), 0, "nothing is left in suspense");
    let given = books.settlement.state.given_back(original.payment()).unwrap();
    assert_eq!((given.minor.units(), given.by.len()), (PAID, 1));
    // The same again gets the first answer, and moves nothing.
    let after = books.clone();
    assert_eq!(give_back(&mut books, &original, &parts), Ok(()));
    assert_eq!(books.settlement.state, after.settlement.state);
    assert_eq!(books.debtor.state, after.debtor.state);
}

#[test]
fn a_return_is_in_transit_until_complete_and_ends_the_duty_as_far_as_it_goes() {
    let mut books = books();
    let original = pay_into_suspense(&mut books, 1);
    let duty = |books: &Books| {
        books.creditor.state.returns().of(original.payment()).map(|owed| owed.amount.minor.units())
    };
    assert_eq!(duty(&books), Some(PAID));
    let until = now().plus(Duration::from_secs(1));
    let part = ReturnParts::guaranteed(&original, 2, 40_000, until);
    assert_eq!(give_back(&mut books, &original, &part), Ok(()));
    assert_eq!(duty(&books), Some(PAID - 40_000), "the rest is still owed");
    let transit = |books: &Books| {
        let open = books.settlement.state.transit().iter();
        open.map(|(payment, one)| (payment, one.clone())).collect::<Vec<_>>()
    };
    let payment = part.order.payment;
    let (_, one) = transit(&books).into_iter().find(|(id, _)| *id == payment).expect("in transit");
    assert_eq!([one.debtor, one.creditor], [Side::Creditor, Side::Debtor].map(institution));
    assert_eq!((one.left, one.came), (part.order.amount, part.order.credited));
    assert_eq!(Some(one.settled), books.settlement.state.payment(payment).map(|e| e.position));
    let (answer, _) = books.settle(now(), SettlementWork::Complete(vec![payment]));
    assert_eq!(answer, SettlementAnswer::Done);
    assert!(transit(&books).iter().all(|(id, _)| *id != payment));
    let more = ReturnParts::guaranteed(&original, 3, PAID - 39_999, until);
    assert_eq!(give_back(&mut books, &original, &more), Err(ReturnExceedsOriginal));
    let rest = ReturnParts::guaranteed(&original, 4, PAID - 40_000, until);
    assert_eq!(give_back(&mut books, &original, &rest), Ok(()));
    assert_eq!(duty(&books), None);
    let by = books.creditor.state.returns().returned_by(original.payment());
    assert_eq!(by, Some(rest.order.payment));
    let state = books.creditor.state.save();
    assert_eq!(CustomersBook::load(&state).expect("loads"), books.creditor.state);
    let state = books.settlement.state.save();
    assert_eq!(SettlementBook::load(&state).expect("loads"), books.settlement.state);
}

#[test]
fn a_refund_is_in_transit_with_what_each_institutions_account_moved() {
    let mut books = books();
    let original = pay(&mut books, 1, PAID);
    let parts = refund(&original, 2, 50_000);
    assert_eq!(pay_back(&mut books, &original, &parts), Ok(()));
    let mut transit = books.settlement.state.transit().iter();
    let (_, one) = transit.find(|(id, _)| *id == parts.terms.payment).expect("in transit");
    assert_eq!([one.debtor, one.creditor], [Side::Creditor, Side::Debtor].map(institution));
    let fee = Minor::new(REFUND_FEE);
    assert_eq!(one.left.minor.plus(fee).expect("a sum"), parts.terms.debited.minor);
    assert_eq!(one.came, parts.terms.credited);
}

/// What follows a payment may come after its day was closed: it carries the running date.
#[test]
fn a_return_and_a_correction_after_the_close_of_the_day_carry_the_next_date() {
    let mut books = books();
    let original = pay_into_suspense(&mut books, 1);
    let close = SettlementWork::Funding(Box::new(FundingWork::CloseDay(None)));
    let (answer, _) = books.settle(now(), close);
    assert!(matches!(&answer, SettlementAnswer::Funding(_)), "{answer:?}");
    let next = books.settlement.state.business_date(now());
    assert!(next > now().date());
    let until = now().plus(Duration::from_secs(1));
    let parts = ReturnParts::guaranteed(&original, 2, PAID, until);
    assert_eq!(give_back(&mut books, &original, &parts), Ok(()));
    let date = |books: &Books, id| {
        let (_, booked) = books.settlement.state.ledger().transaction(id).expect("booked");
        booked.business_date
    };
    assert_eq!(date(&books, transaction_of(parts.order.payment, "settlement")), next);
    let first = transaction_of(original.payment(), "settlement");
    assert_eq!(date(&books, first), now().date());
    let amount = Amount::new(Minor::new(1_000), asset(Side::Debtor));
    let moves = vec![CorrectionMove { debit: own_account(3), credit: own_account(5), amount }];
    let document = Correction { corrects: first, ..correction(moves) };
    assert_eq!(correct(&mut books, &document, [Who::Operator, Who::Payee]), Ok(()));
    assert_eq!(date(&books, document.correction), next);
}

#[test]
fn a_return_from_the_payees_account_needs_its_own_signature() {
    let mut books = books();
    let original = pay(&mut books, 1, PAID);
    let good = ReturnParts::quoted(&original, 2, PAID);
    let without = |number: u64, alter: Alter| {
        let mut parts = ReturnParts::quoted(&original, number, PAID);
        alter(&mut parts);
        parts
    };
    type Alter = fn(&mut ReturnParts);
    let table: [(&str, Alter, RuleName); 6] = [
        ("no consent", |p| p.consent = None, ConsentMissing),
        ("another company's key", |p| p.consent.as_mut().unwrap().1 = 1, ConsentMissing),
        (
            "less agreed",
            |p| p.consent.as_mut().unwrap().0.amount.minor = Minor::new(1),
            ConsentMissing,
        ),
        (
            "another account",
            |p| p.consent.as_mut().unwrap().0.account = account(Side::Creditor, 1),
            ConsentMissing,
        ),
        (
            "another payment",
            |p| p.consent.as_mut().unwrap().0.original = Deal::number(9).payment(),
            ConsentMissing,
        ),
        ("too late", |p| p.consent.as_mut().unwrap().0.valid_until = now(), InstructionExpired),
    ];
    for (number, (what, alter, rule)) in (10..).zip(table) {
        let parts = without(number, alter);
        assert_eq!(give_back(&mut books, &original, &parts), Err(rule), "{what}");
        assert_eq!(payee(&books), PAID, "{what}");
    }
    assert_eq!(give_back(&mut books, &original, &good), Ok(()));
    assert_eq!(payee(&books), 0);
    // One consent, one return, however much it allows.
    let second = pay(&mut books, 30, PAID);
    let mut half = ReturnParts::quoted(&second, 31, PAID / 2);
    half.consent.as_mut().unwrap().0.amount.minor = Minor::new(PAID);
    let mut rest = half.clone();
    rest.order = ReturnParts::quoted(&second, 32, PAID / 2).order;
    assert_eq!(give_back(&mut books, &second, &half), Ok(()), "less than was agreed");
    assert_eq!(give_back(&mut books, &second, &rest), Err(ConsentMissing), "used");
}

#[test]
fn a_near_miss_of_a_return_is_refused_by_its_rule() {
    let mut books = books();
    let original = pay_into_suspense(&mut books, 1);
    let guarantee = now().plus(Duration::from_secs(9));
    let guaranteed = |number| ReturnParts::guaranteed(&original, number, PAID, guarantee);
    type Alter = fn(&mut ReturnParts);
    let table: [(&str, Alter, RuleName); 14] = [
        ("another's environment", |p| p.order.environment = name("elsewhere"), EnvironmentsDiffer),
        ("another book", |p| p.order.book = name("other"), BooksDiffer),
        ("a stranger signs", |p| p.signer = Who::Stranger, SignerNotTrusted),
        ("the payer's bank signs", |p| p.signer = Who::BankNl, SignerNotTrusted),
        ("for the other bank", |p| p.order.institution = institution(Side::Debtor), LinkDiffers),
        ("another original", |p| p.order.original = Deal::number(7).payment(), LinkDiffers),
        ("a reason in words", |p| p.order.reason = "because".to_owned(), LinkDiffers),
        ("in the payer's asset", |p| p.order.amount.asset = asset(Side::Debtor), LinkDiffers),
        ("nothing", |p| p.order.amount.minor = Minor::ZERO, LinkDiffers),
        (
            "credited in another asset",
            |p| p.order.credited.asset = asset(Side::Creditor),
            LinkDiffers,
        ),
        ("a fee forgotten", |p| drop(p.order.fees_kept.pop()), LinkDiffers),
        ("a cent more credited", |p| p.order.credited.minor = Minor::new(68_401), GuaranteeDiffers),
        ("a cent less credited", |p| p.order.credited.minor = Minor::new(68_399), GuaranteeDiffers),
        ("over", |p| p.order.valid_until = now(), InstructionExpired),
    ];
    for (number, (what, alter, rule)) in (10..).zip(table) {
        let mut parts = guaranteed(number);
        alter(&mut parts);
        assert_eq!(give_back(&mut books, &original, &parts), Err(rule), "{what}");
    }
    assert_eq!(give_back(&mut books, &original, &guaranteed(40)), Ok(()), "unaltered it settles");
}

#[test]
fn more_than_the_rest_is_refused_across_returns_and_refunds() {
    let mut books = books();
    let original = pay(&mut books, 1, PAID);
    assert_eq!(
        give_back(&mut books, &original, &ReturnParts::quoted(&original, 2, 60_000)),
        Ok(())
    );
    let more = ReturnParts::quoted(&original, 3, 40_001);
    assert_eq!(give_back(&mut books, &original, &more), Err(InsufficientFunds), "not even there");
    // The payee has other money: only the rule stands between it and giving back too much.
    let _ = pay(&mut books, 4, PAID);
    let more = ReturnParts::quoted(&original, 5, 40_001);
    assert_eq!(give_back(&mut books, &original, &more), Err(ReturnExceedsOriginal));
    let more = refund(&original, 6, 40_001);
    assert_eq!(pay_back(&mut books, &original, &more), Err(ReturnExceedsOriginal));
    assert_eq!(pay_back(&mut books, &original, &refund(&original, 7, 39_000)), Ok(()));
    let more = ReturnParts::quoted(&original, 8, 1_001);
    assert_eq!(give_back(&mut books, &original, &more), Err(ReturnExceedsOriginal));
    assert_eq!(give_back(&mut books, &original, &ReturnParts::quoted(&original, 9, 1_000)), Ok(()));
    assert_eq!(payee(&books), PAID - REFUND_FEE);
}

#[test]
fn of_two_in_parallel_for_the_whole_exactly_one_settles() {
    let both_ways = [true, false];
    for return_first in both_ways {
        let mut books = books();
        let original = pay(&mut books, 1, PAID);
        let _ = pay(&mut books, 2, PAID);
        let back = ReturnParts::quoted(&original, 3, PAID).checked(&original).unwrap();
        let refunded = checked_refund(&refund(&original, 4, PAID - REFUND_FEE), &original).unwrap();
        let mut routes = [Route::of_return(back), Route::of_client(refunded)];
        if !return_first {
            routes.reverse();
        }
        let mut ends = [None, None];
        while ends.iter().any(Option::is_none) {
            for (route, end) in routes.iter_mut().zip(&mut ends) {
                match route.next() {
                    clearing::Action::Finished(finish) => *end = Some(ended(&finish)),
                    action => {
                        let heard = books.carry(now(), route, action);
                        route.hear(heard);
                    }
                }
            }
        }
        assert_eq!(ends, [Some(Ok(())), Some(Err(ReturnExceedsOriginal))]);
        sound(&books);
        assert_eq!(books.creditor.state.open_returns().count(), 0, "no hold is left");
        assert_eq!(books.creditor.state.open_holds().count(), 0, "no hold is left");
    }
}

/// The quote says at whose rate it is, and the terms and permits follow it.
fn quoted_at_rate_of(parts: &mut OrderParts, earlier: Digest) {
    parts.quote.at_rate_of = Some(earlier);
    parts.terms.quote_hash = parts.quote.digest();
    parts.relink_permits();
}

#[test]
fn a_refund_needs_both_decisions_and_the_payees_own() {
    let mut books = books();
    let original = pay(&mut books, 1, PAID);
    type Alter = fn(&mut OrderParts);
    let table: [(&str, Alter, RuleName); 10] = [
        ("for another owner", |p| p.debtor.owner = company(Side::Creditor, 1), OwnersDiffer),
        ("the payee's bank did not decide", |p| p.debtor_signer = Who::Stranger, SignerNotTrusted),
        (
            "the payer's bank did not decide",
            |p| p.creditor_signer = Who::Stranger,
            SignerNotTrusted,
        ),
        ("a permit to pay", |p| p.debtor.action = record::Action::Pay, PermitDiffers),
        ("a return's permit", |p| p.creditor.action = record::Action::Return, PermitDiffers),
        (
            "another payment named",
            |p| {
                p.terms.linked_payment = Some(Deal::number(8).payment());
                p.relink_permits();
            },
            LinkDiffers,
        ),
        (
            "from another account",
            |p| {
                p.terms.debited_account = account(Side::Creditor, 1);
                p.relink_permits();
            },
            LinkDiffers,
        ),
        (
            "to another account",
            |p| {
                p.terms.credited_account = account(Side::Debtor, 1);
                p.invoice.account = account(Side::Debtor, 1);
                p.acceptance.account = account(Side::Debtor, 1);
                p.terms.invoice_hash = p.invoice.digest();
                p.acceptance.invoice = p.invoice.digest();
                p.relink_permits();
            },
            LinkDiffers,
        ),
        ("at an old quote", |p| p.quote.expires_at = now(), QuoteDiffers),
        (
            "at another payment's rate",
            |p| quoted_at_rate_of(p, p.terms.terms_digest()),
            QuoteDiffers,
        ),
    ];
    for (number, (what, alter, rule)) in (10..).zip(table) {
        let mut parts = refund(&original, number, 50_000);
        alter(&mut parts);
        assert_eq!(pay_back(&mut books, &original, &parts), Err(rule), "{what}");
        assert_eq!(payee(&books), PAID, "{what}");
    }
    // Without the original beside it, the core does not settle a refund.
    let alone = refund(&original, 30, 50_000).checked_against(&trust_both_ways()).unwrap();
    let finish = books.drive(now(), Route::of_client(alone));
    assert_eq!(ended(&finish), Err(OriginalUnknown));
    let mut at_its_own_rate = refund(&original, 31, 50_000);
    quoted_at_rate_of(&mut at_its_own_rate, original.quote_digest());
    assert_eq!(pay_back(&mut books, &original, &at_its_own_rate), Ok(()));
    assert_eq!(payee(&books), PAID - 50_000 - REFUND_FEE);
}

#[test]
fn a_refund_has_no_refund_and_no_return_and_a_return_has_neither() {
    let mut books = books();
    let first = pay(&mut books, 1, PAID);
    let _ = pay(&mut books, 2, PAID);
    assert_eq!(pay_back(&mut books, &first, &refund(&first, 3, 50_000)), Ok(()));
    let refunded = original(&books, Deal::number(3).payment()).expect("a refund reads as payment");
    let again = refund(&refunded, 4, 10_000);
    let got = again.checked_against(&trust_both_ways()).and_then(|o| o.refunding(refunded.clone()));
    assert_eq!(got.map_err(|rule| rule.name), Err(RefundOfRefund));
    let mut back = ReturnParts::quoted(&refunded, 5, 10_000);
    back.order.institution = institution(Side::Debtor);
    back.signer = Who::BankNl;
    assert_eq!(back.checked(&refunded).map_err(|rule| rule.name), Err(RefundOfRefund));
    assert_eq!(give_back(&mut books, &first, &ReturnParts::quoted(&first, 6, 1_000)), Ok(()));
    assert!(original(&books, Deal::number(6).payment()).is_none(), "a return is no original");
}

#[test]
fn the_old_rate_holds_until_the_providers_guarantee_ends() {
    let mut books = books();
    let original = pay_into_suspense(&mut books, 1);
    let until = now().plus(Duration::from_secs(10));
    let parts = ReturnParts::guaranteed(&original, 2, 10_000, until);
    assert_eq!(give_back_at(&mut books, &original, &parts, until), Err(GuaranteeExpired));
    // Its id is consumed; another, a moment before the end, is not too late.
    let parts = ReturnParts::guaranteed(&original, 3, 10_000, until);
    let just_before = now().plus(Duration::from_secs(9));
    assert_eq!(give_back_at(&mut books, &original, &parts, just_before), Ok(()));
    // Without a guarantee the original quote is worth nothing: it is another payment's.
    let mut parts = ReturnParts::quoted(&original, 4, 10_000);
    let old = OrderParts::of(Deal { credit: PAID, ..Deal::number(1) }).quote;
    parts.order.rate = ReturnRate::Quoted(Signed::sign(&old, &Who::Dealer.key()));
    assert_eq!(give_back(&mut books, &original, &parts), Err(QuoteDiffers));
    // And a guarantee that somebody else signs binds nobody.
    let mut parts = ReturnParts::guaranteed(&original, 5, 10_000, until);
    let forged = clearing::testkit::after::guarantee(&original, until);
    parts.order.rate = ReturnRate::Guaranteed(Signed::sign(&forged, &Who::BankSg.key()));
    assert_eq!(give_back(&mut books, &original, &parts), Err(SignerNotTrusted));
    let other = pay_into_suspense(&mut books, 6);
    let mut parts = ReturnParts::guaranteed(&other, 7, 10_000, until);
    let of_another = clearing::testkit::after::guarantee(&original, until);
    parts.order.rate = ReturnRate::Guaranteed(Signed::sign(&of_another, &Who::Dealer.key()));
    assert_eq!(give_back(&mut books, &other, &parts), Err(GuaranteeDiffers));
}

#[test]
fn a_refund_is_decided_by_the_packs_of_its_own_day() {
    let mut books = books();
    let original = pay(&mut books, 1, PAID);
    let old = refund(&original, 2, 10_000);
    for work in [
        refund_notice(Side::Debtor, 1, PackStanding::Retired),
        refund_notice(Side::Debtor, 2, PackStanding::InForce),
    ] {
        assert_eq!(books.settle(now(), work).0, SettlementAnswer::Done);
    }
    assert_eq!(pay_back(&mut books, &original, &old), Err(PackNotInForce));
    // The pack of the original may be retired, too: the refund rests on its own.
    let retired = clearing::testkit::pack_notice(Side::Debtor, PackStanding::Retired);
    let _ = books.settle(now(), SettlementWork::NoticePack(retired));
    let mut new = refund(&original, 3, 10_000);
    new.debtor.basis.pack = refund_pack(Side::Debtor, 2);
    assert_eq!(pay_back(&mut books, &original, &new), Ok(()));
}

#[test]
fn a_cancellation_and_its_order_have_one_ending_whichever_is_first() {
    // First the cancellation: the order finds the payment ended, and the hold is released.
    let mut books = books();
    let parts = OrderParts::of(Deal::number(1));
    let order = parts.checked().unwrap();
    let _ = books.tell(now(), Side::Debtor, CustomerWork::Hold(Box::new(order.clone())));
    let cancel = || SettlementWork::After(AfterWork::Cancel(Box::new(cancellation(&parts))));
    let (answer, _) = books.settle(now(), cancel());
    assert!(matches!(answer, SettlementAnswer::EndedNow(ended) if ended.ending != Ending::Settled));
    let finish = books.drive(now(), Route::of_client(order));
    assert_eq!(ended(&finish), Err(PaymentCancelled));
    assert_eq!((payer(&books), books.debtor.state.open_holds().count()), (PAYER_FUNDS, 0));
    let (again, _) = books.settle(now(), cancel());
    assert!(matches!(again, SettlementAnswer::EndedBefore(_)));
    sound(&books);
    // First the order: the cancellation is a request, and moves nothing.
    let mut books = self::books();
    let paid = pay(&mut books, 1, PAID);
    let parts = OrderParts::of(Deal { credit: PAID, ..Deal::number(1) });
    let before = (payer(&books), payee(&books));
    let (answer, _) = books
        .settle(now(), SettlementWork::After(AfterWork::Cancel(Box::new(cancellation(&parts)))));
    let SettlementAnswer::After(AfterAnswer::Asked(entry)) = answer else { panic!("{answer:?}") };
    assert_eq!((payer(&books), payee(&books)), before);
    assert_eq!(entry.answer_by, now().plus(ANSWER_WITHIN));
    assert_eq!(books.settlement.state.payment(paid.payment()).unwrap().ending, Ending::Settled);
    sound(&books);
    // Other terms under the same id are another payment's.
    let other = OrderParts::of(Deal { credit: PAID + 1, ..Deal::number(1) });
    let (answer, _) = books
        .settle(now(), SettlementWork::After(AfterWork::Cancel(Box::new(cancellation(&other)))));
    assert!(matches!(answer, SettlementAnswer::PaymentIdUsed { .. }));
}

#[test]
fn a_request_to_give_back_is_answered_once_in_time_by_the_payees_bank() {
    let mut books = books();
    let paid = pay(&mut books, 1, PAID);
    let asked = cancellation(&OrderParts::of(Deal { credit: PAID, ..Deal::number(1) }));
    let (answer, _) =
        books.settle(now(), SettlementWork::After(AfterWork::Cancel(Box::new(asked))));
    let SettlementAnswer::After(AfterAnswer::Asked(entry)) = answer else { panic!("{answer:?}") };
    let says = |verdict: CancellationVerdict, who: Who| {
        let answer = CancellationAnswer {
            layout: 1,
            environment: environment(),
            payment: paid.payment(),
            request: entry.request,
            institution: institution(Side::Creditor),
            verdict,
            answered_at: now(),
        };
        let signed = Signed::sign(&answer, &who.key());
        check_cancellation_answer(signed, &paid, environment(), &trust_both_ways())
    };
    let no = || CancellationVerdict::Rejected("CUST".to_owned());
    assert_eq!(says(no(), Who::BankNl).unwrap_err().name, SignerNotTrusted);
    let work = |verdict| {
        let checked = says(verdict, Who::BankSg).unwrap();
        SettlementWork::After(AfterWork::AnswerCancellation(Box::new(checked)))
    };
    let late = books.clone().settle(entry.answer_by, work(no())).0;
    assert!(refused_by(&late, InstructionExpired), "{late:?}");
    for _ in 0..2 {
        let (answer, _) = books.settle(now(), work(no()));
        let SettlementAnswer::After(AfterAnswer::Asked(entry)) = answer else { panic!() };
        assert_eq!(entry.verdict, Some(no()));
    }
    let other = books.settle(now(), work(CancellationVerdict::Accepted)).0;
    assert!(refused_by(&other, LinkDiffers), "{other:?}");
    assert_eq!(payee(&books), PAID, "no answer moves money");
    sound(&books);
}

fn refused_by(answer: &SettlementAnswer, name: RuleName) -> bool {
    matches!(answer, SettlementAnswer::After(AfterAnswer::Refused(rule)) if rule.name == name)
}

fn correction(moves: Vec<CorrectionMove>) -> Correction {
    Correction {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        correction: TransactionId::from_bytes([0x77; 16]),
        corrects: TransactionId::from_bytes([0x11; 16]),
        reason: "statement line booked for the wrong participant".to_owned(),
        moves,
        valid_until: now().plus(Duration::from_secs(60)),
    }
}

fn correct(books: &mut Books, document: &Correction, keys: [Who; 2]) -> Result<(), RuleName> {
    let [first, second] = keys.map(|who| Signed::sign(document, &who.key()));
    let approvers: BTreeSet<_> =
        [Who::Operator, Who::Payee].map(|who| who.key().public_key()).into();
    let checked = check_two_persons(TwoPersons { first, second }, &approvers)
        .map_err(|rule: Rule| rule.name)?;
    let work = SettlementWork::After(AfterWork::Correct(Box::new(checked)));
    match books.settle(now(), work).0 {
        SettlementAnswer::Done => Ok(()),
        SettlementAnswer::After(AfterAnswer::Refused(rule)) => Err(rule.name),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_correction_takes_two_persons_and_passes_no_floor_and_no_freeze() {
    let both = [Who::Operator, Who::Payee];
    let moves = |from, to, units| {
        let amount = Amount::new(Minor::new(units), asset(Side::Debtor));
        vec![CorrectionMove { debit: own_account(from), credit: own_account(to), amount }]
    };
    let good = correction(moves(3, 5, 1_000));
    let mut books = books();
    for (what, keys) in [
        ("one person twice", [Who::Operator, Who::Operator]),
        ("a stranger beside", [Who::Operator, Who::Stranger]),
        ("nobody who may", [Who::BankNl, Who::BankSg]),
    ] {
        assert_eq!(correct(&mut books, &good, keys), Err(ApprovalsMissing), "{what}");
    }
    let unknown = Correction { corrects: TransactionId::from_bytes([0x78; 16]), ..good.clone() };
    let reasonless = Correction { reason: " ".to_owned(), ..good.clone() };
    let late = Correction { valid_until: now(), ..good.clone() };
    let table = [
        ("nothing to correct", unknown, OriginalUnknown),
        ("no reason", reasonless, LinkDiffers),
        ("no move", correction(vec![]), LinkDiffers),
        ("late", late, InstructionExpired),
        ("through the floor", correction(moves(5, 3, 1)), InsufficientFunds),
        ("another asset", correction(moves(3, 4, 1)), AccountUnknown),
        ("another book", Correction { book: name("other"), ..good.clone() }, BooksDiffer),
    ];
    for (what, document, rule) in table {
        assert_eq!(correct(&mut books, &document, both), Err(rule), "{what}");
    }
    let command = Box::new(Command::SetFreeze { account: own_account(3), freeze: Freeze::Both });
    let frozen = SettlementWork::Ledger { command, reason: "a freeze".to_owned() };
    let mut iced = books.clone();
    assert_eq!(iced.settle(now(), frozen).0, SettlementAnswer::Done);
    assert_eq!(correct(&mut iced, &good, both), Err(AccountFrozen), "through a freeze");
    let before = prefunded(&books, 3);
    for _ in 0..2 {
        assert_eq!(correct(&mut books, &good, both), Ok(()), "once, however often it is sent");
        assert_eq!(before - prefunded(&books, 3), 1_000);
    }
    // Its id is taken: what was not booked is not said to be done.
    let other_moves = correction(moves(3, 5, 2_000));
    let other_link = Correction { corrects: good.correction, ..good.clone() };
    let of_funding = Correction { correction: good.corrects, ..good.clone() };
    for other in [other_moves, other_link, of_funding] {
        assert_eq!(correct(&mut books, &other, both), Err(LinkDiffers), "{other:?}");
        assert_eq!(before - prefunded(&books, 3), 1_000);
    }
    assert_eq!(books.settlement.state, books.settlement.refold(settlement_genesis()));
}

#[test]
fn a_payer_whose_account_takes_nothing_has_its_return_in_suspense() {
    let mut books = books();
    let original = pay_into_suspense(&mut books, 1);
    freeze(&mut books, Side::Debtor, Freeze::Credits);
    let parts = ReturnParts::quoted(&original, 2, PAID);
    assert_eq!(give_back(&mut books, &original, &parts), Ok(()));
    let standing = books.debtor.state.credit_standing(parts.order.payment);
    assert_eq!(standing, CreditStanding::Suspense);
}

#[test]
fn recovery_ends_a_return_that_was_cut_at_any_step() {
    // Cut after `steps` steps: recovery goes on from what the books say.
    for steps in 0..5_u32 {
        let mut books = books();
        let original = pay_into_suspense(&mut books, 1);
        let before = payer(&books);
        let parts = ReturnParts::quoted(&original, 2, PAID);
        let mut route = Route::of_return(parts.checked(&original).unwrap());
        for _ in 0..steps {
            let action = route.next();
            let heard = books.carry(now(), &route, action);
            route.hear(heard);
        }
        let open: Vec<_> =
            books.creditor.state.open_returns().map(|(_, held)| held.clone()).collect();
        for held in &open {
            let recovery = Route::of_return_recovery(&held.order, held.parties).unwrap();
            let _ = books.drive(now(), recovery);
        }
        let settled = books
            .settlement
            .state
            .payment(parts.order.payment)
            .is_some_and(|entry| entry.ending == Ending::Settled);
        assert_eq!(settled, steps >= 2, "after {steps} steps");
        let got = if settled { parts.order.credited.minor.units() } else { 0 };
        assert_eq!(payer(&books) - before, got, "after {steps} steps");
        assert_eq!(books.creditor.state.open_returns().count(), 0, "after {steps} steps");
        sound(&books);
    }
}

/// A bank that restored an older copy of its book has no hold to post for what settled since.
#[test]
fn a_settled_payment_whose_debtor_was_never_debited_is_stuck_and_stays_in_transit() {
    let mut books = books();
    let older = books.debtor.clone();
    let parts = OrderParts::of(Deal::number(1));
    let finish = books.drive(now(), Route::of_client(parts.checked().unwrap()));
    assert_eq!(ended(&finish), Ok(()));
    books.debtor = older;
    let route = Route::of_recovery(&parts.order()).unwrap();
    let finish = books.drive(now(), route);
    assert!(matches!(&finish, Finish::Stuck { ended: Some(_), .. }), "{finish:?}");
    let transit = books.settlement.state.transit();
    assert!(transit.iter().any(|(payment, _)| payment == parts.terms.payment), "named");
}

#[test]
fn an_original_is_believed_by_position_and_terms_only() {
    let mut books = books();
    let first = pay_into_suspense(&mut books, 1);
    let mut elsewhere = self::books();
    let foreign = pay_into_suspense(&mut elsewhere, 9);
    assert_ne!(foreign.payment(), first.payment());
    let mut parts = ReturnParts::quoted(&foreign, 2, 1_000);
    parts.consent = None;
    // It is not credited here, so nothing is even held …
    assert_eq!(give_back(&mut books, &foreign, &parts), Err(OriginalUnknown));
    // … and were it held, the settlement book does not know it.
    let order = Box::new(parts.checked(&foreign).unwrap());
    let mut third = self::books();
    let (answer, _) = third.settle(now(), SettlementWork::After(AfterWork::Return(order)));
    let SettlementAnswer::EndedNow(ended) = answer else { panic!("{answer:?}") };
    assert_eq!(ended.ending, Ending::Refused(OriginalUnknown.to_string()));
    assert_eq!(third.settlement.state.payment(foreign.payment()), None);
    assert!(Position::ZERO < third.settlement.next());
    assert_ne!(client_key(0).public_key(), client_key(1).public_key());
}
