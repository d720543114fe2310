//! The terms string: what the payer's mandate key signs, and what both edges decide about.
//!
//! One JSON object of type [`TERMS_TYPE`], base64url without padding, is an entry of
//! `transaction_data` (OpenID4VP 1.0 section 8.4). The wallet and both edges make the same bytes
//! from order and quote: keys stand in one fixed order, amounts are strings of minor units, and a
//! reader encodes again and compares, so an unknown field, a repeated key, another order or a
//! space is refused. [`PaymentTerms::terms_digest`] hashes the base64url text itself, with no
//! domain before it: it is the value that `transaction_data_hashes` holds.

use seal::text::{from_base64url, to_base64url};
use seal::{Digest, sha256};
use serde::{Deserialize, Serialize};
use terms::{
    AccountId, Amount, AssetCode, BookName, CorridorName, Environment, Instant, Minor, PaymentId,
};
use thiserror::Error;

use crate::document::Signed;
use crate::permit::Action;
use crate::quote::{Fee, Invoice, Quote};

/// The registered `transaction_data` type, with its version. A new layout is a new name.
pub const TERMS_TYPE: &str = "wayleave.payment.v1";
/// The one DCQL credential id whose key signs the terms. It is fixed, since both edges must make
/// the same bytes without talking.
pub const MANDATE_QUERY_ID: &str = "mandate";
/// The longest terms string read, in base64url characters: all fields at their longest with
/// [`FEES_MAX`] fees take less than half of it.
pub const TERMS_STRING_CHARACTERS_MAX: usize = 8_192;
/// Most fees one payment names: sender's, receiver's, provider's and agents' stay below it.
pub const FEES_MAX: usize = 8;
/// The longest free text of one field, in bytes: ISO 20022 `Max140Text`.
pub const TEXT_BYTES_MAX: usize = 140;

/// Who bears the charges, as in ISO 20022 `ChargeBearerType1Code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChargeBearer {
    /// `DEBT`: the debtor.
    Debtor,
    /// `CRED`: the creditor.
    Creditor,
    /// `SHAR`: each its own side's.
    Shared,
}

/// One fee: what for, who takes it, how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermsFee {
    /// What it is for: `transfer`, `fx`.
    pub kind: String,
    /// The name of the institution or provider that takes it.
    pub taker: String,
    /// How much.
    pub amount: Amount,
}

/// The terms of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentTerms {
    /// The payment.
    pub payment: PaymentId,
    /// Where it runs.
    pub environment: Environment,
    /// The settlement book.
    pub book: BookName,
    /// The pair of jurisdictions.
    pub corridor: CorridorName,
    /// Pay, return or refund.
    pub action: Action,
    /// The account that is debited.
    pub debited_account: AccountId,
    /// The account that is credited.
    pub credited_account: AccountId,
    /// The payee's legal name.
    pub payee_name: String,
    /// What the debited account loses, fees included.
    pub debited: Amount,
    /// What the credited account gains.
    pub credited: Amount,
    /// Each fee with its taker, in the order of the quote.
    pub fees: Vec<TermsFee>,
    /// Who bears the charges.
    pub charge_bearer: ChargeBearer,
    /// The payment this one returns or refunds; `None` for `pay` only.
    pub linked_payment: Option<PaymentId>,
    /// SHA-256 of the signed quote.
    pub quote_hash: Digest,
    /// SHA-256 of the signed invoice.
    pub invoice_hash: Digest,
    /// ISO 20022 purpose code or words: `SUPP`.
    pub purpose: String,
    /// When the terms end. Written in whole seconds, rounded down.
    pub expires_at: Instant,
}

/// Why text is not a terms string.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TermsStringError {
    /// Longer than [`TERMS_STRING_CHARACTERS_MAX`].
    #[error("expected at most {TERMS_STRING_CHARACTERS_MAX} characters, got {got}")]
    TooLong {
        /// How many came.
        got: usize,
    },
    /// Not base64url without padding.
    #[error("expected base64url without padding")]
    NotBase64Url,
    /// Not a JSON object with exactly the registered fields.
    #[error("expected a `{TERMS_TYPE}` object: {reason}")]
    Malformed {
        /// What the JSON reader says.
        reason: String,
    },
    /// A field does not hold what its name says.
    #[error("expected a proper `{field}`, got `{got}`")]
    BadField {
        /// The field.
        field: &'static str,
        /// The first 64 characters of what came.
        got: String,
    },
    /// The same object in another encoding.
    #[error("expected the one canonical encoding, got another encoding of the same terms")]
    NotCanonical,
}

/// Two terms that differ, and where first.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{field}` differs: expected `{expected}`, got `{got}`")]
pub struct TermsDiffer {
    /// The first field that differs, by its JSON name.
    pub field: &'static str,
    /// What the holder's own quote and invoice say.
    pub expected: String,
    /// What was received.
    pub got: String,
}

impl PaymentTerms {
    /// The terms of a first payment, from the documents that both edges and the wallet hold: each
    /// makes the same bytes from them.
    #[must_use]
    pub fn of_payment(
        quote: &Signed<Quote>,
        invoice: &Signed<Invoice>,
        debited_account: AccountId,
        book: BookName,
    ) -> Option<Self> {
        let (read_quote, read_invoice) =
            (quote.read_unverified().ok()?, invoice.read_unverified().ok()?);
        let fee = |fee: &Fee| TermsFee {
            kind: fee.purpose.clone(),
            taker: fee.taker.as_str().to_owned(),
            amount: fee.amount,
        };
        Some(Self {
            payment: read_quote.payment,
            environment: read_quote.environment,
            book,
            corridor: read_quote.corridor,
            action: Action::Pay,
            debited_account,
            credited_account: read_invoice.account,
            payee_name: read_invoice.creditor_name,
            debited: read_quote.debit,
            credited: read_quote.credit,
            fees: read_quote.fees.iter().map(fee).collect(),
            charge_bearer: ChargeBearer::Debtor,
            linked_payment: None,
            quote_hash: quote.digest(),
            invoice_hash: invoice.digest(),
            purpose: read_invoice.purpose,
            expires_at: Instant::from_seconds(read_quote.expires_at.seconds()),
        })
    }

    /// The terms of a refund of `original`: a payment like any other, the other way round, which
    /// says what it gives back.
    #[must_use]
    pub fn of_refund(
        quote: &Signed<Quote>,
        invoice: &Signed<Invoice>,
        debited_account: AccountId,
        book: BookName,
        original: PaymentId,
    ) -> Option<Self> {
        let payment = Self::of_payment(quote, invoice, debited_account, book)?;
        Some(Self { action: Action::Refund, linked_payment: Some(original), ..payment })
    }

    /// The base64url text that is an entry of `transaction_data`.
    #[must_use]
    pub fn to_terms_string(&self) -> String {
        to_base64url(self.to_json().as_bytes())
    }

    /// The JSON text inside the terms string.
    #[must_use]
    pub fn to_json(&self) -> String {
        // INVARIANT (TermsAlwaysEncode): strings, integers and lists of them have no JSON error;
        // an empty text would be refused by every reader.
        serde_json::to_string(&Wire::from(self)).unwrap_or_default()
    }

    /// Reads a terms string and refuses every encoding but the canonical one.
    pub fn from_terms_string(text: &str) -> Result<Self, TermsStringError> {
        if text.len() > TERMS_STRING_CHARACTERS_MAX {
            return Err(TermsStringError::TooLong { got: text.len() });
        }
        let bytes = from_base64url(text).ok_or(TermsStringError::NotBase64Url)?;
        let wire: Wire = serde_json::from_slice(&bytes)
            .map_err(|error| TermsStringError::Malformed { reason: error.to_string() })?;
        let read = wire.read()?;
        if read.to_terms_string() == text { Ok(read) } else { Err(TermsStringError::NotCanonical) }
    }

    /// SHA-256 of the base64url text: the value in `transaction_data_hashes`.
    #[must_use]
    pub fn terms_digest(&self) -> Digest {
        sha256(self.to_terms_string().as_bytes())
    }

    /// Compares each field with what the holder expects and names the first that differs.
    pub fn compare(&self, expected: &Self) -> Result<(), TermsDiffer> {
        let (got, want) = (self.fields(), expected.fields());
        for ((field, got), (_, expected)) in got.into_iter().zip(want) {
            if got != expected {
                return Err(TermsDiffer { field, expected, got });
            }
        }
        Ok(())
    }

    /// Each field by its JSON name, as text: for a consent view and for comparison.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let fees = self
            .fees
            .iter()
            .map(|fee| format!("{} to {}: {}", fee.kind, fee.taker, fee.amount))
            .collect::<Vec<_>>();
        vec![
            ("payment_id", self.payment.to_string()),
            ("environment", self.environment.to_string()),
            ("book", self.book.to_string()),
            ("corridor", self.corridor.to_string()),
            ("action", self.action.as_str().to_owned()),
            ("debited_account", self.debited_account.to_string()),
            ("credited_account", self.credited_account.to_string()),
            ("payee_name", self.payee_name.clone()),
            ("debited", self.debited.to_string()),
            ("credited", self.credited.to_string()),
            ("fees", fees.join("; ")),
            ("charge_bearer", self.charge_bearer.as_str().to_owned()),
            ("linked_payment", linked_text(self.linked_payment)),
            ("quote_hash", self.quote_hash.to_string()),
            ("invoice_hash", self.invoice_hash.to_string()),
            ("purpose", self.purpose.clone()),
            ("expires_at", self.expires_at.seconds().to_string()),
        ]
    }
}

impl ChargeBearer {
    /// The ISO 20022 code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debtor => "DEBT",
            Self::Creditor => "CRED",
            Self::Shared => "SHAR",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    credential_ids: Vec<String>,
    payment_id: String,
    environment: String,
    book: String,
    corridor: String,
    action: String,
    debited_account: String,
    credited_account: String,
    payee_name: String,
    debited: WireAmount,
    credited: WireAmount,
    fees: Vec<WireFee>,
    charge_bearer: String,
    linked_payment: String,
    quote_hash: String,
    invoice_hash: String,
    purpose: String,
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireAmount {
    minor: String,
    asset: String,
    exponent: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFee {
    kind: String,
    taker: String,
    amount: WireAmount,
}

impl From<&PaymentTerms> for Wire {
    fn from(of: &PaymentTerms) -> Self {
        let fee = |fee: &TermsFee| WireFee {
            kind: fee.kind.clone(),
            taker: fee.taker.clone(),
            amount: WireAmount::from(fee.amount),
        };
        Self {
            kind: TERMS_TYPE.to_owned(),
            credential_ids: vec![MANDATE_QUERY_ID.to_owned()],
            payment_id: of.payment.to_string(),
            environment: of.environment.to_string(),
            book: of.book.to_string(),
            corridor: of.corridor.to_string(),
            action: of.action.as_str().to_owned(),
            debited_account: of.debited_account.to_string(),
            credited_account: of.credited_account.to_string(),
            payee_name: of.payee_name.clone(),
            debited: of.debited.into(),
            credited: of.credited.into(),
            fees: of.fees.iter().map(fee).collect(),
            charge_bearer: of.charge_bearer.as_str().to_owned(),
            linked_payment: linked_text(of.linked_payment),
            quote_hash: of.quote_hash.to_string(),
            invoice_hash: of.invoice_hash.to_string(),
            purpose: of.purpose.clone(),
            expires_at: of.expires_at.seconds(),
        }
    }
}

impl From<Amount> for WireAmount {
    fn from(amount: Amount) -> Self {
        Self {
            minor: amount.minor.to_string(),
            asset: amount.asset.to_string(),
            exponent: amount.asset.exponent(),
        }
    }
}

impl WireAmount {
    pub(crate) fn read(&self, field: &'static str) -> Result<Amount, TermsStringError> {
        let minor: Minor = parse(field, &self.minor)?;
        let asset: AssetCode = parse(field, &self.asset)?;
        if asset.exponent() == self.exponent {
            Ok(Amount::new(minor, asset))
        } else {
            Err(bad(field, &self.exponent.to_string()))
        }
    }
}

impl Wire {
    fn read(self) -> Result<PaymentTerms, TermsStringError> {
        if self.kind != TERMS_TYPE {
            return Err(bad("type", &self.kind));
        }
        if self.credential_ids != [MANDATE_QUERY_ID] {
            return Err(bad("credential_ids", &self.credential_ids.join(" ")));
        }
        if self.fees.len() > FEES_MAX {
            return Err(bad("fees", &self.fees.len().to_string()));
        }
        let action = read_action(&self.action)?;
        let linked_payment = read_linked(action, &self.linked_payment)?;
        Ok(PaymentTerms {
            payment: parse("payment_id", &self.payment_id)?,
            environment: parse("environment", &self.environment)?,
            book: parse("book", &self.book)?,
            corridor: parse("corridor", &self.corridor)?,
            action,
            debited_account: parse("debited_account", &self.debited_account)?,
            credited_account: parse("credited_account", &self.credited_account)?,
            payee_name: words("payee_name", self.payee_name)?,
            debited: self.debited.read("debited")?,
            credited: self.credited.read("credited")?,
            fees: self.fees.into_iter().map(read_fee).collect::<Result<_, _>>()?,
            charge_bearer: read_bearer(&self.charge_bearer)?,
            linked_payment,
            quote_hash: parse("quote_hash", &self.quote_hash)?,
            invoice_hash: parse("invoice_hash", &self.invoice_hash)?,
            purpose: words("purpose", self.purpose)?,
            expires_at: Instant::from_seconds(self.expires_at),
        })
    }
}

fn read_fee(fee: WireFee) -> Result<TermsFee, TermsStringError> {
    Ok(TermsFee {
        kind: words("fees", fee.kind)?,
        taker: words("fees", fee.taker)?,
        amount: fee.amount.read("fees")?,
    })
}

fn read_action(text: &str) -> Result<Action, TermsStringError> {
    [Action::Pay, Action::Return, Action::Refund]
        .into_iter()
        .find(|action| action.as_str() == text)
        .ok_or_else(|| bad("action", text))
}

fn read_bearer(text: &str) -> Result<ChargeBearer, TermsStringError> {
    [ChargeBearer::Debtor, ChargeBearer::Creditor, ChargeBearer::Shared]
        .into_iter()
        .find(|bearer| bearer.as_str() == text)
        .ok_or_else(|| bad("charge_bearer", text))
}

fn read_linked(action: Action, text: &str) -> Result<Option<PaymentId>, TermsStringError> {
    match (action, text) {
        (Action::Pay, "") => Ok(None),
        (Action::Pay, _) => Err(bad("linked_payment", text)),
        (Action::Return | Action::Refund, _) => parse("linked_payment", text).map(Some),
    }
}

fn linked_text(linked: Option<PaymentId>) -> String {
    linked.map(|payment| payment.to_string()).unwrap_or_default()
}

/// Text for people: not empty, not too long, no control characters that could hide a line.
pub(crate) fn words(field: &'static str, text: String) -> Result<String, TermsStringError> {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(bad(field, &text));
    }
    Ok(text)
}

pub(crate) fn parse<T: core::str::FromStr>(
    field: &'static str,
    text: &str,
) -> Result<T, TermsStringError> {
    text.parse().map_err(|_| bad(field, text))
}

pub(crate) fn bad(field: &'static str, got: &str) -> TermsStringError {
    TermsStringError::BadField { field, got: got.chars().take(64).collect() }
}

#[cfg(test)]
mod tests;
