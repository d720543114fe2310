//! A peer to compare our ledger with: PostgreSQL 15, a minimal double-entry function, `pgbench`.
//!
//! `cargo xtask bench ledger-peer-postgres [--json] [--seconds N]`. The server is a fresh one with
//! `fsync` and `synchronous_commit` on; both it and the load run on this machine, over a socket.
//! After each workload the books are checked: every transfer that `pgbench` counts is there once,
//! and everything adds up. A run that does not is an error and prints no figure.

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::postgres::Server;
use crate::workspace::Workspace;

/// The function and its tables.
const LEDGER: &str = include_str!("peer/ledger.sql");
/// One transfer per transaction, under a random id.
const SINGLE: &str = "\
\\set debit random(1, :accounts)
\\set step random(1, :accounts - 1)
\\set amount random(1, 1000)
select peer.post(gen_random_uuid(), :debit, 1 + (:debit - 1 + :step) % :accounts, :amount);
";
/// As many transfers per transaction as our bulk requests carry.
const BULK: &str = "select peer.post_many(8190, :accounts);\n";
/// Transfers in one call of [`BULK`].
const BULK_TRANSFERS: u64 = 8190;
/// Lines of the server's configuration: room for the run without a checkpoint in it, as a careful
/// operator would set it; the rest is the product's default.
const SETTINGS: [&str; 7] = [
    "fsync = on",
    "synchronous_commit = on",
    "full_page_writes = on",
    "shared_buffers = 1GB",
    "max_wal_size = 8GB",
    "min_wal_size = 1GB",
    "track_wal_io_timing = on",
];
/// Length of a run when nobody says otherwise.
const SECONDS: u64 = 5;
/// Before each run: connections, caches and the first WAL files.
const WARM_UP_SECONDS: u64 = 1;
/// Threads of `pgbench`, as its clients share this machine with the server.
const THREADS: u64 = 2;
/// How long the server's processes get to end after a run.
const AFTER_RUN: Duration = Duration::from_millis(300);
/// A clock tick of `/proc`, which is a hundredth of a second on every Linux that we build on.
const TICK_US: f64 = 10_000.0;

/// One workload.
#[derive(Clone, Copy, Debug)]
struct Workload {
    name: &'static str,
    script: &'static str,
    clients: u64,
    accounts: u64,
    /// Transfers in one transaction.
    transfers: u64,
}

const WORKLOADS: [Workload; 5] = [
    Workload { name: "pg-single-1", script: SINGLE, clients: 1, accounts: 10_000, transfers: 1 },
    Workload { name: "pg-single-32", script: SINGLE, clients: 32, accounts: 10_000, transfers: 1 },
    Workload { name: "pg-hot-1", script: SINGLE, clients: 1, accounts: 10, transfers: 1 },
    Workload { name: "pg-hot-32", script: SINGLE, clients: 32, accounts: 10, transfers: 1 },
    Workload {
        name: "pg-bulk-1",
        script: BULK,
        clients: 1,
        accounts: 10_000,
        transfers: BULK_TRANSFERS,
    },
];

/// A figure with its unit.
struct Figure {
    metric: &'static str,
    value: f64,
    unit: &'static str,
}

/// `cargo xtask bench ledger-peer-postgres`.
pub(crate) fn command(workspace: &Workspace, options: &[String]) -> Result<ExitCode> {
    let (form, seconds) = parse(options)?;
    if matches!(form, Form::Table) {
        println!("PostgreSQL 15, minimal double entry, pgbench over a socket, {seconds} s each\n");
    }
    run(workspace, seconds, |workload, figures| match form {
        Form::Json => figures.iter().for_each(|figure| println!("{}", row(workload, figure))),
        Form::Table => println!("{}", line(workload, figures)),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Every workload as JSON objects, one a line.
pub(crate) fn rows(workspace: &Workspace) -> Result<String> {
    let mut text = String::new();
    run(workspace, SECONDS, |workload, figures| {
        for figure in figures {
            text.push_str(&row(workload, figure));
            text.push('\n');
        }
    })?;
    Ok(text)
}

fn run(
    workspace: &Workspace,
    seconds: u64,
    mut told: impl FnMut(&Workload, &[Figure]),
) -> Result<()> {
    let server = Server::start(workspace, &SETTINGS)?;
    sql(&server, LEDGER)?;
    for workload in WORKLOADS {
        told(&workload, &measure(&server, &workload, seconds)?);
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Table,
}

fn parse(options: &[String]) -> Result<(Form, u64)> {
    let (mut form, mut seconds) = (Form::Table, SECONDS);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match option.as_str() {
            "--json" => form = Form::Json,
            "--seconds" => {
                let number = rest.next().context("`--seconds` takes a number")?;
                seconds = number.parse().context("`--seconds` takes a whole number")?;
                ensure!((1..=600).contains(&seconds), "`--seconds` takes 1 to 600");
            }
            other => bail!("there is no option `{other}`: `--json`, `--seconds N`"),
        }
    }
    Ok((form, seconds))
}

fn row(workload: &Workload, figure: &Figure) -> String {
    let Figure { metric, value, unit } = figure;
    let name = workload.name;
    format!(
        r#"{{"bench":"ledger","workload":"{name}","metric":"{metric}","value":{value:.3},"unit":"{unit}"}}"#
    )
}

fn line(workload: &Workload, figures: &[Figure]) -> String {
    let figures: Vec<String> =
        figures.iter().map(|f| format!("{} {:.2} {}", f.metric, f.value, f.unit)).collect();
    format!("{:<14} {}", workload.name, figures.join(", "))
}

/// What the books hold, and what the server wrote for them.
#[derive(Clone, Copy, Debug)]
struct Standing {
    transfers: f64,
    bytes: f64,
    wal_bytes: f64,
    syncs: f64,
    sync_ms: f64,
}

fn measure(server: &Server, workload: &Workload, seconds: u64) -> Result<Vec<Figure>> {
    sql(server, &format!("select peer.open_accounts({}); checkpoint;", workload.accounts))?;
    let warm = load(server, workload, WARM_UP_SECONDS)?;
    // Reading the books costs as well: outside of what is measured.
    let before = standing(server)?;
    let cpu_before = cpu_us(server)?;
    let run = load(server, workload, seconds)?;
    let cpu_after = cpu_us(server)?;
    let after = standing(server)?;
    let per_transaction = to_f64(workload.transfers)?;
    let counted = (to_f64(run.transactions)? + to_f64(warm.transactions)?) * per_transaction;
    let (name, held) = (workload.name, after.transfers);
    ensure!(held == counted, "{name}: pgbench counts {counted} transfers, the books hold {held}");
    let transfers = after.transfers - before.transfers;
    let quantile = |thousandths| -> Result<f64> {
        Ok(to_f64(quantile(&run.latencies_us, thousandths))? / 1000.0)
    };
    let syncs = (after.syncs - before.syncs).max(1.0);
    let figure = |metric, value, unit| Figure { metric, value, unit };
    Ok(vec![
        figure("rate", run.tps * per_transaction, "1/s"),
        figure("latency_p50", quantile(500)?, "ms"),
        figure("latency_p99", quantile(990)?, "ms"),
        figure("latency_p999", quantile(999)?, "ms"),
        figure("latency_p100", quantile(1000)?, "ms"),
        figure("flush", (after.sync_ms - before.sync_ms) / syncs, "ms"),
        figure("transfers_per_flush", transfers / syncs, "1"),
        figure("cpu_server", (cpu_after[0] - cpu_before[0]) / transfers, "us"),
        figure("cpu_client", (cpu_after[1] - cpu_before[1]) / transfers, "us"),
        figure("disk", (after.bytes - before.bytes) / transfers, "B"),
        figure("wal", (after.wal_bytes - before.wal_bytes) / transfers, "B"),
    ])
}

/// What `pgbench` says of a run.
#[derive(Debug, Default, PartialEq)]
struct Run {
    transactions: u64,
    tps: f64,
    latencies_us: Vec<u64>,
}

fn load(server: &Server, workload: &Workload, seconds: u64) -> Result<Run> {
    let script = server.place("script", workload.script)?;
    let logs = server.empty_folder("latencies")?;
    let mut command = server.program("pgbench");
    command.args(["--no-vacuum", "--protocol=prepared", "--log"]);
    command.arg("--log-prefix").arg(logs.join("run")).arg("--file").arg(script);
    command.arg(format!("--time={seconds}")).arg(format!("--client={}", workload.clients));
    command.arg(format!("--jobs={}", THREADS.min(workload.clients)));
    command.arg(format!("--define=accounts={}", workload.accounts));
    let output = command.stdin(Stdio::null()).output().context("pgbench did not start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench failed: {}", errors.trim());
    let mut run = summary(&said).with_context(|| format!("pgbench said: {said}"))?;
    for log in std::fs::read_dir(logs)? {
        let text = std::fs::read_to_string(log?.path())?;
        run.latencies_us.extend(text.lines().filter_map(latency));
    }
    run.latencies_us.sort_unstable();
    let logged = u64::try_from(run.latencies_us.len())?;
    ensure!(logged == run.transactions, "pgbench logged {logged} of {}", run.transactions);
    // Its connections end, and report what they wrote, a moment after it did.
    std::thread::sleep(AFTER_RUN);
    Ok(run)
}

/// The counts of `pgbench`'s closing lines; none when transactions failed.
fn summary(said: &str) -> Option<Run> {
    let after = |start: &str| {
        let rest = said.lines().find_map(|line| line.strip_prefix(start))?;
        rest.split_whitespace().next()
    };
    let transactions = after("number of transactions actually processed: ")?.parse().ok()?;
    let failed: u64 = after("number of failed transactions: ")?.parse().ok()?;
    let tps = after("tps = ")?.parse().ok()?;
    (failed == 0).then(|| Run { transactions, tps, latencies_us: Vec::new() })
}

/// Microseconds: the third field of a line of `pgbench --log`.
fn latency(line: &str) -> Option<u64> {
    line.split_whitespace().nth(2)?.parse().ok()
}

/// The value that so many thousandths of the sorted values do not exceed; 0 of none.
fn quantile(sorted: &[u64], thousandths: usize) -> u64 {
    let rank = sorted.len().saturating_mul(thousandths).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

fn to_f64(number: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(number).context("a count is beyond 2^32")?))
}

fn standing(server: &Server) -> Result<Standing> {
    let line = sql(server, "select * from peer.standing")?;
    let fields: Vec<&str> = line.trim().split('|').collect();
    let [transfers, sound, bytes, wal_bytes, syncs, sync_ms] = fields.as_slice() else {
        bail!("the standing is `{line}`");
    };
    ensure!(*sound == "t", "the books do not add up: `{line}`");
    let number = |text: &str| text.parse::<f64>().context("a number was expected");
    Ok(Standing {
        transfers: number(transfers)?,
        bytes: number(bytes)?,
        wal_bytes: number(wal_bytes)?,
        syncs: number(syncs)?,
        sync_ms: number(sync_ms)?,
    })
}

/// Processor time so far, in microseconds: of the server with all its processes, and of the
/// programs that we started and that ended.
fn cpu_us(server: &Server) -> Result<[f64; 2]> {
    let main = server.main_process()?;
    let [own, ended] = ticks(&main).context("the server's process is gone")?;
    let mut served = own + ended;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().filter(|name| parent(name).as_ref() == Some(&main))
        else {
            continue;
        };
        served += ticks(process).map_or(0, |[own, _]| own);
    }
    let [_, ours] = ticks("self").context("`/proc/self/stat` cannot be read")?;
    Ok([to_f64(served)? * TICK_US, to_f64(ours)? * TICK_US])
}

/// The fields of a process's `stat` after its name.
fn stat(process: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn parent(process: &str) -> Option<String> {
    stat(process)?.get(1).cloned()
}

/// Processor time of a process and of its children that ended, in clock ticks.
fn ticks(process: &str) -> Option<[u64; 2]> {
    let fields = stat(process)?;
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some([number(11)? + number(12)?, number(13)? + number(14)?])
}

/// Runs SQL with `psql`, which also tells what its last question gave.
fn sql(server: &Server, text: &str) -> Result<String> {
    let script = server.place("sql", text)?;
    let mut command = server.program("psql");
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
    command.args(["--set", "ON_ERROR_STOP=1", "--file"]).arg(script);
    let output = command.stdin(Stdio::null()).output().context("psql did not start")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "psql failed: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
transaction type: script
number of transactions actually processed: 4711
number of failed transactions: 0 (0.000%)
latency average = 1.060 ms
tps = 942.201400 (without initial connection time)
";

    #[test]
    fn a_run_with_failed_transactions_has_no_figures() {
        let run = Run { transactions: 4711, tps: 942.2014, latencies_us: Vec::new() };
        assert_eq!(summary(SAID), Some(run));
        assert_eq!(
            summary(&SAID.replace("failed transactions: 0", "failed transactions: 1")),
            None
        );
        assert_eq!(summary("pgbench (15.18)\n"), None);
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sorted: Vec<u64> = (1..=200).collect();
        let found = [500, 990, 999, 1000].map(|thousandths| quantile(&sorted, thousandths));
        assert_eq!(found, [100, 198, 200, 200]);
        assert_eq!(quantile(&[], 500), 0);
        assert_eq!(latency("3 17 1234 0 1700000000 500"), Some(1234));
    }

    #[test]
    fn options_are_those_of_the_usage() {
        let parsed = |line: &str| {
            parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).ok()
        };
        assert_eq!(parsed(""), Some((Form::Table, SECONDS)));
        assert_eq!(parsed("--json --seconds 9"), Some((Form::Json, 9)));
        for wrong in ["--seconds", "--seconds 0", "--seconds x", "--fast"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_row_is_one_object() {
        let figure = Figure { metric: "rate", value: 1234.5678, unit: "1/s" };
        assert_eq!(
            row(&WORKLOADS[1], &figure),
            r#"{"bench":"ledger","workload":"pg-single-32","metric":"rate","value":1234.568,"unit":"1/s"}"#
        );
    }
}
