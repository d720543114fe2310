//! A ledger that is served by the real binary until the value goes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::{Folder, Ran, command, run};

/// A book in a folder of its own.
pub(crate) struct Book {
    pub(crate) folder: Folder,
    server: Option<Child>,
    http: Option<String>,
}

impl Book {
    /// With accounts `cash`, which may fall, `alice` with 100.00 and `bob`: four facts.
    pub(crate) fn new(flags: &[&str]) -> Self {
        let mut book = Self::empty();
        assert_eq!(book.ask(&["init", "--origin", "bank.example/ledger"]).code, Some(0));
        book.start(flags).unwrap();
        book.fund();
        book
    }

    pub(crate) fn empty() -> Self {
        Self { folder: Folder::new("proofs"), server: None, http: None }
    }

    pub(crate) fn fund(&self) {
        let open = ["account", "open", "cash", "--asset", "EUR.2@bank", "--normal", "debit"];
        assert_eq!(self.ask(&[&open[..], &["--no-floor"]].concat()).code, Some(0));
        for name in ["alice", "bob"] {
            let opened = self.ask(&["account", "open", name, "--asset", "EUR.2@bank"]);
            assert_eq!(opened.code, Some(0), "{opened:?}");
        }
        self.post("cash", "alice", "100.00", "funds");
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("book")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Serves it; what it says on standard error when it does not.
    pub(crate) fn start(&mut self, flags: &[&str]) -> Result<(), String> {
        let dir = self.dir();
        self.start_in(&dir, flags)
    }

    pub(crate) fn start_in(&mut self, dir: &Path, flags: &[&str]) -> Result<(), String> {
        let serve = ["ledger", "serve", "--until-input-ends", "--json", "--dir"];
        // A file that grows beyond its limit is to be an error and not a signal.
        let binary = command();
        let mut server = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(binary.get_program())
            .envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .args(serve)
            .arg(dir)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            drop(server.stdin.take());
            let mut why = String::new();
            server.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            assert!(!server.wait().unwrap().success());
            return Err(why);
        }
        let ready: Value = serde_json::from_str(&line).unwrap();
        self.http = ready["http"].as_str().map(str::to_owned);
        self.server = Some(server);
        Ok(())
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            assert!(server.wait().unwrap().success());
        }
    }

    /// Limits how long a file of the server may grow; `false` where the tool is missing.
    pub(crate) fn limit_files(&self, limit: &str) -> bool {
        let pid = self.server.as_ref().unwrap().id().to_string();
        let limit = format!("--fsize={limit}");
        let ran = std::process::Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        let works = ran.is_ok_and(|status| status.success());
        assert!(works || std::env::var_os("CI").is_none(), "prlimit is needed");
        works
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    pub(crate) fn ask(&self, args: &[&str]) -> Ran {
        self.ask_in(&self.dir(), args)
    }

    pub(crate) fn ask_in(&self, dir: &Path, args: &[&str]) -> Ran {
        run(&[&["ledger"], args, &["--dir", dir.to_str().unwrap(), "--json"]].concat())
    }

    /// Posts, which must be done.
    pub(crate) fn post(&self, from: &str, to: &str, amount: &str, id: &str) {
        let what = ["post", "--from", from, "--to", to, "--amount", amount, "--id", id];
        let posted = self.ask(&what);
        assert_eq!(posted.code, Some(0), "{posted:?}");
    }

    pub(crate) fn balance(&self, account: &str) -> String {
        self.balance_in(&self.dir(), account)
    }

    pub(crate) fn balance_in(&self, dir: &Path, account: &str) -> String {
        let ran = self.ask_in(dir, &["balance", account]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        json(&ran)["balance"].as_str().unwrap().to_owned()
    }

    /// Waits until the newest checkpoint covers so many facts.
    pub(crate) fn checkpoint(&self, facts: u64) -> Value {
        for _ in 0..400 {
            let ran = self.ask(&["checkpoint"]);
            if ran.code == Some(0) && json(&ran)["size"].as_u64().unwrap() >= facts {
                return json(&ran);
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("no checkpoint covers {facts} facts");
    }

    /// The status, head and body of a GET.
    pub(crate) fn get(&self, path: &str, key: Option<&str>) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.http.as_deref().unwrap()).unwrap();
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{key}");
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head[9..12].parse().unwrap();
        (status, head.to_lowercase(), bytes[end + 4..].to_vec())
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The first line, as JSON.
pub(crate) fn json(ran: &Ran) -> Value {
    serde_json::from_str(ran.out.lines().next().unwrap_or_else(|| panic!("{ran:?}"))).unwrap()
}

/// A whole folder, copied.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
