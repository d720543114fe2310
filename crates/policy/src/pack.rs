//! A pack: loaded once, checked strictly, identified by what it means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{
    Entities, Entity, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint,
    Schema, SchemaFragment, ValidationMode, Validator,
};
use record::{Side, Visibility};
use seal::Digest;
use seal::digest::{Domain, digest_of};
use serde_json::Value;
use terms::{BusinessDate, CorridorName};
use thiserror::Error;

use crate::assumptions::{ASSUMPTIONS_FILE, Assumptions};
use crate::json::canonical;
use crate::parameters::{self, ParameterValue, Parameters};
use crate::rule::{self, Chapter, Rule};
use crate::vocabulary::{Kind, definition};
use crate::whole::whole;

/// Domain of a pack's digest.
pub const PACK_DOMAIN: Domain = Domain::new("wayleave/pack/v2");
/// Domain of a pack's digest before packs had assumptions.
pub const PACK_DOMAIN_V1: Domain = Domain::new("wayleave/pack/v1");
/// Domain of the digest of all that a proof is about: a pack without its parameters.
pub const RULES_DOMAIN: Domain = Domain::new("wayleave/pack-rules/v1");
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
    /// `assumptions.cedar`; empty where a pack takes nothing for granted.
    pub assumptions: &'a str,
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

    /// Whether a set of words has this one; `None` where the pack has no such set.
    pub(crate) fn has(&self, name: &str, word: &str) -> Option<bool> {
        match self.values.get(name)? {
            ParameterValue::Texts(words) => Some(words.contains(word)),
            ParameterValue::Number(_) | ParameterValue::Text(_) => None,
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
    /// The digest that the same pack had before packs had assumptions.
    pub(crate) digest_v1: Digest,
    pub(crate) set: Arc<RuleSet>,
    pub(crate) periods: BTreeMap<BusinessDate, Period>,
    pub(crate) resource: EntityUid,
}

/// All of a pack but its parameters. Corridors that differ in parameters only hold one of it
/// ([`Shelf`]): a thousand copies would each be read from memory anew, decision by decision.
#[derive(Clone, Debug)]
pub(crate) struct RuleSet {
    pub(crate) rules_digest: Digest,
    pub(crate) schema_digest: Digest,
    pub(crate) schema_json: Value,
    pub(crate) decide: PolicySet,
    pub(crate) oblige: PolicySet,
    pub(crate) gate: PolicySet,
    pub(crate) assumptions: Assumptions,
    /// All forbids of `decide` as one, and of `gate`: see [`crate::whole`].
    pub(crate) decide_whole: Option<PolicySet>,
    pub(crate) gate_whole: Option<PolicySet>,
    /// All that is assumed, as one forbid.
    pub(crate) assumed_whole: Option<PolicySet>,
    pub(crate) rules: BTreeMap<String, (Chapter, Rule)>,
    /// What the request of `decide` and `oblige` holds.
    pub(crate) request_reads: BTreeSet<String>,
    /// What the request of `gate` holds, [`DUTIES_DUE`] apart.
    pub(crate) gate_reads: BTreeSet<String>,
    /// All findings that the pack reads: what records hold.
    pub(crate) reads: BTreeSet<String>,
    pub(crate) principal: EntityUid,
    /// The actions of the schema, made once: reading a type's name costs more than a rule.
    pub(crate) actions: BTreeMap<&'static str, EntityUid>,
}

/// What the referral queue reads of a pack, where it says so: up to which amount one person's key
/// releases a case (minor units; absent: never), hours until a case is no longer to be released,
/// and days for which *not the same* may be remembered (absent: not at all).
pub const REFERRAL_PARAMETERS: [&str; 3] =
    [REFERRAL_ONE_KEY_MAX, REFERRAL_HOURS, NOT_THE_SAME_DAYS];
/// The largest amount that one key releases.
pub const REFERRAL_ONE_KEY_MAX: &str = "referralOneKeyMax";
/// Hours until a case's deadline.
pub const REFERRAL_HOURS: &str = "referralHours";
/// Days of *not the same*.
pub const NOT_THE_SAME_DAYS: &str = "notTheSameDays";

/// Packs loaded one after another, of which those with the same rules share them.
#[derive(Debug, Default)]
pub struct Shelf {
    known: BTreeMap<Digest, Arc<RuleSet>>,
}

impl Shelf {
    /// Reads and checks a pack as [`Pack::load`] does.
    pub fn load(&mut self, files: &PackFiles<'_>) -> Result<Pack, PackError> {
        Ok(self.place(Pack::load(files)?))
    }

    /// The same pack, with rules that another one brought here already.
    #[must_use]
    pub fn place(&mut self, mut pack: Pack) -> Pack {
        // The digest is over schema, rules with their annotations and assumptions: the same digest
        // is the same set.
        let set = self.known.entry(pack.set.rules_digest).or_insert_with(|| Arc::clone(&pack.set));
        pack.set = Arc::clone(set);
        pack
    }
}

/// The one attribute that `gate` reads and that is no finding: the kinds of duties due.
pub const DUTIES_DUE: &str = "dutiesDue";

/// A schema, and its canonical JSON.
fn schema(text: &str) -> Result<(Schema, Value), PackError> {
    let wrong = |reason: String| PackError::Syntax { file: SCHEMA_FILE, reason };
    let (fragment, _) =
        SchemaFragment::from_cedarschema_str(text).map_err(|e| wrong(e.to_string()))?;
    let json = fragment.to_json_value().map_err(|e| wrong(e.to_string()))?;
    let (schema, _) = Schema::from_cedarschema_str(text).map_err(|e| wrong(e.to_string()))?;
    Ok((schema, json))
}

impl Pack {
    /// Reads and checks a pack.
    pub fn load(files: &PackFiles<'_>) -> Result<Self, PackError> {
        let (schema, schema_json) = schema(files.schema)?;
        let decided = requests(&schema_json)?;
        let (decide, decide_rules) = rule::chapter(Chapter::Decide, files.decide)?;
        let (oblige, oblige_rules) = rule::chapter(Chapter::Oblige, files.oblige)?;
        let (gate, gate_rules) = rule::chapter(Chapter::Gate, files.gate)?;
        let validator = Validator::new(schema.clone());
        for (chapter, set) in
            [(Chapter::Decide, &decide), (Chapter::Oblige, &oblige), (Chapter::Gate, &gate)]
        {
            validate(&validator, chapter.file(), set)?;
        }
        let assumptions = Assumptions::read(files.assumptions)?;
        validate(&validator, ASSUMPTIONS_FILE, assumptions.check())?;
        let parameters = parameters::read(files.parameters)?;
        let request_reads = union(decide_rules.iter().chain(&oblige_rules));
        let mut gate_reads = union(&gate_rules);
        gate_reads.remove(DUTIES_DUE);
        let rules = by_id([
            (Chapter::Decide, decide_rules),
            (Chapter::Oblige, oblige_rules),
            (Chapter::Gate, gate_rules),
        ])?;
        check_declared(&schema_json, "Findings", &request_reads)?;
        let with_due: BTreeSet<String> =
            gate_reads.iter().cloned().chain([DUTIES_DUE.to_owned()]).collect();
        check_declared(&schema_json, "Gate", &with_due)?;
        check_parameters(&parameters, &rules)?;
        let resource = uid("Corridor", parameters.corridor.as_str())?;
        assumptions.check_reads(&request_reads)?;
        assumptions.check_actions(&decided)?;
        let sets = [&decide, &oblige, &gate];
        let digests = Digests::of(&schema_json, sets, &assumptions, files.parameters)?;
        let set = RuleSet {
            rules_digest: digests.rules,
            schema_digest: seal::digest(SCHEMA_DOMAIN, canonical(&schema_json).as_bytes()),
            schema_json,
            decide_whole: whole(&decide),
            gate_whole: whole(&gate),
            assumed_whole: whole(assumptions.check()),
            decide,
            oblige,
            gate,
            assumptions,
            rules,
            reads: request_reads.union(&gate_reads).cloned().collect(),
            request_reads,
            gate_reads,
            principal: uid("Company", "customer")?,
            actions: action_uids()?,
        };
        Ok(Self {
            digest: digests.pack,
            digest_v1: digests.pack_v1,
            set: Arc::new(set),
            periods: periods(&parameters, &resource, &schema)?,
            resource,
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

    /// Whether the schema has an action: `pay`, `settle`, and `refund` where the pack refunds.
    #[must_use]
    pub fn declares(&self, action: &str) -> bool {
        let namespaces = self.set.schema_json.as_object().into_iter().flat_map(|all| all.values());
        namespaces
            .filter_map(|namespace| namespace.get("actions")?.as_object())
            .any(|actions| actions.contains_key(action))
    }

    /// The side it decides.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// What the pack means, as a digest: over the canonical JSON of schema, rules (annotations
    /// included), assumptions and parameters, so that comments and layout do not change it.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest that this pack had before packs had assumptions: what older records name.
    #[must_use]
    pub const fn digest_before_assumptions(&self) -> Digest {
        self.digest_v1
    }

    /// The digest of all that a proof is about: schema, rules and assumptions. Proofs hold for
    /// every value of the parameters, so those are left out.
    #[must_use]
    pub fn rules_digest(&self) -> Digest {
        self.set.rules_digest
    }

    /// The policies of a chapter.
    #[must_use]
    pub fn policies(&self, chapter: Chapter) -> &PolicySet {
        match chapter {
            Chapter::Decide => &self.set.decide,
            Chapter::Oblige => &self.set.oblige,
            Chapter::Gate => &self.set.gate,
        }
    }

    /// What the pack takes for granted.
    #[must_use]
    pub fn assumptions(&self) -> &Assumptions {
        &self.set.assumptions
    }

    /// The values of all parameters from each day on which one changes.
    pub fn parameters(
        &self,
    ) -> impl Iterator<Item = (BusinessDate, &BTreeMap<String, ParameterValue>)> {
        self.periods.iter().map(|(day, period)| (*day, &period.values))
    }

    /// The same pack as it was before packs had assumptions: for records of that time.
    pub(crate) fn before_assumptions(&self) -> Self {
        let assumptions = Assumptions::none();
        let set = RuleSet { assumptions, assumed_whole: None, ..(*self.set).clone() };
        Self { set: Arc::new(set), digest: self.digest_v1, ..self.clone() }
    }

    /// The digest of the schema alone.
    #[must_use]
    pub fn schema_digest(&self) -> Digest {
        self.set.schema_digest
    }

    /// Names of the findings that the pack's rules read.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        self.set.reads.iter().map(String::as_str)
    }

    /// Ids of all rules, sorted.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.set.rules.keys().map(String::as_str)
    }

    /// What to ask a wallet for: the claims from which the findings are made that the rules
    /// read, and no others.
    #[must_use]
    pub fn asks(&self) -> Vec<Ask> {
        let mut asks: BTreeMap<&'static str, Ask> = BTreeMap::new();
        for row in self.set.reads.iter().filter_map(|name| definition(name)) {
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

fn action_uids() -> Result<BTreeMap<&'static str, EntityUid>, PackError> {
    ACTIONS.iter().map(|action| Ok((*action, uid("Action", action)?))).collect()
}

/// The actions that are decided. The schema declares those that an edge asks for, each of the
/// types that an edge asks with, and no other request: else a proof would speak of requests that
/// nobody makes, and a rule of a principal that never comes.
fn requests(schema: &Value) -> Result<BTreeSet<String>, PackError> {
    let wrong = |reason: String| PackError::Invalid { file: SCHEMA_FILE, reason };
    let only = schema.as_object().filter(|spaces| spaces.len() == 1).and_then(|all| all.get(""));
    let actions = only.and_then(|space| space.get("actions")).and_then(Value::as_object);
    let actions = actions.ok_or_else(|| wrong("expected actions and no namespace".to_owned()))?;
    for (action, declared) in actions {
        if !ACTIONS.contains(&action.as_str()) {
            return Err(wrong(format!("expected no action `{action}`: no edge asks for it")));
        }
        let context = if action == SETTLE { "Gate" } else { "Findings" };
        let applies = declared.get("appliesTo");
        let of = |name: &str| applies.and_then(|applies| applies.get(name));
        let one = |name: &str, kind: &str| of(name) == Some(&serde_json::json!([kind]));
        let named = of("context").and_then(type_name);
        let grouped = declared.get("memberOf").and_then(Value::as_array);
        if !one("principalTypes", "Company")
            || !one("resourceTypes", "Corridor")
            || named.as_deref() != Some(context)
            || grouped.is_some_and(|groups| !groups.is_empty())
        {
            return Err(wrong(format!(
                "expected action `{action}` of a Company on a Corridor with {context}, alone"
            )));
        }
    }
    if !actions.contains_key(SETTLE) || !actions.contains_key("pay") {
        return Err(wrong("expected the actions `pay` and `settle`".to_owned()));
    }
    Ok(actions.keys().filter(|action| *action != SETTLE).cloned().collect())
}

/// The name of a type of the schema's JSON form.
fn type_name(value: &Value) -> Option<String> {
    let word = value.get("name").or_else(|| value.get("type"))?.as_str()?.to_owned();
    Some(word.trim_start_matches("__cedar::").to_owned())
}

/// Whether a policy is for whoever pays on whatever corridor: an edge asks with one of each, and a
/// proof speaks of all.
#[must_use]
pub fn of_anybody(policy: &Policy) -> bool {
    policy.principal_constraint() == PrincipalConstraint::Any
        && policy.resource_constraint() == ResourceConstraint::Any
}

/// The rules of all chapters, each id once.
fn by_id(
    chapters: [(Chapter, Vec<Rule>); 3],
) -> Result<BTreeMap<String, (Chapter, Rule)>, PackError> {
    let mut rules = BTreeMap::new();
    for (chapter, list) in chapters {
        for rule in list {
            check_visibility(&rule)?;
            let id = rule.id.clone();
            if rules.insert(id.clone(), (chapter, rule)).is_some() {
                return Err(PackError::IdTwice { policy: id });
            }
        }
    }
    Ok(rules)
}

fn union<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> BTreeSet<String> {
    rules.into_iter().flat_map(|rule| rule.reads.iter().cloned()).collect()
}

fn validate(validator: &Validator, file: &'static str, set: &PolicySet) -> Result<(), PackError> {
    let result = validator.validate(set, ValidationMode::Strict);
    let errors: Vec<String> = result.validation_errors().map(ToString::to_string).collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(PackError::Invalid { file, reason: errors.join("; ") })
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
    match type_name(declared)?.as_str() {
        "Bool" | "Boolean" => Some(Kind::Flag),
        "Long" => Some(Kind::Number),
        "String" => Some(Kind::Text),
        "Set" if type_name(declared.get("element")?)? == "String" => Some(Kind::Texts),
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
        .chain(REFERRAL_PARAMETERS)
        .collect();
    if let Some(name) = parameters.names.iter().find(|name| !read.contains(name.as_str())) {
        return Err(PackError::ParameterUnread { parameter: name.clone() });
    }
    if parameters.periods.is_empty() {
        return Err(PackError::Parameters { reason: "no day on which all are in force".into() });
    }
    Ok(())
}

/// Whether a parameter is the edge's own to read, and no rule's.
#[must_use]
pub fn read_by_the_edge(name: &str) -> bool {
    name == UTC_OFFSET || REFERRAL_PARAMETERS.contains(&name)
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
            .filter(|(name, _)| !read_by_the_edge(name))
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

/// What a pack is known by.
struct Digests {
    pack: Digest,
    pack_v1: Digest,
    rules: Digest,
}

impl Digests {
    fn of(
        schema: &Value,
        sets: [&PolicySet; 3],
        assumptions: &Assumptions,
        parameters: &str,
    ) -> Result<Self, PackError> {
        let parameters: Value = serde_json::from_str(parameters)
            .map_err(|e| PackError::Parameters { reason: e.to_string() })?;
        let (schema, parameters) = (canonical(schema), canonical(&parameters));
        let mut rules = Vec::new();
        for set in sets {
            let json = set.clone().to_json().map_err(|e| PackError::Syntax {
                file: Chapter::Decide.file(),
                reason: e.to_string(),
            })?;
            rules.push(canonical(&json));
        }
        let assumed = assumptions.canonical();
        let digest = |domain, pieces: &[&String]| {
            let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            digest_of(domain, &pieces)
        };
        let [decide, oblige, gate] = rules.as_slice() else {
            return Err(PackError::TypeMissing { name: "chapter".to_owned() });
        };
        let whole = [&schema, &parameters, decide, oblige, gate, &assumed];
        Ok(Self {
            pack: digest(PACK_DOMAIN, &whole),
            pack_v1: digest(PACK_DOMAIN_V1, &[&schema, &parameters, decide, oblige, gate]),
            rules: digest(RULES_DOMAIN, &[&schema, decide, oblige, gate, &assumed]),
        })
    }
}

pub(crate) fn uid(kind: &str, id: &str) -> Result<EntityUid, PackError> {
    let name = kind.parse().map_err(|_| PackError::TypeMissing { name: kind.to_owned() })?;
    Ok(EntityUid::from_type_name_and_id(name, cedar_policy::EntityId::new(id)))
}

/// What may be asked of a pack.
const ACTIONS: [&str; 3] = ["pay", "refund", SETTLE];
/// What the gate is asked.
const SETTLE: &str = "settle";

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
    /// A policy that is for some payers or corridors only.
    #[error("expected policy `{policy}` with a plain `principal` and a plain `resource`")]
    ScopeNarrow {
        /// The policy.
        policy: String,
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
    /// An assumption that is not one condition over what the rules read.
    #[error("expected assumption `{assumption}` {expected}")]
    AssumptionForm {
        /// Its id.
        assumption: String,
        /// What was expected of it.
        expected: String,
    },
    /// The parameters do not fit.
    #[error("expected dated parameters: {reason}")]
    Parameters {
        /// What is wrong.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shipped;

    #[test]
    fn corridors_of_the_same_rules_share_them_and_no_others_do() {
        let corridor = "\"corridor\": \"nl-sg\"";
        let text = shipped::NL_SG.parameters.replace(corridor, "\"corridor\": \"nl-xaa\"");
        assert_ne!(text, shipped::NL_SG.parameters);
        let other = PackFiles { parameters: &text, ..shipped::NL_SG };
        let mut shelf = Shelf::default();
        let [first, second] = [shipped::NL_SG, other].map(|files| shelf.load(&files).unwrap());
        assert!(Arc::ptr_eq(&first.set, &second.set));
        assert_ne!((first.digest(), first.corridor()), (second.digest(), second.corridor()));
        assert_eq!(second.digest(), Pack::load(&other).unwrap().digest());
        let third = shelf.load(&shipped::SG_IN).unwrap();
        assert!(!Arc::ptr_eq(&first.set, &third.set));
    }
}
