//! The one channel of a sandbox: whatever happens, to whomever, becomes an [`Event`] in it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use wire::audit::{AuditEvent, SignEvent};
use wire::machine::MachineEvent;
use wire::proxy::ProxyEvent;
use wire::router::RouterEvent;

use crate::control::Heard;
use crate::failure::{ExitStatus, Failure};
use crate::interruption::Interruption;
use crate::operator::Asked;
use crate::process::Report;
use crate::refresh::Reread;
use crate::signals::Received;
use crate::timeline::Timeline;
use crate::watching::Noticed;

/// How long what a process has said before its end may take to be heard.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What happened, in order of arrival.
#[derive(Debug)]
pub(crate) enum Event {
    Machine(Report<MachineEvent>),
    Proxy(Report<ProxyEvent>),
    Router(Report<RouterEvent>),
    Audit(Report<AuditEvent>),
    Sign(Report<SignEvent>),
    Guest(Heard),
    Signal(Received),
    Operator(Asked),
    Credentials(Reread),
    Noticed(Noticed),
}

/// The one channel, and the signals that feed it from the first moment.
#[derive(Debug)]
pub(crate) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    /// For those who cannot wait at the channel.
    pub(crate) interruption: Interruption,
    /// When the phases of the run ended.
    pub(crate) timeline: Timeline,
}

impl Events {
    pub(crate) fn watch() -> Result<Self, Failure> {
        let (sender, receiver) = channel();
        let signals = sender.clone();
        // A closed channel means that the sandbox has ended: the signal has nothing left to end.
        let interruption = Interruption::watch(move |signal| drop(signals.send(Event::Signal(signal))))?;
        Ok(Self { sender, receiver, interruption, timeline: Timeline::begin() })
    }

    /// A function that passes what `wrap` makes of it to the loop.
    pub(crate) fn to_loop<T, F: Fn(T) -> Event>(&self, wrap: F) -> impl Fn(T) + use<T, F> {
        let sender = self.sender.clone();
        move |item| drop(sender.send(wrap(item)))
    }

    /// The next event before `deadline`; `None` when it has passed.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Option<Event> {
        let Some(deadline) = deadline else { return self.receiver.recv().ok() };
        self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// Why a sandbox failed whose processes have all ended. Without its log every process ends, and which of them
    /// is heard of first is chance: what the log's writer says of itself is the cause.
    pub(crate) fn first_cause(&self, failure: Failure) -> Failure {
        if failure.status != ExitStatus::Failed {
            return failure;
        }
        let until = Instant::now() + LAST_WORDS;
        loop {
            match self.next(Some(until)) {
                Some(Event::Audit(Report::Event(AuditEvent::Failed { cause, remedy }))) => {
                    return Failure::new(cause, remedy);
                }
                Some(Event::Audit(Report::Gone)) | None => return failure,
                Some(_late) => {}
            }
        }
    }
}
