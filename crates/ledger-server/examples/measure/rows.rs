//! Figures as rows: one JSON object each, a table for people, a store from which the table can be
//! printed again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub bench: String,
    pub workload: String,
    pub metric: String,
    pub value: f64,
    pub unit: String,
    /// What ran beside the journal: `tls`, `log`, `views`, or nothing.
    #[serde(default)]
    pub on: String,
    /// What it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bar: Option<Bar>,
    /// Whether it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hit: Option<bool>,
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    fn is_hit(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bar) => value >= bar,
            Self::AtMost(bar) => value <= bar,
        }
    }
}

/// The rows of one workload.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub workload: String,
    pub on: String,
    /// Whether the run is long enough to be held against a bar.
    pub has_bars: bool,
    pub rows: Vec<Row>,
}

impl Rows {
    pub fn of(workload: &str, on: &str, has_bars: bool) -> Self {
        Self { workload: workload.to_owned(), on: on.to_owned(), has_bars, rows: Vec::new() }
    }

    pub fn add(&mut self, metric: &str, value: f64, unit: &str) {
        self.push(metric, value, unit, None);
    }

    pub fn against(&mut self, metric: &str, value: f64, unit: &str, bar: Option<Bar>) {
        self.push(metric, value, unit, bar);
    }

    fn push(&mut self, metric: &str, value: f64, unit: &str, bar: Option<Bar>) {
        let bar = bar.filter(|_| self.has_bars);
        self.rows.push(Row {
            bench: "ledger".to_owned(),
            workload: self.workload.clone(),
            metric: metric.to_owned(),
            value,
            unit: unit.to_owned(),
            on: self.on.clone(),
            bar,
            hit: bar.map(|bar| bar.is_hit(value)),
        });
    }
}

/// Reads rows, one JSON object a line; what is no row is passed over.
pub fn read(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Puts the rows of workloads that were measured in place of their older ones.
pub fn store(path: &Path, new: &[Row]) -> Result<Vec<Row>> {
    let measured = |row: &Row| new.iter().any(|other| other.workload == row.workload);
    let mut all: Vec<Row> = read(path).into_iter().filter(|row| !measured(row)).collect();
    all.extend_from_slice(new);
    let lines: Vec<String> = all.iter().map(line).collect::<Result<_>>()?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, lines.join("\n") + "\n")?;
    Ok(all)
}

pub fn line(row: &Row) -> Result<String> {
    Ok(serde_json::to_string(row)?)
}

/// Columns of the table: heading and the metrics that stand in it.
const COLUMNS: [(&str, &[&str]); 9] = [
    ("rate", &["rate"]),
    ("of bound", &["ratio_to_bound"]),
    ("p50 / p99 / p99.9 / p100 ms", &["p50_ms", "p99_ms", "p999_ms", "p100_ms"]),
    ("processor µs server / client", &["cpu_server_us", "cpu_client_us"]),
    ("MiB", &["rss_mib"]),
    ("flush 4K p50 / p99 ms", &["flush_4k_p50_ms", "flush_4k_p99_ms"]),
    ("flush 1M p50 / p99 ms", &["flush_1m_p50_ms", "flush_1m_p99_ms"]),
    ("others' processor %", &["processor_of_others"]),
    ("on", &[]),
];

/// The tables in Markdown, which is for people to read as well: workloads in `order`, then what
/// has a bar, then where the processor time goes.
pub fn tables(rows: &[Row], order: &[&str]) -> String {
    let mut by: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by.entry(row.workload.as_str()).or_default().push(row);
    }
    let known = order.iter().copied();
    let others = by.keys().copied().filter(|name| !order.contains(name));
    let names: Vec<&str> = known.chain(others).filter(|name| by.contains_key(name)).collect();
    let mut text = heading(&["workload"], COLUMNS.iter().map(|(name, _)| *name));
    for name in &names {
        text.push_str(&workload(name, &by[name]));
    }
    text.push('\n');
    text.push_str(&bars(&names, &by));
    text.push('\n');
    text.push_str(&others_of(&names, &by));
    text
}

fn heading<'a>(first: &[&'a str], rest: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = first.iter().copied().chain(rest).collect();
    format!("| {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len()))
}

fn workload(name: &str, rows: &[&Row]) -> String {
    let on = rows.first().map_or("", |row| row.on.as_str());
    let cell = |metrics: &[&str]| -> String {
        let found = metrics.iter().filter_map(|metric| value(rows, metric).map(shown));
        found.collect::<Vec<_>>().join(" / ")
    };
    if cell(COLUMNS[0].1).is_empty() {
        return String::new();
    }
    let cells: Vec<String> = COLUMNS
        .iter()
        .map(|(_, metrics)| if metrics.is_empty() { on.to_owned() } else { cell(metrics) })
        .collect();
    format!("| `{name}` | {} |\n", cells.join(" | "))
}

fn bars(names: &[&str], by: &BTreeMap<&str, Vec<&Row>>) -> String {
    let mut text = heading(&["workload", "figure", "measured", "bar", ""], std::iter::empty());
    for row in names.iter().flat_map(|name| &by[name]) {
        let (value, Some(bar)) = (row.value, row.bar) else { continue };
        let bar = match bar {
            Bar::AtLeast(bar) => format!("≥ {}", shown(bar)),
            Bar::AtMost(bar) => format!("≤ {}", shown(bar)),
        };
        let hit = if row.hit == Some(true) { "hit" } else { "missed" };
        let (name, metric, unit) = (&row.workload, &row.metric, &row.unit);
        let line =
            format!("| `{name}` | {metric} | {} {unit} | {bar} {unit} | {hit} |\n", shown(value));
        text.push_str(&line);
    }
    text
}

/// What stands in neither table above.
fn others_of(names: &[&str], by: &BTreeMap<&str, Vec<&Row>>) -> String {
    let in_table = |metric: &str| COLUMNS.iter().any(|(_, metrics)| metrics.contains(&metric));
    let mut text = heading(&["workload", "other figures"], std::iter::empty());
    for name in names {
        let rest = by[name].iter().filter(|row| row.bar.is_none() && !in_table(&row.metric));
        let rest: Vec<String> =
            rest.map(|row| format!("{} {} {}", row.metric, shown(row.value), row.unit)).collect();
        if !rest.is_empty() {
            text.push_str(&format!("| `{name}` | {} |\n", rest.join(", ")));
        }
    }
    text
}

fn value(rows: &[&Row], metric: &str) -> Option<f64> {
    rows.iter().find(|row| row.metric == metric).map(|row| row.value)
}

/// A number for people: thousands apart when it is large, some digits when it is small.
pub fn shown(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Which workload of another system does what one of ours does. Ten hot accounts are posted to in
/// batches here and one by one there: no pair.
const PEERS: [(&str, &str); 3] = [
    ("pg-bulk-1", "batch-1m"),
    ("pg-single-1", "single-binary-1"),
    ("pg-single-32", "single-binary-32"),
];

/// Figures of other systems that were measured here, and how ours compare; nothing of none.
pub fn against_peers(ours: &[Row], peers: &[Row]) -> String {
    let find = |rows: &[Row], name: &str, metrics: &[&str]| {
        let mut fitting = rows.iter().filter(|row| row.workload == name);
        fitting.find(|row| metrics.contains(&row.metric.as_str())).map(|row| row.value)
    };
    let mut names: Vec<&str> = Vec::new();
    for row in peers {
        if !names.contains(&row.workload.as_str()) {
            names.push(&row.workload);
        }
    }
    let mut lines = String::new();
    for name in names {
        let Some(rate) = find(peers, name, &["rate"]) else { continue };
        let cell = |metrics: &[&str]| find(peers, name, metrics).map(shown).unwrap_or_default();
        let other = PEERS.iter().find(|(peer, _)| *peer == name).map_or("", |(_, ours)| *ours);
        let times = find(ours, other, &["rate"]).map_or_else(String::new, |our| {
            format!("`{other}` is {} times as fast", shown(our / rate))
        });
        lines.push_str(&format!(
            "| `{name}` | {} | {} / {} / {} | {} / {} | {} | {times} |\n",
            shown(rate),
            cell(&["latency_p50"]),
            cell(&["latency_p99"]),
            cell(&["latency_p100"]),
            cell(&["cpu_server"]),
            cell(&["cpu_client"]),
            cell(&["flush"]),
        ));
    }
    if lines.is_empty() {
        return lines;
    }
    let columns = [
        "rate",
        "p50 / p99 / p100 ms",
        "processor µs server / client",
        "mean flush ms",
        "beside ours",
    ];
    format!("\n{}{lines}", heading(&["PostgreSQL 15"], columns.into_iter()))
}
