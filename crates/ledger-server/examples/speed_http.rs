//! How fast a stand-alone ledger is over HTTP, client and server in two processes over loopback.
//!
//! `speed_http [transactions] [batch] [connections] [accounts] [flush ms]`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a measurement stops when it fails"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ledger_server::load::{At, IdOrder, Load, open_accounts};
use ledger_server::load_http::{HttpAt, post};
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
        transactions: number(0, 200_000),
        batch: number(1, 1) as usize,
        connections: number(2, 32) as usize,
        ahead: 1,
        accounts: number(3, 10_000),
        ids: IdOrder::Random,
        seed: 1,
    };
    let dir = std::env::temp_dir().join(format!("wayleave-speed-http-{}", std::process::id()));
    let folder = Folder::create(&dir, "speed".parse().unwrap()).unwrap();
    let key = folder.make_api_key("operator").unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["serve", dir.to_str().unwrap(), &number(4, 0).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = lines.next().unwrap().unwrap().parse().unwrap();
    let http = HttpAt { address: lines.next().unwrap().unwrap().parse().unwrap(), key };
    let at = At { address, book: folder.book(), key: folder.client_key("operator").unwrap() };
    open_accounts(&at, 0, load.accounts).unwrap();
    let pid = server.id().to_string();
    let before = (processor(&pid), processor("self"));
    let seen = post(&http, &load).unwrap();
    let cpu = (processor(&pid) - before.0, processor("self") - before.1);
    let each = |seconds: f64| seconds * 1e6 / seen.done as f64;
    let ms = |per_mille| seen.latency(per_mille).as_secs_f64() * 1e3;
    println!(
        "{} done, {} other in {:.2} s: {}/s; p50 {:.2} p99 {:.2} p100 {:.2} ms; server {:.2} us, \
         client {:.2} us each",
        seen.done,
        seen.other,
        seen.took.as_secs_f64(),
        seen.rate(),
        ms(500),
        ms(990),
        ms(1000),
        each(cpu.0),
        each(cpu.1),
    );
    drop(server.stdin.take());
    let _ = server.wait();
    let _ = std::fs::remove_dir_all(&dir);
}

fn child(dir: &Path, flush_ms: u64) {
    let folder = Folder::open(dir).unwrap();
    let options = ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: Some("127.0.0.1:0".parse().unwrap()),
        flush_delay: Duration::from_millis(flush_ms),
        log: Kept::Yes,
        views: Kept::No,
    };
    let running = serve(&folder, &options).unwrap();
    println!("{}\n{}", running.address, running.http_address().unwrap());
    let _ = std::io::stdin().read_line(&mut String::new());
    running.stop();
}

fn processor(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) as f64 / 100.0
}
