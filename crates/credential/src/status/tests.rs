//! Publishing and checking; the near misses of whole responses are in `party::tests`.

use super::*;
use crate::fixtures::{LIST, NOW, register_key, status_token};

fn check<'a>(key: &'a Es256PublicKey, high_water: &'a HighWater) -> StatusCheck<'a> {
    StatusCheck { uri: LIST, key, now: NOW, age_max: Duration::from_secs(3_600), high_water }
}

#[test]
fn what_is_published_is_read_with_its_age() {
    let key = register_key().public_key();
    let water = HighWater::default();
    let token = status_token(
        NOW.minus(Duration::from_secs(60)),
        &[(3, CredentialStatus::Revoked), (4, CredentialStatus::Suspended)],
    );
    let list = CheckedStatusList::check(&token, &check(&key, &water)).unwrap();
    assert_eq!(list.age(), Duration::from_secs(60));
    assert_eq!(list.time_to_live(), Some(Duration::from_secs(600)));
    assert_eq!(list.status_at(2), Ok(CredentialStatus::Valid));
    assert!(list.require_valid(2).is_ok());
    assert_eq!(list.status_at(3), Ok(CredentialStatus::Revoked));
    assert_eq!(list.status_at(4), Ok(CredentialStatus::Suspended));
    assert!(list.status_at(1_000_000).is_err(), "behind the end is not valid");
}

#[test]
fn another_key_another_list_and_the_future_are_refused() {
    let key = register_key().public_key();
    let water = HighWater::default();
    let token = status_token(NOW, &[]);
    let other = crate::fixtures::key(60).public_key();
    let refused = CheckedStatusList::check(&token, &check(&other, &water)).unwrap_err();
    assert_eq!(refused, StatusRefused::Token(JwtError::BadSignature));
    let elsewhere = StatusCheck { uri: "https://x.example/1", ..check(&key, &water) };
    let refused = CheckedStatusList::check(&token, &elsewhere).unwrap_err();
    assert!(matches!(refused, StatusRefused::OtherList { .. }));
    let ahead = status_token(NOW.plus(Duration::from_secs(31)), &[]);
    let refused = CheckedStatusList::check(&ahead, &check(&key, &water)).unwrap_err();
    assert!(matches!(refused, StatusRefused::FromTheFuture { .. }));
    let ended = StatusCheck {
        now: NOW.plus(Duration::from_secs(7_200)),
        age_max: Duration::from_secs(86_400),
        ..check(&key, &water)
    };
    let refused = CheckedStatusList::check(&token, &ended).unwrap_err();
    assert!(matches!(refused, StatusRefused::Stale { .. }));
}

#[test]
fn the_mark_rises_and_admits_the_same_list_again() {
    let key = register_key().public_key();
    let mut water = HighWater::default();
    let token = status_token(NOW, &[]);
    let list = CheckedStatusList::check(&token, &check(&key, &water)).unwrap();
    water.raise(&list);
    assert!(CheckedStatusList::check(&token, &check(&key, &water)).is_ok());
    let restored = HighWater::restore(water.marks().clone());
    let older = status_token(NOW.minus(Duration::from_secs(1)), &[]);
    let refused = CheckedStatusList::check(&older, &check(&key, &restored)).unwrap_err();
    assert!(matches!(refused, StatusRefused::OlderThanSeen { .. }));
}

#[test]
fn a_list_that_inflates_beyond_the_cap_is_refused() {
    let huge = Packed::new(1, (crate::adapters::status_list::INFLATED_BYTES_MAX + 1) * 8).unwrap();
    let claim = huge.to_claim().unwrap();
    assert!(claim["lst"].as_str().unwrap().len() < 10_000, "small on the wire");
    assert!(Packed::from_claim(&claim).is_err());
    assert!(Packed::from_claim(&json!({ "bits": 3, "lst": "eNrbuRgAAhcBXQ" })).is_err());
}

#[test]
fn sizes_and_widths_are_limited() {
    assert!(StatusList::new(StatusBits::One, 0).is_err());
    assert!(StatusList::new(StatusBits::One, STATUS_ENTRIES_MAX + 1).is_err());
    let mut list = StatusList::new(StatusBits::One, 8).unwrap();
    assert!(list.set(0, CredentialStatus::Suspended).is_err(), "needs two bits");
    assert!(list.set(8, CredentialStatus::Revoked).is_err());
    assert!(list.set(7, CredentialStatus::Revoked).is_ok());
    assert_eq!(list.status_at(7), Ok(CredentialStatus::Revoked));
}
