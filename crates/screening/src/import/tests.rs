use std::io::Read as _;
use std::path::PathBuf;

use super::*;
use crate::list::{LIST_LAYOUT, LoadedList, ScreeningList};
use crate::{Outcome, Party, Thresholds, screen};
use terms::Instant;

const SDN: &str = r#"36,"AEROCARIBBEAN AIRLINES",-0- ,"CUBA",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- 
9639,"HANIYA, Ismail Abdul Salah","individual","NS-PLC",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB 07 Dec 1962; alt. DOB circa 1963; POB Shati; nationality Jordan; a.k.a. 'ABU AL-ABED'."
"#;
const ALT: &str = "36,12,\"aka\",\"AERO-CARIBBEAN\",-0- \n";
const ADD: &str = "36,1,-0- ,\"Havana\",\"Cuba\",-0- \n";

fn files() -> OfacFiles<'static> {
    OfacFiles {
        entries: SDN.as_bytes(),
        names: Some(ALT.as_bytes()),
        addresses: Some(ADD.as_bytes()),
    }
}

#[test]
fn three_files_of_ofac_are_one_list() {
    let entries = import_ofac(files()).unwrap();
    let [airline, person] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((airline.id.as_str(), airline.program.as_str()), ("36", "CUBA"));
    assert_eq!(airline.aliases, ["AERO-CARIBBEAN"]);
    assert_eq!(airline.countries, ["CU"]);
    assert_eq!(person.dates, ["1962-12-07", "1963"]);
    assert_eq!(person.countries, ["JO"]);
    assert_eq!(person.aliases, ["ABU AL-ABED"]);
}

const UN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<CONSOLIDATED_LIST dateGenerated="2026-02-27T00:00:09Z"><INDIVIDUALS><INDIVIDUAL>
 <DATAID>1</DATAID><FIRST_NAME>ERIC</FIRST_NAME><SECOND_NAME>BADEGE &amp; SON</SECOND_NAME>
 <UN_LIST_TYPE>DRC</UN_LIST_TYPE><REFERENCE_NUMBER>CDi.001</REFERENCE_NUMBER>
 <NATIONALITY><VALUE>Democratic Republic of the Congo</VALUE></NATIONALITY>
 <LIST_TYPE><VALUE>UN List</VALUE></LIST_TYPE>
 <INDIVIDUAL_ALIAS><QUALITY/><ALIAS_NAME/></INDIVIDUAL_ALIAS>
 <INDIVIDUAL_ALIAS><QUALITY>Good</QUALITY><ALIAS_NAME>E. BADEGE</ALIAS_NAME></INDIVIDUAL_ALIAS>
 <INDIVIDUAL_DATE_OF_BIRTH><YEAR>1971</YEAR></INDIVIDUAL_DATE_OF_BIRTH>
</INDIVIDUAL></INDIVIDUALS><ENTITIES><ENTITY><DATAID>2</DATAID><FIRST_NAME>A FIRM</FIRST_NAME>
 <UN_LIST_TYPE>DPRK</UN_LIST_TYPE><REFERENCE_NUMBER>KPe.001</REFERENCE_NUMBER>
 <ENTITY_ADDRESS><COUNTRY>Democratic People's Republic of Korea</COUNTRY></ENTITY_ADDRESS>
</ENTITY></ENTITIES></CONSOLIDATED_LIST>"#;

#[test]
fn the_list_of_the_united_nations_is_read() {
    let entries = import_un(UN.as_bytes()).unwrap();
    let [person, firm] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(person.name, "ERIC BADEGE & SON");
    assert_eq!(
        (person.aliases.as_slice(), person.countries.as_slice()),
        (&["E. BADEGE".to_owned()][..], &["CD".to_owned()][..])
    );
    assert_eq!(
        (person.dates.as_slice(), person.program.as_str()),
        (&["1971".to_owned()][..], "DRC")
    );
    assert_eq!((firm.id.as_str(), firm.countries.as_slice()), ("KPe.001", &["KP".to_owned()][..]));
}

#[test]
fn a_table_of_our_own_is_read() {
    let text =
        "id,name,aliases,dates,countries,program\n1,A Firm,\"Firma; AF Ltd\",1990,NL;SG,own\n";
    let entries = import_csv(text.as_bytes()).unwrap();
    assert_eq!(entries.first().unwrap().aliases, ["Firma", "AF Ltd"]);
    assert_eq!(entries.first().unwrap().countries, ["NL", "SG"]);
}

#[test]
fn files_that_are_no_list_are_refused_and_say_where() {
    let ofac = |text: &'static str| {
        import_ofac(OfacFiles { entries: text.as_bytes(), ..OfacFiles::default() })
    };
    let un = |text: &str| import_un(text.as_bytes());
    let table = [
        (ofac(""), "at least one"),
        (ofac("1,-0- ,x\n"), "line 1: expected a number and a name"),
        (ofac("1,A,x\n1,B,x\n"), "each id once, got `1`"),
        (ofac("1,...,x\n"), "a name with letters in entry `1`"),
        (un("<OTHER/>"), "at least one"),
        (un("<OTHER></OTHER>"), "expected `CONSOLIDATED_LIST`"),
        (
            un("<!DOCTYPE x [<!ENTITY a \"b\">]><CONSOLIDATED_LIST></CONSOLIDATED_LIST>"),
            "document type",
        ),
        (un(&UN.replace("&amp;", "&other;")), "expected an entity of XML"),
        (un(&UN.replace("</ENTITIES>", "")), "line 0"),
        (un("<CONSOLIDATED_LIST></CONSOLIDATED_LIST>"), "at least one"),
        (un(&"<CONSOLIDATED_LIST>".repeat(99)), "levels"),
        (import_csv(b"id,name\n1,A\n"), "line 1: expected columns"),
    ];
    for (read, expected) in table {
        let error = read.unwrap_err().to_string();
        assert!(error.contains(expected), "{error} | {expected}");
    }
}

#[test]
fn dates_are_read_as_lists_write_them() {
    let table = [
        ("1962", Some("1962")),
        ("circa 1962", Some("1962")),
        ("Dec 1962", Some("1962-12")),
        ("07 Dec 1962", Some("1962-12-07")),
        ("1962-12-07", Some("1962-12-07")),
        ("1962 to 1964", None),
        ("32 Dec 1962", None),
        ("7 Foo 1962", None),
        ("", None),
    ];
    for (text, expected) in table {
        assert_eq!(date(text).as_deref(), expected, "{text}");
    }
}

fn vector(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var("WAYLEAVE_VECTORS").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let path = root.join("aml").join(path);
    let Ok(bytes) = std::fs::read(&path) else {
        assert!(std::env::var("CI").is_err(), "vectors missing at {}", path.display());
        println!("left out: no vectors at {}", path.display());
        return None;
    };
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut out).unwrap();
    Some(out)
}

fn list(entries: Vec<Entry>) -> ScreeningList {
    let (issued_at, next_update) = (Instant::from_seconds(1), Instant::from_seconds(2));
    ScreeningList {
        layout: LIST_LAYOUT,
        name: "l".into(),
        version: 1,
        issued_at,
        next_update,
        entries,
    }
}

#[test]
fn published_lists_are_read_whole_and_each_of_their_names_is_found_again() {
    let [Some(sdn), Some(alt), Some(un)] = [
        "ofac/sdn-2019-01-15.csv.gz",
        "ofac/alt-2019-01-15.csv.gz",
        "un/UN_consolidated-2026-02-27.xml.gz",
    ]
    .map(vector) else {
        return;
    };
    let read =
        || import_ofac(OfacFiles { entries: &sdn, names: Some(&alt), addresses: None }).unwrap();
    let (ofac, un) = (list(read()), list(import_un(&un).unwrap()));
    assert_eq!(ofac.digest(), list(read()).digest(), "made again, it is the same list");
    assert_eq!((ofac.entries.len(), un.entries.len()), (7_379, 1_003));
    let (dated, named) = (
        ofac.entries.iter().filter(|e| !e.dates.is_empty()).count(),
        ofac.entries.iter().map(|e| e.aliases.len()).sum::<usize>(),
    );
    assert!(dated > 3_500 && named > 5_000, "{dated} {named}");
    let lists = [LoadedList::new(ofac), LoadedList::new(un)];
    for entry in lists.iter().flat_map(|l| l.list().entries.iter().step_by(97)) {
        for name in core::iter::once(&entry.name).chain(&entry.aliases) {
            let party = Party { name, country: "ZZ", date: None };
            let found = screen(&party, &lists, Thresholds::STANDARD);
            assert!(matches!(found, Outcome::Possible(_) | Outcome::Match(_)), "{name}: {found:?}");
        }
    }
}
