//! The live feed: each record as one JSON object that says which surface of the agent it is about.
//!
//! The form is described by [`SCHEMA`]; a change of it that is not an addition changes [`VERSION`].

use audit::{Action, ChainHash, Event, Record};
use serde::Serialize;
use wire::id::{SandboxId, TenantId};

use crate::finding::{Confidence, Kind};

/// Version of the feed's form.
pub const VERSION: u32 = 1;

/// JSON Schema (draft 2020-12) of one line of the feed.
pub const SCHEMA: &str = include_str!("../schema/feed-v1.schema.json");

/// Which side of the agent a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// What goes in to a model.
    AgentInput,
    /// What came of what the agent sent: answers of models and of other servers.
    AgentOutput,
    /// What the agent does: network, names, programs; and what is done with its sandbox.
    AgentBehaviour,
    /// What was noticed in these.
    Finding,
}

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedEvent {
    /// [`VERSION`].
    pub feed: u32,
    /// What it is about.
    pub surface: Surface,
    /// Number of the record in its sandbox's log: with the sandbox it is the line's identity.
    pub sequence: u64,
    /// When: RFC 3339, UTC, microseconds.
    pub time: String,
    /// Whose sandbox it is.
    pub tenant: TenantId,
    /// The sandbox.
    pub sandbox: SandboxId,
    /// What its agent is called.
    pub agent: String,
    /// The process that handed the record in.
    pub client: String,
    /// Of a finding: how sure it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// What happened, as it stands in the log.
    pub event: Event,
    /// Hash of the record in the log: it joins the line to the chain.
    pub hash: ChainHash,
}

impl Surface {
    /// The surface of an action.
    #[must_use]
    pub fn of(action: Action) -> Self {
        match action {
            Action::Inference => Self::AgentInput,
            Action::InferenceOutcome | Action::NetworkOutcome | Action::InboundOutcome => Self::AgentOutput,
            Action::Detection => Self::Finding,
            Action::NetworkFlow
            | Action::NetworkRequest
            | Action::NameQuery
            | Action::Execution
            | Action::Lifecycle
            | Action::PolicyChange
            | Action::CredentialChange
            | Action::InboundConnection
            | Action::InboundRequest
            | Action::Configuration
            | Action::LogRetention
            | Action::LogRepair
            | Action::LogGap
            | Action::Proposal
            | Action::Approval
            | Action::FileAccess
            | Action::SystemCall
            | Action::ClockChange
            | Action::LogEnd => Self::AgentBehaviour,
        }
    }
}

impl From<Record> for FeedEvent {
    fn from(record: Record) -> Self {
        let Record { sequence, time, tenant, sandbox, agent, client, event, hash, .. } = record;
        let confidence = event.detection.as_ref().and_then(|detection| Kind::named(&detection.name));
        Self {
            feed: VERSION,
            surface: Surface::of(event.action),
            sequence,
            time,
            tenant,
            sandbox,
            agent,
            client,
            confidence: confidence.map(Kind::confidence),
            event,
            hash,
        }
    }
}

impl FeedEvent {
    /// One line of JSON, without the line end. What in it could drive a terminal stands as an escape.
    #[must_use]
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string(self).expect("text, numbers and maps with text keys are JSON");
        let mut line = Vec::with_capacity(json.len());
        audit::text::ascii_controls(&json, &mut line);
        String::from_utf8(line).expect("escapes in JSON leave it text")
    }
}
