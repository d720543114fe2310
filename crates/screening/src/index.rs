//! Which names of a list can be like a given name at all, without comparing all of them.
//!
//! What it leaves out could not have reached the threshold: words that have a score come from
//! sorted words (the same, one that begins with the other), sorted sounds, numbers, and the walks
//! of [`Near`]; names from the most that such words could come to, and from their joined letters.
//! A property test compares with a scan of everything.

use std::collections::BTreeMap;

use crate::matching::{best_of, edits_allowed, joined_edits, word_score};
use crate::near::Near;
use crate::normal::{Normal, Word};

/// A list's names by their words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// By text, ascending.
    words: Vec<Listed>,
    /// Places in `words` by sound, ascending.
    sounds: Vec<u32>,
    /// Places in `words` of numbers.
    numbers: Vec<u32>,
    near_words: Near,
    names: Vec<Name>,
    /// Names by their letters without spaces, with particles and without.
    near_names: Near,
    by_letters: Vec<Vec<u32>>,
}

/// A word that occurs in names of the list.
#[derive(Clone, Debug)]
struct Listed {
    word: Word,
    /// Names that it occurs in, ascending.
    names: Vec<u32>,
}

/// A name of an entry: which entry, and which of its names, the main one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) entry: usize,
    pub(crate) name: usize,
}

/// What bounds need to know of a name.
#[derive(Clone, Copy, Debug)]
struct Name {
    at: At,
    weight: u32,
    words: usize,
    firm: bool,
    bare: bool,
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
        let mut by_letters: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        let mut names = Vec::new();
        for (entry, all) in entries.iter().enumerate() {
            for (at, name) in all.iter().enumerate() {
                let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
                for word in &name.words {
                    let listed = by_text
                        .entry(word.text.as_str())
                        .or_insert_with(|| Listed { word: word.clone(), names: Vec::new() });
                    put(&mut listed.names, number);
                }
                for letters in [&name.joined, &name.whole] {
                    put(by_letters.entry(letters).or_default(), number);
                }
                names.push(Name {
                    at: At { entry, name: at },
                    weight: weight(name),
                    words: name.words.len(),
                    firm: name.firm,
                    bare: name.bare(),
                });
            }
        }
        let near_names = Near::of(by_letters.keys().copied());
        let by_letters = by_letters.into_values().collect();
        let words: Vec<Listed> = by_text.into_values().collect();
        let near_words = Near::of(words.iter().map(|listed| listed.word.text.as_str()));
        let mut sounds: Vec<u32> = (0..).zip(&words).map(|(place, _)| place).collect();
        sounds.sort_by_key(|place| at(&words, *place).map(|listed| listed.word.sound.as_str()));
        let numbers = (0..).zip(&words).filter(|(_, listed)| listed.word.number);
        let numbers = numbers.map(|(place, _)| place).collect();
        Self { words, sounds, numbers, near_words, names, near_names, by_letters }
    }

    /// Names that may come to `least` per mille, in the list's order.
    pub(crate) fn names_like(&self, asked: &Normal, least: u16) -> Vec<At> {
        let mut like = self.by_words(asked, least);
        like.extend(self.by_letters(asked));
        like.sort_unstable();
        like.dedup();
        like
    }

    fn by_words(&self, asked: &Normal, least: u16) -> Vec<At> {
        let mut met = vec![Met::default(); self.names.len()];
        let mut touched = Vec::new();
        for (place, like) in self.words_like(asked) {
            let Some(listed) = at(&self.words, place) else { continue };
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
        let may = |number: &u32| -> Option<At> {
            let (name, met) = (at(&self.names, *number)?, at(&met, *number)?);
            let of_asked = asked_weight(asked, met.asked);
            let best = best_of(
                (of_asked, whole.saturating_sub(of_asked)),
                (met.listed, name.weight.saturating_sub(met.listed)),
                (met.asked.count_ones(), asked.words.len().max(name.words)),
                asked.firm || name.firm,
            );
            (best >= u32::from(least)).then_some(name.at)
        };
        touched.iter().filter_map(may).collect()
    }

    /// Words of the list with a score, each with the words of `asked` that it is like, as bits.
    fn words_like(&self, asked: &Normal) -> Vec<(u32, u64)> {
        let (mut like, mut places) = (Vec::new(), Vec::new());
        for (place, word) in asked.words.iter().enumerate() {
            self.candidates(word, &mut places);
            places.sort_unstable();
            places.dedup();
            let scored = |place: &u32| {
                at(&self.words, *place).is_some_and(|listed| word_score(word, &listed.word) > 0)
            };
            let bit = place_bit(place);
            like.extend(places.drain(..).filter(scored).map(|listed| (listed, bit)));
        }
        like.sort_unstable();
        like.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 |= next.1;
            }
            same
        });
        like
    }

    /// Places of all words that can have a score with this one, and of some that have none.
    fn candidates(&self, word: &Word, places: &mut Vec<u32>) {
        if word.number {
            places.extend(&self.numbers);
            return;
        }
        self.near_words.find(&word.text, edits_allowed, places);
        // The same, and longer ones that begin with it.
        let text = word.text.as_str();
        let from = self.words.partition_point(|listed| listed.word.text.as_str() < text);
        let longer = self.words.iter().skip(from);
        let begin = longer.take_while(|listed| listed.word.text.starts_with(text));
        places.extend((from..).zip(begin).filter_map(|(place, _)| u32::try_from(place).ok()));
        // Shorter ones that it begins with.
        let shorter = (1..text.len()).filter_map(|length| text.get(..length));
        places.extend(shorter.filter_map(|short| {
            let found = self.words.binary_search_by(|listed| listed.word.text.as_str().cmp(short));
            found.ok().and_then(|place| u32::try_from(place).ok())
        }));
        let sound =
            |place: &u32| at(&self.words, *place).map_or("", |listed| listed.word.sound.as_str());
        let from = self.sounds.partition_point(|place| sound(place) < word.sound.as_str());
        let alike = self.sounds.iter().skip(from);
        places.extend(alike.take_while(|place| sound(place) == word.sound));
    }

    /// Names whose letters, without spaces, are near those of the asked one.
    fn by_letters<'a>(&'a self, asked: &Normal) -> impl Iterator<Item = At> + 'a {
        let mut found = Vec::new();
        self.near_names.find(&asked.joined, joined_edits, &mut found);
        if asked.whole != asked.joined {
            self.near_names.find(&asked.whole, joined_edits, &mut found);
        }
        let (words, bare) = (asked.words.len(), asked.bare());
        let names = found.into_iter().filter_map(|text| at(&self.by_letters, text)).flatten();
        let names = names.filter_map(|number| at(&self.names, *number));
        // Of two names of as many words and no particles only the words are compared.
        names.filter(move |name| !(bare && name.bare && name.words == words)).map(|name| name.at)
    }
}

/// The number, once.
fn put(numbers: &mut Vec<u32>, number: u32) {
    if numbers.last() != Some(&number) {
        numbers.push(number);
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
