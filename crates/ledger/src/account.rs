//! One account: four counters of one asset, and what may be done with it.

use minicbor::{Decode, Encode};
use terms::{AccountId, AssetCode, CompanyId, Instant, InstitutionName, Minor};

use crate::label::Marks;
use crate::row::Sided;
use crate::state::Total;
use crate::transaction::Side;

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Owner {
    /// A company, by its identifier.
    #[n(0)]
    Company(#[n(0)] CompanyId),
    /// An institution, the operator included.
    #[n(1)]
    Institution(#[n(0)] InstitutionName),
}

/// What an account is for. Says nothing about its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Purpose {
    /// A customer's money at its institution.
    #[n(0)]
    Customer,
    /// A participant's prefunded money at the operator.
    #[n(1)]
    Settlement,
    /// The mirror of an outside account: what is owed to the book.
    #[n(2)]
    Control,
    /// Fees taken.
    #[n(3)]
    Fee,
    /// Money whose destination is not yet known.
    #[n(4)]
    Suspense,
    /// Money that the law says to freeze.
    #[n(5)]
    BlockedFunds,
    /// What this institution owes to another book.
    #[n(6)]
    DueTo,
    /// What another book owes to this institution.
    #[n(7)]
    DueFrom,
    /// Money sent outside and not yet confirmed.
    #[n(8)]
    Transit,
}

/// How far the balance on the normal side may fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Floor {
    /// Never below nothing.
    #[n(0)]
    MayNotGoBelowZero,
    /// Below nothing by at most this much.
    #[n(1)]
    Overdraft(#[n(0)] Minor),
    /// As far as it must: control accounts only.
    #[n(2)]
    Unlimited,
}

/// How far the balance on the normal side may rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ceiling {
    /// At most this much.
    #[n(0)]
    At(#[n(0)] Minor),
    /// As far as it must.
    #[n(1)]
    Unlimited,
}

/// Which new entries an open account refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Freeze {
    /// None.
    #[n(0)]
    Nothing,
    /// Debits.
    #[n(1)]
    Debits,
    /// Credits.
    #[n(2)]
    Credits,
    /// Both.
    #[n(3)]
    Both,
}

impl Freeze {
    /// Whether a new entry on `side` is refused.
    #[must_use]
    pub const fn stops(self, side: Side) -> bool {
        match (self, side) {
            (Self::Both, _) | (Self::Debits, Side::Debit) | (Self::Credits, Side::Credit) => true,
            (Self::Nothing, _) | (Self::Debits, Side::Credit) | (Self::Credits, Side::Debit) => {
                false
            }
        }
    }
}

/// What is said when an account is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Opening {
    /// Its id, chosen by the opener.
    #[n(0)]
    pub id: AccountId,
    /// Its one asset.
    #[n(1)]
    pub asset: AssetCode,
    /// The side on which its balance grows: credit for what the book owes, debit for what it has.
    #[n(2)]
    pub normal: Side,
    /// Whose it is.
    #[n(3)]
    pub owner: Owner,
    /// What it is for.
    #[n(4)]
    pub purpose: Purpose,
    /// Its first floor.
    #[n(5)]
    pub floor: Floor,
    /// Its first ceiling.
    #[n(6)]
    pub ceiling: Ceiling,
    /// What it is marked with.
    #[n(7)]
    pub marks: Option<Marks>,
}

/// Open, or closed for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Standing {
    /// Takes entries that its freeze lets through.
    #[n(0)]
    Open,
    /// Takes nothing more.
    #[n(1)]
    Closed(#[n(0)] Instant),
}

/// An account as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Account {
    #[n(0)]
    pub(crate) opening: Opening,
    #[n(1)]
    pub(crate) opened_at: Instant,
    #[n(2)]
    pub(crate) standing: Standing,
    #[n(3)]
    pub(crate) freeze: Freeze,
    #[n(4)]
    pub(crate) floor: Floor,
    #[n(5)]
    pub(crate) ceiling: Ceiling,
    #[n(6)]
    pub(crate) blocked: Minor,
    #[n(7)]
    pub(crate) debits_posted: Minor,
    #[n(8)]
    pub(crate) credits_posted: Minor,
    #[n(9)]
    pub(crate) debits_pending: Minor,
    #[n(10)]
    pub(crate) credits_pending: Minor,
}

/// What may still leave an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Available {
    /// At most this much.
    UpTo(Minor),
    /// There is no floor.
    Unlimited,
}

/// An account's counters at one moment, with what they leave available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balances {
    /// Which account.
    pub account: AccountId,
    /// Its asset.
    pub asset: AssetCode,
    /// Sum of all posted debits.
    pub debits_posted: Minor,
    /// Sum of all posted credits.
    pub credits_posted: Minor,
    /// Sum of held debits.
    pub debits_pending: Minor,
    /// Sum of held credits.
    pub credits_pending: Minor,
    /// What may still leave: posted balance and overdraft, less holds and the blocked part.
    pub available: Available,
}

impl Account {
    /// What was said when it was opened; floor and ceiling may have changed since.
    #[must_use]
    pub const fn opening(&self) -> &Opening {
        &self.opening
    }

    /// When it was opened.
    #[must_use]
    pub const fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// Open or closed.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Which new entries it refuses.
    #[must_use]
    pub const fn freeze(&self) -> Freeze {
        self.freeze
    }

    /// Its floor now.
    #[must_use]
    pub const fn floor(&self) -> Floor {
        self.floor
    }

    /// Its ceiling now.
    #[must_use]
    pub const fn ceiling(&self) -> Ceiling {
        self.ceiling
    }

    /// The part that may not leave, whatever the balance: it may exceed the balance.
    #[must_use]
    pub const fn blocked(&self) -> Minor {
        self.blocked
    }

    /// The counters, and what they leave available.
    #[must_use]
    pub fn balances(&self) -> Balances {
        Balances {
            account: self.opening.id,
            asset: self.opening.asset,
            debits_posted: self.debits_posted,
            credits_posted: self.credits_posted,
            debits_pending: self.debits_pending,
            credits_pending: self.credits_pending,
            available: self.available(),
        }
    }

    /// What may still leave.
    #[must_use]
    pub fn available(&self) -> Available {
        let sided = Sided { normal: self.opening.normal, counters: &self.counters() };
        sided.available(self.floor, self.blocked)
    }

    /// Whether all four counters say that nothing is left: no balance and no hold.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.debits_posted == self.credits_posted
            && self.debits_pending.is_zero()
            && self.credits_pending.is_zero()
    }

    pub(crate) const fn counters(&self) -> Total {
        Total {
            debits_posted: self.debits_posted,
            credits_posted: self.credits_posted,
            debits_pending: self.debits_pending,
            credits_pending: self.credits_pending,
        }
    }
}

impl Purpose {
    /// Its number in stored bytes.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Customer => 0,
            Self::Settlement => 1,
            Self::Control => 2,
            Self::Fee => 3,
            Self::Suspense => 4,
            Self::BlockedFunds => 5,
            Self::DueTo => 6,
            Self::DueFrom => 7,
            Self::Transit => 8,
        }
    }

    pub(crate) const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Customer),
            1 => Some(Self::Settlement),
            2 => Some(Self::Control),
            3 => Some(Self::Fee),
            4 => Some(Self::Suspense),
            5 => Some(Self::BlockedFunds),
            6 => Some(Self::DueTo),
            7 => Some(Self::DueFrom),
            8 => Some(Self::Transit),
            _ => None,
        }
    }
}

impl Freeze {
    /// Its number in stored bytes.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Debits => 1,
            Self::Credits => 2,
            Self::Both => 3,
        }
    }

    pub(crate) const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Nothing),
            1 => Some(Self::Debits),
            2 => Some(Self::Credits),
            3 => Some(Self::Both),
            _ => None,
        }
    }
}
