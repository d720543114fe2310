//! Files that want to do harm, and files that are nearly right: each is refused by its rule, where
//! it happens.
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

use std::fmt::Write as _;

use iso20022::limits::{
    ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX, FILE_BYTES_MAX, NAMESPACES_MAX, TEXT_BYTES_MAX,
};
use iso20022::{Message, ReadError, Rule, read};
use proptest::prelude::*;
use support::Maker;

const NOTIFICATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08">
<BkToCstmrDbtCdtNtfctn>
<GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-11-22T20:50:00Z</CreDtTm></GrpHdr>
<Ntfctn><Id>N-1</Id>
<Acct><Id><IBAN>NL91ABNA0417164300</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Ntry><NtryRef>1</NtryRef><Amt Ccy="EUR">1250.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-22</Dt></BookgDt><BkTxCd/></Ntry>
<Ntry><NtryRef>2</NtryRef><Amt Ccy="EUR">7.50</Amt><CdtDbtInd>DBIT</CdtDbtInd>
<Sts><Cd>PDNG</Cd></Sts><BkTxCd/></Ntry>
</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>
"#;

fn refused(text: &str) -> ReadError {
    read(text.as_bytes()).unwrap_err()
}

fn changed(from: &str, to: &str) -> String {
    assert!(NOTIFICATION.contains(from), "{from}");
    NOTIFICATION.replacen(from, to, 1)
}

fn within_amount(text: &str) -> String {
    changed("1250.00", text)
}

#[test]
fn the_plain_file_is_taken_and_only_its_booked_line_may_be_booked() {
    let incoming = read(NOTIFICATION.as_bytes()).unwrap();
    let reports = incoming.message.account_reports();
    let booked: Vec<_> = reports[0].booked().collect();
    assert_eq!(reports[0].entries().len(), 2);
    assert_eq!(booked.len(), 1);
    assert_eq!(booked[0].amount.to_string(), "1250.00 EUR");
    assert_eq!(incoming.ignored.count, 0);
    for (from, to) in [("<Cd>BOOK", "<Cd>FUTR"), ("<Cd>BOOK</Cd>", "<Prtry>BOOK</Prtry>")] {
        let message = read(changed(from, to).as_bytes()).unwrap().message;
        assert_eq!(message.account_reports()[0].booked().count(), 0, "{to}");
    }
}

/// One line per near miss: what is changed to what, the rule, the path.
#[test]
fn each_near_miss_is_refused_by_its_rule_at_its_place() {
    const GROUP: &str = "/Document/BkToCstmrDbtCdtNtfctn/GrpHdr";
    const ENTRY: &str = "/Document/BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry[1]";
    let table: [(&str, &str, Rule, String); 32] = [
        ("camt.054.001.08", "camt.054.001.04", Rule::Namespace, "/Document".into()),
        ("urn:iso:std", "urn:iso:STD", Rule::Namespace, "/Document".into()),
        (" xmlns=\"urn", " xmlns:x=\"urn", Rule::Namespace, "/Document".into()),
        ("<MsgId>M-1</MsgId>", "", Rule::Missing, format!("{GROUP}/MsgId")),
        ("<MsgId>M-1</MsgId>", "<MsgId/>", Rule::Value, format!("{GROUP}/MsgId")),
        ("<MsgId>", "<MsgId>a</MsgId><MsgId>", Rule::Repeated, format!("{GROUP}/MsgId[2]")),
        ("<MsgId>M-1", "<MsgId>M<b/>-1", Rule::MixedContent, format!("{GROUP}/MsgId")),
        ("M-1", "M<!-- x -->-1", Rule::MixedContent, format!("{GROUP}/MsgId")),
        ("<GrpHdr>", "<GrpHdr>text", Rule::MixedContent, GROUP.into()),
        ("T20:50:00Z", " 20:50", Rule::Value, format!("{GROUP}/CreDtTm")),
        ("2026-11-22T", "2026-02-30T", Rule::Value, format!("{GROUP}/CreDtTm")),
        ("0417164300", "0417164301", Rule::Value, ENTRY.replace("Ntry[1]", "Acct/Id/IBAN")),
        ("1250.00", "1250.001", Rule::Amount, format!("{ENTRY}/Amt")),
        ("1250.00", "-1250.00", Rule::Amount, format!("{ENTRY}/Amt")),
        ("1250.00", "1.25e3", Rule::Amount, format!("{ENTRY}/Amt")),
        ("1250.00", "1,250.00", Rule::Amount, format!("{ENTRY}/Amt")),
        ("1250.00", "", Rule::Amount, format!("{ENTRY}/Amt")),
        ("1250.00", "12345678901234567.00", Rule::Amount, format!("{ENTRY}/Amt")),
        ("Amt Ccy=\"EUR\"", "Amt", Rule::Currency, format!("{ENTRY}/Amt")),
        ("Amt Ccy=\"EUR\"", "Amt Ccy=\"XAU\"", Rule::Currency, format!("{ENTRY}/Amt")),
        ("Amt Ccy=\"EUR\"", "Amt Ccy=\"eur\"", Rule::Currency, format!("{ENTRY}/Amt")),
        ("Amt Ccy=\"EUR\"", "Amt x:Ccy=\"EUR\"", Rule::Currency, format!("{ENTRY}/Amt")),
        ("CRDT", "crdt", Rule::Value, format!("{ENTRY}/CdtDbtInd")),
        ("CRDT", " CRDT", Rule::Value, format!("{ENTRY}/CdtDbtInd")),
        ("<Cd>BOOK</Cd>", "BOOK", Rule::MixedContent, format!("{ENTRY}/Sts")),
        ("<Cd>BOOK</Cd>", "", Rule::Choice, format!("{ENTRY}/Sts")),
        (
            "<Dt>2026",
            "<DtTm>2026-01-01T00:00:00</DtTm><Dt>2026",
            Rule::Choice,
            format!("{ENTRY}/BookgDt"),
        ),
        ("-22</Dt>", "-22Z</Dt>", Rule::Value, format!("{ENTRY}/BookgDt/Dt")),
        ("-22</Dt>", "-31</Dt>", Rule::Value, format!("{ENTRY}/BookgDt/Dt")),
        ("<BkTxCd/>", "", Rule::Missing, format!("{ENTRY}/BkTxCd")),
        (
            "<NtryRef>1",
            "<NtryRef>123456789012345678901234567890123456",
            Rule::Value,
            format!("{ENTRY}/NtryRef"),
        ),
        ("<Ntfctn>", "<Other>", Rule::NotXml, "/Document/BkToCstmrDbtCdtNtfctn/Other".into()),
    ];
    for (from, to, rule, path) in table {
        let error = refused(&changed(from, to));
        assert_eq!((error.problem.rule, &error.path), (rule, &path), "{from} → {to}: {error}");
    }
}

/// A statement of two credits and a debit; opening 100.00, closing as given.
fn statement(closing: &str, page: &str) -> String {
    let balance = |kind: &str, amount: &str, side: &str| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt>\
             <CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>2026-11-22</Dt></Dt></Bal>"
        )
    };
    let entry = |amount: &str, side: &str, status: &str| {
        format!(
            "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>\
             <Sts><Cd>{status}</Cd></Sts><BkTxCd/></Ntry>"
        )
    };
    let (amount, side) = closing.split_once(' ').unwrap();
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt>\
         <GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-22T20:50:00Z</CreDtTm></GrpHdr>\
         <Stmt><Id>S</Id>{page}<Acct><Id><Othr><Id>1</Id></Othr></Id></Acct>{}{}{}{}{}{}</Stmt>\
         </BkToCstmrStmt></Document>",
        balance("OPBD", "100.00", "CRDT"),
        balance("CLBD", amount, side),
        entry("20.00", "CRDT", "BOOK"),
        entry("7.00", "CRDT", "PDNG"),
        entry("150.01", "DBIT", "BOOK"),
        entry("1000.00", "DBIT", "INFO"),
    )
}

#[test]
fn booked_lines_lead_from_the_opening_to_the_closing_balance() {
    let page = "<StmtPgntn><PgNb>2</PgNb><LastPgInd>true</LastPgInd></StmtPgntn>";
    let table = [
        ("30.01 DBIT", "", ""),
        ("30.01 CRDT", "", "the booked lines miss the closing balance 30.01 EUR CRDT by 60.02 EUR"),
        ("30.00 DBIT", "", "the booked lines miss the closing balance 30.00 EUR DBIT by 0.01 EUR"),
        ("30.00 DBIT", page, ""),
    ];
    for (closing, page, told) in table {
        let message = read(statement(closing, page).as_bytes()).unwrap().message;
        let breaks = message.account_reports()[0].breaks();
        let text: Vec<String> = breaks.iter().map(ToString::to_string).collect();
        assert_eq!(text.join("; "), told, "{closing}");
    }
    let twice = statement("30.01 DBIT", "").replace("CLBD", "OPBD");
    assert_eq!(refused(&twice).problem.rule, Rule::Repeated);
}

#[test]
fn an_error_names_path_line_column_expectation_and_remedy() {
    let error = refused(&within_amount("1250.005"));
    assert_eq!(
        error.to_string(),
        "`/Document/BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry[1]/Amt` (line 7, column 27): expected at \
         most 2 digits behind the point in `EUR`, got `1250.005`; nothing is rounded or converted \
         here: the sender must correct it"
    );
    let shown = refused(&changed("CRDT", "\u{202e}TDRC\u{2066}")).to_string();
    assert!(!shown.contains('\u{202e}'), "{shown}");
}

#[test]
fn what_xml_offers_an_attacker_is_refused() {
    let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>\n<Document";
    let table = [
        (changed("<Document", bomb), Rule::DocumentType),
        (
            changed("<Document", "<!DOCTYPE d SYSTEM \"file:///etc/passwd\"><Document"),
            Rule::DocumentType,
        ),
        (within_amount("&a;"), Rule::Entity),
        (within_amount("&#0;"), Rule::Entity),
        (within_amount("&#7;"), Rule::ControlCharacter),
        (within_amount("&#x110000;"), Rule::Entity),
        (within_amount("&#xD800;"), Rule::Entity),
        (within_amount("1250.00 & more"), Rule::NotXml),
        (changed("Ccy=\"EUR\"", "Ccy=\"&a;\""), Rule::Entity),
        (changed("<GrpHdr>", "<?php echo 1 ?><GrpHdr>"), Rule::ProcessingInstruction),
        (changed("<GrpHdr>", "<?xml-stylesheet href='x'?><GrpHdr>"), Rule::ProcessingInstruction),
        (changed("<GrpHdr>", "<?xml version='1.0'?><GrpHdr>"), Rule::NotXml),
        (changed("version=\"1.0\"", "version=\"1.1\""), Rule::NotXml),
        (changed("UTF-8", "ISO-8859-1"), Rule::Encoding),
        (changed("UTF-8", "UTF-16"), Rule::Encoding),
        (within_amount("\u{1}"), Rule::ControlCharacter),
        (within_amount("\u{85}"), Rule::ControlCharacter),
        (within_amount("\u{ffff}"), Rule::ControlCharacter),
        (format!("{NOTIFICATION}<Document/>"), Rule::NotXml),
        (format!("{NOTIFICATION}text"), Rule::NotXml),
        (format!("text{NOTIFICATION}"), Rule::NotXml),
        (changed("</GrpHdr>", "</grpHdr>"), Rule::NotXml),
        (changed("<GrpHdr>", "<x:GrpHdr>"), Rule::NotXml),
        (changed("Ccy=\"EUR\"", "Ccy=\"EUR\" Ccy=\"USD\""), Rule::NotXml),
        (changed("Ccy=\"EUR\"", "Ccy=\"<EUR\""), Rule::NotXml),
        (changed("Ccy=\"EUR\"", "Ccy=EUR"), Rule::NotXml),
        (changed("<GrpHdr>", "<1GrpHdr/><GrpHdr>"), Rule::Name),
        (changed("<GrpHdr>", "<!-- a -- b --><GrpHdr>"), Rule::NotXml),
        (NOTIFICATION.replace("</Document>", ""), Rule::NotXml),
        (String::new(), Rule::NotXml),
        ("<Document/>".to_owned(), Rule::Namespace),
        ("<Envelope/>".to_owned(), Rule::Envelope),
        ("<Envelope><Document/><Document/></Envelope>".to_owned(), Rule::Envelope),
    ];
    for (text, rule) in table {
        let error = refused(&text);
        assert_eq!(error.problem.rule, rule, "{error}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let mut bytes = NOTIFICATION.as_bytes().to_vec();
    let at = NOTIFICATION.find("M-1").unwrap();
    bytes[at] = 0xff;
    let error = read(&bytes).unwrap_err();
    assert_eq!((error.problem.rule, error.line, error.column), (Rule::Encoding, 4, 16));
    let wide: Vec<u8> = NOTIFICATION.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        read(&[&[0xff, 0xfe], wide.as_slice()].concat()).unwrap_err().problem.rule,
        Rule::Encoding
    );
    assert_eq!(read(&wide).unwrap_err().problem.rule, Rule::ControlCharacter);
}

/// Forms that mean the same: mark, prefixes, character data, references, comments, envelope.
#[test]
fn other_ways_to_write_the_same_message_are_taken() {
    let plain = read(NOTIFICATION.as_bytes()).unwrap().message;
    let prefixed = NOTIFICATION
        .replace("</", "\u{1}")
        .replace('<', "<p:")
        .replace('\u{1}', "</p:")
        .replace("<p:?xml", "<?xml")
        .replace("xmlns=", "xmlns:p=");
    let body = NOTIFICATION.split_once("?>").unwrap().1;
    for text in [
        format!("\u{feff}{NOTIFICATION}"),
        NOTIFICATION.replace('\n', "\r\n"),
        prefixed,
        body.trim().to_owned(),
        format!("<!-- of the bank -->{body}<!-- end -->"),
        changed("M-1", "<![CDATA[M-1]]>"),
        changed("M-1", "M&#45;&#x31;"),
        changed("1250.00", " 01250.0 "),
        changed("<BkTxCd/>", "<BkTxCd></BkTxCd>"),
        changed("<GrpHdr>", "<!-- header --><GrpHdr>"),
        changed(" Ccy=\"EUR\"", " Ccy = '&#69;UR' other='1'"),
        format!("<Envelope xmlns='urn:x'>{body}</Envelope>"),
    ] {
        let read = read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read.message, plain, "{text}");
    }
}

#[test]
fn elements_of_another_namespace_or_of_no_use_are_counted_and_never_matched() {
    let text = changed(
        "<Amt Ccy=\"EUR\">1250.00</Amt>",
        "<Amt xmlns=\"urn:x\" Ccy=\"EUR\">9.00</Amt><Amt Ccy=\"EUR\">1250.00</Amt><CardTx><A/></CardTx>",
    );
    let incoming = read(text.as_bytes()).unwrap();
    assert_eq!(incoming.message, read(NOTIFICATION.as_bytes()).unwrap().message);
    let entry = "/Document/BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry";
    let expected = [(format!("{entry}/Amt"), 1), (format!("{entry}/CardTx"), 1)];
    assert_eq!(incoming.ignored.paths, expected.into_iter().collect());
    assert_eq!(incoming.ignored.count, 2);
    // Alone it is no amount.
    let alone = changed("<Amt Ccy", "<Amt xmlns=\"urn:x\" Ccy");
    assert_eq!(refused(&alone).problem.rule, Rule::Missing);
}

#[test]
fn each_limit_holds_at_its_edge() {
    let nested = |depth: usize| {
        let inside = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        changed("<NtryRef>1", &format!("{inside}<NtryRef>1"))
    };
    // `Document` to `Ntry` are four.
    assert!(read(nested(DEPTH_MAX - 4).as_bytes()).is_ok());
    assert_eq!(refused(&nested(DEPTH_MAX - 3)).problem.rule, Rule::TooDeep);

    let attributes = |count: usize| {
        let mut all = String::new();
        (0..count).for_each(|number| write!(all, " a{number}=\"\"").unwrap());
        changed("<NtryRef>1", &format!("<NtryRef{all}>1"))
    };
    assert!(read(attributes(ATTRIBUTES_MAX).as_bytes()).is_ok());
    assert_eq!(refused(&attributes(ATTRIBUTES_MAX + 1)).problem.rule, Rule::TooManyAttributes);

    let long =
        |length: usize| changed("<NtryRef>1", &format!("<x>{}</x><NtryRef>1", "a".repeat(length)));
    assert!(read(long(TEXT_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(refused(&long(TEXT_BYTES_MAX + 1)).problem.rule, Rule::TextTooLong);

    let namespaces = |count: usize| {
        let mut all = String::new();
        (0..count).for_each(|number| write!(all, "<x xmlns=\"urn:{number}\"/>").unwrap());
        changed("<NtryRef>1", &format!("{all}<NtryRef>1"))
    };
    // None and the message's own are two.
    assert!(read(namespaces(NAMESPACES_MAX - 2).as_bytes()).is_ok());
    assert_eq!(refused(&namespaces(NAMESPACES_MAX - 1)).problem.rule, Rule::TooManyNamespaces);
    let declared: String = (0..5_000).fold(String::new(), |mut all, number| {
        write!(all, " xmlns:n{number}=\"urn:{number}\"").unwrap();
        all
    });
    let error = refused(&changed("<NtryRef>1", &format!("<NtryRef{declared}>1")));
    assert_eq!(error.problem.rule, Rule::TooManyNamespaces);

    let many = changed("<NtryRef>1", &format!("{}<NtryRef>1", "<a/>".repeat(ELEMENTS_MAX)));
    assert_eq!(refused(&many).problem.rule, Rule::TooManyElements);
    let large = vec![b' '; FILE_BYTES_MAX + 1];
    assert_eq!(read(&large).unwrap_err().problem.rule, Rule::FileTooLarge);
    let name = changed("<NtryRef>1", &format!("<{}/><NtryRef>1", "a".repeat(129)));
    assert_eq!(refused(&name).problem.rule, Rule::Name);
}

#[test]
fn counts_and_sums_of_a_header_must_be_those_of_what_follows() {
    let message = (0..)
        .map(|seed| Maker::new(seed).messages().remove(6))
        .find(|message| match message {
            Message::CreditTransfers(transfers) => transfers
                .header
                .total
                .is_some_and(|total| (1..1_000_000).contains(&total.minor().units())),
            _ => false,
        })
        .unwrap();
    let good = iso20022::write(&message, None).unwrap();
    let Message::CreditTransfers(transfers) = &message else { unreachable!() };
    let total = transfers.header.total.unwrap().decimal_text();
    for (from, to) in [
        ("<NbOfTxs>1<".to_owned(), "<NbOfTxs>2<".to_owned()),
        ("<CtrlSum>".to_owned(), "<CtrlSum>9".to_owned()),
        (format!(">{total}</TtlIntrBkSttlmAmt>"), ">0.00</TtlIntrBkSttlmAmt>".to_owned()),
    ] {
        assert!(good.contains(&from), "{from}\n{good}");
        let error = refused(&good.replacen(&from, &to, 1));
        assert_eq!(error.problem.rule, Rule::Total, "{error}");
    }
    // The same when we would write it.
    let mut wrong = transfers.clone();
    wrong.header.transaction_count += 1;
    assert!(iso20022::write(&Message::CreditTransfers(wrong), None).is_err());
    let mut empty = transfers.clone();
    empty.transfers.clear();
    assert!(iso20022::write(&Message::CreditTransfers(empty), None).is_err());
}

/// Bytes that were a message until somebody cut, doubled or changed a piece.
fn damaged(seed: u64, kind: usize, cuts: &[(usize, usize, u8)]) -> Vec<u8> {
    let message = Maker::new(seed).messages().swap_remove(kind);
    let mut bytes = iso20022::write(&message, None).unwrap().into_bytes();
    for (from, length, how) in cuts {
        if bytes.is_empty() {
            break;
        }
        let from = from % bytes.len();
        let until = (from + length % 64).min(bytes.len());
        match how % 4 {
            0 => drop(bytes.drain(from..until)),
            1 => {
                let piece = bytes[from..until].to_vec();
                bytes.splice(from..from, piece);
            }
            2 => bytes[from] = *how,
            _ => bytes.truncate(until),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(read(&bytes));
    }

    #[test]
    fn no_markup_makes_it_panic(text in r#"(<[a-zA-Z:!?/&\[\]'"= -]{0,12}>?|[&;#x0-9]{0,6}|\PC{0,4}){0,40}"#) {
        drop(read(text.as_bytes()));
        let inside = NOTIFICATION.replacen("1250.00", &text, 1);
        drop(read(inside.as_bytes()));
    }

    /// Whatever is still taken is a message that has an exact form.
    #[test]
    fn a_damaged_message_is_refused_or_is_another_good_one(
        seed in 0_u64..50,
        kind in 0_usize..7,
        cuts in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..4),
    ) {
        if let Ok(incoming) = read(&damaged(seed, kind, &cuts)) {
            let text = iso20022::write(&incoming.message, None).unwrap();
            prop_assert_eq!(read(text.as_bytes()).unwrap().message, incoming.message);
        }
    }
}
