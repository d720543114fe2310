//! The resources.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, patch, post};
use bookkeeping::{Key, LedgerBook, Outcome, Request, What};
use bytes::Bytes;
use ledger::{Command, HoldState, Term};
use serde_json::{Value, json};
use store::{Bulk, BulkEnd, BulkPlace};
use terms::Position;

use super::amounts::{seen, show};
use super::caller::Caller;
use super::form::{
    self, AccountForm, BulkForm, FreezeForm, HoldForm, HoldPostForm, LimitsForm, TransactionForm,
    VoidForm, account_id, hold_id, transaction_id,
};
use super::problem::{METHOD, NOT_FOUND, Problem, UNSUPPORTED};
use super::reply::{self, Item, Place, Scale, moment, ok, side, told};
use super::{App, Options, ended};
use crate::clients::May;

/// How long a book may take to show that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// Commands judged together.
const CHUNK: usize = 256;

type Answered = Result<Response, Problem>;
type Shared = State<Arc<App>>;

/// All resources.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(async || ok(&json!({ "status": "up" }))))
        .route("/ready", get(ready))
        .route("/v1/status", get(status))
        .route("/v1/totals", get(totals))
        .route("/v1/transactions", post(transaction))
        .route("/v1/transactions/bulk", post(bulk))
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
        .merge(super::log_routes::router())
        .fallback(async || Problem::of(&NOT_FOUND))
        .method_not_allowed_fallback(async || Problem::of(&METHOD))
        .with_state(app)
}

async fn ready(State(app): Shared) -> Answered {
    let read = app.interface.handle.read_async(|_: &LedgerBook| ());
    let late = || Problem::not_done("the book did not answer in time");
    let answer = tokio::time::timeout(READY_WITHIN, read).await.map_err(|_| late())?;
    let ((), position) = seen(answer)?;
    Ok(ok(&json!({ "status": "ready", "position": position.number() })))
}

async fn status(State(app): Shared, caller: Caller) -> Answered {
    caller.needs(May::Read)?;
    caller.plain()?;
    let ((), head) = seen(app.interface.handle.read_async(|_: &LedgerBook| ()).await)?;
    let lag = |at: Position| head.number().saturating_sub(at.number());
    let projections: serde_json::Map<String, Value> = app
        .interface
        .projections
        .positions()
        .map(|(name, at)| (name.into(), json!({ "position": at.number(), "lag": lag(at) })))
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
    let ((totals, accounts), position) = seen(app.interface.handle.read_async(look).await)?;
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
        return Err(all_or_nothing());
    }
    Ok(caller.options)
}

fn all_or_nothing() -> Problem {
    Problem::of(&UNSUPPORTED)
        .detail("all-or-nothing requests are not taken by this version")
        .expected("mode=independent")
        .got("mode=all_or_nothing")
        .mend("put entries that stand or fall together into one transaction")
}

async fn transaction(State(app): Shared, caller: Caller, body: Bytes) -> Answered {
    let options = single(&caller, May::Post)?;
    let draft = form::read::<TransactionForm>(&body)?.draft()?;
    post_draft(&app, caller.number, draft, options).await
}

async fn post_draft(app: &App, client: u32, draft: form::Draft, options: Options) -> Answered {
    app.assets.learn(&app.interface.handle, draft.accounts()).await?;
    let holds = draft.holds();
    let command = draft.command(&app.assets)?;
    Ok(ok(&app.command(client, command, options, &holds).await?))
}

async fn find_transaction(State(app): Shared, caller: Caller, Path(id): Path<String>) -> Answered {
    caller.needs(May::Read)?;
    caller.plain()?;
    let id = transaction_id("id", &id)?;
    let key = Key::transaction(bookkeeping::ClientNumber(caller.number), id);
    let (outcome, place) = app.judge(caller.number, What::Find(key), Options::default()).await?;
    Ok(ok(&told(&outcome, place, Scale { assets: &app.assets, holds: &[] })?))
}

async fn hold(State(app): Shared, caller: Caller, body: Bytes) -> Answered {
    let options = single(&caller, May::Post)?;
    let form: HoldForm = form::read(&body)?;
    let account = form.account()?;
    app.assets.learn(&app.interface.handle, [account].into_iter()).await?;
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
    let (open, position) = seen(app.interface.handle.read_async(look).await)?;
    let Some((hold, asset)) = open else {
        let (outcome, place) =
            app.judge(caller.number, What::Find(Key::hold(id)), Options::default()).await?;
        let known = told(&outcome, place, Scale { assets: &app.assets, holds: &[] })?;
        return Ok(ok(&json!({ "hold": id.to_string(), "state": "ended", "placed": known })));
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
        "side": side(placement.side),
        "amount": show(placement.amount, asset.exponent()),
        "asset": asset.as_str(),
        "business_date": placement.business_date.to_string(),
        "placed_at": moment(hold.placed_at()),
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
    let (found, position) = seen(app.interface.handle.read_async(look).await)?;
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
    app.assets.learn(&app.interface.handle, [account].into_iter()).await?;
    let command = form::read::<LimitsForm>(&body)?.command(account, &app.assets)?;
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

async fn bulk(State(app): Shared, caller: Caller, body: Bytes) -> Answered {
    caller.needs(May::Post)?;
    if caller.options.all_or_nothing {
        return Err(all_or_nothing());
    }
    let forms = form::read::<BulkForm>(&body)?.transactions;
    if forms.is_empty() || forms.len() > form::BULK_MAX {
        let expected = format!("1 to {} transactions", form::BULK_MAX);
        return Err(Problem::field("transactions", &expected, &forms.len().to_string()));
    }
    let draft = |(place, form::Members(form)): (usize, form::Members<TransactionForm>)| {
        form.draft().map_err(|problem| problem.within(&format!("transactions.{place}")))
    };
    let drafts: Vec<form::Draft> =
        forms.into_iter().enumerate().map(draft).collect::<Result<_, _>>()?;
    let accounts = drafts.iter().flat_map(form::Draft::accounts);
    app.assets.learn(&app.interface.handle, accounts).await?;
    // What an amount means is not known on an account that is not there: such an item is refused
    // without being handed to the book.
    let mut early = Vec::with_capacity(drafts.len());
    let mut requests = Vec::with_capacity(drafts.len());
    let mut holds = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let held = draft.holds();
        early.push(match draft.command(&app.assets) {
            Ok(command) => {
                requests.push(app.request(caller.number, What::Do(command), caller.options));
                holds.push(held);
                None
            }
            Err(problem) => Some(problem),
        });
    }
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let judged = Vec::with_capacity(requests.len());
    let requests = requests.into_iter();
    app.interface.handle.submit_bulk(Box::new(Items { requests, judged, sender }));
    let (judged, end) = receiver.await.map_err(|_| Problem::unknown())?;
    let next = ended(&end)?;
    let dry_run = caller.options.dry_run;
    let mut judged = judged.into_iter().zip(holds).map(|(judged, holds)| {
        let (place, outcome) = judged.map_err(Problem::not_done)?;
        let place = Place { position: place.position, stamp: place.stamp, dry_run };
        told(&outcome, place, Scale { assets: &app.assets, holds: &holds })
    });
    let items: Vec<Item> = early
        .into_iter()
        .map(|early| match early {
            Some(problem) => Err(problem),
            // Each request was judged or not taken, in order.
            None => judged.next().unwrap_or_else(|| Err(Problem::unknown())),
        })
        .map(|told| match told {
            Ok(done) => Item::Done(done),
            Err(problem) => Item::Problem(Box::new(problem.into_document())),
        })
        .collect();
    Ok(ok(&BulkReply { items, position: next.number() }))
}

#[derive(serde::Serialize)]
struct BulkReply {
    items: Vec<Item>,
    position: u64,
}

type Judged = Result<(BulkPlace, Outcome), String>;

/// The transactions of one bulk on the writer's thread.
struct Items {
    requests: std::vec::IntoIter<Request>,
    judged: Vec<Judged>,
    sender: tokio::sync::oneshot::Sender<(Vec<Judged>, BulkEnd)>,
}

impl Bulk<LedgerBook> for Items {
    fn fill(&mut self, into: &mut Vec<Request>) {
        into.extend(self.requests.by_ref().take(CHUNK));
    }

    fn decided(&mut self, place: BulkPlace, outcome: Outcome) {
        self.judged.push(Ok((place, outcome)));
    }

    fn not_taken(&mut self, why: &str) {
        self.judged.push(Err(why.to_owned()));
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        let Self { judged, sender, .. } = *self;
        // Nobody waits when the client went away.
        let _ = sender.send((judged, end));
    }
}
