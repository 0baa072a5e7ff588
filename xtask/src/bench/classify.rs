//! `cargo xtask bench classify`: runs the measurements that stand beside the detectors, and Microsoft Presidio's patterns over
//! the same texts where its package can be had.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

use super::python;
use crate::workspace::{Workspace, cargo};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// How fast it is.
    Speed,
    /// How much of what is there it finds.
    Quality,
}

/// Measures and prints.
pub(super) fn run(question: Question) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let bench = |name: &str, arguments: &[&str]| {
        let mut bench = cargo();
        bench.args(["bench", "--package", "classify", "--bench", name, "--"]).args(arguments);
        bench.current_dir(&workspace.root).status()
    };
    if let Question::Quality = question {
        ensure!(bench("quality", &[])?.success(), "the measurement failed");
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(bench("speed", &[])?.success(), "the measurement failed");
    let target = workspace.root.join("target");
    let texts = target.join("classify-texts");
    std::fs::create_dir_all(&texts).with_context(|| format!("making {}", texts.display()))?;
    let written = bench("speed", &["--write", &texts.display().to_string()])?;
    ensure!(written.success(), "the texts could not be written");
    match presidio(&target, &texts) {
        Ok(()) => {}
        Err(error) => println!("| Microsoft Presidio | not measured: {error:#} |"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Presidio in an environment of its own.
fn presidio(target: &Path, texts: &Path) -> Result<()> {
    const SCRIPT: &str = include_str!("presidio.py");
    let programs = python::environment(target, "presidio", "presidio-analyzer")?;
    python::done(Command::new(programs.join("python")).args(["-c", SCRIPT]).arg(texts))
}
