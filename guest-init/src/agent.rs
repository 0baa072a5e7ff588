//! The agent's process tree: started in its confinement, watched by a *warden*, its first process.
//!
//! ```text
//! guest-init                       warden (first process of the agent's namespaces)
//!   split           ──────────►    builds the view, makes the terminal
//!                   ◄──────────    Viewed (+ the terminal's master side)
//!   Start           ──────────►    splits the agent's process
//!                   ◄──────────    Executing (from that process), then silence or NotExecuted; of a further one then Executed
//!   Signal …        ──────────►    to the agent's process group
//!   Execute, Copy … ──────────►    one more process, with a channel of its own: the same from Viewed on
//!                   ◄──────────    Ended, and the warden with everything left in the namespaces
//!   Again           ──────────►    with restarts the warden is still there, alone; it ends who came since
//!                   ◄──────────    Viewed, then the same from Start on
//! ```

pub(crate) mod again;
pub(crate) mod cgroup;
pub(crate) mod channel;
mod copier;
pub(crate) mod further;
pub(crate) mod session;
mod warden;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use jail::guest::{ConfineError, Plan, Program, Split};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::Pid;
use wire::control::{Setup, Size};

use channel::{Channel, ChannelError, Order, Report};

/// Why the agent could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// An argument or a variable that no program can be given.
    #[error("the command is empty, or a part of it or of the environment holds a NUL")]
    Unusable,
    /// Its pipes or its channel could not be made.
    #[error("cannot make the agent's pipes")]
    Pipes(#[source] Errno),
    /// The confinement failed in guest-init itself.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// The confinement failed in the warden or the agent's process.
    #[error("{0}")]
    Refused(String),
    /// The warden cannot be talked to.
    #[error("the agent's first process cannot be reached")]
    Channel(#[from] ChannelError),
    /// Its terminal could not be kept for its next life, or opened for it.
    #[error("cannot use the agent's terminal again")]
    Terminal(#[source] Errno),
    /// Its control group could not be made.
    #[error("cannot make the agent's control group")]
    Cgroup(#[source] std::io::Error),
    /// The warden said something out of turn.
    #[error("the agent's first process answered out of turn")]
    OutOfTurn,
}

/// guest-init's ends of the agent's standard streams.
#[derive(Debug)]
pub(crate) enum Streams {
    /// Three pipes.
    Pipes {
        /// Write end of its standard input.
        stdin: OwnedFd,
        /// Read end of its standard output.
        stdout: OwnedFd,
        /// Read end of its standard error.
        stderr: OwnedFd,
    },
    /// The master side of its terminal.
    Terminal(OwnedFd),
}

/// Confined and ready: the next thing is the agent's program.
#[derive(Debug)]
pub(crate) struct Poised {
    warden: Pid,
    channel: Channel,
    streams: Streams,
}

/// The agent runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) pid: Pid,
    pub(crate) channel: Channel,
    pub(crate) streams: Streams,
}

/// What the agent's process gets as its standard streams.
#[derive(Debug)]
enum Inner {
    Pipes([OwnedFd; 3]),
    Terminal,
}

/// Builds everything around the agent except the agent. The calling process must have one thread.
///
/// # Errors
/// What could not be made; the warden is gone then.
pub(crate) fn poise(setup: &mut Setup, tree: &Path, network: BorrowedFd<'_>) -> Result<Poised, AgentError> {
    let program = Program::new(&setup.agent.command, &setup.agent.env).ok_or(AgentError::Unusable)?;
    let (outer, inner) = streams(setup.agent.terminal)?;
    let (mut channel, theirs) = Channel::pair()?;
    let plan = Plan { confinement: &setup.confinement, root: tree, hostname: &setup.hostname, network };
    let warden = match plan.split()? {
        Split::Parent(pid) => pid,
        Split::Child(inside) => {
            crate::control::wipe(&mut setup.flow_key.0);
            let (agent, restarts) = (&setup.agent, setup.restarts);
            warden::Warden { channel: theirs, agent, program, restarts, network }.run(inside, inner);
        }
    };
    drop((inner, theirs));
    cgroup::enclose(warden, &setup.confinement.limits).map_err(AgentError::Cgroup)?;
    let streams = viewed(&mut channel, outer)?;
    Ok(Poised { warden, channel, streams })
}

impl Poised {
    /// The first process of the agent's namespaces, in guest-init's numbering.
    pub(crate) fn warden(&self) -> Pid {
        self.warden
    }

    /// What the lives after the first are made of: as it is before the agent can change it.
    ///
    /// # Errors
    /// The terminal cannot be kept.
    pub(crate) fn lives(&self) -> Result<again::Lives, AgentError> {
        again::Lives::of(&self.streams)
    }

    /// Starts the agent's program.
    ///
    /// # Errors
    /// It could not be confined.
    pub(crate) fn start(self) -> Result<Running, AgentError> {
        self.channel.send(&Order::Start)?;
        executing(self.channel, self.streams)
    }
}

/// Our ends of its standard streams, once the warden has made what was to be made.
fn viewed(channel: &mut Channel, outer: Option<Streams>) -> Result<Streams, AgentError> {
    match (channel.receive()?, outer) {
        ((Report::Viewed, Some(master)), _) => Ok(Streams::Terminal(master)),
        ((Report::Viewed, None), Some(streams)) => Ok(streams),
        ((Report::Failed(cause), _), _) => Err(AgentError::Refused(cause)),
        _ => Err(AgentError::OutOfTurn),
    }
}

/// Waits until the process is about to become its program.
fn executing(mut channel: Channel, streams: Streams) -> Result<Running, AgentError> {
    let pid = executing_as(&mut channel)?;
    Ok(Running { pid, channel, streams })
}

/// Likewise; its number.
fn executing_as(channel: &mut Channel) -> Result<Pid, AgentError> {
    match channel.receive_from()? {
        (Report::Executing, pid) => Ok(pid),
        (Report::Failed(cause), _) => Err(AgentError::Refused(cause)),
        _ => Err(AgentError::OutOfTurn),
    }
}

fn streams(terminal: Option<Size>) -> Result<(Option<Streams>, Inner), AgentError> {
    if terminal.is_some() {
        return Ok((None, Inner::Terminal));
    }
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(AgentError::Pipes);
    let ((their_stdin, stdin), (stdout, their_stdout), (stderr, their_stderr)) = (pipe()?, pipe()?, pipe()?);
    for ours in [&stdin, &stdout, &stderr] {
        rustix::io::ioctl_fionbio(ours, true).map_err(AgentError::Pipes)?;
    }
    let inner = Inner::Pipes([their_stdin, their_stdout, their_stderr]);
    Ok((Some(Streams::Pipes { stdin, stdout, stderr }), inner))
}
