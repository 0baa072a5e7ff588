//! The life of a call, from its request line to the answer's head. Every way out that is not an answer of
//! the permitted server is a [`Refusal`].

mod models;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use wire::router::Sensitive;

use crate::body::{self, Room};
use crate::classify::Classifier;
use crate::context::Context;
use crate::decide::{self, Directive, Verdict, Zone};
use crate::forward::{self, Answer, Witness};
use crate::known::{Known, ModelName};
use crate::refusal::Refusal;
use crate::trail::{Chain, Cleared, Started, Subject, Trail};
use crate::upstream::Servers;
use crate::wire_api::{Call, Endpoint, Target};
use ::classify::Findings;

/// What a client gets: a document of ours or a server's answer.
pub type Reply = Response<Either<Full<Bytes>, Answer>>;

/// Answers calls.
#[derive(Debug)]
pub struct Service {
    classifier: Arc<Classifier>,
    sensitive: Sensitive,
    servers: Servers,
    trail: Trail,
    room: Room,
    classifying: Semaphore,
}

/// What of a call is known once it is classified.
struct Classified {
    call: Call,
    findings: Findings,
    model: ModelName,
    bytes: usize,
}

impl Service {
    /// A service over `servers` that follows the operator's word about sensitive calls. `workers` calls
    /// are classified at a time.
    #[must_use]
    pub fn new(servers: Servers, sensitive: Sensitive, trail: Trail, workers: usize) -> Self {
        Self {
            classifier: Arc::new(Classifier::new()),
            sensitive,
            servers,
            trail,
            room: Room::new(),
            classifying: Semaphore::new(workers.max(1)),
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// None: every failure is an answer.
    pub async fn serve(&self, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let since = Instant::now();
        let context = match Context::read(request.headers()) {
            Ok(context) => context,
            Err(error) => return Ok(Refusal::from(error).into_response(None).map(Either::Left)),
        };
        let refusal = match self.answer(&context, request, since).await {
            Ok(reply) => return Ok(reply),
            Err(refusal) => refusal,
        };
        if let Err(error) = self.trail.refused(&context, &refusal.denied()).await {
            tracing::error!(error = %Chain(&error), "a refusal could not be recorded");
        }
        Ok(refusal.into_response(Some(&context.request.0)).map(Either::Left))
    }

    async fn answer(
        &self,
        context: &Context,
        request: Request<Incoming>,
        since: Instant,
    ) -> Result<Reply, Refusal> {
        match Target::read(request.method(), request.uri())? {
            Target::Call(endpoint) => self.call(context, endpoint, request, since).await,
            target => {
                body::refuse(request.body())?;
                let listed = models::list(&self.servers, context.conditions.providers).await;
                let document = models::document(&target, &listed).ok_or_else(Refusal::no_such_model)?;
                Ok(json_reply(StatusCode::OK, document))
            }
        }
    }

    async fn call(
        &self,
        context: &Context,
        endpoint: Endpoint,
        request: Request<Incoming>,
        since: Instant,
    ) -> Result<Reply, Refusal> {
        let held = self.room.hold(request.body()).await;
        let classified = self.classify(endpoint, request).await?;
        let asked = classified.model.clone();
        let (cleared, call) = self.clear(context, classified).await?;
        let zone = cleared.zone();
        let started = Started { context: context.clone(), zone, asked, since };
        let witness = Witness::new(self.trail.clone(), started);
        let reply = self.forward(cleared, call, witness).await;
        drop(held);
        Ok(reply)
    }

    async fn classify(&self, endpoint: Endpoint, request: Request<Incoming>) -> Result<Classified, Refusal> {
        let (head, body) = request.into_parts();
        let bytes = body::read(&head.headers, body).await?;
        let classifier = Arc::clone(&self.classifier);
        let work = move || -> Result<Classified, Refusal> {
            let call = Call::read(endpoint, &bytes)?;
            let findings = classifier.classify(call.body(), call.opaque());
            let model = ModelName::of(call.model(), &classifier);
            Ok(Classified { call, findings, model, bytes: bytes.len() })
        };
        let turn = self.classifying.acquire().await.expect("the semaphore is never closed");
        let classified = tokio::task::spawn_blocking(work).await;
        drop(turn);
        classified.unwrap_or_else(|_panicked| Err(Refusal::unclassified()))
    }

    async fn clear(&self, context: &Context, classified: Classified) -> Result<(Cleared, Call), Refusal> {
        let Classified { call, findings, model, bytes } = classified;
        let conditions = context.conditions;
        let directive = Directive { sensitive: self.sensitive, zones: self.servers.zones(), conditions };
        let permit = match decide::decide(directive, &findings) {
            Verdict::Allow(permit) => permit,
            Verdict::Refuse(rule) => return Err(Refusal::by_directive(rule, Known { findings, model })),
        };
        let path = call.endpoint().path();
        let subject = Subject { context, call: path, model: &model, findings: &findings, bytes };
        let cleared = self.trail.clear(permit, &subject).await.map_err(|error| {
            tracing::error!(error = %Chain(&error), "nothing is sent without its record");
            Refusal::from(error)
        })?;
        Ok((cleared, call))
    }

    /// The decision is on record; from here on a failure is recorded as the answer.
    async fn forward(&self, cleared: Cleared, call: Call, witness: Witness) -> Reply {
        let zone = cleared.zone();
        match forward::send(&self.servers, cleared, call).await {
            Ok(answer) => {
                let mut reply = witness.watch(answer).map(Either::Right);
                reply.headers_mut().insert(ZONE, zone_value(zone));
                reply
            }
            Err(error) => {
                tracing::warn!(zone = zone.as_str(), error = %Chain(&error), "no answer");
                let refusal = Refusal::from(&error);
                let request = witness.failed(refusal.code());
                refusal.into_response(Some(&request.0)).map(Either::Left)
            }
        }
    }
}

/// Tells the client which zone answered.
const ZONE: http::HeaderName = http::HeaderName::from_static("openshell-inference-zone");

fn zone_value(zone: Zone) -> http::HeaderValue {
    http::HeaderValue::from_static(zone.as_str())
}

fn json_reply(status: StatusCode, document: Vec<u8>) -> Reply {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(document))));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
