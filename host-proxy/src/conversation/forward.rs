//! An allowed request: to the upstream, and its response back to the client, both as they come.

use std::io;
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use policies::Permit;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::time::timeout;
use wire::id::RequestId;

use super::link::{Kept, Link};
use super::{Conversation, Next};
use crate::canonical::CanonicalRequest;
use crate::clock::now;
use crate::fields;
use crate::flow::Asker;
use crate::http1::{Close, Framing, Head, Length, ReadError, Reader, Writer};
use crate::journal::Outcome;
use crate::judge::{Case, Granted};
use crate::proxy::Proxy;
use crate::quota::{Budget, Spent};
use crate::refusal::{Refusal, chain};
use crate::upstream::{Feeder, Outgoing, announce, outgoing};

/// How long an upstream may be silent. A model may think for minutes before its first word.
const UPSTREAM_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What went wrong between the upstream and the client.
enum Fault {
    /// Nothing was sent to the client yet: it gets this refusal.
    Before(Refusal),
    /// The response is under way: it can only be broken off.
    During,
}

/// One exchange, with what it needs of its conversation.
struct Exchange<'a, S> {
    proxy: &'a Proxy,
    asker: &'a Asker,
    id: &'a RequestId,
    permit: &'a Permit,
    request: &'a CanonicalRequest,
    reader: &'a mut Reader<ReadHalf<S>>,
    writer: &'a mut Writer<WriteHalf<S>>,
    tally: &'a Tally,
}

/// Counts of one exchange, which outlive it when it is broken off.
#[derive(Debug)]
struct Tally {
    started: Instant,
    /// Whether the client may have a part of an answer, which no other answer can follow.
    answering: AtomicBool,
    status: AtomicU16,
    sent: AtomicU64,
    received: AtomicU64,
    budget: Budget,
    spent: OnceLock<Spent>,
}

/// The way of a response to the client.
struct Relay<'a, W> {
    writer: &'a mut Writer<W>,
    method: &'a Method,
    chunked: bool,
    close: Close,
    tally: &'a Tally,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<'_, S> {
    /// Forwards a permitted request and relays the response, while the policy in force permits it. The fields of
    /// `head` are those that were judged.
    pub(super) async fn forward(
        &mut self,
        id: &RequestId,
        granted: Granted,
        case: &Case<'_>,
        head: Head,
    ) -> io::Result<Next> {
        let Granted { permit, budget, policy } = granted;
        let tally = Tally::new(budget);
        let persistent = head.persistent;
        let (proxy, kept) = (self.proxy, self.upstream.take());
        let Case { asker, request, .. } = *case;
        let exchange = Exchange {
            proxy,
            asker,
            id,
            permit: &permit,
            request,
            reader: &mut self.reader,
            writer: &mut self.writer,
            tally: &tally,
        };
        self.conforms = policy;
        let work = exchange.run(head, kept);
        let result = match proxy.judge.uphold_request(case, &mut self.conforms, work).await {
            Ok(result) => result.map_err(|fault| tally.explained(fault, &permit)),
            Err(revoked) if !tally.answering.load(Ordering::Relaxed) => Err(Fault::Before(revoked)),
            Err(revoked) => {
                let _told_by_breaking_off = proxy.judge.fail_request(asker, id, request, revoked).await;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        };
        if let Err(Fault::Before(refusal)) = result {
            return self.give_up(id, request, refusal).await;
        }
        let recorded = self.proxy.judge.record_outcome(self.asker, id, request, tally.outcome()).await;
        let Ok(kept) = result else { return Err(io::ErrorKind::ConnectionAborted.into()) };
        if recorded.is_err() || !persistent || !self.reader.is_between_requests() {
            return Ok(Next::End);
        }
        self.upstream = Some(kept);
        Ok(Next::Request)
    }

    /// An allowed request that came to nothing: the cause is recorded and told.
    async fn give_up(
        &mut self,
        id: &RequestId,
        request: &CanonicalRequest,
        refusal: Refusal,
    ) -> io::Result<Next> {
        let refusal = self.proxy.judge.fail_request(self.asker, id, request, refusal).await;
        self.answer(id, &refusal, request).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<'_, S> {
    /// Sends the request on and relays the response; gives the upstream back for the next request.
    async fn run(self, head: Head, kept: Option<Kept>) -> Result<Kept, Fault> {
        let Self { proxy, permit, request, tally, .. } = self;
        let mut link = Link::reach(&proxy.dialer, permit, request, kept).await.map_err(Fault::Before)?;
        if head.expects_continue && head.length != Length::Exact(0) {
            tally.answering.store(true, Ordering::Relaxed);
            self.writer.carry_on().await.map_err(|_client_is_gone| Fault::During)?;
            tally.answering.store(false, Ordering::Relaxed);
        }
        let relay = Relay {
            writer: self.writer,
            method: &request.method,
            chunked: head.chunked_responses,
            close: if head.persistent { Close::No } else { Close::Yes },
            tally,
        };
        let (feeder, body) = body_of(head.length);
        let mut out = outgoing(permit, request, head.fields, body);
        announce(out.headers_mut(), head.length, &request.method);
        if permit.host() == wire::inference::HOST {
            vouch(out.headers_mut(), proxy, self.asker, self.id);
        }
        let upload = feed(self.reader, feeder, tally);
        both(upload, relay.run(&mut link, out)).await?;
        Ok(link.keep())
    }
}

impl<W: AsyncWrite + Unpin> Relay<'_, W> {
    /// Sends the request and relays the response.
    async fn run(self, link: &mut Link<'_>, request: Request<Outgoing>) -> Result<(), Fault> {
        let answered = timeout(UPSTREAM_PATIENCE, link.send(request)).await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => return Err(Fault::Before(refusal)),
            Err(_elapsed) => {
                let error = "the upstream did not answer in time".to_owned();
                return Err(Fault::Before(Refusal::broken_upstream(StatusCode::GATEWAY_TIMEOUT, error)));
            }
        };
        self.tally.status.store(response.status().as_u16(), Ordering::Relaxed);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let error = "the upstream switched protocols unasked".to_owned();
            return Err(Fault::Before(Refusal::broken_upstream(StatusCode::BAD_GATEWAY, error)));
        }
        self.tally.answering.store(true, Ordering::Relaxed);
        self.relay(response).await.map_err(|error| {
            tracing::debug!(error = %chain(error.as_ref()), "a response was broken off");
            Fault::During
        })
    }

    async fn relay(
        self,
        mut response: Response<Incoming>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let framing = self.framing(&response);
        fields::clean_response(response.headers_mut());
        let close = if framing == Framing::UntilClose { Close::Yes } else { self.close };
        self.writer.head(&response, framing, close);
        let body = response.body_mut();
        while let Some(frame) = timeout(UPSTREAM_PATIENCE, body.frame()).await? {
            // Trailers are dropped: a chunked response to a client that did not ask for them has none.
            let Ok(data) = frame?.into_data() else { continue };
            self.tally.spend(data.len())?;
            self.tally.received.fetch_add(data.len() as u64, Ordering::Relaxed);
            self.writer.piece(data).await?;
            // What the upstream already ended goes out with its end; everything else at once.
            if !body.is_end_stream() {
                self.writer.flush().await?;
            }
        }
        self.writer.end().await?;
        Ok(())
    }

    fn framing(&self, response: &Response<Incoming>) -> Framing {
        let announced = response
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        match (response.status(), response.body().size_hint().exact()) {
            (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, _) => Framing::Empty,
            _ if self.method == Method::HEAD => announced.map_or(Framing::Empty, Framing::Head),
            (_, Some(length)) => Framing::Exact(length),
            (_, None) if self.chunked => Framing::Chunked,
            (_, None) => Framing::UntilClose,
        }
    }
}

impl Tally {
    fn new(budget: Budget) -> Self {
        let (status, sent, received) = (AtomicU16::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (answering, spent) = (AtomicBool::new(false), OnceLock::new());
        Self { started: Instant::now(), answering, status, sent, received, budget, spent }
    }

    /// Counts bytes of a body before they go on.
    fn spend(&self, bytes: usize) -> Result<(), Spent> {
        self.budget.spend(bytes, now()).inspect_err(|spent| {
            let _first_is_kept = self.spent.set(*spent);
        })
    }

    /// The limit that was reached is what the client must hear, not what came of it.
    fn explained(&self, fault: Fault, permit: &Permit) -> Fault {
        match (fault, self.spent.get()) {
            (Fault::Before(_), Some(spent)) => Fault::Before(Refusal::spent(permit.rule(), *spent)),
            (fault, _) => fault,
        }
    }

    fn outcome(&self) -> Outcome {
        let status = self.status.load(Ordering::Relaxed);
        Outcome {
            status: (status != 0).then_some(status),
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            latency_us: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            spent: self.spent.get().copied(),
        }
    }
}

/// Tells the router whose request this is. The guest's own fields of these names were removed before.
fn vouch(fields: &mut HeaderMap, proxy: &Proxy, asker: &Asker, id: &RequestId) {
    let claims = [
        (wire::inference::SANDBOX, proxy.sandbox.as_str()),
        (wire::inference::REQUEST, id.0.as_str()),
        (wire::inference::BINARY, asker.binary.as_str()),
    ];
    for (name, value) in claims {
        let value = value.escape_default().to_string();
        fields.insert(name, HeaderValue::try_from(value).expect("escaped text is plain ASCII"));
    }
}

/// A body for the upstream, and what feeds it.
fn body_of(length: Length) -> (Option<Feeder>, Outgoing) {
    let announced = match length {
        Length::Exact(0) => return (None, Outgoing::Nothing),
        Length::Exact(bytes) => Some(bytes),
        Length::Chunked => None,
    };
    let (feeder, body) = Outgoing::fed(announced);
    (Some(feeder), body)
}

/// Reads the client's body and feeds it to the upstream, as fast as the upstream takes it. An upstream that
/// wants no more ends it early, and so does a limit.
async fn feed<R: AsyncRead + Unpin>(
    reader: &mut Reader<R>,
    feeder: Option<Feeder>,
    tally: &Tally,
) -> Result<(), ReadError> {
    let Some(feeder) = feeder else { return Ok(()) };
    while let Some(piece) = reader.piece().await? {
        let length = piece.len() as u64;
        if tally.spend(piece.len()).is_err() {
            // Dropped before its end, the feeder breaks the body off.
            return Ok(());
        }
        if !feeder.piece(piece).await {
            return Ok(());
        }
        tally.sent.fetch_add(length, Ordering::Relaxed);
    }
    let _or_unwanted = feeder.end().await;
    Ok(())
}

/// Runs both ways at once until the response is relayed; what is then left of the body is nobody's.
async fn both(
    upload: impl Future<Output = Result<(), ReadError>>,
    download: impl Future<Output = Result<(), Fault>>,
) -> Result<(), Fault> {
    let (mut upload, mut download) = (pin!(upload), pin!(download));
    let mut cause = None;
    let mut uploading = true;
    let result = loop {
        tokio::select! {
            biased;
            result = &mut download => break result,
            result = &mut upload, if uploading => {
                uploading = false;
                cause = result.err();
            }
        }
    };
    match (result, cause) {
        // The upstream failed because the client's body did: that is what the client must hear.
        (Err(Fault::Before(_)), Some(cause)) => Err(Fault::Before(Refusal::malformed(&cause))),
        (result, _) => result,
    }
}
