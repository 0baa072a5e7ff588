//! The commands in a running sandbox, from outside: listing them, and ending one.

use wire::id::SandboxId;
use wire::operator::{Answer, Ask, Session};

use super::client::{Unanswered, ask, find, try_call, unasked};
use crate::failure::Failure;
use crate::layout::Layout;

/// Those that run, and detached ones that have ended.
///
/// # Errors
/// There is no such sandbox, or it does not answer.
pub fn sessions(layout: &Layout, sandbox: &str) -> Result<Vec<Session>, Failure> {
    let sandbox = find(layout, sandbox)?;
    match ask(layout, &sandbox, Ask::Sessions)? {
        Answer::Sessions(sessions) => Ok(sessions),
        _ => Err(unasked(&sandbox)),
    }
}

/// Asks a command to end, and waits until it has; one that was asked already is killed.
///
/// # Errors
/// There is no such command, or it does not end.
pub fn stop_command(layout: &Layout, sandbox: &str, session: u32) -> Result<SandboxId, Failure> {
    let sandbox = find(layout, sandbox)?;
    match try_call(layout, &sandbox, Ask::StopCommand { session }) {
        Ok((Answer::CommandStopped, _line)) => Ok(sandbox),
        Ok(_) => Err(unasked(&sandbox)),
        Err(Unanswered::Unconfirmed(failure)) => Err(Failure::new(
            format_args!("it is not known whether the command has ended: {}", failure.cause),
            format_args!("openshell vm sessions {sandbox} says whether it runs"),
        )),
        Err(Unanswered::Refused(failure)) => Err(failure),
    }
}
