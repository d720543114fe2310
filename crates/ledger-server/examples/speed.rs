//! How fast a stand-alone ledger is, client and server in two processes over loopback.
//!
//! `speed [transactions] [batch] [connections] [ahead] [accounts] [rising|random] [flush ms]`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a measurement stops when it fails"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ledger_server::load::{At, IdOrder, Load, open_accounts, post};
use ledger_server::{Folder, Kept, ServeOptions, serve};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == "serve") {
        return child(Path::new(&args[1]), args[2].parse().unwrap());
    }
    let number = |place: usize, other: u64| -> u64 {
        args.get(place).map_or(other, |text| text.parse().unwrap())
    };
    let load = Load {
        transactions: number(0, 1_000_000),
        batch: number(1, 8_000) as usize,
        connections: number(2, 1) as usize,
        ahead: number(3, 3) as usize,
        accounts: number(4, 10_000),
        ids: if args.get(5).is_some_and(|a| a == "random") {
            IdOrder::Random
        } else {
            IdOrder::Rising
        },
        seed: 1,
    };
    let dir = std::env::temp_dir().join(format!("wayleave-speed-{}", std::process::id()));
    let folder = Folder::create(&dir, "speed".parse().unwrap()).unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["serve", dir.to_str().unwrap(), &number(6, 0).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = lines.next().unwrap().unwrap().parse().unwrap();
    let at = At { address, book: folder.book(), key: folder.client_key("operator").unwrap() };
    let clock = Instant::now();
    open_accounts(&at, 0, load.accounts).unwrap();
    println!("{} accounts in {:.2} s", load.accounts, clock.elapsed().as_secs_f64());
    let pid = server.id().to_string();
    let before = (processor(&pid), processor("self"));
    let seen = post(&at, &load).unwrap();
    let cpu = (processor(&pid) - before.0, processor("self") - before.1);
    let each = |seconds: f64| seconds * 1e6 / seen.done as f64;
    println!(
        "{} done, {} other in {:.2} s: {}/s; p50 {:.2} p99 {:.2} p100 {:.2} ms; server {:.2} us, client {:.2} us each; rss {} MiB",
        seen.done,
        seen.other,
        seen.took.as_secs_f64(),
        seen.rate(),
        ms(seen.latency(500)),
        ms(seen.latency(990)),
        ms(seen.latency(1000)),
        each(cpu.0),
        each(cpu.1),
        resident(&pid),
    );
    drop(server.stdin.take());
    let _ = server.wait();
    for part in ["journal", "ids", "log", "views", "images"] {
        let bytes = size(&dir.join(part));
        println!("{part}: {bytes} B, {:.1} each", bytes as f64 / seen.done as f64);
    }
    let _ = std::fs::remove_dir_all(&dir);
}

fn child(dir: &Path, flush_ms: u64) {
    let folder = Folder::open(dir).unwrap();
    let options = ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: None,
        flush_delay: Duration::from_millis(flush_ms),
        log: kept("LOG"),
        views: kept("VIEWS"),
    };
    let running = serve(&folder, &options).unwrap();
    println!("{}", running.address);
    let _ = std::io::stdin().read_line(&mut String::new());
    running.stop();
}

fn kept(name: &str) -> Kept {
    if std::env::var(name).is_ok() { Kept::Yes } else { Kept::No }
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn processor(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) as f64 / 100.0
}

fn resident(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|e| if e.path().is_dir() { size(&e.path()) } else { used(&e.path()) })
        .sum()
}

/// A segment is preallocated: what it holds counts, up to its last byte that is not zero.
fn used(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last as u64 + 1)
}
