//! `openshell policy`: one module per question that can be asked about a policy.

mod check;
mod diff;
mod explain;
mod import;
mod learn;
mod set;
mod show;
mod test;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use manager::failure::Failure;
use manager::layout::Layout;
use manager::policy::{PolicyError, PolicyFiles};
use policies::confinement::Workspace;
use policies::{Document, LoadErrors, Policy, Timestamp, embedded};

use crate::arguments;

pub(super) fn run(command: arguments::Policy, layout: &Layout) -> Result<u8, Failure> {
    match command {
        arguments::Policy::Check(what) => check::run(&what),
        arguments::Policy::Explain(question) => explain::run(&question),
        arguments::Policy::Show(what) => show::run(&what),
        arguments::Policy::Presets(output) => show::presets(output),
        arguments::Policy::Test(what) => test::run(&what),
        arguments::Policy::Diff(what) => diff::run(&what),
        arguments::Policy::Learn(what) => learn::run(&what),
        arguments::Policy::Import(what) => import::run(&what),
        arguments::Policy::Set(wanted) => set::run(&wanted, layout),
    }
}

/// The policy in `file`, with everything that it extends: a policy file, an agent.yaml, or the name of a policy
/// that comes with the product.
fn load(file: &Path, files: &PolicyFiles) -> Result<(Document, Policy), PolicyError> {
    let document = match file.to_str().and_then(|name| Some((name, embedded::text(name)?))) {
        Some((name, text)) => Document::parse(text, name)
            .and_then(|document| policies::compose(document, files))
            .map_err(PolicyError::Mistakes)?,
        None => manager::policy::load(file, files)?,
    };
    // Both halves are part of the answer; where the agent works does not change whether they are right.
    let nowhere = Workspace { own: Vec::new(), shared: Vec::new() };
    document.confinement(&nowhere).map_err(PolicyError::Mistakes)?;
    let policy = Policy::compile(&document).map_err(PolicyError::Mistakes)?;
    Ok((document, policy))
}

/// As [`load`], with what the operator set; the first mistake is the failure.
fn loaded(file: &Path) -> Result<(Document, Policy), Failure> {
    Ok(load(file, &operators()?)?)
}

/// What the operator set for policies to name.
fn operators() -> Result<PolicyFiles, PolicyError> {
    Layout::from_env().and_then(|layout| PolicyFiles::of(&layout)).map_err(PolicyError::File)
}

fn show_mistakes(mistakes: &LoadErrors) {
    for mistake in mistakes.iter() {
        eprintln!("openshell: {mistake}\n  remedy: {}", mistake.remedy());
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Whatever should never happen, as a failure.
fn fault(error: &dyn std::error::Error) -> Failure {
    Failure::new(manager::failure::chain(error), "this is a fault of openshell: please report it")
}

/// Writes a file that the user named.
fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        let cause = format!("cannot write {}: {error}", path.display());
        Failure::new(cause, "name a file in a directory that you may write")
    })
}
