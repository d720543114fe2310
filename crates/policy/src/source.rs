//! Where in a text something stands: policies with their annotations, lines, columns, excerpts.
//!
//! Cedar's parser gives up at the first policy that it cannot read. Cut into policies first, a text
//! tells all its mistakes at once.

use core::fmt;

/// One policy of a chapter as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Piece<'a> {
    /// Where it begins in the text.
    pub(crate) start: usize,
    /// From its first annotation to its semicolon.
    pub(crate) text: &'a str,
}

impl Piece<'_> {
    /// Where an annotation begins in the whole text; where the policy does when there is none.
    pub(crate) fn annotation(&self, name: &str) -> usize {
        let at =
            self.text.find(&format!("@{name}(")).or_else(|| self.text.find(&format!("@{name} ")));
        self.start.saturating_add(at.unwrap_or(0))
    }

    /// Where a word stands in the policy's conditions, in the whole text.
    pub(crate) fn word(&self, word: &str) -> usize {
        // Annotations stand before, and may say the same word: the last place is in the rule.
        let head = self.text.rfind("\n@").map_or(0, |at| at.saturating_add(1));
        let head = self
            .text
            .get(head..)
            .and_then(|rest| rest.find('\n'))
            .map_or(0, |at| head.saturating_add(at));
        let body = self.text.get(head..).unwrap_or(self.text);
        let at = whole_word(body, word).map_or(0, |at| head.saturating_add(at));
        self.start.saturating_add(at)
    }

    /// The names of its annotations.
    pub(crate) fn annotations(&self) -> Vec<&str> {
        let lines = self.text.lines().filter_map(|line| line.trim().strip_prefix('@'));
        lines.filter_map(|line| Some(line.split_once('(')?.0.trim())).collect()
    }
}

/// The policies of a chapter; what stands behind the last semicolon is one too.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut start = None;
    let mut state = State::Code;
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        let after = at.saturating_add(letter.len_utf8());
        let comment = state == State::Code && text.get(at..).is_some_and(|t| t.starts_with("//"));
        state = if comment { State::Comment } else { state.after(letter) };
        if state == State::Comment || (state == State::Code && letter.is_whitespace()) {
            continue;
        }
        let from = *start.get_or_insert(at);
        end = after;
        if state == State::Code && letter == ';' {
            found.extend(text.get(from..after).map(|text| Piece { start: from, text }));
            start = None;
        }
    }
    if let Some(from) = start {
        found.extend(text.get(from..end).map(|text| Piece { start: from, text }));
    }
    found
}

/// What a letter means where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    Comment,
    Text,
    Escape,
}

impl State {
    const fn after(self, letter: char) -> Self {
        match (self, letter) {
            (Self::Comment, '\n') => Self::Code,
            (Self::Comment, _) => Self::Comment,
            (Self::Code, '"') | (Self::Escape, _) => Self::Text,
            (Self::Text, '"') | (Self::Code, _) => Self::Code,
            (Self::Text, '\\') => Self::Escape,
            (Self::Text, _) => Self::Text,
        }
    }
}

/// Where a word stands that is no part of a longer one.
pub(crate) fn whole_word(text: &str, word: &str) -> Option<usize> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).and_then(|t| t.chars().next_back());
        let after = text.get(at.saturating_add(word.len())..).and_then(|t| t.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// A mistake, where it is, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file.
    pub file: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line's text.
    pub excerpt: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it, where that can be said.
    pub hint: Option<String>,
}

impl Mistake {
    /// A mistake at a byte of a file's text.
    pub(crate) fn at(file: &'static str, text: &str, offset: usize, message: String) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let excerpt = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or("");
        let column = before.get(line_start..).unwrap_or("").chars().count();
        Self {
            file,
            line: before.matches('\n').count().saturating_add(1),
            column: column.saturating_add(1),
            excerpt: excerpt.trim_end().to_owned(),
            message,
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the nearest of the names that could have been meant, if any is near.
    pub(crate) fn near<'a>(
        self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match nearest(name, candidates).as_slice() {
            [] => self,
            names => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                self.hint(format!("did you mean {}?", names.join(" or ")))
            }
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        writeln!(f, "{:>5} | {}", self.line, self.excerpt)?;
        // Chinese takes two columns of a terminal, a tab stays a tab.
        let before = self.excerpt.chars().take(self.column.saturating_sub(1));
        let blank: String = before
            .map(|letter| match letter {
                '\t' => "\t",
                wide if crate::rule::is_chinese(wide) => "  ",
                _ => " ",
            })
            .collect();
        write!(f, "      | {blank}^")?;
        match &self.hint {
            Some(hint) => write!(f, "\n      hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The candidates that differ from a name in few letters, the nearest first, three at most.
#[must_use]
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let most = name.chars().count().div_ceil(3).max(2);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// Letters to insert, delete or change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for (right, around) in b.chars().zip(row.windows(2)) {
            let [diagonal, above] = around else { continue };
            let changed = diagonal.saturating_add(usize::from(left != right));
            let beside = next.last().copied().unwrap_or(usize::MAX);
            next.push(changed.min(above.saturating_add(1)).min(beside.saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_semicolons_that_are_code() {
        let text = "// a; b\n@id(\"x;\\\";\") permit (principal);\n  // c\nforbid\n;rest";
        let cut: Vec<&str> = pieces(text).iter().map(|piece| piece.text).collect();
        assert_eq!(cut, ["@id(\"x;\\\";\") permit (principal);", "forbid\n;", "rest"]);
    }

    #[test]
    fn a_place_is_a_line_and_a_column_of_characters() {
        let text = "one\n款 two\n";
        let mistake = Mistake::at("decide.cedar", text, "one\n款 ".len(), "bad".into());
        assert_eq!((mistake.line, mistake.column), (2, 3));
        assert_eq!(
            mistake.hint("mend").to_string(),
            "decide.cedar:2:3: bad\n    2 | 款 two\n      |    ^\n      hint: mend"
        );
        let beyond = Mistake::at("decide.cedar", text, 900, "bad".into());
        assert_eq!((beyond.line, beyond.column), (3, 1));
    }

    #[test]
    fn the_nearest_names_are_few_letters_away() {
        let names = ["payerCountry", "payeeCountry", "purpose"];
        assert_eq!(nearest("payerCountri", names), ["payerCountry", "payeeCountry"]);
        assert_eq!(nearest("Purpos", names), ["purpose"]);
        assert!(nearest("weekday", names).is_empty());
    }
}
