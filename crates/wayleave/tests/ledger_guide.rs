//! Every command of `docs/parts/ledger.md`, `backup.md` and `policy.md` runs as it stands, in one
//! shell for each page, over the real binary, and prints what the page shows.
//!
//! `WAYLEAVE_BLESS=1 cargo test -p wayleave --test ledger_guide` writes what they print anew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]
#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const BEGIN: &str = "```console\n";
const END: &str = "```\n";
/// What the shell says after each command.
const MARK: &str = "=== done ===";
/// Longest wait for one line: a start of a development build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn every_command_of_the_guide_prints_what_the_guide_shows() {
    walk("docs/parts/ledger.md", 25);
}

#[test]
fn every_command_of_the_guide_to_backups_prints_what_it_shows() {
    walk("docs/parts/backup.md", 10);
}

#[test]
fn every_command_of_the_guide_to_packs_prints_what_it_shows() {
    walk("docs/parts/policy.md", 15);
}

/// Runs the commands of a page, which are so many at least.
fn walk(name: &str, least: usize) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    let text = std::fs::read_to_string(&page).unwrap();
    let mut shell = Shell::new(name);
    let mut written = String::new();
    let mut rest = text.as_str();
    let mut commands = 0;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (block, after) = after.split_once(END).unwrap();
        written.push_str(before);
        written.push_str(BEGIN);
        for (command, shown) in commands_of(block) {
            let got = shell.run(&command);
            if std::env::var_os("WAYLEAVE_BLESS").is_none() {
                let (expected, got) = (normal(&shown), normal(&got));
                assert_eq!(expected, got, "`{command}` in {name}");
            }
            written.push_str(&format!("$ {command}\n"));
            got.iter().for_each(|line| written.push_str(&format!("{line}\n")));
            commands += 1;
        }
        written.push_str(END);
        rest = after;
    }
    assert!(commands >= least, "commands of the guide: {commands}");
    if std::env::var_os("WAYLEAVE_BLESS").is_some() {
        written.push_str(rest);
        std::fs::write(&page, written).unwrap();
    }
}

/// The commands of a block, each with the lines that it prints.
fn commands_of(block: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => found.push((command.to_owned(), Vec::new())),
            None => found.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    found
}

/// Lines without what differs from run to run: times, days, ports, hashes and long numbers.
fn normal(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| normal_line(line)).collect()
}

fn normal_line(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-:._".contains(c);
    let mut normal = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let word = rest.split(|c: char| !is_part(c)).next().unwrap_or_default();
        let (word, after) = match word.len() {
            0 => rest.split_at(rest.chars().next().unwrap().len_utf8()),
            length => rest.split_at(length),
        };
        normal.push_str(&varying(word).map_or_else(|| word.to_owned(), str::to_owned));
        rest = after;
    }
    normal
}

fn varying(word: &str) -> Option<&'static str> {
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let hexadecimal = word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match shape.as_str() {
        "0000-00-00T00:00:00.000Z" => Some("TIME"),
        "0000-00-00" => Some("DAY"),
        shape if shape.starts_with("000.0.0.0:0") => Some("ADDRESS"),
        shape if shape.len() >= 14 && shape.chars().all(|c| c == '0') => Some("NUMBER"),
        shape if shape.len() >= 10 && hexadecimal => Some("HASH"),
        _ => None,
    }
}

/// One shell in a folder of its own, whose standard error is its standard output.
struct Shell {
    folder: PathBuf,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Shell {
    fn new(page: &str) -> Self {
        let page = page.replace(['/', '.'], "-");
        let folder = format!("wayleave-guide-{page}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        let _ = std::fs::remove_dir_all(&folder);
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wayleave"), bin.join("wayleave")).unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "exec 2>&1; exec sh"])
            .env("PATH", format!("{}:{path}", bin.display()))
            .env_remove("WAYLEAVE_LEDGER")
            .env("WAYLEAVE_STATE", folder.join("state"))
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let input = child.stdin.take();
        let mut shell = Self { folder, child, input, lines };
        // Whatever happens, what runs in the background ends with the shell.
        shell.run("trap 'kill $! 2>/dev/null' EXIT");
        shell
    }

    fn run(&mut self, command: &str) -> Vec<String> {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{command}\nprintf '\\n%s\\n' '{MARK}'").unwrap();
        let in_background = command.ends_with('&');
        let (mut done, mut is_ready) = (false, false);
        let mut got = Vec::new();
        while !done || (in_background && !is_ready) {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("`{command}` said {got:?} and no more"));
            if line == MARK {
                done = true;
                continue;
            }
            is_ready |= line.starts_with("ready ");
            // What a kernel without Landlock makes it say, and some shells of a killed job.
            let left_out = line.contains(": folder access ") || line.ends_with("Killed");
            if !line.is_empty() && !left_out {
                got.push(line);
            }
        }
        got
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
