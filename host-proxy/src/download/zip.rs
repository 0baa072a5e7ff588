//! zip archives. Some readers begin at the end (the central directory), others at the beginning: an archive is looked into
//! only if both see the same. Its entries follow each other from the first byte on, as the directory says, with nothing between
//! them but what belongs to an entry; then comes the directory, then its end, and nothing else.

use std::io::{Read, SeekFrom};

use super::gzip::Inflate;
use super::inside::Stop;
use super::source::Random;

/// Signatures.
const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const LONG_END: &[u8] = b"PK\x06\x07";

/// Bytes of the heads.
const LOCAL_HEAD: usize = 30;
const CENTRAL_HEAD: usize = 46;
const END_HEAD: usize = 22;
const LONG_END_HEAD: u64 = 20;

/// The longest directory.
const LONGEST_DIRECTORY: u64 = 32 << 20;

/// Bytes at the end of a file in which readers look for the end of a directory.
pub(super) const TAIL: usize = 128 << 10;

/// How entries are packed.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Flags of an entry: encrypted, lengths behind the content, encrypted heads.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const LENGTHS_BEHIND: u16 = 1 << 3;

/// One file of an archive.
#[derive(Debug)]
pub(super) struct Entry {
    at: u64,
    packed: u64,
    method: u16,
    flags: u16,
    name: Vec<u8>,
}

/// Whether whoever looks for the end of a directory finds one in this file.
pub(super) fn is_attached(file: &mut dyn Random, length: u64) -> bool {
    let from = length.saturating_sub(TAIL as u64);
    let mut tail = Vec::new();
    let read = file.seek(SeekFrom::Start(from)).and_then(|_at| file.read_to_end(&mut tail));
    let begun = file.seek(SeekFrom::Start(0));
    read.is_err() || begun.is_err() || has_end(&tail)
}

/// Whether a directory may end in these bytes.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    bytes.windows(END.len()).any(|bytes| bytes == END)
}

/// The entries, if every reader sees the same.
pub(super) fn entries(file: &mut dyn Random, length: u64) -> Result<Vec<Entry>, Stop> {
    let from = length.checked_sub(END_HEAD as u64).ok_or_else(odd)?;
    file.seek(SeekFrom::Start(from))?;
    let mut end = [0; END_HEAD];
    file.read_exact(&mut end)?;
    // A comment could hold another end.
    if !end.starts_with(END) || word(&end, 20)? != 0 {
        return Err(Stop::unreadable("a zip archive in it does not end with its directory"));
    }
    let (count, size, at) = (word(&end, 10)?, long(&end, 12)?, long(&end, 16)?);
    if [word(&end, 4)?, word(&end, 6)?] != [0, 0] || word(&end, 8)? != count || at + size != from {
        return Err(odd());
    }
    if size > LONGEST_DIRECTORY {
        return Err(Stop::unreadable("a zip archive in it has too long a directory"));
    }
    // Another end, for long files, may stand in what looks like the last bytes of the directory.
    if let Some(long) = from.checked_sub(LONG_END_HEAD) {
        let mut begin = [0; LONG_END.len()];
        file.seek(SeekFrom::Start(long))?;
        file.read_exact(&mut begin)?;
        if begin == LONG_END {
            return Err(odd());
        }
    }
    file.seek(SeekFrom::Start(at))?;
    let mut directory = Vec::new();
    (&mut *file).take(size).read_to_end(&mut directory)?;
    let mut entries = Vec::new();
    let mut rest = directory.as_slice();
    while !rest.is_empty() {
        let (entry, behind) = central(rest)?;
        entries.push(entry);
        rest = behind;
    }
    if entries.len() != usize::from(count) {
        return Err(odd());
    }
    entries.sort_by_key(|entry| entry.at);
    follow(file, &entries, at)?;
    Ok(entries)
}

/// The first entry of what is left of a directory.
fn central(rest: &[u8]) -> Result<(Entry, &[u8]), Stop> {
    let head = rest.get(..CENTRAL_HEAD).filter(|head| head.starts_with(CENTRAL)).ok_or_else(odd)?;
    let name_ends = CENTRAL_HEAD + usize::from(word(head, 28)?);
    if word(head, 32)? != 0 {
        return Err(Stop::unreadable("a zip archive in it has comments"));
    }
    let ends = name_ends + usize::from(word(head, 30)?);
    let name = rest.get(CENTRAL_HEAD..name_ends).ok_or_else(odd)?.to_vec();
    let (packed, unpacked, at) = (long(head, 20)?, long(head, 24)?, long(head, 42)?);
    if [packed, unpacked, at].contains(&u64::from(u32::MAX)) {
        return Err(Stop::unreadable("a zip archive in it is of the kind for long files"));
    }
    let entry = Entry { at, packed, method: word(head, 10)?, flags: word(head, 8)?, name };
    Ok((entry, rest.get(ends..).ok_or_else(odd)?))
}

/// Each entry begins where the one before ends, and the directory behind the last.
fn follow(file: &mut dyn Random, entries: &[Entry], directory: u64) -> Result<(), Stop> {
    let begins = entries.iter().map(|entry| entry.at).chain([directory]);
    let mut at = 0;
    for (entry, next) in entries.iter().zip(begins.skip(1)) {
        if entry.at != at {
            return Err(odd());
        }
        let content = entry.content(file)?;
        let gap = content.checked_add(entry.packed).and_then(|end| next.checked_sub(end)).ok_or_else(odd)?;
        let mut behind = vec![0; usize::try_from(gap.min(25)).unwrap_or(0)];
        file.seek(SeekFrom::Start(next - gap))?;
        file.read_exact(&mut behind)?;
        let is_descriptor = match gap {
            0 => entry.flags & LENGTHS_BEHIND == 0,
            12 | 20 => entry.flags & LENGTHS_BEHIND != 0,
            16 | 24 => entry.flags & LENGTHS_BEHIND != 0 && behind.starts_with(DESCRIPTOR),
            _ => false,
        };
        if !is_descriptor {
            return Err(odd());
        }
        at = next;
    }
    if at == directory { Ok(()) } else { Err(odd()) }
}

impl Entry {
    /// Where the content begins, after what stands before it was found to agree with the directory.
    fn content(&self, file: &mut dyn Random) -> Result<u64, Stop> {
        file.seek(SeekFrom::Start(self.at))?;
        let mut head = [0; LOCAL_HEAD];
        file.read_exact(&mut head)?;
        let mut name = vec![0; usize::from(word(&head, 26)?)];
        file.read_exact(&mut name)?;
        let packed = long(&head, 18)?;
        // Whoever begins at the beginning finds the end of packed content by itself, and of other content not.
        let is_behind = self.flags & LENGTHS_BEHIND != 0 && self.method == DEFLATED;
        let agrees = packed == self.packed || (is_behind && packed == 0);
        if !head.starts_with(LOCAL)
            || (word(&head, 6)?, word(&head, 8)?) != (self.flags, self.method)
            || name != self.name
            || (self.flags & LENGTHS_BEHIND != 0 && self.method == STORED)
            || !agrees
        {
            return Err(odd());
        }
        Ok(self.at + (LOCAL_HEAD + name.len()) as u64 + u64::from(word(&head, 28)?))
    }

    /// Lets `look` look at the content.
    pub(super) fn open(
        &self,
        file: &mut dyn Random,
        look: &mut dyn FnMut(&mut dyn Read) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if self.flags & ENCRYPTED != 0 {
            return Err(Stop::unreadable("a zip archive in it is encrypted"));
        }
        let content = self.content(file)?;
        file.seek(SeekFrom::Start(content))?;
        let mut packed = (&mut *file).take(self.packed);
        match self.method {
            STORED => look(&mut packed),
            DEFLATED => {
                let mut stream = Inflate::new(packed);
                look(&mut stream)?;
                // Whoever begins at the beginning finds the next file where the stream ends.
                if stream.is_all()? { Ok(()) } else { Err(odd()) }
            }
            _ => Err(Stop::unreadable("a zip archive in it is packed in an unusual way")),
        }
    }
}

fn odd() -> Stop {
    Stop::unreadable("a zip archive in it has more than one reading")
}

fn word(bytes: &[u8], at: usize) -> Result<u16, Stop> {
    let bytes = bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u16::from_le_bytes).ok_or_else(odd)
}

fn long(bytes: &[u8], at: usize) -> Result<u64, Stop> {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(|bytes| u64::from(u32::from_le_bytes(bytes))).ok_or_else(odd)
}
