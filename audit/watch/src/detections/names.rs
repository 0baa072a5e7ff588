//! Names that carry data: long or random labels, or very many different names, below one domain.
//!
//! A name is asked for, and then, if it is allowed, connected to: both are records, and one name.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;

use audit::Action;

use crate::finding::{Finding, Kind};
use crate::recent::{Recent, Tally};
use crate::seen::{SECOND, Seen};
use crate::settings::DnsTunnelling;

/// Domains that are remembered.
const DOMAINS: usize = 256;
/// A label that is shorter says too little to look random.
const SHORTEST_RANDOM: usize = 20;

#[derive(Debug)]
pub(crate) struct Names {
    domains: Recent<String, Domain>,
}

/// What was asked below one domain.
#[derive(Debug, Default)]
struct Domain {
    odd: Tally,
    /// Different names of the last window.
    different: HashSet<u64>,
    /// When each was counted, the oldest first.
    counted: VecDeque<(u64, u64)>,
    /// Until when it is not said again that they are too many.
    quiet_until: u64,
}

impl Default for Names {
    fn default() -> Self {
        Self { domains: Recent::new(DOMAINS) }
    }
}

impl Names {
    pub(crate) fn observe(&mut self, seen: Seen<'_>, settings: &DnsTunnelling) -> Option<Finding> {
        let event = &seen.record.event;
        let name = match event.action {
            Action::NameQuery | Action::NetworkFlow | Action::NetworkRequest => {
                event.object.as_ref()?.host.as_deref()?
            }
            _other => return None,
        };
        let name = name.trim_end_matches('.');
        if name.parse::<IpAddr>().is_ok() {
            return None;
        }
        let (below, domain) = split(name)?;
        let known = self.domains.entry(domain.to_ascii_lowercase());
        let at = (seen.now, seen.record.sequence);
        let window = settings.window * SECOND;
        let is_new = known.add(below, seen.now, settings);
        let odd = (is_new && below.split('.').any(|label| is_odd(label, settings)))
            .then(|| known.odd.add(at, 1, settings.odd_names, window))
            .flatten();
        if let Some((count, evidence)) = odd {
            let reason =
                format!("{count} names with long or random labels below {domain} in {} s", settings.window);
            return Some(Finding::new(Kind::DnsTunnelling, reason, evidence));
        }
        known.are_too_many(seen.now, settings).then(|| {
            let reason =
                format!("{} different names below {domain} in {} s", settings.names, settings.window);
            Finding::new(Kind::DnsTunnelling, reason, vec![seen.record.sequence])
        })
    }
}

impl Domain {
    /// Adds a name. Whether it was not there in the window that ends now. Once there are many, which is said by itself, none is new:
    /// of those that are not remembered nobody could tell.
    fn add(&mut self, below: &str, now: u64, settings: &DnsTunnelling) -> bool {
        let window = settings.window * SECOND;
        // As long as a name counts among the odd ones, it is known here, so that none counts twice among them.
        while let Some(&(_, name)) =
            self.counted.front().filter(|(then, _)| now.saturating_sub(*then) > window)
        {
            self.counted.pop_front();
            self.different.remove(&name);
        }
        // Hashes instead of names bound the memory. A guest that finds names with equal hashes is counted less.
        let mut hasher = DefaultHasher::new();
        below.to_ascii_lowercase().hash(&mut hasher);
        let name = hasher.finish();
        if self.are_many(settings) || !self.different.insert(name) {
            return false;
        }
        self.counted.push_back((now, name));
        true
    }

    fn are_many(&self, settings: &DnsTunnelling) -> bool {
        self.different.len() >= usize::try_from(settings.names).unwrap_or(usize::MAX)
    }

    /// Whether they are too many and that was not said within a window.
    fn are_too_many(&mut self, now: u64, settings: &DnsTunnelling) -> bool {
        let are = self.are_many(settings) && now >= self.quiet_until;
        if are {
            self.quiet_until = now.saturating_add(settings.window * SECOND);
        }
        are
    }
}

/// What stands before the last two labels, and those; `None`: there is nothing before them.
fn split(name: &str) -> Option<(&str, &str)> {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (_last, second) = (dots.next()?, dots.next()?);
    Some((&name[..second], &name[second + 1..]))
}

fn is_odd(label: &str, settings: &DnsTunnelling) -> bool {
    let long = usize::try_from(settings.label).unwrap_or(usize::MAX);
    label.len() >= long
        || (label.len() >= SHORTEST_RANDOM
            && entropy(label.as_bytes()) >= hundredths(settings.entropy_hundredths))
}

fn hundredths(figure: u64) -> f64 {
    f64::from(u32::try_from(figure).unwrap_or(u32::MAX)) / 100.0
}

/// Shannon's entropy of the bytes, in bits per byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let all = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all)
        .map(|share| -share * share.log2())
        .sum()
}
