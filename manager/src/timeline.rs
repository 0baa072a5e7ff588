//! When each phase of a run ended, for `openshell vm run --timings`.

use std::time::Instant;

use serde::Serialize;

/// The phases of a run, in order, since it began.
#[derive(Debug)]
pub(crate) struct Timeline {
    begun: Instant,
    phases: Vec<Phase>,
}

/// One phase.
#[derive(Clone, Debug, Serialize)]
struct Phase {
    name: &'static str,
    end_us: u64,
}

impl Timeline {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), phases: Vec::new() }
    }

    /// The phase `name` ends now.
    pub(crate) fn mark(&mut self, name: &'static str) {
        let end_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.phases.push(Phase { name, end_us });
    }

    /// One line of JSON on standard error.
    #[expect(clippy::print_stderr, reason = "the user asked for it with --timings")]
    pub(crate) fn show(&self) {
        let phases = serde_json::to_string(&self.phases).unwrap_or_default();
        eprintln!("openshell: timings {phases}");
    }
}
