//! Where the packs of a corridor's two sides stand against each other.
//!
//! A payment needs both sides' permits, so what one side refuses the other cannot mend. Each
//! conflict names the rule of each side, with its law, and what would satisfy both. Rules are
//! compared by their form: what has another form than those of [`demand`] is named as not
//! compared, never passed over. That a pack by itself allows what it should is a proof's business.

use std::collections::BTreeSet;

use record::Side;
use seal::Digest;
use terms::{BusinessDate, CorridorName, Jurisdiction};
use thiserror::Error;

use crate::pack::{Pack, Period};
use crate::parameters::ParameterValue;
use crate::rule::Chapter;

mod demand;
mod hours;

use demand::{Demand, Demands};

/// Findings about the payer that the creditor's side has from the debtor's statement only.
const OF_PAYER: [&str; 3] = ["payerNameGiven", "payerAccountGiven", "payerAddressStructured"];
/// Findings about the payee that the debtor's side has from the creditor's statement only.
const OF_PAYEE: [&str; 2] = ["payeeNameGiven", "payeeNameFitsAccount"];
/// Words that both sides are told alike.
const WORDS: [&str; 3] = ["purpose", "payerCountry", "payeeCountry"];

/// What two sides differ about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// One side asks for what the other forbids.
    Contradiction,
    /// Words that one side takes and the other does not: purposes, countries.
    Words,
    /// The most that one payment may be.
    Limit,
    /// From which amount on something is asked.
    Threshold,
    /// One side asks for what the other lets pass without.
    Asked,
    /// Hours of business.
    Hours,
    /// Days on which one side alone is closed.
    Holidays,
}

impl Topic {
    /// The word shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Contradiction => "contradiction",
            Self::Words => "words",
            Self::Limit => "limit",
            Self::Threshold => "threshold",
            Self::Asked => "asked",
            Self::Hours => "hours",
            Self::Holidays => "holidays",
        }
    }
}

/// What a conflict does to payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// No payment passes both sides.
    Blocks,
    /// Some payments pass one side and not the other.
    Narrows,
    /// Whether they differ cannot be said without a rate.
    Unknown,
}

impl Weight {
    /// The word shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Narrows => "narrows",
            Self::Unknown => "unknown",
        }
    }
}

/// What one side says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Saying {
    /// The rule's code; empty where the side has no rule about it.
    pub rule: String,
    /// The law that the rule names.
    pub reference: String,
    /// What it says, in words.
    pub says: String,
}

/// One conflict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// What it does to payments.
    pub weight: Weight,
    /// What it is about.
    pub topic: Topic,
    /// The finding or parameter in question.
    pub of: String,
    /// The debtor's side.
    pub debtor: Saying,
    /// The creditor's side.
    pub creditor: Saying,
    /// What would satisfy both.
    pub satisfies: String,
}

/// All conflicts of a corridor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicts {
    /// The corridor.
    pub corridor: CorridorName,
    /// Name and digest of the debtor side's pack.
    pub debtor: (String, Digest),
    /// Name and digest of the creditor side's pack.
    pub creditor: (String, Digest),
    /// The heaviest first.
    pub all: Vec<Conflict>,
    /// Rules about what both sides are told whose form is not compared: `PACK RULE`.
    pub not_compared: BTreeSet<String>,
}

impl Conflicts {
    /// Whether no payment passes both sides.
    #[must_use]
    pub fn blocked(&self) -> bool {
        self.all.iter().any(|one| one.weight == Weight::Blocks)
    }
}

/// How many minor units of the debited asset are worth how many of the credited one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConflictRate {
    /// Minor units debited.
    pub debit_units: u64,
    /// Minor units credited.
    pub credit_units: u64,
}

impl ConflictRate {
    /// A debited amount in minor units of the credited asset, rounded down.
    fn credited(self, debited: i64) -> Option<i128> {
        let units = i128::from(debited).checked_mul(i128::from(self.credit_units))?;
        units.checked_div(i128::from(self.debit_units))
    }
}

/// Why two packs have no conflicts to tell.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotACorridor {
    /// Of two corridors.
    #[error("expected two packs of one corridor, got `{first}` and `{second}`")]
    Corridors {
        /// The first pack's.
        first: CorridorName,
        /// The second pack's.
        second: CorridorName,
    },
    /// Of one side.
    #[error("expected a pack of each side, got two of the {side} side")]
    OneSide {
        /// Which.
        side: Side,
    },
    /// Not in force.
    #[error("expected parameters of `{pack}` in force on {day}")]
    NotInForce {
        /// The pack.
        pack: String,
        /// The day.
        day: BusinessDate,
    },
    /// A rate of nothing.
    #[error("expected a rate above nothing on both sides")]
    NoRate,
}

/// Every conflict between the two sides of a corridor, with the parameters of `day`; the packs in
/// any order. Without a rate amounts of two currencies are told, and not compared.
///
/// # Errors
/// The packs are not the two sides of one corridor, in force on that day.
pub fn conflicts(
    first: &Pack,
    second: &Pack,
    day: BusinessDate,
    rate: Option<ConflictRate>,
) -> Result<Conflicts, NotACorridor> {
    if first.corridor() != second.corridor() {
        let (first, second) = (first.corridor(), second.corridor());
        return Err(NotACorridor::Corridors { first, second });
    }
    if first.side() == second.side() {
        return Err(NotACorridor::OneSide { side: first.side() });
    }
    if rate.is_some_and(|rate| rate.debit_units == 0 || rate.credit_units == 0) {
        return Err(NotACorridor::NoRate);
    }
    let (debtor, creditor) =
        if first.side() == Side::Debtor { (first, second) } else { (second, first) };
    let both = Both { debtor: One::of(debtor, day)?, creditor: One::of(creditor, day)?, rate };
    let mut all = Vec::new();
    both.words(&mut all);
    both.asked(&mut all);
    both.limits(&mut all);
    both.hours(day, &mut all);
    all.sort_unstable();
    let named = |pack: &Pack| (pack.name().to_owned(), pack.digest());
    Ok(Conflicts {
        corridor: debtor.corridor(),
        debtor: named(debtor),
        creditor: named(creditor),
        all,
        not_compared: both.not_compared(),
    })
}

/// One side, on one day.
struct One<'a> {
    pack: &'a Pack,
    period: &'a Period,
    demands: Demands,
}

impl<'a> One<'a> {
    fn of(pack: &'a Pack, day: BusinessDate) -> Result<Self, NotACorridor> {
        let not = || NotACorridor::NotInForce { pack: pack.name().to_owned(), day };
        let period = pack.period(day).ok_or_else(not)?;
        Ok(Self { pack, period, demands: Demands::of(pack) })
    }

    fn saying(&self, rule: &str, says: String) -> Saying {
        let words = self.pack.set.rules.get(rule).and_then(|(_, rule)| rule.words.as_ref());
        let reference = words.map(|words| words.reference.clone()).unwrap_or_default();
        Saying { rule: rule.to_owned(), reference, says }
    }

    fn silent(says: &str) -> Saying {
        Saying { rule: String::new(), reference: String::new(), says: says.to_owned() }
    }

    fn texts(&self, parameter: &str) -> BTreeSet<String> {
        match self.period.values.get(parameter) {
            Some(ParameterValue::Texts(words)) => words.clone(),
            Some(ParameterValue::Number(_) | ParameterValue::Text(_)) | None => BTreeSet::new(),
        }
    }

    fn currency(&self) -> String {
        match self.period.values.get("currency") {
            Some(ParameterValue::Text(word)) => word.clone(),
            Some(ParameterValue::Number(_) | ParameterValue::Texts(_)) | None => "?".to_owned(),
        }
    }

    /// An amount of a parameter, in words.
    fn amount(&self, units: i64) -> String {
        format!("{units} minor units of {}", self.currency())
    }

    /// The decide rule that reads a parameter.
    fn reader(&self, parameter: &str) -> Option<&'a str> {
        let reads = |(id, (chapter, rule)): (&'a String, &'a (Chapter, crate::rule::Rule))| {
            let found = *chapter == Chapter::Decide && rule.parameters.contains(parameter);
            found.then_some(id.as_str())
        };
        self.pack.set.rules.iter().find_map(reads)
    }

    /// The duty of a kind that is due from an amount on: rule and parameter.
    fn due_from(&self, kind: &str) -> Option<(&'a str, i64)> {
        let of_kind = |(id, (_, rule)): (&'a String, &'a (Chapter, crate::rule::Rule))| {
            let due =
                matches!(&rule.due, Some(crate::rule::Due::Duty { kind: k, .. }) if k == kind);
            let parameter = rule.parameters.iter().next()?;
            due.then_some((id.as_str(), self.period.number(parameter)?))
        };
        self.pack.set.rules.iter().find_map(of_kind)
    }
}

/// Both sides.
struct Both<'a> {
    debtor: One<'a>,
    creditor: One<'a>,
    rate: Option<ConflictRate>,
}

impl Both<'_> {
    fn put(
        &self,
        (weight, topic, of): (Weight, Topic, &str),
        (debtor, creditor): (Saying, Saying),
        satisfies: String,
    ) -> Conflict {
        Conflict { weight, topic, of: of.to_owned(), debtor, creditor, satisfies }
    }

    /// Purposes and countries.
    fn words(&self, all: &mut Vec<Conflict>) {
        for finding in WORDS {
            let (a, b) = (&self.debtor, &self.creditor);
            let (may_a, may_b) = (a.demands.among(finding), b.demands.among(finding));
            if let (Some((rule_a, set_a)), Some((rule_b, set_b))) = (may_a, may_b) {
                all.extend(self.among(finding, (rule_a, a.texts(set_a)), (rule_b, b.texts(set_b))));
            }
            let (not_a, not_b) = (a.demands.not_among(finding), b.demands.not_among(finding));
            if let (Some((rule_a, set_a)), Some((rule_b, set_b))) = (not_a, not_b) {
                let (one, other) = ((rule_a, a.texts(set_a)), (rule_b, b.texts(set_b)));
                all.extend(self.not_among(finding, one, other));
            }
            for (here, far) in [(a, b), (b, a)] {
                all.extend(self.own_country(finding, here, far));
            }
        }
    }

    fn among(
        &self,
        finding: &str,
        (rule_a, a): (&str, BTreeSet<String>),
        (rule_b, b): (&str, BTreeSet<String>),
    ) -> Option<Conflict> {
        if a == b {
            return None;
        }
        let common: Vec<&String> = a.intersection(&b).collect();
        let weight = if common.is_empty() { Weight::Blocks } else { Weight::Narrows };
        let satisfies = if common.is_empty() {
            format!("nothing: no value of `{finding}` is taken by both; one side must take more")
        } else {
            format!("`{finding}` one of {}", listed(common))
        };
        let says = |words: &BTreeSet<String>| format!("takes {} only", listed(words));
        let debtor = self.debtor.saying(rule_a, says(&a));
        let creditor = self.creditor.saying(rule_b, says(&b));
        Some(self.put((weight, Topic::Words, finding), (debtor, creditor), satisfies))
    }

    fn not_among(
        &self,
        finding: &str,
        (rule_a, a): (&str, BTreeSet<String>),
        (rule_b, b): (&str, BTreeSet<String>),
    ) -> Option<Conflict> {
        if a == b {
            return None;
        }
        let says = |words: &BTreeSet<String>| format!("refuses {}", listed(words));
        let debtor = self.debtor.saying(rule_a, says(&a));
        let creditor = self.creditor.saying(rule_b, says(&b));
        let satisfies = format!("`{finding}` none of {}", listed(a.union(&b)));
        let about = (Weight::Narrows, Topic::Words, finding);
        Some(self.put(about, (debtor, creditor), satisfies))
    }

    /// A side that refuses the very country that the corridor comes from or leads to.
    fn own_country(&self, finding: &str, here: &One<'_>, far: &One<'_>) -> Option<Conflict> {
        let (rule, set) = here.demands.not_among(finding)?;
        let name = here.pack.corridor();
        let (from, to) = name.as_str().split_once('-')?;
        let country = if finding == "payerCountry" { from } else { to }.to_uppercase();
        let known = country.parse::<Jurisdiction>().is_ok() && finding != "purpose";
        if !known || !here.texts(set).contains(&country) {
            return None;
        }
        let saying = here.saying(rule, format!("refuses {country}"));
        let other = One::silent(&format!("is for payments from {from} to {to}"));
        let satisfies = format!("nothing: `{name}` is closed until {country} is off that list");
        let sides =
            if far.pack.side() == Side::Creditor { (saying, other) } else { (other, saying) };
        Some(self.put((Weight::Blocks, Topic::Words, finding), sides, satisfies))
    }

    /// What one side asks of the other's statement, and the other does not see to.
    fn asked(&self, all: &mut Vec<Conflict>) {
        for finding in OF_PAYER {
            all.extend(self.asks(finding, Side::Creditor));
        }
        for finding in OF_PAYEE {
            all.extend(self.asks(finding, Side::Debtor));
        }
    }

    /// `asking` is the side that knows of it by the other's statement alone.
    fn asks(&self, finding: &str, asking: Side) -> Option<Conflict> {
        let (here, far) = match asking {
            Side::Debtor => (&self.debtor, &self.creditor),
            Side::Creditor => (&self.creditor, &self.debtor),
        };
        let (rule, demand) = here.demands.of_flag(finding)?;
        let given = far.demands.of_flag(finding);
        let (weight, topic, satisfies) = self.meets((here, demand), far, given, finding)?;
        let saying = here.saying(rule, here.in_words(demand, finding));
        let other = match given {
            Some((rule, demand)) => far.saying(rule, far.in_words(demand, finding)),
            None => One::silent("lets pass without"),
        };
        let sides = if asking == Side::Debtor { (saying, other) } else { (other, saying) };
        Some(self.put((weight, topic, finding), sides, satisfies))
    }

    /// Whether what one side sees to is what the other asks; `None` when it is.
    fn meets(
        &self,
        (here, asked): (&One<'_>, &Demand),
        far: &One<'_>,
        given: Option<(&str, &Demand)>,
        finding: &str,
    ) -> Option<(Weight, Topic, String)> {
        let side = far.pack.side();
        let always = format!("the {side} side gives `{finding}` with every payment");
        match (asked, given.map(|(_, demand)| demand)) {
            (Demand::Never, Some(Demand::Never)) | (Demand::Never, None) => None,
            (Demand::Never, Some(Demand::Needs)) | (Demand::Needs, Some(Demand::Never)) => {
                let none = format!("nothing: one side asks for `{finding}`, the other forbids it");
                Some((Weight::Blocks, Topic::Contradiction, none))
            }
            (Demand::Never, Some(Demand::NeedsFrom(from))) => {
                Some(self.below(far, from, "and leaves it out"))
            }
            (Demand::NeedsFrom(from), Some(Demand::Never)) => {
                Some(self.below(here, from, "and leaves it out"))
            }
            (Demand::Needs | Demand::NeedsFrom(_), Some(Demand::Needs)) => None,
            (Demand::Needs, None | Some(Demand::NeedsFrom(_))) => {
                Some((Weight::Narrows, Topic::Asked, always))
            }
            (Demand::NeedsFrom(from), None) => {
                let units = here.period.number(from).unwrap_or_default();
                let words = format!("{always} of {} or more", here.amount(units));
                Some((Weight::Narrows, Topic::Asked, words))
            }
            (Demand::NeedsFrom(from), Some(Demand::NeedsFrom(other))) => {
                let (asks, gives) = (here.period.number(from)?, far.period.number(other)?);
                let late = match here.pack.side() {
                    Side::Creditor => Some(self.rate?.credited(gives)? > i128::from(asks)),
                    Side::Debtor => Some(i128::from(gives) > self.rate?.credited(asks)?),
                };
                let words = format!("{always} of {} or more", here.amount(asks));
                (late == Some(true)).then_some((Weight::Narrows, Topic::Threshold, words))
            }
        }
    }

    fn below(&self, of: &One<'_>, parameter: &str, and: &str) -> (Weight, Topic, String) {
        let units = of.period.number(parameter).unwrap_or_default();
        let words = format!("the payment is below {} {and}", of.amount(units));
        (Weight::Narrows, Topic::Contradiction, words)
    }

    /// The most of one payment, and from where on information travels.
    fn limits(&self, all: &mut Vec<Conflict>) {
        let limits =
            (self.debtor.demands.at_most("amount"), self.creditor.demands.at_most("amount"));
        if let (Some((rule_a, a)), Some((rule_b, b))) = limits
            && let (Some(most_a), Some(most_b)) =
                (self.debtor.period.number(a), self.creditor.period.number(b))
        {
            let says = |side: &One<'_>, rule: &str, most: i64| {
                side.saying(rule, format!("takes at most {}", side.amount(most)))
            };
            let sides = (says(&self.debtor, rule_a, most_a), says(&self.creditor, rule_b, most_b));
            let (weight, words) = self.lower(most_a, most_b, "at most");
            all.extend(weight.map(|w| self.put((w, Topic::Limit, "amount"), sides, words)));
        }
        let due = (self.debtor.due_from("travel-rule"), self.creditor.due_from("travel-rule"));
        if let (Some((rule_a, from_a)), Some((rule_b, from_b))) = due {
            let says = |side: &One<'_>, rule: &str, from: i64| {
                side.saying(rule, format!("sends information from {} on", side.amount(from)))
            };
            let sides = (says(&self.debtor, rule_a, from_a), says(&self.creditor, rule_b, from_b));
            let (weight, words) = self.lower(from_a, from_b, "information travels from");
            let about = |w| (w, Topic::Threshold, "travel-rule");
            all.extend(weight.map(|w| self.put(about(w), sides, words)));
        }
    }

    /// Of two amounts, the debited and the credited one, the lower; no weight when they are equal.
    fn lower(&self, debited: i64, credited: i64, what: &str) -> (Option<Weight>, String) {
        let (a, b) = (self.debtor.amount(debited), self.creditor.amount(credited));
        let Some(converted) = self.rate.and_then(|rate| rate.credited(debited)) else {
            let unknown = if debited == 0 && credited == 0 { None } else { Some(Weight::Unknown) };
            return (unknown, format!("{what} the lower of {a} and {b}; tell a rate to compare"));
        };
        match converted.cmp(&i128::from(credited)) {
            core::cmp::Ordering::Equal => (None, String::new()),
            core::cmp::Ordering::Less => (Some(Weight::Narrows), format!("{what} {a}")),
            core::cmp::Ordering::Greater => (Some(Weight::Narrows), format!("{what} {b}")),
        }
    }

    fn hours(&self, day: BusinessDate, all: &mut Vec<Conflict>) {
        let (a, b) = (&self.debtor, &self.creditor);
        if let (Some(rule_a), Some(rule_b)) = (a.reader("opensMinute"), b.reader("opensMinute"))
            && let Some((weight, words)) = hours::overlap(a.period, b.period)
        {
            let says = |side: &One<'_>, rule| side.saying(rule, hours::in_words(side.period));
            let sides = (says(a, rule_a), says(b, rule_b));
            all.push(self.put((weight, Topic::Hours, "hours"), sides, words));
        }
        let silent = "has no holidays";
        let holidays = |side: &One<'_>| side.texts("holidays");
        let (days_a, days_b) = (holidays(a), holidays(b));
        let alone = |own: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
            let coming = |one: &&String| **one >= day.to_string();
            own.difference(other).filter(coming).cloned().collect()
        };
        let (only_a, only_b) = (alone(&days_a, &days_b), alone(&days_b, &days_a));
        if only_a.is_empty() && only_b.is_empty() {
            return;
        }
        let says = |side: &One<'_>, days: &[String]| match side.reader("holidays") {
            Some(rule) => side.saying(rule, format!("is closed alone on {}", hours::some(days))),
            None => One::silent(silent),
        };
        let sides = (says(a, &only_a), says(b, &only_b));
        let words = "a day on which neither is closed".to_owned();
        all.push(self.put((Weight::Narrows, Topic::Holidays, "holidays"), sides, words));
    }

    /// Rules about what both sides are told, of a form that is not compared.
    fn not_compared(&self) -> BTreeSet<String> {
        let of = |side: &One<'_>| -> Vec<String> {
            let name = side.pack.name();
            side.demands.others().map(|rule| format!("{name} {rule}")).collect()
        };
        of(&self.debtor).into_iter().chain(of(&self.creditor)).collect()
    }
}

impl One<'_> {
    fn in_words(&self, demand: &Demand, finding: &str) -> String {
        match demand {
            Demand::Needs => format!("refuses without `{finding}`"),
            Demand::Never => format!("refuses with `{finding}`"),
            Demand::NeedsFrom(parameter) => {
                let units = self.period.number(parameter).unwrap_or_default();
                format!("refuses without `{finding}` from {} on", self.amount(units))
            }
        }
    }
}

fn listed<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    words.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
