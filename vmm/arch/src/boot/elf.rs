//! An ELF kernel: where its parts go and where it starts (ELF specification, 64-bit; the PVH entry is Xen's
//! `XEN_ELFNOTE_PHYS32_ENTRY`).

use vm_memory::GuestAddress;

use super::Entry;
use crate::layout;

/// How much of the file's start the parser wants: the header, and room for all program headers.
pub const HEAD: usize = 64 + MAX_PARTS * PART;
/// The first bytes of every such file.
pub const MAGIC: [u8; 4] = *b"\x7fELF";

const MAX_PARTS: usize = 64;
const PART: usize = 56;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const MACHINE_X86_64: u16 = 62;
const TYPE_LOAD: u32 = 1;
const TYPE_NOTE: u32 = 4;
const NOTE_PVH_ENTRY: u32 = 18;
const NOTE_OWNER: &[u8] = b"Xen\0";
/// Longest notes that are looked at.
const MAX_NOTES: u64 = 64 * 1024;

/// Why a file is no kernel that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It is an ELF file for something else.
    #[error("the kernel is not a 64-bit x86 ELF image")]
    NotX86,
    /// Its headers contradict themselves.
    #[error("the kernel's ELF headers make no sense")]
    Malformed,
    /// Parts of it are missing.
    #[error("the kernel is truncated: it has {len} bytes and needs {needed}")]
    Truncated {
        /// Length of the file.
        len: u64,
        /// What its headers promise.
        needed: u64,
    },
}

/// A run of bytes of the file and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub len: u64,
    /// Where the first byte goes.
    pub address: GuestAddress,
    /// Bytes in memory, of which those beyond `len` are zero.
    pub memory_len: u64,
}

/// A kernel's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// What is loaded.
    pub segments: Vec<Segment>,
    /// First byte after the last segment in memory.
    pub end: u64,
    /// Where the notes are in the file: offset and length.
    pub notes: Option<(u64, usize)>,
    start: GuestAddress,
}

impl Elf {
    /// Reads the headers; `head` is the start of a file of `len` bytes, [`HEAD`] of them or all there are.
    ///
    /// # Errors
    /// When the file is no kernel, or not whole.
    pub fn parse(head: &[u8], len: u64) -> Result<Self, ElfError> {
        let short = ElfError::Truncated { len, needed: 64 };
        let header = head.get(..64).ok_or(short)?;
        if header[..4] != MAGIC || header[4] != CLASS_64 || header[5] != LITTLE_ENDIAN {
            return Err(ElfError::NotX86);
        }
        if u16_at(header, 18) != MACHINE_X86_64 || usize::from(u16_at(header, 54)) != PART {
            return Err(ElfError::NotX86);
        }
        let start = GuestAddress(u64_at(header, 24));
        let table = usize::try_from(u64_at(header, 32)).map_err(|_huge| ElfError::Malformed)?;
        let count = usize::from(u16_at(header, 56));
        let table_end =
            table.checked_add(count * PART).filter(|end| *end <= HEAD).ok_or(ElfError::Malformed)?;
        let needed = u64::try_from(table_end).expect("it is small");
        let parts = head.get(table..table_end).ok_or(ElfError::Truncated { len, needed })?;
        let mut elf = Self { segments: Vec::new(), end: 0, notes: None, start };
        for part in parts.chunks_exact(PART) {
            elf.add(part, len)?;
        }
        if elf.segments.is_empty() { Err(ElfError::Malformed) } else { Ok(elf) }
    }

    /// Where the first virtual CPU starts, given the bytes that [`Self::notes`] names.
    #[must_use]
    pub fn entry(&self, notes: &[u8]) -> Entry {
        match pvh_entry(notes) {
            Some(at) => Entry::Pvh(at),
            None => Entry::Linux64(self.start),
        }
    }

    fn add(&mut self, part: &[u8], file_len: u64) -> Result<(), ElfError> {
        let (offset, len) = (u64_at(part, 8), u64_at(part, 32));
        let needed = offset.checked_add(len).ok_or(ElfError::Malformed)?;
        match u32_at(part, 0) {
            TYPE_LOAD => {}
            TYPE_NOTE if len <= MAX_NOTES && needed <= file_len => {
                self.notes = Some((offset, usize::try_from(len).expect("it is short")));
                return Ok(());
            }
            _ => return Ok(()),
        }
        if needed > file_len {
            return Err(ElfError::Truncated { len: file_len, needed });
        }
        let (address, memory_len) = (GuestAddress(u64_at(part, 24)), u64_at(part, 40));
        let end = address.0.checked_add(memory_len).ok_or(ElfError::Malformed)?;
        if memory_len < len || address < layout::HIGH_MEMORY {
            return Err(ElfError::Malformed);
        }
        self.end = self.end.max(end);
        self.segments.push(Segment { offset, len, address, memory_len });
        Ok(())
    }
}

/// Looks through notes: each a length of the owner's name, a length of the content, a type, then both padded
/// to four bytes.
fn pvh_entry(mut notes: &[u8]) -> Option<GuestAddress> {
    loop {
        let header = notes.get(..12)?;
        let padded = |at| usize::try_from(u32_at(header, at)).ok()?.checked_next_multiple_of(4);
        let (name_len, content_len) = (padded(0)?, padded(4)?);
        let content_at = name_len.checked_add(12)?;
        let end = content_at.checked_add(content_len)?;
        let (name, content) = (notes.get(12..content_at)?, notes.get(content_at..end)?);
        if u32_at(header, 8) == NOTE_PVH_ENTRY && name == NOTE_OWNER && content.len() >= 4 {
            return Some(GuestAddress(u64::from(u32_at(content, 0))));
        }
        notes = notes.get(end..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | (u32::from(u16_at(bytes, at + 2)) << 16)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | (u64::from(u32_at(bytes, at + 4)) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: u32, offset: u64, address: u64, len: u64, memory_len: u64) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(7_u32.to_le_bytes());
        for word in [offset, address, address, len, memory_len, 4096] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        for half in [2_u16, 62, 1, 0] {
            bytes.extend(half.to_le_bytes());
        }
        for word in [0x10_0000_u64, 64, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(0_u32.to_le_bytes());
        for half in [64, 56, u16::try_from(parts.len()).unwrap(), 64, 0, 0] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(parts.concat());
        bytes
    }

    fn note(owner: &[u8], kind: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [u32::try_from(owner.len()).unwrap(), u32::try_from(content.len()).unwrap(), kind] {
            bytes.extend(word.to_le_bytes());
        }
        for piece in [owner, content] {
            bytes.extend(piece);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn segments_and_end_are_found() {
        let head = file(&[
            part(1, 0x1000, 0x10_0000, 10, 20),
            part(1, 0x2000, 0x20_0000, 0, 8),
            part(6, 0, 0, 1, 1),
        ]);
        let elf = Elf::parse(&head, 0x3000).unwrap();
        assert_eq!(elf.segments.len(), 2);
        assert_eq!(elf.segments[0].memory_len, 20);
        assert_eq!(elf.end, 0x20_0008);
        assert_eq!(elf.entry(&[]), Entry::Linux64(GuestAddress(0x10_0000)));
    }

    #[test]
    fn missing_bytes_are_named() {
        let head = file(&[part(1, 0x1000, 0x10_0000, 10, 20)]);
        assert_eq!(Elf::parse(&head, 0x1009), Err(ElfError::Truncated { len: 0x1009, needed: 0x100a }));
        assert_eq!(Elf::parse(&head[..63], 63), Err(ElfError::Truncated { len: 63, needed: 64 }));
        assert_eq!(Elf::parse(&head[..100], 100), Err(ElfError::Truncated { len: 100, needed: 120 }));
    }

    #[test]
    fn nonsense_is_refused() {
        let bad = [
            part(1, u64::MAX, 0x10_0000, 2, 2),
            part(1, 0, u64::MAX, 2, 2),
            part(1, 0, 0x10_0000, 9, 8),
            part(1, 0, 0xf_ffff, 1, 1),
            part(5, 0, 0, 0, 0),
        ];
        for part in bad {
            assert_eq!(Elf::parse(&file(&[part]), 4096), Err(ElfError::Malformed));
        }
        let many: Vec<_> = (0..65).map(|_| part(1, 0, 0x10_0000, 1, 1)).collect();
        assert_eq!(Elf::parse(&file(&many), 1 << 20), Err(ElfError::Malformed));
        let mut other = file(&[]);
        other[18] = 40;
        assert_eq!(Elf::parse(&other, 4096), Err(ElfError::NotX86));
    }

    #[test]
    fn pvh_entry_is_found_among_other_notes() {
        let entry = 0x100_0a30_u64.to_le_bytes();
        let notes = [note(b"GNU\0", 18, &entry), note(b"Xen\0", 6, b"linux\0"), note(b"Xen\0", 18, &entry)];
        assert_eq!(pvh_entry(&notes.concat()), Some(GuestAddress(0x100_0a30)));
        assert_eq!(pvh_entry(&notes[..2].concat()), None);
        let bytes = notes.concat();
        for len in 0..bytes.len() {
            assert_eq!(pvh_entry(&bytes[..len]), None, "cut at {len}");
        }
        assert_eq!(pvh_entry(&[0xff; 64]), None);
    }
}
