//! Files of the directory that stay as they are, whatever the guest asks: `agent.yaml` and the policies that this run was
//! started with, which the next run would believe.
//!
//! A file is kept by its path and by itself: neither may what has the path be written, moved or replaced, nor is there
//! another way to it. The directories above it keep their names, too, and are opened to nobody else. The host may replace all of
//! them meanwhile, so what a path leads to is asked anew each time; of paths there are few.

use std::ffi::{CStr, CString};

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::directory::Directory;
use crate::nodes::Key;

/// What a directory above something that is kept may not lose: what its owner may do, and that only owners remove.
const LASTING: u32 = 0o1700;

/// What it may not get: that others write in it.
const CLOSED: u32 = 0o022;

/// What is kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Each after those above it.
    paths: Vec<Path>,
    /// The files that were there at the start, wherever they are by now.
    files: Vec<Key>,
}

/// A file that is kept, or a directory above one.
#[derive(Debug)]
struct Path {
    /// From the top.
    whole: CString,
    /// The directory that it is in; `.` is the top.
    above: CString,
    /// Its last component.
    name: CString,
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
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends {
            let whole = path.get(..end).unwrap_or(path);
            let (above, name) = whole.rsplit_once('/').unwrap_or((".", whole));
            let text = |text: &str| CString::new(text).map_err(|_nul| Errno::INVAL);
            let path = Path { whole: text(whole)?, above: text(above)?, name: text(name)? };
            let found = directory.find(&path.whole)?;
            if self.paths.iter().all(|known| known.whole != path.whole) {
                self.paths.push(path);
            }
            if found.kind() != FileType::Directory {
                self.files.push(found);
                break;
            }
        }
        Ok(())
    }

    /// Whether a file may be changed.
    ///
    /// # Errors
    /// It is kept, or it cannot be said whether it is.
    pub fn may_change(&self, directory: &Directory, file: &Key) -> Result<(), Errno> {
        // Directories are changed by making and taking away names.
        if file.kind() != FileType::Directory && self.leads_to(directory, file)? {
            return Err(Errno::ROFS);
        }
        Ok(())
    }

    /// Whether a file, or directory, may have this mode instead of that one.
    ///
    /// # Errors
    /// It is above something that is kept, and others would get at that.
    pub fn may_be(&self, directory: &Directory, file: &Key, (mode, now): (u32, u32)) -> Result<(), Errno> {
        let same_or_less = mode & !now & CLOSED == 0 && now & !mode & LASTING == 0;
        if same_or_less || self.paths.is_empty() || file.kind() != FileType::Directory {
            return Ok(());
        }
        let top = directory.find(c".")? == *file;
        if top || self.leads_to(directory, file)? { Err(Errno::ROFS) } else { Ok(()) }
    }

    /// Whether what has a name in the directory `above`, and is `file` if there is something, may become another file, or none.
    ///
    /// # Errors
    /// The name is kept, or what has it, or it cannot be said.
    pub fn may_name(
        &self,
        directory: &Directory,
        (above, name): (&Key, &CStr),
        file: Option<&Key>,
    ) -> Result<(), Errno> {
        for path in self.paths.iter().filter(|path| path.name.as_c_str() == name) {
            if there(directory, &path.above)?.is_some_and(|key| key == *above) {
                return Err(Errno::ROFS);
            }
        }
        // By another name of it: where capitals are not told apart, there are many.
        match file {
            Some(file) if self.leads_to(directory, file)? => Err(Errno::ROFS),
            _ => Ok(()),
        }
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether this is what one of the paths leads to now, or a file that was kept at the start.
    fn leads_to(&self, directory: &Directory, file: &Key) -> Result<bool, Errno> {
        if self.files.contains(file) {
            return Ok(true);
        }
        for path in &self.paths {
            if there(directory, &path.whole)?.is_some_and(|key| key == *file) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a path leads to, if to anything that is the guest's to reach.
fn there(directory: &Directory, path: &CStr) -> Result<Option<Key>, Errno> {
    match directory.find(path) {
        Ok(key) => Ok(Some(key)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
        Err(error) => Err(error),
    }
}
