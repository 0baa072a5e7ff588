//! A record as the detections look at it.

use audit::Record;

/// Nanoseconds of a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// What one look at a record needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) record: &'a Record,
    /// The record's moment on a clock that is never set, in nanoseconds.
    pub(crate) now: u64,
}
