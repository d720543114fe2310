//! `GET /metrics` of an edge: counts only, open to whoever reaches the port.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::state::Edge;

/// The route.
pub(super) fn routes(edge: &Arc<Edge>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(Arc::clone(edge))
}

async fn metrics(State(edge): State<Arc<Edge>>) -> Response {
    let (items, duties) = {
        let outbox = edge.outbox();
        (outbox.undelivered(), outbox.undelivered_duties())
    };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([("content-type", kind)], text(items, duties)).into_response()
}

fn text(items: usize, duties: usize) -> String {
    let mut out = String::new();
    let rows = [
        (
            "wayleave_edge_undelivered_items",
            "Records, refusals and orders on their way to the book or the core.",
            items,
        ),
        (
            "wayleave_edge_undelivered_duties",
            "Duties of decisions that the institution's book does not know yet.",
            duties,
        ),
    ];
    for (name, help, value) in rows {
        let _ = writeln!(out, "# TYPE {name} gauge\n# HELP {name} {help}\n{name} {value}");
    }
    out.push_str("# EOF\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_are_told_apart() {
        let told = text(3, 2);
        assert!(told.contains("\nwayleave_edge_undelivered_items 3\n"), "{told}");
        assert!(told.contains("\nwayleave_edge_undelivered_duties 2\n"), "{told}");
        assert!(told.ends_with("# EOF\n"));
    }
}
