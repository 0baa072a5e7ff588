//! What a model server prints, in a file that does not grow beyond a bound: the one before it is kept beside it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of one file; there are two.
pub const LARGEST: u64 = 4 << 20;

/// How much of a log is quoted.
const TAIL: u64 = 300;

/// A bounded log.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    written: u64,
}

impl LogFile {
    /// Goes on with the log at `path`, which only its owner can read.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).mode(0o600).open(path)?;
        let written = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, written })
    }

    /// Writes what comes from `source` until its end. What the disk does not take is lost, and the server goes on.
    pub fn copy(mut self, mut source: impl Read) {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(count) = source.read(&mut piece) {
            if count == 0 {
                return;
            }
            if let Err(error) = self.write(&piece[..count]) {
                tracing::warn!(%error, log = %self.path.display(), "a server's log cannot be written");
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written >= LARGEST {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(&self.path.clone())?;
        }
        self.file.write_all(bytes)?;
        self.written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// The end of a log, on one line.
#[must_use]
pub fn tail(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut log = File::open(path)?;
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut end = Vec::new();
        log.take(TAIL).read_to_end(&mut end)?;
        Ok(end)
    };
    let end = read().unwrap_or_default();
    let lines = String::from_utf8_lossy(&end).trim().replace('\n', " | ");
    lines.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.log");
        let line = vec![b'a'; 1 << 20];
        for _start in 0..3 {
            LogFile::open(&path).unwrap().copy(line.repeat(6).as_slice());
        }
        let mut sizes: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size <= LARGEST + 16 * 1024), "{sizes:?}");
    }

    #[test]
    fn the_end_is_told_on_one_line_without_what_drives_a_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.log");
        LogFile::open(&path).unwrap().copy("first\nout of memory\x1b[31m\n".as_bytes());
        assert_eq!(tail(&path), "first | out of memory [31m");
    }
}
