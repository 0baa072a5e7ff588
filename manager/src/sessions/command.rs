//! A command's streams: what it writes goes into a ring, from which everybody who is on it reads at his own pace; what they type
//! goes to it in the order in which it came.
//!
//! ```text
//! held by who started it ── detached by him ──► on its own ──► ended
//!   his hanging up is its own                     leaving is leaving; who comes later hears how it ended
//! ```
//! *Invariant:* nobody but who started a command and still holds it ever makes it wait, as the reader of a pipe does. Of anybody
//! else who is too slow the ring runs ahead, and he is told how much he missed.

use std::collections::{BTreeMap, VecDeque};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wire::control::{Exit, FromGuest, INPUT_WINDOW, MAX_CHUNK, Stream, ToGuest};
use wire::frame;
use wire::operator::{Answer, FromCommand, SessionState};

use super::ring::Ring;
use crate::credit::Credit;
use crate::failure::{ExitStatus, Failure, presentable};
use crate::operator::Reply;

/// Signals and sizes that wait for the guest at most; one that finds no room is lost, like one to a process that does not answer.
const MESSAGES: usize = 32;

/// How long a command may take to end when it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// Callers who wait for its end at most.
const WAITING: usize = 8;

/// One command, for all its threads.
#[derive(Debug)]
pub(super) struct Command {
    /// Its number; who started it is on it under the same.
    session: u32,
    /// Whether it has a terminal.
    pub(super) terminal: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    on_it: BTreeMap<u32, Place>,
    hold: Hold,
    /// Whether it has become its program.
    started: bool,
    messages: VecDeque<ToGuest>,
    /// Input that the guest has no room for yet, and whose it is.
    input: VecDeque<(u32, ToGuest)>,
    credit: Credit,
    /// When it is killed.
    killed_at: Option<Instant>,
    waiting: Vec<Reply>,
    end: Option<End>,
    /// The guest's stream, while there is one; whoever hangs up shuts it down.
    guest: Option<UnixStream>,
}

/// What a command's life depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Who started it is on it.
    Starter,
    /// Nobody.
    Nobody,
    /// Who started it left without a word.
    HungUp,
}

/// Where somebody who is on it stands.
#[derive(Debug)]
struct Place {
    /// What he reads next.
    at: u64,
    /// Bytes of his that wait here.
    waiting: usize,
    /// Bytes of his that went to the guest, of which he has not been told.
    untold: usize,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Exited(Exit),
    /// It did not start, for this reason.
    Failed(String),
    /// For this reason nobody knows.
    Cut(String),
}

impl Command {
    /// With who started it on it, if he holds it.
    pub(super) fn new(session: u32, terminal: bool, hold: Hold) -> Self {
        let starter = (hold == Hold::Starter).then_some((session, Place { at: 0, waiting: 0, untold: 0 }));
        let state = State {
            ring: Ring::default(),
            on_it: starter.into_iter().collect(),
            hold,
            started: false,
            messages: VecDeque::new(),
            input: VecDeque::new(),
            credit: Credit::full(),
            killed_at: None,
            waiting: Vec::new(),
            end: None,
            guest: None,
        };
        Self { session, terminal, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Serves the guest's stream to the command's end.
    pub(super) fn serve(&self, guest: &UnixStream) -> End {
        let closer = guest
            .set_read_timeout(None)
            .and_then(|()| guest.set_write_timeout(None))
            .and_then(|()| guest.try_clone());
        let end = match closer {
            Ok(closer) => {
                self.state().guest = Some(closer);
                self.pass(guest)
            }
            Err(error) => End::Cut(error.to_string()),
        };
        self.ends(end.clone());
        end
    }

    /// It is over, and everybody who is on it is told when he has read the rest.
    pub(super) fn ends(&self, end: End) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        state.guest = None;
        state.input.clear();
        state.messages.clear();
        state.waiting.drain(..).for_each(|reply| reply.send(Answer::CommandStopped));
        self.changed.notify_all();
    }

    /// Puts somebody on it, who first reads what is kept.
    pub(super) fn join(&self, who: u32) {
        let mut state = self.state();
        let at = state.ring.start();
        state.on_it.insert(who, Place { at, waiting: 0, untold: 0 });
    }

    /// He has left. If he holds the command, it is hung up on.
    pub(super) fn leave(&self, who: u32) {
        let mut state = self.state();
        let was_on_it = state.on_it.remove(&who).is_some();
        if !state.credit.covers(state.input.iter().map(|(_, input)| length(input)).sum()) {
            // Whoever comes and goes leaves nothing behind that is not about to be read.
            state.input.retain(|(whose, _)| *whose != who);
        }
        if was_on_it && who == self.session && state.hold == Hold::Starter && state.end.is_none() {
            state.hold = Hold::HungUp;
            // One that comes later is closed at once.
            let _gone = state.guest.as_ref().map(|guest| guest.shutdown(Shutdown::Both));
        }
        self.changed.notify_all();
    }

    /// Passes on what somebody says who is on it; whether he may go on.
    pub(super) fn put(&self, who: u32, said: ToGuest) -> bool {
        let mut state = self.state();
        if state.end.is_some() {
            return true;
        }
        let fits = match said {
            ToGuest::Input(bytes) => state.input(who, bytes),
            // The end of the input is that of who brought it; others may follow.
            ToGuest::EndOfInput if who == self.session && state.hold == Hold::Starter => {
                state.input.push_back((who, ToGuest::EndOfInput));
                true
            }
            ToGuest::EndOfInput => true,
            message => {
                state.send(message);
                true
            }
        };
        self.changed.notify_all();
        fits
    }

    /// What somebody who is on it is to hear next; waits for it. `None`: nothing will be.
    pub(super) fn next(&self, who: u32) -> Option<FromCommand> {
        let mut state = self.state();
        loop {
            if let Some(next) = state.next(who)? {
                self.changed.notify_all();
                return Some(next);
            }
            if let Some(end) = state.end.clone() {
                state.on_it.remove(&who);
                return end.told();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until it has started, or has not. `None`: nobody knows.
    pub(super) fn started(&self) -> Option<FromCommand> {
        let wait = |state: &mut State| !state.started && state.end.is_none();
        let state = self.changed.wait_while(self.state(), wait).unwrap_or_else(PoisonError::into_inner);
        if state.started { Some(FromCommand::Started) } else { state.end.clone()?.told() }
    }

    /// From here on it goes on, whoever leaves it.
    pub(super) fn detach(&self) {
        let mut state = self.state();
        if state.hold == Hold::Starter {
            state.hold = Hold::Nobody;
        }
        self.changed.notify_all();
    }

    /// Asks it to end: a terminal by what its closing says, as a shell in it takes nothing else for an end. A second time it is killed at
    /// once, else after a while.
    pub(super) fn stop(&self, reply: Reply) {
        let mut state = self.state();
        if state.end.is_some() {
            return reply.send(Answer::CommandStopped);
        }
        if state.waiting.len() >= WAITING {
            let failure =
                Failure::new("enough people wait for its end", "openshell vm sessions says whether it runs");
            return reply.send(Answer::from(failure));
        }
        state.waiting.push(reply);
        if state.killed_at.is_some() {
            state.killed_at = Some(Instant::now());
        } else {
            let signal = if self.terminal { Signal::HUP } else { Signal::TERM };
            state.send(ToGuest::Signal(signal.as_raw()));
            state.killed_at = Some(Instant::now() + GRACE);
        }
        self.changed.notify_all();
    }

    /// How it stands, and how many are on it.
    pub(super) fn standing(&self) -> (SessionState, usize) {
        let state = self.state();
        let stands = match (&state.end, state.hold) {
            (Some(End::Exited(exit)), _) => {
                let status = ExitStatus::of(*exit).unwrap_or_else(|failure| failure.status);
                SessionState::Ended(Some(status.code()))
            }
            (Some(End::Failed(_) | End::Cut(_)), _) => SessionState::Ended(None),
            (None, Hold::Nobody) => SessionState::Detached,
            (None, Hold::Starter | Hold::HungUp) => SessionState::Held,
        };
        (stands, state.on_it.len())
    }

    /// Whether somebody is on it under this number.
    pub(super) fn has(&self, who: u32) -> bool {
        self.state().on_it.contains_key(&who)
    }

    /// Whether somebody may come later who wants to know how it ended.
    pub(super) fn is_kept(&self) -> bool {
        let state = self.state();
        state.hold == Hold::Nobody && state.started
    }

    fn pass(&self, guest: &UnixStream) -> End {
        std::thread::scope(|scope| {
            let inwards = std::thread::Builder::new().spawn_scoped(scope, || self.inwards(guest));
            let end = match inwards {
                Ok(_writing) => self.outwards(guest),
                Err(error) => End::Cut(format!("no thread is left: {error}")),
            };
            self.ends(end.clone());
            let _closed = guest.shutdown(Shutdown::Both);
            end
        })
    }

    fn inwards(&self, mut guest: &UnixStream) {
        while let Some(message) = self.next_inwards() {
            if frame::write(&mut guest, &message).is_err() {
                return;
            }
        }
    }

    /// What the guest is to be told next; waits for it. `None`: nothing will be.
    fn next_inwards(&self) -> Option<ToGuest> {
        let mut state = self.state();
        loop {
            if state.end.is_some() {
                return None;
            }
            if let Some(next) = state.next_inwards() {
                self.changed.notify_all();
                return Some(next);
            }
            state = match state.killed_at {
                Some(due) => {
                    let left = due.saturating_duration_since(Instant::now());
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn outwards(&self, mut guest: &UnixStream) -> End {
        loop {
            if self.state().hold == Hold::HungUp {
                return End::Cut("its caller left".to_owned());
            }
            match frame::read(&mut guest, frame::SMALL) {
                Ok(FromGuest::Output { stream, bytes }) => self.keep(stream, &bytes),
                Ok(FromGuest::Taken { bytes }) => {
                    self.state().credit.give(bytes);
                    self.changed.notify_all();
                }
                Ok(FromGuest::Started { .. }) if self.starts() => {}
                Ok(FromGuest::Exited(exit)) => {
                    // One that ended at once may not have been seen starting.
                    if !matches!(exit, Exit::NotFound | Exit::NotExecutable) {
                        self.starts();
                    }
                    return End::Exited(exit);
                }
                Ok(FromGuest::Failed { cause, .. }) => return End::Failed(presentable(&cause)),
                Ok(_) => return End::Cut("the guest spoke out of turn".to_owned()),
                Err(_) if self.state().hold == Hold::HungUp => {}
                Err(_gone) => return End::Cut("it was cut off".to_owned()),
            }
        }
    }

    /// Keeps what it wrote, as soon as that takes nothing from who holds it.
    fn keep(&self, stream: Stream, bytes: &[u8]) {
        let session = self.session;
        let too_early = |state: &mut State| {
            let held = state.on_it.get(&session).filter(|_starter| state.hold == Hold::Starter);
            held.is_some_and(|starter| state.ring.start_after(stream, bytes.len()) > starter.at)
        };
        let waited = self.changed.wait_while(self.state(), too_early);
        waited.unwrap_or_else(PoisonError::into_inner).ring.push(stream, bytes);
        self.changed.notify_all();
    }

    /// Notes that it has started; whether that is news.
    fn starts(&self) -> bool {
        let news = !std::mem::replace(&mut self.state().started, true);
        self.changed.notify_all();
        news
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Queues input; false if it is more than who sends it was given room for.
    fn input(&mut self, who: u32, mut bytes: Vec<u8>) -> bool {
        let Some(place) = self.on_it.get_mut(&who) else { return false };
        place.waiting += bytes.len();
        if place.waiting > INPUT_WINDOW || bytes.len() > MAX_CHUNK {
            return false;
        }
        match self.input.back_mut() {
            // Keys that are typed one by one take no more room than others.
            Some((same, ToGuest::Input(last))) if *same == who && last.len() + bytes.len() <= MAX_CHUNK => {
                last.append(&mut bytes);
            }
            _ => self.input.push_back((who, ToGuest::Input(bytes))),
        }
        true
    }

    fn send(&mut self, message: ToGuest) {
        if self.messages.len() < MESSAGES {
            self.messages.push_back(message);
        }
    }

    /// `None`: he is not on it. `Some(None)`: nothing, for now.
    fn next(&mut self, who: u32) -> Option<Option<FromCommand>> {
        let place = self.on_it.get_mut(&who)?;
        if place.untold >= INPUT_WINDOW / 4 {
            let bytes = u32::try_from(std::mem::take(&mut place.untold)).unwrap_or(u32::MAX);
            return Some(Some(FromCommand::Taken { bytes }));
        }
        let missed = self.ring.start().saturating_sub(place.at);
        if missed > 0 {
            place.at += missed;
            return Some(Some(FromCommand::Skipped { bytes: missed }));
        }
        Some(self.ring.read(place.at).map(|(stream, bytes)| {
            place.at += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            FromCommand::Output { stream, bytes }
        }))
    }

    fn next_inwards(&mut self) -> Option<ToGuest> {
        if let Some(message) = self.messages.pop_front() {
            return Some(message);
        }
        if self.killed_at.is_some_and(|due| due <= Instant::now()) {
            self.killed_at = None;
            return Some(ToGuest::Signal(Signal::KILL.as_raw()));
        }
        let length = length(&self.input.front()?.1);
        if !self.credit.spend(length) {
            return None;
        }
        let (who, next) = self.input.pop_front()?;
        if let Some(place) = self.on_it.get_mut(&who) {
            place.waiting -= length;
            place.untold += length;
        }
        Some(next)
    }
}

impl End {
    /// How whoever is on it is told; one that was cut off has no last word.
    fn told(self) -> Option<FromCommand> {
        match self {
            Self::Exited(exit) => Some(FromCommand::Exited(exit)),
            Self::Failed(cause) => Some(FromCommand::Failed { cause }),
            Self::Cut(_) => None,
        }
    }

    /// How the record tells it.
    pub(super) fn recorded(self) -> Result<Exit, String> {
        match self {
            Self::Exited(exit) => Ok(exit),
            Self::Failed(cause) | Self::Cut(cause) => Err(cause),
        }
    }
}

/// What it takes of the room for input.
fn length(input: &ToGuest) -> usize {
    match input {
        ToGuest::Input(bytes) => bytes.len(),
        _end => 0,
    }
}

#[cfg(test)]
mod tests;
