//! The headers that carry a signature.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Rejection;

/// `Content-Digest`, `Signature-Input` and `Signature` of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// Of the body; absent when a request has none.
    pub content_digest: Option<String>,
    /// What is covered, when, by whom.
    pub signature_input: String,
    /// The signature.
    pub signature: String,
}

impl SignatureHeaders {
    /// Takes them from a message; each may come once only.
    pub fn read(map: &HeaderMap) -> Result<Self, Rejection> {
        Ok(Self {
            content_digest: single(map, "content-digest")?,
            signature_input: single(map, "signature-input")?
                .ok_or(Rejection::Missing { header: "signature-input" })?,
            signature: single(map, "signature")?
                .ok_or(Rejection::Missing { header: "signature" })?,
        })
    }

    /// Puts them into a message, over whatever stood there.
    pub fn write(&self, map: &mut HeaderMap) {
        let mut put = |name: &'static str, value: &str| {
            // INVARIANT (HeadersAreAscii): these are made of base64, hex and fixed text.
            if let Ok(value) = HeaderValue::from_str(value) {
                map.insert(HeaderName::from_static(name), value);
            }
        };
        if let Some(digest) = &self.content_digest {
            put("content-digest", digest);
        }
        put("signature-input", &self.signature_input);
        put("signature", &self.signature);
    }
}

/// A header that may come once only.
pub fn single(map: &HeaderMap, name: &'static str) -> Result<Option<String>, Rejection> {
    let mut values = map.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Rejection::Repeated { header: name });
    }
    let text = value
        .to_str()
        .map_err(|_| Rejection::Malformed { header: name, expected: "visible ASCII".to_owned() })?;
    Ok(Some(text.to_owned()))
}
