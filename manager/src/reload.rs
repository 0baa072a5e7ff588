//! Replacing the policy of a running sandbox: the dynamic half, whole, at once, and on the record first.
//!
//! ```text
//! Settled ── new policy: it loads, its static half is the old one, it is recorded ──► sent to the proxy
//!    ▲                                                                                      │
//!    └──── applied: the new one is in force │ refused: the old one stays, which is recorded ┘
//! ```
//! *Invariant:* whatever fails, the policy in force stays in force.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use audit::{Decision, Edition, PolicyChange};
use images::Digest;
use policies::confinement::Workspace;
use policies::{Document, Policy};
use wire::id::PolicyVersion;
use wire::operator::{Answer, Ask, PolicyInForce, PolicySet};
use wire::proxy::ProxyCommand;
use zeroize::Zeroizing;

use crate::failure::{Failure, chain, wrong_policy};
use crate::operator::{Asked, Reply};
use crate::record::Recorder;

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
    /// The detection for which the sandbox is cut off as soon as the pending policy is in force or refused.
    deferred: Option<String>,
}

/// The network half of one policy.
#[derive(Clone, Debug)]
struct Network {
    version: PolicyVersion,
    text: String,
    sha256: String,
}

/// A policy that the proxy was sent.
#[derive(Debug)]
struct Pending {
    network: Network,
    change: PolicyChange,
    asked: AskedBy,
}

/// On whose behalf a policy takes effect.
#[derive(Debug)]
enum AskedBy {
    Operator(Reply),
    /// A detection, which nobody waits for: a sandbox that cannot be cut off does not go on.
    Detection,
}

impl Reload {
    /// Begins with the policy of the sandbox's start; `network` is what the proxy was given of it.
    pub(crate) fn new(
        started_with: Document,
        workspace: Workspace,
        network: Option<&str>,
        proxy: Option<UnixStream>,
    ) -> io::Result<Self> {
        if let Some(proxy) = &proxy {
            proxy.set_write_timeout(Some(PATIENCE))?;
        }
        let in_force = Network::new(PolicyVersion::FIRST, network.unwrap_or_default().to_owned());
        Ok(Self {
            started_with,
            workspace,
            in_force,
            last: PolicyVersion::FIRST,
            proxy,
            pending: None,
            deferred: None,
        })
    }

    /// Answers the operator, now or when the proxy has answered.
    pub(crate) fn asked(&mut self, asked: Asked, recorder: &mut Recorder) {
        let Asked { ask, uid, reply } = asked;
        match ask {
            Ask::PolicyInForce => reply.send(Answer::PolicyInForce(self.in_force.answer())),
            Ask::RefreshCredentials => unreachable!("the sandbox's loop gives that to `Refresh`"),
            Ask::SetPolicy { policy, name } => {
                let mut change = PolicyChange { new: None, old: self.in_force.edition(), source: name, uid };
                if let Err(failure) = self.replace(&policy, &mut change, (recorder, &reply)) {
                    self.refuse(failure, change, (recorder, &reply));
                }
            }
        }
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
        let digest = self.in_force.sha256.clone();
        if let AskedBy::Operator(reply) = pending.asked {
            reply.send(Answer::PolicySet(PolicySet { version, digest, closed }));
        }
        self.quarantine_deferred(recorder)
    }

    /// Cuts the sandbox off: a policy that allows nothing takes effect, and closes all open flows. It stays until an operator
    /// sets a policy.
    pub(crate) fn quarantine(&mut self, detection: &str, recorder: &mut Recorder) -> Result<(), Failure> {
        if self.pending.is_some() {
            self.deferred = Some(detection.to_owned());
            return Ok(());
        }
        // Without a proxy nothing can be reached anyway.
        let Some(proxy) = &mut self.proxy else { return Ok(()) };
        let network = Network::new(self.last.next(), closed()?);
        let change = PolicyChange {
            new: Some(network.edition()),
            old: self.in_force.edition(),
            source: format!("quarantine by detection {detection}"),
            uid: rustix::process::getuid().as_raw(),
        };
        recorder.policy_change(change.clone(), (Decision::Allow, None))?;
        self.last = network.version;
        let command = ProxyCommand::SetPolicy { version: network.version, policy: network.text.clone() };
        say(proxy, &command).map_err(|error| not_cut_off(&error))?;
        self.pending = Some(Pending { network, change, asked: AskedBy::Detection });
        Ok(())
    }

    fn quarantine_deferred(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        match self.deferred.take() {
            Some(detection) => self.quarantine(&detection, recorder),
            None => Ok(()),
        }
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
        match pending.asked {
            AskedBy::Detection => return Err(not_cut_off(&cause)),
            AskedBy::Operator(reply) => {
                let failure = Failure::new(cause, "install all of openshell's programs from one build");
                self.refuse(failure, pending.change, (&mut *recorder, &reply));
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
        let network = Network::new(self.last.next(), text);
        change.new = Some(network.edition());
        if self.pending.is_some() {
            return Err(Failure::new("another policy is just taking effect", "try again in a moment"));
        }
        let Some(proxy) = &mut self.proxy else {
            return Err(Failure::new(
                "the sandbox was started without network rules or modules, so it has no egress that a policy could open",
                "start the sandbox again with the new policy",
            ));
        };
        recorder.policy_change(change.clone(), (Decision::Allow, None))?;
        self.last = network.version;
        let command = ProxyCommand::SetPolicy { version: network.version, policy: network.text.clone() };
        say(proxy, &command).map_err(|error| {
            Failure::new(
                format_args!("the proxy does not take the policy: {error}"),
                "stop the sandbox if it must not go on",
            )
        })?;
        self.pending =
            Some(Pending { network, change: change.clone(), asked: AskedBy::Operator(reply.clone()) });
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
    fn new(version: PolicyVersion, text: String) -> Self {
        Self { version, sha256: Digest::of_bytes(text.as_bytes()).to_string(), text }
    }

    fn edition(&self) -> Edition {
        Edition { version: self.version, sha256: self.sha256.clone() }
    }

    fn answer(&self) -> PolicyInForce {
        PolicyInForce { version: self.version, digest: self.sha256.clone(), policy: self.text.clone() }
    }
}

/// The network half of a policy that allows nothing.
fn closed() -> Result<String, Failure> {
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
