//! Commands of operators in a running guest: each is a session of its own, with a stream from the guest on one side and
//! the operator's connection on the other. Frames of either side are read here and written anew: neither speaks to the
//! other, and what has no place in a session ends it.
//!
//! *Invariant:* a command is on the record before the guest hears of it.

use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audit::Phase;
use wire::control::{Execute, Exit, FromGuest, ToGuest};
use wire::frame;
use wire::operator::{Answer, Command};

use crate::control::ToGuestQueue;
use crate::failure::{ExitStatus, Failure};
use crate::operator::{Caller, PATIENCE};
use crate::record::Recorder;

/// Sessions at once.
const MOST: usize = 32;

/// The sessions of one sandbox.
#[derive(Debug)]
pub(crate) struct Sessions {
    guest: ToGuestQueue,
    waiting: Waiting,
    last: u32,
    running: usize,
}

/// Those that the guest has not opened its stream for, by number.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<HashMap<u32, SyncSender<UnixStream>>>>);

/// A session that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    session: u32,
    how: Result<Exit, String>,
}

impl Sessions {
    /// Takes the guest's streams from here on.
    pub(crate) fn listen(listener: UnixListener, guest: ToGuestQueue) -> Self {
        let waiting = Waiting::default();
        let expected = waiting.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                // Nobody is expected: no thread for it.
                if expected.map().is_empty() {
                    continue;
                }
                let expected = expected.clone();
                std::thread::spawn(move || expected.hand_over(stream));
            }
        });
        Self { guest, waiting, last: 0, running: 0 }
    }

    /// Begins a session for `caller`; `ended` is called once, when it is over.
    pub(crate) fn begin(
        &mut self,
        caller: Caller,
        command: Command,
        recorder: &mut Recorder,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) {
        match self.start(&caller, command, recorder) {
            Ok((session, stream)) => {
                self.running += 1;
                std::thread::spawn(move || {
                    let how = attend(&caller, session, &stream);
                    ended(Ended { session, how });
                });
            }
            Err(failure) => caller.answer(Answer::from(failure)),
        }
    }

    /// Records that a session is over.
    pub(crate) fn ended(
        &mut self,
        Ended { session, how }: Ended,
        recorder: &mut Recorder,
    ) -> Result<(), Failure> {
        self.running -= 1;
        self.waiting.map().remove(&session);
        let (code, detail) = match how {
            Ok(exit) => {
                let status = ExitStatus::of(exit).unwrap_or_else(|failure| failure.status);
                (Some(i32::from(status.code())), format!("session {session}"))
            }
            Err(cause) => (None, format!("session {session}: {cause}")),
        };
        recorder.command(Phase::CommandEnded, code, detail)
    }

    fn start(
        &mut self,
        caller: &Caller,
        command: Command,
        recorder: &mut Recorder,
    ) -> Result<(u32, Receiver<UnixStream>), Failure> {
        let Command { frames, command, env, workdir, terminal } = command;
        if frames != wire::VERSION {
            return Err(Failure::new(
                "the sandbox was started by another version of openshell",
                "use the openshell that started it, or start the sandbox again",
            ));
        }
        if self.running >= MOST {
            return Err(Failure::new(
                format_args!("{MOST} commands run in the sandbox already"),
                "end one of them",
            ));
        }
        self.last += 1;
        let session = self.last;
        let words: Vec<String> = command.iter().map(|word| format!("{word:?}")).collect();
        let detail = format!("session {session}, asked for by user {}: {}", caller.uid(), words.join(" "));
        recorder.command(Phase::CommandStarted, None, detail)?;
        let (handed, stream) = sync_channel(1);
        self.waiting.map().insert(session, handed);
        let execute = Box::new(Execute { session, command, env, workdir, terminal });
        self.guest.send(ToGuest::Execute(execute)).map_err(|_stuck| {
            Failure::new("the guest takes no commands", "try again; if it hangs, stop the sandbox")
        })?;
        Ok((session, stream))
    }
}

impl Waiting {
    /// Reads which session the stream is for.
    fn hand_over(&self, mut stream: UnixStream) {
        let _kept = stream.set_read_timeout(Some(PATIENCE));
        if let Ok(FromGuest::Session { session }) = frame::read(&mut stream, frame::SMALL) {
            let handed = self.map().remove(&session);
            // A caller that gave up meanwhile has left its end.
            handed.map(|handed| handed.send(stream));
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<u32, SyncSender<UnixStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lives the session's life.
fn attend(caller: &Caller, session: u32, stream: &Receiver<UnixStream>) -> Result<Exit, String> {
    let Ok(guest) = stream.recv_timeout(PATIENCE) else {
        caller.answer(Answer::from(Failure::new(
            "the guest did not start the command in time",
            "try again; if it hangs, stop the sandbox",
        )));
        return Err("the guest did not start it in time".to_owned());
    };
    caller.answer(Answer::Executing { session });
    relay(caller.stream(), &guest)
}

/// Passes frames on until the process has ended, or one side has left.
fn relay(caller: &UnixStream, guest: &UnixStream) -> Result<Exit, String> {
    for stream in [caller, guest] {
        let unlimited = stream.set_read_timeout(None).and_then(|()| stream.set_write_timeout(None));
        unlimited.map_err(|error| error.to_string())?;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Some(message) = from_caller(caller) {
                let mut to = guest;
                if frame::write(&mut to, &message).is_err() {
                    break;
                }
            }
            // Without its caller the process is hung up on; after its end there is nobody to hang up on.
            let _closed = guest.shutdown(Shutdown::Both);
        });
        let how = to_caller(caller, guest);
        // What was written before is still read.
        let _closed = caller.shutdown(Shutdown::Both);
        how
    })
}

/// What a caller may say in a session.
fn from_caller(mut caller: &UnixStream) -> Option<ToGuest> {
    match frame::read(&mut caller, frame::SMALL) {
        Ok(message @ (ToGuest::Input(_) | ToGuest::EndOfInput | ToGuest::Signal(_) | ToGuest::Resize(_))) => {
            Some(message)
        }
        Ok(ToGuest::Setup(_) | ToGuest::Execute(_)) | Err(_) => None,
    }
}

fn to_caller(mut caller: &UnixStream, mut guest: &UnixStream) -> Result<Exit, String> {
    loop {
        let message: FromGuest =
            frame::read(&mut guest, frame::SMALL).map_err(|_gone| "it was cut off".to_owned())?;
        let ended = match &message {
            FromGuest::Output { .. } => None,
            FromGuest::Exited(exit) => Some(Ok(*exit)),
            FromGuest::Failed { cause, .. } => Some(Err(cause.clone())),
            _other => return Err("the guest spoke out of turn".to_owned()),
        };
        // A caller that is gone has ended the session from the other side.
        let _gone = frame::write(&mut caller, &message);
        if let Some(ended) = ended {
            return ended;
        }
    }
}

#[cfg(test)]
mod tests;
