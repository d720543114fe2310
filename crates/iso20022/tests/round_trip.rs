//! What is written reads back as it was, and independent validators find nothing wrong with it.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::unreachable,
    clippy::too_many_lines,
    reason = "tests: a panic is a failure, and helpers are not marked as tests"
)]

mod support;

use iso20022::{read, write};
use proptest::prelude::*;
use support::{Maker, has_xmllint, schema_errors, vectors};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_reads_back_as_it_was_written(seed: u64) {
        let mut maker = Maker::new(seed);
        for message in maker.messages() {
            let header = maker.header(&message);
            let text = write(&message, Some(&header)).unwrap();
            let back = read(text.as_bytes()).unwrap();
            prop_assert_eq!(back.header.as_ref(), Some(&header));
            prop_assert_eq!(&back.message, &message);
            prop_assert_eq!(back.definition, message.definition());
            prop_assert_eq!(back.ignored.count, 0);
            prop_assert_eq!(write(&back.message, back.header.as_ref()), Ok(text));
        }
    }
}

#[test]
fn every_message_written_is_valid_under_its_schema() {
    if vectors().is_none() || !has_xmllint() {
        return;
    }
    let worlds: Vec<_> = (0..40).map(|seed| Maker::new(seed).messages()).collect();
    for kind in 0..worlds[0].len() {
        let messages: Vec<_> = worlds.iter().map(|world| &world[kind]).collect();
        let documents: Vec<String> =
            messages.iter().map(|message| write(message, None).unwrap()).collect();
        let schema = messages[0].definition().identifier();
        assert_eq!(schema_errors(schema, &documents), "", "{schema}");
    }
}

#[test]
fn every_header_written_is_valid_under_its_schema() {
    if vectors().is_none() || !has_xmllint() {
        return;
    }
    let headers: Vec<String> = (0..60)
        .map(|seed| {
            let mut maker = Maker::new(seed);
            let message = maker.messages().remove(4);
            let header = maker.header(&message);
            let text = write(&message, Some(&header)).unwrap();
            let from = text.find("<AppHdr").unwrap();
            let until = text.find("</AppHdr>").unwrap() + "</AppHdr>".len();
            text[from..until].to_owned()
        })
        .collect();
    assert_eq!(schema_errors("head.001.001.02", &headers), "");
}

/// The validator sees: a canary that it must refuse.
#[test]
fn the_schema_check_refuses_what_is_wrong() {
    if vectors().is_none() || !has_xmllint() {
        return;
    }
    let message = Maker::new(1).messages().remove(6);
    let good = write(&message, None).unwrap();
    let bad = good.replacen("<ChrgBr>", "<ChrgBr>X", 1);
    assert!(schema_errors("pacs.008.001.08", &[bad]).contains("ChrgBr"));
}
