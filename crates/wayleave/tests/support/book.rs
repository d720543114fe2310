//! A book that is served by the program, and asked by it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use super::support::{Folder, Ran, command, run};

/// A book that is served until the value goes.
pub(crate) struct Book {
    folder: Folder,
    dir: String,
    server: Option<Child>,
}

impl Book {
    /// With accounts `cash`, which may fall, `alice` with 100.00, `bob` and `carol`.
    pub(crate) fn new() -> Self {
        let folder = Folder::new("writes");
        let dir = folder.path().join("book").to_str().unwrap().to_owned();
        let mut book = Self { folder, dir, server: None };
        assert_eq!(book.ask(&["init"]).code, Some(0));
        book.start();
        book.done(&[
            "account",
            "open",
            "cash",
            "--asset",
            "EUR.2@bank",
            "--normal",
            "debit",
            "--no-floor",
        ]);
        for name in ["alice", "bob", "carol"] {
            book.done(&["account", "open", name, "--asset", "EUR.2@bank"]);
        }
        book.done(&["post", "--from", "cash", "--to", "alice", "--amount", "100", "--id", "funds"]);
        book
    }

    fn start(&mut self) {
        let mut server = command()
            .args(["ledger", "serve", "--until-input-ends", "--dir", &self.dir])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "{line}");
        self.server = Some(server);
    }

    /// Its folder.
    pub(crate) fn dir(&self) -> &str {
        &self.dir
    }

    /// Asks for JSON.
    pub(crate) fn ask(&self, args: &[&str]) -> Ran {
        run(&[&["ledger"], args, &["--dir", &self.dir, "--json"]].concat())
    }

    /// What must be done; the last line of what is said.
    #[track_caller]
    pub(crate) fn done(&self, args: &[&str]) -> Value {
        self.told(args, 0)
    }

    /// What must end with that exit code; the last line of what is said.
    #[track_caller]
    pub(crate) fn told(&self, args: &[&str], code: i32) -> Value {
        let ran = self.ask(args);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        ran.out.lines().last().map_or(Value::Null, |line| serde_json::from_str(line).unwrap())
    }

    /// A file in the book's folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        self.folder.write(name, text)
    }

    pub(crate) fn balance(&self, account: &str) -> String {
        self.done(&["balance", account])["balance"].as_str().unwrap().to_owned()
    }

    /// Every byte of the journal.
    pub(crate) fn journal(&self) -> Vec<u8> {
        let files = std::fs::read_dir(format!("{}/journal", self.dir)).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
