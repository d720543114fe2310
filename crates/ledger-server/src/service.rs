//! Between the protocol and the book: requests become commands, outcomes become results.

use std::time::Instant as Clock;

use bookkeeping::{Effect, Key, LedgerBook, Outcome, What};
use crossbeam_channel::{Sender, TrySendError};
use ledger::{
    Available, Balances, Command, Detail, Entry, Link, Reason, Refusal, Side, Transaction,
};
use record::SaltSlot;
use seal::{KeyId, from_canonical, to_canonical};
use store::log::LogFeed;
use store::{Answer, BookHandle, Bulk, BulkEnd, BulkPlace};
use terms::{Epoch, Position};
use wire::{
    Balance, ClientNumber, Commands, Content, Field, Lookup, NotDone, NotDoneCode, Refused,
    RefusedCode, RegisteredClient, Reply, ReplyBody, Request, RequestFlags, ResultsWriter, Rule,
    Service, Transfer, Transfers, Unknown, UnknownCode,
};

use crate::clients::{Clients, May};
use crate::projections::Progress;
use crate::query::{Asks, Query, Said, Told, answer};

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
    behind: Behind,
}

/// What follows the book, for questions.
#[derive(Clone, Default)]
pub struct Behind {
    /// The log's thread.
    pub log: Option<LogFeed>,
    /// How far the read models have come.
    pub views: Option<Progress>,
    /// Questions to the read models, taken on a thread of their own.
    pub questions: Option<Sender<(Query, Reply)>>,
    /// Questions to the log, likewise.
    pub proofs: Option<Sender<(Query, Reply)>>,
}

impl std::fmt::Debug for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behind").finish_non_exhaustive()
    }
}

impl LedgerService {
    /// Over a running book. The salts of all facts come from `slot`.
    #[must_use]
    pub const fn new(
        handle: BookHandle<LedgerBook>,
        clients: Clients,
        slot: SaltSlot,
        epoch: Epoch,
        behind: Behind,
    ) -> Self {
        Self { handle, clients, slot, epoch, behind }
    }

    fn submit(&self, work: Work, client: ClientNumber, request: Asked) {
        let Asked { flags, deadline, reply } = request;
        let items = work.len();
        self.handle.submit_bulk(Box::new(Requests {
            handle: self.handle.clone(),
            work,
            given: 0,
            client: bookkeeping::ClientNumber(client.0),
            slot: self.slot,
            flags,
            deadline,
            is_late: false,
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
        let Request { flags, deadline, content, .. } = request;
        let refuse = |reply: Reply, code, text: String| {
            reply.finish(ReplyBody::refused(&Refused::new(code, text)));
        };
        if flags.all_or_nothing {
            let text = "all-or-nothing requests are not taken by this version".to_owned();
            return refuse(reply, RefusedCode::Unsupported, text);
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
                self.submit(Work::Transfers(transfers), client, asked);
            }
            Content::Commands(commands) => match self.decode(client, &commands) {
                Ok(commands) => self.submit(Work::Commands(commands), client, asked),
                Err(refused) => asked.reply.finish(ReplyBody::refused(&refused)),
            },
            Content::Lookup(lookups) => {
                if !self.clients.may(client.0, May::Read) {
                    return refuse(asked.reply, RefusedCode::NotPermitted, "to read".into());
                }
                let number = bookkeeping::ClientNumber(client.0);
                let keys = lookups.iter().map(|lookup| key_of(number, &lookup)).collect();
                self.submit(Work::Lookups(keys), client, asked);
            }
            Content::Query(bytes) => {
                if !self.clients.may(client.0, May::Read) {
                    return refuse(asked.reply, RefusedCode::NotPermitted, "to read".into());
                }
                match from_canonical::<Query>(&bytes) {
                    Ok(query) => self.ask(query, asked.reply),
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

    fn ask(&self, query: Query, reply: Reply) {
        let aside = match query.asks() {
            Asks::Book => None,
            Asks::Views => Some((&self.behind.questions, "read models")),
            Asks::Proofs => Some((&self.behind.proofs, "log")),
        };
        if let Some((questions, what)) = aside {
            let Some(questions) = questions else {
                let text = format!("this book keeps no {what}: start it with them");
                let refused = Refused::new(RefusedCode::Unsupported, text);
                return reply.finish(ReplyBody::refused(&refused));
            };
            return match questions.try_send((query, reply)) {
                Ok(()) => {}
                Err(TrySendError::Full((_, reply))) => reply.finish(busy()),
                Err(TrySendError::Disconnected((_, reply))) => reply.finish(stopped(&self.handle)),
            };
        }
        let (behind, handle) = (self.behind.clone(), self.handle.clone());
        let is_status = query == Query::Status;
        let filled = move |said| if is_status { behind.status() } else { said };
        let done = move |answered: Answer<_>| {
            reply.finish(match answered {
                Answer::Done { outcome, position, .. } => {
                    ReplyBody::answer(&to_canonical(&Told { position, said: filled(outcome) }))
                }
                Answer::Unknown | Answer::Busy => busy(),
                Answer::NotTaken(_) | Answer::NotRecalled(_) | Answer::Stopped => stopped(&handle),
            });
        };
        self.handle.read(move |book| answer(book, &query), done);
    }
}

impl Behind {
    fn status(&self) -> Said {
        Said::Status {
            log: self.log.as_ref().map(|log| Position::new(log.watch().durable())),
            views: self.views.as_ref().map(Progress::next),
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

fn busy() -> ReplyBody {
    ReplyBody::not_done(&NotDone::new(NotDoneCode::Busy, ""), BUSY_RETRY_MS)
}

/// Surely not done, with what keeps the book from taking anything.
fn stopped(handle: &BookHandle<LedgerBook>) -> ReplyBody {
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

const fn reason(number: u16) -> Option<Reason> {
    Some(match number {
        0 => Reason::Payment,
        1 => Reason::Fee,
        2 => Reason::Funding,
        3 => Reason::Defunding,
        4 => Reason::Return,
        5 => Reason::Refund,
        6 => Reason::Correction,
        7 => Reason::Blocking,
        _ => return None,
    })
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
    Lookups(Vec<Option<Key>>),
}

impl Work {
    fn len(&self) -> usize {
        match self {
            Self::Transfers(transfers) => transfers.len(),
            Self::Commands(commands) => commands.len(),
            Self::Lookups(keys) => keys.len(),
        }
    }
}

/// The items of one request on the writer's thread.
struct Requests {
    handle: BookHandle<LedgerBook>,
    work: Work,
    given: usize,
    client: bookkeeping::ClientNumber,
    slot: SaltSlot,
    flags: RequestFlags,
    deadline: Option<Clock>,
    is_late: bool,
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
    fn fill(&mut self, into: &mut Vec<bookkeeping::Request>) {
        if self.given == 0 && self.deadline.is_some_and(|deadline| Clock::now() >= deadline) {
            self.is_late = true;
            return;
        }
        let from = self.given;
        match &self.work {
            Work::Transfers(transfers) => {
                let next = transfers.iter().skip(from).take(CHUNK);
                into.extend(next.map(|one| self.request(What::Do(command(&one)))));
            }
            Work::Commands(commands) => {
                let next = commands.iter().skip(from).take(CHUNK);
                into.extend(next.map(|one| self.request(What::Do(one.clone()))));
            }
            Work::Lookups(keys) => {
                let nothing = Key::hold(terms::HoldId::from_bytes([0; 16]));
                let next = keys.iter().skip(from).take(CHUNK);
                into.extend(next.map(|key| self.request(What::Find(key.unwrap_or(nothing)))));
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
            Outcome::Refused { refusal } => refused(out, &refusal, &place),
            Outcome::RefusedBefore { refused, .. } => match rule_named(&refused.rule) {
                Some(rule) => out.refused(rule, None, None),
                None => out.unknown(),
            },
        }
    }

    fn not_taken(&mut self, why: &str) {
        tracing::warn!(why, "an item was not taken");
        self.results.not_done();
    }

    fn finish(self: Box<Self>, end: BulkEnd) {
        let body = match end {
            BulkEnd::Durable { .. } if self.is_late => {
                ReplyBody::not_done(&NotDone::new(NotDoneCode::Late, ""), 0)
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

fn refused(out: &mut ResultsWriter, refusal: &Refusal, place: &BulkPlace) {
    if let Refusal::IdUsedWithOtherContent { field } = refusal {
        return out.conflict(Field::named(field), place.position, place.stamp);
    }
    let detail = match refusal {
        Refusal::InsufficientFunds { account, expected, got }
        | Refusal::CeilingExceeded { account, expected, got } => {
            Some(wire::Detail::of_account(*account, *expected, *got))
        }
        Refusal::UnknownAccount { account } => {
            Some(wire::Detail::of(wire::Subject::Account, account.bytes()))
        }
        Refusal::UnknownHold { hold } => Some(wire::Detail::of(wire::Subject::Hold, hold.bytes())),
        _ => None,
    };
    out.refused(rule_of(refusal), None, detail);
}

/// The protocol's number of a rule.
const fn rule_of(refusal: &Refusal) -> Rule {
    match refusal {
        Refusal::AccountClosed { .. } => Rule::AccountClosed,
        Refusal::AccountFrozen { .. } => Rule::AccountFrozen,
        Refusal::AccountNotEmpty { .. } => Rule::AccountNotEmpty,
        Refusal::AmountExceedsHold { .. } => Rule::AmountExceedsHold,
        Refusal::AmountMustBePositive { .. } => Rule::AmountMustBePositive,
        Refusal::AmountTooLarge { .. } => Rule::AmountTooLarge,
        Refusal::BalanceOutsideLimits { .. } => Rule::BalanceOutsideLimits,
        Refusal::CeilingExceeded { .. } => Rule::CeilingExceeded,
        Refusal::DebitsMustEqualCredits { .. } => Rule::DebitsMustEqualCredits,
        Refusal::EntriesOutOfRange { .. } => Rule::EntriesOutOfRange,
        Refusal::EverythingMustBeBounded { .. } => Rule::EverythingMustBeBounded,
        Refusal::EvidenceRequired { .. } => Rule::EvidenceRequired,
        Refusal::ExpiryMustBeLater { .. } => Rule::ExpiryMustBeLater,
        Refusal::HoldAccountDiffers { .. } => Rule::HoldAccountDiffers,
        Refusal::HoldAlreadyExpired { .. } => Rule::HoldAlreadyExpired,
        Refusal::HoldAlreadyPinned { .. } => Rule::HoldAlreadyPinned,
        Refusal::HoldAlreadyPosted { .. } => Rule::HoldAlreadyPosted,
        Refusal::HoldAlreadyVoided { .. } => Rule::HoldAlreadyVoided,
        Refusal::HoldSideDiffers { .. } => Rule::HoldSideDiffers,
        Refusal::HoldsMustDiffer { .. } => Rule::HoldsMustDiffer,
        Refusal::IdUsedWithOtherContent { .. } => Rule::IdUsedWithOtherContent,
        Refusal::InsufficientFunds { .. } => Rule::InsufficientFunds,
        Refusal::LimitAssetDiffers { .. } => Rule::LimitAssetDiffers,
        Refusal::LimitsMustDiffer { .. } => Rule::LimitsMustDiffer,
        Refusal::LimitsOutOfRange { .. } => Rule::LimitsOutOfRange,
        Refusal::LinksOutOfRange { .. } => Rule::LinksOutOfRange,
        Refusal::MetadataKeysMustDiffer { .. } => Rule::MetadataKeysMustDiffer,
        Refusal::MetadataOutOfRange { .. } => Rule::MetadataOutOfRange,
        Refusal::MetadataTooLarge { .. } => Rule::MetadataTooLarge,
        Refusal::NothingToMove => Rule::NothingToMove,
        Refusal::RemaindersMustDiffer { .. } => Rule::RemaindersMustDiffer,
        Refusal::SharesMustFaceOneWay { .. } => Rule::SharesMustFaceOneWay,
        Refusal::UnknownAccount { .. } => Rule::UnknownAccount,
        Refusal::UnknownHold { .. } => Rule::UnknownHold,
        Refusal::VelocityAmountExceeded { .. } => Rule::VelocityAmountExceeded,
        Refusal::VelocityCountExceeded { .. } => Rule::VelocityCountExceeded,
        Refusal::WeightMustBePositive { .. } => Rule::WeightMustBePositive,
    }
}

/// The protocol's number of a rule, by the name that stands in facts; `None` for a name that only a
/// later version knows.
fn rule_named(name: &str) -> Option<Rule> {
    Rule::ALL.iter().find(|rule| format!("{rule:?}") == name).copied()
}
