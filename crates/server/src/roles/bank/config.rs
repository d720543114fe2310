//! `role.json` of a bank that keeps its own book.

use clearing::Pins;
use evidence::VerifierKey;
use ledger::{Opening, Purpose};
use seal::PublicKey;
use serde::{Deserialize, Serialize};
use terms::{AssetCode, BookName, InstitutionName};

use crate::roles::core::own_account;
use crate::roles::start::{configuration, named};
use crate::roles::{Common, RoleError};

/// `role.json` of a bank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// What all roles share.
    #[serde(flatten)]
    pub common: Common,
    /// Whose book it is.
    #[serde(with = "api::wire::text")]
    pub institution: InstitutionName,
    /// Its customers' book.
    #[serde(with = "api::wire::text")]
    pub book: BookName,
    /// The assets in which its customers have accounts.
    pub assets: Vec<String>,
    /// The settlement book that it takes part in.
    #[serde(with = "api::wire::text")]
    pub settlement: BookName,
    /// The peer that is the core: the only one whose steps are taken.
    pub core: String,
    /// The key of the settlement book's log, pinned (C2SP vkey text): its promises prove steps.
    pub log_key: String,
    /// The institution's own permit keys, pinned, hex.
    pub permit_keys: Vec<String>,
    /// The peer that operates this book.
    pub operator: String,
    /// The key that signs sandbox statements, hex.
    pub statement_key: String,
    /// How long the core may be silent before the link to it counts as cut, in milliseconds:
    /// longer than the time between two of its questions, which is a second at most.
    #[serde(default = "link_patience")]
    pub link_patience_ms: u64,
}

const fn link_patience() -> u64 {
    5_000
}

impl Config {
    /// What is pinned, parsed.
    pub fn pins(&self) -> Result<Pins, RoleError> {
        let key: VerifierKey = self
            .log_key
            .parse()
            .map_err(|_| configuration("`log_key`: expected a verifier key".to_owned()))?;
        let permit_key = |text: &String| -> Result<PublicKey, RoleError> {
            text.parse().map_err(|e| configuration(format!("`permit_keys`: {e}")))
        };
        let permit_keys: Vec<PublicKey> =
            self.permit_keys.iter().map(permit_key).collect::<Result<_, _>>()?;
        if permit_keys.is_empty() {
            return Err(configuration("`permit_keys`: expected one at least".to_owned()));
        }
        Ok(Pins {
            environment: named("environment", &self.common.environment)?,
            institution: self.institution,
            settlement: self.settlement,
            origin: key.name().to_string(),
            log_key: key.key(),
            permit_keys,
        })
    }

    /// The institution's own accounts.
    pub fn own_accounts(&self) -> Result<Vec<Opening>, RoleError> {
        let mut openings = Vec::new();
        for asset in &self.assets {
            let asset: AssetCode = named("assets", asset)?;
            for purpose in [Purpose::DueFrom, Purpose::Fee, Purpose::Suspense] {
                openings.push(own_account(self.book, self.institution, asset, purpose));
            }
        }
        Ok(openings)
    }
}
