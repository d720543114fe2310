//! Near misses of the reader: each refused, with the place and what belongs there.

use travel_rule::limits::{DEPTH_MAX, PAYLOAD_BYTES_MAX, VALUES_MAX};
use travel_rule::{Lei, Problem, read, read_exact};

const GOOD: &str = r#"{"originator":{"originatorPerson":[{"legalPerson":{"name":{"nameIdentifier":[{"legalPersonName":"Brightwater Trading B.V.","legalPersonNameIdentifierType":"LEGL"}]},"geographicAddress":[{"addressType":"GEOG","postCode":"1015 CX","townName":"Amsterdam","addressLine":["Keizersgracht 12"],"country":"NL"}],"countryOfRegistration":"NL"},"accountNumber":["brightwater-1"]}]},"beneficiary":{"beneficiaryPerson":[{"legalPerson":{"name":{"nameIdentifier":[{"legalPersonName":"Lim Ceramics Pte. Ltd.","legalPersonNameIdentifierType":"LEGL"}]},"countryOfRegistration":"SG"},"accountNumber":["lim-1"]}]},"payloadMetadata":{"payloadVersion":"101.2023"}}"#;

#[test]
fn each_near_miss_is_refused_where_it_stands() {
    read_exact(GOOD.as_bytes()).unwrap();
    // (from, to, what the error says)
    let rows = [
        (
            "\"townName\":",
            "\"town\":",
            "payload.originator.originatorPerson[0].legalPerson.geographicAddress[0]: the member `town` is unknown",
        ),
        (
            "\"originatorPerson\":",
            "\"originatorPersons\":",
            "payload.originator: the member `originatorPersons` is missing",
        ),
        ("\"GEOG\"", "\"GEO\"", "expected one of HOME BIZZ GEOG, got `GEO`"),
        ("\"GEOG\"", "\"geog\"", "got `geog`"),
        ("\"LEGL\"", "\"MAID\"", "expected one of LEGL SHRT TRAD, got `MAID`"),
        ("\"country\":\"NL\"", "\"country\":\"NLD\"", "expected one to 2 characters"),
        ("\"country\":\"NL\"", "\"country\":\"\"", "expected one to 2 characters"),
        (
            "\"country\":\"NL\"",
            "\"country\":\"NL\",\"country\":\"NL\"",
            "the member `country` stands twice",
        ),
        (",\"country\":\"NL\"", "", "the member `country` is missing"),
        ("\"country\":\"NL\"", "\"country\":null", "invalid "),
        ("\"country\":\"NL\"", "\"country\":true", "invalid "),
        ("\"country\":\"NL\"", "\"country\":1.5", "invalid "),
        ("\"country\":\"NL\"", "\"country\":-1", "invalid "),
        ("\"country\":\"NL\"", "\"country\":7", "expected a text, got a number"),
        ("[\"Keizersgracht 12\"]", "[]", "expected 1 to 7 items, got 0"),
        ("[\"Keizersgracht 12\"]", "\"Keizersgracht 12\"", "expected a list, got a text"),
        (
            "[\"Keizersgracht 12\"]",
            r#"["1","2","3","4","5","6","7","8"]"#,
            "expected 1 to 7 items, got 8",
        ),
        ("\"Keizersgracht 12\"", "\"\\u0007\"", "without control characters"),
        ("\"Keizersgracht 12\"", "\"   \"", "expected one to 70 characters"),
        (
            "{\"legalPerson\":{\"name\"",
            "{\"naturalPerson\":{\"name\"",
            "primaryIdentifier` is missing",
        ),
        ("{\"legalPerson\":", "{\"person\":", "`naturalPerson` or `legalPerson` is missing"),
        ("\"101.2023\"", "\"101.2024\"", "expected `101.2023`, or no such member"),
        ("\"101.2023\"", "\"101\"", "expected `101.2023`, or no such member"),
        (
            ",\"payloadMetadata\":{\"payloadVersion\":\"101.2023\"}",
            "",
            "originatorPersons` is missing",
        ),
        ("\"payloadMetadata\":", "\"metadata\":", "is missing"),
        (
            "\"payloadMetadata\":",
            "\"extra\":{},\"payloadMetadata\":",
            "the member `extra` is unknown",
        ),
        (
            "\"addressType\"",
            "\"customerNumber\":\"1\",\"addressType\"",
            "the member `customerNumber` is unknown",
        ),
    ];
    for (from, to, said) in rows {
        assert!(GOOD.contains(from), "{from}");
        let error = read(GOOD.replacen(from, to, 1).as_bytes()).expect_err(to).to_string();
        assert!(error.contains(said), "{to}: {error}");
    }
}

#[test]
fn another_spelling_of_the_same_payload_is_read_but_is_not_exact() {
    let rows = [
        ("{\"originator\"", "{ \"originator\""),
        ("Amsterdam", "\\u0041msterdam"),
        (
            "\"postCode\":\"1015 CX\",\"townName\":\"Amsterdam\"",
            "\"townName\":\"Amsterdam\",\"postCode\":\"1015 CX\"",
        ),
    ];
    for (from, to) in rows {
        let other = GOOD.replacen(from, to, 1);
        assert_eq!(read(other.as_bytes()).unwrap(), read(GOOD.as_bytes()).unwrap(), "{to}");
        assert_eq!(read_exact(other.as_bytes()).unwrap_err().problem, Problem::NotExact, "{to}");
    }
}

#[test]
fn what_is_too_long_too_deep_or_too_much_is_refused_before_it_is_kept() {
    let long = vec![b' '; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(read(&long).unwrap_err().problem, Problem::TooLong { got: long.len() });
    let deep = format!("{}1{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
    assert_eq!(read(deep.as_bytes()).unwrap_err().problem, Problem::TooDeep);
    let fits = format!("{}1{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    assert!(matches!(read(fits.as_bytes()).unwrap_err().problem, Problem::Kind { .. }));
    let many = format!("[{}1]", "1,".repeat(VALUES_MAX));
    assert_eq!(read(many.as_bytes()).unwrap_err().problem, Problem::TooMany);
    assert!(matches!(read(b"\xff\xfe").unwrap_err().problem, Problem::Json { .. }));
}

#[test]
fn a_lei_has_twenty_characters_and_right_check_digits() {
    let good = "506700T7Z685VUOZL877";
    assert_eq!(good.parse::<Lei>().unwrap().as_str(), good);
    // Another digit for a digit, or letter for a letter, is no LEI. The check digits do not tell
    // every letter from every digit: those are two digits wide.
    for place in 0..20 {
        for other in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".chars() {
            let mut text: Vec<char> = good.chars().collect();
            if text[place] == other || text[place].is_ascii_digit() != other.is_ascii_digit() {
                continue;
            }
            text[place] = other;
            let text: String = text.into_iter().collect();
            assert!(text.parse::<Lei>().is_err(), "{text}");
        }
    }
    for other in [
        "",
        "506700T7Z685VUOZL8",
        "506700T7Z685VUOZL8770",
        "506700t7Z685VUOZL877",
        "213800AQUAUP6I215N33",
    ] {
        assert!(other.parse::<Lei>().is_err(), "{other}");
    }
}
