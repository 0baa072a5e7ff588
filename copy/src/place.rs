//! The two ends of a copy, as somebody typed them: what is to be read, and where it is to go.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use wire::copy::Name;

/// A directory that is only passed through.
const PASSED: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A directory whose entries are read.
const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Permissions of a directory that is made because somebody named it; the mask of the process takes some away.
const NEW_DIRECTORY: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);

/// Whether a typed path may go through symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Yes: whoever made them has the same rights.
    Followed,
    /// No: a sandbox may have made them, with an earlier copy.
    Refused,
}

/// A path, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed<'a> {
    /// An entry of a directory.
    Entry {
        /// The directory.
        parent: &'a str,
        /// The entry.
        name: Name,
    },
    /// What is in a directory: the path ends in `.` or `..`, or is `/`.
    Contents(&'a str),
}

/// What is read.
#[derive(Debug)]
pub enum Source {
    /// One entry of a directory, and what is in it.
    Entry {
        /// The directory.
        parent: OwnedFd,
        /// The entry.
        name: Name,
    },
    /// Whatever is in this directory.
    Contents(OwnedFd),
}

/// Where it goes.
#[derive(Debug)]
pub enum Place {
    /// One thing, which gets this name in the directory, whatever it was called.
    As {
        /// The directory.
        parent: OwnedFd,
        /// The name.
        name: Name,
    },
    /// Any number of things, into this directory, with their own names.
    Into(OwnedFd),
}

/// Why an end of a copy cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is no such thing, or it may not be used.
    #[error("{path:?} cannot be opened: {cause}")]
    Open {
        /// What was typed.
        path: String,
        /// Why not.
        cause: Errno,
    },
    /// A link is in the way.
    #[error("{0:?} goes through a symbolic link, which may be a sandbox's work")]
    Link(String),
    /// Something other than a directory is in the place of one.
    #[error("{0:?} is not a directory")]
    NotADirectory(String),
    /// No entry of a directory can be called that.
    #[error("nothing can be called {0:?}")]
    Name(String),
}

impl<'a> Typed<'a> {
    /// Takes `path` apart.
    ///
    /// # Errors
    /// Its last part is too long, or holds a NUL.
    pub fn parse(path: &'a str) -> Result<Self, PlaceError> {
        let trimmed = path.trim_end_matches('/');
        let (parent, last) = trimmed
            .rsplit_once('/')
            .map_or((".", trimmed), |(parent, last)| (if parent.is_empty() { "/" } else { parent }, last));
        if trimmed.is_empty() || last == "." || last == ".." {
            return Ok(Self::Contents(if path.is_empty() { "." } else { path }));
        }
        let name =
            Name::try_from(last.as_bytes().to_vec()).map_err(|_not_one| PlaceError::Name(last.to_owned()))?;
        Ok(Self::Entry { parent, name })
    }

    /// What it is called, if it is an entry.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Entry { name, .. } => Some(name),
            Self::Contents(_) => None,
        }
    }
}

impl Source {
    /// Opens what is at `path`; a link that it ends in is not followed.
    ///
    /// # Errors
    /// There is no such thing.
    pub fn open(path: &str, links: Links) -> Result<Self, PlaceError> {
        match Typed::parse(path)? {
            Typed::Contents(directory) => Ok(Self::Contents(opened(directory, READ, links)?)),
            Typed::Entry { parent, name } => {
                let parent = directory_at(parent, links)?;
                rustix::fs::statat(&parent, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|cause| PlaceError::Open { path: path.to_owned(), cause })?;
                Ok(Self::Entry { parent, name })
            }
        }
    }
}

impl Place {
    /// Where one thing called `name`, or without one any number of things, go that are copied to `path`: into the directory that is
    /// there, or in the place of what is there or of nothing.
    ///
    /// # Errors
    /// There is no such place.
    pub fn open(path: &str, name: Option<&Name>, links: Links) -> Result<Self, PlaceError> {
        let typed = Typed::parse(path)?;
        match (directory_at(path, links), typed) {
            (Ok(parent), _) => Ok(match name {
                Some(name) => Self::As { parent, name: name.clone() },
                None => Self::Into(parent),
            }),
            (Err(PlaceError::NotADirectory(_)), Typed::Entry { parent, name: own })
                if name.is_some() && !path.ends_with('/') =>
            {
                Ok(Self::As { parent: directory_at(parent, links)?, name: own })
            }
            (Err(PlaceError::Open { cause: Errno::NOENT, .. }), Typed::Entry { parent, name: own }) => {
                let parent = directory_at(parent, links)?;
                if name.is_some() && path.ends_with('/') {
                    return Err(PlaceError::NotADirectory(path.to_owned()));
                }
                if name.is_some() {
                    return Ok(Self::As { parent, name: own });
                }
                rustix::fs::mkdirat(&parent, own.as_bytes(), NEW_DIRECTORY)
                    .and_then(|()| entered(&parent, &own))
                    .map(Self::Into)
                    .map_err(|cause| PlaceError::Open { path: path.to_owned(), cause })
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// Opens the directory `name` of `parent`, and no link.
pub(crate) fn entered(parent: impl AsFd, name: &Name) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat2(parent, name.as_bytes(), flags, Mode::empty(), beneath())
}

/// What a step within a copy keeps to, whatever its name says.
pub(crate) fn beneath() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
}

fn directory_at(path: &str, links: Links) -> Result<OwnedFd, PlaceError> {
    opened(path, PASSED, links)
}

fn opened(path: &str, how: OFlags, links: Links) -> Result<OwnedFd, PlaceError> {
    let resolve = match links {
        Links::Followed => ResolveFlags::NO_MAGICLINKS,
        Links::Refused => ResolveFlags::NO_SYMLINKS,
    };
    rustix::fs::openat2(CWD, path, how, Mode::empty(), resolve).map_err(|cause| match cause {
        Errno::LOOP => PlaceError::Link(path.to_owned()),
        Errno::NOTDIR => PlaceError::NotADirectory(path.to_owned()),
        cause => PlaceError::Open { path: path.to_owned(), cause },
    })
}
