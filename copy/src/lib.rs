//! Trees of files to items of a copy ([`wire::copy`]), and back: the same code on the host and, confined as the agent is, in
//! the guest.
//!
//! ```text
//! path ── Source::open ──► Source ── pack ──► items ──► Unpacker ◄── Place::open ── path
//! ```
//! *Invariant:* nothing but what was asked for is read or written. A tree is walked from directory to directory, each opened by its
//! name in the one before and never through a link: whatever somebody puts in the way while the copy goes on, or did with a
//! copy before, leads nowhere.

#![forbid(unsafe_code)]

mod pack;
mod place;
mod unpack;

use std::fmt;
use std::io::Write;
use std::ops::AddAssign;

pub use pack::{LeftOut, pack};
pub use place::{Links, Place, PlaceError, Source, Typed};
pub use unpack::{Limits, UnpackError, Unpacker};

use wire::copy::{Item, Name};
use wire::frame::{self, FrameError};

/// Where items go.
pub trait Sink {
    /// Why one could not be taken.
    type Error;

    /// Takes the next item.
    ///
    /// # Errors
    /// It could not be taken; nothing more will be.
    fn put(&mut self, item: Item) -> Result<(), Self::Error>;
}

/// Writes items as frames.
#[derive(Debug)]
pub struct Framed<W>(pub W);

/// How much was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of files, without holes.
    pub bytes: u64,
}

impl<W: Write> Sink for Framed<W> {
    type Error = FrameError;

    fn put(&mut self, item: Item) -> Result<(), FrameError> {
        Ok(self.0.write_all(&frame::encode(&item)?)?)
    }
}

impl Amount {
    /// Of one item.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        let none = Self::default();
        match item {
            Item::File { .. } => Self { files: 1, ..none },
            Item::Directory { .. } => Self { directories: 1, ..none },
            Item::Link { .. } => Self { links: 1, ..none },
            Item::Data { bytes, .. } => {
                Self { bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX), ..none }
            }
            Item::Leave | Item::Void | Item::End => none,
        }
    }

    /// Files, directories and links.
    #[must_use]
    pub fn entries(self) -> u64 {
        self.files.saturating_add(self.directories).saturating_add(self.links)
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Self) {
        self.files = self.files.saturating_add(more.files);
        self.directories = self.directories.saturating_add(more.directories);
        self.links = self.links.saturating_add(more.links);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted =
            |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let files = counted(self.files, "file", "files");
        let directories = counted(self.directories, "directory", "directories");
        let links = counted(self.links, "link", "links");
        write!(f, "{files}, {directories}, {links}, {}", counted(self.bytes, "byte", "bytes"))
    }
}

/// A path within a copy as it is shown: nothing in it drives a terminal.
fn shown<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    let parts: Vec<&[u8]> = names.into_iter().map(Name::as_bytes).collect();
    format!("{:?}", String::from_utf8_lossy(&parts.join(&b'/')))
}

#[cfg(test)]
mod tests;
