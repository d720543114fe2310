//! `wayleave ledger bench` and `wayleave ledger clock` as a stranger runs them.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![cfg(unix)]

mod support;

use serde_json::Value;
use support::{Folder, run};

#[test]
fn a_bench_measures_a_fresh_book_and_leaves_nothing() {
    let folder = Folder::new("bench");
    let at = folder.path().to_str().unwrap();
    let few = ["ledger", "bench", "--at", at, "--transactions", "4000", "--accounts", "50"];
    let ran = run(&[&few[..], &["--json"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let rows = rows(&ran.out);
    // Of 100 each of 32 connections posts its whole share.
    for (workload, posted) in [("batch", 4000.0_f64), ("single", 96.0)] {
        let of = |metric: &str| figure(&rows, workload, metric);
        assert_eq!(of("transactions").to_bits(), posted.to_bits(), "{workload}");
        assert!(of("rate") >= of("followed_rate") && of("followed_rate") > 0.0, "{workload}");
        assert!(of("p50_ms") <= of("p99_ms") && of("p99_ms") <= of("p100_ms"), "{workload}");
        assert!(of("p50_ms") > 0.0 && of("flush_4k_p50_ms") > 0.0, "{workload}");
        assert!(of("flush_4k_p50_ms") <= of("flush_4k_p99_ms"), "{workload}");
    }
    let ran = run(&few);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for word in ["workload", "batch", "single", "one write and flush of 4 KiB"] {
        assert!(ran.out.contains(word), "{}", ran.out);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("wayleave-bench"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The figures that are printed, each with the five members that all benches print.
fn rows(out: &str) -> Vec<Value> {
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for row in &rows {
        assert_eq!(row.get("bench").unwrap(), "ledger", "{row}");
        for word in ["workload", "metric", "unit"] {
            assert!(row.get(word).unwrap().is_string(), "{row}");
        }
        assert!(row.get("value").unwrap().as_f64().is_some_and(f64::is_finite), "{row}");
    }
    rows
}

fn figure(rows: &[Value], workload: &str, metric: &str) -> f64 {
    let is = |row: &&Value| row["workload"] == workload && row["metric"] == metric;
    rows.iter().find(is).unwrap()["value"].as_f64().unwrap()
}

#[test]
fn a_clock_that_was_set_is_told_until_a_person_says_it_is_right() {
    let folder = Folder::new("clock");
    let dir = folder.path().join("book");
    let dir = dir.to_str().unwrap();
    assert_eq!(run(&["ledger", "init", "--dir", dir]).code, Some(0));
    let clock = |more: &[&str]| {
        let ran = run(&[&["ledger", "clock", "--dir", dir, "--json"], more].concat());
        let said: Value = serde_json::from_str(&ran.out).unwrap();
        (ran.code, said.get("parted").unwrap().as_bool().unwrap())
    };
    assert_eq!(clock(&[]), (Some(0), false), "nothing is known yet");
    assert_eq!(clock(&["--accept"]), (Some(0), false));
    assert_eq!(clock(&[]), (Some(0), false));
    // As if it had been a day earlier when the book was started.
    let file = std::path::Path::new(dir).join("clock.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let wall = kept.get("wall_nanos").unwrap().as_u64().unwrap() - 86_400_000_000_000;
    *kept.get_mut("wall_nanos").unwrap() = wall.into();
    std::fs::write(&file, kept.to_string()).unwrap();
    assert_eq!(clock(&[]), (Some(1), true));
    assert_eq!(clock(&["--accept"]), (Some(0), false));
    assert_eq!(clock(&[]), (Some(0), false));
}
