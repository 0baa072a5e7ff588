//! Receivers of syslog that record bytes: what is framed, and what counts as delivered.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use audit_export::Format;
use audit_export::format::{Facility, syslog_header, syslog_message};
use audit_export::service::Notice;
use audit_export::sink::{SyslogTarget, Target, TlsFiles, Transport};

use crate::relay::{End, Relay};
use crate::rig::Rig;
use crate::tls::{Authority, Clients};

/// The bytes of each connection.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

fn target(transport: Transport, address: SocketAddr, tls: TlsFiles) -> Target {
    let (host, port) = ("localhost".to_owned(), address.port());
    Target::Syslog(SyslogTarget { transport, host, port, facility: Facility::default(), tls })
}

/// A receiver whose connections are read by `read`, which returns what it has of each.
fn start(mut read: impl FnMut(TcpStream) -> Vec<u8> + Send + 'static) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let bytes = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let read = read(stream.unwrap());
            bytes.lock().unwrap().push(read);
        }
    });
    (address, seen)
}

fn to_end(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A sender that went away has sent what it has.
    let _end = stream.read_to_end(&mut bytes);
    bytes
}

/// The same over TLS: an end is confirmed, and what was cut off is not.
fn to_end_of_tls(config: &Arc<rustls::ServerConfig>, stream: TcpStream) -> Vec<u8> {
    let connection = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, stream);
    let mut bytes = Vec::new();
    if stream.read_to_end(&mut bytes).is_ok() {
        stream.conn.send_close_notify();
        // A sender that is gone by now asks again.
        let _told = stream.flush();
    }
    bytes
}

/// Messages behind their lengths (RFC 6587, section 3.4.1).
fn messages(mut bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let (message, rest) = bytes[space + 1..].split_at(length);
        messages.push(String::from_utf8(message.to_vec()).unwrap());
        bytes = rest;
    }
    messages
}

#[tokio::test]
async fn messages_are_counted_over_tcp_and_tls() {
    let (rig, log) = Rig::with(703);
    let expected: Vec<String> =
        log.records().iter().map(|record| syslog_message(record, Facility::default())).collect();
    let (address, seen) = start(to_end);
    let plain = target(Transport::Tcp, address, TlsFiles::default());
    assert_eq!(rig.drain(plain, Format::Syslog).await, []);
    assert_eq!(seen.lock().unwrap().iter().flat_map(|bytes| messages(bytes)).collect::<Vec<_>>(), expected);

    let (rig, _log) = Rig::with(703);
    let ours = Authority::new(rig.folder.path(), "ours");
    let config = ours.server("localhost", Clients::Anybody);
    let (address, seen) = start(move |stream| to_end_of_tls(&config, stream));
    let tls = || TlsFiles { ca: Some(ours.ca.clone()), ..TlsFiles::default() };
    assert_eq!(rig.drain(target(Transport::Tls, address, tls()), Format::Syslog).await, []);
    assert_eq!(seen.lock().unwrap().iter().flat_map(|bytes| messages(bytes)).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_syslog_receiver_of_another_name_or_authority_gets_nothing() {
    let (rig, _log) = Rig::with(3);
    let (ours, theirs) =
        (Authority::new(rig.folder.path(), "ours"), Authority::new(rig.folder.path(), "theirs"));
    for config in
        [ours.server("elsewhere.test", Clients::Anybody), theirs.server("localhost", Clients::Anybody)]
    {
        let (address, seen) = start(move |stream| to_end_of_tls(&config, stream));
        let tls = TlsFiles { ca: Some(ours.ca.clone()), ..TlsFiles::default() };
        let notice = rig.until_notice(target(Transport::Tls, address, tls), Format::Syslog).await;
        assert!(matches!(notice, Notice::NotNow { .. }));
        assert!(seen.lock().unwrap().iter().all(Vec::is_empty));
    }
    assert_eq!(rig.cursor().delivered, 0);
}

/// Anybody on the way can close TCP; only the receiver can close TLS.
#[tokio::test]
async fn a_relay_that_swallows_the_batch_cannot_confirm_it() {
    let (rig, _log) = Rig::with(100);
    let ours = Authority::new(rig.folder.path(), "ours");
    let config = ours.server("localhost", Clients::Anybody);
    let (address, seen) = start(move |stream| to_end_of_tls(&config, stream));
    for end in [End::Cut, End::Passed] {
        let tls = TlsFiles { ca: Some(ours.ca.clone()), ..TlsFiles::default() };
        let relay = Relay::start(address.port(), end);
        let notice = rig.until_notice(target(Transport::Tls, relay.address, tls), Format::Syslog).await;
        let cause = "without close_notify";
        assert!(matches!(&notice, Notice::NotNow { cause: said, .. } if said.contains(cause)), "{notice:?}");
        assert_eq!(rig.cursor().delivered, 0);
        assert!(relay.swallowed() > 1);
    }
    assert!(seen.lock().unwrap().iter().all(Vec::is_empty));
}

/// What stands in a connection that breaks was not delivered, however much of it was read.
#[tokio::test]
async fn a_batch_counts_when_the_receiver_has_read_its_end() {
    let (rig, _log) = Rig::with(400);
    let mut connections = 0;
    let (address, seen) = start(move |mut stream| {
        connections += 1;
        if connections > 2 {
            return to_end(stream);
        }
        // With bytes unread, closing resets the connection.
        let mut some = vec![0; 1000];
        stream.read_exact(&mut some).unwrap();
        stream.write_all(b"hello").unwrap();
        some
    });
    let notices = rig.drain(target(Transport::Tcp, address, TlsFiles::default()), Format::Syslog).await;
    assert!(
        matches!(notices[..], [Notice::NotNow { .. }, Notice::NotNow { .. }, Notice::Again]),
        "{notices:?}"
    );
    assert_eq!(messages(&seen.lock().unwrap()[2]).len(), 400);
    assert_eq!(rig.cursor().delivered, 400);
}

#[tokio::test]
async fn other_formats_travel_as_the_message_and_datagrams_are_one_each() {
    let (rig, log) = Rig::with(3);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (host, port) = (address.ip().to_string(), address.port());
    let facility = Facility::new(4).unwrap();
    let target = SyslogTarget { transport: Transport::Udp, host, port, facility, tls: TlsFiles::default() };
    assert_eq!(rig.drain(Target::Syslog(target), Format::Json).await, []);
    let lines = std::fs::read_to_string(log.directory.join("000001.jsonl")).unwrap();
    for (record, line) in log.records().iter().zip(lines.lines()) {
        let mut bytes = [0; 2048];
        let length = socket.recv(&mut bytes).unwrap();
        let expected = format!("{} - {line}", syslog_header(record, facility));
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), expected);
    }
}
