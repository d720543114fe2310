//! Annotations of Cedar policies, read off the text of packs that were loaded and checked.

use std::collections::BTreeMap;

/// One policy: its annotations, and its text from the first annotation to the semicolon.
pub(crate) struct PolicyText {
    annotations: BTreeMap<String, String>,
    lines: Vec<String>,
}

impl PolicyText {
    /// Its `@id`.
    pub(crate) fn id(&self) -> &str {
        self.annotation("id").unwrap_or_default()
    }

    /// An annotation's value.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str)
    }

    /// Its text without comments and layout, for comparison.
    pub(crate) fn meaning(&self) -> String {
        let words = self.lines.iter().flat_map(|line| line.split_whitespace());
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The policies of a chapter. Packs keep one annotation a line and end each policy with a line
/// that ends in `;`; the test beside `explain` holds them to it.
pub(crate) fn policies(chapter: &str) -> Vec<PolicyText> {
    let mut found = Vec::new();
    let mut open = PolicyText { annotations: BTreeMap::new(), lines: Vec::new() };
    for line in chapter.lines().map(str::trim) {
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        if let Some((name, value)) = annotation(line) {
            open.annotations.insert(name.to_owned(), value.replace("\\\"", "\""));
        }
        open.lines.push(line.to_owned());
        if line.ends_with(';') {
            let next = PolicyText { annotations: BTreeMap::new(), lines: Vec::new() };
            found.push(std::mem::replace(&mut open, next));
        }
    }
    found
}

/// `@name("value")`.
fn annotation(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('@')?.strip_suffix("\")")?.split_once("(\"")
}
