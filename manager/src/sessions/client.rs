//! One who is on a command: what he says goes to it, and he hears what it writes at his own pace.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use wire::control::ToGuest;
use wire::frame;

use super::command::Command;

/// Serves `caller`, who is on the command under this number, until he has left or has heard how it ended.
pub(super) fn serve(command: &Command, who: u32, caller: &UnixStream) {
    let unlimited = caller.set_read_timeout(None).and_then(|()| caller.set_write_timeout(None));
    if unlimited.is_ok() {
        std::thread::scope(|scope| {
            let reading = std::thread::Builder::new().spawn_scoped(scope, || {
                while said(caller).is_some_and(|said| command.put(who, said)) {}
                command.leave(who);
                let _closed = caller.shutdown(Shutdown::Both);
            });
            if reading.is_ok() {
                while command.next(who).is_some_and(|next| frame::write(&mut &*caller, &next).is_ok()) {}
            }
            // What was written before is still read.
            let _closed = caller.shutdown(Shutdown::Both);
        });
    }
    command.leave(who);
}

/// What a caller may say in a session.
pub(super) fn said(mut caller: &UnixStream) -> Option<ToGuest> {
    match frame::read(&mut caller, frame::SMALL) {
        Ok(message @ (ToGuest::Input(_) | ToGuest::EndOfInput | ToGuest::Signal(_) | ToGuest::Resize(_))) => {
            Some(message)
        }
        // The rest is the manager's own to say.
        Ok(
            ToGuest::Setup(_)
            | ToGuest::Again
            | ToGuest::Finish
            | ToGuest::Open { .. }
            | ToGuest::Execute(_)
            | ToGuest::Copy(_)
            | ToGuest::Recorded { .. },
        )
        | Err(_) => None,
    }
}
