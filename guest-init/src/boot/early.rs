//! The kernel's own file systems, which everything else needs.

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::MountFlags;

/// One of them could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount {target}")]
pub(crate) struct EarlyError {
    target: &'static str,
    #[source]
    cause: Errno,
}

/// Control groups: mounted for guest-init alone, the agent does not see them.
pub(crate) const CGROUPS: &str = "/cgroup";

const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Mounts them.
///
/// # Errors
/// The kernel refused.
pub(crate) fn mount() -> Result<(), EarlyError> {
    one("proc", "/proc", PLAIN)?;
    one("sysfs", "/sys", PLAIN)?;
    one("devtmpfs", "/dev", MountFlags::NOSUID | MountFlags::NOEXEC)?;
    one("cgroup2", CGROUPS, PLAIN)
}

fn one(kind: &str, target: &'static str, flags: MountFlags) -> Result<(), EarlyError> {
    let failed = |cause| EarlyError { target, cause };
    match rustix::fs::mkdir(target, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed(error)),
    }
    match rustix::mount::mount(kind, target, kind, flags, None) {
        // The kernel may have mounted devtmpfs itself.
        Ok(()) | Err(Errno::BUSY) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
