//! The rail simulator: a bank at the other end that delays, loses, duplicates and answers late.
//!
//! For the sandbox only, and it says so: it moves no money. What it has executed stands in its own
//! file ([`desk`]), so that the books can be compared with it, and so that asking is honest. Its
//! faults stand for the network's, too; they are drawn by dice from `seed` ([`plan`]).

pub mod desk;
pub mod plan;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::{Problem, Role, problem};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use self::desk::{Desk, NotTaken, Verdict};
use self::plan::{Dice, Plan};
use super::common::{Common, RoleError};
use super::start::{gate, listen, site};
use crate::keys::KeyStore;
use crate::rail::IncomingPage;
use crate::rail::XML;
use crate::system;
use crate::web::{Refuse, serve};

/// `role.json` of a simulator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// What every role has.
    #[serde(flatten)]
    pub common: Common,
    /// Of the dice.
    pub seed: u64,
    /// What goes wrong how often.
    pub plan: Plan,
}

struct Simulator {
    run: String,
    dice: Dice,
    plan: Plan,
    state: Mutex<Books>,
}

struct Books {
    desk: Desk,
    /// Tries by message id, and questions.
    tries: BTreeMap<String, u64>,
    /// Messages to the sender, by number.
    outgoing: BTreeMap<u64, String>,
    next: u64,
}

/// Runs until `shutdown` ends.
pub async fn run(
    dir: PathBuf,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RoleError> {
    if config.common.environment == "production" {
        return Err(RoleError::Unsound("a rail simulator moves no money: sandbox only".into()));
    }
    let keys = KeyStore::open(&dir)?;
    let desk = Desk::open(&dir).map_err(RoleError::world(desk::TRANSFERS_FILE))?;
    let run: [u8; 8] = system::random().map_err(|e| RoleError::Unsound(e.to_string()))?;
    let books = Books { desk, tries: BTreeMap::new(), outgoing: BTreeMap::new(), next: 1 };
    let simulator = Arc::new(Simulator {
        run: seal::text::to_hex(&run),
        dice: Dice(config.seed),
        plan: config.plan.clone(),
        state: Mutex::new(books),
    });
    // Bound before the loops: a guard within a loop's head is held through the loop.
    let (all, pending) = {
        let books = simulator.books();
        (books.desk.all(), books.desk.pending())
    };
    for (message_id, verdict) in all {
        simulator.tell(&message_id, verdict);
    }
    for message_id in pending {
        decide_later(&simulator, message_id);
    }
    let routes = Router::new()
        .route("/v1/messages", post(message))
        .route("/v1/messages/{id}", get(question))
        .route("/v1/incoming", get(incoming))
        .with_state(Arc::clone(&simulator));
    let about = Router::new().route("/v1/about", get(about));
    let guarded = gate(&config.common)?.only(&[Role::Core], routes).merge(about);
    let listener = listen(&config.common).await?;
    tracing::warn!("a rail simulator serves: sandbox only, it moves no money");
    serve(listener, site(guarded, &keys)?, shutdown).await;
    Ok(())
}

async fn about() -> Response {
    Json(serde_json::json!({
        "role": "rail",
        "simulator": "sandbox only: it moves no money",
    }))
    .into_response()
}

impl Simulator {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_of(&self, what: &str) -> u64 {
        let mut books = self.books();
        let count = books.tries.entry(what.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// What happens to a message at its first arrival.
    fn first_verdict(&self, message_id: &str) -> Verdict {
        let happens = |percent, what| self.dice.happens(percent, what, message_id, 0);
        if happens(self.plan.pending, "pending") { Verdict::Pending } else { self.end(message_id) }
    }

    /// How it ends.
    fn end(&self, message_id: &str) -> Verdict {
        if self.dice.happens(self.plan.reject, "reject", message_id, 0) {
            Verdict::Rejected
        } else {
            Verdict::Executed
        }
    }

    fn arrive(self: &Arc<Self>, xml: &[u8]) -> Result<String, NotTaken> {
        let (message_id, _) = desk::read(xml).map_err(NotTaken::Malformed)?;
        let new = self.books().desk.arrive(xml, |id| self.first_verdict(id))?;
        if new {
            self.after_verdict(&message_id);
        }
        Ok(message_id)
    }

    fn after_verdict(self: &Arc<Self>, message_id: &str) {
        let Some(verdict) = self.books().desk.verdict(message_id) else { return };
        self.tell(message_id, verdict);
        match verdict {
            Verdict::Pending => decide_later(self, message_id.to_owned()),
            Verdict::Executed
                if self.dice.happens(self.plan.return_later, "return", message_id, 0) =>
            {
                return_later(self, message_id.to_owned());
            }
            Verdict::Executed | Verdict::Rejected | Verdict::Returned => {}
        }
    }

    /// Puts the messages about a verdict on their way: lost, once or twice.
    fn tell(&self, message_id: &str, verdict: Verdict) {
        let mut books = self.books();
        let now = system::now();
        let status = books.desk.status(message_id, now);
        let returned =
            (verdict == Verdict::Returned).then(|| books.desk.return_of(message_id, now)).flatten();
        for text in [status, returned].into_iter().flatten().filter_map(Result::ok) {
            let number = books.next;
            let happens = |percent, what| self.dice.happens(percent, what, message_id, number);
            let copies = if happens(self.plan.lose_message, "lose-message") {
                0
            } else {
                1 + u32::from(happens(self.plan.duplicate_message, "duplicate-message"))
            };
            for _ in 0..copies {
                let number = books.next;
                books.next = number.saturating_add(1);
                books.outgoing.insert(number, text.clone());
            }
            books.next = books.next.saturating_add(1);
        }
    }

    fn pause(&self, message_id: &str, attempt: u64) -> Duration {
        self.dice.pause(self.plan.pause_ms_max, message_id, attempt)
    }

    /// Nothing is answered: the caller goes, or gets a word that says nothing.
    async fn silence(&self) -> Refuse {
        tokio::time::sleep(Duration::from_millis(self.plan.pause_ms_max)).await;
        Problem::of(&problem::FAULT).detail("lost on its way").into()
    }

    fn answer(&self, message_id: &str) -> Result<Response, Refuse> {
        let status = self.books().desk.status(message_id, system::now());
        let status = status.ok_or_else(|| Problem::of(&problem::NOT_FOUND))?;
        let text = status.map_err(|error| Problem::of(&problem::FAULT).detail(error))?;
        Ok(([("content-type", XML)], text).into_response())
    }
}

fn decide_later(simulator: &Arc<Simulator>, message_id: String) {
    let simulator = Arc::clone(simulator);
    tokio::spawn(async move {
        tokio::time::sleep(simulator.pause(&message_id, 1)).await;
        let verdict = simulator.end(&message_id);
        let decided = simulator.books().desk.decide(&message_id, verdict);
        match decided {
            Ok(()) => simulator.after_verdict(&message_id),
            Err(error) => tracing::error!(message_id, ?error, "not decided"),
        }
    });
}

fn return_later(simulator: &Arc<Simulator>, message_id: String) {
    let simulator = Arc::clone(simulator);
    tokio::spawn(async move {
        tokio::time::sleep(simulator.pause(&message_id, 2)).await;
        let decided = simulator.books().desk.decide(&message_id, Verdict::Returned);
        match decided {
            Ok(()) => simulator.after_verdict(&message_id),
            Err(error) => tracing::error!(message_id, ?error, "not returned"),
        }
    });
}

async fn message(State(simulator): State<Arc<Simulator>>, body: Bytes) -> Result<Response, Refuse> {
    let (message_id, _) = desk::read(&body).map_err(|why| malformed(&why))?;
    let attempt = simulator.try_of(&message_id);
    let plan = &simulator.plan;
    let happens = |percent, what| simulator.dice.happens(percent, what, &message_id, attempt);
    if happens(plan.lose_request, "lose-request") {
        return Err(simulator.silence().await);
    }
    if happens(plan.late_request, "late-request") {
        let (later, pause) = (Arc::clone(&simulator), simulator.pause(&message_id, attempt));
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            if let Err(error) = later.arrive(&body) {
                tracing::error!(?error, "a late request was not taken");
            }
        });
        return Err(simulator.silence().await);
    }
    simulator.arrive(&body).map_err(not_taken)?;
    if happens(plan.duplicate, "duplicate") {
        simulator.arrive(&body).map_err(not_taken)?;
    }
    if happens(plan.lose_answer, "lose-answer") {
        return Err(simulator.silence().await);
    }
    if happens(plan.late_answer, "late-answer") {
        tokio::time::sleep(simulator.pause(&message_id, attempt)).await;
    }
    simulator.answer(&message_id)
}

async fn question(
    State(simulator): State<Arc<Simulator>>,
    Path(message_id): Path<String>,
) -> Result<Response, Refuse> {
    let attempt = simulator.try_of(&format!("?{message_id}"));
    let percent = simulator.plan.lose_question;
    if simulator.dice.happens(percent, "lose-question", &message_id, attempt) {
        return Err(simulator.silence().await);
    }
    simulator.answer(&message_id)
}

#[derive(Deserialize)]
struct After {
    after: u64,
}

async fn incoming(
    State(simulator): State<Arc<Simulator>>,
    Query(After { after }): Query<After>,
) -> Json<IncomingPage> {
    let books = simulator.books();
    let later = books.outgoing.iter().filter(|(number, _)| **number > after);
    let messages = later.take(PAGE).map(|(number, text)| (*number, text.clone())).collect();
    Json(IncomingPage { run: simulator.run.clone(), messages })
}

fn malformed(why: &str) -> Refuse {
    Problem::of(&problem::BAD_REQUEST).detail(why).into()
}

fn not_taken(error: NotTaken) -> Refuse {
    match error {
        NotTaken::Malformed(why) => malformed(&why),
        NotTaken::OtherContent => Problem::of(&OTHER_CONTENT).into(),
        NotTaken::Disk(why) => Problem::of(&problem::FAULT).detail(why).into(),
    }
}

/// One id has one content.
const OTHER_CONTENT: api::Kind = api::Kind {
    code: "other-content",
    status: 409,
    title: "the message id was used with other content",
};
/// Messages of one page.
const PAGE: usize = 100;
