//! Running a command in a running sandbox, from outside: our terminal or our three streams become the command's, or nobody's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use wire::control::ToGuest;
use wire::frame;
use wire::id::SandboxId;
use wire::operator::{Answer, Ask, Command, FromCommand};

use super::client::{Unanswered, find, try_call, unasked};
use super::keys::{DetachKeys, Typed};
use super::line::Line;
use super::streams::{AtEnd, Executed, Feed, Last, Leaving, Left, Screen, hear, not_started, note};
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
    /// Whether it gets a terminal.
    pub tty: Tty,
}

/// Runs it in the sandbox that `sandbox` names by its id or its agent's name, confined as the agent is, to its end, or until the keys
/// leave its terminal.
///
/// # Errors
/// It did not run, or did not end by itself.
pub fn execute(
    layout: &Layout,
    sandbox: &str,
    what: Execution,
    keys: DetachKeys,
) -> Result<Executed, Failure> {
    let sandbox = find(layout, sandbox)?;
    let raw = (what.tty == Tty::Yes).then(terminal::Raw::enter).transpose()?;
    let (mut line, session) = Line::open(layout, &sandbox, Ask::Execute(what.command(false)))?;
    let leaving = Leaving::of(&line)?;
    let _signals = pass_signals(line.outgoing.clone(), leaving.clone())?;
    let window = Arc::new(Window::new());
    let typed = raw.as_ref().map_or_else(Typed::default, |_raw| Typed::with(keys));
    let (outgoing, taken) = (line.outgoing.clone(), Arc::clone(&window));
    let detach = {
        let (layout, sandbox, leaving) = (layout.clone(), sandbox.clone(), leaving.clone());
        move || match detach(&layout, &sandbox, session) {
            Ok(()) => {
                leaving.leave(Left::Running);
                true
            }
            // It would be hung up on, or might be.
            Err(Unanswered::Refused(failure)) => {
                note(&format!("it cannot be left running: {}", failure.cause), Screen::Raw);
                false
            }
            Err(Unanswered::Unconfirmed(failure)) => {
                let unknown = "it is not known whether it goes on when you leave";
                note(&format!("{unknown}: {}; openshell vm sessions says", failure.cause), Screen::Raw);
                false
            }
        }
    };
    Feed { typed, outgoing, window: Some(taken), at_end: AtEnd::Ends }.begin(detach);
    match (hear(&mut line.incoming, &window, Screen::of(raw.as_ref())), leaving.why()) {
        (Last::Exited(exit), _) => ExitStatus::of(exit).map(Executed::Ended),
        (Last::Failed(cause), _) => Err(not_started(&cause)),
        (Last::Closed, Some(Left::Running)) => Ok(Executed::RunsOn { sandbox, session }),
        (Last::Closed, Some(Left::HangingUp)) => Err(interrupted()),
        (Last::Closed, None) => {
            Err(Failure::new("the sandbox ended while the command ran", "openshell audit tail shows why"))
        }
    }
}

/// Starts it there, and leaves it running: its sandbox, and its number.
///
/// # Errors
/// It did not start.
pub fn start(layout: &Layout, sandbox: &str, what: Execution) -> Result<(SandboxId, u32), Failure> {
    let sandbox = find(layout, sandbox)?;
    let (mut line, session) = Line::open(layout, &sandbox, Ask::Execute(what.command(true)))?;
    match frame::read(&mut line.incoming, frame::SMALL) {
        Ok(FromCommand::Started) => Ok((sandbox, session)),
        Ok(FromCommand::Failed { cause }) => Err(not_started(&cause)),
        Ok(FromCommand::Exited(exit)) => ExitStatus::of(exit).map(|_ended| (sandbox, session)),
        Ok(_) => Err(unasked(&sandbox)),
        Err(_) => Err(Failure::new(
            "the sandbox ended before the command started",
            "openshell audit tail shows why",
        )),
    }
}

impl Execution {
    fn command(self, detached: bool) -> Command {
        let Self { command, env, workdir, tty } = self;
        let terminal = (tty == Tty::Yes).then(terminal::size);
        Command { frames: wire::VERSION, command, env, workdir, terminal, detached }
    }
}

/// Signals go to the command; the second one that ends is ours, and hangs up.
fn pass_signals(outgoing: SyncSender<ToGuest>, leaving: Leaving) -> Result<Watch, Failure> {
    let asked_to_end = AtomicBool::new(false);
    Watch::start(move |signal| {
        if signal.ends() && asked_to_end.swap(true, Ordering::Relaxed) {
            leaving.leave(Left::HangingUp);
        }
        let message = match signal {
            Received::Resized => ToGuest::Resize(terminal::size()),
            Received::ForAgent(number) => ToGuest::Signal(number),
            Received::Continued => return,
        };
        let _full = outgoing.try_send(message);
    })
}

fn detach(layout: &Layout, sandbox: &SandboxId, session: u32) -> Result<(), Unanswered> {
    match try_call(layout, sandbox, Ask::Detach { session })? {
        (Answer::Detached, _line) => Ok(()),
        _ => Err(Unanswered::Refused(unasked(sandbox))),
    }
}
