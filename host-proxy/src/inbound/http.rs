//! HTTP/1.1 from outside: each request of a connection is read strictly, checked, recorded, and written anew.
//!
//! *Invariant:* each request has a connection of its own to the agent's program, which ends with its response. What the
//! program reads otherwise than we do can therefore not become another request.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use serde::Serialize;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use wire::id::RequestId;

use super::record::{Line, Outcome, Refused};
use super::{Visit, with_reset};
use crate::ending::Stay;
use crate::fields;
use crate::http1::{Close, Framing, Head, Length, Patience, ReadError, Reader, Writer};
use crate::judge::Closed;
use crate::refusal::{REQUEST_ID, chain};
use crate::upstream::{Feeder, Outbound, Outgoing, SendError, Upstream};

/// What a client may take.
const PATIENCE: Patience =
    Patience { head: Duration::from_secs(10), idle: Duration::from_secs(15), body: Duration::from_secs(60) };

/// How long the agent's program may be silent. It may have to ask a model first.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How long a client is waited for after the last answer, and how much of what it still sends is read.
const LINGER: Duration = Duration::from_secs(3);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Whose request it is, for a program that wants to know. What the client says of it was removed.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// One connection.
struct Session<'a> {
    visit: Visit<'a>,
    reader: Reader<OwnedReadHalf>,
    writer: Writer<OwnedWriteHalf>,
}

/// A request that was let in.
struct Admitted<'a> {
    method: &'a Method,
    out: (Outbound, Outgoing),
    feeder: Option<Feeder>,
    chunked: bool,
    close: Close,
    tally: &'a Tally,
}

/// Counts of one exchange.
#[derive(Debug, Default)]
struct Tally {
    status: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What follows a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The next request.
    Request,
    /// The end of the connection.
    End,
}

/// What went wrong after a request was let in.
enum Fault {
    /// Nothing was sent to the client yet: it gets this.
    Before(Refused),
    /// The response is under way: it can only be broken off.
    During,
}

/// The body that a client sees when its request does not go through.
#[derive(Debug, Serialize)]
struct Body<'a> {
    error: &'a str,
    level: &'a str,
    request_id: &'a str,
    hint: &'a str,
}

impl Visit<'_> {
    pub(super) async fn http(self, stream: TcpStream) -> io::Result<()> {
        let (read, write) = stream.into_split();
        let (reader, writer) = (Reader::new(read, PATIENCE), Writer::new(write));
        let mut session = Session { visit: self, reader, writer };
        while session.next().await? == Next::Request {}
        session.writer.shutdown().await?;
        // What is under way is read: a reset would take our last answer from the client.
        let _or_gives_up = timeout(LINGER, session.reader.drain(LINGER_BYTES)).await;
        Ok(())
    }
}

impl Session<'_> {
    async fn next(&mut self) -> io::Result<Next> {
        let Visit { hall, policy, .. } = &mut self.visit;
        let Ok(head) = hall.judge.uphold_visit(policy, self.reader.head()).await else {
            return self.put_out();
        };
        match head {
            Ok(Some(head)) => self.request(head).await,
            Ok(None) => Ok(Next::End),
            Err(ReadError::Io(error)) => Err(error),
            Err(error) => {
                let id = self.visit.hall.judge.next_id();
                let refused = self.visit.refuse_request(&id, None, Refused::unread(&error)).await;
                self.tell(&id, &refused, &Method::GET).await
            }
        }
    }

    async fn request(&mut self, mut head: Head) -> io::Result<Next> {
        let visit = self.visit;
        let id = visit.hall.judge.next_id();
        let (method, target) = match read_line(&head) {
            Ok(line) => line,
            Err(error) => {
                let line = Line { method: &head.method, target: &head.target };
                let refused = visit.refuse_request(&id, Some(line), Refused::malformed(error)).await;
                return self.tell(&id, &refused, &Method::GET).await;
            }
        };
        let line = Line { method: method.as_str(), target: target.as_str() };
        // Whatever comes of it, the credentials stay here.
        let known = visit.door.token.as_ref().is_none_or(|token| token.take(&mut head.fields));
        let stay = visit.hall.judge.ending().stay();
        let admitted = if known {
            visit.admit_request(&id, line).await
        } else {
            Err(visit.refuse_request(&id, Some(line), Refused::token()).await)
        };
        match admitted {
            Ok(()) => self.forward(&id, (&method, &target), (head, stay)).await,
            Err(refused) => self.tell(&id, &refused, &method).await,
        }
    }

    /// The end of somebody who was in when the doors were shut, or the sandbox ended.
    fn put_out(&mut self) -> io::Result<Next> {
        with_reset(self.writer.stream_mut().as_ref());
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// To the agent's program and back; the outcome is recorded while the process stays for it.
    async fn forward(
        &mut self,
        id: &RequestId,
        (method, target): (&Method, &PathAndQuery),
        (head, stay): (Head, Stay),
    ) -> io::Result<Next> {
        let (started, tally) = (Instant::now(), Tally::default());
        let persistent = head.persistent;
        let Visit { hall, policy: mut conforms, .. } = self.visit;
        let exchange = self.exchange((method, target), head, &tally);
        let upheld = tokio::select! {
            biased;
            () = stay.ended() => Err(Refused::ended()),
            upheld = hall.judge.uphold_visit(&mut conforms, exchange) => upheld.map_err(|Closed| Refused::quarantine()),
        };
        self.visit.policy = conforms;
        let (result, put_out) = match upheld {
            Ok(result) => (result, None),
            Err(put_out) => (Err(Fault::During), Some(put_out)),
        };
        let failed = match &result {
            Err(Fault::Before(refused)) => Some(refused),
            Ok(()) | Err(Fault::During) => put_out.as_ref(),
        };
        let recorded = self.visit.record_outcome(id, tally.outcome(started), failed).await;
        drop(stay);
        if put_out.is_some() {
            return self.put_out();
        }
        match (result, recorded) {
            (Ok(()), Ok(())) if persistent && self.reader.is_between_requests() => Ok(Next::Request),
            (Ok(()), _) => Ok(Next::End),
            (Err(Fault::Before(_)), Err(unrecorded)) => self.tell(id, &unrecorded, method).await,
            (Err(Fault::Before(refused)), Ok(())) => self.tell(id, &refused, method).await,
            (Err(Fault::During), _) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn exchange(
        &mut self,
        (method, target): (&Method, &PathAndQuery),
        mut head: Head,
        tally: &Tally,
    ) -> Result<(), Fault> {
        let Visit { hall, door, source, .. } = self.visit;
        let before = |status, error: String| Fault::Before(Refused::no_response(status, error));
        let stream =
            hall.guest.connect(door.port).await.map_err(|error| Fault::Before(Refused::unreached(&error)))?;
        let mut program =
            Upstream::over(stream).await.map_err(|error| before(StatusCode::BAD_GATEWAY, chain(&error)))?;
        fields::clean_request(&mut head.fields);
        let (length, close) = (head.length, if head.persistent { Close::No } else { Close::Yes });
        let (expects, chunked) =
            (head.expects_continue && length != Length::Exact(0), head.chunked_responses);
        let (feeder, body) = body_of(length);
        let malformed = || Fault::Before(Refused::malformed("the Host field is malformed".to_owned()));
        let (host, fields) = outgoing(head, source.ip().to_string()).ok_or_else(malformed)?;
        let out = (Outbound::inward((method, target), host, fields, length), body);
        if expects {
            self.writer.carry_on().await.map_err(|_client_is_gone| Fault::During)?;
        }
        let admitted = Admitted { method, out, feeder, chunked, close, tally };
        admitted.run(&mut program, &mut self.reader, &mut self.writer).await?;
        program.settle();
        Ok(())
    }

    /// Answers a refusal, after which the connection ends.
    async fn tell(&mut self, id: &RequestId, refused: &Refused, method: &Method) -> io::Result<Next> {
        let response = refused.response(id);
        let length = response.body().len() as u64;
        let framing = if *method == Method::HEAD { Framing::Head(length) } else { Framing::Exact(length) };
        self.writer.head(&response, framing, Close::Yes);
        self.writer.piece(Bytes::from(response.into_body())).await?;
        self.writer.end().await?;
        Ok(Next::End)
    }
}

impl Admitted<'_> {
    /// Sends the request with its body and relays the response, both at once.
    async fn run(
        self,
        program: &mut Upstream,
        reader: &mut Reader<OwnedReadHalf>,
        writer: &mut Writer<OwnedWriteHalf>,
    ) -> Result<(), Fault> {
        let Self { method, out, feeder, chunked, close, tally } = self;
        let relay = Relay { method, chunked, close, tally, writer };
        let (mut upload, mut download) = (pin!(feed(reader, feeder, tally)), pin!(relay.run(program, out)));
        let (mut uploading, mut cut) = (true, None);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut download => break result,
                result = &mut upload, if uploading => {
                    uploading = false;
                    cut = result.err();
                }
            }
        };
        match (result, cut) {
            // The program failed because the client's body did: that is what the client must hear.
            (Err(Fault::Before(_)), Some(cut)) => Err(Fault::Before(Refused::unread(&cut))),
            (result, _) => result,
        }
    }
}

/// The way of a response to the client.
struct Relay<'a> {
    method: &'a Method,
    chunked: bool,
    close: Close,
    tally: &'a Tally,
    writer: &'a mut Writer<OwnedWriteHalf>,
}

impl Relay<'_> {
    async fn run(self, program: &mut Upstream, (out, body): (Outbound, Outgoing)) -> Result<(), Fault> {
        let before = |status, error: &str| Fault::Before(Refused::no_response(status, error.to_owned()));
        let response = match timeout(PROGRAM_PATIENCE, program.send(&out, body)).await {
            Ok(Ok(response)) => response,
            Ok(Err(SendError::Failed(error))) => return Err(before(StatusCode::BAD_GATEWAY, &chain(&error))),
            Ok(Err(SendError::Unsent(_))) => {
                return Err(before(StatusCode::BAD_GATEWAY, "the agent's program closed the connection"));
            }
            Err(_elapsed) => {
                let error = "the agent's program did not answer in time";
                return Err(before(StatusCode::GATEWAY_TIMEOUT, error));
            }
        };
        if response.status().is_informational() {
            let error = "the agent's program switched protocols unasked";
            return Err(before(StatusCode::BAD_GATEWAY, error));
        }
        self.tally.status.store(u64::from(response.status().as_u16()), Ordering::Relaxed);
        self.relay(response).await.map_err(|error| {
            tracing::debug!(error = %chain(error.as_ref()), "a response to outside was broken off");
            Fault::During
        })
    }

    async fn relay(
        self,
        mut response: Response<Incoming>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let framing = self.framing(&response);
        fields::clean_response(response.headers_mut());
        // A response without a length ends with its connection; the client's reader must not wait for more.
        let close = if framing == Framing::UntilClose { Close::Yes } else { self.close };
        self.writer.head(&response, framing, close);
        let body = response.body_mut();
        while let Some(frame) = timeout(PROGRAM_PATIENCE, body.frame()).await? {
            // Trailers are dropped: nobody asked for them.
            let Ok(data) = frame?.into_data() else { continue };
            self.tally.received.fetch_add(data.len() as u64, Ordering::Relaxed);
            self.writer.piece(data).await?;
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
    fn outcome(&self, started: Instant) -> Outcome {
        let status = u16::try_from(self.status.load(Ordering::Relaxed)).ok();
        Outcome {
            status: status.filter(|status| *status != 0),
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            latency_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl Refused {
    fn response(&self, id: &RequestId) -> Response<Vec<u8>> {
        let body = Body { error: &self.error, level: self.level, request_id: &id.0, hint: self.hint };
        let mut text = serde_json::to_vec(&body).expect("strings serialise");
        text.push(b'\n');
        let mut response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CACHE_CONTROL, "no-store")
            .header(REQUEST_ID, &id.0);
        if self.status == StatusCode::UNAUTHORIZED {
            response = response.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        response.body(text).expect("a request id is hexadecimal")
    }
}

/// Method and target as they are recorded and sent on. Only a path is one: other forms are for proxies.
fn read_line(head: &Head) -> Result<(Method, PathAndQuery), String> {
    let method = head.method.parse().map_err(|_invalid| "the method is malformed".to_owned())?;
    if !head.target.starts_with('/') || method == Method::CONNECT {
        return Err("the request's target is not a path".to_owned());
    }
    let target = head.target.parse().map_err(|_invalid| "the request's target is malformed".to_owned())?;
    Ok((method, target))
}

/// What goes in: the client's one host; its other fields, and where it is.
fn outgoing(head: Head, source: String) -> Option<(HeaderValue, HeaderMap)> {
    let mut fields = head.fields;
    fields.insert(FORWARDED_FOR, HeaderValue::try_from(source).ok()?);
    fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some((HeaderValue::try_from(head.host?).ok()?, fields))
}

/// A body for the program, and what feeds it.
fn body_of(length: Length) -> (Option<Feeder>, Outgoing) {
    let announced = match length {
        Length::Exact(0) => return (None, Outgoing::Nothing),
        Length::Exact(bytes) => Some(bytes),
        Length::Chunked => None,
    };
    let (feeder, body) = Outgoing::fed(announced);
    (Some(feeder), body)
}

/// Reads the client's body and feeds it to the program, as fast as that takes it.
async fn feed<R: AsyncRead + Unpin>(
    reader: &mut Reader<R>,
    feeder: Option<Feeder>,
    tally: &Tally,
) -> Result<(), ReadError> {
    let Some(feeder) = feeder else { return Ok(()) };
    while let Some(piece) = reader.piece().await? {
        let length = piece.len() as u64;
        if !feeder.piece(piece).await {
            return Ok(());
        }
        tally.sent.fetch_add(length, Ordering::Relaxed);
    }
    let _or_unwanted = feeder.end().await;
    Ok(())
}
