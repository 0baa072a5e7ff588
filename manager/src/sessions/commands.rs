//! The commands of a sandbox by their numbers: coming back to one, letting it go on alone, ending it, listing them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use audit::Phase;
use wire::control::Exit;
use wire::operator::{Answer, Session, SessionState};

use super::command::{Command, End, Hold, Letting};
use super::task::{Facts, same_version};
use super::{Ended, Sessions, client};
use crate::failure::{Failure, presentable};
use crate::operator::{Asked, Caller, Joining};
use crate::record::Recorder;

/// Detached commands that have ended, whose output and whose end are kept.
const ENDED: usize = 32;

/// Those that run, and detached ones that have ended.
#[derive(Debug, Default)]
pub(super) struct Commands {
    entries: BTreeMap<u32, Entry>,
    /// Those that have ended, in the order of their ends.
    ended: VecDeque<u32>,
}

/// One of them.
#[derive(Debug)]
struct Entry {
    command: Arc<Command>,
    uid: u32,
    program: String,
    since: SystemTime,
}

impl Commands {
    /// One that is about to begin.
    pub(super) fn add(&mut self, session: u32, uid: u32, facts: Facts) -> Arc<Command> {
        let Facts { program, terminal, detached } = facts;
        let hold = if detached { Hold::Nobody } else { Hold::Starter };
        let command = Arc::new(Command::new(session, terminal, hold));
        let (kept, since, program) = (Arc::clone(&command), SystemTime::now(), presentable(&program));
        self.entries.insert(session, Entry { command: kept, uid, program, since });
        command
    }

    /// How one has ended, if it has by itself, or did not start.
    pub(super) fn end(&self, session: u32) -> Option<End> {
        let end = self.entries.get(&session)?.command.end()?;
        matches!(end, End::Exited(_) | End::Failed(_)).then_some(end)
    }

    /// The end of one is on the record, or the record failed. Those that somebody may ask for are kept, and of these the last that ended.
    pub(super) fn ended(&mut self, session: u32, how: &Result<Exit, String>, recorded: &Result<(), Failure>) {
        let Some(entry) = self.entries.get(&session) else { return };
        if let Err(cause) = how {
            entry.command.ends(End::Cut(cause.clone()));
        }
        entry.command.settle(recorded);
        if !entry.command.is_kept() {
            self.entries.remove(&session);
            return;
        }
        self.ended.push_back(session);
        if self.ended.len() > ENDED {
            self.ended.pop_front().map(|first| self.entries.remove(&first));
        }
    }

    pub(super) fn find(&self, session: u32) -> Result<&Arc<Command>, Failure> {
        self.entries.get(&session).map(|entry| &entry.command).ok_or_else(|| {
            Failure::new(
                format_args!("no command of the sandbox has number {session}"),
                "openshell vm sessions lists those that have one",
            )
        })
    }
}

impl Sessions {
    /// Puts `caller` on a command; `ended` is called once, when he has left.
    pub(crate) fn join(
        &mut self,
        caller: Caller,
        to: Joining,
        recorder: &mut Recorder,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) {
        let (who, command) = match self.joins(&caller, to, recorder) {
            Ok(joins) => joins,
            Err(failure) => return caller.answer(Answer::from(failure)),
        };
        self.running.insert(who);
        command.join(who);
        caller.answer(Answer::Attached { terminal: command.terminal, ended: command.end().is_some() });
        let joined = Arc::clone(&command);
        let line = self.lines.open(who);
        let left = move || {
            client::serve(&joined, who, caller.stream());
            drop((caller, line));
            let how = match joined.standing().0 {
                SessionState::Ended(_) => format!("session {} has ended", to.session),
                SessionState::Held | SessionState::Detached => "detached".to_owned(),
            };
            ended(Ended { session: who, how: Err(how), passed: None });
        };
        let joining = std::thread::Builder::new().name(format!("session {who}")).spawn(left);
        if let Err(error) = joining {
            command.leave(who);
            let how = Err(format!("no thread is left: {error}"));
            let _the_log_says_why = self.ended(Ended { session: who, how, passed: None }, recorder);
        }
    }

    /// Lets a command go on without whoever started it: on the record first, and he cannot hang up in between.
    pub(crate) fn detach(&self, session: u32, asked: &Asked, recorder: &mut Recorder) {
        let detached = self.commands.find(session).and_then(|command| {
            let goes_on = match command.detaching()? {
                Letting::Nothing => return Ok(Answer::Detached),
                Letting::Running => "it goes on",
                Letting::Ended => "it has just ended; how is kept",
            };
            let detail = format!("session {session}, asked for by user {}: {goes_on}", asked.uid);
            if let Err(failure) = recorder.command(Phase::CommandDetached, None, detail) {
                command.hold_again();
                return Err(failure);
            }
            command.detach().map(|()| Answer::Detached)
        });
        asked.reply.send(detached.unwrap_or_else(Answer::from));
    }

    /// Asks a command to end: on the record first. It is answered when it has.
    pub(crate) fn stop(&self, session: u32, asked: Asked, recorder: &mut Recorder) {
        let asked_to = self.commands.find(session).and_then(|command| {
            command.has_room_to_wait()?;
            if command.end().is_none() {
                let detail = format!("session {session}, asked for by user {}", asked.uid);
                recorder.command(Phase::CommandStopped, None, detail)?;
            }
            Ok(command)
        });
        match asked_to {
            Ok(command) => command.stop(asked.reply),
            Err(failure) => asked.reply.send(Answer::from(failure)),
        }
    }

    /// Those that run, and detached ones that have ended.
    pub(crate) fn list(&self) -> Answer {
        let session = |(session, entry): (&u32, &Entry)| {
            let (state, attached) = entry.command.standing();
            let since = entry.since.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            Session {
                session: *session,
                uid: entry.uid,
                program: entry.program.clone(),
                terminal: entry.command.terminal,
                since,
                attached: u32::try_from(attached).unwrap_or(u32::MAX),
                state,
            }
        };
        Answer::Sessions(self.commands.entries.iter().map(session).collect())
    }

    fn joins(
        &mut self,
        caller: &Caller,
        Joining { frames, session }: Joining,
        recorder: &mut Recorder,
    ) -> Result<(u32, Arc<Command>), Failure> {
        same_version(frames)?;
        let command = Arc::clone(self.commands.find(session)?);
        self.has_room()?;
        self.last += 1;
        let detail = format!(
            "session {}, asked for by user {}: attached to session {session}",
            self.last,
            caller.uid()
        );
        recorder.command(Phase::CommandStarted, None, detail)?;
        Ok((self.last, command))
    }
}
