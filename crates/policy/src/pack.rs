//! A pack: loaded once, checked strictly, identified by what it means.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    Entities, Entity, EntityUid, PolicySet, Schema, SchemaFragment, ValidationMode, Validator,
};
use record::{Side, Visibility};
use seal::Digest;
use seal::digest::{Domain, digest_of};
use serde_json::Value;
use terms::{BusinessDate, CorridorName};
use thiserror::Error;

use crate::json::canonical;
use crate::parameters::{self, ParameterValue, Parameters};
use crate::rule::{self, Chapter, Rule};
use crate::vocabulary::{Kind, definition};

/// Domain of a pack's digest.
pub const PACK_DOMAIN: Domain = Domain::new("wayleave/pack/v1");
/// Domain of a schema's digest.
pub const SCHEMA_DOMAIN: Domain = Domain::new("wayleave/pack-schema/v1");

/// The texts of a pack.
#[derive(Clone, Copy, Debug)]
pub struct PackFiles<'a> {
    /// `corridor.cedarschema`.
    pub schema: &'a str,
    /// `decide.cedar`.
    pub decide: &'a str,
    /// `oblige.cedar`.
    pub oblige: &'a str,
    /// `gate.cedar`.
    pub gate: &'a str,
    /// `parameters.json`.
    pub parameters: &'a str,
}

/// Claims of one credential that the rules need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// The credential type.
    pub vct: &'static str,
    /// Claim paths, each once, sorted; each a list of members from the top.
    pub claims: BTreeSet<Vec<&'static str>>,
    /// The findings made from them: why they are asked for.
    pub findings: BTreeSet<&'static str>,
}

/// Parameters in force from a day on, ready for evaluation.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    pub(crate) values: BTreeMap<String, ParameterValue>,
    pub(crate) entities: Entities,
}

impl Period {
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        match self.values.get(name)? {
            ParameterValue::Number(number) => Some(*number),
            ParameterValue::Text(_) | ParameterValue::Texts(_) => None,
        }
    }
}

/// A loaded pack.
#[derive(Clone, Debug)]
pub struct Pack {
    pub(crate) name: String,
    pub(crate) corridor: CorridorName,
    pub(crate) side: Side,
    pub(crate) digest: Digest,
    pub(crate) schema_digest: Digest,
    pub(crate) schema_json: Value,
    pub(crate) decide: PolicySet,
    pub(crate) oblige: PolicySet,
    pub(crate) gate: PolicySet,
    pub(crate) rules: BTreeMap<String, (Chapter, Rule)>,
    /// What the request of `decide` and `oblige` holds.
    pub(crate) request_reads: BTreeSet<String>,
    /// What the request of `gate` holds, [`DUTIES_DUE`] apart.
    pub(crate) gate_reads: BTreeSet<String>,
    /// All findings that the pack reads: what records hold.
    pub(crate) reads: BTreeSet<String>,
    pub(crate) periods: BTreeMap<BusinessDate, Period>,
    pub(crate) resource: EntityUid,
    pub(crate) principal: EntityUid,
}

/// The one attribute that `gate` reads and that is no finding: the kinds of duties due.
pub const DUTIES_DUE: &str = "dutiesDue";

impl Pack {
    /// Reads and checks a pack.
    pub fn load(files: &PackFiles<'_>) -> Result<Self, PackError> {
        let schema_error = |reason: String| PackError::Syntax { file: SCHEMA_FILE, reason };
        let (fragment, _) = SchemaFragment::from_cedarschema_str(files.schema)
            .map_err(|e| schema_error(e.to_string()))?;
        let schema_json = fragment.to_json_value().map_err(|e| schema_error(e.to_string()))?;
        let (schema, _) =
            Schema::from_cedarschema_str(files.schema).map_err(|e| schema_error(e.to_string()))?;
        let (decide, decide_rules) = rule::chapter(Chapter::Decide, files.decide)?;
        let (oblige, oblige_rules) = rule::chapter(Chapter::Oblige, files.oblige)?;
        let (gate, gate_rules) = rule::chapter(Chapter::Gate, files.gate)?;
        let validator = Validator::new(schema.clone());
        for (chapter, set) in
            [(Chapter::Decide, &decide), (Chapter::Oblige, &oblige), (Chapter::Gate, &gate)]
        {
            validate(&validator, chapter, set)?;
        }
        let parameters = parameters::read(files.parameters)?;
        let mut rules = BTreeMap::new();
        let request_reads = union(decide_rules.iter().chain(&oblige_rules));
        let mut gate_reads = union(&gate_rules);
        gate_reads.remove(DUTIES_DUE);
        for (chapter, list) in [
            (Chapter::Decide, decide_rules),
            (Chapter::Oblige, oblige_rules),
            (Chapter::Gate, gate_rules),
        ] {
            for rule in list {
                check_visibility(&rule)?;
                let id = rule.id.clone();
                if rules.insert(id.clone(), (chapter, rule)).is_some() {
                    return Err(PackError::IdTwice { policy: id });
                }
            }
        }
        check_declared(&schema_json, "Findings", &request_reads)?;
        let with_due: BTreeSet<String> =
            gate_reads.iter().cloned().chain([DUTIES_DUE.to_owned()]).collect();
        check_declared(&schema_json, "Gate", &with_due)?;
        check_parameters(&parameters, &rules)?;
        let resource = uid("Corridor", parameters.corridor.as_str())?;
        let digest = pack_digest(&schema_json, [&decide, &oblige, &gate], files.parameters)?;
        Ok(Self {
            digest,
            schema_digest: seal::digest(SCHEMA_DOMAIN, canonical(&schema_json).as_bytes()),
            schema_json,
            decide,
            oblige,
            gate,
            rules,
            reads: request_reads.union(&gate_reads).cloned().collect(),
            request_reads,
            gate_reads,
            periods: periods(&parameters, &resource, &schema)?,
            resource,
            principal: uid("Company", "customer")?,
            name: parameters.pack,
            corridor: parameters.corridor,
            side: parameters.side,
        })
    }

    /// The pack's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The corridor it is for.
    #[must_use]
    pub const fn corridor(&self) -> CorridorName {
        self.corridor
    }

    /// The side it decides.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// What the pack means, as a digest: over the canonical JSON of schema, rules (annotations
    /// included) and parameters, so that comments and layout do not change it.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of the schema alone.
    #[must_use]
    pub const fn schema_digest(&self) -> Digest {
        self.schema_digest
    }

    /// Names of the findings that the pack's rules read.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        self.reads.iter().map(String::as_str)
    }

    /// Ids of all rules, sorted.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.keys().map(String::as_str)
    }

    /// What to ask a wallet for: the claims from which the findings are made that the rules
    /// read, and no others.
    #[must_use]
    pub fn asks(&self) -> Vec<Ask> {
        let mut asks: BTreeMap<&'static str, Ask> = BTreeMap::new();
        for row in self.reads.iter().filter_map(|name| definition(name)) {
            for claims in row.asks_on(self.side) {
                let ask = asks.entry(claims.vct).or_insert_with(|| Ask {
                    vct: claims.vct,
                    claims: BTreeSet::new(),
                    findings: BTreeSet::new(),
                });
                ask.claims.extend(claims.paths.iter().map(|p| p.split('/').collect::<Vec<_>>()));
                ask.findings.insert(row.name);
            }
        }
        asks.into_values().collect()
    }

    pub(crate) fn period(&self, day: BusinessDate) -> Option<&Period> {
        self.periods.range(..=day).next_back().map(|(_, period)| period)
    }
}

fn union<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> BTreeSet<String> {
    rules.into_iter().flat_map(|rule| rule.reads.iter().cloned()).collect()
}

fn validate(validator: &Validator, chapter: Chapter, set: &PolicySet) -> Result<(), PackError> {
    let result = validator.validate(set, ValidationMode::Strict);
    let errors: Vec<String> = result.validation_errors().map(ToString::to_string).collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(PackError::Invalid { file: chapter.file(), reason: errors.join("; ") })
    }
}

/// An open rule must not show through its own outcome what is restricted.
fn check_visibility(rule: &Rule) -> Result<(), PackError> {
    let open = rule.why.as_ref().is_some_and(|w| w.reason.visibility == Visibility::Open);
    let restricted = |name: &&String| {
        definition(name).is_some_and(|row| row.visibility == Visibility::Restricted)
    };
    match rule.reads.iter().find(restricted) {
        Some(finding) if open => Err(PackError::OpenRuleReadsRestricted {
            policy: rule.id.clone(),
            finding: finding.clone(),
        }),
        _ => Ok(()),
    }
}

/// The schema declares exactly what the rules read, each with the type that the code gives it.
fn check_declared(schema: &Value, name: &str, reads: &BTreeSet<String>) -> Result<(), PackError> {
    let attributes = schema
        .pointer(&format!("//commonTypes/{name}/attributes"))
        .and_then(Value::as_object)
        .ok_or_else(|| PackError::TypeMissing { name: name.to_owned() })?;
    if let Some(finding) = reads.iter().find(|r| !attributes.contains_key(*r)) {
        return Err(PackError::FindingUnknown { finding: finding.clone() });
    }
    for (attribute, declared) in attributes {
        if !reads.contains(attribute) {
            return Err(PackError::FindingUnread { finding: attribute.clone() });
        }
        let expected = if attribute == DUTIES_DUE {
            Kind::Texts
        } else {
            let unknown = || PackError::FindingUnknown { finding: attribute.clone() };
            definition(attribute).ok_or_else(unknown)?.kind
        };
        let required = declared.get("required").is_none_or(|r| r == &Value::Bool(true));
        if !required || kind(declared) != Some(expected) {
            return Err(PackError::FindingTypeDiffers { finding: attribute.clone(), expected });
        }
    }
    Ok(())
}

pub(crate) fn kind(declared: &Value) -> Option<Kind> {
    let name = |value: &Value| {
        let word = value.get("name").or_else(|| value.get("type"))?.as_str()?.to_owned();
        Some(word.trim_start_matches("__cedar::").to_owned())
    };
    match name(declared)?.as_str() {
        "Bool" | "Boolean" => Some(Kind::Flag),
        "Long" => Some(Kind::Number),
        "String" => Some(Kind::Text),
        "Set" if name(declared.get("element")?)? == "String" => Some(Kind::Texts),
        _ => None,
    }
}

/// No parameter that neither a rule nor the calendar reads: it would look like a rule in force.
fn check_parameters(
    parameters: &Parameters,
    rules: &BTreeMap<String, (Chapter, Rule)>,
) -> Result<(), PackError> {
    let read: BTreeSet<&str> = rules
        .values()
        .flat_map(|(_, rule)| rule.parameters.iter().map(String::as_str))
        .chain([UTC_OFFSET])
        .collect();
    if let Some(name) = parameters.names.iter().find(|name| !read.contains(name.as_str())) {
        return Err(PackError::ParameterUnread { parameter: name.clone() });
    }
    if parameters.periods.is_empty() {
        return Err(PackError::Parameters { reason: "no day on which all are in force".into() });
    }
    Ok(())
}

fn periods(
    parameters: &Parameters,
    resource: &EntityUid,
    schema: &Schema,
) -> Result<BTreeMap<BusinessDate, Period>, PackError> {
    let bad = |reason: String| PackError::Parameters { reason };
    let make = |values: &BTreeMap<String, ParameterValue>| {
        let attributes = values
            .iter()
            .filter(|(name, _)| name.as_str() != UTC_OFFSET)
            .map(|(name, value)| (name.clone(), value.expression()))
            .collect();
        let entity = Entity::new(resource.clone(), attributes, core::iter::empty().collect())
            .map_err(|e| bad(e.to_string()))?;
        let entities =
            Entities::from_entities([entity], Some(schema)).map_err(|e| bad(e.to_string()))?;
        Ok(Period { values: values.clone(), entities })
    };
    parameters.periods.iter().map(|(day, values)| Ok((*day, make(values)?))).collect()
}

fn pack_digest(
    schema: &Value,
    sets: [&PolicySet; 3],
    parameters: &str,
) -> Result<Digest, PackError> {
    let parameters: Value = serde_json::from_str(parameters)
        .map_err(|e| PackError::Parameters { reason: e.to_string() })?;
    let mut pieces = vec![canonical(schema), canonical(&parameters)];
    for set in sets {
        let json = set.clone().to_json().map_err(|e| PackError::Syntax {
            file: Chapter::Decide.file(),
            reason: e.to_string(),
        })?;
        pieces.push(canonical(&json));
    }
    let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
    Ok(digest_of(PACK_DOMAIN, &pieces))
}

pub(crate) fn uid(kind: &str, id: &str) -> Result<EntityUid, PackError> {
    let name = kind.parse().map_err(|_| PackError::TypeMissing { name: kind.to_owned() })?;
    Ok(EntityUid::from_type_name_and_id(name, cedar_policy::EntityId::new(id)))
}

/// The parameter that the calendar reads: minutes east of UTC, fixed.
pub const UTC_OFFSET: &str = "utcOffsetMinutes";
pub(crate) const SCHEMA_FILE: &str = "corridor.cedarschema";

/// Why files are not a pack.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackError {
    /// A file does not parse.
    #[error("expected `{file}` to parse: {reason}")]
    Syntax {
        /// The file.
        file: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// A file does not fit the schema.
    #[error("expected `{file}` to fit the schema: {reason}")]
    Invalid {
        /// The file.
        file: &'static str,
        /// What the validator says.
        reason: String,
    },
    /// A policy lacks an annotation.
    #[error("expected annotation `@{annotation}` on policy `{policy}` of `{file}`")]
    AnnotationMissing {
        /// The file.
        file: &'static str,
        /// The policy.
        policy: String,
        /// The annotation.
        annotation: &'static str,
    },
    /// An annotation says something unknown.
    #[error("expected a known value of `@{annotation}` on policy `{policy}`, got `{got}`")]
    AnnotationUnknown {
        /// The policy.
        policy: String,
        /// The annotation.
        annotation: &'static str,
        /// What it says.
        got: String,
    },
    /// One id on two policies.
    #[error("expected id `{policy}` once")]
    IdTwice {
        /// The id.
        policy: String,
    },
    /// `oblige` forbids something: a duty is a permit.
    #[error("expected permits only in `oblige.cedar`")]
    ForbidInOblige,
    /// `decide` or `gate` has not one permit without conditions: a refusal would have no reason.
    #[error("expected one permit without conditions in `{file}`")]
    NotOneWidePermit {
        /// The file.
        file: &'static str,
    },
    /// A policy reads more than single attributes of `context` and `resource`.
    #[error("expected policy `{policy}` to read named attributes of context and resource only")]
    ReadsMoreThanItNames {
        /// The policy.
        policy: String,
    },
    /// An open rule reads a restricted finding.
    #[error("expected open policy `{policy}` not to read restricted finding `{finding}`")]
    OpenRuleReadsRestricted {
        /// The policy.
        policy: String,
        /// The finding.
        finding: String,
    },
    /// The schema lacks a type.
    #[error("expected type `{name}` in the schema")]
    TypeMissing {
        /// The type.
        name: String,
    },
    /// A finding that the findings layer does not know or the schema does not declare.
    #[error("expected a known finding, got `{finding}`")]
    FindingUnknown {
        /// The finding.
        finding: String,
    },
    /// A declared finding that no rule reads: it would be asked for without need.
    #[error("expected a rule that reads finding `{finding}`")]
    FindingUnread {
        /// The finding.
        finding: String,
    },
    /// The schema gives a finding another type than the code, or makes it optional.
    #[error("expected finding `{finding}` required and of kind {expected:?}")]
    FindingTypeDiffers {
        /// The finding.
        finding: String,
        /// Its type in the findings layer.
        expected: Kind,
    },
    /// A parameter that nothing reads.
    #[error("expected a rule that reads parameter `{parameter}`")]
    ParameterUnread {
        /// The parameter.
        parameter: String,
    },
    /// The parameters do not fit.
    #[error("expected dated parameters: {reason}")]
    Parameters {
        /// What is wrong.
        reason: String,
    },
}
