//! Velocity limits: how much and how often under one key in one period.
//!
//! The limit travels with the command (a permit claims it), so the ledger stores counters only
//! and a changed limit needs no migration.

use minicbor::{Decode, Encode};
use seal::Digest;
use terms::{AssetCode, BusinessDate, Minor};

/// Most limits that one hold or transaction counts into.
pub const CLAIMS_MAX: usize = 8;

/// Whose total is bounded: a digest, so that a book shows no names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct LimitKey(#[n(0)] pub Digest);

/// How long a total runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Period {
    /// One business day.
    #[n(0)]
    BusinessDay,
    /// One calendar month of business days.
    #[n(1)]
    Month,
}

/// A bound on a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct VelocityLimit {
    /// Whose total.
    #[n(0)]
    pub key: LimitKey,
    /// Of what.
    #[n(1)]
    pub asset: AssetCode,
    /// Over how long.
    #[n(2)]
    pub period: Period,
    /// At most how much.
    #[n(3)]
    pub amount_max: Minor,
    /// At most how many holds and transactions.
    #[n(4)]
    pub count_max: u32,
}

impl VelocityLimit {
    /// The total it bounds on `date`.
    #[must_use]
    pub fn bucket(&self, date: BusinessDate) -> Bucket {
        let first_day = match self.period {
            Period::BusinessDay => date,
            Period::Month => {
                let (_, _, day) = date.civil();
                BusinessDate::from_days(date.days().saturating_sub(day.saturating_sub(1)))
            }
        };
        Bucket { key: self.key, asset: self.asset, period: self.period, first_day }
    }
}

/// A limit and how much of it a transaction uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Claim {
    /// The bound.
    #[n(0)]
    pub limit: VelocityLimit,
    /// How much counts.
    #[n(1)]
    pub amount: Minor,
}

/// One total: a key and an asset in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Bucket {
    /// Whose.
    #[n(0)]
    pub key: LimitKey,
    /// Of what.
    #[n(1)]
    pub asset: AssetCode,
    /// Over how long.
    #[n(2)]
    pub period: Period,
    /// From which day.
    #[n(3)]
    pub first_day: BusinessDate,
}

/// What a total stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Counter {
    /// How much.
    #[n(0)]
    pub amount: Minor,
    /// How many.
    #[n(1)]
    pub count: u32,
}

impl Counter {
    /// Nothing yet.
    pub const ZERO: Self = Self { amount: Minor::ZERO, count: 0 };
}

impl Period {
    /// Its number in stored bytes.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::BusinessDay => 0,
            Self::Month => 1,
        }
    }

    pub(crate) const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::BusinessDay),
            1 => Some(Self::Month),
            _ => None,
        }
    }
}
