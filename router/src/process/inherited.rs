//! Takes over the descriptors that the manager left open, see [`wire::spawn`].
//!
//! A number becomes an owned descriptor by asking the kernel for a duplicate through a pidfd of this very
//! process, which is safe code: a wrong number is an error, not somebody else's descriptor.

use std::os::fd::OwnedFd;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use wire::spawn::Fd;

use super::StartError;

/// The descriptor behind a number.
pub(super) fn take(fd: Fd) -> Result<OwnedFd, StartError> {
    let taken = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|this| pidfd_getfd(this, fd.0, PidfdGetfdFlags::empty()));
    taken.map_err(|error| StartError::Descriptor(fd.0, error))
}
