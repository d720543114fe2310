//! Leases of a bank: taken from the core, spent while it is cut off, reported when it asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::lease::{
    HeldLeases, HeldRow, LeaseReports, LeaseTold, LinkStanding, ReportedLease, ReportedSpending,
    SPENDINGS_PAGE,
};
use api::{Caller, Problem, wire};
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clearing::customers::lease::{HeldLine, LeaseBankWork, acceptance_of};
use clearing::lease::LeaseReport;
use clearing::rule::RuleName;
use clearing::under_lease::line_of;
use clearing::{BankWork, CustomerAnswer, CustomerWork, CustomersBook, Rule};
use record::{LeaseSpent, PaymentTerms, SettleOrder, Signed};
use seal::sha256;
use serde::Deserialize;
use terms::PaymentId;

use super::Bank;
use super::routes::{Answer, Shared, only_core};
use crate::roles::core::in_book;
use crate::roles::core::routes::{cbor, done, failed, not_accepted};
use crate::roles::start::only_operator;
use crate::system;

/// The payment is under way elsewhere, or must be ordered elsewhere: nothing was done.
const NOT_HERE: api::Kind = api::Kind {
    code: "not-under-a-lease",
    status: 409,
    title: "the bank does not accept this payment by itself",
};

/// The routes of the core.
pub(super) fn of_core() -> Router<Arc<Bank>> {
    Router::new().route("/v1/leases", post(told).get(reports))
}

/// The routes of customers.
pub(super) fn of_wallets() -> Router<Arc<Bank>> {
    Router::new().route("/v1/lease-orders", post(order))
}

/// The routes of the operator.
pub(super) fn of_operators() -> Router<Arc<Bank>> {
    Router::new().route("/v1/leases/held", get(held))
}

async fn work(bank: &Bank, work: LeaseBankWork) -> Result<CustomerAnswer, Problem> {
    let work = CustomerWork::Bank(Box::new(BankWork::Lease(work)));
    Ok(bank.book.ask(work).await.map_err(failed)?.outcome)
}

async fn told(State(bank): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    only_core(&bank, &caller)?;
    let told: LeaseTold = wire::read_cbor(&body)?;
    let asked = match told {
        LeaseTold::Granted(signed) => {
            let taken = bank.pins.leased(*signed).map_err(|rule| refused(&rule))?;
            LeaseBankWork::Take(Box::new(taken))
        }
        LeaseTold::Settled(line, number) => LeaseBankWork::Settled(line, number),
    };
    match work(&bank, asked).await? {
        CustomerAnswer::Refused(rule) => Err(refused(&rule).into()),
        CustomerAnswer::Done
        | CustomerAnswer::Held(_)
        | CustomerAnswer::HoldEnded(_)
        | CustomerAnswer::PaymentIdUsed { .. } => done(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<String>,
}

async fn reports(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    Query(page): Query<After>,
) -> Answer {
    only_core(&bank, &caller)?;
    let after: Option<PaymentId> =
        page.after.map(|text| wire::read_text("after", &text)).transpose()?;
    // What has ended by this book's own stamp is closed before it is reported as final.
    let ended = |state: &CustomersBook| state.leases().has_ended(system::now());
    if bank.book.look(ended).await.map_err(failed)?.outcome {
        work(&bank, LeaseBankWork::Close { also: None }).await?;
    }
    let here = (bank.pins.environment, bank.pins.settlement);
    let look = move |state: &CustomersBook| {
        let open = state.open_spendings(after);
        let leases = state.leases();
        let finals: BTreeMap<_, _> =
            leases.finals(here).map(|last| ((last.line, last.number), last)).collect();
        let leases: Vec<_> = leases.reports().collect();
        (open.take(SPENDINGS_PAGE).collect::<Vec<_>>(), leases, finals)
    };
    let (spendings, leases, finals) = bank.book.look(look).await.map_err(failed)?.outcome;
    let full = spendings.len() == SPENDINGS_PAGE;
    let after = spendings.last().map(|one| one.spent.payment).filter(|_| full);
    let leases = leases.into_iter().map(|(line, LeaseReport { number, spent, .. })| {
        let last = finals.get(&(line, number));
        let closed = last.map(|last| Signed::sign(last, &bank.key));
        ReportedLease { line, number, spent, closed }
    });
    let leases = leases.collect();
    let reported = spendings.into_iter().map(|one| ReportedSpending {
        order: one.order,
        blind: one.blind,
        acceptance: accepted(&bank, &one.spent),
    });
    Ok(cbor(&LeaseReports { layout: 1, spendings: reported.collect(), after, leases }))
}

/// Accepts a payment of a customer while the core cannot be reached. The same order again gets the
/// same acceptance, cut off or not.
async fn order(State(bank): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    let order: SettleOrder = wire::read_cbor(&body)?;
    let terms = PaymentTerms::from_terms_string(&order.terms)
        .map_err(|error| not_accepted(&error.to_string()))?;
    let (payment, account, key) = (terms.payment, terms.debited_account, caller.key());
    let institution = bank.config.institution;
    let line = line_of(&order, institution).map_err(|rule| refused(&rule))?;
    let look = move |state: &CustomersBook| {
        let owned = state.profile(account).is_some_and(|profile| profile.client_key == key);
        owned
            .then(|| (state.leases().spent(payment).copied(), state.leases().newest(line).cloned()))
    };
    let known = bank.book.look(look).await.map_err(failed)?.outcome;
    let (before, grant) = known.ok_or_else(|| not_accepted("there is no such account of yours"))?;
    if let Some(before) = before {
        if before.terms == sha256(order.terms.as_bytes()) {
            return Ok(cbor(&accepted(&bank, &before)));
        }
        let rule = Rule::new(RuleName::PaymentIdUsed, "accepted with other terms");
        return Err(refused(&rule).into());
    }
    if !bank.link.is_cut() {
        return Err(refused(&Rule::new(RuleName::CoreReachable, "the core was just heard")).into());
    }
    let Some(grant) = grant else {
        let rule = Rule::new(RuleName::LeaseNotInForce, "the bank has no lease for this payment");
        return Err(refused(&rule).into());
    };
    let blind = in_book::fresh_blind().map_err(failed)?;
    let checked = bank.pins.under(order, &grant, blind).map_err(|rule| refused(&rule))?;
    match work(&bank, LeaseBankWork::Accept(Box::new(checked))).await? {
        CustomerAnswer::Refused(rule) => return Err(refused(&rule).into()),
        CustomerAnswer::PaymentIdUsed { .. } => {
            let rule = Rule::new(RuleName::PaymentIdUsed, "accepted with other terms");
            return Err(refused(&rule).into());
        }
        CustomerAnswer::Done | CustomerAnswer::Held(_) | CustomerAnswer::HoldEnded(_) => {}
    }
    let spent = move |state: &CustomersBook| state.leases().spent(payment).copied();
    let spent = bank.book.look(spent).await.map_err(failed)?.outcome;
    let ended = || Rule::new(RuleName::UnderWayAtCore, "it has ended by now");
    let spent = spent.ok_or_else(|| refused(&ended()))?;
    Ok(cbor(&accepted(&bank, &spent)))
}

fn accepted(bank: &Bank, spent: &LeaseSpent) -> Signed<record::LeaseAcceptance> {
    let acceptance = acceptance_of(spent, (bank.pins.environment, bank.pins.settlement));
    Signed::sign(&acceptance, &bank.key)
}

async fn held(State(bank): Shared, Extension(caller): Extension<Caller>) -> Answer {
    only_operator(&caller, &bank.config.operator)?;
    let look = |state: &CustomersBook| state.leases().lines().filter_map(row).collect::<Vec<_>>();
    let lines = bank.book.look(look).await.map_err(failed)?.outcome;
    let cut = bank.link.is_cut();
    let link = if cut { LinkStanding::Cut } else { LinkStanding::Heard };
    Ok(Json(HeldLeases { link, lines }).into_response())
}

fn row(one: HeldLine<'_>) -> Option<HeldRow> {
    let grant = one.newest?;
    let spent = one.held.map(|held| held.total().to_string());
    Some(HeldRow {
        provider: one.line.provider.to_string(),
        debit_asset: one.line.debit.to_string(),
        credit_asset: one.line.credit.to_string(),
        number: grant.number,
        debit: grant.debit.to_string(),
        spent: spent.unwrap_or_else(|| "settled".to_owned()),
        unreported: one.unended.to_string(),
        ends_at: grant.ends_at.to_string(),
        is_open: one.held.is_some_and(|held| !held.is_closed),
    })
}

/// A refusal of the bank itself: nothing was done, and the words say what to do.
pub(super) fn refused(rule: &Rule) -> Problem {
    Problem::of(&NOT_HERE).detail(rule.to_string()).mend(rule.name.for_people())
}

/// Whether the core's step is about a payment that was accepted under a lease: it is not done, and
/// not refused either.
pub(super) fn is_elsewhere(rule: &Rule) -> bool {
    rule.name == RuleName::AcceptedUnderLease
}
