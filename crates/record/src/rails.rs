//! Transfers over rails outside of our books: what a participant asks for, and the facts of it.
//!
//! Kinds 20 to 25 of the settlement book; the table is `docs/formats/facts.md`. The order of the
//! facts is the order of what may be lost: held, then intended and pinned in one fact, and only
//! then is the rail called.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain, digest, to_canonical};
use terms::{
    Amount, BookName, Environment, HoldId, Instant, InstitutionName, OutsideId, Position, RailName,
};

use crate::document::{Document, Signed};
use crate::fact::FactKind;
use crate::settlement::{BodyError, FactBody, Fields};

/// A participant's order, with its money held. Settlement book.
pub const OUTSIDE_HELD: FactKind = FactKind { number: 20, version: 1 };
/// About to be sent: rail, message id, and the hold pinned. Settlement book.
pub const SEND_INTENDED: FactKind = FactKind { number: 21, version: 1 };
/// What was heard of it that moves no money. Settlement book.
pub const OUTSIDE_HEARD: FactKind = FactKind { number: 22, version: 1 };
/// The rail did it: the hold is posted. Settlement book.
pub const OUTSIDE_POSTED: FactKind = FactKind { number: 23, version: 1 };
/// The rail surely did not: the hold is released. Settlement book.
pub const OUTSIDE_RELEASED: FactKind = FactKind { number: 24, version: 1 };
/// A person's act on a stuck one. Settlement book.
pub const STUCK_RESOLVED: FactKind = FactKind { number: 25, version: 1 };

/// Domain of what is given as evidence when a pinned hold is released.
const EVIDENCE: Domain = Domain::new("wayleave/outside-evidence/v1");

/// A participant's order to pay prefunded money out, signed with one of its permit keys (a
/// provider's: one of its quote keys).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Withdrawal {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is meant.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// Its id, chosen by the participant and stored before it is sent.
    #[n(3)]
    pub id: OutsideId,
    /// Whose settlement account is debited.
    #[n(4)]
    pub participant: InstitutionName,
    /// How much, of which asset.
    #[n(5)]
    pub amount: Amount,
    /// Whereto.
    #[n(6)]
    pub to: OutsideParty,
    /// The participant's own reference (`EndToEndId`), at most 35 characters.
    #[n(7)]
    pub reference: String,
    /// Not taken from this moment on.
    #[n(8)]
    pub valid_until: Instant,
}

impl Document for Withdrawal {
    const DOMAIN: Domain = Domain::new("wayleave/withdrawal/v1");
    const NAME: &'static str = "withdrawal";
}

/// An account outside of our books.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutsideParty {
    /// Whose account, at most 140 characters.
    #[n(0)]
    pub name: String,
    /// Its IBAN, or another number of at most 34 characters.
    #[n(1)]
    pub account: String,
    /// The BIC of the bank that keeps it.
    #[n(2)]
    pub bic: String,
}

/// A person's act on a transfer that is stuck, signed by the operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StuckAct {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is meant.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// Which transfer.
    #[n(3)]
    pub id: OutsideId,
    /// The position at which it became stuck: an act counts for what its person saw.
    #[n(4)]
    pub stuck_at: Position,
    /// What was found out.
    #[n(5)]
    pub decision: StuckDecision,
    /// Why: what the person saw, and where.
    #[n(6)]
    pub reason: String,
    /// Who.
    #[n(7)]
    pub by: String,
}

impl Document for StuckAct {
    const DOMAIN: Domain = Domain::new("wayleave/stuck-act/v1");
    const NAME: &'static str = "act on a stuck transfer";
}

/// What a person found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StuckDecision {
    /// The rail did it: the hold is posted.
    #[n(0)]
    Done,
    /// The rail surely did not and will not: the hold is released.
    #[n(1)]
    NotDone,
    /// Nobody knows yet: the rail is asked again.
    #[n(2)]
    AskAgain,
}

/// How we know what became of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum OutsideEvidence {
    /// A message of the rail, which is kept.
    #[n(0)]
    Message {
        /// SHA-256 of its bytes.
        #[n(0)]
        digest: Digest,
        /// Its own id.
        #[n(1)]
        message_id: String,
        /// Which message: `pacs.002`, `pacs.004`, `camt.029`.
        #[n(2)]
        kind: String,
        /// Its status code, such as `ACSC`.
        #[n(3)]
        code: String,
        /// Its reason code, empty if none.
        #[n(4)]
        reason: String,
    },
    /// A booked debit line of the outside account, by its reference.
    #[n(1)]
    Line(#[n(0)] String),
    /// A person's act, by its digest.
    #[n(2)]
    Act(#[n(0)] Digest),
    /// It was never handed to the rail: every try was surely not done, in these words.
    #[n(3)]
    NeverSent(#[n(0)] String),
    /// It was held and never intended, for this reason.
    #[n(4)]
    Lapsed(#[n(0)] String),
}

impl OutsideEvidence {
    /// The digest that stands in the ledger's own evidence.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(EVIDENCE, &to_canonical(self))
    }
}

/// What was heard of a transfer that moves no money.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum OutsideNote {
    /// The rail has it; its status code, empty while it gave none.
    #[n(0)]
    Sent(#[n(0)] String),
    /// Nobody knows whether the rail has it.
    #[n(1)]
    InDoubt(#[n(0)] String),
    /// A person must look, for this reason.
    #[n(2)]
    Stuck(#[n(0)] String),
    /// What was posted comes back; the money follows with a booked credit line.
    #[n(3)]
    Returned(#[n(0)] OutsideEvidence),
    /// Something was heard that does not fit how the transfer ended. A person must look.
    #[n(4)]
    Contradicted(#[n(0)] OutsideEvidence),
    /// The debit line of a posted transfer was booked: it is not in transit any more.
    #[n(5)]
    LineBooked(#[n(0)] String),
}

/// The body of [`OUTSIDE_HELD`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideHeld {
    /// The order as it was signed.
    pub order: Signed<Withdrawal>,
    /// The hold.
    pub hold: HoldId,
    /// The ledger's change.
    pub change: Vec<u8>,
}

impl FactBody for OutsideHeld {
    const KIND: FactKind = OUTSIDE_HELD;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.order), to_canonical(&self.hold), self.change.clone()]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        let change = fields.bytes(8)?.to_vec();
        Ok(Self { order: fields.value(6)?, hold: fields.value(7)?, change })
    }
}

/// The body of [`SEND_INTENDED`]: only when it is durable may the rail be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendIntended {
    /// Which transfer.
    pub id: OutsideId,
    /// Over which rail.
    pub rail: RailName,
    /// Under which message id.
    pub message_id: String,
    /// The ledger's change: the hold is pinned.
    pub change: Vec<u8>,
}

impl FactBody for SendIntended {
    const KIND: FactKind = SEND_INTENDED;

    fn fields(&self) -> Vec<Vec<u8>> {
        let (rail, message_id) = (to_canonical(&self.rail), to_canonical(&self.message_id));
        vec![to_canonical(&self.id), rail, message_id, self.change.clone()]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        let (rail, message_id) = (fields.value(7)?, fields.value(8)?);
        Ok(Self { id: fields.value(6)?, rail, message_id, change: fields.bytes(9)?.to_vec() })
    }
}

/// The body of [`OUTSIDE_HEARD`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideHeard {
    /// Which transfer.
    pub id: OutsideId,
    /// What was heard.
    pub note: OutsideNote,
}

impl FactBody for OutsideHeard {
    const KIND: FactKind = OUTSIDE_HEARD;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.id), to_canonical(&self.note)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { id: fields.value(6)?, note: fields.value(7)? })
    }
}

/// The body of [`OUTSIDE_POSTED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsidePosted {
    /// Which transfer.
    pub id: OutsideId,
    /// How we know that the rail did it.
    pub evidence: OutsideEvidence,
    /// The ledger's change.
    pub change: Vec<u8>,
}

impl FactBody for OutsidePosted {
    const KIND: FactKind = OUTSIDE_POSTED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.id), to_canonical(&self.evidence), self.change.clone()]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        let change = fields.bytes(8)?.to_vec();
        Ok(Self { id: fields.value(6)?, evidence: fields.value(7)?, change })
    }
}

/// The body of [`OUTSIDE_RELEASED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideReleased {
    /// Which transfer.
    pub id: OutsideId,
    /// How we know that the rail surely did not.
    pub evidence: OutsideEvidence,
    /// The ledger's change.
    pub change: Vec<u8>,
}

impl FactBody for OutsideReleased {
    const KIND: FactKind = OUTSIDE_RELEASED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.id), to_canonical(&self.evidence), self.change.clone()]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        let change = fields.bytes(8)?.to_vec();
        Ok(Self { id: fields.value(6)?, evidence: fields.value(7)?, change })
    }
}

/// The body of [`STUCK_RESOLVED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckResolved {
    /// The person's act as it was signed.
    pub act: Signed<StuckAct>,
    /// The ledger's change; empty when the rail is to be asked again.
    pub change: Vec<u8>,
}

impl FactBody for StuckResolved {
    const KIND: FactKind = STUCK_RESOLVED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.act), self.change.clone()]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { act: fields.value(6)?, change: fields.bytes(7)?.to_vec() })
    }
}
