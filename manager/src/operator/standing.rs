//! How a running sandbox stands, from outside: letting it stand still and go on, and cutting it off.

use wire::id::SandboxId;
use wire::operator::{Answer, Ask, PolicySet, Standing};

use super::client::{ask, find, unasked};
use crate::failure::Failure;
use crate::layout::Layout;
use crate::rundir;

/// Lets the machine of a running sandbox, which `sandbox` names by its id or its agent's name, stand still with its memory.
///
/// # Errors
/// It goes on, and the failure says why.
pub fn pause(layout: &Layout, sandbox: &str) -> Result<SandboxId, Failure> {
    stand(layout, sandbox, Ask::Pause)
}

/// Lets it go on.
///
/// # Errors
/// It stands still, and the failure says why.
pub fn resume(layout: &Layout, sandbox: &str) -> Result<SandboxId, Failure> {
    stand(layout, sandbox, Ask::Resume)
}

/// Cuts a running sandbox off: when this returns, no connection is open, out or in, and none can be opened until a policy is
/// set. The machine goes on.
///
/// # Errors
/// It is not cut off, and the failure says why.
pub fn quarantine(layout: &Layout, sandbox: &str) -> Result<(SandboxId, PolicySet), Failure> {
    let sandbox = find(layout, sandbox)?;
    match ask(layout, &sandbox, Ask::Quarantine)? {
        Answer::PolicySet(set) => Ok((sandbox, set)),
        _ => Err(unasked(&sandbox)),
    }
}

/// The running sandboxes, and how each stands; `None`: it is starting or ending, or does not answer.
#[must_use]
pub fn list(layout: &Layout) -> Vec<(SandboxId, Option<Standing>)> {
    let standing = |sandbox: &SandboxId| match ask(layout, sandbox, Ask::Standing) {
        Ok(Answer::Standing(standing)) => Some(standing),
        Ok(_) | Err(_) => None,
    };
    let mut running = rundir::running(layout);
    running.sort();
    running.into_iter().map(|sandbox| (sandbox.clone(), standing(&sandbox))).collect()
}

fn stand(layout: &Layout, sandbox: &str, how: Ask) -> Result<SandboxId, Failure> {
    let sandbox = find(layout, sandbox)?;
    match ask(layout, &sandbox, how)? {
        Answer::Standing(_) => Ok(sandbox),
        _ => Err(unasked(&sandbox)),
    }
}
