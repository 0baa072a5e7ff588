//! Host directories: each arrives as a read-only image on a block device of its own, or, live, as a virtio file system. And the workspace, which is a mount of its
//! own in any case.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use wire::control::{Mount, MountAccess};

use super::root::{self, Owner, RootError, ScratchSpace, Tree, mount_image};

/// Where programs unpack and build.
pub(crate) const TEMPORARY: &str = "/tmp";

/// What [`TEMPORARY`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temporary {
    /// A mount of its own.
    Apart,
    /// A directory of the tree, or a mount that was asked for.
    AsItWas,
}

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
    if !is_below(&directory, tree).map_err(failed)? {
        return Ok(());
    }
    let place = Tree::name(&directory);
    if is_empty(&place).map_err(failed)? {
        return scratch.cover(&place);
    }
    rustix::mount::mount_bind_recursive(&place, &place).map_err(failed)
}

/// Takes [`TEMPORARY`] out of the tree's file system if nothing is there, for the same reason. What is done there is watched all the
/// same.
///
/// # Errors
/// It could not be mounted.
pub(crate) fn set_temporary_apart(tree: &Tree, scratch: &mut ScratchSpace) -> Result<Temporary, RootError> {
    let failed = |cause| RootError::new("set apart", TEMPORARY, cause);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let directory = match tree.at(Path::new(TEMPORARY), flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Temporary::AsItWas),
        Err(error) => return Err(failed(error)),
    };
    let place = Tree::name(&directory);
    if !is_below(&directory, tree).map_err(failed)? || !is_empty(&place).map_err(failed)? {
        return Ok(Temporary::AsItWas);
    }
    scratch.cover(&place).map(|()| Temporary::Apart)
}

/// Whether it is reached through the tree's own mount, and is not the top of it.
fn is_below(directory: &OwnedFd, tree: &Tree) -> Result<bool, Errno> {
    let mount = |part: &OwnedFd| {
        rustix::fs::statx(part, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).map(|facts| facts.stx_mnt_id)
    };
    let root = tree.at(Path::new("/"), OFlags::PATH, Mode::empty())?;
    let is_top = rustix::fs::fstat(directory)?.st_ino == rustix::fs::fstat(&root)?.st_ino;
    Ok(mount(directory)? == mount(&root)? && !is_top)
}

fn is_empty(place: &Path) -> Result<bool, Errno> {
    let entries = std::fs::read_dir(place);
    entries
        .map(|mut entries| entries.next().is_none())
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
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
