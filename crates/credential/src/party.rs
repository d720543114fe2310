//! The verifier's end: a response becomes a [`VerifiedParty`], or a refusal that says which rule.
//!
//! `verify_response` is the only maker. A holder of a `VerifiedParty` may rely on this: every
//! presentation was signed by an issuer that the snapshot trusts for its type, is neither expired
//! nor revoked by a list of the allowed age, and was made by the holder of its key for this
//! audience and this nonce; all name one company; and where a payment is decided, the mandate's
//! key signed these very terms.

use core::time::Duration;
use std::collections::BTreeMap;

use record::{AnyTerms, MANDATE_QUERY_ID, ReliedOn};
use seal::Digest;
use serde_json::{Map, Value};
use terms::{Amount, BusinessDate, CompanyId, Instant, Jurisdiction};
use thiserror::Error;

use crate::claims::{BadClaim, MANDATE, company_of, limit_of};
use crate::jose::thumbprint;
use crate::json::{JsonError, read_object};
use crate::presentation::PresentationRequest;
use crate::query::{CREDENTIALS_MAX, QueryError};
use crate::sd_jwt_vc::{
    CredentialRefused, OpenClaims, Presentation, PresentationCheck, VerifiedPresentation,
};
use crate::status::{
    CheckedStatusList, HighWater, StatusCheck, StatusReference, StatusRefused, claimed_signature,
};
use crate::trust::{IssuerNotTrusted, ListEdition, SignatureClaim, TrustSnapshot, TrustedKey};

/// What a response is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// Our request.
    pub request: &'a PresentationRequest,
    /// Whom we trust.
    pub trust: &'a TrustSnapshot,
    /// Status list tokens at hand, by URI.
    pub status_lists: &'a BTreeMap<String, String>,
    /// The newest status lists seen.
    pub high_water: &'a HighWater,
    /// The oldest status list that the rules allow.
    pub status_age_max: Duration,
    /// The instant at which all times are judged.
    pub now: Instant,
}

/// Why a response is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PartyRefused {
    /// Not a `vp_token`: an object with one list of one presentation per credential query.
    #[error("vp_token: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// One presentation.
    #[error("`{id}`: {reason}")]
    Credential {
        /// The DCQL id.
        id: String,
        /// Why.
        reason: CredentialRefused,
    },
    /// The issuer of one presentation.
    #[error("`{id}`: {reason}")]
    Issuer {
        /// The DCQL id.
        id: String,
        /// Why.
        reason: IssuerNotTrusted,
    },
    /// The status of one credential.
    #[error("`{id}`: {reason}")]
    Status {
        /// The DCQL id.
        id: String,
        /// Why.
        reason: StatusRefused,
    },
    /// The key of a status list.
    #[error("status list of `{id}`: {reason}")]
    StatusIssuer {
        /// The DCQL id.
        id: String,
        /// Why.
        reason: IssuerNotTrusted,
    },
    /// More or less than was asked for.
    #[error("{0}")]
    Query(QueryError),
    /// A claim is not what its type says.
    #[error("`{id}`: {reason}")]
    Claim {
        /// The DCQL id.
        id: String,
        /// Which, and what it should be.
        reason: BadClaim,
    },
    /// The credentials are about different companies.
    #[error("`{id}` is about `{got}`, the others are about `{expected}`")]
    SubjectsDiffer {
        /// The DCQL id that differs.
        id: String,
        /// The company of the first credential.
        expected: CompanyId,
        /// The company of this one.
        got: CompanyId,
    },
    /// Terms were to be signed, and there is no mandate among the presentations.
    #[error("expected a credential of type `{MANDATE}` under `{MANDATE_QUERY_ID}`")]
    MandateMissing,
    /// The mandate says that it may not pay.
    #[error("the mandate may not pay")]
    MandateMayNotPay,
}

/// A party, as proved by one response to one request of ours.
// INVARIANT (OneMaker): private fields, made by `verify_response` only. Without it an edge could
// decide about a party that nobody verified.
#[derive(Clone, Debug)]
pub struct VerifiedParty {
    company: CompanyId,
    credentials: BTreeMap<String, VerifiedCredential>,
    mandate: Option<VerifiedMandate>,
    terms: Option<AnyTerms>,
    terms_digest: Option<Digest>,
    requested: Value,
    editions: Vec<ListEdition>,
    high_water: HighWater,
    verified_at: Instant,
}

/// One credential of a verified party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCredential {
    /// Its type.
    pub credential_type: String,
    /// The issuer and the key relied on.
    pub relied_on: ReliedOn,
    /// Whose trust list names the issuer.
    pub jurisdiction: Jurisdiction,
    /// RFC 7638 thumbprint of the holder's key.
    pub holder_thumbprint: Digest,
    /// The disclosed claims with the open ones.
    pub claims: Map<String, Value>,
    /// The disclosed paths, joined by dots.
    pub disclosed: Vec<String>,
    /// When it was issued.
    pub issued_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
    /// What was learned of its status; `None` for one that lives a day at most.
    pub status: Option<VerifiedStatus>,
}

/// A status that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedStatus {
    /// The list and the entry.
    pub reference: StatusReference,
    /// When the list was signed.
    pub issued_at: Instant,
    /// How old it was.
    pub age: Duration,
    /// SHA-256 of the list's token.
    pub digest: Digest,
}

/// The mandate behind a payment, as far as it was disclosed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedMandate {
    /// Its own id, under which its use is counted.
    pub mandate_id: Option<String>,
    /// The person's pseudonym.
    pub person: Option<String>,
    /// The person's role.
    pub role: Option<String>,
    /// The most that one payment may take.
    pub limit: Option<Amount>,
    /// How many different persons must sign.
    pub approvals_required: Option<u64>,
    /// The last day on which it is good.
    pub valid_until: Option<BusinessDate>,
    /// Thumbprint of the key that signed the terms.
    pub holder_thumbprint: Digest,
}

/// Verifies a response (the text of `vp_token`) against our own request.
pub fn verify_response(
    vp_token: &str,
    expectation: &Expectation<'_>,
) -> Result<VerifiedParty, PartyRefused> {
    let request = expectation.request;
    let mut high_water = expectation.high_water.clone();
    let mut presentations = BTreeMap::new();
    let mut credentials = BTreeMap::new();
    for (id, text) in read_vp_token(vp_token)? {
        let (presentation, key) = verify_one(&id, &text, expectation)?;
        let status = check_status(&id, presentation.open(), &mut high_water, expectation)?;
        credentials.insert(id.clone(), verified_credential(&presentation, key, status));
        presentations.insert(id, presentation);
    }
    request.query.check_answer(&presentations).map_err(PartyRefused::Query)?;
    let company = one_company(&presentations)?;
    let mandate = read_mandate(credentials.get(MANDATE_QUERY_ID))?;
    if request.terms.is_some() && mandate.is_none() {
        return Err(PartyRefused::MandateMissing);
    }
    let terms = request.terms.as_deref().map(AnyTerms::from_terms_string).transpose();
    let terms = terms.map_err(|error| PartyRefused::Malformed { reason: error.to_string() })?;
    Ok(VerifiedParty {
        company,
        credentials,
        mandate,
        terms_digest: terms.as_ref().map(AnyTerms::terms_digest),
        terms,
        requested: request.query.to_json(),
        editions: expectation.trust.editions(),
        high_water,
        verified_at: expectation.now,
    })
}

impl VerifiedParty {
    /// The company that all credentials name.
    #[must_use]
    pub const fn company(&self) -> CompanyId {
        self.company
    }

    /// The credentials by DCQL id.
    #[must_use]
    pub const fn credentials(&self) -> &BTreeMap<String, VerifiedCredential> {
        &self.credentials
    }

    /// The credential of a type, if one was presented.
    #[must_use]
    pub fn credential_of(&self, credential_type: &str) -> Option<&VerifiedCredential> {
        self.credentials.values().find(|one| one.credential_type == credential_type)
    }

    /// The mandate, if one was presented.
    #[must_use]
    pub const fn mandate(&self) -> Option<&VerifiedMandate> {
        self.mandate.as_ref()
    }

    /// The terms that the mandate's key signed.
    #[must_use]
    pub const fn terms(&self) -> Option<&AnyTerms> {
        self.terms.as_ref()
    }

    /// The digest of those terms.
    #[must_use]
    pub const fn terms_digest(&self) -> Option<Digest> {
        self.terms_digest
    }

    /// Issuers and keys relied on, by DCQL id.
    #[must_use]
    pub fn relied_on(&self) -> Vec<ReliedOn> {
        self.credentials.values().map(|one| one.relied_on.clone()).collect()
    }

    /// The DCQL query that was asked.
    #[must_use]
    pub const fn requested(&self) -> &Value {
        &self.requested
    }

    /// The trust lists that it rests on. The pack says what happens past `next_update`.
    #[must_use]
    pub fn editions(&self) -> &[ListEdition] {
        &self.editions
    }

    /// The oldest status list relied on, by its age.
    #[must_use]
    pub fn status_age(&self) -> Option<Duration> {
        self.credentials.values().filter_map(|one| one.status.as_ref()).map(|one| one.age).max()
    }

    /// The high-water marks after this response: to be kept before it is acted on.
    #[must_use]
    pub const fn high_water(&self) -> &HighWater {
        &self.high_water
    }

    /// The instant at which everything was judged.
    #[must_use]
    pub const fn verified_at(&self) -> Instant {
        self.verified_at
    }
}

fn read_vp_token(text: &str) -> Result<Vec<(String, String)>, PartyRefused> {
    let malformed = |reason: &str| PartyRefused::Malformed { reason: reason.to_owned() };
    let token = read_object(text.as_bytes()).map_err(|e: JsonError| malformed(&e.to_string()))?;
    if token.is_empty() || token.len() > CREDENTIALS_MAX {
        return Err(malformed("expected 1 to 8 credential queries answered"));
    }
    let mut read = Vec::new();
    for (id, presentations) in token {
        let list = presentations.as_array().map(Vec::as_slice);
        let Some([presentation]) = list else {
            return Err(malformed("expected a list of one presentation"));
        };
        let text = presentation.as_str().ok_or_else(|| malformed("expected an sd-jwt as text"))?;
        read.push((id, text.to_owned()));
    }
    Ok(read)
}

fn verify_one(
    id: &str,
    text: &str,
    expectation: &Expectation<'_>,
) -> Result<(VerifiedPresentation, TrustedKey), PartyRefused> {
    let refused = |reason| PartyRefused::Credential { id: id.to_owned(), reason };
    let presentation = Presentation::read(text).map_err(refused)?;
    let claimed = presentation.claimed();
    let claim = SignatureClaim {
        issuer: &claimed.issuer,
        key_id: claimed.key_id.as_deref(),
        credential_type: &claimed.credential_type,
        signed_at: claimed.issued_at,
    };
    let key = expectation
        .trust
        .key_for(&claim, expectation.now)
        .map_err(|reason| PartyRefused::Issuer { id: id.to_owned(), reason })?;
    let check = PresentationCheck {
        audience: &expectation.request.client_id,
        nonce: &expectation.request.nonce,
        transaction_data: expectation.request.transaction_data_for(id),
        now: expectation.now,
    };
    Ok((presentation.verify(&key.key, &check).map_err(refused)?, key))
}

/// The list must be signed by a key of the credential's own issuer.
fn check_status(
    id: &str,
    open: &OpenClaims,
    high_water: &mut HighWater,
    expectation: &Expectation<'_>,
) -> Result<Option<VerifiedStatus>, PartyRefused> {
    let refused = |reason| PartyRefused::Status { id: id.to_owned(), reason };
    let Some(reference) = open.status.clone() else { return Ok(None) };
    let uri = reference.uri.clone();
    let token = expectation
        .status_lists
        .get(&uri)
        .ok_or_else(|| refused(StatusRefused::Unavailable { uri: uri.clone() }))?;
    let (key_id, signed_at) = claimed_signature(token).map_err(refused)?;
    let claim = SignatureClaim {
        issuer: &open.issuer,
        key_id: key_id.as_deref(),
        credential_type: &open.credential_type,
        signed_at,
    };
    let key = expectation
        .trust
        .key_for(&claim, expectation.now)
        .map_err(|reason| PartyRefused::StatusIssuer { id: id.to_owned(), reason })?;
    let check = StatusCheck {
        uri: &uri,
        key: &key.key,
        now: expectation.now,
        age_max: expectation.status_age_max,
        high_water,
    };
    let list = CheckedStatusList::check(token, &check).map_err(refused)?;
    list.require_valid(reference.index).map_err(refused)?;
    high_water.raise(&list);
    let seen = list.seen();
    Ok(Some(VerifiedStatus {
        reference,
        issued_at: seen.issued_at,
        age: list.age(),
        digest: seen.digest,
    }))
}

fn verified_credential(
    presentation: &VerifiedPresentation,
    key: TrustedKey,
    status: Option<VerifiedStatus>,
) -> VerifiedCredential {
    let open = presentation.open();
    VerifiedCredential {
        credential_type: open.credential_type.clone(),
        relied_on: ReliedOn { issuer: key.issuer, kid: key.key_id },
        jurisdiction: key.jurisdiction,
        holder_thumbprint: thumbprint(&open.holder),
        claims: presentation.claims().clone(),
        disclosed: presentation
            .disclosed()
            .iter()
            .map(|path| crate::sd_jwt_vc::PathStep::join(path))
            .collect(),
        issued_at: open.issued_at,
        expires_at: open.expires_at,
        status,
    }
}

fn one_company(
    presentations: &BTreeMap<String, VerifiedPresentation>,
) -> Result<CompanyId, PartyRefused> {
    let mut company = None;
    for (id, presentation) in presentations {
        let got = company_of(presentation.claims())
            .map_err(|reason| PartyRefused::Claim { id: id.clone(), reason })?;
        let expected = *company.get_or_insert(got);
        if got != expected {
            return Err(PartyRefused::SubjectsDiffer { id: id.clone(), expected, got });
        }
    }
    company.ok_or(PartyRefused::Malformed { reason: "no presentation".to_owned() })
}

fn read_mandate(
    credential: Option<&VerifiedCredential>,
) -> Result<Option<VerifiedMandate>, PartyRefused> {
    let Some(credential) = credential else { return Ok(None) };
    if credential.credential_type != MANDATE {
        return Err(PartyRefused::MandateMissing);
    }
    let claims = &credential.claims;
    if claims.get("may_pay").is_some_and(|may| may.as_bool() != Some(true)) {
        return Err(PartyRefused::MandateMayNotPay);
    }
    let refused = |reason| PartyRefused::Claim { id: MANDATE_QUERY_ID.to_owned(), reason };
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let limit = claims.get("limit").map(|_| limit_of(claims)).transpose().map_err(refused)?;
    let valid_until = text("valid_until").map(|day| day.parse::<BusinessDate>()).transpose();
    let valid_until = valid_until.map_err(|_| {
        refused(BadClaim { name: "valid_until", expected: "a day such as `2026-11-22`" })
    })?;
    Ok(Some(VerifiedMandate {
        mandate_id: text("mandate_id"),
        person: text("person"),
        role: text("role"),
        limit,
        approvals_required: claims.get("approvals_required").and_then(Value::as_u64),
        valid_until,
        holder_thumbprint: credential.holder_thumbprint,
    }))
}

#[cfg(test)]
mod tests;
