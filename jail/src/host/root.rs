//! The root directory: one mount, read-only, in a mount namespace where nothing else exists.
//!
//! The old root is detached, not hidden: after [`enter`] no path, no `..` and no remaining descriptor of
//! ours leads to it.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::{Isolation, JailError, Root};

/// A directory that every Linux host has. The new root is mounted over it in our own namespace, because
/// `pivot_root` wants a mount point that is not the present root.
const STAGE: &str = "/proc";

const HARDENED: MountFlags =
    MountFlags::RDONLY.union(MountFlags::NOSUID).union(MountFlags::NODEV).union(MountFlags::NOEXEC);

pub(super) fn enter(root: &Root, isolation: &mut Isolation) -> Result<(), JailError> {
    match isolation {
        Isolation::Privileged => pivot(root),
        // A host may hand out user namespaces whose capabilities it then ignores (AppArmor does so):
        // that is one more way to refuse them.
        Isolation::UserNamespace => match pivot(root) {
            Err(JailError::Root(_, error @ (Errno::PERM | Errno::ACCESS))) => {
                *isolation = Isolation::Refused(error);
                stay(root)
            }
            outcome => outcome,
        },
        Isolation::Refused(_) => stay(root),
    }
}

/// Without a mount namespace only the working directory can be moved.
fn stay(root: &Root) -> Result<(), JailError> {
    match root {
        Root::Empty => rustix::process::chdir(STAGE),
        Root::Directory(directory) | Root::Writable(directory) => rustix::process::fchdir(directory),
    }
    .map_err(|error| JailError::Root("change directory", error))
}

fn pivot(root: &Root) -> Result<(), JailError> {
    let failed = |what| move |error| JailError::Root(what, error);
    // Nothing that is mounted from here on may reach the host, nor the host's mounts reach us.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(failed("make mounts private"))?;
    match root {
        Root::Empty => {
            rustix::mount::mount("none", STAGE, "tmpfs", HARDENED, c"size=4k,nr_inodes=1,mode=0555")
                .map_err(failed("mount the empty root"))?;
        }
        Root::Directory(directory) => bind(directory, HARDENED, Beneath::Left)?,
        Root::Writable(directory) => {
            bind(directory, HARDENED.difference(MountFlags::RDONLY), Beneath::Taken)?;
        }
    }
    rustix::process::chdir(STAGE).map_err(failed("change directory"))?;
    // With both arguments the same directory the old root ends up stacked on top of the new one …
    rustix::process::pivot_root(".", ".").map_err(failed("pivot"))?;
    // … where detaching it leaves the new root alone in the namespace.
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(failed("detach the old root"))?;
    rustix::process::chdir("/").map_err(failed("change directory"))
}

/// What becomes of the host's mounts beneath a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beneath {
    /// They are not there, where the kernel allows that.
    Left,
    /// They come along. A directory on which something is mounted elsewhere can be removed where nothing is, and with it the mount:
    /// who writes must find it in use.
    Taken,
}

/// A descriptor opened before the namespace was left belongs to a mount that cannot be bound here, so the
/// directory is opened again by the name it has now, and compared. In a user namespace the kernel does not let go of what is
/// mounted beneath, so it comes along, with the restrictions that it has.
fn bind(directory: &OwnedFd, restrictions: MountFlags, beneath: Beneath) -> Result<(), JailError> {
    let failed = |what| move |error| JailError::Root(what, error);
    let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(directory));
    let path = rustix::fs::readlink(link, Vec::new()).map_err(failed("name the directory"))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::open(&path, flags, Mode::empty()).map_err(failed("open the directory"))?;
    let identity = |fd: &OwnedFd| {
        rustix::fs::fstat(fd)
            .map(|stat| (stat.st_dev, stat.st_ino, FileType::from_raw_mode(stat.st_mode)))
            .map_err(failed("inspect the directory"))
    };
    if identity(directory)? != identity(&found)? {
        return Err(JailError::RootMoved);
    }
    let found = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found));
    let alone = match beneath {
        Beneath::Left => rustix::mount::mount_bind(&found, STAGE),
        Beneath::Taken => Err(Errno::INVAL),
    };
    match alone {
        Err(Errno::INVAL) => rustix::mount::mount_bind_recursive(&found, STAGE),
        outcome => outcome,
    }
    .map_err(failed("bind the directory"))?;
    harden(STAGE, restrictions).map_err(failed("restrict the directory's mount"))
}

/// Remounts with more restrictions. The restrictions that the mount already has are kept: in a user
/// namespace the kernel refuses to lift them.
fn harden(target: &str, restrictions: MountFlags) -> Result<(), Errno> {
    let present = rustix::fs::statvfs(target)?.f_flag;
    let mut flags = restrictions;
    for (bit, flag) in [
        (rustix::fs::StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (rustix::fs::StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (rustix::fs::StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (rustix::fs::StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ] {
        if present.contains(bit) {
            flags |= flag;
        }
    }
    rustix::mount::mount_remount(target, MountFlags::BIND | flags, "")
}
