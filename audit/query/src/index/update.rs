//! Adds the records that an index does not have yet, in transactions that end with the mark that they reach.

use std::collections::HashMap;

use audit::log::{LogError, Mark, Position, Reader, Segments};
use audit::{Decision, Record};
use rusqlite::{CachedStatement, Connection, TransactionBehavior};

use super::IndexError;
use super::schema::{Column, action_code, code, micros};
use super::values::joined;
use crate::filter::{object_digests, others, program_digests, programs};

/// Records in one transaction.
const BATCH: usize = 50_000;

/// Words that are remembered while records are added; the others are looked up.
const MOST_WORDS: usize = 200_000;

/// Returns what is wrong with the log behind the records that were added, if it is not whole.
pub(super) fn add(
    connection: &mut Connection,
    mut reader: Reader<Segments>,
) -> Result<Result<(), LogError>, IndexError> {
    let mut words = HashMap::new();
    loop {
        // Whoever comes second waits here, and then finds that the first has done the work.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if super::mark(&transaction)?.is_some_and(|mark| mark.sequence > reader.mark().sequence) {
            return Ok(Ok(()));
        }
        let Added { count, mark, fault } = add_batch(&transaction, &mut reader, &mut words)?;
        let mark = serde_json::to_string(&mark).expect("a mark of plain fields is JSON");
        transaction.execute("INSERT OR REPLACE INTO meta VALUES ('mark', ?1)", [mark])?;
        // What came before a bad record is good.
        transaction.commit()?;
        match fault {
            Some(fault) => return Ok(Err(fault)),
            None if count < BATCH => return Ok(Ok(())),
            None => {}
        }
    }
}

/// What a transaction adds.
struct Added {
    count: usize,
    /// Behind the last good record: a bad one is to be found again.
    mark: Mark,
    fault: Option<LogError>,
}

fn add_batch(
    connection: &Connection,
    reader: &mut Reader<Segments>,
    known: &mut HashMap<(Column, String), i64>,
) -> Result<Added, rusqlite::Error> {
    let mut rows = Rows {
        record: connection.prepare_cached(
            "INSERT INTO record
             (sequence, place, time, kind, host, path, program, rule, level, rest, content, request)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?,
        // A body may come back as it was sent.
        digest: connection.prepare_cached("INSERT OR IGNORE INTO digest (code, sequence) VALUES (?1, ?2)")?,
    };
    let mut words = Words {
        find: connection.prepare_cached("SELECT id FROM word WHERE text = ?1 AND field = ?2")?,
        add: connection.prepare_cached("INSERT INTO word (field, text) VALUES (?1, ?2)")?,
        connection,
        known,
    };
    for count in 0..BATCH {
        let mark = reader.mark();
        let record = match reader.next() {
            Some(Ok(record)) => record,
            Some(Err(fault)) => return Ok(Added { count, mark, fault: Some(fault) }),
            None => return Ok(Added { count, mark: reader.mark(), fault: None }),
        };
        rows.add(&record, reader.at(), &mut words)?;
    }
    Ok(Added { count: BATCH, mark: reader.mark(), fault: None })
}

/// What a record becomes.
struct Rows<'a> {
    record: CachedStatement<'a>,
    digest: CachedStatement<'a>,
}

impl Rows<'_> {
    fn add(&mut self, record: &Record, at: Position, words: &mut Words<'_>) -> Result<(), rusqlite::Error> {
        let event = &record.event;
        let object = event.object.as_ref();
        let columns = [
            words.number(Column::Host, object.and_then(|object| object.host.as_deref()).into_iter())?,
            words.number(Column::Path, object.and_then(|object| object.path.as_deref()).into_iter())?,
            words.number(Column::Program, programs(event))?,
            words.number(Column::Rule, event.rule.as_deref().into_iter())?,
            words.number(Column::Level, event.level.as_deref().into_iter())?,
            words.number(Column::Rest, others(record))?,
            words.number(Column::Content, program_digests(event))?,
        ];
        let [host, path, program, rule, level, rest, content] = columns;
        let sequence = number(record.sequence);
        let place = super::place(at);
        let request = event.request.as_ref().map(|request| code(&request.0));
        let (time, kind) = (micros(&record.time), kind(record));
        self.record.execute((
            sequence, place, time, kind, host, path, program, rule, level, rest, content, request,
        ))?;
        for digest in object_digests(event) {
            self.digest.execute((code(digest), sequence))?;
        }
        Ok(())
    }
}

fn kind(record: &Record) -> i64 {
    let decision = match record.event.decision {
        None => 0,
        Some(Decision::Allow) => 1,
        Some(Decision::Deny) => 2,
    };
    action_code(record.event.action) * 4 + decision
}

/// A database has no larger numbers; no log of ours gets there.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

struct Words<'a> {
    find: CachedStatement<'a>,
    add: CachedStatement<'a>,
    connection: &'a Connection,
    known: &'a mut HashMap<(Column, String), i64>,
}

impl Words<'_> {
    /// The number of the values as one word; `None` if there is none.
    fn number<'a>(
        &mut self,
        column: Column,
        values: impl Iterator<Item = &'a str>,
    ) -> Result<Option<i64>, rusqlite::Error> {
        let Some(text) = joined(values) else { return Ok(None) };
        let key = (column, text);
        if let Some(id) = self.known.get(&key) {
            return Ok(Some(*id));
        }
        let text = key.1.as_str();
        let found = self.find.query((text, column.code()))?.next()?.map(|row| row.get(0)).transpose()?;
        let id = match found {
            Some(id) => id,
            None => {
                self.add.execute((column.code(), text))?;
                self.connection.last_insert_rowid()
            }
        };
        if self.known.len() >= MOST_WORDS {
            self.known.clear();
        }
        self.known.insert(key, id);
        Ok(Some(id))
    }
}
