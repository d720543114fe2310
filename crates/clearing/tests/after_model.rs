//! Random returns, refunds and cancellations of a few payments, their steps in any order and some
//! answers lost, against a model of three lines: of each payment no more comes back than it
//! credited; money is neither made nor lost; each id has one ending.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

use std::collections::BTreeMap;

use clearing::testkit::after::{ReturnParts, books, cancellation, checked_refund, pay, refund};
use clearing::testkit::{Books, Deal, OrderParts, asset, now, settlement_genesis};
use clearing::{
    Action, AfterWork, Finish, Heard, Original, Route, SettlementAnswer, SettlementWork,
};
use proptest::prelude::*;
use record::{Ending, Side};
use terms::PaymentId;

const PAID: u128 = 100_000;
const PAYMENTS: u64 = 2;

#[derive(Clone, Debug)]
enum Wish {
    Return { of: u64, amount: u128 },
    Refund { of: u64, amount: u128 },
    PayAndCancel { late: bool },
}

fn wish() -> impl Strategy<Value = Wish> {
    let amount = || prop_oneof![Just(PAID), Just(PAID / 2), 1_u128..PAID * 2];
    prop_oneof![
        (0..PAYMENTS, amount()).prop_map(|(of, amount)| Wish::Return { of, amount }),
        (0..PAYMENTS, amount()).prop_map(|(of, amount)| Wish::Refund { of, amount }),
        any::<bool>().prop_map(|late| Wish::PayAndCancel { late }),
    ]
}

/// The money of one asset in all three books that is not somebody else's mirror of it.
fn total(books: &Books) -> Vec<(u128, u128)> {
    [Side::Debtor, Side::Creditor]
        .map(|side| {
            let total = *books.settlement.state.ledger().totals().get(&asset(side)).unwrap();
            (total.debits_posted.units(), total.credits_posted.units())
        })
        .into()
}

struct Going {
    route: Route,
    payment: PaymentId,
    cancel: Option<OrderParts>,
    finish: Option<Finish>,
}

fn going(number: u64, wish: &Wish, originals: &[Original]) -> Option<Going> {
    let of = |index: u64| originals.get(usize::try_from(index).ok()?);
    let payment = Deal::number(number).payment();
    let (route, cancel) = match *wish {
        Wish::Return { of: index, amount } => {
            let original = of(index)?;
            let order = ReturnParts::quoted(original, number, amount).checked(original).ok()?;
            (Route::of_return(order), None)
        }
        Wish::Refund { of: index, amount } => {
            let original = of(index)?;
            let order = checked_refund(&refund(original, number, amount), original).ok()?;
            (Route::of_client(order), None)
        }
        Wish::PayAndCancel { late } => {
            let parts = OrderParts::of(Deal { credit: 1_000, ..Deal::number(number) });
            let order = parts.checked().expect("valid");
            (Route::of_client(order), (!late).then_some(parts))
        }
    };
    Some(Going { route, payment, cancel, finish: None })
}

fn step(books: &mut Books, going: &mut Going, lost: bool) {
    if let Some(parts) = going.cancel.take() {
        let work = SettlementWork::After(AfterWork::Cancel(Box::new(cancellation(&parts))));
        let (answer, _) = books.settle(now(), work);
        let fits = matches!(
            answer,
            SettlementAnswer::EndedNow(_)
                | SettlementAnswer::EndedBefore(_)
                | SettlementAnswer::After(_)
        );
        assert!(fits, "{answer:?}");
        return;
    }
    match going.route.next() {
        Action::Finished(finish) => going.finish = Some(finish),
        action => {
            let heard = books.carry(now(), &going.route, action);
            going.route.hear(if lost { Heard::Unknown } else { heard });
        }
    }
}

fn given_back(books: &Books, originals: &[Original], all: &[Going], wishes: &[(u64, Wish)]) {
    let mut model: BTreeMap<PaymentId, u128> = BTreeMap::new();
    for going in all {
        let entry = books.settlement.state.payment(going.payment).expect("an ending");
        let end = Finish::Ended(entry.ending.clone(), entry.position);
        assert_eq!(going.finish.as_ref(), Some(&end), "one ending");
        let wish = wishes.iter().find(|(n, _)| Deal::number(*n).payment() == going.payment);
        if let (
            Ending::Settled,
            Some((_, Wish::Return { of, amount } | Wish::Refund { of, amount })),
        ) = (&entry.ending, wish)
        {
            let original = originals.get(usize::try_from(*of).unwrap()).unwrap().payment();
            *model.entry(original).or_insert(0) += amount;
        }
    }
    for original in originals {
        let counted = model.get(&original.payment()).copied().unwrap_or(0);
        let given = books.settlement.state.given_back(original.payment());
        assert_eq!(given.map_or(0, |given| given.minor.units()), counted);
        assert!(counted <= PAID, "{counted} came back of {PAID}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn no_more_comes_back_than_was_paid(
        wishes in prop::collection::vec(wish(), 1..10),
        order in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..6), 0..80),
    ) {
        let mut books = books();
        let originals: Vec<Original> =
            (0..PAYMENTS).map(|n| pay(&mut books, 1 + n, PAID)).collect();
        // So that the payee could give back more than it got for one payment.
        let _ = pay(&mut books, 90, PAID * 4);
        let before = total(&books);
        let wishes: Vec<(u64, Wish)> = (100..).zip(wishes).collect();
        let mut all: Vec<Going> =
            wishes.iter().filter_map(|(n, wish)| going(*n, wish, &originals)).collect();
        for (which, dice) in order {
            if !all.is_empty() {
                let index = which.index(all.len());
                step(&mut books, &mut all[index], dice == 0);
                for (_, book) in [(0, &books.debtor), (1, &books.creditor)] {
                    book.state.ledger().audit().expect("the audit holds");
                }
                books.settlement.state.ledger().audit().expect("the audit holds");
            }
        }
        for going in &mut all {
            let mut left = 60;
            while going.finish.is_none() {
                step(&mut books, going, false);
                left -= 1;
                assert!(left > 0, "a route does not end");
            }
        }
        given_back(&books, &originals, &all, &wishes);
        for ((debits, credits), (was, _)) in total(&books).into_iter().zip(before) {
            assert_eq!(debits, credits, "conserved");
            assert!(debits >= was);
        }
        assert_eq!(books.debtor.state.open_holds().count(), 0);
        assert_eq!(books.creditor.state.open_holds().count(), 0);
        assert_eq!(books.creditor.state.open_returns().count(), 0);
        assert_eq!(&books.settlement.state, &books.settlement.refold(settlement_genesis()));
        assert_eq!(&books.debtor.state, &books.debtor.refolded(Side::Debtor));
        let creditor = books.creditor.refolded(Side::Creditor);
        assert_eq!(&books.creditor.state, &creditor);
    }
}
