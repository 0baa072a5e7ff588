//! Room for what is held back of answers until it was judged. All answers of a sandbox share it. Nobody waits for more of
//! it, for those who wait would hold what the others wait for: an answer for which there is none left does not go on.

use std::sync::Arc;

use policies::Foreign;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::message::{SHARES, shares};

/// What one answer has taken.
pub(super) struct Room {
    all: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

/// The room of one sandbox: for messages that are read, and for answers.
pub(crate) fn rooms() -> [Arc<Semaphore>; 2] {
    [(); 2].map(|()| Arc::new(Semaphore::new(SHARES)))
}

impl Room {
    pub(super) fn new(all: &Arc<Semaphore>) -> Self {
        Self { all: Arc::clone(all), taken: None }
    }

    /// Takes or gives back, so that it is enough for so many bytes.
    pub(super) fn fit(&mut self, bytes: usize) -> Result<(), Foreign> {
        let wanted = shares(bytes as u64) as usize;
        let has = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if wanted <= has {
            drop(self.taken.as_mut().and_then(|taken| taken.split(has - wanted)));
            return Ok(());
        }
        let full = || Foreign::unreadable("too much is held back of the sandbox's answers");
        let more = u32::try_from(wanted - has).ok();
        let more = more.and_then(|more| Arc::clone(&self.all).try_acquire_many_owned(more).ok());
        let more = more.ok_or_else(full)?;
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
