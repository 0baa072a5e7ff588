//! `cargo xtask bench proxy`: runs the measurement that stands beside the proxy, on the real programs, beside what else is
//! installed here.

use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::python;
use crate::setup;
use crate::workspace::{Workspace, cargo};

/// The system packages of those that ours is measured beside.
const PEERS: [&str; 2] = ["nginx-light", "squid-openssl"];

/// Whether [`PEERS`] are installed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peers {
    /// They are.
    Installed,
    /// Who is not there is left out.
    AsTheyAre,
}

/// Measures and prints.
pub(super) fn run(rounds: u32, peers: Peers) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    if peers == Peers::Installed {
        setup::install(&PEERS)?;
    }
    let mut build = cargo();
    build.args(["build", "--release", "--package", "audit", "--bin", "openshell-audit"]);
    ensure!(build.current_dir(&workspace.root).status()?.success(), "the audit writer does not build");
    let mut run = cargo();
    run.args(["bench", "--package", "host-proxy", "--bench", "forward", "--"]);
    run.arg("--rounds").arg(rounds.to_string());
    run.arg("--writer").arg(workspace.release().join("openshell-audit"));
    match python::environment(&workspace.target, "mitmproxy", "mitmproxy") {
        Ok(programs) => drop(run.arg("--mitmdump").arg(programs.join("mitmdump"))),
        Err(error) => eprintln!("  mitmproxy cannot be installed: {error:#}"),
    }
    let measured = run.current_dir(&workspace.root).status()?.success();
    Ok(if measured { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
