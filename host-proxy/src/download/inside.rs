//! Whether there is a program in a body: archives are looked into, and archives in archives.
//!
//! What runs by itself counts, on Linux, Windows or macOS. Scripts do not: there is one in almost every source package, and
//! an interpreter that may run runs other texts too.

use std::cell::Cell;
use std::io::{self, Cursor, Read};

use policies::{Inside, Kind};

use super::ar::Members;
use super::gzip::Gzip;
use super::kind::{BEGINNING, kind_of};
use super::source::{Bounded, Random, Tail, drain, peeked};
use super::spool::Spool;
use super::tar::{self, Blocks};
use super::zip;
use super::zstd::Frames;

/// Most bytes that are unpacked of one body.
const MOST_UNPACKED: u64 = 512 << 20;

/// Most archives in each other, a compression counted as one.
const DEEPEST: u32 = 8;

/// Most files in all archives of a body.
const MOST_FILES: u32 = 200_000;

/// The longest zip archive within another archive: it is read as a whole.
const LONGEST_ZIP: u64 = 64 << 20;

/// Most memory for a window of a decoder, in KiB for one and in bytes for the other.
const XZ_MEMORY: u32 = 128 << 10;
const ZSTD_WINDOW: u64 = 128 << 20;

/// Why there is no more to look at.
#[derive(Debug)]
pub(super) enum Stop {
    /// A program is there.
    Program(String),
    /// It cannot be told.
    Unreadable(String),
    /// A source failed: its data are broken, or the bound was reached.
    Source(io::Error),
}

/// One search.
#[derive(Debug)]
pub(super) struct Search {
    left: Cell<u64>,
    files: Cell<u32>,
}

/// Looks for a program in a body of this kind.
pub(crate) fn look(body: &Spool, kind: Kind) -> Inside {
    let search = Search { left: Cell::new(MOST_UNPACKED), files: Cell::new(MOST_FILES) };
    let found = match kind {
        Kind::Zip => search.zip(&mut body.reader(), body.len(), 0),
        // Who opens a file as a zip archive begins at its end.
        _ if zip::is_attached(&mut body.reader(), body.len()) => {
            Err(Stop::unreadable("a zip archive is attached to it"))
        }
        _ => search.content(&mut body.reader(), 0),
    };
    match found {
        Ok(()) => Inside::Nothing,
        Err(Stop::Program(what)) => Inside::Program(what),
        Err(Stop::Unreadable(why)) => Inside::Unreadable(why),
        Err(Stop::Source(_error)) if search.left.get() == 0 => {
            Inside::Unreadable(format!("it unpacks to more than {} MiB", MOST_UNPACKED >> 20))
        }
        Err(Stop::Source(_error)) => Inside::Unreadable("its data are broken".to_owned()),
    }
}

impl Stop {
    pub(super) fn unreadable(why: &str) -> Self {
        Self::Unreadable(why.to_owned())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Source(error)
    }
}

impl Search {
    /// Looks at all that a source gives.
    pub(super) fn content(&self, source: &mut dyn Read, depth: u32) -> Result<(), Stop> {
        let (begin, source) = peeked(source, BEGINNING)?;
        let kind = kind_of(&begin);
        if kind.is_native() {
            return Err(Stop::Program(kind.as_str().to_owned()));
        }
        let mut source = Tail::new(source, zip::TAIL);
        match kind {
            Kind::Zip | Kind::Gzip | Kind::Tar | Kind::Xz | Kind::Zstd | Kind::Deb | Kind::Archive => {
                if depth == DEEPEST {
                    return Err(Stop::unreadable("there are too many archives in each other"));
                }
                self.archive(kind, &mut source, depth + 1)?;
            }
            _ => tar::is_none(&mut source)?,
        }
        drain(&mut source)?;
        // Of these, each file was looked at, and there is nothing else in them.
        let is_of_files = matches!(kind, Kind::Zip | Kind::Tar | Kind::Deb);
        if !is_of_files && zip::has_end(source.kept()) {
            return Err(Stop::unreadable("a zip archive is attached to a file in it"));
        }
        Ok(())
    }

    fn archive(&self, kind: Kind, source: &mut dyn Read, depth: u32) -> Result<(), Stop> {
        match kind {
            Kind::Gzip => self.unpacked(&mut Gzip::new(source), depth),
            Kind::Xz => {
                let reader = lzma_rust2::XzReader::new_mem_limit(source, true, XZ_MEMORY);
                self.unpacked(&mut { reader }, depth)
            }
            Kind::Zstd => self.unpacked(&mut Frames::new(source, ZSTD_WINDOW), depth),
            Kind::Tar => self.tar(source, depth),
            Kind::Deb => self.members(source, depth),
            Kind::Zip => {
                let mut whole = Vec::new();
                source.take(LONGEST_ZIP + 1).read_to_end(&mut whole)?;
                if whole.len() as u64 > LONGEST_ZIP {
                    return Err(Stop::unreadable("a zip archive in it is too long"));
                }
                let length = whole.len() as u64;
                self.zip(&mut Cursor::new(whole), length, depth)
            }
            _ => Err(Stop::unreadable("an archive of its kind is not looked into")),
        }
    }

    /// Looks at what a decoder gives.
    fn unpacked(&self, decoder: &mut dyn Read, depth: u32) -> Result<(), Stop> {
        self.content(&mut Bounded::new(decoder, &self.left), depth)
    }

    fn tar(&self, source: &mut dyn Read, depth: u32) -> Result<(), Stop> {
        let mut blocks = Blocks::new(source);
        while let Some(mut file) = blocks.next_file()? {
            self.count()?;
            let looked = self.content(&mut file, depth);
            drain(&mut file)?;
            looked?;
        }
        // Whatever reads on behind the end, or in other steps: a file begins at a block.
        blocks.finish()?;
        Ok(())
    }

    fn members(&self, source: &mut dyn Read, depth: u32) -> Result<(), Stop> {
        let mut members = Members::new(source)?;
        while let Some(mut member) = members.next_member()? {
            self.count()?;
            let looked = self.content(&mut member, depth);
            drain(&mut member)?;
            looked?;
        }
        Ok(())
    }

    fn zip(&self, file: &mut dyn Random, length: u64, depth: u32) -> Result<(), Stop> {
        for entry in zip::entries(file, length)? {
            self.count()?;
            entry.open(file, &mut |content| self.unpacked(content, depth))?;
        }
        Ok(())
    }

    fn count(&self) -> Result<(), Stop> {
        let left = self.files.get().checked_sub(1);
        self.files.set(left.ok_or_else(|| Stop::unreadable("there are too many files in it"))?);
        Ok(())
    }
}
