//! The lives of an agent in one sandbox: what the loop does when one ends, and when the next is due.

use std::time::{Duration, Instant};

use signal_hook::consts::SIGINT;
use wire::control::{Exit, FromGuest, ToGuest};

use super::Running;
use crate::control::{Heard, Intake, QueueError};
use crate::detached;
use crate::event::Event;
use crate::failure::{ExitStatus, Failure, chain};
use crate::interruption::interrupted;
use crate::options::Detached;
use crate::pause::Pace;
use crate::restart::Verdict;
use crate::signals::Received;

impl Running {
    /// The guest says that everything around the agent stands: once. One that says so again and again would fill the timeline.
    pub(super) fn ready(&mut self, said: FromGuest) -> Result<(), Failure> {
        if !self.lives.ready() {
            return Err(self.out_of_turn(said));
        }
        self.events.timeline.mark("guest ready");
        Ok(())
    }

    /// The guest says that the agent's process is there: once in each life, or it would fill the log.
    pub(super) fn begun(&mut self, said: FromGuest) -> Result<(), Failure> {
        match self.lives.begun(Instant::now()) {
            None => Err(self.out_of_turn(said)),
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
        // Until there is a reader again. What is piped in is there for whoever reads it; what is typed is meant for who is seen.
        self.guest.turn(if self.has_terminal { Intake::Dropped } else { Intake::Held });
        match self.lives.ended(exit, Instant::now()) {
            Verdict::OutOfTurn => Err(self.out_of_turn(FromGuest::Ended(exit))),
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
        self.tell(ToGuest::Again)?;
        self.guest.turn(Intake::Open);
        Ok(())
    }

    /// When the agent is to be started again.
    pub(super) fn next_life(&self) -> Option<Instant> {
        self.lives.due().filter(|_due| self.pace == Pace::Going)
    }

    /// A signal to this process. One that asks for the end while there is no agent asks for the end of the run.
    pub(super) fn signalled(&mut self, signal: Received) -> Result<(), Failure> {
        let between = self.lives.is_waiting();
        self.signal(signal)?;
        if let (true, true, Some(ending)) = (between, signal.ends(), &mut self.ending) {
            ending.status = Some(ExitStatus::Interrupted);
        }
        Ok(())
    }

    /// Ctrl-C was typed to nobody. If there is somebody by now, it was not meant for him.
    pub(super) fn interrupted(&mut self) -> Result<(), Failure> {
        if self.lives.is_waiting() { self.signalled(Received::ForAgent(SIGINT)) } else { Ok(()) }
    }

    /// What the agent's end means for the command.
    pub(super) fn status(&self, exit: Exit) -> Result<ExitStatus, Failure> {
        match self.ending.and_then(|ending| ending.status) {
            Some(ExitStatus::Interrupted) => Err(interrupted()),
            Some(status) => {
                let timed_out =
                    Failure::new("the run's time was up", "raise resources.timeout in agent.yaml");
                Err(timed_out.with_status(status))
            }
            None => ExitStatus::of(exit),
        }
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

    fn out_of_turn(&mut self, said: FromGuest) -> Failure {
        self.processes.failure(Event::Guest(Heard::Message(said)), &self.console)
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
