//! Resource limits: no core file may hold guest memory or a credential, and descriptors are enough but
//! bounded. There is no limit on file size: a jailed process can create no file, and those it was given
//! (disks, the audit log, its own log) have their own bounds; the server of a mount writes the operator's own files, which
//! may be as long as they are.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};

use super::JailError;

pub(super) fn apply(open_files: u64) -> Result<(), JailError> {
    set("core files", Resource::Core, 0)?;
    // Raising the hard limit is a right of its own, which root in a container may lack.
    match set("open files", Resource::Nofile, open_files) {
        Err(JailError::Limit(_, Errno::PERM)) => set("open files", Resource::Nofile, reachable(open_files)),
        done => done,
    }
}

/// What can be had without that right: nothing above the hard limit that the process was started with.
fn reachable(wanted: u64) -> u64 {
    rustix::process::getrlimit(Resource::Nofile).maximum.map_or(wanted, |hard| wanted.min(hard))
}

fn set(name: &'static str, resource: Resource, value: u64) -> Result<(), JailError> {
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    rustix::process::setrlimit(resource, limit).map_err(|error| JailError::Limit(name, error))
}
