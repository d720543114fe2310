//! The load of a drill: clients that pay, one payment after another, and write down every try.
//!
//! A payment without an answer is sent again under its own id, as a wallet does. Nothing is held
//! against the core but what it acknowledged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use client::{CLIENT_LIMITS, ClientLimits};
use record::{Ending, Promise};
use terms::PaymentId;
use tokio::task::JoinSet;

use super::catalogue::LoadKind;
use crate::demo::acts::invoice;
use crate::load::bench::ordered;
use crate::load::mint::{AMOUNT_MINOR, Mint};
use crate::load::rig::{Counter, Desk, Rig, Sent};

/// Clients of the core alone.
const CLIENTS: usize = 4;
/// Clients of the whole path: each payment is some twenty requests.
const DESKS: usize = 2;
/// Pause before a payment is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// Tries of one payment: past them its permits have ended.
const TRIES_MAX: u32 = 400;
/// A client that hears nothing for so long asks again: a drill measures in seconds.
const LIMITS: ClientLimits = ClientLimits { deadline: Duration::from_secs(3), ..CLIENT_LIMITS };
/// Refusals that say that the orders' model has grown old: a new one is made, nothing is wrong.
const MODEL_OLD: [&str; 3] = ["SnapshotTooOld", "PermitExpired", "QuoteExpired"];
/// The refusal that a recovery writes for an order that nobody was told the end of.
const INTERRUPTED: &str = "OrderInterrupted";

/// One try of a payment.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    /// When its answer came, or was given up.
    pub ended: Instant,
    /// Whether it was acknowledged.
    pub acknowledged: bool,
}

/// Everything that the clients saw.
#[derive(Debug, Default)]
pub struct Record {
    /// Every try, in the order in which they ended.
    pub tries: Vec<Try>,
    /// What was promised to be settled.
    pub promises: BTreeMap<PaymentId, Promise>,
    /// Payments that were begun and have no promise of settlement.
    pub open: BTreeMap<PaymentId, Open>,
    /// Why the last try failed.
    pub last_failure: String,
    /// What no fault excuses: a refusal by a rule.
    pub broken: Option<String>,
    /// The model of the orders has grown old.
    stale: bool,
}

/// What is known of a payment without a promise of settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// No answer came.
    InDoubt,
    /// It was refused; nothing moved.
    Refused,
}

impl Record {
    /// Whether a payment was acknowledged after this. Then the core was not gone since, though it
    /// may have been too busy to say within a moment that it is ready.
    #[must_use]
    pub fn acknowledged_since(&self, at: Instant) -> bool {
        self.tries.iter().rev().take_while(|one| one.ended > at).any(|one| one.acknowledged)
    }

    /// Payments that were begun.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.promises.len().saturating_add(self.open.len())
    }

    fn begun(&mut self, payment: PaymentId) {
        self.open.insert(payment, Open::InDoubt);
    }

    fn failed(&mut self, why: String) {
        self.tries.push(Try { ended: Instant::now(), acknowledged: false });
        self.last_failure = why;
    }

    fn promised(&mut self, promise: Promise) {
        let payment = promise.payment;
        match &promise.outcome {
            Ending::Settled => {
                self.tries.push(Try { ended: Instant::now(), acknowledged: true });
                self.open.remove(&payment);
                self.promises.insert(payment, promise);
            }
            Ending::Refused(code) => {
                self.open.insert(payment, Open::Refused);
                if MODEL_OLD.contains(&code.as_str()) {
                    self.stale = true;
                } else if code != INTERRUPTED {
                    self.broken = Some(format!("payment {payment} was refused: {code}"));
                }
            }
        }
    }
}

/// The clients.
pub struct Load {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    mint: Option<(Arc<tokio::sync::Mutex<Mint>>, Desk)>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts the clients.
    pub async fn start(rig: &Rig, kind: LoadKind) -> anyhow::Result<Self> {
        let (record, stop) = (Arc::default(), Arc::default());
        let mut load = Self { record, stop, mint: None, clients: JoinSet::new() };
        match kind {
            LoadKind::Orders => load.start_orders(rig).await?,
            LoadKind::Payments => load.start_payments(rig)?,
        }
        Ok(load)
    }

    async fn start_orders(&mut self, rig: &Rig) -> anyhow::Result<()> {
        let desk = rig.desk(0)?;
        let mint = Arc::new(tokio::sync::Mutex::new(Mint::open(rig, &desk).await?));
        for _ in 0..CLIENTS {
            let (counter, mint) = (rig.counter_within(LIMITS)?, Arc::clone(&mint));
            let (record, stop) = (Arc::clone(&self.record), Arc::clone(&self.stop));
            self.clients.spawn(send_orders(counter, mint, record, stop));
        }
        self.mint = Some((mint, desk));
        Ok(())
    }

    fn start_payments(&mut self, rig: &Rig) -> anyhow::Result<()> {
        for number in 0..DESKS {
            // Beside the desk of the orders' model, which may be in use.
            let desk = rig.desk(number.saturating_add(1))?;
            let counter = rig.counter_within(LIMITS)?;
            let (record, stop) = (Arc::clone(&self.record), Arc::clone(&self.stop));
            self.clients.spawn(pay(desk, counter, number, record, stop));
        }
        Ok(())
    }

    /// What was seen so far.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    /// Makes a new model when the old one has grown old; a role that is away is asked again later.
    pub async fn tend(&self, rig: &Rig) {
        let Some((mint, desk)) = self.mint.as_ref().filter(|_| self.record().stale) else {
            return;
        };
        if let Ok(fresh) = Mint::open(rig, desk).await {
            *mint.lock().await = fresh;
            self.record().stale = false;
        }
    }

    /// Ends the load: payments under way are given up where they stand.
    pub async fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.clients.join_next().await.is_some() {}
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn send_orders(
    counter: Counter,
    mint: Arc<tokio::sync::Mutex<Mint>>,
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
) {
    while !stop.load(Ordering::Relaxed) {
        // Not while every order would be refused.
        if lock(&record).stale {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let made = mint.lock().await.make(1);
        let Some(one) = made.ok().and_then(|mut made| made.pop()) else {
            lock(&record).broken = Some("no order could be made".to_owned());
            return;
        };
        lock(&record).begun(one.payment);
        send_until_told(&counter, one.order, &record, &stop).await;
    }
}

/// Sends an order until somebody says how it ended.
async fn send_until_told(
    counter: &Counter,
    order: bytes::Bytes,
    record: &Mutex<Record>,
    stop: &AtomicBool,
) {
    for _ in 0..TRIES_MAX {
        match counter.send(order.clone()).await {
            Sent::Promised(promise) => return lock(record).promised(*promise),
            Sent::NoAnswer(why) => lock(record).failed(why),
        }
        if stop.load(Ordering::Relaxed) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Pays over the whole path. What fails before an order exists moved nothing and is begun anew.
async fn pay(
    desk: Desk,
    counter: Counter,
    number: usize,
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
) {
    let mut count = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        count = count.saturating_add(1);
        let name = format!("D{number}-{count}");
        let request = invoice(&desk.payee, &name, AMOUNT_MINOR).await;
        let order = match request {
            Ok(request) => ordered(&desk, &request).await,
            Err(error) => Err(error),
        };
        match order {
            Ok(order) => {
                let bytes = bytes::Bytes::from(seal::to_canonical(&order));
                if let Ok(terms) = record::PaymentTerms::from_terms_string(&order.terms) {
                    lock(&record).begun(terms.payment);
                }
                send_until_told(&counter, bytes, &record, &stop).await;
            }
            Err(error) => {
                lock(&record).failed(format!("{error:#}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
