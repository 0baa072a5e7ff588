//! Finding the few rules that speak about a host, and whether any rule speaks about a program, without
//! going over all rules.

use std::collections::HashSet;

use rustc_hash::FxHashMap;

use crate::pattern::binary::{BinaryPattern, program_name_candidates};
use crate::pattern::host::{DestinationPattern, HostPattern, Ports};

/// Destination patterns, by the name that they end in.
#[derive(Debug, Default)]
pub(crate) struct HostIndex {
    /// What hashes it need not withstand chosen keys: these are the policy's, not those of who asks.
    by_name: FxHashMap<Box<str>, Suffix>,
    /// Length of the shortest name after a wildcard, if there is one.
    shortest_wild: Option<usize>,
}

/// A pattern's rule, and the ports on which it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) rule: usize,
    pub(crate) ports: Ports,
}

/// The patterns that end in one name.
#[derive(Debug, Default)]
struct Suffix {
    exactly: Vec<Entry>,
    one_label_before: Vec<Entry>,
    any_depth_before: Vec<Entry>,
}

/// Every program that some rule allows.
#[derive(Debug, Default)]
pub(crate) struct ProgramIndex {
    names: HashSet<Box<str>>,
    paths: Vec<BinaryPattern>,
}

impl HostIndex {
    pub(crate) fn insert(&mut self, rule: usize, pattern: &DestinationPattern) {
        let entry = Entry { rule, ports: pattern.ports };
        if let HostPattern::OneLabelBefore(name) | HostPattern::AnyDepthBefore(name) = &pattern.host {
            self.shortest_wild = Some(self.shortest_wild.map_or(name.len(), |len| len.min(name.len())));
        }
        match &pattern.host {
            HostPattern::Exactly(name) => self.suffix(name).exactly.push(entry),
            HostPattern::OneLabelBefore(name) => self.suffix(name).one_label_before.push(entry),
            HostPattern::AnyDepthBefore(name) => self.suffix(name).any_depth_before.push(entry),
        }
    }

    /// The patterns that match a canonical host, on whatever port. A rule comes more than once if
    /// several of its patterns match.
    pub(crate) fn entries<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Entry> {
        let exact = self.by_name.get(host).into_iter().flat_map(|suffix| &suffix.exactly);
        let last_start = self.shortest_wild.map_or(0, |len| (host.len() + 1).saturating_sub(len));
        // Bytes, here and wherever a decision passes: looking for a `char` costs more than names are long.
        let starts = (1..last_start).filter(|start| host.as_bytes()[start - 1] == b'.');
        let wild = starts.enumerate().flat_map(move |(depth, start)| {
            let suffix = self.by_name.get(&host[start..]);
            let one = suffix.filter(|_suffix| depth == 0).into_iter().flat_map(|s| &s.one_label_before);
            one.chain(suffix.into_iter().flat_map(|s| &s.any_depth_before))
        });
        exact.chain(wild)
    }

    fn suffix(&mut self, name: &str) -> &mut Suffix {
        self.by_name.entry(name.into()).or_default()
    }
}

impl ProgramIndex {
    pub(crate) fn insert(&mut self, pattern: &BinaryPattern) {
        match pattern {
            BinaryPattern::Name { name, .. } => {
                self.names.insert(name.clone());
            }
            path if self.paths.contains(path) => {}
            path => self.paths.push(path.clone()),
        }
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        program_name_candidates(path).any(|name| self.names.contains(name))
            || self.paths.iter().any(|pattern| pattern.matches(path))
    }
}
