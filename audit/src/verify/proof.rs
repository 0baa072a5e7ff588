//! A proof that one record is in a signed log, for somebody who has neither the log nor access to it.
//!
//! The form is C2SP's `tlog-proof`; its `extra` line carries the record:
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <Base64 of the record's line>
//! index 41                             records before it
//! <hash of the path, Base64>           as many as it takes
//!
//! <the signed checkpoint>
//! ```

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{VerifyError, begun, notes, open, signed};
use crate::chain;
use crate::checkpoint::{Checkpoint, Note, NoteError, VerifyingKey, origin};
use crate::record::Record;
use crate::tree::{Collector, TreeHash, Wrong, check_inclusion, leaf};

const HEAD: &str = "c2sp.org/tlog-proof@v1";

/// Most hashes on a path: a tree of 2⁶⁴ leaves.
const MOST_HASHES: usize = 64;

/// A record with the way from it to a signed root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub(super) line: Vec<u8>,
    pub(super) index: u64,
    pub(super) path: Vec<TreeHash>,
    pub(super) note: Note,
}

/// Why there is no proof, or why it proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The log is not whole.
    #[error(transparent)]
    Log(#[from] VerifyError),
    /// The record is not in the log.
    #[error("there is no record {0}")]
    NoRecord(u64),
    /// It was removed, or so much before it that its path cannot be made any more.
    #[error("records before {0} were removed: a proof needs all of them")]
    Removed(u64),
    /// No checkpoint covers it yet.
    #[error("no checkpoint covers record {0}")]
    Unsigned(u64),
    /// It has not the form of a proof.
    #[error("not a proof: {0}")]
    Form(&'static str),
    /// Its checkpoint is not signed by the key.
    #[error("the checkpoint in it")]
    Note(#[from] NoteError),
    /// The path leads elsewhere.
    #[error("it proves nothing")]
    Path(#[from] Wrong),
    /// What is proved is no record of that number in that log.
    #[error("what it proves is not record {0} of that log")]
    Record(u64),
}

/// Proves record `sequence` by the newest checkpoint in the log that one of `keys` signed.
///
/// # Errors
/// There is no such record, or nothing signed covers it.
pub fn prove(log: &Path, sequence: u64, keys: &[VerifyingKey]) -> Result<Proof, ProofError> {
    let begun = begun(log)?;
    if begun.mark.sequence > 0 {
        return Err(ProofError::Removed(begun.mark.sequence + 1));
    }
    let index = sequence.checked_sub(1).ok_or(ProofError::NoRecord(sequence))?;
    let mut newest: Option<(u64, Note)> = None;
    for note in notes(log)?.0 {
        let size = signed(&note, keys)?.size;
        if newest.as_ref().is_none_or(|(newest, _)| *newest <= size) {
            newest = Some((size, note));
        }
    }
    let mut reader = open(log, &begun)?;
    let covering = newest.filter(|(size, _note)| *size >= sequence);
    let Some((size, note)) = covering else {
        let summary = reader.verify_here().map_err(VerifyError::from)?;
        let exists = sequence <= summary.records;
        return Err(if exists { ProofError::Unsigned(sequence) } else { ProofError::NoRecord(sequence) });
    };
    let mut collector = Collector::inclusion(index, size).ok_or(ProofError::NoRecord(sequence))?;
    let mut line = Vec::new();
    for at in 0..size {
        let read = reader.next_line().map_err(VerifyError::from)?;
        let read = read.ok_or(VerifyError::Truncated { records: at, signed: size })?;
        collector.leaf(leaf(read));
        if at == index {
            line = read.to_vec();
        }
    }
    let path = collector.proof().ok_or(ProofError::NoRecord(sequence))?;
    Ok(Proof { line, index, path, note })
}

impl Proof {
    /// Checks everything with nothing but the key, and returns the record.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, keys: &[VerifyingKey]) -> Result<(Record, Checkpoint), ProofError> {
        let checkpoint = signed(&self.note, keys)?;
        check_inclusion(leaf(&self.line), (self.index, checkpoint.size), &self.path, checkpoint.root)?;
        let wrong = || ProofError::Record(self.index + 1);
        chain::check(&self.line).ok_or_else(wrong)?;
        let record: Record = serde_json::from_slice(&self.line).map_err(|_not_one| wrong())?;
        if record.sequence != self.index + 1 || checkpoint.origin != origin(record.sandbox.as_str()) {
            return Err(wrong());
        }
        Ok((record, checkpoint))
    }

    /// The record's bytes as they stand in the log.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.line
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nextra {}\nindex {}", BASE64.encode(&self.line), self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let (head, note) =
            text.split_once("\n\n").ok_or(ProofError::Form("no empty line stands before the checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(ProofError::Form("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let line = lines.next().and_then(|line| BASE64.decode(line.strip_prefix("extra ")?).ok());
        let line = line.ok_or(ProofError::Form("its second line does not hold the record"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        let index = index.ok_or(ProofError::Form("its third line does not say which record"))?;
        let mut path = Vec::new();
        for line in lines {
            let hash = BASE64.decode(line).ok().and_then(|hash| hash.try_into().ok());
            path.push(TreeHash::from_bytes(
                hash.ok_or(ProofError::Form("a hash is not 32 bytes of Base64"))?,
            ));
            if path.len() > MOST_HASHES {
                return Err(ProofError::Form("it has more hashes than any path"));
            }
        }
        Ok(Self { line, index, path, note: Note::parse(note)? })
    }
}
