//! What a verifier asks: a DCQL query generated from what its rules read.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use thiserror::Error;

use crate::adapters::dcql::{Candidate, Dcql};
use crate::claims::COMPANY_ID;
use crate::sd_jwt_vc::{FORMAT, HeldCredential, PathStep, VerifiedPresentation};

/// Most credentials of one query: our packs ask for five types.
pub const CREDENTIALS_MAX: usize = 8;

/// One credential that the rules read, and the claims they read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The DCQL id, such as `mandate`.
    pub id: String,
    /// The credential type.
    pub credential_type: String,
    /// The claims, each a path of member names. `company_id` is always added.
    pub claims: Vec<Vec<String>>,
    /// The issuers that are accepted; empty for every trusted one.
    pub issuers: Vec<String>,
}

/// A DCQL query in which every credential names its claims and is bound to its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(Dcql);

/// Why a query is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Not DCQL, or not about SD-JWT VCs.
    #[error("expected a dcql query: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// A credential query without claims asks for anything, and one without binding is for
    /// anybody.
    #[error("expected every credential query to name its claims and to require holder binding")]
    Unbounded,
    /// None or more than [`CREDENTIALS_MAX`].
    #[error("expected 1 to {CREDENTIALS_MAX} credential queries, got {got}")]
    Size {
        /// How many.
        got: usize,
    },
    /// The holder has nothing that fits.
    #[error("no held credentials answer the query: {reason}")]
    NoMatch {
        /// Why.
        reason: String,
    },
    /// The presentations are not what was asked for.
    #[error("the presentations do not answer the query: {reason}")]
    NotAnswered {
        /// Why.
        reason: String,
    },
}

/// One credential chosen for one credential query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The DCQL id.
    pub query_id: String,
    /// Which of the held credentials.
    pub held_index: usize,
    /// The claims asked for.
    pub paths: Vec<Vec<PathStep>>,
}

/// Builds the query that asks for exactly what the rules read.
pub fn build_query(requirements: &[Requirement]) -> Result<Query, QueryError> {
    let credentials: Vec<Value> = requirements.iter().map(credential_query).collect();
    Query::read(&json!({ "credentials": credentials }))
}

impl Query {
    /// Reads a query as it stands in a request.
    pub fn read(value: &Value) -> Result<Self, QueryError> {
        let query = Dcql::from_json(value).map_err(|reason| QueryError::Malformed { reason })?;
        let got = query.ids().len();
        if got > CREDENTIALS_MAX {
            return Err(QueryError::Size { got });
        }
        if query.names_its_claims() { Ok(Self(query)) } else { Err(QueryError::Unbounded) }
    }

    /// The JSON of `dcql_query`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.0.to_json()
    }

    /// The DCQL ids, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.0.ids()
    }

    /// The claims asked for under one DCQL id.
    #[must_use]
    pub fn paths(&self, id: &str) -> Vec<Vec<PathStep>> {
        self.0.paths(id)
    }

    /// Chooses held credentials and the least claims that answer the query.
    pub fn choose(&self, held: &[HeldCredential]) -> Result<Vec<Choice>, QueryError> {
        let names: Vec<String> = (0..held.len()).map(|index| index.to_string()).collect();
        let candidates: Vec<Candidate<'_>> = names
            .iter()
            .zip(held)
            .map(|(id, one)| Candidate {
                id,
                credential_type: &one.open().credential_type,
                claims: one.claims(),
            })
            .collect();
        let found = self.0.matches(&candidates).map_err(|reason| QueryError::NoMatch { reason })?;
        let choice = |found: crate::adapters::dcql::Match| {
            let held_index = names.iter().position(|name| *name == found.candidate_id)?;
            Some(Choice { query_id: found.query_id, held_index, paths: found.paths })
        };
        Ok(found.into_iter().filter_map(choice).collect())
    }

    /// Whether verified presentations are what was asked for, and nothing besides.
    pub fn check_answer(
        &self,
        presented: &BTreeMap<String, VerifiedPresentation>,
    ) -> Result<(), QueryError> {
        let candidates = presented
            .iter()
            .map(|(id, one)| {
                let credential_type = &one.open().credential_type;
                (id.clone(), Candidate { id, credential_type, claims: one.claims() })
            })
            .collect();
        self.0.is_answered_by(&candidates).map_err(|reason| QueryError::NotAnswered { reason })?;
        for (id, one) in presented {
            let asked = self.paths(id);
            let unasked = one
                .disclosed()
                .iter()
                .find(|path| !asked.iter().any(|asked| PathStep::covers(asked, path)));
            if let Some(path) = unasked {
                let reason = format!("`{id}` discloses `{}` unasked", PathStep::join(path));
                return Err(QueryError::NotAnswered { reason });
            }
        }
        Ok(())
    }
}

fn credential_query(requirement: &Requirement) -> Value {
    let company = vec![COMPANY_ID.to_owned()];
    let others = requirement.claims.iter().filter(|path| **path != company);
    let mut claims: Vec<Value> =
        core::iter::once(&company).chain(others).map(|path| json!({ "path": path })).collect();
    if !requirement.issuers.is_empty() {
        // `iss` is never hidden, so asking for it discloses nothing more.
        claims.push(json!({ "path": ["iss"], "values": requirement.issuers }));
    }
    json!({
        "id": requirement.id,
        "format": FORMAT,
        "meta": { "vct_values": [requirement.credential_type] },
        "claims": claims,
    })
}

#[cfg(test)]
mod tests;
