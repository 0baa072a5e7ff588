//! One event at a time, on the calling thread.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{AppendError, Appended, answer};
use crate::protocol::{self, MAX_REPLY, Reply};
use crate::record::Event;
use crate::spin::Spin;

/// A client that waits for each receipt.
#[derive(Debug)]
pub struct Blocking {
    /// `None` once the connection was lost.
    socket: Option<UnixStream>,
    spin: Spin,
}

impl Blocking {
    /// A client on a connected socket.
    #[must_use]
    pub fn new(socket: UnixStream) -> Self {
        Self { socket: Some(socket), spin: Spin::new() }
    }

    /// Hands in one event and waits until it is in the log.
    ///
    /// # Errors
    /// It is not in the log, and its action must not go on.
    pub fn append(&mut self, event: &Event) -> Result<Appended, AppendError> {
        let frame = protocol::event_frame(event)?;
        let socket = self.socket.as_mut().ok_or(AppendError::Lost)?;
        let reply = socket.write_all(&frame).map_err(gone).and_then(|()| {
            let (began, budget) = (Instant::now(), self.spin.budget());
            spin_until_readable(socket, began + budget);
            let reply = receive(socket);
            self.spin.learn(began.elapsed(), budget);
            reply
        });
        match reply {
            Ok(reply) => answer(reply),
            Err(error) => {
                self.socket = None;
                Err(error)
            }
        }
    }
}

/// Looks whether there is something to read, or to hear of.
fn spin_until_readable(socket: &UnixStream, until: Instant) {
    let mut readable = [PollFd::new(socket, PollFlags::IN)];
    // Whatever else this says is for the read to find out.
    while Instant::now() < until && poll(&mut readable, Some(&Timespec::default())) == Ok(0) {}
}

fn receive(socket: &mut impl Read) -> Result<Reply, AppendError> {
    let mut bytes = [0; MAX_REPLY + 4];
    let mut filled = 0;
    // One reply to one event: nothing follows it, and mostly it comes in one piece.
    loop {
        match socket.read(&mut bytes[filled..]) {
            Ok(0) => return Err(AppendError::Lost),
            Ok(more) => filled += more,
            // A handled signal ends a read that has a time limit; its answer still comes.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(gone(error)),
        }
        if let Some((body, _length)) = protocol::first_frame(&bytes[..filled], MAX_REPLY)? {
            return Ok(protocol::parse_reply(body)?);
        }
    }
}

fn gone(error: io::Error) -> AppendError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            AppendError::Lost
        }
        _ => AppendError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer whose answer comes in pieces, each after a signal.
    struct Signalled(Vec<u8>, bool);

    impl Read for Signalled {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            buffer[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn a_look_ends_with_the_writer() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        spin_until_readable(&ours, Instant::now() + std::time::Duration::from_hours(1));
    }

    #[test]
    fn a_signal_does_not_end_the_wait_for_a_receipt() {
        let refusal = Reply::Refused("no".to_owned());
        let mut writer = Signalled(protocol::reply_frame(&refusal), false);
        assert_eq!(receive(&mut writer).unwrap(), refusal);
    }
}
