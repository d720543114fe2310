//! Comparing a party with the entries of lists, and saying why.

use rapidfuzz::distance::osa;
use record::ListVersion;
use seal::Digest;

use crate::list::{Entry, LoadedList};
use crate::normal::{Normal, normal};

/// Who is screened: what an issuer signed, never invoice text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Party<'a> {
    /// The legal name; empty when withheld.
    pub name: &'a str,
    /// The country code; empty when withheld.
    pub country: &'a str,
    /// Date of birth or foundation, where known: `1970-02-01`.
    pub date: Option<&'a str>,
}

/// From which score on, in per mille, a name is a possible and a true match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// A person must look.
    pub possible: u16,
    /// It is the listed party, unless country or date speak against it.
    pub certain: u16,
}

impl Thresholds {
    /// 820 and 970: chosen on the labelled pairs of the test vectors.
    pub const STANDARD: Self = Self { possible: 820, certain: 970 };
}

/// Which comparison gave the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The same words in the same or another order.
    SameWords,
    /// The same letters without spaces.
    SameLetters,
    /// Words aligned one by one.
    AlignedWords,
}

impl Rule {
    /// The word that records carry.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SameWords => "same-words",
            Self::SameLetters => "same-letters",
            Self::AlignedWords => "aligned-words",
        }
    }
}

/// A listed entry that a party looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The list.
    pub list: ListVersion,
    /// The entry's id on it.
    pub entry: String,
    /// The entry's digest.
    pub entry_digest: Digest,
    /// Which of its names.
    pub name: String,
    /// Which comparison.
    pub rule: Rule,
    /// How alike, per mille.
    pub score: u16,
    /// Country or date speak against it, which makes a match a possible one.
    pub contradicted: bool,
}

/// What is missing for screening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotScreened {
    /// No name, or one without a comparable letter.
    NameMissing,
    /// No country.
    CountryMissing,
    /// No list, or an empty one.
    ListMissing,
}

/// The explained answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Compared with these lists and like none.
    Clear {
        /// The lists.
        lists: Vec<ListVersion>,
    },
    /// A person must look.
    Possible(Hit),
    /// The listed party.
    Match(Hit),
    /// Not compared.
    NotScreened(NotScreened),
}

impl Outcome {
    /// The word that findings carry.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Clear { .. } => "Clear",
            Self::Possible(_) => "Possible",
            Self::Match(_) => "Match",
            Self::NotScreened(_) => "NotScreened",
        }
    }
}

/// Compares a party with every entry of every list.
#[must_use]
pub fn screen(party: &Party<'_>, lists: &[LoadedList], thresholds: Thresholds) -> Outcome {
    let name = normal(party.name);
    if name.tokens.is_empty() {
        return Outcome::NotScreened(NotScreened::NameMissing);
    }
    if party.country.is_empty() {
        return Outcome::NotScreened(NotScreened::CountryMissing);
    }
    if lists.is_empty() || lists.iter().any(|l| l.list().entries.is_empty()) {
        return Outcome::NotScreened(NotScreened::ListMissing);
    }
    let hits = lists.iter().flat_map(|list| hits(party, &name, list, thresholds));
    // The worst hit stands for all: one without contradiction first, then the highest score; among
    // equals the first in list order, so that a replay names the same entry.
    let worst = hits.reduce(|best, hit| {
        let rank = |h: &Hit| (!h.contradicted && h.score >= thresholds.certain, h.score);
        if rank(&hit) > rank(&best) { hit } else { best }
    });
    match worst {
        None => Outcome::Clear { lists: lists.iter().map(LoadedList::version).collect() },
        Some(hit) if hit.score >= thresholds.certain && !hit.contradicted => Outcome::Match(hit),
        Some(hit) => Outcome::Possible(hit),
    }
}

fn hits<'a>(
    party: &'a Party<'_>,
    name: &'a Normal,
    list: &'a LoadedList,
    thresholds: Thresholds,
) -> impl Iterator<Item = Hit> + 'a {
    list.entries().filter_map(move |(entry, names)| {
        let (index, (score, rule)) =
            names
                .iter()
                .map(|listed| compare(name, listed))
                .enumerate()
                .reduce(|best, next| if next.1.0 > best.1.0 { next } else { best })?;
        (score >= thresholds.possible).then(|| Hit {
            list: list.version(),
            entry: entry.id.clone(),
            entry_digest: entry.digest(),
            name: core::iter::once(&entry.name)
                .chain(&entry.aliases)
                .nth(index)
                .cloned()
                .unwrap_or_default(),
            rule,
            score,
            contradicted: contradicted(party, entry),
        })
    })
}

fn contradicted(party: &Party<'_>, entry: &Entry) -> bool {
    let country =
        !entry.countries.is_empty() && !entry.countries.iter().any(|c| c == party.country);
    let year = |date: &str| date.get(..4).map(str::to_owned);
    let date = party.date.is_some_and(|date| {
        !entry.dates.is_empty() && !entry.dates.iter().any(|d| year(d) == year(date))
    });
    country || date
}

/// How alike two names are, per mille, and by which rule.
#[must_use]
pub fn compare(a: &Normal, b: &Normal) -> (u16, Rule) {
    let sorted = |n: &Normal| {
        let mut tokens = n.tokens.clone();
        tokens.sort_unstable();
        tokens
    };
    let (score, rule) = if a.tokens.is_empty() || b.tokens.is_empty() {
        (0, Rule::AlignedWords)
    } else if sorted(a) == sorted(b) {
        (1000, Rule::SameWords)
    } else {
        let letters = alike(&a.joined, &b.joined);
        let words = aligned(&a.tokens, &b.tokens);
        // Whole-name letters count only near identity: they see missing spaces, not other names.
        if letters >= LETTERS_MIN && letters > words {
            (letters, Rule::SameLetters)
        } else {
            (words, Rule::AlignedWords)
        }
    };
    let forms_differ = a.form.is_some() && b.form.is_some() && a.form != b.form;
    (if forms_differ { score.saturating_sub(FORM_PENALTY) } else { score }, rule)
}

/// The share of letters, in per mille, that find a like word on the other side.
fn aligned(a: &[String], b: &[String]) -> u16 {
    let mut pairs: Vec<(u16, usize, usize)> = Vec::new();
    for (i, left) in a.iter().enumerate() {
        for (j, right) in b.iter().enumerate() {
            let score = word_score(left, right);
            if score >= WORD_MIN {
                pairs.push((score, i, j));
            }
        }
    }
    pairs.sort_by(|x, y| y.0.cmp(&x.0).then(x.1.cmp(&y.1)).then(x.2.cmp(&y.2)));
    let (mut used_a, mut used_b) = (vec![false; a.len()], vec![false; b.len()]);
    let (mut gained, mut met) = (0_usize, 0_usize);
    for (score, i, j) in pairs {
        let (Some(ua), Some(ub)) = (used_a.get_mut(i), used_b.get_mut(j)) else { continue };
        if *ua || *ub {
            continue;
        }
        (*ua, *ub) = (true, true);
        let length = |word: Option<&String>| word.map_or(0, String::len);
        let weight = length(a.get(i)).saturating_add(length(b.get(j)));
        gained = gained.saturating_add(weight.saturating_mul(usize::from(score)));
        met = met.saturating_add(1);
    }
    let letters = |words: &[String]| words.iter().map(String::len).sum::<usize>();
    // Words of one side that meet nothing weigh half on the longer side: a middle name left out
    // is common; nobody is matched on one word of several.
    let total = letters(a).saturating_add(letters(b));
    let unmet = unmet_letters(a, &used_a).saturating_add(unmet_letters(b, &used_b));
    let fewest = a.len().min(b.len());
    let discount = if met == fewest && met >= 2 { unmet / 2 } else { 0 };
    let whole = total.saturating_sub(discount).max(1);
    u16::try_from(gained / whole).unwrap_or(1000).min(999)
}

fn unmet_letters(words: &[String], used: &[bool]) -> usize {
    words.iter().zip(used).filter(|(_, used)| !**used).map(|(word, _)| word.len()).sum()
}

fn word_score(a: &str, b: &str) -> u16 {
    if a == b {
        return 1000;
    }
    let initial = |short: &str, long: &str| short.len() == 1 && long.starts_with(short);
    if initial(a, b) || initial(b, a) {
        return INITIAL_SCORE;
    }
    // A short word with another letter is another word: `Li` is not `Lu`.
    if a.len().min(b.len()) <= 3 { 0 } else { alike(a, b) }
}

/// One thousand less the share of edits (insert, delete, change, swap of neighbours).
fn alike(a: &str, b: &str) -> u16 {
    let longest = a.len().max(b.len()).max(1);
    let edits = osa::distance(a.chars(), b.chars());
    let share = edits.saturating_mul(1000) / longest;
    1000_u16.saturating_sub(u16::try_from(share).unwrap_or(1000))
}

const WORD_MIN: u16 = 650;
const LETTERS_MIN: u16 = 880;
const INITIAL_SCORE: u16 = 850;
const FORM_PENALTY: u16 = 190;

#[cfg(test)]
mod tests;
