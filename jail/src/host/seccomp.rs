//! Which system calls each of our threads makes, and no other: a call outside its list ends the process.
//!
//! The lists hold what the thread's libraries (std, glibc's allocator, tokio, rustls) were seen to need.
//! No list allows execution of another program, new executable memory, another process, or a new
//! namespace.

use rustix::io::Errno;

use super::Profile;
use jail_layers::filter::{AllowList, Argument, Call, FilterError, Otherwise, refuse_quietly};

/// A kind of thread, by what it does once it is filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thread {
    /// The VMM's first thread: waits for events and threads, kicks vCPUs.
    VmmMain,
    /// Runs one vCPU.
    VmmVcpu,
    /// Serves virtio devices: files by offset, Unix sockets, event descriptors.
    VmmDevices,
    /// The proxy, all threads.
    Proxy,
    /// The router, all threads.
    Router,
    /// The audit writer, all threads.
    Audit,
    /// The server of a mount, all threads.
    Mount,
}

/// What every thread of ours needs: memory, locks, time, randomness, its own end.
const BASE: &[Call] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_time,
    libc::SYS_write,
    libc::SYS_writev,
];

/// An event loop's own calls.
const EVENTS: &[Call] = &[
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
];

/// Sockets that exist or come from a listener.
const SOCKETS: &[Call] = &[
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// Datagram batches and local addresses: a resolver's calls.
const RESOLVER: &[Call] = &[libc::SYS_bind, libc::SYS_recvmmsg, libc::SYS_sendmmsg];

/// What is to outlive a failure of the host: logs, live mounts.
const LASTING: &[Call] = &[libc::SYS_fdatasync, libc::SYS_fsync];

/// What became of a disk that ends with its machine.
const WRITE_BACK: &[Call] = &[libc::SYS_sync_file_range];

/// Files by descriptor: disks, logs.
const FILES: &[Call] = &[
    libc::SYS_fallocate,
    libc::SYS_ftruncate,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
];

/// Opening by name: libraries try it (a panic's backtrace, the number of CPUs) and can do without.
const OPENING: &[Call] = &[
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
];

/// Files by their names in a directory that is open: the server of a mount. What is opened by name goes through `openat2`,
/// which can be told to stay beneath a directory.
const NAMES: &[Call] = &[
    libc::SYS_copy_file_range,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_linkat,
    libc::SYS_openat2,
    libc::SYS_recvfrom,
    libc::SYS_renameat2,
    libc::SYS_sendto,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
];

/// Ioctls on sockets and pipes that std and tokio make, and the question whether standard error is a terminal.
const PLAIN_IOCTLS: &[u64] = &[libc::FIONBIO, libc::FIONREAD, libc::TCGETS];

/// Binds the calling thread to the list of `thread`, whose ioctls are narrowed to `ioctls` (request
/// numbers; for a vCPU what runs it, and what tells its clock that it stood still) and the plain ones of sockets and pipes.
///
/// # Errors
/// The kernel refused the filter.
pub fn install(thread: Thread, ioctls: &[u32]) -> Result<(), FilterError> {
    let mut list = with_memory_rules(AllowList::default().always(BASE))?;
    list = list.when(libc::SYS_prctl, &[Argument::is(0, 15 /* PR_SET_NAME */)])?;
    list = list.when(libc::SYS_prctl, &[Argument::is(0, 0x5356_4d41 /* PR_SET_VMA */)])?;
    for request in
        PLAIN_IOCTLS.iter().filter_map(|request| u32::try_from(*request).ok()).chain(ioctls.iter().copied())
    {
        list = list.when(libc::SYS_ioctl, &[Argument::is(1, request)])?;
    }
    // Only to its own threads: another process of the same user is not its to stop, or to let go on.
    list = list.when(libc::SYS_tgkill, &[Argument::is(0, std::process::id())])?;
    list = with_descriptor_rules(list)?;
    list = with_advice(list, thread)?;
    list = match thread {
        Thread::VmmVcpu => list.always(FILES).always(WRITE_BACK),
        Thread::VmmMain | Thread::VmmDevices => with_socket_families(
            list.always(EVENTS).always(SOCKETS).always(FILES).always(WRITE_BACK),
            &[libc::AF_UNIX],
        )?,
        Thread::Proxy | Thread::Router => {
            let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
            let list = list.always(EVENTS).always(SOCKETS).always(RESOLVER);
            with_threads(with_socket_families(list, &families)?)?
        }
        Thread::Audit => {
            // It asks how full the log's disk is.
            with_threads(
                list.always(EVENTS)
                    .always(SOCKETS)
                    .always(FILES)
                    .always(LASTING)
                    .always(&[libc::SYS_fstatfs]),
            )?
        }
        Thread::Mount => with_threads(with_new_files(list.always(FILES).always(LASTING).always(NAMES))?)?,
    };
    if thread == Thread::VmmVcpu {
        // Every exit of the guest passes the filters of its vCPU thread: one is enough there.
        return list.install(Otherwise::KillProcess);
    }
    // These pass the list and fail in the filter before it.
    let refused = |call: &&Call| thread != Thread::Mount || **call != libc::SYS_readlinkat;
    let refused: Vec<Call> = OPENING.iter().filter(refused).copied().collect();
    refuse_quietly(&refused, Errno::ACCESS)?;
    refuse_quietly(&[libc::SYS_clone3], Errno::NOSYS)?;
    list.always(OPENING).always(&[libc::SYS_clone3]).install(Otherwise::KillProcess)
}

/// The one list for all threads of a process, for profiles that need no more than one.
pub(super) fn whole_process(profile: Profile) -> Option<Thread> {
    match profile {
        Profile::Vmm => None,
        Profile::Proxy => Some(Thread::Proxy),
        Profile::Router => Some(Thread::Router),
        Profile::Audit => Some(Thread::Audit),
        Profile::Mount => Some(Thread::Mount),
    }
}

/// Memory may be mapped and protected, but never made executable.
fn with_memory_rules(list: AllowList) -> Result<AllowList, FilterError> {
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let not_executable = [Argument::masked(2, executable, 0)];
    list.when(libc::SYS_mmap, &not_executable)?.when(libc::SYS_mprotect, &not_executable)
}

/// The VMM tells the kernel of memory that it needs no longer, as the allocator does, and nothing else: guest memory
/// is not to be shared with other machines page by page, say, or passed on to a child. The other processes start
/// threads after this filter, for which newer C libraries give further advice.
fn with_advice(list: AllowList, thread: Thread) -> Result<AllowList, FilterError> {
    match thread {
        Thread::VmmMain | Thread::VmmVcpu | Thread::VmmDevices => {
            list.when(libc::SYS_madvise, &[Argument::is(2, libc::MADV_DONTNEED.unsigned_abs())])
        }
        Thread::Proxy | Thread::Router | Thread::Audit | Thread::Mount => {
            Ok(list.always(&[libc::SYS_madvise]))
        }
    }
}

/// New files are plain, never pipes, sockets or devices; and no mode has a set-user-id or set-group-id bit, but for one that
/// `openat2` gives a file that it makes: the filter does not see what a pointer leads to.
fn with_new_files(list: AllowList) -> Result<AllowList, FilterError> {
    const KIND: u64 = 0o170_000;
    const SET_ID: u64 = 0o6000;
    list.when(libc::SYS_mknodat, &[Argument::masked(2, KIND | SET_ID, libc::S_IFREG.into())])?
        .when(libc::SYS_mkdirat, &[Argument::masked(2, SET_ID, 0)])?
        .when(libc::SYS_fchmod, &[Argument::masked(1, SET_ID, 0)])?
        .when(libc::SYS_fchmodat2, &[Argument::masked(2, SET_ID, 0)])
}

/// `fcntl` for flags and duplicates; not for leases, owners or seals.
fn with_descriptor_rules(mut list: AllowList) -> Result<AllowList, FilterError> {
    for command in
        [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_GETFL, libc::F_SETFD, libc::F_SETFL]
    {
        list = list.when(libc::SYS_fcntl, &[Argument::is(1, command.unsigned_abs())])?;
    }
    Ok(list)
}

fn with_socket_families(mut list: AllowList, families: &[i32]) -> Result<AllowList, FilterError> {
    for family in families {
        list = list.when(libc::SYS_socket, &[Argument::is(0, family.unsigned_abs())])?;
    }
    list.when(libc::SYS_socketpair, &[Argument::is(0, libc::AF_UNIX.unsigned_abs())])
}

/// New threads, but neither processes nor namespaces. `clone3` hides its flags behind a pointer, so glibc
/// is made to fall back to `clone`.
fn with_threads(list: AllowList) -> Result<AllowList, FilterError> {
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    list.when(libc::SYS_clone, &[Argument::masked(0, thread, thread)])
}
