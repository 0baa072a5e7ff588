//! A proof that a signed log goes on from what it was before, for somebody who kept an older checkpoint and has no log: RFC
//! 6962, section 2.1.2.
//!
//! The form is what a witness takes as C2SP's `tlog-witness` describes (`add-checkpoint`), so that one can be asked to cosign:
//! ```text
//! old 1042                     records under the older checkpoint
//! <hash, Base64>               as many as it takes
//!
//! <the signed newer checkpoint>
//! ```

use std::fmt;
use std::str::FromStr;

use super::proof::{hashes, write_hashes};
use super::{ProofError, signed};
use crate::checkpoint::{Checkpoint, Note, VerifyingKey};
use crate::tree::{TreeHash, check_consistency};

/// What shows that one checkpoint goes on from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    pub(super) old: u64,
    pub(super) path: Vec<TreeHash>,
    pub(super) note: Note,
}

impl Consistency {
    /// Checks that the checkpoint in it is signed, of the same log as `old`, and begins with what `old` covers.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, old: &Checkpoint, keys: &[VerifyingKey]) -> Result<Checkpoint, ProofError> {
        let new = signed(&self.note, keys)?;
        if new.origin != old.origin || old.size != self.old {
            return Err(ProofError::Other { old: old.size, origin: old.origin.clone() });
        }
        check_consistency((old.size, old.root), (new.size, new.root), &self.path)?;
        Ok(new)
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        write_hashes(f, &self.path)?;
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for Consistency {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let (head, note) =
            text.split_once("\n\n").ok_or(ProofError::Form("no empty line stands before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")?.parse().ok());
        let old = old.ok_or(ProofError::Form("its first line does not say from where it goes on"))?;
        Ok(Self { old, path: hashes(lines)?, note: Note::parse(note)? })
    }
}
