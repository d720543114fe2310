use proptest::prelude::*;
use rapidfuzz::distance::osa;

use super::*;
use crate::matching::{edits_allowed, joined_edits};

/// What a scan of all texts finds.
fn scanned(texts: &[String], asked: &str, allowed: fn(usize) -> usize) -> Vec<u32> {
    let near = |text: &&String| {
        osa::distance(text.chars(), asked.chars()) <= allowed(text.len().max(asked.len()))
    };
    (0..).zip(texts).filter(|(_, text)| near(text)).map(|(number, _)| number).collect()
}

fn walked(texts: &[String], asked: &str, allowed: fn(usize) -> usize) -> Vec<u32> {
    let mut found = Vec::new();
    Near::of(texts.iter().map(String::as_str)).find(asked, allowed, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

/// Few letters, so that many texts are near.
fn text(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(b"abc1".to_vec()), 1..=most)
        .prop_map(|bytes| String::from_utf8(bytes).unwrap())
}

/// A text with some letters changed, left out, put in or swapped.
fn changed(text: String) -> impl Strategy<Value = String> {
    prop::collection::vec((0_usize..4, any::<prop::sample::Index>(), 0_u8..3), 0..5).prop_map(
        move |edits| {
            let mut bytes = text.clone().into_bytes();
            for (kind, at, letter) in edits {
                let at = at.index(bytes.len().max(1));
                match kind {
                    0 if at < bytes.len() => bytes[at] = b'a' + letter,
                    1 if bytes.len() > 1 && at < bytes.len() => drop(bytes.remove(at)),
                    2 => bytes.insert(at.min(bytes.len()), b'a' + letter),
                    _ if at + 1 < bytes.len() => bytes.swap(at, at + 1),
                    _ => {}
                }
            }
            String::from_utf8(bytes).unwrap()
        },
    )
}

fn asked_of(most: usize) -> impl Strategy<Value = (Vec<String>, String)> {
    prop::collection::btree_set(text(most), 1..40).prop_flat_map(|texts| {
        let texts: Vec<String> = texts.into_iter().collect();
        let one = prop::sample::select(texts.clone()).prop_flat_map(changed);
        (Just(texts), one)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_walk_finds_what_a_scan_finds((texts, asked) in asked_of(14)) {
        prop_assert_eq!(
            walked(&texts, &asked, edits_allowed),
            scanned(&texts, &asked, edits_allowed),
            "{:?} in {:?}", asked, texts
        );
    }

    #[test]
    fn the_walk_through_whole_names_finds_what_a_scan_finds((texts, asked) in asked_of(60)) {
        prop_assert_eq!(
            walked(&texts, &asked, joined_edits),
            scanned(&texts, &asked, joined_edits),
            "{:?} in {:?}", asked, texts
        );
    }
}

#[test]
fn texts_at_and_beyond_the_longest_are_found() {
    for length in [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST] {
        let text: String = "abcdefgh".chars().cycle().take(length).collect();
        let mut other = text.clone();
        other.replace_range(3..4, "x");
        other.truncate(length - 1);
        for (texts, asked) in [([text.clone()], &other), ([other.clone()], &text)] {
            assert_eq!(walked(&texts, asked, joined_edits), [0], "{length}");
        }
    }
}
