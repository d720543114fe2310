//! What a payment costs: principal at mid, margin, fees. Exact ratios, named rounding.

use std::path::Path;

use api::json::read_json;
use record::{Fee, FeeTaker, Rate};
use serde::{Deserialize, Serialize};
use terms::{Amount, AmountError, AssetCode, Minor};

use crate::roles::common::RoleError;
use crate::roles::start::named;

/// `rates.json`: mid rates as ratios of minor units.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateTable {
    /// Where the rates come from; stands in every quote.
    pub source: String,
    /// One row per pair and direction.
    pub rates: Vec<RateRow>,
}

/// `credit_units` minor units of one asset cost `debit_units` of the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRow {
    /// What the debtor pays in.
    pub debit_asset: String,
    /// What the creditor gets.
    pub credit_asset: String,
    /// So many minor units …
    pub debit_units: String,
    /// … for so many.
    pub credit_units: String,
}

/// A fee that is part of each quote in its asset.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeRule {
    /// Who takes it.
    pub taker: FeeTakerName,
    /// In which debit asset.
    pub asset: String,
    /// A fixed part, in minor units.
    pub flat_minor: String,
    /// A part of the principal, in hundredths of a percent, rounded up.
    pub basis_points: u32,
    /// What for, in words.
    pub purpose: String,
}

/// Who takes a fee, as configuration writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeeTakerName {
    /// The debtor's institution.
    DebtorInstitution,
    /// The operator of the settlement book.
    Operator,
}

/// Why no price is given.
#[derive(Debug, thiserror::Error)]
pub(super) enum PriceRefusal {
    #[error("nothing is to be credited")]
    Nothing,
    #[error("no rate from `{debit}` to `{credit}` is quoted here")]
    NoRate { debit: AssetCode, credit: AssetCode },
    #[error("the amount cannot be priced: {0}")]
    Amount(#[from] AmountError),
}

/// A price before it becomes a quote.
pub(super) struct Price {
    pub(super) mid: Rate,
    pub(super) principal: Amount,
    pub(super) margin: Amount,
    pub(super) fees: Vec<Fee>,
    pub(super) debit: Amount,
}

/// Margin and fees.
pub(super) struct Pricing {
    margin_basis_points: u128,
    fees: Vec<PricedFee>,
}

struct PricedFee {
    taker: FeeTaker,
    asset: AssetCode,
    flat: Minor,
    basis_points: u128,
    purpose: String,
}

impl RateTable {
    /// Reads a table; the reason of a refusal is for the provider's own log.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let table: Self = read_json(&bytes).map_err(|error| error.to_string())?;
        for row in &table.rates {
            row.parsed()?;
        }
        if table.source.is_empty() {
            return Err("expected a `source`".to_owned());
        }
        Ok(table)
    }

    /// EUR to SGD and back at 1.47184, and what other shipped corridors exchange one way, as a
    /// sandbox table.
    #[must_use]
    pub fn example() -> Self {
        let row = |debit: &str, credit: &str, debit_units: &str, credit_units: &str| RateRow {
            debit_asset: debit.to_owned(),
            credit_asset: credit.to_owned(),
            debit_units: debit_units.to_owned(),
            credit_units: credit_units.to_owned(),
        };
        let (eur, sgd) = ("EUR.2@tcb-sandbox", "SGD.2@mas-sandbox");
        Self {
            source: "sandbox table of reference rates, EUR/SGD 1.47184".to_owned(),
            rates: vec![
                row(eur, sgd, "100000", "147184"),
                row(sgd, eur, "147184", "100000"),
                row("CNY.2@pboc-sandbox", sgd, "5530", "1000"),
                row("KES.2@cbk-sandbox", "GBP.2@boe-sandbox", "17120", "100"),
                row("MXN.2@banxico-sandbox", eur, "2160", "100"),
            ],
        }
    }

    fn rate(&self, debit: AssetCode, credit: AssetCode) -> Option<Rate> {
        let row = self
            .rates
            .iter()
            .filter_map(|row| row.parsed().ok())
            .find(|row| row.debit == debit && row.credit == credit)?;
        let Parsed { debit_units, credit_units, .. } = row;
        Some(Rate { debit_units, credit_units, source: self.source.clone() })
    }
}

struct Parsed {
    debit: AssetCode,
    credit: AssetCode,
    debit_units: Minor,
    credit_units: Minor,
}

impl RateRow {
    fn parsed(&self) -> Result<Parsed, String> {
        let asset = |text: &str| text.parse::<AssetCode>().map_err(|error| error.to_string());
        let units = |text: &str| match text.parse::<Minor>() {
            Ok(units) if !units.is_zero() => Ok(units),
            Ok(_) => Err("expected a rate above zero".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Ok(Parsed {
            debit: asset(&self.debit_asset)?,
            credit: asset(&self.credit_asset)?,
            debit_units: units(&self.debit_units)?,
            credit_units: units(&self.credit_units)?,
        })
    }
}

impl Pricing {
    pub(super) fn new(margin_basis_points: u32, fees: &[FeeRule]) -> Result<Self, RoleError> {
        let priced = |rule: &FeeRule| {
            Ok(PricedFee {
                taker: match rule.taker {
                    FeeTakerName::DebtorInstitution => FeeTaker::DebtorInstitution,
                    FeeTakerName::Operator => FeeTaker::Operator,
                },
                asset: named("fees.asset", &rule.asset)?,
                flat: named("fees.flat_minor", &rule.flat_minor)?,
                basis_points: rule.basis_points.into(),
                purpose: rule.purpose.clone(),
            })
        };
        let fees = fees.iter().map(priced).collect::<Result<_, RoleError>>()?;
        Ok(Self { margin_basis_points: margin_basis_points.into(), fees })
    }

    pub(super) fn price(
        &self,
        table: &RateTable,
        credit: Amount,
        debit: AssetCode,
    ) -> Result<Price, PriceRefusal> {
        if credit.minor.is_zero() {
            return Err(PriceRefusal::Nothing);
        }
        let none = PriceRefusal::NoRate { debit, credit: credit.asset };
        let mid = table.rate(debit, credit.asset).ok_or(none)?;
        self.price_at(mid, credit, debit)
    }

    /// As [`Pricing::price`], at this rate.
    pub(super) fn price_at(
        &self,
        mid: Rate,
        credit: Amount,
        debit: AssetCode,
    ) -> Result<Price, PriceRefusal> {
        if credit.minor.is_zero() {
            return Err(PriceRefusal::Nothing);
        }
        // Rounded up, so that what the provider gets at mid is never short of what it gives.
        let principal =
            credit.minor.split_ceiling(mid.debit_units.units(), mid.credit_units.units())?;
        let margin = principal.split_ceiling(self.margin_basis_points, BASIS_POINTS)?;
        let amount = |minor: Minor| Amount::new(minor, debit);
        let mut fees = Vec::new();
        let mut sum = principal.plus(margin)?;
        for rule in self.fees.iter().filter(|rule| rule.asset == debit) {
            let part = principal.split_ceiling(rule.basis_points, BASIS_POINTS)?;
            let minor = rule.flat.plus(part)?;
            sum = sum.plus(minor)?;
            let purpose = rule.purpose.clone();
            fees.push(Fee { taker: rule.taker, amount: amount(minor), purpose });
        }
        Ok(Price {
            mid,
            principal: amount(principal),
            margin: amount(margin),
            fees,
            debit: amount(sum),
        })
    }
}

/// Basis points of the whole.
const BASIS_POINTS: u128 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn sgd(minor: u128) -> Amount {
        Amount::new(Minor::new(minor), "SGD.2@mas-sandbox".parse().unwrap())
    }

    #[test]
    fn the_principal_is_rounded_up_and_the_parts_add_up() {
        let fee = FeeRule {
            taker: FeeTakerName::Operator,
            asset: "EUR.2@tcb-sandbox".to_owned(),
            flat_minor: "100".to_owned(),
            basis_points: 1,
            purpose: "settlement".to_owned(),
        };
        let pricing = Pricing::new(30, &[fee]).unwrap();
        let eur = "EUR.2@tcb-sandbox".parse().unwrap();
        let price = pricing.price(&RateTable::example(), sgd(1_240_000), eur).unwrap();
        // 1 240 000 * 100 000 / 147 184 = 842 482.88…; 30 and 1 basis points of it rounded up.
        assert_eq!(price.principal.minor, Minor::new(842_483));
        assert_eq!(price.margin.minor, Minor::new(2_528));
        assert_eq!(price.fees[0].amount.minor, Minor::new(100 + 85));
        assert_eq!(price.debit.minor, Minor::new(842_483 + 2_528 + 185));
    }

    #[test]
    fn refusals() {
        let pricing = Pricing::new(30, &[]).unwrap();
        let eur = "EUR.2@tcb-sandbox".parse().unwrap();
        let table = RateTable::example();
        let refused = |credit, debit| match pricing.price(&table, credit, debit) {
            Ok(_) => panic!("a price was given"),
            Err(refusal) => refusal,
        };
        assert!(matches!(refused(sgd(0), eur), PriceRefusal::Nothing));
        assert!(matches!(refused(sgd(5), sgd(5).asset), PriceRefusal::NoRate { .. }));
        assert!(matches!(refused(sgd(u128::MAX), eur), PriceRefusal::Amount(_)));
    }
}
