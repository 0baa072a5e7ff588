//! Resource limits of the agent's processes.

use rustix::process::{Resource, Rlimit};
use wire::confinement::Limits;

use super::ConfineError;

pub(super) fn apply(limits: &Limits) -> Result<(), ConfineError> {
    set("processes", Resource::Nproc, limits.processes)?;
    set("open files", Resource::Nofile, limits.open_files)?;
    // A core file of a program that held a credential must not lie around in the workspace.
    set("core files", Resource::Core, 0)
}

fn set(name: &'static str, resource: Resource, value: u64) -> Result<(), ConfineError> {
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    rustix::process::setrlimit(resource, limit).map_err(|error| ConfineError::Limit(name, error))
}
