//! The stored bytes of each kind of change, in labelled pieces. Old goldens are never edited:
//! `docs/formats/ledger.md` says what each byte is, and a new layout is a new kind of fact.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on stops")]

mod support;

use ledger::{
    Ceiling, Change, Command, Floor, Freeze, FullLedger, Link, NotDone, NotDoneSource, Term,
    VoidGround,
};
use support::{
    account, at, claim, credit, debit, eur, held, hold, limit, opening, placement, run, transaction,
};
use terms::{Minor, PaymentId};

/// One change of each kind, in the order of their numbers.
fn changes() -> Vec<Change> {
    let mut ledger = FullLedger::new();
    let mut step = |command: Command| run(&mut ledger, 5, &command).unwrap().remove(0);
    let zero = Floor::MayNotGoBelowZero;
    step(Command::OpenAccount(opening(1, eur(), Floor::Unlimited, Ceiling::Unlimited)));
    step(Command::OpenAccount(opening(4, eur(), zero, Ceiling::Unlimited)));
    let mut placed = placement(1, 1, 200, Term::Expiring { at: at(1000) });
    placed.limits = vec![limit(7, eur(), 1000, 3)];
    placed.links = vec![Link::Payment(PaymentId::from_bytes([8; 16]))];
    let mut posted = transaction(1, vec![held(1, 150, 1), debit(1, 1 << 64), credit(3, 0)]);
    posted.entries[2].amount = Minor::new((1 << 64) + 150);
    posted.claims = vec![claim(limit(7, eur(), 1000, 3), 2)];
    let document = seal::Digest::from_bytes([9; 32]);
    let ground = VoidGround::NotDone(NotDone { source: NotDoneSource::RailRefused, document });
    let over = Floor::Overdraft(Minor::new(300));
    let limits = |n| Command::SetLimits { account: account(n), floor: over, ceiling: wide() };
    let place = |n, term| Command::PlaceHold(placement(n, 1, 24, term));
    let opened = step(Command::OpenAccount(opening(3, eur(), zero, Ceiling::At(Minor::MAX))));
    let mut all = vec![opened, step(limits(3))];
    all.push(step(Command::SetFreeze { account: account(3), freeze: Freeze::Debits }));
    all.push(step(Command::SetBlocked { account: account(3), amount: Minor::new(23) }));
    all.push(step(Command::CloseAccount { account: account(4) }));
    all.push(step(Command::PlaceHold(placed)));
    step(place(2, Term::Expiring { at: at(6) }));
    all.push(step(Command::PinHold { hold: hold(2) }));
    all.push(step(Command::VoidHold { hold: hold(2), ground }));
    step(place(3, Term::Expiring { at: at(6) }));
    let expired = ledger.check(at(6), &Command::ExpireHolds { at_most: 1 }).unwrap();
    all.push(expired.changes()[0].clone());
    all.push(run(&mut ledger, 5, &Command::Post(posted)).unwrap().remove(0));
    all
}

fn wide() -> Ceiling {
    Ceiling::Unlimited
}

#[test]
fn each_kind_of_change_has_its_golden_bytes() {
    let golden = [
        account_opened(),
        limits_set(),
        freeze_set(),
        blocked_set(),
        account_closed(),
        hold_placed(),
        hold_pinned(),
        hold_voided(),
        hold_expired(),
        posted(),
    ];
    let changes = changes();
    assert_eq!(changes.len(), golden.len());
    for (change, golden) in changes.iter().zip(golden) {
        let bytes = seal::to_canonical(change);
        assert_eq!(seal::text::to_hex(&bytes), golden.concat(), "{change:?}");
        assert_eq!(seal::from_canonical::<Change>(&bytes).as_ref(), Ok(change));
    }
}

#[test]
fn each_near_miss_is_refused() {
    for change in changes() {
        let bytes = seal::to_canonical(&change);
        let refused = |bytes: &[u8]| seal::from_canonical::<Change>(bytes).is_err();
        assert!((0..bytes.len()).all(|n| refused(&bytes[..n])), "cut short");
        assert!(refused(&[bytes.as_slice(), &[0]].concat()), "a byte too many");
        let mut unknown = bytes.clone();
        unknown[1] = 10;
        assert!(refused(&unknown), "a kind that does not exist");
        let mut longer = bytes.clone();
        longer.splice(1..2, [0x18, bytes[1]]);
        assert!(refused(&longer), "a longer integer");
        let mut indefinite = bytes.clone();
        indefinite[0] = 0x9f;
        indefinite.push(0xff);
        assert!(refused(&indefinite), "an indefinite length");
    }
}

/// An image whose sums do not fit its entries is not read.
#[test]
fn an_image_that_fails_its_audit_is_refused() {
    let ledger = support::funded();
    let image = seal::to_canonical(&ledger);
    assert_eq!(seal::from_canonical::<FullLedger>(&image).as_ref(), Ok(&ledger));
    // 1,000 is `1903e8`: each place where it stands is a counter, an entry or a total.
    let places: Vec<usize> =
        (0..image.len()).filter(|n| image[*n..].starts_with(&[0x19, 0x03, 0xe8])).collect();
    // Four accounts' counters, four entries, two totals of debits and two of credits.
    assert_eq!(places.len(), 12);
    for place in places {
        let mut forged = image.clone();
        forged[place + 2] = 0xe9;
        assert!(seal::from_canonical::<FullLedger>(&forged).is_err(), "byte {place}");
    }
}

fn account_opened() -> Vec<&'static str> {
    vec![
        "8200",                                 // change 0: account opened
        "81",                                   // with one field
        "87",                                   // an opening is seven things
        "5003030303030303030303030303030303",   // id
        "674555522e324078",                     // asset `EUR.2@x`
        "01",                                   // normal side: credit
        "8201816762616e6b2d6e6c",               // owner: institution `bank-nl`
        "01",                                   // purpose: settlement
        "820080",                               // floor: may not go below zero
        "820081",                               // ceiling: at
        "c250ffffffffffffffffffffffffffffffff", // 2^128 - 1, a bignum
    ]
}

fn limits_set() -> Vec<&'static str> {
    vec![
        "8201",                               // change 1: limits set
        "83",                                 // with three fields
        "5003030303030303030303030303030303", // account
        "82018119012c",                       // floor: overdraft of 300
        "820180",                             // ceiling: unlimited
    ]
}

fn freeze_set() -> Vec<&'static str> {
    vec![
        "8202",                               // change 2: freeze set
        "82",                                 // with two fields
        "5003030303030303030303030303030303", // account
        "01",                                 // debits
    ]
}

fn blocked_set() -> Vec<&'static str> {
    vec![
        "8203",                               // change 3: blocked set
        "82",                                 // with two fields
        "5003030303030303030303030303030303", // account
        "17",                                 // 23
    ]
}

fn account_closed() -> Vec<&'static str> {
    vec![
        "8204",                               // change 4: account closed
        "81",                                 // with one field
        "5004040404040404040404040404040404", // account
    ]
}

fn hold_placed() -> Vec<&'static str> {
    vec![
        "8205",                               // change 5: hold placed
        "81",                                 // with one field
        "88",                                 // a placement is eight things
        "5000000000000000000000000000000001", // id
        "5001010101010101010101010101010101", // account
        "00",                                 // side: debit
        "18c8",                               // amount: 200
        "8200811903e8",                       // term: expiring at 1,000 ns
        "19512b",                             // business date: day 20,779
        "81",                                 // one limit
        "85",                                 // a velocity limit is five things
        "58200707070707070707070707070707070707070707070707070707070707070707", // key
        "674555522e324078",                   // asset `EUR.2@x`
        "00",                                 // business day
        "1903e8",                             // at most 1,000
        "03",                                 // at most three
        "81",                                 // one link
        "8200815008080808080808080808080808080808", // payment
    ]
}

fn hold_pinned() -> Vec<&'static str> {
    vec![
        "8206",                               // change 6: hold pinned
        "81",                                 // with one field
        "5000000000000000000000000000000002", // hold
    ]
}

fn hold_voided() -> Vec<&'static str> {
    vec![
        "8207",                               // change 7: hold voided
        "83",                                 // with three fields
        "5000000000000000000000000000000002", // hold
        "1818",                               // released: 24
        "820181",                             // ground: not done
        "82",                                 // evidence is two things
        "00",                                 // source: the rail refused
        "5820",                               // digest of the document
        "0909090909090909090909090909090909090909090909090909090909090909",
    ]
}

fn hold_expired() -> Vec<&'static str> {
    vec![
        "8208",                               // change 8: hold expired
        "82",                                 // with two fields
        "5000000000000000000000000000000003", // hold
        "1818",                               // released: 24
    ]
}

fn posted() -> Vec<&'static str> {
    vec![
        "8209",                                                                 // change 9: posted
        "82",                                                                   // with two fields
        "86",                                 // a transaction is six things
        "5000000000000000000000000000000001", // id
        "19512b",                             // business date: day 20,779
        "00",                                 // reason: payment
        "83",                                 // three entries
        "84",                                 // an entry that posts a hold is four things
        "5001010101010101010101010101010101", // account
        "00",                                 // debit
        "1896",                               // 150
        "5000000000000000000000000000000001", // hold
        "83",                                 // an entry without a hold is three things
        "5001010101010101010101010101010101", // account
        "00",                                 // debit
        "c249010000000000000000",             // 2^64, a bignum
        "83",                                 // an entry without a hold is three things
        "5003030303030303030303030303030303", // account
        "01",                                 // credit
        "c249010000000000000096",             // 2^64 + 150
        "81",                                 // one claim
        "82",                                 // a claim is two things
        "85",                                 // a velocity limit is five things
        "58200707070707070707070707070707070707070707070707070707070707070707", // key
        "674555522e324078",                   // asset `EUR.2@x`
        "00",                                 // business day
        "1903e8",                             // at most 1,000
        "03",                                 // at most three
        "02",                                 // two count
        "80",                                 // no links
        "81",                                 // one hold ended
        "83",                                 // an end is three things
        "5000000000000000000000000000000001", // hold
        "1896",                               // posted: 150
        "1832",                               // released: 50
    ]
}
