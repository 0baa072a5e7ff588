//! While the agent, or a process beside it, runs: its streams to and from the manager, signals and sizes to it, its end
//! to the manager.
//!
//! One thread, one `poll`. Nothing is read that there is no room for: a full queue towards the manager stops
//! the reading of output. Whoever sends input waits until he is told of room; where he does not, a full queue stops the reading of the
//! connection.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use wire::control::{Exit, FromGuest, INPUT_WINDOW, MAX_CHUNK, Stream, ToGuest};
use wire::frame;

use super::again::Lives;
use super::channel::{ChannelError, Order, Report};
use super::further::Further;
use super::{AgentError, Running, Streams, cgroup, warden};
use crate::boot::clock;
use crate::control::{Control, ControlError};
use crate::tally::{After, Tell};

/// Above this many bytes in the queue to the manager nothing is read that makes it longer.
const FULL: usize = 256 * 1024;

/// What a terminal takes for the end of its input.
const END_OF_TRANSMISSION: u8 = 4;

/// What only the agent's own session has.
pub(crate) struct Whole {
    /// Who knows what its processes, and those of all sessions, do.
    pub(crate) tells: Vec<Arc<dyn Tell>>,
    /// Who starts further ones.
    pub(crate) further: Further,
    /// What its next life is made of; none, if there is not to be one.
    pub(crate) lives: Option<Lives>,
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// Nobody is left to serve.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The agent could not be started again.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// A session with the manager.
struct Session<'a> {
    control: &'a mut Control,
    channel: super::channel::Channel,
    stdin: Stdin,
    /// Output streams that have not ended.
    outputs: Vec<(Stream, OwnedFd)>,
    exit: Option<Exit>,
    /// How it will have ended, when the warden has told its end.
    unexecuted: Option<Exit>,
    /// Its number.
    pid: u32,
    /// Whether the manager was asked what follows, and what it said.
    word: Word,
    /// Whether its standard input has ended, in this life or before.
    input_ended: bool,
    /// Bytes of input that came and whose room has not been told of.
    untold: usize,
    /// Bytes of output that came after its end.
    late: usize,
    /// What the kernel had ended for want of memory when it began.
    killed_before: u64,
    whole: Option<Whole>,
}

/// What follows an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Nobody was asked.
    Unasked,
    /// The manager is to say it.
    Awaited,
    /// Nothing does.
    Finish,
}

/// Towards the agent's standard input.
enum Stdin {
    /// A pipe, or with `terminal` its master side.
    Open { fd: OwnedFd, terminal: bool, queue: VecDeque<u8>, ending: bool },
    /// The agent closed it, or was told that it ended.
    Closed,
}

/// Which descriptor became ready.
#[derive(Clone, Copy)]
enum Source {
    Control,
    Channel,
    Stdin,
    Output(usize),
    Told(usize),
}

/// Serves until the agent has ended and everything it wrote is on its way; returns how it ended.
///
/// # Errors
/// The control channel failed: nobody is left to serve. Or the agent could not be started again.
pub(crate) fn serve(
    control: &mut Control,
    running: Running,
    whole: Option<Whole>,
) -> Result<Exit, SessionError> {
    let (stdin, outputs) = ends(running.streams)?;
    Session {
        control,
        channel: running.channel,
        stdin,
        outputs,
        exit: None,
        unexecuted: None,
        pid: running.pid.as_raw_nonzero().get().unsigned_abs(),
        word: Word::Unasked,
        input_ended: false,
        untold: 0,
        late: 0,
        killed_before: cgroup::killed(),
        whole,
    }
    .run()
}

/// Our ends of its streams, as a session works with them.
fn ends(streams: Streams) -> Result<(Stdin, Vec<(Stream, OwnedFd)>), ControlError> {
    Ok(match streams {
        Streams::Pipes { stdin, stdout, stderr } => {
            (Stdin::new(stdin, false), vec![(Stream::Stdout, stdout), (Stream::Stderr, stderr)])
        }
        Streams::Terminal(master) => {
            let copy = rustix::io::fcntl_dupfd_cloexec(&master, 3).map_err(ControlError::Channel)?;
            (Stdin::new(copy, true), vec![(Stream::Stdout, master)])
        }
    })
}

impl Session<'_> {
    fn run(mut self) -> Result<Exit, SessionError> {
        let outcome = self.live();
        if matches!(outcome, Err(SessionError::Agent(_))) {
            // What was done before holds, whatever could not be done then.
            self.tell_all(After::Life)?;
        }
        outcome
    }

    fn live(&mut self) -> Result<Exit, SessionError> {
        // What came together with the task or the setup is here already: no descriptor will say so.
        self.take_messages()?;
        loop {
            if let (Some(exit), true) = (self.exit, self.outputs.is_empty())
                && self.is_last(exit)?
            {
                return Ok(exit);
            }
            let ready = self.wait()?;
            if self.is_drained(&ready) {
                self.outputs.clear();
            }
            for (source, events) in ready {
                match source {
                    Source::Control => self.on_control(events)?,
                    Source::Channel => self.on_report()?,
                    Source::Stdin => self.stdin.write(),
                    Source::Output(index) => self.on_output(index)?,
                    Source::Told(index) => self.tells().get(index).into_iter().for_each(|tell| tell.heard()),
                }
            }
            self.tell_of_room()?;
            self.tell_what_is_due()?;
        }
    }

    /// Whether nothing follows this end; the manager is asked once, if there is anything to ask. After the last one
    /// everything is told.
    fn is_last(&mut self, exit: Exit) -> Result<bool, ControlError> {
        match self.word {
            Word::Unasked if self.lives().is_some() => {
                // Its reader is gone; what comes for it now is for nobody.
                self.stdin = Stdin::Closed;
                // What this life did is not the next one's.
                self.tell_all(After::Life)?;
                self.control.send(&FromGuest::Ended(exit))?;
                self.word = Word::Awaited;
                return Ok(false);
            }
            Word::Awaited => return Ok(false),
            Word::Unasked => {}
            // Whose end is awaited before all is told.
            Word::Finish => drop(self.channel.send(&Order::Finish)),
        }
        self.tell_all(After::All)?;
        Ok(true)
    }

    fn lives(&self) -> Option<&Lives> {
        self.whole.as_ref().and_then(|whole| whole.lives.as_ref())
    }

    /// Starts the agent again, if its end was told.
    fn begin_again(&mut self) -> Result<(), SessionError> {
        if self.word != Word::Awaited || self.lives().is_none() {
            return Ok(());
        }
        Lives::clear(&mut self.channel)?;
        // What was done since is not the next life's either.
        self.tell_all(After::Life)?;
        let Some(lives) = self.whole.as_ref().and_then(|whole| whole.lives.as_ref()) else { return Ok(()) };
        self.killed_before = cgroup::killed();
        let (pid, streams) = lives.begin(&mut self.channel)?;
        (self.stdin, self.outputs) = ends(streams)?;
        (self.exit, self.unexecuted, self.word, self.late) = (None, None, Word::Unasked, 0);
        if self.input_ended {
            self.stdin.end();
        }
        let pid = pid.as_raw_nonzero().get().unsigned_abs();
        Ok(self.control.send(&FromGuest::Started { pid, at_ns: clock::since_kernel_start() })?)
    }

    /// What it wrote is on its way, and its streams need not end for that. Those whom a further process left behind are not waited
    /// for. An agent that may be started again leaves nobody; but what its processes sent each other and nobody received lives on
    /// until the kernel looks for it: a stream in a socket that is itself on its way in a socket never ends.
    fn is_drained(&self, ready: &[(Source, PollFlags)]) -> bool {
        let more = ready.iter().any(|(source, _)| matches!(source, Source::Output(_)));
        // Of those left behind no pipe and no terminal holds more; the rest is written after the end.
        let enough = self.whole.is_none() && self.late > FULL;
        self.is_over() && (!more || enough) && self.control.queued() < FULL
    }

    fn is_over(&self) -> bool {
        let others_write = self.whole.is_some() && self.lives().is_none();
        self.exit.is_some() && !self.outputs.is_empty() && !others_write
    }

    fn wait(&mut self) -> Result<Vec<(Source, PollFlags)>, ControlError> {
        let mut sources = Vec::with_capacity(5);
        let mut poll = Vec::with_capacity(5);
        let mut watch = |source, fd, events| {
            sources.push(source);
            poll.push(PollFd::from_borrowed_fd(fd, events));
        };
        let mut control = PollFlags::empty();
        control.set(PollFlags::IN, self.stdin.queued() < INPUT_WINDOW + MAX_CHUNK);
        control.set(PollFlags::OUT, self.control.queued() > 0);
        watch(Source::Control, self.control.as_fd(), control);
        if self.exit.is_none() {
            watch(Source::Channel, self.channel.as_fd(), PollFlags::IN);
        }
        if let Some(fd) = self.stdin.writable() {
            watch(Source::Stdin, fd, PollFlags::OUT);
        }
        if self.control.queued() < FULL {
            for (index, (_, fd)) in self.outputs.iter().enumerate() {
                watch(Source::Output(index), fd.as_fd(), PollFlags::IN);
            }
        }
        let pauses = self.pauses();
        for (index, tell) in self.tells().iter().enumerate() {
            // While there is no room, nothing would be done about it.
            if self.control.queued() < FULL && pauses.get(index) == Some(&None) {
                watch(Source::Told(index), tell.as_fd(), PollFlags::IN);
            }
        }
        let over = self.is_over() && self.control.queued() < FULL;
        let pause = pauses.into_iter().flatten().chain(over.then_some(Duration::ZERO)).min();
        let pause = pause.and_then(|pause| Timespec::try_from(pause).ok());
        match rustix::event::poll(&mut poll, pause.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(ControlError::Channel(error)),
        }
        let ready = sources.into_iter().zip(poll.iter().map(PollFd::revents));
        Ok(ready.filter(|(_, events)| !events.is_empty()).collect())
    }

    fn tells(&self) -> &[Arc<dyn Tell>] {
        self.whole.as_ref().map_or(&[], |whole| &whole.tells)
    }

    /// When each of those who tell may; `None` where there is nothing to tell, or no room for it.
    fn pauses(&self) -> Vec<Option<Duration>> {
        let now = Instant::now();
        self.tells().iter().map(|tell| tell.due(now).filter(|_| self.control.queued() < FULL)).collect()
    }

    fn tell_what_is_due(&mut self) -> Result<(), ControlError> {
        for (index, pause) in self.pauses().into_iter().enumerate() {
            if pause == Some(Duration::ZERO) {
                self.tell(index)?;
            }
        }
        Ok(())
    }

    /// At the end nothing that was done stays untold.
    fn tell_all(&mut self, after: After) -> Result<(), ControlError> {
        for index in 0..self.tells().len() {
            self.tells().get(index).into_iter().for_each(|tell| tell.settle(after));
            while self.tell(index)? {}
        }
        Ok(())
    }

    /// Tells of room for input, when it is worth a message.
    fn tell_of_room(&mut self) -> Result<(), ControlError> {
        let room = self.untold.saturating_sub(self.stdin.queued());
        if room < INPUT_WINDOW / 4 {
            return Ok(());
        }
        self.untold -= room;
        self.control.send(&FromGuest::Taken { bytes: u32::try_from(room).unwrap_or(u32::MAX) })
    }

    /// Lets one tell; whether there was anything to tell.
    fn tell(&mut self, index: usize) -> Result<bool, ControlError> {
        let told = self.tells().get(index).and_then(|tell| tell.take(Instant::now()));
        let Some(message) = told else { return Ok(false) };
        self.control.send(&message)?;
        Ok(true)
    }

    fn on_control(&mut self, events: PollFlags) -> Result<(), SessionError> {
        if events.contains(PollFlags::OUT) {
            self.control.drain()?;
        }
        if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.control.fill()?;
            self.take_messages()?;
        }
        Ok(())
    }

    /// Acts on what was read.
    fn take_messages(&mut self) -> Result<(), SessionError> {
        while let Some(message) = self.control.next(frame::SMALL)? {
            match message {
                ToGuest::Again => self.begin_again()?,
                other => self.on_message(other),
            }
        }
        Ok(())
    }

    fn on_message(&mut self, message: ToGuest) {
        match message {
            ToGuest::Input(bytes) => {
                self.untold = self.untold.saturating_add(bytes.len());
                self.stdin.push(&bytes);
            }
            ToGuest::EndOfInput => {
                self.input_ended = true;
                self.stdin.end();
            }
            ToGuest::Finish if self.word == Word::Awaited => self.word = Word::Finish,
            // A warden that is gone has told, or is about to tell by its silence, how the agent ended.
            ToGuest::Signal(number) => drop(self.channel.send(&Order::Signal(number))),
            ToGuest::Resize(size) => {
                if let Some(lives) = self.whole.as_mut().and_then(|whole| whole.lives.as_mut()) {
                    lives.resize(size);
                } else if let Stdin::Open { fd, terminal: true, .. } = &self.stdin {
                    let _ = rustix::termios::tcsetwinsize(fd, warden::winsize(size));
                }
            }
            ToGuest::Open { session } => self.whole.iter().for_each(|whole| whole.further.open(session)),
            // The manager sends one setup, and one task to a session; a second one changes nothing.
            ToGuest::Setup(_)
            | ToGuest::Execute(_)
            | ToGuest::Copy(_)
            | ToGuest::Again
            | ToGuest::Finish
            | ToGuest::Recorded { .. } => {}
        }
    }

    fn on_report(&mut self) -> Result<(), ControlError> {
        let told = match self.channel.receive() {
            // The end of the process that could not become its program follows.
            Ok((Report::NotFound, _)) => {
                self.unexecuted = Some(Exit::NotFound);
                return Ok(());
            }
            Ok((Report::NotExecutable, _)) => {
                self.unexecuted = Some(Exit::NotExecutable);
                return Ok(());
            }
            Ok((Report::Executed, _)) if self.unexecuted.is_none() => {
                let at_ns = clock::since_kernel_start();
                return self.control.send(&FromGuest::Started { pid: self.pid, at_ns });
            }
            Ok((Report::Returned(code), _)) => Exit::Code(code),
            Ok((Report::Killed(signal), _)) => self.killed(signal),
            Ok(_) => return Ok(()),
            // The warden itself died, which only the kernel can have done.
            Err(ChannelError::Closed | ChannelError::Socket(_)) => self.killed(libc::SIGKILL),
            Err(_malformed) => return Ok(()),
        };
        self.exit = Some(self.unexecuted.unwrap_or(told));
        Ok(())
    }

    /// A kill that it did not get from the manager or itself may have been the kernel's.
    fn killed(&self, signal: i32) -> Exit {
        if signal == libc::SIGKILL && cgroup::killed() > self.killed_before {
            Exit::OutOfMemory
        } else {
            Exit::Signal(signal)
        }
    }

    fn on_output(&mut self, index: usize) -> Result<(), ControlError> {
        let Some((stream, fd)) = self.outputs.get_mut(index) else { return Ok(()) };
        let mut chunk = vec![0; MAX_CHUNK];
        match rustix::io::read(&*fd, &mut chunk) {
            Ok(length) if length > 0 => {
                chunk.truncate(length);
                self.late += if self.exit.is_some() { length } else { 0 };
                self.control.send(&FromGuest::Output { stream: *stream, bytes: chunk })
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            // The end of a pipe; a terminal whose last process is gone says EIO instead.
            Ok(_) | Err(_) => {
                self.outputs.remove(index);
                Ok(())
            }
        }
    }
}

impl Stdin {
    fn new(fd: OwnedFd, terminal: bool) -> Self {
        Self::Open { fd, terminal, queue: VecDeque::new(), ending: false }
    }

    fn queued(&self) -> usize {
        match self {
            Self::Open { queue, .. } => queue.len(),
            Self::Closed => 0,
        }
    }

    /// The descriptor, if there is something to write to it.
    fn writable(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Open { fd, queue, .. } if !queue.is_empty() => Some(fd.as_fd()),
            Self::Open { .. } | Self::Closed => None,
        }
    }

    /// Takes more input. An agent that closed its standard input does not want any.
    fn push(&mut self, bytes: &[u8]) {
        if let Self::Open { queue, ending: false, .. } = self {
            queue.extend(bytes);
            self.write();
        }
    }

    fn end(&mut self) {
        if let Self::Open { terminal, queue, ending, .. } = self {
            // A terminal stays open; its reader is told the end as a human would tell it.
            if *terminal {
                queue.push_back(END_OF_TRANSMISSION);
            } else {
                *ending = true;
            }
            self.write();
        }
    }

    /// Writes what fits now.
    fn write(&mut self) {
        let Self::Open { fd, queue, ending, .. } = self else { return };
        while !queue.is_empty() {
            match rustix::io::write(&*fd, queue.as_slices().0) {
                Ok(length) => drop(queue.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_closed) => return *self = Self::Closed,
            }
        }
        if *ending {
            *self = Self::Closed;
        }
    }
}

#[cfg(test)]
mod tests;
