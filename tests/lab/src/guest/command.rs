//! One command in the lab: who it runs as, its pipes, its end.

mod account;

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Shared, pump, send};
use crate::frame::{Command, Frame, User};
use account::Account;

/// How long the last output may take after the command's end. A pipe stays open when the command left a process
/// behind that left its group; its output is nobody's.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// A started command.
#[derive(Debug)]
pub(super) struct Running {
    group: Pid,
}

impl Running {
    /// Sends a signal to the command and all its children.
    pub(super) fn signal(&self, number: u8) {
        if let Some(signal) = Signal::from_named_raw(i32::from(number)) {
            // It may just have ended.
            let _ = kill_process_group(self.group, signal);
        }
    }
}

/// Starts a command in a process group of its own; its end is sent by another thread.
pub(super) fn start(command: &Command, out: &Shared) -> io::Result<(Running, ChildStdin)> {
    let mut child = prepare(command)?
        .current_dir(&command.cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let stdin = child.stdin.take().expect("stdin was asked for as a pipe");
    let group = Pid::from_child(&child);
    let out = out.clone();
    thread::spawn(move || see_off(child, group, &out));
    Ok((Running { group }, stdin))
}

/// The program to start: the command itself for root, `setpriv` in front of it for others.
fn prepare(command: &Command) -> io::Result<std::process::Command> {
    let (program, arguments) = command
        .argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command given"))?;
    let account = match &command.user {
        User::Root => Account::root(),
        User::Named(name) => Account::find(name)?,
    };
    let mut process = if command.user == User::Root {
        std::process::Command::new(program)
    } else {
        let mut demoted = std::process::Command::new("setpriv");
        demoted.arg(format!("--reuid={}", account.uid)).arg(format!("--regid={}", account.gid));
        demoted.args(["--init-groups", "--", program]);
        demoted
    };
    let run_folder = account.make_run_folder()?;
    process.args(arguments).env_clear().envs(command.env.iter().map(|(name, value)| (name, value)));
    process.env("HOME", &account.home).env("USER", &account.name).env("LOGNAME", &account.name);
    process.env("XDG_RUNTIME_DIR", run_folder);
    Ok(process)
}

/// Hands the output on, waits for the end and reports it.
fn see_off(mut child: Child, group: Pid, out: &Shared) {
    let (done, finished) = mpsc::channel();
    let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
    let stderr = child.stderr.take().expect("stderr was asked for as a pipe");
    let (shared, report) = (out.clone(), done.clone());
    thread::spawn(move || report.send(pump(stdout, &shared, Frame::Stdout)));
    let shared = out.clone();
    thread::spawn(move || done.send(pump(stderr, &shared, Frame::Stderr)));
    let code = child.wait().map_or(255, code);
    // Nothing of a command outlives it.
    let _ = kill_process_group(group, Signal::KILL);
    for _pipe in 0..2 {
        let _ = finished.recv_timeout(LAST_OUTPUT);
    }
    // When the channel is closed the host has gone.
    let _ = send(out, &Frame::Exit(code));
}

/// The code that a shell would show.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}
