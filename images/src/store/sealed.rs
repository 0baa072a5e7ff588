//! The hash trees of the store's blobs: made once, when a blob comes in or, for a blob that is older than trees, when it is
//! used. Whoever uses an image gets a [`Sealed`], which has the tree: there is no way to an image without it.
//!
//! The store answers for an honest disk, not for who may write it: who replaces blob, tree, root hash and stamp together
//! has made another image. `image: NAME@verity:HASH` in agent.yaml is for that.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{Image, Store, StoreError, at, replace};
use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::stop::Stop;
use crate::verity::{self, HashTree, Seal};

/// An image, and by what the guest checks it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The image.
    pub image: Image,
    /// The tree's file.
    pub tree: PathBuf,
    /// What the guest's kernel must be told.
    pub seal: Seal,
}

/// The tree of a file that comes in; it must be the manifest's.
pub(super) fn grow(file: &Path, manifest: &Manifest) -> Result<HashTree, StoreError> {
    grow_unless(file, manifest, &Stop::never())
}

fn grow_unless(file: &Path, manifest: &Manifest, stop: &Stop) -> Result<HashTree, StoreError> {
    let open = File::open(file).map_err(at("read", file))?;
    let (tree, found) = verity::grow(open, stop)
        .map_err(|source| StoreError::Grow { name: manifest.name.clone(), source })?;
    let expected = manifest.digest;
    if found != expected {
        return Err(StoreError::Altered { name: manifest.name.clone(), expected, found });
    }
    Ok(tree)
}

impl Store {
    /// The image with its tree, which is made when there is none.
    ///
    /// # Errors
    /// The tree is not the image's, it cannot be made or written, or `stop` was asked meanwhile.
    pub(crate) fn sealed(&self, image: Image, stop: &Stop) -> Result<Sealed, StoreError> {
        // Shared: the blob must stay while its tree is made, and two who make it make the same.
        let _lock = self.lock_shared()?;
        let digest = image.manifest.digest;
        let (tree, path) = (self.tree(digest), self.seal(digest));
        if !path.exists() {
            self.keep_tree(digest, &grow_unless(&image.path, &image.manifest, stop)?)?;
        }
        let damaged = || StoreError::Tree { name: image.manifest.name.clone(), path: path.clone() };
        let text = fs::read(&path).map_err(at("read", &path))?;
        let seal: Seal = serde_json::from_slice(&text).map_err(|_unreadable| damaged())?;
        let fits = seal.data_blocks.checked_mul(verity::BLOCK as u64) == Some(image.manifest.size);
        let is_its = || File::open(&tree).and_then(|tree| verity::is_tree_of(&tree, &seal));
        if !fits || !is_its().map_err(|_unreadable| damaged())? {
            return Err(damaged());
        }
        Ok(Sealed { tree, seal, image })
    }

    /// The root hash of an image, if it has its tree already.
    #[must_use]
    pub fn root_hash(&self, manifest: &Manifest) -> Option<Digest> {
        let text = fs::read(self.seal(manifest.digest)).ok()?;
        serde_json::from_slice::<Seal>(&text).ok().map(|seal| seal.root)
    }

    /// Writes a tree, its root hash last: that says that the tree is whole.
    pub(super) fn keep_tree(&self, digest: Digest, tree: &HashTree) -> Result<(), StoreError> {
        replace(&self.tree(digest), &tree.bytes)?;
        replace(&self.seal(digest), &serde_json::to_vec(&tree.seal).expect("a seal is hashes and a number"))
    }

    pub(super) fn tree(&self, digest: Digest) -> PathBuf {
        self.folder.join("trees").join(digest.to_string())
    }

    pub(super) fn seal(&self, digest: Digest) -> PathBuf {
        self.folder.join("trees").join(format!("{digest}.json"))
    }
}
