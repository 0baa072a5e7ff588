//! Stage three: the record. What is decided is written before it is done, and what came of it after.
//!
//! *Invariant:* a [`Cleared`] permit exists only after the audit writer acknowledged its record, and with room for the
//! record of what comes of it ([`Due`]): no outcome waits in memory without bound, and none is let go.
//! *Invariant:* a record holds categories, counts, names and numbers; never a word of a prompt.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use audit::client::{AppendError, Tokio as Writer};
use audit::{Action, Decision, Event, Inference, Object};
use classify::Findings;
use tokio::sync::mpsc::{self, OwnedPermit};

use crate::budget::Spent;
use crate::context::Context;
use crate::decide::{Permit, Zone};
use crate::known::{Known, ModelName};
use crate::observe::Observed;
use crate::region::Place;

/// A record could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The writer does not answer.
    #[error("the audit writer did not acknowledge within {} s", ACK_LIMIT.as_secs())]
    TooSlow,
    /// The writer refused or is gone.
    #[error("the audit writer took no record")]
    Writer(#[source] AppendError),
    /// What came of an earlier call could not be recorded.
    #[error("what came of an earlier call could not be recorded")]
    Over,
}

/// What a decision is about.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Who asked.
    pub context: &'a Context,
    /// The call.
    pub call: &'static str,
    /// What is known of it.
    pub known: &'a Known,
    /// Who serves it, and where.
    pub place: &'a Place,
    /// Values that were replaced by placeholders.
    pub replaced: usize,
    /// Size of the client's body.
    pub bytes: usize,
}

/// A refusal, as its record has it.
#[derive(Debug)]
pub struct Denied<'a> {
    /// Its short name.
    pub code: &'static str,
    /// The status that the client gets.
    pub status: u16,
    /// What is known of the call, if it was classified.
    pub known: Option<&'a Known>,
    /// What its record says beside that.
    pub why: &'a Why,
}

/// Why a call is refused, beyond a short name.
#[derive(Clone, Debug)]
pub enum Why {
    /// By the call, or the directive.
    Itself,
    /// Where it would be served.
    Outside(Place),
    /// What it would spend.
    Spent(Spent),
}

/// A permit whose record is on disk: the only thing that [`crate::forward`] accepts.
#[derive(Debug)]
pub struct Cleared {
    permit: Permit,
}

/// A call that was let through.
#[derive(Clone, Debug)]
pub struct Started {
    /// Who asked.
    pub context: Context,
    /// Whose server answers.
    pub zone: Zone,
    /// Who answers, and where.
    pub place: Place,
    /// The model asked for.
    pub asked: ModelName,
    /// When the call came.
    pub since: Instant,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Ended {
    /// The server's status, if it gave one.
    pub status: Option<u16>,
    /// What the answer said about itself.
    pub observed: Observed,
    /// From the call to the server's first byte.
    pub first_byte: Option<Duration>,
}

/// What refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// The router's own judgement.
    Inference,
    /// Where it would be served.
    Region,
    /// What was spent before.
    Limit,
}

/// Writes the records.
#[derive(Clone, Debug)]
pub struct Trail {
    writer: Writer,
    outcomes: mpsc::Sender<Event>,
}

/// The outcome of one call, which is still to come. There is room for it, so that telling it never waits.
#[derive(Debug)]
pub struct Due(OwnedPermit<Event>);

/// How long the writer may take.
const ACK_LIMIT: Duration = Duration::from_secs(10);

/// Calls whose outcome is not on the disk yet, be they under way or answered: the next one waits.
const OUTCOMES: usize = 8192;

/// Stands for a name that is not recorded.
const WITHHELD: &str = "(withheld)";

impl Trail {
    /// A trail on `writer`, and the task that writes what came of calls: it ends when the last clone of the trail
    /// is gone and everything is written, or at the first outcome that cannot be recorded. After that no call is
    /// cleared any more, and those under way must not go on.
    pub fn new(writer: Writer) -> (Self, impl Future<Output = Result<(), TrailError>> + Send) {
        Self::with_room(writer, OUTCOMES)
    }

    fn with_room(writer: Writer, room: usize) -> (Self, impl Future<Output = Result<(), TrailError>> + Send) {
        let (outcomes, mut told) = mpsc::channel::<Event>(room);
        let trail = Self { writer: writer.clone(), outcomes };
        let drain = async move {
            while let Some(event) = told.recv().await {
                append(&writer, &event).await?;
            }
            Ok(())
        };
        (trail, drain)
    }

    /// Room for the outcome of a call; waits while too many are not on the disk yet.
    async fn due(&self) -> Result<Due, TrailError> {
        self.outcomes.clone().reserve_owned().await.map(Due).map_err(|_drained_no_more| TrailError::Over)
    }

    /// Records that `permit` is about to be used.
    ///
    /// # Errors
    /// The record is not on disk; the call must not go out.
    pub async fn clear(&self, permit: Permit, subject: &Subject<'_>) -> Result<(Cleared, Due), TrailError> {
        let due = self.due().await?;
        let mut event = event(Action::Inference, subject.context);
        event.decision = Some(Decision::Allow);
        event.rule = Some(permit.rule().as_str().to_owned());
        event.object = Some(object(subject));
        event.reason = (subject.replaced > 0).then(|| format!("placeholders: {}", subject.replaced));
        let route = Some(permit.zone().as_str().to_owned());
        event.inference = Some(at(subject.place, Inference { route, ..inference(subject.known) }));
        append(&self.writer, &event).await?;
        Ok((Cleared { permit }, due))
    }

    /// Records that the call of a permit is about to be sent to another server of its zone, as the last one gave no answer.
    ///
    /// # Errors
    /// As of [`Self::clear`].
    pub async fn clear_again(
        &self,
        Cleared { permit }: Cleared,
        subject: &Subject<'_>,
    ) -> Result<(Cleared, Due), TrailError> {
        self.clear(permit, subject).await
    }

    /// Records that a call was refused, and what was known of it.
    ///
    /// # Errors
    /// The record is not on disk. The call stays refused.
    pub async fn refused(&self, context: &Context, denied: &Denied<'_>) -> Result<(), TrailError> {
        let mut event = event(Action::Inference, context);
        event.decision = Some(Decision::Deny);
        event.rule = Some(denied.code.to_owned());
        event.status = Some(denied.status);
        let known = denied.known.map(inference).unwrap_or_default();
        let refused = Inference { route: Some("refused".to_owned()), ..known };
        let (level, reason, refused) = match denied.why {
            Why::Itself => (Level::Inference, None, refused),
            Why::Outside(place) => (Level::Region, Some(outside(place)), at(place, refused)),
            Why::Spent(spent) => (Level::Limit, Some(spent.to_string()), refused),
        };
        event.level = Some(level.as_str().to_owned());
        (event.reason, event.inference) = (reason, Some(refused));
        append(&self.writer, &event).await
    }
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Region => "region",
            Self::Limit => "limit",
        }
    }
}

impl Due {
    /// Tells what came of the call.
    pub fn tell(self, started: &Started, outcome: &'static str, ended: Ended) {
        let mut event = event(Action::InferenceOutcome, &started.context);
        let Observed { model, tokens_in, tokens_out, bytes, .. } = ended.observed;
        event.reason = Some(outcome.to_owned());
        event.status = ended.status;
        event.latency_us = Some(micros(ended.first_byte.unwrap_or_else(|| started.since.elapsed())));
        event.object = Some(Object { bytes_received: Some(bytes), ..Object::default() });
        let answered = Inference {
            route: Some(started.zone.as_str().to_owned()),
            // A server may repeat what it was asked for.
            model_served: model.filter(|_name| started.asked.as_deref().is_some()),
            tokens_in,
            tokens_out,
            ..Inference::default()
        };
        event.inference = Some(at(&started.place, answered));
        self.0.send(event);
    }
}

impl Cleared {
    /// Where the call may go.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.permit.zone()
    }
}

/// An error with its sources, for a log line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

async fn append(writer: &Writer, event: &Event) -> Result<(), TrailError> {
    match tokio::time::timeout(ACK_LIMIT, writer.append(event)).await {
        Ok(Ok(_receipt)) => Ok(()),
        Ok(Err(error)) => Err(TrailError::Writer(error)),
        Err(_elapsed) => Err(TrailError::TooSlow),
    }
}

fn event(action: Action, context: &Context) -> Event {
    let Context { subject, request, flow, policy, .. } = context.clone();
    let (subject, request) = (Some(subject), Some(request));
    Event { subject, request, flow: Some(flow), policy: Some(policy), ..Event::new(action) }
}

fn inference(known: &Known) -> Inference {
    let Known { findings, model, left } = known;
    let model = Some(model.as_deref().unwrap_or(WITHHELD).to_owned());
    let left = left.as_ref().map(counts).unwrap_or_default();
    Inference { categories: counts(findings), left, model_asked: model, ..Inference::default() }
}

fn counts(findings: &Findings) -> BTreeMap<String, u32> {
    findings.iter().map(|(category, count)| (category.to_string(), count)).collect()
}

fn outside(place: &Place) -> String {
    match &place.region {
        Some(region) => format!("served in {region}, which is not permitted"),
        None => "served in a region that is not known, and regions are named".to_owned(),
    }
}

fn at(place: &Place, inference: Inference) -> Inference {
    let region = place.region.as_ref().map(ToString::to_string);
    Inference { server: Some(place.server.clone()), region, ..inference }
}

fn object(subject: &Subject<'_>) -> Object {
    Object {
        host: Some(subject.context.host.clone()),
        path: Some(subject.call.to_owned()),
        bytes_sent: u64::try_from(subject.bytes).ok(),
        ..Object::default()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
