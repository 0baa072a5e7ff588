//! Python packages beside which something is measured, each in an environment of its own under `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The folder of programs of an environment called `name` that has `package`.
pub(super) fn environment(target: &Path, name: &str, package: &str) -> Result<PathBuf> {
    let environment = target.join(name);
    let programs = environment.join("bin");
    let python = programs.join("python");
    if !python.exists() {
        done(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    done(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))?;
    Ok(programs)
}

/// Runs a command that must succeed.
pub(super) fn done(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(status.success(), "{:?} ended with {status}", command.get_program());
    Ok(())
}
