//! What a crash left of a log, so that a writer and a signer can go on with it.
//!
//! Nothing that is wrong is taken for a crash: up to the last whole record the log must be what was signed, and only the end of
//! its last segment and of the files of checkpoints may be unfinished. What no checkpoint covers anybody may have written; the
//! writer records from where on that is so.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wire::audit::{LogResumed, SignResumed};
use wire::id::{SandboxId, TenantId};

use super::claims::{Claims, Signed};
use super::tail::Tail;
use super::{Elsewhere, LastNote, Notes, VerifyError, begun, newest_note, open};
use crate::checkpoint::VerifyingKey;
use crate::log::{self, Fault, LastLine, LogError, Mark, Position, Reader, Segments, packed, segments};
use crate::record::{Action, Record};
use crate::tree::{Frontier, TreeHash, leaf};

/// A log as its writer left it.
#[derive(Debug)]
pub struct Interrupted {
    /// The log.
    pub log: PathBuf,
    /// Number of the segment that is gone on with.
    pub segment: u64,
    /// What the writer has to know.
    pub writer: LogResumed,
    /// What the signer has to know.
    pub signer: SignResumed,
    /// The leaves since the newest checkpoint, which the signer gets first.
    pub leaves: Vec<TreeHash>,
    /// Whole records.
    pub records: u64,
    /// Whether the beginning of another stands behind them.
    pub is_unfinished: bool,
    /// Whose log it is: sandbox, tenant, agent. `None`: it has no record.
    pub owner: Option<(SandboxId, TenantId, String)>,
    /// Whether its last record ends it.
    pub has_end: bool,
    checkpoints: LastNote,
    /// Where the records begin that no checkpoint covers.
    unsigned: Mark,
}

impl Interrupted {
    /// Reads a log to its end, beside the `copies` of its checkpoints.
    ///
    /// # Errors
    /// It is not what was signed, or not whole, or a copy knows of more than the log's own checkpoints.
    pub fn read(log: &Path, copies: &[PathBuf], keys: &[VerifyingKey]) -> Result<Self, VerifyError> {
        let failed = |error| VerifyError::Read("the log", error);
        let numbers = segments::list(log).map_err(failed)?;
        let begun = begun(log)?;
        let mut reader = open(log, &begun)?;
        let mut walk = Walk::new(&begun.frontier, &begun.mark);
        let first = walk.next(&mut reader)?;
        let sandbox = reader.sandbox().map(SandboxId::as_str);
        let mut claims =
            Claims::new(log, &Elsewhere { notes: Vec::new(), copies: copies.to_vec() }, keys, sandbox)?;
        // Without a checkpoint there is nothing that the signer could hold the tree to, and it needs no leaf.
        walk.collects = claims.is_any();
        claims.pass_below(begun.mark.sequence)?;
        walk.check(&mut reader, first, &mut claims)?;
        let (owner, summary) = (walk.owner.take(), reader.summary());
        let records = summary.records;
        let note = claims.passed().map(|(_checkpoint, note)| note.to_string());
        let Signed { newest, own, last: checkpoints, .. } = claims.finish()?;
        let signed = newest.map_or(0, |newest| newest.size);
        if signed > own.unwrap_or(0) {
            let what =
                "a copy of the checkpoints knows more than the log's own file: some were taken out of it";
            return Err(VerifyError::Read(
                "the checkpoints",
                io::Error::new(io::ErrorKind::InvalidData, what),
            ));
        }
        // Whether their removal is on a signed record only a whole log shows.
        if begun.mark.sequence > 0 {
            let what = "its first records were removed";
            return Err(VerifyError::Read("the log", io::Error::new(io::ErrorKind::Unsupported, what)));
        }
        if signed > records {
            return Err(VerifyError::Truncated { records, signed });
        }
        let segment = walk.goes_on_in(log, &numbers, reader.mark()).map_err(failed)?;
        let last_hash = segment.last_hash.to_string();
        let tree = if walk.collects { walk.signed } else { walk.tree };
        let tree = serde_json::to_string(&tree).expect("a tree of hashes is JSON");
        Ok(Self {
            log: log.to_owned(),
            segment: segment.position.segment,
            writer: LogResumed { records: segment.sequence, last_hash, signed, has_end: summary.has_end() },
            signer: SignResumed { note, tree },
            leaves: walk.leaves,
            records,
            is_unfinished: walk.is_unfinished,
            owner,
            has_end: summary.has_end(),
            checkpoints,
            unsigned: walk.unsigned,
        })
    }

    /// What the records are that no checkpoint covers. A crash explains no more than [`super::patience`] of them.
    ///
    /// # Errors
    /// They cannot be read, or one is none that a writer leaves, however it ended.
    pub fn unsigned(&self) -> Result<Tail, VerifyError> {
        match &self.owner {
            Some(owner) => super::tail::read(&self.log, &self.unsigned, owner),
            None => Ok(Tail::default()),
        }
    }

    /// Whether the log ended as it should: nothing is unfinished, and all is signed if anything is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let all_signed = self.signer.note.is_none() || self.writer.signed == self.records;
        !self.is_unfinished && all_signed && self.checkpoints == LastNote::Whole
    }

    /// Clears away what nobody reads: an empty segment behind the last one, halves of checkpoints in the log's file and its
    /// `copies`, and a segment that was being packed. Opens the segment that is gone on with.
    ///
    /// # Errors
    /// The disk does not do it, or another writer has the log.
    pub fn settle(&self, copies: &[PathBuf]) -> io::Result<File> {
        // Before anything is changed: what stands behind must be nobody's and nothing.
        let behind = segments::list(&self.log)?.into_iter().filter(|number| *number > self.segment);
        let mut empty = Vec::new();
        for number in behind {
            let path = self.log.join(segments::name(number));
            let file = File::options().read(true).append(true).open(&path)?;
            file.try_lock()?;
            if file.metadata()?.len() > 0 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a segment came while the log was read",
                ));
            }
            empty.push((path, file));
        }
        let segment = self.log.join(segments::name(self.segment));
        let file = File::options().read(true).append(true).create(true).mode(0o600).open(segment)?;
        file.try_lock()?;
        for number in segments::list(&self.log)? {
            if number < self.segment && self.log.join(segments::name(number)).exists() {
                packed::pack(&self.log, number)?;
            }
        }
        for (path, _locked) in empty {
            fs::remove_file(path)?;
        }
        File::open(&self.log)?.sync_all()?;
        for file in std::iter::once(&self.log.join(super::CHECKPOINTS)).chain(copies) {
            cut_off_half(file)?;
        }
        // What it holds is signed next: a killed writer leaves records that the disk does not have yet.
        file.sync_all()?;
        Ok(file)
    }
}

/// Takes off what stands behind the last whole checkpoint: what comes after half of one could not be read.
fn cut_off_half(checkpoints: &Path) -> io::Result<()> {
    let mut notes = Notes::in_file(checkpoints).map_err(io::Error::other)?;
    for note in &mut notes {
        note.map_err(io::Error::other)?;
    }
    if notes.behind() == LastNote::Whole {
        return Ok(());
    }
    let file = File::options().write(true).open(checkpoints)?;
    file.set_len(notes.end())?;
    file.sync_all()
}

/// What a log's end looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// As it should.
    Ended,
    /// All is signed, and nothing ends it: its sandbox was killed, or it was cut back together with its checkpoints.
    Endless,
    /// As if its writer or its signer had not come to theirs.
    Interrupted,
}

/// What a log's end looks like. Cheap: the last record and the newest checkpoint are read.
///
/// # Errors
/// They cannot be read.
pub fn looks(log: &Path) -> Result<Looks, VerifyError> {
    let last = log::last_line(log).map_err(|error| VerifyError::Read("the log", error))?;
    let line = match last {
        None => return Ok(Looks::Ended),
        Some(LastLine { is_unfinished: true, .. }) => return Ok(Looks::Interrupted),
        Some(LastLine { line, is_unfinished: false }) => line,
    };
    // What is wrong with it, reading the log tells.
    let Ok(record) = serde_json::from_slice::<Record>(&line) else { return Ok(Looks::Interrupted) };
    let newest = newest_note(log)?;
    let covered = newest.and_then(|note| crate::checkpoint::Checkpoint::parse(note.text()).ok());
    // Without any: nobody signs here, or somebody was stopped in the first second.
    if covered.is_none_or(|covered| covered.size < record.sequence) {
        return Ok(Looks::Interrupted);
    }
    let is_end = matches!(record.event.action, Action::LogEnd | Action::LogRepair);
    Ok(if is_end { Looks::Ended } else { Looks::Endless })
}

/// When the last whole record of a log was written, as it bears it; `None`: there is none, or none that says so. Cheap, and so not
/// held against the chain.
///
/// # Errors
/// The log cannot be read.
pub fn last_moment(log: &Path) -> Result<Option<SystemTime>, VerifyError> {
    let last = log::last_line(log).map_err(|error| VerifyError::Read("the log", error))?;
    let record = last.and_then(|last| serde_json::from_slice::<Record>(&last.line).ok());
    Ok(record.and_then(|record| log::moment(&record.time)))
}

/// On the way through the records.
struct Walk {
    tree: Frontier,
    /// The tree under the newest checkpoint, and the leaves since.
    signed: Frontier,
    leaves: Vec<TreeHash>,
    collects: bool,
    /// Where the present segment begins, and what stands before it.
    segment: Mark,
    /// Where the record in hand begins, and the first one behind the newest checkpoint.
    at: Mark,
    unsigned: Mark,
    is_unfinished: bool,
    owner: Option<(SandboxId, TenantId, String)>,
}

impl Walk {
    fn new(tree: &Frontier, segment: &Mark) -> Self {
        let (signed, tree) = (tree.clone(), tree.clone());
        Self {
            tree,
            signed,
            leaves: Vec::new(),
            collects: false,
            segment: *segment,
            at: *segment,
            unsigned: *segment,
            is_unfinished: false,
            owner: None,
        }
    }

    /// The segment to go on in, and what stands before it: the present one, or an empty one behind it. `end`: behind the last
    /// whole record.
    fn goes_on_in(&self, log: &Path, numbers: &[u64], end: Mark) -> io::Result<Mark> {
        let present = self.segment.position.segment;
        for number in numbers.iter().filter(|number| **number > present) {
            if fs::metadata(log.join(segments::name(*number)))?.len() > 0 {
                let what = "a segment stands behind one that ends within a record: no writer leaves that";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        if self.is_unfinished || log.join(segments::name(present)).exists() {
            return Ok(self.segment);
        }
        // It was closed and is packed.
        Ok(Mark { position: Position { segment: present + 1, offset: 0 }, ..end })
    }

    /// The leaf of the next whole record.
    fn next(&mut self, reader: &mut Reader<Segments>) -> Result<Option<TreeHash>, VerifyError> {
        let before = reader.mark();
        self.at = before;
        let line = match reader.next_line() {
            Ok(line) => line.map(leaf),
            Err(LogError::Bad { fault: Fault::Unfinished, .. }) => {
                self.is_unfinished = true;
                None
            }
            Err(error) => return Err(error.into()),
        };
        let position = reader.at();
        if position.segment > self.segment.position.segment {
            self.segment = Mark { position, ..before };
        }
        if line.is_some() && self.owner.is_none() {
            let record: Option<Record> = serde_json::from_slice(reader.line()).ok();
            self.owner = record.map(|record| (record.sandbox, record.tenant, record.agent));
        }
        Ok(line)
    }

    fn check(
        &mut self,
        reader: &mut Reader<Segments>,
        first: Option<TreeHash>,
        claims: &mut Claims<'_>,
    ) -> Result<(), VerifyError> {
        let mut next = first;
        let mut since = self.tree.size() + 1;
        loop {
            if claims.check(&self.tree, since)? {
                since = self.tree.size() + 1;
                self.signed = self.tree.clone();
                self.unsigned = self.at;
                self.leaves.clear();
            }
            let Some(leaf) = next else { return Ok(()) };
            self.tree.push(leaf);
            if self.collects {
                self.leaves.push(leaf);
            }
            next = self.next(reader)?;
        }
    }
}
