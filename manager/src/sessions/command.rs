//! A command's streams: what it writes goes into a ring, from which everybody who is on it reads at his own pace; what they type
//! goes to it in the order in which it came.
//!
//! ```text
//! held by who started it ── being detached ──► on its own ──► ended ──► on the record
//!   his hanging up is its own                    leaving is leaving; who comes later hears how it ended
//! ```
//! *Invariants:* nobody but who started a command and still holds it ever makes it wait, as the reader of a pipe does, and he not once
//! it was asked to end. Of anybody else who is too slow the ring runs ahead, and he is told how much he missed. Nobody hears of a
//! command's end before the record has it.

mod ending;
mod hold;

use std::collections::{BTreeMap, VecDeque};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wire::control::{Exit, FromGuest, INPUT_WINDOW, MAX_CHUNK, Stream, ToGuest};
use wire::frame;
use wire::operator::{FromCommand, SessionState};

use self::ending::Ending;
pub(super) use self::hold::{Hold, Letting};
use super::ring::Ring;
use crate::credit::Credit;
use crate::failure::{ExitStatus, presentable};
use crate::operator::Reply;

/// Signals and sizes that wait for the guest at most; one that finds no room is lost, like one to a process that does not answer.
const MESSAGES: usize = 32;

/// Pieces of input of one person that wait at most: whoever types between others cannot put his into fewer.
const PIECES: usize = 1024;

/// How the record tells that it was hung up on.
const LEFT: &str = "its caller left";

/// One command, for all its threads.
#[derive(Debug)]
pub(super) struct Command {
    /// Its number; who started it is on it under the same.
    session: u32,
    /// Whether it has a terminal.
    pub(super) terminal: bool,
    state: Mutex<State>,
    changed: Condvar,
    /// It was asked to end, or has ended.
    ending: Condvar,
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
    /// Whether its input was ended.
    input_ended: bool,
    credit: Credit,
    ending: Ending,
    /// Who waits for its end.
    waiting: Vec<Reply>,
    end: Option<End>,
    /// Whether its end is on the record.
    settled: bool,
    /// The guest's stream, while there is one; whoever hangs up shuts it down.
    guest: Option<UnixStream>,
}

/// Where somebody who is on it stands.
#[derive(Debug)]
struct Place {
    /// What he reads next.
    at: u64,
    /// Bytes of his that wait here.
    waiting: usize,
    /// In so many pieces.
    pieces: usize,
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
    /// The guest is gone with it.
    Lost,
}

impl Command {
    /// With who started it on it, if he holds it.
    pub(super) fn new(session: u32, terminal: bool, hold: Hold) -> Self {
        let starter = (hold == Hold::Starter).then_some((session, Place::at(0)));
        let state = State {
            ring: Ring::default(),
            on_it: starter.into_iter().collect(),
            hold,
            started: false,
            messages: VecDeque::new(),
            input: VecDeque::new(),
            input_ended: false,
            credit: Credit::full(),
            ending: Ending::Unasked,
            waiting: Vec::new(),
            end: None,
            settled: false,
            guest: None,
        };
        let (changed, ending) = (Condvar::new(), Condvar::new());
        Self { session, terminal, state: Mutex::new(state), changed, ending }
    }

    /// Serves the guest's stream to the command's end.
    pub(super) fn serve(&self, guest: &UnixStream) -> End {
        let closer = guest
            .set_read_timeout(None)
            .and_then(|()| guest.set_write_timeout(None))
            .and_then(|()| guest.try_clone());
        match closer {
            Ok(closer) => {
                self.state().guest = Some(closer);
                self.pass(guest)
            }
            Err(error) => self.ends(End::Cut(error.to_string())),
        }
    }

    /// It is over; how, if it was not before.
    pub(super) fn ends(&self, end: End) -> End {
        let mut state = self.state();
        let end = state.ends(end);
        self.changed.notify_all();
        self.ending.notify_all();
        end
    }

    /// Puts somebody on it, who first reads what is kept.
    pub(super) fn join(&self, who: u32) {
        let mut state = self.state();
        let at = state.ring.start();
        state.on_it.insert(who, Place::at(at));
    }

    /// He has left. If he holds the command, it is hung up on.
    pub(super) fn leave(&self, who: u32) {
        let mut state = self.state();
        let was_on_it = state.on_it.remove(&who).is_some();
        let waiting = state.input.iter().map(|(_, input)| length(input)).sum();
        if !state.credit.covers(waiting) || state.input.len() > PIECES {
            // Whoever comes and goes leaves nothing behind that is not about to be read.
            state.input.retain(|(whose, _)| *whose != who);
        }
        if was_on_it && who == self.session && state.hold == Hold::Starter {
            state.ends(End::Cut(LEFT.to_owned()));
            self.ending.notify_all();
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
            ToGuest::EndOfInput if who == self.session && state.hold != Hold::Nobody => {
                if !std::mem::replace(&mut state.input_ended, true) {
                    state.input.push_back((who, ToGuest::EndOfInput));
                }
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
            if let Some(end) = state.end.clone().filter(|_end| state.settled) {
                state.on_it.remove(&who);
                return end.told();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until it has started, or has not; one that takes too long does not. `None`: nobody knows.
    pub(super) fn started(&self, patience: Duration) -> Option<FromCommand> {
        let wait = |state: &mut State| !state.started && state.end.is_none();
        let waited = self.changed.wait_timeout_while(self.state(), patience, wait);
        let (mut state, _late) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.started {
            return Some(FromCommand::Started);
        }
        state.ends(End::Failed("the guest did not start it in time".to_owned()));
        self.changed.notify_all();
        self.ending.notify_all();
        let waited = self.changed.wait_while(state, |state| !state.settled);
        waited.unwrap_or_else(PoisonError::into_inner).end.clone()?.told()
    }

    /// How it stands, and how many are on it.
    pub(super) fn standing(&self) -> (SessionState, usize) {
        let state = self.state();
        let stands = match (&state.end, state.hold) {
            (Some(End::Exited(exit)), _) => {
                let status = ExitStatus::of(*exit).unwrap_or_else(|failure| failure.status);
                SessionState::Ended(Some(status.code()))
            }
            (Some(End::Failed(_) | End::Cut(_) | End::Lost), _) => SessionState::Ended(None),
            (None, Hold::Nobody) => SessionState::Detached,
            (None, Hold::Starter | Hold::Detaching) => SessionState::Held,
        };
        (stands, state.on_it.len())
    }

    /// How it has ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        self.state().end.clone()
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
            let begin = |work: fn(&Self, &UnixStream)| {
                std::thread::Builder::new().spawn_scoped(scope, move || work(self, guest))
            };
            let end = match begin(Self::inwards).and_then(|_writing| begin(|command, _| command.watch_end()))
            {
                Ok(_watching) => self.outwards(guest),
                Err(error) => End::Cut(format!("no thread is left: {error}")),
            };
            let end = self.ends(end);
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
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn outwards(&self, mut guest: &UnixStream) -> End {
        loop {
            if let Some(end) = self.state().end.clone() {
                return end;
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
                Err(_gone) => return End::Lost,
            }
        }
    }

    /// Keeps what it wrote, as soon as that takes nothing from who holds it.
    fn keep(&self, stream: Stream, bytes: &[u8]) {
        let session = self.session;
        let too_early = |state: &mut State| {
            let waits = state.hold != Hold::Nobody && state.ending == Ending::Unasked && state.end.is_none();
            let held = state.on_it.get(&session).filter(|_starter| waits);
            held.is_some_and(|starter| state.ring.start_after(stream, bytes.len()) > starter.at)
        };
        let waited = self.changed.wait_while(self.state(), too_early);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.end.is_none() {
            state.ring.push(stream, bytes);
        }
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

impl Place {
    fn at(at: u64) -> Self {
        Self { at, waiting: 0, pieces: 0, untold: 0 }
    }
}

impl State {
    /// It is over, if it was not before, and the guest with it; how.
    fn ends(&mut self, end: End) -> End {
        let end = self.end.get_or_insert(end).clone();
        let _gone = self.guest.take().map(|guest| guest.shutdown(Shutdown::Both));
        self.input.clear();
        self.messages.clear();
        end
    }

    /// Queues input; false if it is more than who sends it was given room for.
    fn input(&mut self, who: u32, mut bytes: Vec<u8>) -> bool {
        let Some(place) = self.on_it.get_mut(&who) else { return false };
        if bytes.is_empty() {
            return true;
        }
        place.waiting += bytes.len();
        if place.waiting > INPUT_WINDOW || bytes.len() > MAX_CHUNK {
            return false;
        }
        match self.input.back_mut() {
            // Keys that are typed one by one take no more room than others.
            Some((same, ToGuest::Input(last))) if *same == who && last.len() + bytes.len() <= MAX_CHUNK => {
                last.append(&mut bytes);
            }
            _ if place.pieces >= PIECES => return false,
            _ => {
                place.pieces += 1;
                self.input.push_back((who, ToGuest::Input(bytes)));
            }
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
        let length = length(&self.input.front()?.1);
        if !self.credit.spend(length) {
            return None;
        }
        let (who, next) = self.input.pop_front()?;
        if let (ToGuest::Input(_), Some(place)) = (&next, self.on_it.get_mut(&who)) {
            place.waiting -= length;
            place.pieces -= 1;
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
            Self::Cut(_) | Self::Lost => None,
        }
    }

    /// How the record tells it.
    pub(super) fn recorded(self) -> Result<Exit, String> {
        match self {
            Self::Exited(exit) => Ok(exit),
            Self::Failed(cause) | Self::Cut(cause) => Err(cause),
            Self::Lost => Err("it was cut off".to_owned()),
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
