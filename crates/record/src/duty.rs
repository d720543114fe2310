//! What must still be done because of a decision: opened by one fact, closed by another.
//!
//! Both stand in the institution's own book. The fact that opens a duty is appended with the
//! decision's sealed record, so there is never a record kept whose duties are not; the fact that
//! closes one holds the document that its owner signed. A duty is known by the digest of what
//! opened it: what is closed is exactly what was opened, in this book of this environment.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain, PublicKey, digest, to_canonical};
use terms::{BookName, CorridorName, DecisionId, Environment, Instant, InstitutionName, PaymentId};

use crate::decision::Visibility;
use crate::document::{Document, Signed};
use crate::fact::{FactKind, HEADING_FIELDS};
use crate::settlement::{BodyError, FactBody, Fields};
use crate::trust::Side;

/// A duty is open. Customers' books.
pub const DUTY_OPENED: FactKind = FactKind { number: 93, version: 1 };
/// A duty is done. Customers' books.
pub const DUTY_CLOSED: FactKind = FactKind { number: 94, version: 1 };

/// Duties of one decision: the shipped packs have five rules that make one due at most.
pub const DUTIES_OF_DECISION_MAX: usize = 32;

/// The kind of the duty to seal and keep the evidence of a decision.
pub const EVIDENCE_ESCROW: &str = "evidence-escrow";

/// The kind of duties that are owed to an authority: a report.
pub const REPORT: &str = "report";

const DUTY_ID: Domain = Domain::new("wayleave/duty/v1");

/// What must be done, by whom, until when.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DutyOpened {
    /// Where the decision was made.
    #[n(0)]
    pub environment: Environment,
    /// The settlement book that the payment is for.
    #[n(1)]
    pub book: BookName,
    /// Whose duty it is.
    #[n(2)]
    pub institution: InstitutionName,
    /// The corridor.
    #[n(3)]
    pub corridor: CorridorName,
    /// The payment that was decided.
    #[n(4)]
    pub payment: PaymentId,
    /// On which side.
    #[n(5)]
    pub side: Side,
    /// The decision.
    #[n(6)]
    pub decision: DecisionId,
    /// The pack's rule that makes it due.
    #[n(7)]
    pub rule: String,
    /// Its kind: `travel-rule`, `review`, `report`, `evidence-escrow`.
    #[n(8)]
    pub kind: String,
    /// Who does it: `edge`, `compliance`.
    #[n(9)]
    pub owner: String,
    /// Whose key closes it.
    #[n(10)]
    pub closer: PublicKey,
    /// Whether payer and payee may know of it.
    #[n(11)]
    pub visibility: Visibility,
    /// When it was decided.
    #[n(12)]
    pub opened_at: Instant,
    /// Until when it must be done.
    #[n(13)]
    pub due_at: Instant,
}

impl DutyOpened {
    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> Digest {
        digest(DUTY_ID, &to_canonical(self))
    }
}

impl FactBody for DutyOpened {
    const KIND: FactKind = DUTY_OPENED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(self)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}

/// The owner's word that a duty is done.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DutyClosing {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book that the payment is for.
    #[n(2)]
    pub book: BookName,
    /// Whose duty it was.
    #[n(3)]
    pub institution: InstitutionName,
    /// Which duty.
    #[n(4)]
    pub duty: Digest,
    /// The digest of what shows that it is done.
    #[n(5)]
    pub evidence: Digest,
    /// When it was done, by the owner's word.
    #[n(6)]
    pub closed_at: Instant,
}

impl Document for DutyClosing {
    const DOMAIN: Domain = Domain::new("wayleave/duty-closing/v1");
    const NAME: &'static str = "duty closing";
}

/// A duty is done, in its owner's word.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DutyClosed {
    /// The word.
    #[n(0)]
    pub closing: Signed<DutyClosing>,
}

impl FactBody for DutyClosed {
    const KIND: FactKind = DUTY_CLOSED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(self)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}

/// The duties of one decision, on their way with its record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DutyNotice {
    /// All that became due, those done already among them.
    #[n(0)]
    pub opened: Vec<DutyOpened>,
    /// Those that were done before the answer left.
    #[n(1)]
    pub closed: Vec<Signed<DutyClosing>>,
}
