//! `wayleave replay --depth 2`: findings made again from what was handed in.

use std::process::ExitCode;

use admission::replay::{FILE_MAX, FoundAgain, ReplayFile, replayed};
use anyhow::Context;
use record::{DecisionOutcome, DecisionRecord};
use serde_json::{Value, json};
use wallet::{CommandResult, EXIT_MATERIAL_MISSING, EXIT_REFUSED};

use super::replay::{pack_of, read_pack};
use super::{files, show};
use crate::cli::check::ReplayArgs;

/// Finds and decides again.
pub(crate) fn command(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let (_, pack) = read_pack(pack_of(args)?)?;
    let most = u64::try_from(FILE_MAX).unwrap_or(u64::MAX);
    let bytes = files::read_up_to(&args.file, most)?;
    let place = || format!("`{}` is no replay file that can be replayed", args.file.display());
    let file = ReplayFile::from_bytes(&bytes).with_context(place)?;
    let again = replayed(&file, &pack).with_context(place)?;
    let record: DecisionRecord = seal::from_canonical(&file.record).with_context(place)?;
    Ok(show(&Again { again, record, pack: pack.name().to_owned() }, args.json))
}

/// What came of it.
struct Again {
    again: FoundAgain,
    record: DecisionRecord,
    pack: String,
}

impl Again {
    const fn outcome(&self) -> &'static str {
        match self.record.outcome {
            DecisionOutcome::Permit => "permit",
            DecisionOutcome::Denial => "denial",
            DecisionOutcome::Referral { .. } => "referral",
        }
    }
}

impl CommandResult for Again {
    fn text(&self) -> String {
        let record = &self.record;
        let about = format!(
            "decided   {} by {} for payment {}",
            record.decided_at, record.institution, record.payment
        );
        match &self.again {
            FoundAgain::Match => format!(
                "MATCH     {} findings and a {}, from presentation, statements and lists\n\
                 {about}\nrules     pack {} {}",
                record.findings.len(),
                self.outcome(),
                self.pack,
                record.pack
            ),
            FoundAgain::Mismatch(first) => format!(
                "MISMATCH  first difference: {}\nrecorded  {}\nreplayed  {}\n{about}",
                first.part, first.recorded, first.replayed
            ),
            FoundAgain::Missing(missing) => {
                let lines =
                    missing.iter().map(|one| format!("missing   {} {}", one.what, one.digest));
                let lines: Vec<String> = lines.collect();
                format!("NOT SAID  not everything is there\n{}\n{about}", lines.join("\n"))
            }
        }
    }

    fn json(&self) -> Value {
        let (verdict, first, missing) = match &self.again {
            FoundAgain::Match => ("match", None, vec![]),
            FoundAgain::Mismatch(first) => ("mismatch", Some(first), vec![]),
            FoundAgain::Missing(missing) => ("missing", None, missing.clone()),
        };
        let missing: Vec<Value> = missing
            .iter()
            .map(|one| json!({ "what": one.what, "digest": one.digest.to_string() }))
            .collect();
        json!({
            "depth": 2,
            "verdict": verdict,
            "first_difference": first.map(|first| json!({
                "part": first.part, "recorded": first.recorded, "replayed": first.replayed,
            })),
            "missing": missing,
            "outcome": self.outcome(),
            "payment": self.record.payment.to_string(),
            "pack": self.record.pack.to_string(),
        })
    }

    fn exit_code(&self) -> u8 {
        match self.again {
            FoundAgain::Match => 0,
            FoundAgain::Mismatch(_) => EXIT_REFUSED,
            FoundAgain::Missing(_) => EXIT_MATERIAL_MISSING,
        }
    }
}
