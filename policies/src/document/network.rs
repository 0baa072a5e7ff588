//! The rules of the network part, as they are written.

use serde::{Deserialize, Serialize};

use super::download::Downloads;
use super::message::{Git, Graphql, Grpc, JsonRpc, Mcp};
use crate::place::At;

/// One rule. All four levels are required; they are optional here only so that the error for a missing
/// one can name the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a rule: name, binary, destination, method, path")]
pub struct RuleEntry {
    /// How denials and the audit log call the rule; unique in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<At<String>>,
    /// Whether the rule grants anything, or only denies.
    #[serde(default, skip_serializing_if = "Effect::is_default")]
    pub effect: Effect,
    /// Which programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<At<Lists>>,
    /// To which hosts and ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<At<Lists>>,
    /// With which HTTP methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<At<Lists>>,
    /// On which paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<At<Lists>>,
    /// What the query may hold. Anything, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<At<Query>>,
    /// What the header fields must and must not hold. Anything, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<At<HeaderLists>>,
    /// The endpoint is a server of the Model Context Protocol, and what may be asked of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp: Option<At<Mcp>>,
    /// The endpoint takes calls of JSON-RPC, and which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_rpc: Option<At<JsonRpc>>,
    /// The endpoint takes requests of GraphQL, and which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<At<Graphql>>,
    /// The endpoint takes calls of gRPC, and how long their messages are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<At<Grpc>>,
    /// The endpoint is repositories of git, and what of them may be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<At<Git>>,
    /// What may come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downloads: Option<At<Downloads>>,
    /// From when on the rule is in force: a time in the form of RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<At<String>>,
    /// From when on it is no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<At<String>>,
    /// How much the sandbox may do by this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<At<RuleLimits>>,
    /// What happens to a request that the rule's method, path, query, headers or messages refuse, and to a body that its
    /// downloads do.
    #[serde(default, skip_serializing_if = "Enforcement::is_default")]
    pub enforcement: Enforcement,
}

/// The two lists of a level. Deny beats allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "lists under 'allow' and 'deny'")]
pub struct Lists {
    /// What is allowed; an empty list is an error.
    #[serde(default)]
    pub allow: Vec<At<String>>,
    /// What is denied although it is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<At<String>>,
}

/// Whether a rule grants anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// What its allow lists say, less what its deny lists say.
    #[default]
    Grant,
    /// Nothing: the allow lists are the scope in which the deny lists hold.
    DenyOnly,
}

/// Conditions on the parameters of the query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'allow', 'deny' and 'max_length'")]
pub struct Query {
    /// `KEY` or `KEY=PATTERN`. Every parameter must match one; without the list, any parameter may stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<At<String>>,
    /// `KEY` or `KEY=PATTERN`. No parameter may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<At<String>>,
    /// Most bytes of the query, as it is sent; 0 is none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<At<u32>>,
}

/// Conditions on the header fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "lists under 'require' and 'deny'")]
pub struct HeaderLists {
    /// `NAME` or `NAME: PATTERN`. The field must be there, and every value of it must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<At<String>>,
    /// `NAME` or `NAME: PATTERN`. No value may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<At<String>>,
}

/// How much a sandbox may do by one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with 'requests', 'requests_per_minute' and 'bytes_per_day'"
)]
pub struct RuleLimits {
    /// Requests in the sandbox's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<At<u32>>,
    /// Requests in any minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<At<u32>>,
    /// Bytes of request and response bodies in a day of the host's clock (UTC): `10MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<At<String>>,
}

/// What a refusal by the rule's method, path, query, headers or messages means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// The request is refused.
    #[default]
    Enforce,
    /// The request passes, and the record says that it would have been refused: for trying a rule out.
    Audit,
}

impl RuleEntry {
    /// What the rule says of messages, as text that is the same for the same.
    pub(crate) fn messages(&self) -> String {
        let levels = (&self.mcp, &self.json_rpc, &self.graphql, &self.grpc, &self.git);
        serde_saphyr::to_string(&levels).expect("levels that were read can be written")
    }

    /// The same of what it says of downloads.
    pub(crate) fn downloaded(&self) -> String {
        serde_saphyr::to_string(&self.downloads).expect("a level that was read can be written")
    }
}

impl Effect {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Enforcement {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
