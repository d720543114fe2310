//! Archiving, checking an archive, and building a book from one.

use std::process::ExitCode;

use evidence::VerifierKey;
use ledger_server::Folder;
use ledger_server::archive::{self, ArchiveReport};
use serde_json::json;
use wallet::EXIT_NOBODY_VOUCHES;

use super::session::folder_path;
use crate::cli::ledger_proofs::{ArchiveArgs, ArchiveCommand, ArchiveVerifyArgs, RestoreArgs};
use crate::command::{say, say_json, tell};
use crate::fsck::salts;

pub(super) fn command(args: &ArchiveArgs) -> anyhow::Result<ExitCode> {
    match (&args.what, &args.to) {
        (Some(ArchiveCommand::Verify(asked)), _) => verify(asked),
        (None, Some(to)) => {
            let folder = Folder::open(&folder_path(&args.folder))?;
            let done = archive::archive(&folder, to)?;
            let added: Vec<u64> = done.added.iter().map(|first| first.number()).collect();
            if args.folder.json {
                say_json(&json!({
                    "added": added,
                    "before": done.before,
                    "next": done.next.number(),
                    "uncovered": done.uncovered,
                }));
                return Ok(ExitCode::SUCCESS);
            }
            let (count, before, next) = (added.len(), done.before, done.next);
            say(&format!("archived  {count} segments, {before} were there; facts up to {next}"));
            if done.uncovered > 0 {
                let left = done.uncovered;
                tell(&format!("{left} segments wait for a checkpoint: run it again"));
            }
            Ok(ExitCode::SUCCESS)
        }
        (None, None) => anyhow::bail!("expected `--to DIR` or `verify DIR`"),
    }
}

fn verify(args: &ArchiveVerifyArgs) -> anyhow::Result<ExitCode> {
    let key = args.key.as_deref().map(|key| key.trim().parse::<VerifierKey>()).transpose()?;
    let keys = args.with.as_ref().map(|with| salts(&with.join("journal"))).transpose()?.flatten();
    let known: Option<&dyn journal::Salts> = match &keys {
        Some(keys) => Some(keys),
        None => None,
    };
    let report = archive::check(&args.dir, key.as_ref(), known)?;
    let verdict = match (report.is_sound(), &key) {
        (false, _) => "damaged",
        (true, Some(_)) => "good",
        (true, None) => "nobody-vouches",
    };
    if args.json {
        say_json(&as_json(&report, verdict));
    } else {
        say_report(&report, verdict);
    }
    Ok(match verdict {
        "good" => ExitCode::SUCCESS,
        "damaged" => ExitCode::FAILURE,
        _ => ExitCode::from(EXIT_NOBODY_VOUCHES),
    })
}

fn as_json(report: &ArchiveReport, verdict: &str) -> serde_json::Value {
    json!({
        "verdict": verdict,
        "segments": report.segments,
        "book": report.last.as_ref().map(|last| &last.book),
        "key": report.last.as_ref().map(|last| &last.key),
        "facts": report.last.as_ref().map(|last| last.next.number()),
        "digest": report.last.as_ref().map(|last| last.chain_after.to_string()),
        "root": report.head.map(|head| head.root.to_string()),
        "incomplete": report.incomplete,
        "findings": report.findings,
    })
}

fn say_report(report: &ArchiveReport, verdict: &str) {
    let facts = report.last.as_ref().map_or(0, |last| last.next.number());
    let segments = report.segments;
    match verdict {
        "good" => say("good archive: the log that you trust vouches for it"),
        "damaged" => say("DAMAGED archive"),
        _ => say("consistent archive, vouched for by nobody: bring the log's key with `--key`"),
    }
    say(&format!("  {segments} segments, {facts} facts"));
    if let Some(head) = report.head {
        say(&format!("  root of the log at {}: {}", head.size, head.root));
    }
    if let Some(name) = &report.incomplete {
        say(&format!("  `{name}` has no manifest yet: the next `archive` completes it"));
    }
    report.findings.iter().for_each(|finding| say(&format!("  {finding}")));
}

pub(super) fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let with = args.with.as_deref();
    let done = match (&args.from, &args.from_export) {
        (Some(from), _) => archive::restore(from, &args.to, with)?,
        (None, Some(file)) => super::export_file::restore(file, &args.to, with)?,
        (None, None) => anyhow::bail!("expected `--from DIR` or `--from-export FILE`"),
    };
    if args.json {
        say_json(&json!({
            "book": done.book.to_string(),
            "dir": args.to,
            "facts": done.facts.number(),
            "archived_segments": done.archived,
            "later_segments": done.later,
            "later_refused": done.later_refused,
            "same_log": done.same_log,
            "has_salts": done.has_salts,
            "had": done.had.map(terms::Position::number),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let (book, dir, facts) = (done.book, args.to.display(), done.facts);
    say(&format!("restored  book `{book}` in {dir}, {facts} facts"));
    let (archived, later) = (done.archived, done.later);
    say(&format!("          {archived} segments of the archive, {later} later ones"));
    if let Some(why) = &done.later_refused {
        say(&format!("          no more later ones: {why}"));
    }
    if !done.same_log {
        say("          its log has a new key: give it to whoever verifies");
    }
    if !done.has_salts {
        say("          without its salts: receipts of the old facts cannot be made any more");
    }
    if let Some(had) = done.had {
        let last = had.number().saturating_sub(1);
        say(&format!(
            "MISSING   the book had {had} facts: positions {facts} to {last} are not here. They \
             were published: the old log ends, and this folder begins another"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
