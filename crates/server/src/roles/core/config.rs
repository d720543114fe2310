//! What the core is told: books, participants, roots, witnesses.

use std::collections::BTreeMap;

use ledger::{Ceiling, Floor, Opening, Owner, Purpose, Side};
use record::{FundingReference, OutsideAccount};
use seal::PublicKey;
use seal::digest::{Domain, digest_of};
use serde::{Deserialize, Serialize};
use terms::{AccountId, AssetCode, BookName, InstitutionName};

use super::acts::OperatorEntry;
use super::drills::DrillDuty;
use super::journal::JournalConfig;
use super::leases::LeaseEntry;
use super::transfers::RailEntry;
use crate::roles::Common;

/// Domain of the ids of accounts that the configuration opens.
const ACCOUNT_ID: Domain = Domain::new("wayleave/account-id/v1");

/// The core's `role.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// What all roles share.
    #[serde(flatten)]
    pub common: Common,
    /// The settlement book.
    #[serde(with = "api::wire::text")]
    pub book: BookName,
    /// The log's origin, a schema-less URL as C2SP asks.
    pub origin: String,
    /// Who operates the book.
    #[serde(with = "api::wire::text")]
    pub operator: InstitutionName,
    /// The keys of those who may approve corrections and releases, hex: two of them must sign.
    /// With fewer than two nothing of the kind passes.
    #[serde(default)]
    pub approvers: Vec<String>,
    /// The persons who act for the operator: suspensions, freezes, limits, marks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<OperatorEntry>,
    /// The pinned root key of each jurisdiction's trust list, hex, by country code.
    pub roots: BTreeMap<String, String>,
    /// Institutions whose customers' books are hosted here.
    pub hosted: Vec<Hosted>,
    /// Institutions that keep their customers' books themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banks: Vec<OwnBook>,
    /// FX providers.
    pub providers: Vec<String>,
    /// Assets that are settled.
    pub assets: Vec<String>,
    /// The tlog-policy of the log's receipts, text.
    pub policy: String,
    /// Where each asset's money lies outside, and by which word a line credits whom.
    pub outside_accounts: Vec<OutsideEntry>,
    /// Witnesses to be asked for cosignatures: names of peers and their verifier keys.
    pub witnesses: Vec<WitnessEntry>,
    /// Recovery drills that must be run, and how often.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drills: Vec<DrillDuty>,
    /// Rails by which participants withdraw, one for an asset.
    #[serde(default)]
    pub rails: Vec<RailEntry>,
    /// What is leased to banks beforehand, and on what terms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<LeaseEntry>,
    /// Where the books are written.
    #[serde(default = "segments", skip_serializing_if = "is_segments")]
    pub journal: JournalConfig,
}

const fn segments() -> JournalConfig {
    JournalConfig::Segments
}

const fn is_segments(journal: &JournalConfig) -> bool {
    matches!(journal, JournalConfig::Segments)
}

/// A hosted customers' book.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hosted {
    /// Its name.
    #[serde(with = "api::wire::text")]
    pub book: BookName,
    /// Whose it is.
    #[serde(with = "api::wire::text")]
    pub institution: InstitutionName,
    /// Its one asset.
    #[serde(with = "api::wire::text")]
    pub asset: AssetCode,
}

/// The outside account of an asset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutsideEntry {
    /// The asset.
    #[serde(with = "api::wire::text")]
    pub asset: AssetCode,
    /// IBAN, or the servicer's other number.
    pub number: String,
    /// BIC of the bank that keeps it.
    pub servicer: String,
    /// The word in a remittance, and the participant that it credits.
    pub references: BTreeMap<String, String>,
}

/// An institution that keeps its customers' book in its own process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OwnBook {
    /// Whose it is.
    #[serde(with = "api::wire::text")]
    pub institution: InstitutionName,
    /// The peer that runs it.
    pub peer: String,
}

/// A witness.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WitnessEntry {
    /// The peer's name.
    pub peer: String,
    /// Its verifier key (C2SP vkey text).
    pub vkey: String,
}

/// The id of an account that the configuration opens: a function of book, owner, asset and use,
/// so that every start names the same accounts.
#[must_use]
pub fn account_id(
    book: BookName,
    owner: &str,
    asset: AssetCode,
    purpose: &'static str,
) -> AccountId {
    let pieces: [&[u8]; 4] =
        [book.as_str().as_bytes(), owner.as_bytes(), asset.as_str().as_bytes(), purpose.as_bytes()];
    AccountId::from_bytes(digest_of(ACCOUNT_ID, &pieces).half())
}

impl Config {
    /// The institutions, hosted or not, and the providers, each as an owner of accounts.
    fn members(&self) -> Vec<InstitutionName> {
        let providers = self.providers.iter().filter_map(|name| name.parse().ok());
        let hosted = self.hosted.iter().map(|hosted| hosted.institution);
        let banks = self.banks.iter().map(|bank| bank.institution);
        hosted.chain(banks).chain(providers).collect()
    }

    fn asset_codes(&self) -> Vec<AssetCode> {
        self.assets.iter().filter_map(|asset| asset.parse().ok()).collect()
    }

    /// The accounts of the settlement book: one per member and asset with a floor at nothing,
    /// the operator's fee, control and suspense account per asset.
    #[must_use]
    pub fn settlement_accounts(&self) -> Vec<Opening> {
        let mut openings = Vec::new();
        for asset in self.asset_codes() {
            for member in self.members() {
                openings.push(self.opening(member, asset, Purpose::Settlement));
            }
            openings.push(self.opening(self.operator, asset, Purpose::Fee));
            openings.push(self.opening(self.operator, asset, Purpose::Control));
            openings.push(self.opening(self.operator, asset, Purpose::Suspense));
        }
        openings
    }

    /// The outside accounts, as the book is told of them.
    pub fn outside(&self) -> Result<Vec<OutsideAccount>, String> {
        self.outside_accounts
            .iter()
            .map(|entry| {
                let wrong = |error: &dyn core::fmt::Display| {
                    format!("outside_accounts, `{}`: {error}", entry.asset)
                };
                let named = entry.references.iter().map(|(reference, participant)| {
                    let participant = participant.parse().map_err(|error| wrong(&error))?;
                    Ok(FundingReference { reference: reference.clone(), participant })
                });
                Ok(OutsideAccount {
                    asset: entry.asset,
                    number: entry.number.clone(),
                    servicer: entry.servicer.clone(),
                    control: self.opening(self.operator, entry.asset, Purpose::Control).id,
                    suspense: self.opening(self.operator, entry.asset, Purpose::Suspense).id,
                    owner: self.operator,
                    references: named.collect::<Result<_, String>>()?,
                })
            })
            .collect()
    }

    fn opening(&self, owner: InstitutionName, asset: AssetCode, purpose: Purpose) -> Opening {
        own_account(self.book, owner, asset, purpose)
    }

    /// The root keys, read.
    pub fn root_keys(&self) -> Result<BTreeMap<terms::Jurisdiction, PublicKey>, String> {
        self.roots
            .iter()
            .map(|(country, key)| {
                let country = country.parse().map_err(|e| format!("roots: {e}"))?;
                let key = key.parse().map_err(|e| format!("roots: {e}"))?;
                Ok((country, key))
            })
            .collect()
    }
}

impl Hosted {
    /// The institution's own accounts in its customers' book.
    #[must_use]
    pub fn own_accounts(&self) -> Vec<Opening> {
        [Purpose::DueFrom, Purpose::Fee, Purpose::Suspense, Purpose::BlockedFunds]
            .into_iter()
            .map(|purpose| own_account(self.book, self.institution, self.asset, purpose))
            .collect()
    }
}

/// An institution's own account of `purpose`. What others owe grows on the debit side and may go
/// as far as it must; everything else is owed by the book and never falls below nothing.
#[must_use]
pub fn own_account(
    book: BookName,
    owner: InstitutionName,
    asset: AssetCode,
    purpose: Purpose,
) -> Opening {
    let (normal, floor, word) = match purpose {
        Purpose::Control => (Side::Debit, Floor::Unlimited, "control"),
        Purpose::DueFrom => (Side::Debit, Floor::Unlimited, "due-from"),
        Purpose::Settlement => (Side::Credit, Floor::MayNotGoBelowZero, "settlement"),
        Purpose::Fee => (Side::Credit, Floor::MayNotGoBelowZero, "fee"),
        Purpose::Suspense => (Side::Credit, Floor::MayNotGoBelowZero, "suspense"),
        Purpose::Customer => (Side::Credit, Floor::MayNotGoBelowZero, "customer"),
        Purpose::BlockedFunds => (Side::Credit, Floor::MayNotGoBelowZero, "blocked"),
        Purpose::DueTo => (Side::Credit, Floor::MayNotGoBelowZero, "due-to"),
        Purpose::Transit => (Side::Credit, Floor::MayNotGoBelowZero, "transit"),
    };
    Opening {
        id: account_id(book, owner.as_str(), asset, word),
        asset,
        normal,
        owner: Owner::Institution(owner),
        purpose,
        floor,
        ceiling: Ceiling::Unlimited,
        marks: None,
    }
}
