//! Whether a whole log is what was signed: chain, tree, checkpoints, signatures, together and in one pass.
//!
//! The chain alone can be made again by whoever can write the log; the checkpoints cannot, without the key. A log that was cut
//! back together with its checkpoints is found with a checkpoint that was kept elsewhere.

mod proof;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{self, Checkpoint, Note, NoteError, VerifyingKey};
use crate::log::{self, LogError, Mark, Reader, Segments, Summary};
use crate::tree::{Frontier, TreeHash, leaf};

pub use proof::{Proof, ProofError, prove};

/// Name of the file of signed notes in a log's directory.
pub const CHECKPOINTS: &str = "checkpoints";

/// Name of the file that says what was removed from a log's beginning.
pub const FRONTIER: &str = "frontier";

/// What a log's beginning was, before old segments were removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// Where the first record that is kept stands.
    pub mark: Mark,
    /// The tree over all before it.
    pub frontier: Frontier,
}

/// A log that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it holds.
    pub summary: Summary,
    /// Checkpoints whose roots and signatures are right.
    pub checkpoints: usize,
    /// Those of them that cover removed records only, of which no more than the signature could be checked.
    pub before_kept: usize,
    /// The newest.
    pub newest: Option<Checkpoint>,
    /// What stands behind it.
    pub last: LastNote,
}

/// What stands behind the last whole checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastNote {
    /// Nothing.
    Whole,
    /// Some bytes: the signer was stopped while it wrote, or they were edited.
    Unfinished,
}

/// Why a log is not what was signed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The records are not whole.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file beside them cannot be read.
    #[error("cannot read {0}")]
    Read(&'static str, #[source] io::Error),
    /// What says how it began is damaged.
    #[error("the file of what was removed is damaged")]
    Begun(#[source] serde_json::Error),
    /// A checkpoint is no signed one.
    #[error("checkpoint {number}")]
    Note {
        /// Its number in the file, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: NoteError,
    },
    /// A checkpoint is of another log.
    #[error("checkpoint {number} is of the log '{origin}'")]
    Origin {
        /// Its number in the file.
        number: usize,
        /// Whose it is.
        origin: String,
    },
    /// The records are others than those that were signed.
    #[error(
        "record {after} or one before it (from {since}) is not the one that was signed at {after} records"
    )]
    Root {
        /// First record that the checkpoint before does not cover.
        since: u64,
        /// Records that the checkpoint covers.
        after: u64,
    },
    /// Records that were signed are gone.
    #[error("the log ends at record {records}, and {signed} were signed: the end was cut off")]
    Truncated {
        /// Records that are there.
        records: u64,
        /// Records that were.
        signed: u64,
    },
}

/// What a log has beside its records.
#[derive(Clone, Debug, Default)]
struct Claims {
    /// Roots by size, with the number of the note.
    roots: BTreeMap<u64, (usize, TreeHash)>,
    newest: Option<Checkpoint>,
    count: usize,
}

/// How the log begins, as the file beside it says; from its start, if there is none.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub fn begun(log: &Path) -> Result<Begun, VerifyError> {
    let whole = Begun { mark: Mark::START, frontier: Frontier::default() };
    if !log.is_dir() {
        return Ok(whole);
    }
    match fs::read(log.join(FRONTIER)) {
        Ok(text) => {
            let begun: Begun = serde_json::from_slice(&text).map_err(VerifyError::Begun)?;
            if begun.frontier.is_sound() && begun.frontier.size() == begun.mark.sequence {
                return Ok(begun);
            }
            Err(VerifyError::Begun(serde::de::Error::custom("its sizes do not fit")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(whole),
        Err(error) => Err(VerifyError::Read(FRONTIER, error)),
    }
}

/// The notes in a log's directory.
///
/// # Errors
/// They cannot be read, or one of them is none.
pub fn notes(log: &Path) -> Result<(Vec<Note>, LastNote), VerifyError> {
    let text = match fs::read_to_string(log.join(CHECKPOINTS)) {
        Ok(text) => text,
        // A single file has none, nor has a log that nobody signed.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            String::new()
        }
        Err(error) => return Err(VerifyError::Read(CHECKPOINTS, error)),
    };
    let (notes, rest) =
        Note::parse_all(&text).map_err(|(number, source)| VerifyError::Note { number, source })?;
    Ok((notes, if rest.is_empty() { LastNote::Whole } else { LastNote::Unfinished }))
}

/// Verifies a log against its checkpoints, and against `others` that were kept elsewhere. A checkpoint must be signed by one
/// of `keys`.
///
/// # Errors
/// The first thing that is not as it was signed.
pub fn verify(log: &Path, keys: &[VerifyingKey], others: &[Note]) -> Result<Verified, VerifyError> {
    let begun = begun(log)?;
    let mut reader = open(log, &begun)?;
    let (mut notes, last) = notes(log)?;
    notes.extend_from_slice(others);
    let first = reader.next_line()?.map(leaf);
    let claims = claims(&notes, keys, reader.sandbox().map(wire::id::SandboxId::as_str))?;
    let before_kept = claims.roots.range(..begun.frontier.size()).count();
    check(&mut reader, (begun.frontier, first), &claims)?;
    let summary = reader.summary();
    if let Some((&signed, _)) = claims.roots.last_key_value()
        && signed > summary.records
    {
        return Err(VerifyError::Truncated { records: summary.records, signed });
    }
    Ok(Verified { summary, checkpoints: claims.count, before_kept, newest: claims.newest, last })
}

fn open(log: &Path, begun: &Begun) -> Result<Reader<Segments>, VerifyError> {
    let reader = if begun.mark == Mark::START { log::read(log) } else { log::read_from(log, &begun.mark) };
    Ok(reader?)
}

fn claims(notes: &[Note], keys: &[VerifyingKey], sandbox: Option<&str>) -> Result<Claims, VerifyError> {
    let mut claims = Claims::default();
    for (note, number) in notes.iter().zip(1..) {
        let checkpoint = signed(note, keys).map_err(|source| VerifyError::Note { number, source })?;
        if sandbox.is_some_and(|sandbox| checkpoint.origin != checkpoint::origin(sandbox)) {
            return Err(VerifyError::Origin { number, origin: checkpoint.origin });
        }
        let (size, root) = (checkpoint.size, checkpoint.root);
        let (_first, known) = *claims.roots.entry(size).or_insert((number, root));
        if known != root {
            return Err(VerifyError::Root { since: 1, after: size });
        }
        claims.count += 1;
        if claims.newest.as_ref().is_none_or(|newest| newest.size <= size) {
            claims.newest = Some(checkpoint);
        }
    }
    Ok(claims)
}

/// The checkpoint in a note that one of the keys has signed.
fn signed(note: &Note, keys: &[VerifyingKey]) -> Result<Checkpoint, NoteError> {
    let mut refused = NoteError::Unsigned(keys.iter().map(VerifyingKey::name).collect::<Vec<_>>().join(", "));
    for key in keys {
        match note.checkpoint(key) {
            Err(NoteError::Unsigned(_)) => {}
            Err(other) => refused = other,
            checkpoint => return checkpoint,
        }
    }
    Err(refused)
}

/// Reads to the end; at every size that was signed the tree must have the root that was signed.
fn check(
    reader: &mut Reader<Segments>,
    (mut tree, first): (Frontier, Option<TreeHash>),
    claims: &Claims,
) -> Result<(), VerifyError> {
    let mut since = tree.size() + 1;
    let mut next = first;
    loop {
        if let Some((_note, root)) = claims.roots.get(&tree.size()) {
            if tree.root() != *root {
                return Err(VerifyError::Root { since, after: tree.size() });
            }
            since = tree.size() + 1;
        }
        let Some(leaf_in_hand) = next else { return Ok(()) };
        tree.push(leaf_in_hand);
        next = reader.next_line()?.map(leaf);
    }
}
