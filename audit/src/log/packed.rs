//! Closed segments, packed: Zstandard in the seekable format (independent frames, then a table of their sizes in a skippable
//! frame), so that one record can be read without unpacking what stands before it. `zstd -d` unpacks the whole.
//!
//! | part | bytes |
//! |---|---|
//! | frames | each of at most [`FRAME`] bytes of content |
//! | skippable frame | magic `0x184D2A5E`, its length |
//! | table | per frame: packed length, content length (`u32`, little-endian) |
//! | footer | number of frames (`u32`), a zero byte, magic `0x8F92EAB1` |

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use ruzstd::decoding::FrameDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{open_file, segments};

/// Most bytes of content in a frame. Larger ones pack better, and make one record dearer to read.
pub const FRAME: usize = 256 * 1024;

const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
const HEADER: u64 = 8;
const FOOTER: u64 = 9;
const ENTRY: u64 = 8;
/// Frames that a table may name: a segment of 64 GiB.
const MOST_FRAMES: u64 = 1 << 18;
/// Bytes of a packed frame: content that cannot be packed grows a little.
const MOST_PACKED: usize = FRAME + FRAME / 8;

/// A packed segment that is being read.
#[derive(Debug)]
pub struct Packed {
    file: File,
    frames: Vec<Frame>,
    /// The frame that is read next.
    next: usize,
    content: Vec<u8>,
    at: usize,
}

/// One frame, as the table has it.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Where it begins in the file, and its content in the segment.
    offset: u64,
    start: u64,
    packed: usize,
    content: usize,
}

/// Packs segment `number` of the log in `directory`, and removes the plain file once the packed one is on the disk. Whatever
/// interrupts it, the segment is there whole, under one of its names or both.
///
/// # Errors
/// A file cannot be read or written: then the plain one stays.
pub fn pack(directory: &Path, number: u64) -> io::Result<()> {
    let plain = directory.join(segments::name(number));
    let packed = directory.join(segments::packed_name(number));
    let unfinished = directory.join(format!("{number:06}.packing"));
    let written = write(&plain, &unfinished);
    if let Err(error) = written {
        // It may not be there at all.
        let _gone = fs::remove_file(&unfinished);
        return Err(error);
    }
    fs::rename(&unfinished, &packed)?;
    File::open(directory)?.sync_all()?;
    fs::remove_file(&plain)
}

fn write(plain: &Path, packed: &Path) -> io::Result<()> {
    let source = open_file(plain)?;
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.write(true).create(true).truncate(true).open(packed)?;
    let mut table = Vec::new();
    loop {
        let mut content = Vec::with_capacity(FRAME);
        let limit = u64::try_from(FRAME).expect("a frame's length fits in 64 bits");
        if (&source).take(limit).read_to_end(&mut content)? == 0 {
            break;
        }
        let frame = compress_to_vec(content.as_slice(), CompressionLevel::Fastest);
        out.write_all(&frame)?;
        for length in [frame.len(), content.len()] {
            table.extend(u32::try_from(length).expect("a frame is short").to_le_bytes());
        }
    }
    let entries = u32::try_from(table.len() / 8).map_err(|_more| invalid("too many frames"))?;
    let length = u32::try_from(table.len() + 9).map_err(|_more| invalid("too many frames"))?;
    let parts = [
        &SKIPPABLE.to_le_bytes()[..],
        &length.to_le_bytes(),
        &table,
        &entries.to_le_bytes(),
        &[0],
        &SEEKABLE.to_le_bytes(),
    ];
    out.write_all(&parts.concat())?;
    // It is as old as what it holds.
    out.set_modified(source.metadata()?.modified()?)?;
    out.sync_all()
}

impl Packed {
    /// Opens a packed segment at `offset` of its content.
    pub(super) fn open(mut file: File, offset: u64) -> io::Result<Self> {
        let frames = table(&mut file)?;
        let mut packed = Self { file, frames, next: 0, content: Vec::new(), at: 0 };
        packed.seek(offset)?;
        Ok(packed)
    }

    /// Bytes of content.
    pub(super) fn length(&self) -> u64 {
        self.frames.last().map_or(0, |last| last.start + length(last.content))
    }

    /// Goes to `offset` of the content. A frame that is unpacked already is not unpacked again.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        let is_behind = |frame: &Frame| frame.start + length(frame.content) <= offset;
        let index = self.frames.partition_point(is_behind);
        let Some(frame) = self.frames.get(index) else {
            let end = self.length();
            (self.next, self.content, self.at) = (self.frames.len(), Vec::new(), 0);
            return if offset == end {
                Ok(())
            } else {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the segment ends before"))
            };
        };
        let within = usize::try_from(offset - frame.start).expect("a frame is short");
        if self.content.is_empty() || self.next != index + 1 {
            self.next = index;
            self.unpack_next()?;
        }
        self.at = within;
        Ok(())
    }

    fn unpack_next(&mut self) -> io::Result<()> {
        let Frame { offset, packed, content, .. } = self.frames[self.next];
        let mut bytes = vec![0; packed];
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(&mut bytes)?;
        // The table bounds what a frame may unpack to, whatever the frame itself says.
        self.content = vec![0; content];
        let mut decoder = FrameDecoder::new();
        let unpacked = decoder
            .decode_all(&bytes, &mut self.content)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        // The decoder passes over skippable frames, and over one frame to the next.
        if decoder.bytes_read_from_source() != length(packed) {
            return Err(invalid("there is more in it than one frame where the table says one"));
        }
        if unpacked != content {
            return Err(invalid("a frame is shorter than the table says"));
        }
        (self.at, self.next) = (0, self.next + 1);
        Ok(())
    }
}

/// The frames of a packed segment.
fn table(file: &mut File) -> io::Result<Vec<Frame>> {
    let size = file.metadata()?.len();
    let at = size.checked_sub(FOOTER).ok_or_else(|| invalid("too short for a packed segment"))?;
    file.seek(SeekFrom::Start(at))?;
    let mut footer = [0; 9];
    file.read_exact(&mut footer)?;
    let [a, b, c, d, 0, magic @ ..] = footer else { return Err(invalid("its table has an unknown form")) };
    if magic != SEEKABLE.to_le_bytes() {
        return Err(invalid("not a packed segment, or its end was cut off"));
    }
    let frames = u64::from(u32::from_le_bytes([a, b, c, d]));
    let start = at.checked_sub(HEADER + frames.min(MOST_FRAMES + 1) * ENTRY);
    let start = start.filter(|_start| frames <= MOST_FRAMES);
    let start = start.ok_or_else(|| invalid("its table is longer than it"))?;
    file.seek(SeekFrom::Start(start))?;
    let mut header = [0; 8];
    file.read_exact(&mut header)?;
    let table = u32::try_from(frames * ENTRY + FOOTER).expect("the number of frames is bounded");
    if header != [SKIPPABLE.to_le_bytes(), table.to_le_bytes()].concat()[..] {
        return Err(invalid("its table does not begin as one does"));
    }
    let mut entries = Vec::new();
    file.take(frames * ENTRY).read_to_end(&mut entries)?;
    let (mut offset, mut content_start) = (0, 0);
    let mut read = Vec::with_capacity(entries.len() / 8);
    for entry in entries.chunks_exact(8) {
        let number = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
        let size = |at: usize, most: usize| {
            usize::try_from(number(at)).ok().filter(|size| (1..=most).contains(size))
        };
        let (Some(packed), Some(content)) = (size(0, MOST_PACKED), size(4, FRAME)) else {
            return Err(invalid("its table names a frame of an impossible length"));
        };
        read.push(Frame { offset, start: content_start, packed, content });
        content_start += length(content);
        offset += u64::from(number(0));
    }
    // Bytes between them would be read by nobody here, and by those who unpack the file with other tools.
    if offset == start { Ok(read) } else { Err(invalid("its frames do not fill it up to its table")) }
}

fn length(content: usize) -> u64 {
    u64::try_from(content).expect("a frame's length fits in 64 bits")
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut here = self.fill_buf()?;
        let length = here.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Packed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.content.len() && self.next < self.frames.len() {
            self.unpack_next()?;
        }
        Ok(&self.content[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.content.len());
    }
}
