//! A record as a flat list of named values, and what each is called by the formats that are lists of names.
//!
//! One table holds all names, so that no format can forget a field. Where a vocabulary has a name for what we mean,
//! that one is used; the rest goes under our own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use audit::record::{Inference, Object, Owner};
use audit::{
    Action, Configuration, Decision, Detection, Lifecycle, PolicyChange, Proposal, Record, Subject, Terms,
};

/// The names of one field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// In structured data of syslog.
    pub(super) syslog: &'static str,
    /// In Elastic's Common Schema, as a path.
    pub(super) ecs: &'static str,
    /// In CEF: a key of its dictionary, or one made as it wants those of a vendor.
    pub(super) cef: &'static str,
    /// In LEEF.
    pub(super) leef: &'static str,
    /// As an attribute of OpenTelemetry.
    pub(super) otel: &'static str,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Text, which may be anything.
    Text(Cow<'a, str>),
    /// A number.
    Number(u64),
    /// Texts, in order.
    List(Vec<Cow<'a, str>>),
}

/// A field of a record.
pub(super) type Field<'a> = (&'static Names, Value<'a>);

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a [String]> for Value<'a> {
    fn from(texts: &'a [String]) -> Self {
        Self::List(texts.iter().map(|text| Cow::Borrowed(text.as_str())).collect())
    }
}

impl From<u64> for Value<'_> {
    /// Receivers count in 64 bits with a sign.
    fn from(number: u64) -> Self {
        Self::Number(number.min(i64::MAX.unsigned_abs()))
    }
}

macro_rules! names {
    ($($field:ident: $syslog:literal, $ecs:literal, $cef:literal, $leef:literal, $otel:literal;)*) => {
        $(const $field: Names =
            Names { syslog: $syslog, ecs: $ecs, cef: $cef, leef: $leef, otel: $otel };)*
        /// All of them, for the tests of the names.
        #[cfg(test)]
        pub(super) const ALL: &[Names] = &[$($field),*];
    };
}

names! {
    SANDBOX: "sandbox", "host.name", "dvchost", "identHostName", "openshell.sandbox";
    SEQUENCE: "sequence", "event.sequence", "externalId", "sequence", "openshell.sequence";
    HASH: "hash", "event.hash", "cs1", "recordHash", "openshell.hash";
    TENANT: "tenant", "organization.id", "cs2", "tenant", "openshell.tenant";
    AGENT: "agent", "openshell.agent", "openshellVmAgent", "agentName", "openshell.agent.name";
    CLIENT: "client", "event.provider", "deviceProcessName", "reportedBy", "openshell.client";
    DECISION: "decision", "openshell.decision", "act", "action", "openshell.decision";
    LEVEL: "level", "openshell.level", "openshellVmLevel", "level", "openshell.level";
    RULE: "rule", "rule.name", "cs3", "policy", "openshell.rule";
    RULE_DENIES: "rule_denies", "openshell.rule_denies", "openshellVmRuleDenies", "policyDenies",
        "openshell.rule_denies";
    REASON: "reason", "event.reason", "reason", "reason", "openshell.reason";
    POLICY: "policy", "rule.version", "openshellVmPolicy", "policyVersion", "openshell.policy.version";
    HOST_NAME: "host", "destination.domain", "dhost", "dstHostName", "server.address";
    HOST_ADDRESS: "address", "destination.ip", "dst", "dst", "network.peer.address";
    PORT: "port", "destination.port", "dpt", "dstPort", "server.port";
    QUESTION: "question", "dns.question.name", "destinationDnsDomain", "dnsQuery", "dns.question.name";
    QUESTION_TYPE: "question_type", "dns.question.type", "openshellVmQueryType", "dnsQueryType",
        "openshell.dns.question.type";
    METHOD: "method", "http.request.method", "requestMethod", "method", "http.request.method";
    PATH: "path", "url.path", "request", "url", "url.path";
    QUERY_KEYS: "query_keys", "openshell.query_keys", "openshellVmQueryKeys", "queryKeys", "openshell.query_keys";
    FILE: "file", "file.path", "filePath", "filePath", "file.path";
    FILE_HASH: "file_sha256", "file.hash.sha256", "fileHash", "fileHash", "openshell.file.sha256";
    SENT: "bytes_sent", "http.request.body.bytes", "out", "srcBytes", "http.request.body.size";
    RECEIVED: "bytes_received", "http.response.body.bytes", "in", "dstBytes", "http.response.body.size";
    SENT_HASH: "sent_sha256", "openshell.sent_sha256", "openshellVmSentHash", "sentHash",
        "openshell.sent_sha256";
    RECEIVED_HASH: "received_sha256", "openshell.received_sha256", "openshellVmReceivedHash", "receivedHash",
        "openshell.received_sha256";
    DOWNLOAD_KIND: "download_kind", "openshell.download.kind", "openshellVmDownloadKind", "downloadKind",
        "openshell.download.kind";
    DOWNLOAD_SIZE: "download_size", "openshell.download.size", "openshellVmDownloadSize", "downloadSize",
        "openshell.download.size";
    TIMES: "times", "openshell.times", "cnt", "count", "openshell.times";
    STATUS: "status", "http.response.status_code", "cn1", "status", "http.response.status_code";
    SOURCE: "source", "source.ip", "src", "src", "client.address";
    SOURCE_PORT: "source_port", "source.port", "spt", "srcPort", "client.port";
    BINARY: "binary", "process.executable", "sproc", "processPath", "process.executable.path";
    BINARY_HASH: "binary_sha256", "process.hash.sha256", "openshellVmBinaryHash", "processHash",
        "openshell.process.sha256";
    SCRIPT: "script", "openshell.script", "openshellVmScript", "script", "openshell.process.script";
    PID: "pid", "process.pid", "spid", "processId", "process.pid";
    UID: "uid", "user.id", "suid", "usrName", "user.id";
    PARENTS: "parents", "openshell.parents", "openshellVmParents", "parentProcesses",
        "openshell.process.parents";
    OTHERS: "other_owners", "openshell.other_owners", "openshellVmOtherOwners", "otherOwners",
        "openshell.process.others";
    UNKNOWN: "owner_unknown", "openshell.owner_unknown", "openshellVmOwnerUnknown", "ownerUnknown",
        "openshell.process.unknown";
    CREDENTIALS: "credentials", "openshell.credentials", "openshellVmCredentials", "credentials",
        "openshell.credentials";
    REQUEST: "request", "http.request.id", "openshellVmRequest", "requestId", "openshell.request.id";
    FLOW: "flow", "openshell.flow", "openshellVmFlow", "flow", "openshell.flow.id";
    LATENCY: "latency_us", "openshell.latency_us", "cn2", "latencyUs", "openshell.latency_us";
    CATEGORIES: "categories", "openshell.inference.categories", "openshellVmCategories", "categories",
        "openshell.inference.categories";
    ROUTE: "route", "openshell.inference.route", "cs4", "route", "openshell.inference.route";
    MODEL_ASKED: "model_asked", "openshell.inference.model_asked", "openshellVmModelAsked", "modelAsked",
        "gen_ai.request.model";
    MODEL_SERVED: "model_served", "openshell.inference.model_served", "openshellVmModelServed", "modelServed",
        "gen_ai.response.model";
    TOKENS_IN: "tokens_in", "openshell.inference.tokens_in", "openshellVmTokensIn", "tokensIn",
        "gen_ai.usage.input_tokens";
    TOKENS_OUT: "tokens_out", "openshell.inference.tokens_out", "openshellVmTokensOut", "tokensOut",
        "gen_ai.usage.output_tokens";
    SERVER: "server", "openshell.inference.server", "openshellVmModelServer", "modelServer",
        "openshell.inference.server";
    REGION: "region", "openshell.inference.region", "openshellVmRegion", "region", "openshell.inference.region";
    LEFT: "left", "openshell.inference.left", "openshellVmCategoriesLeft", "categoriesLeft",
        "openshell.inference.left";
    PHASE: "phase", "openshell.lifecycle.phase", "cs5", "phase", "openshell.lifecycle.phase";
    CODE: "code", "openshell.lifecycle.code", "openshellVmExitCode", "exitCode", "openshell.lifecycle.code";
    DETAIL: "detail", "openshell.lifecycle.detail", "openshellVmDetail", "detail",
        "openshell.lifecycle.detail";
    NEW_POLICY: "new_policy", "openshell.policy.new_version", "openshellVmNewPolicy", "newPolicyVersion",
        "openshell.policy.new_version";
    NEW_POLICY_HASH: "new_policy_sha256", "openshell.policy.new_sha256", "openshellVmNewPolicyHash",
        "newPolicyHash", "openshell.policy.new_sha256";
    OLD_POLICY: "old_policy", "openshell.policy.old_version", "openshellVmOldPolicy", "oldPolicyVersion",
        "openshell.policy.old_version";
    OLD_POLICY_HASH: "old_policy_sha256", "openshell.policy.old_sha256", "openshellVmOldPolicyHash",
        "oldPolicyHash", "openshell.policy.old_sha256";
    FROM_FILE: "from_file", "openshell.source", "openshellVmSource", "sourceFile", "openshell.source";
    OPERATOR: "operator_uid", "openshell.operator.uid", "duid", "operatorUid", "openshell.operator.uid";
    PROPOSED_BINARY: "proposed_binary", "openshell.proposal.binary", "openshellVmProposedBinary", "proposedBinary",
        "openshell.proposal.binary";
    EXPIRES: "expires", "openshell.proposal.expires", "openshellVmExpires", "expires", "openshell.proposal.expires";
    PROPOSAL_HASH: "proposal_sha256", "openshell.proposal.sha256", "openshellVmProposalHash", "proposalHash",
        "openshell.proposal.sha256";
    TERMS: "terms", "openshell.proposal.terms", "openshellVmTerms", "terms", "openshell.proposal.terms";
    UNTIL: "until", "openshell.proposal.until", "openshellVmUntil", "until", "openshell.proposal.until";
    DESCRIPTION_HASH: "description_sha256", "openshell.configuration.sha256", "openshellVmDescriptionHash",
        "descriptionHash", "openshell.configuration.sha256";
    IMAGE: "image", "openshell.configuration.image", "openshellVmImage", "image",
        "openshell.configuration.image";
    CONFINEMENT_HASH: "confinement_sha256", "openshell.configuration.confinement_sha256",
        "openshellVmConfinementHash", "confinementHash", "openshell.configuration.confinement_sha256";
    NETWORK_HASH: "network_sha256", "openshell.configuration.network_sha256", "openshellVmNetworkHash",
        "networkHash", "openshell.configuration.network_sha256";
    OPENSHELL: "openshell", "observer.version", "openshellVmVersion", "openshellVersion",
        "openshell.configuration.version";
    DETECTION: "detection", "openshell.detection.name", "cs6", "detection", "openshell.detection.name";
    RESPONSE: "response", "openshell.detection.response", "openshellVmResponse", "response",
        "openshell.detection.response";
    EVIDENCE: "evidence", "openshell.detection.evidence", "openshellVmEvidence", "evidence",
        "openshell.detection.evidence";
    REFERENCES: "references", "threat.technique.id", "openshellVmReferences", "references",
        "openshell.detection.references";
    MONOTONIC: "monotonic_ns", "openshell.monotonic_ns", "openshellVmMonotonicNs", "monotonicNs",
        "openshell.monotonic_ns";
    PREVIOUS: "prev", "openshell.prev", "openshellVmPreviousHash", "previousHash", "openshell.prev";
}

/// What CEF's numbered keys stand for.
pub(super) const CEF_LABELS: [(&str, &str); 8] = [
    ("cs1", "recordHash"),
    ("cs2", "tenant"),
    ("cs3", "rule"),
    ("cs4", "inferenceRoute"),
    ("cs5", "phase"),
    ("cs6", "detection"),
    ("cn1", "httpStatus"),
    ("cn2", "latencyMicroseconds"),
];

/// Every value of a record, the most important first: a format that has little room leaves out the last.
pub(super) fn fields(record: &Record) -> Vec<Field<'_>> {
    let mut list = List(Vec::with_capacity(40));
    let event = &record.event;
    list.add(&SANDBOX, record.sandbox.as_str());
    list.add(&SEQUENCE, record.sequence);
    list.add(&HASH, record.hash.to_string());
    list.add(&TENANT, record.tenant.as_str());
    list.some(&AGENT, Some(record.agent.as_str()).filter(|agent| !agent.is_empty()));
    list.add(&CLIENT, record.client.as_str());
    list.some(&DECISION, event.decision.map(decision));
    list.some(&LEVEL, event.level.as_deref());
    list.some(&RULE, event.rule.as_deref());
    list.some(&RULE_DENIES, event.rule_denies.then_some("true"));
    list.some(&POLICY, event.policy.map(|version| version.0));
    list.optional(event.object.as_ref(), |list, object| list.object(event.action, object));
    list.some(&STATUS, event.status.map(u64::from));
    list.some(&SOURCE, event.source.map(|source| source.ip().to_string()));
    list.some(&SOURCE_PORT, event.source.map(|source| u64::from(source.port())));
    list.optional(event.subject.as_ref(), List::subject);
    list.some(&REASON, event.reason.as_deref());
    list.some(&CREDENTIALS, texts(&event.credentials));
    list.some(&REQUEST, event.request.as_ref().map(|request| request.0.as_str()));
    list.some(&FLOW, event.flow.map(|flow| flow.0));
    list.some(&LATENCY, event.latency_us);
    list.optional(event.inference.as_ref(), List::inference);
    list.optional(event.lifecycle.as_ref(), List::lifecycle);
    list.optional(event.policy_change.as_ref(), List::policy_change);
    list.optional(event.proposal.as_ref(), List::proposal);
    list.optional(event.configuration.as_ref(), List::configuration);
    list.optional(event.detection.as_ref(), List::detection);
    list.add(&MONOTONIC, record.monotonic_ns);
    list.add(&PREVIOUS, record.prev.to_string());
    list.0
}

/// As the record writes it.
pub(super) fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    }
}

/// The name of a unit variant, as the record writes it.
pub(super) fn name_of(variant: impl serde::Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn texts(texts: &[String]) -> Option<&[String]> {
    Some(texts).filter(|texts| !texts.is_empty())
}

struct List<'a>(Vec<Field<'a>>);

impl<'a> List<'a> {
    fn add(&mut self, names: &'static Names, value: impl Into<Value<'a>>) {
        self.0.push((names, value.into()));
    }

    fn some(&mut self, names: &'static Names, value: Option<impl Into<Value<'a>>>) {
        if let Some(value) = value {
            self.add(names, value);
        }
    }

    fn optional<T: ?Sized>(&mut self, part: Option<&'a T>, add: impl FnOnce(&mut Self, &'a T)) {
        if let Some(part) = part {
            add(self, part);
        }
    }

    fn object(&mut self, action: Action, object: &'a Object) {
        let host = object.host.as_deref();
        if action == Action::NameQuery {
            self.some(&QUESTION, host);
            self.some(&QUESTION_TYPE, object.method.as_deref());
        } else {
            let address = host.filter(|host| is_address(host));
            self.some(&HOST_NAME, host.filter(|_| address.is_none()));
            self.some(&HOST_ADDRESS, address.map(unbracketed));
            self.some(&METHOD, object.method.as_deref());
        }
        self.some(&PORT, object.port.map(u64::from));
        let path = if matches!(action, Action::Execution | Action::FileAccess) { &FILE } else { &PATH };
        self.some(path, object.path.as_deref());
        self.some(&FILE_HASH, object.sha256.as_deref());
        self.some(&SENT, object.bytes_sent);
        self.some(&RECEIVED, object.bytes_received);
        self.some(&SENT_HASH, object.sent_sha256.as_deref());
        self.some(&RECEIVED_HASH, object.received_sha256.as_deref());
        self.some(&DOWNLOAD_KIND, object.kind.as_deref());
        self.some(&DOWNLOAD_SIZE, object.size);
        self.some(&TIMES, object.times);
        self.some(&QUERY_KEYS, texts(&object.query_keys));
    }

    fn subject(&mut self, subject: &'a Subject) {
        match subject {
            Subject::Unknown(why) => self.add(&UNKNOWN, why.as_str()),
            Subject::Owners(owners) => self.owners(owners),
        }
    }

    fn owners(&mut self, owners: &'a [Owner]) {
        let Some((first, others)) = owners.split_first() else { return };
        self.add(&BINARY, first.binary.as_str());
        self.some(&BINARY_HASH, first.sha256.as_deref());
        self.some(&SCRIPT, first.script.as_deref());
        self.add(&PID, u64::from(first.pid));
        // A name in ECS, CEF and LEEF: digits as a text.
        self.add(&UID, first.uid.to_string());
        self.some(&PARENTS, texts(&first.parents));
        let others: Vec<Cow<'_, str>> = others.iter().map(|owner| Cow::Borrowed(&*owner.binary)).collect();
        if !others.is_empty() {
            self.0.push((&OTHERS, Value::List(others)));
        }
    }

    fn inference(&mut self, inference: &'a Inference) {
        self.counts(&CATEGORIES, &inference.categories);
        self.some(&ROUTE, inference.route.as_deref());
        self.some(&MODEL_ASKED, inference.model_asked.as_deref());
        self.some(&MODEL_SERVED, inference.model_served.as_deref());
        self.some(&TOKENS_IN, inference.tokens_in);
        self.some(&TOKENS_OUT, inference.tokens_out);
        self.some(&SERVER, inference.server.as_deref());
        self.some(&REGION, inference.region.as_deref());
        self.counts(&LEFT, &inference.left);
    }

    fn counts(&mut self, names: &'static Names, counts: &BTreeMap<String, u32>) {
        let counts: Vec<Cow<'_, str>> =
            counts.iter().map(|(name, count)| format!("{name}={count}").into()).collect();
        if !counts.is_empty() {
            self.0.push((names, Value::List(counts)));
        }
    }

    fn lifecycle(&mut self, lifecycle: &'a Lifecycle) {
        self.add(&PHASE, name_of(lifecycle.phase));
        // It may be negative: a text.
        self.some(&CODE, lifecycle.code.map(|code| code.to_string()));
        self.some(&DETAIL, lifecycle.detail.as_deref());
    }

    fn policy_change(&mut self, change: &'a PolicyChange) {
        self.some(&NEW_POLICY, change.new.as_ref().map(|edition| edition.version.0));
        self.some(&NEW_POLICY_HASH, change.new.as_ref().map(|edition| edition.sha256.as_str()));
        self.add(&OLD_POLICY, change.old.version.0);
        self.add(&OLD_POLICY_HASH, change.old.sha256.as_str());
        self.add(&FROM_FILE, change.source.as_str());
        self.add(&OPERATOR, change.uid.to_string());
    }

    fn proposal(&mut self, proposal: &'a Proposal) {
        self.add(&PROPOSED_BINARY, proposal.binary.as_str());
        self.some(&EXPIRES, proposal.expires.as_deref());
        self.some(&PROPOSAL_HASH, proposal.sha256.as_deref());
        self.some(&TERMS, proposal.terms.map(Terms::as_str));
        self.some(&UNTIL, proposal.until.as_deref());
    }

    fn configuration(&mut self, made: &'a Configuration) {
        self.add(&DESCRIPTION_HASH, made.sha256.as_str());
        self.some(&FROM_FILE, made.source.as_deref());
        self.some(&OPERATOR, made.uid.map(|uid| uid.to_string()));
        self.some(&IMAGE, made.image.as_deref());
        self.some(&CONFINEMENT_HASH, made.confinement_sha256.as_deref());
        self.some(&NETWORK_HASH, made.network_sha256.as_deref());
        self.some(&OPENSHELL, made.openshell.as_deref());
    }

    fn detection(&mut self, detection: &'a Detection) {
        self.add(&DETECTION, detection.name.as_str());
        self.add(&RESPONSE, name_of(detection.response));
        let evidence: Vec<Cow<'_, str>> =
            detection.evidence.iter().map(|number| number.to_string().into()).collect();
        if !evidence.is_empty() {
            self.0.push((&EVIDENCE, Value::List(evidence)));
        }
        self.some(&REFERENCES, texts(&detection.references));
    }
}

/// Whether a host is an address, in brackets or not.
pub(super) fn is_address(host: &str) -> bool {
    unbracketed(host).parse::<std::net::IpAddr>().is_ok()
}

/// An address of version 6 as everybody but a URL writes it.
pub(super) fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}
