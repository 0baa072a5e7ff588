//! gzip (RFC 1952): all members of a source, one after the other, and the deflate streams (RFC 1951) in them and in zip
//! archives.

use std::io::{self, Read};

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use super::source::fill;

/// Bytes that are read at once.
const AT_ONCE: usize = 16 * 1024;

/// Longest field of a member's head.
const LONGEST_FIELD: u64 = 64 * 1024;

/// Fields that a head can have, by the bits of its fourth byte.
const CHECKSUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// Unpacks a deflate stream; what is behind it is left.
pub(super) struct Inflate<R> {
    source: R,
    state: Box<InflateState>,
    buffer: Box<[u8]>,
    /// What of the buffer was read and not used.
    unused: std::ops::Range<usize>,
    is_over: bool,
}

/// Unpacks gzip.
pub(super) struct Gzip<R> {
    stream: Inflate<R>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Inside,
    Over,
}

impl<R: Read> Inflate<R> {
    pub(super) fn new(source: R) -> Self {
        let buffer = vec![0; AT_ONCE].into_boxed_slice();
        Self { source, state: InflateState::new_boxed(DataFormat::Raw), buffer, unused: 0..0, is_over: false }
    }

    /// Whether the stream is over, and nothing is behind it.
    pub(super) fn is_all(&mut self) -> io::Result<bool> {
        self.refill()?;
        Ok(self.is_over && self.unused.is_empty())
    }

    /// Begins another stream where the last one ended.
    fn again(&mut self) {
        self.state.reset(DataFormat::Raw);
        self.is_over = false;
    }

    /// Bytes that are no part of a stream.
    fn beside(&mut self) -> Beside<'_, R> {
        Beside(self)
    }

    /// Reads more, if there is nothing to use.
    fn refill(&mut self) -> io::Result<()> {
        if self.unused.is_empty() {
            self.unused = 0..self.source.read(&mut self.buffer)?;
        }
        Ok(())
    }
}

impl<R: Read> Read for Inflate<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while !self.is_over {
            self.refill()?;
            let is_end = self.unused.is_empty();
            let done = inflate(&mut self.state, &self.buffer[self.unused.clone()], out, MZFlush::None);
            self.unused.start += done.bytes_consumed;
            match done.status {
                Ok(MZStatus::StreamEnd) => self.is_over = true,
                // No progress is no error while there is more to read.
                Ok(_) | Err(miniz_oxide::MZError::Buf) => {}
                Err(_broken) => return Err(io::ErrorKind::InvalidData.into()),
            }
            if done.bytes_written > 0 {
                return Ok(done.bytes_written);
            }
            if is_end && !self.is_over {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// Reads what is beside the streams.
struct Beside<'a, R>(&'a mut Inflate<R>);

impl<R: Read> Read for Beside<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Self(stream) = self;
        stream.refill()?;
        let count = stream.unused.len().min(out.len());
        let from = stream.unused.start;
        out[..count].copy_from_slice(&stream.buffer[from..from + count]);
        stream.unused.start += count;
        Ok(count)
    }
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(source: R) -> Self {
        Self { stream: Inflate::new(source), state: State::Between }
    }

    /// Reads the head of the next member, if there is one. Zeros behind the last are padding.
    fn begin(&mut self) -> io::Result<State> {
        let mut source = self.stream.beside();
        let mut head = [0; 10];
        match fill(&mut source, &mut head)? {
            0 => return Ok(State::Over),
            count if head.iter().all(|byte| *byte == 0) => return padding(&mut source, count),
            10 => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        let [0x1f, 0x8b, 8, flags @ 0..=0x1f, ..] = head else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if flags & EXTRA != 0 {
            let mut length = [0; 2];
            source.read_exact(&mut length)?;
            let length = u16::from_le_bytes(length).into();
            io::copy(&mut source.by_ref().take(length), &mut io::sink())?;
        }
        for text in [NAME, COMMENT] {
            if flags & text != 0 {
                skip_text(&mut source)?;
            }
        }
        if flags & CHECKSUM != 0 {
            source.read_exact(&mut [0; 2])?;
        }
        self.stream.again();
        Ok(State::Inside)
    }

    /// Passes over checksum and length, which whoever unpacks it compares.
    fn end(&mut self) -> io::Result<State> {
        self.stream.beside().read_exact(&mut [0; 8])?;
        Ok(State::Between)
    }
}

/// Whatever is behind zeros is zeros, too.
fn padding(source: &mut dyn Read, mut count: usize) -> io::Result<State> {
    let mut rest = [0; 512];
    while count > 0 {
        count = source.read(&mut rest)?;
        if rest[..count].iter().any(|byte| *byte != 0) {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(State::Over)
}

/// A text that ends with a zero.
fn skip_text(source: &mut impl Read) -> io::Result<()> {
    let mut byte = [0xff];
    for _ in 0..LONGEST_FIELD {
        source.read_exact(&mut byte)?;
        if byte == [0] {
            return Ok(());
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match self.state {
                State::Over => return Ok(0),
                State::Between => self.begin()?,
                State::Inside => match self.stream.read(out)? {
                    0 if out.is_empty() => return Ok(0),
                    0 => self.end()?,
                    count => return Ok(count),
                },
            };
        }
    }
}
