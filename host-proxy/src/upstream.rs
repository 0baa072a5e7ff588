//! One way to an upstream, and the request as it goes out on it.
//!
//! *Invariant:* what goes out is built from a [`Permit`] and the [`CanonicalRequest`] it was given for, and from
//! nothing else that the client wrote about them.

mod body;
mod pool;

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{self, PathAndQuery, Uri};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use policies::Permit;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::canonical::{CanonicalRequest, Scheme};
use crate::dial::Dialled;
use crate::http1::Length;

pub use body::{Feeder, Outgoing};
pub use pool::Pool;

/// Most fields in a response, and most bytes of its head.
const MOST_FIELDS: usize = 200;
const LONGEST_HEAD: u32 = 128 * 1024;

/// How long a kept connection may take to become ready again. One that takes longer is in doubt.
const SETTLING: Duration = Duration::from_secs(1);

/// Most requests at once on one HTTP/2 connection; more of them open another one.
const MOST_STREAMS: u32 = 100;

/// How much an upstream may send of one response before the client read any of it. The connection's window is that
/// of all streams together: a client that does not read starves nobody else.
const WINDOW: u32 = 128 * 1024;

/// An HTTP/2 connection that is silent for so long is asked whether it is still there, and has so long to answer.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A way for one request after the other. Dropped inside an exchange, it is cut: what is already written to it and
/// not yet sent stays here.
#[derive(Debug)]
pub struct Upstream(Way);

#[derive(Debug)]
enum Way {
    /// A connection of HTTP/1.1, for one request at a time.
    One { sender: http1::SendRequest<Outgoing>, connection: AbortHandle, stage: Stage },
    /// A share of a connection of HTTP/2: each request is a stream, and is reset when it is dropped.
    Two { sender: http2::SendRequest<Outgoing>, used: bool, _slot: OwnedSemaphorePermit },
}

/// How far a connection was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not yet.
    New,
    /// A request is under way.
    Busy,
    /// The last response was read whole.
    Settled,
}

/// Why no response came.
#[derive(Debug)]
pub enum SendError {
    /// Nothing of the request was sent; here is its body again.
    Unsent(Outgoing),
    /// It may have been sent.
    Failed(hyper::Error),
}

/// A permitted request before it takes the form of a protocol.
#[derive(Clone, Debug)]
pub struct Outbound {
    method: Method,
    scheme: Scheme,
    /// The authority, as it is written in a `Host` field.
    host: HeaderValue,
    target: PathAndQuery,
    fields: HeaderMap,
    length: Length,
    trailers: Trailers,
}

/// Whether the client reads trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailers {
    /// It said so.
    Wanted,
    /// It did not.
    Unwanted,
}

impl Upstream {
    /// Speaks HTTP/1.1 on a dialled connection.
    ///
    /// # Errors
    /// The connection does not take it.
    pub async fn open(dialled: Dialled) -> Result<Self, hyper::Error> {
        match dialled {
            Dialled::Plain(stream) => Self::over(stream).await,
            Dialled::Tls(stream) => Self::over(*stream).await,
            Dialled::Router(stream) => Self::over(stream).await,
        }
    }

    /// Speaks HTTP/1.1 on any stream.
    ///
    /// # Errors
    /// The stream does not take it.
    pub async fn over<S>(stream: S) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_headers(MOST_FIELDS)
            .max_buf_size(LONGEST_HEAD as usize)
            .handshake(TokioIo::new(stream))
            .await?;
        // Ends when the sender is dropped or the upstream closes; what went wrong is told to the sender.
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Self(Way::One { sender, connection: connection.abort_handle(), stage: Stage::New }))
    }

    /// A share of a connection of HTTP/2.
    fn share(sender: http2::SendRequest<Outgoing>, slot: OwnedSemaphorePermit, used: bool) -> Self {
        Self(Way::Two { sender, used, _slot: slot })
    }

    /// Whether a request can be sent: the last response was read whole, and the upstream did not close.
    pub async fn is_ready(&mut self) -> bool {
        match &mut self.0 {
            Way::One { sender, .. } => {
                timeout(SETTLING, sender.ready()).await.is_ok_and(|ready| ready.is_ok())
            }
            Way::Two { sender, .. } => !sender.is_closed(),
        }
    }

    /// Whether requests were sent on this connection before.
    #[must_use]
    pub fn is_used(&self) -> bool {
        match &self.0 {
            Way::One { stage, .. } => *stage != Stage::New,
            Way::Two { used, .. } => *used,
        }
    }

    /// Whether it is of one client alone, and worth keeping for its next request.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        matches!(self.0, Way::One { .. })
    }

    /// The exchange is over: whoever drops the connection now closes it in order.
    pub fn settle(&mut self) {
        if let Way::One { stage, .. } = &mut self.0 {
            *stage = Stage::Settled;
        }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// No response came.
    pub async fn send(
        &mut self,
        request: &Outbound,
        body: Outgoing,
    ) -> Result<Response<Incoming>, SendError> {
        let sent = match &mut self.0 {
            Way::One { sender, stage, .. } => {
                *stage = Stage::Busy;
                sender.try_send_request(request.one(body)).await
            }
            Way::Two { sender, used, .. } => {
                *used = true;
                sender.try_send_request(request.two(body)).await
            }
        };
        sent.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unsent(request.into_body()),
            None => SendError::Failed(error.into_error()),
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Way::One { connection, stage: Stage::Busy, .. } = &self.0 {
            connection.abort();
        }
    }
}

/// Speaks HTTP/2 on a stream on which it was agreed on.
async fn two<S>(stream: S) -> Result<http2::SendRequest<Outgoing>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * MOST_STREAMS)
        .max_header_list_size(LONGEST_HEAD)
        .max_send_buf_size(WINDOW as usize)
        .keep_alive_interval(HEARTBEAT)
        .keep_alive_timeout(HEARTBEAT)
        .handshake(TokioIo::new(stream))
        .await?;
    // Ends when the last share is dropped or the upstream closes.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an upstream connection ended");
        }
    });
    Ok(sender)
}

impl Outbound {
    /// The request as it goes out: target, host and method from the permit and the canonical request, the cleaned
    /// fields, and a body framed anew.
    ///
    /// # Panics
    /// The permit is another request's: a bug of ours that must not go out.
    #[must_use]
    pub fn new(permit: &Permit, request: &CanonicalRequest, fields: HeaderMap, length: Length) -> Self {
        let permitted = (permit.method(), permit.port(), permit.path());
        assert_eq!(
            permitted,
            (request.method.as_str(), request.authority.port, request.resource.path()),
            "another's permit"
        );
        let host = request.authority.to_field(request.scheme);
        Self {
            method: request.sent_method(),
            scheme: request.scheme,
            host: HeaderValue::try_from(host).expect("a canonical authority is plain ASCII"),
            target: request.resource.as_target().clone(),
            fields,
            length,
            trailers: Trailers::Unwanted,
        }
    }

    /// A request from outside, as it goes in to a program of the agent: no upstream, so no permit.
    #[must_use]
    pub fn inward(
        (method, target): (&Method, &PathAndQuery),
        host: HeaderValue,
        fields: HeaderMap,
        length: Length,
    ) -> Self {
        Self {
            method: method.clone(),
            scheme: Scheme::Http,
            host,
            target: target.clone(),
            fields,
            length,
            trailers: Trailers::Unwanted,
        }
    }

    /// Tells the upstream whether trailers are read, where the protocol can say so.
    #[must_use]
    pub fn with_trailers(self, trailers: Trailers) -> Self {
        Self { trailers, ..self }
    }

    /// The fields that go out.
    pub fn fields_mut(&mut self) -> &mut HeaderMap {
        &mut self.fields
    }

    /// The same, to read.
    #[must_use]
    pub(crate) fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// The method as it goes out.
    #[must_use]
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// The authority as it goes out.
    #[must_use]
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Path and query as they go out.
    #[must_use]
    pub(crate) fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// Replaces path and query by the same with a credential in them, which the permit does not know and the record must
    /// not have.
    pub(crate) fn set_target(&mut self, target: PathAndQuery) {
        self.target = target;
    }

    /// Whether it may be sent twice: a safe method and no body.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        [Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.method) && self.length == Length::Exact(0)
    }

    /// As HTTP/1.1 writes it.
    #[must_use]
    pub fn one(&self, body: Outgoing) -> Request<Outgoing> {
        let mut out = Request::new(body);
        *out.method_mut() = self.method.clone();
        *out.uri_mut() = Uri::from(self.target.clone());
        // First, as RFC 9110 section 7.2 asks: some servers choose the site before they read on.
        let headers = out.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.extend(self.fields.clone());
        self.announce(headers);
        if self.length == Length::Chunked {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        out
    }

    /// As HTTP/2 writes it: the authority is a part of the target, and there is no `Host`.
    fn two(&self, body: Outgoing) -> Request<Outgoing> {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(match self.scheme {
            Scheme::Http => uri::Scheme::HTTP,
            Scheme::Https => uri::Scheme::HTTPS,
        });
        parts.authority = Some(
            uri::Authority::try_from(self.host.as_bytes()).expect("a canonical authority is an authority"),
        );
        parts.path_and_query = Some(self.target.clone());
        let mut out = Request::new(body);
        *out.method_mut() = self.method.clone();
        *out.uri_mut() = Uri::from_parts(parts).expect("its parts are all there");
        let headers = out.headers_mut();
        headers.extend(self.fields.clone());
        self.announce(headers);
        if self.trailers == Trailers::Wanted {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        out
    }

    /// The length that goes out with a body, as a field.
    fn announce(&self, headers: &mut HeaderMap) {
        match self.length {
            Length::Exact(0) if !matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") => {}
            Length::Exact(bytes) => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
            }
            Length::Chunked => {}
        }
    }
}
