//! Names made comparable: ASCII, lower case, words with what they weigh, legal forms set apart.

use crate::words::{COMMON, NUMBERS, PARTICLES, SPELLINGS, letters_of, skeleton};

/// A word of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its letters and digits.
    pub text: String,
    /// How it sounds, roughly, in any transliteration.
    pub sound: String,
    /// What it weighs among the words of its name: about its length; little for what many share.
    pub weight: u32,
    /// Which letters occur.
    pub(crate) letters: u64,
    /// Whether it is a number.
    pub(crate) number: bool,
}

impl Word {
    fn new(text: String, number: bool) -> Self {
        let long = u32::try_from(text.len()).unwrap_or(HEAVIEST).clamp(LIGHTEST, HEAVIEST);
        let light = number || COMMON.contains(&text.as_str());
        let weight = if light { LIGHTEST } else { long };
        Self { sound: skeleton(&text), weight, letters: letters_of(&text), number, text }
    }
}

/// What a number or a word that many firms share weighs.
const LIGHTEST: u32 = 2;
/// A longer word says no more than one of eight letters.
const HEAVIEST: u32 = 8;

/// A name as words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normal {
    /// The words that count, in the order they came.
    pub words: Vec<Word>,
    /// The words that count, joined: for names written without spaces.
    pub joined: String,
    /// Particles and titles among them: `van der Bilt`, `Vanderbilt`.
    pub whole: String,
    /// The legal form, as the class it belongs to.
    pub form: Option<&'static str>,
    /// Whether it reads as a firm's name: a legal form or a word that firms share.
    pub firm: bool,
}

impl Normal {
    /// Whether nothing comparable is left of the name.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether no particle or title stands among its words.
    pub(crate) const fn bare(&self) -> bool {
        self.whole.len() == self.joined.len()
    }
}

/// Makes a name comparable.
#[must_use]
pub fn normal(name: &str) -> Normal {
    let mut ascii = any_ascii::any_ascii(&apart(name)).to_lowercase();
    for mark in ["'", "`", "."] {
        ascii = ascii.replace(mark, "");
    }
    ascii = ascii.replace('&', " and ");
    let split: Vec<&str> =
        ascii.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let (text, form) = without_form(format!(" {} ", split.join(" ")));
    let all = || text.split_whitespace();
    let whole = all().collect();
    let mut kept: Vec<&str> = all().filter(|word| !PARTICLES.contains(word)).collect();
    // A name of nothing but particles keeps them: `Ben El`.
    if kept.is_empty() {
        kept = all().collect();
    }
    let words = words(&kept);
    let joined = words.iter().map(|word| word.text.as_str()).collect();
    let firm = form.is_some() || kept.iter().any(|word| COMMON.contains(word));
    Normal { words, joined, whole, form, firm }
}

/// A space where a capital follows a small letter: `SergeiLavrov`.
fn apart(name: &str) -> String {
    let mut out = String::with_capacity(name.len().saturating_add(4));
    let mut small = false;
    for letter in name.chars() {
        if small && letter.is_uppercase() {
            out.push(' ');
        }
        small = letter.is_lowercase();
        out.push(letter);
    }
    out
}

fn without_form(mut text: String) -> (String, Option<&'static str>) {
    let mut form = None;
    for (words, class) in LEGAL_FORMS {
        let wanted = format!(" {words} ");
        // A name that is nothing but a legal form keeps it.
        if text.contains(&wanted) && text.trim() != *words {
            text = text.replace(&wanted, " ");
            form = form.or(Some(*class));
        }
    }
    (text, form)
}

/// Numbers in digits (`forty four` is `44`), one spelling for words that have several, each word
/// once: `Sergey Sergey Shoigu`.
fn words(kept: &[&str]) -> Vec<Word> {
    let mut out: Vec<Word> = Vec::with_capacity(kept.len());
    let mut tens = None;
    for word in kept {
        let spelt = NUMBERS.iter().find(|(text, _)| text == word).map(|(_, number)| *number);
        let number = spelt.or_else(|| word.parse().ok());
        let made = match (number, tens) {
            (Some(unit @ 1..=9), Some(ten)) => {
                out.pop();
                Word::new(u32::saturating_add(ten, unit).to_string(), true)
            }
            (Some(number), _) => Word::new(number.to_string(), true),
            (None, _) => {
                let one = SPELLINGS.iter().find(|(text, _)| text == word);
                Word::new(one.map_or(*word, |(_, one)| one).to_owned(), false)
            }
        };
        tens = spelt.filter(|number| (20..100).contains(number));
        if !out.iter().any(|seen| seen.text == made.text) {
            out.push(made);
        }
    }
    out
}

/// Legal forms and the class each belongs to, longest first.
const LEGAL_FORMS: &[(&str, &str)] = &[
    ("gesellschaft mit beschrankter haftung", "limited"),
    ("obshchestvo s ogranichennoy otvetstvennostyu", "limited"),
    ("societatea cu raspundere limitata", "limited"),
    ("open joint stock company", "stock"),
    ("public joint stock company", "stock"),
    ("joint stock company", "stock"),
    ("joint stock compan", "stock"),
    ("limited liability company", "limited"),
    ("public limited company", "stock"),
    ("sociedad anonima", "stock"),
    ("societe anonyme", "stock"),
    ("besloten vennootschap", "limited"),
    ("naamloze vennootschap", "stock"),
    ("private limited", "limited"),
    ("aktiengesellschaft", "stock"),
    ("aktiengeselschaft", "stock"),
    ("sp z o o", "limited"),
    ("sp z oo", "limited"),
    ("pte ltd", "limited"),
    ("pvt ltd", "limited"),
    ("pty ltd", "limited"),
    ("co ltd", "limited"),
    ("sdn bhd", "limited"),
    ("incorporated", "corporation"),
    ("corporation", "corporation"),
    ("company", "corporation"),
    ("limited", "limited"),
    ("gmbh", "limited"),
    ("bvba", "limited"),
    ("corp", "corporation"),
    ("ojsc", "stock"),
    ("pjsc", "stock"),
    ("inc", "corporation"),
    ("ltd", "limited"),
    ("llc", "limited"),
    ("ooo", "limited"),
    ("oao", "stock"),
    ("pao", "stock"),
    ("zao", "stock"),
    ("jsc", "stock"),
    ("plc", "stock"),
    ("spa", "stock"),
    ("srl", "limited"),
    ("bv", "limited"),
    ("nv", "stock"),
    ("ag", "stock"),
    ("sa", "stock"),
    ("se", "stock"),
    ("oy", "limited"),
    ("ab", "limited"),
    ("as", "stock"),
    ("sl", "limited"),
    ("kg", "partnership"),
    ("lp", "partnership"),
    ("co", "corporation"),
];
