//! EROFS images: making one from a directory with `mkfs.erofs`, and telling whether a file is one.
//! An image's bytes depend on the directory and on [`Layout`], never on when or where it was made.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::stop::Stop;
use crate::tool::{self, ToolError};

/// Where the superblock is, and its first four bytes (kernel: `fs/erofs/erofs_fs.h`).
const SUPERBLOCK: u64 = 1024;
const MAGIC: u32 = 0xe0f5_e1e2;
const BLOCK_BITS: usize = 12;
/// A block's bytes, as a power of two.
const PAGE_BITS: u32 = 12;
const BLOCKS: usize = 36;
/// A fixed identity: two images of the same files must be the same bytes.
const UUID: &str = "6f70656e-7368-656c-6c20-76696d616765";

/// How the files are to be laid out.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) compression: Compression,
    pub(crate) owner: Ownership,
    pub(crate) times: Times,
}

/// Whether file contents are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Fast to make: for what is used once.
    None,
    /// Small and fast to read: for what is kept.
    Lz4hc,
}

/// Who owns the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Who owns them in the directory.
    Kept,
    /// The same user and group for all.
    Forced {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

/// Modification times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// As in the directory.
    Kept,
    /// One time for all files, in seconds since 1970.
    Fixed(u64),
}

/// What a file that should be an EROFS image turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// An image, whole.
    Erofs,
    /// No superblock.
    Foreign,
    /// The superblock speaks of more bytes than there are.
    Truncated {
        /// Bytes that the superblock asks for.
        needed: u64,
        /// Bytes that are there.
        found: u64,
    },
}

/// Packs `tree` into the new file `image`, unless `stop` is asked.
pub(crate) fn pack(tree: &Path, image: &Path, layout: &Layout, stop: &Stop) -> Result<(), ToolError> {
    let mut arguments = arguments(layout);
    arguments.push(image.into());
    arguments.push(tree.into());
    tool::MKFS_EROFS.work(arguments, stop)
}

/// The options of `mkfs.erofs` for a layout; the image and the directory follow them.
pub(crate) fn arguments(layout: &Layout) -> Vec<OsString> {
    // No extended attributes: a host's security labels mean nothing in the guest and would change the bytes.
    let mut arguments = vec!["--quiet".to_owned(), "-x-1".to_owned(), format!("-U{UUID}")];
    match layout.times {
        Times::Kept => {}
        Times::Fixed(seconds) => arguments.push(format!("-T{seconds}")),
    }
    match layout.owner {
        Ownership::Kept => {}
        Ownership::Forced { uid, gid } => {
            arguments.extend([format!("--force-uid={uid}"), format!("--force-gid={gid}")]);
        }
    }
    match layout.compression {
        Compression::None => {}
        // 16 KiB clusters: a tenth smaller than 4 KiB, and a page fault still unpacks little that is not wanted.
        Compression::Lz4hc => arguments.extend(["-zlz4hc".to_owned(), "-C16384".to_owned()]),
    }
    arguments.into_iter().map(OsString::from).collect()
}

/// Reads the superblock of `path`.
pub(crate) fn probe(path: &Path) -> io::Result<Probe> {
    let mut file = File::open(path)?;
    let found = file.metadata()?.len();
    let mut block = [0; 128];
    file.seek(SeekFrom::Start(SUPERBLOCK))?;
    match file.read_exact(&mut block) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Probe::Foreign),
        Err(error) => return Err(error),
    }
    Ok(judge(&block, found))
}

fn judge(block: &[u8; 128], found: u64) -> Probe {
    let word = |at: usize| {
        let bytes = block.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(bytes.expect("every field lies inside the superblock"))
    };
    let bits = u32::from(block[BLOCK_BITS]);
    // The kernel accepts blocks of 512 bytes up to a page; a larger shift is not a superblock. Those of a checked device are a page.
    if word(0) != MAGIC || bits != PAGE_BITS {
        return Probe::Foreign;
    }
    let needed = u64::from(word(BLOCKS)) << bits;
    if needed > found { Probe::Truncated { needed, found } } else { Probe::Erofs }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn layout(compression: Compression) -> Layout {
        Layout { compression, owner: Ownership::Forced { uid: 1000, gid: 1000 }, times: Times::Fixed(7) }
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            fs::create_dir(tree.path().join(name)).unwrap();
            fs::write(tree.path().join(name).join("file"), name.repeat(9000)).unwrap();
        }
        tree
    }

    #[test]
    fn two_copies_of_a_tree_give_the_same_bytes() {
        let out = tempfile::tempdir().unwrap();
        for compression in [Compression::None, Compression::Lz4hc] {
            let images = ["one", "two"].map(|name| out.path().join(format!("{name}-{compression:?}")));
            for image in &images {
                pack(tree().path(), image, &layout(compression), &Stop::never()).unwrap();
            }
            assert!(fs::read(&images[0]).unwrap() == fs::read(&images[1]).unwrap(), "{compression:?}");
        }
    }

    #[test]
    fn a_cut_image_and_a_foreign_file_are_told_apart() {
        let out = tempfile::tempdir().unwrap();
        let image = out.path().join("image");
        pack(tree().path(), &image, &layout(Compression::None), &Stop::never()).unwrap();
        assert_eq!(probe(&image).unwrap(), Probe::Erofs);
        let whole = fs::read(&image).unwrap();
        fs::write(&image, &whole[..whole.len() - 1]).unwrap();
        let (needed, found) = (whole.len() as u64, whole.len() as u64 - 1);
        assert_eq!(probe(&image).unwrap(), Probe::Truncated { needed, found });
        fs::write(&image, vec![0; 8192]).unwrap();
        assert_eq!(probe(&image).unwrap(), Probe::Foreign);
        fs::write(&image, b"short").unwrap();
        assert_eq!(probe(&image).unwrap(), Probe::Foreign);
    }
}
