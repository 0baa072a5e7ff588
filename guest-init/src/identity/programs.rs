//! Who a process is, or was: what it executed last, for those that are gone when somebody asks, and what is known of it.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;
use wire::control::{MAX_PARENT, MAX_PARENTS};
use wire::subject::Program;

use super::{Digests, Version, program};
use crate::tally::{cut, text};

/// Processes that are remembered.
const REMEMBERED: usize = 4096;

/// The agent's programs. Written before each execution.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Above the agent's first process.
    warden: Pid,
    /// The agent's user id.
    agent: u32,
    digests: Digests,
    executed: Mutex<Executed>,
}

#[derive(Debug, Default)]
struct Executed {
    programs: HashMap<Pid, Last>,
    /// Oldest first.
    order: VecDeque<Pid>,
}

/// What a process executed last.
#[derive(Debug)]
struct Last {
    path: Vec<u8>,
    version: Option<Version>,
}

impl Programs {
    /// Of the agent whose user id is `agent`, below `warden`.
    pub(crate) fn new(warden: Pid, agent: u32) -> Self {
        Self { warden, agent, digests: Digests::default(), executed: Mutex::default() }
    }

    /// The digests of what was executed.
    pub(crate) fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The process is about to become the program at `path`, in this state.
    pub(crate) fn executes(&self, process: Pid, path: Vec<u8>, version: Option<Version>) {
        let mut executed = self.executed();
        if executed.programs.insert(process, Last { path, version }).is_none() {
            executed.order.push_back(process);
        }
        if executed.order.len() > REMEMBERED
            && let Some(oldest) = executed.order.pop_front()
        {
            executed.programs.remove(&oldest);
        }
    }

    /// The executable of a process; empty if it is gone and did not execute anything itself.
    pub(crate) fn of(&self, process: Pid) -> Vec<u8> {
        // Of a process that has ended and was not waited for yet the link is there and leads nowhere.
        let live = live(process);
        if live.is_empty() {
            self.executed().programs.get(&process).map(|last| last.path.clone()).unwrap_or_default()
        } else {
            live
        }
    }

    /// The script that a process runs whose executable is at `path`.
    pub(crate) fn script(process: Pid, path: &str) -> Option<String> {
        program::script_of(process, path).map(|script| cut(script, wire::control::MAX_PATH))
    }

    /// A process that ran the program at `path`, as [`text`] writes it: with its script and its ancestors if it still does. No
    /// file is read for its digest.
    pub(crate) fn described(&self, process: u32, path: &str) -> Program {
        let named = i32::try_from(process).ok().and_then(Pid::from_raw);
        let told = named.and_then(|pid| self.running(pid, path));
        let (told, version) = told.unwrap_or_else(|| {
            // Of one that is gone, or runs something else now, that is all that is left.
            let version = named.and_then(|pid| self.last(pid, path));
            let path = path.to_owned();
            let (sha256, script, parents) = (None, None, Vec::new());
            (Program { path, sha256, script, pid: process, uid: self.agent, parents }, version)
        });
        Program {
            sha256: version.and_then(|version| self.digests.known(&version)),
            script: told.script.map(|script| cut(script, wire::control::MAX_PATH)),
            parents: told.parents.into_iter().map(|parent| cut(parent, MAX_PARENT)).collect(),
            ..told
        }
    }

    /// A process and its executable, if it runs the program at `path`.
    fn running(&self, process: Pid, path: &str) -> Option<(Program, Option<Version>)> {
        let told = program::glance(process, path.to_owned(), (self.warden, MAX_PARENTS))?;
        let version = program::version(process);
        // It was looked at by its number: that it runs the program afterwards is what makes it one picture.
        (text(&live(process)) == path).then_some((told, version))
    }

    /// Which file it was, if the program at `path` is what the process executed last.
    fn last(&self, process: Pid, path: &str) -> Option<Version> {
        self.executed().programs.get(&process).filter(|last| text(&last.path) == path)?.version
    }

    fn executed(&self) -> MutexGuard<'_, Executed> {
        // A panic ends the process, so no thread ever finds the lock poisoned.
        self.executed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The executable of a process; empty if it is gone.
fn live(process: Pid) -> Vec<u8> {
    let link = fs::read_link(format!("/proc/{}/exe", process.as_raw_nonzero()));
    link.map(|path| path.into_os_string().into_vec()).unwrap_or_default()
}

#[cfg(test)]
mod unit_tests {
    use std::fs::File;
    use std::process::{Command, Stdio};

    use super::*;

    fn process(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    fn programs() -> Programs {
        Programs::new(Pid::INIT, 1000)
    }

    #[test]
    fn the_last_program_of_a_process_is_known_and_others_are_forgotten() {
        let programs = programs();
        // No process has these numbers.
        let first = 1 << 28;
        programs.executes(process(first), b"/a".to_vec(), None);
        programs.executes(process(first), b"/b".to_vec(), None);
        assert_eq!(programs.of(process(first)), b"/b");
        assert_eq!(programs.of(process(first + 1)), b"");
        (1..=i32::try_from(REMEMBERED).unwrap())
            .for_each(|n| programs.executes(process(first + n), b"/c".to_vec(), None));
        assert_eq!(
            (programs.of(process(first)), programs.of(process(first + 1))),
            (Vec::new(), b"/c".to_vec())
        );
        let own = std::env::current_exe().unwrap().into_os_string().into_vec();
        assert_eq!(programs.of(rustix::process::getpid()), own);
    }

    #[test]
    fn a_process_is_described_by_its_script_and_its_ancestors_while_it_runs() {
        let programs = programs();
        let temp = tempfile::tempdir().unwrap();
        let script = temp.path().join("build.sh");
        fs::write(&script, "read line\n").unwrap();
        let mut shell = Command::new("/bin/sh").arg(&script).stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&shell);
        let own = rustix::process::getpid();
        let path = loop {
            // Between fork and exec it is this program.
            match text(&programs.of(pid)) {
                path if path != text(&live(own)) => break path,
                _ => std::thread::yield_now(),
            }
        };
        // Nor are its arguments there as soon as the program is.
        let told = loop {
            match programs.described(shell.id(), &path) {
                told if told.script.is_some() => break told,
                _ => std::thread::yield_now(),
            }
        };
        assert_eq!(told.script.as_deref(), script.canonicalize().unwrap().to_str());
        assert_eq!(told.parents.first(), Some(&text(&live(own))));
        assert_eq!((told.sha256, told.pid), (None, shell.id()));
        let digest = programs.digests().of(&mut File::open(&path).unwrap()).unwrap();
        assert!(digest.is_some());
        assert_eq!(programs.described(shell.id(), &path).sha256, digest);

        let other = programs.described(shell.id(), "/usr/bin/other");
        assert_eq!((other.path.as_str(), other.script, other.sha256), ("/usr/bin/other", None, None));
        assert!(other.parents.is_empty(), "they are those of what it runs now");

        programs.executes(pid, path.clone().into_bytes(), program::version(pid));
        shell.kill().unwrap();
        shell.wait().unwrap();
        let gone = programs.described(shell.id(), &path);
        assert_eq!((gone.sha256, gone.script, gone.uid), (digest, None, 1000));
    }
}
