//! `role.json` of an edge, checked and parsed.

use policy::{Pack, PackFiles};
use record::{PostalAddress, Side};
use seal::PublicKey;
use serde::{Deserialize, Serialize};
use std::path::Path;
use terms::{
    BookName, BusinessDate, CompanyId, EdgeName, Environment, InstitutionName, Jurisdiction, Minor,
};

use admission::sandbox::SANDBOX_PARTIES_MAX;
use admission::{Bounds, Onboarding};

use super::rate::PREPARATIONS_A_MINUTE;
use super::referrals::ReferralConfig;
use crate::keys::Descriptor;
use crate::roles::{Common, RoleError};

/// `role.json` of an edge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// What every role has. The name is the one under which peers know the institution's edge,
    /// `bank-nl.1`; the URL its one address. Instances share both, the keys, and nothing else.
    #[serde(flatten)]
    pub common: Common,
    /// The name of this instance, which numbers its decisions: `bank-nl.2`. Absent: the edge's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whose edge it is: `bank-nl`.
    pub institution: String,
    /// Where the institution is licensed: `NL`.
    pub jurisdiction: String,
    /// `debtor` or `creditor`: of its first corridor.
    pub side: String,
    /// Its first corridor, whose pack is in `pack/`: `nl-sg`.
    pub corridor: String,
    /// The settlement book: `settlement`.
    pub book: String,
    /// The peer that is the core.
    pub core: String,
    /// The peer that keeps the institution's own book; absent where the core hosts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<String>,
    /// The peer that is the other side's edge.
    pub other_edge: String,
    /// How far its first corridor goes, where that is a sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxConfig>,
    /// Further corridors and sides that it decides, each with a pack of its own below `packs/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<WayConfig>,
    /// The peers whose trust lists count, home first, with the jurisdiction of each. Their pinned
    /// root is their key `list`.
    pub lists: Vec<ListSource>,
    /// The peers whose sanctions lists are screened against.
    pub sanctions_from: Vec<String>,
    /// The peer that may read whole decision records.
    pub operator: String,
    /// The public key that signs the certificate of the pack: its author's.
    pub pack_author: String,
    /// The public key that countersigns it: the edge's own operator's.
    pub pack_operator: String,
    /// How often lists are fetched, in milliseconds.
    pub refresh_milliseconds: u64,
    /// The longest that a status list is used without asking for a newer one, in seconds. Its own
    /// `ttl` may be shorter.
    pub status_cache_seconds: u64,
    /// What the institution grants per mandate and month, in minor units of the debited asset.
    pub mandate_month_limit: String,
    /// How often one customer may ask in a minute what is missing before money moves, of each
    /// instance. Absent: 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparations_a_minute: Option<u32>,
    /// Seconds added to the clock; anything but 0 is accepted in the environment `sandbox` only.
    pub clock_offset_seconds: i64,
    /// Who decides what the rules refer to a person; absent: nobody, and it stays refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrals: Option<ReferralConfig>,
    /// The institution's customers, as onboarding learned of them.
    pub customers: Vec<Customer>,
}

/// A further corridor and side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WayConfig {
    /// The corridor: `sg-nl`.
    pub corridor: String,
    /// `debtor` or `creditor`.
    pub side: String,
    /// The folder of its pack, below `packs/`.
    pub pack: String,
    /// The peer that is the other side's edge; absent where the payee's bank takes no part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_edge: Option<String>,
    /// What the institution takes for a payment out, in minor units of the debited asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<String>,
    /// How far it goes, where it is a sandbox corridor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxConfig>,
}

/// The bounds of a sandbox corridor on this side: what is beyond is denied when it is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxConfig {
    /// The most that one payment may be on this side, in minor units.
    pub amount_max: String,
    /// The own customers that may take part, by company identifier.
    pub parties: Vec<String>,
    /// The first day, UTC, on which nothing is permitted any more.
    pub until: String,
}

impl SandboxConfig {
    /// The bounds that it names.
    pub(super) fn bounds(&self) -> Result<Bounds, RoleError> {
        let (some, most) = (!self.parties.is_empty(), SANDBOX_PARTIES_MAX);
        if !some || self.parties.len() > most {
            let got = self.parties.len();
            return Err(wrong("sandbox.parties", format!("expected 1 to {most}, got {got}")));
        }
        let until: BusinessDate = named("sandbox.until", &self.until)?;
        let party = |one: &String| named("sandbox.parties", one);
        Ok(Bounds {
            amount_max: named("sandbox.amount_max", &self.amount_max)?,
            parties: self.parties.iter().map(party).collect::<Result<_, _>>()?,
            until: until.start(),
        })
    }
}

/// Whose trust list, and where it is fetched.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSource {
    /// The jurisdiction.
    pub jurisdiction: String,
    /// The peer.
    pub peer: String,
}

/// A customer, as onboarding learned of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// The company identifier.
    pub company: String,
    /// Its legal name, as its register signed it.
    pub legal_name: String,
    /// Where it is registered.
    pub country: String,
    /// Street and number.
    pub street: String,
    /// Postal code.
    pub post_code: String,
    /// Town.
    pub town: String,
    /// Its LEI, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lei: Option<String>,
}

/// The configuration's names, parsed once.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) environment: Environment,
    pub(super) edge: EdgeName,
    pub(super) institution: InstitutionName,
    pub(super) book: BookName,
    pub(super) mandate_month_limit: Minor,
    pub(super) preparations_a_minute: u32,
    pub(super) customers: Vec<Onboarding>,
}

/// What differs between two edges of a demo.
#[derive(Clone, Debug)]
pub struct Example {
    /// `debtor` or `creditor`.
    pub side: Side,
    /// The institution: `bank-nl`.
    pub institution: String,
    /// Its jurisdiction: `NL`.
    pub jurisdiction: String,
    /// The other edge's peer name: `bank-sg.1`.
    pub other_edge: String,
    /// The supervisors by jurisdiction, home first: `[("NL", "supervisor-nl"), …]`.
    pub supervisors: Vec<(String, String)>,
    /// The operator's peer name.
    pub operator: String,
    /// The key of the pack's author.
    pub pack_author: PublicKey,
    /// The key with which the operator countersigns packs.
    pub pack_operator: PublicKey,
    /// The institution's customers.
    pub customers: Vec<Customer>,
}

/// The configuration of an edge of the demo: corridor `nl-sg`, book `settlement`, lists every
/// second. `common.peers` must hold core, other edge, supervisors, issuers, wallets, operator.
#[must_use]
pub fn example_config(common: Common, core: &str, example: Example) -> Config {
    let lists = example
        .supervisors
        .iter()
        .map(|(jurisdiction, peer)| ListSource {
            jurisdiction: jurisdiction.clone(),
            peer: peer.clone(),
        })
        .collect();
    Config {
        common,
        instance: None,
        institution: example.institution,
        jurisdiction: example.jurisdiction,
        side: example.side.as_str().to_owned(),
        corridor: "nl-sg".to_owned(),
        book: "settlement".to_owned(),
        core: core.to_owned(),
        bank: None,
        other_edge: example.other_edge,
        sandbox: None,
        more: Vec::new(),
        lists,
        sanctions_from: example.supervisors.iter().take(1).map(|(_, peer)| peer.clone()).collect(),
        operator: example.operator,
        pack_author: example.pack_author.to_string(),
        pack_operator: example.pack_operator.to_string(),
        refresh_milliseconds: 1_000,
        status_cache_seconds: 1,
        mandate_month_limit: "100000000".to_owned(),
        preparations_a_minute: None,
        clock_offset_seconds: 0,
        referrals: None,
        customers: example.customers,
    }
}

/// Writes the texts of a pack into its folder.
pub(super) fn write_texts(folder: &Path, files: &PackFiles<'_>) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in FILES.into_iter().zip([
        files.schema,
        files.decide,
        files.oblige,
        files.gate,
        files.assumptions,
        files.parameters,
    ]) {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// Loads the pack of a folder.
pub(super) fn read_pack_in(folder: &Path) -> Result<Pack, RoleError> {
    let read = |name: &str| {
        let path = folder.join(name);
        let what = RoleError::world(format!("reading pack file `{}`", path.display()));
        std::fs::read_to_string(&path).map_err(what)
    };
    let [schema, decide, oblige, gate, assumptions, parameters] = FILES;
    let (schema, decide, oblige) = (read(schema)?, read(decide)?, read(oblige)?);
    let (gate, assumptions, parameters) = (read(gate)?, read(assumptions)?, read(parameters)?);
    Pack::load(&PackFiles {
        schema: &schema,
        decide: &decide,
        oblige: &oblige,
        gate: &gate,
        assumptions: &assumptions,
        parameters: &parameters,
    })
    .map_err(|error| RoleError::Unsound(format!("pack `{}`: {error}", folder.display())))
}

impl Config {
    pub(super) fn settings(&self) -> Result<Settings, RoleError> {
        let settings = Settings {
            environment: named("environment", &self.common.environment)?,
            edge: match &self.instance {
                Some(instance) => named("instance", instance)?,
                None => named("name", &self.common.name)?,
            },
            institution: named("institution", &self.institution)?,
            book: named("book", &self.book)?,
            mandate_month_limit: named("mandate_month_limit", &self.mandate_month_limit)?,
            preparations_a_minute: match self.preparations_a_minute {
                Some(0) => {
                    let why = "expected at least 1, or no such field for 600; got 0";
                    return Err(wrong("preparations_a_minute", why.to_owned()));
                }
                said => said.unwrap_or(PREPARATIONS_A_MINUTE),
            },
            customers: self.customers.iter().map(Customer::parse).collect::<Result<_, _>>()?,
        };
        if self.clock_offset_seconds != 0 && settings.environment.as_str() != "sandbox" {
            let reason = "a clock offset is for the environment `sandbox` only".to_owned();
            return Err(wrong("clock_offset_seconds", reason));
        }
        if self.referrals.is_some() && self.instance.is_some() {
            // Instances share no disk: a release given to one would be lost on another, and what
            // one blocked the other would let go.
            let reason = "an edge with a referral queue has one instance".to_owned();
            return Err(wrong("referrals", reason));
        }
        match self.lists.first() {
            Some(home) if home.jurisdiction == self.jurisdiction => Ok(settings),
            _ => Err(wrong("lists", "expected the home jurisdiction's list first".to_owned())),
        }
    }

    pub(super) fn peer(&self, name: &str) -> Result<&Descriptor, RoleError> {
        self.common.peer(name).ok_or_else(|| wrong("peers", format!("expected a peer `{name}`")))
    }
}

impl Customer {
    fn parse(&self) -> Result<Onboarding, RoleError> {
        let company: CompanyId = named("customers.company", &self.company)?;
        let country: Jurisdiction = named("customers.country", &self.country)?;
        Ok(Onboarding {
            company,
            legal_name: self.legal_name.clone(),
            country,
            address: PostalAddress {
                street: self.street.clone(),
                post_code: self.post_code.clone(),
                town: self.town.clone(),
                country,
            },
            lei: self.lei.clone(),
        })
    }
}

pub(super) fn wrong(field: &str, reason: impl core::fmt::Display) -> RoleError {
    RoleError::Configuration { path: "role.json".into(), reason: format!("`{field}`: {reason}") }
}

pub(super) fn named<T>(field: &str, text: &str) -> Result<T, RoleError>
where
    T: core::str::FromStr,
    T::Err: core::fmt::Display,
{
    text.parse().map_err(|error: T::Err| wrong(field, error.to_string()))
}

/// The files of a pack, in the order of [`PackFiles`].
pub const FILES: [&str; 6] = [
    "corridor.cedarschema",
    "decide.cedar",
    "oblige.cedar",
    "gate.cedar",
    "assumptions.cedar",
    "parameters.json",
];
