//! A table of our own: `id,name,aliases,dates,countries,program`, several in one field apart by
//! `;`. For lists that a publisher gives in a form nobody else has.

use super::{ImportError, bounded, checked};
use crate::list::Entry;

const COLUMNS: [&str; 6] = ["id", "name", "aliases", "dates", "countries", "program"];

/// Reads a table; its first row names the columns.
///
/// # Errors
/// [`ImportError`]: too long, other columns, or nothing in it.
pub fn import_csv(file: &[u8]) -> Result<Vec<Entry>, ImportError> {
    bounded(file)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let malformed = |error: &csv::Error| ImportError::Malformed {
        line: error.position().map_or(0, csv::Position::line),
        reason: error.to_string(),
    };
    let header = reader.headers().map_err(|error| malformed(&error))?;
    if header.iter().ne(COLUMNS) {
        let got: Vec<&str> = header.iter().collect();
        let reason = format!("expected columns `{}`, got `{}`", COLUMNS.join(","), got.join(","));
        return Err(ImportError::Malformed { line: 1, reason });
    }
    let mut entries = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| malformed(&error))?;
        let field = |at: usize| row.get(at).unwrap_or_default().to_owned();
        let several = |at: usize| -> Vec<String> {
            let all = row.get(at).unwrap_or_default().split(';').map(str::trim);
            all.filter(|one| !one.is_empty()).map(str::to_owned).collect()
        };
        entries.push(Entry {
            id: field(0),
            name: field(1),
            aliases: several(2),
            dates: several(3),
            countries: several(4),
            program: field(5),
        });
    }
    checked(entries)
}
