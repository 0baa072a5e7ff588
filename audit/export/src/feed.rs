//! One log on its way out: records after a cursor, in batches of bounded size.

use std::path::Path;

use audit::log::{LogError, Mark};

use crate::cursor::Cursor;
use crate::format::Format;
use crate::records::Records;
use crate::sink::{Item, Sink};

/// Most records of a batch, and most bytes of them but for the last one.
const MOST_RECORDS: usize = 500;
const MOST_BYTES: usize = 512 * 1024;

/// Records of one log, from a cursor on.
#[derive(Debug)]
pub(crate) struct Feed {
    records: Records,
    /// Older records are read, to check the chain, and left out.
    since: Option<i64>,
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
    /// Whether nothing was there any more.
    pub(crate) is_the_end: bool,
}

impl Feed {
    pub(crate) fn open(path: &Path, cursor: &Cursor) -> Result<Self, LogError> {
        Ok(Self { records: Records::open(path, &cursor.mark)?, since: None, fault: None })
    }

    /// Leaves out what is older: microseconds since 1970.
    pub(crate) fn not_older_than(self, since: Option<i64>) -> Self {
        Self { since, ..self }
    }

    /// What is there, up to the bounds; no items: nothing more for now.
    pub(crate) fn batch(&mut self, sink: &Sink, format: Format) -> Result<Batch, LogError> {
        let mut batch = Batch {
            items: Vec::new(),
            mark: self.records.reader().mark(),
            time: None,
            lost: 0,
            is_the_end: false,
        };
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut bytes = 0;
        while batch.items.len() < MOST_RECORDS && bytes < MOST_BYTES {
            let record = match self.records.next(&mut batch.lost) {
                Ok(Some(record)) => record,
                Ok(None) => {
                    batch.is_the_end = batch.items.is_empty();
                    break;
                }
                // The records before it are whole.
                Err(fault) if !batch.items.is_empty() => {
                    self.fault = Some(fault);
                    break;
                }
                Err(fault) => return Err(fault),
            };
            if self.since.is_some_and(|since| crate::format::micros(&record) < since) {
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
