//! What the agent's processes do with files outside their workspace, and what they are refused anywhere: files, and system calls.
//!
//! ```text
//! open, write ──fanotify──► Notices ──────► Opened ──┐
//!                                                    ├──► Known ──► Tally ──► the manager
//! EACCES … ─────audit─────► Refusals ──► Assembly ───┘
//! seccomp ──────audit─────────┘            └──► Calls ──► the manager
//! ```
//! What is done is told by `fanotify`, for the mount of the root tree: the workspace is a mount of its own, so that work in it costs
//! nothing. What is refused is told by the kernel's audit, the only place that knows of every refusal whoever made it, Landlock
//! included. Nothing here decides: it was decided before.
//!
//! One thread reads both. If it cannot go on, the machine goes off: what is not seen would not be recorded.

mod assembly;
mod calls;
mod known;
mod opened;
mod refusals;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};
use wire::confinement::Confinement;
use wire::control::{Access, AccessRefusal, FileUse, FromGuest, MAX_ACCESSES, Unlisted};
use wire::subject::Program;

use crate::boot::mounts::{TEMPORARY, Temporary};
use crate::capture::NetlinkError;
use crate::cause::chain;
use crate::identity::Programs;
use crate::life;
use crate::sys::fanotify::{Notice, Notices};
use crate::tally::{self, After, Counted, Room, Tally, Tell};
use assembly::Refused;
use known::Known;
use opened::{Name, Opened};
use refusals::Refusals;

pub(crate) use calls::Calls;

/// Kinds that wait to be told at most, of each sort.
const ROOM: usize = 512;

/// Between a notice and the look at it: what one process does with one file in that time is one event, and most of what a
/// process does at its start comes together.
const GATHER: Duration = Duration::from_millis(2);

/// Between two looks at the end whether anything is on its way.
const LAST_WORDS: Duration = Duration::from_millis(1);

/// For how long the end waits for what still runs, and for what is still told.
const LAST_PROCESSES: Duration = Duration::from_secs(2);

/// Messages of refusals that are read before notices are looked at again.
const AT_ONCE: usize = 256;

/// Mounts outside the workspace where the agent may have files.
const WATCHED: [&str; 2] = ["/", "/dev/shm"];

/// Why accesses cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    /// The kernel has no notices, or the tree cannot be watched.
    #[error("cannot be told of accesses to files")]
    Notices(#[source] Errno),
    /// The kernel has no audit, or somebody else has it.
    #[error("cannot be told of refusals")]
    Refusals(#[source] NetlinkError),
    /// No wake-up or no thread.
    #[error("cannot start the thread that reads of accesses")]
    Thread(#[source] io::Error),
}

/// Written by the thread that reads, taken by the agent's session.
#[derive(Debug)]
pub(crate) struct Accesses {
    tally: Tally<Kind, First>,
    calls: Arc<Calls>,
    reader: Mutex<Reader>,
}

/// Accesses that are told as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) path: String,
    pub(crate) what: FileUse,
    pub(crate) program: String,
    pub(crate) refused: Option<AccessRefusal>,
}

/// What is told of the first of a kind.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) by: Program,
    pub(crate) at: Instant,
}

#[derive(Debug)]
struct Reader {
    notices: Notices,
    refusals: Refusals,
    opened: Opened,
    known: Known,
    programs: Arc<Programs>,
    /// Whose processes are not the agent's: guest-init's own, and the warden.
    ours: [Pid; 2],
    /// What may not be executed is told by who says so.
    guarded: bool,
}

impl tally::Kind for Kind {
    fn is_refused(&self) -> bool {
        self.refused.is_some()
    }
}

/// From here on accesses of the agent to files of the tree that `warden` has are told in the result, and
/// refused system calls.
///
/// # Errors
/// What cannot be watched.
pub(crate) fn watch(
    confinement: &Confinement,
    temporary: Temporary,
    warden: Pid,
    programs: Arc<Programs>,
) -> Result<(Arc<Accesses>, Arc<Calls>), WatchError> {
    let notices = Notices::new().map_err(WatchError::Notices)?;
    let apart = (temporary == Temporary::Apart).then_some(TEMPORARY);
    for mount in WATCHED.into_iter().chain(apart) {
        let path = PathBuf::from(format!("/proc/{}/root{mount}", warden.as_raw_nonzero()));
        notices.mount_of(&path).map_err(WatchError::Notices)?;
    }
    let agent = confinement.user.uid;
    let reader = Reader {
        notices,
        refusals: Refusals::of(agent).map_err(WatchError::Refusals)?,
        opened: Opened::new(agent),
        known: Known::default(),
        programs,
        ours: [rustix::process::getpid(), warden],
        guarded: confinement.executables.is_some(),
    };
    let tally = Tally::new(ROOM).map_err(|error| WatchError::Thread(error.into()))?;
    let calls = Arc::new(Calls::new().map_err(|error| WatchError::Thread(error.into()))?);
    let accesses = Arc::new(Accesses { tally, calls: Arc::clone(&calls), reader: Mutex::new(reader) });
    let reading = Arc::clone(&accesses);
    std::thread::Builder::new()
        .name("accesses".to_owned())
        .spawn(move || reading.serve())
        .map_err(WatchError::Thread)?;
    Ok((accesses, calls))
}

impl Accesses {
    fn serve(&self) -> ! {
        let descriptors = {
            let reader = self.reader();
            let copy = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 3);
            [copy(reader.notices.as_fd()), copy(reader.refusals.as_fd())]
        };
        let [Ok(notices), Ok(refusals)] = descriptors else {
            life::die("guest-init: nobody waits for accesses to files: no descriptor is left");
        };
        loop {
            let mut poll = [PollFd::new(&notices, PollFlags::IN), PollFd::new(&refusals, PollFlags::IN)];
            let pause = self.reader().known.due(Instant::now());
            let pause = pause.and_then(|pause| Timespec::try_from(pause).ok());
            match rustix::event::poll(&mut poll, pause.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => life::die(&format!("guest-init: nobody waits for accesses to files: {error}")),
            }
            std::thread::sleep(GATHER);
            self.read();
        }
    }

    /// Reads and counts what waits. In between others may have the reader.
    fn read(&self) {
        let patience = Instant::now() + LAST_PROCESSES;
        loop {
            match self.reader().read(&self.tally, &self.calls) {
                Ok(true) if Instant::now() < patience => {}
                Ok(_) => return,
                Err(cause) => life::die(&format!("guest-init: nobody reads of accesses to files: {cause}")),
            }
        }
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        // A panic ends the process, so no thread ever finds the lock poisoned.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Reads and counts some of what waits, refusals first; whether there may be more.
    fn read(&mut self, tally: &Tally<Kind, First>, calls: &Calls) -> Result<bool, String> {
        let now = Instant::now();
        let Self { refusals, opened, known, programs, guarded, .. } = self;
        let read = refusals.read(AT_ONCE, |refused| match refused {
            // That is told with executions.
            Refused::File(
                Kind { what: FileUse::Execute, refused: Some(AccessRefusal::NotPermitted), .. },
                _,
            ) if *guarded => {}
            Refused::File(kind, process) => {
                let path = opened.folded(kind.path, (kind.what, kind.refused), &kind.program, now);
                known.count(
                    Kind { path, ..kind },
                    |program| programs.described(process, program),
                    now,
                    tally,
                );
            }
            Refused::Call(kind, process) => {
                calls.count(kind, |program| programs.described(process, program));
            }
        });
        let (more, lost) = read.map_err(|error| chain(&error))?;
        if lost > 0 {
            tally.add_unlisted(Unlisted { allowed: 0, refused: lost });
        }
        let notices = self.notices.waiting().map_err(|error| error.to_string())?;
        for notice in &notices {
            self.notice(notice, now, tally);
        }
        self.known.forget(now, tally);
        self.opened.forget(now);
        Ok(more || !notices.is_empty())
    }

    fn notice(&mut self, notice: &Notice, now: Instant, tally: &Tally<Kind, First>) {
        let Some(file) = &notice.file else {
            return tally.add_unlisted(Unlisted { allowed: u64::MAX, refused: 0 });
        };
        let process = notice.process.filter(|process| !self.ours.contains(process));
        // What is executed is told as that.
        let Some(process) = process.filter(|_| !notice.executed || notice.written) else { return };
        let what = if notice.written { FileUse::Write } else { FileUse::Read };
        let program = tally::text(&self.programs.of(process));
        let Name { path, once } = self.opened.named(file.as_fd(), what, &program, now);
        if once {
            // Compilers and interpreters open the same files again and again. If this fails, that only costs.
            let _ = self.notices.forget_openings(file.as_fd());
        }
        let process = process.as_raw_nonzero().get().unsigned_abs();
        let by = |program: &str| self.programs.described(process, program);
        self.known.count(Kind { path, what, program, refused: None }, by, now, tally);
    }

    /// Whether nothing is on its way any more.
    fn is_quiet(&mut self, tally: &Tally<Kind, First>) -> Result<bool, String> {
        let (lost, waiting) = self.refusals.lost().map_err(|error| chain(&error))?;
        if lost > 0 {
            tally.add_unlisted(Unlisted { allowed: 0, refused: lost });
        }
        Ok(waiting == 0)
    }
}

/// Waits until the agent's first process is gone, and so every process of its namespaces.
fn await_end(warden: Pid) {
    let patience = Instant::now() + LAST_PROCESSES;
    while Instant::now() < patience
        && matches!(rustix::process::waitpid(Some(warden), WaitOptions::NOHANG), Ok(None))
    {
        std::thread::sleep(LAST_WORDS);
    }
}

impl Tell for Accesses {
    fn due(&self, now: Instant) -> Option<Duration> {
        self.tally.due(now)
    }

    fn heard(&self) {
        self.tally.heard();
    }

    fn settle(&self, after: After) {
        let [_, warden] = self.reader().ours;
        if after == After::All {
            await_end(warden);
        }
        let patience = Instant::now() + LAST_PROCESSES;
        loop {
            self.read();
            match self.reader().is_quiet(&self.tally) {
                Ok(false) if Instant::now() < patience => std::thread::sleep(LAST_WORDS),
                Ok(_) => break,
                Err(cause) => life::die(&format!("guest-init: nobody reads of accesses to files: {cause}")),
            }
        }
        // One message may have left the kernel's queue and not have arrived.
        std::thread::sleep(LAST_WORDS);
        self.read();
        self.reader().known.tell_all(&self.tally);
    }

    fn take(&self, now: Instant) -> Option<FromGuest> {
        message(&self.tally, now)
    }
}

impl AsFd for Accesses {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tally.as_fd()
    }
}

/// As much of what waits as fits into one message.
fn message(tally: &Tally<Kind, First>, now: Instant) -> Option<FromGuest> {
    let mut room = Room::of(MAX_ACCESSES);
    let (taken, unlisted) = tally.take(now, |kind, first| room.takes(kind.path.len(), &first.by))?;
    let told = |Counted { kind, first, times }: Counted<Kind, First>| {
        let Kind { path, what, refused, .. } = kind;
        let ago = now.saturating_duration_since(first.at).as_millis();
        let first_ms_ago = u32::try_from(ago).unwrap_or(u32::MAX);
        Access { path, what, by: first.by, refused, times, first_ms_ago }
    };
    Some(FromGuest::Accessed { accesses: taken.into_iter().map(told).collect(), unlisted })
}
