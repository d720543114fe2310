//! Velocity limits: how much and how often under one key in one period.
//!
//! The limit travels with the command (a permit claims it), so the ledger stores counters only
//! and a changed limit needs no migration.

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use seal::Digest;
use terms::{AssetCode, BusinessDate, Instant, Minor};

/// Most limits that one hold or transaction counts into.
pub const CLAIMS_MAX: usize = 8;

/// Whose total is bounded: a digest, so that a book shows no names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct LimitKey(#[n(0)] pub Digest);

/// Most buckets of a rolling window: four days of hours, a quarter of days. Each is one look-up.
pub const ROLLING_BUCKETS_MAX: u8 = 96;

/// How long a total runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// One business day.
    BusinessDay,
    /// One calendar month of business days.
    Month,
    /// This hour of ledger time (UTC) and as many before it as make up this number of hours.
    ///
    /// What counts in an hour counts until the last of the hours that follow it is over: between
    /// `n - 1` and `n` hours, for `n` from 1 to [`ROLLING_BUCKETS_MAX`].
    RollingHours(u8),
    /// As [`Self::RollingHours`], in days of ledger time (UTC).
    RollingDays(u8),
}

const ROLLING_HOURS: u8 = 2;
const ROLLING_DAYS: u8 = 3;

impl Period {
    /// Its kind in stored bytes, and how many buckets a window has.
    pub(crate) const fn parts(self) -> (u8, u8) {
        match self {
            Self::BusinessDay => (0, 0),
            Self::Month => (1, 0),
            Self::RollingHours(hours) => (ROLLING_HOURS, hours),
            Self::RollingDays(days) => (ROLLING_DAYS, days),
        }
    }

    pub(crate) const fn of_parts(kind: u8, buckets: u8) -> Option<Self> {
        match (kind, buckets) {
            (0, 0) => Some(Self::BusinessDay),
            (1, 0) => Some(Self::Month),
            (ROLLING_HOURS, 1..=ROLLING_BUCKETS_MAX) => Some(Self::RollingHours(buckets)),
            (ROLLING_DAYS, 1..=ROLLING_BUCKETS_MAX) => Some(Self::RollingDays(buckets)),
            _ => None,
        }
    }
}

/// A bare number for a period of the calendar, a choice for a rolling one.
impl<C> Encode<C> for Period {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        match self.parts() {
            (kind, 0) => e.u8(kind)?,
            (kind, buckets) => e.array(2)?.u8(kind)?.array(1)?.u8(buckets)?,
        };
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Period {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let unknown = || DecodeError::message("expected a period");
        if d.datatype()? != minicbor::data::Type::Array {
            return Self::of_parts(d.u8()?, 0).ok_or_else(unknown);
        }
        if d.array()? != Some(2) {
            return Err(unknown());
        }
        let kind = d.u8()?;
        if d.array()? != Some(1) {
            return Err(unknown());
        }
        Self::of_parts(kind, d.u8()?).filter(|period| period.parts().1 > 0).ok_or_else(unknown)
    }
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
    /// Of a hold's limit: what counts beside the held amount, such as a fee that another book
    /// takes. Given back only when nothing of the hold is ever posted. A transaction's claim names
    /// its own amount, and this is not read there.
    #[n(5)]
    pub besides: Option<Minor>,
}

impl VelocityLimit {
    /// How much a hold of `held` counts.
    #[must_use]
    pub(crate) fn counts(&self, held: Minor) -> Minor {
        let besides = self.besides.unwrap_or(Minor::ZERO);
        Minor::new(held.units().saturating_add(besides.units()))
    }

    /// The bucket into which counts what is stamped `at` and counts for `date`: the last one of
    /// the total that it bounds.
    #[must_use]
    pub fn bucket(&self, date: BusinessDate, at: Instant) -> Bucket {
        let (first_day, hour) = match self.period {
            Period::BusinessDay => (date, None),
            Period::Month => {
                let (_, _, day) = date.civil();
                let first = date.days().saturating_sub(day.saturating_sub(1));
                (BusinessDate::from_days(first), None)
            }
            Period::RollingHours(_) => {
                let hour = at.seconds() / 3600 % 24;
                (at.date(), Some(u8::try_from(hour).unwrap_or(0)))
            }
            Period::RollingDays(_) => (at.date(), None),
        };
        Bucket { key: self.key, asset: self.asset, period: self.period, first_day, hour }
    }
}

/// How many days a period of business days is counted after its last day, by ledger time: for what
/// comes late. A month counts as 31 days from its first.
pub const PERIOD_KEPT_DAYS: u32 = 35;

/// How many days the business date of what counts into a total of the calendar may lie ahead of
/// ledger time: the longest time for which a market is closed, nine days, and one for those who are
/// a day ahead of UTC. Without a bound a client could spread what counts over all days to come.
pub const PERIOD_AHEAD_DAYS: u32 = 10;

impl Bucket {
    /// The last day of ledger time on which something may still count into its total.
    pub(crate) fn counts_until(&self) -> u32 {
        let (_, buckets) = self.period.parts();
        let days = match self.period {
            Period::BusinessDay => PERIOD_KEPT_DAYS,
            Period::Month => PERIOD_KEPT_DAYS.saturating_add(30),
            Period::RollingHours(_) => u32::from(buckets / 24).saturating_add(1),
            Period::RollingDays(_) => u32::from(buckets),
        };
        self.first_day.days().saturating_add(days)
    }

    /// Whether nothing counts into it any more at that moment, so that it may be forgotten.
    pub(crate) fn is_over(&self, at: Instant) -> bool {
        self.counts_until() < at.date().days()
    }

    /// The buckets whose counters make up the total, this one the last: one, or a whole window.
    pub fn window(self) -> impl Iterator<Item = Self> {
        let (_, buckets) = self.period.parts();
        core::iter::successors(Some(self), |bucket| bucket.before())
            .take(usize::from(buckets.max(1)))
    }

    /// Whether it is one of a rolling window.
    pub(crate) const fn rolls(&self) -> bool {
        matches!(self.period, Period::RollingHours(_) | Period::RollingDays(_))
    }

    /// The bucket before it, if there is one.
    pub(crate) fn before(&self) -> Option<Self> {
        let day_before = || self.first_day.days().checked_sub(1).map(BusinessDate::from_days);
        Some(match self.hour {
            Some(0) => Self { first_day: day_before()?, hour: Some(23), ..*self },
            Some(hour) => Self { hour: Some(hour.saturating_sub(1)), ..*self },
            None => Self { first_day: day_before()?, ..*self },
        })
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

/// One counter: a key and an asset in one period, or in one hour or day of a rolling window.
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
    /// Which hour of that day, in a window of hours.
    #[n(4)]
    pub hour: Option<u8>,
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
