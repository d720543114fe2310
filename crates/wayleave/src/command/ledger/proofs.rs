//! Checkpoints and receipts: what a book signs, and how a stranger checks it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use bookkeeping::LedgerFact;
use evidence::{Policy, SignedCheckpoint, Trust, VerifierKey, WholeReceipt};
use ledger_server::{Folder, Query, Said, stored_checkpoint};
use serde_json::json;
use store::FileDisk;
use store::log::LogReader;
use terms::{HoldId, Position, TransactionId};
use wallet::verify::{VerifyTrust, read_whole};
use wallet::{CommandResult, EXIT_REFUSED};
use wire::{Completion, Lookup, Status};

use super::export::Teller;
use super::ids::Given;
use super::session::{Session, folder_path};
use crate::cli::ledger_proofs::{CheckpointArgs, ReceiptArgs, VerifyArgs};
use crate::command::{files, say, say_json, tell};

/// How often a receipt is asked for whose fact no checkpoint covers yet.
const ASK_AGAIN: Duration = Duration::from_millis(50);

pub(super) fn checkpoint(args: &CheckpointArgs) -> anyhow::Result<ExitCode> {
    let folder = Folder::open(&folder_path(&args.folder))?;
    let key = folder.log_key()?;
    if args.key {
        if args.folder.json {
            say_json(&json!({ "key": key.to_string(), "origin": key.name().as_str() }));
        } else {
            say(&key.to_string());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let newest = newest(&folder, &key)?;
    if let Some(file) = &args.extends {
        let older = read_checkpoint(file)?;
        older.check(&key).with_context(|| format!("`{}`", file.display()))?;
        if let Err(why) = extends(&folder, &older, &newest) {
            if args.folder.json {
                say_json(&json!({ "extends": false, "why": why.to_string() }));
            } else {
                say(&format!("DOES NOT EXTEND `{}`: {why}", file.display()));
            }
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
    }
    let head = newest.head();
    if args.folder.json {
        say_json(&json!({
            "origin": key.name().as_str(),
            "key": key.to_string(),
            "size": head.size,
            "root": head.root.to_string(),
            "checkpoint": newest.to_string(),
            "extends": args.extends.as_ref().map(|_| true),
        }));
    } else {
        // Without another line: what is printed is the file.
        say(newest.to_string().trim_end_matches('\n'));
        if let Some(file) = &args.extends {
            tell(&format!("it extends `{}`", file.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The newest checkpoint that a book published.
pub(super) fn newest(folder: &Folder, key: &VerifierKey) -> anyhow::Result<SignedCheckpoint> {
    let stored = stored_checkpoint(&folder.part("log"), key).map_err(|why| anyhow!(why))?;
    stored.ok_or_else(|| anyhow!("no checkpoint was published yet: serve the book"))
}

/// A checkpoint that somebody kept; its signature is not judged.
pub(super) fn read_checkpoint(file: &Path) -> anyhow::Result<SignedCheckpoint> {
    let bytes = files::read(file)?;
    SignedCheckpoint::parse(&bytes).with_context(|| format!("`{}`", file.display()))
}

/// Whether the log under `newest` has the older one's tree as its beginning.
fn extends(
    folder: &Folder,
    older: &SignedCheckpoint,
    newest: &SignedCheckpoint,
) -> anyhow::Result<()> {
    let (old, new) = (older.head(), newest.head());
    ensure!(
        old.size <= new.size,
        "JournalRolledBack: it covers `{}` facts, and the book's newest checkpoint `{}`",
        old.size,
        new.size
    );
    let reader = LogReader::open(&FileDisk::look(&folder.part("log")))?;
    let proof = reader.view(new.size).consistency(old.size)?;
    evidence::tree::check_consistency(old, new, &proof)
        .map_err(|why| anyhow!("JournalForked: {why}"))
}

pub(super) fn receipt(args: &ReceiptArgs) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&args.place)?;
    let position = match (args.position, &args.id) {
        (Some(position), _) => Position::new(position),
        (None, Some(id)) => position_of(&mut session, id)?,
        (None, None) => bail!("expected an id, or `--position`"),
    };
    let begun = Instant::now();
    let bytes = loop {
        match session.ask(&Query::Receipt(position))?.said {
            Said::Receipt(Some(bytes)) => break bytes,
            Said::Receipt(None) if begun.elapsed() < session.within => {
                std::thread::sleep(ASK_AGAIN);
            }
            Said::Receipt(None) => {
                bail!("no checkpoint covers position `{position}` yet, or it has no fact")
            }
            Said::NoAnswer(why) => bail!("{why}"),
            _ => bail!("the book answers another question"),
        }
    };
    let default = || PathBuf::from(format!("receipt-{position}.wayleave"));
    let path = args.out.clone().unwrap_or_else(default);
    write_new(&path, &bytes)?;
    if session.json {
        say_json(&json!({ "position": position.number(), "file": path }));
    } else {
        say(&format!("receipt   position {position} in {}", path.display()));
        say(&format!("          check it: wayleave ledger verify {} --key KEY", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file, never over another; the same bytes may be there already.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let shown = path.display();
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .with_context(|| format!("`{shown}`")),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let same = std::fs::read(path).is_ok_and(|there| there == bytes);
            ensure!(same, "`{shown}` is there already with other content: choose another name");
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("`{shown}`")),
    }
}

fn position_of(session: &mut Session, id: &str) -> anyhow::Result<Position> {
    let transaction: Option<Given<TransactionId>> = id.parse().ok();
    let hold: Option<Given<HoldId>> = id.parse().ok();
    let asked = transaction
        .map(|given| Lookup::Transaction(given.id))
        .into_iter()
        .chain(hold.map(|given| Lookup::Hold(given.id)));
    for lookup in asked {
        let ticket = session.client.lookup(&[lookup], session.within)?;
        match session.client.wait(ticket) {
            Completion::Results(results) => {
                let item = results.iter().next();
                match item.map(|item| (item.status, item.position)) {
                    Some((Status::Repeated, position)) => return Ok(position),
                    Some((Status::Refused, _)) => bail!(
                        "`{id}` was refused, and refusals are told without their position: look \
                         it up in `ledger export` and name it with `--position`"
                    ),
                    Some(_) | None => {}
                }
            }
            other => bail!("{other}"),
        }
    }
    bail!("nothing is recorded under `{id}` by this client: name another, or use `--position`")
}

pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let bytes = files::read(&args.file)?;
    ensure!(
        WholeReceipt::is_named_by(&bytes),
        "`{}` is no receipt of a ledger: other receipts are checked by `wayleave verify`",
        args.file.display()
    );
    let log = match (&args.key, &args.trust) {
        (Some(key), _) => Some(trust_in(key)?),
        (None, Some(file)) => Some(files::read_trust(file)?),
        (None, None) => None,
    };
    let trust = log.map(|log| VerifyTrust { log, lists: Vec::new() });
    let (report, read) = read_whole(&bytes, trust.as_ref());
    let fact = read.and_then(|read| {
        let fact = LedgerFact::of(read.fact()).ok()?;
        Some(json!({ "client": fact.client.0, "fact": Teller::default().happened(&fact) }))
    });
    if args.json {
        let mut told = report.json();
        if let (Some(told), Some(fact)) = (told.as_object_mut(), fact) {
            told.insert("says".to_owned(), fact);
        }
        say_json(&told);
    } else {
        say(&report.text());
        if let Some(fact) = fact {
            say(&format!("  says           {fact}"));
        }
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// Trust in one log by its key alone: no witness is asked for, and the label says so.
pub(super) fn trust_in(key: &str) -> anyhow::Result<Trust> {
    let key: VerifierKey = key.trim().parse()?;
    let policy = Policy::parse(format!("log {key}\nquorum none\n").as_bytes())?;
    Ok(Trust::from_policy(policy)?)
}
