//! Every finding that rules can read: name, type, unit, source, who may see it, and which claims
//! of which credential it is made from.
//!
//! A pack's schema declares a subset of this table. What a pack does not read is neither put
//! into its request nor recorded nor asked of a wallet. Changing what a name means raises
//! [`FINDINGS_LAYER`].

use record::{Side, Visibility};

/// Version of the meaning of these findings; stands in each record.
pub const FINDINGS_LAYER: u16 = 1;

/// Credential type of a company registration.
pub const REGISTRATION: &str = "urn:wayleave:vc:company-registration:1";
/// Credential type of a tax standing.
pub const TAX_STANDING: &str = "urn:wayleave:vc:tax-standing:1";
/// Credential type of a payment mandate.
pub const MANDATE: &str = "urn:wayleave:vc:mandate:1";
/// Credential type of a credit band.
pub const CREDIT_BAND: &str = "urn:wayleave:vc:credit-band:1";
/// Credential type of an account ownership statement.
pub const ACCOUNT: &str = "urn:wayleave:vc:account-ownership:1";

/// The type of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Flag,
    /// A whole number.
    Number,
    /// A word.
    Text,
    /// A set of words.
    Texts,
}

/// Where a finding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The verified presentation of a wallet.
    Presentation,
    /// The institution's own book.
    Book,
    /// A screening or jurisdiction list.
    List,
    /// The other side's party statement or acceptance.
    Statement,
    /// Instant and calendar of the institution.
    Calendar,
    /// The order and its quote.
    Order,
    /// The edge's own acts.
    Edge,
}

impl Source {
    /// The word that records carry.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Presentation => "presentation",
            Self::Book => "book",
            Self::List => "list",
            Self::Statement => "statement",
            Self::Calendar => "calendar",
            Self::Order => "order",
            Self::Edge => "edge",
        }
    }
}

/// Claims of one credential type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The credential type.
    pub vct: &'static str,
    /// Claim paths, parts separated by `/`.
    pub paths: &'static [&'static str],
}

/// Which party's wallet holds the claims behind a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedOf {
    /// The deciding institution's own customer, whichever side it is on.
    Either,
    /// The payer: on the creditor side the finding comes from the party statement instead.
    Payer,
    /// The payee: on the debtor side the finding comes from the party statement instead.
    Payee,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name, as rules write it behind `context.`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The unit of a number; empty otherwise.
    pub unit: &'static str,
    /// Where it comes from.
    pub source: Source,
    /// Who may see it.
    pub visibility: Visibility,
    /// Whose wallet holds the claims.
    pub asked_of: AskedOf,
    /// Which claims it is made from; empty when no credential is needed.
    pub asks: &'static [Claims],
}

impl Definition {
    /// Claims that an institution on `side` asks its own customer for. A presentation is never
    /// forwarded, so nobody is asked for what the other party's wallet holds.
    #[must_use]
    pub fn asks_on(&self, side: Side) -> &'static [Claims] {
        match (self.asked_of, side) {
            (AskedOf::Either, _)
            | (AskedOf::Payer, Side::Debtor)
            | (AskedOf::Payee, Side::Creditor) => self.asks,
            (AskedOf::Payer, Side::Creditor) | (AskedOf::Payee, Side::Debtor) => &[],
        }
    }

    /// Where the finding comes from on `side`: what is stated about the other party is
    /// presented by the own one.
    #[must_use]
    pub fn source_on(&self, side: Side) -> Source {
        if self.source == Source::Statement && !self.asks_on(side).is_empty() {
            Source::Presentation
        } else {
            self.source
        }
    }
}

/// The name of a yes-or-no finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub(crate) &'static str);
/// The name of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub(crate) &'static str);
/// The name of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub(crate) &'static str);

impl Flag {
    /// The name, as records carry it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl Text {
    /// The name, as records carry it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The name of a set of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Texts(pub(crate) &'static str);

/// All credentials of the presentation disclose the same company.
pub const SUBJECTS_SAME: Flag = Flag("subjectsSame");
/// The register says the company is active.
pub const REGISTRATION_ACTIVE: Flag = Flag("registrationActive");
/// Age of the status list that covers the registration, by its signed time.
pub const REGISTRATION_STATUS_AGE: Number = Number("registrationStatusAge");
/// The presented company is the owner that the book names for the account.
pub const OWNER_MATCHES: Flag = Flag("ownerMatches");
/// The account is open for debits.
pub const ACCOUNT_MAY_BE_DEBITED: Flag = Flag("accountMayBeDebited");
/// The account is open for credits.
pub const ACCOUNT_MAY_BE_CREDITED: Flag = Flag("accountMayBeCredited");
/// The key bound to the mandate signed exactly these terms.
pub const TERMS_SIGNED: Flag = Flag("termsSigned");
/// The mandate allows to pay, is not past its last day, and asks for no second signature.
pub const MANDATE_MAY_PAY: Flag = Flag("mandateMayPay");
/// Age of the status list that covers the mandate.
pub const MANDATE_STATUS_AGE: Number = Number("mandateStatusAge");
/// The most one payment may be under the mandate, in the debited asset.
pub const MANDATE_LIMIT: Number = Number("mandateLimit");
/// The most all payments of a month may be under one mandate, in the debited asset: what the
/// institution grants, since the mandate itself bounds one payment only.
pub const MANDATE_MONTH_LIMIT: Number = Number("mandateMonthLimit");
/// What the month limit is counted under: the mandate's id.
pub const MANDATE_KEY: Text = Text("mandateKey");
/// The bureau's band of the payer: `A` to `D`.
pub const CREDIT_BAND_GIVEN: Text = Text("creditBand");
/// Age of the status list that covers the credit band.
pub const CREDIT_STATUS_AGE: Number = Number("creditStatusAge");
/// The tax office says nothing is overdue.
pub const TAX_STANDING_GOOD: Flag = Flag("taxStandingGood");
/// Time since the day the tax standing speaks of.
pub const TAX_STANDING_AGE: Number = Number("taxStandingAge");
/// The amount on the deciding side: debited for the debtor side, credited for the creditor side.
pub const AMOUNT: Number = Number("amount");
/// The currency of `amount`.
pub const CURRENCY: Text = Text("currency");
/// The asset of `amount`, with exponent and liability: what a limit is counted in.
pub const ASSET: Text = Text("asset");
/// ISO 20022 external purpose code.
pub const PURPOSE: Text = Text("purpose");
/// Country of the payer's address.
pub const PAYER_COUNTRY: Text = Text("payerCountry");
/// Country of the payee.
pub const PAYEE_COUNTRY: Text = Text("payeeCountry");
/// The payer's legal name is known from its issuer.
pub const PAYER_NAME_GIVEN: Flag = Flag("payerNameGiven");
/// The payer's account number is in the statement.
pub const PAYER_ACCOUNT_GIVEN: Flag = Flag("payerAccountGiven");
/// The payer's address has town and country in fields of their own.
pub const PAYER_ADDRESS_STRUCTURED: Flag = Flag("payerAddressStructured");
/// The payee's legal name is known from its issuer.
pub const PAYEE_NAME_GIVEN: Flag = Flag("payeeNameGiven");
/// The payee's institution states that the account belongs to the name.
pub const PAYEE_NAME_FITS_ACCOUNT: Flag = Flag("payeeNameFitsAccount");
/// The other side's signed statement is here.
pub const STATEMENT_PRESENT: Flag = Flag("statementPresent");
/// The other side's statement is about this payment, and invoice and quote are those of the terms.
pub const TERMS_MATCH: Flag = Flag("termsMatch");
/// The invoice is signed by the owner of the credited account.
pub const INVOICE_SIGNED: Flag = Flag("invoiceSigned");
/// Screening of the payer: `Clear`, `Possible`, `Match`, `NotScreened`.
pub const PAYER_SCREENING: Text = Text("payerScreening");
/// Screening of the payee.
pub const PAYEE_SCREENING: Text = Text("payeeScreening");
/// Age of the oldest screening list used, by its signed time.
pub const LIST_AGE: Number = Number("listAge");
/// A screening list is past the time when its next version was due.
pub const LIST_EXPIRED: Flag = Flag("listExpired");
/// Monday 1 to Sunday 7, in the institution's fixed offset.
pub const WEEKDAY: Number = Number("weekday");
/// Minutes since midnight, in the institution's fixed offset.
pub const MINUTE_OF_DAY: Number = Number("minuteOfDay");
/// The day in the institution's fixed offset, `2026-10-01`: what calendars of holidays name.
pub const LOCAL_DATE: Text = Text("localDate");
/// The year of that day, `2026`: what a calendar says it knows.
pub const LOCAL_YEAR: Text = Text("localYear");
/// The document that underlies the payment is at hand: the invoice that the terms name, accepted by
/// the payee's institution, which still counts here.
pub const DOCUMENT_GIVEN: Flag = Flag("documentGiven");
/// Where the institution is licensed that stated the other party, by the trust lists in force;
/// empty when its word does not count here.
pub const COUNTERPARTY_COUNTRY: Text = Text("counterpartyCountry");
/// Kinds of duties that the edge has met already.
pub const DUTIES_DONE: Texts = Texts("dutiesDone");

/// A person of the institution marked the company: its payments are looked at.
pub const MONITORING_ALERT: Flag = Flag("monitoringAlert");
/// The order was drawn for a review of quality, by chance that nobody outside can foresee.
pub const QUALITY_REVIEW: Flag = Flag("qualityReview");

/// The whole table, in the order of the constants.
pub const TABLE: &[Definition] = &[
    Definition {
        name: SUBJECTS_SAME.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: REGISTRATION, paths: &["company_id"] }],
    },
    Definition {
        name: REGISTRATION_ACTIVE.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: REGISTRATION, paths: &["standing"] }],
    },
    Definition {
        name: REGISTRATION_STATUS_AGE.0,
        kind: Kind::Number,
        unit: "seconds",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: REGISTRATION, paths: &["company_id"] }],
    },
    Definition {
        name: OWNER_MATCHES.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Book,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: REGISTRATION, paths: &["company_id"] }],
    },
    Definition {
        name: ACCOUNT_MAY_BE_DEBITED.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Book,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: ACCOUNT_MAY_BE_CREDITED.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Book,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: TERMS_SIGNED.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: MANDATE, paths: &["company_id"] }],
    },
    Definition {
        name: MANDATE_MAY_PAY.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: MANDATE, paths: &["may_pay", "approvals_required", "valid_until"] }],
    },
    Definition {
        name: MANDATE_STATUS_AGE.0,
        kind: Kind::Number,
        unit: "seconds",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: MANDATE, paths: &["company_id"] }],
    },
    Definition {
        name: MANDATE_LIMIT.0,
        kind: Kind::Number,
        unit: "minor units",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: MANDATE, paths: &["limit"] }],
    },
    Definition {
        name: MANDATE_MONTH_LIMIT.0,
        kind: Kind::Number,
        unit: "minor units",
        source: Source::Book,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: MANDATE_KEY.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: MANDATE, paths: &["mandate_id"] }],
    },
    Definition {
        name: CREDIT_BAND_GIVEN.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[
            Claims { vct: CREDIT_BAND, paths: &["company_id"] },
            Claims { vct: CREDIT_BAND, paths: &["band"] },
        ],
    },
    Definition {
        name: CREDIT_STATUS_AGE.0,
        kind: Kind::Number,
        unit: "seconds",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: CREDIT_BAND, paths: &["company_id"] }],
    },
    Definition {
        name: TAX_STANDING_GOOD.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[
            Claims { vct: TAX_STANDING, paths: &["company_id"] },
            Claims { vct: TAX_STANDING, paths: &["good_standing"] },
        ],
    },
    Definition {
        name: TAX_STANDING_AGE.0,
        kind: Kind::Number,
        unit: "seconds",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[Claims { vct: TAX_STANDING, paths: &["as_of"] }],
    },
    Definition {
        name: AMOUNT.0,
        kind: Kind::Number,
        unit: "minor units",
        source: Source::Order,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: CURRENCY.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Order,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: ASSET.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Order,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: PURPOSE.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Order,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: PAYER_COUNTRY.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Payer,
        asks: &[Claims { vct: REGISTRATION, paths: &["address/country"] }],
    },
    Definition {
        name: PAYEE_COUNTRY.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Payee,
        asks: &[Claims { vct: REGISTRATION, paths: &["address/country"] }],
    },
    Definition {
        name: PAYER_NAME_GIVEN.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Payer,
        asks: &[Claims { vct: REGISTRATION, paths: &["legal_name"] }],
    },
    Definition {
        name: PAYER_ACCOUNT_GIVEN.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: PAYER_ADDRESS_STRUCTURED.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Payer,
        asks: &[Claims { vct: REGISTRATION, paths: &["address/locality", "address/country"] }],
    },
    Definition {
        name: PAYEE_NAME_GIVEN.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Payee,
        asks: &[Claims { vct: REGISTRATION, paths: &["legal_name"] }],
    },
    Definition {
        name: PAYEE_NAME_FITS_ACCOUNT.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: STATEMENT_PRESENT.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: TERMS_MATCH.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: INVOICE_SIGNED.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Presentation,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: PAYER_SCREENING.0,
        kind: Kind::Text,
        unit: "",
        source: Source::List,
        visibility: Visibility::Restricted,
        asked_of: AskedOf::Payer,
        asks: &[Claims { vct: REGISTRATION, paths: &["legal_name", "address/country"] }],
    },
    Definition {
        name: PAYEE_SCREENING.0,
        kind: Kind::Text,
        unit: "",
        source: Source::List,
        visibility: Visibility::Restricted,
        asked_of: AskedOf::Payee,
        asks: &[Claims { vct: REGISTRATION, paths: &["legal_name", "address/country"] }],
    },
    Definition {
        name: LIST_AGE.0,
        kind: Kind::Number,
        unit: "seconds",
        source: Source::List,
        visibility: Visibility::Restricted,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: LIST_EXPIRED.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::List,
        visibility: Visibility::Restricted,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: WEEKDAY.0,
        kind: Kind::Number,
        unit: "ISO weekday",
        source: Source::Calendar,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: MINUTE_OF_DAY.0,
        kind: Kind::Number,
        unit: "minutes",
        source: Source::Calendar,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: LOCAL_DATE.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Calendar,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: LOCAL_YEAR.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Calendar,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: DOCUMENT_GIVEN.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: COUNTERPARTY_COUNTRY.0,
        kind: Kind::Text,
        unit: "",
        source: Source::Statement,
        visibility: Visibility::Open,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: DUTIES_DONE.0,
        kind: Kind::Texts,
        unit: "",
        source: Source::Edge,
        visibility: Visibility::Restricted,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: MONITORING_ALERT.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Edge,
        visibility: Visibility::Restricted,
        asked_of: AskedOf::Either,
        asks: &[],
    },
    Definition {
        name: QUALITY_REVIEW.0,
        kind: Kind::Flag,
        unit: "",
        source: Source::Edge,
        visibility: Visibility::Restricted,
        asked_of: AskedOf::Either,
        asks: &[],
    },
];

/// The row of a name.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    TABLE.iter().find(|row| row.name == name)
}
