//! The HTTP/JSON interface of a stand-alone ledger (`docs/formats/ledger-http.md`).
//!
//! For programs that would rather send JSON than speak the binary protocol. The same writer
//! judges both, so that requests of all connections share one sync of the journal. Start at
//! [`start`]; [`Interface`] is what it stands on.

mod amounts;
mod caller;
mod form;
pub mod problem;
mod reply;
mod routes;
mod server;

use std::sync::Arc;

use bookkeeping::{Effect, LedgerBook, Outcome, Request, What};
use ledger::Command;
use record::SaltSlot;
use store::{Answer, BookHandle};
use terms::{BookName, Epoch, HoldId, Position};

use crate::clients::Clients;
pub use problem::Problem;
pub use server::{HttpError, HttpServer, LIMITS, Limits, start};

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
    /// How far what is folded from the journal has come.
    pub projections: Projections,
}

impl std::fmt::Debug for Interface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interface").field("book", &self.book).finish_non_exhaustive()
    }
}

/// Names of projections with the number of facts that each has seen.
#[derive(Clone)]
pub struct Projections(Arc<dyn Fn() -> Vec<(&'static str, Position)> + Send + Sync>);

impl Projections {
    /// No projection to tell of.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Vec::new))
    }

    /// Asked for each status; must not wait.
    #[must_use]
    pub fn of(ask: impl Fn() -> Vec<(&'static str, Position)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }
}

/// What all requests share.
#[derive(Debug)]
struct App {
    interface: Interface,
    assets: amounts::Assets,
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
        match self.interface.handle.submit_async(request).await {
            Ok(Answer::Done { outcome, position, stamp }) => {
                Ok((outcome, reply::Place { position, stamp, dry_run: options.dry_run }))
            }
            Ok(Answer::Unknown) | Err(_) => Err(Problem::unknown()),
            Ok(Answer::Busy) => Err(Problem::not_done("the queue is full")),
            Ok(Answer::Stopped) => Err(Problem::not_done("the book is stopped")),
            Ok(Answer::NotTaken(why)) => Err(Problem::not_done(why.to_string())),
            Ok(Answer::NotRecalled(why)) => Err(Problem::not_done(why)),
        }
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
