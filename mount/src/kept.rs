//! Files of the directory that stay as they are, whatever the guest asks: `agent.yaml` and the policies that this run was
//! started with, which the next run would believe.
//!
//! A file is kept by its name and by itself: neither may what has the name be written, moved or replaced, nor is there
//! another way to it. The directories above it keep their names, too.

use std::collections::HashSet;
use std::ffi::{CStr, CString};

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::directory::Directory;
use crate::nodes::{Key, ROOT, locked};

/// What is kept.
#[derive(Debug, Default)]
pub struct Kept {
    files: HashSet<Key>,
    names: HashSet<(Key, CString)>,
}

impl Kept {
    /// Keeps the file of each path in the directory, its name, and the names of the directories above it.
    ///
    /// # Errors
    /// The path that is not there, and why.
    pub fn of(directory: &Directory, paths: &[String]) -> Result<Self, (String, Errno)> {
        let mut kept = Self::default();
        for path in paths {
            kept.path(directory, path).map_err(|error| (path.clone(), error))?;
        }
        Ok(kept)
    }

    fn path(&mut self, directory: &Directory, path: &str) -> Result<(), Errno> {
        let mut above = directory.enter(ROOT)?;
        for part in path.split('/') {
            let name = CString::new(part).map_err(|_nul| Errno::INVAL)?;
            self.names.insert((*above.key(), name.clone()));
            let found = directory.look(&above, &name)?;
            if found.key.kind() != FileType::Directory {
                self.files.insert(found.key);
                return Ok(());
            }
            let node = locked(directory.nodes()).look_up(found.key, above.id(), &name)?;
            above = directory.enter(node.id())?;
        }
        Ok(())
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.names.is_empty()
    }

    /// Whether a file may be changed.
    ///
    /// # Errors
    /// It is kept.
    pub fn may_change(&self, key: &Key) -> Result<(), Errno> {
        if self.files.contains(key) { Err(Errno::ROFS) } else { Ok(()) }
    }

    /// Whether what has a name of a directory may become another file, or none.
    ///
    /// # Errors
    /// The name is kept.
    pub fn may_name(&self, directory: &Key, name: &CStr) -> Result<(), Errno> {
        // Mostly there are few of them, and none beneath this directory.
        let kept = self.names.iter().any(|(place, kept)| place == directory && kept.as_c_str() == name);
        if kept { Err(Errno::ROFS) } else { Ok(()) }
    }
}
