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

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use wire::audit::AuditEvent;
use wire::control::{Exit, FromGuest, ToGuest};
use wire::machine::MachineEvent;
use wire::proxy::ProxyEvent;
use wire::router::RouterEvent;

use crate::control::{self, Heard, Sinks, ToGuestQueue};
use crate::failure::{ExitStatus, Failure, chain};
use crate::layout::Layout;
use crate::prepare::{Prepared, prepare};
use crate::process::{Process, Report};
use crate::record::Recorder;
use crate::serial::Console;
use crate::signals::{Received, Watch};
use crate::spec::Spec;
use crate::terminal;

/// How long the agent may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How long the guest may take to power off after the agent ended.
const POWER_OFF: Duration = Duration::from_secs(5);

/// How long a child may take to end after it was asked to.
const CHILD_GRACE: Duration = Duration::from_secs(2);

/// How the user wants the sandbox run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the agent gets a terminal.
    pub tty: Tty,
    /// Where the guest's console goes.
    pub console: ConsoleOutput,
    /// How long the guest may take to say hello.
    pub boot_timeout: Duration,
    /// A kernel of the operator's own: an ELF `vmlinux` or a bzImage.
    pub kernel: Option<PathBuf>,
    /// An initial RAM file system of the operator's own.
    pub initramfs: Option<PathBuf>,
}

/// Whether the agent gets a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tty {
    /// Three pipes.
    No,
    /// A terminal, joined to ours.
    Yes,
}

/// Where the guest's console goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleOutput {
    /// Kept, and shown when the boot fails.
    Kept,
    /// Also to standard error.
    Shown,
}

/// A validated `agent.yaml`.
#[derive(Debug)]
pub struct Planned {
    /// What the user wrote.
    pub spec: Spec,
    layout: Layout,
    options: Options,
    events: Events,
}

/// What happened, in order of arrival.
#[derive(Debug)]
pub(crate) enum Event {
    Machine(Report<MachineEvent>),
    Proxy(Report<ProxyEvent>),
    Router(Report<RouterEvent>),
    Audit(Report<AuditEvent>),
    Guest(Heard),
    Signal(Received),
}

/// The one channel, and the signals that feed it from the first moment.
#[derive(Debug)]
pub(crate) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    _signals: Watch,
}

/// The processes of one sandbox. Fields are dropped in order: the machine first, the log last.
#[derive(Debug)]
pub(crate) struct Processes {
    pub(crate) machine: Process,
    pub(crate) proxy: Option<Process>,
    pub(crate) router: Option<Process>,
    pub(crate) audit: Process,
}

/// Processes are up; the guest has not been told what to become.
#[derive(Debug)]
pub(crate) struct Booting {
    pub(crate) processes: Processes,
    pub(crate) recorder: Recorder,
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
    router: bool,
    proxy: bool,
    hello: bool,
    authority_pem: Option<String>,
}

/// The agent runs.
struct Running {
    processes: Processes,
    recorder: Recorder,
    console: Console,
    guest: ToGuestQueue,
    events: Events,
    deadline: Option<Instant>,
    ending: Option<Ending>,
    _prepared: Prepared,
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
        let spec = Spec::load(path)?;
        Ok(Self { spec, layout, options, events: Events::watch()? })
    }

    /// Runs the sandbox from here to its end.
    ///
    /// # Errors
    /// Everything that is not the agent's own exit status.
    pub fn run(self) -> Result<ExitStatus, Failure> {
        let Self { spec, layout, options, events } = self;
        let prepared = prepare(spec, &options, &layout, || events.interrupted());
        let prepared = prepared.map_err(|failure| events.as_interruption(failure))?;
        let booting = Booting::start(prepared, &layout, options, events)?;
        booting.until_set_up()?.until_ended()
    }
}

impl Events {
    fn watch() -> Result<Self, Failure> {
        let (sender, receiver) = channel();
        let signals = sender.clone();
        // A closed channel means that the sandbox has ended: the signal has nothing left to end.
        let watch = Watch::start(move |signal| drop(signals.send(Event::Signal(signal))))?;
        Ok(Self { sender, receiver, _signals: watch })
    }

    /// A function that passes what `wrap` makes of it to the loop.
    pub(crate) fn to_loop<T, F: Fn(T) -> Event>(&self, wrap: F) -> impl Fn(T) + use<T, F> {
        let sender = self.sender.clone();
        move |item| drop(sender.send(wrap(item)))
    }

    /// Fails if the user has asked to stop.
    fn interrupted(&self) -> Result<(), Failure> {
        match self.receiver.try_recv() {
            Ok(Event::Signal(signal)) if signal.ends() => Err(interrupted()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A tool that Ctrl-C ended fails; what the user did is the cause, not the tool.
    fn as_interruption(&self, failure: Failure) -> Failure {
        self.interrupted().err().unwrap_or(failure)
    }

    /// The next event before `deadline`; `None` when it has passed.
    fn next(&self, deadline: Option<Instant>) -> Option<Event> {
        let Some(deadline) = deadline else { return self.receiver.recv().ok() };
        self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

impl Booting {
    fn start(
        mut prepared: Prepared,
        layout: &Layout,
        options: Options,
        events: Events,
    ) -> Result<Self, Failure> {
        let console = Console::default();
        let listener = prepared.take_control_listener();
        let heard = events.to_loop(Event::Guest);
        let guest = control::serve(listener, Sinks { stdout: io::stdout(), stderr: io::stderr() }, heard);
        let (processes, recorder, serial) = prepared.launch(layout, &events)?;
        console.read(serial, tee(options.console));
        let waiting = Waiting {
            audit: true,
            router: processes.router.is_some(),
            proxy: processes.proxy.is_some(),
            hello: true,
            authority_pem: None,
        };
        Ok(Self { processes, recorder, console, guest, waiting, prepared, events, options })
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
        self.recorder.started(&self.prepared.spec, self.prepared.network())?;
        let raw = (self.options.tty == Tty::Yes).then(terminal::Raw::enter).transpose()?;
        let size = raw.as_ref().map(|_raw| terminal::size());
        let setup = self.prepared.setup(self.waiting.authority_pem.take(), size)?;
        self.guest.send(ToGuest::Setup(Box::new(setup))).map_err(|_stuck| self.silent())?;
        self.guest.feed(io::stdin());
        let deadline =
            self.prepared.spec.resources.timeout.map(|timeout| Instant::now() + timeout.duration());
        let Self { processes, recorder, console, guest, prepared, events, .. } = self;
        Ok(Running {
            processes,
            recorder,
            console,
            guest,
            events,
            deadline,
            ending: None,
            _prepared: prepared,
            _raw: raw,
        })
    }

    fn boot_event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Audit(Report::Event(AuditEvent::Ready { .. })) => self.waiting.audit = false,
            Event::Router(Report::Event(RouterEvent::Ready)) => self.waiting.router = false,
            Event::Proxy(Report::Event(ProxyEvent::Ready { authority_pem })) => {
                self.waiting.proxy = false;
                self.waiting.authority_pem = Some(authority_pem);
            }
            Event::Guest(Heard::Message(FromGuest::Hello { version, .. })) if version == wire::VERSION => {
                self.waiting.hello = false;
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
        self.audit || self.router || self.proxy || self.hello
    }
}

impl Running {
    /// Serves events until the agent has ended, then takes everything down.
    fn until_ended(mut self) -> Result<ExitStatus, Failure> {
        let ended = loop {
            let deadline = self.ending.map_or(self.deadline, |ending| Some(ending.by));
            match self.events.next(deadline) {
                Some(Event::Guest(Heard::Message(FromGuest::Exited(exit)))) => break Ok(exit),
                Some(event) => {
                    if let Err(failure) = self.event(event) {
                        break Err(failure);
                    }
                }
                None => match self.time_is_up() {
                    Ok(()) => {}
                    Err(failure) => break Err(failure),
                },
            }
        };
        let result = ended.and_then(|exit| self.status(exit));
        self.recorder.ended(&result)?;
        self.take_down(result.is_ok());
        result
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Guest(Heard::Message(FromGuest::Ready { .. } | FromGuest::Started { .. })) => Ok(()),
            Event::Machine(Report::Event(MachineEvent::Ready { .. })) => Ok(()),
            Event::Signal(Received::Resized) => {
                // A guest that is too busy to hear of it now shows the old size until the next change.
                let _busy = self.guest.send(ToGuest::Resize(terminal::size()));
                Ok(())
            }
            Event::Signal(signal) => self.signal(signal),
            // The guest's channel closes when its machine stops; the machine's own report says why.
            Event::Guest(Heard::Closed | Heard::Broken(_)) => self.after_lost_guest(),
            other => Err(self.processes.failure(other, &self.console)),
        }
    }

    /// The first signal goes to the agent; a second one of the ending kind ends the machine.
    fn signal(&mut self, signal: Received) -> Result<(), Failure> {
        if signal.ends() && self.ending.is_some() {
            return Err(interrupted());
        }
        if let Received::ForAgent(number) = signal {
            self.guest.send(ToGuest::Signal(number)).map_err(|_stuck| interrupted())?;
        }
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
        self.ending = Some(Ending { status: Some(timed_out), by: Instant::now() + GRACE });
        let asked = self.guest.send(ToGuest::Signal(signal_hook::consts::SIGTERM));
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

    /// What the agent's end means for the command.
    fn status(&self, exit: Exit) -> Result<ExitStatus, Failure> {
        if let Some(status) = self.ending.and_then(|ending| ending.status) {
            let timed_out = Failure::new("the run's time was up", "raise resources.timeout in agent.yaml");
            return Err(timed_out.with_status(status));
        }
        match exit {
            Exit::Code(code) => Ok(ExitStatus::Agent(code)),
            Exit::Signal(number) => {
                Ok(ExitStatus::Agent(u8::try_from(number).map_or(255, |n| n.saturating_add(128))))
            }
            Exit::NotFound => Err(Failure::new(
                "the agent's command was not found in the guest",
                "check command and the image's PATH; a script needs its interpreter in the image",
            )
            .with_status(ExitStatus::NotFound)),
            Exit::NotExecutable => Err(Failure::new(
                "the agent's command may not be executed",
                "make the file executable, and let policy.filesystem allow to execute it",
            )
            .with_status(ExitStatus::NotPermitted)),
            Exit::OutOfMemory => Err(Failure::new(
                "the guest ran out of memory and its kernel ended the agent",
                "raise resources.memory in agent.yaml",
            )),
        }
    }

    fn take_down(self, gently: bool) {
        let Self { mut processes, recorder, .. } = self;
        if gently {
            processes.machine.wait_up_to(POWER_OFF);
        }
        drop(processes.machine);
        for process in [processes.proxy, processes.router].into_iter().flatten() {
            process.stop(CHILD_GRACE);
        }
        // Without clients the audit writer syncs and ends by itself.
        drop(recorder);
        processes.audit.wait_up_to(CHILD_GRACE);
    }
}

impl Processes {
    /// Explains an event that should not have come.
    fn failure(&mut self, event: Event, console: &Console) -> Failure {
        const BUG: &str = "this is a fault of openshell: please report it with the lines above";
        let gone = |process: Option<&mut Process>| {
            process.map_or_else(|| "a process ended".to_owned(), Process::post_mortem)
        };
        match event {
            Event::Machine(Report::Event(MachineEvent::Failed { cause, remedy })) => {
                Failure::new(cause, remedy)
            }
            Event::Proxy(Report::Event(ProxyEvent::Failed { cause, remedy })) => Failure::new(cause, remedy),
            Event::Router(Report::Event(RouterEvent::Failed { cause, remedy })) => {
                Failure::new(cause, remedy)
            }
            Event::Audit(Report::Event(AuditEvent::Failed { cause, remedy })) => Failure::new(cause, remedy),
            Event::Machine(Report::Event(MachineEvent::Panicked { reason })) => Failure::new(
                format_args!("the guest's kernel panicked: {reason}"),
                "give the guest more memory (resources.memory), or run again with --console to see the whole report",
            ),
            Event::Machine(Report::Event(_)) => Failure::new(
                format_args!(
                    "the guest stopped before the agent ended; its last lines: {}",
                    console.tail(3).join(" | ")
                ),
                "run again with --console to see why",
            ),
            Event::Guest(Heard::Message(FromGuest::Failed { stage, cause })) => Failure::new(
                format_args!("guest-init failed ({stage:?}): {cause}"),
                "run again with --console; a full writable layer needs a larger resources.disk or resources.memory",
            ),
            Event::Guest(Heard::Broken(error)) => {
                Failure::new(format_args!("the guest's control channel: {}", chain(&error)), BUG)
            }
            Event::Guest(_) => Failure::new("the guest spoke out of turn", BUG),
            Event::Machine(Report::Gone) => Failure::new(self.machine.post_mortem(), BUG),
            Event::Proxy(_) => Failure::new(gone(self.proxy.as_mut()), BUG),
            Event::Router(_) => Failure::new(gone(self.router.as_mut()), BUG),
            Event::Audit(_) => Failure::new(self.audit.post_mortem(), BUG),
            Event::Signal(_) => interrupted(),
        }
    }
}

fn interrupted() -> Failure {
    Failure::new("interrupted", "nothing is left running").with_status(ExitStatus::Interrupted)
}

fn tee(output: ConsoleOutput) -> impl FnMut(&[u8]) + Send + 'static {
    let mut sink: Option<File> = match output {
        ConsoleOutput::Kept => None,
        ConsoleOutput::Shown => rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3).ok().map(File::from),
    };
    move |bytes| {
        // Losing the copy of a console is no reason to end the guest.
        let _unshown = sink.as_mut().map(|sink| io::Write::write_all(sink, bytes));
    }
}
