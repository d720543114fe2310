//! Time as a value: nanoseconds since 1970-01-01T00:00:00Z, handed in from outside.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use minicbor::{Decode, Encode};
use thiserror::Error;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// A moment: nanoseconds since the Unix epoch, UTC without leap seconds, up to the year 2554.
///
/// Never read from a clock below rank 5. A deadline is open while `stamp < expires_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Instant(#[n(0)] u64);

impl Instant {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// A moment by nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A moment by whole seconds since the epoch, as JWT and status lists write it (`iat`, `exp`).
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / NANOS_PER_SECOND
    }

    /// The moment `duration` later; stays at the last representable moment rather than wrap.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The moment `duration` earlier; stays at the epoch rather than wrap.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The day it falls on in UTC.
    #[must_use]
    pub fn date(self) -> BusinessDate {
        BusinessDate(u32::try_from(self.seconds() / SECONDS_PER_DAY).unwrap_or(u32::MAX))
    }

    /// Seconds since midnight UTC.
    #[must_use]
    pub const fn second_of_day(self) -> u64 {
        self.seconds() % SECONDS_PER_DAY
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 with milliseconds: `2026-11-22T20:50:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.second_of_day();
        let millis = (self.0 % NANOS_PER_SECOND) / 1_000_000;
        write!(
            f,
            "{}T{:02}:{:02}:{:02}.{millis:03}Z",
            self.date(),
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

/// A calendar day: days since 1970-01-01. Which day a book is on is the book's business, hence the
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct BusinessDate(#[n(0)] u32);

impl BusinessDate {
    /// A day by its count since 1970-01-01.
    #[must_use]
    pub const fn from_days(days: u32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn days(self) -> u32 {
        self.0
    }

    /// Day of the week, Monday = 1 to Sunday = 7 (ISO 8601). 1970-01-01 was a Thursday.
    #[must_use]
    pub const fn weekday(self) -> u8 {
        match self.0.wrapping_add(3) % 7 {
            0 => 1,
            1 => 2,
            2 => 3,
            3 => 4,
            4 => 5,
            5 => 6,
            _ => 7,
        }
    }

    /// The moment this day begins in UTC.
    #[must_use]
    pub fn start(self) -> Instant {
        Instant::from_seconds(u64::from(self.0).saturating_mul(SECONDS_PER_DAY))
    }

    /// Year, month and day of the proleptic Gregorian calendar.
    #[must_use]
    pub fn civil(self) -> (u32, u32, u32) {
        // Counted from 0000-03-01, so that the leap day is the last of its year.
        let day = u64::from(self.0).saturating_add(719_468);
        let era = day / 146_097;
        let of_era = day % 146_097;
        let year_of_era = (of_era
            .saturating_sub(of_era / 1_460)
            .saturating_add(of_era / 36_524)
            .saturating_sub(of_era / 146_096))
            / 365;
        let before = year_of_era
            .saturating_mul(365)
            .saturating_add(year_of_era / 4)
            .saturating_sub(year_of_era / 100);
        let of_year = of_era.saturating_sub(before);
        let shifted = of_year.saturating_mul(5).saturating_add(2) / 153;
        let date = of_year
            .saturating_sub(shifted.saturating_mul(153).saturating_add(2) / 5)
            .saturating_add(1);
        let month =
            if shifted < 10 { shifted.saturating_add(3) } else { shifted.saturating_sub(9) };
        let year = year_of_era
            .saturating_add(era.saturating_mul(400))
            .saturating_add(u64::from(month <= 2));
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        (small(year), small(month), small(date))
    }
}

impl fmt::Display for BusinessDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for BusinessDate {
    type Err = InstantError;

    /// Reads `YYYY-MM-DD`; the day must exist and lie in 1970 to 2499.
    fn from_str(text: &str) -> Result<Self, InstantError> {
        let refused = || InstantError { got: text.chars().take(64).collect() };
        let year: u32 = text.get(..4).and_then(|y| y.parse().ok()).ok_or_else(refused)?;
        if !(1970..2500).contains(&year) {
            return Err(refused());
        }
        let years = year.saturating_sub(1970);
        let estimate = years.saturating_mul(365).saturating_add(years / 4);
        let last = estimate.saturating_add(370);
        (estimate.saturating_sub(10)..last)
            .map(Self)
            .find(|date| date.to_string() == text)
            .ok_or_else(refused)
    }
}

/// Text that is not a day.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a day such as `2026-11-22`, got `{got}`")]
pub struct InstantError {
    /// The first 64 characters of what came.
    pub got: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_civil_names_and_weekdays() {
        let table = [
            (0, "1970-01-01", 4),
            (59, "1970-03-01", 7),
            (11_016, "2000-02-29", 2),
            (20_779, "2026-11-22", 7),
        ];
        for (days, text, weekday) in table {
            let date = BusinessDate::from_days(days);
            assert_eq!(date.to_string(), text);
            assert_eq!(date.weekday(), weekday, "{text}");
            assert_eq!(text.parse::<BusinessDate>(), Ok(date));
        }
        for bad in ["2026-02-29", "2026-13-01", "1969-12-31", "2026-1-1", "garbage"] {
            assert!(bad.parse::<BusinessDate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_day_until_2499_reads_back() {
        for days in (0..193_000).step_by(17) {
            let date = BusinessDate::from_days(days);
            assert_eq!(date.to_string().parse(), Ok(date));
        }
    }

    #[test]
    fn an_instant_reads_as_rfc_3339() {
        assert_eq!(
            Instant::from_nanos(1_795_380_600_123_456_789).to_string(),
            "2026-11-22T20:50:00.123Z"
        );
    }
}
