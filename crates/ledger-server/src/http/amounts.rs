//! Amounts as decimal strings: `12.50` of `EUR.2@bank` is 1250 minor units.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use bookkeeping::LedgerBook;
use store::{Answer, Asked, BookHandle};
use terms::{AccountId, AssetCode, Minor};

use super::problem::Problem;

/// Accounts whose asset is remembered: some 80 MiB. When it is full it begins again.
const REMEMBERED_MAX: usize = 1_000_000;

/// Which asset an account has. That never changes, and is learned from durable answers only, so
/// what was learned once holds for ever.
#[derive(Debug, Default)]
pub(super) struct Assets(RwLock<BTreeMap<AccountId, AssetCode>>);

impl Assets {
    /// The asset of an account, when it was learned.
    pub(super) fn of(&self, account: AccountId) -> Option<AssetCode> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&account).copied()
    }

    /// Learns the assets of these accounts, as far as there are such accounts.
    pub(super) async fn learn(
        &self,
        book: &BookHandle<LedgerBook>,
        client: u32,
        accounts: impl Iterator<Item = AccountId>,
    ) -> Result<(), Problem> {
        let missing: Vec<AccountId> = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            accounts.filter(|account| !known.contains_key(account)).collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let asked = Asked { client, items: u64::try_from(missing.len()).unwrap_or(u64::MAX) };
        let look = move |book: &LedgerBook| -> Vec<(AccountId, AssetCode)> {
            let asset = |id: AccountId| Some((id, book.ledger().balances(id)?.asset));
            missing.into_iter().filter_map(asset).collect()
        };
        let (found, _) = seen(book.read_async_as(asked, look).await)?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() > REMEMBERED_MAX {
            known.clear();
        }
        known.extend(found);
        Ok(())
    }
}

/// What a read saw, and at which position. A read that failed has done nothing.
pub(super) fn seen<R, E>(answer: Result<Answer<R>, E>) -> Result<(R, terms::Position), Problem> {
    match answer {
        Ok(Answer::Done { outcome, position, .. }) => Ok((outcome, position)),
        Ok(Answer::Unknown) | Err(_) => Err(Problem::not_done("what was read was not recorded")),
        Ok(Answer::Busy) => Err(Problem::not_done("the queue is full")),
        Ok(Answer::Stopped) => Err(Problem::not_done("the book is stopped")),
        Ok(Answer::NotTaken(why)) => Err(Problem::not_done(why.to_string())),
        Ok(Answer::NotRecalled(why)) => Err(Problem::not_done(why)),
    }
}

/// Reads a decimal: digits, and a point with at most `exponent` digits behind it. No sign, no
/// leading zero, no exponent. `None` for anything else and for what 128 bits do not hold.
pub(super) fn parse(text: &str, exponent: u8) -> Option<Minor> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent = usize::from(exponent);
    let plain = !whole.is_empty()
        && digits(whole)
        && digits(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.len() <= exponent;
    if !plain {
        return None;
    }
    let zeros = exponent.saturating_sub(fraction.len());
    let all = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', zeros));
    all.map(|digit| u128::from(digit.saturating_sub(b'0')))
        .try_fold(0_u128, |sum, digit| sum.checked_mul(10)?.checked_add(digit))
        .map(Minor::new)
}

/// Writes minor units as a decimal with `exponent` digits behind the point.
pub(crate) fn show(amount: Minor, exponent: u8) -> String {
    let exponent = usize::from(exponent);
    let mut digits = format!("{:0>width$}", amount.units(), width = exponent.saturating_add(1));
    if exponent > 0 {
        digits.insert(digits.len().saturating_sub(exponent), '.');
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_and_written_back() {
        for (text, exponent, units) in [
            ("0", 2, 0),
            ("0.01", 2, 1),
            ("12.50", 2, 1250),
            ("1000", 0, 1000),
            ("340282366920938463463374607431768211455", 0, u128::MAX),
            ("340282366920938463463374607431.768211455", 9, u128::MAX),
        ] {
            assert_eq!(parse(text, exponent), Some(Minor::new(units)), "{text}");
            assert_eq!(
                parse(&show(Minor::new(units), exponent), exponent),
                Some(Minor::new(units))
            );
        }
        assert_eq!(show(Minor::new(5), 2), "0.05");
        assert_eq!(show(Minor::new(5), 0), "5");
        assert_eq!(parse("12.5", 2), Some(Minor::new(1250)));
        assert_eq!(parse("12", 2), Some(Minor::new(1200)));
    }

    #[test]
    fn anything_else_is_no_amount() {
        let odd = [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "01",
            "00",
            "1e3",
            "1,00",
            " 1",
            "1 ",
            "1.005",
            "١",
            "3402823669209384634633746074317682114.56",
            "NaN",
            "0x1",
        ];
        for text in odd {
            assert_eq!(parse(text, 2), None, "{text}");
        }
    }
}
