//! Every fault of a connection at every call of the port.

use journal::testkit::{batch_after, book_name};
use journal::{Append, Batch, Journal, Tip};
use store::PostgresJournal;
use store::postgres::{OpenPostgresError, Resolution};
use terms::{Epoch, Position, RunId};

use crate::proxy::{Cut, Proxy};
use crate::server::{Database, HURRIED};

const RUN: RunId = RunId::from_bytes([1; 16]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Open,
    Append,
    AppendMoved,
    Claim,
    Head,
    Read,
}

const CALLS: [Call; 6] =
    [Call::Open, Call::Append, Call::AppendMoved, Call::Claim, Call::Head, Call::Read];

struct World {
    database: Database,
    proxy: Proxy,
    journal: PostgresJournal,
    epoch: Epoch,
    acknowledged: Vec<Batch>,
}

impl World {
    fn new() -> Option<Self> {
        let database = Database::fresh()?;
        let (server, rest) = database.tcp();
        let proxy = Proxy::before(&server);
        let connection = format!("host=127.0.0.1 port={} {rest}", proxy.port);
        let config = database.config_over(&connection).with_deadlines(HURRIED);
        let mut journal = PostgresJournal::open(config).unwrap();
        let epoch = journal.claim_epoch(RUN).unwrap();
        Some(Self { database, proxy, journal, epoch, acknowledged: Vec::new() })
    }

    fn tip(&self) -> Tip {
        self.acknowledged.last().map_or(Tip::GENESIS, Batch::tip)
    }

    fn append(&mut self) -> (Append, Batch) {
        let tip = self.tip();
        let batch = batch_after(&tip, self.epoch, 3);
        (self.journal.append(tip.next, self.epoch, &batch), batch)
    }

    fn append_surely(&mut self) {
        let (end, batch) = self.append();
        assert_eq!(end, Append::Appended);
        self.acknowledged.push(batch);
    }

    fn strike(&mut self, call: Call, cut: Cut) {
        match call {
            Call::Open => {
                let (_, rest) = self.database.tcp();
                let connection = format!("host=127.0.0.1 port={} {rest}", self.proxy.port);
                let hurried = store::postgres::Deadlines { connect: HURRIED.lock, ..HURRIED };
                let config = self.database.config_over(&connection).with_deadlines(hurried);
                self.proxy.plan(cut);
                let error = PostgresJournal::open(config).unwrap_err();
                assert!(
                    matches!(
                        error,
                        OpenPostgresError::Connect(_)
                            | OpenPostgresError::Late(_)
                            | OpenPostgresError::Schema(_)
                    ),
                    "{error:?}"
                );
            }
            Call::Append => self.strike_append(cut),
            Call::AppendMoved => {
                // An append that would be refused anyhow: unknown or not done, and never there.
                self.proxy.plan(cut);
                let epoch = self.epoch;
                let moved = batch_after(&Tip { next: Position::new(900), ..self.tip() }, epoch, 1);
                let end = self.journal.append(Position::new(900), epoch, &moved);
                assert!(matches!(end, Append::Unknown(_)), "{end:?}");
                self.recover();
                assert_eq!(self.journal.resolution(), Some(Resolution::Lost(Position::new(900))));
            }
            Call::Claim => {
                self.proxy.plan(cut);
                assert!(self.journal.claim_epoch(RUN).is_err());
            }
            Call::Head => {
                self.proxy.plan(cut);
                assert!(self.journal.head().is_err());
            }
            Call::Read => {
                self.proxy.plan(cut);
                assert!(self.journal.read_from(Position::ZERO, 9).is_err());
            }
        }
    }

    fn strike_append(&mut self, cut: Cut) {
        self.proxy.plan(cut);
        let (end, batch) = self.append();
        assert!(matches!(end, Append::Unknown(_)), "{cut:?}: {end:?}");
        self.recover();
        let first = batch.origin().first;
        match cut {
            Cut::RequestLost | Cut::RequestSwallowed => {
                assert_eq!(self.journal.resolution(), Some(Resolution::Lost(first)), "{cut:?}");
            }
            Cut::AnswerLost | Cut::AnswerSwallowed | Cut::EndLost => {
                assert_eq!(self.journal.resolution(), Some(Resolution::Landed(first)), "{cut:?}");
                self.acknowledged.push(batch);
            }
            Cut::None => panic!("no fault"),
        }
    }

    fn recover(&mut self) {
        self.proxy.plan(Cut::None);
        let newer = self.journal.claim_epoch(RUN).unwrap();
        assert!(newer > self.epoch);
        self.epoch = newer;
        assert_eq!(self.journal.head().map(|tip| tip.next >= self.tip().next), Ok(true));
    }

    /// What was acknowledged is there, and nothing else.
    fn is_sound(&self) {
        let fresh = self.database.open();
        assert_eq!(fresh.read_from(Position::ZERO, usize::MAX).unwrap(), self.acknowledged);
        let mut tip = Tip::GENESIS;
        for batch in &self.acknowledged {
            batch.follows(&tip, &book_name()).unwrap();
            tip = batch.tip();
        }
    }
}

#[test]
fn every_fault_at_every_call_leaves_exactly_what_was_acknowledged() {
    for cut in Cut::FAULTS {
        let Some(mut world) = World::new() else { return };
        for call in CALLS {
            world.append_surely();
            world.strike(call, cut);
            world.recover();
            world.append_surely();
            world.is_sound();
        }
    }
}
