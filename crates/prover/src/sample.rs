//! A solver's model as a payment that a person understands.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Authorizer, Decision, EvalResult, PolicySet};
use cedar_policy_symcc::Env;
use policy::parameters::ParameterValue;
use policy::vocabulary::definition;
use serde_json::{Value, json};

use crate::subject::Subject;

/// A payment that shows something, replayed in the engine that edges decide with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What is done: `pay`, `refund`, `settle`.
    pub action: String,
    /// Each finding, in plain JSON.
    pub findings: BTreeMap<String, Value>,
    /// The parameters in force.
    pub parameters: BTreeMap<String, Value>,
    /// Whether the parameters are those in force on the pack's first day.
    pub in_force: bool,
    /// Whether the engine said of it what the solver said.
    pub replayed: bool,
    /// Findings and parameters that matter here.
    about: (BTreeSet<String>, BTreeSet<String>),
    units: BTreeMap<String, String>,
}

/// What the engine must say of a model.
pub(crate) struct Expected<'a> {
    /// Allowed by these …
    pub(crate) allowed: &'a PolicySet,
    /// … and not by those.
    pub(crate) refused: Option<&'a PolicySet>,
}

impl Sample {
    pub(crate) fn of(
        subject: &Subject,
        (action, env): (&str, &Env),
        expected: &Expected<'_>,
        about: (&BTreeSet<String>, &BTreeSet<String>),
    ) -> Self {
        let says = |set: &PolicySet| {
            Authorizer::new().is_authorized(&env.request, set, &env.entities).decision()
        };
        let replayed = says(expected.allowed) == Decision::Allow
            && expected.refused.is_none_or(|set| says(set) == Decision::Deny);
        let names: BTreeSet<String> =
            subject.pack.reads().map(str::to_owned).chain(["dutiesDue".to_owned()]).collect();
        let context = env.request.context();
        let finding = |name: &String| {
            Some((name.clone(), plain(&context.and_then(|context| context.get(name))?)))
        };
        let resource = env.request.resource().and_then(|uid| env.entities.get(uid));
        let parameter = |name: &String| {
            let value = resource.and_then(|corridor| corridor.attr(name))?.ok()?;
            Some((name.clone(), plain(&value)))
        };
        let parameters: BTreeMap<String, Value> =
            subject.parameters.keys().filter_map(parameter).collect();
        let in_force = subject.pack.parameters().next().is_some_and(|(_, values)| {
            parameters
                .iter()
                .all(|(name, value)| values.get(name).map(of_parameter).as_ref() == Some(value))
        });
        let units = subject.parameters.iter().map(|(n, m)| (n.clone(), m.unit.clone()));
        Self {
            action: action.to_owned(),
            findings: names.iter().filter_map(finding).collect(),
            parameters,
            in_force,
            replayed,
            about: (about.0.clone(), about.1.clone()),
            units: units.collect(),
        }
    }

    /// One line of what is paid, then a line for each name that matters.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = vec![self.headline()];
        for (of, names, values) in
            [("", &self.about.0, &self.findings), ("corridor's ", &self.about.1, &self.parameters)]
        {
            for (name, value) in names.iter().filter_map(|name| Some((name, values.get(name)?))) {
                let label = format!("{of}{name}");
                lines.push(format!("    {label:<32} {}", self.shown(name, value)));
            }
        }
        if !self.in_force && !self.parameters.is_empty() {
            lines.push("    with other parameters than those in force today".to_owned());
        }
        lines.push(if self.replayed {
            "    decided again by the engine of the edges: it says so too".to_owned()
        } else {
            "    decided again by the engine of the edges: IT DOES NOT SAY SO".to_owned()
        });
        lines.join("\n")
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "action": self.action,
            "findings": self.findings,
            "parameters": self.parameters,
            "parameters_in_force": self.in_force,
            "replayed": self.replayed,
            "text": self.headline(),
        })
    }

    fn headline(&self) -> String {
        let word = |name: &str| self.findings.get(name).map(|value| self.shown(name, value));
        if self.action == "settle" {
            let due = word("dutiesDue").unwrap_or_default();
            let done = word("dutiesDone").unwrap_or_default();
            return format!("a payment settles with duties {due} due and {done} done");
        }
        let what = if self.action == "refund" { "a refund" } else { "a payment" };
        let country = |name| word(name).unwrap_or_else(|| "?".to_owned());
        format!(
            "{what} of {}, from {} to {}, on a {} at {}",
            word("amount").unwrap_or_default(),
            country("payerCountry"),
            country("payeeCountry"),
            word("weekday").unwrap_or_else(|| "day".to_owned()),
            word("minuteOfDay").unwrap_or_else(|| "some time".to_owned()),
        )
    }

    fn shown(&self, name: &str, value: &Value) -> String {
        let unit = match self.units.get(name) {
            Some(unit) => unit.as_str(),
            None => definition(name).map_or("", |row| row.unit),
        };
        match (value, name) {
            (Value::Array(items), _) if items.is_empty() => "none".to_owned(),
            (Value::Array(items), _) => items.iter().map(word).collect::<Vec<_>>().join(", "),
            (Value::Bool(flag), _) => if *flag { "yes" } else { "no" }.to_owned(),
            (Value::Number(number), "weekday" | "lastWeekday") => weekday(number.as_i64()),
            (Value::Number(number), _) => {
                quantity(number.as_i64().unwrap_or_default(), name, unit, &self.currency())
            }
            (other, _) => word(other),
        }
    }

    fn currency(&self) -> String {
        let found = self.findings.get("currency").or_else(|| self.parameters.get("currency"));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

fn plain(value: &EvalResult) -> Value {
    match value {
        EvalResult::Bool(flag) => json!(flag),
        EvalResult::Long(number) => json!(number),
        EvalResult::String(text) => json!(text),
        EvalResult::Set(set) => Value::Array(set.iter().map(plain).collect()),
        EvalResult::EntityUid(uid) => json!(uid.to_string()),
        EvalResult::Record(_) => json!("a record"),
        EvalResult::ExtensionValue(text) => json!(text),
    }
}

fn of_parameter(value: &ParameterValue) -> Value {
    match value {
        ParameterValue::Number(number) => json!(number),
        ParameterValue::Text(text) => json!(text),
        ParameterValue::Texts(texts) => json!(texts),
    }
}

fn word(value: &Value) -> String {
    match value.as_str() {
        Some("") => "(nothing)".to_owned(),
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

fn weekday(number: Option<i64>) -> String {
    let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let index = number.and_then(|n| usize::try_from(n.checked_sub(1)?).ok());
    let name = index.and_then(|index| names.get(index));
    name.map_or_else(|| format!("weekday {}", number.unwrap_or_default()), |n| (*n).to_owned())
}

/// A number in its unit: money, an age, a time of day.
fn quantity(number: i64, name: &str, unit: &str, currency: &str) -> String {
    if unit.ends_with("cents") || unit == "minor units" || name == "amount" {
        return format!("{currency} {}", money(number)).trim().to_owned();
    }
    match unit {
        "seconds" => age(number),
        "minutes" => format!("{:02}:{:02}", number.div_euclid(60), number.rem_euclid(60)),
        _ => number.to_string(),
    }
}

/// Minor units with two decimals and thousands apart.
fn money(minor: i64) -> String {
    let (whole, cents) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    let digits = whole.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{shown}.{cents:02}")
}

fn age(seconds: i64) -> String {
    let (left, sign) = (seconds.unsigned_abs(), if seconds < 0 { "-" } else { "" });
    let parts =
        [(left / 86_400, "d"), (left / 3600 % 24, "h"), (left / 60 % 60, "min"), (left % 60, "s")];
    let told: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if told.is_empty() { "0 s".to_owned() } else { format!("{sign}{}", told.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_write_them() {
        let table = [
            (50_000_001, "amount", "minor units", "EUR 500,000.01"),
            (-5, "amount", "minor units", "EUR -0.05"),
            (1_234_567_890, "amountLimit", "EUR cents", "EUR 12,345,678.90"),
            (90_061, "listAge", "seconds", "1 d 1 h 1 min 1 s"),
            (0, "listAge", "seconds", "0 s"),
            (419, "minuteOfDay", "minutes", "06:59"),
            (7, "x", "", "7"),
        ];
        for (number, name, unit, text) in table {
            assert_eq!(quantity(number, name, unit, "EUR"), text);
        }
        assert_eq!((weekday(Some(7)), weekday(Some(0))), ("Sunday".into(), "weekday 0".into()));
    }
}
