//! `wayleave policy explain`: rules in words.

use std::path::Path;
use std::process::ExitCode;

use policy::describe::{Described, Effect};
use policy::{Pack, shipped};
use record::Visibility;
use serde_json::{Value, json};
use wallet::CommandResult;

use crate::cli::policy::PolicyExplainArgs;
use crate::command::replay::read_pack;
use crate::command::{show, tell};

/// Prints every rule of a folder's pack, or one code of the packs that come with this build.
pub(super) fn command(args: &PolicyExplainArgs) -> anyhow::Result<ExitCode> {
    let dir = Path::new(&args.what);
    let (packs, code) = if dir.is_dir() {
        (vec![read_pack(dir)?.1], None)
    } else {
        (vec![shipped::nl_sg()?, shipped::sg_in()?], Some(args.what.as_str()))
    };
    let mut shown = 0_usize;
    for pack in &packs {
        for rule in pack.described() {
            if code.is_none_or(|code| code == rule.code) {
                show(&Shown { pack, rule }, args.json);
                shown = shown.saturating_add(1);
            }
        }
    }
    if shown > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let asked: String = args.what.chars().filter(|c| !c.is_control()).take(64).collect();
    tell(&format!(
        "wayleave: `{asked}` is neither a pack's folder nor a code of a pack that comes with this \
         build; `wayleave explain` lists all codes"
    ));
    Ok(ExitCode::FAILURE)
}

struct Shown<'a> {
    pack: &'a Pack,
    rule: Described<'a>,
}

impl Shown<'_> {
    fn effect(&self) -> String {
        match self.rule.effect {
            Effect::Permits => "permits what nothing forbids".to_owned(),
            Effect::Denies => "denies".to_owned(),
            Effect::Refers => "refers".to_owned(),
            Effect::Duty { kind, owner, hours } => {
                format!("duty {kind} of {owner} within {hours} h")
            }
            Effect::Limit => "claims a limit".to_owned(),
        }
    }

    const fn visibility(&self) -> &'static str {
        match self.rule.visibility {
            Some(Visibility::Restricted) => "restricted",
            Some(Visibility::Open) | None => "open",
        }
    }
}

impl CommandResult for Shown<'_> {
    fn text(&self) -> String {
        let rule = &self.rule;
        let mut lines = vec![format!(
            "{}   {} ({}, {}, {})",
            rule.code,
            self.effect(),
            self.pack.name(),
            rule.chapter.file(),
            self.visibility()
        )];
        if let Some(words) = rule.words {
            lines.push(format!("  en    {}", words.sentence.english));
            lines.push(format!("  zh    {}", words.sentence.chinese));
            if let Some(mend) = &words.mend {
                lines.push(format!("  mend  {}", mend.english));
                lines.push(format!("        {}", mend.chinese));
            }
            lines.push(format!("  law   {}", words.reference));
        }
        let read = [rule.findings.clone(), rule.parameters.clone()].concat();
        if !read.is_empty() {
            lines.push(format!("  reads {}", read.join(", ")));
        }
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let rule = &self.rule;
        let mend = rule.words.and_then(|words| words.mend.as_ref());
        json!({
            "pack": self.pack.name(),
            "code": rule.code,
            "file": rule.chapter.file(),
            "effect": self.effect(),
            "visibility": self.visibility(),
            "reference": rule.words.map(|w| w.reference.as_str()),
            "en": rule.words.map(|w| w.sentence.english.as_str()),
            "zh": rule.words.map(|w| w.sentence.chinese.as_str()),
            "mend_en": mend.map(|m| m.english.as_str()),
            "mend_zh": mend.map(|m| m.chinese.as_str()),
            "findings": rule.findings,
            "parameters": rule.parameters,
        })
    }

    fn exit_code(&self) -> u8 {
        0
    }
}
