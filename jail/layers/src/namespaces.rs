//! Leaving namespaces, dividing processes, binding them to filters: the `unsafe` calls of it, with what makes them sound.

#![expect(
    unsafe_code,
    reason = "unshare and fork have preconditions that only a caller can uphold, and a filter is given by pointer"
)]

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::ConfineError;

/// What the agent gets of its own but its mounts, which are [`crate::view`]'s, and its network, which is prepared
/// for it.
pub const AGENT: UnshareFlags = UnshareFlags::NEWPID
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWCGROUP);

/// What a divided process is from here on.
#[derive(Debug)]
pub enum Split<T> {
    /// The one that was there before, with the id of the new one.
    Parent(Pid),
    /// The new one.
    Child(T),
}

/// Moves the calling thread into new namespaces.
///
/// # Errors
/// The kernel refused.
pub fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    debug_assert!(!flags.contains(UnshareFlags::FILES), "namespaces only: the descriptor table stays shared");
    // SAFETY: the only flag that can break I/O safety is `FILES`, which no caller passes: namespaces
    // change what names mean, never what an open descriptor refers to.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Divides the process; the child starts in the new namespaces that `flags` ask for.
///
/// The caller's process has one thread: then the child's copy of memory holds no lock that nobody is left
/// to open. (Where a test calls this with more threads, the child does nothing that takes a lock but
/// allocate, and glibc makes that safe.)
///
/// # Errors
/// The kernel refused.
pub fn split(flags: UnshareFlags) -> Result<Split<()>, Errno> {
    let unused = std::ptr::null_mut::<libc::c_void>();
    let flags = u64::from(flags.bits()) | u64::from(libc::SIGCHLD.unsigned_abs());
    // SAFETY: without a new stack and without CLONE_VM this is fork(2): both processes go on from here,
    // each with memory of its own; see above for what the child may do.
    let outcome = unsafe { libc::syscall(libc::SYS_clone, flags, unused, unused, unused, unused) };
    match i32::try_from(outcome) {
        Ok(0) => Ok(Split::Child(())),
        Ok(id) => Pid::from_raw(id).filter(|_| id > 0).map(Split::Parent).ok_or_else(last_error),
        Err(_too_large) => Err(Errno::OVERFLOW),
    }
}

/// Enters the network that was prepared for the agent, and names what it sees as its host.
///
/// # Errors
/// The kernel refused.
pub fn settle(network: BorrowedFd<'_>, hostname: &str) -> Result<(), ConfineError> {
    rustix::thread::move_into_link_name_space(network, Some(LinkNameSpaceType::Network))
        .map_err(ConfineError::Network)?;
    rustix::system::sethostname(hostname.as_bytes()).map_err(ConfineError::Hostname)
}

/// Marks every descriptor above standard error to be closed by the next `execve`.
///
/// # Errors
/// The kernel refused.
pub fn close_on_exec_above_stderr() -> Result<(), Errno> {
    // SAFETY: only flags of descriptors change, and none is closed by this call.
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if outcome == 0 { Ok(()) } else { Err(last_error()) }
}

/// Executes `program` in place of the calling process; returns only the reason why not. Every vector is
/// null-terminated here, from owned strings that outlive the call.
#[must_use]
pub fn execute(
    program: &std::ffi::CStr,
    arguments: &[std::ffi::CString],
    env: &[std::ffi::CString],
) -> Errno {
    let vector = |strings: &[std::ffi::CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, env) = (vector(arguments), vector(env));
    // SAFETY: the path and every string are NUL-terminated, both vectors end with a null pointer, and all
    // of them live until the call returns, which it does only if it failed.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), env.as_ptr()) };
    last_error()
}

/// Binds the calling thread to a filter, of whose refusals the kernel's audit is told. Nobody below it gains privileges by executing.
pub(crate) fn filter_logged(program: &seccompiler::BpfProgram) -> Result<(), Errno> {
    rustix::thread::set_no_new_privs(true)?;
    let instruction = |step: &seccompiler::sock_filter| libc::sock_filter {
        code: step.code,
        jt: step.jt,
        jf: step.jf,
        k: step.k,
    };
    let mut program: Vec<libc::sock_filter> = program.iter().map(instruction).collect();
    let length = u16::try_from(program.len()).map_err(|_long| Errno::OVERFLOW)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let flags = libc::SECCOMP_FILTER_FLAG_LOG;
    // SAFETY: the program's pointer and length are those of a live vector, which the kernel copies.
    let outcome =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    if outcome == 0 { Ok(()) } else { Err(last_error()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
