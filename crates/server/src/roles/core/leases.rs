//! Leases of the core: granted and renewed as the contracts in the configuration say, settled up
//! with each bank that reports.
//!
//! Nothing is remembered here: each round asks the settlement book and the bank what they say, so
//! a round that is cut anywhere, by a crash or a link, is gone on with by the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::lease::{LeaseRow, LeaseTold, Leases, ReportedLease, ReportedSpending, WaitingSpending};
use api::wire;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use clearing::route::{Shown, shown};
use clearing::rule::RuleName;
use clearing::settlement::lease::{FinalReport, LeaseAsk, LeaseWork, OpenLease, Spending};
use clearing::under_lease::{check_ended, check_under};
use clearing::{Rule, SettlementAnswer, SettlementBook, SettlementWork};
use record::{
    LeaseAcceptance, LeaseConsent, LeaseEnd, LeaseGrant, LeaseLine, PaymentTerms, SettleOrder,
    Signed, TwoPersons,
};
use seal::{PublicKey, text};
use serde::{Deserialize, Serialize};
use terms::{InstitutionName, Minor, PaymentId};
use tokio::task::JoinSet;

use super::admin;
use super::after::approved;
use super::books::Failed;
use super::config::Config;
use super::customers::CustomersPort;
use super::orders::Clearing;
use super::recovery::completing;
use super::remote::RemoteBook;
use super::routes::{Answer, Core, Shared, done, failed, not_done};
use crate::system;

/// Pause between two rounds: also how often a bank hears the core.
const TICK: Duration = Duration::from_millis(500);
/// Pages of spendings of one round: more than all leases of a bank's contracts hold.
const PAGES_MAX: usize = 64;

/// What a participant's contract says of leases, in the core's configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseEntry {
    /// The bank: it keeps its own book.
    pub institution: String,
    /// The provider whose money is held back on the other side.
    pub provider: String,
    /// The asset of the bank's side.
    pub debit_asset: String,
    /// How much one lease is, in minor units.
    pub debit: u64,
    /// The asset of the provider's side.
    pub credit_asset: String,
    /// How much of it is held back for one lease, in minor units.
    pub credit: u64,
    /// How long a lease lasts, in seconds. It is renewed when half of that is left.
    pub seconds: u32,
    /// How far the bank's clock may be apart from the core's, in seconds.
    pub skew_seconds: u32,
    /// Most that may be leased and not settled, in minor units: twice one lease lets a renewal
    /// stand beside the lease that it renews.
    pub exposure_max: u64,
    /// The provider's signed consent, hex: `wayleave lease consent` makes it.
    pub consent: String,
}

/// The contracts, and what waits.
#[derive(Debug)]
pub struct LeaseDesk {
    asks: Vec<LeaseAsk>,
    keys: BTreeMap<InstitutionName, PublicKey>,
    waits: Mutex<BTreeMap<PaymentId, (LeaseLine, u64, String)>>,
}

impl LeaseEntry {
    fn read(&self) -> Result<LeaseAsk, String> {
        let wrong = |what: &str, error: &dyn core::fmt::Display| {
            format!("leases, `{}`: {what}: {error}", self.institution)
        };
        let line = LeaseLine {
            institution: self.institution.parse().map_err(|e| wrong("institution", &e))?,
            provider: self.provider.parse().map_err(|e| wrong("provider", &e))?,
            debit: self.debit_asset.parse().map_err(|e| wrong("debit_asset", &e))?,
            credit: self.credit_asset.parse().map_err(|e| wrong("credit_asset", &e))?,
        };
        let bytes = text::from_hex(&self.consent);
        let bytes = bytes.ok_or_else(|| wrong("consent", &"expected hex"))?;
        let consent =
            Signed::<LeaseConsent>::from_bytes(&bytes).map_err(|e| wrong("consent", &e))?;
        let ask = LeaseAsk {
            line,
            debit: Minor::new(self.debit.into()),
            credit: Minor::new(self.credit.into()),
            seconds: self.seconds,
            skew_seconds: self.skew_seconds,
            exposure_max: Minor::new(self.exposure_max.into()),
            consent,
        };
        ask.fits().map_err(|expected| wrong("expected", &expected))?;
        Ok(ask)
    }
}

impl LeaseDesk {
    /// Reads the contracts.
    pub fn open(config: &Config) -> Result<Self, String> {
        let asks: Vec<LeaseAsk> =
            config.leases.iter().map(LeaseEntry::read).collect::<Result<_, _>>()?;
        let mut lines = BTreeSet::new();
        if let Some(twice) = asks.iter().find(|ask| !lines.insert(ask.line)) {
            let bank = twice.line.institution;
            return Err(format!("leases, `{bank}`: one line stands there twice"));
        }
        let key = |bank: &super::config::OwnBook| {
            let key = config.common.peer(&bank.peer).and_then(|peer| peer.key("request"));
            Some((bank.institution, key?))
        };
        let keys: BTreeMap<_, _> = config.banks.iter().filter_map(key).collect();
        if let Some(ask) = asks.iter().find(|ask| !keys.contains_key(&ask.line.institution)) {
            let bank = ask.line.institution;
            return Err(format!("leases, `{bank}`: it keeps no book of its own"));
        }
        Ok(Self { asks, keys, waits: Mutex::new(BTreeMap::new()) })
    }

    fn waits(&self, payment: PaymentId, of: (LeaseLine, u64), rule: Option<String>) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        match rule {
            Some(rule) => {
                let before = waits.insert(payment, (of.0, of.1, rule.clone()));
                if before.is_none_or(|(_, _, known)| known != rule) {
                    tracing::error!(%payment, rule, "a spending waits: a person must look");
                }
            }
            None => drop(waits.remove(&payment)),
        }
    }

    fn waiting(&self, line: LeaseLine, number: u64) -> Vec<WaitingSpending> {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let of_lease = waits.iter().filter(|(_, (of, n, _))| (*of, *n) == (line, number));
        let row = |(payment, (_, _, rule)): (&PaymentId, &(LeaseLine, u64, String))| {
            WaitingSpending { payment: payment.to_string(), rule: rule.clone() }
        };
        of_lease.map(row).collect()
    }
}

/// Settles up and renews, until the process ends: each bank by itself, and heard by it whatever
/// another bank keeps waiting.
pub async fn keep(clearing: Arc<Clearing>, desk: Arc<LeaseDesk>) {
    let mut tasks = JoinSet::new();
    for (institution, port) in &clearing.books.customers {
        if port.remote().is_some() {
            tasks.spawn(greet(Arc::clone(&clearing), Arc::clone(&desk), *institution));
            tasks.spawn(settle(Arc::clone(&clearing), Arc::clone(&desk), *institution));
        }
    }
    while let Some(ended) = tasks.join_next().await {
        tracing::error!(?ended, "a task of the leases ended");
    }
    std::future::pending::<()>().await;
}

/// Lets a bank with a lease hear the core: nothing else keeps it from accepting by itself.
async fn greet(clearing: Arc<Clearing>, desk: Arc<LeaseDesk>, institution: InstitutionName) {
    let book = clearing.books.customers.get(&institution).and_then(CustomersPort::remote);
    let Some(book) = book else { return };
    loop {
        if book.is_there()
            && concerned(&clearing, &desk, institution).await.is_ok_and(|open| open.is_some())
        {
            // One that does not answer is noted as away, where it is noted for everybody.
            drop(book.probe().await);
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn settle(clearing: Arc<Clearing>, desk: Arc<LeaseDesk>, institution: InstitutionName) {
    let Some(port) = clearing.books.customers.get(&institution) else { return };
    let Some(book) = port.remote() else { return };
    loop {
        if book.is_there()
            && let Err(error) = round(&clearing, &desk, institution, port, book).await
        {
            tracing::warn!(%institution, %error, "leases are not settled up");
        }
        tokio::time::sleep(TICK).await;
    }
}

/// The leases of a bank that are not settled; `None` where it has none and no contract either.
async fn concerned(
    clearing: &Clearing,
    desk: &LeaseDesk,
    institution: InstitutionName,
) -> Result<Option<Vec<OpenLease>>, Failed> {
    let look = move |state: &SettlementBook| {
        let own = state.leases().open().filter(|one| one.grant.line.institution == institution);
        own.cloned().collect::<Vec<_>>()
    };
    let open = clearing.books.settlement.look(look).await?.outcome;
    let asked = desk.asks.iter().any(|ask| ask.line.institution == institution);
    Ok((asked || !open.is_empty()).then_some(open))
}

/// First every spending settles out of its lease, then leases are closed and renewed, and last the
/// books are driven: a payee's bank that hangs keeps nothing of the rest waiting.
async fn round(
    clearing: &Clearing,
    desk: &LeaseDesk,
    institution: InstitutionName,
    port: &CustomersPort,
    book: &RemoteBook,
) -> Result<(), Failed> {
    let Some(open) = concerned(clearing, desk, institution).await? else { return Ok(()) };
    let (mut ended, mut after) = (Vec::new(), None);
    let mut leases = None;
    for _ in 0..PAGES_MAX {
        let page = book.lease_reports(after).await?;
        for reported in page.spendings {
            if let Some(payment) = settle_up(clearing, desk, institution, &reported).await? {
                ended.push((payment, reported.order));
            }
        }
        after = page.after;
        if after.is_none() {
            leases = Some(page.leases);
            break;
        }
    }
    if let Some(leases) = leases {
        settle_leases(clearing, desk, book, institution, &leases).await?;
        let _nobody_compares = port.steps.read().await;
        for ask in desk.asks.iter().filter(|ask| ask.line.institution == institution) {
            if let Err(error) = renew(clearing, book, ask, &open, &leases).await {
                tracing::warn!(%institution, %error, "no lease is brought to the bank");
            }
        }
    }
    for (payment, order) in &ended {
        end_in_books(clearing, institution, order, *payment).await?;
    }
    Ok(())
}

/// What is to be done about a reported spending.
enum Found {
    /// The payment has ended and is counted: the books are told.
    Ended,
    /// It is to be settled or refused.
    Open(Box<Spending>),
}

/// Ends a payment that a bank reports, and names it once it has ended.
async fn settle_up(
    clearing: &Clearing,
    desk: &LeaseDesk,
    institution: InstitutionName,
    reported: &ReportedSpending,
) -> Result<Option<PaymentId>, Failed> {
    let said = match verified(desk, institution, reported) {
        Ok(said) => said,
        Err(rule) => {
            tracing::error!(%institution, %rule, "a spending is not the bank's");
            return Ok(None);
        }
    };
    let (payment, of) = (said.payment, (said.line, said.number));
    let spending = match found(clearing, said, reported).await? {
        Ok(Found::Open(spending)) => spending,
        Ok(Found::Ended) => {
            desk.waits(payment, of, None);
            return Ok(Some(payment));
        }
        Err(rule) => {
            desk.waits(payment, of, Some(rule.to_string()));
            return Ok(None);
        }
    };
    clearing.recent.note(payment, &reported.order.terms);
    let work = SettlementWork::Lease(Box::new(LeaseWork::Spent(spending)));
    let answer = clearing.books.settlement.ask(work).await?.outcome;
    if let SettlementAnswer::NotAccepted(rule) = answer {
        desk.waits(payment, of, Some(rule));
        return Ok(None);
    }
    desk.waits(payment, of, None);
    Ok(Some(payment))
}

/// The bank's own word on a payment of these terms.
fn verified(
    desk: &LeaseDesk,
    institution: InstitutionName,
    reported: &ReportedSpending,
) -> Result<LeaseAcceptance, Rule> {
    let untrusted = |detail: String| Rule::new(RuleName::SignerNotTrusted, detail);
    let key = desk.keys.get(&institution).ok_or_else(|| untrusted("no key".into()))?;
    let said = reported.acceptance.verify(key).map_err(|error| untrusted(error.to_string()))?;
    let terms = PaymentTerms::from_terms_string(&reported.order.terms)
        .map_err(|error| Rule::new(RuleName::PermitDiffers, error.to_string()))?;
    if said.line.institution != institution {
        return Err(untrusted("it speaks for another bank".into()));
    }
    if terms.payment != said.payment {
        return Err(Rule::new(RuleName::AcceptanceDiffers, "it is of another payment"));
    }
    Ok(said)
}

/// The payment's own ending comes first: what ended and is counted needs no list of today. What is
/// open is checked against its lease, also where two persons ended that.
async fn found(
    clearing: &Clearing,
    said: LeaseAcceptance,
    reported: &ReportedSpending,
) -> Result<Result<Found, Rule>, Failed> {
    let (line, number, payment) = (said.line, said.number, said.payment);
    let look = move |state: &SettlementBook| {
        let open = state.leases().get(line, number);
        let counted = open.is_none_or(|open| open.counted.contains(&payment));
        let grant = state.leases().granted(line, number).cloned();
        (counted && state.payment(payment).is_some(), grant)
    };
    let (ended, grant) = clearing.books.settlement.look(look).await?.outcome;
    if ended {
        return Ok(Ok(Found::Ended));
    }
    let here = (clearing.environment, clearing.book);
    let (order, blind) = (reported.order.clone(), reported.blind);
    let checked = match &grant {
        Some(grant) => check_under(order, grant, here, blind),
        None => check_ended(order, (line, number), here, &clearing.trust(), blind),
    };
    Ok(checked.map(|order| {
        let (order, acceptance) = (order.kept_under(blind), reported.acceptance.clone());
        Found::Open(Box::new(Spending { order, acceptance, said }))
    }))
}

/// Debits or releases at the bank, and credits the payee, by the route of recovery: of a payment
/// that settled its fact says who takes part. What waits for another bank goes on behind: the
/// settlement book's own list names it, and this bank reports it again until it has heard.
async fn end_in_books(
    clearing: &Clearing,
    institution: InstitutionName,
    order: &SettleOrder,
    payment: PaymentId,
) -> Result<(), Failed> {
    let entry = clearing.books.settlement.look(move |s| s.payment(payment).cloned()).await?.outcome;
    let Some(entry) = entry.filter(|_| !clearing.live.carries(payment)) else { return Ok(()) };
    let here = (clearing.environment, clearing.book);
    let route = match shown(order, institution, Some(&entry), here, &clearing.trust()) {
        Shown::Settled(at) => completing(&clearing.facts.fact(at).await?)?,
        Shown::Route(route) => Some(*route),
        Shown::NotBelieved(_) => None,
    };
    if let Some(mut route) = route {
        let live = clearing.live.enter(payment);
        clearing.drive(&mut route).await;
        drop(live);
    }
    Ok(())
}

/// Takes final reports, and tells the bank what is settled. The writer counts for itself: one
/// whose spendings wait is taken when they have ended.
async fn settle_leases(
    clearing: &Clearing,
    desk: &LeaseDesk,
    book: &RemoteBook,
    institution: InstitutionName,
    leases: &[ReportedLease],
) -> Result<(), Failed> {
    let Some(key) = desk.keys.get(&institution) else { return Ok(()) };
    for signed in leases.iter().filter_map(|lease| lease.closed.as_ref()) {
        let Ok(said) = signed.verify(key) else {
            tracing::error!(%institution, "a final report is not signed by the bank");
            continue;
        };
        let (line, number) = (said.line, said.number);
        let report = FinalReport { reporter: institution, signed: signed.clone(), said };
        let work = SettlementWork::Lease(Box::new(LeaseWork::Report(Box::new(report))));
        match clearing.books.settlement.ask(work).await?.outcome {
            SettlementAnswer::Done => book.tell_lease(&LeaseTold::Settled(line, number)).await?,
            _ if !desk.waiting(line, number).is_empty() => {}
            other => tracing::error!(number, ?other, "a final report does not fit"),
        }
    }
    Ok(())
}

/// Grants the next lease when half of the time of the newest is over, and brings the newest to a
/// bank that does not have it.
async fn renew(
    clearing: &Clearing,
    book: &RemoteBook,
    ask: &LeaseAsk,
    open: &[OpenLease],
    reported: &[ReportedLease],
) -> Result<(), Failed> {
    let line = ask.line;
    let of_line = open.iter().filter(|one| one.grant.line == line);
    let newest = of_line.max_by_key(|one| one.grant.number);
    let half = Duration::from_secs((ask.seconds / 2).into());
    let is_good = |one: &&OpenLease| system::now().plus(half) < one.grant.ends_at;
    let grant = match newest.filter(is_good) {
        Some(one) => {
            let (number, line) = (one.grant.number, one.grant.line);
            let mut known = reported.iter();
            if known.any(|report| report.line == line && report.number == number) {
                return Ok(());
            }
            Some(one.grant.clone())
        }
        None => grant(clearing, ask).await?,
    };
    let Some(grant) = grant else { return Ok(()) };
    let signed = Signed::sign(&grant, &clearing.signer.0);
    book.tell_lease(&LeaseTold::Granted(Box::new(signed))).await
}

async fn grant(clearing: &Clearing, ask: &LeaseAsk) -> Result<Option<LeaseGrant>, Failed> {
    let line = ask.line;
    let work = SettlementWork::Lease(Box::new(LeaseWork::Grant(Box::new(ask.clone()))));
    if let SettlementAnswer::NotAccepted(why) = clearing.books.settlement.ask(work).await?.outcome {
        tracing::warn!(institution = %line.institution, why, "no lease is granted");
        return Ok(None);
    }
    let newest = move |state: &SettlementBook| {
        let newest = state.leases().of(line).max_by_key(|one| one.grant.number);
        newest.map(|one| one.grant.clone())
    };
    Ok(clearing.books.settlement.look(newest).await?.outcome)
}

/// The routes of the operator.
pub(super) fn of_operators() -> Router<Arc<Core>> {
    Router::new().route("/v1/leases", get(list)).route("/v1/lease-ends", post(end))
}

async fn list(State(core): Shared) -> Answer {
    let look = |state: &SettlementBook| state.leases().open().cloned().collect::<Vec<_>>();
    let open = core.clearing.books.settlement.look(look).await.map_err(failed)?.outcome;
    let leases = open.iter().map(|one| row(&core.leases, one)).collect();
    Ok(Json(Leases { leases }).into_response())
}

fn row(desk: &LeaseDesk, one: &OpenLease) -> LeaseRow {
    let grant = &one.grant;
    let waits = desk.waiting(grant.line, grant.number);
    let standing = match (system::now() < grant.ends_at, waits.is_empty()) {
        (true, _) => "in-force",
        (false, true) => "ended-unreported",
        (false, false) => "ended-waiting",
    };
    LeaseRow {
        institution: grant.line.institution.to_string(),
        provider: grant.line.provider.to_string(),
        number: grant.number,
        debit_asset: grant.line.debit.to_string(),
        debit: grant.debit.to_string(),
        credit_asset: grant.line.credit.to_string(),
        credit: grant.credit.to_string(),
        spent: one.spent.to_string(),
        payments: u64::try_from(one.counted.len()).unwrap_or(u64::MAX),
        granted_at: grant.granted_at.to_string(),
        ends_at: grant.ends_at.to_string(),
        standing: standing.to_owned(),
        waits,
    }
}

async fn end(State(core): Shared, body: Bytes) -> Answer {
    let signed: TwoPersons<LeaseEnd> = wire::read_cbor(&body)?;
    let end = Box::new(approved(&core, signed)?);
    let work = SettlementWork::Lease(Box::new(LeaseWork::End(end)));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}
