//! Starting our jailed processes and hearing from them, as [`wire::spawn`] lays down.
//!
//! Children are started from the thread that lives as long as the manager: the signal that ends them with
//! their parent is bound to the parent's *thread*.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::spawn::{CONFIG_FD, FIRST_RESOURCE_FD, Fd, STATUS_FD};
use zeroize::Zeroizing;

use crate::failure::{Failure, chain};
use crate::layout::{Layout, Program};

/// Longest line that a child may report.
const MAX_EVENT: u64 = 64 * 1024;

/// How much of a child's log a failure quotes.
const LOG_TAIL: u64 = 300;

/// How long a child that has nothing more to say may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The descriptors that a child inherits beside its config and status.
#[derive(Debug, Default)]
pub struct Resources(Vec<OwnedFd>);

/// A running child. Killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    program: Program,
    child: Child,
    log: std::path::PathBuf,
}

/// What a child says, or that it is gone.
#[derive(Debug)]
pub enum Report<E> {
    /// An event.
    Event(E),
    /// It closed its status channel: it is dead or dying.
    Gone,
}

impl Resources {
    /// Adds a descriptor; returns the number under which the child finds it.
    pub fn add(&mut self, fd: impl Into<OwnedFd>) -> Fd {
        self.0.push(fd.into());
        let index = i32::try_from(self.0.len() - 1).expect("a child gets a handful of descriptors");
        Fd(FIRST_RESOURCE_FD.0 + index)
    }

    fn into_mappings(self, config: OwnedFd, status: OwnedFd) -> Vec<FdMapping> {
        let fixed = [(config, CONFIG_FD.0), (status, STATUS_FD.0)];
        let numbered = self.0.into_iter().zip(FIRST_RESOURCE_FD.0..);
        fixed
            .into_iter()
            .chain(numbered)
            .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd })
            .collect()
    }
}

impl Process {
    /// Starts `program` and calls `report` (on a thread of its own) for everything it says.
    ///
    /// # Errors
    /// The program is missing or cannot be started.
    pub fn start<E, F>(
        layout: &Layout,
        launch: Launch<'_, impl Serialize>,
        mut report: F,
    ) -> Result<Self, Failure>
    where
        E: DeserializeOwned,
        F: FnMut(Report<E>) + Send + 'static,
    {
        let program = launch.program;
        let (process, status) = launch.spawn(&layout.program(program)?).map_err(|error| {
            Failure::new(
                format_args!("cannot start {}: {}", program.file_name(), chain(&error)),
                "check the limits on processes and open files, and that the disk is not full",
            )
        })?;
        std::thread::spawn(move || {
            let mut lines = BufReader::new(status);
            while let Some(event) = next_event(&mut lines) {
                report(Report::Event(event));
            }
            report(Report::Gone);
        });
        Ok(process)
    }

    /// Lets it stand still: it executes nothing until [`Self::thaw`], and can be killed.
    ///
    /// # Errors
    /// The system refuses.
    pub fn freeze(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn thaw(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Why it died, from its exit status and the end of its log.
    pub fn post_mortem(&mut self) -> String {
        // A process that closed its status channel and lives on is not to be trusted with more time.
        self.wait_up_to(LAST_WORDS);
        let _gone = self.child.kill();
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let tail = tail(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&tail).trim().replace('\n', " | ");
        let name = self.program.file_name();
        if tail.is_empty() {
            format!("{name} ended ({status})")
        } else {
            format!("{name} ended ({status}): {tail}")
        }
    }

    /// Whether it has ended, and as it should; one that is about to is waited for.
    pub fn ended_well(&mut self) -> bool {
        self.wait_up_to(LAST_WORDS).is_some_and(|status| status.success())
    }

    /// Asks it to end, waits up to `grace`, then kills it.
    pub fn stop(mut self, grace: Duration) {
        // A child that is gone already needs no signal.
        let _gone = self.signal(Signal::TERM);
        self.wait_up_to(grace);
    }

    /// Waits up to `grace` for it to end by itself; dropping it afterwards kills it.
    pub fn wait_up_to(&mut self, grace: Duration) -> Option<ExitStatus> {
        ended_within(&mut self.child, grace)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Killing a reaped child is refused by std, killing a zombie is harmless.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What a child is started with.
#[derive(Debug)]
pub struct Launch<'a, C> {
    /// Which program.
    pub program: Program,
    /// Its config.
    pub config: C,
    /// Its descriptors.
    pub resources: Resources,
    /// Directory of its log file.
    pub logs: &'a Path,
}

impl<C: Serialize> Launch<'_, C> {
    fn spawn(self, path: &Path) -> io::Result<(Process, File)> {
        let log_path = self.logs.join(format!("{}.log", self.program.file_name()));
        let log = File::create(&log_path)?;
        let (status_read, status_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut command = Command::new(path);
        command.env_clear().current_dir("/").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if let Some(filter) = std::env::var_os("OPENSHELL_LOG") {
            command.env("OPENSHELL_LOG", filter);
        }
        let mappings = self.resources.into_mappings(document(&self.config)?.into(), status_write);
        // A terminal's signals are for the one process that knows what to do about them.
        command.process_group(0);
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        let child = command.spawn()?;
        Ok((Process { program: self.program, child, log: log_path }, status_read.into()))
    }
}

/// Waits up to `grace` for a child to end; its status if it has.
pub(crate) fn ended_within(child: &mut Child, grace: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + grace;
    let pidfd =
        rustix::process::pidfd_open(Pid::from_child(child), rustix::process::PidfdFlags::empty()).ok()?;
    let left = rustix::time::Timespec::try_from(until.saturating_duration_since(Instant::now())).ok()?;
    let mut poll = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut poll, Some(&left)).ok()?;
    child.try_wait().ok().flatten()
}

/// The end of a log, which may be long.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut log = File::open(path)?;
    let length = log.metadata()?.len();
    log.seek(io::SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
    let mut end = Vec::new();
    log.take(LOG_TAIL).read_to_end(&mut end)?;
    Ok(end)
}

/// `config` as JSON in an anonymous file: unlike a pipe it takes any length without a reader.
fn document(config: &impl Serialize) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("config", MemfdFlags::CLOEXEC)?);
    // It may hold secrets.
    file.write_all(&Zeroizing::new(serde_json::to_vec(config)?))?;
    file.rewind()?;
    Ok(file)
}

/// The next event; `None` when the child is gone or does not keep to the protocol, which ends it too.
fn next_event<E: DeserializeOwned>(lines: &mut impl BufRead) -> Option<E> {
    let mut line = Vec::new();
    lines.take(MAX_EVENT).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}
