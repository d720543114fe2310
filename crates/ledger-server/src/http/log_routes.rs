//! The log over HTTP, as C2SP tlog-tiles says, and receipts.
//!
//! `/log/checkpoint` and `/log/tile/…` need no key: what a log publishes is for everybody, and it
//! holds commitments only. A receipt opens a fact: it needs a key that may read.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use evidence::tile::{TILE_WIDTH, TilePath};
use http::{HeaderValue, header};
use terms::Position;

use super::App;
use super::caller::Caller;
use super::problem::{NOT_FOUND, Problem, UNSUPPORTED};
use crate::clients::May;
use crate::public_log::Prover;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// A full tile never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The resources of the log.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/{*path}", get(tile))
        .route("/v1/facts/{position}/receipt", get(receipt))
}

fn prover(app: &App) -> Result<&Arc<Prover>, Problem> {
    app.interface.prover.as_ref().ok_or_else(|| {
        Problem::of(&UNSUPPORTED).detail("this book keeps no log: start it with one")
    })
}

fn answer(bytes: Vec<u8>, kind: HeaderValue) -> Response {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let newest = prover(&app)?.log.checkpoint();
    let none = || Problem::not_done("no checkpoint was published yet");
    let text = newest.ok_or_else(none)?.to_string();
    Ok(answer(text.into_bytes(), TEXT))
}

async fn tile(State(app): State<Arc<App>>, Path(path): Path<String>) -> Result<Response, Problem> {
    let missing = || Problem::of(&NOT_FOUND).detail("the published log has no such tile");
    let Some(TilePath::Hashes(tile) | TilePath::Entries(tile)) = TilePath::parse(&path) else {
        return Err(missing());
    };
    // At most 8 KiB of a file that was just written, or is in the cache.
    let read = prover(&app)?.log.resource(&path);
    let bytes = read.map_err(|error| Problem::not_done(error.to_string()))?.ok_or_else(missing)?;
    let mut response = answer(bytes, BYTES);
    if tile.width == TILE_WIDTH {
        response.headers_mut().insert(header::CACHE_CONTROL, FOR_EVER);
    }
    Ok(response)
}

async fn receipt(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(position): Path<String>,
) -> Result<Response, Problem> {
    caller.needs(May::Read)?;
    caller.plain()?;
    let number = position.parse().ok().filter(|number: &u64| number.to_string() == position);
    let number = number.ok_or_else(|| Problem::field("position", "a number", &position))?;
    let prover = Arc::clone(prover(&app)?);
    let made = tokio::task::spawn_blocking(move || prover.receipt(Position::new(number))).await;
    match made.map_err(|error| Problem::not_done(error.to_string()))? {
        Ok(Some(receipt)) => Ok(answer(receipt.to_bytes(), BYTES)),
        Ok(None) => Err(Problem::of(&NOT_FOUND)
            .detail(format!("no published checkpoint covers position `{number}`"))
            .mend("ask again in a second, when the fact is there")),
        Err(why) => Err(Problem::not_done(why)),
    }
}
