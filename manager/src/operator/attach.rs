//! Coming back to an agent, and ending one, from outside.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::sync::mpsc::{Sender, SyncSender, channel};

use wire::control::{Exit, FromGuest, Stream, ToGuest};
use wire::frame;
use wire::id::SandboxId;
use wire::operator::{Answer, Ask};

use super::client::{ask, call, find, unasked};
use super::keys::{DetachKeys, Typed};
use super::line::Line;
use super::streams::{AtEnd, Feed};
use crate::failure::{ExitStatus, Failure};
use crate::layout::Layout;
use crate::output::{Next, Reader};
use crate::signals::{Received, Watch};
use crate::terminal;

/// What is shown again to whoever comes back, in bytes.
const REPLAY: usize = 1024 * 1024;

/// How somebody left an agent, or it him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// The agent runs on.
    Detached,
    /// It ended.
    Ended(ExitStatus),
}

/// What ends the waiting.
enum Came {
    /// The keys were typed, or a signal came.
    Left,
    /// All that it wrote was shown.
    Shown(Result<(), Failure>),
    /// The line said how it ended, or was cut.
    Ended(Option<Exit>),
}

/// Shows the last MiB of what the agent wrote and what it writes, and joins our standard input to its own.
///
/// # Errors
/// It cannot be joined, or the sandbox failed.
pub fn attach(layout: &Layout, sandbox: &str, keys: DetachKeys) -> Result<Attachment, Failure> {
    let sandbox = find(layout, sandbox)?;
    let mut reader = Reader::open(layout, sandbox.as_str())?;
    let (answer, incoming) = call(layout, &sandbox, Ask::Attach { frames: wire::VERSION })?;
    let Answer::Attached { terminal, ended: _ } = answer else { return Err(unasked(&sandbox)) };
    let Line { mut incoming, outgoing } = Line::new(incoming)?;
    let raw = (terminal && io::stdin().is_terminal()).then(terminal::Raw::enter).transpose()?;
    let (tell, came) = channel();
    let _signals = watch(raw.is_some(), outgoing.clone(), tell.clone())?;
    let typed = raw.as_ref().map_or_else(Typed::default, |_raw| Typed::with(keys));
    let left = tell.clone();
    // The end of our input is not the agent's.
    let feed = Feed { typed, outgoing, window: None, at_end: AtEnd::Ignored };
    feed.begin(move || left.send(Came::Left).is_ok());
    let shown = tell.clone();
    std::thread::spawn(move || drop(shown.send(Came::Shown(show(&mut reader)))));
    std::thread::spawn(move || {
        let exit = match frame::read(&mut incoming, frame::SMALL) {
            Ok(FromGuest::Exited(exit)) => Some(exit),
            Ok(_) | Err(_) => None,
        };
        drop(tell.send(Came::Ended(exit)));
    });
    let (mut all_shown, mut ended) = (false, None);
    loop {
        match came.recv() {
            Ok(Came::Left) | Err(_) => return Ok(Attachment::Detached),
            Ok(Came::Shown(outcome)) => {
                outcome?;
                all_shown = true;
            }
            Ok(Came::Ended(exit)) => ended = Some(exit),
        }
        if let (true, Some(exit)) = (all_shown, ended) {
            let exit = exit.ok_or_else(|| {
                Failure::new("the sandbox failed, or was ended", "openshell audit tail shows why")
            })?;
            return ExitStatus::of(exit).map(Attachment::Ended);
        }
    }
}

/// Asks the agent of a running sandbox to end, and waits until the sandbox has; one that was asked already is ended at once.
///
/// # Errors
/// There is no such sandbox, or it does not answer.
pub fn stop(layout: &Layout, sandbox: &str) -> Result<SandboxId, Failure> {
    let sandbox = find(layout, sandbox)?;
    // Its manager holds the lock for as long as it lives, however it ends.
    let lock = File::open(layout.runtime.join(sandbox.as_str()).join("lock"));
    match ask(layout, &sandbox, Ask::Stop)? {
        Answer::Stopping => {}
        _ => return Err(unasked(&sandbox)),
    }
    let waited = lock.and_then(|lock| lock.lock_shared());
    waited.map(|()| sandbox).map_err(|error| {
        Failure::new(format_args!("cannot wait for its end: {error}"), "openshell vm ps says whether it runs")
    })
}

fn watch(raw: bool, outgoing: SyncSender<ToGuest>, tell: Sender<Came>) -> Result<Watch, Failure> {
    if raw {
        // One that stood at another size draws itself anew.
        let _busy = outgoing.try_send(ToGuest::Resize(terminal::size()));
    }
    Watch::start(move |signal| match signal {
        Received::Resized if raw => drop(outgoing.try_send(ToGuest::Resize(terminal::size()))),
        signal if signal.ends() => drop(tell.send(Came::Left)),
        _other => {}
    })
}

/// Shows what was written, to its end. A reader who went away ends nothing.
fn show(reader: &mut Reader) -> Result<(), Failure> {
    for piece in reader.last_bytes(REPLAY)? {
        put(piece.stream, &piece.bytes);
    }
    loop {
        match reader.next_now()? {
            Next::Piece(piece) => put(piece.stream, &piece.bytes),
            Next::Nothing => reader.wait()?,
            Next::End => return Ok(()),
        }
    }
}

fn put(stream: Stream, bytes: &[u8]) {
    let put = |sink: &mut dyn Write| sink.write_all(bytes).and_then(|()| sink.flush());
    let _nobody_reads = match stream {
        Stream::Stdout => put(&mut io::stdout()),
        Stream::Stderr => put(&mut io::stderr()),
    };
}
