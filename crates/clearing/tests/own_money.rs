//! Whatever a participant's settlement account is moved by, and in whatever order, the account and
//! its mirror in the participant's own book agree: its customers' money is followed there, and all
//! other money is totalled as its own. A total from which one kind of movement is left out does not
//! agree, so that a path that is forgotten is seen.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of a test fail by panicking"
)]

#[path = "own_money/model.rs"]
mod model;
#[path = "own_money/parts.rs"]
mod parts;

use std::collections::BTreeSet;

use clearing::settlement::SettlementBook;
use clearing::settlement::own::{MirrorTerms, OwnTotals};
use clearing::testkit::{asset, institution, name, settlement_genesis};
use journal::Image;
use ledger::Balances;
use proptest::prelude::*;
use record::Side;
use terms::Minor;

use self::model::{End, Feed, Wish, World};

const SIDES: [Side; 2] = [Side::Debtor, Side::Creditor];

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Debtor), Just(Side::Creditor)]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Paid),
        Just(End::Rejected),
        Just(End::Lapsed),
        Just(End::ByLine),
        Just(End::PersonPaid),
        Just(End::PersonNot),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let amount = || 1_u128..400_000;
    prop_oneof![
        3 => (side(), prop::option::of(0_u8..4), amount())
            .prop_map(|(side, customer, amount)| Wish::Line { side, customer, amount }),
        2 => (side(), amount(), any::<bool>())
            .prop_map(|(side, amount, release)| Wish::Strange { side, amount, release }),
        2 => (side(), amount(), any::<bool>())
            .prop_map(|(side, amount, bank)| Wish::Charge { side, amount, bank }),
        4 => (side(), amount(), end())
            .prop_map(|(side, amount, end)| Wish::Withdraw { side, amount, end }),
        3 => amount().prop_map(|amount| Wish::Pay { amount }),
        2 => amount().prop_map(|amount| Wish::Return { amount }),
        2 => amount().prop_map(|amount| Wish::Refund { amount }),
        2 => end().prop_map(|end| Wish::Outgoing { end }),
        2 => (side(), amount(), any::<bool>())
            .prop_map(|(side, amount, gets)| Wish::Correct { side, amount, gets }),
        1 => (side(), amount()).prop_map(|(side, amount)| Wish::ByHand { side, amount }),
        1 => (side(), any::<bool>()).prop_map(|(side, freeze)| Wish::Act { side, freeze }),
    ]
}

fn agree(terms: &MirrorTerms) -> bool {
    let [book, settled] = terms.both_sides().expect("small sums");
    book == settled
}

/// What the book totals is what the model knows, and the formula holds at this very moment.
fn agrees_now(world: &World) {
    for side in SIDES {
        let terms = world.terms(side);
        let [came_in, went_out] = world.own_of(side, None);
        let known = OwnTotals { came_in: Minor::new(came_in), went_out: Minor::new(went_out) };
        assert_eq!(terms.own, known, "{side}: the model's own money");
        assert!(agree(&terms), "{side}: {terms:?}");
    }
    // The provider has no customers: all that moves on its accounts is its own.
    for asset in SIDES.map(asset) {
        let state = &world.books.settlement.state;
        let dealer = name("fx-dealer");
        let account = state.settlement_account(dealer, asset).expect("an account");
        let balances: Balances = state.ledger().balances(account).expect("balances");
        let own = state.own_money().of(dealer, asset);
        assert_eq!(own.came_in, balances.credits_posted);
        assert_eq!(own.went_out, balances.debits_posted);
    }
}

/// The kinds of movement without which the mirror of a side would not agree.
fn needed(world: &World, side: Side) -> BTreeSet<Feed> {
    let mut found = BTreeSet::new();
    for feed in Feed::ALL {
        let mut terms = world.terms(side);
        let [came_in, went_out] = world.own_of(side, Some(feed));
        terms.own = OwnTotals { came_in: Minor::new(came_in), went_out: Minor::new(went_out) };
        let [moved_in, moved_out] = world.moved(side, feed);
        assert_eq!(agree(&terms), moved_in == moved_out, "{side}: {feed:?} left out");
        if moved_in != moved_out {
            found.insert(feed);
        }
    }
    found
}

fn at_rest(world: &World) {
    agrees_now(world);
    for side in SIDES {
        let terms = world.terms(side);
        assert!(terms.to_leave.is_zero() && terms.to_come.is_zero(), "{side}: {terms:?}");
    }
    let books = &world.books;
    let refolded = books.settlement.refold(settlement_genesis());
    assert_eq!(books.settlement.state, refolded, "the state is the fold");
    assert_eq!(books.debtor.state, books.debtor.refolded(Side::Debtor));
    assert_eq!(books.creditor.state, books.creditor.refolded(Side::Creditor));
    let loaded = SettlementBook::load(&books.settlement.state.save()).expect("loads");
    for side in SIDES {
        let of = |state: &SettlementBook| state.own_money().of(institution(side), asset(side));
        assert_eq!(of(&loaded), of(&refolded));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn whatever_moves_the_mirrors_agree_at_every_moment(
        wishes in prop::collection::vec(wish(), 1..24),
        order in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 0..160),
    ) {
        let mut world = World::funded();
        agrees_now(&world);
        for wish in wishes {
            world.begin(&wish);
            agrees_now(&world);
        }
        for (which, dice) in order {
            if world.open() > 0 {
                world.step(which.index(world.open()), dice == 0);
                agrees_now(&world);
            }
        }
        world.finish();
        at_rest(&world);
        for side in SIDES {
            let _ = needed(&world, side);
        }
    }
}

/// One of each kind, so that none can be left out unseen; whatever the dice of the test above do.
#[test]
fn each_kind_of_movement_left_out_is_a_break() {
    let mut world = World::funded();
    let mut amount = 1_000;
    let mut next = || {
        amount *= 2;
        amount
    };
    for side in SIDES {
        let wishes = [
            Wish::Line { side, customer: None, amount: next() * 100 },
            Wish::Line { side, customer: Some(1), amount: next() },
            Wish::Strange { side, amount: next(), release: true },
            Wish::Charge { side, amount: 31, bank: true },
            Wish::Withdraw { side, amount: 101, end: End::Paid },
            Wish::Withdraw { side, amount: 203, end: End::ByLine },
            Wish::Withdraw { side, amount: 407, end: End::PersonPaid },
            Wish::Withdraw { side, amount: 809, end: End::Rejected },
            Wish::Withdraw { side, amount: 811, end: End::Lapsed },
            Wish::Withdraw { side, amount: 813, end: End::PersonNot },
            Wish::Correct { side, amount: 1_601, gets: false },
            Wish::ByHand { side, amount: 3_203 },
            Wish::Act { side, freeze: false },
        ];
        for wish in wishes {
            world.begin(&wish);
            world.finish();
            at_rest(&world);
        }
        assert_eq!(needed(&world, side), Feed::ALL.into(), "{side}: each was there");
    }
    let before = SIDES.map(|side| world.own_of(side, None));
    for wish in [
        Wish::Pay { amount: 90_000 },
        Wish::Return { amount: 4_000 },
        Wish::Refund { amount: 6_000 },
        Wish::Outgoing { end: End::Paid },
        Wish::Outgoing { end: End::PersonPaid },
        Wish::Outgoing { end: End::Rejected },
    ] {
        let settled = world.settled();
        world.begin(&wish);
        world.finish();
        at_rest(&world);
        let moved = !matches!(wish, Wish::Outgoing { end: End::Rejected });
        assert_eq!(world.settled() > settled, moved, "{wish:?}");
    }
    assert_eq!(SIDES.map(|side| world.own_of(side, None)), before, "customers' money is not own");
}

/// What a build wrote that did not know of own money is refused, and the facts are folded again.
#[test]
fn an_image_without_the_own_money_does_not_load() {
    let world = World::funded();
    let saved = world.books.settlement.state.save();
    let mut decoder = minicbor::Decoder::new(&saved);
    let fields = decoder.array().expect("an array").expect("of a length");
    let head = decoder.position();
    assert_eq!((fields > 30, head), (true, 2), "own money is the 31st of them");
    for kept in 1..fields {
        decoder.skip().expect("a field");
        let at = decoder.position();
        // Own money, and what came to a book's state after it: none may be missing.
        if kept >= 30 {
            let kept = u8::try_from(kept).expect("few");
            let older = [&[0x98, kept], &saved[head..at]].concat();
            assert!(SettlementBook::load(&older).is_err(), "{kept} of {fields} fields");
        }
    }
    assert!(SettlementBook::load(&saved).is_ok());
}
