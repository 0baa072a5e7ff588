//! Items become a tree. Whoever sends them may be hostile: each is checked against what may come next, lands in the directory that
//! is open, and is counted.
//!
//! What is there already stays what it is: a directory takes more entries and keeps its permissions; a file or a link is replaced, not
//! written to, so that nothing else that shares its content changes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use wire::copy::{Attributes, Item, MAX_DATA, MAX_DEPTH, Name, Target, Time};

use crate::place::{Place, beneath, entered};
use crate::{Amount, Sink, shown};

/// Longest file: the most that ext4 has, and less than what makes tools stumble that read a hole as zeros.
const MAX_SIZE: u64 = 16 << 40;

/// How much may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of files, without holes.
    pub bytes: u64,
}

/// Why an item was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// The system refuses.
    #[error("{path} cannot be written: {cause}")]
    Write {
        /// Its path within the copy, as it is shown.
        path: String,
        /// Why not.
        cause: Errno,
    },
    /// Something else has that name.
    #[error("{0} is in the way: a directory is to be where something else is, or the other way round")]
    InTheWay(String),
    /// More than may come.
    #[error("more than {0} files, directories and links come")]
    TooMany(u64),
    /// More than may come.
    #[error("more than {0} bytes come")]
    TooMuch(u64),
    /// Longer than a file can be.
    #[error("{0} is to be longer than a file can be")]
    TooLong(String),
    /// No copy goes on like this.
    #[error("what comes is no copy: {0}")]
    OutOfTurn(&'static str),
}

/// Makes a tree of what comes.
#[derive(Debug)]
pub struct Unpacker {
    place: Place,
    limits: Limits,
    /// The directories that are open, from the first one.
    open: Vec<Open>,
    file: Option<Incoming>,
    seen: Amount,
    ended: bool,
}

/// A directory that is not whole yet.
#[derive(Debug)]
struct Open {
    name: Name,
    directory: OwnedFd,
    /// What it gets when it is whole; nothing if it was there before.
    attributes: Option<Attributes>,
}

/// A file that is not whole yet.
#[derive(Debug)]
struct Incoming {
    name: Name,
    file: OwnedFd,
    attributes: Attributes,
    size: u64,
    /// Up to where its parts have come.
    at: u64,
}

impl Unpacker {
    /// Takes what comes to `place`.
    #[must_use]
    pub fn new(place: Place, limits: Limits) -> Self {
        Self { place, limits, open: Vec::new(), file: None, seen: Amount::default(), ended: false }
    }

    /// What has come so far and is there, but for the file that is not whole.
    #[must_use]
    pub fn amount(&self) -> Amount {
        let files = self.seen.files - u64::from(self.file.is_some());
        Amount { files, ..self.seen }
    }

    /// Whether all has come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn take(&mut self, item: Item) -> Result<(), UnpackError> {
        if self.ended {
            return Err(UnpackError::OutOfTurn("something follows its end"));
        }
        let mut total = self.seen;
        total += Amount::of(&item);
        if total.entries() > self.limits.entries {
            return Err(UnpackError::TooMany(self.limits.entries));
        }
        if total.bytes > self.limits.bytes {
            return Err(UnpackError::TooMuch(self.limits.bytes));
        }
        if item == Item::Void {
            return self.void();
        }
        self.act(item)?;
        self.seen = total;
        Ok(())
    }

    fn act(&mut self, item: Item) -> Result<(), UnpackError> {
        if let Item::Data { offset, bytes } = item {
            return self.data(offset, &bytes);
        }
        self.complete()?;
        match item {
            Item::Directory { name, attributes } => self.enter(&self.named(name)?, attributes),
            Item::File { name, attributes, size } => self.begin(&self.named(name)?, attributes, size),
            Item::Link { name, target, modified } => self.link(&self.named(name)?, &target, modified),
            Item::Leave => self.leave(),
            Item::End if self.open.is_empty() => {
                self.ended = true;
                Ok(())
            }
            Item::End | Item::Data { .. } | Item::Void => {
                Err(UnpackError::OutOfTurn("it ends within a directory"))
            }
        }
    }

    /// What the entry is called here.
    fn named(&self, name: Name) -> Result<Name, UnpackError> {
        match &self.place {
            Place::As { name: ours, .. } if self.open.is_empty() => {
                if self.seen.entries() > 0 {
                    return Err(UnpackError::OutOfTurn("a second thing comes where there is a name for one"));
                }
                Ok(ours.clone())
            }
            _within => Ok(name),
        }
    }

    fn here(&self) -> BorrowedFd<'_> {
        match (self.open.last(), &self.place) {
            (Some(open), _) => open.directory.as_fd(),
            (None, Place::As { parent, .. } | Place::Into(parent)) => parent.as_fd(),
        }
    }

    fn shown(&self, name: &Name) -> String {
        shown(self.open.iter().map(|open| &open.name).chain([name]))
    }

    fn failed(&self, name: &Name) -> impl Fn(Errno) -> UnpackError + use<> {
        let path = self.shown(name);
        move |cause| UnpackError::Write { path: path.clone(), cause }
    }

    fn enter(&mut self, name: &Name, attributes: Attributes) -> Result<(), UnpackError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(UnpackError::OutOfTurn("it has too many directories within one another"));
        }
        let made = match rustix::fs::mkdirat(self.here(), name.as_bytes(), Mode::RWXU) {
            Ok(()) => Some(attributes),
            Err(Errno::EXIST) => None,
            Err(cause) => return Err(self.failed(name)(cause)),
        };
        let directory = entered(self.here(), name).map_err(|cause| match cause {
            Errno::LOOP | Errno::NOTDIR => UnpackError::InTheWay(self.shown(name)),
            cause => self.failed(name)(cause),
        })?;
        self.open.push(Open { name: name.clone(), directory, attributes: made });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), UnpackError> {
        let Some(Open { name, directory, attributes }) = self.open.pop() else {
            return Err(UnpackError::OutOfTurn("it leaves a directory that it did not enter"));
        };
        attributes.map_or(Ok(()), |attributes| settle(&directory, attributes).map_err(self.failed(&name)))
    }

    fn begin(&mut self, name: &Name, attributes: Attributes, size: u64) -> Result<(), UnpackError> {
        if size > MAX_SIZE {
            return Err(UnpackError::TooLong(self.shown(name)));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = self
            .replacing(name, || rustix::fs::openat2(self.here(), name.as_bytes(), flags, mode, beneath()))?;
        self.file = Some(Incoming { name: name.clone(), file, attributes, size, at: 0 });
        Ok(())
    }

    fn link(&self, name: &Name, target: &Target, modified: Time) -> Result<(), UnpackError> {
        self.replacing(name, || rustix::fs::symlinkat(target.as_bytes(), self.here(), name.as_bytes()))?;
        let times = times(modified);
        rustix::fs::utimensat(self.here(), name.as_bytes(), &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(self.failed(name))
    }

    /// Makes what must not be there before, in the place of what is there and no directory.
    fn replacing<T>(&self, name: &Name, make: impl Fn() -> Result<T, Errno>) -> Result<T, UnpackError> {
        match make() {
            Err(Errno::EXIST) => {}
            made => return made.map_err(self.failed(name)),
        }
        let found = rustix::fs::statat(self.here(), name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory) {
            return Err(UnpackError::InTheWay(self.shown(name)));
        }
        rustix::fs::unlinkat(self.here(), name.as_bytes(), AtFlags::empty())
            .and_then(|()| make())
            .map_err(self.failed(name))
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> Result<(), UnpackError> {
        let Some(incoming) = &mut self.file else {
            return Err(UnpackError::OutOfTurn("a part comes of no file"));
        };
        let end = u64::try_from(bytes.len()).ok().and_then(|length| offset.checked_add(length));
        let fits = end.is_some_and(|end| end <= incoming.size) && offset >= incoming.at;
        if !fits || bytes.is_empty() || bytes.len() > MAX_DATA {
            return Err(UnpackError::OutOfTurn("a part is not within its file, or not after the one before"));
        }
        let written = write_all(&incoming.file, bytes, offset);
        incoming.at = end.unwrap_or(incoming.size);
        let name = incoming.name.clone();
        written.map_err(self.failed(&name))
    }

    fn void(&mut self) -> Result<(), UnpackError> {
        if self.file.is_none() {
            return Err(UnpackError::OutOfTurn("no file is void"));
        }
        self.discard();
        Ok(())
    }

    /// The file is whole.
    fn complete(&mut self) -> Result<(), UnpackError> {
        let Some(incoming) = &self.file else { return Ok(()) };
        let sized = if incoming.at < incoming.size {
            rustix::fs::ftruncate(&incoming.file, incoming.size)
        } else {
            Ok(())
        };
        let settled = sized.and_then(|()| settle(&incoming.file, incoming.attributes));
        settled.map_err(self.failed(&incoming.name.clone()))?;
        self.file = None;
        Ok(())
    }

    /// Removes what is not whole.
    fn discard(&mut self) {
        if let Some(incoming) = self.file.take() {
            self.seen.files = self.seen.files.saturating_sub(1);
            // One that cannot be removed is seen by whoever looks; the copy has failed in any case.
            let _left = rustix::fs::unlinkat(self.here(), incoming.name.as_bytes(), AtFlags::empty());
        }
    }
}

impl Sink for Unpacker {
    type Error = UnpackError;

    fn put(&mut self, item: Item) -> Result<(), UnpackError> {
        let taken = self.take(item);
        if taken.is_err() {
            self.discard();
        }
        taken
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        self.discard();
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(length) => {
                bytes = bytes.get(length..).unwrap_or_default();
                offset += u64::try_from(length).unwrap_or(u64::MAX);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives what is whole its permissions and its time.
fn settle(fd: &OwnedFd, attributes: Attributes) -> Result<(), Errno> {
    rustix::fs::fchmod(fd, Mode::from_raw_mode(attributes.permissions.bits()))?;
    rustix::fs::futimens(fd, &times(attributes.modified))
}

fn times(modified: Time) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: modified.seconds(), tv_nsec: modified.nanoseconds().into() },
    }
}
