//! A decision as plain Cedar JSON, for engines that are not ours.

use cedar_policy::{EntityUid, PolicySet};
use record::{DecisionRecord, FindingValue};
use serde_json::{Map, Value, json};

use crate::decide::{EvaluationError, evaluate};
use crate::findings::Findings;
use crate::json::canonical;
use crate::pack::{DUTIES_DUE, Pack, Period};

impl Pack {
    /// A recorded decision in the JSON forms that Cedar defines: for each of `decide`, `oblige`,
    /// `gate` and the assumptions the policies, the request and what this engine answered; with
    /// schema and entities. Any Cedar engine can replay it. `None` when the record's findings or
    /// day are not this pack's.
    #[must_use]
    pub fn export(&self, record: &DecisionRecord) -> Option<String> {
        let findings = Findings::of_record(&record.action, &record.findings)?;
        let period = self.period(record.decided_at.date())?;
        let request = self.request(&findings).ok()?;
        let context = self.plain_context(&self.set.request_reads, &findings)?;
        let main = (&self.set.decide, record.action.as_str(), &context);
        let duties = self.decide(&findings, record.decided_at).duties;
        let gate_request = self.gate_request(&findings, &duties).ok()?;
        let mut gate_context = self.plain_context(&self.set.gate_reads, &findings)?;
        let kinds: std::collections::BTreeSet<&str> =
            duties.iter().map(|duty| duty.kind.as_str()).collect();
        gate_context.insert(DUTIES_DUE.to_owned(), json!(kinds));
        let mut chapters = vec![
            self.chapter("decide", main, &request, period)?,
            self.chapter("oblige", (&self.set.oblige, main.1, &context), &request, period)?,
            self.chapter("gate", (&self.set.gate, "settle", &gate_context), &gate_request, period)?,
        ];
        if !self.set.assumptions.is_empty() {
            let check = (self.set.assumptions.check(), main.1, &context);
            chapters.push(self.chapter("assumptions", check, &request, period)?);
        }
        let value = json!({
            "pack": self.digest.to_string(),
            "schemaDigest": self.set.schema_digest.to_string(),
            "engine": record.engine,
            "recorded": {
                "permit": record.outcome == record::DecisionOutcome::Permit,
                "determining": record.determining,
            },
            "schema": self.set.schema_json,
            "entities": period.entities.to_json_value().ok()?,
            "chapters": chapters,
        });
        Some(canonical(&value))
    }

    fn chapter(
        &self,
        name: &str,
        (set, action, context): (&PolicySet, &str, &Map<String, Value>),
        request: &cedar_policy::Request,
        period: &Period,
    ) -> Option<Value> {
        let answer = evaluate(set, request, &period.entities);
        Some(json!({
            "name": name,
            "policies": set.clone().to_json().ok()?,
            "principal": uid(&self.set.principal),
            "action": {"type": "Action", "id": action},
            "resource": uid(&self.resource),
            "context": context,
            "answer": {
                "decision": if answer.allowed { "allow" } else { "deny" },
                "determining": answer.determining,
                "errors": answer.errors.iter().map(EvaluationError::to_string).collect::<Vec<_>>(),
            },
        }))
    }

    fn plain_context(
        &self,
        names: &std::collections::BTreeSet<String>,
        findings: &Findings,
    ) -> Option<Map<String, Value>> {
        let pairs = names.iter().map(|name| Some((name.clone(), plain(findings.value(name)?))));
        pairs.collect()
    }
}

fn uid(uid: &EntityUid) -> Value {
    json!({"type": uid.type_name().to_string(), "id": uid.id().unescaped()})
}

fn plain(value: &FindingValue) -> Value {
    match value {
        FindingValue::Flag(flag) => json!(flag),
        FindingValue::Number(number) => json!(number),
        FindingValue::Text(text) => json!(text),
        FindingValue::Texts(texts) => json!(texts),
    }
}
