//! The use case of the core: an order becomes a settled or a refused payment, in three books.
//!
//! The steps are `clearing::Route`'s; here they are only carried to the books. The promise is
//! given as soon as the ending is final: what is left in the customers' books is completed behind
//! it, and after a crash by [`super::recovery`], with the same route.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use api::Caller;
use api::bank::{BankStep, CreditProof, ReturnHold, ReturnProof};
use api::messages::{OrderAnswer, Repeated};
use clearing::customers::{AfterCustomerWork, CreditOrder};
use clearing::order::is_on_record;
use clearing::route::{Action, Finish, Heard, Route};
use clearing::settlement::PaymentEntry;
use clearing::{
    CheckedOrder, CheckedReturn, CustomerAnswer, CustomerWork, Rule, SettlementAnswer,
    SettlementWork, TrustView, check_order,
};
use record::{
    Ending, Fact, FactBody, Heading, INTEGRATE_WITHIN_SECONDS, OutgoingEnded, PaymentReturned,
    PaymentTerms, Promise, Refusal, ReturnParties, SettleOrder, Settled, Side, Signed,
};
use seal::{Digest, PublicKey, SigningKey, sha256};
use terms::{AccountId, BookName, Environment, InstitutionName, PaymentId};

use super::books::{Books, Failed, Placed};
use super::customers::{CustomersPort, Place};
use super::documents::RecentTerms;
use super::facts::Facts;
use super::in_book;
use super::mirrors::Breaks;
use super::quota::{Refusals, Room, TooManyRefusals};
use super::under_way::{Completions, Live, LiveRoute};
use crate::system;

/// How often a book that surely did nothing, or left its outcome open, is asked again.
const TRIES: u32 = 40;
/// What an answer that was lost costs of these tries: it took its whole deadline.
const LOST: u32 = 10;
/// How often a bank that is away is tried before its part is left to who waits for it.
const TRIES_AWAY: u32 = 3;
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(25);
/// Pause between two rounds of tries behind an answer.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// Everything that the use cases need.
#[derive(Debug)]
pub struct Clearing {
    /// The books.
    pub books: Books,
    /// Durable facts of the settlement book, for promises and receipts.
    pub facts: Facts,
    /// Where it runs.
    pub environment: Environment,
    /// The settlement book.
    pub book: BookName,
    /// The log's origin.
    pub origin: String,
    /// Signs promises.
    pub signer: LogKey,
    /// The payments that a route of this process carries.
    pub live: Live,
    /// The settled payments that are complete, on their way into the settlement book.
    pub completions: Completions,
    /// Mirrors that do not agree, since when.
    pub breaks: Breaks,
    /// How many refusals each client has on record.
    pub refusals: Refusals,
    /// Terms strings of orders that came lately.
    pub recent: RecentTerms,
    trust: RwLock<Arc<TrustView>>,
}

/// The key of the log and of promises. Never printed.
pub struct LogKey(pub SigningKey);

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogKey({})", self.0.key_id())
    }
}

/// Why a request got no promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPromise {
    /// The order does not read.
    #[error("{0}")]
    Malformed(String),
    /// The payment id was used before with other terms.
    #[error("the payment id was used before with terms `{first}`, now with `{got}`")]
    PaymentIdUsed {
        /// The first terms.
        first: Digest,
        /// These terms.
        got: Digest,
    },
    /// The client has too many refusals on record; this order was not looked at.
    #[error(transparent)]
    TooMany(#[from] TooManyRefusals),
    /// The world failed.
    #[error(transparent)]
    Failed(#[from] Failed),
}

impl Clearing {
    /// Over opened books.
    pub async fn new(
        books: Books,
        environment: Environment,
        book: BookName,
        origin: String,
        signer: SigningKey,
    ) -> Result<Self, Failed> {
        let trust = books.settlement.look(|state| state.trust().clone()).await?.outcome;
        let facts = Facts::follow(&books.settlement);
        let signer = LogKey(signer);
        let trust = RwLock::new(Arc::new(trust));
        Ok(Self {
            books,
            facts,
            environment,
            book,
            origin,
            signer,
            live: Live::default(),
            completions: Completions::default(),
            breaks: Breaks::default(),
            refusals: Refusals::default(),
            recent: RecentTerms::default(),
            trust,
        })
    }

    /// The trust lists as they were last adopted; the writer checks again in its own turn.
    #[must_use]
    pub fn trust(&self) -> Arc<TrustView> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the trust lists again after one was adopted.
    pub async fn refresh_trust(&self) -> Result<(), Failed> {
        let fresh = self.books.settlement.look(|state| state.trust().clone()).await?.outcome;
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// Settles an order, or records why not.
    ///
    /// What does not fit is recorded only when the key of the debited account sent it.
    pub async fn settle(
        self: &Arc<Self>,
        order: SettleOrder,
        caller: &Caller,
    ) -> Result<OrderAnswer, NoPromise> {
        let terms = PaymentTerms::from_terms_string(&order.terms)
            .map_err(|error| NoPromise::Malformed(error.to_string()))?;
        let (payment, digest) = (terms.payment, sha256(order.terms.as_bytes()));
        if let Some(entry) = self.ended_before(payment, digest).await? {
            // The very terms that it ended with: whoever sends them again helps a credit that
            // waits for them.
            self.recent.note(payment, &order.terms);
            return self.promise(payment, entry, Repeated::Again).await;
        }
        let room = self.refusals.room(caller, system::now())?;
        let trust = self.trust();
        let (permit, quote) = (order.debtor_permit.clone(), order.quote.clone());
        let debited = terms.debited_account;
        let (here, book, blind) = (self.environment, self.book, in_book::fresh_blind()?);
        let text = order.terms.clone();
        let entry = match check_order(order, terms, here, book, &trust, blind) {
            Ok(order) => {
                let payers = order.permit(Side::Debtor).institution;
                match self.linked(order).await? {
                    Ok(order) => {
                        self.recent.note(payment, &text);
                        self.client_route_to_its_end(Route::of_client(order), digest).await?
                    }
                    Err(rule) => {
                        self.not_under_a_lease(payment, Some(payers)).await?;
                        self.refuse(payment, digest, rule).await?
                    }
                }
            }
            Err(rule)
                if is_on_record(&rule, payment, (&permit, &quote), &trust)
                    && self.asks_for(debited, caller.key()).await =>
            {
                self.account_not_under_a_lease(payment, debited).await?;
                self.refuse(payment, digest, rule).await?
            }
            Err(rule) => return Err(NoPromise::Malformed(rule.to_string())),
        };
        spent(room, &entry);
        self.promise(payment, entry, Repeated::First).await
    }

    /// Whether this key asks for this account, in whichever book it is. Of a bank that is away
    /// nobody knows, and nothing is recorded on it.
    async fn asks_for(&self, account: AccountId, key: PublicKey) -> bool {
        for port in self.books.customers.values().filter(|port| !port.is_away()) {
            if port.is_owner(account, key).await.unwrap_or(false) {
                return true;
            }
        }
        false
    }

    /// A refund is taken with its original beside it; any other order as it is.
    async fn linked(&self, order: CheckedOrder) -> Result<Result<CheckedOrder, Rule>, NoPromise> {
        let Some(linked) = order.terms().linked_payment else { return Ok(Ok(order)) };
        match self.original(linked).await {
            Ok(original) => Ok(order.refunding(original)),
            Err(NoPromise::Malformed(detail)) => {
                Ok(Err(Rule::new(clearing::rule::RuleName::OriginalUnknown, detail)))
            }
            Err(other) => Err(other),
        }
    }

    /// Records an edge's refusal. The signature is checked here.
    pub async fn edge_refuses(
        &self,
        signed: Signed<Refusal>,
        caller: &Caller,
    ) -> Result<OrderAnswer, NoPromise> {
        let malformed = |reason: String| NoPromise::Malformed(reason);
        let claimed = signed.read_unverified().map_err(|e| malformed(e.to_string()))?;
        let trust = self.trust();
        let key = trust
            .permit_key(claimed.institution, claimed.corridor, claimed.side, signed.key())
            .ok_or_else(|| malformed("the refusal's signer is not trusted".into()))?;
        let refusal = signed.verify(&key).map_err(|e| malformed(e.to_string()))?;
        if refusal.environment != self.environment {
            return Err(malformed("the refusal is of another environment".into()));
        }
        // An edge delivers again what it does not know to be delivered.
        if let Some(entry) = self.ended_before(refusal.payment, refusal.terms).await? {
            return self.promise(refusal.payment, entry, Repeated::Again).await;
        }
        self.nothing_else_held(refusal.payment, refusal.terms).await?;
        let payers = (refusal.side == Side::Debtor).then_some(refusal.institution);
        self.not_under_a_lease(refusal.payment, payers).await?;
        let room = self.refusals.room(caller, system::now())?;
        let work = SettlementWork::RecordEdgeRefusal(Box::new(signed));
        let entry = self.record(refusal.payment, refusal.terms, work).await?;
        spent(room, &entry);
        self.promise(refusal.payment, entry, Repeated::First).await
    }

    /// How a payment ended, if it has, with these terms.
    pub(super) async fn ended_before(
        &self,
        payment: PaymentId,
        got: Digest,
    ) -> Result<Option<PaymentEntry>, NoPromise> {
        let seen = self.books.settlement.look(move |s| s.payment(payment).cloned()).await?;
        match seen.outcome {
            Some(entry) if entry.terms == got => Ok(Some(entry)),
            Some(entry) => Err(NoPromise::PaymentIdUsed { first: entry.terms, got }),
            None => Ok(None),
        }
    }

    /// In a task of its own: a client that goes away takes its request with it, and must not take
    /// the route. Dropped, it would leave the money held, or a book untold, until the next start.
    pub(super) async fn client_route_to_its_end(
        self: &Arc<Self>,
        route: Route,
        got: Digest,
    ) -> Result<PaymentEntry, NoPromise> {
        let clearing = Arc::clone(self);
        let driven = tokio::spawn(async move { clearing.client_route(route, got).await });
        driven.await.unwrap_or(Err(NoPromise::Failed(Failed::Unknown)))
    }

    /// Both customers' books must be here before any money is held: a settled payment whose
    /// creditor's book is elsewhere would be stuck.
    async fn client_route(
        self: &Arc<Self>,
        route: Route,
        got: Digest,
    ) -> Result<PaymentEntry, NoPromise> {
        let elsewhere = |name: &InstitutionName| !self.books.customers.contains_key(name);
        match route.institutions().into_iter().find(elsewhere) {
            Some(name) => {
                let [payers, _] = route.institutions();
                self.not_under_a_lease(route.payment(), Some(payers)).await?;
                self.refuse(route.payment(), got, not_hosted(name)).await
            }
            None => self.route(route, got).await,
        }
    }

    /// Drives a route until its ending is final; a task behind the answer drives the rest.
    ///
    /// Once a book may have done something, the route is never dropped: what a book does not take
    /// now goes on behind the answer *unknown*. Dropped, it would leave the money held until the
    /// next start.
    async fn route(
        self: &Arc<Self>,
        mut route: Route,
        got: Digest,
    ) -> Result<PaymentEntry, NoPromise> {
        let payment = route.payment();
        let live = self.live.enter(payment);
        let mut begun = false;
        loop {
            if let Some((ending, position)) = route.ending() {
                let ending = ending.clone();
                self.finish_behind(route, live);
                let entry = self.ended_before(payment, got).await.map_err(unanswered)?;
                return entry.ok_or_else(|| {
                    tracing::error!(%payment, %ending, %position, "an ending is not in the book");
                    NoPromise::Failed(Failed::Unknown)
                });
            }
            match route.next() {
                Action::Finished(Finish::PaymentIdUsed { first }) => {
                    return Err(NoPromise::PaymentIdUsed { first, got });
                }
                Action::Finished(finish) => {
                    tracing::error!(%payment, ?finish, "a route ended without an ending");
                    return Err(NoPromise::Failed(Failed::Unknown));
                }
                action => match self.carry_patiently(&mut route, action).await {
                    Ok(()) => begun = true,
                    Err(Failed::NotDone(reason)) if !begun => {
                        return Err(Failed::NotDone(reason).into());
                    }
                    Err(_) => {
                        self.finish_behind(route, live);
                        return Err(Failed::Unknown.into());
                    }
                },
            }
        }
    }

    /// Goes on with a route behind an answer until it is finished. When the process ends before,
    /// the next start goes on from what the books say. A payment that ended and waits for a bank
    /// that is away is left to who waits for that bank: the settlement book's own list names it.
    fn finish_behind(self: &Arc<Self>, mut route: Route, live: LiveRoute) {
        let clearing = Arc::clone(self);
        tokio::spawn(async move {
            while clearing.drive(&mut route).await.is_none() {
                if route.ending().is_some() && clearing.waits_for_a_bank(&route) {
                    break;
                }
                tokio::time::sleep(LONG_PAUSE).await;
            }
            drop(live);
        });
    }

    /// Whether a bank of this route is away.
    #[must_use]
    pub fn waits_for_a_bank(&self, route: &Route) -> bool {
        let ports = route.institutions().map(|name| self.books.customers.get(&name));
        ports.into_iter().flatten().any(CustomersPort::is_away)
    }

    /// Whether a bank of this route keeps its own book.
    #[must_use]
    pub fn is_of_remote_banks(&self, route: &Route) -> bool {
        let ports = route.institutions().map(|name| self.books.customers.get(&name));
        ports.into_iter().flatten().any(|port| port.remote().is_some())
    }

    /// Drives a route to its finish: behind a promise, and in recovery. `None` when the books do
    /// not take it now: the same route goes on later.
    pub async fn drive(&self, route: &mut Route) -> Option<Finish> {
        loop {
            match route.next() {
                Action::Finished(finish) => {
                    match &finish {
                        Finish::Stuck { rule, .. } => {
                            let payment = route.payment();
                            tracing::error!(%payment, %rule, "stuck: a person must look");
                        }
                        Finish::Ended(Ending::Settled, _) => self.completions.note(route.payment()),
                        Finish::Ended(..) | Finish::PaymentIdUsed { .. } | Finish::NothingToDo => {}
                    }
                    return Some(finish);
                }
                action => {
                    if self.carry_patiently(route, action).await.is_err() {
                        tracing::warn!(payment = %route.payment(), "not finished yet");
                        return None;
                    }
                }
            }
        }
    }

    /// Carries one action; a book that did nothing or left it open is asked again for a while.
    async fn carry_patiently(&self, route: &mut Route, action: Action) -> Result<(), Failed> {
        let mut action = action;
        let mut unknown = false;
        let mut left = TRIES;
        while left > 0 {
            match self.carry(route.payment(), action).await {
                Heard::NotDone => left = left.saturating_sub(1),
                Heard::Unknown => {
                    unknown = true;
                    left = left.saturating_sub(LOST);
                    route.hear(Heard::Unknown);
                }
                heard => {
                    route.hear(heard);
                    return Ok(());
                }
            }
            tokio::time::sleep(PAUSE).await;
            action = route.next();
            if self.is_for_somebody_away(&action) {
                left = left.min(TRIES_AWAY);
            }
        }
        if unknown {
            Err(Failed::Unknown)
        } else {
            Err(Failed::NotDone("the books do not take work now; try again".into()))
        }
    }

    async fn carry(&self, payment: PaymentId, action: Action) -> Heard {
        let settlement = &self.books.settlement;
        match action {
            Action::Customers(institution, work) => match self.books.customers.get(&institution) {
                Some(book) => heard(self.step(book, work).await, Heard::Customers),
                None => {
                    Heard::Customers(clearing::CustomerAnswer::Refused(not_hosted(institution)))
                }
            },
            Action::Settlement(work) => heard(settlement.ask(work).await, |placed| {
                Heard::Settlement(placed.outcome, placed.position)
            }),
            Action::AskDebtor(institution) => match self.books.customers.get(&institution) {
                Some(book) => heard(book.debtor_seen(payment).await, Heard::SawDebtor),
                None => Heard::NotDone,
            },
            Action::AskSettlement => {
                heard(settlement.look(move |s| s.payment(payment).cloned()).await, |placed| {
                    Heard::SawSettlement(placed.outcome, placed.position)
                })
            }
            Action::AskCreditor(institution) => match self.books.customers.get(&institution) {
                Some(book) => heard(book.creditor_side(payment).await, Heard::SawCreditor),
                None => Heard::NotDone,
            },
            Action::Finished(_) => Heard::NotDone,
        }
    }

    fn is_for_somebody_away(&self, action: &Action) -> bool {
        let (Action::Customers(name, _) | Action::AskDebtor(name) | Action::AskCreditor(name)) =
            action
        else {
            return false;
        };
        self.books.customers.get(name).is_some_and(CustomersPort::is_away)
    }

    /// Takes a step of a payment: durable when this returns, and done once however often it is
    /// asked for. A bank elsewhere gets what proves the step to it.
    pub(super) async fn step(
        &self,
        port: &CustomersPort,
        work: CustomerWork,
    ) -> Result<CustomerAnswer, Failed> {
        let _nobody_compares = port.steps.read().await;
        match &port.place {
            Place::Hosted(book) => Ok(book.ask(work).await?.outcome),
            Place::Remote(book) => book.step(&self.proven(work).await?).await,
        }
    }

    /// The step as a bank takes it: with the settlement book's signed word on this payment, and
    /// for a credit with the bank's own permit and the terms that it covers.
    async fn proven(&self, work: CustomerWork) -> Result<BankStep, Failed> {
        Ok(match work {
            CustomerWork::Hold(order) => BankStep::Hold(Box::new(order.order().clone())),
            CustomerWork::Debit(payment, _) => {
                BankStep::Debit(Box::new(self.promise_of(payment).await?))
            }
            CustomerWork::Release(payment, _) => {
                BankStep::Release(Box::new(self.promise_of(payment).await?))
            }
            CustomerWork::Credit(credit) => self.proven_credit(&credit).await?,
            CustomerWork::After(AfterCustomerWork::HoldReturn(order)) => {
                self.proven_return(&order).await?
            }
            other => {
                return Err(Failed::NotDone(format!("no step of a payment: {other:?}")));
            }
        })
    }

    /// A credit with what proves it: of a return, that it settled and what it gives back.
    async fn proven_credit(&self, credit: &CreditOrder) -> Result<BankStep, Failed> {
        let promise = self.promise_of(credit.payment).await?;
        let fact = self.facts.fact(credit.settled).await?;
        let unread = |error: record::BodyError| Failed::NotDone(error.to_string());
        if let Ok(returned) = PaymentReturned::from_fact(&fact) {
            let original = self.proof_of(returned.original, Side::Debtor).await?;
            let proof = ReturnProof { promise, order: returned.order, original };
            return Ok(BankStep::CreditReturn(Box::new(proof)));
        }
        let settled = Settled::of_fact(&fact).map_err(unread)?;
        let (terms, permit) = (self.terms_of(&settled).await?, settled.creditor_permit);
        Ok(BankStep::Credit(Box::new(CreditProof { promise, terms, permit })))
    }

    /// The hold of a return with what proves the payment that it gives back.
    async fn proven_return(&self, order: &CheckedReturn) -> Result<BankStep, Failed> {
        let original = self.proof_of(order.original().payment(), Side::Creditor).await?;
        let hold = ReturnHold { ask: order.ask(), original, creditor: order.parties().creditor };
        Ok(BankStep::HoldReturn(Box::new(hold)))
    }

    /// A settled payment with what proves it to the bank of one side.
    async fn proof_of(&self, payment: PaymentId, side: Side) -> Result<CreditProof, Failed> {
        let look = move |s: &clearing::SettlementBook| s.payment(payment).cloned();
        let entry = self.books.settlement.look(look).await?.outcome;
        let entry = entry.ok_or_else(|| Failed::NotDone(format!("`{payment}` has not ended")))?;
        let promise = self.promise_of(payment).await?;
        let fact = self.facts.fact(entry.position).await?;
        let settled = Settled::of_fact(&fact).map_err(|e| Failed::NotDone(e.to_string()))?;
        let terms = self.terms_of(&settled).await?;
        let permit = match side {
            Side::Debtor => settled.debtor_permit,
            Side::Creditor => settled.creditor_permit,
        };
        Ok(CreditProof { promise, terms, permit })
    }

    /// The promise on a payment that has ended.
    async fn promise_of(&self, payment: PaymentId) -> Result<Signed<Promise>, Failed> {
        let look = move |s: &clearing::SettlementBook| s.payment(payment).cloned();
        let entry = self.books.settlement.look(look).await?.outcome;
        let entry = entry.ok_or_else(|| Failed::NotDone(format!("`{payment}` has not ended")))?;
        self.sign(payment, &entry).await.map_err(|error| match error {
            NoPromise::Failed(failed) => failed,
            other => Failed::NotDone(other.to_string()),
        })
    }

    pub(super) async fn refuse(
        &self,
        payment: PaymentId,
        terms: Digest,
        rule: Rule,
    ) -> Result<PaymentEntry, NoPromise> {
        let heading = Heading::default();
        let work = SettlementWork::RecordCoreRefusal { payment, terms, heading, rule };
        self.record(payment, terms, work).await
    }

    /// Records an ending; where the outcome is unknown, asks by id and does not act again.
    async fn record(
        &self,
        payment: PaymentId,
        terms: Digest,
        work: SettlementWork,
    ) -> Result<PaymentEntry, NoPromise> {
        match self.books.settlement.ask(work).await {
            Ok(Placed { outcome: SettlementAnswer::PaymentIdUsed { first, got }, .. }) => {
                return Err(NoPromise::PaymentIdUsed { first, got });
            }
            Ok(Placed { outcome: SettlementAnswer::NotAccepted(reason), .. }) => {
                return Err(NoPromise::Malformed(reason));
            }
            Err(Failed::NotDone(reason)) => return Err(Failed::NotDone(reason).into()),
            Ok(_) | Err(Failed::Unknown) => {}
        }
        for _ in 0..TRIES {
            match self.ended_before(payment, terms).await {
                Ok(Some(entry)) => return Ok(entry),
                // A read that was not done says nothing of the refusal that may be recorded.
                Ok(None) | Err(NoPromise::Failed(_)) => {}
                Err(other) => return Err(other),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Failed::Unknown.into())
    }

    pub(super) async fn promise(
        &self,
        payment: PaymentId,
        entry: PaymentEntry,
        repeated: Repeated,
    ) -> Result<OrderAnswer, NoPromise> {
        let words = match &entry.ending {
            Ending::Settled => String::new(),
            Ending::Refused(code) => words_of(code),
        };
        let promise = self.sign(payment, &entry).await.map_err(unanswered)?;
        Ok(OrderAnswer { layout: 1, promise, repeated, words })
    }

    async fn sign(
        &self,
        payment: PaymentId,
        entry: &PaymentEntry,
    ) -> Result<Signed<Promise>, NoPromise> {
        let commitment = self.facts.commitment(entry.position).await?;
        let within = Duration::from_secs(INTEGRATE_WITHIN_SECONDS);
        let promise = Promise {
            layout: 1,
            environment: self.environment,
            origin: self.origin.clone(),
            position: entry.position,
            commitment,
            payment,
            terms: entry.terms,
            outcome: entry.ending.clone(),
            durability: self.books.durability,
            settled_at: entry.recorded_at,
            integrate_by: entry.recorded_at.plus(within),
        };
        Ok(Signed::sign(&promise, &self.signer.0))
    }
}

/// What ended otherwise than settled takes its room for the rest of the window.
pub(super) fn spent(room: Room, entry: &PaymentEntry) {
    if entry.ending != Ending::Settled {
        room.spend();
    }
}

/// The payment has ended: what failed since is the answer only, so *not done* would be a lie.
pub(super) fn unanswered(error: NoPromise) -> NoPromise {
    match error {
        NoPromise::Failed(_) => NoPromise::Failed(Failed::Unknown),
        other => other,
    }
}

fn heard<O>(answer: Result<O, Failed>, hear: impl FnOnce(O) -> Heard) -> Heard {
    match answer {
        Ok(said) => hear(said),
        Err(Failed::NotDone(_)) => Heard::NotDone,
        Err(Failed::Unknown) => Heard::Unknown,
    }
}

fn not_hosted(institution: terms::InstitutionName) -> Rule {
    let name = clearing::rule::RuleName::AccountUnknown;
    Rule::new(name, format!("`{institution}` is not hosted here"))
}

fn words_of(code: &str) -> String {
    clearing::rule::RuleName::ALL
        .iter()
        .find(|name| name.as_str() == code)
        .map(|name| name.for_people().to_owned())
        .unwrap_or_default()
}

/// Who took part in a settled payment.
#[derive(Clone, Copy, Debug)]
pub struct Parties {
    /// The debtor's institution.
    pub debtor: InstitutionName,
    /// The account that was debited.
    pub debited: AccountId,
    /// The creditor's institution.
    pub creditor: InstitutionName,
    /// The account that was credited.
    pub credited: AccountId,
}

impl Parties {
    /// Who took part, from the payment's fact; `None` when it is no settled payment.
    #[must_use]
    pub fn of_settled(fact: &Fact) -> Option<Self> {
        if let Ok(returned) = PaymentReturned::from_fact(fact) {
            let ReturnParties { debtor, debited, creditor, credited } = returned.parties;
            return Some(Self { debtor, debited, creditor, credited });
        }
        if let Ok(went) = OutgoingEnded::from_fact(fact) {
            // Nobody here is the payee's side: the payer's stands alone.
            let order = went.order.read_unverified().ok()?;
            let (institution, account) = (order.institution, order.debited_account);
            let (creditor, credited) = (institution, account);
            return Some(Self { debtor: institution, debited: account, creditor, credited });
        }
        let settled = Settled::of_fact(fact).ok()?;
        Some(Self {
            debtor: settled.debtor_permit.read_unverified().ok()?.institution,
            debited: settled.accounts.debited,
            creditor: settled.creditor_permit.read_unverified().ok()?.institution,
            credited: settled.accounts.credited,
        })
    }
}
