//! Payments whose payee's bank takes no part: taken from the payer's institution, carried by a
//! rail, ended by its word.
//!
//! Nothing is remembered here: each step asks both books what they say. What a client's request
//! leaves open, [`keep`] goes on with, in this run and after a crash.

use std::sync::Arc;
use std::time::Duration;

use api::messages::Repeated;
use api::outgoing::{OutgoingRequest, OutgoingStanding};
use api::{Caller, wire};
use axum::extract::State;
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use clearing::outgoing::{OutgoingNext, OutgoingSide, next_outgoing, transfer_of};
use clearing::rule::RuleName;
use clearing::saga::{Asker, DebtorSide};
use clearing::{
    CheckedOutgoing, CustomerAnswer, CustomerWork, CustomersBook, Rule, SettlementWork,
    check_outgoing,
};
use record::{Ending, Heading, OutgoingPayment};
use seal::Digest;
use terms::{InstitutionName, PaymentId};

use super::books::Failed;
use super::customers::CustomersPort;
use super::orders::{Clearing, NoPromise, spent};
use super::routes::{Answer, Core, Shared, by_institution, cbor, no_promise};
use super::transfers::Outside;
use crate::system;

/// Pause between two looks at what is open.
const TICK: Duration = Duration::from_millis(250);
/// Steps of one request: hold, take, and the answers that were lost in between.
const STEPS_MAX: usize = 16;

/// The route of institutions.
pub(super) fn of_edges() -> Router<Arc<Core>> {
    Router::new().route("/v1/outgoing-payments", post(pay))
}

async fn pay(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let asked: OutgoingRequest = wire::read_cbor(&body)?;
    by_institution(&core, &caller, &asked.order, |order: &OutgoingPayment| order.institution)?;
    let standing =
        core.clearing.pay_out(&core.outside, asked, &caller).await.map_err(no_promise)?;
    Ok(cbor(&standing))
}

/// One open payment: whose, on which terms.
#[derive(Clone, Copy, Debug)]
struct Open {
    payment: PaymentId,
    terms: Digest,
    institution: InstitutionName,
}

impl Clearing {
    /// Takes an outgoing payment, or says how it stands. Asked again, it goes on where it is.
    pub async fn pay_out(
        self: &Arc<Self>,
        outside: &Outside,
        asked: OutgoingRequest,
        caller: &Caller,
    ) -> Result<OutgoingStanding, NoPromise> {
        let OutgoingRequest { order: signed, parties, terms: agreed, .. } = asked;
        let claimed = signed.read_unverified().map_err(|e| NoPromise::Malformed(e.to_string()))?;
        let (payment, terms) = (claimed.payment, signed.digest());
        if self.ended_before(payment, terms).await?.is_none() {
            let room = self.refusals.room(caller, system::now())?;
            let trust = self.trust();
            let said = (parties, agreed.as_deref());
            let checked = check_outgoing(signed, said, self.environment, self.book, &trust)
                .and_then(|order| self.reachable(outside, order));
            match checked {
                Ok(order) => self.begin(order).await?,
                Err(rule) if rule.name == RuleName::SignerNotTrusted => {
                    return Err(NoPromise::Malformed(rule.to_string()));
                }
                Err(rule) => drop(self.refuse(payment, terms, rule).await?),
            }
            outside.wake();
            if let Some(entry) = self.ended_before(payment, terms).await? {
                spent(room, &entry);
            }
        }
        self.outgoing_standing(payment, terms).await
    }

    /// Before anything is held: the payer's book is in this process, and a rail could be told.
    fn reachable(
        &self,
        outside: &Outside,
        order: CheckedOutgoing,
    ) -> Result<CheckedOutgoing, Rule> {
        let not_served = |detail: String| Rule::new(RuleName::ActionNotServed, detail);
        let institution = order.order().institution;
        let port = self.books.customers.get(&institution);
        if port.and_then(CustomersPort::hosted).is_none() {
            return Err(not_served(format!("no book of `{institution}` is in this process")));
        }
        outside.carries(&order).map_err(not_served)?;
        Ok(order)
    }

    /// In a task of its own: a client that goes away must not take the payment along.
    async fn begin(self: &Arc<Self>, order: CheckedOutgoing) -> Result<(), NoPromise> {
        let clearing = Arc::clone(self);
        let begun = tokio::spawn(async move { clearing.until_it_waits(&order).await });
        begun.await.unwrap_or(Err(NoPromise::Failed(Failed::Unknown)))
    }

    async fn until_it_waits(&self, order: &CheckedOutgoing) -> Result<(), NoPromise> {
        let open = Open {
            payment: order.order().payment,
            terms: order.terms_digest(),
            institution: order.order().institution,
        };
        let _live = self.live.enter(open.payment);
        for _ in 0..STEPS_MAX {
            match self.outgoing_step(open, Some(order)).await? {
                OutgoingNext::Wait | OutgoingNext::Finished => return Ok(()),
                OutgoingNext::Hold
                | OutgoingNext::Take
                | OutgoingNext::Abandon
                | OutgoingNext::Debit(_)
                | OutgoingNext::Release(_) => {}
            }
        }
        Err(NoPromise::Failed(Failed::Unknown))
    }

    /// Asks both books, takes the next step, and says which it was.
    async fn outgoing_step(
        &self,
        open: Open,
        order: Option<&CheckedOutgoing>,
    ) -> Result<OutgoingNext, NoPromise> {
        let Open { payment, terms, institution } = open;
        let port = self.books.customers.get(&institution);
        let port = port.ok_or_else(|| Failed::NotDone(format!("no book of `{institution}`")))?;
        let seen = port.debtor_seen(payment).await?;
        if let Some(first) = seen.terms.filter(|first| *first != terms) {
            return Err(NoPromise::PaymentIdUsed { first, got: terms });
        }
        let side = self.books.settlement.look(move |s| s.outgoing_side(payment)).await?.outcome;
        let asker = if order.is_some() { Asker::Client } else { Asker::Recovery };
        let next = next_outgoing(seen.side, &side, asker);
        match (next, order) {
            (OutgoingNext::Hold, Some(order)) => {
                let work = CustomerWork::HoldOutgoing(Box::new(order.clone()));
                if let CustomerAnswer::Refused(rule) = self.step(port, work).await? {
                    drop(self.refuse(payment, terms, rule).await?);
                }
            }
            (OutgoingNext::Take, Some(order)) => {
                let work = SettlementWork::Take(Box::new(order.clone()));
                self.books.settlement.ask(work).await?;
            }
            (OutgoingNext::Abandon, _) => {
                let rule = Rule::new(RuleName::OrderInterrupted, "nothing was sent");
                let heading = Heading::default();
                let work = SettlementWork::RecordCoreRefusal { payment, terms, heading, rule };
                self.books.settlement.ask(work).await?;
            }
            (OutgoingNext::Debit(at), _) => {
                let said = self.step(port, CustomerWork::Debit(payment, at)).await?;
                stuck(payment, &said)?;
            }
            (OutgoingNext::Release(reason), _) => {
                let said = self.step(port, CustomerWork::Release(payment, reason)).await?;
                stuck(payment, &said)?;
            }
            (OutgoingNext::Finished, _) if settled_and_debited(&side, seen.side) => {
                self.completions.note(payment);
            }
            (OutgoingNext::Wait | OutgoingNext::Finished, _)
            | (OutgoingNext::Hold | OutgoingNext::Take, None) => {}
        }
        Ok(next)
    }

    async fn outgoing_standing(
        &self,
        payment: PaymentId,
        terms: Digest,
    ) -> Result<OutgoingStanding, NoPromise> {
        let ended = match self.ended_before(payment, terms).await? {
            Some(entry) => Some(self.promise(payment, entry, Repeated::First).await?),
            None => None,
        };
        let id = transfer_of(payment);
        let look = move |s: &clearing::SettlementBook| {
            s.transfer(id).map(|transfer| transfer.phase.as_str().to_owned())
        };
        let phase = self.books.settlement.look(look).await?.outcome;
        let phase = phase.unwrap_or_else(|| "none".to_owned());
        Ok(OutgoingStanding { layout: 1, payment, phase, ended })
    }

    async fn open_outgoings(&self) -> Result<Vec<Open>, Failed> {
        let mut open = Vec::new();
        for (name, port) in &self.books.customers {
            let Some(book) = port.hosted() else { continue };
            let held = |state: &CustomersBook| {
                let held = state.open_outgoings();
                held.map(|(payment, order)| (payment, order.digest())).collect::<Vec<_>>()
            };
            let institution = *name;
            let of = |(payment, terms)| Open { payment, terms, institution };
            open.extend(book.look(held).await?.outcome.into_iter().map(of));
        }
        Ok(open)
    }
}

fn settled_and_debited(side: &OutgoingSide, debtor: DebtorSide) -> bool {
    matches!(side, OutgoingSide::Ended(Ending::Settled, _)) && debtor == DebtorSide::Debited
}

/// A book that does not take a step that must be taken: a person must look; it is asked again.
fn stuck(payment: PaymentId, said: &CustomerAnswer) -> Result<(), Failed> {
    if let CustomerAnswer::Refused(rule) = said {
        tracing::error!(%payment, %rule, "an outgoing payment is stuck: a person must look");
        return Err(Failed::NotDone(rule.to_string()));
    }
    Ok(())
}

/// Runs until it is dropped: brings every open hold of an outgoing payment further that no request
/// of this process carries.
pub async fn keep(clearing: Arc<Clearing>) {
    loop {
        for open in clearing.open_outgoings().await.unwrap_or_default() {
            while !clearing.live.carries(open.payment) {
                match clearing.outgoing_step(open, None).await {
                    Ok(OutgoingNext::Wait | OutgoingNext::Finished) => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(payment = %open.payment, %error, "not finished yet");
                        break;
                    }
                }
            }
        }
        tokio::time::sleep(TICK).await;
    }
}
