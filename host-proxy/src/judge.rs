//! Decides and records: the policy's verdict on one canonical request, in the audit log before anything follows.
//!
//! *Invariant:* a [`Permit`] leaves this module only after its record was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use audit::client::AppendError;
use audit::{Action, Event};
use http::HeaderMap;
use policies::{Decision, DestinationDecision, NameDecision, Permit, Policy, Timestamp};
use wire::id::RequestId;
use wire::subject::Subject;

use crate::canonical::{Authority, CanonicalRequest, Name};
use crate::flow::{Asker, FlowError};
use crate::journal::{self, Journal, Outcome};
use crate::quota::{Budget, Moment, Quotas};
use crate::refusal::Refusal;

/// Decides and records.
#[derive(Debug)]
pub struct Judge {
    policy: Arc<Policy>,
    quotas: Arc<Quotas>,
    journal: Journal,
    boot: u32,
    requests: AtomicU64,
}

impl Judge {
    /// A judge of `policy` who writes to `journal`. `boot` tells request ids of two boots apart.
    #[must_use]
    pub fn new(policy: Policy, journal: Journal, boot: u32) -> Self {
        let quotas = Arc::new(Quotas::default());
        Self { policy: Arc::new(policy), quotas, journal, boot, requests: AtomicU64::new(1) }
    }

    /// A new request id.
    pub fn next_id(&self) -> RequestId {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:08x}{number:08x}", self.boot))
    }

    /// Decides one request, with the header `fields` that will be forwarded, and records the decision.
    ///
    /// # Errors
    /// The policy denies it, a limit of its rule is reached, or the decision cannot be recorded.
    pub async fn request(
        &self,
        asker: &Asker,
        id: &RequestId,
        request: &CanonicalRequest,
        fields: &HeaderMap,
    ) -> Result<(Permit, Budget), Refusal> {
        let now = now();
        let host = request.authority.host.to_string();
        let decision = self.policy.decide(&policies::Request {
            subject: &asker.subject,
            destination: policies::Destination { host: &host, port: request.authority.port },
            method: request.method.as_str(),
            path: request.resource.path(),
            query: request.resource.query().unwrap_or_default(),
            headers: &Fields(fields),
            now,
        });
        let permit = match decision {
            Decision::Allow(permit) => permit,
            Decision::Deny(denial) => {
                let refusal = Refusal::denied(&denial);
                return Err(self.refuse_request(asker, id, request, refusal).await);
            }
        };
        let moment = Moment { instant: Instant::now(), time: now };
        let budget = match self.quotas.request(&permit, moment) {
            Ok(budget) => budget,
            Err(spent) => {
                let refusal = Refusal::spent(permit.rule(), spent);
                return Err(self.refuse_request(asker, id, request, refusal).await);
            }
        };
        let event = journal::of_request(Action::NetworkRequest, asker, id, request);
        let event = journal::allowed(event, &permit);
        self.journal.append(&event).await.map_err(|error| unrecorded(&error))?;
        Ok((permit, budget))
    }

    /// Records the refusal of a canonical request, and gives it back for the client.
    pub async fn refuse_request(
        &self,
        asker: &Asker,
        id: &RequestId,
        request: &CanonicalRequest,
        refusal: Refusal,
    ) -> Refusal {
        let event = journal::of_request(Action::NetworkRequest, asker, id, request);
        self.recorded(event, refusal).await
    }

    /// Records that an allowed request came to nothing, and gives the refusal back for the client.
    pub async fn fail_request(
        &self,
        asker: &Asker,
        id: &RequestId,
        request: &CanonicalRequest,
        refusal: Refusal,
    ) -> Refusal {
        let event = journal::of_request(Action::NetworkOutcome, asker, id, request);
        self.recorded(event, refusal).await
    }

    /// Records the refusal of something that never became a canonical request.
    pub async fn refuse_flow(
        &self,
        asker: &Asker,
        id: &RequestId,
        authority: Option<&Authority>,
        refusal: Refusal,
    ) -> Refusal {
        let event = journal::of_flow(Action::NetworkFlow, asker, id, authority);
        self.recorded(event, refusal).await
    }

    /// Records that a tunnel was granted.
    ///
    /// # Errors
    /// It cannot be recorded.
    pub async fn grant_tunnel(
        &self,
        asker: &Asker,
        id: &RequestId,
        authority: &Authority,
    ) -> Result<(), Refusal> {
        let event = journal::of_flow(Action::NetworkFlow, asker, id, Some(authority));
        let event = journal::tunnelled(event);
        self.journal.append(&event).await.map_err(|error| unrecorded(&error))
    }

    /// Whether no request of the asker to the destination could be allowed; not recorded.
    pub fn destination(&self, asker: &Asker, authority: &Authority) -> Option<Refusal> {
        let host = authority.host.to_string();
        let destination = policies::Destination { host: &host, port: authority.port };
        let asked = policies::Asked { subject: &asker.subject, destination, now: now() };
        match self.policy.decide_destination(asked) {
            DestinationDecision::Possible => None,
            DestinationDecision::Deny(denial) => Some(Refusal::denied(&denial)),
        }
    }

    /// Why no request to `name` could be allowed, if so; not recorded.
    pub fn name(&self, name: &Name) -> Option<String> {
        match self.policy.decide_name(name.as_str(), now()) {
            NameDecision::Possible => None,
            NameDecision::Deny(denial) => Some(denial.reason()),
        }
    }

    /// Records that a name was not answered.
    pub async fn refuse_name(&self, name: &str, kind: &str, subject: &Subject, reason: String) {
        let refusal = Refusal::unnamed(reason);
        let _told_by_dns = self.recorded(journal::of_name(name, kind, subject), refusal).await;
    }

    /// Records a connection whose header was not guest-init's.
    pub async fn refuse_forged(&self, error: &FlowError) {
        let refusal = Refusal::malformed(error);
        let _told_by_closing = self.recorded(Event::new(Action::NetworkFlow), refusal).await;
    }

    /// Records what became of an allowed request.
    ///
    /// # Errors
    /// The log did not take it.
    pub async fn record_outcome(
        &self,
        asker: &Asker,
        id: &RequestId,
        request: &CanonicalRequest,
        outcome: Outcome,
    ) -> Result<(), AppendError> {
        let event = journal::of_request(Action::NetworkOutcome, asker, id, request);
        self.journal.append(&journal::completed(event, outcome)).await
    }

    async fn recorded(&self, event: Event, refusal: Refusal) -> Refusal {
        match self.journal.append(&journal::refused(event, &refusal)).await {
            Ok(()) => refusal,
            Err(error) => unrecorded(&error),
        }
    }
}

/// The fields of a request, as the policy reads them.
struct Fields<'a>(&'a HeaderMap);

impl policies::Headers for Fields<'_> {
    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.0.iter().for_each(|(name, value)| see(name.as_str(), value.as_bytes()));
    }
}

/// A clock before 1970 is no clock: rules with a span of time are then not in force.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn unrecorded(error: &AppendError) -> Refusal {
    tracing::error!(%error, "a decision was not recorded: the request is refused");
    Refusal::unrecorded()
}
