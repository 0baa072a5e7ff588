//! Our terminal or our streams on those of a command: what it writes is shown, what is typed goes to it as far as it has room.

use std::io::{self, BufReader, IsTerminal as _, Read as _, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};

use wire::control::{Exit, Stream, ToGuest};
use wire::frame;
use wire::id::SandboxId;
use wire::operator::FromCommand;

use super::keys::Typed;
use super::line::Line;
use super::typing::{Put, Typing};
use crate::credit::Window;
use crate::failure::{ExitStatus, Failure};
use crate::harmless::Harmless;
use crate::terminal;

/// How somebody left a command, or it him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executed {
    /// It ended.
    Ended(ExitStatus),
    /// It goes on.
    RunsOn {
        /// In this sandbox.
        sandbox: SandboxId,
        /// Under this number.
        session: u32,
    },
}

/// The last that was heard of a command.
#[derive(Debug)]
pub(super) enum Last {
    /// It ended.
    Exited(Exit),
    /// It did not start.
    Failed(String),
    /// The line was closed.
    Closed,
}

/// What a terminal says of keys that nobody has room for.
const BELL: &[u8] = b"\x07";

/// Why we closed the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// To leave the command running.
    Running,
    /// Whatever becomes of it.
    HangingUp,
}

/// What the end of our input is to the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// The end of its own.
    Ends,
    /// Nothing: others may go on.
    Ignored,
}

/// Whether our terminal puts a new line where it was told to, or only beneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    Cooked,
    Raw,
}

/// One way to close the line, for whoever has a reason.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    line: Arc<UnixStream>,
    why: Arc<OnceLock<Left>>,
}

/// Where what is typed goes.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) typed: Typed,
    pub(super) outgoing: SyncSender<ToGuest>,
    /// The room that a command gives; an agent's line gives none, and is read as fast as the agent reads.
    pub(super) window: Option<Arc<Window>>,
    pub(super) at_end: AtEnd,
}

impl Screen {
    /// While this is held, or is not.
    pub(super) fn of(raw: Option<&terminal::Raw>) -> Self {
        raw.map_or(Self::Cooked, |_raw| Self::Raw)
    }
}

impl Leaving {
    /// # Errors
    /// No descriptor is left.
    pub(super) fn of(line: &Line) -> Result<Self, Failure> {
        let line = line.incoming.get_ref().try_clone().map_err(|error| {
            Failure::new(format_args!("cannot watch for signals: {error}"), "check the limit on open files")
        })?;
        Ok(Self { line: Arc::new(line), why: Arc::default() })
    }

    /// Closes it; the first reason holds.
    pub(super) fn leave(&self, why: Left) {
        self.why.get_or_init(|| why);
        let _closed = self.line.shutdown(Shutdown::Both);
    }

    /// Why it was closed, if we did it.
    pub(super) fn why(&self) -> Option<Left> {
        self.why.get().copied()
    }
}

impl Feed {
    /// Passes on what is typed, on threads of its own. `keys` is called when the detach keys were typed, and says whether we have
    /// left. A thread that waits in a read cannot be ended; it goes with the process, as does one that waits for room.
    pub(super) fn begin(self, keys: impl Fn() -> bool + Send + 'static) {
        let Self { typed, outgoing, window, at_end } = self;
        let typing = Arc::new(Typing::default());
        let reading = Arc::clone(&typing);
        std::thread::spawn(move || read(typed, &reading, keys));
        std::thread::spawn(move || {
            while let Some(bytes) = typing.next() {
                if let Some(window) = &window {
                    window.take(bytes.len());
                }
                if outgoing.send(ToGuest::Input(bytes)).is_err() {
                    return typing.close();
                }
            }
            if at_end == AtEnd::Ends {
                // A line that is closed has ended already.
                let _closed = outgoing.send(ToGuest::EndOfInput);
            }
        });
    }
}

/// Reads what is typed. The keys are looked for before there is room for what is typed, as a command that reads nothing is what they
/// are for.
fn read(mut typed: Typed, typing: &Typing, keys: impl Fn() -> bool) {
    let mut chunk = vec![0; typed.chunk()];
    loop {
        let length = match io::stdin().read(&mut chunk) {
            Ok(length @ 1..) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => return typing.end(),
        };
        let mut next = Some(&chunk[..length]);
        while let Some(bytes) = next {
            let (passed, rest) = typed.passed(bytes);
            next = rest;
            let put = if passed.is_empty() {
                Put::Taken
            } else if typed.has_keys() {
                typing.put_soon(&passed)
            } else {
                typing.put(&passed)
            };
            match put {
                Put::Taken => {}
                Put::Lost => show(&mut io::stderr(), BELL),
                Put::Closed => return,
            }
            if next.is_some() {
                typing.flush();
                if keys() {
                    return;
                }
            }
        }
    }
}

/// What an ended command wrote, for our terminal or our files. Nobody is there for what a terminal would answer to it: it would be typed
/// into whatever reads the terminal next.
#[derive(Debug)]
pub(super) struct Remains {
    stdout: Option<Harmless>,
    stderr: Option<Harmless>,
}

impl Remains {
    pub(super) fn for_our_streams() -> Self {
        Self {
            stdout: io::stdout().is_terminal().then(Harmless::default),
            stderr: io::stderr().is_terminal().then(Harmless::default),
        }
    }

    fn bytes(&mut self, stream: Stream, bytes: Vec<u8>) -> Vec<u8> {
        match (stream, &mut self.stdout, &mut self.stderr) {
            (Stream::Stdout, Some(harmless), _) | (Stream::Stderr, _, Some(harmless)) => {
                harmless.text(&bytes).into_bytes()
            }
            _file => bytes,
        }
    }
}

/// Shows what is kept of a command that has ended, to how it did.
pub(super) fn hear_remains(incoming: &mut BufReader<UnixStream>, mut remains: Remains) -> Last {
    loop {
        match frame::read(incoming, frame::SMALL) {
            Ok(FromCommand::Output { stream: stream @ Stream::Stdout, bytes }) => {
                show(&mut io::stdout(), &remains.bytes(stream, bytes));
            }
            Ok(FromCommand::Output { stream: stream @ Stream::Stderr, bytes }) => {
                show(&mut io::stderr(), &remains.bytes(stream, bytes));
            }
            Ok(FromCommand::Exited(exit)) => return Last::Exited(exit),
            Ok(FromCommand::Failed { cause }) => return Last::Failed(cause),
            Ok(FromCommand::Started | FromCommand::Skipped { .. } | FromCommand::Taken { .. }) => {}
            Err(_) => return Last::Closed,
        }
    }
}

/// Shows what the command writes, to its end or ours.
pub(super) fn hear(incoming: &mut BufReader<UnixStream>, window: &Window, screen: Screen) -> Last {
    loop {
        match frame::read(incoming, frame::SMALL) {
            Ok(FromCommand::Started) => {}
            Ok(FromCommand::Output { stream: Stream::Stdout, bytes }) => show(&mut io::stdout(), &bytes),
            Ok(FromCommand::Output { stream: Stream::Stderr, bytes }) => show(&mut io::stderr(), &bytes),
            Ok(FromCommand::Skipped { bytes }) => {
                note(&format!("{bytes} bytes are left out, as they were not read in time"), screen);
            }
            Ok(FromCommand::Taken { bytes }) => window.give(bytes),
            Ok(FromCommand::Exited(exit)) => return Last::Exited(exit),
            Ok(FromCommand::Failed { cause }) => return Last::Failed(cause),
            Err(_) => return Last::Closed,
        }
    }
}

/// A line of our own between what the command writes.
pub(super) fn note(line: &str, screen: Screen) {
    let line = match screen {
        Screen::Raw => format!("\r\nopenshell: {line}\r\n"),
        Screen::Cooked => format!("openshell: {line}\n"),
    };
    show(&mut io::stderr(), line.as_bytes());
}

/// One that did not start.
pub(super) fn not_started(cause: &str) -> Failure {
    Failure::new(
        format_args!("the command did not start: {cause}"),
        "check its working directory and its environment",
    )
}

/// A reader who went away does not end the command: its output is dropped.
fn show(sink: &mut impl Write, bytes: &[u8]) {
    let _nobody_reads = sink.write_all(bytes).and_then(|()| sink.flush());
}
