//! How a command is ended: it is asked, then killed, then cut off, whether the guest listens or not; and who waits for that.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wire::control::ToGuest;
use wire::operator::Answer;

use super::{Command, End};
use crate::failure::Failure;
use crate::operator::Reply;

/// How long a command may take to end when it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How long the guest may take to say that one that is killed has ended.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// Callers who wait for its end at most.
const WAITING: usize = 8;

/// How far its end was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Not at all.
    Unasked,
    /// It was asked; then it is killed.
    Asked(Instant),
    /// It is killed; then its stream is closed.
    Killed(Instant),
}

impl Command {
    /// Whether one more may wait for its end.
    ///
    /// # Errors
    /// Enough do.
    pub(in crate::sessions) fn has_room_to_wait(&self) -> Result<(), Failure> {
        if self.state().waiting.len() < WAITING {
            return Ok(());
        }
        Err(Failure::new(
            format_args!("{WAITING} callers wait for its end already"),
            "openshell vm sessions says whether it runs",
        ))
    }

    /// Asks it to end: a terminal by what its closing says, as a shell in it takes nothing else for an end. A second time it is killed at
    /// once, else after a while. It is answered when its end is on the record.
    pub(in crate::sessions) fn stop(&self, reply: Reply) {
        let mut state = self.state();
        if state.settled {
            return reply.send(Answer::CommandStopped);
        }
        state.waiting.push(reply);
        match state.ending {
            _ if state.end.is_some() => {}
            Ending::Unasked => {
                let signal = if self.terminal { Signal::HUP } else { Signal::TERM };
                // Before what else is to be told: there may be no room behind it.
                state.messages.push_front(ToGuest::Signal(signal.as_raw()));
                state.ending = Ending::Asked(Instant::now() + GRACE);
            }
            Ending::Asked(_) => state.ending = Ending::Asked(Instant::now()),
            Ending::Killed(_) => {}
        }
        self.changed.notify_all();
        self.ending.notify_all();
    }

    /// Its end is on the record, or the record failed: who waits for it is told.
    pub(in crate::sessions) fn settle(&self, recorded: &Result<(), Failure>) {
        let mut state = self.state();
        if recorded.is_err() {
            // What is not on the record has not happened, for whoever is outside.
            state.end = Some(End::Lost);
        }
        state.settled = true;
        for reply in state.waiting.drain(..) {
            let answer = recorded.clone().map_or_else(Answer::from, |()| Answer::CommandStopped);
            reply.send(answer);
        }
        self.changed.notify_all();
    }

    /// Sees to it that one that was asked to end does, on a thread of its own: a guest that does not listen holds up whoever writes to it.
    pub(super) fn watch_end(&self) {
        let mut state = self.state();
        while state.end.is_none() {
            let now = Instant::now();
            state = match state.ending {
                Ending::Unasked => self.ending.wait(state).unwrap_or_else(PoisonError::into_inner),
                Ending::Asked(due) if due <= now => {
                    state.messages.push_front(ToGuest::Signal(Signal::KILL.as_raw()));
                    state.ending = Ending::Killed(now + KILL_GRACE);
                    self.changed.notify_all();
                    state
                }
                Ending::Killed(due) if due <= now => {
                    state.ends(End::Cut("it did not end when it was killed".to_owned()));
                    self.changed.notify_all();
                    return;
                }
                Ending::Asked(due) | Ending::Killed(due) => {
                    self.ending.wait_timeout(state, due - now).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
