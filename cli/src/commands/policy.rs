//! `openshell policy`: one module per question that can be asked about a policy.

mod approve;
mod check;
mod diff;
mod explain;
mod import;
mod learn;
mod proposals;
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

use super::{negative, unanswered, write};
use crate::arguments;

pub(super) fn run(command: arguments::Policy, layout: &Layout) -> Result<u8, Failure> {
    use arguments::Policy::{
        Approve, Check, Diff, Explain, Import, Learn, Presets, Proposals, Reject, Set, Show, Test,
    };
    match command {
        Check(what) => check::run(&what).map_err(unanswered),
        Explain(question) => explain::run(&question).map_err(unanswered),
        Test(what) => test::run(&what).map_err(unanswered),
        Diff(what) => diff::run(&what).map_err(unanswered),
        Show(what) => show::run(&what).map_err(negative),
        Presets(output) => show::presets(output).map_err(negative),
        Learn(what) => learn::run(&what).map_err(negative),
        Import(what) => import::run(&what).map_err(negative),
        Set(wanted) => set::run(&wanted, layout).map_err(negative),
        Proposals(what) => proposals::run(&what, layout).map_err(negative),
        Approve(what) => approve::approve(&what, layout).map_err(negative),
        Reject(what) => approve::reject(&what, layout).map_err(negative),
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
pub(super) fn loaded(file: &Path) -> Result<(Document, Policy), Failure> {
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
pub(super) fn fault(error: &dyn std::error::Error) -> Failure {
    Failure::new(manager::failure::chain(error), "this is a fault of openshell: please report it")
}
