//! `cargo xtask fuzz`: builds the fuzz targets with coverage and runs them. CI runs the short form.
//!
//! The toolchain's stable compiler instruments for coverage through LLVM's own pass; there is no address
//! sanitizer, which our own code, without `unsafe` in what is fuzzed, does not need.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::report::Log;
use crate::workspace::{Workspace, cargo};

/// Each target, and the folders of the project whose files are its seeds.
const TARGETS: [(&str, &[&str]); 7] = [
    ("policy_text", &["presets", "policies/tests/verdicts", "policies/tiers", "policies/profiles"]),
    ("policy_match", &[]),
    ("policy_messages", &["tests/fuzz/seeds/policy_messages"]),
    ("audit_log", &["audit/tests/golden", "audit/export/tests/golden"]),
    ("audit_proof", &["tests/fuzz/seeds/audit_proof"]),
    ("copy", &[]),
    ("mount", &[]),
];

/// What makes LLVM count edges and compare operands, as libFuzzer reads them.
const INSTRUMENTED: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
];

/// Seconds for each target in CI.
const SHORT: u32 = 8;

/// What `cargo xtask fuzz` takes.
#[derive(Args)]
pub(crate) struct FuzzArguments {
    /// Only this target (default: each in turn).
    target: Option<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// Runs what was asked for; the first finding ends it.
pub(crate) fn run(arguments: &FuzzArguments) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let wanted = |name: &str| arguments.target.as_deref().is_none_or(|target| target == name);
    let known = TARGETS.map(|(name, _seeds)| name).join(", ");
    ensure!(TARGETS.iter().any(|(name, _seeds)| wanted(name)), "no such target; there are {known}");
    succeed(&mut build(&workspace))?;
    let built = workspace.target.join("fuzz/x86_64-unknown-linux-gnu/release");
    for (name, seeds) in TARGETS.iter().filter(|(name, _seeds)| wanted(name)) {
        succeed(&mut target(&workspace, &built, name, seeds, arguments.seconds)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// CI's step: every target for a short time.
pub(crate) fn short(workspace: &Workspace, log: &Log) -> Result<String> {
    log.run(&mut build_short(workspace))?;
    for (name, seeds) in TARGETS {
        log.run(&mut target(workspace, &workspace.target.join("release"), name, seeds, SHORT)?)?;
    }
    Ok(format!("{} targets for {SHORT} s each, no finding", TARGETS.len()))
}

fn build(workspace: &Workspace) -> Command {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--package", "fuzz", "--features", "engine"]);
    // Instrumented code lies apart from the product's; naming the target keeps build scripts out of it.
    build.args(["--target", "x86_64-unknown-linux-gnu", "--target-dir"]).arg(workspace.target.join("fuzz"));
    build.env("RUSTFLAGS", INSTRUMENTED.join(" ")).current_dir(&workspace.root);
    build
}

/// In so short a time the compiler's work is most of it: only our own crates are instrumented, and hardly optimised, and
/// every other one is that of the tests.
fn build_short(workspace: &Workspace) -> Command {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--workspace", "--features", "fuzz/engine"]);
    build.args(TARGETS.iter().flat_map(|(name, _seeds)| ["--bin", name]));
    build.env("INSTRUMENTED", [&INSTRUMENTED[..], &["-Copt-level=1"]].concat().join(" "));
    build.env("RUSTC_WORKSPACE_WRAPPER", workspace.root.join("tests/fuzz/instrumented.sh"));
    build.current_dir(&workspace.root);
    build
}

fn target(workspace: &Workspace, built: &Path, name: &str, seeds: &[&str], seconds: u32) -> Result<Command> {
    let folder = workspace.target.join("fuzz");
    let (corpus, findings) = (folder.join("corpus").join(name), folder.join("findings"));
    make(&corpus)?;
    make(&findings)?;
    let mut run = Command::new(built.join(name));
    run.arg(format!("-max_total_time={seconds}")).args([
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-max_len=8192",
    ]);
    run.arg(format!("-artifact_prefix={}/{name}-", findings.display())).arg(corpus);
    run.args(seeds.iter().map(|seed| workspace.root.join(seed)).filter(|folder| folder.is_dir()));
    Ok(run)
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{} failed ({status})", command.get_program().display());
    Ok(())
}
