use seal::{Es256SigningKey, SigningKey};

use super::*;

fn list() -> TrustList {
    let key = |seed: u8| SigningKey::from_seed(&[seed; 32]).public_key();
    let until = Instant::from_seconds(2_000_000_000);
    TrustList {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        jurisdiction: "NL".parse().unwrap(),
        version: 0,
        issued_at: Instant::EPOCH,
        next_update: Instant::EPOCH,
        issuers: vec![TrustedIssuer {
            url: "http://localhost:7003/tax-nl".to_owned(),
            name: "Tax".to_owned(),
            keys: vec![IssuerKey {
                kid: "a".to_owned(),
                key: Es256SigningKey::from_scalar(&[5; 32]).unwrap().public_key(),
                valid_from: Instant::from_seconds(1),
                valid_until: until,
            }],
            credential_types: vec!["urn:x".to_owned()],
        }],
        institutions: vec![TrustedInstitution {
            institution: "bank-nl".parse().unwrap(),
            legal_name: "Bank".to_owned(),
            jurisdiction: "NL".parse().unwrap(),
            sides: vec![CorridorSide { corridor: "nl-sg".parse().unwrap(), side: Side::Creditor }],
            permit_keys: vec![key(1)],
            statement_key: BoxPublicKey::from_bytes([3; 32]),
            edges: vec!["bank-nl.1".parse().unwrap()],
        }],
        providers: vec![TrustedProvider {
            provider: "fx-dealer".parse().unwrap(),
            quote_keys: vec![key(2)],
        }],
        verifiers: vec![RegisteredVerifier {
            client_id: "bank-nl".to_owned(),
            purpose: "payments".to_owned(),
            claims: vec![RegisteredClaims {
                credential_type: "urn:x".to_owned(),
                paths: vec!["company_id".to_owned()],
            }],
        }],
        recognitions: vec![
            Recognition {
                jurisdiction: "SG".parse().unwrap(),
                subject: Recognised::Institution("bank-sg".parse().unwrap()),
                until,
            },
            Recognition {
                jurisdiction: "SG".parse().unwrap(),
                subject: Recognised::CredentialType("urn:x".to_owned()),
                until,
            },
        ],
    }
}

fn without_entries() -> TrustList {
    TrustList {
        issuers: vec![],
        institutions: vec![],
        providers: vec![],
        verifiers: vec![],
        recognitions: vec![],
        ..list()
    }
}

#[test]
fn the_edits_of_a_list_make_it_again_through_json() {
    let json = serde_json::to_string(&trust_edits_of(&list())).unwrap();
    let edits: Vec<TrustEdit> = serde_json::from_str(&json).unwrap();
    let mut made = without_entries();
    for edit in edits {
        made.apply(edit).unwrap();
    }
    assert_eq!(made, list());
}

#[test]
fn each_removal_empties_its_part_and_is_refused_the_second_time() {
    let mut list = list();
    let removals = [
        r#"{"edit":"remove-issuer-key","url":"http://localhost:7003/tax-nl","kid":"a"}"#,
        r#"{"edit":"remove-issuer","url":"http://localhost:7003/tax-nl"}"#,
        r#"{"edit":"remove-institution","institution":"bank-nl"}"#,
        r#"{"edit":"remove-provider","provider":"fx-dealer"}"#,
        r#"{"edit":"remove-verifier","client_id":"bank-nl"}"#,
        r#"{"edit":"remove-recognition","recognition":{"jurisdiction":"SG",
            "kind":"institution","subject":"bank-sg","until_seconds":0}}"#,
        r#"{"edit":"remove-recognition","recognition":{"jurisdiction":"SG",
            "kind":"credential-type","subject":"urn:x","until_seconds":0}}"#,
    ];
    for text in removals {
        let edit: TrustEdit = serde_json::from_str(text).unwrap();
        assert_eq!(list.apply(edit.clone()), Ok(()), "{text}");
        assert!(list.apply(edit).unwrap_err().contains("not on the list"), "{text}");
    }
    assert_eq!(list, without_entries());
}

#[test]
fn one_key_for_two_institutions_is_not_published() {
    let mut list = list();
    assert_eq!(list.check(), Ok(()));
    let mut second = list.institutions[0].clone();
    second.institution = "bank-xx".parse().unwrap();
    list.institutions.push(second);
    assert!(list.check().is_err());
}
