//! What the agent of one sandbox proposes, as its operator sees it.
//!
//! A proposal never changes once it is here. What an operator sees of it is a *candidate*: the rule that it would become, in the
//! policy in force. A digest stands for all of it, so that what is approved is what was seen.
//!
//! *Invariant:* what the proxy says is checked again: a proposal that is not one exact request ends the sandbox.

use images::Digest;
use policies::proposal::Candidate;
use policies::{Document, LoadErrors};
use serde::Serialize;
use wire::id::{PolicyVersion, RequestId, SandboxId};
use wire::proposal::{MAX_ASKER, MAX_KEPT, MAX_REASON, Proposal, Standing, Terms, dispensable};

use crate::failure::{Failure, chain, wrong_policy};

/// The proposals of a sandbox.
#[derive(Debug)]
pub(crate) struct Proposals {
    sandbox: SandboxId,
    entries: Vec<Entry>,
}

/// A proposal, how it stands, and what was seen of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) proposal: Proposal,
    pub(crate) candidate: Candidate,
    pub(crate) standing: Standing,
    /// The policy under which an operator has seen it last.
    pub(crate) shown: Option<PolicyVersion>,
}

/// What a digest stands for.
#[derive(Serialize)]
struct Seen<'a> {
    what: &'static str,
    sandbox: &'a SandboxId,
    proposal: &'a Proposal,
    policy: &'a str,
    approved: &'a str,
}

impl Proposals {
    pub(crate) fn new(sandbox: SandboxId) -> Self {
        Self { sandbox, entries: Vec::new() }
    }

    /// Takes a proposal that the proxy has recorded.
    pub(crate) fn receive(&mut self, proposal: Proposal, now: i64) -> Result<(), Failure> {
        let known = self.get(&proposal.id).is_some();
        let Ok(candidate) = Candidate::new(proposal.wish.clone()) else { return Err(forged()) };
        if known || proposal.reason.len() > MAX_REASON || proposal.asker.len() > MAX_ASKER {
            return Err(forged());
        }
        if self.entries.len() >= MAX_KEPT {
            // The proxy keeps no more, and forgets in the same order; but a clock may be set between its look and this one.
            let all = self.entries.iter().map(|entry| (&entry.proposal, &entry.standing));
            match dispensable(all, now) {
                Some(settled) => drop(self.entries.remove(settled)),
                None if self.entries.len() < 2 * MAX_KEPT => {}
                None => return Err(forged()),
            }
        }
        self.entries.push(Entry { proposal, candidate, standing: Standing::Pending, shown: None });
        Ok(())
    }

    pub(crate) fn get(&self, id: &RequestId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.proposal.id == *id)
    }

    /// All.
    pub(crate) fn all(&self) -> &[Entry] {
        &self.entries
    }

    /// Notes that these were seen, if they stand for something under this policy.
    pub(crate) fn saw(&mut self, digests: &[String], (under, policy): (PolicyVersion, &str)) {
        let Self { sandbox, entries } = self;
        for entry in entries {
            if digest(sandbox, &entry.proposal, policy).is_ok_and(|digest| digests.contains(&digest)) {
                entry.shown = Some(under);
            }
        }
    }

    pub(crate) fn stands(&mut self, id: &RequestId, standing: Standing) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.proposal.id == *id) {
            entry.standing = standing;
        }
    }

    /// What stands for a proposal under a policy.
    pub(crate) fn digest(&self, entry: &Entry, policy: &str) -> Result<String, Failure> {
        digest(&self.sandbox, &entry.proposal, policy)
    }
}

/// What an operator has seen who has seen this: SHA-256, in hexadecimal, over the sandbox, the proposal, the policy in force and
/// the one that an approval to the sandbox's end would make of it.
///
/// # Errors
/// The proposal or the policy is none.
pub fn digest(sandbox: &SandboxId, proposal: &Proposal, policy: &str) -> Result<String, Failure> {
    let [before, after] = candidate(proposal, policy)?;
    let texts = [&before, &after].map(|document| document.dynamic_text());
    let [Ok(before), Ok(after)] = texts else { return Err(fault("a policy cannot be written")) };
    let what = "openshell approval, version 1";
    let seen = Seen { what, sandbox, proposal, policy: &before, approved: &after };
    let text = serde_json::to_vec(&seen).map_err(|error| fault(&chain(&error)))?;
    Ok(Digest::of_bytes(&text).to_string())
}

/// The policy in force, and the one that an approval to the sandbox's end would make of it.
///
/// # Errors
/// The proposal or the policy is none.
pub fn candidate(proposal: &Proposal, policy: &str) -> Result<[Document; 2], Failure> {
    let wrong = |errors: LoadErrors| wrong_policy(&errors);
    let before = Document::parse(policy, "the policy in force").map_err(wrong)?;
    let candidate = Candidate::new(proposal.wish.clone()).map_err(|error| fault(&chain(&error)))?;
    let after = before.clone().with_rule(candidate.rule(&proposal.id, Terms::Sandbox));
    Ok([before, after])
}

fn fault(what: &str) -> Failure {
    Failure::new(what, "this is a fault of openshell: please report it")
}

fn forged() -> Failure {
    Failure::new(
        "the proxy reports a proposal that is none",
        "this is a fault of openshell, or an attack: please report it with the sandbox's audit log",
    )
}
