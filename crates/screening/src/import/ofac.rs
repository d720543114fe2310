//! The Office of Foreign Assets Control's lists as delimited files: `sdn.csv`, `alt.csv` and
//! `add.csv`, and the files of the consolidated list, which have the same columns. Columns are
//! those of OFAC's data specification; `-0-` stands for nothing.

use std::collections::BTreeMap;

use super::countries::code_of;
use super::{ImportError, bounded, checked, date};
use crate::list::Entry;

/// The three files of one list; the last two may be absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfacFiles<'a> {
    /// Entries: number, name, type, programme, …, remarks.
    pub entries: &'a [u8],
    /// Other names: number, number of the name, kind, name, remarks.
    pub names: Option<&'a [u8]>,
    /// Addresses: number, number of the address, address, city, country, remarks.
    pub addresses: Option<&'a [u8]>,
}

const NOTHING: &str = "-0-";
const REMARKS: usize = 11;

/// Reads the files.
///
/// # Errors
/// [`ImportError`]: too long, not these columns, or nothing in them.
pub fn import_ofac(files: OfacFiles<'_>) -> Result<Vec<Entry>, ImportError> {
    let mut names = by_number(files.names, 3)?;
    let mut countries = by_number(files.addresses, 4)?;
    let mut entries = Vec::new();
    for row in rows(files.entries)? {
        let (line, row) = row?;
        let [Some(id), Some(name)] = [field(&row, 0), field(&row, 1)] else {
            let reason = format!("expected a number and a name, got {} fields", row.len());
            return Err(ImportError::Malformed { line, reason });
        };
        let remarks = field(&row, REMARKS).unwrap_or_default();
        let mut aliases = names.remove(&id).unwrap_or_default();
        aliases.extend(quoted_names(&remarks));
        let addresses = countries.remove(&id).unwrap_or_default();
        let nationality = remarked(&remarks, "nationality ");
        let known = addresses.iter().map(String::as_str).chain(nationality);
        entries.push(Entry {
            countries: known.filter_map(code_of).map(str::to_owned).collect(),
            dates: remarked(&remarks, "DOB ").filter_map(date).collect(),
            program: field(&row, 3).unwrap_or_default(),
            id,
            name,
            aliases,
        });
    }
    checked(entries)
}

/// What of a column belongs to each entry, in the file's order.
fn by_number(
    file: Option<&[u8]>,
    column: usize,
) -> Result<BTreeMap<String, Vec<String>>, ImportError> {
    let mut by: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let Some(file) = file else { return Ok(by) };
    for row in rows(file)? {
        let (line, row) = row?;
        let Some(id) = field(&row, 0) else {
            let reason = "expected an entry's number".to_owned();
            return Err(ImportError::Malformed { line, reason });
        };
        if let Some(value) = field(&row, column) {
            by.entry(id).or_default().push(value);
        }
    }
    Ok(by)
}

type Row = Result<(u64, csv::StringRecord), ImportError>;

/// The rows of a file; a last line of nothing but a control character ends OFAC's.
fn rows(file: &[u8]) -> Result<impl Iterator<Item = Row> + '_, ImportError> {
    bounded(file)?;
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let rows = reader.into_records().map(|row| {
        let at = |line: Option<&csv::Position>| line.map_or(0, csv::Position::line);
        match row {
            Ok(row) => Ok((at(row.position()), row)),
            Err(error) => Err(ImportError::Malformed {
                line: at(error.position()),
                reason: error.to_string(),
            }),
        }
    });
    Ok(rows.filter(|row| match row {
        Ok((_, row)) => row.iter().any(|field| !field.trim_matches('\u{1a}').trim().is_empty()),
        Err(_) => true,
    }))
}

fn field(row: &csv::StringRecord, at: usize) -> Option<String> {
    let text = row.get(at)?.trim();
    (!text.is_empty() && text != NOTHING).then(|| text.to_owned())
}

/// What stands behind a word in the remarks, up to the next `;` or `.`.
fn remarked<'a>(remarks: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = remarks.split([';', '.']).map(str::trim);
    parts.filter_map(move |part| {
        let part = part.strip_prefix("alt. ").unwrap_or(part);
        part.strip_prefix(word)
    })
}

/// `a.k.a. 'BNC'` in the remarks: names that OFAC calls weak.
fn quoted_names(remarks: &str) -> Vec<String> {
    let mut pieces = remarks.split('\'');
    let mut names = Vec::new();
    while let (Some(before), Some(name)) = (pieces.next(), pieces.next()) {
        if before.trim_end().ends_with("k.a.") && !name.trim().is_empty() {
            names.push(name.trim().to_owned());
        }
    }
    names
}
