//! Whether a whole log is what was signed: chain, tree, checkpoints, signatures, together and in one pass.
//!
//! The chain alone can be made again by whoever can write the log; the checkpoints cannot, without the key. A log that was cut
//! back together with its checkpoints is found with a checkpoint that was kept elsewhere.

mod blocks;
mod claims;
mod consistency;
mod coverage;
mod interrupted;
mod notes;
mod proof;
mod prover;
mod removed;
mod tail;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::{Checkpoint, Note, NoteError, VerifyingKey};
use crate::log::{self, LogError, Mark, Reader, Segments, Summary};
use crate::tree::{Frontier, TreeHash, leaf};

use wire::id::SandboxId;

use claims::{Claims, Signed};

pub use consistency::Consistency;
pub use coverage::{Unproven, Writer, patience, writers_patience};
pub use interrupted::{Interrupted, Looks, last_moment, looks};
pub use notes::{LastNote, Notes};
pub use proof::{Proof, ProofError};
pub use prover::{newest_note, prove, prove_consistency};
pub use removed::{Begun, FRONTIER, begin_removal, begun, end_removal};
pub use tail::Tail;

/// Name of the file of signed notes in a log's directory.
pub const CHECKPOINTS: &str = "checkpoints";

/// What is known of a log's checkpoints beside its own file of them.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// Some that were kept elsewhere.
    pub notes: Vec<Note>,
    /// Files that the signer writes as well.
    pub copies: Vec<PathBuf>,
}

/// A log that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it holds.
    pub summary: Summary,
    /// Whose it is, as its first record says; `None`: it has no record.
    pub sandbox: Option<SandboxId>,
    /// Checkpoints whose roots and signatures are right.
    pub checkpoints: usize,
    /// Those of them that cover removed records only, of which no more than the signature could be checked.
    pub before_kept: usize,
    /// Records under the first checkpoint whose root shows that the removed ones were those that were signed.
    pub removed_under: Option<u64>,
    /// The newest.
    pub newest: Option<Checkpoint>,
    /// Records under the newest in the log's own file.
    pub own: Option<u64>,
    /// The copy of the checkpoints that knows most, and how many records its newest covers.
    pub copy: Option<(PathBuf, u64)>,
    /// Time of the first record that no checkpoint covers.
    pub unsigned_since: Option<String>,
    /// What stands behind the last one in the log's own file.
    pub last: LastNote,
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
    /// A checkpoint covers fewer records than the one before it.
    #[error("checkpoint {number} covers fewer records than the one before it: the file was edited")]
    Order {
        /// Its number in the file.
        number: usize,
    },
    /// One in a copy is wrong.
    #[error("the copy {}", path.display())]
    Copy {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<VerifyError>,
    },
    /// One that was kept elsewhere is wrong, or says something else than another.
    #[error("among the checkpoints that were kept elsewhere")]
    Elsewhere(#[source] Box<VerifyError>),
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
    /// It lies where the log of another sandbox belongs.
    #[error("it is the log of {0}, in the place of another")]
    Other(SandboxId),
    /// The first segments are gone, and nothing says how they were.
    #[error("the segments before {0} are gone, and what says how they were is not there")]
    Gone(u64),
    /// The first records are gone, and nobody who may remove them said so.
    #[error("the records up to {0} are gone, and no signed record of their removal is in the log")]
    Unrecorded(u64),
    /// No writer leaves such a record.
    #[error("record {0} is none that the log's writer takes from the process that it bears")]
    Foreign(u64),
    /// Records that were signed are gone.
    #[error("the log ends at record {records}, and {signed} were signed: the end was cut off")]
    Truncated {
        /// Records that are there.
        records: u64,
        /// Records that were.
        signed: u64,
    },
}

/// Verifies a log against its checkpoints, their copies and those that were kept `elsewhere`. A checkpoint must be signed by one
/// of `keys`. Whether they cover enough is asked of what is returned: [`Verified::unproven`].
///
/// # Errors
/// The first thing that is not as it was signed.
pub fn verify(log: &Path, keys: &[VerifyingKey], elsewhere: &Elsewhere) -> Result<Verified, VerifyError> {
    let begun = begun(log)?;
    let mut reader = open(log, &begun)?;
    let mut walk = Walk::new(&begun);
    let first = walk.next(&mut reader)?;
    let mut claims = Claims::new(log, elsewhere, keys, reader.sandbox().map(SandboxId::as_str))?;
    let removed = begun.mark.sequence;
    let before_kept = claims.pass_below(removed)?;
    walk.check(&mut reader, first, &mut claims)?;
    let (summary, sandbox) = (reader.summary(), reader.sandbox().cloned());
    let Signed { count: checkpoints, newest, own, copy, last } = claims.finish()?;
    let signed = newest.as_ref().map(|newest| newest.size);
    if let Some(signed) = signed.filter(|signed| *signed > summary.records) {
        return Err(VerifyError::Truncated { records: summary.records, signed });
    }
    // What stands behind the newest checkpoint may have been added by anybody.
    if removed > 0 && walk.recorded.is_none_or(|at| signed.is_some_and(|signed| signed < at)) {
        return Err(VerifyError::Unrecorded(removed));
    }
    let (removed_under, unsigned_since) = (walk.first_signed, walk.unsigned_since);
    Ok(Verified {
        summary,
        sandbox,
        checkpoints,
        before_kept,
        removed_under,
        newest,
        own,
        copy,
        unsigned_since,
        last,
    })
}

/// The newest checkpoint among these that `witness` has cosigned.
///
/// # Errors
/// A signature that bears its name is not its own, or one of these cannot be read.
pub fn cosigned(
    notes: impl IntoIterator<Item = Result<Note, VerifyError>>,
    witness: &VerifyingKey,
) -> Result<Option<Checkpoint>, VerifyError> {
    let mut newest: Option<Checkpoint> = None;
    for (note, number) in notes.into_iter().zip(1..) {
        match note?.checkpoint(witness) {
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
    /// The first size that was signed.
    first_signed: Option<u64>,
    /// Time of the first record behind the last size that was signed.
    unsigned_since: Option<String>,
}

impl<'a> Walk<'a> {
    fn new(begun: &'a Begun) -> Self {
        Self {
            begun,
            tree: begun.frontier.clone(),
            seen: begun.mark.sequence,
            recorded: None,
            first_signed: None,
            unsigned_since: None,
        }
    }

    /// The leaf of the next record.
    fn next(&mut self, reader: &mut Reader<Segments>) -> Result<Option<TreeHash>, VerifyError> {
        let Some(line) = reader.next_line()? else { return Ok(None) };
        self.seen += 1;
        if self.begun.mark.sequence > 0 && self.recorded.is_none() && self.begun.is_recorded_in(line) {
            self.recorded = Some(self.seen);
        }
        Ok(Some(leaf(line)))
    }

    /// Reads to the end; at every size that was signed the tree must have the root that was signed.
    fn check(
        &mut self,
        reader: &mut Reader<Segments>,
        first: Option<TreeHash>,
        claims: &mut Claims<'_>,
    ) -> Result<(), VerifyError> {
        let mut since = self.tree.size() + 1;
        let mut next = first;
        loop {
            if claims.check(&self.tree, since)? {
                self.first_signed.get_or_insert(self.tree.size());
                since = self.tree.size() + 1;
                self.unsigned_since = None;
            }
            let Some(leaf_in_hand) = next else { return Ok(()) };
            self.unsigned_since.get_or_insert_with(|| reader.time().to_owned());
            self.tree.push(leaf_in_hand);
            next = self.next(reader)?;
        }
    }
}
