//! What a GPU counts of its memory's errors.

use serde::Serialize;

/// Error correction of memory, and the errors that it could not correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ecc {
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// Whether it is on after the next start.
    pub enabled_after_reboot: Option<bool>,
    /// Uncorrectable errors since the driver was loaded.
    pub volatile_uncorrectable: Option<u64>,
    /// Uncorrectable errors in the GPU's life.
    pub aggregate_uncorrectable: Option<u64>,
}

/// Rows of memory that are replaced by spare ones (NVML's field values 142 to 145).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RowRemapping {
    /// Rows replaced for errors that could be corrected.
    pub correctable_rows: Option<u64>,
    /// Rows replaced for errors that could not.
    pub uncorrectable_rows: Option<u64>,
    /// A row is to be replaced at the next reset.
    pub pending: Option<bool>,
    /// A row could not be replaced: there is no spare one.
    pub failed: Option<bool>,
}
