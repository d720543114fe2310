//! Receiving a credential: OpenID4VCI 1.0, pre-authorised code flow.

use std::path::PathBuf;

use client::{Outgoing, Peer};
use credential::issuance::{
    Answer, CredentialOffer, Effect, IssuanceWallet, Progress, WalletContext,
};
use serde_json::{Value, json};
use terms::Instant;

use crate::calls::{answer_of, form_text, unescape};
use crate::config::split_url;
use crate::error::WalletError;
use crate::outcome::CommandResult;
use crate::system;
use crate::wallet::Wallet;

/// Most requests of one issuance: metadata twice, token, nonce, credential, both again once, keys.
const STEPS_MAX: usize = 12;
const FORM: &str = "application/x-www-form-urlencoded";

/// A credential that was received and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its type.
    pub credential_type: String,
    /// Who issued it.
    pub issuer: String,
    /// How many claims it holds.
    pub held_count: usize,
    /// Until when it is valid.
    pub expires_at: Instant,
    /// Where it is kept.
    pub path: PathBuf,
}

impl CommandResult for Received {
    fn text(&self) -> String {
        format!(
            "received {} from {}: {} claims, valid until {}\nkept in {}",
            self.credential_type,
            self.issuer,
            self.held_count,
            self.expires_at,
            self.path.display()
        )
    }

    fn json(&self) -> Value {
        json!({
            "credential_type": self.credential_type,
            "issuer": self.issuer,
            "claims": self.held_count,
            "expires_at": self.expires_at.to_string(),
            "file": self.path,
        })
    }
}

impl Wallet {
    /// Fetches the credential of an offer: an `openid-credential-offer://` link or the offer's
    /// JSON. The issuer must be one of the directory's.
    pub async fn receive(
        &self,
        offer: &str,
        transaction_code: Option<String>,
    ) -> Result<Received, WalletError> {
        let offer = read_offer(offer)?;
        let number = self.config.holder_number(&offer.issuer).ok_or_else(|| {
            let issuer = offer.issuer.chars().take(100).collect::<String>();
            WalletError::not_taken("offer", format!("`{issuer}` is no issuer of `wallet.json`"))
        })?;
        let by = offer.issuer.clone();
        let key = self.keys.holder_key(number)?;
        let refused = |error| WalletError::answer(&by, error);
        let (mut machine, mut effect) =
            IssuanceWallet::start(offer, transaction_code).map_err(refused)?;
        for _ in 0..STEPS_MAX {
            let answer = self.carry_out(&by, &effect).await?;
            let answer = Answer { status: answer.status, body: &answer.body };
            let context = WalletContext { key: &key, now: system::now() };
            match machine.advance(answer, context).map_err(refused)? {
                Progress::Do(next) => effect = next,
                Progress::Done(held) => {
                    let path = self.folder.keep_credential(&held)?;
                    return Ok(Received {
                        credential_type: held.open().credential_type.clone(),
                        issuer: held.open().issuer.clone(),
                        held_count: held.selective_count(),
                        expires_at: held.open().expires_at,
                        path,
                    });
                }
            }
        }
        Err(WalletError::answer(&by, format!("no credential after {STEPS_MAX} requests")))
    }

    async fn carry_out(
        &self,
        issuer: &str,
        effect: &Effect,
    ) -> Result<client::Answer, WalletError> {
        let (Effect::Get { url }
        | Effect::PostForm { url, .. }
        | Effect::PostNothing { url }
        | Effect::PostJson { url, .. }) = effect;
        let (base, target) = split_url(url)
            .ok_or_else(|| WalletError::not_taken("issuer's address", format!("got `{url}`")))?;
        let peer = Peer::unverified(base)
            .map_err(|error| WalletError::not_taken("issuer's address", error))?;
        let request = match effect {
            Effect::Get { .. } => Outgoing::get(target),
            Effect::PostForm { form, .. } => Outgoing::post(target, FORM, form_text(form)),
            Effect::PostNothing { .. } => Outgoing::post(target, FORM, ""),
            Effect::PostJson { bearer, body, .. } => {
                Outgoing::post(target, api::wire::JSON, body.clone()).with_bearer(bearer)
            }
        };
        answer_of(issuer, self.client.send_foreign(&peer, request).await)
    }
}

/// Reads an offer, by value only: an offer by reference would send us to fetch from anybody.
fn read_offer(text: &str) -> Result<CredentialOffer, WalletError> {
    const LINK: &str = "openid-credential-offer://";
    let text = text.trim();
    let json = match text.strip_prefix(LINK) {
        None => text.to_owned(),
        Some(rest) => rest
            .trim_start_matches(['/', '?'])
            .split('&')
            .find_map(|pair| pair.strip_prefix("credential_offer="))
            .and_then(unescape)
            .ok_or_else(|| {
                WalletError::not_taken("offer", "expected `credential_offer` by value")
            })?,
    };
    CredentialOffer::read(json.as_bytes()).map_err(|error| WalletError::not_taken("offer", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_reads_as_link_and_as_json() {
        let offer = CredentialOffer {
            issuer: "http://localhost:7003/register-nl".to_owned(),
            configuration_ids: vec!["urn:x".to_owned()],
            code: "c + %".to_owned(),
            transaction_code: None,
        };
        assert_eq!(read_offer(&offer.to_uri()).unwrap(), offer);
        assert_eq!(read_offer(&offer.to_json().to_string()).unwrap(), offer);
        for bad in ["", "openid-credential-offer://?credential_offer_uri=http%3A%2F%2Fx", "{}"] {
            assert!(read_offer(bad).is_err(), "{bad}");
        }
    }
}
