//! `openshell-audit`: the process that writes the audit log of one sandbox. Started by the manager, see
//! [`wire::spawn`].

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use audit::writer::{self, Resources, WriterError};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use wire::audit::AuditConfig;
use wire::spawn::{CONFIG_FD, EXIT_BUG, EXIT_FAILED, Fd, STATUS_FD};

fn main() -> ExitCode {
    exit_on_panic();
    match prepare() {
        Ok((config, resources)) => writer::run(config, resources),
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "openshell-audit is started by openshell: {error}");
            ExitCode::from(u8::try_from(EXIT_FAILED).expect("an exit status fits in a byte"))
        }
    }
}

fn prepare() -> Result<(AuditConfig, Resources), WriterError> {
    let config = writer::read_config(File::from(take(CONFIG_FD)?))?;
    let log = File::from(take(config.log)?);
    let clients: Result<Vec<_>, WriterError> = config
        .clients
        .iter()
        .map(|client| Ok((client.name.clone(), UnixStream::from(take(client.socket)?))))
        .collect();
    Ok((config, Resources { log, clients: clients?, status: take(STATUS_FD)? }))
}

/// The descriptor behind a number, as a duplicate made through a pidfd of this very process: a wrong
/// number is an error, and no other descriptor is ever closed by mistake.
fn take(fd: Fd) -> Result<OwnedFd, WriterError> {
    let duplicate =
        || pidfd_getfd(pidfd_open(getpid(), PidfdFlags::empty())?, fd.0, PidfdGetfdFlags::empty());
    duplicate().map_err(|error: rustix::io::Errno| WriterError::Descriptor(fd.0, error.into()))
}

/// A panic is a bug of ours; a writer that lost a thread must not go on acknowledging.
fn exit_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(EXIT_BUG);
    }));
}
