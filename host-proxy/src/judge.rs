//! Decides and records: the policy's verdict on one canonical request, in the audit log before anything follows.
//!
//! *Invariant:* a [`Permit`] leaves this module only after its record was acknowledged, and with the number of the
//! policy that gave it: what it permits is done under [`Judge::uphold_request`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use audit::client::AppendError;
use audit::{Action, Event};
use http::HeaderMap;
use policies::{
    Decision, Denial, DestinationDecision, Message, NameDecision, Permit, Policy, Timestamp, Unread,
};
use wire::id::{PolicyVersion, RequestId};
use wire::proxy::Doors;

use crate::arriving::Arriving;
use crate::canonical::{Authority, CanonicalRequest, Name};
use crate::clock::now;
use crate::credentials::{Carried, Credentials, Watch};
use crate::ending::{Ending, Stay};
use crate::fields::reads_as;
use crate::flow::{Asker, FlowError};
use crate::in_force::{Edition, InForce};
use crate::journal::{self, Asked, Journal, Outcome};
use crate::model_hosts::ModelHosts;
use crate::policy_local::{self, Denials};
use crate::quota::{Budget, Exceeded, Moment, Quotas};
use crate::refusal::Refusal;
use crate::tell::Teller;

/// Decides and records.
#[derive(Debug)]
pub struct Judge {
    in_force: Arc<InForce>,
    quotas: Arc<Quotas>,
    credentials: Arc<Credentials>,
    journal: Journal,
    ending: Ending,
    models: Arc<ModelHosts>,
    denials: Denials,
    boot: u32,
    requests: AtomicU64,
}

/// Nobody may come in from outside.
#[derive(Clone, Copy, Debug)]
pub struct Closed;

/// A request that is judged, and judged again when the policy is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who asks.
    pub asker: &'a Asker,
    /// For what.
    pub request: &'a CanonicalRequest,
    /// With which header fields: those that are forwarded.
    pub fields: &'a HeaderMap,
    /// With which body, if a rule looks into it.
    pub message: Option<&'a Message>,
}

/// A permit, its budget, and the policy that gave it.
#[derive(Debug)]
pub struct Granted {
    /// The permit.
    pub permit: Permit,
    /// How much may be sent and received with it.
    pub budget: Budget,
    /// The policy.
    pub policy: PolicyVersion,
    /// The credentials that it carries.
    pub carried: Carried,
    /// Until its outcome is recorded.
    pub stay: Stay,
}

impl Judge {
    /// A judge by the policy in force who writes to `journal`, and tells `teller` of rules that are used up. `boot` tells
    /// request ids of two boots apart.
    #[must_use]
    pub fn new(
        in_force: Arc<InForce>,
        credentials: Arc<Credentials>,
        (journal, teller): (Journal, Teller),
        boot: u32,
    ) -> Self {
        let (quotas, models) = (Arc::new(Quotas::new(teller)), Arc::default());
        let (denials, requests, ending) = (Denials::default(), AtomicU64::new(1), Ending::default());
        Self { in_force, quotas, credentials, journal, ending, models, denials, boot, requests }
    }

    /// The same, who knows these hosts for those of models.
    #[must_use]
    pub fn with_models(self, models: Arc<ModelHosts>) -> Self {
        Self { models, ..self }
    }

    /// The audit writer is woken by what arrives on `stream`: most of it is to be decided here.
    pub(crate) fn hears<S>(&self, stream: S) -> Arriving<S> {
        Arriving::new(stream, self.journal.clone())
    }

    /// The end of what is done by this judge's word.
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// A new request id.
    pub fn next_id(&self) -> RequestId {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:08x}{number:08x}", self.boot))
    }

    /// How much of the body must be read before the request can be decided. `None`: nothing of it.
    pub fn unread(&self, case: &Case<'_>) -> Option<Unread> {
        let edition = self.in_force.current();
        if !edition.policy.reads_messages() {
            return None;
        }
        match case.decide(&edition.policy, now()) {
            Decision::Allow(permit) => permit.would_deny()?.unread(),
            Decision::Deny(denial) => denial.unread(),
        }
    }

    /// Decides one request and records the decision.
    ///
    /// # Errors
    /// The policy denies it, a credential is misplaced, a limit of its rule is reached, or the decision cannot be
    /// recorded.
    pub async fn request(&self, case: &Case<'_>, id: &RequestId) -> Result<Granted, Refusal> {
        let Case { asker, request, .. } = *case;
        let now = now();
        let (decision, policy) = {
            let edition = self.in_force.current();
            (case.decide(&edition.policy, now), edition.version)
        };
        let permit = match decision {
            Decision::Allow(permit) => permit,
            Decision::Deny(denial) => {
                let event = journal::of_request(Action::NetworkRequest, asker, id, request);
                return Err(self.recorded_under(policy, event, Refusal::denied(&denial)).await);
            }
        };
        if case.is_unregistered(&permit) {
            let event = journal::of_request(Action::NetworkRequest, asker, id, request);
            return Err(self.recorded_under(policy, event, Refusal::unregistered(permit.rule())).await);
        }
        let carried = match self.credentials.place(request, case.fields) {
            Ok(carried) => carried,
            Err(misplaced) => {
                let event = journal::of_request(Action::NetworkRequest, asker, id, request);
                return Err(self.recorded_under(policy, event, Refusal::from(&misplaced)).await);
            }
        };
        let moment = Moment { instant: Instant::now(), time: now };
        let budget = match self.quotas.request(&permit, moment) {
            Ok(budget) => budget,
            Err(Exceeded { rule, spent }) => {
                let event = journal::of_request(Action::NetworkRequest, asker, id, request);
                return Err(self.recorded_under(policy, event, Refusal::spent(&rule, spent)).await);
            }
        };
        let event = journal::of_request(Action::NetworkRequest, asker, id, request);
        let event = journal::allowed(event, &permit);
        let event = Event { policy: Some(policy), credentials: carried.names(), ..event };
        let stay = self.ending.stay();
        self.journal.append(&event).await.map_err(|error| unrecorded(&error))?;
        Ok(Granted { permit, budget, policy, carried, stay })
    }

    /// Does what was granted in a case by `permit`, while every policy that follows allows it too, and asks no more of
    /// it. `conforms` is the policy that allowed it last.
    ///
    /// # Errors
    /// A later policy does not allow it, and it was broken off; not recorded.
    pub async fn uphold_request<T>(
        &self,
        case: &Case<'_>,
        permit: &Permit,
        conforms: &mut PolicyVersion,
        work: impl Future<Output = T>,
    ) -> Result<T, Refusal> {
        let forbids = |edition: &Edition| match case.decide(&edition.policy, now()) {
            Decision::Allow(now) if self.models.contain(now.host()) => now.asks_more_than(permit),
            Decision::Allow(now) => now.asks_more_of_answers_than(permit),
            Decision::Deny(denial) => Some(denial),
        };
        let upheld = self.in_force.uphold(conforms, forbids, work).await;
        upheld.map_err(|denial| Refusal::revoked(&denial))
    }

    /// Keeps a flow open for `work`, while some request of the asker to the destination could be allowed by every
    /// policy that follows. `conforms` is the policy by which that was last so.
    ///
    /// # Errors
    /// A later policy allows none; not recorded.
    pub async fn uphold_flow<T>(
        &self,
        asker: &Asker,
        authority: &Authority,
        conforms: &mut PolicyVersion,
        work: impl Future<Output = T>,
    ) -> Result<T, Refusal> {
        let forbids = |edition: &Edition| decide_destination(&edition.policy, asker, authority);
        let upheld = self.in_force.uphold(conforms, forbids, work).await;
        upheld.map_err(|denial| Refusal::revoked(&denial))
    }

    /// Lets somebody in for `work`, while the sandbox is open to the outside. `conforms` is the policy under which it was
    /// found open.
    ///
    /// # Errors
    /// It is not any more, and the work was broken off; not recorded.
    pub async fn uphold_visit<T>(
        &self,
        conforms: &mut PolicyVersion,
        work: impl Future<Output = T>,
    ) -> Result<T, Closed> {
        let forbids = |edition: &Edition| (edition.doors == Doors::Shut).then_some(Closed);
        self.in_force.uphold(conforms, forbids, work).await
    }

    /// The policy under which the sandbox is open to the outside now.
    ///
    /// # Errors
    /// It is not.
    pub fn open_under(&self) -> Result<PolicyVersion, Closed> {
        let edition = self.in_force.current();
        if edition.doors == Doors::Shut { Err(Closed) } else { Ok(edition.version) }
    }

    /// Watches what a client sends to `host` for credentials, if there is anything to look for. A prompt may hold what the
    /// agent saw, and the router sends no placeholder's secret anywhere.
    pub fn watch(&self, host: &str) -> Option<Watch> {
        if self.models.contain(host) { None } else { self.credentials.watch() }
    }

    /// Whether requests to `host` are model calls.
    pub fn is_model_host(&self, host: &str) -> bool {
        self.models.contain(host)
    }

    /// The sandbox's credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The policy in force.
    pub fn policy(&self) -> PolicyVersion {
        self.in_force.version()
    }

    /// The edition of this moment, for one answer.
    pub(crate) fn edition(&self) -> Arc<Edition> {
        self.in_force.current()
    }

    /// What was denied last.
    pub(crate) fn denials(&self) -> &Denials {
        &self.denials
    }

    /// Records what is no decision of the policy, under the one in force.
    ///
    /// # Errors
    /// It cannot be recorded, and must not happen.
    pub(crate) async fn record(&self, event: Event) -> Result<(), Refusal> {
        let event = Event { policy: Some(self.policy()), ..event };
        self.journal.append(&event).await.map_err(|error| unrecorded(&error))
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

    /// Records why an allowed request came to nothing, or was broken off, and how far it came; gives the refusal back
    /// for the client.
    pub async fn fail_request(
        &self,
        asker: &Asker,
        id: &RequestId,
        request: &CanonicalRequest,
        (refusal, outcome): (Refusal, Outcome),
    ) -> Refusal {
        let event = journal::of_request(Action::NetworkOutcome, asker, id, request);
        self.recorded(journal::completed(event, outcome), refusal).await
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
        let event = Event { policy: Some(self.policy()), ..journal::tunnelled(event) };
        self.journal.append(&event).await.map_err(|error| unrecorded(&error))
    }

    /// Whether no request of the asker to the destination could be allowed; not recorded.
    pub fn destination(&self, asker: &Asker, authority: &Authority) -> Option<Refusal> {
        decide_destination(&self.in_force.current().policy, asker, authority)
            .map(|denial| Refusal::denied(&denial))
    }

    /// Why no request to `name` could be allowed, if so, and the policy that says it; not recorded.
    pub fn name(&self, name: &Name) -> (PolicyVersion, Option<String>) {
        let edition = self.in_force.current();
        if policy_local::is_name(name) {
            return (edition.version, None);
        }
        let denial = match edition.policy.decide_name(name.as_str(), now()) {
            NameDecision::Possible => None,
            NameDecision::Deny(denial) => Some(denial.reason()),
        };
        (edition.version, denial)
    }

    /// Records that a name was asked for so many times, and what it gets, be it refused.
    ///
    /// # Errors
    /// It cannot be recorded, and must get nothing.
    pub async fn record_name(&self, asked: &Asked, times: u64) -> Result<(), Refusal> {
        let event = journal::of_name(asked, times);
        let recorded = if let Some(reason) = &asked.refused {
            let refusal = Refusal::unnamed(reason.clone());
            self.append_refusal(asked.policy, event, &refusal).await
        } else {
            let decision = Some(audit::Decision::Allow);
            self.journal.append(&Event { decision, policy: Some(asked.policy), ..event }).await
        };
        recorded.map_err(|error| unrecorded(&error))
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
        let event = Event { policy: Some(self.policy()), ..journal::completed(event, outcome) };
        self.journal.append(&event).await
    }

    async fn recorded(&self, event: Event, refusal: Refusal) -> Refusal {
        self.recorded_under(self.policy(), event, refusal).await
    }

    /// Records a refusal under the policy that decided it, which may be replaced by now.
    async fn recorded_under(&self, policy: PolicyVersion, event: Event, refusal: Refusal) -> Refusal {
        let appended = self.append_refusal(policy, event, &refusal).await;
        appended.map_or_else(|error| unrecorded(&error), |()| refusal)
    }

    /// Appends a refusal, and keeps it for the agent to ask about.
    async fn append_refusal(
        &self,
        policy: PolicyVersion,
        event: Event,
        refusal: &Refusal,
    ) -> Result<(), AppendError> {
        let event = Event { policy: Some(policy), ..journal::refused(event, refusal) };
        self.journal.append(&event).await?;
        self.denials.keep(&event, refusal);
        Ok(())
    }
}

impl Case<'_> {
    /// Whether it belongs to a session of the Model Context Protocol with a server that no rule names.
    fn is_unregistered(&self, permit: &Permit) -> bool {
        let session = ["mcp-protocol-version", "mcp-session-id", "mcp-method"];
        !permit.answers().is_some_and(policies::AnswerRules::registers)
            && permit.would_deny().is_none()
            && session.iter().any(|name| self.fields.keys().any(|field| reads_as(field, name)))
    }

    fn decide(&self, policy: &Policy, now: Timestamp) -> Decision {
        let host = self.request.authority.host.to_string();
        policy.decide(&policies::Request {
            subject: &self.asker.subject,
            destination: policies::Destination { host: &host, port: self.request.authority.port },
            method: self.request.method.as_str(),
            path: self.request.resource.path(),
            query: self.request.resource.query().unwrap_or_default(),
            headers: &Fields(self.fields),
            message: self.message,
            now,
        })
    }
}

/// Why no request of the asker to the destination could be allowed, if so.
fn decide_destination(policy: &Policy, asker: &Asker, authority: &Authority) -> Option<Denial> {
    let host = authority.host.to_string();
    let destination = policies::Destination { host: &host, port: authority.port };
    let asked = policies::Asked { subject: &asker.subject, destination, now: now() };
    match policy.decide_destination(asked) {
        DestinationDecision::Possible => None,
        DestinationDecision::Deny(denial) => Some(denial),
    }
}

/// The fields of a request, as the policy reads them.
struct Fields<'a>(&'a HeaderMap);

impl policies::Headers for Fields<'_> {
    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.0.iter().for_each(|(name, value)| see(name.as_str(), value.as_bytes()));
    }
}

fn unrecorded(error: &AppendError) -> Refusal {
    tracing::error!(%error, "a decision was not recorded: the request is refused");
    Refusal::unrecorded()
}
