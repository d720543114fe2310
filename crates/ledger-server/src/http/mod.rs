//! The HTTP/JSON interface of a stand-alone ledger (`docs/formats/ledger-http.md`).
//!
//! For programs that would rather send JSON than speak the binary protocol. The same writer
//! judges both, so that requests of all connections share one sync of the journal. Start at
//! [`start`]; [`Interface`] is what it stands on.

mod amounts;
mod asks;
mod books;
mod bulk;
mod caller;
mod events;
mod form;
mod log_routes;
mod more;
pub mod problem;
mod reply;
mod routes;
mod server;
mod shares;

use std::sync::Arc;

use bookkeeping::{Effect, LedgerBook, Outcome, Request, What};
use ledger::Command;
use record::SaltSlot;
use store::{Answer, BookHandle, BulkEnd};
use terms::{BookName, Epoch, HoldId, Instant, Position};

use crate::clients::Clients;
use crate::events::Events;
use crate::personal::PersonalKeys;
use crate::public_log::Prover;
use crate::questions::Questions;
pub(crate) use amounts::show as decimal;
pub use problem::Problem;
pub use server::{HttpError, HttpServer, LIMITS, OUTCOME_WITHIN, start};
pub use shares::{FOLLOWS_MAX, FOLLOWS_OF_CLIENT, REQUESTS_OF_CLIENT};

/// What the interface stands on.
pub struct Interface {
    /// Its name.
    pub book: BookName,
    /// The running book.
    pub handle: BookHandle<LedgerBook>,
    /// Who may ask.
    pub clients: Clients,
    /// Where the salts of its facts come from.
    pub slot: SaltSlot,
    /// The epoch it is written in.
    pub epoch: Epoch,
    /// Keys that seal what is about persons.
    pub personal: PersonalKeys,
    /// Who answers questions.
    pub questions: Questions,
    /// Who hands out facts.
    pub events: Events,
    /// Tells of the log and makes receipts; `None` where no log is kept.
    pub prover: Option<Arc<Prover>>,
}

impl std::fmt::Debug for Interface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interface").field("book", &self.book).finish_non_exhaustive()
    }
}

/// What all requests share.
#[derive(Debug)]
struct App {
    interface: Interface,
    assets: amounts::Assets,
    shares: shares::Shares,
}

/// What a client says beside the body: `?dry_run=true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    dry_run: bool,
    all_or_nothing: bool,
}

impl App {
    fn request(&self, client: u32, what: What, options: Options) -> Request {
        let effect = if options.dry_run { Effect::None } else { Effect::Lasting };
        let client = bookkeeping::ClientNumber(client);
        Request { client, slot: self.interface.slot, what, effect }
    }

    /// Has something judged; what comes back is durable.
    async fn judge(
        &self,
        client: u32,
        what: What,
        options: Options,
    ) -> Result<(Outcome, reply::Place), Problem> {
        let request = self.request(client, what, options);
        let answer = self.interface.handle.submit_async_as(client, request).await;
        let (outcome, position, stamp) = answered(answer.unwrap_or(Answer::Unknown))?;
        if let Outcome::Refused { refusal } = &outcome {
            self.interface.questions.figures().refused(crate::refusals::rule_of(refusal));
        }
        Ok((outcome, reply::Place { position, stamp, dry_run: options.dry_run }))
    }

    /// [`App::judge`] of a command, told.
    async fn command(
        &self,
        client: u32,
        command: Command,
        options: Options,
        holds: &[(HoldId, terms::AccountId)],
    ) -> Result<reply::Done, Problem> {
        let (outcome, place) = self.judge(client, What::Do(command), options).await?;
        reply::told(&outcome, place, reply::Scale { assets: &self.assets, holds })
    }
}

/// An answer of the book: *surely not done* and *nobody can say* stay apart.
fn answered<T>(answer: Answer<T>) -> Result<(T, Position, Instant), Problem> {
    match answer {
        Answer::Done { outcome, position, stamp } => Ok((outcome, position, stamp)),
        Answer::Unknown => Err(Problem::unknown()),
        Answer::Busy => Err(Problem::not_done("the queue is full")),
        Answer::Stopped => Err(Problem::not_done("the book is stopped")),
        Answer::NotTaken(why) => Err(Problem::not_done(why.to_string())),
        Answer::NotRecalled(why) => Err(Problem::not_done(why)),
    }
}

/// How a bulk ended, likewise.
fn ended(end: &BulkEnd) -> Result<Position, Problem> {
    match end {
        BulkEnd::Durable { next } => Ok(*next),
        BulkEnd::Unknown => Err(Problem::unknown()),
        BulkEnd::Busy => Err(Problem::not_done("the queue is full")),
        BulkEnd::Stopped => Err(Problem::not_done("the book is stopped")),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use journal::SubmitError;

    use super::*;

    fn shown(problem: Problem) -> (u16, bool, serde_json::Value) {
        let response = problem.clone().into_response();
        let retry = response.headers().contains_key("retry-after");
        let document = serde_json::to_value(problem.into_document()).unwrap();
        (response.status().as_u16(), retry, document)
    }

    #[test]
    fn not_done_and_unknown_stay_apart() {
        let surely = [
            Answer::<()>::Busy,
            Answer::Stopped,
            Answer::NotTaken(SubmitError::Stopped),
            Answer::NotRecalled("the disk".into()),
        ];
        let mut problems: Vec<Problem> =
            surely.into_iter().map(|answer| answered(answer).unwrap_err()).collect();
        problems.push(ended(&BulkEnd::Busy).unwrap_err());
        problems.push(ended(&BulkEnd::Stopped).unwrap_err());
        for problem in problems {
            let (status, retry, said) = shown(problem);
            assert_eq!((status, retry), (503, true), "{said}");
            assert_eq!((&said["outcome"], &said["may_retry"]), (&"not_done".into(), &true.into()));
        }
        let maybe = answered(Answer::<()>::Unknown).unwrap_err();
        for problem in [maybe, ended(&BulkEnd::Unknown).unwrap_err()] {
            let (status, retry, said) = shown(problem);
            assert_eq!((status, retry), (500, false), "{said}");
            assert_eq!(said["type"], "urn:wayleave:problem:unknown");
            assert_eq!(said["outcome"], "unknown");
            assert!(said["mend"].as_str().unwrap().starts_with("ask by id"));
        }
    }
}
