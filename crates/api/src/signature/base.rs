//! The signature base (RFC 9421 section 2.5) and the content digest (RFC 9530).

use seal::{KeyId, Signature, sha256};
use terms::Instant;

use super::{LABEL, Nonce, Rejection, TAG, Unsignable};

/// The bytes that are signed: one line per component, then the parameters, no final newline.
///
/// `components` are serialised identifiers (`"@method"`, `"@path";req`) with their values.
#[must_use]
pub fn signature_base(components: &[(&str, String)], params: &str) -> Vec<u8> {
    let mut base = String::new();
    for (identifier, value) in components {
        base.push_str(identifier);
        base.push_str(": ");
        base.push_str(value);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(params);
    base.into_bytes()
}

/// The `Content-Digest` of a body: `sha-256=:<base64>:`.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", seal::text::to_base64(sha256(body).as_bytes()))
}

/// What the parameters of one signature say beyond the fixed profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Params {
    /// When it was signed, whole seconds.
    pub(super) created: Instant,
    /// By which key.
    pub(super) key: KeyId,
    /// Absent in answers: those are bound to the request they answer.
    pub(super) nonce: Option<Nonce>,
}

impl Params {
    /// The inner list with parameters, in the one order of the profile.
    pub(super) fn text(&self, components: &[(&str, String)]) -> String {
        let list: Vec<&str> = components.iter().map(|(identifier, _)| *identifier).collect();
        let nonce = self
            .nonce
            .map(|nonce| format!(";nonce=\"{}\"", seal::text::to_hex(&nonce.0)))
            .unwrap_or_default();
        format!(
            "({});created={}{nonce};keyid=\"{}\";alg=\"ed25519\";tag=\"{TAG}\"",
            list.join(" "),
            self.created.seconds(),
            self.key
        )
    }

    /// Reads `Signature-Input`. Lenient in nothing: the caller writes it again and compares.
    pub(super) fn read(header: &str) -> Option<Self> {
        let params = header.split_once(')')?.1;
        let field = |name: &str| {
            params.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let quoted =
            |name: &str| field(name).and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
        let nonce = match quoted("nonce") {
            None => None,
            Some(text) => Some(Nonce(seal::text::from_hex_array(text)?)),
        };
        Some(Self {
            created: Instant::from_seconds(field("created")?.parse().ok()?),
            key: quoted("keyid")?.parse().ok()?,
            nonce,
        })
    }
}

/// Writes the signature as `Signature` has it.
pub(super) fn signature_header(signature: &Signature) -> String {
    format!("{LABEL}=:{}:", seal::text::to_base64(signature.as_bytes()))
}

/// Reads the signature from `Signature`.
pub(super) fn read_signature(header: &str) -> Result<Signature, Rejection> {
    header
        .strip_prefix(LABEL)
        .and_then(|rest| rest.strip_prefix("=:")?.strip_suffix(':'))
        .and_then(seal::text::from_base64)
        .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
        .map(Signature::from_bytes)
        .ok_or_else(|| Rejection::Malformed {
            header: "signature",
            expected: format!("{LABEL}=:<base64 of 64 bytes>:"),
        })
}

/// A value that may stand in one line of the base: visible ASCII, inner spaces where allowed.
pub(super) fn line(component: &'static str, value: &str) -> Result<String, Unsignable> {
    let spaces = matches!(component, "content-type");
    let fits = |b: u8| b.is_ascii_graphic() || (spaces && b == b' ');
    if value.bytes().all(fits) && value.trim() == value && value.len() <= LINE_BYTES_MAX {
        return Ok(value.to_owned());
    }
    Err(Unsignable {
        component,
        expected: "at most 8192 visible ASCII characters",
        got: value.chars().filter(|c| !c.is_control()).take(64).collect(),
    })
}

/// Bytes of one component: longer than any target of ours.
const LINE_BYTES_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use seal::{PublicKey, SigningKey, text::from_base64url};

    use super::*;

    #[test]
    fn rfc_9421_b_2_6_ed25519_vector() {
        let text = |s: &str| s.to_owned();
        let components = [
            ("\"date\"", text("Tue, 20 Apr 2021 02:07:55 GMT")),
            ("\"@method\"", text("POST")),
            ("\"@path\"", text("/foo")),
            ("\"@authority\"", text("example.com")),
            ("\"content-type\"", text("application/json")),
            ("\"content-length\"", text("18")),
        ];
        let params = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
                      \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
        let base = signature_base(&components, params);
        let key = |s| <[u8; 32]>::try_from(from_base64url(s).unwrap()).unwrap();
        let public = PublicKey::from_bytes(key("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"));
        let signing = SigningKey::from_seed(&key("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"));
        assert_eq!(signing.public_key(), public);
        let expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w\
                        6vuQv5lIp5WPpBKRCw==";
        let signature = signing.sign_bare(&base);
        assert_eq!(seal::text::to_base64(signature.as_bytes()), expected);
        assert_eq!(public.verify_bare(&base, &signature), Ok(()));
    }

    #[test]
    fn the_digest_of_the_rfc_9530_example() {
        let digest = content_digest(b"{\"hello\": \"world\"}\n");
        assert_eq!(digest, "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    }
}
