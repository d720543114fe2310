//! Acts of the operator's persons: what they sign, and the facts of it.
//!
//! Kinds 52 to 55 of the settlement book and 56 of the customers' books; the table is
//! `docs/formats/facts.md`. An act is proposed by one person and, where its kind asks for it,
//! approved by another: each signs with a key of their own.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{Digest, Domain, to_canonical};
use terms::{
    AccountId, ActId, AssetCode, BookName, CorridorName, Environment, Instant, InstitutionName,
    Minor, Position,
};

use crate::document::{Document, Signed};
use crate::fact::{FactKind, HEADING_FIELDS};
use crate::settlement::{BodyError, FactBody, Fields};

/// An act was proposed; with one key asked for, it is decided by that. Settlement book.
pub const ACT_PROPOSED: FactKind = FactKind { number: 52, version: 1 };
/// An act was approved, rejected or withdrawn. Settlement book.
pub const ACT_DECIDED: FactKind = FactKind { number: 53, version: 1 };
/// An act that sets something took effect. Settlement book.
pub const ACT_TOOK_EFFECT: FactKind = FactKind { number: 54, version: 1 };
/// An act could not take effect when its moment came. Settlement book.
pub const ACT_FELL_THROUGH: FactKind = FactKind { number: 55, version: 1 };
/// A customer's account is frozen or thawed as the operator's acts say. Customers' books.
pub const ACCOUNT_RESTRICTED: FactKind = FactKind { number: 56, version: 1 };

/// What one person asks to be done, signed with that person's key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Act {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is meant.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// Its id, chosen by the person and stored before it is sent.
    #[n(3)]
    pub id: ActId,
    /// What is to be done.
    #[n(4)]
    pub what: ActKind,
    /// Why, for whoever reads the journal later.
    #[n(5)]
    pub reason: String,
    /// In effect from this moment on, or from its decision when that is later.
    #[n(6)]
    pub from: Instant,
    /// Over from this moment on: of suspensions and freezes only.
    #[n(7)]
    pub until: Option<Instant>,
    /// Not to be approved from this moment on.
    #[n(8)]
    pub decide_by: Instant,
}

impl Document for Act {
    const DOMAIN: Domain = Domain::new("wayleave/act/v1");
    const NAME: &'static str = "act";
}

/// What an act does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ActKind {
    /// No new payment, return, withdrawal or release touches it: the kill switch.
    #[n(0)]
    Suspend(#[n(0)] Subject),
    /// Ends every suspension of it that was known when this was proposed.
    #[n(1)]
    Resume(#[n(0)] Subject),
    /// An account takes no new entries on these sides.
    #[n(2)]
    Freeze(#[n(0)] ActAccount, #[n(1)] Stop),
    /// Ends every freeze of it that was known when this was proposed.
    #[n(3)]
    Thaw(#[n(0)] ActAccount),
    /// Below this available balance of a settlement account an alert rises; nothing is refused.
    #[n(4)]
    SetLowWater(#[n(0)] InstitutionName, #[n(1)] AssetCode, #[n(2)] Minor),
    /// How far a settlement account's balance may fall and rise.
    #[n(5)]
    SetLimits(#[n(0)] InstitutionName, #[n(1)] AssetCode, #[n(2)] AccountLimits),
}

impl ActKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspend(_) => "suspend",
            Self::Resume(_) => "resume",
            Self::Freeze(..) => "freeze",
            Self::Thaw(_) => "thaw",
            Self::SetLowWater(..) => "low-water",
            Self::SetLimits(..) => "limits",
        }
    }

    /// Whether it only ever stops something.
    #[must_use]
    pub const fn stops(self) -> bool {
        matches!(self, Self::Suspend(_) | Self::Freeze(..))
    }
}

/// What can be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Subject {
    /// An institution or a provider.
    #[n(0)]
    Participant(#[n(0)] InstitutionName),
    /// A corridor.
    #[n(1)]
    Corridor(#[n(0)] CorridorName),
    /// An asset.
    #[n(2)]
    Asset(#[n(0)] AssetCode),
}

impl core::fmt::Display for Subject {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Participant(name) => write!(f, "participant {name}"),
            Self::Corridor(name) => write!(f, "corridor {name}"),
            Self::Asset(asset) => write!(f, "asset {asset}"),
        }
    }
}

/// An account that an act is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum ActAccount {
    /// A participant's settlement account of an asset.
    #[n(0)]
    Settlement(#[n(0)] InstitutionName, #[n(1)] AssetCode),
    /// A customer's account in its institution's book.
    #[n(1)]
    Customer(#[n(0)] InstitutionName, #[n(1)] AccountId),
}

impl core::fmt::Display for ActAccount {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Settlement(of, asset) => write!(f, "settlement account of {of} in {asset}"),
            Self::Customer(of, account) => write!(f, "account {account} at {of}"),
        }
    }
}

/// Which new entries a frozen account does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Stop {
    /// Debits.
    #[n(0)]
    Debits,
    /// Credits.
    #[n(1)]
    Credits,
    /// Both.
    #[n(2)]
    Both,
}

impl Stop {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debits => "debits",
            Self::Credits => "credits",
            Self::Both => "both",
        }
    }

    /// What two freezes stop together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }
}

/// How far a balance may fall and rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AccountLimits {
    /// Below nothing by at most this much; nothing: never.
    #[n(0)]
    pub overdraft: Minor,
    /// At most this much, if it is bounded.
    #[n(1)]
    pub ceiling: Option<Minor>,
}

/// What another person says to an act, signed with that person's key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ActDecision {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is meant.
    #[n(1)]
    pub environment: Environment,
    /// The settlement book.
    #[n(2)]
    pub book: BookName,
    /// Which act.
    #[n(3)]
    pub act: ActId,
    /// The digest of the act as this person read it.
    #[n(4)]
    pub digest: Digest,
    /// What is said.
    #[n(5)]
    pub verdict: ActVerdict,
    /// Why.
    #[n(6)]
    pub reason: String,
}

impl Document for ActDecision {
    const DOMAIN: Domain = Domain::new("wayleave/act-decision/v1");
    const NAME: &'static str = "decision on an act";
}

/// What is said of a proposed act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ActVerdict {
    /// Let it be done.
    #[n(0)]
    Approved,
    /// Let it not be done.
    #[n(1)]
    Rejected,
    /// Its maker takes it back.
    #[n(2)]
    Withdrawn,
}

impl ActVerdict {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The body of [`ACT_PROPOSED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActProposed {
    /// The act as it was signed.
    pub act: Signed<Act>,
    /// Whose key signed, by the operator's configuration.
    pub by: String,
    /// How many persons' keys it asks for: 1 or 2.
    pub keys: u8,
}

impl FactBody for ActProposed {
    const KIND: FactKind = ACT_PROPOSED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.act), to_canonical(&self.by), to_canonical(&self.keys)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { act: fields.value(6)?, by: fields.value(7)?, keys: fields.value(8)? })
    }
}

/// The body of [`ACT_DECIDED`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActDecided {
    /// The decision as it was signed.
    pub decision: Signed<ActDecision>,
    /// Whose key signed, by the operator's configuration.
    pub by: String,
}

impl FactBody for ActDecided {
    const KIND: FactKind = ACT_DECIDED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.decision), to_canonical(&self.by)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { decision: fields.value(6)?, by: fields.value(7)? })
    }
}

/// The body of [`ACT_TOOK_EFFECT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActTookEffect {
    /// Which act.
    pub act: ActId,
    /// The ledger's change; empty where only a mark is set.
    pub change: Vec<u8>,
}

impl FactBody for ActTookEffect {
    const KIND: FactKind = ACT_TOOK_EFFECT;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.act), self.change.clone()]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { act: fields.value(6)?, change: fields.bytes(7)?.to_vec() })
    }
}

/// The body of [`ACT_FELL_THROUGH`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActFellThrough {
    /// Which act.
    pub act: ActId,
    /// The rule that refuses.
    pub rule: String,
    /// What was expected and what was there.
    pub detail: String,
}

impl FactBody for ActFellThrough {
    const KIND: FactKind = ACT_FELL_THROUGH;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(&self.act), to_canonical(&self.rule), to_canonical(&self.detail)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        Ok(Self { act: fields.value(6)?, rule: fields.value(7)?, detail: fields.value(8)? })
    }
}

/// The body of [`ACCOUNT_RESTRICTED`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AccountRestricted {
    /// The newest act about the account.
    #[n(0)]
    pub act: ActId,
    /// Where the settlement book has that act.
    #[n(1)]
    pub ordered_at: Position,
    /// The account.
    #[n(2)]
    pub account: AccountId,
    /// What it does not take from now on; `None`: it takes everything again.
    #[n(3)]
    pub stop: Option<Stop>,
    /// The ledger's change.
    #[n(4)]
    pub change: ByteVec,
}

impl FactBody for AccountRestricted {
    const KIND: FactKind = ACCOUNT_RESTRICTED;

    fn fields(&self) -> Vec<Vec<u8>> {
        vec![to_canonical(self)]
    }

    fn read(fields: &Fields<'_>) -> Result<Self, BodyError> {
        fields.value(HEADING_FIELDS)
    }
}
