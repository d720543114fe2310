//! What the issuers know of companies: `subjects.json`, which their operator keeps.

use core::time::Duration;
use std::path::Path;

use api::json::{JsonLimits, read_json_within};
use credential::claims::{COMPANY_ID, names};
use credential::issuance::IssuableType;
use credential::{
    ACCOUNT_OWNERSHIP, AccountOwnership, COMPANY_REGISTRATION, CREDIT_BAND, CompanyRegistration,
    CredentialClaims, CreditBand, MANDATE, Mandate, TAX_STANDING, TaxStanding,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use terms::CompanyId;

use crate::roles::common::RoleError;

/// `subjects.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    /// One per credential that may be offered.
    pub subjects: Vec<Subject>,
}

/// One credential that may be offered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Names it in offers, such as `brightwater-registration`.
    pub id: String,
    /// Which issuer says so.
    pub issuer: String,
    /// The `vct`.
    pub credential_type: String,
    /// The claims, all of the type's.
    pub claims: Map<String, Value>,
}

impl Subject {
    /// A subject from typed claims.
    #[must_use]
    pub fn of<C: CredentialClaims>(id: &str, issuer: &str, claims: &C) -> Self {
        Self {
            id: id.to_owned(),
            issuer: issuer.to_owned(),
            credential_type: C::TYPE.to_owned(),
            claims: claims.to_claims(),
        }
    }

    /// The claim paths of `issuable` that exist here, each selectively disclosable.
    pub(super) fn selective(&self, issuable: &IssuableType) -> Vec<Vec<String>> {
        let claims = Value::Object(self.claims.clone());
        let exists =
            |path: &Vec<String>| path.iter().try_fold(&claims, |at, name| at.get(name)).is_some();
        issuable.paths.iter().map(|path| names(path)).filter(exists).collect()
    }

    /// Refuses claims that the type does not have, and a subject without a company.
    pub(super) fn check(&self, issuable: &IssuableType) -> Result<(), String> {
        let known: Vec<Vec<String>> = issuable.paths.iter().map(|path| names(path)).collect();
        for name in self.claims.keys() {
            if !known.iter().any(|path| path.first() == Some(name)) {
                let kind = &issuable.credential_type;
                return Err(format!("subject `{}`: `{kind}` has no claim `{name}`", self.id));
            }
        }
        let company = self.claims.get(COMPANY_ID).and_then(Value::as_str);
        let company: Option<CompanyId> = company.and_then(|text| text.parse().ok());
        company.map(|_| ()).ok_or_else(|| format!("subject `{}`: expected a company", self.id))
    }
}

impl Subjects {
    /// Reads `subjects.json`.
    pub(super) fn read(dir: &Path) -> Result<Self, RoleError> {
        let path = dir.join(SUBJECTS_FILE);
        let wrong = |reason: String| RoleError::Configuration { path: path.clone(), reason };
        let bytes = std::fs::read(&path).map_err(|e| wrong(e.to_string()))?;
        let subjects: Self = read_json_within(&bytes, LIMITS).map_err(|e| wrong(e.to_string()))?;
        let mut ids: Vec<&str> = subjects.subjects.iter().map(|one| one.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair.first() == pair.last()) {
            None => Ok(subjects),
            Some(pair) => Err(wrong(format!("{pair:?}: an id stands twice"))),
        }
    }
}

/// One of our types with its claim paths.
pub(super) fn issuable(credential_type: &str, lifetime: Duration) -> Option<IssuableType> {
    Some(match credential_type {
        COMPANY_REGISTRATION => IssuableType::of::<CompanyRegistration>(lifetime),
        MANDATE => IssuableType::of::<Mandate>(lifetime),
        TAX_STANDING => IssuableType::of::<TaxStanding>(lifetime),
        CREDIT_BAND => IssuableType::of::<CreditBand>(lifetime),
        ACCOUNT_OWNERSHIP => IssuableType::of::<AccountOwnership>(lifetime),
        _ => return None,
    })
}

/// The file beside `role.json`.
pub(super) const SUBJECTS_FILE: &str = "subjects.json";
/// Some ten thousand subjects of a few hundred bytes.
const LIMITS: JsonLimits = JsonLimits { bytes: 16 << 20, depth: 24 };
