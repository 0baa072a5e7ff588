//! Leaving namespaces: the one `unsafe` call of it, with what makes it sound.

#![expect(unsafe_code, reason = "unshare can take descriptors away from other threads, so rustix marks it")]

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// Moves the calling thread into new namespaces.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    debug_assert!(!flags.contains(UnshareFlags::FILES), "namespaces only: the descriptor table stays shared");
    // SAFETY: the only flag that can break I/O safety is `FILES`, which no caller passes: namespaces
    // change what names mean, never what an open descriptor refers to.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}
