//! The books of the process: opened, refolded, driven; and their accounts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clearing::settlement::SettlementConfig;
use clearing::{
    CustomerAnswer, CustomerCommand, CustomerWork, CustomersBook, SettlementAnswer, SettlementBook,
    SettlementCommand, SettlementWork,
};
use journal::{Image, Journal, Machine, Salts, Start};
use record::{Durability, SaltSlot};
use seal::{Secret, sha256};
use store::image::load_image_beside;
use store::postgres::PostgresSalts;
use store::salt_keys::{POOL_KEYS, SaltKeys};
use store::segment_journal::{SegmentConfig, SegmentJournal};
use store::{
    Answer, BookConfig, BookHandle, BookWriter, FileDisk, ImagePolicy, NoRecall, Parts,
    PostgresConfig, PostgresJournal, Recovery, spawn_book,
};
use terms::{BookName, InstitutionName, Position, RunId};
use tokio::sync::watch;

use super::config::{Config, Hosted};
use super::customers::CustomersPort;
use super::journal::JournalConfig;
use super::salts::BookSalts;
use crate::roles::RoleError;
use crate::statements::{StatementFeed, Statements};
use crate::system;

/// Facts between two images: refolding so many takes well under a second.
const IMAGE_EVERY: u64 = 20_000;

/// Slots between two looks at what is left of the pool.
const REFILL_EVERY: u64 = POOL_KEYS / 8;

/// Keys made durable at once in a database: one insert of 64 KiB for each thousand payments.
const SHARED_POOL_KEYS: u64 = 1024;

/// A book that runs: its handle, its salts, and what opening it found.
#[derive(Debug)]
pub struct Running<M: Machine> {
    /// Its name.
    pub name: BookName,
    /// The writer's queue.
    pub handle: BookHandle<M>,
    /// The keys of its salts.
    pub salts: Arc<BookSalts>,
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
    /// Statements of the hosted customers' accounts, by institution.
    pub statements: BTreeMap<InstitutionName, Statements>,
    /// Where an acknowledged fact is.
    pub durability: Durability,
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

impl Books {
    /// The first book that another core has taken over, if one has.
    #[must_use]
    pub fn fenced(&self) -> Option<BookName> {
        let hosted = self.customers.values().filter_map(CustomersPort::hosted);
        let customers = hosted.filter(|book| book.handle.is_fenced());
        let settlement = self.settlement.handle.is_fenced().then_some(self.settlement.name);
        settlement.or_else(|| customers.map(|book| book.name).next())
    }
}

impl<M: Machine> Running<M> {
    /// A fresh durable salt slot. Another pool is made durable ahead of need, outside of the
    /// runtime's own threads: a sync there would stop every connection for its time.
    pub fn slot(&self) -> Result<SaltSlot, Failed> {
        let slot = self.salts.take_slot().map_err(|error| Failed::NotDone(error.to_string()))?;
        if slot.is_none_or(|slot| slot.0.is_multiple_of(REFILL_EVERY)) {
            let salts = Arc::clone(&self.salts);
            tokio::task::spawn_blocking(move || salts.refill());
        }
        slot.ok_or_else(|| Failed::NotDone("salt keys are being made durable; try again".into()))
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

/// A book before it is opened: its beginning, and how far its state has come.
#[derive(Debug)]
pub struct Beginning<M> {
    /// Its name.
    pub name: BookName,
    /// The state before the first fact.
    pub genesis: M,
    /// Where its files lie.
    folder: PathBuf,
    images: FileDisk,
    /// The state of a book that was followed while another core wrote it.
    pub followed: Option<Start<M>>,
    /// Its statements, as far as they were fed meanwhile.
    pub fed: Option<(StatementFeed, Statements)>,
}

/// All books before they are opened.
#[derive(Debug)]
pub struct Beginnings {
    /// The settlement book.
    pub settlement: Beginning<SettlementBook>,
    /// The hosted customers' books, by institution.
    pub customers: BTreeMap<InstitutionName, Beginning<CustomersBook>>,
}

fn unsound(name: BookName, what: &str, error: &dyn std::fmt::Display) -> RoleError {
    RoleError::Unsound(format!("book `{name}`: {what}: {error}"))
}

impl<M: Image> Beginning<M> {
    fn at(dir: &Path, name: BookName, genesis: M) -> Result<Self, RoleError> {
        let folder = dir.join("books").join(name.as_str());
        // A folder of its own: taking a folder locks it. And one per beginning: a state holds what
        // the configuration told it (the pinned roots), and an image made under another
        // configuration would go on with the old.
        let beginning: String = sha256(&genesis.save()).to_string().chars().take(16).collect();
        let images = folder.join("images").join(beginning);
        let images = FileDisk::take(&images).map_err(|e| unsound(name, "images", &e))?;
        Ok(Self { name, genesis, folder, images, followed: None, fed: None })
    }

    /// Where the read models of its accounts lie.
    #[must_use]
    pub fn statements_folder(&self) -> PathBuf {
        self.folder.join("statements")
    }

    /// What to follow from: the newest image of this machine, or the beginning.
    pub fn newest(&self) -> Start<M>
    where
        M: Clone,
    {
        let loaded = load_image_beside(&self.images, &self.name, &self.genesis);
        loaded.ok().flatten().unwrap_or_else(|| Start::genesis(self.genesis.clone()))
    }
}

/// Takes the folders of every book below `dir/books`.
pub fn begin(dir: &Path, config: &Config) -> Result<Beginnings, RoleError> {
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
    let settlement = Beginning::at(dir, config.book, genesis)?;
    let mut customers = BTreeMap::new();
    for Hosted { book, institution, .. } in &config.hosted {
        let genesis = CustomersBook::new(*book, *institution);
        customers.insert(*institution, Beginning::at(dir, *book, genesis)?);
    }
    Ok(Beginnings { settlement, customers })
}

/// Opens every book below `dir/books`.
pub fn open(dir: &Path, config: &Config, run: RunId) -> Result<Books, RoleError> {
    open_from(begin(dir, config)?, config, run)
}

/// Opens every book from where it has come.
pub fn open_from(begun: Beginnings, config: &Config, run: RunId) -> Result<Books, RoleError> {
    let (told, ended) = watch::channel(None);
    let settlement = open_book(begun.settlement, config, run, &told)?;
    let (mut customers, mut statements) = (BTreeMap::new(), BTreeMap::new());
    for (institution, mut book) in begun.customers {
        let (fed, folder) = (book.fed.take(), book.statements_folder());
        let book = open_book(book, config, run, &told)?;
        statements.insert(institution, statements_of(&book, &folder, fed));
        customers.insert(institution, CustomersPort::of_hosted(book));
    }
    let durability = match &config.journal {
        JournalConfig::Segments => Durability::OneDisk,
        JournalConfig::Postgres(cluster) => cluster.durability(),
    };
    Ok(Books { settlement, customers, statements, durability, ended })
}

/// Follows a customers' book with its statements, from where they were fed. No payment waits for
/// a statement: what keeps them from being opened keeps nothing else.
pub(crate) fn statements_of(
    book: &Running<CustomersBook>,
    folder: &Path,
    fed: Option<(StatementFeed, Statements)>,
) -> Statements {
    let followed = match fed {
        Some((feed, statements)) => statements.go_on(feed, &book.handle),
        None => Statements::follow(folder, &book.handle),
    };
    followed.unwrap_or_else(Statements::unopened)
}

/// Opens a book in segment files below `dir/books`.
pub(crate) fn open_in_segments<M>(
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
    open_segments(Beginning::at(dir, name, genesis)?, run, told)
}

fn open_book<M>(
    begun: Beginning<M>,
    config: &Config,
    run: RunId,
    told: &watch::Sender<Option<BookName>>,
) -> Result<Running<M>, RoleError>
where
    M: Image + Clone + Send + 'static,
    M::Command: Send + 'static,
    M::Outcome: Send + 'static,
{
    match &config.journal {
        JournalConfig::Segments => open_segments(begun, run, told),
        JournalConfig::Postgres(cluster) => {
            let name = begun.name;
            let shared = cluster.of_book(name).map_err(|e| unsound(name, "journal", &e))?;
            let shared: PostgresConfig = shared.while_leased(config.book);
            let salts = PostgresSalts::open(shared.clone(), SHARED_POOL_KEYS, entropy);
            let salts = BookSalts::shared(salts.map_err(|e| unsound(name, "salts", &e))?);
            let journal = PostgresJournal::open(shared);
            let journal = journal.map_err(|e| unsound(name, "journal", &e))?;
            salts.refill().map_err(|e| unsound(name, "salts", &e))?;
            drive(begun, journal, salts, run, told)
        }
    }
}

fn open_segments<M>(
    begun: Beginning<M>,
    run: RunId,
    told: &watch::Sender<Option<BookName>>,
) -> Result<Running<M>, RoleError>
where
    M: Image + Clone + Send + 'static,
    M::Command: Send + 'static,
    M::Outcome: Send + 'static,
{
    let name = begun.name;
    let disk = FileDisk::take(&begun.folder).map_err(|e| unsound(name, "folder", &e))?;
    let salts = SaltKeys::open(&disk, POOL_KEYS, entropy);
    let salts = salts.map_err(|e| unsound(name, "salts", &e))?;
    let journal = SegmentJournal::open(disk, SegmentConfig::new(name));
    let journal = journal.map_err(|e| unsound(name, "journal", &e))?;
    drive(begun, journal, BookSalts::File(salts), run, told)
}

fn entropy() -> std::io::Result<[u8; 32]> {
    system::random::<32>().map_err(|error| std::io::Error::other(error.to_string()))
}

fn drive<M, J>(
    begun: Beginning<M>,
    journal: J,
    salts: BookSalts,
    run: RunId,
    told: &watch::Sender<Option<BookName>>,
) -> Result<Running<M>, RoleError>
where
    M: Image + Clone + Send + 'static,
    M::Command: Send + 'static,
    M::Outcome: Send + 'static,
    J: Journal + Send + 'static,
{
    let Beginning { name, genesis, images, followed, .. } = begun;
    let images = ImagePolicy::every(IMAGE_EVERY, images, name);
    let images = match followed {
        Some(start) => images.beginning_with(start),
        None => images,
    };
    let salts = Arc::new(salts);
    let salted = Arc::clone(&salts);
    let parts =
        Parts { genesis, journal, salts: salted, clock: system::now, images, recall: NoRecall };
    let (handle, writer): (BookHandle<M>, BookWriter<J>) =
        spawn_book(BookConfig::new(name, run), parts).map_err(|e| unsound(name, "writer", &e))?;
    let (recovery, told) = (writer.recovery.clone(), told.clone());
    if let Some(why) = &recovery.image_refused {
        tracing::warn!(book = %name, why, "the image was not used: all facts were folded again");
    }
    std::thread::spawn(move || {
        drop(writer.join());
        told.send_if_modified(|first| first.replace(name).is_none());
    });
    Ok(Running { name, handle, salts, recovery })
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
