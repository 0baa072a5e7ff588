//! What agents propose, from outside: looking at it, and answering.

use wire::id::{RequestId, SandboxId};
use wire::operator::{Answer, Approved, Ask, AskedTerms, Proposals};

use super::client::{ask, find, unasked};
use crate::failure::Failure;
use crate::layout::Layout;
use crate::rundir;

/// What agents propose, as far as their sandboxes answer.
#[derive(Debug)]
pub struct Look {
    /// What each sandbox says.
    pub listed: Vec<(SandboxId, Proposals)>,
    /// Those that do not answer, and why.
    pub silent: Vec<(SandboxId, Failure)>,
}

/// What the agent of a running sandbox proposes, which `sandbox` names by its id or its agent's name; without a name, those of
/// all that can be asked. [`seen`] says what of it was seen.
///
/// # Errors
/// There is no such sandbox, or it does not answer.
pub fn proposals(layout: &Layout, sandbox: Option<&str>) -> Result<Look, Failure> {
    let listed = |sandbox: &SandboxId| match ask(layout, sandbox, Ask::Proposals)? {
        Answer::Proposals(proposals) => Ok(proposals),
        _ => Err(unasked(sandbox)),
    };
    let mut look = Look { listed: Vec::new(), silent: Vec::new() };
    if let Some(sandbox) = sandbox {
        let sandbox = find(layout, sandbox)?;
        let proposals = listed(&sandbox)?;
        look.listed.push((sandbox, proposals));
        return Ok(look);
    }
    let mut running = rundir::running(layout);
    running.sort();
    for sandbox in running {
        match listed(&sandbox) {
            Ok(proposals) => look.listed.push((sandbox, proposals)),
            Err(failure) => look.silent.push((sandbox, failure)),
        }
    }
    Ok(look)
}

/// Says what was seen, by its digests: that can then be approved without naming a digest.
///
/// # Errors
/// The sandbox does not answer.
pub fn seen(layout: &Layout, sandbox: &SandboxId, digests: Vec<String>) -> Result<(), Failure> {
    match ask(layout, sandbox, Ask::Seen { digests })? {
        Answer::Seen => Ok(()),
        _ => Err(unasked(sandbox)),
    }
}

/// Allows what is proposed, for so long. `digest` is what was seen; without it, what was seen last. When this returns, the
/// next request is decided with it.
///
/// # Errors
/// Nothing is allowed, and the failure says why.
pub fn approve(
    layout: &Layout,
    id: &str,
    (terms, digest): (AskedTerms, Option<String>),
) -> Result<(SandboxId, Approved), Failure> {
    let (sandbox, id) = whose(layout, id)?;
    match ask(layout, &sandbox, Ask::Approve { id, terms, digest })? {
        Answer::Approved(approved) => Ok((sandbox, approved)),
        _ => Err(unasked(&sandbox)),
    }
}

/// Says no, and why, for the agent to read.
///
/// # Errors
/// Nothing was said, and the failure says why.
pub fn reject(layout: &Layout, id: &str, reason: &str) -> Result<SandboxId, Failure> {
    let (sandbox, id) = whose(layout, id)?;
    match ask(layout, &sandbox, Ask::Reject { id, reason: reason.to_owned() })? {
        Answer::Rejected => Ok(sandbox),
        _ => Err(unasked(&sandbox)),
    }
}

/// The one running sandbox whose agent made this proposal.
fn whose(layout: &Layout, id: &str) -> Result<(SandboxId, RequestId), Failure> {
    let id = RequestId(id.to_owned());
    let has = |sandbox: &SandboxId| {
        matches!(ask(layout, sandbox, Ask::HasProposal { id: id.clone() }), Ok(Answer::HasProposal(true)))
    };
    let mut found: Vec<SandboxId> = rundir::running(layout).into_iter().filter(has).collect();
    match (found.pop(), found.is_empty()) {
        (Some(sandbox), true) => Ok((sandbox, id)),
        (Some(_one), false) => Err(Failure::new(
            format_args!("several sandboxes have a proposal {id}"),
            "this is a fault of openshell: please report it",
        )),
        (None, _) => Err(Failure::new(
            format_args!("no running sandbox has a proposal {id}"),
            "openshell policy proposals lists them",
        )),
    }
}
