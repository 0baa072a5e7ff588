//! Room for what is held back of answers until it was judged. All answers of a sandbox share it. Nobody waits for more of
//! it, for those who wait would hold what the others wait for: an answer for which there is none left does not go on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one share of room stands for.
const SHARE: u64 = 64 * 1024;

/// Shares for messages, for bodies, and for answers: 64 MiB each.
const SHARES: usize = 1024;

/// Shares for downloads that are held back: 256 MiB.
const DOWNLOADS: usize = 4 * SHARES;

/// Searches in downloads at once. Each has a thread.
const SEARCHES: usize = 2;

/// What one answer has taken.
pub(crate) struct Room {
    all: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

/// There is no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much is held back of the sandbox's answers")]
pub(crate) struct Full;

/// The room of one sandbox.
#[derive(Debug)]
pub struct Rooms {
    /// For messages that are read before they are judged.
    pub(crate) messages: Arc<Semaphore>,
    /// For bodies that are read before a credential goes out with them.
    pub(crate) bodies: Arc<Semaphore>,
    /// For what is held back of answers until it was judged.
    pub(crate) answers: Arc<Semaphore>,
    /// For downloads that are held back likewise.
    pub(crate) downloads: Arc<Semaphore>,
    /// For those who look into downloads.
    pub(crate) searches: Arc<Semaphore>,
}

/// Shares that are enough for so many bytes.
pub(crate) fn shares(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(SHARE)).unwrap_or(u32::MAX)
}

impl Default for Rooms {
    fn default() -> Self {
        let [messages, bodies, answers, downloads, searches] =
            [SHARES, SHARES, SHARES, DOWNLOADS, SEARCHES].map(|shares| Arc::new(Semaphore::new(shares)));
        Self { messages, bodies, answers, downloads, searches }
    }
}

impl Room {
    pub(crate) fn new(all: &Arc<Semaphore>) -> Self {
        Self { all: Arc::clone(all), taken: None }
    }

    /// What was taken, for whom it is now; this one has nothing any more.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self { all: Arc::clone(&self.all), taken: self.taken.take() }
    }

    /// Takes or gives back, so that it is enough for so many bytes.
    pub(crate) fn fit(&mut self, bytes: u64) -> Result<(), Full> {
        let wanted = shares(bytes) as usize;
        let has = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if wanted <= has {
            drop(self.taken.as_mut().and_then(|taken| taken.split(has - wanted)));
            return Ok(());
        }
        let more = u32::try_from(wanted - has).ok();
        let more = more.and_then(|more| Arc::clone(&self.all).try_acquire_many_owned(more).ok());
        let more = more.ok_or(Full)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_for_which_no_room_is_left_does_not_go_on() {
        let all = Arc::new(Semaphore::new(4));
        let (mut one, mut other) = (Room::new(&all), Room::new(&all));
        one.fit(3 * 64 * 1024).unwrap();
        assert_eq!(all.available_permits(), 1);
        other.fit(1).unwrap();
        assert!(other.fit(64 * 1024 + 1).is_err());
        one.fit(1).unwrap();
        other.fit(3 * 64 * 1024).unwrap();
        assert_eq!(all.available_permits(), 0);
        other.fit(0).unwrap();
        drop(one);
        assert_eq!(all.available_permits(), 4);
    }
}
