//! Rows of an import: CSV (RFC 4180) with a head line, or one JSON object a line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use terms::{BusinessDate, Instant};

/// Longest row.
const ROW_BYTES_MAX: u64 = 64 << 10;
/// All fields; beside them `note.KEY` and `personal.KEY`, metadata of that key.
const FIELDS: [&str; 25] = [
    "kind",
    "id",
    "business_date",
    "effective",
    "from",
    "to",
    "amount",
    "reason",
    "code",
    "hold",
    "rest",
    "account",
    "side",
    "asset",
    "normal",
    "owner",
    "purpose",
    "overdraft",
    "ceiling",
    "tags",
    "expires",
    "links",
    "freeze",
    "key_slot",
    "ground",
];
/// Fields that a transaction has once, beside its metadata; entries may repeat them.
const OF_TRANSACTIONS: [&str; 7] =
    ["id", "business_date", "effective", "reason", "code", "links", "key_slot"];
/// Columns of a file that has no `kind`: transfers alone.
const OF_TRANSFERS: [&str; 5] = ["id", "business_date", "from", "to", "amount"];
/// Kinds of rows that are no transaction.
const NO_TRANSACTIONS: [&str; 6] = ["account", "hold", "pin", "void", "freeze", "close"];
/// What metadata is named by.
pub(super) const NOTE: &str = "note.";
/// What metadata about a person is named by.
pub(super) const PERSONAL: &str = "personal.";

fn is_field(name: &str) -> bool {
    FIELDS.contains(&name) || [NOTE, PERSONAL].iter().any(|kind| name.starts_with(kind))
}

fn unknown(name: &str) -> anyhow::Error {
    let name: String = name.chars().take(64).collect();
    anyhow!("expected one of `{}`, `note.KEY`, `personal.KEY`, got `{name}`", FIELDS.join(", "))
}

/// Whose row it is, as far as that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// It may be of any transaction that stands beside it.
    Unknown,
    /// Of the transaction of this id.
    Transaction(String),
    /// It is no part of a transaction.
    Other,
}

impl Whose {
    fn of(kind: Option<&str>, id: Option<&str>) -> Self {
        if kind.is_some_and(|kind| NO_TRANSACTIONS.contains(&kind)) {
            return Self::Other;
        }
        let id = id.filter(|id| !id.is_empty());
        id.map_or(Self::Unknown, |id| Self::Transaction(id.to_owned()))
    }
}

/// A row that cannot be read.
pub(super) struct Unread {
    pub(super) line: u64,
    pub(super) whose: Whose,
    pub(super) error: anyhow::Error,
}

/// One row: where it stands, and its fields as they came.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its line, from 1.
    pub(super) line: u64,
    /// By name: the number of its column, in a file that has columns, and its text.
    fields: BTreeMap<String, (Option<usize>, String)>,
    /// Rows within it: the entries of a transaction.
    pub(super) entries: Vec<Row>,
}

impl Row {
    /// A field that must be there.
    pub(super) fn field(&self, name: &str) -> anyhow::Result<&str> {
        self.optional(name).ok_or_else(|| anyhow!("expected a field `{name}`, got none"))
    }

    /// A field that may be absent or empty.
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|(_, text)| text.as_str()).filter(|text| !text.is_empty())
    }

    /// A field that must be there, read; what is wrong with it names its column.
    pub(super) fn read<T, E: std::fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> anyhow::Result<T> {
        let text = self.field(name)?;
        read(text).map_err(|why| anyhow!("{}: {why:#}", self.place(name)))
    }

    /// [`Self::read`] of a field that may be absent or empty.
    pub(super) fn read_optional<T, E: std::fmt::Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> anyhow::Result<Option<T>> {
        self.optional(name).map(|_| self.read(name, read)).transpose()
    }

    /// Fields whose names begin so, without that beginning.
    pub(super) fn beginning<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.fields.iter().filter_map(move |(name, (_, text))| {
            Some((name.strip_prefix(kind)?, text.as_str())).filter(|(_, text)| !text.is_empty())
        })
    }

    /// Which transaction it is of.
    pub(super) fn whose(&self) -> Whose {
        Whose::of(self.optional("kind"), self.optional("id"))
    }

    /// Whether it surely is no entry among others: it says so, or moves money by itself.
    pub(super) fn is_by_itself(&self) -> bool {
        match self.optional("kind") {
            Some(kind) => {
                NO_TRANSACTIONS.contains(&kind) || ["transfer", "transaction"].contains(&kind)
            }
            None => self.optional("from").is_some(),
        }
    }

    /// The first field that says something else than another row's, of those that say something
    /// of the whole transaction.
    pub(super) fn differs(&self, head: &Self) -> Option<&str> {
        let is_whole = |name: &str| {
            OF_TRANSACTIONS.contains(&name)
                || [NOTE, PERSONAL].iter().any(|kind| name.starts_with(kind))
        };
        let mut names = self.fields.keys().map(String::as_str).filter(|name| is_whole(name));
        names.find(|name| self.optional(name).is_some_and(|it| head.optional(name) != Some(it)))
    }

    fn place(&self, name: &str) -> String {
        match self.fields.get(name) {
            Some((Some(column), _)) => format!("column {column} `{name}`"),
            _ => format!("field `{name}`"),
        }
    }
}

/// Reads rows one after another.
pub(super) struct Rows {
    lines: BufReader<File>,
    /// The names of the columns; none for JSON lines.
    head: Option<Vec<String>>,
    line: u64,
    /// Bytes read.
    pub(super) read: u64,
    /// Bytes in all.
    pub(super) bytes: u64,
}

impl Rows {
    /// Opens a file and reads its head.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("`{}`", path.display()))?;
        let about = file.metadata()?;
        ensure!(about.is_file(), "`{}` is no file", path.display());
        let mut rows =
            Self { lines: BufReader::new(file), head: None, line: 0, read: 0, bytes: about.len() };
        let is_json = rows.lines.fill_buf()?.first() == Some(&b'{');
        if !is_json {
            let head = rows.record()?.with_context(|| format!("`{}` is empty", path.display()))?;
            let head: Vec<String> = csv(head.trim_start_matches('\u{feff}'))?;
            check_head(&head)?;
            rows.head = Some(head);
        }
        Ok(rows)
    }

    /// The next row; `None` after the last. An error names the line and ends the reading only
    /// when the file cannot be read.
    pub(super) fn next_row(&mut self) -> anyhow::Result<Option<Result<Row, Unread>>> {
        loop {
            let line = self.line.saturating_add(1);
            let Some(record) = self.record()? else { return Ok(None) };
            if record.trim().is_empty() {
                continue;
            }
            let row = match &self.head {
                Some(head) => of_csv(line, head, &record).map_err(|error| Unread {
                    line,
                    whose: Whose::Unknown,
                    error,
                }),
                None => of_json(line, &record),
            };
            return Ok(Some(row));
        }
    }

    /// The line that is read next.
    pub(super) fn line_ahead(&self) -> u64 {
        self.line.saturating_add(1)
    }

    /// A line, or several where a quoted field holds line ends.
    fn record(&mut self) -> anyhow::Result<Option<String>> {
        let mut record = String::new();
        loop {
            let room = ROW_BYTES_MAX.saturating_sub(u64::try_from(record.len()).unwrap_or(0));
            let line = self.line.saturating_add(1);
            let got = self.lines.by_ref().take(room).read_line(&mut record);
            let got = got.with_context(|| format!("line {line}"))?;
            self.read = self.read.saturating_add(u64::try_from(got).unwrap_or(0));
            if got == 0 && record.is_empty() && room > 0 {
                return Ok(None);
            }
            self.line = line;
            let whole = u64::try_from(record.len()).unwrap_or(u64::MAX);
            ensure!(whole < ROW_BYTES_MAX, "line {line} is longer than {ROW_BYTES_MAX} bytes");
            let is_open = self.head.is_some() && record.matches('"').count() % 2 == 1;
            if !is_open || got == 0 {
                return Ok(Some(record));
            }
        }
    }
}

fn check_head(head: &[String]) -> anyhow::Result<()> {
    for (place, name) in head.iter().enumerate() {
        let column = place.saturating_add(1);
        ensure!(is_field(name), anyhow!("line 1, column {column}: {}", unknown(name)));
        let before = head.iter().take(place).any(|one| one == name);
        ensure!(!before, "line 1, column {column}: `{name}` stands twice");
    }
    let has = |name: &str| head.iter().any(|one| one == name);
    for name in OF_TRANSFERS.iter().filter(|_| !has("kind")) {
        ensure!(has(name), "line 1: expected a column `{name}`, got none");
    }
    Ok(())
}

fn of_csv(line: u64, head: &[String], record: &str) -> anyhow::Result<Row> {
    let fields = csv(record)?;
    let (expected, got) = (head.len(), fields.len());
    ensure!(expected == got, "expected {expected} columns, got {got}");
    let columns = (1..).map(Some);
    let fields = head.iter().cloned().zip(columns.zip(fields)).collect();
    Ok(Row { line, fields, entries: Vec::new() })
}

type Object = BTreeMap<String, serde_json::Value>;

fn of_json(line: u64, record: &str) -> Result<Row, Unread> {
    let unread = |whose, error| Unread { line, whose, error };
    let object: Object = serde_json::from_str(record).map_err(|error| {
        let text = error.to_string();
        // Another value than an object would be shown, and may be about a person.
        let why = (!error.is_data()).then(|| text.split(" at line ").next()).flatten();
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        let error = anyhow!("column {}: expected a JSON object{why}", error.column());
        unread(Whose::Unknown, error)
    })?;
    let text = |name: &str| object.get(name).and_then(serde_json::Value::as_str);
    let whose = Whose::of(text("kind"), text("id"));
    of_object(line, object, true).map_err(|error| unread(whose, error))
}

fn of_object(line: u64, object: Object, may_nest: bool) -> anyhow::Result<Row> {
    use serde_json::Value;
    let mut row = Row { line, fields: BTreeMap::new(), entries: Vec::new() };
    for (name, value) in object {
        match (name.as_str(), value) {
            ("entries", Value::Array(entries)) if may_nest => {
                for entry in entries {
                    let Value::Object(entry) = entry else {
                        bail!("field `entries`: expected objects, got {}", sort(&entry));
                    };
                    row.entries.push(of_object(line, entry.into_iter().collect(), false)?);
                }
            }
            ("notes" | "personal", Value::Object(all)) if may_nest => {
                let kind = if name == "notes" { NOTE } else { PERSONAL };
                for (key, text) in all {
                    let Value::String(text) = text else {
                        bail!("field `{name}.{key}`: expected a string, got {}", sort(&text));
                    };
                    row.fields.insert(format!("{kind}{key}"), (None, text));
                }
            }
            (_, Value::String(text)) if is_field(&name) => {
                row.fields.insert(name, (None, text));
            }
            (_, Value::Null) if is_field(&name) => {}
            (_, other) if is_field(&name) => {
                bail!("field `{name}`: expected a string, got {}", sort(&other))
            }
            _ => return Err(unknown(&name)),
        }
    }
    Ok(row)
}

/// What stands in a field that is wrong: never the words themselves, which may be about a person.
const fn sort(value: &serde_json::Value) -> &'static str {
    use serde_json::Value;
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The fields of one record.
fn csv(record: &str) -> anyhow::Result<Vec<String>> {
    let record = record.strip_suffix('\n').unwrap_or(record);
    let record = record.strip_suffix('\r').unwrap_or(record);
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let column = fields.len().saturating_add(1);
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (field, after) = unquote(quoted).with_context(|| format!("column {column}"))?;
                (field, after)
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                let inside = field.contains('"');
                ensure!(!inside, "column {column}: a quote inside a field without quotes");
                (field.trim().to_owned(), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(fields),
            None => bail!("column {column}: expected `,` after a quoted field"),
        }
    }
}

/// What stands before the closing quote, and what follows it.
fn unquote(text: &str) -> anyhow::Result<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"').context("a quote is not closed")?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, after)),
        }
    }
}

/// A moment: whole seconds since 1970, or RFC 3339 in UTC.
pub(crate) fn instant(text: &str) -> anyhow::Result<Instant> {
    let shown: String = text.chars().take(64).collect();
    let expected = || {
        anyhow!(
            "expected seconds since 1970 or a time such as `2026-11-22T20:50:00Z`, got `{shown}`"
        )
    };
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Instant::from_seconds(text.parse().map_err(|_| expected())?));
    }
    let (date, time) =
        text.strip_suffix('Z').and_then(|t| t.split_once('T')).ok_or_else(expected)?;
    let date: BusinessDate = date.parse().map_err(|_| expected())?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = time.split(':').map(|part| {
        let two = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        two.then(|| part.parse::<u64>().ok()).flatten()
    });
    let mut part = |below: u64| parts.next().flatten().filter(|n| *n < below);
    let (hour, minute, second) = (part(24), part(60), part(60));
    let (Some(hour), Some(minute), Some(second), None) = (hour, minute, second, parts.next())
    else {
        return Err(expected());
    };
    let digits = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    let nanos: u64 = format!("{fraction:0<9}").parse().map_err(|_| expected())?;
    ensure!(digits && !fraction.is_empty(), expected());
    let seconds = date.start().seconds().saturating_add(hour * 3600 + minute * 60 + second);
    let seconds = seconds.checked_mul(1_000_000_000).ok_or_else(expected)?;
    Ok(Instant::from_nanos(seconds.saturating_add(nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_those_of_rfc_4180() {
        let table: [(&str, &[&str]); 5] = [
            ("a,b\r\n", &["a", "b"]),
            ("a,,\n", &["a", "", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"say \"\"hi\"\"\",x", &["say \"hi\"", "x"]),
            ("\"two\nlines\",x", &["two\nlines", "x"]),
        ];
        for (record, fields) in table {
            assert_eq!(csv(record).unwrap(), fields, "{record}");
        }
        for bad in ["\"a", "\"a\"b,c", "a\"b"] {
            assert!(csv(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_are_seconds_or_rfc_3339() {
        let text = "2026-11-22T20:50:01.5Z";
        let moment = instant(text).unwrap();
        assert_eq!(moment.to_string(), "2026-11-22T20:50:01.500Z");
        assert_eq!(instant(&moment.seconds().to_string()).unwrap().seconds(), moment.seconds());
        for bad in ["", "yesterday", "2026-11-22", "2026-11-22T24:00:00Z", "2026-11-22T20:50Z"] {
            assert!(instant(bad).is_err(), "{bad}");
        }
    }
}
