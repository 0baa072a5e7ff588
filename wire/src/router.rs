//! What the manager tells `openshell-router`, and what it hears back.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::spawn::{Fd, JailUser};

/// The router of a sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Listening Unix socket that the proxies connect to.
    pub listener: Fd,
    /// Connected Unix socket to the audit writer.
    pub audit: Fd,
    /// What happens to a sensitive prompt.
    pub sensitive: Sensitive,
    /// The server for prompts that must not leave the host.
    pub local: Option<ModelServer>,
    /// The server for everything else.
    pub cloud: Option<ModelServer>,
    /// PEM certificates trusted beside the system's roots.
    pub extra_roots_pem: String,
    /// Names that are answered from here instead of by DNS.
    pub hosts: std::collections::BTreeMap<String, std::net::IpAddr>,
    /// Who the process becomes.
    pub user: Option<JailUser>,
}

/// What happens to a prompt that holds classified data.
/// The later, the stricter: of two, the greater holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitive {
    /// It goes to the local server; without one it is refused.
    #[default]
    Local,
    /// It is refused.
    Block,
}

/// An OpenAI-compatible server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelServer {
    /// Base URL, for example `https://models.example.com/v1`.
    pub url: String,
    /// Sent as `Authorization: Bearer …`; never shown to the guest.
    pub api_key: Option<Secret>,
    /// Replaces the model that the client named.
    pub model: Option<String>,
}

/// What `openshell-router` reports, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RouterEvent {
    /// Jailed and accepting requests.
    Ready,
    /// Could not start.
    Failed {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
}
