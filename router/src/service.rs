//! The life of a call, from its request line to the answer's head. Every way out that is not an answer of
//! the permitted server is a [`Refusal`].

mod models;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use wire::router::{AfterLocal, Api};

use crate::body::{self, Held, Room};
use crate::budget::{Budgets, Charge, Estimate};
use crate::context::Context;
use crate::decide::{self, Case, Content, Rule, Session, Verdict, Zone};
use crate::forward::{self, Answer, ForwardError, Witness};
use crate::judge::{Judge, Judged, Reach};
use crate::known::Known;
use crate::redact::names::Names;
use crate::refusal::Refusal;
use crate::region::Place;
use crate::rewrite::Rewrite;
use crate::trail::{Chain, Cleared, Due, Started, Subject, Trail, TrailError};
use crate::translate;
use crate::upstream::{Server, Servers, Site};
use crate::wire_api::{Call, Endpoint, Target};

/// What a client gets: a document of ours or a server's answer.
pub type Reply = Response<Either<Full<Bytes>, Answer>>;

/// Answers calls.
#[derive(Debug)]
pub struct Service {
    judge: Arc<Judge>,
    servers: Servers,
    budgets: Budgets,
    trail: Trail,
    room: Room,
    classifying: Arc<Semaphore>,
    /// Whether what is sensitive went to a model of the session.
    stays: AtomicBool,
}

/// A request that came whole.
struct Whole {
    headers: HeaderMap,
    bytes: Bytes,
    _held: Arc<Held>,
}

/// A call that may be sent, and to whom.
struct Ready<'a> {
    call: Call,
    known: Known,
    names: Arc<Names>,
    /// Bytes of the client's body.
    bytes: usize,
    /// Servers of its zone where it may be served, in the order in which they are asked.
    servers: VecDeque<(&'a Server, Place)>,
    go: Go,
}

/// The first server's turn.
struct Go {
    cleared: Cleared,
    due: Due,
    charge: Charge,
}

impl Service {
    /// A service over servers and what may be spent with them, that follows the judge's word. `workers` calls are judged at a time.
    #[must_use]
    pub fn new((servers, budgets): (Servers, Budgets), judge: Judge, trail: Trail, workers: usize) -> Self {
        Self {
            judge: Arc::new(judge),
            servers,
            budgets,
            trail,
            room: Room::new(),
            classifying: Arc::new(Semaphore::new(workers.max(1))),
            stays: AtomicBool::new(false),
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// None: every failure is an answer.
    pub async fn serve(&self, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let since = Instant::now();
        let api = spoken(&request);
        let context = match Context::read(request.headers()) {
            Ok(context) => context,
            Err(error) => return Ok(Refusal::from(error).into_response(None, api).map(Either::Left)),
        };
        let refusal = match self.answer(&context, request, since).await {
            Ok(reply) => return Ok(reply),
            Err(refusal) => refusal,
        };
        if let Err(error) = self.trail.refused(&context, &refusal.denied()).await {
            tracing::error!(error = %Chain(&error), "a refusal could not be recorded");
        }
        Ok(refusal.into_response(Some(&context.request.0), api).map(Either::Left))
    }

    async fn answer(
        &self,
        context: &Context,
        request: Request<Incoming>,
        since: Instant,
    ) -> Result<Reply, Refusal> {
        let site = self.servers.at(&context.host).ok_or_else(Refusal::no_such_host)?;
        match Target::read(request.method(), request.uri(), site.base())? {
            Target::Call(endpoint) => self.call(context, (endpoint, site), request, since).await,
            target => {
                body::refuse(request.body())?;
                let spoken = spoken(&request);
                for server in site.iter() {
                    let charged = self.budgets.charge(server.zone(), Estimate::NOTHING);
                    charged.map_err(|spent| Refusal::spent(spent, None))?;
                }
                let listed = models::list(site, context.conditions.providers).await;
                let document =
                    models::document((&target, spoken), &listed).ok_or_else(Refusal::no_such_model)?;
                Ok(json_reply(StatusCode::OK, document))
            }
        }
    }

    async fn call(
        &self,
        context: &Context,
        (endpoint, site): (Endpoint, Site<'_>),
        request: Request<Incoming>,
        since: Instant,
    ) -> Result<Reply, Refusal> {
        let held = Arc::new(self.room.hold(request.body()).await);
        let (head, body) = request.into_parts();
        let bytes = body::read(&head.headers, body).await?;
        let (zones, providers) = (site.zones(endpoint.api()), context.conditions.providers);
        // Only now: a body that was whole before another call stayed local cannot hold that one's answer.
        let case = Case { content: Content::Plain, session: self.session(), zones, providers };
        let whole = Whole { headers: head.headers, bytes, _held: Arc::clone(&held) };
        let (judged, bytes) = self.judge(context, (endpoint, case), whole).await?;
        let ready = self.clear(context, (judged, bytes), (case, site)).await?;
        let reply = self.forward(context, ready, since).await;
        drop(held);
        reply
    }

    fn session(&self) -> Session {
        let is_kept = self.judge.directive().after_local() == AfterLocal::Local;
        if is_kept && self.stays.load(Ordering::SeqCst) { Session::Stays } else { Session::Open }
    }

    async fn judge(
        &self,
        context: &Context,
        (endpoint, case): (Endpoint, Case),
        whole: Whole,
    ) -> Result<(Judged, usize), Refusal> {
        let (judge, least) = (Arc::clone(&self.judge), context.conditions.sensitive);
        let reach = if decide::reaches_cloud(case) { Reach::Cloud } else { Reach::LocalOnly };
        let turn = Arc::clone(&self.classifying).acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let work = move || -> Result<(Judged, usize), Refusal> {
            // With a client that leaves neither the work nor the memory ends: both keep their place until they do.
            let _turn = turn;
            let call = Call::read(endpoint, &whole.bytes)?.with_betas(&whole.headers)?;
            Ok((judge.judge(call, least, reach), whole.bytes.len()))
        };
        let judged = tokio::task::spawn_blocking(work).await;
        judged.unwrap_or_else(|_panicked| Err(Refusal::unclassified()))
    }

    async fn clear<'a>(
        &self,
        context: &Context,
        (judged, bytes): (Judged, usize),
        (case, site): (Case, Site<'a>),
    ) -> Result<Ready<'a>, Refusal> {
        let Judged { call, content, known, names } = judged;
        let (mut servers, mut outside) = (VecDeque::new(), None);
        let verdict = decide::decide(Case { content, ..case }).where_permitted(|zone| {
            for server in site.chain(zone, call.endpoint().api()) {
                let place = server.place(&call);
                if self.servers.regions().permit(&place) {
                    servers.push_back((server, place));
                } else {
                    outside.get_or_insert(place);
                }
            }
            !servers.is_empty()
        });
        let (permit, (server, place)) = match (verdict, servers.front(), outside) {
            (Verdict::Allow(permit), Some(first), _) => (permit, first),
            (Verdict::Allow(_), None, _) => return Err(Refusal::by_directive(Rule::NoServer, known)),
            (Verdict::Refuse(Rule::RegionNotPermitted), _, Some(place)) => {
                return Err(Refusal::outside(place, known));
            }
            (Verdict::Refuse(rule), ..) => return Err(Refusal::by_directive(rule, known)),
        };
        let charge = self.charge((server, &call, bytes), &known)?;
        let call_path = call.endpoint().path();
        let replaced = names.len();
        let subject = Subject { context, call: call_path, known: &known, place, replaced, bytes };
        let stays = permit.rule().stays();
        let (cleared, due) = self.trail.clear(permit, &subject).await.map_err(unrecorded)?;
        if stays {
            self.stays.store(true, Ordering::SeqCst);
        }
        Ok(Ready { call, known, names, bytes, servers, go: Go { cleared, due, charge } })
    }

    /// What a call may cost at a server.
    fn charge(
        &self,
        (server, call, bytes): (&Server, &Call, usize),
        known: &Known,
    ) -> Result<Charge, Refusal> {
        let counts = !translate::is_needed(call.endpoint().api(), server.api());
        let charge = self.budgets.charge(server.zone(), Estimate::of(call, bytes, counts));
        charge.map_err(|spent| Refusal::spent(spent, Some(known.clone())))
    }

    /// The decision is on record; from here on a failure is recorded as the answer, or is a reason to ask the next server of
    /// the same zone, with a record of its own.
    async fn forward(&self, context: &Context, ready: Ready<'_>, since: Instant) -> Result<Reply, Refusal> {
        let Ready { call, known, names, bytes, mut servers, mut go } = ready;
        let endpoint = call.endpoint();
        let mut call = Some(call);
        while let Some((server, place)) = servers.pop_front() {
            let Go { cleared, due, charge } = go;
            let (zone, asked) = (cleared.zone(), known.model.clone());
            let started = Started { context: context.clone(), zone, place, asked, since };
            let witness = Witness::new(due, started, charge);
            let Some((next, next_place)) = servers.front() else {
                let Some(call) = call.take() else { break };
                let sent = forward::send(server, &cleared, call).await;
                return Ok(reply(sent, (server, endpoint, names), witness));
            };
            let Some(again) = &call else { break };
            match forward::send(server, &cleared, again.clone()).await {
                Ok(answer) if forward::is_overloaded_or_broken(answer.status()) => {
                    tracing::warn!(zone = zone.as_str(), status = %answer.status(), "another server is asked");
                    witness.passed_over(answer.status());
                }
                Err(error) if error.is_servers() => {
                    tracing::warn!(zone = zone.as_str(), error = %Chain(&error), "another server is asked");
                    let _the_same = witness.failed(Refusal::from(&error).code(), error.was_sent());
                }
                sent => return Ok(reply(sent, (server, endpoint, names), witness)),
            }
            let charge = self.charge((next, again, bytes), &known)?;
            let replaced = names.len();
            let (call, place) = (endpoint.path(), next_place);
            let subject = Subject { context, call, known: &known, place, replaced, bytes };
            let (cleared, due) = self.trail.clear_again(cleared, &subject).await.map_err(unrecorded)?;
            go = Go { cleared, due, charge };
        }
        Err(Refusal::by_directive(Rule::NoServer, known))
    }
}

/// A server's answer as the client gets it, or why there is none.
fn reply(
    sent: Result<Response<Incoming>, ForwardError>,
    (server, endpoint, names): (&Server, Endpoint, Arc<Names>),
    witness: Witness,
) -> Reply {
    let zone = server.zone();
    match sent {
        Ok(answer) => {
            // Numbers are no text to put anything back into.
            let rewrite = if !names.is_empty() && endpoint != Endpoint::Embeddings {
                Some(Rewrite::Restore(names, endpoint))
            } else if translate::is_needed(endpoint.api(), server.api()) {
                Some(Rewrite::Translate(endpoint))
            } else {
                None
            };
            let mut reply = witness.watch(answer, rewrite).map(Either::Right);
            reply.headers_mut().insert(ZONE, zone_value(zone));
            reply
        }
        Err(error) => {
            tracing::warn!(zone = zone.as_str(), error = %Chain(&error), "no answer");
            let refusal = Refusal::from(&error);
            let request = witness.failed(refusal.code(), error.was_sent());
            refusal.into_response(Some(&request.0), endpoint.api()).map(Either::Left)
        }
    }
}

fn unrecorded(error: TrailError) -> Refusal {
    tracing::error!(error = %Chain(&error), "nothing is sent without its record");
    Refusal::from(error)
}

/// Whose API a client speaks.
fn spoken<B>(request: &Request<B>) -> Api {
    let is_anthropic =
        request.uri().path().contains("/messages") || request.headers().contains_key("anthropic-version");
    if is_anthropic { Api::Anthropic } else { Api::OpenAi }
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
