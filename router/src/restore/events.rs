//! A stream of an answer's events: a placeholder may begin in one event and end in another.
//!
//! An event whose text ends with what may be the begin of a placeholder waits for the next piece of its text, or for the
//! event that ends the text; then it goes, with all that belongs to it. Events keep their order and their number, and none
//! is made up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::slots::{self, Ends, Reading, Slot, Step};
use super::{Thread, document};
use crate::json::Node;
use crate::redact::names::Names;
use crate::sse::{Event, Splitter, TooLarge};
use crate::wire_api::Endpoint;

/// Bytes of events that wait; beyond that, what waits goes as it is.
const MOST_WAITING: usize = 1 << 20;

/// Puts values back into a stream.
#[derive(Debug)]
pub struct Events {
    names: Arc<Names>,
    endpoint: Endpoint,
    splitter: Splitter,
    /// By group and thread.
    threads: BTreeMap<(String, String), Begun>,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    next: u64,
}

/// A text that came in part.
#[derive(Debug)]
struct Begun {
    thread: Thread,
    /// The event that waits for what the thread holds, and where in it that belongs.
    home: Option<(u64, Vec<Step>)>,
}

#[derive(Debug)]
struct Queued {
    number: u64,
    event: Event,
    node: Option<Node>,
    is_changed: bool,
    /// Texts that it waits for.
    waits: usize,
}

impl Events {
    /// For an answer of this API.
    #[must_use]
    pub fn new(names: Arc<Names>, endpoint: Endpoint) -> Self {
        Self {
            names,
            endpoint,
            splitter: Splitter::default(),
            threads: BTreeMap::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            next: 0,
        }
    }

    /// The next bytes of the answer; what the client gets now.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, TooLarge> {
        let mut out = Vec::new();
        for event in self.splitter.push(bytes)? {
            self.take(event);
            if self.queued_bytes > MOST_WAITING {
                self.end(&Ends::All);
            }
            self.release(&mut out);
        }
        Ok(out)
    }

    /// What is left when the answer has ended.
    pub fn finish(&mut self) -> Vec<u8> {
        if let Some(event) = self.splitter.finish() {
            self.take(event);
        }
        self.end(&Ends::All);
        let mut out = Vec::new();
        self.release(&mut out);
        out
    }

    fn take(&mut self, event: Event) {
        let node = event.data.as_ref().and_then(|data| Node::parse(data.as_bytes()).ok());
        let Some(mut node) = node else {
            // `[DONE]`, or a comment that keeps the connection.
            if event.data.is_some() {
                self.end(&Ends::All);
            }
            return self.enqueue(event, None, false);
        };
        let Reading { slots, ends } = slots::read(self.endpoint, &node);
        if slots.is_empty() {
            self.end(&ends);
            let is_changed = document::restore(&self.names, &mut node);
            return self.enqueue(event, Some(node), is_changed);
        }
        self.enqueue(event, Some(node), false);
        slots.into_iter().for_each(|slot| self.piece(slot));
        self.end(&ends);
    }

    fn enqueue(&mut self, event: Event, node: Option<Node>, is_changed: bool) {
        self.queued_bytes += event.raw.len();
        self.queue.push_back(Queued { number: self.next, event, node, is_changed, waits: 0 });
        self.next += 1;
    }

    /// Takes a piece of a text that is in the last event.
    fn piece(&mut self, slot: Slot) {
        let Slot { thread, group, place, path } = slot;
        let number = self.next - 1;
        let piece = self.text(number, &path).map(std::mem::take).unwrap_or_default();
        if !piece.is_empty() {
            self.end_others(&group, &thread);
        }
        let begun = self
            .threads
            .entry((group, thread))
            .or_insert_with(|| Begun { thread: Thread::new(place), home: None });
        let said = begun.thread.feed(&self.names, &piece);
        let home = begun.thread.is_waiting().then(|| (number, path.clone()));
        let before = std::mem::replace(&mut begun.home, home.clone());
        if let Some((waiting, _)) = before {
            self.queued(waiting).waits -= 1;
        }
        let queued = self.queued(number);
        queued.waits += usize::from(home.is_some());
        queued.is_changed |= said != piece;
        if let Some(text) = self.text(number, &path) {
            *text = said;
        }
    }

    /// A model that begins another text of a choice has ended the one before.
    fn end_others(&mut self, group: &str, thread: &str) {
        let others: Vec<(String, String)> =
            self.threads.keys().filter(|(of, name)| of == group && name != thread).cloned().collect();
        others.iter().for_each(|key| self.end_thread(key));
    }

    fn end(&mut self, ends: &Ends) {
        let is_ended = |group: &String| match ends {
            Ends::Nothing => false,
            Ends::Groups(groups) => groups.contains(group),
            Ends::All => true,
        };
        let ended: Vec<_> = self.threads.keys().filter(|(group, _)| is_ended(group)).cloned().collect();
        ended.iter().for_each(|key| self.end_thread(key));
    }

    fn end_thread(&mut self, key: &(String, String)) {
        let Some(mut begun) = self.threads.remove(key) else { return };
        let Some((number, path)) = begun.home.take() else { return };
        let rest = begun.thread.finish(&self.names);
        let queued = self.queued(number);
        queued.waits -= 1;
        queued.is_changed = true;
        if let Some(text) = self.text(number, &path) {
            text.push_str(&rest);
        }
    }

    fn queued(&mut self, number: u64) -> &mut Queued {
        self.queue.iter_mut().rfind(|queued| queued.number == number).expect("an event that waits is queued")
    }

    fn text(&mut self, number: u64, path: &[Step]) -> Option<&mut String> {
        slots::text_mut(self.queued(number).node.as_mut()?, path)
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        while self.queue.front().is_some_and(|queued| queued.waits == 0) {
            let Some(Queued { event, node, is_changed, .. }) = self.queue.pop_front() else { return };
            self.queued_bytes -= event.raw.len();
            match node.filter(|_| is_changed) {
                Some(node) => out.extend(event.with_data(&node.to_bytes())),
                None => out.extend(event.raw),
            }
        }
    }
}
