//! Acts 4 and 5: the core dies under load; the operator cheats.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use evidence::exchange::{ADD_CHECKPOINT_PATH, AddCheckpoint, TEXT_CONTENT_TYPE};
use record::{Ending, RecoveryFile, SettleOrder};
use serde_json::json;
use terms::{Amount, Minor, PaymentId};
use wallet::verify::{VerifyTrust, read_trust, verify, verify_recovery};
use wallet::{OrderSent, Wallet};

use super::acts::{Players, invoice, permitted};
use super::cheat::{Cheat, change_settled_amount};
use super::onboard::{Calls, until};
use super::processes::RoleProcess;
use super::screen::Screen;
use super::setup::{ORIGIN, Stage};

/// Payments in flight when the core is killed.
const IN_FLIGHT: usize = 24;
/// The core is killed once so many were acknowledged.
const KILL_AFTER: usize = 8;

/// Copies of the core's folder that the cheat makes until one is as new as what was witnessed.
const COPIES_MAX: u32 = 20;

/// What became of one order.
struct Fate {
    payment: PaymentId,
    acknowledged: bool,
    debited: Amount,
    credited: Amount,
}

/// Payer's and payee's account.
struct Sums {
    payer: Amount,
    payee: Amount,
}

async fn balances(stage: &Stage) -> anyhow::Result<Sums> {
    let calls = Calls::new(stage);
    Ok(Sums { payer: calls.available("brightwater").await?, payee: calls.available("lim").await? })
}

/// What left and what arrived is what the settled payments say, to the last minor unit.
fn say_sums(screen: &Screen, before: &Sums, after: &Sums, moved: &Sums) -> anyhow::Result<()> {
    let payer = before.payer.minus(after.payer)?;
    let payee = after.payee.minus(before.payee)?;
    if payer != moved.payer || payee != moved.payee {
        bail!("{payer} left and {payee} arrived; the settled payments say otherwise");
    }
    screen.say(
        "sums",
        &format!(
            "-{} and +{} are the settled ones; unaccounted for: 0 EUR, 0 SGD",
            payer.for_people(),
            payee.for_people()
        ),
    );
    Ok(())
}

/// Act 4: the core is killed with payments in flight, and comes back.
pub async fn killed(
    stage: &Stage,
    players: &Players,
    core: &mut RoleProcess,
    screen: &Screen,
) -> anyhow::Result<()> {
    screen.act(4, &format!("core killed with {IN_FLIGHT} payments in flight"));
    let orders = orders(players).await?;
    let before = balances(stage).await?;
    let certified = newest(&recovery_folder(stage));
    let fates = under_fire(stage, orders, core).await?;
    let begun = Instant::now();
    core.start_again()?;
    core.ready().await?;
    let back = begun.elapsed();
    let moved = tally(players, &fates, back, screen).await?;
    say_sums(screen, &before, &balances(stage).await?, &moved)?;
    let path = newer_certificate(stage, certified).await?;
    let trust = trust(stage)?;
    let report = verify_recovery(&std::fs::read(&path)?, Some(&trust));
    if !report.is_good() {
        bail!("the recovery certificate does not verify: {:?}", report.first_failure());
    }
    let kept = stage.dir.join("recovery.wayleave");
    std::fs::copy(&path, &kept)?;
    let shown = relative(stage, &kept);
    screen.say("certificate", &format!("{shown}   verified, its leaf is cosigned"));
    screen.fact("recovered", &json!({ "file": path, "seconds": back.as_secs_f32() }));
    Ok(())
}

async fn orders(players: &Players) -> anyhow::Result<Vec<SettleOrder>> {
    let mut orders = Vec::new();
    for number in 0..IN_FLIGHT {
        let request = invoice(&players.payee, &format!("INV-K{number}"), 1_000).await?;
        let ready = permitted(&players.payer, &request, 60)
            .await?
            .map_err(|refused| anyhow::anyhow!("not permitted: {}", refused.code))?;
        orders.push(players.payer.order(&ready.hand, &ready.permits)?);
    }
    Ok(orders)
}

/// Sends all orders at once and kills the core while they are under way.
async fn under_fire(
    stage: &Stage,
    orders: Vec<SettleOrder>,
    core: &mut RoleProcess,
) -> anyhow::Result<Vec<Fate>> {
    let (told, mut acknowledged) = tokio::sync::mpsc::channel::<()>(IN_FLIGHT);
    let mut sending = tokio::task::JoinSet::new();
    for order in orders {
        let wallet = Wallet::open(&stage.folder("brightwater"))?;
        let told = told.clone();
        sending.spawn(async move {
            let terms = record::PaymentTerms::from_terms_string(&order.terms)?;
            let sent = wallet.send_order(&order).await;
            let acknowledged = matches!(sent, Ok(OrderSent::Answered(_)));
            if acknowledged {
                let _ = told.send(()).await;
            }
            let (debited, credited) = (terms.debited, terms.credited);
            anyhow::Ok(Fate { payment: terms.payment, acknowledged, debited, credited })
        });
    }
    drop(told);
    for _ in 0..KILL_AFTER {
        acknowledged.recv().await.context("no order was acknowledged")?;
    }
    core.kill()?;
    let mut fates = Vec::new();
    while let Some(fate) = sending.join_next().await {
        fates.push(fate??);
    }
    Ok(fates)
}

async fn tally(
    players: &Players,
    fates: &[Fate],
    back: Duration,
    screen: &Screen,
) -> anyhow::Result<Sums> {
    let (mut there, mut settled, mut never) = (0, 0, 0);
    let first = fates.first().context("no payment was in flight")?;
    let nothing = |like: Amount| Amount::new(Minor::ZERO, like.asset);
    let mut moved = Sums { payer: nothing(first.debited), payee: nothing(first.credited) };
    let acknowledged = fates.iter().filter(|fate| fate.acknowledged).count();
    for fate in fates {
        let status = players.payer.ask(fate.payment).await?;
        let done = matches!(&status.ending, Some(end) if end.ending == Ending::Settled);
        if done {
            players.payer.wait_for_receipt(fate.payment, None).await?;
            moved.payer = moved.payer.plus(fate.debited)?;
            moved.payee = moved.payee.plus(fate.credited)?;
        }
        match (fate.acknowledged, done) {
            (true, true) => there += 1,
            (true, false) => bail!("payment {} was acknowledged and is lost", fate.payment),
            (false, true) => settled += 1,
            (false, false) => never += 1,
        }
    }
    screen.say(
        "back",
        &format!(
            "in {:.2} s   {acknowledged} acknowledged, {there} there   {} unknown: {settled} settled, \
             {never} never happened",
            back.as_secs_f32(),
            fates.len() - acknowledged,
        ),
    );
    Ok(moved)
}

/// Where the core keeps its recovery files.
pub fn recovery_folder(stage: &Stage) -> PathBuf {
    stage.folder("core").join("recovery")
}

/// The recovery file that comes after `before`, once its leaf is cosigned.
pub async fn newer_certificate(stage: &Stage, before: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let folder = recovery_folder(stage);
    let fresh = || newest(&folder).filter(|path| Some(path) != before.as_ref());
    until("the recovery certificate", || async {
        fresh().is_some_and(|path| std::fs::read(path).is_ok_and(|bytes| is_recovery(&bytes)))
    })
    .await?;
    fresh().context("a recovery certificate")
}

fn is_recovery(bytes: &[u8]) -> bool {
    seal::from_canonical::<RecoveryFile>(bytes).is_ok()
}

/// The newest recovery file in a folder.
pub fn newest(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let number = |path: &PathBuf| -> Option<u64> { path.file_stem()?.to_str()?.parse().ok() };
    files.filter(|path| number(path).is_some()).max_by_key(|path| number(path))
}

/// What the wallets trust: the log and both supervisors.
pub fn trust(stage: &Stage) -> anyhow::Result<VerifyTrust> {
    let path = stage.dir.join("trust");
    Ok(VerifyTrust { log: read_trust(&path)?, lists: vec![] })
}

/// A path as it works from where the demo was started.
pub fn relative(stage: &Stage, path: &Path) -> String {
    let below = path.strip_prefix(&stage.dir).unwrap_or(path);
    let name = stage.dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    format!("{name}/{}", below.display())
}

/// Act 5: the operator changes a settled amount on a copy of its disk and signs the log anew.
pub async fn cheats(stage: &Stage, screen: &Screen) -> anyhow::Result<()> {
    screen.act(5, "the operator cheats: changes one settled amount on disk and signs the log anew");
    let copy = stage.dir.join("cheat").join("core");
    let mut tries = 0;
    let (cheat, refusals) = loop {
        let _ = std::fs::remove_dir_all(&copy);
        copy_folder(&stage.folder("core"), &copy)?;
        let cheat = change_settled_amount(&copy, ORIGIN)?;
        if let Some(refusals) = offer(stage, &cheat).await? {
            break (cheat, refusals);
        }
        tries += 1;
        if tries > COPIES_MAX {
            bail!("the core's log grew faster than a copy of it could be made");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    screen.say("supervisors", &refusals);
    let findings = crate::fsck::findings(&copy)?;
    let found = findings.first().context("fsck found nothing")?;
    // The file and byte are in `--json` and in `wayleave fsck`; here is where in the book.
    let place = found.find("batch").and_then(|at| found.get(at..)).unwrap_or(found);
    screen.say("fsck", place);
    screen.fact("cheat", &json!({ "position": cheat.position.number(), "fsck": findings }));
    let receipt = stage.dir.join("receipts").join("1.wayleave");
    let report = verify(&std::fs::read(&receipt)?, Some(&trust(stage)?));
    if !report.is_good() {
        bail!("the first receipt does not verify any more: {:?}", report.first_failure());
    }
    screen.say("receipts", "given before still verify");
    Ok(())
}

/// Offers the forged checkpoint to both supervisors; both must refuse. `None` when one of them
/// holds a larger one already: the core went on while its folder was copied.
async fn offer(stage: &Stage, cheat: &Cheat) -> anyhow::Result<Option<String>> {
    let calls = Calls::new(stage);
    let target = format!("/{ADD_CHECKPOINT_PATH}");
    let new = cheat.checkpoint.head().size;
    let mut answers = Vec::new();
    for name in ["supervisor-nl", "supervisor-sg"] {
        let mut old = new;
        loop {
            let proof =
                if old == 0 || old >= new { vec![] } else { cheat.log.consistency(old, new)? };
            let request =
                AddCheckpoint { old_size: old, proof, checkpoint: cheat.checkpoint.clone() };
            let (status, body) =
                calls.foreign(name, &target, TEXT_CONTENT_TYPE, request.encode()).await?;
            let named: Option<u64> =
                std::str::from_utf8(&body).ok().and_then(|text| text.trim().parse().ok());
            match (status, named) {
                (200, _) => bail!("{name} cosigned a forged checkpoint"),
                (409, Some(size)) if size < new && size != old => old = size,
                (409, Some(size)) if size >= new => return Ok(None),
                _ => break answers.push((status, old)),
            }
        }
    }
    let statuses: Vec<String> = answers.iter().map(|(status, _)| status.to_string()).collect();
    let size = answers.first().map(|(_, size)| *size).unwrap_or_default();
    Ok(Some(format!(
        "both refuse ({}): checkpoint {new} does not extend what they hold of {size}",
        statuses.join(", ")
    )))
}

/// Copies a folder with all below it, and who may enter it.
pub fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    // Key folders stay as closed as they were: else they would rightly be refused.
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    Ok(())
}
