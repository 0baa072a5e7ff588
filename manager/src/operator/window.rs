//! How much input a command has room for: what it does not read keeps no signal back that follows it on the same line.

use std::sync::{Condvar, Mutex, PoisonError};

use wire::control::INPUT_WINDOW;

/// Bytes that may be sent.
#[derive(Debug)]
pub(super) struct Window {
    room: Mutex<usize>,
    more: Condvar,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { room: Mutex::new(INPUT_WINDOW), more: Condvar::new() }
    }

    /// Waits until there is room for so many bytes, at most [`INPUT_WINDOW`], and takes it.
    pub(super) fn take(&self, bytes: usize) {
        let room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.more.wait_while(room, |room| *room < bytes);
        *waited.unwrap_or_else(PoisonError::into_inner) -= bytes;
    }

    /// So many bytes were read.
    pub(super) fn give(&self, bytes: u32) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        *room = room.saturating_add(bytes).min(INPUT_WINDOW);
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
        assert_eq!(*window.room.lock().unwrap(), INPUT_WINDOW - 2);
    }
}
