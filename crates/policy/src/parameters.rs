//! Dated parameters: which value is in force on which day, and which direction tightens.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::RestrictedExpression;
use record::Side;
use serde::Deserialize;
use terms::{BusinessDate, CorridorName};

use crate::findings::in_range;
use crate::pack::PackError;

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ParameterValue {
    /// A number in the parameter's unit.
    Number(i64),
    /// A word.
    Text(String),
    /// A set of words.
    Texts(BTreeSet<String>),
}

impl ParameterValue {
    pub(crate) fn expression(&self) -> RestrictedExpression {
        match self {
            Self::Number(n) => RestrictedExpression::new_long(*n),
            Self::Text(t) => RestrictedExpression::new_string(t.clone()),
            Self::Texts(texts) => RestrictedExpression::new_set(
                texts.iter().map(|t| RestrictedExpression::new_string(t.clone())),
            ),
        }
    }
}

/// Which change makes a pack stricter: a release that goes the other way needs a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tightens {
    /// A lower number.
    Down,
    /// A higher number.
    Up,
    /// Fewer words.
    Fewer,
    /// More words.
    More,
    /// No order: any change is looked at.
    Neither,
}

/// A value and the first day it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedValue {
    /// The first day, `2026-01-01`.
    pub from: String,
    /// The value.
    pub value: ParameterValue,
}

/// One parameter over time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name, as rules write it behind `resource.`.
    pub name: String,
    /// The unit of a number.
    pub unit: String,
    /// Which change tightens.
    pub tightens: Tightens,
    /// The legal reference.
    pub reference: String,
    /// Its values over time.
    pub values: Vec<DatedValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParameterFile {
    pub(crate) pack: String,
    pub(crate) corridor: String,
    pub(crate) side: String,
    pub(crate) parameters: Vec<Parameter>,
}

/// What the file says, checked.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    pub(crate) pack: String,
    pub(crate) corridor: CorridorName,
    pub(crate) side: Side,
    pub(crate) names: BTreeSet<String>,
    /// First day → all values in force from then on; only days from which all have one.
    pub(crate) periods: BTreeMap<BusinessDate, BTreeMap<String, ParameterValue>>,
}

pub(crate) fn read(text: &str) -> Result<Parameters, PackError> {
    let bad = |reason: String| PackError::Parameters { reason };
    let file: ParameterFile = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
    let corridor = file.corridor.parse().map_err(|e: terms::NameError| bad(e.to_string()))?;
    let side = match file.side.as_str() {
        "debtor" => Side::Debtor,
        "creditor" => Side::Creditor,
        other => return Err(bad(format!("expected side `debtor` or `creditor`, got `{other}`"))),
    };
    let mut dated: BTreeMap<String, BTreeMap<BusinessDate, ParameterValue>> = BTreeMap::new();
    for parameter in file.parameters {
        let mut values = BTreeMap::new();
        for DatedValue { from, value } in parameter.values {
            if let ParameterValue::Number(number) = value
                && !in_range(number)
            {
                return Err(bad(format!("expected `{}` within 53 bits", parameter.name)));
            }
            let from = from.parse().map_err(|e: terms::InstantError| bad(e.to_string()))?;
            if values.insert(from, value).is_some() {
                return Err(bad(format!("expected each day once in `{}`", parameter.name)));
            }
        }
        if dated.insert(parameter.name.clone(), values).is_some() {
            return Err(bad(format!("expected parameter `{}` once", parameter.name)));
        }
    }
    let days: BTreeSet<BusinessDate> = dated.values().flat_map(|v| v.keys().copied()).collect();
    let periods = days.into_iter().filter_map(|day| Some((day, in_force(&dated, day)?))).collect();
    let names = dated.into_keys().collect();
    Ok(Parameters { pack: file.pack, corridor, side, names, periods })
}

fn in_force(
    dated: &BTreeMap<String, BTreeMap<BusinessDate, ParameterValue>>,
    day: BusinessDate,
) -> Option<BTreeMap<String, ParameterValue>> {
    dated
        .iter()
        .map(|(name, values)| {
            let (_, value) = values.range(..=day).next_back()?;
            Some((name.clone(), value.clone()))
        })
        .collect()
}

/// The file of the parameters.
pub(crate) const PARAMETERS_FILE: &str = "parameters.json";
