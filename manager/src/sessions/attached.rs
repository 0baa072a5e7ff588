//! Those who have joined the agent: what they type goes to it, and they hear how it ended. What it writes they read where it is
//! kept, so that nobody who is slow holds it up.

use std::os::unix::net::UnixStream;

use audit::Phase;
use wire::control::{Exit, FromGuest, ToGuest};
use wire::frame;
use wire::operator::Answer;

use super::task::same_version;
use super::{Ended, Sessions};
use crate::control::ToGuestQueue;
use crate::failure::Failure;
use crate::operator::Caller;
use crate::record::Recorder;

/// What is joined, and in which frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    pub(crate) frames: u32,
    /// Whether the agent has a terminal.
    pub(crate) terminal: bool,
}

impl Sessions {
    /// Joins `caller` to the agent; `ended` is called once, when it has left.
    pub(crate) fn attach(
        &mut self,
        caller: Caller,
        agent: Joined,
        recorder: &mut Recorder,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) {
        match self.joined(&caller, agent, recorder) {
            Ok((session, stream)) => {
                self.running.insert(session);
                self.attached.insert(session, stream);
                caller.answer(Answer::Attached { terminal: agent.terminal, ended: false });
                let guest = self.guest.clone();
                let left = move || {
                    pass(caller.stream(), &guest);
                    ended(Ended { session, how: Err("detached".to_owned()), passed: None });
                };
                let passing = std::thread::Builder::new().name(format!("session {session}")).spawn(left);
                if let Err(error) = passing {
                    let how = Err(format!("no thread is left: {error}"));
                    let _the_log_says_why = self.ended(Ended { session, how, passed: None }, recorder);
                }
            }
            Err(failure) => caller.answer(Answer::from(failure)),
        }
    }

    /// Tells those who have joined how the agent ended.
    pub(crate) fn tell_attached(&mut self, exit: Exit) {
        for (_session, mut stream) in self.attached.drain() {
            // One that is gone has left.
            let _gone = frame::write(&mut stream, &FromGuest::Exited(exit));
        }
    }

    fn joined(
        &mut self,
        caller: &Caller,
        agent: Joined,
        recorder: &mut Recorder,
    ) -> Result<(u32, UnixStream), Failure> {
        same_version(agent.frames)?;
        self.has_room()?;
        let stream = caller.stream();
        let stream = stream.try_clone().and_then(|copy| stream.set_read_timeout(None).map(|()| copy));
        let stream = stream.map_err(|error| {
            Failure::new(format_args!("nobody can be joined: {error}"), "check the limit on open files")
        })?;
        self.last += 1;
        let session = self.last;
        let detail = format!("session {session}, asked for by user {}: attached to the agent", caller.uid());
        recorder.command(Phase::CommandStarted, None, detail)?;
        Ok((session, stream))
    }
}

/// Passes on what is typed, until its caller has left or says what has no place here.
fn pass(mut caller: &UnixStream, guest: &ToGuestQueue) {
    loop {
        match frame::read(&mut caller, frame::SMALL) {
            Ok(input @ ToGuest::Input(_)) => {
                if guest.put(input).is_err() {
                    return;
                }
            }
            Ok(size @ ToGuest::Resize(_)) => {
                // A guest that is too busy to hear of it now shows the old size until the next change.
                let _busy = guest.send(size);
            }
            Ok(_) | Err(_) => return,
        }
    }
}
