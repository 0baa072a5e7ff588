//! The writer process: the only one that can write the log of a sandbox.
//!
//! ```text
//! Opened (config read) ─► Verified (log read to its end, repaired) ─► jailed ─► Ready ─► Serving ─► Ended
//!                                                                                 └─ Failed: nothing more is acknowledged
//! ```
//! It must never know what a record means: it stamps, chains, appends and acknowledges. It never changes
//! what was acknowledged, and after a failure of the log it never acknowledges again.

pub(crate) mod client;
pub(crate) mod clock;
mod gap;
pub(crate) mod journal;
mod leaves;
mod line;
mod room;
mod segments;
mod serve;
mod sync;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use wire::audit::{AuditConfig, AuditEvent};
use wire::spawn::EXIT_FAILED;

use crate::record::Origin;
pub use gap::is_full;

use clock::HostClocks;
use journal::{Journal, JournalError, Terms};
use leaves::Leaves;
use segments::Segments;
use serve::{BATCH, Limits, Parties};

/// Descriptors that the process may have open: one per client, and a few of its own.
const OPEN_FILES: u64 = 1024;

/// The descriptors that a config names, taken over by the process edge.
#[derive(Debug)]
pub struct Resources {
    /// The log's present segment.
    pub log: File,
    /// Where the next segments come from.
    pub segments: Option<UnixStream>,
    /// Who signs.
    pub signer: Option<UnixStream>,
    /// Each client's name and the writer's end of its socket.
    pub clients: Vec<(String, UnixStream)>,
    /// Where events are reported.
    pub status: OwnedFd,
}

/// Why the writer stopped.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// A descriptor that the config names is not there.
    #[error("descriptor {0} was not inherited")]
    Descriptor(i32, #[source] std::io::Error),
    /// The config cannot be read.
    #[error("cannot read the configuration")]
    Config(#[source] std::io::Error),
    /// The config is not one.
    #[error("the configuration is not valid")]
    Parse(#[source] serde_json::Error),
    /// The config is of another version.
    #[error("the configuration is of version {0}, not {version}", version = wire::VERSION)]
    Version(u32),
    /// The log failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The process cannot be jailed.
    #[error("cannot enter the jail")]
    Jail(#[from] jail::host::JailError),
    /// The signer is gone, or does not keep up: what is not signed does not go on.
    #[error("the signer of checkpoints failed")]
    Signer(#[source] std::io::Error),
    /// The system refused something that serving needs.
    #[error("cannot wait for clients")]
    Wait(#[source] std::io::Error),
}

/// Reads the config.
///
/// # Errors
/// It cannot be read, is not one, or is of another version.
pub fn read_config(mut source: impl std::io::Read) -> Result<AuditConfig, WriterError> {
    let mut text = String::new();
    source.read_to_string(&mut text).map_err(WriterError::Config)?;
    let config: AuditConfig = serde_json::from_str(&text).map_err(WriterError::Parse)?;
    if config.version == wire::VERSION { Ok(config) } else { Err(WriterError::Version(config.version)) }
}

/// Runs the writer until its clients are gone, it is told to end, or the log fails.
pub fn run(config: AuditConfig, resources: Resources) -> ExitCode {
    let Resources { log, segments, signer, clients, status } = resources;
    let mut status = File::from(status);
    let result = start(&config, log, &status).and_then(|(journal, stop)| {
        let ready = AuditEvent::Ready { records: journal.records() };
        report(&mut status, &ready);
        let patience = config.signed_within_ms.map(Duration::from_millis);
        let parties = Parties {
            clients: clients
                .into_iter()
                .map(|(name, socket)| client::Client::new(name, socket))
                .collect::<Result<_, _>>()
                .map_err(WriterError::Wait)?,
            segments: segments.map(Segments::new).transpose().map_err(WriterError::Wait)?,
            signer: signer
                .map(|signer| Leaves::new(signer, journal.before_leaves(), patience))
                .transpose()
                .map_err(WriterError::Wait)?,
            status: &mut status,
        };
        let limits = Limits { sync: config.sync, batch: BATCH, segment: config.segment_bytes };
        serve::serve(journal, parties, &stop, limits)
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (cause, remedy) = explain(&error);
            report(&mut status, &AuditEvent::Failed { cause, remedy });
            ExitCode::from(u8::try_from(EXIT_FAILED).expect("an exit status fits in a byte"))
        }
    }
}

fn start(config: &AuditConfig, log: File, status: &File) -> Result<(Journal, UnixStream), WriterError> {
    let stop = serve::catch_signals().map_err(WriterError::Wait)?;
    let AuditConfig { tenant, sandbox, agent, .. } = config.clone();
    let origin = Origin { tenant, sandbox, agent };
    let terms = Terms { on_full: config.on_full, limits: config.limits };
    let journal = Journal::open(log, config.resumed.as_ref(), &origin, terms, Box::new(HostClocks))?;
    let settings = jail::host::Settings {
        status: status.as_fd(),
        root: jail::host::Root::Empty,
        user: config.user,
        open_files: OPEN_FILES,
    };
    let jailed = jail::host::enter(jail::host::Profile::Audit, settings)?;
    // The log of the process, for operators: the manager sends standard error to a file.
    let _closed = writeln!(std::io::stderr(), "{jailed}");
    Ok((journal, stop))
}

fn report(status: &mut File, event: &AuditEvent) {
    let mut line = serde_json::to_vec(event).expect("an event of plain fields is JSON");
    line.push(b'\n');
    // A manager that is gone does not hear it, and the process ends with it.
    let _gone = status.write_all(&line);
}

fn explain(error: &WriterError) -> (String, String) {
    let remedy = match error {
        WriterError::Journal(journal) => journal.remedy(),
        WriterError::Jail(_) => "run `openshell doctor`: it says what the host does not permit",
        WriterError::Descriptor(..)
        | WriterError::Config(_)
        | WriterError::Parse(_)
        | WriterError::Version(_) => "install one version of all of openshell's programs",
        WriterError::Signer(_) => {
            "look at what openshell-sign said: its key, its token, or the disk of its copies"
        }
        WriterError::Wait(_) => "check the limit on open files and the free memory",
    };
    (causes(error), remedy.to_owned())
}

/// An error and what caused it, on one line.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        cause.push_str(": ");
        cause.push_str(&inner.to_string());
        source = inner.source();
    }
    cause
}
