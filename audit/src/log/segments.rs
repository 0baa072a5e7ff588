//! The files of a log, one after another.
//!
//! Segment *n* is `<n, six digits or more>.jsonl`, or the same with `.zst` once it is packed; while it is being packed both
//! are there and hold the same. Only the last segment grows. A record never reaches from one segment into the next.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::Position;
use super::open_file;
use super::packed::Packed;

const BUFFER: usize = 128 * 1024;

/// Lines in segments.
pub trait Source: BufRead {
    /// Number of the segment that the next byte belongs to.
    fn segment(&self) -> u64;

    /// Goes to the next segment, unless more of this one has come; `false`: neither.
    ///
    /// # Errors
    /// It cannot be opened.
    fn next_segment(&mut self) -> io::Result<bool>;

    /// Goes back by so many bytes of this segment, which are then read anew from where they are kept.
    ///
    /// # Errors
    /// It cannot.
    fn step_back(&mut self, bytes: u64) -> io::Result<()>;
}

/// One sequence of lines as a log of one segment.
#[derive(Debug)]
pub struct Single<R>(pub R);

/// The segments of a log on disk.
#[derive(Debug)]
pub struct Segments {
    path: PathBuf,
    layout: Layout,
    segment: u64,
    current: Opened,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Directory,
    File,
}

/// A segment that is being read.
#[derive(Debug)]
pub(super) enum Opened {
    Plain(BufReader<File>),
    Packed(Packed),
    /// The log's first segment is not there yet.
    Nothing,
}

/// Name of segment `number`, before it is packed.
#[must_use]
pub fn name(number: u64) -> String {
    format!("{number:06}.jsonl")
}

/// Name of segment `number`, packed.
#[must_use]
pub fn packed_name(number: u64) -> String {
    format!("{number:06}.jsonl.zst")
}

/// Numbers of the segments in `directory`, in order.
///
/// # Errors
/// It cannot be read.
pub fn list(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        numbers.extend(entry?.file_name().to_str().and_then(number));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// The number in a segment's name.
fn number(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(".zst").unwrap_or(file).strip_suffix(".jsonl")?;
    let number: u64 = digits.parse().ok()?;
    (digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) && number > 0).then_some(number)
}

impl Segments {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_dir() {
            let current = Opened::of_file(path, 0)?;
            return Ok(Self { path: path.to_owned(), layout: Layout::File, segment: 1, current });
        }
        let first = list(path)?.first().copied();
        let current = first.map_or(Ok(Opened::Nothing), |first| Opened::in_directory(path, first, 0))?;
        Ok(Self { path: path.to_owned(), layout: Layout::Directory, segment: first.unwrap_or(0), current })
    }

    pub(super) fn open_at(path: &Path, at: Position) -> io::Result<Self> {
        let layout = if fs::metadata(path)?.is_dir() { Layout::Directory } else { Layout::File };
        let current = Opened::at(path, at)?;
        Ok(Self { path: path.to_owned(), layout, segment: at.segment, current })
    }

    /// The segment behind the present one, once something stands in it: an empty one may wait for the writer to come to it.
    fn following(&self) -> io::Result<Option<(u64, Opened)>> {
        if self.layout == Layout::File {
            return Ok(None);
        }
        for number in list(&self.path)?.into_iter().filter(|number| *number > self.segment) {
            let mut opened = Opened::in_directory(&self.path, number, 0)?;
            if !opened.fill_buf()?.is_empty() {
                return Ok(Some((number, opened)));
            }
        }
        Ok(None)
    }
}

impl Opened {
    /// A segment from `at.offset` on.
    pub(super) fn at(path: &Path, at: Position) -> io::Result<Self> {
        match fs::metadata(path)?.is_dir() {
            true => Self::in_directory(path, at.segment, at.offset),
            false => Self::of_file(path, at.offset),
        }
    }

    /// Bytes of content.
    pub(super) fn length(&self) -> io::Result<u64> {
        match self {
            Self::Plain(file) => Ok(file.get_ref().metadata()?.len()),
            Self::Packed(packed) => Ok(packed.length()),
            Self::Nothing => Ok(0),
        }
    }

    /// Goes to `to`, from `here`.
    pub(super) fn seek_from(&mut self, here: u64, to: u64) -> io::Result<()> {
        match self {
            // What is in the buffer is not read again.
            Self::Plain(file) => file.seek_relative(to.wrapping_sub(here).cast_signed()),
            Self::Packed(packed) => packed.seek(to),
            Self::Nothing => Ok(()),
        }
    }

    fn in_directory(directory: &Path, number: u64, offset: u64) -> io::Result<Self> {
        // The plain one first: it goes only after the packed one is complete.
        match Self::of_file(&directory.join(name(number)), offset) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::of_file(&directory.join(packed_name(number)), offset)
            }
            opened => opened,
        }
    }

    fn of_file(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = open_file(path)?;
        if path.extension().is_some_and(|extension| extension == "zst") {
            return Packed::open(file, offset).map(Self::Packed);
        }
        if offset > file.metadata()?.len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the segment ends before"));
        }
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self::Plain(BufReader::with_capacity(BUFFER, file)))
    }
}

impl Source for Segments {
    fn segment(&self) -> u64 {
        self.segment
    }

    fn next_segment(&mut self) -> io::Result<bool> {
        let Some((number, opened)) = self.following()? else { return Ok(false) };
        // The writer leaves a segment for good: what it wrote there before that is there now.
        if self.current.fill_buf()?.is_empty() {
            (self.segment, self.current) = (number, opened);
        }
        Ok(true)
    }

    fn step_back(&mut self, bytes: u64) -> io::Result<()> {
        match &mut self.current {
            // Unlike `seek_relative`, this forgets what is in the buffer.
            Opened::Plain(file) => file.seek(SeekFrom::Current(-bytes.cast_signed())).map(drop),
            // It does not change any more.
            Opened::Packed(_) | Opened::Nothing => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl<R: BufRead> Source for Single<R> {
    fn segment(&self) -> u64 {
        1
    }

    fn next_segment(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Nobody waits for more of one: see [`Reader<Segments>::open_ended`](super::Reader).
    fn step_back(&mut self, _bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(packed) => packed.read(buffer),
            Self::Nothing => Ok(0),
        }
    }
}

impl BufRead for Opened {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(file) => file.fill_buf(),
            Self::Packed(packed) => packed.fill_buf(),
            Self::Nothing => Ok(&[]),
        }
    }

    fn consume(&mut self, amount: usize) {
        match self {
            Self::Plain(file) => file.consume(amount),
            Self::Packed(packed) => packed.consume(amount),
            Self::Nothing => {}
        }
    }
}

impl Read for Segments {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.current.read(buffer)
    }
}

impl BufRead for Segments {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.current.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.current.consume(amount);
    }
}

impl<R: Read> Read for Single<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: BufRead> BufRead for Single<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}
