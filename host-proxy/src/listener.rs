//! The life of a connection, from its first byte to the first request.
//!
//! ```text
//! accept ─► seal opens? ─► destination ─► first bytes ─► TLS: SNI is the name? leaf ─► conversation
//!             │ no            │ unknown      │ neither        │ no                     requests, each decided
//!             ▼               ▼              ▼                ▼
//!           closed and recorded
//! ```
//! *Invariant:* a connection that fails at any step is closed; nothing ever falls through to a plain copy.

mod handshake;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use wire::flow::EXPLICIT_PROXY;
use wire::id::PolicyVersion;

use crate::accept::accept;
use crate::canonical::{Authority, Host, Scheme};
use crate::conversation::{self, Conversation, Ending, Place, two};
use crate::flow::Asker;
use crate::names::{Lease, Pool};
use crate::policy_local;
use crate::proxy::Proxy;
use crate::refusal::{Refusal, chain};
use crate::sniff::{Spoken, sniff};

use handshake::{HandshakeError, handshake};

/// Flows, and streams in them, at once.
pub(crate) const MOST_FLOWS: usize = 4096;

/// How long a client may take to show what it speaks. Protocols in which the server speaks first end here.
const SNIFF_PATIENCE: Duration = Duration::from_secs(10);

/// How far the nearest timer of the process ever is: nearer than every patience that a connection waits with.
const NEAREST: Duration = Duration::from_secs(60);

/// Where a client connected to, as it understands it.
enum Destination {
    /// A host and a port. The lease keeps the meaning of a synthetic address while the flow lives.
    Authority(Authority, Option<Lease>),
    /// The proxy that some clients insist on.
    ExplicitProxy,
    /// A synthetic address that stands for no name.
    Nowhere,
}

/// A flow before its first request.
struct Opening<'a> {
    proxy: &'a Proxy,
    asker: &'a Asker,
    authority: &'a Authority,
    conforms: PolicyVersion,
}

/// Serves flows for ever.
pub async fn serve(proxy: Arc<Proxy>, listener: UnixListener) -> ! {
    tokio::spawn(keep_a_timer_near());
    loop {
        let Some(stream) = accept(&listener).await else { continue };
        let Ok(slot) = Arc::clone(&proxy.flows).try_acquire_owned() else {
            tracing::warn!("{MOST_FLOWS} flows are open: another one is refused");
            continue;
        };
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            if let Err(error) = proxy.connection(stream).await {
                tracing::debug!(error = %chain(&error), "a connection ended");
            }
            drop(slot);
        });
    }
}

/// A timer that is nearer than all others costs the runtime a system call to wake itself: without this one, each request
/// would pay it, because a client is waited for less long than an upstream.
async fn keep_a_timer_near() -> ! {
    loop {
        tokio::time::sleep(NEAREST).await;
    }
}

impl Opening<'_> {
    /// Takes a step, unless a new policy allows nothing where the flow leads: then it is over, and recorded.
    async fn uphold<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        let Self { proxy, asker, authority, conforms } = self;
        match proxy.judge.uphold_flow(asker, authority, conforms, step).await {
            Ok(done) => Some(done),
            Err(revoked) => {
                proxy.refuse(asker, Some(authority), revoked).await;
                None
            }
        }
    }
}

impl Proxy {
    async fn connection(self: &Arc<Self>, stream: UnixStream) -> io::Result<()> {
        let mut stream = self.judge.hears(stream);
        let flow = match self.seals.open(&mut stream).await {
            Ok(flow) => flow,
            Err(error) => {
                self.judge.refuse_forged(&error).await;
                return Ok(());
            }
        };
        let asker = Arc::new(Asker::new(flow.id, flow.subject));
        match self.destination(flow.destination) {
            Destination::Authority(authority, _lease) if policy_local::is_at(&authority) => {
                conversation::local::serve(self, &asker, &authority, stream).await
            }
            Destination::Authority(authority, _lease) => self.captured(&asker, authority, stream).await,
            Destination::ExplicitProxy => self.explicit(&asker, stream).await,
            Destination::Nowhere => {
                let error = format!("{} stands for no name any more", flow.destination.ip());
                self.refuse(&asker, None, Refusal::unreadable(error)).await;
                Ok(())
            }
        }
    }

    fn destination(&self, destination: SocketAddr) -> Destination {
        if destination == EXPLICIT_PROXY {
            return Destination::ExplicitProxy;
        }
        let (address, port) = (destination.ip(), destination.port());
        if !Pool::covers(address) {
            return Destination::Authority(Authority { host: Host::Address(address), port }, None);
        }
        match self.names.lease(address, Instant::now()) {
            Some(lease) => {
                let host = Host::Name(lease.name().clone());
                Destination::Authority(Authority { host, port }, Some(lease))
            }
            None => Destination::Nowhere,
        }
    }

    /// A connection that the client believes to be with `authority`.
    async fn captured<S>(
        self: &Arc<Self>,
        asker: &Arc<Asker>,
        authority: Authority,
        stream: S,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut opening =
            Opening { proxy: self, asker, authority: &authority, conforms: self.judge.policy() };
        let Some(sniffed) = opening.uphold(timeout(SNIFF_PATIENCE, sniff(stream))).await else {
            return Ok(());
        };
        let Ok(sniffed) = sniffed else {
            return self.not_spoken(asker, &authority, "the client said nothing").await;
        };
        let (spoken, stream) = sniffed?;
        match (spoken, authority.port) {
            (Spoken::Tls, 80) => self.not_spoken(asker, &authority, "TLS on port 80").await,
            (Spoken::Http, 443) => self.not_spoken(asker, &authority, "plain HTTP on port 443").await,
            (Spoken::Other, _) => self.not_spoken(asker, &authority, "neither TLS nor HTTP").await,
            (Spoken::Http, _) => {
                let place = Place::At(Scheme::Http, authority);
                self.converse(asker, place, stream).await
            }
            (Spoken::Tls, _) => {
                // Boxed, as it is over before most of the connection's life.
                let secured = Box::pin(handshake(&self.certificates, &authority.host, stream));
                match opening.uphold(secured).await {
                    Some(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                        two::serve(Arc::clone(self), Arc::clone(asker), authority, stream).await
                    }
                    Some(Ok(stream)) => {
                        self.converse(asker, Place::At(Scheme::Https, authority), stream).await
                    }
                    Some(Err(error)) => {
                        self.not_secured(asker, &authority, &error).await;
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// A client that uses the explicit proxy: plain requests, or a tunnel in which everything starts again.
    async fn explicit<S>(self: &Arc<Self>, asker: &Arc<Asker>, stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        match Conversation::new(self, asker, Place::Proxy, stream).run().await? {
            Ending::Closed => Ok(()),
            Ending::Tunnel(authority, stream) => self.captured(asker, authority, stream).await,
        }
    }

    async fn converse<S>(&self, asker: &Asker, place: Place, stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        // Only the explicit proxy grants tunnels, so what ends here is over.
        Conversation::new(self, asker, place, stream).run().await.map(drop)
    }

    /// A client with which there is no TLS. Without a name that is wrong, a denied destination is named first.
    async fn not_secured(&self, asker: &Asker, authority: &Authority, error: &HandshakeError) {
        let denied = if error.is_about_the_name() { None } else { self.judge.destination(asker, authority) };
        self.refuse(asker, Some(authority), denied.unwrap_or_else(|| error.refusal())).await;
    }

    /// A client that speaks nothing that could be judged. A destination that is denied anyway is named first.
    async fn not_spoken(&self, asker: &Asker, authority: &Authority, what: &str) -> io::Result<()> {
        let denied = self.judge.destination(asker, authority);
        let refusal = denied.unwrap_or_else(|| Refusal::unreadable(format!("{what}: it cannot be judged")));
        self.refuse(asker, Some(authority), refusal).await;
        Ok(())
    }

    /// Records a refusal that the client learns by the connection's end alone.
    async fn refuse(&self, asker: &Asker, authority: Option<&Authority>, refusal: Refusal) {
        let id = self.judge.next_id();
        let _told_by_closing = self.judge.refuse_flow(asker, &id, authority, refusal).await;
    }
}
