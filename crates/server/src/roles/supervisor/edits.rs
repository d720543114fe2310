//! An operator's changes of a trust list, as JSON: the record's types are CBOR only.

#[cfg(test)]
mod tests;

use record::{
    CorridorSide, IssuerKey, Recognised, Recognition, RegisteredClaims, RegisteredVerifier, Side,
    TrustList, TrustedInstitution, TrustedIssuer, TrustedProvider,
};
use seal::text::{from_base64url, from_hex_array, to_base64url, to_hex};
use seal::{BoxPublicKey, Es256PublicKey, PublicKey};
use serde::{Deserialize, Serialize};
use terms::Instant;

use super::Config;
use super::lists::{Heading, Kept, unfit};
use crate::roles::common::RoleError;
use crate::roles::start::named;

/// One change of a trust list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum TrustEdit {
    /// Lists an issuer, or replaces it.
    PutIssuer {
        /// The issuer.
        issuer: JsonIssuer,
    },
    /// Takes an issuer off.
    RemoveIssuer {
        /// Its identifier.
        url: String,
    },
    /// Takes one key of an issuer off.
    RemoveIssuerKey {
        /// The issuer's identifier.
        url: String,
        /// The key's name.
        kid: String,
    },
    /// Lists an institution, or replaces it.
    PutInstitution {
        /// The institution.
        institution: JsonInstitution,
    },
    /// Takes an institution off.
    RemoveInstitution {
        /// Its name.
        institution: String,
    },
    /// Lets a key sign for an institution.
    AddPermitKey {
        /// The institution.
        institution: String,
        /// The key, hex.
        key: String,
    },
    /// Takes a key of an institution off.
    RemovePermitKey {
        /// The institution.
        institution: String,
        /// The key, hex.
        key: String,
    },
    /// Lists an FX provider, or replaces it.
    PutProvider {
        /// The provider.
        provider: JsonProvider,
    },
    /// Takes a provider off.
    RemoveProvider {
        /// Its name.
        provider: String,
    },
    /// Registers a verifier, or replaces it.
    PutVerifier {
        /// The verifier.
        verifier: JsonVerifier,
    },
    /// Takes a verifier off.
    RemoveVerifier {
        /// Its `client_id`.
        client_id: String,
    },
    /// Recognises something of another jurisdiction.
    AddRecognition {
        /// What.
        recognition: JsonRecognition,
    },
    /// Ends a recognition, whatever its end was.
    RemoveRecognition {
        /// What; `until_seconds` is not looked at.
        recognition: JsonRecognition,
    },
}

/// An issuer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonIssuer {
    /// Its identifier.
    pub url: String,
    /// What people call it.
    pub name: String,
    /// Its keys.
    pub keys: Vec<JsonIssuerKey>,
    /// What it may issue.
    pub credential_types: Vec<String>,
}

/// A key of an issuer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonIssuerKey {
    /// Its name.
    pub kid: String,
    /// As in a JWK on P-256.
    pub x: String,
    /// As in a JWK on P-256.
    pub y: String,
    /// Seconds since 1970.
    pub valid_from_seconds: u64,
    /// Seconds since 1970.
    pub valid_until_seconds: u64,
}

/// An institution.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonInstitution {
    /// Its name.
    pub institution: String,
    /// What people call it.
    pub legal_name: String,
    /// Where it is licensed.
    pub jurisdiction: String,
    /// What it may sign for.
    pub sides: Vec<JsonSide>,
    /// Its permit keys, hex.
    pub permit_keys: Vec<String>,
    /// The key that statements to it are sealed to, hex.
    pub statement_key: String,
    /// Its edge instances.
    pub edges: Vec<String>,
}

/// A side of a corridor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonSide {
    /// The corridor.
    pub corridor: String,
    /// `debtor` or `creditor`.
    pub side: String,
}

/// A provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonProvider {
    /// Its name.
    pub provider: String,
    /// Its quote keys, hex.
    pub quote_keys: Vec<String>,
}

/// A verifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonVerifier {
    /// Its `client_id`.
    pub client_id: String,
    /// Why it may ask.
    pub purpose: String,
    /// For what.
    pub claims: Vec<JsonClaims>,
}

/// Claims of one type.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonClaims {
    /// The type.
    pub credential_type: String,
    /// The paths.
    pub paths: Vec<String>,
}

/// A recognition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonRecognition {
    /// The other jurisdiction.
    pub jurisdiction: String,
    /// `institution` or `credential-type`.
    pub kind: String,
    /// The institution's name or the type.
    pub subject: String,
    /// Seconds since 1970.
    pub until_seconds: u64,
}

/// The edits that make this list out of an empty one.
#[must_use]
pub fn trust_edits_of(list: &TrustList) -> Vec<TrustEdit> {
    let issuers = list.issuers.iter().map(|i| TrustEdit::PutIssuer { issuer: i.into() });
    let institutions =
        list.institutions.iter().map(|i| TrustEdit::PutInstitution { institution: i.into() });
    let providers = list.providers.iter().map(|p| TrustEdit::PutProvider { provider: p.into() });
    let verifiers = list.verifiers.iter().map(|v| TrustEdit::PutVerifier { verifier: v.into() });
    let recognitions =
        list.recognitions.iter().map(|r| TrustEdit::AddRecognition { recognition: r.into() });
    issuers.chain(institutions).chain(providers).chain(verifiers).chain(recognitions).collect()
}

impl Kept for TrustList {
    type Edit = TrustEdit;
    const FOLDER: &'static str = "trust-list";

    fn empty(config: &Config) -> Result<Self, RoleError> {
        Ok(Self {
            layout: 1,
            environment: named("environment", &config.common.environment)?,
            jurisdiction: named("jurisdiction", &config.jurisdiction)?,
            version: 0,
            issued_at: Instant::EPOCH,
            next_update: Instant::EPOCH,
            issuers: Vec::new(),
            institutions: Vec::new(),
            providers: Vec::new(),
            verifiers: Vec::new(),
            recognitions: Vec::new(),
        })
    }

    fn heading(&self) -> Heading {
        let Self { version, issued_at, next_update, .. } = *self;
        Heading { version, issued_at, next_update }
    }

    fn set_heading(&mut self, heading: Heading) {
        Heading {
            version: self.version,
            issued_at: self.issued_at,
            next_update: self.next_update,
        } = heading;
    }

    fn apply(&mut self, edit: TrustEdit) -> Result<(), String> {
        match edit {
            TrustEdit::PutIssuer { issuer } => {
                self.issuers.retain(|listed| listed.url != issuer.url);
                self.issuers.push(issuer.parse()?);
            }
            TrustEdit::RemoveIssuer { url } => {
                remove(&mut self.issuers, &url, |listed| listed.url == url)?;
            }
            TrustEdit::RemoveIssuerKey { url, kid } => {
                let issuer = self.issuers.iter_mut().find(|listed| listed.url == url);
                let issuer = issuer.ok_or_else(|| absent(&url))?;
                remove(&mut issuer.keys, &kid, |key| key.kid == kid)?;
            }
            TrustEdit::PutProvider { provider } => {
                let provider: TrustedProvider = provider.parse()?;
                self.providers.retain(|listed| listed.provider != provider.provider);
                self.providers.push(provider);
            }
            TrustEdit::RemoveProvider { provider } => {
                remove(&mut self.providers, &provider, |p| p.provider.as_str() == provider)?;
            }
            TrustEdit::PutVerifier { verifier } => {
                self.verifiers.retain(|listed| listed.client_id != verifier.client_id);
                self.verifiers.push(verifier.into());
            }
            TrustEdit::RemoveVerifier { client_id } => {
                remove(&mut self.verifiers, &client_id, |v| v.client_id == client_id)?;
            }
            TrustEdit::AddRecognition { recognition } => {
                let recognition: Recognition = recognition.parse()?;
                let same = |r: &Recognition| same_subject(r, &recognition);
                self.recognitions.retain(|listed| !same(listed));
                self.recognitions.push(recognition);
            }
            TrustEdit::RemoveRecognition { recognition } => {
                let name = recognition.subject.clone();
                let recognition: Recognition = recognition.parse()?;
                remove(&mut self.recognitions, &name, |r| same_subject(r, &recognition))?;
            }
            TrustEdit::PutInstitution { .. }
            | TrustEdit::RemoveInstitution { .. }
            | TrustEdit::AddPermitKey { .. }
            | TrustEdit::RemovePermitKey { .. } => return edit_institutions(self, edit),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        // One key for two institutions would let one of them sign for both sides of a payment.
        let mut keys: Vec<&PublicKey> =
            self.institutions.iter().flat_map(|listed| &listed.permit_keys).collect();
        keys.sort();
        let twice = keys.windows(2).any(|pair| pair.first() == pair.last());
        if twice { Err("a permit key stands twice".to_owned()) } else { Ok(()) }
    }
}

fn edit_institutions(list: &mut TrustList, edit: TrustEdit) -> Result<(), String> {
    let listed = &mut list.institutions;
    if let TrustEdit::PutInstitution { institution } = edit {
        let institution: TrustedInstitution = institution.parse()?;
        listed.retain(|one| one.institution != institution.institution);
        listed.push(institution);
        return Ok(());
    }
    if let TrustEdit::RemoveInstitution { institution } = edit {
        return remove(listed, &institution, |one| one.institution.as_str() == institution);
    }
    let (TrustEdit::AddPermitKey { institution, key }
    | TrustEdit::RemovePermitKey { institution, key }) = &edit
    else {
        return Ok(());
    };
    let one = listed.iter_mut().find(|one| one.institution.as_str() == institution);
    let one = one.ok_or_else(|| absent(institution))?;
    let parsed = public_key(key)?;
    if matches!(edit, TrustEdit::AddPermitKey { .. }) {
        if !one.permit_keys.contains(&parsed) {
            one.permit_keys.push(parsed);
        }
        return Ok(());
    }
    remove(&mut one.permit_keys, key, |listed| *listed == parsed)
}

fn remove<T>(from: &mut Vec<T>, name: &str, which: impl Fn(&T) -> bool) -> Result<(), String> {
    let before = from.len();
    from.retain(|one| !which(one));
    if from.len() < before { Ok(()) } else { Err(absent(name)) }
}

fn absent(name: &str) -> String {
    format!("`{name}` is not on the list")
}

fn same_subject(a: &Recognition, b: &Recognition) -> bool {
    a.jurisdiction == b.jurisdiction && a.subject == b.subject
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    text.parse().map_err(|error| unfit("key", error))
}

fn all<T, U>(list: &[T], parse: impl Fn(&T) -> Result<U, String>) -> Result<Vec<U>, String> {
    list.iter().map(parse).collect()
}

impl JsonIssuer {
    fn parse(self) -> Result<TrustedIssuer, String> {
        let keys = all(&self.keys, JsonIssuerKey::parse)?;
        let Self { url, name, credential_types, .. } = self;
        Ok(TrustedIssuer { url, name, keys, credential_types })
    }
}

impl JsonIssuerKey {
    fn parse(&self) -> Result<IssuerKey, String> {
        let coordinate = |name: &str, text: &str| {
            from_base64url(text).ok_or_else(|| unfit(name, "expected base64url"))
        };
        let (x, y) = (coordinate("x", &self.x)?, coordinate("y", &self.y)?);
        let key = Es256PublicKey::from_coordinates(&x, &y).map_err(|e| unfit("x", e))?;
        Ok(IssuerKey {
            kid: self.kid.clone(),
            key,
            valid_from: Instant::from_seconds(self.valid_from_seconds),
            valid_until: Instant::from_seconds(self.valid_until_seconds),
        })
    }
}

impl JsonInstitution {
    fn parse(&self) -> Result<TrustedInstitution, String> {
        let side = |one: &JsonSide| {
            let side = [Side::Debtor, Side::Creditor].into_iter().find(|s| s.as_str() == one.side);
            Ok(CorridorSide {
                corridor: one.corridor.parse().map_err(|e| unfit("corridor", e))?,
                side: side.ok_or_else(|| unfit("side", "expected `debtor` or `creditor`"))?,
            })
        };
        let statement_key = from_hex_array(&self.statement_key)
            .ok_or_else(|| unfit("statement_key", "expected 64 hex digits"))?;
        Ok(TrustedInstitution {
            institution: self.institution.parse().map_err(|e| unfit("institution", e))?,
            legal_name: self.legal_name.clone(),
            jurisdiction: self.jurisdiction.parse().map_err(|e| unfit("jurisdiction", e))?,
            sides: all(&self.sides, side)?,
            permit_keys: all(&self.permit_keys, |key| public_key(key))?,
            statement_key: BoxPublicKey::from_bytes(statement_key),
            edges: all(&self.edges, |edge| edge.parse().map_err(|e| unfit("edges", e)))?,
        })
    }
}

impl JsonProvider {
    fn parse(&self) -> Result<TrustedProvider, String> {
        Ok(TrustedProvider {
            provider: self.provider.parse().map_err(|e| unfit("provider", e))?,
            quote_keys: all(&self.quote_keys, |key| public_key(key))?,
        })
    }
}

impl JsonRecognition {
    fn parse(&self) -> Result<Recognition, String> {
        let subject = match self.kind.as_str() {
            "institution" => {
                Recognised::Institution(self.subject.parse().map_err(|e| unfit("subject", e))?)
            }
            "credential-type" => Recognised::CredentialType(self.subject.clone()),
            _ => return Err(unfit("kind", "expected `institution` or `credential-type`")),
        };
        Ok(Recognition {
            jurisdiction: self.jurisdiction.parse().map_err(|e| unfit("jurisdiction", e))?,
            subject,
            until: Instant::from_seconds(self.until_seconds),
        })
    }
}

impl From<JsonVerifier> for RegisteredVerifier {
    fn from(json: JsonVerifier) -> Self {
        let JsonVerifier { client_id, purpose, claims } = json;
        let claims = claims.into_iter().map(|JsonClaims { credential_type, paths }| {
            RegisteredClaims { credential_type, paths }
        });
        Self { client_id, purpose, claims: claims.collect() }
    }
}

impl From<&TrustedIssuer> for JsonIssuer {
    fn from(issuer: &TrustedIssuer) -> Self {
        let keys = issuer.keys.iter().map(|key| JsonIssuerKey {
            kid: key.kid.clone(),
            x: to_base64url(key.key.x()),
            y: to_base64url(key.key.y()),
            valid_from_seconds: key.valid_from.seconds(),
            valid_until_seconds: key.valid_until.seconds(),
        });
        Self {
            url: issuer.url.clone(),
            name: issuer.name.clone(),
            keys: keys.collect(),
            credential_types: issuer.credential_types.clone(),
        }
    }
}

impl From<&TrustedInstitution> for JsonInstitution {
    fn from(one: &TrustedInstitution) -> Self {
        let sides = one.sides.iter().map(|side| JsonSide {
            corridor: side.corridor.to_string(),
            side: side.side.as_str().to_owned(),
        });
        Self {
            institution: one.institution.to_string(),
            legal_name: one.legal_name.clone(),
            jurisdiction: one.jurisdiction.to_string(),
            sides: sides.collect(),
            permit_keys: one.permit_keys.iter().map(ToString::to_string).collect(),
            statement_key: to_hex(one.statement_key.as_bytes()),
            edges: one.edges.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&TrustedProvider> for JsonProvider {
    fn from(one: &TrustedProvider) -> Self {
        let quote_keys = one.quote_keys.iter().map(ToString::to_string).collect();
        Self { provider: one.provider.to_string(), quote_keys }
    }
}

impl From<&RegisteredVerifier> for JsonVerifier {
    fn from(one: &RegisteredVerifier) -> Self {
        let claims = one.claims.iter().map(|claims| JsonClaims {
            credential_type: claims.credential_type.clone(),
            paths: claims.paths.clone(),
        });
        Self {
            client_id: one.client_id.clone(),
            purpose: one.purpose.clone(),
            claims: claims.collect(),
        }
    }
}

impl From<&Recognition> for JsonRecognition {
    fn from(one: &Recognition) -> Self {
        let (kind, subject) = match &one.subject {
            Recognised::Institution(name) => ("institution", name.to_string()),
            Recognised::CredentialType(name) => ("credential-type", name.clone()),
        };
        Self {
            jurisdiction: one.jurisdiction.to_string(),
            kind: kind.to_owned(),
            subject,
            until_seconds: one.until.seconds(),
        }
    }
}
