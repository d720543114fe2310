//! A supervisor's process: witness of the log, keeper of its jurisdiction's trust list and
//! sanctions list.
//!
//! | route | who | what |
//! |---|---|---|
//! | `POST /add-checkpoint` | anybody | C2SP tlog-witness |
//! | `GET /{origin hash}/checkpoint` | anybody | the last checkpoint it cosigned |
//! | `GET /v1/trust-list`, `/v1/sanctions` | anybody | the edition in force, signed with key `list` |
//! | `GET /v1/trust-list/{version}`, `/v1/sanctions/{version}` | anybody | an earlier edition |
//! | `POST /v1/trust-list/edits`, `/v1/sanctions/edits` | its operator | a new edition, at once |

mod editions;
mod edits;
mod lists;
mod sanctions;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::Role;
use axum::Router;
use axum::routing::{get, post};
use record::TrustList;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

pub use self::edits::{
    JsonClaims, JsonInstitution, JsonIssuer, JsonIssuerKey, JsonProvider, JsonRecognition,
    JsonSide, JsonVerifier, TrustEdit, trust_edits_of,
};
use self::lists::{Desk, edit, edition, in_force};
pub use self::lists::{Edited, Edits};
pub use self::sanctions::{JsonEntry, SanctionEdit};
use self::witness::WitnessDesk;
use super::common::{Common, RoleError};
use super::files::make_folder;
use super::start::{gate, listen, site, write_json};
use crate::keys::KeyStore;
use crate::web::serve;

/// `role.json` of a supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// What every role has.
    #[serde(flatten)]
    pub common: Common,
    /// Whose lists it keeps: `NL`.
    pub jurisdiction: String,
    /// The peer of role `operator` that may edit the lists.
    pub operator: String,
    /// The name of the witness in its cosignatures, a URL without scheme.
    pub witness_name: String,
    /// The logs that it cosigns.
    pub logs: Vec<WitnessedLog>,
    /// The name of the sanctions list.
    pub sanctions_list: String,
    /// How long an edition of a list is good, in seconds. It is signed anew at half of that.
    pub list_lifetime_seconds: u64,
}

/// A log that the witness knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessedLog {
    /// Its origin line.
    pub origin: String,
    /// The peer whose key `log` signs it.
    pub peer: String,
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
    let gate = gate(&config.common)?;
    let witness = Arc::new(WitnessDesk::open(&dir, &config, &keys)?);
    let open = Router::new()
        .route("/add-checkpoint", post(witness::add_checkpoint))
        .route("/{origin}/checkpoint", get(witness::checkpoint))
        .with_state(witness);
    let trust = Arc::new(Desk::<TrustList>::open(&dir, &config, &keys)?);
    let sanctions = Arc::new(Desk::<screening::ScreeningList>::open(&dir, &config, &keys)?);
    let trust_edits = Router::new()
        .route("/v1/trust-list/edits", post(edit::<TrustList>))
        .with_state(Arc::clone(&trust));
    let sanction_edits = Router::new()
        .route("/v1/sanctions/edits", post(edit::<screening::ScreeningList>))
        .with_state(Arc::clone(&sanctions));
    let trust_reads = Router::new()
        .route("/v1/trust-list", get(in_force::<TrustList>))
        .route("/v1/trust-list/{version}", get(edition::<TrustList>))
        .with_state(trust);
    let sanction_reads = Router::new()
        .route("/v1/sanctions", get(in_force::<screening::ScreeningList>))
        .route("/v1/sanctions/{version}", get(edition::<screening::ScreeningList>))
        .with_state(sanctions);
    let router = open
        .merge(trust_reads)
        .merge(sanction_reads)
        .merge(gate.only(&[Role::Operator], trust_edits.merge(sanction_edits)));
    serve(listener, site(router, &keys)?, shutdown).await;
    Ok(())
}

/// What an example supervisor keeps.
pub struct Example {
    /// Whose lists: `NL`.
    pub jurisdiction: String,
    /// The operator's name among the peers.
    pub operator: String,
    /// The witness's name in cosignatures.
    pub witness_name: String,
    /// The log to cosign.
    pub log: WitnessedLog,
    /// How long an edition is good, in seconds.
    pub list_lifetime_seconds: u64,
}

/// A configuration for a sandbox.
#[must_use]
pub fn example_config(common: Common, example: Example) -> Config {
    Config {
        common,
        sanctions_list: format!("{}-sandbox", example.jurisdiction.to_lowercase()),
        jurisdiction: example.jurisdiction,
        operator: example.operator,
        witness_name: example.witness_name,
        logs: vec![example.log],
        list_lifetime_seconds: example.list_lifetime_seconds,
    }
}

/// Writes `role.json` and the acts that make the first editions: `trust-list/first.json` and
/// `sanctions/first.json`. Read only while there is no edition yet.
pub fn write_example(
    dir: &Path,
    config: &Config,
    trust: Vec<TrustEdit>,
    sanctions: Vec<SanctionEdit>,
) -> Result<(), RoleError> {
    for folder in ["trust-list", "sanctions"] {
        let path = dir.join(folder);
        make_folder(&path).map_err(RoleError::world(format!("making `{}`", path.display())))?;
    }
    write_json(&dir.join("role.json"), config)?;
    let reason = "first edition".to_owned();
    let first = Edits { reason: reason.clone(), edits: trust };
    write_json(&dir.join("trust-list").join(lists::FIRST_FILE), &first)?;
    let first = Edits { reason, edits: sanctions };
    write_json(&dir.join("sanctions").join(lists::FIRST_FILE), &first)
}
