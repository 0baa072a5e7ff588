//! Runs all detections over the records of one sandbox.

use std::collections::BTreeMap;

use audit::{Action, Record};

use crate::detections::{
    Binaries, Denials, Downloads, Names, Volume, credential_misuse, injected, out_of_hours,
};
use crate::finding::{Finding, Kind};
use crate::recent::Recent;
use crate::seen::{SECOND, Seen};
use crate::settings::Settings;

/// Findings of one kind in [`SPELL`]: whoever provokes more of them fills no log.
const MOST: u32 = 20;
/// The time for which they are counted.
const SPELL: u64 = 60 * SECOND;

/// The detections over one sandbox's records; its memory is bounded whatever the records hold.
#[derive(Debug)]
pub struct Detector {
    settings: Settings,
    denials: Denials,
    names: Names,
    binaries: Binaries,
    downloads: Downloads,
    volume: Volume,
    misused: Recent<String, u64>,
    /// Per kind: since when, and how many.
    said: BTreeMap<Kind, (u64, u32)>,
}

impl Detector {
    /// Begins where no record was seen yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            denials: Denials::default(),
            names: Names::default(),
            binaries: Binaries::new(&settings.new_binary.baseline),
            downloads: Downloads::default(),
            volume: Volume::default(),
            misused: Recent::new(256),
            said: BTreeMap::new(),
            settings,
        }
    }

    /// What the next record shows, together with those before it.
    pub fn observe(&mut self, record: &Record) -> Vec<Finding> {
        // A finding must not lead to a finding.
        if record.event.action == Action::Detection {
            return Vec::new();
        }
        let seen = Seen { record, now: record.monotonic_ns };
        let settings = &self.settings;
        let mut findings = Vec::new();
        findings.extend(self.denials.observe(seen, &settings.repeated_denials));
        findings.extend(credential_misuse(&mut self.misused, seen, &settings.credential_misuse));
        findings.extend(self.names.observe(seen, &settings.dns_tunnelling));
        findings.extend(self.binaries.observe(seen, &settings.new_binary));
        findings.extend(self.downloads.observe(seen, &settings.downloaded_program));
        findings.extend(self.volume.observe(seen, &settings.sudden_volume));
        findings.extend(injected(seen, &settings.prompt_injection));
        findings.extend(out_of_hours(seen, &settings.out_of_hours_change));
        findings.retain_mut(|finding| self.wanted(finding, seen.now));
        findings
    }

    fn wanted(&mut self, finding: &mut Finding, now: u64) -> bool {
        let Some(response) = self.settings.response(finding.kind) else { return false };
        finding.response = response;
        let (since, count) = self.said.entry(finding.kind).or_insert((now, 0));
        if now.saturating_sub(*since) > SPELL {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= MOST
    }
}
