//! Work folders: one for each build under way, removed when the build ends in whatever way. The lock on the
//! folder's `lock` file says that somebody still works in it; a program that the build started may share that
//! lock, and then the folder outlives a killed openshell exactly as long as that program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{StoreError, at, entries, locked};
use crate::tool;

/// A folder for one build. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Work {
    folder: PathBuf,
    lock: File,
}

impl Work {
    /// Makes a folder inside `all`. Called under the store's lock: until the folder is locked it looks abandoned.
    pub(super) fn begin(all: &Path) -> Result<Self, StoreError> {
        let folder = tempfile::Builder::new().prefix("").tempdir_in(all).map_err(at("write in", all))?;
        let lock = locked(&folder.path().join("lock"))?;
        Ok(Self { folder: folder.keep(), lock })
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// An empty stdin for a program that works in this folder. It shares the lock, which belongs to the open file.
    pub(crate) fn stdin(&self) -> Result<Stdio, StoreError> {
        let path = self.path("lock");
        Ok(self.lock.try_clone().map_err(at("share the lock", &path))?.into())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is found abandoned at the next opening.
        let _left_for_later = remove(&self.folder);
    }
}

/// Removes the folders in `all` that nobody works in. Called under the store's lock.
pub(super) fn remove_abandoned(all: &Path) -> Result<(), StoreError> {
    for name in entries(all)? {
        let folder = all.join(name);
        let lock = File::options().write(true).open(folder.join("lock"));
        // Without a lock file the builder died between making the folder and locking it.
        let abandoned = lock.as_ref().map_or(true, |file| file.try_lock().is_ok());
        if abandoned {
            let _tried_again_at_the_next_opening = remove(&folder);
        }
    }
    Ok(())
}

/// Removes a folder, but nothing that is mounted inside it: a killed root build may have left `/dev` there.
fn remove(folder: &Path) -> Result<(), tool::ToolError> {
    if fs::remove_dir(folder).is_ok() {
        return Ok(());
    }
    tool::RM.run(["-rf".as_ref(), "--one-file-system".as_ref(), "--".as_ref(), folder.as_os_str()]).map(drop)
}
