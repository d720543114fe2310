//! The United Nations Security Council's consolidated list, in XML (`CONSOLIDATED_LIST`).

use quick_xml::Reader;
use quick_xml::events::Event;

use super::countries::code_of;
use super::{ImportError, bounded, checked, date};
use crate::list::Entry;

/// Deepest element that is read: the list has six levels.
const DEPTH_MAX: usize = 16;

/// Reads the list.
///
/// # Errors
/// [`ImportError`]: too long, not this XML (entities and document types are refused), or nothing
/// in it.
pub fn import_un(file: &[u8]) -> Result<Vec<Entry>, ImportError> {
    bounded(file)?;
    let text = core::str::from_utf8(file).map_err(|e| malformed(e.to_string()))?;
    let mut reader = Reader::from_str(text);
    let (mut path, mut reading): (Vec<String>, Option<Listed>) = (Vec::new(), None);
    let (mut entries, mut words) = (Vec::new(), String::new());
    loop {
        match reader.read_event().map_err(|e| malformed(e.to_string()))? {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                if path.is_empty() && name != "CONSOLIDATED_LIST" {
                    return Err(malformed(format!("expected `CONSOLIDATED_LIST`, got `{name}`")));
                }
                if path.len() >= DEPTH_MAX {
                    return Err(malformed(format!("expected at most {DEPTH_MAX} levels")));
                }
                if path.len() == 2 {
                    reading = Some(Listed::default());
                }
                path.push(name);
                words.clear();
            }
            Event::Text(text) => words.push_str(&text),
            Event::GeneralRef(entity) => words.push(predefined(&entity)?),
            Event::End(_) => {
                let Some(name) = path.pop() else {
                    return Err(malformed("an end too many".into()));
                };
                let (above, said) = (path.get(3..).and_then(<[_]>::first), words.trim());
                if let Some(listed) = &mut reading {
                    listed.take(above.map(String::as_str), &name, said);
                }
                if path.len() == 2 {
                    entries.extend(reading.take().map(Listed::entry));
                }
                words.clear();
            }
            Event::DocType(_) => return Err(malformed("expected no document type".into())),
            Event::Eof if path.is_empty() => return checked(entries),
            Event::Eof => return Err(malformed("the file ends in the middle".into())),
            Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => {}
        }
    }
}

fn malformed(reason: String) -> ImportError {
    ImportError::Malformed { line: 0, reason }
}

/// The five entities of XML and numbers; there are no others without a document type.
fn predefined(entity: &quick_xml::events::BytesRef<'_>) -> Result<char, ImportError> {
    if let Some(letter) = entity.resolve_char_ref().map_err(|e| malformed(e.to_string()))? {
        return Ok(letter);
    }
    match &**entity {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(malformed(format!("expected an entity of XML, got `&{other};`"))),
    }
}

/// One individual or entity while it is read.
#[derive(Default)]
struct Listed {
    id: String,
    names: Vec<String>,
    aliases: Vec<String>,
    dates: Vec<String>,
    countries: Vec<String>,
    program: String,
}

impl Listed {
    /// What one element says; `above` is the element of the entry that it stands in.
    fn take(&mut self, above: Option<&str>, name: &str, said: &str) {
        if said.is_empty() {
            return;
        }
        match (above, name) {
            (None, "REFERENCE_NUMBER") => said.clone_into(&mut self.id),
            (None, "UN_LIST_TYPE") => said.clone_into(&mut self.program),
            (None, "FIRST_NAME" | "SECOND_NAME" | "THIRD_NAME" | "FOURTH_NAME") => {
                self.names.push(said.to_owned());
            }
            (None, "NAME_ORIGINAL_SCRIPT") => self.aliases.push(said.to_owned()),
            (Some("INDIVIDUAL_ALIAS" | "ENTITY_ALIAS"), "ALIAS_NAME") => {
                self.aliases.push(said.to_owned());
            }
            (Some("INDIVIDUAL_DATE_OF_BIRTH"), "DATE" | "YEAR" | "FROM_YEAR" | "TO_YEAR") => {
                self.dates.extend(date(said));
            }
            (Some("NATIONALITY"), "VALUE")
            | (Some("ENTITY_ADDRESS" | "INDIVIDUAL_ADDRESS"), "COUNTRY") => {
                self.countries.extend(code_of(said).map(str::to_owned));
            }
            _ => {}
        }
    }

    fn entry(self) -> Entry {
        let Self { id, names, aliases, dates, countries, program } = self;
        Entry { id, name: names.join(" "), aliases, dates, countries, program }
    }
}
