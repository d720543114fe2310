//! The verifier's side: a presentation with its key binding.

use core::time::Duration;

use seal::Es256PublicKey;
use serde_json::{Map, Value};
use terms::Instant;

use super::locate::locate;
use super::{
    CLOCK_SKEW_MAX_SECONDS, CREDENTIAL_TYP, CredentialRefused, KEY_BINDING_AGE_MAX_SECONDS,
    KEY_BINDING_TYP, OpenClaims, Parts, PathStep, check_hiding, hash_text,
};
use crate::adapters::sd_jwt::{Disclosure, resolve};
use crate::jose::{JwtError, UnverifiedJwt, moment_claim, text_claim};

/// A presentation taken apart. Nothing of it is proved before [`Presentation::verify`].
#[derive(Clone, Debug)]
pub struct Presentation {
    issuer_jwt: UnverifiedJwt,
    key_binding: UnverifiedJwt,
    disclosures: Vec<Disclosure>,
    bound_hash: String,
    claimed: OpenClaims,
}

/// What a presentation is checked against.
#[derive(Clone, Copy, Debug)]
pub struct PresentationCheck<'a> {
    /// Who we are: our `client_id`.
    pub audience: &'a str,
    /// The nonce of our request.
    pub nonce: &'a str,
    /// The transaction data strings that this credential's key must have signed.
    pub transaction_data: &'a [String],
    /// The instant at which times are judged.
    pub now: Instant,
}

/// A presentation whose issuer's signature, disclosures, times and key binding were checked.
///
/// It says nothing yet about trust in the issuer or about revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPresentation {
    open: OpenClaims,
    claims: Map<String, Value>,
    disclosed: Vec<Vec<PathStep>>,
    bound_at: Instant,
}

impl Presentation {
    /// Takes a presentation apart; refuses one without key binding.
    pub fn read(text: &str) -> Result<Self, CredentialRefused> {
        let parts = Parts::read(text)?;
        if parts.key_binding.is_empty() {
            let expected = "a key-binding jwt at the end";
            return Err(CredentialRefused::KeyBindingPresence { expected });
        }
        let issuer_jwt =
            UnverifiedJwt::read(parts.jwt, CREDENTIAL_TYP).map_err(CredentialRefused::Issuer)?;
        let key_binding = UnverifiedJwt::read(parts.key_binding, KEY_BINDING_TYP)
            .map_err(CredentialRefused::KeyBinding)?;
        let claimed = OpenClaims::read(issuer_jwt.key_id(), issuer_jwt.claimed())
            .map_err(CredentialRefused::Issuer)?;
        Ok(Self {
            issuer_jwt,
            key_binding,
            disclosures: parts.disclosures,
            bound_hash: hash_text(parts.bound),
            claimed,
        })
    }

    /// Who says to have issued it, of what type, with which key: to look up the key, not to
    /// believe.
    #[must_use]
    pub const fn claimed(&self) -> &OpenClaims {
        &self.claimed
    }

    /// Checks everything that signatures and times can show.
    pub fn verify(
        self,
        issuer: &Es256PublicKey,
        check: &PresentationCheck<'_>,
    ) -> Result<VerifiedPresentation, CredentialRefused> {
        let payload = self.issuer_jwt.verify(issuer).map_err(CredentialRefused::Issuer)?.payload;
        check_hiding(&payload, &self.disclosures)?;
        let claims = resolve(&payload, &self.disclosures)
            .map_err(|reason| CredentialRefused::Disclosures { reason })?;
        self.claimed.judge_times(check.now)?;
        let binding = self
            .key_binding
            .verify(&self.claimed.holder)
            .map_err(CredentialRefused::KeyBinding)?
            .payload;
        let bound_at = check_binding(&binding, &self.bound_hash, check)?;
        Ok(VerifiedPresentation {
            open: self.claimed,
            claims,
            disclosed: locate(&payload, &self.disclosures)
                .into_iter()
                .map(|one| one.path)
                .collect(),
            bound_at,
        })
    }
}

impl VerifiedPresentation {
    /// The claims that are never hidden.
    #[must_use]
    pub const fn open(&self) -> &OpenClaims {
        &self.open
    }

    /// The open and the disclosed claims.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The paths of the claims that were disclosed.
    #[must_use]
    pub fn disclosed(&self) -> &[Vec<PathStep>] {
        &self.disclosed
    }

    /// When the holder says to have made the presentation.
    #[must_use]
    pub const fn bound_at(&self) -> Instant {
        self.bound_at
    }
}

fn check_binding(
    binding: &Map<String, Value>,
    bound_hash: &str,
    check: &PresentationCheck<'_>,
) -> Result<Instant, CredentialRefused> {
    let text = |name| text_claim(binding, name).map_err(CredentialRefused::KeyBinding);
    let audience = text("aud")?;
    if audience != check.audience {
        return Err(CredentialRefused::OtherAudience {
            expected: check.audience.to_owned(),
            got: audience.chars().take(200).collect(),
        });
    }
    if text("nonce")? != check.nonce {
        return Err(CredentialRefused::OtherNonce);
    }
    if text("sd_hash")? != bound_hash {
        return Err(CredentialRefused::OtherDisclosures);
    }
    let made_at = moment_claim(binding, "iat").map_err(CredentialRefused::KeyBinding)?;
    let now = check.now;
    let ahead = now.plus(Duration::from_secs(CLOCK_SKEW_MAX_SECONDS));
    if made_at > ahead || now.since(made_at).as_secs() > KEY_BINDING_AGE_MAX_SECONDS {
        return Err(CredentialRefused::NotFresh { made_at, now });
    }
    check_transaction_data(binding, check.transaction_data)?;
    Ok(made_at)
}

/// OpenID4VP 1.0 section B.3.3.1: the hashes are over the strings as received, in their order.
fn check_transaction_data(
    binding: &Map<String, Value>,
    expected: &[String],
) -> Result<(), CredentialRefused> {
    let hashes = binding.get("transaction_data_hashes");
    let algorithm = binding.get("transaction_data_hashes_alg");
    if expected.is_empty() {
        let none = hashes.is_none() && algorithm.is_none();
        return if none { Ok(()) } else { Err(CredentialRefused::OtherTransactionData) };
    }
    if algorithm.is_some_and(|name| name.as_str() != Some("sha-256")) {
        return Err(CredentialRefused::KeyBinding(JwtError::BadClaim {
            name: "transaction_data_hashes_alg",
            expected: "`sha-256`",
        }));
    }
    let got: Option<Vec<&str>> = hashes
        .and_then(Value::as_array)
        .and_then(|hashes| hashes.iter().map(Value::as_str).collect());
    let expected: Vec<String> = expected.iter().map(|text| hash_text(text)).collect();
    let same = got.is_some_and(|got| got == expected);
    if same { Ok(()) } else { Err(CredentialRefused::OtherTransactionData) }
}
