//! Comparing a party with the entries of lists, and saying why.

use record::ListVersion;
use seal::Digest;

use crate::index::At;
use crate::list::{Entry, LoadedList};
use crate::normal::{Normal, normal};

mod score;

pub use score::compare;
pub(crate) use score::{best_of, edits_allowed, joined_edits, word_score};

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
    screen_among(party, lists, thresholds, |list, name| list.names_like(name, thresholds.possible))
}

/// Compares a party with those names of each list that may be like it.
fn screen_among(
    party: &Party<'_>,
    lists: &[LoadedList],
    thresholds: Thresholds,
    among: impl Fn(&LoadedList, &Normal) -> Vec<At>,
) -> Outcome {
    let name = normal(party.name);
    if name.is_empty() {
        return Outcome::NotScreened(NotScreened::NameMissing);
    }
    if party.country.is_empty() {
        return Outcome::NotScreened(NotScreened::CountryMissing);
    }
    if lists.is_empty() || lists.iter().any(|l| l.list().entries.is_empty()) {
        return Outcome::NotScreened(NotScreened::ListMissing);
    }
    let hits = lists
        .iter()
        .flat_map(|list| hits(party, &name, (list, among(list, &name)), thresholds.possible));
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

/// Every entry that a party looks like, in the order of lists and entries: what a person is shown,
/// where [`screen`] names the worst only. Nothing when the party or a list is missing.
#[must_use]
pub fn all_hits(party: &Party<'_>, lists: &[LoadedList], thresholds: Thresholds) -> Vec<Hit> {
    let name = normal(party.name);
    if name.is_empty() || party.country.is_empty() {
        return Vec::new();
    }
    let least = thresholds.possible;
    let of_list =
        |list: &LoadedList| hits(party, &name, (list, list.names_like(&name, least)), least);
    lists.iter().flat_map(of_list).collect()
}

/// A word of one name beside the word of the other that it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aligned {
    /// The party's word, made comparable.
    pub asked: String,
    /// The listed word.
    pub listed: String,
    /// How alike, per mille.
    pub score: u16,
}

/// Which words of two names were taken for each other, in the first name's order: why a score is
/// what it is. Words that met none are left out.
#[must_use]
pub fn alignment(asked: &str, listed: &str) -> Vec<Aligned> {
    let (asked, listed) = (normal(asked), normal(listed));
    score::met(&asked, &listed)
        .into_iter()
        .filter_map(|(a, b, score)| {
            Some(Aligned {
                asked: asked.words.get(a)?.text.clone(),
                listed: listed.words.get(b)?.text.clone(),
                score: u16::try_from(score).unwrap_or(u16::MAX),
            })
        })
        .collect()
}

/// Of each entry the likest name, the first among equals, if it is at least so like.
fn hits(
    party: &Party<'_>,
    name: &Normal,
    (list, among): (&LoadedList, Vec<At>),
    least: u16,
) -> Vec<Hit> {
    let mut best: Vec<(At, u16, Rule)> = Vec::new();
    for at in among {
        let Some((_, _, listed)) = list.named(at) else { continue };
        let (score, rule) = compare(name, listed);
        if score < least {
            continue;
        }
        match best.last_mut() {
            Some(last) if last.0.entry == at.entry => {
                if score > last.1 {
                    *last = (at, score, rule);
                }
            }
            _ => best.push((at, score, rule)),
        }
    }
    let hit = |(at, score, rule)| {
        let (entry, written, _) = list.named(at)?;
        Some(Hit {
            list: list.version(),
            entry: entry.id.clone(),
            entry_digest: entry.digest(),
            name: written.clone(),
            rule,
            score,
            contradicted: contradicted(party, entry),
        })
    };
    best.into_iter().filter_map(hit).collect()
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

#[cfg(test)]
mod tests;
