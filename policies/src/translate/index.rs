//! Rule numbers by host and port, so that nobody has to go over all rules.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::pattern::Side;

/// Destination patterns, by what they end in.
#[derive(Debug, Default, Serialize)]
pub(super) struct HostIndex {
    exactly: BTreeMap<String, Node>,
    one_label_before: BTreeMap<String, Node>,
    any_depth_before: BTreeMap<String, Node>,
}

/// The rules at one name, by port.
#[derive(Debug, Default, Serialize)]
struct Node {
    ports: BTreeMap<String, Vec<usize>>,
    ranges: Vec<(u16, u16, usize)>,
    every: Vec<usize>,
}

impl HostIndex {
    /// `text` is a destination that the policy was compiled with.
    pub(super) fn insert(&mut self, rule: usize, text: &str, side: Side) {
        let address_end = text.find(']').unwrap_or(0);
        let colon = text[address_end..].find(':').map(|at| address_end + at);
        let (host, ports) = colon.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
        let by_name = if let Some(name) = host.strip_prefix("**.") {
            self.any_depth_before.entry(name.to_owned())
        } else if let Some(name) = host.strip_prefix("*.") {
            match side {
                Side::Allow => self.one_label_before.entry(name.to_owned()),
                Side::Deny => self.any_depth_before.entry(name.to_owned()),
            }
        } else {
            self.exactly.entry(host.to_owned())
        };
        let node = by_name.or_default();
        match (ports, ports.split_once('-'), side) {
            ("", _, Side::Deny) => node.every.push(rule),
            ("", _, Side::Allow) => node.ports.entry("443".to_owned()).or_default().push(rule),
            (_, Some((first, last)), _) => {
                if let (Ok(first), Ok(last)) = (first.parse(), last.parse()) {
                    node.ranges.push((first, last, rule));
                }
            }
            (port, None, _) => node.ports.entry(port.to_owned()).or_default().push(rule),
        }
    }
}
