//! The documents that an issuer publishes.

use core::time::Duration;

use seal::Es256PublicKey;
use serde_json::{Map, Value, json};

use super::PRE_AUTHORIZED_GRANT;
use crate::claims::{CredentialClaims, names};
use crate::jose::jwk_of;
use crate::sd_jwt_vc::FORMAT;

/// What an issuer is, apart from its keys and grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerProfile {
    /// Its identifier: an origin without trailing slash; also the `iss` of its credentials.
    pub url: String,
    /// What people call it.
    pub name: String,
    /// What it issues.
    pub types: Vec<IssuableType>,
}

/// A credential type that an issuer issues. The configuration id is the type itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuableType {
    /// The `vct`.
    pub credential_type: String,
    /// What people call it.
    pub name: String,
    /// Its claim paths, members joined by `.`.
    pub paths: Vec<String>,
    /// How long a credential lives.
    pub lifetime: Duration,
}

impl IssuableType {
    /// One of our own types.
    #[must_use]
    pub fn of<C: CredentialClaims>(lifetime: Duration) -> Self {
        Self {
            credential_type: C::TYPE.to_owned(),
            name: C::NAME.to_owned(),
            paths: C::PATHS.iter().map(|path| (*path).to_owned()).collect(),
            lifetime,
        }
    }

    /// An entry of `credential_configurations_supported`.
    ///
    /// `credential_metadata` always stands there: the wallet library most used with 1.0 takes an
    /// issuer without it for one of a draft.
    fn to_json(&self) -> Value {
        let claims: Vec<Value> =
            self.paths.iter().map(|path| json!({ "path": names(path) })).collect();
        json!({
            "format": FORMAT,
            "scope": self.credential_type,
            "vct": self.credential_type,
            "cryptographic_binding_methods_supported": ["jwk"],
            "credential_signing_alg_values_supported": ["ES256"],
            "proof_types_supported": {
                "jwt": { "proof_signing_alg_values_supported": ["ES256"] },
            },
            "credential_metadata": {
                "display": [{ "name": self.name, "locale": "en" }],
                "claims": claims,
            },
        })
    }
}

impl IssuerProfile {
    /// The type of a configuration id.
    #[must_use]
    pub fn issuable(&self, configuration_id: &str) -> Option<&IssuableType> {
        self.types.iter().find(|one| one.credential_type == configuration_id)
    }

    /// Credential issuer metadata (section 12.2), under `openid-credential-issuer`.
    #[must_use]
    pub fn issuer_metadata(&self) -> Value {
        let configurations: Map<String, Value> =
            self.types.iter().map(|one| (one.credential_type.clone(), one.to_json())).collect();
        json!({
            "credential_issuer": self.url,
            "authorization_servers": [self.url],
            "credential_endpoint": format!("{}/credential", self.url),
            "nonce_endpoint": format!("{}/nonce", self.url),
            "display": [{ "name": self.name, "locale": "en" }],
            "credential_configurations_supported": configurations,
        })
    }

    /// Authorisation server metadata (RFC 8414), under `oauth-authorization-server`.
    #[must_use]
    pub fn server_metadata(&self) -> Value {
        json!({
            "issuer": self.url,
            "token_endpoint": format!("{}/token", self.url),
            "response_types_supported": ["none"],
            "grant_types_supported": [PRE_AUTHORIZED_GRANT],
            "token_endpoint_auth_methods_supported": ["none"],
            "pre-authorized_grant_anonymous_access_supported": true,
        })
    }

    /// The issuer's keys (SD-JWT VC section 5), under `jwt-vc-issuer`.
    #[must_use]
    pub fn key_document(&self, keys: &[(&str, Es256PublicKey)]) -> Value {
        let keys: Vec<Value> = keys
            .iter()
            .map(|(key_id, key)| {
                let mut jwk = jwk_of(key);
                if let Some(members) = jwk.as_object_mut() {
                    members.insert("kid".to_owned(), (*key_id).into());
                    members.insert("use".to_owned(), "sig".into());
                    members.insert("alg".to_owned(), "ES256".into());
                }
                jwk
            })
            .collect();
        json!({ "issuer": self.url, "jwks": { "keys": keys } })
    }
}
