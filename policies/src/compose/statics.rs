//! What is one value over the layers: the static half, and what variables stand for.

use std::collections::BTreeMap;

use crate::document::{Document, Filesystem, InboundEntry, Lists, OneOrMany, Process};
use crate::place::{At, Place};

/// What variables stand for.
pub(super) type Definitions = BTreeMap<String, At<OneOrMany>>;

/// The static half of a document and of what it extends, and their variables.
#[derive(Clone, Debug, Default)]
pub(super) struct Statics {
    filesystem: Option<Filesystem>,
    process: Option<Process>,
    inbound: Option<Vec<At<InboundEntry>>>,
    pub(super) variables: Definitions,
}

/// Two policies side by side that say different things.
#[derive(Debug)]
pub(super) struct Conflict {
    pub(super) key: String,
    pub(super) first: Place,
    pub(super) second: Place,
}

impl Statics {
    pub(super) fn of(document: &Document) -> Self {
        Self {
            filesystem: document.filesystem.clone(),
            process: document.process.clone(),
            inbound: document.inbound.clone(),
            variables: document.variables.clone(),
        }
    }

    /// Lays this one over those that its document extends.
    pub(super) fn over(self, beneath: Vec<Self>) -> Result<Self, Conflict> {
        let own = self.scalars();
        let mut said: BTreeMap<String, (String, Place)> = BTreeMap::new();
        for (key, (value, place)) in beneath.iter().flat_map(Self::scalars) {
            let before = said.insert(key.clone(), (value.clone(), place));
            let Some((earlier, first)) = before else { continue };
            if earlier != value && !own.contains_key(&key) {
                return Err(Conflict { key, first, second: place });
            }
        }
        Ok(beneath.into_iter().chain([self]).reduce(Self::merged).unwrap_or_default())
    }

    pub(super) fn into_document(self) -> Document {
        let Self { filesystem, process, inbound, .. } = self;
        Document { filesystem, process, inbound, ..Document::default() }
    }

    /// Every single value that is written, by its key, as text.
    fn scalars(&self) -> BTreeMap<String, (String, Place)> {
        let variable = |(name, At { value: OneOrMany(values), place }): (&String, &At<OneOrMany>)| {
            let values: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
            (format!("variables.{name}"), (values.join(", "), *place))
        };
        let mut all: BTreeMap<String, (String, Place)> = self.variables.iter().map(variable).collect();
        let mut note = |key: &str, written: Option<(String, Place)>| {
            if let Some(written) = written {
                all.insert(key.to_owned(), written);
            }
        };
        note("filesystem.baseline", self.filesystem.as_ref().and_then(|f| text(f.baseline.as_ref())));
        if let Some(process) = &self.process {
            note("process.user", text(process.user.as_ref()));
            note("process.seccomp", text(process.seccomp.as_ref()));
            note("process.limits.processes", text(process.limits.processes.as_ref()));
            note("process.limits.open_files", text(process.limits.open_files.as_ref()));
            note("process.limits.memory", text(process.limits.memory.as_ref()));
            note("process.limits.file_size", text(process.limits.file_size.as_ref()));
            note("process.limits.cpu_time", text(process.limits.cpu_time.as_ref()));
        }
        all
    }

    fn merged(self, later: Self) -> Self {
        Self {
            filesystem: merged(self.filesystem, later.filesystem, filesystem),
            process: merged(self.process, later.process, process),
            inbound: merged(self.inbound, later.inbound, inbound),
            variables: self.variables.into_iter().chain(later.variables).collect(),
        }
    }
}

fn merged<T>(earlier: Option<T>, later: Option<T>, both: impl Fn(T, T) -> T) -> Option<T> {
    match (earlier, later) {
        (Some(earlier), Some(later)) => Some(both(earlier, later)),
        (one, other) => one.or(other),
    }
}

fn filesystem(earlier: Filesystem, later: Filesystem) -> Filesystem {
    Filesystem {
        baseline: later.baseline.or(earlier.baseline),
        read: united(earlier.read, later.read),
        execute: united(earlier.execute, later.execute),
        write: united(earlier.write, later.write),
        write_execute: united(earlier.write_execute, later.write_execute),
    }
}

fn process(earlier: Process, later: Process) -> Process {
    let (before, after) = (earlier.limits, later.limits);
    Process {
        user: later.user.or(earlier.user),
        seccomp: later.seccomp.or(earlier.seccomp),
        limits: crate::document::Limits {
            processes: after.processes.or(before.processes),
            open_files: after.open_files.or(before.open_files),
            memory: after.memory.or(before.memory),
            file_size: after.file_size.or(before.file_size),
            cpu_time: after.cpu_time.or(before.cpu_time),
        },
        executables: merged(earlier.executables, later.executables, executables),
    }
}

/// What any layer allows and none denies. A layer without the section adds nothing, and does not lift it.
fn executables(earlier: At<Lists>, later: At<Lists>) -> At<Lists> {
    let lists = Lists {
        allow: united(earlier.value.allow, later.value.allow),
        deny: united(earlier.value.deny, later.value.deny),
    };
    At { value: lists, place: later.place }
}

/// By name, and the later wins as a whole: an earlier entry's sources would otherwise widen it.
fn inbound(mut earlier: Vec<At<InboundEntry>>, later: Vec<At<InboundEntry>>) -> Vec<At<InboundEntry>> {
    let name = |entry: &At<InboundEntry>| entry.value.name.as_ref().map(|name| name.value.clone());
    earlier.retain(|entry| !later.iter().any(|other| name(other).is_some() && name(other) == name(entry)));
    earlier.extend(later);
    earlier
}

pub(super) fn united(mut earlier: Vec<At<String>>, later: Vec<At<String>>) -> Vec<At<String>> {
    for entry in later {
        if !earlier.iter().any(|known| known.value == entry.value) {
            earlier.push(entry);
        }
    }
    earlier
}

fn text<T: std::fmt::Debug>(written: Option<&At<T>>) -> Option<(String, Place)> {
    written.map(|At { value, place }| (format!("{value:?}"), *place))
}
