//! `cargo xtask kill-audit`: kills the audit writer, its signer and who recovers their log at random moments, again and again, on one
//! log fifty times. CI's tests do it a few times.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};

/// Builds them, and kills them so often; the test prints the seed of its choices, and what became of the log.
pub(crate) fn run(times: u64, seed: Option<u64>) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "audit", "--package", "audit-sign", "--package", "cli"]);
    if !build.current_dir(&workspace.root).status()?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut test = cargo();
    test.args(["test", "--release", "--package", "audit-sign", "--test", "killed", "--", "--nocapture"]);
    if let Some(seed) = seed {
        test.env("AUDIT_SEED", seed.to_string());
    }
    let status = test.env("AUDIT_KILLS", times.to_string()).current_dir(&workspace.root).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
