//! What waits for the guest: the manager's own messages, and input for the agent, each in a queue of its own.
//!
//! Messages go first, and input only as far as the guest has room for it ([`Credit`]): an agent that reads nothing, or input
//! without an end, keeps no message back and takes no message's place. The order among messages, and that among input, holds.
//!
//! *Invariant:* only who puts input in ever waits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use wire::control::ToGuest;

use super::QueueError;
use crate::credit::Credit;

/// Messages that wait at most.
const MESSAGES: usize = 32;

/// Pieces of input that wait at most.
const INPUT: usize = 32;

/// What becomes of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    /// It goes to the guest.
    Open,
    /// It waits here for a reader.
    Held,
    /// It is dropped: what is typed to nobody.
    Dropped,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Queued,
    Dropped,
}

#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    messages: VecDeque<ToGuest>,
    input: VecDeque<ToGuest>,
    intake: Intake,
    /// Input that the guest has room for.
    credit: Credit,
    closed: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        let state = State {
            messages: VecDeque::new(),
            input: VecDeque::new(),
            intake: Intake::Open,
            credit: Credit::full(),
            closed: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Queues a message of the manager's own.
    ///
    /// # Errors
    /// There is no room, or no guest.
    pub(super) fn send(&self, message: ToGuest) -> Result<(), QueueError> {
        let mut state = self.state();
        if state.closed || state.messages.len() >= MESSAGES {
            return Err(QueueError::Stuck);
        }
        state.messages.push_back(message);
        self.changed.notify_all();
        Ok(())
    }

    /// Queues input or its end, and waits for room as long as it takes.
    ///
    /// # Errors
    /// There is no guest.
    pub(super) fn put(&self, input: ToGuest) -> Result<Fate, QueueError> {
        let full = |state: &mut State| !state.closed && state.input.len() >= INPUT;
        let waited = self.changed.wait_while(self.state(), full);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(QueueError::Stuck);
        }
        // The end is no input: it holds for whoever reads next.
        if state.intake == Intake::Dropped && input != ToGuest::EndOfInput {
            return Ok(Fate::Dropped);
        }
        state.input.push_back(input);
        self.changed.notify_all();
        Ok(Fate::Queued)
    }

    /// What the guest is to be sent next; waits for it. `None`: nothing will be.
    pub(super) fn next(&self) -> Option<ToGuest> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.take() {
                self.changed.notify_all();
                return Some(next);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What becomes of input from here on.
    pub(super) fn turn(&self, intake: Intake) {
        let mut state = self.state();
        state.intake = intake;
        if intake == Intake::Dropped {
            state.input.retain(|input| *input == ToGuest::EndOfInput);
        }
        self.changed.notify_all();
    }

    /// The guest has room for so many bytes more.
    pub(super) fn taken(&self, bytes: u32) {
        self.state().credit.give(bytes);
        self.changed.notify_all();
    }

    /// There is no guest any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Option<ToGuest> {
        if let Some(message) = self.messages.pop_front() {
            return Some(message);
        }
        if self.intake != Intake::Open {
            return None;
        }
        let length = match self.input.front()? {
            ToGuest::Input(bytes) => bytes.len(),
            _end => 0,
        };
        if self.credit.spend(length) { self.input.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use wire::control::{INPUT_WINDOW, MAX_CHUNK};

    use super::*;

    fn input() -> ToGuest {
        ToGuest::Input(vec![b'y'; MAX_CHUNK])
    }

    /// As much input as there is room for, and one more that waits.
    fn full() -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new());
        (0..INPUT).for_each(|_| assert_eq!(outbox.put(input()), Ok(Fate::Queued)));
        let (begun, waits) = sync_channel(0);
        let endless = Arc::clone(&outbox);
        std::thread::spawn(move || {
            begun.send(()).unwrap();
            while endless.put(input()).is_ok() {}
        });
        waits.recv().unwrap();
        outbox
    }

    #[test]
    fn input_without_an_end_neither_refuses_a_message_nor_keeps_it_back() {
        let outbox = full();
        for message in [ToGuest::Signal(2), ToGuest::Finish] {
            assert_eq!(outbox.send(message.clone()), Ok(()));
            assert_eq!(outbox.next(), Some(message));
        }
        assert_eq!(outbox.next(), Some(input()));
        outbox.close();
    }

    #[test]
    fn a_guest_that_takes_no_messages_is_found_out() {
        let outbox = Outbox::new();
        (0..MESSAGES).for_each(|_| outbox.send(ToGuest::Again).unwrap());
        assert_eq!(outbox.send(ToGuest::Again), Err(QueueError::Stuck));
        outbox.close();
        assert_eq!((outbox.next(), outbox.put(input())), (None, Err(QueueError::Stuck)));
    }

    #[test]
    fn input_goes_as_far_as_the_guest_has_room() {
        let outbox = full();
        let fits = INPUT_WINDOW / MAX_CHUNK;
        (0..fits).for_each(|_| assert_eq!(outbox.next(), Some(input())));
        // The agent reads nothing: what follows is for guest-init.
        outbox.send(ToGuest::Open { session: 1 }).unwrap();
        assert_eq!(outbox.next(), Some(ToGuest::Open { session: 1 }));
        assert_eq!(outbox.state().take(), None, "there is no room for input");
        outbox.taken(u32::MAX);
        (0..fits).for_each(|_| assert_eq!(outbox.next(), Some(input())));
        assert_eq!(outbox.state().take(), None, "a guest that lies gets more than one that does not");
        outbox.close();
    }

    #[test]
    fn between_two_lives_what_is_piped_waits_and_what_is_typed_is_dropped() {
        let outbox = Outbox::new();
        outbox.put(input()).unwrap();
        outbox.turn(Intake::Held);
        assert_eq!(outbox.state().take(), None);
        outbox.turn(Intake::Open);
        assert_eq!(outbox.next(), Some(input()));

        outbox.put(input()).unwrap();
        outbox.turn(Intake::Dropped);
        assert_eq!(outbox.put(input()), Ok(Fate::Dropped));
        assert_eq!(outbox.put(ToGuest::EndOfInput), Ok(Fate::Queued));
        outbox.turn(Intake::Open);
        assert_eq!(outbox.next(), Some(ToGuest::EndOfInput));
    }
}
