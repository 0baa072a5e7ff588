//! The agent's system calls: an allow list. Everything else fails with `EPERM`, so that programs fall back;
//! a call through another architecture's ABI ends the process.
//!
//! Not on the list, and why: the mount family, `setns`, and but for `developer` `chroot` and `unshare` (a file tree of its own making);
//! `ptrace`, `process_vm_*`, `pidfd_getfd`, `kcmp` (other processes' memory and descriptors); `bpf`,
//! `perf_event_open`, `userfaultfd`, `io_uring_*`, `keyctl` (kernel code that is attacked most, and io_uring
//! does what this filter refuses); modules, kexec, `reboot`, swap, clocks, quotas, handles, `syslog`,
//! I/O ports (the machine itself). `memfd_create` is on it: browsers and CUDA stop without.

mod developer;
mod lists;
mod strict;

use rustix::io::Errno;
use wire::confinement::SeccompProfile;

use self::lists::{EVENTS, FILES, MEMORY, MESSAGES, PROCESSES, SOCKETS, TIME};
use crate::ConfineError;
use crate::filter::{AllowList, Argument, FilterError, Otherwise, kill_x32, refuse_quietly};

/// Flags of `clone` that ask for a namespace.
const NEW_NAMESPACES: i32 = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// Bits of a socket's type that are its kind; the others are flags.
const SOCKET_KIND: u64 = 0xf;

/// Type bits of a file's mode.
const FILE_TYPE: u64 = 0o170_000;

/// Binds the calling process to the profile's list.
///
/// # Errors
/// The kernel refused it.
pub fn install(profile: SeccompProfile) -> Result<(), ConfineError> {
    kill_x32()?;
    // `clone3` hides its flags behind a pointer; told that it does not exist, glibc falls back to `clone`.
    refuse_quietly(&[libc::SYS_clone3], Errno::NOSYS)?;
    Ok(list(profile)?.install(Otherwise::Refuse(Errno::PERM))?)
}

fn list(profile: SeccompProfile) -> Result<AllowList, FilterError> {
    match profile {
        SeccompProfile::Agent => agent(),
        SeccompProfile::Strict => strict::narrow(agent()?),
        SeccompProfile::Developer => developer::widen(agent()?),
    }
}

/// Requests to devices and file systems that nobody makes: typing into the terminal of whoever started the agent, the console's
/// selection, and what ext4 alone knows of where a file's blocks are. The latter change content without its times, by which
/// a file that was hashed is known again.
const REQUESTS: [u32; 9] = [
    0x5412,      // TIOCSTI
    0x541c,      // TIOCLINUX
    0x0000_6609, // EXT4_IOC_MIGRATE
    0x0000_660c, // EXT4_IOC_ALLOC_DA_BLKS
    0xc028_660f, // EXT4_IOC_MOVE_EXT
    0x0000_6612, // EXT4_IOC_PRECACHE_EXTENTS
    0x0000_6628, // EXT4_IOC_CLEAR_ES_CACHE
    0x4004_6629, // EXT4_IOC_GETSTATE
    0xc020_662a, // EXT4_IOC_GET_ES_CACHE
];

fn agent() -> Result<AllowList, FilterError> {
    let list = AllowList::default()
        .always(FILES)
        .always(MEMORY)
        .always(PROCESSES)
        .always(EVENTS)
        .always(MESSAGES)
        .always(SOCKETS)
        .always(TIME)
        .always(&[libc::SYS_clone3]);
    let list = with_sockets(list)?;
    let list = with_nodes(list)?;
    list.when(libc::SYS_clone, &[Argument::masked(0, u64::from(NEW_NAMESPACES.unsigned_abs()), 0)])?
        .when(libc::SYS_ioctl, &REQUESTS.map(|request| Argument::is_not(1, request)))?
        // The file that a process is said to execute, which tells who asks. Whoever has a user namespace may name any.
        .when(libc::SYS_prctl, &[Argument::is_not(0, libc::PR_SET_MM.unsigned_abs())])?
        // The default, and the question what it is.
        .when(libc::SYS_personality, &[Argument::is(0, 0)])?
        .when(libc::SYS_personality, &[Argument::is(0, u32::MAX)])
}

/// Local, IPv4 and IPv6 sockets, and route questions; no packets, no vsock, no crypto, no exotic family.
fn with_sockets(list: AllowList) -> Result<AllowList, FilterError> {
    let list = with_common_sockets(list)?;
    let routes = [
        Argument::is(0, libc::AF_NETLINK.unsigned_abs()),
        Argument::is(2, libc::NETLINK_ROUTE.unsigned_abs()),
    ];
    list.when(libc::SYS_socket, &routes)?
        .when(libc::SYS_socketpair, &[Argument::is(0, libc::AF_UNIX.unsigned_abs())])
}

/// Local sockets, and those of TCP and UDP (and of echo requests, which are datagrams too): an IP packet of any other kind
/// takes a raw one.
fn with_common_sockets(mut list: AllowList) -> Result<AllowList, FilterError> {
    list = list.when(libc::SYS_socket, &[Argument::is(0, libc::AF_UNIX.unsigned_abs())])?;
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            let of = Argument::is(0, family.unsigned_abs());
            let kind = Argument::masked(1, SOCKET_KIND, kind.unsigned_abs().into());
            list = list.when(libc::SYS_socket, &[of, kind])?;
        }
    }
    Ok(list)
}

/// `mknod` for pipes, sockets and plain files; a device node it is not.
fn with_nodes(mut list: AllowList) -> Result<AllowList, FilterError> {
    for kind in [0, libc::S_IFIFO, libc::S_IFREG, libc::S_IFSOCK] {
        list = list
            .when(libc::SYS_mknod, &[Argument::masked(1, FILE_TYPE, kind.into())])?
            .when(libc::SYS_mknodat, &[Argument::masked(2, FILE_TYPE, kind.into())])?;
    }
    Ok(list)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    /// What the policy language's page says of each profile.
    #[test]
    fn the_documented_counts_are_true() {
        let page = include_str!("../../../policies/README.md");
        for (name, profile) in [
            ("agent", SeccompProfile::Agent),
            ("strict", SeccompProfile::Strict),
            ("developer", SeccompProfile::Developer),
        ] {
            let count = list(profile).unwrap().calls().count();
            let said = format!("| `{name}` | {count} |");
            assert!(page.contains(&said), "the page does not say {said}");
        }
    }

    #[test]
    fn developer_adds_what_its_page_says() {
        let (agent, developer) = (agent().unwrap(), list(SeccompProfile::Developer).unwrap());
        let more: Vec<_> =
            developer.calls().filter(|call| !agent.calls().any(|other| other == *call)).collect();
        assert_eq!(more, [libc::SYS_chroot, libc::SYS_unshare]);
    }

    #[test]
    fn strict_allows_nothing_that_agent_refuses() {
        let (agent, strict) = (agent().unwrap(), list(SeccompProfile::Strict).unwrap());
        let extra: Vec<_> =
            strict.calls().filter(|call| !agent.calls().any(|other| other == *call)).collect();
        assert!(extra.is_empty(), "{extra:?}");
    }
}
