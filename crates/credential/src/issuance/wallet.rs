//! The wallet's side of issuance: a machine that asks for requests and reads their answers.

use seal::{Es256PublicKey, Es256SigningKey};
use serde_json::{Map, Value, json};
use terms::Instant;
use thiserror::Error;

use super::offer::CredentialOffer;
use super::{
    ISSUER_METADATA, JWT_VC_ISSUER, PRE_AUTHORIZED_GRANT, PROOF_TYP, SERVER_METADATA, well_known,
};
use crate::jose::{jwk_of, key_of, sign};
use crate::json::{JsonError, read_object, text};
use crate::sd_jwt_vc::{CREDENTIAL_TYP, CredentialRefused, HeldCredential};

/// One request that the machine wants made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `GET`, JSON expected.
    Get {
        /// The URL.
        url: String,
    },
    /// `POST` of a form.
    PostForm {
        /// The URL.
        url: String,
        /// The form, not yet escaped.
        form: Vec<(String, String)>,
    },
    /// `POST` without body.
    PostNothing {
        /// The URL.
        url: String,
    },
    /// `POST` of JSON with a bearer token.
    PostJson {
        /// The URL.
        url: String,
        /// The token.
        bearer: String,
        /// The JSON text.
        body: String,
    },
}

/// The answer to an [`Effect`].
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

/// What the machine needs from outside at each step.
#[derive(Clone, Copy)]
pub struct WalletContext<'a> {
    /// The key that the credential is to be bound to.
    pub key: &'a Es256SigningKey,
    /// Now.
    pub now: Instant,
}

/// What follows a step.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Make this request and hand its answer in.
    Do(Effect),
    /// The credential, accepted.
    Done(Box<HeldCredential>),
}

/// Why issuance ended without a credential.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssuanceError {
    /// The offer's issuer is not a URL.
    #[error("the offer's issuer is not a url")]
    BadIssuer,
    /// An answer is not JSON.
    #[error("{0}")]
    Json(JsonError),
    /// The issuer refused, with a code of the specification.
    #[error("the issuer refused: `{code}`")]
    Refused {
        /// The code.
        code: String,
    },
    /// A member of an answer is missing or is not what it must be.
    #[error("expected `{name}` to be {expected}")]
    BadAnswer {
        /// The member.
        name: &'static str,
        /// What it must be, in words.
        expected: &'static str,
    },
    /// The credential is not good.
    #[error("{0}")]
    Credential(CredentialRefused),
    /// The machine has ended.
    #[error("issuance has ended")]
    Ended,
}

/// The machine of one issuance.
#[derive(Clone, Debug)]
pub struct IssuanceWallet {
    offer: CredentialOffer,
    transaction_code: Option<String>,
    stage: Stage,
    endpoints: Endpoints,
    access_token: String,
    retried: Retried,
}

#[derive(Clone, Debug, Default)]
struct Endpoints {
    token: String,
    nonce: String,
    credential: String,
}

#[derive(Clone, Debug)]
enum Stage {
    IssuerMetadata,
    ServerMetadata,
    Token,
    Nonce,
    Credential,
    Keys { credential: String },
    Ended,
}

/// Whether a nonce was refused once already: a second time means it is not the nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retried {
    NotYet,
    Once,
}

impl IssuanceWallet {
    /// Starts with an offer and, where it asks for one, the transaction code.
    pub fn start(
        offer: CredentialOffer,
        transaction_code: Option<String>,
    ) -> Result<(Self, Effect), IssuanceError> {
        let url = well_known(&offer.issuer, ISSUER_METADATA).ok_or(IssuanceError::BadIssuer)?;
        let machine = Self {
            offer,
            transaction_code,
            stage: Stage::IssuerMetadata,
            endpoints: Endpoints::default(),
            access_token: String::new(),
            retried: Retried::NotYet,
        };
        Ok((machine, Effect::Get { url }))
    }

    /// Takes the answer to the last request. After an error the machine has ended.
    pub fn advance(
        &mut self,
        answer: Answer<'_>,
        context: WalletContext<'_>,
    ) -> Result<Progress, IssuanceError> {
        let stage = core::mem::replace(&mut self.stage, Stage::Ended);
        let body = read_object(answer.body).map_err(IssuanceError::Json)?;
        if answer.status != 200 {
            return self.refused(&stage, &body);
        }
        match stage {
            Stage::IssuerMetadata => self.read_issuer(&body),
            Stage::ServerMetadata => self.read_server(&body),
            Stage::Token => self.read_token(&body),
            Stage::Nonce => self.read_nonce(&body, context),
            Stage::Credential => self.read_credential(&body),
            Stage::Keys { credential } => accept(&credential, &self.offer, &body, context),
            Stage::Ended => Err(IssuanceError::Ended),
        }
    }

    fn refused(
        &mut self,
        stage: &Stage,
        body: &Map<String, Value>,
    ) -> Result<Progress, IssuanceError> {
        let code = text(body, "error").unwrap_or("unknown").chars().take(64).collect::<String>();
        let again = matches!(stage, Stage::Credential) && self.retried == Retried::NotYet;
        if again && code == "invalid_nonce" {
            self.retried = Retried::Once;
            return Ok(self.ask_nonce());
        }
        Err(IssuanceError::Refused { code })
    }

    fn read_issuer(&mut self, body: &Map<String, Value>) -> Result<Progress, IssuanceError> {
        let issuer = self.offer.issuer.as_str();
        if text(body, "credential_issuer").map(|url| url.trim_end_matches('/')) != Some(issuer) {
            return Err(bad("credential_issuer", "the issuer of the offer"));
        }
        let offered = self.configuration_id()?;
        let configuration = body
            .get("credential_configurations_supported")
            .and_then(|all| all.get(offered))
            .ok_or(bad("credential_configurations_supported", "one that holds the offer"))?;
        if configuration.get("format").and_then(Value::as_str) != Some(CREDENTIAL_TYP) {
            return Err(bad("format", "`dc+sd-jwt`"));
        }
        self.endpoints.credential = endpoint(body, "credential_endpoint", issuer)?;
        self.endpoints.nonce = endpoint(body, "nonce_endpoint", issuer)?;
        let server = body
            .get("authorization_servers")
            .and_then(|servers| servers.get(0))
            .and_then(Value::as_str)
            .unwrap_or(issuer);
        let url = well_known(server, SERVER_METADATA).ok_or(IssuanceError::BadIssuer)?;
        self.stage = Stage::ServerMetadata;
        Ok(Progress::Do(Effect::Get { url }))
    }

    fn read_server(&mut self, body: &Map<String, Value>) -> Result<Progress, IssuanceError> {
        let server = text(body, "issuer").ok_or(bad("issuer", "the authorisation server"))?;
        let url = endpoint(body, "token_endpoint", server)?;
        self.endpoints.token.clone_from(&url);
        let mut form = vec![
            ("grant_type".to_owned(), PRE_AUTHORIZED_GRANT.to_owned()),
            ("pre-authorized_code".to_owned(), self.offer.code.clone()),
        ];
        if let Some(code) = &self.transaction_code {
            form.push(("tx_code".to_owned(), code.clone()));
        }
        self.stage = Stage::Token;
        Ok(Progress::Do(Effect::PostForm { url, form }))
    }

    fn read_token(&mut self, body: &Map<String, Value>) -> Result<Progress, IssuanceError> {
        let kind = text(body, "token_type").unwrap_or("");
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(bad("token_type", "`Bearer`"));
        }
        let token = text(body, "access_token").ok_or(bad("access_token", "a text"))?;
        token.clone_into(&mut self.access_token);
        Ok(self.ask_nonce())
    }

    fn ask_nonce(&mut self) -> Progress {
        self.stage = Stage::Nonce;
        Progress::Do(Effect::PostNothing { url: self.endpoints.nonce.clone() })
    }

    fn read_nonce(
        &mut self,
        body: &Map<String, Value>,
        context: WalletContext<'_>,
    ) -> Result<Progress, IssuanceError> {
        let nonce = text(body, "c_nonce").ok_or(bad("c_nonce", "a text"))?;
        let header = json!({ "typ": PROOF_TYP, "jwk": jwk_of(&context.key.public_key()) });
        let payload = json!({
            "aud": self.offer.issuer,
            "iat": context.now.seconds(),
            "nonce": nonce,
        });
        let object = |value: Value| crate::json::into_object(value).unwrap_or_default();
        let proof = sign(context.key, object(header), &object(payload));
        let body = json!({
            "credential_configuration_id": self.configuration_id()?,
            "proofs": { "jwt": [proof] },
        });
        self.stage = Stage::Credential;
        Ok(Progress::Do(Effect::PostJson {
            url: self.endpoints.credential.clone(),
            bearer: self.access_token.clone(),
            body: body.to_string(),
        }))
    }

    fn read_credential(&mut self, body: &Map<String, Value>) -> Result<Progress, IssuanceError> {
        let credential = body
            .get("credentials")
            .and_then(|all| all.get(0))
            .and_then(|first| first.get("credential"))
            .and_then(Value::as_str)
            .ok_or(bad("credentials", "a list with an sd-jwt"))?
            .to_owned();
        let url = well_known(&self.offer.issuer, JWT_VC_ISSUER).ok_or(IssuanceError::BadIssuer)?;
        self.stage = Stage::Keys { credential };
        Ok(Progress::Do(Effect::Get { url }))
    }

    fn configuration_id(&self) -> Result<&str, IssuanceError> {
        let first = self.offer.configuration_ids.first().map(String::as_str);
        first.ok_or(bad("credential_configuration_ids", "a list that is not empty"))
    }
}

/// Accepts the credential under the keys that its issuer publishes.
fn accept(
    credential: &str,
    offer: &CredentialOffer,
    body: &Map<String, Value>,
    context: WalletContext<'_>,
) -> Result<Progress, IssuanceError> {
    if text(body, "issuer") != Some(offer.issuer.as_str()) {
        return Err(bad("issuer", "the issuer of the offer"));
    }
    let stored = HeldCredential::read_stored(credential).map_err(IssuanceError::Credential)?;
    if stored.open().issuer != offer.issuer {
        return Err(bad("iss", "the issuer of the offer"));
    }
    let keys = body.get("jwks").and_then(|jwks| jwks.get("keys")).and_then(Value::as_array);
    let wanted = stored.open().key_id.as_deref();
    let key = keys
        .into_iter()
        .flatten()
        .find(|key| key.get("kid").and_then(Value::as_str) == wanted)
        .ok_or(bad("jwks", "one that holds the credential's `kid`"))?;
    let key: Es256PublicKey = key_of(key).map_err(|_| bad("jwks", "keys on P-256"))?;
    HeldCredential::accept(credential, &key, &context.key.public_key(), context.now)
        .map(|held| Progress::Done(Box::new(held)))
        .map_err(IssuanceError::Credential)
}

/// An endpoint of `owner`: it must lie under its URL, so that an offer cannot send us elsewhere.
fn endpoint(
    body: &Map<String, Value>,
    name: &'static str,
    owner: &str,
) -> Result<String, IssuanceError> {
    let under = |url: &&str| {
        url.strip_prefix(owner.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
    };
    text(body, name)
        .filter(under)
        .map(str::to_owned)
        .ok_or(bad(name, "a url under the issuer's own"))
}

const fn bad(name: &'static str, expected: &'static str) -> IssuanceError {
    IssuanceError::BadAnswer { name, expected }
}
