//! How an opened file is called: by its path, or by its directory where many files of one are used.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsRawFd, BorrowedFd};

use wire::control::FileUse;

use crate::tally;

/// Files of one directory that one program is told to use by name.
const BY_NAME: usize = 16;

/// Directories that are counted, each for a program and a use. Of others every file goes by its directory's name.
const ROOM: usize = 1024;

/// Programs, libraries and their data. What the agent does not own there is the same in every sandbox of an image, and every program
/// reads dozens of them.
const SYSTEM: &[&str] = &["/usr", "/etc/ld.so.cache"];

/// How all of them are called.
const SYSTEMS: &str = "/usr/*";

/// How an opened file is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) path: String,
    /// The next opening would tell nothing new.
    pub(super) once: bool,
}

#[derive(Debug)]
pub(super) struct Opened {
    agent: u32,
    directories: HashMap<Place, Vec<u64>>,
    hasher: RandomState,
}

/// A program uses files of a directory in one way.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Place {
    program: String,
    directory: String,
    what: FileUse,
}

impl Opened {
    pub(super) fn new(agent: u32) -> Self {
        Self { agent, directories: HashMap::new(), hasher: RandomState::new() }
    }

    /// The name under which a use of a file is told; `None` if the file cannot be named any more.
    pub(super) fn named(&mut self, file: BorrowedFd<'_>, what: FileUse, program: &str) -> Option<Name> {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
        let path = tally::text(path.as_os_str().as_encoded_bytes());
        let beneath =
            |top: &str| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if what == FileUse::Read && SYSTEM.iter().any(|top| beneath(top)) && !self.is_agents(file) {
            return Some(Name { path: SYSTEMS.to_owned(), once: true });
        }
        Some(Name { path: self.folded(path, what, program), once: false })
    }

    fn is_agents(&self, file: BorrowedFd<'_>) -> bool {
        rustix::fs::fstat(file).is_ok_and(|metadata| metadata.st_uid == self.agent)
    }

    /// The file's path, unless many others of its directory were told.
    fn folded(&mut self, path: String, what: FileUse, program: &str) -> String {
        let directory = path.rsplit_once('/').map_or("", |(directory, _name)| directory).to_owned();
        let all = format!("{directory}/*");
        let place = Place { program: program.to_owned(), directory, what };
        let full = self.directories.len() >= ROOM;
        if full && !self.directories.contains_key(&place) {
            return all;
        }
        let file = self.hasher.hash_one(&path);
        let files = self.directories.entry(place).or_default();
        if files.contains(&file) {
            return path;
        }
        if files.len() >= BY_NAME {
            return all;
        }
        files.push(file);
        path
    }
}
