//! What a recovery drill came to: a fault that was made on purpose, under load, and what became of
//! everything that was acknowledged.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain};
use terms::{BookName, Environment, Instant, PaymentId, Position};

use crate::document::Document;

/// How many payments in doubt a report names. A drill's load is small: beyond it only the count
/// is kept.
pub const IN_DOUBT_MAX: usize = 1_024;

/// The report of one drill, signed by the operator. A fact of the settlement book; its receipt
/// brings it under a checkpoint that the witnesses cosigned.
///
/// Instants are of the clock of whoever ran the drill. Positions are of the settlement book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DrillReport {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it was run.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book under load.
    #[n(2)]
    pub book: BookName,
    /// Which drill: a name of the catalogue, such as `core-kill`.
    #[n(3)]
    pub drill: String,
    /// What was expected to happen, in words.
    #[n(4)]
    pub hypothesis: String,
    /// Decides the load and the moments, as far as a seed can.
    #[n(5)]
    pub seed: u64,
    /// Which build was under test.
    #[n(6)]
    pub build: String,
    /// When the load began.
    #[n(7)]
    pub started_at: Instant,
    /// What was measured of the fault.
    #[n(8)]
    pub times: DrillTimes,
    /// What became of the load.
    #[n(9)]
    pub counts: DrillCounts,
    /// The last position that was acknowledged before the load ended.
    #[n(10)]
    pub last_acknowledged: Position,
    /// The next free position before the fault.
    #[n(11)]
    pub head_before: Position,
    /// The next free position after the load.
    #[n(12)]
    pub head_after: Position,
    /// Payments whose outcome the client was not told, and how each ended. At most
    /// [`IN_DOUBT_MAX`].
    #[n(13)]
    pub in_doubt: Vec<InDoubt>,
    /// How it went.
    #[n(14)]
    pub verdict: DrillVerdict,
    /// Size of the newest checkpoint before the fault.
    #[n(15)]
    pub checkpoint_size: u64,
    /// Root of that checkpoint.
    #[n(16)]
    pub checkpoint_root: Digest,
}

impl Document for DrillReport {
    const DOMAIN: Domain = Domain::new("wayleave/drill-report/v1");
    const NAME: &'static str = "drill report";
}

/// When what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DrillTimes {
    /// The fault was made.
    #[n(0)]
    pub injected_at: Instant,
    /// The first sign of it: a request that failed, or a role that said it is not ready.
    #[n(1)]
    pub detected_at: Option<Instant>,
    /// The fault was taken away: the process started again, the link mended.
    #[n(2)]
    pub healed_at: Option<Instant>,
    /// The first payment acknowledged after the last sign.
    #[n(3)]
    pub recovered_at: Option<Instant>,
}

/// What became of the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DrillCounts {
    /// Payments that were tried.
    #[n(0)]
    pub orders: u32,
    /// Payments that were promised to be settled.
    #[n(1)]
    pub acknowledged: u32,
    /// Of those, how many the journal holds at the promised position with the promised commitment.
    #[n(2)]
    pub found: u32,
    /// Of those, how many it does not: what was lost.
    #[n(3)]
    pub lost: u32,
    /// Payments without an answer, whatever became of them.
    #[n(4)]
    pub in_doubt: u32,
    /// Requests that failed and were sent again.
    #[n(5)]
    pub failed_tries: u32,
}

/// A payment whose outcome the client was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct InDoubt {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// What asking by its id brought.
    #[n(1)]
    pub end: InDoubtEnd,
}

/// How a payment in doubt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum InDoubtEnd {
    /// It settled.
    #[n(0)]
    Settled,
    /// It was refused, and nothing moved.
    #[n(1)]
    Refused,
    /// It never reached the settlement book, and nothing is held.
    #[n(2)]
    NeverHappened,
}

/// How a drill went.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DrillVerdict {
    /// What was expected happened.
    #[n(0)]
    Held,
    /// Something else happened: what.
    #[n(1)]
    Refuted(#[n(0)] String),
    /// A guard rail broke and the fault was taken away at once: which.
    #[n(2)]
    Aborted(#[n(0)] String),
}

impl core::fmt::Display for DrillVerdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Held => f.write_str("held"),
            Self::Refuted(why) => write!(f, "refuted: {why}"),
            Self::Aborted(why) => write!(f, "aborted: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_form_is_fixed() {
        let report = DrillReport {
            layout: 1,
            environment: "sandbox".parse().unwrap(),
            book: "settlement".parse().unwrap(),
            drill: "core-kill".into(),
            hypothesis: "h".into(),
            seed: 7,
            build: "b".into(),
            started_at: Instant::from_seconds(1),
            times: DrillTimes {
                injected_at: Instant::from_seconds(2),
                detected_at: Some(Instant::from_seconds(3)),
                healed_at: None,
                recovered_at: Some(Instant::from_seconds(4)),
            },
            counts: DrillCounts {
                orders: 5,
                acknowledged: 4,
                found: 4,
                lost: 0,
                in_doubt: 1,
                failed_tries: 2,
            },
            last_acknowledged: Position::new(8),
            head_before: Position::new(3),
            head_after: Position::new(9),
            in_doubt: vec![InDoubt {
                payment: PaymentId::from_bytes([1; 16]),
                end: InDoubtEnd::NeverHappened,
            }],
            verdict: DrillVerdict::Refuted("r".into()),
            checkpoint_size: 3,
            checkpoint_root: Digest::ZERO,
        };
        let bytes = seal::to_canonical(&report);
        assert_eq!(seal::from_canonical::<DrillReport>(&bytes).unwrap(), report);
        let golden = include_str!("../tests/golden/drill_report.txt").trim();
        assert_eq!(seal::text::to_hex(&bytes), golden);
    }
}
