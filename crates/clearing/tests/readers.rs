//! Who may see which field: the whole table, for each kind of ending.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking")]

use clearing::testkit::{
    Books, Deal, OrderParts, Who, corridor, environment, institution, mark, now,
};
use clearing::{Reader, Route, SettlementWork, fields_for};
use record::{Fact, NEUTRAL_CODE, Refusal, Side, Signed};
use seal::sha256;

const EVERYBODY: [Reader; 5] = [
    Reader::Party(Side::Debtor),
    Reader::Party(Side::Creditor),
    Reader::Institution(Side::Debtor),
    Reader::Institution(Side::Creditor),
    Reader::Supervisor,
];

fn last(books: &Books) -> Fact {
    books.settlement.facts.last().map(|(_, fact)| fact.clone()).unwrap()
}

fn table(fact: &Fact, rows: [&[u16]; 5]) {
    for (reader, fields) in EVERYBODY.into_iter().zip(rows) {
        let expected: Vec<u16> = [&[0, 1], fields].concat();
        let mut got = fields_for(reader, fact);
        assert!(got.is_sorted());
        got.retain(|field| !(6..=10).contains(field));
        assert_eq!(got, expected, "{reader:?}");
        let all = fields_for(reader, fact);
        assert!((6..=10).all(|field| all.contains(&field)), "{reader:?}: the ending");
    }
}

#[test]
fn a_settled_payment_opens_to_each_reader_its_own_part() {
    let mut books = Books::ready();
    let order = OrderParts::of(Deal::number(1)).checked().unwrap();
    let _ = books.drive(now(), Route::of_client(order));
    table(
        &last(&books),
        [
            &[11, 12, 13, 14, 16],
            &[11, 12, 14, 15, 17],
            &[2, 3, 11, 12, 13, 16],
            &[4, 5, 11, 12, 15, 17],
            &[2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 17, 18, 20],
        ],
    );
}

#[test]
fn the_cores_refusal_opens_to_everybody() {
    let mut books = Books::ready();
    let mut parts = OrderParts::of(Deal::number(1));
    parts.debtor.valid_until = now();
    let _ = books.drive(now(), Route::of_client(parts.checked().unwrap()));
    let rows: [&[u16]; 5] = [&[11], &[11], &[2, 3, 11], &[4, 5, 11], &[2, 3, 4, 5, 11]];
    table(&last(&books), rows);
}

#[test]
fn an_edges_refusal_opens_to_its_side_to_the_payer_and_to_the_supervisor() {
    for side in [Side::Debtor, Side::Creditor] {
        let mut books = Books::ready();
        let refusal = Refusal {
            layout: 1,
            environment: environment(),
            corridor: corridor(),
            side,
            institution: institution(side),
            payment: Deal::number(1).payment(),
            terms: sha256(b"terms"),
            code: NEUTRAL_CODE.into(),
            record: sha256(b"record"),
            mark: mark(side, 1),
            decided_at: now(),
        };
        let signed = Signed::sign(&refusal, &Who::BankNl.key());
        let _ = books.settle(now(), SettlementWork::RecordEdgeRefusal(Box::new(signed)));
        let rows: [&[u16]; 5] = match side {
            Side::Debtor => [&[11], &[], &[2, 3, 11], &[4, 5], &[2, 3, 4, 5, 11]],
            Side::Creditor => [&[11], &[11], &[2, 3], &[4, 5, 11], &[2, 3, 4, 5, 11]],
        };
        table(&last(&books), rows);
    }
}
