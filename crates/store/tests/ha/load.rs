//! A small machine driven over the replicated journal, and the comparison of what it
//! acknowledged with what the journal holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use journal::testkit::{Add, Added, Counter};
use journal::{Batch, Journal};
use store::postgres::{PostgresReader, PostgresSalts};
use store::{
    Answer, BookConfig, BookHandle, BookWriter, ImagePolicy, NoRecall, Parts, PostgresJournal,
    spawn_book,
};
use terms::{BookName, Position, RunId};

use super::cluster::Cluster;

const CLIENTS: u64 = 4;
/// How long a client waits before it asks again for what was not done.
const REST: Duration = Duration::from_millis(20);

/// Position and amount of what was acknowledged, by id.
type Acknowledged = BTreeMap<u64, (Position, u64)>;

pub(crate) struct Load {
    book: BookName,
    writer: BookWriter<PostgresJournal>,
    clients: Vec<JoinHandle<Acknowledged>>,
    end: Arc<AtomicBool>,
    moments: Arc<Mutex<Vec<Instant>>>,
    unknown: Arc<AtomicU64>,
}

pub(crate) struct Figures {
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) unknown: u64,
    pub(crate) head: Position,
    /// The longest pause between two acknowledgements.
    pub(crate) pause: Duration,
}

fn real_clock() -> terms::Instant {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    terms::Instant::from_nanos(u64::try_from(since.as_nanos()).unwrap())
}

/// 32 bytes that differ at every call; their quality is no matter here.
pub(crate) fn entropy() -> impl FnMut() -> std::io::Result<[u8; 32]> + Send + 'static {
    let mut count = 0_u64;
    let now = real_clock().nanos();
    move || {
        count += 1;
        Ok(*seal::sha256(&[now.to_be_bytes(), count.to_be_bytes()].concat()).as_bytes())
    }
}

impl Load {
    /// Opens `book` and lets clients add to it.
    pub(crate) fn start(cluster: &Cluster, book: BookName) -> Self {
        let config = cluster.config(book);
        let salts = Arc::new(PostgresSalts::open(config.clone(), 256, entropy()).unwrap());
        let parts = Parts {
            genesis: Counter::default(),
            journal: PostgresJournal::open(config).unwrap(),
            salts: Arc::clone(&salts),
            clock: real_clock,
            images: ImagePolicy::none(),
            recall: NoRecall,
        };
        let run = RunId::from_bytes(u128::from(real_clock().nanos()).to_be_bytes());
        let (handle, writer) = spawn_book(BookConfig::new(book, run), parts).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let (moments, unknown) = (Arc::default(), Arc::new(AtomicU64::new(0)));
        let clients = (0..CLIENTS)
            .map(|client| {
                let desk = Client {
                    handle: handle.clone(),
                    salts: Arc::clone(&salts),
                    end: Arc::clone(&end),
                    moments: Arc::clone(&moments),
                    unknown: Arc::clone(&unknown),
                };
                std::thread::spawn(move || desk.run(client))
            })
            .collect();
        Self { book, writer, clients, end, moments, unknown }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.moments.lock().unwrap().len()
    }

    /// Waits until `count` more acknowledgements came; tells how long that took.
    pub(crate) fn await_more(&self, count: usize, patience: Duration) -> Duration {
        let (started, before) = (Instant::now(), self.acknowledged());
        while self.acknowledged() < before + count {
            assert!(started.elapsed() < patience, "no acknowledgement for {patience:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        started.elapsed()
    }

    /// Stops the clients and compares each acknowledgement with the journal.
    pub(crate) fn end(self, cluster: &Cluster) -> Figures {
        self.end.store(true, Ordering::SeqCst);
        let mut acknowledged = Acknowledged::new();
        for client in self.clients {
            acknowledged.extend(client.join().unwrap());
        }
        assert!(self.writer.join().is_some(), "the writer panicked");
        let moments = self.moments.lock().unwrap();
        let pause = moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        let journal = PostgresJournal::open(cluster.config(self.book)).unwrap();
        let batches = journal.read_from(Position::ZERO, usize::MAX).unwrap();
        let held = entries(&batches);
        let lost = acknowledged.iter().filter(|(id, ack)| held.get(id) != Some(ack)).count();
        Figures {
            acknowledged: acknowledged.len(),
            lost,
            unknown: self.unknown.load(Ordering::SeqCst),
            head: batches.last().map_or(Position::ZERO, |batch| batch.tip().next),
            pause,
        }
    }
}

/// Every addition that a journal holds, by id; each once.
fn entries(batches: &[Batch]) -> Acknowledged {
    let mut held = Acknowledged::new();
    for stored in batches.iter().flat_map(Batch::entries) {
        let fact = stored.entry().unwrap().fact;
        let number =
            |index: usize| u64::from_be_bytes(fact.body[index].to_vec().try_into().unwrap());
        let earlier = held.insert(number(0), (stored.position, number(1)));
        assert!(earlier.is_none(), "id {} is in the journal twice", number(0));
    }
    held
}

struct Client {
    handle: BookHandle<Counter>,
    salts: Arc<PostgresSalts>,
    end: Arc<AtomicBool>,
    moments: Arc<Mutex<Vec<Instant>>>,
    unknown: Arc<AtomicU64>,
}

impl Client {
    fn run(self, client: u64) -> Acknowledged {
        let mut acknowledged = Acknowledged::new();
        let mut id = client;
        while !self.end.load(Ordering::SeqCst) {
            let amount = 1 + id % 97;
            if let Some(position) = self.add(id, amount) {
                acknowledged.insert(id, (position, amount));
                self.moments.lock().unwrap().push(Instant::now());
                id += CLIENTS;
            } else {
                std::thread::sleep(REST);
            }
        }
        acknowledged
    }

    /// Adds under an id, or learns that it was added; `None`: ask again.
    fn add(&self, id: u64, amount: u64) -> Option<Position> {
        let slot = self.salts.take_slot().ok()?;
        match self.handle.submit_blocking(Add { id, amount, slot }) {
            Answer::Done { outcome: Added::Total(_), position, .. }
            | Answer::Done { outcome: Added::Duplicate(position), .. } => Some(position),
            Answer::Done { outcome: Added::Refused, .. } => panic!("refused"),
            Answer::Unknown => {
                self.unknown.fetch_add(1, Ordering::SeqCst);
                None
            }
            Answer::Busy | Answer::NotTaken(_) | Answer::NotRecalled(_) | Answer::Stopped => None,
        }
    }
}

/// What a reader of any replica holds when it has caught up with `until`.
pub(crate) fn read_by_replicas(cluster: &Cluster, book: BookName, until: Position) -> usize {
    let reader = PostgresReader::open(cluster.config(book)).unwrap();
    let (mut next, mut facts) = (Position::ZERO, 0);
    while next < until {
        for batch in reader.read_from(next, 32).unwrap_or_default() {
            facts += batch.entries().count();
            next = batch.tip().next;
        }
    }
    facts
}
