//! The proposals of one sandbox, bounded in number and rate. What one says never changes once it is here.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wire::id::RequestId;
use wire::proposal::{MAX_KEPT, Proposal, Standing};

/// How many may come in a minute.
const MOST_A_MINUTE: usize = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// The proposals.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    entries: VecDeque<Entry>,
    came: VecDeque<Instant>,
}

/// A proposal and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) proposal: Proposal,
    pub(super) standing: Standing,
}

/// What became of a proposal that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It is new, and waits.
    New,
    /// The same was proposed before, and stands so.
    Before(Box<Entry>),
}

/// Why a proposal is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// Too many came.
    #[error("{MOST_A_MINUTE} proposals came within a minute")]
    Rate,
    /// Too many wait.
    #[error("{MAX_KEPT} proposals wait for an answer")]
    Waiting,
}

impl Book {
    /// Takes a proposal. Whoever wishes for what waits for an answer, is approved, or was rejected gets no second one.
    pub(super) fn enter(&self, proposal: Proposal, now: Instant) -> Result<Entered, Full> {
        let mut pages = self.pages();
        let made = proposal.made;
        let same = |entry: &&Entry| entry.proposal.wish == proposal.wish && entry.is_live(made);
        if let Some(entry) = pages.entries.iter().rev().find(same) {
            return Ok(Entered::Before(Box::new(entry.clone())));
        }
        while pages.came.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            pages.came.pop_front();
        }
        if pages.came.len() >= MOST_A_MINUTE {
            return Err(Full::Rate);
        }
        if pages.entries.len() >= MAX_KEPT {
            let settled =
                pages.entries.iter().position(|entry| !entry.is_needed(made)).ok_or(Full::Waiting)?;
            pages.entries.remove(settled);
        }
        pages.came.push_back(now);
        pages.entries.push_back(Entry { proposal, standing: Standing::Pending });
        Ok(Entered::New)
    }

    /// Takes back one that could not be recorded.
    pub(super) fn forget(&self, id: &RequestId) {
        self.pages().entries.retain(|entry| entry.proposal.id != *id);
    }

    /// Notes what the manager says of one.
    pub(super) fn stands(&self, id: &RequestId, standing: Standing) {
        if let Some(entry) = self.pages().entries.iter_mut().find(|entry| entry.proposal.id == *id) {
            entry.standing = standing;
        }
    }

    /// All, the oldest first.
    pub(super) fn all(&self) -> Vec<Entry> {
        self.pages().entries.iter().cloned().collect()
    }

    /// One.
    pub(super) fn get(&self, id: &str) -> Option<Entry> {
        self.pages().entries.iter().find(|entry| entry.proposal.id.0 == id).cloned()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether another one with the same wish would say nothing new at `now`.
    fn is_live(&self, now: i64) -> bool {
        match &self.standing {
            Standing::Pending => now < self.proposal.expires,
            Standing::Approved(_) | Standing::Rejected(_) => true,
            Standing::Over(_) => false,
        }
    }

    /// Whether somebody waits for it, or acts by it.
    fn is_needed(&self, now: i64) -> bool {
        matches!(self.standing, Standing::Approved(_)) || self.proposal.is_open(&self.standing, now)
    }
}

#[cfg(test)]
mod tests {
    use wire::proposal::Wish;

    use super::*;

    fn proposal(number: usize, made: i64) -> Proposal {
        let wish = Wish {
            binary: "/usr/bin/curl".to_owned(),
            host: format!("n{number}.example"),
            port: 443,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: Vec::new(),
        };
        let id = RequestId(format!("{number}-{made}"));
        Proposal { id, asker: "/bin/sh".to_owned(), wish, reason: "r".to_owned(), made, expires: made + 60 }
    }

    fn id(number: usize, made: i64) -> RequestId {
        proposal(number, made).id
    }

    #[test]
    fn identical_ones_are_one_until_there_is_something_new_to_say() {
        let (book, now) = (Book::default(), Instant::now());
        assert_eq!(book.enter(proposal(1, 0), now), Ok(Entered::New));
        let again = |made| match book.enter(proposal(1, made), now).unwrap() {
            Entered::Before(entry) => Some(entry.proposal.id),
            Entered::New => None,
        };
        // With another reason, by another program, as often as it likes.
        let other = Proposal { reason: "please".to_owned(), asker: "/bin/x".to_owned(), ..proposal(1, 1) };
        assert!(matches!(book.enter(other, now), Ok(Entered::Before(_))));
        for _often in 0..MOST_A_MINUTE * 2 {
            assert_eq!(again(30), Some(id(1, 0)));
        }
        book.stands(&id(1, 0), Standing::Rejected("no".to_owned()));
        assert_eq!(again(1000), Some(id(1, 0)), "a no stays a no");
        book.stands(&id(1, 0), Standing::Over("used".to_owned()));
        assert_eq!(again(1000), None);
        assert_eq!(again(1060), None, "the second one has expired");
        assert_eq!(book.all().len(), 3);
    }

    #[test]
    fn a_flood_is_stopped_by_its_rate_and_by_its_number() {
        let (book, start) = (Book::default(), Instant::now());
        for number in 0..MOST_A_MINUTE {
            assert_eq!(book.enter(proposal(number, 0), start), Ok(Entered::New));
        }
        assert_eq!(book.enter(proposal(99, 0), start), Err(Full::Rate));
        let mut later = start;
        for number in MOST_A_MINUTE..MAX_KEPT {
            later += MINUTE;
            assert_eq!(book.enter(proposal(number, 0), later), Ok(Entered::New));
        }
        later += MINUTE;
        assert_eq!(book.enter(proposal(99, 0), later), Err(Full::Waiting));
        book.stands(&id(3, 0), Standing::Approved(wire::proposal::Terms::Sandbox));
        assert_eq!(book.enter(proposal(99, 0), later), Err(Full::Waiting), "an approval is not forgotten");
        book.stands(&id(4, 0), Standing::Rejected("no".to_owned()));
        assert_eq!(book.enter(proposal(99, 0), later), Ok(Entered::New));
        assert_eq!((book.all().len(), book.get("4-0")), (MAX_KEPT, None));
        // What nobody answered in time makes room.
        assert_eq!(book.enter(proposal(100, 60), later + MINUTE), Ok(Entered::New));
        assert_eq!(book.all().len(), MAX_KEPT);
    }
}
