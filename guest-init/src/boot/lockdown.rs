//! Kernel lockdown: not even root in the guest reads the kernel's memory or changes its code, whatever way there is
//! (`/proc/kcore`, raw ports, probes, tracing, another kernel). It is turned on when the modules are loaded, which come
//! without signatures, and cannot be turned off.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

/// Where the kernel has a place for its security file system.
const FOLDER: &str = "/sys/kernel/security";

/// The switch in it, and its last position.
const SWITCH: &str = "/sys/kernel/security/lockdown";
const LEVEL: &str = "confidentiality";

/// Why the kernel is not locked down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockdownError {
    /// The security file system could not be mounted, or unmounted.
    #[error("cannot mount {FOLDER}")]
    Mount(#[source] Errno),
    /// The kernel has no lockdown, or refused it.
    #[error("cannot lock down the kernel")]
    Refused(#[source] io::Error),
    /// The kernel took it, and says something else.
    #[error("the kernel is not locked down: {0}")]
    Open(String),
}

/// Locks it down.
///
/// # Errors
/// The kernel cannot be, or is not.
pub(crate) fn engage() -> Result<(), LockdownError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("securityfs", FOLDER, "securityfs", flags, None).map_err(LockdownError::Mount)?;
    let locked = turn(Path::new(SWITCH));
    let unmounted = rustix::mount::unmount(FOLDER, UnmountFlags::empty()).map_err(LockdownError::Mount);
    locked.and(unmounted)
}

fn turn(switch: &Path) -> Result<(), LockdownError> {
    std::fs::write(switch, LEVEL).map_err(LockdownError::Refused)?;
    let state = std::fs::read_to_string(switch).map_err(LockdownError::Refused)?;
    if is_engaged(&state) { Ok(()) } else { Err(LockdownError::Open(state.trim().to_owned())) }
}

/// The kernel lists the levels, and puts the one that holds in brackets.
fn is_engaged(state: &str) -> bool {
    state
        .split_whitespace()
        .any(|level| level.strip_prefix('[').and_then(|l| l.strip_suffix(']')) == Some(LEVEL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_level_is_enough() {
        assert!(is_engaged("none integrity [confidentiality]\n"));
        for open in ["[none] integrity confidentiality\n", "none [integrity] confidentiality\n", ""] {
            assert!(!is_engaged(open), "{open}");
        }
    }

    #[test]
    fn a_switch_that_does_not_turn_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let switch = folder.path().join("lockdown");
        // A file keeps what was written, without the brackets of a kernel that has done it.
        assert!(matches!(turn(&switch), Err(LockdownError::Open(state)) if state == LEVEL));
        assert!(matches!(turn(&folder.path().join("none/lockdown")), Err(LockdownError::Refused(_))));
    }
}
