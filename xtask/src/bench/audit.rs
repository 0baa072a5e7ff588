//! `cargo xtask bench audit`: runs the measurement that stands beside the writer, on the real program.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};

/// Measures and prints.
pub(super) fn run() -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut bench = cargo();
    bench.args(["bench", "--package", "audit", "--bench", "append"]).current_dir(&workspace.root);
    Ok(if bench.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
