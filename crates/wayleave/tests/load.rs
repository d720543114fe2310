//! The load behind `cargo xtask bench payments` and `cargo xtask soak` runs, shortly; no figure is
//! judged here.
#![expect(clippy::unwrap_used, reason = "tests: a failure ends the test with its words")]

use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// Both tests start every role from the same first port, and figures want the machine alone.
static ALONE: Mutex<()> = Mutex::new(());

fn load(arguments: &[&str]) -> Output {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_wayleave")).arg("load").args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn the_bench_prints_one_object_a_figure() {
    let output = load(&["payments", "--json", "--seconds", "4", "--payments", "40"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for row in &rows {
        assert_eq!(row["bench"], "payments", "{row}");
        assert!(row["value"].is_number() && row["unit"].is_string(), "{row}");
    }
    let has = |workload: &str, metric: &str| {
        rows.iter().any(|row| row["workload"] == workload && row["metric"] == metric)
    };
    for (workload, metric) in [
        ("c16", "rate"),
        ("c16", "p50_ms"),
        ("c16", "p99_ms"),
        ("c16", "p100_ms"),
        ("c16", "cpu_us"),
        ("core", "rate"),
        ("core", "rss_mib"),
        ("start-killed", "start_to_ready_ms"),
    ] {
        assert!(has(workload, metric), "no {metric} of {workload}: {text}");
    }
}

#[test]
fn two_kills_lose_nothing_that_was_acknowledged() {
    let output = load(&["soak", "--seed", "7", "--rounds", "2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("seed 7"), "{text}");
    assert!(text.contains("fsck: 0 findings"), "{text}");
}
