//! The black-box tests: built here, run where KVM is real.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::build::{self, cargo, succeed};
use crate::lab_command::{self, LabArguments};

/// No suite of scenarios takes longer.
const TIME_LIMIT: Duration = Duration::from_secs(25 * 60);

/// Builds everything and runs the scenarios whose names contain `filter`.
pub(crate) fn run(filter: &[String]) -> Result<ExitCode> {
    let programs = build::programs()?;
    for image in ["tiny", "base"] {
        succeed(std::process::Command::new(programs.join("openshell")).args(["image", "build", image]))?;
    }
    // One process after the other and one test after the other: they count what a run leaves on the machine.
    let script = tests()?.iter().map(|test| {
        let filter = filter.iter().map(|word| format!(" '{}'", word.replace('\'', ""))).collect::<String>();
        format!("'{}' --test-threads=1{filter} || failed=1\n", test.display())
    });
    let script = format!("failed=0\n{}exit $failed", script.collect::<String>());
    let mut arguments = LabArguments::new(vec!["sh".into(), "-c".into(), script]);
    arguments.time_limit(TIME_LIMIT);
    lab_command::run(&arguments)
}

/// The compiled test programs.
fn tests() -> Result<BTreeSet<PathBuf>> {
    let mut build = cargo();
    build.args(["test", "--release", "--package", "scenarios", "--tests", "--no-run", "--message-format", "json"]);
    let output = build.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    anyhow::ensure!(output.status.success(), "the scenarios do not compile");
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let executables = lines.filter_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        let is_test = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test");
        message["executable"].as_str().filter(|_| is_test).map(PathBuf::from)
    });
    Ok(executables.collect())
}
