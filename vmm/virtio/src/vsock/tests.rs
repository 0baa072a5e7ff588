//! The device as its driver sees it, with real Unix sockets on the host's side.
//!
//! The bridge reaches sockets relative to the working directory, which is one per process: all tests share
//! one directory, and each has ports of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use super::backend::{Bridge, MAX_CONNECTIONS};
use super::connection::BUFFER;
use super::device::Vsock;
use super::request::HEADER_LEN;
use crate::device::Event;
use crate::driver::{DATA, Driver, SIZE, WRITE};

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const PACKET: u64 = DATA;
const ROOM: u64 = 0x8_0000;
const ROOM_LEN: u32 = 4096;

const REQUEST: u16 = 1;
const RESPONSE: u16 = 2;
const RESET: u16 = 3;
const SHUTDOWN: u16 = 4;
const DATA_PACKET: u16 = 5;
const CREDIT_UPDATE: u16 = 6;
const CREDIT_REQUEST: u16 = 7;

/// The guest, one packet at a time.
struct Guest {
    driver: Driver,
    /// Packets received so far.
    seen: u16,
}

/// A packet as the guest reads it.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    host: u32,
    guest: u32,
    operation: u16,
    flags: u32,
    taken: u32,
    data: Vec<u8>,
}

/// What the guest writes into a header.
#[derive(Clone, Copy)]
struct Sent {
    source_cid: u64,
    target_cid: u64,
    guest: u32,
    host: u32,
    len: u32,
    kind: u16,
    operation: u16,
    flags: u32,
    buffer: u32,
    taken: u32,
}

fn directory() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap().keep();
        std::env::set_current_dir(&directory).unwrap();
        directory
    })
}

fn listen(port: u32) -> UnixListener {
    UnixListener::bind(directory().join(format!("{port}.sock"))).unwrap()
}

fn sent(guest: u32, host: u32, operation: u16) -> Sent {
    Sent {
        source_cid: 3,
        target_cid: 2,
        guest,
        host,
        len: 0,
        kind: 1,
        operation,
        flags: 0,
        buffer: 1 << 16,
        taken: 0,
    }
}

impl Sent {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.source_cid.to_le_bytes());
        bytes.extend(self.target_cid.to_le_bytes());
        bytes.extend(self.guest.to_le_bytes());
        bytes.extend(self.host.to_le_bytes());
        bytes.extend(self.len.to_le_bytes());
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(self.operation.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.buffer.to_le_bytes());
        bytes.extend(self.taken.to_le_bytes());
        assert_eq!(bytes.len(), HEADER_LEN);
        bytes
    }
}

impl Guest {
    /// A guest that has offered room for as many packets as its queue holds.
    fn start() -> Self {
        Self::start_on(&format!("guest-{:?}.sock", std::thread::current().id())).0
    }

    fn start_on(name: &str) -> (Self, PathBuf) {
        let path = directory().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        let driver = Driver::ready(Box::new(Vsock::new(Bridge::new(listener.into()).unwrap())));
        let guest = Self { driver, seen: 0 };
        for slot in 0..SIZE {
            guest.offer_room(slot);
        }
        (guest, path)
    }

    fn offer_room(&self, slot: u16) {
        let at = ROOM + u64::from(slot) * u64::from(ROOM_LEN);
        self.driver.rings[RECEIVE].offer_from(slot, &[(at, ROOM_LEN, WRITE)]);
        self.driver.notify(RECEIVE);
    }

    fn send(&self, header: Sent, data: &[u8]) {
        self.driver.put(PACKET, &header.bytes());
        self.driver.put(PACKET + 64, data);
        let len = u32::try_from(data.len()).unwrap();
        let header = (PACKET, u32::try_from(HEADER_LEN).unwrap(), 0);
        let ring = &self.driver.rings[TRANSMIT];
        if data.is_empty() {
            ring.offer(&[header])
        } else {
            ring.offer(&[header, (PACKET + 64, len, 0)])
        }
        self.driver.notify(TRANSMIT);
    }

    /// Lets the device look at its sockets, then takes the next packet, if there is one.
    fn try_receive(&mut self) -> Option<Received> {
        self.driver.transport.serve(Event::Backend);
        let ring = &self.driver.rings[RECEIVE];
        if ring.used_index() == self.seen {
            return None;
        }
        let (slot, len) = ring.used_entry(self.seen);
        let slot = u16::try_from(slot).unwrap();
        let at = ROOM + u64::from(slot) * u64::from(ROOM_LEN);
        let bytes = self.driver.fetch(at, usize::try_from(len).unwrap());
        self.seen = self.seen.wrapping_add(1);
        self.offer_room(slot);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let operation = u16::from_le_bytes(bytes[30..32].try_into().unwrap());
        assert_eq!((word(0), word(8)), (2, 3), "from the host to the guest");
        assert_eq!(word(24), len - 44);
        Some(Received {
            host: word(16),
            guest: word(20),
            operation,
            flags: word(32),
            taken: word(40),
            data: bytes[HEADER_LEN..].to_vec(),
        })
    }

    /// The next packet; the host's side may take a moment.
    fn receive(&mut self) -> Received {
        for _ in 0..500 {
            if let Some(packet) = self.try_receive() {
                return packet;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("no packet came");
    }

    /// Asks for a connection and gets it.
    fn connect(&mut self, guest: u32, listener: &UnixListener, host: u32) -> UnixStream {
        self.send(sent(guest, host, REQUEST), &[]);
        let answer = self.receive();
        assert_eq!((answer.operation, answer.guest, answer.host), (RESPONSE, guest, host));
        let stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    fn misbehaviour(&self) -> u64 {
        self.driver.transport.misbehaviour()
    }

    fn data(&self, link: (u32, u32), data: &[u8]) {
        let header = Sent { len: u32::try_from(data.len()).unwrap(), ..sent(link.0, link.1, DATA_PACKET) };
        self.send(header, data);
    }
}

#[test]
fn guest_is_number_three() {
    let guest = Guest::start();
    assert_eq!((guest.driver.get(0x100), guest.driver.get(0x104)), (3, 0));
}

#[test]
fn data_flows_both_ways_and_halves_close() {
    let listener = listen(2001);
    let mut guest = Guest::start();
    let mut host = guest.connect(5, &listener, 2001);
    guest.data((5, 2001), b"ping");
    let mut bytes = [0; 4];
    host.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ping");
    host.write_all(b"pong").unwrap();
    let packet = guest.receive();
    assert_eq!((packet.operation, packet.data.as_slice()), (DATA_PACKET, &b"pong"[..]));
    assert_eq!(packet.taken, 4, "credit travels with the data");

    guest.send(Sent { flags: 2, taken: 4, ..sent(5, 2001, SHUTDOWN) }, &[]);
    assert_eq!(host.read(&mut bytes).unwrap(), 0, "the guest sends no more");
    host.write_all(b"last").unwrap();
    assert_eq!(guest.receive().data, b"last");
    host.shutdown(Shutdown::Write).unwrap();
    let end = guest.receive();
    assert_eq!((end.operation, end.flags), (SHUTDOWN, 3), "by now neither direction is left");
    guest.send(Sent { flags: 3, ..sent(5, 2001, SHUTDOWN) }, &[]);
    assert_eq!(guest.receive().operation, RESET);
    assert_eq!(guest.try_receive(), None);
    assert_eq!(guest.misbehaviour(), 0);
}

#[test]
fn host_that_sends_no_more_still_receives() {
    let listener = listen(2000);
    let mut guest = Guest::start();
    let mut host = guest.connect(5, &listener, 2000);
    host.shutdown(Shutdown::Write).unwrap();
    let end = guest.receive();
    assert_eq!((end.operation, end.flags), (SHUTDOWN, 2));
    guest.data((5, 2000), b"ping");
    host.read_exact(&mut [0; 4]).unwrap();
    guest.send(Sent { flags: 3, ..sent(5, 2000, SHUTDOWN) }, &[]);
    assert_eq!(guest.receive().operation, RESET);
    assert_eq!(host.read(&mut [0; 4]).unwrap(), 0);
}

#[test]
fn nobody_listens() {
    let mut guest = Guest::start();
    guest.send(sent(5, 2999, REQUEST), &[]);
    let answer = guest.receive();
    assert_eq!((answer.operation, answer.guest, answer.host), (RESET, 5, 2999));
}

#[test]
fn privileged_port_wants_a_privileged_source() {
    let listener = listen(17);
    let mut guest = Guest::start();
    for source in [1024, 40_000, u32::MAX] {
        guest.send(sent(source, 17, REQUEST), &[]);
        assert_eq!(guest.receive().operation, RESET, "from {source}");
    }
    guest.connect(1023, &listener, 17);
}

#[test]
fn host_that_vanishes_closes_both_halves() {
    let listener = listen(2002);
    let mut guest = Guest::start();
    let mut host = guest.connect(5, &listener, 2002);
    host.write_all(b"bye").unwrap();
    drop(host);
    assert_eq!(guest.receive().data, b"bye");
    let end = guest.receive();
    assert_eq!((end.operation, end.flags), (SHUTDOWN, 3));
    guest.send(sent(5, 2002, RESET), &[]);
    assert_eq!(guest.try_receive(), None);
    // The ports are free again.
    guest.connect(5, &listener, 2002);
}

#[test]
fn host_is_not_read_beyond_the_guests_credit() {
    let listener = listen(2003);
    let mut guest = Guest::start();
    guest.send(Sent { buffer: 10, ..sent(5, 2003, REQUEST) }, &[]);
    assert_eq!(guest.receive().operation, RESPONSE);
    let mut host = listener.accept().unwrap().0;
    host.write_all(&[7; 25]).unwrap();
    assert_eq!(guest.receive().data.len(), 10);
    assert_eq!(guest.receive().operation, CREDIT_REQUEST);
    assert_eq!(guest.try_receive(), None, "it asks once");
    guest.send(Sent { buffer: 10, taken: 4, ..sent(5, 2003, CREDIT_UPDATE) }, &[]);
    assert_eq!(guest.receive().data.len(), 4);
    // A guest that claims to have taken what it never got gets nothing for it.
    guest.send(Sent { buffer: 10, taken: 1 << 31, ..sent(5, 2003, CREDIT_UPDATE) }, &[]);
    assert_ne!(guest.try_receive().map(|packet| packet.operation), Some(DATA_PACKET));
    guest.send(Sent { buffer: 100, taken: 14, ..sent(5, 2003, CREDIT_UPDATE) }, &[]);
    let rest: Vec<_> = std::iter::from_fn(|| guest.try_receive()).collect();
    assert_eq!(rest.iter().map(|packet| packet.data.len()).sum::<usize>(), 11);
}

#[test]
fn slow_host_holds_the_guest_within_its_credit() {
    let listener = listen(2004);
    let mut guest = Guest::start();
    let mut host = guest.connect(5, &listener, 2004);
    let chunk = vec![9; 32 * 1024];
    let mut sent_bytes = 0_u32;
    let mut taken = 0;
    // A driver keeps at most our buffer on its way.
    while sent_bytes - taken + 32 * 1024 <= BUFFER {
        guest.data((5, 2004), &chunk);
        sent_bytes += 32 * 1024;
        while let Some(packet) = guest.try_receive() {
            taken = packet.taken;
        }
        assert!(sent_bytes < 64 * BUFFER, "the host's socket has no end?");
    }
    assert_eq!(guest.misbehaviour(), 0);
    let mut all = vec![0; usize::try_from(sent_bytes).unwrap()];
    let reader = std::thread::spawn(move || {
        host.read_exact(&mut all).unwrap();
        assert!(all.iter().all(|byte| *byte == 9));
        // Open until the guest was asked: its end is a message of its own.
        host
    });
    while !reader.is_finished() {
        while let Some(packet) = guest.try_receive() {
            assert_eq!(packet.operation, CREDIT_UPDATE);
            taken = packet.taken;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(reader.join().unwrap());
    assert!(taken > sent_bytes - BUFFER / 4, "the guest hears of room without asking");
}

#[test]
fn guest_beyond_its_credit_is_reset() {
    let listener = listen(2005);
    let mut guest = Guest::start();
    let _host = guest.connect(5, &listener, 2005);
    let chunk = vec![9; 64 * 1024];
    let mut last = None;
    for _ in 0..64 {
        guest.data((5, 2005), &chunk);
        while let Some(packet) = guest.try_receive() {
            last = Some(packet.operation);
        }
        if last == Some(RESET) {
            break;
        }
    }
    assert_eq!(last, Some(RESET));
    assert_eq!(guest.misbehaviour(), 1);
}

#[test]
fn what_the_guest_sent_before_it_went_still_arrives() {
    let listener = listen(2006);
    let mut guest = Guest::start();
    let mut host = guest.connect(5, &listener, 2006);
    let chunk = vec![9; 64 * 1024];
    let mut count = 0;
    loop {
        guest.data((5, 2006), &chunk);
        count += chunk.len();
        let mut taken = 0;
        while let Some(packet) = guest.try_receive() {
            taken = packet.taken;
        }
        if usize::try_from(taken).unwrap() < count {
            break;
        }
    }
    // It closes, loses patience, and uses the ports for something else.
    guest.send(Sent { flags: 3, ..sent(5, 2006, SHUTDOWN) }, &[]);
    guest.send(sent(5, 2006, RESET), &[]);
    let _other = guest.connect(5, &listener, 2006);
    let mut all = Vec::new();
    let reader = std::thread::spawn(move || {
        host.read_to_end(&mut all).unwrap();
        all.len()
    });
    while !reader.is_finished() {
        guest.try_receive();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(reader.join().unwrap(), count);
}

#[test]
fn packets_out_of_turn_are_refused() {
    let listener = listen(2007);
    let mut guest = Guest::start();
    for operation in [RESPONSE, SHUTDOWN, DATA_PACKET, CREDIT_UPDATE, CREDIT_REQUEST, 0, 8, u16::MAX] {
        guest.send(sent(5, 2007, operation), &[]);
        assert_eq!(guest.receive().operation, RESET, "{operation} about nothing");
    }
    guest.send(sent(5, 2007, RESET), &[]);
    assert_eq!(guest.try_receive(), None, "a reset is not answered");
    let _host = guest.connect(5, &listener, 2007);
    guest.send(sent(5, 2007, REQUEST), &[]);
    assert_eq!(guest.receive().operation, RESET, "a second request for the same link");
    let _host = guest.connect(5, &listener, 2007);
    guest.send(Sent { flags: 2, ..sent(5, 2007, SHUTDOWN) }, &[]);
    guest.data((5, 2007), b"after the end");
    assert_eq!(guest.receive().operation, RESET);
}

#[test]
fn packets_that_are_none_are_given_back_and_counted() {
    let mut guest = Guest::start();
    let header = sent(5, 2008, REQUEST);
    let cases = [
        Sent { source_cid: 2, ..header },
        Sent { source_cid: 4, ..header },
        Sent { target_cid: 3, ..header },
        Sent { target_cid: u64::MAX, ..header },
        Sent { len: 1, ..header },
        Sent { len: u32::MAX, ..header },
    ];
    for case in cases {
        guest.send(case, &[]);
    }
    guest.driver.rings[TRANSMIT].offer(&[(PACKET, 43, 0)]);
    guest.driver.rings[TRANSMIT].offer(&[(PACKET, 44, WRITE)]);
    guest.driver.notify(TRANSMIT);
    assert_eq!(guest.misbehaviour(), 8);
    assert_eq!(guest.driver.rings[TRANSMIT].used_index(), 8);
    assert_eq!(guest.try_receive(), None);
    guest.send(Sent { kind: 2, ..header }, &[]);
    assert_eq!(guest.receive().operation, RESET, "a datagram is answered, since it could be");
}

#[test]
fn room_without_room_is_given_back() {
    let listener = UnixListener::bind(directory().join("guest-small.sock")).unwrap();
    let driver = Driver::ready(Box::new(Vsock::new(Bridge::new(listener.into()).unwrap())));
    let guest = Guest { driver, seen: 0 };
    guest.driver.rings[RECEIVE].offer_from(0, &[(ROOM, 43, WRITE)]);
    guest.driver.rings[RECEIVE].offer_from(1, &[(ROOM, 4096, 0)]);
    guest.driver.rings[RECEIVE].offer_from(2, &[(ROOM, 40, WRITE), (ROOM + 40, 10, WRITE)]);
    guest.send(sent(5, 2998, REQUEST), &[]);
    let ring = &guest.driver.rings[RECEIVE];
    assert_eq!([0, 1, 2].map(|index| ring.used_entry(index).1), [0, 0, 44]);
    assert_eq!(guest.misbehaviour(), 2);
}

#[test]
fn refusals_never_pile_up_in_the_host() {
    let listener = UnixListener::bind(directory().join("guest-deaf.sock")).unwrap();
    let driver = Driver::ready(Box::new(Vsock::new(Bridge::new(listener.into()).unwrap())));
    // This guest offers no room, and asks and asks.
    let guest = Guest { driver, seen: 0 };
    let before = guest.driver.rings[TRANSMIT].used_index();
    let mut asked = 0;
    while guest.driver.rings[TRANSMIT].used_index() == before.wrapping_add(asked) {
        guest.send(sent(5, 2997, REQUEST), &[]);
        asked += 1;
        assert!(asked < 10_000);
    }
    assert_eq!(asked, 257, "what waits is bounded; the rest stays in the guest's queue");
    // As soon as it listens, all is answered.
    for slot in 0..SIZE {
        guest.offer_room(slot);
    }
    assert_eq!(guest.driver.rings[TRANSMIT].used_index(), before.wrapping_add(asked));
}

#[test]
fn host_program_reaches_a_guest_port() {
    let (mut guest, path) = Guest::start_on("guest-host-to-guest.sock");
    let mut host = UnixStream::connect(path).unwrap();
    host.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    host.write_all(b"CONNECT 52\nearly").unwrap();
    let request = guest.receive();
    assert_eq!((request.operation, request.guest), (REQUEST, 52));
    assert!(request.host >= 1 << 30);
    guest.send(sent(52, request.host, RESPONSE), &[]);
    let mut line = vec![0; format!("OK {}\n", request.host).len()];
    host.read_exact(&mut line).unwrap();
    assert_eq!(line, format!("OK {}\n", request.host).into_bytes());
    assert_eq!(guest.receive().data, b"early", "what followed the greeting belongs to the stream");
    guest.data((52, request.host), b"hello");
    let mut bytes = [0; 5];
    host.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

#[test]
fn host_program_is_told_of_a_refusal_by_the_end() {
    let (mut guest, path) = Guest::start_on("guest-refuses.sock");
    let mut host = UnixStream::connect(path).unwrap();
    host.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    host.write_all(b"CONNECT 53\n").unwrap();
    let request = guest.receive();
    guest.send(sent(53, request.host, RESET), &[]);
    assert_eq!(host.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(guest.try_receive(), None);
}

#[test]
fn greetings_that_are_none_are_closed() {
    let (mut guest, path) = Guest::start_on("guest-greetings.sock");
    for greeting in
        ["\n", "CONNECT\n", "CONNECT x\n", "CONNECT +5\n", "CONNECT 4294967296\n", "GET / HTTP/1.1\r\n\r\n"]
    {
        let mut host = UnixStream::connect(&path).unwrap();
        host.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        host.write_all(greeting.as_bytes()).unwrap();
        assert_eq!(guest.try_receive(), None);
        let end = host.read(&mut [0; 8]);
        assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
}

#[test]
fn connections_are_bounded_and_all_usable() {
    raise_open_files();
    let listener = listen(2010);
    let mut guest = Guest::start();
    let mut hosts = Vec::new();
    for port in 0..u32::try_from(MAX_CONNECTIONS).unwrap() {
        hosts.push(guest.connect(10_000 + port, &listener, 2010));
    }
    guest.send(sent(9, 2010, REQUEST), &[]);
    assert_eq!(guest.receive().operation, RESET);
    let (last, host) = (10_000 + u32::try_from(MAX_CONNECTIONS).unwrap() - 1, hosts.last_mut().unwrap());
    guest.data((last, 2010), b"x");
    host.read_exact(&mut [0]).unwrap();
    // One goes, one comes.
    guest.send(Sent { flags: 3, ..sent(10_000, 2010, SHUTDOWN) }, &[]);
    assert_eq!(guest.receive().operation, RESET);
    guest.connect(9, &listener, 2010);
}

#[test]
fn full_listener_is_asked_again() {
    let listener = listen(2011);
    // `UnixListener::bind` asks for the most that the system allows; fill it.
    let mut fillers = Vec::new();
    loop {
        let flags = rustix::net::SocketFlags::NONBLOCK;
        let (family, kind) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM);
        let filler = rustix::net::socket_with(family, kind, flags, None).unwrap();
        let address = rustix::net::SocketAddrUnix::new(directory().join("2011.sock")).unwrap();
        match rustix::net::connect(&filler, &address) {
            Ok(()) => fillers.push(filler),
            Err(rustix::io::Errno::AGAIN) => break,
            Err(error) => panic!("{error}"),
        }
        if fillers.len() > 200 {
            // The system's bound is high: shrink ours.
            rustix::net::listen(&listener, 1).unwrap();
        }
    }
    let mut guest = Guest::start();
    guest.send(sent(5, 2011, REQUEST), &[]);
    assert_eq!(guest.try_receive(), None, "neither granted nor refused");
    for _ in &fillers {
        listener.accept().unwrap();
    }
    assert_eq!(guest.receive().operation, RESPONSE);
}

#[test]
fn reset_of_the_device_closes_everything() {
    let listener = listen(2012);
    let mut guest = Guest::start();
    let mut host = guest.connect(5, &listener, 2012);
    guest.driver.set(0x70, 0);
    assert_eq!(host.read(&mut [0]).unwrap(), 0);
}

fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}
