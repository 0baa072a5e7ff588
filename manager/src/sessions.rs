//! Commands and copies of operators in a running guest: each is a session of its own, with a stream from the guest on one side and
//! the operator's connection on the other; a [`Command`] may have several of those, or none. Frames of either side are read here
//! and written anew: neither speaks to the other, and what has no place in a session ends it.
//!
//! *Invariant:* a command or a copy is on the record before the guest hears of it.

mod attached;
mod client;
mod command;
mod commands;
mod lines;
mod relay;
mod ring;
mod task;

use std::collections::{BTreeSet, HashMap};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audit::Phase;
use wire::control::{Exit, FromGuest, ToGuest};
use wire::frame;
use wire::operator::Answer;

use crate::control::ToGuestQueue;
use crate::failure::{ExitStatus, Failure};
use crate::operator::{Caller, Errand, PATIENCE};
use crate::record::Recorder;

pub(crate) use self::attached::Joined;
use self::command::{Command, End};
use self::commands::Commands;
use self::lines::{Line, Lines};
use self::task::{Passage, Task, Work};

/// Sessions at once; as many streams that have not said which session they are of.
const MOST: usize = 32;

/// Longest first frame of a stream, and how long a part of it may take.
const FIRST_FRAME: usize = 64;
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// How long the guest may take to start a command that nobody holds.
const START: Duration = Duration::from_secs(60);

/// How long callers may take to read the rest when the sandbox has ended.
const DRAIN: Duration = Duration::from_secs(2);

/// Before the next try to accept a stream, when one failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sessions of one sandbox.
#[derive(Debug)]
pub(crate) struct Sessions {
    guest: ToGuestQueue,
    waiting: Waiting,
    last: u32,
    running: BTreeSet<u32>,
    commands: Commands,
    lines: Lines,
    /// Those who have joined the agent, by session.
    attached: HashMap<u32, UnixStream>,
}

/// Those that the guest has not opened its stream for, by number.
#[derive(Clone, Debug, Default)]
struct Waiting {
    sessions: Arc<Mutex<HashMap<u32, SyncSender<UnixStream>>>>,
    /// Streams whose first frame is being read.
    reading: Arc<AtomicUsize>,
}

/// What goes through a session.
#[derive(Debug)]
enum Streams {
    Command(Arc<Command>),
    Copy(Passage),
}

/// A session that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    session: u32,
    how: Result<Exit, String>,
    /// What went through it, if that is counted.
    passed: Option<String>,
}

impl Sessions {
    /// Takes the guest's streams from here on.
    pub(crate) fn listen(listener: UnixListener, guest: ToGuestQueue) -> Self {
        let waiting = Waiting::default();
        let expected = waiting.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                match stream {
                    Ok(stream) => expected.take(stream),
                    Err(_no_descriptor) => std::thread::sleep(ACCEPT_PAUSE),
                }
            }
        });
        let (running, commands, lines) = (BTreeSet::new(), Commands::default(), Lines::default());
        Self { guest, waiting, last: 0, running, commands, lines, attached: HashMap::new() }
    }

    /// Begins a session for `caller`; `ended` is called once, when it is over.
    pub(crate) fn begin(
        &mut self,
        caller: Caller,
        errand: Errand,
        recorder: &mut Recorder,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) {
        let Task { message, told, work } = match self.fits(errand) {
            Ok(task) => task,
            Err(failure) => return caller.answer(Answer::from(failure)),
        };
        self.last += 1;
        let session = self.last;
        let detail = format!("session {session}, asked for by user {}: {told}", caller.uid());
        if let Err(failure) = recorder.command(Phase::CommandStarted, None, detail) {
            return caller.answer(Answer::from(failure));
        }
        self.running.insert(session);
        let streams = match work {
            Work::Command(facts) => Streams::Command(self.commands.add(session, caller.uid(), facts)),
            Work::Copy(passage) => Streams::Copy(passage),
        };
        let stream = self.waiting.expect(session);
        let asked = self.guest.send(ToGuest::Open { session }).is_ok();
        let (waiting, line) = (self.waiting.clone(), self.lines.open(session));
        let attending = std::thread::Builder::new().name(format!("session {session}")).spawn(move || {
            let guest = open(&message, asked.then_some(&stream));
            waiting.map().remove(&session);
            let (how, passed) = attend((caller, line), session, streams, guest);
            ended(Ended { session, how, passed });
        });
        if let Err(error) = attending {
            // The caller is gone with the thread that did not begin, and hears that the line is cut.
            let how = Err(format!("no thread is left: {error}"));
            let _the_log_says_why = self.ended(Ended { session, how, passed: None }, recorder);
        }
    }

    /// Records that a session is over.
    pub(crate) fn ended(
        &mut self,
        Ended { session, how, passed }: Ended,
        recorder: &mut Recorder,
    ) -> Result<(), Failure> {
        self.waiting.map().remove(&session);
        self.attached.remove(&session);
        if !self.running.remove(&session) {
            return Ok(());
        }
        let (code, cause) = match &how {
            Ok(exit) => {
                let status = ExitStatus::of(*exit).unwrap_or_else(|failure| failure.status);
                (Some(i32::from(status.code())), None)
            }
            Err(cause) => (None, Some(cause.clone())),
        };
        let told: Vec<String> = cause.into_iter().chain(passed).collect();
        let detail = match told.as_slice() {
            [] => format!("session {session}"),
            told => format!("session {session}: {}", told.join("; ")),
        };
        let recorded = recorder.command(Phase::CommandEnded, code, detail);
        self.commands.ended(session, &how, &recorded);
        recorded
    }

    /// Records that all are over, with the sandbox, and how those ended that did so before it.
    pub(crate) fn all_ended(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        let mut recorded = Ok(());
        while let Some(session) = self.running.first().copied() {
            let with_it = || Err("the sandbox ended".to_owned());
            let how = self.commands.end(session).map_or_else(with_it, End::recorded);
            recorded = recorded.and(self.ended(Ended { session, how, passed: None }, recorder));
        }
        recorded
    }

    /// Lets callers read the rest, for a moment: one who does not read holds up no sandbox's end.
    pub(crate) fn drain(&self) {
        self.lines.wait_up_to(DRAIN);
    }

    fn fits(&self, errand: Errand) -> Result<Task, Failure> {
        self.has_room()?;
        Task::of(errand)
    }

    fn has_room(&self) -> Result<(), Failure> {
        if self.running.len() + self.lines.besides(&self.running) < MOST {
            return Ok(());
        }
        Err(Failure::new(
            format_args!("{MOST} commands, copies and people attached are in the sandbox already"),
            "end one of them, or let somebody leave",
        ))
    }
}

impl Waiting {
    /// Hands a stream over to the session that waits for it.
    fn take(&self, stream: UnixStream) {
        // Nobody is expected, or more come than are expected: no thread for it.
        if self.map().is_empty() || self.reading.load(Ordering::Relaxed) >= MOST {
            return;
        }
        self.reading.fetch_add(1, Ordering::Relaxed);
        let waiting = self.clone();
        let reading = std::thread::Builder::new().spawn(move || {
            waiting.hand_over(stream);
            waiting.reading.fetch_sub(1, Ordering::Relaxed);
        });
        if reading.is_err() {
            self.reading.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn expect(&self, session: u32) -> Receiver<UnixStream> {
        let (handed, stream) = sync_channel(1);
        self.map().insert(session, handed);
        stream
    }

    /// Reads which session the stream is for.
    fn hand_over(&self, mut stream: UnixStream) {
        let _kept = stream.set_read_timeout(Some(FIRST_PATIENCE));
        if let Ok(FromGuest::Session { session }) = frame::read(&mut stream, FIRST_FRAME) {
            let handed = self.map().remove(&session);
            // A caller that gave up meanwhile has left its end.
            handed.map(|handed| handed.send(stream));
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<u32, SyncSender<UnixStream>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the guest's stream, and says what it is for. `stream`: none, if the guest could not even be asked.
fn open(message: &ToGuest, stream: Option<&Receiver<UnixStream>>) -> Option<UnixStream> {
    let guest = stream?.recv_timeout(PATIENCE).ok()?;
    frame::write(&mut &guest, message).ok()?;
    Some(guest)
}

/// Lives the session's life; how it ended, and what went through it, if that is counted.
fn attend(
    (caller, line): (Caller, Line),
    session: u32,
    streams: Streams,
    guest: Option<UnixStream>,
) -> (Result<Exit, String>, Option<String>) {
    let Some(guest) = guest else {
        let cause = "the guest did not open a session in time; nothing was done";
        caller.answer(Answer::from(Failure::new(cause, "try again; if it hangs, stop the sandbox")));
        let cause = "the guest did not open it in time".to_owned();
        if let Streams::Command(command) = streams {
            command.ends(End::Cut(cause.clone()));
        }
        return (Err(cause), None);
    };
    caller.answer(Answer::Executing { session });
    match streams {
        Streams::Command(command) => (attend_command((caller, line), session, &command, &guest), None),
        Streams::Copy(passage) => {
            let how = relay::relay(caller.stream(), &guest, &passage);
            (how, Some(passage.told()))
        }
    }
}

/// Likewise of a command, which may go on when its caller has left, and ends whether he reads or not.
fn attend_command(
    (caller, line): (Caller, Line),
    session: u32,
    command: &Arc<Command>,
    guest: &UnixStream,
) -> Result<Exit, String> {
    let stays = command.has(session);
    let of_caller = Arc::clone(command);
    let with_caller = std::thread::Builder::new().spawn(move || {
        if stays {
            client::serve(&of_caller, session, caller.stream());
        } else if let Some(first) = of_caller.started(START) {
            // One that is gone misses it.
            let _gone = frame::write(&mut caller.stream(), &first);
        }
        drop((caller, line));
    });
    if with_caller.is_err() {
        command.leave(session);
    }
    command.serve(guest).recorded()
}

#[cfg(test)]
mod tests;
