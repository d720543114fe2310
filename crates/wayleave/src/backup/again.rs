//! A backup read back: checked, and made a folder again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use evidence::{CompactRange, Log, SignedCheckpoint, VerifierKey};
use journal::{Batch, Salts};
use ledger_server::archive::{self, Opened, known, salts_beside};
use record::leaf_hash;
use seal::Digest;
use serde_json::json;
use server::roles::core::files::{TileFiles, replace};
use server::roles::core::projection::COSIGNED_FILE;
use store::backup::{self, BookPart, LogPart, Manifest, each_batch, runs_of, unnamed};
use store::epoch_file::write_epoch;
use store::objects::Objects;
use store::salt_keys::{SALT_KEYS_NAME, erase_up_to};
use store::segment::segment_name;
use store::segment_journal::SEGMENT_BYTES;
use store::{FileDisk, SaltKeys};
use terms::{Position, RunId};

use super::folder::{Kind, ROLE_FILE};
use super::trial::Folded;
use super::{keys, said};
use crate::cli::backup::{BackupVerifyArgs, RestoreArgs};
use crate::command::{say, say_json, tell};

/// Entries of a log between two writings of its full tiles.
const SPILL_EVERY: u64 = 65_536;

/// What reading one book back found.
struct Read {
    facts: u64,
    opened: Opened,
    trial_compared: bool,
    checkpoint: Option<u64>,
}

/// Reads one book back and compares everything that can be. `each` sees each batch behind its
/// checks.
fn read_book(
    objects: &dyn Objects,
    manifest: &Manifest,
    part: &BookPart,
    trusted: Option<&VerifierKey>,
    salts: Option<&dyn Salts>,
    mut each: impl FnMut(&Batch) -> anyhow::Result<()>,
) -> anyhow::Result<Read> {
    let kind = Kind::named(&manifest.kind)?;
    let log = manifest.log.as_ref().filter(|log| log.book == part.book);
    let signed = log.map(|log| checkpoint(log, trusted)).transpose()?.flatten();
    let fold = part.trial.is_some();
    let mut folded = Folded::begun(kind, &manifest.config, part.book)?;
    let (mut opened, mut tree) = (Opened::default(), CompactRange::empty());
    let mut root: Option<Digest> = None;
    each_batch::<anyhow::Error>(objects, part, |batch| {
        opened.batch(salts, batch)?;
        for entry in batch.entries() {
            if signed.as_ref().is_some_and(|signed| signed.head().size == tree.size()) {
                root = Some(tree.root());
            }
            tree.append(leaf_hash(&entry.commitment));
        }
        if fold {
            folded.apply(batch)?;
        }
        each(batch)
    })?;
    if let Some(signed) = &signed {
        let head = signed.head();
        let made = if head.size == tree.size() { Some(tree.root()) } else { root };
        ensure!(
            made == Some(head.root),
            "book `{}`: its facts do not lead to the log's checkpoint of {} entries",
            part.book,
            head.size
        );
    }
    if let Some(expected) = &part.trial {
        let got = folded.trial();
        ensure!(
            got == *expected,
            "book `{}`: folded again, its accounts come to something else:\n{}\nexpected\n{}",
            part.book,
            said::trial(&got).join("\n"),
            said::trial(expected).join("\n")
        );
    }
    let facts = part.next.number();
    let checkpoint = signed.map(|signed| signed.head().size);
    Ok(Read { facts, opened, trial_compared: fold, checkpoint })
}

/// The checkpoint of a log, its signature checked by the key that is trusted, or else by the one
/// that the backup names.
fn checkpoint(
    log: &LogPart,
    trusted: Option<&VerifierKey>,
) -> anyhow::Result<Option<SignedCheckpoint>> {
    if log.checkpoint.is_empty() {
        return Ok(None);
    }
    let signed = SignedCheckpoint::parse(log.checkpoint.as_bytes())?;
    let named = (!log.key.is_empty()).then(|| log.key.parse::<VerifierKey>()).transpose()?;
    if let Some(key) = trusted.or(named.as_ref()) {
        signed.check(key).context("the log's checkpoint")?;
    }
    Ok(Some(signed))
}

fn manifest_of(objects: &dyn Objects, from: &str) -> anyhow::Result<Manifest> {
    let held = backup::held(objects)?;
    Ok(held.with_context(|| format!("`{from}` holds no backup"))?.manifest)
}

/// A folder that goes with the value, for opened keys.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(path: &Path) -> anyhow::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".opened");
        let path = path.with_file_name(name);
        if path.exists() {
            // Of a run that was killed.
            fs::remove_dir_all(&path).with_context(|| format!("`{}`", path.display()))?;
        }
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// Where a folder of that kind keeps a book's salts.
fn salts_in(dir: &Path, kind: Kind, part: &BookPart) -> anyhow::Result<Option<SaltKeys<FileDisk>>> {
    let folder = match kind {
        Kind::Ledger => dir.join("journal"),
        Kind::Core => dir.join("books").join(part.book.as_str()),
    };
    Ok(salts_beside(&folder)?)
}

/// Runs `wayleave backup verify`.
pub(super) fn verify(args: &BackupVerifyArgs) -> anyhow::Result<ExitCode> {
    let objects = super::open(&args.from, &args.server)?;
    let objects = objects.as_ref();
    let manifest = manifest_of(objects, &args.from)?;
    let kind = Kind::named(&manifest.kind)?;
    let trusted = args.key.as_deref().map(|key| key.trim().parse::<VerifierKey>()).transpose()?;
    let temporary = std::env::temp_dir().join(format!("wayleave-{}", std::process::id()));
    let keys = opened_keys(objects, &manifest, args.recovery_key.as_deref(), &temporary)?;
    let mut rows = Vec::new();
    let mut beside = 0_usize;
    for part in &manifest.books {
        let salts = keys.as_ref().map(|keys| salts_in(&keys.0, kind, part)).transpose()?.flatten();
        let read = read_book(
            objects,
            &manifest,
            part,
            trusted.as_ref(),
            known(salts.as_ref()),
            |_| Ok(()),
        )
        .with_context(|| format!("book `{}`", part.book))?;
        beside =
            beside.saturating_add(unnamed(objects, &part.book, &runs_of(objects, part)?)?.len());
        rows.push((part, read));
    }
    if args.json {
        say_json(&json!({
            "verdict": "sound",
            "manifest": manifest.number,
            "cut": manifest.cut,
            "kind": manifest.kind,
            "books": said::books(&manifest),
            "opened": rows.iter().map(|(_, read)| read.opened.facts).sum::<u64>(),
            "not_opened": rows.iter().map(|(_, read)| read.opened.not).sum::<u64>(),
            "unnamed_objects": beside,
            "sealed": manifest.sealed.is_some(),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("sound backup of a {}, manifest {}", manifest.kind, manifest.number));
    for (part, read) in &rows {
        say_book(part, read);
    }
    if beside > 0 {
        tell(&format!("{beside} objects count for nothing: left by writers that were stopped"));
    }
    Ok(ExitCode::SUCCESS)
}

fn say_book(part: &BookPart, read: &Read) {
    let log = read.checkpoint.map_or_else(String::new, |size| format!(", {size} under the log"));
    let trial = if read.trial_compared { ", trial balance as it was" } else { "" };
    let (book, facts, opened) = (part.book, read.facts, read.opened.facts);
    say(&format!("  {book}: {facts} facts{log}, {opened} opened{trial}"));
    if let Some(trial) = &part.trial {
        said::trial(trial).iter().for_each(|line| say(&format!("    {line}")));
    }
}

fn opened_keys(
    objects: &dyn Objects,
    manifest: &Manifest,
    recovery: Option<&Path>,
    beside: &Path,
) -> anyhow::Result<Option<Temporary>> {
    let Some(path) = recovery else { return Ok(None) };
    let sealed = manifest.sealed.as_ref();
    let sealed = sealed.context("no keys lie in this backup: it was made without `--seal-to`")?;
    let key = keys::secret(path)?;
    let temporary = Temporary::beside(beside)?;
    keys::unseal(objects, sealed, &key, &temporary.0)?;
    Ok(Some(temporary))
}

/// Runs `wayleave restore`.
pub(super) fn restore(args: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let objects = super::open(&args.from, &args.server)?;
    let objects = objects.as_ref();
    let manifest = manifest_of(objects, &args.from)?;
    let dir = &args.dir;
    let is_empty = !dir.exists() || fs::read_dir(dir).is_ok_and(|mut there| there.next().is_none());
    ensure!(is_empty, "`{}` is there already: nothing is written over it", dir.display());
    let _none = fs::remove_dir(dir);
    let keys = opened_keys(objects, &manifest, args.recovery_key.as_deref(), dir)?;
    let keys = keys.as_ref().map(|keys| keys.0.as_path());
    let rows = match Kind::named(&manifest.kind)? {
        Kind::Ledger => ledger(objects, &manifest, keys, args)?,
        Kind::Core => core(objects, &manifest, keys, dir)?,
    };
    if args.json {
        say_json(&json!({
            "dir": dir.display().to_string(),
            "manifest": manifest.number,
            "cut": manifest.cut,
            "kind": manifest.kind,
            "books": said::books(&manifest),
            "not_opened": rows.iter().map(|(_, read)| read.opened.not).sum::<u64>(),
            "keys": keys.is_some(),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("restored  {} from manifest {}", dir.display(), manifest.number));
    for (part, read) in &rows {
        say_book(part, read);
    }
    if keys.is_none() {
        say("  without keys: it cannot sign as before, and receipts of its facts cannot be made");
    }
    say("  what was acknowledged after the backup is not in it: ask the clients by id");
    Ok(ExitCode::SUCCESS)
}

/// Batches put into segments as a journal's folder has them.
struct Segments<'d> {
    folder: &'d Path,
    first: Position,
    bytes: Vec<u8>,
}

impl<'d> Segments<'d> {
    const fn new(folder: &'d Path) -> Self {
        Self { folder, first: Position::ZERO, bytes: Vec::new() }
    }

    fn take(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let length = self.bytes.len().saturating_add(batch.bytes().len());
        if u64::try_from(length).unwrap_or(u64::MAX) > SEGMENT_BYTES {
            self.put()?;
        }
        if self.bytes.is_empty() {
            self.first = batch.origin().first;
        }
        self.bytes.extend_from_slice(batch.bytes());
        Ok(())
    }

    fn put(&mut self) -> anyhow::Result<()> {
        if !self.bytes.is_empty() {
            write_new(&self.folder.join(segment_name(self.first)), &self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("`{}`", path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

type Rows<'m> = Vec<(&'m BookPart, Read)>;

/// A ledger's folder, built as `ledger restore` builds one.
fn ledger<'m>(
    objects: &dyn Objects,
    manifest: &'m Manifest,
    keys: Option<&Path>,
    args: &RestoreArgs,
) -> anyhow::Result<Rows<'m>> {
    let part = manifest.books.first().context("no book is in it")?;
    let mut pair = None;
    let salts = keys.map(|keys| salts_in(keys, Kind::Ledger, part)).transpose()?.flatten();
    if let Some(keys) = keys.filter(|_| !args.same_log) {
        // Nothing here knows what was signed behind the backup.
        for name in ["keys/log.skey", "log.vkey"] {
            let _none = fs::remove_file(keys.join(name));
        }
    }
    let log = manifest.log.as_ref();
    let checked = archive::Manifest {
        magic: archive::MANIFEST_MAGIC.to_owned(),
        number: 0,
        previous: Digest::ZERO,
        book: part.book.to_string(),
        key: log.map(|log| log.key.clone()).unwrap_or_default(),
        first: Position::ZERO,
        next: part.next,
        chain_before: Digest::ZERO,
        chain_after: part.digest,
        stamp: part.stamp,
        bytes: part.bytes,
        sha256: Digest::ZERO,
        root: Digest::ZERO,
        checkpoint: log.map(|log| log.checkpoint.clone()).unwrap_or_default(),
        consistency: Vec::new(),
        salt_slots: part.salt_slots,
        epoch: part.epoch,
    };
    let restored =
        archive::restore_by(&args.dir, keys, (&checked, Opened::default()), |journal| {
            let mut segments = Segments::new(journal);
            let take = |batch: &Batch| segments.take(batch);
            let read = read_book(objects, manifest, part, None, known(salts.as_ref()), take);
            let read = read.and_then(|read| segments.put().map(|()| read));
            let unready =
                |error: anyhow::Error| archive::ArchiveError::Unready(format!("{error:#}"));
            pair = Some((part, read.map_err(unready)?));
            Ok(())
        })?;
    ensure!(restored.facts == part.next, "expected {} facts, got {}", part.next, restored.facts);
    if !restored.same_log {
        tell(
            "the log begins anew under another key: nobody here knows what the old one signed \
              behind the backup",
        );
    }
    Ok(pair.into_iter().collect())
}

/// A core's folder, built beside and renamed at the end.
fn core<'m>(
    objects: &dyn Objects,
    manifest: &'m Manifest,
    keys: Option<&Path>,
    dir: &Path,
) -> anyhow::Result<Rows<'m>> {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let building = dir.with_file_name(name);
    if building.exists() {
        fs::remove_dir_all(&building)?;
    }
    match keys {
        Some(keys) => fs::rename(keys, &building)?,
        None => DirBuilder::new().recursive(true).mode(0o700).create(&building)?,
    }
    if !building.join(ROLE_FILE).exists() {
        write_new(&building.join(ROLE_FILE), &manifest.config)?;
    }
    let mut rows = Vec::new();
    for part in &manifest.books {
        rows.push((part, core_book(objects, manifest, part, &building)?));
    }
    for (part, _) in &rows {
        File::open(building.join("books").join(part.book.as_str()))?.sync_all()?;
    }
    for folder in ["books", "log", "keys", "."] {
        let folder = building.join(folder);
        if folder.is_dir() {
            File::open(folder)?.sync_all()?;
        }
    }
    fs::rename(&building, dir)?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(rows)
}

fn core_book(
    objects: &dyn Objects,
    manifest: &Manifest,
    part: &BookPart,
    building: &Path,
) -> anyhow::Result<Read> {
    let folder = building.join("books").join(part.book.as_str());
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let salts = salts_in(building, Kind::Core, part)?;
    let log = manifest.log.as_ref().filter(|log| log.book == part.book);
    let mut again = log.map(|log| LogAgain::begin(log, building)).transpose()?.flatten();
    let mut segments = Segments::new(&folder);
    let read = read_book(objects, manifest, part, None, known(salts.as_ref()), |batch| {
        if let Some(again) = &mut again {
            again.take(batch)?;
        }
        segments.take(batch)
    });
    let read = read.with_context(|| format!("book `{}`", part.book))?;
    segments.put()?;
    drop(salts);
    if let (Some(again), Some(log)) = (again, log) {
        again.end(log, building)?;
    }
    let disk = FileDisk::take(&folder)?;
    if !folder.join(SALT_KEYS_NAME).is_file() && part.salt_slots > 0 {
        tell(&format!("book `{}`: no receipt of these facts can be made", part.book));
    }
    // No slot of an old fact is ever filled again.
    erase_up_to(&disk, part.salt_slots)?;
    write_epoch(&disk, part.epoch(), RunId::from_bytes([0; 16]))?;
    Ok(read)
}

/// A log's tiles, made again from the facts' commitments.
struct LogAgain {
    log: Log<TileFiles>,
    spilled: u64,
    signed: SignedCheckpoint,
}

impl LogAgain {
    fn begin(part: &LogPart, building: &Path) -> anyhow::Result<Option<Self>> {
        let Some(signed) = checkpoint(part, None)? else { return Ok(None) };
        let tiles = TileFiles::open(&building.join("log"))?;
        Ok(Some(Self { log: Log::again(tiles), spilled: 0, signed }))
    }

    fn take(&mut self, batch: &Batch) -> anyhow::Result<()> {
        for entry in batch.entries() {
            if self.log.size() < self.signed.head().size {
                self.log.append(&entry.commitment);
            }
        }
        if self.log.size().saturating_sub(self.spilled) >= SPILL_EVERY {
            self.spilled = self.log.size();
            self.log.spill()?;
        }
        Ok(())
    }

    fn end(mut self, part: &LogPart, building: &Path) -> anyhow::Result<()> {
        if self.log.size() != self.signed.head().size {
            bail!("the log has more entries than its book has facts");
        }
        self.log.adopt(self.signed)?;
        if !part.cosigned.is_empty() {
            replace(&building.join("log").join(COSIGNED_FILE), part.cosigned.as_bytes())?;
        }
        Ok(())
    }
}
