//! The cast of the demo: folders, keys, ports, and each role's configuration.
//!
//! Everything here a real deployment writes by hand, once: who is who, which keys are pinned
//! where, who is trusted for what. The same files, read by the same code.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use api::Role;
use policy::PackFiles;
use record::{
    CorridorSide, Recognised, Recognition, Side, TrustList, TrustedInstitution, TrustedIssuer,
    TrustedProvider,
};
use seal::{BoxSecretKey, SigningKey};
use serde::{Deserialize, Serialize};
use server::keys::{Descriptor, KeyStore, REQUEST_KEY};
use server::roles::core::{DrillDuty, Hosted, OwnBook, WitnessEntry};
use server::roles::{Common, bank, core, edge, issuer, provider, supervisor};
use terms::{AccountId, Instant, Jurisdiction};

use super::processes::free_port;

/// Where the log says it is. Stable while ports move.
pub const ORIGIN: &str = "wayleave.example/sandbox/settlement";
/// How long trust entries of the demo are good: ten years.
const TRUST_SECONDS: u64 = 10 * 365 * 24 * 3600;
/// The institutions, each with the asset of its customers.
const BANKS: [(&str, &str); 2] =
    [("bank-nl", "EUR.2@tcb-sandbox"), ("bank-sg", "SGD.2@mas-sandbox")];
/// The key of the packs' author. The demo's operator holds it, as it holds its persons' keys.
pub const PACK_AUTHOR: &str = "pack-author";
/// The key with which the operator countersigns packs.
pub const PACK_OPERATOR: &str = "pack-operator";
/// How long an edition of a list is good.
const LIST_LIFETIME_SECONDS: u64 = 600;

/// One role of the cast.
pub struct Member {
    /// The word for `wayleave run`; empty for those that are no process.
    pub process: &'static str,
    /// Its name among its peers.
    pub name: &'static str,
    /// Its folder below the demo's.
    pub folder: &'static str,
    role: Role,
    /// Keys shown in its descriptor, beside `request`.
    keys: &'static [&'static str],
    port: u16,
}

/// Everybody. Ports as in the demo's first lines.
pub const CAST: [Member; 12] = [
    member("core", "core", "core", Role::Core, &["log"], 7000),
    member("edge", "bank-nl.1", "bank-nl", Role::Edge, &["permit"], 7001),
    member("edge", "bank-sg.1", "bank-sg", Role::Edge, &["permit"], 7002),
    member("issuer", "issuers", "issuers", Role::Issuer, &[], 7003),
    member(
        "supervisor",
        "supervisor-nl",
        "supervisor-nl",
        Role::Supervisor,
        &["cosign", "list"],
        7004,
    ),
    member(
        "supervisor",
        "supervisor-sg",
        "supervisor-sg",
        Role::Supervisor,
        &["cosign", "list"],
        7005,
    ),
    member("provider", "fx-dealer", "fx-dealer", Role::Provider, &["quote"], 7006),
    member("bank", "bank-b", "bank-b", Role::Bank, &[], 7007),
    member("", "operator", "operator", Role::Operator, &["report", "statement"], 0),
    member("", "brightwater", "wallets/brightwater", Role::Wallet, &[], 0),
    member("", "lim", "wallets/lim", Role::Wallet, &[], 0),
    member("", "blacktide", "wallets/blacktide", Role::Wallet, &[], 0),
];

/// The payer's bank's own book, where it is not hosted.
const BANK_A: Member = member("bank", "bank-a", "bank-a", Role::Bank, &[], 7008);

/// Which banks keep their own book; the core hosts the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnBooks {
    /// Nobody's: the core hosts all.
    Nobody,
    /// The payee's.
    Payee,
    /// Both.
    Both,
}

impl OwnBooks {
    /// Everybody on this stage.
    pub fn cast(self) -> impl Iterator<Item = &'static Member> {
        let here = move |one: &&Member| self != Self::Nobody || one.role != Role::Bank;
        CAST.iter().filter(here).chain((self == Self::Both).then_some(&BANK_A))
    }

    /// Who keeps the book of an institution, where it is not the core.
    #[must_use]
    pub fn of(self, institution: &str) -> Option<&'static str> {
        match institution {
            "bank-sg" if self != Self::Nobody => Some("bank-b"),
            "bank-nl" if self == Self::Both => Some("bank-a"),
            _ => None,
        }
    }
}

const fn member(
    process: &'static str,
    name: &'static str,
    folder: &'static str,
    role: Role,
    keys: &'static [&'static str],
    port: u16,
) -> Member {
    Member { process, name, folder, role, keys, port }
}

/// What the demo remembers between runs: `demo.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Ports by role name.
    pub ports: std::collections::BTreeMap<String, u16>,
    /// Accounts by firm.
    pub accounts: std::collections::BTreeMap<String, String>,
    /// Accounts opened, credentials received, money funded: at these ports.
    pub onboarded: bool,
    /// All SGD that the provider was ever funded with, in minor units.
    pub provider_minor: u128,
    /// Number of the next invoice.
    pub next_invoice: u32,
}

/// The demo's folder with everybody's keys.
pub struct Stage {
    /// The demo's folder.
    pub dir: PathBuf,
    /// What it remembers.
    pub memory: Memory,
    /// Everybody's public face.
    pub peers: Vec<Descriptor>,
    /// Which banks keep their own book.
    pub own_books: OwnBooks,
    /// How many times the story's deposits come in: a run of hours spends more than a story.
    pub deposits: u128,
    /// Where the core writes; with a shared journal there is a second core ([`STANDBY`]).
    pub journal: core::JournalConfig,
}

/// The second core, when two share a journal.
pub const STANDBY: &str = "core-2";

impl Stage {
    /// Opens or makes the stage: folders and keys once, ports at every start.
    pub fn open(dir: &Path, base_port: u16) -> anyhow::Result<Self> {
        Self::open_with(dir, base_port, OwnBooks::Payee)
    }

    /// As [`Stage::open`], with other banks keeping their own book.
    pub fn open_with(dir: &Path, base_port: u16, own_books: OwnBooks) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("`{}`", dir.display()))?;
        let dir = std::path::absolute(dir)?;
        let memory = remember(&dir, base_port, own_books)?;
        let journal = core::JournalConfig::Segments;
        let mut stage = Self { dir, memory, peers: Vec::new(), own_books, deposits: 1, journal };
        for one in own_books.cast() {
            let descriptor = stage.describe(one)?;
            stage.peers.push(descriptor);
        }
        Ok(stage)
    }

    /// Puts the core's books into a journal that a second core shares. Before the roles are
    /// written: everybody learns both places of the core.
    pub fn share_journal(&mut self, cluster: core::Cluster) -> anyhow::Result<()> {
        let mut taken: Vec<u16> = self.memory.ports.values().copied().collect();
        let highest = taken.iter().max().copied().unwrap_or_default();
        let port = free_port(highest.saturating_add(1), &mut taken)?;
        let both = format!("{} http://localhost:{port}", self.url("core"));
        self.memory.ports.insert(STANDBY.to_owned(), port);
        let core = self.folder("core");
        let known = self.peers.iter_mut().find(|peer| peer.name == "core");
        let known = known.context("the core")?;
        known.url = both;
        // Whoever names the core by its folder finds both places there, too.
        known.write(&core)?;
        self.journal = core::JournalConfig::Postgres(cluster);
        Ok(())
    }

    /// Whether a second core stands by.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.journal, core::JournalConfig::Postgres(_))
    }

    /// Writes every role's `role.json` and what goes with it.
    pub fn write_roles(&self) -> anyhow::Result<()> {
        self.write_core()?;
        write_json(&self.folder("operator").join("role.json"), &self.common("operator"))?;
        std::fs::write(self.dir.join("trust"), self.policy()?).context("trust")?;
        provider::write_example(
            &self.folder("fx-dealer"),
            self.common("fx-dealer"),
            &["nl-sg", "sg-nl"],
        )?;
        let issuers = issuer::example_config(self.common("issuers"), "operator");
        issuer::write_example(
            &self.folder("issuers"),
            &issuers,
            &super::subjects::subjects(self)?,
        )?;
        self.write_supervisor("supervisor-nl", "NL")?;
        self.write_supervisor("supervisor-sg", "SG")?;
        for (bank, asset) in BANKS {
            if let Some(name) = self.own_books.of(bank) {
                self.write_bank(name, bank, asset)?;
            }
        }
        self.write_edge("NL")?;
        self.write_edge("SG")
    }

    fn write_edge(&self, country: &str) -> anyhow::Result<()> {
        let (bank, side, other) = match country {
            "NL" => ("bank-nl", Side::Debtor, "bank-sg.1"),
            _ => ("bank-sg", Side::Creditor, "bank-nl.1"),
        };
        let own = format!("supervisor-{}", country.to_lowercase());
        let mut supervisors = vec![(country.to_owned(), own)];
        let far = if country == "NL" { "SG" } else { "NL" };
        supervisors.push((far.to_owned(), format!("supervisor-{}", far.to_lowercase())));
        let example = edge::Example {
            side,
            institution: bank.into(),
            jurisdiction: country.into(),
            other_edge: other.into(),
            supervisors,
            operator: "operator".into(),
            pack_author: self.key("operator", PACK_AUTHOR)?.public_key(),
            pack_operator: self.key("operator", PACK_OPERATOR)?.public_key(),
            customers: super::subjects::customers(bank),
        };
        let name = format!("{bank}.1");
        let mut config = edge::example_config(self.common(&name), "core", example);
        config.bank = self.own_books.of(bank).map(str::to_owned);
        let back = if country == "NL" { ("nl-in", "creditor") } else { ("sg-nl", "debtor") };
        config.more = vec![edge::WayConfig {
            corridor: "sg-nl".into(),
            side: back.1.into(),
            pack: back.0.into(),
            other_edge: Some(config.other_edge.clone()),
            fee: None,
            sandbox: None,
        }];
        if country == "NL" {
            config.more.push(edge::WayConfig {
                corridor: "nl-ch".into(),
                side: "debtor".into(),
                pack: "nl-ch".into(),
                other_edge: None,
                fee: Some("250".into()),
                sandbox: None,
            });
        }
        write_json(&self.folder(&name).join("role.json"), &config)?;
        let folder = self.folder(&name);
        let pack = super::subjects::pack(side);
        self.write_pack(&name, &pack.files())?;
        let (author, operator) = self.pack_keys()?;
        let keys = edge::PackKeys { author: &author, operator: &operator };
        for more in &config.more {
            let pack = super::subjects::pack_named(&more.pack);
            let written = edge::write_more_pack(&folder, &more.pack, &pack.files(), keys);
            written.with_context(|| format!("the files of pack {}", more.pack))?;
        }
        Ok(())
    }

    /// Writes the first pack of an edge, certified: of shipped rules, with any parameters.
    pub fn write_pack(&self, edge: &str, files: &PackFiles<'_>) -> anyhow::Result<()> {
        let (author, operator) = self.pack_keys()?;
        let keys = edge::PackKeys { author: &author, operator: &operator };
        edge::write_pack(&self.folder(edge), files, keys).context("the pack's files")
    }

    fn pack_keys(&self) -> anyhow::Result<(SigningKey, SigningKey)> {
        Ok((self.key("operator", PACK_AUTHOR)?, self.key("operator", PACK_OPERATOR)?))
    }

    /// Writes the folder of an institution that keeps its own book.
    pub fn write_bank(&self, name: &str, institution: &str, asset: &str) -> anyhow::Result<()> {
        let origin = ORIGIN.parse().map_err(|e| anyhow::anyhow!("{e}"))?;
        let log = evidence::VerifierKey::of_log(origin, self.key("core", "log")?.public_key());
        let permit_key = self.key(&format!("{institution}.1"), "permit")?.public_key();
        let config = bank::Config {
            common: self.common(name),
            institution: institution.parse()?,
            book: format!("{institution}.customers").parse()?,
            assets: vec![asset.into()],
            settlement: "settlement".parse()?,
            core: "core".into(),
            log_key: log.to_string(),
            permit_keys: vec![permit_key.to_string()],
            operator: "operator".into(),
            statement_key: self.key("operator", "statement")?.public_key().to_string(),
            link_patience_ms: 2_000,
        };
        write_json(&self.folder(name).join("role.json"), &config)
    }

    /// Keeps what the demo remembers.
    pub fn keep_memory(&self) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(&self.memory)?;
        std::fs::write(self.dir.join("demo.json"), text).context("demo.json")
    }

    /// A role's folder.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder =
            self.own_books.cast().find(|one| one.name == name).map_or(name, |one| one.folder);
        self.dir.join(folder)
    }

    /// A role's URL.
    pub fn url(&self, name: &str) -> String {
        let port = self.memory.ports.get(name).copied().unwrap_or_default();
        format!("http://localhost:{port}")
    }

    /// A role's keys.
    pub fn keys(&self, name: &str) -> anyhow::Result<KeyStore> {
        Ok(KeyStore::open(&self.folder(name))?)
    }

    /// One of a role's signing keys.
    pub fn key(&self, name: &str, key: &str) -> anyhow::Result<SigningKey> {
        Ok(self.keys(name)?.signing_key(key)?)
    }

    /// The common part of a role's configuration: it knows everybody but itself.
    pub fn common(&self, name: &str) -> Common {
        Common {
            environment: "sandbox".into(),
            name: name.into(),
            url: self.url(name),
            port: self.memory.ports.get(name).copied().unwrap_or_default(),
            peers: self.peers.iter().filter(|peer| peer.name != name).cloned().collect(),
        }
    }

    /// The public face of a role.
    pub fn peer(&self, name: &str) -> anyhow::Result<&Descriptor> {
        self.peers.iter().find(|peer| peer.name == name).context("a member of the cast")
    }

    /// The account of a firm.
    pub fn account(&self, firm: &str) -> anyhow::Result<AccountId> {
        Ok(self.memory.accounts.get(firm).context("a firm of the demo")?.parse()?)
    }

    /// The verifier key text of a supervisor's witness.
    pub fn witness_vkey(&self, name: &str) -> anyhow::Result<String> {
        let key = self.key(name, "cosign")?;
        let name =
            format!("wayleave.example/{name}").parse().map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(evidence::VerifierKey::of_witness(name, key.public_key()).to_string())
    }

    /// The tlog-policy: this log, both supervisors.
    pub fn policy(&self) -> anyhow::Result<String> {
        let log = self.key("core", "log")?;
        let origin = ORIGIN.parse().map_err(|e| anyhow::anyhow!("{e}"))?;
        let log = evidence::VerifierKey::of_log(origin, log.public_key());
        Ok(format!(
            "log {log}\nwitness supervisor-nl {}\nwitness supervisor-sg {}\n\
             group supervisors 2 supervisor-nl supervisor-sg\nquorum supervisors\n",
            self.witness_vkey("supervisor-nl")?,
            self.witness_vkey("supervisor-sg")?,
        ))
    }

    fn describe(&self, one: &Member) -> anyhow::Result<Descriptor> {
        let keys = self.keys(one.name)?;
        let mut descriptor = Descriptor::new(one.role, one.name, &self.url(one.name))
            .with_key(REQUEST_KEY, &keys.signing_key(REQUEST_KEY)?);
        for key in one.keys {
            descriptor = descriptor.with_key(key, &keys.signing_key(key)?);
        }
        descriptor.write(&self.folder(one.name))?;
        Ok(descriptor)
    }

    fn write_core(&self) -> anyhow::Result<()> {
        let root = |name: &str| -> anyhow::Result<String> {
            Ok(self.key(name, "list")?.public_key().to_string())
        };
        let hosted = |bank: &str, asset: &str| -> anyhow::Result<Hosted> {
            Ok(Hosted {
                book: format!("{bank}.customers").parse()?,
                institution: bank.parse()?,
                asset: asset.parse()?,
            })
        };
        let witness = |name: &str| -> anyhow::Result<WitnessEntry> {
            Ok(WitnessEntry { peer: name.into(), vkey: self.witness_vkey(name)? })
        };
        let (mut hosted_here, mut banks) = (Vec::new(), Vec::new());
        for (bank, asset) in BANKS {
            match self.own_books.of(bank) {
                Some(peer) => {
                    banks.push(OwnBook { institution: bank.parse()?, peer: peer.into() });
                }
                None => hosted_here.push(hosted(bank, asset)?),
            }
        }
        let config = core::Config {
            common: self.common("core"),
            book: "settlement".parse()?,
            origin: ORIGIN.into(),
            operator: "wayleave-operator".parse()?,
            approvers: ["approve-1", "approve-2"]
                .into_iter()
                .map(|key| Ok(self.key("operator", key)?.public_key().to_string()))
                .collect::<anyhow::Result<_>>()?,
            operators: ["ada", "ben"]
                .into_iter()
                .map(|name| {
                    let key = self.key("operator", &format!("act-{name}"))?.public_key();
                    let may = core::MayEntry::Both;
                    Ok(core::OperatorEntry { name: name.into(), key: key.to_string(), may })
                })
                .collect::<anyhow::Result<_>>()?,
            roots: [("NL".into(), root("supervisor-nl")?), ("SG".into(), root("supervisor-sg")?)]
                .into(),
            hosted: hosted_here,
            banks,
            providers: vec!["fx-dealer".into()],
            assets: vec!["EUR.2@tcb-sandbox".into(), "SGD.2@mas-sandbox".into()],
            policy: self.policy()?,
            outside_accounts: super::funding::outside_accounts()?,
            witnesses: vec![witness("supervisor-nl")?, witness("supervisor-sg")?],
            drills: vec![DrillDuty { name: "core-kill".into(), every_days: 7 }],
            rails: vec![],
            leases: vec![],
            journal: self.journal.clone(),
        };
        write_private(&self.folder("core").join("role.json"), &config)?;
        if self.is_shared() { self.write_standby(config) } else { Ok(()) }
    }

    /// The second core is the first at another place: the same name, keys and books.
    fn write_standby(&self, config: core::Config) -> anyhow::Result<()> {
        let folder = self.folder(STANDBY);
        // Drawn before they are copied.
        let keys = KeyStore::open(&folder)?;
        drop(keys);
        for name in [REQUEST_KEY, core::LOG_KEY] {
            let file = Path::new("keys").join(format!("{name}.seed"));
            let bytes = std::fs::read(self.folder("core").join(&file)).context("a key")?;
            let copy = folder.join(&file);
            std::fs::write(&copy, bytes).with_context(|| format!("`{}`", copy.display()))?;
            std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600))?;
        }
        let port = self.memory.ports.get(STANDBY).copied().unwrap_or_default();
        let common = Common { url: self.url(STANDBY), port, ..config.common };
        write_private(&folder.join("role.json"), &core::Config { common, ..config })
    }

    fn write_supervisor(&self, name: &str, country: &str) -> anyhow::Result<()> {
        let example = supervisor::Example {
            jurisdiction: country.into(),
            operator: "operator".into(),
            witness_name: format!("wayleave.example/{name}"),
            log: supervisor::WitnessedLog { origin: ORIGIN.into(), peer: "core".into() },
            list_lifetime_seconds: LIST_LIFETIME_SECONDS,
        };
        let config = supervisor::example_config(self.common(name), example);
        let trust = supervisor::trust_edits_of(&self.trust_list(country)?);
        let folder = self.folder(name);
        supervisor::write_example(&folder, &config, trust, super::subjects::sanctions())?;
        Ok(())
    }

    /// The first edition of a jurisdiction's trust list.
    pub fn trust_list(&self, country: &str) -> anyhow::Result<TrustList> {
        let (bank, legal_name, side, other_country, other_bank) = match country {
            "NL" => ("bank-nl", "Example Bank N.V.", Side::Debtor, "SG", "bank-sg"),
            _ => ("bank-sg", "Example Bank Pte. Ltd.", Side::Creditor, "NL", "bank-nl"),
        };
        let edge = format!("{bank}.1");
        let until = Instant::from_seconds(server::system::now().seconds() + TRUST_SECONDS);
        let mut sides = vec![
            CorridorSide { corridor: "nl-sg".parse()?, side },
            CorridorSide { corridor: "sg-nl".parse()?, side: side.other() },
        ];
        if country == "NL" {
            // Nobody stands for the payee there.
            sides.push(CorridorSide { corridor: "nl-ch".parse()?, side });
        }
        let statement = BoxSecretKey::from_seed(self.keys(&edge)?.seed("statement")?);
        Ok(TrustList {
            layout: 1,
            environment: "sandbox".parse()?,
            jurisdiction: country.parse()?,
            version: 0,
            issued_at: Instant::EPOCH,
            next_update: Instant::EPOCH,
            issuers: self.issuers_of(country)?,
            institutions: vec![TrustedInstitution {
                institution: bank.parse()?,
                legal_name: legal_name.into(),
                jurisdiction: country.parse()?,
                sides,
                permit_keys: vec![self.key(&edge, "permit")?.public_key()],
                statement_key: statement.public_key(),
                edges: vec![edge.parse()?],
            }],
            providers: vec![TrustedProvider {
                provider: "fx-dealer".parse()?,
                quote_keys: vec![self.key("fx-dealer", "quote")?.public_key()],
            }],
            verifiers: super::subjects::verifiers(self, bank)?,
            recognitions: vec![Recognition {
                jurisdiction: other_country.parse::<Jurisdiction>()?,
                subject: Recognised::Institution(other_bank.parse()?),
                until,
            }],
        })
    }

    fn issuers_of(&self, country: &str) -> anyhow::Result<Vec<TrustedIssuer>> {
        let config = issuer::example_config(self.common("issuers"), "operator");
        let keys = self.keys("issuers")?;
        let from = Instant::from_seconds(server::system::now().seconds().saturating_sub(86_400));
        let until = Instant::from_seconds(from.seconds() + TRUST_SECONDS);
        let suffix = country.to_lowercase();
        let own = |issuer: &TrustedIssuer| issuer.url.contains(&format!("-{suffix}"));
        let all = issuer::trusted_issuers(&config, &keys, from, until)?;
        Ok(all.into_iter().filter(own).collect())
    }
}

fn remember(dir: &Path, base_port: u16, own_books: OwnBooks) -> anyhow::Result<Memory> {
    let path = dir.join("demo.json");
    let known: Option<Memory> =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut taken = Vec::new();
    let mut ports = std::collections::BTreeMap::new();
    for one in own_books.cast().filter(|one| !one.process.is_empty()) {
        let before = known.as_ref().and_then(|memory| memory.ports.get(one.name)).copied();
        let wanted = before.unwrap_or(base_port + (one.port - 7000));
        ports.insert(one.name.to_owned(), free_port(wanted, &mut taken)?);
    }
    if let Some(memory) = known {
        let onboarded = memory.onboarded && memory.ports == ports;
        return Ok(Memory { onboarded, ports, ..memory });
    }
    let mut accounts = std::collections::BTreeMap::new();
    for firm in &super::subjects::FIRMS {
        let bytes = server::system::random().map_err(|e| anyhow::anyhow!("{e}"))?;
        accounts.insert(firm.key.to_owned(), AccountId::from_bytes(bytes).to_string());
    }
    Ok(Memory { ports, accounts, onboarded: false, provider_minor: 0, next_invoice: 14 })
}

/// Writes a JSON file that may hold a password: only its owner may read it.
fn write_private<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    write_json(path, value)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?)
}

/// Writes a JSON file that people may read.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(value)?;
    std::fs::write(path, text).with_context(|| format!("`{}`", path.display()))
}
