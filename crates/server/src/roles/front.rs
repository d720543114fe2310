//! One address for several instances of an edge: passes each request on as it came, signature and
//! all, and asks another instance when one dies under it.
//!
//! It holds no key and opens nothing: requests are signed by their senders for this address, and
//! answers with the key that all instances share. It can lose or delay a request, not change one.
//! It keeps nothing; two of them may run.

use core::time::Duration;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use api::{Problem, problem};
use axum::body::Body;
use bytes::Bytes;
use client::{AddressGuard, CLIENT_LIMITS, Client, ClientLimits, Outcome, Outgoing, Peer};
use front::read_body;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::RoleError;
use super::start::configuration;
use crate::web::LIMITS;

/// `role.json` of a front.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The port of 127.0.0.1 that it listens on.
    pub port: u16,
    /// The instances: `http://localhost:7101`. May name more than run now.
    pub places: Vec<String>,
}

/// An instance, and whether it last said that it is ready.
struct Place {
    peer: Peer,
    ready: AtomicBool,
}

struct Front {
    client: Client,
    places: Vec<Place>,
    turn: AtomicUsize,
}

/// Runs until `shutdown` ends.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RoleError> {
    let front = Arc::new(Front::new(&config)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port))
        .await
        .map_err(RoleError::world(format!("listening on port {}", config.port)))?;
    let watching = tokio::spawn(watch(Arc::clone(&front)));
    let answer = move |request, _alive| pass(Arc::clone(&front), request);
    ::front::serve(listener, LIMITS.front, answer, shutdown).await;
    watching.abort();
    Ok(())
}

impl Front {
    fn new(config: &Config) -> Result<Self, RoleError> {
        if config.places.is_empty() {
            return Err(configuration("`places`: expected one at least".to_owned()));
        }
        let place = |url: &String| {
            let peer =
                Peer::unverified(url).map_err(|e| configuration(format!("`places`: {e}")))?;
            Ok(Place { peer, ready: AtomicBool::new(false) })
        };
        let places = config.places.iter().map(place).collect::<Result<Vec<_>, RoleError>>()?;
        let guard = places
            .iter()
            .fold(AddressGuard::public_only(), |guard, place| guard.allow(place.peer.authority()));
        let limits = ClientLimits { connect: CONNECT, deadline: DEADLINE, ..CLIENT_LIMITS };
        Ok(Self { client: Client::new(guard, limits), places, turn: AtomicUsize::new(0) })
    }

    /// Those that are ready, each first in its turn; then the others, should all be wrong.
    fn order(&self) -> Vec<&Place> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let many = self.places.len();
        let begin = turn.checked_rem(many).unwrap_or_default();
        let all = self.places.iter().cycle().skip(begin).take(many);
        let (ready, others): (Vec<&Place>, Vec<&Place>) =
            all.partition(|place| place.ready.load(Ordering::Relaxed));
        ready.into_iter().chain(others).collect()
    }
}

/// Asks every instance again and again whether it is ready.
async fn watch(front: Arc<Front>) {
    loop {
        for place in &front.places {
            let asked = front.client.send_unsigned(&place.peer, Outgoing::get("/ready")).await;
            place.ready.store(matches!(asked, Outcome::Answer(_)), Ordering::Relaxed);
        }
        tokio::time::sleep(WATCH_PAUSE).await;
    }
}

/// One request: to one instance after the other, as long as that is safe.
async fn pass(front: Arc<Front>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match read_body(body, &LIMITS.front).await {
        Ok(body) => body,
        Err(fault) => {
            let mut response =
                unsigned(&Problem::of(&problem::BAD_REQUEST).detail(fault.to_string()));
            let close = http::HeaderValue::from_static("close");
            response.headers_mut().insert("connection", close);
            return response;
        }
    };
    let patient = tokio::time::timeout(PATIENCE, ask(&front, &head, &body)).await;
    patient.ok().flatten().map_or_else(
        || {
            let problem = Problem::of(&problem::NOT_READY).detail("no instance answers");
            unsigned(&problem.mend("try again in a moment"))
        },
        |answer| answer.map(Body::from),
    )
}

/// Asks one round of the instances after the other, until one of them says more than that it is
/// not ready: while one is replaced there may be nobody for a moment.
async fn ask(front: &Front, head: &Parts, body: &Bytes) -> Option<Response<Bytes>> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let mut last = None;
        for place in front.order() {
            let answered = front.client.relay(&place.peer, head, body.clone()).await;
            let another = goes_on(head, &answered);
            match answered {
                Ok(answer) if !another => return Some(answer),
                Ok(answer) => last = Some(answer),
                Err(outcome) => {
                    place.ready.store(false, Ordering::Relaxed);
                    let (place, path) = (place.peer.authority(), head.uri.path());
                    tracing::warn!(place, path, ?outcome, another, "an instance did not answer");
                    if !another {
                        return None;
                    }
                }
            }
        }
        let busy = |answer: &Response<Bytes>| answer.status() == StatusCode::SERVICE_UNAVAILABLE;
        let said = last.as_ref().is_some_and(|answer| !busy(answer));
        match pauses.next() {
            Some(pause) if !said => tokio::time::sleep(pause).await,
            _ => return last,
        }
    }
}

/// Whether another instance is asked: when this one surely did nothing, or when what it may have
/// done may be done twice.
fn goes_on(head: &Parts, answered: &Result<Response<Bytes>, Outcome>) -> bool {
    match answered {
        Err(Outcome::NotDone(_)) => true,
        Err(_) => may_be_repeated(&head.method, head.uri.path()),
        // Not ready; or it started after the request was signed, and cannot know whether the
        // process before it took the request.
        Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => true,
        Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => true,
        // The record of a decision lies with the instance that decided.
        Ok(answer) => answer.status() == StatusCode::NOT_FOUND && head.method == Method::GET,
    }
}

/// What an edge may be asked twice. Its preparations, statements and tickets change nothing; a
/// second decision of one payment has a number and a record of its own, and the settlement book
/// takes a payment once.
fn may_be_repeated(method: &Method, path: &str) -> bool {
    method == Method::GET || (method == Method::POST && REPEATABLE.contains(&path))
}

const REPEATABLE: [&str; 5] = [
    "/v1/preparations",
    "/v1/invoices",
    "/v1/invoices/presentations",
    "/v1/statements",
    "/v1/decisions",
];

/// An answer of the front itself: nobody's signature is under it.
fn unsigned(problem: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(problem.to_json()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert("content-type", kind);
    response
}

/// Loopback or the next rack.
const CONNECT: Duration = Duration::from_secs(1);
/// Two instances may fail within [`PATIENCE`].
const DEADLINE: Duration = Duration::from_secs(4);
/// Less than the ten seconds that a client waits, so that what it gets is an answer.
const PATIENCE: Duration = Duration::from_secs(9);
/// Between two rounds over all instances: a new one joins within a second or two.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];
/// Between two rounds of asking who is ready.
const WATCH_PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use client::{NotDone, Unknown};

    use super::*;

    fn head(method: &str, path: &str) -> Parts {
        Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0
    }

    fn answered(status: u16) -> Result<Response<Bytes>, Outcome> {
        Ok(Response::builder().status(status).body(Bytes::new()).unwrap())
    }

    #[test]
    fn another_instance_is_asked_only_where_that_is_safe() {
        let decide = head("POST", "/v1/decisions");
        let foreign = head("POST", "/v1/somewhere");
        let read = head("GET", "/v1/decisions/1/record");
        let broken = || {
            let (authority, reason) = ("a".to_owned(), "reset".to_owned());
            Err(Outcome::Unknown(Unknown::Broken { authority, reason }))
        };
        let unsent = || Err(Outcome::NotDone(NotDone::Unsendable { reason: "r".to_owned() }));
        let table = [
            (&decide, broken(), true),
            (&foreign, broken(), false),
            (&read, broken(), true),
            (&foreign, unsent(), true),
            (&foreign, answered(503), true),
            (&decide, answered(401), true),
            (&read, answered(404), true),
            (&decide, answered(404), false),
            (&decide, answered(200), false),
            (&decide, answered(422), false),
            (&decide, answered(500), false),
        ];
        for (head, answered, expected) in table {
            assert_eq!(goes_on(head, &answered), expected, "{} {answered:?}", head.uri);
        }
    }

    /// Nobody listens there.
    const DEAD: &str = "http://localhost:1";

    /// An instance that says these statuses in turn, the last one for ever, and how often it was
    /// asked.
    fn instance(statuses: &'static [StatusCode]) -> (String, Arc<AtomicUsize>) {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let app = axum::Router::new().fallback(move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            async move { statuses[number.min(statuses.len() - 1)] }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        (url, asked)
    }

    #[tokio::test]
    async fn a_request_waits_for_an_instance_that_is_about_to_be_ready() {
        const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        let (url, asked) = instance(&[BUSY, BUSY, StatusCode::OK]);
        let front = Front::new(&Config { port: 0, places: vec![DEAD.into(), url] }).unwrap();
        let answer = ask(&front, &head("POST", "/v1/decisions"), &Bytes::new()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn what_the_living_say_is_the_answer_after_one_round() {
        let (url, asked) = instance(&[StatusCode::NOT_FOUND]);
        let front = Front::new(&Config { port: 0, places: vec![DEAD.into(), url] }).unwrap();
        let read = head("GET", "/v1/decisions/1/record");
        let answer = ask(&front, &read, &Bytes::new()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn ready_instances_take_turns_and_come_first() {
        let places = (1..=3).map(|n| format!("http://localhost:{n}")).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let front = Front::new(&Config { port: 0, places }).unwrap();
            front.places[0].ready.store(true, Ordering::Relaxed);
            front.places[2].ready.store(true, Ordering::Relaxed);
            let mut firsts = [0; 3];
            for _ in 0..30 {
                let order = front.order();
                let first = order[0].peer.authority().trim_start_matches("localhost:");
                firsts[first.parse::<usize>().unwrap() - 1] += 1;
                assert_eq!(order.len(), 3);
                assert_eq!(order[2].peer.authority(), "localhost:2", "not ready: last");
            }
            assert_eq!(firsts[1], 0);
            assert!(firsts[0] > 0 && firsts[2] > 0, "{firsts:?}");
        });
    }
}
