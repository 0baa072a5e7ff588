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

/// Removes a folder, unless something is mounted inside it: a root build mounts the host's `/dev` in the new root, and
/// a file removed there is the host's. Builds run in a mount namespace of their own, so this holds nothing up.
fn remove(folder: &Path) -> Result<(), tool::ToolError> {
    let folder = &folder.canonicalize().unwrap_or_else(|_gone| folder.to_owned());
    if fs::remove_dir(folder).is_ok() || is_mounted_inside(folder) {
        return Ok(());
    }
    tool::RM.run(["-rf".as_ref(), "--one-file-system".as_ref(), "--".as_ref(), folder.as_os_str()]).map(drop)
}

fn is_mounted_inside(folder: &Path) -> bool {
    // A table that cannot be read may name anything.
    fs::read_to_string("/proc/self/mountinfo").map_or(true, |table| names(&table, folder))
}

/// Whether a mount table names `folder` or a place in it. The fifth field of a line is the mount point (proc(5)).
fn names(table: &str, folder: &Path) -> bool {
    let folder = escaped(folder);
    let inside = |point: &str| {
        point.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    table.lines().filter_map(|line| line.split(' ').nth(4)).any(inside)
}

/// A path as the mount table writes it: some characters as octal escapes.
fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_inside_a_folder_are_seen() {
        let table = "25 1 254:0 / / rw - ext4 /dev/vda rw\n\
                     31 25 0:5 / /cache/my\\040images/work/a/root/dev rw - devtmpfs none rw\n";
        assert!(names(table, Path::new("/cache/my images/work/a")));
        assert!(names(table, Path::new("/cache/my images/work/a/root/dev")));
        assert!(!names(table, Path::new("/cache/my images/work/ab")));
        assert!(!names(table, Path::new("/cache/my images/work/a/root/dev/pts")));
    }
}
