//! The caller's side: finds a running sandbox and asks it.

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;

use wire::id::SandboxId;
use wire::operator::{Answer, Ask, Request, Response, SOCKET, VERSION};

use super::{LineError, PATIENCE, patience, read_line, write_line};
use crate::failure::{Failure, chain};
use crate::layout::Layout;
use crate::rundir;

/// Why what was asked for is not known to be done.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Nothing was done.
    Refused(Failure),
    /// It may or may not have been, or may be yet.
    Unconfirmed(Failure),
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        let (Unanswered::Refused(failure) | Unanswered::Unconfirmed(failure)) = unanswered;
        failure
    }
}

/// The running sandbox that `text` means: its id, or the name of its agent if there is only one.
pub(crate) fn find(layout: &Layout, text: &str) -> Result<SandboxId, Failure> {
    let running = rundir::running(layout);
    if let Some(exact) = running.iter().find(|id| id.as_str() == text) {
        return Ok(exact.clone());
    }
    let named: Vec<&SandboxId> = running.iter().filter(|id| rundir::agent(id) == Some(text)).collect();
    match named.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Failure::new(
            format_args!("no sandbox '{text}' is running"),
            "openshell vm ps lists those that are",
        )),
        several => {
            let ids: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
            Err(Failure::new(
                format_args!("{} sandboxes of agent '{text}' are running", several.len()),
                format_args!("name one of {}", ids.join(", ")),
            ))
        }
    }
}

/// Asks a running sandbox. A refusal is a failure.
pub(crate) fn ask(layout: &Layout, sandbox: &SandboxId, ask: Ask) -> Result<Answer, Failure> {
    call(layout, sandbox, ask).map(|(answer, _line)| answer)
}

/// Asks, and keeps the line.
pub(super) fn call(
    layout: &Layout,
    sandbox: &SandboxId,
    ask: Ask,
) -> Result<(Answer, BufReader<UnixStream>), Failure> {
    try_call(layout, sandbox, ask).map_err(Failure::from)
}

/// Likewise; what is not known to be done tells whether it may be.
pub(super) fn try_call(
    layout: &Layout,
    sandbox: &SandboxId,
    ask: Ask,
) -> Result<(Answer, BufReader<UnixStream>), Unanswered> {
    let path = layout.runtime.join(sandbox.as_str()).join(SOCKET);
    let stream = UnixStream::connect(&path)
        .map_err(|error| not_reached(sandbox, &error))
        .and_then(|stream| is_ours(&stream, sandbox).map(|()| stream))
        .map_err(Unanswered::Refused)?;
    // The sandbox answers, if only to say that its own patience is over.
    let patience = patience(&ask) + PATIENCE / 2;
    let asked = stream
        .set_read_timeout(Some(patience))
        .and_then(|()| stream.set_write_timeout(Some(patience)))
        .map_err(LineError::from)
        .and_then(|()| write_line(&stream, &Request { version: VERSION, ask }));
    let asked = match asked {
        // Who is not heard is told so before his question is read.
        Err(LineError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        asked => asked,
    };
    let mut line = BufReader::new(stream);
    match asked.and_then(|()| read_line::<Response>(&mut line)) {
        Ok(Response { answer: Answer::Refused { cause, remedy }, .. }) => {
            Err(Unanswered::Refused(Failure::new(cause, remedy)))
        }
        Ok(Response { answer: Answer::Unconfirmed, .. }) => Err(Unanswered::Unconfirmed(Failure::new(
            "the sandbox did not confirm the change in time; it may or may not be in force",
            "look at its audit log, and stop the sandbox if it must not go on",
        ))),
        Ok(Response { answer, .. }) => Ok((answer, line)),
        Err(error) => Err(Unanswered::Unconfirmed(Failure::new(
            format_args!("sandbox {sandbox}: {}", chain(&error)),
            "use the openshell that started the sandbox; if it hangs, stop it",
        ))),
    }
}

/// An answer to what was not asked.
pub(super) fn unasked(sandbox: &SandboxId) -> Failure {
    Failure::new(
        format_args!("sandbox {sandbox} answers another question"),
        "this is a fault of openshell: please report it",
    )
}

/// A stranger who holds the place of a sandbox could take the policy and say that it is in force. Root asks
/// sandboxes of every user.
fn is_ours(stream: &UnixStream, sandbox: &SandboxId) -> Result<(), Failure> {
    let us = rustix::process::geteuid();
    let peer = rustix::net::sockopt::socket_peercred(stream).map(|peer| peer.uid);
    if us.is_root() || peer.is_ok_and(|uid| uid == us || uid.is_root()) {
        return Ok(());
    }
    Err(Failure::new(
        format_args!("what answers for sandbox {sandbox} does not run as you"),
        "look at who owns the runtime directory ($XDG_RUNTIME_DIR/openshell)",
    ))
}

fn not_reached(sandbox: &SandboxId, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Failure::new(format_args!("sandbox {sandbox} is another user's"), "ask its user, or be root")
        }
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Failure::new(format_args!("sandbox {sandbox} is starting or ending"), "try again in a moment")
        }
        _ => Failure::new(
            format_args!("sandbox {sandbox} cannot be reached: {error}"),
            "check the limit on open files",
        ),
    }
}
