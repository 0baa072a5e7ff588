//! The proposals of one sandbox, bounded in number and rate. What one says never changes once it is here.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wire::id::RequestId;
use wire::proposal::{MAX_KEPT, Proposal, Standing, Wish, dispensable};

/// How many may come in a minute.
const MOST_A_MINUTE: usize = 10;

/// How many rejected ones are remembered after they made room: each cost a person an answer.
const MOST_REJECTED: usize = 256;

const MINUTE: Duration = Duration::from_secs(60);

/// The proposals.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    entries: VecDeque<Entry>,
    /// Those that were rejected and made room for others: a no stays a no.
    rejected: VecDeque<Entry>,
    came: VecDeque<Instant>,
}

/// A proposal and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) proposal: Proposal,
    pub(crate) standing: Standing,
}

/// What became of a proposal that came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It is new, and waits.
    New,
    /// The same was proposed before, and stands so.
    Before(Box<Entry>),
}

/// Why a proposal is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// Too many came.
    #[error("{MOST_A_MINUTE} proposals came within a minute")]
    Rate,
    /// Too many wait.
    #[error("{MAX_KEPT} proposals wait for an answer")]
    Waiting,
}

impl Book {
    /// Takes a proposal. Whoever wishes for what waits for an answer, is approved, or was rejected gets no second one.
    pub(crate) fn enter(&self, proposal: Proposal, now: Instant) -> Result<Entered, Full> {
        let mut pages = self.pages();
        let made = proposal.made;
        let same = |entry: &&Entry| is_same(&entry.proposal.wish, &proposal.wish) && entry.is_live(made);
        if let Some(entry) = pages.rejected.iter().chain(&pages.entries).rev().find(same) {
            return Ok(Entered::Before(Box::new(entry.clone())));
        }
        while pages.came.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            pages.came.pop_front();
        }
        if pages.came.len() >= MOST_A_MINUTE {
            return Err(Full::Rate);
        }
        if pages.entries.len() >= MAX_KEPT {
            pages.make_room(made)?;
        }
        pages.came.push_back(now);
        pages.entries.push_back(Entry { proposal, standing: Standing::Pending });
        Ok(Entered::New)
    }

    /// Takes back one that could not be recorded.
    pub(crate) fn forget(&self, id: &RequestId) {
        self.pages().entries.retain(|entry| entry.proposal.id != *id);
    }

    /// Notes what the manager says of one.
    pub(crate) fn stands(&self, id: &RequestId, standing: Standing) {
        if let Some(entry) = self.pages().entries.iter_mut().find(|entry| entry.proposal.id == *id) {
            entry.standing = standing;
        }
    }

    /// All, the oldest first.
    pub(crate) fn all(&self) -> Vec<Entry> {
        self.pages().entries.iter().cloned().collect()
    }

    /// One.
    pub(crate) fn get(&self, id: &str) -> Option<Entry> {
        let pages = self.pages();
        pages.entries.iter().chain(&pages.rejected).find(|entry| entry.proposal.id.0 == id).cloned()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn make_room(&mut self, now: i64) -> Result<(), Full> {
        let all = self.entries.iter().map(|entry| (&entry.proposal, &entry.standing));
        let settled = dispensable(all, now).ok_or(Full::Waiting)?;
        let forgotten = self.entries.remove(settled);
        let rejected = forgotten.filter(|entry| matches!(entry.standing, Standing::Rejected(_)));
        self.rejected.extend(rejected);
        if self.rejected.len() > MOST_REJECTED {
            self.rejected.pop_front();
        }
        Ok(())
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
}

/// Whether two wishes are for the same: the order of a query's keys means nothing.
fn is_same(one: &Wish, other: &Wish) -> bool {
    let keys = |wish: &Wish| wish.query.iter().cloned().collect::<BTreeSet<_>>();
    let plain = |wish: &Wish| Wish { query: Vec::new(), ..wish.clone() };
    plain(one) == plain(other) && keys(one) == keys(other)
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
        assert_eq!(book.all().len(), MAX_KEPT);
        assert!(!book.all().iter().any(|entry| entry.proposal.id == id(4, 0)));
        // What nobody answered in time makes room.
        assert_eq!(book.enter(proposal(100, 60), later + MINUTE), Ok(Entered::New));
        assert_eq!(book.all().len(), MAX_KEPT);
    }

    /// An agent that was refused would else propose other things until the no is forgotten.
    #[test]
    fn a_no_stays_a_no_whatever_comes_after_it() {
        let (book, mut now) = (Book::default(), Instant::now());
        let mut enter = |proposal: Proposal| {
            now += MINUTE;
            book.enter(proposal, now)
        };
        let refused = proposal(0, 0);
        assert_eq!(enter(refused.clone()), Ok(Entered::New));
        book.stands(&refused.id, Standing::Rejected("no".to_owned()));
        assert_eq!(enter(proposal(1, 0)), Ok(Entered::New));
        book.stands(&id(1, 0), Standing::Over("used".to_owned()));
        for number in 2..MAX_KEPT {
            assert_eq!(enter(proposal(number, 0)), Ok(Entered::New));
        }
        assert_eq!(enter(proposal(MAX_KEPT, 0)), Ok(Entered::New));
        assert!(
            book.get("1-0").is_none() && book.all()[0].proposal.id == refused.id,
            "what is over goes first"
        );
        for number in MAX_KEPT + 1..MAX_KEPT * 3 {
            let made = i64::try_from(number).unwrap() * 100;
            assert_eq!(enter(proposal(number, made)), Ok(Entered::New));
        }
        let again = Proposal { id: id(0, 9), made: 90_000, expires: 90_060, ..refused };
        let Ok(Entered::Before(entry)) = enter(again) else { panic!("it waits again") };
        assert_eq!(entry.standing, Standing::Rejected("no".to_owned()));
        assert_eq!(book.get("0-0").map(|entry| entry.standing), Some(entry.standing));
    }

    #[test]
    fn the_order_of_a_querys_keys_makes_no_other_wish() {
        let with = |keys: &[&str]| {
            let mut one = proposal(1, 0);
            one.wish.query = keys.iter().map(|key| (*key).to_owned()).collect();
            one
        };
        let (book, now) = (Book::default(), Instant::now());
        assert_eq!(book.enter(with(&["a", "b"]), now), Ok(Entered::New));
        assert!(matches!(book.enter(with(&["b", "a", "a"]), now), Ok(Entered::Before(_))));
        assert_eq!(book.enter(with(&["a"]), now), Ok(Entered::New));
    }
}
