//! The whole product: from `openshell vm run` to the agent's first instruction, phase by phase, as it says
//! itself with `--timings`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::boot::Plan;
use super::stopwatch::PATIENCE;

/// The smallest agent: its first instruction is its last but one.
const AGENT: &str =
    "version: 1\nname: bench\nimage: tiny\ncommand: ['true']\nresources: {vcpus: 1, memory: 256MiB}\n";

/// When each phase ended, in µs, for every run.
pub(super) type Phases = BTreeMap<String, Vec<u32>>;

/// A line of `--timings`.
#[derive(Deserialize)]
struct Phase {
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
    let names = ["openshell", "openshell-audit", "guest-init"].map(|name| programs.join(name));
    let cached = ["images/blobs", "initramfs"].map(|folder| std::fs::read_dir(cache.join(folder)));
    let cached = cached.into_iter().flatten().flatten().filter_map(Result::ok).map(|entry| entry.path());
    // base is not read, and large.
    let small =
        cached.filter(|path| path.metadata().is_ok_and(|file| file.is_file() && file.len() < 32 << 20));
    names.into_iter().chain(small).collect()
}

/// Runs it once and adds what it says to `phases`. `None`: the guest did not come up in time.
pub(super) fn measure(plan: &Plan, phases: &mut Phases) -> Result<Option<()>> {
    let mut command = Command::new(&plan.openshell);
    command.args(["vm", "run", "--timings", "--boot-timeout", &PATIENCE.as_secs().to_string()]);
    let output = command.arg(&plan.agent).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if text.contains("did not come up") {
        return Ok(None);
    }
    ensure!(output.status.success(), "openshell failed: {text}");
    let line = text.lines().find_map(|line| line.strip_prefix("openshell: timings "));
    let said: Vec<Phase> = serde_json::from_str(line.context("openshell said no timings")?)?;
    // Phases keep their order by a number before their name.
    for (index, phase) in said.into_iter().enumerate() {
        phases.entry(format!("{index} {}", phase.name)).or_default().push(phase.end_us);
    }
    Ok(Some(()))
}
