//! Builds what ships: the host's programs, and guest-init as a static binary beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The packages whose binaries run on the host.
const HOST: [&str; 5] = ["cli", "vmm", "host-proxy", "router", "audit"];

/// guest-init runs where there is no dynamic loader. Its target is named so that build scripts and procedural
/// macros, which run here, stay dynamic.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds everything; returns the directory that holds the programs.
pub(crate) fn programs() -> Result<PathBuf> {
    let directory = programs_directory()?;
    let mut host = cargo();
    host.args(["build", "--release"]).args(HOST.iter().flat_map(|package| ["--package", package]));
    succeed(&mut host)?;
    let mut guest = cargo();
    guest.args(["build", "--profile", "guest", "--package", "guest-init", "--target", TARGET]);
    guest.args(["--config", &format!("target.{TARGET}.rustflags=['-Ctarget-feature=+crt-static']")]);
    succeed(&mut guest)?;
    let built = directory.join("..").join(TARGET).join("guest/guest-init");
    install(&built, &directory.join("guest-init"))?;
    Ok(directory)
}

/// Where cargo puts release binaries: this program is one of them.
pub(crate) fn programs_directory() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this binary")?;
    Ok(own.parent().context("this binary has no directory")?.to_path_buf())
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// Top of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a command; fails if it does.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// Copies under a temporary name first: a running guest-init of another session stays whole.
fn install(from: &Path, to: &Path) -> Result<()> {
    if fs::read(from).ok().zip(fs::read(to).ok()).is_some_and(|(new, old)| new == old) {
        return Ok(());
    }
    let half = to.with_extension("new");
    fs::copy(from, &half).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::rename(&half, to).with_context(|| format!("cannot write {}", to.display()))
}
