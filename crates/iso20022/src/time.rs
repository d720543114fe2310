//! Dates and times as `ISODate` and `ISODateTime` write them, strictly.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use terms::{BusinessDate, Instant};
use thiserror::Error;

use crate::error::{Rule, shown};
use crate::node::{Fault, Node, Part, leaf};
use crate::out::Writer;

/// Largest offset from UTC that a place on Earth has, in minutes.
const OFFSET_MINUTES_MAX: i16 = 14 * 60;

/// `ISODateTime`: day, time of day, and the offset from UTC where the sender gave one.
///
/// Without an offset it names no moment: a bank's local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IsoDateTime {
    date: BusinessDate,
    nanos: u64,
    offset_minutes: Option<i16>,
}

impl IsoDateTime {
    /// The day it names where it was written.
    #[must_use]
    pub const fn date(&self) -> BusinessDate {
        self.date
    }

    /// The moment; `None` without an offset.
    #[must_use]
    pub fn instant(&self) -> Option<Instant> {
        let offset = self.offset_minutes?;
        let local = self.date.start().plus(Duration::from_nanos(self.nanos));
        let shift = Duration::from_secs(u64::from(offset.unsigned_abs()).saturating_mul(60));
        Some(if offset < 0 { local.plus(shift) } else { local.minus(shift) })
    }
}

impl From<Instant> for IsoDateTime {
    /// The moment in UTC.
    fn from(instant: Instant) -> Self {
        let nanos = instant.since(instant.date().start());
        Self {
            date: instant.date(),
            nanos: u64::try_from(nanos.as_nanos()).unwrap_or(0),
            offset_minutes: Some(0),
        }
    }
}

impl FromStr for IsoDateTime {
    type Err = TimeError;

    /// Reads `2026-11-22T20:50:00`, then up to nine digits of a second, then `Z` or `+01:00`.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        parse_time(text).ok_or_else(|| TimeError {
            expected: "a time such as `2026-11-22T20:50:00.000+01:00`",
            got: shown(text),
        })
    }
}

fn parse_time(text: &str) -> Option<IsoDateTime> {
    let (day, rest) = text.split_once('T')?;
    let date = parse_date(day)?;
    let (clock, offset_minutes) = split_offset(rest)?;
    let (whole, fraction) = match clock.split_once('.') {
        None => (clock, "0"),
        Some((whole, fraction)) => (whole, fraction),
    };
    let mut parts = whole.split(':');
    let (hour, minute, second) = (two(parts.next()?)?, two(parts.next()?)?, two(parts.next()?)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let digits = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    let below: u64 = digits.then(|| format!("{fraction:0<9}").parse().ok()).flatten()?;
    let seconds = u64::from(hour)
        .saturating_mul(3_600)
        .saturating_add(u64::from(minute).saturating_mul(60))
        .saturating_add(u64::from(second));
    let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(below);
    Some(IsoDateTime { date, nanos, offset_minutes })
}

fn split_offset(text: &str) -> Option<(&str, Option<i16>)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, Some(0)));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, None)) };
    let (clock, offset) = text.split_at(at);
    let (hour, minute) = offset.get(1..)?.split_once(':')?;
    let (hour, minute) = (i16::from(two(hour)?), i16::from(two(minute)?));
    let minutes = hour.saturating_mul(60).saturating_add(minute);
    if minute > 59 || minutes > OFFSET_MINUTES_MAX {
        return None;
    }
    Some((clock, Some(if offset.starts_with('-') { minutes.saturating_neg() } else { minutes })))
}

/// Exactly two digits.
fn two(text: &str) -> Option<u8> {
    let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// `YYYY-MM-DD`, a day that exists, from 1970 to 2499.
fn parse_date(text: &str) -> Option<BusinessDate> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let four = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    let year: u32 = four.then(|| year.parse().ok()).flatten()?;
    let (month, day) = (u32::from(two(month)?), u32::from(two(day)?));
    if !(1970..2500).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let date = BusinessDate::from_days(days(year, month, day));
    // A day that does not exist comes back as another one.
    (date.civil() == (year, month, day)).then_some(date)
}

/// Days since 1970-01-01, by months counted from March, so that the leap day is the last.
fn days(year: u32, month: u32, day: u32) -> u32 {
    let (year, month) = if month > 2 {
        (year, month.saturating_sub(3))
    } else {
        (year.saturating_sub(1), month.saturating_add(9))
    };
    let leap = (year / 4).saturating_sub(year / 100).saturating_add(year / 400);
    let before = month.saturating_mul(153).saturating_add(2) / 5;
    year.saturating_mul(365)
        .saturating_add(leap)
        .saturating_add(before)
        .saturating_add(day)
        .saturating_sub(719_469)
}

impl fmt::Display for IsoDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.nanos / 1_000_000_000;
        let below = self.nanos % 1_000_000_000;
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{:02}", self.date, second % 60)?;
        // As many digits as there are, but milliseconds at least when any.
        match (below, below % 1_000_000) {
            (0, _) => {}
            (_, 0) => write!(f, ".{:03}", below / 1_000_000)?,
            (_, _) => write!(f, ".{below:09}")?,
        }
        match self.offset_minutes {
            None => Ok(()),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

/// `DateAndDateTime2Choice`: a day, or a time on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DateOrTime {
    /// `Dt`.
    Date(BusinessDate),
    /// `DtTm`.
    Time(IsoDateTime),
}

impl DateOrTime {
    /// The day, as the sender names it.
    #[must_use]
    pub const fn date(&self) -> BusinessDate {
        match self {
            Self::Date(date) => *date,
            Self::Time(time) => time.date(),
        }
    }
}

impl Part for DateOrTime {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        node.complex()?;
        match (node.one("Dt")?, node.one("DtTm")?) {
            (Some(date), None) => BusinessDate::read(date).map(Self::Date),
            (None, Some(time)) => IsoDateTime::read(time).map(Self::Time),
            (Some(_), Some(_)) => Err(choice(node, "one of `Dt` and `DtTm`", "both")),
            (None, None) => Err(choice(node, "one of `Dt` and `DtTm`", "neither")),
        }
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.open(name);
        match self {
            Self::Date(date) => date.write(out, "Dt"),
            Self::Time(time) => time.write(out, "DtTm"),
        }
        out.close(name);
    }
}

/// A choice that was not made, or made twice.
pub(crate) fn choice(node: Node<'_>, expected: &str, got: &str) -> Fault {
    node.fault(Rule::Choice, expected, got, "the sender's file breaks the message's schema")
}

impl Part for BusinessDate {
    fn read(node: Node<'_>) -> Result<Self, Fault> {
        let text = node.collapsed()?;
        let expected = "a day from 1970 to 2499 such as `2026-11-22`, without a time zone";
        parse_date(text).ok_or_else(|| node.wrong(expected, text))
    }

    fn write(&self, out: &mut Writer, name: &str) {
        out.value(name, &self.to_string());
    }
}

/// Text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {expected}, got `{got}`")]
pub struct TimeError {
    /// What was expected, in words.
    pub expected: &'static str,
    /// The first 64 characters of what came.
    pub got: String,
}

impl TimeError {
    fn expected(self) -> &'static str {
        self.expected
    }
}

leaf!(IsoDateTime, Rule::Value);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_terms_counts_them() {
        for text in ["1970-01-01", "1999-12-31", "2000-02-29", "2026-11-22", "2499-12-31"] {
            assert_eq!(parse_date(text), Some(text.parse().unwrap()), "{text}");
        }
        for bad in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-1-01",
            "26-01-01",
            "2026-01-01Z",
            "2026-01-01+01:00",
            "1969-12-31",
            "2500-01-01",
            "+2026-01-01",
            "",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_with_an_offset_is_a_moment() {
        let moment = |text: &str| {
            text.parse::<IsoDateTime>().unwrap().instant().map(|instant| instant.to_string())
        };
        let table = [
            ("2022-10-20T09:05:00+01:00", Some("2022-10-20T08:05:00.000Z")),
            ("2021-04-27T11:00:47-04:00", Some("2021-04-27T15:00:47.000Z")),
            ("2026-01-01T00:30:00+01:00", Some("2025-12-31T23:30:00.000Z")),
            ("2021-08-03T16:25:20.862Z", Some("2021-08-03T16:25:20.862Z")),
            ("2023-10-05T14:43:51.979", None),
        ];
        for (text, instant) in table {
            assert_eq!(moment(text).as_deref(), instant, "{text}");
        }
    }

    #[test]
    fn times_of_other_forms_are_refused() {
        for bad in [
            "2026-01-01",
            "2026-01-01T24:00:00",
            "2026-01-01T23:60:00",
            "2026-01-01T23:59:60",
            "2026-01-01T10:00",
            "2026-01-01T10:00:00.",
            "2026-01-01T10:00:00.1234567890",
            "2026-01-01T10:00:00+15:00",
            "2026-01-01T10:00:00+0100",
            "2026-01-01 10:00:00",
            "2026-01-01T10:00:00z",
            "2026-01-01T10:00:00+01:60",
            "2026-01-01T1:00:00",
            "2026-01-01T10:00:00Z+01:00",
            "2026-01-01T+1:00:00",
        ] {
            assert!(bad.parse::<IsoDateTime>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn moments_round_trip(nanos in 0_u64..16_000_000_000_000_000_000) {
            let instant = Instant::from_nanos(nanos);
            let written = IsoDateTime::from(instant).to_string();
            let read: IsoDateTime = written.parse().unwrap();
            proptest::prop_assert_eq!(read.instant(), Some(instant));
            proptest::prop_assert_eq!(read.date().to_string().parse(), Ok(read.date()));
        }
    }
}
