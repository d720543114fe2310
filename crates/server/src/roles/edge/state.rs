//! What an edge instance holds while it runs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use admission::{AccountFacts, Desk, Lists};
use api::messages::{AccountView, Taken};
use api::{Caller, Problem, Role, problem, wire};
use client::{Client, Outcome, Outgoing, Peer};
use policy::Pack;
use record::Side;
use seal::{BoxSecretKey, Secret, SigningKey};
use terms::{AccountId, CorridorName, Instant};
use tokio::sync::Notify;

use super::config::{Config, Settings, wrong};
use super::kept::Kept;
use super::outbox::{DataKeys, Outbox};
use super::rate::Rate;
use super::referrals::Desk as Referrals;
use super::statuses::StatusKeeper;
use super::ways::{Other, Way, Ways};
use crate::keys::{KeyStore, REQUEST_KEY};
use crate::roles::RoleError;
use crate::system;
use crate::web::{Readiness, Refuse};

/// One edge instance.
pub(super) struct Edge {
    pub(super) dir: PathBuf,
    pub(super) settings: Settings,
    pub(super) url: String,
    pub(super) ways: Ways,
    pub(super) permit_key: SigningKey,
    statement_key: BoxSecretKey,
    secret: Secret,
    request_key: SigningKey,
    pub(super) client: Client,
    core: Peer,
    /// Where the institution's book is: its own process, or the core.
    book: Peer,
    pub(super) operator: String,
    rate: Rate,
    pub(super) statuses: StatusKeeper,
    pub(super) kept: Kept,
    pub(super) readiness: Readiness,
    /// Wakes the keeper: somebody has a reason to look at the lists now.
    pub(super) look: Notify,
    /// Wakes the delivery.
    pub(super) deliver: Notify,
    outbox: Mutex<Outbox>,
    data_keys: Mutex<DataKeys>,
    pub(super) referrals: Option<Referrals>,
    lists: RwLock<Option<Arc<Lists>>>,
    clock_offset_seconds: i64,
    _lock: File,
}

impl Edge {
    /// Opens keys and files.
    pub(super) fn open(dir: PathBuf, config: &Config, keys: &KeyStore) -> Result<Self, RoleError> {
        let common = &config.common;
        let settings = config.settings()?;
        let file = |name: &str| RoleError::world(format!("opening `{name}`"));
        let issuers = common
            .peers_of(Role::Issuer)
            .map(|peer| {
                let at = Peer::unverified(&peer.url).map_err(|e| wrong("peers", e.to_string()))?;
                Ok((at.authority().to_owned(), at))
            })
            .collect::<Result<BTreeMap<_, _>, RoleError>>()?;
        let marks = dir.join("status-marks");
        // Two processes over one folder would give one number twice.
        let lock = File::create(dir.join("lock")).map_err(file("lock"))?;
        lock.try_lock().map_err(|error| {
            RoleError::Unsound(format!("`{}` is in use by another process: {error}", dir.display()))
        })?;
        let whose = (settings.environment, settings.institution);
        let referrals = Referrals::open(&dir, config.referrals.as_ref(), whose)?;
        Ok(Self {
            rate: Rate::new(settings.preparations_a_minute),
            settings,
            referrals,
            url: common.url.trim_end_matches('/').to_owned(),
            ways: Ways::open(&dir, config)?,
            permit_key: keys.signing_key("permit")?,
            statement_key: BoxSecretKey::from_seed(keys.seed("statement")?),
            secret: Secret::from_bytes(keys.seed("ticket")?),
            request_key: keys.signing_key(REQUEST_KEY)?,
            client: common.client(),
            core: common.signing_peer(&config.core)?,
            book: common.signing_peer(config.bank.as_ref().unwrap_or(&config.core))?,
            operator: config.operator.clone(),
            statuses: StatusKeeper::open(&marks, issuers, config.status_cache_seconds)
                .map_err(file("status-marks"))?,
            kept: Kept::open(&dir.join("kept")).map_err(file("kept"))?,
            readiness: Readiness::waiting("no snapshot is in force yet"),
            look: Notify::new(),
            deliver: Notify::new(),
            outbox: Mutex::new(Outbox::open(&dir.join("outbox")).map_err(file("outbox"))?),
            data_keys: Mutex::new(
                DataKeys::open(&dir.join("data-keys")).map_err(file("data-keys"))?,
            ),
            lists: RwLock::new(None),
            clock_offset_seconds: config.clock_offset_seconds,
            _lock: lock,
            dir,
        })
    }

    /// The clock, with the sandbox's offset.
    pub(super) fn now(&self) -> Instant {
        let offset = Duration::from_secs(self.clock_offset_seconds.unsigned_abs());
        if self.clock_offset_seconds < 0 {
            system::now().minus(offset)
        } else {
            system::now().plus(offset)
        }
    }

    /// Counts a question of what is missing; one too many is turned away.
    pub(super) fn may_ask(&self, caller: &Caller) -> Result<(), Refuse> {
        self.rate.ask(caller.key().key_id(), self.now()).map_err(|wait| {
            let most = self.rate.most();
            let seconds = wait.as_secs().max(1);
            Problem::of(&problem::TOO_MANY)
                .detail(format!("you asked {most} times within a minute what is missing"))
                .expected(format!("at most {most} a minute"))
                .mend(format!("ask again in {seconds} seconds"))
                .into()
        })
    }

    /// The lists in force, once the core knows their snapshot.
    pub(super) fn lists(&self) -> Result<Arc<Lists>, Refuse> {
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner).clone();
        lists.ok_or_else(|| {
            let problem = Problem::of(&problem::NOT_READY).detail("no snapshot is in force yet");
            problem.mend("try again in a second").into()
        })
    }

    /// From now on these lists are in force.
    pub(super) fn use_lists(&self, lists: Lists) {
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(lists));
    }

    /// The way of this side of this corridor.
    pub(super) fn way(&self, corridor: CorridorName, side: Side) -> Result<&Way, Refuse> {
        self.ways.find(corridor, side).ok_or_else(|| {
            let who = &self.settings.institution;
            Problem::of(&problem::REFUSED)
                .detail(format!("`{who}` does not decide the {side} side of `{corridor}`"))
                .mend("ask your institution which corridors it serves")
                .into()
        })
    }

    /// The desk of a way at this instant, with the pack that decides.
    pub(super) fn desk<'a>(&'a self, way: &'a Way, lists: &'a Lists, pack: &'a Pack) -> Desk<'a> {
        let settings = &self.settings;
        Desk {
            environment: settings.environment,
            institution: settings.institution,
            corridor: way.corridor,
            side: way.side,
            book: settings.book,
            url: &self.url,
            pack,
            lists,
            permit_key: &self.permit_key,
            statement_key: &self.statement_key,
            secret: &self.secret,
            mandate_month_limit: settings.mandate_month_limit,
            sandbox: way.sandbox.as_ref(),
            now: self.now(),
        }
    }

    /// The outbox. Held across file writes only, never across an await.
    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data keys.
    pub(super) fn data_keys(&self) -> MutexGuard<'_, DataKeys> {
        self.data_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The institution's own secret: opens its notes to itself.
    pub(super) const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Sends a signed request to the core.
    pub(super) async fn to_core(&self, request: Outgoing<'_>) -> Outcome {
        self.client.send(&self.core, request, &self.request_key).await
    }

    /// Sends a signed request to where the institution's book is.
    pub(super) async fn to_book(&self, request: Outgoing<'_>) -> Outcome {
        self.client.send(&self.book, request, &self.request_key).await
    }

    /// Sends a signed request to the other side's edge.
    pub(super) async fn to_other(&self, other: &Other, request: Outgoing<'_>) -> Outcome {
        self.client.send(&other.peer, request, &self.request_key).await
    }

    /// What the institution's book says of an account.
    pub(super) async fn account(&self, account: AccountId) -> Result<AccountFacts, Refuse> {
        let target = format!("/v1/accounts/{account}");
        let answer = match self.to_book(Outgoing::get(&target)).await {
            Outcome::Answer(answer) => answer,
            Outcome::Refused(problem) => {
                let detail = problem.detail.unwrap_or(problem.title);
                return Err(Problem::of(&problem::REFUSED)
                    .detail(format!("account `{account}`: {detail}"))
                    .mend("name an account of this institution")
                    .into());
            }
            Outcome::NotDone(why) => return Err(unreachable_peer("the book", &why.to_string())),
            Outcome::Unknown(why) => return Err(unreachable_peer("the book", &why.to_string())),
        };
        let view: AccountView = wire::read_cbor(&answer.body)?;
        Ok(AccountFacts {
            account: view.profile.account,
            owner: view.profile.owner,
            name: view.profile.name,
            client_key: view.profile.client_key,
            takes_debits: view.debits == Taken::Yes,
            takes_credits: view.credits == Taken::Yes,
        })
    }
}

/// Another role did not answer: nothing was done here.
pub(super) fn unreachable_peer(who: &str, why: &str) -> Refuse {
    tracing::warn!(who, why, "a peer did not answer");
    Problem::of(&problem::NOT_READY)
        .detail(format!("{who} did not answer"))
        .mend("try again in a moment")
        .into()
}

/// A disk that fails: told to the log in full, to the caller in a word.
pub(super) fn disk_fault(error: &io::Error) -> Refuse {
    tracing::error!(%error, "the outbox could not be written");
    Problem::of(&problem::FAULT).detail("the decision could not be made durable").into()
}
