//! What the manager tells `openshell-proxy`, and what it hears back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::credential::Credential;
use crate::flow::FlowKey;
use crate::id::{PolicyVersion, RequestId, SandboxId};
use crate::inbound::Inbound;
use crate::proposal::{Proposal, Standing};
use crate::scanner::Scanner;
use crate::spawn::{Fd, JailUser};

/// One sandbox's egress.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Whose egress.
    pub sandbox: SandboxId,
    /// Seals every flow.
    pub flow_key: FlowKey,
    /// Listening Unix socket of [`crate::vsock::FLOWS`].
    pub flows: Fd,
    /// Listening Unix socket of [`crate::vsock::NAMES`].
    pub names: Fd,
    /// Connected Unix socket to the audit writer.
    pub audit: Fd,
    /// Connected Unix socket on which the manager says [`ProxyCommand`]s.
    pub commands: Fd,
    /// Directory of the sockets that the proxy connects to, opened with `O_PATH`. `None`: it connects to none.
    pub sockets: Option<Fd>,
    /// The router. `None`: no inference in this sandbox.
    pub router: Option<Router>,
    /// Ports of the agent that are open to the outside. `None`: none is.
    pub inbound: Option<Inbound>,
    /// The resolved policy document's network part, as YAML of the full policy document:
    /// [`PolicyVersion::FIRST`].
    pub policy: String,
    /// How upstreams are found and trusted.
    pub upstream: Upstream,
    /// What the agent's requests carry, and the agent never has.
    pub credentials: Vec<Credential>,
    /// Whether records of what became of a request have digests of its bodies.
    pub digests: bool,
    /// Who the process becomes.
    pub user: Option<JailUser>,
}

/// The privacy router, and what it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// Name of its socket in [`ProxyConfig::sockets`].
    pub socket: String,
    /// Hosts whose requests it gets, beside [`crate::inference::HOST`].
    pub hosts: BTreeSet<String>,
}

/// How upstreams are found and trusted. The operator's word, from `egress:` in `agent.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Names that are answered from here instead of by DNS. Being listed does not lift the address check.
    pub hosts: BTreeMap<String, IpAddr>,
    /// Addresses that may be dialled although they are loopback, link-local, private or a metadata service:
    /// `address` or `address/prefix`.
    pub allow_addresses: Vec<String>,
    /// PEM certificates trusted beside the system's roots.
    pub extra_roots_pem: String,
    /// Who looks into downloads where a rule says so.
    pub scanners: Vec<Scanner>,
}

/// What `openshell-proxy` reports, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProxyEvent {
    /// Jailed and accepting flows.
    Ready {
        /// Certificate of the sandbox's authority. Its key never leaves the process.
        authority_pem: String,
    },
    /// The policy that was sent is in force, and nothing goes on that it does not allow.
    PolicyApplied {
        /// Which policy.
        version: PolicyVersion,
        /// Open flows that it closed.
        closed: u64,
    },
    /// The policy that was sent does not load: the one before stays in force.
    PolicyRefused {
        /// Which policy.
        version: PolicyVersion,
        /// One line of cause.
        cause: String,
    },
    /// The credentials that were sent are those of every request from now on.
    CredentialsApplied,
    /// The credentials that were sent are unfit: those before stay.
    CredentialsRefused {
        /// One line of cause.
        cause: String,
    },
    /// The agent proposes something. It is on the record.
    Proposed {
        /// What, who and why.
        proposal: Proposal,
    },
    /// The last request that a rule's `limits.requests` allows is over.
    RuleSpent {
        /// The rule's name.
        rule: String,
    },
    /// Could not start.
    Failed {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
}

/// What the manager tells a running `openshell-proxy`, one JSON line each. Each has one answer, a [`ProxyEvent`], but
/// [`ProxyCommand::ProposalStands`], which has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProxyCommand {
    /// Replace the policy in force.
    SetPolicy {
        /// The new policy's number.
        version: PolicyVersion,
        /// As [`ProxyConfig::policy`].
        policy: String,
        /// Whether the doors of [`ProxyConfig::inbound`] are open.
        doors: Doors,
    },
    /// Replace the credentials.
    SetCredentials {
        /// As [`ProxyConfig::credentials`].
        credentials: Vec<Credential>,
    },
    /// What the agent hears of its proposal from now on.
    ProposalStands {
        /// Which.
        id: RequestId,
        /// How it stands.
        standing: Standing,
    },
}

/// Whether what is configured to be open to the outside is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doors {
    /// It is.
    #[default]
    Open,
    /// Nobody comes in, and who is in is put out.
    Shut,
}

/// Longest line of a [`ProxyCommand`], in bytes.
pub const MAX_COMMAND: u64 = 32 * 1024 * 1024;
