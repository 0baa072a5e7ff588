//! A tree becomes items. What cannot be read, or is neither a file nor a directory nor a link, is left out, and told.

use std::ffi::CStr;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use wire::copy::{Attributes, Item, MAX_DATA, MAX_DEPTH, Name, Permissions, Target, Time};

use crate::place::{Source, beneath, entered};
use crate::{Sink, shown};

/// Something that is not in the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path within the copy, as it is shown.
    pub path: String,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    System(Errno),
    Kind,
    Deep,
    Name,
}

/// Walks.
struct Packer<'a, S> {
    sink: &'a mut S,
    left_out: &'a mut dyn FnMut(LeftOut),
    /// The directories that are open, from the first one.
    trail: Vec<Name>,
}

/// Puts everything of `source` into `sink`, and [`Item::End`]. `left_out` hears of what is not in it.
///
/// # Errors
/// The sink takes no more.
pub fn pack<S: Sink>(
    source: &Source,
    sink: &mut S,
    left_out: &mut dyn FnMut(LeftOut),
) -> Result<(), S::Error> {
    let mut packer = Packer { sink, left_out, trail: Vec::new() };
    match source {
        Source::Entry { parent, name } => packer.entry(parent.as_fd(), name)?,
        Source::Contents(directory) => packer.contents(directory.as_fd())?,
    }
    packer.sink.put(Item::End)
}

impl<S: Sink> Packer<'_, S> {
    fn entry(&mut self, parent: BorrowedFd<'_>, name: &Name) -> Result<(), S::Error> {
        match self.sent(parent, name) {
            Ok(sent) => sent,
            Err(why) => {
                (self.left_out)(LeftOut { path: shown(self.trail.iter().chain([name])), why });
                Ok(())
            }
        }
    }

    /// Sends one entry; the outer result is that of reading it, before anything of it was sent.
    fn sent(&mut self, parent: BorrowedFd<'_>, name: &Name) -> Result<Result<(), S::Error>, Why> {
        let found = rustix::fs::statat(parent, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => self.directory(parent, name),
            FileType::RegularFile => self.file(parent, name),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, name.as_bytes(), Vec::new())?;
                let target = Target::try_from(target.into_bytes()).map_err(|_cannot_be| Why::Name)?;
                let modified = attributes(&found).modified;
                Ok(self.sink.put(Item::Link { name: name.clone(), target, modified }))
            }
            _other => Err(Why::Kind),
        }
    }

    fn directory(&mut self, parent: BorrowedFd<'_>, name: &Name) -> Result<Result<(), S::Error>, Why> {
        if self.trail.len() >= MAX_DEPTH {
            return Err(Why::Deep);
        }
        let directory = entered(parent, name)?;
        let attributes = attributes(&rustix::fs::fstat(&directory)?);
        if let Err(error) = self.sink.put(Item::Directory { name: name.clone(), attributes }) {
            return Ok(Err(error));
        }
        self.trail.push(name.clone());
        let sent = self.contents(directory.as_fd());
        self.trail.pop();
        Ok(sent.and_then(|()| self.sink.put(Item::Leave)))
    }

    /// In the order of the names: the same tree makes the same copy.
    fn contents(&mut self, directory: BorrowedFd<'_>) -> Result<(), S::Error> {
        let mut names: Vec<Name> = Vec::new();
        for entry in Dir::read_from(directory).into_iter().flatten() {
            let read = entry.map_err(Why::System).map(|entry| entry_name(entry.file_name()));
            match read {
                Ok(name) => names.extend(name),
                Err(why) => {
                    (self.left_out)(LeftOut { path: shown(&self.trail), why });
                    break;
                }
            }
        }
        names.sort_unstable();
        names.iter().try_for_each(|name| self.entry(directory, name))
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &Name) -> Result<Result<(), S::Error>, Why> {
        // What was a file a moment ago may be a pipe now, which nobody writes to.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat2(parent, name.as_bytes(), flags, Mode::empty(), beneath())?;
        let found = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(Why::Kind);
        }
        let size = u64::try_from(found.st_size).map_err(|_negative| Errno::OVERFLOW)?;
        let begun = self.sink.put(Item::File { name: name.clone(), attributes: attributes(&found), size });
        Ok(begun.and_then(|()| self.parts(file.as_fd(), name, size)))
    }

    /// The parts of a file that are not holes.
    fn parts(&mut self, file: BorrowedFd<'_>, name: &Name, size: u64) -> Result<(), S::Error> {
        let mut at = 0;
        while at < size {
            // Where the file system knows of no holes there are none.
            let (begin, end) = match rustix::fs::seek(file, SeekFrom::Data(at)) {
                Ok(begin) => (begin, rustix::fs::seek(file, SeekFrom::Hole(begin)).unwrap_or(size).min(size)),
                Err(Errno::NXIO) => break,
                Err(_unknown) => (at, size),
            };
            let end = if end > begin { end } else { size };
            if !self.part(file, name, (begin, end))? {
                break;
            }
            at = end;
        }
        Ok(())
    }

    /// Whether there may be more.
    fn part(
        &mut self,
        file: BorrowedFd<'_>,
        name: &Name,
        (mut at, end): (u64, u64),
    ) -> Result<bool, S::Error> {
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(MAX_DATA).min(MAX_DATA);
            let mut bytes = vec![0; wanted];
            match rustix::io::pread(file, &mut bytes, at) {
                // It has become shorter: the rest of what was promised is a hole.
                Ok(0) => return Ok(false),
                Ok(length) => {
                    bytes.truncate(length);
                    self.sink.put(Item::Data { offset: at, bytes })?;
                    at += u64::try_from(length).unwrap_or(u64::MAX);
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    let path = shown(self.trail.iter().chain([name]));
                    (self.left_out)(LeftOut { path, why: Why::System(error) });
                    self.sink.put(Item::Void)?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl From<Errno> for Why {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left out: ", self.path)?;
        match self.why {
            Why::System(error) => write!(f, "{error}"),
            Why::Kind => f.write_str("it is neither a file nor a directory nor a link"),
            Why::Deep => write!(f, "it is more than {MAX_DEPTH} directories deep"),
            Why::Name => f.write_str("where it leads cannot be said"),
        }
    }
}

/// `None` for `.` and `..`.
fn entry_name(name: &CStr) -> Option<Name> {
    Name::try_from(name.to_bytes().to_vec()).ok()
}

fn attributes(found: &Stat) -> Attributes {
    let nanoseconds = u32::try_from(found.st_mtime_nsec).unwrap_or(0);
    let modified = Time::new(found.st_mtime, nanoseconds).unwrap_or_else(|_no_time| {
        Time::new(found.st_mtime, 0).expect("no nanosecond is fewer than a second of them")
    });
    Attributes { permissions: Permissions::from(found.st_mode), modified }
}
