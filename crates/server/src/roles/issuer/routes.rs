//! The routes. Wallets are anybody: what they may do hangs on codes, tokens and key proofs.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::json::read_json;
use api::{Caller, Problem, problem};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use credential::status::STATUS_LIST_MEDIA_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::desk::{Desk, OfferRequest, Offered, Revocation, Revoked};
use super::form::read_form;
use crate::roles::start::{blocking, only_operator};
use crate::system;
use crate::web::{AsIs, Refuse};

/// The issuers of this process by name.
#[derive(Clone)]
pub(super) struct Desks(Arc<BTreeMap<String, Arc<Desk>>>);

impl Desks {
    pub(super) fn new(desks: BTreeMap<String, Arc<Desk>>) -> Self {
        Self(Arc::new(desks))
    }

    fn find(&self, name: &str) -> Result<Arc<Desk>, Refuse> {
        self.0.get(name).cloned().ok_or_else(|| Problem::of(&problem::NOT_FOUND).into())
    }
}

/// `/.well-known/openid-credential-issuer/{issuer}` (OpenID4VCI 1.0, section 12.2).
pub(super) async fn issuer_metadata(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
) -> Result<Json<Value>, Refuse> {
    Ok(Json(desks.find(&issuer)?.with(|machine| machine.profile().issuer_metadata())))
}

/// `/.well-known/oauth-authorization-server/{issuer}` (RFC 8414).
pub(super) async fn server_metadata(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
) -> Result<Json<Value>, Refuse> {
    Ok(Json(desks.find(&issuer)?.with(|machine| machine.profile().server_metadata())))
}

/// `/.well-known/jwt-vc-issuer/{issuer}` (SD-JWT VC).
pub(super) async fn keys(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
) -> Result<Json<Value>, Refuse> {
    Ok(Json(desks.find(&issuer)?.with(|machine| machine.key_document())))
}

/// `POST /{issuer}/token` (section 6).
pub(super) async fn token(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refuse> {
    let desk = desks.find(&issuer)?;
    let form = read_form(&body).filter(|_| media_type(&headers) == Some(FORM));
    let Some(form) = form else {
        return Ok(oauth_error(400, json!({ "error": "invalid_request" })));
    };
    let random = system::random::<32>().map_err(|_| Problem::of(&problem::FAULT))?;
    Ok(match desk.with(|machine| machine.token(&form, &random, system::now())) {
        Ok(grant) => Json(grant.to_json()).into_response(),
        Err(fault) => oauth_error(400, json!({ "error": fault.to_string() })),
    })
}

/// `POST /{issuer}/nonce` (section 7).
pub(super) async fn nonce(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
) -> Result<Json<Value>, Refuse> {
    let desk = desks.find(&issuer)?;
    let random = system::random::<16>().map_err(|_| Problem::of(&problem::FAULT))?;
    Ok(Json(desk.with(|machine| machine.nonce(&random, system::now()))))
}

/// `POST /{issuer}/credential` (section 8).
pub(super) async fn credential(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refuse> {
    let desk = desks.find(&issuer)?;
    if media_type(&headers) != Some(api::wire::JSON) {
        return Ok(oauth_error(400, json!({ "error": "invalid_credential_request" })));
    }
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|text| text.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = bearer else {
        let mut answer = oauth_error(401, json!({ "error": "invalid_token" }));
        answer.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
        return Ok(answer);
    };
    let mut salts = Vec::new();
    for _ in 0..SALTS {
        salts.push(system::random::<16>().map_err(|_| Problem::of(&problem::FAULT))?);
    }
    let token = token.trim().to_owned();
    let answer = blocking(move || {
        Ok(desk.with(|machine| machine.credential(&token, &body, &salts, system::now())))
    });
    Ok(match answer.await? {
        Ok(credentials) => Json(credentials).into_response(),
        Err(fault) => {
            let mut answer = oauth_error(fault.code.http_status(), fault.to_json());
            if fault.code.http_status() == 401 {
                let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                answer.headers_mut().insert("www-authenticate", value);
            }
            answer
        }
    })
}

/// `GET /{issuer}/status/1` (Token Status List).
pub(super) async fn status(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
) -> Result<Response, Refuse> {
    let desk = desks.find(&issuer)?;
    let token = blocking(move || desk.status(system::now())).await?;
    Ok(([("content-type", STATUS_LIST_MEDIA_TYPE)], token).into_response())
}

/// `POST /{issuer}/v1/offers`.
pub(super) async fn offer(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Offered>, Refuse> {
    let desk = desks.find(&issuer)?;
    only_operator(&caller, &desk.operator)?;
    let request: OfferRequest = read_json(&body).map_err(Problem::from)?;
    blocking(move || desk.offer(&request)).await.map(Json)
}

/// `POST /{issuer}/v1/revocations`.
pub(super) async fn revoke(
    State(desks): State<Desks>,
    Path(issuer): Path<String>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Revoked>, Refuse> {
    let desk = desks.find(&issuer)?;
    only_operator(&caller, &desk.operator)?;
    let revocation: Revocation = read_json(&body).map_err(Problem::from)?;
    blocking(move || desk.revoke(&revocation, caller.name())).await.map(Json)
}

/// The media type without its parameters.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("content-type")?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// An error in the form that OAuth prescribes.
fn oauth_error(status: u16, body: Value) -> Response {
    let mut answer = Json(body).into_response();
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    answer.extensions_mut().insert(AsIs);
    answer
}

const FORM: &str = "application/x-www-form-urlencoded";
/// At least as many as any of our types has selective claims.
const SALTS: usize = 32;
