//! The kind of a body, by its beginning.

use policies::Kind;

use super::tar;

/// Bytes that tell every kind.
pub(crate) const BEGINNING: usize = 1024;

/// First bytes of archives that nobody here looks into.
const ARCHIVES: [&[u8]; 30] = [
    b"BZh",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"070701",
    b"070702",
    b"070707",
    b"\x71\xc7",
    b"\xc7\x71",
    b"\xed\xab\xee\xdb",
    b"MSCF",
    b"\x04\x22\x4d\x18",
    b"hsqs",
    b"LZIP",
    b"\x1f\x1e",
    b"\x1f\x9d",
    b"\x1f\x9e",
    b"\x1f\xa0",
    b"\x02\x21\x4c\x18",
    b"\x1e\xb5\x2f\xfd",
    b"\xfd\x2f\xb5\x1e",
    b"\x22\xb5\x2f\xfd",
    b"\x23\xb5\x2f\xfd",
    b"\x24\xb5\x2f\xfd",
    b"\x25\xb5\x2f\xfd",
    b"\x26\xb5\x2f\xfd",
    b"\x27\xb5\x2f\xfd",
    b"\x89LZO\0\r\n\x1a\n",
    b"\x60\xea",
    b"xar!",
    b"!<thin>\n",
];

/// First bytes of what is looked into.
const CONTAINERS: [(&[u8], Kind); 7] = [
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"PK\x07\x08", Kind::Zip),
    (b"\x1f\x8b", Kind::Gzip),
    (b"\xfd7zXZ\x00", Kind::Xz),
    (b"\x28\xb5\x2f\xfd", Kind::Zstd),
    (b"!<arch>\n", Kind::Deb),
];

/// What begins with these bytes: [`BEGINNING`] of them, or all there are.
pub(crate) fn kind_of(begin: &[u8]) -> Kind {
    if let Some(kind) = native_of(begin) {
        return kind;
    }
    if begin.starts_with(b"#!") {
        return Kind::Script;
    }
    let container = CONTAINERS.iter().find(|(magic, _kind)| begin.starts_with(magic));
    if let Some((_magic, kind)) = container {
        return *kind;
    }
    if is_skippable(begin) {
        return Kind::Zstd;
    }
    if tar::begins(begin) {
        return Kind::Tar;
    }
    // Some of them begin with text.
    if ARCHIVES.iter().any(|magic| begin.starts_with(magic)) || is_lzh(begin) || is_lzma(begin) {
        return Kind::Archive;
    }
    if is_text(begin) {
        return Kind::Text;
    }
    if begin.starts_with(b"%PDF-") {
        return Kind::Pdf;
    }
    // A program of DOS, or one of Windows whose second head lies far behind.
    if begin.starts_with(b"MZ") {
        return Kind::Pe;
    }
    Kind::Other
}

/// The program that begins with these bytes, if one beyond doubt does.
pub(super) fn native_of(begin: &[u8]) -> Option<Kind> {
    if begin.starts_with(b"\x7fELF") {
        return Some(Kind::Elf);
    }
    if is_pe(begin) {
        return Some(Kind::Pe);
    }
    is_mach_o(begin).then_some(Kind::MachO)
}

/// The head of DOS leads to the one of Windows.
fn is_pe(begin: &[u8]) -> bool {
    let lead = begin.get(0x3c..0x40).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let head = lead.and_then(|at| begin.get(usize::try_from(at).ok()?..));
    begin.starts_with(b"MZ") && head.is_some_and(|head| head.starts_with(b"PE\0\0"))
}

/// One architecture, in either byte order, or several of them. A class file of Java begins as the latter does; its version
/// stands where the number of architectures is.
fn is_mach_o(begin: &[u8]) -> bool {
    const MOST_ARCHITECTURES: u32 = 32;
    let word =
        |at: usize| begin.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    match word(0) {
        Some(0xfeed_face | 0xfeed_facf | 0xcefa_edfe | 0xcffa_edfe) => true,
        Some(0xcafe_babe | 0xcafe_babf) => {
            word(4).is_some_and(|count| (1..=MOST_ARCHITECTURES).contains(&count))
        }
        _ => false,
    }
}

/// A frame of Zstandard that decoders skip; one that they do not may follow.
fn is_skippable(begin: &[u8]) -> bool {
    matches!(begin, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// An archive of LHA: its method stands behind the length and the sum of its head.
fn is_lzh(begin: &[u8]) -> bool {
    matches!(begin, [_, _, b'-', b'l', b'h' | b'z' | b'd', _, b'-', ..])
}

/// A stream of LZMA has no magic: its head has properties, the size of a dictionary as encoders choose it, and a length
/// that is not known or that a file can have.
fn is_lzma(begin: &[u8]) -> bool {
    const LONGEST: u64 = 1 << 38;
    let Some((head, _rest)) = begin.split_first_chunk::<13>() else { return false };
    let (literals, positions) = (head[0] % 9, head[0] / 9 % 5);
    let dictionary = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let length = head[5..].iter().rev().fold(0, |length, byte| length << 8 | u64::from(*byte));
    let is_chosen = dictionary.is_power_of_two()
        || dictionary == u32::MAX
        || (dictionary.is_multiple_of(3) && (dictionary / 3).is_power_of_two());
    head[0] < 225 && literals + positions <= 4 && is_chosen && (length == u64::MAX || length < LONGEST)
}

/// Plain text in UTF-8. The last character may be cut.
fn is_text(begin: &[u8]) -> bool {
    let odd = |byte: &u8| matches!(byte, 0..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    if begin.iter().any(odd) {
        return false;
    }
    match std::str::from_utf8(begin) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && begin.len() >= BEGINNING,
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_kind_shows_in_the_first_bytes() {
        let pe = [b"MZ".as_slice(), &[0; 0x3a], &[0x40, 0, 0, 0], b"PE\0\0"].concat();
        for (begin, kind) in [
            (&b""[..], Kind::Text),
            (b"hello\r\n\tw\xc3\xb6rld", Kind::Text),
            (b"MZ is how this text begins", Kind::Text),
            (b"hello\xff", Kind::Other),
            (b"\x00\x01", Kind::Other),
            (b"\x7fELF\x02\x01\x01", Kind::Elf),
            (&pe, Kind::Pe),
            (b"MZ\x90\x00\x03", Kind::Pe),
            (b"\xcf\xfa\xed\xfe\x07", Kind::MachO),
            (b"\xca\xfe\xba\xbe\x00\x00\x00\x02", Kind::MachO),
            (b"\xca\xfe\xba\xbe\x00\x00\x00\x34", Kind::Other),
            (b"#!/bin/sh\n", Kind::Script),
            (b"%PDF-1.7\n\xe2\xe3\xcf\xd3", Kind::Pdf),
            (b"PK\x03\x04\x14", Kind::Zip),
            (b"\x1f\x8b\x08", Kind::Gzip),
            (b"\xfd7zXZ\x00\x00", Kind::Xz),
            (b"\x28\xb5\x2f\xfd", Kind::Zstd),
            (b"\x52\x2a\x4d\x18", Kind::Zstd),
            (b"!<arch>\ndebian-binary   ", Kind::Deb),
            (b"7z\xbc\xaf\x27\x1c", Kind::Archive),
            (b"BZh91AY&SY\x00", Kind::Archive),
            (b"070701 is text and cpio", Kind::Archive),
            (b"\x1f\x9e\x08", Kind::Archive),
            (b"\x1f\xa0\x08", Kind::Archive),
            (b"\x02\x21\x4c\x18\x01", Kind::Archive),
            (b"\x27\xb5\x2f\xfd", Kind::Archive),
            (b"\x89LZO\0\r\n\x1a\n", Kind::Archive),
            (b"\x60\xea\x2b", Kind::Archive),
            (b"\x1c\x07-lh5-", Kind::Archive),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", Kind::Archive),
            (b"\x5e\0\0\x60\0\x05\0\0\0\0\0\0\0\0", Kind::Archive),
            (b"\x5d\x01\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", Kind::Other),
        ] {
            assert_eq!(kind_of(begin), kind, "{}", begin.escape_ascii());
        }
    }

    #[test]
    fn a_character_may_be_cut_where_the_beginning_ends_and_nowhere_else() {
        let mut begin = vec![b'a'; BEGINNING - 1];
        begin.push(0xc3);
        assert_eq!(kind_of(&begin), Kind::Text);
        assert_eq!(kind_of(&begin[1..]), Kind::Other);
    }
}
