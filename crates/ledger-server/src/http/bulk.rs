//! Many transactions in one request: each on its own, or all of them or none.

use axum::extract::State;
use bookkeeping::{LedgerBook, Outcome, Request, What};
use bytes::Bytes;
use ledger::Command;
use store::{Bulk, BulkEnd, BulkPlace};
use terms::{AccountId, HoldId};

use super::caller::Caller;
use super::form::{self, BulkForm, TransactionForm};
use super::problem::{NOT_DONE, Problem, TOO_LARGE};
use super::reply::{Item, Place, Scale, ok, told};
use super::routes::{Answered, Shared};
use super::{App, Options, ended};
use crate::clients::May;

/// Commands judged together.
const CHUNK: usize = 256;

type Judged = Result<(BulkPlace, Outcome), String>;
type Holds = Vec<(HoldId, AccountId)>;

pub(super) async fn bulk(State(app): Shared, caller: Caller, body: Bytes) -> Answered {
    caller.needs(May::Post)?;
    let forms = form::read::<BulkForm>(&body)?.transactions;
    if forms.is_empty() || forms.len() > form::BULK_MAX {
        let expected = format!("1 to {} transactions", form::BULK_MAX);
        return Err(Problem::field("transactions", &expected, &forms.len().to_string()));
    }
    let draft = |(place, form::Members(form)): (usize, form::Members<TransactionForm>)| {
        form.draft().map_err(|problem| problem.within(&format!("transactions.{place}")))
    };
    let drafts: Vec<form::Draft> =
        forms.into_iter().enumerate().map(draft).collect::<Result<_, _>>()?;
    let accounts = drafts.iter().flat_map(form::Draft::accounts);
    app.assets.learn(&app.interface.handle, caller.number, accounts).await?;
    // What an amount means is not known on an account that is not there: such an item is refused
    // without being handed to the book.
    let mut early = Vec::with_capacity(drafts.len());
    let mut asked = Vec::with_capacity(drafts.len());
    let held: Vec<Holds> = drafts.iter().map(form::Draft::holds).collect();
    let commands = form::commands(&app, drafts, caller.options).await?;
    for (command, held) in commands.into_iter().zip(held) {
        early.push(match command {
            Ok(command) => {
                asked.push((command, held));
                None
            }
            Err(problem) => Some(problem),
        });
    }
    if caller.options.all_or_nothing {
        return together(&app, &caller, early, asked).await;
    }
    let (commands, holds): (Vec<Command>, Vec<Holds>) = asked.into_iter().unzip();
    let request = |command| app.request(caller.number, What::Do(command), caller.options);
    let requests = commands.into_iter().map(request).collect();
    let Ended { judged, end, .. } = submit(&app, requests).await?;
    let next = ended(&end)?;
    let items = items(&app, early, judged, &holds, caller.options);
    Ok(ok(&BulkReply { items, position: next.number() }))
}

/// All of them, recorded in one batch, or none.
async fn together(
    app: &App,
    caller: &Caller,
    early: Vec<Option<Problem>>,
    asked: Vec<(Command, Holds)>,
) -> Answered {
    if let Some(broken) = early.iter().position(Option::is_some) {
        let items = early.into_iter().enumerate().map(|(at, problem)| match problem {
            Some(problem) if at == broken => Err(problem),
            _ => Err(not_done_for(broken)),
        });
        return Err(refused(items.map(item).collect()));
    }
    let (commands, holds): (Vec<Command>, Vec<Holds>) = asked.into_iter().unzip();
    let request = app.request(caller.number, What::Together(commands), caller.options);
    let Ended { judged, end, is_too_large } = submit(app, vec![request]).await?;
    let next = ended(&end)?;
    if is_too_large {
        let detail = "together they make more than one batch takes: nothing was done";
        return Err(Problem::of(&TOO_LARGE).detail(detail).mend("send less at once"));
    }
    let (place, outcome) = match judged.into_iter().next() {
        Some(Ok(judged)) => judged,
        Some(Err(why)) => return Err(Problem::not_done(why)),
        None => return Err(Problem::unknown()),
    };
    let Outcome::Together(outcomes) = outcome else { return Err(Problem::unknown()) };
    let judged = outcomes.into_iter().map(|one| {
        let (position, outcome) = one.placed(place.position);
        Ok((BulkPlace { position, ..place }, outcome))
    });
    let items = items(app, early, judged.collect(), &holds, caller.options);
    if items.iter().any(Item::is_problem) {
        return Err(refused(items));
    }
    Ok(ok(&BulkReply { items, position: next.number() }))
}

/// Why one is not done: another one was refused.
fn not_done_for(broken: usize) -> Problem {
    Problem::of(&NOT_DONE)
        .detail(format!("all or nothing, and transaction {broken} was refused"))
        .mend("its id is free: send it again, without the refused one or with that one changed")
}

/// The problem of the item that was refused, with what became of each.
fn refused(items: Vec<Item>) -> Problem {
    let broken = items.iter().enumerate().find_map(|(at, item)| Some((at, item.refused()?)));
    let (at, problem) = broken.unwrap_or_else(|| (0, Problem::unknown()));
    problem.within(&format!("transactions.{at}")).with_items(items)
}

fn items(
    app: &App,
    early: Vec<Option<Problem>>,
    judged: Vec<Judged>,
    holds: &[Holds],
    options: Options,
) -> Vec<Item> {
    let refused = |one: &Judged| {
        !matches!(one, Ok((_, Outcome::Done { .. } | Outcome::Repeated { .. } | Outcome::NotDone)))
    };
    let broken = judged.iter().position(refused).unwrap_or(0);
    let mut judged = judged.into_iter().zip(holds).map(|(judged, holds)| {
        let (place, outcome) = judged.map_err(Problem::not_done)?;
        let place =
            Place { position: place.position, stamp: place.stamp, dry_run: options.dry_run };
        match outcome {
            Outcome::NotDone => Err(not_done_for(broken)),
            outcome => told(&outcome, place, Scale { assets: &app.assets, holds }),
        }
    });
    let told = early.into_iter().map(|early| match early {
        Some(problem) => Err(problem),
        // Each request was judged or not taken, in order.
        None => judged.next().unwrap_or_else(|| Err(Problem::unknown())),
    });
    told.map(item).collect()
}

fn item(told: Result<super::reply::Done, Problem>) -> Item {
    match told {
        Ok(done) => Item::Done(done),
        Err(problem) => Item::Problem(Box::new(problem.into_document())),
    }
}

#[derive(serde::Serialize)]
struct BulkReply {
    items: Vec<Item>,
    position: u64,
}

struct Ended {
    judged: Vec<Judged>,
    is_too_large: bool,
    end: BulkEnd,
}

async fn submit(app: &App, requests: Vec<Request>) -> Result<Ended, Problem> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let judged = Vec::with_capacity(requests.len());
    let requests = requests.into_iter();
    let items = Items { requests, judged, is_too_large: false, sender };
    app.interface.handle.submit_bulk(Box::new(items));
    receiver.await.map_err(|_| Problem::unknown())
}

/// The transactions of one bulk on the writer's thread.
struct Items {
    requests: std::vec::IntoIter<Request>,
    judged: Vec<Judged>,
    is_too_large: bool,
    sender: tokio::sync::oneshot::Sender<Ended>,
}

impl Bulk<LedgerBook> for Items {
    fn client(&self) -> u32 {
        // All of one request are one client's.
        self.requests.as_slice().first().map_or(0, |request| request.client.0)
    }

    fn items(&self) -> usize {
        let size = |request: &Request| match &request.what {
            What::Together(commands) => commands.len(),
            What::Do(_) | What::Find(_) | What::Trace(_) => 1,
        };
        self.requests.as_slice().iter().map(size).sum()
    }

    fn fill(&mut self, into: &mut Vec<Request>) {
        into.extend(self.requests.by_ref().take(CHUNK));
    }

    fn decided(&mut self, place: BulkPlace, outcome: Outcome) {
        self.judged.push(Ok((place, outcome)));
    }

    fn not_taken(&mut self, why: &str) {
        self.judged.push(Err(why.to_owned()));
    }

    fn too_large(&mut self) {
        self.is_too_large = true;
        self.not_taken("it makes more than a batch takes");
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        let Self { judged, is_too_large, sender, .. } = *self;
        // Nobody waits when the client went away.
        let _ = sender.send(Ended { judged, is_too_large, end });
    }
}
