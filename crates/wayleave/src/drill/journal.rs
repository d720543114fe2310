//! What the journal holds, read from a copy of its files or from the database; and what the core
//! says of one payment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use api::messages::EndedAt;
use journal::Batch;
use record::{Commitment, Ending, Fact, Promise, Settled};
use server::roles::core::JournalConfig;
use store::PostgresConfig;
use store::postgres::PostgresReader;
use store::segment::{scan, segment_first};
use terms::{BookName, PaymentId, Position};
use wallet::Wallet;

use crate::load::rig::Rig;

/// Until a payment that is under way in a core that came back has ended.
const END_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(25);
/// Batches read of a database at once.
const PAGE: usize = 32;

/// The commitments of settled payments, by position, as the settlement book's journal says.
pub struct Held(BTreeMap<Position, Commitment>);

impl Held {
    /// Reads the settlement book's journal. What is written meanwhile may or may not be
    /// among it: only what was acknowledged before is asked for.
    pub async fn read(rig: &Rig) -> anyhow::Result<Self> {
        let book: BookName = "settlement".parse()?;
        if let JournalConfig::Postgres(cluster) = &rig.stage.journal {
            let shared = cluster.of_book(book).map_err(|reason| anyhow!(reason))?;
            return tokio::task::spawn_blocking(move || Self::of_database(shared)).await?;
        }
        let folder = rig.stage.folder("core").join("books").join(book.as_str());
        let mut segments = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if let Some(first) = entry.file_name().to_str().and_then(segment_first) {
                segments.insert(first, entry.path());
            }
        }
        let (mut tip, mut held) = (journal::Tip::GENESIS, Self(BTreeMap::new()));
        for path in segments.values() {
            let read = scan(&std::fs::read(path)?, tip, &book);
            for found in &read.found {
                held.keep(&found.batch)?;
            }
            tip = read.tip;
        }
        Ok(held)
    }

    /// Reads the tables of whichever server leads. A server that is asked too early is asked again.
    fn of_database(shared: PostgresConfig) -> anyhow::Result<Self> {
        let reader = PostgresReader::open(shared)?;
        let (mut next, mut held) = (Position::ZERO, Self(BTreeMap::new()));
        let begun = Instant::now();
        loop {
            match reader.read_from(next, PAGE) {
                Ok(page) => {
                    let Some(last) = page.last() else { return Ok(held) };
                    next = last.tip().next;
                    page.iter().try_for_each(|batch| held.keep(batch))?;
                }
                Err(error) if begun.elapsed() > END_WITHIN => return Err(error.into()),
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    fn keep(&mut self, batch: &Batch) -> anyhow::Result<()> {
        for entry in batch.entries() {
            let kind = entry.fact::<Fact>()?.kind;
            if Settled::is_kind(kind) && !Settled::is_refund(kind) {
                self.0.insert(entry.position, entry.commitment);
            }
        }
        Ok(())
    }

    /// Whether the promised fact is there, at its position, as it was promised.
    #[must_use]
    pub fn holds(&self, promise: &Promise) -> bool {
        self.0.get(&promise.position) == Some(&promise.commitment)
    }
}

/// How a payment ended, once nothing of it is held any more.
pub async fn end_of(payer: &Wallet, payment: PaymentId) -> anyhow::Result<record::InDoubtEnd> {
    let begun = Instant::now();
    loop {
        let status = payer.ask(payment).await;
        if let Ok(status) = &status {
            use api::messages::Held::{Debited, No, Released};
            match (&status.ending, status.held) {
                (Some(EndedAt { ending: Ending::Settled, .. }), Debited) => {
                    return Ok(record::InDoubtEnd::Settled);
                }
                (Some(EndedAt { ending: Ending::Refused(_), .. }), Released | No) => {
                    return Ok(record::InDoubtEnd::Refused);
                }
                (None, No | Released) => return Ok(record::InDoubtEnd::NeverHappened),
                _ => {}
            }
        }
        if begun.elapsed() > END_WITHIN {
            bail!("payment {payment} has no definite end: {status:?}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The next free position, as the core says; of two cores that change places, as the next one says.
pub async fn head(payer: &Wallet) -> anyhow::Result<Position> {
    let begun = Instant::now();
    loop {
        match payer.ask(payer.new_payment()?).await {
            Ok(status) => return Ok(status.head),
            Err(error) if begun.elapsed() > END_WITHIN => {
                return Err(error).context("the journal's head");
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
