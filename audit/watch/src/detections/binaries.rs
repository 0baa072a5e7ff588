//! Programs that were not there before. What the records show are programs that use the network or execute others.

use std::collections::HashSet;

use super::owners;
use crate::finding::{Finding, Kind};
use crate::seen::{SECOND, Seen};
use crate::settings::NewBinary;

/// Programs that are remembered; a sandbox that has more of them is itself worth a look.
const MOST: usize = 8192;

#[derive(Debug)]
pub(crate) struct Binaries {
    /// Digests; paths, where the guest told no digest.
    known: HashSet<String>,
    began: Option<u64>,
}

impl Binaries {
    pub(crate) fn new(baseline: &[String]) -> Self {
        Self {
            known: baseline.iter().take(MOST).map(|digest| digest.to_ascii_lowercase()).collect(),
            began: None,
        }
    }

    pub(crate) fn observe(&mut self, seen: Seen<'_>, settings: &NewBinary) -> Option<Finding> {
        let began = *self.began.get_or_insert(seen.now);
        let learning = seen.now.saturating_sub(began) < settings.learn * SECOND;
        let mut unknown = None;
        for owner in owners(seen.record) {
            let name = owner.sha256.as_ref().unwrap_or(&owner.binary);
            if self.known.contains(name) {
                continue;
            }
            if self.known.len() < MOST {
                self.known.insert(name.clone());
            }
            unknown = unknown.or(Some(owner));
        }
        let owner = unknown.filter(|_| !learning)?;
        let digest = owner.sha256.as_deref().unwrap_or("not told");
        let reason = format!("{} (sha256 {digest}) was not seen in this sandbox before", owner.binary);
        Some(Finding::new(Kind::NewBinary, reason, vec![seen.record.sequence]))
    }
}
