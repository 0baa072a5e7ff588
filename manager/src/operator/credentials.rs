//! The credentials of a running sandbox, from outside: reading their sources again.

use wire::id::SandboxId;
use wire::operator::{Answer, Ask};

use super::client::{ask, find, unasked};
use crate::failure::Failure;
use crate::layout::Layout;

/// Lets a running sandbox, which `sandbox` names by its id or its agent's name, read the sources of its credentials again.
/// When this returns, every request carries what they gave; the names of the credentials.
///
/// # Errors
/// The secrets from before stay, and the failure says why.
pub fn refresh_credentials(layout: &Layout, sandbox: &str) -> Result<(SandboxId, Vec<String>), Failure> {
    let sandbox = find(layout, sandbox)?;
    match ask(layout, &sandbox, Ask::RefreshCredentials)? {
        Answer::CredentialsRefreshed { names } => Ok((sandbox, names)),
        _ => Err(unasked(&sandbox)),
    }
}
