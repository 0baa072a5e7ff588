//! The two signals that this process knows: one from the manager, one between its own threads.

#![expect(unsafe_code, reason = "signal descriptors and handlers have no safe interface")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use vmm_sys_util::signal::{block_signal, create_sigset, register_signal_handler};

/// Interrupts a virtual CPU thread. One that Rust's runtime and the C library leave alone.
const KICK: i32 = libc::SIGUSR1;

/// Blocks the manager's signal in this thread and all that it starts, and returns a descriptor that is
/// readable once the signal came; prepares the kick.
pub(crate) fn prepare() -> io::Result<OwnedFd> {
    block_signal(libc::SIGTERM).map_err(|error| io::Error::other(error.to_string()))?;
    register_signal_handler(KICK, on_kick).map_err(io::Error::from)?;
    let set = create_sigset(&[libc::SIGTERM]).map_err(io::Error::from)?;
    // SAFETY: the set is initialised, and -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a thread's `KVM_RUN` return. One that is not in it just now misses the kick, so the caller repeats
/// it until the thread has ended.
pub(crate) fn kick<T>(thread: &JoinHandle<T>) {
    if thread.is_finished() {
        return;
    }
    // SAFETY: a handle that is not joined keeps the thread's id valid, even when the thread has just ended.
    unsafe { libc::pthread_kill(thread.as_pthread_t(), KICK) };
}

/// Nothing to do: that the call was interrupted is the message.
extern "C" fn on_kick(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
