//! What happens behind the caller: sealing parts into runs, merging runs, keeping the manifest.

use std::io;

use super::error::IdsError;
use super::key::IdHasher;
use super::manifest::{Listed, MANIFEST_NAME, Manifest};
use super::merge::{Merge, due};
use super::part::Part;
use super::run::{Footer, Run, RunWriter, run_name, run_number, temporary_name};
use super::{IdsConfig, IdsLimits};
use crate::disk::{Disk, TEMPORARY_SUFFIX};
use seal::Digest;

/// Owns the directory and the manifest. Runs in a thread or, for tests, in the caller's turn.
pub(super) struct Worker<D: Disk> {
    disk: D,
    limits: IdsLimits,
    pub(super) hasher: IdHasher,
    manifest: Manifest,
    merge: Option<Merge<D::File>>,
    /// After a failed merge: none is begun before the next run is sealed.
    merging_waits: bool,
    /// Files of ours that the next durable manifest does not list.
    leftovers: Vec<String>,
}

/// What a slice of merging came to.
pub(super) enum Slice<F> {
    /// Nothing is due.
    Idle,
    /// There is more to do.
    Going,
    /// These runs are one now.
    Merged {
        /// Their numbers.
        inputs: Vec<u64>,
        /// It.
        run: Box<Run<F>>,
    },
}

/// A worker and the runs it found, oldest first.
pub(super) type Opened<D> = (Worker<D>, Vec<Run<<D as Disk>::File>>);

impl<D: Disk> Worker<D> {
    /// Reads the manifest, opens its runs and removes what it does not list.
    pub(super) fn open(disk: D, config: &IdsConfig) -> Result<Opened<D>, IdsError> {
        // A rename that is seen may not be durable yet, if the process before ended in between.
        // What it replaced must not be removed before it is.
        disk.sync_directory().map_err(IdsError::failed(".", "synced"))?;
        let names = disk.list().map_err(IdsError::failed(".", "listed"))?;
        let manifest = Manifest::read(&disk, &config.book)?;
        let mut manifest = manifest.unwrap_or_else(|| Manifest::new(config.book, config.seed));
        let open = |run: &Listed| Run::open(&disk, run.number, &run.footer);
        let runs = manifest.runs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        for name in names.iter().filter(|name| is_ours(name)) {
            let whole = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
            let number = run_number(whole);
            manifest.next = manifest.next.max(number.map_or(0, |number| number.saturating_add(1)));
            let is_listed = |n| whole == name && manifest.runs.iter().any(|run| run.number == n);
            let is_kept = number.map_or(name == MANIFEST_NAME, is_listed);
            if !is_kept {
                disk.remove(name).map_err(IdsError::failed(name, "removed"))?;
            }
        }
        let hasher = IdHasher::new(&manifest.seed);
        let worker = Self {
            disk,
            limits: config.limits,
            hasher,
            manifest,
            merge: None,
            merging_waits: false,
            leftovers: Vec::new(),
        };
        Ok((worker, runs))
    }

    pub(super) fn covered(&self) -> u64 {
        self.manifest.covered()
    }

    pub(super) fn into_disk(self) -> D {
        self.disk
    }

    /// Writes a part as a run, durable and listed.
    pub(super) fn seal(&mut self, part: &Part) -> Result<Run<D::File>, IdsError> {
        let number = self.take_number();
        let made = self.write_part(number, part);
        let run = self.publish(number, made, &[])?;
        self.merging_waits = false;
        Ok(run)
    }

    fn write_part(&self, number: u64, part: &Part) -> Result<(Run<D::File>, Digest), IdsError> {
        let entries = part.sorted();
        let most = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let mut writer = RunWriter::create(&self.disk, number, most, self.hasher)?;
        for entry in entries {
            writer.add(entry)?;
        }
        writer.finish(self.manifest.covered(), part.end())
    }

    /// Whether merging has work.
    pub(super) fn is_merging(&self) -> bool {
        self.merge.is_some() || (!self.merging_waits && due(&self.manifest, &self.limits).is_some())
    }

    /// Whether runs come faster than they are merged.
    pub(super) fn is_behind(&self) -> bool {
        let runs = self.manifest.runs.iter().rev();
        let most = u64::try_from(self.limits.recent_max).unwrap_or(u64::MAX);
        runs.take_while(|run| run.count <= most).count() > 3 * self.limits.merge_runs
    }

    /// Merges a little.
    pub(super) fn merge_slice(&mut self) -> Result<Slice<D::File>, IdsError> {
        let slice = self.try_slice();
        if slice.is_err() {
            self.merging_waits = true;
            self.merge = None;
        }
        slice
    }

    fn try_slice(&mut self) -> Result<Slice<D::File>, IdsError> {
        let mut merge = match self.merge.take() {
            Some(merge) => merge,
            None => match due(&self.manifest, &self.limits) {
                Some(range) if !self.merging_waits => {
                    let inputs = self.manifest.runs.get(range).unwrap_or_default().to_vec();
                    let number = self.take_number();
                    // Also when this fails below: the next durable manifest does not list it.
                    self.leftovers.push(temporary_name(number));
                    Merge::begin(&self.disk, inputs, number, self.hasher)?
                }
                _ => return Ok(Slice::Idle),
            },
        };
        if !merge.step(self.limits.slice_entries)? {
            self.merge = Some(merge);
            return Ok(Slice::Going);
        }
        let Merge { inputs, writer, .. } = merge;
        let number = writer.number();
        self.leftovers.retain(|name| *name != temporary_name(number));
        let from = inputs.first().map_or(0, |run| run.from);
        let to = inputs.last().map_or(0, |run| run.to);
        let run = self.publish(number, writer.finish(from, to), &inputs)?;
        let inputs = inputs.iter().map(|run| run.number).collect();
        Ok(Slice::Merged { inputs, run: Box::new(run) })
    }

    fn take_number(&mut self) -> u64 {
        let number = self.manifest.next;
        self.manifest.next = number.saturating_add(1);
        number
    }

    /// Gives a written run its name and lists it in place of others.
    ///
    /// Durable so far: the run's bytes, under a temporary name. **Stopped before the rename is
    /// durable**: a leftover, removed on opening. **Stopped before the manifest is**: the run is
    /// not listed and removed on opening; the facts are fed again, or its inputs are still listed.
    /// **Stopped after**: it is listed, the runs it replaces are not and are removed. They are
    /// removed only here, after the manifest is durable. **After an error** nobody knows which
    /// manifest is in place, so neither the run nor what it replaces is removed before another
    /// manifest is durable.
    fn publish(
        &mut self,
        number: u64,
        made: Result<(Run<D::File>, Digest), IdsError>,
        replaced: &[Listed],
    ) -> Result<Run<D::File>, IdsError> {
        let published = made.and_then(|(run, footer)| {
            let (temporary, name) = (temporary_name(number), run_name(number));
            self.disk.rename(&temporary, &name).map_err(IdsError::failed(&name, "renamed"))?;
            self.disk.sync_directory().map_err(IdsError::failed(".", "synced"))?;
            let mut next = self.manifest.clone();
            let is_replaced =
                |run: &Listed| replaced.iter().any(|other| other.number == run.number);
            let at = next.runs.iter().position(is_replaced).unwrap_or(next.runs.len());
            next.runs.retain(|run| !is_replaced(run));
            let Footer { count, from, to, .. } = run.footer;
            next.runs.insert(at, Listed { number, count, from, to, footer });
            next.write(&self.disk)?;
            Ok((run, next))
        });
        match published {
            Ok((run, next)) => {
                self.manifest = next;
                self.leftovers.extend(replaced.iter().map(|run| run_name(run.number)));
                self.sweep();
                Ok(run)
            }
            Err(error) => {
                self.leftovers.extend([temporary_name(number), run_name(number)]);
                Err(error)
            }
        }
    }

    /// Removes what is not listed. What cannot be removed now is tried again later, and at the
    /// latest on opening.
    fn sweep(&mut self) {
        let (disk, merge) = (&self.disk, &self.merge);
        let in_use = merge.as_ref().map(|merge| temporary_name(merge.writer.number()));
        self.leftovers.retain(|name| {
            if in_use.as_ref() == Some(name) {
                return true;
            }
            let removed = disk.remove(name);
            removed.is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
        });
    }
}

/// Whether a file belongs to the index of ids.
pub(super) fn is_ours(name: &str) -> bool {
    let whole = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
    whole == MANIFEST_NAME || run_number(whole).is_some()
}
