//! The workloads, and how each is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use ledger_server::load::{IdOrder, Load, Seen, open_accounts, post};
use ledger_server::load_http;

use crate::Options;
use crate::bound;
use crate::holds;
use crate::picture;
use crate::rows::{Bar, Rows};
use crate::stage::{Paused, Place, Server, Setting, busy, bytes_below, processor};

const M: u64 = 1_000_000;
/// Transactions in one request of the batch workloads.
pub const BATCH: usize = 8_000;
/// Requests underway on the one connection of the batch workloads.
const AHEAD: usize = 3;
/// Journal and ids, the log, the read models: bytes a transaction.
const DISK_BARS: [f64; 3] = [220.0, 80.0, 180.0];
/// Parts of the folder that take disk.
const PARTS: [&str; 5] = ["journal", "ids", "log", "views", "images"];

pub const LOG: Setting = Setting { log: true, views: false, flush_ms: 0, tls: false };
pub const ALL: Setting = Setting { log: true, views: true, flush_ms: 0, tls: false };
/// As most, and nobody on the way reads along.
const TLS: Setting = Setting { tls: true, ..LOG };

/// How a workload is run.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One load on a fresh book; a second one beside it is the bare loop.
    Post,
    /// Ten accounts and ten thousand, in turn on one book.
    Hot,
    /// Holds are placed, then posted.
    Holds,
    /// A load, then starts of the same book.
    Restart,
    /// One load over HTTP.
    Http,
}

#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub name: &'static str,
    pub kind: Kind,
    pub setting: Setting,
    pub transactions: u64,
    pub batch: usize,
    pub connections: usize,
    pub ahead: usize,
    pub accounts: u64,
    pub ids: IdOrder,
    /// Of the rate.
    pub bar: Option<Bar>,
    /// Longest `p99` in milliseconds.
    pub p99_bar: Option<f64>,
    /// Only when asked for by name.
    pub only_by_name: bool,
}

const BASE: Workload = Workload {
    name: "",
    kind: Kind::Post,
    setting: LOG,
    transactions: 10 * M,
    batch: BATCH,
    connections: 1,
    ahead: AHEAD,
    accounts: 10_000,
    ids: IdOrder::Rising,
    bar: None,
    p99_bar: None,
    only_by_name: false,
};

const fn at_least(bar: f64) -> Option<Bar> {
    Some(Bar::AtLeast(bar))
}

const SINGLE: Workload =
    Workload { batch: 1, connections: 32, ahead: 1, p99_bar: Some(10.0), ..BASE };

/// Every workload, in the order of the table.
pub const WORKLOADS: [Workload; 18] = [
    Workload { name: "batch-1m", transactions: M, bar: at_least(800e3), ..BASE },
    // TLS has no bar of its own: beside the row without it stands what it costs.
    Workload { name: "batch-1m-tls", setting: TLS, transactions: M, ..BASE },
    Workload { name: "batch-10m", bar: at_least(700e3), ..BASE },
    Workload { name: "batch-10m-indexed", setting: ALL, bar: at_least(350e3), ..BASE },
    Workload { name: "accounts-1m", accounts: M, bar: at_least(500e3), ..BASE },
    Workload { name: "ids-random", ids: IdOrder::Random, bar: at_least(400e3), ..BASE },
    Workload { name: "single-binary-32", transactions: 400_000, bar: at_least(40e3), ..SINGLE },
    Workload { name: "single-binary-32-tls", setting: TLS, transactions: 400_000, ..SINGLE },
    Workload {
        name: "single-http-32",
        kind: Kind::Http,
        transactions: 150_000,
        bar: at_least(15e3),
        ..SINGLE
    },
    Workload {
        name: "single-binary-32-flush-2ms",
        setting: Setting { flush_ms: 2, ..LOG },
        transactions: 60_000,
        bar: at_least(6e3),
        p99_bar: None,
        ..SINGLE
    },
    Workload {
        name: "single-binary-1",
        transactions: 30_000,
        connections: 1,
        bar: at_least(2.5e3),
        p99_bar: None,
        ..SINGLE
    },
    Workload { name: "hot-10", kind: Kind::Hot, transactions: M, ..BASE },
    Workload {
        name: "hold-post",
        kind: Kind::Holds,
        transactions: M,
        bar: at_least(400e3),
        ..BASE
    },
    Workload { name: "restart-10m", kind: Kind::Restart, ..BASE },
    Workload { name: "restart-10m-accounts-1m", kind: Kind::Restart, accounts: M, ..BASE },
    Workload { name: "disk", setting: ALL, transactions: 2 * M, ..BASE },
    Workload { name: "memory", setting: ALL, transactions: 10 * M, only_by_name: true, ..BASE },
    Workload { name: "long-50m", transactions: 50 * M, ahead: 2, only_by_name: true, ..BASE },
];

impl Workload {
    /// As little as shows that it works.
    pub fn quick(mut self) -> Self {
        self.transactions = (self.transactions / 100).clamp(1_000, 100_000);
        self.accounts = self.accounts.min(20_000);
        self
    }

    fn on(&self) -> String {
        let Setting { log, views, flush_ms, tls } = self.setting;
        let way = match (self.kind, tls) {
            (Kind::Http, _) => "plain HTTP",
            (_, true) => "TLS",
            (_, false) => "plain TCP",
        };
        let mut on = vec![way];
        on.extend(log.then_some("log"));
        on.extend(views.then_some("views"));
        let slower = format!("{flush_ms} ms added to each sync");
        if flush_ms > 0 {
            on.push(&slower);
        }
        on.join(", ")
    }

    pub fn load(&self, seed: u64) -> Load {
        Load {
            transactions: self.transactions,
            batch: self.batch,
            connections: self.connections,
            ahead: self.ahead,
            accounts: self.accounts,
            ids: self.ids,
            seed,
        }
    }
}

/// Measures one workload.
pub fn measure(workload: &Workload, options: &Options) -> Result<Rows> {
    let mut rows = Rows::of(workload.name, &workload.on(), !options.quick);
    let place = Place::new("measure")?;
    let flush = bound::flush(&place.path)?;
    for (size, [p50, p99]) in [("4k", flush.small), ("1m", flush.large)] {
        rows.add(&format!("flush_{size}_p50_ms"), p50, "ms");
        rows.add(&format!("flush_{size}_p99_ms"), p99, "ms");
    }
    let used = (busy(), processor("self"), Instant::now());
    let mut server = Server::start(&place, workload.setting)?;
    let at = server.at(&place)?;
    open_accounts(&at, 0, workload.accounts).map_err(|why| anyhow!(why))?;
    server.reach()?;
    match workload.kind {
        Kind::Hot => drawn(workload, &hot(workload, &mut server, &place, &mut rows)?, options)?,
        Kind::Holds => {
            drawn(workload, &holds::measure(workload, &mut server, &at, &mut rows)?, options)?;
        }
        Kind::Post | Kind::Http | Kind::Restart => {
            let seen = posted(workload, &mut server, &place, &mut rows)?;
            drawn(workload, &seen, options)?;
            if workload.transactions >= 50 * M {
                slowdown(&seen, workload, &mut rows);
            }
        }
    }
    paused(&mut server, &mut rows)?;
    let ours = server.cpu_us()["all"] + processor("self") - used.1;
    let others = (busy() - used.0 - ours).max(0.0) / used.2.elapsed().as_secs_f64() / 1e4;
    rows.add("processor_of_others", others, "%");
    server.stop()?;
    if matches!(workload.kind, Kind::Post | Kind::Http | Kind::Restart) {
        let each = disk(workload, &place, &mut rows);
        if workload.batch > 1 {
            bare(workload, &place, each, &mut rows)?;
        }
    }
    if matches!(workload.kind, Kind::Restart) {
        restart(workload, &place, &mut rows)?;
    }
    Ok(rows)
}

fn drawn(workload: &Workload, seen: &Seen, options: &Options) -> Result<()> {
    let file = options.pictures.join(format!("ledger-{}.svg", workload.name));
    let title = format!("{}: {} transactions", workload.name, workload.transactions);
    picture::draw(&file, &title, &seen.latencies, workload.batch as f64)
}

/// What images cost: the writer's own steps have a bar, the disk's part is told beside it.
fn paused(server: &mut Server, rows: &mut Rows) -> Result<()> {
    let Paused { images, step_ms, append_ms } = server.pauses()?;
    rows.add("images", images as f64, "");
    if images > 0 {
        rows.against("image_step_longest_ms", step_ms, "ms", Some(Bar::AtMost(50.0)));
        rows.add("image_append_longest_ms", append_ms, "ms");
    }
    Ok(())
}

/// One load; the clock stops when what is kept has reached the head.
fn posted(
    workload: &Workload,
    server: &mut Server,
    place: &Place,
    rows: &mut Rows,
) -> Result<Seen> {
    let (at, http) = (server.at(place)?, server.http_at(place)?);
    let before = (server.cpu_us(), processor("self"));
    let began = Instant::now();
    let seen = match workload.kind {
        Kind::Http => load_http::post(&http, &workload.load(1)),
        Kind::Post | Kind::Hot | Kind::Holds | Kind::Restart => post(&at, &workload.load(1)),
    };
    let seen = seen.map_err(|why| anyhow!(why))?;
    server.reach()?;
    let took = began.elapsed();
    let after = (server.cpu_us(), processor("self"));
    let (done, other) = (seen.done, seen.other);
    ensure!(other == 0 && done > 0, "{done} were recorded, {other} had another answer");
    let each = |us: f64| us / done as f64;
    rows.against("rate", done as f64 / took.as_secs_f64(), "1/s", workload.bar);
    rows.add("answered_rate", done as f64 / seen.took.as_secs_f64(), "1/s");
    rows.add("projections_behind_ms", ms(took.saturating_sub(seen.took)), "ms");
    latencies(&seen, workload, rows);
    rows.add("cpu_server_us", each(after.0["all"] - before.0["all"]), "us");
    rows.add("cpu_client_us", each(after.1 - before.1), "us");
    for (thread, us) in after.0.iter().filter(|(thread, _)| *thread != "all") {
        let us = each(us - before.0.get(thread).copied().unwrap_or(0.0));
        if us >= 0.001 {
            rows.add(&format!("cpu_{thread}_us"), us, "us");
        }
    }
    rows.against("rss_mib", server.rss_mib(), "MiB", Some(memory(workload, done, 0)));
    Ok(seen)
}

/// 256 MiB, 200 B an account, 2 B a past transaction, and as much as an account for what is open.
pub fn memory(workload: &Workload, done: u64, open: u64) -> Bar {
    let rows = 200.0 * (workload.accounts + open) as f64;
    Bar::AtMost(256.0 + (rows + 2.0 * done as f64) / f64::from(1 << 20))
}

pub fn latencies(seen: &Seen, workload: &Workload, rows: &mut Rows) {
    let p99_bar = workload.p99_bar.map(Bar::AtMost);
    let p999_bar = (workload.transactions >= 50 * M).then_some(Bar::AtMost(50.0));
    rows.add("p50_ms", ms(seen.latency(500)), "ms");
    rows.against("p99_ms", ms(seen.latency(990)), "ms", p99_bar);
    rows.against("p999_ms", ms(seen.latency(999)), "ms", p999_bar);
    rows.add("p100_ms", ms(seen.latency(1000)), "ms");
}

pub fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// The last fifth against the first.
fn slowdown(seen: &Seen, workload: &Workload, rows: &mut Rows) {
    let fifth = seen.latencies.len() / 5;
    let rate = |from: usize, to: usize| {
        let place = |at: usize| seen.latencies.get(at).map_or(0.0, |(at, _)| at.as_secs_f64());
        ((to - from) * workload.batch) as f64 / (place(to) - place(from)).max(1e-9)
    };
    let (early, late) = (rate(0, fifth), rate(fifth * 4, seen.latencies.len() - 1));
    rows.add("rate_first_fifth", early, "1/s");
    rows.add("rate_last_fifth", late, "1/s");
    rows.against("slowdown", (1.0 - late / early) * 100.0, "%", Some(Bar::AtMost(20.0)));
}

/// Bytes a transaction on disk; gives those of the journal.
fn disk(workload: &Workload, place: &Place, rows: &mut Rows) -> f64 {
    let done = workload.transactions as f64;
    let each = PARTS.map(|part| bytes_below(&place.path.join(part)) / done);
    for (part, bytes) in PARTS.iter().zip(each) {
        rows.add(&format!("bytes_per_item_{part}"), bytes, "B");
    }
    let [journal, ids, log, views, _] = each;
    let full = workload.batch > 1;
    for (what, bytes, bar, kept) in [
        ("journal_and_ids", journal + ids, DISK_BARS[0], true),
        ("log", log, DISK_BARS[1], workload.setting.log),
        ("views", views, DISK_BARS[2], workload.setting.views),
    ] {
        if kept && full {
            rows.against(&format!("disk_{what}"), bytes, "B", Some(Bar::AtMost(bar)));
        }
    }
    journal
}

/// The same transfers on plain arrays, and as many bytes written and synced.
fn bare(workload: &Workload, place: &Place, each: f64, rows: &mut Rows) -> Result<()> {
    let transfers = workload.transactions.min(2 * M);
    let what = (workload.accounts, transfers, workload.batch);
    let took = bound::bare(&place.path, what, each)?;
    let bound = transfers as f64 / took.as_secs_f64();
    let rate = rows.rows.iter().find(|row| row.metric == "rate").map(|row| row.value);
    rows.add("bound_rate", bound, "1/s");
    rows.add("ratio_to_bound", rate.context("no rate")? / bound, "");
    Ok(())
}

/// In turn, so that both see the same machine; the medians are compared.
///
/// Gives the last load over ten.
fn hot(workload: &Workload, server: &mut Server, place: &Place, rows: &mut Rows) -> Result<Seen> {
    const ROUNDS: u64 = 3;
    let at = server.at(place)?;
    let mut rates = [Vec::new(), Vec::new()];
    let mut last = None;
    let used = server.cpu_us()["all"];
    let mut done = 0_u64;
    for round in 0..ROUNDS {
        for (which, accounts) in [workload.accounts, 10].into_iter().enumerate() {
            let load = Load { accounts, ..workload.load(round * 2 + which as u64 + 1) };
            let began = Instant::now();
            let seen = post(&at, &load).map_err(|why| anyhow!(why))?;
            server.reach()?;
            ensure!(seen.other == 0, "{} had another answer", seen.other);
            rates[which].push(seen.done as f64 / began.elapsed().as_secs_f64());
            done += seen.done;
            last = Some(seen);
        }
    }
    let [wide, hot] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    rows.add("rate", hot, "1/s");
    rows.add("rate_10k_accounts", wide, "1/s");
    rows.against("ratio_to_10k_accounts", hot / wide, "", Some(Bar::AtLeast(0.9)));
    let seen = last.context("no load")?;
    latencies(&seen, workload, rows);
    rows.add("cpu_server_us", (server.cpu_us()["all"] - used) / done as f64, "us");
    rows.against("rss_mib", server.rss_mib(), "MiB", Some(memory(workload, done, 0)));
    Ok(seen)
}

/// Starts the book that was posted to: from its image, and without.
fn restart(workload: &Workload, place: &Place, rows: &mut Rows) -> Result<()> {
    let server = Server::start(place, workload.setting)?;
    let ready = server.ready.clone();
    ensure!(ready.from_image || workload.transactions < M, "the image was not used");
    rows.against("ready_s", server.started_in.as_secs_f64(), "s", Some(Bar::AtMost(1.0)));
    rows.add("ready_refolded", ready.facts_refolded as f64, "facts");
    killed(workload, place, server, rows)?;
    std::fs::remove_dir_all(place.path.join("images"))?;
    let server = Server::start(place, workload.setting)?;
    let ready = server.ready.clone();
    ensure!(!ready.from_image, "an image was used");
    let bar = if workload.accounts >= M { 0.8e6 } else { 2e6 };
    let rate = ready.facts_refolded as f64 / (ready.opened_in_ms / 1e3);
    rows.add("refolded", ready.facts_refolded as f64, "facts");
    rows.add("refold_s", ready.opened_in_ms / 1e3, "s");
    rows.against("refold_rate", rate, "1/s", Some(Bar::AtLeast(bar)));
    server.stop()
}

/// A load that ends with SIGKILL, and the start after it: as far behind as an image may be.
fn killed(workload: &Workload, place: &Place, server: Server, rows: &mut Rows) -> Result<()> {
    let more = Load { transactions: workload.transactions / 50 * 9, ..workload.load(2) };
    post(&server.at(place)?, &more).map_err(|why| anyhow!(why))?;
    drop(server);
    let server = Server::start(place, workload.setting)?;
    let bar = Some(Bar::AtMost(1.0));
    rows.against("ready_after_kill_s", server.started_in.as_secs_f64(), "s", bar);
    rows.add("ready_after_kill_refolded", server.ready.facts_refolded as f64, "facts");
    server.stop()
}
