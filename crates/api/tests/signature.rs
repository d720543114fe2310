//! Any change to what was signed is refused, and a request is accepted once.
#![expect(clippy::unwrap_used, reason = "a helper of tests may stop the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use api::{
    Acceptance, AnswerParts, Caller, Callers, Nonce, Rejection, ReplayCache, RequestParts, Role,
    SignatureHeaders, sign_answer, sign_request, verify_answer, verify_request,
};
use proptest::prelude::*;
use seal::SigningKey;
use terms::Instant;

const NOW: Instant = Instant::from_seconds(1_800_000_000);
const BODY: &[u8] = b"{\"a\":1}";

fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

fn parts() -> RequestParts<'static> {
    RequestParts {
        method: "POST",
        authority: "127.0.0.1:9000",
        path: "/orders",
        query: Some("side=a"),
        content_type: Some("application/json"),
    }
}

fn signed() -> SignatureHeaders {
    sign_request(&parts(), BODY, &key(), NOW, Nonce::from_bytes([9; 16])).unwrap()
}

fn verify(
    parts: &RequestParts<'_>,
    headers: &SignatureHeaders,
    body: &[u8],
    now: Instant,
    cache: &mut ReplayCache,
) -> Result<Caller, Rejection> {
    let mut callers = Callers::nobody();
    callers.admit(key().public_key(), Role::Edge, "edge-a").unwrap();
    let audience = BTreeSet::from(["127.0.0.1:9000".to_owned()]);
    let acceptance = Acceptance { callers: &callers, audience: &audience, now };
    verify_request(parts, headers, body, &acceptance, cache)
}

fn fresh() -> ReplayCache {
    ReplayCache::starting(Instant::EPOCH)
}

#[test]
fn a_signed_request_names_its_caller_once() {
    let mut cache = fresh();
    let caller = verify(&parts(), &signed(), BODY, NOW, &mut cache).unwrap();
    assert_eq!((caller.role(), caller.name()), (Role::Edge, "edge-a"));
    let again = verify(&parts(), &signed(), BODY, NOW, &mut cache);
    assert_eq!(again, Err(Rejection::Replayed));
}

#[test]
fn the_headers_are_these_bytes() {
    let headers = signed();
    assert_eq!(
        headers.signature_input,
        format!(
            "wayleave=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-type\" \
             \"content-digest\");created=1800000000;nonce=\"{}\";keyid=\"{}\";alg=\"ed25519\";\
             tag=\"wayleave-v1\"",
            "09".repeat(16),
            key().key_id()
        )
    );
    assert!(headers.signature.starts_with("wayleave=:"));
}

#[test]
fn the_window_is_closed_on_both_sides() {
    for (offset, ok) in [(0, true), (60, true), (61, false)] {
        let now = NOW.plus(Duration::from_secs(offset));
        assert_eq!(verify(&parts(), &signed(), BODY, now, &mut fresh()).is_ok(), ok, "+{offset}");
    }
    for (offset, ok) in [(5, true), (6, false)] {
        let now = NOW.minus(Duration::from_secs(offset));
        assert_eq!(verify(&parts(), &signed(), BODY, now, &mut fresh()).is_ok(), ok, "-{offset}");
    }
}

#[test]
fn a_replay_across_a_restart_is_refused() {
    let mut restarted = ReplayCache::starting(NOW.plus(Duration::from_secs(1)));
    let late = NOW.plus(Duration::from_secs(2));
    let got = verify(&parts(), &signed(), BODY, late, &mut restarted);
    assert!(matches!(got, Err(Rejection::BeforeStart { .. })), "{got:?}");
}

#[test]
fn a_nonce_is_kept_as_long_as_its_request_would_be_accepted() {
    let mut cache = fresh();
    let early = NOW.minus(Duration::from_secs(5));
    verify(&parts(), &signed(), BODY, early, &mut cache).unwrap();
    let last = NOW.plus(Duration::from_secs(60));
    assert_eq!(verify(&parts(), &signed(), BODY, last, &mut cache), Err(Rejection::Replayed));
}

#[test]
fn what_was_said_to_one_server_is_worth_nothing_to_another() {
    let other = RequestParts { authority: "127.0.0.1:9001", ..parts() };
    let got = verify(&other, &signed(), BODY, NOW, &mut fresh());
    assert!(matches!(got, Err(Rejection::OtherAuthority { .. })));
}

#[test]
fn another_key_is_unknown_and_a_borrowed_key_id_does_not_verify() {
    let thief = SigningKey::from_seed(&[4; 32]);
    let nonce = Nonce::from_bytes([9; 16]);
    let mut headers = sign_request(&parts(), BODY, &thief, NOW, nonce).unwrap();
    let got = verify(&parts(), &headers, BODY, NOW, &mut fresh());
    assert_eq!(got, Err(Rejection::UnknownKey { key: thief.key_id() }));
    let (theirs, ours) = (thief.key_id().to_string(), key().key_id().to_string());
    headers.signature_input = headers.signature_input.replace(&theirs, &ours);
    let got = verify(&parts(), &headers, BODY, NOW, &mut fresh());
    assert_eq!(got, Err(Rejection::BadSignature));
}

#[test]
fn an_answer_is_bound_to_its_request_and_its_bytes() {
    let request = parts();
    let headers = signed();
    let answer = AnswerParts {
        status: 200,
        content_type: Some("application/json"),
        request,
        request_signature: Some(&headers.signature),
    };
    let core = SigningKey::from_seed(&[8; 32]);
    let signature = sign_answer(&answer, b"{}", &core, NOW).unwrap();
    let public = core.public_key();
    assert_eq!(verify_answer(&answer, &signature, b"{}", &public), Ok(()));
    assert!(verify_answer(&answer, &signature, b"[]", &public).is_err());
    assert!(verify_answer(&answer, &signature, b"{}", &key().public_key()).is_err());
    let other_nonce =
        sign_request(&request, BODY, &key(), NOW, Nonce::from_bytes([1; 16])).unwrap();
    for changed in [
        AnswerParts { status: 201, ..answer },
        AnswerParts { content_type: None, ..answer },
        AnswerParts { request_signature: None, ..answer },
        AnswerParts { request_signature: Some(&other_nonce.signature), ..answer },
        AnswerParts { request: RequestParts { path: "/x", ..request }, ..answer },
    ] {
        assert!(verify_answer(&changed, &signature, b"{}", &public).is_err(), "{changed:?}");
    }
}

/// Replaces the character at `at` by `to`; `None` when that changes nothing.
fn changed(text: &str, at: usize, to: char) -> Option<String> {
    let at = at % text.chars().count();
    let new: String = text.chars().enumerate().map(|(i, c)| if i == at { to } else { c }).collect();
    (new != text).then_some(new)
}

proptest! {
    #[test]
    fn any_changed_character_is_refused(field in 0_usize..8, at: usize, to in "[ -~]") {
        let (parts, headers) = (parts(), signed());
        let to = to.chars().next().unwrap();
        let digest = headers.content_digest.clone().unwrap();
        let original = [
            parts.method, parts.authority, parts.path, parts.query.unwrap(),
            parts.content_type.unwrap(), &digest, &headers.signature_input, &headers.signature,
        ][field];
        let Some(new) = changed(original, at, to) else { return Ok(()) };
        let mut text = [
            parts.method, parts.authority, parts.path, parts.query.unwrap(),
            parts.content_type.unwrap(), &digest, &headers.signature_input, &headers.signature,
        ];
        text[field] = &new;
        let [method, authority, path, query, kind, digest, input, signature] = text;
        let parts = RequestParts {
            method, authority, path, query: Some(query), content_type: Some(kind),
        };
        let headers = SignatureHeaders {
            content_digest: Some(digest.to_owned()),
            signature_input: input.to_owned(),
            signature: signature.to_owned(),
        };
        prop_assert!(verify(&parts, &headers, BODY, NOW, &mut fresh()).is_err());
    }

    #[test]
    fn any_other_body_is_refused(body: Vec<u8>) {
        prop_assume!(body != BODY);
        prop_assert!(verify(&parts(), &signed(), &body, NOW, &mut fresh()).is_err());
    }

    #[test]
    fn any_request_survives_its_own_signature(
        path in "/[a-z0-9/%._~-]{0,40}", query in proptest::option::of("[a-z0-9=&%]{1,40}"),
        body: Vec<u8>, nonce: [u8; 16],
    ) {
        let parts = RequestParts {
            path: &path,
            query: query.as_deref(),
            content_type: (!body.is_empty()).then_some("application/cbor"),
            ..parts()
        };
        let headers =
            sign_request(&parts, &body, &key(), NOW, Nonce::from_bytes(nonce)).unwrap();
        prop_assert!(verify(&parts, &headers, &body, NOW, &mut fresh()).is_ok());
    }

    #[test]
    fn garbage_headers_do_not_panic(input in ".{0,200}", signature in ".{0,200}") {
        let headers = SignatureHeaders {
            content_digest: signed().content_digest, signature_input: input, signature,
        };
        prop_assert!(verify(&parts(), &headers, BODY, NOW, &mut fresh()).is_err());
    }
}
