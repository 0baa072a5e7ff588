//! Sends a cleared call to its zone's server and hands the answer on as it comes.
//!
//! Must never know: why the call may go there. It takes a [`Cleared`] permit and nothing else decides.

mod answer;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

pub use answer::{Answer, AnswerError, Witness};

use crate::trail::Cleared;
use crate::translate::{self, Untranslatable};
use crate::upstream::Server;
use crate::wire_api::{Call, Endpoint, anthropic};
use wire::router::Api;

/// How long a server may think before its answer begins.
const HEAD_LIMIT: Duration = Duration::from_secs(600);

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The zone has no server.
    #[error("no model server is configured")]
    NoServer,
    /// The server thinks too long.
    #[error("the model server gave no answer within {} s", HEAD_LIMIT.as_secs())]
    TooSlow,
    /// The server speaks another API, and a part of the call has no words there.
    #[error(transparent)]
    Untranslatable(#[from] Untranslatable),
    /// The request could not be built.
    #[error("the request could not be built")]
    Request(#[source] http::Error),
    /// The server cannot be reached, or broke off.
    #[error("the model server cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// A redirect could lead out of the zone.
    #[error("the model server redirects, which is not followed")]
    Redirected,
    /// The operator's key is wrong. What the server says about it is not for the guest.
    #[error("the model server does not accept the operator's credentials ({0})")]
    Unauthorised(StatusCode),
    /// The answer is compressed although nobody asked for that.
    #[error("the model server's answer is encoded")]
    Encoded,
}

impl ForwardError {
    /// Whether it is the server's: another one may do better.
    #[must_use]
    pub fn is_servers(&self) -> bool {
        match self {
            Self::NoServer | Self::Untranslatable(_) | Self::Request(_) => false,
            Self::TooSlow | Self::Unreachable(_) | Self::Redirected => true,
            Self::Unauthorised(_) | Self::Encoded => true,
        }
    }

    /// Whether a server may have worked for it.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        match self {
            Self::NoServer | Self::Untranslatable(_) | Self::Request(_) => false,
            Self::Redirected | Self::Unauthorised(_) => false,
            Self::Unreachable(error) => !error.is_connect(),
            Self::TooSlow | Self::Encoded => true,
        }
    }
}

/// Whether an answer of this status says that the server cannot serve now, or no more: another one may.
#[must_use]
pub fn is_overloaded_or_broken(status: StatusCode) -> bool {
    // 529: Anthropic is overloaded.
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504 | 529)
}

/// Sends a call to a server of the zone that it is cleared for.
///
/// # Errors
/// [`ForwardError`]; nothing was sent anywhere else.
pub async fn send(
    server: &Server,
    cleared: &Cleared,
    call: Call,
) -> Result<Response<Incoming>, ForwardError> {
    if server.zone() != cleared.zone() {
        return Err(ForwardError::NoServer);
    }
    let endpoint = call.endpoint();
    let is_translated = translate::is_needed(endpoint.api(), server.api());
    let path = if is_translated { Endpoint::ChatCompletions.path() } else { endpoint.path() };
    let request = Request::builder()
        .method(Method::POST)
        .uri(server.address(path))
        .header(header::CONTENT_TYPE, "application/json");
    let request = match call.betas().value() {
        Some(betas) if !is_translated => request.header(anthropic::BETA, betas),
        _ => request,
    };
    let model = server.model_for(call.model());
    let body = call.into_body(model.as_deref());
    let body = if is_translated { translate::request(endpoint, &body)? } else { body.to_bytes() };
    exchange(server, request, Full::new(Bytes::from(body))).await
}

/// Asks a server for its models. There is nothing of the client's in it.
///
/// # Errors
/// [`ForwardError`].
pub async fn models(server: &Server) -> Result<Response<Incoming>, ForwardError> {
    let request = Request::builder().method(Method::GET).uri(server.address("models"));
    exchange(server, request, Full::default()).await
}

async fn exchange(
    server: &Server,
    request: http::request::Builder,
    body: Full<Bytes>,
) -> Result<Response<Incoming>, ForwardError> {
    let mut request = request
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::USER_AGENT, "openshell-router")
        .body(body)
        .map_err(ForwardError::Request)?;
    if let Some((name, authorization)) = server.authorization() {
        request.headers_mut().insert(name, authorization.clone());
    }
    if server.api() == Api::Anthropic {
        request.headers_mut().insert("anthropic-version", HeaderValue::from_static(anthropic::VERSION));
    }
    let answer = tokio::time::timeout(HEAD_LIMIT, server.client().request(request));
    let Ok(answer) = answer.await else { return Err(ForwardError::TooSlow) };
    accept(answer.map_err(ForwardError::Unreachable)?)
}

fn accept(answer: Response<Incoming>) -> Result<Response<Incoming>, ForwardError> {
    let status = answer.status();
    if status.is_redirection() {
        return Err(ForwardError::Redirected);
    }
    if matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    ) {
        return Err(ForwardError::Unauthorised(status));
    }
    match answer.headers().get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(answer),
        Some(_) => Err(ForwardError::Encoded),
    }
}
