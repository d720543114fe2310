//! What may follow an order: the core's use cases and routes.
//!
//! A return is driven by the same route as a payment, so a crash leaves the same traces and
//! recovery does the same. Everything else here is one fact of one book.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::after::{AfterView, AskedBack, CancellationAsk, CancellationTaken};
use api::messages::{OrderAnswer, Repeated};
use api::{Caller, Problem, Role, wire};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use clearing::customers::{AfterCustomerWork, CreditStanding};
use clearing::rule::RuleName;
use clearing::saga::DebtorSide;
use clearing::settlement::{CancellationEntry, PaymentEntry};
use clearing::{
    AfterAnswer, AfterWork, CustomerAnswer, CustomerWork, DebtorSeen, Original, Route, Rule,
    SettlementAnswer, SettlementWork, account_of_cancellation, check_cancellation,
    check_cancellation_answer, check_return, check_two_persons,
};
use record::{
    BlockOrder, BlockRelease, CancellationAnswer, CancellationRequest, CaseNotice, Correction,
    Document, Ending, ReturnAsk, Signed, TwoPersons,
};
use seal::PublicKey;
use terms::{AccountId, InstitutionName, Minor, PaymentId};
use tokio::task::JoinSet;

use super::admin;
use super::books::{Failed, Placed};
use super::customers::CustomersPort;
use super::orders::{Clearing, NoPromise, Parties};
use super::routes::{
    Answer, Core, Shared, by_institution, cbor, done, failed, no_promise, not_accepted, not_done,
    own, same_environment, signed,
};
use crate::system;

/// How long a bank may take to say how far a payment is there, before who asks is told without.
const STATUS_WITHIN: Duration = Duration::from_millis(500);

/// The routes of wallets.
pub(super) fn of_wallets() -> Router<Arc<Core>> {
    Router::new().route("/v1/cancellations", post(cancellation))
}

/// The routes of institutions.
pub(super) fn of_edges() -> Router<Arc<Core>> {
    Router::new()
        .route("/v1/cancellation-answers", post(answer))
        .route("/v1/returns", post(give_back))
        .route("/v1/cases", post(case))
        .route("/v1/blocks", post(block))
        .route("/v1/block-releases", post(release))
}

/// The routes of the operator.
pub(super) fn of_operators() -> Router<Arc<Core>> {
    Router::new().route("/v1/corrections", post(correction))
}

/// The routes of whoever may read a payment.
pub(super) fn of_readers() -> Router<Arc<Core>> {
    Router::new().route("/v1/payments/{id}/after", get(view))
}

async fn cancellation(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let ask: CancellationAsk = wire::read_cbor(&body)?;
    Ok(cbor(&core.clearing.cancel(ask, &caller).await.map_err(no_promise)?))
}

async fn answer(State(core): Shared, body: Bytes) -> Answer {
    let signed = signed::<CancellationAnswer>(&body)?;
    let asked = core.clearing.answer_cancellation(signed).await.map_err(no_promise)?;
    Ok(cbor(&asked))
}

async fn give_back(State(core): Shared, body: Bytes) -> Answer {
    let ask: ReturnAsk = wire::read_cbor(&body)?;
    Ok(cbor(&core.clearing.give_back(ask).await.map_err(no_promise)?))
}

async fn view(
    State(core): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let payment: PaymentId = wire::read_text("payment", &id)?;
    Ok(cbor(&core.clearing.after(payment, &caller).await.map_err(no_promise)?))
}

async fn case(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = signed::<CaseNotice>(&body)?;
    let notice = by_institution(&core, &caller, &signed, |n: &CaseNotice| n.institution)?;
    same_environment(&core, notice.environment)?;
    let work = AfterCustomerWork::Case(Box::new(signed));
    in_book(&core, notice.institution, work).await
}

async fn block(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed = signed::<BlockOrder>(&body)?;
    let order = by_institution(&core, &caller, &signed, |o: &BlockOrder| o.institution)?;
    same_environment(&core, order.environment)?;
    let work = AfterCustomerWork::Block(Box::new(signed));
    in_book(&core, order.institution, work).await
}

async fn release(State(core): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let signed: TwoPersons<BlockRelease> = wire::read_cbor(&body)?;
    let release = approved(&core, signed)?;
    let institution = own(&caller)?;
    same_environment(&core, release.document().environment)?;
    if release.document().institution != institution {
        return Err(not_accepted("the document speaks for another institution").into());
    }
    let work = AfterCustomerWork::Release(Box::new(release));
    in_book(&core, institution, work).await
}

async fn in_book(core: &Core, of: InstitutionName, work: AfterCustomerWork) -> Answer {
    let book = admin::book_of(&core.clearing, of).map_err(not_done)?;
    match book.ask(CustomerWork::After(work)).await.map_err(failed)?.outcome {
        CustomerAnswer::Refused(rule) => Err(refused(&rule).into()),
        _ => done(),
    }
}

async fn correction(State(core): Shared, body: Bytes) -> Answer {
    let signed: TwoPersons<Correction> = wire::read_cbor(&body)?;
    let work = SettlementWork::After(AfterWork::Correct(Box::new(approved(&core, signed)?)));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}

/// Two of the configured approvers signed. Without at least two of them nothing passes.
pub(super) fn approved<T: Document>(
    core: &Core,
    signed: TwoPersons<T>,
) -> Result<clearing::CheckedByTwo<T>, Problem> {
    let keys = core.config.approvers.iter().map(|key| key.parse::<PublicKey>());
    let keys: BTreeSet<PublicKey> =
        keys.collect::<Result<_, _>>().map_err(|_| not_accepted("`approvers` in role.json"))?;
    check_two_persons(signed, &keys).map_err(|rule| refused(&rule))
}

fn refused(rule: &Rule) -> Problem {
    not_accepted(&rule.to_string()).mend(rule.name.for_people())
}

fn malformed(rule: &Rule) -> NoPromise {
    NoPromise::Malformed(rule.to_string())
}

/// Where the money of a payment to an institution lies, as far as the caller may know; `None`
/// where nothing of it was seen.
pub(super) fn told_to(
    caller: &Caller,
    name: InstitutionName,
    standing: CreditStanding,
) -> Option<CreditStanding> {
    let its_own = caller.role() == Role::Edge && own(caller).is_ok_and(|by| by == name);
    Some(match standing {
        CreditStanding::Untouched => return None,
        CreditStanding::Posted => standing,
        CreditStanding::Suspense | CreditStanding::Waiting
            if matches!(caller.role(), Role::Edge | Role::Supervisor) =>
        {
            standing
        }
        CreditStanding::Blocked | CreditStanding::Elsewhere if its_own => standing,
        CreditStanding::Suspense
        | CreditStanding::Waiting
        | CreditStanding::Blocked
        | CreditStanding::Elsewhere => CreditStanding::Untouched,
    })
}

impl Clearing {
    /// Cancels a payment, or asks for it back once it has settled.
    ///
    /// A hold that is open is released by whoever drives its route: that route asks the
    /// settlement book next, and finds the payment ended.
    pub async fn cancel(
        self: &Arc<Self>,
        ask: CancellationAsk,
        caller: &Caller,
    ) -> Result<CancellationTaken, NoPromise> {
        let CancellationAsk { request: signed, quote, .. } = ask;
        let room = self.refusals.room(caller, system::now())?;
        let account = account_of_cancellation(&signed)
            .ok_or_else(|| NoPromise::Malformed("the request's terms do not read".into()))?;
        let key = self.client_key_of(&signed, account, caller.key()).await?;
        let (here, trust) = ((self.environment, self.book), self.trust());
        let quote = quote.as_ref().map(|quote| (quote, &*trust));
        let checked =
            check_cancellation(&signed, key, here, quote).map_err(|rule| malformed(&rule))?;
        let (payment, terms) = (checked.payment(), checked.terms_digest());
        self.nothing_else_held(payment, terms).await?;
        self.account_not_under_a_lease(payment, account).await?;
        let work = SettlementWork::After(AfterWork::Cancel(Box::new(checked)));
        let repeated = match self.books.settlement.ask(work).await? {
            Placed { outcome: SettlementAnswer::After(AfterAnswer::Asked(entry)), .. } => {
                return Ok(CancellationTaken::Asked(asked_back(payment, entry)));
            }
            Placed { outcome: SettlementAnswer::After(AfterAnswer::Refused(rule)), .. } => {
                return Err(malformed(&rule));
            }
            Placed { outcome: SettlementAnswer::PaymentIdUsed { first, got }, .. } => {
                return Err(NoPromise::PaymentIdUsed { first, got });
            }
            Placed { outcome: SettlementAnswer::EndedBefore(_), .. } => Repeated::Again,
            _ => Repeated::First,
        };
        let entry = self.ended_before(payment, terms).await.map_err(super::orders::unanswered)?;
        let entry = entry.ok_or(NoPromise::Failed(super::books::Failed::Unknown))?;
        if repeated == Repeated::First {
            super::orders::spent(room, &entry);
        }
        self.promise(payment, entry, repeated).await.map(CancellationTaken::Ended)
    }

    /// The client key of the account that the request's terms debit, in whichever book it is. A
    /// bank that keeps its own book only says whether the caller's key is that key.
    async fn client_key_of(
        &self,
        signed: &Signed<CancellationRequest>,
        account: AccountId,
        caller: PublicKey,
    ) -> Result<Option<PublicKey>, NoPromise> {
        for book in self.books.customers.values().filter_map(CustomersPort::hosted) {
            let look = move |s: &clearing::CustomersBook| s.profile(account).map(|p| p.client_key);
            if let Some(key) = book.look(look).await?.outcome {
                return Ok(Some(key));
            }
        }
        let request = signed.read_unverified().map_err(|e| NoPromise::Malformed(e.to_string()))?;
        let vouched = self.vouched_elsewhere(&request.terms, account, caller).await?;
        Ok(vouched.then_some(caller))
    }

    /// Records what the payee's bank says to a request.
    pub async fn answer_cancellation(
        &self,
        signed: Signed<CancellationAnswer>,
    ) -> Result<AskedBack, NoPromise> {
        let claimed = signed.read_unverified().map_err(|e| NoPromise::Malformed(e.to_string()))?;
        let original = self.original(claimed.payment).await?;
        let trust = self.trust();
        let checked = check_cancellation_answer(signed, &original, self.environment, &trust)
            .map_err(|rule| malformed(&rule))?;
        let work = SettlementWork::After(AfterWork::AnswerCancellation(Box::new(checked)));
        match self.books.settlement.ask(work).await?.outcome {
            SettlementAnswer::After(AfterAnswer::Asked(entry)) => {
                Ok(asked_back(claimed.payment, entry))
            }
            SettlementAnswer::After(AfterAnswer::Refused(rule)) => Err(malformed(&rule)),
            other => Err(NoPromise::Malformed(format!("unexpected answer: {other:?}"))),
        }
    }

    /// Gives a payment back. Asked again, it answers the same.
    ///
    /// Who signed is checked before anything is recorded: a refusal costs disk, and only the
    /// payee's bank may cause one.
    pub async fn give_back(self: &Arc<Self>, ask: ReturnAsk) -> Result<OrderAnswer, NoPromise> {
        let claimed =
            ask.order.read_unverified().map_err(|e| NoPromise::Malformed(e.to_string()))?;
        let (payment, terms) = (claimed.payment, ask.order.digest());
        if let Some(entry) = self.ended_before(payment, terms).await? {
            return self.promise(payment, entry, Repeated::Again).await;
        }
        let original = self.original(claimed.original).await?;
        let trust = self.trust();
        let entry = match check_return(ask, original, self.environment, self.book, &trust) {
            Ok(checked) => self.client_route_to_its_end(Route::of_return(checked), terms).await?,
            Err(rule) if rule.name == RuleName::SignerNotTrusted => return Err(malformed(&rule)),
            Err(rule) => {
                self.not_under_a_lease(payment, None).await?;
                self.refuse(payment, terms, rule).await?
            }
        };
        self.promise(payment, entry, Repeated::First).await
    }

    /// A settled payment, read from its durable fact.
    pub(super) async fn original(&self, payment: PaymentId) -> Result<Original, NoPromise> {
        let unknown = || {
            let detail = format!("payment `{payment}` did not settle here");
            malformed(&Rule::new(RuleName::OriginalUnknown, detail))
        };
        let seen = self.books.settlement.look(move |s| s.payment(payment).cloned()).await?;
        let settled = |entry: &PaymentEntry| entry.ending == Ending::Settled;
        let entry = seen.outcome.filter(settled).ok_or_else(unknown)?;
        let fact = self.facts.fact(entry.position).await?;
        Original::of_fact(entry.position, &fact).ok_or_else(unknown)
    }

    /// Where the money of a payment lies, as far as the caller may know. That a case is open is
    /// between institutions, and to tell that money is blocked may be a crime: who may not know
    /// sees money that is not posted yet.
    /// Only the payee's bank is asked, and for a moment only: one that is away or slow keeps nobody
    /// from learning the rest, and *settled* is true of every credited payment.
    pub(super) async fn credit_told(
        &self,
        payment: PaymentId,
        parties: Option<&Parties>,
        caller: &Caller,
    ) -> CreditStanding {
        let Some(name) = parties.map(|parties| parties.creditor) else {
            return CreditStanding::Untouched;
        };
        let Some(port) = self.books.customers.get(&name) else { return CreditStanding::Untouched };
        let said = tokio::time::timeout(STATUS_WITHIN, port.credit_standing(payment)).await;
        let standing = match said {
            Ok(Ok(standing)) => standing,
            Ok(Err(_)) | Err(_) => CreditStanding::Untouched,
        };
        told_to(caller, name, standing).unwrap_or(CreditStanding::Untouched)
    }

    /// Who took part in a payment, refund or return that settled, from its durable fact.
    pub(super) async fn parties_of(
        &self,
        ended: Option<&PaymentEntry>,
    ) -> Result<Option<Parties>, Failed> {
        match ended.filter(|entry| entry.ending == Ending::Settled) {
            Some(entry) => Ok(Parties::of_settled(&self.facts.fact(entry.position).await?)),
            None => Ok(None),
        }
    }

    /// How far a payment is in its payer's book. Of a settled one only that book is asked; of any
    /// other every book, all at once: nobody else knows whose it is.
    pub(super) async fn held_told(
        self: &Arc<Self>,
        payment: PaymentId,
        parties: Option<&Parties>,
    ) -> Result<DebtorSide, Failed> {
        let (mut held, mut unasked) = (DebtorSide::Untouched, None);
        let mut asking = JoinSet::new();
        let asked = |name: &&InstitutionName| parties.is_none_or(|of| of.debtor == **name);
        let names: Vec<InstitutionName> =
            self.books.customers.keys().filter(asked).copied().collect();
        for name in names {
            let clearing = Arc::clone(self);
            asking.spawn(async move {
                let late = || Failed::NotDone(format!("bank `{name}` does not answer now"));
                let Some(port) = clearing.books.customers.get(&name) else { return Err(late()) };
                let said = tokio::time::timeout(STATUS_WITHIN, port.debtor_seen(payment)).await;
                said.unwrap_or_else(|_| Err(late()))
            });
        }
        while let Some(said) = asking.join_next().await {
            match said {
                Ok(Ok(DebtorSeen { side: DebtorSide::Untouched, .. })) => {}
                Ok(Ok(seen)) => held = seen.side,
                Ok(Err(error)) => unasked = Some(error),
                Err(error) => unasked = Some(Failed::NotDone(error.to_string())),
            }
        }
        match (held, unasked) {
            (DebtorSide::Untouched, Some(error)) => Err(error),
            _ => Ok(held),
        }
    }

    /// What became of a payment since it settled, as far as the caller may know.
    pub async fn after(&self, payment: PaymentId, caller: &Caller) -> Result<AfterView, NoPromise> {
        let look = move |s: &clearing::SettlementBook| {
            let ended = s.payment(payment).cloned();
            (s.given_back(payment).cloned(), s.asked_back(payment).cloned(), ended)
        };
        let (given, asked, ended) = self.books.settlement.look(look).await?.outcome;
        let parties = self.parties_of(ended.as_ref()).await?;
        let standing = self.credit_told(payment, parties.as_ref(), caller).await;
        Ok(AfterView {
            layout: 1,
            payment,
            given_back: given.as_ref().map_or(Minor::ZERO, |given| given.minor),
            by: given.map_or_else(Vec::new, |given| given.by.iter().map(|one| one.0).collect()),
            asked: asked.map(|entry| asked_back(payment, entry)),
            credit: standing.state().iso_20022().to_owned(),
        })
    }
}

fn asked_back(payment: PaymentId, entry: CancellationEntry) -> AskedBack {
    AskedBack {
        payment,
        request: entry.request,
        reason: entry.reason,
        recorded_at: entry.recorded_at,
        answer_by: entry.answer_by,
        verdict: entry.verdict,
    }
}
