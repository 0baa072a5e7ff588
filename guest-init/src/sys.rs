//! The system calls that need `unsafe`, each behind a safe function, and nothing else.

#![expect(
    unsafe_code,
    reason = "signal masks, signal descriptors and vsock addresses have no safe wrapper, and unshare has preconditions"
)]

pub(crate) mod fanotify;
pub(crate) mod mapper;

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};

/// A vsock address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VsockAddr {
    /// Context id.
    pub(crate) cid: u32,
    /// Port.
    pub(crate) port: u32,
}

// SAFETY: the closure gets a pointer to a live `sockaddr_vm` and its exact size.
unsafe impl SocketAddrArg for VsockAddr {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        const FAMILY: libc::sa_family_t = 40;
        const _: () = assert!(FAMILY as libc::c_int == libc::AF_VSOCK);
        const LENGTH: SocketAddrLen = 16;
        const _: () = assert!(LENGTH as usize == size_of::<libc::sockaddr_vm>());
        let address = libc::sockaddr_vm {
            svm_family: FAMILY,
            svm_reserved1: 0,
            svm_port: self.port,
            svm_cid: self.cid,
            svm_zero: [0; 4],
        };
        f((&raw const address).cast(), LENGTH)
    }
}

/// The context id of who connected a vsock stream.
pub(crate) fn vsock_peer(socket: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut address = MaybeUninit::<libc::sockaddr_vm>::zeroed();
    let mut length =
        libc::socklen_t::try_from(size_of::<libc::sockaddr_vm>()).map_err(|_large| Errno::INVAL)?;
    // SAFETY: the kernel writes at most `length` bytes to an address that has them; both live through the call.
    let outcome =
        unsafe { libc::getpeername(socket.as_raw_fd(), address.as_mut_ptr().cast(), &raw mut length) };
    if outcome != 0 {
        return Err(last_error());
    }
    // SAFETY: zeros are an address of this kind, and the kernel wrote over them.
    let address = unsafe { address.assume_init() };
    if libc::c_int::from(address.svm_family) == libc::AF_VSOCK {
        Ok(address.svm_cid)
    } else {
        Err(Errno::AFNOSUPPORT)
    }
}

/// Blocks `SIGCHLD` in the calling thread and returns a descriptor that becomes readable at one.
pub(crate) fn child_signals() -> Result<OwnedFd, Errno> {
    let set = mask(libc::SIG_BLOCK, &[libc::SIGCHLD])?;
    // SAFETY: the set is initialised and lives through the call.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(last_error());
    }
    // SAFETY: the kernel just returned this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives a process about to execute a foreign program what it expects: no blocked signal, and `SIGPIPE`
/// fatal, which Rust's runtime had ignored.
pub(crate) fn default_signals() -> Result<(), Errno> {
    // SAFETY: restoring the default action installs no handler.
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    if before == libc::SIG_ERR {
        return Err(last_error());
    }
    mask(libc::SIG_SETMASK, &[]).map(drop)
}

/// Moves the calling thread into a new network namespace.
pub(crate) fn leave_network() -> Result<(), Errno> {
    // SAFETY: only flags that unshare the descriptor table could take a descriptor from another thread; a
    // network namespace changes what names mean, never what an open descriptor refers to.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
}

/// Gives the calling thread a table of descriptors of its own, for the test of who holds a socket in one.
#[cfg(test)]
pub(crate) fn leave_descriptors() -> Result<(), Errno> {
    // SAFETY: the thread that the test makes for this only lets its descriptors be.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FILES) }
}

/// The PID namespace in which `namespace` was made. The one that the caller is in has none that it may know of.
pub(crate) fn parent_namespace(namespace: &File) -> Result<File, Errno> {
    const NS_GET_PARENT: libc::c_ulong = 0xb702;
    // SAFETY: the request has no argument, and whatever the descriptor is, the kernel only answers with a new one.
    let parent = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT) };
    if parent < 0 {
        return Err(last_error());
    }
    // SAFETY: the kernel just returned this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(parent) }.into())
}

/// Whether two threads have one table of descriptors. When the kernel does not say, they are taken to have two.
pub(crate) fn share_descriptors(one: rustix::process::Pid, other: rustix::process::Pid) -> bool {
    const KCMP_FILES: libc::c_int = 2;
    let (one, other) = (one.as_raw_nonzero().get(), other.as_raw_nonzero().get());
    // SAFETY: the call compares two kernel objects and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0, 0) == 0 }
}

/// Lets nobody read the process's memory through `/proc`, not even another root process without
/// `CAP_SYS_PTRACE`.
pub(crate) fn hide_memory() -> Result<(), Errno> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
}

/// Gives a terminal the discipline that every terminal has at first.
pub(crate) fn reset_discipline(terminal: BorrowedFd<'_>) -> Result<(), Errno> {
    // `N_TTY`.
    let first: libc::c_int = 0;
    // SAFETY: the kernel reads one integer, which lives through the call.
    let outcome = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSETD, &raw const first) };
    if outcome == 0 { Ok(()) } else { Err(last_error()) }
}

/// Closes every descriptor of the process above the standard streams but `keep`. Whoever owns one of the others must not use
/// it any more, not even to drop it.
pub(crate) fn close_others(keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    kept.sort_unstable();
    let mut first = 3;
    for end in kept.into_iter().chain([u32::MAX]) {
        if end > first {
            // SAFETY: the caller sees to it that nobody uses what is closed.
            let outcome = unsafe { libc::syscall(libc::SYS_close_range, first, end - 1, 0) };
            if outcome != 0 {
                return Err(last_error());
            }
        }
        first = first.max(end.saturating_add(1));
    }
    Ok(())
}

/// Lets the calling thread run before every thread that is not one of its kind.
pub(crate) fn run_first() -> Result<(), Errno> {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: the pointer is to a live parameter; 0 is the calling thread.
    let outcome = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const lowest) };
    if outcome == 0 { Ok(()) } else { Err(last_error()) }
}

fn mask(how: libc::c_int, signals: &[libc::c_int]) -> Result<libc::sigset_t, Errno> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set behind a valid pointer.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised by the line above.
    let mut set = unsafe { set.assume_init() };
    for signal in signals {
        // SAFETY: the set is initialised, and the number is one of the platform's constants.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    // SAFETY: the set is initialised, and no old mask is asked for.
    let outcome = unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) };
    if outcome == 0 { Ok(set) } else { Err(Errno::from_raw_os_error(outcome)) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
