//! `affinidi-sd-jwt`: disclosures, their digests, and the resolution of RFC 9901 section 7.1.
//!
//! Its issuer is not used (it draws its own salts and writes another `typ`), nor its verifier
//! (signatures are `seal`'s). What is used is the part that is easy to get wrong: digests that
//! stand twice, disclosures that nothing refers to, names that collide.

use affinidi_sd_jwt::SdHasher;
use affinidi_sd_jwt::disclosure::Disclosure as Inner;
use affinidi_sd_jwt::holder::resolve_claims;
use seal::sha256;
use seal::text::{from_base64url, to_base64url};
use serde_json::{Map, Value};

/// The digest algorithm's name in `_sd_alg`.
pub(crate) const SD_ALGORITHM: &str = "sha-256";

/// One disclosure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Disclosure(Inner);

/// SHA-256 by `seal`, so that this crate's own dependency computes nothing that we rely on.
struct SealHasher;

impl SdHasher for SealHasher {
    fn alg_name(&self) -> &'static str {
        SD_ALGORITHM
    }

    fn hash(&self, input: &[u8]) -> Vec<u8> {
        sha256(input).as_bytes().to_vec()
    }
}

impl Disclosure {
    /// The disclosure of a member `name` of an object under a salt of 16 bytes.
    pub(crate) fn of_member(salt: &[u8; 16], name: &str, value: Value) -> Result<Self, String> {
        Inner::new_claim_with_salt(&to_base64url(salt), name, value, &SealHasher)
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// Reads a disclosure as it stands between two tildes.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let bytes = from_base64url(text).ok_or("a disclosure is not base64url")?;
        // The library's own reader takes the last of two equal keys; ours refuses them.
        crate::json::read(&bytes).map_err(|error| error.to_string())?;
        Inner::parse(text, &SealHasher).map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.serialized
    }

    pub(crate) fn digest(&self) -> &str {
        &self.0.digest
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0.claim_value
    }

    /// The member's name; `None` for an element of an array.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.claim_name.as_deref()
    }
}

/// The claims with every given disclosure put in its place (RFC 9901 section 7.1, steps 3 to 5).
pub(crate) fn resolve(
    payload: &Map<String, Value>,
    disclosures: &[Disclosure],
) -> Result<Map<String, Value>, String> {
    let inner: Vec<Inner> = disclosures.iter().map(|disclosure| disclosure.0.clone()).collect();
    let claims = resolve_claims(&Value::Object(payload.clone()), &inner)
        .map_err(|error| error.to_string())?;
    crate::json::into_object(claims).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use affinidi_sd_jwt::Sha256Hasher;

    use super::*;

    #[test]
    fn our_hasher_and_the_librarys_agree() {
        assert_eq!(SealHasher.hash_b64(b"abc"), Sha256Hasher.hash_b64(b"abc"));
    }

    #[test]
    fn a_disclosure_with_a_repeated_key_is_refused() {
        let twice = to_base64url(br#"["AAAAAAAAAAAAAAAAAAAAAA","a",{"b":1,"b":2}]"#);
        assert!(Disclosure::read(&twice).is_err());
        let once = to_base64url(br#"["AAAAAAAAAAAAAAAAAAAAAA","a",{"b":1}]"#);
        assert_eq!(Disclosure::read(&once).unwrap().name(), Some("a"));
    }
}
