//! The agent's file tree: what is mounted, made and masked in its mount namespace before its first
//! instruction. Runs as the first process of its PID namespace, or `/proc` would show guest-init's.

use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::thread::UnshareFlags;
use wire::confinement::Confinement;

use crate::ConfineError;

/// The mounts of the agent's own, in which its view is built.
pub const NAMESPACE: UnshareFlags = UnshareFlags::NEWNS;

const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Device nodes: name, major, minor. Everybody may use them, and none reaches hardware.
const DEVICES: &[(&str, u32, u32)] =
    &[("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links that programs expect beside them.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Files that tell of the kernel or act on it: they read as empty.
const MASKED_FILES: &[&str] = &[
    "/proc/config.gz",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/slabinfo",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
];

/// Directories that do: they are empty.
const MASKED_DIRECTORIES: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/scsi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
    "/sys/module",
];

/// What an image's users prove themselves with: nobody needs it here, and nobody may read it.
const SECRETS: &[&str] =
    &["/etc/gshadow", "/etc/gshadow-", "/etc/security/opasswd", "/etc/shadow", "/etc/shadow-"];

/// Where the file is made that covers them.
const COVER: &str = "/dev/.cover";

/// Settings: readable, but not writable for anybody.
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"];

/// Of the PID namespace: whether files that `memfd_create` makes can be executed. With 2 they cannot, and who
/// asks for one that can is refused.
const MEMFD_NOEXEC: &str = "/proc/sys/vm/memfd_noexec";

/// What may be done with files that have no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Execute them.
    Executable,
    /// Anything else: where only named programs may be executed, one without a name may not.
    Data,
}

impl Anonymous {
    /// What `confinement` grants.
    #[must_use]
    pub fn for_agent(confinement: &Confinement) -> Self {
        if confinement.executables.is_some() { Self::Data } else { Self::Executable }
    }
}

/// Makes `root` the calling process's tree, in the mount namespace that it was put into ([`NAMESPACE`]): a minimal
/// `/dev`, a `/proc` of the processes of its PID namespace, a read-only `/sys`.
///
/// # Errors
/// The step that failed.
pub fn build(root: &Path, anonymous: Anonymous) -> Result<(), ConfineError> {
    become_root(root)?;
    mount_proc()?;
    if anonymous == Anonymous::Data {
        std::fs::write(MEMFD_NOEXEC, "2").map_err(ConfineError::Anonymous)?;
    }
    mount_sys()?;
    mount_dev()?;
    mask()
}

/// `MS_MOVE` and `chroot` instead of `pivot_root`, which the kernel refuses in an initramfs. Whoever has
/// no capability cannot leave such a root; who gets one in a user namespace finds this tree above it once more.
fn become_root(root: &Path) -> Result<(), ConfineError> {
    let path = root.to_string_lossy().into_owned();
    let failed = |action| {
        let path = path.clone();
        move |cause| ConfineError::View { action, path, cause }
    };
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(failed("make private the mounts above"))?;
    rustix::process::chdir(root).map_err(failed("enter"))?;
    rustix::mount::mount_move(".", "/").map_err(failed("move to / the mount"))?;
    rustix::process::chroot(".").map_err(failed("make root of"))?;
    rustix::process::chdir("/").map_err(failed("enter the new root"))
}

/// Of its processes the agent's user sees only its own.
fn mount_proc() -> Result<(), ConfineError> {
    directory("/proc", 0o555)?;
    mount("proc", "/proc", PLAIN, c"hidepid=invisible")
}

fn mount_sys() -> Result<(), ConfineError> {
    directory("/sys", 0o555)?;
    mount("sysfs", "/sys", PLAIN | MountFlags::RDONLY, c"")
}

fn mount_dev() -> Result<(), ConfineError> {
    directory("/dev", 0o755)?;
    mount("tmpfs", "/dev", MountFlags::NOSUID | MountFlags::NOEXEC, c"mode=0755,size=64k")?;
    for (name, major, minor) in DEVICES {
        let path = format!("/dev/{name}");
        let device = rustix::fs::makedev(*major, *minor);
        let mode = Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::CharacterDevice, mode, device)
            // The mask of created files may have taken bits away.
            .and_then(|()| rustix::fs::chmod(&path, mode))
            .map_err(|cause| ConfineError::View { action: "make the device", path, cause })?;
    }
    for (name, target) in LINKS {
        let path = format!("/dev/{name}");
        rustix::fs::symlink(*target, &path).map_err(|cause| ConfineError::View {
            action: "make the link",
            path,
            cause,
        })?;
    }
    directory("/dev/pts", 0o755)?;
    mount(
        "devpts",
        "/dev/pts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        c"newinstance,ptmxmode=0666,mode=620",
    )?;
    directory("/dev/shm", 0o1777)?;
    mount("tmpfs", "/dev/shm", MountFlags::NOSUID | MountFlags::NODEV, c"mode=1777")
}

/// What this kernel does not have needs no mask.
fn mask() -> Result<(), ConfineError> {
    for path in MASKED_FILES {
        let outcome = rustix::mount::mount_bind("/dev/null", *path);
        unless_missing("mask", path, outcome)?;
    }
    cover()?;
    for path in MASKED_DIRECTORIES {
        let flags = PLAIN | MountFlags::RDONLY;
        let outcome = rustix::mount::mount("none", *path, "tmpfs", flags, c"size=4k,nr_inodes=1,mode=0555");
        unless_missing("mask", path, outcome)?;
    }
    for path in READ_ONLY {
        let outcome = rustix::mount::mount_bind(*path, *path).and_then(|()| {
            rustix::mount::mount_remount(*path, MountFlags::BIND | MountFlags::RDONLY | PLAIN, "")
        });
        unless_missing("make read-only", path, outcome)?;
    }
    Ok(())
}

/// Puts an empty file that only root may open over each of [`SECRETS`] that is a file: who tries is refused and told of, as
/// without it. A link is not followed: what it leads to may be anybody's.
fn cover() -> Result<(), ConfineError> {
    let failed = |action| move |cause| ConfineError::View { action, path: COVER.to_owned(), cause };
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::open(COVER, flags, Mode::empty()).map(drop).map_err(failed("make the file"))?;
    for path in SECRETS {
        cover_one(path).map_err(|cause| ConfineError::View {
            action: "cover",
            path: (*path).to_owned(),
            cause,
        })?;
    }
    rustix::fs::unlink(COVER).map_err(failed("remove the file"))
}

fn cover_one(path: &str) -> Result<(), Errno> {
    let file = match rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        outcome => outcome?,
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    rustix::mount::mount_bind(COVER, format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn unless_missing(action: &'static str, path: &str, outcome: Result<(), Errno>) -> Result<(), ConfineError> {
    match outcome {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(cause) => Err(ConfineError::View { action, path: path.to_owned(), cause }),
    }
}

fn mount(kind: &str, target: &str, flags: MountFlags, data: &std::ffi::CStr) -> Result<(), ConfineError> {
    rustix::mount::mount(kind, target, kind, flags, data).map_err(|cause| ConfineError::View {
        action: "mount",
        path: target.to_owned(),
        cause,
    })
}

/// Makes a mount point, unless the image brought it. It must be a directory and not a link, which could
/// lead the mount elsewhere.
fn directory(path: &str, mode: u32) -> Result<(), ConfineError> {
    let failed = |cause| ConfineError::View { action: "make the directory", path: path.to_owned(), cause };
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(cause) => return Err(failed(cause)),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(drop).map_err(failed)
}
