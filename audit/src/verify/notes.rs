//! The signed notes of a file one after another, one in memory at a time.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::{CHECKPOINTS, VerifyError};
use crate::checkpoint::{MAX_NOTE, Note, NoteError};
use crate::log::open_file;

/// What stands behind the last whole checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastNote {
    /// Nothing.
    Whole,
    /// Some bytes: the signer was stopped while it wrote, or they were edited.
    Unfinished,
}

/// The notes in a log's directory, in their order. After an error it ends.
#[derive(Debug)]
pub struct Notes {
    /// `None`: there are none, or no more.
    source: Option<BufReader<io::Take<File>>>,
    /// The note in hand, with the empty line behind it.
    bytes: Vec<u8>,
    number: usize,
    end: u64,
    last: LastNote,
}

impl Notes {
    /// Those of a log. A single file has none, nor has a log that nobody signed.
    ///
    /// # Errors
    /// They cannot be opened.
    pub fn of(log: &Path) -> Result<Self, VerifyError> {
        Self::in_file(&log.join(CHECKPOINTS))
    }

    /// Those in a file as a log keeps them, or in a copy of it; none, if there is no such file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn in_file(path: &Path) -> Result<Self, VerifyError> {
        let source = match open_file(path) {
            // What comes later belongs to records that come later.
            Ok(file) => {
                let length = file.metadata().map_err(|error| VerifyError::Read(CHECKPOINTS, error))?.len();
                Some(BufReader::new(file.take(length)))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                None
            }
            Err(error) => return Err(VerifyError::Read(CHECKPOINTS, error)),
        };
        Ok(Self { source, bytes: Vec::new(), number: 0, end: 0, last: LastNote::Whole })
    }

    /// Where the last note ends that was read: bytes from the file's start.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// What stands behind the last one, after all were read.
    #[must_use]
    pub fn behind(&self) -> LastNote {
        self.last
    }

    fn read(&mut self) -> Result<Option<Note>, VerifyError> {
        self.bytes.clear();
        // A text and its signatures, each with an empty line behind it.
        for _part in 0..2 {
            if !self.read_part()? {
                self.source = None;
                return Ok(None);
            }
        }
        self.number += 1;
        let note = &self.bytes[..self.bytes.len() - 1];
        let note =
            std::str::from_utf8(note).map_err(|_not_text| self.bad(NoteError::Form("it is no text")))?;
        let note = Note::parse(note).map_err(|error| self.bad(error))?;
        self.end += u64::try_from(self.bytes.len()).expect("a note is short");
        Ok(Some(note))
    }

    /// Reads up to the next empty line; `false`: the file ends before.
    fn read_part(&mut self) -> Result<bool, VerifyError> {
        loop {
            let begun = self.bytes.len();
            let Some(room) = (MAX_NOTE + 2).checked_sub(begun).filter(|room| *room > 0) else {
                self.number += 1;
                return Err(self.bad(NoteError::Form("it is too long")));
            };
            let Some(source) = &mut self.source else { return Ok(false) };
            let limit = u64::try_from(room).expect("a note is short");
            let read = source.take(limit).read_until(b'\n', &mut self.bytes);
            if read.map_err(|error| VerifyError::Read(CHECKPOINTS, error))? == 0 {
                self.last = if begun > 0 { LastNote::Unfinished } else { LastNote::Whole };
                return Ok(false);
            }
            if self.bytes[begun..] == *b"\n" && (begun == 0 || self.bytes[begun - 1] == b'\n') {
                return Ok(true);
            }
        }
    }

    fn bad(&self, source: NoteError) -> VerifyError {
        VerifyError::Note { number: self.number, source }
    }
}

impl Iterator for Notes {
    type Item = Result<Note, VerifyError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.source.as_ref()?;
        let note = self.read();
        if note.is_err() {
            self.source = None;
        }
        note.transpose()
    }
}
