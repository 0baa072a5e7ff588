//! Builds the product as a user installs it: the programs, guest-init as a static binary beside them, the images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::report::Log;
use crate::workspace::{Workspace, cargo};

/// The only target; named, so that flags for it do not reach build scripts and macros.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What `openshell` starts, beside itself.
const PROGRAMS: [&str; 9] = [
    "openshell",
    "openshell-vmm",
    "openshell-mount",
    "openshell-proxy",
    "openshell-router",
    "openshell-serving",
    "openshell-vault",
    "openshell-audit",
    "openshell-sign",
];
const GUEST_INIT: &str = "guest-init";
/// Every guest unpacks guest-init into its memory: it is built small before fast.
const GUEST_PROFILE: &str = "guest";

/// Builds all programs; returns the summary.
pub(crate) fn build(workspace: &Workspace, log: &Log) -> Result<String> {
    let mut programs = cargo();
    programs.args(["build", "--release", "--workspace", "--exclude", GUEST_INIT, "--exclude", "xtask"]);
    log.run(programs.current_dir(&workspace.root))?;
    let mut guest_init = cargo();
    guest_init.args(["build", "--profile", GUEST_PROFILE, "--package", GUEST_INIT, "--target", TARGET]);
    // A config, not RUSTFLAGS: those would replace the flags that somebody set for the rest.
    guest_init.args(["--config", &format!("target.{TARGET}.rustflags=['-C', 'target-feature=+crt-static']")]);
    log.run(guest_init.current_dir(&workspace.root))?;
    let built = workspace.target.join(TARGET).join(GUEST_PROFILE).join(GUEST_INIT);
    place(&built, &workspace.release().join(GUEST_INIT))?;
    for program in PROGRAMS {
        ensure!(workspace.release().join(program).is_file(), "the build made no {program}");
    }
    let size = fs::metadata(&built).context("cannot look at guest-init")?.len();
    Ok(format!("{} programs, guest-init of {} KiB", PROGRAMS.len(), size / 1024))
}

/// Builds the built-in images in the cache, for which the network may be needed; returns the summary.
pub(crate) fn images(workspace: &Workspace, log: &Log) -> Result<String> {
    for image in ["tiny", "base"] {
        log.run(Command::new(openshell(workspace)).args(["image", "build", image]))?;
    }
    Ok("tiny and base are there".to_owned())
}

/// The command line program.
pub(crate) fn openshell(workspace: &Workspace) -> PathBuf {
    workspace.release().join("openshell")
}

/// Copies under another name and renames: the old file may be running, or be a link to one of cargo's own.
fn place(from: &Path, to: &Path) -> Result<()> {
    let new = to.with_extension("new");
    fs::copy(from, &new).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::rename(&new, to).with_context(|| format!("cannot write {}", to.display()))
}
