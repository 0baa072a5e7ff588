//! The one channel of a sandbox: whatever happens, to whomever, becomes an [`Event`] in it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use wire::audit::{AuditEvent, SignEvent};
use wire::machine::MachineEvent;
use wire::mount::MountEvent;
use wire::proxy::ProxyEvent;
use wire::router::RouterEvent;

use crate::control::Heard;
use crate::executions::Waiting;
use crate::failure::{ExitStatus, Failure};
use crate::interruption::Interruption;
use crate::operator::Call;
use crate::process::Report;
use crate::refresh::Reread;
use crate::sessions::Ended;
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
    /// The server of the live mount with this index.
    Mount(usize, Report<MountEvent>),
    Guest(Heard),
    /// The guest is about to execute what it has not executed before.
    Executing(Waiting),
    Signal(Received),
    Operator(Call),
    Command(Ended),
    Credentials(Reread),
    Noticed(Noticed),
}

/// The last words of the processes that keep the log.
#[derive(Debug, Default)]
struct Words {
    signer: Said,
    writer: Said,
}

#[derive(Debug, Default)]
enum Said {
    #[default]
    Nothing,
    Failed(Failure),
    Ended,
}

/// The one channel, and the signals that feed it from the first moment.
#[derive(Debug)]
pub(crate) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    log: Words,
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
        Ok(Self { sender, receiver, log: Words::default(), interruption, timeline: Timeline::begin() })
    }

    /// A function that passes what `wrap` makes of it to the loop.
    pub(crate) fn to_loop<T, F: Fn(T) -> Event>(&self, wrap: F) -> impl Fn(T) + use<T, F> {
        let sender = self.sender.clone();
        move |item| drop(sender.send(wrap(item)))
    }

    /// The next event before `deadline`; `None` when it has passed.
    pub(crate) fn next(&mut self, deadline: Option<Instant>) -> Option<Event> {
        let event = match deadline {
            None => self.receiver.recv().ok(),
            Some(deadline) => {
                self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
            }
        }?;
        self.log.hear(&event);
        Some(event)
    }

    /// Why a sandbox failed whose processes have all ended. Without its log every process ends, and which of them
    /// is heard of first is chance: what those that keep the log say of themselves is the cause. `signed`: one of
    /// them signs.
    pub(crate) fn first_cause(&mut self, failure: Failure, signed: bool) -> Failure {
        if failure.status != ExitStatus::Failed {
            return failure;
        }
        if !signed {
            self.log.signer.gone();
        }
        let until = Instant::now() + LAST_WORDS;
        while !self.log.is_silent() && self.next(Some(until)).is_some() {}
        // The writer fails because of its signer, and never the other way round.
        let Words { signer, writer } = std::mem::take(&mut self.log);
        [signer, writer].into_iter().find_map(Said::failure).unwrap_or(failure)
    }
}

impl Words {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Sign(Report::Event(SignEvent::Failed { cause, remedy })) => {
                self.signer = Said::Failed(Failure::new(cause, remedy));
            }
            Event::Audit(Report::Event(AuditEvent::Failed { cause, remedy })) => {
                self.writer = Said::Failed(Failure::new(cause, remedy));
            }
            Event::Sign(Report::Gone) => self.signer.gone(),
            Event::Audit(Report::Gone) => self.writer.gone(),
            _other => {}
        }
    }

    /// Nobody will say more.
    fn is_silent(&self) -> bool {
        ![&self.signer, &self.writer].iter().any(|said| matches!(said, Said::Nothing))
    }
}

impl Said {
    fn gone(&mut self) {
        if matches!(self, Self::Nothing) {
            *self = Self::Ended;
        }
    }

    fn failure(self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Nothing | Self::Ended => None,
        }
    }
}
