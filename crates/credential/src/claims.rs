//! The five credential types of a company, as typed claims.
//!
//! Every type discloses `company_id`, a [`terms::CompanyId`] with its scheme: that is what ties
//! registration, mandate, tax standing, credit band and account together. Each claim about the
//! company is selectively disclosable; nested objects are so member by member.

use serde_json::{Map, Value, json};
use terms::{AccountId, Amount, AssetCode, BusinessDate, CompanyId, Jurisdiction, Minor};
use thiserror::Error;

use crate::sd_jwt_vc::PathStep;

/// Company registration, from a register.
pub const COMPANY_REGISTRATION: &str = "urn:wayleave:vc:company-registration:1";
/// A mandate: who may pay for the company, up to what.
pub const MANDATE: &str = "urn:wayleave:vc:mandate:1";
/// Tax standing, from a tax office.
pub const TAX_STANDING: &str = "urn:wayleave:vc:tax-standing:1";
/// A credit band, from a bureau. Lives a day at most, so that nothing need be tracked.
pub const CREDIT_BAND: &str = "urn:wayleave:vc:credit-band:1";
/// Account ownership, from the institution that holds the account.
pub const ACCOUNT_OWNERSHIP: &str = "urn:wayleave:vc:account-ownership:1";

/// The claim that every type discloses.
pub const COMPANY_ID: &str = "company_id";

/// What an issuer says about a company, ready for a [`crate::CredentialDraft`].
pub trait CredentialClaims {
    /// The `vct`.
    const TYPE: &'static str;
    /// What people call it.
    const NAME: &'static str;
    /// Every claim path of the type, each selectively disclosable, members joined by `.`.
    const PATHS: &'static [&'static str];

    /// The claims as JSON. An optional claim that is absent is left out.
    fn to_claims(&self) -> Map<String, Value>;

    /// The paths that are selectively disclosable in these very claims.
    fn selective(&self) -> Vec<Vec<String>> {
        let claims = Value::Object(self.to_claims());
        let exists =
            |path: &Vec<String>| path.iter().try_fold(&claims, |at, name| at.get(name)).is_some();
        Self::PATHS.iter().map(|path| names(path)).filter(exists).collect()
    }
}

/// The member names of a dotted path.
#[must_use]
pub fn names(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// The claim path of a dotted path.
#[must_use]
pub fn steps(path: &str) -> Vec<PathStep> {
    path.split('.').map(|name| PathStep::Member(name.to_owned())).collect()
}

/// A claim that is not what its type says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected claim `{name}` to be {expected}")]
pub struct BadClaim {
    /// The claim.
    pub name: &'static str,
    /// What it should be, in words.
    pub expected: &'static str,
}

/// A structured address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// Postal code.
    pub postal_code: String,
    /// Town.
    pub locality: String,
    /// Country.
    pub country: Jurisdiction,
}

/// What a register says about a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyRegistration {
    /// The company, with its scheme.
    pub company: CompanyId,
    /// The legal name.
    pub legal_name: String,
    /// Where it is registered.
    pub jurisdiction: Jurisdiction,
    /// The legal form, such as `B.V.`.
    pub legal_form: String,
    /// Since when.
    pub registered_on: BusinessDate,
    /// `active`, `dissolved`, `insolvent`.
    pub standing: String,
    /// NACE or SSIC code of what it does.
    pub activity: String,
    /// The registered address.
    pub address: Address,
    /// The LEI, if it has one.
    pub lei: Option<String>,
    /// The names of its directors.
    pub directors: Vec<String>,
}

/// Who may pay for a company, up to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mandate {
    /// The mandate's own id, under which its use is counted.
    pub mandate_id: String,
    /// The company it is for.
    pub company: CompanyId,
    /// A pseudonym of the person.
    pub person: String,
    /// The person's role.
    pub role: String,
    /// The most that one payment may take.
    pub limit: Amount,
    /// How many different persons must sign a payment.
    pub approvals_required: u8,
    /// The last day on which it is good.
    pub valid_until: BusinessDate,
}

/// What a tax office says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxStanding {
    /// The company.
    pub company: CompanyId,
    /// Whether nothing is overdue.
    pub standing: Standing,
    /// On which day.
    pub as_of: BusinessDate,
    /// Where it is resident for tax.
    pub residence: Jurisdiction,
    /// Its VAT or GST number.
    pub tax_number: String,
}

/// Whether taxes are paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is overdue.
    Good,
    /// Something is overdue.
    Overdue,
}

/// A credit band, and whether the score exceeds each of some marks: a verifier learns one mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditBand {
    /// The company.
    pub company: CompanyId,
    /// `A` (best) to `E`.
    pub band: char,
    /// The score, 0 to 1000: never disclosed, the `score_over_…` claims are made from it.
    pub score: u16,
    /// On which day.
    pub as_of: BusinessDate,
    /// Which model computed it.
    pub model: String,
    /// How many years are on file.
    pub years_on_file: u16,
}

/// What an institution says about one of its accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountOwnership {
    /// The company that owns it.
    pub company: CompanyId,
    /// The account.
    pub account: AccountId,
    /// The institution that holds it.
    pub institution: terms::InstitutionName,
    /// The asset it holds.
    pub asset: AssetCode,
    /// The holder's name as the institution knows it.
    pub holder_name: String,
}

impl CredentialClaims for CompanyRegistration {
    const TYPE: &'static str = COMPANY_REGISTRATION;
    const NAME: &'static str = "Company registration";
    const PATHS: &'static [&'static str] = &[
        COMPANY_ID,
        "legal_name",
        "jurisdiction",
        "legal_form",
        "registered_on",
        "standing",
        "activity",
        "address.street",
        "address.postal_code",
        "address.locality",
        "address.country",
        "lei",
        "directors",
    ];

    fn to_claims(&self) -> Map<String, Value> {
        let mut claims = object(json!({
            COMPANY_ID: self.company.as_str(),
            "legal_name": self.legal_name,
            "jurisdiction": self.jurisdiction.as_str(),
            "legal_form": self.legal_form,
            "registered_on": self.registered_on.to_string(),
            "standing": self.standing,
            "activity": self.activity,
            "address": {
                "street": self.address.street,
                "postal_code": self.address.postal_code,
                "locality": self.address.locality,
                "country": self.address.country.as_str(),
            },
            "directors": self.directors,
        }));
        if let Some(lei) = &self.lei {
            claims.insert("lei".to_owned(), lei.as_str().into());
        }
        claims
    }
}

impl CredentialClaims for Mandate {
    const TYPE: &'static str = MANDATE;
    const NAME: &'static str = "Mandate to pay";
    const PATHS: &'static [&'static str] = &[
        COMPANY_ID,
        "mandate_id",
        "person",
        "role",
        "may_pay",
        "limit",
        "approvals_required",
        "valid_until",
    ];

    fn to_claims(&self) -> Map<String, Value> {
        object(json!({
            COMPANY_ID: self.company.as_str(),
            "mandate_id": self.mandate_id,
            "person": self.person,
            "role": self.role,
            "may_pay": true,
            "limit": {
                "minor": self.limit.minor.to_string(),
                "asset": self.limit.asset.as_str(),
            },
            "approvals_required": self.approvals_required,
            "valid_until": self.valid_until.to_string(),
        }))
    }
}

impl CredentialClaims for TaxStanding {
    const TYPE: &'static str = TAX_STANDING;
    const NAME: &'static str = "Tax standing";
    const PATHS: &'static [&'static str] =
        &[COMPANY_ID, "good_standing", "as_of", "residence", "tax_number"];

    fn to_claims(&self) -> Map<String, Value> {
        object(json!({
            COMPANY_ID: self.company.as_str(),
            "good_standing": self.standing == Standing::Good,
            "as_of": self.as_of.to_string(),
            "residence": self.residence.as_str(),
            "tax_number": self.tax_number,
        }))
    }
}

impl CredentialClaims for CreditBand {
    const TYPE: &'static str = CREDIT_BAND;
    const NAME: &'static str = "Credit band";
    const PATHS: &'static [&'static str] = &[
        COMPANY_ID,
        "band",
        "as_of",
        "model",
        "years_on_file",
        "score_over_400",
        "score_over_500",
        "score_over_600",
        "score_over_700",
        "score_over_800",
    ];

    fn to_claims(&self) -> Map<String, Value> {
        let mut claims = object(json!({
            COMPANY_ID: self.company.as_str(),
            "band": self.band.to_string(),
            "as_of": self.as_of.to_string(),
            "model": self.model,
            "years_on_file": self.years_on_file,
        }));
        for mark in [400_u16, 500, 600, 700, 800] {
            claims.insert(format!("score_over_{mark}"), (self.score > mark).into());
        }
        claims
    }
}

impl CredentialClaims for AccountOwnership {
    const TYPE: &'static str = ACCOUNT_OWNERSHIP;
    const NAME: &'static str = "Account ownership";
    const PATHS: &'static [&'static str] =
        &[COMPANY_ID, "account_id", "institution", "asset", "holder_name"];

    fn to_claims(&self) -> Map<String, Value> {
        object(json!({
            COMPANY_ID: self.company.as_str(),
            "account_id": self.account.to_string(),
            "institution": self.institution.as_str(),
            "asset": self.asset.as_str(),
            "holder_name": self.holder_name,
        }))
    }
}

/// The company that claims are about.
pub fn company_of(claims: &Map<String, Value>) -> Result<CompanyId, BadClaim> {
    const REFUSED: BadClaim =
        BadClaim { name: COMPANY_ID, expected: "disclosed, with scheme and value" };
    let text = claims.get(COMPANY_ID).and_then(Value::as_str).ok_or(REFUSED)?;
    text.parse().map_err(|_| REFUSED)
}

/// The amount claim `limit`.
pub fn limit_of(claims: &Map<String, Value>) -> Result<Amount, BadClaim> {
    const REFUSED: BadClaim =
        BadClaim { name: "limit", expected: "disclosed, with `minor` and `asset`" };
    let member = |name: &str| {
        claims.get("limit").and_then(|limit| limit.get(name)).and_then(Value::as_str).ok_or(REFUSED)
    };
    let minor: Minor = member("minor")?.parse().map_err(|_| REFUSED)?;
    let asset: AssetCode = member("asset")?.parse().map_err(|_| REFUSED)?;
    Ok(Amount::new(minor, asset))
}

fn object(value: Value) -> Map<String, Value> {
    crate::json::into_object(value).unwrap_or_default()
}
