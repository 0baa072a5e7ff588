//! The service with a real client of HTTP/2, over a socket and over TLS.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::generated::watch_response::Kind;
use super::generated::{Event, Place, Start, Surface, WatchRequest, WatchResponse};
use crate::Only;

use super::{Address, Server, ServerTls};

#[path = "../../tests/delivery/logs.rs"]
#[expect(dead_code, reason = "the tests of delivery need more of it")]
mod logs;

use logs::TestLog;

const SANDBOX: &str = "test-0a1b2c3d";

#[test]
fn the_code_is_what_the_definition_compiles_to() {
    let folder = tempfile::tempdir().unwrap();
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let definition = protox::compile(["feed.proto"], [crate_folder.join("proto")]).unwrap();
    let mut compiler = tonic_prost_build::configure().build_client(false).build_transport(false);
    compiler = compiler.out_dir(folder.path());
    compiler.compile_fds(definition).unwrap();
    let made = std::fs::read_to_string(folder.path().join("openshell.audit.feed.v1.rs")).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(crate_folder.join("src/serve/generated.rs"), &made).unwrap();
    }
    assert!(made == include_str!("generated.rs"), "UPDATE_GOLDEN=1 writes it anew");
}

/// What stands on the wire must not change: clients were made from the definition as it is.
#[test]
fn messages_are_written_as_ever() {
    let event = Event {
        surface: Surface::Finding.into(),
        sandbox: "a".to_owned(),
        sequence: 300,
        json: "{}".to_owned(),
    };
    let response = WatchResponse { kind: Some(Kind::Event(event)) };
    assert_eq!(response.encode_to_vec(), b"\x0a\x0c\x08\x04\x12\x01a\x18\xac\x02\x22\x02{}");
    let request = WatchRequest {
        sandboxes: vec!["a".to_owned()],
        surfaces: vec![Surface::AgentInput.into()],
        resume_after: vec![Place { sandbox: "a".to_owned(), sequence: 7 }],
        start: Start::First.into(),
    };
    assert_eq!(request.encode_to_vec(), b"\x0a\x01a\x12\x01\x01\x1a\x05\x0a\x01a\x10\x07\x20\x01");
}

/// A connection, as tonic's client takes it.
struct Channel(SendRequest<Body>);

impl tower_service::Service<http::Request<Body>> for Channel {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// A service over logs in a folder, on a socket.
struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    /// With a log of `records`.
    async fn with(records: u64) -> (Self, TestLog) {
        Self::only(Only::default(), records).await
    }

    /// With a log of `records`, of which clients get what `only` says.
    async fn only(only: Only, records: u64) -> (Self, TestLog) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = TestLog::new(&folder.path().join("audit"), SANDBOX);
        log.append(records);
        let rig = Self { folder };
        let server = Server::bind(Address::Unix(rig.socket()), &rig.root(), only).await.unwrap();
        tokio::spawn(server.run());
        (rig, log)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    async fn watch(&self, request: WatchRequest) -> Streaming<WatchResponse> {
        watch(UnixStream::connect(self.socket()).await.unwrap(), request).await.unwrap()
    }
}

async fn watch<S>(stream: S, request: WatchRequest) -> Result<Streaming<WatchResponse>, Status>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|_end| Status::unavailable(""))?;
    tokio::spawn(connection);
    let mut client = Grpc::with_origin(Channel(sender), http::Uri::from_static("http://feed"));
    client.ready().await.map_err(|_end| Status::unavailable(""))?;
    let path = http::uri::PathAndQuery::from_static("/openshell.audit.feed.v1.Feed/Watch");
    let codec: ProstCodec<WatchRequest, WatchResponse> = ProstCodec::default();
    Ok(client.server_streaming(Request::new(request), path, codec).await?.into_inner())
}

async fn next(stream: &mut Streaming<WatchResponse>) -> Kind {
    stream.message().await.unwrap().unwrap().kind.unwrap()
}

/// The numbers of the next events.
async fn numbers(stream: &mut Streaming<WatchResponse>, count: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _nth in 0..count {
        match next(stream).await {
            Kind::Event(event) => {
                let json: serde_json::Value = serde_json::from_str(&event.json).unwrap();
                assert_eq!((json["sequence"].as_u64(), &*event.sandbox), (Some(event.sequence), SANDBOX));
                numbers.push(event.sequence);
            }
            other => panic!("{other:?}"),
        }
    }
    numbers
}

fn from_first() -> WatchRequest {
    WatchRequest { start: Start::First.into(), ..WatchRequest::default() }
}

fn after(sequence: u64) -> WatchRequest {
    let place = Place { sandbox: SANDBOX.to_owned(), sequence };
    WatchRequest { resume_after: vec![place], ..WatchRequest::default() }
}

#[tokio::test]
async fn the_past_comes_first_and_then_what_comes() {
    let (rig, mut log) = Rig::with(700).await;
    let mut stream = rig.watch(from_first()).await;
    assert_eq!(numbers(&mut stream, 700).await, (1..=700).collect::<Vec<_>>());
    for _segment in 0..3 {
        log.append(2);
        log.rotate();
    }
    assert_eq!(numbers(&mut stream, 6).await, (701..=706).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_was_cut_off_goes_on_where_it_was() {
    let (rig, mut log) = Rig::with(300).await;
    let mut stream = rig.watch(after(290)).await;
    assert_eq!(numbers(&mut stream, 10).await, (291..=300).collect::<Vec<_>>());
    drop(stream);
    log.append(5);
    // Also a log that begins meanwhile comes whole; one that was there does not come at all.
    let mut stream = rig.watch(after(300)).await;
    assert_eq!(numbers(&mut stream, 5).await, (301..=305).collect::<Vec<_>>());
    TestLog::new(&rig.root(), "later-0a1b2c3d").append(1);
    let Kind::Event(event) = next(&mut stream).await else { panic!() };
    assert_eq!((&*event.sandbox, event.sequence), ("later-0a1b2c3d", 1));
}

#[tokio::test]
async fn without_a_place_only_the_future_comes() {
    let (rig, mut log) = Rig::with(100).await;
    let mut stream = rig.watch(WatchRequest::default()).await;
    // One thread drives both: when the second has seen the end, the first has.
    let mut second = rig.watch(after(99)).await;
    assert_eq!(numbers(&mut second, 1).await, [100]);
    log.append(1);
    assert_eq!(numbers(&mut second, 1).await, [101]);
    assert_eq!(numbers(&mut stream, 1).await, [101]);
}

#[tokio::test]
async fn only_what_is_asked_for_comes() {
    let (rig, mut log) = Rig::with(2).await;
    TestLog::new(&rig.root(), "other-0a1b2c3d").append(3);
    let request = WatchRequest {
        sandboxes: vec![SANDBOX.to_owned()],
        surfaces: vec![Surface::AgentBehaviour.into()],
        ..from_first()
    };
    let mut stream = rig.watch(request).await;
    log.append(1);
    assert_eq!(numbers(&mut stream, 3).await, [1, 2, 3]);
    let request = WatchRequest { surfaces: vec![Surface::AgentInput.into()], ..from_first() };
    log.edit(3);
    let mut silent = rig.watch(request).await;
    let Kind::Halted(halted) = next(&mut silent).await else { panic!("nothing goes in to a model there") };
    assert_eq!(halted.sandbox, SANDBOX);
}

/// Several tenants' logs lie together. A client of one of them asks for the others', by name, with a place in them, and for what is
/// wrong with them.
#[tokio::test]
async fn a_client_of_one_tenant_hears_nothing_of_another() {
    let acme = Only { tenants: Some(vec!["acme".into()]), ..Only::default() };
    let (rig, mut other) = Rig::only(acme, 2).await;
    let mut own = TestLog::new(&rig.root(), "acme-0a1b2c3d");
    own.tenant = "acme";
    own.append(2);
    let own_event = |kind: Kind| match kind {
        Kind::Event(event) => assert_eq!(event.sandbox, "acme-0a1b2c3d"),
        told => panic!("{told:?}"),
    };
    let asked = vec![SANDBOX.to_owned(), "acme-0a1b2c3d".to_owned()];
    let mut by_name = rig.watch(WatchRequest { sandboxes: asked, ..from_first() }).await;
    let mut all = rig.watch(from_first()).await;
    for stream in [&mut by_name, &mut all] {
        own_event(next(stream).await);
        own_event(next(stream).await);
    }
    // What is there and not served is as what is not there.
    for sandbox in [SANDBOX, "none-0a1b2c3d"] {
        let place = Place { sandbox: sandbox.to_owned(), sequence: 1 };
        let mut stream = rig.watch(WatchRequest { resume_after: vec![place], ..from_first() }).await;
        let status = stream.message().await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, &*format!("there is no log of {sandbox}"))
        );
    }
    other.append(1);
    other.edit(2);
    TestLog::new(&rig.root(), "later-0a1b2c3d").append(3);
    std::fs::write(rig.root().join("later-0a1b2c3d/000001.jsonl"), "no record\n").unwrap();
    own.append(1);
    for stream in [&mut by_name, &mut all] {
        own_event(next(stream).await);
    }
    // A record of another tenant in a log of this one is no record of this one.
    own.tenant = "other";
    own.append(1);
    assert!(matches!(next(&mut all).await, Kind::Halted(_)));
}

/// A log's tenant never changes. So what is not served is not opened again at each of its changes, and what is written into it
/// later does not make it served.
#[tokio::test]
async fn the_first_record_of_a_log_is_read_once() {
    let acme = Only { tenants: Some(vec!["acme".into()]), ..Only::default() };
    let (rig, other) = Rig::only(acme, 1).await;
    // It comes behind the other one.
    let mut own = TestLog::new(&rig.root(), "zeta-0a1b2c3d");
    own.tenant = "acme";
    own.append(1);
    let mut stream = rig.watch(from_first()).await;
    let Kind::Event(first) = next(&mut stream).await else { panic!() };
    std::fs::remove_dir_all(&other.directory).unwrap();
    let mut forged = TestLog::new(&rig.root(), SANDBOX);
    forged.tenant = "acme";
    forged.append(1);
    own.append(1);
    let Kind::Event(second) = next(&mut stream).await else { panic!() };
    assert_eq!([&*first.sandbox, &*second.sandbox], ["zeta-0a1b2c3d"; 2]);
}

#[tokio::test]
async fn a_client_that_knows_more_than_the_log_is_told() {
    let (rig, _log) = Rig::with(10).await;
    let mut stream = rig.watch(after(11)).await;
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    let place = Place { sandbox: "gone-0a1b2c3d".to_owned(), sequence: 1 };
    let mut stream = rig.watch(WatchRequest { resume_after: vec![place], ..from_first() }).await;
    assert_eq!(stream.message().await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_request_that_means_nothing_is_refused() {
    let (rig, _log) = Rig::with(1).await;
    let place = || Place { sandbox: SANDBOX.to_owned(), sequence: 1 };
    let none = WatchRequest::default;
    for request in [
        WatchRequest { start: 9, ..none() },
        WatchRequest { surfaces: vec![0], ..none() },
        WatchRequest { sandboxes: vec!["../etc".to_owned()], ..none() },
        WatchRequest { sandboxes: vec!["other".to_owned()], resume_after: vec![place()], ..none() },
        WatchRequest { resume_after: vec![place(), place()], ..none() },
        WatchRequest { sandboxes: vec!["a".to_owned(); 1025], ..none() },
    ] {
        let stream = UnixStream::connect(rig.socket()).await.unwrap();
        let status = watch(stream, request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{request:?}");
    }
}

#[tokio::test]
async fn what_was_removed_or_edited_is_told() {
    let (rig, mut log) = Rig::with(10).await;
    log.rotate();
    log.append(5);
    log.remove(1);
    let mut stream = rig.watch(after(4)).await;
    let Kind::Lost(lost) = next(&mut stream).await else { panic!() };
    assert_eq!((&*lost.sandbox, lost.records), (SANDBOX, 6));
    assert_eq!(numbers(&mut stream, 5).await, (11..=15).collect::<Vec<_>>());

    let (rig, log) = Rig::with(10).await;
    log.edit(7);
    let mut stream = rig.watch(from_first()).await;
    assert_eq!(numbers(&mut stream, 6).await, (1..=6).collect::<Vec<_>>());
    let Kind::Halted(halted) = next(&mut stream).await else { panic!() };
    assert!(halted.cause.starts_with("record 7: "), "{}", halted.cause);
}

/// What passes ends nothing: it is told once, and the log goes on where it was.
#[tokio::test]
async fn a_log_that_cannot_be_read_for_a_while_goes_on() {
    let (rig, mut log) = Rig::with(10).await;
    log.rotate();
    log.append(2);
    let mut stream = rig.watch(from_first()).await;
    assert_eq!(numbers(&mut stream, 12).await, (1..=12).collect::<Vec<_>>());
    // A link to itself where the next segment should be: what it will be nobody knows.
    log.rotate();
    let segment = log.directory.join(audit::log::segments::name(3));
    std::os::unix::fs::symlink(&segment, &segment).unwrap();
    let Kind::Delayed(delayed) = next(&mut stream).await else { panic!("it was not told") };
    assert_eq!(delayed.sandbox, SANDBOX);
    std::fs::remove_file(&segment).unwrap();
    log.append(5);
    assert_eq!(numbers(&mut stream, 5).await, (13..=17).collect::<Vec<_>>());
    // A second time it is told again, and what is wrong with the log still ends it.
    log.rotate();
    let segment = log.directory.join(audit::log::segments::name(4));
    std::os::unix::fs::symlink(&segment, &segment).unwrap();
    assert!(matches!(next(&mut stream).await, Kind::Delayed(_)));
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, "{}\n").unwrap();
    assert!(matches!(next(&mut stream).await, Kind::Halted(_)));
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let (rig, _log) = Rig::with(1).await;
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(rig.socket()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(Server::bind(Address::Unix(rig.socket()), &rig.root(), Only::default()).await.is_err());
    let left = rig.folder.path().join("left");
    drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
    Server::bind(Address::Unix(left), &rig.root(), Only::default()).await.unwrap();
}

/// An authority, and the files of what it issues.
struct Authority(CertifiedIssuer<'static, KeyPair>, PathBuf);

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ca = folder.join(format!("{name}.pem"));
        std::fs::write(&ca, issuer.pem()).unwrap();
        Self(issuer, ca)
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (leaf.pem(), key.serialize_pem())
    }

    /// A client that trusts this authority and shows `identity`.
    fn client(&self, identity: Option<(String, String)>) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config)
    }
}

#[tokio::test]
async fn only_clients_of_the_named_authority_are_served() {
    let (rig, _log) = Rig::with(3).await;
    let folder = rig.folder.path();
    let (ours, theirs) = (Authority::new(folder, "ours"), Authority::new(folder, "theirs"));
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    let (pem, secret) = ours.issue("localhost");
    std::fs::write(&certificate, pem).unwrap();
    std::fs::write(&key, secret).unwrap();
    let files = ServerTls { certificate, key, client_ca: ours.1.clone() };
    let address = Address::Tls("127.0.0.1:0".parse().unwrap(), files);
    let server = Server::bind(address, &rig.root(), Only::default()).await.unwrap();
    let port = server.port().unwrap();
    tokio::spawn(server.run());
    let ask = async |identity| {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(ours.client(identity));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.map_err(|_end| Status::unavailable(""))?;
        watch(stream, from_first()).await
    };
    assert!(ask(None).await.is_err());
    assert!(ask(Some(theirs.issue("client"))).await.is_err());
    let mut stream = ask(Some(ours.issue("client"))).await.unwrap();
    assert_eq!(numbers(&mut stream, 3).await, [1, 2, 3]);
    // Without TLS there is nothing at that port.
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert!(watch(stream, from_first()).await.is_err());
}
