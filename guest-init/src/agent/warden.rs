//! The first process of the agent's namespaces: root in the guest, outside the agent's Landlock and seccomp.
//! It starts the agent's process, forwards signals to it, reaps what it leaves behind, and ends with it;
//! the kernel then ends every other process of the namespace.

use std::os::fd::{AsFd, OwnedFd};

use jail::guest::{ConfineError, Inside, Newborn, NotExecuted, Program, Split};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use wire::control::{Agent, Size};

use super::Inner;
use super::channel::{Channel, Order, Report};
use crate::sys;

/// What the warden works with.
pub(super) struct Warden<'a> {
    pub(super) channel: Channel,
    pub(super) agent: &'a Agent,
    pub(super) program: Program,
}

/// Why the warden gives up, in one line for the manager.
#[derive(Debug, thiserror::Error)]
enum WardenError {
    #[error("{0}")]
    Confine(String),
    #[error("cannot {0}: {1}")]
    System(&'static str, Errno),
    #[error("cannot enter the working directory {0}: {1}")]
    Workdir(String, Errno),
}

impl From<ConfineError> for WardenError {
    fn from(error: ConfineError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            text = format!("{text}: {next}");
            cause = next.source();
        }
        Self::Confine(text)
    }
}

impl Warden<'_> {
    /// Lives the warden's life.
    pub(super) fn run(self, inside: Inside<'_>, inner: Inner) -> ! {
        let outcome = self.live(inside, inner);
        if let Err(error) = outcome {
            drop(self.channel.send(&Report::Failed(error.to_string())));
        }
        std::process::exit(0)
    }

    fn live(&self, inside: Inside<'_>, inner: Inner) -> Result<(), WardenError> {
        let failed = |what| move |error| WardenError::System(what, error);
        sys::hide_memory().map_err(failed("hide its memory"))?;
        // Without memory the kernel is to end the agent's programs, not the one that tells how they ended.
        oom_score("-1000").map_err(failed("be spared when memory runs out"))?;
        let children = sys::child_signals().map_err(failed("watch its children"))?;
        let viewed = inside.build_view()?;
        let (inner, master) = self.terminal(inner)?;
        let fds: Vec<_> = master.iter().map(AsFd::as_fd).collect();
        let gone = |_closed| WardenError::System("reach guest-init", Errno::PIPE);
        self.channel.send_with(&Report::Viewed, &fds).map_err(gone)?;
        drop(fds);
        drop(master);
        if self.channel.receive_order().map_err(gone)? != Order::Start {
            return Err(gone(super::ChannelError::Closed));
        }
        match viewed.split()? {
            Split::Child(newborn) => {
                if let Err(error) = self.become_agent(newborn, &inner) {
                    drop(self.channel.send(&Report::Failed(error.to_string())));
                }
                std::process::exit(1)
            }
            Split::Parent(agent) => {
                // The last holders of the agent's streams are the agent's own processes: their end is what
                // guest-init waits for.
                drop(inner);
                self.watch(agent, &children)
            }
        }
    }

    /// With a terminal: makes it in the agent's own `/dev/pts`, so that the agent finds it by its name.
    fn terminal(&self, inner: Inner) -> Result<([OwnedFd; 3], Option<OwnedFd>), WardenError> {
        let failed = |error| WardenError::System("make the terminal", error);
        let size = match (inner, self.agent.terminal) {
            (Inner::Pipes(fds), _) => return Ok((fds, None)),
            (Inner::Terminal, size) => size.unwrap_or(Size { rows: 24, columns: 80 }),
        };
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty()).map_err(failed)?;
        rustix::pty::unlockpt(&master).map_err(failed)?;
        let slave = rustix::pty::ioctl_tiocgptpeer(
            &master,
            OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
        )
        .map_err(failed)?;
        rustix::termios::tcsetwinsize(&master, winsize(size)).map_err(failed)?;
        rustix::io::ioctl_fionbio(&master, true).map_err(failed)?;
        let copy = || rustix::io::fcntl_dupfd_cloexec(&slave, 3).map_err(failed);
        Ok(([copy()?, copy()?, slave], Some(master)))
    }

    /// In the agent's own process: confines it and becomes the command. Returns only errors.
    fn become_agent(&self, newborn: Newborn<'_>, streams: &[OwnedFd; 3]) -> Result<(), WardenError> {
        let failed = |what| move |error| WardenError::System(what, error);
        // A session of its own: its process group is what signals go to.
        rustix::process::setsid().map_err(failed("start a session"))?;
        if self.agent.terminal.is_some() {
            rustix::process::ioctl_tiocsctty(&streams[0]).map_err(failed("take the terminal"))?;
            let owner = rustix::fs::Uid::from_raw(newborn.user());
            rustix::fs::fchown(&streams[0], Some(owner), None).map_err(failed("own the terminal"))?;
        }
        let [stdin, stdout, stderr] = streams;
        rustix::stdio::dup2_stdin(stdin).map_err(failed("place its standard input"))?;
        rustix::stdio::dup2_stdout(stdout).map_err(failed("place its standard output"))?;
        rustix::stdio::dup2_stderr(stderr).map_err(failed("place its standard error"))?;
        oom_score("0").map_err(failed("be ended when memory runs out"))?;
        sys::default_signals().map_err(failed("reset signals"))?;
        // As the agent's user would, but before the rules hold: a directory it may not list it may still be in.
        rustix::process::chdir(&self.agent.workdir)
            .map_err(|error| WardenError::Workdir(self.agent.workdir.clone(), error))?;
        let confined = newborn.confine()?;
        drop(self.channel.send(&Report::Executing));
        let report = match confined.execute(&self.program) {
            NotExecuted::NotFound => Report::NotFound,
            NotExecuted::NotExecutable(_) => Report::NotExecutable,
        };
        drop(self.channel.send(&report));
        Ok(())
    }

    /// Until the agent ends: reaps, and passes signals on. When guest-init is gone, so is the warden.
    fn watch(&self, agent: Pid, children: &OwnedFd) -> Result<(), WardenError> {
        loop {
            if let Some(status) = reap(agent)? {
                drop(self.channel.send(&ended(status)));
                return Ok(());
            }
            let mut poll = [PollFd::new(children, PollFlags::IN), PollFd::new(&self.channel, PollFlags::IN)];
            match rustix::event::poll(&mut poll, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(WardenError::System("wait", error)),
            }
            let (signalled, ordered) = (!poll[0].revents().is_empty(), !poll[1].revents().is_empty());
            if signalled {
                // One read takes what was queued; `reap` above looks for itself what happened.
                let _ = rustix::io::read(children, &mut [0; 128]);
            }
            if ordered {
                match self.channel.receive_order() {
                    Ok(Order::Signal(number)) => forward(agent, number),
                    Ok(Order::Start) => {}
                    Err(_gone) => return Ok(()),
                }
            }
        }
    }
}

/// How willingly the kernel ends the calling process when memory runs out; children begin with the same.
fn oom_score(adjustment: &str) -> Result<(), Errno> {
    std::fs::write("/proc/self/oom_score_adj", adjustment)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Waits for every child that has ended; returns the agent's status when it is among them.
fn reap(agent: Pid) -> Result<Option<WaitStatus>, WardenError> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == agent => return Ok(Some(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(None),
            Err(error) => return Err(WardenError::System("wait for a child", error)),
        }
    }
}

fn ended(status: WaitStatus) -> Report {
    if let Some(signal) = status.terminating_signal() {
        return Report::Killed(signal);
    }
    // An exit status has eight bits; anything else would be a stopped process, which `wait` was not asked for.
    let code = status.exit_status().and_then(|code| u8::try_from(code).ok());
    code.map_or(Report::Killed(0), Report::Returned)
}

/// A signal that arrives after the agent ended has nobody left to go to.
fn forward(agent: Pid, number: i32) {
    if let Some(signal) = Signal::from_named_raw(number) {
        let _ = rustix::process::kill_process_group(agent, signal);
    }
}

/// The terminal's size as the kernel takes it.
pub(super) fn winsize(size: Size) -> Winsize {
    Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 }
}
