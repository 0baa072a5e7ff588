//! The profile `strict`: for agents that run shells, interpreters and plain programs, and build nothing.
//!
//! No memory becomes executable after it was writable, so code that an attacker brought as data does not run
//! in a program that is no interpreter. What makes code at run time does not start: node, browsers, Java,
//! debuggers. Calls that such programs do not need, and that kernels were attacked through, are gone too.

use crate::filter::{AllowList, Argument, Call, FilterError};

/// What `agent` has and `strict` has not.
const REFUSED: &[Call] = &[
    // Files without a name, and programs without one.
    libc::SYS_execveat,
    libc::SYS_memfd_create,
    // Pages that several owners share, moved between descriptors without a copy.
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_remap_file_pages,
    // Asynchronous I/O of the old kind.
    libc::SYS_io_cancel,
    libc::SYS_io_destroy,
    libc::SYS_io_getevents,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    // Memory that cannot be taken back or is placed by hand, and keys on it.
    libc::SYS_mbind,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    // System V and POSIX messages, semaphores and shared memory.
    libc::SYS_mq_getsetattr,
    libc::SYS_mq_notify,
    libc::SYS_mq_open,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_unlink,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_shmget,
    // Filters of its own: each is a program for the kernel.
    libc::SYS_seccomp,
    // Scheduling beyond being nice.
    libc::SYS_ioprio_set,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    // Handles on other processes and threads.
    libc::SYS_get_robust_list,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_personality,
];

/// Calls whose conditions are others than `agent`'s.
const OTHERWISE: &[Call] = &[libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_prctl, libc::SYS_socket];

/// `agent`'s list without what `strict` has not.
pub(super) fn narrow(agent: AllowList) -> Result<AllowList, FilterError> {
    let (write, execute) = (bits(libc::PROT_WRITE), bits(libc::PROT_EXEC));
    let mut list = agent.without(REFUSED).without(OTHERWISE);
    for protection in [write, execute] {
        list = list.when(libc::SYS_mmap, &[Argument::masked(2, protection, 0)])?;
    }
    super::with_common_sockets(list)?.when(libc::SYS_mprotect, &[Argument::masked(2, execute, 0)])?.when(
        libc::SYS_prctl,
        &[
            Argument::is_not(0, libc::PR_SET_SECCOMP.unsigned_abs()),
            Argument::is_not(0, libc::PR_SET_MM.unsigned_abs()),
        ],
    )
}

fn bits(protection: libc::c_int) -> u64 {
    protection.unsigned_abs().into()
}
