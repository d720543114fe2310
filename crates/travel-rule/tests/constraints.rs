//! Every constraint by name: a payload that keeps it, and one that breaks it and no other.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "sample values of a test"
)]

use terms::BusinessDate;
use travel_rule::*;

fn today() -> BusinessDate {
    BusinessDate::from_days(20_780)
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    text.parse().unwrap()
}

fn transfer() -> CompanyTransfer {
    CompanyTransfer {
        payer: Payer {
            name: text("Brightwater Trading B.V."),
            account: text("brightwater-1"),
            address: LegalAddress {
                street: text("Keizersgracht 12"),
                post_code: Some(text("1015 CX")),
                town: text("Amsterdam"),
                country: text("NL"),
            },
            country: text("NL"),
            lei: Some("506700T7Z685VUOZL877".parse().unwrap()),
        },
        payee: Payee { name: text("Lim Ceramics Pte. Ltd."), account: text("lim-1") },
    }
}

fn payer(payload: &mut IdentityPayload) -> &mut LegalPerson {
    match &mut payload.originator.persons[0].person {
        Person::Legal(person) => person,
        Person::Natural(_) => panic!("a company pays"),
    }
}

fn identification(payload: &mut IdentityPayload) -> &mut NationalIdentification {
    payer(payload).national_identification.as_mut().unwrap()
}

/// A human who keeps every constraint, as payer.
fn human(payload: &mut IdentityPayload) -> &mut NaturalPerson {
    let person = NaturalPerson {
        name: NaturalPersonName {
            identifiers: vec![NaturalNameId {
                primary: text("Howard"),
                secondary: None,
                kind: NaturalNameType::Legal,
            }],
            local: Vec::new(),
            phonetic: Vec::new(),
        },
        addresses: Vec::new(),
        national_identification: None,
        customer_identification: None,
        birth: Some(DateAndPlaceOfBirth {
            date: "1992-10-04".parse().unwrap(),
            place: text("Leeds"),
        }),
        country_of_residence: None,
    };
    payload.originator.persons[0].person = Person::Natural(Box::new(person));
    match &mut payload.originator.persons[0].person {
        Person::Natural(person) => person,
        Person::Legal(_) => panic!("a human pays"),
    }
}

fn path(payload: &mut IdentityPayload, sequence: &[u64]) {
    let institution = payload.beneficiary.persons[0].person.clone();
    let numbered =
        |sequence: &u64| Intermediary { institution: institution.clone(), sequence: *sequence };
    payload.path = Some(TransferPath { intermediaries: sequence.iter().map(numbered).collect() });
}

/// What a row changes.
type Change = fn(&mut IdentityPayload);

#[test]
fn each_constraint_is_broken_alone_and_named() {
    use Constraint::*;
    let rows: [(Constraint, Change); 20] = [
        (OriginatorInformationNaturalPerson, |p| human(p).birth = None),
        (DateInPast, |p| human(p).birth.as_mut().unwrap().date = "2026-11-23".parse().unwrap()),
        (DateInPast, |p| human(p).birth.as_mut().unwrap().date = "2030-01-01".parse().unwrap()),
        (ValidCountry, |p| payer(p).country_of_registration = Some(text("UK"))),
        (ValidCountry, |p| payer(p).addresses[0].country = text("nl")),
        (OriginatorInformationLegalPerson, |p| {
            payer(p).national_identification = None;
            payer(p).addresses[0].kind = AddressType::Business;
        }),
        (OriginatorInformationLegalPerson, |p| {
            payer(p).national_identification = None;
            payer(p).addresses.clear();
        }),
        (LegalNamePresentLegalPerson, |p| {
            payer(p).name.identifiers[0].kind = LegalNameType::Trading;
        }),
        (LegalNamePresentNaturalPerson, |p| {
            human(p).name.identifiers[0].kind = NaturalNameType::Alias;
        }),
        (ValidNationalIdentifierLegalPerson, |p| {
            identification(p).kind = NationalIdentifierType::Passport;
            identification(p).registration_authority = Some(text("RA000463"));
        }),
        (ValidAddress, |p| payer(p).addresses[0].lines.clear()),
        (ValidAddress, |p| {
            payer(p).addresses[0].lines.clear();
            payer(p).addresses[0].street = Some(text("Keizersgracht"));
        }),
        (ValidAddress, |p| {
            payer(p).addresses[0].lines.clear();
            payer(p).addresses[0].building_number = Some(text("12"));
        }),
        (CompleteNationalIdentifierLegalPerson, |p| {
            identification(p).country_of_issue = Some(text("NL"));
        }),
        (CompleteNationalIdentifierLegalPerson, |p| {
            identification(p).registration_authority = Some(text("RA000463"));
        }),
        (CompleteNationalIdentifierLegalPerson, |p| {
            identification(p).kind = NationalIdentifierType::RegistrationAuthority;
        }),
        (RegistrationAuthority, |p| {
            identification(p).kind = NationalIdentifierType::RegistrationAuthority;
            identification(p).registration_authority = Some(text("RA00046"));
        }),
        (ValidLei, |p| identification(p).identifier = text("506700T7Z685VUOZL878")),
        (SequentialIntegrity, |p| path(p, &[1, 2])),
        (SequentialIntegrity, |p| path(p, &[0, 2, 0])),
    ];
    for (row, (constraint, change)) in rows.into_iter().enumerate() {
        let mut payload = transfer().payload();
        change(&mut payload);
        let violations = payload.validate(today()).expect_err(&format!("row {row}"));
        let found: Vec<Constraint> = violations.all().iter().map(|v| v.constraint).collect();
        assert_eq!(found, [constraint], "row {row}: {violations}");
        assert!(violations.to_string().contains(constraint.number()), "{violations}");
    }
    let named: std::collections::BTreeSet<Constraint> =
        rows.iter().map(|(constraint, _)| *constraint).collect();
    assert!(Constraint::ALL.iter().all(|constraint| named.contains(constraint)));
}

#[test]
fn what_keeps_every_constraint_is_valid() {
    let rows: [(&str, Change); 8] = [
        ("as built", |_| {}),
        ("no LEI, an address of type GEOG", |p| payer(p).national_identification = None),
        ("an address of type BIZZ beside a LEI", |p| {
            payer(p).addresses[0].kind = AddressType::Business;
        }),
        ("a human known by birth", |p| {
            human(p);
        }),
        ("a human born yesterday", |p| {
            human(p).birth.as_mut().unwrap().date = "2026-11-22".parse().unwrap();
        }),
        ("intermediaries in any order", |p| path(p, &[1, 0, 2])),
        ("a register's number", |p| {
            identification(p).kind = NationalIdentifierType::RegistrationAuthority;
            identification(p).registration_authority = Some(text("RA000463"));
        }),
        ("street and building", |p| {
            payer(p).addresses[0].lines.clear();
            payer(p).addresses[0].street = Some(text("Keizersgracht"));
            payer(p).addresses[0].building_name = Some(text("De Boot"));
        }),
    ];
    for (name, change) in rows {
        let mut payload = transfer().payload();
        change(&mut payload);
        payload.validate(today()).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn all_violations_are_told_at_once() {
    let mut payload = transfer().payload();
    payer(&mut payload).addresses[0].country = text("ZZ");
    payer(&mut payload).name.identifiers[0].kind = LegalNameType::Short;
    identification(&mut payload).identifier = text("1");
    let violations = payload.validate(today()).unwrap_err();
    let found: Vec<&str> = violations.all().iter().map(|v| v.constraint.number()).collect();
    assert_eq!(found, ["C3", "C5", "C11"]);
}

#[test]
fn a_companys_payload_tells_the_travel_rules_data_and_nothing_else() {
    let transfer = transfer();
    assert_eq!(CompanyTransfer::told_by(&transfer.payload()), Some(transfer.clone()));
    // One more member anywhere, and it is not what the rule asks.
    let rows: [Change; 8] = [
        |p| payer(p).customer_identification = Some(text("4711")),
        |p| payer(p).addresses[0].room = Some(text("3")),
        |p| {
            let again = payer(p).addresses[0].clone();
            payer(p).addresses.push(again);
        },
        |p| {
            let again = payer(p).name.identifiers[0].clone();
            payer(p).name.identifiers.push(again);
        },
        |p| p.originator.persons[0].accounts.push(text("another")),
        |p| p.originating = Some(p.originator.persons[0].person.clone()),
        |p| path(p, &[0]),
        |p| p.metadata.as_mut().unwrap().transliterations.push(Transliteration::Han),
    ];
    for (row, change) in rows.into_iter().enumerate() {
        let mut payload = transfer.payload();
        change(&mut payload);
        assert_eq!(CompanyTransfer::told_by(&payload), None, "row {row}");
    }
}

/// The bytes never change: digests over them stand in permits.
#[test]
fn the_written_form_is_this() {
    let bytes = write(&transfer().payload()).unwrap();
    let expected = [
        r#"{"originator":{"originatorPerson":[{"legalPerson":{"name":{"nameIdentifier":["#,
        r#"{"legalPersonName":"Brightwater Trading B.V.","legalPersonNameIdentifierType":"LEGL"}]},"#,
        r#""geographicAddress":[{"addressType":"GEOG","postCode":"1015 CX","townName":"Amsterdam","#,
        r#""addressLine":["Keizersgracht 12"],"country":"NL"}],"#,
        r#""nationalIdentification":{"nationalIdentifier":"506700T7Z685VUOZL877","#,
        r#""nationalIdentifierType":"LEIX"},"countryOfRegistration":"NL"},"#,
        r#""accountNumber":["brightwater-1"]}]},"#,
        r#""beneficiary":{"beneficiaryPerson":[{"legalPerson":{"name":{"nameIdentifier":["#,
        r#"{"legalPersonName":"Lim Ceramics Pte. Ltd.","legalPersonNameIdentifierType":"LEGL"}]}},"#,
        r#""accountNumber":["lim-1"]}]},"#,
        r#""payloadMetadata":{"payloadVersion":"101.2023"}}"#,
    ]
    .concat();
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}
