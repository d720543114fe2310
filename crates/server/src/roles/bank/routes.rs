//! The routes: parse, verify, one command of the book, map what it says.

use std::sync::Arc;

use api::bank::{
    AllDuties, BankAnswer, BankStep, CreditProof, FreezeAct, HOLDS_PAGE, MIRROR_MAX, MirrorRequest,
    MirrorSide, OpenHolds, OpenReturns, OwnerAnswer, OwnerRequest, PaymentDocuments, PaymentSides,
    Refuses,
};
use api::messages::{AccountView, NewCustomer};
use api::{Caller, Problem, Role, problem, wire};
use axum::extract::{Path, Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clearing::customers::CreditStanding;
use clearing::pins::ProofOf;
use clearing::{BankWork, CustomerAnswer, CustomerWork, CustomersBook, Rule};
use ledger::{Command, Freeze};
use record::{Blind, DutyClosing, Parcel, SandboxStatement};
use serde::Deserialize;
use terms::{AccountId, PaymentId};

use super::{Bank, lease};
use crate::roles::core::admin::open_statement;
use crate::roles::core::customers::{duties_of, mirror_of};
use crate::roles::core::receipts::institution_of;
use crate::roles::core::remote::held_of;
use crate::roles::core::routes::{
    cbor, done, failed, keep_parcel, not_accepted, not_done, side_named, signed,
};
use crate::roles::core::{decision_duties, in_book};
use crate::roles::start::only_operator;
use crate::statements::Asked;
use crate::system;
use crate::web::{Gate, Refuse};

pub(super) type Shared = State<Arc<Bank>>;
pub(super) type Answer = Result<Response, Refuse>;

/// All routes, guarded.
pub(super) fn routes(bank: &Arc<Bank>, gate: &Gate) -> Router {
    let core = Router::new()
        .route("/v1/steps", post(step))
        .route("/v1/payments/{id}", get(payment))
        .route("/v1/payments/{id}/documents", get(documents))
        .route("/v1/open-holds", get(open_holds))
        .route("/v1/open-returns", get(open_returns))
        .route("/v1/mirror", post(mirror))
        .route("/v1/owners", post(owner))
        .merge(lease::of_core());
    let edges = Router::new()
        .route("/v1/customers", post(customer))
        .route("/v1/parcels", post(parcel))
        .route("/v1/parcels/{payment}/{side}/{kind}", get(parcel_back))
        .route("/v1/decision-duties", get(decision_duties))
        .route("/v1/duty-closings", post(duty_closing));
    let readers = Router::new()
        .route("/v1/accounts/{id}", get(account))
        .route("/v1/accounts/{id}/statement", get(account_statement));
    let wallets = lease::of_wallets();
    let duties = Router::new().route("/v1/duties", get(duties));
    let operators = Router::new()
        .route("/v1/sandbox-statements", post(statement))
        .route("/v1/freezes", post(freeze))
        .merge(lease::of_operators());
    Router::new()
        .merge(gate.only(&[Role::Core], core.with_state(Arc::clone(bank))))
        .merge(gate.only(&[Role::Edge], edges.with_state(Arc::clone(bank))))
        .merge(gate.only(&[Role::Edge, Role::Wallet], readers.with_state(Arc::clone(bank))))
        .merge(gate.only(&[Role::Wallet], wallets.with_state(Arc::clone(bank))))
        .merge(gate.only(&[Role::Core, Role::Operator], duties.with_state(Arc::clone(bank))))
        .merge(gate.only(&[Role::Operator], operators.with_state(Arc::clone(bank))))
}

async fn step(State(bank): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    only_core(&bank, &caller)?;
    let step: BankStep = wire::read_cbor(&body)?;
    let blind = in_book::fresh_blind().map_err(failed)?;
    let answer = match verified(&bank, step, blind) {
        Ok(work) => {
            let work = CustomerWork::Bank(Box::new(work));
            let outcome = bank.book.ask(work).await.map_err(failed)?.outcome;
            if let CustomerAnswer::Refused(rule) = &outcome
                && lease::is_elsewhere(rule)
            {
                return Err(lease::refused(rule).into());
            }
            outcome
        }
        Err(rule) => {
            tracing::warn!(%rule, "a step is not proven");
            CustomerAnswer::Refused(rule)
        }
    };
    Ok(cbor(&match answer {
        CustomerAnswer::Done => BankAnswer::Done,
        CustomerAnswer::Held(blind) => BankAnswer::Held(blind),
        CustomerAnswer::HoldEnded(side) => BankAnswer::HoldEnded(held_of(side)),
        CustomerAnswer::PaymentIdUsed { first, got } => BankAnswer::PaymentIdUsed { first, got },
        CustomerAnswer::Refused(Rule { name, detail }) => {
            BankAnswer::Refused { rule: name.to_string(), detail }
        }
    }))
}

/// Nothing is taken on the core's word: each step is checked against what is pinned here.
fn verified(bank: &Bank, step: BankStep, blind: Blind) -> Result<BankWork, Rule> {
    let pins = &bank.pins;
    Ok(match step {
        BankStep::Hold(order) => BankWork::Hold(Box::new(pins.permitted(*order, blind)?)),
        BankStep::Debit(promise) => BankWork::Debit(Box::new(pins.proven(*promise)?)),
        BankStep::Release(promise) => BankWork::Release(Box::new(pins.proven(*promise)?)),
        BankStep::Credit(proof) => {
            let credit = pins.creditable(&proof.promise, &proof.terms, &proof.permit)?;
            BankWork::Credit(Box::new(credit))
        }
        BankStep::HoldReturn(hold) => {
            let original = proof_of(&hold.original);
            let ordered = pins.returning(hold.ask, original, hold.creditor)?;
            BankWork::HoldReturn(Box::new(ordered))
        }
        BankStep::CreditReturn(proof) => {
            let original = proof_of(&proof.original);
            let back = pins.returned(proof.promise, &proof.order, original)?;
            BankWork::CreditReturn(Box::new(back))
        }
    })
}

fn proof_of(proof: &CreditProof) -> ProofOf<'_> {
    ProofOf { promise: &proof.promise, terms: &proof.terms, permit: &proof.permit }
}

async fn payment(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    only_core(&bank, &caller)?;
    let payment: PaymentId = wire::read_text("payment", &id)?;
    let look = move |s: &CustomersBook| {
        let debtor = s.debtor_seen(payment);
        PaymentSides {
            layout: 1,
            debtor: held_of(debtor.side),
            terms: debtor.terms,
            credited: s.credited_at(payment),
            in_suspense: s.credit_standing(payment) == CreditStanding::Suspense,
            accepted: s.leases().spent(payment).is_some(),
        }
    };
    Ok(cbor(&bank.book.look(look).await.map_err(failed)?.outcome))
}

async fn documents(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    only_core(&bank, &caller)?;
    let payment: PaymentId = wire::read_text("payment", &id)?;
    let kept = in_book::documents(&bank.book, payment).await.map_err(failed)?;
    Ok(cbor(&PaymentDocuments { layout: 1, kept }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: usize,
    after: Option<String>,
}

async fn open_holds(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    Query(page): Query<Page>,
) -> Answer {
    only_core(&bank, &caller)?;
    let after: Option<PaymentId> =
        page.after.map(|text| wire::read_text("after", &text)).transpose()?;
    let limit = page.limit.min(HOLDS_PAGE);
    let look = move |state: &CustomersBook| {
        let later = |payment: PaymentId| after.is_none_or(|after| payment > after);
        let open = state.open_holds().filter(|(payment, _)| later(*payment));
        open.take(limit).map(|(payment, order)| (payment, order.clone())).collect::<Vec<_>>()
    };
    let found = bank.book.look(look).await.map_err(failed)?.outcome;
    let full = limit > 0 && found.len() == limit;
    let after = found.last().map(|(payment, _)| *payment).filter(|_| full);
    let orders = found.into_iter().map(|(_, order)| order).collect();
    Ok(cbor(&OpenHolds { layout: 1, orders, after }))
}

async fn open_returns(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    Query(page): Query<Page>,
) -> Answer {
    only_core(&bank, &caller)?;
    let after: Option<PaymentId> =
        page.after.map(|text| wire::read_text("after", &text)).transpose()?;
    let limit = page.limit.min(HOLDS_PAGE);
    let look = move |state: &CustomersBook| {
        let later = |payment: PaymentId| after.is_none_or(|after| payment > after);
        let open = state.open_returns().filter(|(payment, _)| later(*payment));
        open.take(limit).map(|(payment, held)| (payment, held.order.clone())).collect::<Vec<_>>()
    };
    let found = bank.book.look(look).await.map_err(failed)?.outcome;
    let full = limit > 0 && found.len() == limit;
    let after = found.last().map(|(payment, _)| *payment).filter(|_| full);
    let orders = found.into_iter().map(|(_, order)| order).collect();
    Ok(cbor(&OpenReturns { layout: 1, orders, after }))
}

async fn mirror(State(bank): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    only_core(&bank, &caller)?;
    let asked: MirrorRequest = wire::read_cbor(&body)?;
    if asked.payments.len() > MIRROR_MAX {
        return Err(not_accepted(&format!("expected at most {MIRROR_MAX} payments")).into());
    }
    let look = move |state: &CustomersBook| mirror_of(state, &asked.payments);
    let placed = bank.book.look(look).await.map_err(failed)?;
    Ok(cbor(&MirrorSide { head: placed.position, ..placed.outcome }))
}

async fn owner(State(bank): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    only_core(&bank, &caller)?;
    let OwnerRequest { account, key, .. } = wire::read_cbor(&body)?;
    let owned = move |state: &CustomersBook| {
        state.profile(account).is_some_and(|profile| profile.client_key == key)
    };
    let is_owner = bank.book.look(owned).await.map_err(failed)?.outcome;
    Ok(cbor(&OwnerAnswer { layout: 1, is_owner }))
}

async fn customer(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    only_own_edge(&bank, &caller)?;
    let new: NewCustomer = wire::read_cbor(&body)?;
    in_book::open_customer(&bank.book, new).await.map_err(not_done)?;
    done()
}

async fn parcel(State(bank): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    only_own_edge(&bank, &caller)?;
    let parcel: Parcel = wire::read_cbor(&body)?;
    let pins = &bank.pins;
    keep_parcel(&bank.book, parcel, (pins.environment, pins.settlement, pins.institution)).await
}

async fn decision_duties(State(bank): Shared, Extension(caller): Extension<Caller>) -> Answer {
    only_own_edge(&bank, &caller)?;
    let duties = decision_duties::list(&bank.book, system::now()).await.map_err(failed)?;
    Ok(Json(duties).into_response())
}

async fn duty_closing(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    only_own_edge(&bank, &caller)?;
    let closing = signed::<DutyClosing>(&body)?;
    decision_duties::close(&bank.book, closing).await.map_err(not_done)?;
    done()
}

async fn parcel_back(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    Path((payment, side, kind)): Path<(String, String, String)>,
) -> Answer {
    only_own_edge(&bank, &caller)?;
    let payment: PaymentId = wire::read_text("payment", &payment)?;
    let side = side_named(&side)?;
    let parcel = in_book::parcel(&bank.book, payment, side, kind).await.map_err(failed)?;
    Ok(cbor(&parcel.ok_or_else(|| Problem::of(&problem::NOT_FOUND))?))
}

async fn account(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer {
    let account: AccountId = wire::read_text("account", &id)?;
    Ok(cbor(&account_for(&bank, &caller, account).await?))
}

/// An account, for the bank's own edge or its owner.
async fn account_for(
    bank: &Bank,
    caller: &Caller,
    account: AccountId,
) -> Result<AccountView, Refuse> {
    if caller.role() == Role::Edge {
        only_own_edge(bank, caller)?;
        return Ok(in_book::view_account(&bank.book, account).await.map_err(not_done)?);
    }
    // To a stranger an account that is not its own is not there.
    match in_book::view_account(&bank.book, account).await {
        Ok(view) if view.profile.client_key == caller.key() => Ok(view),
        _ => Err(not_accepted("there is no such account of yours").into()),
    }
}

async fn account_statement(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer {
    let asked = Asked::of(&uri)?;
    let account: AccountId = wire::read_text("account", &id)?;
    let view = account_for(&bank, &caller, account).await?;
    Ok(cbor(&bank.statements.page(&view, &caller, &asked).await?))
}

async fn duties(State(bank): Shared, Extension(caller): Extension<Caller>) -> Answer {
    if caller.role() == Role::Core {
        only_core(&bank, &caller)?;
    } else {
        only_operator(&caller, &bank.config.operator)?;
    }
    let placed = bank.book.look(duties_of).await.map_err(failed)?;
    let mut duties = placed.outcome;
    duties.head = placed.position.number();
    Ok(Json(AllDuties { duties: vec![duties], not_asked: vec![] }).into_response())
}

async fn statement(
    State(bank): Shared,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    only_operator(&caller, &bank.config.operator)?;
    let statement = signed::<SandboxStatement>(&body)?;
    let key = &bank.config.statement_key;
    let statement = open_statement(&statement, key, bank.pins.environment).map_err(not_done)?;
    let own = bank.config.book;
    if let Some(line) = statement.lines.iter().find(|line| line.book != own) {
        return Err(not_accepted(&format!("there is no book `{}` here", line.book)).into());
    }
    let of = (own, bank.config.institution);
    for line in &statement.lines {
        in_book::book_line(&bank.book, of, &statement.number, line).await.map_err(not_done)?;
    }
    done()
}

async fn freeze(State(bank): Shared, Extension(caller): Extension<Caller>, body: Bytes) -> Answer {
    only_operator(&caller, &bank.config.operator)?;
    let act: FreezeAct = wire::read_cbor(&body)?;
    if act.reason.trim().is_empty() || act.reason.chars().count() > REASON_CHARACTERS_MAX {
        let expected = format!("expected a reason of at most {REASON_CHARACTERS_MAX} characters");
        return Err(not_accepted(&expected).into());
    }
    let freeze = match act.refuses {
        Refuses::Nothing => Freeze::Nothing,
        Refuses::Debits => Freeze::Debits,
        Refuses::Credits => Freeze::Credits,
        Refuses::Both => Freeze::Both,
    };
    let command = Box::new(Command::SetFreeze { account: act.account, freeze });
    let reason = format!("{}: {}", caller.name(), act.reason);
    let work = CustomerWork::Ledger { command, reason };
    in_book::submit(&bank.book, work).await.map_err(not_done)?;
    done()
}

/// Another core's steps are nobody's here.
pub(super) fn only_core(bank: &Bank, caller: &Caller) -> Result<(), Refuse> {
    if caller.role() == Role::Core && caller.name() == bank.config.core {
        bank.link.heard();
        return Ok(());
    }
    Err(forbidden(caller, &bank.config.core))
}

fn only_own_edge(bank: &Bank, caller: &Caller) -> Result<(), Refuse> {
    if institution_of(caller) == Some(bank.config.institution) {
        return Ok(());
    }
    Err(forbidden(caller, &format!("an edge of {}", bank.config.institution)))
}

fn forbidden(caller: &Caller, expected: &str) -> Refuse {
    Problem::of(&problem::FORBIDDEN)
        .detail(format!("`{}` may not ask this of this bank", caller.name()))
        .expected(expected)
        .got(caller.name())
        .into()
}

/// A sentence and a reference.
const REASON_CHARACTERS_MAX: usize = 200;
