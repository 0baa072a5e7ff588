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

/// Reads from `inner`, and keeps the last bytes of what it read, at least `most` of them.
pub(super) struct Tail<R> {
    inner: R,
    most: usize,
    kept: Vec<u8>,
}

impl<R: Read> Tail<R> {
    pub(super) fn new(inner: R, most: usize) -> Self {
        Self { inner, most, kept: Vec::new() }
    }

    /// The last bytes.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = &buffer[..count];
        self.kept.extend_from_slice(&read[count.saturating_sub(self.most)..]);
        // Not with every read: moving them costs more than keeping twice as many.
        if self.kept.len() > 2 * self.most {
            self.kept.drain(..self.kept.len() - self.most);
        }
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
