//! Payments whose payee's bank takes no part: one institution signs, a rail carries, its word ends
//! the payment in the append that moves the money, and only then is the payer debited or released.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "tests stop where something is not as it must be"
)]

use core::time::Duration;

use clearing::outgoing::{OutgoingNext, next_outgoing, transfer_of};
use clearing::outside::Phase;
use clearing::rule::RuleName;
use clearing::saga::{Asker, DebtorSide};
use clearing::testkit::outside::outgoing_parties;
use clearing::testkit::{
    Books, Deal, OrderParts, Who, account, company, environment, eur, institution, name, now,
    own_account, schema, settlement_genesis, settlement_name, start, trust_list,
};
use clearing::{
    CheckedOutgoing, CustomerAnswer, CustomerWork, OutsideAnswer, OutsideWork, Rule,
    SettlementAnswer, SettlementWork, TrustView, check_outgoing,
};
use journal::Image;
use record::outgoing::OUTGOING_ENDED;
use record::{
    CorridorSide, Ending, FactBody, Heading, LimitClaim, LimitPeriod, OutgoingEnded,
    OutgoingParties, OutgoingPayment, OutgoingTerms, OutsideEvidence, OutsideNote, PackNotice,
    PackStanding, Side, Signed, StuckAct, StuckDecision, TrustList,
};
use seal::{Digest, sha256};
use terms::{AccountId, Amount, Instant, Minor, PaymentId, Uetr};

const SENT: u128 = 40_000;
const FEE: u128 = 150;

fn list() -> TrustList {
    let mut list = trust_list(Side::Debtor, 2, Who::BankNl);
    for entry in &mut list.institutions {
        entry.sides.push(CorridorSide { corridor: name("nl-out"), side: Side::Debtor });
    }
    list
}

fn trust() -> TrustView {
    let mut view = TrustView::default();
    view.adopt(list());
    view.adopt(trust_list(Side::Creditor, 1, Who::BankSg));
    view
}

fn pack() -> Digest {
    sha256(b"a pack that lets payments leave")
}

/// Books in which the payer's bank may send payments out, by a pack of its own.
fn books() -> Books {
    let mut books = Books::ready();
    let signed = Box::new(Signed::sign(&list(), &Who::RootNl.key()));
    assert_eq!(
        books.settle(start(), SettlementWork::AdoptTrustList(signed)).0,
        SettlementAnswer::Done
    );
    let notice = PackNotice {
        layout: 1,
        environment: environment(),
        institution: institution(Side::Debtor),
        corridor: name("nl-out"),
        side: Side::Debtor,
        pack: pack(),
        schema: schema(),
        standing: PackStanding::InForce,
    };
    let signed = Box::new(Signed::sign(&notice, &Who::BankNl.key()));
    assert_eq!(books.settle(start(), SettlementWork::NoticePack(signed)).0, SettlementAnswer::Done);
    books
}

fn order(number: u64) -> OutgoingPayment {
    let deal = Deal::number(number);
    let permit = OrderParts::of(deal).debtor;
    let mut basis = permit.basis;
    basis.pack = pack();
    OutgoingPayment {
        layout: 1,
        environment: environment(),
        book: settlement_name(),
        payment: deal.payment(),
        corridor: name("nl-out"),
        institution: institution(Side::Debtor),
        owner: company(Side::Debtor, 0),
        debited_account: account(Side::Debtor, 0),
        amount: Amount::new(Minor::new(SENT), eur()),
        fee: Amount::new(Minor::new(FEE), eur()),
        parties: outgoing_parties(number).commitment(),
        uetr: Uetr::from_random(deal.payment().bytes()),
        basis,
        record: sha256(b"the decision record"),
        mark: permit.mark,
        decided_at: now(),
        valid_until: now().plus(Duration::from_secs(60)),
        terms: None,
        limits: None,
    }
}

/// The parties of an order of layout 2.
fn named_parties(number: u64) -> OutgoingParties {
    let parties = outgoing_parties(number);
    OutgoingParties {
        layout: 2,
        payer_address: Some(parties.address.clone()),
        payer_account: Some(account(Side::Debtor, 0)),
        purpose: Some("SUPP".into()),
        ..parties
    }
}

/// What the payer signs for an order and its parties.
fn agreed(order: &OutgoingPayment, parties: &OutgoingParties) -> OutgoingTerms {
    OutgoingTerms {
        payment: order.payment,
        environment: order.environment,
        book: order.book,
        corridor: order.corridor,
        debited_account: order.debited_account,
        amount: order.amount,
        fee: order.fee,
        to: parties.to.clone(),
        address: parties.address.clone(),
        end_to_end_id: parties.identifiers.end_to_end_id.clone(),
        purpose: "SUPP".into(),
        expires_at: Instant::from_seconds(order.valid_until.seconds() + 60),
    }
}

/// The order with a claim that this mandate pays so much a month at most: layout 2.
fn bounded(order: &mut OutgoingPayment, most: u128, asset: &str) {
    let claim = LimitClaim {
        key: "mandate:m1".into(),
        amount: Amount::new(Minor::new(most), name(asset)),
        period: LimitPeriod::Month,
    };
    order.layout = 2;
    order.limits = Some(vec![claim]);
}

fn checked_with(
    order: &OutgoingPayment,
    parties: OutgoingParties,
    who: Who,
) -> Result<CheckedOutgoing, Rule> {
    let signed = Signed::sign(order, &who.key());
    check_outgoing(signed, (parties, None), environment(), settlement_name(), &trust())
}

/// An order of layout 2, over terms that somebody signed.
fn checked_over(
    order: &OutgoingPayment,
    parties: OutgoingParties,
    text: Option<&str>,
) -> Result<CheckedOutgoing, Rule> {
    let signed = Signed::sign(order, &Who::BankNl.key());
    check_outgoing(signed, (parties, text), environment(), settlement_name(), &trust())
}

fn checked_by(order: &OutgoingPayment, who: Who) -> Result<CheckedOutgoing, Rule> {
    checked_with(order, outgoing_parties(1), who)
}

fn checked(number: u64, order: &OutgoingPayment) -> CheckedOutgoing {
    if order.layout == 2 {
        let parties = named_parties(number);
        let mut order = order.clone();
        order.parties = parties.commitment();
        let terms = agreed(&order, &parties);
        order.terms = Some(terms.terms_digest());
        return checked_over(&order, parties, Some(&terms.to_terms_string())).expect("valid");
    }
    checked_with(order, outgoing_parties(number), Who::BankNl).expect("valid")
}

fn take(books: &mut Books, at: Instant, order: &CheckedOutgoing) -> SettlementAnswer {
    books.settle(at, SettlementWork::Take(Box::new(order.clone()))).0
}

fn rail(books: &mut Books, work: OutsideWork) -> OutsideAnswer {
    match books.settle(now(), SettlementWork::Outside(Box::new(work))).0 {
        SettlementAnswer::Outside(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn message(code: &str, reason: &str) -> OutsideEvidence {
    OutsideEvidence::Message {
        digest: sha256(code.as_bytes()),
        message_id: "RAIL-1".into(),
        kind: "pacs.002".into(),
        code: code.into(),
        reason: reason.into(),
    }
}

/// One step, from what both books say.
fn step(books: &mut Books, order: &CheckedOutgoing, asker: Asker) -> OutgoingNext {
    let payment = order.order().payment;
    let debtor = books.debtor.state.debtor_side(payment);
    let side = books.settlement.state.outgoing_side(payment);
    let next = next_outgoing(debtor, &side, asker);
    let tell = |books: &mut Books, work| {
        let said = books.tell(now(), Side::Debtor, work);
        assert!(!matches!(said, CustomerAnswer::PaymentIdUsed { .. }), "{said:?}");
    };
    match next {
        OutgoingNext::Hold => tell(books, CustomerWork::HoldOutgoing(Box::new(order.clone()))),
        OutgoingNext::Take => drop(take(books, now(), order)),
        OutgoingNext::Abandon => {
            let rule = Rule::new(RuleName::OrderInterrupted, "nothing was sent");
            let (terms, heading) = (order.terms_digest(), Heading::default());
            let work = SettlementWork::RecordCoreRefusal { payment, terms, heading, rule };
            let _ = books.settle(now(), work);
        }
        OutgoingNext::Debit(at) => tell(books, CustomerWork::Debit(payment, at)),
        OutgoingNext::Release(reason) => tell(books, CustomerWork::Release(payment, reason)),
        OutgoingNext::Wait | OutgoingNext::Finished => {}
    }
    next
}

fn drive(books: &mut Books, order: &CheckedOutgoing, asker: Asker) -> OutgoingNext {
    loop {
        let next = step(books, order, asker);
        if matches!(next, OutgoingNext::Wait | OutgoingNext::Finished) {
            return next;
        }
    }
}

fn sums(books: &Books, of: AccountId, settlement: bool) -> (u128, u128) {
    let ledger =
        if settlement { books.settlement.state.ledger() } else { books.debtor.state.ledger() };
    let sums = ledger.balances(of).expect("an account");
    (sums.debits_posted.units(), sums.credits_posted.units())
}

/// What left the payer, the bank's settlement account, and the mirror of it in the bank's book.
fn moved(books: &Books, before: &Books) -> [u128; 3] {
    let payer = |of: &Books| sums(of, account(Side::Debtor, 0), false).0;
    let prefunded = |of: &Books| sums(of, own_account(3), true).0;
    let asset = eur();
    let due = |of: &Books| {
        let account = of.debtor.state.due_from_settlement(asset).expect("due from");
        sums(of, account, false).1
    };
    [payer(books) - payer(before), prefunded(books) - prefunded(before), due(books) - due(before)]
}

fn sound(books: &Books) {
    assert_eq!(books.settlement.state, books.settlement.refold(settlement_genesis()));
    assert_eq!(books.debtor.state, books.debtor.refolded(Side::Debtor));
    books.settlement.state.ledger().audit().expect("the audit holds");
    books.debtor.state.ledger().audit().expect("the audit holds");
}

#[test]
fn what_the_payers_bank_did_not_sign_so_is_not_taken() {
    type Change = fn(&mut OutgoingPayment);
    let table: [(Change, RuleName); 12] = [
        (|o| o.layout = 2, RuleName::PermitDiffers),
        (|o| (o.layout, o.terms) = (2, Some(sha256(b"terms"))), RuleName::PermitDiffers),
        (|o| o.limits = Some(vec![]), RuleName::PermitDiffers),
        (|o| o.environment = name("production"), RuleName::EnvironmentsDiffer),
        (|o| o.book = name("elsewhere"), RuleName::BooksDiffer),
        (|o| o.corridor = name("nl-xx"), RuleName::SignerNotTrusted),
        (|o| o.institution = institution(Side::Creditor), RuleName::SignerNotTrusted),
        (|o| o.fee.asset = name("SGD.2@mas-sandbox"), RuleName::PermitDiffers),
        (|o| o.amount.minor = Minor::ZERO, RuleName::PermitDiffers),
        (|o| o.parties = sha256(b"others"), RuleName::PermitDiffers),
        (|o| o.mark.edge = name("bank-xx.1"), RuleName::PermitDiffers),
        (|o| o.valid_until = now().plus(Duration::from_secs(61)), RuleName::PermitDiffers),
    ];
    for (number, (change, rule)) in table.into_iter().enumerate() {
        let mut order = order(1);
        change(&mut order);
        let refused = checked_by(&order, Who::BankNl).expect_err("refused");
        assert_eq!(refused.name, rule, "case {number}: {refused}");
    }
    for who in [Who::Stranger, Who::BankSg] {
        assert_eq!(checked_by(&order(1), who).expect_err("").name, RuleName::SignerNotTrusted);
    }
    // Who pays whom is what the order commits to, with references that a rail carries.
    let others = |change: fn(&mut OutgoingParties)| {
        let mut parties = outgoing_parties(1);
        change(&mut parties);
        let commits = OutgoingPayment { parties: parties.commitment(), ..order(1) };
        let swapped = checked_with(&order(1), parties.clone(), Who::BankNl).expect_err("swapped");
        assert_eq!(swapped.name, RuleName::PermitDiffers, "{swapped}");
        checked_with(&commits, parties, Who::BankNl).map_err(|rule| rule.name)
    };
    assert!(others(|p| p.to.account = "FR1420041010050500013M02606".into()).is_ok());
    assert!(others(|p| p.salt = [8; 32].into()).is_ok());
    let told = others(|p| p.identifiers.end_to_end_id = "/".into());
    assert_eq!(told.err(), Some(RuleName::ReferencesMalformed));
    let told = others(|p| p.identifiers.uetr = Uetr::from_random([9; 16]));
    assert_eq!(told.err(), Some(RuleName::PermitDiffers));
    // Where somebody stands for the payee, it must accept: no way around it.
    let around = OutgoingPayment { corridor: name("nl-sg"), ..order(1) };
    let refused = checked_by(&around, Who::BankNl).expect_err("two-sided");
    assert_eq!(refused.name, RuleName::ActionNotServed);
}

#[test]
fn what_is_ordered_and_whom_it_names_is_what_the_payer_signed() {
    let parties = named_parties(1);
    let mut good = order(1);
    (good.layout, good.limits) = (2, Some(vec![]));
    good.parties = parties.commitment();
    let terms = agreed(&good, &parties);
    good.terms = Some(terms.terms_digest());
    let text = terms.to_terms_string();
    assert!(checked_over(&good, parties.clone(), Some(&text)).is_ok());
    let refused = |order: &OutgoingPayment, parties: OutgoingParties, text: Option<&str>| {
        let told = checked_over(order, parties, text).expect_err("refused");
        assert_eq!(told.name, RuleName::PermitDiffers, "{told}");
    };
    refused(&good, parties.clone(), None);
    let other = OutgoingTerms { fee: good.amount, ..terms.clone() }.to_terms_string();
    refused(&good, parties.clone(), Some(&other));
    // Signed for one payee, ordered for another: the bank's own key over both does not help.
    let changes: [fn(&mut OutgoingParties); 5] = [
        |p| p.to.account = "FR1420041010050500013M02606".into(),
        |p| p.to.name = "Somebody Else".into(),
        |p| p.address.town = "Paris".into(),
        |p| p.purpose = Some("GAMB".into()),
        |p| p.payer_account = Some(AccountId::from_bytes([9; 16])),
    ];
    for change in changes {
        let mut parties = parties.clone();
        change(&mut parties);
        let order = OutgoingPayment { parties: parties.commitment(), ..good.clone() };
        refused(&order, parties, Some(&text));
    }
    let dearer = OutgoingPayment { fee: good.amount, ..good };
    refused(&dearer, parties, Some(&text));
}

#[test]
fn a_months_limit_counts_over_payments_out() {
    let mut books = books();
    for (number, taken) in [(1, true), (2, true), (3, false)] {
        let mut order = order(number);
        bounded(&mut order, 2 * (SENT + FEE), "EUR.2@tcb-sandbox");
        let answer = take(&mut books, now(), &checked(number, &order));
        match answer {
            SettlementAnswer::EndedNow(ended) if !taken => {
                let limit = RuleName::LimitExceeded.to_string();
                assert_eq!(ended.ending, Ending::Refused(limit));
            }
            other => assert!(taken, "{number}: {other:?}"),
        }
    }
    assert_eq!(books.settlement.state.transfers().count(), 2);
    assert_eq!(books.settlement.state, books.settlement.refold(settlement_genesis()));
}

#[test]
fn what_is_not_in_force_in_the_writers_turn_ends_the_payment_as_refused() {
    type Change = fn(&mut OutgoingPayment);
    let table: [(Change, RuleName); 9] = [
        (|o| o.mark.edge = name("bank-nl.9"), RuleName::EdgeNotInService),
        (|o| o.decided_at = now().plus(Duration::from_secs(6)), RuleName::PermitFromTheFuture),
        (|o| bounded(o, SENT + FEE - 1, "EUR.2@tcb-sandbox"), RuleName::LimitExceeded),
        (|o| bounded(o, SENT - 1, "EUR.2@tcb-sandbox"), RuleName::LimitExceeded),
        (|o| bounded(o, SENT + FEE, "SGD.2@mas-sandbox"), RuleName::PermitDiffers),
        (|o| o.basis.pack = sha256(b"another"), RuleName::PackNotInForce),
        (|o| o.basis.schema = sha256(b"another"), RuleName::PackNotInForce),
        (|o| o.basis.snapshot = sha256(b"another"), RuleName::SnapshotTooOld),
        (|o| o.amount.minor = Minor::new(1 << 60), RuleName::ParticipantLiquidityInsufficient),
    ];
    for (number, (change, rule)) in (1..).zip(table) {
        let mut books = books();
        let mut order = order(number);
        change(&mut order);
        let order = checked(number, &order);
        match take(&mut books, now(), &order) {
            SettlementAnswer::EndedNow(ended) => {
                assert_eq!(ended.ending, Ending::Refused(rule.to_string()));
            }
            other => panic!("{rule}: {other:?}"),
        }
        let again = take(&mut books, now(), &order);
        assert!(matches!(again, SettlementAnswer::EndedBefore(_)), "{again:?}");
        assert_eq!(books.settlement.state.transfers().count(), 0);
    }
    let mut books = books();
    let late = now().plus(Duration::from_secs(60));
    match take(&mut books, late, &checked(9, &order(9))) {
        SettlementAnswer::EndedNow(ended) => {
            assert_eq!(ended.ending, Ending::Refused(RuleName::PermitExpired.to_string()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rails_word_settles_the_payment_in_the_append_that_posts_it() {
    let before = books();
    let mut books = books();
    let order = checked(1, &order(1));
    let payment = order.order().payment;
    assert_eq!(drive(&mut books, &order, Asker::Client), OutgoingNext::Wait);
    assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Held);
    assert_eq!(moved(&books, &before), [0; 3], "held, not moved");
    let transfer = books.settlement.state.transfer(transfer_of(payment)).expect("one");
    assert_eq!(transfer.uetr(), order.order().uetr, "the payment's own");
    assert_eq!((&transfer.to, transfer.reference.as_str()), (&None, ""), "no names here");
    assert_eq!(books.debtor.state.outgoing_parties(payment), Some(&outgoing_parties(1)));
    let id = transfer.id;
    assert_eq!(rail(&mut books, OutsideWork::Intend(id, name("sepa"))), OutsideAnswer::Now);
    let facts = books.settlement.facts.len();
    let settled = OutsideWork::Post(id, message("ACSC", ""));
    assert_eq!(rail(&mut books, settled), OutsideAnswer::Now);
    let kinds: Vec<u16> =
        books.settlement.facts.iter().skip(facts).map(|(_, fact)| fact.kind.number).collect();
    assert_eq!(kinds, [23, 68], "one append");
    assert_eq!(moved(&books, &before), [0, SENT, 0]);
    let transit: Vec<_> = books.settlement.state.transit().iter().collect();
    assert_eq!(transit.len(), 1, "the payer's book has not done its part");
    assert_eq!((transit[0].1.left.minor.units(), transit[0].1.outside), (SENT, true));
    assert_eq!(drive(&mut books, &order, Asker::Recovery), OutgoingNext::Finished);
    assert_eq!(moved(&books, &before), [SENT + FEE, SENT, SENT]);
    assert_eq!(drive(&mut books, &order, Asker::Client), OutgoingNext::Finished, "once");
    let entry = books.settlement.state.payment(payment).expect("ended").clone();
    let index = usize::try_from(entry.position.number()).expect("small");
    let fact = &books.settlement.facts[index].1;
    assert_eq!(fact.kind, OUTGOING_ENDED);
    let body = OutgoingEnded::from_fact(fact).expect("reads");
    assert_eq!(body.evidence, message("ACSC", ""), "proof ends with the rail's word");
    assert_eq!(body.ended.terms, order.terms_digest());
    // The settlement book holds pseudonymous ids, amounts and commitments only.
    for name in ["Brightwater B.V.", "Atelier Nord", "FR76300060000112345", "Rue du Port", "INV-1"]
    {
        let says = |fact: &record::Fact| {
            let fields = fact.fields();
            fields.iter().any(|of| of.windows(name.len()).any(|part| part == name.as_bytes()))
        };
        assert!(!books.settlement.facts.iter().any(|(_, fact)| says(fact)), "{name}");
        assert!(books.debtor.facts.iter().any(|(_, fact)| says(fact)), "{name}: its bank knows");
    }
    sound(&books);
    let state = &books.debtor.state;
    assert_eq!(&clearing::CustomersBook::load(&state.save()).expect("loads"), state);
    let state = &books.settlement.state;
    assert_eq!(&clearing::SettlementBook::load(&state.save()).expect("loads"), state);
}

#[test]
fn a_rejection_or_a_hold_that_ran_out_gives_the_payer_its_money_back() {
    for lapses in [false, true] {
        let before = books();
        let mut books = books();
        let order = checked(1, &order(1));
        let payment = order.order().payment;
        let _ = drive(&mut books, &order, Asker::Client);
        let id = transfer_of(payment);
        let (work, rule) = if lapses {
            let lapsed = OutsideEvidence::Lapsed("the hold ran out".into());
            (OutsideWork::Release(id, lapsed), RuleName::InstructionExpired)
        } else {
            let _ = rail(&mut books, OutsideWork::Intend(id, name("sepa")));
            (OutsideWork::Release(id, message("RJCT", "AC04")), RuleName::RailRefused)
        };
        assert_eq!(rail(&mut books, work), OutsideAnswer::Now);
        assert_eq!(drive(&mut books, &order, Asker::Recovery), OutgoingNext::Finished);
        let entry = books.settlement.state.payment(payment).expect("ended");
        assert_eq!(entry.ending, Ending::Refused(rule.to_string()));
        assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Released);
        assert_eq!(moved(&books, &before), [0; 3]);
        sound(&books);
    }
}

#[test]
fn nothing_but_its_transfer_ends_a_payment_that_is_on_its_way() {
    let mut books = books();
    let order = checked(1, &order(1));
    let payment = order.order().payment;
    let _ = drive(&mut books, &order, Asker::Client);
    let facts = books.settlement.facts.len();
    let rule = || Rule::new(RuleName::OrderInterrupted, "a mistake");
    for terms in [order.terms_digest(), Digest::ZERO] {
        let (heading, rule) = (Heading::default(), rule());
        let work = SettlementWork::RecordCoreRefusal { payment, terms, heading, rule };
        let (answer, _) = books.settle(now(), work);
        let kept = matches!(
            answer,
            SettlementAnswer::NotAccepted(_) | SettlementAnswer::PaymentIdUsed { .. }
        );
        assert!(kept, "{answer:?}");
    }
    // A payment between participants, and its cancellation, under the same id.
    let other = OrderParts::of(Deal::number(1));
    let settle = SettlementWork::Settle(Box::new(other.checked().expect("valid")));
    let (answer, _) = books.settle(now(), settle);
    assert!(matches!(answer, SettlementAnswer::PaymentIdUsed { .. }), "{answer:?}");
    let cancel = clearing::testkit::after::cancellation(&other);
    let work = SettlementWork::After(clearing::AfterWork::Cancel(Box::new(cancel)));
    let (answer, _) = books.settle(now(), work);
    assert!(matches!(answer, SettlementAnswer::PaymentIdUsed { .. }), "{answer:?}");
    assert_eq!(books.settlement.facts.len(), facts);
    // The payer's bank's own commands free neither hold.
    assert_eq!(books.debtor.state.debtor_side(payment), DebtorSide::Held);
}

#[test]
fn a_persons_act_on_a_stuck_one_ends_the_payment_too() {
    for (decision, left) in [(StuckDecision::Done, SENT), (StuckDecision::NotDone, 0)] {
        let before = books();
        let mut books = books();
        let order = checked(1, &order(1));
        let id = transfer_of(order.order().payment);
        let _ = drive(&mut books, &order, Asker::Client);
        let _ = rail(&mut books, OutsideWork::Intend(id, name("sepa")));
        let _ = rail(&mut books, OutsideWork::Note(id, OutsideNote::Stuck("no end".into())));
        let transfer = books.settlement.state.transfer(id).expect("one");
        assert!(matches!(transfer.phase, Phase::Stuck(_)));
        let act = StuckAct {
            layout: 1,
            environment: environment(),
            book: settlement_name(),
            id,
            stuck_at: transfer.at,
            decision,
            reason: "asked the bank by telephone".into(),
            by: "m.visser".into(),
        };
        let act = Box::new(Signed::sign(&act, &Who::Operator.key()));
        assert_eq!(rail(&mut books, OutsideWork::Resolve(act)), OutsideAnswer::Now);
        assert_eq!(drive(&mut books, &order, Asker::Recovery), OutgoingNext::Finished);
        let fee = if left > 0 { FEE } else { 0 };
        assert_eq!(moved(&books, &before), [left + fee, left, left]);
        sound(&books);
    }
}

/// Every order of what a client, recovery and a rail may do, by dice: the payer is debited when
/// the money left and only then, and everything ends.
#[test]
fn in_whatever_order_things_happen_the_payer_loses_what_left_and_nothing_else() {
    let (mut settled, mut refused) = (0_u32, 0_u32);
    for seed in 0..400_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = move |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        let before = books();
        let mut books = books();
        let order = checked(seed + 1, &order(seed + 1));
        let id = transfer_of(order.order().payment);
        for _ in 0..40 {
            match roll(8) {
                0..=2 => drop(step(&mut books, &order, Asker::Client)),
                3 => drop(step(&mut books, &order, Asker::Recovery)),
                4 | 5 => {
                    let work =
                        SettlementWork::Outside(Box::new(OutsideWork::Intend(id, name("sepa"))));
                    let _ = books.settle(now(), work);
                }
                6 => {
                    let work = OutsideWork::Post(id, message("ACSC", ""));
                    let _ = books.settle(now(), SettlementWork::Outside(Box::new(work)));
                }
                _ => {
                    let work = OutsideWork::Release(id, message("RJCT", "AC04"));
                    let _ = books.settle(now(), SettlementWork::Outside(Box::new(work)));
                }
            }
            let [payer, prefunded, _] = moved(&books, &before);
            assert!(payer == 0 || prefunded == SENT, "seed {seed}: debited before it left");
        }
        if drive(&mut books, &order, Asker::Recovery) == OutgoingNext::Wait {
            let _ = rail(&mut books, OutsideWork::Intend(id, name("sepa")));
            let _ = rail(&mut books, OutsideWork::Post(id, message("ACSC", "")));
        }
        assert_eq!(drive(&mut books, &order, Asker::Recovery), OutgoingNext::Finished);
        let payment: PaymentId = order.order().payment;
        match books.settlement.state.payment(payment).map(|entry| entry.ending.clone()) {
            Some(Ending::Settled) => {
                settled += 1;
                assert_eq!(moved(&books, &before), [SENT + FEE, SENT, SENT], "seed {seed}");
            }
            Some(Ending::Refused(_)) | None => {
                refused += 1;
                assert_eq!(moved(&books, &before), [0; 3], "seed {seed}");
            }
        }
        sound(&books);
    }
    assert!(settled > 50 && refused > 50, "{settled} settled, {refused} refused");
}
