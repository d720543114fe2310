//! Totals counted again from the settlement book: depth 3 of a replay.
#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking")]

use clearing::testkit::{Books, Deal, OrderParts, asset, now};
use clearing::totals::{Recount, Recounted};
use clearing::{Finish, Route};
use record::{
    DECISION_VERSION, DecisionOutcome, DecisionRecord, Ending, Finding, FindingValue, LimitClaim,
    LimitPeriod, Side, Visibility,
};
use seal::Digest;
use terms::{Amount, DecisionId, Minor, PaymentId, Position, Sequence};

fn claim(most: u128) -> LimitClaim {
    let amount = Amount::new(Minor::new(most), asset(Side::Debtor));
    LimitClaim { key: "mandate:1".into(), amount, period: LimitPeriod::Month }
}

fn order(number: u64) -> OrderParts {
    let mut parts = OrderParts::of(Deal::number(number));
    parts.debtor.limits = vec![claim(1_000_000)];
    parts
}

/// What the debtor's edge would have recorded of an order.
fn record(parts: &OrderParts) -> DecisionRecord {
    let permit = &parts.debtor;
    let amount = i64::try_from(parts.quote.debit.minor.units()).unwrap();
    DecisionRecord {
        version: DECISION_VERSION,
        environment: permit.environment,
        decision: DecisionId::from_bytes([1; 16]),
        payment: parts.terms.payment,
        institution: permit.institution,
        side: Side::Debtor,
        edge: permit.mark,
        corridor: permit.corridor,
        action: "pay".to_owned(),
        terms: parts.terms.terms_digest(),
        pack: permit.basis.pack,
        schema: Digest::ZERO,
        findings_layer: 1,
        snapshot: Digest::ZERO,
        statements: vec![],
        lists: vec![],
        findings: vec![Finding {
            name: "amount".to_owned(),
            value: FindingValue::Number(amount),
            unit: "minor units".to_owned(),
            source: "order".to_owned(),
            visibility: Visibility::Open,
        }],
        outcome: DecisionOutcome::Permit,
        determining: vec![],
        reasons: vec![],
        duties: vec![],
        limits: permit.limits.clone(),
        errors: vec![],
        engine: String::new(),
        decided_at: permit.decided_at,
    }
}

fn counted(books: &Books, record: &DecisionRecord) -> Option<Recounted> {
    recounted(books, record).unwrap()
}

fn recounted(books: &Books, record: &DecisionRecord) -> Result<Option<Recounted>, String> {
    let book = "settlement".parse().unwrap();
    let mut recount = Recount::of(record.environment, book, record);
    let facts = (0..).map(Position::new).zip(&books.settlement.facts);
    for (at, (stamp, fact)) in facts {
        if let Some(found) = recount.next(at, *stamp, fact)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[test]
fn a_claims_total_is_what_came_before_it_and_each_difference_is_named() {
    let mut books = Books::ready();
    let parts = [order(1), order(2)];
    for one in &parts {
        let order = one.checked().unwrap();
        let finish = books.drive(now(), Route::of_client(order));
        assert!(matches!(finish, Finish::Ended(Ending::Settled, _)), "{finish:?}");
    }
    let records = parts.each_ref().map(record);
    let [first, second] = records.each_ref().map(|record| counted(&books, record).unwrap());
    let paid = parts.each_ref().map(|parts| parts.quote.debit.minor.units());
    for (recounted, before, after) in [(&first, 0, paid[0]), (&second, paid[0], paid[0] + paid[1])]
    {
        assert_eq!(recounted.difference, None);
        let [total] = recounted.totals.as_slice() else { panic!("{recounted:?}") };
        assert_eq!((total.before.units(), total.after.units()), (before, after));
    }
    assert!(first.position < second.position);
    type Change = fn(&mut DecisionRecord);
    let rows: [(&str, Change); 4] = [
        ("limit mandate:1: at most", |record| record.limits = vec![claim(999_999)]),
        ("limit mandate:2: claim", |record| record.limits[0].key = "mandate:2".into()),
        ("limit mandate:1: claim", |record| {
            record.limits[0].period = LimitPeriod::BusinessDay;
        }),
        ("limit mandate:1: this payment", |record| {
            record.findings[0].value = FindingValue::Number(1);
        }),
    ];
    for (expected, change) in rows {
        let mut record = records[1].clone();
        change(&mut record);
        let (part, ..) = counted(&books, &record).unwrap().difference.unwrap();
        assert_eq!(part, expected);
    }
    // Another decision on the same payment is none that it settled on.
    let others: [Change; 5] = [
        |record| record.limits.clear(),
        |record| record.pack = Digest::from_bytes([9; 32]),
        |record| record.terms = Digest::from_bytes([9; 32]),
        |record| record.decided_at = now().plus(core::time::Duration::from_secs(1)),
        |record| record.edge.sequence = Sequence::new(1_000),
    ];
    for change in others {
        let mut record = records[1].clone();
        change(&mut record);
        let refused = recounted(&books, &record).unwrap_err();
        assert!(refused.contains("another decision"), "{refused}");
    }
    let never = DecisionRecord { payment: PaymentId::from_bytes([9; 16]), ..records[0].clone() };
    assert_eq!(counted(&books, &never), None, "no such payment settled");
}
