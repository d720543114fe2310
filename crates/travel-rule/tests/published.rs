//! The published samples are read, kept whole, and written equal.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "samples of a test, left out aloud")]

use std::path::PathBuf;

use serde_json::Value;
use terms::BusinessDate;
use travel_rule::{
    Address, Constraint, IdentityPayload, LegalPerson, NationalIdentification, NaturalPerson,
    Person, Version, read, read_exact, read_part, write, write_part,
};

/// The bytes of a sample; `None`, said aloud, where the vectors are not there.
fn sample(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("WAYLEAVE_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let path = root.join("travel-rule").join(name);
    if let Ok(bytes) = std::fs::read(&path) {
        return Some(bytes);
    }
    assert!(std::env::var_os("CI").is_none(), "no vectors at {}", path.display());
    println!("left out: no vectors at {}", path.display());
    None
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn today() -> BusinessDate {
    BusinessDate::from_days(20_780)
}

#[test]
fn the_published_payload_is_read_kept_whole_and_keeps_every_constraint() {
    let Some(bytes) = sample("identity_payload.json") else { return };
    let payload = read(&bytes).unwrap();
    assert_eq!(payload.version, Version::V2020);
    let written = write(&payload).unwrap();
    assert_eq!(value(&written), value(&bytes));
    assert_eq!(read_exact(&written).unwrap(), payload);
    let valid = payload.clone().validate(today()).unwrap();
    assert_eq!(*valid, payload);
}

macro_rules! part_is_written_equal {
    ($name:ident, $type:ty, $file:literal) => {
        #[test]
        fn $name() {
            let Some(bytes) = sample($file) else { return };
            let part: $type = read_part(&bytes, Version::V2020).unwrap();
            let written = write_part(&part, Version::V2020).unwrap();
            assert_eq!(value(&written), value(&bytes));
            assert_eq!(read_part::<$type>(&written, Version::V2020).unwrap(), part);
        }
    };
}

part_is_written_equal!(the_published_address_is_written_equal, Address, "address.json");
part_is_written_equal!(the_published_company_is_written_equal, LegalPerson, "legal_person.json");
part_is_written_equal!(the_published_human_is_written_equal, NaturalPerson, "natural_person.json");
part_is_written_equal!(
    the_published_identifier_is_written_equal,
    NationalIdentification,
    "national_identification.json"
);

/// A LEI with another digit, a company named by no legal name: the sample's near misses.
#[test]
fn the_published_payload_spoilt_in_one_place_breaks_the_constraint_of_that_place() {
    let Some(bytes) = sample("identity_payload.json") else { return };
    let text = String::from_utf8(bytes).unwrap();
    let rows = [
        ("506700T7Z685VUOZL877", "506700T7Z685VUOZL878", Constraint::ValidLei),
        ("1992-10-04", "2026-11-24", Constraint::DateInPast),
        ("\"country\": \"GB\"", "\"country\": \"UK\"", Constraint::ValidCountry),
        ("\"LEIX\"", "\"SOCS\"", Constraint::ValidNationalIdentifierLegalPerson),
        ("\"RA777777\"", "\"RA77777\"", Constraint::RegistrationAuthority),
        ("\"buildingNumber\": \"23\",\n", "\n", Constraint::ValidAddress),
        (
            "\"legalPersonNameIdentifierType\": \"LEGL\"",
            "\"legalPersonNameIdentifierType\": \"TRAD\"",
            Constraint::LegalNamePresentLegalPerson,
        ),
        (
            "\"secondaryIdentifier\": \"Jane\",\n\t\t\t\t\t\t\t\"nameIdentifierType\": \"LEGL\"",
            "\"secondaryIdentifier\": \"Jane\",\n\t\t\t\t\t\t\t\"nameIdentifierType\": \"ALIA\"",
            Constraint::LegalNamePresentNaturalPerson,
        ),
    ];
    for (from, to, constraint) in rows {
        assert!(text.contains(from), "{from}");
        let payload = read(text.replacen(from, to, 1).as_bytes()).unwrap();
        let violations = payload.validate(today()).unwrap_err();
        let found: Vec<Constraint> = violations.all().iter().map(|v| v.constraint).collect();
        assert!(found.contains(&constraint), "{from}: {violations}");
    }
}

#[test]
fn a_payload_of_one_issue_is_not_read_as_the_other() {
    let Some(bytes) = sample("identity_payload.json") else { return };
    let payload: IdentityPayload = read(&bytes).unwrap();
    let as_2023 = IdentityPayload { version: Version::V2023, ..payload };
    assert!(write(&as_2023).is_err());
    let Person::Natural(human) = &as_2023.originator.persons[0].person else { panic!() };
    let written = write_part(&**human, Version::V2023).unwrap();
    assert!(read_part::<NaturalPerson>(&written, Version::V2020).is_err());
}
