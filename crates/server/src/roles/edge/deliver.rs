//! What leaves the outbox: one queue for each destination, and the account of the numbers.

use core::time::Duration;
use std::sync::Arc;

use api::wire::CBOR;
use client::{Outcome, Outgoing};
use record::edges::{ACCOUNT_MARKS_MAX, ACCOUNT_NUMBERS_MAX};
use record::{EdgeAccount, EdgeMark, Signed};

use terms::Instant;

use super::outbox::{Destination, Item};
use super::state::Edge;
use crate::roles::RoleError;

/// Delivers what the outbox holds for one destination, in order, until it is there. Asking twice
/// is harmless: parcels are known by payment, side and kind, and refusals by payment.
pub(super) async fn deliver(edge: Arc<Edge>, to: Destination) {
    let mut refusals = 0_u32;
    loop {
        let woken = edge.deliver.notified();
        match deliver_one(&edge, to, &mut refusals).await {
            Delivery::Nothing => {
                tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep(RETRY_PAUSE) => {}
                }
            }
            Delivery::Done => {}
            Delivery::Waits => tokio::time::sleep(RETRY_PAUSE).await,
        }
    }
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// There is nothing to deliver.
    Nothing,
    /// The first is delivered, or never will be.
    Done,
    /// The other side is away, or does not want it yet.
    Waits,
}

/// Delivers the first item of a queue.
pub(super) async fn deliver_one(edge: &Edge, to: Destination, refusals: &mut u32) -> Delivery {
    let first = edge.outbox().first(to);
    let Some((number, item)) = first else { return Delivery::Nothing };
    let (target, outcome) = match &item {
        Item::Parcel(parcel) => {
            let (target, body) = ("/v1/parcels", seal::to_canonical(parcel));
            (target, edge.to_book(Outgoing::post(target, CBOR, body)).await)
        }
        Item::Refusal(refusal) => {
            let (target, body) = ("/v1/refusals", refusal.to_bytes());
            (target, edge.to_core(Outgoing::post(target, CBOR, body)).await)
        }
        Item::Order(order) => {
            // Any answer will do: from here on the core's books carry it to an end.
            let (target, body) = ("/v1/outgoing-payments", seal::to_canonical(&**order));
            (target, edge.to_core(Outgoing::post(target, CBOR, body)).await)
        }
    };
    let settled = match outcome {
        Outcome::Answer(_) => true,
        Outcome::Refused(problem) => {
            *refusals = refusals.saturating_add(1);
            let (code, detail) = (problem.code, problem.detail);
            tracing::warn!(target, number, code, detail, refusals, "delivery refused");
            if let (409, Item::Parcel(parcel)) = (problem.status, &item)
                && !parcel.kind.contains(INSTANCE_MARK)
            {
                // Another instance decided this payment, too: both records are kept.
                let kind = format!("{}{INSTANCE_MARK}{}", parcel.kind, edge.settings.edge);
                let renamed = edge.outbox().rename(number, parcel, kind);
                return if renamed.is_ok() { Delivery::Done } else { Delivery::Waits };
            }
            given_up(&item, problem.status, *refusals, edge.now())
        }
        Outcome::NotDone(why) => {
            tracing::debug!(target, number, %why, "delivery waits");
            false
        }
        Outcome::Unknown(why) => {
            tracing::debug!(target, number, %why, "delivery waits");
            false
        }
    };
    if settled && edge.outbox().done(number).is_ok() {
        *refusals = 0;
        Delivery::Done
    } else {
        Delivery::Waits
    }
}

/// Whether what was refused is not said again: the payment ended otherwise, or it will never be
/// taken. The item stays in the file, and the way is free for the next.
fn given_up(item: &Item, status: u16, refusals: u32, now: Instant) -> bool {
    if status == 409 {
        return true;
    }
    match item {
        Item::Parcel(_) | Item::Refusal(_) => refusals >= REFUSALS_MAX,
        // However often it was refused, while its time runs it may be taken yet, and somebody waits
        // for its end. After that no core takes it.
        Item::Order(request) => {
            let order = request.order.read_unverified();
            let over = order.is_ok_and(|order| now >= order.valid_until);
            if over {
                tracing::error!(order = %request.order.digest(), "its time is over: never taken");
            }
            over
        }
    }
}

/// Accounts for the numbers, again and again.
pub(super) async fn account(edge: Arc<Edge>) {
    loop {
        tokio::time::sleep(ACCOUNT_PAUSE).await;
        if edge.outbox().joined().is_none() {
            continue;
        }
        while let Ok(Accounted::Some) = account_once(&edge).await {}
    }
}

/// What came of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accounted {
    /// There is nothing to account for.
    Nothing,
    /// Some numbers are accounted for.
    Some,
    /// The core is away, or does not take it.
    Waits,
}

/// Accounts for the next numbers. What the core took and did not tell us about is told again, in
/// the same words: it knows numbers that are accounted for.
pub(super) async fn account_once(edge: &Edge) -> Result<Accounted, RoleError> {
    let settings = &edge.settings;
    let (sequence, numbers) = edge.outbox().unaccounted(ACCOUNT_NUMBERS_MAX);
    if numbers.is_empty() {
        return Ok(Accounted::Nothing);
    }
    let pending = edge.dir.join("account");
    let signed = match std::fs::read(&pending) {
        // The very words that may have been taken: the chain is over them.
        Ok(bytes) => Signed::<EdgeAccount>::from_bytes(&bytes).ok(),
        Err(_) => None,
    };
    let fits = |signed: &Signed<EdgeAccount>| {
        signed.read_unverified().is_ok_and(|kept| {
            let mark = EdgeMark { edge: settings.edge, sequence };
            kept.mark == mark && numbers.starts_with(&kept.numbers)
        })
    };
    let signed = match signed.filter(fits) {
        Some(signed) => signed,
        None => {
            let account = EdgeAccount {
                layout: 1,
                environment: settings.environment,
                institution: settings.institution,
                mark: EdgeMark { edge: settings.edge, sequence },
                numbers,
                status_lists: edge.statuses.untold(ACCOUNT_MARKS_MAX),
            };
            let signed = Signed::sign(&account, &edge.permit_key);
            super::disk::replace(&pending, &signed.to_bytes())
                .map_err(RoleError::world("writing the account"))?;
            signed
        }
    };
    let count = signed.read_unverified().map_or(0, |account| account.numbers.len());
    let target = "/v1/edge-accounts";
    match edge.to_core(Outgoing::post(target, CBOR, signed.to_bytes())).await {
        Outcome::Answer(_) => {
            let noted = edge.outbox().accounted(count, signed.digest());
            noted.map_err(RoleError::world("writing the outbox"))?;
            Ok(Accounted::Some)
        }
        Outcome::Refused(problem) => {
            tracing::warn!(code = problem.code, detail = problem.detail, "account refused");
            Ok(Accounted::Waits)
        }
        Outcome::NotDone(why) => {
            tracing::debug!(%why, "the account waits");
            Ok(Accounted::Waits)
        }
        Outcome::Unknown(why) => {
            tracing::debug!(%why, "the account waits");
            Ok(Accounted::Waits)
        }
    }
}

/// Between a parcel's kind and the instance that made it, where another's has the kind.
const INSTANCE_MARK: char = '@';
/// Between two attempts: a core that restarts is back within a second.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Between two accounts: what comes within it is one fact.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(1);
/// Attempts that are refused before an item is given up with an error in the log: a trust list
/// that comes a little later than the first decision must not lose a record.
const REFUSALS_MAX: u32 = 60;
