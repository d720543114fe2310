//! Base payments that the shipped packs permit, and ways to change them.

use std::sync::LazyLock;

use policy::vocabulary as v;
use policy::{Action, DecisionEnvelope, Findings, FindingsBuilder, PackFiles, shipped};
use record::EdgeMark;
use screening::Outcome;
use seal::Digest;
use terms::{Amount, DecisionId, Instant, Minor, PaymentId, Sequence};

/// Wednesday 2026-11-18, 10:00 UTC: open in both countries.
pub(crate) fn now() -> Instant {
    Instant::from_seconds(1_794_996_000)
}

/// The debtor side's base payment: EUR 12,400.00, permitted.
pub(crate) fn debtor() -> FindingsBuilder {
    both("EUR.2@tcb-sandbox", 1_240_000)
        .flag(v::ACCOUNT_MAY_BE_DEBITED, true)
        .flag(v::TERMS_SIGNED, true)
        .flag(v::MANDATE_MAY_PAY, true)
        .number(v::MANDATE_STATUS_AGE, 60)
        .number(v::MANDATE_LIMIT, 5_000_000)
        .number(v::MANDATE_MONTH_LIMIT, 20_000_000)
        .text(v::MANDATE_KEY, "mandate:m1")
        .text(v::CREDIT_BAND_GIVEN, "B")
        .number(v::CREDIT_STATUS_AGE, 60)
        .flag(v::TAX_STANDING_GOOD, true)
        .number(v::TAX_STANDING_AGE, 86_400)
        .flag(v::PAYEE_NAME_FITS_ACCOUNT, true)
        .number(v::MINUTE_OF_DAY, 660)
}

/// The creditor side's base payment: SGD 18,600.00, permitted.
pub(crate) fn creditor() -> FindingsBuilder {
    both("SGD.2@mas-sandbox", 1_860_000)
        .flag(v::ACCOUNT_MAY_BE_CREDITED, true)
        .flag(v::INVOICE_SIGNED, true)
        .flag(v::PAYER_ACCOUNT_GIVEN, true)
        .number(v::MINUTE_OF_DAY, 1080)
}

/// The debtor side of the way back: SGD 18,600.00, permitted.
pub(crate) fn debtor_back() -> FindingsBuilder {
    both("SGD.2@mas-sandbox", 1_860_000)
        .flag(v::ACCOUNT_MAY_BE_DEBITED, true)
        .flag(v::TERMS_SIGNED, true)
        .flag(v::MANDATE_MAY_PAY, true)
        .number(v::MANDATE_STATUS_AGE, 60)
        .number(v::MANDATE_LIMIT, 5_000_000)
        .number(v::MANDATE_MONTH_LIMIT, 20_000_000)
        .text(v::MANDATE_KEY, "mandate:m1")
        .flag(v::PAYER_ACCOUNT_GIVEN, true)
        .flag(v::PAYEE_NAME_FITS_ACCOUNT, true)
        .number(v::MINUTE_OF_DAY, 1080)
}

/// The creditor side of the way back: EUR 12,400.00, permitted.
pub(crate) fn creditor_back() -> FindingsBuilder {
    both("EUR.2@tcb-sandbox", 1_240_000)
        .flag(v::ACCOUNT_MAY_BE_CREDITED, true)
        .flag(v::INVOICE_SIGNED, true)
        .flag(v::PAYER_ACCOUNT_GIVEN, true)
        .number(v::MINUTE_OF_DAY, 660)
}

/// The one side of a payment out: EUR 12,400.00, permitted.
pub(crate) fn debtor_out() -> FindingsBuilder {
    debtor().flag(v::PAYER_ACCOUNT_GIVEN, true)
}

/// The debtor side of the corridor CN → SG, told by the cases of a bank in China.
fn cn_sg() -> FindingsBuilder {
    static BASE: LazyLock<Findings> = LazyLock::new(|| first_case(&shipped::CN_SG));
    BASE.change()
}

/// The creditor side of the corridor CN → SG, told by the cases of a bank in Singapore.
fn sg_in_cn() -> FindingsBuilder {
    static BASE: LazyLock<Findings> = LazyLock::new(|| first_case(&shipped::SG_IN_CN));
    BASE.change()
}

/// The debtor side of the corridor KE → GB, told by the cases of a bank in Kenya.
fn ke_gb() -> FindingsBuilder {
    static BASE: LazyLock<Findings> = LazyLock::new(|| first_case(&shipped::KE_GB));
    BASE.change()
}

/// The creditor side of the corridor KE → GB, told by the cases of a bank in the United Kingdom.
fn gb_in() -> FindingsBuilder {
    static BASE: LazyLock<Findings> = LazyLock::new(|| first_case(&shipped::GB_IN));
    BASE.change()
}

/// The debtor side of the corridor MX → ES, told by the cases of a bank in Mexico.
fn mx_es() -> FindingsBuilder {
    static BASE: LazyLock<Findings> = LazyLock::new(|| first_case(&shipped::MX_ES));
    BASE.change()
}

/// The creditor side of the corridor MX → ES, told by the cases of a bank in Spain.
fn es_in() -> FindingsBuilder {
    static BASE: LazyLock<Findings> = LazyLock::new(|| first_case(&shipped::ES_IN));
    BASE.change()
}

/// What the first case of a pack's folder is told: its base, permitted.
fn first_case(files: &PackFiles<'_>) -> Findings {
    let pack = policy::Pack::load(files).unwrap();
    rows(&pack).swap_remove(0).1
}

fn both(asset: &str, minor: u128) -> FindingsBuilder {
    let clear = Outcome::Clear { lists: vec![] };
    FindingsBuilder::new(Action::Pay)
        .amount(Amount::new(Minor::new(minor), asset.parse().unwrap()))
        .flag(v::SUBJECTS_SAME, true)
        .flag(v::REGISTRATION_ACTIVE, true)
        .age(v::REGISTRATION_STATUS_AGE, now(), Instant::from_seconds(now().seconds() - 60))
        .flag(v::OWNER_MATCHES, true)
        .text(v::PURPOSE, "GDDS")
        .text(v::PAYER_COUNTRY, "NL")
        .text(v::PAYEE_COUNTRY, "SG")
        .flag(v::PAYER_NAME_GIVEN, true)
        .flag(v::PAYER_ADDRESS_STRUCTURED, true)
        .flag(v::PAYEE_NAME_GIVEN, true)
        .flag(v::STATEMENT_PRESENT, true)
        .flag(v::TERMS_MATCH, true)
        .screening(v::PAYER_SCREENING, &clear)
        .screening(v::PAYEE_SCREENING, &clear)
        .number(v::LIST_AGE, 3_600)
        .flag(v::LIST_EXPIRED, false)
        .number(v::WEEKDAY, 3)
        .texts(v::DUTIES_DONE, &["travel-rule", "evidence-escrow"])
}

/// One side of a corridor.
#[derive(Clone, Copy)]
pub(crate) struct SideCase {
    pub(crate) files: PackFiles<'static>,
    pub(crate) base: fn() -> FindingsBuilder,
}

pub(crate) const SIDES: [SideCase; 11] = [
    SideCase { files: shipped::NL_SG, base: debtor },
    SideCase { files: shipped::SG_IN, base: creditor },
    SideCase { files: shipped::SG_NL, base: debtor_back },
    SideCase { files: shipped::NL_IN, base: creditor_back },
    SideCase { files: shipped::NL_CH, base: debtor_out },
    SideCase { files: shipped::CN_SG, base: cn_sg },
    SideCase { files: shipped::SG_IN_CN, base: sg_in_cn },
    SideCase { files: shipped::KE_GB, base: ke_gb },
    SideCase { files: shipped::GB_IN, base: gb_in },
    SideCase { files: shipped::MX_ES, base: mx_es },
    SideCase { files: shipped::ES_IN, base: es_in },
];

/// One case of a pack's own folder: its name, what is found, and the codes that decide.
pub(crate) struct Row(pub(crate) String, pub(crate) Findings, pub(crate) Vec<String>);

/// All cases of a pack's folder.
pub(crate) fn rows(pack: &policy::Pack) -> Vec<Row> {
    let cases = policy::cases::read(cases_text(pack.name()), pack).unwrap();
    let row = |case: &policy::cases::Case| {
        assert_eq!(case.at, now(), "{}", case.name);
        let codes: Vec<String> = case.reasons().map(str::to_owned).collect();
        let codes = if codes.is_empty() { vec!["permit".to_owned()] } else { codes };
        Row(case.name.clone(), case.findings.clone(), codes)
    };
    cases.iter().map(row).collect()
}

/// The text of a shipped pack's `cases.json`.
pub(crate) fn cases_text(pack: &str) -> &'static str {
    match pack {
        "nl-sg" => include_str!("../../../../packs/nl-sg/cases.json"),
        "sg-nl" => include_str!("../../../../packs/sg-nl/cases.json"),
        "nl-in" => include_str!("../../../../packs/nl-in/cases.json"),
        "nl-ch" => include_str!("../../../../packs/nl-ch/cases.json"),
        "cn-sg" => include_str!("../../../../packs/cn-sg/cases.json"),
        "sg-in-cn" => include_str!("../../../../packs/sg-in-cn/cases.json"),
        "ke-gb" => include_str!("../../../../packs/ke-gb/cases.json"),
        "gb-in" => include_str!("../../../../packs/gb-in/cases.json"),
        "mx-es" => include_str!("../../../../packs/mx-es/cases.json"),
        "es-in" => include_str!("../../../../packs/es-in/cases.json"),
        _ => include_str!("../../../../packs/sg-in/cases.json"),
    }
}

/// The findings of a row.
pub(crate) fn findings(_: &SideCase, row: &Row) -> Findings {
    row.1.clone()
}

/// What stands around a decision.
pub(crate) fn envelope() -> DecisionEnvelope {
    DecisionEnvelope {
        environment: "sandbox".parse().unwrap(),
        decision: DecisionId::from_bytes([1; 16]),
        payment: PaymentId::from_bytes([2; 16]),
        institution: "bank-nl".parse().unwrap(),
        edge: EdgeMark { edge: "bank-nl.1".parse().unwrap(), sequence: Sequence::new(1) },
        terms: Digest::from_bytes([3; 32]),
        snapshot: Digest::from_bytes([4; 32]),
        statements: [Digest::from_bytes([5; 32])].into(),
        lists: std::collections::BTreeSet::new(),
    }
}
