//! Whether a whole log is what was signed: chain, tree, checkpoints, signatures, together and in one pass.
//!
//! The chain alone can be made again by whoever can write the log; the checkpoints cannot, without the key. A log that was cut
//! back together with its checkpoints is found with a checkpoint that was kept elsewhere.

mod blocks;
mod consistency;
mod proof;
mod prover;
mod removed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::checkpoint::{self, Checkpoint, Note, NoteError, VerifyingKey};
use crate::log::{self, LogError, Mark, Reader, Segments, Summary};
use crate::tree::{Frontier, TreeHash, leaf};

pub use consistency::Consistency;
pub use proof::{Proof, ProofError};
pub use prover::{newest_note, prove, prove_consistency};
pub use removed::{Begun, FRONTIER, begin_removal, begun, end_removal};

/// Name of the file of signed notes in a log's directory.
pub const CHECKPOINTS: &str = "checkpoints";

/// A log that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it holds.
    pub summary: Summary,
    /// Checkpoints whose roots and signatures are right.
    pub checkpoints: usize,
    /// Those of them that cover removed records only, of which no more than the signature could be checked.
    pub before_kept: usize,
    /// Records under the first checkpoint whose root shows that the removed ones were those that were signed.
    pub removed_under: Option<u64>,
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
    /// The newest one is none.
    #[error("the newest checkpoint")]
    Newest {
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
    /// The first segments are gone, and nothing says how they were.
    #[error("the segments before {0} are gone, and what says how they were is not there")]
    Gone(u64),
    /// The first records are gone, and nobody who may remove them said so.
    #[error("the records up to {0} are gone, and no signed record of their removal is in the log")]
    Unrecorded(u64),
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
    let mut walk = Walk::new(&begun);
    let first = reader.next_line()?.map(|line| walk.look_at(line));
    let claims = claims(&notes, keys, reader.sandbox().map(wire::id::SandboxId::as_str))?;
    walk.check(&mut reader, first, &claims)?;
    let summary = reader.summary();
    let newest = claims.roots.last_key_value().map(|(size, _root)| *size);
    if let Some(signed) = newest.filter(|signed| *signed > summary.records) {
        return Err(VerifyError::Truncated { records: summary.records, signed });
    }
    let removed = begun.mark.sequence;
    // What stands behind the newest checkpoint may have been added by anybody.
    if removed > 0 && walk.recorded.is_none_or(|at| newest.is_some_and(|newest| newest < at)) {
        return Err(VerifyError::Unrecorded(removed));
    }
    Ok(Verified {
        summary,
        checkpoints: claims.count,
        before_kept: claims.roots.range(..removed).count(),
        removed_under: claims.roots.range(removed..).next().map(|(size, _root)| *size),
        newest: claims.newest,
        last,
    })
}

/// The newest checkpoint among these that `witness` has cosigned.
///
/// # Errors
/// A signature that bears its name is not its own.
pub fn cosigned(notes: &[Note], witness: &VerifyingKey) -> Result<Option<Checkpoint>, VerifyError> {
    let mut newest: Option<Checkpoint> = None;
    for (note, number) in notes.iter().zip(1..) {
        match note.checkpoint(witness) {
            Ok(checkpoint) if newest.as_ref().is_none_or(|newest| newest.size <= checkpoint.size) => {
                newest = Some(checkpoint);
            }
            Ok(_) | Err(NoteError::Unsigned(_)) => {}
            Err(source) => return Err(VerifyError::Note { number, source }),
        }
    }
    Ok(newest)
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
///
/// # Errors
/// None has, or a signature that bears the name of one is not its own.
pub fn signed(note: &Note, keys: &[VerifyingKey]) -> Result<Checkpoint, NoteError> {
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

/// On the way through the kept records.
struct Walk<'a> {
    begun: &'a Begun,
    tree: Frontier,
    /// Lines that were looked at.
    seen: u64,
    /// Number of the record that says that those before were removed.
    recorded: Option<u64>,
}

impl<'a> Walk<'a> {
    fn new(begun: &'a Begun) -> Self {
        Self { begun, tree: begun.frontier.clone(), seen: begun.mark.sequence, recorded: None }
    }

    fn look_at(&mut self, line: &[u8]) -> TreeHash {
        self.seen += 1;
        if self.begun.mark.sequence > 0 && self.recorded.is_none() && self.begun.is_recorded_in(line) {
            self.recorded = Some(self.seen);
        }
        leaf(line)
    }

    /// Reads to the end; at every size that was signed the tree must have the root that was signed.
    fn check(
        &mut self,
        reader: &mut Reader<Segments>,
        first: Option<TreeHash>,
        claims: &Claims,
    ) -> Result<(), VerifyError> {
        let mut since = self.tree.size() + 1;
        let mut next = first;
        loop {
            let size = self.tree.size();
            if let Some((_note, root)) = claims.roots.get(&size) {
                if self.tree.root() != *root {
                    return Err(VerifyError::Root { since, after: size });
                }
                since = size + 1;
            }
            let Some(leaf_in_hand) = next else { return Ok(()) };
            self.tree.push(leaf_in_hand);
            next = reader.next_line()?.map(|line| self.look_at(line));
        }
    }
}
