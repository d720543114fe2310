//! Which crate of ours may depend on which kind of library.
//!
//! A cryptographic primitive reaches the product through `seal` alone, identity libraries through
//! `credential::adapters`, the policy engine through `policy`, and the outside world at rank 5.
//! Tests may use a second implementation as a check on the first.

use crate::finding::Finding;
use crate::ranks::{EDGE_RANK, rank_of};
use crate::source::code_only;
use crate::workspace::{Crate, SourceFile};

/// Libraries that compute a cryptographic primitive.
const PRIMITIVES: [&str; 26] = [
    "aes",
    "aes-gcm",
    "blake2",
    "blake3",
    "chacha20",
    "chacha20poly1305",
    "curve25519-dalek",
    "ecdsa",
    "ed25519-dalek",
    "elliptic-curve",
    "frost-core",
    "frost-ed25519",
    "hkdf",
    "hmac",
    "hpke",
    "k256",
    "ml-dsa",
    "ml-kem",
    "p256",
    "p384",
    "poly1305",
    "ring",
    "rsa",
    "sha1",
    "sha2",
    "x25519-dalek",
];

/// Libraries that only one of our crates may use, by prefix of their name.
const KEPT_BY: [(&str, &[&str]); 5] = [
    ("affinidi-", &["credential"]),
    ("didwebvh-rs", &["credential"]),
    ("cedar-policy", &["policy", "prover"]),
    ("redb", &["store"]),
    ("tokio-postgres", &["store"]),
];

/// Libraries that bring async, clocks, randomness, files or the network.
const OUTSIDE_WORLD: [&str; 15] = [
    "axum",
    "getrandom",
    "hyper",
    "hyper-util",
    "http-body-util",
    "landlock",
    "mio",
    "rand",
    "reqwest",
    "rustls",
    "tokio",
    "tokio-rustls",
    "tower",
    "tower-http",
    "tracing-subscriber",
];

/// Third-party identity crates as they are written in code, and the one folder they may stand in.
const IDENTITY_IN_CODE: [&str; 2] = ["affinidi_", "didwebvh_rs"];
const IDENTITY_FOLDER: &str = "crates/credential/src/adapters";

/// Everything wrong with the libraries that a crate of ours depends on.
pub(crate) fn check(one: &Crate) -> Vec<Finding> {
    one.others.iter().filter_map(|library| refusal(&one.noun, library)).collect()
}

fn refusal(noun: &str, library: &str) -> Option<Finding> {
    let pure = rank_of(noun).is_some_and(|rank| rank < EDGE_RANK);
    if PRIMITIVES.contains(&library) && noun != "seal" {
        let message = format!("depends on `{library}`: only `seal` computes a primitive");
        return Some(Finding::of(noun, message));
    }
    if OUTSIDE_WORLD.contains(&library) && pure {
        let message = format!("depends on `{library}`: the outside world enters at rank 5");
        return Some(Finding::of(noun, message));
    }
    let (_, keepers) = KEPT_BY.iter().find(|(prefix, _)| library.starts_with(prefix))?;
    (!keepers.contains(&noun)).then(|| {
        let message = format!("depends on `{library}`: only `{}` may", keepers.join("`, `"));
        Finding::of(noun, message)
    })
}

/// Identity libraries named in code outside the adapters.
pub(crate) fn check_adapters(file: &SourceFile) -> Vec<Finding> {
    let product = file.path.starts_with("crates/") && file.path.contains("/src/");
    if !file.is_rust() || !product || file.path.starts_with(IDENTITY_FOLDER) {
        return Vec::new();
    }
    let code = code_only(&file.text);
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        for name in IDENTITY_IN_CODE.iter().filter(|name| line.contains(**name)) {
            let message = format!("`{name}` is named outside `{IDENTITY_FOLDER}`");
            findings.push(Finding::at(&file.path, number, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(noun: &str, library: &str) -> Vec<String> {
        let others = vec![library.to_owned()];
        let one = Crate { noun: noun.to_owned(), others, ..Crate::default() };
        check(&one).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_primitive_outside_seal_is_refused() {
        for library in PRIMITIVES {
            assert_eq!(findings("evidence", library).len(), 1, "{library}");
            assert!(findings("seal", library).is_empty(), "{library}");
        }
        assert_eq!(
            findings("ledger", "sha2"),
            ["ledger: depends on `sha2`: only `seal` computes a primitive"]
        );
    }

    #[test]
    fn the_outside_world_enters_at_rank_5() {
        assert_eq!(findings("clearing", "tokio").len(), 1);
        assert_eq!(findings("journal", "getrandom").len(), 1);
        assert!(findings("store", "tokio").is_empty());
    }

    #[test]
    fn identity_libraries_belong_to_credential_and_cedar_to_policy() {
        assert_eq!(findings("admission", "affinidi-sd-jwt").len(), 1);
        assert!(findings("credential", "affinidi-sd-jwt").is_empty());
        assert_eq!(findings("server", "cedar-policy").len(), 1);
        assert!(findings("policy", "cedar-policy").is_empty());
    }

    #[test]
    fn an_identity_library_outside_the_adapters_is_found() {
        let source = "use affinidi_sd_jwt::SdJwt;\n";
        let outside = SourceFile::planted("crates/credential/src/present.rs", source);
        assert_eq!(check_adapters(&outside).len(), 1);
        let inside = SourceFile::planted("crates/credential/src/adapters/sd_jwt.rs", source);
        assert!(check_adapters(&inside).is_empty());
    }
}
