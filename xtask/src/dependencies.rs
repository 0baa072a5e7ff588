//! Which foreign code may come in: licences, sources, duplicates. The rules are `deny.toml`; cargo-deny reads them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::report::Log;
use crate::workspace::{Workspace, cargo};

/// One version for everybody, or a new one could fail a commit that changed nothing.
const VERSION: &str = "0.20.2";

/// Checks `deny.toml`; returns the summary.
pub(crate) fn check(workspace: &Workspace, log: &Log) -> Result<String> {
    let tool = tool(log)?;
    let mut deny = Command::new(tool);
    // Advisories need a fresh copy of a database; they are looked at when dependencies change, not on every commit.
    deny.args(["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    log.run(deny.current_dir(&workspace.root))?;
    Ok("licences, sources and duplicates are as deny.toml wants them".to_owned())
}

/// cargo-deny: the one of this machine if its version is right, else one of our own in the cache.
fn tool(log: &Log) -> Result<PathBuf> {
    let installed = PathBuf::from("cargo-deny");
    if is_right(&installed) {
        return Ok(installed);
    }
    let root = lab::default_cache().join("tools").join(format!("cargo-deny-{VERSION}"));
    let ours = root.join("bin/cargo-deny");
    if !is_right(&ours) {
        let mut install = cargo();
        // Unoptimised: building it well takes minutes, and what it does with our few files takes seconds either way.
        install
            .args(["install", "cargo-deny", "--debug", "--locked", "--version", VERSION, "--root"])
            .arg(&root);
        // A folder of its own: what it is built from has nothing to do with the product.
        install.env("CARGO_TARGET_DIR", root.join("build"));
        log.run(&mut install).context("cannot install cargo-deny")?;
        std::fs::remove_dir_all(root.join("build")).context("cannot remove cargo-deny's build folder")?;
    }
    ensure!(is_right(&ours), "cargo-deny {VERSION} was installed and does not run");
    Ok(ours)
}

fn is_right(tool: &Path) -> bool {
    let output = Command::new(tool).arg("--version").output();
    output
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == format!("cargo-deny {VERSION}"))
}
