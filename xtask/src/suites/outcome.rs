//! What a suite did, and how cargo's and the scripts' closing lines are read.

use std::collections::BTreeSet;

/// The result of one suite.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// The suite.
    pub(crate) name: String,
    /// How many tests passed.
    pub(crate) passed: usize,
    /// How many failed; a suite that could not run counts one.
    pub(crate) failed: usize,
    /// How long it took, with what it installed and built first.
    pub(crate) seconds: f64,
    /// What a reader has to know.
    pub(crate) notes: Vec<String>,
    /// The names of the tests that ran and passed.
    pub(crate) ran: BTreeSet<String>,
}

impl Outcome {
    /// A suite that could not run.
    pub(crate) fn not_run(name: &str, why: String) -> Self {
        Self { name: name.to_owned(), failed: 1, notes: vec![why], ..Self::default() }
    }
}

/// The table at the end: minutes per suite and a total.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let row = |name: &str, seconds: f64, passed: usize, failed: usize| {
        format!("{name:<24} {:>7.2}  {passed:>6}  {failed:>6}", seconds / 60.0)
    };
    let mut lines =
        vec![format!("{:<24} {:>7}  {:>6}  {:>6}", "suite", "minutes", "passed", "failed")];
    lines.extend(outcomes.iter().map(|o| row(&o.name, o.seconds, o.passed, o.failed)));
    let seconds = outcomes.iter().map(|o| o.seconds).sum();
    let (passed, failed) = totals(outcomes);
    lines.push(row("total", seconds, passed, failed));
    lines.join("\n")
}

/// `N passed, N failed`.
pub(crate) fn closing_line(outcomes: &[Outcome]) -> String {
    let (passed, failed) = totals(outcomes);
    format!("{passed} passed, {failed} failed")
}

fn totals(outcomes: &[Outcome]) -> (usize, usize) {
    (outcomes.iter().map(|o| o.passed).sum(), outcomes.iter().map(|o| o.failed).sum())
}

/// Reads the output of `cargo test` line by line.
#[derive(Default)]
pub(crate) struct CargoOutput {
    /// The crate or test file whose tests run now.
    current: String,
    /// Tests that passed, with that name before them.
    pub(crate) ran: BTreeSet<String>,
    /// Sum of the `passed` counts.
    pub(crate) passed: usize,
    /// Sum of the `failed` counts.
    pub(crate) failed: usize,
}

impl CargoOutput {
    /// Takes one line; tells whether a reader wants to see it.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        let trimmed = line.trim_start();
        if let Some(rest) = trimmed.strip_prefix("Running ") {
            self.current = binary_name(rest);
            return true;
        }
        if let Some(rest) = trimmed.strip_prefix("Doc-tests ") {
            self.current = rest.trim().to_owned();
            return true;
        }
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += count(rest, "passed");
            self.failed += count(rest, "failed");
            return true;
        }
        let test = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "));
        if let Some((name, "ok")) = test {
            let name = name.trim_end_matches(" - should panic");
            self.ran.insert(format!("{}::{name}", self.current));
            return false;
        }
        let noise =
            ["Compiling ", "Fresh ", "Finished ", "running ", "Downloaded ", "Downloading "];
        !trimmed.is_empty() && !noise.iter().any(|word| trimmed.starts_with(word))
    }
}

/// `terms` out of `unittests src/lib.rs (target/debug/deps/terms-0123456789abcdef)`.
fn binary_name(rest: &str) -> String {
    let path = rest.rsplit('(').next().unwrap_or_default().trim_end_matches(')');
    let file = path.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('-').map_or(file, |(name, _)| name).to_owned()
}

/// The number before a word: 3 for `passed` in `ok. 3 passed; 0 failed`.
fn count(text: &str, word: &str) -> usize {
    let words: Vec<&str> = text.split([' ', ',', ';']).filter(|w| !w.is_empty()).collect();
    let pair = words.windows(2).find(|pair| pair.last() == Some(&word));
    pair.and_then(|pair| pair.first()?.parse().ok()).unwrap_or(0)
}

/// Reads the output of a script line by line.
#[derive(Default)]
pub(crate) struct ScriptOutput {
    /// The counts of the last closing line.
    closing: Option<(usize, usize)>,
    /// How many lines began with `ok: `.
    ok: usize,
}

impl ScriptOutput {
    /// Takes one line.
    pub(crate) fn take(&mut self, line: &str) {
        self.closing = plain_line(line).or(self.closing);
        self.ok += usize::from(line.starts_with("ok: "));
    }

    /// Passed and failed: by the closing line, else one for each `ok: ` line, else one in all. A
    /// script that ended badly, or that counted no test at all, has failed at least once.
    pub(crate) fn end(&self, success: bool) -> (usize, usize) {
        let (passed, failed) = self.closing.unwrap_or((self.ok.max(usize::from(success)), 0));
        let failed_at_all = !success || passed + failed == 0;
        (passed, failed.max(usize::from(failed_at_all)))
    }
}

/// The counts of a closing line such as `interop: 5 passed, 0 failed`; `None` for another line.
fn plain_line(line: &str) -> Option<(usize, usize)> {
    let counts = line.rsplit(": ").next()?;
    let (passed, rest) = counts.trim().split_once(" passed, ")?;
    let failed = rest.split_once(" failed")?.0;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
   Compiling terms v0.1.0
     Running unittests src/lib.rs (target/debug/deps/terms-0a1b2c)

running 3 tests
test id::tests::first ... ok
test id::tests::second ... FAILED
test id::tests::third - should panic ... ok

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
     Running tests/golden_bytes.rs (target/debug/deps/golden_bytes-77)
test goldens ... ok
test result: ok. 1 passed; 0 failed; 4 ignored; 0 measured; 0 filtered out
";

    #[test]
    fn cargo_output_is_counted_and_named() {
        let mut output = CargoOutput::default();
        let shown: Vec<&str> = OUTPUT.lines().filter(|line| output.take(line)).collect();
        assert_eq!((output.passed, output.failed), (3, 1));
        let ran: Vec<&str> = output.ran.iter().map(String::as_str).collect();
        let expected =
            ["golden_bytes::goldens", "terms::id::tests::first", "terms::id::tests::third"];
        assert_eq!(ran, expected);
        assert_eq!(shown.len(), 5, "{shown:?}");
        assert!(shown.contains(&"test id::tests::second ... FAILED"));
    }

    #[test]
    fn a_plain_closing_line_is_read_and_another_is_not() {
        assert_eq!(plain_line("5 passed, 0 failed"), Some((5, 0)));
        assert_eq!(plain_line("proof: 5 passed, 2 failed, 1 skipped"), Some((5, 2)));
        assert_eq!(plain_line("all passed, none failed"), None);
        assert_eq!(plain_line("fine"), None);
    }

    #[test]
    fn a_script_is_counted_by_its_closing_line_else_by_its_ok_lines() {
        let counted = |lines: &[&str], success| {
            let mut output = ScriptOutput::default();
            lines.iter().for_each(|line| output.take(line));
            output.end(success)
        };
        assert_eq!(counted(&["ok: a", "5 passed, 1 failed", "bye"], true), (5, 1));
        assert_eq!(counted(&["ok: a", "ok: b", "as expected"], true), (2, 0));
        assert_eq!(counted(&["ok: a", "FAILED: b"], false), (1, 1));
        assert_eq!(counted(&["5 passed, 0 failed"], false), (5, 1));
        assert_eq!(counted(&["0 passed, 0 failed"], true), (0, 1));
        assert_eq!(counted(&[], true), (1, 0));
        assert_eq!(counted(&[], false), (0, 1));
    }

    #[test]
    fn the_table_ends_with_a_total() {
        let one = |name: &str, passed, failed| Outcome {
            name: name.to_owned(),
            passed,
            failed,
            seconds: 90.0,
            ..Outcome::default()
        };
        let outcomes = [one("workspace", 5, 0), one("documents", 1, 2)];
        let table = table(&outcomes);
        let last = table.lines().last().unwrap();
        assert_eq!(last.split_whitespace().collect::<Vec<_>>(), ["total", "3.00", "6", "2"]);
        assert_eq!(closing_line(&outcomes), "6 passed, 2 failed");
    }
}
