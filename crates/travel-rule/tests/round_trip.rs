//! Whatever the types hold is written once and read back; whatever bytes come, the reader answers.

mod support;

use proptest::prelude::*;
use support::Maker;
use terms::BusinessDate;
use travel_rule::{Problem, WriteError, read, read_exact, write};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_written_is_read_back_and_has_one_form(seed: u64) {
        let payload = Maker(seed).payload();
        let bytes = match write(&payload) {
            Ok(bytes) => bytes,
            Err(e) => {
                prop_assert!(matches!(e, WriteError::TooLong(_)), "{e}");
                return Ok(());
            }
        };
        prop_assert_eq!(&read_exact(&bytes).unwrap(), &payload);
        // Other people's readers see the same: no member twice, nothing that needs escaping lost.
        let other: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let spaced = serde_json::to_vec_pretty(&other).unwrap();
        prop_assert_eq!(&read(&spaced).unwrap(), &payload);
        prop_assert_eq!(read_exact(&spaced).unwrap_err().problem, Problem::NotExact);
    }

    #[test]
    fn a_changed_byte_is_refused_or_another_payload(seed: u64, place: usize, bits in 1_u8..) {
        let payload = Maker(seed).payload();
        let Ok(mut bytes) = write(&payload) else { return Ok(()) };
        let place = place % bytes.len();
        bytes[place] ^= bits;
        // Never a panic, never the same payload by other bytes.
        if let Ok(other) = read_exact(&bytes) {
            prop_assert_ne!(&other, &payload);
            let _ = other.validate(BusinessDate::from_days(20_780));
        }
    }

    #[test]
    fn a_shortened_or_joined_payload_is_refused(seed: u64, place: usize) {
        let Ok(bytes) = write(&Maker(seed).payload()) else { return Ok(()) };
        let place = place % bytes.len();
        prop_assert!(read(&bytes[..place]).is_err());
        prop_assert!(read(&[&bytes[..], &bytes[..]].concat()).is_err());
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        if let Ok(payload) = read(&bytes) {
            let _ = payload.validate(BusinessDate::from_days(20_780));
        }
    }
}
