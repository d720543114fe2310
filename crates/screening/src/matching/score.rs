//! How alike two names are: words aligned one by one, each by the best of three comparisons, and
//! what is left over on either side counted against it.

use std::collections::BTreeSet;

use rapidfuzz::distance::osa;

use super::Rule;
use crate::normal::{Normal, Word};

/// What a name or word that is the same scores.
const SAME: u32 = 1000;
/// What one edit of a word costs, times its letters: one of six is 900.
const EDIT: u32 = 600;
/// Words that sound alike in any transliteration.
const SOUNDS: u32 = 900;
/// `J` for `Joachim`.
const INITIAL: u32 = 880;
/// `Ben` for `Benjamin`.
const SHORT: u32 = 760;
/// Numbers that differ: funds and ships of one series.
const OTHER_NUMBER: u32 = 600;
/// Names joined from the same letters, from this likeness on.
const LETTERS_MIN: u32 = 880;
/// The same letters, apart by spaces only.
const SAME_LETTERS: u32 = 990;
/// A name of which a letter or a word is other is never certainly the listed one, however long.
const NOT_CERTAIN: u32 = 960;
/// Left over on one side, in per mille of its weight: a middle name that is not written.
const LEFT_OF_PERSON: u32 = 200;
/// The same of a firm, whose every word is chosen.
const LEFT_OF_FIRM: u32 = 700;
/// Left over on both sides: another word stands in its place.
const LEFT_OF_BOTH: u32 = 1150;
/// Only one word of several was met: `Michaela` is not `Michelle Obama`.
const MET_ONE: u32 = 1000;
/// Legal forms of different classes.
const FORMS_DIFFER: u32 = 150;

/// How alike two names are, per mille, and by which rule.
#[must_use]
pub fn compare(a: &Normal, b: &Normal) -> (u16, Rule) {
    if a.is_empty() || b.is_empty() {
        return (0, Rule::AlignedWords);
    }
    let (words, rule) = aligned(a, b);
    let letters = if rule == Rule::SameWords { 0 } else { letters(a, b) };
    let (score, rule) = if letters > words { (letters, Rule::SameLetters) } else { (words, rule) };
    let forms_differ = a.form.is_some() && b.form.is_some() && a.form != b.form;
    let score = if forms_differ { score.saturating_sub(FORMS_DIFFER) } else { score };
    (u16::try_from(score).unwrap_or(1000), rule)
}

/// Letters of the whole name, without spaces: they see spaces that are missing or too many, and
/// count only near identity.
fn letters(a: &Normal, b: &Normal) -> u32 {
    if a.words.len() == b.words.len() && a.bare() && b.bare() {
        return 0;
    }
    joined_score(&a.joined, &b.joined).max(joined_score(&a.whole, &b.whole))
}

fn joined_score(a: &str, b: &str) -> u32 {
    let longest = a.len().max(b.len());
    let args = osa::Args::default().score_cutoff(joined_edits(longest));
    let Some(edits) = osa::distance_with_args(a.chars(), b.chars(), &args) else { return 0 };
    let share = edits.saturating_mul(1000).checked_div(longest).unwrap_or(1000);
    let score = SAME.saturating_sub(u32::try_from(share).unwrap_or(SAME));
    match edits {
        0 => SAME_LETTERS,
        _ if score >= LETTERS_MIN => score.min(NOT_CERTAIN),
        _ => 0,
    }
}

/// Edits that joined letters may have and still be the same name.
pub(crate) const fn joined_edits(letters: usize) -> usize {
    letters / 8
}

struct Pair {
    score: u32,
    a: usize,
    b: usize,
}

/// All pairs of words with any likeness: the likest first; among equals the first in the names, so
/// that a replay says the same.
fn pairs(a: &Normal, b: &Normal) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (i, left) in a.words.iter().enumerate() {
        for (j, right) in b.words.iter().enumerate() {
            let score = word_score(left, right);
            if score > 0 {
                pairs.push(Pair { score, a: i, b: j });
            }
        }
    }
    pairs.sort_by(|x, y| y.score.cmp(&x.score).then((x.a, x.b).cmp(&(y.a, y.b))));
    pairs
}

/// The words that are taken for each other, by their places, in the first name's order.
pub(crate) fn met(a: &Normal, b: &Normal) -> Vec<(usize, usize, u32)> {
    let (mut left, mut right) = (BTreeSet::new(), BTreeSet::new());
    let mut met = Vec::new();
    for Pair { score, a, b } in pairs(a, b) {
        if !left.contains(&a) && !right.contains(&b) {
            left.insert(a);
            right.insert(b);
            met.push((a, b, score));
        }
    }
    met.sort_unstable();
    met
}

fn aligned(a: &Normal, b: &Normal) -> (u32, Rule) {
    let pairs = pairs(a, b);
    let (mut met_a, mut met_b) = (vec![false; a.words.len()], vec![false; b.words.len()]);
    let (mut gained, mut weighed, mut met, mut same) = (0_u32, 0_u32, 0_u32, 0_usize);
    for pair in pairs {
        let (Some(left), Some(right)) = (met_a.get_mut(pair.a), met_b.get_mut(pair.b)) else {
            continue;
        };
        if *left || *right {
            continue;
        }
        (*left, *right) = (true, true);
        let weight = weight_at(a, pair.a).saturating_add(weight_at(b, pair.b));
        gained = gained.saturating_add(weight.saturating_mul(pair.score));
        weighed = weighed.saturating_add(weight);
        met = met.saturating_add(1);
        same = same.saturating_add(usize::from(pair.score == SAME));
    }
    if same == a.words.len() && same == b.words.len() {
        return (SAME, Rule::SameWords);
    }
    let cost = left_over((a, &met_a), (b, &met_b), met);
    let whole = weighed.saturating_add(cost).max(1);
    (gained.checked_div(whole).unwrap_or(0).min(NOT_CERTAIN), Rule::AlignedWords)
}

fn weight_at(name: &Normal, index: usize) -> u32 {
    name.words.get(index).map_or(0, |word| word.weight)
}

/// What the words that met nothing cost.
fn left_over(a: (&Normal, &[bool]), b: (&Normal, &[bool]), met: u32) -> u32 {
    let unmet = |(name, met): (&Normal, &[bool])| -> u32 {
        name.words.iter().zip(met).filter(|(_, met)| !**met).map(|(word, _)| word.weight).sum()
    };
    let longest = a.0.words.len().max(b.0.words.len());
    cost((unmet(a), unmet(b)), (met, longest), a.0.firm || b.0.firm)
}

fn cost((left, right): (u32, u32), (met, longest): (u32, usize), firm: bool) -> u32 {
    let share = if left > 0 && right > 0 {
        LEFT_OF_BOTH
    } else if met <= 1 && longest > 1 {
        MET_ONE
    } else if firm {
        LEFT_OF_FIRM
    } else {
        LEFT_OF_PERSON
    };
    left.saturating_add(right).saturating_mul(share) / 1000
}

/// The most that two names can come to when at most these weights of each meet and at least those
/// are left over: `(met, left)` of either, how many words meet and how many the longer one has.
pub(crate) fn best_of(a: (u32, u32), b: (u32, u32), met: (u32, usize), firm: bool) -> u32 {
    let weighed = a.0.saturating_add(b.0);
    let whole = weighed.saturating_add(cost((a.1, b.1), met, firm)).max(1);
    weighed.saturating_mul(SAME).checked_div(whole).unwrap_or(SAME)
}

/// How alike two words are; nothing when they are other words.
pub(crate) fn word_score(a: &Word, b: &Word) -> u32 {
    if a.text == b.text {
        return SAME;
    }
    if a.number || b.number {
        return if a.number && b.number { OTHER_NUMBER } else { 0 };
    }
    let (short, long) = if a.text.len() <= b.text.len() { (a, b) } else { (b, a) };
    if long.text.starts_with(short.text.as_str()) {
        match short.text.len() {
            1 => return INITIAL,
            3.. if long.text.len() >= short.text.len().saturating_add(3) => return SHORT,
            _ => {}
        }
    }
    edited(a, b).max(sounding(a, b))
}

/// Edits that a word of this length may have and still be the same word.
pub(crate) const fn edits_allowed(letters: usize) -> usize {
    match letters {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    }
}

fn edited(a: &Word, b: &Word) -> u32 {
    let longest = a.text.len().max(b.text.len());
    let allowed = edits_allowed(longest);
    let apart = usize::try_from((a.letters ^ b.letters).count_ones()).unwrap_or(usize::MAX);
    let gap = a.text.len().abs_diff(b.text.len());
    if allowed == 0 || gap > allowed || apart > allowed.saturating_mul(2) {
        return 0;
    }
    let edits = osa::distance_with_args(
        a.text.chars(),
        b.text.chars(),
        &osa::Args::default().score_cutoff(allowed),
    );
    let Some(edits) = edits else { return 0 };
    let share = u32::try_from(edits).unwrap_or(SAME).saturating_mul(EDIT);
    let cost = share.checked_div(u32::try_from(longest).unwrap_or(1)).unwrap_or(SAME);
    SAME.saturating_sub(cost)
}

/// The same consonants: three or more, or two in words of about the same length.
fn sounding(a: &Word, b: &Word) -> u32 {
    let gap = a.text.len().abs_diff(b.text.len());
    let enough = a.sound.len() >= 3 || (a.sound.len() == 2 && gap <= 1);
    if a.sound == b.sound && enough && gap <= 3 { SOUNDS } else { 0 }
}
