//! The streams of a copy: frames go from one side to the other as they come, and what has no place in a copy ends it.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};
use wire::control::{Exit, FromGuest, Stream, ToGuest};
use wire::frame;

use super::client;
use super::task::Passage;
use crate::failure::presentable;

/// Passes frames on until the process has ended, or one side has left.
pub(super) fn relay(caller: &UnixStream, guest: &UnixStream, passage: &Passage) -> Result<Exit, String> {
    for stream in [caller, guest] {
        let unlimited = stream.set_read_timeout(None).and_then(|()| stream.set_write_timeout(None));
        unlimited.map_err(|error| error.to_string())?;
    }
    let hang_up = || {
        // What was written before is still read.
        let _closed = (guest.shutdown(Shutdown::Both), caller.shutdown(Shutdown::Both));
    };
    std::thread::scope(|scope| {
        let upwards = std::thread::Builder::new().spawn_scoped(scope, || {
            while let Some(message) = client::said(caller) {
                let passes = match &message {
                    ToGuest::Input(bytes) => passage.inward(bytes).is_ok(),
                    _other => true,
                };
                if !passes || frame::write(&mut &*guest, &message).is_err() {
                    break;
                }
            }
            // Without its caller the process is hung up on; after its end there is nobody to hang up on.
            let _closed = guest.shutdown(Shutdown::Both);
        });
        let how = match upwards {
            Ok(_reading) => to_caller(caller, guest, passage),
            Err(error) => Err(format!("no thread is left: {error}")),
        };
        hang_up();
        how
    })
}

fn to_caller(mut caller: &UnixStream, mut guest: &UnixStream, passage: &Passage) -> Result<Exit, String> {
    loop {
        if has_left(caller, guest) {
            return Err("its caller left".to_owned());
        }
        let message: FromGuest =
            frame::read(&mut guest, frame::SMALL).map_err(|_gone| "it was cut off".to_owned())?;
        let (message, ended) = match message {
            FromGuest::Output { stream, ref bytes } => {
                if stream == Stream::Stdout {
                    passage.outward(bytes)?;
                }
                (message, None)
            }
            // A copy has no signals: what it sends may wait on the line.
            FromGuest::Taken { .. } => continue,
            FromGuest::Exited(exit) => (message, Some(Ok(exit))),
            FromGuest::Failed { stage, cause } => {
                let cause = presentable(&cause);
                (FromGuest::Failed { stage, cause: cause.clone() }, Some(Err(cause)))
            }
            _other => return Err("the guest spoke out of turn".to_owned()),
        };
        // A caller that is gone has ended the session from the other side.
        let _gone = frame::write(&mut caller, &message);
        if let Some(ended) = ended {
            return ended;
        }
    }
}

/// Waits until the guest has something to say, or its caller is gone. One that left while its input waits for the process is
/// seen here only.
fn has_left(caller: &UnixStream, guest: &UnixStream) -> bool {
    let mut ends =
        [PollFd::new(guest, PollFlags::IN), PollFd::new(caller, PollFlags::RDHUP | PollFlags::HUP)];
    match rustix::event::poll(&mut ends, None) {
        Ok(_) => ends[0].revents().is_empty() && !ends[1].revents().is_empty(),
        Err(_interrupted) => false,
    }
}

#[cfg(test)]
mod tests;
