//! The book's facts in order: a page at a time, waited for if need be, or as server-sent events.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use hyper::body::Frame;
use serde_json::{Value, json};
use terms::{AccountId, Instant, Position};
use tokio::sync::{mpsc, watch};

use super::App;
use super::asks::Asker;
use super::problem::{NOT_READY, Problem, UNAUTHENTICATED};
use super::reply::ok;
use super::shares::FollowShare;
use crate::clients::Client;
use crate::contents::FactLine;
use crate::events::{Head, Listening};
use crate::figures::count;
use crate::query::{Said, Told};
use crate::shown;

/// Facts of a page when nobody says how many, and of one server-sent page.
const PAGE: u32 = 100;
/// Most facts of a page: about a megabyte of JSON.
const PAGE_MAX: u32 = 1_000;
/// Longest wait for a fact: below the time within which every answer leaves.
const WAIT_MAX_SECONDS: u64 = 15;
/// Pages on their way to a reader of server-sent events. Beyond them its task waits.
const PAGES_AHEAD: usize = 2;
/// How often a reader that hears nothing is told that the connection is still there.
const STILL_HERE: Duration = Duration::from_secs(15);

/// `GET /v1/events?from=P`: what was recorded at `P` and after it.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    mut asker: Asker,
) -> Result<Response, Problem> {
    let from = asker.position("from")?.unwrap_or(Position::ZERO);
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    // Followers are told after whoever asked: what was answered may be ahead of them.
    let durable = app.interface.questions.figures().head();
    if from > durable {
        let detail = format!("position `{from}` lies beyond the head `{durable}`");
        return Err(Problem::of(&NOT_READY).detail(detail).at(durable));
    }
    if accepts.is_some_and(|text| text.split(',').any(|one| one.trim() == "text/event-stream")) {
        let clients = &app.interface.clients.0;
        let asks = clients.iter().find(|client| client.number == asker.number);
        let until = asks.and_then(Client::api_key_until);
        let client = asker.number;
        asker.end()?;
        let share = follow(&app, client)?;
        return Ok(stream(app, Reader { client, from, until }, share));
    }
    let limit = asker.limit(PAGE)?;
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::field("limit", &format!("1 to {PAGE_MAX}"), &limit.to_string()));
    }
    let wait = asker.read("wait", "seconds, 0 to 15", |text| text.parse().ok())?.unwrap_or(0);
    if wait > WAIT_MAX_SECONDS {
        return Err(Problem::field("wait", "seconds, 0 to 15", &wait.to_string()));
    }
    let client = asker.number;
    asker.end()?;
    if wait > 0 && from >= durable {
        let _share = follow(&app, client)?;
        let (mut head, _listening) = app.interface.events.listen();
        reached(&mut head, from, Duration::from_secs(wait)).await;
    }
    let lines = read(&app, from, limit).await?;
    let head = app.interface.questions.figures().head();
    let next = from.number().saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    let events = shown_lines(&app, client, lines, head).await?;
    Ok(ok(&json!({ "events": events, "next": next, "position": head.number() })))
}

/// Waits until there is a fact at a position, at most so long.
async fn reached(head: &mut watch::Receiver<Head>, from: Position, within: Duration) -> Head {
    let there = head.wait_for(|head| head.next > from || head.closed);
    if let Ok(Ok(head)) = tokio::time::timeout(within, there).await {
        return *head;
    }
    *head.borrow()
}

/// A place among those who wait and are sent events.
fn follow(app: &App, client: u32) -> Result<FollowShare, Problem> {
    let share = app.shares.follow(client);
    share.inspect_err(|_| count(&app.interface.questions.figures().turned_away))
}

async fn read(app: &Arc<App>, from: Position, limit: u32) -> Result<Vec<FactLine>, Problem> {
    let events = app.interface.events.clone();
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    // From a file: on a thread that may wait.
    let read = tokio::task::spawn_blocking(move || events.read(from, most)).await;
    match read {
        Ok(Ok(lines)) => Ok(lines),
        Ok(Err(error)) => {
            app.interface.events.unreadable();
            Err(Problem::not_done(error.to_string()).at(error.position))
        }
        Err(_) => Err(Problem::not_done("the journal's reader ended")),
    }
}

async fn shown_lines(
    app: &App,
    client: u32,
    facts: Vec<FactLine>,
    position: Position,
) -> Result<Vec<Value>, Problem> {
    let said = Said::Facts { facts, whole: true };
    let told = Told { position, said };
    let accounts: BTreeSet<AccountId> = shown::accounts(&told.said);
    app.assets.learn(&app.interface.handle, client, accounts.into_iter()).await?;
    Ok(shown::facts_of(&told.said, &|account| app.assets.of(account)))
}

/// Server-sent events: the position as `id`, so that `Last-Event-ID` plus one is where to go on.
/// They end with the API key of whoever asked.
fn stream(app: Arc<App>, reader: Reader, share: FollowShare) -> Response {
    let (pages, received) = mpsc::channel(PAGES_AHEAD);
    let Reader { client, from, until } = reader;
    let (mut heard, listening) = app.interface.events.listen();
    tokio::spawn(async move {
        let _listening: Listening = listening;
        let mut next = from;
        loop {
            let within = STILL_HERE.min(left(until));
            let head = tokio::select! {
                head = reached(&mut heard, next, within) => head,
                // The reader is gone: its connection, or the time within which it must read.
                () = pages.closed() => return,
            };
            if left(until).is_zero() {
                let problem = Problem::of(&UNAUTHENTICATED)
                    .detail("the time of the API key is over")
                    .mend("have another key made, go on one above the last `id`");
                let _ = pages.send(fault(problem)).await;
                return;
            }
            if head.next <= next && head.closed {
                let text = format!("event: end\ndata: {{\"next\":{next}}}\n\n");
                let _ = pages.send(Bytes::from(text)).await;
                return;
            }
            let page = match page(&app, client, next, head.next).await {
                Ok((text, after)) => {
                    next = after;
                    text
                }
                Err(problem) => {
                    let _ = pages.send(fault(problem)).await;
                    return;
                }
            };
            // A reader that is gone drops the other end.
            if pages.send(Bytes::from(page)).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Body::new(Received { pages: received, _share: share }));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// How long a key is still good.
fn left(until: Option<Instant>) -> Duration {
    let now = client::system::now().nanos();
    until.map_or(Duration::MAX, |until| Duration::from_nanos(until.nanos().saturating_sub(now)))
}

fn fault(problem: Problem) -> Bytes {
    let text = serde_json::to_string(&problem.into_document()).unwrap_or_default();
    Bytes::from(format!("event: fault\ndata: {text}\n\n"))
}

async fn page(
    app: &Arc<App>,
    client: u32,
    from: Position,
    head: Position,
) -> Result<(String, Position), Problem> {
    let lines = read(app, from, PAGE).await?;
    let positions: Vec<Position> = lines.iter().map(|line| line.position).collect();
    let shown = shown_lines(app, client, lines, head).await?;
    let mut text = String::new();
    for (position, event) in positions.iter().zip(&shown) {
        text.push_str(&format!("id: {position}\nevent: fact\ndata: {event}\n\n"));
    }
    if text.is_empty() {
        text.push_str(": still here\n\n");
    }
    let count = u64::try_from(positions.len()).unwrap_or(u64::MAX);
    Ok((text, Position::new(from.number().saturating_add(count))))
}

/// Who is sent events.
#[derive(Clone, Copy, Debug)]
struct Reader {
    client: u32,
    from: Position,
    /// The end of its API key.
    until: Option<Instant>,
}

/// A body of what comes through a channel.
struct Received {
    pages: mpsc::Receiver<Bytes>,
    _share: FollowShare,
}

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pages.poll_recv(context).map(|page| page.map(|bytes| Ok(Frame::data(bytes))))
    }
}
