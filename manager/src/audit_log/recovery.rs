//! Closes the log of a sandbox that did not end: its writer or its signer was killed, or the machine lost power. Both are started
//! on it again with nobody to write for: half a record and half a checkpoint are taken off, which the log records, and what is
//! there is signed.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use audit::checkpoint::VerifyingKey;
use audit::verify::{self, Interrupted, Tail, VerifyError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::audit::{AuditConfig, AuditEvent, SignEvent};
use wire::id::{SandboxId, TenantId};

use super::{AuditLog, cannot_write};
use crate::audit_settings::AuditSettings;
use crate::failure::{Failure, chain};
use crate::layout::{Layout, Program};
use crate::process::{Launch, Process, Report, Resources};
use crate::rundir::{RunDir, running};
use crate::unit::Seconds;

/// How long each process may take to be ready, and to end. A log of many records is signed at one stroke.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It had ended as it should.
    Whole,
    /// It is closed now.
    Closed {
        /// Whole records that were there.
        records: u64,
        /// How many of them no checkpoint covered before.
        unsigned: u64,
        /// Whether the last of them was one that ends a log.
        had_end: bool,
    },
}

/// What becomes of records that no checkpoint covers, and that are more than a crash explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// The log is left as it is.
    Refused,
    /// They are signed.
    Accepted,
}

/// Closes a log of a sandbox that does not run any more, unless it is.
///
/// # Errors
/// The sandbox runs, the log is not what was signed or more than a crash leaves, or a process fails.
pub fn recover(
    layout: &Layout,
    log: &Path,
    keys: &[VerifyingKey],
    unsigned: Unsigned,
) -> Result<Recovery, Failure> {
    let id = log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let id = SandboxId::try_from(id).map_err(|_not_an_id| {
        Failure::new(
            format_args!("{} is not called as a sandbox is", log.display()),
            "name a log in the directory of all logs; a log of one file is not gone on with",
        )
    })?;
    // What lies elsewhere, or is a link to it, is not what this host's key is for.
    let is_ours = std::fs::symlink_metadata(log).is_ok_and(|found| found.is_dir())
        && log
            .parent()
            .is_some_and(|parent| parent.canonicalize().ok() == layout.audit().canonicalize().ok());
    if !is_ours {
        return Err(Failure::new(
            format_args!("{} is no log in {}", log.display(), layout.audit().display()),
            "name a sandbox: only logs of this host are closed",
        ));
    }
    if running(layout).contains(&id) {
        return Err(Failure::new(
            format_args!("{id} runs"),
            "its log is being written: nothing is to be done",
        ));
    }
    // One at a time: what another one signs meanwhile must not be signed differently.
    let run = RunDir::create(layout, &id)?;
    let settings = AuditSettings::load(layout)?;
    let copies: Vec<PathBuf> = super::copies(log, &settings.signing).collect();
    let left = Interrupted::read(log, &copies, keys).map_err(|error| no_crash(log, &error))?;
    let is_never_signed = settings.signing.enabled && left.signer.note.is_none() && left.records > 0;
    // A sandbox that was killed may leave a whole log, which does not say so.
    if left.is_whole() && left.has_end && !is_never_signed {
        return Ok(Recovery::Whole);
    }
    let is_others = left.owner.as_ref().is_some_and(|(sandbox, ..)| *sandbox != id);
    if is_others || (!settings.signing.enabled && left.signer.note.is_some()) {
        return Err(Failure::new(
            if is_others {
                "the log is of another sandbox"
            } else {
                "the log was signed, and signing is switched off"
            },
            "look at it with `openshell audit verify`, and at `signing` in audit.yaml",
        ));
    }
    if settings.signing.enabled {
        explain(&left, settings.signing.interval, unsigned)?;
    }
    let (records, unsigned, had_end) = (left.records, left.records - left.writer.signed, left.has_end);
    Closing::new(layout, (log, id), run, left)?.close()?;
    Ok(Recovery::Closed { records, unsigned, had_end })
}

fn no_crash(log: &Path, error: &VerifyError) -> Failure {
    Failure::new(
        format_args!("{}: {}", log.display(), chain(error)),
        "no crash does that: look at it with `openshell audit verify`, and move it away: it is evidence",
    )
}

/// Whether a crash explains what no checkpoint covers: who takes checkpoints away does not get signed what he wrote since.
fn explain(left: &Interrupted, interval: Seconds, unsigned: Unsigned) -> Result<(), Failure> {
    let Tail { lasted, back_at } = left.unsigned().map_err(|error| no_crash(&left.log, &error))?;
    if unsigned == Unsigned::Accepted {
        return Ok(());
    }
    let count = left.records - left.writer.signed;
    let cause = match back_at {
        Some(record) => format!(
            "no checkpoint covers the last {count} records, and record {record} is dated before one before it, which no crash does"
        ),
        None if lasted <= verify::patience(interval.duration()) => return Ok(()),
        None => format!(
            "the last {count} records go on for {} s without a checkpoint, longer than any crash leaves",
            lasted.as_secs()
        ),
    };
    Err(Failure::new(
        cause,
        "look at them with `openshell audit tail`: whoever could write the log may have written them; --unsigned signs them",
    ))
}

/// A log that is being closed.
struct Closing {
    layout: Layout,
    id: SandboxId,
    owner: (TenantId, String),
    run: RunDir,
    left: Interrupted,
    log: AuditLog,
}

impl Closing {
    fn new(
        layout: &Layout,
        (log, id): (&Path, SandboxId),
        run: RunDir,
        left: Interrupted,
    ) -> Result<Self, Failure> {
        let owner = left.owner.clone().map(|(_sandbox, tenant, agent)| (tenant, agent));
        let owner = owner.ok_or_else(|| {
            Failure::new(
                format_args!("{} has no record", log.display()),
                "nothing was recorded: remove it, or leave it",
            )
        })?;
        let log = AuditLog {
            directory: log.to_owned(),
            settings: AuditSettings::load(layout)?,
            layout: layout.clone(),
            last: left.segment,
            writer: None,
            packing: Vec::new(),
        };
        Ok(Self { layout: layout.clone(), id, owner, run, left, log })
    }

    fn close(mut self) -> Result<(), Failure> {
        let copies = self.log.checkpoint_files().skip(1).collect::<Vec<_>>();
        let segment = self.left.settle(&copies).map_err(|error| cannot_write(&self.left.log, &error))?;
        let (to_signer, leaves) = pair()?;
        let signer = self.sign(leaves)?;
        let (tenant, agent) = self.owner.clone();
        let mut resources = Resources::default();
        let config = AuditConfig {
            version: wire::VERSION,
            sandbox: self.id.clone(),
            tenant,
            agent,
            log: resources.add(segment),
            resumed: Some(self.left.writer.clone()),
            segments: None,
            segment_bytes: u64::MAX,
            sync: self.log.settings.log.sync.for_writer(),
            on_full: wire::audit::OnFull::Deny,
            // What is there is closed, however long it is.
            limits: wire::audit::Limits::NONE,
            signer: match &signer {
                None => None,
                Some(_signs) => {
                    send_leaves(&to_signer, &self.left)?;
                    Some(resources.add(to_signer))
                }
            },
            // It ends as soon as it has handed over what is there.
            signed_within_ms: None,
            clients: Vec::new(),
            user: self.run.user(Program::Audit),
        };
        let (writer, events) = self.start(Program::Audit, config, resources)?;
        match events.recv_timeout(PATIENCE) {
            Ok(Report::Event(AuditEvent::Ready { .. })) => {}
            Ok(Report::Event(AuditEvent::Failed { cause, remedy })) => {
                return Err(Failure::new(cause, remedy));
            }
            other => return Err(failed(writer, other.is_ok())),
        }
        // It has no client, so it ends, and with it the signer.
        ended(writer)?;
        signer.map_or(Ok(()), ended)
    }

    fn sign(&mut self, leaves: UnixStream) -> Result<Option<Process>, Failure> {
        let resumed = Some(self.left.signer.clone());
        let Some((config, resources)) = self.log.signer((&self.id, &self.run), leaves, resumed)? else {
            return Ok(None);
        };
        let (signer, events) = self.start(Program::Sign, config, resources)?;
        match events.recv_timeout(PATIENCE) {
            Ok(Report::Event(SignEvent::Ready { key })) => self.log.signed_by(&key)?,
            Ok(Report::Event(SignEvent::Failed { cause, remedy })) => {
                return Err(Failure::new(cause, remedy));
            }
            other => return Err(failed(signer, other.is_ok())),
        }
        Ok(Some(signer))
    }

    fn start<E: DeserializeOwned + Send + 'static>(
        &self,
        program: Program,
        config: impl Serialize,
        resources: Resources,
    ) -> Result<(Process, Receiver<Report<E>>), Failure> {
        let (to, events) = channel();
        let launch = Launch { program, config, resources, logs: self.run.path() };
        let process = Process::start(&self.layout, launch, move |report| {
            // Nobody listens any more after the first word.
            let _unheard = to.send(report);
        })?;
        Ok((process, events))
    }
}

fn pair() -> Result<(UnixStream, UnixStream), Failure> {
    UnixStream::pair().map_err(|error| {
        Failure::new(format_args!("cannot make a socket: {error}"), "check the limit on open files")
    })
}

/// What no checkpoint covers, in the writer's stead: it reads its own segment only.
fn send_leaves(mut signer: &UnixStream, left: &Interrupted) -> Result<(), Failure> {
    let sent = |signer: &mut &UnixStream| -> io::Result<()> {
        signer.set_write_timeout(Some(PATIENCE))?;
        let leaves: Vec<u8> = left.leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
        signer.write_all(&leaves)
    };
    sent(&mut signer).map_err(|error| {
        Failure::new(
            format_args!("the signer does not read: {error}"),
            "look at `signing` in audit.yaml: the key's file, or the token's library, labels and PIN",
        )
    })
}

fn ended(mut process: Process) -> Result<(), Failure> {
    match process.wait_up_to(PATIENCE) {
        Some(status) if status.success() => Ok(()),
        status => Err(failed(process, status.is_some())),
    }
}

fn failed(mut process: Process, spoke: bool) -> Failure {
    let remedy = if spoke { "openshell audit verify names what is wrong" } else { "is the disk hanging?" };
    Failure::new(process.post_mortem(), remedy)
}
