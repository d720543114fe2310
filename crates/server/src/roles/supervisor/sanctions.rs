//! The sanctions list of a jurisdiction, as its supervisor keeps it.

use screening::ScreeningList;
use screening::list::{ALIASES_MAX, ENTRIES_MAX, Entry, LIST_LAYOUT};
use screening::normal::normal;
use serde::{Deserialize, Serialize};
use terms::Instant;

use super::Config;
use super::lists::{Heading, Kept};
use crate::roles::common::RoleError;

/// One change of the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum SanctionEdit {
    /// Lists somebody, or replaces the entry of that id.
    PutEntry {
        /// The entry.
        entry: JsonEntry,
    },
    /// Takes an entry off.
    RemoveEntry {
        /// Its id.
        id: String,
    },
}

/// An entry as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonEntry {
    /// The list's own id of the entry.
    pub id: String,
    /// The main name.
    pub name: String,
    /// Other names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Dates of birth or foundation: `1970`, `1970-02-01`.
    #[serde(default)]
    pub dates: Vec<String>,
    /// Country codes, upper case.
    #[serde(default)]
    pub countries: Vec<String>,
    /// Under which programme.
    pub program: String,
}

impl Kept for ScreeningList {
    type Edit = SanctionEdit;
    const FOLDER: &'static str = "sanctions";

    fn empty(config: &Config) -> Result<Self, RoleError> {
        Ok(Self {
            layout: LIST_LAYOUT,
            name: config.sanctions_list.clone(),
            version: 0,
            issued_at: Instant::EPOCH,
            next_update: Instant::EPOCH,
            entries: Vec::new(),
        })
    }

    fn heading(&self) -> Heading {
        let Self { version, issued_at, next_update, .. } = *self;
        Heading { version, issued_at, next_update }
    }

    fn set_heading(&mut self, heading: Heading) {
        Heading {
            version: self.version,
            issued_at: self.issued_at,
            next_update: self.next_update,
        } = heading;
    }

    fn apply(&mut self, edit: SanctionEdit) -> Result<(), String> {
        match edit {
            SanctionEdit::PutEntry { entry } => {
                if normal(&entry.name).is_empty() {
                    return Err(format!("entry `{}` has no name that can be compared", entry.id));
                }
                if entry.aliases.len() > ALIASES_MAX {
                    return Err(format!("expected at most {ALIASES_MAX} aliases"));
                }
                let JsonEntry { id, name, aliases, dates, countries, program } = entry;
                self.entries.retain(|listed| listed.id != id);
                self.entries.push(Entry { id, name, aliases, dates, countries, program });
                Ok(())
            }
            SanctionEdit::RemoveEntry { id } => {
                let before = self.entries.len();
                self.entries.retain(|listed| listed.id != id);
                let removed = self.entries.len() < before;
                if removed { Ok(()) } else { Err(format!("there is no entry `{id}`")) }
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        // An emptied list must not clear anybody: readers refuse it, so it is not published.
        if self.entries.is_empty() || self.entries.len() > ENTRIES_MAX {
            return Err(format!("expected 1 to {ENTRIES_MAX} entries"));
        }
        Ok(())
    }
}
