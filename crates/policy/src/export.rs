//! A decision as plain Cedar JSON, for engines that are not ours.

use record::DecisionRecord;
use serde_json::{Value, json};

use crate::findings::Findings;
use crate::json::canonical;
use crate::pack::Pack;

impl Pack {
    /// Policies, schema, request and entities of a recorded decision, with what was decided, in
    /// the JSON forms that Cedar defines: any Cedar engine can replay them. `None` when the
    /// record's findings or parameters are not this pack's.
    #[must_use]
    pub fn export(&self, record: &DecisionRecord) -> Option<String> {
        let findings = Findings::of_record(&record.action, &record.findings)?;
        let period = self.period(record.decided_at.date())?;
        let context = self
            .request_reads
            .iter()
            .map(|name| Some((name.clone(), plain(findings.value(name)?))))
            .collect::<Option<serde_json::Map<String, Value>>>()?;
        let uid = |uid: &cedar_policy::EntityUid| json!({"type": uid.type_name().to_string(), "id": uid.id().unescaped()});
        let value = json!({
            "pack": self.digest.to_string(),
            "engine": record.engine,
            "schema": self.schema_json,
            "policies": self.decide.clone().to_json().ok()?,
            "duties": self.oblige.clone().to_json().ok()?,
            "request": {
                "principal": uid(&self.principal),
                "action": {"type": "Action", "id": record.action},
                "resource": uid(&self.resource),
                "context": context,
            },
            "entities": period.entities.to_json_value().ok()?,
            "decided": {
                "decision": if record.outcome == record::DecisionOutcome::Permit {
                    "allow"
                } else {
                    "deny"
                },
                "determining": record.determining,
                "errors": record.errors,
            },
        });
        Some(canonical(&value))
    }
}

fn plain(value: &record::FindingValue) -> Value {
    match value {
        record::FindingValue::Flag(flag) => json!(flag),
        record::FindingValue::Number(number) => json!(number),
        record::FindingValue::Text(text) => json!(text),
        record::FindingValue::Texts(texts) => json!(texts),
    }
}
