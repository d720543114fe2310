//! What single words are: which carry no identity, which carry little, which are numbers, and how a
//! word sounds in any transliteration.

/// Words that carry no identity: titles and particles.
pub(crate) const PARTICLES: &[&str] = &[
    "the",
    "and",
    "of",
    "for",
    "mr",
    "mrs",
    "ms",
    "dr",
    "prof",
    "sir",
    "shaikh",
    "sheikh",
    "mv",
    "mt",
    "al",
    "el",
    "ul",
    "bin",
    "ibn",
    "ben",
    "bint",
    "von",
    "van",
    "der",
    "de",
    "du",
    "da",
    "dos",
    "la",
    "le",
    "y",
    "e",
    "president",
    "prasident",
    "na",
];

/// Words that many firms share. They count, and count little.
pub(crate) const COMMON: &[&str] = &[
    "asset",
    "assets",
    "aviation",
    "bank",
    "banco",
    "banking",
    "business",
    "capital",
    "center",
    "centre",
    "commercial",
    "construction",
    "consulting",
    "corporation",
    "development",
    "enterprise",
    "enterprises",
    "equipment",
    "europe",
    "export",
    "finance",
    "financial",
    "foundation",
    "fund",
    "general",
    "global",
    "group",
    "gruppe",
    "holding",
    "holdings",
    "import",
    "industries",
    "industry",
    "insurance",
    "international",
    "investment",
    "investments",
    "logistics",
    "management",
    "marine",
    "motors",
    "national",
    "offshore",
    "organization",
    "partners",
    "platforms",
    "services",
    "shipping",
    "solutions",
    "state",
    "steel",
    "systems",
    "technologies",
    "technology",
    "trade",
    "trading",
    "transport",
    "trust",
];

/// Spelt numbers and ordinals, and the number.
pub(crate) const NUMBERS: &[(&str, u32)] = &[
    ("first", 1),
    ("second", 2),
    ("third", 3),
    ("fourth", 4),
    ("fifth", 5),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fourty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("hundred", 100),
    ("1st", 1),
    ("2nd", 2),
    ("3rd", 3),
    ("4th", 4),
    ("5th", 5),
    ("ii", 2),
    ("iii", 3),
    ("iv", 4),
    ("vi", 6),
    ("vii", 7),
    ("viii", 8),
    ("ix", 9),
    ("xi", 11),
    ("xii", 12),
    ("xiii", 13),
    ("xiv", 14),
    ("xv", 15),
    ("xvi", 16),
    ("xx", 20),
];

/// Spellings of one word that no rule of letters makes equal, and the spelling that stands for all.
pub(crate) const SPELLINGS: &[(&str, &str)] = &[
    ("organisation", "organization"),
    ("org", "organization"),
    ("intl", "international"),
    ("us", "unitedstates"),
    ("usa", "unitedstates"),
    ("uk", "unitedkingdom"),
    ("ted", "theodore"),
    ("grp", "group"),
    ("bros", "brothers"),
    ("mfg", "manufacturing"),
    ("tse", "ze"),
    ("tung", "dong"),
];

/// How a word sounds, roughly, in whatever way it was brought into Latin letters: consonants by
/// class, doubled ones once, vowels only as one mark at the beginning.
pub(crate) fn skeleton(word: &str) -> String {
    const PAIRS: &[(&str, char)] = &[
        ("tsch", 'C'),
        ("sch", 'S'),
        ("tch", 'C'),
        ("shch", 'S'),
        ("zh", 'J'),
        ("dj", 'J'),
        ("dzh", 'J'),
        ("sh", 'S'),
        ("ch", 'C'),
        ("kh", 'H'),
        ("gh", 'G'),
        ("ph", 'F'),
        ("th", 'T'),
        ("ts", 'Z'),
        ("tz", 'Z'),
        ("ck", 'K'),
        ("ks", 'X'),
    ];
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let pair = PAIRS.iter().find(|(text, _)| rest.starts_with(text));
        let (class, width) = pair.map_or_else(
            || (class_of(first), first.len_utf8()),
            |(text, class)| (Some(*class), text.len()),
        );
        match class {
            Some(class) if !out.ends_with(class) => out.push(class),
            None if out.is_empty() => out.push('A'),
            _ => {}
        }
        rest = rest.get(width..).unwrap_or_default();
    }
    out
}

const fn class_of(letter: char) -> Option<char> {
    Some(match letter {
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' => return None,
        'c' | 'k' | 'q' => 'K',
        'v' | 'w' => 'V',
        's' | 'z' => 'Z',
        'j' => 'J',
        other => other.to_ascii_uppercase(),
    })
}

/// Which of 32 letters and digits occur: two words a few edits apart differ in few of them.
pub(crate) fn letters_of(word: &str) -> u64 {
    word.bytes().fold(0, |mask, byte| {
        let place = match byte {
            b'a'..=b'z' => byte.saturating_sub(b'a'),
            b'0'..=b'9' => byte.saturating_sub(b'0').saturating_add(26),
            _ => 40,
        };
        mask | 1_u64.checked_shl(u32::from(place)).unwrap_or(0)
    })
}
