//! `affinidi-openid4vp`, module `dcql`: the query language's types, validation and matching.

use std::collections::BTreeMap;

use affinidi_openid4vp::dcql::{CandidateCredential, ClaimPathSegment, DcqlQuery};
use serde_json::{Map, Value};

use crate::sd_jwt_vc::{FORMAT, PathStep};

/// A validated DCQL query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dcql(DcqlQuery);

/// A credential as the matcher sees it.
pub(crate) struct Candidate<'a> {
    pub(crate) id: &'a str,
    pub(crate) credential_type: &'a str,
    pub(crate) claims: &'a Map<String, Value>,
}

/// One credential query answered by one candidate, and the claims to disclose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) query_id: String,
    pub(crate) candidate_id: String,
    pub(crate) paths: Vec<Vec<PathStep>>,
}

impl Dcql {
    pub(crate) fn from_json(value: &Value) -> Result<Self, String> {
        DcqlQuery::from_json(value).map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn to_json(&self) -> Value {
        // A query that was read from JSON is written as JSON.
        self.0.to_json().unwrap_or(Value::Null)
    }

    /// The ids of the credential queries, in order.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.0.credentials.iter().map(|credential| credential.id.as_str()).collect()
    }

    /// The claim paths of credential query `id`.
    pub(crate) fn paths(&self, id: &str) -> Vec<Vec<PathStep>> {
        let query = self.0.credentials.iter().find(|credential| credential.id == id);
        let claims = query.and_then(|query| query.claims.as_deref()).unwrap_or(&[]);
        claims.iter().map(|claim| steps(&claim.path)).collect()
    }

    /// Whether every credential query has claims, one type and no way round key binding: a query
    /// without `claims` asks for whatever the wallet likes to give.
    pub(crate) fn names_its_claims(&self) -> bool {
        self.0.credentials.iter().all(|credential| {
            credential.claims.is_some() && credential.require_cryptographic_holder_binding()
        })
    }

    pub(crate) fn matches(&self, held: &[Candidate<'_>]) -> Result<Vec<Match>, String> {
        let candidates: Vec<_> = held.iter().map(candidate).collect();
        let found = self.0.match_credentials(&candidates).map_err(|error| error.to_string())?;
        let one = |found: affinidi_openid4vp::dcql::CredentialMatch| Match {
            query_id: found.credential_query_id,
            candidate_id: found.candidate_id,
            paths: found.disclosed_paths.iter().map(|path| steps(path)).collect(),
        };
        Ok(found.matches.into_iter().map(one).collect())
    }

    /// Whether verified presentations, one per id, are what was asked for.
    pub(crate) fn is_answered_by(
        &self,
        presented: &BTreeMap<String, Candidate<'_>>,
    ) -> Result<(), String> {
        let presented =
            presented.iter().map(|(id, one)| (id.clone(), vec![candidate(one)])).collect();
        self.0.evaluate_presentation(&presented).map_err(|error| error.to_string())
    }
}

fn candidate(of: &Candidate<'_>) -> CandidateCredential {
    CandidateCredential {
        id: of.id.to_owned(),
        format: FORMAT.to_owned(),
        claims: Value::Object(of.claims.clone()),
        vct: Some(of.credential_type.to_owned()),
        doctype: None,
        supports_holder_binding: true,
    }
}

fn steps(path: &[ClaimPathSegment]) -> Vec<PathStep> {
    path.iter()
        .map(|segment| match segment {
            ClaimPathSegment::Name(name) => PathStep::Member(name.clone()),
            ClaimPathSegment::Index(index) => PathStep::Element(*index),
            ClaimPathSegment::Wildcard => PathStep::EveryElement,
        })
        .collect()
}
