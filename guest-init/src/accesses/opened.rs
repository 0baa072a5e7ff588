//! How an opened file is called: by its path, or by its directory where many files of one are used.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wire::control::{AccessRefusal, FileUse};

use crate::tally;

/// Files of one directory that one program is told to use by name.
const BY_NAME: usize = 16;

/// Files of one directory that one program is told to have been refused by name.
const REFUSED_BY_NAME: usize = 64;

/// For how long a directory is remembered.
const WHILE: Duration = Duration::from_secs(60);

/// What cannot be named.
const NAMELESS: &str = "/?";

/// Directories that are counted, each for a program and a use. Of others every file goes by its directory's name.
const ROOM: usize = 1024;

/// Programs, libraries and their data. What the agent does not own there is the same in every sandbox of an image, and every program
/// reads dozens of them.
const SYSTEM: &[&str] = &["/usr", "/etc/ld.so.cache"];

/// How all of them are called.
const SYSTEMS: &str = "/usr/*";

/// Where programs keep trees of their own for a moment: whatever is unpacked or built there goes through hundreds of directories. What
/// lies below one of these trees is counted as if it lay in it.
const TEMPORARY: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

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
    directories: HashMap<Place, Told>,
    hasher: RandomState,
}

/// A program uses files of a directory in one way, or is refused it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Place {
    program: String,
    directory: String,
    usage: (FileUse, Option<AccessRefusal>),
}

/// Files that are told by name.
#[derive(Debug)]
struct Told {
    last: Instant,
    files: Vec<u64>,
}

impl Opened {
    pub(super) fn new(agent: u32) -> Self {
        Self { agent, directories: HashMap::new(), hasher: RandomState::new() }
    }

    /// The name under which a use of a file is told.
    pub(super) fn named(&mut self, file: BorrowedFd<'_>, what: FileUse, program: &str, now: Instant) -> Name {
        // A path may be longer than the kernel tells.
        let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let path = link.unwrap_or_else(|_too_long| PathBuf::from(NAMELESS));
        let path = tally::text(path.as_os_str().as_encoded_bytes());
        let is_system =
            |top: &&str| path.strip_prefix(*top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if what == FileUse::Read && SYSTEM.iter().any(is_system) && !self.is_agents(file) {
            return Name { path: SYSTEMS.to_owned(), once: true };
        }
        Name { path: self.folded(path, (what, None), program, now), once: false }
    }

    fn is_agents(&self, file: BorrowedFd<'_>) -> bool {
        rustix::fs::fstat(file).is_ok_and(|metadata| metadata.st_uid == self.agent)
    }

    /// The file's path, unless many others of its directory were told.
    pub(super) fn folded(
        &mut self,
        path: String,
        usage: (FileUse, Option<AccessRefusal>),
        program: &str,
        now: Instant,
    ) -> String {
        let (directory, most) = match usage.1 {
            None => (temporary(&path).unwrap_or_else(|| parent(&path)), BY_NAME),
            Some(_) => (parent(&path), REFUSED_BY_NAME),
        };
        let directory = directory.to_owned();
        let all = format!("{directory}/*");
        let place = Place { program: program.to_owned(), directory, usage };
        let full = self.directories.len() >= ROOM;
        if full && !self.directories.contains_key(&place) {
            return all;
        }
        let file = self.hasher.hash_one(&path);
        let told = self.directories.entry(place).or_insert_with(|| Told { last: now, files: Vec::new() });
        told.last = now;
        if told.files.contains(&file) {
            return path;
        }
        if told.files.len() >= most {
            return all;
        }
        told.files.push(file);
        path
    }

    /// Forgets directories of which nothing was used for a while.
    pub(super) fn forget(&mut self, now: Instant) {
        self.directories.retain(|_, told| now.saturating_duration_since(told.last) < WHILE);
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _name)| directory)
}

/// The tree that the file is of, if it is in a temporary one.
fn temporary(path: &str) -> Option<&str> {
    TEMPORARY.iter().find_map(|top| {
        let name = path.strip_prefix(top)?.strip_prefix('/')?;
        let length = name.find('/')?;
        path.get(..path.len() - name.len() + length)
    })
}
