//! The name stub: carries DNS questions to the host and its answers back, without reading either.
//!
//! ```text
//! question (datagram or stream) ──► pending ──► host ──► answer ──► asker
//!                                     └── no answer in time, no host ──► "server failure"
//! ```
//! The stream to the host is opened when there is a question and opened again after it broke. One thread, one
//! `poll`; every queue has a bound, and a question over a bound fails at once.

mod asker;
mod message;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use wire::name::Query;

use crate::host::Host;
use crate::identity::{Resolver, Transport};
use asker::{Asker, Connection};
use upstream::Upstream;

/// How long the host may take. Resolvers ask again after five seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// Questions without an answer yet.
const MAX_PENDING: usize = 1024;

/// Connections that ask names.
const MAX_CONNECTIONS: usize = 64;

/// Longest question.
const MAX_QUESTION: usize = 4096;

/// The stub's thread.
struct Stub {
    datagrams: [OwnedFd; 2],
    listeners: [OwnedFd; 2],
    resolver: Arc<Resolver>,
    upstream: Upstream,
    connections: HashMap<u64, Connection>,
    pending: HashMap<u64, Pending>,
    /// Numbers of pending questions with their deadlines, oldest first. Answered ones are still in it.
    deadlines: VecDeque<(Instant, u64)>,
    last_id: u64,
}

/// A question whose answer is awaited.
struct Pending {
    asker: Asker,
    question: Vec<u8>,
}

/// What became ready.
#[derive(Clone, Copy)]
enum Source {
    Datagrams(usize),
    Listener(usize),
    Upstream,
    Connection(u64),
}

/// Starts to answer.
///
/// # Errors
/// The thread could not be started.
pub(crate) fn start(
    datagrams: [OwnedFd; 2],
    listeners: [OwnedFd; 2],
    host: Arc<dyn Host>,
    resolver: Arc<Resolver>,
) -> std::io::Result<()> {
    let stub = Stub {
        datagrams,
        listeners,
        resolver,
        upstream: Upstream::new(host),
        connections: HashMap::new(),
        pending: HashMap::new(),
        deadlines: VecDeque::new(),
        last_id: 0,
    };
    std::thread::Builder::new().name("names".to_owned()).spawn(move || stub.run()).map(drop)
}

impl Stub {
    fn run(mut self) {
        loop {
            for (source, events) in self.wait() {
                match source {
                    Source::Datagrams(index) => self.take_datagrams(index),
                    Source::Listener(index) => self.accept(index),
                    Source::Upstream => self.serve_upstream(events),
                    Source::Connection(id) => self.serve_connection(id),
                }
            }
            self.give_up_late();
        }
    }

    fn wait(&self) -> Vec<(Source, PollFlags)> {
        let mut sources = Vec::new();
        let mut poll = Vec::new();
        let mut watch = |source, fd, events| {
            sources.push(source);
            poll.push(PollFd::from_borrowed_fd(fd, events));
        };
        for (index, (datagrams, listener)) in self.datagrams.iter().zip(&self.listeners).enumerate() {
            watch(Source::Datagrams(index), datagrams.as_fd(), PollFlags::IN);
            if self.connections.len() < MAX_CONNECTIONS {
                watch(Source::Listener(index), listener.as_fd(), PollFlags::IN);
            }
        }
        if let Some((fd, events)) = self.upstream.interest() {
            watch(Source::Upstream, fd, events);
        }
        for (id, connection) in &self.connections {
            watch(Source::Connection(*id), connection.as_fd(), connection.interest());
        }
        let limit =
            self.deadlines.front().map(|(deadline, _)| deadline.saturating_duration_since(Instant::now()));
        let limit = limit.map(|left| Timespec::try_from(left).unwrap_or_default());
        match rustix::event::poll(&mut poll, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
        let ready = sources.into_iter().zip(poll.iter().map(PollFd::revents));
        ready.filter(|(_, events)| !events.is_empty()).collect()
    }

    fn take_datagrams(&mut self, index: usize) {
        let mut buffer = [0; MAX_QUESTION];
        while let Some(socket) = self.datagrams.get(index) {
            let Ok((length, _, Some(from))) = rustix::net::recvfrom(socket, &mut buffer, RecvFlags::empty())
            else {
                return;
            };
            let Ok(client) = SocketAddr::try_from(from) else { continue };
            let question = buffer.get(..length).unwrap_or_default().to_vec();
            self.ask(Asker::Datagram { socket: index, client }, client, Transport::Datagram, question);
        }
    }

    fn accept(&mut self, index: usize) {
        let Some(listener) = self.listeners.get(index) else { return };
        if let Some(connection) = Connection::accept(listener) {
            self.last_id += 1;
            self.connections.insert(self.last_id, connection);
        }
    }

    fn serve_connection(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (client, destination) = (connection.client(), connection.destination());
        let Ok(questions) = connection.turn(MAX_QUESTION) else {
            self.connections.remove(&id);
            return;
        };
        for question in questions {
            self.ask(Asker::Connection(id), client, Transport::Stream(destination), question);
        }
    }

    fn ask(&mut self, asker: Asker, client: SocketAddr, transport: Transport, question: Vec<u8>) {
        if self.pending.len() >= MAX_PENDING {
            return self.fail(asker, &question);
        }
        self.last_id += 1;
        let id = self.last_id;
        let subject = self.resolver.of_question(client, transport);
        let query = Query { id, subject, message: question.clone() };
        if self.upstream.send(&query).is_err() {
            return self.fail(asker, &question);
        }
        self.pending.insert(id, Pending { asker, question });
        self.deadlines.push_back((Instant::now() + PATIENCE, id));
    }

    fn serve_upstream(&mut self, events: PollFlags) {
        match self.upstream.turn(events) {
            Ok(replies) => {
                for reply in replies {
                    // An answer to nothing, or after its time, is dropped; so is one without content.
                    let Some(pending) = self.pending.remove(&reply.id) else { continue };
                    if !reply.message.is_empty() {
                        self.answer(pending.asker, &reply.message);
                    }
                }
            }
            Err(_broken) => {
                for (_, pending) in std::mem::take(&mut self.pending) {
                    self.fail(pending.asker, &pending.question);
                }
            }
        }
    }

    fn give_up_late(&mut self) {
        let now = Instant::now();
        while let Some((_, id)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            if let Some(pending) = self.pending.remove(&id) {
                self.fail(pending.asker, &pending.question);
            }
        }
    }

    fn fail(&mut self, asker: Asker, question: &[u8]) {
        if let Some(failure) = message::server_failure(question) {
            self.answer(asker, &failure);
        }
    }

    /// An asker that is gone gets nothing.
    fn answer(&mut self, asker: Asker, answer: &[u8]) {
        match asker {
            Asker::Datagram { socket, client } => {
                if let Some(socket) = self.datagrams.get(socket) {
                    let _ = rustix::net::sendto(socket, answer, rustix::net::SendFlags::NOSIGNAL, &client);
                }
            }
            Asker::Connection(id) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.queue(answer);
                }
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket()
    }
}
