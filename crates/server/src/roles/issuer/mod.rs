//! Issuers of credentials: registers, tax offices, bureaus. Several in one process, each with a
//! path, a key and an operator of its own.
//!
//! OpenID4VCI 1.0, pre-authorised code flow; the rules are in crate `credential`, here are its
//! routes and files. Offers live in memory: a restart voids those not yet taken. What must not be
//! lost, which status index belongs to whom and what is revoked, is durable before it is told.
//!
//! | route | who |
//! |---|---|
//! | `GET /.well-known/{openid-credential-issuer, oauth-authorization-server, jwt-vc-issuer}/{issuer}` | anybody |
//! | `POST /{issuer}/token`, `/{issuer}/nonce`, `/{issuer}/credential` | wallets, by the standard |
//! | `GET /{issuer}/status/1` | anybody |
//! | `POST /{issuer}/v1/offers`, `/{issuer}/v1/revocations` | the issuer's operator |

mod desk;
mod form;
mod routes;
mod status;
mod subjects;

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::Role;
use axum::Router;
use axum::routing::{get, post};
use credential::issuance::{ISSUER_METADATA, JWT_VC_ISSUER, SERVER_METADATA};
use credential::{ACCOUNT_OWNERSHIP, COMPANY_REGISTRATION, CREDIT_BAND, MANDATE, TAX_STANDING};
use record::{IssuerKey, TrustedIssuer};
use serde::{Deserialize, Serialize};
use terms::Instant;
use tokio::net::TcpListener;

use self::desk::Desk;
pub use self::desk::{OfferRequest, Offered, Revocation, Revoked, TransactionCodeWish};
pub use self::subjects::{Subject, Subjects};
use super::common::{Common, RoleError};
use super::start::{gate, listen, site, write_json};
use crate::keys::KeyStore;
use crate::web::serve;

/// `role.json` of an issuer process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// What every role has.
    #[serde(flatten)]
    pub common: Common,
    /// How long a copy of a status list may be kept, in seconds.
    pub status_ttl_seconds: u64,
    /// How long a status list is good, in seconds.
    pub status_lifetime_seconds: u64,
    /// Entries of each status list: many more than credentials, so that an index tells nothing.
    pub status_entries: u32,
    /// The issuers.
    pub issuers: Vec<IssuerConfig>,
}

/// One issuer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its name: of its key, its folder and its path below the process's URL.
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// The peer of role `operator` that offers and revokes.
    pub operator: String,
    /// What it issues.
    pub types: Vec<TypeConfig>,
}

/// A credential type that an issuer issues.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeConfig {
    /// The `vct`, one of ours.
    pub credential_type: String,
    /// How long a credential lives.
    pub lifetime_seconds: u64,
    /// Whether its status is published.
    pub status: StatusPublished,
}

/// Whether the status of a type's credentials is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusPublished {
    /// In the issuer's list.
    Listed,
    /// Nowhere: only for a life of a day at most.
    Never,
}

/// Runs until `shutdown` ends.
pub async fn run(
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    let listener = listen(&config.common).await?;
    run_on(listener, dir, config, shutdown).await
}

/// As [`run`], on a socket that listens already.
pub async fn run_on(
    listener: TcpListener,
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    let keys = KeyStore::open(&dir)?;
    let subjects = Subjects::read(&dir)?;
    let mut desks = BTreeMap::new();
    for issuer in &config.issuers {
        let desk = Desk::open(&dir, &config, issuer, &subjects, &keys)?;
        desks.insert(issuer.name.clone(), Arc::new(desk));
    }
    let desks = routes::Desks::new(desks);
    let well_known = |name: &str| format!("/.well-known/{name}/{{issuer}}");
    let open = Router::new()
        .route(&well_known(ISSUER_METADATA), get(routes::issuer_metadata))
        .route(&well_known(SERVER_METADATA), get(routes::server_metadata))
        .route(&well_known(JWT_VC_ISSUER), get(routes::keys))
        .route("/{issuer}/token", post(routes::token))
        .route("/{issuer}/nonce", post(routes::nonce))
        .route("/{issuer}/credential", post(routes::credential))
        .route("/{issuer}/status/1", get(routes::status))
        .with_state(desks.clone());
    let operated = Router::new()
        .route("/{issuer}/v1/offers", post(routes::offer))
        .route("/{issuer}/v1/revocations", post(routes::revoke))
        .with_state(desks);
    let router = open.merge(gate(&config.common)?.only(&[Role::Operator], operated));
    serve(listener, site(router, &keys)?, shutdown).await;
    Ok(())
}

/// The issuers of this process as a trust list names them. Draws their keys if there are none.
pub fn trusted_issuers(
    config: &Config,
    keys: &KeyStore,
    valid_from: Instant,
    valid_until: Instant,
) -> Result<Vec<TrustedIssuer>, RoleError> {
    let trusted = |issuer: &IssuerConfig| {
        let (key, kid) = desk::issuer_key(keys, &issuer.name)?;
        Ok(TrustedIssuer {
            url: config.issuer_url(&issuer.name),
            name: issuer.display_name.clone(),
            keys: vec![IssuerKey { kid, key: key.public_key(), valid_from, valid_until }],
            credential_types: issuer.types.iter().map(|t| t.credential_type.clone()).collect(),
        })
    };
    config.issuers.iter().map(trusted).collect()
}

impl Config {
    /// The identifier of an issuer of this process: the `iss` of its credentials.
    #[must_use]
    pub fn issuer_url(&self, name: &str) -> String {
        format!("{}/{name}", self.common.url.trim_end_matches('/'))
    }

    /// The URI of an issuer's status list.
    #[must_use]
    pub fn status_url(&self, name: &str) -> String {
        format!("{}/status/1", self.issuer_url(name))
    }
}

/// The six issuers of the sandbox, all operated by `operator`.
#[must_use]
pub fn example_config(common: Common, operator: &str) -> Config {
    let year = Duration::from_secs(365 * 24 * 3600).as_secs();
    let listed = |credential_type: &str| TypeConfig {
        credential_type: credential_type.to_owned(),
        lifetime_seconds: year,
        status: StatusPublished::Listed,
    };
    let band = TypeConfig {
        lifetime_seconds: 24 * 3600,
        status: StatusPublished::Never,
        ..listed(CREDIT_BAND)
    };
    let issuer = |name: &str, display: &str, types: Vec<TypeConfig>| IssuerConfig {
        name: name.to_owned(),
        display_name: display.to_owned(),
        operator: operator.to_owned(),
        types,
    };
    let register = || vec![listed(COMPANY_REGISTRATION), listed(MANDATE)];
    Config {
        common,
        status_ttl_seconds: 2,
        status_lifetime_seconds: 600,
        status_entries: 1 << 16,
        issuers: vec![
            issuer("register-nl", "Example register, NL", register()),
            issuer("tax-nl", "Example tax office, NL", vec![listed(TAX_STANDING)]),
            issuer("bureau-nl", "Example credit bureau, NL", vec![band]),
            issuer("register-sg", "Example register, SG", register()),
            issuer("bank-nl-accounts", "Accounts of bank NL", vec![listed(ACCOUNT_OWNERSHIP)]),
            issuer("bank-sg-accounts", "Accounts of bank SG", vec![listed(ACCOUNT_OWNERSHIP)]),
        ],
    }
}

/// Writes `role.json` and `subjects.json` into `dir`.
pub fn write_example(dir: &Path, config: &Config, subjects: &Subjects) -> Result<(), RoleError> {
    write_json(&dir.join("role.json"), config)?;
    write_json(&dir.join(subjects::SUBJECTS_FILE), subjects)
}
