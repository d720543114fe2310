//! A full disk takes the log's lines, and nobody's work with them.

use std::fs::OpenOptions;
use std::process::Command;

/// Set for the process that traces.
const CHILD: &str = "WAYLEAVE_TEST_TRACES";

#[test]
fn a_line_that_cannot_be_written_stops_nobody() {
    if std::env::var_os(CHILD).is_some() {
        server::telemetry::start(None).unwrap();
        for _ in 0..3 {
            tracing::error!("a line for a full disk");
        }
        return;
    }
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_line_that_cannot_be_written_stops_nobody", "--nocapture"])
        .env(CHILD, "1")
        .stderr(full)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(ended.success(), "{ended}");
}
