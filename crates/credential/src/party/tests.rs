//! The whole way from wallet to verified party, and the table of near misses.

use serde_json::json;

use super::*;
use crate::claims::{CREDIT_BAND, CredentialClaims, TAX_STANDING};
use crate::fixtures::*;
use crate::holder::{PresentationResponse, consent, respond};
use crate::jose::sign;
use crate::sd_jwt_vc::{HeldCredential, PresentTo, hash_text};
use crate::status::CredentialStatus;

fn answer(world: &World, held: &[HeldCredential]) -> PresentationResponse {
    respond(&world.request, held, &[&holder_key()], NOW).unwrap()
}

fn refused(world: &World, vp_token: &str) -> PartyRefused {
    verify_response(vp_token, &world.expectation()).unwrap_err()
}

/// The presentation under `id` of a good answer.
fn one(world: &World, id: &str) -> String {
    let token: Value = serde_json::from_str(&answer(world, &wallet()).vp_token).unwrap();
    token[id][0].as_str().unwrap().to_owned()
}

fn with_changed(world: &World, id: &str, text: impl Into<String>) -> String {
    let mut token: Value = serde_json::from_str(&answer(world, &wallet()).vp_token).unwrap();
    token[id] = json!([text.into()]);
    token.to_string()
}

fn credential_refused(refused: PartyRefused) -> CredentialRefused {
    if let PartyRefused::Credential { reason, .. } = refused {
        return reason;
    }
    panic!("another rule refused: {refused}")
}

#[test]
fn a_good_response_becomes_a_verified_party() {
    let world = world();
    let held = wallet();
    let view = consent(&world.request, &held, &world.trust).unwrap();
    assert_eq!((view.disclosed_count, view.held_count), (11, 35));
    assert_eq!(view.registered_purpose.as_deref(), Some("decide a payment"));
    assert_eq!(view.unregistered.len(), 7);
    assert_eq!(view.terms, Some(terms()));

    let party = verify_response(&answer(&world, &held).vp_token, &world.expectation()).unwrap();
    assert_eq!(party.company().as_str(), COMPANY);
    assert_eq!(party.terms_digest(), Some(terms().terms_digest()));
    assert_eq!(party.mandate().unwrap().limit.unwrap().minor.units(), 5_000_000);
    assert_eq!(party.mandate().unwrap().person, None);
    assert_eq!(party.status_age(), Some(Duration::from_secs(300)));
    let credit = party.credential_of(CREDIT_BAND).unwrap();
    assert_eq!(credit.jurisdiction.as_str(), "SG");
    assert_eq!(credit.disclosed, ["company_id", "score_over_500"]);
    assert_eq!(credit.claims.get("score_over_500"), Some(&true.into()));
    assert!(!credit.claims.contains_key("band"));
    assert_eq!(party.high_water().marks().len(), 1);
    assert_eq!(party.relied_on().len(), 4);
}

#[test]
fn a_request_reads_back_as_it_was_written() {
    let request = request();
    let read = PresentationRequest::read(request.to_json().to_string().as_bytes());
    assert_eq!(read, Ok(request));
}

#[test]
fn a_presentation_for_another_verifier_or_request_is_refused() {
    let ours = world();
    let mut theirs = world();
    theirs.request.client_id = "redirect_uri:https://edge.bank-sg.example/response".to_owned();
    theirs.request.response_uri = "https://edge.bank-sg.example/response".to_owned();
    let token = answer(&theirs, &wallet()).vp_token;
    let reason = credential_refused(refused(&ours, &token));
    assert!(matches!(reason, CredentialRefused::OtherAudience { .. }), "{reason}");

    let mut other = world();
    other.request.nonce = "nonce-2".to_owned();
    let token = answer(&other, &wallet()).vp_token;
    assert_eq!(credential_refused(refused(&ours, &token)), CredentialRefused::OtherNonce);
}

#[test]
fn a_presentation_too_old_or_from_the_future_is_refused() {
    for seconds in [301, 3_000] {
        let mut late = world();
        late.now = NOW.plus(Duration::from_secs(seconds));
        let reason = credential_refused(refused(&late, &answer(&world(), &wallet()).vp_token));
        assert!(matches!(reason, CredentialRefused::NotFresh { .. }), "{reason}");
    }
    let mut early = world();
    early.now = NOW.minus(Duration::from_secs(31));
    let reason = credential_refused(refused(&early, &answer(&world(), &wallet()).vp_token));
    assert!(matches!(reason, CredentialRefused::NotFresh { .. }), "{reason}");
}

#[test]
fn swapped_terms_and_unsigned_terms_are_refused() {
    let ours = world();
    let mut other = world();
    let mut changed = terms();
    changed.credited_account = terms::AccountId::from_bytes([9; 16]);
    other.request.terms = Some(changed.to_terms_string());
    let token = answer(&other, &wallet()).vp_token;
    assert_eq!(credential_refused(refused(&ours, &token)), CredentialRefused::OtherTransactionData);
    other.request.terms = None;
    let token = answer(&other, &wallet()).vp_token;
    assert_eq!(credential_refused(refused(&ours, &token)), CredentialRefused::OtherTransactionData);
    let token = answer(&ours, &wallet()).vp_token;
    assert_eq!(
        credential_refused(refused(&other, &token)),
        CredentialRefused::OtherTransactionData,
        "signed although nobody asked"
    );
}

/// A registration presentation whose key-binding JWT is made by hand.
fn bound_by_hand(header: Value, change: impl Fn(&mut Value)) -> String {
    let world = world();
    let text = one(&world, "registration");
    let (bound, _) = text.rsplit_once('~').unwrap();
    let bound = format!("{bound}~");
    let mut payload = json!({
        "iat": NOW.seconds(),
        "aud": EDGE,
        "nonce": "nonce-1",
        "sd_hash": hash_text(&bound),
    });
    change(&mut payload);
    let object = |value: Value| crate::json::into_object(value).unwrap();
    format!("{bound}{}", sign(&holder_key(), object(header), &object(payload)))
}

#[test]
fn a_key_binding_jwt_of_another_shape_is_refused() {
    let world = world();
    let kb = json!({"typ": "kb+jwt"});
    let good = with_changed(&world, "registration", bound_by_hand(kb.clone(), |_| {}));
    assert!(verify_response(&good, &world.expectation()).is_ok());
    let rows: Vec<(&str, String)> = vec![
        ("typ", bound_by_hand(json!({"typ": "JWT"}), |_| {})),
        ("no aud", bound_by_hand(kb.clone(), |p| drop(p.as_object_mut().unwrap().remove("aud")))),
        ("aud list", bound_by_hand(kb.clone(), |p| p["aud"] = json!([EDGE]))),
        ("no iat", bound_by_hand(kb.clone(), |p| drop(p.as_object_mut().unwrap().remove("iat")))),
        ("sd_hash", bound_by_hand(kb.clone(), |p| p["sd_hash"] = json!(hash_text("x")))),
        ("no nonce", bound_by_hand(kb, |p| p["nonce"] = json!(""))),
    ];
    for (name, text) in rows {
        let token = with_changed(&world, "registration", text);
        assert!(
            matches!(refused(&world, &token), PartyRefused::Credential { .. }),
            "{name} was not refused as a bad presentation"
        );
    }
}

#[test]
fn disclosures_added_swapped_or_taken_away_are_refused() {
    let world = world();
    let text = one(&world, "registration");
    let parts: Vec<&str> = text.split('~').collect();
    let withheld = {
        let held = wallet();
        let all: Vec<_> = held[0].text().split('~').collect::<Vec<_>>();
        all[1..all.len() - 1]
            .iter()
            .find(|one| !parts.contains(one))
            .map(|one| (*one).to_owned())
            .unwrap()
    };
    let join = |parts: Vec<String>| parts.join("~");
    let owned: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    let mut added = owned.clone();
    added.insert(1, withheld.clone());
    let mut swapped = owned.clone();
    swapped[1] = withheld;
    let mut fewer = owned.clone();
    fewer.remove(1);
    let mut twice = owned.clone();
    twice.insert(1, owned[1].clone());
    let mut foreign = owned.clone();
    let tax = one(&world, "tax");
    foreign.insert(1, tax.split('~').nth(1).unwrap().to_owned());
    let mut empty = owned;
    empty.insert(1, String::new());
    for (name, parts) in [
        ("added", added),
        ("swapped", swapped),
        ("fewer", fewer),
        ("twice", twice),
        ("foreign", foreign),
        ("empty", empty),
    ] {
        let token = with_changed(&world, "registration", join(parts));
        let reason = refused(&world, &token);
        assert!(matches!(reason, PartyRefused::Credential { .. }), "{name}: {reason}");
    }
}

#[test]
fn a_claim_shown_unasked_is_refused() {
    let world = world();
    let held = wallet();
    let to = PresentTo { audience: EDGE, nonce: "nonce-1", made_at: NOW, transaction_data: &[] };
    let paths = ["company_id", "legal_name", "address.country", "directors"];
    let paths: Vec<_> = paths.iter().map(|path| crate::claims::steps(path)).collect();
    let text = held[0].present(&paths, &to, &holder_key()).unwrap();
    let token = with_changed(&world, "registration", text);
    assert!(matches!(refused(&world, &token), PartyRefused::Query(QueryError::NotAnswered { .. })));
}

#[test]
fn credentials_of_two_companies_are_refused() {
    let world = world();
    let other = "nl-kvk:11111111";
    for index in 0..3 {
        let mut held = wallet();
        held[index] = match index {
            0 => issued(&draft(&registration(other), REGISTER, Some(20)), &register_key()),
            1 => issued(&draft(&mandate(other), REGISTER, Some(21)), &register_key()),
            _ => issued(&draft(&tax(other), REGISTER, Some(22)), &register_key()),
        };
        let reason = refused(&world, &answer(&world, &held).vp_token);
        assert!(matches!(reason, PartyRefused::SubjectsDiffer { .. }), "{index}: {reason}");
    }
}

#[test]
fn untrusted_issuers_are_refused_each_for_its_reason() {
    let world = world();
    let rows: Vec<(&str, HeldCredential)> = vec![
        ("unknown", issued(&draft(&tax(COMPANY), "https://x.example", Some(1)), &register_key())),
        ("type", {
            let mut draft = draft(&credit(COMPANY), REGISTER, None);
            draft.claims = tax(COMPANY).to_claims();
            draft.selective = tax(COMPANY).selective();
            draft.credential_type = CREDIT_BAND;
            issued(&draft, &register_key())
        }),
        ("not recognised", issued(&draft(&tax(COMPANY), BUREAU, Some(1)), &bureau_key())),
        ("key id", {
            let mut draft = draft(&tax(COMPANY), REGISTER, Some(1));
            draft.key_id = "k9";
            issued(&draft, &register_key())
        }),
    ];
    for (name, credential) in rows {
        let to =
            PresentTo { audience: EDGE, nonce: "nonce-1", made_at: NOW, transaction_data: &[] };
        let text = credential.present(&[], &to, &holder_key()).unwrap();
        let token = with_changed(&world, "tax", text);
        let reason = refused(&world, &token);
        assert!(matches!(reason, PartyRefused::Issuer { .. }), "{name}: {reason}");
    }
    let forged = issued(&draft(&tax(COMPANY), REGISTER, Some(1)), &key(99));
    let mut held = wallet();
    held[2] = forged;
    let reason = credential_refused(refused(&world, &answer(&world, &held).vp_token));
    assert!(matches!(reason, CredentialRefused::Issuer(_)), "{reason}");
}

#[test]
fn an_algorithm_of_the_attackers_choice_is_refused() {
    let world = world();
    let text = one(&world, "registration");
    let (jwt, rest) = text.split_once('~').unwrap();
    let payload = jwt.split('.').nth(1).unwrap();
    for header in [
        json!({"alg": "none", "typ": "dc+sd-jwt", "kid": "k1"}),
        json!({"alg": "HS256", "typ": "dc+sd-jwt"}),
    ] {
        let header = seal::text::to_base64url(header.to_string().as_bytes());
        let token = with_changed(&world, "registration", format!("{header}.{payload}.~{rest}"));
        let reason = credential_refused(refused(&world, &token));
        assert!(
            matches!(
                reason,
                CredentialRefused::Issuer(crate::jose::JwtError::AlgorithmNotAllowed { .. })
            ),
            "{reason}"
        );
    }
}

#[test]
fn revoked_suspended_stale_and_replayed_lists_are_refused() {
    let old = NOW.minus(Duration::from_secs(600));
    let good = world();
    let token = answer(&good, &wallet()).vp_token;
    for status in [CredentialStatus::Revoked, CredentialStatus::Suspended] {
        let mut world = world();
        world.status_lists.insert(LIST.to_owned(), status_token(NOW, &[(12, status)]));
        let reason = refused(&world, &token);
        let expected = matches!(
            &reason,
            PartyRefused::Status { id, reason: StatusRefused::NotValid { .. } } if id == "tax"
        );
        assert!(expected, "{reason}");
    }
    let mut stale = world();
    stale
        .status_lists
        .insert(LIST.to_owned(), status_token(NOW.minus(Duration::from_secs(3_601)), &[]));
    assert!(matches!(
        refused(&stale, &token),
        PartyRefused::Status { reason: StatusRefused::Stale { .. }, .. }
    ));
    let mut absent = world();
    absent.status_lists.clear();
    assert!(matches!(
        refused(&absent, &token),
        PartyRefused::Status { reason: StatusRefused::Unavailable { .. }, .. }
    ));
    let party = verify_response(&token, &good.expectation()).unwrap();
    let mut replayed = world();
    replayed.high_water = party.high_water().clone();
    replayed.status_lists.insert(LIST.to_owned(), status_token(old, &[]));
    assert!(matches!(
        refused(&replayed, &token),
        PartyRefused::Status { reason: StatusRefused::OlderThanSeen { .. }, .. }
    ));
    let mut forked = world();
    forked.high_water = party.high_water().clone();
    let same_moment = NOW.minus(Duration::from_secs(300));
    let other = status_token(same_moment, &[(500, CredentialStatus::Revoked)]);
    forked.status_lists.insert(LIST.to_owned(), other);
    assert!(matches!(
        refused(&forked, &token),
        PartyRefused::Status { reason: StatusRefused::TwoListsForOneMoment { .. }, .. }
    ));
}

#[test]
fn an_answer_with_less_or_with_something_else_is_refused() {
    let world = world();
    let mut token: Value = serde_json::from_str(&answer(&world, &wallet()).vp_token).unwrap();
    token.as_object_mut().unwrap().remove("tax");
    assert!(matches!(refused(&world, &token.to_string()), PartyRefused::Query(_)));
    let registration = one(&world, "registration");
    let token = with_changed(&world, "tax", registration);
    assert!(matches!(refused(&world, &token), PartyRefused::Query(_)));
    for bad in
        ["{}", "[]", r#"{"tax":[]}"#, r#"{"tax":["a","b"]}"#, r#"{"tax":"a"}"#, r#"{"tax":[1]}"#]
    {
        assert!(matches!(refused(&world, bad), PartyRefused::Malformed { .. }), "{bad}");
    }
}

#[test]
fn expiry_is_judged_at_the_instant_given() {
    let mut late = world();
    late.now = NOW.plus(Duration::from_secs(43_200));
    let response = respond(&late.request, &wallet(), &[&holder_key()], late.now).unwrap();
    late.status_lists.insert(LIST.to_owned(), status_token(late.now, &[]));
    let reason = refused(&late, &response.vp_token);
    let expected = matches!(
        &reason,
        PartyRefused::Credential { id, reason: CredentialRefused::Expired { .. } } if id == "credit"
    );
    assert!(expected, "{reason}");
    assert_eq!(TAX_STANDING, "urn:wayleave:vc:tax-standing:1");
}

#[test]
fn a_mandate_that_may_not_pay_is_refused() {
    let world = world();
    let mut draft = draft(&mandate(COMPANY), REGISTER, Some(11));
    draft.claims.insert("may_pay".to_owned(), false.into());
    let mut held = wallet();
    held[1] = issued(&draft, &register_key());
    let reason = refused(&world, &answer(&world, &held).vp_token);
    assert_eq!(reason, PartyRefused::MandateMayNotPay);
}

#[test]
fn no_changed_character_of_a_presentation_goes_unnoticed() {
    let world = world();
    let text = one(&world, "mandate");
    // Primes apart, so that headers, payloads, signatures and disclosures are all hit.
    for at in (0..text.len()).step_by(13) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let token = with_changed(&world, "mandate", changed);
        assert!(verify_response(&token, &world.expectation()).is_err(), "character {at}");
    }
}
