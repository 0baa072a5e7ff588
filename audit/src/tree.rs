//! The Merkle tree over the records of a log, as RFC 6962, section 2.1 makes it.
//!
//! A leaf is `SHA-256(0x00 ‖ line without its end)`, a node `SHA-256(0x01 ‖ left ‖ right)`. Nothing here holds the whole tree: a
//! [`Frontier`] holds one hash for each bit of the size, and proofs are made in one pass over the leaves ([`Collector`]).

mod proof;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::chain::ChainHash;

pub use proof::{Collector, Wrong, check_consistency, check_inclusion};

/// A hash of the tree: of a leaf, a node, or the whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TreeHash(ChainHash);

impl TreeHash {
    /// A hash of these bytes' value.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(ChainHash::from_bytes(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Hash of a record's line, without the line end.
#[must_use]
pub fn leaf(line: &[u8]) -> TreeHash {
    TreeHash::from_bytes(Sha256::new().chain_update([0]).chain_update(line).finalize().into())
}

fn node(left: &TreeHash, right: &TreeHash) -> TreeHash {
    let digest = Sha256::new().chain_update([1]).chain_update(left.as_bytes()).chain_update(right.as_bytes());
    TreeHash::from_bytes(digest.finalize().into())
}

/// What is needed of a tree to add leaves to it: the roots of its whole subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frontier {
    size: u64,
    roots: Vec<TreeHash>,
}

impl Frontier {
    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether there is a root for every bit of the size: what was read from outside may be anything.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        usize::try_from(self.size.count_ones()).is_ok_and(|roots| roots == self.roots.len())
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: TreeHash) {
        let mut hash = leaf;
        // Each trailing one of the size is a whole subtree as large as the one in hand.
        for _full in 0..self.size.trailing_ones() {
            let left = self.roots.pop().expect("there is a root for every bit of the size");
            hash = node(&left, &hash);
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// Hash of the tree; that of the empty one is the hash of nothing.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return TreeHash::from_bytes(Sha256::digest([]).into()) };
        roots.fold(*last, |right, left| node(left, &right))
    }
}
