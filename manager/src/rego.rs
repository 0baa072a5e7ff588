//! `inference.rego`: modules of the operator's that make decisions about model calls stricter, in agent.yaml or in files that
//! it names.
//!
//! Read and checked before anything starts. A mistake is told with file and line.

use std::path::{Path, PathBuf};

use policies::document::{RegoEntries, RegoEntry};
use policies::place::{At, Place};
use policies::rego::routing::{RouteMistake, RouteModules};
use policies::yaml::LoadError;
use wire::router::RegoModule;

use crate::failure::Failure;
use crate::policy_files;

/// Reads the modules of the agent.yaml `agent`, beneath `base`; gives back the files that they are in.
///
/// # Errors
/// One cannot be read, or cannot be used: the failure names file, line and module.
pub(crate) fn read(entries: &mut RegoEntries, agent: &str, base: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files: Vec<Option<PathBuf>> = entries
        .0
        .iter_mut()
        .map(|entry| fill(entry, agent, base))
        .collect::<Result<_, LoadError>>()
        .map_err(|error| failure(&error))?;
    RouteModules::load(&modules(entries)).map_err(|mistake| {
        let file = files.get(mistake.index).and_then(Option::as_deref);
        failure(&explain(entries, (agent, file), mistake))
    })?;
    Ok(files.into_iter().flatten().collect())
}

/// The modules, once they are read.
pub(crate) fn modules(entries: &RegoEntries) -> Vec<RegoModule> {
    let text = |text: &Option<At<String>>| text.as_ref().map(|text| text.value.clone()).unwrap_or_default();
    entries
        .0
        .iter()
        .map(|At { value, .. }| RegoModule { name: text(&value.name), text: text(&value.text) })
        .collect()
}

/// Reads a module's file, and refuses what only the modules of a policy have.
fn fill(entry: &mut At<RegoEntry>, agent: &str, base: &Path) -> Result<Option<PathBuf>, LoadError> {
    let At { value, place } = entry;
    let wrong = |place: Place, reason: &str, remedy: &str| {
        Err(LoadError::new(agent, place, reason, remedy).about("inference.rego"))
    };
    if let Some(mode) = &value.mode {
        return wrong(mode.place, "a module for model calls has no 'mode'", "remove it: it can only be stricter");
    }
    if let Some(within) = value.within.first() {
        return wrong(within.place, "a module for model calls has no 'within'", "remove it: see `input.cloud`");
    }
    if value.name.is_none() {
        return wrong(*place, "the module has no name", "add 'name: …': the audit log uses it");
    }
    match (&value.file, &value.text) {
        (Some(file), Some(_text)) => {
            wrong(file.place, "the module has a 'file' and a 'text'", "keep one of the two")
        }
        (None, None) => wrong(*place, "the module has no text", "add 'file: ./NAME.rego' or 'text: |'"),
        (None, Some(_text)) => Ok(None),
        (Some(file), None) => {
            let path = base.join(&file.value);
            let text = policy_files::read(&path).map_err(|failure| {
                LoadError::new(agent, file.place, failure.cause, "name a Rego file that can be read")
                    .about("inference.rego")
            })?;
            value.text = Some(At { value: text, place: file.place });
            value.file = None;
            Ok(Some(path))
        }
    }
}

/// A mistake in a file is told there, and one in a text of agent.yaml at the text.
fn explain(
    RegoEntries(entries): &RegoEntries,
    (agent, file): (&str, Option<&Path>),
    mistake: RouteMistake,
) -> LoadError {
    let RouteMistake { index, at, reason, remedy } = mistake;
    let entry = entries.get(index);
    let text = entry.and_then(|entry| entry.value.text.as_ref()).map(|text| text.place);
    let place = text.or(entry.map(|entry| entry.place)).unwrap_or_default();
    match (file, at) {
        (Some(file), Some((line, column))) => {
            LoadError::new(&file.display().to_string(), Place { line, column, ..place }, reason, remedy)
        }
        (None, Some((line, column))) => {
            let reason = format!("line {line}, column {column}: {reason}");
            LoadError::new(agent, place, reason, remedy).about("inference.rego")
        }
        (_, None) => LoadError::new(agent, place, reason, remedy).about("inference.rego"),
    }
}

fn failure(error: &LoadError) -> Failure {
    Failure::new(error, error.remedy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    fn parsed(directory: &Path, rego: &str) -> Result<Spec, Failure> {
        let text = format!("version: 1\nname: a\nimage: base\ncommand: [x]\ninference:\n  rego: {rego}\n");
        let path = directory.join("agent.yaml");
        std::fs::write(&path, &text).unwrap();
        Spec::parse(&path, &text)
    }

    #[test]
    fn modules_are_read_from_here_and_from_files() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("night.rego");
        std::fs::write(&file, "route = \"local\"").unwrap();
        let one = parsed(directory.path(), "{name: night, file: ./night.rego}").unwrap();
        let inference = one.inference.as_ref().unwrap();
        let night = RegoModule { name: "night".to_owned(), text: "route = \"local\"".to_owned() };
        assert_eq!(inference.modules(), [night.clone()]);
        // A live mount does not let the agent write what the next run would believe.
        assert!(one.believed().iter().any(|path| path.ends_with("night.rego")), "{:?}", one.believed());
        // What was read is what the run is recorded by.
        assert!(one.text().unwrap().contains("route = "));
        let list = "[{name: night, file: night.rego}, {name: b, text: 'route = \"pass\"'}]";
        let two = parsed(directory.path(), list).unwrap().inference.unwrap().modules();
        assert_eq!((two.len(), &two[0], two[1].name.as_str()), (2, &night, "b"));
    }

    #[test]
    fn a_mistake_is_told_with_file_line_and_remedy() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("bad.rego"), "default route = \"pass\"\nroute = \"clod\" { true }")
            .unwrap();
        for (rego, cause) in [
            ("{name: m, file: bad.rego}", "bad.rego:2:1: module 'm': 'clod' is no word for a call"),
            ("{name: m, text: 'allow = true'}", "line 1, column 1: module 'm': the module has no rule 'route'"),
            ("{name: m, text: 'route {'}", "agent.yaml:6:"),
            ("{name: m, file: gone.rego}", "gone.rego"),
            ("{name: m}", "agent.yaml:6:9: inference.rego: the module has no text"),
            ("{text: 'route = \"pass\"'}", "the module has no name"),
            ("{name: m, text: x, file: y}", "has a 'file' and a 'text'"),
            ("{name: m, mode: narrow, text: x}", "has no 'mode'"),
            ("{name: 'a b', text: 'route = \"pass\"'}", "a module's name has"),
            ("{name: m, txet: x}", "txet"),
        ] {
            let failure = parsed(directory.path(), rego).expect_err(rego);
            assert!(failure.cause.contains(cause), "{rego}: {failure:?}");
            assert!(!failure.remedy.is_empty() && !failure.cause.contains('\n'), "{failure:?}");
        }
    }
}
