//! `filesystem_policy`, `landlock`, `process` → our static half.
//!
//! Verified in OpenShell's Landlock module: `read_only` grants reading and executing
//! (`AccessFs::from_read`), `read_write` everything (`AccessFs::from_all`). Its reference: what is not listed
//! is not accessible; without `filesystem_policy` the working directory is granted; a policy with network
//! rules gets the paths in [`ADDED_READ`] and [`ADDED_WRITE`] unless it lists them.

use super::lint::Lint;
use super::report::{Report, Site};
use super::schema::{FilesystemPolicy, PolicyFile};
use crate::confinement::canonical_path;
use crate::document::{Baseline, Filesystem};
use crate::place::At;

const ADDED_READ: [&str; 7] = ["/usr", "/lib", "/etc", "/app", "/var/log", "/proc", "/dev/urandom"];
const ADDED_WRITE: [&str; 2] = ["/tmp", "/dev/null"];

/// Our filesystem section.
pub(super) fn filesystem(policy: &PolicyFile, report: &mut Report<'_>) -> Filesystem {
    let standard = FilesystemPolicy { include_workdir: true, ..FilesystemPolicy::default() };
    let (section, place) = policy
        .filesystem_policy
        .as_ref()
        .map_or((&standard, policy.version.place), |at| (&at.value, at.place));
    let site = Site::new(place, "filesystem_policy");
    if !section.include_workdir {
        let message = "the working directory and the mounts of agent.yaml are granted beside the policy";
        let remedy = "let 'workdir' in agent.yaml be a directory that the agent may write";
        report.note(&site, Lint::WorkdirGranted, message, remedy);
    }
    let mut filesystem = Filesystem { baseline: Some(At::nowhere(Baseline::None)), ..Filesystem::default() };
    filesystem.execute = paths(&section.read_only, "read_only", report);
    filesystem.write_execute = paths(&section.read_write, "read_write", report);
    if !policy.network_policies.0.is_empty() {
        add_baseline(&mut filesystem, &site, report);
    }
    filesystem
}

/// Reports what `landlock`, `process` and `inference` say that is not said here.
pub(super) fn note_others(policy: &PolicyFile, report: &mut Report<'_>) {
    if let Some(At { value, place }) = &policy.landlock {
        let known = ["best_effort", "hard_requirement"];
        if report.choose("landlock.compatibility", value.compatibility.as_ref(), &known) != Some(known[1]) {
            let message =
                "confinement is always required here: a session that cannot be confined does not start";
            let site = Site::new(*place, "landlock");
            report.note(&site, Lint::LandlockRequired, message, "nothing to do");
        }
    }
    if let Some(At { value, place }) = &policy.process
        && (value.run_as_user.is_some() || value.run_as_group.is_some())
    {
        let message =
            "the agent runs as its own user, who is never root; other names and numbers are left out";
        report.note(&Site::new(*place, "process"), Lint::RunAsUser, message, "nothing to do");
    }
    if let Some(inference) = &policy.inference {
        let message = "routes of inference are not part of an imported policy: left out";
        let remedy = "write a rule for the service that answers";
        report.note(&Site::new(inference.place, "inference"), Lint::InferenceLeftOut, message, remedy);
    }
}

fn paths(list: &[At<String>], key: &str, report: &mut Report<'_>) -> Vec<At<String>> {
    let mut kept = Vec::new();
    for path in list {
        match canonical_path(&path.value) {
            Ok(_canonical) => kept.push(path.clone()),
            Err((reason, remedy)) => {
                let site = Site::new(path.place, format!("filesystem_policy.{key}"));
                report.note(&site, Lint::FilesystemLeftOut, format!("left out: {reason}"), remedy);
            }
        }
    }
    kept
}

fn add_baseline(filesystem: &mut Filesystem, site: &Site, report: &mut Report<'_>) {
    let listed = |path: &str, filesystem: &Filesystem| {
        let lists = filesystem.execute.iter().chain(&filesystem.write_execute);
        lists.map(|at| at.value.trim_end_matches('/')).any(|known| known == path)
    };
    let mut added = Vec::new();
    for path in ADDED_READ.into_iter().filter(|path| !listed(path, filesystem)).collect::<Vec<_>>() {
        filesystem.execute.push(At::nowhere(path.to_owned()));
        added.push(path);
    }
    for path in ADDED_WRITE.into_iter().filter(|path| !listed(path, filesystem)).collect::<Vec<_>>() {
        filesystem.write_execute.push(At::nowhere(path.to_owned()));
        added.push(path);
    }
    if !added.is_empty() {
        let message =
            format!("OpenShell adds {} to a policy with network rules: so does the import", added.join(", "));
        report.note(site, Lint::BaselineAdded, message, "remove what the agent does not need");
    }
}
