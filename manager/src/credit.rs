//! How much input a process in the guest has room for: what it does not read keeps nothing back that follows it on the same line.

use std::sync::{Condvar, Mutex, PoisonError};

use wire::control::INPUT_WINDOW;

/// Bytes that may be sent.
#[derive(Debug)]
pub(crate) struct Credit(usize);

/// The same, for whoever waits until there is room.
#[derive(Debug)]
pub(crate) struct Window {
    credit: Mutex<Credit>,
    more: Condvar,
}

impl Credit {
    /// Of a process that has been sent nothing.
    pub(crate) fn full() -> Self {
        Self(INPUT_WINDOW)
    }

    /// Takes room for so many bytes, if there is.
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        let fits = self.covers(bytes);
        self.0 -= if fits { bytes } else { 0 };
        fits
    }

    /// Whether there is room for so many.
    pub(crate) fn covers(&self, bytes: usize) -> bool {
        bytes <= self.0
    }

    /// So many bytes were read. One who says it without a reason gets no more than one who is honest.
    pub(crate) fn give(&mut self, bytes: u32) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.0 = self.0.saturating_add(bytes).min(INPUT_WINDOW);
    }
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { credit: Mutex::new(Credit::full()), more: Condvar::new() }
    }

    /// Waits until there is room for so many bytes, at most [`INPUT_WINDOW`], and takes it.
    pub(crate) fn take(&self, bytes: usize) {
        let credit = self.credit.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.more.wait_while(credit, |credit| !credit.spend(bytes)));
    }

    /// So many bytes were read.
    pub(crate) fn give(&self, bytes: u32) {
        self.credit.lock().unwrap_or_else(PoisonError::into_inner).give(bytes);
        self.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{TryRecvError, sync_channel};

    use super::*;

    #[test]
    fn there_is_room_for_what_was_read_and_no_more() {
        let window = Arc::new(Window::new());
        window.take(INPUT_WINDOW);
        let (taken, waits) = sync_channel(1);
        let taking = Arc::clone(&window);
        let taker = std::thread::spawn(move || {
            taking.take(2);
            taken.send(()).unwrap();
        });
        window.give(1);
        assert_eq!(waits.try_recv(), Err(TryRecvError::Empty));
        window.give(u32::MAX);
        waits.recv().unwrap();
        taker.join().unwrap();
        assert_eq!(window.credit.lock().unwrap().0, INPUT_WINDOW - 2);
    }
}
