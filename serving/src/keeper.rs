//! The process between this one and a model server. It lives as long as its standard input is open at the other end: when
//! that closes, by a word or because the other process was killed, the server is asked to end, and after a grace everything
//! that it ever started is killed.
//!
//! ```text
//! openshell-serving ── keep ──▶ keeper ── become ──▶ the server ──▶ its workers
//! ```
//! A keeper that is killed takes the server along (the server's parent-death signal), and what is left becomes a child of
//! `openshell-serving`, which ends it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::descendants;

/// First argument of a keeper.
pub const KEEP: &str = "keep";

/// First argument of what becomes the server.
const BECOME: &str = "become";

/// Exit status of a keeper that could not start the server.
pub const NOT_STARTED: u8 = 127;

/// Arguments of a keeper for a program and its arguments.
pub fn arguments(grace: Duration, command: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    [KEEP.into(), grace.as_millis().to_string().into()].into_iter().chain(command).collect()
}

/// Runs the rest of this program's arguments as what they ask for; `None`: they ask for nothing of this module.
#[must_use]
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let (mode, rest) = arguments.split_first()?;
    let (number, command) = rest.split_first()?;
    let number = number.to_str()?.parse::<u64>().ok()?;
    if mode == KEEP {
        Some(keep(Duration::from_millis(number), command))
    } else if mode == BECOME {
        Some(become_server(number, command))
    } else {
        None
    }
}

fn keep(grace: Duration, command: &[OsString]) -> ExitCode {
    let ended = outlive_signals()
        .and_then(|()| descendants::adopt())
        .and_then(|()| start(command))
        .and_then(|mut server| attend(&mut server, grace));
    descendants::end(&[]);
    match ended {
        Ok(status) => code(status),
        Err(error) => {
            tracing::error!(%error, "the server cannot be started");
            ExitCode::from(NOT_STARTED)
        }
    }
}

/// A service manager may signal all processes of a service at once: the keeper ends when its input does, and not before. A
/// signal that is caught is no more than an interrupted wait, and what is executed catches none.
fn outlive_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        // It stays caught for as long as the process lives, also when nobody hears of it any more.
        drop(signal(kind)?);
    }
    Ok(())
}

/// Through another step of this program: what a parent's death does is set by the child itself.
fn start(command: &[OsString]) -> io::Result<Child> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    Command::new("/proc/self/exe")
        .arg(BECOME)
        .arg(own.to_string())
        .args(command)
        .stdin(Stdio::null())
        // Its whole group is asked to end, and a terminal's signals are not for it.
        .process_group(0)
        .spawn()
}

/// Until the server has ended, or is to.
fn attend(server: &mut Child, grace: Duration) -> io::Result<ExitStatus> {
    let pid = Pid::from_child(server);
    let ended = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let input = io::stdin();
    let mut both = [PollFd::new(&ended, PollFlags::IN), PollFd::new(&input, PollFlags::IN)];
    retry(|| rustix::event::poll(&mut both, None))?;
    if both[0].revents().is_empty() {
        // A group that is gone is what was asked for.
        let _gone = rustix::process::kill_process_group(pid, Signal::TERM);
        let longest = Timespec::try_from(grace).map_err(io::Error::other)?;
        let mut one = [PollFd::new(&ended, PollFlags::IN)];
        retry(|| rustix::event::poll(&mut one, Some(&longest)))?;
        let _gone = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    server.wait()
}

fn retry(mut poll: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match poll() {
            Err(rustix::io::Errno::INTR) => {}
            answer => return Ok(answer?),
        }
    }
}

/// Becomes the program, unless the keeper is gone already.
fn become_server(keeper: u64, command: &[OsString]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else { return ExitCode::from(NOT_STARTED) };
    let tied = rustix::thread::set_no_new_privs(true)
        .and_then(|()| rustix::process::set_parent_process_death_signal(Some(Signal::KILL)));
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if tied.is_err() || parent.and_then(|pid| u64::try_from(pid).ok()) != Some(keeper) {
        return ExitCode::from(NOT_STARTED);
    }
    let error = Command::new(program).args(arguments).exec();
    tracing::error!(%error, program = %program.display(), "the program cannot be executed");
    ExitCode::from(NOT_STARTED)
}

/// The server's own exit status, as a shell tells it.
fn code(status: ExitStatus) -> ExitCode {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
