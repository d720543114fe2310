//! Deciding again from a decision record, under the pack that it names.

use std::path::Path;

use policy::pack::{Pack, PackFiles};
use policy::replay::{Difference, DigestCheck, Replay, replay_with};
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
    /// Under a pack that is not the record's: the first thing that it decides otherwise, such as
    /// the policy that denied and denies no more.
    pub decides_otherwise: Option<Difference>,
}

impl CommandResult for Replayed {
    fn text(&self) -> String {
        match &self.replay {
            Replay::Match => format!("same decision again: {}", self.outcome),
            Replay::Mismatch(difference) => {
                let mut text = format!("another decision: {difference}");
                if let Some(other) = &self.decides_otherwise {
                    text.push_str(&format!("\nunder these rules {other}"));
                }
                text
            }
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
                "decides_otherwise": self.decides_otherwise.as_ref().map(|other| json!({
                    "part": other.part,
                    "recorded": other.recorded,
                    "replayed": other.replayed,
                })),
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
    let (assumptions, parameters) = (text("assumptions.cedar")?, text("parameters.json")?);
    let files = PackFiles {
        schema: &schema,
        decide: &decide,
        oblige: &oblige,
        gate: &gate,
        assumptions: &assumptions,
        parameters: &parameters,
    };
    let bad = |path: &Path, reason: String| WalletError::BadFile { path: path.to_owned(), reason };
    let loaded = Pack::load(&files).map_err(|error| bad(pack, error.to_string()))?;
    let bytes = read_file(file)?;
    let replay =
        policy::replay::replay(&bytes, &loaded).map_err(|error| bad(file, error.to_string()))?;
    let decides_otherwise = match &replay {
        Replay::Match => None,
        Replay::Mismatch(_) => match replay_with(&bytes, &loaded, DigestCheck::Ignored) {
            Ok(Replay::Mismatch(difference)) => Some(difference),
            Ok(Replay::Match) | Err(_) => None,
        },
    };
    let record: record::DecisionRecord =
        seal::from_canonical(&bytes).map_err(|error| bad(file, error.to_string()))?;
    let outcome = match record.outcome {
        record::DecisionOutcome::Permit => "permit",
        record::DecisionOutcome::Denial => "denial",
        record::DecisionOutcome::Referral { .. } => "referral",
    };
    Ok(Replayed { replay, outcome: outcome.to_owned(), decides_otherwise })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use policy::{Action, DecisionEnvelope, FindingsBuilder, shipped};
    use record::{DecisionOutcome, DecisionRecord, EdgeMark};
    use seal::Digest;
    use terms::{DecisionId, Instant, PaymentId, Sequence};

    use super::*;
    use crate::fixtures::temporary_folder;
    use crate::folder::write_file;

    fn pack(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs").join(name)
    }

    /// A decision about a payment of which nothing was found.
    fn denied() -> DecisionRecord {
        let envelope = DecisionEnvelope {
            environment: "sandbox".parse().unwrap(),
            decision: DecisionId::from_bytes([1; 16]),
            payment: PaymentId::from_bytes([1; 16]),
            institution: "bank-nl".parse().unwrap(),
            edge: EdgeMark { edge: "bank-nl.1".parse().unwrap(), sequence: Sequence::new(1) },
            terms: Digest::ZERO,
            snapshot: Digest::ZERO,
            statements: BTreeSet::new(),
            lists: BTreeSet::new(),
        };
        let now = Instant::from_seconds(1_795_380_000);
        let (pack, findings) =
            (shipped::nl_sg().unwrap(), FindingsBuilder::new(Action::Pay).build());
        let decision = pack.decide(&findings, now);
        pack.record(envelope, &findings, &decision, now)
    }

    #[test]
    fn a_record_replays_under_its_pack_only_and_unchanged_only() {
        let folder = temporary_folder("replay");
        let path = folder.path().join("decision");
        write_file(&path, &seal::to_canonical(&denied())).unwrap();
        let replayed = replay(&path, &pack("nl-sg")).unwrap();
        assert_eq!((&replayed.replay, replayed.exit_code()), (&Replay::Match, 0));
        assert_eq!(replayed.outcome, "denial");
        let other = replay(&path, &pack("sg-in")).unwrap();
        assert_eq!(other.exit_code(), EXIT_REFUSED);
        assert!(other.text().contains("pack digest"), "{}", other.text());
        let permitted = DecisionRecord { outcome: DecisionOutcome::Permit, ..denied() };
        write_file(&path, &seal::to_canonical(&permitted)).unwrap();
        let replayed = replay(&path, &pack("nl-sg")).unwrap();
        assert!(replayed.text().contains("another decision"), "{}", replayed.text());
        assert!(replay(&path, folder.path()).is_err(), "no pack there");
    }
}
