//! `cargo xtask ci`: the whole of CI. `cargo xtask test` is its last part.
//!
//! Every step is tried, whatever became of the ones before it, unless it needs what they make.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::report::{Log, Report};
use crate::workspace::{Workspace, cargo};
use crate::{dependencies, fuzz, layers, product, programs, setup, sources};

/// The steps of `cargo xtask test`.
pub(crate) const TESTS: [&str; 5] = ["setup", "tests", "build", "images", "scenarios"];

/// Takes the steps whose first word is among `steps`, or all; the exit code says whether all went well.
pub(crate) fn run(steps: Vec<String>) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut report = Report::new(workspace.target.join("ci"), steps)?;
    report.step("setup", |_| setup::ensure_all(&workspace));
    report.step("format", |log| {
        quiet(log, at(&workspace, &["fmt", "--all", "--check"]), "as rustfmt would have it")
    });
    report.step("layers", |_| layers::check(&workspace));
    report.step("sources", |_| sources::check(&workspace));
    report.step("dependencies", |log| dependencies::check(&workspace, log));
    report.step("clippy", |log| {
        let lint =
            ["clippy", "--release", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
        quiet(log, at(&workspace, &lint), "no warning")
    });
    report.step("documentation", |log| {
        let mut doc = at(&workspace, &["doc", "--release", "--workspace", "--no-deps", "--locked"]);
        // The reader of these pages has the source: a link to a private item leads there.
        doc.env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links");
        quiet(log, doc, "no warning")
    });
    report.step("tests", |log| programs::test_crates(&workspace, log));
    report.step("fuzz", |log| fuzz::short(&workspace, log));
    let built = report.step("build", |log| product::build(&workspace, log))
        && report.step("images", |log| product::images(&workspace, log));
    match (report.wants("scenarios"), built) {
        (true, true) => programs::test_on_kvm(&workspace, &mut report),
        (true, false) => report.missed("scenarios", "the product or its images could not be built"),
        (false, _) => {}
    }
    Ok(report.finish())
}

/// A cargo command in the workspace.
fn at(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.args(arguments).current_dir(&workspace.root);
    command
}

/// Runs a check that has nothing to say when all is well.
fn quiet(log: &Log, mut command: Command, summary: &str) -> Result<String> {
    log.run(&mut command).map(|_output| summary.to_owned())
}
