//! Signed answers: who answered, bound to the request that was asked.

use seal::{PublicKey, SigningKey};
use terms::Instant;

use super::base::{Params, content_digest, line, read_signature, signature_base, signature_header};
use super::{LABEL, Rejection, RequestParts, SignatureHeaders, Unsignable};

/// What of an answer is signed, besides its body.
#[derive(Clone, Copy, Debug)]
pub struct AnswerParts<'a> {
    /// HTTP status.
    pub status: u16,
    /// Media type, if the answer has one.
    pub content_type: Option<&'a str>,
    /// The request it answers.
    pub request: RequestParts<'a>,
    /// That request's `Signature` header, if it was signed: it holds the nonce and the body.
    pub request_signature: Option<&'a str>,
}

impl AnswerParts<'_> {
    fn components(&self, digest: &str) -> Result<Vec<(&'static str, String)>, Unsignable> {
        let query = format!("?{}", self.request.query.unwrap_or_default());
        let mut list = vec![
            ("\"@status\"", self.status.to_string()),
            ("\"content-digest\"", line("content-digest", digest)?),
        ];
        if let Some(kind) = self.content_type {
            list.push(("\"content-type\"", line("content-type", kind)?));
        }
        list.push(("\"@method\";req", line("@method", self.request.method)?));
        list.push(("\"@authority\";req", line("@authority", self.request.authority)?));
        list.push(("\"@path\";req", line("@path", self.request.path)?));
        list.push(("\"@query\";req", line("@query", &query)?));
        if let Some(signature) = self.request_signature {
            list.push(("\"signature\";req", line("signature", signature)?));
        }
        Ok(list)
    }
}

/// Signs an answer at `now`.
pub fn sign_answer(
    parts: &AnswerParts<'_>,
    body: &[u8],
    key: &SigningKey,
    now: Instant,
) -> Result<SignatureHeaders, Unsignable> {
    let digest = content_digest(body);
    let components = parts.components(&digest)?;
    let params = Params { created: now, key: key.key_id(), nonce: None }.text(&components);
    let signature = key.sign_bare(&signature_base(&components, &params));
    Ok(SignatureHeaders {
        content_digest: Some(digest),
        signature_input: format!("{LABEL}={params}"),
        signature: signature_header(&signature),
    })
}

/// Checks that `key` gave this answer to this request. Freshness comes from the request's nonce;
/// an answer to an unsigned request may be an old one.
pub fn verify_answer(
    parts: &AnswerParts<'_>,
    headers: &SignatureHeaders,
    body: &[u8],
    key: &PublicKey,
) -> Result<(), Rejection> {
    let digest = content_digest(body);
    if headers.content_digest.as_deref() != Some(&digest) {
        return Err(Rejection::DigestMismatch);
    }
    let components = parts.components(&digest)?;
    let params = Params::read(&headers.signature_input)
        .filter(|params| params.nonce.is_none())
        .filter(|params| headers.signature_input == format!("{LABEL}={}", params.text(&components)))
        .ok_or_else(|| Rejection::Malformed {
            header: "signature-input",
            expected: format!("{LABEL}=(\"@status\" …);created=…;keyid=\"…\""),
        })?;
    if params.key != key.key_id() {
        return Err(Rejection::UnknownKey { key: params.key });
    }
    let signature = read_signature(&headers.signature)?;
    key.verify_bare(&signature_base(&components, &params.text(&components)), &signature)
        .map_err(|_| Rejection::BadSignature)
}
