//! The issuer's side: claims in, credential out.

use std::collections::BTreeSet;

use seal::{Es256PublicKey, Es256SigningKey};
use serde_json::{Map, Value, json};
use terms::Instant;
use thiserror::Error;

use super::{CREDENTIAL_TYP, DISCLOSURES_MAX, NEVER_SELECTIVE};
use crate::adapters::sd_jwt::{Disclosure, SD_ALGORITHM};
use crate::jose::{jwk_of, sign};
use crate::status::StatusReference;

/// A credential about to be issued.
#[derive(Clone, Debug)]
pub struct CredentialDraft<'a> {
    /// The issuer's identifier (`iss`).
    pub issuer: &'a str,
    /// The name of its key (`kid`).
    pub key_id: &'a str,
    /// The credential type (`vct`).
    pub credential_type: &'a str,
    /// The claims about the company.
    pub claims: Map<String, Value>,
    /// Which claims are selectively disclosable, by path of member names.
    pub selective: Vec<Vec<String>>,
    /// The key that the credential is bound to (`cnf`).
    pub holder: Es256PublicKey,
    /// When it is issued.
    pub issued_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
    /// Where its status is published; `None` only for a life of a day at most.
    pub status: Option<StatusReference>,
}

/// Why a credential cannot be issued.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssueError {
    /// One salt per selectively disclosable claim is needed.
    #[error("expected {expected} salts, got {got}")]
    Salts {
        /// How many claims are selective.
        expected: usize,
        /// How many salts were given.
        got: usize,
    },
    /// A salt stands twice: two equal claims would show as equal digests.
    #[error("a salt is used twice")]
    SaltTwice,
    /// The claims use a name that the format or the issuer sets.
    #[error("claim `{name}` is set by the issuer and never selective")]
    Protected {
        /// The name.
        name: String,
    },
    /// A selective path leads nowhere.
    #[error("there is no claim at `{path}`")]
    NoSuchClaim {
        /// The path, joined by dots.
        path: String,
    },
    /// More than [`DISCLOSURES_MAX`] selective claims.
    #[error("expected at most {DISCLOSURES_MAX} selective claims, got {got}")]
    TooMany {
        /// How many.
        got: usize,
    },
}

/// Issues a credential: the issuer's JWT and all disclosures, to be given to the holder.
///
/// `salts` holds one salt of 128 random bits per selective claim. Digests are sorted, so their
/// order tells nothing.
pub fn issue(
    draft: &CredentialDraft<'_>,
    key: &Es256SigningKey,
    salts: &[[u8; 16]],
) -> Result<String, IssueError> {
    check_salts(draft.selective.len(), salts)?;
    for name in NEVER_SELECTIVE {
        let selective = draft.selective.iter().any(|path| path.first().is_some_and(|n| n == name));
        if draft.claims.contains_key(name) || selective {
            return Err(IssueError::Protected { name: name.to_owned() });
        }
    }
    let mut disclosures = Vec::new();
    let mut concealed = draft.claims.clone();
    let mut paths: Vec<&[String]> = draft.selective.iter().map(Vec::as_slice).collect();
    // Inner claims first, so that a disclosed object holds digests of its members.
    paths.sort_by_key(|path| core::cmp::Reverse(path.len()));
    for (path, salt) in paths.into_iter().zip(salts) {
        let disclosure = conceal(&mut concealed, path, salt)
            .ok_or_else(|| IssueError::NoSuchClaim { path: path.join(".") })?;
        disclosures.push(disclosure);
    }
    let payload = payload(draft, concealed);
    let header = [("typ", CREDENTIAL_TYP), ("kid", draft.key_id)];
    let header = header.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut text = sign(key, header, &payload);
    text.push('~');
    for disclosure in disclosures {
        text.push_str(disclosure.text());
        text.push('~');
    }
    Ok(text)
}

fn check_salts(expected: usize, salts: &[[u8; 16]]) -> Result<(), IssueError> {
    if expected > DISCLOSURES_MAX {
        return Err(IssueError::TooMany { got: expected });
    }
    if salts.len() != expected {
        return Err(IssueError::Salts { expected, got: salts.len() });
    }
    let distinct: BTreeSet<_> = salts.iter().collect();
    if distinct.len() == salts.len() { Ok(()) } else { Err(IssueError::SaltTwice) }
}

/// Takes the claim at `path` out and leaves its digest.
fn conceal(
    object: &mut Map<String, Value>,
    path: &[String],
    salt: &[u8; 16],
) -> Option<Disclosure> {
    let (name, rest) = path.split_first()?;
    if !rest.is_empty() {
        return conceal(object.get_mut(name)?.as_object_mut()?, rest, salt);
    }
    // `shift_remove` keeps the order of the claims that stay.
    let value = object.shift_remove(name)?;
    let disclosure = Disclosure::of_member(salt, name, value).ok()?;
    let digests = object.entry("_sd").or_insert_with(|| json!([])).as_array_mut()?;
    digests.push(disclosure.digest().into());
    digests.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    Some(disclosure)
}

fn payload(draft: &CredentialDraft<'_>, concealed: Map<String, Value>) -> Map<String, Value> {
    let mut payload = Map::new();
    let mut put = |name: &str, value: Value| payload.insert(name.to_owned(), value);
    put("iss", draft.issuer.into());
    put("vct", draft.credential_type.into());
    put("iat", draft.issued_at.seconds().into());
    put("exp", draft.expires_at.seconds().into());
    put("cnf", json!({ "jwk": jwk_of(&draft.holder) }));
    if let Some(status) = &draft.status {
        put("status", status.to_claim());
    }
    if !draft.selective.is_empty() {
        put("_sd_alg", SD_ALGORITHM.into());
    }
    payload.extend(concealed);
    payload
}
