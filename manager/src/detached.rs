//! Running without anybody who watches: away from the terminal, and found again by its id.

use std::io::{self, Write};

use rustix::fs::{Mode, OFlags};
use wire::id::SandboxId;

use crate::failure::Failure;
use crate::interruption::interrupted;

/// Leaves the terminal and whoever speaks through it. The first thing that a detached run does.
///
/// # Errors
/// The process leads a group already: it was not started by `vm run --detach`.
pub fn begin() -> Result<(), Failure> {
    rustix::process::setsid().map(drop).map_err(|error| {
        Failure::new(
            format_args!("cannot leave the terminal: {error}"),
            "start it with openshell vm run --detach",
        )
    })
}

/// The agent runs: tells who started it which one, and lets go of its streams.
pub(crate) fn leave(sandbox: &SandboxId) -> Result<(), Failure> {
    let mut out = io::stdout();
    // Whoever started it is gone, and nobody knows that it runs.
    writeln!(out, "{sandbox}").and_then(|()| out.flush()).map_err(|_gone| interrupted())?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let left = null.and_then(|null| {
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)
    });
    left.map_err(|error| {
        Failure::new(format_args!("cannot let go of the terminal: {error}"), "check /dev/null")
    })
}
