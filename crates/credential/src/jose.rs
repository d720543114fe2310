//! Compact JWTs with ES256 and nothing else (RFC 7515, 7518, 7519, 7638).
//!
//! One algorithm is allowed, named by us and never by the token: `none`, HMAC, other curves and
//! `crit` are refused before a key is looked at. Everything is read from the exact text received.

use seal::text::{from_base64url, to_base64url};
use seal::{Digest, Es256PublicKey, Es256SigningKey, sha256};
use serde_json::{Map, Value, json};
use terms::Instant;
use thiserror::Error;

use crate::json::{self, read_object};

/// The one algorithm.
pub const ALGORITHM: &str = "ES256";
/// The longest JWT read, in bytes: a credential of 40 digests takes about 4 KiB; a status list of
/// one million entries stays below 200 KiB.
pub const JWT_BYTES_MAX: usize = 256 * 1024;

/// Why text is not a JWT that we accept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JwtError {
    /// Longer than [`JWT_BYTES_MAX`].
    #[error("expected a JWT of at most {JWT_BYTES_MAX} bytes, got {got}")]
    TooLarge {
        /// How many bytes came.
        got: usize,
    },
    /// Not three base64url parts, or a part that is not a JSON object.
    #[error("expected a compact JWT: {reason}")]
    Malformed {
        /// Which part, and why.
        reason: String,
    },
    /// Another algorithm, or a critical extension that we do not know.
    #[error("expected `alg` `{ALGORITHM}` without `crit`, got `{got}`")]
    AlgorithmNotAllowed {
        /// What the header says.
        got: String,
    },
    /// Another kind of JWT.
    #[error("expected `typ` `{expected}`, got `{got}`")]
    WrongType {
        /// What was expected.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// The signature does not fit.
    #[error("the signature does not fit the key and the bytes")]
    BadSignature,
    /// A claim is missing or of another type.
    #[error("expected claim `{name}` to be {expected}")]
    BadClaim {
        /// The claim.
        name: &'static str,
        /// What it should be, in words.
        expected: &'static str,
    },
    /// A JWK that is not a public P-256 key.
    #[error("expected a public JWK on P-256")]
    BadKey,
}

/// A JWT taken apart; its signature is not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedJwt {
    text: String,
    header: Map<String, Value>,
    payload: Map<String, Value>,
    signature: Vec<u8>,
}

/// The header and payload of a JWT whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedJwt {
    /// The header.
    pub header: Map<String, Value>,
    /// The claims.
    pub payload: Map<String, Value>,
}

impl UnverifiedJwt {
    /// Takes a JWT apart and refuses every algorithm but ES256 and every `typ` but `expected`.
    pub fn read(text: &str, expected: &'static str) -> Result<Self, JwtError> {
        if text.len() > JWT_BYTES_MAX {
            return Err(JwtError::TooLarge { got: text.len() });
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("three parts", "got another number"));
        };
        let jwt = Self {
            header: object_of(header, "header")?,
            payload: object_of(payload, "payload")?,
            signature: from_base64url(signature)
                .ok_or_else(|| malformed("signature", "not base64url"))?,
            text: text.to_owned(),
        };
        jwt.check_header(expected)?;
        Ok(jwt)
    }

    fn check_header(&self, expected: &'static str) -> Result<(), JwtError> {
        let algorithm = json::text(&self.header, "alg").unwrap_or("");
        if algorithm != ALGORITHM || self.header.contains_key("crit") {
            let got = algorithm.chars().take(64).collect();
            return Err(JwtError::AlgorithmNotAllowed { got });
        }
        let typ = json::text(&self.header, "typ").unwrap_or("");
        if typ == expected {
            return Ok(());
        }
        Err(JwtError::WrongType { expected, got: typ.chars().take(64).collect() })
    }

    /// Checks the signature.
    pub fn verify(self, key: &Es256PublicKey) -> Result<VerifiedJwt, JwtError> {
        let (input, _) = self.text.rsplit_once('.').ok_or(JwtError::BadSignature)?;
        key.verify(input.as_bytes(), &self.signature).map_err(|_| JwtError::BadSignature)?;
        Ok(VerifiedJwt { header: self.header, payload: self.payload })
    }

    /// The `kid` of the header, a hint for finding the key.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        json::text(&self.header, "kid")
    }

    /// The header, nothing of which is proved yet.
    #[must_use]
    pub const fn claimed_header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims, none of which is proved yet.
    #[must_use]
    pub const fn claimed(&self) -> &Map<String, Value> {
        &self.payload
    }
}

/// Signs header and payload as a compact JWT; `alg` is set here.
#[must_use]
pub fn sign(
    key: &Es256SigningKey,
    mut header: Map<String, Value>,
    payload: &Map<String, Value>,
) -> String {
    header.insert("alg".to_owned(), ALGORITHM.into());
    // Writing a `Value` as text cannot fail: all keys are strings.
    let part =
        |object: Map<String, Value>| to_base64url(Value::Object(object).to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(payload.clone()));
    let signature = key.sign(input.as_bytes());
    format!("{input}.{}", to_base64url(&signature.0))
}

/// The public JWK of a key.
#[must_use]
pub fn jwk_of(key: &Es256PublicKey) -> Value {
    json!({ "kty": "EC", "crv": "P-256", "x": to_base64url(key.x()), "y": to_base64url(key.y()) })
}

/// Reads a public JWK on P-256. A private one is refused: whoever sends it has lost it.
pub fn key_of(jwk: &Value) -> Result<Es256PublicKey, JwtError> {
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    if member("kty") != Some("EC") || member("crv") != Some("P-256") || jwk.get("d").is_some() {
        return Err(JwtError::BadKey);
    }
    let coordinate = |name: &str| member(name).and_then(from_base64url).ok_or(JwtError::BadKey);
    Es256PublicKey::from_coordinates(&coordinate("x")?, &coordinate("y")?)
        .map_err(|_| JwtError::BadKey)
}

/// The JWK thumbprint (RFC 7638): SHA-256 over the required members in lexical order.
#[must_use]
pub fn thumbprint(key: &Es256PublicKey) -> Digest {
    let (x, y) = (to_base64url(key.x()), to_base64url(key.y()));
    sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes())
}

/// The text claim `name`.
pub fn text_claim<'a>(
    payload: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, JwtError> {
    json::text(payload, name)
        .filter(|text| !text.is_empty())
        .ok_or(JwtError::BadClaim { name, expected: "a text that is not empty" })
}

/// The moment claim `name` (NumericDate in whole seconds).
pub fn moment_claim(payload: &Map<String, Value>, name: &'static str) -> Result<Instant, JwtError> {
    optional_moment(payload, name)?
        .ok_or(JwtError::BadClaim { name, expected: "seconds since 1970" })
}

/// The moment claim `name`, if it is there; a claim of another type is refused.
pub fn optional_moment(
    payload: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Instant>, JwtError> {
    let Some(value) = payload.get(name) else { return Ok(None) };
    let seconds =
        value.as_u64().ok_or(JwtError::BadClaim { name, expected: "seconds since 1970" })?;
    Ok(Some(Instant::from_seconds(seconds)))
}

fn object_of(part: &str, which: &'static str) -> Result<Map<String, Value>, JwtError> {
    let bytes = from_base64url(part).ok_or_else(|| malformed(which, "not base64url"))?;
    read_object(&bytes).map_err(|error| malformed(which, &error.reason))
}

fn malformed(which: &str, reason: &str) -> JwtError {
    JwtError::Malformed { reason: format!("{which}: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Es256SigningKey {
        Es256SigningKey::from_scalar(&[9; 32]).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        crate::json::into_object(value).unwrap()
    }

    fn unsigned(header: &Value) -> String {
        format!("{}.{}.", to_base64url(header.to_string().as_bytes()), to_base64url(b"{}"))
    }

    #[test]
    fn a_signed_jwt_verifies_under_its_key_only() {
        let text = sign(&key(), object(json!({"typ": "a+jwt"})), &object(json!({"x": 1})));
        let read = UnverifiedJwt::read(&text, "a+jwt").unwrap();
        assert_eq!(read.clone().verify(&key().public_key()).unwrap().payload["x"], 1);
        let other = Es256SigningKey::from_scalar(&[8; 32]).unwrap().public_key();
        assert_eq!(read.verify(&other), Err(JwtError::BadSignature));
        assert!(matches!(UnverifiedJwt::read(&text, "b+jwt"), Err(JwtError::WrongType { .. })));
    }

    #[test]
    fn other_algorithms_and_critical_extensions_are_refused() {
        for header in [
            json!({"alg": "none", "typ": "a"}),
            json!({"alg": "HS256", "typ": "a"}),
            json!({"alg": "es256", "typ": "a"}),
            json!({"typ": "a"}),
            json!({"alg": "ES256", "typ": "a", "crit": ["b64"]}),
        ] {
            assert!(
                matches!(
                    UnverifiedJwt::read(&unsigned(&header), "a"),
                    Err(JwtError::AlgorithmNotAllowed { .. })
                ),
                "{header}"
            );
        }
    }

    #[test]
    fn the_thumbprint_is_over_the_lexical_form() {
        let key = key().public_key();
        let read = key_of(&jwk_of(&key)).unwrap();
        assert_eq!(thumbprint(&read), thumbprint(&key));
        let mut private = jwk_of(&key);
        private["d"] = "AA".into();
        assert_eq!(key_of(&private), Err(JwtError::BadKey));
    }
}
