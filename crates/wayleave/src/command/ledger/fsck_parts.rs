//! What lies beside a book's journal, compared with it: log, checkpoint, index of ids, images, read
//! models, salt keys, guard. All but the salt keys and the guard can be made again from it.

use std::path::Path;

use bookkeeping::LedgerBook;
use journal::{Image, Tip};
use ledger_server::archive::names_of_segments;
use ledger_server::{Folder, Guard, stored_checkpoint};
use store::log::{LogReader, check as check_log};
use store::views::Views;
use store::{FileDisk, image, salt_keys, segment_map};
use terms::Position;

use super::fold::{Walked, each_batch};
use super::progress::Progress;

/// Findings of everything beside the journal, which was found sound and ends at `tip`.
pub(super) fn findings(
    folder: &Folder,
    tip: &Tip,
    walked: &Walked,
    progress: &mut Progress,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut part = |name: &str, check: &mut dyn FnMut(&Path) -> anyhow::Result<Vec<String>>| {
        let path = folder.part(name);
        if !path.exists() {
            return;
        }
        match check(&path) {
            Ok(more) => found.extend(more.into_iter().map(|what| format!("{name}: {what}"))),
            Err(error) => found.push(format!("{name}: {error:#}")),
        }
    };
    part("journal", &mut |path| summaries(folder, path));
    part("log", &mut |path| log(folder, path, tip, walked));
    part("ids", &mut |path| {
        if path.join("ids.manifest").exists() {
            store::ids::check(&FileDisk::look(path), &folder.book())?;
        }
        Ok(Vec::new())
    });
    part("images", &mut |path| images(folder, path, tip, progress));
    part("views", &mut |path| views(path));
    let guard = folder.guard_path();
    if guard.exists() {
        found.extend(against_guard(folder, &guard, tip).err().map(|why| format!("guard: {why:#}")));
    }
    found
}

/// Summaries of segments, and the salt keys beside them.
fn summaries(folder: &Folder, journal: &Path) -> anyhow::Result<Vec<String>> {
    let disk = FileDisk::look(journal);
    let mut found = Vec::new();
    for first in names_of_segments(journal)? {
        found.extend(segment_map::summary_fault(&disk, &folder.book(), first));
    }
    found.extend(salt_keys::faults(&disk)?);
    Ok(found)
}

fn log(folder: &Folder, path: &Path, tip: &Tip, walked: &Walked) -> anyhow::Result<Vec<String>> {
    let disk = FileDisk::look(path);
    let report = check_log(&disk)?;
    let mut found: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let Some(head) = report.head else { return Ok(found) };
    if head.size > tip.next.number() {
        found.push(format!(
            "JournalRolledBack: it has {} entries and the journal {} facts",
            head.size, tip.next
        ));
        return Ok(found);
    }
    let view = LogReader::open(&disk)?.head()?;
    if view == Some(head) && walked.root_at(head.size) != Some(head.root) && found.is_empty() {
        found.push(differing(folder, path, head.size)?);
    }
    let key = folder.log_key()?;
    match stored_checkpoint(path, &key) {
        Err(why) => found.push(why),
        Ok(Some(checkpoint)) if checkpoint.head().size > tip.next.number() => found.push(format!(
            "JournalRolledBack: its checkpoint covers {} facts and the journal has {}",
            checkpoint.head().size,
            tip.next
        )),
        Ok(Some(checkpoint)) => {
            let head = checkpoint.head();
            let root = LogReader::open(&disk)?.view(head.size).root();
            if root.ok() != Some(head.root) && found.is_empty() {
                found.push(format!("its checkpoint of {} entries has another root", head.size));
            }
        }
        Ok(None) => {}
    }
    Ok(found)
}

/// The first entry of the log that is not the commitment of the journal's fact.
fn differing(folder: &Folder, path: &Path, size: u64) -> anyhow::Result<String> {
    let reader = LogReader::open(&FileDisk::look(path))?;
    let view = reader.view(size);
    let mut first = None;
    each_batch(&folder.part("journal"), &folder.book(), Position::ZERO, |found| {
        for stored in found.batch.entries() {
            let position = stored.position.number();
            let is_other = || view.commitment(position).ok().flatten() != Some(stored.commitment);
            if first.is_none() && position < size && is_other() {
                first = Some(position);
            }
        }
        Ok(())
    })?;
    Ok(match first {
        Some(position) => format!("entry `{position}` is not the commitment of fact `{position}`"),
        None => "its tree is not made of the journal's commitments".to_owned(),
    })
}

/// The image must load, and be the fold of the journal up to where it was taken.
fn images(
    folder: &Folder,
    path: &Path,
    tip: &Tip,
    progress: &mut Progress,
) -> anyhow::Result<Vec<String>> {
    let loaded = image::load_image::<LedgerBook, _>(&FileDisk::look(path), &folder.book());
    let start = match loaded {
        Err(why) => {
            let mend =
                "serve the book: it folds the journal again, and the next image replaces this";
            return Ok(vec![format!("`{}`: {why}: {mend}", image::IMAGE_NAME)]);
        }
        Ok(None) => return Ok(Vec::new()),
        Ok(Some(start)) => start,
    };
    if start.tip.next > tip.next {
        let (of, ends) = (start.tip.next, tip.next);
        return Ok(vec![format!("it was taken at position `{of}`, the journal ends at `{ends}`")]);
    }
    progress.stage("image", "facts");
    let whole = start.tip.next.number();
    let folded = super::fold::refold(
        &folder.part("journal"),
        &folder.book(),
        Some(start.tip.next),
        &mut |position, _| progress.each_fact(position, whole),
    )?;
    let is_same = folded.save() == start.state.save();
    let what = || format!("`{}` is not the fold of the journal's facts", image::IMAGE_NAME);
    Ok(if is_same { Vec::new() } else { vec![what()] })
}

/// On a copy: the library writes to what it opens.
fn views(path: &Path) -> anyhow::Result<Vec<String>> {
    let file = path.join("views.redb");
    if !file.exists() {
        return Ok(Vec::new());
    }
    let copy = std::env::temp_dir().join(format!("wayleave-fsck-{}.redb", std::process::id()));
    std::fs::copy(&file, &copy)?;
    let checked = Views::check_file(&copy);
    let _ = std::fs::remove_file(&copy);
    let what = checked.err().map(|why| format!("`views.redb`: {why}"));
    Ok(what.into_iter().collect())
}

fn against_guard(folder: &Folder, path: &Path, tip: &Tip) -> anyhow::Result<()> {
    let guard = Guard::open(path, &folder.log_key()?)?;
    let Some(mark) = guard.newest() else { return Ok(()) };
    anyhow::ensure!(
        mark.tip.next <= tip.next,
        "JournalRolledBack: it knows `{}` facts and the journal ends at `{}`",
        mark.tip.next,
        tip.next
    );
    let (known, book) = (mark.tip, folder.book());
    let Some(last) = known.next.number().checked_sub(1) else { return Ok(()) };
    let mut is_there = false;
    each_batch(&folder.part("journal"), &book, Position::new(last), |found| {
        is_there |= found.batch.tip() == known;
        Ok(())
    })?;
    anyhow::ensure!(
        is_there,
        "JournalForked: up to position `{}` the journal has other facts than it knows",
        known.next
    );
    Ok(())
}
