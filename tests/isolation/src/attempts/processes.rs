//! Other processes: the victim is root's, outside, and stands for guest-init.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use super::{
    IDENTITY, LANDLOCK, NAMESPACES, OWN_PROC, SECCOMP, SETTINGS, address, as_ordinary_user, call, errno,
    holds, number, read, victim,
};
use crate::Attempt;
use crate::stage::{ADDRESS, MEMORY_KEY, OUTSIDE, SECRET};

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "read another process's environment",
        make: || read(&format!("/proc/{}/environ", victim())).and_then(|text| holds(!text.is_empty())),
        held_by: &[IDENTITY, LANDLOCK, OWN_PROC],
        alone: "",
    },
    Attempt {
        name: "read another process's memory by its file",
        make: memory_file,
        held_by: &[IDENTITY, LANDLOCK, OWN_PROC],
        alone: "",
    },
    Attempt {
        name: "read another process's memory by a call",
        make: memory_call,
        held_by: &[NAMESPACES, IDENTITY, LANDLOCK, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "trace another process",
        make: trace,
        held_by: &[NAMESPACES, IDENTITY, LANDLOCK, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "take another process's descriptor",
        make: || {
            let process = call(libc::SYS_pidfd_open, [victim(), 0, 0, 0, 0, 0])?;
            call(libc::SYS_pidfd_getfd, [process, 1, 0, 0, 0, 0]).map(drop)
        },
        held_by: &[NAMESPACES, IDENTITY, LANDLOCK, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "signal another process",
        make: || call(libc::SYS_kill, [victim(), libc::SIGCONT.into(), 0, 0, 0, 0]).map(drop),
        held_by: &[NAMESPACES, IDENTITY, LANDLOCK],
        alone: "",
    },
    Attempt {
        name: "change another process's limits",
        make: change_limits,
        held_by: &[NAMESPACES, IDENTITY],
        alone: "",
    },
    Attempt {
        name: "read through another process's root",
        make: || {
            read(&format!("/proc/{}/root{OUTSIDE}", victim()))
                .and_then(|text| holds(text == SECRET.as_bytes()))
        },
        held_by: &[IDENTITY, LANDLOCK, OWN_PROC],
        alone: "",
    },
    Attempt {
        name: "enter another process's namespaces",
        make: || {
            let mounts = File::open(format!("/proc/{}/ns/mnt", victim())).map_err(|error| errno(&error))?;
            let kind = i64::from(libc::CLONE_NEWNS);
            call(libc::SYS_setns, [mounts.as_raw_fd().into(), kind, 0, 0, 0, 0]).map(drop)
        },
        held_by: &[IDENTITY, LANDLOCK, SECCOMP, OWN_PROC],
        alone: "",
    },
    Attempt {
        name: "attach another's shared memory",
        make: || call(libc::SYS_shmget, [MEMORY_KEY.into(), 0, 0, 0, 0, 0]).and_then(attach),
        held_by: &[NAMESPACES, IDENTITY],
        alone: "",
    },
    Attempt { name: "make a user namespace", make: user_namespace, held_by: &[SECCOMP, SETTINGS], alone: "" },
    Attempt {
        name: "make a network namespace",
        make: || call(libc::SYS_unshare, [libc::CLONE_NEWNET.into(), 0, 0, 0, 0, 0]).map(drop),
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "give itself wider Landlock rules",
        make: wider_rules,
        held_by: &[LANDLOCK],
        alone: "as for a file that no rule names",
    },
];

/// What stands at the address of the victim's secret.
fn secret(found: &[u8]) -> Result<(), Errno> {
    holds(found == SECRET.as_bytes())
}

fn memory_file() -> Result<(), Errno> {
    let file = File::open(format!("/proc/{}/mem", victim())).map_err(|error| errno(&error))?;
    let mut found = [0; SECRET.len()];
    let at = u64::try_from(number(ADDRESS)).unwrap_or_default();
    file.read_exact_at(&mut found, at).map_err(|error| errno(&error))?;
    secret(&found)
}

fn memory_call() -> Result<(), Errno> {
    let mut found = [0_u8; SECRET.len()];
    let length = found.len();
    let here = libc::iovec { iov_base: found.as_mut_ptr().cast(), iov_len: length };
    let there = libc::iovec { iov_base: std::ptr::without_provenance_mut(at()), iov_len: length };
    call(
        libc::SYS_process_vm_readv,
        [victim(), address(&raw const here), 1, address(&raw const there), 1, 0],
    )?;
    secret(&found)
}

fn at() -> usize {
    usize::try_from(number(ADDRESS)).unwrap_or_default()
}

/// Attaches without stopping it, and lets go again.
fn trace() -> Result<(), Errno> {
    call(libc::SYS_ptrace, [libc::PTRACE_SEIZE.into(), victim(), 0, 0, 0, 0]).map(drop)
}

fn change_limits() -> Result<(), Errno> {
    let limit = libc::rlimit { rlim_cur: 1000, rlim_max: 1000 };
    let cores = i64::from(libc::RLIMIT_CORE);
    call(libc::SYS_prlimit64, [victim(), cores, address(&raw const limit), 0, 0, 0]).map(drop)
}

fn attach(id: i64) -> Result<(), Errno> {
    call(libc::SYS_shmat, [id, 0, libc::SHM_RDONLY.into(), 0, 0, 0]).map(drop)
}

/// The way to every capability that the kernel's own code asks for.
fn user_namespace() -> Result<(), Errno> {
    as_ordinary_user()?;
    call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0, 0]).map(drop)
}

/// A set of rules of its own, which grants everything: rules only ever take away.
fn wider_rules() -> Result<(), Errno> {
    #[repr(C, packed)]
    struct Beneath {
        allowed: u64,
        parent: i32,
    }
    const READ: u64 = 1 << 2;
    let handled = [READ, 0, 0];
    let rules = call(libc::SYS_landlock_create_ruleset, [address(&raw const handled), 8, 0, 0, 0, 0])?;
    let top = File::open("/").map_err(|error| errno(&error))?;
    let beneath = Beneath { allowed: READ, parent: top.as_raw_fd() };
    call(libc::SYS_landlock_add_rule, [rules, 1, address(&raw const beneath), 0, 0, 0])?;
    rustix::thread::set_no_new_privs(true)?;
    call(libc::SYS_landlock_restrict_self, [rules, 0, 0, 0, 0, 0])?;
    read("/var/lib/dpkg/status").and_then(|text| holds(!text.is_empty()))
}
