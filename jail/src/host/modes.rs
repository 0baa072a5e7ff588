//! Permissions of what is held open without being read or written (`O_PATH`): given to that file, whatever its name leads to by now.

#![expect(unsafe_code, reason = "the call takes its name by pointer, and rustix does not offer it")]

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::Mode;
use rustix::io::Errno;

/// Gives the file these permissions.
///
/// # Errors
/// The kernel refused; [`Errno::ACCESS`] if it cannot do it at all (before Linux 6.6).
pub fn set(file: BorrowedFd<'_>, mode: Mode) -> Result<(), Errno> {
    let (fd, mode) = (file.as_raw_fd(), mode.as_raw_mode());
    // SAFETY: the name is an empty string that ends with a zero byte and lives as long as the program; the kernel reads nothing else
    // of this process, and the descriptor is borrowed for the time of the call.
    let outcome = unsafe { libc::syscall(libc::SYS_fchmodat2, fd, c"".as_ptr(), mode, libc::AT_EMPTY_PATH) };
    if outcome == 0 {
        return Ok(());
    }
    match Errno::from_io_error(&std::io::Error::last_os_error()) {
        Some(Errno::NOSYS) | None => Err(Errno::ACCESS),
        Some(error) => Err(error),
    }
}
