//! The way to the upstream of one request: a connection that is kept between requests of one client, never shared
//! with another, and left at the first doubt.

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use policies::Permit;

use crate::canonical::{Authority, CanonicalRequest, Scheme};
use crate::dial::Dialer;
use crate::refusal::{Refusal, chain};
use crate::upstream::{Outgoing, SendError, Upstream};

/// A connection that was in order after its last response.
#[derive(Debug)]
pub(super) struct Kept {
    scheme: Scheme,
    authority: Authority,
    upstream: Upstream,
}

impl Kept {
    /// Where it leads.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// A connection for one permitted request.
#[derive(Debug)]
pub(super) struct Link<'a> {
    dialer: &'a Dialer,
    permit: &'a Permit,
    scheme: Scheme,
    authority: Authority,
    upstream: Upstream,
}

impl<'a> Link<'a> {
    /// The kept connection if it leads to the same authority and is in order, else a new one.
    pub(super) async fn reach(
        dialer: &'a Dialer,
        permit: &'a Permit,
        request: &CanonicalRequest,
        kept: Option<Kept>,
    ) -> Result<Self, Refusal> {
        let (scheme, authority) = (request.scheme, request.authority.clone());
        let kept = kept.filter(|kept| kept.scheme == scheme && kept.authority == authority);
        let upstream = match kept {
            Some(Kept { mut upstream, .. }) => match upstream.is_ready().await {
                true => upstream,
                false => open(dialer, permit, scheme).await?,
            },
            None => open(dialer, permit, scheme).await?,
        };
        Ok(Self { dialer, permit, scheme, authority, upstream })
    }

    /// Sends the request. A kept connection that the upstream closed meanwhile is replaced once, if the request
    /// was not sent, or has no body and may be sent twice.
    pub(super) async fn send(&mut self, request: Request<Outgoing>) -> Result<Response<Incoming>, Refusal> {
        let reused = self.upstream.is_used();
        let spare = repeatable(&request);
        let again = match self.upstream.send(request).await {
            Ok(response) => return Ok(response),
            Err(SendError::Unsent(request)) if reused => *request,
            Err(SendError::Failed(error)) => match spare {
                Some(request) if reused && !error.is_parse() => request,
                _ => return Err(broken(&error)),
            },
            Err(SendError::Unsent(_)) => return Err(closed()),
        };
        self.upstream = open(self.dialer, self.permit, self.scheme).await?;
        match self.upstream.send(again).await {
            Ok(response) => Ok(response),
            Err(SendError::Unsent(_)) => Err(closed()),
            Err(SendError::Failed(error)) => Err(broken(&error)),
        }
    }

    /// Keeps the connection for the next request: the response was read whole.
    pub(super) fn keep(mut self) -> Kept {
        self.upstream.settle();
        Kept { scheme: self.scheme, authority: self.authority, upstream: self.upstream }
    }
}

async fn open(dialer: &Dialer, permit: &Permit, scheme: Scheme) -> Result<Upstream, Refusal> {
    let dialled = dialer.dial(permit, scheme).await.map_err(|error| Refusal::unreachable(&error))?;
    Upstream::open(dialled).await.map_err(|error| broken(&error))
}

/// A copy of a request that may be sent twice: a safe method and no body.
fn repeatable(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if !safe || !matches!(request.body(), Outgoing::Nothing) {
        return None;
    }
    let mut copy = Request::new(Outgoing::Nothing);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn broken(error: &hyper::Error) -> Refusal {
    Refusal::broken_upstream(
        StatusCode::BAD_GATEWAY,
        format!("the upstream's answer is not valid: {}", chain(error)),
    )
}

fn closed() -> Refusal {
    Refusal::broken_upstream(StatusCode::BAD_GATEWAY, "the upstream closed the connection".to_owned())
}
