//! Which book a request is for.
//!
//! Everything of a book stands below `/books/NAME/`. A process that serves one book takes the same
//! paths without it as well; one that serves several takes nothing without a name, since a request
//! that reached the wrong book could be done there.

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};
use serde_json::{Map, json};
use terms::BookName;

use super::App;
use super::problem::{NOT_FOUND, Problem};
use super::reply::ok;
use super::routes::{self, Answered};

/// A book of this process; `None` when it cannot be served.
type Named = (BookName, Option<Arc<App>>);

/// The resources of all books.
pub(super) fn router(books: Vec<Named>) -> Router {
    let mut all = match books.as_slice() {
        [(_, Some(only))] => routes::router(Arc::clone(only)),
        _ => several(&books),
    };
    for (name, app) in books {
        let path = format!("/books/{name}");
        all = match app {
            Some(app) => all.nest(&path, routes::router(app)),
            None => all.route(&format!("{path}/{{*rest}}"), any(unavailable)),
        };
    }
    all
}

async fn unavailable() -> Problem {
    Problem::not_done("this book is kept here and cannot be served now")
}

fn several(books: &[Named]) -> Router {
    let all: Arc<[Named]> = books.to_vec().into();
    let elsewhere = async || {
        let detail = "several books are served here, and this names none of them";
        Problem::of(&NOT_FOUND).detail(detail).mend("put `/books/NAME` before the path")
    };
    Router::new()
        .route("/health", get(async || ok(&json!({ "status": "up" }))))
        .route("/ready", get(async move || ready(&all).await))
        .fallback(elsewhere)
}

/// Ready when every book is.
async fn ready(books: &[Named]) -> Answered {
    let (mut ready, mut not) = (Map::new(), Vec::new());
    for (name, app) in books {
        let position = match app {
            Some(app) => routes::position(app).await.ok(),
            None => None,
        };
        match position {
            Some(at) => {
                let _ = ready.insert(name.to_string(), json!({ "position": at.number() }));
            }
            None => not.push(format!("`{name}`")),
        }
    }
    if !not.is_empty() {
        return Err(Problem::not_done(format!("not ready: {}", not.join(", "))));
    }
    Ok(ok(&json!({ "status": "ready", "books": ready })))
}
