//! Who writes what. Each action is one client's: a process that was taken over cannot write the records of another.

use super::{Action, Event, Phase, Record};

/// The manager, which alone acts for the operator.
pub const MANAGER: &str = "manager";
/// A sandbox's proxy.
pub const PROXY: &str = "proxy";
/// The router.
pub const ROUTER: &str = "router";
/// The writer itself.
pub(crate) const WRITER: &str = "audit";
/// All that write records.
pub const CLIENTS: [&str; 4] = [MANAGER, PROXY, ROUTER, WRITER];

impl Action {
    /// The client that alone hands it in.
    #[must_use]
    pub fn client(self) -> &'static str {
        match self {
            Self::NetworkFlow
            | Self::NetworkRequest
            | Self::NetworkOutcome
            | Self::NameQuery
            | Self::InboundConnection
            | Self::InboundRequest
            | Self::InboundOutcome
            | Self::Proposal => PROXY,
            Self::Inference | Self::InferenceOutcome => ROUTER,
            Self::Execution
            | Self::Lifecycle
            | Self::PolicyChange
            | Self::CredentialChange
            | Self::Configuration
            | Self::Detection
            | Self::LogRetention
            | Self::Approval
            | Self::FileAccess
            | Self::SystemCall => MANAGER,
            Self::LogRepair | Self::LogGap | Self::ClockChange | Self::LogEnd => WRITER,
        }
    }
}

impl Event {
    /// Whether `client` may hand it in: its action is that client's, and so is every part that only one client knows of.
    #[must_use]
    pub fn is_of(&self, client: &str) -> bool {
        let is_operators = self.lifecycle.is_some()
            || self.policy_change.is_some()
            || self.configuration.is_some()
            || self.detection.is_some();
        self.action.client() == client
            && (client == MANAGER || !is_operators)
            && (client == ROUTER || self.inference.is_none())
    }

    /// Whether it says how the sandbox ended, of one that its client handed in.
    pub(crate) fn is_end(&self) -> bool {
        let phase = self.lifecycle.as_ref().map(|lifecycle| lifecycle.phase);
        matches!(phase, Some(Phase::AgentExited | Phase::Failed))
    }
}

impl Record {
    /// Whether the client whose it is to tell of this handed it in. Logs of older versions may have others: what they say is
    /// only what that client says.
    #[must_use]
    pub fn is_of_its_client(&self) -> bool {
        self.event.is_of(&self.client)
    }
}
