//! Connections from outside to the agent's open ports: who may come in is decided here, before the guest hears of it.
//!
//! ```text
//! accept ─► source listed? ─► place left? ─┬─ tcp ──► recorded ─► guest ─► bytes both ways
//!             │ no           │ no          └─ http ─► each request: head ─► token ─► recorded ─► guest ─► response
//!             ▼              ▼
//!       reset, and recorded or counted
//! ```
//! *Invariants:* what is let in is recorded before a byte of it reaches the guest; a token never leaves this process;
//! a connection to the guest carries one connection or one request from outside, and none after it.
//!
//! Inbound has places of its own, and shares none with the flows of the sandbox: neither can use up the other's. Each door
//! has some of them to itself, and all doors share the rest.

mod guest;
mod http;
mod record;
mod tcp;
mod token;
mod turned;

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};
use wire::flow::FlowKey;
use wire::id::PolicyVersion;
use wire::inbound::{MOST_CONNECTIONS, MOST_OPENINGS, Network, Opening, Protocol};

use crate::accept::accept_tcp;
use crate::ending::Stay;
use crate::journal::Journal;
use crate::judge::Judge;
use crate::refusal::chain;

use guest::Guest;
use record::Refused;
use token::Expected;
use turned::{More, Turned};

/// Connections through one door that those through the others cannot keep out. All doors that a policy can have
/// together keep within [`MOST_CONNECTIONS`].
const OWN_PLACES: usize = MOST_CONNECTIONS / MOST_OPENINGS;

/// The open ports of a sandbox.
#[derive(Debug)]
pub struct Inbound {
    doors: Vec<(Door, StdTcpListener)>,
    guest: Guest,
}

/// One open port.
#[derive(Debug)]
struct Door {
    name: String,
    port: u16,
    protocol: Protocol,
    sources: Vec<Network>,
    token: Option<Expected>,
    /// Places of its own, then those of all doors.
    places: [Arc<Semaphore>; 2],
}

/// What every connection needs.
#[derive(Debug)]
struct Hall {
    guest: Guest,
    judge: Arc<Judge>,
    journal: Journal,
}

/// One connection from outside, through one door.
#[derive(Clone, Copy)]
struct Visit<'a> {
    hall: &'a Hall,
    door: &'a Door,
    source: SocketAddr,
    /// The policy under which the sandbox was found open last, or shut.
    policy: PolicyVersion,
}

impl Inbound {
    /// The ports in `openings`, whose listeners are `listeners`. `socket` is the guest's, relative to the root.
    #[must_use]
    pub fn new(
        openings: Vec<Opening>,
        listeners: Vec<StdTcpListener>,
        (socket, key): (String, FlowKey),
    ) -> Self {
        let rest = MOST_CONNECTIONS.saturating_sub(OWN_PLACES * openings.len());
        let rest = Arc::new(Semaphore::new(rest));
        let door = |Opening { name, port, protocol, sources, token, .. }| Door {
            name,
            port,
            protocol,
            sources,
            token: token.map(Expected::new),
            places: [Arc::new(Semaphore::new(OWN_PLACES)), Arc::clone(&rest)],
        };
        let doors = openings.into_iter().map(door).zip(listeners).collect();
        Self { doors, guest: Guest::new(socket, key) }
    }

    /// Serves them for ever. Must be called within a runtime.
    ///
    /// # Errors
    /// A listener cannot be registered with the runtime.
    pub fn serve(self, judge: &Arc<Judge>, journal: Journal) -> io::Result<()> {
        let hall = Arc::new(Hall { guest: self.guest, judge: Arc::clone(judge), journal });
        for (door, listener) in self.doors {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(watch(Arc::clone(&hall), Arc::new(door), listener));
        }
        Ok(())
    }
}

/// Serves one door until the end, when it tells of those who were turned away and not told of.
async fn watch(hall: Arc<Hall>, door: Arc<Door>, listener: TcpListener) {
    let stay = hall.judge.ending().stay();
    for more in hall.receive_all(&door, (listener, &stay)).await.into_rest() {
        hall.tell(&door, more).await;
    }
}

impl Hall {
    /// Returns, at the end, who was turned away and not told of.
    async fn receive_all(
        self: &Arc<Self>,
        door: &Arc<Door>,
        (listener, stay): (TcpListener, &Stay),
    ) -> Turned {
        let mut turned = Turned::default();
        loop {
            while let Some(more) = turned.take(Instant::now()) {
                self.tell(door, more).await;
            }
            let next = accept_tcp(&listener);
            let next = async {
                match turned.due() {
                    Some(at) => timeout_at(at, next).await.ok().flatten(),
                    None => next.await,
                }
            };
            let next = tokio::select! {
                biased;
                () = stay.ended() => return turned,
                next = next => next,
            };
            let Some((stream, source)) = next else { continue };
            let source = SocketAddr::new(source.ip().to_canonical(), source.port());
            let visit = Visit { hall: self, door, source, policy: self.judge.policy() };
            let open = self.judge.open_under().map_err(|_closed| Refused::quarantine());
            match open.and_then(|_version| door.place(source)) {
                Ok(place) => {
                    let (hall, door, policy) = (Arc::clone(self), Arc::clone(door), visit.policy);
                    tokio::spawn(async move {
                        Visit { hall: &hall, door: &door, source, policy }.receive_or_log(stream).await;
                        drop(place);
                    });
                }
                Err(refused) => {
                    if turned.is_told_now((source, visit.policy), &refused, Instant::now()) {
                        visit.record_refusal(refused).await;
                    }
                    reset(stream);
                    // One after the other, and everybody else before the next: the proxy has one thread.
                    yield_now().await;
                }
            }
        }
    }

    /// Records how many more were turned away.
    async fn tell(&self, door: &Door, More { source, policy, refused, times }: More) {
        Visit { hall: self, door, source, policy }.record_more(refused, times).await;
    }
}

impl Door {
    /// A place for a connection from `source`. Strangers take none.
    fn place(&self, source: SocketAddr) -> Result<OwnedSemaphorePermit, Refused> {
        if !self.sources.iter().any(|network| network.contains(source.ip())) {
            return Err(Refused::source(source.ip()));
        }
        let free = self.places.iter().find_map(|places| Arc::clone(places).try_acquire_owned().ok());
        free.ok_or_else(Refused::full)
    }
}

impl Visit<'_> {
    async fn receive_or_log(self, stream: TcpStream) {
        if let Err(error) = self.receive(stream).await {
            tracing::debug!(error = %chain(&error), "a connection from outside ended");
        }
    }

    /// Serves a connection that came while the sandbox was open.
    async fn receive(self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match self.door.protocol {
            Protocol::Tcp => self.tcp(stream).await,
            Protocol::Http => self.http(stream).await,
        }
    }
}

fn reset(stream: TcpStream) {
    with_reset(&stream);
    drop(stream);
}

/// With no time to linger a close resets the connection.
fn with_reset(stream: &TcpStream) {
    let _closed_anyway = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
