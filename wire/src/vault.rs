//! A question to a HashiCorp Vault, and its answer: between the manager and the process that speaks to the vault.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// One secret is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultQuestion {
    /// [`crate::VERSION`] of who asks.
    pub version: u32,
    /// Where the vault is: `https://host` or `https://host:port`.
    pub address: String,
    /// The way to the secret in its HTTP API, behind `/v1/`.
    pub path: String,
    /// How the engine writes what it keeps.
    pub engine: Engine,
    /// Which of its fields. `None`: all of them, as one JSON object.
    pub field: Option<String>,
    /// The namespace, if there is one.
    pub namespace: Option<String>,
    /// Who asks.
    pub token: Secret,
    /// The only roots that hold, as PEM; `None`: the system's.
    pub roots_pem: Option<String>,
}

/// How an engine writes what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Under `data`: the first version of the key/value engine, and those that make secrets.
    Plain,
    /// Under `data.data`, with its versions beside: the second version of the key/value engine.
    Versioned,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VaultAnswer {
    /// The secret.
    Secret(Secret),
    /// There is none.
    Refused {
        /// Why.
        cause: String,
        /// What the operator can do.
        remedy: String,
    },
}
