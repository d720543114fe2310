//! Many payments over few accounts, their steps in any order, with limits and scarce money: the
//! invariants hold after each step, not only at the end.
#![expect(clippy::expect_used, reason = "helpers of a test fail by panicking")]

use std::collections::BTreeMap;

use clearing::testkit::{
    Books, COMPANIES, Deal, OrderParts, PAYER_FUNDS, account, asset, now, own_account,
    settlement_genesis,
};
use clearing::{Action, Finish, Heard, Route};
use ledger::FullLedger;
use proptest::prelude::*;
use record::{Ending, LimitClaim, LimitPeriod, Side};
use terms::{AccountId, Amount, Minor, PaymentId};

/// What one payer may pay in a day, in cents: two or three of the larger payments.
const DAY_LIMIT: u128 = 3_000_000;

#[derive(Clone, Debug)]
struct Wish {
    payer: u8,
    payee: u8,
    credit: u128,
    limited: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    (0..COMPANIES, 0..COMPANIES, 1_u128..4_000_000, any::<bool>())
        .prop_map(|(payer, payee, credit, limited)| Wish { payer, payee, credit, limited })
}

fn parts(number: u64, wish: &Wish) -> OrderParts {
    let Wish { payer, payee, credit, limited } = *wish;
    let mut parts = OrderParts::of(Deal { number, payer, payee, credit, at: now() });
    if limited {
        let amount = Amount::new(Minor::new(DAY_LIMIT), asset(Side::Debtor));
        let period = LimitPeriod::BusinessDay;
        parts.debtor.limits = vec![LimitClaim { key: format!("mandate:{payer}"), amount, period }];
    }
    parts
}

/// One step of one route; `lost` throws the answer away after it was given.
fn step(books: &mut Books, route: &mut Route, lost: bool) -> Option<Finish> {
    let action = route.next();
    if let Action::Finished(finish) = action {
        return Some(finish);
    }
    let heard = books.carry(now(), route, action);
    route.hear(if lost { Heard::Unknown } else { heard });
    None
}

fn posted(ledger: &FullLedger, account: AccountId) -> i128 {
    let signed = |units: Minor| i128::try_from(units.units()).expect("small");
    ledger.balances(account).map_or(0, |b| signed(b.credits_posted) - signed(b.debits_posted))
}

fn invariants(books: &Books) {
    let ledgers = [
        books.settlement.state.ledger(),
        books.debtor.state.ledger(),
        books.creditor.state.ledger(),
    ];
    for ledger in ledgers {
        // Conservation, floors and ceilings, and every counter from its entries and holds.
        ledger.audit().expect("the audit holds");
    }
}

fn at_rest(books: &Books, orders: &[OrderParts], ends: &BTreeMap<PaymentId, Finish>) {
    let mut limited: BTreeMap<u8, u128> = BTreeMap::new();
    let mut paid = 0;
    for order in orders {
        let payment = order.terms.payment;
        let entry = books.settlement.state.payment(payment).expect("an ending");
        let end = Finish::Ended(entry.ending.clone(), entry.position);
        assert_eq!(ends.get(&payment), Some(&end));
        if entry.ending == Ending::Settled {
            paid += order.quote.debit.minor.units();
            if !order.debtor.limits.is_empty() {
                let payer = order.terms.debited_account.bytes()[0];
                *limited.entry(payer).or_default() += order.quote.debit.minor.units();
            }
        }
    }
    assert!(limited.values().all(|total| *total <= DAY_LIMIT), "{limited:?}");
    assert_eq!(books.debtor.state.open_holds().count(), 0);
    let left: i128 =
        (0..COMPANIES).map(|n| posted(books.debtor.state.ledger(), account(Side::Debtor, n))).sum();
    let funds = i128::try_from(PAYER_FUNDS * u128::from(COMPANIES)).expect("small");
    assert_eq!(left, funds - i128::try_from(paid).expect("small"));
    for (customers, settlement) in [(&books.debtor, 3), (&books.creditor, 4)] {
        let owed = posted(books.settlement.state.ledger(), own_account(settlement));
        assert_eq!(posted(customers.state.ledger(), own_account(1)), -owed);
    }
    assert_eq!(books.settlement.refold(settlement_genesis()), books.settlement.state);
    assert_eq!(books.debtor.refolded(Side::Debtor), books.debtor.state);
    assert_eq!(books.creditor.refolded(Side::Creditor), books.creditor.state);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_the_invariants(
        wishes in prop::collection::vec(wish(), 2..10),
        turns in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..6), 20..120),
    ) {
        let mut books = Books::ready();
        let orders: Vec<OrderParts> =
            (1..).zip(&wishes).map(|(number, wish)| parts(number, wish)).collect();
        let mut routes: Vec<Route> = orders
            .iter()
            .map(|order| Route::of_client(order.checked().expect("valid")))
            .collect();
        let mut ends = BTreeMap::new();
        for (index, dice) in turns {
            let route = index.get_mut(&mut routes);
            if let Some(finish) = step(&mut books, route, dice == 0) {
                ends.insert(route.payment(), finish);
            }
            invariants(&books);
        }
        for route in &mut routes {
            let finish = loop {
                if let Some(finish) = step(&mut books, route, false) {
                    break finish;
                }
            };
            if let Some(first) = ends.insert(route.payment(), finish.clone()) {
                prop_assert_eq!(first, finish);
            }
        }
        invariants(&books);
        at_rest(&books, &orders, &ends);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Recovery may run while a client's route is under way (a sweep of old holds, a book opened
    /// again): the settlement book alone decides, so the payment has one ending all the same.
    #[test]
    fn recovery_beside_a_live_route_gives_one_ending(
        stale in any::<bool>(),
        turns in prop::collection::vec((any::<bool>(), 0_u8..5), 0..24),
    ) {
        let mut books = Books::ready();
        let mut parts = OrderParts::of(Deal::number(1));
        if stale {
            parts.debtor.valid_until = now();
        }
        let mut client = Route::of_client(parts.checked().expect("valid"));
        let _ = step(&mut books, &mut client, false);
        let held = books.debtor.state.open_holds().next().map(|(_, order)| order.clone());
        let mut recovery = Route::of_recovery(&held.expect("held")).expect("readable");
        for (first, dice) in turns {
            let route = if first { &mut client } else { &mut recovery };
            let _ = step(&mut books, route, dice == 0);
            invariants(&books);
        }
        let ends = [&mut client, &mut recovery].map(|route| loop {
            if let Some(finish) = step(&mut books, route, false) {
                break finish;
            }
        });
        let entry = books.settlement.state.payment(parts.terms.payment).expect("an ending");
        let end = Finish::Ended(entry.ending.clone(), entry.position);
        prop_assert_eq!(&ends, &[end.clone(), end.clone()]);
        let ends = BTreeMap::from([(parts.terms.payment, end)]);
        at_rest(&books, &[parts], &ends);
    }
}
