//! A lab in use, seen from the host.
//!
//! States: [`Planned`] → starting (twice at most) → [`Lab`], idle ↔ running a command → gone. Everything that can
//! happen arrives as one event on one channel: a frame from the guest half, the end of the machine, a signal for
//! the command.

mod archive;

use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::frame::{Command, Frame};
use crate::machine::{Machine, MachineError};
use crate::options::{Input, Options, RunOptions};

/// How long a command may take to end after SIGTERM at its time limit, and again after SIGKILL, before the whole
/// lab is given up.
const GRACE: Duration = Duration::from_secs(5);
/// How long the guest half may take to send the next piece of an archive.
const ARCHIVE_LIMIT: Duration = Duration::from_secs(60);
/// Setting a file's times to what they are moves it into the lab's own layer, even while it runs.
const SETTLE: &str = r#"set -e; for file in "$@"; do
for part in "$file" $(ldd "$file" 2>/dev/null | grep -o '/[^ )]*'); do touch -r "$part" "$part"; done; done"#;
const SIGTERM: u8 = 15;
const SIGKILL: u8 = 9;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code; 128 + signal when a signal killed it.
    Exit(u8),
    /// At its time limit.
    TimeLimit,
}

/// Which of a command's outputs some bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// stdout.
    Stdout,
    /// stderr.
    Stderr,
}

/// What went wrong with the lab itself, as opposed to the command in it.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Its processes do not start.
    #[error("the lab's machine does not start")]
    Machine(#[from] MachineError),
    /// It did not get ready in time.
    #[error("the lab stayed silent for {} s; its last words:\n{words}", limit.as_secs())]
    Silent {
        /// The time that it had.
        limit: Duration,
        /// The console's last lines.
        words: String,
    },
    /// Its machine ended.
    #[error("the lab's machine ended; its last words:\n{0}")]
    Gone(String),
    /// It has no working KVM.
    #[error("the lab is not usable: {0}")]
    Broken(String),
    /// The command could not be started in it.
    #[error("the command does not start in the lab: {0}")]
    NotStarted(String),
    /// A path or argument that is not UTF-8.
    #[error("{0:?} is not UTF-8")]
    NotUtf8(PathBuf),
    /// A result could not be brought back.
    #[error("cannot copy {path} out of the lab: {reason}")]
    CopyOut {
        /// The path in the lab.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A result could not be stored here.
    #[error("cannot store {path}")]
    Store {
        /// The path on the host.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file could not be moved into it.
    #[error("cannot move files into the lab: {0}")]
    Settle(String),
    /// A signal came while it started.
    #[error("interrupted while the lab was starting")]
    Interrupted,
    /// The guest half said something that does not belong there.
    #[error("the lab's guest half sent an unexpected {0} frame")]
    Unexpected(String),
}

/// A lab that does not run yet.
#[derive(Debug)]
pub struct Planned {
    options: Options,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

/// A running lab.
#[derive(Debug)]
pub struct Lab {
    machine: Machine,
    /// Shared with the thread that feeds a command's stdin.
    guest: Arc<Mutex<ChildStdin>>,
    events: Receiver<Event>,
}

/// Sends signals to a lab: they end its start, and reach the command once one runs.
#[derive(Clone, Debug)]
pub struct Interrupter {
    sender: Sender<Event>,
}

#[derive(Debug)]
enum Event {
    Guest(Frame),
    Gone,
    Signal(u8),
}

/// How far a command is from being stopped at its time limit.
#[derive(Clone, Copy)]
enum Stage {
    Running,
    Asked,
    Killed,
}

/// A machine that may become a lab.
type Attempt = (Machine, ChildStdin, JoinHandle<()>);

impl Ended {
    /// What a command line returns: the command's own code, 124 at the time limit.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Exit(code) => code,
            Self::TimeLimit => 124,
        }
    }
}

impl Interrupter {
    /// Sends a signal to the command and its children; nothing happens between commands.
    pub fn signal(&self, number: u8) {
        // A lab that has gone needs no signal.
        let _ = self.sender.send(Event::Signal(number));
    }
}

impl Planned {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let (sender, events) = mpsc::channel();
        Self { options, events, sender }
    }

    /// A handle that interrupts the start, and later the running command, from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { sender: self.sender.clone() }
    }

    /// Starts the lab and waits until it welcomes commands. Its processes die with the calling thread.
    ///
    /// # Errors
    /// A package is missing, a signal came, or the lab did not get ready twice.
    pub fn start(self) -> Result<Lab, LabError> {
        match self.attempt() {
            // An emulated machine stays silent once in a while for no reason of ours; a second time there is one.
            Err(LabError::Silent { .. } | LabError::Gone(_)) => {}
            Err(other) => return Err(other),
            Ok(started) => return Ok(self.into_lab(started)),
        }
        // What the first machine still had to say is not the second one's.
        if self.events.try_iter().any(|event| matches!(event, Event::Signal(_))) {
            return Err(LabError::Interrupted);
        }
        let started = self.attempt()?;
        Ok(self.into_lab(started))
    }

    fn attempt(&self) -> Result<Attempt, LabError> {
        let (machine, (stdin, stdout)) = Machine::start(&self.options)?;
        let events = self.sender.clone();
        let reader = thread::spawn(move || read_frames(BufReader::new(stdout), &events));
        let limit = self.options.start_limit;
        let failure = match self.events.recv_timeout(limit) {
            Ok(Event::Guest(Frame::Ready)) => {
                machine.booted();
                return Ok((machine, stdin, reader));
            }
            Ok(Event::Guest(Frame::Broken(why))) => LabError::Broken(why),
            Ok(Event::Guest(frame)) => unexpected(&frame),
            Ok(Event::Signal(_)) => LabError::Interrupted,
            Err(RecvTimeoutError::Timeout) => LabError::Silent { limit, words: machine.last_words() },
            Ok(Event::Gone) | Err(RecvTimeoutError::Disconnected) => LabError::Gone(machine.last_words()),
        };
        drop((machine, stdin));
        // Its last event is sent when it has ended.
        let _ = reader.join();
        Err(failure)
    }

    fn into_lab(self, (machine, stdin, _reader): Attempt) -> Lab {
        Lab { machine, guest: Arc::new(Mutex::new(stdin)), events: self.events }
    }
}

impl Stage {
    fn ended(self, code: u8) -> Ended {
        match self {
            Self::Running => Ended::Exit(code),
            Self::Asked | Self::Killed => Ended::TimeLimit,
        }
    }
}

impl Lab {
    /// Plans and starts a lab in one go, for who has no signals to hand on.
    ///
    /// # Errors
    /// See [`Planned::start`].
    pub fn start(options: &Options) -> Result<Self, LabError> {
        Planned::new(options.clone()).start()
    }

    /// Runs one command and returns when it has ended.
    ///
    /// # Errors
    /// The command does not start, or the lab ends. A command that fails is no error; see [`Ended`].
    pub fn run(
        &mut self,
        argv: &[String],
        options: &RunOptions,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Ended, LabError> {
        let cwd = options.cwd.to_str().ok_or_else(|| LabError::NotUtf8(options.cwd.clone()))?.to_owned();
        let command =
            Command { argv: argv.to_vec(), env: options.env.clone(), cwd, user: options.user.clone() };
        self.send(&Frame::Run(command))?;
        self.feed(&options.input)?;
        self.follow(options.time_limit, output)
    }

    /// Moves host files, and the libraries of those that are programs, into the lab's own memory, so that using
    /// them waits for nothing.
    ///
    /// # Errors
    /// A file is missing, or the lab ends.
    pub fn settle(&mut self, files: &[PathBuf]) -> Result<(), LabError> {
        if files.is_empty() {
            return Ok(());
        }
        let mut argv = ["sh", "-c", SETTLE, "sh"].map(str::to_owned).to_vec();
        for file in files {
            argv.push(file.to_str().ok_or_else(|| LabError::NotUtf8(file.clone()))?.to_owned());
        }
        let mut words = Vec::new();
        match self.run(&argv, &RunOptions::default(), &mut |_stream, bytes| words.extend(bytes))? {
            Ended::Exit(0) => Ok(()),
            _failed => Err(LabError::Settle(String::from_utf8_lossy(&words).trim().to_owned())),
        }
    }

    /// The first line of trouble that the lab's own kernel reported, if any: what a command did then counts for
    /// nothing.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.machine.trouble()
    }

    /// Hands the command's output on until it ends.
    fn follow(&mut self, limit: Duration, output: &mut dyn FnMut(Stream, &[u8])) -> Result<Ended, LabError> {
        let mut stage = Stage::Running;
        let mut deadline = Instant::now() + limit;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Guest(Frame::Stdout(bytes))) => output(Stream::Stdout, &bytes),
                Ok(Event::Guest(Frame::Stderr(bytes))) => output(Stream::Stderr, &bytes),
                Ok(Event::Guest(Frame::Exit(code))) => return Ok(stage.ended(code)),
                Ok(Event::Guest(Frame::NotStarted(why))) => return Err(LabError::NotStarted(why)),
                Ok(Event::Guest(frame)) => return Err(unexpected(&frame)),
                Ok(Event::Signal(number)) => self.send(&Frame::Signal(number))?,
                Ok(Event::Gone) | Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
                Err(RecvTimeoutError::Timeout) => {
                    deadline = Instant::now() + GRACE;
                    stage = self.stop(stage)?;
                }
            }
        }
    }

    /// The next step of stopping a command.
    fn stop(&self, stage: Stage) -> Result<Stage, LabError> {
        match stage {
            Stage::Running => self.send(&Frame::Signal(SIGTERM)).map(|()| Stage::Asked),
            Stage::Asked => self.send(&Frame::Signal(SIGKILL)).map(|()| Stage::Killed),
            Stage::Killed => Err(LabError::Silent { limit: GRACE, words: self.machine.last_words() }),
        }
    }

    /// Gives the command its stdin.
    fn feed(&self, input: &Input) -> Result<(), LabError> {
        match input {
            Input::Empty => self.send(&Frame::StdinEnd),
            Input::Bytes(bytes) => {
                for piece in bytes.chunks(16 << 10) {
                    self.send(&Frame::Stdin(piece.to_vec()))?;
                }
                self.send(&Frame::StdinEnd)
            }
            Input::Inherit => {
                let guest = Arc::clone(&self.guest);
                // Ends with stdin or with the process; a read cannot be called back.
                thread::spawn(move || forward_stdin(&guest));
                Ok(())
            }
        }
    }

    fn send(&self, frame: &Frame) -> Result<(), LabError> {
        write_to(&self.guest, frame).map_err(|_closed| self.gone())
    }

    fn gone(&self) -> LabError {
        LabError::Gone(self.machine.last_words())
    }
}

fn write_to(guest: &Mutex<ChildStdin>, frame: &Frame) -> io::Result<()> {
    frame.write(&mut *guest.lock().unwrap_or_else(PoisonError::into_inner))
}

fn read_frames(mut channel: impl Read, events: &Sender<Event>) {
    while let Ok(frame) = Frame::read(&mut channel) {
        if events.send(Event::Guest(frame)).is_err() {
            return;
        }
    }
    let _ = events.send(Event::Gone);
}

fn forward_stdin(guest: &Mutex<ChildStdin>) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let frame = match io::stdin().read(&mut buffer) {
            Ok(0) | Err(_) => Frame::StdinEnd,
            Ok(count) => Frame::Stdin(buffer[..count].to_vec()),
        };
        let last = matches!(frame, Frame::StdinEnd);
        if write_to(guest, &frame).is_err() || last {
            return;
        }
    }
}

fn unexpected(frame: &Frame) -> LabError {
    let debug = format!("{frame:?}");
    LabError::Unexpected(debug.split(['(', ' ']).next().unwrap_or_default().to_owned())
}
