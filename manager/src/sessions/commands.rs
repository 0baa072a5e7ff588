//! The commands of a sandbox by their numbers: coming back to one, letting it go on alone, ending it, listing them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use audit::Phase;
use wire::operator::{Answer, Session, SessionState};

use super::command::{Command, Hold};
use super::task::{Facts, same_version};
use super::{Ended, Sessions, client};
use crate::failure::{Failure, presentable};
use crate::operator::{Asked, Caller, Joining};
use crate::record::Recorder;

/// Detached commands that have ended, whose output and whose end are kept.
const ENDED: usize = 32;

/// Those that run, and detached ones that have ended.
#[derive(Debug, Default)]
pub(super) struct Commands(BTreeMap<u32, Entry>);

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
        self.0.insert(session, Entry { command: kept, uid, program, since });
        command
    }

    /// One is over. Those that somebody may ask for are kept, and of these the last.
    pub(super) fn ended(&mut self, session: u32) {
        if self.0.get(&session).is_some_and(|entry| !entry.command.is_kept()) {
            self.0.remove(&session);
        }
        let ended = |entry: &Entry| matches!(entry.command.standing().0, SessionState::Ended(_));
        let numbers: Vec<u32> =
            self.0.iter().filter(|(_, entry)| ended(entry)).map(|(number, _)| *number).collect();
        for number in numbers.iter().rev().skip(ENDED) {
            self.0.remove(number);
        }
    }

    fn find(&self, session: u32) -> Result<&Arc<Command>, Failure> {
        self.0.get(&session).map(|entry| &entry.command).ok_or_else(|| {
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
        caller.answer(Answer::Attached { terminal: command.terminal });
        let joined = Arc::clone(&command);
        let left = move || {
            client::serve(&joined, who, caller.stream());
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

    /// Lets a command go on without whoever started it: on the record first.
    pub(crate) fn detach(&self, session: u32, asked: &Asked, recorder: &mut Recorder) {
        let detached = self.commands.find(session).and_then(|command| {
            if command.standing().0 != SessionState::Held {
                return Ok(Answer::Detached);
            }
            let detail = format!("session {session}, asked for by user {}: it goes on", asked.uid);
            recorder.command(Phase::CommandDetached, None, detail)?;
            command.detach();
            Ok(Answer::Detached)
        });
        asked.reply.send(detached.unwrap_or_else(Answer::from));
    }

    /// Asks a command to end: on the record first. It is answered when it has.
    pub(crate) fn stop(&self, session: u32, asked: Asked, recorder: &mut Recorder) {
        let asked_to = self.commands.find(session).and_then(|command| {
            if !matches!(command.standing().0, SessionState::Ended(_)) {
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
        Answer::Sessions(self.commands.0.iter().map(session).collect())
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
