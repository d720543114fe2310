//! OpenID4VCI 1.0: issuer and wallet as machines without I/O, pre-authorised code flow.
//!
//! [`Issuer`] answers requests, [`IssuanceWallet`] asks for them as [`Effect`]s; neither opens a
//! connection, reads a clock or draws a random number. What goes between them is the JSON of the
//! specification, so either side may be somebody else's.

mod issuer;
mod metadata;
mod offer;
mod wallet;

#[cfg(test)]
mod tests;

pub use issuer::{
    CredentialFault, CredentialFaultCode, Issuer, OfferDraft, TokenFault, TokenGrant,
};
pub use metadata::{IssuableType, IssuerProfile};
pub use offer::{CredentialOffer, OfferError, TransactionCode};
pub use wallet::{Answer, Effect, IssuanceError, IssuanceWallet, Progress, WalletContext};

/// The grant type of the pre-authorised code flow.
pub const PRE_AUTHORIZED_GRANT: &str = "urn:ietf:params:oauth:grant-type:pre-authorized_code";
/// The `typ` of a key proof.
pub const PROOF_TYP: &str = "openid4vci-proof+jwt";
/// How long a `c_nonce` is good, in seconds.
pub const C_NONCE_LIFETIME_SECONDS: u64 = 300;
/// How long an access token is good, in seconds.
pub const ACCESS_TOKEN_LIFETIME_SECONDS: u64 = 600;
/// How often a wrong transaction code may be tried before the offer is void.
pub const TRANSACTION_CODE_ATTEMPTS_MAX: u8 = 5;
/// Well-known name of the credential issuer's metadata.
pub const ISSUER_METADATA: &str = "openid-credential-issuer";
/// Well-known name of the authorisation server's metadata (RFC 8414).
pub const SERVER_METADATA: &str = "oauth-authorization-server";
/// Well-known name of the SD-JWT VC issuer's keys.
pub const JWT_VC_ISSUER: &str = "jwt-vc-issuer";

/// The well-known URL of `issuer`: the name goes between authority and path.
#[must_use]
pub fn well_known(issuer: &str, name: &str) -> Option<String> {
    let (scheme, rest) = issuer.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.trim_end_matches('/');
    let separator = if path.is_empty() { "" } else { "/" };
    Some(format!("{scheme}://{authority}/.well-known/{name}{separator}{path}"))
}
