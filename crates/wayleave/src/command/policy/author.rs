//! `wayleave policy new`, `check`, `test` and `diff`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use policy::compare::{Change, Comparison};
use policy::{Mistake, PackError, cases, skeleton};
use serde_json::{Value, json};
use wallet::{CommandResult, EXIT_REFUSED};

use super::{cases_text, with_texts};
use crate::cli::policy::{DiffArgs, DirArgs, NewArgs};
use crate::command::replay::read_pack;
use crate::command::{say, show};

/// Writes a pack to begin from.
pub(super) fn new(args: &NewArgs) -> anyhow::Result<ExitCode> {
    let dir = &args.dir;
    if dir.exists() {
        bail!("`{}` is there already, expected a new folder", dir.display());
    }
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(fits) {
        bail!("expected a folder named in small letters, digits and `-`, got `{name}`");
    }
    std::fs::create_dir_all(dir).with_context(|| format!("`{}` cannot be made", dir.display()))?;
    for (file, text) in skeleton::files(name, args.corridor, args.side) {
        std::fs::write(dir.join(file), text)
            .with_context(|| format!("`{file}` cannot be written"))?;
    }
    let shown = dir.display();
    say(&format!("a pack for the {} side of {} in {shown}", args.side, args.corridor));
    say(&format!("next      wayleave policy check {shown}"));
    say(&format!("          wayleave policy test {shown}"));
    Ok(ExitCode::SUCCESS)
}

/// All mistakes of a pack.
pub(super) fn check(args: &DirArgs) -> anyhow::Result<ExitCode> {
    let mistakes = with_texts(&args.dir, policy::check)?;
    let digest = if mistakes.is_empty() {
        let (_, pack) = read_pack(&args.dir)?;
        Some(format!("{}  {}", pack.digest(), pack.name()))
    } else {
        None
    };
    Ok(show(&Checked { mistakes, digest }, args.json))
}

struct Checked {
    mistakes: Vec<Mistake>,
    digest: Option<String>,
}

impl CommandResult for Checked {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self.mistakes.iter().map(ToString::to_string).collect();
        lines.push(match (&self.digest, self.mistakes.len()) {
            (Some(digest), _) => format!("sound     {digest}"),
            (None, 1) => "1 mistake".to_owned(),
            (None, count) => format!("{count} mistakes"),
        });
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let one = |m: &Mistake| {
            json!({
                "file": m.file,
                "line": m.line,
                "column": m.column,
                "excerpt": m.excerpt,
                "message": m.message,
                "hint": m.hint,
            })
        };
        json!({ "mistakes": self.mistakes.iter().map(one).collect::<Vec<_>>() })
    }

    fn exit_code(&self) -> u8 {
        if self.mistakes.is_empty() { 0 } else { EXIT_REFUSED }
    }
}

/// A pack's own cases.
pub(super) fn test(args: &DirArgs) -> anyhow::Result<ExitCode> {
    let (_, pack) = read_pack(&args.dir)?;
    let all = cases::read(&cases_text(&args.dir)?, &pack)?;
    Ok(show(&Tested(cases::run(&pack, &all)), args.json))
}

struct Tested(cases::CasesRun);

impl CommandResult for Tested {
    fn text(&self) -> String {
        let run = &self.0;
        let mut lines = Vec::new();
        for (name, first) in &run.failed {
            lines.push(format!("FAILED    {name}: first difference: {}", first.part));
            lines.push(format!("expected  {}", first.expected));
            lines.push(format!("got       {}", first.got));
        }
        lines.extend(run.untested.iter().map(|rule| format!("no case   {rule}")));
        lines.push(format!("{} passed, {} failed", run.passed, run.failed.len()));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let failed = self.0.failed.iter().map(|(name, first)| {
            json!({
                "case": name,
                "part": first.part,
                "expected": first.expected,
                "got": first.got,
            })
        });
        json!({
            "passed": self.0.passed,
            "failed": failed.collect::<Vec<_>>(),
            "untested": self.0.untested,
        })
    }

    fn exit_code(&self) -> u8 {
        if self.0.failed.is_empty() { 0 } else { EXIT_REFUSED }
    }
}

/// Two versions compared.
pub(super) fn diff(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let compared: Result<Comparison, PackError> =
        with_texts(&args.old, |old| with_texts(&args.new, |new| policy::compare(old, new)))??;
    Ok(show(&Compared(compared?), args.json))
}

struct Compared(Comparison);

impl CommandResult for Compared {
    fn text(&self) -> String {
        let row = |change: &Change| {
            let Change { of, file, what, direction } = change;
            format!("{:<16} {of}: {what} ({file})", direction.word())
        };
        let mut lines: Vec<String> = self.0.changes.iter().map(row).collect();
        lines.push(format!("old {}\nnew {}", self.0.old, self.0.new));
        lines.push(match (self.0.changes.is_empty(), self.0.needs_sign_off()) {
            (true, _) => "nothing differs".to_owned(),
            (false, false) => "nothing loosens".to_owned(),
            (false, true) => "something loosens or could: it wants a signature".to_owned(),
        });
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let one = |c: &Change| json!({ "of": c.of, "file": c.file, "what": c.what, "direction": c.direction.word() });
        json!({
            "old": self.0.old.to_string(),
            "new": self.0.new.to_string(),
            "changes": self.0.changes.iter().map(one).collect::<Vec<_>>(),
            "needs_sign_off": self.0.needs_sign_off(),
        })
    }

    fn exit_code(&self) -> u8 {
        if self.0.needs_sign_off() { EXIT_REFUSED } else { 0 }
    }
}
