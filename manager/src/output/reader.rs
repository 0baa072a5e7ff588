//! Reads what an agent has written, and waits for more.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use wire::control::Stream;
use wire::frame::{self, Pieces};
use wire::id::SandboxId;

use super::{directory, numbers, sandboxes};
use crate::failure::{Failure, chain};
use crate::layout::Layout;
use crate::rundir;

/// Read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// What an agent wrote at once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Where it wrote it.
    pub stream: Stream,
    /// What.
    pub bytes: Vec<u8>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// This.
    Piece(Piece),
    /// Nothing yet.
    Nothing,
    /// Nothing any more: the sandbox has ended.
    End,
}

/// What was closed by its writer.
#[derive(Clone, Copy)]
enum Closed {
    None,
    ThisFile,
}

/// Reads the output of one sandbox.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    number: u64,
    file: File,
    pieces: Pieces,
    changes: OwnedFd,
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Piece {{ {:?}, <{} bytes> }}", self.stream, self.bytes.len())
    }
}

impl Reader {
    /// The output of `sandbox`: an id, or an agent's name, of which the sandbox is meant that runs or that ended last.
    ///
    /// # Errors
    /// Nothing is kept of it.
    pub fn open(layout: &Layout, sandbox: &str) -> Result<Self, Failure> {
        let all = directory(layout);
        let of_name = |id: &SandboxId| rundir::agent(id) == Some(sandbox);
        let there = sandboxes(&all);
        let exact = there.iter().find(|id| id.as_str() == sandbox);
        let id = exact.or_else(|| there.iter().find(|id| of_name(id))).ok_or_else(|| {
            Failure::new(
                format_args!("no output of a sandbox '{sandbox}' is kept"),
                format_args!("name one of those in {}", all.display()),
            )
        })?;
        let directory = all.join(id.as_str());
        Self::at(directory.clone()).map_err(|error| unreadable(&directory, &error))
    }

    fn at(directory: PathBuf) -> io::Result<Self> {
        // Before the first reading: what changes meanwhile is told.
        let changes = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let what = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::DELETE_SELF;
        inotify::add_watch(&changes, &directory, what)?;
        let number = *numbers(&directory)?.first().ok_or(io::ErrorKind::NotFound)?;
        let file = File::open(directory.join(number.to_string()))?;
        Ok(Self { directory, number, file, pieces: Pieces::default(), changes })
    }

    /// What comes next, without waiting.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn next_now(&mut self) -> Result<Next, Failure> {
        self.try_next().map_err(|error| unreadable(&self.directory, &error))
    }

    /// Waits until there may be more.
    ///
    /// # Errors
    /// Nothing can be waited for.
    pub fn wait(&mut self) -> Result<(), Failure> {
        let mut waited = [PollFd::new(&self.changes, PollFlags::IN)];
        match poll(&mut waited, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(unreadable(&self.directory, &error.into())),
        }
    }

    /// What is kept now, but only its last `lines` lines.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn last(&mut self, lines: usize) -> Result<Vec<Piece>, Failure> {
        let mut kept = Vec::new();
        while let Next::Piece(piece) = self.next_now()? {
            kept.push(piece);
        }
        Ok(tail(kept, lines))
    }

    /// What is kept now, but only its last `bytes` bytes, or a few more.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn last_bytes(&mut self, bytes: usize) -> Result<Vec<Piece>, Failure> {
        let (mut kept, mut length) = (VecDeque::new(), 0);
        while let Next::Piece(piece) = self.next_now()? {
            length += piece.bytes.len();
            kept.push_back(piece);
            while kept.front().is_some_and(|first: &Piece| length - first.bytes.len() >= bytes) {
                length -= kept.pop_front().map_or(0, |first| first.bytes.len());
            }
        }
        Ok(kept.into())
    }

    fn try_next(&mut self) -> io::Result<Next> {
        loop {
            if let Some(piece) = self.pieces.next(frame::SMALL).map_err(io::Error::other)? {
                return Ok(Next::Piece(piece));
            }
            if self.fill()? {
                continue;
            }
            // Whoever held it may have written before it was let go; and what came until here would wake nobody.
            let let_go = match self.forget_changes() {
                // It is told that it closes before it is let go, and nothing is told then: it takes a moment.
                Closed::ThisFile => self.file.lock_shared().is_ok(),
                Closed::None => self.file.try_lock_shared().is_ok(),
            };
            if let_go {
                let _held_by_nobody = self.file.unlock();
            }
            if self.fill()? {
                continue;
            }
            if self.go_on()? {
                continue;
            }
            return Ok(if let_go && self.is_newest()? { Next::End } else { Next::Nothing });
        }
    }

    /// Whether there was more in this file.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = vec![0; CHUNK];
        let length = self.file.read(&mut chunk)?;
        self.pieces.push(&chunk[..length]);
        Ok(length > 0)
    }

    /// To the next file that is there. One that was removed meanwhile is passed over.
    fn go_on(&mut self) -> io::Result<bool> {
        let Some(next) = numbers(&self.directory)?.into_iter().find(|number| *number > self.number) else {
            return Ok(false);
        };
        // Its writer went on after its last byte: it may have come after we looked.
        if self.fill()? {
            return Ok(true);
        }
        match File::open(self.directory.join(next.to_string())) {
            Ok(file) => self.file = file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.number = next;
        self.pieces = Pieces::default();
        Ok(true)
    }

    fn is_newest(&self) -> io::Result<bool> {
        Ok(numbers(&self.directory)?.last() == Some(&self.number))
    }

    /// Forgets what changed until now, but that this file's writer closed it.
    fn forget_changes(&mut self) -> Closed {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.changes, &mut buffer);
        let (own, mut closed) = (self.number.to_string(), Closed::None);
        while let Ok(event) = events.next() {
            let is_own = event.file_name().is_some_and(|name| name.to_bytes() == own.as_bytes());
            if is_own && event.events().contains(inotify::ReadFlags::CLOSE_WRITE) {
                closed = Closed::ThisFile;
            }
        }
        closed
    }
}

/// The last `lines` lines of what was written; what stands after the last line's end is one too.
fn tail(mut kept: Vec<Piece>, lines: usize) -> Vec<Piece> {
    let ends_line = kept.last().is_some_and(|piece| piece.bytes.last() == Some(&b'\n'));
    let mut left = if ends_line { lines + 1 } else { lines };
    if lines == 0 {
        return Vec::new();
    }
    for at in (0..kept.len()).rev() {
        let bytes = &mut kept[at].bytes;
        for end in (0..bytes.len()).rev().filter(|end| bytes[*end] == b'\n').collect::<Vec<_>>() {
            left -= 1;
            if left == 0 {
                bytes.drain(..=end);
                return kept.split_off(at);
            }
        }
    }
    kept
}

fn unreadable(directory: &std::path::Path, error: &io::Error) -> Failure {
    Failure::new(
        format_args!("the output in {} cannot be read: {}", directory.display(), chain(error)),
        "check that it is yours; another openshell may have removed it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(kept: &[&str], lines: usize) -> String {
        let piece = |text: &&str| Piece { stream: Stream::Stdout, bytes: text.as_bytes().to_vec() };
        let kept = tail(kept.iter().map(piece).collect(), lines);
        String::from_utf8(kept.into_iter().flat_map(|piece| piece.bytes).collect()).unwrap()
    }

    #[test]
    fn the_last_lines_are_whole() {
        assert_eq!(lines(&["a\nb", "\nc\n"], 2), "b\nc\n");
        assert_eq!(lines(&["a\nb", "\nc"], 2), "b\nc");
        assert_eq!(lines(&["a\nb", "\nc"], 1), "c");
        assert_eq!(lines(&["a\n", "b\n"], 9), "a\nb\n");
        assert_eq!(lines(&["a\n", "b\n"], 0), "");
        assert_eq!(lines(&[], 3), "");
    }
}
