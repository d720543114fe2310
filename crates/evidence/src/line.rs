//! The two kinds of line that all C2SP texts are made of: a decimal and a base64 hash.

use seal::Digest;

/// Reads a decimal without sign or leading zeros; `None` for anything else.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = if plain { text.parse().ok()? } else { return None };
    (number.to_string() == text).then_some(number)
}

/// Reads one hash in canonical base64; `None` for anything else.
pub(crate) fn hash(text: &str) -> Option<Digest> {
    seal::text::from_base64(text)?.try_into().ok().map(Digest::from_bytes)
}

/// Writes one hash.
pub(crate) fn of_hash(hash: &Digest) -> String {
    seal::text::to_base64(hash.as_bytes())
}

/// The first 64 characters, for a message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}
