//! Answers to what the agent proposes: an approval is a change of the policy like every other, recorded first, applied to the
//! next request, and taken back in the same way.
//!
//! ```text
//! pending ── approved, as it was seen ──► in force ── used │ time is up │ policy set │ quarantine ──► over
//!    │ rejected, expired
//! ```
//! *Invariants:* what is approved is what was seen, under the policy under which it was seen; what cannot be recorded is not
//! granted; what cannot be taken back ends the sandbox.

use std::time::Duration;

use audit::{Decision, PolicyChange};
use policies::proposal::{Now, rule_name, rule_text};
use policies::{Document, Policy, Timestamp};
use wire::id::RequestId;
use wire::operator::{Answer, AskedTerms, Proposals as Listed, Shown};
use wire::proposal::{Proposal, Standing, Terms};
use wire::proxy::{Doors, ProxyCommand};

use super::grants::{Grant, Moment};
use super::{AskedBy, Network, Pending, Reload, say};
use crate::failure::{Failure, chain, wrong_policy};
use crate::operator::Reply;
use crate::proposals::Entry;
use crate::record::{Approval, Recorder};

/// Longest reason of an operator that the agent reads, in bytes.
const MAX_REASON: usize = 500;

/// Longest time for which something is approved, in seconds: a year.
const LONGEST: u32 = 366 * 24 * 3600;

/// A proposal that an operator answers.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) id: RequestId,
    /// The operator's user on the host.
    pub(super) uid: u32,
    pub(super) reply: Reply,
}

/// An approval that the proxy was sent.
#[derive(Debug)]
pub(super) struct Approving {
    pub(super) approval: Approval,
    pub(super) terms: Terms,
    /// The rule, for the operator.
    pub(super) rule: String,
}

impl Reload {
    /// The agent proposes something.
    ///
    /// # Errors
    /// It does not: the proxy must not be trusted any more.
    pub(crate) fn proposed(&mut self, proposal: Proposal) -> Result<(), Failure> {
        self.proposals.receive(proposal, Moment::now().wall)
    }

    /// The last request that a rule allows is over.
    pub(crate) fn spent(&mut self, rule: &str) {
        // The proxy may have served the one request before it said that the policy is in force.
        let pending = self.pending.iter().flat_map(|pending| &pending.network.grants);
        let approval = self.in_force.grants.iter().chain(pending).find(|grant| rule_name(&grant.id) == rule);
        self.spent.extend(approval.map(|grant| grant.id.clone()));
    }

    /// How long nobody needs to look whether an approval is over; `None`: none is by itself, or none could be taken back before
    /// the proxy has answered.
    pub(crate) fn look_in(&self, now: Moment) -> Option<Duration> {
        if self.pending.is_some() {
            return None;
        }
        self.in_force.grants.iter().filter_map(|grant| grant.look_in(now)).min()
    }

    /// Takes back what is over.
    ///
    /// # Errors
    /// It cannot be taken back on the record: the sandbox must not go on.
    pub(crate) fn take_back(&mut self, now: Moment, recorder: &mut Recorder) -> Result<(), Failure> {
        let over = |grant: &&Grant| grant.is_over(now) || self.spent.contains(&grant.id);
        let ended: Vec<RequestId> =
            self.in_force.grants.iter().filter(over).map(|grant| grant.id.clone()).collect();
        if ended.is_empty() || self.pending.is_some() {
            return Ok(());
        }
        let why = |id: &RequestId| if self.spent.contains(id) { "it was used" } else { "its time is up" };
        let ended: Vec<(RequestId, String)> =
            ended.into_iter().map(|id| (id.clone(), why(&id).to_owned())).collect();
        self.without(&ended, recorder).map_err(|failure| {
            Failure::new(
                format_args!(
                    "an approval could not be taken back, and the sandbox was stopped: {}",
                    failure.cause
                ),
                &failure.remedy,
            )
        })
    }

    /// Puts the policy in force without these approvals.
    fn without(&mut self, ended: &[(RequestId, String)], recorder: &mut Recorder) -> Result<(), Failure> {
        let ids: Vec<RequestId> = ended.iter().map(|(id, _why)| id.clone()).collect();
        let text = text_of(self.document()?.without_approvals(&ids))?;
        let mut grants = self.in_force.grants.clone();
        grants.retain(|grant| !ids.contains(&grant.id));
        let network = Network { grants, ..Network::new(self.last.next(), text, Doors::Open) };
        let said: Vec<String> =
            ended.iter().map(|(id, why)| format!("end of approval {id}: {why}")).collect();
        let change = PolicyChange {
            new: Some(network.edition()),
            old: self.in_force.edition(),
            source: said.join("; "),
            uid: rustix::process::getuid().as_raw(),
        };
        recorder.keep(&network.text)?;
        recorder.policy_change(change.clone(), (Decision::Allow, None))?;
        self.send(Pending { network, change, asked: AskedBy::End, approving: None, ended: ended.to_vec() })
    }

    /// What is proposed.
    pub(super) fn list(&self, reply: &Reply) {
        let policy = self.in_force.answer();
        let shown = |entry: &Entry| {
            let digest = self.proposals.digest(entry, &policy.policy)?;
            Ok(Shown { proposal: entry.proposal.clone(), standing: entry.standing.clone(), digest })
        };
        let proposals: Result<_, Failure> = self.proposals.all().iter().map(shown).collect();
        reply.send(
            proposals.map_or_else(Answer::from, |proposals| Answer::Proposals(Listed { policy, proposals })),
        );
    }

    /// An operator has seen these.
    pub(super) fn saw(&mut self, digests: &[String], reply: &Reply) {
        self.proposals.saw(digests, (self.in_force.version, &self.in_force.text));
        reply.send(Answer::Seen);
    }

    /// Whether a proposal is one of this sandbox's.
    pub(super) fn has(&self, id: &RequestId) -> bool {
        self.proposals.get(id).is_some()
    }

    /// Allows what is proposed, if it is what was seen.
    pub(super) fn approve(
        &mut self,
        answering: Answering,
        (asked, digest): (AskedTerms, Option<String>),
        recorder: &mut Recorder,
    ) {
        let Some(entry) = self.proposals.get(&answering.id).cloned() else {
            return answering.reply.send(Answer::from(unknown(&answering.id)));
        };
        let mut approval = self.answered(&entry, answering.uid);
        if let Err(failure) = self.try_approve(&entry, (asked, digest), (&mut approval, &answering), recorder)
        {
            // Without a record nothing happened, and nothing happens: the operator hears of it all the same.
            let _unrecorded = recorder.approval(&approval, (Decision::Deny, Some(failure.cause.clone())));
            let cause = format!("{}; nothing is approved", failure.cause);
            answering.reply.send(Answer::Refused { cause, remedy: failure.remedy });
        }
    }

    fn try_approve(
        &mut self,
        entry: &Entry,
        (asked, digest): (AskedTerms, Option<String>),
        (approval, answering): (&mut Approval, &Answering),
        recorder: &mut Recorder,
    ) -> Result<(), Failure> {
        let now = Moment::now();
        self.is_open(entry, now)?;
        let seen = self.proposals.digest(entry, &self.in_force.text)?;
        approval.digest = Some(seen.clone());
        self.was_seen(entry, (&seen, digest))?;
        self.is_of_use(entry, now)?;
        if let AskedTerms::For(0) | AskedTerms::For(LONGEST..) = asked {
            return Err(Failure::new(
                "an approval is for a second at least, and for a year at most",
                "write --for 1h",
            ));
        }
        let grant = Grant::new(entry.proposal.id.clone(), asked, now);
        let terms = grant.terms;
        approval.terms = Some(terms);
        let rule = entry.candidate.rule(&entry.proposal.id, terms);
        let shown = rule_text(&rule).map_err(|error| fault(&chain(&error)))?;
        let document = self.document()?.with_rule(rule);
        Policy::compile(&document).map_err(|errors| wrong_policy(&errors))?;
        let network = Network::new(self.last.next(), text_of(document)?, Doors::Open);
        let grants = [self.in_force.grants.as_slice(), &[grant]].concat();
        let network = Network { grants, ..network };
        approval.change.new = Some(network.edition());
        recorder.keep(&network.text)?;
        recorder.approval(approval, (Decision::Allow, None))?;
        let approving = Approving { approval: approval.clone(), terms, rule: shown };
        self.send(Pending {
            network,
            change: approval.change.clone(),
            asked: AskedBy::Operator(answering.reply.clone()),
            approving: Some(approving),
            ended: Vec::new(),
        })
    }

    /// Whether there is anything to approve, and nothing against it.
    fn is_open(&self, entry: &Entry, now: Moment) -> Result<(), Failure> {
        if self.is_quarantined() {
            return Err(Failure::new(
                "the sandbox is in quarantine: nothing is approved there",
                "openshell policy set ends it",
            ));
        }
        let Entry { proposal, standing, .. } = entry;
        let said = match standing {
            Standing::Pending if proposal.is_open(standing, now.wall) => None,
            Standing::Pending => Some("it has expired"),
            Standing::Approved(_) => Some("it is approved already"),
            Standing::Rejected(_) => Some("it was rejected"),
            Standing::Over(_) => Some("it was approved, and that is over"),
        };
        if let Some(said) = said {
            return Err(Failure::new(said, "the agent can propose it again"));
        }
        if self.pending.is_some() {
            return Err(Failure::new("another policy is just taking effect", "try again in a moment"));
        }
        Ok(())
    }

    /// Whether an approval would change anything. A rule that overlaps another one would bring its limits to what is allowed
    /// without them.
    fn is_of_use(&self, entry: &Entry, now: Moment) -> Result<(), Failure> {
        let policy = Policy::compile(&self.document()?).map_err(|errors| wrong_policy(&errors))?;
        match entry.candidate.under(&policy, Timestamp(now.wall)) {
            Now::Open => Ok(()),
            Now::Allowed { rule } => Err(Failure::new(
                format_args!("rule '{rule}' allows it already"),
                "openshell policy reject tells the agent so",
            )),
            Now::Bound { reason } => Err(Failure::new(
                format_args!("no approval would allow it: {reason}"),
                "change the policy with openshell policy set, or reject the proposal",
            )),
        }
    }

    /// Whether the operator means what is there now.
    fn was_seen(&self, entry: &Entry, (seen, digest): (&str, Option<String>)) -> Result<(), Failure> {
        let look = "look at it again: openshell policy proposals";
        match digest {
            Some(digest) if digest == seen => Ok(()),
            Some(_other) => {
                Err(Failure::new("the proposal, or the policy in force, is not the one that was seen", look))
            }
            None if entry.shown == Some(self.in_force.version) => Ok(()),
            None if entry.shown.is_none() => Err(Failure::new("nobody has looked at it yet", look)),
            None => Err(Failure::new("the policy in force is not the one under which it was seen", look)),
        }
    }

    /// Says no, for the agent to read.
    pub(super) fn reject(&mut self, answering: Answering, reason: String, recorder: &mut Recorder) {
        let Answering { id, uid, reply } = answering;
        let Some(entry) = self.proposals.get(&id).cloned() else {
            return reply.send(Answer::from(unknown(&id)));
        };
        if entry.standing != Standing::Pending || reason.trim().is_empty() || reason.len() > MAX_REASON {
            let cause = "only what waits for an answer is rejected, for a reason of 1 to 500 bytes";
            return reply
                .send(Answer::from(Failure::new(cause, "openshell policy proposals shows how it stands")));
        }
        // The approval was on its way first; a no that it overtakes would be none.
        let approving = self.pending.as_ref().and_then(|pending| pending.approving.as_ref());
        if approving.is_some_and(|approving| approving.approval.proposal.id == id) {
            let cause = "its approval is just taking effect: it is not rejected";
            let remedy = "openshell policy set, or vm quarantine, ends an approval that is in force";
            return reply.send(Answer::from(Failure::new(cause, remedy)));
        }
        let approval = self.answered(&entry, uid);
        match recorder.approval(&approval, (Decision::Deny, Some(reason.clone()))) {
            Ok(()) => {
                self.settle(&id, Standing::Rejected(reason));
                reply.send(Answer::Rejected);
            }
            Err(failure) => reply.send(Answer::from(failure)),
        }
    }

    /// Notes how a proposal stands, and lets the agent know.
    pub(super) fn settle(&mut self, id: &RequestId, standing: Standing) {
        self.proposals.stands(id, standing.clone());
        if !matches!(standing, Standing::Approved(_)) {
            self.spent.remove(id);
        }
        if let Some(proxy) = &mut self.proxy {
            // A proxy that hears nothing has ended, which ends the sandbox.
            let _gone = say(proxy, &ProxyCommand::ProposalStands { id: id.clone(), standing });
        }
    }

    /// Every approval in force, and why it ends.
    pub(super) fn ending(&self, why: &str) -> Vec<(RequestId, String)> {
        self.in_force.grants.iter().map(|grant| (grant.id.clone(), why.to_owned())).collect()
    }

    fn answered(&self, entry: &Entry, uid: u32) -> Approval {
        let source = format!("approval of {}", entry.proposal.id);
        let change = PolicyChange { new: None, old: self.in_force.edition(), source, uid };
        Approval { proposal: entry.proposal.clone(), digest: None, terms: None, change }
    }

    fn document(&self) -> Result<Document, Failure> {
        Document::parse(&self.in_force.text, "the policy in force").map_err(|errors| wrong_policy(&errors))
    }
}

/// What the record says of approvals that a change ends.
pub(super) fn ends(ended: &[(RequestId, String)]) -> Option<String> {
    let ids: Vec<String> = ended.iter().map(|(id, _why)| id.to_string()).collect();
    (!ids.is_empty()).then(|| format!("ends the approvals {}", ids.join(", ")))
}

fn text_of(document: Document) -> Result<String, Failure> {
    document.dynamic_text().map_err(|error| fault(&chain(&error)))
}

fn unknown(id: &RequestId) -> Failure {
    Failure::new(format_args!("the sandbox has no proposal {id}"), "openshell policy proposals lists them")
}

fn fault(what: &str) -> Failure {
    Failure::new(what, "this is a fault of openshell: please report it")
}
