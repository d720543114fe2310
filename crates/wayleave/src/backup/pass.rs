//! One look at a folder: what is new is copied, and the manifest is changed.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use evidence::SignedCheckpoint;
use seal::BoxPublicKey;
use store::backup::{self, BookPart, Copied, CopyError, Held, LogPart, Manifest, ManifestError};
use store::objects::{ObjectError, Objects};
use terms::{BookName, Instant, Position, RunId};

use super::folder::Books;
use super::keys;
use super::trial::Folded;
use crate::cli::backup::BackupArgs;
use crate::command::tell;

/// Facts of a book above which no trial balance is made unless it is asked for: folding so many
/// takes some seconds, and the memory of all accounts.
const TRIAL_FACTS_MAX: u64 = 2_000_000;

/// Looks at one folder, again and again.
pub(super) struct Sender {
    books: Books,
    objects: Arc<dyn Objects>,
    run: RunId,
    seal_to: Option<BoxPublicKey>,
    every_trial: bool,
    folded: Vec<(BookName, Folded)>,
    quiet: bool,
}

/// What one look did.
pub(super) struct Sent {
    pub(super) manifest: Manifest,
    pub(super) books: Vec<(BookName, Copied)>,
    pub(super) is_new: bool,
    /// Boxes of older keys that could not be removed.
    pub(super) not_removed: usize,
}

impl Sent {
    pub(super) fn is_news(&self) -> bool {
        self.is_new
    }
}

impl Sender {
    pub(super) fn new(
        dir: &Path,
        objects: Arc<dyn Objects>,
        args: &BackupArgs,
    ) -> anyhow::Result<Self> {
        let seal_to = args.seal_to.as_deref().map(keys::public).transpose()?;
        let run = RunId::from_bytes(client::system::random()?);
        let books = Books::open(dir)?;
        let (every_trial, quiet) = (args.trial, args.json);
        Ok(Self { books, objects, run, seal_to, every_trial, folded: Vec::new(), quiet })
    }

    /// Copies what is new up to this moment, of all books alike.
    pub(super) fn pass(&mut self) -> anyhow::Result<Sent> {
        let objects = Arc::clone(&self.objects);
        let held = backup::held(objects.as_ref())?;
        let mut held = held.unwrap_or_else(|| Held::nothing(self.books.kind.name(), self.run));
        let before = held.manifest.clone();
        self.is_its_own(&before)?;
        // The log first: what it has signed was durable before. Then the moment of the cut, then
        // the books: a batch that is not there to be read yet was not acknowledged at that moment,
        // so nothing in another book that followed from it is stamped before.
        let log = self.books.log();
        let cut = client::system::now();
        let mut next = if held.is_nothing() {
            Manifest { cut: cut.nanos(), ..before.clone() }
        } else {
            before.next(self.run, cut)
        };
        let copied = self.copy(&mut next, cut)?;
        next.log = Some(newest(log, before.log.as_ref(), &next)?);
        next.config.clone_from(&self.books.config);
        if let Some(to) = &self.seal_to {
            let sealed = keys::seal(objects.as_ref(), &self.books, to, before.sealed.as_ref())?;
            next.sealed = Some(sealed);
        }
        let is_new = held.is_nothing() || differs(&before, &next);
        let mut not_removed = 0;
        if is_new {
            self.trials(&mut next)?;
            held.replace(objects.as_ref(), next)?;
            let (older, newer) = (before.sealed.as_ref(), held.manifest.sealed.as_ref());
            not_removed = keys::remove_older(objects.as_ref(), older, newer);
        }
        Ok(Sent { manifest: held.manifest, books: copied, is_new, not_removed })
    }

    fn is_its_own(&self, there: &Manifest) -> anyhow::Result<()> {
        let (kind, expected) = (there.kind.as_str(), self.books.kind.name());
        ensure!(kind == expected, "there lies the backup of a {kind}, this is a {expected}");
        let log = there.log.as_ref().filter(|log| !log.key.is_empty());
        let same = log.is_none_or(|log| log.key == self.books.log_key);
        ensure!(same, "there lies the backup of another log: choose another place");
        Ok(())
    }

    fn copy(&self, next: &mut Manifest, cut: Instant) -> anyhow::Result<Vec<(BookName, Copied)>> {
        let mut copied = Vec::new();
        let mut told = |book: &BookName, part: &BookPart| {
            if !self.quiet {
                tell(&format!("{book}: facts up to {}, {} bytes", part.next, part.bytes));
            }
        };
        for source in &self.books.sources {
            let at = next.books.iter().position(|part| part.book == source.book);
            let mut part = at
                .and_then(|at| next.books.get(at).cloned())
                .unwrap_or(BookPart::begun(source.book));
            let done = source.copy(self.objects.as_ref(), &mut part, cut, &mut told)?;
            match at.and_then(|at| next.books.get_mut(at)) {
                Some(there) => *there = part,
                None => next.books.push(part),
            }
            copied.push((source.book, done));
        }
        next.books.sort_by_key(|part| part.book);
        Ok(copied)
    }

    /// The trial balances, of books that are not too large for it.
    fn trials(&mut self, next: &mut Manifest) -> anyhow::Result<()> {
        for part in &mut next.books {
            if !self.every_trial && part.next.number() > TRIAL_FACTS_MAX {
                continue;
            }
            let source = self.books.sources.iter().find(|source| source.book == part.book);
            let Some(source) = source else { continue };
            if !self.folded.iter().any(|(book, _)| *book == part.book) {
                let begun = Folded::begun(self.books.kind, &self.books.config, part.book)?;
                self.folded.push((part.book, begun));
            }
            let folded = self.folded.iter_mut().find(|(book, _)| *book == part.book);
            let Some((_, folded)) = folded else { continue };
            let (from, end) = (folded.tip, part.next);
            source.each::<anyhow::Error>(&from, |batch| {
                if batch.tip().next <= end { folded.apply(batch) } else { Ok(()) }
            })?;
            ensure!(folded.tip == part.tip(), "book `{}` changed under the copy", part.book);
            part.trial = Some(folded.trial());
        }
        Ok(())
    }
}

/// The log's newest checkpoint, as long as it has no more entries than the copy has facts.
fn newest(now: LogPart, before: Option<&LogPart>, next: &Manifest) -> anyhow::Result<LogPart> {
    let facts = next.book(&now.book).map_or(Position::ZERO, |part| part.next).number();
    let fits = |text: &str| -> anyhow::Result<bool> {
        Ok(text.is_empty() || size(text).context("a checkpoint does not parse")? <= facts)
    };
    let keep = |now: String, before: Option<&String>| -> anyhow::Result<String> {
        if fits(&now)? { Ok(now) } else { Ok(before.cloned().unwrap_or_default()) }
    };
    Ok(LogPart {
        checkpoint: keep(now.checkpoint, before.map(|before| &before.checkpoint))?,
        cosigned: keep(now.cosigned, before.map(|before| &before.cosigned))?,
        ..now
    })
}

/// How many entries a checkpoint covers.
pub(super) fn size(checkpoint: &str) -> Option<u64> {
    Some(SignedCheckpoint::parse(checkpoint.as_bytes()).ok()?.head().size)
}

/// Whether a manifest says anything that the one before does not.
fn differs(before: &Manifest, next: &Manifest) -> bool {
    let tips = |manifest: &Manifest| {
        manifest.books.iter().map(|part| (part.book, part.tip())).collect::<Vec<_>>()
    };
    tips(before) != tips(next)
        || (&before.log, &before.config) != (&next.log, &next.config)
        || before.sealed != next.sealed
}

/// Whether another try may go better: the place did not answer, or another writer came first.
pub(super) fn may_pass(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<ObjectError>()
            || matches!(cause.downcast_ref(), Some(CopyError::Object(_)))
            || matches!(
                cause.downcast_ref(),
                Some(ManifestError::Object(_) | ManifestError::Overtaken(_))
            )
    })
}
