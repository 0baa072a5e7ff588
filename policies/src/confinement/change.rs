//! What another document would change of the static half, which a running sandbox cannot change.

use super::Workspace;
use crate::document::{Document, Filesystem, Process};
use crate::inbound::OpenPort;
use crate::yaml::LoadErrors;
use wire::confinement::Confinement;

/// Takes one key of the static half over from another document.
type TakeOver = fn(&mut Document, &Document);

/// The keys of the static half, in the order in which they are named. The last two catch what has no line of its own.
const KEYS: [(&str, TakeOver); 15] = [
    ("filesystem.baseline", |to, from| filesystem(to).baseline = filesystem_of(from).baseline),
    ("filesystem.read", |to, from| filesystem(to).read = filesystem_of(from).read),
    ("filesystem.execute", |to, from| filesystem(to).execute = filesystem_of(from).execute),
    ("filesystem.write", |to, from| filesystem(to).write = filesystem_of(from).write),
    ("filesystem.write_execute", |to, from| filesystem(to).write_execute = filesystem_of(from).write_execute),
    ("process.seccomp", |to, from| process(to).seccomp = process_of(from).seccomp),
    ("process.limits.processes", |to, from| {
        process(to).limits.processes = process_of(from).limits.processes;
    }),
    ("process.limits.open_files", |to, from| {
        process(to).limits.open_files = process_of(from).limits.open_files;
    }),
    ("process.user", |to, from| process(to).user = process_of(from).user),
    ("process.executables", |to, from| process(to).executables = process_of(from).executables),
    ("process.limits.memory", |to, from| process(to).limits.memory = process_of(from).limits.memory),
    ("process.limits.file_size", |to, from| process(to).limits.file_size = process_of(from).limits.file_size),
    ("process.limits.cpu_time", |to, from| process(to).limits.cpu_time = process_of(from).limits.cpu_time),
    ("filesystem", |to, from| to.filesystem.clone_from(&from.filesystem)),
    ("process", |to, from| to.process.clone_from(&from.process)),
];

impl Document {
    /// The first key of the static half that `new` would change. A section that `new` does not have is left as it is,
    /// and what is written otherwise but grants the same is no change.
    ///
    /// # Errors
    /// The static half of either does not compile.
    pub fn static_change(
        &self,
        new: &Self,
        workspace: &Workspace,
    ) -> Result<Option<&'static str>, LoadErrors> {
        let old = sorted(self.confinement(workspace)?);
        // As a whole, so that every mistake of the new document is found before its changes.
        new.confinement(workspace)?;
        new.open_ports()?;
        for (key, take_over) in KEYS {
            let absent =
                if key.starts_with("filesystem") { new.filesystem.is_none() } else { new.process.is_none() };
            if absent {
                continue;
            }
            let mut changed = self.clone();
            take_over(&mut changed, new);
            if sorted(changed.confinement(workspace)?) != old {
                return Ok(Some(key));
            }
        }
        let changes_ports = new.inbound.is_some() && by_set(new.open_ports()?) != by_set(self.open_ports()?);
        Ok(changes_ports.then_some("inbound"))
    }
}

/// The order of sources means nothing.
fn by_set(mut ports: Vec<OpenPort>) -> Vec<OpenPort> {
    ports.iter_mut().for_each(|port| port.sources.sort());
    ports
}

/// The order of grants means nothing.
fn sorted(mut confinement: Confinement) -> Confinement {
    confinement.filesystem.sort_by(|left, right| left.path.cmp(&right.path));
    confinement
}

fn filesystem(document: &mut Document) -> &mut Filesystem {
    document.filesystem.get_or_insert_default()
}

fn filesystem_of(document: &Document) -> Filesystem {
    document.filesystem.clone().unwrap_or_default()
}

fn process(document: &mut Document) -> &mut Process {
    document.process.get_or_insert_default()
}

fn process_of(document: &Document) -> Process {
    document.process.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = "version: 1\nfilesystem: {read: [/opt/a, /opt/b], write: [/data]}\n\
                           process: {limits: {processes: 64}}\n";

    fn change(new: &str) -> Option<&'static str> {
        let document = |text: &str| Document::parse(text, "p").unwrap();
        let workspace = Workspace { own: Vec::new(), shared: Vec::new() };
        document(RUNNING).static_change(&document(new), &workspace).unwrap()
    }

    #[test]
    fn the_changed_key_is_named() {
        let same_limits = "process: {limits: {processes: 64}}\n";
        for (new, key) in [
            ("filesystem: {read: [/opt/a], write: [/data]}\n", "filesystem.read"),
            ("filesystem: {read: [/opt/a, /opt/b], write: [/data, /more]}\n", "filesystem.write"),
            ("filesystem: {read: [/opt/a, /opt/b], write: [/data], execute: [/x]}\n", "filesystem.execute"),
            ("filesystem: {}\n", "filesystem.read"),
            ("filesystem: {baseline: none, read: [/opt/a, /opt/b], write: [/data]}\n", "filesystem.baseline"),
            ("process: {limits: {processes: 65}}\n", "process.limits.processes"),
            ("process: {limits: {processes: 64, open_files: 9}}\n", "process.limits.open_files"),
            ("process: {}\n", "process.limits.processes"),
            ("process: {user: dev, limits: {processes: 64}}\n", "process.user"),
            ("process: {limits: {processes: 64, memory: 1GiB}}\n", "process.limits.memory"),
            ("process: {limits: {processes: 64, file_size: 1GiB}}\n", "process.limits.file_size"),
            ("process: {limits: {processes: 64, cpu_time: 10m}}\n", "process.limits.cpu_time"),
            ("process: {executables: {allow: [sh]}, limits: {processes: 64}}\n", "process.executables"),
        ] {
            let new = if new.starts_with('f') {
                format!("version: 1\n{new}{same_limits}")
            } else {
                format!("version: 1\n{new}")
            };
            assert_eq!(change(&new), Some(key), "{new}");
        }
    }

    #[test]
    fn what_grants_the_same_is_no_change() {
        for new in [
            "version: 1\nnetwork: []\n",
            "version: 1\nfilesystem: {read: [/opt/b/, /opt/a], write: [/data], baseline: image}\n",
            "version: 1\nprocess: {limits: {processes: 64, open_files: 65536}, seccomp: agent}\n",
        ] {
            assert_eq!(change(new), None, "{new}");
        }
    }
}
