//! Returns in a book whose institution trusts its own signatures and the settlement book's word,
//! and nothing else; and refunds of money that the payee never got.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

use core::time::Duration;

use clearing::customers::CreditStanding;
use clearing::pins::{ProofOf, ProvenEnd};
use clearing::rule::RuleName;
use clearing::saga::{CreditorSide, DebtorSide};
use clearing::testkit::after::{ReturnParts, books, checked_refund, original, pay, refund};
use clearing::testkit::{
    Books, Deal, OrderParts, Who, account, blind, environment, institution, name, now, own_account,
    settlement_name,
};
use clearing::{BankWork, CustomerAnswer, CustomerWork, Original, Pins, Route, Rule};
use journal::Image;
use ledger::{Command, Freeze};
use record::{
    Commitment, Durability, Ending, Promise, ReturnAsk, ReturnOrder, SettleOrder, Side, Signed,
};
use seal::{Digest, sha256};
use terms::{AccountId, Instant, Minor, PaymentId, Position};

const PAID: u128 = 10_000;

fn pins(side: Side) -> Pins {
    let own = if side == Side::Debtor { Who::BankNl } else { Who::BankSg };
    Pins {
        environment: environment(),
        institution: institution(side),
        settlement: settlement_name(),
        origin: "wayleave.example/sandbox/settlement".into(),
        log_key: Who::Operator.key().public_key(),
        permit_keys: vec![own.key().public_key()],
    }
}

fn promise(payment: PaymentId, terms: Digest, outcome: Ending) -> Signed<Promise> {
    let promise = Promise {
        layout: 1,
        environment: environment(),
        origin: "wayleave.example/sandbox/settlement".into(),
        position: Position::new(41),
        commitment: Commitment(Digest::ZERO),
        payment,
        terms,
        outcome,
        durability: Durability::OneDisk,
        settled_at: now(),
        integrate_by: now().plus(Duration::from_secs(60)),
    };
    Signed::sign(&promise, &Who::Operator.key())
}

fn refused() -> Ending {
    Ending::Refused("ReturnExceedsOriginal".into())
}

/// A settled payment of two banks that keep their own books, and a return of it.
struct Scene {
    books: Books,
    paid: SettleOrder,
    settled: Signed<Promise>,
    original: Original,
    parts: ReturnParts,
}

fn tell(books: &mut Books, at: Instant, side: Side, work: BankWork) -> CustomerAnswer {
    books.tell(at, side, CustomerWork::Bank(Box::new(work)))
}

fn freeze(books: &mut Books, side: Side, freeze: Freeze) {
    let command = Box::new(Command::SetFreeze { account: account(side, 0), freeze });
    let work = CustomerWork::Ledger { command, reason: "a court".into() };
    assert_eq!(books.tell(now(), side, work), CustomerAnswer::Done);
}

impl Scene {
    /// `frozen`: the payee's account takes nothing, so that its bank owes a return.
    fn new(frozen: bool) -> Self {
        // The settlement book's fact of the same payment, from a world of hosted books.
        let mut elsewhere = books();
        let original = pay(&mut elsewhere, 1, PAID);
        let deal = Deal { credit: PAID, ..Deal::number(1) };
        let paid = OrderParts::of(deal).order();
        let terms = sha256(paid.terms.as_bytes());
        let settled = promise(deal.payment(), terms, Ending::Settled);
        let mut books = books();
        if frozen {
            freeze(&mut books, Side::Creditor, Freeze::Credits);
        }
        let hold = pins(Side::Debtor)
            .permitted(paid.clone(), blind(deal.payment()))
            .expect("its own permit");
        let done = tell(&mut books, now(), Side::Debtor, BankWork::Hold(Box::new(hold)));
        assert_eq!(done, CustomerAnswer::Held(blind(deal.payment())));
        let credit = pins(Side::Creditor)
            .creditable(&settled, &paid.terms, &paid.creditor_permit)
            .expect("settled and permitted");
        let done = tell(&mut books, now(), Side::Creditor, BankWork::Credit(Box::new(credit)));
        assert_eq!(done, CustomerAnswer::Done);
        let parts = ReturnParts::quoted(&original, 2, PAID);
        let mut scene = Self { books, paid, settled, original, parts };
        if !frozen {
            return scene;
        }
        scene.parts.consent = None;
        scene
    }

    fn proof(&self, side: Side) -> ProofOf<'_> {
        let permit = match side {
            Side::Debtor => &self.paid.debtor_permit,
            Side::Creditor => &self.paid.creditor_permit,
        };
        ProofOf { promise: &self.settled, terms: &self.paid.terms, permit }
    }

    fn returning(&self, ask: ReturnAsk) -> Result<BankWork, Rule> {
        let nl = institution(Side::Debtor);
        let ordered = pins(Side::Creditor).returning(ask, self.proof(Side::Creditor), nl)?;
        Ok(BankWork::HoldReturn(Box::new(ordered)))
    }

    fn hold(&mut self) -> CustomerAnswer {
        let work = self.returning(self.parts.ask()).expect("its own order");
        tell(&mut self.books, now(), Side::Creditor, work)
    }

    fn end(&mut self, work: fn(Box<ProvenEnd>) -> BankWork, outcome: Ending) -> CustomerAnswer {
        let order = self.parts.ask().order;
        let said = promise(self.parts.order.payment, order.digest(), outcome);
        let end = pins(Side::Creditor).proven(said).expect("the log signed it");
        tell(&mut self.books, now(), Side::Creditor, work(Box::new(end)))
    }

    fn back(&self, order: &Signed<ReturnOrder>, said: Signed<Promise>) -> Result<BankWork, Rule> {
        let back = pins(Side::Debtor).returned(said, order, self.proof(Side::Debtor))?;
        Ok(BankWork::CreditReturn(Box::new(back)))
    }

    fn available(&self, of: AccountId, side: Side) -> i128 {
        let book = if side == Side::Debtor { &self.books.debtor } else { &self.books.creditor };
        let sums = book.state.ledger().balances(of).expect("an account");
        let whole = |minor: Minor| i128::try_from(minor.units()).expect("small");
        whole(sums.credits_posted) - whole(sums.debits_posted)
    }
}

fn rule_of(answer: &CustomerAnswer) -> RuleName {
    match answer {
        CustomerAnswer::Refused(rule) => rule.name,
        CustomerAnswer::Done
        | CustomerAnswer::Held(_)
        | CustomerAnswer::HoldEnded(_)
        | CustomerAnswer::PaymentIdUsed { .. } => panic!("expected a refusal, got {answer:?}"),
    }
}

#[test]
fn a_return_is_held_on_the_banks_own_order_and_on_a_payment_that_it_was_to_credit() {
    let scene = Scene::new(true);
    let tried = |change: fn(&mut ReturnParts)| {
        let mut parts = scene.parts.clone();
        change(&mut parts);
        scene.returning(parts.ask()).map(|_| ()).map_err(|rule| rule.name)
    };
    assert_eq!(tried(|_| ()), Ok(()));
    type Change = fn(&mut ReturnParts);
    let table: [(Change, RuleName); 8] = [
        (|p| p.signer = Who::Stranger, RuleName::SignerNotTrusted),
        (|p| p.signer = Who::BankNl, RuleName::SignerNotTrusted),
        (|p| p.order.environment = name("production"), RuleName::EnvironmentsDiffer),
        (|p| p.order.book = name("elsewhere"), RuleName::BooksDiffer),
        (|p| p.order.institution = institution(Side::Debtor), RuleName::OwnersDiffer),
        (|p| p.order.original = Deal::number(9).payment(), RuleName::LinkDiffers),
        (|p| p.order.amount.asset = p.order.credited.asset, RuleName::LinkDiffers),
        (|p| p.order.amount.minor = Minor::ZERO, RuleName::LinkDiffers),
    ];
    for (number, (change, rule)) in table.into_iter().enumerate() {
        assert_eq!(tried(change), Err(rule), "case {number}");
    }
    // The payment: refused, another's, forged, or of a permit that is not this bank's.
    let terms = sha256(scene.paid.terms.as_bytes());
    let payment = scene.original.payment();
    let forged =
        Signed::sign(&scene.settled.read_unverified().expect("reads"), &Who::Stranger.key());
    for wrong in [
        promise(payment, terms, refused()),
        promise(payment, Digest::ZERO, Ending::Settled),
        forged,
    ] {
        let proof = ProofOf { promise: &wrong, ..scene.proof(Side::Creditor) };
        let nl = institution(Side::Debtor);
        let tried = pins(Side::Creditor).returning(scene.parts.ask(), proof, nl);
        assert_eq!(tried.map(|_| ()).map_err(|r| r.name), Err(RuleName::EndingNotProven));
    }
    let proof = scene.proof(Side::Debtor);
    let tried = pins(Side::Creditor).returning(scene.parts.ask(), proof, institution(Side::Debtor));
    assert_eq!(tried.map(|_| ()).map_err(|r| r.name), Err(RuleName::SignerNotTrusted));
}

#[test]
fn an_old_order_holds_nothing_and_the_payees_money_needs_its_consent() {
    let mut scene = Scene::new(false);
    let late = scene.parts.order.valid_until;
    let work = scene.returning(scene.parts.ask()).expect("its own order");
    let answer = tell(&mut scene.books, late, Side::Creditor, work);
    assert_eq!(rule_of(&answer), RuleName::InstructionExpired);
    let good = scene.parts.consent.take();
    assert_eq!(rule_of(&scene.hold()), RuleName::ConsentMissing);
    let (consent, _) = good.expect("a consent");
    scene.parts.consent = Some((consent.clone(), 1));
    assert_eq!(rule_of(&scene.hold()), RuleName::ConsentMissing, "another company's key");
    scene.parts.consent = Some((consent, 0));
    assert_eq!(scene.hold(), CustomerAnswer::Done);
    assert_eq!(scene.hold(), CustomerAnswer::Done, "once more");
    let payment = scene.parts.order.payment;
    assert_eq!(scene.books.creditor.state.debtor_side(payment), DebtorSide::Held);
    let work = scene.returning(scene.parts.ask()).expect("its own order");
    let again = tell(&mut scene.books, late, Side::Creditor, work);
    assert_eq!(again, CustomerAnswer::Done, "what is held stays held");
    // The consent is good for one return.
    let mut second = ReturnParts::quoted(&scene.original, 3, 1_000);
    second.consent = scene.parts.consent.clone();
    let work = scene.returning(second.ask()).expect("its own order");
    let answer = tell(&mut scene.books, now(), Side::Creditor, work);
    assert_eq!(rule_of(&answer), RuleName::ConsentMissing);
}

#[test]
fn the_hold_of_a_return_ends_on_the_logs_word_about_it_and_the_duty_with_its_debit() {
    let mut scene = Scene::new(true);
    let (payment, first) = (scene.parts.order.payment, scene.original.payment());
    assert_eq!(rule_of(&scene.end(BankWork::Debit, Ending::Settled)), RuleName::EndingNotProven);
    assert_eq!(scene.hold(), CustomerAnswer::Done);
    let facts = scene.books.creditor.facts.len();
    let answer = scene.end(BankWork::Debit, refused());
    assert_eq!(rule_of(&answer), RuleName::EndingNotProven);
    let answer = scene.end(BankWork::Release, Ending::Settled);
    assert_eq!(rule_of(&answer), RuleName::EndingNotProven);
    // The promise of the payment that is given back says nothing of the return.
    let other = pins(Side::Creditor).proven(scene.settled.clone()).expect("the log signed it");
    let answer = tell(&mut scene.books, now(), Side::Creditor, BankWork::Debit(Box::new(other)));
    assert_eq!(rule_of(&answer), RuleName::EndingNotProven);
    assert_eq!(scene.books.creditor.facts.len(), facts, "nothing was recorded");
    assert!(scene.books.creditor.state.returns().of(first).is_some());

    for _ in 0..2 {
        assert_eq!(scene.end(BankWork::Debit, Ending::Settled), CustomerAnswer::Done);
    }
    assert_eq!(scene.books.creditor.facts.len(), facts + 1, "done once");
    let state = &scene.books.creditor.state;
    assert_eq!(state.debtor_side(payment), DebtorSide::Debited);
    assert_eq!(state.returns().of(first), None, "the duty is over");
    assert_eq!(state.returns().returned_by(first), Some(payment));
    assert_eq!(scene.available(own_account(3), Side::Creditor), 0, "suspense is empty");
    let answer = scene.end(BankWork::Release, refused());
    assert_eq!(rule_of(&answer), RuleName::EndingNotProven, "the log says the contrary");
    let state = &scene.books.creditor.state;
    let loaded = clearing::CustomersBook::load(&state.save()).expect("loads");
    assert_eq!(&loaded, state);
}

#[test]
fn a_refused_return_frees_the_money_and_leaves_the_duty() {
    let mut scene = Scene::new(true);
    assert_eq!(scene.hold(), CustomerAnswer::Done);
    for _ in 0..2 {
        assert_eq!(scene.end(BankWork::Release, refused()), CustomerAnswer::Done);
    }
    let state = &scene.books.creditor.state;
    assert_eq!(state.debtor_side(scene.parts.order.payment), DebtorSide::Released);
    assert!(state.returns().of(scene.original.payment()).is_some());
    assert_eq!(state.open_returns().count(), 0);
}

#[test]
fn the_payers_bank_credits_a_return_to_the_account_that_the_payment_left_and_once() {
    let mut scene = Scene::new(true);
    let ask = scene.parts.ask();
    let said = |outcome| promise(scene.parts.order.payment, ask.order.digest(), outcome);
    // Another order under this promise; a refusal; nobody's promise; another payment's order.
    let mut dearer = scene.parts.clone();
    dearer.order.credited.minor = Minor::new(999_999);
    let tried = |order: &Signed<ReturnOrder>, said| {
        scene.back(order, said).map(|_| ()).map_err(|rule| rule.name)
    };
    let settled = said(Ending::Settled);
    let of_dearer = tried(&dearer.ask().order, settled.clone());
    assert_eq!(of_dearer, Err(RuleName::EndingNotProven));
    assert_eq!(tried(&ask.order, said(refused())), Err(RuleName::EndingNotProven));
    let content = settled.read_unverified().expect("reads");
    let forged = Signed::sign(&content, &Who::Stranger.key());
    assert_eq!(tried(&ask.order, forged), Err(RuleName::EndingNotProven));
    let mut stray = scene.parts.clone();
    stray.order.original = Deal::number(9).payment();
    let stray = stray.ask().order;
    let of_stray = promise(scene.parts.order.payment, stray.digest(), Ending::Settled);
    assert_eq!(tried(&stray, of_stray), Err(RuleName::LinkDiffers));
    // The payee's bank's permit proves nothing to the payer's bank.
    let wrong =
        pins(Side::Debtor).returned(settled.clone(), &ask.order, scene.proof(Side::Creditor));
    assert_eq!(wrong.map(|_| ()).map_err(|r| r.name), Err(RuleName::SignerNotTrusted));

    let before = scene.available(account(Side::Debtor, 0), Side::Debtor);
    for _ in 0..2 {
        let work = scene.back(&ask.order, settled.clone()).expect("proven");
        assert_eq!(tell(&mut scene.books, now(), Side::Debtor, work), CustomerAnswer::Done);
    }
    let came = scene.available(account(Side::Debtor, 0), Side::Debtor) - before;
    let credited = i128::try_from(scene.parts.order.credited.minor.units()).expect("small");
    assert_eq!(came, credited);
    let state = &scene.books.debtor.state;
    assert_eq!(state.creditor_side(scene.parts.order.payment), CreditorSide::Credited);
    let refolded = scene.books.debtor.refolded(Side::Debtor);
    assert_eq!(&refolded, state);
    // A book that never debited the payment takes no return of it.
    let work = scene.back(&ask.order, settled).expect("proven");
    let mut stranger = books();
    let answer = tell(&mut stranger, now(), Side::Debtor, work);
    assert_eq!(rule_of(&answer), RuleName::OriginalUnknown);
}

/// Else the payee would pay from its own pocket what it never got, and its bank would owe more
/// back than may come back.
#[test]
fn a_refund_of_money_in_suspense_is_refused_and_its_duty_stays_what_may_come_back() {
    let mut books = books();
    freeze(&mut books, Side::Creditor, Freeze::Credits);
    let paid = pay(&mut books, 1, PAID);
    freeze(&mut books, Side::Creditor, Freeze::Nothing);
    let payment = paid.payment();
    let standing = books.creditor.state.credit_standing(payment);
    assert_eq!(standing, CreditStanding::Suspense);
    // Money of its own that the payee could be debited for.
    let _ = pay(&mut books, 2, PAID);
    let parts = refund(&paid, 3, 4_000);
    let order = checked_refund(&parts, &paid).expect("fits");
    let finish = books.drive(now(), Route::of_client(order));
    let said = format!("{finish:?}");
    assert!(said.contains("Refused(\"LedgerRefuses\")"), "{said}");
    let owed = books.creditor.state.returns().of(payment).expect("owed").amount;
    assert_eq!(owed.minor, Minor::new(PAID));
    // All of it may still come back by a return, and then nothing is owed.
    let back = ReturnParts { consent: None, ..ReturnParts::quoted(&paid, 4, PAID) };
    let _ = books.drive(now(), Route::of_return(back.checked(&paid).expect("fits")));
    assert_eq!(books.creditor.state.returns().of(payment), None);
    // What reached the payee's account may be refunded.
    let second = original(&books, Deal::number(2).payment()).expect("settled");
    let parts = refund(&second, 5, 4_000);
    let order = checked_refund(&parts, &second).expect("fits");
    let said = format!("{:?}", books.drive(now(), Route::of_client(order)));
    assert!(said.contains("Settled"), "{said}");
}
