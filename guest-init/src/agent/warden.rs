//! The first process of the agent's namespaces: root in the guest, outside the agent's Landlock and seccomp.
//! It starts the agent's process and those of further sessions, forwards signals to them, reaps what they leave
//! behind, and ends with the agent; the kernel then ends every other process of the namespace. An agent that may be
//! started again it outlives: then it ends every other process itself, and waits for the word. Whom an operator starts
//! meanwhile it ends before the next life.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use jail::guest::{ConfineError, Inside, Newborn, NotExecuted, Program, Split, Viewed};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use wire::control::{Agent, Size};

use super::Inner;
use super::channel::{Channel, ChannelError, Order, Report};
use super::copier;
use crate::cause::chain;
use crate::sys;

/// What the warden works with.
pub(super) struct Warden<'a> {
    pub(super) channel: Channel,
    pub(super) agent: &'a Agent,
    pub(super) program: Program,
    /// Whether the agent may be started again.
    pub(super) restarts: bool,
    /// The agent's network, which it enters.
    pub(super) network: BorrowedFd<'a>,
}

/// What a process becomes, and who hears of it.
#[derive(Clone, Copy)]
struct Birth<'a> {
    agent: &'a Agent,
    deed: Deed<'a>,
    channel: &'a Channel,
}

/// What a confined process does.
#[derive(Clone, Copy)]
enum Deed<'a> {
    /// It becomes this program.
    Execute(&'a Program),
    /// It copies, by what it has in memory: the image needs no program for it.
    Copy(&'a wire::copy::Copy),
}

/// Who runs.
struct Brood {
    /// The agent's process; none between its end and its next start.
    agent: Option<Pid>,
    further: Vec<Further>,
}

/// A process of a further session.
struct Further {
    pid: Pid,
    channel: Channel,
    /// Ends when it becomes its program, or ends itself; none, if that was told or it has no program.
    becoming: Option<OwnedFd>,
}

/// What came from guest-init.
type Said = Result<(Order, Vec<OwnedFd>), ChannelError>;

/// Why the warden gives up, in one line for the manager.
#[derive(Debug, thiserror::Error)]
enum WardenError {
    #[error("{0}")]
    Confine(String),
    #[error("cannot {0}: {1}")]
    System(&'static str, Errno),
    #[error("cannot enter the working directory {0}: {1}")]
    Workdir(String, Errno),
    #[error("the command is empty, or a part of it or of the environment holds a NUL")]
    Unusable,
}

impl From<ConfineError> for WardenError {
    fn from(error: ConfineError) -> Self {
        Self::Confine(chain(&error))
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
        // Least of all the root tree's: it leads out of the agent's view.
        let mut keep = vec![children.as_fd(), self.channel.as_fd(), self.network];
        if let Inner::Pipes(pipes) = &inner {
            keep.extend(pipes.iter().map(AsFd::as_fd));
        }
        sys::close_others(&keep).map_err(failed("close what is not its own"))?;
        let viewed = inside.build_view()?;
        let birth = Birth { agent: self.agent, deed: Deed::Execute(&self.program), channel: &self.channel };
        let inner = birth.present(inner)?;
        let gone = |_closed| WardenError::System("reach guest-init", Errno::PIPE);
        if self.channel.receive_order().map_err(gone)?.0 != Order::Start {
            return Err(gone(super::ChannelError::Closed));
        }
        // The last holders of the agent's streams are the agent's own processes: their end is what guest-init
        // waits for. So the warden keeps none.
        let mut brood = Brood { agent: Some(birth.split(&viewed, inner)?), further: Vec::new() };
        while self.watch(&viewed, &mut brood, &children)? {}
        Ok(())
    }

    /// Until something happens: reaps, passes signals on, and starts processes. Whether there is more to come: when
    /// guest-init is gone, so is the warden, and so it is after the last end of the agent.
    fn watch(&self, viewed: &Viewed<'_>, brood: &mut Brood, children: &OwnedFd) -> Result<bool, WardenError> {
        while let Some((pid, status)) = reap()? {
            if Some(pid) == brood.agent {
                brood.agent = None;
                if self.restarts {
                    brood.end_all()?;
                }
                drop(self.channel.send(&ended(status)));
                return Ok(self.restarts);
            }
            brood.has_ended(pid, status);
        }
        let further = &mut brood.further;
        let channels = further.iter().map(|process| process.channel.as_fd());
        let becoming = further.iter().filter_map(|process| process.becoming.as_ref()).map(AsFd::as_fd);
        let own = [children.as_fd(), self.channel.as_fd()].into_iter();
        let watched = own.chain(channels).chain(becoming);
        let mut poll: Vec<_> = watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match rustix::event::poll(&mut poll, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(WardenError::System("wait", error)),
        }
        let ready: Vec<bool> = poll.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (signalled, ordered) = (ready[0], ready[1]);
        if signalled {
            // One read takes what was queued; `reap` above looks for itself what happened.
            let _ = rustix::io::read(children, &mut [0; 128]);
        }
        let (speaking, executed) = ready.get(2..).unwrap_or_default().split_at(further.len());
        let became = further.iter_mut().filter(|process| process.becoming.is_some()).zip(executed);
        became.filter(|(_, ready)| **ready).for_each(|(process, _)| process.has_executed());
        let mut speak = speaking.iter();
        further.retain(|process| !speak.next().is_some_and(|ready| *ready) || process.hear());
        if ordered { self.obey(viewed, brood, self.channel.receive_order()) } else { Ok(true) }
    }

    /// Does what guest-init says; whether there still is one.
    fn obey(&self, viewed: &Viewed<'_>, brood: &mut Brood, said: Said) -> Result<bool, WardenError> {
        let further = &mut brood.further;
        match said {
            Ok((Order::Signal(number), _)) => {
                brood.agent.into_iter().for_each(|agent| forward(agent, number))
            }
            Ok((Order::Again, _)) if brood.agent.is_none() => return self.again(viewed, brood),
            Ok((Order::Execute(command), fds)) => {
                let beside = self.beside(command);
                let program = Program::new(&beside.command, &beside.env);
                further.extend(start(viewed, &beside, (program.as_ref().map(Deed::Execute), fds)));
            }
            Ok((Order::Copy(copy), fds)) => {
                let nothing =
                    Agent { command: Vec::new(), env: Vec::new(), workdir: String::new(), terminal: None };
                further.extend(start(viewed, &self.beside(nothing), (Some(Deed::Copy(&copy)), fds)));
            }
            Ok((Order::Finish, _)) => return Ok(false),
            Ok((Order::Start | Order::Again, _)) | Err(ChannelError::Frame(_) | ChannelError::Anonymous) => {}
            Err(ChannelError::Closed | ChannelError::Socket(_)) => return Ok(false),
        }
        Ok(true)
    }
}

impl Brood {
    /// Ends every process of the namespaces but the warden, and waits until they are gone: what the agent left running, and
    /// what runs beside it. Nobody escapes by multiplying, as the kernel signals all at once and a process that has a
    /// signal to die of makes no other.
    fn end_all(&mut self) -> Result<(), WardenError> {
        // `kill(-1)`: everybody but the first process.
        match rustix::process::kill_process_group(Pid::INIT, Signal::KILL) {
            // Nobody is left.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(WardenError::System("end what the agent left", error)),
        }
        // Orphans are the warden's too: the first process of a namespace gets them all.
        while let Some((pid, status)) = wait_for_one()? {
            self.has_ended(pid, status);
        }
        collect();
        Ok(())
    }

    /// Tells whoever waits for a further process that it ended.
    fn has_ended(&mut self, pid: Pid, status: WaitStatus) {
        if let Some(at) = self.further.iter().position(|process| process.pid == pid) {
            // Whoever does not listen any more misses it.
            drop(self.further.swap_remove(at).channel.send(&ended(status)));
        }
    }
}

impl Warden<'_> {
    /// Ends whoever runs beside the agent that has ended, and starts its process once more, with new streams. Whether guest-init
    /// is still there.
    fn again(&self, viewed: &Viewed<'_>, brood: &mut Brood) -> Result<bool, WardenError> {
        brood.end_all()?;
        viewed.renew()?;
        let gone = |_closed| WardenError::System("reach guest-init", Errno::PIPE);
        self.channel.send(&Report::Viewed).map_err(gone)?;
        // Nobody comes before the agent: a process beside it could take its terminal.
        let mut later = Vec::new();
        let fds = loop {
            match self.channel.receive_order() {
                Ok((Order::Start, fds)) => break fds,
                Ok(other) => later.push(other),
                Err(ChannelError::Closed | ChannelError::Socket(_)) => return Ok(false),
                Err(_malformed) => {}
            }
        };
        let lost = |_other| WardenError::System("take the agent's streams", Errno::BADF);
        let streams = <[OwnedFd; 3]>::try_from(fds).map_err(lost)?;
        let birth = Birth { agent: self.agent, deed: Deed::Execute(&self.program), channel: &self.channel };
        brood.agent = Some(birth.split(viewed, streams)?);
        for order in later {
            if !self.obey(viewed, brood, Ok(order))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What takes over the agent's environment, and its working directory if it names none.
    fn beside(&self, mut command: Agent) -> Agent {
        let kept = |(name, _): &&(String, String)| !command.env.iter().any(|(other, _)| other == name);
        let mut env: Vec<_> = self.agent.env.iter().filter(kept).cloned().collect();
        env.append(&mut command.env);
        let workdir = if command.workdir.is_empty() { self.agent.workdir.clone() } else { command.workdir };
        Agent { env, workdir, ..command }
    }
}

impl Further {
    /// Tells that it has become its program. One that could not has told so before.
    fn has_executed(&mut self) {
        self.becoming = None;
        // Whoever does not listen any more misses it.
        drop(self.channel.send(&Report::Executed));
    }

    /// Does what its session says; whether there still is one. Without it the process is told that its line hung up.
    fn hear(&self) -> bool {
        match self.channel.receive_order() {
            Ok((Order::Signal(number), _)) => forward(self.pid, number),
            Ok(_) => {}
            Err(_gone) => {
                // It may not have a group of its own yet.
                let _ = rustix::process::kill_process(self.pid, Signal::HUP);
                forward(self.pid, Signal::HUP.as_raw());
                return false;
            }
        }
        true
    }
}

/// Starts a further process. What fails is told on its own channel.
fn start(
    viewed: &Viewed<'_>,
    agent: &Agent,
    (deed, fds): (Option<Deed<'_>>, Vec<OwnedFd>),
) -> Option<Further> {
    let mut fds = fds.into_iter();
    let channel = Channel::from(fds.next()?);
    let inner = <[OwnedFd; 3]>::try_from(fds.collect::<Vec<_>>()).map_or(Inner::Terminal, Inner::Pipes);
    let begun = deed.ok_or(WardenError::Unusable).and_then(|deed| {
        let birth = Birth { agent, deed, channel: &channel };
        let streams = birth.present(inner)?;
        // The process has the writing end too, until it executes its program or ends.
        let (becoming, _closes_here) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
            .map_err(|error| WardenError::System("make a pipe", error))?;
        let becoming = matches!(deed, Deed::Execute(_)).then_some(becoming);
        birth.split(viewed, streams).map(|pid| (pid, becoming))
    });
    match begun {
        Ok((pid, becoming)) => Some(Further { pid, channel, becoming }),
        Err(error) => {
            drop(channel.send(&Report::Failed(error.to_string())));
            None
        }
    }
}

impl Birth<'_> {
    /// Makes what its streams need, and tells guest-init.
    fn present(self, inner: Inner) -> Result<[OwnedFd; 3], WardenError> {
        let (inner, master) = self.terminal(inner)?;
        let fds: Vec<_> = master.iter().map(AsFd::as_fd).collect();
        let gone = |_closed| WardenError::System("reach guest-init", Errno::PIPE);
        self.channel.send_with(&Report::Viewed, &fds).map_err(gone)?;
        Ok(inner)
    }

    /// Starts the process, which does its deed.
    fn split(self, viewed: &Viewed<'_>, streams: [OwnedFd; 3]) -> Result<Pid, WardenError> {
        match viewed.split()? {
            Split::Child(newborn) => {
                if let Err(error) = self.become_agent(newborn, &streams) {
                    drop(self.channel.send(&Report::Failed(error.to_string())));
                }
                std::process::exit(1)
            }
            Split::Parent(pid) => Ok(pid),
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

    /// In the agent's own process: confines it and becomes the command, or copies. Returns only errors.
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
        // As the agent's user: it may have put a link there, or in place of a directory above, that only root can follow. But
        // before the rules hold: a directory it may not list it may still be in.
        let lowered = newborn.limit()?.lower()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let links = ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(CWD, &self.agent.workdir, flags, Mode::empty(), links)
            .and_then(rustix::process::fchdir)
            .map_err(|error| WardenError::Workdir(self.agent.workdir.clone(), error))?;
        let confined = lowered.restrict()?.filter()?;
        drop(self.channel.send(&Report::Executing));
        let program = match self.deed {
            Deed::Execute(program) => program,
            Deed::Copy(copy) => copier::run(copy),
        };
        let report = match confined.execute(program) {
            NotExecuted::NotFound => Report::NotFound,
            NotExecuted::NotExecutable(_) => Report::NotExecutable,
        };
        drop(self.channel.send(&report));
        Ok(())
    }
}

/// How willingly the kernel ends the calling process when memory runs out; children begin with the same.
fn oom_score(adjustment: &str) -> Result<(), Errno> {
    std::fs::write("/proc/self/oom_score_adj", adjustment)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Lets the kernel look for sockets that are only on their way in each other: what they carry outlives whoever sent it, and with
/// it a stream of the agent's, or memory that counts as its own. It looks when a socket is closed.
fn collect() {
    drop(Channel::pair());
}

/// The next child that has ended.
fn reap() -> Result<Option<(Pid, WaitStatus)>, WardenError> {
    next_end(WaitOptions::NOHANG)
}

/// Waits for the end of a child; none when there is no child left.
fn wait_for_one() -> Result<Option<(Pid, WaitStatus)>, WardenError> {
    next_end(WaitOptions::empty())
}

fn next_end(options: WaitOptions) -> Result<Option<(Pid, WaitStatus)>, WardenError> {
    loop {
        match rustix::process::wait(options) {
            Ok(None) | Err(Errno::CHILD) => return Ok(None),
            Ok(ended) => return Ok(ended),
            Err(Errno::INTR) => {}
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
