//! The resources.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, patch, post};
use bookkeeping::{Key, LedgerBook, What};
use bytes::Bytes;
use ledger::{Command, HoldState, Term};
use serde_json::{Value, json};
use store::Asked;
use terms::Position;

use super::amounts::{seen, show};
use super::caller::Caller;
use super::form::{
    self, AccountForm, BlockForm, FreezeForm, HoldForm, HoldPostForm, LimitsForm, TransactionForm,
    VoidForm, account_id, hold_id, transaction_id,
};
use super::problem::{METHOD, NOT_FOUND, Problem, UNSUPPORTED};
use super::reply::{self, Scale, moment, ok, told};
use super::{App, Options, bulk};
use crate::clients::May;
use crate::query::Query;

/// How long a book may take to show that it is ready.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(2);

pub(super) type Answered = Result<Response, Problem>;
pub(super) type Shared = State<Arc<App>>;

/// All resources.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(async || ok(&json!({ "status": "up" }))))
        .route("/ready", get(ready))
        .route("/v1/status", get(status))
        .route("/v1/totals", get(totals))
        .route("/v1/transactions", post(transaction))
        .route("/v1/transactions/bulk", post(bulk::bulk))
        .route("/v1/transactions/{id}", get(find_transaction))
        .route("/v1/holds", post(hold))
        .route("/v1/holds/{id}", get(find_hold))
        .route("/v1/holds/{id}/post", post(post_hold))
        .route("/v1/holds/{id}/void", post(void_hold))
        .route("/v1/holds/{id}/pin", post(pin_hold))
        .route("/v1/accounts", post(open_account))
        .route("/v1/accounts/{id}", get(account))
        .route("/v1/accounts/{id}/limits", patch(limits))
        .route("/v1/accounts/{id}/freeze", patch(freeze))
        .route("/v1/accounts/{id}/blocked", patch(block))
        .route("/v1/accounts/{id}/close", post(close))
        .merge(super::asks::router())
        .route("/v1/events", get(super::events::events))
        .merge(super::log_routes::router())
        .fallback(async || Problem::of(&NOT_FOUND))
        .method_not_allowed_fallback(async || Problem::of(&METHOD))
        .with_state(app)
}

/// What a book that is ready says: the position up to which it is.
pub(super) async fn position(app: &App) -> Result<Position, Problem> {
    let read = app.interface.handle.read_async(|_: &LedgerBook| ());
    let late = || Problem::not_done("the book did not answer in time");
    let answer = tokio::time::timeout(READY_WITHIN, read).await.map_err(|_| late())?;
    let ((), position) = seen(answer)?;
    Ok(position)
}

async fn ready(State(app): Shared) -> Answered {
    let position = position(&app).await?;
    Ok(ok(&json!({ "status": "ready", "position": position.number() })))
}

async fn status(State(app): Shared, caller: Caller) -> Answered {
    caller.needs(May::Read)?;
    caller.plain()?;
    let read = app.interface.handle.read_async_as(Asked::one(caller.number), |_: &LedgerBook| ());
    let ((), head) = seen(read.await)?;
    let lag = |at: Position| head.number().saturating_sub(at.number());
    let projections: serde_json::Map<String, Value> = app
        .interface
        .questions
        .projected()
        .into_iter()
        .map(|one| {
            let (at, lag) = (one.next.number(), lag(one.next));
            let told = match one.failure {
                Some(why) => json!({ "position": at, "lag": lag, "failure": why }),
                None => json!({ "position": at, "lag": lag }),
            };
            (one.name.into(), told)
        })
        .collect();
    Ok(ok(&json!({
        "book": app.interface.book.as_str(),
        "epoch": app.interface.epoch.number(),
        // The read was queued behind all that came before it, and is answered once that is durable.
        "position": head.number(),
        "projections": projections,
    })))
}

async fn totals(State(app): Shared, caller: Caller) -> Answered {
    caller.needs(May::Read)?;
    caller.plain()?;
    let look = |book: &LedgerBook| (book.ledger().totals(), book.ledger().accounts_len());
    let ((totals, accounts), position) =
        seen(app.interface.handle.read_async_as(Asked::one(caller.number), look).await)?;
    let assets: Vec<Value> = totals
        .iter()
        .map(|(asset, total)| {
            let decimal = |amount| show(amount, asset.exponent());
            json!({
                "asset": asset.as_str(),
                "debits_posted": decimal(total.debits_posted),
                "credits_posted": decimal(total.credits_posted),
                "debits_pending": decimal(total.debits_pending),
                "credits_pending": decimal(total.credits_pending),
            })
        })
        .collect();
    Ok(ok(&json!({ "assets": assets, "accounts": accounts, "position": position.number() })))
}

/// What every request to change something has: who asks, and no mode unless it is a bulk.
fn single(caller: &Caller, what: May) -> Result<Options, Problem> {
    caller.needs(what)?;
    if caller.options.all_or_nothing {
        return Err(Problem::of(&UNSUPPORTED)
            .detail("this request is for one thing, which is done whole or not at all")
            .expected("mode=independent")
            .got("mode=all_or_nothing")
            .mend("leave the mode away; bulks take it"));
    }
    Ok(caller.options)
}

async fn transaction(State(app): Shared, caller: Caller, body: Bytes) -> Answered {
    let options = single(&caller, May::Post)?;
    let draft = form::read::<TransactionForm>(&body)?.draft()?;
    post_draft(&app, caller.number, draft, options).await
}

async fn post_draft(app: &Arc<App>, client: u32, draft: form::Draft, options: Options) -> Answered {
    app.assets.learn(&app.interface.handle, client, draft.accounts()).await?;
    let holds = draft.holds();
    let command = draft.commanded(app, options).await?;
    Ok(ok(&app.command(client, command, options, &holds).await?))
}

async fn find_transaction(State(app): Shared, caller: Caller, Path(id): Path<String>) -> Answered {
    caller.needs(May::Read)?;
    caller.plain()?;
    let id = transaction_id("id", &id)?;
    let key = Key::transaction(bookkeeping::ClientNumber(caller.number), id);
    let (outcome, place) = app.judge(caller.number, What::Find(key), Options::default()).await?;
    let done = told(&outcome, place, Scale { assets: &app.assets, holds: &[] })?;
    let content = app.ask(caller.number, Query::Transaction { client: None, id }).await?;
    let content = app.shown(caller.number, &content, None).await?;
    // As it was answered first, and what was recorded then.
    let mut known = serde_json::to_value(&done).unwrap_or_default();
    if let Some(fields) = known.as_object_mut() {
        fields.insert("as_of".into(), member(&content, "position"));
        fields.insert("transaction".into(), first(&content, "facts"));
    }
    Ok(ok(&known))
}

async fn hold(State(app): Shared, caller: Caller, body: Bytes) -> Answered {
    let options = single(&caller, May::Post)?;
    let form: HoldForm = form::read(&body)?;
    let account = form.account()?;
    app.assets.learn(&app.interface.handle, caller.number, [account].into_iter()).await?;
    let command = form.command(&app.assets)?;
    Ok(ok(&app.command(caller.number, command, options, &[]).await?))
}

async fn find_hold(State(app): Shared, caller: Caller, Path(id): Path<String>) -> Answered {
    caller.needs(May::Read)?;
    caller.plain()?;
    let id = hold_id("id", &id)?;
    let look = move |book: &LedgerBook| {
        let hold = book.ledger().open_hold(id)?;
        Some((hold.clone(), book.ledger().balances(hold.placement().account)?.asset))
    };
    let (open, position) =
        seen(app.interface.handle.read_async_as(Asked::one(caller.number), look).await)?;
    let history = app.ask(caller.number, Query::HoldWhole(id)).await?;
    let history = app.shown(caller.number, &history, None).await?;
    let Some((hold, asset)) = open else {
        let (outcome, place) =
            app.judge(caller.number, What::Find(Key::hold(id)), Options::default()).await?;
        let known = told(&outcome, place, Scale { assets: &app.assets, holds: &[] })?;
        return Ok(ok(&json!({
            "hold": id.to_string(),
            "state": "ended",
            "placed": known,
            "history": member(&history, "facts"),
            "position": member(&history, "position"),
        })));
    };
    let placement = hold.placement();
    let (state, expires_at) = match hold.state() {
        HoldState::Open(Term::Expiring { at }) => ("open", Some(moment(at))),
        HoldState::Open(Term::Pinned) => ("pinned", None),
        HoldState::Posted { .. } | HoldState::Voided | HoldState::Expired => ("ended", None),
    };
    Ok(ok(&json!({
        "hold": id.to_string(),
        "state": state,
        "expires_at": expires_at,
        "account": placement.account.to_string(),
        "side": placement.side.name(),
        "amount": show(placement.amount, asset.exponent()),
        "remaining": show(hold.remaining(), asset.exponent()),
        "asset": asset.as_str(),
        "business_date": placement.business_date.to_string(),
        "placed_at": moment(hold.placed_at()),
        "history": member(&history, "facts"),
        "position": position.number(),
    })))
}

async fn post_hold(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Answered {
    let options = single(&caller, May::Post)?;
    let draft = form::read::<HoldPostForm>(&body)?.draft(hold_id("hold", &id)?)?;
    post_draft(&app, caller.number, draft, options).await
}

async fn void_hold(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Answered {
    let options = single(&caller, May::Post)?;
    let command = form::read::<VoidForm>(&body)?.command(hold_id("hold", &id)?)?;
    Ok(ok(&app.command(caller.number, command, options, &[]).await?))
}

async fn pin_hold(State(app): Shared, caller: Caller, Path(id): Path<String>) -> Answered {
    let options = single(&caller, May::Post)?;
    let command = Command::PinHold { hold: hold_id("hold", &id)? };
    Ok(ok(&app.command(caller.number, command, options, &[]).await?))
}

async fn open_account(State(app): Shared, caller: Caller, body: Bytes) -> Answered {
    let options = single(&caller, May::Manage)?;
    let command = form::read::<AccountForm>(&body)?.command()?;
    Ok(ok(&app.command(caller.number, command, options, &[]).await?))
}

async fn account(State(app): Shared, caller: Caller, Path(id): Path<String>) -> Answered {
    caller.needs(May::Read)?;
    caller.plain()?;
    let id = account_id("id", &id)?;
    let look = move |book: &LedgerBook| book.ledger().account(id);
    let (found, position) =
        seen(app.interface.handle.read_async_as(Asked::one(caller.number), look).await)?;
    match found {
        Some(found) => Ok(ok(&reply::account(&found, position))),
        None => {
            let detail = format!("there is no account `{id}`");
            Err(Problem::of(&NOT_FOUND).detail(detail).at(position))
        }
    }
}

async fn limits(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Answered {
    let options = single(&caller, May::Manage)?;
    let account = account_id("account", &id)?;
    app.assets.learn(&app.interface.handle, caller.number, [account].into_iter()).await?;
    let command = form::read::<LimitsForm>(&body)?.command(account, &app.assets)?;
    Ok(ok(&app.command(caller.number, command, options, &[]).await?))
}

async fn block(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Answered {
    let options = single(&caller, May::Manage)?;
    let account = account_id("account", &id)?;
    app.assets.learn(&app.interface.handle, caller.number, [account].into_iter()).await?;
    let command = form::read::<BlockForm>(&body)?.command(account, &app.assets)?;
    Ok(ok(&app.command(caller.number, command, options, &[]).await?))
}

async fn close(State(app): Shared, caller: Caller, Path(id): Path<String>) -> Answered {
    let options = single(&caller, May::Manage)?;
    let command = Command::CloseAccount { account: account_id("account", &id)? };
    Ok(ok(&app.command(caller.number, command, options, &[]).await?))
}

async fn freeze(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Answered {
    let options = single(&caller, May::Manage)?;
    let account = account_id("account", &id)?;
    let command = form::read::<FreezeForm>(&body)?.command(account)?;
    Ok(ok(&app.command(caller.number, command, options, &[]).await?))
}

fn member(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

fn first(value: &Value, name: &str) -> Value {
    value.get(name).and_then(|list| list.get(0)).cloned().unwrap_or_default()
}
