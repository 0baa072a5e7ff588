//! Takes over the descriptors that the manager left open for this process, see [`wire::spawn`].
//!
//! A number becomes an owned descriptor here and nowhere else. Taking consumes the original, so that the
//! other side of a socket sees its end when the owner drops it.
//!
//! *Invariant:* a number is taken at most once, and only if nothing in this process owns it: what came
//! through `exec` has no close-on-exec flag, and what was opened since has one, as everything that the
//! standard library and this project's own code open.

#![expect(unsafe_code, reason = "only here does a number become an owned descriptor")]

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use wire::spawn::{CONFIG_FD, Fd};

/// The numbers that were taken, even if they were closed since.
static TAKEN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// The descriptor behind a number. It closes on `exec` from now on.
///
/// # Errors
/// `EBADF`: the number is not open, was taken before, was opened by this process itself, or is one of the
/// three standard streams.
pub fn take(fd: Fd) -> io::Result<OwnedFd> {
    if fd < CONFIG_FD {
        return Err(Errno::BADF.into());
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if taken.contains(&fd.0) {
        return Err(Errno::BADF.into());
    }
    // SAFETY: `F_GETFD` only reads the flags of a number, and fails if it is not open.
    let flags = unsafe { libc::fcntl(fd.0, libc::F_GETFD) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(Errno::BADF.into());
    }
    taken.insert(fd.0);
    // SAFETY: it is open, it came through `exec` (no close-on-exec flag), and `TAKEN`, locked since it was
    // asked, has not given it to anybody before: this is its only owner.
    let owned = unsafe { OwnedFd::from_raw_fd(fd.0) };
    fcntl_setfd(&owned, FdFlags::CLOEXEC)?;
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::{AsRawFd as _, IntoRawFd as _};
    use std::os::unix::net::UnixStream;

    use rustix::io::fcntl_getfd;

    use super::*;

    /// Leaves a descriptor as `exec` would have: open, owned by nobody, without the close-on-exec flag, at
    /// a number that nothing else in this test program uses.
    fn inherit(from: OwnedFd, lowest: i32) -> Fd {
        let placed = rustix::io::fcntl_dupfd_cloexec(&from, lowest).unwrap();
        fcntl_setfd(&placed, FdFlags::empty()).unwrap();
        Fd(placed.into_raw_fd())
    }

    fn code(result: io::Result<OwnedFd>) -> Option<i32> {
        result.unwrap_err().raw_os_error()
    }

    #[test]
    fn the_original_is_consumed_so_the_peer_sees_the_end() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let fd = inherit(ours.into(), 700);
        let taken = take(fd).unwrap();
        assert_eq!(taken.as_raw_fd(), fd.0);
        assert!(fcntl_getfd(&taken).unwrap().contains(FdFlags::CLOEXEC));
        assert_eq!(theirs.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(taken);
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_number_is_taken_once_even_after_it_was_closed_and_used_again() {
        let null = || OwnedFd::from(File::open("/dev/null").unwrap());
        let fd = inherit(null(), 800);
        let taken = take(fd).unwrap();
        assert_eq!(code(take(fd)), Some(libc::EBADF));
        drop(taken);
        assert_eq!(inherit(null(), 800), fd);
        assert_eq!(code(take(fd)), Some(libc::EBADF));
    }

    #[test]
    fn what_this_process_opened_is_not_given_away() {
        let own = File::open("/dev/null").unwrap();
        assert_eq!(code(take(Fd(own.as_raw_fd()))), Some(libc::EBADF));
        assert!(own.metadata().is_ok(), "still open");
    }

    #[test]
    fn what_is_not_open_and_the_standard_streams_are_refused() {
        for number in [-1, 0, 1, 2, 999] {
            assert_eq!(code(take(Fd(number))), Some(libc::EBADF), "{number}");
        }
    }
}
