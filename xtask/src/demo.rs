//! `cargo xtask demo`: from a fresh clone to a real agent in a real microVM.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::arguments::{Arguments, Task};
use crate::report::Report;
use crate::workspace::Workspace;
use crate::{lab_command, product, setup};

/// Installs, builds, and runs the demo where KVM is real. The exit code is the demo's.
pub(crate) fn run() -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut report = Report::new(workspace.target.join("demo"), Vec::new())?;
    println!("The first time, this downloads and builds for several minutes.");
    let there = report.step("setup", |_| setup::ensure_installed())
        && report.step("build", |log| product::build(&workspace, log))
        && report.step("images", |log| product::images(&workspace, log));
    if !there {
        return Ok(report.finish());
    }
    let script = workspace.root.join("examples/demo.sh").display().to_string();
    let openshell = product::openshell(&workspace).display().to_string();
    let typed =
        ["xtask", "lab", "--time-limit", "15m", "--memory", "6144", "--", "bash", &script, &openshell];
    match Arguments::parse_from(typed).task {
        Task::Lab(arguments) => lab_command::run(&arguments),
        _ => unreachable!("the words above are a lab command"),
    }
}
