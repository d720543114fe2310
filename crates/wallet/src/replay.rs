//! Deciding again from a decision record, under the pack that it names.

use std::path::Path;

use policy::pack::{Pack, PackFiles};
use policy::replay::Replay;
use serde_json::{Value, json};

use crate::error::WalletError;
use crate::folder::read_file;
use crate::outcome::{CommandResult, EXIT_REFUSED};

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Match, or the first difference.
    pub replay: Replay,
    /// How the record's decision ended.
    pub outcome: String,
}

impl CommandResult for Replayed {
    fn text(&self) -> String {
        match &self.replay {
            Replay::Match => format!("same decision again: {}", self.outcome),
            Replay::Mismatch(difference) => format!("another decision: {difference}"),
        }
    }

    fn json(&self) -> Value {
        match &self.replay {
            Replay::Match => json!({ "match": true, "outcome": self.outcome }),
            Replay::Mismatch(difference) => json!({
                "match": false,
                "part": difference.part,
                "recorded": difference.recorded,
                "replayed": difference.replayed,
            }),
        }
    }

    fn exit_code(&self) -> u8 {
        match self.replay {
            Replay::Match => 0,
            Replay::Mismatch(_) => EXIT_REFUSED,
        }
    }
}

/// Replays the decision record in `file` under the pack in `pack`.
pub fn replay(file: &Path, pack: &Path) -> Result<Replayed, WalletError> {
    let text = |name: &str| {
        let path = pack.join(name);
        String::from_utf8(read_file(&path)?)
            .map_err(|error| WalletError::BadFile { path, reason: error.to_string() })
    };
    let (schema, decide) = (text("corridor.cedarschema")?, text("decide.cedar")?);
    let (oblige, gate) = (text("oblige.cedar")?, text("gate.cedar")?);
    let parameters = text("parameters.json")?;
    let files = PackFiles {
        schema: &schema,
        decide: &decide,
        oblige: &oblige,
        gate: &gate,
        parameters: &parameters,
    };
    let bad = |path: &Path, reason: String| WalletError::BadFile { path: path.to_owned(), reason };
    let loaded = Pack::load(&files).map_err(|error| bad(pack, error.to_string()))?;
    let bytes = read_file(file)?;
    let replay =
        policy::replay::replay(&bytes, &loaded).map_err(|error| bad(file, error.to_string()))?;
    let record: record::DecisionRecord =
        seal::from_canonical(&bytes).map_err(|error| bad(file, error.to_string()))?;
    let outcome = match record.outcome {
        record::DecisionOutcome::Permit => "permit",
        record::DecisionOutcome::Denial => "denial",
        record::DecisionOutcome::Referral { .. } => "referral",
    };
    Ok(Replayed { replay, outcome: outcome.to_owned() })
}
