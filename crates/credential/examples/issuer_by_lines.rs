//! An issuer that takes requests as JSON lines on standard input and answers on standard output,
//! so that somebody else's wallet can be run against it without a server:
//! `interop/npm/issue_to_openid4vc_wallet.mjs`.
//!
//! The first line it writes is a credential offer. Keys, salts and the instant are fixed and
//! public: nothing here may be used for anything else.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};

use anyhow::Context as _;
use credential::issuance::{IssuableType, Issuer, IssuerProfile, OfferDraft};
use credential::{CredentialClaims, Mandate, StatusReference};
use seal::{Es256SigningKey, Secret};
use serde_json::{Value, json};
use terms::{Amount, BusinessDate, Instant, Minor};

const NOW: Instant = Instant::from_seconds(1_795_380_000);
const REGISTER: &str = "https://register.example";

fn main() -> anyhow::Result<()> {
    let profile = IssuerProfile {
        url: REGISTER.to_owned(),
        name: "Register".to_owned(),
        types: vec![IssuableType::of::<Mandate>(Duration::from_secs(90 * 86_400))],
    };
    let key = Es256SigningKey::from_scalar(&[1; 32])?;
    let mut issuer = Issuer::new(profile, key, "k1".to_owned(), Secret::from_bytes([5; 32]));
    let offer = issuer.offer(draft()?, &[4; 32]);
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", json!({ "offer": offer.to_uri(), "now": NOW.seconds() }))?;
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let (status, body) = answer(&mut issuer, &request)?;
        writeln!(output, "{}", json!({ "status": status, "body": body }))?;
        output.flush()?;
    }
    Ok(())
}

fn draft() -> anyhow::Result<OfferDraft> {
    let mandate = Mandate {
        mandate_id: "mandate-7".to_owned(),
        company: "nl-kvk:68750110".parse()?,
        person: "p-4711".to_owned(),
        role: "treasurer".to_owned(),
        limit: Amount::new(Minor::new(5_000_000), "EUR.2@tcb-sandbox".parse()?),
        approvals_required: 1,
        valid_until: BusinessDate::from_days(21_000),
    };
    Ok(OfferDraft {
        configuration_id: Mandate::TYPE.to_owned(),
        claims: mandate.to_claims(),
        selective: mandate.selective(),
        status: Some(StatusReference { uri: format!("{REGISTER}/status/1"), index: 7 }),
        transaction_code: Some("493536".to_owned()),
        expires_at: NOW.plus(Duration::from_secs(600)),
    })
}

fn answer(issuer: &mut Issuer, request: &Value) -> anyhow::Result<(u16, Value)> {
    let member = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or("");
    let answer = match member("path") {
        "/.well-known/openid-credential-issuer" => (200, issuer.profile().issuer_metadata()),
        "/.well-known/oauth-authorization-server" => (200, issuer.profile().server_metadata()),
        "/.well-known/jwt-vc-issuer" => (200, issuer.key_document()),
        "/nonce" => (200, issuer.nonce(&[8; 16], NOW)),
        "/token" => {
            let form: BTreeMap<String, String> = request
                .get("form")
                .cloned()
                .map(serde_json::from_value)
                .context("expected a form")??;
            match issuer.token(&form, &[6; 32], NOW) {
                Ok(grant) => (200, grant.to_json()),
                Err(fault) => (400, json!({ "error": fault.to_string() })),
            }
        }
        "/credential" => {
            let token = member("authorization").trim_start_matches("Bearer ").to_owned();
            let salts: Vec<[u8; 16]> = (1..=8).map(|number| [number; 16]).collect();
            match issuer.credential(&token, member("body").as_bytes(), &salts, NOW) {
                Ok(response) => (200, response),
                Err(fault) => (fault.code.http_status(), fault.to_json()),
            }
        }
        _ => (404, json!({ "error": "not_found" })),
    };
    Ok(answer)
}
