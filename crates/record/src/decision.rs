//! What an edge decided, from which findings, under which rules: enough to decide again.
//!
//! The record is one canonical CBOR document. It is written before the effect and committed in
//! the log. Each finding, reason and duty is *open* (the customer may read it) or *restricted*
//! (compliance and supervisor only): [`DecisionRecord::open_part`] is the one way to what a
//! customer may see. Layout: `docs/formats/decision.md`.

use minicbor::{Decode, Encode};
use seal::digest::{Domain, digest};
use seal::{Digest, to_canonical};
use terms::{CorridorName, DecisionId, Environment, Instant, InstitutionName, PaymentId};

use crate::fact::EdgeMark;
use crate::permit::LimitClaim;
use crate::trust::Side;

/// Domain of a decision record's digest.
pub const DECISION_DOMAIN: Domain = Domain::new("wayleave/decision/v1");
/// The layout version written today.
pub const DECISION_VERSION: u16 = 1;

/// Who may read a finding, a reason or a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Visibility {
    /// The customer it is about, too.
    #[n(0)]
    Open,
    /// Compliance and supervisor only: telling the customer may be a crime.
    #[n(1)]
    Restricted,
}

/// A finding's typed value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum FindingValue {
    /// Yes or no.
    #[n(0)]
    Flag(#[n(0)] bool),
    /// A whole number in the finding's unit.
    #[n(1)]
    Number(#[n(0)] i64),
    /// A word or code.
    #[n(2)]
    Text(#[n(0)] String),
    /// A set of words, sorted, each once.
    #[n(3)]
    Texts(#[n(0)] Vec<String>),
}

/// One thing the rules were told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Finding {
    /// Its name in the findings layer.
    #[n(0)]
    pub name: String,
    /// What was found.
    #[n(1)]
    pub value: FindingValue,
    /// The unit of a number: `seconds`, `minor units`; empty for flags and words.
    #[n(2)]
    pub unit: String,
    /// Where it comes from: `presentation`, `book`, `list`, `statement`, `calendar`, `order`.
    #[n(3)]
    pub source: String,
    /// Who may read it.
    #[n(4)]
    pub visibility: Visibility,
}

/// A list that screening used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct ListVersion {
    /// The list's name.
    #[n(0)]
    pub name: String,
    /// Its version number.
    #[n(1)]
    pub version: u64,
    /// The digest of the whole list.
    #[n(2)]
    pub digest: Digest,
}

/// How a decision ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DecisionOutcome {
    /// The payment may go on.
    #[n(0)]
    Permit,
    /// It may not.
    #[n(1)]
    Denial,
    /// Not now, or not without a person; decided anew on a fresh snapshot.
    #[n(2)]
    Referral {
        /// When the institution opens next, where that is what is waited for.
        #[n(0)]
        next_opening: Option<Instant>,
    },
}

/// What one failing rule does to the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ReasonEffect {
    /// It denies.
    #[n(0)]
    Denies,
    /// It refers, unless another reason denies.
    #[n(1)]
    Refers,
}

/// Why, in words and with the law.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Reason {
    /// The rule's id.
    #[n(0)]
    pub code: String,
    /// The legal reference.
    #[n(1)]
    pub reference: String,
    /// A plain sentence.
    #[n(2)]
    pub sentence: String,
    /// What to do about it.
    #[n(3)]
    pub mend: String,
    /// What it does to the outcome.
    #[n(4)]
    pub effect: ReasonEffect,
    /// Who may read it.
    #[n(5)]
    pub visibility: Visibility,
}

/// Something that must be done because of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Duty {
    /// What kind: `travel-rule`, `review`, `evidence-escrow`, `report`.
    #[n(0)]
    pub kind: String,
    /// The rule that raised it.
    #[n(1)]
    pub id: String,
    /// Kind-specific parameters, as the pack writes them.
    #[n(2)]
    pub parameters: String,
    /// Who owes it: `edge`, `compliance`.
    #[n(3)]
    pub owner: String,
    /// Until when.
    #[n(4)]
    pub deadline: Instant,
    /// Who may read it.
    #[n(5)]
    pub visibility: Visibility,
}

/// The whole decision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DecisionRecord {
    /// Layout version, [`DECISION_VERSION`].
    #[n(0)]
    pub version: u16,
    /// Where this runs.
    #[n(1)]
    pub environment: Environment,
    /// This decision.
    #[n(2)]
    pub decision: DecisionId,
    /// The payment decided on.
    #[n(3)]
    pub payment: PaymentId,
    /// Who decided.
    #[n(4)]
    pub institution: InstitutionName,
    /// On which side it stands.
    #[n(5)]
    pub side: Side,
    /// The edge instance and its own count.
    #[n(6)]
    pub edge: EdgeMark,
    /// The corridor.
    #[n(7)]
    pub corridor: CorridorName,
    /// The action: `pay`, `refund`.
    #[n(8)]
    pub action: String,
    /// Digest of the terms string as the wallet signed it.
    #[n(9)]
    pub terms: Digest,
    /// Digest of the rule pack.
    #[n(10)]
    pub pack: Digest,
    /// Digest of the pack's schema.
    #[n(11)]
    pub schema: Digest,
    /// Version of the code that makes findings from raw inputs.
    #[n(12)]
    pub findings_layer: u16,
    /// Digest of the trust snapshot.
    #[n(13)]
    pub snapshot: Digest,
    /// Digests of the party statements sent and received, sorted.
    #[n(14)]
    pub statements: Vec<Digest>,
    /// Lists used, by name.
    #[n(15)]
    pub lists: Vec<ListVersion>,
    /// What the rules were told, by name.
    #[n(16)]
    pub findings: Vec<Finding>,
    /// How it ended.
    #[n(17)]
    pub outcome: DecisionOutcome,
    /// The rules that decided, sorted.
    #[n(18)]
    pub determining: Vec<String>,
    /// Why, in order of precedence.
    #[n(19)]
    pub reasons: Vec<Reason>,
    /// What must be done, by kind and id.
    #[n(20)]
    pub duties: Vec<Duty>,
    /// Limits the writer must check.
    #[n(21)]
    pub limits: Vec<LimitClaim>,
    /// What went wrong in the rules: not empty means denied, and an alarm.
    #[n(22)]
    pub errors: Vec<String>,
    /// The engine: `cedar 4.5 / 4.14.1`.
    #[n(23)]
    pub engine: String,
    /// When, on the edge's clock.
    #[n(24)]
    pub decided_at: Instant,
}

/// The outcome as the customer may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum OpenOutcome {
    /// The payment may go on.
    #[n(0)]
    Permit,
    /// It may not, for the open reasons given.
    #[n(1)]
    Denial,
    /// Not now, for the open reasons given.
    #[n(2)]
    Referral {
        /// When the institution opens next.
        #[n(0)]
        next_opening: Option<Instant>,
    },
    /// Not executed. One answer for all restricted outcomes and for errors, so that none of
    /// them can be told from another.
    #[n(3)]
    NotExecuted,
}

/// What the customer may see of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OpenPart {
    /// The decision.
    #[n(0)]
    pub decision: DecisionId,
    /// The payment.
    #[n(1)]
    pub payment: PaymentId,
    /// How it ended, as far as open.
    #[n(2)]
    pub outcome: OpenOutcome,
    /// Open findings; none when the outcome is [`OpenOutcome::NotExecuted`].
    #[n(3)]
    pub findings: Vec<Finding>,
    /// Open reasons; none when the outcome is [`OpenOutcome::NotExecuted`].
    #[n(4)]
    pub reasons: Vec<Reason>,
    /// Open duties of a permitted payment.
    #[n(5)]
    pub duties: Vec<Duty>,
}

impl DecisionRecord {
    /// The digest that permits and facts name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(DECISION_DOMAIN, &to_canonical(self))
    }

    /// What the customer may see: a function of the open findings and open reasons alone
    /// whenever something restricted or an error had a say, so that a restricted reason beside
    /// an open one leaves no trace.
    #[must_use]
    pub fn open_part(&self) -> OpenPart {
        let mut reasons: Vec<Reason> =
            self.reasons.iter().filter(|r| r.visibility == Visibility::Open).cloned().collect();
        let outcome = self.open_outcome(&reasons);
        let findings = if outcome == OpenOutcome::NotExecuted {
            reasons.clear();
            Vec::new()
        } else {
            let open = self.findings.iter().filter(|f| f.visibility == Visibility::Open);
            open.cloned().collect()
        };
        let duties = if outcome == OpenOutcome::Permit {
            let open = self.duties.iter().filter(|d| d.visibility == Visibility::Open);
            open.cloned().collect()
        } else {
            Vec::new()
        };
        let (decision, payment) = (self.decision, self.payment);
        OpenPart { decision, payment, outcome, findings, reasons, duties }
    }

    fn open_outcome(&self, open: &[Reason]) -> OpenOutcome {
        if self.outcome == DecisionOutcome::Permit {
            return OpenOutcome::Permit;
        }
        if open.iter().any(|r| r.effect == ReasonEffect::Denies) {
            return OpenOutcome::Denial;
        }
        // A referral for open reasons only is shown as such; with anything restricted beside it
        // the next opening would be a promise that the institution may not keep.
        match self.outcome {
            DecisionOutcome::Referral { next_opening }
                if open.len() == self.reasons.len() && !open.is_empty() =>
            {
                OpenOutcome::Referral { next_opening }
            }
            DecisionOutcome::Permit
            | DecisionOutcome::Denial
            | DecisionOutcome::Referral { .. } => OpenOutcome::NotExecuted,
        }
    }
}

#[cfg(test)]
mod tests;
