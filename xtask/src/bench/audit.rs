//! `cargo xtask bench audit`: runs the measurements that stand beside the writer and the formats, on the real programs.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};

/// Packages and their measurements.
const BENCHES: [(&str, &str); 3] =
    [("audit", "append"), ("audit-sign", "signed"), ("audit-export", "formats")];

/// Measures and prints.
pub(super) fn run() -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    for (package, bench) in BENCHES {
        let mut run = cargo();
        run.args(["bench", "--package", package, "--bench", bench]).current_dir(&workspace.root);
        if !run.status()?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
