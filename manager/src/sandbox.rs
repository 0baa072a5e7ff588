//! The life of a sandbox.
//!
//! ```text
//! Planned ── prepare ──► Prepared ── start ──► Booting ── guest says hello ──► Running ──► Outcome
//!   agent.yaml read         images, sockets,       four processes started,        agent runs,
//!   and understood          disks are there        Setup not yet sent             events are served
//! ```
//! Each phase consumes the one before. One loop owns every change: signals, the guest, and the four
//! processes speak to it through one channel of [`Event`]s. Whatever way the loop ends, dropping the
//! phase kills the processes and removes the run directory.

mod again;
mod word;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use wire::audit::{AuditEvent, SignEvent};
use wire::control::{FromGuest, Stream, ToGuest};
use wire::machine::MachineEvent;
use wire::mount::MountEvent;
use wire::proxy::ProxyEvent;
use wire::router::RouterEvent;

use crate::audit_log::AuditLog;
use crate::control::{self, Heard, Sinks, ToGuestQueue};
use crate::event::{Event, Events};
use crate::executions;
use crate::failure::{ExitStatus, Failure, chain};
use crate::interruption::interrupted;
use crate::layout::Layout;
use crate::operator::Call;
use crate::options::{ConsoleOutput, Detached, Options, Timings, Tty};
use crate::output::Kept;
use crate::pause::Pace;
use crate::policy_files::PolicyFiles;
use crate::prepare::{Launched, Prepared, prepare};
use crate::process::{Process, Report};
use crate::processes::Processes;
use crate::record::Recorder;
use crate::refresh::Refresh;
use crate::reload::{Moment, Reload};
use crate::restart::Lives;
use crate::serial::Console;
use crate::sessions::Sessions;
use crate::signals::Received;
use crate::spec::Spec;
use crate::terminal;
use crate::watching;

/// How long the agent may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How long the guest may take to power off after the agent ended.
const POWER_OFF: Duration = Duration::from_secs(5);

/// How long a child may take to end after it was asked to.
const CHILD_GRACE: Duration = Duration::from_secs(2);

/// A validated `agent.yaml`.
#[derive(Debug)]
pub struct Planned {
    /// What the user wrote.
    pub spec: Spec,
    layout: Layout,
    options: Options,
    events: Events,
}

/// Processes are up; the guest has not been told what to become.
#[derive(Debug)]
pub(crate) struct Booting {
    pub(crate) processes: Processes,
    pub(crate) recorder: Recorder,
    pub(crate) log: AuditLog,
    reload: Reload,
    refresh: Refresh,
    pub(crate) console: Console,
    pub(crate) guest: ToGuestQueue,
    /// Who has not reported ready yet.
    waiting: Waiting,
    prepared: Prepared,
    events: Events,
    options: Options,
}

/// What must be there before the guest is told what to become.
#[derive(Debug)]
struct Waiting {
    audit: bool,
    sign: bool,
    router: bool,
    proxy: bool,
    mounts: usize,
    hello: bool,
    authority_pem: Option<String>,
}

/// The agent runs.
struct Running {
    processes: Processes,
    recorder: Recorder,
    log: AuditLog,
    reload: Reload,
    refresh: Refresh,
    console: Console,
    guest: ToGuestQueue,
    sessions: Sessions,
    events: Events,
    deadline: Option<Instant>,
    ending: Option<Ending>,
    pace: Pace,
    timings: Timings,
    has_terminal: bool,
    detached: Detached,
    lives: Lives,
    prepared: Prepared,
    _raw: Option<terminal::Raw>,
}

/// The agent was asked to end.
#[derive(Clone, Copy, Debug)]
struct Ending {
    /// What the run is reported as, if not as the agent's own status.
    status: Option<ExitStatus>,
    /// When it is ended by force.
    by: Instant,
}

impl Planned {
    /// Reads `agent.yaml` and starts to watch for signals.
    ///
    /// # Errors
    /// The document is wrong; the failure names file, line, key and remedy.
    pub fn load(path: &Path, layout: Layout, options: Options) -> Result<Self, Failure> {
        let events = Events::watch()?;
        let spec = Spec::load(path, &PolicyFiles::of(&layout)?)?;
        Ok(Self { spec, layout, options, events })
    }

    /// Runs the sandbox from here to its end.
    ///
    /// # Errors
    /// Everything that is not the agent's own exit status.
    pub fn run(self) -> Result<ExitStatus, Failure> {
        let Self { spec, layout, options, mut events } = self;
        let prepared = prepare(spec, &options, &layout, events.interruption.stop());
        let prepared = prepared.map_err(|failure| events.interruption.explain(failure))?;
        events.timeline.mark("prepared");
        let booting = Booting::start(prepared, &layout, options, events)?;
        booting.until_set_up()?.until_ended()
    }
}

impl Booting {
    fn start(
        mut prepared: Prepared,
        layout: &Layout,
        options: Options,
        mut events: Events,
    ) -> Result<Self, Failure> {
        let console = Console::default();
        let listener = prepared.take_control_listener();
        let heard = events.to_loop(Event::Guest);
        let kept = Kept::begin(layout, prepared.id())?;
        let sinks = sinks(&kept, options.detached);
        let guest = control::serve(listener, sinks, heard);
        let Launched { processes, recorder, log, reload, refresh, console: serial } =
            prepared.launch(layout, &events)?;
        console.read(serial, tee(options.console));
        events.timeline.mark("processes started");
        let waiting = Waiting {
            audit: true,
            sign: processes.sign.is_some(),
            router: processes.router.is_some(),
            proxy: processes.proxy.is_some(),
            mounts: processes.mounts.len(),
            hello: true,
            authority_pem: None,
        };
        Ok(Self {
            processes,
            recorder,
            log,
            reload,
            refresh,
            console,
            guest,
            waiting,
            prepared,
            events,
            options,
        })
    }

    /// Waits until everybody is there, then tells the guest what to become.
    fn until_set_up(mut self) -> Result<Running, Failure> {
        let deadline = Instant::now() + self.options.boot_timeout;
        while self.waiting.anybody() {
            match self.events.next(Some(deadline)) {
                Some(event) => self.boot_event(event)?,
                None => return Err(self.silent()),
            }
        }
        self.prepared.record_configuration(&mut self.recorder)?;
        let raw = match self.set_up() {
            Ok(raw) => raw,
            Err(failure) => {
                // A log that does not say how its sandbox ended, and that it does, proves nothing.
                let _unrecorded = self.recorder.failed(&failure);
                let Processes { machine, mounts, proxy, router, mut audit, mut sign } = self.processes;
                drop(machine);
                drop(self.recorder);
                end_log([proxy, router], &mut audit, sign.as_mut());
                drop(mounts);
                return Err(failure);
            }
        };
        let has_terminal = self.options.tty == Tty::Yes;
        let deadline =
            self.prepared.spec.resources.timeout.map(|timeout| Instant::now() + timeout.duration());
        let Self {
            processes,
            recorder,
            log,
            reload,
            refresh,
            console,
            guest,
            mut prepared,
            events,
            options,
            ..
        } = self;
        let sessions = Sessions::listen(prepared.take_sessions_listener(), guest.clone());
        executions::serve(prepared.take_executions_listener(), events.to_loop(Event::Executing));
        Ok(Running {
            sessions,
            processes,
            recorder,
            log,
            reload,
            refresh,
            console,
            guest,
            events,
            deadline,
            ending: None,
            pace: Pace::Going,
            timings: options.timings,
            has_terminal,
            detached: options.detached,
            lives: Lives::new(prepared.spec.restart),
            prepared,
            _raw: raw,
        })
    }

    /// Tells the guest what to become.
    fn set_up(&mut self) -> Result<Option<terminal::Raw>, Failure> {
        self.log.remove_others(&mut self.recorder)?;
        self.recorder.started(self.prepared.open_ports())?;
        show(self.prepared.open_ports());
        let has_terminal = self.options.tty == Tty::Yes;
        let ours = has_terminal && self.options.detached == Detached::No;
        let raw = ours.then(terminal::Raw::enter).transpose()?;
        let size = has_terminal.then(terminal::size);
        let setup = self.prepared.setup(self.waiting.authority_pem.take(), size)?;
        self.guest.send(ToGuest::Setup(Box::new(setup))).map_err(|_stuck| self.silent())?;
        if self.options.detached == Detached::No {
            self.guest.feed(io::stdin());
        }
        self.events.timeline.mark("guest told what to become");
        self.prepared.attend(&self.events)?;
        self.log.watch(self.events.to_loop(Event::Noticed));
        Ok(raw)
    }

    fn boot_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Audit(Report::Event(AuditEvent::Ready { .. })) => self.waiting.audit = false,
            Event::Sign(Report::Event(SignEvent::Ready { key })) => {
                self.log.signed_by(&key)?;
                self.waiting.sign = false;
            }
            Event::Router(Report::Event(RouterEvent::Ready)) => self.waiting.router = false,
            Event::Proxy(Report::Event(ProxyEvent::Ready { authority_pem })) => {
                self.waiting.proxy = false;
                self.waiting.authority_pem = Some(authority_pem);
            }
            Event::Guest(Heard::Message(FromGuest::Hello { version, .. })) if version == wire::VERSION => {
                self.waiting.hello = false;
                self.events.timeline.mark("guest says hello");
            }
            Event::Guest(Heard::Message(FromGuest::Hello { version, .. })) => {
                return Err(Failure::new(
                    format_args!(
                        "guest-init speaks version {version} of the protocol, this program {}",
                        wire::VERSION
                    ),
                    "install all of openshell's programs from one build",
                ));
            }
            Event::Machine(Report::Event(MachineEvent::Ready { .. })) => {}
            Event::Mount(_, Report::Event(MountEvent::Ready)) => {
                self.waiting.mounts = self.waiting.mounts.saturating_sub(1);
            }
            Event::Audit(Report::Event(event)) if !matches!(event, AuditEvent::Failed { .. }) => {
                self.log.attend(&event, &mut self.recorder)?;
            }
            Event::Signal(signal) if signal.ends() => return Err(interrupted()),
            Event::Signal(_) => {}
            other => return Err(self.processes.failure(other, &self.console)),
        }
        Ok(())
    }

    /// The guest never said hello.
    fn silent(&self) -> Failure {
        let lines = self.console.tail(3).join(" | ");
        let last = if lines.is_empty() {
            "its console stayed silent".to_owned()
        } else {
            format!("its last lines: {lines}")
        };
        let waited = self.options.boot_timeout.as_secs();
        Failure::new(
            format_args!("the guest did not come up within {waited} s; {last}"),
            "run again with --console to watch it boot, or give it more time with --boot-timeout",
        )
    }
}

impl Waiting {
    fn anybody(&self) -> bool {
        self.audit || self.sign || self.router || self.proxy || self.mounts > 0 || self.hello
    }
}

impl Running {
    /// Serves events until the agent has ended, then takes everything down.
    fn until_ended(mut self) -> Result<ExitStatus, Failure> {
        let ended = loop {
            if let Err(failure) = self.reload.take_back(Moment::now(), &mut self.recorder) {
                break Err(failure);
            }
            if let Err(failure) = self.begin_what_is_due() {
                break Err(failure);
            }
            let deadline = self.ending.map_or(self.deadline, |ending| Some(ending.by));
            let look = self.reload.look_in(Moment::now()).map(|wait| Instant::now() + wait);
            match self.events.next(deadline.into_iter().chain(look).chain(self.next_life()).min()) {
                Some(Event::Guest(Heard::Message(FromGuest::Exited(exit)))) => break Ok(exit),
                Some(event) => {
                    if let Err(failure) = self.event(event) {
                        break Err(failure);
                    }
                }
                None if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                None => match self.time_is_up() {
                    Ok(()) => {}
                    Err(failure) => break Err(failure),
                },
            }
        };
        if let Ok(exit) = &ended {
            self.sessions.tell_attached(*exit);
        }
        let result = ended.and_then(|exit| self.status(exit));
        self.events.timeline.mark("agent ended");
        if self.pace == Pace::Still && result.is_ok() {
            // The agent had ended already, and its machine may power off. One that is gone needs nothing.
            let _gone = self.processes.machine.thaw();
        }
        // The machine first: whatever becomes of the record, the agent does nothing more.
        self.guest.close();
        let patience = if result.is_ok() { POWER_OFF } else { Duration::ZERO };
        let Self { mut processes, mut recorder, mut sessions, mut events, mut log, timings, .. } = self;
        processes.machine.wait_up_to(patience);
        drop(processes.machine);
        // Without a machine the servers of its mounts end what they have begun, and end.
        for mount in &mut processes.mounts {
            mount.wait_up_to(CHILD_GRACE);
        }
        // In any case: a log that does not say how its sandbox ended proves nothing.
        let sessions_recorded = sessions.all_ended(&mut recorder);
        let recorded = recorder.ended(&result).and(sessions_recorded);
        drop(recorder);
        sessions.drain();
        end_log([processes.proxy, processes.router], &mut processes.audit, processes.sign.as_mut());
        log.ended();
        let result = result.map_err(|failure| events.first_cause(failure, processes.sign.is_some()));
        events.timeline.mark("all taken down");
        if timings == Timings::Shown {
            events.timeline.show();
        }
        // What ended the sandbox is its cause; that this could not be recorded either mostly follows from it.
        result.and_then(|status| recorded.map(|()| status))
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Guest(Heard::Message(said @ FromGuest::Ready { .. })) => self.ready(said),
            Event::Guest(Heard::Message(said @ FromGuest::Started { .. })) => self.begun(said),
            Event::Guest(Heard::Message(FromGuest::Ended(exit))) => self.ended(exit),
            Event::Guest(Heard::Message(message)) if message.is_observation() => self.observed(&message),
            Event::Executing(waiting) => {
                let in_log = self.recorder.executing(&waiting.executions)?;
                waiting.recorded(in_log);
                Ok(())
            }
            Event::Machine(Report::Event(MachineEvent::Ready { .. })) => Ok(()),
            Event::Audit(Report::Event(event)) if !matches!(event, AuditEvent::Failed { .. }) => {
                self.log.attend(&event, &mut self.recorder)
            }
            Event::Operator(Call::Asked(asked)) => self.asked(asked),
            Event::Operator(Call::Session(caller, errand)) => {
                self.begin(caller, errand);
                Ok(())
            }
            Event::Command(ended) => self.sessions.ended(ended, &mut self.recorder),
            Event::Credentials(reread) => {
                self.refresh.reread(reread, &mut self.recorder);
                Ok(())
            }
            Event::Proxy(Report::Event(ProxyEvent::CredentialsApplied)) => {
                self.refresh.applied();
                Ok(())
            }
            Event::Proxy(Report::Event(ProxyEvent::CredentialsRefused { cause })) => {
                self.refresh.refused(cause, &mut self.recorder);
                Ok(())
            }
            Event::Proxy(Report::Event(ProxyEvent::PolicyApplied { version, closed })) => {
                self.reload.applied(version, closed, &mut self.recorder)
            }
            Event::Proxy(Report::Event(ProxyEvent::PolicyRefused { version, cause })) => {
                self.reload.refused(version, cause, &mut self.recorder)
            }
            Event::Proxy(Report::Event(ProxyEvent::Proposed { proposal })) => self.reload.proposed(proposal),
            Event::Proxy(Report::Event(ProxyEvent::RuleSpent { rule })) => {
                self.reload.spent(&rule);
                Ok(())
            }
            Event::Noticed(Ok(finding)) => self.noticed(&finding),
            Event::Noticed(Err(error)) => {
                self.recorder.unwatched(&chain(&error))?;
                watching::blind(&error, &self.log.settings().detections)
            }
            Event::Signal(Received::Resized) => {
                // A guest that is too busy to hear of it now shows the old size until the next change.
                let _busy = self.guest.send(ToGuest::Resize(terminal::size()));
                Ok(())
            }
            Event::Signal(signal) => self.signalled(signal),
            Event::Guest(Heard::Interrupted) => self.interrupted(),
            // The guest's channel closes when its machine stops; the machine's own report says why.
            Event::Guest(Heard::Closed | Heard::Broken(_)) => self.after_lost_guest(),
            other => self.unexpected(other),
        }
    }

    /// What should not have come ends the sandbox; but the server of a mount ends by itself when its machine has, which others tell.
    fn unexpected(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Mount(index, Report::Gone)
                if self.processes.mounts.get_mut(index).is_some_and(Process::ended_well) =>
            {
                Ok(())
            }
            other => Err(self.processes.failure(other, &self.console)),
        }
    }

    /// What the guest saw goes on the record; then it may tell more.
    fn observed(&mut self, message: &FromGuest) -> Result<(), Failure> {
        let recorded = match message {
            FromGuest::Executed { executions, unlisted } => self.recorder.executed(executions, *unlisted),
            FromGuest::Accessed { accesses, unlisted } => self.recorder.accessed(accesses, *unlisted),
            FromGuest::Called { calls, unlisted } => self.recorder.called(calls, *unlisted),
            _ => Ok(()),
        };
        self.guest.recorded();
        recorded
    }

    /// The first signal goes to the agent; a second one of the ending kind ends the machine.
    fn signal(&mut self, signal: Received) -> Result<(), Failure> {
        // The shell has let everybody go on; a machine that is paused is not the shell's to wake.
        if signal == Received::Continued && self.pace == Pace::Still {
            let _gone = self.processes.machine.freeze();
        }
        // One that stands still hears nothing.
        if signal.ends() && (self.ending.is_some() || self.pace == Pace::Still) {
            return Err(interrupted());
        }
        self.forward(signal).map_err(|_stuck| interrupted())?;
        if signal.ends() {
            self.ending = Some(Ending { status: None, by: Instant::now() + GRACE });
        }
        Ok(())
    }

    fn time_is_up(&mut self) -> Result<(), Failure> {
        if let Some(ending) = self.ending {
            let forced = Failure::new(
                "the agent did not end when it was asked to; its machine was stopped",
                "handle SIGTERM in the agent",
            );
            return Err(forced.with_status(ending.status.unwrap_or(ExitStatus::Interrupted)));
        }
        let timed_out = ExitStatus::TimedOut;
        if self.pace == Pace::Still {
            let failure =
                Failure::new("the run's time was up while it was paused", "raise resources.timeout");
            return Err(failure.with_status(timed_out));
        }
        self.ending = Some(Ending { status: Some(timed_out), by: Instant::now() + GRACE });
        let asked = self.forward(Received::ForAgent(signal_hook::consts::SIGTERM));
        asked.map_err(|stuck| Failure::new(chain(&stuck), "raise resources.timeout").with_status(timed_out))
    }

    fn after_lost_guest(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + POWER_OFF;
        while let Some(event) = self.events.next(Some(until)) {
            if matches!(event, Event::Machine(_)) {
                return Err(self.processes.failure(event, &self.console));
            }
        }
        Err(Failure::new(
            "the guest closed its control channel before the agent ended",
            "run again with --console to see why",
        ))
    }
}

/// Whoever wants to connect must know where to.
#[expect(clippy::print_stderr, reason = "an address with port 0 is known only now, and only here")]
fn show(open_ports: &[String]) {
    for line in open_ports {
        eprintln!("openshell: {line}");
    }
}

/// Where the agent's output goes.
fn sinks(kept: &Kept, detached: Detached) -> Sinks<impl Write + Send + 'static, impl Write + Send + 'static> {
    let (stdout, stderr): (Box<dyn Write + Send>, Box<dyn Write + Send>) = match detached {
        Detached::No => (Box::new(io::stdout()), Box::new(io::stderr())),
        Detached::Yes => (Box::new(io::sink()), Box::new(io::sink())),
    };
    Sinks { stdout: kept.beside(Stream::Stdout, stdout), stderr: kept.beside(Stream::Stderr, stderr) }
}

fn tee(output: ConsoleOutput) -> impl FnMut(&[u8]) + Send + 'static {
    let mut sink: Option<File> = match output {
        ConsoleOutput::Kept => None,
        ConsoleOutput::Shown => rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3).ok().map(File::from),
    };
    move |bytes| {
        // Losing the copy of a console is no reason to end the guest.
        let _unshown = sink.as_mut().map(|sink| sink.write_all(bytes));
    }
}

/// Ends those that write to the log beside the manager, which has ended, and waits for its end.
fn end_log(others: [Option<Process>; 2], audit: &mut Process, sign: Option<&mut Process>) {
    for process in others.into_iter().flatten() {
        process.stop(CHILD_GRACE);
    }
    // Without clients the audit writer syncs and ends by itself.
    audit.wait_up_to(CHILD_GRACE);
    // Without the writer the signer makes the last checkpoint and ends by itself.
    if let Some(sign) = sign {
        sign.wait_up_to(CHILD_GRACE);
    }
}
