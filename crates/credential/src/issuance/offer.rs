//! A credential offer: what an issuer hands over so that a wallet can fetch a credential.

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::PRE_AUTHORIZED_GRANT;
use crate::json::{JsonError, read_object, text};

/// An offer with a pre-authorised code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialOffer {
    /// The issuer's identifier.
    pub issuer: String,
    /// What is offered: keys of `credential_configurations_supported`.
    pub configuration_ids: Vec<String>,
    /// The code.
    pub code: String,
    /// What the user must type in, if anything.
    pub transaction_code: Option<TransactionCode>,
}

/// How the transaction code looks that travels another way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionCode {
    /// How many characters.
    pub length: Option<u64>,
    /// `numeric` or `text`.
    pub input_mode: Option<String>,
    /// Words for the user.
    pub description: Option<String>,
}

/// Why text is no offer that we can take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OfferError {
    /// Not a JSON object.
    #[error("credential offer: {0}")]
    Json(JsonError),
    /// A member is missing or of another type.
    #[error("credential offer: expected `{name}`")]
    Missing {
        /// The member.
        name: &'static str,
    },
    /// There is no pre-authorised code; other grants are not supported.
    #[error("credential offer: expected grant `{PRE_AUTHORIZED_GRANT}`")]
    OtherGrant,
}

impl CredentialOffer {
    /// Reads an offer (section 4.1.1).
    pub fn read(bytes: &[u8]) -> Result<Self, OfferError> {
        let offer = read_object(bytes).map_err(OfferError::Json)?;
        let issuer = text(&offer, "credential_issuer")
            .ok_or(OfferError::Missing { name: "credential_issuer" })?;
        let ids: Option<Vec<String>> = offer
            .get("credential_configuration_ids")
            .and_then(Value::as_array)
            .and_then(|ids| ids.iter().map(|id| id.as_str().map(str::to_owned)).collect());
        let configuration_ids = ids
            .filter(|ids| !ids.is_empty())
            .ok_or(OfferError::Missing { name: "credential_configuration_ids" })?;
        let grants = offer.get("grants").and_then(Value::as_object);
        let grant = grants
            .and_then(|grants| grants.get(PRE_AUTHORIZED_GRANT))
            .and_then(Value::as_object)
            .ok_or(OfferError::OtherGrant)?;
        let code = text(grant, "pre-authorized_code")
            .ok_or(OfferError::Missing { name: "pre-authorized_code" })?;
        Ok(Self {
            issuer: issuer.trim_end_matches('/').to_owned(),
            configuration_ids,
            code: code.to_owned(),
            transaction_code: grant
                .get("tx_code")
                .and_then(Value::as_object)
                .map(TransactionCode::read),
        })
    }

    /// The offer as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut grant = Map::new();
        grant.insert("pre-authorized_code".to_owned(), self.code.as_str().into());
        if let Some(code) = &self.transaction_code {
            grant.insert("tx_code".to_owned(), code.to_json());
        }
        json!({
            "credential_issuer": self.issuer,
            "credential_configuration_ids": self.configuration_ids,
            "grants": { PRE_AUTHORIZED_GRANT: grant },
        })
    }

    /// The offer as a link (section 4.1.2), every reserved byte escaped.
    #[must_use]
    pub fn to_uri(&self) -> String {
        let escape = |byte: u8| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        };
        let escaped: String = self.to_json().to_string().bytes().map(escape).collect();
        format!("openid-credential-offer://?credential_offer={escaped}")
    }
}

impl TransactionCode {
    fn read(object: &Map<String, Value>) -> Self {
        Self {
            length: object.get("length").and_then(Value::as_u64),
            input_mode: text(object, "input_mode").map(str::to_owned),
            description: text(object, "description").map(str::to_owned),
        }
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        };
        put("length", self.length.map(Value::from));
        put("input_mode", self.input_mode.clone().map(Value::from));
        put("description", self.description.clone().map(Value::from));
        Value::Object(object)
    }
}
