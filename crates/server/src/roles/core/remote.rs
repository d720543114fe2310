//! A customers' book that its institution runs in its own process, as the core reaches it.
//!
//! Every request is signed and so is every answer. What surely did not arrive is *not done*; what
//! may have arrived and was not answered is *unknown*, and the route asks. A bank that does not
//! answer is *away*: nothing more is sent to it but one question at a time, until it answers.

use std::time::Duration;

use api::bank::{
    AllDuties, BankAnswer, BankStep, Duties, HOLDS_PAGE, MIRROR_MAX, MirrorRequest, MirrorSide,
    OpenHolds, OpenReturns, OwnerAnswer, OwnerRequest, PaymentDocuments, PaymentSides,
};
use api::json::read_json;
use api::lease::{LeaseReports, LeaseTold};
use api::messages::Held;
use api::wire;
use bytes::Bytes;
use clearing::customers::CreditStanding;
use clearing::rule::RuleName;
use clearing::saga::{CreditorSide, DebtorSide};
use clearing::{CustomerAnswer, DebtorSeen, Rule};
use client::{CLIENT_LIMITS, Client, ClientLimits, Outcome, Outgoing, Peer};
use record::{KeptDocuments, ReturnOrder, SettleOrder, Signed};
use seal::{PublicKey, SigningKey};
use terms::{AccountId, InstitutionName, PaymentId};
use tokio::sync::{Semaphore, watch};

use super::books::Failed;
use super::orders::LogKey;

/// A bank answers within a sync of its disk; what takes longer is asked for again.
pub const BANK_LIMITS: ClientLimits = ClientLimits {
    connect: Duration::from_secs(1),
    deadline: Duration::from_secs(4),
    answer_bytes: CLIENT_LIMITS.answer_bytes,
    idle_per_peer: 64,
};
/// Requests under way to one bank: what its connections take, less room for its own edges.
const UNDER_WAY_MAX: usize = 64;

/// The book of an institution elsewhere.
pub struct RemoteBook {
    institution: InstitutionName,
    peer: Peer,
    client: Client,
    key: LogKey,
    there: watch::Sender<bool>,
    under_way: Semaphore,
}

impl std::fmt::Debug for RemoteBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteBook({} at {})", self.institution, self.peer.authority())
    }
}

impl RemoteBook {
    /// The book of `institution` at `peer`; away until it first answers.
    #[must_use]
    pub fn new(institution: InstitutionName, peer: Peer, client: Client, key: SigningKey) -> Self {
        let (there, _) = watch::channel(false);
        let under_way = Semaphore::new(UNDER_WAY_MAX);
        Self { institution, peer, client, key: LogKey(key), there, under_way }
    }

    /// Whether it answered last.
    #[must_use]
    pub fn is_there(&self) -> bool {
        *self.there.borrow()
    }

    /// Waits until it does not answer any more.
    pub async fn gone(&self) {
        let mut there = self.there.subscribe();
        let _ = there.wait_for(|there| !there).await;
    }

    /// Asks it something small, away or not.
    pub async fn probe(&self) -> Result<(), Failed> {
        self.send::<OpenHolds>(Outgoing::get("/v1/open-holds?limit=0")).await.map(|_| ())
    }

    /// Takes a step; durable there when this returns.
    pub async fn step(&self, step: &BankStep) -> Result<CustomerAnswer, Failed> {
        let body = wire::write_cbor(step);
        let said = self.ask(Outgoing::post("/v1/steps", wire::CBOR, body)).await?;
        Ok(match said {
            BankAnswer::Done => CustomerAnswer::Done,
            BankAnswer::Held(blind) => CustomerAnswer::Held(blind),
            BankAnswer::HoldEnded(held) => CustomerAnswer::HoldEnded(side_of(held)),
            BankAnswer::PaymentIdUsed { first, got } => {
                CustomerAnswer::PaymentIdUsed { first, got }
            }
            BankAnswer::Refused { rule, detail } => {
                let name = RuleName::ALL.iter().find(|name| name.as_str() == rule).copied();
                let name = name.unwrap_or(RuleName::LedgerRefuses);
                CustomerAnswer::Refused(Rule::new(name, detail))
            }
        })
    }

    /// What it has to report of its leases: a page of spendings after a payment.
    pub async fn lease_reports(&self, after: Option<PaymentId>) -> Result<LeaseReports, Failed> {
        match after {
            Some(after) => self.ask(Outgoing::get(&format!("/v1/leases?after={after}"))).await,
            None => self.ask(Outgoing::get("/v1/leases")).await,
        }
    }

    /// Whether it accepted a payment under a lease, and has not heard its ending.
    pub async fn has_accepted(&self, payment: PaymentId) -> Result<bool, Failed> {
        Ok(self.sides(payment).await?.accepted)
    }

    /// Tells it something of a lease; durable there when this returns.
    pub async fn tell_lease(&self, told: &LeaseTold) -> Result<(), Failed> {
        let request = Outgoing::post("/v1/leases", wire::CBOR, wire::write_cbor(told));
        self.exchange(request).await.map(|_| ())
    }

    /// What it says of a payment whose debtor is there.
    pub async fn debtor_seen(&self, payment: PaymentId) -> Result<DebtorSeen, Failed> {
        let sides = self.sides(payment).await?;
        Ok(DebtorSeen { side: side_of(sides.debtor), terms: sides.terms })
    }

    /// What it says of a payment whose creditor is there.
    pub async fn creditor_side(&self, payment: PaymentId) -> Result<CreditorSide, Failed> {
        let sides = self.sides(payment).await?;
        let credited = sides.credited.is_some();
        Ok(if credited { CreditorSide::Credited } else { CreditorSide::Untouched })
    }

    /// Where the money of a payment lies, as far as it says.
    pub async fn credit_standing(&self, payment: PaymentId) -> Result<CreditStanding, Failed> {
        let sides = self.sides(payment).await?;
        Ok(match (sides.credited, sides.in_suspense) {
            (None, _) => CreditStanding::Untouched,
            (Some(_), true) => CreditStanding::Suspense,
            (Some(_), false) => CreditStanding::Posted,
        })
    }

    async fn sides(&self, payment: PaymentId) -> Result<PaymentSides, Failed> {
        self.ask(Outgoing::get(&format!("/v1/payments/{payment}"))).await
    }

    /// The documents of a payment that left it.
    pub async fn documents(&self, payment: PaymentId) -> Result<Vec<KeptDocuments>, Failed> {
        let target = format!("/v1/payments/{payment}/documents");
        let said: PaymentDocuments = self.ask(Outgoing::get(&target)).await?;
        Ok(said.kept)
    }

    /// The orders of its open holds, page by page.
    pub async fn open_holds(&self) -> Result<Vec<SettleOrder>, Failed> {
        let mut orders = Vec::new();
        let mut target = format!("/v1/open-holds?limit={HOLDS_PAGE}");
        loop {
            let page: OpenHolds = self.ask(Outgoing::get(&target)).await?;
            orders.extend(page.orders);
            let Some(after) = page.after else { return Ok(orders) };
            target = format!("/v1/open-holds?limit={HOLDS_PAGE}&after={after}");
        }
    }

    /// The orders of its returns whose hold is open, page by page.
    pub async fn open_returns(&self) -> Result<Vec<Signed<ReturnOrder>>, Failed> {
        let mut orders = Vec::new();
        let mut target = format!("/v1/open-returns?limit={HOLDS_PAGE}");
        loop {
            let page: OpenReturns = self.ask(Outgoing::get(&target)).await?;
            orders.extend(page.orders);
            let Some(after) = page.after else { return Ok(orders) };
            target = format!("/v1/open-returns?limit={HOLDS_PAGE}&after={after}");
        }
    }

    /// What mirrors the settlement book there.
    pub async fn mirror(&self, mut payments: Vec<PaymentId>) -> Result<MirrorSide, Failed> {
        if payments.len() > MIRROR_MAX {
            return Err(Failed::NotDone(format!("more than {MIRROR_MAX} payments in transit")));
        }
        payments.sort_unstable();
        let body = wire::write_cbor(&MirrorRequest { layout: 1, payments });
        self.ask(Outgoing::post("/v1/mirror", wire::CBOR, body)).await
    }

    /// Whether this key asks for this account there.
    pub async fn is_owner(&self, account: AccountId, key: PublicKey) -> Result<bool, Failed> {
        let body = wire::write_cbor(&OwnerRequest { layout: 1, account, key });
        let said: OwnerAnswer = self.ask(Outgoing::post("/v1/owners", wire::CBOR, body)).await?;
        Ok(said.is_owner)
    }

    /// The returns that it owes.
    pub async fn duties(&self) -> Result<Duties, Failed> {
        let answer = self.exchange(Outgoing::get("/v1/duties")).await?;
        let mut said: AllDuties = read_json(&answer).map_err(|_| Failed::Unknown)?;
        said.duties.pop().ok_or(Failed::Unknown)
    }

    async fn ask<T>(&self, request: Outgoing<'_>) -> Result<T, Failed>
    where
        T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        let closed = |_| Failed::NotDone("the core is stopping".into());
        let _turn = self.under_way.acquire().await.map_err(closed)?;
        if !self.is_there() {
            let reason = format!("waiting for bank `{}`", self.institution);
            return Err(Failed::NotDone(reason));
        }
        self.send(request).await
    }

    async fn send<T>(&self, request: Outgoing<'_>) -> Result<T, Failed>
    where
        T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        let body = self.exchange(request).await?;
        wire::read_cbor(&body).map_err(|problem: api::Problem| {
            let bank = self.institution;
            tracing::error!(%bank, detail = ?problem.detail, "an answer does not read");
            Failed::Unknown
        })
    }

    async fn exchange(&self, request: Outgoing<'_>) -> Result<Bytes, Failed> {
        let bank = self.institution;
        let outcome = self.client.send(&self.peer, request, &self.key.0).await;
        self.note(matches!(outcome, Outcome::Answer(_) | Outcome::Refused(_)));
        match outcome {
            Outcome::Answer(answer) => Ok(answer.body),
            // The bank read the request and did nothing: one of us is configured wrongly.
            Outcome::Refused(problem) => {
                tracing::error!(%bank, code = problem.code, detail = ?problem.detail, "refused");
                let words = problem.detail.unwrap_or(problem.title);
                Err(Failed::NotDone(format!("bank `{bank}` refuses: {words}")))
            }
            Outcome::NotDone(why) => Err(Failed::NotDone(why.to_string())),
            Outcome::Unknown(why) => {
                tracing::warn!(%bank, %why, "no answer");
                Err(Failed::Unknown)
            }
        }
    }

    fn note(&self, there: bool) {
        self.there.send_if_modified(|known| std::mem::replace(known, there) != there);
    }
}

const fn side_of(held: Held) -> DebtorSide {
    match held {
        Held::No => DebtorSide::Untouched,
        Held::Yes => DebtorSide::Held,
        Held::Debited => DebtorSide::Debited,
        Held::Released => DebtorSide::Released,
    }
}

/// How a debtor's side is said on the wire.
#[must_use]
pub const fn held_of(side: DebtorSide) -> Held {
    match side {
        DebtorSide::Untouched => Held::No,
        DebtorSide::Held => Held::Yes,
        DebtorSide::Debited => Held::Debited,
        DebtorSide::Released => Held::Released,
    }
}
