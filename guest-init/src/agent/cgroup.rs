//! The agent's control group: bounds all of its processes together, and tells whether the kernel killed for
//! want of memory.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use wire::confinement::Limits;

use crate::boot::early::CGROUPS;

/// The warden is in the group too, and is not the agent's.
const WARDEN: u64 = 1;

/// Puts the agent's first process, and so everything it starts, into the group, within its limits. A machine
/// whose control groups are not mounted (a test outside a guest) has none.
///
/// # Errors
/// The kernel refused, or there is a limit that nothing would enforce.
pub(crate) fn enclose(warden: Pid, limits: &Limits) -> io::Result<()> {
    if !Path::new(CGROUPS).join("cgroup.subtree_control").exists() {
        let unbounded = limits.memory.is_none();
        return if unbounded { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) };
    }
    // With a share of its own all of the agent's processes together have as much of a processor as guest-init's threads, which
    // carry its connections and read what it does.
    std::fs::write(Path::new(CGROUPS).join("cgroup.subtree_control"), "+memory +pids +cpu")?;
    match std::fs::create_dir(group()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    set("pids.max", limits.processes.saturating_add(WARDEN))?;
    if let Some(bytes) = limits.memory {
        set("memory.max", bytes)?;
    }
    set("cgroup.procs", warden.as_raw_nonzero())
}

fn set(file: &str, value: impl std::fmt::Display) -> io::Result<()> {
    std::fs::write(group().join(file), value.to_string())
}

/// How many processes of the agent the kernel has ended because memory ran out.
pub(crate) fn killed() -> u64 {
    let events = std::fs::read_to_string(group().join("memory.events")).unwrap_or_default();
    let counts = events.lines().filter_map(|line| line.strip_prefix("oom_kill "));
    counts.filter_map(|count| count.trim().parse::<u64>().ok()).sum()
}

fn group() -> PathBuf {
    Path::new(CGROUPS).join("agent")
}
