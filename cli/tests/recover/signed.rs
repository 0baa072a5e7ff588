//! A log that proves something.

use crate::host::Host;
use crate::left::{LOG, append};

impl Host {
    /// With a log that is signed to its end.
    pub(crate) fn signed() -> Self {
        let host = Self::new();
        append(&host.log().join("000001.jsonl"), &format!("{LOG}{{\"half"));
        host.yes(&["recover"]);
        host.yes(&["verify"]);
        host
    }
}
