//! Rust source with comments and literals taken out, and the functions in it.
//!
//! A scanner, not a parser: it knows comments, string and character literals and braces, which is
//! all that the text rules need, and reads the whole workspace in milliseconds.

/// What stands in place of each character of a literal, so that a line with a literal is not blank.
pub(crate) const LITERAL: char = '~';

/// The text with every comment blanked and every literal's content replaced by [`LITERAL`]. Lines
/// keep their numbers.
pub(crate) fn code_only(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut scanner = Scanner { characters: &characters, at: 0, code: String::new() };
    while let Some(character) = scanner.peek(0) {
        scanner.step(character);
    }
    scanner.code
}

struct Scanner<'a> {
    characters: &'a [char],
    at: usize,
    code: String,
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn step(&mut self, character: char) {
        match (character, self.peek(1)) {
            ('/', Some('/')) => self.blank_while(|s| s.peek(0) != Some('\n')),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('r', Some('"' | '#')) if !self.after_word() && self.raw_hashes().is_some() => {
                self.raw_string();
            }
            ('b' | 'c', Some('r')) if !self.after_word() => self.keep(1),
            ('\'', _) => self.quote(),
            _ => self.keep(1),
        }
    }

    /// Whether what stands before is part of a word, so that an `r` here starts no raw string.
    fn after_word(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.characters.get(at)).copied();
        let prefix = matches!(before, Some('b' | 'c'));
        before.is_some_and(|c| c.is_alphanumeric() || c == '_') && !prefix
    }

    fn keep(&mut self, count: usize) {
        for _ in 0..count {
            self.code.extend(self.peek(0));
            self.at += 1;
        }
    }

    fn replace(&mut self, with: char) {
        match self.peek(0) {
            Some('\n') => self.code.push('\n'),
            Some(_) => self.code.push(with),
            None => {}
        }
        self.at += 1;
    }

    fn blank_while(&mut self, goes_on: impl Fn(&Self) -> bool) {
        while self.peek(0).is_some() && goes_on(self) {
            self.replace(' ');
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.peek(0).is_some() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth = depth.saturating_sub(1),
                _ => {
                    self.replace(' ');
                    continue;
                }
            }
            self.replace(' ');
            self.replace(' ');
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.keep(1);
        while let Some(character) = self.peek(0) {
            match character {
                '"' => return self.keep(1),
                '\\' => {
                    self.replace(LITERAL);
                    self.replace(LITERAL);
                }
                _ => self.replace(LITERAL),
            }
        }
    }

    /// How many `#` stand between this `r` and the quote; `None` when no raw string starts here.
    fn raw_hashes(&self) -> Option<usize> {
        let hashes = (1..).take_while(|ahead| self.peek(*ahead) == Some('#')).count();
        (self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or(0);
        self.keep(hashes + 2);
        while self.peek(0).is_some() {
            let closes = self.peek(0) == Some('"')
                && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closes {
                return self.keep(hashes + 1);
            }
            self.replace(LITERAL);
        }
    }

    /// A quote starts a character literal or a lifetime.
    fn quote(&mut self) {
        self.keep(1);
        match (self.peek(0), self.peek(1)) {
            (Some('\\'), _) => {
                self.replace(LITERAL);
                self.replace(LITERAL);
                while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
                    self.replace(LITERAL);
                }
                self.keep(1);
            }
            (Some(_), Some('\'')) => {
                self.replace(LITERAL);
                self.keep(1);
            }
            _ => {}
        }
    }
}

/// A function found in source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// How many lines of code it has, from `fn` to its last brace; blank lines and comments are
    /// not counted.
    pub(crate) lines: usize,
}

/// The functions with a body in source that [`code_only`] has prepared.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    code.match_indices("fn ").filter_map(|(at, _)| function_at(code, at)).collect()
}

fn function_at(code: &str, at: usize) -> Option<Function> {
    let before = code.get(..at)?;
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let rest = code.get(at..)?;
    let name: String =
        rest.chars().skip(3).take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let body = body_length(rest)?;
    if name.is_empty() {
        return None;
    }
    let lines = rest.get(..body)?.lines().filter(|line| !line.trim().is_empty()).count();
    Some(Function { name, line: before.matches('\n').count() + 1, lines })
}

/// The bytes from `fn` to the brace that closes the body; `None` for a declaration without body.
fn body_length(rest: &str) -> Option<usize> {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, character) in rest.char_indices() {
        match character {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 && brackets == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_taken_out_and_lines_stay() {
        let text = "let a = \"{ // }\"; // {\n/* { /* } */ {\n*/ let b = '{'; let c: &'a str;\n";
        let code = code_only(text);
        assert_eq!(code.matches('\n').count(), text.matches('\n').count());
        assert!(!code.contains('{') && !code.contains('}'), "{code}");
        assert!(code.contains("let b") && code.contains("&'a str"), "{code}");
    }

    #[test]
    fn raw_and_escaped_strings_end_where_they_end() {
        let code = code_only(r####"f(r#"a " b"#, br"{", "\"{", '\'', b'\\', '\u{7b}'); done"####);
        assert!(code.ends_with("); done") && !code.contains('{'), "{code}");
        assert!(code_only("let your\"x").starts_with("let your\""));
    }

    #[test]
    fn a_function_is_measured_in_lines_of_code() {
        let text = "trait T { fn no_body(&self, a: [u8; 4]); }\n\n// c\nfn three(\n) -> [u8; 2] {\n\n    // why\n}\n";
        let found = functions(&code_only(text));
        assert_eq!(found, vec![Function { name: "three".into(), line: 4, lines: 3 }]);
    }

    #[test]
    fn a_type_of_a_function_is_no_function() {
        assert!(functions(&code_only("struct S { f: fn (u8) -> u8 }")).is_empty());
    }
}
