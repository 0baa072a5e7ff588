//! tar: heads and files in blocks of 512 bytes.
//!
//! Readers differ on where the next head is (lengths in extended heads, lengths of what has no content, what follows the
//! end), so that one could be shown other files than another. But a file begins at a block for all of them: every block is
//! looked at, too.

use std::io::{self, Read};

use policies::Kind;

use super::inside::Stop;
use super::kind::native_of;
use super::source::fill;
use super::zip;

const BLOCK: usize = 512;

/// Longest extended head, or long name.
const LONGEST_HEAD: u64 = 1 << 20;

/// Goes over the files.
pub(super) struct Blocks<'a> {
    source: &'a mut dyn Read,
    /// A program that a block begins with.
    program: Option<Kind>,
    /// Whether there is anything but zeros behind the end.
    goes_on: bool,
}

/// One file.
pub(super) struct File<'a, 'b> {
    blocks: &'a mut Blocks<'b>,
    block: Box<[u8; BLOCK]>,
    /// What of the block was read and not used.
    unused: std::ops::Range<usize>,
    left: u64,
}

/// Whether these bytes begin a tar archive: the first head has a sum that is right for some reader.
pub(super) fn begins(begin: &[u8]) -> bool {
    begin.first_chunk::<BLOCK>().is_some_and(|head| {
        loose_sum_of(head)
            .is_some_and(|sum| sum == summed(head) || i64::try_from(sum) == Ok(summed_signed(head)))
    })
}

/// Looks at all blocks of what is no archive: some readers of tar skip what is not a head until there is one.
pub(super) fn is_none(source: &mut dyn Read) -> Result<(), Stop> {
    let mut blocks = Blocks::new(source);
    while let Some(block) = blocks.block()? {
        if begins(&block) {
            return Err(Stop::unreadable("a tar archive in it has something before it"));
        }
    }
    blocks.finish()
}

impl<'a> Blocks<'a> {
    pub(super) fn new(source: &'a mut dyn Read) -> Self {
        Self { source, program: None, goes_on: false }
    }

    /// The next file with content; the one before was read to its end.
    pub(super) fn next_file(&mut self) -> Result<Option<File<'_, 'a>>, Stop> {
        let mut length = None;
        loop {
            let Some(head) = self.block()? else { return Ok(None) };
            if head.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let broken = || Stop::unreadable("a tar archive in it is broken");
            if sum_of(&head) != Some(summed(&head)) || zip::has_end(&head) {
                return Err(broken());
            }
            let size = number(&head[124..136]).ok_or_else(broken)?;
            match head[156] {
                b'x' | b'g' => {
                    let records = self.records(size)?;
                    let found = length_in(&records)?;
                    if zip::has_end(&records) || (found.is_some() && head[156] == b'g') {
                        return Err(broken());
                    }
                    length = found.or(length);
                }
                b'L' | b'K' if zip::has_end(&self.records(size)?) => return Err(broken()),
                b'L' | b'K' => {}
                b'0' | b'7' | 0 => {
                    let left = length.unwrap_or(size);
                    if size != 0 && left != size {
                        return Err(Stop::unreadable("a tar archive in it has a file of two lengths"));
                    }
                    return Ok(Some(File { blocks: self, block: Box::new([0; BLOCK]), unused: 0..0, left }));
                }
                // Links, directories and devices have no content; what else there is, and what it has, not all agree on.
                b'1'..=b'6' if size == 0 && length.is_none_or(|length| length == 0) => length = None,
                _ => return Err(Stop::unreadable("a tar archive in it has entries of an unusual kind")),
            }
        }
    }

    /// Looks at all blocks that are left.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        while let Some(block) = self.block()? {
            self.goes_on |= block.iter().any(|byte| *byte != 0);
        }
        match self.program {
            Some(kind) => Err(Stop::Program(kind.as_str().to_owned())),
            None if self.goes_on => Err(Stop::unreadable("a tar archive in it goes on behind its end")),
            None => Ok(()),
        }
    }

    /// The next block; the last may be shorter, and is filled with zeros.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        if fill(self.source, &mut block)? == 0 {
            return Ok(None);
        }
        if self.program.is_none() {
            self.program = native_of(&block).filter(|kind| *kind != Kind::Elf || is_plain_elf(&block));
        }
        Ok(Some(block))
    }

    /// The content of an extended head.
    fn records(&mut self, size: u64) -> Result<Vec<u8>, Stop> {
        if size > LONGEST_HEAD {
            return Err(Stop::unreadable("a tar archive in it has a head that is too long"));
        }
        let mut records = Vec::new();
        while (records.len() as u64) < size {
            let block = self.block()?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            records.extend_from_slice(&block);
        }
        records.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(records)
    }
}

impl Read for File<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.unused.is_empty() {
            if self.left == 0 {
                return Ok(0);
            }
            *self.block = self.blocks.block()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.unused = 0..usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
            self.left -= self.unused.len() as u64;
            // Nobody looks at what is behind the content, but who searches the whole for the end of a zip archive.
            if self.block[self.unused.end..].iter().any(|byte| *byte != 0) {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let count = self.unused.len().min(out.len());
        let from = self.unused.start;
        out[..count].copy_from_slice(&self.block[from..from + count]);
        self.unused.start += count;
        Ok(count)
    }
}

/// The length that extended heads (POSIX.1-2001) give the file behind them. What only some readers know of is refused.
fn length_in(mut records: &[u8]) -> Result<Option<u64>, Stop> {
    let broken = || Stop::unreadable("a tar archive in it has an extended head that is broken");
    let mut found = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
        let digits = std::str::from_utf8(&records[..space]).ok().and_then(|text| text.parse::<usize>().ok());
        let length = digits.filter(|length| *length > space + 1 && *length <= records.len());
        let (record, rest) = records.split_at(length.ok_or_else(broken)?);
        records = rest;
        let pair = record[space + 1..].strip_suffix(b"\n").ok_or_else(broken)?;
        if pair.starts_with(b"GNU.sparse.") {
            return Err(Stop::unreadable("a tar archive in it has files with holes"));
        }
        if let Some(size) = pair.strip_prefix(b"size=") {
            let size =
                std::str::from_utf8(size).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let size = size.and_then(|text| text.parse().ok());
            found = Some(size.ok_or_else(broken)?);
        }
    }
    Ok(found)
}

/// A file can have the four bytes of ELF at a block by chance; the three behind them are of few values.
fn is_plain_elf(block: &[u8]) -> bool {
    matches!(block, [_, _, _, _, 1 | 2, 1 | 2, 1, ..])
}

/// The sum that a head has.
fn sum_of(head: &[u8; BLOCK]) -> Option<u64> {
    number(&head[148..156])
}

/// The same, as the least strict reader has it: it begins to read behind blanks, and ends where digits do.
fn loose_sum_of(head: &[u8; BLOCK]) -> Option<u64> {
    let field = &head[148..156];
    let from = field.iter().position(|byte| !matches!(byte, 0 | b'\t'..=b'\r' | b' '))?;
    let field = &field[from..];
    let ends = field.iter().position(|byte| !matches!(byte, b'0'..=b'7')).unwrap_or(field.len());
    if ends == 0 {
        return sum_of(head);
    }
    Some(field[..ends].iter().fold(0, |sum, digit| sum * 8 + u64::from(digit - b'0')))
}

/// The sum of the bytes as some old writers have it, who take them for signed.
fn summed_signed(head: &[u8; BLOCK]) -> i64 {
    let bytes = head.iter().enumerate();
    let value = |byte: &u8| i64::from(i8::from_ne_bytes([*byte]));
    bytes.map(|(at, byte)| if (148..156).contains(&at) { i64::from(b' ') } else { value(byte) }).sum()
}

/// The sum that a head should have: that of its bytes, with spaces in its own place.
fn summed(head: &[u8; BLOCK]) -> u64 {
    let bytes = head.iter().enumerate();
    bytes.map(|(at, byte)| if (148..156).contains(&at) { u64::from(b' ') } else { u64::from(*byte) }).sum()
}

/// A number in octal digits, or (a longer one) in bytes.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        let (above, value) = rest.split_at(rest.len().checked_sub(8)?);
        let value = u64::from_be_bytes(value.try_into().ok()?);
        return above.iter().all(|byte| *byte == 0).then_some(value);
    }
    let text = std::str::from_utf8(field).ok()?;
    // Readers differ on zeros before the digits, and on a sign.
    let text = text.trim_start_matches(' ').trim_end_matches([' ', '\0']);
    if text.starts_with('+') { None } else { u64::from_str_radix(text, 8).ok() }
}
