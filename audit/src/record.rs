//! What one record holds. A client hands in an [`Event`]; the writer makes a [`Record`] of it.
//!
//! A record is one JSON object on one line, in the order of the fields here, and fields without a value
//! are left out. Text that comes from the guest is cut at a length that is stated here, so that a record
//! has a bounded size. Changing a field's name or meaning changes [`VERSION`] and the golden file.

pub(crate) mod clients;
mod parts;
mod redaction;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use wire::id::{FlowId, PolicyVersion, RequestId, SandboxId, TenantId};

use crate::chain::ChainHash;

pub use clients::{CLIENTS, MANAGER, PROXY, ROUTER};
pub use parts::{
    Configuration, Detection, Edition, Inference, Lifecycle, Object, Owner, Phase, PolicyChange, Proposal,
    Response, Severity, Subject, Terms,
};
pub(crate) use redaction::Shortening;

/// Version of the record. What was written as version 1 has neither tenant nor agent, and is read as well.
pub const VERSION: u32 = 2;

/// How the reason of a [`Action::LogRetention`] record begins that tells of a whole log; its name follows.
pub const REMOVED_LOG: &str = "kept long enough: the log of ";

/// JSON Schema (draft 2020-12) of a record of [`VERSION`].
pub const SCHEMA: &str = include_str!("../schema/record-v2.schema.json");

/// The first version that is read.
pub const OLDEST: u32 = 1;

/// What happened, as its client tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What was done or asked for.
    pub action: Action,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// From where on the network, for what came from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SocketAddr>,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// Whether it may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Where the decision fell: `binary`, `destination`, `method`, `path`, or a later check's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The rule that decided, or came nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Whether that rule itself said no, by a deny list or a limit, and did not merely come nearest to allowing it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rule_denies: bool,
    /// Why, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Names of the credentials that the request carries, or that this is about; the agent never had them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<String>,
    /// The policy that decided, or was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyVersion>,
    /// The request that this is about; what a denial showed to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// The flow that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowId>,
    /// Microseconds that it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// Status of the upstream's response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was found in a prompt and where it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<Inference>,
    /// A step in the sandbox's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// The policy that was to take effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_change: Option<PolicyChange>,
    /// What the sandbox was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
    /// What was noticed in the records before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// What the agent proposed; what was proposed to be done to stands under `object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
}

/// What an [`Event`] is about. A request is recorded before it is forwarded; what became of it is a
/// second record with the same request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A flow was opened, and decided before any request of it was read.
    NetworkFlow,
    /// One request was decided.
    NetworkRequest,
    /// What became of an allowed request.
    NetworkOutcome,
    /// A name was asked for.
    NameQuery,
    /// A prompt was classified and routed.
    Inference,
    /// What became of a routed prompt.
    InferenceOutcome,
    /// A file was to be executed in the guest.
    Execution,
    /// The sandbox went from one state to another.
    Lifecycle,
    /// An operator replaced the policy, or tried to. It is recorded before it takes effect.
    PolicyChange,
    /// An operator had the sources of credentials read again. It is recorded before the new secrets go out.
    CredentialChange,
    /// A connection from outside was let in to a port of the agent, or refused.
    InboundConnection,
    /// A request from outside was let in, or refused.
    InboundRequest,
    /// What became of a connection or a request from outside that was let in.
    InboundOutcome,
    /// A sandbox is made from a description. It is recorded before the guest is told what to become.
    Configuration,
    /// Something was noticed in the records. It is recorded before the response to it.
    Detection,
    /// Records that were kept long enough are removed. It is recorded before they go.
    LogRetention,
    /// The writer took an unfinished record off the end of the log.
    LogRepair,
    /// The disk was full and the operator lets actions go on without a record: how many have none.
    LogGap,
    /// The agent proposed that a request be allowed. Nothing is granted by it.
    Proposal,
    /// An operator approved or rejected what was proposed. It is recorded before it takes effect.
    Approval,
    /// A file outside the workspace was used, or one anywhere was refused. The guest's kernel had decided.
    FileAccess,
    /// A system call that the agent's profile does not allow was made, and refused.
    SystemCall,
    /// The host's clock was set since the record before: the times of records jump here.
    ClockChange,
    /// All who wrote are gone, after the manager said how the sandbox ended: nothing follows.
    LogEnd,
}

/// Whose records they are: what the writer stamps on each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whose sandbox it is.
    pub tenant: TenantId,
    /// The sandbox.
    pub sandbox: SandboxId,
    /// What its agent is called.
    pub agent: String,
}

/// Whether an action may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not, and nothing of it was done.
    Deny,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// Number of the record in its log, from 1 without a gap.
    pub sequence: u64,
    /// When the writer got it: RFC 3339, UTC, microseconds.
    pub time: String,
    /// The same on a clock that is never set: nanoseconds since the host started.
    pub monotonic_ns: u64,
    /// Whose sandbox it is.
    #[serde(default)]
    pub tenant: TenantId,
    /// Whose log it is.
    pub sandbox: SandboxId,
    /// What its agent is called in agent.yaml; empty in records of version 1.
    #[serde(default)]
    pub agent: String,
    /// Who handed it in: `manager`, `proxy`, `router`, or `audit` for the writer itself.
    pub client: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// Hash of the record before it.
    pub prev: ChainHash,
    /// Hash of this one.
    pub hash: ChainHash,
}

impl Event {
    /// An event with nothing but its action; set the other fields by name.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self {
            action,
            subject: None,
            source: None,
            object: None,
            decision: None,
            level: None,
            rule: None,
            rule_denies: false,
            reason: None,
            credentials: Vec::new(),
            policy: None,
            request: None,
            flow: None,
            latency_us: None,
            status: None,
            inference: None,
            lifecycle: None,
            policy_change: None,
            configuration: None,
            detection: None,
            proposal: None,
        }
    }
}

impl Action {
    /// Every action. Its place is its number in an index of a log: a new one goes to the end.
    pub const ALL: [Self; 24] = [
        Self::NetworkFlow,
        Self::NetworkRequest,
        Self::NetworkOutcome,
        Self::NameQuery,
        Self::Inference,
        Self::InferenceOutcome,
        Self::Execution,
        Self::Lifecycle,
        Self::PolicyChange,
        Self::CredentialChange,
        Self::InboundConnection,
        Self::InboundRequest,
        Self::InboundOutcome,
        Self::Configuration,
        Self::Detection,
        Self::LogRetention,
        Self::LogRepair,
        Self::LogGap,
        Self::Proposal,
        Self::Approval,
        Self::FileAccess,
        Self::SystemCall,
        Self::ClockChange,
        Self::LogEnd,
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NetworkFlow => "network-flow",
            Self::NetworkRequest => "network-request",
            Self::NetworkOutcome => "network-outcome",
            Self::NameQuery => "name-query",
            Self::Inference => "inference",
            Self::InferenceOutcome => "inference-outcome",
            Self::Execution => "execution",
            Self::Lifecycle => "lifecycle",
            Self::PolicyChange => "policy-change",
            Self::CredentialChange => "credential-change",
            Self::InboundConnection => "inbound-connection",
            Self::InboundRequest => "inbound-request",
            Self::InboundOutcome => "inbound-outcome",
            Self::Configuration => "configuration",
            Self::Detection => "detection",
            Self::LogRetention => "log-retention",
            Self::LogRepair => "log-repair",
            Self::LogGap => "log-gap",
            Self::Proposal => "proposal",
            Self::Approval => "approval",
            Self::FileAccess => "file-access",
            Self::SystemCall => "system-call",
            Self::ClockChange => "clock-change",
            Self::LogEnd => "log-end",
        }
    }
}
