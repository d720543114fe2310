//! The stored bytes of each kind of change, in labelled pieces. Old goldens are never edited:
//! `docs/formats/ledger.md` says what each byte is, and a new layout is a new kind of fact.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on stops")]

mod support;

use ledger::{
    Ask, Datum, Detail, Draft, Line, Marks, Opening, Part, Period, Rest, Tags, Transaction, Value,
    VelocityLimit,
};
use ledger::{
    Ceiling, Change, Command, Floor, Freeze, FullLedger, Link, NotDone, NotDoneSource, Term,
    VoidGround,
};
use support::{
    account, at, claim, credit, debit, eur, held, hold, limit, opening, placement, run, transaction,
};
use terms::{Minor, PaymentId};

/// The goldens are older than the bound on how far a business date may lie ahead: their instants
/// are of 1970, and their days are not.
fn early(nanos: u64) -> terms::Instant {
    terms::Instant::from_nanos(nanos)
}

/// A change as check makes it, with an expiry of 1970.
fn as_of_1970(change: &Change, nanos: u64) -> Change {
    let bytes = seal::text::to_hex(&seal::to_canonical(change));
    let hex = |at: terms::Instant| seal::text::to_hex(&seal::to_canonical(&at));
    let bytes = bytes.replacen(&hex(at(nanos)), &hex(early(nanos)), 1);
    seal::from_canonical(&seal::text::from_hex(&bytes).unwrap()).unwrap()
}

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
    all.push(as_of_1970(&step(Command::PlaceHold(placed)), 1000));
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

/// Layouts that were added to: old bytes stay what they were, new fields come last.
#[test]
fn what_was_added_has_its_golden_bytes() {
    let mut ledger = support::funded();
    let zero = Floor::MayNotGoBelowZero;
    let tags = Tags::of(["nl".parse().unwrap(), "a:1".parse().unwrap()]).unwrap();
    let marks = Some(Marks { code: Some(2010), tags });
    let new = Opening { marks, ..opening(9, eur(), zero, Ceiling::Unlimited) };
    let opened = run(&mut ledger, 5, &Command::OpenAccount(new)).unwrap().remove(0);
    run(&mut ledger, 5, &Command::PlaceHold(placement(1, 3, 200, Term::Pinned))).unwrap();
    let posted = run(&mut ledger, 5, &drafted()).unwrap().remove(0);
    for (change, golden) in [(opened, marked()), (posted, resolved())] {
        let bytes = seal::to_canonical(&change);
        assert_eq!(seal::text::to_hex(&bytes), golden.concat(), "{change:?}");
        assert_eq!(seal::from_canonical::<Change>(&bytes), Ok(change));
    }
    let hours = Period::RollingHours(24);
    for (period, golden) in [(hours, "8202811818"), (Period::RollingDays(7), "82038107")] {
        let bound = VelocityLimit { period, ..limit(7, eur(), 1000, 3) };
        let bytes = seal::to_canonical(&bound);
        let text = seal::text::to_hex(&bytes);
        let key = "07".repeat(32);
        assert_eq!(text, format!("855820{key}674555522e324078{golden}1903e803"));
        assert_eq!(seal::from_canonical::<VelocityLimit>(&bytes), Ok(bound));
    }
    let refused = |hex: &str| {
        let bytes = seal::text::from_hex(hex).unwrap();
        seal::from_canonical::<Period>(&bytes).is_err()
    };
    // No buckets, too many, a bare rolling period, a calendar one as a choice, an unknown kind.
    let wrong = ["82028100", "8202811861", "02", "82008101", "82048101", "82008100"];
    assert!(wrong.into_iter().all(refused));
    // Tags in another order are another encoding.
    let tags = seal::text::from_hex("82626e6c63613a31").unwrap();
    assert!(seal::from_canonical::<Tags>(&tags).is_err());
}

/// A draft that takes a part of a hold, keeps the rest, and says everything it can.
fn drafted() -> Command {
    let datum = |key: &str, value| Datum { key: key.parse().unwrap(), value };
    let detail = Detail {
        effective: Some(early(3)),
        code: Some(42),
        metadata: vec![
            datum("a", Value::Text("hi".to_owned())),
            datum("b", Value::Integer(-3)),
            datum("c", Value::Bytes(vec![1, 2])),
            datum("d", Value::Instant(early(9))),
            datum("e", Value::Amount(terms::Amount::new(Minor::new(5), eur()))),
            datum("f", Value::Personal { key_slot: 4, sealed: vec![7; 3] }),
        ],
    };
    let part = Some(Part { hold: hold(1), rest: Rest::Kept });
    let line = |n, side, ask, part| Line { account: account(n), side, ask, part };
    let (left, right) = (ledger::Side::Debit, ledger::Side::Credit);
    let Transaction { id, business_date, reason, .. } = transaction(2, vec![]);
    Command::PostDraft(Draft {
        id,
        business_date,
        reason,
        lines: vec![
            line(3, left, Ask::UpTo(Minor::new(150)), part),
            line(1, right, Ask::Share { weight: 3 }, None),
            line(9, right, Ask::Remainder, None),
        ],
        claims: vec![],
        links: vec![],
        detail: Some(Box::new(detail)),
    })
}

/// Each command reads back from its own bytes alone; those of a draft, piece by piece.
#[test]
fn each_command_has_its_bytes() {
    let account = account(3);
    let zero = Floor::MayNotGoBelowZero;
    let ground = VoidGround::Cancelled;
    let all = [
        (Command::OpenAccount(opening(3, eur(), zero, wide())), "820081"),
        (Command::SetLimits { account, floor: zero, ceiling: wide() }, "820183"),
        (Command::SetFreeze { account, freeze: Freeze::Both }, "820282"),
        (Command::SetBlocked { account, amount: Minor::new(9) }, "820382"),
        (Command::CloseAccount { account }, "820481"),
        (Command::PlaceHold(placement(1, 3, 5, Term::Pinned)), "820581"),
        (Command::PinHold { hold: hold(1) }, "820681"),
        (Command::VoidHold { hold: hold(1), ground }, "820782"),
        (Command::ExpireHolds { at_most: 7 }, "820881"),
        (support::post(1, vec![debit(3, 5), credit(1, 5)]), "820981"),
        (drafted(), "820a81"),
    ];
    for (command, start) in &all {
        let bytes = seal::to_canonical(command);
        assert!(seal::text::to_hex(&bytes).starts_with(start), "{command:?}");
        assert_eq!(seal::from_canonical::<Command>(&bytes).as_ref(), Ok(command));
        assert!((0..bytes.len()).all(|n| seal::from_canonical::<Command>(&bytes[..n]).is_err()));
    }
    let sweep = &all[8].0;
    assert_eq!(seal::text::to_hex(&seal::to_canonical(sweep)), "82088107");
    let draft = seal::text::to_hex(&seal::to_canonical(&drafted()));
    assert_eq!(draft, ["820a81", &asked_for().concat()].concat());
}

fn asked_for() -> Vec<&'static str> {
    [
        vec![
            "87",                                 // a draft with a detail is seven things
            "5000000000000000000000000000000002", // id
            "19512b",                             // business date
            "00",                                 // reason: payment
            "83",                                 // three lines
            "84",                                 // a line that posts a hold is four things
            "5003030303030303030303030303030303", // account
            "00",                                 // debit
            "8201811896",                         // ask: up to 150
            "82",                                 // a part is two things
            "5000000000000000000000000000000001", // hold
            "01",                                 // the rest is kept
            "83",                                 // a line without a hold is three things
            "5001010101010101010101010101010101", // account
            "01",                                 // credit
            "82038103",                           // ask: share of weight 3
            "83",                                 // a line
            "5009090909090909090909090909090909", // account
            "01",                                 // credit
            "820480",                             // ask: remainder
            "80",                                 // no claims
            "80",                                 // no links
        ],
        detail(),
    ]
    .concat()
}

fn detail() -> Vec<&'static str> {
    vec![
        "83",                               // a detail is three things
        "03",                               // effective at 3 ns
        "182a",                             // code 42
        "86",                               // six metadata entries of two things
        "826161820081626869",               // a: text `hi`
        "82616282018122",                   // b: integer -3
        "826163820281420102",               // c: two bytes
        "82616482038109",                   // d: instant of 9 ns
        "8261658204818205674555522e324078", // e: 5 of `EUR.2@x`
        "8261668205820443070707",           // f: personal, key slot 4, three bytes
    ]
}

fn marked() -> Vec<&'static str> {
    vec![
        "8200",                               // change 0: account opened
        "81",                                 // with one field
        "88",                                 // an opening with marks is eight things
        "5009090909090909090909090909090909", // id
        "674555522e324078",                   // asset `EUR.2@x`
        "01",                                 // normal side: credit
        "8201816762616e6b2d6e6c",             // owner: institution `bank-nl`
        "01",                                 // purpose: settlement
        "820080",                             // floor: may not go below zero
        "820180",                             // ceiling: unlimited
        "82",                                 // marks are two things
        "1907da",                             // code 2,010
        "8263613a31626e6c",                   // two tags: `a:1`, `nl`
    ]
}

fn resolved() -> Vec<&'static str> {
    [
        vec![
            "8209",                               // change 9: posted
            "83",                                 // with three fields
            "87",                                 // a transaction with a detail is seven things
            "5000000000000000000000000000000002", // id
            "19512b",                             // business date
            "00",                                 // reason: payment
            "82",                                 // two entries: the remainder came to nothing
            "84",                                 // an entry that posts a hold
            "5003030303030303030303030303030303", // account
            "00",                                 // debit
            "1896",                               // 150
            "5000000000000000000000000000000001", // hold
            "83",                                 // an entry without a hold
            "5001010101010101010101010101010101", // account
            "01",                                 // credit
            "1896",                               // 150
            "80",                                 // no claims
            "80",                                 // no links
        ],
        detail(),
        vec![
            "81",                                 // one hold posted
            "84",                                 // an end whose hold goes on is four things
            "5000000000000000000000000000000001", // hold
            "1896",                               // posted: 150
            "00",                                 // released: nothing
            "1832",                               // stays held: 50
            "5820",                               // digest of the draft
            "8f8129a40ca2737b449c6e470e8c94ba848906c24012382de7f69af23071756f",
        ],
    ]
    .concat()
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
