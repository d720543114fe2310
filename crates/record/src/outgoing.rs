//! A payment to a payee whose bank takes no part in any of our books: it goes out over a rail.
//!
//! One institution signs: the payer's. The documents and facts say so, and how far proof goes: to
//! what the rail said, never to the payee's account.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use seal::{Digest, Domain, digest, to_canonical};
use terms::{
    AccountId, Amount, BookName, CompanyId, CorridorName, Environment, HoldId, Instant,
    InstitutionName, PaymentId, Position, Uetr,
};

use crate::document::{Document, Signed};
use crate::fact::{EdgeMark, FactKind, HEADING_FIELDS};
use crate::permit::{Basis, LimitClaim};
use crate::rails::{OutsideEvidence, OutsideParty};
use crate::settlement::{BodyError, FactBody, Fields, Identifiers, PaymentEnded};

/// One step of an outgoing payment in the payer's customers' book.
pub const OUTGOING_STEP: FactKind = FactKind { number: 66, version: 1 };
/// An outgoing payment is taken: its money is held in the settlement account. Settlement book.
pub const OUTGOING_TAKEN: FactKind = FactKind { number: 67, version: 1 };
/// How an outgoing payment ended, with the rail's evidence. Settlement book.
pub const OUTGOING_ENDED: FactKind = FactKind { number: 68, version: 1 };

/// Domain of the commitment to who pays whom.
const PARTIES: Domain = Domain::new("wayleave/outgoing-parties/v1");

/// Field of the signed order in [`OUTGOING_ENDED`].
pub const OUTGOING_ORDER_FIELD: u16 = 11;
/// Field of the evidence in [`OUTGOING_ENDED`].
pub const OUTGOING_EVIDENCE_FIELD: u16 = 12;

/// The permit of the payer's institution, alone, for a payment that leaves over a rail. Signed
/// with one of its permit keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutgoingPayment {
    /// Layout version: 2; orders of layout 1 have no `terms` and no `limits`.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// The payment.
    #[n(3)]
    pub payment: PaymentId,
    /// A corridor on which nobody stands for the payee: the pack says so.
    #[n(4)]
    pub corridor: CorridorName,
    /// The payer's institution.
    #[n(5)]
    pub institution: InstitutionName,
    /// The payer.
    #[n(6)]
    pub owner: CompanyId,
    /// The payer's account.
    #[n(7)]
    pub debited_account: AccountId,
    /// What arrives outside; of the asset of the debited account.
    #[n(8)]
    pub amount: Amount,
    /// What the payer's institution takes besides.
    #[n(9)]
    pub fee: Amount,
    /// Commitment to who pays whom ([`OutgoingParties::commitment`]). The order stands in the
    /// settlement book, which holds no names.
    #[n(10)]
    pub parties: Digest,
    /// The unique end-to-end transaction reference.
    #[n(11)]
    pub uetr: Uetr,
    /// The rules that decided.
    #[n(12)]
    pub basis: Basis,
    /// Commitment to the decision record: the payer's consent to exactly this is in it.
    #[n(13)]
    pub record: Digest,
    /// The edge instance and its sequence number for this request.
    #[n(14)]
    pub mark: EdgeMark,
    /// When it was decided.
    #[n(15)]
    pub decided_at: Instant,
    /// It is taken while the writer's stamp is before this.
    #[n(16)]
    pub valid_until: Instant,
    /// Digest of the terms string that the payer's mandate key signed; the decision record names
    /// it, too. Layout 2.
    #[n(17)]
    pub terms: Option<Digest>,
    /// Totals that the settlement book keeps bounded in its own turn, as a permit's. Layout 2.
    #[n(18)]
    pub limits: Option<Vec<LimitClaim>>,
}

/// Who pays whom, as the rail is told. It stands in the payer's bank's own book only; the signed
/// order commits to it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutgoingParties {
    /// Layout version: 2; of layout 1 there is nothing after `identifiers`.
    #[n(0)]
    pub layout: u8,
    /// Makes the commitment mute: names and accounts could be guessed. 32 bytes that are drawn or
    /// derived anew for each payment.
    #[n(1)]
    pub salt: ByteArray<32>,
    /// The payer's legal name: at most 140 characters.
    #[n(2)]
    pub payer_name: String,
    /// Whereto: name, account, bank.
    #[n(3)]
    pub to: OutsideParty,
    /// Where the payee lives.
    #[n(4)]
    pub address: OutsideAddress,
    /// What the rail is told beside our id; its UETR is the order's.
    #[n(5)]
    pub identifiers: Identifiers,
    /// Where the payer lives: goes with a transfer that leaves the payer's own market. Layout 2.
    #[n(6)]
    pub payer_address: Option<OutsideAddress>,
    /// The payer's account, as the rail is told: what goes with a transfer names it. Layout 2.
    #[n(7)]
    pub payer_account: Option<AccountId>,
    /// ISO 20022 purpose code, as the payer agreed to it. Layout 2.
    #[n(8)]
    pub purpose: Option<String>,
}

impl OutgoingParties {
    /// What an order says of them.
    #[must_use]
    pub fn commitment(&self) -> Digest {
        digest(PARTIES, &to_canonical(self))
    }
}

impl Document for OutgoingPayment {
    const DOMAIN: Domain = Domain::new("wayleave/outgoing-payment/v1");
    const NAME: &'static str = "outgoing payment";
}

impl OutgoingPayment {
    /// What leaves the payer's account; `None` when the two differ in asset or overflow.
    #[must_use]
    pub fn debited(&self) -> Option<Amount> {
        self.amount.plus(self.fee).ok()
    }
}

/// A postal address in its parts, as rails ask for it. Town and country are never empty.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct OutsideAddress {
    /// Street, at most 70 characters; empty if there is none.
    #[n(0)]
    pub street: String,
    /// Number of the building, at most 16 characters; empty if there is none.
    #[n(1)]
    pub building: String,
    /// Post code, at most 16 characters; empty if there is none.
    #[n(2)]
    pub post_code: String,
    /// Town, at most 35 characters.
    #[n(3)]
    pub town: String,
    /// Country, two letters.
    #[n(4)]
    pub country: String,
}

/// One step of an outgoing payment in the payer's customers' book.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum OutgoingStep {
    /// The money is held, pinned, before the settlement book is asked.
    #[n(0)]
    Held {
        /// The order, so that recovery can go on.
        #[n(0)]
        order: Box<Signed<OutgoingPayment>>,
        /// Who pays whom: what the order commits to.
        #[n(1)]
        parties: Box<OutgoingParties>,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
    },
    /// The hold is posted: the rail did it.
    #[n(1)]
    Debited {
        /// The payment.
        #[n(0)]
        payment: PaymentId,
        /// Where the settlement book says so.
        #[n(1)]
        settled: Position,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
    },
    /// The hold is released: the rail surely did not.
    #[n(2)]
    Released {
        /// The payment.
        #[n(0)]
        payment: PaymentId,
        /// Where the settlement book says so.
        #[n(1)]
        refused: Position,
        /// The ledger's change.
        #[n(2)]
        change: ByteVec,
    },
}

impl FactBody for OutgoingStep {
    const KIND: FactKind = OUTGOING_STEP;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(self)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}

/// The body of [`OUTGOING_TAKEN`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingTaken {
    /// The order as it was signed.
    pub order: Signed<OutgoingPayment>,
    /// The hold on the institution's settlement account.
    pub hold: HoldId,
    /// The ledger's change.
    pub change: Vec<u8>,
}

impl FactBody for OutgoingTaken {
    const KIND: FactKind = OUTGOING_TAKEN;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.order), to_canonical(&self.hold), self.change.clone()]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        let change = fields.bytes(8)?.to_vec();
        Ok(Self { order: fields.value(6)?, hold: fields.value(7)?, change })
    }
}

/// The body of [`OUTGOING_ENDED`]; in one append with the fact that posts or releases the money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingEnded {
    /// What every ended payment says; the terms digest is that of the order.
    pub ended: PaymentEnded,
    /// The order.
    pub order: Signed<OutgoingPayment>,
    /// How we know: proof ends with it.
    pub evidence: OutsideEvidence,
}

impl FactBody for OutgoingEnded {
    const KIND: FactKind = OUTGOING_ENDED;

    fn fields(&self) -> Vec<Vec<u8>> {
        let mut fields = self.ended.fields();
        fields.extend([to_canonical(&self.order), to_canonical(&self.evidence)]);
        fields
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            ended: PaymentEnded::read(fields)?,
            order: fields.value(OUTGOING_ORDER_FIELD)?,
            evidence: fields.value(OUTGOING_EVIDENCE_FIELD)?,
        })
    }
}
