//! `wayleave lists`: published sanctions lists made ours, and a name compared with them.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use screening::import::{FILE_MAX, OfacFiles, import_csv, import_ofac, import_un};
use screening::{Entry, LoadedList, Outcome, Party, Thresholds, import_json, screen};
use serde_json::{Value, json};
use terms::BusinessDate;

use super::{files, say, say_json};
use crate::cli::lists::{ImportArgs, ListFormat, ListsCommand, ScreenArgs};

const SECONDS_A_DAY: i64 = 86_400;

/// Reads or screens.
pub fn command(asked: &ListsCommand) -> anyhow::Result<ExitCode> {
    match asked {
        ListsCommand::Import(args) => import(args),
        ListsCommand::Screen(args) => screened(args),
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    files::read_up_to(path, u64::try_from(FILE_MAX).unwrap_or(u64::MAX))
}

fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let read = args.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let entries = match (args.format, read.as_slice()) {
        (ListFormat::Ofac, [entries, rest @ ..]) if rest.len() <= 2 => import_ofac(OfacFiles {
            entries,
            names: rest.first().map(Vec::as_slice),
            addresses: rest.get(1).map(Vec::as_slice),
        }),
        (ListFormat::Un, [file]) => import_un(file),
        (ListFormat::Csv, [file]) => import_csv(file),
        (ListFormat::Ofac, _) => bail!("expected `sdn.csv`, `alt.csv` and `add.csv` at most"),
        (ListFormat::Un | ListFormat::Csv, _) => bail!("expected one file of this format"),
    };
    let named = || format!("`{}`", args.files.first().map_or(Path::new(""), |f| f).display());
    let entries = entries.with_context(named)?;
    let text = list_in_json(args, &entries)?.to_string();
    // Read back as everybody else reads it: what is printed is a list.
    let list = import_json(text.as_bytes())?;
    println!("{text}");
    let aliases: usize = list.entries.iter().map(|entry| entry.aliases.len()).sum();
    eprintln!(
        "{}, version {}: {} entries, {aliases} other names, digest {}",
        list.name,
        list.version,
        list.entries.len(),
        list.digest()
    );
    Ok(ExitCode::SUCCESS)
}

fn list_in_json(args: &ImportArgs, entries: &[Entry]) -> anyhow::Result<Value> {
    let entries: Vec<Value> = entries.iter().map(entry_in_json).collect();
    Ok(json!({
        "name": args.name,
        "version": args.edition,
        "issued_at": seconds("issued", &args.issued)?,
        "next_update": seconds("next", &args.next)?,
        "entries": entries,
    }))
}

fn entry_in_json(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "name": entry.name,
        "aliases": entry.aliases,
        "dates": entry.dates,
        "countries": entry.countries,
        "program": entry.program,
    })
}

fn seconds(what: &str, date: &str) -> anyhow::Result<i64> {
    let date: BusinessDate =
        date.parse().with_context(|| format!("--{what}: expected a date, got `{date}`"))?;
    Ok(i64::from(date.days()).saturating_mul(SECONDS_A_DAY))
}

fn screened(args: &ScreenArgs) -> anyhow::Result<ExitCode> {
    let mut lists = Vec::new();
    for path in &args.lists {
        let list = import_json(&read(path)?);
        lists.push(LoadedList::new(list.with_context(|| format!("`{}`", path.display()))?));
    }
    let date = args.date.as_deref();
    let party = Party { name: &args.party, country: &args.country, date };
    let outcome = screen(&party, &lists, Thresholds::STANDARD);
    if args.json {
        say_json(&in_json(&outcome));
    } else {
        for line in in_words(&outcome) {
            say(&line);
        }
    }
    let clear = matches!(outcome, Outcome::Clear { .. });
    Ok(if clear { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn in_json(outcome: &Outcome) -> Value {
    let mut all = json!({ "outcome": outcome.word() });
    let more = match outcome {
        Outcome::Clear { lists } => {
            json!({ "lists": lists.iter().map(listed).collect::<Vec<_>>() })
        }
        Outcome::Possible(hit) | Outcome::Match(hit) => json!({
            "list": listed(&hit.list),
            "entry": hit.entry,
            "entry_digest": hit.entry_digest.to_string(),
            "name": hit.name,
            "rule": hit.rule.word(),
            "score": hit.score,
            "contradicted": hit.contradicted,
        }),
        Outcome::NotScreened(missing) => json!({ "missing": format!("{missing:?}") }),
    };
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

fn listed(version: &record::ListVersion) -> Value {
    json!({
        "name": version.name,
        "version": version.version,
        "digest": version.digest.to_string(),
    })
}

fn in_words(outcome: &Outcome) -> Vec<String> {
    let on = |list: &record::ListVersion| {
        format!("{}, version {}, digest {}", list.name, list.version, list.digest)
    };
    match outcome {
        Outcome::Clear { lists } => {
            let mut lines = vec!["Clear: like nothing on".to_owned()];
            lines.extend(lists.iter().map(|list| format!("  {}", on(list))));
            lines
        }
        Outcome::Possible(hit) | Outcome::Match(hit) => {
            let mut lines = vec![
                format!("{}: `{}` ({})", outcome.word(), hit.name, hit.entry),
                format!("  {} per mille alike, by {}", hit.score, hit.rule.word()),
                format!("  on {}", on(&hit.list)),
            ];
            if hit.contradicted {
                lines.push("  country or date speak against it".to_owned());
            }
            lines
        }
        Outcome::NotScreened(missing) => vec![format!("Not screened: {missing:?}")],
    }
}
