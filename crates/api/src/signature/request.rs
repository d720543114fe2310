//! Signed requests.

use std::collections::BTreeSet;

use seal::SigningKey;
use terms::Instant;

use super::base::{Params, content_digest, line, read_signature, signature_base, signature_header};
use super::{LABEL, Nonce, Rejection, SignatureHeaders, Unsignable, WINDOW, WINDOW_AHEAD};
use crate::caller::{Caller, Callers};
use crate::replay::{ReplayCache, ReplayRefusal};

/// What of a request is signed, besides its body.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// `GET`, `POST` …
    pub method: &'a str,
    /// Host and port as in `Host`, lower case, without the scheme's own port.
    pub authority: &'a str,
    /// Absolute path, as sent; `/` if empty.
    pub path: &'a str,
    /// What follows `?`, as sent. An empty query is refused: the base cannot tell it from none.
    pub query: Option<&'a str>,
    /// Present exactly when the request has a body.
    pub content_type: Option<&'a str>,
}

impl RequestParts<'_> {
    /// The components in the one order of the profile.
    pub(super) fn components(
        &self,
        digest: Option<&str>,
    ) -> Result<Vec<(&'static str, String)>, Unsignable> {
        self.check()?;
        let mut list = vec![
            ("\"@method\"", line("@method", self.method)?),
            ("\"@authority\"", line("@authority", self.authority)?),
            ("\"@path\"", line("@path", self.path)?),
            ("\"@query\"", line("@query", &format!("?{}", self.query.unwrap_or_default()))?),
        ];
        match (self.content_type, digest) {
            (Some(kind), Some(digest)) => {
                list.push(("\"content-type\"", line("content-type", kind)?));
                list.push(("\"content-digest\"", line("content-digest", digest)?));
            }
            (None, None) => {}
            (kind, _) => {
                return Err(Unsignable {
                    component: "content-type",
                    expected: "a content-type with a body, and none without",
                    got: kind.unwrap_or("none").to_owned(),
                });
            }
        }
        Ok(list)
    }

    fn check(&self) -> Result<(), Unsignable> {
        let bad = |component, expected, got: &str| {
            Err(Unsignable { component, expected, got: got.chars().take(64).collect() })
        };
        if self.method.is_empty() || !self.method.bytes().all(|b| b.is_ascii_uppercase()) {
            return bad("@method", "an upper-case method", self.method);
        }
        let lower = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b'@';
        if self.authority.is_empty() || !self.authority.bytes().all(lower) {
            return bad("@authority", "a lower-case host and port", self.authority);
        }
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            return bad("@path", "an absolute path", self.path);
        }
        if self.query.is_some_and(|query| query.is_empty() || query.contains('#')) {
            return bad("@query", "a query with something in it, or none", "");
        }
        Ok(())
    }
}

/// Signs a request at `now`, with a nonce drawn for it alone.
pub fn sign_request(
    parts: &RequestParts<'_>,
    body: &[u8],
    key: &SigningKey,
    now: Instant,
    nonce: Nonce,
) -> Result<SignatureHeaders, Unsignable> {
    let digest = digest_of(body);
    let components = parts.components(digest.as_deref())?;
    let params = Params { created: now, key: key.key_id(), nonce: Some(nonce) }.text(&components);
    let signature = key.sign_bare(&signature_base(&components, &params));
    Ok(SignatureHeaders {
        content_digest: digest,
        signature_input: format!("{LABEL}={params}"),
        signature: signature_header(&signature),
    })
}

/// Against what a request is checked.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance<'a> {
    /// Who may call.
    pub callers: &'a Callers,
    /// The authorities served here.
    pub audience: &'a BTreeSet<String>,
    /// The clock.
    pub now: Instant,
}

/// Checks a signed request and takes its nonce: accepted once, by one server, in its window.
///
/// The nonce is taken last, so that only a caller who can sign fills the cache.
pub fn verify_request(
    parts: &RequestParts<'_>,
    headers: &SignatureHeaders,
    body: &[u8],
    acceptance: &Acceptance<'_>,
    cache: &mut ReplayCache,
) -> Result<Caller, Rejection> {
    if !acceptance.audience.contains(parts.authority) {
        let got = parts.authority.chars().take(64).collect();
        return Err(Rejection::OtherAuthority { got });
    }
    if headers.content_digest != digest_of(body) {
        return Err(Rejection::DigestMismatch);
    }
    let components = parts.components(headers.content_digest.as_deref())?;
    let (params, nonce) = read_params(&components, &headers.signature_input)?;
    check_window(params.created, acceptance.now, cache.since())?;
    let signature = read_signature(&headers.signature)?;
    let caller =
        acceptance.callers.find(&params.key).ok_or(Rejection::UnknownKey { key: params.key })?;
    caller
        .key()
        .verify_bare(&signature_base(&components, &params.text(&components)), &signature)
        .map_err(|_| Rejection::BadSignature)?;
    cache.take(params.key, nonce, params.created.plus(WINDOW), acceptance.now).map_err(
        |refusal| match refusal {
            ReplayRefusal::Seen => Rejection::Replayed,
            ReplayRefusal::Full => Rejection::TooMany,
        },
    )?;
    Ok(caller.clone())
}

fn digest_of(body: &[u8]) -> Option<String> {
    (!body.is_empty()).then(|| content_digest(body))
}

fn read_params(
    components: &[(&'static str, String)],
    header: &str,
) -> Result<(Params, Nonce), Rejection> {
    if let Some(params) = Params::read(header)
        && let Some(nonce) = params.nonce
        && header == format!("{LABEL}={}", params.text(components))
    {
        return Ok((params, nonce));
    }
    let list: Vec<&str> = components.iter().map(|(identifier, _)| *identifier).collect();
    Err(Rejection::Malformed {
        header: "signature-input",
        expected: format!(
            "{LABEL}=({});created=…;nonce=\"…\";keyid=\"…\";alg=\"ed25519\";tag=\"{}\"",
            list.join(" "),
            super::TAG
        ),
    })
}

fn check_window(created: Instant, now: Instant, since: Instant) -> Result<(), Rejection> {
    if created.since(now) > WINDOW_AHEAD || now.since(created) > WINDOW {
        return Err(Rejection::OutsideWindow { created, now });
    }
    if created.seconds() < since.seconds() {
        return Err(Rejection::BeforeStart { created, since });
    }
    Ok(())
}
