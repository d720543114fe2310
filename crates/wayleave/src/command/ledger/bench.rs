//! A load on an empty book that another process serves, and what was seen of it.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use ledger_server::load::{At, IdOrder, Load, Seen, open_accounts, post};
use ledger_server::query::Told;
use ledger_server::{Clocks as _, FIRST_CLIENT, Folder, Query, Said, SystemClocks};
use seal::text::to_hex;
use seal::{from_canonical, to_canonical};
use serde_json::json;
use terms::Position;
use wire::Completion;

use super::words;
use crate::cli::ledger::BenchArgs;
use crate::command::{say, say_json, tell};

/// Transactions in one request of `batch`.
const BATCH: usize = 2_000;
/// Requests underway on each connection of `batch`.
const AHEAD: usize = 4;
/// Connections of `single`.
const SINGLES: usize = 32;
/// `single` posts one transaction where `batch` posts so many.
const SINGLE_PART: u64 = 40;
/// Longest wait for the projections, and for one of their answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// Syncs that the flush is measured by: the 99th of them is still one of them.
const FLUSHES: usize = 201;

/// A folder that goes with the value.
struct Fresh(PathBuf);

impl Drop for Fresh {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// The process that serves; it ends with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _gone = self.0.wait();
    }
}

/// What one workload came to.
struct Row {
    name: &'static str,
    seen: Seen,
    /// From the first request until log and read models had seen everything.
    followed: Duration,
}

pub(super) fn command(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    let staged = match &args.dir {
        Some(dir) => Staged::running(dir)?,
        None => Staged::fresh(args.at.as_deref())?,
    };
    let at = &staged.at;
    let facts = progress(at)?.head.number();
    ensure!(
        facts == 0 || args.not_empty,
        "expected an empty book, got one of {facts} facts: what is measured would stay in it for \
         ever. Leave `--dir` out for a fresh one, or say `--not-empty`"
    );
    let flush = Flush::of(staged.folder.path())?;
    tell(&format!("{} accounts are opened", args.accounts));
    open_accounts(at, 0, args.accounts).map_err(|why| anyhow!(why))?;
    let mut rows = Vec::new();
    for (name, load) in loads(args) {
        tell(&format!("{name}: {} transactions", load.transactions));
        let row = measure(name, at, &load)?;
        if args.json {
            row.figures(&flush).for_each(|figure| say_json(&figure));
        }
        rows.push(row);
    }
    drop(staged);
    if !args.json {
        let head = ["workload", "rate/s", "p50 ms", "p99 ms", "p100 ms", "followed/s"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(rows.iter().map(Row::cells));
        say(&words::table(&lines, &[1, 2, 3, 4, 5]));
        let (middle, most) = (millis(flush.middle), millis(flush.p99));
        say(&format!("one write and flush of 4 KiB in that folder: {middle} ms, p99 {most} ms"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The workloads, in order.
fn loads(args: &BenchArgs) -> [(&'static str, Load); 2] {
    let (transactions, accounts) = (args.transactions, args.accounts);
    let batch = Load {
        transactions,
        batch: BATCH,
        connections: 2,
        ahead: AHEAD,
        accounts,
        ids: IdOrder::Rising,
        seed: 1,
    };
    let transactions = transactions / SINGLE_PART;
    let single = Load { transactions, batch: 1, connections: SINGLES, ahead: 1, seed: 2, ..batch };
    [("batch", batch), ("single", single)]
}

/// A book to measure, and what must live as long. The server goes first, then its folder.
struct Staged {
    at: At,
    folder: Folder,
    _server: Option<Server>,
    _fresh: Option<Fresh>,
}

impl Staged {
    /// A new book in a folder that goes away, served by a process that does.
    fn fresh(at: Option<&Path>) -> anyhow::Result<Self> {
        let below = at.map_or_else(std::env::temp_dir, Path::to_owned);
        let random: [u8; 8] = client::system::random()?;
        let fresh = Fresh(below.join(format!("wayleave-bench-{}", to_hex(&random))));
        let folder = Folder::create(&fresh.0.join("book"), "bench".parse()?)?;
        let server = serve(folder.path())?;
        let at = Self::place(&folder)?;
        Ok(Self { at, folder, _server: Some(server), _fresh: Some(fresh) })
    }

    /// A book that somebody serves.
    fn running(dir: &Path) -> anyhow::Result<Self> {
        let folder = Folder::open(dir)?;
        let at = Self::place(&folder)?;
        Ok(Self { at, folder, _server: None, _fresh: None })
    }

    fn place(folder: &Folder) -> anyhow::Result<At> {
        Ok(At {
            address: folder.address()?,
            book: folder.book(),
            key: folder.client_key(FIRST_CLIENT)?,
            security: wire::Security::Plain,
        })
    }
}

/// How far a book and what follows it have come.
struct Came {
    head: Position,
    /// Whether log and read models have seen everything.
    is_followed: bool,
}

fn progress(at: &At) -> anyhow::Result<Came> {
    let mut client = at.connect().map_err(|why| anyhow!(why))?;
    let ticket = client.query(&to_canonical(&Query::Status), PATIENCE)?;
    let Completion::Answer(bytes) = client.wait(ticket) else { bail!("no answer") };
    let Told { position, said } = from_canonical(&bytes)?;
    let Said::Status { log, views } = said else { bail!("the book answers something else") };
    let is_followed = log >= Some(position) && views >= Some(position);
    Ok(Came { head: position, is_followed })
}

fn measure(name: &'static str, at: &At, load: &Load) -> anyhow::Result<Row> {
    let begun = SystemClocks.monotonic();
    let seen = post(at, load).map_err(|why| anyhow!("{name}: {why}"))?;
    ensure!(seen.other == 0, "{name}: {} transactions were not recorded", seen.other);
    loop {
        let came = progress(at)?;
        let followed = SystemClocks.monotonic().saturating_sub(begun);
        if came.is_followed {
            return Ok(Row { name, seen, followed });
        }
        ensure!(
            followed < seen.took.saturating_add(PATIENCE),
            "{name}: log and read models do not follow: `wayleave ledger status` says why"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Row {
    /// Transactions a second until log and read models had seen them.
    fn followed_rate(&self) -> u64 {
        Seen { took: self.followed, ..self.seen.clone() }.rate()
    }

    fn cells(&self) -> Vec<String> {
        let latency = |per_mille| millis(self.seen.latency(per_mille));
        let (rate, followed) = (self.seen.rate(), self.followed_rate());
        let times = [latency(500), latency(990), latency(1000)];
        [self.name.to_owned(), rate.to_string()]
            .into_iter()
            .chain(times)
            .chain([followed.to_string()])
            .collect()
    }

    /// One object a figure, as all benches of this project print them.
    fn figures(&self, flush: &Flush) -> impl Iterator<Item = serde_json::Value> {
        let latency = |per_mille| (in_millis(self.seen.latency(per_mille)), "ms");
        let count = |of: u64| (u32::try_from(of).map_or(f64::INFINITY, f64::from), "1/s");
        let (transactions, _) = count(self.seen.done);
        let name = self.name;
        [
            ("transactions", (transactions, "1")),
            ("rate", count(self.seen.rate())),
            ("p50_ms", latency(500)),
            ("p99_ms", latency(990)),
            ("p100_ms", latency(1000)),
            ("followed_rate", count(self.followed_rate())),
            ("flush_4k_p50_ms", (in_millis(flush.middle), "ms")),
            ("flush_4k_p99_ms", (in_millis(flush.p99), "ms")),
        ]
        .into_iter()
        .map(move |(metric, (value, unit))| {
            json!({
                "bench": "ledger",
                "workload": name,
                "metric": metric,
                "value": value,
                "unit": unit,
                "on": "log views",
            })
        })
    }
}

/// To the microsecond.
fn millis(of: Duration) -> String {
    let micros = of.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

fn in_millis(of: Duration) -> f64 {
    millis(of).parse().unwrap_or(f64::INFINITY)
}

/// What a write and a flush over bytes that were written before take.
struct Flush {
    middle: Duration,
    p99: Duration,
}

impl Flush {
    fn of(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("bench-flush");
        let all = flushes(&path).with_context(|| format!("`{}`", path.display()))?;
        let at = |per_cent: usize| {
            let place = all.len().saturating_mul(per_cent) / 100;
            all.get(place).or(all.last()).copied().unwrap_or_default()
        };
        Ok(Self { middle: at(50), p99: at(99) })
    }
}

fn flushes(path: &Path) -> std::io::Result<Vec<Duration>> {
    std::fs::write(path, [0; 4096])?;
    let mut all = Vec::new();
    for _ in 0..FLUSHES {
        let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
        let begun = SystemClocks.monotonic();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        all.push(SystemClocks.monotonic().saturating_sub(begun));
    }
    std::fs::remove_file(path)?;
    all.sort_unstable();
    Ok(all)
}

/// This program again, as a server, until the value goes.
fn serve(folder: &Path) -> anyhow::Result<Server> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["ledger", "serve", "--until-input-ends", "--dir"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the server cannot be started")?;
    let out = child.stdout.take();
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(out.context("the server has no output")?).read_line(&mut line)?;
    ensure!(line.starts_with("ready"), "the server ended before it was ready: see above");
    Ok(server)
}
