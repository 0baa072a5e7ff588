//! The agent's root tree: the read-only image below, a private writable layer above.
//!
//! guest-init stays in the initramfs and reaches the tree by path; [`Tree`] keeps it from following a link
//! of the image out of it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use wire::confinement::User;
use wire::control::{Root, Scratch};

use super::verity;

const IMAGE: &str = "/image";
const SCRATCH: &str = "/scratch";
pub(crate) const TREE: &str = "/tree";

/// Why a part of the tree is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}")]
pub(crate) struct RootError {
    action: &'static str,
    path: String,
    #[source]
    cause: Errno,
}

/// The writable layer's file system, where every overlay keeps its own part, and an empty workspace is.
#[derive(Debug)]
pub(crate) struct ScratchSpace {
    path: PathBuf,
    layers: u32,
}

/// A directory tree that is somebody's `/`. Paths given to it are absolute in that tree, and no link leads
/// out of it.
#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    root: OwnedFd,
}

/// Who owns what is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
}

impl Owner {
    /// The superuser.
    pub(crate) const ROOT: Self = Self { uid: 0, gid: 0 };

    /// The agent.
    pub(crate) fn agent(user: &User) -> Self {
        Self { uid: user.uid, gid: user.gid }
    }
}

impl RootError {
    pub(crate) fn new(action: &'static str, path: impl AsRef<Path>, cause: Errno) -> Self {
        Self { action, path: path.as_ref().display().to_string(), cause }
    }
}

/// Mounts the root image, of which the kernel gives out what its root hash stands for and nothing else.
///
/// # Errors
/// It is not that image, or cannot be mounted.
pub(crate) fn mount_checked(root: &Root) -> Result<(), RootError> {
    let checked = verity::open(&root.image, &root.verity)
        .map_err(|cause| RootError::new("check by its root hash the image", &root.image, cause))?;
    mount_image(&checked, Path::new(IMAGE))
}

/// Mounts the writable layer and puts it over the image, which is mounted.
///
/// # Errors
/// What could not be mounted.
pub(crate) fn assemble(root: &Root) -> Result<(Tree, ScratchSpace), RootError> {
    let mut scratch = ScratchSpace::mount(&root.scratch)?;
    scratch.overlay(Path::new(IMAGE), Path::new(TREE))?;
    Ok((Tree::open(TREE)?, scratch))
}

/// Mounts a read-only EROFS image.
pub(crate) fn mount_image(device: &str, target: &Path) -> Result<(), RootError> {
    make_directory(target)?;
    mount(device, target, "erofs", MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV, c"")
}

impl ScratchSpace {
    fn mount(scratch: &Scratch) -> Result<Self, RootError> {
        let path = PathBuf::from(SCRATCH);
        make_directory(&path)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        match scratch {
            Scratch::Memory { mib } => {
                let options = format!("size={mib}m,mode=0700");
                let options = std::ffi::CString::new(options).expect("a number and letters hold no NUL");
                mount("scratch", &path, "tmpfs", flags, &options)?;
            }
            Scratch::Disk(device) => mount(device, &path, "ext4", flags | MountFlags::NOATIME, c"")?,
        }
        Ok(Self { path, layers: 0 })
    }

    /// Mounts at `target` the directory `lower` with a writable layer above it. The tree's top directory
    /// belongs to whom it belongs to below.
    pub(crate) fn overlay(&mut self, lower: &Path, target: &Path) -> Result<(), RootError> {
        let layer = self.next_layer()?;
        let (upper, work) = (layer.join("upper"), layer.join("work"));
        for directory in [&upper, &work] {
            make_directory(directory)?;
        }
        copy_ownership(lower, &upper)?;
        make_directory(target)?;
        let options =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        let options = std::ffi::CString::new(options).expect("our own paths hold no NUL");
        mount("overlay", target, "overlay", MountFlags::NOSUID | MountFlags::NODEV, &options)
    }

    /// Puts an empty directory of its own over `target`, with its owner and permissions.
    pub(crate) fn cover(&mut self, target: &Path) -> Result<(), RootError> {
        let layer = self.next_layer()?;
        copy_ownership(target, &layer)?;
        rustix::mount::mount_bind(&layer, target).map_err(|cause| RootError::new("cover", target, cause))
    }

    fn next_layer(&mut self) -> Result<PathBuf, RootError> {
        let layer = self.path.join(format!("layer{}", self.layers));
        self.layers += 1;
        make_directory(&layer)?;
        Ok(layer)
    }
}

impl Tree {
    /// The tree whose top is at `path`.
    pub(crate) fn open(path: impl Into<PathBuf>) -> Result<Self, RootError> {
        let path = path.into();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|cause| RootError::new("open", &path, cause))?;
        Ok(Self { path, root })
    }

    /// Where the tree's top is in guest-init's own tree.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a path of the tree.
    pub(crate) fn at(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        rustix::fs::openat2(&self.root, relative, flags | OFlags::CLOEXEC, mode, ResolveFlags::IN_ROOT)
    }

    /// Makes a directory and those above it, as far as they are missing; those it makes are `owner`'s.
    pub(crate) fn make_directories(&self, path: &Path, owner: Owner) -> Result<OwnedFd, RootError> {
        let failed = |cause| RootError::new("make the directory", path, cause);
        let mut present = PathBuf::from("/");
        let mut directory =
            self.at(&present, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
        for part in
            path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        {
            present.push(part);
            let open = || self.at(&present, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
            directory = match open() {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&directory, part.as_os_str(), Mode::from_raw_mode(0o755))
                        .map_err(failed)?;
                    set_owner(&directory, Path::new(part.as_os_str()), owner).map_err(failed)?;
                    open().map_err(failed)?
                }
                outcome => outcome.map_err(failed)?,
            };
        }
        Ok(directory)
    }

    /// Writes a file in place of whatever is at `path`; a link there is replaced, not followed.
    pub(crate) fn write(
        &self,
        path: &Path,
        content: &[u8],
        mode: u32,
        owner: Owner,
    ) -> Result<(), RootError> {
        let failed = |cause| RootError::new("write", path, cause);
        let name = path.file_name().ok_or(Errno::ISDIR).map_err(failed)?;
        let parent = self.make_directories(path.parent().unwrap_or(Path::new("/")), owner)?;
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o600)).map_err(failed)?;
        write_all(&file, content).map_err(failed)?;
        // Owner before mode: a change of owner takes set-user-id bits away.
        set_owner(&parent, Path::new(name), owner).map_err(failed)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777)).map_err(failed)
    }

    /// Appends to a file of the tree if it is there; says whether it was.
    pub(crate) fn append(&self, path: &Path, content: &[u8]) -> Result<bool, RootError> {
        match self.at(path, OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK, Mode::empty()) {
            Ok(file) => write_all(&file, content).map(|()| true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error),
        }
        .map_err(|cause| RootError::new("append to", path, cause))
    }

    /// Makes a symbolic link at `path`.
    pub(crate) fn link(&self, path: &Path, target: &Path) -> Result<(), RootError> {
        let failed = |cause| RootError::new("make the link", path, cause);
        let name = path.file_name().ok_or(Errno::ISDIR).map_err(failed)?;
        let parent = self.make_directories(path.parent().unwrap_or(Path::new("/")), Owner::ROOT)?;
        rustix::fs::symlinkat(target, &parent, name).map_err(failed)
    }

    /// Names in the directory at `path`; none if there is no such directory.
    pub(crate) fn list(&self, path: &Path) -> Vec<String> {
        let Ok(directory) = self.at(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) else {
            return Vec::new();
        };
        let Ok(entries) = std::fs::read_dir(Self::name(&directory)) else { return Vec::new() };
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Whether the tree has something at `path`.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.at(path, OFlags::PATH, Mode::empty()).is_ok()
    }

    /// The path by which guest-init can mount at, or walk to, an open part of the tree.
    pub(crate) fn name(part: &OwnedFd) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", part.as_raw_fd()))
    }
}

pub(crate) fn mount(
    source: &str,
    target: &Path,
    kind: &str,
    flags: MountFlags,
    options: &std::ffi::CStr,
) -> Result<(), RootError> {
    rustix::mount::mount(source, target, kind, flags, options).map_err(|cause| RootError {
        action: "mount",
        path: format!("{source} at {}", target.display()),
        cause,
    })
}

pub(crate) fn make_directory(path: &Path) -> Result<(), RootError> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(cause) => Err(RootError::new("make the directory", path, cause)),
    }
}

fn copy_ownership(from: &Path, to: &Path) -> Result<(), RootError> {
    let failed = |cause| RootError::new("set the owner of", to, cause);
    let stat = rustix::fs::stat(from).map_err(failed)?;
    rustix::fs::chown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
        .map_err(failed)?;
    rustix::fs::chmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(failed)
}

fn set_owner(directory: &OwnedFd, name: &Path, owner: Owner) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    rustix::fs::chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

fn write_all(file: &OwnedFd, mut content: &[u8]) -> Result<(), Errno> {
    while !content.is_empty() {
        let written = rustix::io::write(file, content)?;
        content = content.get(written..).unwrap_or_default();
    }
    Ok(())
}
