//! What the core does before it serves again, and what it says about it.
//!
//! 1. Roll-back guard: the journal is compared with its own log, then every configured witness is
//!    asked what it holds. A journal that is shorter than its log, a log that is shorter than a
//!    witness's, or either forked, is not served: somebody restored an older copy.
//! 2. Payments under way: each open hold is driven to its end by the route, asking the
//!    settlement book, never guessing; each settled payment whose creditor was not credited yet
//!    is completed.
//! 3. The recovery certificate is signed and recorded; its receipt is what the witnesses sign.
//!
//! A crash in the middle of recovery is an ordinary crash: every step is a fact or a read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::bank::MIRROR_MAX;
use clearing::SettlementWork;
use clearing::route::{Finish, Route, Shown, shown};
use clearing::settlement::transit::InTransit;
use evidence::SignedCheckpoint;
use evidence::exchange::Answer;
use record::settlement::CERTIFICATE_FIELD;
use record::{
    Ending, Fact, FactBody, PaymentReturned, RecoveryCertificate, RecoveryFile, Resolved,
    ResolvedEnd, Settled, Signed,
};
use terms::{Instant, InstitutionName, PaymentId, Position, RunId};
use tokio::task::JoinSet;

use super::books::Failed;
use super::customers::CustomersPort;
use super::files::replace;
use super::orders::{Clearing, NoPromise};
use super::projection::{Published, WitnessLink, once};
use super::receipts;
use crate::roles::RoleError;
use crate::system;
use crate::web::Readiness;

/// Written when the process ended in order: then nothing was interrupted.
const CLEAN_FILE: &str = "clean";
/// Pause between two askings of a bank that is away.
const BANK_PAUSE: Duration = Duration::from_millis(250);
/// Pause between two looks at what is open in a bank that answers.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Payments brought to their end at once behind a bank that came back.
const AT_ONCE_MAX: usize = 32;
/// Where certificates lie, below the core's folder.
const RECOVERY_FOLDER: &str = "recovery";

/// Whether the last run ended in order; forgets it, so that a crash of this run shows.
pub fn ended_in_order(dir: &Path) -> Result<bool, RoleError> {
    let path = dir.join(CLEAN_FILE);
    match std::fs::remove_file(&path) {
        Ok(()) => {
            // Else a power cut brings the mark back, and the crash of this run would not show.
            let gone = std::fs::File::open(dir).and_then(|folder| folder.sync_all());
            gone.map_err(RoleError::world(path.display().to_string()))?;
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(RoleError::world(path.display().to_string())(error)),
    }
}

/// Says that this run ended in order.
pub fn mark_end(dir: &Path) -> std::io::Result<()> {
    replace(&dir.join(CLEAN_FILE), b"")
}

/// What the witnesses say of this log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// It extends what every witness holds.
    Sound,
    /// A witness cannot be asked: nothing is served before it is.
    NotAsked(String),
}

/// Refuses a journal that ends before its own log, or whose facts are not the log's leaves.
///
/// The witnesses see the log only. Where the books were restored from an older copy and the log
/// was not, they agree with the log, and every fact from then on would stand at a position whose
/// leaf is another fact's: its promise could never be kept. The newest leaf stands for all before
/// it here; `wayleave fsck` compares each.
pub async fn compare(clearing: &Clearing, published: &Published) -> Result<(), RoleError> {
    let size = published.log().size();
    let head = clearing.books.settlement.recovery.tip.next.number();
    let unsound = |reason: String| Err(RoleError::Unsound(reason));
    if size > head {
        return unsound(format!(
            "JournalRolledBack: the log holds {size} entries, this journal ends at {head}: \
             positions {head} to {} are missing; restore the newest copy",
            size.saturating_sub(1)
        ));
    }
    let Some(last) = size.checked_sub(1) else { return Ok(()) };
    let fact = clearing.facts.commitment(Position::new(last)).await;
    let fact = fact.map_err(|error| RoleError::Unsound(error.to_string()))?;
    if published.leaf(last).as_deref() == Some(record::leaf_bytes(&fact).as_slice()) {
        return Ok(());
    }
    unsound(format!(
        "JournalForked: leaf {last} of the log is not the commitment to fact {last} of this \
         journal; restore the journal that the log was made from"
    ))
}

/// Refuses to serve behind or beside what a witness holds.
pub async fn guard(
    published: &Published,
    client: &client::Client,
    witnesses: &mut [WitnessLink],
) -> Result<Guarded, RoleError> {
    let Some(newest) = published.log().published().cloned() else {
        return Err(RoleError::Unsound("the log has no checkpoint of its own".into()));
    };
    for witness in witnesses {
        if let Guarded::NotAsked(reason) = ask(published, client, witness, &newest).await? {
            return Ok(Guarded::NotAsked(reason));
        }
    }
    Ok(Guarded::Sound)
}

async fn ask(
    published: &Published,
    client: &client::Client,
    witness: &mut WitnessLink,
    newest: &SignedCheckpoint,
) -> Result<Guarded, RoleError> {
    let name = witness.peer.authority().to_owned();
    let head = newest.head().size;
    let unsound = |reason: String| Err(RoleError::Unsound(reason));
    for _ in 0..2 {
        match once(published, client, witness, newest).await {
            Ok(Answer::Cosigned { .. }) => {
                witness.size = head;
                return Ok(Guarded::Sound);
            }
            Ok(Answer::SawOther { size }) if size > head => {
                return unsound(format!(
                    "JournalRolledBack: witness {name} holds checkpoint {size}, this log ends at \
                     {head}: positions {head} to {} are missing; restore the newest copy",
                    size.saturating_sub(1)
                ));
            }
            Ok(Answer::SawOther { size }) => witness.size = size,
            Ok(Answer::Inconsistent) => {
                return unsound(format!(
                    "JournalForked: witness {name} refuses checkpoint {head} as no extension of \
                     what it holds; this journal is not the one that was witnessed"
                ));
            }
            Ok(other) => return unsound(format!("witness {name} answered {other:?}")),
            Err(reason) => {
                return Ok(Guarded::NotAsked(format!("witness {name} cannot be asked: {reason}")));
            }
        }
    }
    Ok(Guarded::NotAsked(format!("witness {name} names a new size at every asking")))
}

/// Brings every payment that was under way to its end, after an orderly end too: what is done
/// behind an answer may not have been done when the process was told to stop.
///
/// A payment that is stuck is not among the resolved: the certificate would state an end for it
/// that it does not have. Nor is one that waits for a bank that is away: [`behind`] goes on with
/// it. A book of this process that takes nothing now ends the start, which is tried again.
pub async fn resolve(clearing: &Arc<Clearing>) -> Result<Vec<Resolved>, Failed> {
    let mut resolved = Vec::new();
    for book in clearing.books.customers.values().filter(|book| book.hosted().is_some()) {
        for order in book.open_holds().await? {
            let Some(route) = Route::of_recovery(&order) else { continue };
            resolved.extend(finish(clearing, route).await?);
        }
        for route in returning(clearing, book).await? {
            resolved.extend(finish(clearing, route).await?);
        }
    }
    for route in in_transit(clearing, |_| true).await? {
        let payment = route.payment();
        let again = resolved.iter().any(|one: &Resolved| one.payment == payment);
        let done = finish(clearing, route).await?;
        resolved.extend(done.filter(|_| !again));
    }
    Ok(resolved)
}

/// The routes of the returns whose hold is open in a book. Who takes part is read from the
/// original's own fact, whatever that book says.
async fn returning(clearing: &Clearing, book: &CustomersPort) -> Result<Vec<Route>, Failed> {
    let mut routes = Vec::new();
    for order in book.open_returns().await? {
        let Ok(read) = order.read_unverified() else { continue };
        let original = clearing.original(read.original).await.map_err(|error| match error {
            NoPromise::Failed(failed) => failed,
            other => Failed::NotDone(other.to_string()),
        })?;
        routes.extend(Route::of_return_recovery(&order, original.return_parties()));
    }
    Ok(routes)
}

/// The route that completes a settled payment, refund or return.
pub(super) fn completing(fact: &Fact) -> Result<Option<Route>, Failed> {
    if let Ok(returned) = PaymentReturned::from_fact(fact) {
        return Ok(Route::of_return_recovery(&returned.order, returned.parties));
    }
    Settled::of_fact(fact)
        .map(|settled| Route::of_settled(&settled))
        .map_err(|error| Failed::NotDone(error.to_string()))
}

/// Drives a payment to its end; `None` when it is stuck, or waits for a bank that keeps its own
/// book: that is away, or does not show what a settled payment needs of it. [`behind`] asks such a
/// bank again; nobody else waits for it, a start neither.
async fn finish(clearing: &Arc<Clearing>, mut route: Route) -> Result<Option<Resolved>, Failed> {
    let payment = route.payment();
    let _live = clearing.live.enter(payment);
    let known = settled_before(clearing, payment).await?;
    match clearing.drive(&mut route).await {
        None if clearing.waits_for_a_bank(&route) => Ok(None),
        // Settled: `in_transit` shows it again to whoever asks one of its banks.
        None if known.is_some() && clearing.is_of_remote_banks(&route) => {
            tracing::error!(%payment, "a bank that keeps its own book holds it up");
            Ok(None)
        }
        None => Err(Failed::Unknown),
        Some(Finish::Stuck { .. }) => Ok(None),
        Some(finish) => Ok(Some(Resolved { payment, end: end_of(known, &finish) })),
    }
}

async fn settled_before(clearing: &Clearing, payment: PaymentId) -> Result<Option<Ending>, Failed> {
    let look = move |s: &clearing::SettlementBook| s.payment(payment).map(|e| e.ending.clone());
    Ok(clearing.books.settlement.look(look).await?.outcome)
}

fn end_of(known: Option<Ending>, finish: &Finish) -> ResolvedEnd {
    match (known, finish) {
        (Some(Ending::Settled), _) | (_, Finish::Ended(Ending::Settled, _)) => ResolvedEnd::Settled,
        (Some(Ending::Refused(_)), _) => ResolvedEnd::Refused,
        (None, _) => ResolvedEnd::NeverHappened,
    }
}

/// The routes of the settled payments, refunds and returns that a customers' book has not done its
/// part of. Those that are complete are said to be; those of a bank that is away are left out, and
/// so are those that a route of this process carries.
async fn in_transit(
    clearing: &Arc<Clearing>,
    wanted: impl Fn(&InTransit) -> bool,
) -> Result<Vec<Route>, Failed> {
    let all = |state: &clearing::SettlementBook| {
        let open = state.transit().iter();
        open.map(|(payment, one)| (payment, one.clone())).collect::<BTreeMap<_, _>>()
    };
    let mut open = clearing.books.settlement.look(all).await?.outcome;
    open.retain(|payment, one| wanted(one) && !clearing.live.carries(*payment));
    let mut undone: BTreeSet<PaymentId> = BTreeSet::new();
    let mut said_of: BTreeMap<PaymentId, BTreeSet<InstitutionName>> = BTreeMap::new();
    for (name, port) in &clearing.books.customers {
        let own = |one: &InTransit| one.debtor == *name || one.creditor == *name;
        let own: Vec<PaymentId> =
            open.iter().filter(|(_, one)| own(one)).map(|(payment, _)| *payment).collect();
        for some in own.chunks(MIRROR_MAX).filter(|_| !port.is_away()) {
            let said = match port.mirror(some.to_vec()).await {
                Ok(said) => said,
                // It went away in this moment: who waits for it asks again.
                Err(_) if port.is_away() => break,
                Err(error) => return Err(error),
            };
            let debtors =
                |payment: &&PaymentId| open.get(payment).is_some_and(|o| o.debtor == *name);
            let creditors = |payment: &&PaymentId| {
                open.get(payment).is_some_and(|o| o.creditor == *name && !o.outside)
            };
            undone.extend(said.not_debited.iter().filter(debtors));
            undone.extend(said.not_credited.iter().filter(creditors));
            for payment in some {
                said_of.entry(*payment).or_default().insert(*name);
            }
        }
    }
    let mut routes = Vec::new();
    for (payment, one) in &open {
        match (undone.contains(payment), both_said(one, said_of.get(payment))) {
            (false, true) => clearing.completions.note(*payment),
            // `super::outgoing` looks for every open hold of these.
            (true, _) if one.outside => {}
            (true, _) => {
                routes.extend(completing(&clearing.facts.fact(one.settled).await?)?);
            }
            (false, false) => {}
        }
    }
    Ok(routes)
}

/// Whether both banks of a payment spoke of it: one that was away when it was asked and is there a
/// moment later has said nothing.
fn both_said(one: &InTransit, said: Option<&BTreeSet<InstitutionName>>) -> bool {
    said.is_some_and(|said| said.contains(&one.debtor) && said.contains(&one.creditor))
}

/// Waits for a bank that keeps its own book, brings what waited for it to its end, and waits for
/// it to go away again; what is open there is looked for once more every while. Runs beside the
/// core, which serves meanwhile and says what it waits for.
pub async fn behind(clearing: Arc<Clearing>, bank: InstitutionName, readiness: Readiness) {
    let Some(book) = clearing.books.customers.get(&bank).and_then(CustomersPort::remote) else {
        return;
    };
    let topic = format!("bank {bank}");
    loop {
        match catch_up(&clearing, bank).await {
            Ok(CaughtUp::All) => {
                readiness.waits_no_more_for(&topic);
                // A hold that a core asked for before it died may reach the bank after this look.
                if tokio::time::timeout(LOOK_AGAIN, book.gone()).await.is_ok() {
                    tracing::warn!(%bank, "the bank does not answer");
                }
            }
            Ok(CaughtUp::SomeUnderWay) => readiness.waits_no_more_for(&topic),
            Err(error) => readiness.waits_for(&topic, &format!("waiting for bank {bank}: {error}")),
        }
        tokio::time::sleep(BANK_PAUSE).await;
    }
}

/// Whether a bank has nothing open that nobody carries.
enum CaughtUp {
    All,
    /// Routes of this process carry the rest now: look again.
    SomeUnderWay,
}

async fn catch_up(clearing: &Arc<Clearing>, bank: InstitutionName) -> Result<CaughtUp, Failed> {
    let port = clearing.books.customers.get(&bank);
    let port = port.ok_or_else(|| Failed::NotDone("no such bank".into()))?;
    if let Some(book) = port.remote() {
        book.probe().await?;
    }
    let mut routes = shown_by(clearing, bank, port).await?;
    routes.extend(returning(clearing, port).await?);
    routes.extend(in_transit(clearing, |one| one.debtor == bank || one.creditor == bank).await?);
    let carried = routes.iter().filter(|route| clearing.live.carries(route.payment())).count();
    let ended = routes.len().saturating_sub(carried);
    let mut driving = JoinSet::new();
    for route in routes.into_iter().filter(|route| !clearing.live.carries(route.payment())) {
        while driving.len() >= AT_ONCE_MAX {
            joined(driving.join_next().await)?;
        }
        let clearing = Arc::clone(clearing);
        driving.spawn(async move { finish(&clearing, route).await });
    }
    while !driving.is_empty() {
        joined(driving.join_next().await)?;
    }
    if port.is_away() {
        return Err(Failed::NotDone("it went away again".into()));
    }
    if ended > 0 {
        tracing::info!(%bank, ended, carried, "what waited for the bank was brought to its end");
    }
    Ok(if carried == 0 { CaughtUp::All } else { CaughtUp::SomeUnderWay })
}

/// The routes of the holds that a bank shows as open, as far as its word is worth something.
async fn shown_by(
    clearing: &Clearing,
    bank: InstitutionName,
    port: &CustomersPort,
) -> Result<Vec<Route>, Failed> {
    let trust = clearing.trust();
    let here = (clearing.environment, clearing.book);
    let mut routes = Vec::new();
    for order in port.open_holds().await? {
        let Some(payment) = Route::of_recovery(&order).map(|route| route.payment()) else {
            tracing::error!(%bank, "the bank shows a hold that does not read");
            continue;
        };
        let look = move |s: &clearing::SettlementBook| s.payment(payment).cloned();
        let entry = clearing.books.settlement.look(look).await?.outcome;
        match shown(&order, bank, entry.as_ref(), here, &trust) {
            Shown::Route(route) => routes.push(*route),
            Shown::Settled(at) => {
                let route = completing(&clearing.facts.fact(at).await?)?;
                // Whose hold it is stands in the fact.
                routes.extend(route.filter(|route| route.institutions().first() == Some(&bank)));
            }
            Shown::NotBelieved(rule) => {
                tracing::error!(%bank, %payment, %rule, "a hold that proves nothing");
            }
        }
    }
    Ok(routes)
}

fn joined(
    one: Option<Result<Result<Option<Resolved>, Failed>, tokio::task::JoinError>>,
) -> Result<(), Failed> {
    match one {
        None => Ok(()),
        Some(Ok(done)) => done.map(|_| ()),
        Some(Err(error)) => Err(Failed::NotDone(error.to_string())),
    }
}

/// What a recovery certificate is made of.
#[derive(Debug)]
pub struct Comeback {
    /// This run.
    pub run: RunId,
    /// When this run began to read.
    pub started_at: Instant,
    /// The newest checkpoint that was signed before.
    pub before: Option<SignedCheckpoint>,
    /// Payments that were under way.
    pub resolved: Vec<Resolved>,
}

/// Signs and records the certificate. What it returns writes the certificate's file once its leaf
/// is cosigned, and runs no longer than the log does: left alone it would wait for ever, with the
/// books in its hands.
pub async fn certify(
    clearing: &Arc<Clearing>,
    published: &Arc<Published>,
    dir: &Path,
    comeback: Comeback,
) -> Result<impl Future<Output = ()> + Send + use<>, Failed> {
    let found = &clearing.books.settlement.recovery;
    let before = comeback.before.as_ref().map(SignedCheckpoint::head);
    let certificate = RecoveryCertificate {
        layout: 1,
        environment: clearing.environment,
        book: clearing.book,
        epoch: found.epoch,
        run: comeback.run,
        head: found.tip.next,
        last_stamp: found.tip.stamp,
        started_at: comeback.started_at,
        serving_at: system::now(),
        torn_bytes: found.torn_bytes_cut,
        resolved: comeback.resolved,
        checkpoint_size: before.map_or(0, |head| head.size),
        checkpoint_root: before.map_or(seal::Digest::ZERO, |head| head.root),
    };
    let signed = Signed::sign(&certificate, &clearing.signer.0);
    let work = SettlementWork::CertifyRecovery(Box::new(signed));
    let placed = clearing.books.settlement.ask(work).await?;
    let count = clearing.books.settlement.look(clearing::SettlementBook::recoveries).await?;
    let path = dir.join(RECOVERY_FOLDER).join(format!("{}.wayleave", count.outcome));
    let (clearing, published) = (Arc::clone(clearing), Arc::clone(published));
    Ok(async move {
        write_file(&clearing, &published, placed.position, comeback.before, path).await;
    })
}

async fn write_file(
    clearing: &Clearing,
    published: &Arc<Published>,
    position: Position,
    before: Option<SignedCheckpoint>,
    path: PathBuf,
) {
    loop {
        match certificate_file(clearing, published, position, before.as_ref()).await {
            Ok(bytes) => {
                if let Err(error) = replace(&path, &bytes) {
                    tracing::error!(path = %path.display(), %error, "certificate not written");
                }
                return;
            }
            Err(receipts::NoReceipt::NotYet(_)) => {}
            Err(error) => {
                tracing::error!(%error, "the recovery certificate has no receipt");
                return;
            }
        }
    }
}

async fn certificate_file(
    clearing: &Clearing,
    published: &Arc<Published>,
    position: Position,
    before: Option<&SignedCheckpoint>,
) -> Result<Vec<u8>, receipts::NoReceipt> {
    let fact = clearing.facts.fact(position).await?;
    let fields = [0, 1, CERTIFICATE_FIELD];
    let receipt = receipts::make(clearing, published, position, &fact, &fields).await?;
    let after = evidence::receipt::inspect(&receipt)
        .map_err(|refused| Failed::NotDone(refused.to_string()))?;
    let new = after.proof().checkpoint.head().size;
    let consistency = match before {
        Some(before) => published
            .log()
            .consistency(before.head().size, new)
            .map_err(|error| Failed::NotDone(error.to_string()))?,
        None => Vec::new(),
    };
    let file = RecoveryFile {
        layout: 1,
        receipt: receipt.into(),
        checkpoint_before: before
            .map(|note| note.to_string().into_bytes())
            .unwrap_or_default()
            .into(),
        consistency,
    };
    Ok(seal::to_canonical(&file))
}

#[cfg(test)]
mod tests {
    use terms::{Amount, Minor};

    use super::*;

    #[test]
    fn a_payment_is_complete_only_by_the_word_of_both_banks() {
        let name = |text: &str| text.parse::<InstitutionName>().unwrap();
        let amount = Amount::new(Minor::new(1), "EUR.2@tcb-sandbox".parse().unwrap());
        let one = InTransit {
            settled: Position::ZERO,
            since: Instant::from_seconds(0),
            debtor: name("bank-nl"),
            left: amount,
            creditor: name("bank-sg"),
            came: amount,
            outside: false,
        };
        let said = |names: &[&str]| names.iter().map(|one| name(one)).collect::<BTreeSet<_>>();
        // Nobody was asked; one was away when it was asked, and is there now.
        assert!(!both_said(&one, None));
        assert!(!both_said(&one, Some(&said(&["bank-nl"]))));
        assert!(!both_said(&one, Some(&said(&["bank-sg"]))));
        assert!(both_said(&one, Some(&said(&["bank-nl", "bank-sg"]))));
    }
}
