//! A small world for tests: three issuers, one company with four credentials, one edge that asks.

use core::time::Duration;
use std::collections::BTreeMap;

use record::{
    Action, ChargeBearer, IssuerKey, PaymentTerms, Recognised, Recognition, RegisteredClaims,
    RegisteredVerifier, TrustList, TrustedIssuer,
};
use seal::{Digest, Es256SigningKey};
use terms::{AccountId, Amount, BusinessDate, Instant, Minor, PaymentId};

use crate::claims::{
    Address, COMPANY_REGISTRATION, CREDIT_BAND, CompanyRegistration, CredentialClaims, CreditBand,
    MANDATE, Mandate, Standing, TAX_STANDING, TaxStanding, names,
};
use crate::party::Expectation;
use crate::presentation::PresentationRequest;
use crate::query::{Query, Requirement, build_query};
use crate::sd_jwt_vc::{CredentialDraft, HeldCredential, issue};
use crate::status::{
    CredentialStatus, HighWater, StatusBits, StatusList, StatusListHeading, StatusReference,
};
use crate::trust::TrustSnapshot;

pub(crate) const NOW: Instant = Instant::from_seconds(1_795_380_000);
pub(crate) const REGISTER: &str = "https://register.nl.example";
pub(crate) const BUREAU: &str = "https://bureau.sg.example";
pub(crate) const LIST: &str = "https://register.nl.example/status/1";
pub(crate) const EDGE: &str = "redirect_uri:https://edge.bank-nl.example/response";
pub(crate) const COMPANY: &str = "nl-kvk:68750110";

pub(crate) fn key(number: u8) -> Es256SigningKey {
    Es256SigningKey::from_scalar(&[number; 32]).unwrap()
}

pub(crate) fn register_key() -> Es256SigningKey {
    key(1)
}

pub(crate) fn bureau_key() -> Es256SigningKey {
    key(2)
}

/// The key of the employee whose mandate it is.
pub(crate) fn holder_key() -> Es256SigningKey {
    key(3)
}

pub(crate) fn registration(company: &str) -> CompanyRegistration {
    CompanyRegistration {
        company: company.parse().unwrap(),
        legal_name: "Tulip Machines B.V.".to_owned(),
        jurisdiction: "NL".parse().unwrap(),
        legal_form: "B.V.".to_owned(),
        registered_on: BusinessDate::from_days(17_000),
        standing: "active".to_owned(),
        activity: "28.99".to_owned(),
        address: Address {
            street: "Keizersgracht 1".to_owned(),
            postal_code: "1015 AA".to_owned(),
            locality: "Amsterdam".to_owned(),
            country: "NL".parse().unwrap(),
        },
        lei: None,
        directors: vec!["A. Jansen".to_owned(), "B. de Vries".to_owned()],
    }
}

pub(crate) fn mandate(company: &str) -> Mandate {
    Mandate {
        mandate_id: "mandate-7".to_owned(),
        company: company.parse().unwrap(),
        person: "p-4711".to_owned(),
        role: "treasurer".to_owned(),
        limit: Amount::new(Minor::new(5_000_000), "EUR.2@tcb-sandbox".parse().unwrap()),
        approvals_required: 1,
        valid_until: BusinessDate::from_days(21_000),
    }
}

pub(crate) fn tax(company: &str) -> TaxStanding {
    TaxStanding {
        company: company.parse().unwrap(),
        standing: Standing::Good,
        as_of: NOW.date(),
        residence: "NL".parse().unwrap(),
        tax_number: "NL857587973B01".to_owned(),
    }
}

pub(crate) fn credit(company: &str) -> CreditBand {
    CreditBand {
        company: company.parse().unwrap(),
        band: 'B',
        score: 640,
        as_of: NOW.date(),
        model: "bureau-3".to_owned(),
        years_on_file: 9,
    }
}

fn salts(count: usize, seed: u8) -> Vec<[u8; 16]> {
    (0..count)
        .map(|n| [seed, u8::try_from(n).unwrap(), 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7])
        .collect()
}

pub(crate) fn draft<C: CredentialClaims>(
    claims: &C,
    issuer: &'static str,
    index: Option<u64>,
) -> CredentialDraft<'static> {
    let life = if index.is_some() { 90 * 86_400 } else { 43_200 };
    CredentialDraft {
        issuer,
        key_id: "k1",
        credential_type: C::TYPE,
        claims: claims.to_claims(),
        selective: claims.selective(),
        holder: holder_key().public_key(),
        issued_at: NOW.minus(Duration::from_secs(3_600)),
        expires_at: NOW.plus(Duration::from_secs(life)),
        status: index.map(|index| StatusReference { uri: LIST.to_owned(), index }),
    }
}

pub(crate) fn issued(draft: &CredentialDraft<'_>, key: &Es256SigningKey) -> HeldCredential {
    let seed = u8::try_from(draft.credential_type.len()).unwrap();
    let text = issue(draft, key, &salts(draft.selective.len(), seed)).unwrap();
    HeldCredential::accept(&text, &key.public_key(), &draft.holder, NOW).unwrap()
}

/// Registration, mandate, tax standing and credit band of one company.
pub(crate) fn wallet() -> Vec<HeldCredential> {
    vec![
        issued(&draft(&registration(COMPANY), REGISTER, Some(10)), &register_key()),
        issued(&draft(&mandate(COMPANY), REGISTER, Some(11)), &register_key()),
        issued(&draft(&tax(COMPANY), REGISTER, Some(12)), &register_key()),
        issued(&draft(&credit(COMPANY), BUREAU, None), &bureau_key()),
    ]
}

pub(crate) fn terms() -> PaymentTerms {
    PaymentTerms {
        payment: PaymentId::from_bytes([1; 16]),
        environment: "sandbox".parse().unwrap(),
        book: "settlement".parse().unwrap(),
        corridor: "nl-sg".parse().unwrap(),
        action: Action::Pay,
        debited_account: AccountId::from_bytes([2; 16]),
        credited_account: AccountId::from_bytes([3; 16]),
        payee_name: "Straits Components Pte. Ltd.".to_owned(),
        debited: Amount::new(Minor::new(862_345), "EUR.2@tcb-sandbox".parse().unwrap()),
        credited: Amount::new(Minor::new(1_240_000), "SGD.2@tcb-sandbox".parse().unwrap()),
        fees: Vec::new(),
        charge_bearer: ChargeBearer::Shared,
        linked_payment: None,
        quote_hash: Digest::from_bytes([4; 32]),
        invoice_hash: Digest::from_bytes([5; 32]),
        purpose: "SUPP".to_owned(),
        expires_at: NOW.plus(Duration::from_secs(60)),
    }
}

pub(crate) fn requirement(id: &str, credential_type: &str, paths: &[&str]) -> Requirement {
    Requirement {
        id: id.to_owned(),
        credential_type: credential_type.to_owned(),
        claims: paths.iter().map(|path| names(path)).collect(),
        issuers: Vec::new(),
    }
}

pub(crate) fn query() -> Query {
    build_query(&[
        requirement("registration", COMPANY_REGISTRATION, &["legal_name", "address.country"]),
        requirement("mandate", MANDATE, &["may_pay", "limit", "mandate_id"]),
        requirement("tax", TAX_STANDING, &["good_standing"]),
        requirement("credit", CREDIT_BAND, &["score_over_500"]),
    ])
    .unwrap()
}

pub(crate) fn request() -> PresentationRequest {
    PresentationRequest {
        client_id: EDGE.to_owned(),
        response_uri: EDGE.trim_start_matches("redirect_uri:").to_owned(),
        nonce: "nonce-1".to_owned(),
        state: Some("s".to_owned()),
        query: query(),
        terms: Some(terms().to_terms_string()),
    }
}

fn listed(url: &str, key: &Es256SigningKey, types: &[&str]) -> TrustedIssuer {
    TrustedIssuer {
        url: url.to_owned(),
        name: url.to_owned(),
        keys: vec![IssuerKey {
            kid: "k1".to_owned(),
            key: key.public_key(),
            valid_from: Instant::EPOCH,
            valid_until: NOW.plus(Duration::from_secs(86_400 * 365)),
        }],
        credential_types: types.iter().map(|one| (*one).to_owned()).collect(),
    }
}

pub(crate) fn list(jurisdiction: &str, issuers: Vec<TrustedIssuer>) -> TrustList {
    TrustList {
        layout: 1,
        environment: "sandbox".parse().unwrap(),
        jurisdiction: jurisdiction.parse().unwrap(),
        version: 8,
        issued_at: NOW,
        next_update: NOW.plus(Duration::from_secs(86_400)),
        issuers,
        institutions: Vec::new(),
        providers: Vec::new(),
        verifiers: Vec::new(),
        recognitions: Vec::new(),
    }
}

/// NL trusts its register for three types, and Singapore's bureau for credit bands.
pub(crate) fn trust() -> TrustSnapshot {
    let types = [COMPANY_REGISTRATION, MANDATE, TAX_STANDING];
    let mut home = list("NL", vec![listed(REGISTER, &register_key(), &types)]);
    home.recognitions.push(Recognition {
        jurisdiction: "SG".parse().unwrap(),
        subject: Recognised::CredentialType(CREDIT_BAND.to_owned()),
        until: NOW.plus(Duration::from_secs(86_400)),
    });
    home.verifiers.push(RegisteredVerifier {
        client_id: EDGE.to_owned(),
        purpose: "decide a payment".to_owned(),
        claims: vec![RegisteredClaims {
            credential_type: MANDATE.to_owned(),
            paths: ["company_id", "may_pay", "limit", "mandate_id"].map(str::to_owned).to_vec(),
        }],
    });
    let away = list("SG", vec![listed(BUREAU, &bureau_key(), &[CREDIT_BAND, TAX_STANDING])]);
    TrustSnapshot::new(home, vec![away]).unwrap()
}

/// The register's status list, signed at `issued_at`, with some entries set.
pub(crate) fn status_token(issued_at: Instant, entries: &[(u64, CredentialStatus)]) -> String {
    let mut list = StatusList::new(StatusBits::Two, 1_000).unwrap();
    for (index, status) in entries {
        list.set(*index, *status).unwrap();
    }
    let heading = StatusListHeading {
        uri: LIST,
        issuer: REGISTER,
        key_id: "k1",
        issued_at,
        expires_at: issued_at.plus(Duration::from_secs(7_200)),
        time_to_live: Duration::from_secs(600),
    };
    list.publish(&heading, &register_key()).unwrap()
}

/// Everything an expectation borrows.
pub(crate) struct World {
    pub(crate) request: PresentationRequest,
    pub(crate) trust: TrustSnapshot,
    pub(crate) status_lists: BTreeMap<String, String>,
    pub(crate) high_water: HighWater,
    pub(crate) now: Instant,
}

pub(crate) fn world() -> World {
    let token = status_token(NOW.minus(Duration::from_secs(300)), &[]);
    World {
        request: request(),
        trust: trust(),
        status_lists: BTreeMap::from([(LIST.to_owned(), token)]),
        high_water: HighWater::default(),
        now: NOW,
    }
}

impl World {
    pub(crate) fn expectation(&self) -> Expectation<'_> {
        Expectation {
            request: &self.request,
            trust: &self.trust,
            status_lists: &self.status_lists,
            high_water: &self.high_water,
            status_age_max: Duration::from_secs(3_600),
            now: self.now,
        }
    }
}
