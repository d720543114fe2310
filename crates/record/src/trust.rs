//! The signed list of whom one jurisdiction trusts, for what, until when.
//!
//! One list per jurisdiction, versioned. Its root key is pinned by every reader; a newer list
//! must have a higher version; a reader that has seen version 8 refuses version 7 for ever.

use minicbor::{Decode, Encode};
use seal::{BoxPublicKey, Domain, Es256PublicKey, PublicKey};
use terms::{
    CorridorName, EdgeName, Environment, Instant, InstitutionName, Jurisdiction, ProviderName,
};

use crate::document::Document;

/// The list of one jurisdiction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TrustList {
    /// Layout version: 1.
    #[n(0)]
    pub layout: u8,
    /// Where it applies.
    #[n(1)]
    pub environment: Environment,
    /// Whose list it is.
    #[n(2)]
    pub jurisdiction: Jurisdiction,
    /// Rises with every edition.
    #[n(3)]
    pub version: u64,
    /// When it was signed.
    #[n(4)]
    pub issued_at: Instant,
    /// When the next edition is due: afterwards it is stale.
    #[n(5)]
    pub next_update: Instant,
    /// Who may issue which credentials.
    #[n(6)]
    pub issuers: Vec<TrustedIssuer>,
    /// Which institutions may decide and sign, on which side of which corridor.
    #[n(7)]
    pub institutions: Vec<TrustedInstitution>,
    /// Which FX providers may quote.
    #[n(8)]
    pub providers: Vec<TrustedProvider>,
    /// Who may ask wallets for what, and why.
    #[n(9)]
    pub verifiers: Vec<RegisteredVerifier>,
    /// Whose decisions and credentials from elsewhere count here.
    #[n(10)]
    pub recognitions: Vec<Recognition>,
}

impl Document for TrustList {
    const DOMAIN: Domain = Domain::new("wayleave/trust-list/v1");
    const NAME: &'static str = "trust list";
}

/// An issuer of credentials.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TrustedIssuer {
    /// Its identifier: the `iss` of its credentials, an origin without trailing slash.
    #[n(0)]
    pub url: String,
    /// What people call it.
    #[n(1)]
    pub name: String,
    /// Its keys.
    #[n(2)]
    pub keys: Vec<IssuerKey>,
    /// The credential types (`vct`) it may issue.
    #[n(3)]
    pub credential_types: Vec<String>,
}

/// One key of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct IssuerKey {
    /// The `kid` in its JWTs.
    #[n(0)]
    pub kid: String,
    /// The key (ES256).
    #[n(1)]
    pub key: Es256PublicKey,
    /// Signatures dated before this are not accepted.
    #[n(2)]
    pub valid_from: Instant,
    /// Signatures dated at or after this are not accepted.
    #[n(3)]
    pub valid_until: Instant,
}

/// Which side of a payment an institution acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Side {
    /// The payer's side (ISO 20022: debtor agent).
    #[n(0)]
    Debtor,
    /// The payee's side (ISO 20022: creditor agent).
    #[n(1)]
    Creditor,
}

impl Side {
    /// The word used in files and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debtor => "debtor",
            Self::Creditor => "creditor",
        }
    }

    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Debtor => Self::Creditor,
            Self::Creditor => Self::Debtor,
        }
    }
}

impl core::fmt::Display for Side {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An institution that may decide.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TrustedInstitution {
    /// Its name.
    #[n(0)]
    pub institution: InstitutionName,
    /// What people call it.
    #[n(1)]
    pub legal_name: String,
    /// Where it is licensed.
    #[n(2)]
    pub jurisdiction: Jurisdiction,
    /// Sides and corridors it may sign permits for.
    #[n(3)]
    pub sides: Vec<CorridorSide>,
    /// The keys that sign its permits, acceptances and statements.
    #[n(4)]
    pub permit_keys: Vec<PublicKey>,
    /// The key that party statements to it are sealed to.
    #[n(5)]
    pub statement_key: BoxPublicKey,
    /// Its edge instances.
    #[n(6)]
    pub edges: Vec<EdgeName>,
}

/// One side of one corridor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CorridorSide {
    /// The corridor.
    #[n(0)]
    pub corridor: CorridorName,
    /// The side.
    #[n(1)]
    pub side: Side,
}

/// An FX provider that may quote.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TrustedProvider {
    /// Its name.
    #[n(0)]
    pub provider: ProviderName,
    /// The keys that sign its quotes.
    #[n(1)]
    pub quote_keys: Vec<PublicKey>,
}

/// A verifier with the purpose and the claims it registered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RegisteredVerifier {
    /// Its `client_id` in OpenID4VP requests.
    #[n(0)]
    pub client_id: String,
    /// Why it may ask, in words for people.
    #[n(1)]
    pub purpose: String,
    /// What it may ask for.
    #[n(2)]
    pub claims: Vec<RegisteredClaims>,
}

/// The claims of one credential type that a verifier may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RegisteredClaims {
    /// The credential type.
    #[n(0)]
    pub credential_type: String,
    /// Claim paths, members joined by `.`.
    #[n(1)]
    pub paths: Vec<String>,
}

/// Something from another jurisdiction that counts here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Recognition {
    /// The other jurisdiction.
    #[n(0)]
    pub jurisdiction: Jurisdiction,
    /// What counts.
    #[n(1)]
    pub subject: Recognised,
    /// Until when.
    #[n(2)]
    pub until: Instant,
}

/// What a recognition is about.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Recognised {
    /// Party statements and permits of an institution that the other list names.
    #[n(0)]
    Institution(#[n(0)] InstitutionName),
    /// Credentials of one type from issuers that the other list names.
    #[n(1)]
    CredentialType(#[n(0)] String),
}

impl TrustList {
    /// The institution of this name, if it is listed.
    #[must_use]
    pub fn institution(&self, name: InstitutionName) -> Option<&TrustedInstitution> {
        self.institutions.iter().find(|i| i.institution == name)
    }

    /// Whether an institution licensed in `from` is recognised here at `now`.
    #[must_use]
    pub fn recognises_institution(
        &self,
        from: Jurisdiction,
        name: InstitutionName,
        now: Instant,
    ) -> bool {
        self.recognitions.iter().any(|entry| {
            entry.jurisdiction == from
                && now < entry.until
                && entry.subject == Recognised::Institution(name)
        })
    }

    /// Whether credentials of `credential_type` from `from` are recognised here at `now`.
    #[must_use]
    pub fn recognises_type(&self, from: Jurisdiction, credential_type: &str, now: Instant) -> bool {
        self.recognitions.iter().any(|entry| {
            entry.jurisdiction == from
                && now < entry.until
                && matches!(&entry.subject, Recognised::CredentialType(t) if t == credential_type)
        })
    }
}

impl TrustedInstitution {
    /// Whether it may act on this side of this corridor.
    #[must_use]
    pub fn acts_for(&self, corridor: CorridorName, side: Side) -> bool {
        self.sides.contains(&CorridorSide { corridor, side })
    }
}
