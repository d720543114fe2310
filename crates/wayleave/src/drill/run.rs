//! One drill: load, fault, mending, and what became of everything that was acknowledged.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use api::bank::{MirrorRow, Mirrors, Verdict};
use record::{
    DrillCounts, DrillReport, DrillTimes, DrillVerdict, IN_DOUBT_MAX, InDoubt, InDoubtEnd, Promise,
};
use terms::Position;
use wallet::Wallet;

use super::catalogue::{Drill, Fault, LoadKind};
use super::journal::Held;
use super::load::{Load, Open, Record};
use super::numbers;
use super::proof::Before;
use super::scene::{PAYERS_EDGE, Scene};
use crate::demo::onboard::Calls;

/// The load runs so long before the fault, and so many payments were acknowledged.
const WARM_UP: Duration = Duration::from_millis(800);
const WARM_PAYMENTS: usize = 4;
const WARM_WITHIN: Duration = Duration::from_secs(40);
/// Between two looks at processes, readiness and guard rails.
const TICK: Duration = Duration::from_millis(25);
/// After the first payment past the last sign the load goes on so long: another sign would show.
const CALM: Duration = Duration::from_millis(1_500);
/// The same where commits may hang: longer than a client waits for an answer.
const CALM_DATABASE: Duration = Duration::from_secs(5);
/// So long a server whose agent died goes on before another may lead: nothing is broken yet.
const AGENT_LEASE: Duration = Duration::from_secs(20);
/// A node that comes back copies what it missed.
const WHOLE_WITHIN: Duration = Duration::from_secs(90);
/// A fault that has to show something of itself is left until it does, and so long at most.
const SHOWN_WITHIN: Duration = Duration::from_secs(12);
/// Guard rail: the fault is taken away and the drill ends when nothing recovers for so long after
/// the time that the hypothesis allows.
const PATIENCE: Duration = Duration::from_secs(20);
/// Guard rail: so many tries may fail in a row of one drill; the load is small, and more would be
/// an attack on the system rather than a fault in it.
const FAILED_TRIES_MAX: usize = 20_000;

/// What a drill came to.
pub struct Outcome {
    /// The report, not yet signed.
    pub report: DrillReport,
    /// What log and journal were before the fault.
    pub before: Before,
}

/// Times of one drill, on the monotonic clock.
struct Watch {
    began: Instant,
    /// The wall clock at `began`: every instant of the report is counted from here, so that a
    /// clock that is set during the drill changes none.
    wall: terms::Instant,
    injected: Instant,
    mended: Option<Instant>,
    /// The first and last time that a role said that it is not ready.
    not_ready: Option<(Instant, Instant)>,
}

impl Watch {
    fn wall_of(&self, at: Instant) -> terms::Instant {
        self.wall.plus(at.saturating_duration_since(self.began))
    }

    fn unready(&mut self, at: Instant) {
        let first = self.not_ready.map_or(at, |(first, _)| first);
        self.not_ready = Some((first, at));
    }

    /// The first and the last sign of the fault that were seen.
    fn signs(&self, record: &Record) -> Option<(Instant, Instant)> {
        let failed = record.tries.iter().filter(|one| !one.acknowledged);
        let seen = failed.map(|one| (one.ended, one.ended)).chain(self.not_ready);
        seen.filter(|(_, last)| *last >= self.injected)
            .reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
    }

    /// When the first payment past the last sign was acknowledged; the fault's own moment when
    /// there was no sign.
    fn recovered(&self, record: &Record) -> Option<Instant> {
        let after = self.signs(record).map_or(self.injected, |(_, last)| last);
        let mut tries = record.tries.iter();
        tries.find(|one| one.acknowledged && one.ended > after).map(|one| one.ended)
    }
}

/// Runs a drill on a scene. The scene is whole again afterwards, or this is an error.
pub async fn run(scene: &mut Scene, drill: &Drill, seed: u64) -> anyhow::Result<Outcome> {
    scene.prepare(drill.fault).await?;
    let (began, wall) = (Instant::now(), server::system::now());
    let mut load = Load::start(&scene.rig, drill.load).await.context("the load does not start")?;
    warm_up(scene, &load).await?;
    let before = Before::take(&scene.rig).await?;
    let mut watch = Watch { began, wall, injected: Instant::now(), mended: None, not_ready: None };
    scene.break_it(drill.fault).await?;
    let watched = observe(scene, drill, &load, &mut watch).await;
    // Whatever was seen, the fault does not outlive the drill.
    scene.mend(drill.fault)?;
    let shown = watched?;
    if drill.fault.needs_cluster() {
        // A node that comes back may make commits wait once more: that is no part of the fault.
        load.stop().await;
    }
    until_whole(scene, drill).await?;
    load.stop().await;
    scene.restore().await?;
    let record = std::mem::take(&mut *load.record());
    judge(scene, drill, seed, Seen { watch, record, before, shown }).await
}

async fn warm_up(scene: &mut Scene, load: &Load) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(TICK).await;
        load.tend(&scene.rig).await;
        let record = load.record();
        if let Some(broken) = &record.broken {
            bail!("before the fault: {broken}");
        }
        if begun.elapsed() >= WARM_UP && record.promises.len() >= WARM_PAYMENTS {
            return Ok(());
        }
        if begun.elapsed() > WARM_WITHIN {
            bail!("no load before the fault: {}", record.last_failure);
        }
    }
}

/// What was wrong, if anything, while the fault was there and after.
async fn observe(
    scene: &mut Scene,
    drill: &Drill,
    load: &Load,
    watch: &mut Watch,
) -> anyhow::Result<Option<DrillVerdict>> {
    let mut verdict = None;
    loop {
        tokio::time::sleep(TICK).await;
        if scene.tend()? && watch.mended.is_none() {
            watch.mended = Some(Instant::now());
        }
        // What mends itself by its process's start was noticed above.
        let mends = watch.mended.is_none() && !matches!(drill.fault, Fault::Kill(_));
        if mends && watch.injected.elapsed() >= drill.lasts {
            let shown = scene.shown(drill.fault).await;
            if shown.is_ok() || watch.injected.elapsed() >= shown_within(drill) {
                verdict = shown.err().map(DrillVerdict::Refuted);
                scene.mend(drill.fault)?;
                watch.mended = Some(Instant::now());
            }
        }
        let asked = Instant::now();
        let ready = scene.is_ready(watched_role(drill.fault)).await;
        load.tend(&scene.rig).await;
        let record = load.record();
        let paid = drill.fault.needs_cluster() && record.acknowledged_since(asked);
        if !(ready || paid) {
            watch.unready(Instant::now());
        }
        if let Some(rail) = broken_rail(drill, watch, &record) {
            return Ok(Some(rail));
        }
        let calm = watch.signs(&record).map_or(watch.injected, |(_, last)| last);
        let quiet = if drill.fault.is_of_database() { CALM_DATABASE } else { CALM };
        let over = watch.mended.is_some_and(|at| at.elapsed() > quiet);
        if over && watch.recovered(&record).is_some() && calm.elapsed() > quiet {
            return Ok(verdict);
        }
    }
}

/// How long a fault is left to show.
fn shown_within(drill: &Drill) -> Duration {
    if drill.fault.needs_cluster() { drill.recovers_within } else { SHOWN_WITHIN }
}

/// The role whose readiness is asked for.
const fn watched_role(fault: Fault) -> &'static str {
    match fault {
        Fault::Kill(name) | Fault::Gone(name) | Fault::Pause(name) => name,
        Fault::InstanceGone => PAYERS_EDGE,
        Fault::LinkCut
        | Fault::LinkMute
        | Fault::LinkSlow
        | Fault::DiskFull
        | Fault::ClockAhead
        | Fault::OldCopy
        | Fault::BadDeploy
        | Fault::ActiveCoreGone
        | Fault::StandbyCoreGone
        | Fault::DatabaseLeaderGone
        | Fault::DatabaseAgentGone
        | Fault::DatabaseStandbyGone => "core",
    }
}

/// A guard rail that broke: the drill ends at once.
fn broken_rail(drill: &Drill, watch: &Watch, record: &Record) -> Option<DrillVerdict> {
    let unnoticed =
        if drill.fault == Fault::DatabaseAgentGone { AGENT_LEASE } else { Duration::ZERO };
    let limit = drill.recovers_within.saturating_add(PATIENCE).saturating_add(unnoticed);
    if let Some(broken) = &record.broken {
        Some(DrillVerdict::Aborted(broken.clone()))
    } else if watch.injected.elapsed() > limit {
        let why = format!("nothing recovered within {limit:?}: {}", record.last_failure);
        Some(DrillVerdict::Aborted(why))
    } else if record.tries.iter().filter(|one| !one.acknowledged).count() > FAILED_TRIES_MAX {
        Some(DrillVerdict::Aborted(format!("more than {FAILED_TRIES_MAX} tries failed")))
    } else {
        None
    }
}

/// Every role runs and is ready: a drill leaves nothing broken behind.
async fn until_whole(scene: &mut Scene, drill: &Drill) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        scene.tend()?;
        let ready = scene.is_ready("core").await && scene.is_ready(watched_role(drill.fault)).await;
        if ready && scene.is_replicated() {
            return Ok(());
        }
        let patience = if drill.fault.needs_cluster() { WHOLE_WITHIN } else { PATIENCE };
        if begun.elapsed() > patience {
            let words = scene.role("core")?.last_words();
            bail!("the roles are not ready again after `{}`: {words}", drill.name);
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Everything that was seen of one drill.
struct Seen {
    watch: Watch,
    record: Record,
    before: Before,
    shown: Option<DrillVerdict>,
}

impl Seen {
    fn signs(&self) -> Option<(Instant, Instant)> {
        self.watch.signs(&self.record)
    }

    /// From the fault to the first payment past the last sign; `None` when there was no sign.
    fn took(&self) -> Option<Duration> {
        self.signs()?;
        let at = self.watch.recovered(&self.record)?;
        Some(at.saturating_duration_since(self.watch.injected))
    }

    /// How long payments stood still, as the hypothesis means it: from the fault; where a server
    /// goes on unguarded, from the first sign.
    fn outage(&self, fault: Fault) -> Option<Duration> {
        let took = self.took()?;
        let (first, _) = self.signs()?;
        let unnoticed = first.saturating_duration_since(self.watch.injected);
        let unguarded = fault == Fault::DatabaseAgentGone;
        Some(if unguarded { took.saturating_sub(unnoticed) } else { took })
    }

    fn times(&self) -> DrillTimes {
        let wall = |at: Instant| self.watch.wall_of(at);
        DrillTimes {
            injected_at: wall(self.watch.injected),
            detected_at: self.signs().map(|(first, _)| wall(first)),
            healed_at: self.watch.mended.map(wall),
            recovered_at: self.took().map(|took| wall(self.watch.injected + took)),
        }
    }

    fn counts(&self, lost: usize) -> DrillCounts {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let record = &self.record;
        let acknowledged = record.promises.len();
        DrillCounts {
            orders: count(record.orders()),
            acknowledged: count(acknowledged),
            found: count(acknowledged.saturating_sub(lost)),
            lost: count(lost),
            in_doubt: count(record.open.len()),
            failed_tries: count(record.tries.iter().filter(|one| !one.acknowledged).count()),
        }
    }
}

/// Asks for every payment in doubt, compares every promise with the journal's files, and says how
/// it went.
async fn judge(scene: &Scene, drill: &Drill, seed: u64, seen: Seen) -> anyhow::Result<Outcome> {
    let payer = super::payer(&scene.rig)?;
    let mut in_doubt = Vec::new();
    for (payment, open) in &seen.record.open {
        let end = super::journal::end_of(&payer, *payment).await?;
        if *open == Open::Refused && end == InDoubtEnd::Settled {
            bail!("payment {payment} was refused and settled");
        }
        in_doubt.push(InDoubt { payment: *payment, end });
    }
    in_doubt.truncate(IN_DOUBT_MAX);
    let head_after = super::journal::head(&payer).await?;
    let held = Held::read(&scene.rig).await?;
    let promises = seen.record.promises.values();
    let lost: Vec<&Promise> = promises.filter(|promise| !held.holds(promise)).collect();
    let mut verdict = verdict(drill, &seen, &lost, &payer).await;
    if verdict == DrillVerdict::Held {
        verdict = mirrored(scene).await?;
    }
    if verdict == DrillVerdict::Held && drill.load == LoadKind::Payments {
        verdict = numbers::accounted_for(scene, PATIENCE).await?;
    }
    let last = seen.record.promises.values().map(|promise| promise.position).max();
    let report = DrillReport {
        layout: 1,
        environment: "sandbox".parse().context("environment")?,
        book: "settlement".parse().context("book")?,
        drill: drill.name.to_owned(),
        hypothesis: drill.hypothesis.to_owned(),
        seed,
        build: super::build(),
        started_at: seen.watch.wall,
        times: seen.times(),
        counts: seen.counts(lost.len()),
        last_acknowledged: last.unwrap_or(Position::ZERO),
        head_before: seen.before.head,
        head_after,
        in_doubt,
        verdict,
        checkpoint_size: seen.before.size(),
        checkpoint_root: seen.before.root(),
    };
    Ok(Outcome { report, before: seen.before })
}

async fn verdict(drill: &Drill, seen: &Seen, lost: &[&Promise], payer: &Wallet) -> DrillVerdict {
    let record = &seen.record;
    if let Some(first) = lost.first() {
        let payment = first.payment;
        return DrillVerdict::Refuted(format!("acknowledged and lost: payment {payment}"));
    }
    if let Some(shown) = &seen.shown {
        return shown.clone();
    }
    if drill.fault.needs_cluster() && seen.signs().is_some() && seen.took().is_none() {
        return DrillVerdict::Refuted(format!("nothing went on: {}", record.last_failure));
    }
    if let Some(took) = seen.outage(drill.fault).filter(|took| *took > drill.recovers_within) {
        let allowed = drill.recovers_within;
        return DrillVerdict::Refuted(format!("it took {took:?}, and {allowed:?} were allowed"));
    }
    let since = seen.watch.injected;
    let failed = record.tries.iter().any(|one| !one.acknowledged && one.ended >= since);
    if fails_none(drill.fault) && failed {
        return DrillVerdict::Refuted(format!("a payment failed: {}", record.last_failure));
    }
    if matches!(drill.fault, Fault::Gone(_))
        && let Some(why) = without_receipt(record, payer).await
    {
        return DrillVerdict::Refuted(why);
    }
    if drill.fault == Fault::ClockAhead && stamps_jumped(record) {
        return DrillVerdict::Refuted("a fact is stamped ahead of time".to_owned());
    }
    DrillVerdict::Held
}

/// Which mirrors do not agree, and what is still on its way in the first of them.
fn disagreeing(mirrors: &Mirrors, agrees: impl Fn(&MirrorRow) -> bool) -> String {
    let mut rows = mirrors.rows.iter().filter(|row| !agrees(row)).peekable();
    let first = rows.peek().map_or_else(String::new, |row| {
        let items = row.items.iter().map(|item| format!("{} {}", item.missing, item.payment));
        let items: Vec<String> = items.take(3).collect();
        let (who, asset) = (&row.participant, &row.asset);
        format!(
            ": {who}, {asset}, {:?}, {} on the way [{}]",
            row.verdict,
            row.items.len(),
            items.join(", ")
        )
    });
    let (rows, silent) = (rows.count(), mirrors.not_asked.len());
    format!("{rows} mirrored accounts do not agree, {silent} institutions do not answer{first}")
}

/// Once nothing is in transit any more, what each institution's book says the settlement book owes
/// it is what the settlement book says.
pub(super) async fn mirrored(scene: &Scene) -> anyhow::Result<DrillVerdict> {
    let begun = Instant::now();
    loop {
        let calls = Calls::new(&scene.rig.stage);
        let mirrors = calls.get("operator", "core", "/v1/mirrors").await?;
        let mirrors: Mirrors = serde_json::from_slice(&mirrors)?;
        let agrees = |row: &MirrorRow| row.verdict == Verdict::Agree && row.items.is_empty();
        if mirrors.not_asked.is_empty() && mirrors.rows.iter().all(agrees) {
            return Ok(DrillVerdict::Held);
        }
        if begun.elapsed() > PATIENCE {
            return Ok(DrillVerdict::Refuted(disagreeing(&mirrors, agrees)));
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Faults that no payment may fail by.
const fn fails_none(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::LinkSlow
            | Fault::ClockAhead
            | Fault::Gone(_)
            | Fault::InstanceGone
            | Fault::StandbyCoreGone
    )
}

/// Whether the newest promise has no receipt though the witness is back.
async fn without_receipt(record: &Record, payer: &Wallet) -> Option<String> {
    let newest = record.promises.values().max_by_key(|promise| promise.position)?;
    match payer.wait_for_receipt(newest.payment, None).await {
        Ok(Some(_)) => None,
        Ok(None) => Some(format!("payment {} has no receipt", newest.payment)),
        Err(error) => Some(format!("payment {} has no receipt: {error}", newest.payment)),
    }
}

/// Whether any promise is stamped later than this moment and an hour.
fn stamps_jumped(record: &Record) -> bool {
    let latest = server::system::now().plus(Duration::from_secs(3_600));
    record.promises.values().any(|promise| promise.settled_at > latest)
}
