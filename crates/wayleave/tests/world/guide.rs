//! Every command of `docs/parts/funding.md` runs as it stands and prints what the page shows.
//!
//! `WAYLEAVE_BLESS=1 cargo test -p wayleave --test world guide` writes what they print anew.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::stage::{BINARY, World, play};

const BEGIN: &str = "```console\n";
const END: &str = "```\n";
/// What the shell says after each command.
const MARK: &str = "=== done ===";

#[test]
fn every_command_of_the_guide_to_funding_prints_what_it_shows() {
    play(async {
        let world = World::new("funding-guide").await?;
        let place = world.folder.path().join("reader");
        std::fs::create_dir_all(place.join("bin"))?;
        std::os::unix::fs::symlink(BINARY, place.join("bin/wayleave"))?;
        std::os::unix::fs::symlink(world.folder.path(), place.join("wayleave-demo"))?;
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/parts/funding.md");
        let text = std::fs::read_to_string(&page)?;
        let commands: Vec<(String, Vec<String>)> = blocks(&text).flat_map(commands_of).collect();
        assert!(commands.len() >= 15, "commands of the guide: {}", commands.len());
        let got = run(&place, &commands);
        assert_eq!(got.len(), commands.len());
        if std::env::var_os("WAYLEAVE_BLESS").is_some() {
            std::fs::write(&page, blessed(&text, &commands, &got))?;
            return Ok(());
        }
        for ((command, shown), got) in commands.iter().zip(&got) {
            let (expected, got) = (normal(shown), normal(got));
            assert_eq!(expected, got, "`{command}` in docs/parts/funding.md");
        }
        Ok(())
    });
}

fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split(BEGIN).skip(1).map(|rest| rest.split_once(END).unwrap().0)
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

/// Runs all commands in one shell; what each printed.
fn run(place: &Path, commands: &[(String, Vec<String>)]) -> Vec<Vec<String>> {
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("sh")
        .args(["-c", "exec 2>&1; exec sh"])
        .env("PATH", format!("{}:{path}", place.join("bin").display()))
        .env("LC_ALL", "C")
        .current_dir(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut script = String::new();
    for (command, _) in commands {
        script.push_str(&format!("{command}\necho '{MARK}'\n"));
    }
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let mut parts: Vec<&str> = told.split(&format!("{MARK}\n")).collect();
    parts.pop();
    parts.into_iter().map(|part| part.lines().map(str::to_owned).collect()).collect()
}

fn blessed(text: &str, commands: &[(String, Vec<String>)], got: &[Vec<String>]) -> String {
    let mut told = commands.iter().zip(got);
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (block, after) = after.split_once(END).unwrap();
        written.push_str(before);
        written.push_str(BEGIN);
        for _ in commands_of(block) {
            let ((command, _), lines) = told.next().unwrap();
            written.push_str(&format!("$ {command}\n"));
            lines.iter().for_each(|line| written.push_str(&format!("{line}\n")));
        }
        written.push_str(END);
        rest = after;
    }
    written + rest
}

/// Lines without what differs from run to run: days, positions, ids and digests.
fn normal(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| normal_line(line)).collect()
}

fn normal_line(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let kept = words.iter().enumerate().map(|(at, word)| {
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
        let shape: String =
            word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let bare = word.strip_prefix("acct_").unwrap_or(word);
        let bare = bare.strip_prefix('x').unwrap_or(bare);
        let hexadecimal = bare.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match shape.as_str() {
            "0000-00-00" => "DAY",
            _ if bare.len() >= 10 && hexadecimal => "HASH",
            _ if before == "position" => "N",
            _ => word,
        }
    });
    kept.collect::<Vec<_>>().join(" ")
}
