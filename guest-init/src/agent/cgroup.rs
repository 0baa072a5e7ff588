//! The agent's control group: tells whether the kernel killed for want of memory.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use crate::boot::early::CGROUPS;

/// Puts the agent's first process, and so everything it starts, into the group. A machine whose control
/// groups are not mounted (a test outside a guest) has none.
///
/// # Errors
/// The kernel refused.
pub(crate) fn enclose(warden: Pid) -> io::Result<()> {
    if !Path::new(CGROUPS).join("cgroup.subtree_control").exists() {
        return Ok(());
    }
    std::fs::write(Path::new(CGROUPS).join("cgroup.subtree_control"), "+memory +pids")?;
    match std::fs::create_dir(group()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    std::fs::write(group().join("cgroup.procs"), warden.as_raw_nonzero().to_string())
}

/// Whether the kernel ended a process of the agent because memory ran out.
pub(crate) fn ran_out_of_memory() -> bool {
    let events = std::fs::read_to_string(group().join("memory.events")).unwrap_or_default();
    events.lines().filter_map(|line| line.strip_prefix("oom_kill ")).any(|count| count.trim() != "0")
}

fn group() -> PathBuf {
    Path::new(CGROUPS).join("agent")
}
