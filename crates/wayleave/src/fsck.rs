//! `wayleave fsck DIR`: every book, log and copy below a folder, read only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use evidence::tile::TileReader;
use evidence::{CompactRange, SignedCheckpoint, TileStore};
use ledger_server::archive::manifest_name;
use record::{Commitment, leaf_bytes};
use server::roles::core::files::TileFiles;
use store::segment::{scan, segment_first, segment_name};
use store::{FileDisk, SaltKeys, fsck};
use terms::{BookName, Position};

use crate::cli::FsckArgs;
use crate::cli::ledger::{self, FolderArgs, ProgressArgs};

/// Folders looked into below the given one: a demo is four deep.
const DEPTH_MAX: usize = 8;

/// What one check found.
struct Checked {
    what: &'static str,
    path: PathBuf,
    summary: String,
    findings: Vec<String>,
}

/// Runs the command.
pub fn command(args: &FsckArgs) -> anyhow::Result<ExitCode> {
    // A ledger on its own is checked by its own command, which knows what lies in its folder.
    if args.dir.join("book.json").is_file() {
        let (dir, json) = (Some(args.dir.clone()), args.json);
        let (folder, progress) = (FolderArgs { dir, json }, ProgressArgs::default());
        return crate::command::ledger::fsck(&ledger::FsckArgs { folder, progress });
    }
    if args.dir.join(manifest_name(Position::ZERO)).is_file() {
        bail!("this is an archive: check it with `wayleave ledger archive verify`");
    }
    let found = check(&args.dir)?;
    anyhow::ensure!(
        !found.is_empty(),
        "expected a book, a role's folder or a demo, got `{}` with none of them",
        args.dir.display()
    );
    let mut sound = true;
    for checked in &found {
        sound &= checked.findings.is_empty();
        if args.json {
            println!("{}", as_json(checked));
        } else {
            print_for_people(checked);
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json(checked: &Checked) -> serde_json::Value {
    serde_json::json!({
        "what": checked.what,
        "path": checked.path.display().to_string(),
        "summary": checked.summary,
        "findings": checked.findings,
    })
}

fn print_for_people(checked: &Checked) {
    let verdict = if checked.findings.is_empty() { "sound" } else { "NOT SOUND" };
    println!("{verdict:<9}  {:<5} {}", checked.what, checked.path.display());
    println!("           {}", checked.summary);
    for finding in &checked.findings {
        println!("           {finding}");
    }
}

/// The findings of everything below a folder, as lines; none when all is sound.
pub fn findings(dir: &Path) -> anyhow::Result<Vec<String>> {
    Ok(check(dir)?.into_iter().flat_map(|checked| checked.findings).collect())
}

fn check(dir: &Path) -> anyhow::Result<Vec<Checked>> {
    let mut found = Vec::new();
    let mut books = BTreeMap::new();
    for folder in folders(dir)? {
        if is_book(&folder) {
            let (checked, commitments) = check_book(&folder)?;
            found.push(checked);
            books.insert(folder, commitments);
        }
    }
    for folder in folders(dir)? {
        if folder.join("checkpoint").is_file() {
            found.push(check_log(&folder, &books)?);
        }
    }
    Ok(found)
}

fn folders(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let listing = fs::read_dir(&folder);
        let listing = listing.with_context(|| format!("`{}` cannot be read", folder.display()))?;
        for entry in listing {
            let entry = entry?;
            if entry.file_type()?.is_dir() && depth < DEPTH_MAX {
                open.push((entry.path(), depth + 1));
            }
        }
        found.push(folder);
    }
    found.sort();
    Ok(found)
}

fn is_book(folder: &Path) -> bool {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    names.filter_map(|e| e.file_name().into_string().ok()).any(|n| segment_first(&n).is_some())
}

fn check_book(folder: &Path) -> anyhow::Result<(Checked, Vec<Commitment>)> {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let book: BookName = name.parse().context("a book's folder is named after the book")?;
    let disk = FileDisk::look(folder);
    let salts = salts(folder)?;
    let known: Option<&dyn journal::Salts> = match &salts {
        Some(salts) => Some(salts),
        None => None,
    };
    let report = fsck(&disk, &book, known)
        .with_context(|| format!("`{}` cannot be read", folder.display()))?;
    let summary = format!(
        "{} facts in {} batches, {} commitments computed again, {} without salts",
        report.tip.next, report.batches, report.commitments_checked, report.commitments_unchecked
    );
    let findings = report.findings.iter().map(ToString::to_string).collect();
    let commitments = commitments(folder, &book);
    Ok((Checked { what: "book", path: folder.into(), summary, findings }, commitments))
}

/// The salts beside a book, read only. A folder without them is checked without.
pub(crate) fn salts(folder: &Path) -> anyhow::Result<Option<SaltKeys<FileDisk>>> {
    if !folder.join(store::salt_keys::SALT_KEYS_NAME).is_file() {
        return Ok(None);
    }
    let never = || Err(std::io::Error::other("fsck draws no keys"));
    Ok(Some(SaltKeys::open(&FileDisk::look(folder), 1, never)?))
}

/// The commitments that the book's sound batches state, in order.
fn commitments(folder: &Path, book: &BookName) -> Vec<Commitment> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut firsts: Vec<Position> =
        names.filter_map(|entry| segment_first(&entry.file_name().into_string().ok()?)).collect();
    firsts.sort_unstable();
    let mut tip = journal::Tip::GENESIS;
    let mut commitments = Vec::new();
    for first in firsts {
        let Ok(bytes) = fs::read(folder.join(segment_name(first))) else { break };
        let scanned = scan(&bytes, tip, book);
        for found in &scanned.found {
            commitments.extend(found.batch.entries().map(|entry| entry.commitment));
        }
        tip = scanned.tip;
    }
    commitments
}

/// A log's tiles lead to its checkpoint's root, every leaf is the commitment of the fact at its
/// position, and a cosigned copy of a checkpoint is a prefix of it.
fn check_log(folder: &Path, books: &BTreeMap<PathBuf, Vec<Commitment>>) -> anyhow::Result<Checked> {
    let tiles = TileFiles::open(folder)?;
    let bytes = tiles.read("checkpoint")?.unwrap_or_default();
    let path = folder.to_path_buf();
    let Ok(checkpoint) = SignedCheckpoint::parse(&bytes) else {
        let findings = vec!["`checkpoint`: expected a signed checkpoint".to_owned()];
        return Ok(Checked { what: "log", path, summary: "no checkpoint".into(), findings });
    };
    let head = checkpoint.head();
    let reader = TileReader::new(&tiles, head.size);
    let mut findings = Vec::new();
    match CompactRange::read(&reader, head.size) {
        Ok(range) if range.root() == head.root => {}
        Ok(_) => findings.push(format!("tiles: their root is not checkpoint {}'s", head.size)),
        Err(error) => findings.push(format!("tiles: {error}")),
    }
    let facts = book_of_log(folder).and_then(|book| books.get(&book));
    let compared = facts.map_or(0, |facts| compare(&reader, head.size, facts, &mut findings));
    findings.extend(cosigned_differs(folder, facts));
    let summary = format!("checkpoint {}, {compared} leaves compared with their facts", head.size);
    Ok(Checked { what: "log", path, summary, findings })
}

fn book_of_log(folder: &Path) -> Option<PathBuf> {
    let role = folder.parent()?;
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(role.join("role.json")).ok()?).ok()?;
    Some(role.join("books").join(config.get("book")?.as_str()?))
}

fn compare(
    reader: &TileReader<'_, TileFiles>,
    size: u64,
    facts: &[Commitment],
    findings: &mut Vec<String>,
) -> u64 {
    let mut compared = 0;
    let mut position = 0;
    while position < size {
        let tile = evidence::Tile::holding(0, position, size);
        let Some(entries) = tile.and_then(|tile| reader.entries(tile)) else {
            findings.push(format!("entries at position {position} cannot be read"));
            return compared;
        };
        for entry in entries {
            match usize::try_from(position).ok().and_then(|at| facts.get(at)) {
                Some(fact) if leaf_bytes(fact).as_slice() == entry.as_slice() => compared += 1,
                Some(_) => findings.push(format!("leaf {position} is not the fact's commitment")),
                None => findings.push(format!("leaf {position} has no fact in the book")),
            }
            position += 1;
        }
    }
    compared
}

fn cosigned_differs(folder: &Path, facts: Option<&Vec<Commitment>>) -> Option<String> {
    let bytes = fs::read(folder.join("checkpoint.cosigned")).ok()?;
    let cosigned = SignedCheckpoint::parse(&bytes).ok()?.head();
    let facts = facts?;
    let size = usize::try_from(cosigned.size).ok()?;
    let mut range = CompactRange::empty();
    for fact in facts.iter().take(size) {
        range.append(record::leaf_hash(fact));
    }
    (range.size() != cosigned.size || range.root() != cosigned.root).then(|| {
        format!(
            "checkpoint.cosigned: the facts below {} are not those that were cosigned",
            cosigned.size
        )
    })
}
