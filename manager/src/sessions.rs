//! Commands and copies of operators in a running guest: each is a session of its own, with a stream from the guest on one side and
//! the operator's connection on the other. Frames of either side are read here and written anew: neither speaks to the
//! other, and what has no place in a session ends it.
//!
//! *Invariant:* a command or a copy is on the record before the guest hears of it.

mod attached;
mod task;

use std::collections::{BTreeSet, HashMap};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audit::Phase;
use rustix::event::{PollFd, PollFlags};
use wire::control::{Exit, FromGuest, Stream, ToGuest};
use wire::frame;
use wire::operator::Answer;

use crate::control::ToGuestQueue;
use crate::failure::{ExitStatus, Failure, presentable};
use crate::operator::{Caller, Errand, PATIENCE};
use crate::record::Recorder;

pub(crate) use self::attached::Joined;
use self::task::{Passage, Task};

/// Sessions at once; as many streams that have not said which session they are of.
const MOST: usize = 32;

/// Longest first frame of a stream, and how long a part of it may take.
const FIRST_FRAME: usize = 64;
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// Before the next try to accept a stream, when one failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sessions of one sandbox.
#[derive(Debug)]
pub(crate) struct Sessions {
    guest: ToGuestQueue,
    waiting: Waiting,
    last: u32,
    running: BTreeSet<u32>,
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
        Self { guest, waiting, last: 0, running: BTreeSet::new(), attached: HashMap::new() }
    }

    /// Begins a session for `caller`; `ended` is called once, when it is over.
    pub(crate) fn begin(
        &mut self,
        caller: Caller,
        errand: Errand,
        recorder: &mut Recorder,
        ended: impl FnOnce(Ended) + Send + 'static,
    ) {
        let Task { message, told, passage } = match self.fits(errand) {
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
        let stream = self.waiting.expect(session);
        let asked = self.guest.send(ToGuest::Open { session }).is_ok();
        let waiting = self.waiting.clone();
        let attending = std::thread::Builder::new().name(format!("session {session}")).spawn(move || {
            let how = attend(&caller, (session, message, &passage), asked.then_some(&stream));
            waiting.map().remove(&session);
            ended(Ended { session, how, passed: passage.told() });
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
        let (code, cause) = match how {
            Ok(exit) => {
                let status = ExitStatus::of(exit).unwrap_or_else(|failure| failure.status);
                (Some(i32::from(status.code())), None)
            }
            Err(cause) => (None, Some(cause)),
        };
        let told: Vec<String> = cause.into_iter().chain(passed).collect();
        let detail = match told.as_slice() {
            [] => format!("session {session}"),
            told => format!("session {session}: {}", told.join("; ")),
        };
        recorder.command(Phase::CommandEnded, code, detail)
    }

    /// Records that all are over, with the sandbox.
    pub(crate) fn all_ended(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        while let Some(session) = self.running.first().copied() {
            let how = Err("the sandbox ended".to_owned());
            self.ended(Ended { session, how, passed: None }, recorder)?;
        }
        Ok(())
    }

    fn fits(&self, errand: Errand) -> Result<Task, Failure> {
        self.has_room()?;
        Task::of(errand)
    }

    fn has_room(&self) -> Result<(), Failure> {
        if self.running.len() < MOST {
            return Ok(());
        }
        Err(Failure::new(format_args!("{MOST} commands run in the sandbox already"), "end one of them"))
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

/// Lives the session's life. `None`: the guest could not even be asked.
fn attend(
    caller: &Caller,
    (session, message, passage): (u32, ToGuest, &Passage),
    stream: Option<&Receiver<UnixStream>>,
) -> Result<Exit, String> {
    let begun = stream.and_then(|stream| stream.recv_timeout(PATIENCE).ok()).and_then(|guest| {
        frame::write(&mut &guest, &message).ok()?;
        Some(guest)
    });
    let Some(guest) = begun else {
        let cause = "the guest did not open a session in time; nothing was done";
        caller.answer(Answer::from(Failure::new(cause, "try again; if it hangs, stop the sandbox")));
        return Err("the guest did not open it in time".to_owned());
    };
    caller.answer(Answer::Executing { session });
    relay(caller.stream(), &guest, passage)
}

/// Passes frames on until the process has ended, or one side has left.
fn relay(caller: &UnixStream, guest: &UnixStream, passage: &Passage) -> Result<Exit, String> {
    for stream in [caller, guest] {
        let unlimited = stream.set_read_timeout(None).and_then(|()| stream.set_write_timeout(None));
        unlimited.map_err(|error| error.to_string())?;
    }
    let hang_up = || {
        // What was written before is still read.
        let _closed = (guest.shutdown(Shutdown::Both), caller.shutdown(Shutdown::Both));
    };
    std::thread::scope(|scope| {
        let upwards = std::thread::Builder::new().spawn_scoped(scope, || {
            while let Some(message) = from_caller(caller) {
                let passes = match &message {
                    ToGuest::Input(bytes) => passage.inward(bytes).is_ok(),
                    _other => true,
                };
                if !passes || frame::write(&mut &*guest, &message).is_err() {
                    break;
                }
            }
            // Without its caller the process is hung up on; after its end there is nobody to hang up on.
            let _closed = guest.shutdown(Shutdown::Both);
        });
        let how = match upwards {
            Ok(_reading) => to_caller(caller, guest, passage),
            Err(error) => Err(format!("no thread is left: {error}")),
        };
        hang_up();
        how
    })
}

/// What a caller may say in a session.
fn from_caller(mut caller: &UnixStream) -> Option<ToGuest> {
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

fn to_caller(mut caller: &UnixStream, mut guest: &UnixStream, passage: &Passage) -> Result<Exit, String> {
    loop {
        if has_left(caller, guest) {
            return Err("its caller left".to_owned());
        }
        let message: FromGuest =
            frame::read(&mut guest, frame::SMALL).map_err(|_gone| "it was cut off".to_owned())?;
        let (message, ended) = match message {
            FromGuest::Output { stream, ref bytes } => {
                if stream == Stream::Stdout {
                    passage.outward(bytes)?;
                }
                (message, None)
            }
            FromGuest::Taken { .. } => match passage {
                Passage::Command => (message, None),
                // A copy has no signals: what it sends may wait on the line.
                Passage::In(_) | Passage::Out(_) => continue,
            },
            FromGuest::Exited(exit) => (message, Some(Ok(exit))),
            FromGuest::Failed { stage, cause } => {
                let cause = presentable(&cause);
                (FromGuest::Failed { stage, cause: cause.clone() }, Some(Err(cause)))
            }
            _other => return Err("the guest spoke out of turn".to_owned()),
        };
        // A caller that is gone has ended the session from the other side.
        let _gone = frame::write(&mut caller, &message);
        if let Some(ended) = ended {
            return ended;
        }
    }
}

/// Waits until the guest has something to say, or its caller is gone. One that left while its input waits for the process is
/// seen here only.
fn has_left(caller: &UnixStream, guest: &UnixStream) -> bool {
    let mut ends =
        [PollFd::new(guest, PollFlags::IN), PollFd::new(caller, PollFlags::RDHUP | PollFlags::HUP)];
    match rustix::event::poll(&mut ends, None) {
        Ok(_) => ends[0].revents().is_empty() && !ends[1].revents().is_empty(),
        Err(_interrupted) => false,
    }
}

#[cfg(test)]
mod tests;
