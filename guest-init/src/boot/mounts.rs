//! Host directories: each arrives as a read-only image on a block device of its own, or, live, as a virtio file system. And the workspace, which is a mount of its
//! own in any case.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use wire::control::{Mount, MountAccess};

use super::root::{self, Owner, RootError, ScratchSpace, Tree, mount_image};

/// Makes a mount of the working directory, unless it is one or is the whole tree: what is not reached through the tree's own
/// mount is not watched ([`crate::accesses`]). One that is empty is not of the tree's file system either: there is nothing below that
/// every look into it would have to go through.
///
/// # Errors
/// It could not be mounted.
pub(crate) fn set_apart(workdir: &str, tree: &Tree, scratch: &mut ScratchSpace) -> Result<(), RootError> {
    let failed = |cause| RootError::new("set apart", workdir, cause);
    let directory =
        tree.at(Path::new(workdir), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
    let at =
        |part: &OwnedFd| rustix::fs::statx(part, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).map_err(failed);
    let root = tree.at(Path::new("/"), OFlags::PATH, Mode::empty()).map_err(failed)?;
    let (own, trees) = (at(&directory)?, at(&root)?);
    if own.stx_mnt_id != trees.stx_mnt_id
        || rustix::fs::fstat(&directory).map_err(failed)?.st_ino
            == rustix::fs::fstat(&root).map_err(failed)?.st_ino
    {
        return Ok(());
    }
    let place = Tree::name(&directory);
    let mut entries = std::fs::read_dir(&place)
        .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if entries.next().is_none() {
        return scratch.cover(&place);
    }
    rustix::mount::mount_bind_recursive(&place, &place).map_err(failed)
}

/// Mounts one of them at its place in the tree; directories made on the way belong to `owner`.
///
/// # Errors
/// What could not be made or mounted.
pub(crate) fn attach(
    mount: &Mount,
    tree: &Tree,
    scratch: &mut ScratchSpace,
    owner: Owner,
) -> Result<(), RootError> {
    let place = tree.make_directories(Path::new(&mount.target), owner)?;
    let place = Tree::name(&place);
    match mount.access {
        MountAccess::ReadOnly => mount_image(&mount.device, &place),
        MountAccess::Copy => {
            let device = Path::new(&mount.device).file_name().unwrap_or_default().to_string_lossy();
            let lower = PathBuf::from(format!("/mount-{device}"));
            mount_image(&mount.device, &lower)?;
            scratch.overlay(&lower, &place)
        }
        // What the host's files lend rights by means nothing here.
        MountAccess::Live => {
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            root::mount(&mount.device, &place, "virtiofs", flags, c"")
        }
    }
}
