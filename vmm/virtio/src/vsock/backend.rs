//! The bridge: all connections, the host's sockets, and whose turn it is to speak to the guest.
//!
//! Bounds, since a guest may ask for anything: connections, bytes held back for slow host programs, and
//! refusals waiting for the guest to hear them. Over the second bound the connection that would exceed it
//! is reset; over the third the guest's packets wait where they are, in its own memory.
//!
//! The process's working directory is the directory of the sockets.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use wire::vsock::{PRIVILEGED_BELOW, Port, socket_name};

use super::connection::{Connection, Fate, Greeting, State};
use super::request::{Credit, Header, HostPort, Link, Operation, Packet};
use crate::device::Misbehaviour;
use crate::memory::Segments;

/// Most connections at a time, in both directions together.
pub const MAX_CONNECTIONS: usize = 4096;
/// Most bytes of all connections that are held back for host programs.
const MAX_BACKLOG: usize = 32 * 1024 * 1024;
/// Refusals that may wait before no more packets are taken from the guest.
const MAX_REFUSALS: usize = 256;
/// How long a full listener is asked again.
const CONNECT_FOR: Duration = Duration::from_secs(2);
/// How often. There is no event for "the listener has room again".
const CONNECT_AGAIN: Duration = Duration::from_millis(2);
/// First of the ports that host programs get for their own connections.
const FIRST_HOST_PORT: u32 = 1 << 30;

/// Names a connection for as long as its stream is open; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Id(u64);

const LISTENER: Id = Id(0);
const TIMER: Id = Id(1);
const FIRST_CONNECTION: Id = Id(2);

/// All connections of one guest.
#[derive(Debug)]
pub struct Bridge {
    epoll: OwnedFd,
    timer: OwnedFd,
    listener: OwnedFd,
    connections: HashMap<Id, Entry>,
    links: HashMap<Link, Id>,
    connecting: Vec<Id>,
    next_id: u64,
    next_host_port: u32,
    turns: VecDeque<Id>,
    refusals: VecDeque<Link>,
    backlog: usize,
}

#[derive(Debug)]
struct Entry {
    connection: Connection,
    /// Whether it stands in the queue of turns.
    queued: bool,
}

/// What an attempt to reach a host program came to.
enum Attempt {
    Connected,
    ListenerFull,
    Refused,
}

impl Bridge {
    /// A bridge without connections.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn new(listener: OwnedFd) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        rustix::io::ioctl_fionbio(&listener, true)?;
        epoll::add(&epoll, &listener, LISTENER.data(), EventFlags::IN | EventFlags::ET)?;
        epoll::add(&epoll, &timer, TIMER.data(), EventFlags::IN | EventFlags::ET)?;
        Ok(Self {
            epoll,
            timer,
            listener,
            connections: HashMap::new(),
            links: HashMap::new(),
            connecting: Vec::new(),
            next_id: FIRST_CONNECTION.0,
            next_host_port: FIRST_HOST_PORT,
            turns: VecDeque::new(),
            refusals: VecDeque::new(),
            backlog: 0,
        })
    }

    /// Readable when [`Self::on_events`] has something to do.
    #[must_use]
    pub fn events(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Connections at the moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether another packet of the guest may be looked at.
    #[must_use]
    pub fn takes_packets(&self) -> bool {
        self.refusals.len() < MAX_REFUSALS
    }

    /// Whether the guest is to get a packet.
    #[must_use]
    pub fn wants_to_speak(&self) -> bool {
        !self.refusals.is_empty() || !self.turns.is_empty()
    }

    /// Forgets all connections: the guest's driver has forgotten them.
    pub fn reset(&mut self) {
        self.connections.clear();
        self.links.clear();
        self.connecting.clear();
        self.turns.clear();
        self.refusals.clear();
        self.backlog = 0;
    }

    /// Acts on a packet of the guest.
    pub fn on_packet(&mut self, packet: Packet<'_>, misbehaviour: &Misbehaviour) {
        let link = packet.link;
        match (packet.operation, self.links.get(&link).copied()) {
            (Some(Operation::Request), None) => self.on_request(link, packet.credit),
            // A reset of nothing is how both sides make sure.
            (Some(Operation::Reset), None) => {}
            (Some(operation), Some(id)) => self.on_link(id, operation, packet, misbehaviour),
            (Some(_), None) => self.refusals.push_back(link),
            (None, _) => {
                misbehaviour.count();
                self.refusals.push_back(link);
            }
        }
    }

    /// The next packet for the guest, with its data in the room behind the header. `None`: there was none
    /// after all, and [`Self::wants_to_speak`] says whether to ask again.
    pub fn speak(&mut self, room: &Segments<'_>) -> Option<Header> {
        if let Some(link) = self.refusals.pop_front() {
            return Some(Header { link, operation: Operation::Reset, credit: Credit::default(), len: 0 });
        }
        let id = self.turns.pop_front()?;
        let entry = self.connections.get_mut(&id)?;
        entry.queued = false;
        let header = entry.connection.speak(room.clone());
        self.queue(id);
        header
    }

    /// Acts on what happened to the host's sockets.
    pub fn on_events(&mut self) {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            let none = Timespec { tv_sec: 0, tv_nsec: 0 };
            let waited = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&none));
            match waited {
                Ok(_) if events.is_empty() => return,
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => panic!("an epoll descriptor of our own fails: {error}"),
            }
            for event in &events {
                let (id, flags) = (Id(event.data.u64()), event.flags);
                match id {
                    LISTENER => self.accept(),
                    TIMER => self.connect_again(),
                    id => self.on_stream(id, flags),
                }
            }
        }
    }

    fn on_request(&mut self, link: Link, credit: Credit) {
        let below = PRIVILEGED_BELOW.0;
        let allowed = link.host.0 >= below || link.guest.0 < below;
        if !allowed || self.connections.len() >= MAX_CONNECTIONS {
            return self.refusals.push_back(link);
        }
        let Ok(stream) = new_stream() else { return self.refusals.push_back(link) };
        let connection = match attempt(&stream, link.host) {
            Attempt::Connected => Connection::granted(link, stream, credit),
            Attempt::ListenerFull => {
                Connection::connecting(link, stream, credit, Instant::now() + CONNECT_FOR)
            }
            Attempt::Refused => return self.refusals.push_back(link),
        };
        let retry = matches!(connection.state(), State::Connecting(_));
        let Some(id) = self.insert(connection) else { return self.refusals.push_back(link) };
        self.links.insert(link, id);
        if retry {
            self.connecting.push(id);
            self.set_timer();
        }
    }

    fn on_link(&mut self, id: Id, operation: Operation, packet: Packet<'_>, misbehaviour: &Misbehaviour) {
        self.with(id, |connection| {
            connection.on_packet(operation, packet.credit, packet.data).unwrap_or_else(|_violation| {
                misbehaviour.count();
                Fate::Reset
            })
        });
        if self.backlog > MAX_BACKLOG {
            self.with(id, |_connection| Fate::Reset);
        }
    }

    fn on_stream(&mut self, id: Id, flags: EventFlags) {
        let greeting = match self.connections.get(&id).map(|entry| entry.connection.state()) {
            Some(State::Greeting(_)) => true,
            // Nothing of a stream that is not connected yet means anything.
            Some(State::Connecting(_)) | None => return,
            Some(_) => false,
        };
        if greeting {
            return self.greet(id);
        }
        self.with(id, |connection| {
            if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
                connection.hung_up();
            }
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP) {
                connection.may_read();
            }
            if flags.contains(EventFlags::OUT) { connection.may_write() } else { Fate::Lives }
        });
    }

    fn accept(&mut self) {
        loop {
            match rustix::net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                // One too many is closed at once, which its program sees.
                Ok(_stream) if self.connections.len() >= MAX_CONNECTIONS => {}
                Ok(stream) => {
                    let connection = Connection::greeting(self.free_host_port(), UnixStream::from(stream));
                    self.insert(connection);
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                // Nobody more waits, or there is no descriptor left; the next program to come wakes us.
                Err(_) => return,
            }
        }
    }

    fn greet(&mut self, id: Id) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        match entry.connection.read_greeting() {
            Greeting::Unfinished => {}
            Greeting::Invalid => self.with(id, |_connection| Fate::Gone),
            Greeting::Wants(guest) => {
                entry.connection.offer(guest);
                let link = entry.connection.link();
                self.links.insert(link, id);
                self.queue(id);
            }
        }
    }

    /// Asks full listeners again.
    fn connect_again(&mut self) {
        let _expirations = rustix::io::read(&self.timer, &mut [0_u8; 8]);
        let now = Instant::now();
        for id in std::mem::take(&mut self.connecting) {
            let mut waiting = false;
            self.with(id, |connection| {
                let State::Connecting(until) = *connection.state() else { return Fate::Lives };
                match attempt(connection.stream(), connection.link().host) {
                    Attempt::Connected => connection.connected(),
                    Attempt::ListenerFull if now < until => waiting = true,
                    Attempt::ListenerFull | Attempt::Refused => return Fate::Reset,
                }
                Fate::Lives
            });
            if waiting {
                self.connecting.push(id);
            }
        }
        self.set_timer();
    }

    fn set_timer(&self) {
        let wait = if self.connecting.is_empty() { Duration::ZERO } else { CONNECT_AGAIN };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value = Timespec::try_from(wait).expect("milliseconds");
        rustix::time::timerfd_settime(
            &self.timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: zero, it_value },
        )
        .expect("a timer of our own takes any time that is one");
    }

    /// Takes a connection in; `None` when its stream cannot be watched.
    fn insert(&mut self, connection: Connection) -> Option<Id> {
        let id = Id(self.next_id);
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, connection.stream(), id.data(), flags).ok()?;
        self.next_id += 1;
        self.connections.insert(id, Entry { connection, queued: false });
        self.queue(id);
        Some(id)
    }

    /// Lets something happen to a connection, and draws the consequences.
    fn with(&mut self, id: Id, act: impl FnOnce(&mut Connection) -> Fate) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        let before = entry.connection.backlog();
        let fate = act(&mut entry.connection);
        let link = entry.connection.link();
        self.backlog = self.backlog - before + entry.connection.backlog();
        let draining = matches!(entry.connection.state(), State::Draining);
        match fate {
            Fate::Lives => {
                if draining {
                    // The guest may use the ports again while the host takes what is left.
                    self.unlink(link, id);
                }
                self.queue(id);
            }
            Fate::Reset | Fate::Gone => {
                self.backlog -= entry.connection.backlog();
                // Dropping the stream takes it out of the epoll set too.
                self.connections.remove(&id);
                self.unlink(link, id);
                if fate == Fate::Reset && !draining {
                    self.refusals.push_back(link);
                }
            }
        }
    }

    fn unlink(&mut self, link: Link, id: Id) {
        if self.links.get(&link) == Some(&id) {
            self.links.remove(&link);
        }
    }

    /// Gives a connection a turn if it wants one and has none.
    fn queue(&mut self, id: Id) {
        let Some(entry) = self.connections.get_mut(&id) else { return };
        if !entry.queued && entry.connection.wants_to_speak() {
            entry.queued = true;
            self.turns.push_back(id);
        }
    }

    fn free_host_port(&mut self) -> HostPort {
        loop {
            let port = HostPort(self.next_host_port);
            self.next_host_port = self.next_host_port.checked_add(1).unwrap_or(FIRST_HOST_PORT);
            if !self.connections.values().any(|entry| entry.connection.link().host == port) {
                return port;
            }
        }
    }
}

impl Id {
    fn data(self) -> EventData {
        EventData::new_u64(self.0)
    }
}

fn new_stream() -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?.into())
}

fn attempt(stream: impl AsFd, port: HostPort) -> Attempt {
    let name = socket_name(Port(port.0));
    let address = SocketAddrUnix::new(name.as_str()).expect("a port's name is short");
    loop {
        return match rustix::net::connect(&stream, &address) {
            Ok(()) => Attempt::Connected,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Attempt::ListenerFull,
            Err(_) => Attempt::Refused,
        };
    }
}
