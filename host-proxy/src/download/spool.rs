//! A body that is held back, in pieces of one size: what comes byte by byte takes no more room than what comes at once.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

/// What was held back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spool {
    pieces: VecDeque<Vec<u8>>,
    length: u64,
}

/// Reads what is held back, at any place of it.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    spool: &'a Spool,
    at: u64,
}

impl Spool {
    /// Adds what came.
    pub(crate) fn push(&mut self, mut data: &[u8]) {
        self.length += data.len() as u64;
        while !data.is_empty() {
            let has_room = self.pieces.back().is_some_and(|last| last.len() < PIECE);
            if !has_room {
                self.pieces.push_back(Vec::with_capacity(PIECE));
            }
            let Some(last) = self.pieces.back_mut() else { return };
            let (now, later) = data.split_at(data.len().min(PIECE - last.len()));
            last.extend_from_slice(now);
            data = later;
        }
    }

    /// Bytes in it.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes its next piece out.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.length -= piece.len() as u64;
        Some(Bytes::from(piece))
    }

    /// Its pieces in order; nothing may have been taken out.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Vec::as_slice)
    }

    /// Reads it from its beginning; nothing may have been taken out.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { spool: self, at: 0 }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(self.at).unwrap_or(usize::MAX);
        let piece = self.spool.pieces.get(at / PIECE).and_then(|piece| piece.get(at % PIECE..));
        let Some(piece) = piece else { return Ok(0) };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => self.spool.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_however_it_is_cut() {
        let body: Vec<u8> =
            (0..200_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
        for size in [1, 1000, PIECE - 1, PIECE, PIECE + 1, body.len()] {
            let mut spool = Spool::default();
            body.chunks(size).for_each(|piece| spool.push(piece));
            assert_eq!((spool.len(), spool.pieces.len()), (200_000, 4));
            let mut reader = spool.reader();
            reader.seek(SeekFrom::End(-70_000)).unwrap();
            let mut end = Vec::new();
            reader.read_to_end(&mut end).unwrap();
            assert!(end == body[130_000..], "pieces of {size}");
            let mut out = Vec::new();
            while let Some(piece) = spool.take() {
                out.extend_from_slice(&piece);
            }
            assert!(out == body && spool.is_empty(), "pieces of {size}");
        }
    }
}
