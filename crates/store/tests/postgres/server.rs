//! The server that the tests are given, and a database of each test's own.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use journal::testkit::book_name;
use store::postgres::{Deadlines, migrate};
use store::{PostgresConfig, PostgresJournal};
use tokio_postgres::{Client, NoTls};

/// Names a server on which the tests may create databases and change settings: a connection
/// string of a superuser, over a socket.
const SERVER: &str = "WAYLEAVE_POSTGRES";
/// The same over TCP with a password.
const SERVER_TCP: &str = "WAYLEAVE_POSTGRES_TCP";
/// A shell command that crashes the server and starts it again.
const RESTART: &str = "WAYLEAVE_POSTGRES_RESTART";
/// Longest wait for something that a sound server does within milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

static NEXT: AtomicU64 = AtomicU64::new(0);
/// Tests change settings of the whole server and crash it: one at a time.
static TURN: Mutex<()> = Mutex::new(());

fn given(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        assert!(std::env::var_os("CI").is_none(), "`{name}` is not set: a server is needed in CI");
        println!("left out: `{name}` is not set; `cargo xtask test postgres` sets it");
    }
    value
}

/// The command that crashes and restarts the server.
pub(crate) fn restart_command() -> Option<String> {
    given(RESTART)
}

/// Runs the command of [`restart_command`].
pub(crate) fn restart(command: &str) {
    let status = Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(status.success(), "{command}");
}

/// A fresh database with the journal's tables in it, removed at the end.
pub(crate) struct Database {
    pub(crate) name: String,
    socket: String,
    tcp: String,
    _turn: MutexGuard<'static, ()>,
}

impl Database {
    /// `None`, with a line that says so, when there is no server.
    pub(crate) fn fresh() -> Option<Self> {
        let database = Self::empty()?;
        assert_eq!(migrate(&database.config()).unwrap(), 2);
        Some(database)
    }

    /// A database without tables.
    pub(crate) fn empty() -> Option<Self> {
        let (socket, tcp) = (given(SERVER)?, given(SERVER_TCP)?);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wayleave_{}_{number}", std::process::id());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let database = Self { name, socket, tcp, _turn: turn };
        Admin::of(&database.socket, "postgres").run(&format!("create database {}", database.name));
        Some(database)
    }

    fn in_this(&self, connection: &str) -> String {
        format!("{connection} dbname={}", self.name)
    }

    pub(crate) fn config(&self) -> PostgresConfig {
        self.config_over(&self.socket)
    }

    /// Over TCP, with a password.
    pub(crate) fn config_tcp(&self) -> PostgresConfig {
        self.config_over(&self.tcp)
    }

    /// Host and port of the server's TCP side, and what else a connection there needs.
    pub(crate) fn tcp(&self) -> (String, String) {
        let mut rest = Vec::new();
        let (mut host, mut port) = (String::new(), String::new());
        for part in self.tcp.split_whitespace() {
            match part.split_once('=') {
                Some(("host", value)) => host = value.to_owned(),
                Some(("port", value)) => port = value.to_owned(),
                _ => rest.push(part.to_owned()),
            }
        }
        (format!("{host}:{port}"), rest.join(" "))
    }

    pub(crate) fn config_over(&self, connection: &str) -> PostgresConfig {
        PostgresConfig::parse(book_name(), &self.in_this(connection)).unwrap()
    }

    pub(crate) fn open(&self) -> PostgresJournal {
        PostgresJournal::open(self.config()).unwrap()
    }

    pub(crate) fn open_hurried(&self) -> PostgresJournal {
        PostgresJournal::open(self.config().with_deadlines(HURRIED)).unwrap()
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin::of(&self.socket, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let admin = Admin::of(&self.socket, "postgres");
        admin.run(&format!("drop database if exists {} with (force)", self.name));
    }
}

/// Deadlines for tests in which one is meant to pass.
pub(crate) const HURRIED: Deadlines = Deadlines {
    connect: Duration::from_secs(5),
    lock: Duration::from_millis(200),
    statement: Duration::from_millis(1000),
    answer: Duration::from_millis(1500),
};

/// A superuser's connection beside the journal's.
pub(crate) struct Admin {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Admin {
    fn of(connection: &str, database: &str) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let text = format!("{connection} dbname={database}");
        let client = runtime.block_on(async move {
            let (client, driver) = tokio_postgres::connect(&text, NoTls).await.unwrap();
            tokio::spawn(driver);
            client
        });
        Self { runtime, client }
    }

    pub(crate) fn run(&self, text: &str) {
        self.runtime.block_on(self.client.batch_execute(text)).unwrap();
    }

    pub(crate) fn fails(&self, text: &str) -> String {
        let error = self.runtime.block_on(self.client.batch_execute(text)).unwrap_err();
        error.as_db_error().unwrap().message().to_owned()
    }

    pub(crate) fn number(&self, text: &str) -> i64 {
        self.runtime.block_on(self.client.query_one(text, &[])).unwrap().get(0)
    }

    pub(crate) fn truth(&self, text: &str) -> bool {
        self.runtime.block_on(self.client.query_one(text, &[])).unwrap().get(0)
    }

    /// Waits until this question is answered with true.
    pub(crate) fn wait_until(&self, question: &str) {
        let started = Instant::now();
        while !self.truth(question) {
            assert!(started.elapsed() < PATIENCE, "never true: {question}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Changes a setting of the whole server.
    pub(crate) fn set_server(&self, name: &str, value: &str) {
        self.run(&format!("alter system set {name} = {value}"));
        self.run("select pg_reload_conf()");
    }

    /// Takes the change back.
    pub(crate) fn reset_server(&self, name: &str) {
        self.run(&format!("alter system reset {name}"));
        self.run("select pg_reload_conf()");
    }
}

/// The journal's own connections to the database of the asking one.
pub(crate) const OURS: &str =
    "datname = current_database() and application_name = 'wayleave-journal'";
