//! Host directories: each arrives as a read-only image on a block device of its own.

use std::path::{Path, PathBuf};

use wire::control::{Mount, MountAccess};

use super::root::{Owner, RootError, ScratchSpace, Tree, mount_image};

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
    }
}
