//! A document of Elastic's Common Schema 8.17. What it has no field for stands under `openshell`.

use audit::record::Phase;
use audit::{Action, Decision, Record, Severity};
use serde_json::{Map, Value as Json, json};

use super::fields::{Value, fields};
use super::summary::{message, severity};

/// Version of the schema.
const VERSION: &str = "8.17.0";

pub(super) fn document(record: &Record) -> Json {
    let event = &record.event;
    let mut document = Map::new();
    let mut put = |path: &str, value: Json| put(&mut document, path, value);
    put("@timestamp", json!(record.time));
    put("ecs.version", json!(VERSION));
    put("message", json!(message(record)));
    put("event.kind", json!(if event.action == Action::Detection { "alert" } else { "event" }));
    put("event.category", json!(category(event.action)));
    put("event.type", json!(kinds(record)));
    put("event.action", json!(event.action.as_str()));
    put("event.module", json!("openshell"));
    put("event.dataset", json!("openshell.audit"));
    put("event.id", json!(format!("{}/{}", record.sandbox, record.sequence)));
    put("event.severity", json!(number(severity(record))));
    put("event.outcome", json!(outcome(record)));
    if let Some(micros) = event.latency_us {
        put("event.duration", json!(micros.saturating_mul(1000)));
    }
    put("observer.vendor", json!("openshell"));
    put("observer.product", json!("openshell vm"));
    for (names, value) in fields(record) {
        if names.ecs == "destination.domain" || names.ecs == "destination.ip" {
            put("destination.address", plain(&value));
        }
        put(names.ecs, plain(&value));
    }
    Json::Object(document)
}

/// Puts a value at a path. No path of the table is the beginning of another.
fn put(document: &mut Map<String, Json>, path: &str, value: Json) {
    let mut here = document;
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        if steps.peek().is_none() {
            here.insert(step.to_owned(), value);
            return;
        }
        let next = here.entry(step).or_insert_with(|| Json::Object(Map::new()));
        let Json::Object(next) = next else { return };
        here = next;
    }
}

fn plain(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Number(number) => json!(number),
        Value::List(texts) => json!(texts),
    }
}

/// The values that the schema allows.
fn category(action: Action) -> &'static [&'static str] {
    match action {
        Action::NetworkFlow | Action::NameQuery | Action::InboundConnection => &["network"],
        Action::NetworkRequest | Action::NetworkOutcome | Action::InboundRequest | Action::InboundOutcome => {
            &["network", "web"]
        }
        Action::Inference | Action::InferenceOutcome => &["api", "web"],
        Action::Execution | Action::SystemCall => &["process"],
        Action::FileAccess => &["file"],
        Action::Lifecycle => &["host"],
        Action::PolicyChange | Action::Configuration | Action::Proposal | Action::Approval => {
            &["configuration"]
        }
        Action::CredentialChange => &["configuration", "iam"],
        Action::Detection => &["intrusion_detection"],
        Action::LogRepair | Action::LogGap | Action::LogRetention | Action::ClockChange | Action::LogEnd => {
            &["configuration"]
        }
    }
}

fn kinds(record: &Record) -> Vec<&'static str> {
    let event = &record.event;
    let phase = event.lifecycle.as_ref().map(|lifecycle| lifecycle.phase);
    let mut kinds = match event.action {
        Action::NetworkFlow | Action::InboundConnection => vec!["connection"],
        Action::NameQuery => vec!["protocol"],
        Action::NetworkRequest | Action::InboundRequest | Action::Inference => vec!["access"],
        Action::NetworkOutcome | Action::InboundOutcome | Action::InferenceOutcome => vec!["end"],
        Action::Execution => vec!["start"],
        Action::FileAccess => match event.object.as_ref().and_then(|object| object.method.as_deref()) {
            Some("write" | "rename" | "attributes") => vec!["change"],
            Some("create") => vec!["creation"],
            Some("remove") => vec!["deletion"],
            _ => vec!["access"],
        },
        Action::Lifecycle => match phase {
            Some(Phase::Started | Phase::AgentStarted | Phase::CommandStarted) => vec!["start"],
            Some(Phase::AgentExited | Phase::Stopped | Phase::Failed | Phase::CommandEnded) => vec!["end"],
            Some(Phase::Paused | Phase::Resumed | Phase::AgentRestarting) => vec!["change"],
            Some(Phase::CommandDetached | Phase::CommandStopped) => vec!["change"],
            None => vec!["info"],
        },
        Action::PolicyChange | Action::CredentialChange | Action::Approval => vec!["change"],
        Action::Configuration => vec!["creation"],
        Action::Detection | Action::Proposal | Action::SystemCall | Action::LogEnd => vec!["info"],
        Action::LogRepair | Action::LogGap | Action::ClockChange => vec!["change"],
        Action::LogRetention => vec!["deletion"],
    };
    match event.decision {
        Some(Decision::Allow) => kinds.push("allowed"),
        Some(Decision::Deny) => kinds.push("denied"),
        None => {}
    }
    kinds
}

fn outcome(record: &Record) -> &'static str {
    let event = &record.event;
    let failed = event.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.phase == Phase::Failed)
        || event.status.is_some_and(|status| status >= 400)
        || event.decision == Some(Decision::Deny);
    let known = event.lifecycle.is_some() || event.status.is_some() || event.decision.is_some();
    match (failed, known) {
        (true, _) => "failure",
        (false, true) => "success",
        (false, false) => "unknown",
    }
}

/// As Elastic's own rules count: 21, 47, 73 and 99.
fn number(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 0,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}
