//! One question to a HashiCorp Vault, by its HTTP API: the key/value engine in both versions, and every engine that
//! answers a read with its secret under `data`.
//!
//! *Invariant:* the token goes to the named address only, over TLS whose certificate was verified (or to this machine),
//! and no redirect is followed with it. What is read is never shown.

mod api;
mod connect;

use std::time::Duration;

use wire::secret::Secret;
use wire::vault::VaultQuestion;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Who asks and this process do not understand each other.
    #[error("the question to the vault: {0}")]
    Question(String),
    /// The address is none that a token may go to.
    #[error("'{0}' is no address of a vault")]
    Address(String),
    /// The operator's roots are unusable.
    #[error("the roots for the vault are not PEM certificates")]
    Roots,
    /// It is not there.
    #[error("cannot connect to the vault at {address}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// It speaks something else.
    #[error("the vault's answer is not valid")]
    Http(#[source] hyper::Error),
    /// It is too slow.
    #[error("the vault did not answer within {} s", PATIENCE.as_secs())]
    Late,
    /// It does not let the token read it.
    #[error("the vault does not let the token read '{path}' ({status})")]
    Denied {
        /// What.
        path: String,
        /// How it says so.
        status: u16,
    },
    /// There is nothing.
    #[error("the vault has nothing at '{0}'")]
    Nothing(String),
    /// It is sealed, or serves nobody at the moment.
    #[error("the vault does not serve now ({0})")]
    Away(u16),
    /// It names another address.
    #[error("the vault redirects ({0}), which is not followed with a token")]
    Elsewhere(u16),
    /// Something else.
    #[error("the vault answers with {0}")]
    Status(u16),
    /// The answer is not what this engine writes.
    #[error("what the vault has at '{0}' is not written as this engine writes it")]
    Form(String),
    /// The field is not in it.
    #[error("what the vault has at '{path}' has no field '{field}'")]
    Field {
        /// Where.
        path: String,
        /// Which.
        field: String,
    },
}

/// Asks for the secret.
///
/// # Errors
/// The vault does not give it.
pub fn ask(question: &VaultQuestion) -> Result<Secret, VaultError> {
    if question.version != wire::VERSION {
        return Err(VaultError::Question("this is another build of openshell".to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| VaultError::Question(error.to_string()))?;
    let answer = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, api::ask(question)).await.unwrap_or(Err(VaultError::Late))
    });
    // A look-up of a name that does not come back is not waited for.
    runtime.shutdown_background();
    answer
}

impl VaultError {
    /// What the operator can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Question(_) => "install all of openshell's programs of one build into one directory",
            Self::Address(_) => "write https://host or https://host:port; http:// only to 127.0.0.1 or [::1]",
            Self::Roots => "name a file of PEM certificates under 'ca'",
            Self::Connect { .. } => {
                "look whether it runs there; a certificate of your own authority needs its root under 'ca'"
            }
            Self::Http(_) | Self::Status(_) => "look at the vault's log; is it the vault's own address?",
            Self::Late => "look whether it runs, and what is between",
            Self::Denied { .. } => {
                "look with `vault token capabilities` whether the token is valid and its policy has 'read' there; check 'namespace'"
            }
            Self::Nothing(_) => "check 'mount', 'path', 'kv' and 'namespace' with `vault kv get`",
            Self::Away(_) => "unseal it, or name the address of the active node",
            Self::Elsewhere(_) => "name the address of the active node, or of the balancer before it",
            Self::Form(_) => {
                "write 'kv: 1' for the first version of the engine and for engines that make secrets"
            }
            Self::Field { .. } => "name one of its fields, which `vault kv get` shows",
        }
    }
}
