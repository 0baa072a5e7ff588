//! What was typed and has not gone out, between who reads it and who waits for room for it. It is bounded: where keys are looked for,
//! what finds no room for a while is lost, so that the reading goes on and the keys are found.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wire::control::MAX_CHUNK;

/// Bytes that wait at most.
const MOST: usize = 4 * MAX_CHUNK;

/// How long a paste is held back by a command that reads slowly, before it is taken for one that does not read.
const SOON: Duration = Duration::from_secs(1);

/// How long what was typed before the keys may take to go out.
const FLUSH: Duration = Duration::from_millis(500);

/// What became of what was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Taken,
    /// There was no room.
    Lost,
    /// There is no line any more.
    Closed,
}

#[derive(Debug, Default)]
pub(super) struct Typing {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// Whether some that were taken wait to go out.
    going: bool,
    /// Whether there was no room the last time.
    stuck: bool,
    ended: bool,
    closed: bool,
}

impl std::fmt::Debug for State {
    /// Without what was typed, which may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State {{ <{} bytes> }}", self.bytes.len())
    }
}

impl Typing {
    /// Waits for room.
    pub(super) fn put(&self, bytes: &[u8]) -> Put {
        let full = |state: &mut State| state.is_full_for(bytes);
        let waited = self.changed.wait_while(self.state(), full);
        self.take(waited.unwrap_or_else(PoisonError::into_inner), bytes)
    }

    /// Waits for room for a moment, and not again before there is some.
    pub(super) fn put_soon(&self, bytes: &[u8]) -> Put {
        let state = self.state();
        let patience = if state.stuck { Duration::ZERO } else { SOON };
        let waited = self.changed.wait_timeout_while(state, patience, |state| state.is_full_for(bytes));
        let (mut state, _late) = waited.unwrap_or_else(PoisonError::into_inner);
        state.stuck = state.is_full_for(bytes);
        if state.stuck { Put::Lost } else { self.take(state, bytes) }
    }

    /// Nothing more will be put.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Nothing more can go out.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// What is to go out next, when what was taken before has; waits for it. `None`: the end.
    pub(super) fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.state();
        state.going = false;
        self.changed.notify_all();
        let none = |state: &mut State| state.bytes.is_empty() && !state.ended;
        let mut state = self.changed.wait_while(state, none).unwrap_or_else(PoisonError::into_inner);
        let length = state.bytes.len().min(MAX_CHUNK);
        state.going = length > 0;
        let next: Vec<u8> = state.bytes.drain(..length).collect();
        self.changed.notify_all();
        (!next.is_empty()).then_some(next)
    }

    /// Waits until all has gone out, for a moment.
    pub(super) fn flush(&self) {
        let waits = |state: &mut State| !state.closed && (state.going || !state.bytes.is_empty());
        drop(self.changed.wait_timeout_while(self.state(), FLUSH, waits));
    }

    fn take(&self, mut state: MutexGuard<'_, State>, bytes: &[u8]) -> Put {
        if state.closed {
            return Put::Closed;
        }
        state.bytes.extend(bytes);
        self.changed.notify_all();
        Put::Taken
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full_for(&self, bytes: &[u8]) -> bool {
        !self.closed && self.bytes.len() + bytes.len() > MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_lost_and_the_reading_goes_on() {
        let typing = Typing::default();
        let piece = vec![b'k'; MAX_CHUNK];
        for _piece in 0..MOST / MAX_CHUNK {
            assert_eq!(typing.put_soon(&piece), Put::Taken);
        }
        assert_eq!(typing.put_soon(b"x"), Put::Lost);
        assert_eq!(typing.put_soon(b""), Put::Taken, "keys alone need no room");
        assert_eq!(typing.next().map(|next| next.len()), Some(MAX_CHUNK));
        assert_eq!(typing.put_soon(b"y"), Put::Taken);
        typing.end();
        let rest: Vec<u8> = std::iter::from_fn(|| typing.next()).flatten().collect();
        assert_eq!((rest.len(), rest.last()), (MOST - MAX_CHUNK + 1, Some(&b'y')));
    }

    /// Of a file nothing is lost: it waits.
    #[test]
    fn without_keys_it_waits_for_room() {
        let typing = Typing::default();
        let written: Vec<u8> = (0..3 * MOST).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                written.chunks(MAX_CHUNK).for_each(|chunk| assert_eq!(typing.put(chunk), Put::Taken));
                typing.end();
            });
            let read: Vec<u8> = std::iter::from_fn(|| typing.next()).flatten().collect();
            assert!(read == written);
        });
        typing.close();
        assert_eq!(typing.put(&vec![0; MOST + 1]), Put::Closed, "nobody waits for a line that is gone");
    }
}
