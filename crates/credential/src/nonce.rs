//! The nonce of a request: a code over payment, quote and expiry, so that no session is kept.
//!
//! Any instance of an edge that has the secret can judge an answer to a request of another one.

use seal::text::{from_base64url, to_base64url};
use seal::{Digest, Domain, Secret, mac, mac_matches};
use terms::{Instant, PaymentId};
use thiserror::Error;

const DOMAIN: Domain = Domain::new("wayleave/presentation-nonce/v1");

/// Why a nonce is not one of ours for this payment and quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NonceRefused {
    /// Not made by us for this payment and quote.
    #[error("the nonce was not made here for this payment and quote")]
    NotOurs,
    /// Its time is over.
    #[error("the nonce ended at {at}")]
    Ended {
        /// When.
        at: Instant,
    },
}

/// The nonce for a presentation about `payment` at the quote of `quote_hash`, good until
/// `expires_at` (whole seconds).
#[must_use]
pub fn make_nonce(
    secret: &Secret,
    payment: PaymentId,
    quote_hash: &Digest,
    expires_at: Instant,
) -> String {
    let end = expires_at.seconds().to_be_bytes();
    let code = mac(secret, DOMAIN, &content(end, payment, quote_hash));
    to_base64url(&[end.as_slice(), code.as_bytes()].concat())
}

/// Whether `nonce` was made here for this payment and quote, and is still good at `now`.
pub fn check_nonce(
    secret: &Secret,
    nonce: &str,
    payment: PaymentId,
    quote_hash: &Digest,
    now: Instant,
) -> Result<(), NonceRefused> {
    let bytes = from_base64url(nonce).ok_or(NonceRefused::NotOurs)?;
    let (end, code) = bytes.split_first_chunk::<8>().ok_or(NonceRefused::NotOurs)?;
    let code: [u8; 32] = code.try_into().map_err(|_| NonceRefused::NotOurs)?;
    let content = content(*end, payment, quote_hash);
    if !mac_matches(secret, DOMAIN, &content, &Digest::from_bytes(code)) {
        return Err(NonceRefused::NotOurs);
    }
    let at = Instant::from_seconds(u64::from_be_bytes(*end));
    if now < at { Ok(()) } else { Err(NonceRefused::Ended { at }) }
}

fn content(end: [u8; 8], payment: PaymentId, quote_hash: &Digest) -> Vec<u8> {
    [end.as_slice(), payment.bytes().as_slice(), quote_hash.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_one_payment_one_quote_and_a_while() {
        let secret = Secret::from_bytes([1; 32]);
        let (payment, quote) = (PaymentId::from_bytes([2; 16]), Digest::from_bytes([3; 32]));
        let end = Instant::from_seconds(100);
        let nonce = make_nonce(&secret, payment, &quote, end);
        let check = |nonce: &str, payment, quote: &Digest, seconds| {
            check_nonce(&secret, nonce, payment, quote, Instant::from_seconds(seconds))
        };
        assert_eq!(check(&nonce, payment, &quote, 99), Ok(()));
        assert_eq!(check(&nonce, payment, &quote, 100), Err(NonceRefused::Ended { at: end }));
        let other = PaymentId::from_bytes([9; 16]);
        assert_eq!(check(&nonce, other, &quote, 99), Err(NonceRefused::NotOurs));
        assert_eq!(check(&nonce, payment, &Digest::ZERO, 99), Err(NonceRefused::NotOurs));
        let longer = make_nonce(&secret, payment, &quote, Instant::from_seconds(999));
        let spliced = format!("{}{}", longer.split_at(10).0, nonce.split_at(10).1);
        assert_eq!(check(&spliced, payment, &quote, 99), Err(NonceRefused::NotOurs));
        for bad in ["", "AAAA", "=="] {
            assert_eq!(check(bad, payment, &quote, 99), Err(NonceRefused::NotOurs));
        }
    }
}
