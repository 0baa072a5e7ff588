//! What is written to the audit log about connections from outside.

use std::net::IpAddr;

use audit::{Action, Decision, Event, Object};
use http::StatusCode;
use wire::id::RequestId;

use super::Visit;
use super::guest::GuestError;
use crate::ending;
use crate::http1::ReadError;
use crate::refusal::chain;

/// Why a connection or a request is not let in.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// The check: `source`, `token`, `request`, `limit`, `quarantine`, `sandbox` or `proxy`.
    pub(super) level: &'static str,
    /// For HTTP.
    pub(super) status: StatusCode,
    /// The cause in one line.
    pub(super) error: String,
    /// What could be done about it, in one line.
    pub(super) hint: &'static str,
}

/// What a request asks for, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line<'a> {
    pub(super) method: &'a str,
    /// Path and query.
    pub(super) target: &'a str,
}

/// What became of what was let in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    pub(super) status: Option<u16>,
    /// Bytes that went to the agent.
    pub(super) sent: u64,
    /// Bytes that came back.
    pub(super) received: u64,
    pub(super) latency_us: u64,
}

impl Refused {
    pub(super) fn source(address: IpAddr) -> Self {
        let hint = "the operator can add the address to 'sources'";
        let error = format!("{address} is not one of the sources");
        Self { level: "source", status: StatusCode::FORBIDDEN, error, hint }
    }

    pub(super) fn full() -> Self {
        let error = "too many connections from outside are open".to_owned();
        Self { level: "limit", status: StatusCode::SERVICE_UNAVAILABLE, error, hint: "try again later" }
    }

    pub(super) fn quarantine() -> Self {
        let error = "the sandbox is in quarantine".to_owned();
        let hint = "the operator can set a policy to end it";
        Self { level: "quarantine", status: StatusCode::SERVICE_UNAVAILABLE, error, hint }
    }

    pub(super) fn token() -> Self {
        let error = "the request does not carry the token".to_owned();
        let hint = "send 'Authorization: Bearer TOKEN' with the operator's token";
        Self { level: "token", status: StatusCode::UNAUTHORIZED, error, hint }
    }

    pub(super) fn unread(error: &ReadError) -> Self {
        Self::malformed(chain(error))
    }

    pub(super) fn malformed(error: String) -> Self {
        let hint = "send the request in its plain form; nothing was forwarded";
        Self { level: "request", status: StatusCode::BAD_REQUEST, error, hint }
    }

    pub(super) fn unreached(error: &GuestError) -> Self {
        let hint = "the agent's program must listen on 127.0.0.1 or [::1] in the sandbox";
        Self { level: "sandbox", status: StatusCode::BAD_GATEWAY, error: chain(error), hint }
    }

    pub(super) fn no_response(status: StatusCode, error: String) -> Self {
        let hint = "the request was forwarded, but no valid response came back";
        Self { level: "sandbox", status, error, hint }
    }

    /// The end of what is under way when the sandbox ends.
    pub(super) fn ended() -> Self {
        let (error, hint) = (ending::REASON.to_owned(), "start the sandbox again");
        Self { level: "sandbox", status: StatusCode::SERVICE_UNAVAILABLE, error, hint }
    }

    fn unrecorded() -> Self {
        let error = "the decision could not be recorded".to_owned();
        let hint = "nothing goes in unrecorded; the operator must look at the audit log";
        Self { level: "proxy", status: StatusCode::SERVICE_UNAVAILABLE, error, hint }
    }
}

impl Visit<'_> {
    /// Records that the connection is let in.
    pub(super) async fn admit_connection(self, id: &RequestId) -> Result<(), Refused> {
        let event =
            Event { decision: Some(Decision::Allow), ..self.event(Action::InboundConnection, id, None) };
        self.append(event).await
    }

    /// Records that the connection is refused.
    pub(super) async fn record_refusal(self, refused: Refused) {
        self.record_refusals(refused, None).await;
    }

    /// Records that so many connections were refused, of which this was the last.
    pub(super) async fn record_more(self, refused: Refused, times: u64) {
        self.record_refusals(refused, Some(times)).await;
    }

    async fn record_refusals(self, refused: Refused, times: Option<u64>) {
        let event = self.event(Action::InboundConnection, &self.hall.judge.next_id(), None);
        let object = event.object.map(|object| Object { times, ..object });
        let _told_by_the_reset = self.refuse(Event { object, ..event }, refused).await;
    }

    /// Records that the request is let in.
    pub(super) async fn admit_request(self, id: &RequestId, line: Line<'_>) -> Result<(), Refused> {
        let event = self.event(Action::InboundRequest, id, Some(line));
        self.append(Event { decision: Some(Decision::Allow), ..event }).await
    }

    /// Records that the request is refused; gives the refusal that holds.
    pub(super) async fn refuse_request(
        self,
        id: &RequestId,
        line: Option<Line<'_>>,
        refused: Refused,
    ) -> Refused {
        self.refuse(self.event(Action::InboundRequest, id, line), refused).await
    }

    /// Records what became of what was let in.
    ///
    /// # Errors
    /// It is not recorded: nothing more may come in on this connection, and the client is told no success.
    pub(super) async fn record_outcome(
        self,
        id: &RequestId,
        outcome: Outcome,
        failed: Option<&Refused>,
    ) -> Result<(), Refused> {
        let event = self.event(Action::InboundOutcome, id, None);
        let event = Event {
            object: event.object.map(|object| object.with_bytes(outcome.sent, outcome.received)),
            status: outcome.status,
            latency_us: Some(outcome.latency_us),
            level: failed.map(|refused| refused.level.to_owned()),
            reason: failed.map(|refused| refused.error.clone()),
            // Whose word it ended by, if by one.
            policy: Some(self.hall.judge.policy()),
            ..event
        };
        self.append(event).await
    }

    async fn refuse(self, event: Event, refused: Refused) -> Refused {
        let event = Event {
            decision: Some(Decision::Deny),
            level: Some(refused.level.to_owned()),
            reason: Some(refused.error.clone()),
            ..event
        };
        self.append(event).await.err().unwrap_or(refused)
    }

    fn event(self, action: Action, id: &RequestId, line: Option<Line<'_>>) -> Event {
        // The guest's own address for itself: what is opened is its port.
        let mut object = Object::destination("localhost", self.door.port);
        if let Some(Line { method, target }) = line {
            let (path, query) =
                target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            object = object.with_request(method, path, query);
        }
        Event {
            object: Some(object),
            source: Some(self.source),
            rule: Some(self.door.name.clone()),
            policy: Some(self.policy),
            request: Some(id.clone()),
            ..Event::new(action)
        }
    }

    async fn append(self, event: Event) -> Result<(), Refused> {
        self.hall.journal.append(&event).await.map_err(|error| {
            tracing::error!(error = %chain(&error), "a connection from outside is not recorded");
            Refused::unrecorded()
        })
    }
}
