//! `wayleave policy conflicts`: where the packs of a corridor's two sides stand against each other.

use std::process::ExitCode;

use policy::conflicts::{Conflict, Conflicts, Saying, conflicts};
use serde_json::{Value, json};
use wallet::{CommandResult, EXIT_REFUSED};

use crate::cli::policy::ConflictsArgs;
use crate::command::replay::read_pack;
use crate::command::show;

/// Every conflict of two packs.
pub(super) fn command(args: &ConflictsArgs) -> anyhow::Result<ExitCode> {
    let ((_, first), (_, second)) = (read_pack(&args.first)?, read_pack(&args.second)?);
    let day = args.on.unwrap_or_else(|| server::system::now().date());
    Ok(show(&Told(conflicts(&first, &second, day, args.rate)?), args.json))
}

struct Told(Conflicts);

impl CommandResult for Told {
    fn text(&self) -> String {
        let told = &self.0;
        let mut lines = Vec::new();
        for one in &told.all {
            let Conflict { weight, topic, of, debtor, creditor, satisfies } = one;
            lines.push(format!("{:<9} {}: {of}", weight.word(), topic.word()));
            lines.extend(side("debtor", debtor));
            lines.extend(side("creditor", creditor));
            lines.push(format!("  both satisfied by  {satisfies}"));
        }
        lines.extend(told.not_compared.iter().map(|rule| format!("not compared  {rule}")));
        lines.push(format!("debtor   {}  {}", told.debtor.1, told.debtor.0));
        lines.push(format!("creditor {}  {}", told.creditor.1, told.creditor.0));
        let ends = if told.blocked() { "no payment passes both" } else { "none blocks" };
        let count = told.all.len();
        lines.push(match count {
            1 => format!("{}: 1 conflict, {ends}", told.corridor),
            _ => format!("{}: {count} conflicts, {ends}", told.corridor),
        });
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let told = &self.0;
        let say = |one: &Saying| json!({ "rule": one.rule, "reference": one.reference, "says": one.says });
        let conflict = |one: &Conflict| {
            json!({
                "weight": one.weight.word(),
                "topic": one.topic.word(),
                "of": one.of,
                "debtor": say(&one.debtor),
                "creditor": say(&one.creditor),
                "satisfied_by": one.satisfies,
            })
        };
        json!({
            "corridor": told.corridor.as_str(),
            "debtor": { "pack": told.debtor.0, "digest": told.debtor.1.to_string() },
            "creditor": { "pack": told.creditor.0, "digest": told.creditor.1.to_string() },
            "blocked": told.blocked(),
            "conflicts": told.all.iter().map(conflict).collect::<Vec<_>>(),
            "not_compared": told.not_compared,
        })
    }

    fn exit_code(&self) -> u8 {
        if self.0.blocked() { EXIT_REFUSED } else { 0 }
    }
}

/// What one side says, and by which law.
fn side(name: &str, said: &Saying) -> Vec<String> {
    if said.rule.is_empty() {
        return vec![format!("  {name:<9}{}", said.says)];
    }
    vec![
        format!("  {name:<9}{} ({})", said.says, said.rule),
        format!("           {}", said.reference),
    ]
}
