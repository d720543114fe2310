//! Archiving, checking an archive, and building a book from one.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use evidence::VerifierKey;
use ledger_server::Folder;
use ledger_server::archive::{self, ArchiveReport, Restored, known, salts_beside};
use serde_json::json;
use store::{FileDisk, SaltKeys};
use wallet::EXIT_NOBODY_VOUCHES;

use super::progress::{Progress, Work};
use super::session::folder_path;
use crate::cli::ledger::ProgressArgs;
use crate::cli::ledger_proofs::{ArchiveArgs, ArchiveCommand, ArchiveVerifyArgs, RestoreArgs};
use crate::command::{say, say_json, tell};

pub(super) fn command(args: &ArchiveArgs) -> anyhow::Result<ExitCode> {
    match (&args.what, &args.to) {
        (Some(ArchiveCommand::Verify(asked)), _) => verify(asked),
        (None, Some(to)) => {
            let folder = Folder::open(&folder_path(&args.folder))?;
            let mut progress = progress(args.progress, "archive", args.folder.json);
            let done = archive::archive(&folder, to, &mut |step| progress.step(step))?;
            progress.end();
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
    let keys = salts_of(args.with.as_deref())?;
    let mut progress = progress(args.progress, "check", args.json);
    let told = &mut |step| progress.step(step);
    let report = archive::check(&args.dir, key.as_ref(), known(keys.as_ref()), told)?;
    progress.end();
    let verdict = match (report.is_sound(), &key) {
        (false, _) => "damaged",
        (true, None) => "nobody-vouches",
        // The log signed commitments: whose fact stands beside one, only its salt tells.
        (true, Some(_)) if report.opened.not > 0 => "not-opened",
        (true, Some(_)) => "good",
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

fn progress(args: ProgressArgs, name: &'static str, json: bool) -> Progress {
    Progress::begin(args, Work { name, unit: "segments", json })
}

/// The salts of the book in a folder.
pub(super) fn salts_of(with: Option<&Path>) -> anyhow::Result<Option<SaltKeys<FileDisk>>> {
    let Some(with) = with else { return Ok(None) };
    let keys = salts_beside(&with.join("journal"))?;
    let shown = with.display();
    Ok(Some(keys.with_context(|| format!("`{shown}` holds no salts: expected a book's folder"))?))
}

fn as_json(report: &ArchiveReport, verdict: &str) -> serde_json::Value {
    json!({
        "verdict": verdict,
        "segments": report.segments,
        "book": report.last.as_ref().map(|last| &last.book),
        "key": report.last.as_ref().map(|last| &last.key),
        "facts": report.last.as_ref().map(|last| last.next.number()),
        "digest": report.last.as_ref().map(|last| last.chain_after.to_string()),
        "opened": report.opened.facts,
        "not_opened": report.opened.not,
        "root": report.head.map(|head| head.root.to_string()),
        "incomplete": report.incomplete,
        "findings": report.findings,
    })
}

fn say_report(report: &ArchiveReport, verdict: &str) {
    let facts = report.last.as_ref().map_or(0, |last| last.next.number());
    let segments = report.segments;
    match verdict {
        "good" => say("good archive: the log that you trust vouches for it, and each fact opens"),
        "not-opened" => say(
            "the log that you trust vouches for the order of this archive; its contents were not \
             opened and may be anybody's: bring the book's salts with `--with`",
        ),
        "damaged" => say("DAMAGED archive"),
        _ => say("consistent archive, vouched for by nobody: bring the log's key with `--key`"),
    }
    say(&format!("  {segments} segments, {facts} facts"));
    if let Some(head) = report.head {
        say(&format!("  root of the log at {}: {}", head.size, head.root));
    }
    let (opened, not) = (report.opened.facts, report.opened.not);
    say(&format!("  {opened} facts are what their commitments say, {not} were not opened"));
    if let Some(name) = &report.incomplete {
        say(&format!("  `{name}` has no manifest yet: the next `archive` completes it"));
    }
    report.findings.iter().for_each(|finding| say(&format!("  {finding}")));
}

pub(super) fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let with = args.with.as_deref();
    let done = match (&args.from, &args.from_export) {
        (Some(from), _) => {
            let mut progress = progress(args.progress, "check", args.json);
            archive::restore(from, &args.to, with, &mut |step| progress.step(step))?
        }
        (None, Some(file)) => {
            let work = Work { name: "check", unit: "rows", json: args.json };
            let mut progress = Progress::begin(args.progress, work);
            super::export_file::restore(file, &args.to, with, &mut progress)?
        }
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
            "salts_missing": done.salts_missing,
            "opened": done.opened.facts,
            "not_opened": done.opened.not,
            "had": done.had.map(terms::Position::number),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    say_restored(&done, &args.to);
    Ok(ExitCode::SUCCESS)
}

fn say_restored(done: &Restored, to: &Path) {
    let (book, dir, facts) = (done.book, to.display(), done.facts);
    say(&format!("restored  book `{book}` in {dir}, {facts} facts"));
    let (archived, later) = (done.archived, done.later);
    say(&format!("          {archived} segments of the archive, {later} later ones"));
    if let Some(why) = &done.later_refused {
        say(&format!("          no more later ones: {why}"));
    }
    let (opened, not) = (done.opened.facts, done.opened.not);
    say(&format!("          {opened} facts are what their commitments say"));
    if not > 0 {
        say(&format!(
            "UNOPENED  {not} facts, for want of their salts: whoever could change what this was \
             built from could change them"
        ));
    }
    if done.same_log {
        say("          the log goes on here: never serve the old folder again");
    } else {
        say("          its log has a new key: give it to whoever verifies");
    }
    if !done.has_salts {
        let missing = done.salts_missing;
        say(&format!(
            "          without the salts of {missing} slots: receipts of their facts cannot be \
             made any more"
        ));
    }
    if let Some(had) = done.had {
        let last = had.number().saturating_sub(1);
        say(&format!(
            "MISSING   the book had {had} facts: positions {facts} to {last} are not here. They \
             were published: the old log ends, and this folder begins another"
        ));
    }
}
