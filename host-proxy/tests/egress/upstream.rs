//! A real server on this machine that remembers every byte it received: the witness of every attack.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority that the operator trusts.
pub(crate) struct Root {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// What a server does with one request: the bytes of its answer, and whether it then closes.
pub(crate) type Handler = Arc<dyn Fn(&[u8]) -> Response + Send + Sync>;

/// An answer.
pub(crate) struct Response {
    pub(crate) bytes: Vec<u8>,
    pub(crate) close: bool,
}

impl Root {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        // Two roots must not have one name, or a chain to the wrong one looks like a broken signature.
        let number = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("root {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// TLS with a certificate for `names`, changed by `change`.
    pub(crate) fn server_config(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        server_config(certificate.der().clone(), &key)
    }
}

pub(crate) fn server_config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

impl Upstream {
    /// A server with TLS for `names`, answering every request with `ok`.
    pub(crate) fn tls(root: &Root, names: &[&str]) -> Self {
        Self::start(Some(root.server_config(names, |_| {})), Arc::new(|_| ok("hello")))
    }

    /// A server without TLS.
    pub(crate) fn plain() -> Self {
        Self::start(None, Arc::new(|_| ok("hello")))
    }

    pub(crate) fn start(tls: Option<Arc<ServerConfig>>, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, handler, tls) = (Arc::clone(&shared), Arc::clone(&handler), tls.clone());
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    stream.set_nodelay(true).unwrap();
                    serve(stream, tls, &shared, &handler);
                });
            }
        });
        Self { port, received }
    }

    /// All bytes of all connections, in order of the connections.
    pub(crate) fn received(&self) -> String {
        let connections = self.received.lock().unwrap();
        connections.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// A server without TLS that answers every request with these bytes.
    pub(crate) fn saying(bytes: &'static str) -> Self {
        Self::start(None, Arc::new(move |_| raw(bytes)))
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// Nobody connected, let alone sent anything.
    pub(crate) fn saw_nothing(&self) {
        assert_eq!((self.connections(), self.received()), (0, String::new()));
    }
}

pub(crate) fn ok(body: &str) -> Response {
    raw(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-From: upstream\r\n\r\n{body}", body.len()))
}

/// Exactly these bytes, and the connection stays open.
pub(crate) fn raw(bytes: &str) -> Response {
    Response { bytes: bytes.as_bytes().to_vec(), close: false }
}

/// Exactly these bytes, and the connection ends.
pub(crate) fn last(bytes: &str) -> Response {
    Response { close: true, ..raw(bytes) }
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    received: &Mutex<Vec<Vec<u8>>>,
    handler: &Handler,
) {
    let index = {
        let mut all = received.lock().unwrap();
        all.push(Vec::new());
        all.len() - 1
    };
    match tls {
        None => answer(stream, index, received, handler),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            answer(StreamOwned::new(connection, stream), index, received, handler);
        }
    }
}

fn answer(mut stream: impl Read + Write, index: usize, received: &Mutex<Vec<Vec<u8>>>, handler: &Handler) {
    let (mut pending, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let count = match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        received.lock().unwrap()[index].extend_from_slice(&piece[..count]);
        pending.extend_from_slice(&piece[..count]);
        while let Some(end) = end_of_request(&pending) {
            let request: Vec<u8> = pending.drain(..end).collect();
            let response = handler(&request);
            if stream.write_all(&response.bytes).and_then(|()| stream.flush()).is_err() || response.close {
                return;
            }
        }
    }
}

/// Where the first whole request ends.
fn end_of_request(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let head = text.find("\r\n\r\n")? + 4;
    let length =
        text[..head].lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    if text[..head].contains("transfer-encoding: chunked") {
        return text[head..].find("0\r\n\r\n").map(|end| head + end + 5);
    }
    let end = head + length.unwrap_or(0);
    (bytes.len() >= end).then_some(end)
}
