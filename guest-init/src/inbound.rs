//! Connections from outside, which host-proxy has let in: each to a port of the agent.
//!
//! ```text
//! accept ──► from the host? ──► sealed by it? ──► a port of the setup? ──► agent's 127.0.0.1, then ::1
//!               │ no               │ no                │ no                    │ refused   │ connected
//!               ▼                  ▼                   ▼                       ▼           ▼
//!             closed            NotOpen             NotOpen            NobodyListens   bytes both ways
//! ```
//! The threads live in the agent's network: they are started from within, and have no other. Only here is a
//! connection made on somebody's word, so it goes to the loopback addresses alone, and to no port that the setup
//! does not name. A connection has a thread; there are at most [`MOST_CONNECTIONS`].

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use wire::flow::FlowKey;
use wire::frame;
use wire::inbound::{Answer, Head, MAX_FRAME, MOST_CONNECTIONS, PORT, SealedHead};

use crate::capture::Namespace;
use crate::host::Host;
use crate::relay::pipe::{Pipe, Progress};

/// How long the host may take for its head, and the agent's program to take a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where bytes are between two sockets.
const SCRATCH: usize = 16 * 1024;

/// Stack of a connection's thread.
const STACK: usize = 128 * 1024;

/// Why nobody can come in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InboundError {
    /// The host has no way in.
    #[error("cannot listen for connections from outside")]
    Listen(#[source] io::Error),
    /// The agent's network cannot be entered.
    #[error("cannot enter the agent's network")]
    Namespace(#[source] Errno),
    /// The thread could not be started.
    #[error("cannot start the thread for connections from outside")]
    Thread(#[source] io::Error),
}

/// What the connections share.
struct Doorman {
    host: Arc<dyn Host>,
    key: FlowKey,
    /// The agent's ports that may be reached.
    ports: Vec<u16>,
    open: AtomicUsize,
}

/// A place among the connections; free again when it is dropped.
struct Place<'a>(&'a AtomicUsize);

/// Starts to take connections to the agent's `ports` in its network.
///
/// # Errors
/// There is no listener, no thread, or no way into the network.
pub(crate) fn start(
    host: &Arc<dyn Host>,
    namespace: &Namespace,
    key: FlowKey,
    ports: Vec<u16>,
) -> Result<(), InboundError> {
    let listener = host.listen(PORT).map_err(InboundError::Listen)?;
    let doorman = Arc::new(Doorman { host: Arc::clone(host), key, ports, open: AtomicUsize::new(0) });
    let thread = std::thread::Builder::new().name("inbound".to_owned());
    // A thread has the network of the one that starts it.
    let started = namespace.within(|| thread.spawn(move || doorman.serve(&listener)));
    started.map_err(InboundError::Namespace)?.map(drop).map_err(InboundError::Thread)
}

impl Doorman {
    fn serve(self: Arc<Self>, listener: &OwnedFd) {
        loop {
            match rustix::net::accept_with(listener, rustix::net::SocketFlags::CLOEXEC) {
                Ok(caller) => self.attend(caller),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                // Out of descriptors or memory: others must end before this can go on.
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn attend(self: &Arc<Self>, caller: OwnedFd) {
        if !self.host.is_host(caller.as_fd()) {
            return;
        }
        if self.open.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
            self.open.fetch_sub(1, Ordering::Relaxed);
            // The host counts too, so this is a host that does not; it learns it if it listens.
            let _unheard = answer(&mut File::from(caller), Answer::Full);
            return;
        }
        let doorman = Arc::clone(self);
        let thread = std::thread::Builder::new().name("inbound".to_owned()).stack_size(STACK);
        let started = thread.spawn(move || {
            let _place = Place(&doorman.open);
            // Whatever failed ended the connection, which both of its ends see.
            let _ended = doorman.connection(caller);
        });
        if started.is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn connection(&self, caller: OwnedFd) -> Result<(), frame::FrameError> {
        let refused = |errno: Errno| frame::FrameError::Io(errno.into());
        for direction in [Timeout::Recv, Timeout::Send] {
            sockopt::set_socket_timeout(&caller, direction, Some(PATIENCE)).map_err(refused)?;
        }
        let mut caller = File::from(caller);
        let sealed: SealedHead = frame::read(&mut caller, MAX_FRAME)?;
        let port = match sealed.open(&self.key) {
            Ok(Head { port, .. }) if self.ports.contains(&port) => port,
            Ok(_) | Err(_) => return answer(&mut caller, Answer::NotOpen),
        };
        let Some(agent) = connect(port) else { return answer(&mut caller, Answer::NobodyListens) };
        answer(&mut caller, Answer::Connected)?;
        carry(&caller.into(), &agent.into()).map_err(refused)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(caller: &mut File, answer: Answer) -> Result<(), frame::FrameError> {
    frame::write(caller, &answer)
}

/// The agent's program that listens on `port`, on either loopback address.
fn connect(port: u16) -> Option<TcpStream> {
    let addresses: [SocketAddr; 2] = [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
    let stream = addresses.iter().find_map(|address| TcpStream::connect_timeout(address, PATIENCE).ok())?;
    // A connection to a port on which nobody listens may meet itself.
    let itself = stream.local_addr().ok() == stream.peer_addr().ok();
    let _slower_without = stream.set_nodelay(true);
    (!itself).then_some(stream)
}

/// Carries bytes until both directions have ended, or one side resets.
fn carry(host: &OwnedFd, agent: &OwnedFd) -> Result<(), Errno> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for socket in [host, agent] {
        rustix::io::ioctl_fionbio(socket, true)?;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&epoll, socket, EventData::new_u64(0), flags)?;
    }
    let (mut inward, mut outward) = (Pipe::starting_with(Vec::new()), Pipe::starting_with(Vec::new()));
    let mut scratch = vec![0; SCRATCH];
    loop {
        // An edge after this is news, so nothing is missed between the two looks.
        match (inward.pump(host, agent, &mut scratch), outward.pump(agent, host, &mut scratch)) {
            (Progress::Reset, _) | (_, Progress::Reset) => {
                return sockopt::set_socket_linger(agent, Some(Duration::ZERO));
            }
            (Progress::Ended, Progress::Ended) => return Ok(()),
            (Progress::Unfinished, _) | (_, Progress::Unfinished) => {}
            _ => wait(&epoll)?,
        }
    }
}

fn wait(epoll: &OwnedFd) -> Result<(), Errno> {
    let mut events = Vec::with_capacity(2);
    match epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}
