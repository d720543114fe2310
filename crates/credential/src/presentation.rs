//! The OpenID4VP 1.0 authorization request: who asks, for what, over which terms.
//!
//! Kept to what both of our sides do: `vp_token` by `direct_post`, one DCQL query, at most one
//! transaction data entry of our registered type. Everything else is refused rather than ignored.

use record::{AnyTerms, TermsStringError};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::json::{JsonError, read_object, text};
use crate::query::{Query, QueryError};

/// The prefix of a `client_id` that is its own response URI.
pub const REDIRECT_URI_PREFIX: &str = "redirect_uri:";
/// The longest nonce, in characters: a MAC and its expiry take 64.
pub const NONCE_CHARACTERS_MAX: usize = 512;

/// A request for a presentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentationRequest {
    /// Who asks: `redirect_uri:` and the response URI, or the origin that it lies under.
    pub client_id: String,
    /// Where the answer goes.
    pub response_uri: String,
    /// Binds the answer to this request. The edge makes it as a MAC over payment, quote and
    /// expiry, so that no session need be kept.
    pub nonce: String,
    /// Comes back with the answer.
    pub state: Option<String>,
    /// What is asked for.
    pub query: Query,
    /// The terms string that the mandate's key is to sign, if a payment is decided.
    pub terms: Option<String>,
}

/// Why a request is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not a JSON object.
    #[error("request: {0}")]
    Json(JsonError),
    /// A parameter is missing, or has a value that we do not support.
    #[error("expected `{name}` to be {expected}")]
    BadParameter {
        /// The parameter.
        name: &'static str,
        /// What it should be, in words.
        expected: &'static str,
    },
    /// The `client_id` claims a response URI that is not the request's.
    #[error("`client_id` and `response_uri` differ")]
    OtherResponseUri,
    /// The query.
    #[error("request: {0}")]
    Query(QueryError),
    /// The transaction data.
    #[error("transaction data: {0}")]
    Terms(TermsStringError),
}

impl PresentationRequest {
    /// The request as JSON, as a wallet fetches it or a request object carries it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut request = json!({
            "response_type": "vp_token",
            "response_mode": "direct_post",
            "client_id": self.client_id,
            "response_uri": self.response_uri,
            "nonce": self.nonce,
            "dcql_query": self.query.to_json(),
            "client_metadata": {
                "vp_formats_supported": {
                    "dc+sd-jwt": {
                        "sd-jwt_alg_values": ["ES256"],
                        "kb-jwt_alg_values": ["ES256"],
                    },
                },
            },
        });
        if let Some(object) = request.as_object_mut() {
            if let Some(state) = &self.state {
                object.insert("state".to_owned(), state.as_str().into());
            }
            if let Some(terms) = &self.terms {
                object.insert("transaction_data".to_owned(), json!([terms]));
            }
        }
        request
    }

    /// Reads a request.
    pub fn read(bytes: &[u8]) -> Result<Self, RequestError> {
        let request = read_object(bytes).map_err(RequestError::Json)?;
        exactly(&request, "response_type", "vp_token")?;
        exactly(&request, "response_mode", "direct_post")?;
        let client_id = required(&request, "client_id")?;
        let response_uri = required(&request, "response_uri")?;
        if !answers_go_home(&client_id, &response_uri) {
            return Err(RequestError::OtherResponseUri);
        }
        let nonce = required(&request, "nonce")?;
        if nonce.len() > NONCE_CHARACTERS_MAX {
            return Err(bad("nonce", "at most 512 characters"));
        }
        let query = request.get("dcql_query").ok_or_else(|| bad("dcql_query", "present"))?;
        let query = Query::read(query).map_err(RequestError::Query)?;
        let terms = read_terms(&request)?;
        if terms.is_some() && !query.ids().contains(&record::MANDATE_QUERY_ID) {
            return Err(bad("transaction_data", "signed by a credential of the query"));
        }
        Ok(Self {
            query,
            state: text(&request, "state").map(str::to_owned),
            terms,
            client_id,
            response_uri,
            nonce,
        })
    }

    /// The transaction data strings that credential query `id` must sign.
    #[must_use]
    pub fn transaction_data_for(&self, id: &str) -> &[String] {
        match &self.terms {
            Some(terms) if id == record::MANDATE_QUERY_ID => core::slice::from_ref(terms),
            Some(_) | None => &[],
        }
    }
}

/// Whether the answer goes to whom the audience names.
///
/// Without this, somebody could ask in a bank's name, take the answer and hand it to the bank. A
/// prefixed `client_id` is its own response URI; a plain one is an origin that the URI lies under.
fn answers_go_home(client_id: &str, response_uri: &str) -> bool {
    match client_id.strip_prefix(REDIRECT_URI_PREFIX) {
        Some(uri) => uri == response_uri,
        None => {
            let origin = client_id.contains("://") && !client_id.ends_with('/');
            origin && response_uri.strip_prefix(client_id).is_some_and(|rest| rest.starts_with('/'))
        }
    }
}

fn read_terms(request: &Map<String, Value>) -> Result<Option<String>, RequestError> {
    let Some(entries) = request.get("transaction_data") else { return Ok(None) };
    let refused = || bad("transaction_data", "one terms string");
    let entries = entries.as_array().ok_or_else(refused)?;
    let [entry] = entries.as_slice() else { return Err(refused()) };
    let terms = entry.as_str().ok_or_else(refused)?;
    AnyTerms::from_terms_string(terms).map_err(RequestError::Terms)?;
    Ok(Some(terms.to_owned()))
}

fn required(request: &Map<String, Value>, name: &'static str) -> Result<String, RequestError> {
    text(request, name)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| bad(name, "a text that is not empty"))
}

fn exactly(
    request: &Map<String, Value>,
    name: &'static str,
    expected: &'static str,
) -> Result<(), RequestError> {
    if text(request, name) == Some(expected) { Ok(()) } else { Err(bad(name, expected)) }
}

const fn bad(name: &'static str, expected: &'static str) -> RequestError {
    RequestError::BadParameter { name, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::request;

    fn read(change: impl Fn(&mut Value)) -> Result<PresentationRequest, RequestError> {
        let mut json = request().to_json();
        change(&mut json);
        PresentationRequest::read(json.to_string().as_bytes())
    }

    #[test]
    fn what_we_do_not_support_is_refused() {
        #[expect(clippy::type_complexity, reason = "a table of one-line changes, read once")]
        let rows: [(&str, fn(&mut Value)); 9] = [
            ("mode", |json| json["response_mode"] = "direct_post.jwt".into()),
            ("type", |json| json["response_type"] = "code".into()),
            ("nonce", |json| json["nonce"] = "".into()),
            ("long nonce", |json| json["nonce"] = "n".repeat(513).into()),
            ("no query", |json| json["dcql_query"] = Value::Null),
            ("two entries", |json| {
                let terms = json["transaction_data"][0].clone();
                json["transaction_data"] = json!([terms, terms]);
            }),
            ("unreadable terms", |json| json["transaction_data"] = json!(["e30"])),
            ("no signer", |json| {
                let query = &mut json["dcql_query"]["credentials"];
                query.as_array_mut().unwrap().retain(|one| one["id"] != "mandate");
            }),
            ("elsewhere", |json| json["response_uri"] = "https://thief.example/".into()),
        ];
        assert!(read(|_| {}).is_ok());
        for (name, change) in rows {
            assert!(read(change).is_err(), "{name}");
        }
    }

    #[test]
    fn an_answer_goes_only_to_whom_the_audience_names() {
        let rows = [
            ("redirect_uri:https://a.example/r", "https://a.example/r", true),
            ("redirect_uri:https://a.example/r", "https://a.example/s", false),
            ("https://a.example", "https://a.example/r", true),
            ("https://a.example", "https://a.example.thief.example/r", false),
            ("https://a.example", "https://thief.example/r", false),
            ("bank-nl", "https://thief.example/r", false),
            ("https://a.example/", "https://a.example//r", false),
        ];
        for (client_id, response_uri, expected) in rows {
            assert_eq!(answers_go_home(client_id, response_uri), expected, "{client_id}");
        }
    }
}
