//! What the proxy writes to the audit log, as events of the `audit` crate.
//!
//! One request gives a `network-request` with the verdict before anything is forwarded, and, if it was allowed,
//! a `network-outcome` under the same request id: the upstream's status and bytes, or why nothing came of it.

use audit::client::{AppendError, Tokio};
use audit::{Action, Decision, Event, Object, Subject};
use http::HeaderValue;
use policies::{Kind, Permit};
use wire::id::{PolicyVersion, RequestId};
use wire::subject::Digest;

use crate::canonical::{Authority, CanonicalRequest};
use crate::flow::Asker;
use crate::refusal::Refusal;

/// The proxy's connection to the audit writer.
#[derive(Clone, Debug)]
pub struct Journal(Tokio);

/// What became of an allowed request.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The response's status, if one came.
    pub status: Option<u16>,
    /// Bytes of the request's body that were forwarded.
    pub sent: u64,
    /// Bytes of the response's body that were forwarded.
    pub received: u64,
    /// Digest of the request's body as the agent sent it, if it went on to its end. No credential stands in it.
    pub sent_sha256: Option<Digest>,
    /// Digest of the response's body as the agent got it, if it came to its end.
    pub received_sha256: Option<Digest>,
    /// What the response's body was found to be, if a rule judges it.
    pub download: Option<Download>,
    /// Microseconds from the verdict to the response's end.
    pub latency_us: u64,
    /// The limit at which a body was broken off, or what else there is to say.
    pub note: Option<String>,
}

/// A download, as its record has it.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// What it is, by its content.
    pub kind: Kind,
    /// Bytes that came from the upstream, whether or not they went on.
    pub bytes: u64,
    /// Digest of all of it, if all came.
    pub sha256: Option<Digest>,
}

/// A name that was asked for, and what was decided of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name; of one that is allowed, its canonical form.
    pub name: String,
    /// The type of record.
    pub kind: String,
    /// Who asked.
    pub subject: wire::subject::Subject,
    /// The policy that decided.
    pub policy: PolicyVersion,
    /// Why it gets nothing; `None`: it is answered.
    pub refused: Option<String>,
}

impl Outcome {
    /// The same, with one thing more to say.
    pub(crate) fn with_note(self, note: &str) -> Self {
        let note = self.note.map_or_else(|| note.to_owned(), |before| format!("{before}; {note}"));
        Self { note: Some(note), ..self }
    }
}

impl Journal {
    /// Writes through `client`.
    #[must_use]
    pub fn new(client: Tokio) -> Self {
        Self(client)
    }

    /// Something came that may have to be decided: the writer is woken while it is read.
    pub fn expect(&self) {
        self.0.expect();
    }

    /// Appends one event and waits until it is in the log.
    ///
    /// # Errors
    /// It is not in the log; what it is about must not go on.
    pub async fn append(&self, event: &Event) -> Result<(), AppendError> {
        self.0.append(event).await.map(drop)
    }
}

/// An event about one canonical request.
pub(crate) fn of_request(action: Action, asker: &Asker, id: &RequestId, request: &CanonicalRequest) -> Event {
    let object = destination(&request.authority);
    let path = request.resource.path();
    let object = object.with_request(request.method.as_str(), path, request.resource.query());
    Event { object: Some(object), ..of_flow(action, asker, id, None) }
}

/// An event about a flow whose request is not known, or has no canonical form.
pub(crate) fn of_flow(action: Action, asker: &Asker, id: &RequestId, authority: Option<&Authority>) -> Event {
    Event {
        subject: Some(Subject::from(&asker.subject)),
        object: authority.map(destination),
        request: Some(id.clone()),
        flow: Some(asker.flow),
        ..Event::new(action)
    }
}

/// An event about a name that was asked for so many times.
pub(crate) fn of_name(asked: &Asked, times: u64) -> Event {
    let object = Object::name(&asked.name, &asked.kind);
    Event {
        subject: Some(Subject::from(&asked.subject)),
        object: Some(Object { times: (times > 1).then_some(times), ..object }),
        ..Event::new(Action::NameQuery)
    }
}

/// The event with the verdict that a permit stands for. One by a rule on trial says what would have stopped it, and one
/// by a rule that looks into messages what was asked for.
pub(crate) fn allowed(event: Event, permit: &Permit) -> Event {
    let trial = permit.would_deny();
    let on_trial = |denial: &policies::Denial| format!("on trial, would be denied: {}", denial.reason());
    Event {
        decision: Some(Decision::Allow),
        level: trial.map(|denial| denial.level().as_str().to_owned()),
        rule: Some(permit.rule().to_owned()),
        reason: trial.map(on_trial).or_else(|| permit.asked().map(str::to_owned)),
        ..event
    }
}

/// The event of a granted tunnel. It allows no request: each one inside gets a verdict of its own.
pub(crate) fn tunnelled(event: Event) -> Event {
    let reason = "a tunnel; every request in it is decided".to_owned();
    Event { decision: Some(Decision::Allow), reason: Some(reason), ..event }
}

/// The event with the verdict that a refusal stands for.
pub(crate) fn refused(event: Event, refusal: &Refusal) -> Event {
    Event {
        decision: Some(Decision::Deny),
        level: Some(refusal.level.as_str().to_owned()),
        rule: refusal.rule.as_ref().map(|rule| rule.name.clone()),
        rule_denies: refusal.rule.as_ref().is_some_and(|rule| rule.denies),
        reason: Some(refusal.error.clone()),
        ..event
    }
}

/// The event with what came of an allowed request.
pub(crate) fn completed(event: Event, outcome: Outcome) -> Event {
    let digests = (outcome.sent_sha256, outcome.received_sha256);
    let object = event.object.map(|object| object.with_bytes(outcome.sent, outcome.received));
    let object = object.map(|object| object.with_digests(digests.0, digests.1));
    let object = match outcome.download {
        Some(Download { kind, bytes, sha256 }) => {
            object.map(|object| object.with_download(kind.as_str(), bytes, sha256))
        }
        None => object,
    };
    let (status, latency_us) = (outcome.status, Some(outcome.latency_us));
    Event { object, status, latency_us, reason: outcome.note, ..event }
}

/// Who asks, as the router is told it for its own records.
pub(crate) fn header_of(subject: &wire::subject::Subject) -> HeaderValue {
    let subject = Subject::from(subject).within(wire::inference::LONGEST_SUBJECT);
    let json = serde_json::to_string(&subject).expect("a subject of plain fields is JSON");
    // JSON leaves one control character as it is, which no field may have.
    HeaderValue::try_from(json.replace('\u{7f}', "\\u007f")).expect("JSON has no other control character")
}

fn destination(authority: &Authority) -> Object {
    Object::destination(&authority.host.to_string(), authority.port)
}
