//! Drives transfers over rails: the steps are `clearing::outside`'s, here they are carried.
//!
//! One task looks for what came in and for transfers that nobody drives, at the start after a
//! crash as in the middle of the day; one task drives one transfer, and few call a rail at once.
//! A driver may die at any moment: what it knew is forgotten, and the next begins with the rail
//! being asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::Role;
use clearing::outside::{
    Effect, Input, Live, PATIENCE, Patience, Rails, Report, Resend, Sending, Step, Transfer, step,
};
use clearing::{
    CheckedOutgoing, OutsideAnswer, OutsideWork, Rule, SettlementAnswer, SettlementWork,
};
use client::Peer;
use record::{OutgoingParties, Signed, StuckAct, Withdrawal};
use seal::{PublicKey, SigningKey};
use serde::{Deserialize, Serialize};
use terms::{AssetCode, OutsideId, RailName};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use super::books::Failed;
use super::config::Config;
use super::customers::CustomersPort;
use super::drills::REPORT_KEY;
use super::orders::Clearing;
use super::standby::{Renewed, Standing};
use crate::rail::messages::{credit_transfer, reports};
use crate::rail::{
    AnyRail, Arrived, FileRail, MESSAGE_BYTES_MAX, OutsideAccount, Prepared, Rail, RemoteRail,
    Verdict,
};
use crate::roles::RoleError;
use crate::system;

/// Pause between two looks at what came in and what is open.
const TICK: Duration = Duration::from_millis(200);
/// Pause after a book took nothing.
const BOOK_PAUSE: Duration = Duration::from_millis(200);
/// Calls to rails at one time: a slow rail must not hold every thread and socket.
const CALLS_AT_ONCE: usize = 16;
/// How long an answer of a rail is waited for.
const ANSWER_WITHIN_MS: u64 = 5_000;

/// A rail in `role.json`: it carries one asset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RailEntry {
    /// Its name, in facts for ever.
    #[serde(with = "api::wire::text")]
    pub name: RailName,
    /// What it carries.
    #[serde(with = "api::wire::text")]
    pub asset: AssetCode,
    /// Which adapter.
    pub adapter: Adapter,
    /// The outside account that the money leaves.
    pub account: OutsideAccount,
    /// How patient to be; absent: a minute to give up, an hour until a person must look.
    #[serde(default)]
    pub patience: Option<PatienceEntry>,
}

/// Which adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adapter {
    /// Folders `outbox` and `inbox` below `rails/NAME` in the core's folder.
    File,
    /// The peer of this name, over HTTP: the simulator.
    Peer(String),
}

/// How patient to be with a rail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatienceEntry {
    /// The first pause; the next ones double.
    pub first_pause_ms: u64,
    /// The longest pause.
    pub pause_max_ms: u64,
    /// How long a send that surely was not done is tried again.
    pub give_up_ms: u64,
    /// How long a transfer may be without an end before a person must look.
    pub stuck_ms: u64,
    /// How long an answer is waited for.
    pub answer_within_ms: u64,
    /// Whether the rail executes one message id at most once, so that the same message may be
    /// sent again when the rail does not know it: `same-message` or `never`.
    pub resend: ResendEntry,
}

/// Whether a message may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResendEntry {
    /// The very same one.
    SameMessage,
    /// Never.
    Never,
}

impl PatienceEntry {
    fn read(&self) -> Patience {
        Patience {
            first_pause: Duration::from_millis(self.first_pause_ms),
            pause_max: Duration::from_millis(self.pause_max_ms),
            give_up_after: Duration::from_millis(self.give_up_ms),
            stuck_after: Duration::from_millis(self.stuck_ms),
            resend: match self.resend {
                ResendEntry::SameMessage => Resend::SameMessage,
                ResendEntry::Never => Resend::Never,
            },
        }
    }
}

#[derive(Debug)]
struct Link {
    name: RailName,
    account: OutsideAccount,
    patience: Patience,
    rail: AnyRail,
}

/// Counters, since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Messages handed over, by how it ended.
    sent: AtomicU64,
    not_sent: AtomicU64,
    in_doubt: AtomicU64,
    /// Questions.
    asked: AtomicU64,
    /// Messages that came in.
    taken: AtomicU64,
    refused: AtomicU64,
    /// Times that a person was called.
    alarms: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The order does not make a message for the rail, or no rail carries the asset.
    #[error("{0}")]
    NotAccepted(String),
    /// A rule said no.
    #[error(transparent)]
    Refused(#[from] Rule),
    /// The world failed.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// The rails of the core, and who drives what.
#[derive(Debug)]
pub struct Outside {
    links: BTreeMap<AssetCode, Link>,
    operators: Vec<PublicKey>,
    driven: Mutex<BTreeSet<OutsideId>>,
    calls: Semaphore,
    wake: Notify,
    figures: Figures,
    /// The lease of a shared journal, where there is one.
    lease: Option<Renewed>,
}

impl Outside {
    /// Opens the rails of the configuration.
    pub fn open(
        dir: &Path,
        config: &Config,
        key: impl Fn() -> Result<SigningKey, RoleError>,
        lease: Option<Renewed>,
    ) -> Result<Self, RoleError> {
        let wrong = |what: String| RoleError::Unsound(format!("rails: {what}"));
        let mut links = BTreeMap::new();
        for entry in &config.rails {
            let link = Link {
                name: entry.name,
                account: entry.account.clone(),
                patience: entry.patience.as_ref().map_or(PATIENCE, PatienceEntry::read),
                rail: open_rail(dir, config, entry, &key)?,
            };
            if links.insert(entry.asset, link).is_some() {
                return Err(wrong(format!("two rails carry `{}`", entry.asset)));
            }
        }
        let known = config.common.peers_of(Role::Operator);
        let operators = known.filter_map(|operator| operator.key(REPORT_KEY)).collect();
        Ok(Self {
            links,
            operators,
            driven: Mutex::new(BTreeSet::new()),
            calls: Semaphore::new(CALLS_AT_ONCE),
            wake: Notify::new(),
            figures: Figures::default(),
            lease,
        })
    }

    fn driven(&self) -> MutexGuard<'_, BTreeSet<OutsideId>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a participant's order. What the rail could not be told is refused before anything is
    /// held.
    pub async fn request(
        &self,
        clearing: &Clearing,
        signed: Signed<Withdrawal>,
    ) -> Result<Transfer, NotDone> {
        let asked = signed.read_unverified();
        let asked = asked.map_err(|error| NotDone::NotAccepted(error.to_string()))?;
        let asset = asked.amount.asset;
        let link = self.links.get(&asset);
        let link =
            link.ok_or_else(|| NotDone::NotAccepted(format!("no rail carries `{asset}`")))?;
        let account = terms::AccountId::from_bytes([0; 16]);
        let placed = (terms::Position::ZERO, system::now());
        let trial = Transfer::held(&signed, &asked, account, placed);
        credit_transfer(&trial, None, &link.account).map_err(NotDone::NotAccepted)?;
        let id = asked.id;
        refused(ask(clearing, OutsideWork::Request(Box::new(signed))).await?)?;
        self.wake.notify_one();
        look(clearing, id).await?.ok_or(NotDone::Failed(Failed::Unknown))
    }

    /// Whether a rail carries an outgoing payment's asset and could be told of it.
    pub fn carries(&self, checked: &CheckedOutgoing) -> Result<(), String> {
        let asked = checked.order();
        let asset = asked.amount.asset;
        let link = self.links.get(&asset).ok_or_else(|| format!("no rail carries `{asset}`"))?;
        let account = terms::AccountId::from_bytes([0; 16]);
        let placed = (terms::Position::ZERO, system::now());
        let trial = Transfer::of_payment(checked.signed(), asked, account, placed);
        credit_transfer(&trial, Some(checked.parties()), &link.account).map(|_| ())
    }

    /// A person's act on a stuck transfer; an operator's key `report` must have signed it.
    pub async fn resolve(
        &self,
        clearing: &Clearing,
        signed: Signed<StuckAct>,
    ) -> Result<Transfer, NotDone> {
        let known = self.operators.iter().find(|key| key.key_id() == signed.key());
        let Some(key) = known else {
            let why = "no operator's key signed this act".to_owned();
            return Err(NotDone::NotAccepted(why));
        };
        let act = signed.verify(key);
        let act = act.map_err(|error| NotDone::NotAccepted(error.to_string()))?;
        if act.reason.trim().is_empty() || act.by.trim().is_empty() {
            return Err(NotDone::NotAccepted("an act names its person and its reason".to_owned()));
        }
        refused(ask(clearing, OutsideWork::Resolve(Box::new(signed))).await?)?;
        self.wake.notify_one();
        look(clearing, act.id).await?.ok_or(NotDone::Failed(Failed::Unknown))
    }

    /// Gives a message of a rail to the transfer that it is about. Booked debit lines do not come
    /// this way: the book itself gives them to their transfer, in the fact that counts the line.
    async fn hear(
        &self,
        clearing: &Clearing,
        id: OutsideId,
        report: Report,
    ) -> Result<(), NotDone> {
        // Another word may be recorded between the look and the step: this one is said once more to
        // what stands then.
        for last in [false, true] {
            match self.feed_once(clearing, id, Input::Heard(report.clone())).await? {
                OutsideAnswer::Now => return Ok(()),
                OutsideAnswer::Before | OutsideAnswer::Refused(_) if !last => {}
                OutsideAnswer::Before => return Ok(()),
                OutsideAnswer::Refused(rule) => return Err(rule.into()),
            }
        }
        Ok(())
    }

    async fn feed_once(
        &self,
        clearing: &Clearing,
        id: OutsideId,
        input: Input,
    ) -> Result<OutsideAnswer, NotDone> {
        let Some(transfer) = look(clearing, id).await? else {
            return Err(NotDone::NotAccepted(format!("no transfer `{id}`")));
        };
        let asset = transfer.amount.asset;
        let link = self.links.get(&asset);
        let Some(rail) = transfer.rail.or(link.map(|link| link.name)) else {
            return Err(NotDone::NotAccepted(format!("no rail carries `{asset}`")));
        };
        let rails = Rails { rail, patience: link.map_or(&PATIENCE, |link| &link.patience) };
        let made = step(&transfer, Live::RECOVERED, rails, system::now(), input);
        let answer = match made.work {
            Some(work) => ask(clearing, work).await?,
            None => OutsideAnswer::Now,
        };
        if let (Effect::Alarm(words), OutsideAnswer::Now) = (made.then, &answer) {
            self.alarm(&words);
        }
        Ok(answer)
    }

    /// Looks for what is open now.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    fn alarm(&self, words: &str) {
        count(&self.figures.alarms);
        tracing::error!(words, "a person must look");
    }

    /// Refuses a configuration under which a transfer under way could not be asked about over the
    /// rail that has it.
    pub async fn check_driven(&self, clearing: &Clearing) -> Result<(), RoleError> {
        let rails: BTreeMap<AssetCode, RailName> =
            self.links.iter().map(|(asset, link)| (*asset, link.name)).collect();
        let stray = move |state: &clearing::SettlementBook| {
            let mut driven = state.driven_transfers().filter_map(|id| state.transfer(id));
            driven.find_map(|one| stray(&rails, one))
        };
        let found = clearing.books.settlement.look(stray).await;
        match found.map_err(|error| RoleError::Unsound(error.to_string()))?.outcome {
            None => Ok(()),
            Some(words) => Err(RoleError::Unsound(format!("rails: {words}"))),
        }
    }

    /// Counters in the text format of Prometheus.
    #[must_use]
    pub fn figures(&self) -> String {
        let Figures { sent, not_sent, in_doubt, asked, taken, refused, alarms } = &self.figures;
        let rows = [
            ("rail_sends_total{end=\"sent\"}", sent),
            ("rail_sends_total{end=\"not_done\"}", not_sent),
            ("rail_sends_total{end=\"unknown\"}", in_doubt),
            ("rail_questions_total", asked),
            ("rail_messages_total{verdict=\"taken\"}", taken),
            ("rail_messages_total{verdict=\"refused\"}", refused),
            ("rail_alarms_total", alarms),
        ];
        let line = |(name, counter): (&str, &AtomicU64)| {
            format!("wayleave_{name} {}\n", counter.load(Ordering::Relaxed))
        };
        rows.into_iter().map(line).collect()
    }

    async fn call_send(&self, clearing: &Clearing, link: &Link, transfer: &Transfer) -> Sending {
        let parties = match parties_of(clearing, transfer).await {
            Ok(parties) => parties,
            Err(error) => return Sending::NotDone(error),
        };
        let xml = match credit_transfer(transfer, parties.as_ref(), &link.account) {
            Ok(xml) => xml,
            Err(error) => return Sending::NotDone(error),
        };
        let prepared = Prepared { id: transfer.id, message_id: transfer.message_id(), xml };
        let Ok(_permit) = self.calls.acquire().await else {
            return Sending::NotDone("the core is stopping".to_owned());
        };
        // A core that may have been replaced, and does not know what was decided since, sends
        // nothing: whoever leads asks the rail, and sends the very same where that is allowed.
        if let Err(reason) = may_call(self.lease.as_ref()) {
            return Sending::NotDone(reason);
        }
        let sent = link.rail.send(&prepared).await;
        count(match &sent {
            Sending::Sent(_) => &self.figures.sent,
            Sending::NotDone(_) => &self.figures.not_sent,
            Sending::Unknown(_) => &self.figures.in_doubt,
        });
        sent
    }

    async fn call_ask(&self, link: &Link, transfer: &Transfer) -> clearing::outside::Asking {
        let Ok(_permit) = self.calls.acquire().await else {
            return clearing::outside::Asking::Unknown("the core is stopping".to_owned());
        };
        count(&self.figures.asked);
        let asking = link.rail.ask(transfer.id).await;
        link.rail.believed(asking, transfer.intended_at)
    }

    /// One transfer to its end, or to the hands of a person.
    async fn drive(&self, clearing: &Clearing, id: OutsideId) {
        let (mut live, mut input) = (Live::RECOVERED, Input::Begun);
        loop {
            let transfer = match look(clearing, id).await {
                // What the rail said is in the book, even when somebody else ended it meanwhile.
                Ok(Some(transfer)) if transfer.phase.is_driven() || input.report().is_some() => {
                    transfer
                }
                Ok(_) => return,
                Err(_) => {
                    tokio::time::sleep(BOOK_PAUSE).await;
                    (live, input) = (Live::RECOVERED, input.again());
                    continue;
                }
            };
            // The rail of its asset; a step over one that is not the transfer's own asks a person.
            let Some(link) = self.links.get(&transfer.amount.asset) else { return };
            let rails = Rails { rail: link.name, patience: &link.patience };
            let made = step(&transfer, live, rails, system::now(), input.clone());
            (live, input) = self.carry(clearing, link, (&transfer, input), made).await;
        }
    }

    /// Records first; only what this very call recorded is acted upon.
    async fn carry(
        &self,
        clearing: &Clearing,
        link: &Link,
        (transfer, input): (&Transfer, Input),
        made: Step,
    ) -> (Live, Input) {
        let id = transfer.id;
        // Said once more at once; a word that is refused again is one that the rail tells again.
        let said_again = matches!(input, Input::Heard(_));
        let again = (Live::RECOVERED, if said_again { Input::Begun } else { input.again() });
        if let Some(work) = made.work {
            match ask(clearing, work).await {
                Ok(OutsideAnswer::Now) => {}
                Ok(OutsideAnswer::Before) => return again,
                Ok(OutsideAnswer::Refused(_)) if again.1.report().is_some() => return again,
                Ok(OutsideAnswer::Refused(rule)) => {
                    tracing::warn!(%id, %rule, "a step of a transfer is refused; tried again");
                    tokio::time::sleep(link.patience.pause_max).await;
                    return again;
                }
                Err(_) => {
                    tokio::time::sleep(BOOK_PAUSE).await;
                    return (Live::RECOVERED, input.again());
                }
            }
        }
        let begin = (Live::RECOVERED, Input::Begun);
        let input = match made.then {
            Effect::Send => match look(clearing, id).await {
                Ok(Some(now)) if now.rail == Some(link.name) => {
                    Input::Handed(self.call_send(clearing, link, &now).await)
                }
                Ok(_) | Err(_) => return begin,
            },
            Effect::Ask => Input::Asked(self.call_ask(link, transfer).await),
            Effect::Wait(pause) => {
                tokio::time::sleep(pause).await;
                Input::Timer
            }
            Effect::Nothing => Input::Timer,
            Effect::Alarm(words) => {
                self.alarm(&words);
                Input::Timer
            }
        };
        (made.live, input)
    }

    /// Takes one message: whatever it says is in the book before it counts as taken.
    async fn take(&self, clearing: &Clearing, link: &Link, arrived: &Arrived) -> Option<Verdict> {
        if arrived.bytes.len() > MESSAGE_BYTES_MAX {
            let why = format!("longer than {MESSAGE_BYTES_MAX} bytes");
            return Some(Verdict::Refused(why));
        }
        let found = match reports(&arrived.bytes) {
            Ok(found) => found,
            Err(why) => return Some(Verdict::Refused(why)),
        };
        let mut of = Vec::new();
        for (id, report) in found {
            match look(clearing, id).await {
                Ok(Some(known)) if known.rail.is_none_or(|rail| rail == link.name) => {}
                // No transfer of ours, or one that went over another rail: not for this one to say.
                Ok(_) => continue,
                Err(_) => return None,
            }
            match self.hear(clearing, id, report).await {
                Ok(()) => of.push(id.to_string()),
                Err(NotDone::NotAccepted(_)) => {}
                Err(NotDone::Refused(rule)) => return Some(Verdict::Refused(rule.to_string())),
                // It stays where it is and comes again.
                Err(NotDone::Failed(_)) => return None,
            }
        }
        if of.is_empty() {
            return Some(Verdict::Refused("it names no transfer of ours".to_owned()));
        }
        Some(Verdict::Taken(of))
    }

    async fn take_incoming(&self, clearing: &Clearing, link: &Link) {
        for arrived in link.rail.incoming().await {
            let Some(verdict) = self.take(clearing, link, &arrived).await else { return };
            count(match &verdict {
                Verdict::Taken(_) => &self.figures.taken,
                Verdict::Refused(_) => &self.figures.refused,
            });
            link.rail.taken(&arrived, &verdict).await;
        }
    }
}

/// Runs until it is dropped: looks for what came in, and gives each open transfer its driver.
pub async fn keep(outside: Arc<Outside>, clearing: Arc<Clearing>) {
    if outside.links.is_empty() {
        return std::future::pending().await;
    }
    // Dropped with this: nobody holds the books once the core has let them go.
    let mut tasks = JoinSet::new();
    for asset in outside.links.keys() {
        let asset = *asset;
        let (outside, clearing) = (Arc::clone(&outside), Arc::clone(&clearing));
        tasks.spawn(async move {
            while let Some(link) = outside.links.get(&asset) {
                outside.take_incoming(&clearing, link).await;
                tokio::time::sleep(TICK).await;
            }
        });
    }
    loop {
        let open = |state: &clearing::SettlementBook| state.driven_transfers().collect::<Vec<_>>();
        if let Ok(placed) = clearing.books.settlement.look(open).await {
            for id in placed.outcome {
                if outside.driven().insert(id) {
                    let driving = Driving(Arc::clone(&outside), id);
                    let clearing = Arc::clone(&clearing);
                    tasks.spawn(async move { driving.0.drive(&clearing, driving.1).await });
                }
            }
        }
        while tasks.try_join_next().is_some() {}
        let _ = tokio::time::timeout(TICK, outside.wake.notified()).await;
    }
}

/// One transfer has its driver; when that ends, also by a panic, another may begin.
struct Driving(Arc<Outside>, OutsideId);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.driven().remove(&self.1);
    }
}

/// Refuses a rail of files for cores that share a journal. An absent file is the word of one disk
/// that nothing was sent; on another core's disk it would be the word of nobody, and the message
/// would go out twice.
pub fn check_shared(config: &Config) -> Result<(), RoleError> {
    match config.rails.iter().find(|entry| entry.adapter == Adapter::File) {
        None => Ok(()),
        Some(entry) => Err(RoleError::Unsound(format!(
            "rails: `{}` is a rail of files on one machine; cores over a shared journal need one \
             that is called",
            entry.name
        ))),
    }
}

fn open_rail(
    dir: &Path,
    config: &Config,
    entry: &RailEntry,
    key: impl Fn() -> Result<SigningKey, RoleError>,
) -> Result<AnyRail, RoleError> {
    match &entry.adapter {
        Adapter::File => {
            let folder = dir.join("rails").join(entry.name.as_str());
            let world = RoleError::world(folder.display().to_string());
            FileRail::open(&folder).map(AnyRail::File).map_err(world)
        }
        Adapter::Peer(name) => {
            let peer: Peer = config.common.signing_peer(name)?;
            let within = entry.patience.as_ref().map_or(ANSWER_WITHIN_MS, |p| p.answer_within_ms);
            let rail = RemoteRail::new(peer, key()?, Duration::from_millis(within));
            Ok(AnyRail::Remote(Box::new(rail)))
        }
    }
}

async fn ask(clearing: &Clearing, work: OutsideWork) -> Result<OutsideAnswer, Failed> {
    let placed = clearing.books.settlement.ask(SettlementWork::Outside(Box::new(work))).await?;
    match placed.outcome {
        SettlementAnswer::Outside(answer) => Ok(answer),
        _ => Err(Failed::Unknown),
    }
}

/// What is wrong when the rails of the configuration do not carry a transfer under way.
fn stray(rails: &BTreeMap<AssetCode, RailName>, transfer: &Transfer) -> Option<String> {
    let (own, asset) = (transfer.rail?, transfer.amount.asset);
    if rails.get(&asset) == Some(&own) {
        return None;
    }
    Some(format!(
        "transfer `{}` is under way over rail `{own}`, which does not carry `{asset}` in this \
         configuration; name it there until the transfer has ended",
        transfer.id
    ))
}

fn refused(answer: OutsideAnswer) -> Result<(), Rule> {
    match answer {
        OutsideAnswer::Now | OutsideAnswer::Before => Ok(()),
        OutsideAnswer::Refused(rule) => Err(rule),
    }
}

/// Who pays whom by a payment that a transfer carries: its bank's own book says so while the money
/// is held, which is until the rail gave an end. Nothing of it when it is a plain withdrawal.
async fn parties_of(
    clearing: &Clearing,
    transfer: &Transfer,
) -> Result<Option<OutgoingParties>, String> {
    let Some(carried) = transfer.carries.as_deref() else { return Ok(None) };
    let port = clearing.books.customers.get(&transfer.participant);
    let book = port.and_then(CustomersPort::hosted);
    let book = book.ok_or_else(|| format!("no book of `{}` here", transfer.participant))?;
    let payment = carried.payment;
    let found = book.look(move |state| state.outgoing_parties(payment).cloned()).await;
    let found = found.map_err(|error| error.to_string())?.outcome;
    let parties = found.filter(|parties| parties.commitment() == carried.parties);
    parties.map(Some).ok_or_else(|| format!("`{payment}`: its parties are not in its bank's book"))
}

/// A transfer as it stands.
pub async fn look(clearing: &Clearing, id: OutsideId) -> Result<Option<Transfer>, Failed> {
    let placed = clearing.books.settlement.look(move |s| s.transfer(id).cloned()).await?;
    Ok(placed.outcome)
}

/// Whether a rail may be called: not by a core whose lease is in doubt.
fn may_call(lease: Option<&Renewed>) -> Result<(), String> {
    if lease.is_some_and(|lease| lease.standing() != Standing::Held) {
        return Err("the lease could not be renewed in time".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod lease_tests {
    use store::PostgresConfig;
    use store::postgres::Lease;

    use super::*;

    fn renewed(lease_time: Duration) -> Renewed {
        // Nobody listens there: no renewal ever succeeds.
        let nowhere = "host=127.0.0.1 port=1 user=a password=b dbname=c sslmode=disable";
        let shared = PostgresConfig::parse("settlement".parse().unwrap(), nowhere).unwrap();
        let lease = Lease::open(shared, terms::RunId::from_bytes([7; 16]), "here".to_owned());
        Renewed::start(Arc::new(lease.unwrap()), lease_time).unwrap()
    }

    #[test]
    fn a_core_whose_lease_is_in_doubt_calls_no_rail() {
        assert_eq!(may_call(None), Ok(()));
        let held = renewed(Duration::from_secs(3_600));
        assert_eq!(may_call(Some(&held)), Ok(()));
        let doubtful = renewed(Duration::from_millis(60));
        while doubtful.standing() == Standing::Held {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(may_call(Some(&doubtful)).unwrap_err().contains("lease"));
    }
}
