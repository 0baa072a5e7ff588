//! The static half of a document → [`wire::confinement::Confinement`], which the guest performs once.

mod change;
#[cfg(test)]
mod tests;

use wire::confinement::{Confinement, Limits, PathAccess, PathRule};

use crate::document::{self, Baseline, Document, Filesystem};
use crate::place::At;
use crate::yaml::{self, LoadError, LoadErrors};

/// What programs of the base image need; the file says why for each path.
pub const BASELINE: &str = include_str!("../baseline.yaml");

const MAX_LIMIT: u64 = 1 << 20;

/// What the confinement depends on beside the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// User id of the agent.
    pub uid: u32,
    /// Group id of the agent.
    pub gid: u32,
    /// Directories that are the agent's own: its working directory, its read-write mounts. It may read,
    /// write and execute beneath them.
    pub own: Vec<String>,
    /// Directories that it may read and execute: its read-only mounts.
    pub shared: Vec<String>,
}

impl Document {
    /// Compiles the static half.
    ///
    /// # Errors
    /// A part that is not enforced, a path that is not absolute and canonical, or a limit out of range.
    pub fn confinement(&self, workspace: &Workspace) -> Result<Confinement, LoadErrors> {
        self.check_parts()?;
        self.check_resolved()?;
        let mut found = Vec::new();
        let mut paths = Paths::default();
        let section = self.filesystem.clone().unwrap_or_default();
        if section.baseline.as_ref().is_none_or(|written| written.value == Baseline::Image) {
            paths.add_all(&baseline()?, self, &mut Vec::new());
        }
        paths.add_all(&section, self, &mut found);
        workspace.shared.iter().for_each(|path| paths.grant(path, PathAccess::ReadExecute));
        workspace.own.iter().for_each(|path| paths.grant(path, PathAccess::ReadWriteExecute));
        let process = self.process.clone().unwrap_or_default();
        let limits = limits(&process.limits, self, &mut found);
        if let Some(errors) = LoadErrors::from_found(found) {
            return Err(errors);
        }
        let (uid, gid) = (workspace.uid, workspace.gid);
        let seccomp = process.seccomp.map(|written| written.value).unwrap_or_default();
        Ok(Confinement { uid, gid, filesystem: paths.0, seccomp, limits })
    }
}

/// Grants in the order in which they were made; one for each path.
#[derive(Default)]
struct Paths(Vec<PathRule>);

impl Paths {
    fn add_all(&mut self, section: &Filesystem, document: &Document, found: &mut Vec<LoadError>) {
        let lists = [
            ("read", &section.read, PathAccess::Read),
            ("execute", &section.execute, PathAccess::ReadExecute),
            ("write", &section.write, PathAccess::ReadWrite),
            ("write_execute", &section.write_execute, PathAccess::ReadWriteExecute),
        ];
        for (key, list, access) in lists {
            for At { value, place } in list {
                match canonical_path(value) {
                    Ok(path) => self.grant(path, access),
                    Err((reason, remedy)) => {
                        let error = document.mistake(*place, reason, remedy);
                        found.push(error.about(format!("filesystem.{key}")));
                    }
                }
            }
        }
    }

    fn grant(&mut self, path: &str, access: PathAccess) {
        match self.0.iter_mut().find(|rule| rule.path == path) {
            Some(rule) => rule.access = union(rule.access, access),
            None => self.0.push(PathRule { path: path.to_owned(), access }),
        }
    }
}

fn baseline() -> Result<Filesystem, LoadError> {
    yaml::parse(BASELINE, "policies/baseline.yaml")
}

fn union(left: PathAccess, right: PathAccess) -> PathAccess {
    use PathAccess::{Read, ReadExecute, ReadWrite, ReadWriteExecute};
    match (left, right) {
        (Read, other) | (other, Read) => other,
        (ReadExecute, ReadExecute) => ReadExecute,
        (ReadWrite, ReadWrite) => ReadWrite,
        _ => ReadWriteExecute,
    }
}

/// The path in the form that the kernel compares, or why it is none, and what to write.
pub(crate) fn canonical_path(path: &str) -> Result<&str, (String, String)> {
    if path.contains('*') {
        let remedy = "name a directory: the grant covers everything beneath it".to_owned();
        return Err((format!("'{path}' has a wildcard"), remedy));
    }
    if !path.starts_with('/') {
        return Err((format!("'{path}' is not an absolute path"), format!("write '/{path}'")));
    }
    let plain = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
    let odd = |segment: &str| matches!(segment, "" | "." | "..") || segment.contains(char::is_control);
    if plain.len() > 1 && plain[1..].split('/').any(odd) {
        let reason = format!("{path:?} has an empty, '.' or '..' segment, or a control character");
        return Err((reason, "write the path without it".to_owned()));
    }
    Ok(plain)
}

fn limits(written: &document::Limits, document: &Document, found: &mut Vec<LoadError>) -> Limits {
    let standard = Limits::default();
    let mut pick = |key: &str, limit: &Option<At<u64>>, otherwise: u64| {
        let Some(At { value, place }) = limit else { return otherwise };
        if !(1..=MAX_LIMIT).contains(value) {
            let remedy = format!("write a number from 1 to {MAX_LIMIT}");
            let error = document.mistake(*place, format!("{value} is out of range"), remedy);
            found.push(error.about(format!("process.limits.{key}")));
        }
        *value
    };
    Limits {
        processes: pick("processes", &written.processes, standard.processes),
        open_files: pick("open_files", &written.open_files, standard.open_files),
    }
}
