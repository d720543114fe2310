//! Pages: what was built is found, and no bytes make the reader panic.

use proptest::prelude::*;

use super::*;

fn pages(entries: &[Entry]) -> Vec<Vec<u8>> {
    let mut builder = PageBuilder::default();
    let mut pages = Vec::new();
    for entry in entries {
        if !builder.add(*entry) {
            let mut page = Vec::new();
            builder.take(&mut page).unwrap();
            pages.push(page);
            assert!(builder.add(*entry), "an entry fits into an empty page");
        }
    }
    let mut page = Vec::new();
    if builder.take(&mut page).is_some() {
        pages.push(page);
    }
    pages
}

fn entries_of(pages: &[Vec<u8>]) -> Vec<Entry> {
    let page = |bytes: &Vec<u8>| -> Vec<Entry> {
        assert_eq!(bytes.len(), PAGE_BYTES);
        let page = Page::parse(bytes).unwrap();
        (0..page.count()).map(|at| page.entry(at).unwrap()).collect()
    };
    pages.iter().flat_map(page).collect()
}

/// Ids that share more or less, tails of few or many kinds, positions near and far.
fn entry() -> impl Strategy<Value = Entry> {
    let id = prop_oneof![
        any::<u128>(),
        (0_u128..4, any::<u16>()).prop_map(|(high, low)| high << 64 | u128::from(low)),
        Just(7_u128),
    ];
    let tail = prop_oneof![Just(1_u32), 0_u32..3, any::<u32>()];
    let position = prop_oneof![0_u64..1000, any::<u64>()];
    (id, tail, position).prop_map(|(id, tail, position)| Entry { id, tail, position })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn pages_hold_what_was_put_in_and_find_it(
        mut entries in proptest::collection::vec(entry(), 1..1500),
    ) {
        entries.sort_unstable();
        let pages = pages(&entries);
        prop_assert_eq!(&entries_of(&pages), &entries);
        for entry in entries.iter().step_by(7) {
            let mut found = Positions::new();
            for page in &pages {
                Page::parse(page).unwrap().collect((entry.id, entry.tail), &mut found).unwrap();
            }
            let of_key = entries.iter().filter(|e| (e.id, e.tail) == (entry.id, entry.tail));
            let expected: Vec<Position> = of_key.map(|e| Position::new(e.position)).collect();
            prop_assert_eq!(found.to_vec(), expected);
        }
    }

    #[test]
    fn any_bytes_parse_or_not_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        if let Some(page) = Page::parse(&bytes) {
            for at in 0..page.count() {
                let _ = page.entry(at);
            }
        }
    }
}

#[test]
fn golden_page() {
    let entry = |low: u128, tail, position| Entry { id: 0x0190_u128 << 112 | low, tail, position };
    let entries = [entry(0x1122, 5, 1000), entry(0x1123, 5, 1300), entry(0x1123, 9, 1001)];
    let page = &pages(&entries)[0];
    let labelled: [(&str, &[u8]); 7] = [
        ("count, shared bytes", &[0, 3, 15]),
        ("tails, width of a position", &[0, 2, 2]),
        ("least position", &[0, 0, 0, 0, 0, 0, 3, 232]),
        ("what is shared", &[1, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11]),
        ("tails", &[0, 0, 0, 5, 0, 0, 0, 9]),
        ("rows", &[0x22, 0, 0, 0, 0x23, 0, 1, 44, 0x23, 1, 0, 1]),
        ("zeros", &[0; 4096 - 49]),
    ];
    let golden: Vec<u8> = labelled.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
    assert_eq!(golden.len(), PAGE_BYTES);
    assert_eq!(page, &golden);
}

#[test]
fn few_tails_are_listed_and_one_is_stored_once() {
    let ids = 0..200_u128;
    let two: Vec<Entry> = ids
        .clone()
        .map(|id| Entry { id, tail: 40 + u32::from(id % 2 == 0), position: 3 })
        .collect();
    let page = &pages(&two)[0];
    assert_eq!(page[3..5], [0, 2]);
    assert_eq!(page[14 + 15..14 + 15 + 8], [0, 0, 0, 40, 0, 0, 0, 41]);
    assert_eq!(entries_of(&pages(&two)), two);
    let one: Vec<Entry> = ids.map(|id| Entry { id, tail: 40, position: 3 }).collect();
    let page = &pages(&one)[0];
    assert_eq!((page[5], &page[14 + 15 + 4..14 + 15 + 4 + 3]), (0, &[0, 1, 2][..]));
    assert_eq!(entries_of(&pages(&one)), one);
}
