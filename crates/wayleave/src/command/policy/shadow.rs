//! `wayleave policy shadow`: recorded decisions under a new pack.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use policy::shadow::{Change, Shadow};
use record::DecisionRecord;
use serde_json::{Value, json};
use wallet::{CommandResult, EXIT_REFUSED};

use crate::cli::policy::ShadowArgs;
use crate::command::replay::read_pack;
use crate::command::{files, show};

/// Decides recorded decisions again.
pub(super) fn command(args: &ShadowArgs) -> anyhow::Result<ExitCode> {
    let (_, pack) = read_pack(&args.new)?;
    let mut shadow = Shadow::of(&pack, args.samples);
    for path in paths(&args.against)? {
        let place = || format!("`{}` is no decision record", path.display());
        let record: DecisionRecord =
            seal::from_canonical(&files::read(&path)?).with_context(place)?;
        shadow.take(&record);
    }
    if shadow.looked_at() == 0 {
        bail!("expected at least one decision record");
    }
    Ok(show(&Shown(shadow), args.json))
}

/// The files named, and those in the folders named.
fn paths(asked: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in asked {
        if path.is_dir() {
            all.extend(folder(path)?);
        } else {
            all.push(path.clone());
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let place = || format!("`{}` cannot be read", path.display());
    let entries = std::fs::read_dir(path).with_context(place)?;
    let files = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>();
    Ok(files.with_context(place)?.into_iter().filter(|path| path.is_file()).collect())
}

struct Shown<'a>(Shadow<'a>);

impl CommandResult for Shown<'_> {
    fn text(&self) -> String {
        let shadow = &self.0;
        let mut lines = Vec::new();
        for (kind, change) in shadow.changes() {
            lines.push(format!("{:>7}  {kind}", change.count));
            for (code, count) in &change.codes {
                lines.push(format!("         {count} by {code}"));
            }
            for (currency, minor) in &change.amounts {
                lines.push(format!("         {minor} minor units of {currency} in all"));
            }
            lines.extend(change.samples.iter().map(|one| format!("         such as {one}")));
        }
        let asked: Vec<&str> = shadow.untold().iter().map(String::as_str).collect();
        if !asked.is_empty() {
            let names = asked.join(", ");
            lines.push(format!("the new pack reads what was not recorded: {names}"));
        }
        lines.push(format!(
            "{} decisions looked at: {} the same, {} otherwise, {} of another side",
            shadow.looked_at(),
            shadow.same(),
            shadow.differing(),
            shadow.elsewhere()
        ));
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let one = |(kind, change): (&String, &Change)| {
            json!({
                "change": kind,
                "count": change.count,
                "codes": change.codes,
                "amounts": change.amounts.iter().map(|(k, v)| (k.clone(), v.to_string()))
                    .collect::<std::collections::BTreeMap<_, _>>(),
                "samples": change.samples,
            })
        };
        json!({
            "looked_at": self.0.looked_at(),
            "same": self.0.same(),
            "differing": self.0.differing(),
            "elsewhere": self.0.elsewhere(),
            "not_recorded": self.0.untold(),
            "changes": self.0.changes().iter().map(one).collect::<Vec<_>>(),
        })
    }

    fn exit_code(&self) -> u8 {
        if self.0.differing() == 0 { 0 } else { EXIT_REFUSED }
    }
}
