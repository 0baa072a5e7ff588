//! The lives of an agent in one sandbox: what the loop does when one ends, and when the next is due.

use std::time::{Duration, Instant};

use wire::control::{Exit, FromGuest, ToGuest};

use super::Running;
use crate::control::{Heard, QueueError};
use crate::detached;
use crate::event::Event;
use crate::failure::{ExitStatus, Failure, chain};
use crate::options::Detached;
use crate::pause::Pace;
use crate::restart::Verdict;
use crate::signals::Received;

impl Running {
    /// The guest says that the agent's process is there. One that says so again and again fills no log with it.
    pub(super) fn begun(&mut self) -> Result<(), Failure> {
        match self.lives.begun(Instant::now()) {
            None => Ok(()),
            Some(0) => {
                self.events.timeline.mark("agent's first instruction");
                self.recorder.agent_started(None)?;
                if self.detached == Detached::Yes { detached::leave(self.prepared.id()) } else { Ok(()) }
            }
            Some(restart) => self.recorder.agent_started(Some(format!("restart {restart}"))),
        }
    }

    /// The guest says that the agent has ended and nothing of it is left. First on the record, then started again.
    pub(super) fn ended(&mut self, exit: Exit) -> Result<(), Failure> {
        match self.lives.ended(exit, Instant::now()) {
            Verdict::OutOfTurn => Err(self.out_of_turn(exit)),
            // Whoever asked the agent to end does not want another one.
            Verdict::Again { .. } if self.ending.is_some() => self.finish(),
            Verdict::Again { after, attempt, max } => {
                let of = max.map(|max| format!(" of {max}")).unwrap_or_default();
                let why =
                    format!("{}; restart {attempt}{of} in a row follows in {}", how(exit), seconds(after));
                let code = ExitStatus::of(exit).unwrap_or_else(|failure| failure.status).code();
                self.recorder.agent_restarting(i32::from(code), why)
            }
            Verdict::Last => self.finish(),
        }
    }

    /// Starts the agent again, if it is time. A machine that stands still starts nothing; its time comes when it goes on.
    pub(super) fn begin_what_is_due(&mut self) -> Result<(), Failure> {
        if self.next_life().is_none_or(|due| Instant::now() < due) {
            return Ok(());
        }
        self.lives.begins();
        self.tell(ToGuest::Again)
    }

    /// When the agent is to be started again.
    pub(super) fn next_life(&self) -> Option<Instant> {
        self.lives.due().filter(|_due| self.pace == Pace::Going)
    }

    /// Passes a signal on to the agent. One that asks it to end ends its lives, if there is only the next one to end.
    pub(super) fn forward(&mut self, signal: Received) -> Result<(), QueueError> {
        let Received::ForAgent(number) = signal else { return Ok(()) };
        if signal.ends() && self.lives.give_up() {
            return self.guest.send(ToGuest::Finish);
        }
        // One that has ended has nobody to take it.
        if self.lives.is_waiting() { Ok(()) } else { self.guest.send(ToGuest::Signal(number)) }
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.lives.give_up();
        self.tell(ToGuest::Finish)
    }

    fn tell(&self, message: ToGuest) -> Result<(), Failure> {
        let told = self.guest.send(message);
        told.map_err(|stuck| Failure::new(chain(&stuck), "run again with --console to see why"))
    }

    fn out_of_turn(&mut self, exit: Exit) -> Failure {
        self.processes.failure(Event::Guest(Heard::Message(FromGuest::Ended(exit))), &self.console)
    }
}

/// An end, in words.
fn how(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(number) => format!("signal {number}"),
        Exit::OutOfMemory => "out of memory".to_owned(),
        Exit::NotFound => "command not found".to_owned(),
        Exit::NotExecutable => "command not executable".to_owned(),
    }
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs())
}
