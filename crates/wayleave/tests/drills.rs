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
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

fn wayleave(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayleave"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(what: &str) -> Self {
        let name = format!("wayleave-drills-{what}-{}", std::process::id());
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

/// One cast at a time: two would fight over their ports and the machine.
static STAGE: Mutex<()> = Mutex::new(());

#[test]
#[ignore = "starts every role as a process and breaks each: some two minutes"]
fn every_drill_holds_and_its_file_verifies() {
    let _alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let scratch = Scratch::new("all");
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

#[test]
#[ignore = "starts every role as a process and kills each: half a minute"]
fn each_role_is_killed_again_and_again_and_nothing_acknowledged_is_lost() {
    let _alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let scratch = Scratch::new("kills");
    let ran = wayleave(&scratch.0, &["drill", "kills", "--times", "3", "--json"]);
    assert!(ran.status.success(), "{}", told(&ran));
    let rows = rows(&ran);
    let [series] = rows.as_slice() else { panic!("{}", told(&ran)) };
    println!("{series}");
    let kills = series["roles"].as_array().unwrap().iter().map(|role| role["kills"].as_u64());
    assert!(kills.flatten().sum::<u64>() >= 20, "{series}");
    assert_eq!(series["lost"], 0, "{series}");
    assert!(series["acknowledged"].as_u64().unwrap() > 20, "{series}");
}

/// On the cluster that `cargo xtask test ha` starts.
mod on_cluster {
    use super::*;

    const CONTROL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/ha/cluster");

    #[test]
    fn every_drill_of_a_replicated_database_holds_and_its_file_verifies() {
        let Some(folder) = std::env::var_os("WAYLEAVE_HA").map(PathBuf::from) else {
            println!("left out: `WAYLEAVE_HA` is not set; `cargo xtask test ha` sets it");
            return;
        };
        let scratch = Scratch::new("cluster");
        let ran = wayleave(&scratch.0, &["drill", "run", "--cluster", CONTROL, "--all", "--json"]);
        let rows = rows(&ran);
        let mut figures = String::new();
        for row in &rows {
            assert_eq!(row["held"], true, "{row}\n{}", told(&ran));
            assert_eq!(row["lost"], 0, "{row}");
            assert_eq!(row["found"], row["acknowledged"], "{row}");
            let name = row["drill"].as_str().unwrap();
            let of = |what: &str| row[what].to_string();
            figures.push_str(&format!(
                "ha: drill {name}: acknowledged {}, lost {}, detected {} ms, recovered {} ms\n",
                of("acknowledged"),
                of("lost"),
                of("detected_ms"),
                of("recovered_ms")
            ));
            let file = format!("drills/{name}.wayleave");
            let verify = ["verify", "recovery", &file, "--trust", "drills/trust"];
            let verified = wayleave(&scratch.0, &verify);
            assert!(verified.status.success(), "{}", told(&verified));
        }
        assert!(ran.status.success(), "{}", told(&ran));
        assert_eq!(rows.len(), 5, "{}", told(&ran));
        println!("{figures}");
        let path = folder.join("figures");
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(path, kept + &figures).unwrap();
    }
}
