//! Events of the Open Cybersecurity Schema Framework, with its profiles `host` and `security_control`.
//!
//! | our action | class |
//! |---|---|
//! | network-flow, inbound-connection | 4001 Network Activity |
//! | network-request, -outcome, inbound-request, -outcome | 4002 HTTP Activity, or 4001 without a method or status |
//! | name-query | 4003 DNS Activity |
//! | inference, inference-outcome | 6003 API Activity |
//! | execution | allowed: 1007 Process Activity; refused: 1001 File System Activity, as no process came of it |
//! | file-access | 1001 File System Activity |
//! | system-call | 1007 Process Activity |
//! | lifecycle, log-repair, log-gap, log-retention, clock-change, log-end | 6002 Application Lifecycle |
//! | policy-change, credential-change, configuration, proposal, approval | 3004 Entity Management |
//! | detection | 2004 Detection Finding |
//!
//! What the schema has no attribute for stands under `unmapped`, by the names of our record.

mod class;
mod objects;

use audit::{Action, Decision, Record, Response, Severity};
use serde_json::{Map, Value, json};

use super::fields::{decision, name_of};
use super::summary::{message, micros, severity};

/// Version of the schema.
pub(super) const VERSION: &str = "1.5.0";

/// A class of events, and what was done.
pub(super) struct Class {
    /// Number of its category.
    category: u32,
    /// Its name.
    category_name: &'static str,
    /// Number of the class.
    uid: u32,
    /// Its name.
    name: &'static str,
    /// Number of the activity.
    activity: u32,
    /// Its name.
    activity_name: &'static str,
    /// What only this class has.
    attributes: Map<String, Value>,
}

pub(super) fn event(record: &Record) -> Value {
    let class = class::of(record);
    let mut event = class.attributes;
    let mut put = |key: &str, value: Value| {
        event.insert(key.to_owned(), value);
    };
    put("activity_id", json!(class.activity));
    put("activity_name", json!(class.activity_name));
    put("category_uid", json!(class.category));
    put("category_name", json!(class.category_name));
    put("class_uid", json!(class.uid));
    put("class_name", json!(class.name));
    put("type_uid", json!(class.uid * 100 + class.activity));
    put("type_name", json!(format!("{}: {}", class.name, class.activity_name)));
    let (severity_id, severity) = severity_of(severity(record));
    put("severity_id", json!(severity_id));
    put("severity", json!(severity));
    put("time", json!(micros(record) / 1000));
    put("timezone_offset", json!(0));
    put("message", json!(message(record)));
    put("metadata", metadata(record));
    put("device", objects::device(record));
    put("actor", objects::actor(record));
    put("unmapped", objects::unmapped(record));
    outcome(record, &mut put);
    controls(record, &mut put);
    Value::Object(event)
}

/// Sequence and hash join the event to its log.
fn metadata(record: &Record) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": {"name": "openshell vm", "vendor_name": "openshell", "version": env!("CARGO_PKG_VERSION")},
        "profiles": ["host", "security_control"],
        "uid": record.hash.to_string(),
        "sequence": record.sequence,
        "tenant_uid": record.tenant.as_str(),
        "log_name": record.sandbox.as_str(),
        "log_provider": record.client,
        "log_version": record.version.to_string(),
        "event_code": record.event.action.as_str(),
        "original_time": record.time,
    });
    if let Some(request) = &record.event.request {
        metadata["correlation_uid"] = json!(request.0);
    }
    metadata
}

fn outcome(record: &Record, put: &mut impl FnMut(&str, Value)) {
    let event = &record.event;
    if event.action == Action::Detection {
        // Of a finding the status is how far its handling is.
        put("status_id", json!(1));
        put("status", json!("New"));
    } else {
        let failed = event.decision == Some(Decision::Deny)
            || event.status.is_some_and(|status| status >= 400)
            || event.lifecycle.as_ref().is_some_and(|life| life.phase == audit::Phase::Failed);
        put("status_id", json!(if failed { 2 } else { 1 }));
        put("status", json!(if failed { "Failure" } else { "Success" }));
    }
    if let Some(status) = event.status {
        put("status_code", json!(status.to_string()));
    }
    if let Some(reason) = &event.reason {
        put("status_detail", json!(reason));
    }
    if let Some(latency) = event.latency_us {
        put("duration", json!(latency.min(i64::MAX.unsigned_abs()) / 1000));
    }
    if let Some(times) = event.object.as_ref().and_then(|object| object.times) {
        put("count", json!(times.min(i32::MAX.unsigned_abs().into())));
    }
}

/// What the profile `security_control` has: who let it, or did not.
fn controls(record: &Record, put: &mut impl FnMut(&str, Value)) {
    let event = &record.event;
    let numbers = match (event.decision, &event.detection) {
        (_, Some(detection)) => Some(responded(detection.response)),
        (Some(Decision::Allow), None) => Some((1, "Allowed", 1, "Allowed")),
        (Some(Decision::Deny), None) => Some((2, "Denied", 2, "Blocked")),
        (None, None) => None,
    };
    if let Some((action_id, action, disposition_id, disposition)) = numbers {
        put("action_id", json!(action_id));
        put("action", json!(action));
        put("disposition_id", json!(disposition_id));
        put("disposition", json!(disposition));
    }
    if let Some(rule) = &event.rule {
        put("firewall_rule", json!({"name": rule}));
    }
    if let Some(version) = event.policy {
        put("policy", json!({"name": "network policy", "version": version.to_string(), "is_applied": true}));
    }
    if let Some(decided) = event.decision {
        put("authorizations", json!([{"decision": decision(decided)}]));
    }
    if let Some(detection) = &event.detection {
        put("is_alert", json!(detection.severity >= Severity::Medium));
        let attacks = objects::attacks(&detection.references);
        if !attacks.is_empty() {
            put("attacks", Value::Array(attacks));
        }
    }
}

fn responded(response: Response) -> (u32, &'static str, u32, &'static str) {
    match response {
        Response::Record => (3, "Observed", 15, "Detected"),
        Response::Pause => (99, "Paused", 7, "Custom Action"),
        Response::Quarantine => (99, "Quarantined", 4, "Isolated"),
        Response::Stop => (99, "Stopped", 2, "Blocked"),
    }
}

fn severity_of(severity: Severity) -> (u32, String) {
    let number = match severity {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    };
    let name = name_of(severity);
    (number, name[..1].to_uppercase() + &name[1..])
}
