//! Finding records: by the index, or by reading the log.

mod merge;
mod plan;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use audit::Record;
use audit::log::{self, LogError, Lookup};

pub use merge::merged;

use crate::filter::Filter;
use crate::index::{Index, IndexError, is_damage, place, position};

/// Records that wait to be taken.
const AHEAD: usize = 256;

/// A record that was asked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record.
    pub record: Record,
    /// Its bytes in the log.
    pub line: Vec<u8>,
}

/// How a log is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By its index if it has one or can get one.
    Index,
    /// From its first record to its last, the chain verified on the way.
    Scan,
}

/// Why the answer ends where it does.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The log is not whole.
    #[error("{}", .0.display())]
    Log(PathBuf, #[source] LogError),
}

/// The records of one log that `filter` asks for, as a thread of their own finds them. What the receiver does not take waits;
/// the thread ends with the receiver.
#[must_use]
pub fn search(
    log: PathBuf,
    filter: Filter,
    (how, newest_first): (How, bool),
) -> Receiver<Result<Found, SearchError>> {
    let (sender, receiver) = sync_channel(AHEAD);
    std::thread::spawn(move || {
        let question = Question { filter: &filter, newest_first, found: &sender };
        let result = match how {
            How::Index => by_index(&log, &question),
            How::Scan => scan(&log, &question),
        };
        if let Err(error) = result {
            // Nobody wants to know any more.
            let _gone = sender.send(Err(error));
        }
    });
    receiver
}

/// What is asked, and who wants to know.
struct Question<'a> {
    filter: &'a Filter,
    newest_first: bool,
    found: &'a SyncSender<Result<Found, SearchError>>,
}

/// The index gave no answer, or only the beginning of one.
enum Unanswered {
    /// It is damaged, or what it says is not so.
    Untrue,
    /// The database refuses for a reason that would hold for any index.
    Refused,
}

impl From<rusqlite::Error> for Unanswered {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Untrue } else { Self::Refused }
    }
}

fn by_index(log: &Path, question: &Question<'_>) -> Result<(), SearchError> {
    let failed = |error| SearchError::Log(log.to_owned(), error);
    // What was found already, if an index breaks off: the next one goes on behind it.
    let mut last = None;
    let mut was_told = false;
    let mut index = Index::of(log);
    for _attempt in 0..2 {
        let mut ready = match index {
            Ok(ready) => ready,
            Err(IndexError::Log(error)) => return Err(failed(error)),
            // Without an index (a single file, a directory that cannot be written, a full disk) the log is read.
            Err(IndexError::SingleFile | IndexError::Database(_)) => break,
        };
        // It is newer than all that stands before it, and whoever wants only the newest few must hear of it, too.
        if question.newest_first
            && let Some(fault) = ready.fault.take()
        {
            was_told = true;
            let _gone = question.found.send(Err(failed(fault)));
        }
        match ask(&ready, log, question, &mut last) {
            // What stands before a fault was told.
            Ok(()) => return ready.fault.map_or(Ok(()), |fault| Err(failed(fault))),
            Err(Unanswered::Refused) => break,
            // Either the index is wrong, or the log was edited after it was read: a scan tells what stands before that.
            Err(Unanswered::Untrue) if log::verify(log).is_err() => break,
            Err(Unanswered::Untrue) => index = Index::rebuild(log),
        }
    }
    let scanned = scan_behind(log, question, last);
    if was_told { Ok(()) } else { scanned }
}

fn ask(index: &Index, log: &Path, question: &Question<'_>, last: &mut Option<u64>) -> Result<(), Unanswered> {
    let connection = index.read()?;
    let plan = plan::Plan::of(&connection, question.filter, (*last, question.newest_first))?;
    let mut statement = connection.prepare(&plan.sql())?;
    let mut rows = statement.query([])?;
    let mut lookup = Lookup::new(log);
    while let Some(row) = rows.next()? {
        let (place, sequence): (i64, i64) = (row.get(0)?, row.get(1)?);
        let line = lookup.line(position(place)).map_err(|_not_there| Unanswered::Untrue)?.to_vec();
        let record: Record = serde_json::from_slice(&line).map_err(|_not_one| Unanswered::Untrue)?;
        if record.sequence != sequence.unsigned_abs() {
            return Err(Unanswered::Untrue);
        }
        *last = Some(record.sequence);
        // The index only proposes.
        if question.filter.matches(&record) && question.found.send(Ok(Found { record, line })).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn scan(log: &Path, question: &Question<'_>) -> Result<(), SearchError> {
    scan_behind(log, question, None)
}

/// Reads the whole log; what stands up to `last` in the order of the question was told already.
fn scan_behind(log: &Path, question: &Question<'_>, last: Option<u64>) -> Result<(), SearchError> {
    let Question { filter, newest_first, found } = question;
    let failed = |error| SearchError::Log(log.to_owned(), error);
    let was_told = |sequence: u64| {
        last.is_some_and(|last| if *newest_first { sequence >= last } else { sequence <= last })
    };
    let mut reader = log::read(log).map_err(failed)?;
    let mut places = Vec::new();
    let mut fault = loop {
        let record = match reader.next() {
            Some(Ok(record)) => record,
            Some(Err(fault)) => break Some(fault),
            None => break None,
        };
        if was_told(record.sequence) || !filter.matches(&record) {
            continue;
        }
        if *newest_first {
            places.push(place(reader.at()));
        } else if found.send(Ok(Found { record, line: reader.line().to_vec() })).is_err() {
            return Ok(());
        }
    };
    if *newest_first && let Some(fault) = fault.take() {
        let _gone = found.send(Err(failed(fault)));
    }
    // Backwards a log cannot be read: where the answers stand is kept, eight bytes each, and they are read again.
    let mut lookup = Lookup::new(log);
    for at in places.into_iter().rev() {
        let line = lookup.line(position(at)).map_err(failed)?.to_vec();
        let record = serde_json::from_slice(&line)
            .map_err(|_edited| failed(LogError::Bad { number: 0, fault: log::Fault::Unknown }))?;
        if found.send(Ok(Found { record, line })).is_err() {
            return Ok(());
        }
    }
    fault.map_or(Ok(()), |fault| Err(failed(fault)))
}
