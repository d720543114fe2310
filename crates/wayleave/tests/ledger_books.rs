//! Several books served by one process, over the real binary: each request reaches the book it
//! names, each book has its own clients and keys, and one that fails leaves the others as they are.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise, and watches a clock while it waits"
)]
#![cfg(unix)]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Folder, Ran, command, run};

/// A process that serves books of this folder.
struct Process {
    child: Child,
    /// What it said of each book before it was ready.
    said: Vec<Value>,
    http: String,
}

/// Books of one folder, `north` and so on.
struct Books(Folder);

impl Books {
    fn new(names: &[&str]) -> Self {
        let books = Self(Folder::new("books"));
        for name in names {
            let made = books.ask(name, &["init", "--book", name]);
            assert_eq!(made.code, Some(0), "{made:?}");
        }
        books
    }

    fn dir(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn ask(&self, name: &str, args: &[&str]) -> Ran {
        run(&[&["ledger"], args, &["--dir", &self.dir(name), "--json"]].concat())
    }

    fn done(&self, name: &str, args: &[&str]) {
        let ran = self.ask(name, args);
        assert_eq!(ran.code, Some(0), "{name} {args:?}: {ran:?}");
    }

    fn serve(&self, names: &[&str]) -> Process {
        // A file that grows beyond its limit is to be an error and not a signal.
        let binary = command();
        let mut serve = std::process::Command::new("sh");
        serve
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(binary.get_program())
            .envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .args(["ledger", "serve", "--until-input-ends", "--json", "--http", "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        for name in names {
            serve.args(["--dir", &self.dir(name)]);
        }
        let mut child = serve.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = names.iter().map(|_| lines.next().unwrap().unwrap());
        let said: Vec<Value> = said.map(|line| serde_json::from_str(&line).unwrap()).collect();
        let http = said.iter().find_map(|line| line["http"].as_str()).unwrap().to_owned();
        Process { child, said, http }
    }

    /// `cash`, which may fall, and `alice` with this much.
    fn fund(&self, name: &str, amount: &str) {
        let open = ["account", "open", "cash", "--asset", "EUR.2@bank", "--normal", "debit"];
        self.done(name, &[&open[..], &["--no-floor"]].concat());
        self.done(name, &["account", "open", "alice", "--asset", "EUR.2@bank"]);
        self.done(name, &post(amount, "funds"));
    }

    fn alice(&self, name: &str) -> String {
        let ran = self.ask(name, &["balance", "alice"]);
        let said: Value = serde_json::from_str(ran.out.lines().next().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        said["balance"].as_str().unwrap().to_owned()
    }
}

fn post<'a>(amount: &'a str, id: &'a str) -> [&'a str; 9] {
    ["post", "--from", "cash", "--to", "alice", "--amount", amount, "--id", id]
}

impl Process {
    fn get(&self, path: &str, key: Option<&str>) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
        let ask = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{key}\r\n");
        stream.write_all(ask.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn limit_files(&self, limit: &str) -> bool {
        let (pid, limit) = (self.child.id().to_string(), format!("--fsize={limit}"));
        let ran = std::process::Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        let works = ran.is_ok_and(|status| status.success());
        assert!(works || std::env::var_os("CI").is_none(), "prlimit is needed");
        works
    }

    fn stop(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_book_is_reached_by_its_name_and_by_nothing_else() {
    let books = Books::new(&["north", "south"]);
    let key = |name: &str| {
        let made = books.ask(name, &["client", "key", "operator"]);
        serde_json::from_str::<Value>(&made.out).unwrap()["api_key"].as_str().unwrap().to_owned()
    };
    let (north, south) = (key("north"), key("south"));
    let process = books.serve(&["north", "south"]);
    let names: Vec<&str> = process.said.iter().map(|line| line["book"].as_str().unwrap()).collect();
    assert_eq!(names, ["north", "south"]);
    assert_eq!(process.said[0]["ready"], process.said[1]["ready"], "one door");
    // The same ids in both: neither knows of the other's.
    books.fund("north", "100");
    books.fund("south", "7");
    assert_eq!((books.alice("north"), books.alice("south")), ("100.00".into(), "7.00".into()));

    let (status, text) = process.get("/books/south/v1/status", Some(&south));
    assert_eq!(status, 200, "{text}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["book"], "south");
    // A key is of one book.
    assert_eq!(process.get("/books/south/v1/status", Some(&north)).0, 401);
    assert_eq!(process.get("/books/north/v1/status", Some(&north)).0, 200);
    // Nothing reaches a book without its name, or by another one.
    let (status, text) = process.get("/v1/status", Some(&north));
    assert_eq!(status, 404);
    assert!(text.contains("/books/NAME"), "{text}");
    assert_eq!(process.get("/books/east/v1/status", Some(&north)).0, 404);
    let (status, text) = process.get("/ready", None);
    assert_eq!(status, 200);
    let ready: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(ready["books"]["south"]["position"], 3);
    assert_eq!(process.get("/books/north/ready", None).0, 200);
    let (_, text) = process.get("/books/south/metrics", Some(&south));
    assert!(text.contains("wayleave_ledger_facts_total{book=\"south\"} 3\n"), "{text}");
    assert!(!text.contains("north"), "{text}");

    // A key of one book opens no other one over the protocol, either.
    let seed = |name| format!("{}/keys/operator.seed", books.dir(name));
    let own = std::fs::read(seed("south")).unwrap();
    std::fs::copy(seed("north"), seed("south")).unwrap();
    let strange = books.ask("south", &["balance", "alice"]);
    assert_eq!(strange.code, Some(5), "{strange:?}");
    assert!(strange.err.contains("is not registered in book `south`"), "{}", strange.err);
    std::fs::write(seed("south"), own).unwrap();

    assert_eq!(process.stop(), Some(0));
    for name in ["north", "south"] {
        books.done(name, &["fsck"]);
    }
    // Alone again, without a name before the path.
    let alone = books.serve(&["south"]);
    for path in ["/v1/status", "/books/south/v1/status"] {
        assert_eq!(alone.get(path, Some(&south)).0, 200);
    }
    let elsewhere = books
        .ask("north", &["balance", "alice", "--connect", alone.said[0]["ready"].as_str().unwrap()]);
    assert_eq!(elsewhere.code, Some(5), "{elsewhere:?}");
    assert!(elsewhere.err.contains("expected book `south`, got `north`"), "{}", elsewhere.err);
    assert_eq!(alone.stop(), Some(0));
}

#[test]
fn a_book_that_was_rolled_back_is_left_out_and_the_other_is_served() {
    let books = Books::new(&["north", "south"]);
    let process = books.serve(&["north", "south"]);
    let copied = |from: String, to: String| {
        let done = std::process::Command::new("cp").args(["-a", &from, &to]).status().unwrap();
        assert!(done.success());
    };
    books.fund("north", "100");
    assert_eq!(process.stop(), Some(0));
    copied(books.dir("south"), books.dir("old"));
    let process = books.serve(&["north", "south"]);
    books.fund("south", "7");
    assert_eq!(process.stop(), Some(0));
    std::fs::remove_dir_all(books.dir("south")).unwrap();
    copied(books.dir("old"), books.dir("south"));

    let process = books.serve(&["north", "south"]);
    let left_out = process.said.iter().find(|line| line["not_served"] == "book `south`").unwrap();
    assert!(left_out["why"].as_str().unwrap().contains("JournalRolledBack"), "{left_out}");
    assert_eq!(books.alice("north"), "100.00");
    let connect = ["--connect", process.said.iter().find_map(|l| l["ready"].as_str()).unwrap()];
    let away = books.ask("south", &[&["balance", "alice"][..], &connect].concat());
    assert_eq!(away.code, Some(5), "{away:?}");
    assert!(away.err.contains("cannot serve it now"), "{}", away.err);
    assert_eq!(process.get("/books/south/v1/status", None).0, 503);
    let (status, text) = process.get("/ready", None);
    assert_eq!(status, 503);
    assert!(text.contains("not ready: `south`"), "{text}");
    assert_eq!(process.stop(), Some(1), "a book was left out");
}

#[test]
fn a_book_whose_disk_is_full_leaves_the_other_one_as_it_is() {
    let books = Books::new(&["north", "south"]);
    let process = books.serve(&["north", "south"]);
    books.fund("north", "1");
    books.fund("south", "1000");
    let mut rows = String::from("id,business_date,from,to,amount\n");
    for row in 0..100 {
        writeln!(rows, "row{row},2026-01-31,cash,alice,0.01").unwrap();
    }
    let file = books.0.write("history.csv", rows);
    books.done("south", &["import", &file]);
    assert_eq!(books.alice("south"), "1001.00");
    // South's journal is longer than that already, north's is shorter and stays so.
    if !process.limit_files("8192:unlimited") {
        println!("left out: there is no `prlimit`");
        return;
    }
    let full = books.ask("south", &post("1", "full"));
    assert!(matches!(full.code, Some(4 | 5)), "{full:?}");
    books.done("north", &post("2", "meanwhile"));
    assert_eq!(books.alice("north"), "3.00");
    assert!(process.limit_files("unlimited:unlimited"));
    let begun = Instant::now();
    while books.ask("south", &post("1", "full")).code != Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(30), "service did not resume");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!((books.alice("north"), books.alice("south")), ("3.00".into(), "1002.00".into()));
    assert_eq!(process.stop(), Some(0));
    for name in ["north", "south"] {
        books.done(name, &["fsck"]);
    }
}

#[test]
fn two_books_of_one_name_are_not_served_together() {
    let books = Books::new(&["north"]);
    let made = books.ask("other", &["init", "--book", "north"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let (north, other) = (books.dir("north"), books.dir("other"));
    let ran = run(&["ledger", "serve", "--dir", &north, "--dir", &other]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("two folders hold a book `north`"), "{}", ran.err);
}
