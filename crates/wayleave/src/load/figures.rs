//! Figures: what a process used, what a list of durations says, and how rows are printed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::demo::processes::RoleProcess;

/// Microseconds of one tick of `/proc/PID/stat`: Linux counts 100 a second for programs, on all
/// machines.
const TICK_US: u64 = 10_000;
/// How this process is called beside the roles.
const GENERATOR: &str = "load generator";

/// One figure.
pub struct Row {
    workload: &'static str,
    metric: &'static str,
    /// Whose figure it is, where there are several.
    of: Option<String>,
    value: f64,
    unit: &'static str,
}

impl Row {
    /// A figure of a workload.
    #[must_use]
    pub const fn new(
        workload: &'static str,
        metric: &'static str,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self { workload, metric, of: None, value, unit }
    }

    /// A figure of one role of a workload.
    #[must_use]
    pub fn of(self, role: &str) -> Self {
        Self { of: Some(role.to_owned()), ..self }
    }

    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        let mut object = json!({
            "bench": "payments",
            "workload": self.workload,
            "metric": self.metric,
            "value": rounded(self.value),
            "unit": self.unit,
        });
        if let (Some(role), Some(members)) = (&self.of, object.as_object_mut()) {
            members.insert("of".into(), role.clone().into());
        }
        object.to_string()
    }

    /// One line of a table.
    #[must_use]
    pub fn text(&self) -> String {
        let of = self.of.as_deref().unwrap_or_default();
        let Self { workload, metric, value, unit, .. } = self;
        format!("{workload:<14} {metric:<16} {of:<16} {value:>12.2} {unit}")
    }
}

/// To three decimals: more would pretend.
fn rounded(value: f64) -> f64 {
    format!("{value:.3}").parse().unwrap_or(value)
}

/// Rate, percentiles: of durations of things that were done.
#[derive(Debug, Default)]
pub struct Sample(Vec<Duration>);

impl Sample {
    /// Of these.
    #[must_use]
    pub fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut sorted: Vec<Duration> = durations.into_iter().collect();
        sorted.sort_unstable();
        Self(sorted)
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Milliseconds that so many of a hundred did not exceed (nearest rank); 0 of none.
    #[must_use]
    pub fn percentile_ms(&self, of_hundred: usize) -> f64 {
        let rank = self.0.len().saturating_mul(of_hundred).div_ceil(100).max(1);
        let found = self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default();
        found.as_secs_f64() * 1_000.0
    }

    /// The rows of a workload.
    #[must_use]
    pub fn rows(&self, workload: &'static str) -> Vec<Row> {
        [("p50_ms", 50), ("p99_ms", 99), ("p100_ms", 100)]
            .into_iter()
            .map(|(metric, of)| Row::new(workload, metric, self.percentile_ms(of), "ms"))
            .collect()
    }
}

/// So many within so long, a second.
#[must_use]
pub fn rate(count: u32, within: Duration) -> f64 {
    if within.is_zero() { 0.0 } else { f64::from(count) / within.as_secs_f64() }
}

/// Processor time of every role and of this process.
#[derive(Clone, Debug)]
pub struct Used(Vec<(String, u64)>);

impl Used {
    /// Until now.
    pub fn until_now(processes: &[RoleProcess]) -> anyhow::Result<Self> {
        let mut used = Vec::new();
        for process in processes {
            used.push((process.name(), ticks(process.id())?));
        }
        used.push((GENERATOR.to_owned(), ticks(std::process::id())?));
        Ok(Self(used))
    }

    /// Microseconds per payment over these spans (before, after): each role's, and the sum of all
    /// roles without the generator.
    #[must_use]
    pub fn rows_over(spans: &[(Self, Self)], workload: &'static str, payments: u32) -> Vec<Row> {
        let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
        for (before, after) in spans {
            for ((name, now), (_, then)) in after.0.iter().zip(&before.0) {
                let ticks = now.saturating_sub(*then);
                *by_name.entry(name).or_default() += ticks;
                if name != GENERATOR {
                    *by_name.entry("all roles").or_default() += ticks;
                }
            }
        }
        let row = |(of, ticks): (&str, u64)| {
            let micros = u32::try_from(ticks.saturating_mul(TICK_US)).unwrap_or(u32::MAX);
            let each = f64::from(micros) / f64::from(payments.max(1));
            Row::new(workload, "cpu_us", each, "us/payment").of(of)
        };
        by_name.into_iter().map(row).collect()
    }
}

/// User and system time of a process, in ticks (`proc_pid_stat(5)`, fields 14 and 15).
fn ticks(process: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in parentheses that may hold anything.
    let (_, after) = text.rsplit_once(')').context("a line of /proc/PID/stat")?;
    let mut fields = after.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut field = || fields.next().context("a field of /proc/PID/stat")?.context("a number");
    Ok(field()?.saturating_add(field()?))
}

/// `VmRSS` and `VmHWM` of a process, in MiB: now, and the most it ever was.
pub fn memory_mib(process: u32) -> anyhow::Result<(f64, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| -> anyhow::Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context("its memory")?;
        let kib: u32 = line.trim_end_matches("kB").trim().parse()?;
        Ok(f64::from(kib) / 1024.0)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let sample = Sample::of((1..=200).map(Duration::from_millis));
        assert_eq!(sample.percentile_ms(50), 100.0);
        assert_eq!(sample.percentile_ms(99), 198.0);
        assert_eq!(sample.percentile_ms(100), 200.0);
        assert_eq!(Sample::default().percentile_ms(50), 0.0);
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let (now, most) = memory_mib(std::process::id()).unwrap();
        assert!(now > 0.0 && most >= now);
        let before = ticks(std::process::id()).unwrap();
        let mut spent = 0_u64;
        while ticks(std::process::id()).unwrap() == before {
            spent = std::hint::black_box(spent.wrapping_add(1));
        }
        assert!(spent > 0);
    }

    #[test]
    fn a_row_is_one_json_object() {
        let row = Row::new("c16", "cpu_us", 12.345_67, "us/payment").of("core");
        let read: serde_json::Value = serde_json::from_str(&row.json()).unwrap();
        assert_eq!(read["value"], 12.346);
        assert_eq!(read["of"], "core");
    }
}
