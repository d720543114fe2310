//! Names that nobody has, from a seed: words of syllables, some five thousand of them.

/// A small generator (SplitMix64): the same names on every machine.
pub(crate) struct Names(u64);

const SYLLABLES: &[&str] = &[
    "ka", "ren", "to", "mi", "shan", "lu", "bor", "van", "der", "khal", "ib", "nov", "petr", "sul",
    "tan", "wei", "zhou", "al", "mah", "dar", "ge", "ost", "kim", "ra", "vo", "lin", "han", "sen",
];
const LAST: &[&str] = &["Trading Ltd", "Shipping Co", "Bank", "Holding BV", "LLC", "", "", ""];

impl Names {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn word(&mut self) -> String {
        let syllables = 2 + self.below(2);
        let mut word = String::new();
        for _ in 0..syllables {
            word.push_str(SYLLABLES[self.below(SYLLABLES.len())]);
        }
        word[..1].to_uppercase() + &word[1..]
    }

    pub(crate) fn name(&mut self) -> String {
        let words = 2 + self.below(2);
        let mut parts: Vec<String> = (0..words).map(|_| self.word()).collect();
        let last = LAST[self.below(LAST.len())];
        if !last.is_empty() {
            parts.push(last.to_owned());
        }
        parts.join(" ")
    }

    /// The name with one letter of it changed.
    pub(crate) fn misspelt(&mut self, name: &str) -> String {
        let at = 1 + self.below(name.len() - 1);
        let mut letters: Vec<char> = name.chars().collect();
        letters[at] = 'x';
        letters.into_iter().collect()
    }
}
