//! The smallest policy that covers what a log shows, written for a person to review.
//!
//! Every rule is a product of four lists, so only requests are put together whose product was asked for as a
//! whole. The one thing that is widened are ids: a segment of a path that is a number, a UUID or a hash becomes
//! `*`. What cannot be written exactly is left out and named in a comment.
//!
//! *Invariants:* no wildcard in a method or a host, no `**` in a path; text of the guest stands in quoted
//! scalars and in comments without control characters.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::document::VERSION;
use crate::explain::scalar;
use crate::pattern::Side;
use crate::pattern::binary::BinaryPattern;
use crate::pattern::host::{DestinationPattern, HostPattern};
use crate::pattern::method::MethodPattern;
use crate::pattern::path::{Kind, PathPattern};
use crate::yaml::printable;

/// One request, as a log shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The programs that held the socket.
    pub binaries: Vec<String>,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Method.
    pub method: String,
    /// Canonical path.
    pub path: String,
    /// Keys of the query.
    pub query_keys: Vec<String>,
    /// When, in a form that sorts.
    pub time: String,
    /// Whether it was allowed.
    pub allowed: bool,
}

/// The policy, and what it does not cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// A policy file.
    pub text: String,
    /// Number of its rules.
    pub rules: usize,
    /// Requests that no rule could be written for, and why; each once.
    pub left_out: Vec<String>,
}

/// What was seen of one kind of request.
#[derive(Clone, Debug, Default)]
struct Count {
    allowed: u64,
    denied: u64,
    first: String,
    last: String,
    /// `None`: a key was seen that a condition cannot name.
    keys: Option<BTreeSet<String>>,
}

/// One rule: every program, method and path in it was seen with every other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lists {
    destination: String,
    methods: BTreeSet<String>,
    paths: BTreeSet<String>,
}

/// Owners of one socket, host, path.
type Asked = (BTreeSet<String>, String, String);

/// Owners of one socket, host, methods.
type Alike = (BTreeSet<String>, String, BTreeSet<String>);

/// Writes the policy; `source` is how its first comment calls the log.
pub fn learn(seen: impl IntoIterator<Item = Seen>, source: &str) -> Learned {
    let mut kinds: BTreeMap<Asked, BTreeMap<String, Count>> = BTreeMap::new();
    let mut left_out = BTreeSet::new();
    for seen in seen {
        match entries(&seen) {
            Ok((asked, method)) => kinds.entry(asked).or_default().entry(method).or_default().add(&seen),
            Err(why) => {
                left_out.insert(printable(&format!(
                    "{} {}:{} {}: {why}",
                    seen.method, seen.host, seen.port, seen.path
                )));
            }
        }
    }
    let rules = rules(kinds);
    let left_out: Vec<String> = left_out.into_iter().collect();
    Learned { text: written(&rules, &left_out, source), rules: rules.len(), left_out }
}

/// The entries that stand for a request, or why none can.
fn entries(seen: &Seen) -> Result<(Asked, String), String> {
    if seen.binaries.is_empty() {
        return Err("the program could not be told".to_owned());
    }
    for binary in &seen.binaries {
        let parsed = BinaryPattern::parse(binary, Side::Allow);
        if !binary.starts_with('/')
            || binary.contains(['*', '<'])
            || binary.ends_with(" (deleted)")
            || parsed.is_err()
        {
            return Err("the program has no path that a rule can name".to_owned());
        }
    }
    let destination = match seen.port {
        443 => seen.host.clone(),
        port => format!("{}:{port}", seen.host),
    };
    match DestinationPattern::parse(&destination, Side::Allow) {
        Ok(DestinationPattern { host: HostPattern::Exactly(_), .. }) => {}
        _ => return Err("the host is no name that a rule can say".to_owned()),
    }
    if !matches!(MethodPattern::parse(&seen.method), Ok(MethodPattern::Exactly(_))) {
        return Err("the method is none that a rule can name".to_owned());
    }
    if seen.path.contains('*') || seen.path.ends_with('…') {
        return Err("the path has a '*' of its own, or was cut".to_owned());
    }
    let path = without_ids(&without_marks(&seen.path));
    PathPattern::parse(&path, Kind::Request, Side::Allow).map_err(|error| error.reason)?;
    let binaries = seen.binaries.iter().cloned().collect();
    Ok(((binaries, destination, path), seen.method.clone()))
}

/// The path with `*` for every value that was not recorded: in its place stands what it was, as in `<personal/email-address>`.
/// A canonical path has no other `<`.
fn without_marks(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, marked)) = rest.split_once('<') {
        out.push_str(before);
        // Two next to each other are one: `**` would mean all below.
        if !out.ends_with('*') {
            out.push('*');
        }
        rest = marked.split_once('>').map_or("", |(_mark, behind)| behind);
    }
    out + rest
}

/// The path with `*` for every segment that is an id.
fn without_ids(path: &str) -> String {
    path.split('/').map(|segment| if is_id(segment) { "*" } else { segment }).collect::<Vec<_>>().join("/")
}

/// A number, a UUID, or at least eight hexadecimal digits of which one is a figure.
fn is_id(segment: &str) -> bool {
    let figures = segment.bytes().filter(u8::is_ascii_digit).count();
    let hexadecimal = segment.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<usize> = segment.split('-').map(str::len).collect();
    let uuid =
        groups == [8, 4, 4, 4, 12] && segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let number = figures == segment.len() && figures > 0;
    number || uuid || (hexadecimal && figures > 0 && segment.len() >= 8)
}

impl Count {
    fn add(&mut self, seen: &Seen) {
        if self.first.is_empty() {
            self.keys = Some(BTreeSet::new());
        }
        self.allowed += u64::from(seen.allowed);
        self.denied += u64::from(!seen.allowed);
        if self.first.is_empty() || seen.time < self.first {
            self.first.clone_from(&seen.time);
        }
        if seen.time > self.last {
            self.last.clone_from(&seen.time);
        }
        let plain =
            |key: &String| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        let named = seen.query_keys.iter().all(|key| !key.is_empty() && key.len() < 64 && plain(key));
        // A log keeps so many keys and no more.
        self.keys = self.keys.take().filter(|_keys| named && seen.query_keys.len() < 32);
        if let Some(keys) = &mut self.keys {
            keys.extend(seen.query_keys.iter().cloned());
        }
    }

    fn join(&mut self, other: &Self) {
        let first = self.first.is_empty() || other.first < self.first;
        if first {
            self.first.clone_from(&other.first);
        }
        if other.last > self.last {
            self.last.clone_from(&other.last);
        }
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.keys = match (self.keys.take(), &other.keys) {
            (Some(one), Some(other)) => Some(one.union(other).cloned().collect()),
            _ => None,
        };
    }
}

/// Paths that were asked for with the same methods go together, then programs that asked for the same.
fn rules(kinds: BTreeMap<Asked, BTreeMap<String, Count>>) -> Vec<(Lists, BTreeSet<String>, Count)> {
    let mut by_methods: BTreeMap<Alike, (BTreeSet<String>, Count)> = BTreeMap::new();
    for ((owners, destination, path), methods) in kinds {
        let names = methods.keys().cloned().collect();
        let start = || (BTreeSet::new(), Count { keys: Some(BTreeSet::new()), ..Count::default() });
        let (paths, count) = by_methods.entry((owners, destination, names)).or_insert_with(start);
        paths.insert(path);
        methods.values().for_each(|other| count.join(other));
    }
    let mut by_lists: BTreeMap<Lists, (BTreeSet<String>, Count)> = BTreeMap::new();
    for ((owners, destination, methods), (paths, count)) in by_methods {
        match by_lists.entry(Lists { destination, methods, paths }) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert((owners, count));
            }
            std::collections::btree_map::Entry::Occupied(mut known) => {
                let (binaries, all) = known.get_mut();
                binaries.extend(owners);
                all.join(&count);
            }
        }
    }
    by_lists.into_iter().map(|(lists, (binaries, count))| (lists, binaries, count)).collect()
}

fn written(rules: &[(Lists, BTreeSet<String>, Count)], left_out: &[String], source: &str) -> String {
    let mut text = format!(
        "# Learned from {}. Review every rule: it allows what was asked for, not what is right.\n",
        printable(source)
    );
    for line in left_out {
        let _infallible = writeln!(text, "# not covered: {line}");
    }
    let _infallible = writeln!(text, "version: {VERSION}");
    text.push_str(if rules.is_empty() { "network: []\n" } else { "network:\n" });
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for (lists, binaries, count) in rules {
        let host = lists.destination.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
        let number = numbers.entry(host.clone()).or_default();
        *number += 1;
        text.push_str(&rule(&format!("learned-{host}-{number}"), lists, binaries, count));
    }
    text
}

fn rule(name: &str, lists: &Lists, binaries: &BTreeSet<String>, count: &Count) -> String {
    let list =
        |entries: &BTreeSet<String>| entries.iter().map(|entry| scalar(entry)).collect::<Vec<_>>().join(", ");
    let Count { allowed, denied, first, last, keys } = count;
    let all = allowed + denied;
    let seen = printable(&format!(
        "review: {all} requests ({allowed} allowed, {denied} denied), first {first}, last {last}"
    ));
    let name: String = name.chars().take(100).collect();
    let mut text = format!("  # {seen}\n  - name: {}\n", scalar(&name));
    let levels = [
        ("binary", list(binaries)),
        ("destination", scalar(&lists.destination)),
        ("method", list(&lists.methods)),
        ("path", list(&lists.paths)),
    ];
    for (key, entries) in levels {
        let _infallible = writeln!(text, "    {key}: {{allow: [{entries}]}}");
    }
    match keys {
        Some(keys) if keys.is_empty() => text.push_str("    query: {max_length: 0}\n"),
        Some(keys) => {
            let _infallible = writeln!(text, "    query: {{allow: [{}]}}", list(keys));
        }
        None => text.push_str("    # its query had keys that no condition names: any query is allowed\n"),
    }
    text
}
