//! The holder's side: a credential kept, and presented in part.

use seal::{Es256PublicKey, Es256SigningKey};
use serde_json::{Map, Value, json};
use terms::Instant;

use super::locate::{Located, locate, needed};
use super::{
    CREDENTIAL_TYP, CredentialRefused, KEY_BINDING_TYP, OpenClaims, Parts, PathStep, check_hiding,
    hash_text,
};
use crate::adapters::sd_jwt::{Disclosure, resolve};
use crate::jose::{UnverifiedJwt, sign};

/// A credential that its holder keeps, with all its disclosures.
#[derive(Clone, Debug)]
pub struct HeldCredential {
    text: String,
    jwt: String,
    open: OpenClaims,
    claims: Map<String, Value>,
    disclosures: Vec<Disclosure>,
    located: Vec<Located>,
}

/// To whom and for what a presentation is made.
#[derive(Clone, Copy, Debug)]
pub struct PresentTo<'a> {
    /// The verifier's `client_id`.
    pub audience: &'a str,
    /// The request's nonce.
    pub nonce: &'a str,
    /// When the presentation is made.
    pub made_at: Instant,
    /// The transaction data strings that this credential signs, as received.
    pub transaction_data: &'a [String],
}

impl HeldCredential {
    /// Accepts a credential from its issuer: signature, times, binding to `holder`.
    pub fn accept(
        text: &str,
        issuer: &Es256PublicKey,
        holder: &Es256PublicKey,
        now: Instant,
    ) -> Result<Self, CredentialRefused> {
        let parts = Parts::read(text)?;
        let jwt =
            UnverifiedJwt::read(parts.jwt, CREDENTIAL_TYP).map_err(CredentialRefused::Issuer)?;
        jwt.verify(issuer).map_err(CredentialRefused::Issuer)?;
        let held = Self::read_stored(text)?;
        held.open.judge_times(now)?;
        if held.open.holder != *holder {
            return Err(CredentialRefused::OtherHolder);
        }
        Ok(held)
    }

    /// Reads a credential that was accepted before and kept in a store of one's own. The issuer's
    /// signature is not checked again.
    pub fn read_stored(text: &str) -> Result<Self, CredentialRefused> {
        let parts = Parts::read(text)?;
        if !parts.key_binding.is_empty() {
            let expected = "a credential, not a presentation";
            return Err(CredentialRefused::KeyBindingPresence { expected });
        }
        let jwt =
            UnverifiedJwt::read(parts.jwt, CREDENTIAL_TYP).map_err(CredentialRefused::Issuer)?;
        check_hiding(jwt.claimed(), &parts.disclosures)?;
        let claims = resolve(jwt.claimed(), &parts.disclosures)
            .map_err(|reason| CredentialRefused::Disclosures { reason })?;
        let open = OpenClaims::read(jwt.key_id(), &claims).map_err(CredentialRefused::Issuer)?;
        Ok(Self {
            text: text.to_owned(),
            jwt: parts.jwt.to_owned(),
            located: locate(jwt.claimed(), &parts.disclosures),
            disclosures: parts.disclosures,
            open,
            claims,
        })
    }

    /// The credential as issued: what a wallet stores.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The claims that are never hidden.
    #[must_use]
    pub const fn open(&self) -> &OpenClaims {
        &self.open
    }

    /// All claims, with everything disclosed.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// How many claims can be disclosed or withheld.
    #[must_use]
    pub fn selective_count(&self) -> usize {
        self.disclosures.len()
    }

    /// The paths of the claims that showing `paths` would disclose, in the credential's order.
    #[must_use]
    pub fn disclosed_by(&self, paths: &[Vec<PathStep>]) -> Vec<Vec<PathStep>> {
        let chosen = needed(&self.located, paths);
        let chosen = |found: &&Located| chosen.contains(&found.index);
        self.located.iter().filter(chosen).map(|found| found.path.clone()).collect()
    }

    /// A presentation that discloses the claims at `paths` and nothing else, bound to `to`.
    pub fn present(
        &self,
        paths: &[Vec<PathStep>],
        to: &PresentTo<'_>,
        holder: &Es256SigningKey,
    ) -> Result<String, CredentialRefused> {
        if holder.public_key() != self.open.holder {
            return Err(CredentialRefused::OtherHolder);
        }
        let mut text = format!("{}~", self.jwt);
        for index in needed(&self.located, paths) {
            if let Some(disclosure) = self.disclosures.get(index) {
                text.push_str(disclosure.text());
                text.push('~');
            }
        }
        let key_binding = key_binding(&text, to, holder);
        text.push_str(&key_binding);
        Ok(text)
    }
}

fn key_binding(bound: &str, to: &PresentTo<'_>, holder: &Es256SigningKey) -> String {
    let header = Map::from_iter([("typ".to_owned(), Value::from(KEY_BINDING_TYP))]);
    let mut payload = Map::new();
    payload.insert("iat".to_owned(), to.made_at.seconds().into());
    payload.insert("aud".to_owned(), to.audience.into());
    payload.insert("nonce".to_owned(), to.nonce.into());
    payload.insert("sd_hash".to_owned(), hash_text(bound).into());
    if !to.transaction_data.is_empty() {
        let hashes: Vec<String> = to.transaction_data.iter().map(|text| hash_text(text)).collect();
        payload.insert("transaction_data_hashes".to_owned(), json!(hashes));
        payload.insert("transaction_data_hashes_alg".to_owned(), "sha-256".into());
    }
    sign(holder, header, &payload)
}
