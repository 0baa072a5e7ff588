//! How far a receiver is with one log: a small file that is replaced as a whole, after the receiver has what it says.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use audit::log::Mark;
use serde::{Deserialize, Serialize};

/// Version of the file.
const VERSION: u32 = 1;

/// What is known of one export of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    version: u32,
    /// Everything before it was delivered.
    pub mark: Mark,
    /// Records that the receiver took.
    pub delivered: u64,
    /// Records that it refused: they are in the dead-letter file.
    pub rejected: u64,
    /// Records that were removed for their age before they were delivered.
    pub lost: u64,
    /// Time of the last record that was delivered.
    pub time: Option<String>,
    /// Why it does not go on.
    pub trouble: Option<Trouble>,
}

/// Why an export does not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// In one line.
    pub cause: String,
    /// Whether it is tried again.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// When it began: seconds since 1970.
    pub since: u64,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is tried again.
    Retrying,
    /// The log is not whole: nothing of it goes out any more.
    Halted,
}

/// Why a cursor cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is none.
    #[error("{} is no cursor of version {VERSION}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Cursor {
    /// Before the first record.
    pub const START: Self = Self {
        version: VERSION,
        mark: Mark::START,
        delivered: 0,
        rejected: 0,
        lost: 0,
        time: None,
        trouble: None,
    };

    /// The cursor in a file; [`Cursor::START`] if there is none.
    ///
    /// # Errors
    /// There is one, but it cannot be read: going on from the start would be a guess.
    pub fn load(path: &Path) -> Result<Self, CursorError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::START),
            Err(source) => return Err(CursorError::Read { path: path.to_owned(), source }),
        };
        let cursor: Self = serde_json::from_slice(&bytes)
            .map_err(|source| CursorError::Format { path: path.to_owned(), source })?;
        if cursor.version == VERSION {
            return Ok(cursor);
        }
        let source = serde::de::Error::custom(format_args!("its version is {}", cursor.version));
        Err(CursorError::Format { path: path.to_owned(), source })
    }

    /// Replaces the file: after a crash it is the old cursor or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn store(&self, path: &Path) -> Result<(), CursorError> {
        self.replace(path).map_err(|source| CursorError::Write { path: path.to_owned(), source })
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(&temporary, path)?;
        // The name too must outlive a crash.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_and_never_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        assert_eq!(Cursor::load(&path).unwrap(), Cursor::START);
        let cursor = Cursor { delivered: 3, time: Some("2026".to_owned()), ..Cursor::START };
        cursor.store(&path).unwrap();
        assert_eq!(Cursor::load(&path).unwrap(), cursor);
        let text = fs::read_to_string(&path).unwrap();
        for end in 0..text.len() {
            fs::write(&path, &text[..end]).unwrap();
            assert!(matches!(Cursor::load(&path), Err(CursorError::Format { .. })), "{end}");
        }
        fs::write(&path, text.replace("\"version\":1", "\"version\":2")).unwrap();
        assert!(matches!(Cursor::load(&path), Err(CursorError::Format { .. })));
    }
}
