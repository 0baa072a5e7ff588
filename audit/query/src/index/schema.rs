//! Tables, and how what is in a record becomes a number.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use audit::Action;
use rusqlite::Connection;

/// Goes up with every change of the tables: an index of another version is made anew.
const VERSION: i64 = 3;

/// How long one who asks waits for another who brings the index up to date.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// A record is one row. `place` is segment × 2⁴⁰ + offset; `kind` is the action × 4 + the decision; `request` is the code of
/// a request's number, of which there are nearly as many as records. So there are of the digests of what it is about, of which it
/// may have several: they are rows of their own.
const TABLES: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE word (id INTEGER PRIMARY KEY, field INTEGER NOT NULL, text TEXT NOT NULL);
    CREATE UNIQUE INDEX word_text ON word (field, text);
    CREATE TABLE record (
        sequence INTEGER PRIMARY KEY, place INTEGER NOT NULL, time INTEGER NOT NULL, kind INTEGER NOT NULL,
        host INTEGER, path INTEGER, program INTEGER, rule INTEGER, level INTEGER, rest INTEGER, request INTEGER, content INTEGER
    );
    CREATE TABLE digest (
        code INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (code, sequence)
    ) WITHOUT ROWID;
    CREATE INDEX record_rare ON record (kind) WHERE kind >= 28 AND kind < 80;
    CREATE INDEX record_time ON record (time);
    CREATE INDEX record_host ON record (host) WHERE host IS NOT NULL;
    CREATE INDEX record_program ON record (program) WHERE program IS NOT NULL;
    CREATE INDEX record_rule ON record (rule) WHERE rule IS NOT NULL;
    CREATE INDEX record_path ON record (path) WHERE path IS NOT NULL;
    CREATE INDEX record_rest ON record (rest) WHERE rest IS NOT NULL;
    CREATE INDEX record_request ON record (request) WHERE request IS NOT NULL;
    CREATE INDEX record_content ON record (content) WHERE content IS NOT NULL;
    CREATE INDEX record_denied ON record (sequence) WHERE kind % 4 = 2;
";

/// What a word is. Any may be several values, see [`super::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Column {
    Host = 1,
    Path = 2,
    /// Programs and scripts of all owners.
    Program = 3,
    Rule = 4,
    Level = 5,
    /// All other texts.
    Rest = 6,
    /// Digests of the programs of all owners.
    Content = 7,
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Path => "path",
            Self::Program => "program",
            Self::Rule => "rule",
            Self::Level => "level",
            Self::Rest => "rest",
            Self::Content => "content",
        }
    }

    pub(crate) fn code(self) -> i64 {
        self as i64
    }
}

pub(super) fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    // It says where the agent went, as the log does. What cannot be made here the database says better.
    let _made = File::options().append(true).create(true).mode(0o600).open(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    // What is lost in a crash is made again from the log.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        reset(&connection, version)?;
    }
    Ok(connection)
}

/// Makes the tables, in place of those of another version. Two may come at once: one waits for the other.
fn reset(connection: &Connection, seen: i64) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == seen {
        drop_all(connection)?;
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    connection.execute_batch("COMMIT")
}

/// Empties the index.
pub(super) fn clear(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch(
        "BEGIN IMMEDIATE; DELETE FROM record; DELETE FROM digest; DELETE FROM word; DELETE FROM meta; COMMIT",
    )
}

fn drop_all(connection: &Connection) -> Result<(), rusqlite::Error> {
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
    let names: Result<Vec<String>, _> = tables.query_map([], |row| row.get(0))?.collect();
    for name in names? {
        connection.execute_batch(&format!("DROP TABLE \"{}\"", name.replace('"', "\"\"")))?;
    }
    Ok(())
}

/// Codes of actions that a log has few of, whatever the agent does: from `lifecycle` to `approval`. `record_rare` has them.
pub(crate) const RARE: std::ops::Range<i64> = 7..20;

/// The action's number. One that is not in the list is beyond all: asking for it finds nothing by the index, which a test
/// over all actions of the record's schema excludes.
pub(crate) fn action_code(action: Action) -> i64 {
    let at = Action::ALL.iter().position(|known| *known == action).unwrap_or(Action::ALL.len());
    i64::try_from(at).expect("a list of actions is short")
}

/// A request's number or a digest as a number of the index: the first bytes of its hash, whatever its case.
pub(crate) fn code(text: &str) -> i64 {
    let hash = audit::chain::digest(text.to_lowercase().as_bytes());
    let first = hash.as_bytes().first_chunk().expect("a hash has more than eight bytes");
    i64::from_le_bytes(*first)
}

/// Microseconds since 1970 of a record's time; one that is none is at the beginning of all.
pub(crate) fn micros(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_microsecond)
}
