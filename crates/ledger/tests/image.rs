//! Images: what is saved is what was, also when it is written in steps between changes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use ledger::image::ImageFault;
use ledger::{
    Ask, Ceiling, Command, Draft, Floor, Freeze, FullLedger, Ledger, Line, Part, Period, Rest,
    Side, Term, VelocityLimit, VoidGround,
};
use proptest::prelude::*;
use support::{account, claim, credit, debit, eur, held, hold, limit, opening, placement, sgd};
use terms::Minor;

/// Half hours, so that windows of hours roll on while an image is written.
fn at(n: u64) -> terms::Instant {
    terms::Instant::from_seconds(n * 1800)
}

fn bound(key: u8) -> VelocityLimit {
    let period = if key.is_multiple_of(2) { Period::RollingHours(2) } else { Period::Month };
    VelocityLimit { period, ..limit(key, eur(), 1 << 40, 1 << 30) }
}

/// A part of a hold whose rest stays held, or a sweep.
fn draft(n: u64, [_, a, b, amount]: [u8; 4]) -> Command {
    let plain = support::transaction(u128::from(n), vec![]);
    let part = Some(Part { hold: hold(u128::from(b % 16)), rest: Rest::Kept });
    let part = if a % 2 == 0 { part } else { None };
    let line = |n: u8, side, ask, part| Line { account: account(n), side, ask, part };
    Command::PostDraft(Draft {
        id: plain.id,
        business_date: plain.business_date,
        reason: plain.reason,
        lines: vec![
            line(3 + b % 16, Side::Debit, Ask::UpTo(Minor::new(u128::from(amount) + 1)), part),
            line(3 + a % 27, Side::Credit, Ask::Remainder, None),
        ],
        claims: vec![],
        links: vec![],
        detail: None,
    })
}

/// Something of everything, chosen by four bytes.
fn command(n: u64, [kind, a, b, amount]: [u8; 4]) -> Command {
    let (x, y) = (3 + a % 40, 3 + b % 40);
    let money = u128::from(amount) + 1;
    let id = u128::from(b % 16);
    match kind % 10 {
        8 | 9 => draft(n, [kind, a, b, amount]),
        0 => {
            let zero = if a % 2 == 0 { Floor::MayNotGoBelowZero } else { Floor::Unlimited };
            Command::OpenAccount(opening(x, if b % 4 == 0 { sgd() } else { eur() }, zero, {
                if amount % 2 == 0 { Ceiling::Unlimited } else { Ceiling::At(Minor::new(9000)) }
            }))
        }
        1 | 2 => {
            let mut new =
                support::transaction(u128::from(n), vec![debit(x, money), credit(y, money)]);
            new.claims = vec![claim(bound(a % 8), 3)];
            Command::Post(new)
        }
        3 => {
            let term =
                if a % 3 == 0 { Term::Pinned } else { Term::Expiring { at: at(n + u64::from(b)) } };
            // Where `draft` looks for it.
            let mut new = placement(id, 3 + b % 16, money, term);
            new.limits = vec![bound(b % 8)];
            Command::PlaceHold(new)
        }
        4 => Command::VoidHold { hold: hold(id), ground: VoidGround::Cancelled },
        5 => support::post(u128::from(n), vec![held(x, money, id), credit(y, money)]),
        6 => match a % 4 {
            0 => Command::SetFreeze { account: account(y), freeze: Freeze::Nothing },
            1 => Command::SetBlocked { account: account(y), amount: Minor::new(money) },
            2 => Command::SetLimits {
                account: account(y),
                floor: Floor::Overdraft(Minor::new(money * 100)),
                ceiling: Ceiling::Unlimited,
            },
            _ => Command::CloseAccount { account: account(y) },
        },
        _ => Command::ExpireHolds { at_most: u32::from(a % 4) },
    }
}

fn step(full: &mut FullLedger, ledger: &mut Ledger, n: u64, bytes: [u8; 4]) {
    let Ok(checked) = full.check(at(n), &command(n, bytes)) else { return };
    for change in checked.changes() {
        full.apply(at(n), change);
        ledger.apply(at(n), change);
    }
}

/// Both, after some accounts were opened; the second remembers nothing.
fn opened() -> (FullLedger, Ledger) {
    let (mut full, mut ledger) = (FullLedger::new(), Ledger::with_hash_seed(5));
    for n in 3..30 {
        let floor = if n % 2 == 0 { Floor::Unlimited } else { Floor::MayNotGoBelowZero };
        let new = Command::OpenAccount(opening(n, eur(), floor, Ceiling::Unlimited));
        for change in full.check(at(1), &new).unwrap().changes() {
            full.apply(at(1), change);
            ledger.apply(at(1), change);
        }
    }
    (full, ledger)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_image_in_steps_is_the_ledger_as_it_stood_when_it_began(
        before in proptest::collection::vec(any::<[u8; 4]>(), 0..120),
        during in proptest::collection::vec(any::<[u8; 4]>(), 0..120),
        rows in 1_u32..12,
        pace in 1_usize..6,
    ) {
        let (mut full, mut ledger) = opened();
        let mut n = 1;
        for bytes in before {
            n += 1;
            step(&mut full, &mut ledger, n, bytes);
        }
        let (then, saved) = (ledger.clone(), ledger.save());
        let mut image = ledger.begin_image();
        let mut changes = during.into_iter();
        while ledger.image_step(rows, &mut image) {
            for bytes in changes.by_ref().take(pace) {
                n += 1;
                step(&mut full, &mut ledger, n, bytes);
            }
        }
        prop_assert!(image == saved, "the image is another ledger");
        let loaded = Ledger::load_with_hash_seed(&image, n).unwrap();
        prop_assert_eq!(&loaded, &then);
        prop_assert_eq!(&ledger, full.open());
        prop_assert_eq!(full.audit(), Ok(()));
        prop_assert_eq!(ledger.audit(), Ok(()));
        // What was loaded goes on as what was saved.
        let (mut one, mut other) = (then, loaded);
        for bytes in changes {
            n += 1;
            let command = command(n, bytes);
            let past = full.past();
            let checked = one.check(past, at(n), &command);
            prop_assert_eq!(&other.check(past, at(n), &command), &checked);
            for change in checked.iter().flat_map(|checked| checked.changes()) {
                one.apply(at(n), change);
                other.apply(at(n), change);
            }
        }
        prop_assert_eq!(one, other);
    }
}

#[test]
fn an_image_that_is_cut_or_does_not_add_up_is_refused() {
    let full = support::funded();
    let image = full.open().save();
    assert_eq!(Ledger::load(&image).as_ref(), Ok(full.open()));
    for length in 0..image.len() {
        let cut = Ledger::load(&image[..length]);
        assert!(matches!(cut, Err(ImageFault::Malformed { .. })), "{length}");
    }
    assert!(Ledger::load(&[image.as_slice(), &[0]].concat()).is_err());
    // 1,000 stands little-endian in four counters of accounts and in four of totals.
    let thousand = 1000_u64.to_le_bytes();
    let places: Vec<usize> =
        (0..image.len()).filter(|n| image[*n..].starts_with(&thousand)).collect();
    assert_eq!(places.len(), 8);
    for place in places {
        let mut forged = image.clone();
        forged[place] ^= 1;
        assert!(matches!(Ledger::load(&forged), Err(ImageFault::Audit(_))), "byte {place}");
    }
}

#[test]
fn an_image_that_is_given_up_leaves_the_ledger_as_it_was() {
    let (mut full, mut ledger) = opened();
    let mut image = ledger.begin_image();
    assert!(ledger.image_step(3, &mut image));
    step(&mut full, &mut ledger, 2, [1, 5, 6, 7]);
    ledger.give_up_image();
    assert!(!ledger.image_step(3, &mut image));
    assert_eq!(&ledger, full.open());
}
