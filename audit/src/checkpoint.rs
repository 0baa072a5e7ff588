//! Signed checkpoints: how many records a log held, and the root of the tree over them, in the form of the transparency
//! logs of the field (C2SP `tlog-checkpoint`, in a C2SP `signed-note`), so that their tools read ours.
//!
//! ```text
//! openshell-audit/notes-0a1b2c3d           whose log: the origin
//! 1042                                     number of records
//! qINS1GRFpcWyzdkIVrCC5s1bYC3bYHqQ8…=      root hash, Base64
//!
//! — openshell-audit M0Bx3…=                name of the key, Base64 of its 4-byte id and the signature
//! ```
//! The signature is Ed25519 over the text with the line end before the empty line. Signatures by other keys, such as those
//! of witnesses, may follow; they are kept, and checked by whoever has their keys.

mod key;
mod pem;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::tree::TreeHash;

pub use key::{Algorithm, KeyError, VerifyingKey, is_name};
pub use pem::{PemError, new_pem, public, read_pem};

/// What stands before the sandbox in the origin of its log.
const ORIGIN: &str = "openshell-audit/";

/// Longest note that is read.
pub const MAX_NOTE: usize = 16 * 1024;

/// A log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose log.
    pub origin: String,
    /// Number of records.
    pub size: u64,
    /// Root of the tree over them.
    pub root: TreeHash,
}

/// A text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    pub(crate) signatures: Vec<Signature>,
}

/// A signature as it stands in a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What the key is called.
    pub name: String,
    /// Which of the keys of that name.
    pub id: [u8; 4],
    /// The signature.
    pub bytes: Vec<u8>,
}

/// Why a text is not a checkpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoteError {
    /// It has not the form of a note.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// It has not the form of a checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    /// The key has not signed it.
    #[error("not signed by the key {0}")]
    Unsigned(String),
    /// A signature that bears the key's name and id is not the key's.
    #[error("the signature of the key {0} is wrong")]
    Forged(String),
}

/// The origin of a sandbox's log.
#[must_use]
pub fn origin(sandbox: &str) -> String {
    format!("{ORIGIN}{sandbox}")
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.as_bytes()))
    }

    /// Reads the text of a note. Further lines (extensions) are permitted and mean nothing here.
    ///
    /// # Errors
    /// It is no checkpoint.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let mut line = |what| lines.next().filter(|line| !line.is_empty()).ok_or(NoteError::Checkpoint(what));
        let origin = line("it has no origin")?.to_owned();
        let digits = line("it has no size")?;
        let plain =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        let size = digits
            .parse()
            .ok()
            .filter(|_size| plain)
            .ok_or(NoteError::Checkpoint("its size is no number"))?;
        let root = BASE64.decode(line("it has no root hash")?).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or(NoteError::Checkpoint("its root hash is not 32 bytes of Base64"))?;
        Ok(Self { origin, size, root: TreeHash::from_bytes(root) })
    }
}

impl Note {
    /// A note of this text, which ends with a line end, without signatures.
    #[must_use]
    pub fn unsigned(text: String) -> Self {
        Self { text, signatures: Vec::new() }
    }

    /// Adds a signature.
    #[must_use]
    pub fn with(mut self, signature: Signature) -> Self {
        self.signatures.push(signature);
        self
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The checkpoint in it, if `key` has signed it.
    ///
    /// # Errors
    /// It has not, or there is no checkpoint in it.
    pub fn checkpoint(&self, key: &VerifyingKey) -> Result<Checkpoint, NoteError> {
        let theirs = |signature: &&Signature| signature.name == key.name() && signature.id == key.id();
        let signature = self.signatures.iter().find(theirs);
        let signature = signature.ok_or_else(|| NoteError::Unsigned(self.others(key)))?;
        if !key.verifies(self.text.as_bytes(), &signature.bytes) {
            return Err(NoteError::Forged(key.name().to_owned()));
        }
        Checkpoint::parse(&self.text)
    }

    /// The key that has not signed, and those that have: keys of different hosts have one name.
    fn others(&self, key: &VerifyingKey) -> String {
        let named = |name: &str, id: [u8; 4]| format!("{name}+{:08x}", u32::from_be_bytes(id));
        let signers = self.signatures.iter().map(|signature| named(&signature.name, signature.id));
        let signers = signers.collect::<Vec<_>>().join(", ");
        format!("{}; signed by {signers}", named(key.name(), key.id()))
    }

    /// Reads one note.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return Err(NoteError::Form("it is too long"));
        }
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(NoteError::Form("it holds a control character"));
        }
        let at = note.rfind("\n\n").ok_or(NoteError::Form("no empty line stands before the signatures"))?;
        let (text, signatures) = (&note[..=at], &note[at + 2..]);
        let signatures =
            signatures.strip_suffix('\n').ok_or(NoteError::Form("its last line does not end"))?;
        let signatures: Result<_, _> = signatures.split('\n').map(Signature::parse).collect();
        Ok(Self { text: text.to_owned(), signatures: signatures? })
    }

    /// Reads notes that stand one after another with an empty line between them, as in a log's file of checkpoints, and returns
    /// what is left behind the last whole one: nothing, unless a crash left it.
    ///
    /// # Errors
    /// The first that is none, with its number from 1.
    pub fn parse_all(notes: &str) -> Result<(Vec<Self>, &str), (usize, NoteError)> {
        let mut all = Vec::new();
        let mut rest = notes;
        while let Some((note, behind)) = first(rest) {
            all.push(Self::parse(note).map_err(|error| (all.len() + 1, error))?);
            rest = behind;
        }
        Ok((all, rest))
    }
}

/// The first note of several, and what stands behind it.
fn first(notes: &str) -> Option<(&str, &str)> {
    let signatures = notes.find("\n\n")? + 2;
    let end = signatures + notes[signatures..].find("\n\n")? + 1;
    Some((&notes[..end], &notes[end + 1..]))
}

impl Signature {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let bad = || NoteError::Form("a line of a signature is not `— NAME BASE64`");
        let (name, encoded) =
            line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or_else(bad)?;
        if !key::is_name(name) {
            return Err(bad());
        }
        let bytes = BASE64.decode(encoded).map_err(|_not_base64| bad())?;
        let (id, bytes) = bytes.split_first_chunk().ok_or_else(bad)?;
        Ok(Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
    }
}

/// As a file holds it.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, id, bytes } in &self.signatures {
            writeln!(f, "— {name} {}", BASE64.encode([&id[..], bytes].concat()))?;
        }
        Ok(())
    }
}
