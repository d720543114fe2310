//! Issuing, holding and the rules of hiding.

use core::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::claims::{CredentialClaims, steps};
use crate::fixtures::{
    COMPANY, NOW, REGISTER, credit, draft, holder_key, issued, key, mandate, register_key,
    registration,
};
use crate::jose::sign;

fn salts(count: u8) -> Vec<[u8; 16]> {
    (0..count).map(|number| [number; 16]).collect()
}

#[test]
fn only_what_is_chosen_is_disclosed() {
    let held = issued(&draft(&registration(COMPANY), REGISTER, Some(1)), &register_key());
    let to = PresentTo { audience: "a", nonce: "n", made_at: NOW, transaction_data: &[] };
    let text = held.present(&[steps("address.country")], &to, &holder_key()).unwrap();
    let check = PresentationCheck { audience: "a", nonce: "n", transaction_data: &[], now: NOW };
    let shown =
        Presentation::read(&text).unwrap().verify(&register_key().public_key(), &check).unwrap();
    assert_eq!(shown.claims().get("address"), Some(&json!({"country": "NL"})));
    assert!(!shown.claims().contains_key("legal_name"));
    assert_eq!(shown.disclosed(), [steps("address.country")]);
    assert!(!text.contains(&seal::text::to_base64url(b"Tulip")));
}

#[test]
fn a_whole_object_is_disclosed_by_its_own_path() {
    let held = issued(&draft(&registration(COMPANY), REGISTER, Some(1)), &register_key());
    assert_eq!(held.disclosed_by(&[steps("address")]).len(), 4);
    assert_eq!(held.disclosed_by(&[steps("address.street")]).len(), 1);
    assert_eq!(held.disclosed_by(&[steps("nothing")]).len(), 0);
}

#[test]
fn only_the_bound_key_presents_and_only_the_bound_key_accepts() {
    let held = issued(&draft(&mandate(COMPANY), REGISTER, Some(1)), &register_key());
    let to = PresentTo { audience: "a", nonce: "n", made_at: NOW, transaction_data: &[] };
    assert_eq!(held.present(&[], &to, &key(50)), Err(CredentialRefused::OtherHolder));
    let other = HeldCredential::accept(
        held.text(),
        &register_key().public_key(),
        &key(50).public_key(),
        NOW,
    );
    assert_eq!(other.unwrap_err(), CredentialRefused::OtherHolder);
}

#[test]
fn an_issuer_cannot_hide_what_must_stand_in_the_open() {
    for name in NEVER_SELECTIVE {
        let mut draft = draft(&mandate(COMPANY), REGISTER, Some(1));
        draft.selective.push(vec![name.to_owned()]);
        let count = u8::try_from(draft.selective.len()).unwrap();
        let refused = issue(&draft, &register_key(), &salts(count)).unwrap_err();
        assert_eq!(refused, IssueError::Protected { name: name.to_owned() });
    }
}

#[test]
fn salts_are_counted_and_distinct_and_paths_lead_somewhere() {
    let good = draft(&mandate(COMPANY), REGISTER, Some(1));
    let count = u8::try_from(good.selective.len()).unwrap();
    let few = issue(&good, &register_key(), &salts(count - 1)).unwrap_err();
    assert!(matches!(few, IssueError::Salts { expected: 8, got: 7 }));
    let mut twice = salts(count);
    twice[0] = twice[1];
    assert_eq!(issue(&good, &register_key(), &twice), Err(IssueError::SaltTwice));
    let mut lost = good;
    lost.selective[0] = vec!["nothing".to_owned()];
    let refused = issue(&lost, &register_key(), &salts(count)).unwrap_err();
    assert_eq!(refused, IssueError::NoSuchClaim { path: "nothing".to_owned() });
}

/// A credential signed by a trusted issuer that does not keep the rules.
fn by_hand(change: impl Fn(&mut Value), disclosure: Option<(&str, Value)>) -> String {
    let mut payload = json!({
        "iss": REGISTER,
        "vct": "x",
        "iat": NOW.seconds(),
        "exp": NOW.seconds() + 3_600,
        "cnf": { "jwk": crate::jose::jwk_of(&holder_key().public_key()) },
    });
    let mut text = String::new();
    if let Some((name, value)) = disclosure {
        let disclosure = Disclosure::of_member(&[1; 16], name, value).unwrap();
        payload["_sd"] = json!([disclosure.digest()]);
        text = format!("{}~", disclosure.text());
    }
    change(&mut payload);
    let object = |value: Value| crate::json::into_object(value).unwrap();
    let header = object(json!({ "typ": CREDENTIAL_TYP, "kid": "k1" }));
    format!("{}~{text}", sign(&register_key(), header, &object(payload)))
}

fn accept(text: &str) -> Result<HeldCredential, CredentialRefused> {
    let (issuer, holder) = (register_key().public_key(), holder_key().public_key());
    HeldCredential::accept(text, &issuer, &holder, NOW)
}

#[test]
fn a_credential_that_hides_a_protected_claim_is_refused() {
    assert!(accept(&by_hand(|_| {}, None)).is_ok());
    assert!(accept(&by_hand(|_| {}, Some(("legal_name", json!("x"))))).is_ok());
    for name in ["status", "nbf", "vct#integrity", "aka_vcts"] {
        let refused = accept(&by_hand(|_| {}, Some((name, json!(0))))).unwrap_err();
        assert_eq!(refused, CredentialRefused::HiddenClaim { name: name.to_owned() });
    }
    let hidden = |payload: &mut Value| {
        payload.as_object_mut().unwrap().remove("exp");
    };
    assert!(accept(&by_hand(hidden, Some(("exp", json!(NOW.seconds() + 60))))).is_err());
    let inside = |payload: &mut Value| payload["cnf"]["_sd"] = json!(["x"]);
    let refused = accept(&by_hand(inside, None)).unwrap_err();
    assert_eq!(refused, CredentialRefused::HiddenClaim { name: "cnf".to_owned() });
}

#[test]
fn missing_and_malformed_claims_are_refused() {
    for name in ["iss", "vct", "iat", "exp", "cnf"] {
        let without = |payload: &mut Value| {
            payload.as_object_mut().unwrap().remove(name);
        };
        let refused = accept(&by_hand(without, None)).unwrap_err();
        assert!(matches!(refused, CredentialRefused::Issuer(_)), "{name}: {refused}");
    }
    let rows: [fn(&mut Value); 7] = [
        |payload| payload["exp"] = json!("1"),
        |payload| payload["exp"] = json!(-1),
        |payload| payload["iat"] = json!(NOW.seconds() + 31),
        |payload| payload["nbf"] = json!(NOW.seconds() + 31),
        |payload| payload["exp"] = json!(NOW.seconds()),
        |payload| payload["_sd_alg"] = json!("sha-512"),
        |payload| payload["status"] = json!({ "other": {} }),
    ];
    for (row, change) in rows.into_iter().enumerate() {
        assert!(accept(&by_hand(change, None)).is_err(), "row {row}");
    }
    let long = |payload: &mut Value| payload["exp"] = json!(NOW.seconds() + 86_401);
    assert_eq!(accept(&by_hand(long, None)).unwrap_err(), CredentialRefused::StatusMissing);
}

#[test]
fn a_credit_band_needs_no_status_because_it_lives_a_day() {
    let held = issued(&draft(&credit(COMPANY), REGISTER, None), &register_key());
    assert_eq!(held.open().status, None);
    assert!(held.open().expires_at.since(held.open().issued_at) <= Duration::from_secs(86_400));
    assert_eq!(held.selective_count(), crate::claims::CreditBand::PATHS.len());
}

#[test]
fn sizes_are_limited() {
    let text = by_hand(|_| {}, None);
    let many = format!("{text}{}", "WyJzIiwieCIsMV0~".repeat(DISCLOSURES_MAX + 1));
    assert_eq!(accept(&many).unwrap_err(), CredentialRefused::TooLarge);
    let long = format!("{text}{}", "A".repeat(SD_JWT_BYTES_MAX));
    assert_eq!(accept(&long).unwrap_err(), CredentialRefused::TooLarge);
}
