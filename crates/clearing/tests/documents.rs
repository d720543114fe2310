//! What the settlement book only commits to: it names nobody, the payer's book keeps what fits the
//! commitments, durable first, and facts of the version before still fold.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

use clearing::customers::CreditStanding;
use clearing::saga::DebtorSide;
use clearing::settlement::PaymentEntry;
use clearing::testkit::after::{books as both_ways, cancellation, checked_refund, pay, refund};
use clearing::testkit::{Books, Deal, OrderParts, blind, now, settlement_genesis};
use clearing::{
    AfterWork, CheckedOrder, CustomerAnswer, CustomerWork, Finish, Heard, Original, Route,
    SettlementAnswer, SettlementCommand, SettlementWork,
};
use record::settled::{PAYMENT_REFUNDED_2, PAYMENT_SETTLED_2};
use record::settlement::PAYMENT_SETTLED;
use record::{
    AskedBack, Blind, CancellationRequested, Cancelled, CustomerStep, Documents, Ending, Fact,
    FactBody, KeptDocuments, NotTheDocument, PaymentCancelled, PaymentRefunded, PaymentSettled,
    SaltSlot, SettleOrder, Settled, Side, Withheld,
};
use seal::{Secret, to_canonical};
use terms::PaymentId;

/// What names somebody in an order of the fixture.
fn names(order: &SettleOrder) -> Vec<Vec<u8>> {
    let invoice = order.invoice.read_unverified().expect("reads");
    let texts = [order.terms.clone(), invoice.creditor_name, invoice.number, "GDDS".to_owned()];
    let ids = [invoice.invoice.bytes().to_vec(), order.invoice.digest().as_bytes().to_vec()];
    texts.into_iter().map(String::into_bytes).chain(ids).collect()
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn settled(books: &Books, payment: PaymentId) -> (Settled, Fact) {
    let entry = books.settlement.state.payment(payment).expect("it ended");
    let index = usize::try_from(entry.position.number()).expect("small");
    let fact = books.settlement.facts.get(index).expect("a fact").1.clone();
    (Settled::of_fact(&fact).expect("settled"), fact)
}

/// The documents that the payer's book keeps of a payment.
fn kept(books: &Books, payment: PaymentId) -> Vec<KeptDocuments> {
    let book = &books.debtor;
    let read = |at: terms::Position| {
        let index = usize::try_from(at.number()).expect("small");
        match CustomerStep::from_fact(&book.facts.get(index).expect("a fact").1) {
            Ok(
                CustomerStep::Held { order, blind: Some(blind), .. }
                | CustomerStep::Documented { order, blind, .. },
            ) => KeptDocuments::of(&order, blind),
            Ok(_) | Err(_) => panic!("no documents at {at:?}"),
        }
    };
    book.state.documents(payment).map(read).collect()
}

fn withheld(of: &Settled) -> Withheld {
    match of.documents {
        Documents::Withheld(withheld) => withheld,
        Documents::Here(_) => panic!("the fact holds its documents"),
    }
}

#[test]
fn a_settlement_fact_names_nobody_and_opens_from_the_payers_book() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal::number(1));
    let _ = books.drive(now(), Route::of_client(parts.checked().expect("valid")));
    let payment = parts.terms.payment;
    let (body, fact) = settled(&books, payment);
    assert_eq!(fact.kind, PAYMENT_SETTLED_2);
    let order = parts.order();
    for needle in names(&order) {
        for (_, fact) in &books.settlement.facts {
            assert!(!holds(&to_canonical(fact), &needle), "{}", String::from_utf8_lossy(&needle));
        }
        let image = journal::Image::save(&books.settlement.state);
        assert!(!holds(&image, &needle), "{}", String::from_utf8_lossy(&needle));
    }
    let documents = kept(&books, payment);
    let [documents] = documents.as_slice() else { panic!("one set of documents") };
    assert_eq!(documents, &KeptDocuments::of(&order, blind(payment)));
    assert_eq!(withheld(&body).check(documents), Ok(()));
    // As fields of the fact: the openings fit the commitments that its leaf is made of.
    let commitments = fact.field_commitments(&Secret::from_bytes([7; 32]));
    for index in fact.kind.withheld() {
        assert_eq!(fact.open(&Secret::from_bytes([7; 32]), *index), None, "withheld");
        let opened = documents.open(*index).expect("kept");
        assert_eq!(commitments.get(usize::from(*index)), Some(&opened.commitment()));
    }
}

#[test]
fn another_document_or_another_blind_is_refused_by_name() {
    let parts = OrderParts::of(Deal::number(1));
    let (order, blind) = (parts.order(), blind(parts.terms.payment));
    let commitments = Withheld::of(&order, blind);
    let other = OrderParts::of(Deal::number(2)).order();
    let good = || KeptDocuments::of(&order, blind);
    let refused = |kept: KeptDocuments| commitments.check(&kept).map_err(|no| no.document);
    assert_eq!(refused(good()), Ok(()));
    assert_eq!(refused(KeptDocuments { terms: other.terms.clone(), ..good() }), Err("terms"));
    let mut identifiers = order.identifiers.clone();
    identifiers.end_to_end_id.push('1');
    assert_eq!(refused(KeptDocuments { identifiers, ..good() }), Err("identifiers"));
    let invoice = other.invoice.clone();
    assert_eq!(refused(KeptDocuments { invoice, ..good() }), Err("invoice"));
    let acceptance = other.acceptance.clone();
    assert_eq!(refused(KeptDocuments { acceptance, ..good() }), Err("acceptance"));
    let blind = Blind::from_bytes([1; 32]);
    assert_eq!(refused(KeptDocuments { blind, ..good() }), Err("terms"));
    let words = NotTheDocument { document: "invoice" }.to_string();
    assert!(words.contains("`invoice`") && words.contains("does not fit"), "{words}");
}

/// Carries the next action of a route and lets it hear the answer.
fn step(books: &mut Books, route: &mut Route) -> Heard {
    let heard = books.carry(now(), route, route.next());
    route.hear(heard.clone());
    heard
}

#[test]
fn an_order_that_comes_again_with_other_references_settles_on_documents_that_are_kept() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal::number(1));
    let payment = parts.terms.payment;
    let mut first = Route::of_client(parts.checked().expect("valid"));
    let held = step(&mut books, &mut first);
    assert_eq!(held, Heard::Customers(CustomerAnswer::Held(blind(payment))));
    // The same order once more is held already: nothing is written.
    let facts = books.debtor.facts.len();
    let again = CustomerWork::Hold(Box::new(offering(&parts, parts.order(), [9; 32])));
    let answer = books.tell(now(), Side::Debtor, again);
    assert_eq!(answer, CustomerAnswer::Held(blind(payment)), "the first blind stands");
    assert_eq!(books.debtor.facts.len(), facts);
    // With another reference: kept beside, under what came with it.
    let mut order = parts.order();
    order.identifiers.end_to_end_id = "INV-015".to_owned();
    let mut second = Route::of_client(offering(&parts, order.clone(), [9; 32]));
    let nine = Blind::from_bytes([9; 32]);
    let held = step(&mut books, &mut second);
    assert_eq!(held, Heard::Customers(CustomerAnswer::Held(nine)));
    // Whichever settles, the documents of its fact are there.
    for route in [first, second] {
        let mut books = books.clone();
        let finish = books.drive(now(), route);
        assert!(matches!(finish, Finish::Ended(Ending::Settled, _)), "{finish:?}");
        let (body, _) = settled(&books, payment);
        let documents = kept(&books, payment);
        let fits = documents.iter().filter(|kept| withheld(&body).check(kept).is_ok()).count();
        assert_eq!((documents.len(), fits), (2, 1));
        let debtor = books.debtor.refold(clearing::testkit::customers_genesis(Side::Debtor));
        assert_eq!(debtor, books.debtor.state);
    }
}

fn offering(parts: &OrderParts, order: SettleOrder, offered: [u8; 32]) -> CheckedOrder {
    clearing::check_order(
        order,
        parts.terms.clone(),
        clearing::testkit::environment(),
        clearing::testkit::settlement_name(),
        &clearing::testkit::trust(),
        Blind::from_bytes(offered),
    )
    .expect("valid")
}

/// A hold whose answer was lost is seen, and asked for once more before anything settles on it.
#[test]
fn a_hold_that_was_only_seen_is_settled_under_the_blind_that_the_book_keeps() {
    let mut books = Books::ready();
    let parts = OrderParts::of(Deal::number(1));
    let mut route = Route::of_client(offering(&parts, parts.order(), [9; 32]));
    let _ = books.carry(now(), &route, route.next());
    route.hear(Heard::Unknown);
    let finish = books.drive(now(), route);
    assert!(matches!(finish, Finish::Ended(Ending::Settled, _)), "{finish:?}");
    let (body, _) = settled(&books, parts.terms.payment);
    let documents = kept(&books, parts.terms.payment);
    assert_eq!(documents.len(), 1);
    assert!(documents.iter().all(|kept| withheld(&body).check(kept).is_ok()));
}

#[test]
fn nothing_settles_whose_documents_nobody_keeps() {
    let mut books = Books::ready();
    let order = OrderParts::of(Deal::number(1)).checked().expect("valid");
    let work = SettlementWork::Settle(Box::new(order));
    let command = SettlementCommand { slot: SaltSlot(0), work };
    let (answer, _) = books.settlement.submit(now(), &command);
    assert!(matches!(answer, SettlementAnswer::NotAccepted(_)), "{answer:?}");
}

/// Killed between the durable documents and the settlement fact: nothing settled, nothing is held,
/// nothing is kept for a receipt that cannot be. Killed after it: the payment is completed from
/// its nameless fact, and its documents open.
#[test]
fn a_crash_on_either_side_of_the_settlement_fact_leaves_no_fact_without_documents() {
    let parts = OrderParts::of(Deal::number(1));
    let payment = parts.terms.payment;
    for settles in [false, true] {
        let mut books = Books::ready();
        let mut route = Route::of_client(parts.checked().expect("valid"));
        let _ = step(&mut books, &mut route);
        if settles {
            let _ = step(&mut books, &mut route);
        }
        drop(route);
        // What is left is what the journals say.
        books.settlement.state = books.settlement.refold(settlement_genesis());
        let genesis = clearing::testkit::customers_genesis(Side::Debtor);
        books.debtor.state = books.debtor.refold(genesis);
        let recovery = if settles {
            let (body, _) = settled(&books, payment);
            Route::of_settled(&body)
        } else {
            let held = books.debtor.state.open_holds().next().map(|(_, order)| order.clone());
            Route::of_recovery(&held.expect("held"))
        };
        let finish = books.drive(now(), recovery.expect("reads"));
        let Finish::Ended(ending, _) = finish else { panic!("{finish:?}") };
        assert_eq!(ending == Ending::Settled, settles);
        let side = books.debtor.state.debtor_side(payment);
        let documents = kept(&books, payment);
        if settles {
            let (body, _) = settled(&books, payment);
            assert_eq!((side, documents.len()), (DebtorSide::Debited, 1));
            assert!(documents.iter().all(|kept| withheld(&body).check(kept).is_ok()));
            let credited = books.creditor.state.credit_standing(payment);
            assert_eq!(credited, CreditStanding::Posted);
        } else {
            assert_eq!((side, documents.len()), (DebtorSide::Released, 0));
        }
    }
}

/// The same history as a build before wrote it.
fn first_version(fact: &Fact, orders: &[OrderParts]) -> Fact {
    let (slot, heading) = (fact.salt_slot, fact.heading);
    let order_of = |payment: PaymentId| {
        let parts = orders.iter().find(|parts| parts.terms.payment == payment);
        parts.expect("an order of the history").order()
    };
    if fact.kind == PAYMENT_SETTLED_2 || fact.kind == PAYMENT_REFUNDED_2 {
        let Settled { ended, postings, given, .. } = Settled::of_fact(fact).expect("reads");
        let settled = PaymentSettled { order: order_of(ended.payment), ended, postings };
        return match given {
            Some(given) => PaymentRefunded { settled, given }.to_fact(slot, heading),
            None => settled.to_fact(slot, heading),
        };
    }
    let whole = |request: &record::NamelessRequest| {
        let fits = |parts: &&OrderParts| parts.terms.terms_digest() == request.terms;
        let parts = orders.iter().find(fits).expect("an order of the history");
        request.with_terms(&parts.terms.to_terms_string()).expect("the request's own terms")
    };
    if let Ok(cancelled) = Cancelled::of_fact(fact) {
        let request = whole(&cancelled.request);
        return PaymentCancelled { ended: cancelled.ended, request }.to_fact(slot, heading);
    }
    if let Ok(asked) = AskedBack::of_fact(fact) {
        let AskedBack { payment, request, recorded_at, answer_by } = asked;
        let request = whole(&request);
        let body = CancellationRequested { payment, request, recorded_at, answer_by };
        return body.to_fact(slot, heading);
    }
    fact.clone()
}

#[test]
fn facts_of_the_version_before_fold_to_the_same_state() {
    let mut books = both_ways();
    let original = pay(&mut books, 1, 10_000);
    let paid = OrderParts::of(Deal { credit: 10_000, ..Deal::number(1) });
    let back = refund(&original, 2, 3_000);
    let order = checked_refund(&back, &original).expect("fits");
    let finish = books.drive(now(), Route::of_client(order));
    assert!(matches!(finish, Finish::Ended(Ending::Settled, _)), "{finish:?}");
    let early = OrderParts::of(Deal { credit: 10_000, ..Deal::number(3) });
    for parts in [&paid, &early] {
        let work = AfterWork::Cancel(Box::new(cancellation(parts)));
        let _ = books.settle(now(), SettlementWork::After(work));
    }
    let orders = [paid, back, early];
    let mut older = books.settlement.clone();
    let facts = books.settlement.facts.iter();
    older.facts = facts.map(|(at, fact)| (*at, first_version(fact, &orders))).collect();
    let changed = older.facts.iter().zip(&books.settlement.facts);
    let changed = changed.filter(|(one, other)| one.1 != other.1).count();
    assert_eq!(changed, 4, "a payment, a refund, a cancellation, a request");
    let state = older.refold(settlement_genesis());
    assert_eq!(state, books.settlement.state);
    let entry: &PaymentEntry = state.payment(original.payment()).expect("settled");
    let index = usize::try_from(entry.position.number()).expect("small");
    let fact = &older.facts.get(index).expect("a fact").1;
    assert_eq!(fact.kind, PAYMENT_SETTLED);
    assert_eq!(Original::of_fact(entry.position, fact), Some(original));
}
