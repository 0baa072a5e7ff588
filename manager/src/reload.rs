//! Replacing the policy of a running sandbox: the dynamic half, whole, at once, and on the record first.
//!
//! ```text
//! Settled ── new policy: it loads, its static half is the old one, it is recorded ──► sent to the proxy
//!    ▲                                                                                      │
//!    └──── applied: the new one is in force │ refused: the old one stays, which is recorded ┘
//! ```
//! Approvals of what the agent proposes ([`approval`]) are changes of the same kind. They belong to the policy in which they
//! were made: one that an operator sets, or a quarantine, ends them all.
//!
//! *Invariant:* whatever fails, the policy in force stays in force.

mod approval;
mod grants;

use std::collections::HashSet;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use audit::{Decision, Edition, PolicyChange};
use images::Digest;
use policies::confinement::Workspace;
use policies::{Document, Policy};
use wire::id::{PolicyVersion, RequestId, SandboxId};
use wire::operator::{Answer, Approved, Ask, PolicyInForce, PolicySet};
use wire::proposal::Standing;
use wire::proxy::{Doors, ProxyCommand};
use zeroize::Zeroizing;

use crate::failure::{Failure, chain, wrong_policy};
use crate::operator::{Asked, Reply};
use crate::proposals::Proposals;
use crate::record::Recorder;

use approval::{Answering, Approving};
use grants::Grant;
pub(crate) use grants::Moment;

/// How long the proxy may take to read a command.
const PATIENCE: Duration = Duration::from_secs(5);

/// The policy of a running sandbox.
#[derive(Debug)]
pub(crate) struct Reload {
    /// The document that the sandbox was started with: its static half holds to the end.
    started_with: Document,
    workspace: Workspace,
    in_force: Network,
    /// The last number that was given, also to a policy that never took effect: none is given twice.
    last: PolicyVersion,
    /// The proxy's ear; `None`: the sandbox has no egress.
    proxy: Option<UnixStream>,
    pending: Option<Pending>,
    /// For whom the sandbox is cut off as soon as the pending policy is in force or refused.
    deferred: Vec<Cutoff>,
    /// What the agent proposes.
    proposals: Proposals,
    /// Approvals for one request whose request is over.
    spent: HashSet<RequestId>,
}

/// The network half of one policy.
#[derive(Clone, Debug)]
struct Network {
    version: PolicyVersion,
    text: String,
    sha256: String,
    doors: Doors,
    /// The approvals whose rules stand in it.
    grants: Vec<Grant>,
}

/// A policy that the proxy was sent.
#[derive(Debug)]
struct Pending {
    network: Network,
    change: PolicyChange,
    asked: AskedBy,
    /// The approval that it is.
    approving: Option<Approving>,
    /// The approvals that it ends, and why.
    ended: Vec<(RequestId, String)>,
}

/// Why the sandbox is cut off.
#[derive(Debug)]
pub(crate) struct Cutoff {
    source: String,
    uid: u32,
    asked: AskedBy,
}

/// On whose behalf a policy takes effect.
#[derive(Debug)]
enum AskedBy {
    Operator(Reply),
    /// A detection, which nobody waits for: a sandbox that cannot be cut off does not go on.
    Detection,
    /// An approval that is over: what cannot be taken back must not go on either.
    End,
}

impl Reload {
    /// Begins with the policy of the sandbox's start; `network` is what the proxy was given of it.
    pub(crate) fn new(
        sandbox: &SandboxId,
        (started_with, workspace): (Document, Workspace),
        network: Option<&str>,
        proxy: Option<UnixStream>,
    ) -> io::Result<Self> {
        if let Some(proxy) = &proxy {
            proxy.set_write_timeout(Some(PATIENCE))?;
        }
        let in_force =
            Network::new(PolicyVersion::FIRST, network.unwrap_or_default().to_owned(), Doors::Open);
        Ok(Self {
            started_with,
            workspace,
            in_force,
            last: PolicyVersion::FIRST,
            proxy,
            pending: None,
            deferred: Vec::new(),
            proposals: Proposals::new(sandbox.clone()),
            spent: HashSet::new(),
        })
    }

    /// Answers the operator, now or when the proxy has answered.
    ///
    /// # Errors
    /// The sandbox must not go on.
    pub(crate) fn asked(&mut self, asked: Asked, recorder: &mut Recorder) -> Result<(), Failure> {
        let Asked { ask, uid, reply } = asked;
        match ask {
            Ask::PolicyInForce => reply.send(Answer::PolicyInForce(self.in_force.answer())),
            Ask::Quarantine => {
                let asked = AskedBy::Operator(reply);
                let cutoff = Cutoff { source: "quarantine by the operator".to_owned(), uid, asked };
                return self.quarantine(cutoff, recorder);
            }
            Ask::RefreshCredentials
            | Ask::Pause
            | Ask::Resume
            | Ask::Standing
            | Ask::Execute(_)
            | Ask::Copy(_)
            | Ask::Attach { .. }
            | Ask::Join { .. }
            | Ask::Detach { .. }
            | Ask::StopCommand { .. }
            | Ask::Sessions
            | Ask::Stop => {
                unreachable!("the sandbox's loop gives that to others")
            }
            Ask::Proposals => self.list(&reply),
            Ask::Seen { digests } => self.saw(&digests, &reply),
            Ask::HasProposal { id } => reply.send(Answer::HasProposal(self.has(&id))),
            Ask::Approve { id, terms, digest } => {
                self.approve(Answering { id, uid, reply }, (terms, digest), recorder);
            }
            Ask::Reject { id, reason } => self.reject(Answering { id, uid, reply }, reason, recorder),
            Ask::SetPolicy { policy, name } => {
                let mut change = PolicyChange { new: None, old: self.in_force.edition(), source: name, uid };
                if let Err(failure) = self.replace(&policy, &mut change, (recorder, &reply)) {
                    self.refuse(failure, change, (recorder, &reply));
                }
            }
        }
        Ok(())
    }

    /// Whether the sandbox is cut off.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.in_force.doors == Doors::Shut
    }

    /// The proxy says that the policy that it was sent is in force.
    pub(crate) fn applied(
        &mut self,
        version: PolicyVersion,
        closed: u64,
        recorder: &mut Recorder,
    ) -> Result<(), Failure> {
        let Some(pending) = self.pending.take_if(|pending| pending.network.version == version) else {
            return Ok(());
        };
        self.in_force = pending.network;
        recorder.in_force(version);
        let digest = self.in_force.sha256.clone();
        for (id, why) in &pending.ended {
            self.settle(id, Standing::Over(why.clone()));
        }
        let ended = pending.ended.into_iter().map(|(id, _why)| id).collect();
        let set = PolicySet { version, digest, closed, ended };
        let answer = match pending.approving {
            Some(Approving { approval, terms, rule }) => {
                self.settle(&approval.proposal.id, Standing::Approved(terms));
                Answer::Approved(Approved { policy: set, terms, rule })
            }
            None => Answer::PolicySet(set),
        };
        if let AskedBy::Operator(reply) = pending.asked {
            reply.send(answer);
        }
        self.quarantine_deferred(recorder)
    }

    /// Cuts the sandbox off: a policy that allows nothing takes effect, closes all open flows, and shuts the doors to the
    /// outside. It stays until an operator sets a policy.
    ///
    /// # Errors
    /// It is not cut off, though a detection wants it to be.
    pub(crate) fn quarantine(&mut self, cutoff: Cutoff, recorder: &mut Recorder) -> Result<(), Failure> {
        if self.pending.is_some() {
            self.deferred.push(cutoff);
            return Ok(());
        }
        match (self.cut_off(&cutoff, recorder), cutoff.asked) {
            (Ok(Some((network, change))), asked) => {
                let ended = self.ending("the sandbox was put into quarantine");
                self.pending = Some(Pending { network, change, asked, approving: None, ended });
                Ok(())
            }
            // Without a proxy nothing can be reached anyway.
            (Ok(None), AskedBy::Detection | AskedBy::End) => Ok(()),
            (Ok(None), AskedBy::Operator(reply)) => {
                reply.send(Answer::from(Failure::new(
                    "the sandbox has no way out or in that could be cut off",
                    "pause it, or stop it, if it must not go on",
                )));
                Ok(())
            }
            (Err(failure), AskedBy::Detection | AskedBy::End) => Err(failure),
            (Err(failure), AskedBy::Operator(reply)) => {
                reply.send(Answer::from(failure));
                Ok(())
            }
        }
    }

    /// Records it, and tells the proxy, if there is one.
    fn cut_off(
        &mut self,
        cutoff: &Cutoff,
        recorder: &mut Recorder,
    ) -> Result<Option<(Network, PolicyChange)>, Failure> {
        let why = approval::ends(&self.ending(""));
        let Some(proxy) = &mut self.proxy else { return Ok(None) };
        let network = Network::new(self.last.next(), closed()?, Doors::Shut);
        let change = PolicyChange {
            new: Some(network.edition()),
            old: self.in_force.edition(),
            source: cutoff.source.clone(),
            uid: cutoff.uid,
        };
        recorder.keep(&network.text)?;
        recorder.policy_change(change.clone(), (Decision::Allow, why))?;
        self.last = network.version;
        say(proxy, &network.command()).map_err(|error| not_cut_off(&error))?;
        Ok(Some((network, change)))
    }

    fn quarantine_deferred(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        while self.pending.is_none() && !self.deferred.is_empty() {
            let first = self.deferred.remove(0);
            self.quarantine(first, recorder)?;
        }
        Ok(())
    }

    /// The proxy says that it does not take the policy that it was sent.
    pub(crate) fn refused(
        &mut self,
        version: PolicyVersion,
        cause: String,
        recorder: &mut Recorder,
    ) -> Result<(), Failure> {
        let Some(pending) = self.pending.take_if(|pending| pending.network.version == version) else {
            return Ok(());
        };
        let failure = Failure::new(&cause, "install all of openshell's programs from one build");
        match (pending.asked, pending.approving) {
            (AskedBy::Detection, _) => return Err(not_cut_off(&cause)),
            (AskedBy::End, _) => return Err(failure),
            (AskedBy::Operator(reply), None) => {
                self.refuse(failure, pending.change, (&mut *recorder, &reply));
            }
            (AskedBy::Operator(reply), Some(Approving { approval, .. })) => {
                self.spent.remove(&approval.proposal.id);
                let _unrecorded = recorder.approval(&approval, (Decision::Deny, Some(cause)));
                reply.send(Answer::from(failure));
            }
        }
        self.quarantine_deferred(recorder)
    }

    fn replace(
        &mut self,
        policy: &str,
        change: &mut PolicyChange,
        (recorder, reply): (&mut Recorder, &Reply),
    ) -> Result<(), Failure> {
        let text = self.network_of(policy, &change.source)?;
        let network = Network::new(self.last.next(), text, Doors::Open);
        change.new = Some(network.edition());
        if self.pending.is_some() {
            return Err(Failure::new("another policy is just taking effect", "try again in a moment"));
        }
        if self.proxy.is_none() {
            return Err(Failure::new(
                "the sandbox was started without network rules or modules, so it has no egress that a policy could open",
                "start the sandbox again with the new policy",
            ));
        }
        let ended = self.ending("the operator has set another policy");
        recorder.keep(&network.text)?;
        recorder.policy_change(change.clone(), (Decision::Allow, approval::ends(&ended)))?;
        let asked = AskedBy::Operator(reply.clone());
        self.send(Pending { network, change: change.clone(), asked, approving: None, ended })
    }

    /// Sends the proxy a policy that is on the record.
    fn send(&mut self, pending: Pending) -> Result<(), Failure> {
        let Some(proxy) = &mut self.proxy else {
            return Err(Failure::new("the sandbox has no egress", "start it with network rules"));
        };
        self.last = pending.network.version;
        say(proxy, &pending.network.command()).map_err(|error| {
            Failure::new(
                format_args!("the proxy does not take the policy: {error}"),
                "stop the sandbox if it must not go on",
            )
        })?;
        self.pending = Some(pending);
        Ok(())
    }

    /// The network half of a document whose static half is the one that was started with.
    fn network_of(&self, policy: &str, name: &str) -> Result<String, Failure> {
        let wrong = |errors| wrong_policy(&errors);
        let document = Document::parse(policy, name).map_err(wrong)?;
        if let Some(key) = self.started_with.static_change(&document, &self.workspace).map_err(wrong)? {
            return Err(Failure::new(
                format_args!(
                    "{name}: {key} differs from what the sandbox was started with, and holds to its end"
                ),
                format_args!("leave {key} as it was, or start the sandbox again with the new policy"),
            ));
        }
        Policy::compile(&document).map_err(wrong)?;
        document
            .dynamic_text()
            .map_err(|error| Failure::new(chain(&error), "this is a fault of openshell: please report it"))
    }

    /// Says, and records, that the policy in force stays.
    fn refuse(&self, failure: Failure, change: PolicyChange, (recorder, reply): (&mut Recorder, &Reply)) {
        // Without a record nothing happened, and nothing happens: the operator hears of it all the same.
        let _unrecorded = recorder.policy_change(change, (Decision::Deny, Some(failure.cause.clone())));
        let cause = format!("{}; policy {} stays in force", failure.cause, self.in_force.version);
        reply.send(Answer::Refused { cause, remedy: failure.remedy });
    }
}

impl Network {
    fn new(version: PolicyVersion, text: String, doors: Doors) -> Self {
        let sha256 = Digest::of_bytes(text.as_bytes()).to_string();
        Self { version, sha256, text, doors, grants: Vec::new() }
    }

    fn command(&self) -> ProxyCommand {
        ProxyCommand::SetPolicy { version: self.version, policy: self.text.clone(), doors: self.doors }
    }

    fn edition(&self) -> Edition {
        Edition { version: self.version, sha256: self.sha256.clone() }
    }

    fn answer(&self) -> PolicyInForce {
        PolicyInForce { version: self.version, digest: self.sha256.clone(), policy: self.text.clone() }
    }
}

impl Cutoff {
    /// On the word of a detection.
    pub(crate) fn by_detection(name: &str) -> Self {
        let uid = rustix::process::getuid().as_raw();
        Self { source: format!("quarantine by detection {name}"), uid, asked: AskedBy::Detection }
    }
}

/// The network half of a policy that allows nothing.
pub(crate) fn closed() -> Result<String, Failure> {
    let document =
        Document::parse("version: 1\nnetwork: []\n", "quarantine").map_err(|errors| wrong_policy(&errors))?;
    document
        .dynamic_text()
        .map_err(|error| Failure::new(chain(&error), "this is a fault of openshell: please report it"))
}

fn not_cut_off(cause: &impl std::fmt::Display) -> Failure {
    Failure::new(
        format_args!("the sandbox could not be put into quarantine, and was stopped: {cause}"),
        "openshell audit watch --from-start --once --surface finding shows why it was to be",
    )
}

/// Says one command to the proxy.
pub(crate) fn say(proxy: &mut UnixStream, command: &ProxyCommand) -> io::Result<()> {
    // It may hold secrets.
    let mut line = Zeroizing::new(serde_json::to_vec(command)?);
    line.push(b'\n');
    proxy.write_all(&line)
}

#[cfg(test)]
mod tests;
