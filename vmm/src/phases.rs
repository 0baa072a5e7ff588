//! How long each phase of building the machine took.

use std::time::Instant;

use wire::machine::Phase;

/// A stopwatch that runs from the first line of `main`.
#[derive(Debug)]
pub(crate) struct Phases {
    start: Instant,
    ended: Vec<Phase>,
}

impl Phases {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), ended: Vec::new() }
    }

    /// Notes that the phase with this name ends now.
    pub(crate) fn end(&mut self, name: &str) {
        let end_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.ended.push(Phase { name: name.to_owned(), end_us });
    }

    pub(crate) fn into_ended(self) -> Vec<Phase> {
        self.ended
    }
}
