//! `openshell-sign`: the only process that holds an audit key.
//!
//! ```text
//! writer ──leaf of each record──► signer: own tree ──every interval──► note ──► checkpoints (the log's, and copies)
//! ```
//! The signer makes the tree itself from the leaves as they come, and a leaf that came cannot be taken back: it signs nothing
//! but what goes on from what it signed before. A writer that was taken over can append lies from then on; it cannot have
//! another past signed.
//!
//! It ends when the writer does, with a last checkpoint.

#![forbid(unsafe_code)]

pub mod key;
mod notary;
mod process;

pub use notary::Notary;
pub use process::{SignError, run};
