//! Writes cpio archives in the "newc" format, as the kernel unpacks an initramfs (kernel documentation,
//! "initramfs buffer format"). Pure: entries in, bytes out; the same entries give the same bytes.

/// The name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";
const CHARACTER_DEVICE: u32 = 0o020_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// An archive in the making.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// The fields of one header that differ between entries.
#[derive(Debug, Default)]
struct Header {
    mode: u32,
    links: u32,
    size: u32,
    device: (u32, u32),
}

/// A file that is larger than the format's 32-bit size field.
#[derive(Debug, thiserror::Error)]
#[error("{name} is too large for an initramfs")]
pub struct TooLarge {
    name: String,
}

impl Archive {
    /// Adds a directory. Paths have no leading slash, and parents come before what is in them.
    pub(crate) fn directory(&mut self, path: &str) {
        self.entry(path, &Header { mode: DIRECTORY | 0o755, links: 2, ..Header::default() });
    }

    /// Adds a regular file with the given permissions.
    pub(crate) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<(), TooLarge> {
        let size = u32::try_from(content.len()).map_err(|_larger| TooLarge { name: path.to_owned() })?;
        self.entry(path, &Header { mode: REGULAR | permissions, links: 1, size, ..Header::default() });
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    /// Adds a character device that only root may use.
    pub(crate) fn character_device(&mut self, path: &str, device: (u32, u32)) {
        self.entry(path, &Header { mode: CHARACTER_DEVICE | 0o600, links: 1, size: 0, device });
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        // The trailer's inode number is always zero.
        self.entries = 0;
        self.entry(TRAILER, &Header { links: 1, ..Header::default() });
        self.bytes
    }

    fn entry(&mut self, path: &str, header: &Header) {
        let name = u32::try_from(path.len() + 1).expect("paths are written in this crate and short");
        let (major, minor) = header.device;
        let fields = [
            self.entries, // inode
            header.mode,
            0, // user
            0, // group
            header.links,
            0, // modification time
            header.size,
            0, // device major
            0, // device minor
            major,
            minor,
            name,
            0, // checksum
        ];
        self.entries += 1;
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
    }

    /// Headers and contents begin at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Whether `end`, the last bytes of a file, ends an archive.
pub(crate) fn is_whole(end: &[u8]) -> bool {
    let mut trailer = Archive::default();
    trailer.entry(TRAILER, &Header { links: 1, ..Header::default() });
    end.ends_with(&trailer.bytes)
}
