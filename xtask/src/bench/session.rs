//! The whole product: from `openshell vm run` to the agent's first instruction, phase by phase, as it says
//! itself with `--timings`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::boot::Plan;
use super::stopwatch::PATIENCE;

/// The smallest agent: its first instruction is its last but one.
const AGENT: &str =
    "version: 1\nname: bench\nimage: tiny\ncommand: ['true']\nresources: {vcpus: 1, memory: 256MiB}\n";

/// When each phase ended, in µs, for every run.
pub(super) type Phases = BTreeMap<String, Vec<u32>>;

/// A part of the line of `--timings`.
#[derive(Deserialize)]
pub(super) struct Phase {
    name: String,
    end_us: u32,
}

/// Writes the agent's description into `folder`.
pub(super) fn agent(folder: &Path) -> Result<PathBuf> {
    let file = folder.join("agent.yaml");
    std::fs::write(&file, AGENT).context("cannot write the agent's description")?;
    Ok(file)
}

/// What a run reads beside the machine's own files.
pub(super) fn files(programs: &Path, cache: &Path) -> Vec<PathBuf> {
    let names =
        ["openshell", "openshell-audit", "openshell-sign", "guest-init"].map(|name| programs.join(name));
    let cached = ["images/blobs", "initramfs"].map(|folder| std::fs::read_dir(cache.join(folder)));
    let cached = cached.into_iter().flatten().flatten().filter_map(Result::ok).map(|entry| entry.path());
    // base is not read, and large.
    let small =
        cached.filter(|path| path.metadata().is_ok_and(|file| file.is_file() && file.len() < 32 << 20));
    names.into_iter().chain(small).collect()
}

/// Runs it once; what it says of its phases. `None`: the guest did not come up in time.
pub(super) fn measure(plan: &Plan) -> Result<Option<Vec<Phase>>> {
    let mut command = Command::new(&plan.openshell);
    command.args(["vm", "run", "--timings", "--boot-timeout", &PATIENCE.as_secs().to_string()]);
    let begun = Instant::now();
    let output = command.arg(&plan.agent).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && begun.elapsed() >= PATIENCE {
        return Ok(None);
    }
    ensure!(output.status.success(), "openshell failed: {text}");
    let line = text.lines().find_map(|line| line.strip_prefix("openshell: timings "));
    Ok(Some(serde_json::from_str(line.context("openshell said no timings")?)?))
}

/// Adds the phases of one run. They keep their order by a number before their name.
pub(super) fn add(said: Vec<Phase>, phases: &mut Phases) {
    for (index, phase) in said.into_iter().enumerate() {
        phases.entry(format!("{index} {}", phase.name)).or_default().push(phase.end_us);
    }
}
