//! Files, programs and devices.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;

use super::{
    HIDDEN, IDENTITY, LANDLOCK, MOUNTS, OWN_PROC, SECCOMP, SETTINGS, address, as_ordinary_user, call, errno,
    holds, read,
};
use crate::stage::{ASK, HANDLE, OUTSIDE, RAISING, ROOTS, SECRET, TOOL, VAULT};
use crate::{Attempt, Wall};

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "read /etc/shadow",
        make: || uncovered("/etc/shadow").and_then(|text| holds(!text.is_empty())),
        held_by: &[IDENTITY, &[Wall::Mounts, Wall::Landlock], &[Wall::Mounts, Wall::Seccomp]],
        alone: "",
    },
    Attempt {
        name: "read root's secret",
        make: || read(ROOTS).and_then(|text| holds(text == SECRET.as_bytes())),
        held_by: &[IDENTITY, LANDLOCK],
        alone: "",
    },
    Attempt {
        name: "read everybody's file that no rule names",
        make: || read("/var/lib/dpkg/status").and_then(|text| holds(!text.is_empty())),
        held_by: &[LANDLOCK],
        alone: "what the agent must not see at all is not in its image",
    },
    Attempt {
        name: "read what lies outside the tree",
        make: outside,
        held_by: &[MOUNTS, LANDLOCK],
        alone: "",
    },
    Attempt { name: "leave the tree by chroot", make: leave, held_by: &[MOUNTS, LANDLOCK], alone: "" },
    Attempt {
        name: "leave the tree by taking it away",
        make: take_away,
        held_by: &[LANDLOCK, HIDDEN, &[Wall::Mounts, Wall::Seccomp]],
        alone: "",
    },
    Attempt { name: "replace a program", make: || append(TOOL), held_by: &[IDENTITY, LANDLOCK], alone: "" },
    Attempt {
        name: "execute what may only be written",
        make: execute_written,
        held_by: &[LANDLOCK],
        alone: "an interpreter that may run gives as much",
    },
    Attempt {
        name: "become root by a set-user-id program",
        make: raise,
        held_by: &[MOUNTS, IDENTITY, LANDLOCK, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "hold another's file by a hard link",
        make: hard_link,
        held_by: &[SETTINGS],
        alone: "owner and mode go with the link: it gives no access",
    },
    Attempt {
        name: "make a device node",
        make: make_device,
        held_by: &[MOUNTS, IDENTITY, LANDLOCK, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "open a device of the machine",
        make: || File::options().write(true).open("/dev/kmsg").map(drop).map_err(|error| errno(&error)),
        held_by: &[MOUNTS, IDENTITY],
        alone: "",
    },
    Attempt {
        name: "mount",
        make: || rustix::mount::mount("none", "/media", "tmpfs", rustix::mount::MountFlags::empty(), None),
        held_by: &[IDENTITY, LANDLOCK, SECCOMP],
        alone: "",
    },
    Attempt { name: "open a file by its handle", make: by_handle, held_by: &[IDENTITY, SECCOMP], alone: "" },
    Attempt {
        name: "read the kernel's addresses",
        make: addresses,
        held_by: &[MOUNTS, IDENTITY, SETTINGS],
        alone: "",
    },
    Attempt {
        name: "write a kernel setting",
        make: setting,
        held_by: &[MOUNTS, IDENTITY, LANDLOCK],
        alone: "",
    },
    Attempt {
        name: "pull the emergency brake",
        make: brake,
        held_by: &[MOUNTS, IDENTITY, LANDLOCK],
        alone: "",
    },
    Attempt {
        name: "be spared when memory runs out",
        make: || write("/proc/self/oom_score_adj", "-900"),
        held_by: &[IDENTITY, LANDLOCK],
        alone: "",
    },
    Attempt {
        name: "see another process",
        make: || {
            let line = read(&format!("/proc/{}/cmdline", super::victim()))?;
            holds(!line.is_empty())
        },
        held_by: &[OWN_PROC, HIDDEN],
        alone: "without a tree of its own the agent has guest-init's /proc, which gives names and no more",
    },
];

/// What the file holds once nothing covers it any more, where that can be taken away.
fn uncovered(path: &str) -> Result<Vec<u8>, Errno> {
    let _covered = rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH);
    read(path)
}

/// A path that no attempt before has used; ids of processes come again in every namespace.
fn fresh(path: &str) -> String {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    format!("{path}-{}-{}", now.tv_sec, now.tv_nsec)
}

fn outside() -> Result<(), Errno> {
    read(OUTSIDE).and_then(|text| holds(text == SECRET.as_bytes()))
}

fn write(path: &str, text: &str) -> Result<(), Errno> {
    std::fs::write(path, text).map_err(|error| errno(&error))
}

fn append(path: &str) -> Result<(), Errno> {
    let file = File::options().append(true).open(path);
    file.and_then(|mut file| file.write_all(b"#")).map_err(|error| errno(&error))
}

/// A second root below the first one, and up from a directory that is above it.
fn leave() -> Result<(), Errno> {
    // Who is outside already needs no way out.
    if outside().is_ok() {
        return Ok(());
    }
    let below = fresh("/tmp/below");
    std::fs::create_dir(&below).map_err(|error| errno(&error))?;
    rustix::process::chroot(below.as_str())?;
    for _level in 0..16 {
        rustix::process::chdir("..")?;
    }
    rustix::process::chroot(".")?;
    outside()
}

/// Below the tree lies what it was put on. The attempt takes it away in mounts of its own: others are still to be made.
fn take_away() -> Result<(), Errno> {
    if outside().is_ok() {
        return Ok(());
    }
    call(libc::SYS_unshare, [libc::CLONE_NEWNS.into(), 0, 0, 0, 0, 0])?;
    let mounts = File::open("/proc/self/ns/mnt").map_err(|error| errno(&error))?;
    rustix::mount::unmount("/", rustix::mount::UnmountFlags::DETACH)?;
    let kind = i64::from(libc::CLONE_NEWNS);
    call(libc::SYS_setns, [std::os::fd::AsRawFd::as_raw_fd(&mounts).into(), kind, 0, 0, 0, 0])?;
    outside()
}

fn execute_written() -> Result<(), Errno> {
    let copy = fresh("/var/tmp/copy");
    std::fs::copy("/bin/true", &copy).map_err(|error| errno(&error))?;
    Command::new(&copy).status().map_err(|error| errno(&error)).and_then(|status| holds(status.success()))
}

fn raise() -> Result<(), Errno> {
    as_ordinary_user()?;
    let asked = Command::new(RAISING).arg(ASK).status().map_err(|error| errno(&error))?;
    if asked.success() { Ok(()) } else { Err(Errno::PERM) }
}

fn hard_link() -> Result<(), Errno> {
    as_ordinary_user()?;
    std::fs::hard_link(VAULT, fresh("/tmp/link")).map_err(|error| errno(&error))
}

fn make_device() -> Result<(), Errno> {
    let path = fresh("/tmp/device");
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(CWD, path.as_str(), FileType::CharacterDevice, mode, rustix::fs::makedev(1, 5))?;
    File::open(&path).map(drop).map_err(|error| errno(&error))
}

/// As containers were left once: a handle is asked for by who may, and opened by who must not.
fn by_handle() -> Result<(), Errno> {
    #[repr(C)]
    struct Handle {
        length: u32,
        kind: i32,
        bytes: [u8; 128],
    }
    let text = read(HANDLE)?;
    let (kind, bytes) = text.split_at_checked(4).ok_or(Errno::BADMSG)?;
    let mut handle = Handle { length: 0, kind: 0, bytes: [0; 128] };
    handle.length = u32::try_from(bytes.len()).unwrap_or_default();
    handle.kind = i32::from_ne_bytes(kind.try_into().unwrap_or_default());
    handle.bytes.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let mount = File::open("/tmp").map_err(|error| errno(&error))?;
    let mount = std::os::fd::AsRawFd::as_raw_fd(&mount);
    call(libc::SYS_open_by_handle_at, [mount.into(), address(&raw const handle), 0, 0, 0, 0]).map(drop)
}

fn addresses() -> Result<(), Errno> {
    let file = File::open("/proc/kallsyms").map_err(|error| errno(&error))?;
    let mut text = String::new();
    // The first ones count from the beginning of each processor's memory.
    file.take(1 << 18).read_to_string(&mut text).map_err(|error| errno(&error))?;
    let addresses = text.lines().filter_map(|line| line.split(' ').next());
    holds(
        addresses
            .into_iter()
            .any(|address| u64::from_str_radix(address, 16).is_ok_and(|address| address > 1 << 48)),
    )
}

/// What is written is what stands there.
fn setting() -> Result<(), Errno> {
    const SETTING: &str = "/proc/sys/kernel/core_pattern";
    let before = read(SETTING)?;
    std::fs::write(SETTING, before).map_err(|error| errno(&error))
}

fn brake() -> Result<(), Errno> {
    let file = File::options().write(true).open("/proc/sysrq-trigger").map_err(|error| errno(&error))?;
    let kind = file.metadata().map_err(|error| errno(&error))?.file_type();
    holds(!kind.is_char_device())
}
