//! Holds are placed in bulk, then posted in bulk.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use ledger::{Command, Placement, Side, Term};
use ledger_server::load::{At, Seen, account};
use seal::to_canonical;
use terms::{BusinessDate, HoldId, Minor, TransactionId};
use wire::request::PostedHold;
use wire::{CallOptions, Client, Completion, RequestFlags, Status, Ticket, Transfer};

use crate::rows::Rows;
use crate::stage::{Server, processor};
use crate::workloads::{Workload, latencies, memory};

/// Holds in one request: as commands they are longer than transfers.
const PLACED_AT_ONCE: u64 = 4_000;
const OPTIONS: CallOptions =
    CallOptions { flags: RequestFlags::NONE, within: Duration::from_secs(60) };
const DATE: BusinessDate = BusinessDate::from_days(20_780);
/// A hold moves one side of one account; the post that uses it up moves two.
const ENTRIES: f64 = 3.0;

pub fn measure(workload: &Workload, server: &mut Server, at: &At, rows: &mut Rows) -> Result<Seen> {
    let mut client = at.connect().map_err(|why| anyhow!(why))?;
    let (holds, accounts) = (workload.transactions, workload.accounts);
    let before = (server.cpu_us(), processor("self"));
    let began = Instant::now();
    // An hour from now: none expires while it is measured.
    let until = terms::Instant::from_nanos(client::system::now().nanos() + 3_600_000_000_000);
    let placed =
        piped(&mut client, (holds, PLACED_AT_ONCE, workload.ahead), |client, from, to| {
            let commands: Vec<Vec<u8>> = (from..to)
                .map(|number| to_canonical(&placement(number, accounts, until)))
                .collect();
            Ok(client.commands(&commands, OPTIONS)?)
        })?;
    server.reach()?;
    let placing = began.elapsed();
    let again = Instant::now();
    let batch = workload.batch as u64;
    let posted = piped(&mut client, (holds, batch, workload.ahead), |client, from, to| {
        Ok(client.transfers((from..to).map(|number| transfer(number, accounts)), OPTIONS)?)
    })?;
    server.reach()?;
    let posting = again.elapsed();
    ensure!(placed.other == 0 && posted.other == 0, "a hold was not placed or not posted");
    let cpu = (server.cpu_us()["all"] - before.0["all"], processor("self") - before.1);
    let entries = ENTRIES * holds as f64;
    let rate = entries / (placing + posting).as_secs_f64();
    rows.against("rate", rate, "entries/s", workload.bar);
    rows.add("rate_place", holds as f64 / placing.as_secs_f64(), "holds/s");
    rows.add("rate_post", holds as f64 / posting.as_secs_f64(), "posts/s");
    rows.add("cpu_server_us", cpu.0 / entries, "us/entry");
    rows.add("cpu_client_us", cpu.1 / entries, "us/entry");
    // All are open before the first is used up.
    rows.against("rss_mib", server.rss_mib(), "MiB", Some(memory(workload, holds, holds)));
    latencies(&posted, workload, rows);
    Ok(posted)
}

fn placement(number: u64, accounts: u64, until: terms::Instant) -> Command {
    Command::PlaceHold(Placement {
        id: HoldId::from_bytes(id(1, number)),
        account: account(number % accounts),
        side: Side::Debit,
        amount: Minor::new(100),
        term: Term::Expiring { at: until },
        business_date: DATE,
        limits: Vec::new(),
        links: Vec::new(),
    })
}

fn transfer(number: u64, accounts: u64) -> Transfer {
    Transfer {
        id: TransactionId::from_bytes(id(2, number)),
        debit: account(number % accounts),
        credit: account((number + 1 + number / accounts % (accounts - 1)) % accounts),
        amount: Minor::new(100),
        effective: None,
        business_date: DATE,
        reason: 0,
        code: 0,
        hold: Some(PostedHold::Debit(HoldId::from_bytes(id(1, number)))),
        payment: None,
    }
}

/// Rising, and apart by kind.
fn id(kind: u64, number: u64) -> [u8; 16] {
    (u128::from(number + 1) << 64 | u128::from(kind)).to_be_bytes()
}

/// Sends `total` items in requests of `batch`, `ahead` of them underway.
fn piped(
    client: &mut Client,
    (total, batch, ahead): (u64, u64, usize),
    mut send: impl FnMut(&mut Client, u64, u64) -> Result<Ticket>,
) -> Result<Seen> {
    let begun = Instant::now();
    let mut seen = Seen { took: Duration::ZERO, done: 0, other: 0, latencies: Vec::new() };
    let mut underway = VecDeque::new();
    let mut next = 0;
    while next < total || !underway.is_empty() {
        while next < total && underway.len() < ahead {
            let to = (next + batch).min(total);
            let sent = Instant::now();
            underway.push_back((send(client, next, to)?, sent, to - next));
            next = to;
        }
        let Some((ticket, sent, count)) = underway.pop_front() else { break };
        let results = match client.wait(ticket) {
            Completion::Results(results) => results,
            other => bail!("a request was answered otherwise: {other}"),
        };
        let done = results.iter().filter(|result| result.status == Status::Done).count() as u64;
        seen.done += done;
        seen.other += count - done;
        let now = Instant::now();
        seen.took = now - begun;
        seen.latencies.push((now - begun, now - sent));
    }
    Ok(seen)
}
