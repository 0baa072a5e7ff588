//! What the policy engine is held to: `cargo xtask agree` and `cargo xtask bench policy`.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};

/// Compares the readings of generated policies on `pairs` pairs of a policy and a request.
pub(crate) fn agree(pairs: u64, seed: u64) -> Result<ExitCode> {
    // The workspace, not the package: a choice of packages chooses features, and would compile the engine again.
    let test = ["test", "--release", "--workspace", "--test", "agree", "--", "--nocapture"];
    run(&test, &[("AGREE_PAIRS", pairs), ("AGREE_SEED", seed)])
}

/// Measures decisions.
pub(crate) fn bench() -> Result<ExitCode> {
    run(&["bench", "--workspace", "--bench", "decide"], &[])
}

fn run(arguments: &[&str], environment: &[(&str, u64)]) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut command = cargo();
    command.args(arguments).current_dir(&workspace.root);
    command.envs(environment.iter().map(|(name, value)| (name, value.to_string())));
    let succeeded = command.status()?.success();
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
