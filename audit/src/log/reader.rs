//! Goes over the records of a log and checks that each follows from the one before.

use std::io::{self, BufRead};

use wire::id::SandboxId;

use super::{Fault, LogError, MAX_LINE, Mark, Position, Segments, Single, Source, Summary};
use crate::chain::{self, ChainHash};
use crate::record::{OLDEST, Record, VERSION};

/// The records of a log, in order. After an error it ends.
#[derive(Debug)]
pub struct Reader<S> {
    pub(super) source: S,
    line: Vec<u8>,
    state: State,
    /// Where the line in hand begins, and where the next one will.
    at: Position,
    next: Position,
    end: End,
    /// Whether `line` is the beginning of a record whose rest was not there yet.
    partial: bool,
    ended: bool,
}

/// What the end of the last segment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is the end: a record without a line end is unfinished.
    Final,
    /// More may come: the rest of a record, too.
    Open,
}

/// What the lines so far lead to.
#[derive(Clone, Debug)]
struct State {
    summary: Summary,
    sandbox: Option<SandboxId>,
    /// Time of the last record.
    time: String,
    /// Whether the first segment is gone: then the log begins in its midst.
    begins_late: bool,
}

/// What joins a record to its log; the rest of it is not looked at.
#[derive(serde::Deserialize)]
struct Link<'a> {
    version: u32,
    sequence: u64,
    time: &'a str,
    sandbox: &'a str,
    prev: ChainHash,
}

impl<R: BufRead> Reader<Single<R>> {
    /// A reader of one sequence of lines, from the start of a log.
    pub fn new(source: R) -> Self {
        Self::over(Single(source))
    }
}

impl Reader<Segments> {
    /// The same log, to which more may come.
    pub(super) fn open_ended(self) -> Self {
        Self { end: End::Open, ..self }
    }
}

impl<S: Source> Reader<S> {
    pub(super) fn over(source: S) -> Self {
        let summary = Summary {
            records: 0,
            first: 1,
            last_hash: ChainHash::START,
            bytes: 0,
            back_at: None,
            repaired_at: None,
            repairs: 0,
            closed_at: None,
        };
        let begins_late = source.segment() > 1;
        let state = State { summary, sandbox: None, time: String::new(), begins_late };
        let at = Position { segment: source.segment(), offset: 0 };
        Self { source, line: Vec::new(), state, at, next: at, end: End::Final, partial: false, ended: false }
    }

    /// What was read is followed by what comes; the source stands there.
    pub(crate) fn after(mut self, mark: &Mark) -> Self {
        self.state.summary.records = mark.sequence;
        self.state.summary.first = mark.sequence + 1;
        self.state.summary.last_hash = mark.last_hash;
        (self.at, self.next) = (mark.position, mark.position);
        self
    }

    /// What was read so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.state.summary
    }

    /// Whose log it is, once a record was read.
    #[must_use]
    pub fn sandbox(&self) -> Option<&SandboxId> {
        self.state.sandbox.as_ref()
    }

    /// Time of the record that was returned last, as it bears it; empty, if there was none.
    #[must_use]
    pub fn time(&self) -> &str {
        &self.state.time
    }

    /// Where a later reading can go on.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let Summary { records, last_hash, .. } = self.state.summary;
        Mark { position: self.next, sequence: records, last_hash }
    }

    /// Where the record that was returned last stands.
    #[must_use]
    pub fn at(&self) -> Position {
        self.at
    }

    /// The bytes of the record that was returned last, without the line end.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Checks all records from here to the end.
    ///
    /// # Errors
    /// See [`super::verify`].
    pub fn verify(mut self) -> Result<Summary, LogError> {
        self.verify_here()
    }

    /// As [`Reader::verify`]; what was good before an error is in [`Reader::summary`].
    pub(crate) fn verify_here(&mut self) -> Result<Summary, LogError> {
        while self.next_line()?.is_some() {}
        Ok(self.summary())
    }

    /// The bytes of the next record, checked against its hash and the record before it, but not read as a record.
    ///
    /// # Errors
    /// See [`super::verify`].
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, LogError> {
        let result = if self.ended { Ok(false) } else { self.read_line() };
        let result =
            result.and_then(|is_there| if is_there { self.link().map(|()| true) } else { Ok(false) });
        self.ended |= self.is_over(&result);
        result.map(|is_there| is_there.then_some(&self.line[..]))
    }

    fn is_over(&self, result: &Result<bool, LogError>) -> bool {
        match result {
            Ok(is_there) => !is_there && self.end == End::Final,
            Err(_) => true,
        }
    }

    fn read_record(&mut self) -> Result<Option<Record>, LogError> {
        if !self.read_line()? {
            return Ok(None);
        }
        // Told apart before the line is linked, so that the error bears this record's number; but a line
        // that was edited is called edited, whether it can be read or not.
        let record = serde_json::from_slice(&self.line);
        let record = record.map_err(|_not_ours| self.bad(Fault::Unknown));
        self.link()?;
        record.map(Some)
    }

    fn link(&mut self) -> Result<(), LogError> {
        self.state.accept(&self.line).map_err(|fault| self.bad(fault))
    }

    fn bad(&self, fault: Fault) -> LogError {
        LogError::Bad { number: self.state.summary.records + 1, fault }
    }

    fn failed(&self, source: io::Error) -> LogError {
        LogError::Read { after: self.state.summary.records, source }
    }

    /// Whether there was a line.
    fn read_line(&mut self) -> Result<bool, LogError> {
        if std::mem::take(&mut self.partial) {
            // What was not a whole record then may have been taken back since, and another one stand in its place.
            let begun = u64::try_from(self.line.len()).expect("a line's length fits in 64 bits");
            self.source.step_back(begun).map_err(|source| self.failed(source))?;
        }
        self.line.clear();
        self.at = self.next;
        loop {
            self.fill_line()?;
            if self.line.pop_if(|byte| *byte == b'\n').is_some() {
                self.next.offset +=
                    u64::try_from(self.line.len() + 1).expect("a line's length fits in 64 bits");
                return Ok(true);
            }
            if self.line.len() > MAX_LINE {
                return Err(self.bad(Fault::TooLong));
            }
            if !self.goes_on()? {
                return Ok(false);
            }
        }
    }

    fn fill_line(&mut self) -> Result<(), LogError> {
        let room = MAX_LINE + 1 - self.line.len().min(MAX_LINE + 1);
        let limit = u64::try_from(room).expect("a line's limit fits in 64 bits");
        let read = io::Read::take(&mut self.source, limit).read_until(b'\n', &mut self.line);
        read.map(drop).map_err(|source| self.failed(source))
    }

    /// At the end of a segment: whether another one follows.
    fn goes_on(&mut self) -> Result<bool, LogError> {
        if !self.line.is_empty() {
            return match self.end {
                End::Final => Err(self.bad(Fault::Unfinished)),
                End::Open => {
                    self.partial = true;
                    Ok(false)
                }
            };
        }
        if !self.source.next_segment().map_err(|source| self.failed(source))? {
            return Ok(false);
        }
        if self.source.segment() != self.next.segment {
            self.next = Position { segment: self.source.segment(), offset: 0 };
            self.at = self.next;
        }
        Ok(true)
    }
}

/// What a record says of its log's end.
enum Said {
    /// The writer: something was taken off, or the log was closed later.
    Repaired,
    /// The writer: nothing follows.
    Closed,
}

/// In no text of a record does a quote stand without a stroke, so that what is found is a field's name.
fn said_of_the_end(line: &[u8]) -> Option<Said> {
    const CLIENT: &[u8] = br#"","client":""#;
    let at = line.windows(CLIENT.len()).position(|there| there == CLIENT)?;
    let rest = &line[at + CLIENT.len()..];
    let says = |action: &[u8]| rest.starts_with(action);
    if says(br#"audit","action":"log-repair""#) {
        return Some(Said::Repaired);
    }
    says(br#"audit","action":"log-end""#).then_some(Said::Closed)
}

impl State {
    fn accept(&mut self, line: &[u8]) -> Result<(), Fault> {
        let hash = chain::check(line).ok_or(Fault::Edited)?;
        let link: Link<'_> = serde_json::from_slice(line).map_err(|_not_ours| Fault::Unknown)?;
        if !(OLDEST..=VERSION).contains(&link.version) {
            return Err(Fault::Unknown);
        }
        self.begin(&link)?;
        if link.prev != self.summary.last_hash {
            return Err(Fault::Unlinked);
        }
        if link.sequence != self.summary.records + 1 {
            return Err(Fault::Misnumbered);
        }
        self.summary.records += 1;
        // All are of one form, in which the order of texts is that of times.
        if *link.time < *self.time {
            self.summary.back_at.get_or_insert(self.summary.records);
        }
        match said_of_the_end(line) {
            Some(Said::Repaired) => {
                self.summary.repaired_at = Some(self.summary.records);
                self.summary.repairs += 1;
                self.summary.closed_at = Some(self.summary.records);
            }
            Some(Said::Closed) => self.summary.closed_at = Some(self.summary.records),
            None => {}
        }
        self.time.clear();
        self.time.push_str(link.time);
        self.summary.last_hash = hash;
        self.summary.bytes += u64::try_from(line.len() + 1).expect("a line's length fits in 64 bits");
        Ok(())
    }

    fn begin(&mut self, link: &Link<'_>) -> Result<(), Fault> {
        match &self.sandbox {
            Some(sandbox) if sandbox.as_str() != link.sandbox => return Err(Fault::Foreign),
            Some(_same) => return Ok(()),
            None => {}
        }
        let sandbox = SandboxId::try_from(link.sandbox.to_owned()).map_err(|_not_an_id| Fault::Unknown)?;
        self.sandbox = Some(sandbox);
        // What stood before the first record that is kept cannot be checked here: the signed checkpoints cover it.
        if self.begins_late && self.summary.records == 0 {
            self.summary.records = link.sequence - 1;
            self.summary.first = link.sequence;
            self.summary.last_hash = link.prev;
        }
        Ok(())
    }
}

impl<S: Source> Iterator for Reader<S> {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read_record().transpose();
        self.ended = match &item {
            Some(Ok(_record)) => false,
            Some(Err(_)) => true,
            None => self.end == End::Final,
        };
        item
    }
}
