//! Drills as rows: printed when one ends, and read from their files later.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use evidence::receipt::inspect;
use record::settlement::CERTIFICATE_FIELD;
use record::{DrillReport, DrillVerdict, RecoveryFile, Signed};
use serde_json::{Value, json};
use terms::Instant;

use super::catalogue::NAME_WIDTH;
use crate::command::{say, say_json};

/// One drill in a table.
pub(super) struct Row {
    report: DrillReport,
    file: Option<String>,
}

impl Row {
    pub(super) fn of(report: &DrillReport, file: Option<&Path>) -> Self {
        Self { report: report.clone(), file: file.map(|path| path.display().to_string()) }
    }

    pub(super) fn heading() -> String {
        format!(
            "{:<NAME_WIDTH$} {:>7} {:>6} {:>6} {:>5} {:>9} {:>12} {:>13}  {}",
            "drill",
            "orders",
            "acked",
            "found",
            "lost",
            "in doubt",
            "detected ms",
            "recovered ms",
            "verdict"
        )
    }

    /// Milliseconds from the fault to an instant.
    fn after(&self, at: Option<Instant>) -> Option<u64> {
        let took = at?.since(self.report.times.injected_at).as_millis();
        u64::try_from(took).ok()
    }

    pub(super) fn text(&self) -> String {
        let (counts, times) = (&self.report.counts, &self.report.times);
        let shown = |at| self.after(at).map_or_else(|| "-".to_owned(), |ms| ms.to_string());
        format!(
            "{:<NAME_WIDTH$} {:>7} {:>6} {:>6} {:>5} {:>9} {:>12} {:>13}  {}",
            self.report.drill,
            counts.orders,
            counts.acknowledged,
            counts.found,
            counts.lost,
            counts.in_doubt,
            shown(times.detected_at),
            shown(times.recovered_at),
            self.report.verdict
        )
    }

    pub(super) fn json(&self) -> Value {
        let (counts, times) = (&self.report.counts, &self.report.times);
        json!({
            "drill": self.report.drill,
            "expected": self.report.hypothesis,
            "seed": self.report.seed,
            "build": self.report.build,
            "started_at": self.report.started_at.to_string(),
            "orders": counts.orders,
            "acknowledged": counts.acknowledged,
            "found": counts.found,
            "lost": counts.lost,
            "in_doubt": counts.in_doubt,
            "failed_tries": counts.failed_tries,
            "detected_ms": self.after(times.detected_at),
            "mended_ms": self.after(times.healed_at),
            "recovered_ms": self.after(times.recovered_at),
            "held": self.report.verdict == DrillVerdict::Held,
            "verdict": self.report.verdict.to_string(),
            "file": self.file,
        })
    }
}

/// The rows of every drill's file below a folder, by the moment at which it began. Nothing is
/// verified here: that is `wayleave verify recovery`.
pub(super) fn report(dir: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    collect(dir, &mut rows)?;
    rows.sort_by_key(|row| row.report.started_at);
    if !as_json {
        say(&Row::heading());
    }
    let mut held = true;
    for row in &rows {
        held &= row.report.verdict == DrillVerdict::Held;
        if as_json { say_json(&row.json()) } else { say(&row.text()) }
    }
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn collect(dir: &Path, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("`{}`", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, rows)?;
        } else if path.extension().is_some_and(|end| end == "wayleave")
            && let Some(report) = read(&std::fs::read(&path)?)
        {
            rows.push(Row::of(&report, Some(&path)));
        }
    }
    Ok(())
}

/// The report that a file holds, if it is a drill's.
fn read(bytes: &[u8]) -> Option<DrillReport> {
    let file: RecoveryFile = seal::from_canonical(bytes).ok()?;
    let receipt = inspect(&file.receipt).ok()?;
    let opened =
        receipt.receipt().opened().iter().find(|field| field.index == CERTIFICATE_FIELD)?;
    Signed::<DrillReport>::from_bytes(&opened.bytes).ok()?.read_unverified().ok()
}
