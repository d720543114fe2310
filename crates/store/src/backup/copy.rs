//! Copies the batches of a journal's folder that a place does not hold yet.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use journal::batch::stated_length;
use journal::{Batch, BatchError, Tip};
use seal::{Digest, sha256};
use terms::{BookName, Instant, Position};

use super::{BookPart, INDEX_MAGIC, Index, RUN_BYTES, RUNS_MAX, Run};
use crate::objects::{Created, ObjectError, Objects, create_once};
use crate::segment::{Scan, SegmentEnd, scan, segment_first, segment_name};

/// How often a last segment is read that is being written while it is read.
const READS: usize = 3;

/// Why a book's batches were not all copied. What lies in the place stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The folder cannot be read.
    #[error("`{path}`: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The place.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The journal is damaged: nothing of it is copied on.
    #[error("`{path}` is damaged after byte {used}: {error}")]
    Damaged {
        /// Which segment.
        path: PathBuf,
        /// Sound bytes before.
        used: usize,
        /// What is wrong.
        error: BatchError,
    },
    /// The journal and the place disagree.
    #[error("book `{book}` is not the one that lies there: {why}")]
    OtherHistory {
        /// The book.
        book: BookName,
        /// Where they part.
        why: String,
    },
}

/// What one copying did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Facts copied now.
    pub facts: u64,
    /// Bytes put now.
    pub bytes: u64,
    /// Objects put now.
    pub objects: u64,
    /// Facts that the journal has and the copy does not: stamped after the cut.
    pub later: u64,
}

/// A journal's folder.
#[derive(Clone, Debug)]
pub struct Source {
    /// The book.
    pub book: BookName,
    /// Its folder.
    pub folder: PathBuf,
}

impl Source {
    /// Copies what follows the part, up to the cut, and grows the part by it. Reads beside a
    /// running book; `told` hears of each object.
    ///
    /// A batch is taken when the segment it was read from was synced after the reading: a batch
    /// that was only in memory would be in the copy and, after a power cut, not in the journal.
    ///
    /// # Errors
    /// [`CopyError`]. The part may have grown by objects that are there.
    pub fn copy(
        &self,
        objects: &dyn Objects,
        part: &mut BookPart,
        cut: Instant,
        told: &mut dyn FnMut(&BookName, &BookPart),
    ) -> Result<Copied, CopyError> {
        let (mut done, mut run) = (Copied::default(), Gathered::after(part));
        self.each::<CopyError>(&part.tip(), |batch| {
            if batch.origin().stamp > cut || done.later > 0 {
                let (first, next) = (batch.origin().first, batch.tip().next);
                let count = next.number().saturating_sub(first.number());
                done.later = done.later.saturating_add(count);
                return Ok(());
            }
            let first = batch.origin().first;
            part.take(batch).map_err(|error| self.damaged(first, 0, error))?;
            run.take(batch);
            if run.bytes.len() >= RUN_BYTES {
                run.put(objects, part, &mut done)?;
                told(&self.book, part);
            }
            Ok(())
        })?;
        if !run.bytes.is_empty() {
            run.put(objects, part, &mut done)?;
            told(&self.book, part);
        }
        Ok(done)
    }

    /// Each durable batch behind `from`, which must be the end of one of the journal's batches.
    ///
    /// # Errors
    /// [`CopyError`], or what `each` says.
    pub fn each<E: From<CopyError>>(
        &self,
        from: &Tip,
        mut each: impl FnMut(&Batch) -> Result<(), E>,
    ) -> Result<(), E> {
        let firsts = self.segments()?;
        let begin = firsts.iter().rposition(|first| *first <= from.next);
        if begin.is_none() && (!firsts.is_empty() || from.next > Position::ZERO) {
            let why = format!("position `{}` is in no segment of this folder", from.next);
            return Err(self.other(why).into());
        }
        let (mut tip, last) = (*from, firsts.last().copied());
        for first in firsts.into_iter().skip(begin.unwrap_or(0)) {
            for batch in self.batches(first, Some(first) == last, &tip)? {
                tip = batch.tip();
                each(&batch)?;
            }
        }
        Ok(())
    }

    fn segments(&self) -> Result<Vec<Position>, CopyError> {
        let mut firsts = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed(&self.folder))? {
            let name = entry.map_err(failed(&self.folder))?.file_name();
            firsts.extend(name.to_str().and_then(segment_first));
        }
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// The batches of a segment behind `tip`, durable.
    fn batches(&self, first: Position, is_last: bool, tip: &Tip) -> Result<Vec<Batch>, CopyError> {
        let path = self.folder.join(segment_name(first));
        let mut reads = if is_last { READS } else { 1 };
        let scanned = loop {
            let file = File::open(&path).map_err(failed(&path))?;
            let bytes = fs::read(&path).map_err(failed(&path))?;
            if is_last {
                // What was read may be younger than the writer's last sync. After this it is not.
                file.sync_data().map_err(failed(&path))?;
            }
            let before = if first == tip.next { *tip } else { before(&bytes, tip) };
            let scanned = scan(&bytes, before, &self.book);
            reads = reads.saturating_sub(1);
            // Half of an append may be seen while it is written.
            if reads == 0 || !matches!(scanned.end, SegmentEnd::Damaged(_)) {
                break scanned;
            }
        };
        if let SegmentEnd::Damaged(error) = scanned.end {
            return Err(self.damaged(first, scanned.used, error));
        }
        self.behind(scanned, first, tip)
    }

    /// What a scan found behind `tip`, which must be the end of one of its batches.
    fn behind(&self, scanned: Scan, first: Position, tip: &Tip) -> Result<Vec<Batch>, CopyError> {
        if first == tip.next {
            return Ok(scanned.found.into_iter().map(|found| found.batch).collect());
        }
        let here = scanned.found.iter().position(|found| {
            let end = found.batch.tip();
            (end.next, end.digest) == (tip.next, tip.digest)
        });
        let Some(here) = here else {
            let why = format!(
                "its facts before position `{}` are others, or end before it: an older or a \
                 forked copy was served",
                tip.next
            );
            return Err(self.other(why));
        };
        let behind = scanned.found.into_iter().skip(here.saturating_add(1));
        Ok(behind.map(|found| found.batch).collect())
    }

    fn other(&self, why: String) -> CopyError {
        CopyError::OtherHistory { book: self.book, why }
    }

    fn damaged(&self, first: Position, used: usize, error: BatchError) -> CopyError {
        CopyError::Damaged { path: self.folder.join(segment_name(first)), used, error }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CopyError + '_ {
    move |source| CopyError::File { path: path.to_owned(), source }
}

/// The end of the journal before a segment, by its first batch: what comes before is taken at its
/// word, because a batch further on must be the copy's last one, and that binds all before it.
fn before(bytes: &[u8], known: &Tip) -> Tip {
    let read = || {
        let length = stated_length(bytes).ok()?;
        let batch = Batch::decode(bytes.get(..length)?).ok()?;
        let origin = batch.origin();
        Some(Tip { next: origin.first, digest: origin.previous, stamp: Instant::EPOCH })
    };
    read().unwrap_or(*known)
}

/// Batches that are to become one object.
struct Gathered {
    first: Position,
    bytes: Vec<u8>,
}

impl Gathered {
    fn after(part: &BookPart) -> Self {
        Self { first: part.next, bytes: Vec::new() }
    }

    fn take(&mut self, batch: &Batch) {
        self.bytes.extend_from_slice(batch.bytes());
    }

    fn put(
        &mut self,
        objects: &dyn Objects,
        part: &mut BookPart,
        done: &mut Copied,
    ) -> Result<(), CopyError> {
        let length = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        let (first, next) = (self.first, part.next);
        let run = Run { first, next, bytes: length, sha256: sha256(&self.bytes) };
        let name = run.name(&part.book);
        if create_once(objects, &name, &self.bytes)? == Created::Exists {
            let why = format!("`{name}` is there with other bytes");
            return Err(CopyError::OtherHistory { book: part.book, why });
        }
        part.runs.push(run);
        if part.runs.len() >= RUNS_MAX {
            part.index = put_index(objects, part)?;
            part.runs.clear();
        }
        done.facts = done.facts.saturating_add(next.number().saturating_sub(first.number()));
        done.bytes = done.bytes.saturating_add(length);
        done.objects = done.objects.saturating_add(1);
        (self.first, self.bytes) = (next, Vec::new());
        Ok(())
    }
}

/// Moves the runs that a manifest names into an index. Named by its bytes, so that one that a
/// stopped run left behind is never in the way.
fn put_index(objects: &dyn Objects, part: &BookPart) -> Result<String, CopyError> {
    let index = Index {
        magic: INDEX_MAGIC.to_owned(),
        book: part.book,
        previous: part.index.clone(),
        runs: part.runs.clone(),
    };
    let bytes = seal::to_canonical(&index);
    let digest: Digest = sha256(&bytes);
    let name = format!("index/{}/{digest}", part.book);
    if create_once(objects, &name, &bytes)? == Created::Exists {
        let why = format!("`{name}` is there with other bytes");
        return Err(CopyError::OtherHistory { book: part.book, why });
    }
    Ok(name)
}
