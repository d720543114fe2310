//! The wallet's end: what would be shown to whom, and the response once its owner agrees.

use record::{AnyTerms, OutgoingTerms, PaymentTerms, TermsDiffer, TermsStringError};
use seal::Es256SigningKey;
use serde_json::{Map, Value, json};
use terms::Instant;
use thiserror::Error;

use crate::presentation::PresentationRequest;
use crate::query::QueryError;
use crate::sd_jwt_vc::{CredentialRefused, HeldCredential, PathStep, PresentTo};
use crate::trust::TrustSnapshot;

/// What the owner is asked to agree to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentView {
    /// Who asks.
    pub verifier: String,
    /// Where the answer goes.
    pub response_uri: String,
    /// The purpose that the verifier registered; `None` when no trust list names it.
    pub registered_purpose: Option<String>,
    /// One entry per credential that would be shown.
    pub credentials: Vec<ConsentCredential>,
    /// How many claims would be disclosed.
    pub disclosed_count: usize,
    /// How many selectively disclosable claims all held credentials have.
    pub held_count: usize,
    /// What is asked although the verifier did not register it, as `type path`.
    pub unregistered: Vec<String>,
    /// The exact terms that would be signed, of a payment.
    pub terms: Option<PaymentTerms>,
    /// The exact terms that would be signed, of a payment out.
    pub outgoing: Option<OutgoingTerms>,
}

/// One credential of a consent view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentCredential {
    /// The DCQL id.
    pub query_id: String,
    /// Which of the held credentials.
    pub held_index: usize,
    /// Its type.
    pub credential_type: String,
    /// Who issued it.
    pub issuer: String,
    /// The claims that would be disclosed, with their values.
    pub disclosed: Vec<(String, Value)>,
    /// How many claims it holds.
    pub held_count: usize,
}

/// Why no response can be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// The query has no answer here.
    #[error("{0}")]
    Query(QueryError),
    /// The terms cannot be read.
    #[error("terms: {0}")]
    Terms(TermsStringError),
    /// No key given fits a chosen credential.
    #[error("no key fits the holder key of `{query_id}`")]
    KeyMissing {
        /// The DCQL id.
        query_id: String,
    },
    /// A credential cannot be presented.
    #[error("`{query_id}`: {reason}")]
    Credential {
        /// The DCQL id.
        query_id: String,
        /// Why.
        reason: CredentialRefused,
    },
}

/// Why received terms are not the expected ones.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TermsRefused {
    /// They cannot be read.
    #[error("terms: {0}")]
    Unreadable(TermsStringError),
    /// A field differs.
    #[error("terms: {0}")]
    Differ(TermsDiffer),
}

/// The answer to a request: the form that is posted to `response_uri`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentationResponse {
    /// The JSON text of `vp_token`.
    pub vp_token: String,
    /// The request's `state`.
    pub state: Option<String>,
}

/// Compares received terms, field by field, with what the wallet's own quote and invoice say.
pub fn compare_terms(received: &str, expected: &PaymentTerms) -> Result<(), TermsRefused> {
    PaymentTerms::from_terms_string(received)
        .map_err(TermsRefused::Unreadable)?
        .compare(expected)
        .map_err(TermsRefused::Differ)
}

/// What `request` would show of `held`, and who asks.
pub fn consent(
    request: &PresentationRequest,
    held: &[HeldCredential],
    trust: &TrustSnapshot,
) -> Result<ConsentView, ResponseError> {
    let choices = request.query.choose(held).map_err(ResponseError::Query)?;
    let mut credentials = Vec::new();
    for choice in choices {
        let Some(credential) = held.get(choice.held_index) else { continue };
        let disclosed = credential.disclosed_by(&choice.paths);
        credentials.push(ConsentCredential {
            query_id: choice.query_id,
            held_index: choice.held_index,
            credential_type: credential.open().credential_type.clone(),
            issuer: credential.open().issuer.clone(),
            disclosed: disclosed.iter().map(|path| shown(credential, path)).collect(),
            held_count: credential.selective_count(),
        });
    }
    let terms = request.terms.as_deref().map(AnyTerms::from_terms_string).transpose();
    let (terms, outgoing) = match terms.map_err(ResponseError::Terms)? {
        Some(AnyTerms::Payment(terms)) => (Some(terms), None),
        Some(AnyTerms::Outgoing(terms)) => (None, Some(terms)),
        None => (None, None),
    };
    let verifier = trust.verifier(&request.client_id);
    Ok(ConsentView {
        verifier: request.client_id.clone(),
        response_uri: request.response_uri.clone(),
        registered_purpose: verifier.map(|verifier| verifier.purpose.clone()),
        disclosed_count: credentials.iter().map(|one| one.disclosed.len()).sum(),
        held_count: held.iter().map(HeldCredential::selective_count).sum(),
        unregistered: unregistered(verifier, &credentials),
        credentials,
        terms,
        outgoing,
    })
}

/// The response to `request`. To be called after the owner agreed to [`consent`].
///
/// `keys` are the holder keys at hand; each credential is presented with the one it is bound to.
pub fn respond(
    request: &PresentationRequest,
    held: &[HeldCredential],
    keys: &[&Es256SigningKey],
    made_at: Instant,
) -> Result<PresentationResponse, ResponseError> {
    let mut token = Map::new();
    for choice in request.query.choose(held).map_err(ResponseError::Query)? {
        let query_id = choice.query_id;
        let Some(credential) = held.get(choice.held_index) else { continue };
        let key = keys.iter().find(|key| key.public_key() == credential.open().holder);
        let Some(key) = key else { return Err(ResponseError::KeyMissing { query_id }) };
        let to = PresentTo {
            audience: &request.client_id,
            nonce: &request.nonce,
            made_at,
            transaction_data: request.transaction_data_for(&query_id),
        };
        match credential.present(&choice.paths, &to, key) {
            Ok(text) => token.insert(query_id, json!([text])),
            Err(reason) => return Err(ResponseError::Credential { query_id, reason }),
        };
    }
    Ok(PresentationResponse {
        vp_token: Value::Object(token).to_string(),
        state: request.state.clone(),
    })
}

fn shown(credential: &HeldCredential, path: &[PathStep]) -> (String, Value) {
    let mut value = credential.claims().clone().into();
    for step in path {
        let inner = match step {
            PathStep::Member(name) => Value::get(&value, name),
            PathStep::Element(index) => usize::try_from(*index).ok().and_then(|i| value.get(i)),
            PathStep::EveryElement => None,
        };
        value = inner.cloned().unwrap_or(Value::Null);
    }
    (PathStep::join(path), value)
}

fn unregistered(
    verifier: Option<&record::RegisteredVerifier>,
    credentials: &[ConsentCredential],
) -> Vec<String> {
    let registered = |credential_type: &str, path: &str| {
        verifier.is_some_and(|verifier| {
            verifier
                .claims
                .iter()
                .filter(|claims| claims.credential_type == credential_type)
                .any(|claims| claims.paths.iter().any(|one| one == path))
        })
    };
    let mut found = Vec::new();
    for credential in credentials {
        for (path, _) in &credential.disclosed {
            if !registered(&credential.credential_type, path) {
                found.push(format!("{} {path}", credential.credential_type));
            }
        }
    }
    found
}
