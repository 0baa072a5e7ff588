//! Who is next. Of the sandboxes that wait, the one with the fewest calls at the server; of equals, the one whose turn was
//! longest ago. So no sandbox can keep the server from another one by asking often. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::id::SandboxId;

/// Calls at a server and in front of it. `W` is how somebody who waits is told.
#[derive(Debug)]
pub struct Queue<W> {
    slots: u32,
    /// Calls that may wait of one sandbox.
    most_waiting: usize,
    is_open: bool,
    active: BTreeMap<SandboxId, BTreeSet<u64>>,
    /// When each had its last turn, as a count of turns. It outlives the call: who asks again is no newcomer.
    last_turn: BTreeMap<SandboxId, u64>,
    turns: u64,
    waiting: BTreeMap<SandboxId, VecDeque<(u64, W)>>,
    next_ticket: u64,
}

/// A place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    sandbox: SandboxId,
    number: u64,
}

/// So many calls of the sandbox wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} calls of this sandbox wait already")]
pub struct Full(pub usize);

/// Sandboxes that may wait at one server, and of which is known when they had a turn.
const MOST_SANDBOXES: usize = 4096;

impl<W> Queue<W> {
    /// A closed queue in front of a server that takes `slots` calls at a time.
    #[must_use]
    pub fn new(slots: u32, most_waiting: u32) -> Self {
        Self {
            slots: slots.max(1),
            most_waiting: usize::try_from(most_waiting).unwrap_or(usize::MAX),
            is_open: false,
            active: BTreeMap::new(),
            last_turn: BTreeMap::new(),
            turns: 0,
            waiting: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    /// Waits.
    ///
    /// # Errors
    /// Too many calls of this sandbox wait.
    pub fn join(&mut self, sandbox: SandboxId, waiter: W) -> Result<Ticket, Full> {
        let is_new = !self.waiting.contains_key(&sandbox);
        if is_new && self.waiting.len() >= MOST_SANDBOXES {
            return Err(Full(0));
        }
        let waiting = self.waiting.entry(sandbox.clone()).or_default();
        if waiting.len() >= self.most_waiting {
            let count = waiting.len();
            if count == 0 {
                self.waiting.remove(&sandbox);
            }
            return Err(Full(count));
        }
        let number = self.next_ticket;
        self.next_ticket = self.next_ticket.wrapping_add(1);
        waiting.push_back((number, waiter));
        Ok(Ticket { sandbox, number })
    }

    /// Whose turn it is now, one after the other; `None`: nobody's. Each has a slot until [`Self::leave`].
    pub fn call(&mut self) -> Option<W> {
        if !self.is_open || self.active() >= self.slots {
            return None;
        }
        let rank = |sandbox: &SandboxId, first: Option<&(u64, W)>| {
            let calls = self.active.get(sandbox).map_or(0, BTreeSet::len);
            (calls, self.last_turn.get(sandbox).copied(), first.map(|(number, _)| *number))
        };
        let next = self.waiting.iter().min_by_key(|(sandbox, waiting)| rank(sandbox, waiting.front()));
        let sandbox = next.map(|(sandbox, _)| sandbox.clone())?;
        let (number, waiter) = self.take_first(&sandbox)?;
        self.active.entry(sandbox.clone()).or_default().insert(number);
        self.remember(sandbox);
        Some(waiter)
    }

    fn remember(&mut self, sandbox: SandboxId) {
        self.turns += 1;
        self.last_turn.insert(sandbox, self.turns);
        if self.last_turn.len() > MOST_SANDBOXES {
            let oldest = self.last_turn.iter().min_by_key(|(_, turn)| **turn);
            if let Some(oldest) = oldest.map(|(sandbox, _)| sandbox.clone()) {
                self.last_turn.remove(&oldest);
            }
        }
    }

    fn take_first(&mut self, sandbox: &SandboxId) -> Option<(u64, W)> {
        let waiting = self.waiting.get_mut(sandbox)?;
        let first = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(sandbox);
        }
        first
    }

    /// Somebody goes who has waited, or had a turn.
    pub fn leave(&mut self, ticket: &Ticket) {
        let Ticket { sandbox, number } = ticket;
        if let Some(waiting) = self.waiting.get_mut(sandbox) {
            waiting.retain(|(waits, _)| waits != number);
            if waiting.is_empty() {
                self.waiting.remove(sandbox);
            }
        }
        if let Some(calls) = self.active.get_mut(sandbox) {
            calls.remove(number);
            if calls.is_empty() {
                self.active.remove(sandbox);
            }
        }
    }

    /// From now on turns are given.
    pub fn open(&mut self) {
        self.is_open = true;
    }

    /// From now on none are given; who waits stays.
    pub fn close(&mut self) {
        self.is_open = false;
    }

    /// Everybody who waits, to be told that there is no turn.
    pub fn dismiss(&mut self) -> Vec<W> {
        let all = std::mem::take(&mut self.waiting);
        all.into_values().flatten().map(|(_, waiter)| waiter).collect()
    }

    /// Calls at the server.
    #[must_use]
    pub fn active(&self) -> u32 {
        u32::try_from(self.active.values().map(BTreeSet::len).sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// Calls that wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.values().map(VecDeque::len).sum::<usize>()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> SandboxId {
        SandboxId::try_from(format!("{name}-1")).unwrap()
    }

    fn queue(slots: u32) -> Queue<&'static str> {
        let mut queue = Queue::new(slots, 3);
        queue.open();
        queue
    }

    #[test]
    fn a_sandbox_that_asks_often_does_not_keep_others_waiting() {
        let mut queue = queue(1);
        let greedy: Vec<_> = ["a1", "a2", "a3"].map(|call| queue.join(id("a"), call).unwrap()).into();
        let modest = queue.join(id("b"), "b1").unwrap();
        assert_eq!((queue.call(), queue.call()), (Some("a1"), None));
        queue.leave(&greedy[0]);
        assert_eq!(queue.call(), Some("b1"));
        queue.leave(&modest);
        assert_eq!(queue.call(), Some("a2"));
        queue.leave(&greedy[1]);
        assert_eq!(queue.call(), Some("a3"));
    }

    #[test]
    fn who_comes_late_goes_before_who_had_a_turn_and_who_asks_again_is_no_newcomer() {
        let mut queue = queue(1);
        let [first, _second] = ["a1", "a2"].map(|call| queue.join(id("a"), call).unwrap());
        assert_eq!(queue.call(), Some("a1"));
        let newcomer = queue.join(id("b"), "b1").unwrap();
        queue.leave(&first);
        assert_eq!(queue.call(), Some("b1"));
        queue.leave(&newcomer);
        queue.join(id("b"), "b2").unwrap();
        assert_eq!(queue.call(), Some("a2"));
    }

    #[test]
    fn who_has_fewest_calls_at_the_server_is_next() {
        let mut queue = queue(3);
        let tickets = ["a1", "a2", "a3"].map(|call| queue.join(id("a"), call).unwrap());
        assert_eq!((queue.call(), queue.call()), (Some("a1"), Some("a2")));
        queue.join(id("b"), "b1").unwrap();
        assert_eq!((queue.call(), queue.call()), (Some("b1"), None));
        queue.leave(&tickets[0]);
        assert_eq!((queue.call(), queue.active()), (Some("a3"), 3));
    }

    #[test]
    fn who_leaves_while_waiting_is_not_called_and_frees_no_slot() {
        let mut queue = queue(1);
        let [first, second, third] = ["a1", "a2", "a3"].map(|call| queue.join(id("a"), call).unwrap());
        assert_eq!(queue.call(), Some("a1"));
        queue.leave(&second);
        assert_eq!((queue.call(), queue.waiting(), queue.active()), (None, 1, 1));
        queue.leave(&first);
        assert_eq!(queue.call(), Some("a3"));
        queue.leave(&third);
        assert_eq!((queue.active(), queue.waiting()), (0, 0));
    }

    #[test]
    fn it_is_bounded_for_each_sandbox() {
        let mut queue = queue(1);
        for call in ["1", "2", "3"] {
            queue.join(id("a"), call).unwrap();
        }
        assert_eq!(queue.join(id("a"), "4"), Err(Full(3)));
        assert!(queue.join(id("b"), "1").is_ok());
        assert_eq!(Queue::new(1, 0).join(id("a"), "1"), Err(Full(0)));
    }

    #[test]
    fn a_closed_queue_gives_no_turns_and_dismisses_all() {
        let mut queue = queue(2);
        let first = queue.join(id("a"), "a1").unwrap();
        assert_eq!(queue.call(), Some("a1"));
        let dismissed = queue.join(id("a"), "a2").unwrap();
        queue.join(id("b"), "b1").unwrap();
        queue.close();
        assert_eq!(queue.call(), None);
        assert_eq!(queue.dismiss(), ["a2", "b1"]);
        // Who was sent away does not take the other call's slot along.
        queue.leave(&dismissed);
        assert_eq!(queue.active(), 1);
        queue.leave(&first);
        assert_eq!((queue.active(), queue.waiting()), (0, 0));
    }
}
