//! The cluster that the tests are given.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store::PostgresConfig;
use store::postgres::{ClusterMember, migrate};
use terms::BookName;
use tokio_postgres::NoTls;

/// The folder of a running `deploy/ha/cluster`.
const FOLDER: &str = "WAYLEAVE_HA";
/// Longest wait for a cluster to be whole again.
const PATIENCE: Duration = Duration::from_secs(90);

/// The tests kill what they share: one at a time.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) struct Cluster {
    members: Vec<(String, String)>,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// `None`, with a line that says so, when there is none.
    pub(crate) fn given() -> Option<Self> {
        let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
            println!("left out: `{FOLDER}` is not set; `cargo xtask test ha` sets it");
            return None;
        };
        let text = std::fs::read_to_string(folder.join("journal.json")).unwrap();
        let listed = |name: &str| -> Vec<String> {
            let (_, rest) = text.split_once(&format!("\"{name}\": [")).unwrap();
            let (inside, _) = rest.split_once(']').unwrap();
            inside.split(", ").map(|one| one.trim_matches('"').to_owned()).collect()
        };
        let members = listed("members").into_iter().zip(listed("patroni")).collect();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Self { members, _turn: turn };
        cluster.await_whole();
        migrate(&cluster.config("any".parse().unwrap())).unwrap();
        Some(cluster)
    }

    pub(crate) fn config(&self, book: BookName) -> PostgresConfig {
        let members: Vec<ClusterMember<'_>> = self
            .members
            .iter()
            .map(|(connection, patroni)| ClusterMember { connection, patroni })
            .collect();
        PostgresConfig::replicated(book, &members).unwrap()
    }

    /// `deploy/ha/cluster` with these words; what it printed.
    pub(crate) fn control(words: &[&str]) -> String {
        let output = Command::new(SCRIPT).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "cluster {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The number of the node that leads.
    pub(crate) fn leader(&self) -> String {
        Self::control(&["leader"])
    }

    /// Whether this node still leads, or nobody does.
    pub(crate) fn is_led_by(&self, node: &str) -> bool {
        let leader = asked_leader();
        leader.is_none_or(|leader| leader == node)
    }

    /// Waits until there is a leader and both others follow it, one of them synchronously.
    pub(crate) fn await_whole(&self) {
        let started = Instant::now();
        let all = "select count(*) from pg_stat_replication where state = 'streaming'";
        while self.number(all) != Some(2) || self.number(SYNCHRONOUS) != Some(1) {
            assert!(started.elapsed() < PATIENCE, "the cluster does not become whole");
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    fn number(&self, question: &str) -> Option<i64> {
        let leader: usize = asked_leader()?.parse().ok()?;
        self.on(leader, |client| async move {
            client.query_one(question, &[]).await.ok()?.try_get(0).ok()
        })
    }

    /// Runs a statement on the leader.
    pub(crate) fn run(&self, statement: &str) {
        let leader: usize = self.leader().parse().unwrap();
        let done = self.on(leader, |client| async move {
            client.batch_execute(statement).await.map_err(|error| println!("{error:?}")).ok()
        });
        done.unwrap();
    }

    fn on<T, F: Future<Output = Option<T>>>(
        &self,
        node: usize,
        ask: impl FnOnce(tokio_postgres::Client) -> F,
    ) -> Option<T> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(async {
            let connection = &self.members[node - 1].0;
            let (client, driver) = tokio_postgres::connect(connection, NoTls).await.ok()?;
            let driver = tokio::spawn(driver);
            let answer = ask(client).await;
            driver.abort();
            answer
        })
    }
}

/// The number of the leading node; `None` when there is none.
fn asked_leader() -> Option<String> {
    let output = Command::new(SCRIPT).arg("leader").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!said.is_empty()).then_some(said)
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/ha/cluster");
const SYNCHRONOUS: &str =
    "select count(*) from pg_stat_replication where state = 'streaming' and sync_state = 'sync'";

/// Prints a figure, and keeps it for whoever runs the suite.
pub(crate) fn say(line: &str) {
    println!("{line}");
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let figures = folder.join("figures");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(figures).unwrap();
    writeln!(file, "{line}").unwrap();
}
