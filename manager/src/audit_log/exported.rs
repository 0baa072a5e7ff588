//! Up to where exports have delivered a log: what no receiver has is not removed, however old it is.
//!
//! The cursors belong to `openshell audit export`; of them only the mark is read here.

use std::fs;
use std::path::Path;

use audit::log::Mark;
use serde::Deserialize;

use crate::audit_settings::Exports;

/// Directory of the cursors in the state directory: `<export>/<sandbox>.json`.
pub const DIRECTORY: &str = "export";

#[derive(Deserialize)]
struct Cursor {
    mark: Mark,
}

/// Number of the last record of the sandbox's log that every export has delivered; the largest there is, without exports.
pub(super) fn delivered(state: &Path, exports: &Exports, sandbox: &str) -> u64 {
    let cursor = |export: &String| {
        let path = state.join(DIRECTORY).join(export).join(format!("{sandbox}.json"));
        // An export that has not begun, or whose cursor says nothing, has delivered nothing.
        let text = fs::read(path).ok()?;
        Some(serde_json::from_slice::<Cursor>(&text).ok()?.mark.sequence)
    };
    exports.0.keys().map(|export| cursor(export).unwrap_or(0)).min().unwrap_or(u64::MAX)
}
