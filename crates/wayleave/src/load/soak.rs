//! `cargo xtask soak`: the core is killed under load, comes back, and is asked for every payment;
//! again and again.
//!
//! In each round the core must have what it acknowledged, every other payment must have one
//! definite end, the debtor's account must have fallen by exactly what settled, and the recovery
//! certificate must verify. At the end `fsck` reads all books and logs. The seed decides how many
//! orders a round has and after how many acknowledgements the core is killed; when within the
//! machine's work the signal strikes is chance, and the point of repeating.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use api::messages::{AccountView, EndedAt, Held, PaymentStatus};
use clap::Args;
use record::Ending;
use terms::{Minor, PaymentId};
use wallet::verify::verify_recovery;

use super::figures::memory_mib;
use super::mint::{Mint, Minted};
use super::rig::{Counter, Desk, Pile, Rig, Sent, binary, folder_beside};
use crate::demo::crash::{newer_certificate, newest, recovery_folder, trust};

/// Clients at a time.
const CLIENTS: usize = 16;
/// Orders of a round: at least, and so many more at most.
const ORDERS: (usize, usize) = (64, 192);
/// Until a payment that is under way in a recovered core has ended: it takes milliseconds.
const END_WITHIN: Duration = Duration::from_secs(10);
/// The refusal that a recovery writes for an order that nobody was told the end of.
const INTERRUPTED: &str = "OrderInterrupted";
/// Pause between two questions for it.
const PAUSE: Duration = Duration::from_millis(20);

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Minutes.
    #[arg(long, default_value_t = 3)]
    pub(crate) minutes: u64,
    /// At most so many rounds.
    #[arg(long, default_value_t = u32::MAX, hide_default_value = true)]
    pub(crate) rounds: u32,
    /// Decides the rounds' sizes and when the core is killed, or the order of the drills.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Drills instead: every fault of `wayleave drill list`, round after round.
    #[arg(long)]
    pub(crate) drills: bool,
    /// With `--drills`: those of a replicated database, on the cluster that this program
    /// controls (`deploy/ha/cluster`).
    #[arg(long, requires = "drills", value_name = "PROGRAM")]
    pub(crate) cluster: Option<PathBuf>,
    /// The binary whose roles run; this one.
    #[arg(long)]
    pub(crate) binary: Option<PathBuf>,
    /// Keep the run's folder.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// What one round came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    orders: u32,
    /// Acknowledged and there.
    there: u32,
    /// Not acknowledged, and settled.
    settled: u32,
    /// Not acknowledged, and refused by the recovery: the order was interrupted.
    interrupted: u32,
    /// Not acknowledged, and never happened.
    never: u32,
    /// Acknowledged and not there: the run ends at the first.
    lost: u32,
}

/// Runs and prints the table.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if arguments.drills {
        return runtime.block_on(crate::drill::soak::soak(arguments));
    }
    runtime.block_on(soak(arguments))
}

async fn soak(arguments: &Arguments) -> anyhow::Result<()> {
    let binary = binary(arguments.binary.clone())?;
    let mut rig = Rig::start(&folder_beside(&binary, "soak"), &binary).await?;
    let desk = rig.desk(0)?;
    println!("soak   seed {}   commit {}   {} clients", arguments.seed, commit(), CLIENTS);
    println!(
        "{:>5} {:>6} {:>6} {:>6} {:>8} {:>8} {:>6} {:>5} {:>8} {:>8}",
        "round",
        "orders",
        "acked",
        "there",
        "+settled",
        "+refused",
        "never",
        "lost",
        "back ms",
        "rss MiB"
    );
    let mut dice = Dice(arguments.seed);
    let (begun, mut round, mut sum, mut slowest) = (Instant::now(), 0, Tally::default(), 0);
    let length = Duration::from_secs(arguments.minutes.saturating_mul(60));
    while begun.elapsed() < length && round < arguments.rounds {
        round += 1;
        let (tally, back) = one_round(&mut rig, &desk, &mut dice).await?;
        let (now, _) = memory_mib(rig.core()?.id())?;
        println!("{}{:>9} {now:>8.1}", tally.row(round), back.as_millis());
        sum.add(tally);
        slowest = slowest.max(back.as_millis());
    }
    println!("{}{slowest:>9} slowest", sum.row(round));
    rig.stop();
    let findings = crate::fsck::findings(&rig.stage.dir)?;
    println!("fsck: {} findings in all books, logs and copies", findings.len());
    findings.iter().for_each(|finding| println!("  {finding}"));
    if !findings.is_empty() {
        bail!("the files are not sound; they stay in `{}`", rig.stage.dir.display());
    }
    if arguments.keep { Ok(()) } else { rig.remove() }
}

/// Orders, a kill, a restart, every payment asked for, sums, the certificate. Ends with an error
/// at the first thing that is not as it must be.
async fn one_round(
    rig: &mut Rig,
    desk: &Desk,
    dice: &mut Dice,
) -> anyhow::Result<(Tally, Duration)> {
    let (least, more) = ORDERS;
    let count = least.saturating_add(dice.below(more));
    let kill_after = 1_usize.saturating_add(dice.below(count.saturating_sub(1)));
    let minted = Mint::open(rig, desk).await?.make(count)?;
    let before = balance(rig).await?;
    let certificate = newest(&recovery_folder(&rig.stage));
    let acknowledged = under_fire(rig, &minted, kill_after).await?;
    let core = rig.core()?;
    let begun = Instant::now();
    core.start_again()?;
    core.ready().await?;
    let back = begun.elapsed();
    let (mut tally, mut debited) = (Tally::default(), Minor::ZERO);
    for (one, acknowledged) in minted.iter().zip(&acknowledged) {
        let end = end_of(&ended(desk, one.payment).await?);
        tally.count(*acknowledged, &end);
        match end {
            End::Settled => debited = debited.plus(one.debit)?,
            _ if *acknowledged => bail!("payment {} was acknowledged and is lost", one.payment),
            End::Never => {}
            End::Refused(code) if code == INTERRUPTED => {}
            End::Refused(code) => bail!("payment {} was refused: {code}", one.payment),
        }
    }
    let after = balance(rig).await?;
    if before != after.plus(debited)? {
        bail!("the account fell from {before} to {after}, and {debited} settled");
    }
    let path = newer_certificate(&rig.stage, certificate).await?;
    let report = verify_recovery(&std::fs::read(&path)?, Some(&trust(&rig.stage)?));
    if !report.is_good() {
        bail!("`{}` does not verify: {:?}", path.display(), report.first_failure());
    }
    Ok((tally, back))
}

/// Sends the orders and kills the core after so many acknowledgements. Tells of each order whether
/// it was acknowledged.
async fn under_fire(
    rig: &mut Rig,
    minted: &[Minted],
    kill_after: usize,
) -> anyhow::Result<Vec<bool>> {
    let pile = Pile::of(minted.iter().map(|one| one.order.clone()).collect());
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel::<usize>();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (counter, pile, told) = (rig.counter()?, pile.clone(), told.clone());
        clients.spawn(send_until_dead(counter, pile, told));
    }
    drop(told);
    let mut acknowledged = vec![false; minted.len()];
    let mut count = 0_usize;
    let mut alive = true;
    while let Some(number) = heard.recv().await {
        if let Some(fate) = acknowledged.get_mut(number) {
            *fate = true;
        }
        count = count.saturating_add(1);
        if alive && count >= kill_after {
            rig.core()?.kill()?;
            alive = false;
        }
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    if alive {
        bail!("{count} orders were acknowledged, {kill_after} were expected before the kill");
    }
    Ok(acknowledged)
}

/// Sends orders until one gets no answer: the core is dead then.
async fn send_until_dead(
    counter: Counter,
    pile: Pile,
    told: tokio::sync::mpsc::UnboundedSender<usize>,
) -> anyhow::Result<()> {
    while let Some((number, order)) = pile.take() {
        match counter.send(order).await {
            Sent::Promised(promise) if promise.outcome == Ending::Settled => told.send(number)?,
            Sent::Promised(promise) => bail!("order {number} ended as {}", promise.outcome),
            Sent::NoAnswer(_) => return Ok(()),
        }
    }
    Ok(())
}

/// How a payment ended in the recovered core, once nothing of it is held any more.
async fn ended(desk: &Desk, payment: PaymentId) -> anyhow::Result<PaymentStatus> {
    let begun = Instant::now();
    loop {
        let status = desk.payer.ask(payment).await?;
        let definite = match (&status.ending, status.held) {
            (Some(_), Held::Debited | Held::Released) => true,
            (None, Held::No | Held::Released) => true,
            (Some(_) | None, _) => false,
        };
        if definite {
            return Ok(status);
        }
        if begun.elapsed() > END_WITHIN {
            bail!("payment {payment} has no definite end: {status:?}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How a payment ended.
enum End {
    Settled,
    Refused(String),
    Never,
}

fn end_of(status: &PaymentStatus) -> End {
    match &status.ending {
        Some(EndedAt { ending: Ending::Settled, .. }) => End::Settled,
        Some(EndedAt { ending: Ending::Refused(code), .. }) => End::Refused(code.clone()),
        None => End::Never,
    }
}

/// What may leave the payer's account.
async fn balance(rig: &Rig) -> anyhow::Result<Minor> {
    let account = rig.stage.account("brightwater")?;
    let body = rig.counter()?.get(&format!("/v1/accounts/{account}")).await?;
    let view: AccountView = seal::from_canonical(&body)?;
    Ok(view.available.minor)
}

impl Tally {
    fn count(&mut self, acknowledged: bool, end: &End) {
        self.orders += 1;
        match (acknowledged, end) {
            (true, End::Settled) => self.there += 1,
            (true, End::Refused(_) | End::Never) => self.lost += 1,
            (false, End::Settled) => self.settled += 1,
            (false, End::Refused(_)) => self.interrupted += 1,
            (false, End::Never) => self.never += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.there += other.there;
        self.lost += other.lost;
        self.settled += other.settled;
        self.interrupted += other.interrupted;
        self.never += other.never;
    }

    fn row(&self, round: u32) -> String {
        let Self { orders, there, lost, settled, interrupted, never } = self;
        let acknowledged = there + lost;
        format!(
            "{round:>5} {orders:>6} {acknowledged:>6} {there:>6} {settled:>8} {interrupted:>8} \
             {never:>6} {lost:>5}"
        )
    }
}

/// Numbers that a seed decides (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(mixed % bound).unwrap_or(0)
    }
}

/// The commit that the source is at, with a mark when the tree differs from it.
pub(crate) fn commit() -> String {
    let asked = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
        .output();
    let text = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_dice() {
        let roll = |seed| {
            let mut dice = Dice(seed);
            (0..8).map(|_| dice.below(100)).collect::<Vec<_>>()
        };
        assert_eq!(roll(1), roll(1));
        assert_ne!(roll(1), roll(2));
        assert!(roll(3).iter().all(|number| *number < 100));
    }

    #[test]
    fn each_order_is_counted_once() {
        let mut tally = Tally::default();
        let interrupted = || End::Refused(INTERRUPTED.to_owned());
        tally.count(true, &End::Settled);
        tally.count(true, &interrupted());
        tally.count(false, &End::Settled);
        tally.count(false, &interrupted());
        tally.count(false, &End::Never);
        let Tally { orders, there, settled, interrupted, never, lost } = tally;
        assert_eq!((orders, there, settled, interrupted, never, lost), (5, 1, 1, 1, 1, 1));
    }
}
