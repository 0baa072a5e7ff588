//! `openshell-audit`: the process that writes the audit log of one sandbox. Started by the manager, see
//! [`wire::spawn`].

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use audit::writer::{self, Resources, WriterError};
use jail::host::inherited;
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
    let socket = |fd: Option<Fd>| fd.map(|fd| take(fd).map(UnixStream::from)).transpose();
    let (segments, signer) = (socket(config.segments)?, socket(config.signer)?);
    Ok((config, Resources { log, segments, signer, clients: clients?, status: take(STATUS_FD)? }))
}

fn take(fd: Fd) -> Result<OwnedFd, WriterError> {
    inherited::take(fd).map_err(|error| WriterError::Descriptor(fd.0, error))
}

/// A panic is a bug of ours; a writer that lost a thread must not go on acknowledging.
fn exit_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(EXIT_BUG);
    }));
}
