//! Carries every captured connection, and every one made to the explicit proxy, to the host, with a sealed
//! head that says who opened it.
//!
//! ```text
//! accept ──► identify (worker pool) ──► connect to the host ──► seal, then bytes both ways ──► closed
//!                                        │ refused                 │ reset by either side
//!                                        ▼                         ▼
//!                                      reset                     reset
//! ```
//! One thread serves all flows; only the look-up of owners, which reads files, has threads of its own. This
//! module must never know whether a flow is allowed: the host tells by closing it.

mod flow;
mod identify;
pub(crate) mod pipe;
mod table;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll;
use rustix::io::Errno;
use wire::flow::FlowKey;
use wire::id::FlowId;

use crate::host::Host;
use crate::identity::Resolver;
use flow::{Entrance, Flow};
use identify::{Identified, Pool};
use table::{Side, Slot, Table, Token};

/// Flows at once, in every state; what connects beyond is reset. The host's ports allow 1023.
const MAX_FLOWS: usize = 1000;

/// Events taken from the kernel at once.
const EVENTS: usize = 256;

/// Why the relay cannot work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    /// Its descriptors could not be made.
    #[error("cannot set up the relay")]
    SetUp(#[source] Errno),
    /// A thread could not be started.
    #[error("cannot start a thread of the relay")]
    Thread(#[source] std::io::Error),
}

/// The relay's thread.
struct Relay {
    listeners: [(OwnedFd, Entrance); 3],
    host: Arc<dyn Host>,
    key: FlowKey,
    epoll: OwnedFd,
    pool: Pool,
    flows: Table,
    last_id: u64,
    /// Flows that had more to do than their turn allowed.
    unfinished: Vec<Slot>,
    /// Where bytes are between two sockets.
    scratch: Vec<u8>,
}

/// Starts to accept and carry connections: those redirected to `redirected`, and those made to `explicit`.
///
/// # Errors
/// No descriptors or no threads.
pub(crate) fn start(
    redirected: [OwnedFd; 2],
    explicit: OwnedFd,
    host: Arc<dyn Host>,
    key: FlowKey,
    resolver: Arc<Resolver>,
) -> Result<(), RelayError> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(RelayError::SetUp)?;
    let pool = Pool::start(resolver)?;
    let watch = |fd: &OwnedFd, token: Token| {
        epoll::add(&epoll, fd, token.data(), epoll::EventFlags::IN).map_err(RelayError::SetUp)
    };
    let [v4, v6] = redirected;
    let listeners =
        [(v4, Entrance::Redirected), (v6, Entrance::Redirected), (explicit, Entrance::ExplicitProxy)];
    for (index, (listener, _)) in listeners.iter().enumerate() {
        watch(listener, Token::Listener(index))?;
    }
    epoll::add(&epoll, pool.finished(), Token::Identified.data(), epoll::EventFlags::IN)
        .map_err(RelayError::SetUp)?;
    let flows = Table::with_capacity(MAX_FLOWS);
    let relay = Relay {
        listeners,
        host,
        key,
        epoll,
        pool,
        flows,
        last_id: 0,
        unfinished: Vec::new(),
        scratch: vec![0; pipe::SCRATCH],
    };
    let thread = std::thread::Builder::new().name("relay".to_owned());
    thread.spawn(move || relay.run()).map(drop).map_err(RelayError::Thread)
}

impl Relay {
    fn run(mut self) {
        loop {
            for token in self.wait() {
                match token {
                    Token::Listener(index) => self.accept(index),
                    Token::Identified => self.connect_identified(),
                    Token::Flow(slot, side) => self.turn(slot, side),
                }
            }
            for slot in std::mem::take(&mut self.unfinished) {
                self.turn(slot, Side::Both);
            }
        }
    }

    fn wait(&self) -> Vec<Token> {
        let mut events = Vec::with_capacity(EVENTS);
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let limit = (!self.unfinished.is_empty()).then_some(&now);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), limit) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll_wait: {error}"),
        }
        events.iter().filter_map(|event| Token::from_data(event.data)).collect()
    }

    /// Accepts all that wait. A connection that failed meanwhile is nobody's any more.
    fn accept(&mut self, index: usize) {
        let Some((listener, entrance)) = self.listeners.get(index) else { return };
        let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
        loop {
            let client = match rustix::net::accept_with(listener, flags) {
                Ok(client) => client,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(_nothing_left_or_no_descriptors) => return,
            };
            let Some(flow) = Flow::accepted(client, *entrance) else { continue };
            if self.flows.is_full() {
                flow.reset();
                continue;
            }
            let question = flow.question();
            if let Some(slot) = self.flows.insert(flow) {
                self.pool.ask(slot, question);
            }
        }
    }

    fn connect_identified(&mut self) {
        for Identified { slot, subject } in self.pool.take() {
            self.last_id += 1;
            let id = FlowId(self.last_id);
            let Some(flow) = self.flows.get_mut(slot) else { continue };
            let connected = flow.connect(&*self.host, id, subject, &self.key);
            if !connected || self.watch(slot).is_err() {
                self.close(slot);
            }
        }
    }

    /// Both of a flow's sockets, edge-triggered: a turn goes on until there is nothing to do, so every edge
    /// after it is news.
    fn watch(&self, slot: Slot) -> Result<(), Errno> {
        let Some((client, host)) = self.flows.get(slot).and_then(Flow::sockets) else { return Ok(()) };
        let flags =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        epoll::add(&self.epoll, client.as_fd(), Token::Flow(slot, Side::Client).data(), flags)?;
        epoll::add(&self.epoll, host.as_fd(), Token::Flow(slot, Side::Host).data(), flags)
    }

    fn turn(&mut self, slot: Slot, side: Side) {
        let Some(flow) = self.flows.get_mut(slot) else { return };
        match flow.turn(side, &mut self.scratch) {
            flow::Turn::Waiting => {}
            flow::Turn::Unfinished => self.unfinished.push(slot),
            flow::Turn::Over => self.close(slot),
        }
    }

    fn close(&mut self, slot: Slot) {
        if let Some(flow) = self.flows.remove(slot) {
            flow.close();
        }
    }
}
