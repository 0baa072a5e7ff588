//! The static half of a document → [`wire::confinement::Confinement`], which the guest performs once.

mod change;
mod executables;
mod process;
#[cfg(test)]
mod tests;

use wire::confinement::{Confinement, PathAccess, PathRule, SeccompProfile, User};

use crate::document::{Baseline, Document, Filesystem};
use crate::place::{At, Place};
use crate::yaml::{self, LoadError, LoadErrors};

/// What programs of the base image need; the file says why for each path.
pub const BASELINE: &str = include_str!("../baseline.yaml");

/// Files about processes: the agent's user has its own.
const PROCESSES: &str = "/proc";

/// What the confinement depends on beside the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
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
        let mut mistakes = Mistakes { document: self, found: Vec::new() };
        let process = self.process.clone().unwrap_or_default();
        let user = process::user(process.user.as_ref(), &mut mistakes);
        let mut paths = Paths::default();
        let section = self.filesystem.clone().unwrap_or_default();
        if section.baseline.as_ref().is_none_or(|written| written.value == Baseline::Image) {
            paths.add_baseline(&user)?;
        }
        paths.add_all(&section, &mut mistakes);
        workspace.shared.iter().for_each(|path| paths.grant(path, PathAccess::ReadExecute));
        workspace.own.iter().for_each(|path| paths.grant(path, PathAccess::ReadWriteExecute));
        let limits = process::limits(&process.limits, &mut mistakes);
        let executables =
            process.executables.as_ref().map(|lists| executables::compile(lists, &mut mistakes));
        if let Some(errors) = LoadErrors::from_found(mistakes.found) {
            return Err(errors);
        }
        let seccomp = process.seccomp.map(|profile| profile.value).unwrap_or_default();
        if seccomp == SeccompProfile::Developer {
            // Who is who in a user namespace is written to a file of the process that made it.
            paths.grant(PROCESSES, PathAccess::ReadWrite);
        }
        Ok(Confinement { user, filesystem: paths.0, seccomp, limits, executables })
    }
}

/// What is wrong with the static half.
struct Mistakes<'a> {
    document: &'a Document,
    found: Vec<LoadError>,
}

impl Mistakes<'_> {
    fn add(&mut self, key: &str, place: Place, reason: impl Into<String>, remedy: impl Into<String>) {
        let error = self.document.mistake(place, reason, remedy);
        self.found.push(error.about(key));
    }
}

/// Grants in the order in which they were made; one for each path.
#[derive(Default)]
struct Paths(Vec<PathRule>);

impl Paths {
    /// The baseline's home directory is that of the standard user; the agent's own takes its place.
    fn add_baseline(&mut self, user: &User) -> Result<(), LoadError> {
        let standard = User::default().home;
        for (_key, list, access) in lists(&baseline()?) {
            for At { value, .. } in list {
                self.grant(if *value == standard { &user.home } else { value }, access);
            }
        }
        Ok(())
    }

    fn add_all(&mut self, section: &Filesystem, mistakes: &mut Mistakes<'_>) {
        for (key, list, access) in lists(section) {
            for At { value, place } in list {
                match canonical_path(value) {
                    Ok(path) => self.grant(path, access),
                    Err((reason, remedy)) => {
                        mistakes.add(&format!("filesystem.{key}"), *place, reason, remedy);
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

fn lists(section: &Filesystem) -> [(&'static str, &[At<String>], PathAccess); 4] {
    [
        ("read", &section.read, PathAccess::Read),
        ("execute", &section.execute, PathAccess::ReadExecute),
        ("write", &section.write, PathAccess::ReadWrite),
        ("write_execute", &section.write_execute, PathAccess::ReadWriteExecute),
    ]
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
