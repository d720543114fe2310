//! What is proved about: a pack, and the invariants that it must keep.

use std::collections::BTreeMap;

use cedar_policy::Schema;
use policy::invariants::{Invariant, InvariantError, invariants_digest, invariants_of};
use policy::parameters::Tightens;
use policy::{Pack, PackError, PackFiles};
use seal::Digest;
use serde_json::Value;
use thiserror::Error;

/// Why a pack cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// It is no pack.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// An invariant is not one.
    #[error(transparent)]
    Invariant(#[from] InvariantError),
}

/// What a parameter is, beside its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) unit: String,
    pub(crate) tightens: Tightens,
}

/// A pack with its invariants.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The pack.
    pub pack: Pack,
    /// Those of all packs on its side, then its own.
    pub invariants: Vec<Invariant>,
    /// The digest of their meaning.
    pub invariants_digest: Digest,
    pub(crate) schema: Schema,
    pub(crate) parameters: BTreeMap<String, Meaning>,
}

impl Subject {
    /// Loads a pack, with the shared invariants and `own`, the text of its `invariants.cedar`.
    pub fn new(files: &PackFiles<'_>, own: &str) -> Result<Self, SubjectError> {
        let pack = Pack::load(files)?;
        let bad = |file: &'static str, reason: String| PackError::Syntax { file, reason };
        let (schema, _) = Schema::from_cedarschema_str(files.schema)
            .map_err(|e| bad("corridor.cedarschema", e.to_string()))?;
        let invariants = invariants_of(&pack, own)?;
        let invariants_digest = invariants_digest(&invariants)?;
        let parameters = meanings(files.parameters)
            .ok_or_else(|| bad("parameters.json", "expected rows with a name".to_owned()))?;
        Ok(Self { pack, invariants, invariants_digest, schema, parameters })
    }
}

fn meanings(text: &str) -> Option<BTreeMap<String, Meaning>> {
    let file: Value = serde_json::from_str(text).ok()?;
    let rows = file.get("parameters")?.as_array()?;
    let meaning = |row: &Value| {
        let name = row.get("name")?.as_str()?.to_owned();
        let unit = row.get("unit")?.as_str()?.to_owned();
        let tightens = serde_json::from_value(row.get("tightens")?.clone()).ok()?;
        Some((name, Meaning { unit, tightens }))
    };
    rows.iter().map(meaning).collect()
}
