//! The travel rule between two institutions: a message about payer and payee, and its receipt.
//!
//! The message holds an IVMS101 payload and is sealed to the institution that receives it; who
//! answers with a receipt has opened it and found it true to the party statement. Permits name
//! both by digest only, so the settlement book learns nothing of what they say.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{Digest, Domain, Salt};
use terms::{BookName, CorridorName, Environment, Instant, InstitutionName, PaymentId};

use crate::document::Document;
use crate::trust::Side;

/// The kind of duty that such a message fulfils, as packs name it.
pub const TRAVEL_RULE: &str = "travel-rule";

/// Domain of the sealed form; what it is about is the payment id.
pub const SEALED_TRAVEL: Domain = Domain::new("wayleave/sealed-travel-message/v1");

/// What the payer's institution tells the payee's of both, because a law asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TravelMessage {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book that the payment is for.
    #[n(2)]
    pub book: BookName,
    /// The corridor.
    #[n(3)]
    pub corridor: CorridorName,
    /// The payment it is about.
    #[n(4)]
    pub payment: PaymentId,
    /// The digest of its terms.
    #[n(5)]
    pub terms: Digest,
    /// Which side tells: the debtor's.
    #[n(6)]
    pub side: Side,
    /// Who tells.
    #[n(7)]
    pub from: InstitutionName,
    /// Whom.
    #[n(8)]
    pub to: InstitutionName,
    /// The party statement that it must be true to.
    #[n(9)]
    pub statement: Digest,
    /// 16 random bytes, so that the digest tells nothing of the content.
    #[n(10)]
    pub blind: Salt,
    /// The IVMS101 payload, in its one written form.
    #[n(11)]
    pub payload: ByteVec,
    /// When it was told.
    #[n(12)]
    pub told_at: Instant,
}

impl Document for TravelMessage {
    const DOMAIN: Domain = Domain::new("wayleave/travel-message/v1");
    const NAME: &'static str = "travel message";
}

/// The payee's institution opened a message and found it complete and true to the statement.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TravelReceipt {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book that the payment is for.
    #[n(2)]
    pub book: BookName,
    /// The corridor.
    #[n(3)]
    pub corridor: CorridorName,
    /// The payment it is about.
    #[n(4)]
    pub payment: PaymentId,
    /// Which side received: the creditor's.
    #[n(5)]
    pub side: Side,
    /// Who received.
    #[n(6)]
    pub from: InstitutionName,
    /// Who had told.
    #[n(7)]
    pub to: InstitutionName,
    /// The digest of the message.
    #[n(8)]
    pub message: Digest,
    /// When it was received.
    #[n(9)]
    pub received_at: Instant,
}

impl Document for TravelReceipt {
    const DOMAIN: Domain = Domain::new("wayleave/travel-receipt/v1");
    const NAME: &'static str = "travel receipt";
}

/// What travelled, as permits name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TravelMark {
    /// The digest of the message.
    #[n(0)]
    pub message: Digest,
    /// The digest of its receipt.
    #[n(1)]
    pub receipt: Digest,
}
