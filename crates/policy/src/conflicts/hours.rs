//! Hours of business of two sides, in one clock.

use super::Weight;
use crate::pack::{Period, UTC_OFFSET};

/// Minutes of a week.
const WEEK: i64 = 7 * DAY;
/// Minutes of a day.
const DAY: i64 = 24 * 60;
/// The most days or windows that a sentence names.
const NAMED_MAX: usize = 8;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Opening hours in the institution's own time.
struct Hours {
    opens: i64,
    closes: i64,
    last: i64,
    offset: i64,
}

impl Hours {
    fn of(period: &Period) -> Option<Self> {
        Some(Self {
            opens: period.number("opensMinute")?,
            closes: period.number("closesMinute")?,
            last: period.number("lastWeekday")?,
            offset: period.number(UTC_OFFSET)?,
        })
    }

    /// Whether it is open at a minute of the week in UTC, Monday 00:00 being nothing.
    fn open(&self, minute: i64) -> bool {
        let local = minute.saturating_add(self.offset).rem_euclid(WEEK);
        let (weekday, of_day) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        weekday < self.last && (self.opens..self.closes).contains(&of_day)
    }
}

/// What the hours of two sides have in common: nothing when they are the same hours.
pub(super) fn overlap(a: &Period, b: &Period) -> Option<(Weight, String)> {
    let (a, b) = (Hours::of(a)?, Hours::of(b)?);
    if (0..WEEK).all(|minute| a.open(minute) == b.open(minute)) {
        return None;
    }
    let common = windows(|minute| a.open(minute) && b.open(minute));
    if common.is_empty() {
        let none = "nothing: they are never open at one time; one side must open longer";
        return Some((Weight::Blocks, none.to_owned()));
    }
    Some((Weight::Narrows, format!("the payment is decided {} UTC", some(&by_days(&common)))))
}

/// One side's hours in words.
pub(super) fn in_words(period: &Period) -> String {
    let Some(hours) = Hours::of(period) else { return "has no hours".to_owned() };
    let last = usize::try_from(hours.last.saturating_sub(1)).ok().and_then(|n| DAYS.get(n));
    format!(
        "is open Mon to {}, {} to {} at {}",
        last.unwrap_or(&"?"),
        clock(hours.opens),
        clock(hours.closes),
        zone(hours.offset),
    )
}

/// The first few of many.
pub(super) fn some(all: &[String]) -> String {
    let first: Vec<&str> = all.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = all.len().saturating_sub(first.len());
    match (first.is_empty(), more) {
        (true, _) => "no day".to_owned(),
        (false, 0) => first.join(", "),
        (false, _) => format!("{} and {more} more", first.join(", ")),
    }
}

/// Runs of minutes of the week at which something holds: first minute, and the one after the last.
fn windows(holds: impl Fn(i64) -> bool) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> = Vec::new();
    for minute in (0..WEEK).filter(|minute| holds(*minute)) {
        match all.last_mut() {
            // A day's end ends a window, so that each is of one day.
            Some((_, end)) if *end == minute && minute.rem_euclid(DAY) != 0 => {
                *end = minute.saturating_add(1);
            }
            _ => all.push((minute, minute.saturating_add(1))),
        }
    }
    all
}

/// Windows in words; days in a row with the same hours as one.
fn by_days(windows: &[(i64, i64)]) -> Vec<String> {
    let mut runs: Vec<(i64, i64, i64, i64)> = Vec::new();
    for (start, end) in windows {
        let day = start.div_euclid(DAY);
        let opens = start.rem_euclid(DAY);
        let closes = opens.saturating_add(end.saturating_sub(*start));
        let next = |run: &&mut (i64, i64, i64, i64)| {
            (run.2, run.3) == (opens, closes) && run.1.saturating_add(1) == day
        };
        match runs.iter_mut().find(next) {
            Some(run) => run.1 = day,
            None => runs.push((day, day, opens, closes)),
        }
    }
    let day = |n: i64| usize::try_from(n).ok().and_then(|n| DAYS.get(n)).copied().unwrap_or("?");
    let words = |(first, last, opens, closes): &(i64, i64, i64, i64)| {
        let days = if first == last {
            day(*first).to_owned()
        } else {
            format!("{} to {}", day(*first), day(*last))
        };
        format!("{days} {} to {}", clock(*opens), clock(*closes))
    };
    runs.iter().map(words).collect()
}

fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute.div_euclid(60), minute.rem_euclid(60))
}

fn zone(offset: i64) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
    if minutes == 0 {
        format!("UTC{sign}{hours}")
    } else {
        format!("UTC{sign}{hours}:{minutes:02}")
    }
}
