//! One log on its way out: records after a cursor, in batches of bounded size.

use std::path::Path;

use audit::log::{LogError, Mark};

use crate::cursor::Cursor;
use crate::format::Format;
use crate::only::Only;
use crate::records::Records;
use crate::sink::{Item, Sink};

/// Most records of a batch, and most bytes of them but for the last one.
const MOST_RECORDS: usize = 500;
const MOST_BYTES: usize = 512 * 1024;
/// Most records that are passed over for one batch: the other logs are to have their turn.
const MOST_PASSED: usize = 10_000;

/// Records of one log, from a cursor on.
#[derive(Debug)]
pub(crate) struct Feed {
    records: Records,
    /// Older records are read, to check the chain, and left out.
    since: Option<i64>,
    /// So are those that the export is not for.
    only: Only,
    /// What is wrong behind the records that went out last.
    fault: Option<LogError>,
}

/// What goes out at once.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    /// Where it ends.
    pub(crate) mark: Mark,
    /// Time of its last record.
    pub(crate) time: Option<String>,
    /// Records between the cursor and the first of it that are no longer kept.
    pub(crate) lost: u64,
    /// Records that were passed over.
    pub(crate) passed: usize,
    /// Whether nothing was there any more.
    pub(crate) is_the_end: bool,
}

impl Feed {
    pub(crate) fn open(path: &Path, cursor: &Cursor) -> Result<Self, LogError> {
        Ok(Self {
            records: Records::open(path, &cursor.mark)?,
            since: None,
            only: Only::default(),
            fault: None,
        })
    }

    /// Leaves out what is older: microseconds since 1970.
    pub(crate) fn not_older_than(self, since: Option<i64>) -> Self {
        Self { since, ..self }
    }

    /// Leaves out what the export is not for.
    pub(crate) fn only(self, only: &Only) -> Self {
        Self { only: only.clone(), ..self }
    }

    /// What is there, up to the bounds.
    pub(crate) fn batch(&mut self, sink: &Sink, format: Format) -> Result<Batch, LogError> {
        let mut batch = Batch {
            items: Vec::new(),
            mark: self.records.reader().mark(),
            time: None,
            lost: 0,
            passed: 0,
            is_the_end: false,
        };
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut bytes = 0;
        while batch.items.len() < MOST_RECORDS && bytes < MOST_BYTES && batch.passed < MOST_PASSED {
            let record = match self.records.next(&mut batch.lost) {
                Ok(Some(record)) => record,
                Ok(None) => {
                    batch.is_the_end = batch.items.is_empty() && batch.passed == 0;
                    break;
                }
                // The records before it are whole.
                Err(fault) if !batch.items.is_empty() => {
                    self.fault = Some(fault);
                    break;
                }
                Err(fault) => return Err(fault),
            };
            let is_old = self.since.is_some_and(|since| crate::format::micros(&record) < since);
            if is_old || !self.only.is_for(&record) {
                batch.passed += 1;
                batch.mark = self.records.reader().mark();
                continue;
            }
            let line = self.records.reader().line();
            let mut content = Vec::with_capacity(line.len());
            sink.render(&record, line, format, &mut content);
            bytes += content.len() + line.len();
            batch.items.push(Item {
                content,
                line: line.into(),
                sequence: record.sequence,
                hash: record.hash.to_string(),
                sandbox: record.sandbox.to_string(),
            });
            batch.mark = self.records.reader().mark();
            batch.time = Some(record.time);
        }
        Ok(batch)
    }
}
