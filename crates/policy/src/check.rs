//! All mistakes of a pack at once, each with its place and a hint, for whoever writes packs.
//!
//! Start at [`check`]. What it passes, [`Pack::load`] takes, and the other way round: whatever the
//! single looks do not see is what loading says.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Policy, PolicySet, Schema, SchemaFragment, ValidationMode, Validator};
use miette::Diagnostic;
use record::Visibility;
use serde_json::Value;

use crate::assumptions::ASSUMPTIONS_FILE;
use crate::pack::{
    DUTIES_DUE, Pack, PackError, PackFiles, REFERRAL_PARAMETERS, SCHEMA_FILE, UTC_OFFSET, kind,
};
use crate::parameters::{self, PARAMETERS_FILE, ParameterFile};
use crate::rule::{self, Chapter, Rule};
use crate::source::{Mistake, Piece, nearest, pieces, whole_word};
use crate::vocabulary::{Kind, TABLE, definition};

/// All mistakes of a pack, by file, line and column; none means that it loads.
#[must_use]
pub fn check(files: &PackFiles<'_>) -> Vec<Mistake> {
    let mut found = Vec::new();
    let schema = schema(files.schema, &mut found);
    let mut rules = Vec::new();
    for (chapter, text) in chapters(files) {
        Looked { chapter, text, schema: schema.as_ref(), found: &mut found }.all(&mut rules);
    }
    // What is declared can only be compared with rules that were all understood.
    if found.is_empty()
        && let Some(schema) = &schema
    {
        unread(files, schema, &rules, &mut found);
    }
    parameters_of(files.parameters, &rules, &mut found);
    if found.is_empty()
        && let Err(error) = Pack::load(files)
    {
        found.push(whole(files, &error));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// A pack's rules with the files they stand in.
pub(crate) fn chapters<'a>(files: &PackFiles<'a>) -> [(Chapter, &'a str); 3] {
    [(Chapter::Decide, files.decide), (Chapter::Oblige, files.oblige), (Chapter::Gate, files.gate)]
}

/// A schema that parses, with what it declares.
struct Declared {
    schema: Schema,
    findings: BTreeMap<String, Value>,
    gate: BTreeMap<String, Value>,
}

impl Declared {
    const fn of(&self, chapter: Chapter) -> &BTreeMap<String, Value> {
        match chapter {
            Chapter::Decide | Chapter::Oblige => &self.findings,
            Chapter::Gate => &self.gate,
        }
    }
}

fn schema(text: &str, found: &mut Vec<Mistake>) -> Option<Declared> {
    let parsed = SchemaFragment::from_cedarschema_str(text)
        .map(|(fragment, _)| fragment.to_json_value().ok())
        .map_err(|error| said(SCHEMA_FILE, text, 0, &error));
    let json = match parsed {
        Ok(json) => json?,
        Err(mistakes) => {
            found.extend(mistakes);
            return None;
        }
    };
    let schema = match Schema::from_cedarschema_str(text) {
        Ok((schema, _)) => schema,
        Err(error) => {
            found.extend(said(SCHEMA_FILE, text, 0, &error));
            return None;
        }
    };
    let declared = |name: &str| {
        let attributes = json.pointer(&format!("//commonTypes/{name}/attributes"));
        let attributes = attributes.and_then(Value::as_object)?;
        Some(attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    let mut of = |name: &'static str| {
        let attributes: Option<BTreeMap<String, Value>> = declared(name);
        if attributes.is_none() {
            let message = format!("type `{name}` is missing");
            let hint = format!("declare `type {name} = {{ … }};` with what the rules read");
            found.push(Mistake::at(SCHEMA_FILE, text, 0, message).hint(hint));
        }
        attributes
    };
    let (findings, gate) = (of("Findings")?, of("Gate")?);
    for (name, value) in findings.iter().chain(&gate) {
        found.extend(declared_wrongly(text, name, value));
    }
    Some(Declared { schema, findings, gate })
}

/// A declaration that names no finding, or another type than the finding has.
fn declared_wrongly(text: &str, name: &str, declared: &Value) -> Option<Mistake> {
    let at = whole_word(text, name).unwrap_or(0);
    let mistake = |message: String| Mistake::at(SCHEMA_FILE, text, at, message);
    let expected = match definition(name) {
        Some(row) => row.kind,
        None if name == DUTIES_DUE => Kind::Texts,
        None => {
            let names = TABLE.iter().map(|row| row.name);
            return Some(mistake(format!("`{name}` is no finding")).near(name, names));
        }
    };
    let required = declared.get("required").is_none_or(|value| value == &Value::Bool(true));
    if required && kind(declared) == Some(expected) {
        return None;
    }
    let word = cedar_type(expected);
    let wrong = mistake(format!("finding `{name}` has another type or is optional"));
    Some(wrong.hint(format!("write `{name}: {word},`")))
}

const fn cedar_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "Bool",
        Kind::Number => "Long",
        Kind::Text => "String",
        Kind::Texts => "Set<String>",
    }
}

/// One chapter, looked at policy by policy.
struct Looked<'a> {
    chapter: Chapter,
    text: &'a str,
    schema: Option<&'a Declared>,
    found: &'a mut Vec<Mistake>,
}

impl Looked<'_> {
    fn all(&mut self, rules: &mut Vec<Rule>) {
        let file = self.chapter.file();
        let mut wide = 0_usize;
        for piece in pieces(self.text) {
            let set: PolicySet = match piece.text.parse() {
                Ok(set) => set,
                Err(error) => {
                    self.found.extend(said(file, self.text, piece.start, &error));
                    continue;
                }
            };
            let Some(policy) = set.policies().next() else {
                let message = "a policy with slots is no rule of a pack".to_owned();
                self.found.push(Mistake::at(file, self.text, piece.start, message));
                continue;
            };
            let permit = policy.effect() == Effect::Permit;
            wide = wide.saturating_add(usize::from(permit && !policy.has_non_scope_constraint()));
            self.one(&piece, policy, rules);
        }
        if self.chapter != Chapter::Oblige && wide != 1 && self.found.is_empty() {
            let message = format!("expected one permit without conditions, got {wide}");
            let hint =
                "permit widely once, and forbid by name: a refusal then has a code and a law";
            self.found.push(Mistake::at(file, self.text, 0, message).hint(hint));
        }
    }

    fn one(&mut self, piece: &Piece<'_>, policy: &Policy, rules: &mut Vec<Rule>) {
        let before = self.found.len();
        self.annotations(piece, policy);
        self.shape(piece, policy);
        if self.found.len() > before {
            return;
        }
        let id = policy.annotation("id").unwrap_or_default();
        match rule::rule(self.chapter, policy, id) {
            Err(error) => {
                let mistake = self.of_rule(piece, &error);
                self.found.push(mistake);
            }
            Ok(rule) => {
                if rules.iter().any(|other| other.id == rule.id) {
                    let message = format!("id `{}` stands twice", rule.id);
                    let hint = "a code names one rule; give this one its own";
                    self.push(piece.annotation("id"), message, hint.to_owned());
                }
                self.reads(piece, &rule);
                if self.found.len() == before {
                    self.fits(piece, policy);
                }
                rules.push(rule);
            }
        }
    }

    /// Every annotation that the rule needs and lacks.
    fn annotations(&mut self, piece: &Piece<'_>, policy: &Policy) {
        let kind = policy.annotation("kind");
        let needed: &[&'static str] = match (self.chapter, policy.effect()) {
            (Chapter::Oblige, _) if kind == Some("limit") => LIMIT,
            (Chapter::Oblige, _) => DUTY,
            (_, Effect::Forbid) => FORBID,
            (_, Effect::Permit) => &["id"],
        };
        let written = piece.annotations();
        let lacks = |name: &&&str| policy.annotation(**name).is_none_or(str::is_empty);
        for name in needed.iter().filter(lacks) {
            let of = policy.annotation("id").unwrap_or("without a code");
            let message = format!("rule `{of}` lacks annotation `@{name}`");
            let unknown = written.iter().filter(|other| !KNOWN.contains(other)).copied();
            let hint = match nearest(name, unknown).first() {
                Some(other) => format!("`@{other}` is not known; did you mean `@{name}`?"),
                None => format!("add `@{name}(\"{}\")`", example(name)),
            };
            self.push(piece.start, message, hint);
        }
    }

    fn shape(&mut self, piece: &Piece<'_>, policy: &Policy) {
        let forbid = policy.effect() == Effect::Forbid;
        let conditions = policy.has_non_scope_constraint();
        if self.chapter == Chapter::Oblige && forbid {
            let hint = "a permit here means: this is due. Forbid in `decide.cedar`";
            self.push(piece.word("forbid"), "a duty forbids nothing".into(), hint.to_owned());
        } else if self.chapter != Chapter::Oblige && !forbid && conditions {
            let hint = "take the conditions away, and write a `forbid` with its code for each";
            let message = "a permit with conditions refuses without a reason".to_owned();
            self.push(piece.word("permit"), message, hint.to_owned());
        }
    }

    /// Findings that do not exist, are not declared, or would tell what is restricted.
    fn reads(&mut self, piece: &Piece<'_>, rule: &Rule) {
        let open = rule.why.as_ref().is_some_and(|w| w.reason.visibility == Visibility::Open);
        for name in &rule.reads {
            let row = definition(name);
            if row.is_none() && name != DUTIES_DUE {
                let names = TABLE.iter().map(|row| row.name);
                let file = self.chapter.file();
                let at = piece.word(name);
                let unknown = Mistake::at(file, self.text, at, format!("`{name}` is no finding"));
                self.found.push(unknown.near(name, names));
                continue;
            }
            if self.schema.is_some_and(|s| !s.of(self.chapter).contains_key(name)) {
                let of = if self.chapter == Chapter::Gate { "Gate" } else { "Findings" };
                let word = cedar_type(row.map_or(Kind::Texts, |row| row.kind));
                let message = format!("finding `{name}` is not declared in `{SCHEMA_FILE}`");
                let hint = format!("add `{name}: {word},` to type `{of}`");
                self.push(piece.word(name), message, hint);
            }
            if open && row.is_some_and(|row| row.visibility == Visibility::Restricted) {
                let message = format!("an open rule reads restricted finding `{name}`");
                let hint = "make the rule `@visibility(\"restricted\")`".to_owned();
                self.push(piece.annotation("visibility"), message, hint);
            }
        }
    }

    /// What Cedar's validator says.
    fn fits(&mut self, piece: &Piece<'_>, policy: &Policy) {
        let Some(declared) = self.schema else { return };
        let Ok(set) = PolicySet::from_policies([policy.clone()]) else { return };
        let validator = Validator::new(declared.schema.clone());
        let file = self.chapter.file();
        for error in validator.validate(&set, ValidationMode::Strict).validation_errors() {
            self.found.extend(said(file, self.text, piece.start, error));
        }
    }

    fn of_rule(&self, piece: &Piece<'_>, error: &PackError) -> Mistake {
        let at =
            |offset, message: String| Mistake::at(self.chapter.file(), self.text, offset, message);
        match error {
            PackError::AnnotationUnknown { annotation, got, .. } => {
                let message = format!("`@{annotation}` does not say `{got}`");
                at(piece.annotation(annotation), message)
                    .hint(format!("such as `@{annotation}(\"{}\")`", example(annotation)))
            }
            PackError::ReadsMoreThanItNames { .. } => {
                at(piece.word("context"), "a rule reads named findings only".to_owned())
                    .hint("write `context.name` or `resource.name`, never the whole")
            }
            other @ (PackError::Syntax { .. }
            | PackError::Invalid { .. }
            | PackError::AnnotationMissing { .. }
            | PackError::IdTwice { .. }
            | PackError::ForbidInOblige
            | PackError::NotOneWidePermit { .. }
            | PackError::OpenRuleReadsRestricted { .. }
            | PackError::TypeMissing { .. }
            | PackError::FindingUnknown { .. }
            | PackError::FindingUnread { .. }
            | PackError::FindingTypeDiffers { .. }
            | PackError::ParameterUnread { .. }
            | PackError::AssumptionForm { .. }
            | PackError::ScopeNarrow { .. }
            | PackError::Parameters { .. }) => at(piece.start, other.to_string()),
        }
    }

    fn push(&mut self, offset: usize, message: String, hint: String) {
        let file = self.chapter.file();
        self.found.push(Mistake::at(file, self.text, offset, message).hint(hint));
    }
}

/// Declared, and read by nothing: it would be asked of wallets for no reason.
fn unread(files: &PackFiles<'_>, schema: &Declared, rules: &[Rule], found: &mut Vec<Mistake>) {
    let read: BTreeSet<&str> =
        rules.iter().flat_map(|rule| rule.reads.iter().map(String::as_str)).collect();
    let names = schema.findings.keys().chain(schema.gate.keys());
    for name in names.filter(|name| !read.contains(name.as_str())) {
        let at = whole_word(files.schema, name).unwrap_or(0);
        let message = format!("no rule reads `{name}`");
        let hint = "take the line out: what no rule reads is neither asked nor recorded";
        found.push(Mistake::at(SCHEMA_FILE, files.schema, at, message).hint(hint));
    }
}

fn parameters_of(text: &str, rules: &[Rule], found: &mut Vec<Mistake>) {
    let file: ParameterFile = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            let at = offset_of(text, error.line(), error.column());
            found.push(Mistake::at(PARAMETERS_FILE, text, at, error.to_string()));
            return;
        }
    };
    let place = |name: &str| text.find(&format!("\"{name}\"")).unwrap_or(0);
    if let Err(error) = parameters::read(text) {
        let near = file.parameters.iter().map(|p| p.name.as_str());
        let message = error.to_string();
        let named = near.chain([file.corridor.as_str(), file.side.as_str()]);
        let at = named.filter(|name| message.contains(&format!("`{name}`"))).map(place).next();
        found.push(Mistake::at(PARAMETERS_FILE, text, at.unwrap_or(0), message));
        return;
    }
    let read: BTreeSet<&str> = rules
        .iter()
        .flat_map(|rule| rule.parameters.iter().map(String::as_str))
        .chain([UTC_OFFSET])
        .chain(REFERRAL_PARAMETERS)
        .collect();
    let given: BTreeSet<&str> = file.parameters.iter().map(|p| p.name.as_str()).collect();
    for name in given.difference(&read).filter(|_| !rules.is_empty()) {
        let message = format!("no rule reads parameter `{name}`");
        let missing = read.difference(&given).copied();
        found.push(Mistake::at(PARAMETERS_FILE, text, place(name), message).near(name, missing));
    }
    let may_be_absent = |name: &&&str| !REFERRAL_PARAMETERS.contains(*name);
    for name in read.difference(&given).filter(may_be_absent) {
        let message = format!("parameter `{name}` is read by a rule and has no value");
        let hint = format!("add {{\"name\": \"{name}\", …}} with a value and its first day");
        found.push(Mistake::at(PARAMETERS_FILE, text, place("parameters"), message).hint(hint));
    }
}

/// What only loading the whole pack sees.
fn whole(files: &PackFiles<'_>, error: &PackError) -> Mistake {
    let (file, text) = match error {
        PackError::AssumptionForm { .. } => (ASSUMPTIONS_FILE, files.assumptions),
        PackError::Syntax { file, .. } if *file == ASSUMPTIONS_FILE => (*file, files.assumptions),
        PackError::Syntax { file, .. }
        | PackError::Invalid { file, .. }
        | PackError::AnnotationMissing { file, .. }
        | PackError::NotOneWidePermit { file } => {
            let text = chapters(files).into_iter().find(|(chapter, _)| chapter.file() == *file);
            (*file, text.map_or(files.schema, |(_, text)| text))
        }
        PackError::ParameterUnread { .. } | PackError::Parameters { .. } => {
            (PARAMETERS_FILE, files.parameters)
        }
        PackError::AnnotationUnknown { .. }
        | PackError::IdTwice { .. }
        | PackError::ForbidInOblige
        | PackError::ReadsMoreThanItNames { .. }
        | PackError::ScopeNarrow { .. }
        | PackError::OpenRuleReadsRestricted { .. }
        | PackError::TypeMissing { .. }
        | PackError::FindingUnknown { .. }
        | PackError::FindingUnread { .. }
        | PackError::FindingTypeDiffers { .. } => (SCHEMA_FILE, files.schema),
    };
    Mistake::at(file, text, 0, error.to_string())
}

/// What a library says, at each place that it names.
fn said(
    file: &'static str,
    text: &str,
    start: usize,
    error: &(impl Diagnostic + ?Sized),
) -> Vec<Mistake> {
    let label = error.labels().and_then(|mut labels| labels.next());
    let offset = label.as_ref().map_or(0, miette::LabeledSpan::offset).saturating_add(start);
    let mistake = Mistake::at(file, text, offset, error.to_string());
    let hint = error
        .help()
        .map(|help| help.to_string())
        .or_else(|| label.and_then(|label| label.label().map(str::to_owned)));
    let mut all = vec![match hint {
        Some(hint) => mistake.hint(hint),
        None => mistake,
    }];
    for other in error.related().into_iter().flatten() {
        all.extend(said(file, text, start, other));
    }
    all
}

fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before.saturating_add(column.saturating_sub(1))
}

fn example(annotation: &str) -> &'static str {
    match annotation {
        "id" => "a-code",
        "precedence" => "50",
        "visibility" => "open",
        "ref" => "Act of …, art. …",
        "reason" => "What is the case.",
        "reason_zh" => "情况说明。",
        "mend" => "What to do about it.",
        "mend_zh" => "补救办法。",
        "outcome" => "refer",
        "kind" => "review",
        "owner" => "compliance",
        "hours" => "72",
        "on" => "always",
        "key" => "mandateKey",
        "asset" => "asset",
        "max" => "mandateMonthLimit",
        "period" => "month",
        _ => "…",
    }
}

/// What a forbid says.
const FORBID: &[&str] =
    &["id", "precedence", "visibility", "ref", "reason", "reason_zh", "mend", "mend_zh"];
/// What a duty says.
const DUTY: &[&str] = &["id", "kind", "visibility", "owner", "hours", "ref", "reason", "reason_zh"];
/// What a limit claim says.
const LIMIT: &[&str] =
    &["id", "kind", "key", "asset", "max", "period", "ref", "reason", "reason_zh"];
/// Every annotation that a rule may carry.
const KNOWN: &[&str] = &[
    "id",
    "precedence",
    "visibility",
    "ref",
    "reason",
    "reason_zh",
    "mend",
    "mend_zh",
    "outcome",
    "kind",
    "owner",
    "hours",
    "on",
    "parameters",
    "key",
    "asset",
    "max",
    "period",
];
