//! What the manager itself writes to the audit log: the sandbox's life. Like every other client of the log it
//! waits until the record is written: what cannot be recorded does not happen.

mod observed;

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use audit::client::Blocking;
use audit::{Action, Appended, Configuration, Decision, Event, Lifecycle, Object, Phase, PolicyChange};
use audit_watch::Finding;
use images::Digest;
use wire::confinement::Confinement;
use wire::id::PolicyVersion;
use wire::proposal::{Proposal, Terms};

use crate::audit_settings::FullSetting;
use crate::failure::{ExitStatus, Failure, chain};
use crate::spec::Spec;

/// How long the writer may take for one record. A log on a disk that hangs must not keep a machine alive.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer, as the record has it.
#[derive(Clone, Debug)]
pub(crate) struct Approval {
    pub(crate) proposal: Proposal,
    /// What was seen.
    pub(crate) digest: Option<String>,
    pub(crate) terms: Option<Terms>,
    pub(crate) change: PolicyChange,
}

/// The manager's end of the log.
#[derive(Debug)]
pub(crate) struct Recorder {
    writer: Blocking,
    /// The log's directory, for what records name by a digest.
    log: PathBuf,
    on_full: FullSetting,
    /// The policy that decides now; `None`: there is no network part, and no other can be replaced.
    in_force: Option<PolicyVersion>,
}

impl Recorder {
    pub(crate) fn new(writer: UnixStream, log: PathBuf, on_full: FullSetting) -> io::Result<Self> {
        writer.set_read_timeout(Some(PATIENCE))?;
        writer.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { writer: Blocking::new(writer), log, on_full, in_force: None })
    }

    /// Keeps the text of a policy that the next record names: a digest alone tells nobody who allowed what.
    pub(crate) fn keep(&self, policy: &str) -> Result<(), Failure> {
        match audit::policies::keep(&self.log, policy) {
            Err(full) if self.on_full == FullSetting::Degrade && audit::writer::is_full(&full) => Ok(()),
            kept => kept.map_err(|error| {
                Failure::new(
                    format_args!("the text of the policy cannot be kept with the audit log: {error}"),
                    "free some space on its disk: a policy that nobody could look up later does not take effect",
                )
            }),
        }
    }

    /// What the sandbox is made from, before the guest is told what to become. `network` is the policy that the proxy is given.
    pub(crate) fn configured(
        &mut self,
        spec: &Spec,
        (confinement, root): (&Confinement, &images::Digest),
        network: Option<&str>,
    ) -> Result<(), Failure> {
        let digest = |text: &str| Digest::of_bytes(text.as_bytes()).to_string();
        let confinement = serde_json::to_string(confinement).expect("a confinement of plain fields is JSON");
        self.keep(&confinement)?;
        network.map_or(Ok(()), |network| self.keep(network))?;
        let configuration = Configuration {
            sha256: digest(&spec.text()?),
            source: Some(spec.file.display().to_string()),
            uid: Some(rustix::process::getuid().as_raw()),
            image: Some(images::root::pin(&spec.image, root)),
            confinement_sha256: Some(digest(&confinement)),
            network_sha256: network.map(digest),
            openshell: Some(env!("CARGO_PKG_VERSION").to_owned()),
        };
        self.in_force = network.map(|_policy| PolicyVersion::FIRST);
        self.record(&Event {
            decision: Some(Decision::Allow),
            policy: self.in_force,
            configuration: Some(configuration),
            ..Event::new(Action::Configuration)
        })
    }

    /// The sandbox is about to be told what to become. `open_ports` are lines of what can be reached from outside.
    pub(crate) fn started(&mut self, open_ports: &[String]) -> Result<(), Failure> {
        let detail = (!open_ports.is_empty()).then(|| open_ports.join("; "));
        self.append(Phase::Started, None, detail)
    }

    /// The guest says that the agent's process is there; `again`: for which time after the first.
    pub(crate) fn agent_started(&mut self, again: Option<String>) -> Result<(), Failure> {
        self.append(Phase::AgentStarted, None, again)
    }

    /// The guest says that the agent has ended; it is to be started again.
    pub(crate) fn agent_restarting(&mut self, code: i32, why: String) -> Result<(), Failure> {
        self.append(Phase::AgentRestarting, Some(code), Some(why))
    }

    /// The machine stands still, or is about to go on, or the agent to be ended, because of `why`.
    pub(crate) fn stands(&mut self, phase: Phase, why: &str) -> Result<(), Failure> {
        self.append(phase, None, Some(why.to_owned()))
    }

    /// An operator's command is about to run beside the agent, or has ended.
    pub(crate) fn command(&mut self, phase: Phase, code: Option<i32>, detail: String) -> Result<(), Failure> {
        self.append(phase, code, Some(detail))
    }

    /// The agent has ended, or the sandbox has failed.
    pub(crate) fn ended(&mut self, result: &Result<ExitStatus, Failure>) -> Result<(), Failure> {
        match result {
            Ok(status) => self.append(Phase::AgentExited, Some(i32::from(status.code())), None),
            Err(failure) => self.failed(failure),
        }
    }

    /// There is no sandbox any more.
    pub(crate) fn failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        let code = Some(i32::from(failure.status.code()));
        self.append(Phase::Failed, code, Some(failure.cause.clone()))
    }

    /// The policy is about to be replaced, or is not, for a reason.
    pub(crate) fn policy_change(
        &mut self,
        change: PolicyChange,
        (decision, reason): (Decision, Option<String>),
    ) -> Result<(), Failure> {
        let policy = Some(change.old.version);
        let event = Event { decision: Some(decision), reason, policy, ..Event::new(Action::PolicyChange) };
        self.record(&Event { policy_change: Some(change), ..event })
    }

    /// From here on records name this policy.
    pub(crate) fn in_force(&mut self, policy: PolicyVersion) {
        self.in_force = Some(policy);
    }

    /// A proposal is about to be approved, or is not, for a reason.
    pub(crate) fn approval(
        &mut self,
        approval: &Approval,
        (decision, reason): (Decision, Option<String>),
    ) -> Result<(), Failure> {
        let Approval { proposal, digest, terms, change } = approval;
        let until = match terms {
            Some(Terms::Until(until)) => Some(policies::Timestamp(*until).to_string()),
            _other => None,
        };
        let terms = terms.map(|terms| match terms {
            Terms::Once => audit::Terms::Once,
            Terms::Until(_) => audit::Terms::Until,
            Terms::Sandbox => audit::Terms::Sandbox,
        });
        let sha256 = digest.clone();
        let described = audit::Proposal { sha256, terms, until, ..audit::Proposal::of(&proposal.wish) };
        self.record(&Event {
            object: Some(Object::wished(&proposal.wish)),
            decision: Some(decision),
            reason,
            policy: Some(change.old.version),
            request: Some(proposal.id.clone()),
            proposal: Some(described),
            policy_change: Some(change.clone()),
            ..Event::new(Action::Approval)
        })
    }

    /// The secrets behind these credentials are about to be replaced on the word of the host's user `uid`, or are not, for a
    /// reason.
    pub(crate) fn credential_change(
        &mut self,
        credentials: Vec<String>,
        uid: u32,
        (decision, reason): (Decision, Option<String>),
    ) -> Result<(), Failure> {
        let by = format!("asked for by user {uid}");
        let reason = Some(reason.map_or(by.clone(), |reason| format!("{reason}; {by}")));
        let event = Event { decision: Some(decision), reason, ..Event::new(Action::CredentialChange) };
        self.record(&Event { credentials, ..event })
    }

    /// Something was noticed. It is recorded before the response to it.
    pub(crate) fn noticed(&mut self, finding: &Finding) -> Result<(), Failure> {
        self.record(&finding.event())
    }

    /// Nobody looks for anything in the records from here on.
    pub(crate) fn unwatched(&mut self, cause: &str) -> Result<(), Failure> {
        let reason = Some(format!("detections have ended: the log cannot be followed: {cause}"));
        self.record(&Event { reason, ..Event::new(Action::Detection) })
    }

    /// Old records are about to be removed. They must not be, if that has no record: they would be missing.
    pub(crate) fn removed(&mut self, what: &str) -> Result<Appended, Failure> {
        self.removal(format!("kept long enough: {what}"))
    }

    /// Likewise the whole log of an ended sandbox.
    pub(crate) fn removed_log(&mut self, which: &str) -> Result<Appended, Failure> {
        self.removal(format!("{}{which}", audit::record::REMOVED_LOG))
    }

    fn removal(&mut self, reason: String) -> Result<Appended, Failure> {
        self.try_record(&Event { reason: Some(reason), ..Event::new(Action::LogRetention) })
    }

    fn append(&mut self, phase: Phase, code: Option<i32>, detail: Option<String>) -> Result<(), Failure> {
        let lifecycle = Some(Lifecycle { phase, code, detail });
        self.record(&Event { lifecycle, ..Event::new(Action::Lifecycle) })
    }

    fn record(&mut self, event: &Event) -> Result<(), Failure> {
        // Without a record it goes on only where the operator wants that.
        self.try_record(event).map(drop)
    }

    fn try_record(&mut self, event: &Event) -> Result<Appended, Failure> {
        // What names no policy, as a decision of the guest's kernel, is of the one in force.
        let event = Event { policy: event.policy.or(self.in_force), ..event.clone() };
        self.writer.append(&event).map_err(|error| {
            Failure::new(
                format_args!("the audit log cannot be written: {}", chain(&error)),
                "free some space, or look at log.most and log.reserve in audit.yaml: without a log nothing runs",
            )
        })
    }
}
