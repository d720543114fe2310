//! What one side's institution allows, or refuses, signed.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain, KeyId};
use terms::{Amount, CompanyId, CorridorName, Environment, Instant, InstitutionName, PaymentId};

use crate::document::Document;
use crate::fact::EdgeMark;
use crate::travel::TravelMark;
use crate::trust::Side;

/// The longest a permit may live after its decision, in seconds.
pub const PERMIT_SECONDS_MAX: u64 = 60;

/// What is done with money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Action {
    /// A first payment.
    #[n(0)]
    Pay,
    /// The payee bank's linked payment back.
    #[n(1)]
    Return,
    /// A linked new payment that the payee authorises.
    #[n(2)]
    Refund,
}

impl Action {
    /// The word used in terms and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Return => "return",
            Self::Refund => "refund",
        }
    }
}

/// One side's permission for one payment: a *wayleave*. The writer checks every field.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Permit {
    /// Layout version: 1, or 2 where it names what travelled.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The corridor.
    #[n(2)]
    pub corridor: CorridorName,
    /// What may be done.
    #[n(3)]
    pub action: Action,
    /// For which side.
    #[n(4)]
    pub side: Side,
    /// Who allows.
    #[n(5)]
    pub institution: InstitutionName,
    /// Which payment.
    #[n(6)]
    pub payment: PaymentId,
    /// On exactly these terms.
    #[n(7)]
    pub terms: Digest,
    /// The company whose account it is: the debtor's on the debtor side, else the creditor's.
    #[n(8)]
    pub owner: CompanyId,
    /// The rules that decided.
    #[n(9)]
    pub basis: Basis,
    /// Digest of the statement sent to the other side.
    #[n(10)]
    pub statement_sent: Digest,
    /// Digest of the statement received from the other side.
    #[n(11)]
    pub statement_received: Digest,
    /// Digest of the creditor institution's acceptance; creditor side only.
    #[n(12)]
    pub acceptance: Option<Digest>,
    /// Issuers relied on, with the key that signed.
    #[n(13)]
    pub relied_on: Vec<ReliedOn>,
    /// The edge instance and its sequence number for this request.
    #[n(14)]
    pub mark: EdgeMark,
    /// Duties that come with it.
    #[n(15)]
    pub duties: Vec<DutyClaim>,
    /// Totals that the writer must keep bounded.
    #[n(16)]
    pub limits: Vec<LimitClaim>,
    /// Commitment to the decision record.
    #[n(17)]
    pub record: Digest,
    /// When it was decided.
    #[n(18)]
    pub decided_at: Instant,
    /// It holds while the writer's stamp is before this.
    #[n(19)]
    pub valid_until: Instant,
    /// What travelled between the two institutions by the travel rule; layout 2 only.
    #[n(20)]
    pub travel: Option<TravelMark>,
}

impl Permit {
    /// The layout of a permit with this mark.
    #[must_use]
    pub const fn layout_of(travel: Option<TravelMark>) -> u8 {
        if travel.is_some() { 2 } else { 1 }
    }
}

impl Document for Permit {
    const DOMAIN: Domain = Domain::new("wayleave/permit/v1");
    const NAME: &'static str = "permit";
}

/// What a decision was based on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Basis {
    /// Digest of the pack.
    #[n(0)]
    pub pack: Digest,
    /// Digest of its schema.
    #[n(1)]
    pub schema: Digest,
    /// Version of the findings layer.
    #[n(2)]
    pub findings_layer: u32,
    /// Digest of the snapshot of lists.
    #[n(3)]
    pub snapshot: Digest,
}

/// An issuer whose signature was relied on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReliedOn {
    /// The issuer's identifier.
    #[n(0)]
    pub issuer: String,
    /// The `kid` of its key.
    #[n(1)]
    pub kid: String,
}

/// A duty that comes with a permission.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DutyClaim {
    /// Its kind, such as `travel-rule`.
    #[n(0)]
    pub kind: String,
    /// Until when it must be closed.
    #[n(1)]
    pub due_at: Instant,
}

/// A total that the writer keeps bounded in its own turn.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LimitClaim {
    /// What is counted, such as `mandate:…`. Hashed where it would name a person.
    #[n(0)]
    pub key: String,
    /// The most that may be counted in the period, with its asset.
    #[n(1)]
    pub amount: Amount,
    /// The period.
    #[n(2)]
    pub period: LimitPeriod,
}

/// The period of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum LimitPeriod {
    /// One business day of the book.
    #[n(0)]
    BusinessDay,
    /// One calendar month of the book's business dates.
    #[n(1)]
    Month,
}

/// One side's refusal, in the same breath as a permit: it becomes a fact with a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Refusal {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is worth something.
    #[n(1)]
    pub environment: Environment,
    /// The corridor.
    #[n(2)]
    pub corridor: CorridorName,
    /// Which side refuses.
    #[n(3)]
    pub side: Side,
    /// Who refuses.
    #[n(4)]
    pub institution: InstitutionName,
    /// Which payment.
    #[n(5)]
    pub payment: PaymentId,
    /// The terms that were asked for.
    #[n(6)]
    pub terms: Digest,
    /// The open reason, or the one neutral code for every restricted one.
    #[n(7)]
    pub code: String,
    /// Commitment to the decision record, which holds the restricted part.
    #[n(8)]
    pub record: Digest,
    /// The edge instance and its sequence number for this request.
    #[n(9)]
    pub mark: EdgeMark,
    /// When it was decided.
    #[n(10)]
    pub decided_at: Instant,
}

impl Document for Refusal {
    const DOMAIN: Domain = Domain::new("wayleave/refusal/v1");
    const NAME: &'static str = "refusal";
}

/// The one code that the customer sees for every restricted outcome.
pub const NEUTRAL_CODE: &str = "NotAccepted";

/// The lists that decisions may rest on, named by one digest.
///
/// An institution publishes one whenever a list changes; the settlement book records it, and
/// from then on a permit on an older one is refused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Snapshot {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// Whose snapshot it is.
    #[n(2)]
    pub institution: InstitutionName,
    /// Rises with every edition.
    #[n(3)]
    pub version: u64,
    /// The lists.
    #[n(4)]
    pub lists: Vec<ListedVersion>,
    /// When it was taken.
    #[n(5)]
    pub taken_at: Instant,
    /// It may be relied on while the writer's stamp is before this: the earliest `next_update`.
    #[n(6)]
    pub valid_until: Instant,
}

impl Document for Snapshot {
    const DOMAIN: Domain = Domain::new("wayleave/snapshot/v1");
    const NAME: &'static str = "snapshot";
}

/// One list of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ListedVersion {
    /// Its name, such as `trust:NL` or `sanctions`.
    #[n(0)]
    pub name: String,
    /// Its version.
    #[n(1)]
    pub version: u64,
    /// The digest of its bytes.
    #[n(2)]
    pub digest: Digest,
}

/// A policy pack put in force, or retired, for one institution's side of a corridor.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PackNotice {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// Whose pack it is.
    #[n(2)]
    pub institution: InstitutionName,
    /// The corridor.
    #[n(3)]
    pub corridor: CorridorName,
    /// The side.
    #[n(4)]
    pub side: Side,
    /// Digest of the pack.
    #[n(5)]
    pub pack: Digest,
    /// Digest of its schema.
    #[n(6)]
    pub schema: Digest,
    /// In force, or not any more.
    #[n(7)]
    pub standing: PackStanding,
}

/// Whether a pack may decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PackStanding {
    /// Permits under it are accepted.
    #[n(0)]
    InForce,
    /// Permits under it are refused.
    #[n(1)]
    Retired,
}

impl Document for PackNotice {
    const DOMAIN: Domain = Domain::new("wayleave/pack-notice/v1");
    const NAME: &'static str = "pack notice";
}

/// An edge instance joins or leaves; its sequence begins or ends with the fact.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct EdgeNotice {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// Whose edge it is.
    #[n(2)]
    pub institution: InstitutionName,
    /// The instance and its next sequence number.
    #[n(3)]
    pub mark: EdgeMark,
    /// The key that signs this instance's permits.
    #[n(4)]
    pub key: KeyId,
}

impl Document for EdgeNotice {
    const DOMAIN: Domain = Domain::new("wayleave/edge-notice/v1");
    const NAME: &'static str = "edge notice";
}
