//! Problems as answers.

use api::{Problem, problem};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};

/// A handler's refusal: `Result<_, Refuse>`. The floor adds the request id and writes it.
#[derive(Clone, Debug)]
pub struct Refuse(Box<Problem>);

/// Marks an error answer (in its extensions) whose body another standard prescribes: the floor
/// leaves it as it is instead of writing a problem document.
#[derive(Clone, Copy, Debug)]
pub struct AsIs;

impl From<Problem> for Refuse {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl IntoResponse for Refuse {
    fn into_response(self) -> Response {
        write(*self.0)
    }
}

/// Writes a problem, and keeps it beside for the floor to complete.
pub(super) fn write(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(axum::body::Body::from(problem.to_json()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static(api::wire::PROBLEM_JSON));
    response.extensions_mut().insert(problem);
    response
}

/// The problem of a bare error status, as axum and hyper make them.
pub(super) fn of_status(status: StatusCode) -> Problem {
    problem::REGISTRY.iter().find(|kind| kind.status == status.as_u16()).map_or_else(
        || {
            Problem::of(if status.is_server_error() {
                &problem::FAULT
            } else {
                &problem::BAD_REQUEST
            })
        },
        Problem::of,
    )
}
