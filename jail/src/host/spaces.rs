//! Namespaces: as root directly; as anybody else through a user namespace, if the host lets us.

use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use super::{Isolation, JailError, Profile};
use jail_layers::{capabilities, namespaces};

pub(super) fn enter(profile: Profile) -> Result<Isolation, JailError> {
    let flags = needed(profile);
    if capabilities::may_administer().map_err(JailError::Capabilities)? {
        namespaces::unshare(flags).map_err(JailError::Namespaces)?;
        return Ok(Isolation::Privileged);
    }
    match enter_user_namespace().and_then(|()| namespaces::unshare(flags)) {
        Ok(()) => Ok(Isolation::UserNamespace),
        Err(error) => Ok(Isolation::Refused(error)),
    }
}

/// The proxy and the router dial upstreams, so they keep the host's network; nobody else has one.
fn needed(profile: Profile) -> UnshareFlags {
    let always = UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    match profile {
        Profile::Vmm | Profile::Audit | Profile::Mount => always | UnshareFlags::NEWNET,
        Profile::Proxy | Profile::Router => always,
    }
}

/// Maps the own user and group onto themselves: nothing changes but that capabilities inside count.
fn enter_user_namespace() -> Result<(), Errno> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    namespaces::unshare(UnshareFlags::NEWUSER)?;
    // The kernel accepts a group map only from a process that gave up setgroups(2).
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{uid} {uid} 1"))?;
    write("/proc/self/gid_map", &format!("{gid} {gid} 1"))
}

fn write(path: &str, text: &str) -> Result<(), Errno> {
    std::fs::write(path, text).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
