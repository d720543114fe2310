//! Decisions found again from what was handed in: depth 2 of a replay.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests may stop the test")]
#![expect(unreachable_pub, dead_code, reason = "support is a module of several tests")]

mod support;

use std::sync::LazyLock;
use std::time::Duration;

use admission::Decided;
use admission::raw::{Handed, INPUTS_MAX, RawInputs, RawInputsError, token_digest};
use admission::replay::{FoundAgain, Materials, NoReplay, ReplayFile, replayed};
use admission::ticket::Active;
use policy::{Pack, shipped};
use record::{DecisionOutcome, DecisionRecord, Side, Signed};
use support::*;
use terms::{DecisionId, Minor};

fn pack(side: Side) -> &'static Pack {
    static DEBTOR: LazyLock<Pack> = LazyLock::new(|| shipped::nl_sg().unwrap());
    static CREDITOR: LazyLock<Pack> = LazyLock::new(|| shipped::sg_in().unwrap());
    match side {
        Side::Debtor => &DEBTOR,
        Side::Creditor => &CREDITOR,
    }
}

/// What a side decides in a world, `change` having happened between statements and consent.
fn decided(side: Side, change: impl FnOnce(&mut World)) -> (World, Decided, ReplayFile) {
    let mut world = World::new();
    let done = world.exchange();
    change(&mut world);
    let (decided, file) = world.decides_for_replay(&done, side);
    (world, decided, file)
}

fn found_again(file: &ReplayFile, side: Side) -> FoundAgain {
    let read = ReplayFile::from_bytes(&seal::to_canonical(file)).unwrap();
    replayed(&read, pack(side)).unwrap()
}

#[test]
fn a_decision_of_either_side_replays_from_its_raw_inputs() {
    type Row = (Side, DecisionOutcome, fn(&mut World));
    let rows: [Row; 7] = [
        (Side::Debtor, DecisionOutcome::Permit, |_| {}),
        (Side::Creditor, DecisionOutcome::Permit, |_| {}),
        (Side::Debtor, DecisionOutcome::Denial, |world| world.nl_status(NOW, &[11])),
        (Side::Creditor, DecisionOutcome::Denial, |world| world.sg_status(NOW, &[20])),
        (Side::Debtor, DecisionOutcome::Denial, |world| {
            let mut mandate = mandate(PAYER);
            mandate.limit.minor = Minor::new(1);
            world.payer[1] = nl(&mandate, Some(11));
        }),
        (Side::Debtor, DecisionOutcome::Denial, |world| world.sanctions.clear()),
        (Side::Creditor, DecisionOutcome::Denial, |world| world.nl.institutions.clear()),
    ];
    for (row, (side, outcome, change)) in rows.into_iter().enumerate() {
        let (_, decided, file) = decided(side, change);
        assert_eq!(decided.record.outcome, outcome, "row {row}: {:#?}", decided.record);
        assert_eq!(found_again(&file, side), FoundAgain::Match, "row {row}");
    }
}

/// What one change of the raw inputs or of what they name does first.
type Change = fn(&World, &mut RawInputs, &mut Materials);

fn debtor_ticket(raw: &mut RawInputs) -> &mut admission::DebtorTicket {
    match &mut raw.handed {
        Handed::Debtor(ticket, ..) => ticket,
        Handed::Creditor(..) | Handed::Out(..) => panic!("the debtor's"),
    }
}

fn creditor_ticket(raw: &mut RawInputs) -> &mut admission::CreditorTicket {
    match &mut raw.handed {
        Handed::Creditor(ticket, _) => ticket,
        Handed::Debtor(..) | Handed::Out(..) => panic!("the creditor's"),
    }
}

fn presented(raw: &mut RawInputs) -> &mut admission::raw::Presented {
    match &mut raw.handed {
        Handed::Debtor(_, _, presented) | Handed::Out(_, _, presented) => presented,
        Handed::Creditor(..) => panic!("a payee presents with its invoice"),
    }
}

fn parts(raw: &mut RawInputs) -> &mut admission::decide::Parts {
    match &mut raw.handed {
        Handed::Debtor(_, parts, _) | Handed::Creditor(_, parts) => parts,
        Handed::Out(..) => panic!("a payment out has terms only"),
    }
}

/// Another status list in the place of the payer's register's.
fn other_list(world: &World, raw: &mut RawInputs, materials: &mut Materials, seconds: u64) {
    let token = status_list("register-nl", world.now.minus(Duration::from_secs(seconds)), &[]);
    let (uri, _) = world.status.iter().find(|(uri, _)| uri.contains("register-nl")).unwrap();
    let list = raw.status_lists.iter_mut().find(|list| list.uri == *uri).unwrap();
    list.token = token_digest(&token);
    materials.0.insert(list.token, token.into_bytes().into());
}

const DEBTOR: [(&str, Change); 17] = [
    ("decision id", |_, raw, _| raw.decision = DecisionId::from_bytes([9; 16])),
    ("payment", |_, raw, _| raw.payment = terms::PaymentId::from_bytes([9; 16])),
    ("terms", |_, raw, _| debtor_ticket(raw).about.terms = seal::Digest::ZERO),
    ("statements", |_, raw, _| {
        let ticket = debtor_ticket(raw);
        ticket.received = ticket.sent.clone();
    }),
    ("instant", |_, raw, _| raw.now = raw.now.plus(Duration::from_secs(1))),
    ("documents", |_, raw, _| parts(raw).terms.push('A')),
    ("documents", |world, raw, _| {
        let mut quote = world.quote.clone();
        quote.debit.minor = Minor::new(1);
        parts(raw).quote = Signed::sign(&quote, &key(41));
    }),
    ("documents", |world, raw, _| {
        let mut invoice = world.invoice.clone();
        invoice.creditor_name.push('x');
        parts(raw).invoice = Signed::sign(&invoice, &key(22));
    }),
    ("documents", |_, raw, _| {
        let mut acceptance = parts(raw).acceptance.read_unverified().unwrap();
        acceptance.owner = OTHER.parse().unwrap();
        parts(raw).acceptance = Signed::sign(&acceptance, &key(12));
    }),
    ("finding accountMayBeDebited", |_, raw, _| debtor_ticket(raw).takes = Active::No),
    ("finding ownerMatches", |_, raw, _| debtor_ticket(raw).owner = OTHER.parse().unwrap()),
    ("finding mandateMonthLimit", |_, raw, _| raw.mandate_month_limit = Minor::new(7)),
    // Nothing of a presentation that is withheld, or was for another, is told: the first by name.
    ("finding creditBand", |_, raw, _| presented(raw).vp_token = "{}".to_owned()),
    ("finding creditBand", |_, raw, _| presented(raw).nonce.push('A')),
    ("finding creditBand", |_, raw, _| raw.url = URL_B.to_owned()),
    ("finding mandateStatusAge", |world, raw, materials| other_list(world, raw, materials, 90)),
    ("finding creditBand", |world, raw, _| {
        for list in &mut raw.status_lists {
            list.newest = Some((world.now, seal::Digest::ZERO));
        }
    }),
];

const CREDITOR: [(&str, Change); 7] = [
    ("statements", |_, raw, _| {
        let ticket = creditor_ticket(raw);
        ticket.sent = ticket.received.clone();
    }),
    ("documents", |_, raw, _| parts(raw).terms.push('A')),
    ("finding accountMayBeCredited", |_, raw, _| creditor_ticket(raw).takes = Active::No),
    ("finding invoiceSigned", |_, raw, _| creditor_ticket(raw).signed_by_owner = Active::No),
    ("finding ownerMatches", |_, raw, _| creditor_ticket(raw).owner = OTHER.parse().unwrap()),
    ("finding payeeScreening", |_, raw, _| {
        "Volkov Shipping Ltd".clone_into(&mut creditor_ticket(raw).payee.legal_name);
    }),
    ("finding registrationActive", |_, raw, _| creditor_ticket(raw).payee.active = Active::No),
];

#[test]
fn each_raw_input_that_is_another_is_named_by_the_first_thing_that_differs() {
    let rows = DEBTOR.map(|row| (Side::Debtor, row)).into_iter();
    let rows = rows.chain(CREDITOR.map(|row| (Side::Creditor, row)));
    for (at, (side, (expected, change))) in rows.enumerate() {
        let (world, _, mut file) = decided(side, |_| {});
        let mut raw = RawInputs::from_bytes(&file.inputs).unwrap();
        change(&world, &mut raw, &mut file.materials);
        file.inputs = seal::to_canonical(&raw).into();
        match found_again(&file, side) {
            FoundAgain::Mismatch(first) => assert_eq!(first.part, expected, "row {at}: {first}"),
            other @ (FoundAgain::Match | FoundAgain::Missing(_)) => {
                panic!("row {at}, {expected}: {other:?}")
            }
        }
    }
}

#[test]
fn another_list_version_or_a_changed_record_is_named() {
    let (mut world, decided, mut file) = decided(Side::Debtor, |_| {});
    // A record that names the snapshot of a day on which the payee was listed.
    world.sanctions = vec![sanctions(&[("X2", PAYEE_NAME, "SG")])];
    let snapshot = world.snapshot(Side::Debtor);
    file.materials.0.extend(world.materials(Side::Debtor).0);
    let other = DecisionRecord { snapshot: snapshot.digest(), ..decided.record.clone() };
    file.record = seal::to_canonical(&other).into();
    let FoundAgain::Mismatch(first) = found_again(&file, Side::Debtor) else { panic!() };
    assert_eq!(first.part, "finding payeeScreening", "{first}");
    assert_eq!((first.recorded.as_str(), first.replayed.as_str()), ("Clear", "Match"));
    let other = DecisionRecord { outcome: DecisionOutcome::Denial, ..decided.record };
    file.record = seal::to_canonical(&other).into();
    let FoundAgain::Mismatch(first) = found_again(&file, Side::Debtor) else { panic!() };
    assert_eq!(first.part, "outcome", "{first}");
}

#[test]
fn what_is_not_there_is_named_by_its_digest_and_nothing_is_said() {
    for side in [Side::Debtor, Side::Creditor] {
        let (_, decided, file) = decided(side, |_| {});
        let raw = RawInputs::from_bytes(&file.inputs).unwrap();
        for digest in file.materials.0.keys() {
            let mut without = file.clone();
            without.materials.0.remove(digest);
            let mut swapped = file.clone();
            swapped.materials.0.insert(*digest, b"other bytes".to_vec().into());
            for file in [without, swapped] {
                let FoundAgain::Missing(missing) = found_again(&file, side) else {
                    panic!("{digest}")
                };
                assert_eq!(missing.len(), 1, "{missing:?}");
                assert_eq!(missing[0].digest, *digest);
                let token = raw.status_lists.iter().any(|list| list.token == *digest);
                assert_eq!(missing[0].what.starts_with("http"), token, "{missing:?}");
            }
        }
        let FoundAgain::Missing(missing) = replayed(&file, pack(side.other())).unwrap() else {
            panic!("another pack")
        };
        assert_eq!((missing[0].what.as_str(), missing[0].digest), ("pack", decided.record.pack));
    }
}

#[test]
fn raw_inputs_beyond_their_limits_or_of_another_layout_are_refused() {
    let (_, _, file) = decided(Side::Creditor, |_| {});
    let raw = RawInputs::from_bytes(&file.inputs).unwrap();
    let refused = |change: &dyn Fn(&mut RawInputs)| {
        let mut raw = raw.clone();
        change(&mut raw);
        RawInputs::from_bytes(&seal::to_canonical(&raw)).unwrap_err()
    };
    assert_eq!(refused(&|raw| raw.layout = 2), RawInputsError::LayoutUnknown { got: 2 });
    let list = raw.status_lists[0].clone();
    let many = refused(&|raw| raw.status_lists = vec![list.clone(); 65]);
    assert_eq!(many, RawInputsError::TooManyLists { got: 65 });
    let long = RawInputs::from_bytes(&vec![0; INPUTS_MAX + 1]).unwrap_err();
    assert_eq!(long, RawInputsError::TooLong { got: INPUTS_MAX + 1 });
    assert!(RawInputs::from_bytes(&[&file.inputs[..], &[0]].concat()).is_err(), "nothing follows");
    let other = ReplayFile { layout: 2, ..file };
    let error = ReplayFile::from_bytes(&seal::to_canonical(&other)).unwrap_err();
    assert_eq!(error, NoReplay::FileLayout { got: 2 });
}

#[test]
fn a_file_with_whole_public_lists_reads_back() {
    let mut file = ReplayFile {
        layout: 1,
        record: vec![1].into(),
        inputs: vec![2].into(),
        materials: Materials::default(),
    };
    file.materials.0.insert(seal::Digest::from_bytes([7; 32]), vec![8; 3 << 20].into());
    let bytes = seal::to_canonical(&file);
    assert!(bytes.len() > 3 << 20, "longer than one document may be");
    assert_eq!(ReplayFile::from_bytes(&bytes), Ok(file));
}

#[test]
fn the_stored_form_of_raw_inputs_is_fixed() {
    let ticket = admission::OutTicket {
        layout: 1,
        payment: terms::PaymentId::from_bytes([0x11; 16]),
        terms: seal::Digest::from_bytes([3; 32]),
        account: terms::AccountId::from_bytes([4; 16]),
        owner: PAYER.parse().unwrap(),
        client_key: key(21).public_key(),
        takes: Active::Yes,
        payer_name: "Br".to_owned(),
        payer_address: onboarding(PAYER.parse().unwrap()).address,
        expires_at: NOW,
    };
    let presented = admission::raw::Presented { vp_token: "{}".to_owned(), nonce: "n".to_owned() };
    let raw = RawInputs {
        layout: 1,
        decision: DecisionId::from_bytes([0x61; 16]),
        payment: ticket.payment,
        handed: Handed::Out(Box::new(ticket.clone()), "t".to_owned(), presented),
        url: "u".to_owned(),
        mandate_month_limit: Minor::new(7),
        status_lists: vec![admission::raw::StatusListAtHand {
            uri: "l".to_owned(),
            token: seal::Digest::from_bytes([5; 32]),
            newest: Some((NOW, seal::Digest::from_bytes([6; 32]))),
        }],
        now: NOW,
        sandbox: Some(admission::Bounds {
            amount_max: Minor::new(9),
            parties: [PAYER.parse().unwrap()].into(),
            until: NOW,
        }),
        book: "bk".parse().unwrap(),
    };
    let bytes = |n: &str, count: usize| n.repeat(count);
    let now = "1b18e91b5a093f4000";
    let golden = [
        "8a",                              // raw inputs are ten things
        "01",                              // layout
        &format!("50{}", bytes("61", 16)), // decision id
        &format!("50{}", bytes("11", 16)), // payment id
        "820283",                          // handed in: a payment out, three things
        &seal::text::to_hex(&seal::to_canonical(&ticket)),
        "6174",                                     // terms string
        "82627b7d616e",                             // vp_token, nonce
        "6175",                                     // the edge's base URL
        "07",                                       // granted per mandate and month
        "8183616c",                                 // one status list: its URI
        &format!("5820{}", bytes("05", 32)),        // its token's digest
        &format!("82{now}5820{}", bytes("06", 32)), // the newest seen before
        now,                                        // the instant
        "830981",                                   // bounds of a sandbox: the most, one party
        &seal::text::to_hex(&seal::to_canonical(&PAYER.to_owned())),
        now,      // until
        "62626b", // book
    ];
    assert_eq!(seal::text::to_hex(&seal::to_canonical(&raw)), golden.concat());
    assert_eq!(RawInputs::from_bytes(&seal::to_canonical(&raw)), Ok(raw));
    let mut file = ReplayFile {
        layout: 1,
        record: vec![1].into(),
        inputs: vec![2].into(),
        materials: Materials::default(),
    };
    file.materials.0.insert(seal::Digest::from_bytes([7; 32]), vec![8].into());
    let golden = ["84", "01", "4101", "4102", "a1", &format!("5820{}", bytes("07", 32)), "4108"];
    assert_eq!(seal::text::to_hex(&seal::to_canonical(&file)), golden.concat());
}
