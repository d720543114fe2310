//! The stages of a pack: each step is a document that the pack's institution signs, and a fact.
//!
//! Steps of one institution's side of a corridor are numbered without gaps. A step names the number
//! that it is, so that one that was signed for another state of things changes nothing.

use minicbor::{Decode, Encode};
use seal::{Digest, Domain, digest, to_canonical};
use terms::{BookName, CompanyId, CorridorName, Environment, Instant, InstitutionName};

use crate::Side;
use crate::document::Document;
use crate::fact::FactKind;

/// A pack takes a step. Settlement book.
pub const PACK_STAGED: FactKind = FactKind { number: 85, version: 1 };

/// The longest reason of a step, in bytes: a sentence or two.
pub const STEP_REASON_MAX: usize = 1_000;
/// The largest share of companies that a canary takes: half, in thousandths. More is no trial.
pub const CANARY_SHARE_MAX: u16 = 500;
/// The longest that a canary runs: thirty days.
pub const CANARY_SECONDS_MAX: u64 = 30 * 86_400;

/// How far a pack has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Stage {
    /// Written, proved, known. Decides nothing.
    #[n(0)]
    Draft,
    /// Decides beside the pack in force, without effect.
    #[n(1)]
    Shadow,
    /// Decides a share of the payments, beside the active pack.
    #[n(2)]
    Canary(#[n(0)] Canary),
    /// Decides. The pack that was active before is retired by the same step.
    #[n(3)]
    Active,
    /// Decides nothing any more.
    #[n(4)]
    Retired,
}

impl Stage {
    /// The word for people.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Shadow => "shadow",
            Self::Canary(_) => "canary",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// Whether a pack may step from `before` to this. Nothing skips the shadow but the first pack
    /// of all, which has nothing to be compared with; what was retired may come back, which is a
    /// roll-back.
    #[must_use]
    pub const fn may_follow(&self, before: Option<&Self>, first_of_all: First) -> bool {
        match (before, self) {
            (None, Self::Draft | Self::Shadow)
            | (Some(Self::Draft), Self::Shadow | Self::Retired)
            | (Some(Self::Shadow), Self::Canary(_) | Self::Active | Self::Retired)
            | (
                Some(Self::Canary(_)),
                Self::Shadow | Self::Canary(_) | Self::Active | Self::Retired,
            )
            | (Some(Self::Active), Self::Retired)
            | (Some(Self::Retired), Self::Shadow | Self::Active) => true,
            (None, Self::Active) => matches!(first_of_all, First::Yes),
            (None, Self::Canary(_) | Self::Retired)
            | (Some(Self::Draft), Self::Draft | Self::Canary(_) | Self::Active)
            | (Some(Self::Shadow), Self::Draft | Self::Shadow)
            | (Some(Self::Canary(_)), Self::Draft)
            | (Some(Self::Active), Self::Draft | Self::Shadow | Self::Canary(_) | Self::Active)
            | (Some(Self::Retired), Self::Draft | Self::Canary(_) | Self::Retired) => false,
        }
    }
}

/// Whether a side of a corridor has no pack in force yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// None.
    Yes,
    /// One.
    No,
}

/// Whose payments a canary takes, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Canary {
    /// How many of a thousand companies of its side, with all their payments: 1 to
    /// [`CANARY_SHARE_MAX`].
    #[n(0)]
    pub share: u16,
    /// When it ends by itself. Afterwards its permits are refused.
    #[n(1)]
    pub until: Instant,
}

impl Canary {
    /// Whether a company's payments are of the share: the payer's on the debtor's side, the
    /// payee's on the creditor's. The same at every edge and in the book, and nothing that whoever
    /// pays can choose: a payment's id is made by a wallet, which would make another one until it
    /// liked its pack. A larger share of the same pack takes the same companies, and more.
    #[must_use]
    pub fn takes(&self, pack: Digest, side: Side, owner: CompanyId) -> bool {
        let of = to_canonical(&(pack, side, owner));
        let hashed = digest(CANARY_DOMAIN, &of);
        let number = hashed
            .as_bytes()
            .iter()
            .take(8)
            .fold(0_u64, |sum, byte| sum.wrapping_mul(256).wrapping_add(u64::from(*byte)));
        number % 1_000 < u64::from(self.share)
    }
}

const CANARY_DOMAIN: Domain = Domain::new("wayleave/pack-canary/v1");

/// One step of one pack.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PackStep {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// The book that takes it.
    #[n(2)]
    pub book: BookName,
    /// Whose pack it is.
    #[n(3)]
    pub institution: InstitutionName,
    /// The corridor.
    #[n(4)]
    pub corridor: CorridorName,
    /// The side.
    #[n(5)]
    pub side: Side,
    /// Digest of the pack.
    #[n(6)]
    pub pack: Digest,
    /// Digest of its schema.
    #[n(7)]
    pub schema: Digest,
    /// Which step of this side of the corridor it is, from 1.
    #[n(8)]
    pub step: u64,
    /// Where the pack goes.
    #[n(9)]
    pub stage: Stage,
    /// Why, for the record; at most [`STEP_REASON_MAX`] bytes.
    #[n(10)]
    pub reason: String,
}

impl Document for PackStep {
    const DOMAIN: Domain = Domain::new("wayleave/pack-step/v1");
    const NAME: &'static str = "pack step";
}
