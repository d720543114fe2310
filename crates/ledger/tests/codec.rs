//! The fast codec of plain transactions against the derived one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use ledger::{Change, Entry, FullLedger, Side};
use proptest::prelude::*;
use support::{account, hold, transaction};
use terms::{BusinessDate, Minor};

/// A stored transaction of any entries: the ledger is not asked.
fn stored(entries: Vec<Entry>, day: u32) -> Vec<u8> {
    let mut transaction = transaction(1, entries);
    transaction.business_date = BusinessDate::from_days(day);
    let body = seal::to_canonical(&transaction);
    [&[0x82, 0x09, 0x82], body.as_slice(), &[0x80]].concat()
}

fn amounts() -> impl Strategy<Value = u128> {
    // Around each length of a head, and above 64 bits.
    let edges = [0, 23, 24, 255, 256, 65_535, 65_536, u32::MAX.into(), 1 << 32, u64::MAX.into()];
    let edges: Vec<u128> = edges.into_iter().chain([1 << 64, u128::MAX]).collect();
    prop_oneof![proptest::sample::select(edges), any::<u128>(), 0_u128..1000]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry =
        (any::<u8>(), any::<bool>(), amounts(), 0..20_u8).prop_map(|(n, left, amount, h)| {
            let side = if left { Side::Debit } else { Side::Credit };
            let hold = (h == 0).then(|| hold(u128::from(n)));
            Entry { account: account(n), side, amount: Minor::new(amount), hold }
        });
    proptest::collection::vec(entry, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_codec_agrees_with_the_derived_one(
        entries in entries(),
        day in prop_oneof![0..30_u32, any::<u32>()],
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = stored(entries, day);
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let slow = seal::from_canonical::<Change>(&bytes);
        prop_assert_eq!(&Change::from_bytes(&bytes), &slow);
        if let Ok(change) = slow {
            let mut written = vec![7];
            change.encode_into(&mut written);
            prop_assert_eq!(&written[1..], &bytes);
        }
        for length in 0..bytes.len() {
            prop_assert!(Change::from_bytes(&bytes[..length]).is_err());
        }
    }
}

#[test]
fn a_change_that_check_made_reads_back() {
    let ledger: FullLedger = support::funded();
    let command = support::post(5, vec![support::debit(3, 9), support::credit(1, 9)]);
    let checked = ledger.check(support::at(9), &command).unwrap();
    let mut bytes = Vec::new();
    checked.changes()[0].encode_into(&mut bytes);
    assert_eq!(bytes, seal::to_canonical(&checked.changes()[0]));
    assert_eq!(Change::from_bytes(&bytes).as_ref(), Ok(&checked.changes()[0]));
}
