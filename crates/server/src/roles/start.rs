//! What the small roles do alike: listen, know their callers, run what waits for a disk.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use api::{Caller, Callers, Problem, problem};
use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;

use super::common::{Common, RoleError};
use super::files::write_whole;
use crate::keys::{KeyStore, REQUEST_KEY};
use crate::web::{Gate, LIMITS, Readiness, Refuse, Site, health_routes};

/// Listens on the configured port of 127.0.0.1.
pub(crate) async fn listen(common: &Common) -> Result<TcpListener, RoleError> {
    let address = (Ipv4Addr::LOCALHOST, common.port);
    TcpListener::bind(address)
        .await
        .map_err(RoleError::world(format!("listening on port {}", common.port)))
}

/// A gate that knows every peer by its request key.
pub(crate) fn gate(common: &Common) -> Result<Gate, RoleError> {
    let mut callers = Callers::nobody();
    for peer in &common.peers {
        peer.admit_to(&mut callers).map_err(|error| configuration(error.to_string()))?;
    }
    Ok(Gate::new(callers, BTreeSet::from([common.authority()])))
}

/// The site of a role that is ready as soon as it listens.
pub(crate) fn site(router: Router, keys: &KeyStore) -> Result<Site, RoleError> {
    let readiness = Readiness::waiting("starting");
    readiness.ready();
    let signer = Some(Arc::new(keys.signing_key(REQUEST_KEY)?));
    Ok(Site { router: router.merge(health_routes(readiness)), limits: LIMITS, signer })
}

/// Lets only the configured operator through: another role's operator is nobody here.
pub(crate) fn only_operator(caller: &Caller, operator: &str) -> Result<(), Refuse> {
    if caller.name() == operator {
        return Ok(());
    }
    Err(Problem::of(&problem::FORBIDDEN)
        .detail(format!("`{}` does not operate this role", caller.name()))
        .expected(operator)
        .got(caller.name())
        .mend("call with the key of this role's operator")
        .into())
}

/// Runs what waits for a disk or a lock outside of the runtime's own threads.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Refuse>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Refuse> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refuse::from(Problem::of(&problem::FAULT)))?
}

/// A disk that fails: told to the log in full, to the caller in a word.
pub(crate) fn disk_fault(what: &str, error: &io::Error) -> Refuse {
    tracing::error!(what, %error, "a file could not be written");
    Problem::of(&problem::FAULT).detail(format!("{what} could not be made durable")).into()
}

/// A rule says no.
pub(crate) fn refused(detail: impl Into<String>, mend: impl Into<String>) -> Refuse {
    Problem::of(&problem::REFUSED).detail(detail).mend(mend).into()
}

/// Something in `role.json` does not fit.
pub(crate) fn configuration(reason: String) -> RoleError {
    RoleError::Configuration { path: "role.json".into(), reason }
}

/// Reads the text form of a name or id out of `role.json`.
pub(crate) fn named<T>(field: &str, text: &str) -> Result<T, RoleError>
where
    T: core::str::FromStr,
    T::Err: core::fmt::Display,
{
    text.parse().map_err(|error: T::Err| configuration(format!("`{field}`: {error}")))
}

/// Writes a JSON file for people, whole.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RoleError> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other);
    text.and_then(|text| write_whole(path, format!("{text}\n").as_bytes()))
        .map_err(RoleError::world(format!("writing `{}`", path.display())))
}
