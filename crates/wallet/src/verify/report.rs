//! What was checked, one line per check, and what it comes to.

use serde_json::{Value, json};

use crate::outcome::{CommandResult, EXIT_NOBODY_VOUCHES, EXIT_REFUSED};

/// Whether a check passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It did.
    Yes,
    /// It did not.
    No,
    /// There was nothing to check it against, or it was not opened to this reader.
    NotChecked,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckLine {
    /// Its name, stable for programs.
    pub name: &'static str,
    /// Whether it passed.
    pub passed: Passed,
    /// Why not, or what was found.
    pub detail: String,
}

/// What all checks come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Whom the caller trusts vouches for it.
    Good,
    /// A check failed.
    Refused,
    /// The file agrees with itself, and nobody whom the caller trusts vouches for it.
    NobodyVouches,
}

/// The report of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What kind of file it is.
    pub kind: &'static str,
    /// The checks, in the order they ran.
    pub checks: Vec<CheckLine>,
    /// What the file says, for people.
    pub facts: Vec<(&'static str, String)>,
    nobody: Option<&'static str>,
}

impl Report {
    pub(crate) const fn of(kind: &'static str) -> Self {
        Self { kind, checks: Vec::new(), facts: Vec::new(), nobody: None }
    }

    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.first_failure().is_some() || self.checks.is_empty() {
            Verdict::Refused
        } else if self.nobody.is_some() {
            Verdict::NobodyVouches
        } else {
            Verdict::Good
        }
    }

    /// Whether whom the caller trusts vouches for it.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict() == Verdict::Good
    }

    /// The first check that failed, and why.
    #[must_use]
    pub fn first_failure(&self) -> Option<String> {
        let failed = self.checks.iter().find(|line| line.passed == Passed::No)?;
        Some(format!("{}: {}", failed.name, failed.detail))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.checks.iter().any(|line| line.name == name)
    }

    pub(crate) fn pass(&mut self, name: &'static str, detail: impl ToString) {
        self.line(name, Passed::Yes, detail.to_string());
    }

    pub(crate) fn fail(&mut self, name: &'static str, detail: impl ToString) {
        self.line(name, Passed::No, detail.to_string());
    }

    pub(crate) fn skip(&mut self, name: &'static str, detail: impl ToString) {
        self.line(name, Passed::NotChecked, detail.to_string());
    }

    /// Passes when `holds` gives nothing, fails with what it gives.
    pub(crate) fn judge(&mut self, name: &'static str, wrong: Option<String>) {
        match wrong {
            None => self.pass(name, ""),
            Some(detail) => self.fail(name, detail),
        }
    }

    pub(crate) fn say(&mut self, name: &'static str, value: impl ToString) {
        self.facts.push((name, value.to_string()));
    }

    pub(crate) const fn nobody_vouches(&mut self, reason: &'static str) {
        self.nobody = Some(reason);
    }

    fn line(&mut self, name: &'static str, passed: Passed, detail: String) {
        self.checks.push(CheckLine { name, passed, detail });
    }
}

impl CommandResult for Report {
    fn text(&self) -> String {
        let mut lines = vec![match self.verdict() {
            Verdict::Good => format!("good {}: whom you trust vouches for it", self.kind),
            Verdict::Refused => format!("refused: this is not a good {}", self.kind),
            Verdict::NobodyVouches => format!(
                "consistent {}, vouched for by nobody: {}",
                self.kind,
                self.nobody.unwrap_or_default()
            ),
        }];
        for (name, value) in &self.facts {
            lines.push(format!("  {name:<14} {value}"));
        }
        for line in &self.checks {
            let mark = match line.passed {
                Passed::Yes => "ok",
                Passed::No => "FAILED",
                Passed::NotChecked => "-",
            };
            lines.push(
                format!("  {mark:<6} {:<28} {}", line.name, line.detail).trim_end().to_owned(),
            );
        }
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let check = |line: &CheckLine| {
            let passed = match line.passed {
                Passed::Yes => "yes",
                Passed::No => "no",
                Passed::NotChecked => "not-checked",
            };
            json!({ "check": line.name, "passed": passed, "detail": line.detail })
        };
        let facts: Vec<Value> = self
            .facts
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        json!({
            "kind": self.kind,
            "verdict": match self.verdict() {
                Verdict::Good => "good",
                Verdict::Refused => "refused",
                Verdict::NobodyVouches => "nobody-vouches",
            },
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "facts": facts,
        })
    }

    fn exit_code(&self) -> u8 {
        match self.verdict() {
            Verdict::Good => 0,
            Verdict::Refused => EXIT_REFUSED,
            Verdict::NobodyVouches => EXIT_NOBODY_VOUCHES,
        }
    }
}
