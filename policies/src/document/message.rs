//! What a rule asks of the messages in bodies, as it is written: `mcp`, `json_rpc`, `graphql`, `grpc` or
//! `git`.

use serde::{Deserialize, Serialize};

use super::Lists;
use crate::place::At;

/// The rule's endpoint is a server of the Model Context Protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with 'server', 'methods', 'tools', 'arguments', 'server_requests' and 'max_message'"
)]
pub struct Mcp {
    /// How denials and the audit log call the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<At<String>>,
    /// What the client may send. What a session and tools need, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<At<Lists>>,
    /// Which tools it may call and see. None, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<At<Lists>>,
    /// What the arguments of tools may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<At<ArgumentEntry>>,
    /// What the server may ask of the client. Nothing but `ping`, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_requests: Option<At<Lists>>,
    /// Longest body of a request: `1MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<At<String>>,
}

/// The rule's endpoint takes calls of JSON-RPC 2.0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'methods', 'arguments' and 'max_message'")]
pub struct JsonRpc {
    /// What may be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<At<Lists>>,
    /// What the parameters of calls may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<At<ArgumentEntry>>,
    /// Longest body of a request: `1MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<At<String>>,
}

/// The rule's endpoint takes requests of GraphQL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'fields', 'names', 'persisted' and 'max_message'")]
pub struct Graphql {
    /// What may be asked for: `query.viewer`, the kind of operation and a field of its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<At<Lists>>,
    /// Names of operations. Any, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<At<Lists>>,
    /// SHA-256 of queries that the server keeps, and that may be asked for by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub persisted: Vec<At<String>>,
    /// Longest body of a request: `1MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<At<String>>,
}

/// The rule's endpoint takes calls of gRPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'max_message'")]
pub struct Grpc {
    /// Longest message, in either direction: `4MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<At<String>>,
}

/// What one argument may be. It is found by a JSON pointer (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an argument: 'tool' or 'method', 'pointer', 'allow', 'deny'")]
pub struct ArgumentEntry {
    /// Of which tool (`mcp`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<At<String>>,
    /// Of which method (`json_rpc`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<At<String>>,
    /// Where it stands in the tool's arguments, or in the call's parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<At<String>>,
    /// It must be there, and be one of these. Anything, if it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<At<String>>,
    /// It must be none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<At<String>>,
}

/// The rule's endpoint is repositories of git. They may be fetched; what else may be done is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'push' and 'delete', which may be empty")]
pub struct Git {
    /// Refs that may be made and moved: `refs/heads/agent/*`. None, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<At<Lists>>,
    /// Refs that may be deleted. None, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<At<Lists>>,
}

impl Mcp {
    /// Whether there is anything that holds for other rules too.
    pub(crate) fn denies_anything(&self) -> bool {
        denies([&self.methods, &self.tools, &self.server_requests], &self.arguments)
    }
}

impl JsonRpc {
    /// Whether there is anything that holds for other rules too.
    pub(crate) fn denies_anything(&self) -> bool {
        denies([&self.methods], &self.arguments)
    }
}

impl Graphql {
    /// Whether there is anything that holds for other rules too.
    pub(crate) fn denies_anything(&self) -> bool {
        denies([&self.fields, &self.names], &[])
    }
}

impl Git {
    /// Whether there is anything that holds for other rules too.
    pub(crate) fn denies_anything(&self) -> bool {
        denies([&self.push, &self.delete], &[])
    }
}

fn denies<const N: usize>(lists: [&Option<At<Lists>>; N], arguments: &[At<ArgumentEntry>]) -> bool {
    lists.into_iter().flatten().any(|lists| !lists.value.deny.is_empty())
        || arguments.iter().any(|argument| !argument.value.deny.is_empty())
}
