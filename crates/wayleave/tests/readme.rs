//! The transcript in README.md is what the demo prints, and the commands that it prints work.
//!
//! `WAYLEAVE_BLESS=1 cargo test -p wayleave --test readme -- --ignored` writes the transcript anew.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]
#![cfg(unix)]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary as a reader of README.md calls it after `cargo run --release -- demo`.
const CALLED: &str = "target/release/wayleave";
/// What stands before and after the transcript.
const BEGIN: &str = "<!-- transcript -->\n```text\n";
const END: &str = "```\n<!-- end of transcript -->";
/// The demo's own promises of its layout; a command to paste is never cut.
const LINES_MAX: usize = 45;
const COLUMNS_MAX: usize = 100;
/// Payments in flight in act 4.
const IN_FLIGHT: u64 = 24;
/// Characters of a digest as the demo shows it.
const DIGEST_CHARACTERS: usize = 8;

#[test]
#[ignore = "starts every role of the demo as a process: some twenty seconds"]
fn the_transcript_in_the_readme_is_what_the_demo_prints() {
    let scratch = Scratch::new();
    let demo = wayleave(&scratch.0, &["demo", "--once"]);
    let told = String::from_utf8(demo.stdout).unwrap();
    assert!(demo.status.success(), "{told}\n{}", String::from_utf8_lossy(&demo.stderr));
    assert!(told.lines().count() <= LINES_MAX, "{told}");
    let in_columns = |line: &str| line.contains(CALLED) || line.chars().count() <= COLUMNS_MAX;
    assert!(told.lines().all(in_columns), "{told}");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(&readme).unwrap();
    commands_work(&scratch.0, &told, "the demo");
    commands_work(&scratch.0, &text, "README.md");
    act_4_adds_up(&told);

    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if std::env::var_os("WAYLEAVE_BLESS").is_some() {
        std::fs::write(&readme, format!("{before}{BEGIN}{told}{END}{after}")).unwrap();
        return;
    }
    let (shown, told) = (normal(shown), normal(&told));
    for (line, (expected, got)) in (1..).zip(shown.iter().zip(&told)) {
        assert_eq!(expected, got, "line {line} of the transcript in README.md");
    }
    assert_eq!(shown.len(), told.len(), "lines of the transcript in README.md");
}

/// Every command of the binary that stands in a text is run as it stands, after the demo, from the
/// same folder.
fn commands_work(folder: &Path, text: &str, place: &str) {
    // After a word and spaces in the transcript, alone on its line in the README.
    let commands = text.lines().filter_map(|line| line.find(CALLED).and_then(|at| line.get(at..)));
    let mut run = 0;
    for command in commands {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let done = wayleave(folder, &words);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "`{command}` in {place}: {said}");
        run += 1;
    }
    assert!(run >= 2, "commands to try in {place}");
}

/// Acknowledged and unknown are all that were in flight; every unknown one got a definite end.
fn act_4_adds_up(told: &str) {
    let line = told.lines().find(|line| line.contains(" acknowledged, ")).unwrap();
    let before = |word: &str| -> u64 {
        let at = line.find(word).unwrap_or_else(|| panic!("no `{word}` in: {line}"));
        line.get(..at).unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    };
    let (acknowledged, unknown) = (before(" acknowledged"), before(" unknown"));
    assert_eq!(acknowledged + unknown, IN_FLIGHT, "{line}");
    assert_eq!(acknowledged, before(" there"), "{line}");
    assert_eq!(unknown, before(" settled") + before(" never happened"), "{line}");
}

/// A transcript without what differs from run to run: times, ports, positions, sizes, digests of
/// packs, how many were in flight when the core died and what those moved. All other amounts and
/// all words stay; so does the 0 that the sums must end in.
fn normal(transcript: &str) -> Vec<String> {
    transcript.lines().map(normal_line).collect()
}

fn normal_line(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let kept = words.iter().enumerate().map(|(at, one)| {
        let before = at.checked_sub(1).map_or("", word);
        let bare = one.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let number = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit() || c == '.');
        if one.starts_with("http://localhost:") {
            "http://localhost:PORT".to_owned()
        } else if number && varies(before, word(at + 1)) {
            one.replace(bare, "N")
        } else if one.starts_with(':') && number {
            ":PORT".to_owned()
        } else if ["nl-sg", "sg-in"].contains(&before) && bare.len() == DIGEST_CHARACTERS {
            "DIGEST".to_owned()
        } else if words[0] == "sums" && ["EUR", "SGD"].contains(&word(at + 1)) && bare != "0" {
            "SUM".to_owned()
        } else if one.contains("/recovery/") || one.contains(".segment") {
            one.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
        } else {
            (*one).to_owned()
        }
    });
    kept.collect::<Vec<_>>().join(" ")
}

/// Whether a number between these two words is one that differs from run to run.
fn varies(before: &str, after: &str) -> bool {
    let after = after.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let counted = ["position", "checkpoint", "batch", "fact", "of", "byte", "at"];
    let timed = matches!(after, "ms") || (after == "s" && before != "for");
    let act_4 = ["acknowledged", "there", "unknown", "settled", "never"];
    // Figures that are the same at each run stay: `2 of 2 supervisors`, `5 of 31 claims`.
    let fixed = ["supervisors", "claims"];
    (counted.contains(&before) && !fixed.contains(&after)) || timed || act_4.contains(&after)
}

fn wayleave(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayleave"));
    command.arg0(CALLED).args(arguments).current_dir(folder).stdin(Stdio::null());
    command.output().unwrap()
}

/// A folder of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("wayleave-readme-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
