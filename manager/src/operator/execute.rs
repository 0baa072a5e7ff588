//! Running a command in a running sandbox, from outside: our terminal or our three streams become the command's.

use std::io::{self, Read as _, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use wire::control::{FromGuest, MAX_CHUNK, Stream, ToGuest};
use wire::frame;
use wire::operator::{Ask, Command};

use super::client::find;
use super::line::Line;
use crate::credit::Window;
use crate::failure::{ExitStatus, Failure};
use crate::interruption::interrupted;
use crate::layout::Layout;
use crate::options::Tty;
use crate::signals::{Received, Watch};
use crate::terminal;

/// A command for a running sandbox.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Program and arguments.
    pub command: Vec<String>,
    /// What is added to the agent's environment, or takes its place.
    pub env: Vec<(String, String)>,
    /// Working directory; without one it is the agent's.
    pub workdir: Option<String>,
    /// Whether it gets a terminal, joined to ours.
    pub tty: Tty,
}

/// Runs it in the sandbox that `sandbox` names by its id or its agent's name, confined as the agent is, to its end.
///
/// # Errors
/// It did not run, or did not end by itself.
pub fn execute(layout: &Layout, sandbox: &str, what: Execution) -> Result<ExitStatus, Failure> {
    let sandbox = find(layout, sandbox)?;
    let Execution { command, env, workdir, tty } = what;
    let raw = (tty == Tty::Yes).then(terminal::Raw::enter).transpose()?;
    let terminal = raw.as_ref().map(|_raw| terminal::size());
    let command = Command { frames: wire::VERSION, command, env, workdir, terminal };
    Line::open(layout, &sandbox, Ask::Execute(command))?.run()
}

impl Line {
    fn run(mut self) -> Result<ExitStatus, Failure> {
        let left = Arc::new(AtomicBool::new(false));
        let _signals = self.pass_signals(&left)?;
        let window = Arc::new(Window::new());
        feed(self.outgoing.clone(), Arc::clone(&window));
        loop {
            match frame::read(&mut self.incoming, frame::SMALL) {
                Ok(FromGuest::Output { stream: Stream::Stdout, bytes }) => show(&mut io::stdout(), &bytes),
                Ok(FromGuest::Output { stream: Stream::Stderr, bytes }) => show(&mut io::stderr(), &bytes),
                Ok(FromGuest::Taken { bytes }) => window.give(bytes),
                Ok(FromGuest::Exited(exit)) => return ExitStatus::of(exit),
                Ok(FromGuest::Failed { cause, .. }) => {
                    return Err(Failure::new(
                        format_args!("the command did not start: {cause}"),
                        "check its working directory and its environment",
                    ));
                }
                _ended if left.load(Ordering::Relaxed) => return Err(interrupted()),
                Ok(_) | Err(_) => {
                    return Err(Failure::new(
                        "the sandbox ended while the command ran",
                        "openshell audit tail shows why",
                    ));
                }
            }
        }
    }

    /// Signals go to the command; the second one that ends is ours, and hangs up.
    fn pass_signals(&self, left: &Arc<AtomicBool>) -> Result<Watch, Failure> {
        let hang_up = self.incoming.get_ref().try_clone().map_err(|error| {
            Failure::new(format_args!("cannot watch for signals: {error}"), "check the limit on open files")
        })?;
        let (left, outgoing) = (Arc::clone(left), self.outgoing.clone());
        let asked_to_end = AtomicBool::new(false);
        Watch::start(move |signal| {
            if signal.ends() && asked_to_end.swap(true, Ordering::Relaxed) {
                left.store(true, Ordering::Relaxed);
                let _closed = hang_up.shutdown(Shutdown::Both);
            }
            let message = match signal {
                Received::Resized => ToGuest::Resize(terminal::size()),
                Received::ForAgent(number) => ToGuest::Signal(number),
                Received::Continued => return,
            };
            let _full = outgoing.try_send(message);
        })
    }
}

/// Passes our standard input on, on a thread of its own. A thread that waits in a read cannot be ended; it goes with
/// the process, as does one that waits for room.
fn feed(outgoing: SyncSender<ToGuest>, window: Arc<Window>) {
    std::thread::spawn(move || {
        let mut chunk = vec![0; MAX_CHUNK];
        loop {
            let message = match io::stdin().read(&mut chunk) {
                Ok(n @ 1..) => {
                    window.take(n);
                    ToGuest::Input(chunk[..n].to_vec())
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => ToGuest::EndOfInput,
            };
            let last = message == ToGuest::EndOfInput;
            if outgoing.send(message).is_err() || last {
                return;
            }
        }
    });
}

/// A reader who went away does not end the command: its output is dropped.
fn show(sink: &mut impl Write, bytes: &[u8]) {
    let _nobody_reads = sink.write_all(bytes).and_then(|()| sink.flush());
}
