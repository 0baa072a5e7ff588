//! The tree and its checkpoints.

use std::fs::File;
use std::io::{self, Write as _};

use audit::checkpoint::{Checkpoint, Note, NoteError};
use audit::tree::{Frontier, TreeHash};
use wire::audit::SignResumed;

use crate::key::{Key, KeyError};

/// Signs what a log has become. It knows no way back: leaves are only added.
#[derive(Debug)]
pub struct Notary {
    key: Key,
    origin: String,
    tree: Frontier,
    /// Leaves under the last checkpoint that was written.
    signed: u64,
}

impl Notary {
    /// For the log of `origin`, which is empty.
    #[must_use]
    pub fn new(key: Key, origin: String) -> Self {
        Self { key, origin, tree: Frontier::default(), signed: 0 }
    }

    /// For a log that is gone on with: nothing that this key has signed is taken back.
    ///
    /// # Errors
    /// The checkpoint is not ours, or not of this log, or the tree is another one.
    pub fn resumed(key: Key, origin: String, from: &SignResumed) -> Result<Self, ResumeError> {
        let tree: Frontier = serde_json::from_str(&from.tree).map_err(ResumeError::Tree)?;
        if !tree.is_sound() {
            return Err(ResumeError::Other);
        }
        let mut signed = 0;
        if let Some(note) = &from.note {
            let checkpoint = Note::parse(note).and_then(|note| note.checkpoint(key.public()))?;
            if (&checkpoint.origin, checkpoint.size, checkpoint.root) != (&origin, tree.size(), tree.root()) {
                return Err(ResumeError::Other);
            }
            signed = checkpoint.size;
        }
        Ok(Self { key, origin, tree, signed })
    }

    /// The next record's leaf.
    pub fn add(&mut self, leaf: TreeHash) {
        self.tree.push(leaf);
    }

    /// Whether there is something new to sign.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.tree.size() > self.signed
    }

    /// Leaves so far.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// A checkpoint of the log as it is.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn checkpoint(&self) -> Result<Note, KeyError> {
        let checkpoint =
            Checkpoint { origin: self.origin.clone(), size: self.tree.size(), root: self.tree.root() };
        let text = checkpoint.text();
        let signature = self.key.sign(&text)?;
        Ok(Note::unsigned(text).with(signature))
    }

    /// The same, appended to every file and on their disks.
    pub(crate) fn write(&mut self, files: &[File]) -> Result<(), WriteError> {
        let note = format!("{}\n", self.checkpoint()?);
        // One that cannot be written does not keep the others from having it.
        let written: Vec<io::Result<()>> = files.iter().map(|file| append(file, note.as_bytes())).collect();
        written.into_iter().collect::<io::Result<()>>().map_err(WriteError::Write)?;
        self.signed = self.tree.size();
        Ok(())
    }
}

/// Appends a whole note, or none of it: what comes after half of one could not be read.
fn append(mut file: &File, note: &[u8]) -> io::Result<()> {
    let length = file.metadata()?.len();
    let Err(failed) = file.write_all(note).and_then(|()| file.sync_data()) else { return Ok(()) };
    // Where half of one stays, no other may follow: that is more than a full disk.
    let stays =
        |error: io::Error| io::Error::other(format!("{failed}, and half a checkpoint stays: {error}"));
    file.set_len(length).map_err(stays)?;
    Err(failed)
}

/// Why a log cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The checkpoint is none of this key.
    #[error("the newest checkpoint of the log is not this key's")]
    Note(#[from] NoteError),
    /// The tree cannot be read.
    #[error("what is said of the log's tree is none")]
    Tree(#[source] serde_json::Error),
    /// The tree is not the one that was signed.
    #[error("the log is not the one that was signed")]
    Other,
}

/// Why there is no new checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It cannot be signed.
    #[error("cannot sign a checkpoint")]
    Sign(#[from] KeyError),
    /// It cannot be written.
    #[error("cannot write a checkpoint")]
    Write(#[source] io::Error),
}

impl WriteError {
    /// Whether there is only no room for it now.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Write(error) if audit::writer::is_full(error))
    }
}
