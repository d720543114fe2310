//! Which runs are merged, and the merging, in slices.

use core::ops::Range;

use super::IdsLimits;
use super::error::IdsError;
use super::key::IdHasher;
use super::manifest::{Listed, Manifest};
use super::run::{RunReader, RunWriter};
use crate::disk::{Disk, DiskFile};

/// A merge under way: neighbouring runs, oldest first.
pub(super) struct Merge<F> {
    pub(super) inputs: Vec<Listed>,
    readers: Vec<RunReader<F>>,
    pub(super) writer: RunWriter<F>,
}

impl<F: DiskFile> Merge<F> {
    pub(super) fn begin<D>(
        disk: &D,
        inputs: Vec<Listed>,
        number: u64,
        hasher: IdHasher,
    ) -> Result<Self, IdsError>
    where
        D: Disk<File = F>,
    {
        let open = |run: &Listed| RunReader::open(disk, run.number, &run.footer);
        let readers = inputs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let most = inputs.iter().map(|run| run.count).sum();
        let writer = RunWriter::create(disk, number, most, hasher)?;
        Ok(Self { inputs, readers, writer })
    }

    /// Merges about `most` entries. `true`: all are merged.
    ///
    /// Equal keys of an older run have lower positions, so the order of entries conserves the
    /// order of positions.
    pub(super) fn step(&mut self, most: usize) -> Result<bool, IdsError> {
        let mut done = 0;
        while done < most {
            let heads = self.readers.iter().map(RunReader::head).enumerate();
            let mut first = None;
            let mut second = None;
            for (at, head) in
                heads.filter_map(|(at, head)| Some((head?, at))).map(|(h, at)| (at, h))
            {
                match first {
                    Some((_, least)) if head >= least => {
                        second = Some(second.map_or(head, |other| head.min(other)));
                    }
                    _ => {
                        second = first.map(|(_, least)| least).or(second);
                        first = Some((at, head));
                    }
                }
            }
            let Some((at, _)) = first else { return Ok(true) };
            let Some(reader) = self.readers.get_mut(at) else { return Ok(true) };
            // All that this run has before the next one's: whole stretches when ids grow with time.
            while let Some(head) = reader.head().filter(|h| second.is_none_or(|s| *h <= s)) {
                self.writer.add(head)?;
                reader.advance()?;
                done += 1;
                if done >= most {
                    break;
                }
            }
        }
        Ok(false)
    }
}

/// The runs to merge next, if any.
///
/// A run's tier follows from its count alone: each tier holds up to `merge_runs` times as many
/// entries as the one before. New runs come at the end and a merge takes the oldest of a tier, so
/// tiers never rise from older to newer runs and what is merged are neighbours. The highest tier
/// is never merged: a merge holds the filters of its inputs and of its output at once, and this
/// bounds them.
pub(super) fn due(manifest: &Manifest, limits: &IdsLimits) -> Option<Range<usize>> {
    (0..limits.tier_max).find_map(|tier| {
        let is_above = |run: &Listed| tier_of(run.count, limits) > tier;
        let start = manifest.runs.iter().rposition(is_above).map_or(0, |at| at + 1);
        let of_tier =
            manifest.runs.iter().skip(start).take_while(|r| tier_of(r.count, limits) == tier);
        (of_tier.count() >= limits.merge_runs).then(|| start..start + limits.merge_runs)
    })
}

fn tier_of(count: u64, limits: &IdsLimits) -> u32 {
    let runs = u64::try_from(limits.merge_runs).unwrap_or(u64::MAX);
    let mut least = u64::try_from(limits.recent_max / 2).unwrap_or(u64::MAX).saturating_mul(runs);
    let mut tier = 0;
    while tier < limits.tier_max && count >= least {
        least = least.saturating_mul(runs);
        tier += 1;
    }
    tier
}
