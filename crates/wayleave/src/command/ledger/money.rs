//! Decimal amounts: exact, with as many digits behind the point as the asset has.

use anyhow::{Context, bail};
use ledger::Side;
use terms::{AssetCode, Minor};

/// Reads `12.50`: digits, and at most as many behind the point as the asset has.
pub(super) fn parse(text: &str, asset: AssetCode) -> anyhow::Result<Minor> {
    let exponent = usize::from(asset.exponent());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let plain = !whole.is_empty()
        && digits(whole)
        && digits(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && text.contains('.') != fraction.is_empty();
    let shown: String = text.chars().take(64).collect();
    if !plain {
        let like = decimal(Minor::new(1250), asset);
        bail!("expected a decimal amount such as `{like}`, without sign or groups, got `{shown}`");
    }
    if fraction.len() > exponent {
        bail!("expected at most {exponent} digits behind the point for `{asset}`, got `{shown}`");
    }
    let units = format!("{whole}{fraction:0<exponent$}");
    let units = units.trim_start_matches('0');
    let minor = if units.is_empty() { "0" } else { units }.parse::<Minor>();
    minor.with_context(|| format!("`{shown}`"))
}

/// `12.50`, for programs.
pub(super) fn decimal(minor: Minor, asset: AssetCode) -> String {
    let exponent = usize::from(asset.exponent());
    let digits = format!("{:0>width$}", minor.to_string(), width = exponent.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(exponent));
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// `1,250.00`, for people; the currency stands beside.
pub(super) fn grouped(minor: Minor, asset: AssetCode) -> String {
    let text = terms::Amount::new(minor, asset).for_people();
    text.strip_suffix(asset.currency()).unwrap_or(&text).trim_end().to_owned()
}

/// A balance as a sign and an amount: what stands on the normal side more than on the other.
pub(super) fn balance(normal: Side, debits: Minor, credits: Minor) -> (bool, Minor) {
    let (plus, minus) = match normal {
        Side::Debit => (debits, credits),
        Side::Credit => (credits, debits),
    };
    let less = plus < minus;
    (less, Minor::new(plus.units().abs_diff(minus.units())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_of_the_assets_scale() {
        let table = [
            ("12.50", "EUR.2@x", 1250),
            ("12.5", "EUR.2@x", 1250),
            ("0.05", "EUR.2@x", 5),
            ("0", "EUR.2@x", 0),
            ("7", "JPY.0@x", 7),
            ("0.001", "KWD.3@x", 1),
        ];
        for (text, asset, units) in table {
            let asset = asset.parse().unwrap();
            let minor = parse(text, asset).unwrap();
            assert_eq!(minor.units(), units, "{text}");
            assert_eq!(parse(&decimal(minor, asset), asset).unwrap(), minor);
        }
        let largest = "3402823669209384634633746074317682114.55";
        assert_eq!(parse(largest, "EUR.2@x".parse().unwrap()).unwrap(), Minor::MAX);
    }

    #[test]
    fn anything_else_is_refused() {
        let bad = ["", ".", "1.", ".5", "01", "-1", "+1", "1,000", "1e3", "1.005", " 1", "٣"];
        for text in bad.into_iter().chain(["3402823669209384634633746074317682114.56"]) {
            assert!(parse(text, "EUR.2@x".parse().unwrap()).is_err(), "{text}");
        }
        assert!(parse("1.5", "JPY.0@x".parse().unwrap()).is_err());
    }

    #[test]
    fn a_balance_has_the_sign_of_its_normal_side() {
        let (five, two) = (Minor::new(5), Minor::new(2));
        assert_eq!(balance(Side::Debit, five, two), (false, Minor::new(3)));
        assert_eq!(balance(Side::Credit, five, two), (true, Minor::new(3)));
        assert_eq!(balance(Side::Credit, five, five), (false, Minor::ZERO));
    }
}
