//! Takes the ELF `vmlinux` out of a bzImage, by the fields of the x86 boot protocol (kernel documentation,
//! "The Linux/x86 Boot Protocol", 2.08 and later). Pure: bytes in, bytes out.

use std::io::{self, Read};

/// Where the header keeps the count of 512-byte setup sectors.
const SETUP_SECTS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ELF: &[u8] = b"\x7fELF";
/// The first version of the boot protocol that says where the payload is.
const PROTOCOL: u16 = 0x0208;
/// No kernel is larger; a payload that claims to be is broken.
const LARGEST: u64 = 512 << 20;

/// What is wrong with an image.
#[derive(Debug, thiserror::Error)]
pub enum BzImageError {
    /// Shorter than the place that its header names.
    #[error("the image is truncated: {needed} bytes needed, {found} found")]
    Truncated {
        /// Bytes that the header asks for.
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// Not a bzImage, or one older than protocol 2.08.
    #[error("not a bzImage of boot protocol 2.08 or later")]
    NotBzImage,
    /// Compressed by something else than zstd.
    #[error("the payload is not zstd (it starts with {0:02x?})")]
    Compression([u8; 4]),
    /// The payload does not decompress.
    #[error("cannot decompress the payload")]
    Decompress(#[source] io::Error),
    /// The payload is something else.
    #[error("the payload is not an ELF file")]
    NotElf,
}

/// The ELF inside `image`.
///
/// # Errors
/// The image is no zstd-compressed bzImage, or is damaged.
pub(super) fn extract(image: &[u8]) -> Result<Vec<u8>, BzImageError> {
    if bytes(image, MAGIC)? != *b"HdrS" || u16::from_le_bytes(bytes(image, VERSION)?) < PROTOCOL {
        return Err(BzImageError::NotBzImage);
    }
    let [sectors] = bytes(image, SETUP_SECTS)?;
    // Zero stands for four, for images older than this field.
    let setup = (usize::from(if sectors == 0 { 4 } else { sectors }) + 1) * 512;
    let start = setup.saturating_add(u32::from_le_bytes(bytes(image, PAYLOAD_OFFSET)?) as usize);
    let end = start.saturating_add(u32::from_le_bytes(bytes(image, PAYLOAD_LENGTH)?) as usize);
    let payload = image.get(start..end).ok_or(BzImageError::Truncated { needed: end, found: image.len() })?;
    decompress(payload)
}

fn decompress(payload: &[u8]) -> Result<Vec<u8>, BzImageError> {
    let magic = bytes(payload, 0)?;
    if magic != ZSTD {
        return Err(BzImageError::Compression(magic));
    }
    // One frame, then four bytes with the uncompressed size, which the decoder does not touch.
    let decoder = ruzstd::decoding::StreamingDecoder::new(payload)
        .map_err(|error| BzImageError::Decompress(io::Error::other(error)))?;
    let mut elf = Vec::new();
    decoder.take(LARGEST).read_to_end(&mut elf).map_err(BzImageError::Decompress)?;
    if elf.starts_with(ELF) { Ok(elf) } else { Err(BzImageError::NotElf) }
}

fn bytes<const N: usize>(image: &[u8], at: usize) -> Result<[u8; N], BzImageError> {
    image
        .get(at..at + N)
        .and_then(|slice| slice.try_into().ok())
        .ok_or(BzImageError::Truncated { needed: at + N, found: image.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zstd frame with one raw block: magic, descriptor (single segment, one-byte size), size, block.
    fn frame(content: &[u8]) -> Vec<u8> {
        let size = u8::try_from(content.len()).unwrap();
        let mut out = ZSTD.to_vec();
        out.extend([0x20, size]);
        out.extend(((u32::from(size) << 3) | 1).to_le_bytes().iter().take(3));
        out.extend(content);
        out
    }

    fn image(payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 1024];
        out[SETUP_SECTS] = 1;
        out[MAGIC..MAGIC + 4].copy_from_slice(b"HdrS");
        out[VERSION..VERSION + 2].copy_from_slice(&0x020f_u16.to_le_bytes());
        out[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4]
            .copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        out.extend(payload);
        out
    }

    #[test]
    fn finds_the_elf() {
        let mut payload = frame(b"\x7fELF and the rest");
        payload.extend(16_u32.to_le_bytes());
        assert_eq!(extract(&image(&payload)).unwrap(), b"\x7fELF and the rest");
    }

    #[test]
    fn refuses_what_is_no_kernel() {
        assert!(matches!(extract(b"MZ"), Err(BzImageError::Truncated { .. })));
        assert!(matches!(extract(&[0; 4096]), Err(BzImageError::NotBzImage)));
        assert!(matches!(extract(&image(&[0x1f, 0x8b, 8, 0])), Err(BzImageError::Compression(_))));
        assert!(matches!(extract(&image(&frame(b"no elf"))), Err(BzImageError::NotElf)));
        let whole = image(&frame(b"\x7fELF and the rest"));
        assert!(matches!(extract(&whole[..whole.len() - 3]), Err(BzImageError::Truncated { .. })));
        let mut old = whole;
        old[VERSION..VERSION + 2].copy_from_slice(&0x0207_u16.to_le_bytes());
        assert!(matches!(extract(&old), Err(BzImageError::NotBzImage)));
    }
}
