//! How an account lies in memory: what entries touch in two cache lines, the rest beside it.

use terms::{AccountId, AmountError, Instant, Minor};

use crate::account::{Available, Ceiling, Floor, Freeze, Opening, Purpose};
use crate::label::Tags;
use crate::refusal::Refusal;
use crate::state::{Total, Turn};
use crate::transaction::Side;

/// What checking and applying an entry reads and writes: two cache lines, aligned to both.
#[derive(Clone, Copy, Debug)]
#[repr(align(128))]
pub(crate) struct Row {
    pub(crate) counters: Total,
    pub(crate) id: AccountId,
    /// Number in the table of assets.
    pub(crate) asset: u32,
    /// Number in the table of owners.
    pub(crate) owner: u32,
    overdraft: Minor,
    most: Minor,
    floor_kind: FloorKind,
    has_ceiling: bool,
    pub(crate) normal: Side,
    pub(crate) purpose: Purpose,
    pub(crate) freeze: Freeze,
    pub(crate) is_closed: bool,
    /// Whether part of the amount is blocked: how much stands beside.
    pub(crate) is_blocked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FloorKind {
    Zero,
    Overdraft,
    Unlimited,
}

/// What is rarely asked of an account.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    pub(crate) opened_at: Instant,
    pub(crate) more: Option<Box<More>>,
    pub(crate) code: Option<u16>,
}

/// What few accounts have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct More {
    /// Floor and ceiling as they were said at the opening, where the row does not say it.
    pub(crate) first: Option<(Floor, Ceiling)>,
    pub(crate) blocked: Minor,
    /// Meaningless while the account is open.
    pub(crate) closed_at: Instant,
    /// What the opening said, if it said anything.
    pub(crate) tags: Option<Tags>,
}

impl More {
    pub(crate) const NOTHING: Self =
        Self { first: None, blocked: Minor::ZERO, closed_at: Instant::EPOCH, tags: None };
}

/// The two directions seen from the normal side, holds counted where they bind.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) inward: Minor,
    pub(crate) outward: Minor,
}

/// Counters with the side on which their balance grows.
#[derive(Clone, Copy)]
pub(crate) struct Sided<'a> {
    pub(crate) normal: Side,
    pub(crate) counters: &'a Total,
}

impl Row {
    /// An empty row; its asset and owner are numbers of the tables.
    pub(crate) const fn new(id: AccountId, asset: u32, owner: u32, normal: Side) -> Self {
        Self {
            counters: Total::ZERO,
            id,
            asset,
            owner,
            overdraft: Minor::ZERO,
            most: Minor::MAX,
            floor_kind: FloorKind::Zero,
            has_ceiling: false,
            normal,
            purpose: Purpose::Customer,
            freeze: Freeze::Nothing,
            is_closed: false,
            is_blocked: false,
        }
    }

    /// A new account's row.
    pub(crate) const fn opened(opening: &Opening, asset: u32, owner: u32) -> Self {
        let mut row = Self::new(opening.id, asset, owner, opening.normal);
        row.purpose = opening.purpose;
        row.set_limits(opening.floor, opening.ceiling);
        row
    }

    pub(crate) const fn set_limits(&mut self, floor: Floor, ceiling: Ceiling) {
        (self.floor_kind, self.overdraft) = match floor {
            Floor::MayNotGoBelowZero => (FloorKind::Zero, Minor::ZERO),
            Floor::Overdraft(most) => (FloorKind::Overdraft, most),
            Floor::Unlimited => (FloorKind::Unlimited, Minor::ZERO),
        };
        (self.has_ceiling, self.most) = match ceiling {
            Ceiling::At(most) => (true, most),
            Ceiling::Unlimited => (false, Minor::MAX),
        };
    }

    #[inline]
    pub(crate) const fn floor(&self) -> Floor {
        match self.floor_kind {
            FloorKind::Zero => Floor::MayNotGoBelowZero,
            FloorKind::Overdraft => Floor::Overdraft(self.overdraft),
            FloorKind::Unlimited => Floor::Unlimited,
        }
    }

    #[inline]
    pub(crate) const fn ceiling(&self) -> Ceiling {
        if self.has_ceiling { Ceiling::At(self.most) } else { Ceiling::Unlimited }
    }

    #[inline]
    pub(crate) const fn sided(&self) -> Sided<'_> {
        Sided { normal: self.normal, counters: &self.counters }
    }

    /// Whether `after` may be, given what the account may lose: floors first, in one pass each.
    #[inline]
    pub(crate) fn check_floor(&self, blocked: Minor, after: &Total) -> Result<(), Refusal> {
        let account = self.id;
        let too_large = |_| Refusal::AmountTooLarge { account };
        let old = self.sided().for_floor().map_err(too_large)?;
        let new = Sided { normal: self.normal, counters: after }.for_floor().map_err(too_large)?;
        let leaving = new.outward.plus(old.inward).map_err(too_large)?;
        let coming = old.outward.plus(new.inward).map_err(too_large)?;
        // An account that is no worse off may always be posted to: a block set above the balance
        // must not stop what comes in.
        let Ok(expected) = leaving.minus(coming) else { return Ok(()) };
        match self.sided().available(self.floor(), blocked) {
            Available::UpTo(got) if got < expected => {
                Err(Refusal::InsufficientFunds { account, expected, got })
            }
            Available::UpTo(_) | Available::Unlimited => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn check_ceiling(&self, after: &Total) -> Result<(), Refusal> {
        let account = self.id;
        let too_large = |_| Refusal::AmountTooLarge { account };
        let after = Sided { normal: self.normal, counters: after };
        let new = after.for_ceiling().map_err(too_large)?;
        let Ceiling::At(expected) = self.ceiling() else { return Ok(()) };
        let got = new.inward.minus(new.outward).unwrap_or(Minor::ZERO);
        if got <= expected {
            Ok(())
        } else {
            Err(Refusal::CeilingExceeded { account, expected, got })
        }
    }
}

impl Sided<'_> {
    /// What may still leave.
    #[inline]
    pub(crate) fn available(&self, floor: Floor, blocked: Minor) -> Available {
        let overdraft = match floor {
            Floor::MayNotGoBelowZero => 0,
            Floor::Overdraft(most) => most.units(),
            Floor::Unlimited => return Available::Unlimited,
        };
        let of = self.counters;
        let (has, posted, pending) = match self.normal {
            Side::Credit => (of.credits_posted, of.debits_posted, of.debits_pending),
            Side::Debit => (of.debits_posted, of.credits_posted, of.credits_pending),
        };
        // Taken away first, so that an overdraft of `Minor::MAX` cannot overflow unless it must.
        let owed = posted.units().saturating_add(pending.units());
        let owed = owed.saturating_add(blocked.units());
        let left = match owed.checked_sub(has.units()) {
            Some(short) => overdraft.saturating_sub(short),
            None => overdraft.saturating_add(has.units().saturating_sub(owed)),
        };
        Available::UpTo(Minor::new(left))
    }

    /// For the floor: what came in for certain, what went or may go out.
    #[inline]
    pub(crate) fn for_floor(&self) -> Result<Flow, AmountError> {
        let of = self.counters;
        Ok(match self.normal {
            Side::Credit => Flow {
                inward: of.credits_posted,
                outward: of.debits_posted.plus(of.debits_pending)?,
            },
            Side::Debit => Flow {
                inward: of.debits_posted,
                outward: of.credits_posted.plus(of.credits_pending)?,
            },
        })
    }

    /// For the ceiling: what came or may come in, what went out for certain.
    #[inline]
    pub(crate) fn for_ceiling(&self) -> Result<Flow, AmountError> {
        let of = self.counters;
        Ok(match self.normal {
            Side::Credit => Flow {
                inward: of.credits_posted.plus(of.credits_pending)?,
                outward: of.debits_posted,
            },
            Side::Debit => Flow {
                inward: of.debits_posted.plus(of.debits_pending)?,
                outward: of.credits_posted,
            },
        })
    }

    // INVARIANT (NoFloorPassed): `outward <= inward + overdraft` at every position. Upheld by
    // `check`, asserted by `audit`; without it an institution lends without having decided to.
    pub(crate) fn within_floor(&self, floor: Floor) -> Result<bool, AmountError> {
        let flow = self.for_floor()?;
        let overdraft = match floor {
            Floor::MayNotGoBelowZero => Minor::ZERO,
            Floor::Overdraft(most) => most,
            Floor::Unlimited => return Ok(true),
        };
        Ok(flow.outward.units().saturating_sub(flow.inward.units()) <= overdraft.units())
    }

    pub(crate) fn within_ceiling(&self, ceiling: Ceiling) -> Result<bool, AmountError> {
        let flow = self.for_ceiling()?;
        Ok(match ceiling {
            Ceiling::At(most) => {
                flow.inward.units().saturating_sub(flow.outward.units()) <= most.units()
            }
            Ceiling::Unlimited => true,
        })
    }
}

impl Total {
    /// Moves an amount on one side.
    #[inline]
    pub(crate) fn shift(
        &mut self,
        side: Side,
        turn: Turn,
        amount: Minor,
    ) -> Result<(), AmountError> {
        let (posted, pending) = match side {
            Side::Debit => (&mut self.debits_posted, &mut self.debits_pending),
            Side::Credit => (&mut self.credits_posted, &mut self.credits_pending),
        };
        match turn {
            Turn::Post => *posted = posted.plus(amount)?,
            Turn::Hold => *pending = pending.plus(amount)?,
            Turn::Release => *pending = pending.minus(amount)?,
        }
        Ok(())
    }

    /// The sum with another, counter by counter.
    pub(crate) fn plus(&self, other: &Self) -> Result<Self, AmountError> {
        Ok(Self {
            debits_posted: self.debits_posted.plus(other.debits_posted)?,
            credits_posted: self.credits_posted.plus(other.credits_posted)?,
            debits_pending: self.debits_pending.plus(other.debits_pending)?,
            credits_pending: self.credits_pending.plus(other.credits_pending)?,
        })
    }
}

impl Row {
    /// Something of both cache lines.
    #[inline]
    pub(crate) fn touch(&self) -> u8 {
        let [first, ..] = self.counters.debits_posted.units().to_le_bytes();
        let [.., last] = self.id.bytes();
        first ^ last ^ u8::from(self.is_closed)
    }
}
