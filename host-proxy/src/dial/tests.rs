//! Dialling with a DNS server that lies.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use policies::{Decision, Document, Policy};
use tokio::net::{TcpListener, UdpSocket};
use wire::subject::{Program, Subject};

use super::*;

/// Answers the `n`th question for an address.
type Zone = Arc<dyn Fn(usize, RecordType) -> Vec<RData> + Send + Sync>;

/// A DNS server, and how many questions it got.
async fn server(zone: Zone) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut bytes = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
            let question = Message::from_vec(&bytes[..length]).unwrap();
            let query = question.queries.first().unwrap().clone();
            let data = zone(counter.fetch_add(1, Ordering::Relaxed), query.query_type());
            let mut reply = Message::response(question.metadata.id, OpCode::Query);
            reply.metadata.recursion_available = true;
            reply.metadata.response_code = ResponseCode::NoError;
            let mut owner = query.name().clone();
            reply.add_query(query);
            for data in data {
                reply.add_answer(Record::from_rdata(owner.clone(), 0, data.clone()));
                if let RData::CNAME(CNAME(next)) = data {
                    owner = next;
                }
            }
            socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
        }
    });
    (address, asked)
}

async fn dialer(zone: Zone, allowed: &[&str]) -> (Dialer, Arc<AtomicUsize>) {
    let (address, asked) = server(zone).await;
    let mut nameserver = NameServerConfig::udp(address.ip());
    for connection in &mut nameserver.connections {
        connection.port = address.port();
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![nameserver]);
    let servers =
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap();
    let resolver = Resolver::new(BTreeMap::new(), Some(servers));
    let tls = client_config("").unwrap();
    (Dialer::new(resolver, Allowed::parse(allowed.iter().copied()).unwrap(), tls), asked)
}

fn permit(port: u16) -> Permit {
    let text = format!(
        "version: 1\nnetwork:\n  - name: a\n    binary: {{allow: [curl]}}\n    destination: {{allow: ['a.example:{port}']}}\n    \
         method: {{allow: [GET]}}\n    path: {{allow: ['/**']}}\n"
    );
    let policy = Policy::compile(&Document::parse(&text, "test").unwrap()).unwrap();
    let owner = Program {
        path: "/usr/bin/curl".to_owned(),
        sha256: None,
        script: None,
        pid: 1,
        uid: 1,
        parents: Vec::new(),
    };
    let request = policies::Request {
        subject: &Subject::Owners(vec![owner]),
        destination: policies::Destination { host: "a.example", port },
        method: "GET",
        path: "/",
        query: "",
        headers: &policies::NoHeaders,
        message: None,
        now: policies::Timestamp(0),
    };
    match policy.decide(&request) {
        Decision::Allow(permit) => permit,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

fn a(address: [u8; 4]) -> RData {
    RData::A(A(Ipv4Addr::from(address)))
}

/// The class for which the name is refused.
async fn refused(zone: impl Fn(usize, RecordType) -> Vec<RData> + Send + Sync + 'static) -> Class {
    let (dialer, _) = dialer(Arc::new(zone), &[]).await;
    match dialer.dial(&permit(9), Scheme::Http, Speaks::One).await {
        Err(DialError::Refused { class, .. }) => class,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_with_a_private_address_among_public_ones_is_refused() {
    let zone = |_, kind| match kind {
        RecordType::A => vec![a([1, 1, 1, 1]), a([10, 0, 0, 1]), a([8, 8, 8, 8])],
        _ => Vec::new(),
    };
    assert_eq!(refused(zone).await, Class::Private);
}

#[tokio::test]
async fn a_private_address_in_the_other_family_condemns_the_name() {
    let zone = |_, kind| match kind {
        RecordType::A => vec![a([1, 1, 1, 1])],
        _ => vec![RData::AAAA(AAAA("fd00:ec2::254".parse().unwrap()))],
    };
    assert_eq!(refused(zone).await, Class::Metadata);
}

#[tokio::test]
async fn an_alias_to_a_private_address_is_refused() {
    let zone = |_, kind| match kind {
        RecordType::A => {
            vec![
                RData::CNAME(CNAME(Name::from_ascii("metadata.internal.").unwrap())),
                a([169, 254, 169, 254]),
            ]
        }
        _ => Vec::new(),
    };
    assert_eq!(refused(zone).await, Class::Metadata);
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // The first answer is allowed; every later one would lead elsewhere.
    let zone = |count, kind| match (count, kind) {
        (0 | 1, RecordType::A) => vec![a([127, 0, 0, 1])],
        (_, RecordType::A) => vec![a([169, 254, 169, 254])],
        _ => Vec::new(),
    };
    let (dialer, asked) = dialer(Arc::new(zone), &["127.0.0.1"]).await;
    let dialled = dialer.dial(&permit(port), Scheme::Http, Speaks::One).await.unwrap();
    let Dialled::Plain(stream) = dialled else { panic!("{dialled:?}") };
    assert_eq!(stream.peer_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 1]));
    // One question for each family and not one more: nothing is asked between the check and the dial.
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_name_that_changes_is_checked_again_at_the_next_dial() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let moved = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&moved);
    let zone = move |_, kind| match (now.load(Ordering::Relaxed), kind) {
        (0, RecordType::A) => vec![a([127, 0, 0, 1])],
        (_, RecordType::A) => vec![a([192, 168, 1, 1])],
        _ => Vec::new(),
    };
    let (dialer, _) = dialer(Arc::new(zone), &["127.0.0.1"]).await;
    dialer.dial(&permit(port), Scheme::Http, Speaks::One).await.unwrap();
    moved.store(1, Ordering::Relaxed);
    let second = dialer.dial(&permit(port), Scheme::Http, Speaks::One).await;
    assert!(matches!(second, Err(DialError::Refused { class: Class::Private, .. })), "{second:?}");
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let (dialer, _) = dialer(Arc::new(|_, _| Vec::new()), &[]).await;
    assert!(matches!(dialer.dial(&permit(9), Scheme::Http, Speaks::One).await, Err(DialError::Resolve(_))));
}

#[tokio::test]
async fn this_machine_is_known_by_its_routes() {
    assert!(is_this_host([127, 0, 0, 1].into()).await);
    assert!(!is_this_host([192, 0, 2, 1].into()).await);
}
