//! `cargo xtask bench mounts`: what a live mount costs. The server alone, request by request; then the same work on the host and in
//! a live mount: by this machine's own FUSE client, and by an agent in the lab, whose emulated processor pays for every exit of a
//! guest many times what a real one does.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use super::overhead;
use crate::product;
use crate::report::Report;
use crate::workspace::{Workspace, cargo};

const WORK: &str = "xtask/src/bench/mounts/measure.py";
/// The longest that the work in the lab may take, both sides together.
const LIMIT: &str = "3000s";

/// Measures and prints: a tree of so many files by the FUSE client, and one of so many in the lab (none if 0).
pub(super) fn run(files: u32, in_lab: u32) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut report = Report::new(workspace.target.join("bench"), Vec::new())?;
    let built = report.step("build", |log| product::build(&workspace, log))
        && report.step("images", |log| product::images(&workspace, log));
    ensure!(built, "the product does not build");
    let mut bridge = cargo();
    bridge.args(["build", "--release", "--locked", "--package", "mount", "--example", "bridge"]);
    ensure!(bridge.current_dir(&workspace.root).status()?.success(), "the bridge does not build");
    let mut server = cargo();
    server.args(["bench", "--locked", "--package", "mount", "--bench", "requests"]);
    ensure!(server.current_dir(&workspace.root).status()?.success(), "the server could not be measured");
    let folder = overhead::image(&workspace)?;
    let bridge = workspace.release().join("examples/bridge");
    work(&workspace, Command::new("python3"), ("bridged", &bridge, files), &folder)?;
    if in_lab > 0 {
        let mut lab = Command::new(std::env::current_exe()?);
        lab.args([
            "lab",
            "--root",
            "--memory",
            "8192",
            "--cpus",
            "2",
            "--time-limit",
            LIMIT,
            "--",
            "python3",
        ]);
        work(&workspace, lab, ("in-sandbox", &product::openshell(&workspace), in_lab), &folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The work's script, run by that command.
fn work(
    workspace: &Workspace,
    mut command: Command,
    (place, program, files): (&str, &Path, u32),
    folder: &Path,
) -> Result<()> {
    command.arg(workspace.root.join(WORK)).arg(place).arg(program).arg(files.to_string()).arg(folder);
    let status = command.current_dir(&workspace.root).status()?;
    ensure!(status.success(), "the work could not be measured ({status})");
    Ok(())
}
