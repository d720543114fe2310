//! Published examples of the specifications, read where they lie.
//!
//! `WAYLEAVE_VECTORS` names the folder; without it `../shared/vectors` beside the workspace.
//! Absent vectors are left out with a word, but fail where `CI` is set.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::adapters::sd_jwt::{Disclosure, resolve};
use crate::adapters::status_list::Packed;
use crate::issuance::CredentialOffer;
use crate::jose::{UnverifiedJwt, key_of};
use crate::query::{Query, QueryError};
use crate::sd_jwt_vc::{Parts, hash_text};

fn vector(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("WAYLEAVE_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let file = root.join("identity").join(name);
    let bytes = std::fs::read(&file).ok();
    if bytes.is_none() {
        assert!(std::env::var_os("CI").is_none(), "vectors are missing: {}", file.display());
        println!("left out, no vectors at {}", file.display());
    }
    bytes
}

fn json_vector(name: &str) -> Option<Value> {
    Some(serde_json::from_slice(&vector(name)?).unwrap())
}

fn published(name: &'static str, typ_of: fn(&str) -> &'static str, expected: usize) {
    let Some(file) = json_vector(name) else { return };
    let keys = file["ec_jwks_in_text"].as_array().unwrap();
    let examples = file["sd_jwts"].as_array().unwrap();
    assert_eq!(examples.len(), expected);
    for example in examples {
        let compact = example["compact"].as_str().unwrap();
        let parts = Parts::read(compact).unwrap();
        let typ = typ_of(example["header"]["typ"].as_str().unwrap());
        let jwt = UnverifiedJwt::read(parts.jwt, typ).unwrap();
        let payload: Map<String, Value> = jwt.claimed().clone();
        assert_eq!(Value::Object(payload.clone()), example["payload"]);
        if let Some(index) = example["issuer_key_index"].as_u64() {
            let key = key_of(&keys[usize::try_from(index).unwrap()]).unwrap();
            jwt.verify(&key).unwrap();
        }
        let disclosed: Vec<Value> = parts.disclosures.iter().map(array_of).collect();
        assert_eq!(Value::Array(disclosed), example["disclosures"]);
        let claims = resolve(&payload, &parts.disclosures).unwrap();
        assert!(!claims.contains_key("_sd"));
        if let Some([holder, good]) = example["kb_check"].as_array().map(Vec::as_slice) {
            assert_eq!(good, &Value::Bool(true));
            let key = key_of(&keys[usize::try_from(holder.as_u64().unwrap()).unwrap()]).unwrap();
            let binding = UnverifiedJwt::read(parts.key_binding, "kb+jwt").unwrap();
            let binding = binding.verify(&key).unwrap().payload;
            assert_eq!(binding["sd_hash"], hash_text(parts.bound));
        }
        let twice = [parts.disclosures.clone(), parts.disclosures.clone()].concat();
        assert!(resolve(&payload, &twice).is_err(), "a disclosure sent twice");
    }
}

fn array_of(disclosure: &Disclosure) -> Value {
    let bytes = seal::text::from_base64url(disclosure.text()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_examples_of_rfc_9901_verify() {
    let typ = |typ: &str| if typ == "dc+sd-jwt" { "dc+sd-jwt" } else { "example+sd-jwt" };
    published("rfc9901-sd-jwt/published_examples.json", typ, 8);
}

#[test]
fn the_examples_of_sd_jwt_vc_verify() {
    published("sd-jwt-vc/published_examples.json", |_| "dc+sd-jwt", 5);
}

#[test]
fn the_status_lists_of_the_draft_say_what_it_says() {
    let Some(file) = json_vector("token-status-list/examples.json") else { return };
    let sections = file["test_vector_sections"].as_array().unwrap();
    let mut checked = 0;
    for section in sections {
        for name in section["includes"].as_array().unwrap() {
            let list = &file["examples"][name.as_str().unwrap()]["status_list"];
            if list.is_null() {
                continue;
            }
            let packed = Packed::from_claim(list).unwrap();
            for pair in section["indices"].as_array().unwrap() {
                let index = pair[0].as_u64().unwrap();
                let value = packed.value(index).unwrap();
                assert_eq!(u64::from(value), pair[1].as_u64().unwrap(), "{name} at {index}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 293);
}

#[test]
fn the_dcql_examples_are_read_and_those_without_claims_refused() {
    let names = [
        "complex_mdoc",
        "multi_credentials",
        "value_matching_simple",
        "claims_alternatives",
        "simple_mdoc",
        "simple",
        "credentials_alternatives",
    ];
    for name in names {
        let file = format!("openid4vp/1.0/examples/query_lang/{name}.json");
        let Some(query) = json_vector(&file) else { return };
        let read = Query::read(&query).unwrap();
        assert_eq!(Query::read(&read.to_json()), Ok(read), "{name}");
    }
    let unbounded = serde_json::json!({
        "credentials": [{ "id": "a", "format": "dc+sd-jwt", "meta": { "vct_values": ["x"] } }],
    });
    assert_eq!(Query::read(&unbounded), Err(QueryError::Unbounded));
}

#[test]
fn the_credential_offers_of_openid4vci_are_read() {
    let mut read = 0;
    for name in ["by_reference", "multiple_credentials", "pre-authz_code"] {
        let file = format!("openid4vci/1.0/examples/credential_offer_{name}.json");
        let Some(bytes) = vector(&file) else { return };
        let offer = CredentialOffer::read(&bytes).unwrap();
        assert!(offer.transaction_code.is_some(), "{name}");
        assert_eq!(CredentialOffer::read(offer.to_json().to_string().as_bytes()), Ok(offer));
        read += 1;
    }
    assert_eq!(read, 3);
}

#[test]
fn our_issuer_metadata_has_the_shape_of_the_published_one() {
    use crate::claims::Mandate;
    use crate::issuance::{IssuableType, IssuerProfile};
    let file = "openid4vci/1.0/examples/credential_metadata_sd_jwt_vc.json";
    let Some(published) = json_vector(file) else { return };
    let theirs =
        &published["credential_configurations_supported"]["SD_JWT_VC_example_in_OpenID4VCI"];
    let day = core::time::Duration::from_secs(86_400);
    let profile = IssuerProfile {
        url: "https://register.example".to_owned(),
        name: "Register".to_owned(),
        types: vec![IssuableType::of::<Mandate>(day)],
    };
    let ours = profile.issuer_metadata();
    let ours = &ours["credential_configurations_supported"][crate::claims::MANDATE];
    for (name, value) in theirs.as_object().unwrap() {
        let mine = ours.get(name).unwrap_or(&Value::Null);
        assert_eq!(mine.is_array(), value.is_array(), "{name}");
        assert_eq!(mine.is_object(), value.is_object(), "{name}");
        assert_eq!(mine.is_string(), value.is_string(), "{name}");
    }
    assert!(ours["credential_metadata"]["claims"][0]["path"].is_array());
}

/// One made by the Rust library, and one by @sd-jwt for JavaScript, which lives for years without
/// a status: its signatures hold, and our rule refuses it.
#[test]
fn presentations_of_other_libraries_verify() {
    use crate::sd_jwt_vc::{CredentialRefused, Presentation, PresentationCheck};
    for name in ["js", "aff"] {
        let Some(file) = json_vector(&format!("interop/{name}.json")) else { return };
        let member = |name: &str| file[name].as_str().unwrap();
        let text = member("presentation");
        let (issuer, holder) = (&file["issuer_jwk"], &file["holder_jwk"]);
        let parts = Parts::read(text).unwrap();
        let issued = UnverifiedJwt::read(parts.jwt, "dc+sd-jwt").unwrap();
        let claims = issued.verify(&key_of(issuer).unwrap()).unwrap().payload;
        assert!(resolve(&claims, &parts.disclosures).is_ok());
        let binding = UnverifiedJwt::read(parts.key_binding, "kb+jwt").unwrap();
        let binding = binding.verify(&key_of(holder).unwrap()).unwrap().payload;
        assert_eq!(binding["sd_hash"], hash_text(parts.bound));
        let check = PresentationCheck {
            audience: member("aud"),
            nonce: member("nonce"),
            transaction_data: &[],
            now: crate::jose::moment_claim(&binding, "iat").unwrap(),
        };
        let shown = Presentation::read(text).unwrap().verify(&key_of(issuer).unwrap(), &check);
        if name == "js" {
            assert_eq!(shown, Err(CredentialRefused::StatusMissing));
        } else {
            assert_eq!(shown.unwrap().disclosed().len(), parts.disclosures.len());
        }
    }
}
