//! What a policy lets its agent do, for the agent to read: rules as lists, and nothing that is not of use to it.
//!
//! *Invariant:* no place of a file, no text of a module, and of header fields that a rule asks for the names alone: their
//! values may be secrets.

use serde::Serialize;

use crate::document::{Document, Effect, Lists, RuleEntry, RuleLimits};
use crate::place::At;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// Its name, as denials call it.
    pub name: String,
    /// Whether it only denies: its lists are then the scope of what it denies.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_denies: bool,
    /// Programs.
    pub binary: Entries,
    /// Hosts and ports; without a port it is 443.
    pub destination: Entries,
    /// HTTP methods.
    pub method: Entries,
    /// Paths.
    pub path: Entries,
    /// Parameters of the query. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryOutline>,
    /// Names of header fields that must be there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_headers: Vec<String>,
    /// From when on it holds: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// From when on it no longer does: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How much may be done by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<RuleLimits>,
}

/// The two lists of a level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entries {
    /// What is allowed.
    pub allow: Vec<String>,
    /// What is denied although it is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// What the query may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueryOutline {
    /// Parameters that may stand in it. Absent: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Parameters that may not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Most bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
}

impl Document {
    /// The rules as their agent may read them, in the order in which they are evaluated.
    #[must_use]
    pub fn outline(&self) -> Vec<Outline> {
        self.network.iter().map(|rule| of(&rule.value)).collect()
    }
}

fn of(rule: &RuleEntry) -> Outline {
    let text = |text: &Option<At<String>>| text.as_ref().map(|text| text.value.clone());
    let query = rule.query.as_ref().map(|query| QueryOutline {
        allow: texts(&query.value.allow),
        deny: texts(&query.value.deny),
        max_length: query.value.max_length.as_ref().map(|length| length.value),
    });
    let required = rule.headers.iter().flat_map(|headers| &headers.value.require);
    let name = |entry: &At<String>| entry.value.split(':').next().unwrap_or_default().trim().to_owned();
    Outline {
        name: text(&rule.name).unwrap_or_default(),
        only_denies: rule.effect == Effect::DenyOnly,
        binary: entries(rule.binary.as_ref()),
        destination: entries(rule.destination.as_ref()),
        method: entries(rule.method.as_ref()),
        path: entries(rule.path.as_ref()),
        query,
        required_headers: required.map(name).collect(),
        from: text(&rule.from),
        until: text(&rule.until),
        limits: rule.limits.as_ref().map(|limits| limits.value.clone()),
    }
}

fn entries(lists: Option<&At<Lists>>) -> Entries {
    lists.map_or_else(Entries::default, |lists| Entries {
        allow: texts(&lists.value.allow),
        deny: texts(&lists.value.deny),
    })
}

fn texts(list: &[At<String>]) -> Vec<String> {
    list.iter().map(|entry| entry.value.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_reads_what_helps_it_and_no_value_of_a_field() {
        let text = "version: 1
network:
  - name: notes
    binary: {allow: [curl], deny: [/opt/curl]}
    destination: {allow: ['api.example.com']}
    method: {allow: [GET]}
    path: {allow: ['/v1/**']}
    headers: {require: ['x-team: hunter2']}
    limits: {requests: 3}
";
        let document = Document::parse(text, "/home/operator/agent.yaml").unwrap();
        let outline = serde_json::to_string(&document.outline()).unwrap();
        assert_eq!(
            outline,
            r#"[{"name":"notes","binary":{"allow":["curl"],"deny":["/opt/curl"]},"destination":{"allow":["api.example.com"]},"method":{"allow":["GET"]},"path":{"allow":["/v1/**"]},"required_headers":["x-team"],"limits":{"requests":3}}]"#
        );
    }
}
