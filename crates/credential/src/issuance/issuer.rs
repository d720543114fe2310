//! The issuer: offers, tokens, nonces, credentials.

use core::time::Duration;
use std::collections::BTreeMap;

use seal::text::{from_base64url, to_base64url};
use seal::{
    Digest, Domain, Es256PublicKey, Es256SigningKey, Secret, constant_time_eq, mac, mac_matches,
    sha256,
};
use serde_json::{Map, Value, json};
use terms::Instant;
use thiserror::Error;

use super::metadata::IssuerProfile;
use super::offer::{CredentialOffer, TransactionCode};
use super::{
    ACCESS_TOKEN_LIFETIME_SECONDS, C_NONCE_LIFETIME_SECONDS, PRE_AUTHORIZED_GRANT, PROOF_TYP,
    TRANSACTION_CODE_ATTEMPTS_MAX,
};
use crate::jose::{UnverifiedJwt, key_of, moment_claim};
use crate::json::{read_object, text};
use crate::sd_jwt_vc::{CLOCK_SKEW_MAX_SECONDS, CredentialDraft, issue};
use crate::status::StatusReference;

const C_NONCE: Domain = Domain::new("wayleave/c-nonce/v1");

/// An issuer with its open grants.
pub struct Issuer {
    profile: IssuerProfile,
    key: Es256SigningKey,
    key_id: String,
    nonce_secret: Secret,
    // Codes and tokens are kept as digests: whoever reads the state cannot use them.
    grants: BTreeMap<Digest, Grant>,
    tokens: BTreeMap<Digest, Digest>,
}

/// A credential about to be offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferDraft {
    /// What is offered.
    pub configuration_id: String,
    /// The claims.
    pub claims: Map<String, Value>,
    /// Which of them are selectively disclosable.
    pub selective: Vec<Vec<String>>,
    /// Where its status will be published.
    pub status: Option<StatusReference>,
    /// A code that reaches the user another way.
    pub transaction_code: Option<String>,
    /// When the offer ends.
    pub expires_at: Instant,
}

#[derive(Clone, Debug)]
struct Grant {
    draft: OfferDraft,
    attempts: u8,
    token_until: Option<Instant>,
    holder: Option<Es256PublicKey>,
}

/// A token that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGrant {
    /// The bearer token.
    pub access_token: String,
    /// How long it is good, in seconds.
    pub expires_in_seconds: u64,
}

/// Token error responses (section 6.3, RFC 6749 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenFault {
    /// A parameter is missing, or a transaction code came or stayed away against expectation.
    #[error("invalid_request")]
    InvalidRequest,
    /// The code is unknown, used or expired, or the transaction code is wrong.
    #[error("invalid_grant")]
    InvalidGrant,
    /// Another grant type.
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
}

/// A credential error response (section 8.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}: {description}", code.as_str())]
pub struct CredentialFault {
    /// Which.
    pub code: CredentialFaultCode,
    /// Words for the developer of the wallet.
    pub description: &'static str,
}

/// The codes of a credential error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialFaultCode {
    /// HTTP 401: the bearer token is unknown or expired (RFC 6750).
    InvalidToken,
    /// Malformed, or with parameters that do not belong together.
    InvalidCredentialRequest,
    /// No such configuration.
    UnknownCredentialConfiguration,
    /// Identifiers were never given out here.
    UnknownCredentialIdentifier,
    /// The key proof is missing or does not hold.
    InvalidProof,
    /// The key proof's nonce is not ours or no longer good: fetch another one.
    InvalidNonce,
    /// Encryption was asked for, and is not offered.
    InvalidEncryptionParameters,
    /// Not this credential, not to this key.
    CredentialRequestDenied,
}

impl CredentialFaultCode {
    /// The code on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidToken => "invalid_token",
            Self::InvalidCredentialRequest => "invalid_credential_request",
            Self::UnknownCredentialConfiguration => "unknown_credential_configuration",
            Self::UnknownCredentialIdentifier => "unknown_credential_identifier",
            Self::InvalidProof => "invalid_proof",
            Self::InvalidNonce => "invalid_nonce",
            Self::InvalidEncryptionParameters => "invalid_encryption_parameters",
            Self::CredentialRequestDenied => "credential_request_denied",
        }
    }

    /// The HTTP status it is sent with.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidToken => 401,
            Self::InvalidCredentialRequest
            | Self::UnknownCredentialConfiguration
            | Self::UnknownCredentialIdentifier
            | Self::InvalidProof
            | Self::InvalidNonce
            | Self::InvalidEncryptionParameters
            | Self::CredentialRequestDenied => 400,
        }
    }
}

impl CredentialFault {
    /// The JSON of the error response.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "error": self.code.as_str(), "error_description": self.description })
    }
}

impl TokenGrant {
    /// The JSON of the token response.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in_seconds,
        })
    }
}

impl Issuer {
    /// An issuer without grants.
    #[must_use]
    pub const fn new(
        profile: IssuerProfile,
        key: Es256SigningKey,
        key_id: String,
        nonce_secret: Secret,
    ) -> Self {
        let grants = BTreeMap::new();
        Self { profile, key, key_id, nonce_secret, grants, tokens: BTreeMap::new() }
    }

    /// What it publishes.
    #[must_use]
    pub const fn profile(&self) -> &IssuerProfile {
        &self.profile
    }

    /// Its keys, under `jwt-vc-issuer`.
    #[must_use]
    pub fn key_document(&self) -> Value {
        self.profile.key_document(&[(&self.key_id, self.key.public_key())])
    }

    /// Offers a credential under a code made of 32 random bytes.
    pub fn offer(&mut self, draft: OfferDraft, code: &[u8; 32]) -> CredentialOffer {
        let code = to_base64url(code);
        let transaction_code = draft.transaction_code.as_ref().map(|code| TransactionCode {
            length: u64::try_from(code.len()).ok(),
            input_mode: Some("numeric".to_owned()),
            description: None,
        });
        let offer = CredentialOffer {
            issuer: self.profile.url.clone(),
            configuration_ids: vec![draft.configuration_id.clone()],
            code: code.clone(),
            transaction_code,
        };
        let grant = Grant { draft, attempts: 0, token_until: None, holder: None };
        self.grants.insert(sha256(code.as_bytes()), grant);
        offer
    }

    /// Answers a token request: form parameters in, a token of 32 random bytes out.
    pub fn token(
        &mut self,
        form: &BTreeMap<String, String>,
        token: &[u8; 32],
        now: Instant,
    ) -> Result<TokenGrant, TokenFault> {
        let grant_type = form.get("grant_type").ok_or(TokenFault::InvalidRequest)?;
        if grant_type != PRE_AUTHORIZED_GRANT {
            return Err(TokenFault::UnsupportedGrantType);
        }
        let code = form.get("pre-authorized_code").ok_or(TokenFault::InvalidRequest)?;
        let code = sha256(code.as_bytes());
        let grant = self.grants.get_mut(&code).ok_or(TokenFault::InvalidGrant)?;
        grant.redeem(form.get("tx_code").map(String::as_str), now)?;
        let access_token = to_base64url(token);
        self.tokens.insert(sha256(access_token.as_bytes()), code);
        Ok(TokenGrant { access_token, expires_in_seconds: ACCESS_TOKEN_LIFETIME_SECONDS })
    }

    /// A fresh `c_nonce` of 16 random bytes: it carries its own expiry, so none is stored.
    #[must_use]
    pub fn nonce(&self, random: &[u8; 16], now: Instant) -> Value {
        let end = now.plus(Duration::from_secs(C_NONCE_LIFETIME_SECONDS)).seconds();
        let body = [end.to_be_bytes().as_slice(), random].concat();
        let code = mac(&self.nonce_secret, C_NONCE, &body);
        json!({ "c_nonce": to_base64url(&[body.as_slice(), code.as_bytes()].concat()) })
    }

    /// Answers a credential request. `salts` are random; as many are used as claims are selective.
    ///
    /// A repeated request with the same key gets a credential again, since the first answer may
    /// have been lost; another key is denied.
    pub fn credential(
        &mut self,
        access_token: &str,
        body: &[u8],
        salts: &[[u8; 16]],
        now: Instant,
    ) -> Result<Value, CredentialFault> {
        let code = self.grant_of(access_token, now)?;
        let (configuration_id, proof) = read_request(body)?;
        let issuable = self.profile.issuable(&configuration_id).ok_or(fault(
            CredentialFaultCode::UnknownCredentialConfiguration,
            "no such credential configuration",
        ))?;
        let lifetime = issuable.lifetime;
        let holder = self.check_proof(&proof, now)?;
        let denied = fault(
            CredentialFaultCode::CredentialRequestDenied,
            "the token is for another credential or was used with another key",
        );
        let grant = self.grants.get_mut(&code).ok_or(denied)?;
        let same_key = grant.holder.is_none_or(|first| first == holder);
        if grant.draft.configuration_id != configuration_id || !same_key {
            return Err(denied);
        }
        grant.holder = Some(holder);
        let draft = CredentialDraft {
            issuer: &self.profile.url,
            key_id: &self.key_id,
            credential_type: &configuration_id,
            claims: grant.draft.claims.clone(),
            selective: grant.draft.selective.clone(),
            holder,
            issued_at: now,
            expires_at: now.plus(lifetime),
            status: grant.draft.status.clone(),
        };
        let salts = salts.get(..draft.selective.len()).unwrap_or(&[]);
        let text = issue(&draft, &self.key, salts).map_err(|_| {
            fault(CredentialFaultCode::CredentialRequestDenied, "the claims cannot be issued")
        })?;
        Ok(json!({ "credentials": [{ "credential": text }] }))
    }

    fn grant_of(&self, access_token: &str, now: Instant) -> Result<Digest, CredentialFault> {
        let unknown = fault(CredentialFaultCode::InvalidToken, "unknown or expired access token");
        let code = self.tokens.get(&sha256(access_token.as_bytes())).ok_or(unknown)?;
        let until = self.grants.get(code).and_then(|grant| grant.token_until).ok_or(unknown)?;
        if now < until { Ok(*code) } else { Err(unknown) }
    }

    /// Appendix F.1: the proof is signed by the key in its own header, for us, now, with our nonce.
    fn check_proof(&self, proof: &str, now: Instant) -> Result<Es256PublicKey, CredentialFault> {
        let bad = |description| fault(CredentialFaultCode::InvalidProof, description);
        let jwt = UnverifiedJwt::read(proof, PROOF_TYP)
            .map_err(|_| bad("expected an ES256 jwt of type `openid4vci-proof+jwt`"))?;
        let header = jwt.claimed_header();
        if header.contains_key("kid") || header.contains_key("x5c") {
            return Err(bad("expected the key as `jwk`"));
        }
        let jwk = header.get("jwk").ok_or(bad("expected the key as `jwk`"))?;
        let key = key_of(jwk).map_err(|_| bad("expected a public key on P-256"))?;
        let claims = jwt.verify(&key).map_err(|_| bad("the signature does not fit"))?.payload;
        if text(&claims, "aud") != Some(self.profile.url.as_str()) {
            return Err(bad("the proof is for another issuer"));
        }
        let made_at = moment_claim(&claims, "iat").map_err(|_| bad("expected `iat`"))?;
        let ahead = now.plus(Duration::from_secs(CLOCK_SKEW_MAX_SECONDS));
        if made_at > ahead || now.since(made_at).as_secs() > C_NONCE_LIFETIME_SECONDS {
            return Err(bad("the proof is not fresh"));
        }
        let nonce = text(&claims, "nonce").ok_or(bad("expected a `nonce`"))?;
        if self.nonce_is_ours(nonce, now) {
            return Ok(key);
        }
        Err(fault(CredentialFaultCode::InvalidNonce, "fetch another nonce"))
    }

    fn nonce_is_ours(&self, nonce: &str, now: Instant) -> bool {
        let Some(bytes) = from_base64url(nonce) else { return false };
        let Some((body, code)) = bytes.split_at_checked(24) else { return false };
        let Ok(code) = <[u8; 32]>::try_from(code) else { return false };
        let end = body.first_chunk::<8>().map_or(0, |end| u64::from_be_bytes(*end));
        mac_matches(&self.nonce_secret, C_NONCE, body, &Digest::from_bytes(code))
            && now < Instant::from_seconds(end)
    }
}

impl Grant {
    fn redeem(&mut self, given: Option<&str>, now: Instant) -> Result<(), TokenFault> {
        let usable = self.token_until.is_none()
            && now < self.draft.expires_at
            && self.attempts < TRANSACTION_CODE_ATTEMPTS_MAX;
        if !usable {
            return Err(TokenFault::InvalidGrant);
        }
        match (&self.draft.transaction_code, given) {
            (None, None) => {}
            (None, Some(_)) | (Some(_), None) => return Err(TokenFault::InvalidRequest),
            (Some(expected), Some(given)) => {
                if !constant_time_eq(expected.as_bytes(), given.as_bytes()) {
                    self.attempts = self.attempts.saturating_add(1);
                    return Err(TokenFault::InvalidGrant);
                }
            }
        }
        self.token_until = Some(now.plus(Duration::from_secs(ACCESS_TOKEN_LIFETIME_SECONDS)));
        Ok(())
    }
}

/// The configuration id and the one key proof of a credential request.
fn read_request(body: &[u8]) -> Result<(String, String), CredentialFault> {
    let bad = |description| fault(CredentialFaultCode::InvalidCredentialRequest, description);
    let request = read_object(body).map_err(|_| bad("expected a json object"))?;
    if request.contains_key("credential_response_encryption") {
        let code = CredentialFaultCode::InvalidEncryptionParameters;
        return Err(fault(code, "responses are not encrypted here"));
    }
    if request.contains_key("credential_identifier") {
        let code = CredentialFaultCode::UnknownCredentialIdentifier;
        return Err(fault(code, "ask by `credential_configuration_id`"));
    }
    let configuration_id = text(&request, "credential_configuration_id")
        .ok_or(bad("expected `credential_configuration_id`"))?;
    let missing = fault(CredentialFaultCode::InvalidProof, "expected `proofs` with one `jwt`");
    let proofs = request.get("proofs").and_then(Value::as_object).ok_or(missing)?;
    let list = proofs.get("jwt").and_then(Value::as_array).ok_or(missing)?;
    let [proof] = list.as_slice() else { return Err(missing) };
    if proofs.len() != 1 {
        return Err(missing);
    }
    Ok((configuration_id.to_owned(), proof.as_str().ok_or(missing)?.to_owned()))
}

const fn fault(code: CredentialFaultCode, description: &'static str) -> CredentialFault {
    CredentialFault { code, description }
}
