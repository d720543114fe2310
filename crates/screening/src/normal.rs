//! Names made comparable: ASCII, lower case, words, legal forms set apart.

/// A name as words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normal {
    /// The words that count, in the order they came.
    pub tokens: Vec<String>,
    /// The words that count, sorted and joined: for names written without spaces.
    pub joined: String,
    /// The legal form, as the class it belongs to.
    pub form: Option<&'static str>,
}

/// Makes a name comparable.
#[must_use]
pub fn normal(name: &str) -> Normal {
    let mut ascii = any_ascii::any_ascii(name).to_lowercase();
    for mark in ["'", "`", "."] {
        ascii = ascii.replace(mark, "");
    }
    let mut text = format!(
        " {} ",
        ascii
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    );
    let mut form = None;
    for (words, class) in LEGAL_FORMS {
        let wanted = format!(" {words} ");
        // A name that is nothing but a legal form keeps it.
        if text.contains(&wanted) && text.trim() != *words {
            text = text.replace(&wanted, " ");
            form = form.or(Some(*class));
        }
    }
    let tokens: Vec<String> = text
        .split_whitespace()
        .filter(|word| !PARTICLES.contains(word))
        .map(str::to_owned)
        .collect();
    let joined = tokens.concat();
    Normal { tokens, joined, form }
}

/// Words that carry no identity: titles and particles.
const PARTICLES: &[&str] =
    &["the", "and", "of", "mr", "mrs", "ms", "dr", "al", "el", "bin", "ibn", "ben", "bint", "von"];

/// Legal forms and the class each belongs to, longest first.
const LEGAL_FORMS: &[(&str, &str)] = &[
    ("gesellschaft mit beschrankter haftung", "limited"),
    ("obshchestvo s ogranichennoy otvetstvennostyu", "limited"),
    ("open joint stock company", "stock"),
    ("public joint stock company", "stock"),
    ("joint stock company", "stock"),
    ("limited liability company", "limited"),
    ("public limited company", "stock"),
    ("sociedad anonima", "stock"),
    ("societe anonyme", "stock"),
    ("besloten vennootschap", "limited"),
    ("naamloze vennootschap", "stock"),
    ("private limited", "limited"),
    ("aktiengesellschaft", "stock"),
    ("pte ltd", "limited"),
    ("pvt ltd", "limited"),
    ("co ltd", "limited"),
    ("sdn bhd", "limited"),
    ("incorporated", "corporation"),
    ("corporation", "corporation"),
    ("company", "corporation"),
    ("limited", "limited"),
    ("gmbh", "limited"),
    ("corp", "corporation"),
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
    ("kg", "partnership"),
    ("co", "corporation"),
];
