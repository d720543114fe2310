//! Base payments that the shipped packs permit, and ways to change them.

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
    /// The rows that not all packs share.
    own: &'static [&'static [Row]],
}

pub(crate) const SIDES: [SideCase; 5] = [
    SideCase {
        files: shipped::NL_SG,
        base: debtor,
        own: &[STATED, DEBTOR, NAMED, DUTCH, DUTCH_CREDIT],
    },
    SideCase { files: shipped::SG_IN, base: creditor, own: &[STATED, PAYER_ACCOUNT, CREDITOR] },
    SideCase {
        files: shipped::SG_NL,
        base: debtor_back,
        own: &[STATED, DEBTOR, NAMED, PAYER_ACCOUNT, SINGAPOREAN],
    },
    SideCase {
        files: shipped::NL_IN,
        base: creditor_back,
        own: &[STATED, PAYER_ACCOUNT, CREDITOR],
    },
    SideCase {
        files: shipped::NL_CH,
        base: debtor_out,
        own: &[DEBTOR, PAYER_ACCOUNT, OUT, DUTCH_CREDIT],
    },
];

/// One row: what is changed, and the codes that decide.
pub(crate) type Row =
    (&'static str, fn(FindingsBuilder) -> FindingsBuilder, &'static [&'static str]);

/// Rows that all packs share.
pub(crate) const SHARED: &[Row] = &[
    ("base", |b| b, &["permit"]),
    ("other company", |b| b.flag(v::SUBJECTS_SAME, false), &["subjects-differ"]),
    ("inactive", |b| b.flag(v::REGISTRATION_ACTIVE, false), &["registration-inactive"]),
    ("status at limit", |b| b.number(v::REGISTRATION_STATUS_AGE, 900), &["permit"]),
    ("status", |b| b.number(v::REGISTRATION_STATUS_AGE, 901), &["registration-status-stale"]),
    ("owner", |b| b.flag(v::OWNER_MATCHES, false), &["owner-differs"]),
    ("nothing", |b| b.number(v::AMOUNT, 0), &["amount-not-positive"]),
    ("negative", |b| b.number(v::AMOUNT, -1), &["amount-not-positive"]),
    ("currency", |b| b.text(v::CURRENCY, "USD"), &["currency-differs"]),
    ("purpose", |b| b.text(v::PURPOSE, "GAMB"), &["purpose-not-allowed"]),
    ("payer name", |b| b.flag(v::PAYER_NAME_GIVEN, false), &["payer-name-missing"]),
    ("address", |b| b.flag(v::PAYER_ADDRESS_STRUCTURED, false), &["payer-address-unstructured"]),
    ("payee name", |b| b.flag(v::PAYEE_NAME_GIVEN, false), &["payee-name-missing"]),
    ("sanctioned payee", |b| b.text(v::PAYEE_COUNTRY, "KP"), &["jurisdiction-sanctioned"]),
    ("sanctioned payer", |b| b.text(v::PAYER_COUNTRY, "KP"), &["jurisdiction-sanctioned"]),
    ("payer unscreened", |b| b.text(v::PAYER_SCREENING, "NotScreened"), &["not-screened"]),
    ("payee unscreened", |b| b.text(v::PAYEE_SCREENING, "NotScreened"), &["not-screened"]),
    ("payer match", |b| b.text(v::PAYER_SCREENING, "Match"), &["payer-listed"]),
    ("payee match", |b| b.text(v::PAYEE_SCREENING, "Match"), &["payee-listed"]),
    ("payer possible", |b| b.text(v::PAYER_SCREENING, "Possible"), &["screening-unclear"]),
    ("payee possible", |b| b.text(v::PAYEE_SCREENING, "Possible"), &["screening-unclear"]),
    ("old list", |b| b.number(v::LIST_AGE, 86_401), &["list-stale"]),
    ("overdue list", |b| b.flag(v::LIST_EXPIRED, true), &["list-expired"]),
    ("sunday", |b| b.number(v::WEEKDAY, 7), &["closed-now"]),
    ("early", |b| b.number(v::MINUTE_OF_DAY, 419), &["closed-now"]),
    ("late", |b| b.number(v::MINUTE_OF_DAY, 1_320), &["closed-now"]),
    ("unsent", |b| b.texts(v::DUTIES_DONE, &["evidence-escrow"]), &["travel-rule-undone"]),
    ("unsealed", |b| b.texts(v::DUTIES_DONE, &["travel-rule"]), &["evidence-undone"]),
    (
        "several, by precedence",
        |b| b.number(v::WEEKDAY, 7).text(v::PAYEE_SCREENING, "Match").number(v::AMOUNT, 0),
        &["amount-not-positive", "payee-listed", "closed-now"],
    ),
];

/// Rows of packs whose other side states its party.
pub(crate) const STATED: &[Row] = &[
    ("statement", |b| b.flag(v::STATEMENT_PRESENT, false), &["statement-missing"]),
    ("terms", |b| b.flag(v::TERMS_MATCH, false), &["terms-differ"]),
];

/// Of those where the payer's account must be told.
pub(crate) const PAYER_ACCOUNT: &[Row] =
    &[("payer account", |b| b.flag(v::PAYER_ACCOUNT_GIVEN, false), &["payer-account-missing"])];

/// Rows of the debtor side.
pub(crate) const DEBTOR: &[Row] = &[
    ("account", |b| b.flag(v::ACCOUNT_MAY_BE_DEBITED, false), &["account-not-debitable"]),
    ("unsigned", |b| b.flag(v::TERMS_SIGNED, false), &["terms-unsigned"]),
    ("mandate", |b| b.flag(v::MANDATE_MAY_PAY, false), &["mandate-not-for-this"]),
    ("mandate status", |b| b.number(v::MANDATE_STATUS_AGE, 901), &["mandate-status-stale"]),
    (
        "at mandate limit",
        |b| b.number(v::AMOUNT, 1_240_000).number(v::MANDATE_LIMIT, 1_240_000),
        &["permit"],
    ),
    (
        "mandate limit",
        |b| b.number(v::AMOUNT, 1_240_000).number(v::MANDATE_LIMIT, 1_239_999),
        &["mandate-limit-exceeded"],
    ),
    (
        "corridor limit",
        |b| {
            b.number(v::AMOUNT, 75_000_001)
                .number(v::MANDATE_LIMIT, policy::findings::NUMBER_MAX)
                .text(v::CREDIT_BAND_GIVEN, "A")
        },
        &["corridor-limit-exceeded"],
    ),
];

/// Rows of packs that compare the payee's name with its bank's word.
pub(crate) const NAMED: &[Row] =
    &[("name check", |b| b.flag(v::PAYEE_NAME_FITS_ACCOUNT, false), &["payee-name-differs"])];

/// Rows about credit and tax.
pub(crate) const DUTCH_CREDIT: &[Row] = &[
    ("band", |b| b.text(v::CREDIT_BAND_GIVEN, "D"), &["credit-band-limit-exceeded"]),
    ("credit status", |b| b.number(v::CREDIT_STATUS_AGE, 901), &["credit-status-stale"]),
    ("tax", |b| b.flag(v::TAX_STANDING_GOOD, false), &["tax-standing-not-good"]),
    ("old tax", |b| b.number(v::TAX_STANDING_AGE, 7_776_001), &["tax-standing-stale"]),
];

/// Rows of NL to SG.
pub(crate) const DUTCH: &[Row] = &[("large", large_debtor, &["permit"])];

/// Rows of SG to NL.
pub(crate) const SINGAPOREAN: &[Row] = &[(
    "large",
    |b| b.number(v::AMOUNT, 40_000_000).number(v::MANDATE_LIMIT, policy::findings::NUMBER_MAX),
    &["permit"],
)];

/// Rows of payments out.
pub(crate) const OUT: &[Row] = &[(
    "large",
    |b| b.number(v::AMOUNT, 6_000_000).number(v::MANDATE_LIMIT, policy::findings::NUMBER_MAX),
    &["permit"],
)];

/// Rows of the creditor side.
pub(crate) const CREDITOR: &[Row] = &[
    ("account", |b| b.flag(v::ACCOUNT_MAY_BE_CREDITED, false), &["account-not-creditable"]),
    ("unsigned", |b| b.flag(v::INVOICE_SIGNED, false), &["invoice-unsigned"]),
    ("corridor limit", |b| b.number(v::AMOUNT, 75_000_001), &["corridor-limit-exceeded"]),
    ("large", |b| b.number(v::AMOUNT, 40_000_000), &["permit"]),
];

fn large_debtor(b: FindingsBuilder) -> FindingsBuilder {
    b.number(v::AMOUNT, 24_000_000).number(v::MANDATE_LIMIT, policy::findings::NUMBER_MAX)
}

/// All rows of a side.
pub(crate) fn rows(side: &SideCase) -> impl Iterator<Item = &'static Row> {
    SHARED.iter().chain(side.own.iter().copied().flatten())
}

/// The findings of a row.
pub(crate) fn findings(side: &SideCase, row: &Row) -> Findings {
    row.1((side.base)()).build()
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
