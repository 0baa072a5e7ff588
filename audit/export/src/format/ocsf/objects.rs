//! Objects that events of several classes have.

use std::net::IpAddr;

use audit::record::{Object, Owner};
use audit::{Record, Subject};
use serde_json::{Map, Value, json};

use super::class::METHODS;
use crate::format::fields::{is_address, unbracketed};

/// The sandbox: a virtual machine.
pub(super) fn device(record: &Record) -> Value {
    let name = agent(record);
    json!({"type_id": 6, "type": "Virtual", "uid": record.sandbox.as_str(), "name": name, "hostname": record.sandbox.as_str()})
}

/// What the agent is called; records of version 1 know only the sandbox.
pub(super) fn agent(record: &Record) -> &str {
    if record.agent.is_empty() { record.sandbox.as_str() } else { &record.agent }
}

/// The agent, and the program of it that acted.
pub(super) fn actor(record: &Record) -> Value {
    let mut actor = json!({"app_name": agent(record), "app_uid": record.sandbox.as_str()});
    let event = &record.event;
    if let Some(owner) = first_owner(event.subject.as_ref()) {
        actor["process"] = process(owner, &record.hash.to_string());
        actor["user"] = json!({"uid": owner.uid.to_string()});
    }
    let operator = event.policy_change.as_ref().map(|change| change.uid);
    let operator = operator.or_else(|| event.configuration.as_ref().and_then(|made| made.uid));
    if let Some(uid) = operator {
        actor["user"] = json!({"uid": uid.to_string()});
    }
    actor
}

fn first_owner(subject: Option<&Subject>) -> Option<&Owner> {
    match subject {
        Some(Subject::Owners(owners)) => owners.first(),
        Some(Subject::Unknown(_)) | None => None,
    }
}

/// With its ancestors, each in its child. Of them only the files are known: the numbers that the schema asks for are made of
/// the record's hash and the generation, so that no two processes of an export have one.
fn process(owner: &Owner, hash: &str) -> Value {
    let mut process = json!({
        "pid": owner.pid,
        "name": name(&owner.binary),
        "file": file(&owner.binary, owner.sha256.as_deref()),
        "user": {"uid": owner.uid.to_string()},
    });
    let eldest_first = owner.parents.iter().enumerate().rev();
    let parent = eldest_first.fold(None::<Value>, |above, (generation, path)| {
        let mut parent =
            json!({"uid": format!("{hash}/{}", generation + 1), "name": name(path), "file": file(path, None)});
        if let Some(above) = above {
            parent["parent_process"] = above;
        }
        Some(parent)
    });
    if let Some(parent) = parent {
        process["parent_process"] = parent;
    }
    process
}

/// A regular file.
pub(super) fn file(path: &str, sha256: Option<&str>) -> Value {
    let mut file = json!({"name": name(path), "path": path, "type_id": 1, "type": "Regular File"});
    let is_hash = |hash: &&str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(hash) = sha256.filter(is_hash) {
        file["hashes"] = json!([{"algorithm_id": 3, "algorithm": "SHA-256", "value": hash}]);
    }
    file
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// The sandbox as one end of a connection.
pub(super) fn sandbox(record: &Record) -> Value {
    json!({"uid": record.sandbox.as_str(), "name": agent(record), "type_id": 6, "type": "Virtual"})
}

/// The other end: the object, or who came in.
pub(super) fn remote(object: &Object) -> Option<Value> {
    let host = object.host.as_deref()?;
    let mut remote =
        if is_address(host) { json!({"ip": unbracketed(host)}) } else { json!({"hostname": host}) };
    if let Some(port) = object.port {
        remote["port"] = json!(port);
    }
    Some(remote)
}

/// From where somebody came in.
pub(super) fn visitor(record: &Record) -> Option<Value> {
    let source = record.event.source?;
    let ip: IpAddr = source.ip();
    Some(json!({"ip": ip.to_string(), "port": source.port()}))
}

/// Techniques of MITRE ATT&CK among the references.
pub(super) fn attacks(references: &[String]) -> Vec<Value> {
    let is_technique = |reference: &&String| {
        reference.strip_prefix('T').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    references.iter().filter(is_technique).map(|id| json!({"technique": {"uid": id}})).collect()
}

/// What the schema has no attribute for, by our record's names.
pub(super) fn unmapped(record: &Record) -> Value {
    let event = &record.event;
    let mut rest = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            rest.insert(key.to_owned(), value);
        }
    };
    put("prev", Some(json!(record.prev.to_string())));
    put("monotonic_ns", Some(json!(record.monotonic_ns)));
    put("level", event.level.as_ref().map(|level| json!(level)));
    put("rule_denies", event.rule_denies.then_some(Value::Bool(true)));
    put("flow", event.flow.map(|flow| json!(flow.0)));
    put("latency_us", event.latency_us.map(|latency| json!(latency)));
    put("credentials", Some(json!(event.credentials)).filter(|_| !event.credentials.is_empty()));
    put("inference", event.inference.as_ref().map(|inference| json!(inference)));
    put("lifecycle", event.lifecycle.as_ref().map(|lifecycle| json!(lifecycle)));
    put("policy_change", event.policy_change.as_ref().map(|change| json!(change)));
    put("configuration", event.configuration.as_ref().map(|made| json!(made)));
    put("proposal", event.proposal.as_ref().map(|proposal| json!(proposal)));
    put("detection", event.detection.as_ref().map(|detection| json!(detection)));
    // Script and the other owners.
    put("subject", event.subject.as_ref().map(|subject| json!(subject)));
    if let Some(object) = &event.object {
        let method = object.method.as_ref().filter(|method| !METHODS.contains(&method.as_str()));
        put("method", method.map(|method| json!(method)));
        put("query_keys", Some(json!(object.query_keys)).filter(|_| !object.query_keys.is_empty()));
        put("object_sha256", object.sha256.as_ref().map(|hash| json!(hash)));
        put("sent_sha256", object.sent_sha256.as_ref().map(|hash| json!(hash)));
        put("received_sha256", object.received_sha256.as_ref().map(|hash| json!(hash)));
        put("download_kind", object.kind.as_ref().map(|kind| json!(kind)));
        put("download_size", object.size.map(|size| json!(size)));
    }
    Value::Object(rest)
}
