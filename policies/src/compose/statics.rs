//! The static half over the layers.

use std::collections::BTreeMap;

use crate::document::{Document, Filesystem, Lists, Process};
use crate::place::{At, Place};

/// The static half of a document and of what it extends.
#[derive(Clone, Debug, Default)]
pub(super) struct Statics {
    filesystem: Option<Filesystem>,
    process: Option<Process>,
}

/// Two policies side by side that say different things.
#[derive(Debug)]
pub(super) struct Conflict {
    pub(super) key: &'static str,
    pub(super) first: Place,
    pub(super) second: Place,
}

impl Statics {
    pub(super) fn of(document: &Document) -> Self {
        Self { filesystem: document.filesystem.clone(), process: document.process.clone() }
    }

    /// Lays this one over those that its document extends.
    pub(super) fn over(self, beneath: Vec<Self>) -> Result<Self, Conflict> {
        let own = self.scalars();
        let mut said: BTreeMap<&'static str, (String, Place)> = BTreeMap::new();
        for (key, (value, place)) in beneath.iter().flat_map(Self::scalars) {
            let before = said.insert(key, (value.clone(), place));
            let Some((earlier, first)) = before else { continue };
            if earlier != value && !own.contains_key(key) {
                return Err(Conflict { key, first, second: place });
            }
        }
        Ok(beneath.into_iter().chain([self]).reduce(Self::merged).unwrap_or_default())
    }

    pub(super) fn into_document(self) -> Document {
        Document { filesystem: self.filesystem, process: self.process, ..Document::default() }
    }

    /// Every single value that is written, by its key, as text.
    fn scalars(&self) -> BTreeMap<&'static str, (String, Place)> {
        let mut all = BTreeMap::new();
        let mut note = |key, written: Option<(String, Place)>| {
            if let Some(written) = written {
                all.insert(key, written);
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
