//! What `image:` in agent.yaml means, and the EROFS file that it comes to. A built-in name is built at first use, a
//! root tree is packed and kept by its content, an EROFS file is used where it is.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use crate::apt::AptError;
use crate::bootstrap;
pub use crate::bootstrap::BuildError;
use crate::digest::Digest;
use crate::erofs::{self, Compression, Layout, Ownership, Probe, Times};
use crate::manifest::{self, ImageName, Manifest, Origin};
use crate::recipe::{self, Recipe};
use crate::stop::Stop;
use crate::store::{Image, Sealed, Store, StoreError};
use crate::tree::{self, TreeError};
use crate::verity::Seal;

/// A parsed `image:` value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A built-in recipe or an image in the store.
    Name(ImageName),
    /// A directory with a root tree.
    Tree(PathBuf),
    /// An EROFS file.
    File(PathBuf),
}

/// A root image that can be given to a machine.
#[derive(Clone, Debug)]
pub enum Root {
    /// One of the store's, with its hash tree.
    Stored(Box<Sealed>),
    /// An EROFS file that the user gave: whoever uses it makes its tree ([`crate::verity::grow`]).
    Given(PathBuf),
}

/// What separates an image from the root hash that it must have.
const PIN: &str = "@verity:";

/// Why there is no root image.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The text is empty.
    #[error("`image` is empty")]
    Empty,
    /// A path that is not there.
    #[error("cannot read the image {path}")]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A container image.
    #[error("{text} is a container image, and this version cannot import those")]
    Container {
        /// The text or path.
        text: String,
    },
    /// A file of another kind.
    #[error("{path} is not an EROFS image")]
    NotErofs {
        /// The file.
        path: PathBuf,
    },
    /// An EROFS file that ends too early.
    #[error("the image {path} is truncated: {found} of {needed} bytes")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes it should have.
        needed: u64,
        /// Bytes it has.
        found: u64,
    },
    /// A directory without the programs of a system.
    #[error("{path} is not a root tree: it has no {missing}")]
    NotRoot {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// No such image.
    #[error("there is no image named {name}; there are: {known}")]
    Unknown {
        /// The name.
        name: ImageName,
        /// The names that exist.
        known: String,
    },
    /// A text in the place of a root hash.
    #[error("`image` asks for a root hash that is none: {0:?}")]
    Pin(String),
    /// The image is another one than agent.yaml asks for.
    #[error("the image has the root hash {found}, not {wanted}")]
    Other {
        /// The hash that `image` names.
        wanted: Digest,
        /// The image's own.
        found: Digest,
    },
    /// The image could not be built.
    #[error(transparent)]
    Build(BuildError),
    /// The directory could not be packed.
    #[error(transparent)]
    Tree(TreeError),
    /// The store refused.
    #[error(transparent)]
    Store(StoreError),
}

impl RootError {
    /// What the user can do, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Empty | Self::Unknown { .. } => {
                format!(
                    "set `image` to one of {}, or to a path that begins with ./ or /",
                    builtin().join(", ")
                )
            }
            Self::Path { .. } => "check the path; it is relative to the file that names it".into(),
            Self::Container { .. } => {
                "export its root file system to a directory and set `image` to that directory".into()
            }
            Self::NotErofs { .. } => {
                "set `image` to a root tree directory or to a file made by mkfs.erofs".into()
            }
            Self::Truncated { .. } => "make or copy the file again".into(),
            Self::NotRoot { .. } => {
                "set `image` to a directory that holds a complete root file system".into()
            }
            Self::Pin(_) => {
                format!("write 64 hex digits after {PIN}, as `openshell image ls` shows them")
            }
            Self::Other { .. } => {
                "find out who changed the image, or name its new root hash in `image`".into()
            }
            Self::Build(error) => error.remedy(),
            Self::Tree(error) => error.remedy(),
            Self::Store(error) => error.remedy(),
        }
    }
}

/// The names of the built-in recipes.
#[must_use]
pub fn builtin() -> Vec<&'static str> {
    recipe::ALL.iter().map(|recipe| recipe.name).collect()
}

impl Reference {
    /// Reads an `image:` value; relative paths are relative to `folder`.
    ///
    /// # Errors
    /// It is a path to nothing, a file or directory of the wrong kind, or a container image.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, RootError> {
        if text.is_empty() {
            return Err(RootError::Empty);
        }
        let scheme = ["oci:", "docker:", "containers-storage:"].iter().any(|scheme| text.starts_with(scheme));
        if scheme {
            return Err(RootError::Container { text: text.to_owned() });
        }
        if let Ok(name) = text.parse::<ImageName>() {
            return Ok(Self::Name(name));
        }
        let path = folder.join(text.trim_start_matches("./"));
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(source) => return Err(refuse(text, path, source)),
        };
        if metadata.is_dir() { Self::tree(path) } else { Self::file(path) }
    }

    fn tree(path: PathBuf) -> Result<Self, RootError> {
        if path.join("oci-layout").exists() {
            return Err(RootError::Container { text: path.display().to_string() });
        }
        // A directory without these is a mistake more often than a root tree; the guest would only say "not found".
        for missing in ["bin", "etc"] {
            if fs::symlink_metadata(path.join(missing)).is_err() {
                return Err(RootError::NotRoot { path, missing });
            }
        }
        Ok(Self::Tree(path))
    }

    fn file(path: PathBuf) -> Result<Self, RootError> {
        match erofs::probe(&path) {
            Ok(Probe::Erofs) => Ok(Self::File(path)),
            Ok(Probe::Foreign) => Err(RootError::NotErofs { path }),
            Ok(Probe::Truncated { needed, found }) => Err(RootError::Truncated { path, needed, found }),
            Err(source) => Err(RootError::Path { path, source }),
        }
    }

    /// The image, built or packed when the store does not have it yet. `progress` hears what is being done.
    ///
    /// # Errors
    /// There is no such image, it cannot be made, `stop` was asked meanwhile, or the stored one is damaged.
    pub fn open(
        &self,
        store: &Store,
        progress: &mut dyn FnMut(&str),
        stop: &Stop,
    ) -> Result<Root, RootError> {
        match self {
            Self::Name(name) => sealed(named(name, store, progress, stop)?, store, stop),
            Self::Tree(path) => sealed(packed(path, store, progress, stop)?, store, stop),
            Self::File(path) => Ok(Root::Given(path.clone())),
        }
    }
}

impl Root {
    /// The EROFS file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Stored(sealed) => &sealed.image.path,
            Self::Given(path) => path,
        }
    }
}

fn sealed(image: Image, store: &Store, stop: &Stop) -> Result<Root, RootError> {
    store.sealed(image, stop).map(|sealed| Root::Stored(Box::new(sealed))).map_err(RootError::Store)
}

/// The image that an `image:` value names, and the root hash that it must have: `base@verity:<64 hex digits>`.
///
/// # Errors
/// What stands in the place of the hash is none.
pub fn pinned(text: &str) -> Result<(&str, Option<Digest>), RootError> {
    let Some((image, hash)) = text.rsplit_once(PIN) else { return Ok((text, None)) };
    let hash = hash.parse().map_err(|_other| RootError::Pin(hash.to_owned()))?;
    Ok((image, Some(hash)))
}

/// The `image:` value that names an image of this root hash and no other.
#[must_use]
pub fn pin(text: &str, root: &Digest) -> String {
    let image = text.rsplit_once(PIN).map_or(text, |(image, _hash)| image);
    format!("{image}{PIN}{root}")
}

/// Whether an image is the one that is asked for.
///
/// # Errors
/// It has another root hash.
pub fn admit(wanted: Option<Digest>, seal: &Seal) -> Result<(), RootError> {
    match wanted {
        Some(wanted) if wanted != seal.root => Err(RootError::Other { wanted, found: seal.root }),
        _any_or_this => Ok(()),
    }
}

/// Builds a built-in image anew, whether or not the store has one.
///
/// # Errors
/// There is no recipe of that name, it cannot be built, or `stop` was asked meanwhile.
pub fn build(
    name: &ImageName,
    store: &Store,
    progress: &mut dyn FnMut(&str),
    stop: &Stop,
) -> Result<Image, RootError> {
    let Some(recipe) = Recipe::named(name) else { return Err(unknown(name, store)) };
    let _building = store.building(name, stop).map_err(RootError::Store)?;
    bootstrap::build(recipe, store, progress, stop).map_err(RootError::Build)
}

fn named(
    name: &ImageName,
    store: &Store,
    progress: &mut dyn FnMut(&str),
    stop: &Stop,
) -> Result<Image, RootError> {
    let Some(recipe) = Recipe::named(name) else {
        return store.resolve(name).map_err(|error| match error {
            StoreError::Unknown(name) => unknown(&name, store),
            other => RootError::Store(other),
        });
    };
    if let Some(image) = current(recipe, name, store)? {
        return Ok(image);
    }
    let _building = store.building(name, stop).map_err(RootError::Store)?;
    // Somebody else may have built it while this process waited.
    match current(recipe, name, store)? {
        Some(image) => Ok(image),
        None => bootstrap::build(recipe, store, progress, stop).map_err(RootError::Build),
    }
}

/// The stored image of a recipe, unless there is none or it was made by another version of the recipe.
fn current(recipe: &Recipe, name: &ImageName, store: &Store) -> Result<Option<Image>, RootError> {
    let wanted = Origin::Recipe { recipe: recipe.digest(recipe::epoch()) };
    match store.resolve(name) {
        Ok(image) => Ok((image.manifest.origin == wanted).then_some(image)),
        Err(StoreError::Unknown(_)) => Ok(None),
        Err(error) => Err(RootError::Store(error)),
    }
}

/// A root tree as an image named after its content.
fn packed(
    path: &Path,
    store: &Store,
    progress: &mut dyn FnMut(&str),
    stop: &Stop,
) -> Result<Image, RootError> {
    let content = tree::digest(path, stop).map_err(RootError::Tree)?;
    let name: ImageName = format!("tree-{content}").parse().expect("a digest is made of name characters");
    let _building = store.building(&name, stop).map_err(RootError::Store)?;
    match store.resolve(&name) {
        Err(StoreError::Unknown(_)) => {}
        found => return found.map_err(RootError::Store),
    }
    progress("packing the root tree");
    let work = store.work().map_err(RootError::Store)?;
    let image = work.path("image");
    tree::pack_as(path, &image, &root_layout(), stop).map_err(RootError::Tree)?;
    let read = |source| RootError::Path { path: image.clone(), source };
    let manifest = Manifest {
        version: manifest::VERSION,
        name,
        origin: Origin::Tree { path: path.display().to_string(), content },
        digest: Digest::of_file(&image).map_err(read)?,
        size: fs::metadata(&image).map_err(read)?.len(),
        source_date_epoch: recipe::epoch(),
        packages: Vec::new(),
        registries: BTreeMap::new(),
    };
    store.insert(&image, manifest).map_err(RootError::Store)
}

fn root_layout() -> Layout {
    // Only root can have made a tree with the owners that the guest should see; anybody else's files were root's
    // files where they come from.
    let root = rustix::process::geteuid().is_root();
    let owner = if root { Ownership::Kept } else { Ownership::Forced { uid: 0, gid: 0 } };
    Layout { compression: Compression::Lz4hc, owner, times: Times::Fixed(recipe::epoch()) }
}

fn unknown(name: &ImageName, store: &Store) -> RootError {
    let mut known: Vec<String> = builtin().into_iter().map(str::to_owned).collect();
    known.extend(store.list().unwrap_or_default().into_iter().map(|manifest| manifest.name.to_string()));
    known.sort();
    known.dedup();
    RootError::Unknown { name: name.clone(), known: known.join(", ") }
}

/// Says why a path leads nowhere; what looks like `host/name:tag` was meant as a container image.
fn refuse(text: &str, path: PathBuf, source: io::Error) -> RootError {
    let is_path = text.starts_with(['/', '.', '~']) || !text.contains([':', '/', '@']);
    if is_path { RootError::Path { path, source } } else { RootError::Container { text: text.to_owned() } }
}

#[cfg(test)]
mod tests;
