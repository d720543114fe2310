//! Which names of a list can be like a given name at all, without comparing all of them.
//!
//! What it leaves out could not have reached the threshold: every test here is a bound on what
//! [`compare`](crate::compare) gives, and a property test compares both ways.

use std::collections::BTreeMap;

use crate::matching::{best_of, edits_allowed, joined_edits, word_score};
use crate::normal::{Normal, Word};
use crate::words::letters_of;

/// A list's names by their words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    words: Vec<Listed>,
    /// What decides about most words, close together: see [`Glance`].
    glances: Vec<Glance>,
    names: Vec<Name>,
}

/// A word that occurs in names of the list.
#[derive(Clone, Debug)]
struct Listed {
    word: Word,
    /// Names that it occurs in, ascending.
    names: Vec<u32>,
}

/// Enough of a word to see that it is unlike nearly every other: few bytes, so that a list's words
/// are passed over at the speed of memory, and only what may have a score is looked at whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Glance {
    letters: u64,
    /// Letters that occur more than once.
    twice: u64,
    sound: u32,
    length: u16,
    number: bool,
}

impl Glance {
    fn of(word: &Word) -> Self {
        // Sounds that are the same have the same number; others may have it too, and are compared.
        let sound = word
            .sound
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let length = u16::try_from(word.text.len()).unwrap_or(u16::MAX);
        Self {
            letters: word.letters,
            twice: repeated(&word.text),
            sound,
            length,
            number: word.number,
        }
    }

    /// Whether [`word_score`] could say more than nothing. An edit that keeps the length changes at
    /// most two of these bits, and one that does not at most one.
    fn may_be_like(self, other: Self) -> bool {
        let longest = usize::from(self.length.max(other.length));
        let allowed = edits_allowed(longest);
        let gap = usize::from(self.length.abs_diff(other.length));
        let bits =
            apart(self.letters, other.letters).saturating_add(apart(self.twice, other.twice));
        let edited = bits.saturating_add(gap) <= allowed.saturating_mul(2) && gap <= allowed;
        edited
            || self.sound == other.sound
            || (self.number && other.number)
            || self.letters & !other.letters == 0
            || other.letters & !self.letters == 0
    }
}

/// Letters that a text has more than once.
fn repeated(text: &str) -> u64 {
    let (_, twice) = text.char_indices().fold((0, 0), |(seen, twice), (at, letter)| {
        let bit = text.get(at..at.saturating_add(letter.len_utf8())).map_or(0, letters_of);
        (seen | bit, twice | (seen & bit))
    });
    twice
}

/// What bounds need to know of a name.
#[derive(Clone, Debug)]
struct Name {
    entry: usize,
    weight: u32,
    words: usize,
    firm: bool,
    joined: Letters,
    whole: Letters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Letters {
    mask: u64,
    length: usize,
}

impl Letters {
    fn of(text: &str) -> Self {
        Self { mask: letters_of(text), length: text.len() }
    }

    /// Whether the two can be as few edits apart as names of their length may be.
    fn near(self, other: Self) -> bool {
        let allowed = joined_edits(self.length.max(other.length));
        self.length.abs_diff(other.length) <= allowed
            && apart(self.mask, other.mask) <= allowed.saturating_mul(2)
    }
}

fn apart(a: u64, b: u64) -> usize {
    usize::try_from((a ^ b).count_ones()).unwrap_or(usize::MAX)
}

/// What a name of the list has met so far.
#[derive(Clone, Copy, Default)]
struct Met {
    /// Weight of its own words.
    listed: u32,
    /// Which words of the name that is looked for, by place.
    asked: u64,
}

impl Index {
    /// Of the names of all entries, in order.
    pub(crate) fn of(entries: &[Vec<Normal>]) -> Self {
        let mut by_text: BTreeMap<&str, Listed> = BTreeMap::new();
        let mut names = Vec::new();
        for (entry, all) in entries.iter().enumerate() {
            for name in all {
                let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
                for word in &name.words {
                    let listed = by_text
                        .entry(word.text.as_str())
                        .or_insert_with(|| Listed { word: word.clone(), names: Vec::new() });
                    if listed.names.last() != Some(&number) {
                        listed.names.push(number);
                    }
                }
                names.push(Name {
                    entry,
                    weight: weight(name),
                    words: name.words.len(),
                    firm: name.firm,
                    joined: Letters::of(&name.joined),
                    whole: Letters::of(&name.whole),
                });
            }
        }
        let words: Vec<Listed> = by_text.into_values().collect();
        let glances = words.iter().map(|listed| Glance::of(&listed.word)).collect();
        Self { words, glances, names }
    }

    /// Entries with a name that may come to `least` per mille, ascending.
    pub(crate) fn entries_like(&self, asked: &Normal, least: u16) -> Vec<usize> {
        let mut met = vec![Met::default(); self.names.len()];
        let mut touched = Vec::new();
        let looks: Vec<(usize, &Word, Glance)> =
            asked.words.iter().enumerate().map(|(at, word)| (at, word, Glance::of(word))).collect();
        for (listed, glance) in self.words.iter().zip(&self.glances) {
            let mut like = 0_u64;
            for (place, word, look) in &looks {
                if look.may_be_like(*glance)
                    && may_be_like(word, &listed.word)
                    && word_score(word, &listed.word) > 0
                {
                    like |= place_bit(*place);
                }
            }
            if like == 0 {
                continue;
            }
            for number in &listed.names {
                let Some(met) = at_mut(&mut met, *number) else { continue };
                if met.asked == 0 {
                    touched.push(*number);
                }
                met.listed = met.listed.saturating_add(listed.word.weight);
                met.asked |= like;
            }
        }
        let whole = weight(asked);
        let (joined, all) = (Letters::of(&asked.joined), Letters::of(&asked.whole));
        let mut entries: Vec<usize> = touched
            .into_iter()
            .filter(|number| {
                let (Some(name), Some(met)) = (at(&self.names, *number), at(&met, *number)) else {
                    return false;
                };
                let of_asked = asked_weight(asked, met.asked);
                let best = best_of(
                    (of_asked, whole.saturating_sub(of_asked)),
                    (met.listed, name.weight.saturating_sub(met.listed)),
                    (met.asked.count_ones(), asked.words.len().max(name.words)),
                    asked.firm || name.firm,
                );
                best >= u32::from(least)
            })
            .filter_map(|number| at(&self.names, number).map(|name| name.entry))
            .chain(
                self.names
                    .iter()
                    .filter(|name| name.joined.near(joined) || name.whole.near(all))
                    .map(|name| name.entry),
            )
            .collect();
        entries.sort_unstable();
        entries.dedup();
        entries
    }
}

/// A word's place as a bit; names of more words than bits share the last one, which only lets more
/// names through.
fn place_bit(place: usize) -> u64 {
    1_u64.checked_shl(u32::try_from(place).unwrap_or(63).min(63)).unwrap_or(0)
}

fn asked_weight(asked: &Normal, places: u64) -> u32 {
    let met = asked.words.iter().enumerate().filter(|(at, _)| places & place_bit(*at) != 0);
    met.map(|(_, word)| word.weight).sum()
}

fn weight(name: &Normal) -> u32 {
    name.words.iter().map(|word| word.weight).sum()
}

fn at<T>(all: &[T], number: u32) -> Option<&T> {
    usize::try_from(number).ok().and_then(|number| all.get(number))
}

fn at_mut<T>(all: &mut [T], number: u32) -> Option<&mut T> {
    usize::try_from(number).ok().and_then(|number| all.get_mut(number))
}

/// Cheap: whether two words can have any score. The same letters, or few others, or the same sound,
/// or one begins with the other.
fn may_be_like(a: &Word, b: &Word) -> bool {
    let longest = a.text.len().max(b.text.len());
    let allowed = edits_allowed(longest);
    let edited = a.text.len().abs_diff(b.text.len()) <= allowed
        && apart(a.letters, b.letters) <= allowed.saturating_mul(2);
    edited || (a.number && b.number) || a.sound == b.sound || begins(a, b) || begins(b, a)
}

fn begins(short: &Word, long: &Word) -> bool {
    short.letters & !long.letters == 0 && long.text.starts_with(short.text.as_str())
}
