//! Whole flows: a client in the agent's network, the relay, and a host that reads the sealed head.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use wire::flow::{EXPLICIT_PROXY, Flow, FlowKey, SealedFlow};
use wire::frame;
use wire::subject::Subject;
use wire::vsock::FLOWS;

use crate::capture::Egress;
use crate::testbed::{Bed, SOON};

const KEY: FlowKey = FlowKey([9; 32]);

fn start(bed: &mut Bed) -> UnixListener {
    let listener = bed.listen(FLOWS);
    let gates = bed.gates();
    super::start(gates.flows, gates.explicit, Arc::clone(&bed.host), KEY, bed.resolver()).unwrap();
    listener
}

fn connect(bed: &Bed, to: &str) -> TcpStream {
    let stream = bed.inside(|| TcpStream::connect_timeout(&to.parse().unwrap(), SOON)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

fn accept(listener: &UnixListener) -> (UnixStream, Flow) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let sealed: SealedFlow = frame::read(&mut stream, frame::SMALL).unwrap();
    (stream, sealed.open(&KEY).unwrap())
}

#[test]
fn the_head_says_where_to_and_who() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let own = std::env::current_exe().unwrap();
    for (number, to) in ["198.18.0.1:443", "[fd00:6f73::1]:80"].into_iter().enumerate() {
        let _client = connect(&bed, to);
        let (_stream, flow) = accept(&listener);
        assert_eq!(flow.destination, to.parse().unwrap());
        assert_eq!(flow.id.0, number as u64 + 1);
        let Subject::Owners(owners) = flow.subject else { panic!("{:?}", flow.subject) };
        assert_eq!(owners.len(), 1);
        assert_eq!(owners[0].path, own.to_str().unwrap());
        assert_eq!(owners[0].pid, std::process::id());
        assert!(owners[0].sha256.is_some());
    }
}

#[test]
fn both_halves_close_on_their_own() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let mut client = connect(&bed, "198.18.0.1:80");
    let (mut host, _) = accept(&listener);
    client.write_all(b"request").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut request = String::new();
    host.read_to_string(&mut request).unwrap();
    assert_eq!(request, "request");
    // The client's end of sending is not the end of the flow.
    host.write_all(b"answer").unwrap();
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    drop(host);
    assert_eq!(client.read(&mut answer).unwrap(), 0);
}

#[test]
fn much_data_arrives_whole_past_a_slow_reader() {
    const SIZE: usize = 24 << 20;
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let mut client = connect(&bed, "198.18.0.1:80");
    let (mut host, _) = accept(&listener);
    let sent: Vec<u8> = (0..SIZE).map(|at| u8::try_from(at % 251).unwrap()).collect();
    std::thread::scope(|scope| {
        let mut writer = client.try_clone().unwrap();
        let sent = &sent;
        scope.spawn(move || {
            writer.write_all(sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        scope.spawn(move || {
            // Nothing is read until the sender has filled every buffer on the way.
            std::thread::sleep(std::time::Duration::from_millis(200));
            std::io::copy(&mut host.try_clone().unwrap(), &mut host).unwrap();
        });
        let mut received = Vec::with_capacity(SIZE);
        client.read_to_end(&mut received).unwrap();
        assert!(received == *sent, "{} of {SIZE} bytes, or not the same", received.len());
    });
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let mut client = connect(&bed, "198.18.0.1:80");
    let (mut host, _) = accept(&listener);
    host.write_all(b"no").unwrap();
    drop(host);
    let mut writer = client.try_clone().unwrap();
    let sender = std::thread::spawn(move || while writer.write_all(&[0; 65_536]).is_ok() {});
    let mut answer = [0; 2];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"no");
    drop(client.shutdown(Shutdown::Both));
    sender.join().unwrap();
}

#[test]
fn a_host_that_is_not_there_is_a_reset() {
    let mut bed = Bed::new(Egress::ToHost);
    drop(start(&mut bed));
    let mut client = connect(&bed, "198.18.0.1:80");
    assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn the_listeners_own_port_is_no_destination() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    listener.set_nonblocking(true).unwrap();
    // The reset may come before the client has seen that it was connected.
    let outcome = bed
        .inside(|| TcpStream::connect_timeout(&"127.0.0.1:1".parse().unwrap(), SOON))
        .and_then(|mut client| client.read(&mut [0; 1]));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn the_explicit_proxy_is_a_destination_of_its_own() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let own = std::env::current_exe().unwrap();
    let mut client = connect(&bed, "127.0.0.1:3128");
    let (mut host, flow) = accept(&listener);
    assert_eq!(flow.destination, EXPLICIT_PROXY);
    let Subject::Owners(owners) = flow.subject else { panic!("{:?}", flow.subject) };
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[0].path, own.to_str().unwrap());
    assert_eq!(owners[0].pid, std::process::id());
    client.write_all(b"CONNECT").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut request = String::new();
    host.read_to_string(&mut request).unwrap();
    assert_eq!(request, "CONNECT");
    host.write_all(b"200").unwrap();
    drop(host);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "200");
}

#[test]
fn the_explicit_proxys_owner_is_the_client_and_not_who_else_is_there() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    // The test program holds a connection too; only the exact pair of addresses tells them apart.
    let _own = connect(&bed, "127.0.0.1:3128");
    let _ = accept(&listener);
    let script = "exec 3<>/dev/tcp/127.0.0.1/3128; read -r -u 3 line";
    let mut child =
        bed.inside(|| Command::new("/bin/bash").args(["-c", script]).stdin(Stdio::null()).spawn()).unwrap();
    let (mut host, flow) = accept(&listener);
    host.write_all(b"done\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(flow.destination, EXPLICIT_PROXY);
    let Subject::Owners(owners) = flow.subject else { panic!("{:?}", flow.subject) };
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[0].pid, child.id());
    assert_eq!(owners[0].path, std::fs::canonicalize("/bin/bash").unwrap().to_str().unwrap());
}

#[test]
fn a_redirected_connection_to_the_proxys_port_is_a_captured_one() {
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let _client = connect(&bed, "198.18.0.1:3128");
    let (_host, flow) = accept(&listener);
    assert_eq!(flow.destination, "198.18.0.1:3128".parse().unwrap());
}

#[test]
fn hundreds_of_flows_at_once() {
    const FLOWS: usize = 300;
    crate::life::allow_descriptors().unwrap();
    let mut bed = Bed::new(Egress::ToHost);
    let listener = start(&mut bed);
    let host = std::thread::spawn(move || {
        let streams: Vec<_> = (0..FLOWS).map(|_| accept(&listener)).collect();
        for (mut stream, flow) in streams {
            stream.write_all(&flow.destination.port().to_be_bytes()).unwrap();
        }
    });
    let clients: Vec<_> =
        (0..FLOWS).map(|number| (number, connect(&bed, &format!("198.18.0.1:{}", 1000 + number)))).collect();
    host.join().unwrap();
    for (number, mut client) in clients {
        let mut port = Vec::new();
        client.read_to_end(&mut port).unwrap();
        assert_eq!(port, u16::try_from(1000 + number).unwrap().to_be_bytes());
    }
}
