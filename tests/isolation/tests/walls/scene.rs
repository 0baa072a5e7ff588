//! The machine as the attacker finds it, with what there is to get: in namespaces of the test's own, and in memory.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use isolation::{Wall, stage};
use jail_layers::namespaces::{self, Split};
use jail_layers::{files, filter};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::standing::{self, TREE};

/// Directories that are in memory, each with its mode; there is one of each in the tree too.
const SCRATCH: [(&str, &std::ffi::CStr); 4] =
    [("/tmp", c"mode=1777"), ("/var/tmp", c"mode=1777"), ("/root", c"mode=0700"), ("/opt", c"mode=0755")];

/// What a process ends with that put up the Landlock wall, or could not.
const STANDS: i32 = 30;
const REFUSED: i32 = 31;

/// How a kernel answers who asks for Landlock.
#[derive(Clone, Copy)]
pub(super) enum Kernel {
    /// As it does.
    AsItIs,
    /// With this error.
    Answers(Errno),
}

/// What became of the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stood {
    Up,
    Refused,
}

/// The machine, and who is to be got at.
pub(super) struct Scene {
    /// The agent's network.
    network: OwnedFd,
    victim: Pid,
    /// Of the secret, in the victim's memory.
    address: usize,
    /// Where the victim listens.
    _listening: (TcpListener, UnixListener, UnixListener),
}

/// Does `work` in namespaces of its own, as their first process; it returns how many tests failed.
pub(super) fn alone(work: impl FnOnce() -> u8) -> ExitCode {
    let flags = UnshareFlags::NEWPID
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    match namespaces::split(flags).unwrap() {
        Split::Parent(pid) => {
            let (_, status) = rustix::process::waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
            ExitCode::from(u8::try_from(status.exit_status().unwrap_or(1)).unwrap_or(1))
        }
        Split::Child(()) => std::process::exit(work().into()),
    }
}

impl Scene {
    /// Sets it.
    pub(super) fn set() -> Self {
        let attacker = fs::read(env!("CARGO_BIN_EXE_attacker")).unwrap();
        mount_all();
        for tree in ["", TREE] {
            place(tree, &attacker);
        }
        fs::write(stage::OUTSIDE, stage::SECRET).unwrap();
        let network = networks();
        let name = SocketAddr::from_abstract_name(stage::ABSTRACT).unwrap();
        let listening = (
            TcpListener::bind((Ipv4Addr::LOCALHOST, stage::PORT)).unwrap(),
            UnixListener::bind_addr(&name).unwrap(),
            UnixListener::bind(stage::SOCKET).unwrap(),
        );
        fs::set_permissions(stage::SOCKET, Permissions::from_mode(0o666)).unwrap();
        // SAFETY: a new segment of memory touches nothing that is there.
        let memory = unsafe { libc::shmget(stage::MEMORY_KEY, 4096, libc::IPC_CREAT | 0o600) };
        assert!(memory >= 0, "no shared memory");
        let secret: &'static str = Box::leak(stage::SECRET.to_owned().into_boxed_str());
        Self { network, victim: victim(), address: secret.as_ptr().addr(), _listening: listening }
    }

    /// Makes all attempts behind these walls; how each ended.
    pub(super) fn attempts(&self, standing: &[Wall]) -> BTreeMap<String, i32> {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let first = standing::behind(standing, self.network.as_fd(), || {
            rustix::stdio::dup2_stdout(&writer).unwrap();
            Command::new(stage::ATTACKER)
                .env_clear()
                .env(stage::VICTIM, self.victim.as_raw_nonzero().to_string())
                .env(stage::ADDRESS, self.address.to_string())
                .exec()
        });
        drop(writer);
        let mut said = String::new();
        File::from(reader).read_to_string(&mut said).unwrap();
        rustix::process::waitpid(Some(first), WaitOptions::empty()).unwrap();
        let lines = said.lines().filter_map(|line| line.split_once('\t'));
        lines.filter_map(|(ended, name)| Some((name.to_owned(), ended.parse().ok()?))).collect()
    }

    /// What the Landlock wall says of itself, where the kernel answers as `kernel` makes it.
    pub(super) fn landlock(&self, kernel: Kernel) -> Stood {
        let first = standing::behind(&[], self.network.as_fd(), || {
            if let Kernel::Answers(error) = kernel {
                filter::refuse_quietly(&[libc::SYS_landlock_create_ruleset], error).unwrap();
            }
            let rules = files::open(&standing::rules()).unwrap();
            std::process::exit(if files::restrict(&rules).is_ok() { STANDS } else { REFUSED })
        });
        let (_, status) = rustix::process::waitpid(Some(first), WaitOptions::empty()).unwrap().unwrap();
        match status.exit_status() {
            Some(STANDS) => Stood::Up,
            Some(REFUSED) => Stood::Refused,
            other => panic!("the test itself ended with {other:?}"),
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        rustix::process::kill_process(self.victim, Signal::KILL).unwrap();
    }
}

/// The whole machine read-only, and bound once more as the agent's tree, without devices and set-user-id programs, as
/// guest-init mounts it.
fn mount_all() {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).unwrap();
    rustix::mount::mount("proc", "/proc", "proc", MountFlags::empty(), None).unwrap();
    rustix::mount::mount_bind("/", TREE).unwrap();
    let guests = MountFlags::NOSUID | MountFlags::NODEV;
    for (top, flags) in [("/", MountFlags::empty()), (TREE, guests)] {
        rustix::mount::mount_remount(top, MountFlags::BIND | MountFlags::RDONLY | flags, "").unwrap();
    }
    for (directory, mode) in SCRATCH {
        rustix::mount::mount("none", directory, "tmpfs", MountFlags::empty(), mode).unwrap();
        rustix::mount::mount("none", format!("{TREE}{directory}"), "tmpfs", guests, mode).unwrap();
    }
    rustix::mount::mount("none", "/srv", "tmpfs", MountFlags::empty(), c"mode=0755").unwrap();
}

/// What the attacker finds, in the tree or outside.
fn place(tree: &str, attacker: &[u8]) {
    let put = |path: &str, bytes: &[u8], mode: u32| {
        let path = format!("{tree}{path}");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    put(stage::ROOTS, stage::SECRET.as_bytes(), 0o600);
    put(stage::TOOL, b"#!/bin/true\n", 0o644);
    put(stage::ATTACKER, attacker, 0o755);
    put(stage::RAISING, attacker, 0o4755);
    let vault = format!("{tree}{}", stage::VAULT);
    let directory = std::path::Path::new(&vault).parent().unwrap();
    fs::create_dir(directory).unwrap();
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    put(stage::VAULT, b"root's", 0o600);
    put(stage::HANDLE, &handle(&vault), 0o644);
}

/// A file's handle: its kind, then its bytes.
fn handle(path: &str) -> Vec<u8> {
    #[repr(C)]
    struct Handle {
        length: u32,
        kind: i32,
        bytes: [u8; 128],
    }
    let path = std::ffi::CString::new(path).unwrap();
    let mut handle = Handle { length: 128, kind: 0, bytes: [0; 128] };
    let mut mount = 0_i32;
    let call = libc::SYS_name_to_handle_at;
    // SAFETY: the path ends with NUL, and the kernel writes at most `length` bytes behind the handle's head.
    let outcome =
        unsafe { libc::syscall(call, libc::AT_FDCWD, path.as_ptr(), &raw mut handle, &raw mut mount, 0) };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
    let bytes = &handle.bytes[..usize::try_from(handle.length).unwrap()];
    [handle.kind.to_ne_bytes().as_slice(), bytes].concat()
}

/// The agent's network, and the machine's, each with a loopback interface that is up.
fn networks() -> OwnedFd {
    let here = || OwnedFd::from(File::open("/proc/self/ns/net").unwrap());
    let machines = here();
    loopback_up();
    namespaces::unshare(UnshareFlags::NEWNET).unwrap();
    loopback_up();
    let agents = here();
    rustix::thread::move_into_link_name_space(machines.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    agents
}

fn loopback_up() {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    // SAFETY: zeros are a request, and its name ends with one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::try_from(*from).unwrap();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the request lives through the call.
    let outcome = unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) };
    assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
}

/// A process of root's outside the walls, which only waits. Its number is one that nobody has in a young namespace.
fn victim() -> Pid {
    fs::write("/proc/sys/kernel/ns_last_pid", "20000").unwrap();
    match namespaces::split(UnshareFlags::empty()).unwrap() {
        Split::Parent(pid) => pid,
        Split::Child(()) => loop {
            std::thread::park();
        },
    }
}
