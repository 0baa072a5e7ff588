//! `cargo xtask bench mounts`: what a live mount costs. The server alone, request by request, on this machine; then the same work on
//! the host and in a sandbox, on this machine if it has hardware KVM, else in the lab, whose emulated processor pays for every
//! exit of a guest many times what a real one does.

use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use super::overhead;
use crate::product;
use crate::report::Report;
use crate::workspace::{Workspace, cargo};

/// The longest that the work may take, both sides together.
const LIMIT: &str = "3000s";

/// Measures and prints.
pub(super) fn run(files: u32) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut report = Report::new(workspace.target.join("bench"), Vec::new())?;
    let built = report.step("build", |log| product::build(&workspace, log))
        && report.step("images", |log| product::images(&workspace, log));
    ensure!(built, "the product does not build");
    let mut server = cargo();
    server.args(["bench", "--locked", "--package", "mount", "--bench", "requests"]);
    ensure!(server.current_dir(&workspace.root).status()?.success(), "the server could not be measured");
    let folder = overhead::image(&workspace)?;
    let mut work = Command::new(std::env::current_exe()?);
    work.args(["lab", "--root", "--memory", "8192", "--cpus", "2", "--time-limit", LIMIT, "--", "python3"]);
    work.arg(workspace.root.join("xtask/src/bench/mounts/measure.py")).arg(product::openshell(&workspace));
    let status = work.arg(files.to_string()).arg(folder).current_dir(&workspace.root).status()?;
    ensure!(status.success(), "the work could not be measured ({status})");
    Ok(ExitCode::SUCCESS)
}
