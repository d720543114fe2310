//! `wayleave replay --depth 3`: a permit's limits against the settlement book, at the position of
//! its payment.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clearing::totals::{CountedTotal, Recount, Recounted};
use record::{DecisionRecord, Fact};
use serde_json::{Value, json};
use store::segment::{scan, segment_first, segment_name};
use terms::{BookName, Position};
use wallet::{CommandResult, EXIT_MATERIAL_MISSING, EXIT_REFUSED};

use super::{files, show};
use crate::cli::check::ReplayArgs;

/// Counts again.
pub(crate) fn command(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let Some(book) = &args.book else {
        bail!("expected `--book DIR`, the settlement book's folder")
    };
    let bytes = files::read(&args.file)?;
    let place = || format!("`{}` is no decision record", args.file.display());
    let record: DecisionRecord = seal::from_canonical(&bytes).with_context(place)?;
    let recounted = recounted(&record, book)?;
    Ok(show(&Counted { record, recounted }, args.json))
}

/// The totals at the payment's position; nothing if the book has no settlement of it. The book's
/// batches are read from the first one on, each following the one before.
fn recounted(record: &DecisionRecord, folder: &Path) -> anyhow::Result<Option<Recounted>> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let book: BookName =
        name.unwrap_or_default().parse().context("a book's folder is named after the book")?;
    let listing = std::fs::read_dir(folder)
        .with_context(|| format!("`{}` cannot be read", folder.display()))?;
    let mut firsts: Vec<Position> = Vec::new();
    for entry in listing {
        firsts.extend(entry?.file_name().to_str().and_then(segment_first));
    }
    firsts.sort_unstable();
    if firsts.first() != Some(&Position::ZERO) {
        bail!("`{}` does not begin with the book's first fact", folder.display());
    }
    let mut recount = Recount::of(record.environment, book, record);
    let mut tip = journal::Tip::GENESIS;
    for first in firsts {
        let bytes = files::read_up_to(&folder.join(segment_name(first)), SEGMENT_MAX)?;
        let scanned = scan(&bytes, tip, &book);
        for batch in scanned.found.iter().map(|found| &found.batch) {
            for stored in batch.entries() {
                let fact: Fact = stored.fact().map_err(|error| anyhow::anyhow!("{error}"))?;
                let stamp = batch.origin().stamp;
                let counted = recount.next(stored.position, stamp, &fact);
                let at = stored.position;
                if let Some(counted) = counted.map_err(|why| anyhow::anyhow!("fact {at}: {why}"))? {
                    return Ok(Some(counted));
                }
            }
        }
        tip = scanned.tip;
    }
    Ok(None)
}

/// Longest segment file read: the largest that a book is set up with, and one batch beyond it.
const SEGMENT_MAX: u64 = 1 << 30;

/// What came of it.
struct Counted {
    record: DecisionRecord,
    recounted: Option<Recounted>,
}

impl CommandResult for Counted {
    fn text(&self) -> String {
        let payment = self.record.payment;
        let Some(recounted) = &self.recounted else {
            return format!("NOT SAID  the book has no settlement of payment {payment}");
        };
        let head = match &recounted.difference {
            None => format!("MATCH     {} totals", recounted.totals.len()),
            Some((part, recorded, counted)) => format!(
                "MISMATCH  first difference: {part}\nrecorded  {recorded}\ncounted   {counted}"
            ),
        };
        let line = |one: &CountedTotal| {
            let (before, after) = (one.before.units(), one.after.units());
            let CountedTotal { claim, .. } = one;
            format!("total     {} {before} -> {after}, at most {}", claim.key, claim.amount)
        };
        let lines: Vec<String> = recounted.totals.iter().map(line).collect();
        let lines = lines.into_iter().map(|line| format!("\n{line}")).collect::<String>();
        format!("{head}, at position {} of payment {payment}{lines}", recounted.position)
    }

    fn json(&self) -> Value {
        let recounted = self.recounted.as_ref();
        let first = recounted.and_then(|counted| counted.difference.as_ref());
        let verdict = match (recounted, first) {
            (None, _) => "missing",
            (Some(_), None) => "match",
            (Some(_), Some(_)) => "mismatch",
        };
        let totals = recounted.into_iter().flat_map(|counted| &counted.totals).map(|one| {
            json!({
                "key": one.claim.key,
                "before": one.before.units().to_string(),
                "after": one.after.units().to_string(),
                "at_most": one.claim.amount.to_string(),
            })
        });
        json!({
            "depth": 3,
            "verdict": verdict,
            "position": recounted.map(|counted| counted.position.number()),
            "first_difference": first.map(|(part, recorded, counted)| json!({
                "part": part, "recorded": recorded, "replayed": counted,
            })),
            "totals": totals.collect::<Vec<_>>(),
            "payment": self.record.payment.to_string(),
        })
    }

    fn exit_code(&self) -> u8 {
        match &self.recounted {
            None => EXIT_MATERIAL_MISSING,
            Some(Recounted { difference: None, .. }) => 0,
            Some(Recounted { difference: Some(_), .. }) => EXIT_REFUSED,
        }
    }
}
