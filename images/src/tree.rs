//! A directory of the host as an EROFS image: for `mounts:` and for root trees given by path.
//! Owns what may be in such a directory (files, folders, links, pipes; no device, no socket), and its digest.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::digest::{Digest, Hasher};
use crate::erofs::{self, Compression, Layout, Ownership, Times};
use crate::stop::Stop;
use crate::tool::ToolError;

/// User and group that own every file of a packed directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Why a directory cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The path is no directory.
    #[error("{path} is not a directory")]
    NotDirectory {
        /// The path.
        path: PathBuf,
    },
    /// Something in it cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something in it has no place in an image.
    #[error("{path} is a {kind}, which an image cannot hold")]
    Special {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The image would lie in the directory that it is made from.
    #[error("the image {image} lies inside the directory {source_tree} that it is made from")]
    Inside {
        /// Where the image should go.
        image: PathBuf,
        /// The directory.
        source_tree: PathBuf,
    },
    /// Somebody wished it to stop.
    #[error("reading {path} was interrupted")]
    Interrupted {
        /// The directory.
        path: PathBuf,
    },
    /// The image cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The image.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `mkfs.erofs` is missing or failed.
    #[error("cannot make an image of {path}")]
    Pack {
        /// The directory.
        path: PathBuf,
        /// Where the image should go.
        image: PathBuf,
        /// What went wrong.
        #[source]
        source: ToolError,
    },
}

impl TreeError {
    /// What the user can do, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::NotDirectory { .. } => "give the path of an existing directory".into(),
            Self::Read { .. } => "make it readable for this user, or leave it out of the directory".into(),
            Self::Special { .. } => "remove it from the directory, or give a directory without it".into(),
            Self::Inside { .. } => {
                "give a directory that does not hold openshell's run and cache folders".into()
            }
            Self::Write { .. } => "check that the folder exists, is writable and has space".into(),
            Self::Interrupted { .. } => "run the command again; nothing half-made was kept".into(),
            Self::Pack { image, source: ToolError::DiskFull { .. }, .. } => {
                format!("free space on the disk that holds {}", image.parent().unwrap_or(image).display())
            }
            Self::Pack { source, .. } => source.remedy(),
        }
    }
}

/// Packs `source` into the EROFS file `image`, every file owned by `owner`. Modes and times are kept. `image` gets
/// its name when it is whole.
///
/// # Errors
/// Something in `source` cannot be read or has no place in an image, the image cannot be written, or `stop` was
/// asked meanwhile.
pub fn pack(source: &Path, owner: Owner, image: &Path, stop: &Stop) -> Result<(), TreeError> {
    examine(source, stop, &mut |_path, _metadata| Ok(()))?;
    let Owner { uid, gid } = owner;
    let layout = Layout {
        // It is read once and thrown away: packing time counts, size does not.
        compression: Compression::None,
        owner: Ownership::Forced { uid, gid },
        times: Times::Kept,
    };
    let folder = image.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = |source| TreeError::Write { path: image.to_owned(), source };
    if folder.canonicalize().map_err(write)?.starts_with(source.canonicalize().map_err(write)?) {
        return Err(TreeError::Inside { image: image.to_owned(), source_tree: source.to_owned() });
    }
    let half = tempfile::Builder::new().prefix(".pack-").tempdir_in(folder).map_err(write)?;
    let made = half.path().join("image");
    pack_as(source, &made, &layout, stop)?;
    fs::rename(&made, image).map_err(write)
}

/// Packs an examined directory.
pub(crate) fn pack_as(source: &Path, image: &Path, layout: &Layout, stop: &Stop) -> Result<(), TreeError> {
    erofs::pack(source, image, layout, stop).map_err(|error| TreeError::Pack {
        path: source.to_owned(),
        image: image.to_owned(),
        source: error,
    })
}

/// SHA-256 over the tree: names, kinds, modes, owners, link targets and contents, in one fixed order.
pub(crate) fn digest(tree: &Path, stop: &Stop) -> Result<Digest, TreeError> {
    let mut hasher = Hasher::default();
    examine(tree, stop, &mut |path, metadata| {
        let name = path.strip_prefix(tree).unwrap_or(path);
        hasher.field(name.as_os_str().as_bytes());
        for number in [metadata.mode(), metadata.uid(), metadata.gid()] {
            hasher.field(&number.to_le_bytes());
        }
        content(path, metadata, &mut hasher).map_err(unreadable(path))
    })?;
    Ok(hasher.finish())
}

fn content(path: &Path, metadata: &Metadata, hasher: &mut Hasher) -> io::Result<()> {
    if metadata.is_symlink() {
        hasher.field(fs::read_link(path)?.as_os_str().as_bytes());
    } else if metadata.is_file() {
        hasher.field(&metadata.len().to_le_bytes());
        io::copy(&mut File::open(path)?, hasher)?;
    }
    Ok(())
}

/// Visits everything in a directory, the directory first, names in order. Links are not followed.
fn examine(
    tree: &Path,
    stop: &Stop,
    visit: &mut dyn FnMut(&Path, &Metadata) -> Result<(), TreeError>,
) -> Result<(), TreeError> {
    if !fs::metadata(tree).map_err(unreadable(tree))?.is_dir() {
        return Err(TreeError::NotDirectory { path: tree.to_owned() });
    }
    // The last is next: names go in backwards.
    let mut waiting = vec![tree.to_owned()];
    while let Some(path) = waiting.pop() {
        if stop.is_asked() {
            return Err(TreeError::Interrupted { path: tree.to_owned() });
        }
        // The tree itself may be given as a link to a directory; inside, links are what they are.
        let look = if path == tree { fs::metadata } else { fs::symlink_metadata };
        let metadata = look(&path).map_err(unreadable(&path))?;
        if let Some(kind) = forbidden(metadata.file_type()) {
            return Err(TreeError::Special { path, kind });
        }
        visit(&path, &metadata)?;
        if metadata.is_dir() {
            waiting.extend(names(&path)?.into_iter().rev().map(|name| path.join(name)));
        } else if metadata.is_file() {
            // mkfs.erofs would not say which file it could not read.
            rustix::fs::access(&path, rustix::fs::Access::READ_OK)
                .map_err(|errno| unreadable(&path)(errno.into()))?;
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>, TreeError> {
    let read = unreadable(folder);
    fs::read_dir(folder)
        .map_err(&read)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<_>>()
        .map_err(&read)
}

fn forbidden(kind: FileType) -> Option<&'static str> {
    [
        (kind.is_socket(), "socket"),
        (kind.is_block_device(), "block device"),
        (kind.is_char_device(), "device"),
    ]
    .into_iter()
    .find_map(|(is, name)| is.then_some(name))
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> TreeError {
    move |source| TreeError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    const AGENT: Owner = Owner { uid: 1000, gid: 1000 };

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("folder")).unwrap();
        fs::write(tree.path().join("folder/file"), b"content").unwrap();
        symlink("folder/file", tree.path().join("link")).unwrap();
        tree
    }

    /// What is inside an image, as erofs-utils sees it: the file's owner and content.
    fn dump(image: &Path, arguments: &[&str]) -> String {
        let output = std::process::Command::new("dump.erofs").args(arguments).arg(image).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn everything_belongs_to_the_owner() {
        let (tree, out) = (tree(), tempfile::tempdir().unwrap());
        let image = out.path().join("mount.erofs");
        pack(tree.path(), AGENT, &image, &Stop::never()).unwrap();
        let file = dump(&image, &["--path=/folder/file"]);
        assert!(file.contains("Uid: 1000   Gid: 1000"), "{file}");
        assert!(dump(&image, &["--path=/link"]).contains("symlink"));
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1, "only the image is left");
    }

    #[test]
    fn a_socket_is_named() {
        let (tree, out) = (tree(), tempfile::tempdir().unwrap());
        let _listener = UnixListener::bind(tree.path().join("folder/socket")).unwrap();
        let error = pack(tree.path(), AGENT, &out.path().join("image"), &Stop::never()).unwrap_err();
        assert!(
            error.to_string().ends_with("folder/socket is a socket, which an image cannot hold"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_a_directory_or_not_there_is_named() {
        let (tree, out) = (tree(), tempfile::tempdir().unwrap());
        let file = tree.path().join("folder/file");
        assert!(matches!(
            pack(&file, AGENT, &out.path().join("i"), &Stop::never()),
            Err(TreeError::NotDirectory { .. })
        ));
        let gone = tree.path().join("gone");
        let error = pack(&gone, AGENT, &out.path().join("i"), &Stop::never()).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot read {}", gone.display()));
    }

    #[test]
    fn a_wish_to_stop_is_heard_between_files() {
        let (tree, out, stop) = (tree(), tempfile::tempdir().unwrap(), Stop::new().unwrap());
        stop.ask();
        let error = pack(tree.path(), AGENT, &out.path().join("image"), &stop).unwrap_err();
        assert!(matches!(error, TreeError::Interrupted { .. }), "{error}");
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_image_inside_its_own_directory_is_refused() {
        let tree = tree();
        let error = pack(tree.path(), AGENT, &tree.path().join("folder/image"), &Stop::never()).unwrap_err();
        assert!(matches!(error, TreeError::Inside { .. }), "{error}");
    }

    #[test]
    fn the_digest_sees_names_modes_links_and_contents() {
        let original = digest(tree().path(), &Stop::never()).unwrap();
        assert_eq!(digest(tree().path(), &Stop::never()).unwrap(), original, "the same tree elsewhere");
        let changes: [fn(&Path); 4] = [
            |tree| fs::write(tree.join("folder/file"), b"CONTENT").unwrap(),
            |tree| fs::rename(tree.join("folder/file"), tree.join("folder/other")).unwrap(),
            |tree| fs::set_permissions(tree.join("folder"), fs::Permissions::from_mode(0o700)).unwrap(),
            |tree| {
                fs::remove_file(tree.join("link")).unwrap();
                symlink("folder", tree.join("link")).unwrap();
            },
        ];
        for change in changes {
            let tree = tree();
            change(tree.path());
            assert_ne!(digest(tree.path(), &Stop::never()).unwrap(), original);
        }
    }
}
