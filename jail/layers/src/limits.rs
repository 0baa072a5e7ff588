//! Resource limits of the agent's processes. Those of all of them together are the control group's, which
//! guest-init puts around them.

use rustix::process::{Resource, Rlimit};
use wire::confinement::Limits;

use crate::ConfineError;

/// Seconds between the signal that tells a process its time is up and the one that ends it.
const LAST_WORDS: u64 = 5;

/// Bounds the calling process and what it starts.
///
/// # Errors
/// A limit was refused.
pub fn apply(limits: &Limits) -> Result<(), ConfineError> {
    set("processes", Resource::Nproc, limits.processes)?;
    set("open files", Resource::Nofile, limits.open_files)?;
    if let Some(size) = limits.file_size {
        set("file size", Resource::Fsize, size)?;
    }
    if let Some(seconds) = limits.cpu_time {
        let limit = Rlimit { current: Some(seconds), maximum: Some(seconds.saturating_add(LAST_WORDS)) };
        rustix::process::setrlimit(Resource::Cpu, limit)
            .map_err(|error| ConfineError::Limit("processor time", error))?;
    }
    // A core file of a program that held a credential must not lie around in the workspace.
    set("core files", Resource::Core, 0)
}

fn set(name: &'static str, resource: Resource, value: u64) -> Result<(), ConfineError> {
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    rustix::process::setrlimit(resource, limit).map_err(|error| ConfineError::Limit(name, error))
}
