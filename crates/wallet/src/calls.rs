//! Calls to peers: signed, and each answer that is not the expected document an error by name.

use client::{Answer, Outcome, Outgoing, Peer};
use minicbor::{Decode, Encode};
use seal::{from_canonical, to_canonical};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{PeerEntry, split_url};
use crate::error::WalletError;
use crate::wallet::Wallet;

/// The media type of a direct post (OpenID4VP 1.0 section 8.2).
const FORM: &str = "application/x-www-form-urlencoded";

impl Wallet {
    pub(crate) async fn send(&self, to: &PeerEntry, request: Outgoing<'_>) -> Outcome {
        let peer = match Peer::signing(&to.url, to.key) {
            Ok(peer) => peer,
            Err(error) => {
                let reason = error.to_string();
                return Outcome::NotDone(client::NotDone::Unsendable { reason });
            }
        };
        self.client.send(&peer, request, &self.request_key).await
    }

    async fn answer(&self, to: &PeerEntry, request: Outgoing<'_>) -> Result<Answer, WalletError> {
        answer_of(&to.name, self.send(to, request).await)
    }

    /// Posts a document and reads one.
    pub(crate) async fn post<Q, A>(
        &self,
        to: &PeerEntry,
        target: &str,
        document: &Q,
    ) -> Result<A, WalletError>
    where
        Q: Encode<()>,
        A: Encode<()> + for<'b> Decode<'b, ()>,
    {
        let request = Outgoing::post(target, api::wire::CBOR, to_canonical(document));
        read_document(to, &self.answer(to, request).await?)
    }

    /// Gets a document.
    pub(crate) async fn get<A>(&self, to: &PeerEntry, target: &str) -> Result<A, WalletError>
    where
        A: Encode<()> + for<'b> Decode<'b, ()>,
    {
        read_document(to, &self.answer(to, Outgoing::get(target)).await?)
    }

    /// Posts a document and hands back the answer's bytes.
    pub(crate) async fn post_for_bytes<Q: Encode<()>>(
        &self,
        to: &PeerEntry,
        target: &str,
        document: &Q,
    ) -> Result<Vec<u8>, WalletError> {
        let request = Outgoing::post(target, api::wire::CBOR, to_canonical(document));
        Ok(self.answer(to, request).await?.body.to_vec())
    }

    /// Posts a form and reads JSON.
    pub(crate) async fn post_form<A: DeserializeOwned + Serialize>(
        &self,
        to: &PeerEntry,
        target: &str,
        form: &[(&str, &str)],
    ) -> Result<A, WalletError> {
        let request = Outgoing::post(target, FORM, form_text(form));
        let answer = self.answer(to, request).await?;
        api::json::read_json(&answer.body).map_err(|error| WalletError::answer(&to.name, error))
    }
}

/// The path of `uri` on `peer`; refused when it lies elsewhere.
pub(crate) fn target_on<'a>(peer: &PeerEntry, uri: &'a str) -> Result<&'a str, WalletError> {
    let base = peer.url.trim_end_matches('/');
    split_url(uri).filter(|(found, _)| *found == base).map(|(_, target)| target).ok_or_else(|| {
        WalletError::not_taken(
            "response address",
            format!(
                "expected one of `{base}`, got `{}`",
                uri.chars().take(100).collect::<String>()
            ),
        )
    })
}

fn read_document<A>(from: &PeerEntry, answer: &Answer) -> Result<A, WalletError>
where
    A: Encode<()> + for<'b> Decode<'b, ()>,
{
    from_canonical(&answer.body).map_err(|error| WalletError::answer(&from.name, error))
}

/// The answer of an outcome, or the error that it is.
pub(crate) fn answer_of(by: &str, outcome: Outcome) -> Result<Answer, WalletError> {
    match outcome {
        Outcome::Answer(answer) => Ok(answer),
        Outcome::Refused(problem) => {
            Err(WalletError::Refused { by: by.to_owned(), problem: Box::new(problem) })
        }
        Outcome::NotDone(error) => Err(error.into()),
        Outcome::Unknown(error) => Err(error.into()),
    }
}

/// A form (`application/x-www-form-urlencoded`), every reserved byte escaped.
pub(crate) fn form_text<K: AsRef<str>, V: AsRef<str>>(form: &[(K, V)]) -> String {
    let pair =
        |(name, value): &(K, V)| format!("{}={}", escape(name.as_ref()), escape(value.as_ref()));
    form.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn escape(text: &str) -> String {
    let one = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(one).collect()
}

/// Undoes percent-encoding; `None` when it is malformed or not UTF-8.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (pair, after) = rest.split_at_checked(2)?;
                let pair = core::str::from_utf8(pair).ok()?.to_ascii_lowercase();
                bytes.extend(seal::text::from_hex(&pair)?);
                rest = after;
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_escaped_and_read_back() {
        let text = form_text(&[("vp_token", "{\"a b\":[\"x~y+z\"]}")]);
        assert_eq!(text, "vp_token=%7B%22a%20b%22%3A%5B%22x~y%2Bz%22%5D%7D");
        let value = text.split_once('=').unwrap().1;
        assert_eq!(unescape(value).as_deref(), Some("{\"a b\":[\"x~y+z\"]}"));
        assert_eq!((unescape("%4"), unescape("%zz"), unescape("%ff")), (None, None, None));
    }

    #[test]
    fn a_response_address_elsewhere_is_refused() {
        let peer = crate::fixtures::config().core;
        assert_eq!(target_on(&peer, &format!("{}/v1/x", peer.url)).unwrap(), "/v1/x");
        for elsewhere in ["http://other:1/v1/x", "http://localhost:70000/x", "https://a/x"] {
            assert!(target_on(&peer, elsewhere).is_err(), "{elsewhere}");
        }
    }
}
