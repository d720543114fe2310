//! A stage with running roles, made for one run and removed after it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use client::{CLIENT_LIMITS, Client, ClientLimits, Outcome, Outgoing, Peer};
use record::{Ending, Promise};
use seal::{PublicKey, SigningKey};
use server::keys::REQUEST_KEY;
use server::roles::core::Cluster;
use wallet::{KeyFolder, Wallet};

use crate::demo::crash::copy_folder;
use crate::demo::funding::prefund;
use crate::demo::onboard::onboard;
use crate::demo::processes::RoleProcess;
use crate::demo::setup::{Stage, write_json};
use crate::demo::start;

/// More open quotes than a run makes within a quote's lifetime: the bound is the demo's, and what
/// is measured here is not the bound.
const OPEN_QUOTES: u64 = 1_000_000;
/// Deposits of the demo's story that come in, for millions of payments.
const DEPOSITS: u128 = 1_000;
/// The first port that is tried: out of the demo's way.
const PORT: u16 = 27_000;

/// Roles that run, with customers and money.
pub struct Rig {
    /// The stage.
    pub stage: Stage,
    /// The roles' processes.
    pub processes: Vec<RoleProcess>,
}

/// A payer's and a payee's wallet of their own folders. All desks of one run belong to the same
/// two companies, as the clerks of one company do: each keeps a privacy record of its own.
pub struct Desk {
    /// Pays.
    pub payer: Wallet,
    /// Is paid.
    pub payee: Wallet,
}

impl Rig {
    /// Starts all roles of `binary` on a fresh stage in `dir` and onboards the firms.
    pub async fn start(dir: &Path, binary: &Path) -> anyhow::Result<Self> {
        Ok(Self::start_with(dir, binary, async |_| Ok(())).await?.0)
    }

    /// [`Rig::start`] after `change` has had its way with the written configurations, and what it
    /// returned.
    pub async fn start_with<T>(
        dir: &Path,
        binary: &Path,
        change: impl AsyncFnOnce(&Stage) -> anyhow::Result<T>,
    ) -> anyhow::Result<(Self, T)> {
        Self::raise(fresh(dir)?, binary, change).await
    }

    /// [`Rig::start`] with two cores over one replicated journal, in which nothing is yet.
    pub async fn start_shared(dir: &Path, binary: &Path, cluster: Cluster) -> anyhow::Result<Self> {
        let shared = cluster.of_book("settlement".parse()?).map_err(|reason| anyhow!(reason))?;
        tokio::task::spawn_blocking(move || store::postgres::migrate(&shared)).await??;
        let mut stage = fresh(dir)?;
        stage.share_journal(cluster)?;
        Ok(Self::raise(stage, binary, async |_| Ok(())).await?.0)
    }

    async fn raise<T>(
        mut stage: Stage,
        binary: &Path,
        change: impl AsyncFnOnce(&Stage) -> anyhow::Result<T>,
    ) -> anyhow::Result<(Self, T)> {
        stage.deposits = DEPOSITS;
        stage.write_roles()?;
        lift_quote_bound(&stage)?;
        let changed = change(&stage).await?;
        stage.keep_memory()?;
        let processes = start(&stage, binary).await?;
        onboard(&stage).await?;
        prefund(&mut stage).await?;
        stage.memory.onboarded = true;
        stage.keep_memory()?;
        Ok((Self { stage, processes }, changed))
    }

    /// Copies of both wallets, opened.
    pub fn desk(&self, number: usize) -> anyhow::Result<Desk> {
        let open = |firm: &str| -> anyhow::Result<Wallet> {
            let folder = self.stage.dir.join("desks").join(format!("{firm}-{number}"));
            copy_folder(&self.stage.folder(firm), &folder)?;
            Ok(Wallet::open(&folder)?)
        };
        Ok(Desk { payer: open("brightwater")?, payee: open("lim")? })
    }

    /// The core's process.
    pub fn core(&mut self) -> anyhow::Result<&mut RoleProcess> {
        self.processes.iter_mut().find(|process| process.is("core")).context("the core")
    }

    /// Sends orders to the core as the payer does.
    pub fn counter(&self) -> anyhow::Result<Counter> {
        self.counter_within(CLIENT_LIMITS)
    }

    /// [`Rig::counter`] with other limits than the wallets'.
    pub fn counter_within(&self, limits: ClientLimits) -> anyhow::Result<Counter> {
        let core = self.stage.peer("core")?;
        let request_key = core.key(REQUEST_KEY).context("its request key")?;
        Ok(Counter {
            client: self.stage.common("nobody").client_within(limits),
            peer: Peer::signing(&core.url, request_key)?,
            key: KeyFolder::open(&self.stage.folder("brightwater"))?.request_key()?,
            log_key: self.stage.key("core", "log")?.public_key(),
        })
    }

    /// Removes the files, once the roles are stopped.
    pub fn remove(self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.stage.dir).context("the run's folder")
    }

    /// Stops every role in order and leaves the files.
    pub fn stop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            process.stop();
        }
    }
}

/// What became of an order that was sent once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The core promised this.
    Promised(Box<Promise>),
    /// No answer came, or none that can be believed.
    NoAnswer(String),
}

/// The one window of the core that orders go through: a client with the payer's key.
pub struct Counter {
    client: Client,
    peer: Peer,
    key: SigningKey,
    log_key: PublicKey,
}

impl Counter {
    /// Sends an order's bytes and verifies the promise that comes back.
    pub async fn send(&self, order: Bytes) -> Sent {
        let request = Outgoing::post("/v1/orders", api::wire::CBOR, order);
        let answer = match self.client.send(&self.peer, request, &self.key).await {
            Outcome::Answer(answer) => answer,
            other => return Sent::NoAnswer(format!("{other:?}")),
        };
        let read = seal::from_canonical::<api::messages::OrderAnswer>(&answer.body);
        match read.map(|answer| answer.promise.verify(&self.log_key)) {
            Ok(Ok(promise)) => Sent::Promised(Box::new(promise)),
            Ok(Err(error)) => Sent::NoAnswer(error.to_string()),
            Err(error) => Sent::NoAnswer(error.to_string()),
        }
    }

    /// What the core answers to a question.
    pub async fn get(&self, target: &str) -> anyhow::Result<Bytes> {
        match self.client.send(&self.peer, Outgoing::get(target), &self.key).await {
            Outcome::Answer(answer) => Ok(answer.body),
            other => bail!("{target}: {other:?}"),
        }
    }
}

impl Sent {
    /// The promise, if it says settled; else in words what came.
    pub fn settled(self) -> Result<Promise, String> {
        match self {
            Self::Promised(promise) if promise.outcome == Ending::Settled => Ok(*promise),
            Self::Promised(promise) => Err(promise.outcome.to_string()),
            Self::NoAnswer(reason) => Err(reason),
        }
    }
}

/// Orders that several clients take from, each once.
#[derive(Clone)]
pub struct Pile(Arc<std::sync::Mutex<std::vec::IntoIter<(usize, Bytes)>>>);

impl Pile {
    /// Of these orders, numbered from 0.
    #[must_use]
    pub fn of(orders: Vec<Bytes>) -> Self {
        let numbered: Vec<(usize, Bytes)> = orders.into_iter().enumerate().collect();
        Self(Arc::new(std::sync::Mutex::new(numbered.into_iter())))
    }

    /// The next one.
    #[must_use]
    pub fn take(&self) -> Option<(usize, Bytes)> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next()
    }
}

/// A folder beside the binary: on the disk that a build is on, not in memory.
#[must_use]
pub fn folder_beside(binary: &Path, what: &str) -> PathBuf {
    let beside = binary.parent().unwrap_or_else(|| Path::new("."));
    beside.join(format!("{what}-{}", std::process::id()))
}

/// This program, unless another is named.
pub fn binary(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path,
        None => std::env::current_exe()?,
    };
    path.canonicalize().with_context(|| format!("no binary `{}`", path.display()))
}

fn fresh(dir: &Path) -> anyhow::Result<Stage> {
    if dir.exists() {
        bail!("`{}` is there already: expected a folder to make and remove", dir.display());
    }
    Stage::open(dir, PORT)
}

fn lift_quote_bound(stage: &Stage) -> anyhow::Result<()> {
    let path = stage.folder("fx-dealer").join("role.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    let members = config.as_object_mut().context("the provider's role.json")?;
    members.insert("open_quotes_per_client_max".into(), OPEN_QUOTES.into());
    write_json(&path, &config)
}
