//! A lab in use, seen from the host.
//!
//! States: *starting* (twice at most, see [`Lab::start`]) → *idle* ↔ *running* a command → gone. Everything that
//! can happen arrives as one event on one channel: a frame from the guest half, the end of the machine, a signal
//! for the command.

mod archive;

use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::process::ChildStdin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::frame::{Command, Frame};
use crate::machine::{Machine, MachineError};
use crate::options::{Input, Options, RunOptions};

/// How long a command may take to end after its time limit, before the whole lab is ended.
const GRACE: Duration = Duration::from_secs(10);
/// How long the guest half may take to send the next piece of an archive.
const ARCHIVE_LIMIT: Duration = Duration::from_secs(60);
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
    /// The guest half said something that does not belong there.
    #[error("the lab's guest half sent an unexpected {0} frame")]
    Unexpected(String),
}

/// A running lab.
#[derive(Debug)]
pub struct Lab {
    machine: Machine,
    /// Shared with the thread that feeds a command's stdin.
    guest: Arc<Mutex<ChildStdin>>,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

/// Sends signals to the command that a lab runs.
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

impl Lab {
    /// Starts a lab and waits until it welcomes commands. Its processes die with the calling thread.
    ///
    /// # Errors
    /// A package is missing, or the lab did not get ready twice.
    pub fn start(options: &Options) -> Result<Self, LabError> {
        match Self::try_start(options) {
            // An emulated machine stays silent once in a while for no reason of ours; a second time there is one.
            Err(LabError::Silent { .. } | LabError::Gone(_)) => Self::try_start(options),
            other => other,
        }
    }

    /// Runs one command and returns when it has ended and its results are stored.
    ///
    /// # Errors
    /// The command does not start, the lab ends, or a result cannot be brought back. A command that fails is no
    /// error; see [`Ended`].
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
        let ended = self.follow(options.time_limit, output)?;
        for (from, to) in &options.copy_out {
            self.copy_out(from, to)?;
        }
        Ok(ended)
    }

    /// A handle that interrupts the running command from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter { sender: self.sender.clone() }
    }

    fn try_start(options: &Options) -> Result<Self, LabError> {
        let (machine, (stdin, stdout)) = Machine::start(options)?;
        let (sender, events) = mpsc::channel();
        let reader = sender.clone();
        thread::spawn(move || read_frames(BufReader::new(stdout), &reader));
        let lab = Self { machine, guest: Arc::new(Mutex::new(stdin)), events, sender };
        match lab.events.recv_timeout(options.start_limit) {
            Ok(Event::Guest(Frame::Ready)) => Ok(lab),
            Ok(Event::Guest(Frame::Broken(why))) => Err(LabError::Broken(why)),
            Err(RecvTimeoutError::Timeout) => {
                Err(LabError::Silent { limit: options.start_limit, words: lab.machine.last_words() })
            }
            Ok(Event::Guest(frame)) => Err(unexpected(&frame)),
            Ok(Event::Gone | Event::Signal(_)) | Err(RecvTimeoutError::Disconnected) => {
                Err(LabError::Gone(lab.machine.last_words()))
            }
        }
    }

    /// Hands the command's output on until it ends.
    fn follow(&mut self, limit: Duration, output: &mut dyn FnMut(Stream, &[u8])) -> Result<Ended, LabError> {
        let mut deadline = Instant::now() + limit;
        let mut out_of_time = false;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Guest(Frame::Stdout(bytes))) => output(Stream::Stdout, &bytes),
                Ok(Event::Guest(Frame::Stderr(bytes))) => output(Stream::Stderr, &bytes),
                Ok(Event::Guest(Frame::Exit(_))) if out_of_time => return Ok(Ended::TimeLimit),
                Ok(Event::Guest(Frame::Exit(code))) => return Ok(Ended::Exit(code)),
                Ok(Event::Guest(Frame::NotStarted(why))) => return Err(LabError::NotStarted(why)),
                Ok(Event::Guest(frame)) => return Err(unexpected(&frame)),
                Ok(Event::Signal(number)) => self.send(&Frame::Signal(number))?,
                Ok(Event::Gone) | Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
                Err(RecvTimeoutError::Timeout) if out_of_time => {
                    return Err(LabError::Silent { limit: GRACE, words: self.machine.last_words() });
                }
                Err(RecvTimeoutError::Timeout) => {
                    out_of_time = true;
                    deadline = Instant::now() + GRACE;
                    self.send(&Frame::Signal(SIGTERM))?;
                    self.send(&Frame::Signal(SIGKILL))?;
                }
            }
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
