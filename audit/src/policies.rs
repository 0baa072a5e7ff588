//! The texts of the policies that a log's records name by their SHA-256, in files beside its segments.
//!
//! A digest says which policy it was, and nobody finds its text again by it: `policy-<SHA-256>` is that text. It is not
//! signed, and need not be: the record that names it is, and what does not have its digest is not given out.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::chain::ChainHash;

/// How the names of their files begin.
const PREFIX: &str = "policy-";

/// Why a policy's text is not given out.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Nobody kept it: the log is older than that, or somebody took it away.
    #[error("the log does not hold the text of policy {0}")]
    Absent(ChainHash),
    /// It is not the one that the record names.
    #[error("{0} is not the policy that the record names")]
    Other(PathBuf),
    /// It cannot be read.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
}

/// Keeps a policy in the directory of `log`, on stable storage, before a record names it.
///
/// # Errors
/// It cannot be written.
pub fn keep(log: &Path, text: &str) -> io::Result<()> {
    let path = path(log, &digest(text));
    if fs::read(&path).is_ok_and(|kept| kept == text.as_bytes()) {
        return Ok(());
    }
    // Under its own name there is never half of it.
    let beginning = path.with_extension("new");
    let written = write(&beginning, text).and_then(|()| fs::rename(&beginning, &path));
    if written.is_err() {
        let _never_made = fs::remove_file(&beginning);
    }
    written?;
    File::open(log)?.sync_all()
}

/// The text of the policy that a record of `log` names.
///
/// # Errors
/// It is not there, or not that one.
pub fn read(log: &Path, sha256: &ChainHash) -> Result<String, PolicyError> {
    let path = path(log, sha256);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // A log that is one file is older than kept policies.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(PolicyError::Absent(*sha256));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(PolicyError::Other(path)),
        Err(error) => return Err(PolicyError::Read(path, error)),
    };
    if digest(&text) == *sha256 { Ok(text) } else { Err(PolicyError::Other(path)) }
}

/// Bytes that the policies in the directory of `log` take.
///
/// # Errors
/// It cannot be read.
pub fn size(log: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        match entry.metadata() {
            Ok(policy) => size += policy.len(),
            // It has its own name by now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(size)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn path(log: &Path, sha256: &ChainHash) -> PathBuf {
    log.join(format!("{PREFIX}{sha256}"))
}

fn digest(text: &str) -> ChainHash {
    ChainHash::from_bytes(Sha256::digest(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_by_its_digest_and_by_no_other() {
        let log = tempfile::tempdir().unwrap();
        keep(log.path(), "version: 1\n").unwrap();
        keep(log.path(), "version: 1\n").unwrap();
        assert_eq!(fs::read_dir(log.path()).unwrap().count(), 1);
        assert_eq!(read(log.path(), &digest("version: 1\n")).unwrap(), "version: 1\n");
        assert!(matches!(read(log.path(), &digest("")), Err(PolicyError::Absent(_))));
    }

    #[test]
    fn an_edited_text_is_not_given_out_and_is_mended_when_it_is_kept_again() {
        let log = tempfile::tempdir().unwrap();
        let named = digest("network: []\n");
        keep(log.path(), "network: []\n").unwrap();
        for edited in [&b"network: [all]\n"[..], b"", b"\xff"] {
            fs::write(path(log.path(), &named), edited).unwrap();
            assert!(matches!(read(log.path(), &named), Err(PolicyError::Other(_))), "{edited:?}");
        }
        keep(log.path(), "network: []\n").unwrap();
        assert_eq!(read(log.path(), &named).unwrap(), "network: []\n");
    }

    #[test]
    fn nothing_is_left_of_what_cannot_be_written() {
        let log = tempfile::tempdir().unwrap();
        // A directory stands where the file would.
        fs::create_dir(path(log.path(), &digest("version: 1\n"))).unwrap();
        assert!(keep(log.path(), "version: 1\n").is_err());
        assert_eq!(fs::read_dir(log.path()).unwrap().count(), 1);
    }
}
