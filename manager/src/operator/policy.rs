//! The policy of a running sandbox, from outside: which one is in force, and replacing it.

use std::path::Path;

use policies::Policy;
use wire::id::SandboxId;
use wire::operator::{Answer, Ask, PolicySet};

use super::client::{ask, find, unasked};
use crate::failure::{Failure, chain, wrong_policy};
use crate::layout::Layout;
use crate::policy::{PolicyFiles, load};

/// Replaces the policy of a running sandbox, which `sandbox` names by its id or its agent's name, by the one in `file`: a
/// policy, or an `agent.yaml`, of which only `policy` is read. When this returns, no connection is open that the new
/// policy does not allow.
///
/// # Errors
/// The policy in force is still the old one, and the failure says why.
pub fn set_policy(
    layout: &Layout,
    sandbox: &str,
    (file, files): (&Path, &PolicyFiles),
) -> Result<(SandboxId, PolicySet), Failure> {
    let policy = resolved(file, files).map_err(|failure| {
        Failure::new(format_args!("{}; the policy in force stays", failure.cause), &failure.remedy)
    })?;
    let sandbox = find(layout, sandbox)?;
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    match ask(layout, &sandbox, Ask::SetPolicy { policy, name })? {
        Answer::PolicySet(set) => Ok((sandbox, set)),
        _ => Err(unasked(&sandbox)),
    }
}

/// The document in `file` as one text, after every mistake was named with its place in the file.
fn resolved(file: &Path, files: &PolicyFiles) -> Result<String, Failure> {
    let document = load(file, files)?;
    Policy::compile(&document).map_err(|errors| wrong_policy(&errors))?;
    document
        .text()
        .map_err(|error| Failure::new(chain(&error), "this is a fault of openshell: please report it"))
}
