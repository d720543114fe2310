//! How much processor the protocol costs: a server that answers *done* at once in one process, a
//! client in another.
//!
//! `wire_speed` measures all cases; `wire_speed serve` and `wire_speed call …` are its two ends.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement stops when it fails")]
#![expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
#![expect(clippy::as_conversions, clippy::float_arithmetic, reason = "figures for people")]
#![expect(clippy::indexing_slicing, reason = "arguments and fields by their place")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use seal::{KeyId, SigningKey};
use terms::{AccountId, BusinessDate, Epoch, Minor, Position, TransactionId};
use wire::tls::{ClientTls, ServerTls};
use wire::{
    CallOptions, Client, ClientNumber, Completion, Content, Limits, PlainPolicy, RegisteredClient,
    Reply, Request, ResultsWriter, Security, Server, ServerConfig, Service, Status, Target,
    Timeouts, Transfer,
};

/// How long each case runs.
const SECONDS: Duration = Duration::from_secs(3);
/// Connections, items of a request, requests underway on each connection.
const CASES: [[usize; 3]; 6] =
    [[1, 8_000, 3], [4, 8_000, 2], [32, 1, 1], [1, 1, 1], [1, 1, 64], [1, 100, 8]];

struct Echo {
    position: u64,
    sum: u128,
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

impl Service for Echo {
    fn client(&mut self, _: &KeyId) -> Option<RegisteredClient> {
        Some(RegisteredClient { key: key().public_key(), number: ClientNumber(1) })
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(1)
    }

    fn request(&mut self, _: ClientNumber, request: Request, reply: Reply) {
        let mut results = ResultsWriter::for_items(request.items());
        if let Content::Transfers(transfers) = &request.content {
            for transfer in transfers.iter() {
                self.sum = self.sum.wrapping_add(transfer.amount.units());
                self.position += 1;
                results.done(Position::new(self.position), terms::Instant::from_nanos(1));
            }
        }
        reply.finish(results.finish(Position::new(self.position)));
    }
}

/// Seconds of processor time of a process, by user and system.
fn processor(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

/// With the name of a file, under TLS; the file gets the certificate to trust.
fn serve(certificate: Option<&String>) {
    let tls = certificate.map(|file| {
        let made = rcgen::generate_simple_self_signed(vec!["ledger.test".to_owned()]).unwrap();
        let pem = made.cert.pem();
        std::fs::write(file, &pem).unwrap();
        let key = made.signing_key.serialize_pem();
        ServerTls::from_pem(pem.as_bytes(), key.as_bytes()).unwrap()
    });
    let config = ServerConfig {
        plain: PlainPolicy::Loopback,
        tls,
        limits: Limits::STANDARD,
        timeouts: Timeouts::STANDARD,
        connections_max: 1_000,
        connections_of_client: 1_000,
    };
    let echo = Echo { position: 0, sum: 0 };
    let books = wire::Books::one("main".parse().unwrap(), echo);
    let server = Server::start("127.0.0.1:0".parse().unwrap(), config, books).unwrap();
    println!("{}", server.address());
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn transfer(number: u64) -> Transfer {
    Transfer::plain(
        TransactionId::from_bytes(u128::from(number).to_be_bytes()),
        AccountId::from_bytes([1; 16]),
        AccountId::from_bytes([2; 16]),
        Minor::new(100),
        BusinessDate::from_days(20_000),
    )
}

fn check(completion: &Completion, items: usize) {
    let Completion::Results(results) = completion else { panic_with(completion) };
    assert!(results.len() == items && results.all(Status::Done));
}

fn panic_with(completion: &Completion) -> ! {
    println!("{completion}");
    std::process::exit(1)
}

/// One process with `connections` clients that each keep `depth` requests of `items` underway.
fn call(address: &str, [connections, items, depth]: [usize; 3], certificate: Option<&String>) {
    let security = certificate.map_or(Security::Plain, |file| {
        let pem = std::fs::read(file).unwrap();
        Security::Tls(ClientTls::trusting_pem(&pem, "ledger.test").unwrap())
    });
    let target = Target {
        address: address.parse().unwrap(),
        book: "main".parse().unwrap(),
        security,
        connect_timeout: Duration::from_secs(5),
    };
    let mut clients: Vec<Client> =
        (0..connections).map(|_| Client::connect(&target, &key()).unwrap()).collect();
    let (began, mut number, mut requests) = (Instant::now(), 0, 0_u64);
    let mut submit = |client: &mut Client| {
        number += items as u64;
        let batch = (number..number + items as u64).map(transfer);
        let _ = client.transfers(batch, CallOptions::STANDARD).unwrap();
    };
    for client in &mut clients {
        (0..depth).for_each(|_| submit(client));
    }
    while began.elapsed() < SECONDS {
        for client in &mut clients {
            let (_, completion) = client.next_completion().unwrap();
            check(&completion, items);
            requests += 1;
            submit(client);
        }
    }
    let elapsed = began.elapsed().as_secs_f64();
    println!("{requests} {elapsed} {}", processor("self"));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| arguments[place].parse::<usize>().unwrap();
    match arguments.first().map(String::as_str) {
        Some("serve") => return serve(arguments.get(1)),
        Some("call") => {
            let case = [number(2), number(3), number(4)];
            return call(&arguments[1], case, arguments.get(5));
        }
        _ => {}
    }
    println!("| | connections | items | depth | requests/s | items/s | server us/request, ns/item");
    println!("|---|---|---|---|---|---|---");
    for case in CASES {
        measure(case, None);
    }
    let file = std::env::temp_dir().join(format!("wire-speed-{}.pem", std::process::id()));
    let file = file.to_string_lossy().into_owned();
    for case in [CASES[0], CASES[2]] {
        measure(case, Some(&file));
    }
    std::fs::remove_file(file).unwrap();
}

fn measure(case: [usize; 3], certificate: Option<&String>) {
    let program = std::env::current_exe().unwrap();
    let mut server = Command::new(&program)
        .arg("serve")
        .args(certificate)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let client = Command::new(&program)
        .args(["call", address.trim()])
        .args(case.map(|number| number.to_string()))
        .args(certificate)
        .output()
        .unwrap();
    let said = String::from_utf8(client.stdout).unwrap();
    let figures: Vec<f64> = said.split_whitespace().map(|one| one.parse().unwrap()).collect();
    let (requests, elapsed, client_cpu) = (figures[0], figures[1], figures[2]);
    let server_cpu = processor(&server.id().to_string());
    server.stdin.take().unwrap().write_all(b"\n").unwrap();
    server.wait().unwrap();
    let [connections, items, depth] = case;
    let each = |cpu: f64| {
        format!("{:.1}, {:.0}", cpu / requests * 1e6, cpu / requests / items as f64 * 1e9)
    };
    println!(
        "| {} | {connections} | {items} | {depth} | {:.0} | {:.0} | {} (client {})",
        if certificate.is_some() { "tls" } else { "plain" },
        requests / elapsed,
        requests * items as f64 / elapsed,
        each(server_cpu),
        each(client_cpu),
    );
}
