//! A program at work: what it says is heard as it comes, and it can be ended early.
//!
//! It has a process group of its own. Ctrl-C at a terminal is for openshell, which ends its programs in the way that
//! leaves nothing behind; that way does not depend on who sent which signal to whom.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::{Complaint, Tool, ToolError};
use crate::stop::{Stop, Woken};

/// How long a program that was asked to end may clean up.
const CLEANING: Duration = Duration::from_secs(20);
/// How long what a program started may take to be gone once it was killed.
const DYING: Duration = Duration::from_secs(5);

/// A command that is still to be started.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) command: Command,
    pub(super) end: End,
}

/// How a program is ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At once: it is alone, or in a namespace that ends with it.
    Killed,
    /// It is asked first: it has files of other users, which only itself can remove.
    Asked,
}

/// A program that runs, with its messages still to be read.
#[derive(Debug)]
pub(crate) struct Running {
    tool: Tool,
    child: Child,
    end: End,
    messages: ChildStderr,
}

/// Bytes as they come, cut into lines.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Running {
    /// Starts `bound`, which is a command for `tool`.
    pub(crate) fn start(tool: Tool, bound: Bound) -> Result<Self, ToolError> {
        let Bound { mut command, end } = bound;
        let start = |source| ToolError::Start { program: tool.program, source };
        command.stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(start)?;
        let messages = child.stderr.take().expect("stderr was asked for above");
        Ok(Self { tool, child, end, messages })
    }

    /// Hands every message to `hear` as it comes, until the program ends or `stop` is asked. Then nothing that it
    /// started is left.
    pub(crate) fn watch(mut self, stop: &Stop, hear: &mut dyn FnMut(&str)) -> Result<(), ToolError> {
        let program = self.tool.program;
        let read = |source| ToolError::Start { program, source };
        let mut complaint = Complaint::default();
        let mut lines = Lines::default();
        let mut each = |line: &str| {
            complaint.hear(line);
            hear(line);
        };
        let mut bytes = [0; 4096];
        loop {
            if stop.wait(&self.messages).map_err(read)? == Woken::Stop {
                self.end_early();
                return Err(ToolError::Interrupted { program });
            }
            match self.messages.read(&mut bytes).map_err(read)? {
                0 => break,
                count => lines.take(&bytes[..count], &mut each),
            }
        }
        lines.end(&mut each);
        let gone = pidfd_open(self.pid(), PidfdFlags::empty()).map_err(|errno| read(errno.into()))?;
        if stop.wait(&gone).map_err(read)? == Woken::Stop {
            self.end_early();
            return Err(ToolError::Interrupted { program });
        }
        let status = self.child.wait().map_err(read)?;
        self.tool.judge(status, complaint)
    }

    /// Ends the program and waits until what it started is gone too: all of it shares the pipe of its messages.
    fn end_early(&mut self) {
        if self.end == End::Asked {
            self.signal(Signal::TERM);
            self.hear_out(CLEANING);
        }
        self.signal(Signal::KILL);
        self.hear_out(DYING);
    }

    fn signal(&self, signal: Signal) {
        // The group is there until its first process is waited for, which only `self` does.
        let _already_gone = kill_process_group(self.pid(), signal);
    }

    /// Reads what is still said until nobody is left to say anything, or time is up.
    fn hear_out(&mut self, patience: Duration) {
        let until = std::time::Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            let time = Timespec::try_from(left).expect("seconds, not centuries");
            let ready = poll(&mut [PollFd::new(&self.messages, PollFlags::IN)], Some(&time));
            match ready {
                Err(rustix::io::Errno::INTR) => {}
                Ok(1..) if !matches!(self.messages.read(&mut [0; 4096]), Ok(0) | Err(_)) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    /// A program that nobody watches any more does not go on.
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_reaped: io::Result<_> = self.child.wait();
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8], hear: &mut dyn FnMut(&str)) {
        for byte in bytes {
            if *byte == b'\n' {
                self.end(hear);
            } else {
                self.0.push(*byte);
            }
        }
    }

    /// The bytes since the last line are one too.
    fn end(&mut self, hear: &mut dyn FnMut(&str)) {
        if !self.0.is_empty() {
            hear(String::from_utf8_lossy(&self.0).trim_end());
            self.0.clear();
        }
    }
}
