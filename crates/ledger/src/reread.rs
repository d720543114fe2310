//! A refusal from the words that a journal keeps of it, so that it is told again with the numbers
//! of the first time.
//!
//! The words are those of [`Refusal`]'s `Display`. Words of another version, or cut ones, read as
//! nothing: then only the rule is told. What the words do not say stays out: the key of a velocity
//! limit reads as zeros.

use seal::Digest;
use smallvec::SmallVec;
use terms::{AccountId, HoldId, Minor, TransactionId};

use crate::refusal::Refusal;
use crate::transaction::Side;
use crate::velocity::LimitKey;

/// What stands between backquotes, in order.
type Quoted<'a> = SmallVec<[&'a str; 4]>;

/// Sixteen bytes in hex behind a prefix.
fn id(text: &str, prefix: &str) -> Option<[u8; 16]> {
    seal::text::from_hex_array(text.strip_prefix(prefix)?)
}

fn account(text: &str) -> Option<AccountId> {
    id(text, AccountId::PREFIX).map(AccountId::from_bytes)
}

fn hold(text: &str) -> Option<HoldId> {
    id(text, HoldId::PREFIX).map(HoldId::from_bytes)
}

fn minor(text: &str) -> Option<Minor> {
    text.parse().ok()
}

impl Refusal {
    /// The refusal of that rule which these are the words of. `None` when they cannot be read, or
    /// when the rule compares nothing.
    #[must_use]
    pub fn from_words(rule: &str, words: &str) -> Option<Self> {
        let quoted: Quoted<'_> = words.split('`').skip(1).step_by(2).collect();
        let read = Self::compared(rule, words, &quoted).or_else(|| Self::named(rule, &quoted))?;
        (read.to_string() == words).then_some(read)
    }

    /// Rules that compare numbers.
    fn compared(rule: &str, words: &str, quoted: &[&str]) -> Option<Self> {
        let most = || -> Option<(usize, usize)> {
            let [got] = quoted else { return None };
            let number = |word: &&str| word.bytes().all(|b| b.is_ascii_digit());
            // `1 to 64 entries` and `at most 8 links`: the number before the last word or words.
            let max = words.split_whitespace().rfind(number)?;
            Some((max.parse().ok()?, got.parse().ok()?))
        };
        let key = LimitKey(Digest::ZERO);
        Some(match (rule, quoted) {
            ("InsufficientFunds", [of, expected, got]) => Self::InsufficientFunds {
                account: account(of)?,
                expected: minor(expected)?,
                got: minor(got)?,
            },
            ("CeilingExceeded", [of, expected, got]) => Self::CeilingExceeded {
                account: account(of)?,
                expected: minor(expected)?,
                got: minor(got)?,
            },
            ("AmountExceedsHold", [expected, of, got]) => Self::AmountExceedsHold {
                hold: hold(of)?,
                expected: minor(expected)?,
                got: minor(got)?,
            },
            ("VelocityAmountExceeded", [expected, got]) => {
                Self::VelocityAmountExceeded { key, expected: minor(expected)?, got: minor(got)? }
            }
            ("VelocityCountExceeded", [expected, got]) => Self::VelocityCountExceeded {
                key,
                expected: expected.parse().ok()?,
                got: got.parse().ok()?,
            },
            ("LimitPeriodOver", [expected, got]) => Self::LimitPeriodOver {
                key,
                expected: expected.parse().ok()?,
                got: got.parse().ok()?,
            },
            ("LimitPeriodTooFar", [expected, got]) => Self::LimitPeriodTooFar {
                key,
                expected: expected.parse().ok()?,
                got: got.parse().ok()?,
            },
            ("DebitsMustEqualCredits", [asset, debits, credits]) => Self::DebitsMustEqualCredits {
                asset: asset.parse().ok()?,
                debits: minor(debits)?,
                credits: minor(credits)?,
            },
            ("HoldPartsOutOfRange", [of, max]) => {
                Self::HoldPartsOutOfRange { hold: hold(of)?, max: max.parse().ok()? }
            }
            ("EntriesOutOfRange", _) => {
                most().map(|(max, got)| Self::EntriesOutOfRange { max, got })?
            }
            ("LimitsOutOfRange", _) => {
                most().map(|(max, got)| Self::LimitsOutOfRange { max, got })?
            }
            ("LinksOutOfRange", _) => {
                most().map(|(max, got)| Self::LinksOutOfRange { max, got })?
            }
            ("MetadataOutOfRange", _) => {
                most().map(|(max, got)| Self::MetadataOutOfRange { max, got })?
            }
            ("MetadataTooLarge", _) => {
                most().map(|(max, got)| Self::MetadataTooLarge { max, got })?
            }
            _ => return None,
        })
    }

    /// Rules that name an account, a hold or an asset.
    fn named(rule: &str, quoted: &[&str]) -> Option<Self> {
        let side = |word: &str| match word {
            "Debit" => Some(Side::Debit),
            "Credit" => Some(Side::Credit),
            _ => None,
        };
        Some(match (rule, quoted) {
            ("AmountMustBePositive", [of]) => Self::AmountMustBePositive { account: account(of)? },
            ("WeightMustBePositive", [of]) => Self::WeightMustBePositive { account: account(of)? },
            ("UnknownAccount", [of]) => Self::UnknownAccount { account: account(of)? },
            ("AccountClosed", [of]) => Self::AccountClosed { account: account(of)? },
            ("AccountFrozen", [of, word]) => {
                Self::AccountFrozen { account: account(of)?, side: side(word)? }
            }
            ("EverythingMustBeBounded", [word, of]) => {
                Self::EverythingMustBeBounded { account: account(of)?, side: side(word)? }
            }
            ("AmountTooLarge", [of]) => Self::AmountTooLarge { account: account(of)? },
            ("HoldsMustDiffer", [of]) => Self::HoldsMustDiffer { hold: hold(of)? },
            ("UnknownHold", [of]) => Self::UnknownHold { hold: hold(of)? },
            ("HoldAlreadyPosted", [of, by]) => Self::HoldAlreadyPosted {
                hold: hold(of)?,
                transaction: id(by, TransactionId::PREFIX).map(TransactionId::from_bytes)?,
            },
            ("HoldAlreadyVoided", [of]) => Self::HoldAlreadyVoided { hold: hold(of)? },
            ("HoldAlreadyExpired", [of]) => Self::HoldAlreadyExpired { hold: hold(of)? },
            ("HoldAccountDiffers", [expected, got]) => {
                Self::HoldAccountDiffers { expected: account(expected)?, got: account(got)? }
            }
            ("HoldSideDiffers", [expected, got]) => {
                Self::HoldSideDiffers { expected: side(expected)?, got: side(got)? }
            }
            ("RemaindersMustDiffer", [asset]) => {
                Self::RemaindersMustDiffer { asset: asset.parse().ok()? }
            }
            ("SharesMustFaceOneWay", [asset]) => {
                Self::SharesMustFaceOneWay { asset: asset.parse().ok()? }
            }
            ("LimitAssetDiffers", [asset]) => Self::LimitAssetDiffers { got: asset.parse().ok()? },
            ("MetadataKeysMustDiffer", [key]) => {
                Self::MetadataKeysMustDiffer { key: key.parse().ok()? }
            }
            ("LimitsMustDiffer", []) => Self::LimitsMustDiffer { key: LimitKey(Digest::ZERO) },
            ("NothingToMove", []) => Self::NothingToMove,
            _ => return None,
        })
    }
}
