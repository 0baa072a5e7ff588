//! The caller's end of a session: frames both ways.

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{SyncSender, sync_channel};

use wire::control::ToGuest;
use wire::frame;
use wire::id::SandboxId;
use wire::operator::{Answer, Ask};

use super::client::{call, unasked};
use crate::failure::Failure;
use crate::layout::Layout;

/// Messages that wait to go out. Standard input waits when it is full; a signal that finds it full is lost, like one to
/// a process that does not answer.
const QUEUE: usize = 16;

/// The way to the sandbox.
pub(super) struct Line {
    pub(super) incoming: BufReader<UnixStream>,
    pub(super) outgoing: SyncSender<ToGuest>,
}

impl Line {
    /// Begins a session; its number.
    ///
    /// # Errors
    /// It was refused.
    pub(super) fn open(layout: &Layout, sandbox: &SandboxId, ask: Ask) -> Result<(Self, u32), Failure> {
        let (answer, incoming) = call(layout, sandbox, ask)?;
        let Answer::Executing { session } = answer else { return Err(unasked(sandbox)) };
        Self::new(incoming).map(|line| (line, session))
    }

    /// The line of a session that has begun.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn new(incoming: BufReader<UnixStream>) -> Result<Self, Failure> {
        Self::of(incoming).map_err(|error| {
            Failure::new(
                format_args!("the sandbox cannot be reached: {error}"),
                "check the limit on open files",
            )
        })
    }

    fn of(incoming: BufReader<UnixStream>) -> io::Result<Self> {
        let stream = incoming.get_ref();
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)?;
        let mut stream = stream.try_clone()?;
        let (outgoing, messages) = sync_channel::<ToGuest>(QUEUE);
        // A sandbox that is gone is noticed by who reads.
        std::thread::spawn(move || {
            while messages.recv().is_ok_and(|next| frame::write(&mut stream, &next).is_ok()) {}
        });
        Ok(Self { incoming, outgoing })
    }
}
