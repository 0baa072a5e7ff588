//! The rules against real packets.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use rustix::net::{RecvFlags, sockopt};

use super::Egress;
use crate::testbed::{Bed, SOON};

fn connect(bed: &Bed, to: &str) -> io::Result<TcpStream> {
    bed.inside(|| TcpStream::connect_timeout(&to.parse().unwrap(), SOON))
}

/// Sends a datagram and waits for its answer or refusal.
fn ask(bed: &Bed, to: &str) -> io::Result<Vec<u8>> {
    bed.inside(|| {
        let to: SocketAddr = to.parse().unwrap();
        let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        socket.set_read_timeout(Some(SOON))?;
        socket.connect(to)?;
        socket.send(b"question")?;
        let mut answer = [0; 64];
        let length = socket.recv(&mut answer)?;
        Ok(answer[..length].to_vec())
    })
}

#[test]
fn every_connection_arrives_with_its_true_destination() {
    let mut bed = Bed::new(Egress::ToHost);
    let gates = bed.gates();
    for to in [
        "198.18.0.7:443",
        "8.8.8.8:853",
        "10.0.0.1:22",
        "169.254.169.254:80",
        "[2001:db8::1]:80",
        "[fd00:6f73::9]:1",
    ] {
        let client = connect(&bed, to).unwrap();
        let listener = &gates.flows[usize::from(to.starts_with('['))];
        let accepted = rustix::net::accept(listener).unwrap();
        let destination: SocketAddr = if to.starts_with('[') {
            sockopt::ipv6_original_dst(&accepted).unwrap().into()
        } else {
            sockopt::ip_original_dst(&accepted).unwrap().into()
        };
        assert_eq!(destination, to.parse().unwrap());
        assert_eq!(client.peer_addr().unwrap(), destination, "the client sees nothing of it");
    }
}

#[test]
fn names_asked_anywhere_arrive_at_the_stub() {
    let mut bed = Bed::new(Egress::ToHost);
    let gates = bed.gates();
    for (to, index) in [
        ("8.8.8.8:53", 0),
        ("127.0.0.53:53", 0),
        ("127.0.0.1:53", 0),
        ("[2001:4860:4860::8888]:53", 1),
        ("[::1]:53", 1),
    ] {
        std::thread::scope(|scope| {
            let answer = scope.spawn(|| ask(&bed, to));
            let mut question = [0; 64];
            let mut poll =
                [rustix::event::PollFd::new(&gates.datagrams[index], rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut poll, Some(&SOON.try_into().unwrap())).unwrap();
            let (length, _, from) =
                rustix::net::recvfrom(&gates.datagrams[index], &mut question, RecvFlags::empty()).unwrap();
            assert_eq!(&question[..length], b"question");
            rustix::net::sendto(
                &gates.datagrams[index],
                b"answer",
                rustix::net::SendFlags::empty(),
                &from.unwrap(),
            )
            .unwrap();
            // The client's socket is connected, so it takes the answer only from where it asked.
            assert_eq!(answer.join().unwrap().unwrap(), b"answer", "{to}");
        });
    }
    let streams = connect(&bed, "9.9.9.9:53").unwrap();
    assert!(rustix::net::accept(&gates.streams[0]).is_ok());
    drop(streams);
}

#[test]
fn other_datagrams_are_refused_at_once() {
    let bed = Bed::new(Egress::ToHost);
    for to in ["1.1.1.1:443", "198.18.0.1:123", "255.255.255.255:67", "[2606:4700::1111]:443"] {
        let error = ask(&bed, to).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ConnectionRefused),
            "{to}: {error}"
        );
    }
}

#[test]
fn loopback_is_the_agents_own() {
    let bed = Bed::new(Egress::ToHost);
    for address in ["127.0.0.1:0", "127.9.9.9:0", "[::1]:0", "192.0.2.2:0"] {
        bed.inside(|| {
            let listener = TcpListener::bind(address).unwrap();
            let own = listener.local_addr().unwrap();
            let client = TcpStream::connect_timeout(&own, SOON).unwrap();
            assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
            let socket = UdpSocket::bind(address).unwrap();
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            assert_eq!(socket.recv(&mut [0; 4]).unwrap(), 1);
        });
    }
}

#[test]
fn nobody_else_can_be_the_explicit_proxy() {
    let bed = Bed::new(Egress::ToHost);
    for address in ["127.0.0.1:3128", "0.0.0.0:3128", "[::]:3128"] {
        let error = bed.inside(|| TcpListener::bind(address)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{address}");
    }
}

#[test]
fn without_egress_everything_is_refused_at_once() {
    let bed = Bed::new(Egress::None);
    for to in ["198.18.0.7:443", "1.1.1.1:53", "[2001:db8::1]:80", "127.0.0.1:3128"] {
        let error = connect(&bed, to).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{to}");
        let error = ask(&bed, to).unwrap_err();
        assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{to}: {error}");
    }
    assert!(ask(&bed, "127.0.0.1:53").is_err());
    bed.inside(|| {
        drop(TcpListener::bind("127.0.0.1:0").and_then(|l| TcpStream::connect(l.local_addr()?)).unwrap())
    });
}
