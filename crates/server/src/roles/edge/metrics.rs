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
    let items = edge.outbox().undelivered();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([("content-type", kind)], text(items)).into_response()
}

/// How many duties are on their way is not among them: whoever watched the count around an own
/// payment would read what it was reported for.
fn text(items: usize) -> String {
    let mut out = String::new();
    let name = "wayleave_edge_undelivered_items";
    let help = "Records, refusals and orders on their way to the book or the core.";
    let _ = writeln!(out, "# TYPE {name} gauge\n# HELP {name} {help}\n{name} {items}");
    out.push_str("# EOF\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_counted_and_duties_are_not() {
        let told = text(3);
        assert!(told.contains("\nwayleave_edge_undelivered_items 3\n"), "{told}");
        assert!(!told.contains("dut"), "{told}");
        assert!(told.ends_with("# EOF\n"));
    }
}
