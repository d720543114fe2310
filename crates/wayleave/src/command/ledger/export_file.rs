//! Exports: every fact of a book as JSON lines, each bound to the one before, and a manifest that
//! binds all of them to the journal's own digests and to the log.
//!
//! A row holds everything that the journal holds of a fact, so that the journal's batches can be
//! made again from an export, byte for byte: that is how one is checked, and restored from.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};
use bookkeeping::LedgerFact;
use evidence::tree::TreeHead;
use evidence::{CompactRange, SignedCheckpoint, VerifierKey};
use journal::batch::{Entry, Origin, Uncommitted};
use journal::{Batch, Salts, Tip};
use ledger_server::archive::{
    ArchiveError, Manifest, Opened, Restored, known, put_new, restore_by, salts_beside,
};
use ledger_server::{Folder, stored_checkpoint};
use record::{Commitment, leaf_hash};
use seal::Digest;
use seal::digest::{Domain, digest_of};
use seal::text::{from_hex, from_hex_array, to_hex};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::FileDisk;
use store::log::LogReader;
use store::segment::segment_name;
use terms::{BookName, Epoch, Instant, Position, RunId};
use wallet::EXIT_NOBODY_VOUCHES;

use super::archive::salts_of;
use super::export::Teller;
use super::fold::{each_batch, log_size};
use super::ids::Names;
use super::progress::{Part, Progress, Work};
use super::session::folder_path;
use crate::cli::ledger::{ExportArgs, FolderArgs};
use crate::cli::ledger_proofs::{ExportCommand, ExportVerifyArgs};
use crate::command::{say, say_json};

const EXPORT_MAGIC: &str = "wayleave/ledger-export/v1";
const ROW_DOMAIN: Domain = Domain::new("wayleave/ledger-export/row/v1");
/// Bytes of one segment that is made of an export.
const SEGMENT_BYTES: usize = 64 << 20;

/// What a row has before its hash.
const ROW_MEMBERS: [&str; 9] =
    ["position", "stamp", "stamp_nanos", "epoch", "batch", "commitment", "client", "fact", "bytes"];
const BATCH_MEMBERS: [&str; 4] = ["first", "run", "digest", "previous"];

/// What binds all rows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportManifest {
    export: String,
    book: String,
    /// Position of the first row.
    from: u64,
    /// One after the last.
    next: u64,
    /// Hash of the last row; zeros when there is none.
    hash: String,
    /// Digest of the journal's last batch.
    digest: String,
    /// The log's verifier key.
    key: String,
    /// The log's newest checkpoint of at most `next` entries, when it was there.
    checkpoint: Option<String>,
    /// From the log's root at the checkpoint's size to the checkpoint: always the same tree.
    size: u64,
}

pub(super) fn command(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    if let Some(ExportCommand::Verify(asked)) = &args.what {
        return verify(asked);
    }
    let folder = Folder::open(&folder_path(&FolderArgs { dir: args.dir.clone(), json: true }))?;
    let work = Work { name: "export", unit: "facts", json: args.json };
    let mut progress = Progress::begin(args.progress, work);
    let Some(path) = &args.out else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        // Rows and a bar would mix on one terminal.
        let mut progress =
            if std::io::stdout().is_terminal() { progress.silenced() } else { progress };
        let done = rows(&folder, args.from, &mut out, &mut progress);
        return match done.and_then(|_| out.flush().context("standard output")) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            // A reader that went away is no fault of ours.
            Err(error) if is_gone(&error) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error),
        };
    };
    let create = |path: &Path| {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        file.with_context(|| format!("`{}`: nothing is written over", path.display()))
    };
    let about = manifest_path(path);
    ensure!(!about.exists(), "`{}` is there already", about.display());
    let mut out = BufWriter::new(create(path)?);
    // Before the rows: on a busy book one that is read after them covers more than they are.
    let checkpoint = published(&folder)?;
    let (tip, hash) = rows(&folder, args.from, &mut out, &mut progress)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).context("the export")?;
    let manifest = manifest(&folder, args.from, (&tip, hash), checkpoint)?;
    let mut file = create(&about)?;
    writeln!(file, "{}", serde_json::to_string(&manifest)?)?;
    file.sync_all()?;
    progress.end();
    let (from, next) = (manifest.from, manifest.next);
    say_json(&json!({ "file": path, "manifest": about, "from": from, "next": next }));
    Ok(ExitCode::SUCCESS)
}

fn is_gone(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn manifest_path(export: &Path) -> PathBuf {
    let mut name = export.file_name().unwrap_or_default().to_owned();
    name.push(".manifest");
    export.with_file_name(name)
}

/// The newest checkpoint of the book's log.
fn published(folder: &Folder) -> anyhow::Result<Option<SignedCheckpoint>> {
    let log = folder.part("log");
    if !log.is_dir() {
        return Ok(None);
    }
    stored_checkpoint(&log, &folder.log_key()?).map_err(|why| anyhow!(why))
}

fn manifest(
    folder: &Folder,
    from: u64,
    (tip, hash): (&Tip, Digest),
    checkpoint: Option<SignedCheckpoint>,
) -> anyhow::Result<ExportManifest> {
    let key = folder.log_key()?;
    let log = folder.part("log");
    let checkpoint = checkpoint.filter(|one| one.head().size <= tip.next.number());
    if let Some(checkpoint) = &checkpoint {
        let head = checkpoint.head();
        let root = LogReader::open(&FileDisk::look(&log))?.view(head.size).root()?;
        ensure!(root == head.root, "the log does not lead to its own checkpoint: run `fsck`");
    }
    Ok(ExportManifest {
        export: EXPORT_MAGIC.to_owned(),
        book: folder.book().to_string(),
        from,
        next: tip.next.number(),
        hash: hash.to_string(),
        digest: tip.digest.to_string(),
        key: key.to_string(),
        size: checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.head().size),
        checkpoint: checkpoint.map(|checkpoint| checkpoint.to_string()),
    })
}

/// Writes the rows from a position on; the journal's end, and the last row's hash.
fn rows(
    folder: &Folder,
    from: u64,
    out: &mut impl Write,
    progress: &mut Progress,
) -> anyhow::Result<(Tip, Digest)> {
    let whole = log_size(folder);
    let mut teller = Teller::with(Names::read(folder));
    let mut hash = Digest::ZERO;
    // Read from the first fact even when fewer are printed: openings say what amounts are of.
    let tip = each_batch(&folder.part("journal"), &folder.book(), Position::ZERO, |found| {
        let origin = found.batch.origin();
        for stored in found.batch.entries() {
            let fact: LedgerFact = stored.fact()?;
            let happened = teller.happened(&fact);
            if stored.position.number() < from {
                continue;
            }
            let row = json!({
                "position": stored.position.number(),
                "stamp": origin.stamp.to_string(),
                "stamp_nanos": origin.stamp.nanos().to_string(),
                "epoch": origin.epoch.number(),
                "batch": {
                    "first": origin.first.number(),
                    "run": to_hex(&origin.run.bytes()),
                    "digest": found.batch.digest().to_string(),
                    "previous": origin.previous.to_string(),
                },
                "commitment": stored.commitment.0.to_string(),
                "client": fact.client.0,
                "fact": happened,
                "bytes": to_hex(stored.bytes),
            });
            let row = row.to_string();
            let open = row.strip_suffix('}').unwrap_or(&row);
            hash = row_hash(&hash, open);
            writeln!(out, "{open},\"hash\":\"{hash}\"}}")?;
        }
        progress.facts(found.batch.tip().next, whole);
        Ok(())
    })?;
    Ok((tip, hash))
}

/// Binds a row, up to its own hash, to the row before.
fn row_hash(before: &Digest, row: &str) -> Digest {
    digest_of(ROW_DOMAIN, &[before.as_bytes(), row.as_bytes()])
}

/// One row, read.
struct Row {
    origin: Origin,
    batch_digest: Digest,
    position: Position,
    entry: Entry,
    bytes: Vec<u8>,
    value: Value,
}

/// Reads an export row by row and makes the journal's batches again.
struct Reading<'s> {
    salts: Option<&'s dyn Salts>,
    opened: Opened,
    book: BookName,
    hash: Digest,
    teller: Teller,
    /// The batch that rows are gathered for.
    open: Option<(Origin, Digest, Vec<Entry>)>,
    tip: Tip,
    tree: CompactRange,
    /// The log's size and root where the manifest's checkpoint is.
    at: Option<TreeHead>,
    size: u64,
    salt_slots: u64,
    epoch: u64,
}

impl Reading<'_> {
    fn line(
        &mut self,
        line: &str,
        each: &mut dyn FnMut(&Batch) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (open, hash) = line.rsplit_once(",\"hash\":\"").context("it has no hash")?;
        let hash = hash.strip_suffix("\"}").context("it does not end with its hash")?;
        self.hash = row_hash(&self.hash, open);
        ensure!(self.hash.to_string() == hash, "its hash does not follow from the row before it");
        let whole = format!("{open}}}");
        let value: Value = serde_json::from_str(&whole)?;
        // Members twice, blanks, another order: what two readers may read as two things.
        let written = value.to_string();
        ensure!(written == whole, "it is not written as an export writes it");
        let row = self.row(&value)?;
        let fact = LedgerFact::of(&row.entry.fact).map_err(|why| anyhow!(why))?;
        let mut told = self.teller.happened(&fact);
        let mut says = row.value;
        // Names are the exporter's words for ids, and bind nobody.
        without_names(&mut told);
        without_names(&mut says);
        ensure!(told == says, "its words are not those of its bytes");
        let next = self.open.as_ref().map_or(self.tip.next, |(origin, _, entries)| {
            let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            Position::new(origin.first.number().saturating_add(count))
        });
        ensure!(row.position == next, "expected position `{next}`");
        if self.open.as_ref().is_some_and(|(origin, _, _)| *origin != row.origin) {
            self.close(each)?;
        }
        let uncommitted = Uncommitted {
            position: row.position,
            slot: row.entry.fact.salt_slot,
            is_whole: row.entry.fact.kind.is_whole(),
            bytes: &row.bytes,
        };
        let opened = self.opened.one(self.salts, uncommitted, row.entry.commitment);
        opened.map_err(|_| anyhow!("its commitment is not that of its bytes"))?;
        self.salt_slots = self.salt_slots.max(row.entry.fact.salt_slot.0.saturating_add(1));
        self.tree.append(leaf_hash(&row.entry.commitment));
        if self.tree.size() == self.size {
            self.at = Some(TreeHead { size: self.size, root: self.tree.root() });
        }
        let fresh = (row.origin, row.batch_digest, Vec::new());
        let (_, digest, entries) = self.open.get_or_insert(fresh);
        ensure!(*digest == row.batch_digest, "its batch has two digests");
        entries.push(row.entry);
        Ok(())
    }

    /// Makes the batch of the rows gathered, and compares it with what they say of it.
    fn close(&mut self, each: &mut dyn FnMut(&Batch) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Some((origin, digest, entries)) = self.open.take() else { return Ok(()) };
        let first = origin.first;
        self.epoch = origin.epoch.number();
        let batch = Batch::seal(origin, &entries)?;
        ensure!(batch.digest() == digest, "the batch of position `{first}` has another digest");
        batch.follows(&self.tip, &self.book)?;
        self.tip = batch.tip();
        each(&batch)
    }

    fn row(&self, value: &Value) -> anyhow::Result<Row> {
        let number = |name: &str, of: &Value| {
            of[name].as_u64().with_context(|| format!("`{name}` is no number"))
        };
        let text = |name: &str, of: &Value| {
            let text = of[name].as_str().map(str::to_owned);
            text.with_context(|| format!("`{name}` is no text"))
        };
        let digest = |name: &str, of: &Value| -> anyhow::Result<Digest> {
            text(name, of)?.parse().map_err(|error| anyhow!("`{name}`: {error}"))
        };
        let batch = &value["batch"];
        only(value, &ROW_MEMBERS)?;
        only(batch, &BATCH_MEMBERS)?;
        let run = from_hex_array(&text("run", batch)?).context("`run` is no number of a run")?;
        let stamp: u64 = text("stamp_nanos", value)?.parse().context("`stamp_nanos`")?;
        let stamp = Instant::from_nanos(stamp);
        ensure!(text("stamp", value)? == stamp.to_string(), "`stamp` is not `stamp_nanos`");
        let bytes =
            from_hex(&text("bytes", value)?).context("`bytes` are no hexadecimal digits")?;
        let fact: record::Fact = seal::from_canonical(&bytes)?;
        let client = LedgerFact::of(&fact).map_err(|why| anyhow!(why))?.client.0;
        ensure!(number("client", value)? == u64::from(client), "`client` is not that of `bytes`");
        Ok(Row {
            origin: Origin {
                book: self.book,
                first: Position::new(number("first", batch)?),
                epoch: Epoch::new(number("epoch", value)?),
                run: RunId::from_bytes(run),
                previous: digest("previous", batch)?,
                stamp,
            },
            batch_digest: digest("digest", batch)?,
            position: Position::new(number("position", value)?),
            entry: Entry { fact, commitment: Commitment(digest("commitment", value)?) },
            bytes,
            value: value["fact"].clone(),
        })
    }
}

/// That an object has no other members.
fn only(value: &Value, members: &[&str]) -> anyhow::Result<()> {
    let object = value.as_object().context("expected an object")?;
    let other = object.keys().find(|name| !members.contains(&name.as_str()));
    other.map_or(Ok(()), |name| Err(anyhow!("its member `{name}` is unknown")))
}

fn without_names(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("name");
            members.values_mut().for_each(without_names);
        }
        Value::Array(items) => items.iter_mut().for_each(without_names),
        _ => {}
    }
}

/// Reads and checks all of an export; each batch, made again, is handed on.
fn read<'s>(
    file: &Path,
    salts: Option<&'s dyn Salts>,
    each: &mut dyn FnMut(&Batch) -> anyhow::Result<()>,
    progress: &mut Progress,
) -> anyhow::Result<(ExportManifest, Reading<'s>)> {
    let about = manifest_path(file);
    let text = std::fs::read_to_string(&about)
        .with_context(|| format!("`{}`: export with `--out` to have one", about.display()))?;
    let manifest: ExportManifest =
        serde_json::from_str(&text).with_context(|| format!("`{}`", about.display()))?;
    ensure!(
        manifest.export == EXPORT_MAGIC,
        "expected `{EXPORT_MAGIC}`, got `{}`",
        manifest.export
    );
    ensure!(manifest.from == 0, "the export begins at position `{}`, not at 0", manifest.from);
    let mut reading = Reading {
        salts,
        opened: Opened::default(),
        book: manifest.book.parse()?,
        hash: Digest::ZERO,
        teller: Teller::default(),
        open: None,
        tip: Tip::GENESIS,
        tree: CompactRange::empty(),
        at: None,
        size: manifest.size,
        salt_slots: 0,
        epoch: 0,
    };
    if manifest.size == 0 {
        reading.at = Some(TreeHead { size: 0, root: reading.tree.root() });
    }
    let opened = File::open(file).with_context(|| format!("`{}`", file.display()))?;
    let (whole, mut seen) = (opened.metadata().map_or(0, |about| about.len()), 0_u64);
    for (number, line) in (1_u64..).zip(BufReader::new(opened).lines()) {
        let line = line.with_context(|| format!("row {number}"))?;
        reading.line(&line, each).with_context(|| format!("row {number}"))?;
        seen = seen.saturating_add(u64::try_from(line.len()).unwrap_or(0)).saturating_add(1);
        progress.at(number, Part::of(seen, whole));
    }
    reading.close(each).context("the last batch")?;
    let ends = (manifest.next, &manifest.hash, &manifest.digest);
    let got =
        (reading.tip.next.number(), &reading.hash.to_string(), &reading.tip.digest.to_string());
    ensure!(ends == got, "it does not end as its manifest says, with position `{}`", manifest.next);
    if let Some(text) = &manifest.checkpoint {
        let signed = SignedCheckpoint::parse(text.as_bytes())?;
        signed.check(&manifest.key.parse::<VerifierKey>()?)?;
        let same = reading.at == Some(signed.head());
        ensure!(same, "its facts' commitments lead to another root than its checkpoint's");
    }
    Ok((manifest, reading))
}

fn verify(args: &ExportVerifyArgs) -> anyhow::Result<ExitCode> {
    let trusted = args.key.as_deref().map(|key| key.trim().parse::<VerifierKey>()).transpose()?;
    let keys = salts_of(args.with.as_deref())?;
    let work = Work { name: "check", unit: "rows", json: args.json };
    let mut progress = Progress::begin(args.progress, work);
    let checked = read(&args.file, known(keys.as_ref()), &mut |_| Ok(()), &mut progress);
    progress.end();
    let (manifest, reading) = match checked {
        Ok(read) => read,
        Err(why) => {
            if args.json {
                say_json(&json!({ "verdict": "damaged", "why": format!("{why:#}") }));
            } else {
                say(&format!("NOT GOOD  {}: {why:#}", args.file.display()));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let is_trusted = trusted.is_some_and(|key| key.to_string() == manifest.key);
    let vouched = is_trusted && manifest.size > 0;
    let (facts, covered, opened) = (manifest.next, manifest.size, reading.opened);
    let verdict = match (vouched, opened.not) {
        (false, _) => "nobody-vouches",
        // The log signed commitments: whose fact stands beside one, only its salt tells.
        (true, 1..) => "not-opened",
        (true, 0) => "good",
    };
    if args.json {
        say_json(&json!({
            "verdict": verdict,
            "facts": facts,
            "covered": covered,
            "opened": opened.facts,
            "not_opened": opened.not,
        }));
    } else {
        say(&match verdict {
            "good" => format!(
                "good export: {facts} facts, each opens, the log vouches for the first {covered}"
            ),
            "not-opened" => format!(
                "the log that you trust vouches for the order of the first {covered} of {facts} \
                 facts; {} were not opened and may be anybody's: bring the book's salts with \
                 `--with`",
                opened.not
            ),
            _ => format!("consistent export of {facts} facts, vouched for by nobody you trust"),
        });
    }
    let is_good = verdict == "good";
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NOBODY_VOUCHES) })
}

/// Builds a folder whose journal is the one that was exported.
pub(super) fn restore(
    file: &Path,
    to: &Path,
    with: Option<&Path>,
    progress: &mut Progress,
) -> anyhow::Result<Restored> {
    // Twice: nothing is written before all of it was read and found good.
    let keys = with.map(|with| salts_beside(&with.join("journal"))).transpose()?.flatten();
    let (manifest, reading) = read(file, known(keys.as_ref()), &mut |_| Ok(()), progress)?;
    if reading.tip == Tip::GENESIS {
        bail!("the export has no facts");
    }
    let last = Manifest {
        magic: ledger_server::archive::MANIFEST_MAGIC.to_owned(),
        number: 0,
        previous: Digest::ZERO,
        book: manifest.book.clone(),
        key: manifest.key.clone(),
        first: Position::ZERO,
        next: reading.tip.next,
        chain_before: Digest::ZERO,
        chain_after: reading.tip.digest,
        stamp: reading.tip.stamp.nanos(),
        bytes: 0,
        sha256: Digest::ZERO,
        root: reading.tree.root(),
        checkpoint: manifest.checkpoint.clone().unwrap_or_default(),
        consistency: Vec::new(),
        salt_slots: reading.salt_slots,
        epoch: reading.epoch,
    };
    let fill = |journal: &Path| {
        progress.stage("write", "rows");
        let mut writing = (Position::ZERO, Vec::new());
        let mut each = |batch: &Batch| -> anyhow::Result<()> {
            if writing.1.len().saturating_add(batch.bytes().len()) > SEGMENT_BYTES {
                put_new(journal, &segment_name(writing.0), &writing.1)?;
                writing = (batch.origin().first, Vec::new());
            }
            writing.1.extend_from_slice(batch.bytes());
            Ok(())
        };
        let written = read(file, known(keys.as_ref()), &mut each, progress);
        written.map_err(|error| ArchiveError::Unready(format!("{error:#}")))?;
        put_new(journal, &segment_name(writing.0), &writing.1)
    };
    Ok(restore_by(to, with, (&last, reading.opened), fill)?)
}
