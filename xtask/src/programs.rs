//! The test programs: those of single crates run here, those that need a real KVM run where one is.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::vec::IntoIter;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::place::Place;
use crate::report::{Log, Report, Step, Taken, count_tests};
use crate::workspace::{Workspace, cargo};

/// The packages whose tests boot machines, or need root and what the guest's kernel has.
const ON_KVM: [&str; 4] = ["scenarios", "isolation", "vmm", "guest-init"];
/// The programs that take longest, which start first: no place is to wait at the end for one that the other began late.
const LONGEST: [&str; 5] = ["restart", "executables", "detach", "standing", "image"];
/// How long one test program may take: several times what the longest takes.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Memory of the lab: its own files, the test and a few microVMs.
const LAB_MEMORY: u32 = 6144;

/// A built test program.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    name: String,
    file: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
}

/// A line of cargo's messages, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds and runs all tests that need no KVM; returns the summary.
pub(crate) fn test_crates(workspace: &Workspace, log: &Log) -> Result<String> {
    let mut test = cargo();
    test.args(["test", "--release", "--workspace", "--locked", "--no-fail-fast"]);
    test.args(ON_KVM.iter().flat_map(|package| ["--exclude", package]));
    count_tests(&log.run(test.current_dir(&workspace.root))?)
}

/// Builds the tests that need KVM and runs each as one step of the report: one after the other on this machine's KVM,
/// whose processes and mounts scenarios count; side by side in as many labs as the machine has room for.
pub(crate) fn test_on_kvm(workspace: &Workspace, report: &mut Report) {
    let mut programs = Vec::new();
    report.step("scenarios built", |log| {
        programs = build(workspace, log)?;
        ensure!(!programs.is_empty(), "there are none");
        Ok(format!("{} programs", programs.len()))
    });
    let mut places = Vec::new();
    report.step("scenarios machine", |_| {
        places = Place::find(LAB_MEMORY)?;
        Ok(format!("scenarios run {}", Place::names(&places)))
    });
    let steps: Vec<(Step, Program)> =
        programs.into_iter().filter_map(|program| Some((report.plan(&program.step())?, program))).collect();
    let waiting = Mutex::new(steps.into_iter());
    std::thread::scope(|scope| {
        let (sender, taken) = mpsc::channel();
        for place in places {
            let (sender, waiting) = (sender.clone(), &waiting);
            scope.spawn(move || work(place, waiting, &sender));
        }
        drop(sender);
        for step in taken {
            report.note(step);
        }
    });
    for (_step, program) in waiting.into_inner().unwrap_or_else(PoisonError::into_inner) {
        report.missed(&program.step(), "no machine with KVM is left");
    }
}

/// Takes steps that wait, in one place, while there are some and the place can be used.
fn work(mut place: Place, waiting: &Mutex<IntoIter<(Step, Program)>>, taken: &Sender<Taken>) {
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    while !place.is_lost()
        && let Some((step, program)) = next()
    {
        let _reported_to_the_end = taken.send(step.take(|log| program.run(&mut place, log)));
    }
}

impl Program {
    /// When it is its turn: in the order of [`LONGEST`], then of names.
    fn turn(&self) -> (usize, String) {
        let first = LONGEST.iter().position(|name| *name == self.name);
        (first.unwrap_or(LONGEST.len()), self.name.clone())
    }

    /// What its step is called.
    fn step(&self) -> String {
        match self.folder.file_name().and_then(|folder| folder.to_str()) {
            Some("scenarios") | None => format!("scenarios {}", self.name),
            Some(package) => format!("scenarios {package} {}", self.name),
        }
    }

    fn run(&self, place: &mut Place, log: &Log) -> Result<String> {
        // One after the other: scenarios count what a run leaves on the machine.
        let argv = [self.file.display().to_string(), "--test-threads=1".to_owned()];
        let passed = place.run(&argv, &self.folder, LIMIT, log).and_then(|output| count_tests(&output));
        // What it left behind must fail no other program.
        passed.map_err(|failure| match place.renew() {
            Ok(()) => failure,
            Err(error) => failure.context(format!("no other lab starts ({error:#}) after this")),
        })
    }
}

/// Builds the test programs and lists those that need KVM. All are built, of which the others are there already:
/// a choice of packages would be a choice of their dependencies' features, and compile those once more.
fn build(workspace: &Workspace, log: &Log) -> Result<Vec<Program>> {
    let mut test = cargo();
    test.args(["test", "--release", "--workspace", "--locked", "--no-run", "--message-format=json"]);
    let built = log.run(test.current_dir(&workspace.root))?;
    let mut programs: Vec<Program> = built.lines().filter_map(program).filter(needs_kvm).collect();
    programs.sort_by_key(Program::turn);
    Ok(programs)
}

/// Whether it is of a package of [`ON_KVM`]; a package lies in a folder of its name.
fn needs_kvm(program: &Program) -> bool {
    program.folder.file_name().is_some_and(|folder| ON_KVM.iter().any(|package| folder == *package))
}

/// The test program that a line of cargo's messages tells of.
fn program(line: &str) -> Option<Program> {
    let message: Message = serde_json::from_str(line).ok()?;
    let is_test = message.reason == "compiler-artifact" && message.profile?.test;
    let folder = message.manifest_path.as_deref().and_then(Path::parent)?.to_owned();
    is_test.then_some(())?;
    Some(Program { name: message.target?.name, file: message.executable?, folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_found_in_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/w/s/Cargo.toml","target":{"name":"run"},
            "profile":{"test":true,"opt_level":"3"},"executable":"/t/run-1"}"#;
        let expected = Program { name: "run".into(), file: "/t/run-1".into(), folder: "/w/s".into() };
        assert!(!needs_kvm(&expected));
        assert_eq!(expected.step(), "scenarios s run");
        assert_eq!(program(line), Some(expected));
        assert_eq!(program(&line.replace("true", "false")), None);
        assert!(program(&line.replace("/w/s/", "/w/vmm/")).is_some_and(|program| needs_kvm(&program)));
        assert_eq!(program(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(program("   Compiling x"), None);
    }

    #[test]
    fn the_longest_start_first() {
        let turn =
            |name: &str| Program { name: name.into(), file: "/t".into(), folder: "/w/s".into() }.turn();
        let mut names = ["run", "detach", "bad_input", "restart"];
        names.sort_by_key(|name| turn(name));
        assert_eq!(names, ["restart", "detach", "bad_input", "run"]);
    }
}
