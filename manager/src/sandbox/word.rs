//! What is done with a running sandbox on the word of a detection or an operator.

use audit::{Phase, Response};
use audit_watch::Finding;
use signal_hook::consts::SIGTERM;
use wire::operator::{Answer, Ask, Standing};

use super::Running;
use crate::event::Event;
use crate::failure::Failure;
use crate::operator::{Asked, Caller, Errand};
use crate::pause::Pace;
use crate::reload::Cutoff;
use crate::sessions::Joined;
use crate::signals::Received;
use crate::watching;

impl Running {
    /// First on the record, then done.
    pub(super) fn noticed(&mut self, finding: &Finding) -> Result<(), Failure> {
        self.recorder.noticed(finding)?;
        match finding.response {
            Response::Record => Ok(()),
            Response::Quarantine => {
                self.reload.quarantine(Cutoff::by_detection(finding.kind.as_str()), &mut self.recorder)
            }
            Response::Pause => {
                let why = format!("detection {}", finding.kind.as_str());
                self.pace.change(Pace::Still, &self.processes.machine, (&mut self.recorder, &why))
            }
            Response::Stop => Err(watching::stopped(finding)),
        }
    }

    /// Does what an operator asks for.
    pub(super) fn asked(&mut self, asked: Asked) -> Result<(), Failure> {
        match asked.ask {
            Ask::RefreshCredentials => {
                self.refresh.asked(asked, self.events.to_loop(Event::Credentials));
                Ok(())
            }
            Ask::SetPolicy { .. }
            | Ask::PolicyInForce
            | Ask::Quarantine
            | Ask::Proposals
            | Ask::Seen { .. }
            | Ask::HasProposal { .. }
            | Ask::Approve { .. }
            | Ask::Reject { .. } => self.reload.asked(asked, &mut self.recorder),
            Ask::Pause => self.change_pace(Pace::Still, &asked),
            Ask::Resume => self.change_pace(Pace::Going, &asked),
            // They are calls of their own, and never come as a question.
            Ask::Execute(_) | Ask::Copy(_) | Ask::Attach { .. } | Ask::Join { .. } => Ok(()),
            Ask::Detach { session } => {
                self.sessions.detach(session, &asked, &mut self.recorder);
                Ok(())
            }
            Ask::StopCommand { session } => {
                self.stop_command(session, asked);
                Ok(())
            }
            Ask::Sessions => {
                asked.reply.send(self.sessions.list());
                Ok(())
            }
            Ask::Stop => self.stop(&asked),
            Ask::Standing => {
                asked.reply.send(Answer::Standing(self.standing()));
                Ok(())
            }
        }
    }

    /// Begins a command or a copy beside the agent.
    pub(super) fn begin(&mut self, caller: Caller, errand: Errand) {
        if self.pace == Pace::Still {
            return caller.answer(Answer::from(paused()));
        }
        let ended = self.events.to_loop(Event::Command);
        match errand {
            Errand::Attach(frames) => {
                let agent = Joined { frames, terminal: self.has_terminal };
                self.sessions.attach(caller, agent, &mut self.recorder, ended);
            }
            Errand::Join(to) => self.sessions.join(caller, to, &mut self.recorder, ended),
            Errand::Execute(_) | Errand::Copy(_) => {
                self.sessions.begin(caller, errand, &mut self.recorder, ended);
            }
        }
    }

    /// Asks the agent to end, as a signal does.
    fn stop(&mut self, asked: &Asked) -> Result<(), Failure> {
        let why = format!("asked for by user {}", asked.uid);
        if let Err(failure) = self.recorder.stands(Phase::Stopped, &why) {
            asked.reply.send(Answer::from(failure));
            return Ok(());
        }
        asked.reply.send(Answer::Stopping);
        self.signal(Received::ForAgent(SIGTERM))
    }

    /// Asks a command to end.
    fn stop_command(&mut self, session: u32, asked: Asked) {
        // One that stands still hears nothing.
        if self.pace == Pace::Still {
            return asked.reply.send(Answer::from(paused()));
        }
        self.sessions.stop(session, asked, &mut self.recorder);
    }

    /// A change that fails is the caller's to know; the sandbox is as it was.
    fn change_pace(&mut self, to: Pace, asked: &Asked) -> Result<(), Failure> {
        let why = format!("asked for by user {}", asked.uid);
        let changed = self.pace.change(to, &self.processes.machine, (&mut self.recorder, &why));
        asked.reply.send(changed.map_or_else(Answer::from, |()| Answer::Standing(self.standing())));
        Ok(())
    }

    fn standing(&self) -> Standing {
        Standing {
            paused: self.pace == Pace::Still,
            quarantined: self.reload.is_quarantined(),
            restarts: self.lives.restarts(),
            restarting: self.lives.is_waiting(),
        }
    }
}

fn paused() -> Failure {
    Failure::new("the sandbox is paused", "openshell vm resume lets it go on")
}
