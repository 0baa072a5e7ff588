//! Which files the agent's processes may execute, and which they did: the kernel asks here before each, and waits.
//!
//! ```text
//! execve ──fanotify──► Watch ──► Facts (path, content, who opens) ──► Rules ──► no, EPERM
//!                                                                       ├─────► Executions ──► the manager
//!                                                                       └─────► Receipts: yes, once it is on the record
//! ```
//! `fanotify` and not a BPF program: both are built into the stock kernel, but here the descriptor that comes with
//! the question *is* the file, its content can be read before the answer, and nothing is loaded into the kernel.
//!
//! One thread answers. If it cannot go on, the machine goes off: a question that nobody answers would wait, and
//! a watch that ends would let everything pass. This module must never know why a file is listed.

mod executions;
mod facts;
mod receipts;
mod rules;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use wire::confinement::Confinement;
use wire::subject::Digest;

use crate::boot::root::Tree;
use crate::cause::chain;
use crate::control::ControlError;
use crate::host::Host;
use crate::identity::Programs;
use crate::life;
use crate::sys::fanotify::{Answer, Extent, Question, Watch};
use executions::{First, Kind};
use facts::{Caller, Opened, Waiter};
use receipts::{Line, Receipts, Released};
use rules::{Facts, Role, Rules};

pub(crate) use executions::Executions;

/// Those who wait for the log at most: each has a descriptor here. What they would ask beyond that waits in the kernel.
const MOST_HELD: usize = 256;

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
    /// The manager does not hear of executions.
    #[error("the manager cannot be told what is executed")]
    Line(#[from] ControlError),
    /// No wake-up or no thread.
    #[error("cannot start the thread that answers")]
    Thread(#[source] io::Error),
}

/// From here on the kernel asks about every file that the processes below `warden` execute; what became of it is
/// in the result. If the confinement names no executables, everything may run, and is told. What runs for the first time does so
/// once the manager has it on the record.
///
/// # Errors
/// What cannot be watched.
pub(crate) fn guard(
    host: &dyn Host,
    confinement: &Confinement,
    tree: &Tree,
    (warden, programs): (Pid, Arc<Programs>),
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
    for (extent, mount) in executable_mounts(&mounts.map_err(GuardError::Mounts)?) {
        let path = PathBuf::from(format!("/proc/{}/root{mount}", warden.as_raw_nonzero()));
        watch.add(extent, &path).map_err(|error| GuardError::Mark(mount, error))?;
    }
    let executions = Arc::new(Executions::new().map_err(|error| GuardError::Thread(error.into()))?);
    let agent = confinement.user.uid;
    let (line, receipts) = (Line::connect(host)?, Receipts::new());
    let guard = Guard { watch, rules, agent, executions: Arc::clone(&executions), programs, line, receipts };
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
    line: Line,
    receipts: Receipts<Held>,
}

/// Somebody who waits until what it executes is on the record.
struct Held {
    question: Question,
    waiter: Waiter,
}

impl Guard {
    fn serve(mut self) -> ! {
        // On a busy machine every execution would wait for this thread's turn. Where the kernel does not let it
        // go first, they do.
        let _in_turn = crate::sys::run_first();
        loop {
            if let Err(error) = self.turn() {
                life::die(&format!("guest-init: executables cannot be answered for: {error}"));
            }
        }
    }

    /// Waits for questions and receipts, and acts on them.
    fn turn(&mut self) -> Result<(), String> {
        let mut towards = PollFlags::IN;
        towards.set(PollFlags::OUT, self.line.0.queued() > 0);
        let mut asks = PollFlags::empty();
        asks.set(PollFlags::IN, self.receipts.held() < MOST_HELD);
        let mut ready = [PollFd::new(&self.watch, asks), PollFd::new(&self.line.0, towards)];
        match rustix::event::poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        let [asked, heard] = ready.map(|ready| ready.revents());
        if heard.contains(PollFlags::OUT) {
            self.line.0.drain().map_err(|error| chain(&error))?;
        }
        if heard.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            for in_log in self.line.receipts().map_err(|error| chain(&error))? {
                for Released { who, told } in self.receipts.recorded(in_log) {
                    self.release(who, told)?;
                }
            }
        }
        if !asked.is_empty() {
            for question in self.watch.questions().map_err(|error| error.to_string())? {
                self.consider(question, None)?;
            }
            if self.receipts.held() >= MOST_HELD {
                self.let_go_of_the_dead()?;
            }
        }
        match self.receipts.tell() {
            Some(message) => self.line.0.send(&message).map_err(|error| chain(&error)),
            None => Ok(()),
        }
    }

    /// Goes on with somebody who waited for the log, if it is still there. Its number may be another's by now, even within its own
    /// process: what that one is says nothing of who asked.
    fn release(
        &mut self,
        Held { question, waiter }: Held,
        told: Option<(Kind, Option<Digest>)>,
    ) -> Result<(), String> {
        if Waiter::of(question.thread) == Some(waiter) && facts::is_asking(question.thread) {
            self.consider(question, told)
        } else {
            self.answer(&question, Answer::No)
        }
    }

    /// Those who were killed while they waited are in nobody's count of processes any more.
    fn let_go_of_the_dead(&mut self) -> Result<(), String> {
        let is_over = |held: &Held| Waiter::of(held.question.thread) != Some(held.waiter);
        let over = self.receipts.give_up(is_over);
        over.iter().try_for_each(|held| self.answer(&held.question, Answer::No))
    }

    /// Answers, or keeps it waiting until it is on the record. `told`: as what it is, and was not answered. It is judged once more:
    /// a file can change while somebody waits to execute it.
    fn consider(&mut self, question: Question, told: Option<(Kind, Option<Digest>)>) -> Result<(), String> {
        let programs = Arc::clone(&self.programs);
        let opened = Opened::new(&question, programs.digests(), self.agent);
        let verdict = self.rules.judge(&opened);
        // That a program was loaded is told with the program.
        if verdict == Ok(Role::Loader) {
            return self.answer(&question, Answer::Yes);
        }
        let path = opened.path().unwrap_or_default();
        let (caller, version) = (Caller::waiting(question.thread), opened.version());
        let mut kind = Kind::new(path, caller, (verdict.err(), version));
        let told = told.filter(|(told, _sha256)| *told == kind);
        let is_told = told.as_ref().is_some_and(|(_kind, sha256)| opened.digest() == *sha256);
        // With another content than was told it is told anew. One whose state nobody could look at may be any.
        let known = is_told || (told.is_none() && version.is_some() && self.receipts.has(&kind));
        if verdict.is_ok() && !known && opened.role() == Role::Loader {
            self.rules.met(path.to_vec());
            return self.answer(&question, Answer::Yes);
        }
        if verdict.is_ok() && !known {
            return self.wait(kind, question);
        }
        let thread = question.thread.as_raw_nonzero().get().unsigned_abs();
        let again = is_told || self.executions.again(&mut kind);
        let caller = (!again).then(|| programs.described(thread, kind.caller()));
        if verdict.is_ok() {
            programs.executes(question.thread, path.to_vec(), version);
        }
        let executions = Arc::clone(&self.executions);
        let _until_counted = executions.answering();
        self.answer(&question, if verdict.is_ok() { Answer::Yes } else { Answer::No })?;
        // The thread that asked goes on meanwhile: a long file keeps only the next question waiting.
        if let Some(caller) = caller {
            executions.first(kind, caller, || opened.digest());
        }
        Ok(())
    }

    /// Keeps somebody waiting until the log holds that a program of this kind is executed.
    fn wait(&mut self, kind: Kind, question: Question) -> Result<(), String> {
        let Some(waiter) = Waiter::of(question.thread) else {
            // It was killed.
            return self.answer(&question, Answer::No);
        };
        let (programs, agent) = (Arc::clone(&self.programs), self.agent);
        let caller = kind.caller().to_owned();
        let first = |Held { question, .. }: &Held| {
            let thread = question.thread.as_raw_nonzero().get().unsigned_abs();
            let sha256 = Opened::new(question, programs.digests(), agent).digest();
            First { caller: programs.described(thread, &caller), sha256 }
        };
        self.receipts.wait(kind, Held { question, waiter }, first);
        Ok(())
    }

    fn answer(&self, question: &Question, answer: Answer) -> Result<(), String> {
        self.watch.answer(question, answer).map_err(|error| error.to_string())
    }
}

/// Where the mounts are from which a program can be executed, and what is watched there. Nobody in the agent's namespace can mount,
/// copy a mount or change a flag.
///
/// Of a mount that shows a part of a file system, only the mount is watched: the workspace is on the file system of which an overlay
/// has its upper layer, and of what is executed in the overlay that would be a second question, for the file below.
fn executable_mounts(mountinfo: &str) -> Vec<(Extent, String)> {
    let executable = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        let (root, place, options) = (fields.next()?, fields.next()?, fields.next()?);
        let refused = options.split(',').any(|option| option == "noexec");
        let extent = if root == "/" { Extent::FileSystem } else { Extent::Mount };
        (!refused).then(|| (extent, unescape(place)))
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
