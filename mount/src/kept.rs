//! Files of the directory that stay as they are, whatever the guest asks: `agent.yaml` and the policies that this run was
//! started with, which the next run would believe.
//!
//! A file is kept by its name and by itself: neither may what has the name be written, moved or replaced, nor is there
//! another way to it. The directories above it keep their names, too.

use std::collections::HashSet;
use std::ffi::{CStr, CString};

use rustix::io::Errno;

use crate::nodes::Key;

/// What is kept.
#[derive(Debug, Default)]
pub struct Kept {
    files: HashSet<Key>,
    names: HashSet<(Key, CString)>,
}

impl Kept {
    /// Keeps this name of this directory.
    pub fn name(&mut self, directory: Key, name: &CStr) {
        self.names.insert((directory, name.to_owned()));
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.names.is_empty()
    }

    /// Keeps this file.
    pub fn file(&mut self, key: Key) {
        self.files.insert(key);
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
