//! The host's clock, as policies read it.

use std::time::{SystemTime, UNIX_EPOCH};

use policies::Timestamp;

/// The second that it shows. A clock before 1970 is no clock: rules with a span of time are then not in force.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
