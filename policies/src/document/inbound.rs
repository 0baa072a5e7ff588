//! The ports of the agent that are open to the outside, as they are written.

use serde::{Deserialize, Serialize};
use wire::inbound::Protocol;

use crate::place::At;

/// One open port. What is required is optional here only so that the error for what is missing can name the entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an open port: name, port, listen, protocol, sources, token")]
pub struct InboundEntry {
    /// How the audit log and the operator call it; unique in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<At<String>>,
    /// The agent's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<At<u16>>,
    /// Address and port on the host; port 0 is one that is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<At<String>>,
    /// What is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<At<Protocol>>,
    /// Addresses and ranges from which it may be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<At<Vec<At<String>>>>,
    /// Whether a request must carry the operator's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<At<TokenRule>>,
}

/// Whether a request must carry a bearer token. Where the token comes from is the operator's business, in agent.yaml.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenRule {
    /// No.
    #[default]
    None,
    /// Yes.
    Required,
}
