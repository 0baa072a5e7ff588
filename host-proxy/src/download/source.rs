//! Where unpacked bytes come from, under one bound for all of a body.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek};

/// Bytes at any place.
pub(super) trait Random: Read + Seek {}

impl<T: Read + Seek> Random for T {}

/// Reads from `inner`, and takes what it reads from what is left for all.
pub(super) struct Bounded<'a, R> {
    inner: R,
    left: &'a Cell<u64>,
}

impl<'a, R: Read> Bounded<'a, R> {
    pub(super) fn new(inner: R, left: &'a Cell<u64>) -> Self {
        Self { inner, left }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX);
        if most == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let wanted = buffer.len().min(most);
        let count = self.inner.read(&mut buffer[..wanted])?;
        self.left.set(self.left.get() - count as u64);
        Ok(count)
    }
}

/// The first bytes of a source, at most so many, and a reader of all of it.
pub(super) fn peeked<R: Read>(mut source: R, most: usize) -> io::Result<(Vec<u8>, impl Read)> {
    let mut begin = Vec::new();
    source.by_ref().take(most as u64).read_to_end(&mut begin)?;
    Ok((begin.clone(), Cursor::new(begin).chain(source)))
}

/// Reads to the end.
pub(super) fn drain(source: &mut dyn Read) -> io::Result<()> {
    io::copy(source, &mut io::sink()).map(drop)
}

/// Fills the buffer, or less of it at the end.
pub(super) fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
