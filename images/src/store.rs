//! The content-addressed store of root images.
//!
//! ```text
//! <store>/blobs/<sha256>        image files, never changed once there
//! <store>/names/<name>.json     manifests: which blob a name stands for
//! <store>/trees/<sha256>        a blob's hash tree, by which the guest checks what it reads
//! <store>/trees/<sha256>.json   the tree's root hash
//! <store>/stamps/<sha256>.json  what a blob's file looked like when its digest was last computed
//! <store>/work/<random>/        builds under way; the builder holds a lock on `lock` inside
//! <store>/building/<name>.lock  held by whoever builds that name
//! <store>/store.lock            held for the moments in which names, blobs and work folders change
//! ```
//! A file gets its final name by a rename, after its last byte is on the disk: what has a name is whole. A work
//! folder whose lock nobody holds was left by a killed build and is removed at the next opening.
//! A blob from a time before there were trees is given its own at its next use.
//! Must never know how an image is made or used.

mod blob;
mod sealed;
mod work;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use sealed::Sealed;
pub(crate) use work::Work;

use crate::digest::Digest;
use crate::manifest::{self, ImageName, Manifest};
use crate::stop::Stop;
use crate::verity::GrowError;

/// How often a process that waits for another one's build looks whether that has ended. The kernel would tell it, but
/// only in a wait that cannot be stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A store in a directory.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// An image that is ready to be used.
#[derive(Clone, Debug)]
pub struct Image {
    /// The EROFS file.
    pub path: PathBuf,
    /// What is known about it.
    pub manifest: Manifest,
}

/// The right to build one name, held by one process at a time.
#[derive(Debug)]
pub(crate) struct Building {
    _lock: File,
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No image of that name.
    #[error("there is no image named {0}")]
    Unknown(ImageName),
    /// The manifest cannot be understood.
    #[error("the manifest of image {name} is damaged")]
    Manifest {
        /// The image.
        name: ImageName,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The manifest is of a version that this build does not know.
    #[error("the manifest of image {name} has version {found}, not {}", manifest::VERSION)]
    Version {
        /// The image.
        name: ImageName,
        /// The version in it.
        found: u32,
    },
    /// The name is there and the image file is not.
    #[error("the file of image {name} is missing from the store: {path}")]
    Missing {
        /// The image.
        name: ImageName,
        /// Where it should be.
        path: PathBuf,
    },
    /// The image file has another length than when it was stored.
    #[error("image {name} is truncated: {found} of {expected} bytes")]
    Truncated {
        /// The image.
        name: ImageName,
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// The image file has other content than when it was stored.
    #[error("image {name} was altered: its SHA-256 is {found}, not {expected}")]
    Altered {
        /// The image.
        name: ImageName,
        /// Digest it should have.
        expected: Digest,
        /// Digest it has.
        found: Digest,
    },
    /// The hash tree or its root hash is not what belongs to the image.
    #[error("the hash tree of image {name} is damaged: {path}")]
    Tree {
        /// The image.
        name: ImageName,
        /// The file.
        path: PathBuf,
    },
    /// The image has no hash tree, and none can be made.
    #[error("cannot make the hash tree of image {name}")]
    Grow {
        /// The image.
        name: ImageName,
        /// Why.
        #[source]
        source: GrowError,
    },
    /// Somebody wished to stop while another process built the image.
    #[error("waiting for the image {0} was interrupted")]
    Interrupted(ImageName),
    /// The disk is full.
    #[error("no space left on the disk that holds {path}")]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    /// What the user can do, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unknown(_) => "list the images with `openshell image ls`".into(),
            Self::Manifest { name, .. }
            | Self::Version { name, .. }
            | Self::Missing { name, .. }
            | Self::Truncated { name, .. }
            | Self::Tree { name, .. }
            | Self::Altered { name, .. } => {
                format!("remove it with `openshell image rm {name}`; the next use makes it again")
            }
            Self::Grow { name, source: GrowError::Read(_) | GrowError::Ragged(_) } => {
                format!("remove it with `openshell image rm {name}`; the next use makes it again")
            }
            Self::Grow { source: GrowError::Interrupted, .. } | Self::Interrupted(_) => {
                "run the command again".into()
            }
            Self::DiskFull { .. } => "free space on that disk, then try again".into(),
            Self::Io { path, .. } => {
                format!("check that this user may read and write {}", path.display())
            }
        }
    }
}

impl Store {
    /// Opens the store in `folder`, which is made when it does not exist.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let store = Self { folder: folder.to_owned() };
        for part in ["blobs", "names", "trees", "stamps", "work", "building"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(at("make", &path))?;
        }
        let _lock = store.lock()?;
        work::remove_abandoned(&folder.join("work"))?;
        Ok(store)
    }

    /// Opens `$XDG_CACHE_HOME/openshell/images`, else `~/.cache/openshell/images`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_default() -> Result<Self, StoreError> {
        Self::open(&crate::kernel::default_cache().join("images"))
    }

    /// The image of that name, whole: the file's size is checked always, its digest whenever the file was
    /// touched since the last check.
    ///
    /// # Errors
    /// There is none, or it is missing, truncated or altered.
    pub fn resolve(&self, name: &ImageName) -> Result<Image, StoreError> {
        let _lock = self.lock_shared()?;
        let image = self.look_up(name)?;
        let stamp = blob::Stamp::of(&image)?;
        if !stamp.is_recorded(&self.stamp(image.manifest.digest)) {
            self.check(&image)?;
        }
        Ok(image)
    }

    /// Computes the image's digest and compares it with the manifest.
    ///
    /// # Errors
    /// There is none, or it is missing, truncated or altered.
    pub fn verify(&self, name: &ImageName) -> Result<Image, StoreError> {
        let _lock = self.lock_shared()?;
        let image = self.look_up(name)?;
        self.check(&image)?;
        Ok(image)
    }

    /// All images, by name. A manifest that cannot be read is an error, not an absence.
    ///
    /// # Errors
    /// The store or a manifest cannot be read.
    pub fn list(&self) -> Result<Vec<Manifest>, StoreError> {
        let mut manifests =
            self.names()?.iter().map(|name| self.manifest(name)).collect::<Result<Vec<_>, _>>()?;
        manifests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(manifests)
    }

    /// Removes a name, and its file when no other name stands for it.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be removed.
    pub fn remove(&self, name: &ImageName) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        let path = self.name(name);
        match fs::remove_file(&path) {
            Ok(()) => self.drop_unnamed(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Unknown(name.clone())),
            Err(error) => Err(at("remove", &path)(error)),
        }
    }

    /// Waits for the right to build `name`, unless `stop` is asked.
    pub(crate) fn building(&self, name: &ImageName, stop: &Stop) -> Result<Building, StoreError> {
        let path = self.folder.join("building").join(format!("{name}.lock"));
        let file = open_lock(&path)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Building { _lock: file }),
                Err(TryLockError::Error(error)) => return Err(at("lock", &path)(error)),
                Err(TryLockError::WouldBlock) if stop.is_asked_within(LOOK_AGAIN) => {
                    return Err(StoreError::Interrupted(name.clone()));
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
    }

    /// An empty folder for one build, on the file system of the store.
    pub(crate) fn work(&self) -> Result<Work, StoreError> {
        let _lock = self.lock()?;
        Work::begin(&self.folder.join("work"))
    }

    /// Takes a finished file into the store under `manifest`, whose digest and size must be the file's. An image
    /// that had the name before loses it.
    pub(crate) fn insert(&self, file: &Path, manifest: Manifest) -> Result<Image, StoreError> {
        let path = self.blob(manifest.digest);
        blob::seal(file)?;
        // Before the lock: it takes as long as reading the file.
        let tree = sealed::grow(file, &manifest)?;
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has only text keys");
        let _lock = self.lock()?;
        fs::rename(file, &path).map_err(at("rename", file))?;
        self.keep_tree(manifest.digest, &tree)?;
        replace(&self.name(&manifest.name), &text)?;
        let image = Image { path, manifest };
        blob::Stamp::of(&image)?.record(&self.stamp(image.manifest.digest))?;
        self.drop_unnamed()?;
        Ok(image)
    }

    /// Compares digests, and remembers that they were equal.
    fn check(&self, image: &Image) -> Result<(), StoreError> {
        // The stamp is taken first: whoever writes in between changes the times that it holds.
        let stamp = blob::Stamp::of(image)?;
        blob::check(image)?;
        stamp.record(&self.stamp(image.manifest.digest))
    }

    fn look_up(&self, name: &ImageName) -> Result<Image, StoreError> {
        let manifest = self.manifest(name)?;
        Ok(Image { path: self.blob(manifest.digest), manifest })
    }

    fn manifest(&self, name: &ImageName) -> Result<Manifest, StoreError> {
        let path = self.name(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Unknown(name.clone()));
            }
            Err(error) => return Err(at("read", &path)(error)),
        };
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|source| StoreError::Manifest { name: name.clone(), source })?;
        if manifest.version != manifest::VERSION {
            return Err(StoreError::Version { name: name.clone(), found: manifest.version });
        }
        Ok(manifest)
    }

    fn names(&self) -> Result<Vec<ImageName>, StoreError> {
        let folder = self.folder.join("names");
        Ok(entries(&folder)?.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    /// Removes the blobs that no name stands for. Called under the lock. When a manifest cannot be read nothing
    /// is removed: what it stands for is not known.
    fn drop_unnamed(&self) -> Result<(), StoreError> {
        let Ok(manifests) = self.list() else { return Ok(()) };
        for file in entries(&self.folder.join("blobs"))? {
            let Ok(digest) = file.parse::<Digest>() else { continue };
            if manifests.iter().all(|manifest| manifest.digest != digest) {
                remove(&self.blob(digest))?;
                remove(&self.seal(digest))?;
                remove(&self.tree(digest))?;
                remove(&self.stamp(digest))?;
            }
        }
        Ok(())
    }

    /// Held while names and blobs change.
    fn lock(&self) -> Result<File, StoreError> {
        locked(&self.folder.join("store.lock"))
    }

    /// Held while they are read, so that a name's blob does not go away in between.
    fn lock_shared(&self) -> Result<File, StoreError> {
        let path = self.folder.join("store.lock");
        let file = open_lock(&path)?;
        file.lock_shared().map_err(at("lock", &path))?;
        Ok(file)
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.to_string())
    }

    fn name(&self, name: &ImageName) -> PathBuf {
        self.folder.join("names").join(format!("{name}.json"))
    }

    fn stamp(&self, digest: Digest) -> PathBuf {
        self.folder.join("stamps").join(format!("{digest}.json"))
    }
}

/// Opens a lock file and waits for its lock, which ends when the file is closed.
fn locked(path: &Path) -> Result<File, StoreError> {
    let file = open_lock(path)?;
    file.lock().map_err(at("lock", path))?;
    Ok(file)
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    // Readable, because a program of the build gets it as its stdin.
    File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(at("open", path))
}

/// Writes a small file so that its name never stands for half of it.
fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().expect("every file of the store lies in a folder of it");
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(at("write in", folder))?;
    io::Write::write_all(&mut file, content).map_err(at("write", path))?;
    file.as_file().sync_all().map_err(at("write", path))?;
    file.persist(path).map_err(|error| at("write", path)(error.error))?;
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _removed_or_never_there => Ok(()),
    }
}

fn entries(folder: &Path) -> Result<Vec<String>, StoreError> {
    let read = at("read", folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(&read)? {
        names.extend(entry.map_err(&read)?.file_name().into_string());
    }
    Ok(names)
}

fn at(action: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StoreError::DiskFull { path: path.to_owned() }
        }
        _other => StoreError::Io { action, path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests;
