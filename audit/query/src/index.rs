//! The index beside a log: where each record stands, and by what it can be found.
//!
//! Texts that repeat (hosts, programs, rules, paths …) are words with numbers; a record is a row of numbers. It is always in
//! step with a [`Mark`] in the log: what comes after the mark is read, verified and added by whoever asks next.

mod schema;
mod update;
mod values;

use std::path::{Path, PathBuf};

use audit::log::{self, LogError, Lookup, Mark, Position};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

pub(crate) use schema::{Column, RARE, action_code, code, micros};
pub(crate) use values::{is_one, split};

/// Its file in the log's directory.
const FILE: &str = "index.sqlite";

/// An index that is in step with its log.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    /// Why it is not in step with the whole log: the first record that is not in it.
    pub(crate) fault: Option<LogError>,
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
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Index {
    /// The index of the log at `log`, brought up to date; made anew if it is not this log's, or damaged. Of a log that is not
    /// whole, what stands before the fault.
    ///
    /// # Errors
    /// It cannot be made or written, or the log cannot be opened.
    pub fn of(log: &Path) -> Result<Self, IndexError> {
        if !log.is_dir() {
            return Err(IndexError::SingleFile);
        }
        let path = log.join(FILE);
        match Self::bring_up(log, &path) {
            Ok(fault) => Ok(Self { path, fault }),
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
        let fault = Self::bring_up(log, &path)?;
        Ok(Self { path, fault })
    }

    /// A connection that reads.
    pub(crate) fn read(&self) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(schema::PATIENCE)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// Returns what is wrong with the log, if it is not whole.
    fn bring_up(log: &Path, path: &Path) -> Result<Option<LogError>, IndexError> {
        let mut connection = schema::open(path)?;
        if let Some(mark) = mark(&connection)?
            && let Ok(reader) = log::read_from(log, &mark)
        {
            let added = update::add(&mut connection, reader)?;
            // Otherwise it is of another log, or of this one before it was cut: what goes on from the mark is not there.
            if added.is_ok() || is_of(&connection, log)? {
                return Ok(added.err());
            }
        }
        schema::clear(&connection)?;
        Ok(update::add(&mut connection, log::read(log)?)?.err())
    }
}

/// Whether the last record of the index stands in the log: its hash is that of all before it, too.
fn is_of(connection: &Connection, log: &Path) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT place FROM record ORDER BY sequence DESC LIMIT 1";
    let last: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    let stands = last.and_then(|place| Lookup::new(log).record(position(place)).ok());
    let mark = mark(connection)?;
    Ok(stands.is_some_and(|record| mark.is_some_and(|mark| mark.last_hash == record.hash)))
}

/// Where a record stands, as a row says it.
pub(crate) fn place(at: Position) -> i64 {
    // A database has no larger numbers; no log of ours gets there.
    i64::try_from(at.segment << 40 | at.offset).unwrap_or(i64::MAX)
}

/// Where a row says that its record stands.
pub(crate) fn position(place: i64) -> Position {
    let place = place.unsigned_abs();
    Position { segment: place >> 40, offset: place & ((1 << 40) - 1) }
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
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
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
