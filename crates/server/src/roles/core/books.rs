//! The books of the process: opened, refolded, driven; and their accounts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clearing::settlement::SettlementConfig;
use clearing::{
    CustomerAnswer, CustomerCommand, CustomerWork, CustomersBook, SettlementAnswer, SettlementBook,
    SettlementCommand, SettlementWork,
};
use journal::{Image, Machine, Salts};
use record::SaltSlot;
use seal::{Secret, sha256};
use store::salt_keys::{POOL_KEYS, SaltKeys};
use store::segment_journal::{SegmentConfig, SegmentJournal};
use store::{
    Answer, BookConfig, BookHandle, FileDisk, ImagePolicy, NoRecall, Parts, Recovery, spawn_book,
};
use terms::{BookName, InstitutionName, Position, RunId};
use tokio::sync::watch;

use super::config::{Config, Hosted};
use super::customers::CustomersPort;
use crate::roles::RoleError;
use crate::system;

/// Facts between two images: refolding so many takes well under a second.
const IMAGE_EVERY: u64 = 20_000;

/// Slots between two looks at what is left of the pool.
const REFILL_EVERY: u64 = POOL_KEYS / 8;

/// A book that runs: its handle, its salts, and what opening it found.
#[derive(Debug)]
pub struct Running<M: Machine> {
    /// The writer's queue.
    pub handle: BookHandle<M>,
    /// The keys of its salts.
    pub salts: Arc<SaltKeys<FileDisk>>,
    /// What was found.
    pub recovery: Recovery,
}

/// All books of the core.
#[derive(Debug)]
pub struct Books {
    /// The settlement book.
    pub settlement: Running<SettlementBook>,
    /// The customers' books, by institution.
    pub customers: BTreeMap<InstitutionName, CustomersPort>,
    /// The first book whose writer ended.
    ended: watch::Receiver<Option<BookName>>,
}

impl Books {
    /// Waits until a writer ends and names its book. None does while its handle is here, unless
    /// it panicked on a fact that this build cannot read.
    pub async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        let seen = ended.wait_for(Option::is_some).await;
        seen.ok().and_then(|name| *name).map(|name| name.to_string()).unwrap_or_default()
    }
}

impl<M: Machine> Running<M> {
    /// A fresh durable salt slot. Another pool is made durable ahead of need, outside of the
    /// runtime's own threads: a sync there would stop every connection for its time.
    pub fn slot(&self) -> Result<SaltSlot, Failed> {
        let slot = self.salts.take_slot().map_err(|error| Failed::NotDone(error.to_string()))?;
        if slot.0.is_multiple_of(REFILL_EVERY) {
            let salts = Arc::clone(&self.salts);
            tokio::task::spawn_blocking(move || salts.refill());
        }
        Ok(slot)
    }

    /// The salt root of a fact.
    #[must_use]
    pub fn root(&self, position: Position, slot: SaltSlot) -> Option<Secret> {
        self.salts.root(position, slot)
    }
}

/// A command that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// Surely nothing happened.
    #[error("surely not done: {0}")]
    NotDone(String),
    /// Nobody knows: ask by id.
    #[error("the outcome is unknown: ask by id")]
    Unknown,
}

/// An answer with the position of its first fact and the stamp.
#[derive(Clone, Debug)]
pub struct Placed<O> {
    /// The machine's answer.
    pub outcome: O,
    /// Where its first fact lies, or would have lain.
    pub position: Position,
}

/// Unwraps an answer of a writer.
pub fn placed<O>(answer: Answer<O>) -> Result<Placed<O>, Failed> {
    match answer {
        Answer::Done { outcome, position, .. } => Ok(Placed { outcome, position }),
        Answer::Unknown => Err(Failed::Unknown),
        Answer::Busy => Err(Failed::NotDone("the queue is full; try again".into())),
        Answer::NotTaken(why) => Err(Failed::NotDone(why.to_string())),
        Answer::NotRecalled(why) => Err(Failed::NotDone(why)),
        Answer::Stopped => Err(Failed::NotDone("the book is closed".into())),
    }
}

impl Running<SettlementBook> {
    /// Submits work and waits for its durable answer.
    pub async fn ask(&self, work: SettlementWork) -> Result<Placed<SettlementAnswer>, Failed> {
        let slot = self.slot()?;
        let answer = self.handle.submit_async(SettlementCommand { slot, work }).await;
        placed(answer.unwrap_or(Answer::Unknown))
    }

    /// A linearizable read.
    pub async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&SettlementBook) -> R + Send + 'static,
    ) -> Result<Placed<R>, Failed> {
        placed(self.handle.read_async(look).await.unwrap_or(Answer::Unknown))
    }
}

impl Running<CustomersBook> {
    /// Submits work and waits for its durable answer.
    pub async fn ask(&self, work: CustomerWork) -> Result<Placed<CustomerAnswer>, Failed> {
        let slot = self.slot()?;
        let answer = self.handle.submit_async(CustomerCommand { slot, work }).await;
        placed(answer.unwrap_or(Answer::Unknown))
    }

    /// A linearizable read.
    pub async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&CustomersBook) -> R + Send + 'static,
    ) -> Result<Placed<R>, Failed> {
        placed(self.handle.read_async(look).await.unwrap_or(Answer::Unknown))
    }
}

/// Opens every book below `dir/books`.
pub fn open(dir: &Path, config: &Config, run: RunId) -> Result<Books, RoleError> {
    let environment = config
        .common
        .environment
        .parse()
        .map_err(|e| RoleError::Unsound(format!("environment: {e}")))?;
    let genesis = SettlementBook::new(SettlementConfig {
        environment,
        book: config.book,
        operator: config.operator,
        roots: config.root_keys().map_err(RoleError::Unsound)?,
    });
    let (told, ended) = watch::channel(None);
    let settlement = open_book(dir, config.book, genesis, run, &told)?;
    let mut customers = BTreeMap::new();
    for Hosted { book, institution, .. } in &config.hosted {
        let genesis = CustomersBook::new(*book, *institution);
        let book = open_book(dir, *book, genesis, run, &told)?;
        customers.insert(*institution, CustomersPort::of_hosted(book));
    }
    Ok(Books { settlement, customers, ended })
}

pub(crate) fn open_book<M>(
    dir: &Path,
    name: BookName,
    genesis: M,
    run: RunId,
    told: &watch::Sender<Option<BookName>>,
) -> Result<Running<M>, RoleError>
where
    M: Image + Clone + Send + 'static,
    M::Command: Send + 'static,
    M::Outcome: Send + 'static,
{
    let unsound = |what: &str, error: &dyn std::fmt::Display| {
        RoleError::Unsound(format!("book `{name}`: {what}: {error}"))
    };
    let folder = dir.join("books").join(name.as_str());
    let disk = FileDisk::take(&folder).map_err(|e| unsound("folder", &e))?;
    let entropy = || system::random::<32>().map_err(|e| std::io::Error::other(e.to_string()));
    let salts = SaltKeys::open(&disk, POOL_KEYS, entropy).map_err(|e| unsound("salts", &e))?;
    let salts = Arc::new(salts);
    let journal =
        SegmentJournal::open(disk, SegmentConfig::new(name)).map_err(|e| unsound("journal", &e))?;
    // A folder of its own: taking a folder locks it. And one per beginning: a state holds what the
    // configuration told it (the pinned roots), and an image made under another configuration
    // would go on with the old.
    let beginning: String = sha256(&genesis.save()).to_string().chars().take(16).collect();
    let images = folder.join("images").join(beginning);
    let images = FileDisk::take(&images).map_err(|e| unsound("images", &e))?;
    let images = ImagePolicy::every(IMAGE_EVERY, images, name);
    let salted = Arc::clone(&salts);
    let parts =
        Parts { genesis, journal, salts: salted, clock: system::now, images, recall: NoRecall };
    let (handle, writer) =
        spawn_book(BookConfig::new(name, run), parts).map_err(|e| unsound("writer", &e))?;
    let (recovery, told) = (writer.recovery.clone(), told.clone());
    std::thread::spawn(move || {
        drop(writer.join());
        told.send_if_modified(|first| first.replace(name).is_none());
    });
    Ok(Running { handle, salts, recovery })
}

/// Opens the accounts that the configuration names. Opening one again changes nothing.
pub async fn open_accounts(books: &Books, config: &Config) -> Result<(), RoleError> {
    let failed = |error: Failed| RoleError::Unsound(format!("opening accounts: {error}"));
    for opening in config.settlement_accounts() {
        let work = SettlementWork::OpenAccount(opening);
        let answer = books.settlement.ask(work).await.map_err(failed)?;
        if let SettlementAnswer::NotAccepted(reason) = answer.outcome {
            return Err(RoleError::Unsound(format!("opening an account: {reason}")));
        }
    }
    for hosted in &config.hosted {
        let port = books.customers.get(&hosted.institution);
        let Some(book) = port.and_then(CustomersPort::hosted) else { continue };
        for opening in hosted.own_accounts() {
            let answer = book.ask(CustomerWork::OpenAccount(opening)).await.map_err(failed)?;
            if let CustomerAnswer::Refused(rule) = answer.outcome {
                return Err(RoleError::Unsound(format!("opening an account: {rule}")));
            }
        }
    }
    Ok(())
}
