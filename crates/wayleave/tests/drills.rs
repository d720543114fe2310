//! Every drill of the catalogue, once, over real processes; and the file that each leaves behind.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests: a failure ends the test with its words"
)]
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn wayleave(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayleave"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("wayleave-drills-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn rows(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}\n{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// The drills that this machine can run.
fn names(folder: &Path) -> Vec<String> {
    let listed = wayleave(folder, &["drill", "list", "--json"]);
    let here = rows(&listed).into_iter().filter(|row| row["needs_cluster"] == false);
    let names = here.map(|row| row["drill"].as_str().unwrap().to_owned());
    let told_clock = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1").exists();
    assert!(told_clock || std::env::var_os("CI").is_none(), "libfaketime is needed");
    if !told_clock {
        println!("left out: clock-step, there is no libfaketime");
    }
    names.filter(|name| told_clock || name != "clock-step").collect()
}

#[test]
#[ignore = "starts every role as a process and breaks each: some two minutes"]
fn every_drill_holds_and_its_file_verifies() {
    let scratch = Scratch::new();
    let names = names(&scratch.0);
    let mut arguments = vec!["drill", "run", "--json"];
    arguments.extend(names.iter().map(String::as_str));
    let ran = wayleave(&scratch.0, &arguments);
    let rows = rows(&ran);
    for row in &rows {
        assert_eq!(row["held"], true, "{row}\n{}", told(&ran));
        assert_eq!(row["lost"], 0, "{row}");
        assert!(row["acknowledged"].as_u64().unwrap() > 0, "{row}");
        assert_eq!(row["found"], row["acknowledged"], "{row}");
    }
    assert!(ran.status.success(), "{}", told(&ran));
    assert_eq!(rows.len(), names.len());
    let file = format!("drills/{}.wayleave", names.first().unwrap());
    let verify = ["verify", "recovery", &file, "--trust", "drills/trust"];
    let verified = wayleave(&scratch.0, &verify);
    assert!(verified.status.success(), "{}", told(&verified));
    assert!(told(&verified).contains("the log only grew"), "{}", told(&verified));
    forged(&scratch.0, &file);
    let report = wayleave(&scratch.0, &["drill", "report"]);
    assert!(report.status.success(), "{}", told(&report));
    let lines = String::from_utf8_lossy(&report.stdout).lines().count();
    assert_eq!(lines, names.len() + 1, "{}", told(&report));
}

/// A report of which one byte was changed is not vouched for any more.
fn forged(folder: &Path, file: &str) {
    let mut bytes = std::fs::read(folder.join(file)).unwrap();
    let words = b"back within five seconds";
    let at = bytes.windows(words.len()).position(|seen| seen == words).unwrap();
    *bytes.get_mut(at).unwrap() = b'B';
    std::fs::write(folder.join("forged.wayleave"), bytes).unwrap();
    let verify = ["verify", "recovery", "forged.wayleave", "--trust", "drills/trust"];
    let refused = wayleave(folder, &verify);
    assert_eq!(refused.status.code(), Some(1), "{}", told(&refused));
}
