//! The index beside a log: where each record stands, and by what it can be found.
//!
//! Texts that repeat (hosts, programs, rules, paths …) are words with numbers; a record is a row of numbers. It is always in
//! step with a [`Mark`] in the log: what comes after the mark is read, verified and added by whoever asks next.

mod schema;
mod update;
mod values;

use std::path::{Path, PathBuf};

use audit::log::{self, LogError, Mark};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

pub(crate) use schema::{Column, action_code, micros, request_code};
pub(crate) use values::split;

/// Its file in the log's directory.
const FILE: &str = "index.sqlite";

/// An index that is in step with its log.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
}

/// Why there is no index; the log can be scanned all the same.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A log that is one file has none.
    #[error("a log that is one file has no index")]
    SingleFile,
    /// The database refused.
    #[error("the index cannot be used")]
    Database(#[from] rusqlite::Error),
    /// The log itself is not whole: that is an error of the question, not of the index.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Index {
    /// The index of the log at `log`, brought up to date; made anew if it is not this log's, or damaged.
    ///
    /// # Errors
    /// It cannot be made or written, or the log is not whole.
    pub fn of(log: &Path) -> Result<Self, IndexError> {
        if !log.is_dir() {
            return Err(IndexError::SingleFile);
        }
        let path = log.join(FILE);
        match Self::bring_up(log, &path) {
            Ok(()) => Ok(Self { path }),
            Err(IndexError::Database(error)) if is_damage(&error) => Self::rebuild(log),
            Err(other) => Err(other),
        }
    }

    /// The same, made anew whatever is there.
    ///
    /// # Errors
    /// As [`Index::of`].
    pub fn rebuild(log: &Path) -> Result<Self, IndexError> {
        if !log.is_dir() {
            return Err(IndexError::SingleFile);
        }
        let path = log.join(FILE);
        for file in [path.clone(), sibling(&path, "-wal"), sibling(&path, "-shm")] {
            // What is not there needs no removal; what cannot be removed the database will say.
            let _gone = std::fs::remove_file(file);
        }
        Self::bring_up(log, &path)?;
        Ok(Self { path })
    }

    /// A connection that reads.
    pub(crate) fn read(&self) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(schema::PATIENCE)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn bring_up(log: &Path, path: &Path) -> Result<(), IndexError> {
        let mut connection = schema::open(path)?;
        let mark = mark(&connection)?;
        let reader = match mark {
            Some(mark) => log::read_from(log, &mark),
            None => log::read(log),
        };
        let added = reader.map_err(IndexError::from).and_then(|reader| update::add(&mut connection, reader));
        match (added, mark) {
            // It is of another log, or of this one before it was cut: what goes on from the mark is not there.
            (Err(IndexError::Log(_)), Some(_mark)) => {
                schema::clear(&connection)?;
                update::add(&mut connection, log::read(log)?)
            }
            (added, _) => added,
        }
    }
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Up to where the log is in the index.
fn mark(connection: &Connection) -> Result<Option<Mark>, rusqlite::Error> {
    let text: Option<String> =
        connection.query_row("SELECT value FROM meta WHERE key = 'mark'", [], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Whether the file is no database of ours any more, as against a disk that is full or a file that may not be written.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase, TypeMismatch, Unknown};
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(
                failure.code,
                DatabaseCorrupt | NotADatabase | ConstraintViolation | TypeMismatch | Unknown
            )
        }
        _conversion => true,
    }
}
