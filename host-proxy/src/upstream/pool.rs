//! The HTTP/2 connections of the sandbox: one for each upstream that speaks it, shared by all flows.
//!
//! A connection leads to the name and port it was dialled for and carries requests for nothing else. It belongs to the
//! policy under which it was dialled: a later one dials anew, so that nothing outlives the policy that opened it.
//! Connections of HTTP/1.1 are never here: they belong to one client (see [`super::Upstream::is_exclusive`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::client::conn::http2::SendRequest;
use policies::Permit;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::client::TlsStream;
use wire::id::PolicyVersion;

use super::{MOST_STREAMS, Outgoing, Upstream, two};
use crate::canonical::{Authority, CanonicalRequest, Scheme};
use crate::dial::{DialError, Dialer, Dialled, Speaks};
use crate::refusal::Refusal;

/// Most upstreams that are remembered. A sandbox uses tens.
const MOST_PLACES: usize = 256;

/// The connections.
#[derive(Debug, Default)]
pub struct Pool(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    by_authority: HashMap<Authority, Place>,
    uses: u64,
}

#[derive(Debug, Default)]
struct Place {
    last_use: u64,
    /// Held while somebody finds out what the upstream speaks: others wait and then share the connection.
    known: Arc<tokio::sync::Mutex<Known>>,
}

/// What is known of an upstream.
#[derive(Debug, Default)]
enum Known {
    #[default]
    Nothing,
    /// The last time it spoke HTTP/1.1, or did not answer: everybody dials at once.
    Alone,
    /// A connection of HTTP/2.
    Shared(Shared),
}

#[derive(Debug)]
struct Shared {
    sender: SendRequest<Outgoing>,
    slots: Arc<Semaphore>,
    policy: PolicyVersion,
}

impl Pool {
    /// A way for a permitted request: a share of a connection that is there, or a new one. `policy` gave the permit.
    ///
    /// # Errors
    /// The upstream cannot be reached.
    pub async fn reach(
        &self,
        dialer: &Dialer,
        permit: &Permit,
        (request, policy): (&CanonicalRequest, PolicyVersion),
    ) -> Result<Upstream, Refusal> {
        if request.scheme == Scheme::Http {
            return alone(dialer.dial(permit, request.scheme, Speaks::One).await).await;
        }
        let place = self.place(&request.authority);
        let known = place.lock().await;
        if let Some(upstream) = known.share(policy) {
            return Ok(upstream);
        }
        let waited_for = if matches!(*known, Known::Alone) { None } else { Some(known) };
        let dialled = match waited_for {
            None => dialer.dial(permit, request.scheme, Speaks::Either).await,
            Some(mut known) => {
                // Should this fail or be given up, those who wait must not try one after the other.
                *known = Known::Alone;
                let dialled = dialer.dial(permit, request.scheme, Speaks::Either).await;
                return settle(dialled, &mut known, policy).await;
            }
        };
        match dialled {
            Ok(Dialled::Tls(stream)) if speaks_two(&stream) => {
                let mut known = place.lock().await;
                settle(Ok(Dialled::Tls(stream)), &mut known, policy).await
            }
            dialled => alone(dialled).await,
        }
    }

    /// Forgets all connections: what flows on them goes on, and then they close.
    pub fn clear(&self) {
        self.places().by_authority.clear();
    }

    fn place(&self, authority: &Authority) -> Arc<tokio::sync::Mutex<Known>> {
        let mut places = self.places();
        places.uses += 1;
        let uses = places.uses;
        let by_authority = &mut places.by_authority;
        if by_authority.len() >= MOST_PLACES && !by_authority.contains_key(authority) {
            let oldest = by_authority.iter().min_by_key(|(_, place)| place.last_use);
            let oldest = oldest.map(|(authority, _)| authority.clone());
            oldest.and_then(|oldest| by_authority.remove(&oldest));
        }
        let place = by_authority.entry(authority.clone()).or_default();
        place.last_use = uses;
        Arc::clone(&place.known)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // The map is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// A share, if there is a connection that is in order, of this policy and not full.
    fn share(&self, policy: PolicyVersion) -> Option<Upstream> {
        let Self::Shared(shared) = self else { return None };
        if shared.policy != policy || shared.sender.is_closed() {
            return None;
        }
        let slot = Arc::clone(&shared.slots).try_acquire_owned().ok()?;
        Some(Upstream::share(shared.sender.clone(), slot, true))
    }
}

/// Keeps what was learnt of an upstream, and a connection that can be shared.
async fn settle(
    dialled: Result<Dialled, DialError>,
    known: &mut Known,
    policy: PolicyVersion,
) -> Result<Upstream, Refusal> {
    let stream = match dialled {
        Ok(Dialled::Tls(stream)) if speaks_two(&stream) => *stream,
        dialled => return alone(dialled).await,
    };
    let sender = two(stream).await.map_err(|error| Refusal::unspoken(&error))?;
    let slots = Arc::new(Semaphore::new(MOST_STREAMS as usize));
    let slot = Arc::clone(&slots).try_acquire_owned().expect("nobody else knows it yet");
    *known = Known::Shared(Shared { sender: sender.clone(), slots, policy });
    Ok(Upstream::share(sender, slot, false))
}

async fn alone(dialled: Result<Dialled, DialError>) -> Result<Upstream, Refusal> {
    let dialled = dialled.map_err(|error| Refusal::unreachable(&error))?;
    Upstream::open(dialled).await.map_err(|error| Refusal::unspoken(&error))
}

fn speaks_two(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}
