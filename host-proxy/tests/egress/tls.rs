//! TLS on both sides: a client that asks for somebody else, and upstreams that are not who they should be.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConfig, StreamOwned};

use crate::bench::{Answer, Setting};
use crate::forwarding::{NAME, policy, site};
use crate::upstream::{Root, Upstream, ok, server_config};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn request(port: u16) -> String {
    format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{port}\r\n\r\n")
}

/// A handshake for `name` on a connection to the allowed name fails, and the record says why.
fn handshake_fails(name: &str, level: &str, reason: &str, change: impl FnOnce(&mut rustls::ClientConfig)) {
    let (bench, upstream) = site();
    let mut config = bench.client_config();
    change(&mut config);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, bench.connect(NAME, upstream.port));
    let _refused = stream.write_all(request(upstream.port).as_bytes());
    assert!(stream.read(&mut [0; 16]).is_err());
    let denied = bench.audit.denied_at(level);
    assert!(denied["reason"].as_str().unwrap().contains(reason), "{denied}");
    upstream.saw_nothing();
}

#[test]
fn server_name_of_another_site() {
    handshake_fails("evil.test", "destination", "TLS for 'evil.test'", |_| {});
}

#[test]
fn server_name_with_a_suffix() {
    handshake_fails("api.test.evil.test", "destination", "TLS for 'api.test.evil.test'", |_| {});
}

#[test]
fn no_server_name() {
    handshake_fails(NAME, "destination", "without a server name", |config| config.enable_sni = false);
}

#[test]
fn only_protocols_that_cannot_be_judged_here() {
    handshake_fails(NAME, "request", "handshake failed", |config| {
        config.alpn_protocols = vec![b"smtp".to_vec()]
    });
}

#[test]
fn a_client_hello_in_single_bytes() {
    let (bench, upstream) = site();
    let name = ServerName::try_from(NAME).unwrap();
    let mut connection = ClientConnection::new(Arc::new(bench.client_config()), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    let mut stream = bench.connect(NAME, upstream.port);
    for byte in hello {
        stream.write_all(&[byte]).unwrap();
    }
    let answer = Answer::of(&mut StreamOwned::new(connection, stream), request(upstream.port).as_bytes());
    assert_eq!(answer.status(), 200, "{}", answer.text);
}

#[test]
fn http_2_preface_where_http_1_was_agreed() {
    let (bench, upstream) = site();
    let answer = bench.https(NAME, upstream.port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(answer.status(), 400, "{}", answer.text);
    upstream.saw_nothing();
}

#[test]
fn one_sandbox_does_not_trust_the_authority_of_another() {
    let (one, upstream) = site();
    let (other, _) = site();
    assert_ne!(one.authority_pem, other.authority_pem);
    let name = ServerName::try_from(NAME).unwrap();
    let connection = ClientConnection::new(Arc::new(other.client_config()), name).unwrap();
    let mut stream = StreamOwned::new(connection, one.connect(NAME, upstream.port));
    assert!(stream.write_all(request(upstream.port).as_bytes()).is_err());
    upstream.saw_nothing();
}

/// An upstream with this certificate is not spoken to, and the client hears why.
fn upstream_is_refused(config: Arc<ServerConfig>, root: &Root, reason: &str) {
    let upstream = Upstream::start(Some(config), Arc::new(|_| ok("secret")));
    let bench = Setting::new(policy(upstream.port)).host(NAME).trusting(&root.pem()).start();
    let answer = bench.https(NAME, upstream.port, request(upstream.port));
    assert_eq!(answer.status(), 502, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["level"], "upstream");
    assert!(body["error"].as_str().unwrap().contains(reason), "{body}");
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!(outcome["request"], body["request_id"]);
    assert_eq!(upstream.received(), "");
}

fn changed(root: &Root, change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
    root.server_config(&[NAME], change)
}

#[test]
fn upstream_with_an_expired_certificate() {
    let root = Root::new();
    let config = changed(&root, |params| {
        params.not_before = (SystemTime::now() - DAY * 9).into();
        params.not_after = (SystemTime::now() - DAY).into();
    });
    upstream_is_refused(config, &root, "expired");
}

#[test]
fn upstream_with_a_certificate_of_tomorrow() {
    let root = Root::new();
    let config = changed(&root, |params| params.not_before = (SystemTime::now() + DAY).into());
    upstream_is_refused(config, &root, "not valid yet");
}

#[test]
fn upstream_with_another_name() {
    let root = Root::new();
    upstream_is_refused(root.server_config(&["other.test"], |_| {}), &root, "not valid for name");
}

#[test]
fn upstream_with_the_name_in_the_subject_only() {
    let root = Root::new();
    let config =
        root.server_config(&[], |params| params.distinguished_name.push(rcgen::DnType::CommonName, NAME));
    upstream_is_refused(config, &root, "certificate");
}

#[test]
fn upstream_of_an_unknown_authority() {
    upstream_is_refused(changed(&Root::new(), |_| {}), &Root::new(), "UnknownIssuer");
}

#[test]
fn upstream_with_a_self_signed_certificate() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
    upstream_is_refused(server_config(certificate.der().clone(), &key), &Root::new(), "certificate");
}

#[test]
fn upstream_without_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        let _reset = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let bench = Setting::new(policy(port)).host(NAME).start();
    let answer = bench.https(NAME, port, request(port));
    assert_eq!((answer.status(), &answer.json()["level"]), (502, &"upstream".into()), "{}", answer.text);
    assert!(!seen.join().unwrap().contains("GET"));
}

#[test]
fn leaves_are_for_the_name_alone() {
    let (bench, upstream) = site();
    let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
    assert_eq!(Answer::of(&mut stream, request(upstream.port).as_bytes()).status(), 200);
    let leaf = stream.conn.peer_certificates().unwrap().first().unwrap().clone();
    let text = openssl_text(&leaf);
    assert!(text.contains(&format!("DNS:{NAME}\n")), "{text}");
    assert!(text.contains("CA:FALSE") && text.contains("TLS Web Server Authentication"), "{text}");
}

fn openssl_text(der: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leaf.der");
    std::fs::write(&path, der).unwrap();
    let output = std::process::Command::new("openssl")
        .args(["x509", "-inform", "der", "-noout", "-text", "-in"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
