//! What became of pages that the host's kernel wrote to its disk by itself.

#![expect(unsafe_code, reason = "sync_file_range has no safe wrapper")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Waits for what is on its way to the disk, and says whether any of it was lost since this was asked last. Unlike `fdatasync` it
/// sends nothing there: a guest that asks after every file does not keep the host's disk busy for data that ends with it.
pub(super) fn outcome(file: &File) -> io::Result<()> {
    // SAFETY: the call takes numbers only, of which 0 and 0 mean the whole file.
    let outcome = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WAIT_BEFORE) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
