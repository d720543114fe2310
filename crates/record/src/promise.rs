//! What the core answers: a promise at once; and after a crash, a recovery certificate.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain};
use terms::{BookName, Environment, Epoch, Instant, PaymentId, Position, RunId};

use crate::document::Document;
use crate::fact::Commitment;

/// How long after a promise the leaf must be in a checkpoint that the log signed, in seconds.
pub const INTEGRATE_WITHIN_SECONDS: u64 = 60;

/// A signed confirmation that a fact is durable, and a promise to include its leaf.
///
/// With a later checkpoint that lacks the leaf it convicts the core.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Promise {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The log's origin.
    #[n(2)]
    pub origin: String,
    /// The fact's position, which is the leaf's index.
    #[n(3)]
    pub position: Position,
    /// The fact's commitment.
    #[n(4)]
    pub commitment: Commitment,
    /// The payment.
    #[n(5)]
    pub payment: PaymentId,
    /// The terms that were asked for.
    #[n(6)]
    pub terms: Digest,
    /// How it ended.
    #[n(7)]
    pub outcome: Ending,
    /// Where the fact is durable.
    #[n(8)]
    pub durability: Durability,
    /// The writer's stamp of the fact.
    #[n(9)]
    pub settled_at: Instant,
    /// By when a signed checkpoint must include the leaf.
    #[n(10)]
    pub integrate_by: Instant,
}

impl Document for Promise {
    const DOMAIN: Domain = Domain::new("wayleave/promise/v1");
    const NAME: &'static str = "promise";
}

/// How a payment ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ending {
    /// Both legs and all fees are posted. Final.
    #[n(0)]
    Settled,
    /// Nothing was posted. Final.
    #[n(1)]
    Refused(#[n(0)] String),
}

impl core::fmt::Display for Ending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Settled => f.write_str("settled"),
            Self::Refused(code) => write!(f, "refused: {code}"),
        }
    }
}

/// Where a fact is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Durability {
    /// On one disk, after a sync.
    #[n(0)]
    OneDisk,
    /// On several machines.
    #[n(1)]
    Replicated,
}

/// What a core says of itself after it came back. Itself a fact, so its receipt is cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RecoveryCertificate {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// The book.
    #[n(2)]
    pub book: BookName,
    /// The epoch of this run.
    #[n(3)]
    pub epoch: Epoch,
    /// This run.
    #[n(4)]
    pub run: RunId,
    /// The next free position found: everything below it is there.
    #[n(5)]
    pub head: Position,
    /// Stamp of the last batch found.
    #[n(6)]
    pub last_stamp: Instant,
    /// When this run began to read.
    #[n(7)]
    pub started_at: Instant,
    /// When it served again.
    #[n(8)]
    pub serving_at: Instant,
    /// Bytes of an unfinished batch that were cut; never part of an acknowledged one.
    #[n(9)]
    pub torn_bytes: u64,
    /// Payments that were under way, and how each ended.
    #[n(10)]
    pub resolved: Vec<Resolved>,
    /// Size of the newest checkpoint signed before the crash.
    #[n(11)]
    pub checkpoint_size: u64,
    /// Root of that checkpoint.
    #[n(12)]
    pub checkpoint_root: Digest,
}

impl Document for RecoveryCertificate {
    const DOMAIN: Domain = Domain::new("wayleave/recovery-certificate/v1");
    const NAME: &'static str = "recovery certificate";
}

/// A payment that was under way when the process died.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Resolved {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// What was found and done.
    #[n(1)]
    pub end: ResolvedEnd,
}

/// How a payment that was under way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ResolvedEnd {
    /// It had settled; what was missing in the customers' books was completed.
    #[n(0)]
    Settled,
    /// It had been refused; the payer's hold was released.
    #[n(1)]
    Refused,
    /// It had not reached the settlement book; the payer's hold was released.
    #[n(2)]
    NeverHappened,
}
