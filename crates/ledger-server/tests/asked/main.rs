//! Every question over a real socket against a simple, slow model of what was done, over random
//! histories, with a restart and a rebuild in the middle; and the stream of facts.
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

mod followed;
mod model;
mod questions;
mod states;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ledger_server::load::At;
use ledger_server::query::Told;
use ledger_server::{Folder, Kept, Query, Running, ServeOptions, serve};
use seal::{from_canonical, to_canonical};
use wire::{Client, Completion, Security};

pub(crate) const WITHIN: Duration = Duration::from_secs(20);

pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        Self(std::env::temp_dir().join(format!("wayleave-{name}-{process}-{number}")))
    }

    pub(crate) fn book(&self) -> Folder {
        Folder::create(&self.0, "asked".parse().unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn start(folder: &Folder) -> (Running, Client) {
    let options = ServeOptions {
        address: "127.0.0.1:0".parse().unwrap(),
        http: None,
        flush_delay: Duration::ZERO,
        log: Kept::Yes,
        views: Kept::Yes,
    };
    let running = serve(folder, &options).unwrap();
    let client = connect(folder, &running);
    (running, client)
}

pub(crate) fn connect(folder: &Folder, running: &Running) -> Client {
    let key = folder.client_key("operator").unwrap();
    At { address: running.address, book: folder.book(), key, security: Security::Plain }
        .connect()
        .unwrap()
}

/// Asks; a question must be answered.
pub(crate) fn told(client: &mut Client, query: &Query) -> Told {
    match completion(client, query, WITHIN) {
        Completion::Answer(bytes) => from_canonical(&bytes).unwrap(),
        other => panic!("{other}"),
    }
}

pub(crate) fn completion(client: &mut Client, query: &Query, within: Duration) -> Completion {
    let ticket = client.query(&to_canonical(query), within).unwrap();
    client.wait(ticket)
}

/// The time of day, to place a hold that ends soon.
pub(crate) fn now_nanos() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

/// Numbers that look random and are the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    pub(crate) fn id(&mut self) -> [u8; 16] {
        let (a, b) = (self.next().to_be_bytes(), self.next().to_be_bytes());
        [a, b].concat().try_into().unwrap()
    }
}
