//! A sandbox corridor: bounded in amount, parties and time, looked at in every decision.
//!
//! An institution that tries a corridor out says in its edge's configuration for whom, up to what
//! and until when. What is beyond is denied with a code of its own, whatever the rules would say,
//! and every record of such a corridor names the bounds in its lists (`sandbox-corridor:…`). The
//! bounds are those of the side that has them: each side bounds its own customers.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use policy::Findings;
use record::{DecisionRecord, FindingValue, ListVersion, REPORT};
use seal::{Digest, Domain, digest};
use terms::{CompanyId, Instant, Minor};

use crate::desk::Desk;
use crate::forced::FORCED_ENVIRONMENT;
use crate::told::{OwnReason, SANDBOX_AMOUNT, SANDBOX_ENDED, SANDBOX_PARTY};

/// Domain of the digest of the bounds that a record names.
pub const BOUNDS_DOMAIN: Domain = Domain::new("wayleave/sandbox-bounds/v1");
/// The most parties that a sandbox corridor has: more is a product, and wants a pack.
pub const SANDBOX_PARTIES_MAX: usize = 1_000;
/// What the name begins with by which a record says that a company was made to reach one state.
pub(crate) const FORCED_MARK: &str = "sandbox-forced:";
/// What the name begins with by which a record says that its corridor is a sandbox.
const CORRIDOR_MARK: &str = "sandbox-corridor:";

/// How far a sandbox corridor goes, on one side.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Bounds {
    /// The most that one payment may be on the deciding side, in minor units.
    #[n(0)]
    pub amount_max: Minor,
    /// The own customers that may take part.
    #[n(1)]
    pub parties: BTreeSet<CompanyId>,
    /// From when on nothing is permitted any more.
    #[n(2)]
    pub until: Instant,
}

/// Which bound a payment is beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The corridor has ended.
    Time,
    /// The company takes no part.
    Party,
    /// The amount is too large, or not known.
    Amount,
}

impl Bounds {
    /// The first bound that a payment is beyond, time before party before amount.
    #[must_use]
    pub fn beyond(&self, owner: CompanyId, findings: &Findings, now: Instant) -> Option<Beyond> {
        if now >= self.until {
            return Some(Beyond::Time);
        }
        if !self.parties.contains(&owner) {
            return Some(Beyond::Party);
        }
        let within = match findings.value("amount") {
            Some(FindingValue::Number(amount)) => {
                u128::try_from(*amount).is_ok_and(|units| units <= self.amount_max.units())
            }
            Some(FindingValue::Flag(_) | FindingValue::Text(_) | FindingValue::Texts(_)) | None => {
                false
            }
        };
        (!within).then_some(Beyond::Amount)
    }

    /// How a record says that it was decided within these bounds, or refused for them.
    #[must_use]
    pub fn mark(&self) -> ListVersion {
        let Self { amount_max, parties, until } = self;
        let name = format!(
            "{CORRIDOR_MARK}at most {amount_max} minor units, {} parties, until {until}",
            parties.len()
        );
        ListVersion { name, version: 1, digest: self.digest() }
    }

    fn digest(&self) -> Digest {
        let mut text = format!("{}\n{}", self.amount_max, self.until);
        for party in &self.parties {
            text.push('\n');
            text.push_str(party.as_str());
        }
        digest(BOUNDS_DOMAIN, text.as_bytes())
    }
}

impl Beyond {
    pub(crate) fn reason(self) -> OwnReason {
        match self {
            Self::Time => OwnReason::of(SANDBOX_ENDED, "The sandbox corridor has ended.".into()),
            Self::Party => OwnReason::of(
                SANDBOX_PARTY,
                "The company takes no part in this sandbox corridor.".into(),
            ),
            Self::Amount => OwnReason::of(
                SANDBOX_AMOUNT,
                "The amount is above what this sandbox corridor takes.".into(),
            ),
        }
    }
}

/// The bound that a payment of this desk is beyond, if the desk has any.
pub(crate) fn beyond(desk: &Desk<'_>, owner: CompanyId, findings: &Findings) -> Option<Beyond> {
    desk.sandbox?.beyond(owner, findings, desk.now)
}

/// Whether a duty of this kind is owed for a record: of a sandbox nothing is reported, and its
/// record keeps that duty as an exercise.
#[must_use]
pub fn is_owed(record: &DecisionRecord, kind: &str) -> bool {
    kind != REPORT || !is_exercise(record)
}

/// Whether a record is of a sandbox: of a sandbox corridor, or of a company that is made to reach
/// one state. Its duties are exercises: nothing of it is reported to an authority.
#[must_use]
pub fn is_exercise(record: &DecisionRecord) -> bool {
    // Elsewhere money is real, and so are its reports, whatever a list calls itself.
    let marked =
        |name: &str| [FORCED_MARK, CORRIDOR_MARK].iter().any(|mark| name.starts_with(mark));
    record.environment.as_str() == FORCED_ENVIRONMENT
        && record.lists.iter().any(|list| marked(&list.name))
}
