//! Questions to audit logs.
//!
//! ```text
//! Filter ──► index (SQLite beside the log): where the records may be ──► log: the records, checked ──► Filter again
//! ```
//! The index is made and brought up to date by whoever asks, never by the writer, and can be thrown away at any time. It is
//! not believed: a record that is shown is read from the log, checked against its own hash and against the filter. What a
//! damaged or edited index can do is hide records; a scan of the log, which verifies the chain as well, cannot be fooled so.
//!
//! *Invariant:* the answer to a question is the same with the index, without it, and with one that was just made anew.

#![forbid(unsafe_code)]

pub mod filter;
mod index;
mod levels;
pub mod moment;
mod search;

pub use filter::Filter;
pub use index::{Index, IndexError};
pub use levels::LEVELS;
pub use search::{Found, How, SearchError, merged, search};
