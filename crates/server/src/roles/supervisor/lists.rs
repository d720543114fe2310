//! A list that a supervisor keeps: read by everybody, changed by its operator, always fresh.

use core::fmt::Display;
use core::time::Duration;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use api::json::{JsonLimits, read_json_within};
use api::wire::CBOR;
use api::{Caller, Problem, problem};
use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use record::{Document, Signed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use terms::Instant;

use super::Config;
use super::editions::Editions;
use crate::keys::KeyStore;
use crate::roles::common::RoleError;
use crate::roles::start::{blocking, disk_fault, only_operator, refused};
use crate::system;
use crate::web::Refuse;

/// An operator's act: some edits, all or none, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edits<E> {
    /// Why, in words. Kept with the edition.
    pub reason: String,
    /// What changes, in this order.
    pub edits: Vec<E>,
}

/// The answer to an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edited {
    /// The version in force from now on.
    pub version: u64,
    /// Its digest, hex.
    pub digest: String,
}

/// When an edition is made and how long it is good.
#[derive(Clone, Copy)]
pub(super) struct Heading {
    pub(super) version: u64,
    pub(super) issued_at: Instant,
    pub(super) next_update: Instant,
}

/// A list that can be kept.
pub(super) trait Kept: Document + Clone + Send + 'static {
    /// One change.
    type Edit: Serialize + DeserializeOwned + Send + 'static;
    /// Its folder.
    const FOLDER: &'static str;

    /// A list with nothing on it.
    fn empty(config: &Config) -> Result<Self, RoleError>;
    fn heading(&self) -> Heading;
    fn set_heading(&mut self, heading: Heading);
    /// Makes one change, or says why it does not fit.
    fn apply(&mut self, edit: Self::Edit) -> Result<(), String>;
    /// Whether the list may be published as it is.
    fn check(&self) -> Result<(), String>;
}

/// A kept list with its editions.
pub(super) struct Desk<T: Kept> {
    operator: String,
    lifetime: Duration,
    editions: Mutex<Editions<T>>,
}

#[derive(Serialize)]
struct Act<'a, E> {
    by: &'a str,
    reason: &'a str,
    edits: &'a [E],
}

impl<T: Kept> Desk<T> {
    /// Opens the list; makes the first edition from `first.json` if there is none yet.
    pub(super) fn open(dir: &Path, config: &Config, keys: &KeyStore) -> Result<Self, RoleError> {
        let folder = dir.join(T::FOLDER);
        let mut editions =
            Editions::open(&folder, keys.signing_key("list")?, |list: &T| list.heading().version)?;
        let lifetime = Duration::from_secs(config.list_lifetime_seconds);
        if lifetime < LIFETIME_MIN {
            let reason = format!("expected `list_lifetime_seconds` from {LIFETIME_MIN:?}");
            return Err(crate::roles::start::configuration(reason));
        }
        if editions.newest().is_none() {
            let path = folder.join(FIRST_FILE);
            let wrong = |reason: String| RoleError::Configuration { path: path.clone(), reason };
            let bytes = std::fs::read(&path).map_err(|e| wrong(e.to_string()))?;
            let first: Edits<T::Edit> =
                read_json_within(&bytes, EDIT_LIMITS).map_err(|e| wrong(e.to_string()))?;
            let act = act_bytes(&config.operator, &first);
            let mut list = T::empty(config)?;
            for edit in first.edits {
                list.apply(edit).map_err(&wrong)?;
            }
            list.check().map_err(&wrong)?;
            next_edition(&mut editions, list, lifetime, &act)
                .map_err(RoleError::world(format!("writing into `{}`", folder.display())))?;
        }
        Ok(Self { operator: config.operator.clone(), lifetime, editions: Mutex::new(editions) })
    }

    /// The edition in force, signed anew when half of its time is over: a reader has at least the
    /// other half before it is stale.
    fn in_force(&self) -> Result<Signed<T>, Refuse> {
        let mut editions = self.editions.lock().unwrap_or_else(PoisonError::into_inner);
        let (list, signed) = editions.newest().ok_or_else(nothing)?;
        let Heading { issued_at, .. } = list.heading();
        if system::now().since(issued_at) < self.lifetime / 2 {
            return Ok(signed.clone());
        }
        let list = list.clone();
        next_edition(&mut editions, list, self.lifetime, b"{\"reason\":\"signed anew\"}\n")
            .map_err(|error| disk_fault("the edition", &error))?;
        editions.newest().map(|(_, signed)| signed.clone()).ok_or_else(nothing)
    }

    fn edit(&self, act: Edits<T::Edit>) -> Result<Edited, Refuse> {
        let record = act_bytes(&self.operator, &act);
        let mut editions = self.editions.lock().unwrap_or_else(PoisonError::into_inner);
        let (list, _) = editions.newest().ok_or_else(nothing)?;
        let mut list = list.clone();
        if act.edits.is_empty() || act.reason.is_empty() {
            return Err(refused("an act needs edits and a reason", "say what changes and why"));
        }
        let not = |reason: String| refused(reason, "read the list in force and correct the edit");
        for edit in act.edits {
            list.apply(edit).map_err(not)?;
        }
        list.check().map_err(not)?;
        next_edition(&mut editions, list, self.lifetime, &record)
            .map_err(|error| disk_fault("the edition", &error))?;
        let (list, signed) = editions.newest().ok_or_else(nothing)?;
        Ok(Edited { version: list.heading().version, digest: signed.digest().to_string() })
    }
}

/// Numbers, dates, signs and stores the next edition.
fn next_edition<T: Kept>(
    editions: &mut Editions<T>,
    mut list: T,
    lifetime: Duration,
    act: &[u8],
) -> std::io::Result<()> {
    let before = list.heading();
    let version = before.version.saturating_add(1);
    // Even when the clock was set back: a later edition never carries an earlier time.
    let issued_at = system::now().max(before.issued_at);
    list.set_heading(Heading { version, issued_at, next_update: issued_at.plus(lifetime) });
    editions.publish(version, list, act)
}

fn act_bytes<E: Serialize>(by: &str, act: &Edits<E>) -> Vec<u8> {
    let act = Act { by, reason: &act.reason, edits: &act.edits };
    serde_json::to_vec_pretty(&act).unwrap_or_default()
}

fn nothing() -> Refuse {
    Problem::of(&problem::NOT_FOUND).into()
}

/// `GET` of the edition in force.
pub(super) async fn in_force<T: Kept>(
    State(desk): State<Arc<Desk<T>>>,
) -> Result<Response, Refuse> {
    let signed = blocking(move || desk.in_force()).await?;
    Ok(([("content-type", CBOR)], signed.to_bytes()).into_response())
}

/// `GET` of an edition by its version.
pub(super) async fn edition<T: Kept>(
    State(desk): State<Arc<Desk<T>>>,
    UrlPath(version): UrlPath<u64>,
) -> Result<Response, Refuse> {
    let signed = blocking(move || {
        let editions = desk.editions.lock().unwrap_or_else(PoisonError::into_inner);
        let read = editions.read(version).map_err(|error| disk_fault("the edition", &error))?;
        read.ok_or_else(nothing)
    });
    Ok(([("content-type", CBOR)], signed.await?.to_bytes()).into_response())
}

/// `POST` of an operator's act.
pub(super) async fn edit<T: Kept>(
    State(desk): State<Arc<Desk<T>>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Edited>, Refuse> {
    only_operator(&caller, &desk.operator)?;
    let act: Edits<T::Edit> = read_json_within(&body, EDIT_LIMITS).map_err(Problem::from)?;
    blocking(move || desk.edit(act)).await.map(Json)
}

/// A reason for a value that does not parse.
pub(super) fn unfit(field: &str, error: impl Display) -> String {
    format!("`{field}`: {error}")
}

/// The acts that make the first edition.
pub(super) const FIRST_FILE: &str = "first.json";
/// A whole list may come in one act: as large as a body may be.
const EDIT_LIMITS: JsonLimits = JsonLimits { bytes: 1 << 20, depth: 24 };
/// Below two seconds a list would be signed anew at nearly each read.
const LIFETIME_MIN: Duration = Duration::from_secs(2);
