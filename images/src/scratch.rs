//! Scratch disks: the writable layer of one sandbox when its memory is not to hold it. A sparse file with an empty
//! ext4, thrown away with the sandbox; so no reserved blocks and no tables written ahead. It has a journal all the same: without one
//! ext4 gives no inode out again for a minute after a file was removed, and looks at each of those for every file that is made, so
//! that whoever removes and makes a thousand files (`npm ci`) soon waits for little else.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::stop::Stop;
use crate::tool::{self, ToolError};

/// Below this ext4 has no room for the guest's first files.
pub const SMALLEST_MIB: u32 = 4;

/// Of the disk, the journal takes a sixteenth; at most what is enough for thousands of files that are made at once. A disk too small
/// for a journal of 1 MiB has none.
const JOURNAL_SHARE: u32 = 16;
const JOURNAL_MOST_MIB: u32 = 8;

/// Why there is no scratch disk.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// Too small for a file system.
    #[error("a scratch disk of {mib} MiB is too small")]
    TooSmall {
        /// The size that was asked for.
        mib: u32,
    },
    /// The file cannot be made.
    #[error("cannot create the scratch disk {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file system cannot be made.
    #[error("cannot format the scratch disk {path}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: ToolError,
    },
}

impl ScratchError {
    /// What the user can do, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::TooSmall { .. } => format!("give at least {SMALLEST_MIB} MiB in `resources.disk`"),
            Self::Create { path, .. } => format!(
                "check that {} is writable and that its disk has space",
                path.parent().unwrap_or(path).display()
            ),
            Self::Format { path, source: ToolError::DiskFull { .. } } => {
                format!("free space on the disk that holds {}", path.parent().unwrap_or(path).display())
            }
            Self::Format { source, .. } => source.remedy(),
        }
    }
}

/// Makes the new file `path`: `mib` MiB, sparse, an empty ext4 owned by root.
///
/// # Errors
/// The file exists already, cannot be made or formatted, or `stop` was asked; then it is not left behind.
pub fn create(path: &Path, mib: u32, stop: &Stop) -> Result<(), ScratchError> {
    if mib < SMALLEST_MIB {
        return Err(ScratchError::TooSmall { mib });
    }
    let fail = |source| ScratchError::Create { path: path.to_owned(), source };
    let file = File::options().write(true).create_new(true).open(path).map_err(fail)?;
    let made = file.set_len(u64::from(mib) << 20).map_err(fail).and_then(|()| {
        format(path, mib, stop).map_err(|source| ScratchError::Format { path: path.to_owned(), source })
    });
    if made.is_err() {
        let _the_first_error_counts = std::fs::remove_file(path);
    }
    made
}

fn format(path: &Path, mib: u32, stop: &Stop) -> Result<(), ToolError> {
    // A new sparse file discards at once and reads as zeros then, so mke2fs writes neither inode tables nor a journal, and marks them
    // as zeroed: the guest's kernel has nothing to do in the background.
    let features = "^resize_inode,^metadata_csum,uninit_bg";
    let journal = match (mib / JOURNAL_SHARE).min(JOURNAL_MOST_MIB) {
        0 => ["-O".to_owned(), format!("^has_journal,{features}")].to_vec(),
        size => ["-O", features, "-J", &format!("size={size}")].map(str::to_owned).to_vec(),
    };
    let options =
        ["-F", "-q", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"];
    let all = options.iter().map(std::ffi::OsStr::new).chain(journal.iter().map(std::ffi::OsStr::new));
    tool::MKE2FS.work(all.chain([path.as_os_str()]), stop)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    #[test]
    fn a_disk_is_sparse_and_clean() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scratch");
        create(&path, 4096, &Stop::never()).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 4 << 30);
        assert!(metadata.blocks() * 512 < 4 << 20, "{} bytes on the disk", metadata.blocks() * 512);
        let check = tool::Tool { program: "e2fsck", package: "e2fsprogs" };
        check.run([std::ffi::OsStr::new("-fn"), path.as_os_str()]).unwrap();
    }

    #[test]
    fn a_disk_has_a_journal_unless_it_is_tiny() {
        let folder = tempfile::tempdir().unwrap();
        let has_journal = |mib| {
            let path = folder.path().join(format!("{mib}"));
            create(&path, mib, &Stop::never()).unwrap();
            let mut features = [0];
            // In the superblock `s_feature_compat`, of which bit 2 is the journal's.
            File::open(&path).unwrap().read_exact_at(&mut features, 1024 + 0x5c).unwrap();
            features[0] & 4 != 0
        };
        assert!(!has_journal(15));
        for mib in [16, 63, 64, 511, 512] {
            assert!(has_journal(mib), "{mib}");
        }
    }

    #[test]
    fn the_smallest_disk_can_be_made_and_a_smaller_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        create(&folder.path().join("small"), SMALLEST_MIB, &Stop::never()).unwrap();
        let error = create(&folder.path().join("smaller"), SMALLEST_MIB - 1, &Stop::never()).unwrap_err();
        assert!(matches!(error, ScratchError::TooSmall { mib: 3 }));
    }

    #[test]
    fn a_file_that_exists_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scratch");
        fs::write(&path, b"precious").unwrap();
        assert!(matches!(create(&path, 16, &Stop::never()), Err(ScratchError::Create { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
