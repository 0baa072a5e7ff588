//! The log file: verified once, then only appended to.
//!
//! [`Journal::stage`] chains an event in memory; [`Journal::commit`] writes all that was staged with one
//! call. If that fails, the file is cut back to its last whole record and the journal is dead: the
//! numbers that were staged were never acknowledged and are gone with it. Only if the disk is full, and the operator lets
//! actions go on then ([`OnFull::Degrade`]), it lives on with a [`Gap`], which the next record that fits tells of.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use classify::redact::Redactor;
use rustix::fs::FallocateFlags;
use wire::audit::{Limits, LogResumed, OnFull};
use wire::id::SandboxId;

use super::clock::{Change, Clock, Clocks};
use super::gap::{self, Gap};
use super::line::{LEAF, Line, Place, Stamp};
use super::room::{NoRoom, Room};
use crate::chain::{self, ChainHash};
use crate::log::{Fault, LogError, Mark, Reader, Summary};
use crate::protocol::Receipt;
use crate::record::clients::WRITER;
use crate::record::{Action, Event, Origin, Shortening};

/// Bytes that are kept free behind the log, for the record of a gap and of the end.
const RESERVE: u64 = 4096;

/// A log that is open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Arc<File>,
    /// Whose it is, as every record says it: `"tenant":…,"sandbox":…,"agent":…`.
    origin: String,
    /// What is in the file.
    written: Summary,
    /// What will be in the file after the next commit.
    staged: Summary,
    lines: Vec<u8>,
    /// Leaves of the tree, one for each staged record.
    leaves: Vec<u8>,
    segment: Segment,
    /// Takes secrets and personal data out of what is staged.
    redactor: Redactor,
    /// Whether it can be written.
    state: State,
    /// What a full disk means, and when it is.
    on_full: OnFull,
    room: Room,
    /// Events without a record.
    lost: u64,
    clock: Clock,
    /// The same for every record of a batch: reading the clocks costs more than the hash.
    now: Option<Stamp>,
    /// Of what is staged: records that are nobody's event, and that the clock was set.
    own: u64,
    change: Option<Change>,
    /// The manager said how the sandbox ended.
    is_over: bool,
}

/// What the operator says of a log on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// What a full disk means.
    pub(crate) on_full: OnFull,
    /// From when on it counts as full.
    pub(crate) limits: Limits,
}

/// The file that is being written.
#[derive(Clone, Debug)]
struct Segment {
    /// Bytes of the log before it.
    before: u64,
    /// The day of its first record, as its time begins; empty if there is none.
    day: String,
}

/// Whether the log can be written.
#[derive(Debug)]
enum State {
    Writing,
    /// Not now.
    Full(Gap),
    /// A write failed: nothing is written any more.
    Dead,
}

/// Whether somebody may still hand something in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    Somebody,
    Nobody,
}

/// What became of an event that was staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staged {
    /// Its receipt is true after the next commit.
    Chained(Receipt),
    /// There is no room for it, and it goes on without a record.
    Lost,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// What was staged is in the file.
    Written,
    /// The disk is full; what was staged goes on without a record.
    Lost,
}

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read.
    #[error("cannot read the audit log")]
    Read(#[source] io::Error),
    /// It is another sandbox's.
    #[error("the audit log belongs to sandbox {0}")]
    Foreign(SandboxId),
    /// It was tampered with, or is not a log.
    #[error("the audit log is not whole")]
    NotWhole(#[source] LogError),
    /// What stands before the segment is not said as it must be.
    #[error("what stands before the audit log's segment has no hash")]
    Resumed(#[source] chain::NotAHash),
    /// Its unfinished last record cannot be taken off.
    #[error("cannot repair the audit log")]
    Repair(#[source] io::Error),
    /// It cannot be written.
    #[error("cannot write the audit log")]
    Write(#[source] io::Error),
    /// It may not grow.
    #[error("cannot write the audit log")]
    NoRoom(#[source] NoRoom),
    /// What was written could not be brought to the disk.
    #[error("cannot bring the audit log to the disk")]
    Sync(#[source] io::Error),
    /// An earlier write failed.
    #[error("the audit log failed before")]
    Dead,
}

/// Why one event cannot be recorded; the journal goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error("not an audit event")]
    NotAnEvent(#[source] serde_json::Error),
    #[error("a record of action {0}, or what it holds, is another process's to write")]
    Foreign(&'static str),
    #[error("the record is too long")]
    TooLong,
}

impl JournalError {
    /// What to do about it, in one line.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::NotWhole(_) => {
                "look at it with `openshell audit verify`, and move the file away: it is evidence"
            }
            Self::Foreign(_) => "give every sandbox a log of its own",
            Self::Resumed(_) => "install one version of all of openshell's programs",
            Self::Read(_) | Self::Repair(_) => "check the file's disk and permissions",
            Self::NoRoom(limit) => limit.remedy(),
            Self::Write(_) | Self::Sync(_) | Self::Dead => {
                "free space on the disk that holds the audit log: without a record nothing goes on"
            }
        }
    }
}

impl Journal {
    /// Reads the segment to its end. An unfinished last record, which a crash leaves, is taken off, and that is recorded, as it
    /// is that a log is gone on with.
    pub(crate) fn open(
        file: File,
        resumed: Option<&LogResumed>,
        origin: &Origin,
        terms: Terms,
        clocks: Box<dyn Clocks>,
    ) -> Result<Self, JournalError> {
        let length = file.metadata().map_err(JournalError::Read)?.len();
        let (summary, unfinished, owner) = verify(&file, length, &before(resumed)?)?;
        if let Some(owner) = owner.filter(|owner| *owner != origin.sandbox) {
            return Err(JournalError::Foreign(owner));
        }
        let mut journal = Self {
            file: Arc::new(file),
            origin: stamp(origin),
            written: summary,
            staged: summary,
            lines: Vec::new(),
            leaves: Vec::new(),
            segment: Segment { before: 0, day: String::new() },
            redactor: Redactor::new(),
            state: State::Writing,
            on_full: terms.on_full,
            room: Room::new(terms.limits),
            lost: 0,
            clock: Clock::new(clocks),
            now: None,
            own: 0,
            change: None,
            is_over: false,
        };
        if unfinished > 0 {
            journal.file.set_len(summary.bytes).map_err(JournalError::Repair)?;
        }
        if let Some(reason) = repaired(unfinished, resumed, summary.records) {
            let event = Event { reason: Some(reason), ..Event::new(Action::LogRepair) };
            journal.tell(&event);
            journal.commit()?;
            journal.file.sync_data().map_err(JournalError::Sync)?;
        }
        Ok(journal)
    }

    /// Number of records in the file.
    pub(crate) fn records(&self) -> u64 {
        self.written.records
    }

    /// Number of the last record whose leaf is not to be taken: those before it were there when the log was opened.
    pub(crate) fn before_leaves(&self) -> u64 {
        self.written.records - u64::try_from(self.leaves.len() / LEAF).expect("a batch fits in 64 bits")
    }

    /// The file, for bringing it to the disk.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Bytes of the present segment.
    fn length(&self) -> u64 {
        self.written.bytes - self.segment.before
    }

    /// Whether the present segment has `bytes`.
    pub(crate) fn is_larger_than(&self, bytes: u64) -> bool {
        self.length() >= bytes
    }

    /// Whether the present segment has `bytes`, or records of a day that is over. Asked between commits.
    pub(crate) fn is_full(&self, bytes: u64) -> bool {
        let length = self.length();
        let is_over = || self.segment.day != Stamp::of(&self.clock.read()).day();
        length >= bytes || (length > 0 && is_over())
    }

    /// Goes on in the next segment, an empty file. Between commits. The log's files before the present one take `others` bytes.
    pub(crate) fn go_on_in(&mut self, file: File, others: u64) {
        debug_assert!(self.lines.is_empty(), "what is staged belongs to the file before");
        self.room.go_on(self.length(), others);
        self.file = Arc::new(file);
        self.segment = Segment { before: self.written.bytes, day: String::new() };
        // What was kept free behind the one before is of no use here. If there is no room, the next write finds it as well.
        let _full = self.make_room(0);
    }

    /// The leaves of the records that the last commit wrote, 32 bytes each.
    pub(crate) fn take_leaves(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.leaves)
    }

    /// Bytes that wait for the next commit.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.lines.len()
    }

    /// Chains the event that `json` holds. Its receipt is true only after the next commit.
    pub(crate) fn stage(&mut self, client: &str, json: &[u8]) -> Result<Staged, StageError> {
        let mut event: Event = serde_json::from_slice(json).map_err(StageError::NotAnEvent)?;
        // A client that was given the writer's own name writes nothing.
        if client == WRITER || !event.is_of(client) {
            return Err(StageError::Foreign(event.action.as_str()));
        }
        // Where it has no record, a gap tells so.
        self.is_over |= event.is_end();
        if !self.may_fit() {
            self.lost += 1;
            return Ok(Staged::Lost);
        }
        event.redact(&self.redactor);
        let mut chained = self.chain(client, &event);
        for how in Shortening::ALL {
            if !matches!(chained, Err(StageError::TooLong)) {
                break;
            }
            event.shorten(how);
            chained = self.chain(client, &event);
        }
        chained.map(Staged::Chained)
    }

    /// Whether this event is to be tried. A batch begins with what the writer itself has to tell: that the clock was set, and of
    /// the gap, if there is one.
    fn may_fit(&mut self) -> bool {
        if !self.lines.is_empty() {
            return true;
        }
        if matches!(&self.state, State::Full(gap) if !gap.is_due()) {
            return false;
        }
        self.begin_batch();
        true
    }

    fn begin_batch(&mut self) {
        let (reading, change) = self.clock.look();
        self.now = Some(Stamp::of(&reading));
        self.change = change;
        if let Some(change) = change {
            self.tell(&change.event());
        }
        self.tell_of_gap();
    }

    /// Events without a record, since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Why there is no room now, if there is none.
    pub(crate) fn full(&self) -> Option<String> {
        match &self.state {
            State::Full(gap) => Some(gap.cause()),
            State::Writing | State::Dead => None,
        }
    }

    /// Tells of the gap, if there is one, and that nothing follows, if the manager said how the sandbox ended: a log whose manager
    /// was killed has no end until somebody closes it. Nothing is staged.
    pub(crate) fn end(&mut self, who: Writing) -> Result<(), JournalError> {
        let is_over = self.is_over && who == Writing::Nobody;
        let is_full = matches!(self.state, State::Full(_));
        if matches!(self.state, State::Dead) || !(is_over || is_full) {
            return Ok(());
        }
        self.begin_batch();
        if is_over {
            self.tell(&Event::new(Action::LogEnd));
        }
        // Where actions go on without a record, room was kept for these.
        let written = (&*self.file).write_all(&std::mem::take(&mut self.lines));
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            let _half = self.file.set_len(self.length());
            self.take_back();
            let goes_on = self.on_full == OnFull::Degrade && gap::is_full(&error) && !is_full;
            return if goes_on { Ok(()) } else { Err(JournalError::Write(error)) };
        }
        self.written = self.staged;
        self.state = State::Writing;
        Ok(())
    }

    fn tell_of_gap(&mut self) {
        let State::Full(gap) = &self.state else { return };
        let event = gap.event(self.lost);
        self.tell(&event);
    }

    /// Stages a record of the writer's own.
    fn tell(&mut self, event: &Event) {
        self.chain(WRITER, event).expect("an event of one line is a record");
        self.own += 1;
    }

    /// Writes everything that was staged.
    pub(crate) fn commit(&mut self) -> Result<Committed, JournalError> {
        self.now = None;
        if self.lines.is_empty() {
            let is_full = matches!(self.state, State::Full(_));
            return Ok(if is_full { Committed::Lost } else { Committed::Written });
        }
        if matches!(self.state, State::Dead) {
            return Err(JournalError::Dead);
        }
        let more = u64::try_from(self.lines.len()).expect("a batch's length fits in 64 bits");
        if let Err(limit) = self.room.look(&self.file, (self.length(), more)) {
            return self.stop_at(limit);
        }
        if let Err(full) = self.make_room(more) {
            self.lose_staged(full.to_string());
            return Ok(Committed::Lost);
        }
        let result = (&*self.file).write_all(&self.lines);
        self.lines.clear();
        match result {
            Ok(()) => {
                self.written = self.staged;
                self.own = 0;
                if let Some(change) = self.change.take() {
                    self.clock.told(change);
                }
                self.state = State::Writing;
                Ok(Committed::Written)
            }
            Err(error) => {
                // What was not acknowledged must not stand in the log. If even this fails, the next start
                // takes an unfinished record off; whole ones that nobody acted upon do no harm.
                let cut_back = self.file.set_len(self.length());
                let goes_on = self.on_full == OnFull::Degrade && gap::is_full(&error) && cut_back.is_ok();
                if !goes_on {
                    self.take_back();
                    self.state = State::Dead;
                    return Err(JournalError::Write(error));
                }
                self.lose_staged(error.to_string());
                Ok(Committed::Lost)
            }
        }
    }

    /// What was staged is not written, though the disk may have room for it. If nothing goes on without a record, the log says
    /// so: there is room for that.
    fn stop_at(&mut self, limit: NoRoom) -> Result<Committed, JournalError> {
        if self.on_full == OnFull::Degrade && !limit.is_the_logs_own() {
            self.lose_staged(limit.to_string());
            return Ok(Committed::Lost);
        }
        self.take_back();
        self.tell_of_gap();
        self.state = State::Dead;
        self.tell(&gap::last_word(&limit.to_string()));
        match (&*self.file).write_all(&std::mem::take(&mut self.lines)).and_then(|()| self.file.sync_data()) {
            Ok(()) => self.written = self.staged,
            // It is only a courtesy. Half of it is taken off when the log is closed.
            Err(_full) => {
                self.take_back();
                let _half = self.file.set_len(self.length());
            }
        }
        Err(JournalError::NoRoom(limit))
    }

    /// Where a log goes on while its disk is full, whoever follows it must not see what is taken back: room for all that is
    /// staged, and for what is told of a gap at the very end, is had before anything is written.
    fn make_room(&self, more: u64) -> io::Result<()> {
        if self.on_full == OnFull::Deny {
            return Ok(());
        }
        let length = more + RESERVE;
        match rustix::fs::fallocate(&*self.file, FallocateFlags::KEEP_SIZE, self.length(), length) {
            Err(error) if gap::is_full(&error.into()) => Err(error.into()),
            // A file system that cannot do that: it turns out when it is written.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What was staged is not in the file, and goes on without a record.
    fn lose_staged(&mut self, cause: String) {
        let events = self.take_back();
        let state = std::mem::replace(&mut self.state, State::Dead);
        let mut gap = match state {
            State::Full(gap) => gap,
            State::Writing | State::Dead => Gap::begin(self.lost, cause),
        };
        gap.try_later();
        self.lost += events;
        self.state = State::Full(gap);
    }

    /// Forgets what was staged, and says how many events that are.
    fn take_back(&mut self) -> u64 {
        let chained = self.staged.records - self.written.records;
        self.lines.clear();
        let leaves = usize::try_from(chained).expect("a batch fits in memory") * LEAF;
        self.leaves.truncate(self.leaves.len() - leaves);
        self.staged = self.written;
        if self.length() == 0 {
            self.segment.day.clear();
        }
        self.change = None;
        chained - std::mem::take(&mut self.own)
    }

    fn chain(&mut self, client: &str, event: &Event) -> Result<Receipt, StageError> {
        let stamp = self.now.get_or_insert_with(|| Stamp::of(&self.clock.read()));
        let sequence = self.staged.records + 1;
        let (origin, previous) = (self.origin.as_str(), self.staged.last_hash);
        let line = Line::of(event, client, Place { origin, sequence, previous, stamp })?;
        if self.segment.day.is_empty() {
            stamp.day().clone_into(&mut self.segment.day);
        }
        self.lines.extend_from_slice(&line.bytes);
        self.leaves.extend_from_slice(line.leaf.as_bytes());
        self.staged.records = sequence;
        self.staged.last_hash = line.hash;
        self.staged.bytes += u64::try_from(line.bytes.len()).expect("a line's length fits in 64 bits");
        Ok(Receipt { sequence, hash: line.hash })
    }

    /// Does once more what an event like this one takes, and keeps nothing of it: after a silence that is many times as long
    /// as in a sequence, and a moment before the next event it costs nobody anything.
    pub(crate) fn rehearse(&self, client: &str, json: &[u8]) {
        let Ok(mut event) = serde_json::from_slice::<Event>(json) else { return };
        event.redact(&self.redactor);
        let (origin, sequence, previous) = (self.origin.as_str(), self.staged.records, self.staged.last_hash);
        let stamp = &Stamp::of(&self.clock.read());
        drop(std::hint::black_box(Line::of(&event, client, Place { origin, sequence, previous, stamp })));
    }
}

fn stamp(origin: &Origin) -> String {
    let Origin { tenant, sandbox, agent } = origin;
    let agent = serde_json::Value::from(agent.as_str());
    format!("\"tenant\":\"{}\",\"sandbox\":\"{sandbox}\",\"agent\":{agent}", tenant.as_str())
}

/// What the first record of the segment follows.
fn before(resumed: Option<&LogResumed>) -> Result<Mark, JournalError> {
    let Some(resumed) = resumed else { return Ok(Mark::START) };
    let last_hash: ChainHash = resumed.last_hash.parse().map_err(JournalError::Resumed)?;
    Ok(Mark { sequence: resumed.records, last_hash, ..Mark::START })
}

/// What is told of how the log was found; `None`: as it should be.
fn repaired(unfinished: u64, resumed: Option<&LogResumed>, records: u64) -> Option<String> {
    let taken_off =
        (unfinished > 0).then(|| format!("an unfinished record of {unfinished} bytes was taken off the end"));
    let gone_on = resumed.map(|resumed| match resumed.signed {
        signed if signed >= records => {
            "gone on with after an interruption; all records were signed".to_owned()
        }
        signed => format!(
            "gone on with after an interruption; no checkpoint from before it covers records {} to {records}",
            signed + 1
        ),
    });
    let endless =
        resumed.filter(|resumed| !resumed.has_end && unfinished == 0 && records > 0).map(|_resumed| {
            format!("record {records} was not its end: whether something followed it, nothing shows")
        });
    let told: Vec<String> = taken_off.into_iter().chain(gone_on).chain(endless).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// What the file holds, the length of an unfinished record after it, and whose log it is.
fn verify(
    file: &File,
    length: u64,
    before: &Mark,
) -> Result<(Summary, u64, Option<SandboxId>), JournalError> {
    let mut from_start = file;
    from_start.seek(SeekFrom::Start(0)).map_err(JournalError::Read)?;
    let mut reader = Reader::new(BufReader::new(io::Read::take(from_start, length))).after(before);
    let end = reader.verify_here().err();
    let (summary, owner) = (reader.summary(), reader.sandbox().cloned());
    match end {
        None => Ok((summary, 0, owner)),
        Some(LogError::Bad { fault: Fault::Unfinished, .. }) => Ok((summary, length - summary.bytes, owner)),
        Some(LogError::Read { source, .. }) => Err(JournalError::Read(source)),
        Some(bad) => Err(JournalError::NotWhole(bad)),
    }
}
