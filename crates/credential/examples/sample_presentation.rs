//! Writes a presentation of a mandate that signs payment terms, and what a verifier needs to
//! check it, for `interop/npm/verify_presentation.mjs`.
//!
//! `cargo run -p wayleave-credential --example sample_presentation -- DIR`
//!
//! Keys, salts and instants are fixed and public: nothing here may be used for anything else.

use core::time::Duration;
use std::path::PathBuf;

use anyhow::Context as _;
use credential::jose::jwk_of;
use credential::sd_jwt_vc::PresentTo;
use credential::status::StatusListHeading;
use credential::{
    CredentialClaims, CredentialDraft, CredentialStatus, HeldCredential, MANDATE, Mandate,
    StatusBits, StatusList, StatusReference, issue,
};
use record::{Action, ChargeBearer, PaymentTerms};
use seal::{Digest, Es256SigningKey};
use serde_json::json;
use terms::{AccountId, Amount, BusinessDate, Instant, Minor, PaymentId};

const NOW: Instant = Instant::from_seconds(1_795_380_000);
const REGISTER: &str = "https://register.example";
const LIST: &str = "https://register.example/status/1";
const EDGE: &str = "redirect_uri:https://edge.example/response";
const NONCE: &str = "n-0S6_WzA2Mj";
const INDEX: u64 = 7;

fn main() -> anyhow::Result<()> {
    let folder: PathBuf =
        std::env::args_os().nth(1).context("expected a folder to write to")?.into();
    std::fs::create_dir_all(&folder)?;
    let register = Es256SigningKey::from_scalar(&[1; 32])?;
    let holder = Es256SigningKey::from_scalar(&[3; 32])?;
    let held = mandate(&register, &holder)?;
    let terms = terms()?.to_terms_string();
    let to = PresentTo {
        audience: EDGE,
        nonce: NONCE,
        made_at: NOW,
        transaction_data: core::slice::from_ref(&terms),
    };
    let shown = ["company_id", "may_pay", "limit"].map(credential::claims::steps);
    let presentation = held.present(&shown, &to, &holder)?;
    let expected = json!({
        "vct": MANDATE,
        "issuer_jwk": jwk_of(&register.public_key()),
        "audience": EDGE,
        "nonce": NONCE,
        "now": NOW.seconds(),
        "terms": terms,
        "disclosed": ["company_id", "may_pay", "limit"],
        "withheld": ["mandate_id", "person", "role", "approvals_required", "valid_until"],
        "status": { "uri": LIST, "index": INDEX },
    });
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text);
    write("presentation.txt", &presentation)?;
    write("expected.json", &serde_json::to_string_pretty(&expected)?)?;
    write("status_valid.jwt", &status_list(&register, CredentialStatus::Valid)?)?;
    write("status_revoked.jwt", &status_list(&register, CredentialStatus::Revoked)?)?;
    Ok(())
}

fn mandate(register: &Es256SigningKey, holder: &Es256SigningKey) -> anyhow::Result<HeldCredential> {
    let mandate = Mandate {
        mandate_id: "mandate-7".to_owned(),
        company: "nl-kvk:68750110".parse()?,
        person: "p-4711".to_owned(),
        role: "treasurer".to_owned(),
        limit: Amount::new(Minor::new(5_000_000), "EUR.2@tcb-sandbox".parse()?),
        approvals_required: 1,
        valid_until: BusinessDate::from_days(21_000),
    };
    let draft = CredentialDraft {
        issuer: REGISTER,
        key_id: "k1",
        credential_type: Mandate::TYPE,
        claims: mandate.to_claims(),
        selective: mandate.selective(),
        holder: holder.public_key(),
        issued_at: NOW.minus(Duration::from_secs(3_600)),
        expires_at: NOW.plus(Duration::from_secs(90 * 86_400)),
        status: Some(StatusReference { uri: LIST.to_owned(), index: INDEX }),
    };
    let salts: Vec<[u8; 16]> = (1..=8).map(|number| [number; 16]).collect();
    let text = issue(&draft, register, &salts)?;
    let held = HeldCredential::accept(&text, &register.public_key(), &holder.public_key(), NOW)?;
    Ok(held)
}

fn status_list(register: &Es256SigningKey, status: CredentialStatus) -> anyhow::Result<String> {
    let mut list = StatusList::new(StatusBits::Two, 1_000)?;
    list.set(INDEX, status)?;
    let heading = StatusListHeading {
        uri: LIST,
        issuer: REGISTER,
        key_id: "k1",
        issued_at: NOW.minus(Duration::from_secs(300)),
        expires_at: NOW.plus(Duration::from_secs(6_900)),
        time_to_live: Duration::from_secs(600),
    };
    Ok(list.publish(&heading, register)?)
}

fn terms() -> anyhow::Result<PaymentTerms> {
    Ok(PaymentTerms {
        payment: PaymentId::from_bytes([1; 16]),
        environment: "sandbox".parse()?,
        book: "settlement".parse()?,
        corridor: "nl-sg".parse()?,
        action: Action::Pay,
        debited_account: AccountId::from_bytes([2; 16]),
        credited_account: AccountId::from_bytes([3; 16]),
        payee_name: "Straits Components Pte. Ltd.".to_owned(),
        debited: Amount::new(Minor::new(862_345), "EUR.2@tcb-sandbox".parse()?),
        credited: Amount::new(Minor::new(1_240_000), "SGD.2@tcb-sandbox".parse()?),
        fees: Vec::new(),
        charge_bearer: ChargeBearer::Shared,
        linked_payment: None,
        quote_hash: Digest::from_bytes([4; 32]),
        invoice_hash: Digest::from_bytes([5; 32]),
        purpose: "SUPP".to_owned(),
        expires_at: NOW.plus(Duration::from_secs(60)),
    })
}
