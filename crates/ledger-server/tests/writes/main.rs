//! Everything that can be written, over the binary protocol's socket.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod every;
mod together;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ledger::{
    Balances, Ceiling, Command, Entry, Floor, Opening, Owner, Purpose, Reason, Side, Transaction,
};
use ledger_server::load::At;
use ledger_server::query::Told;
use ledger_server::{Folder, Kept, Query, Running, Said, ServeOptions, serve};
use seal::{from_canonical, to_canonical};
use terms::{AccountId, BusinessDate, Minor, TransactionId};
use wire::{CallOptions, Client, Completion, RequestFlags, Results, Status};

pub(crate) const WITHIN: Duration = Duration::from_secs(20);

/// A served book and a client that may everything.
pub(crate) struct Site {
    dir: PathBuf,
    running: Option<Running>,
    pub(crate) client: Client,
}

impl Site {
    /// With account 1, which may fall, and 2 to 4, which may not; all of `EUR.2@bank`.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("wayleave-writes-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&dir);
        let folder = Folder::create(&dir, "writes".parse().unwrap()).unwrap();
        let (running, client) = start(&folder);
        let mut site = Self { dir, running: Some(running), client };
        let open: Vec<Command> = (1..=4).map(open).collect();
        assert_eq!(site.words(&open), ["done"; 4]);
        site
    }

    pub(crate) fn restart(&mut self) {
        self.running.take().unwrap().stop();
        let (running, client) = start(&Folder::open(&self.dir).unwrap());
        (self.running, self.client) = (Some(running), client);
    }

    /// Commands in one frame.
    pub(crate) fn ask(&mut self, commands: &[Command], flags: RequestFlags) -> Completion {
        let bytes: Vec<Vec<u8>> = commands.iter().map(to_canonical).collect();
        let options = CallOptions { flags, within: WITHIN };
        let ticket = self.client.commands(&bytes, options).unwrap();
        self.client.wait(ticket)
    }

    pub(crate) fn results(&mut self, commands: &[Command], flags: RequestFlags) -> Results {
        match self.ask(commands, flags) {
            Completion::Results(results) => results,
            other => panic!("{other}"),
        }
    }

    /// What became of each: its status, or the rule that refused it.
    pub(crate) fn words(&mut self, commands: &[Command]) -> Vec<String> {
        words(&self.results(commands, RequestFlags::NONE))
    }

    pub(crate) fn told(&mut self, query: &Query) -> Said {
        let ticket = self.client.query(&to_canonical(query), WITHIN).unwrap();
        let Completion::Answer(bytes) = self.client.wait(ticket) else { panic!() };
        from_canonical::<Told>(&bytes).unwrap().said
    }

    /// Debits and credits posted to an account.
    pub(crate) fn posted(&mut self, n: u8) -> (u128, u128) {
        let of = self.balances(n);
        (of.debits_posted.units(), of.credits_posted.units())
    }

    pub(crate) fn balances(&mut self, n: u8) -> Balances {
        match self.told(&Query::AccountWhole(account(n))) {
            Said::AccountWhole(account) => account.balances(),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn start(folder: &Folder) -> (Running, Client) {
    let options = ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: None,
        flush_delay: Duration::ZERO,
        log: Kept::No,
        views: Kept::No,
    };
    let running = serve(folder, &options).unwrap();
    let key = folder.client_key("operator").unwrap();
    let at =
        At { address: running.address, book: folder.book(), key, security: wire::Security::Plain };
    (running, at.connect().unwrap())
}

pub(crate) fn words(results: &Results) -> Vec<String> {
    let word = |item: wire::results::Item| match item.rule {
        Some(wire::outcome::Coded::Known(rule)) => rule.name().to_owned(),
        _ => item.status.name().to_owned(),
    };
    results.iter().map(word).collect()
}

pub(crate) fn statuses(results: &Results) -> Vec<Status> {
    results.iter().map(|item| item.status).collect()
}

pub(crate) fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

pub(crate) fn txn(n: u32) -> TransactionId {
    TransactionId::from_bytes(u128::from(n).to_be_bytes())
}

pub(crate) fn open(n: u8) -> Command {
    Command::OpenAccount(Opening {
        id: account(n),
        asset: "EUR.2@bank".parse().unwrap(),
        normal: Side::Credit,
        owner: Owner::Institution("bank".parse().unwrap()),
        purpose: Purpose::Customer,
        floor: if n == 1 { Floor::Unlimited } else { Floor::MayNotGoBelowZero },
        ceiling: Ceiling::Unlimited,
        marks: None,
    })
}

pub(crate) fn transaction(id: u32, from: u8, to: u8, amount: u128) -> Transaction {
    let entry =
        |n, side| Entry { account: account(n), side, amount: Minor::new(amount), hold: None };
    Transaction {
        id: txn(id),
        business_date: BusinessDate::from_days(20_780),
        reason: Reason::Payment,
        entries: [entry(from, Side::Debit), entry(to, Side::Credit)].into(),
        claims: vec![],
        links: vec![],
        detail: None,
    }
}

pub(crate) fn post(id: u32, from: u8, to: u8, amount: u128) -> Command {
    Command::Post(transaction(id, from, to, amount))
}
