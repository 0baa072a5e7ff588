//! Which class of events a record is, and what only that class has.

use audit::record::{Object, Phase};
use audit::{Action, Decision, Record, Subject};
use serde_json::{Map, Value, json};

use super::Class;
use super::objects::{self, agent, file, remote, sandbox, visitor};
use crate::format::fields::name_of;

pub(super) fn of(record: &Record) -> Class {
    match record.event.action {
        Action::NetworkFlow | Action::InboundConnection => network(record),
        Action::NetworkRequest | Action::NetworkOutcome | Action::InboundRequest | Action::InboundOutcome => {
            http(record)
        }
        Action::NameQuery => dns(record),
        Action::Inference | Action::InferenceOutcome => api(record),
        Action::Execution => execution(record),
        Action::FileAccess => file_access(record),
        Action::SystemCall => system_call(record),
        Action::Lifecycle
        | Action::LogRepair
        | Action::LogGap
        | Action::LogRetention
        | Action::ClockChange
        | Action::LogEnd => lifecycle(record),
        Action::PolicyChange
        | Action::CredentialChange
        | Action::Configuration
        | Action::Proposal
        | Action::Approval => management(record),
        Action::Detection => finding(record),
    }
}

fn object(record: &Record) -> &Object {
    const NONE: &Object = &Object {
        host: None,
        port: None,
        method: None,
        path: None,
        sha256: None,
        query_keys: Vec::new(),
        bytes_sent: None,
        bytes_received: None,
        sent_sha256: None,
        received_sha256: None,
        kind: None,
        size: None,
        times: None,
    };
    record.event.object.as_ref().unwrap_or(NONE)
}

fn is_inbound(record: &Record) -> bool {
    matches!(record.event.action, Action::InboundConnection | Action::InboundRequest | Action::InboundOutcome)
}

/// Both ends, the direction, and what went over.
fn connection(record: &Record) -> Map<String, Value> {
    let object = object(record);
    let mut attributes = Map::new();
    let (source, destination) = if is_inbound(record) {
        let mut inside = sandbox(record);
        if let Some(port) = object.port {
            inside["port"] = json!(port);
        }
        (visitor(record), Some(inside))
    } else {
        (Some(sandbox(record)), remote(object))
    };
    attributes.extend(source.map(|source| ("src_endpoint".to_owned(), source)));
    attributes.extend(destination.map(|destination| ("dst_endpoint".to_owned(), destination)));
    let (direction_id, direction) = if is_inbound(record) { (1, "Inbound") } else { (2, "Outbound") };
    let mut info = json!({"direction_id": direction_id, "direction": direction});
    if record.event.action != Action::NameQuery {
        info["protocol_name"] = json!("tcp");
        info["protocol_num"] = json!(6);
    }
    if let Some(flow) = record.event.flow {
        info["uid"] = json!(flow.0.to_string());
    }
    attributes.insert("connection_info".to_owned(), info);
    let (sent, received) = (object.bytes_sent, object.bytes_received);
    if sent.is_some() || received.is_some() {
        let (sent, received) = (bytes(sent), bytes(received));
        let all = sent.saturating_add(received).min(i64::MAX.unsigned_abs());
        attributes
            .insert("traffic".to_owned(), json!({"bytes_out": sent, "bytes_in": received, "bytes": all}));
    }
    attributes
}

fn bytes(count: Option<u64>) -> u64 {
    count.unwrap_or(0).min(i64::MAX.unsigned_abs())
}

fn network(record: &Record) -> Class {
    let (activity, activity_name) = match (record.event.action, record.event.decision) {
        (Action::NetworkFlow | Action::InboundConnection, Some(Decision::Deny)) => (5, "Refuse"),
        (Action::NetworkFlow | Action::InboundConnection, _) => (1, "Open"),
        _ => (6, "Traffic"),
    };
    network_class(4001, "Network Activity", (activity, activity_name), connection(record))
}

fn network_class(
    uid: u32,
    name: &'static str,
    (activity, activity_name): (u32, &'static str),
    attributes: Map<String, Value>,
) -> Class {
    let category_name = "Network Activity";
    Class { category: 4, category_name, uid, name, activity, activity_name, attributes }
}

fn http(record: &Record) -> Class {
    let object = object(record);
    let (request, response) = (request(record), record.event.status.map(|code| json!({"code": code})));
    if request.is_none() && response.is_none() {
        return network(record);
    }
    let mut attributes = connection(record);
    attributes.extend(request.map(|request| ("http_request".to_owned(), request)));
    attributes.extend(response.map(|response| ("http_response".to_owned(), response)));
    const NAMES: [&str; 8] = ["Connect", "Delete", "Get", "Head", "Options", "Post", "Put", "Trace"];
    let known = object.method.as_deref().map(|method| METHODS.iter().position(|known| *known == method));
    let activity = match known {
        // They are numbered from 1 in the order of the alphabet.
        Some(Some(at)) => (u32::try_from(at + 1).expect("there are eight"), NAMES[at]),
        Some(None) => (99, "Other"),
        None => (0, "Unknown"),
    };
    network_class(4002, "HTTP Activity", activity, attributes)
}

/// The methods that the schema knows. Any other stands under `unmapped`.
pub(super) const METHODS: [&str; 8] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE"];

fn request(record: &Record) -> Option<Value> {
    let object = object(record);
    let method = object.method.as_deref()?;
    let mut request = json!({});
    if METHODS.contains(&method) {
        request["http_method"] = json!(method);
    }
    if let Some(path) = &object.path {
        let mut url = json!({"path": path});
        if let Some(host) = &object.host {
            url["hostname"] = json!(host);
        }
        if let Some(port) = object.port {
            url["port"] = json!(port);
        }
        request["url"] = url;
    }
    if let Some(id) = &record.event.request {
        request["uid"] = json!(id.0);
    }
    Some(request)
}

fn dns(record: &Record) -> Class {
    let object = object(record);
    let mut attributes = connection(record);
    // The name that was asked for is no end of a connection.
    attributes.remove("dst_endpoint");
    if let Some(host) = &object.host {
        let mut query = json!({"hostname": host});
        if let Some(record_type) = &object.method {
            query["type"] = json!(record_type);
        }
        attributes.insert("query".to_owned(), query);
    }
    network_class(4003, "DNS Activity", (1, "Query"), attributes)
}

fn api(record: &Record) -> Class {
    let object = object(record);
    let mut attributes = connection(record);
    // These two are no attributes of the class.
    attributes.remove("connection_info");
    attributes.remove("traffic");
    let operation = match (&object.method, &object.path) {
        (Some(method), Some(path)) => format!("{method} {path}"),
        (None, Some(path)) => path.clone(),
        _ => record.event.action.as_str().to_owned(),
    };
    let mut api = json!({"operation": operation});
    let model = record.event.inference.as_ref();
    if let Some(model) = model.and_then(|model| model.model_served.as_ref().or(model.model_asked.as_ref())) {
        api["service"] = json!({"name": model});
    }
    if let Some(id) = &record.event.request {
        api["request"] = json!({"uid": id.0});
    }
    if let Some(status) = record.event.status {
        api["response"] = json!({"code": status});
        attributes.insert("http_response".to_owned(), json!({"code": status}));
    }
    attributes.insert("api".to_owned(), api);
    attributes.extend(request(record).map(|request| ("http_request".to_owned(), request)));
    Class {
        category: 6,
        category_name: "Application Activity",
        uid: 6003,
        name: "API Activity",
        activity: 99,
        activity_name: "Inference",
        attributes,
    }
}

fn execution(record: &Record) -> Class {
    let object = object(record);
    let file = file(object.path.as_deref().unwrap_or("unknown"), object.sha256.as_deref());
    let (category, category_name) = (1, "System Activity");
    if record.event.decision == Some(Decision::Deny) {
        return file_class(file, (14, "Open"));
    }
    // The new process is known by its file; the number is its caller's until the program runs.
    let process = json!({"name": file["name"], "file": file, "uid": record.hash.to_string()});
    Class {
        category,
        category_name,
        uid: 1007,
        name: "Process Activity",
        activity: 1,
        activity_name: "Launch",
        attributes: Map::from_iter([("process".to_owned(), process)]),
    }
}

/// Of the process that made it; the schema knows no other place for a call.
fn system_call(record: &Record) -> Class {
    let caller = match &record.event.subject {
        Some(Subject::Owners(owners)) => owners.first(),
        _ => None,
    };
    let file = file(caller.map_or("unknown", |caller| caller.binary.as_str()), None);
    let mut process = json!({"name": file["name"], "file": file, "uid": record.hash.to_string()});
    if let Some(caller) = caller {
        process["pid"] = json!(caller.pid);
    }
    Class {
        category: 1,
        category_name: "System Activity",
        uid: 1007,
        name: "Process Activity",
        activity: 99,
        activity_name: "System Call",
        attributes: Map::from_iter([("process".to_owned(), process)]),
    }
}

fn file_access(record: &Record) -> Class {
    let object = object(record);
    let activity = match object.method.as_deref() {
        Some("read") => (2, "Read"),
        Some("write") => (3, "Update"),
        Some("create") => (1, "Create"),
        Some("remove") => (4, "Delete"),
        Some("rename") => (5, "Rename"),
        Some("attributes") => (6, "Set Attributes"),
        Some("inspect") => (8, "Get Attributes"),
        // Those that there was no room to tell apart.
        _ => (0, "Unknown"),
    };
    file_class(file(object.path.as_deref().unwrap_or("unknown"), None), activity)
}

fn file_class(file: Value, (activity, activity_name): (u32, &'static str)) -> Class {
    Class {
        category: 1,
        category_name: "System Activity",
        uid: 1001,
        name: "File System Activity",
        activity,
        activity_name,
        attributes: Map::from_iter([("file".to_owned(), file)]),
    }
}

fn lifecycle(record: &Record) -> Class {
    let phase = record.event.lifecycle.as_ref().map(|lifecycle| lifecycle.phase);
    let (activity, activity_name) = match phase {
        Some(Phase::Started | Phase::AgentStarted) => (3, "Start"),
        Some(Phase::AgentRestarting) => (99, "Restart"),
        Some(Phase::Paused) => (99, "Pause"),
        Some(Phase::Resumed) => (99, "Resume"),
        Some(Phase::CommandStarted) => (99, "Command Start"),
        Some(Phase::CommandDetached) => (99, "Command Detach"),
        Some(Phase::CommandStopped) => (99, "Command Stop"),
        Some(Phase::CommandEnded) => (99, "Command End"),
        Some(Phase::AgentExited | Phase::Stopped | Phase::Failed) => (4, "Stop"),
        None if record.event.action == Action::LogRepair => (99, "Log Repair"),
        None if record.event.action == Action::LogGap => (99, "Log Gap"),
        None if record.event.action == Action::LogRetention => (99, "Log Retention"),
        None if record.event.action == Action::ClockChange => (99, "Clock Change"),
        None if record.event.action == Action::LogEnd => (99, "Log End"),
        None => (0, "Unknown"),
    };
    let app = json!({"name": agent(record), "uid": record.sandbox.as_str(), "vendor_name": "openshell"});
    Class {
        category: 6,
        category_name: "Application Activity",
        uid: 6002,
        name: "Application Lifecycle",
        activity,
        activity_name,
        attributes: Map::from_iter([("app".to_owned(), app)]),
    }
}

fn management(record: &Record) -> Class {
    let event = &record.event;
    let entity = if let Some(change) = &event.policy_change {
        let mut policy = json!({"name": change.source});
        if let Some(new) = &change.new {
            policy["uid"] = json!(new.sha256);
            policy["version"] = json!(new.version.to_string());
        }
        json!({"type_id": 5, "type": "Policy", "name": change.source, "policy": policy})
    } else if event.action == Action::CredentialChange {
        json!({"type_id": 99, "type": "Credential", "name": event.credentials.join(", "), "uid": record.sandbox.as_str()})
    } else {
        let mut entity = json!({"type_id": 1, "type": "Device", "uid": record.sandbox.as_str(), "device": objects::device(record)});
        if let Some(made) = &event.configuration {
            entity["version"] = json!(made.sha256);
        }
        entity
    };
    let (activity, activity_name) =
        if event.action == Action::Configuration { (1, "Create") } else { (3, "Update") };
    Class {
        category: 3,
        category_name: "Identity & Access Management",
        uid: 3004,
        name: "Entity Management",
        activity,
        activity_name,
        attributes: Map::from_iter([("entity".to_owned(), entity)]),
    }
}

fn finding(record: &Record) -> Class {
    let id = format!("{}/{}", record.sandbox, record.sequence);
    let mut attributes = Map::new();
    if let Some(detection) = &record.event.detection {
        let mut info = json!({
            "uid": id,
            "title": detection.name,
            "types": [detection.name],
            "analytic": {"name": detection.name, "type_id": 1, "type": "Rule"},
        });
        if let Some(reason) = &record.event.reason {
            info["desc"] = json!(reason);
        }
        attributes.insert("finding_info".to_owned(), info);
        let data = json!({"sandbox": record.sandbox.as_str(), "sequences": detection.evidence,
            "response": name_of(detection.response)});
        attributes.insert("evidences".to_owned(), json!([{"data": data}]));
    } else {
        attributes.insert("finding_info".to_owned(), json!({"uid": id, "title": "unnamed"}));
    }
    Class {
        category: 2,
        category_name: "Findings",
        uid: 2004,
        name: "Detection Finding",
        activity: 1,
        activity_name: "Create",
        attributes,
    }
}
