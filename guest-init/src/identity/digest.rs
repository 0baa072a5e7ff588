//! SHA-256 of executables, remembered for as long as the file is the same one with the same times.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use wire::subject::Digest;

/// Files remembered at most; an agent that executes more pays for it itself.
const REMEMBERED: usize = 1024;

const CHUNK: usize = 128 * 1024;

/// A state of a file: a write changes at least its `ctime`, which no program can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Digests by file version; the lock is held for a look-up, not while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<HashMap<Version, Digest>>);

impl Digests {
    /// The digest of an open file's content; `None` if it changed meanwhile.
    pub(crate) fn of(&self, file: &mut File) -> io::Result<Option<Digest>> {
        let version = Version::of(&file.metadata()?);
        if let Some(digest) = self.map().get(&version) {
            return Ok(Some(*digest));
        }
        let digest = hash(file)?;
        if Version::of(&file.metadata()?) != version {
            return Ok(None);
        }
        let mut map = self.map();
        if map.len() >= REMEMBERED {
            map.clear();
        }
        map.insert(version, digest);
        Ok(Some(digest))
    }

    /// The digest of a file in this state, if it is remembered: nothing is read.
    pub(crate) fn known(&self, version: &Version) -> Option<Digest> {
        self.map().get(version).copied()
    }

    /// The digest of an open file's content, read whatever is remembered.
    pub(crate) fn afresh(file: &mut File) -> io::Result<Digest> {
        hash(file)
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<Version, Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Version {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of an open file, without another descriptor.
    pub(crate) fn of_open(state: &rustix::fs::Statx) -> Self {
        let time = |time: rustix::fs::StatxTimestamp| (time.tv_sec, i64::from(time.tv_nsec));
        Self {
            device: rustix::fs::makedev(state.stx_dev_major, state.stx_dev_minor),
            inode: state.stx_ino,
            size: state.stx_size,
            modified: time(state.stx_mtime),
            changed: time(state.stx_ctime),
        }
    }
}

/// From the file's beginning, wherever somebody who shares the descriptor has read to.
fn hash(file: &mut File) -> io::Result<Digest> {
    file.rewind()?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(Digest(hasher.finalize().into())),
            length => hasher.update(chunk.get(..length).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_changed_file_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let digests = Digests::default();
        let read = || digests.of(&mut File::open(&path).unwrap()).unwrap().unwrap().to_hex();
        std::fs::write(&path, "abc").unwrap();
        let version = Version::of(&std::fs::metadata(&path).unwrap());
        assert_eq!(digests.known(&version), None);
        assert_eq!(read(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digests.known(&version).unwrap().to_hex(), read());
        assert_eq!(digests.map().len(), 1);
        assert_eq!(read(), read());
        assert_eq!(digests.map().len(), 1);
        // Longer: the clock of files may stand still in between.
        std::fs::write(&path, "abcd").unwrap();
        assert_eq!(digests.known(&Version::of(&std::fs::metadata(&path).unwrap())), None);
        let mut shared = File::open(&path).unwrap();
        let (first, again) = (Digests::afresh(&mut shared).unwrap(), Digests::afresh(&mut shared).unwrap());
        assert_eq!(first, again);
        assert_ne!(read(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
