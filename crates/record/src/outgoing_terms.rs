//! What the payer signs where the payee's bank takes no part: its own terms string.
//!
//! Encoded and read as [`PaymentTerms`] are, under a type of its own, so that one is never taken
//! for the other: here a name, an account number and a bank outside stand where a payment's terms
//! name an account of ours, a quote and an invoice.

use seal::text::{from_base64url, to_base64url};
use seal::{Digest, sha256};
use serde::{Deserialize, Serialize};
use terms::{AccountId, Amount, BookName, CorridorName, Environment, Instant, PaymentId};

use crate::outgoing::{OutgoingParties, OutgoingPayment, OutsideAddress};
use crate::rails::OutsideParty;
use crate::terms_string::{
    MANDATE_QUERY_ID, PaymentTerms, TERMS_STRING_CHARACTERS_MAX, TermsDiffer, TermsStringError,
    WireAmount, bad, parse, words,
};

/// The registered `transaction_data` type, with its version. A new layout is a new name.
pub const OUTGOING_TERMS_TYPE: &str = "wayleave.outgoing.v1";

/// The terms of one payment that leaves over a rail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingTerms {
    /// The payment; the payer's institution names it.
    pub payment: PaymentId,
    /// Where it runs.
    pub environment: Environment,
    /// The settlement book.
    pub book: BookName,
    /// A corridor on which nobody stands for the payee.
    pub corridor: CorridorName,
    /// The account that is debited.
    pub debited_account: AccountId,
    /// What arrives outside.
    pub amount: Amount,
    /// What the payer's institution takes besides.
    pub fee: Amount,
    /// Whereto: name, account, bank.
    pub to: OutsideParty,
    /// Where the payee lives.
    pub address: OutsideAddress,
    /// What the payee is to recognise it by.
    pub end_to_end_id: String,
    /// ISO 20022 purpose code: `SUPP`.
    pub purpose: String,
    /// When the terms end. Written in whole seconds, rounded down.
    pub expires_at: Instant,
}

/// What a mandate's key may sign: the terms of a payment, or of a payment out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyTerms {
    /// Of a payment or refund.
    Payment(PaymentTerms),
    /// Of a payment out.
    Outgoing(OutgoingTerms),
}

impl AnyTerms {
    /// Reads a terms string of either type.
    pub fn from_terms_string(text: &str) -> Result<Self, TermsStringError> {
        #[derive(Deserialize)]
        struct Typed {
            #[serde(rename = "type")]
            kind: String,
        }
        let typed = from_base64url(text).filter(|_| text.len() <= TERMS_STRING_CHARACTERS_MAX);
        let typed = typed.and_then(|bytes| serde_json::from_slice::<Typed>(&bytes).ok());
        if typed.is_some_and(|typed| typed.kind == OUTGOING_TERMS_TYPE) {
            return OutgoingTerms::from_terms_string(text).map(Self::Outgoing);
        }
        PaymentTerms::from_terms_string(text).map(Self::Payment)
    }

    /// SHA-256 of the base64url text: the value in `transaction_data_hashes`.
    #[must_use]
    pub fn terms_digest(&self) -> Digest {
        match self {
            Self::Payment(terms) => terms.terms_digest(),
            Self::Outgoing(terms) => terms.terms_digest(),
        }
    }
}

impl OutgoingTerms {
    /// What leaves the payer's account; `None` when the two differ in asset or overflow.
    #[must_use]
    pub fn debited(&self) -> Option<Amount> {
        self.amount.plus(self.fee).ok()
    }

    /// The base64url text that is an entry of `transaction_data`.
    #[must_use]
    pub fn to_terms_string(&self) -> String {
        // INVARIANT (TermsAlwaysEncode): strings and integers have no JSON error; an empty text
        // would be refused by every reader.
        let json = serde_json::to_string(&Wire::from(self)).unwrap_or_default();
        to_base64url(json.as_bytes())
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

    /// Whether an order, and the parties that it commits to, say what was agreed to; else the first
    /// field that differs. The order may not live longer than the terms do.
    pub fn covers(
        &self,
        order: &OutgoingPayment,
        parties: &OutgoingParties,
    ) -> Result<(), TermsDiffer> {
        let said = Self {
            payment: order.payment,
            environment: order.environment,
            book: order.book,
            corridor: order.corridor,
            debited_account: order.debited_account,
            amount: order.amount,
            fee: order.fee,
            to: parties.to.clone(),
            address: parties.address.clone(),
            end_to_end_id: parties.identifiers.end_to_end_id.clone(),
            purpose: parties.purpose.clone().unwrap_or_default(),
            expires_at: self.expires_at,
        };
        said.compare(self)?;
        let differs = |field, expected: String, got: String| {
            if expected == got { Ok(()) } else { Err(TermsDiffer { field, expected, got }) }
        };
        differs("terms", self.terms_digest().to_string(), digest_text(order.terms))?;
        differs("parties", order.parties.to_string(), parties.commitment().to_string())?;
        differs("uetr", order.uetr.to_string(), parties.identifiers.uetr.to_string())?;
        let latest = order.valid_until.min(self.expires_at);
        differs("valid_until", latest.to_string(), order.valid_until.to_string())
    }

    /// Each field by its JSON name, as text: for a consent view and for comparison.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let at = &self.address;
        vec![
            ("payment_id", self.payment.to_string()),
            ("environment", self.environment.to_string()),
            ("book", self.book.to_string()),
            ("corridor", self.corridor.to_string()),
            ("debited_account", self.debited_account.to_string()),
            ("amount", self.amount.to_string()),
            ("fee", self.fee.to_string()),
            ("payee_name", self.to.name.clone()),
            ("payee_account", self.to.account.clone()),
            ("payee_bic", self.to.bic.clone()),
            ("payee_street", at.street.clone()),
            ("payee_building", at.building.clone()),
            ("payee_post_code", at.post_code.clone()),
            ("payee_town", at.town.clone()),
            ("payee_country", at.country.clone()),
            ("end_to_end_id", self.end_to_end_id.clone()),
            ("purpose", self.purpose.clone()),
            ("expires_at", self.expires_at.seconds().to_string()),
        ]
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
    debited_account: String,
    amount: WireAmount,
    fee: WireAmount,
    payee_name: String,
    payee_account: String,
    payee_bic: String,
    payee_address: WireAddress,
    end_to_end_id: String,
    purpose: String,
    expires_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAddress {
    street: String,
    building: String,
    post_code: String,
    town: String,
    country: String,
}

impl From<&OutgoingTerms> for Wire {
    fn from(of: &OutgoingTerms) -> Self {
        let at = &of.address;
        Self {
            kind: OUTGOING_TERMS_TYPE.to_owned(),
            credential_ids: vec![MANDATE_QUERY_ID.to_owned()],
            payment_id: of.payment.to_string(),
            environment: of.environment.to_string(),
            book: of.book.to_string(),
            corridor: of.corridor.to_string(),
            debited_account: of.debited_account.to_string(),
            amount: of.amount.into(),
            fee: of.fee.into(),
            payee_name: of.to.name.clone(),
            payee_account: of.to.account.clone(),
            payee_bic: of.to.bic.clone(),
            payee_address: WireAddress {
                street: at.street.clone(),
                building: at.building.clone(),
                post_code: at.post_code.clone(),
                town: at.town.clone(),
                country: at.country.clone(),
            },
            end_to_end_id: of.end_to_end_id.clone(),
            purpose: of.purpose.clone(),
            expires_at: of.expires_at.seconds(),
        }
    }
}

impl Wire {
    fn read(self) -> Result<OutgoingTerms, TermsStringError> {
        if self.kind != OUTGOING_TERMS_TYPE {
            return Err(bad("type", &self.kind));
        }
        if self.credential_ids != [MANDATE_QUERY_ID] {
            return Err(bad("credential_ids", &self.credential_ids.join(" ")));
        }
        let at = self.payee_address;
        Ok(OutgoingTerms {
            payment: parse("payment_id", &self.payment_id)?,
            environment: parse("environment", &self.environment)?,
            book: parse("book", &self.book)?,
            corridor: parse("corridor", &self.corridor)?,
            debited_account: parse("debited_account", &self.debited_account)?,
            amount: self.amount.read("amount")?,
            fee: self.fee.read("fee")?,
            to: OutsideParty {
                name: words("payee_name", self.payee_name)?,
                account: words("payee_account", self.payee_account)?,
                bic: words("payee_bic", self.payee_bic)?,
            },
            address: OutsideAddress {
                street: perhaps("payee_street", at.street)?,
                building: perhaps("payee_building", at.building)?,
                post_code: perhaps("payee_post_code", at.post_code)?,
                town: words("payee_town", at.town)?,
                country: words("payee_country", at.country)?,
            },
            end_to_end_id: words("end_to_end_id", self.end_to_end_id)?,
            purpose: words("purpose", self.purpose)?,
            expires_at: Instant::from_seconds(self.expires_at),
        })
    }
}

fn digest_text(digest: Option<Digest>) -> String {
    digest.map(|digest| digest.to_string()).unwrap_or_default()
}

/// Text for people that may be absent: empty.
fn perhaps(field: &'static str, text: String) -> Result<String, TermsStringError> {
    if text.is_empty() { Ok(text) } else { words(field, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> OutgoingTerms {
        OutgoingTerms {
            payment: PaymentId::from_bytes([7; 16]),
            environment: "sandbox".parse().unwrap(),
            book: "settlement".parse().unwrap(),
            corridor: "nl-ch".parse().unwrap(),
            debited_account: AccountId::from_bytes([2; 16]),
            amount: Amount::new(terms::Minor::new(2_500), "EUR.2@tcb-sandbox".parse().unwrap()),
            fee: Amount::new(terms::Minor::new(75), "EUR.2@tcb-sandbox".parse().unwrap()),
            to: OutsideParty {
                name: "Werkhof AG".into(),
                account: "CH9300762011623852957".into(),
                bic: "POFICHBEXXX".into(),
            },
            address: OutsideAddress {
                street: "Hafenweg".into(),
                building: String::new(),
                post_code: "4057".into(),
                town: "Basel".into(),
                country: "CH".into(),
            },
            end_to_end_id: "INV-7".into(),
            purpose: "SUPP".into(),
            expires_at: Instant::from_seconds(1_800_000_000),
        }
    }

    #[test]
    fn one_encoding_reads_and_each_type_is_its_own() {
        let good = terms();
        let text = good.to_terms_string();
        assert_eq!(OutgoingTerms::from_terms_string(&text), Ok(good.clone()));
        assert_eq!(AnyTerms::from_terms_string(&text), Ok(AnyTerms::Outgoing(good.clone())));
        assert!(PaymentTerms::from_terms_string(&text).is_err(), "never taken for a payment's");
        let json = String::from_utf8(from_base64url(&text).unwrap()).unwrap();
        for (from, to) in [
            ("\"type\":\"wayleave.outgoing.v1\"", "\"type\":\"wayleave.payment.v1\""),
            ("\"purpose\":", "\"more\":1,\"purpose\":"),
            ("\"purpose\":", "\"purpose\" :"),
            ("\"Basel\"", "\"\""),
            ("Werkhof", "Werk\\u000ahof"),
        ] {
            assert!(json.contains(from), "{from}");
            let text = to_base64url(json.replacen(from, to, 1).as_bytes());
            assert!(AnyTerms::from_terms_string(&text).is_err(), "{to}");
        }
    }

    #[test]
    fn every_field_is_compared() {
        let (good, mut fields) = (terms(), 0);
        let changes: [fn(&mut OutgoingTerms); 6] = [
            |t| t.to.account.push('1'),
            |t| t.to.bic.push('1'),
            |t| t.amount = t.fee,
            |t| t.fee = t.amount,
            |t| t.address.building.push('1'),
            |t| t.end_to_end_id.push('1'),
        ];
        for change in changes {
            let mut other = good.clone();
            change(&mut other);
            assert!(other.compare(&good).is_err());
            assert_ne!(other.terms_digest(), good.terms_digest());
            fields += 1;
        }
        assert_eq!((good.compare(&good), fields), (Ok(()), 6));
    }
}
