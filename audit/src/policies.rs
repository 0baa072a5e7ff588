//! The texts of the policies that a log's records name by their SHA-256, in files beside its segments.
//!
//! A digest says which policy it was, and nobody finds its text again by it: `policy-<SHA-256>` is that text. It is not
//! signed, and need not be: the record that names it is, and what does not have its digest is not given out. Whoever can write the
//! directory knows the names beforehand: what lies there is opened only as the plain file that it should be.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::chain::ChainHash;

/// Longest text that is read: many times the longest policy that loads.
const MOST: u64 = 64 * 1024 * 1024;

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
    if text_in(&path).is_ok_and(|kept| kept == text) {
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
    let text = match text_in(&path) {
        Ok(text) => text,
        // A log that is one file is older than kept policies.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(PolicyError::Absent(*sha256));
        }
        // No text, a link, or no file at all.
        Err(error) if error.kind() == io::ErrorKind::InvalidData || is_link(&error) => {
            return Err(PolicyError::Other(path));
        }
        Err(error) => return Err(PolicyError::Read(path, error)),
    };
    if digest(&text) == *sha256 { Ok(text) } else { Err(PolicyError::Other(path)) }
}

fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// A pipe is not waited for, and a link is not followed.
fn text_in(path: &Path) -> io::Result<String> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MOST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    Ok(text)
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
    // What a crash left, or what somebody put there: written anew, never written into.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _gone => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
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

    /// The names are known beforehand, that of the policy of a quarantine above all.
    #[test]
    fn what_somebody_put_in_its_place_is_neither_waited_for_nor_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::create_dir(&log).unwrap();
        let (named, path) = (digest("network: []\n"), path(&log, &digest("network: []\n")));
        let precious = folder.path().join("key.pem");
        fs::write(&precious, "precious").unwrap();
        let made: [&dyn Fn(&Path); 3] = [
            &|path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR).unwrap(),
            &|path| std::os::unix::fs::symlink(&precious, path).unwrap(),
            &|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        ];
        for make in made {
            make(&path);
            make(&path.with_extension("new"));
            assert!(matches!(read(&log, &named), Err(PolicyError::Other(_))));
            keep(&log, "network: []\n").unwrap();
            assert_eq!(read(&log, &named).unwrap(), "network: []\n");
            assert!(!path.with_extension("new").exists() && fs::symlink_metadata(&path).unwrap().is_file());
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
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
