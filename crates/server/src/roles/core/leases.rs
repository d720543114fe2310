//! Leases of the core: granted and renewed as the contracts in the configuration say, settled up
//! with each bank that reports.
//!
//! Nothing is remembered here: each round asks the settlement book and the bank what they say, so
//! a round that is cut anywhere, by a crash or a link, is gone on with by the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::lease::{LeaseReports, LeaseRow, LeaseTold, Leases, ReportedSpending, WaitingSpending};
use api::wire;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use clearing::route::{Route, Shown, shown};
use clearing::rule::RuleName;
use clearing::settlement::lease::{LeaseAsk, LeaseWork, OpenLease, Spending};
use clearing::under_lease::{check_ended, check_under};
use clearing::{Rule, SettlementAnswer, SettlementBook, SettlementWork};
use record::{LeaseConsent, LeaseEnd, LeaseGrant, LeaseLine, PaymentTerms, Signed, TwoPersons};
use seal::{PublicKey, text};
use serde::{Deserialize, Serialize};
use terms::{InstitutionName, Minor, PaymentId};

use super::admin;
use super::after::approved;
use super::books::Failed;
use super::config::Config;
use super::customers::CustomersPort;
use super::orders::Clearing;
use super::remote::RemoteBook;
use super::routes::{Answer, Core, Shared, done, failed, not_done};
use crate::system;

/// Pause between two rounds: also how often a bank hears the core.
const TICK: Duration = Duration::from_millis(500);

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
        Ok(LeaseAsk {
            line,
            debit: Minor::new(self.debit.into()),
            credit: Minor::new(self.credit.into()),
            seconds: self.seconds,
            skew_seconds: self.skew_seconds,
            exposure_max: Minor::new(self.exposure_max.into()),
            consent,
        })
    }
}

impl LeaseDesk {
    /// Reads the contracts.
    pub fn open(config: &Config) -> Result<Self, String> {
        let asks: Vec<LeaseAsk> =
            config.leases.iter().map(LeaseEntry::read).collect::<Result<_, _>>()?;
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

/// Settles up and renews, until the process ends.
pub async fn keep(clearing: Arc<Clearing>, desk: Arc<LeaseDesk>) {
    loop {
        for (institution, port) in &clearing.books.customers {
            let Some(book) = port.remote().filter(|book| book.is_there()) else { continue };
            if let Err(error) = round(&clearing, &desk, *institution, port, book).await {
                tracing::warn!(%institution, %error, "leases are not settled up");
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn round(
    clearing: &Clearing,
    desk: &LeaseDesk,
    institution: InstitutionName,
    port: &CustomersPort,
    book: &RemoteBook,
) -> Result<(), Failed> {
    let look = move |state: &SettlementBook| {
        let own = state.leases().open().filter(|one| one.grant.line.institution == institution);
        own.cloned().collect::<Vec<_>>()
    };
    let open = clearing.books.settlement.look(look).await?.outcome;
    let asked = desk.asks.iter().any(|ask| ask.line.institution == institution);
    if open.is_empty() && !asked {
        return Ok(());
    }
    let reports = book.lease_reports().await?;
    let mut all_ended = !reports.more;
    for reported in &reports.spendings {
        all_ended &= settle_up(clearing, desk, institution, reported).await?;
    }
    if all_ended {
        settle_leases(clearing, book, &reports).await?;
    }
    let _nobody_compares = port.steps.read().await;
    for ask in desk.asks.iter().filter(|ask| ask.line.institution == institution) {
        renew(clearing, book, ask, &open, &reports).await?;
    }
    Ok(())
}

/// Ends a payment that a bank reports, and tells the banks. Whether it has ended.
async fn settle_up(
    clearing: &Clearing,
    desk: &LeaseDesk,
    institution: InstitutionName,
    reported: &ReportedSpending,
) -> Result<bool, Failed> {
    let Ok(terms) = PaymentTerms::from_terms_string(&reported.order.terms) else {
        tracing::error!(%institution, "a spending does not read");
        return Ok(false);
    };
    let payment = terms.payment;
    let spending = match checked(clearing, desk, institution, reported).await? {
        Ok(spending) => spending,
        Err(rule) => {
            tracing::error!(%payment, %rule, "a spending is not what a lease allows");
            let of = reported.acceptance.read_unverified();
            if let Ok(said) = of {
                desk.waits(payment, (said.line, said.number), Some(rule.to_string()));
            }
            return Ok(false);
        }
    };
    let of = (spending.said.line, spending.said.number);
    clearing.recent.note(payment, &reported.order);
    let work = SettlementWork::Lease(Box::new(LeaseWork::Spent(Box::new(spending))));
    let answer = clearing.books.settlement.ask(work).await?.outcome;
    if let SettlementAnswer::NotAccepted(rule) = answer {
        desk.waits(payment, of, Some(rule));
        return Ok(false);
    }
    desk.waits(payment, of, None);
    end_in_books(clearing, institution, reported, payment).await
}

async fn checked(
    clearing: &Clearing,
    desk: &LeaseDesk,
    institution: InstitutionName,
    reported: &ReportedSpending,
) -> Result<Result<Spending, Rule>, Failed> {
    let untrusted = |detail: String| Rule::new(RuleName::SignerNotTrusted, detail);
    let key = desk.keys.get(&institution).ok_or_else(|| untrusted("no key".into()));
    let said = key.and_then(|key| {
        reported.acceptance.verify(key).map_err(|error| untrusted(error.to_string()))
    });
    let said = match said {
        Ok(said) if said.line.institution == institution => said,
        Ok(_) => return Ok(Err(untrusted("it speaks for another bank".into()))),
        Err(rule) => return Ok(Err(rule)),
    };
    let (line, number) = (said.line, said.number);
    let look = move |state: &SettlementBook| {
        state.leases().get(line, number).map(|open| open.grant.clone())
    };
    let grant: Option<LeaseGrant> = clearing.books.settlement.look(look).await?.outcome;
    let here = (clearing.environment, clearing.book);
    let (order, blind) = (reported.order.clone(), reported.blind);
    let checked = match &grant {
        Some(grant) => check_under(order, grant, here, blind),
        None => check_ended(order, (line, number), here, &clearing.trust(), blind),
    };
    Ok(checked.map(|order| Spending {
        order: order.kept_under(blind),
        acceptance: reported.acceptance.clone(),
        said,
    }))
}

/// Debits or releases at the bank, and credits the payee, by the route of recovery. What waits for
/// another bank goes on behind: the settlement book's own list names it.
async fn end_in_books(
    clearing: &Clearing,
    institution: InstitutionName,
    reported: &ReportedSpending,
    payment: PaymentId,
) -> Result<bool, Failed> {
    let entry = clearing.books.settlement.look(move |s| s.payment(payment).cloned()).await?.outcome;
    let Some(entry) = entry else { return Ok(false) };
    let here = (clearing.environment, clearing.book);
    let route = match shown(&reported.order, institution, Some(&entry), here, &clearing.trust()) {
        Shown::Settled(_) => Route::of_recovery(&reported.order),
        Shown::Route(route) => Some(*route),
        Shown::NotBelieved(_) => None,
    };
    if let Some(mut route) = route {
        let live = clearing.live.enter(payment);
        clearing.drive(&mut route).await;
        drop(live);
    }
    Ok(true)
}

/// Takes final reports, and tells the bank what is settled.
async fn settle_leases(
    clearing: &Clearing,
    book: &RemoteBook,
    reports: &LeaseReports,
) -> Result<(), Failed> {
    for report in reports.leases.iter().filter(|report| report.is_final) {
        let (line, number, spent) = (report.line, report.number, report.spent);
        let work = LeaseWork::Report { line, number, spent };
        let work = SettlementWork::Lease(Box::new(work));
        match clearing.books.settlement.ask(work).await?.outcome {
            SettlementAnswer::Done => book.tell_lease(&LeaseTold::Settled(line, number)).await?,
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
    reports: &LeaseReports,
) -> Result<(), Failed> {
    let line = ask.line;
    let of_line = open.iter().filter(|one| one.grant.line == line);
    let newest = of_line.max_by_key(|one| one.grant.number);
    let half = Duration::from_secs((ask.seconds / 2).into());
    let is_good = |one: &&OpenLease| system::now().plus(half) < one.grant.ends_at;
    let grant = match newest.filter(is_good) {
        Some(one) => {
            let (number, line) = (one.grant.number, one.grant.line);
            let mut known = reports.leases.iter();
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
    let work = SettlementWork::Lease(Box::new(LeaseWork::Grant(ask.clone())));
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
    let in_force = system::now() < grant.ends_at;
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
        standing: if in_force { "in-force" } else { "ended-unreported" }.to_owned(),
        waits: desk.waiting(grant.line, grant.number),
    }
}

async fn end(State(core): Shared, body: Bytes) -> Answer {
    let signed: TwoPersons<LeaseEnd> = wire::read_cbor(&body)?;
    let end = Box::new(approved(&core, signed)?);
    let work = SettlementWork::Lease(Box::new(LeaseWork::End(end)));
    admin::submit(&core.clearing, work).await.map_err(not_done)?;
    done()
}
