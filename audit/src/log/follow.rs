//! Records as they come.
//!
//! The kernel tells when the log's directory, or its file, changes (inotify); nothing is asked again and again.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use super::{LogError, Mark, Reader, Segments, read, read_from};
use crate::record::Record;

/// A reader that waits for more.
#[derive(Debug)]
pub struct Follow {
    reader: Reader<Segments>,
    changes: OwnedFd,
}

impl Follow {
    /// All records of the log at `path`, then what comes.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn all(path: &Path) -> Result<Self, LogError> {
        // Before the first reading: what changes meanwhile is told.
        let changes = watch(path).map_err(LogError::Open)?;
        Ok(Self { reader: read(path)?.open_ended(), changes })
    }

    /// What follows `mark`.
    ///
    /// # Errors
    /// It cannot be opened, or does not reach so far any more.
    pub fn after(path: &Path, mark: &Mark) -> Result<Self, LogError> {
        let changes = watch(path).map_err(LogError::Open)?;
        Ok(Self { reader: read_from(path, mark)?.open_ended(), changes })
    }

    /// The reader behind it: where it stands, and the bytes of the last record.
    #[must_use]
    pub fn reader(&self) -> &Reader<Segments> {
        &self.reader
    }

    /// Readable when the log may have changed since [`Follow::next_now`] found nothing.
    #[must_use]
    pub fn changes(&self) -> &OwnedFd {
        &self.changes
    }

    /// The next record, if it is there.
    ///
    /// # Errors
    /// The log cannot be read, or is not whole; nothing comes after that.
    pub fn next_now(&mut self) -> Result<Option<Record>, LogError> {
        match self.reader.next().transpose()? {
            Some(record) => Ok(Some(record)),
            None => {
                self.forget_changes();
                // What came between the end and here would wake nobody any more.
                self.reader.next().transpose()
            }
        }
    }

    /// The next record; `None`: none came within `patience`.
    ///
    /// # Errors
    /// As [`Follow::next_now`].
    pub fn next_within(&mut self, patience: Duration) -> Result<Option<Record>, LogError> {
        let until = Instant::now() + patience;
        loop {
            if let Some(record) = self.next_now()? {
                return Ok(Some(record));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait(left)
                .map_err(|source| LogError::Read { after: self.reader.summary().records, source })?;
        }
    }

    fn wait(&self, patience: Duration) -> io::Result<()> {
        let mut waited = [PollFd::new(&self.changes, PollFlags::IN)];
        let patience = Timespec::try_from(patience).map_err(|_long| io::ErrorKind::InvalidInput)?;
        match poll(&mut waited, Some(&patience)) {
            Ok(_ready) => Ok(()),
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn forget_changes(&mut self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.changes, &mut buffer);
        while events.next().is_ok() {}
    }
}

fn watch(path: &Path) -> io::Result<OwnedFd> {
    let changes = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let what = if fs::metadata(path)?.is_dir() {
        inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO
    } else {
        inotify::WatchFlags::MODIFY
    };
    inotify::add_watch(&changes, path, what)?;
    Ok(changes)
}
