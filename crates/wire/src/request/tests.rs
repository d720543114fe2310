use proptest::prelude::*;

use super::*;

fn transfer() -> Transfer {
    Transfer {
        id: TransactionId::from_bytes([1; 16]),
        debit: AccountId::from_bytes([2; 16]),
        credit: AccountId::from_bytes([3; 16]),
        amount: Minor::new(1_000),
        effective: Some(terms::Instant::from_nanos(5)),
        business_date: BusinessDate::from_days(20_000),
        reason: 3,
        code: 0x0102,
        hold: Some(PostedHold::Credit(HoldId::from_bytes([4; 16]))),
        payment: Some(PaymentId::from_bytes([5; 16])),
    }
}

#[test]
fn golden_transfer_field_by_field() {
    let expected = [
        &[1; 16][..],
        &[2; 16],
        &[3; 16],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0xe8],
        &[0, 0, 0, 0, 0, 0, 0, 5],
        &[0, 0, 0x4e, 0x20],
        &[0, 3],
        &[1, 2],
        &[0, 1],
        &[0; 6],
        &[4; 16],
        &[5; 16],
        &[0; 8],
    ]
    .concat();
    assert_eq!(transfer().write()[..], expected);
    assert_eq!(Transfer::read(&transfer().write()), transfer());
    assert_eq!(Transfer::check(&transfer().write()), Ok(()));
}

#[test]
fn near_misses_of_a_transfer_name_the_item() {
    let sound = [transfer().write(), transfer().write()].concat();
    assert_eq!(Transfers::parse(sound.clone().into(), 2).unwrap().len(), 2);
    for at in [208, 209, 210, 215, 248, 255] {
        let mut bytes = sound.clone();
        bytes[at] |= 2;
        let refused = Transfers::parse(bytes.into(), 2).unwrap_err();
        assert_eq!(refused.item(), Some(1), "byte {at}");
    }
    let without_hold = Transfer { hold: None, ..transfer() }.write();
    let mut flagged = without_hold;
    flagged[81] = 1;
    assert_eq!(Transfer::check(&without_hold), Ok(()));
    assert_eq!(Transfer::check(&flagged), Err("a flag of the hold without a hold"));
    for (bytes, items) in [(&sound[..], 1), (&sound, 3), (&sound[..255], 2), (&sound[..0], 1)] {
        let refused = Transfers::parse(bytes.to_vec().into(), items);
        assert!(matches!(refused, Err(Malformed::Length { .. })), "{items}");
    }
}

#[test]
fn golden_lookup_and_its_near_misses() {
    let expected = [&[0, 2][..], &[0; 6], &[7; 16]].concat();
    let lookup = Lookup::Hold(HoldId::from_bytes([7; 16]));
    assert_eq!(lookup.write()[..], expected);
    let found: Vec<_> = Lookups::parse(expected.clone().into(), 1).unwrap().iter().collect();
    assert_eq!(found, [lookup]);
    for (at, byte) in [(1, 0), (1, 4), (0, 1), (2, 1), (7, 1)] {
        let mut bytes = expected.clone();
        bytes[at] = byte;
        assert_eq!(Lookups::parse(bytes.into(), 1).unwrap_err().item(), Some(0), "byte {at}");
    }
    assert!(Lookups::parse(expected.into(), 2).is_err());
}

#[test]
fn golden_commands_and_their_near_misses() {
    let mut body = Vec::new();
    assert!(Commands::push(&mut body, b"ab"));
    assert!(Commands::push(&mut body, b"c"));
    assert!(!Commands::push(&mut body, b""));
    assert!(!Commands::push(&mut body, &[0; 16_385]));
    assert_eq!(body, b"\0\0\0\x02ab\0\0\0\x01c");
    let commands = Commands::parse(body.clone().into(), 2).unwrap();
    assert_eq!(commands.iter().collect::<Vec<_>>(), [&b"ab"[..], b"c"]);
    for (bytes, items) in [
        (&body[..], 1),
        (&body, 3),
        (&body, 0),
        (&body[..10], 2),
        (&body[..9], 2),
        (b"\0\0\0\0\0", 1),
        (b"\0\0\x40\x01a", 1),
        (b"\xff\xff\xff\xffa", 1),
    ] {
        assert!(Commands::parse(bytes.to_vec().into(), items).is_err(), "{bytes:?} {items}");
    }
}

#[test]
fn flags_that_mean_nothing_are_refused() {
    let now = Instant::now();
    let parse = |kind, flags: u16, body: &[u8], items| {
        let header = Header { flags, items, request: 9, millis: 20, ..Header::of(kind) };
        Request::parse(&header, Body::copied(body), now)
    };
    let body = transfer().write();
    let request = parse(Kind::Transfers, 0b111, &body, 1).unwrap();
    let all = RequestFlags { all_or_nothing: true, dry_run: true, want_balances: true };
    assert_eq!((request.flags, request.id, request.items()), (all, 9, 1));
    assert_eq!(request.deadline, now.checked_add(core::time::Duration::from_millis(20)));
    let refused = parse(Kind::Transfers, 0b1000, &body, 1).unwrap_err();
    assert_eq!(refused, Malformed::Flags { got: 8 });
    assert!(parse(Kind::Query, 0, b"q", 0).is_ok());
    assert!(parse(Kind::Query, 1, b"q", 0).is_err());
    assert!(parse(Kind::Results, 0, b"q", 0).is_err());
}

fn any_transfer() -> impl Strategy<Value = Transfer> {
    let hold = prop_oneof![
        Just(None),
        (1u8..).prop_map(|b| Some(PostedHold::Debit(HoldId::from_bytes([b; 16])))),
        (1u8..).prop_map(|b| Some(PostedHold::Credit(HoldId::from_bytes([b; 16])))),
    ];
    let ids = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u128>());
    let rest = (any::<u64>(), any::<u32>(), any::<u16>(), any::<u16>(), hold, any::<[u8; 16]>());
    (ids, rest).prop_map(|((id, debit, credit, amount), (at, day, reason, code, hold, payment))| {
        Transfer {
            id: TransactionId::from_bytes(id),
            debit: AccountId::from_bytes(debit),
            credit: AccountId::from_bytes(credit),
            amount: Minor::new(amount),
            effective: (at != 0).then(|| terms::Instant::from_nanos(at)),
            business_date: BusinessDate::from_days(day),
            reason,
            code,
            hold,
            payment: (payment != [0; 16]).then(|| PaymentId::from_bytes(payment)),
        }
    })
}

proptest! {
    #[test]
    fn transfers_come_back_as_they_were(transfers in prop::collection::vec(any_transfer(), 1..20)) {
        let body: Vec<u8> = transfers.iter().flat_map(Transfer::write).collect();
        let items = u16::try_from(transfers.len()).unwrap();
        let read = Transfers::parse(body.into(), items).unwrap();
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), transfers);
    }

    /// What is accepted is what writing gives: no two encodings of one transfer.
    #[test]
    fn accepted_bytes_are_written_again_the_same(bytes in any::<[u8; 32]>(), at in 0usize..96) {
        let mut transfer = transfer().write();
        transfer[at..at + 32].copy_from_slice(&bytes);
        if Transfer::check(&transfer).is_ok() {
            prop_assert_eq!(Transfer::read(&transfer).write(), transfer);
        }
    }

    #[test]
    fn no_bytes_make_a_parser_fall(
        kind in any::<u8>(),
        flags in any::<u16>(),
        items in any::<u16>(),
        body in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        if let Some(kind) = Kind::from_code(kind % 40) {
            let header = Header { flags: flags & 7, items: items % 8, ..Header::of(kind) };
            if let Ok(request) = Request::parse(&header, body.into(), Instant::now()) {
                let seen = match &request.content {
                    Content::Transfers(items) => items.iter().count(),
                    Content::Commands(items) => items.iter().count(),
                    Content::Lookup(items) => items.iter().count(),
                    Content::Query(_) | Content::Follow(_) => 0,
                };
                prop_assert_eq!(seen, request.items());
            }
        }
    }
}
