//! Our wallet against our issuer, and the issuer's error codes.

use core::time::Duration;
use std::collections::BTreeMap;

use seal::Secret;
use serde_json::{Value, json};
use terms::Instant;

use super::*;
use crate::claims::{CompanyRegistration, CredentialClaims, Mandate};
use crate::fixtures::{COMPANY, NOW, REGISTER, holder_key, key, mandate, register_key};
use crate::jose::{jwk_of, sign};
use crate::status::StatusReference;

fn profile() -> IssuerProfile {
    IssuerProfile {
        url: REGISTER.to_owned(),
        name: "Register".to_owned(),
        types: vec![
            IssuableType::of::<Mandate>(Duration::from_secs(86_400 * 90)),
            IssuableType::of::<CompanyRegistration>(Duration::from_secs(86_400 * 90)),
        ],
    }
}

fn issuer() -> Issuer {
    Issuer::new(profile(), register_key(), "k1".to_owned(), Secret::from_bytes([5; 32]))
}

fn offered(transaction_code: Option<&str>) -> OfferDraft {
    OfferDraft {
        configuration_id: Mandate::TYPE.to_owned(),
        claims: mandate(COMPANY).to_claims(),
        selective: mandate(COMPANY).selective(),
        status: Some(StatusReference { uri: format!("{REGISTER}/status/1"), index: 7 }),
        transaction_code: transaction_code.map(str::to_owned),
        expires_at: NOW.plus(Duration::from_secs(600)),
    }
}

fn salts() -> Vec<[u8; 16]> {
    (0..32).map(|n| [n; 16]).collect()
}

/// What a server would do with one request.
fn serve(issuer: &mut Issuer, effect: &Effect, now: Instant) -> (u16, Value) {
    match effect {
        Effect::Get { url } if url.contains(ISSUER_METADATA) => {
            (200, issuer.profile().issuer_metadata())
        }
        Effect::Get { url } if url.contains(SERVER_METADATA) => {
            (200, issuer.profile().server_metadata())
        }
        Effect::Get { .. } => (200, issuer.key_document()),
        Effect::PostForm { form, .. } => {
            let form: BTreeMap<_, _> = form.iter().cloned().collect();
            match issuer.token(&form, &[6; 32], now) {
                Ok(grant) => (200, grant.to_json()),
                Err(fault) => (400, json!({ "error": fault.to_string() })),
            }
        }
        Effect::PostNothing { .. } => (200, issuer.nonce(&[8; 16], now)),
        Effect::PostJson { bearer, body, .. } => {
            match issuer.credential(bearer, body.as_bytes(), &salts(), now) {
                Ok(response) => (200, response),
                Err(fault) => (fault.code.http_status(), fault.to_json()),
            }
        }
    }
}

fn run(
    issuer: &mut Issuer,
    code: Option<&str>,
    given: Option<&str>,
) -> Result<Progress, IssuanceError> {
    let offer = issuer.offer(offered(code), &[4; 32]);
    let offer = CredentialOffer::read(offer.to_json().to_string().as_bytes()).unwrap();
    let (mut wallet, mut effect) = IssuanceWallet::start(offer, given.map(str::to_owned))?;
    loop {
        let (status, body) = serve(issuer, &effect, NOW);
        let body = body.to_string();
        let key = holder_key();
        let context = WalletContext { key: &key, now: NOW };
        match wallet.advance(Answer { status, body: body.as_bytes() }, context)? {
            Progress::Do(next) => effect = next,
            done @ Progress::Done(_) => return Ok(done),
        }
    }
}

#[test]
fn our_wallet_gets_a_credential_from_our_issuer() {
    for code in [None, Some("493536")] {
        let Progress::Done(held) = run(&mut issuer(), code, code).unwrap() else {
            panic!("not done")
        };
        assert_eq!(held.open().credential_type, Mandate::TYPE);
        assert_eq!(held.open().status.as_ref().unwrap().index, 7);
        assert_eq!(held.selective_count(), Mandate::PATHS.len());
        assert_eq!(held.open().holder, holder_key().public_key());
    }
}

#[test]
fn token_errors_are_those_of_the_specification() {
    let refused = |code, given| match run(&mut issuer(), code, given).unwrap_err() {
        IssuanceError::Refused { code } => code,
        IssuanceError::BadIssuer
        | IssuanceError::Json(_)
        | IssuanceError::BadAnswer { .. }
        | IssuanceError::Credential(_)
        | IssuanceError::Ended => panic!("another error"),
    };
    assert_eq!(refused(Some("493536"), Some("000000")), "invalid_grant");
    assert_eq!(refused(Some("493536"), None), "invalid_request");
    assert_eq!(refused(None, Some("493536")), "invalid_request");

    let mut issuer = issuer();
    let offer = issuer.offer(offered(None), &[4; 32]);
    let form = |grant: &str, code: &str| {
        BTreeMap::from([
            ("grant_type".to_owned(), grant.to_owned()),
            ("pre-authorized_code".to_owned(), code.to_owned()),
        ])
    };
    let other = issuer.token(&form("authorization_code", &offer.code), &[6; 32], NOW);
    assert_eq!(other, Err(TokenFault::UnsupportedGrantType));
    let unknown = issuer.token(&form(PRE_AUTHORIZED_GRANT, "x"), &[6; 32], NOW);
    assert_eq!(unknown, Err(TokenFault::InvalidGrant));
    let late = NOW.plus(Duration::from_secs(600));
    let expired = issuer.token(&form(PRE_AUTHORIZED_GRANT, &offer.code), &[6; 32], late);
    assert_eq!(expired, Err(TokenFault::InvalidGrant));
    assert!(issuer.token(&form(PRE_AUTHORIZED_GRANT, &offer.code), &[6; 32], NOW).is_ok());
    let again = issuer.token(&form(PRE_AUTHORIZED_GRANT, &offer.code), &[7; 32], NOW);
    assert_eq!(again, Err(TokenFault::InvalidGrant), "a code is good once");
}

#[test]
fn a_transaction_code_cannot_be_guessed_for_ever() {
    let mut issuer = issuer();
    let offer = issuer.offer(offered(Some("493536")), &[4; 32]);
    let form = |code: &str| {
        BTreeMap::from([
            ("grant_type".to_owned(), PRE_AUTHORIZED_GRANT.to_owned()),
            ("pre-authorized_code".to_owned(), offer.code.clone()),
            ("tx_code".to_owned(), code.to_owned()),
        ])
    };
    for _ in 0..TRANSACTION_CODE_ATTEMPTS_MAX {
        assert_eq!(issuer.token(&form("000000"), &[6; 32], NOW), Err(TokenFault::InvalidGrant));
    }
    assert_eq!(issuer.token(&form("493536"), &[6; 32], NOW), Err(TokenFault::InvalidGrant));
}

/// A token and a good nonce of a fresh issuer.
fn ready() -> (Issuer, String, String) {
    let mut issuer = issuer();
    let offer = issuer.offer(offered(None), &[4; 32]);
    let form = BTreeMap::from([
        ("grant_type".to_owned(), PRE_AUTHORIZED_GRANT.to_owned()),
        ("pre-authorized_code".to_owned(), offer.code),
    ]);
    let token = issuer.token(&form, &[6; 32], NOW).unwrap().access_token;
    let nonce = issuer.nonce(&[8; 16], NOW)["c_nonce"].as_str().unwrap().to_owned();
    (issuer, token, nonce)
}

fn request(header: &Value, payload: &Value) -> Value {
    let object = |value: &Value| crate::json::into_object(value.clone()).unwrap();
    let proof = sign(&holder_key(), object(header), &object(payload));
    json!({ "credential_configuration_id": Mandate::TYPE, "proofs": { "jwt": [proof] } })
}

#[test]
fn credential_errors_are_those_of_the_specification() {
    let (mut issuer, token, nonce) = ready();
    let header = json!({ "typ": PROOF_TYP, "jwk": jwk_of(&holder_key().public_key()) });
    let payload = json!({ "aud": REGISTER, "iat": NOW.seconds(), "nonce": nonce });
    let good = request(&header, &payload);
    let header_with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        request(&header, &payload)
    };
    let payload_with = |name: &str, value: Value| {
        let mut payload = payload.clone();
        payload[name] = value;
        request(&header, &payload)
    };
    let body_with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let rows = [
        ("invalid_proof", header_with("typ", json!("JWT"))),
        ("invalid_proof", header_with("kid", json!("k"))),
        ("invalid_proof", header_with("jwk", jwk_of(&key(77).public_key()))),
        ("invalid_proof", payload_with("aud", json!("https://other.example"))),
        ("invalid_proof", payload_with("iat", json!(NOW.seconds() - 301))),
        ("invalid_proof", payload_with("iat", json!(NOW.seconds() + 31))),
        ("invalid_proof", payload_with("nonce", Value::Null)),
        ("invalid_nonce", payload_with("nonce", json!("AAAA"))),
        ("invalid_proof", body_with("proofs", json!({}))),
        ("invalid_proof", body_with("proofs", json!({ "jwt": [] }))),
        ("unknown_credential_configuration", body_with("credential_configuration_id", json!("x"))),
        (
            "credential_request_denied",
            body_with("credential_configuration_id", json!(CompanyRegistration::TYPE)),
        ),
        ("invalid_credential_request", body_with("credential_configuration_id", Value::Null)),
        ("unknown_credential_identifier", body_with("credential_identifier", json!("x"))),
        ("invalid_encryption_parameters", body_with("credential_response_encryption", json!({}))),
    ];
    for (code, body) in rows {
        let body = body.to_string();
        let fault = issuer.credential(&token, body.as_bytes(), &salts(), NOW).unwrap_err();
        assert_eq!(fault.code.as_str(), code, "{body}");
    }
    let good = good.to_string();
    let unknown = issuer.credential("x", good.as_bytes(), &salts(), NOW).unwrap_err();
    assert_eq!(unknown.code.http_status(), 401);
    let late = NOW.plus(Duration::from_secs(ACCESS_TOKEN_LIFETIME_SECONDS));
    assert!(issuer.credential(&token, good.as_bytes(), &salts(), late).is_err());
    let late = NOW.plus(Duration::from_secs(C_NONCE_LIFETIME_SECONDS));
    let stale = issuer.credential(&token, good.as_bytes(), &salts(), late).unwrap_err();
    assert_eq!(stale.code, CredentialFaultCode::InvalidNonce);
    assert!(issuer.credential(&token, good.as_bytes(), &salts(), NOW).is_ok());
    assert!(issuer.credential(&token, good.as_bytes(), &salts(), NOW).is_ok(), "answer lost");
}

#[test]
fn a_token_is_bound_to_the_first_key() {
    let (mut issuer, token, nonce) = ready();
    let payload = json!({ "aud": REGISTER, "iat": NOW.seconds(), "nonce": nonce });
    let by = |number: u8| {
        let object = |value: Value| crate::json::into_object(value).unwrap();
        let header = json!({ "typ": PROOF_TYP, "jwk": jwk_of(&key(number).public_key()) });
        let proof = sign(&key(number), object(header), &object(payload.clone()));
        json!({ "credential_configuration_id": Mandate::TYPE, "proofs": { "jwt": [proof] } })
            .to_string()
    };
    assert!(issuer.credential(&token, by(40).as_bytes(), &salts(), NOW).is_ok());
    let second = issuer.credential(&token, by(41).as_bytes(), &salts(), NOW).unwrap_err();
    assert_eq!(second.code, CredentialFaultCode::CredentialRequestDenied);
}

#[test]
fn well_known_goes_between_authority_and_path() {
    let rows = [
        ("https://a.example", "https://a.example/.well-known/x"),
        ("https://a.example/", "https://a.example/.well-known/x"),
        ("http://127.0.0.1:8080/t/1", "http://127.0.0.1:8080/.well-known/x/t/1"),
    ];
    for (issuer, expected) in rows {
        assert_eq!(well_known(issuer, "x").as_deref(), Some(expected));
    }
    assert_eq!(well_known("nothing", "x"), None);
}
