//! Much more goes out than before.

use audit::Action;

use crate::finding::{Finding, Kind};
use crate::seen::{SECOND, Seen};
use crate::settings::SuddenVolume;

/// Windows that an early one takes to lose most of its weight in the mean.
const MEMORY: u64 = 16;

#[derive(Debug, Default)]
pub(crate) struct Volume {
    began: u64,
    sent: u64,
    /// Mean of the windows before.
    mean: u64,
    said: bool,
}

impl Volume {
    pub(crate) fn observe(&mut self, seen: Seen<'_>, settings: &SuddenVolume) -> Option<Finding> {
        let event = &seen.record.event;
        let sent = match event.action {
            Action::NetworkOutcome | Action::InferenceOutcome => event.object.as_ref()?.bytes_sent?,
            _other => return None,
        };
        let window = settings.window * SECOND;
        let passed = seen.now.saturating_sub(self.began) / window.max(1);
        if passed > 0 {
            // Windows without a byte count too; after many of them nothing of the mean is left.
            self.mean = self.mean - self.mean / MEMORY + self.sent / MEMORY;
            for _quiet in 1..passed.min(MEMORY * 8) {
                self.mean -= self.mean / MEMORY;
            }
            (self.began, self.sent, self.said) = (self.began.saturating_add(passed * window), 0, false);
        }
        self.sent = self.sent.saturating_add(sent);
        let much = self.sent >= settings.floor && self.sent >= self.mean.saturating_mul(settings.factor);
        if !much || std::mem::replace(&mut self.said, true) {
            return None;
        }
        let reason = format!(
            "{} bytes were sent within {} s, and {} in the mean before",
            self.sent, settings.window, self.mean
        );
        Some(Finding::new(Kind::SuddenVolume, reason, vec![seen.record.sequence]))
    }
}
