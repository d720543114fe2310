//! Between the protocol and the book: requests become commands, outcomes become results.

use std::sync::Arc;
use std::time::Instant as Clock;

use bookkeeping::together::TOGETHER_MAX;
use bookkeeping::{Effect, Key, LedgerBook, Outcome, What};
use ledger::{Available, Balances, Command, Detail, Entry, Link, Reason, Side, Transaction};
use record::SaltSlot;
use seal::{KeyId, from_canonical, to_canonical};
use store::{BookHandle, Bulk, BulkEnd, BulkPlace};
use terms::{Epoch, Position};
use wire::{
    Balance, ClientNumber, Commands, Content, Lookup, NotDone, NotDoneCode, Refused, RefusedCode,
    RegisteredClient, Reply, ReplyBody, Request, RequestFlags, ResultsWriter, Service, Transfer,
    Transfers, Unknown, UnknownCode,
};

use crate::clients::{Clients, May};
use crate::events::Events;
use crate::figures::{Figures, count};
use crate::lookups::{Asking, Lookups};
use crate::query::{Query, Said, Told, Unanswered};
use crate::questions::{NotAnswered, Questions};
use crate::refusals::{refused, refused_before, rule_of};

/// Commands judged together: their rows fit the nearest caches.
const CHUNK: usize = 256;
/// After how long a client whose request met a full queue may try again, milliseconds.
const BUSY_RETRY_MS: u32 = 20;

/// What stands behind the protocol's server.
#[derive(Debug)]
pub struct LedgerService {
    handle: BookHandle<LedgerBook>,
    clients: Clients,
    slot: SaltSlot,
    epoch: Epoch,
    questions: Questions,
    events: Events,
}

impl LedgerService {
    /// Over a running book. The salts of all facts come from `slot`.
    #[must_use]
    pub fn new(
        handle: BookHandle<LedgerBook>,
        clients: Clients,
        slot: SaltSlot,
        epoch: Epoch,
        (questions, events): (Questions, Events),
    ) -> Self {
        Self { handle, clients, slot, epoch, questions, events }
    }

    fn submit(&self, work: Work, client: ClientNumber, request: Asked) {
        let Asked { flags, deadline, reply } = request;
        let items = work.len();
        let figures = self.questions.shared_figures();
        self.handle.submit_bulk(Box::new(Requests {
            handle: self.handle.clone(),
            figures,
            work,
            given: 0,
            together: 0,
            client: bookkeeping::ClientNumber(client.0),
            slot: self.slot,
            flags,
            deadline,
            is_late: false,
            is_too_large: false,
            results: ResultsWriter::for_items(items),
            reply,
        }));
    }
}

/// A request without its content.
struct Asked {
    flags: RequestFlags,
    deadline: Option<Clock>,
    reply: Reply,
}

impl Service for LedgerService {
    fn client(&mut self, key: &KeyId) -> Option<RegisteredClient> {
        let client = self.clients.with_key(key)?;
        Some(RegisteredClient { key: client.key, number: ClientNumber(client.number) })
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn request(&mut self, client: ClientNumber, request: Request, reply: Reply) {
        count(&self.questions.figures().binary_requests);
        let Request { flags, deadline, content, .. } = request;
        let refuse = |reply: Reply, code, text: String| {
            reply.finish(ReplyBody::refused(&Refused::new(code, text)));
        };
        if flags.all_or_nothing && items_of(&content) > TOGETHER_MAX {
            let text = format!("at most {TOGETHER_MAX} items, got {}", items_of(&content));
            return refuse(reply, RefusedCode::TooLarge, text);
        }
        let asked = Asked { flags, deadline, reply };
        match content {
            Content::Transfers(transfers) => {
                if !self.clients.may(client.0, May::Post) {
                    return refuse(asked.reply, RefusedCode::NotPermitted, "to post".into());
                }
                if let Some((item, text)) = unsupported(&transfers) {
                    let refused = Refused::new(RefusedCode::Unsupported, text).of_item(item);
                    return asked.reply.finish(ReplyBody::refused(&refused));
                }
                let work = if flags.all_or_nothing {
                    Work::Together(transfers.iter().map(|transfer| command(&transfer)).collect())
                } else {
                    Work::Transfers(transfers)
                };
                self.submit(work, client, asked);
            }
            Content::Commands(commands) => match self.decode(client, &commands) {
                Ok(commands) if flags.all_or_nothing => {
                    self.submit(Work::Together(commands), client, asked);
                }
                Ok(commands) => self.submit(Work::Commands(commands), client, asked),
                Err(refused) => asked.reply.finish(ReplyBody::refused(&refused)),
            },
            Content::Lookup(lookups) => {
                if !self.clients.may(client.0, May::Read) {
                    return refuse(asked.reply, RefusedCode::NotPermitted, "to read".into());
                }
                let number = bookkeeping::ClientNumber(client.0);
                let keys = lookups.iter().map(|lookup| key_of(number, &lookup)).collect();
                let Asked { deadline, reply, .. } = asked;
                let asking = Asking { client: number, slot: self.slot, keys, deadline, reply };
                Lookups::submit(&self.handle, &self.questions, asking);
            }
            Content::Follow(follow) => {
                if !self.clients.may(client.0, May::Read) {
                    return refuse(asked.reply, RefusedCode::NotPermitted, "to read".into());
                }
                match asked.reply.stream() {
                    Ok(stream) => self.events.follow(client.0, follow, stream),
                    Err(reply) => refuse(reply, RefusedCode::Malformed, "no follow".into()),
                }
            }
            Content::Query(bytes) => {
                if !self.clients.may(client.0, May::Read) {
                    return refuse(asked.reply, RefusedCode::NotPermitted, "to read".into());
                }
                match from_canonical::<Query>(&bytes) {
                    Ok(query) => self.ask(client, query, asked.deadline, asked.reply),
                    Err(error) => {
                        refuse(asked.reply, RefusedCode::Undecodable, error.to_string());
                    }
                }
            }
        }
    }
}

impl LedgerService {
    /// Reads commands, and looks whether the client may ask for each.
    fn decode(&self, client: ClientNumber, all: &Commands) -> Result<Vec<Command>, Refused> {
        let mut commands = Vec::with_capacity(all.len());
        for (item, bytes) in (0..).zip(all.iter()) {
            let command: Command = from_canonical(bytes).map_err(|error| {
                Refused::new(RefusedCode::Undecodable, error.to_string()).of_item(item)
            })?;
            let needed = needed(&command);
            if !self.clients.may(client.0, needed) {
                let text = format!("this command needs `{needed:?}`");
                return Err(Refused::new(RefusedCode::NotPermitted, text).of_item(item));
            }
            commands.push(command);
        }
        Ok(commands)
    }

    fn ask(&self, client: ClientNumber, query: Query, deadline: Option<Clock>, reply: Reply) {
        let done = move |told| reply.finish(answered(told));
        self.questions.ask(client.0, query, deadline, done);
    }
}

/// What became of a question, as the protocol says it.
fn answered(told: Result<Told, NotAnswered>) -> ReplyBody {
    let why = match told {
        Ok(told) => return ReplyBody::answer(&to_canonical(&told)),
        Err(why) => why,
    };
    let text = why.to_string();
    match why {
        NotAnswered::NotReady { .. } => {
            ReplyBody::not_done(&NotDone::new(NotDoneCode::NotReady, text), BUSY_RETRY_MS)
        }
        NotAnswered::Busy => busy(),
        NotAnswered::Stopped(why) => {
            ReplyBody::not_done(&NotDone::new(NotDoneCode::Stopped, why), 0)
        }
        NotAnswered::NoViews | NotAnswered::NoLog => {
            ReplyBody::refused(&Refused::new(RefusedCode::Unsupported, text))
        }
        NotAnswered::Unanswered { why: Unanswered::FreshTwice, .. } => {
            ReplyBody::refused(&Refused::new(RefusedCode::Undecodable, text))
        }
        NotAnswered::Unanswered { position, .. } => {
            let told = Told { position, said: Said::NoAnswer(text) };
            ReplyBody::answer(&to_canonical(&told))
        }
    }
}

/// What a client must be allowed for a command.
const fn needed(command: &Command) -> May {
    match command {
        Command::Post(_)
        | Command::PostDraft(_)
        | Command::PlaceHold(_)
        | Command::PinHold { .. }
        | Command::VoidHold { .. } => May::Post,
        Command::OpenAccount(_)
        | Command::SetLimits { .. }
        | Command::SetFreeze { .. }
        | Command::SetBlocked { .. }
        | Command::CloseAccount { .. }
        | Command::ExpireHolds { .. } => May::Manage,
    }
}

pub(crate) fn busy() -> ReplyBody {
    ReplyBody::not_done(&NotDone::new(NotDoneCode::Busy, ""), BUSY_RETRY_MS)
}

/// Surely not done, with what keeps the book from taking anything.
pub(crate) fn stopped(handle: &BookHandle<LedgerBook>) -> ReplyBody {
    let why = handle.trouble().unwrap_or_default();
    ReplyBody::not_done(&NotDone::new(NotDoneCode::Stopped, why), 0)
}

const fn key_of(client: bookkeeping::ClientNumber, lookup: &Lookup) -> Option<Key> {
    match lookup {
        Lookup::Transaction(id) => Some(Key::transaction(client, *id)),
        Lookup::Hold(id) => Some(Key::hold(*id)),
        // Accounts are asked for by query.
        Lookup::Account(_) => None,
    }
}

/// The first transfer whose reason this version does not know.
fn unsupported(transfers: &Transfers) -> Option<(u16, String)> {
    (0..).zip(transfers.iter()).find_map(|(item, transfer)| {
        let unknown = reason(transfer.reason).is_none();
        unknown.then(|| (item, format!("there is no reason `{}`", transfer.reason)))
    })
}

fn reason(number: u16) -> Option<Reason> {
    u8::try_from(number).ok().and_then(Reason::of_number)
}

fn command(transfer: &Transfer) -> Command {
    let (debit_hold, credit_hold) = match transfer.hold {
        None => (None, None),
        Some(wire::request::PostedHold::Debit(hold)) => (Some(hold), None),
        Some(wire::request::PostedHold::Credit(hold)) => (None, Some(hold)),
    };
    let amount = transfer.amount;
    let debit = Entry { account: transfer.debit, side: Side::Debit, amount, hold: debit_hold };
    let credit = Entry { account: transfer.credit, side: Side::Credit, amount, hold: credit_hold };
    Command::Post(Transaction {
        id: transfer.id,
        business_date: transfer.business_date,
        // Numbers without a reason were refused before.
        reason: reason(transfer.reason).unwrap_or(Reason::Payment),
        entries: [debit, credit].into(),
        claims: Vec::new(),
        links: transfer.payment.map(Link::Payment).into_iter().collect(),
        detail: detail(transfer).map(Box::new),
    })
}

/// What a transfer says beyond what every one says.
fn detail(transfer: &Transfer) -> Option<Detail> {
    let code = (transfer.code != 0).then_some(transfer.code);
    let effective = transfer.effective;
    (code.is_some() || effective.is_some()).then(|| Detail {
        effective,
        code,
        metadata: Vec::new(),
    })
}

enum Work {
    Transfers(Transfers),
    Commands(Vec<Command>),
    /// All of them or none: one request to the book.
    Together(Vec<Command>),
}

fn items_of(content: &Content) -> usize {
    match content {
        Content::Transfers(transfers) => transfers.len(),
        Content::Commands(commands) => commands.len(),
        Content::Lookup(lookups) => lookups.len(),
        Content::Query(_) | Content::Follow(_) => 0,
    }
}

impl Work {
    fn len(&self) -> usize {
        match self {
            Self::Transfers(transfers) => transfers.len(),
            Self::Commands(commands) | Self::Together(commands) => commands.len(),
        }
    }
}

/// The items of one request on the writer's thread.
struct Requests {
    handle: BookHandle<LedgerBook>,
    figures: Arc<Figures>,
    work: Work,
    given: usize,
    /// How many items stand in the request that is judged next: all of them or none.
    together: usize,
    client: bookkeeping::ClientNumber,
    slot: SaltSlot,
    flags: RequestFlags,
    deadline: Option<Clock>,
    is_late: bool,
    is_too_large: bool,
    results: ResultsWriter,
    reply: Reply,
}

impl Requests {
    fn request(&self, what: What) -> bookkeeping::Request {
        let effect = match (self.flags.dry_run, self.flags.want_balances) {
            (true, _) => Effect::None,
            (false, true) => Effect::Lasting,
            (false, false) => Effect::LastingUntold,
        };
        bookkeeping::Request { client: self.client, slot: self.slot, what, effect }
    }
}

impl Bulk<LedgerBook> for Requests {
    fn client(&self) -> u32 {
        self.client.0
    }

    fn items(&self) -> usize {
        self.work.len()
    }

    fn fill(&mut self, into: &mut Vec<bookkeeping::Request>) {
        if self.given == 0 && self.deadline.is_some_and(|deadline| Clock::now() >= deadline) {
            self.is_late = true;
            return;
        }
        let from = self.given;
        if let Work::Together(commands) = &mut self.work {
            let commands = core::mem::take(commands);
            self.together = commands.len();
            self.given = self.together.max(1);
            if !commands.is_empty() {
                into.push(self.request(What::Together(commands)));
            }
            return;
        }
        match &self.work {
            Work::Together(_) => {}
            Work::Transfers(transfers) => {
                let next = transfers.iter().skip(from).take(CHUNK);
                into.extend(next.map(|one| self.request(What::Do(command(&one)))));
            }
            Work::Commands(commands) => {
                let next = commands.iter().skip(from).take(CHUNK);
                into.extend(next.map(|one| self.request(What::Do(one.clone()))));
            }
        }
        self.given = from.saturating_add(into.len());
    }

    fn decided(&mut self, place: BulkPlace, outcome: Outcome) {
        let out = &mut self.results;
        match outcome {
            Outcome::Done { balances } => {
                if self.flags.dry_run {
                    out.passes();
                } else {
                    out.done(place.position, place.stamp);
                }
                if self.flags.want_balances {
                    let balances: Vec<Balance> = balances.iter().map(balance).collect();
                    out.balances(&balances);
                }
            }
            Outcome::Repeated { first, position } => {
                out.repeated(position.unwrap_or(Position::ZERO), first);
            }
            Outcome::Absent => out.absent(),
            Outcome::NotDone => out.not_done(),
            Outcome::Together(items) => {
                self.together = 0;
                for item in items {
                    let (position, outcome) = item.placed(place.position);
                    self.decided(BulkPlace { position, ..place }, outcome);
                }
            }
            Outcome::Refused { refusal } => {
                self.figures.refused(rule_of(&refusal));
                refused(out, &refusal, place.position, place.stamp);
            }
            Outcome::Traced { .. } => out.unknown(),
            Outcome::RefusedBefore { refused, .. } => refused_before(out, &refused),
        }
    }

    fn not_taken(&mut self, why: &str) {
        tracing::warn!(why, "an item was not taken");
        for _ in 0..self.together.max(1) {
            self.results.not_done();
        }
    }

    fn too_large(&mut self) {
        self.is_too_large = true;
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        let body = match end {
            BulkEnd::Durable { .. } if self.is_late => {
                ReplyBody::not_done(&NotDone::new(NotDoneCode::Late, ""), 0)
            }
            BulkEnd::Durable { .. } if self.is_too_large => {
                let text = "send less at once: all of it goes into one batch";
                ReplyBody::refused(&Refused::new(RefusedCode::TooLarge, text))
            }
            BulkEnd::Durable { next } => self.results.finish(next),
            BulkEnd::Unknown => {
                ReplyBody::unknown(&Unknown::new(UnknownCode::Storage, "ask by id"))
            }
            BulkEnd::Busy => busy(),
            BulkEnd::Stopped => stopped(&self.handle),
        };
        self.reply.finish(body);
    }
}

fn balance(of: &Balances) -> Balance {
    Balance {
        account: of.account,
        debits_posted: of.debits_posted,
        credits_posted: of.credits_posted,
        debits_pending: of.debits_pending,
        credits_pending: of.credits_pending,
        available: match of.available {
            Available::UpTo(amount) => Some(amount),
            Available::Unlimited => None,
        },
    }
}
