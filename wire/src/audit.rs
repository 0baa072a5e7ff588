//! What the manager tells `openshell-audit`, and what it hears back. The record itself and the protocol
//! of appending belong to the `audit` crate.

use serde::{Deserialize, Serialize};

use crate::id::{SandboxId, TenantId};
use crate::spawn::{Fd, JailUser};

/// One sandbox's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Whose log; stamped on every record by the writer.
    pub sandbox: SandboxId,
    /// Whose sandbox; stamped likewise.
    pub tenant: TenantId,
    /// What its agent is called in agent.yaml; stamped likewise.
    pub agent: String,
    /// The log file, opened for reading and appending by the manager.
    pub log: Fd,
    /// Connected Unix stream sockets, one per client, each with the name under which it writes
    /// (`manager`, `proxy`, `router`): a client cannot choose its name.
    pub clients: Vec<AuditClient>,
    /// Who the process becomes.
    pub user: Option<JailUser>,
}

/// A process that may append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditClient {
    /// Stamped on its records.
    pub name: String,
    /// The writer's end of its socket.
    pub socket: Fd,
}

/// What `openshell-audit` reports, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuditEvent {
    /// Jailed, the log verified up to its end, accepting records.
    Ready {
        /// Records already in the log.
        records: u64,
    },
    /// Could not start, or could not write: nothing more is acknowledged.
    Failed {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
}
