//! Deciding again from a record, and comparing.

use core::fmt;

use record::{DECISION_VERSION, DecisionRecord};
use seal::CanonicalError;
use thiserror::Error;

use crate::findings::Findings;
use crate::pack::Pack;
use crate::vocabulary::FINDINGS_LAYER;

/// Whether a record of another pack is refused at once or decided anyway, to see what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestCheck {
    /// The digests of pack and schema must be those of the record.
    Required,
    /// They may differ; what they decide is compared.
    Ignored,
}

/// The first thing in which record and replay differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which part: `pack digest`, `determining`, `outcome` …
    pub part: &'static str,
    /// What the record says.
    pub recorded: String,
    /// What the replay says.
    pub replayed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: recorded `{}`, replayed `{}`", self.part, self.recorded, self.replayed)
    }
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The same bytes.
    Match,
    /// Something differs.
    Mismatch(Difference),
}

/// Why a record cannot be replayed at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// The bytes are no decision record.
    #[error(transparent)]
    NotARecord(#[from] CanonicalError),
    /// A layout or findings layer that this build does not know.
    #[error(
        "expected layout {DECISION_VERSION} and findings layer {FINDINGS_LAYER}, \
         got layout {layout} and findings layer {findings_layer}"
    )]
    VersionUnknown {
        /// The record's layout.
        layout: u16,
        /// The record's findings layer.
        findings_layer: u16,
    },
    /// A finding or an action that this findings layer does not know.
    #[error("expected findings and action of findings layer {FINDINGS_LAYER}")]
    FindingsUnknown,
}

/// Decides again from the record's findings, under the very pack that it names.
pub fn replay(bytes: &[u8], pack: &Pack) -> Result<Replay, ReplayError> {
    replay_with(bytes, pack, DigestCheck::Required)
}

/// Decides again; with [`DigestCheck::Ignored`] also under another pack.
pub fn replay_with(bytes: &[u8], pack: &Pack, check: DigestCheck) -> Result<Replay, ReplayError> {
    let record: DecisionRecord = seal::from_canonical(bytes)?;
    if record.version != DECISION_VERSION || record.findings_layer != FINDINGS_LAYER {
        return Err(ReplayError::VersionUnknown {
            layout: record.version,
            findings_layer: record.findings_layer,
        });
    }
    let findings = Findings::of_record(&record.action, &record.findings)
        .ok_or(ReplayError::FindingsUnknown)?;
    let before;
    let pack = if record.pack == pack.digest_v1 {
        before = pack.before_assumptions();
        &before
    } else {
        pack
    };
    let again = decided_again(&record, &findings, pack);
    Ok(first_difference(&record, &again, check).map_or(Replay::Match, Replay::Mismatch))
}

/// The record that this pack would have written.
fn decided_again(record: &DecisionRecord, findings: &Findings, pack: &Pack) -> DecisionRecord {
    let decision = pack.decide(findings, record.decided_at);
    let envelope = crate::decide::DecisionEnvelope {
        environment: record.environment,
        decision: record.decision,
        payment: record.payment,
        institution: record.institution,
        edge: record.edge,
        terms: record.terms,
        snapshot: record.snapshot,
        statements: record.statements.iter().copied().collect(),
        lists: record.lists.iter().cloned().collect(),
    };
    pack.record(envelope, findings, &decision, record.decided_at)
}

fn first_difference(
    a: &DecisionRecord,
    b: &DecisionRecord,
    check: DigestCheck,
) -> Option<Difference> {
    let differ = |part, recorded: String, replayed: String| {
        (recorded != replayed).then_some(Difference { part, recorded, replayed })
    };
    let identity = || {
        differ("pack digest", a.pack.to_string(), b.pack.to_string())
            .or_else(|| differ("schema digest", a.schema.to_string(), b.schema.to_string()))
    };
    let decided = || {
        differ("determining", a.determining.join(", "), b.determining.join(", "))
            .or_else(|| differ("outcome", format!("{:?}", a.outcome), format!("{:?}", b.outcome)))
            .or_else(|| differ("errors", a.errors.join("; "), b.errors.join("; ")))
            .or_else(|| differ("reasons", format!("{:?}", a.reasons), format!("{:?}", b.reasons)))
            .or_else(|| differ("duties", format!("{:?}", a.duties), format!("{:?}", b.duties)))
            .or_else(|| differ("limits", format!("{:?}", a.limits), format!("{:?}", b.limits)))
    };
    match check {
        DigestCheck::Ignored => decided(),
        DigestCheck::Required => identity().or_else(decided).or_else(|| {
            let whole = |r: &DecisionRecord| seal::text::to_hex(&seal::to_canonical(r));
            let about = |r: &DecisionRecord| format!("{} {:?} {}", r.corridor, r.side, r.engine);
            differ("corridor, side or engine", about(a), about(b))
                .or_else(|| {
                    differ("findings", format!("{:?}", a.findings), format!("{:?}", b.findings))
                })
                .or_else(|| differ("bytes", whole(a), whole(b)))
        }),
    }
}
