//! One connection: a Unix stream on the host, a virtio stream in the guest.
//!
//! ```text
//! guest → host:  Connecting ─► Open ─► Draining ─► gone
//! host → guest:  Greeting ─► Offered ─► Open
//! ```
//! Each direction has its own credit: the guest may have at most [`BUFFER`] bytes on their way to us, and
//! we never send more than the guest has room for. Which connection may speak next is not decided here.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::num::Wrapping;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::request::{Credit, GuestPort, HEADER_LEN, Halves, Header, HostPort, Link, MAX_DATA, Operation};
use crate::memory::Segments;

/// Our receive buffer for one connection.
pub const BUFFER: u32 = 256 * 1024;

/// Room that the guest has not heard of before it is told without having asked.
const TELL_AFTER: u32 = BUFFER / 4;

/// Longest greeting: `CONNECT`, a space, ten digits, a line feed.
const MAX_GREETING: usize = 19;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    stream: UnixStream,
    state: State,
    /// The guest's receive buffer, as it last said.
    guest: Credit,
    /// Bytes sent to the guest since the start.
    sent: Wrapping<u32>,
    /// Bytes that came from the guest since the start.
    received: Wrapping<u32>,
    /// Of these, how many the host has taken.
    forwarded: Wrapping<u32>,
    /// Of these, how many the guest knows of.
    told: Wrapping<u32>,
    /// What came from the guest and the host has not taken.
    backlog: VecDeque<u8>,
    /// Directions that the guest closed.
    guest_closed: Halves,
    /// What the stream may have for us.
    input: Input,
    /// Whether the host was told that the guest sends no more.
    output: Output,
    /// Whether the host is gone altogether, not only done with sending.
    hung_up: bool,
    /// What the guest is owed beside data.
    owed: Owed,
}

/// Where in its life a connection is.
#[derive(Debug)]
pub enum State {
    /// The host's listener is full just now; until this moment it is asked again.
    Connecting(Instant),
    /// The host's greeting is being read.
    Greeting(Vec<u8>),
    /// The guest was, or will be, asked whether it takes the connection.
    Offered,
    /// Data flows.
    Open,
    /// The guest has gone after closing properly; the host still takes what is left.
    Draining,
}

/// What is known of the stream's readable side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// Nothing to read until the next event.
    Quiet,
    /// Something may be there.
    Ready,
    /// The host has sent its last byte; the guest is to be told.
    Ended,
    /// The guest was told.
    Told,
}

/// What the stream takes from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Open,
    Closed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    request: bool,
    response: bool,
    credit: bool,
    credit_question: bool,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fate {
    /// It lives.
    Lives,
    /// It is over; the guest must be told.
    Reset,
    /// It is over, and the guest knows or never knew.
    Gone,
}

/// What a greeting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// More is to come.
    Unfinished,
    /// The host wants this port of the guest.
    Wants(GuestPort),
    /// It is none.
    Invalid,
}

/// What the guest did against the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Data beyond the credit that it had.
    #[error("data beyond credit")]
    Credit,
    /// A packet that this state does not know.
    #[error("packet out of turn")]
    OutOfTurn,
}

impl Connection {
    /// A connection that the guest asked for and the host has granted.
    #[must_use]
    pub fn granted(link: Link, stream: UnixStream, guest: Credit) -> Self {
        let mut connection = Self::new(link, stream, State::Open);
        connection.guest = guest;
        connection.owed.response = true;
        connection
    }

    /// A connection that the guest asked for while the host's listener was full.
    #[must_use]
    pub fn connecting(link: Link, stream: UnixStream, guest: Credit, until: Instant) -> Self {
        let mut connection = Self::new(link, stream, State::Connecting(until));
        connection.guest = guest;
        connection
    }

    /// A connection that a host program is asking for.
    #[must_use]
    pub fn greeting(host: HostPort, stream: UnixStream) -> Self {
        // The guest's port is not known yet; nothing looks the link up before it is.
        Self::new(Link { guest: GuestPort(u32::MAX), host }, stream, State::Greeting(Vec::new()))
    }

    fn new(link: Link, stream: UnixStream, state: State) -> Self {
        Self {
            link,
            stream,
            state,
            guest: Credit::default(),
            sent: Wrapping(0),
            received: Wrapping(0),
            forwarded: Wrapping(0),
            told: Wrapping(0),
            backlog: VecDeque::new(),
            guest_closed: Halves::default(),
            input: Input::Ready,
            output: Output::Open,
            hung_up: false,
            owed: Owed::default(),
        }
    }

    pub(super) fn link(&self) -> Link {
        self.link
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn stream(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Bytes held back for the host.
    pub(super) fn backlog(&self) -> usize {
        self.backlog.len()
    }

    /// The host's listener took it after all.
    pub(super) fn connected(&mut self) {
        self.state = State::Open;
        self.owed.response = true;
    }

    /// Reads the greeting one byte at a time: what follows it belongs to the stream.
    pub(super) fn read_greeting(&mut self) -> Greeting {
        let State::Greeting(line) = &mut self.state else { return Greeting::Unfinished };
        let mut byte = [0];
        while line.len() < MAX_GREETING {
            match (&self.stream).read(&mut byte) {
                Ok(1) if byte == *b"\n" => {
                    return match parse_greeting(line) {
                        Some(port) => Greeting::Wants(port),
                        None => Greeting::Invalid,
                    };
                }
                Ok(1) => line.push(byte[0]),
                Ok(_) => return Greeting::Invalid,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Greeting::Unfinished,
                Err(_) => return Greeting::Invalid,
            }
        }
        Greeting::Invalid
    }

    /// Offers the connection to the guest.
    pub(super) fn offer(&mut self, guest: GuestPort) {
        self.link.guest = guest;
        self.state = State::Offered;
        self.owed.request = true;
    }

    /// The stream may be readable.
    pub(super) fn may_read(&mut self) {
        if self.input == Input::Quiet {
            self.input = Input::Ready;
        }
    }

    /// The host has closed both directions.
    pub(super) fn hung_up(&mut self) {
        self.hung_up = true;
        self.stop_reading_for_nobody();
    }

    /// A packet of the guest. Data that the host does not take at once is kept, within the credit given.
    pub(super) fn on_packet(
        &mut self,
        operation: Operation,
        credit: Credit,
        data: Segments<'_>,
    ) -> Result<Fate, Violation> {
        if credit != self.guest {
            self.owed.credit_question = false;
        }
        self.guest = credit;
        match (operation, &self.state) {
            (Operation::Reset, State::Open) if self.guest_closed.send && !self.backlog.is_empty() => {
                self.state = State::Draining;
                Ok(Fate::Lives)
            }
            (Operation::Reset, _) => Ok(Fate::Gone),
            (Operation::Response, State::Offered) => self.accepted(),
            (Operation::Data, State::Open) => self.on_data(data),
            (Operation::Shutdown(halves), State::Open) => {
                let before = self.guest_closed;
                self.guest_closed = before.and(halves);
                if self.guest_closed.receive && !before.receive {
                    let _already_closed = self.stream.shutdown(Shutdown::Read);
                    self.stop_reading_for_nobody();
                }
                Ok(self.after_forwarding())
            }
            (Operation::CreditUpdate, State::Open) => Ok(Fate::Lives),
            (Operation::CreditRequest, State::Open) => {
                self.owed.credit = true;
                Ok(Fate::Lives)
            }
            _ => Err(Violation::OutOfTurn),
        }
    }

    /// Passes on what the guest sent before, now that the host takes more.
    pub(super) fn may_write(&mut self) -> Fate {
        while !self.backlog.is_empty() {
            let (front, _) = self.backlog.as_slices();
            match (&self.stream).write(front) {
                Ok(0) => return Fate::Reset,
                Ok(count) => {
                    self.backlog.drain(..count);
                    self.forwarded += count_of(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Fate::Lives,
                Err(_gone) => return Fate::Reset,
            }
        }
        // A burst must not keep its memory for the rest of a quiet connection's life.
        self.backlog = VecDeque::new();
        self.after_forwarding()
    }

    /// Whether [`Self::speak`] would have something to say.
    pub(super) fn wants_to_speak(&self) -> bool {
        match self.state {
            State::Connecting(_) | State::Greeting(_) | State::Draining => false,
            State::Offered => self.owed.request,
            State::Open => {
                self.owed.response
                    || self.owed.credit
                    || self.untold() >= TELL_AFTER
                    || self.input == Input::Ended
                    || (self.input == Input::Ready && (self.may_send() > 0 || self.must_ask_for_credit()))
            }
        }
    }

    /// The next packet for the guest; its data goes into `room` right away. `None`: nothing to say after all.
    pub(super) fn speak(&mut self, mut room: Segments<'_>) -> Option<Header> {
        if std::mem::take(&mut self.owed.request) {
            return Some(self.header(Operation::Request, 0));
        }
        if std::mem::take(&mut self.owed.response) {
            return Some(self.header(Operation::Response, 0));
        }
        if self.input == Input::Ready && self.may_send() > 0 {
            let most = usize::try_from(self.may_send()).expect("32 bits fit").min(MAX_DATA);
            drop(room.split_off(most));
            if let Some(len) = self.receive(&room) {
                self.sent += len;
                return Some(self.header(Operation::Data, len.0));
            }
        }
        if self.input == Input::Ended {
            self.input = Input::Told;
            let halves = if self.hung_up { Halves::BOTH } else { Halves { receive: false, send: true } };
            return Some(self.header(Operation::Shutdown(halves), 0));
        }
        if std::mem::take(&mut self.owed.credit) || self.untold() >= TELL_AFTER {
            return Some(self.header(Operation::CreditUpdate, 0));
        }
        if self.input == Input::Ready && self.must_ask_for_credit() {
            self.owed.credit_question = true;
            return Some(self.header(Operation::CreditRequest, 0));
        }
        None
    }

    /// The guest takes the connection: the host program hears which port it has.
    fn accepted(&mut self) -> Result<Fate, Violation> {
        self.state = State::Open;
        let line = format!("OK {}\n", self.link.host.0);
        // A fresh stream has room for one line, unless its reader is gone.
        match (&self.stream).write(line.as_bytes()) {
            Ok(count) if count == line.len() => Ok(Fate::Lives),
            Ok(_) | Err(_) => Ok(Fate::Reset),
        }
    }

    fn on_data(&mut self, data: Segments<'_>) -> Result<Fate, Violation> {
        let len = count_of(data.len());
        if self.guest_closed.send {
            return Err(Violation::OutOfTurn);
        }
        let in_flight = (self.received - self.forwarded).0;
        if u64::from(in_flight) + u64::from(len.0) > u64::from(BUFFER) {
            return Err(Violation::Credit);
        }
        self.received += len;
        let rest = match self.forward(data) {
            Ok(rest) => rest,
            Err(_gone) => return Ok(Fate::Reset),
        };
        let mut bytes = vec![0; rest.len()];
        rest.copy_to(&mut bytes);
        self.backlog.extend(bytes);
        Ok(Fate::Lives)
    }

    /// Gives the host what it takes at once, straight from guest memory; returns the rest.
    fn forward<'m>(&mut self, mut data: Segments<'m>) -> io::Result<Segments<'m>> {
        while self.backlog.is_empty() && !data.is_empty() {
            match data.send(self.stream.as_fd()) {
                Ok(count) => {
                    self.forwarded += count_of(count);
                    data = data.split_off(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(data)
    }

    /// What the guest closed takes effect once everything that it sent before has been passed on.
    fn after_forwarding(&mut self) -> Fate {
        if !self.backlog.is_empty() {
            return Fate::Lives;
        }
        if matches!(self.state, State::Draining) {
            return Fate::Gone;
        }
        // Once only: closing a direction is itself an event on the stream, which would bring us back here.
        if self.guest_closed.send && self.output == Output::Open {
            self.output = Output::Closed;
            let _already_closed = self.stream.shutdown(Shutdown::Write);
        }
        if self.guest_closed == Halves::BOTH { Fate::Reset } else { Fate::Lives }
    }

    /// Bytes that came from the stream, or `None` when it has none.
    fn receive(&mut self, room: &Segments<'_>) -> Option<Wrapping<u32>> {
        loop {
            match room.receive(self.stream.as_fd()) {
                Ok(0) => self.input = Input::Ended,
                Ok(count) => return Some(count_of(count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.input = Input::Quiet,
                Err(_gone) => {
                    self.hung_up = true;
                    self.input = Input::Ended;
                }
            }
            return None;
        }
    }

    /// When the host is gone and the guest would not hear what it left, only the end remains to be told.
    fn stop_reading_for_nobody(&mut self) {
        if self.hung_up && self.guest_closed.receive && self.input != Input::Told {
            self.input = Input::Ended;
        }
    }

    /// Room in the guest's buffer. A guest that claims to have taken more than it got has none.
    fn may_send(&self) -> u32 {
        if self.guest_closed.receive {
            return 0;
        }
        let in_flight = (self.sent - Wrapping(self.guest.taken)).0;
        self.guest.buffer.saturating_sub(in_flight)
    }

    fn must_ask_for_credit(&self) -> bool {
        !self.guest_closed.receive && self.may_send() == 0 && !self.owed.credit_question
    }

    /// Room that the guest does not know of.
    fn untold(&self) -> u32 {
        (self.forwarded - self.told).0
    }

    fn header(&mut self, operation: Operation, len: u32) -> Header {
        self.told = self.forwarded;
        self.owed.credit = false;
        let credit = Credit { buffer: BUFFER, taken: self.forwarded.0 };
        Header { link: self.link, operation, credit, len }
    }
}

/// `CONNECT` and a decimal port.
fn parse_greeting(line: &[u8]) -> Option<GuestPort> {
    let port = line.strip_prefix(b"CONNECT ")?;
    let digits = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(port).ok().filter(|_| digits)?;
    text.parse().ok().map(GuestPort)
}

fn count_of(bytes: usize) -> Wrapping<u32> {
    Wrapping(u32::try_from(bytes).expect("a packet or a backlog is far below 4 GiB"))
}

/// Bytes of room in a chain, less the header.
pub(super) fn data_room<'m>(room: &Segments<'m>) -> Option<Segments<'m>> {
    let mut head = room.clone();
    let data = head.split_off(HEADER_LEN);
    (head.len() == HEADER_LEN).then_some(data)
}
