//! The wish to stop: whoever makes an image waits for programs and for other processes, and this ends the wait.
//! Must never know who wishes it, or why.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// A wish to stop that somebody may have. All clones are the same wish; once asked, it stays.
#[derive(Clone, Debug)]
pub struct Stop(Option<Arc<OwnedFd>>);

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What was waited for.
    Ready,
    /// The wish.
    Stop,
}

impl Stop {
    /// A wish that can be had.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Some(Arc::new(event))))
    }

    /// A wish that nobody ever has.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Has the wish.
    pub fn ask(&self) {
        // The counter is never taken down, and is full only after 2⁶⁴ wishes.
        let _counted = self.0.as_ref().map(|event| rustix::io::write(event, &1_u64.to_ne_bytes()));
    }

    /// Whether somebody has had the wish.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.is_asked_within(Duration::ZERO)
    }

    /// Whether somebody has had the wish, or has it before this much time has passed.
    #[must_use]
    pub fn is_asked_within(&self, time: Duration) -> bool {
        let Some(event) = &self.0 else {
            std::thread::sleep(time);
            return false;
        };
        let time = Timespec::try_from(time).expect("seconds, not centuries");
        // A signal that interrupts the wait is the one that asks: its thread may need the rest of the time.
        let ready = || poll(&mut [PollFd::new(event, PollFlags::IN)], Some(&time));
        matches!(ready().or_else(|_interrupted| ready()), Ok(1..))
    }

    /// Waits until `other` is readable, or closed at its other end.
    pub(crate) fn wait(&self, other: impl AsFd) -> io::Result<Woken> {
        let other = PollFd::from_borrowed_fd(other.as_fd(), PollFlags::IN);
        let mut waiting: Vec<PollFd<'_>> = std::iter::once(other)
            .chain(self.0.iter().map(|event| PollFd::new(event, PollFlags::IN)))
            .collect();
        loop {
            match poll(&mut waiting, None) {
                Ok(_ready) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let asked = waiting.get(1).is_some_and(|event| !event.revents().is_empty());
        Ok(if asked { Woken::Stop } else { Woken::Ready })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_stays_and_all_clones_have_it() {
        let stop = Stop::new().unwrap();
        assert!(!stop.is_asked());
        stop.clone().ask();
        assert!(stop.is_asked() && stop.is_asked());
        assert!(!Stop::never().is_asked());
    }

    #[test]
    fn a_wait_ends_with_what_comes_first() {
        let (reader, writer) = io::pipe().unwrap();
        let stop = Stop::new().unwrap();
        drop(writer);
        assert_eq!(stop.wait(&reader).unwrap(), Woken::Ready);
        assert_eq!(Stop::never().wait(&reader).unwrap(), Woken::Ready);
        let (reader, _writer) = io::pipe().unwrap();
        let asking = stop.clone();
        let thread = std::thread::spawn(move || asking.ask());
        assert_eq!(stop.wait(&reader).unwrap(), Woken::Stop);
        thread.join().unwrap();
    }
}
