//! `cargo xtask kill-audit`: kills the audit writer and its signer at random moments, again and again on one log. CI's tests do
//! it a few times.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};

/// Builds both, and kills them so often; the test prints what became of the log.
pub(crate) fn run(times: u64) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "audit", "--package", "audit-sign"]);
    if !build.current_dir(&workspace.root).status()?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut test = cargo();
    test.args(["test", "--release", "--package", "audit-sign", "--test", "killed", "--", "--nocapture"]);
    let status = test.env("AUDIT_KILLS", times.to_string()).current_dir(&workspace.root).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
