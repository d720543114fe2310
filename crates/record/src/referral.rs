//! Cases of the referral queue: what a person decides about a payment that the rules referred.
//!
//! A [`ReferralCase`] holds digests and codes; names, entries and findings are its
//! [`ReferralEvidence`], sealed under the payment's data key. What persons say are
//! [`ReferralAct`]s, each signed. An edge chains them all in [`ReferralEntry`]s: none can be
//! removed from between.
//! Layouts: `docs/formats/referrals.md`.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use seal::{Digest, Domain, PublicKey, Secret, digest, mac, to_canonical};
use terms::{
    Amount, CompanyId, CorridorName, DecisionId, Environment, Instant, InstitutionName, PaymentId,
};

use crate::decision::{Finding, ListVersion};
use crate::document::{Document, Signed};
use crate::fact::EdgeMark;
use crate::trust::Side;

/// Domain of a screened party's digest: who it is, its name and its country, as they were screened.
pub const PARTY_DOMAIN: Domain = Domain::new("wayleave/screened-party/v1");
/// Domain of an entry of the chain.
pub const REFERRAL_ENTRY_DOMAIN: Domain = Domain::new("wayleave/referral-entry/v1");
/// Domain of evidence sealed under the payment's data key; it is about the case's id.
pub const SEALED_EVIDENCE: Domain = Domain::new("wayleave/sealed-referral-evidence/v1");

/// Which party of a payment a hit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ReferralParty {
    /// Who pays.
    #[n(0)]
    Payer,
    /// Who is paid.
    #[n(1)]
    Payee,
}

impl ReferralParty {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payer => "payer",
            Self::Payee => "payee",
        }
    }
}

/// A screened party's digest, keyed by the institution's own secret: nobody else can try names.
#[must_use]
pub fn party_digest(secret: &Secret, identity: &str, name: &str, country: &str) -> Digest {
    mac(secret, PARTY_DOMAIN, &to_canonical(&(identity, name, country)))
}

/// A party that looks like an entry, by digests alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct ReferralHit {
    /// Which party.
    #[n(0)]
    pub who: ReferralParty,
    /// Its digest, [`party_digest`].
    #[n(1)]
    pub party: Digest,
    /// The entry's digest.
    #[n(2)]
    pub entry: Digest,
    /// The list, as it was screened.
    #[n(3)]
    pub list: ListVersion,
}

/// What a person is to decide.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReferralCase {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is meant.
    #[n(1)]
    pub environment: Environment,
    /// Whose case it is.
    #[n(2)]
    pub institution: InstitutionName,
    /// Its id: that of the decision which opened it.
    #[n(3)]
    pub case: DecisionId,
    /// The edge instance and the number of that decision.
    #[n(4)]
    pub mark: EdgeMark,
    /// The side that referred.
    #[n(5)]
    pub side: Side,
    /// The corridor.
    #[n(6)]
    pub corridor: CorridorName,
    /// The payment that was referred.
    #[n(7)]
    pub payment: PaymentId,
    /// The digest of its terms.
    #[n(8)]
    pub terms: Digest,
    /// What was ordered, without the payment's id and its quote: the customer's next order of the
    /// same has the same digest.
    #[n(9)]
    pub order: Digest,
    /// Whose payment it is on this side.
    #[n(10)]
    pub owner: CompanyId,
    /// The amount on this side.
    #[n(11)]
    pub amount: Amount,
    /// The digest of the rule pack.
    #[n(12)]
    pub pack: Digest,
    /// The digest of the snapshot.
    #[n(13)]
    pub snapshot: Digest,
    /// The digest of the decision's record.
    #[n(14)]
    pub record: Digest,
    /// The codes of the rules that referred, sorted.
    #[n(15)]
    pub reasons: Vec<String>,
    /// The hits that nobody had cleared, sorted.
    #[n(16)]
    pub hits: Vec<ReferralHit>,
    /// The digest of all that the referring rules read: a release is void when any of it changes.
    #[n(17)]
    pub basis: Digest,
    /// The digest of the [`ReferralEvidence`].
    #[n(18)]
    pub evidence: Digest,
    /// How many persons' keys a release asks for: 1 or 2.
    #[n(19)]
    pub keys: u8,
    /// The longest that *not the same* may be remembered, in seconds.
    #[n(20)]
    pub remember_seconds: u64,
    /// When it was opened, on the edge's clock.
    #[n(21)]
    pub opened_at: Instant,
    /// Not to be released from this moment on.
    #[n(22)]
    pub decide_by: Instant,
}

impl Document for ReferralCase {
    const DOMAIN: Domain = Domain::new("wayleave/referral-case/v1");
    const NAME: &'static str = "referral case";
}

/// A word of the party's name beside the listed word that it was taken for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AlignedWords {
    /// The party's word.
    #[n(0)]
    pub party: String,
    /// The listed word.
    #[n(1)]
    pub listed: String,
    /// How alike, per mille.
    #[n(2)]
    pub score: u16,
}

/// One hit in full.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct HitEvidence {
    /// The hit.
    #[n(0)]
    pub hit: ReferralHit,
    /// Who the party is: a company identifier, or an account at a bank.
    #[n(1)]
    pub identity: String,
    /// Its name, as it was screened.
    #[n(2)]
    pub name: String,
    /// Its country, as it was screened.
    #[n(3)]
    pub country: String,
    /// The whole entry in its one encoding: its digest is the hit's.
    #[n(4)]
    pub entry: ByteVec,
    /// Which of the entry's names.
    #[n(5)]
    pub listed: String,
    /// By which comparison.
    #[n(6)]
    pub rule: String,
    /// How alike, per mille.
    #[n(7)]
    pub score: u16,
    /// Whether country or date speak against it.
    #[n(8)]
    pub contradicted: bool,
    /// Which words met.
    #[n(9)]
    pub aligned: Vec<AlignedWords>,
}

/// What a person looks at.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReferralEvidence {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// The case.
    #[n(1)]
    pub case: DecisionId,
    /// Every finding that the referring rules read, by name.
    #[n(2)]
    pub findings: Vec<Finding>,
    /// The hits, in the case's order.
    #[n(3)]
    pub hits: Vec<HitEvidence>,
}

impl Document for ReferralEvidence {
    const DOMAIN: Domain = Domain::new("wayleave/referral-evidence/v1");
    const NAME: &'static str = "referral evidence";
}

/// What a person says of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ReferralVerdict {
    /// Not the same, and nothing else against it: the next order of the same may go on, once.
    #[n(0)]
    Release,
    /// It stays refused; nothing is remembered.
    #[n(1)]
    Refuse,
    /// A true match: whoever looks like this entry again is taken for it.
    #[n(2)]
    Block,
    /// Another person agrees with what the first signed.
    #[n(3)]
    Approve,
    /// Another person does not: the case is open again.
    #[n(4)]
    Reject,
    /// Taken back before it was used, with what it remembers.
    #[n(5)]
    Withdraw,
    /// What it remembers is over: *not the same*, used or not; of a block with a second key only.
    #[n(6)]
    Revoke,
}

impl ReferralVerdict {
    /// Every verdict.
    pub const ALL: [Self; 7] = [
        Self::Release,
        Self::Refuse,
        Self::Block,
        Self::Approve,
        Self::Reject,
        Self::Withdraw,
        Self::Revoke,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Refuse => "refuse",
            Self::Block => "block",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
            Self::Revoke => "revoke",
        }
    }

    /// Whether it is about the case itself, and not about what somebody said of it.
    #[must_use]
    pub const fn is_first(self) -> bool {
        matches!(self, Self::Release | Self::Refuse | Self::Block)
    }
}

/// What one person says of a case, signed with that person's key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReferralAct {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it is meant.
    #[n(1)]
    pub environment: Environment,
    /// Whose case it is.
    #[n(2)]
    pub institution: InstitutionName,
    /// The case.
    #[n(3)]
    pub case: DecisionId,
    /// What this is said of, as this person read it: the digest of the case for a first verdict,
    /// else [`signed_digest`] of the act that it answers.
    #[n(4)]
    pub about: Digest,
    /// What is said.
    #[n(5)]
    pub verdict: ReferralVerdict,
    /// Why.
    #[n(6)]
    pub reason: String,
    /// Of a release: over from this moment on.
    #[n(7)]
    pub until: Option<Instant>,
    /// Of a release: *not the same* is remembered until this moment; absent, for this order only.
    #[n(8)]
    pub remember_until: Option<Instant>,
    /// When, on the person's clock.
    #[n(9)]
    pub said_at: Instant,
}

impl Document for ReferralAct {
    const DOMAIN: Domain = Domain::new("wayleave/referral-act/v1");
    const NAME: &'static str = "referral act";
}

/// The digest of an act with its signature: what a second person signs is the first's own bytes.
#[must_use]
pub fn signed_digest(act: &Signed<ReferralAct>) -> Digest {
    digest(SIGNED_ACT, &act.to_bytes())
}

/// A release that lets one payment go on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ReferralUse {
    /// The case.
    #[n(0)]
    pub case: DecisionId,
    /// The payment that goes on.
    #[n(1)]
    pub payment: PaymentId,
    /// The digest of its terms.
    #[n(2)]
    pub terms: Digest,
    /// What was ordered.
    #[n(3)]
    pub order: Digest,
    /// All that the referring rules read now.
    #[n(4)]
    pub basis: Digest,
    /// The amount on this side now.
    #[n(5)]
    pub amount: Amount,
    /// The decision that used it.
    #[n(6)]
    pub decision: DecisionId,
}

/// One thing that happened to the queue.
#[derive(Clone, Debug, Encode, Decode)]
pub enum ReferralEvent {
    /// A case was opened; its evidence is sealed under the payment's data key.
    #[n(0)]
    Opened(#[n(0)] Box<ReferralCase>, #[n(1)] ByteVec),
    /// A person said something, whose name and key were these in the edge's configuration.
    #[n(1)]
    Acted(#[n(0)] Signed<ReferralAct>, #[n(1)] String, #[n(2)] PublicKey),
    /// A release was used up.
    #[n(2)]
    Used(#[n(0)] ReferralUse),
    /// A payment ended restricted without a case. It stands here so that both take as long.
    #[n(3)]
    Noted(#[n(0)] DecisionId),
}

/// One link of an edge's chain.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct ReferralEntry {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Its number, from 0, dense.
    #[n(1)]
    pub number: u64,
    /// The digest of the one before; 32 zero bytes at the first.
    #[n(2)]
    pub before: Digest,
    /// When, on the edge's clock.
    #[n(3)]
    pub at: Instant,
    /// What.
    #[n(4)]
    pub event: ReferralEvent,
}

impl ReferralEntry {
    /// The digest that the next entry names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(REFERRAL_ENTRY_DOMAIN, &to_canonical(self))
    }
}

/// Domain of [`signed_digest`].
const SIGNED_ACT: Domain = Domain::new("wayleave/referral-signed-act/v1");
