//! Which files the agent's processes may execute, and which they did: the kernel asks here before each, and waits.
//!
//! ```text
//! execve ──fanotify──► Watch ──► Facts (path, content, who opens) ──► Rules ──► yes | no, EPERM
//!                                                                       └─────► Executions ──► the manager
//! ```
//! `fanotify` and not a BPF program: both are built into the stock kernel, but here the descriptor that comes with
//! the question *is* the file, its content can be read before the answer, and nothing is loaded into the kernel.
//!
//! One thread answers. If it cannot go on, the machine goes off: a question that nobody answers would wait, and
//! a watch that ends would let everything pass. This module must never know why a file is listed.

mod executions;
mod facts;
mod rules;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::Pid;
use wire::confinement::Confinement;
use wire::subject::Program;

use crate::boot::root::Tree;
use crate::identity::Programs;
use crate::life;
use crate::sys::fanotify::{Answer, Question, Watch};
use executions::Kind;
use facts::{Caller, Opened};
use rules::{Facts, Role, Rules};

pub(crate) use executions::Executions;

/// Why executables cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardError {
    /// The kernel has no permission events.
    #[error("cannot be asked before files are executed")]
    Watch(#[source] Errno),
    /// The agent's mounts cannot be listed.
    #[error("cannot list the agent's mounts")]
    Mounts(#[source] io::Error),
    /// A file system cannot be watched.
    #[error("cannot watch {0}")]
    Mark(String, #[source] Errno),
    /// The kernel does not say which part of it opens a file.
    #[error("the kernel does not tell a program from its loader")]
    Stack(#[source] io::Error),
    /// No wake-up or no thread.
    #[error("cannot start the thread that answers")]
    Thread(#[source] io::Error),
}

/// From here on the kernel asks about every file that the processes below `warden` execute; what became of it is
/// in the result. If the confinement names no executables, everything may run, and is told.
///
/// # Errors
/// What cannot be watched.
pub(crate) fn guard(
    confinement: &Confinement,
    tree: &Tree,
    warden: Pid,
    programs: Arc<Programs>,
) -> Result<Arc<Executions>, GuardError> {
    let resolve = |path: &str| facts::resolved(tree, path);
    let rules = match &confinement.executables {
        Some(lists) => {
            // Kernel settings may forbid to read it of another process. Without it every dynamic program would
            // be refused; better said here than by each of them.
            std::fs::read(format!("/proc/{}/stack", warden.as_raw_nonzero())).map_err(GuardError::Stack)?;
            Rules::new(lists, resolve)
        }
        None => Rules::none(resolve),
    };
    let watch = Watch::new().map_err(GuardError::Watch)?;
    let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", warden.as_raw_nonzero()));
    for mount in executable_mounts(&mounts.map_err(GuardError::Mounts)?) {
        let path = PathBuf::from(format!("/proc/{}/root{mount}", warden.as_raw_nonzero()));
        watch.file_system_of(&path).map_err(|error| GuardError::Mark(mount, error))?;
    }
    let executions = Arc::new(Executions::new().map_err(|error| GuardError::Thread(error.into()))?);
    let agent = confinement.user.uid;
    let guard = Guard { watch, rules, agent, executions: Arc::clone(&executions), programs };
    std::thread::Builder::new()
        .name("executables".to_owned())
        .spawn(move || guard.serve())
        .map_err(GuardError::Thread)?;
    Ok(executions)
}

/// The thread that answers.
struct Guard {
    watch: Watch,
    rules: Rules,
    agent: u32,
    executions: Arc<Executions>,
    programs: Arc<Programs>,
}

impl Guard {
    fn serve(mut self) -> ! {
        // On a busy machine every execution would wait for this thread's turn. Where the kernel does not let it
        // go first, they do.
        let _in_turn = crate::sys::run_first();
        let programs = Arc::clone(&self.programs);
        loop {
            let questions = match self.watch.questions() {
                Ok(questions) => questions,
                Err(error) => life::die(&format!("guest-init: nobody asks about executables: {error}")),
            };
            for question in &questions {
                let opened = Opened::new(question, programs.digests(), self.agent);
                let (answer, tell) = self.judge(question, &opened);
                let _until_counted = self.executions.answering();
                if let Err(error) = self.watch.answer(question, answer) {
                    life::die(&format!("guest-init: cannot answer about executables: {error}"));
                }
                // The thread that asked goes on meanwhile: a long file keeps only the next question waiting.
                if let Some((kind, caller)) = tell {
                    self.executions.first(kind, caller, || opened.digest());
                }
            }
        }
    }

    /// The answer, and what is to be told as the first of its kind. Whoever asked is looked at before it goes on.
    fn judge(&mut self, question: &Question, opened: &Opened<'_>) -> (Answer, Option<(Kind, Program)>) {
        let verdict = self.rules.judge(opened);
        let answer = if verdict.is_ok() { Answer::Yes } else { Answer::No };
        // That a program was loaded is told with the program.
        if verdict == Ok(Role::Loader) {
            return (answer, None);
        }
        let path = opened.path().unwrap_or_default();
        let (caller, version) = (Caller::waiting(question.thread), opened.version());
        let mut kind = Kind::new(&path, caller, (verdict.err(), version));
        let again = self.executions.again(&mut kind);
        if !again && verdict.is_ok() && opened.role() == Role::Loader {
            self.rules.met(path);
            return (answer, None);
        }
        let thread = question.thread.as_raw_nonzero().get().unsigned_abs();
        let caller = (!again).then(|| self.programs.described(thread, kind.caller()));
        if verdict.is_ok() {
            self.programs.executes(question.thread, path, version);
        }
        (answer, caller.map(|caller| (kind, caller)))
    }
}

/// Where the mounts are from which a program can be executed. Nobody in the agent's namespace can mount or
/// change a flag.
fn executable_mounts(mountinfo: &str) -> Vec<String> {
    let executable = |line: &str| {
        let mut fields = line.split(' ').skip(4);
        let (place, options) = (fields.next()?, fields.next()?);
        let refused = options.split(',').any(|option| option == "noexec");
        (!refused).then(|| unescape(place))
    };
    mountinfo.lines().filter_map(executable).collect()
}

/// The kernel writes blanks, tabs, line ends and backslashes of a path as three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(part.get(3..).unwrap_or_default());
            }
            None => plain.push_str(part),
        }
    }
    plain
}
