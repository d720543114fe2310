//! `cargo xtask bench payments`: payments a second over the whole path and through the core alone,
//! latencies, processor time of each role, the core's memory and start.
//!
//! Closed loop: each of 16 clients begins its next payment when the one before has its promise.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use record::{Ending, RequestToPay, SettleOrder};
use wallet::OrderSent;

use super::figures::{Row, Sample, Used, cpu_ms, memory_mib, rate};
use super::mint::{AMOUNT_MINOR, Mint};
use super::rig::{Counter, Desk, Pile, Rig, binary, folder_beside};
use crate::demo::acts::{invoice, permitted};

/// Clients at a time.
const CLIENTS: usize = 16;
/// Orders prepared for one round of the core's workload: sent long before their permits end.
const ROUND: usize = 1_000;
/// Before figures are taken: connections stand, caches are warm.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the quotes of the whole path hold, in seconds.
const QUOTE_SECONDS: u32 = 60;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Seconds that the whole path is measured.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Payments of the core's workload.
    #[arg(long, default_value_t = 10_000)]
    payments: usize,
    /// The binary whose roles are measured; this one.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Keep the run's folder.
    #[arg(long)]
    keep: bool,
}

/// One payment of the whole path.
struct Lap {
    ended: Instant,
    invoice: Duration,
    path: Duration,
    settle: Duration,
}

/// Measures and prints.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // The wallets write and sync their files on these threads.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(CLIENTS).enable_all().build()?;
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let binary = binary(arguments.binary.clone())?;
    let mut rig = Rig::start(&folder_beside(&binary, "bench"), &binary).await?;
    let show = |rows: Vec<Row>| {
        for row in rows {
            println!("{}", if arguments.json { row.json() } else { row.text() });
        }
    };
    if !arguments.json {
        println!("{:<14} {:<16} {:<16} {:>12} unit", "workload", "metric", "of", "value");
    }
    let bytes = u32::try_from(std::fs::metadata(&binary)?.len())?;
    show(vec![Row::new("binary", "size_mb", f64::from(bytes) / 1_000_000.0, "MB")]);
    show(restart(&mut rig, "start-fresh", Ended::InOrder).await?);
    let desks = (0..CLIENTS).map(|number| rig.desk(number)).collect::<Result<Vec<_>, _>>()?;
    let (desks, rows) = whole_path(&rig, desks, Duration::from_secs(arguments.seconds)).await?;
    show(rows);
    let desk = desks.first().context("a desk")?;
    show(core_alone(&mut rig, desk, arguments.payments).await?);
    show(restart(&mut rig, "start-full", Ended::InOrder).await?);
    show(restart(&mut rig, "start-killed", Ended::Killed).await?);
    rig.stop();
    if arguments.keep { Ok(()) } else { rig.remove() }
}

/// Invoice, quote, preparation, presentation, both decisions, order, promise: by every client.
async fn whole_path(
    rig: &Rig,
    desks: Vec<Desk>,
    window: Duration,
) -> anyhow::Result<(Vec<Desk>, Vec<Row>)> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for (number, desk) in desks.into_iter().enumerate() {
        let stop = Arc::clone(&stop);
        clients.push(tokio::spawn(async move {
            let mut laps = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let name = format!("B{number}-{}", laps.len());
                match pay_once(&desk, &name).await {
                    Ok(lap) => laps.push(lap),
                    Err(error) => return Err(error),
                }
            }
            Ok((desk, laps))
        }));
    }
    tokio::time::sleep(WARM_UP).await;
    let (before, begun) = (Used::until_now(&rig.processes)?, Instant::now());
    tokio::time::sleep(window).await;
    let (after, ended) = (Used::until_now(&rig.processes)?, Instant::now());
    stop.store(true, Ordering::Relaxed);
    let (mut desks, mut laps) = (Vec::new(), Vec::new());
    for client in clients {
        let (desk, of_desk) = client.await??;
        desks.push(desk);
        laps.extend(of_desk.into_iter().filter(|lap| begun <= lap.ended && lap.ended < ended));
    }
    let path = Sample::of(laps.iter().map(|lap| lap.path));
    let count = path.count();
    if count == 0 {
        bail!("no payment ended within {window:?}");
    }
    let mut rows = vec![
        Row::new("c16", "payments", f64::from(count), "payments"),
        Row::new("c16", "rate", rate(count, ended.duration_since(begun)), "payments/s"),
    ];
    rows.extend(path.rows("c16"));
    rows.extend(Sample::of(laps.iter().map(|lap| lap.invoice)).rows("c16-invoice"));
    rows.extend(Sample::of(laps.iter().map(|lap| lap.settle)).rows("c16-settle"));
    rows.extend(Used::rows_over(&[(before, after)], "c16", count));
    Ok((desks, rows))
}

/// One payment of a request of its own; its promise says settled.
async fn pay_once(desk: &Desk, number: &str) -> anyhow::Result<Lap> {
    let begun = Instant::now();
    let request = invoice(&desk.payee, number, AMOUNT_MINOR).await?;
    let invoiced = Instant::now();
    let order = ordered(desk, &request).await?;
    let ordered = Instant::now();
    let OrderSent::Answered(promise) = desk.payer.send_order(&order).await? else {
        bail!("{number}: the core did not answer");
    };
    if promise.promise.outcome != Ending::Settled {
        bail!("{number} ended as {}", promise.promise.outcome);
    }
    let ended = Instant::now();
    Ok(Lap {
        ended,
        invoice: invoiced.duration_since(begun),
        path: ended.duration_since(invoiced),
        settle: ended.duration_since(ordered),
    })
}

/// A request that both sides permit, as an order.
pub async fn ordered(desk: &Desk, request: &RequestToPay) -> anyhow::Result<SettleOrder> {
    let ready = permitted(&desk.payer, request, QUOTE_SECONDS)
        .await?
        .map_err(|refused| anyhow::anyhow!("not permitted: {}", refused.code))?;
    Ok(desk.payer.order(&ready.hand, &ready.permits)?)
}

/// Orders prepared beforehand, sent by 16 clients: the core's own rate, processor time, memory.
async fn core_alone(rig: &mut Rig, desk: &Desk, payments: usize) -> anyhow::Result<Vec<Row>> {
    let mut counters = Vec::new();
    for _ in 0..CLIENTS {
        counters.push(Arc::new(rig.counter()?));
    }
    let (mut took, mut durations) = (Duration::ZERO, Vec::new());
    let mut cpu = Vec::new();
    while durations.len() < payments {
        let count = ROUND.min(payments - durations.len());
        let minted = Mint::open(rig, desk).await?.make(count)?;
        let pile = Pile::of(minted.into_iter().map(|one| one.order).collect());
        let (before, begun) = (Used::until_now(&rig.processes)?, Instant::now());
        durations.extend(send_all(&counters, &pile).await?);
        took += begun.elapsed();
        cpu.push((before, Used::until_now(&rig.processes)?));
    }
    let sample = Sample::of(durations);
    let count = sample.count();
    let mut rows = vec![
        Row::new("core", "payments", f64::from(count), "payments"),
        Row::new("core", "rate", rate(count, took), "payments/s"),
    ];
    rows.extend(sample.rows("core"));
    rows.extend(Used::rows_over(&cpu, "core", count));
    let (now, most) = memory_mib(rig.core()?.id())?;
    rows.push(Row::new("core", "rss_mib", now, "MiB"));
    rows.push(Row::new("core", "rss_most_mib", most, "MiB"));
    Ok(rows)
}

async fn send_all(counters: &[Arc<Counter>], pile: &Pile) -> anyhow::Result<Vec<Duration>> {
    let mut clients = Vec::new();
    for counter in counters {
        let (counter, pile) = (Arc::clone(counter), pile.clone());
        clients.push(tokio::spawn(async move {
            let mut durations = Vec::new();
            while let Some((number, order)) = pile.take() {
                let begun = Instant::now();
                let settled = counter.send(order).await.settled();
                durations.push(begun.elapsed());
                if let Err(reason) = settled {
                    bail!("order {number} is not settled: {reason}");
                }
            }
            Ok(durations)
        }));
    }
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await??);
    }
    Ok(all)
}

/// How the core's process is ended before it is started again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    InOrder,
    Killed,
}

/// From the start of the core's process until it says that it is ready, over the book as it is.
/// Its processor time tells what the start costs where other processes want the machine, too.
async fn restart(rig: &mut Rig, workload: &'static str, ended: Ended) -> anyhow::Result<Vec<Row>> {
    let core = rig.core()?;
    match ended {
        Ended::InOrder => core.stop(),
        Ended::Killed => core.kill()?,
    }
    let begun = Instant::now();
    core.start_again()?;
    core.ready().await?;
    let took = begun.elapsed();
    let (now, _) = memory_mib(core.id())?;
    Ok(vec![
        Row::new(workload, "start_to_ready_ms", took.as_secs_f64() * 1_000.0, "ms"),
        Row::new(workload, "start_cpu_ms", cpu_ms(core.id())?, "ms"),
        Row::new(workload, "rss_mib", now, "MiB"),
    ])
}
