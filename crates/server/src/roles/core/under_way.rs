//! What this process carries now, and what it has carried to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clearing::{SettlementAnswer, SettlementWork};
use record::COMPLETED_MAX;
use terms::PaymentId;
use tokio::sync::Notify;

use super::orders::Clearing;

/// How long completed payments are gathered into one fact.
const GATHER: Duration = Duration::from_secs(1);

/// The payments that a route of this process carries: whoever brings interrupted payments to
/// their end leaves these alone, so that an order under way is not ended as interrupted.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<Mutex<BTreeMap<PaymentId, usize>>>);

impl Live {
    /// From now until the answer is dropped, a route carries this payment.
    #[must_use]
    pub fn enter(&self, payment: PaymentId) -> LiveRoute {
        let mut carried = self.carried();
        let routes = carried.entry(payment).or_default();
        *routes = routes.saturating_add(1);
        drop(carried);
        LiveRoute { live: self.clone(), payment }
    }

    /// Whether a route carries this payment.
    #[must_use]
    pub fn carries(&self, payment: PaymentId) -> bool {
        self.carried().contains_key(&payment)
    }

    fn carried(&self) -> MutexGuard<'_, BTreeMap<PaymentId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A route's mark in [`Live`].
#[derive(Debug)]
pub struct LiveRoute {
    live: Live,
    payment: PaymentId,
}

impl Drop for LiveRoute {
    fn drop(&mut self) {
        let mut carried = self.live.carried();
        match carried.get_mut(&self.payment) {
            Some(routes) if *routes > 1 => *routes = routes.saturating_sub(1),
            Some(_) | None => drop(carried.remove(&self.payment)),
        }
    }
}

/// Settled payments that both customers' books have done their part of. Until the settlement book
/// records it they stand in its list; forgotten in a crash, they are asked about once more.
#[derive(Debug, Default)]
pub struct Completions {
    gathered: Mutex<BTreeSet<PaymentId>>,
    many: Notify,
}

impl Completions {
    /// Notes one.
    pub fn note(&self, payment: PaymentId) {
        let mut gathered = self.gathered();
        gathered.insert(payment);
        if gathered.len() >= COMPLETED_MAX {
            self.many.notify_one();
        }
    }

    fn take(&self) -> Vec<PaymentId> {
        let mut gathered = self.gathered();
        let some: Vec<PaymentId> = gathered.iter().take(COMPLETED_MAX).copied().collect();
        gathered.retain(|payment| !some.contains(payment));
        some
    }

    fn gathered(&self) -> MutexGuard<'_, BTreeSet<PaymentId>> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records what is complete, one fact a second at most while there is little of it.
pub async fn record_completions(clearing: Arc<Clearing>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = clearing.completions.many.notified() => {}
        }
        let some = clearing.completions.take();
        if some.is_empty() {
            continue;
        }
        let said = clearing.books.settlement.ask(SettlementWork::Complete(some.clone())).await;
        let done = said.is_ok_and(|placed| placed.outcome == SettlementAnswer::Done);
        if !done {
            // Recording one again changes nothing.
            some.into_iter().for_each(|payment| clearing.completions.note(payment));
        }
    }
}
