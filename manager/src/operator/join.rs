//! Coming back to a command: the last MiB that it wrote, what it writes, and our input beside that of others who are on it.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use wire::control::ToGuest;
use wire::id::SandboxId;
use wire::operator::{Answer, Ask};

use super::client::{call, find, unasked};
use super::keys::{DetachKeys, Typed};
use super::line::Line;
use super::streams::{
    AtEnd, Executed, Feed, Last, Leaving, Left, Remains, Screen, hear, hear_remains, not_started,
};
use crate::credit::Window;
use crate::failure::{ExitStatus, Failure};
use crate::layout::Layout;
use crate::signals::{Received, Watch};
use crate::terminal;

/// Comes back to the command with this number. However we leave it, it goes on; one that has ended says how.
///
/// # Errors
/// There is none, or it was cut off.
pub fn join(layout: &Layout, sandbox: &str, session: u32, keys: DetachKeys) -> Result<Executed, Failure> {
    let sandbox = find(layout, sandbox)?;
    let (answer, incoming) = call(layout, &sandbox, Ask::Join { frames: wire::VERSION, session })?;
    let Answer::Attached { terminal, ended } = answer else { return Err(unasked(&sandbox)) };
    let mut line = Line::new(incoming)?;
    if ended {
        return left(hear_remains(&mut line.incoming, Remains::for_our_streams()), None, (sandbox, session));
    }
    let raw = (terminal && io::stdin().is_terminal()).then(terminal::Raw::enter).transpose()?;
    let leaving = Leaving::of(&line)?;
    let _signals = watch(raw.is_some(), line.outgoing.clone(), leaving.clone())?;
    let window = Arc::new(Window::new());
    let typed = raw.as_ref().map_or_else(Typed::default, |_raw| Typed::with(keys));
    let (outgoing, taken, by_keys) = (line.outgoing.clone(), Arc::clone(&window), leaving.clone());
    Feed { typed, outgoing, window: Some(taken), at_end: AtEnd::Ignored }.begin(move || {
        by_keys.leave(Left::Running);
        true
    });
    let last = hear(&mut line.incoming, &window, Screen::of(raw.as_ref()));
    left(last, leaving.why(), (sandbox, session))
}

/// How we left it, or it us.
fn left(last: Last, why: Option<Left>, (sandbox, session): (SandboxId, u32)) -> Result<Executed, Failure> {
    match (last, why) {
        (Last::Exited(exit), _) => ExitStatus::of(exit).map(Executed::Ended),
        (Last::Failed(cause), _) => Err(not_started(&cause)),
        (Last::Closed, Some(_)) => Ok(Executed::RunsOn { sandbox, session }),
        (Last::Closed, None) => Err(Failure::new(
            "the command was cut off: its sandbox ended, or who had started it left",
            "openshell audit tail shows which",
        )),
    }
}

fn watch(raw: bool, outgoing: SyncSender<ToGuest>, leaving: Leaving) -> Result<Watch, Failure> {
    if raw {
        // One that stood at another size draws itself anew.
        let _busy = outgoing.try_send(ToGuest::Resize(terminal::size()));
    }
    Watch::start(move |signal| match signal {
        Received::Resized if raw => drop(outgoing.try_send(ToGuest::Resize(terminal::size()))),
        signal if signal.ends() => leaving.leave(Left::Running),
        _other => {}
    })
}
