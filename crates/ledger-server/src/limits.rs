//! Velocity limits as people write them: the same words over HTTP and on the command line.

use ledger::velocity::ROLLING_BUCKETS_MAX;
use ledger::{LimitKey, Period};
use seal::Digest;
use seal::digest::{Domain, digest};

/// Domain of a limit's key that was given as a word.
pub const LIMIT_KEY_DOMAIN: Domain = Domain::new("wayleave/ledger/limit-key/v1");
/// Most characters of such a word.
const WORD_MAX: usize = 128;

/// Whose total: 64 lower-case hex digits, or a word that stands for its digest, so that the book
/// shows no name. `None` for no word and for one of more than 128 characters.
#[must_use]
pub fn limit_key(text: &str) -> Option<LimitKey> {
    if let Ok(digest) = text.parse::<Digest>() {
        return Some(LimitKey(digest));
    }
    let is_word = !text.is_empty() && text.chars().count() <= WORD_MAX;
    is_word.then(|| LimitKey(digest(LIMIT_KEY_DOMAIN, text.as_bytes())))
}

/// What [`period`] reads.
pub const PERIODS: &str =
    "`business_day`, `month`, `rolling_hours:N` or `rolling_days:N`, N 1 to 96";

/// `business_day`, `month`, `rolling_hours:24`, `rolling_days:7`.
#[must_use]
pub fn period(text: &str) -> Option<Period> {
    let number = |text: &str| text.parse().ok().filter(|n| (1..=ROLLING_BUCKETS_MAX).contains(n));
    match text.split_once(':') {
        None if text == "business_day" => Some(Period::BusinessDay),
        None if text == "month" => Some(Period::Month),
        Some(("rolling_hours", hours)) => number(hours).map(Period::RollingHours),
        Some(("rolling_days", days)) => number(days).map(Period::RollingDays),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_keys_are_read() {
        for (text, is) in [
            ("business_day", Some(Period::BusinessDay)),
            ("month", Some(Period::Month)),
            ("rolling_hours:96", Some(Period::RollingHours(96))),
            ("rolling_days:1", Some(Period::RollingDays(1))),
            ("rolling_days:0", None),
            ("rolling_hours:97", None),
            ("week", None),
            ("month:1", None),
        ] {
            assert_eq!(period(text), is, "{text}");
        }
        let digits = "07".repeat(32);
        assert_eq!(limit_key(&digits), Some(LimitKey(Digest::from_bytes([7; 32]))));
        assert_ne!(limit_key("alice"), limit_key("bob"));
        assert_eq!(limit_key(""), None);
    }
}
