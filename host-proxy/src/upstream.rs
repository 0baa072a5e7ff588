//! One connection to an upstream, and the request as it goes out on it.
//!
//! *Invariant:* what goes out is built from a [`Permit`] and the [`CanonicalRequest`] it was given for, and from
//! nothing else that the client wrote about them.

mod body;

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use policies::Permit;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::canonical::CanonicalRequest;
use crate::dial::Dialled;
use crate::http1::Length;

pub use body::{Feeder, Outgoing};

/// Most fields in a response, and most bytes of its head.
const MOST_FIELDS: usize = 200;
const LONGEST_HEAD: usize = 128 * 1024;

/// How long a kept connection may take to become ready again. One that takes longer is in doubt.
const SETTLING: Duration = Duration::from_secs(1);

/// An HTTP/1.1 connection that carries one request after the other. Dropped inside an exchange, it is cut: what is
/// already written to it and not yet sent stays here.
#[derive(Debug)]
pub struct Upstream {
    sender: SendRequest<Outgoing>,
    connection: AbortHandle,
    stage: Stage,
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
    /// Nothing of the request was sent; here it is again.
    Unsent(Box<Request<Outgoing>>),
    /// It may have been sent.
    Failed(hyper::Error),
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
        let (sender, connection) = Builder::new()
            .max_headers(MOST_FIELDS)
            .max_buf_size(LONGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await?;
        // Ends when the sender is dropped or the upstream closes; what went wrong is told to the sender.
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Self { sender, connection: connection.abort_handle(), stage: Stage::New })
    }

    /// Whether a request can be sent: the last response was read whole, and the upstream did not close.
    pub async fn is_ready(&mut self) -> bool {
        timeout(SETTLING, self.sender.ready()).await.is_ok_and(|ready| ready.is_ok())
    }

    /// Whether requests were sent on this connection before.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.stage != Stage::New
    }

    /// The exchange is over: whoever drops the connection now closes it in order.
    pub fn settle(&mut self) {
        self.stage = Stage::Settled;
    }

    /// Sends one request.
    ///
    /// # Errors
    /// No response came.
    pub async fn send(&mut self, request: Request<Outgoing>) -> Result<Response<Incoming>, SendError> {
        self.stage = Stage::Busy;
        self.sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
            Some(request) => SendError::Unsent(Box::new(request)),
            None => SendError::Failed(error.into_error()),
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if self.stage == Stage::Busy {
            self.connection.abort();
        }
    }
}

/// The request as it goes out: target, host and method from the permit and the canonical request, the cleaned
/// fields, and a body framed anew.
///
/// # Panics
/// The permit is another request's: a bug of ours that must not go out.
#[must_use]
pub fn outgoing(
    permit: &Permit,
    request: &CanonicalRequest,
    fields: HeaderMap,
    body: Outgoing,
) -> Request<Outgoing> {
    let permitted = (permit.method(), permit.port(), permit.path());
    assert_eq!(
        permitted,
        (request.method.as_str(), request.authority.port, request.resource.path()),
        "another's permit"
    );
    let mut out = Request::new(body);
    *out.method_mut() = request.method.clone();
    *out.uri_mut() = Uri::from(request.resource.as_target().clone());
    let host = request.authority.to_field(request.scheme);
    // First, as RFC 9110 section 7.2 asks: some servers choose the site before they read on.
    let headers = out.headers_mut();
    headers.insert(header::HOST, HeaderValue::try_from(host).expect("a canonical authority is plain ASCII"));
    headers.extend(fields);
    out
}

/// The length that goes out with a body, as a field.
pub fn announce(headers: &mut HeaderMap, length: Length, method: &http::Method) {
    match length {
        Length::Exact(0) if matches!(method.as_str(), "POST" | "PUT" | "PATCH") => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Length::Exact(0) => {}
        Length::Exact(bytes) => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        Length::Chunked => {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}
