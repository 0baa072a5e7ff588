//! The way to the upstream of one request: a connection that is kept between requests of one client and left at the
//! first doubt, or a share of one of HTTP/2.

use http::{Response, StatusCode};
use hyper::body::Incoming;
use policies::Permit;
use wire::id::PolicyVersion;

use crate::canonical::{Authority, CanonicalRequest, Scheme};
use crate::credentials::Carried;
use crate::dial::{Dialer, Speaks};
use crate::refusal::Refusal;
use crate::upstream::{Outbound, Outgoing, Pool, SendError, Upstream};

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

/// Where ways to upstreams come from, for one permitted request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) pool: &'a Pool,
    pub(super) permit: &'a Permit,
    pub(super) request: &'a CanonicalRequest,
    /// The policy that gave the permit.
    pub(super) policy: PolicyVersion,
    /// What the request carries beside what the agent wrote.
    pub(super) carried: &'a Carried,
}

/// A way for one permitted request.
#[derive(Debug)]
pub(super) struct Link<'a> {
    ways: Ways<'a>,
    upstream: Upstream,
}

impl<'a> Ways<'a> {
    /// The kept connection if it leads to the same authority and is in order, else another one. A counted request gets another
    /// one: it is not sent again if the kept one turns out to be gone.
    pub(super) async fn reach(self, kept: Option<Kept>) -> Result<Link<'a>, Refusal> {
        let Self { request, .. } = self;
        let fits = |kept: &Kept| {
            kept.scheme == request.scheme && kept.authority == request.authority && !self.is_counted()
        };
        let upstream = match kept.filter(fits) {
            Some(Kept { mut upstream, .. }) => match upstream.is_ready().await {
                true => upstream,
                false => self.another().await?,
            },
            None => self.another().await?,
        };
        Ok(Link { ways: self, upstream })
    }

    /// A connection of HTTP/1.1 for this request alone, which may become something else.
    pub(super) async fn alone(self) -> Result<Link<'a>, Refusal> {
        let dialled = self.dialer.dial(self.permit, self.request.scheme, Speaks::One).await;
        let dialled = dialled.map_err(|error| Refusal::unreachable(&error))?;
        let upstream = Upstream::open(dialled).await.map_err(|error| Refusal::unspoken(&error))?;
        Ok(Link { ways: self, upstream })
    }

    /// Whether a rule allows so many requests in all: what was approved for one request is sent once.
    fn is_counted(self) -> bool {
        self.permit.limits().any(|(_rule, limits)| limits.requests.is_some())
    }

    async fn another(self) -> Result<Upstream, Refusal> {
        self.pool.reach(self.dialer, self.permit, (self.request, self.policy)).await
    }
}

impl Link<'_> {
    /// Sends the request. A used connection that the upstream closed meanwhile is replaced once, if the request
    /// was not sent, or has no body, may be sent twice and is not counted.
    pub(super) async fn send(
        &mut self,
        request: &Outbound,
        body: Outgoing,
    ) -> Result<Response<Incoming>, Refusal> {
        let reused = self.upstream.is_used();
        let body = match self.upstream.send(request, body).await {
            Ok(response) => return Ok(response),
            Err(SendError::Unsent(body)) if reused => body,
            Err(SendError::Failed(error))
                if reused && !error.is_parse() && request.is_repeatable() && !self.ways.is_counted() =>
            {
                tracing::debug!(%error, "a kept connection was gone");
                Outgoing::Nothing
            }
            Err(error) => return Err(error.into()),
        };
        self.upstream = self.ways.another().await?;
        Ok(self.upstream.send(request, body).await?)
    }

    /// Keeps the connection for the next request of this client, if it is this client's: the response was read whole.
    pub(super) fn keep(mut self) -> Option<Kept> {
        self.upstream.settle();
        let (scheme, authority) = (self.ways.request.scheme, self.ways.request.authority.clone());
        let exclusive = self.upstream.is_exclusive();
        exclusive.then_some(Kept { scheme, authority, upstream: self.upstream })
    }
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Unsent(_) => {
                let error = "the upstream closed the connection".to_owned();
                Self::broken_upstream(StatusCode::BAD_GATEWAY, error)
            }
            SendError::Failed(error) => Self::unspoken(&error),
        }
    }
}
