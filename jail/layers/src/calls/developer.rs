//! The profile `developer`: for agents that run browsers, and tools that make themselves root of nothing.
//!
//! A process may make a user namespace, and in it PID, network, IPC, host name and control group namespaces, and change its
//! root. It gets capabilities there: over what it made, but code of the kernel that asks for one can be reached by it. What it
//! cannot get is a mount namespace: uses of files are told of by the agent's mounts, and a copy of them would tell nothing. (That it
//! mounts, Landlock refuses to everybody whom it binds.)

use crate::filter::{AllowList, Argument, FilterError};

/// `agent`, and what is said above.
pub(super) fn widen(agent: AllowList) -> Result<AllowList, FilterError> {
    let no_mounts = [Argument::masked(0, u64::from(libc::CLONE_NEWNS.unsigned_abs()), 0)];
    agent.always(&[libc::SYS_chroot]).when(libc::SYS_clone, &no_mounts)?.when(libc::SYS_unshare, &no_mounts)
}
